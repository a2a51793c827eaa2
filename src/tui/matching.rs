//! A match table as a window that grows downwards, by name.

use std::collections::BTreeMap;

use crate::model::{MatchKind, MatchState, Side};
use crate::wire::{MatchEntry, MatchLine, MatchPage, MatchQuery};

/// Rows asked for at once.
const PAGE: u32 = 200;

/// The match pane's state.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Which table.
    pub kind: MatchKind,
    /// Whose entries.
    pub side: Side,
    /// Only rows in this state.
    pub state: Option<MatchState>,
    /// Only rows that contain this.
    pub text: Option<String>,
    /// Rows by state, whatever the filter.
    pub counts: BTreeMap<MatchState, u64>,
    /// Why the table is not in use.
    pub off: Option<String>,
    /// What went wrong with the last listing.
    pub error: Option<String>,
    rows: Vec<MatchLine>,
    more: Option<String>,
    cursor: usize,
    top: usize,
    loading: bool,
    loaded: bool,
    generation: u64,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            kind: MatchKind::Staff,
            side: Side::Ivvy,
            state: None,
            text: None,
            counts: BTreeMap::new(),
            off: None,
            error: None,
            rows: Vec::new(),
            more: None,
            cursor: 0,
            top: 0,
            loading: false,
            loaded: false,
            generation: 0,
        }
    }
}

impl Matching {
    /// The loaded rows.
    pub fn rows(&self) -> &[MatchLine] {
        &self.rows
    }

    /// The rows on a screen of `height` lines, with their index.
    pub fn visible(&self, height: usize) -> impl Iterator<Item = (usize, &MatchLine)> {
        self.rows.iter().enumerate().skip(self.top).take(height)
    }

    /// Index of the row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&MatchLine> {
        self.rows.get(self.cursor)
    }

    /// The entry under the cursor, as requests name it.
    pub fn entry(&self) -> Option<MatchEntry> {
        self.current().map(|line| MatchEntry { kind: line.row.kind, side: line.row.side, id: line.row.id.clone() })
    }

    /// Whether the first answer has arrived.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Rows the filter leaves, as far as the counts tell.
    pub fn total(&self) -> Option<u64> {
        let count = |state: &MatchState| self.counts.get(state).copied().unwrap_or(0);
        self.text.is_none().then(|| self.state.map_or_else(|| self.counts.values().sum(), |state| count(&state)))
    }

    /// Forgets the rows; the filter stays.
    pub fn reset(&mut self) {
        *self = Self {
            kind: self.kind,
            side: self.side,
            state: self.state,
            text: self.text.take(),
            counts: std::mem::take(&mut self.counts),
            off: self.off.take(),
            error: self.error.take(),
            generation: self.generation + 1,
            ..Self::default()
        };
    }

    /// The first rows, as many as are on the screen already.
    pub fn first(&mut self) -> Option<(u64, MatchQuery)> {
        let shown = u32::try_from(self.rows.len()).unwrap_or(PAGE).clamp(PAGE, 5 * PAGE);
        self.ask(None, shown)
    }

    /// Further rows when the cursor comes near the end.
    pub fn prefetch(&mut self, height: usize) -> Option<(u64, MatchQuery)> {
        let near = self.top + height * 2 >= self.rows.len();
        let after = self.more.clone().filter(|_| near && self.loaded)?;
        self.ask(Some(after), PAGE)
    }

    fn ask(&mut self, after: Option<String>, limit: u32) -> Option<(u64, MatchQuery)> {
        if self.loading {
            return None;
        }
        self.loading = true;
        let (state, text) = (self.state, self.text.clone());
        Some((self.generation, MatchQuery { kind: self.kind, side: self.side, state, text, after, limit }))
    }

    /// Takes an answer. The cursor stays on its entry, or where it was if that is gone.
    pub fn receive(&mut self, generation: u64, further: bool, page: MatchPage, height: usize) {
        if generation != self.generation {
            return;
        }
        let under = self.entry().map(|entry| entry.id);
        (self.loading, self.loaded) = (false, true);
        (self.counts, self.off, self.error, self.more) = (page.counts, page.off, page.error, page.more);
        if further {
            self.rows.extend(page.rows);
        } else {
            self.rows = page.rows;
        }
        if let Some(at) = under.and_then(|id| self.rows.iter().position(|line| line.row.id == id)) {
            self.cursor = at;
        }
        self.scroll_into_view(height);
    }

    /// A failed query: the next one may try again.
    pub fn failed(&mut self) {
        self.loading = false;
    }

    /// Moves the cursor.
    pub fn step(&mut self, rows: isize, height: usize) {
        self.cursor = self.cursor.saturating_add_signed(rows).min(self.rows.len().saturating_sub(1));
        self.scroll_into_view(height);
    }

    /// Goes to the next or previous state filter.
    pub fn cycle_state(&mut self, by: isize) {
        let states: Vec<Option<MatchState>> = std::iter::once(None).chain(MatchState::ALL.map(Some)).collect();
        let at = states.iter().position(|state| *state == self.state).unwrap_or(0);
        self.state = states[(at as isize + by).rem_euclid(states.len() as isize) as usize];
        self.reset();
    }

    /// Keeps the cursor on the screen.
    pub fn scroll_into_view(&mut self, height: usize) {
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        self.top = self.top.clamp((self.cursor + 1).saturating_sub(height.max(1)), self.cursor);
    }
}
