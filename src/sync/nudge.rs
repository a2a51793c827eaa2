//! Looking at a record because somebody said that it changed (N-07).
//!
//! A nudge is a hint and proves nothing: the record is read directly, and noted as any other read is. It
//! waits on disk with the message that brought it, so that neither a crash nor a repetition makes it count
//! twice or not at all. What cannot be read now is tried again later, and later still: not every side is swept
//! by asking the system itself, so no sweep would find it. What can never be read is let go, and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::Engine;
use super::core::Core;
use super::look;
use super::retention::KEEP_DELIVERIES;
use super::wait::{self, Outcome, Shutdown};
use crate::model::{ModuleId, RecordId, Side, Timestamp};
use crate::remote::{Class, Lane, RemoteError};
use crate::store::{Nudge, Reads as _, StoreError};

/// Nudges taken up per round.
const BATCH: usize = 64;
/// Direct reads under way at a time; the gate makes them share the live lane's part with the sweeps.
const AT_ONCE: usize = 4;
/// How long a record is tried that cannot be read: a weekend, and a day's quota.
const KEEP_TRYING: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How often it is looked whether a module that may not be called may be again.
const RECHECK: Duration = Duration::from_secs(60);
/// Records that were let go, of which it is known.
const MOST_GIVEN_UP: usize = 10_000;

/// A record as nudges name it.
type Place = (ModuleId, Side, RecordId);

/// Direct reads that failed. Forgotten with the process: then each is tried at once, and counts anew.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<Failed>);

#[derive(Debug, Default)]
struct Failed {
    late: BTreeMap<Place, Late>,
    given_up: BTreeMap<Place, Timestamp>,
}

/// A read that is to be tried again.
#[derive(Clone, Copy, Debug)]
struct Late {
    since: Timestamp,
    tries: u32,
    due: Timestamp,
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When this one is to be tried again, if it failed before.
    fn due(&self, place: &Place) -> Option<Timestamp> {
        self.lock().late.get(place).map(|late| late.due)
    }

    /// It was read, or need not be.
    fn done(&self, place: &Place) {
        let mut failed = self.lock();
        failed.late.remove(place);
        failed.given_up.remove(place);
    }

    /// It could not be read. Returns whether it is to be tried again.
    fn failed(&self, core: &Core, place: &Place, error: &RemoteError) -> bool {
        let now = core.now();
        let mut failed = self.lock();
        let late = failed.late.get(place).copied().unwrap_or(Late { since: now, tries: 0, due: now });
        if !is_passing(error.class) || now.since(late.since) > KEEP_TRYING {
            failed.late.remove(place);
            failed.given_up.insert(place.clone(), now);
            if failed.given_up.len() > MOST_GIVEN_UP {
                failed.given_up.pop_first();
            }
            return false;
        }
        let tries = late.tries.saturating_add(1);
        let half = core.settings.retry.ceiling(tries) / 2;
        // Never at once, and not all of them together.
        let pause = error.retry_after.unwrap_or_default().max(half + core.entropy.duration_up_to(half));
        let due = now.plus(pause.max(Duration::from_millis(100)));
        failed.late.insert(place.clone(), Late { tries, due, ..late });
        // Let go once, and asked for again: it waits now, and must not count twice.
        failed.given_up.remove(place);
        true
    }
}

/// Whether the same read may go through later. A key or a permission is put right by a person.
fn is_passing(class: Class) -> bool {
    match class {
        Class::Unreachable
        | Class::Throttled
        | Class::Quota
        | Class::Server
        | Class::Shifted
        | Class::Unauthorized
        | Class::Forbidden => true,
        Class::Rejected | Class::Conflict | Class::Missing | Class::Malformed | Class::Unsupported => false,
    }
}

/// Direct reads that were asked for and did not come to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Still to be made, or to be made again.
    pub waiting: u64,
    /// Let go: they cannot be made, or could not for days.
    pub failed: u64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was new, and is on disk.
    New,
    /// It was delivered before; nothing was done.
    Known,
}

impl Engine {
    /// How long a message that was delivered is known again.
    pub const KEEP_DELIVERIES: std::time::Duration = KEEP_DELIVERIES;

    /// Has a record read directly, soon and in the live lane. Returns once that is on disk; asking again
    /// before it was read changes nothing. A module that is off, or a side that is never read, is ignored.
    ///
    /// # Errors
    /// The store fails.
    pub async fn look_at(&self, module: ModuleId, side: Side, id: RecordId) -> Result<(), StoreError> {
        self.take_delivery(Vec::new(), Some((module, side, id))).await.map(drop)
    }

    /// How many direct reads of some records wait, and how many were let go since `since`, as far as this process
    /// knows.
    ///
    /// # Errors
    /// The store fails.
    pub fn unread(
        &self,
        since: Timestamp,
        of: impl Fn(ModuleId, Side, &RecordId) -> bool,
    ) -> Result<Unread, StoreError> {
        let core = self.core();
        let mut unread = Unread::default();
        let mut last: Option<Nudge> = None;
        loop {
            let after = last.as_ref().map(|nudge| (nudge.module, nudge.side, &nudge.id));
            let nudges = core.store.read(|view| view.nudges(after, BATCH))?;
            unread.waiting += nudges.iter().filter(|nudge| of(nudge.module, nudge.side, &nudge.id)).count() as u64;
            match nudges.into_iter().next_back() {
                Some(nudge) => last = Some(nudge),
                None => break,
            }
        }
        let failed = core.looks.lock();
        let given_up =
            failed.given_up.iter().filter(|((module, side, id), at)| **at >= since && of(*module, *side, id));
        unread.failed = given_up.count() as u64;
        drop(failed);
        Ok(unread)
    }

    /// Takes a message that bears these ids and is about this record: both are on disk, in one transaction,
    /// before this returns, and the record is read directly ([`Engine::look_at`]). One known by any of its
    /// ids is not taken again.
    ///
    /// # Errors
    /// The store fails: then the message was not taken, and may be delivered again.
    pub async fn take_delivery(
        &self,
        ids: Vec<String>,
        about: Option<(ModuleId, Side, RecordId)>,
    ) -> Result<Taken, StoreError> {
        let core = self.core();
        let about =
            about.filter(|(module, side, _)| core.def(*module).is_some() && module.swept_sides().contains(side));
        let at = core.now();
        let taken = core
            .store
            .write(move |tx| {
                for id in &ids {
                    if tx.is_delivered(id)? {
                        return Ok(Taken::Known);
                    }
                }
                for id in &ids {
                    tx.put_delivery(id, at)?;
                }
                if let Some((module, side, id)) = &about {
                    tx.put_nudge(*module, *side, id)?;
                }
                Ok(Taken::New)
            })
            .await?;
        core.signals.look.notify_one();
        Ok(taken)
    }
}

/// Looks at what it is told to until shutdown, beginning with what a crash left over.
pub(super) async fn run(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    // Round and round by id, so that a record that is nudged without end keeps nobody else waiting.
    let mut last: Option<Nudge> = None;
    let mut round = Round::default();
    loop {
        let after = last.as_ref().map(|nudge| (nudge.module, nudge.side, &nudge.id));
        let nudges = core.store.read(|view| view.nudges(after, BATCH))?;
        if nudges.is_empty() {
            last = None;
            if std::mem::take(&mut round.looked) {
                round = Round::default();
                continue;
            }
            let outcome = match std::mem::take(&mut round.next) {
                None => wait::for_signal(&core.signals.look, shutdown).await,
                Some(next) => {
                    let pause = next.since(core.now()).clamp(Duration::from_millis(1), RECHECK);
                    wait::until(core, &core.signals.look, pause, shutdown).await
                }
            };
            if outcome == Outcome::Shutdown {
                return Ok(());
            }
            continue;
        }
        last = nudges.last().cloned();
        let nudges: Vec<Nudge> = nudges.into_iter().filter(|nudge| round.is_due(core, nudge)).collect();
        let looking = stream::iter(nudges)
            .map(|nudge| answer(core, nudge))
            .buffer_unordered(AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            looked = looking => looked?,
        }
    }
}

/// One round through everything that waits.
#[derive(Debug, Default)]
struct Round {
    /// Something was read, or tried.
    looked: bool,
    /// When the first of those that were passed over is due.
    next: Option<Timestamp>,
}

impl Round {
    fn is_due(&mut self, core: &Core, nudge: &Nudge) -> bool {
        let (now, module) = (core.now(), nudge.module);
        // A module that is off is let go at once; one that may not be called now may be later.
        let due = match core.def(module).is_some() && (core.is_paused(module) || core.stopped(module).is_some()) {
            true => Some(now.plus(RECHECK)),
            false => core.looks.due(&(module, nudge.side, nudge.id.clone())).filter(|due| *due > now),
        };
        match due {
            Some(due) => self.next = Some(self.next.map_or(due, |next| next.min(due))),
            None => self.looked = true,
        }
        due.is_none()
    }
}

/// Reads one record, notes what was read and settles the nudge, in one transaction. One that cannot be read now
/// stays on disk.
async fn answer(core: &Arc<Core>, nudge: Nudge) -> Result<(), StoreError> {
    let Nudge { module, side, .. } = nudge;
    let place = (module, side, nudge.id.clone());
    let looked = match core.def(module) {
        None => Ok(Vec::new()),
        Some(_) => look::look(core, module, side, Lane::Live, &nudge.id).await,
    };
    let looks = match looked {
        Ok(looks) => {
            core.looks.done(&place);
            looks
        }
        Err(error) if core.looks.failed(core, &place, &error) => {
            tracing::debug!(%module, %side, class = ?error.class, "not read on a hint; it is tried again");
            return Ok(());
        }
        Err(error) => {
            tracing::warn!(%module, %side, class = ?error.class, "a record that is said to have changed cannot be read");
            Vec::new()
        }
    };
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            looks.iter().try_for_each(|look| look::note(&shared, tx, module, look))?;
            tx.settle_nudge(&nudge).map(drop)
        })
        .await?;
    core.signals.plan.notify_one();
    Ok(())
}

#[cfg(test)]
mod tests;
