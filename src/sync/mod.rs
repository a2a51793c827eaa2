//! The engine of one account: intake, planner, pusher, proof, guard, decisions (`engine.md` 5).
//!
//! It knows remotes only through their port and the store only through its transactions. It refuses
//! to know sockets, terminals and wire formats, to ask the machine for time or randomness, and to
//! write anywhere without an intent on disk.

mod claim;
mod core;
mod decide;
mod due;
mod guard;
mod look;
mod mapping;
mod matching;
mod nudge;
mod observe;
mod plan;
mod poll;
mod prove;
mod push;
mod rates;
mod refused;
mod renewal;
mod retention;
mod settings;
mod settle;
#[cfg(test)]
mod simulation;
mod wait;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

pub use self::core::{Polling, Remotes};
pub use decide::{Ask, Refusal};
pub use guard::{Held, Ready, Release};
pub use mapping::Resync;
pub use matching::{
    MatchDifference, MatchMode, MatchRefusal, MatchStatus, SourceNeed, define_source, resolve_told, tell_entry,
};
pub use nudge::{Taken, Unread};
pub use settings::{GuardLimits, LeadOwner, Limit, Retry, SecondPerson, Settings};

use self::core::Core;
use self::renewal::Renewal;
use crate::model::{Actor, AuditEvent, Item, ModuleDef, ModuleId, Side, Timestamp};
use crate::remote::Capabilities;
use crate::seam::{Clock, Entropy};
use crate::store::{Reads as _, Store, StoreError};

/// Minutes of the sparkline.
const SPARK: usize = 30;

/// Failures of a module in the last minute, and in the last hour; since the engine started at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// Writes that failed or whose outcome is not known.
    pub writes: (u32, u32),
    /// Sweeps that failed.
    pub sweeps: (u32, u32),
    /// Writes that succeeded, in the last hour.
    pub written_hour: u32,
}

/// The engine of one account. Cheap to clone; all clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

/// What all clones share. The store stays; the rest is replaced when field maps change.
#[derive(Debug)]
struct Inner {
    store: Store,
    core: RwLock<Arc<Core>>,
    renewal: Renewal,
}

impl Engine {
    /// An engine on `store` between `remotes`. Nothing runs before [`Engine::run`].
    pub fn new(
        store: Store,
        remotes: Remotes,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let core = Core::new(store, remotes, clock, entropy, settings);
        core.load_switches()?;
        Ok(Self::of(core))
    }

    fn of(core: Core) -> Self {
        let store = core.store.clone();
        Self(Arc::new(Inner { store, core: RwLock::new(Arc::new(core)), renewal: Renewal::new() }))
    }

    fn core(&self) -> Arc<Core> {
        // A poisoned lock only means a panic elsewhere; what it guards is replaced as a whole.
        Arc::clone(&self.0.core.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs until `shutdown`: recovers what a crash left open, then polls, plans, pushes and proves.
    /// Dropping the future at any point is a crash, which the next run recovers from. Returns early
    /// only when the store fails.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let at = self.now();
        self.0
            .store
            .write(move |tx| {
                let epoch = tx.bump_epoch()?;
                let what = AuditEvent::Started { version: env!("CARGO_PKG_VERSION").to_owned(), epoch };
                tx.audit(decide::account_note(what, at, Actor::engine())).map(|_| ())
            })
            .await?;
        loop {
            self.take_up_renewal();
            let (core, stop) = (self.core(), shutdown.child_token());
            let mut running = std::pin::pin!(run_with(&core, &stop));
            tokio::select! {
                biased;
                ended = &mut running => return ended,
                () = self.0.renewal.asked() => {}
            }
            stop.cancel();
            running.await?;
            if shutdown.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Goes on with what was asked for, if anything was.
    fn take_up_renewal(&self) {
        if let Some(next) = self.0.renewal.take() {
            let renewed = self.core().renewed(next);
            *self.0.core.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
            self.0.renewal.done.send_modify(|count| *count += 1);
        }
    }

    /// Takes one decision, or says why not.
    pub async fn decide(&self, ask: Ask) -> Result<Result<Item, Refusal>, StoreError> {
        decide::decide(&self.core(), ask).await
    }

    /// Starts a sweep now, in the operators' lane; `full` reads everything, and is backfill nevertheless.
    pub fn sync_now(&self, module: Option<ModuleId>, full: bool) {
        let core = self.core();
        for ((polled, side), wake) in &core.signals.poll {
            if module.is_none_or(|module| module == *polled) {
                core.request_sweep(*polled, *side, full);
                wake.notify_one();
            }
        }
    }

    /// Has one side of a module read soon: its system has told us something by itself.
    pub fn told(&self, module: ModuleId, side: Side) {
        let core = self.core();
        if let Some(wake) = core.signals.poll.get(&(module, side)) {
            core.request_sweep(module, side, false);
            wake.notify_one();
        }
    }

    /// Pauses or resumes one module, or all; remembered over a restart.
    pub async fn set_paused(&self, module: Option<ModuleId>, paused: bool, actor: Actor) -> Result<(), StoreError> {
        let core = self.core();
        let modules: Vec<ModuleId> = core.modules().filter(|id| module.is_none_or(|module| module == *id)).collect();
        let (key, stored) = core.set_paused(&modules, paused);
        let names: Vec<&'static str> = modules.iter().map(|module| (*module).into()).collect();
        let what = format!("{} {}", if paused { "pause" } else { "resume" }, names.join(" "));
        let at = core.now();
        core.store
            .write(move |tx| {
                tx.put_meta(key, &stored)?;
                let event = AuditEvent::Operated { what: what.clone() };
                tx.audit(decide::account_note(event, at, actor.clone())).map(|_| ())
            })
            .await?;
        if !paused {
            core.signals.push.notify_one();
            core.signals.look.notify_one();
            self.sync_now(module, false);
        }
        Ok(())
    }

    /// What the guard of `module` holds.
    pub fn guard_held(&self, module: ModuleId) -> Result<Held, StoreError> {
        self.0.store.read(|view| guard::held(view, module))
    }

    /// What of `module` goes by itself as soon as its turn comes.
    pub fn ready(&self, module: ModuleId) -> Result<Ready, StoreError> {
        self.0.store.read(|view| guard::ready(view, module))
    }

    /// Opens the guard of `module`, or lets only `sample` items through.
    pub async fn guard_release(
        &self,
        module: ModuleId,
        sample: Option<u64>,
        actor: Actor,
    ) -> Result<Release, StoreError> {
        self.guard_release_noted(module, sample, None, actor).await
    }

    /// The same, with a note of who agreed to it in the audit log.
    pub async fn guard_release_noted(
        &self,
        module: ModuleId,
        sample: Option<u64>,
        note: Option<String>,
        actor: Actor,
    ) -> Result<Release, StoreError> {
        guard::release(&self.core(), module, sample, note, actor).await
    }

    /// Skips everything the guard of `module` holds.
    pub async fn guard_discard(&self, module: ModuleId, actor: Actor) -> Result<u64, StoreError> {
        guard::discard(&self.core(), module, actor).await
    }

    /// The store behind the engine.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The two remotes.
    pub fn remotes(&self) -> Remotes {
        self.core().remotes.clone()
    }

    /// The engine's clock.
    pub fn now(&self) -> Timestamp {
        self.core().now()
    }

    /// Effective field maps of the modules that are on, parents first.
    pub fn modules(&self) -> Vec<ModuleDef> {
        let core = self.core();
        core.modules().filter_map(|module| core.def(module).cloned()).collect()
    }

    /// What the remote on `side` declares for `module`.
    pub fn capabilities(&self, module: ModuleId, side: Side) -> Capabilities {
        self.core().capabilities(module, side)
    }

    /// Where one poller stands.
    pub fn polling(&self, module: ModuleId, side: Side) -> Polling {
        self.core().polling(module, side)
    }

    /// Whether an operator paused `module`.
    pub fn is_paused(&self, module: ModuleId) -> bool {
        self.core().is_paused(module)
    }

    /// Why nothing of `module` is claimed, when a remote refused us.
    pub fn stopped(&self, module: ModuleId) -> Option<String> {
        self.core().stopped(module)
    }

    /// Why work of `module` waits, when a remote's calls of the day are used up for its lane.
    pub fn waits_for_quota(&self, module: ModuleId) -> Option<String> {
        self.core().waits_for_quota(module)
    }

    /// The last thing that went wrong in `module`, until something succeeds.
    pub fn last_error(&self, module: ModuleId) -> Option<String> {
        self.core().last_error(module)
    }

    /// Writes per minute, oldest first.
    pub fn rates(&self, module: ModuleId) -> Vec<u32> {
        self.core().rates.minutes(module, self.now(), SPARK)
    }

    /// What failed lately.
    pub fn failures(&self, module: ModuleId) -> Lately {
        let (core, now) = (self.core(), self.now());
        Lately {
            writes: core.failed_writes.lately(module, now),
            sweeps: core.failed_sweeps.lately(module, now),
            written_hour: core.rates.lately(module, now).1,
        }
    }

    /// What the engine was told.
    pub fn settings(&self) -> Settings {
        self.core().settings.clone()
    }

    /// Time between two sweeps.
    pub fn interval(&self) -> Duration {
        self.core().settings.interval
    }

    /// Whether the engine has nothing to do right now: no dirty record, nothing ready, in flight or
    /// unknown, nothing to be looked at, no lead source to be created. Held, blocked and dead items wait for people, not for the engine.
    pub fn is_idle(&self) -> Result<bool, StoreError> {
        use crate::model::State;
        let core = self.core();
        core.store
            .read(|view| {
                for module in core.modules() {
                    let counts = view.counts(module)?;
                    let busy = [State::New, State::Ready, State::Inflight, State::Unknown, State::Retry]
                        .iter()
                        .any(|state| counts.get(state).copied().unwrap_or(0) > 0);
                    if busy || !view.dirty(module, 1)?.is_empty() {
                        return Ok(false);
                    }
                }
                Ok(view.nudges(None, 1)?.is_empty())
            })
            .and_then(|idle| Ok(idle && !matching::create::under_way(&core)?))
    }
}

/// Runs one core until `shutdown`. Only one runs at a time, so whatever sweep is still said to be running was
/// cut off with the core before, or with the process.
async fn run_with(core: &Arc<Core>, shutdown: &CancellationToken) -> Result<(), StoreError> {
    core.store.write(|tx| tx.interrupt_runs().map(drop)).await?;
    prove::recover(core).await?;
    for module in core.modules().collect::<Vec<_>>() {
        mapping::take_up(core, module).await?;
        guard::finish_release(core, module).await?;
        guard::watch_mapping(core, module).await?;
    }
    let polls = core.signals.poll.keys().copied().collect::<Vec<_>>();
    let polling = join_all(polls.into_iter().map(|(module, side)| poll::run(core, module, side, shutdown)));
    tokio::try_join!(
        async {
            polling.await;
            Ok(())
        },
        plan::run(core, shutdown),
        push::run(core, shutdown),
        due::run(core, shutdown),
        retention::run(core, shutdown),
        matching::run(core, shutdown),
        nudge::run(core, shutdown),
        outlive(core, shutdown),
    )
    .map(|_| ())
}

/// Waits for shutdown, or for the store to die under whomever. Whoever meets the dead store first may be
/// a sweep, which only retries, or an operator's decision; the engine must not go on as if it lived.
async fn outlive(core: &Core, shutdown: &CancellationToken) -> Result<(), StoreError> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        error = core.store.died() => Err(error),
    }
}
