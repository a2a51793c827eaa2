//! One simulated life of an account: users edit on both sides, operators decide, the machine crashes;
//! then the faults stop, everything drains, and the result is checked.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use tokio_util::sync::CancellationToken;

use super::Ablation;
use super::check::{self, Report};
use super::disk::Disk;
use super::remote::World;
use crate::model::module::EXTERNAL_ID;
use crate::model::{
    Actor, Choice, Decision, Fields, ItemId, ModuleId, PairKey, Reason, RecordId, Role, Side, State, Timestamp, Value,
    Verb, Why,
};
use crate::remote::Listing;
use crate::seam::{Clock, Entropy, TokioClock};
use crate::store::{Options, Reads as _, Store, StoreError};
use crate::sync::core::Core;
use crate::sync::settings::{GuardLimits, Limit};
use crate::sync::{Ask, Engine, Remotes, Settings};

/// Where simulated time begins.
const BEGIN: i64 = 1_795_000_000;
/// Lives of the machine: each ends with a crash.
const LIVES: u64 = 8;
/// Longest quiet time allowed for draining, in simulated seconds.
const DRAIN: u64 = 4 * 60 * 60;

/// Minutes a full sweep may take at rest.
const LONGEST_SWEEP: u64 = 20;

/// Runs one seed to its report.
pub(super) fn simulate(seed: u64, ablation: Ablation) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a current-thread runtime can be built");
    runtime.block_on(Drive::new(seed, ablation).run())
}

pub(super) struct Drive {
    pub entropy: Entropy,
    pub clock: Arc<dyn Clock>,
    pub ivvy: World,
    pub crm: World,
    disk: Disk,
    ablation: Ablation,
    /// Values users typed, each unique but for parents: (side, record, field, value).
    pub typed: Vec<(Side, RecordId, String, Value)>,
    pub decisions: u64,
    /// Fields that an operator left different on both sides, because neither value can go over.
    pub left: BTreeSet<(ModuleId, PairKey, String)>,
    pub merges: u64,
    counter: u64,
}

impl Drive {
    fn new(seed: u64, ablation: Ablation) -> Self {
        let entropy = Entropy::seeded(seed);
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(BEGIN)));
        // Every other account meets an iVvy whose pages shift.
        let paging = if seed.is_multiple_of(2) { Listing::Keyset } else { Listing::Offset };
        Self {
            ivvy: World::new(Side::Ivvy, paging, Arc::clone(&clock), entropy.clone()),
            crm: World::new(Side::Crm, Listing::Keyset, Arc::clone(&clock), entropy.clone()),
            entropy,
            clock,
            disk: Disk::default(),
            ablation,
            typed: Vec::new(),
            decisions: 0,
            left: BTreeSet::new(),
            merges: 0,
            counter: 0,
        }
    }

    fn world(&self, side: Side) -> &World {
        match side {
            Side::Ivvy => &self.ivvy,
            Side::Crm => &self.crm,
        }
    }

    async fn run(mut self) -> Report {
        self.populate();
        self.ivvy.set_faults(true);
        self.crm.set_faults(true);
        for life in 0..LIVES {
            self.live(life).await;
        }
        self.ivvy.set_faults(false);
        self.crm.set_faults(false);
        self.drain().await
    }

    // --- the world ------------------------------------------------------------------------------

    /// Some people on both sides (the same person spelled alike), some on one, companies before them.
    fn populate(&mut self) {
        for _ in 0..2 {
            let name = self.token("Firm");
            let ivvy = self.create(Side::Ivvy, ModuleId::Companies, &[("name", &name)]);
            let crm = self.create(Side::Crm, ModuleId::Companies, &[("name", &name.to_uppercase())]);
            self.person(&[(Side::Ivvy, Some(ivvy)), (Side::Crm, Some(crm))]);
        }
        let alone = self.token("Firm");
        let alone = self.create(Side::Ivvy, ModuleId::Companies, &[("name", &alone)]);
        self.person(&[(Side::Ivvy, Some(alone))]);
        self.person(&[(Side::Ivvy, None)]);
        self.person(&[(Side::Crm, None)]);
        self.person(&[(Side::Ivvy, None), (Side::Crm, None)]);
    }

    fn person(&mut self, sides: &[(Side, Option<RecordId>)]) {
        let last = self.token("Last");
        let email = format!("{last}@x.example");
        for (side, company) in sides {
            let phone = self.token("0");
            let company = company.as_ref().map_or("", RecordId::as_str);
            let fields = [
                ("first_name", "Ann"),
                ("last_name", &last),
                ("email", &email),
                ("phone", &phone),
                ("company", company),
            ];
            self.create(*side, ModuleId::Contacts, &fields);
        }
    }

    fn create(&mut self, side: Side, module: ModuleId, given: &[(&str, &str)]) -> RecordId {
        let mut fields: Fields =
            module.def().fields.iter().map(|field| (field.name.clone().into_owned(), Value::text(""))).collect();
        let foreign = if side == Side::Ivvy { "ivvy_key" } else { "external_id" };
        fields.remove(foreign);
        fields.extend(given.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))));
        self.world(side).user_creates(module, fields)
    }

    /// A text nobody has used before.
    fn token(&mut self, prefix: &str) -> String {
        self.counter += 1;
        format!("{prefix}{}", 1000 + self.counter)
    }

    /// A user somewhere changes something.
    fn disturb(&mut self) {
        let side = if self.entropy.chance(1, 2) { Side::Ivvy } else { Side::Crm };
        if self.entropy.chance(1, 6) {
            let both = self.entropy.chance(1, 5);
            let sides: &[(Side, Option<RecordId>)] =
                if both { &[(Side::Ivvy, None), (Side::Crm, None)] } else { &[(side, None)] };
            self.person(sides);
            return;
        }
        let module = if self.entropy.chance(1, 5) { ModuleId::Companies } else { ModuleId::Contacts };
        if self.entropy.chance(1, 12) {
            return self.merge(module);
        }
        if self.entropy.chance(1, 12) {
            return self.other_system(module);
        }
        let records = self.world(side).records(module);
        let Some(record) = records.get(self.entropy.below(records.len() as u64) as usize) else {
            return;
        };
        if module == ModuleId::Companies && self.entropy.chance(1, 3) {
            return self.rearrange();
        }
        let field = match (module, self.entropy.below(3)) {
            (ModuleId::Companies, 0) => "city",
            (ModuleId::Companies, _) => "phone",
            (ModuleId::Contacts, 0) => "first_name",
            (ModuleId::Contacts, 1) => "email",
            (_, _) => "phone",
        };
        let value = match field {
            "phone" => self.token("0"),
            "email" => format!("{}@Y.example", self.token("Mail")),
            _ => self.token("Word"),
        };
        self.world(side).user_edits(module, &record.id, field, Value::text(&value));
        self.typed.push((side, record.id.clone(), field.to_owned(), Value::text(value)));
    }

    /// A user of iVvy puts a company, perhaps a new one, below any company: itself and what stands below it
    /// are no exception.
    fn rearrange(&mut self) {
        let child = if self.entropy.chance(1, 3) {
            let name = self.token("Firm");
            self.create(Side::Ivvy, ModuleId::Companies, &[("name", &name)])
        } else {
            let firms = self.ivvy.records(ModuleId::Companies);
            match firms.get(self.entropy.below(firms.len() as u64) as usize) {
                Some(firm) => firm.id.clone(),
                None => return,
            }
        };
        let firms = self.ivvy.records(ModuleId::Companies);
        let parent = firms.get(self.entropy.below(firms.len() as u64 + 1) as usize);
        let parent = Value::text(parent.map_or("", |firm| firm.id.as_str()));
        self.ivvy.user_edits(ModuleId::Companies, &child, "parent", parent.clone());
        self.typed.push((Side::Ivvy, child, "parent".to_owned(), parent));
    }

    /// A third system writes its own id where ours belongs (V-13). Not into what the engine made: that id is how a
    /// create whose answer was lost is found again.
    fn other_system(&mut self, module: ModuleId) {
        let ours = self.ivvy.effects();
        let made =
            |id: &RecordId| ours.iter().any(|effect| effect.created && effect.module == module && effect.id == *id);
        let theirs: Vec<_> = self.ivvy.records(module).into_iter().filter(|record| !made(&record.id)).collect();
        let Some(record) = theirs.get(self.entropy.below(theirs.len() as u64) as usize) else {
            return;
        };
        let value = Value::text(self.token("LEGACY"));
        self.ivvy.user_edits(module, &record.id, EXTERNAL_ID, value.clone());
        self.typed.push((Side::Ivvy, record.id.clone(), EXTERNAL_ID.to_owned(), value));
    }

    /// A user of the CRM merges one record into another.
    fn merge(&mut self, module: ModuleId) {
        let records = self.crm.records(module);
        let any = || records.get(self.entropy.below(records.len() as u64) as usize);
        if let (Some(loser), Some(survivor)) = (any(), any())
            && loser.id != survivor.id
        {
            self.crm.user_merges(module, &loser.id, &survivor.id);
            self.merges += 1;
        }
    }

    // --- the machine ----------------------------------------------------------------------------

    fn boot(&self) -> (Engine, Store) {
        let store = Store::open_backend(self.disk.open(), Options::default()).expect("the store opens after a crash");
        let remotes = Remotes::new(|side, _| Arc::new(self.world(side).clone()));
        let generous = Limit { count: 10_000, per_mille: 1000 };
        let settings = Settings {
            interval: Duration::from_secs(20),
            full_interval: Duration::from_secs(600),
            concurrency: 4,
            keep_done: Duration::from_secs(20),
            guard: GuardLimits {
                creates: generous,
                updates: generous,
                conflicts: generous,
                emptied: generous,
                same_value: generous,
                ..GuardLimits::default()
            },
            ..Settings::default()
        };
        let mut core = Core::new(store.clone(), remotes, Arc::clone(&self.clock), self.entropy.clone(), settings);
        core.ablate = self.ablation;
        (Engine::of(core), store)
    }

    /// Boots, works for a while, and crashes at an arbitrary await point.
    async fn live(&mut self, life: u64) {
        let (engine, store) = self.boot();
        let polls = 50 + self.entropy.below(if life == 0 { 400 } else { 2_500 });
        let seconds = 20 + self.entropy.below(100);
        let running = Box::pin(engine.run(CancellationToken::new()));
        let mut machine = Box::pin(CrashAfter { inner: running, polls });
        let end = self.clock.now().plus(Duration::from_secs(seconds));
        loop {
            let pause = self.entropy.duration_up_to(Duration::from_secs(4));
            let clock = Arc::clone(&self.clock);
            let crashed = tokio::select! {
                biased;
                () = &mut machine => true,
                () = clock.sleep(pause) => false,
            };
            if crashed || self.clock.now() >= end {
                break;
            }
            if self.entropy.chance(2, 3) {
                self.disturb();
            } else {
                self.operate(&engine, &store).await;
            }
        }
        // The power goes first: what the dying store still tries to write is lost.
        self.disk.crash(&self.entropy);
        drop(machine);
        drop((engine, store));
    }

    // --- the operators --------------------------------------------------------------------------

    fn actor() -> Actor {
        Actor { name: "op".to_owned(), uid: None, role: Role::Admin }
    }

    /// An operator releases a guard or decides something, sometimes on an outdated view.
    async fn operate(&mut self, engine: &Engine, store: &Store) {
        for module in ModuleId::PEOPLE {
            let tripped = store.read(|view| Ok(view.guard(module)?.is_some_and(|guard| guard.tripped.is_some())));
            if tripped.unwrap_or(false) {
                let _ = engine.guard_release(module, None, Self::actor()).await;
            }
        }
        let module = if self.entropy.chance(1, 4) { ModuleId::Companies } else { ModuleId::Contacts };
        for state in [State::Held, State::Dead] {
            let ids = store.read(|view| view.in_state(module, state, None, 50)).unwrap_or_default();
            if ids.is_empty() {
                continue;
            }
            let id = ids[self.entropy.below(ids.len() as u64) as usize];
            self.decide_on(engine, store, id).await;
        }
    }

    async fn decide_on(&mut self, engine: &Engine, store: &Store, id: ItemId) {
        let Ok(Some(item)) = store.read(|view| view.item(id)) else {
            return;
        };
        // Thinking time, in which the world moves on.
        self.clock.sleep(self.entropy.duration_up_to(Duration::from_secs(3))).await;
        let mut decision = Decision {
            item: id,
            ver: item.ver,
            seen: item.seen,
            verb: Verb::Approve,
            choices: Default::default(),
            side: None,
            until: None,
            record: None,
            reason: Some("simulated".to_owned()),
            actor: Self::actor(),
            at: self.clock.now(),
        };
        match (item.state, self.entropy.below(10)) {
            (State::Dead, _) => decision.verb = Verb::Retry,
            (_, 0) if item.reasons.contains(Reason::Conflict) => {
                decision.verb = Verb::Force;
                decision.side = Some(if self.entropy.chance(1, 2) { Side::Ivvy } else { Side::Crm });
            }
            (_, 1) => decision.verb = Verb::Skip,
            _ => {
                for row in item.plan.fields.iter().filter(|row| row.unsolved()) {
                    let choice = match self.entropy.below(5) {
                        0 | 1 => Choice::Ivvy,
                        2 | 3 => Choice::Crm,
                        _ if row.field == "email" => {
                            Choice::Custom(Value::text(format!("{}@Z.example", self.token("Op"))))
                        }
                        _ if matches!(row.field.as_str(), "company" | "parent")
                            || row.field.contains('_') && row.field != "first_name" =>
                        {
                            Choice::Crm
                        }
                        _ => Choice::Custom(Value::text(self.token("0"))),
                    };
                    decision.choices.insert(row.field.clone(), choice);
                }
            }
        }
        let ask = Ask { ver: Some(item.ver), seen: Some(item.seen), decision };
        if matches!(engine.decide(ask).await, Ok(Ok(_))) {
            self.decisions += 1;
            let left = item.plan.fields.iter().filter(|row| row.why == Why::ReferenceUnlinked);
            self.left.extend(left.map(|row| (item.module, item.pair.clone(), row.field.clone())));
        }
    }

    // --- the end --------------------------------------------------------------------------------

    /// No more faults or edits: everything must come to rest, and stay there.
    async fn drain(mut self) -> Report {
        let (engine, store) = self.boot();
        let shutdown = CancellationToken::new();
        let mut machine = Box::pin(engine.run(shutdown.clone())).fuse();
        let mut violations = Vec::new();
        if let Err(ended) = self.at_rest(&engine, &store, &mut machine, &mut violations).await {
            // A run that has ended has no rest to look at; it must not be polled again either.
            violations.push(format!("the engine ended by itself: {ended}"));
            return check::all(&self, &store, violations);
        }
        shutdown.cancel();
        if !machine.is_terminated() {
            let _ = machine.await;
        }
        check::all(&self, &store, violations)
    }

    /// What must hold of an account that nobody disturbs, or only in one field.
    async fn at_rest(
        &mut self,
        engine: &Engine,
        store: &Store,
        machine: &mut impl Machine,
        violations: &mut Vec<String>,
    ) -> Result<(), String> {
        self.come_to_rest(engine, store, machine, violations).await?;
        // I10: full sweeps at rest write nothing. I12: they end, however the pages shift.
        let began = self.clock.now();
        let before = self.ivvy.effects().len() + self.crm.effects().len();
        for round in 0.. {
            if round >= 2 && unread(store, began).is_empty() {
                break;
            }
            if round == LONGEST_SWEEP {
                violations.push(format!("I12: these full sweeps did not end: {:?}", unread(store, began)));
                break;
            }
            if round < 2 {
                engine.sync_now(None, true);
            }
            self.pass(Duration::from_secs(60), machine).await?;
        }
        let after = self.ivvy.effects().len() + self.crm.effects().len();
        if after != before {
            violations.push(format!("I10: {} writes at rest", after - before));
        }
        // An edit of one field asks about nothing else: neither about what was never in question nor about what
        // somebody has settled.
        let settled = store.read(check::in_order).map_err(|error| error.to_string())?;
        for (module, link) in &settled {
            let value = Value::text(self.token("0"));
            self.crm.user_edits(*module, &link.crm, "phone", value.clone());
            self.typed.push((Side::Crm, link.crm.clone(), "phone".to_owned(), value));
        }
        engine.sync_now(None, false);
        self.come_to_rest(engine, store, machine, violations).await?;
        let again = store.read(|view| check::asked_again(view, &settled, "phone"));
        violations.extend(again.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Waits until there has been nothing to do for a while.
    async fn come_to_rest(
        &mut self,
        engine: &Engine,
        store: &Store,
        machine: &mut impl Machine,
        violations: &mut Vec<String>,
    ) -> Result<(), String> {
        let limit = self.clock.now().plus(Duration::from_secs(DRAIN));
        let mut quiet = 0;
        while quiet < 30 {
            self.pass(Duration::from_secs(5), machine).await?;
            self.settle_dead(engine, store).await;
            quiet = if engine.is_idle().unwrap_or(false) { quiet + 1 } else { 0 };
            if self.clock.now() >= limit {
                violations.push(format!("not at rest after {DRAIN} s: {}", check::describe(store)));
                break;
            }
        }
        Ok(())
    }

    /// Lets the machine work for a while; it must not end meanwhile.
    async fn pass(&self, time: Duration, machine: &mut impl Machine) -> Result<(), String> {
        tokio::select! {
            biased;
            ended = machine => Err(format!("{ended:?}")),
            () = self.clock.sleep(time) => Ok(()),
        }
    }

    /// Dead items and tripped guards are an operator's work; conflicts may stay open.
    async fn settle_dead(&mut self, engine: &Engine, store: &Store) {
        for module in ModuleId::PEOPLE {
            let tripped = store.read(|view| Ok(view.guard(module)?.is_some_and(|guard| guard.tripped.is_some())));
            if tripped.unwrap_or(false) {
                let _ = engine.guard_release(module, None, Self::actor()).await;
            }
            for id in store.read(|view| view.in_state(module, State::Dead, None, 50)).unwrap_or_default() {
                self.decide_on(engine, store, id).await;
            }
        }
    }
}

/// The engine as it runs.
trait Machine: Future<Output = Result<(), StoreError>> + Unpin {}

impl<T: Future<Output = Result<(), StoreError>> + Unpin> Machine for T {}

/// What has not been read whole since `began`.
fn unread(store: &Store, began: Timestamp) -> Vec<(ModuleId, Side)> {
    let all = ModuleId::PEOPLE.into_iter().flat_map(|module| Side::BOTH.map(|side| (module, side)));
    let read =
        |(module, side)| store.read(|view| view.cursor(module, side)).is_ok_and(|at| at.last_full >= Some(began));
    all.filter(|poller| !read(*poller)).collect()
}

/// Ends after its inner future was polled a number of times: a crash between two await points.
struct CrashAfter<F> {
    inner: F,
    polls: u64,
}

impl<F: Future + Unpin> Future for CrashAfter<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.polls == 0 {
            return Poll::Ready(());
        }
        self.polls -= 1;
        match Pin::new(&mut self.inner).poll(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}
