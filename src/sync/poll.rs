//! Sweeps: reading what changed on one side of one module, page by page (`engine.md` 5.7).
//!
//! Each page is one store transaction: observations, marks and cursor together, so the cursor never
//! moves without its rows (I13). The watermark moves only when a sweep is complete and never past
//! what the server may still show late. Nothing here plans or writes to a remote.

use std::collections::BTreeSet;
use std::time::Duration;

use super::core::Core;
use super::guard;
use super::observe::{Seen, observe, observe_missing};
use super::wait::{self, Outcome};
use crate::model::record::{Source, Sweep};
use crate::model::{Cursor, ModuleId, Record, RecordId, Side, Timestamp};
use crate::remote::{Class, Lane, Page, PageRequest, Read, RemoteError};
use crate::store::{Reads as _, StoreError};

use std::sync::Arc;

/// How often an unstable listing may force a sweep to begin again before it is given up until the
/// next one. Nothing is lost: the watermark has not moved.
const RESTARTS: u32 = 16;
/// How often a row may be read again because it could be stale, before the sweep is given up.
const RECHECKS: u32 = 10;
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
    let started_at = core.now();
    let cursor = core.store.read(|view| view.cursor(module, side))?;
    let from = (!full).then(|| lower_bound(core, module, side, &cursor));
    let mut run = Run {
        core,
        module,
        side,
        lane,
        sweep: Sweep {
            id: cursor.sweeps + 1,
            full,
            started_at,
            server_time: None,
            from,
            position: None,
            max_stamp: cursor.watermark,
            rows: 0,
            restarts: 0,
        },
        ids: BTreeSet::new(),
    };
    let rows = run.read_all().await?;
    if full {
        prove_absences(core, module, side, lane, &run.ids).await?;
    }
    Ok(rows)
}

/// Inclusive lower bound of an incremental sweep: the watermark less an overlap that covers coarse
/// stamps, late visibility and the time the last sweep took.
fn lower_bound(core: &Core, module: ModuleId, side: Side, cursor: &Cursor) -> Timestamp {
    let overlap = core.capabilities(module, side).min_overlap.max(Duration::from_millis(cursor.last_duration_ms));
    cursor.watermark.minus(overlap)
}

struct Run<'a> {
    core: &'a Arc<Core>,
    module: ModuleId,
    side: Side,
    lane: Lane,
    sweep: Sweep,
    /// Every id of a full sweep; empty otherwise.
    ids: BTreeSet<RecordId>,
}

impl Run<'_> {
    async fn read_all(&mut self) -> Result<u64, PollError> {
        loop {
            let request = PageRequest { from: self.sweep.from, to: None, position: self.sweep.position.clone() };
            let asked_at = self.core.now();
            let remote = self.core.remotes.on(self.side, self.lane);
            match remote.list(self.module, &request).await {
                Ok(page) => {
                    let total = page.total;
                    let done = page.next.is_none();
                    self.store_page(page, asked_at).await?;
                    let rows = self.sweep.rows;
                    self.core.set_polling(self.module, self.side, |polling| polling.progress = Some((rows, total)));
                    if done {
                        return Ok(rows);
                    }
                }
                Err(error) if error.class == Class::Shifted && self.sweep.restarts < RESTARTS => {
                    // Rows moved between pages: what was read stays valid, but the sweep must see
                    // everything once, so it begins again after a pause that grows.
                    self.sweep.restarts += 1;
                    self.sweep.position = None;
                    self.sweep.rows = 0;
                    self.ids.clear();
                    let pause = Duration::from_millis(200) * self.sweep.restarts;
                    self.core.clock.sleep(self.core.entropy.duration_up_to(pause)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stores one page with the cursor in one transaction, after reading directly every row that
    /// could be older than what we know.
    async fn store_page(&mut self, page: Page, asked_at: Timestamp) -> Result<(), PollError> {
        self.sweep.server_time = self.sweep.server_time.or(page.server_time);
        let stamps = page.records.iter().filter_map(|record| record.modified);
        self.sweep.max_stamp = stamps.fold(self.sweep.max_stamp, Timestamp::max);
        self.sweep.rows += page.records.len() as u64;
        self.sweep.position.clone_from(&page.next);
        if self.sweep.full {
            self.ids.extend(page.records.iter().map(|record| record.id.clone()));
        }
        let mut rows: Vec<Row> =
            page.records.into_iter().map(|record| Row { record, source: Source::Poll, asked_at }).collect();
        for _ in 0..RECHECKS {
            let doubtful = self.commit(&rows, page.next.is_none()).await?;
            if doubtful.is_empty() {
                self.core.signals.plan.notify_one();
                return Ok(());
            }
            self.read_again(&mut rows, &doubtful).await?;
        }
        // The row changes faster than we can read it. Give the sweep up; the next one starts from
        // the same watermark, so nothing is lost.
        Err(PollError::Remote(RemoteError {
            system: self.core.remotes.declared(self.side).system().to_owned(),
            action: "list".to_owned(),
            class: Class::Shifted,
            sent: crate::remote::Sent::No,
            code: None,
            message: "a record changes faster than it can be read".to_owned(),
            details: Vec::new(),
            retry_after: None,
        }))
    }

    /// One transaction for the page; writes nothing and names the doubtful rows if there are any.
    async fn commit(&self, rows: &[Row], last: bool) -> Result<Vec<RecordId>, StoreError> {
        let (core, module, side) = (Arc::clone(self.core), self.module, self.side);
        let (rows, sweep) = (rows.to_vec(), self.sweep.clone());
        self.core
            .store
            .write(move |tx| {
                let mut doubtful = Vec::new();
                for row in &rows {
                    let known = tx.observation(module, side, &row.record.id)?;
                    let seen = super::observe::weigh(known.as_ref(), &row.record, row.source, row.asked_at);
                    if seen == Seen::Recheck {
                        doubtful.push(row.record.id.clone());
                    }
                }
                if doubtful.is_empty() {
                    for row in &rows {
                        observe(&core, tx, module, side, &row.record, row.source, row.asked_at)?;
                    }
                    let before = tx.cursor(module, side)?;
                    if last && sweep.full && before.last_full.is_some() {
                        guard::watch_size(&core, tx, module, side, before.last_full_rows, sweep.rows)?;
                    }
                    let cursor = advance(&core, before, &sweep, module, side, last);
                    tx.put_cursor(module, side, &cursor)?;
                }
                Ok(doubtful)
            })
            .await
    }

    async fn read_again(&self, rows: &mut [Row], doubtful: &[RecordId]) -> Result<(), PollError> {
        for row in rows.iter_mut().filter(|row| doubtful.contains(&row.record.id)) {
            // Strictly after whatever we saw last: equal times cannot order two looks.
            self.core.clock.sleep(Duration::from_millis(2)).await;
            row.asked_at = self.core.now();
            match self.core.remotes.on(self.side, self.lane).get(self.module, &row.record.id).await? {
                Read::Found(record) => {
                    row.record = *record;
                    row.source = Source::Read;
                }
                // Gone meanwhile: keep what we know; the absence is found by the full sweep.
                Read::Missing | Read::MergedInto(_) => {
                    let (module, side) = (self.module, self.side);
                    let known = self.core.store.read(|view| view.observation(module, side, &row.record.id))?;
                    if let Some(known) = known {
                        row.record = known.record;
                    }
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Row {
    record: Record,
    source: Source,
    asked_at: Timestamp,
}

/// The cursor after a page. Only a complete sweep moves the watermark: to the largest stamp seen, but
/// never past the server's own time at the start less the time a write may stay invisible.
fn advance(core: &Core, mut cursor: Cursor, sweep: &Sweep, module: ModuleId, side: Side, last: bool) -> Cursor {
    if !last {
        cursor.sweep = Some(sweep.clone());
        return cursor;
    }
    let now = core.now();
    let ceiling = sweep.server_time.map(|time| time.minus(core.capabilities(module, side).settle));
    let reached = ceiling.map_or(sweep.max_stamp, |ceiling| sweep.max_stamp.min(ceiling));
    cursor.watermark = cursor.watermark.max(reached);
    cursor.sweep = None;
    cursor.sweeps = sweep.id;
    cursor.last_sweep = Some(now);
    cursor.last_duration_ms = u64::try_from(now.since(sweep.started_at).as_millis()).unwrap_or(u64::MAX);
    if sweep.full {
        cursor.last_full = Some(now);
        cursor.last_full_rows = sweep.rows;
    }
    cursor
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
            let gone = suspect && matches!(core.remotes.on(side, lane).get(module, &id).await?, Read::Missing);
            let now = core.now();
            core.store
                .write(move |tx| {
                    if gone {
                        observe_missing(tx, module, side, &known.record.id, now)
                    } else {
                        tx.put_observation(&known)
                    }
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
        Ok(cursor) => cursor.last_full.is_none_or(|last| core.now().since(last) >= core.settings.full_interval),
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
