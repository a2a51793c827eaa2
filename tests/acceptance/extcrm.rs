//! A CRM that takes arrays at two addresses: Tandem plays S-360's part as a sender, over real HTTP, between the
//! simulated iVvy and a simulated CRM that takes notes of every payload (issue 4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tandem::config::{Config, Secrets};
use tandem::daemon::account::Account;
use tandem::daemon::push::{Sender, Sent};
use tandem::model::{ModuleId, OutboxCounts, Post, Revived, Side, State, StreamId, StreamKind};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::Served;
use tandem::sim::control::Edit;
use tandem::sim::extcrm::{self, Auth, ExtcrmSim, Stream};
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::sim::ivvy::{self, IvvySim};
use tandem::sim::ledger::{By, Op};
use tandem::sim::people::Population;
use tandem::store::{Reads as _, StoreError, doctor};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::population::{Known, Shape};
use super::setup::{loopback, quick_place};
use super::world::{PATIENCE, operator};

const CONTACTS: StreamKind = StreamKind::PushContacts;
const ORDERS: StreamKind = StreamKind::PushOrders;
const SECRET: &str = "pushed-secret";

/// iVvy, Tandem and the CRM, with a sender that only runs when a test says so.
struct Pushed {
    ivvy: Arc<IvvySim>,
    crm: Arc<ExtcrmSim>,
    account: Account,
    sender: Sender,
    running: JoinHandle<Result<(), StoreError>>,
    shutdown: CancellationToken,
    servers: Vec<Served>,
    place: TempDir,
    /// What `[crm]` says beside the addresses.
    more: Json,
}

/// What stands in `[crm]` for an authentication of the CRM's.
fn auth(auth: &Auth) -> Json {
    let secrets = json!([{"env": "GIVEN_DIRECTLY"}]);
    match auth {
        Auth::None => json!({"kind": "none", "unprotected": true}),
        Auth::Basic { user, .. } => json!({"kind": "basic", "user": user, "passwords": secrets}),
        Auth::ApiKey { header, .. } => json!({"kind": "api_key", "header": header, "keys": secrets}),
    }
}

fn open(place: &TempDir, servers: &[Served], more: &Json) -> (Account, Sender) {
    let (ivvy, crm) = (servers[0].url(), servers[1].url());
    let mut section = json!({
        "kind": "push",
        "contacts_url": format!("{crm}{}", Stream::Contact.path()),
        "orders_url": format!("{crm}{}", Stream::Order.path()),
    });
    section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let text = json!({
        "version": tandem::config::VERSION,
        "account": "acceptance",
        "data_dir": place.path(),
        "socket": place.path().join("tandem.sock"),
        "ivvy": {"url": ivvy, "key": ivvy::Settings::default().key, "secret": {"env": "GIVEN_DIRECTLY"}},
        "crm": section,
        "sync": {"interval": "1h", "rate": 100_000, "settle": "300ms", "overlap": "5s"},
        "modules": {"companies": {"enabled": true}, "quotes_and_bookings": {"enabled": true}},
    });
    let config = Config::parse(&toml::to_string(&text).unwrap(), &place.path().join("tandem.toml")).unwrap();
    let secrets = Secrets::default()
        .with("ivvy.secret", ivvy::Settings::default().secret)
        .with("crm.auth[0]", SecretString::from(SECRET));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started = Instant::now();
    let account = loop {
        match Account::open(&config, secrets.clone(), &clock, &Entropy::seeded(11)) {
            // An engine that has just ended lets go of its store in its own time.
            Err(error) if error.to_string().contains("use") && started.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            opened => break opened.unwrap(),
        }
    };
    let sender = Sender::of(&account).unwrap().expect("a sender for a pushed CRM");
    (account, sender)
}

impl Pushed {
    /// Both systems, with these people in iVvy, handed over and not yet sent.
    async fn begin(people: &Population, settings: extcrm::Settings, more: Json) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ivvy = IvvySim::new(ivvy::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
        ivvy.load(people);
        let mut said = json!({"auth": auth(&settings.auth)});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let crm = ExtcrmSim::new(settings, clock, Entropy::seeded(8));
        let servers = vec![loopback(ivvy.router()).await, loopback(crm.router()).await];
        let place = quick_place();
        let (account, sender) = open(&place, &servers, &said);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(async { Ok(()) });
        let mut world = Self { ivvy, crm, account, sender, running, shutdown, servers, place, more: said };
        world.start();
        world.hand_over().await;
        world
    }

    async fn few(count: usize) -> Self {
        Self::begin(&Known::of(Shape::pairs(count), 7).ivvy, extcrm::Settings::default(), json!({})).await
    }

    fn start(&mut self) {
        let (engine, shutdown) = (self.account.engine.clone(), self.shutdown.clone());
        self.running = tokio::spawn(async move { engine.run(shutdown).await });
    }

    /// Ends the process and begins another one.
    async fn restart(self) -> Self {
        let Self { ivvy, crm, account, sender, running, shutdown, servers, place, more } = self;
        shutdown.cancel();
        running.await.unwrap().unwrap();
        drop((account, sender));
        let (account, sender) = open(&place, &servers, &more);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(async { Ok(()) });
        let mut world = Self { ivvy, crm, account, sender, running, shutdown, servers, place, more };
        world.start();
        world
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(!self.running.is_finished() && started.elapsed() < PATIENCE, "waited in vain: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Everything in iVvy is read, planned, released and handed over.
    async fn hand_over(&self) {
        let engine = &self.account.engine;
        let modules: Vec<ModuleId> = engine.modules().into_iter().map(|def| def.id).collect();
        let sides = modules.iter().flat_map(|module| Side::BOTH.map(|side| (*module, side)));
        let pollers: Vec<_> = sides.collect();
        let sweeps = |(module, side)| engine.store().read(|view| view.cursor(module, side)).unwrap().sweeps;
        // What a sweep under way has passed already is read by the one after it.
        for _ in 0..2 {
            let before: Vec<u64> = pollers.iter().map(|poller| sweeps(*poller)).collect();
            engine.sync_now(None, false);
            self.until("swept", || pollers.iter().zip(&before).all(|(poller, before)| sweeps(*poller) > *before)).await;
        }
        self.until("idle", || engine.is_idle().unwrap()).await;
        for module in modules {
            engine.guard_release(module, None, operator("ada")).await.unwrap();
            self.until("idle", || engine.is_idle().unwrap()).await;
        }
    }

    /// One run: contacts, orders.
    async fn run(&self) -> [Sent; 2] {
        self.sender.run_now(&self.shutdown).await.unwrap()
    }

    fn counts(&self, stream: StreamKind) -> (u64, u64, u64) {
        let OutboxCounts { pending, unfinished, dead } =
            self.account.engine.store().read(|view| view.outbox_counts(stream)).unwrap();
        (pending, unfinished, dead)
    }

    fn dead(&self, stream: StreamKind) -> Vec<Post> {
        self.account.engine.store().read(|view| view.posts(stream, true, None, 99)).unwrap()
    }

    fn fault(&self, kind: FaultKind, stream: Stream, times: u32) {
        self.crm.faults().arm(FaultSpec::times(kind, stream.path(), times)).unwrap();
    }

    /// How often each record was created and changed there.
    fn effects(&self) -> (usize, usize) {
        let effects = self.crm.ledger().effects();
        let of = |op: Op| effects.iter().filter(|effect| effect.op == op).count();
        assert_eq!(of(Op::Create) + of(Op::Update), effects.len());
        (of(Op::Create), of(Op::Update))
    }

    fn contact(&self, id: &str, fields: Json) {
        self.ivvy.edit(&Edit::update("contact", id, fields)).unwrap();
    }

    fn enter(&self, object: &str, fields: Json) -> String {
        self.ivvy.edit(&Edit::create(object, fields)).unwrap()
    }

    async fn end(self) {
        let store = self.account.engine.store();
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        let written: Vec<_> = self.ivvy.ledger().effects().into_iter().filter(|effect| effect.by == By::Api).collect();
        assert!(written.is_empty(), "nothing is ever written to the origin: {written:?}");
        for def in self.account.engine.modules() {
            let counts = store.read(|view| view.counts(def.id)).unwrap();
            let quiet = [State::Done, State::Superseded];
            assert!(counts.keys().all(|state| quiet.contains(state)), "{}: {counts:?}", def.id);
        }
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        for server in self.servers {
            server.stop().await.unwrap();
        }
    }
}

fn sent(taken: u32, failed: u32, records: u32) -> Sent {
    Sent { taken, failed, records }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_companies_and_bookings_arrive_exactly_once_and_nothing_comes_back_s13() {
    let world = Pushed::few(8).await;
    let person = world.ivvy.contacts().remove(0);
    let venue = world.enter("venue", json!({"businessName": "Pier", "currencyCode": "AUD"}));
    let company = person.companies.first().copied();
    let booking = world.enter(
        "booking",
        json!({
            "venueId": venue.parse::<u64>().unwrap(), "name": "Gala \"Ünder\" stars", "code": "B-7", "currentStatus": 3,
            // More than a floating point number of thousandths could hold exactly.
            "totalAmount": 12_345_678_901_234.56, "contactId": person.id, "companyId": company,
            "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01",
        }),
    );
    world.hand_over().await;
    assert_eq!(world.effects(), (0, 0), "handed over is not sent");
    assert_eq!((world.counts(CONTACTS), world.counts(ORDERS)), ((11, 0, 0), (1, 0, 0)));
    assert_eq!(world.run().await, [sent(1, 0, 11), sent(1, 0, 1)]);
    assert_eq!(world.effects(), (12, 0));

    let there = world.crm.state(Stream::Contact, &format!("contact-{}", person.id)).unwrap();
    assert_eq!(there["type"], "INDIVIDUAL");
    assert_eq!(there["individualContact"], json!({"firstName": person.first_name, "lastName": person.last_name}));
    assert_eq!(there["email"], person.email.as_str());
    let structures = world.crm.records(Stream::Contact).into_values().filter(|row| row["type"] == "STRUCTURE");
    assert_eq!(structures.count(), 3);
    let order = world.crm.state(Stream::Order, &format!("booking-{booking}")).unwrap();
    assert_eq!((&order["kind"], &order["state"]), (&json!("booking"), &json!("confirmed")));
    assert_eq!((&order["name"], &order["currency"]), (&json!("Gala \"Ünder\" stars"), &json!("AUD")));
    assert_eq!(order["amount"].as_i64(), Some(12_345_678_901_234_560));
    assert_eq!(order["contactNumber"], format!("contact-{}", person.id));
    if let Some(company) = company {
        assert_eq!(order["structureNumber"], format!("company-{company}"));
    }

    // Again and again: nothing more is sent.
    world.hand_over().await;
    assert_eq!(world.run().await, [Sent::default(); 2]);
    let world = world.restart().await;
    world.hand_over().await;
    assert_eq!(world.run().await, [Sent::default(); 2]);
    // Until something changes, and then only that.
    world.contact(&person.id.to_string(), json!({"phone": "+61 2 5550 0001"}));
    world.hand_over().await;
    assert_eq!(world.run().await, [sent(1, 0, 1), Sent::default()]);
    assert_eq!(world.effects(), (12, 1));
    let there = world.crm.state(Stream::Contact, &format!("contact-{}", person.id)).unwrap();
    assert_eq!((&there["phone"], &there["email"]), (&json!("+61 2 5550 0001"), &json!(person.email)), "sent whole");
    let store = world.account.engine.store();
    let state = store.read(|view| view.stream(&StreamId::new(CONTACTS, ""))).unwrap();
    assert_eq!((state.payloads, state.records, state.last_error), (2, 12, None));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_comes_again_byte_by_byte_until_it_is_answered_with_200_and_is_applied_once_s14() {
    for (fault, times, stored) in [
        (FaultKind::ErrorBefore, 2, 1),
        // Taken, and the answer lost; taken, and answered with 500; taken, and answered with 201.
        (FaultKind::DropAfter, 1, 2),
        (FaultKind::ErrorAfter, 1, 2),
        (FaultKind::OtherSuccess, 1, 2),
        (FaultKind::DropBefore, 1, 1),
        (FaultKind::Unauthorized, 1, 1),
    ] {
        let world = Pushed::few(2).await;
        world.fault(fault, Stream::Contact, times);
        for _ in 0..times {
            assert_eq!(world.run().await, [sent(0, 1, 5), Sent::default()], "{fault:?}");
        }
        // Whoever sends is gone meanwhile.
        let world = world.restart().await;
        assert_eq!(world.counts(CONTACTS), (0, 1, 0), "{fault:?}");
        assert_eq!(world.run().await, [sent(1, 0, 5), Sent::default()], "{fault:?}");
        let payloads = world.crm.payloads();
        assert_eq!(payloads.len(), 1, "the same bytes: {payloads:?}");
        let tries = usize::try_from(times).unwrap() + 1;
        assert_eq!((payloads[0].tries, payloads[0].stored, payloads[0].applied), (tries, stored, 5), "{fault:?}");
        assert_eq!((world.effects(), world.counts(CONTACTS)), ((5, 0), (0, 0, 0)));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_twelve_tries_a_payload_is_given_up_where_people_see_it_and_sent_when_they_say_so_s17() {
    let world = Pushed::few(2).await;
    world.fault(FaultKind::ErrorBefore, Stream::Contact, 12);
    for _ in 0..12 {
        assert_eq!(world.run().await[0], sent(0, 1, 5));
    }
    assert_eq!(world.run().await[0], Sent::default());
    assert_eq!(world.counts(CONTACTS), (0, 0, 1));
    // A stream that goes on without it.
    let person = world.ivvy.contacts().remove(0).id.to_string();
    world.contact(&person, json!({"phone": "+61 2 5550 0009"}));
    world.hand_over().await;
    assert_eq!(world.run().await[0], sent(1, 0, 1));

    let dead = world.dead(CONTACTS).remove(0);
    assert_eq!((dead.records.len(), dead.tries), (5, 12));
    assert!(dead.last_error.as_deref().unwrap().contains("503") || dead.last_error.as_deref().unwrap().contains("500"));
    let revived = world.sender.revive(CONTACTS, dead.number, operator("ada")).await.unwrap();
    assert_eq!(revived, Some(Revived::Parts(4)), "one of them was told anew: it must not go back");
    assert_eq!(world.run().await[0], sent(1, 0, 4));
    assert_eq!(world.effects(), (5, 0), "everybody once");
    let there = world.crm.state(Stream::Contact, &format!("contact-{person}")).unwrap();
    assert_eq!(there["phone"], "+61 2 5550 0009");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_takes_500_in_payloads_of_50_and_the_next_one_the_rest_s13() {
    let people = Known::of(Shape { both: 520, companies_both: 3, ..Shape::pairs(0) }, 7).ivvy;
    let world = Pushed::begin(&people, extcrm::Settings::default(), json!({})).await;
    assert_eq!(world.counts(CONTACTS), (523, 0, 0));
    assert_eq!(world.run().await[0], sent(10, 0, 500));
    assert!(world.crm.arrivals().iter().all(|arrival| arrival.ids.len() == 50));
    assert_eq!((world.counts(CONTACTS), world.effects()), ((23, 0, 0), (500, 0)));
    assert_eq!(world.run().await[0], sent(1, 0, 23));
    assert_eq!(world.effects(), (523, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_authentication_is_the_one_that_was_agreed_s18() {
    let secret = || SecretString::from(SECRET);
    for auth in [
        Auth::Basic { user: "tandem".to_owned(), password: secret() },
        Auth::ApiKey { header: "X-Crm-Key".to_owned(), key: secret() },
    ] {
        let settings = extcrm::Settings { auth: auth.clone(), ..extcrm::Settings::default() };
        let people = Known::of(Shape::pairs(1), 7).ivvy;
        let world = Pushed::begin(&people, settings, json!({})).await;
        // The CRM has another secret by now: nothing gets in, and nothing is lost.
        let other = SecretString::from("another");
        world.crm.set(|settings| {
            settings.auth = match &auth {
                Auth::Basic { user, .. } => Auth::Basic { user: user.clone(), password: other },
                _ => Auth::ApiKey { header: "X-Crm-Key".to_owned(), key: other },
            };
        });
        assert_eq!(world.run().await[0], sent(0, 1, 4));
        let store = world.account.engine.store();
        let state = store.read(|view| view.stream(&StreamId::new(CONTACTS, ""))).unwrap();
        assert_eq!(state.last_error.as_deref(), Some("answered 401 instead of 200"));
        world.crm.set(|settings| settings.auth = auth.clone());
        assert_eq!(world.run().await[0], sent(1, 0, 4));
        assert_eq!(world.effects(), (4, 0));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_while_its_payload_is_on_its_way_is_sent_after_it() {
    let world = Pushed::few(2).await;
    world.fault(FaultKind::DropAfter, Stream::Contact, 2);
    assert_eq!(world.run().await[0], sent(0, 1, 5));
    let person = world.ivvy.contacts().remove(0).id.to_string();
    for phone in ["+61 2 5550 0001", "+61 2 5550 0002"] {
        world.contact(&person, json!({"phone": phone}));
        world.hand_over().await;
    }
    assert_eq!(world.run().await[0], sent(0, 1, 5), "the newer state waits for the older one");
    assert_eq!(world.counts(CONTACTS), (1, 1, 0));
    assert_eq!(world.run().await[0], sent(2, 0, 6));
    let key = format!("contact-{person}");
    let ids: Vec<usize> = world.crm.arrivals().iter().map(|arrival| arrival.ids.len()).collect();
    assert_eq!(ids, [5, 5, 5, 1], "three times the same, then the newest state alone");
    assert_eq!(world.crm.payloads().len(), 2);
    assert_eq!(world.crm.state(Stream::Contact, &key).unwrap()["phone"], "+61 2 5550 0002");
    assert_eq!(world.effects(), (5, 1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_module_is_paused_nothing_of_its_stream_is_sent() {
    let world = Pushed::few(1).await;
    let engine = &world.account.engine;
    engine.set_paused(Some(ModuleId::Contacts), true, operator("ada")).await.unwrap();
    assert_eq!(world.run().await[0], Sent::default());
    engine.set_paused(Some(ModuleId::Contacts), false, operator("ada")).await.unwrap();
    assert_eq!(world.run().await[0], sent(1, 0, 4));
    world.end().await;
}
