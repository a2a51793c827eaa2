//! The queue as a window over a list of any length.
//!
//! The console never holds the whole queue: it keeps a contiguous run of rows around the cursor and
//! asks for more by the tokens of its ends. Refreshing never moves the cursor: the row under it is
//! found again by its item id and stays on the same line of the screen; if it has left the list, it
//! stays there, marked as gone, until the cursor leaves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ItemId, Kind, ModuleId, Reason, State};
use crate::wire::{Anchor, Filter, PageQuery, Row, Rows};

/// Most rows the daemon answers at once.
const PAGE_MAX: usize = 1_000;

/// Rows kept at most, in screens.
const KEPT_SCREENS: usize = 12;

/// Pages a search for the next unsolved row reads before it gives up.
const SEEK_PAGES: u32 = 20;

/// One loaded row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the daemon sent it.
    pub row: Row,
    /// It no longer matches the filter or was settled; kept because the cursor is on it.
    pub gone: bool,
}

/// A marked row: on which version it was marked, and what to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The version the operator saw. A bulk decision is made on this one.
    pub version: u32,
    /// Title, raw.
    pub title: String,
    /// Module.
    pub module: ModuleId,
    /// State when it was marked.
    pub state: State,
    /// Kind of work.
    pub kind: Kind,
}

/// Why rows were asked for, so that the answer can be put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Start anew with the cursor on the first row.
    Start,
    /// Start anew with the cursor on the last row.
    End,
    /// Rows before the window.
    Before,
    /// Rows after the window.
    After,
    /// The window again.
    Refresh,
}

/// Which way a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end.
    Next,
    /// Towards the start.
    Previous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seek {
    direction: Direction,
    pages: u32,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The cursor is on it.
    Here,
    /// More rows must be read first.
    Loading,
    /// There is none in this direction.
    Nothing,
    /// Too many rows were read without finding one.
    GaveUp,
}

/// The queue pane's state.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// What is shown.
    pub filter: Filter,
    /// What is marked.
    pub marks: BTreeMap<ItemId, Mark>,
    rows: Vec<Entry>,
    cursor: usize,
    top: usize,
    more_before: bool,
    more_after: bool,
    /// Position of the first loaded row in the whole list, when known.
    offset: Option<u64>,
    total: Option<u64>,
    range: Option<ItemId>,
    generation: u64,
    loading: Option<Load>,
    loaded: bool,
    /// Where a text search stopped for lack of budget; it goes on from here.
    searched_to: Option<String>,
    seek: Option<Seek>,
    /// Moves made before the first rows arrived: typing ahead must not end up on another row.
    ahead: isize,
}

impl Queue {
    /// The loaded rows.
    pub fn rows(&self) -> &[Entry] {
        &self.rows
    }

    /// The rows on a screen of `height` lines, with their index.
    pub fn visible(&self, height: usize) -> impl Iterator<Item = (usize, &Entry)> {
        self.rows.iter().enumerate().skip(self.top).take(height)
    }

    /// Index of the row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&Entry> {
        self.rows.get(self.cursor)
    }

    /// Whether the first answer has arrived.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Whether rows are on their way.
    pub fn loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Position of the cursor in the whole list, from 1, when known.
    pub fn position(&self) -> Option<u64> {
        self.offset.map(|offset| offset + self.cursor as u64 + 1)
    }

    /// How many rows match, when known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether a range is being drawn.
    pub fn ranging(&self) -> bool {
        self.range.is_some()
    }

    /// Whether the first (or last) row of the whole list is loaded.
    pub fn reaches(&self, load: Load) -> bool {
        self.loaded && if load == Load::Start { !self.more_before } else { !self.more_after }
    }

    /// Forgets the rows, because the filter changed or the connection is new. The marks stay: they
    /// name items, not rows.
    pub fn reset(&mut self) {
        let Self { filter, marks, generation, .. } = std::mem::take(self);
        *self = Self { filter, marks, generation: generation + 1, ..Self::default() };
    }

    /// Whether a text search has more of the queue to look through.
    pub fn searching(&self) -> bool {
        self.searched_to.is_some()
    }

    /// A new query from the first or the last row.
    pub fn jump(&mut self, load: Load, height: usize) -> (u64, Load, PageQuery) {
        self.generation += 1;
        self.searched_to = None;
        let anchor = if load == Load::End { Anchor::End } else { Anchor::Start };
        self.ask(load, anchor, height * 3)
    }

    /// The window again, as it is now.
    pub fn refresh(&mut self, height: usize) -> Option<(u64, Load, PageQuery)> {
        if self.loading.is_some() {
            return None;
        }
        let first = self.rows.iter().find(|entry| !entry.gone).map(|entry| entry.row.token.clone());
        let anchor = match first {
            Some(token) if self.more_before => Anchor::At(token),
            _ => Anchor::Start,
        };
        Some(self.ask(Load::Refresh, anchor, self.rows.len().max(height * 3)))
    }

    /// The next query the window needs to keep a screenful loaded either way, if any.
    pub fn prefetch(&mut self, height: usize) -> Option<(u64, Load, PageQuery)> {
        if self.loading.is_some() || (self.rows.is_empty() && self.searched_to.is_none()) {
            return None;
        }
        let sought = self.seek.map(|seek| seek.direction);
        let last_needed = self.top + height * 2;
        if self.more_after && (last_needed >= self.rows.len() || sought == Some(Direction::Next)) {
            // A search goes on where it stopped, not after the last row it found: it would search the
            // same rows again and never come to rest.
            let token = match &self.searched_to {
                Some(token) => token.clone(),
                None => self.rows.iter().rev().find(|entry| !entry.gone)?.row.token.clone(),
            };
            return Some(self.ask(Load::After, Anchor::After(token), height * 3));
        }
        if self.more_before && (self.top < height || sought == Some(Direction::Previous)) {
            let token = self.rows.iter().find(|entry| !entry.gone)?.row.token.clone();
            return Some(self.ask(Load::Before, Anchor::Before(token), height * 3));
        }
        None
    }

    fn ask(&mut self, load: Load, anchor: Anchor, limit: usize) -> (u64, Load, PageQuery) {
        self.loading = Some(load);
        let limit = u32::try_from(limit.clamp(30, PAGE_MAX)).unwrap_or(30);
        (self.generation, load, PageQuery { filter: self.filter.clone(), anchor, limit })
    }

    /// Takes an answer; one that belongs to an older query is dropped. Answers whether it was taken.
    pub fn receive(&mut self, generation: u64, load: Load, page: Rows, height: usize) -> bool {
        if generation != self.generation {
            return false;
        }
        self.loading = None;
        self.loaded = true;
        if page.total.is_some() || matches!(load, Load::Start | Load::End | Load::Refresh) {
            self.total = page.total;
        }
        // A text filter that ran out of budget has more rows for us even if it found none yet.
        let more_after = page.more_after || page.continue_at.is_some();
        if matches!(load, Load::Start | Load::After | Load::Refresh) {
            self.searched_to.clone_from(&page.continue_at);
        }
        match load {
            Load::Start | Load::End => {
                self.rows = page.rows.into_iter().map(fresh).collect();
                self.more_before = page.more_before;
                self.more_after = more_after;
                self.cursor = if load == Load::End { self.rows.len().saturating_sub(1) } else { 0 };
                self.top = 0;
                self.offset = match load {
                    Load::Start => Some(0),
                    _ => self.total.map(|total| total.saturating_sub(self.rows.len() as u64)),
                };
            }
            Load::After => {
                let known: BTreeSet<ItemId> = self.rows.iter().map(|entry| entry.row.id).collect();
                self.rows.extend(page.rows.into_iter().filter(|row| !known.contains(&row.id)).map(fresh));
                self.more_after = more_after;
                self.trim_front(height);
            }
            Load::Before => {
                let known: BTreeSet<ItemId> = self.rows.iter().map(|entry| entry.row.id).collect();
                let new: Vec<Entry> = page.rows.into_iter().filter(|row| !known.contains(&row.id)).map(fresh).collect();
                self.cursor += new.len();
                self.top += new.len();
                self.more_before = page.more_before;
                self.offset = match self.offset {
                    _ if !page.more_before => Some(0),
                    offset => offset.and_then(|offset| offset.checked_sub(new.len() as u64)),
                };
                self.rows.splice(0..0, new);
                self.trim_back(height);
            }
            Load::Refresh => self.replace(page.rows, page.more_before, more_after),
        }
        self.scroll_into_view(height);
        let ahead = std::mem::take(&mut self.ahead);
        self.step(ahead, height);
        true
    }

    /// A failed query: the next one may try again.
    pub fn failed(&mut self, generation: u64) {
        if generation == self.generation {
            self.loading = None;
            self.seek = None;
        }
    }

    /// The answer to an open query will not come; rows and cursor stay.
    pub fn connection_lost(&mut self) {
        self.generation += 1;
        self.loading = None;
        self.seek = None;
    }

    /// Puts refreshed rows in place without moving the cursor's line.
    fn replace(&mut self, rows: Vec<Row>, more_before: bool, more_after: bool) {
        let line = self.cursor.saturating_sub(self.top);
        let old = std::mem::replace(&mut self.rows, rows.into_iter().map(fresh).collect());
        self.more_before = more_before;
        self.more_after = more_after;
        if !more_before {
            self.offset = Some(0);
        }
        let index: BTreeMap<ItemId, usize> =
            self.rows.iter().enumerate().map(|(at, entry)| (entry.row.id, at)).collect();
        let Some(under) = old.get(self.cursor) else {
            self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
            return;
        };
        self.cursor = match index.get(&under.row.id) {
            Some(at) => *at,
            None => {
                let follower = old.iter().skip(self.cursor + 1).find_map(|entry| index.get(&entry.row.id));
                let at = follower.copied().unwrap_or(self.rows.len());
                self.rows.insert(at, Entry { row: under.row.clone(), gone: true });
                at
            }
        };
        self.top = self.cursor.saturating_sub(line);
    }

    fn trim_front(&mut self, height: usize) {
        let excess = self.rows.len().saturating_sub(height.max(1) * KEPT_SCREENS).min(self.top.saturating_sub(height));
        if excess > 0 {
            self.rows.drain(..excess);
            self.cursor = self.cursor.saturating_sub(excess);
            self.top -= excess;
            self.more_before = true;
            self.offset = self.offset.map(|offset| offset + excess as u64);
        }
    }

    fn trim_back(&mut self, height: usize) {
        let keep = (height.max(1) * KEPT_SCREENS).max(self.cursor + height * 2);
        if self.rows.len() > keep {
            self.rows.truncate(keep);
            self.more_after = true;
        }
    }

    /// Moves the cursor by `rows`, as far as rows are loaded.
    pub fn step(&mut self, rows: isize, height: usize) {
        if !self.loaded {
            self.ahead = self.ahead.saturating_add(rows);
            return;
        }
        let target = self.cursor.saturating_add_signed(rows).min(self.rows.len().saturating_sub(1));
        self.place(target, height);
    }

    /// Moves the view and the cursor by `rows`: half pages and pages.
    pub fn page(&mut self, rows: isize, height: usize) {
        let furthest = self.rows.len().saturating_sub(height);
        self.top = self.top.saturating_add_signed(rows).min(furthest);
        self.step(rows, height);
    }

    fn place(&mut self, target: usize, height: usize) {
        let left = self.current().filter(|entry| entry.gone).map(|_| self.cursor);
        self.cursor = target;
        if let Some(at) = left.filter(|at| *at != target) {
            self.rows.remove(at);
            if at < self.cursor {
                self.cursor -= 1;
            }
            if at < self.top {
                self.top -= 1;
            }
        }
        self.scroll_into_view(height);
    }

    /// Keeps the cursor on the screen and the screen full.
    pub fn scroll_into_view(&mut self, height: usize) {
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        let height = height.max(1);
        self.top = self.top.clamp((self.cursor + 1).saturating_sub(height), self.cursor);
        self.top = self.top.min(self.rows.len().saturating_sub(height).max(self.cursor.saturating_sub(height - 1)));
    }

    /// Starts looking for the next row that needs a person.
    pub fn seek(&mut self, direction: Direction, height: usize) -> Found {
        self.seek = Some(Seek { direction, pages: 0 });
        self.continue_seek(height)
    }

    /// Goes on looking after rows arrived; [`Found::Loading`] asks the caller to prefetch.
    pub fn continue_seek(&mut self, height: usize) -> Found {
        let Some(seek) = self.seek else { return Found::Here };
        let wanted = |entry: &Entry| !entry.gone && needs_person(&entry.row);
        let hit = match seek.direction {
            Direction::Next => self.rows.iter().enumerate().skip(self.cursor + 1).find(|(_, entry)| wanted(entry)),
            Direction::Previous => {
                self.rows.iter().enumerate().take(self.cursor).rev().find(|(_, entry)| wanted(entry))
            }
        };
        let hit = hit.map(|(at, _)| at);
        let more = match seek.direction {
            Direction::Next => self.more_after,
            Direction::Previous => self.more_before,
        };
        if let Some(at) = hit {
            self.seek = None;
            self.place(at, height);
            return Found::Here;
        }
        if !more || seek.pages >= SEEK_PAGES {
            self.seek = None;
            return if more { Found::GaveUp } else { Found::Nothing };
        }
        // The cursor stays where it is; the prefetch reads on in this direction.
        self.seek = Some(Seek { pages: seek.pages + 1, ..seek });
        Found::Loading
    }

    /// Whether a search is under way.
    pub fn seeking(&self) -> bool {
        self.seek.is_some()
    }

    /// Puts the cursor on an item if it is loaded.
    pub fn select(&mut self, id: ItemId, height: usize) -> bool {
        match self.rows.iter().position(|entry| entry.row.id == id) {
            Some(at) => {
                self.place(at, height);
                true
            }
            None => false,
        }
    }

    /// Marks or unmarks the row under the cursor and goes one down.
    pub fn toggle_mark(&mut self, height: usize) {
        let Some(entry) = self.current() else { return };
        if entry.gone {
            return;
        }
        let row = entry.row.clone();
        if self.marks.remove(&row.id).is_none() {
            self.mark(&row);
        }
        self.step(1, height);
    }

    /// Marks every loaded row; answers how many rows are marked now.
    pub fn mark_loaded(&mut self) -> usize {
        let rows: Vec<Row> = self.rows.iter().filter(|entry| !entry.gone).map(|entry| entry.row.clone()).collect();
        rows.iter().for_each(|row| self.mark(row));
        self.marks.len()
    }

    fn mark(&mut self, row: &Row) {
        let (version, title) = (row.version, row.title.clone());
        let mark = Mark { version, title, module: row.module, state: row.state, kind: row.kind };
        self.marks.insert(row.id, mark);
    }

    /// Starts a range, or marks the one that was started.
    pub fn toggle_range(&mut self) {
        if self.range.is_none() {
            self.range = self.current().map(|entry| entry.row.id);
            return;
        }
        let rows: Vec<Row> = self.range_rows().map(|at| self.rows[at].row.clone()).collect();
        rows.iter().for_each(|row| self.mark(row));
        self.range = None;
    }

    /// Drops a range that was started; answers whether there was one.
    pub fn cancel_range(&mut self) -> bool {
        self.range.take().is_some()
    }

    /// Indices between the start of the range and the cursor.
    pub fn range_rows(&self) -> std::ops::Range<usize> {
        let anchor = self.range.and_then(|id| self.rows.iter().position(|entry| entry.row.id == id));
        let (from, to) = match anchor {
            Some(at) => (at.min(self.cursor), at.max(self.cursor) + 1),
            None => (0, 0),
        };
        from..to.min(self.rows.len())
    }

    /// Next module filter: all, then each module.
    pub fn cycle_module(&mut self, modules: &[ModuleId]) {
        self.filter.module = cycle(self.filter.module, modules, 1);
    }

    /// Next or previous state filter: all open states, then each state.
    pub fn cycle_state(&mut self, states: &[State], by: isize) {
        self.filter.state = cycle(self.filter.state, states, by);
        let (state, reason) = (self.filter.state, self.filter.reason);
        self.filter.reason = reason.filter(|reason| state == Some(reason.state()));
    }

    /// Next reason filter. A reason implies the state its items are in.
    pub fn cycle_reason(&mut self, reasons: &[Reason]) {
        self.filter.reason = cycle(self.filter.reason, reasons, 1);
        if let Some(reason) = self.filter.reason {
            self.filter.state = Some(reason.state());
        }
    }
}

/// Whether an operator must look at the row before it can go on.
pub fn needs_person(row: &Row) -> bool {
    row.unsolved > 0 || matches!(row.state, State::Held | State::Dead)
}

fn fresh(row: Row) -> Entry {
    Entry { row, gone: false }
}

/// The neighbour of `now` in "none, then each of `all`".
fn cycle<T: Copy + PartialEq>(now: Option<T>, all: &[T], by: isize) -> Option<T> {
    let places = isize::try_from(all.len()).unwrap_or(0) + 1;
    let at = now.and_then(|value| all.iter().position(|other| *other == value)).map_or(0, |at| at + 1);
    let next = (isize::try_from(at).unwrap_or(0) + by).rem_euclid(places);
    usize::try_from(next).ok().and_then(|next| next.checked_sub(1)).and_then(|at| all.get(at)).copied()
}

#[cfg(test)]
mod tests;
