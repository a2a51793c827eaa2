//! The InTouch Connector as the CRM, both ways (C-01 to C-25, P-01 to P-16): iVvy, the hub's API, the hub as a
//! caller of our facade, and the account between them, all over real HTTP.

mod facade;
mod send;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tandem::config::{Config, Secrets};
use tandem::daemon::account::Account;
use tandem::daemon::notifications::Notifications;
use tandem::model::{Item, MatchKind, MatchRow, MatchState, ModuleId, RecordId, Side, State, StreamId, StreamKind};
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::Served;
use tandem::sim::connector::{self, Auth, Capabilities, ConnectorSim, Facade, Hub, Recorded};
use tandem::sim::control::{Edit, Simulated as _};
use tandem::sim::ivvy::{self, IvvySim};
use tandem::sim::ledger::{By, Effect, Op};
use tandem::store::{Reads as _, StoreError, doctor};
use tandem::sync::Engine;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::setup::{lay_over, loopback, quick_place};
use super::world::{PATIENCE, operator};

const CLUB: &str = "club-1";
const PASSWORD: &str = "let-the-hub-in";

/// An account between a simulated iVvy and a simulated hub.
pub struct Club {
    ivvy: Arc<IvvySim>,
    sim: Arc<ConnectorSim>,
    account: Account,
    engine: Engine,
    hub: Option<Hub>,
    url: String,
    desk: Option<Notifications>,
    running: JoinHandle<Result<(), StoreError>>,
    shutdown: CancellationToken,
    servers: Vec<Served>,
    config: Config,
    _place: TempDir,
}

/// The configuration, as far as the tests change it.
fn agreed(direction: &str, can: Json) -> Json {
    let mut crm = json!({
        "kind": "connector", "provider": "TANDEM", "client": "client-1", "club": CLUB,
        "profile": {
            "agreed_by": "Ada", "agreed_on": "2026-01-31", "direction": direction,
            "entities": ["prospects", "members"], "owner": true, "source": true, "can": can,
        },
    });
    if direction != "send" {
        crm["facade"] = json!({"auth": {"kind": "basic", "user": "hub", "passwords": [{"env": "GIVEN_DIRECTLY"}]}});
    }
    json!({"crm": crm})
}

impl Club {
    /// Both systems, prepared by `prepare` before the account looks at them, and the first sync released.
    async fn open(more: Json, prepare: impl FnOnce(&IvvySim, &ConnectorSim)) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ivvy = IvvySim::new(ivvy::Settings::default(), Arc::clone(&clock), Entropy::seeded(1));
        let sim = ConnectorSim::new(connector::Settings::default(), Arc::clone(&clock), Entropy::seeded(2));
        let servers = vec![loopback(ivvy.router()).await, loopback(sim.router()).await];
        prepare(&ivvy, &sim);
        let place = quick_place();
        let secret = json!({"env": "GIVEN_DIRECTLY"});
        let mut text = json!({
            "version": tandem::config::VERSION,
            "account": "club",
            "data_dir": place.path(),
            "socket": place.path().join("tandem.sock"),
            "ivvy": {
                "url": servers[0].url(), "key": ivvy.settings().key, "secret": secret,
                "leads": {"source": 2, "type": 1, "subtype": 11, "stage": 1},
            },
            "crm": {"url": servers[1].url()},
            "sync": {"interval": "1h", "rate": 100_000, "settle": "300ms", "overlap": "5s"},
            "modules": {"contacts": {"enabled": true}, "leads": {"enabled": true}},
            "inbound": {"listen": "127.0.0.1:0"},
        });
        lay_over(&mut text, more);
        if text["crm"]["facade"].is_null() {
            text.as_object_mut().unwrap().remove("inbound");
        }
        let config = Config::parse(&toml::to_string(&text).unwrap(), &place.path().join("tandem.toml")).unwrap();
        let (account, desk) = opened(&config, &ivvy, &clock);
        let mut club = Self {
            engine: account.engine.clone(),
            url: desk.as_ref().map(|desk| format!("http://{}", desk.addr())).unwrap_or_default(),
            hub: None,
            ivvy,
            sim,
            account,
            desk,
            running: tokio::spawn(async { Ok(()) }),
            shutdown: CancellationToken::new(),
            servers,
            config,
            _place: place,
        };
        if club.desk.is_some() {
            club.hub = Some(club.hub_with(|_| {}));
        }
        club.start().await;
        club.release().await;
        club
    }

    async fn start(&mut self) {
        let (engine, shutdown) = (self.engine.clone(), self.shutdown.clone());
        self.running = tokio::spawn(async move { engine.run(shutdown).await });
        self.until("the first plan", || {
            let read = |module, side| self.engine.store().read(|view| view.cursor(module, side)).unwrap().last_full;
            self.modules().iter().all(|module| Side::BOTH.iter().all(|side| read(*module, *side).is_some()))
        })
        .await;
        self.until("idle", || self.engine.is_idle().unwrap()).await;
    }

    /// Another process on the same store.
    async fn restart(&mut self) {
        self.shutdown.cancel();
        (&mut self.running).await.unwrap().unwrap();
        if let Some(desk) = self.desk.take() {
            desk.stop().await;
        }
        self.shutdown = CancellationToken::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // The store is one owner's; an empty account stands in until the file is free.
        let remotes = self.engine.remotes().clone();
        let settings = self.engine.settings();
        let store = self.engine.store().clone();
        self.engine = Engine::new(store, remotes, Arc::clone(&clock), Entropy::seeded(9), settings).unwrap();
        self.account.engine = self.engine.clone();
        if let Some(inbound) = &self.config.inbound {
            let desk = Notifications::listen(inbound, &self.account, &clock).unwrap();
            self.url = format!("http://{}", desk.addr());
            self.desk = Some(desk);
            self.hub = Some(self.hub_with(|_| {}));
        }
        self.start().await;
    }

    async fn end(self) {
        assert_eq!(self.engine.store().read(doctor::check).unwrap(), Vec::<String>::new());
        let (rows, broken_at) = self.engine.store().read(|view| view.audit_verify()).unwrap();
        assert!(rows > 0 && broken_at.is_none());
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        if let Some(desk) = self.desk {
            desk.stop().await;
        }
        for server in self.servers {
            server.stop().await.unwrap();
        }
    }

    async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(!self.running.is_finished(), "the engine ended while waiting: {what}");
            if started.elapsed() > PATIENCE / 3 {
                for module in self.modules() {
                    let error = self.engine.last_error(module).or(self.engine.stopped(module));
                    println!("{module} {:?} {error:?}", self.engine.store().read(|view| view.counts(module)).unwrap());
                    for state in [State::Ready, State::Retry, State::Unknown, State::Held, State::Dead, State::Blocked]
                    {
                        for item in self.items(module, state) {
                            println!("  {state} {:?} {:?}", item.plan.summary, item.error);
                        }
                    }
                }
                panic!("waited in vain: {what}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every side of both modules has been swept since now, and what follows is done.
    async fn settle(&self) {
        let pollers: Vec<_> =
            self.modules().into_iter().flat_map(|module| Side::BOTH.map(|side| (module, side))).collect();
        let sweeps = |(module, side)| self.engine.store().read(|view| view.cursor(module, side)).unwrap().sweeps;
        let running = |(module, side)| self.engine.polling(module, side).progress.is_some();
        let wanted: Vec<u64> = pollers.iter().map(|poller| u64::from(running(*poller)) + 1 + sweeps(*poller)).collect();
        self.engine.sync_now(None, false);
        self.until("swept", || {
            let late = pollers.iter().zip(&wanted).any(|(poller, wanted)| sweeps(*poller) < *wanted);
            if late && !pollers.iter().any(|poller| running(*poller)) {
                self.engine.sync_now(None, false);
            }
            !late && !pollers.iter().any(|poller| running(*poller))
        })
        .await;
        self.until("idle", || self.engine.is_idle().unwrap()).await;
    }

    async fn release(&self) {
        for module in self.modules() {
            self.engine.guard_release(module, None, operator("ada")).await.unwrap();
            self.until("idle", || self.engine.is_idle().unwrap()).await;
        }
    }

    /// Everything there is to do is done.
    async fn drain(&self) {
        self.settle().await;
        self.release().await;
        self.settle().await;
    }

    fn modules(&self) -> Vec<ModuleId> {
        self.engine.modules().into_iter().map(|def| def.id).collect()
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it may call us")
    }

    /// The hub as a caller of our facade, whose adapter for us can do what `change` says.
    fn hub_with(&self, change: impl FnOnce(&mut Capabilities)) -> Hub {
        let auth = Auth::Basic { user: "hub".into(), password: PASSWORD.into() };
        let mut facade = Facade::at(&self.url, auth);
        change(&mut facade.can);
        self.sim.hub(Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap()), facade)
    }

    fn items(&self, module: ModuleId, state: State) -> Vec<Item> {
        let store = self.engine.store();
        let ids = store.read(|view| view.in_state(module, state, None, 1_000)).unwrap();
        ids.into_iter().filter_map(|id| store.read(|view| view.item(id)).unwrap()).collect()
    }

    /// Nothing waits for a person and nothing failed.
    fn nothing_open(&self) {
        for module in self.modules() {
            for state in [State::Held, State::Dead, State::Unknown, State::Retry, State::Blocked, State::Ready] {
                assert_eq!(self.items(module, state), [], "{module} {state}");
            }
        }
    }

    fn enter(&self, object: &str, fields: Json) -> u64 {
        enter(&self.ivvy, object, fields)
    }

    fn ivvy_leads(&self) -> Vec<Json> {
        self.ivvy.records("lead").unwrap()
    }

    /// The one iVvy lead about the person of this first name.
    fn lead_of(&self, name: &str) -> Json {
        let mut rows: Vec<Json> =
            self.ivvy_leads().into_iter().filter(|row| row["contact"]["firstName"] == name).collect();
        assert_eq!(rows.len(), 1, "one lead about {name}: {rows:?}");
        rows.remove(0)
    }

    /// iVvy contacts of this first name.
    fn contacts_of(&self, name: &str) -> usize {
        self.ivvy.contacts().iter().filter(|contact| contact.first_name == name).count()
    }

    fn made_in_ivvy(&self, object: &str) -> Vec<Effect> {
        let effects = self.ivvy.ledger().effects();
        effects.into_iter().filter(|one| one.by == By::Api && one.op == Op::Create && one.object == object).collect()
    }

    fn row(&self, kind: MatchKind, side: Side, id: &str) -> Option<MatchRow> {
        self.engine.store().read(|view| view.match_row(kind, side, &RecordId::from(id))).unwrap()
    }

    fn state(&self, kind: MatchKind, side: Side, id: impl ToString) -> Option<MatchState> {
        self.row(kind, side, &id.to_string()).map(|row| row.state)
    }

    async fn refresh(&self, kind: MatchKind) {
        let before = self.engine.match_status(kind).refreshed_at;
        self.engine.match_refresh(kind, false).unwrap();
        self.until("the match table", || {
            let status = self.engine.match_status(kind);
            !status.running && status.refreshed_at > before
        })
        .await;
    }

    /// Saves of people the hub accepted, oldest first.
    fn saves(&self, record: &str) -> Vec<Recorded> {
        let saved = |call: &Recorded| call.saved() && call.text("recordID") == Some(record);
        self.sim.calls().into_iter().filter(saved).collect()
    }

    /// A person on the shelf.
    fn kept(&self, module: ModuleId, id: &str) -> tandem::remote::connector::Kept {
        let row = self.engine.store().read(|view| view.shelved(module, Side::Crm, &RecordId::from(id))).unwrap();
        tandem::remote::connector::Kept::read(&row.expect("on the shelf").body).unwrap()
    }

    fn people_stream(&self) -> tandem::model::StreamState {
        let stream = StreamId::new(StreamKind::ConnectorPeople, CLUB);
        self.engine.store().read(|view| view.stream(&stream)).unwrap()
    }
}

fn opened(config: &Config, ivvy: &IvvySim, clock: &Arc<dyn Clock>) -> (Account, Option<Notifications>) {
    let secrets = Secrets::default()
        .with("ivvy.secret", ivvy.settings().secret.clone())
        .with("crm.facade.auth[0]", PASSWORD.into());
    let account = Account::open(config, secrets, clock, &Entropy::seeded(3)).unwrap();
    let desk = config.inbound.as_ref().map(|inbound| Notifications::listen(inbound, &account, clock).unwrap());
    (account, desk)
}

fn enter(ivvy: &IvvySim, object: &str, fields: Json) -> u64 {
    ivvy.edit(&Edit::create(object, fields)).unwrap().parse().unwrap()
}

/// A member of iVvy's staff.
fn user(ivvy: &IvvySim, name: &str, email: &str) -> u64 {
    let fields = json!({"firstName": name, "lastName": "Staff", "email": email, "currentStatus": 1, "userType": 1});
    enter(ivvy, "user", fields)
}

/// A lead of iVvy's, and the contact it is about.
fn lead(ivvy: &IvvySim, name: &str, owner: Option<u64>, source: u64) -> (u64, u64) {
    let person = json!({"firstName": name, "lastName": "Prospect", "email": format!("{name}@prospect.example")});
    let contact = enter(ivvy, "contact", person);
    let mut lead = json!({"name": format!("{name}'s wedding"), "contactId": contact, "sourceId": source});
    if let Some(owner) = owner {
        lead["ownerUserId"] = json!(owner);
    }
    (enter(ivvy, "lead", lead), contact)
}
