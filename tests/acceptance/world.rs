//! One account in operation: both systems, the engine between them, and an operator.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tandem::config::Secrets;
use tandem::daemon::account::Account;
use tandem::model::{
    Actor, Choice, Decision, Item, ItemId, LinkId, ModuleId, PairKey, Reason, RecordId, Role, Side, State, Verb,
};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::Served;
use tandem::sim::ivvy::{self, IvvySim};
use tandem::sim::ledger::{By, Effect};
use tandem::sim::salesforce::SalesforceSim;
use tandem::store::{self, Reads as _, Store, StoreError};
use tandem::sync::{Ask, Engine, Refusal};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::count::{Calls, Counts};
use super::hand::{CrmHand, IvvyHand, Plain};
use super::population::Known;
pub use super::setup::{CrmKind, Setup};
use super::setup::{assemble, config, loopback, quick_place, salesforce_settings};

/// How long anything may take before a test is taken to hang.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A linked pair of contacts or companies.
#[derive(Clone, Debug)]
pub struct Pair {
    pub module: ModuleId,
    pub link: LinkId,
    pub ivvy: String,
    pub crm: String,
}

/// What is in both systems: side, module, record, fields.
pub type Everything = BTreeMap<(Side, ModuleId, String), Plain>;

/// A difference between two looks: side, record, field, value afterwards.
pub type Change = (Side, String, String, String);

/// One account in operation.
pub struct World {
    pub known: Known,
    pub ivvy: IvvyHand,
    pub crm: CrmHand,
    pub engine: Engine,
    pub account: Account,
    settings: tandem::sync::Settings,
    counts: BTreeMap<Side, Arc<Counts>>,
    servers: Vec<Served>,
    running: JoinHandle<Result<(), StoreError>>,
    shutdown: CancellationToken,
    taken: AtomicUsize,
    place: TempDir,
    /// How long a condition may take to come true.
    pub patience: Duration,
    setup: Setup,
    crm_url: String,
}

/// The secrets of an account between these two.
fn secrets(ivvy: &IvvyHand, crm: &CrmHand) -> Secrets {
    let (key, secret) = match crm {
        CrmHand::Salesforce(sim) => ("crm.secret", sim.settings().client_secret.clone()),
        CrmHand::Odoo(odoo) => ("crm.key", SecretString::from(odoo.key.clone())),
    };
    Secrets::default().with("ivvy.secret", ivvy.0.settings().secret.clone()).with(key, secret)
}

impl World {
    /// Fills both systems, starts the engine, and waits until the first plan stands. Nothing is released.
    pub async fn begin(setup: Setup) -> Self {
        let known = Known::of(setup.shape, setup.seed);
        let mut world = Self::prepare(setup, known.clone()).await;
        world.ivvy.0.load(&known.ivvy);
        world.crm.load(&known.crm).await;
        world.start();
        world.first_plan().await;
        world
    }

    /// As [`World::begin`], with the first sync released and done.
    pub async fn in_step(setup: Setup) -> Self {
        let world = Self::begin(setup).await;
        world.release().await;
        world
    }

    /// Two filled or empty systems and an engine that does not run yet.
    pub async fn prepare(setup: Setup, known: Known) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ivvy = IvvySim::new(
            ivvy::Settings { seed: setup.seed, order: setup.order, ..ivvy::Settings::default() },
            Arc::clone(&clock),
            Entropy::seeded(setup.seed),
        );
        let mut servers = vec![loopback(ivvy.router()).await];
        let (crm, url) = match &setup.crm {
            CrmKind::SalesforceSim => {
                let sim =
                    SalesforceSim::new(salesforce_settings(), Arc::clone(&clock), Entropy::seeded(setup.seed + 1));
                servers.push(loopback(sim.router()).await);
                (CrmHand::Salesforce(sim), servers[1].url())
            }
            CrmKind::RealOdoo(odoo) => {
                odoo.empty().await;
                (CrmHand::Odoo(odoo.clone()), odoo.url.clone())
            }
        };
        let place = quick_place();
        let ivvy = IvvyHand(ivvy);
        let config = config(place.path(), &setup, &servers[0].url(), &url, &crm);
        let (account, settings, counts) = assemble(&config, secrets(&ivvy, &crm), &setup);
        Self {
            settings,
            known,
            ivvy,
            crm,
            engine: account.engine.clone(),
            account,
            counts,
            servers,
            running: tokio::spawn(async { Ok(()) }),
            shutdown: CancellationToken::new(),
            taken: AtomicUsize::new(0),
            place,
            patience: PATIENCE,
            setup,
            crm_url: url,
        }
    }

    /// The same account after a stop and a start with another configuration: the modules that are on, and
    /// what is said besides.
    pub async fn reconfigured(self, change: impl FnOnce(Setup) -> Setup) -> Self {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        // The store is one process's, and one owner's within it.
        drop((self.engine, self.account));
        let setup = change(self.setup);
        let config = config(self.place.path(), &setup, &self.servers[0].url(), &self.crm_url, &self.crm);
        let (account, settings, counts) = assemble(&config, secrets(&self.ivvy, &self.crm), &setup);
        let (engine, shutdown) = (account.engine.clone(), CancellationToken::new());
        let running = tokio::spawn(async { Ok(()) });
        let mut world = Self { engine, account, settings, counts, running, shutdown, setup, ..self };
        world.start();
        world.first_plan().await;
        world
    }

    /// Lets the engine run.
    pub fn start(&mut self) {
        let (engine, shutdown) = (self.engine.clone(), self.shutdown.clone());
        self.running = tokio::spawn(async move { engine.run(shutdown).await });
    }

    /// Ends the process and begins another one: on the same store, or on a new one, the old being lost.
    pub async fn restart(&mut self, lost: bool) {
        self.shutdown.cancel();
        (&mut self.running).await.unwrap().unwrap();
        self.shutdown = CancellationToken::new();
        let store = match lost {
            true => Store::open(&self.file("another.redb"), store::Options::default()).unwrap(),
            false => self.engine.store().clone(),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let remotes = self.engine.remotes().clone();
        let engine = Engine::new(store, remotes, clock, Entropy::seeded(99), self.settings.clone()).unwrap();
        self.account.engine = engine.clone();
        self.engine = engine;
        self.start();
    }

    /// Ends the engine as a crash does: whatever it was doing, it does no more.
    pub async fn crash(&mut self) {
        self.running.abort();
        assert!((&mut self.running).await.unwrap_err().is_cancelled());
    }

    pub fn is_odoo(&self) -> bool {
        matches!(self.crm, CrmHand::Odoo(_))
    }

    /// Where the simulated iVvy is reached.
    pub fn ivvy_url(&self) -> String {
        self.servers[0].url()
    }

    /// A file name in the world's own directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Ends the engine cleanly; its store must be whole.
    pub async fn end(self) {
        let findings = self.engine.store().read(store::doctor::check).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        let (rows, broken_at) = self.engine.store().read(|view| view.audit_verify()).unwrap();
        assert!(rows > 0 && broken_at.is_none(), "the audit chain breaks at {broken_at:?}");
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
        for server in self.servers {
            server.stop().await.unwrap();
        }
    }

    // --- waiting --------------------------------------------------------------------------------

    /// Waits for a condition of the engine.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut condition: impl FnMut() -> F) {
        let started = Instant::now();
        while !condition().await {
            assert!(!self.running.is_finished(), "the engine ended while waiting: {what}");
            assert!(started.elapsed() < self.patience, "waited in vain: {what}\n{}", self.describe());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The engine has nothing to do.
    pub async fn idle(&self) {
        self.until("idle", async || self.engine.is_idle().unwrap()).await;
    }

    /// Both sides of both modules have been swept since now, and everything that follows is done.
    pub async fn settle(&self) {
        self.sweep(false).await;
        self.idle().await;
    }

    /// One complete sweep of everything that begins after now.
    pub async fn sweep(&self, full: bool) {
        let pollers: Vec<_> =
            self.modules().flat_map(|module| module.swept_sides().iter().map(move |side| (module, *side))).collect();
        let sweeps = |(module, side)| self.engine.store().read(|view| view.cursor(module, side)).unwrap().sweeps;
        let running = |(module, side)| self.engine.polling(module, side).progress.is_some();
        // A sweep that is under way may have passed the record of interest: only the one after counts.
        // First whether one runs: one that ends between the two looks must not be taken for the one after.
        let wanted: Vec<u64> = pollers.iter().map(|poller| u64::from(running(*poller)) + 1 + sweeps(*poller)).collect();
        self.engine.sync_now(None, full);
        self.until("swept", async || {
            let missing = |(poller, wanted): (&(ModuleId, Side), &u64)| sweeps(*poller) < *wanted;
            let late = pollers.iter().zip(&wanted).any(missing);
            if late && !pollers.iter().any(|poller| running(*poller)) {
                self.engine.sync_now(None, full);
            }
            // The cursor moves with the last page; a full sweep proves absences after that.
            !late && !pollers.iter().any(|poller| running(*poller))
        })
        .await;
    }

    /// Both sides have been read whole and everything found is planned.
    pub async fn first_plan(&self) {
        self.until("the first plan", async || {
            let store = self.engine.store();
            let read = |module, side| store.read(|view| Ok(view.cursor(module, side)?.last_full.is_some())).unwrap();
            self.modules().all(|module| module.swept_sides().iter().all(|side| read(module, *side)))
        })
        .await;
        self.idle().await;
    }

    /// Releases the first sync as an operator does: companies, and the people once those are in step.
    pub async fn release(&self) {
        for module in self.modules() {
            self.engine.guard_release(module, None, operator("ada")).await.unwrap();
            self.idle().await;
        }
    }

    pub fn describe(&self) -> String {
        let mut text = String::new();
        for module in self.modules() {
            let counts = self.engine.store().read(|view| view.counts(module)).unwrap();
            let error = self.engine.last_error(module).or(self.engine.stopped(module));
            writeln!(text, "{module}: {counts:?} {error:?}").unwrap();
            let line = self.engine.store().read(|view| view.dirty(module, 5)).unwrap();
            let polling = Side::BOTH.map(|side| self.engine.polling(module, side));
            writeln!(text, "  in line: {line:?}; sweeps: {polling:?}").unwrap();
            for state in [State::Ready, State::Retry, State::Unknown, State::Inflight] {
                for item in self.items(module, state).into_iter().take(3) {
                    writeln!(text, "  {state} {:?} {:?} {:?}", item.id, item.plan.summary, item.error).unwrap();
                }
            }
        }
        let nudges = self.engine.store().read(|view| view.nudges(None, 5)).unwrap();
        writeln!(text, "to be looked at: {nudges:?}").unwrap();
        text
    }

    // --- looking --------------------------------------------------------------------------------

    /// Modules that are on, parents first.
    pub fn modules(&self) -> impl Iterator<Item = ModuleId> {
        self.engine.modules().into_iter().map(|def| def.id)
    }

    /// Items of a module in one state.
    pub fn items(&self, module: ModuleId, state: State) -> Vec<Item> {
        let store = self.engine.store();
        // The index is by last change, which two plans made at once may share out either way.
        let mut ids = store.read(|view| view.in_state(module, state, None, 10_000)).unwrap();
        ids.sort_unstable();
        // One may be forgotten between the two looks.
        ids.into_iter().filter_map(|id| store.read(|view| view.item(id)).unwrap()).collect()
    }

    pub fn item(&self, id: ItemId) -> Item {
        self.engine.store().read(|view| view.item(id)).unwrap().unwrap()
    }

    /// The open item of a pair or record, if there is one.
    pub fn open(&self, module: ModuleId, key: &PairKey) -> Option<Item> {
        let id = self.engine.store().read(|view| view.open_item(module, key)).unwrap();
        id.map(|id| self.item(id))
    }

    /// The newest item of a pair, open or closed.
    pub fn last(&self, pair: &Pair) -> Option<Item> {
        let key = PairKey::Link(pair.link);
        let id = self.engine.store().read(|view| view.last_item(pair.module, &key)).unwrap();
        id.map(|id| self.item(id))
    }

    /// The one item of a pair that waits for a person, for this reason.
    pub fn held(&self, pair: &Pair, reason: Reason) -> Item {
        let item = self.open(pair.module, &PairKey::Link(pair.link)).expect("an open item");
        assert_eq!(item.state, State::Held, "{item:?}");
        assert!(item.reasons.contains(reason), "{item:?}");
        item
    }

    /// Whether the pair has nothing open.
    pub fn in_order(&self, pair: &Pair) -> bool {
        self.open(pair.module, &PairKey::Link(pair.link)).is_none()
    }

    /// All links of a module.
    pub fn pairs(&self, module: ModuleId) -> Vec<Pair> {
        let links = self.engine.store().read(|view| view.links(module, None, 10_000)).unwrap();
        links.into_iter().map(|link| Pair { module, link: link.id, ivvy: link.ivvy.0, crm: link.crm.0 }).collect()
    }

    /// The pair a record belongs to.
    pub fn pair_of(&self, module: ModuleId, side: Side, id: &str) -> Option<Pair> {
        self.pairs(module).into_iter().find(|pair| *pair.on(side) == id)
    }

    /// A linked pair of people that no test has touched.
    pub fn take(&self) -> Pair {
        let index = self.taken.fetch_add(1, Ordering::SeqCst);
        // Only people Tandem was given, not those an Odoo has of its own.
        let mut ours = self.pairs(ModuleId::Contacts).into_iter().filter(|pair| {
            let row = self.ivvy.read(ModuleId::Contacts, &pair.ivvy);
            row["email"].contains("example")
        });
        ours.nth(index).expect("a linked pair of people that no test has touched")
    }

    /// What is in both systems now.
    pub async fn everything(&self) -> Everything {
        let mut all = Everything::new();
        for module in ModuleId::PEOPLE {
            all.extend(self.ivvy.all(module).into_iter().map(|(id, row)| ((Side::Ivvy, module, id), row)));
            all.extend(self.crm.all(module).await.into_iter().map(|(id, row)| ((Side::Crm, module, id), row)));
        }
        all
    }

    /// What the engine asked of one side so far.
    pub fn calls(&self, side: Side) -> Calls {
        self.counts[&side].calls()
    }

    /// What the engine wrote so far, on both sides.
    pub fn writes(&self) -> u64 {
        Side::BOTH.into_iter().map(|side| self.calls(side).writes()).sum()
    }

    /// Effects of Tandem's key in a simulator's own ledger; none for a real system.
    pub fn effects(&self, side: Side) -> Vec<Effect> {
        let all = match (side, &self.crm) {
            (Side::Ivvy, _) => self.ivvy.0.ledger().effects(),
            (Side::Crm, CrmHand::Salesforce(sim)) => sim.ledger().effects(),
            (Side::Crm, CrmHand::Odoo(_)) => Vec::new(),
        };
        all.into_iter().filter(|effect| effect.by == By::Api).collect()
    }

    /// Runs `during` and proves that nothing at all was written meanwhile, by our count, by the
    /// simulators' ledgers, and by what is there.
    pub async fn writes_nothing<F: Future<Output = ()>>(&self, during: F) {
        let look = async || {
            let effects = Side::BOTH.map(|side| self.effects(side).len());
            (self.writes(), effects, self.crm.stamps().await, self.everything().await)
        };
        let before = look().await;
        during.await;
        assert_eq!(before, look().await);
    }

    // --- deciding -------------------------------------------------------------------------------

    /// Decides on exactly what was looked at.
    pub async fn decide(&self, seen: &Item, verb: Verb, fill: impl FnOnce(&mut Decision)) -> Result<Item, Refusal> {
        self.decide_as("ada", seen, verb, fill).await
    }

    pub async fn decide_as(
        &self,
        name: &str,
        seen: &Item,
        verb: Verb,
        fill: impl FnOnce(&mut Decision),
    ) -> Result<Item, Refusal> {
        let mut decision = self.decision(name, seen, verb);
        fill(&mut decision);
        self.engine.decide(Ask { ver: Some(seen.ver), seen: Some(seen.seen), decision }).await.unwrap()
    }

    /// Approves an item without saying which version was looked at.
    pub async fn confirm_unseen(&self, name: &str, item: &Item) -> Result<Item, Refusal> {
        let decision = self.decision(name, item, Verb::Approve);
        self.engine.decide(Ask { ver: None, seen: None, decision }).await.unwrap()
    }

    fn decision(&self, name: &str, seen: &Item, verb: Verb) -> Decision {
        Decision {
            item: seen.id,
            ver: seen.ver,
            seen: seen.seen,
            verb,
            choices: BTreeMap::new(),
            side: None,
            until: None,
            record: None,
            reason: None,
            actor: operator(name),
            at: self.engine.now(),
        }
    }

    /// Both sides change the same field of the same pair: exactly one item is held.
    pub async fn quarrel(&self, pair: &Pair, field: &str, ivvy: &str, crm: &str) -> Item {
        let held = self.items(pair.module, State::Held).len();
        self.ivvy.edit(pair.module, &pair.ivvy, &[(field, ivvy)]);
        self.crm.edit(pair.module, &pair.crm, &[(field, crm)]).await;
        self.settle().await;
        assert_eq!(self.items(pair.module, State::Held).len(), held + 1, "exactly one held item");
        self.held(pair, Reason::Conflict)
    }
}

impl Pair {
    pub fn on(&self, side: Side) -> &String {
        match side {
            Side::Ivvy => &self.ivvy,
            Side::Crm => &self.crm,
        }
    }
}

pub fn operator(name: &str) -> Actor {
    Actor { name: name.to_owned(), uid: None, role: Role::Admin }
}

pub fn choose(field: &str, choice: Choice) -> impl FnOnce(&mut Decision) {
    let field = field.to_owned();
    move |decision| {
        decision.choices.insert(field, choice);
    }
}

/// What differs between two looks, in order.
pub fn changes(before: &Everything, after: &Everything) -> Vec<Change> {
    let mut found = Vec::new();
    let nothing = Plain::new();
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (then, now) = (before.get(key).unwrap_or(&nothing), after.get(key).unwrap_or(&nothing));
        let names: std::collections::BTreeSet<_> = then.keys().chain(now.keys()).collect();
        for name in names {
            let (then, now) = (then.get(name).cloned().unwrap_or_default(), now.get(name).cloned().unwrap_or_default());
            if then != now {
                found.push((key.0, key.2.clone(), name.clone(), now));
            }
        }
    }
    found
}

/// What an item's diff pane promises: every value that will be another one afterwards, on either side.
pub fn promised(item: &Item, pair: &Pair) -> Vec<Change> {
    let mut promised = Vec::new();
    for side in [Side::Ivvy, Side::Crm] {
        for row in &item.plan.fields {
            let (Some(result), Some(now)) = (row.result_on(side), row.on(side)) else { continue };
            let writes = row.choice.is_some()
                || !matches!(row.verdict, tandem::model::Verdict::Same | tandem::model::Verdict::Agree);
            if writes && result != now && !(result.is_empty() && now.is_empty()) {
                promised.push((side, pair.on(side).clone(), row.field.clone(), result.to_string()));
            }
        }
    }
    promised.sort();
    promised
}

/// A record as an id of the engine.
pub fn id(text: &str) -> RecordId {
    RecordId::from(text)
}
