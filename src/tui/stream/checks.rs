//! Checks at the gates of one institution: the newest first, in a list that grows as one scrolls, up to a bound.

use crate::model::AccessCheck;
use crate::wire::{AccessChecks, AccessQuery, Request};

/// Checks asked for at once.
const PAGE: u32 = 50;
/// Checks a refresh asks for at most.
const REFRESHED: u32 = 200;
/// Checks that are kept; older ones are for the command line.
const MOST: usize = 2_000;

/// What is loaded of them.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// The check under the cursor.
    pub cursor: usize,
    rows: Vec<AccessCheck>,
    more: Option<String>,
    loaded: bool,
    loading: bool,
}

impl Checks {
    /// What is loaded, newest first.
    pub fn rows(&self) -> &[AccessCheck] {
        &self.rows
    }

    /// Whether anything has been answered yet.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Whether there are more than are loaded.
    pub fn has_more(&self) -> bool {
        self.more.is_some()
    }

    /// Whether no more are loaded, although there are.
    pub fn is_full(&self) -> bool {
        self.more.is_some() && self.rows.len() >= MOST
    }

    /// The newest ones, as many as are loaded already within reason.
    pub fn newest(&mut self, institution: &str) -> Option<Request> {
        let loaded = u32::try_from(self.rows.len()).unwrap_or(REFRESHED);
        self.ask(institution, None, loaded.clamp(PAGE, REFRESHED))
    }

    /// Older ones, when the cursor comes near the end.
    pub fn prefetch(&mut self, institution: &str) -> Option<Request> {
        let near = self.rows.len() - self.cursor.min(self.rows.len()) <= PAGE as usize / 2;
        let place = self.more.clone().filter(|_| near && !self.is_full())?;
        self.ask(institution, Some(place), PAGE)
    }

    fn ask(&mut self, institution: &str, before: Option<String>, limit: u32) -> Option<Request> {
        if self.loading {
            return None;
        }
        self.loading = true;
        let institution = Some(institution.to_owned());
        Some(Request::AccessChecks(AccessQuery { institution, since: None, before, limit }))
    }

    /// Takes an answer to a question for checks beyond `before`. The cursor stays on its check, or at the top.
    pub fn receive(&mut self, before: Option<&str>, page: AccessChecks) {
        (self.loading, self.loaded) = (false, true);
        let AccessChecks { checks, more } = page;
        if before.is_some() {
            if before == self.more.as_deref() {
                self.rows.extend(checks);
                self.more = more;
            }
            return;
        }
        let under = self.rows.get(self.cursor).map(|check| check.number).filter(|_| self.cursor > 0);
        match checks.last() {
            // Nothing yet, and what was looked through since still counts.
            None if more.is_some() && (self.more.is_some() || !self.rows.is_empty()) => return,
            None => (self.rows, self.more) = (checks, more),
            Some(oldest) => match self.rows.iter().position(|known| known.number == oldest.number) {
                Some(at) => self.rows.splice(..=at, checks).for_each(drop),
                // So many are new that those in between are not known.
                None => (self.rows, self.more) = (checks, more),
            },
        }
        let same = under.and_then(|number| self.rows.iter().position(|check| check.number == number));
        self.cursor = same.unwrap_or(0);
    }

    /// A failed question: the next one may try again.
    pub fn failed(&mut self) {
        self.loading = false;
    }

    /// Moves the cursor.
    pub fn step(&mut self, rows: isize) {
        self.cursor = self.cursor.saturating_add_signed(rows).min(self.rows.len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(numbers: std::ops::RangeInclusive<u64>, more: Option<&str>) -> AccessChecks {
        let check = |number| AccessCheck { number, ..AccessCheck::default() };
        AccessChecks { checks: numbers.rev().map(check).collect(), more: more.map(str::to_owned) }
    }

    fn asked(request: Option<Request>) -> Option<(Option<String>, u32)> {
        match request? {
            Request::AccessChecks(query) if query.institution.as_deref() == Some("ACME") => {
                Some((query.before, query.limit))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn checks_grow_downwards_and_the_cursor_stays_on_its_check_s12() {
        let mut checks = Checks::default();
        assert_eq!(checks.prefetch("ACME"), None, "nothing is known to follow nothing");
        assert_eq!(asked(checks.newest("ACME")), Some((None, 50)));
        assert_eq!(checks.newest("ACME"), None, "one question at a time");
        checks.receive(None, page(51..=100, Some("a")));
        assert_eq!(checks.prefetch("ACME"), None, "the end is far");
        checks.step(40);
        assert_eq!(asked(checks.prefetch("ACME")), Some((Some("a".to_owned()), 50)));
        checks.receive(Some("a"), page(1..=50, None));
        assert_eq!((checks.rows().len(), checks.has_more()), (100, false));
        assert_eq!(checks.rows()[checks.cursor].number, 60);
        // Three came meanwhile: on top, and nothing below is lost.
        assert_eq!(asked(checks.newest("ACME")), Some((None, 100)));
        checks.receive(None, page(4..=103, Some("b")));
        assert_eq!((checks.rows().len(), checks.rows()[0].number), (103, 103));
        assert_eq!((checks.rows()[checks.cursor].number, checks.has_more()), (60, false));
        // At the top one stays at the top, to see what comes.
        checks.step(-200);
        checks.newest("ACME");
        checks.receive(None, page(5..=104, Some("b")));
        assert_eq!(checks.cursor, 0);
        // More than a window came: what lies between is asked for anew.
        checks.newest("ACME");
        checks.receive(None, page(500..=599, Some("c")));
        assert_eq!((checks.rows().len(), checks.has_more()), (100, true));
        checks.receive(Some("old"), page(1..=9, None));
        assert_eq!(checks.rows().len(), 100, "an answer from before does not count");
    }

    #[test]
    fn a_rare_institution_is_looked_for_further_and_the_list_ends_somewhere_s12() {
        let mut checks = Checks::default();
        checks.newest("ACME");
        checks.receive(None, AccessChecks { checks: Vec::new(), more: Some("a".to_owned()) });
        assert_eq!(asked(checks.prefetch("ACME")), Some((Some("a".to_owned()), 50)));
        checks.receive(Some("a"), AccessChecks { checks: Vec::new(), more: Some("b".to_owned()) });
        // A refresh meanwhile begins at the top; what was looked through is not looked through again.
        checks.newest("ACME");
        checks.receive(None, AccessChecks { checks: Vec::new(), more: Some("a".to_owned()) });
        assert_eq!(asked(checks.prefetch("ACME")), Some((Some("b".to_owned()), 50)));
        let most = u64::try_from(MOST).unwrap();
        checks.receive(Some("b"), page(1..=most, Some("c")));
        checks.step(isize::MAX);
        assert!(checks.is_full());
        assert_eq!(checks.prefetch("ACME"), None, "older ones are for the command line");
    }
}
