//! Two small fake systems with an engine between them, on a paused clock and a disk that can lose its power.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinHandle;

use super::super::MatchMode;
use super::super::operate::MatchRefusal;
use super::{SETTLE, SOURCE, STAFF};
use crate::model::guard::Guard;
use crate::model::matching::{Entry, MatchRow, MatchState};
use crate::model::query::AuditQuery;
use crate::model::{Actor, Fields, MatchKind, ModuleId, Record, RecordId, Role, Side};
use crate::remote::port::MatchSupport;
use crate::remote::{
    Capabilities, Class, ConditionalWrite, Conversion, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing,
    Page, PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::seam::{Clock, Entropy, TokioClock};
use crate::store::{Options, Reads as _, Store};
use crate::sync::simulation::disk::Disk;
use crate::sync::wait::Shutdown;
use crate::sync::{Engine, Remotes, Settings};

/// What a fake system does when asked to create.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manner {
    #[default]
    Answers,
    Refuses(Class),
    /// No answer comes; whether the source is there afterwards.
    AnswerLost(bool),
    /// The call does not end; whether the source is there.
    Hangs(bool),
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) staff: Vec<Entry>,
    pub(super) sources: Vec<Entry>,
    pub(super) staff_support: MatchSupport,
    pub(super) source_support: MatchSupport,
    pub(super) manner: Manner,
    pub(super) lists_fail: Option<Class>,
    pub(super) lists_hang: bool,
    pub(super) finds_fail: Option<Class>,
    /// The day has no calls left for leads.
    pub(super) leads_held: bool,
    pub(super) listings: u32,
    pub(super) finds: u32,
    pub(super) calls: u32,
    /// Changes of lead sources that it was asked for.
    pub(super) updates: Vec<(String, Option<String>, Option<bool>)>,
}

#[derive(Clone, Debug)]
pub(super) struct Fake {
    clock: TokioClock,
    state: Arc<Mutex<State>>,
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, class: Class, sent: Sent) -> RemoteError {
        RemoteError {
            system: "fake".to_owned(),
            action: "call".to_owned(),
            class,
            sent,
            code: None,
            message: format!("says {class}"),
            details: Vec::new(),
            retry_after: None,
        }
    }

    fn update_now(&self, id: &RecordId, name: Option<&str>, active: Option<bool>) {
        let mut state = self.state();
        if let Some(entry) = state.sources.iter_mut().find(|entry| entry.id == *id) {
            entry.name = name.map_or_else(|| entry.name.clone(), str::to_owned);
            entry.active = active.unwrap_or(entry.active);
        }
    }

    fn create_now(&self, name: &str) -> RecordId {
        let mut state = self.state();
        let id = RecordId::from(format!("new-{}", state.sources.len()));
        state.sources.push(Entry { id: id.clone(), name: name.to_owned(), email: None, active: true });
        id
    }
}

impl Remote for Fake {
    fn system(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self, _: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::Strong,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::SetDifference,
            stamp_key: true,
            page_size: 100,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: Duration::from_secs(30),
            settle: SETTLE,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        module.def().fields.iter().map(|field| field.name.clone().into_owned()).collect()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(async { Ok(Probe { system: "fake".to_owned(), ..Probe::default() }) })
    }

    fn definitions(&self, _: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn list<'a>(&'a self, module: ModuleId, _: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        let held = module == ModuleId::Leads && self.state().leads_held;
        let wait = Some(Duration::from_secs(10 * 3600));
        let error = RemoteError { retry_after: wait, ..self.error(Class::Quota, Sent::No) };
        Box::pin(async move { if held { Err(error) } else { Ok(Page::default()) } })
    }

    fn conversion(&self) -> Conversion {
        Conversion::NewContact
    }

    fn get<'a>(&'a self, _: ModuleId, _: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async { Ok(Read::Missing) })
    }

    fn find_by_key<'a>(&'a self, _: ModuleId, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async { Ok(Some(Vec::new())) })
    }

    fn create<'a>(&'a self, _: ModuleId, _: &'a str, _: &'a Fields) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async { Err(self.error(Class::Unsupported, Sent::No)) })
    }

    fn update<'a>(
        &'a self,
        _: ModuleId,
        _: &'a RecordId,
        _: &'a Fields,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async { Err(self.error(Class::Unsupported, Sent::No)) })
    }

    fn match_support(&self, kind: MatchKind) -> MatchSupport {
        let state = self.state();
        if kind == STAFF { state.staff_support } else { state.source_support }
    }

    fn entries(&self, kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_millis(20)).await;
            self.state().listings += 1;
            if self.state().lists_hang {
                std::future::pending::<()>().await;
            }
            let state = self.state();
            if let Some(class) = state.lists_fail {
                return Err(self.error(class, Sent::No));
            }
            Ok(if kind == STAFF { state.staff.clone() } else { state.sources.clone() })
        })
    }

    fn find_staff<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, RemoteError>> {
        Box::pin(async move {
            let mut state = self.state();
            state.finds += 1;
            if let Some(class) = state.finds_fail {
                return Err(self.error(class, Sent::No));
            }
            let is = |entry: &&Entry| entry.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
            Ok(state.staff.iter().filter(is).cloned().collect())
        })
    }

    fn create_lead_source<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<RecordId, RemoteError>> {
        Box::pin(async move {
            self.state().calls += 1;
            self.clock.sleep(Duration::from_millis(20)).await;
            let manner = self.state().manner;
            match manner {
                Manner::Answers => Ok(self.create_now(name)),
                Manner::Refuses(class) => Err(self.error(class, Sent::No)),
                Manner::AnswerLost(arrives) | Manner::Hangs(arrives) => {
                    if arrives {
                        self.create_now(name);
                    }
                    if let Manner::Hangs(_) = manner {
                        std::future::pending::<()>().await;
                    }
                    Err(self.error(Class::Unreachable, Sent::Maybe))
                }
            }
        })
    }

    fn update_lead_source<'a>(
        &'a self,
        id: &'a RecordId,
        name: Option<&'a str>,
        active: Option<bool>,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(async move {
            self.state().updates.push((id.0.clone(), name.map(str::to_owned), active));
            self.clock.sleep(Duration::from_millis(20)).await;
            let manner = self.state().manner;
            match manner {
                Manner::Refuses(class) => Err(self.error(class, Sent::No)),
                Manner::Answers => {
                    self.update_now(id, name, active);
                    Ok(())
                }
                Manner::AnswerLost(arrives) | Manner::Hangs(arrives) => {
                    if arrives {
                        self.update_now(id, name, active);
                    }
                    if let Manner::Hangs(_) = manner {
                        std::future::pending::<()>().await;
                    }
                    Err(self.error(Class::Unreachable, Sent::Maybe))
                }
            }
        })
    }
}

pub(super) fn source(id: &str, name: &str) -> Entry {
    Entry { id: id.into(), name: name.to_owned(), email: None, active: true }
}

pub(super) fn person(id: &str, email: &str) -> Entry {
    Entry { id: id.into(), name: format!("Person {id}"), email: Some(email.to_owned()), active: true }
}

/// Two systems, a disk, and an engine that can be killed and started again.
pub(super) struct World {
    pub(super) disk: Disk,
    pub(super) entropy: Entropy,
    pub(super) clock: TokioClock,
    pub(super) sides: [Fake; 2],
    pub(super) settings: Settings,
    pub(super) engine: Engine,
    pub(super) running: Option<JoinHandle<()>>,
}

impl World {
    pub(super) fn new(ivvy: &[Entry], crm: &[Entry]) -> Self {
        let clock = TokioClock::starting_at("2026-11-21T09:20:00Z".parse().unwrap());
        let full = MatchSupport { list: true, create: true, ..MatchSupport::default() };
        let sides = [ivvy, crm].map(|entries| {
            let (staff, sources) = entries.iter().cloned().partition(|entry| entry.email.is_some());
            let staff_support = MatchSupport { list: true, ..MatchSupport::default() };
            let state = State { staff, sources, staff_support, source_support: full, ..State::default() };
            Fake { clock: clock.clone(), state: Arc::new(Mutex::new(state)) }
        });
        let settings = Settings { modules: [(ModuleId::Leads, ModuleId::Leads.def())].into(), ..Settings::default() };
        let (disk, entropy) = (Disk::default(), Entropy::seeded(7));
        let engine = Self::engine(&disk, &sides, &clock, &settings);
        Self { disk, entropy, clock, sides, settings, engine, running: None }
    }

    pub(super) fn engine(disk: &Disk, sides: &[Fake; 2], clock: &TokioClock, settings: &Settings) -> Engine {
        let store = Store::open_backend(disk.open(), Options::default()).unwrap();
        let remotes = Remotes::new(|side, _| Arc::new(sides[side as usize].clone()));
        Engine::new(store, remotes, Arc::new(clock.clone()), Entropy::seeded(1), settings.clone()).unwrap()
    }

    pub(super) fn start(&mut self) {
        let engine = self.engine.clone();
        self.running = Some(tokio::spawn(async move { engine.run(Shutdown::new()).await.unwrap() }));
    }

    /// Started, and listed once.
    pub(super) async fn started(ivvy: &[Entry], crm: &[Entry]) -> Self {
        let mut world = Self::new(ivvy, crm);
        world.start();
        world.until(|world| MatchKind::ALL.iter().all(|kind| world.refreshed(*kind))).await;
        world
    }

    pub(super) fn refreshed(&self, kind: MatchKind) -> bool {
        let status = self.engine.match_status(kind);
        status.refreshed_at.is_some() || matches!(status.mode, MatchMode::Off(_))
    }

    /// The power goes and comes back.
    pub(super) async fn crash(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            assert!(running.await.unwrap_err().is_cancelled());
        }
        self.disk.crash(&self.entropy);
        self.engine = Self::engine(&self.disk, &self.sides, &self.clock, &self.settings);
        self.start();
    }

    /// The engine goes on with the same systems and modules, as after a change of the field map.
    pub(super) async fn renew(&self) {
        let modules = self.settings.modules.clone();
        let sides = self.sides.clone();
        let remotes = Remotes::new(|side, _| Arc::new(sides[side as usize].clone()));
        let mut renewals = self.engine.renewals();
        self.engine.renew(remotes, modules, self.settings.maps.clone());
        renewals.changed().await.unwrap();
    }

    /// Waits on the paused clock until `holds`.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..200_000 {
            if holds(self) {
                return;
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        panic!("it never came to that; rows: {:#?}", self.table(SOURCE));
    }

    pub(super) async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    pub(super) fn on(&self, side: Side) -> MutexGuard<'_, State> {
        self.sides[side as usize].state()
    }

    pub(super) fn table(&self, kind: MatchKind) -> Vec<MatchRow> {
        self.engine.store().read(|view| view.match_table(kind)).unwrap()
    }

    pub(super) fn row(&self, kind: MatchKind, side: Side, id: &str) -> MatchRow {
        self.engine.store().read(|view| view.match_row(kind, side, &id.into())).unwrap().unwrap()
    }

    pub(super) fn stands(&self, kind: MatchKind, side: Side, id: &str) -> (MatchState, Option<String>) {
        let row = self.row(kind, side, id);
        (row.state, row.other.map(|other| other.0))
    }

    pub(super) async fn accept(&self, kind: MatchKind) {
        self.list_again(kind, true).await;
    }

    pub(super) async fn refresh(&self, kind: MatchKind) {
        self.list_again(kind, false).await;
    }

    /// What the planner asks about the owner of a lead in iVvy.
    pub(super) async fn wants_person(&self, id: &str) -> bool {
        let (core, id) = (self.engine.core(), RecordId::from(id));
        let shared = Arc::clone(&core);
        let wants = core.store.write(move |tx| super::super::lookup::need(&shared, tx, Side::Ivvy, &id)).await.unwrap();
        core.matching.wake.notify_one();
        wants
    }

    async fn list_again(&self, kind: MatchKind, accept: bool) {
        let before = self.clock.now();
        self.pass(Duration::from_millis(1)).await;
        self.engine.match_refresh(kind, accept).unwrap();
        self.until(|world| world.engine.match_status(kind).refreshed_at.is_some_and(|at| at > before)).await;
    }

    /// A person lets the first sync through.
    pub(super) async fn release(&self) {
        let now = self.clock.now();
        let guard = Guard {
            module: ModuleId::Leads,
            tripped: None,
            first_released: Some((now, "sam".to_owned())),
            window_start: now,
            creates: 0,
            updates: 0,
            conflicts: 0,
            fields: BTreeMap::new(),
            mapping: None,
        };
        self.engine.store().write(move |tx| tx.put_guard(&guard)).await.unwrap();
    }

    pub(super) async fn create(&self, id: &str) -> Result<RecordId, MatchRefusal> {
        self.engine.match_create(SOURCE, Side::Ivvy, id.into(), sam()).await.unwrap()
    }

    pub(super) fn audit(&self) -> String {
        let query = AuditQuery { limit: 500, ..AuditQuery::default() };
        serde_json::to_string(&self.engine.store().read(|view| view.audit(&query)).unwrap()).unwrap()
    }

    pub(super) fn called(&self, side: Side) -> u32 {
        self.on(side).calls
    }

    /// How many sources of `side` have this name.
    pub(super) fn named(&self, side: Side, name: &str) -> usize {
        self.on(side).sources.iter().filter(|entry| entry.name == name).count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

pub(super) fn sam() -> Actor {
    Actor { name: "sam".to_owned(), uid: None, role: Role::Triage }
}
