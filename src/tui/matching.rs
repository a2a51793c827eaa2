//! A match table as a window that grows downwards, by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{MatchKind, MatchState, RecordId, Side};
use crate::wire::{MatchEntry, MatchLine, MatchPage, MatchQuery};

/// Rows asked for at once.
const PAGE: u32 = 200;
/// Rows asked for at once on the way to the end.
const LEAP: u32 = 1_000;

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
    /// After which row was asked.
    asked: Option<String>,
    /// The last row is wanted, however many come before it.
    to_end: bool,
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
            asked: None,
            to_end: false,
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

    /// The rows on the screen and those around it, or the first ones.
    pub fn refresh(&mut self, height: usize) -> Option<(u64, MatchQuery)> {
        let before = self.top.saturating_sub(height).checked_sub(1).and_then(|at| self.rows.get(at));
        let after = before.map(|line| line.row.id.0.clone());
        self.ask(after, u32::try_from(height * 3).unwrap_or(PAGE).clamp(PAGE, LEAP))
    }

    /// Further rows when the cursor comes near the end, or is to go there.
    pub fn prefetch(&mut self, height: usize) -> Option<(u64, MatchQuery)> {
        let near = self.to_end || self.top + height * 2 >= self.rows.len();
        let after = self.more.clone().filter(|_| near && self.loaded)?;
        self.ask(Some(after), if self.to_end { LEAP } else { PAGE })
    }

    fn ask(&mut self, after: Option<String>, limit: u32) -> Option<(u64, MatchQuery)> {
        if self.loading {
            return None;
        }
        self.loading = true;
        self.asked.clone_from(&after);
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
        (self.counts, self.off, self.error) = (page.counts, page.off, page.error);
        if further {
            self.rows.extend(page.rows);
            self.more = page.more;
        } else {
            self.replace(page.rows, page.more);
        }
        if self.to_end {
            self.cursor = self.rows.len().saturating_sub(1);
            self.to_end = self.more.is_some();
            self.scroll_into_view(height);
            return;
        }
        if let Some(at) = under.and_then(|id| self.rows.iter().position(|line| line.row.id == id)) {
            self.cursor = at;
        }
        self.scroll_into_view(height);
    }

    /// Puts fresh rows in the place of what they were asked for. What lies behind stays as it was loaded: it
    /// is read again when it is looked at.
    fn replace(&mut self, fresh: Vec<MatchLine>, more: Option<String>) {
        let asked = self.asked.as_ref();
        let from =
            asked.and_then(|after| self.rows.iter().position(|line| line.row.id.0 == *after)).map_or(0, |at| at + 1);
        let last = fresh.last().filter(|_| more.is_some()).map(|line| line.row.id.clone());
        let to = last.and_then(|last| self.rows[from..].iter().position(|line| line.row.id == last));
        let Some(to) = to.map(|to| from + to + 1).filter(|to| *to < self.rows.len()) else {
            // They reach to the end of what is known.
            self.rows.truncate(from);
            self.rows.extend(fresh);
            self.more = more;
            return;
        };
        let ids: BTreeSet<RecordId> = fresh.iter().map(|line| line.row.id.clone()).collect();
        let behind = self.rows.split_off(to);
        self.rows.truncate(from);
        // A renamed entry must not stand in two places.
        self.rows.retain(|line| !ids.contains(&line.row.id));
        self.rows.extend(fresh);
        self.rows.extend(behind.into_iter().filter(|line| !ids.contains(&line.row.id)));
    }

    /// A failed query: the next one may try again.
    pub fn failed(&mut self) {
        self.to_end = false;
        self.loading = false;
    }

    /// Moves the cursor; by as much as there is, to the very last row, loaded or not.
    pub fn step(&mut self, rows: isize, height: usize) {
        self.to_end = rows == isize::MAX && self.more.is_some();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matching::Entry;
    use crate::model::{MatchRow, Timestamp};

    const HEIGHT: usize = 10;

    fn line(number: usize) -> MatchLine {
        let entry =
            Entry { id: number.to_string().into(), name: format!("Person {number:04}"), email: None, active: true };
        let row = MatchRow::new(MatchKind::Staff, Side::Ivvy, &entry, Timestamp::EPOCH);
        MatchLine { row, other: None, because: String::new(), change: None }
    }

    /// A table of so many people as the daemon would page it.
    fn answer(query: &MatchQuery, table: &[MatchLine]) -> MatchPage {
        let after = query.after.as_ref().and_then(|id| table.iter().position(|line| line.row.id.0 == *id));
        let rows: Vec<MatchLine> =
            table.iter().skip(after.map_or(0, |at| at + 1)).take(query.limit as usize).cloned().collect();
        let more = rows.last().filter(|_| rows.len() == query.limit as usize).map(|line| line.row.id.0.clone());
        MatchPage { rows, more, ..MatchPage::default() }
    }

    /// Asks until nothing more is wanted; returns how many questions that took.
    fn settle(matching: &mut Matching, table: &[MatchLine]) -> usize {
        let mut asked = 0;
        while let Some((generation, query)) = matching.prefetch(HEIGHT) {
            asked += 1;
            matching.receive(generation, true, answer(&query, table), HEIGHT);
        }
        asked
    }

    fn refresh(matching: &mut Matching, table: &[MatchLine]) {
        let (generation, query) = matching.refresh(HEIGHT).unwrap();
        matching.receive(generation, false, answer(&query, table), HEIGHT);
    }

    fn names(matching: &Matching) -> Vec<&str> {
        matching.rows().iter().map(|line| line.row.name.as_str()).collect()
    }

    #[test]
    fn five_thousand_rows_are_gone_to_the_end_of_in_a_few_questions() {
        let table: Vec<MatchLine> = (0..5_000).map(line).collect();
        let mut matching = Matching::default();
        refresh(&mut matching, &table);
        assert_eq!(matching.rows().len(), PAGE as usize);
        matching.step(isize::MAX, HEIGHT);
        assert!(settle(&mut matching, &table) <= 6);
        assert_eq!(matching.current().unwrap().row.name, "Person 4999");
        assert_eq!(names(&matching).len(), 5_000);
        matching.step(-1, HEIGHT);
        assert_eq!(settle(&mut matching, &table), 0, "whoever turns round wants nothing more");
    }

    #[test]
    fn a_refresh_reads_what_is_looked_at_and_moves_nobody() {
        let mut table: Vec<MatchLine> = (0..5_000).map(line).collect();
        let mut matching = Matching::default();
        refresh(&mut matching, &table);
        matching.step(isize::MAX, HEIGHT);
        settle(&mut matching, &table);
        matching.step(-2_000, HEIGHT);
        let under = matching.current().unwrap().row.id.clone();
        // Somebody here is matched, somebody goes, somebody comes, and one from far away is renamed into here.
        let at = matching.cursor();
        table[at + 1].because = "matched".to_owned();
        table.remove(at - 2);
        table.insert(at + 2, line(9_001));
        let mut renamed = table.remove(10);
        renamed.row.name = "Renamed".to_owned();
        table.insert(at, renamed);
        refresh(&mut matching, &table);
        assert_eq!(matching.current().unwrap().row.id, under, "the cursor stays on its entry");
        assert_eq!(names(&matching), table.iter().map(|line| line.row.name.as_str()).collect::<Vec<_>>());
        assert!(matching.rows().iter().any(|line| line.because == "matched"));
        // At the very end, with the last ones gone.
        matching.step(isize::MAX, HEIGHT);
        table.truncate(4_980);
        refresh(&mut matching, &table);
        assert_eq!(matching.rows().len(), 4_980);
        assert_eq!(settle(&mut matching, &table), 0);
    }
}
