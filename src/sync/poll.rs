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
use crate::model::{Cursor, ModuleId, RecordId, Side, Timestamp};
use crate::remote::{Class, Lane, RemoteError};
use crate::store::{Reads as _, StoreError};

use std::sync::Arc;

/// Complete sweeps in a row without a record, before it is read directly to prove its absence.
const MISSED_SWEEPS: u8 = 2;
/// Ids handled per transaction when looking for absent records.
const CHUNK: usize = 500;

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs one sweep to its end. `full` reads everything.
pub(super) async fn sweep(
    core: &Arc<Core>,
    module: ModuleId,
    side: Side,
    lane: Lane,
    full: bool,
) -> Result<u64, PollError> {
    let cursor = core.store.read(|view| view.cursor(module, side))?;
    let from = (!full).then(|| lower_bound(core, module, side, &cursor));
    let swept = Run::new(core, module, side, lane, &cursor, from).read_all().await?;
    // Nothing follows from a piece of history that its log has dropped.
    if full && !module.appends() {
        prove_absences(core, module, side, lane, &swept.present).await?;
    }
    Ok(swept.rows)
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
            let looks = if suspect { look::look(core, module, side, lane, &id).await? } else { Vec::new() };
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
        () = shutdown.cancelled() => return Duration::ZERO,
        swept = as_far_as_allowed(core, module, side, lane, full) => swept,
    };
    match swept {
        Ok(_) => {
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
async fn as_far_as_allowed(
    core: &Arc<Core>,
    module: ModuleId,
    side: Side,
    lane: Lane,
    full: bool,
) -> Result<u64, PollError> {
    match sweep(core, module, side, lane, full).await {
        Err(PollError::Remote(error)) if full && error.class == Class::Quota => {
            core.hold_for_quota(module, side, lane, &error);
            if core.store.read(|view| view.cursor(module, side))?.last_full.is_none() {
                return Err(error.into());
            }
            core.request_sweep(module, side, true);
            sweep(core, module, side, Lane::Live, false).await
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
