//! The gate's own counts. Exact: one entry per call, dropped after a minute.

use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Ledger {
    calls: VecDeque<Duration>,
    failures: VecDeque<Duration>,
    last_error: Option<String>,
}

impl Ledger {
    pub(super) fn called(&mut self, now: Duration) {
        expire(&mut self.calls, now);
        self.calls.push_back(now);
    }

    pub(super) fn failed(&mut self, now: Duration, error: String) {
        expire(&mut self.failures, now);
        self.failures.push_back(now);
        self.last_error = Some(error);
    }

    /// (calls, failures) in the minute before `now`.
    pub(super) fn last_minute(&mut self, now: Duration) -> (u32, u32) {
        let count = |entries: &mut VecDeque<Duration>| {
            expire(entries, now);
            u32::try_from(entries.len()).unwrap_or(u32::MAX)
        };
        (count(&mut self.calls), count(&mut self.failures))
    }

    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

fn expire(entries: &mut VecDeque<Duration>, now: Duration) {
    while entries.front().is_some_and(|&at| now.saturating_sub(at) >= MINUTE) {
        entries.pop_front();
    }
}
