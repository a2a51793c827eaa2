//! S-360 as the origin, from its post to the CRM and back: a simulated S-360 that posts to a real receiver and is
//! called over HTTP, a simulated Salesforce, and the account between them as the daemon puts it together.

mod bookings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tandem::config::{Config, Secrets};
use tandem::daemon::account::Account;
use tandem::daemon::notifications::Notifications;
use tandem::model::{Choice, FirstSync, Item, ModuleId, RecordId, Side, State, StreamId, StreamKind, Verb};
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::Served;
use tandem::sim::control::Edit;
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::sim::ledger::{By, Op};
use tandem::sim::s360::{self, PushAuth, Pusher, Receiver, S360Sim, Stream};
use tandem::sim::salesforce::{Field, Kind, SalesforceSim};
use tandem::store::{self, Reads as _, StoreError};
use tandem::sync::Engine;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::setup::{loopback, quick_place, salesforce_settings};
use super::world::{PATIENCE, operator};

const CODES: [&str; 2] = ["ACME", "GLOBE"];
const CONTACTS: ModuleId = ModuleId::Contacts;
const MODULES: [ModuleId; 3] = [ModuleId::Companies, CONTACTS, ModuleId::Orders];

/// Where opportunities say what is to be booked.
const ASKED: [(&str, &str, Kind); 5] = [
    ("booking", "Booking__c", Kind::Text(40)),
    ("product", "Product__c", Kind::Text(40)),
    ("performance", "Performance__c", Kind::Text(40)),
    ("quantity", "Quantity__c", Kind::Double),
    ("unit_price", "Unit_Price__c", Kind::Double),
];

/// One account with both institutions in operation.
struct House {
    s360: Arc<S360Sim>,
    pusher: Pusher,
    crm: Arc<SalesforceSim>,
    engine: Engine,
    posts: Notifications,
    running: JoinHandle<Result<(), StoreError>>,
    shutdown: CancellationToken,
    servers: Vec<Served>,
    _place: TempDir,
}

fn config(place: &TempDir, s360: &str, crm: &str, client_id: &str, called: &[&str], books: bool) -> Config {
    let secret = json!({"env": "GIVEN_DIRECTLY"});
    let inflow = json!({"auth": {"kind": "basic", "user": "s360", "passwords": [secret]}});
    let institution = |code: &str| {
        let mut institution = json!({
            "url": format!("{s360}/{}", code.to_lowercase()),
            "currency": "EUR",
            "calls_per_minute": 60_000,
            "contacts": inflow,
            "orders": inflow,
        });
        if called.contains(&code) {
            institution["operator"] = json!(format!("{code}_TANDEM"));
            institution["secret"] = secret.clone();
        }
        if books && code == "ACME" {
            institution["bookings"] = json!({"point_of_sales": 7, "payment_method": 3});
        }
        institution
    };
    let mut order_fields = json!({"kind": "Ivvy_Kind__c", "status": "Ivvy_Status__c"});
    if books {
        for (name, field, _) in ASKED {
            order_fields[name] = json!(field);
        }
    }
    let text = json!({
        "version": tandem::config::VERSION,
        "account": "house",
        "data_dir": place.path(),
        "socket": place.path().join("tandem.sock"),
        "s360": {"partner": "TANDEM", "institutions": {"ACME": institution("ACME"), "GLOBE": institution("GLOBE")}},
        "inbound": {"listen": "127.0.0.1:0"},
        "crm": {"kind": "salesforce", "url": crm, "client_id": client_id, "secret": secret},
        "sync": {"interval": "1h", "rate": 100_000, "settle": "300ms", "overlap": "5s"},
        "modules": {
            "companies": {"enabled": true},
            "contacts": {"enabled": true},
            "orders": {"enabled": true, "crm_fields": order_fields},
        },
    });
    Config::parse(&toml::to_string(&text).unwrap(), &place.path().join("tandem.toml")).unwrap()
}

impl House {
    /// Both institutions may be called.
    async fn open() -> Self {
        Self::with(&CODES).await
    }

    /// Only `called` may; from the others we only receive.
    async fn with(called: &[&str]) -> Self {
        Self::furnished(called, false).await
    }

    /// Both may be called, and ACME takes bookings.
    async fn booking() -> Self {
        Self::furnished(&CODES, true).await
    }

    async fn furnished(called: &[&str], books: bool) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let s360 = S360Sim::new(s360::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
        s360.set_knobs(|knobs| knobs.calls_per_minute = 100_000);
        let mut settings = salesforce_settings();
        let asked = ASKED.map(|(_, name, kind)| ("Opportunity".to_owned(), Field::new(name, kind)));
        settings.custom_fields.extend(asked);
        let crm = SalesforceSim::new(settings, Arc::clone(&clock), Entropy::seeded(8));
        let servers = vec![loopback(s360.router()).await, loopback(crm.router()).await];
        let place = quick_place();
        let config = config(&place, &servers[0].url(), &servers[1].url(), &crm.settings().client_id, called, books);
        let mut secrets = Secrets::default().with("crm.secret", crm.settings().client_secret.clone());
        for account in &s360.settings().institutions {
            let at = format!("s360.institutions.{}", account.code);
            secrets = secrets.with(format!("{at}.secret"), account.secret.clone());
            for stream in ["contacts", "orders"] {
                secrets = secrets.with(format!("{at}.{stream}.auth[0]"), password(&account.code));
            }
        }
        let account = Account::open(&config, secrets, &clock, &Entropy::seeded(9)).unwrap();
        let posts = Notifications::listen(config.inbound.as_ref().unwrap(), &account, &clock).unwrap();
        for code in CODES {
            let auth = PushAuth::Basic { user: "s360".to_owned(), password: password(code) };
            s360.set_receiver(code, Some(Receiver { url: format!("http://{}", posts.addr()), auth }));
        }
        let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
        let (engine, shutdown) = (account.engine.clone(), CancellationToken::new());
        let (run, stop) = (engine.clone(), shutdown.clone());
        let running = tokio::spawn(async move { run.run(stop).await });
        let pusher = s360.pusher(transport);
        let house = Self { s360, pusher, crm, engine, posts, running, shutdown, servers, _place: place };
        for code in CODES {
            house.first_day(code).await;
        }
        house.settle().await;
        house
    }

    /// Says from which day on an institution takes part.
    async fn first_day(&self, code: &str) {
        let (code, now) = (code.to_owned(), self.engine.now());
        let said = self.engine.store().write(move |tx| {
            for kind in [StreamKind::S360Contacts, StreamKind::S360Orders] {
                let id = StreamId::new(kind, &code);
                let mut state = tx.stream(&id)?;
                let from = "2020-01-01T00:00:00Z".parse().unwrap_or_default();
                let entered = "2020-01-01 UTC".to_owned();
                state.first_sync = Some(FirstSync { from, entered, by: "ada".to_owned(), at: now });
                tx.put_stream(&id, &state)?;
            }
            Ok(())
        });
        said.await.unwrap();
    }

    async fn until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !condition().await {
            assert!(!self.running.is_finished(), "the engine ended while waiting: {what}\n{}", self.describe());
            assert!(started.elapsed() < PATIENCE, "waited in vain: {what}\n{}", self.describe());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Both sides of everything have been swept since now, and what follows is done: nothing is ready or under way.
    async fn settle(&self) {
        let sides = || MODULES.into_iter().flat_map(|module| Side::BOTH.map(|side| (module, side)));
        let sweeps = |(module, side)| self.engine.store().read(|view| view.cursor(module, side)).unwrap().sweeps;
        let running = |(module, side)| self.engine.polling(module, side).progress.is_some();
        let wanted: Vec<u64> = sides().map(|side| u64::from(running(side)) + 1 + sweeps(side)).collect();
        self.engine.sync_now(None, false);
        self.until("swept", async || {
            let late = sides().zip(&wanted).any(|(side, wanted)| sweeps(side) < *wanted);
            if late && !sides().any(running) {
                self.engine.sync_now(None, false);
            }
            !late && !sides().any(running)
        })
        .await;
        self.until("idle", async || {
            for module in MODULES {
                // As an operator does with the first sync.
                let _ = self.engine.guard_release(module, None, operator("ada")).await;
            }
            self.engine.is_idle().unwrap()
        })
        .await;
    }

    /// Everything queued is posted, and everything that follows is done: parents first, then who waited for them.
    async fn post(&self) {
        for code in CODES {
            for stream in [Stream::Contacts, Stream::Orders] {
                let run = self.pusher.run_once(code, stream).await;
                assert!(run.posts.iter().all(|post| post.status == 200), "{run:?}");
            }
        }
        self.settle().await;
        self.settle().await;
    }

    fn edit(&self, edit: &Edit) -> String {
        self.s360.edit(edit).unwrap()
    }

    fn person(&self, code: &str, first: &str) -> String {
        self.edit(&Edit::create(&format!("{code}.contact"), person(first)))
    }

    fn order(&self, code: &str, state: &str, buyer: &str, amount: i64) -> String {
        let fields = json!({
            "orderType": "SALE", "orderState": state, "purchaserContactNumber": buyer, "saleAmount": amount,
        });
        self.edit(&Edit::create(&format!("{code}.order"), fields))
    }

    /// The one record of `object` with this key of ours.
    fn crm(&self, object: &str, key: &str) -> Json {
        let rows = self.crm.records(object).unwrap();
        let mut found = rows.into_iter().filter(|row| row["Ivvy_Id__c"] == key);
        let row = found.next().unwrap_or_else(|| panic!("no {object} {key}\n{}", self.describe()));
        assert!(found.next().is_none(), "two of {object} {key}");
        row
    }

    /// How often Tandem has written so far: there, and in the CRM.
    fn writes(&self) -> [usize; 2] {
        [self.s360.ledger().effects(), self.crm.ledger().effects()]
            .map(|effects| effects.iter().filter(|effect| effect.by == By::Api).count())
    }

    fn links(&self, module: ModuleId) -> Vec<String> {
        let links = self.engine.store().read(|view| view.links(module, None, 1000)).unwrap();
        links.into_iter().map(|link| link.ivvy.0).collect()
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for module in MODULES {
            let counts = self.engine.store().read(|view| view.counts(module)).unwrap();
            text += &format!("{module}: {counts:?} {:?}\n", self.engine.last_error(module));
            for state in [State::Held, State::Blocked, State::Retry, State::Dead, State::Unknown] {
                let ids = self.engine.store().read(|view| view.in_state(module, state, None, 9)).unwrap();
                for id in ids {
                    let item = self.engine.store().read(|view| view.item(id)).unwrap();
                    text += &format!("  {:?}\n", item.map(|item| (item.state, item.reasons, item.pair, item.error)));
                }
            }
        }
        text
    }

    async fn end(self) {
        self.posts.stop().await;
        let findings = self.engine.store().read(store::doctor::check).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        for server in self.servers {
            server.stop().await.unwrap();
        }
    }
}

fn password(code: &str) -> SecretString {
    SecretString::from(format!("password of {code}"))
}

fn person(first: &str) -> Json {
    let email = format!("{}@house.example", first.to_lowercase());
    json!({
        "individualContact": {"title": "MRS", "firstName": first, "lastName": "King"},
        "communicationMeans": [{"type": "EMAIL", "value": email, "main": true}],
    })
}

/// Persons, relays, structures, and orders of both outcomes; the same order again is nothing (S-02, S-03, S-05).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_reaches_the_crm_once_s02_s03_s05_s16() {
    let house = House::open().await;
    let structure = json!({"structureContact": {"name": "Harbour Hall"}});
    let hall = house.edit(&Edit::create("ACME.contact", structure));
    let mut relay = person("Ada");
    relay["structureContactNumber"] = json!(hall);
    let relay = house.edit(&Edit::create("ACME.contact", relay));
    let public = house.person("ACME", "Bea");
    house.post().await;

    let account = house.crm("Account", &format!("company-ACME-{hall}"));
    assert_eq!(account["Name"], "Harbour Hall");
    let contact = house.crm("Contact", &format!("contact-ACME-{relay}"));
    assert_eq!((&contact["FirstName"], &contact["AccountId"]), (&json!("Ada"), &account["Id"]), "a relay is theirs");
    assert_eq!(house.crm("Contact", &format!("contact-ACME-{public}"))["AccountId"], Json::Null);

    let (won, lost) =
        (house.order("ACME", "CLOSED", &relay, 120_500), house.order("ACME", "ABANDONNED", &public, 4_000));
    house.post().await;
    let order = house.crm("Opportunity", &format!("order-ACME-{won}"));
    assert_eq!((&order["StageName"], &order["Amount"]), (&json!("Closed Won"), &json!(120.5)));
    assert_eq!((&order["Name"], &order["Ivvy_Kind__c"]), (&json!(format!("Sale {won}")), &json!("sale")));
    assert_eq!(order["AccountId"], account["Id"]);
    let order = house.crm("Opportunity", &format!("order-ACME-{lost}"));
    assert_eq!((&order["StageName"], &order["Ivvy_Status__c"]), (&json!("Closed Lost"), &json!("abandoned")));

    // The same order and the same person are posted again: nothing is written anywhere.
    let before = house.writes();
    house.edit(&Edit::update("ACME.order", &won, json!({"orderState": "CLOSED"})));
    house.edit(&Edit::update("ACME.contact", &public, person("Bea")));
    house.post().await;
    assert_eq!(house.writes(), before);
    assert_eq!(house.writes()[0], 0, "and nothing ever in S-360");

    // Closed at first, given back later: the same opportunity.
    house.edit(&Edit::update("ACME.order", &won, json!({"orderState": "ABANDONNED"})));
    house.post().await;
    assert_eq!(house.crm("Opportunity", &format!("order-ACME-{won}"))["StageName"], "Closed Lost");
    house.end().await;
}

/// An edit in the CRM is saved in S-360 once; its echo in the next push changes nothing (S-04).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_edit_is_saved_once_and_its_echo_changes_nothing_s04_s24() {
    let house = House::open().await;
    let number = house.person("ACME", "Ada");
    house.post().await;
    let contact = house.crm("Contact", &format!("contact-ACME-{number}"));
    house.crm.edit("Contact", contact["Id"].as_str().unwrap(), json!({"FirstName": "Augusta"})).unwrap();
    house.settle().await;
    let there = house.s360.records("ACME.contact").unwrap().remove(0);
    assert_eq!(there["individualContact"], json!({"title": "MRS", "firstName": "Augusta", "lastName": "King"}));
    let before = house.writes();
    assert_eq!(before[0], 1, "saved once");
    assert_eq!(house.s360.queue("ACME", Stream::Contacts).unwrap().fresh, [number], "the echo waits to be posted");
    house.post().await;
    assert_eq!(house.writes(), before);

    // Somebody new in the CRM: with two institutions nothing says whose, and a person decides.
    let new = json!({"FirstName": "Cleo", "LastName": "King", "Email": "cleo@house.example"});
    house.crm.insert("Contact", new).unwrap();
    house.settle().await;
    let held = house.engine.store().read(|view| view.in_state(CONTACTS, State::Held, None, 9)).unwrap();
    assert_eq!((held.len(), house.writes()[0]), (1, 1), "{}", house.describe());
    house.end().await;
}

/// A create whose answer is lost is made once, also when its echo is posted before anybody could look (S-24).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_made_once_s24() {
    let house = House::with(&["ACME"]).await;
    house.s360.faults().arm(FaultSpec::times(FaultKind::DropAfter, "saveIndividual", 1)).unwrap();
    let new = json!({"FirstName": "Cleo", "LastName": "King", "Email": "cleo@house.example", "Phone": "+33 6"});
    let id = house.crm.insert("Contact", new).unwrap();
    house.engine.sync_now(None, false);
    house
        .until("a create", async || {
            let _ = house.engine.guard_release(CONTACTS, None, operator("ada")).await;
            house.s360.ledger().count("ACME.contact", Op::Create) == 1
        })
        .await;
    house.post().await;
    house.until("the pair", async || house.links(CONTACTS).len() == 1).await;
    house.settle().await;
    assert_eq!(house.s360.ledger().count("ACME.contact", Op::Create), 1, "{}", house.describe());
    let link = house.engine.store().read(|view| view.links(CONTACTS, None, 9)).unwrap().remove(0);
    assert_eq!((link.crm.as_str(), link.ivvy.as_str().starts_with("ACME-")), (id.as_str(), true));
    let open = house.engine.store().read(|view| view.in_state(CONTACTS, State::Held, None, 9)).unwrap();
    assert!(open.is_empty(), "{}", house.describe());

    // GLOBE is receive-only: what it posts is taken, and an edit of that is for a person.
    let number = house.person("GLOBE", "Dora");
    house.post().await;
    let contact = house.crm("Contact", &format!("contact-GLOBE-{number}"));
    house.crm.edit("Contact", contact["Id"].as_str().unwrap(), json!({"Phone": "+33 7"})).unwrap();
    house.settle().await;
    assert!(house.describe().contains("GLOBE is receive-only"), "{}", house.describe());
    assert_eq!(house.s360.ledger().count("GLOBE.contact", Op::Update), 0);
    house.end().await;
}

/// What was never posted, after twelve tries or ever, is found by a look at everything there is (scenario 14).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_s360_gave_up_is_found_by_a_look_at_the_shelf_scenario_14_s17() {
    let house = House::open().await;
    let numbers: Vec<String> = ["Ada", "Bea"].map(|first| house.person("ACME", first)).to_vec();
    house.post().await;
    let receiver = Receiver { url: "http://127.0.0.1:1".to_owned(), auth: PushAuth::None };
    house.s360.set_receiver("ACME", Some(receiver));
    house.edit(&Edit::update("ACME.contact", &numbers[0], person("Augusta")));
    for _ in 0..12 {
        house.pusher.run_once("ACME", Stream::Contacts).await;
    }
    assert_eq!(house.s360.queue("ACME", Stream::Contacts).unwrap().abandoned.len(), 1, "S-360 gave up");
    house.settle().await;
    let key = format!("contact-ACME-{}", numbers[0]);
    assert_eq!(house.crm("Contact", &key)["FirstName"], "Ada", "nobody could know");

    let shelf = house.engine.store().read(|view| view.shelf(CONTACTS, Side::Ivvy, None, None, 100)).unwrap();
    let before = house.writes();
    for row in shelf.iter().filter(|row| row.id.as_str().starts_with("ACME-")) {
        house.engine.look_at(CONTACTS, Side::Ivvy, row.id.clone()).await.unwrap();
    }
    house.until("the lost change", async || house.crm("Contact", &key)["FirstName"] == "Augusta").await;
    house.settle().await;
    assert_eq!(house.writes(), [before[0], before[1] + 1], "that one, and nothing else");
    house.end().await;
}

/// Too many calls: the edits wait, none is lost or made twice (scenario 15).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_only_delays_edits_scenario_15_s10() {
    let house = House::open().await;
    let numbers: Vec<String> = (0..20).map(|serial| house.person("ACME", &format!("P{serial}"))).collect();
    house.post().await;
    let faults = house.s360.faults();
    faults.arm(FaultSpec::times(FaultKind::Throttle, "saveIndividual", 1)).unwrap();
    faults.arm(FaultSpec::times(FaultKind::Throttle, "getContactData", 1)).unwrap();
    for number in &numbers {
        let contact = house.crm("Contact", &format!("contact-ACME-{number}"));
        house.crm.edit("Contact", contact["Id"].as_str().unwrap(), json!({"Phone": number})).unwrap();
    }
    house.settle().await;
    house
        .until("everything is saved", async || {
            house.s360.ledger().count("ACME.contact", Op::Update) >= 20 && house.engine.is_idle().unwrap()
        })
        .await;
    assert_eq!(house.writes()[0], 20, "each once");
    for row in house.s360.records("ACME.contact").unwrap() {
        let means = row["communicationMeans"].as_array().unwrap();
        assert!(means.iter().any(|one| one["value"] == row["contactNumber"]), "{row}");
    }
    house.end().await;
}

/// Two institutions with the same numbers are two in every table (scenario 16).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_institutions_are_apart_everywhere_scenario_16_s01() {
    let house = House::open().await;
    let (here, there) = (house.person("ACME", "Ada"), house.person("GLOBE", "Bea"));
    assert_eq!(here, there, "both number from the same start");
    house.post().await;
    let (mine, theirs) = (format!("contact-ACME-{here}"), format!("contact-GLOBE-{there}"));
    assert_eq!(house.crm("Contact", &mine)["FirstName"], "Ada");
    assert_eq!(house.crm("Contact", &theirs)["FirstName"], "Bea");
    // Links are numbered as two plans happened to be made.
    let mut links = house.links(CONTACTS);
    links.sort_unstable();
    assert_eq!(links, [format!("ACME-{here}"), format!("GLOBE-{there}")]);
    let orders = CODES.map(|code| house.order(code, "CLOSED", &here, 1_000));
    assert_eq!(orders[0], orders[1]);
    house.post().await;
    let of = |code: &str| house.crm("Opportunity", &format!("order-{code}-{}", orders[0]))["Name"].clone();
    assert_eq!(of("ACME"), of("GLOBE"));
    house.edit(&Edit::update("GLOBE.contact", &there, person("Beatrix")));
    house.post().await;
    assert_eq!(house.crm("Contact", &mine)["FirstName"], "Ada");
    assert_eq!(house.crm("Contact", &theirs)["FirstName"], "Beatrix");
    let contact = house.crm("Contact", &theirs);
    house.crm.edit("Contact", contact["Id"].as_str().unwrap(), json!({"Phone": "+33 6"})).unwrap();
    house.settle().await;
    assert_eq!(house.s360.ledger().count("ACME.contact", Op::Update), 0);
    let streams = house.engine.store().read(|view| view.streams()).unwrap();
    let of = |tenant: &str| {
        let id = StreamId::new(StreamKind::S360Contacts, tenant);
        streams.iter().find(|(stream, _)| *stream == id).map(|(_, state)| (state.payloads, state.records)).unwrap()
    };
    assert_eq!((of("ACME"), of("GLOBE")), ((1, 1), (2, 2)));
    house.end().await;
}

/// An institution that refuses its operator keeps its own edits waiting, where people see why, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_institution_that_refuses_its_operator_stops_no_other_s01() {
    let house = House::open().await;
    let there: Vec<String> = (0..8).map(|n| house.person("GLOBE", &format!("Bea{n}"))).collect();
    let here = house.person("ACME", "Ada");
    house.post().await;
    house.s360.faults().arm(FaultSpec::times(FaultKind::Unauthorized, "/globe/", 100_000)).unwrap();
    let phone = |code: &str, number: &str, phone: &str| {
        let contact = house.crm("Contact", &format!("contact-{code}-{number}"));
        house.crm.edit("Contact", contact["Id"].as_str().unwrap(), json!({"Phone": phone})).unwrap();
    };
    there.iter().for_each(|number| phone("GLOBE", number, "+33 6 11"));
    phone("ACME", &here, "+33 6 22");
    house.engine.sync_now(None, false);
    house.until("ACME goes on", async || house.s360.ledger().count("ACME.contact", Op::Update) == 1).await;
    let ready = || house.engine.store().read(|view| view.in_state(CONTACTS, State::Ready, None, 99)).unwrap().len();
    house.until("all of GLOBE wait", async || ready() == there.len()).await;
    assert_eq!(house.engine.stopped(CONTACTS), None);
    assert!(house.engine.last_error(CONTACTS).unwrap().contains("GLOBE"), "it says who refuses");

    // Nobody goes on knocking, and what ACME has is taken at once.
    let asked = house.s360.faults().fired(FaultKind::Unauthorized);
    assert!(asked <= 2 * there.len() as u64, "{asked}");
    phone("ACME", &here, "+33 6 33");
    house.engine.sync_now(None, false);
    house.until("ACME goes on", async || house.s360.ledger().count("ACME.contact", Op::Update) == 2).await;
    assert_eq!(house.s360.faults().fired(FaultKind::Unauthorized), asked);
    assert!(house.engine.last_error(CONTACTS).unwrap().contains("GLOBE"), "and still says so");

    // The key is right again, and somebody says so.
    house.s360.faults().clear();
    house.engine.set_paused(None, false, operator("ada")).await.unwrap();
    let arrived = async || house.s360.ledger().count("GLOBE.contact", Op::Update) == there.len() as u64;
    house.until("all arrive", arrived).await;
    house.settle().await;
    assert_eq!(house.engine.last_error(CONTACTS), None);
    house.end().await;
}

/// For a decision both records are looked at: whoever refuses that look is the one who is held up, not the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_is_refused_holds_up_whom_it_was_made_at_s01() {
    let house = House::open().await;
    let (bea, ada) = (house.person("GLOBE", "Bea"), house.person("ACME", "Ada"));
    house.post().await;
    // A question each: both sides changed the first name.
    for (code, number) in [("GLOBE", &bea), ("ACME", &ada)] {
        house.edit(&Edit::update(&format!("{code}.contact"), number, person("Other")));
        let contact = house.crm("Contact", &format!("contact-{code}-{number}"));
        house.crm.edit("Contact", contact["Id"].as_str().unwrap(), json!({"FirstName": "Another"})).unwrap();
    }
    house.post().await;
    let held = house.engine.store().read(|view| view.in_state(CONTACTS, State::Held, None, 9)).unwrap();
    let items = held.into_iter().map(|id| house.engine.store().read(|view| view.item(id)).unwrap().unwrap());
    let of = |item: &Item| item.plan.ivvy.as_ref().is_some_and(|id| id.as_str().starts_with("GLOBE"));
    let (globe, acme): (Vec<Item>, Vec<Item>) = items.partition(of);

    // GLOBE's record goes to the CRM, and S-360 refuses the look at it: nothing else stops.
    house.s360.faults().arm(FaultSpec::times(FaultKind::Unauthorized, "/globe/", 100_000)).unwrap();
    house.decide(&globe[0], Verb::Approve, &[("first_name", Choice::Ivvy)]).await;
    house.until("it is refused", async || house.s360.faults().fired(FaultKind::Unauthorized) > 0).await;
    house.until("it waits", async || house.engine.last_error(CONTACTS).is_some_and(|why| why.contains("GLOBE"))).await;
    assert_eq!(house.engine.stopped(CONTACTS), None);

    // ACME's goes to S-360, and the CRM refuses the look: that is the CRM's, which stands still then.
    house.crm.faults().arm(FaultSpec::times(FaultKind::Unauthorized, "", 100_000)).unwrap();
    house.decide(&acme[0], Verb::Approve, &[("first_name", Choice::Crm)]).await;
    house.until("the CRM stands still", async || house.engine.stopped(CONTACTS).is_some()).await;
    assert!(house.engine.stopped(CONTACTS).unwrap().contains("salesforce"));
    house.crm.faults().clear();
    house.engine.set_paused(None, false, operator("ada")).await.unwrap();
    house.until("ACME has it", async || house.s360.ledger().count("ACME.contact", Op::Update) == 1).await;
    house.s360.faults().clear();
    house.engine.set_paused(None, false, operator("ada")).await.unwrap();
    house.settle().await;
    let told =
        |code: &str, number: &str| house.crm("Contact", &format!("contact-{code}-{number}"))["FirstName"].clone();
    assert_eq!((told("GLOBE", &bea), told("ACME", &ada)), (json!("Other"), json!("Another")));
    house.end().await;
}

/// An order that comes before its contact has it fetched, and waits for it (S-26).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_before_its_contact_brings_it_along_s26_s30() {
    let house = House::open().await;
    // Older than the first sync at S-360's end: it will never be posted by itself.
    let number = house.s360.add_contact("ACME", person("Ada"), house.engine.now()).unwrap();
    let order = house.order("ACME", "CLOSED", &number, 4_000);
    house.post().await;
    house.settle().await;
    let key = format!("order-ACME-{order}");
    let contact = house.crm("Contact", &format!("contact-ACME-{number}"));
    let opportunity = house.crm("Opportunity", &key);
    assert_eq!(opportunity["StageName"], "Closed Won");
    let roles = house.crm.records("OpportunityContactRole").unwrap();
    assert!(roles.iter().any(|role| role["OpportunityId"] == opportunity["Id"] && role["ContactId"] == contact["Id"]));
    let seen =
        house.engine.store().read(|view| view.shelved(CONTACTS, Side::Ivvy, &RecordId::from(format!("ACME-{number}"))));
    assert!(seen.unwrap().is_some());
    house.end().await;
}
