//! Messages to the operator: short ones fade soon, errors late or with the next key once they were there to be
//! read; all are kept.

use std::collections::VecDeque;
use std::time::Duration;

use super::theme::Tone;
use crate::model::Timestamp;
use crate::text::Safe;

/// How long a message that is not an error stays. Also the time in which its undo is offered.
pub const SHOWN_FOR: Duration = Duration::from_secs(8);

/// How long an error stays where nobody presses a key: it must not cover what is below for good.
pub const ERROR_SHOWN_FOR: Duration = Duration::from_secs(60);

/// How long an error was there before a key may take it away: what is typed ahead was not meant for it.
const READ: Duration = Duration::from_secs(3);

/// Messages kept for the history.
const KEPT: usize = 200;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something to know.
    Info,
    /// Something worked.
    Good,
    /// Something needs a look.
    Warn,
    /// Something failed.
    Error,
}

impl Severity {
    /// Its style.
    pub fn tone(self) -> Tone {
        match self {
            Self::Info => Tone::Text,
            Self::Good => Tone::Good,
            Self::Warn => Tone::Warn,
            Self::Error => Tone::Error,
        }
    }

    /// Its word, because colour alone says nothing to some.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "note",
            Self::Good => "done",
            Self::Warn => "look",
            Self::Error => "error",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// How bad.
    pub severity: Severity,
    /// What.
    pub text: Safe,
    /// When.
    pub at: Timestamp,
}

/// All messages so far.
#[derive(Clone, Debug, Default)]
pub struct Toasts {
    kept: VecDeque<Toast>,
    /// How many of the newest are not dismissed or faded yet.
    fresh: usize,
}

impl Toasts {
    /// Adds a message.
    pub fn push(&mut self, now: Timestamp, severity: Severity, text: &str) {
        self.kept.push_back(Toast { severity, text: Safe::limited(text, 400), at: now });
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        self.fresh = (self.fresh + 1).min(self.kept.len());
    }

    /// The message to show: the newest error that was not dismissed, else the newest that has not faded.
    pub fn current(&self, now: Timestamp) -> Option<&Toast> {
        let fresh = || self.kept.iter().rev().take(self.fresh);
        let newest = self.kept.back().filter(|toast| self.fresh > 0 && !faded(toast, now));
        match newest {
            Some(toast) if now.since(toast.at) < Duration::from_secs(2) => Some(toast),
            _ => fresh().find(|toast| toast.severity == Severity::Error && !faded(toast, now)).or(newest),
        }
    }

    /// Dismisses what is shown; answers whether there was anything.
    pub fn dismiss(&mut self, now: Timestamp) -> bool {
        let shown = self.current(now).is_some();
        self.fresh = 0;
        shown
    }

    /// A key was pressed: whoever goes on has read what is shown, if it was there long enough.
    pub fn went_on(&mut self, now: Timestamp) {
        let read =
            self.current(now).is_some_and(|toast| toast.severity == Severity::Error && now.since(toast.at) >= READ);
        if read {
            self.fresh = 0;
        }
    }

    /// Errors that are neither dismissed nor faded.
    pub fn errors(&self, now: Timestamp) -> usize {
        let fresh = self.kept.iter().rev().take(self.fresh);
        fresh.filter(|toast| toast.severity == Severity::Error && !faded(toast, now)).count()
    }

    /// When the picture changes by itself next.
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let shown = self.current(now)?;
        let yields = shown.at.plus(Duration::from_secs(2));
        let hidden_error = shown.severity != Severity::Error && self.errors(now) > 0;
        Some(if hidden_error && yields > now { yields } else { shown.at.plus(lasts(shown)) })
    }

    /// Everything kept, newest first.
    pub fn history(&self) -> impl Iterator<Item = &Toast> {
        self.kept.iter().rev()
    }
}

fn lasts(toast: &Toast) -> Duration {
    if toast.severity == Severity::Error { ERROR_SHOWN_FOR } else { SHOWN_FOR }
}

fn faded(toast: &Toast, now: Timestamp) -> bool {
    now.since(toast.at) >= lasts(toast)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_000 + seconds)
    }

    #[test]
    fn notes_fade_soon_and_errors_when_they_were_read() {
        let mut toasts = Toasts::default();
        toasts.push(at(0), Severity::Error, "disk full");
        toasts.push(at(1), Severity::Good, "skipped");
        assert_eq!(toasts.current(at(1)).unwrap().text.as_str(), "skipped", "a fresh note is seen first");
        assert_eq!(toasts.deadline(at(1)), Some(at(3)));
        assert_eq!(toasts.current(at(4)).unwrap().text.as_str(), "disk full");
        assert_eq!(toasts.deadline(at(4)), Some(at(60)));
        assert_eq!((toasts.current(at(60)), toasts.deadline(at(60))), (None, None));
        toasts.push(at(70), Severity::Error, "disk full");
        assert!(toasts.dismiss(at(70)));
        assert_eq!((toasts.current(at(70)), toasts.deadline(at(70))), (None, None));
        toasts.push(at(80), Severity::Error, "disk full");
        toasts.went_on(at(81));
        assert!(toasts.current(at(81)).is_some(), "typed ahead, not in answer");
        toasts.went_on(at(84));
        assert_eq!(toasts.current(at(84)), None);
        assert_eq!(toasts.history().count(), 4, "all are kept");
    }

    #[test]
    fn messages_cannot_carry_escape_sequences() {
        let mut toasts = Toasts::default();
        toasts.push(at(0), Severity::Warn, "\x1b]52;c;AAAA\x07");
        assert!(!toasts.current(at(0)).unwrap().text.as_str().contains('\x1b'));
    }
}
