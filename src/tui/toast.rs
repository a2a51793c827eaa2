//! Messages to the operator: short ones fade, errors stay until they are dismissed, all are kept.

use std::collections::VecDeque;
use std::time::Duration;

use super::theme::Tone;
use crate::model::Timestamp;
use crate::text::Safe;

/// How long a message that is not an error stays. Also the time in which its undo is offered.
pub const SHOWN_FOR: Duration = Duration::from_secs(8);

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
            _ => fresh().find(|toast| toast.severity == Severity::Error).or(newest),
        }
    }

    /// Dismisses what is shown; answers whether there was anything.
    pub fn dismiss(&mut self, now: Timestamp) -> bool {
        let shown = self.current(now).is_some();
        self.fresh = 0;
        shown
    }

    /// Errors nobody has dismissed.
    pub fn errors(&self) -> usize {
        self.kept.iter().rev().take(self.fresh).filter(|toast| toast.severity == Severity::Error).count()
    }

    /// When the picture changes by itself next.
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let newest = self.kept.back().filter(|toast| self.fresh > 0 && !faded(toast, now))?;
        let yields = newest.at.plus(Duration::from_secs(2));
        let hidden_error = newest.severity != Severity::Error && self.errors() > 0;
        match newest.severity {
            _ if hidden_error && yields > now => Some(yields),
            Severity::Error => None,
            _ => Some(newest.at.plus(SHOWN_FOR)),
        }
    }

    /// Everything kept, newest first.
    pub fn history(&self) -> impl Iterator<Item = &Toast> {
        self.kept.iter().rev()
    }
}

fn faded(toast: &Toast, now: Timestamp) -> bool {
    toast.severity != Severity::Error && now.since(toast.at) >= SHOWN_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_000 + seconds)
    }

    #[test]
    fn notes_fade_errors_stay_until_dismissed() {
        let mut toasts = Toasts::default();
        toasts.push(at(0), Severity::Error, "disk full");
        toasts.push(at(1), Severity::Good, "skipped");
        assert_eq!(toasts.current(at(1)).unwrap().text.as_str(), "skipped", "a fresh note is seen first");
        assert_eq!(toasts.deadline(at(1)), Some(at(3)));
        assert_eq!(toasts.current(at(4)).unwrap().text.as_str(), "disk full");
        assert_eq!(toasts.current(at(4_000)).unwrap().text.as_str(), "disk full");
        assert!(toasts.dismiss(at(4_000)));
        assert_eq!((toasts.current(at(4_000)), toasts.deadline(at(4_000))), (None, None));
        assert_eq!(toasts.history().count(), 2);
    }

    #[test]
    fn messages_cannot_carry_escape_sequences() {
        let mut toasts = Toasts::default();
        toasts.push(at(0), Severity::Warn, "\x1b]52;c;AAAA\x07");
        assert!(!toasts.current(at(0)).unwrap().text.as_str().contains('\x1b'));
    }
}
