//! How fast the remote lets us be: additive increase, multiplicative decrease. Pure.
//!
//! The configured rate is the ceiling. An answer that says "too many requests" halves the present rate, a
//! stretch of clean answers raises it by a sixteenth of the ceiling. Slow answers do not count: a page of two
//! hundred records and a look-up by key differ by more than a remote in distress does from a healthy one, and
//! what times out is the breaker's business.

use std::time::Duration;

/// The rate moves in this many equal steps, of which one is the floor.
const STEPS: u32 = 16;
/// Clean answers in a row that raise the rate by one step.
const STRETCH: u32 = 20;

/// The present rate as steps of the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    steps: u32,
    clean: u32,
    /// Counts decreases.
    epoch: u32,
}

impl Pace {
    /// The ceiling.
    pub(super) fn full() -> Self {
        Self { steps: STEPS, clean: 0, epoch: 0 }
    }

    /// Time per call, when the ceiling is one per `per_call`.
    pub(super) fn interval(self, per_call: Duration) -> Duration {
        per_call.saturating_mul(STEPS) / self.steps
    }

    /// To be kept with a call from its start: see [`Pace::throttled`].
    pub(super) fn epoch(self) -> u32 {
        self.epoch
    }

    /// "Too many requests". Calls that were under way together complain about the same rate, so one that
    /// left before the last decrease changes nothing.
    pub(super) fn throttled(&mut self, epoch: u32) {
        self.clean = 0;
        if epoch == self.epoch {
            self.epoch = self.epoch.wrapping_add(1);
            self.steps = (self.steps / 2).max(1);
        }
    }

    /// A call was answered well.
    pub(super) fn clean(&mut self) {
        self.clean += 1;
        if self.clean >= STRETCH {
            self.clean = 0;
            self.steps = (self.steps + 1).min(STEPS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_CALL: Duration = Duration::from_millis(250);

    #[test]
    fn it_halves_to_a_floor_and_climbs_back_in_steps() {
        let mut pace = Pace::full();
        let mut seen = Vec::new();
        for _ in 0..6 {
            pace.throttled(pace.epoch());
            seen.push(pace.interval(PER_CALL).as_millis());
        }
        assert_eq!(seen, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        for _ in 0..STRETCH {
            pace.clean();
        }
        assert_eq!(pace.interval(PER_CALL).as_millis(), 2_000, "two steps of sixteen");
        for _ in 0..14 * STRETCH {
            pace.clean();
        }
        assert_eq!(pace.interval(PER_CALL), PER_CALL);
        for _ in 0..10 * STRETCH {
            pace.clean();
        }
        assert_eq!(pace.interval(PER_CALL), PER_CALL, "never above what is configured");
    }

    #[test]
    fn calls_that_were_under_way_together_halve_it_once() {
        let mut pace = Pace::full();
        let epoch = pace.epoch();
        for _ in 0..4 {
            pace.throttled(epoch);
        }
        assert_eq!(pace.interval(PER_CALL), PER_CALL * 2);
    }

    #[test]
    fn a_complaint_ends_a_clean_stretch() {
        let mut pace = Pace::full();
        pace.throttled(pace.epoch());
        for _ in 0..STRETCH - 1 {
            pace.clean();
        }
        pace.throttled(pace.epoch().wrapping_sub(1));
        pace.clean();
        assert_eq!(pace.interval(PER_CALL), PER_CALL * 2);
    }
}
