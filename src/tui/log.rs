//! The audit log as a window that grows backwards in time.

use crate::model::{AuditEvent, AuditRow, ItemId, Seq};
use crate::wire::{AuditQuery, SideNames};

/// Rows asked for at once.
const PAGE: u32 = 100;

/// Rows kept at most; older ones are asked again.
const KEPT: usize = 2_000;

/// The log pane's state. Newest row first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Only this item.
    pub item: Option<ItemId>,
    rows: Vec<AuditRow>,
    cursor: usize,
    top: usize,
    exhausted: bool,
    loading: bool,
    loaded: bool,
    generation: u64,
}

impl Log {
    /// The loaded rows.
    pub fn rows(&self) -> &[AuditRow] {
        &self.rows
    }

    /// The rows on a screen of `height` lines, with their index.
    pub fn visible(&self, height: usize) -> impl Iterator<Item = (usize, &AuditRow)> {
        self.rows.iter().enumerate().skip(self.top).take(height)
    }

    /// Index of the row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&AuditRow> {
        self.rows.get(self.cursor)
    }

    /// Whether the first answer has arrived.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Forgets everything but the filter.
    pub fn reset(&mut self) {
        *self = Self { item: self.item, generation: self.generation + 1, ..Self::default() };
    }

    /// The newest rows.
    pub fn newest(&mut self) -> Option<(u64, AuditQuery)> {
        self.ask(None)
    }

    /// Older rows when the cursor comes near the end.
    pub fn prefetch(&mut self, height: usize) -> Option<(u64, AuditQuery)> {
        let near = self.top + height * 2 >= self.rows.len();
        let last = self.rows.last().map(|row| row.seq);
        if near && !self.exhausted && last.is_some() && self.rows.len() < KEPT { self.ask(last) } else { None }
    }

    fn ask(&mut self, before: Option<Seq>) -> Option<(u64, AuditQuery)> {
        if self.loading {
            return None;
        }
        self.loading = true;
        Some((self.generation, AuditQuery { item: self.item, before, limit: PAGE }))
    }

    /// Takes an answer: newest rows (`before` none) go on top, older ones to the end. The cursor
    /// stays on its row, unless it is at the very top, where one watches what arrives.
    pub fn receive(&mut self, generation: u64, before: Option<Seq>, rows: Vec<AuditRow>, height: usize) {
        if generation != self.generation {
            return;
        }
        self.loading = false;
        self.loaded = true;
        let short = rows.len() < PAGE as usize;
        match (before, self.rows.first().map(|row| row.seq)) {
            (Some(before), _) => {
                self.exhausted = short;
                if self.rows.last().is_some_and(|row| row.seq == before) {
                    self.rows.extend(rows);
                }
            }
            (None, Some(newest)) if rows.iter().any(|row| row.seq <= newest) => {
                let fresh: Vec<AuditRow> = rows.into_iter().filter(|row| row.seq > newest).collect();
                let watching = self.cursor == 0;
                if !watching {
                    self.cursor += fresh.len();
                    self.top += fresh.len();
                }
                self.rows.splice(0..0, fresh);
                if self.rows.len() > KEPT && watching {
                    self.rows.truncate(KEPT);
                    self.exhausted = false;
                }
            }
            (None, _) => {
                // The first page, or more rows arrived than one page holds: start anew.
                self.rows = rows;
                self.exhausted = short;
                self.cursor = 0;
            }
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

    /// Keeps the cursor on the screen.
    pub fn scroll_into_view(&mut self, height: usize) {
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        self.top = self.top.clamp((self.cursor + 1).saturating_sub(height.max(1)), self.cursor);
    }
}

/// What happened, as one sentence. May hold remote text: sanitise before display.
pub fn sentence(event: &AuditEvent, names: &SideNames) -> String {
    let fields = |names: &[String]| names.join(", ");
    match event {
        AuditEvent::Planned { state, summary } => format!("planned, now {state}: {}", names.say(summary)),
        AuditEvent::Decided { verb, ver, reason, overridden } => {
            let why = reason.as_ref().map(|reason| format!(" because {reason}")).unwrap_or_default();
            let lost: Vec<String> =
                overridden.iter().map(|(field, side, _)| format!("{field} of {}", names.of(*side))).collect();
            let lost = if lost.is_empty() { String::new() } else { format!(", over {}", lost.join(", ")) };
            format!("{verb} on version {ver}{lost}{why}")
        }
        AuditEvent::Claimed { side, attempt, fields: written } => {
            format!("writing {} to {}, attempt {attempt}", fields(written), names.of(*side))
        }
        AuditEvent::Pushed { side, record, created, fields: written } => {
            let written: Vec<String> = written.iter().map(|(name, ..)| name.clone()).collect();
            let what = if *created { "created" } else { "wrote" };
            format!("{what} {record} in {}: {}", names.of(*side), fields(&written))
        }
        AuditEvent::PushFailed { side, state, error } => {
            format!("write to {} did not end well, now {state}: {error}", names.of(*side))
        }
        AuditEvent::Linked { reason } => format!("linked: {reason}"),
        AuditEvent::Unlinked { reason } => format!("unlinked: {reason}"),
        AuditEvent::Moved { state, cause } => format!("now {state}: {}", names.say(cause)),
        AuditEvent::GuardTripped { cause } => format!("guard tripped: {cause}"),
        AuditEvent::GuardReleased { scope, note } => {
            let note = note.as_ref().map(|note| format!("; agreed: {note}")).unwrap_or_default();
            format!("guard released: {scope}{note}")
        }
        AuditEvent::Operated { what } => what.clone(),
        AuditEvent::Mapped { version, what, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("field map, version {version}: {what}{reason}")
        }
        AuditEvent::Started { version, epoch } => format!("daemon {version} started, epoch {epoch}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    fn rows(seqs: impl Iterator<Item = u64>) -> Vec<AuditRow> {
        seqs.map(fixture::audit_row).collect()
    }

    #[test]
    fn new_rows_arrive_above_without_moving_the_cursor_off_its_row() {
        let mut log = Log::default();
        let (generation, _) = log.newest().unwrap();
        log.receive(generation, None, rows((0..100).rev()), 10);
        log.step(5, 10);
        let under = log.current().unwrap().seq;
        let (generation, _) = log.newest().unwrap();
        log.receive(generation, None, rows((3..103).rev()), 10);
        assert_eq!(log.current().unwrap().seq, under);
        assert_eq!(log.rows().len(), 103);
        assert_eq!(log.rows()[0].seq, Seq(102));
    }

    #[test]
    fn older_rows_are_asked_near_the_end_and_only_once() {
        let mut log = Log::default();
        let (generation, _) = log.newest().unwrap();
        log.receive(generation, None, rows((100..200).rev()), 10);
        assert_eq!(log.prefetch(10), None);
        log.step(90, 10);
        let (generation, query) = log.prefetch(10).unwrap();
        assert_eq!(query.before, Some(Seq(100)));
        assert_eq!(log.prefetch(10), None, "one at a time");
        log.receive(generation, query.before, rows((60..100).rev()), 10);
        assert_eq!(log.rows().len(), 140);
        log.step(1_000, 10);
        assert_eq!(log.prefetch(10), None, "a short page is the last one");
    }

    #[test]
    fn an_answer_to_an_older_filter_is_dropped() {
        let mut log = Log::default();
        let (generation, _) = log.newest().unwrap();
        log.item = Some(ItemId(4));
        log.reset();
        log.receive(generation, None, rows(0..3), 10);
        assert!(!log.loaded() && log.rows().is_empty());
    }

    #[test]
    fn a_release_says_who_agreed_in_the_log_s11() {
        let note = Some("Ann of S-360, 3 March".to_owned());
        let event = AuditEvent::GuardReleased { scope: "all".to_owned(), note };
        assert_eq!(sentence(&event, &SideNames::default()), "guard released: all; agreed: Ann of S-360, 3 March");
    }
}
