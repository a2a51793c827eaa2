//! One sweep, page by page (`engine.md` 5.7).
//!
//! Each page is one store transaction: observations, marks and cursor together, so the cursor never
//! moves without its rows (I13). The watermark moves only when the sweep is complete, and never past
//! what the server may still show late. A sweep that is cut short, by a crash or an error, has moved
//! nothing but observations; the next one starts from the same watermark.
//!
//! A listing by offset can shift between two pages. Then the sweep begins again, and when that does
//! not help it reads *slices* of time, oldest first, each by itself. A stamp only ever grows, so a
//! record that leaves a slice under our hands turns up in a later one, and the last slice is open to
//! the end. What a listing by time cannot show, records without a stamp, is covered by
//! [`Run::read_unstamped`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::slice::Slice;
use super::{CHUNK, Order, PollError};
use crate::model::record::{Source, Sweep};
use crate::model::{Cursor, ModuleId, Record, RecordId, RunEnd, RunKind, RunRow, Side, Timestamp};
use crate::remote::{Class, DeleteEvidence, Lane, Page, PageRequest, Read, RemoteError, Sent};
use crate::store::{Reads as _, StoreError};
use crate::sync::core::Core;
use crate::sync::guard;
use crate::sync::look::{self, Look};
use crate::sync::observe::{Seen, observe, weigh};

/// How often a shifting listing is begun again before it is read in slices.
const RESTARTS: u32 = 4;
/// How often a slice that cannot be cut any more is begun again before the sweep is given up until the
/// next one. Nothing is lost: the watermark has not moved.
const LAST_RESTARTS: u32 = 16;
/// How often a row may be read again because it could be stale, before the sweep is given up.
const RECHECKS: u32 = 10;

/// A sweep under way.
pub(super) struct Run<'a> {
    core: &'a Arc<Core>,
    module: ModuleId,
    side: Side,
    lane: Lane,
    sweep: Sweep,
    /// What is put on record of it, with every page.
    record: RunRow,
    /// Ids of everything read whole so far. Only kept by a full sweep.
    present: BTreeSet<RecordId>,
    /// Ids of the walk under way; they count once it has held still.
    attempt: BTreeSet<RecordId>,
    /// Their stamps.
    stamps: Vec<Timestamp>,
    /// The remote's own time as last heard.
    heard: Option<Timestamp>,
    /// The sweep has fallen back to slices.
    sliced: bool,
}

/// How a walk ended.
enum Walked {
    /// With its last page, and nothing moved meanwhile.
    Whole,
    /// Rows moved between its pages.
    Shifted(RemoteError),
}

impl<'a> Run<'a> {
    /// A sweep of everything stamped at or after `from`, or of everything.
    pub(super) fn new(
        core: &'a Arc<Core>,
        module: ModuleId,
        side: Side,
        order: Order,
        cursor: &Cursor,
        from: Option<Timestamp>,
    ) -> Self {
        let kind = if order.full { RunKind::Full } else { RunKind::Changes };
        let sweep = Sweep {
            id: cursor.sweeps + 1,
            full: from.is_none(),
            started_at: core.now(),
            server_time: None,
            from,
            position: None,
            max_stamp: cursor.watermark,
            rows: 0,
            restarts: 0,
        };
        Self {
            core,
            module,
            side,
            lane: order.lane,
            record: RunRow::begin(module, side, kind, order.asked, sweep.started_at),
            sweep,
            present: BTreeSet::new(),
            attempt: BTreeSet::new(),
            stamps: Vec::new(),
            heard: None,
            sliced: false,
        }
    }

    /// What there is to tell of it so far.
    pub(super) fn record(&self) -> RunRow {
        self.record.clone()
    }

    /// Reads everything and closes the sweep. Returns every record there is after a full sweep, and nothing
    /// otherwise.
    pub(super) async fn read_all(&mut self) -> Result<BTreeSet<RecordId>, PollError> {
        let whole = Slice::from(self.sweep.from);
        if let Walked::Shifted(_) = self.walk(whole, RESTARTS).await? {
            tracing::info!(module = %self.module, side = %self.side, "the listing does not hold still: reading slices");
            self.sliced = true;
            let newest = self.read_slices(whole).await?;
            if self.sweep.full {
                self.read_unstamped(newest).await?;
            }
            self.commit(&[], &[], true).await?;
        }
        Ok(std::mem::take(&mut self.present))
    }

    /// Reads `whole` slice by slice, oldest first, cutting each that does not hold still. Returns the
    /// last one, which is open to the end.
    async fn read_slices(&mut self, whole: Slice) -> Result<Slice, PollError> {
        let mut newest = whole;
        let mut pending = self.cut(&whole).map_or_else(|| vec![whole], |[older, newer]| vec![newer, older]);
        while let Some(slice) = pending.pop() {
            newest = slice;
            let Walked::Shifted(_) = self.walk(slice, 0).await? else {
                continue;
            };
            if let Some([older, newer]) = self.cut(&slice) {
                pending.extend([newer, older]);
            } else if let Walked::Shifted(error) = self.walk(slice, LAST_RESTARTS).await? {
                return Err(error.into());
            }
        }
        Ok(newest)
    }

    /// Cuts a slice where half of what was last seen of it lies on either side.
    fn cut(&mut self, slice: &Slice) -> Option<[Slice; 2]> {
        let middle = self.stamps.len() / 2;
        let near = (middle > 0).then(|| *self.stamps.select_nth_unstable(middle).1);
        slice.cut(near, self.heard.unwrap_or(self.sweep.max_stamp), self.step())
    }

    fn step(&self) -> Duration {
        self.core.capabilities(self.module, self.side).stamp_resolution
    }

    /// After the slices of a full sweep: looks for records without a stamp, which no listing by time shows.
    ///
    /// Those we know are read directly. Whether there are others, the total of the unfiltered listing
    /// tells: it is asked first and what has been written since is read after it, so it cannot be
    /// larger than what we have seen unless something stays hidden. Then only the whole listing
    /// can show it, and the sweep fails if that still does not hold still.
    async fn read_unstamped(&mut self, newest: Slice) -> Result<(), PollError> {
        self.read_unseen().await?;
        let asked_at = self.core.now();
        let page = self.core.remotes.on(self.side, self.lane).list(self.module, &PageRequest::default()).await?;
        let total = page.total;
        self.take(page, true, asked_at, false).await?;
        self.read_slices(newest).await?;
        if total.is_none_or(|total| total <= self.present.len() as u64) {
            return Ok(());
        }
        match self.walk(Slice::from(None), RESTARTS).await? {
            Walked::Whole => Ok(()),
            Walked::Shifted(error) => Err(error.into()),
        }
    }

    /// Reads every record directly that we know and the slices did not show. A missing one is left to
    /// the proof of absences.
    async fn read_unseen(&mut self) -> Result<(), PollError> {
        let (module, side) = (self.module, self.side);
        let mut after: Option<RecordId> = None;
        loop {
            let page = self.core.store.read(|view| view.observed_ids(module, side, after.as_ref(), CHUNK))?;
            let Some(last) = page.last().cloned() else {
                return Ok(());
            };
            let unseen: Vec<RecordId> = page.into_iter().filter(|id| !self.present.contains(id)).collect();
            for id in unseen {
                let known = self.core.store.read(|view| view.observation(module, side, &id))?;
                if known.is_none_or(|known| known.absent) {
                    continue;
                }
                let asked_at = self.core.now();
                if let Read::Found(record) = self.core.remotes.on(side, self.lane).get(module, &id).await? {
                    let row = Row { record: *record, source: Source::Read, asked_at };
                    self.store_rows(vec![row], &[], false).await?;
                    self.present.insert(id);
                }
            }
            after = Some(last);
        }
    }

    /// Walks a slice from its first page to its last, beginning again at most `restarts` times. The last
    /// page of an unsliced sweep closes it.
    async fn walk(&mut self, slice: Slice, restarts: u32) -> Result<Walked, PollError> {
        let mut left = restarts;
        self.begin();
        loop {
            let request =
                PageRequest { position: self.sweep.position.clone(), ..slice.request(self.step(), self.sliced) };
            let asked_at = self.core.now();
            match self.core.remotes.on(self.side, self.lane).list(self.module, &request).await {
                Ok(page) => {
                    let ends = page.next.is_none();
                    self.take(page, ends, asked_at, ends && !self.sliced).await?;
                    if ends {
                        return Ok(Walked::Whole);
                    }
                }
                Err(error) if error.class == Class::Shifted => {
                    // Rows moved between pages: what was read stays valid, but the slice must be seen
                    // whole, so it begins again after a pause that grows.
                    self.begin();
                    if left == 0 {
                        return Ok(Walked::Shifted(error));
                    }
                    left -= 1;
                    self.sweep.restarts += 1;
                    let pause = Duration::from_millis(200) * (restarts - left);
                    self.core.clock.sleep(self.core.entropy.duration_up_to(pause)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets the walk under way.
    fn begin(&mut self) {
        self.sweep.position = None;
        self.attempt.clear();
        self.sweep.rows = self.present.len() as u64;
    }

    /// Takes one page in: `ends` a walk, `closes` the sweep.
    async fn take(&mut self, mut page: Page, ends: bool, asked_at: Timestamp, closes: bool) -> Result<(), PollError> {
        self.sweep.server_time = self.sweep.server_time.or(page.server_time);
        self.heard = self.heard.max(page.server_time);
        if self.sweep.position.is_none() {
            self.stamps.clear();
        }
        self.stamps.extend(page.records.iter().filter_map(|record| record.modified));
        self.sweep.max_stamp = self.stamps.iter().copied().fold(self.sweep.max_stamp, Timestamp::max);
        let gone = self.look_at_gone(&mut page).await?;
        self.sweep.rows += page.records.len() as u64;
        let total = page.total;
        self.sweep.position = if ends { None } else { page.next };
        if self.sweep.full {
            self.attempt.extend(page.records.iter().map(|record| record.id.clone()));
            if ends {
                self.present.append(&mut self.attempt);
                self.sweep.rows = self.present.len() as u64;
            }
        }
        let rows = page.records.into_iter().map(|record| Row { record, source: Source::Poll, asked_at }).collect();
        self.record.total = total.or(self.record.total);
        self.store_rows(rows, &gone, closes).await?;
        let progress = Some((self.sweep.rows, total));
        self.core.set_polling(self.module, self.side, |polling| polling.progress = progress);
        Ok(())
    }

    /// Where deleted records stay in the listing, takes them out of the page and reads directly those we
    /// do not know to be gone yet: that is where a merge shows.
    async fn look_at_gone(&self, page: &mut Page) -> Result<Vec<Look>, PollError> {
        let (module, side) = (self.module, self.side);
        if self.core.capabilities(module, side).deletes != DeleteEvidence::Feed {
            return Ok(Vec::new());
        }
        let mut looks = Vec::new();
        for gone in page.records.extract_if(.., |record| record.archived) {
            let known = self.core.store.read(|view| view.observation(module, side, &gone.id))?;
            if known.is_some_and(|known| !known.absent) {
                looks.extend(look::look(self.core, module, side, self.lane, &gone.id).await?);
            }
        }
        Ok(looks)
    }

    /// Stores rows with the cursor in one transaction, after reading directly every row that could be
    /// older than what we know.
    async fn store_rows(&mut self, mut rows: Vec<Row>, gone: &[Look], closes: bool) -> Result<(), PollError> {
        for _ in 0..RECHECKS {
            let doubtful = self.commit(&rows, gone, closes).await?;
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
            sent: Sent::No,
            code: None,
            message: "a record changes faster than it can be read".to_owned(),
            details: Vec::new(),
            retry_after: None,
        }))
    }

    /// One transaction; writes nothing and names the doubtful rows if there are any.
    async fn commit(&mut self, rows: &[Row], gone: &[Look], closes: bool) -> Result<Vec<RecordId>, StoreError> {
        let record = RunRow { rows: self.sweep.rows, ..self.record.clone() };
        let (core, module, side) = (Arc::clone(self.core), self.module, self.side);
        let (rows, gone, sweep) = (rows.to_vec(), gone.to_vec(), self.sweep.clone());
        let (doubtful, record) = self
            .core
            .store
            .write(move |tx| {
                let mut record = record.clone();
                let mut doubtful = Vec::new();
                for row in &rows {
                    let known = tx.observation(module, side, &row.record.id)?;
                    if weigh(known.as_ref(), &row.record, row.source, row.asked_at) == Seen::Recheck {
                        doubtful.push(row.record.id.clone());
                    }
                }
                if doubtful.is_empty() {
                    // What is gone first: a new record may be what it was merged into.
                    for look in &gone {
                        look::note(&core, tx, module, look)?;
                    }
                    for row in &rows {
                        let seen = observe(&core, tx, module, side, &row.record, row.source, row.asked_at)?;
                        record.changed += u64::from(seen == Seen::Changed);
                    }
                    let before = tx.cursor(module, side)?;
                    if closes && sweep.full && before.last_full.is_some() {
                        guard::watch_size(&core, tx, module, side, before.last_full_rows, sweep.rows)?;
                    }
                    let cursor = advance(&core, before, &sweep, module, side, closes);
                    tx.put_cursor(module, side, &cursor)?;
                    let now = core.now();
                    record = tx.put_run(&if closes { record.ended(RunEnd::Done, now) } else { record })?;
                }
                Ok((doubtful, record))
            })
            .await?;
        self.record = record;
        Ok(doubtful)
    }

    /// Reads the doubtful rows directly, and drops those that are gone meanwhile.
    async fn read_again(&self, rows: &mut Vec<Row>, doubtful: &[RecordId]) -> Result<(), PollError> {
        let mut gone = BTreeSet::new();
        for row in rows.iter_mut().filter(|row| doubtful.contains(&row.record.id)) {
            // Strictly after whatever we saw last: equal times cannot order two looks.
            self.core.clock.sleep(Duration::from_millis(2)).await;
            row.asked_at = self.core.now();
            match self.core.remotes.on(self.side, self.lane).get(self.module, &row.record.id).await? {
                Read::Found(record) => {
                    row.record = *record;
                    row.source = Source::Read;
                }
                // What we know stays; that it is gone is noted where the listing says so, or by a full sweep.
                Read::Missing | Read::MergedInto(_) => {
                    gone.insert(row.record.id.clone());
                }
            }
        }
        rows.retain(|row| !gone.contains(&row.record.id));
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
fn advance(core: &Core, mut cursor: Cursor, sweep: &Sweep, module: ModuleId, side: Side, closes: bool) -> Cursor {
    if !closes {
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
