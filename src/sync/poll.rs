//! Polling: when to sweep one side of one module, and what its absences prove (`engine.md` 5.7, 5.8).
//!
//! [`sweep()`] reads one sweep to its end; here stands the schedule around it. Nothing here plans or
//! writes to a remote.

mod slice;
mod sweep;

use std::collections::BTreeSet;
use std::time::Duration;

use self::sweep::Run;
use super::core::Core;
use super::wait::{self, Outcome};
use super::{look, mapping};
use crate::model::{Cursor, ModuleId, RecordId, RunEnd, RunRow, Side, Timestamp};
use crate::remote::{Class, Lane, RemoteError};
use crate::store::{Reads as _, StoreError};

use std::sync::Arc;

/// Complete sweeps in a row without a record, before it is read directly to prove its absence.
const MISSED_SWEEPS: u8 = 2;
/// Ids handled per transaction when looking for absent records.
const CHUNK: usize = 500;
/// Bytes of an error kept with the run it ended.
const LONGEST_ERROR: usize = 400;
/// Runs looked at for the last one of a side.
const RECENT: usize = 64;

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a sweep is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    lane: Lane,
    /// Read everything.
    full: bool,
    /// An operator asked for it.
    asked: bool,
}

/// Runs one sweep to its end. How it ended goes on record with its last page; only a failure takes a
/// transaction of its own.
async fn sweep(core: &Arc<Core>, module: ModuleId, side: Side, order: Order) -> Result<(), PollError> {
    let cursor = core.store.read(|view| view.cursor(module, side))?;
    let from = (!order.full).then(|| lower_bound(core, module, side, &cursor));
    let mut run = Run::new(core, module, side, order, &cursor, from);
    let swept = async {
        let present = run.read_all().await?;
        // Nothing follows from a piece of history that its log has dropped.
        if order.full && !module.appends() {
            prove_absences(core, module, side, order.lane, &present).await?;
        }
        Ok(())
    };
    let swept = swept.await;
    if let Err(PollError::Remote(error)) = &swept {
        record_failure(core, run.record(), error).await?;
    }
    swept
}

/// Puts a sweep that was given up on record; the same failure once more only counts.
async fn record_failure(core: &Core, run: RunRow, error: &RemoteError) -> Result<(), StoreError> {
    let error = error.to_string();
    let error = error[..error.floor_char_boundary(LONGEST_ERROR)].to_owned();
    let run = RunRow { error: Some(error), ..run.ended(RunEnd::Failed, core.now()) };
    core.store
        .write(move |tx| {
            // Both sides share one list, and the other may have been read many times meanwhile.
            let last = tx.runs(run.module, None, RECENT)?.into_iter().find(|last| last.side == run.side);
            match last.filter(|last| run.number == 0 && run.repeats(last)) {
                Some(last) => {
                    let times = last.times.saturating_add(1);
                    tx.put_run(&RunRow { ended_at: run.ended_at, times, ..last })
                }
                None => tx.put_run(&run),
            }
            .map(drop)
        })
        .await
}

/// Inclusive lower bound of an incremental sweep: the watermark less an overlap that covers coarse
/// stamps, late visibility and the time the last sweep took.
fn lower_bound(core: &Core, module: ModuleId, side: Side, cursor: &Cursor) -> Timestamp {
    let overlap = core.capabilities(module, side).min_overlap.max(Duration::from_millis(cursor.last_duration_ms));
    cursor.watermark.minus(overlap)
}

/// After a complete full sweep: counts the sweeps each known record was missing from, and reads the
/// twice missing directly. Only a "no such record" then proves a deletion (`engine.md` 5.8).
async fn prove_absences(
    core: &Arc<Core>,
    module: ModuleId,
    side: Side,
    lane: Lane,
    present: &BTreeSet<RecordId>,
) -> Result<(), PollError> {
    let mut after: Option<RecordId> = None;
    loop {
        let page = core.store.read(|view| view.observed_ids(module, side, after.as_ref(), CHUNK))?;
        let Some(last) = page.last().cloned() else {
            return Ok(());
        };
        let missing: Vec<RecordId> = page.into_iter().filter(|id| !present.contains(id)).collect();
        for id in missing {
            let known = core.store.read(|view| view.observation(module, side, &id))?;
            let Some(mut known) = known.filter(|known| !known.absent) else {
                continue;
            };
            known.missed_sweeps = known.missed_sweeps.saturating_add(1);
            let suspect = known.missed_sweeps >= MISSED_SWEEPS;
            let looked = if suspect { look::look(core, module, side, lane, &id).await } else { Ok(Vec::new()) };
            let looks = match looked {
                Err(error) if proves_nothing(&error) => Vec::new(),
                looked => looked?,
            };
            let shared = Arc::clone(core);
            core.store
                .write(move |tx| {
                    tx.put_observation(&known)?;
                    looks.iter().try_for_each(|look| look::note(&shared, tx, module, look))
                })
                .await?;
        }
        after = Some(last);
    }
}

/// Whether a look at a missing record failed in a way that proves nothing and is no reason to stop looking at the
/// others: it cannot be asked for, or takes no part any more.
fn proves_nothing(error: &RemoteError) -> bool {
    error.class == Class::Unsupported
}

/// Sweeps one (module, side) on schedule until shutdown. A failure is kept for the dashboard and
/// retried with full jitter; it never touches another module or side (V-01).
pub(super) async fn run(core: &Arc<Core>, module: ModuleId, side: Side, shutdown: &wait::Shutdown) {
    let Some(wake) = core.signals.poll.get(&(module, side)) else {
        return;
    };
    while !shutdown.is_cancelled() {
        let pause =
            if core.is_paused(module) { core.settings.interval } else { once(core, module, side, shutdown).await };
        let next_at = core.now().plus(pause);
        core.set_polling(module, side, |polling| {
            polling.progress = None;
            polling.next_at = Some(next_at);
        });
        if wait::until(core, wake, pause, shutdown).await == Outcome::Shutdown {
            return;
        }
    }
}

/// One scheduled sweep; returns how long to wait until the next.
async fn once(core: &Arc<Core>, module: ModuleId, side: Side, shutdown: &wait::Shutdown) -> Duration {
    let asked = core.take_request(module, side);
    let full = asked == Some(true) || full_due(core, module, side);
    let lane = match asked {
        // However urgent, reading everything must not stand in the way of the next decision.
        _ if full => Lane::Backfill,
        Some(_) => Lane::Operator,
        None => Lane::Live,
    };
    core.set_polling(module, side, |polling| polling.progress = Some((0, None)));
    let swept = tokio::select! {
        biased;
        () = shutdown.cancelled() => {
            // It was not for this core alone: the next one, with other field maps, makes the sweep.
            if let Some(full) = asked {
                core.request_sweep(module, side, full);
            }
            return Duration::ZERO;
        }
        swept = as_far_as_allowed(core, module, side, Order { lane, full, asked: asked.is_some() }) => swept,
    };
    match swept {
        Ok(()) => {
            core.answered(module, side);
            core.set_polling(module, side, |polling| polling.failures = 0);
            core.signals.plan.notify_one();
            core.settings.interval
        }
        Err(error) => {
            if asked == Some(true) {
                core.request_sweep(module, side, true);
            }
            failed(core, module, side, lane, &error)
        }
    }
}

/// A sweep; when the day's calls for full ones are used up, at least of what changed, if a full sweep has
/// ever given that a point to begin from.
async fn as_far_as_allowed(core: &Arc<Core>, module: ModuleId, side: Side, order: Order) -> Result<(), PollError> {
    match sweep(core, module, side, order).await {
        Err(PollError::Remote(error)) if order.full && error.class == Class::Quota => {
            core.hold_for_quota(module, side, order.lane, &error);
            if core.store.read(|view| view.cursor(module, side))?.last_full.is_none() {
                return Err(error.into());
            }
            // One that was due is due still.
            if order.asked {
                core.request_sweep(module, side, true);
            }
            sweep(core, module, side, Order { lane: Lane::Live, full: false, asked: false }).await
        }
        swept => swept,
    }
}

/// A store that cannot be read is not hidden by the `false`: the sweep that follows meets it and says so.
fn full_due(core: &Core, module: ModuleId, side: Side) -> bool {
    match core.store.read(|view| view.cursor(module, side)) {
        Ok(cursor) => cursor.last_full.is_none_or(|last| {
            let mapped = mapping::read_since(core, module).is_some_and(|at| last < at);
            mapped || core.now().since(last) >= core.settings.full_interval
        }),
        Err(_) => false,
    }
}

fn failed(core: &Core, module: ModuleId, side: Side, lane: Lane, error: &PollError) -> Duration {
    if let PollError::Remote(remote) = error
        && remote.class == Class::Quota
    {
        core.hold_for_quota(module, side, lane, remote);
        return remote.retry_after.unwrap_or_default().max(Duration::from_millis(100));
    }
    core.note_error(module, side, error.to_string());
    core.failed_sweeps.count(module, core.now());
    if let PollError::Remote(remote) = error {
        match remote.class {
            Class::Unauthorized => core.halt(side, error.to_string()),
            Class::Forbidden => core.forbid(module, side, error.to_string()),
            _ => {}
        }
    }
    let mut failures = 0;
    core.set_polling(module, side, |polling| {
        polling.failures += 1;
        failures = polling.failures;
    });
    tracing::warn!(%module, %side, failures, "sweep failed");
    let ceiling = core.settings.retry.ceiling(failures).min(core.settings.interval);
    let asked = match error {
        PollError::Remote(remote) => remote.retry_after,
        PollError::Store(_) => None,
    };
    asked.unwrap_or_default().max(core.entropy.duration_up_to(ceiling)).max(Duration::from_millis(100))
}

#[cfg(test)]
mod tests;
