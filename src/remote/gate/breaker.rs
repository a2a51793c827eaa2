//! The circuit breaker: a state machine over outcomes, fed with the time. Pure.
//!
//! It is one for a whole remote, so it must not open because of one thing that the remote cannot do just now:
//! a module that fails never holds up another (V-01). As long as everything that fails was on one errand and
//! another errand was well a short while ago, it is the errand that is ill, and whoever runs it waits longer by
//! themselves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use strum::Display;

/// When to stop calling, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// This many failures in a row open it.
    pub consecutive: u32,
    /// How many outcomes the failure rate is taken over.
    pub window: usize,
    /// This many failures among the last [`BreakerSettings::window`] outcomes open it, once that many
    /// outcomes are known.
    pub failures_in_window: usize,
    /// First rest; doubles with every failed probe.
    pub first_rest: Duration,
    /// Longest rest.
    pub longest_rest: Duration,
}

impl Default for BreakerSettings {
    /// Five in a row or half of the last twenty; rests from 5 s to 5 min (`engine.md` 5.10).
    fn default() -> Self {
        Self {
            consecutive: 5,
            window: 20,
            failures_in_window: 10,
            first_rest: Duration::from_secs(5),
            longest_rest: Duration::from_secs(300),
        }
    }
}

/// What the breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
#[strum(serialize_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are turned away until the rest is over; the first one after that is the probe.
    Open,
    /// One call is out as a probe; all others are turned away.
    HalfOpen,
}

/// Permission for one call. Outcomes of calls admitted before the last change of state say nothing
/// about the present, so the permission remembers which state gave it.
#[derive(Debug)]
pub(super) struct Admission(u64);

#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
    /// Counts changes of state.
    epoch: u64,
    rests_until: Duration,
    rest: Duration,
    in_a_row: usize,
    /// The last outcomes: on which errand, and whether it failed.
    recent: VecDeque<(String, bool)>,
    /// Errands that did not fail when last tried, and when that was.
    well: BTreeMap<String, Duration>,
}

/// Errands remembered as well. An API has a few dozen; addresses that a remote makes up are no more than a hint.
const MOST_ERRANDS: usize = 256;
/// For how long an errand that was well says that the remote is.
const WELL_FOR: Duration = Duration::from_secs(600);

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: BreakerState::Closed,
            epoch: 0,
            rests_until: Duration::ZERO,
            rest: settings.first_rest,
            in_a_row: 0,
            recent: VecDeque::new(),
            well: BTreeMap::new(),
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        self.state
    }

    /// End of the present rest; zero when there is none.
    pub(super) fn rests_until(&self) -> Duration {
        if self.state == BreakerState::Open { self.rests_until } else { Duration::ZERO }
    }

    /// Length of the next rest, before jitter.
    pub(super) fn rest(&self) -> Duration {
        self.rest
    }

    /// Whether [`Breaker::admit`] would let a call pass.
    pub(super) fn would_admit(&self, now: Duration) -> bool {
        match self.state {
            BreakerState::Closed => true,
            BreakerState::Open => now >= self.rests_until,
            BreakerState::HalfOpen => false,
        }
    }

    /// Lets a call pass, as the probe if a rest has just ended.
    pub(super) fn admit(&mut self, now: Duration) -> Option<Admission> {
        if !self.would_admit(now) {
            return None;
        }
        if self.state == BreakerState::Open {
            self.become_state(BreakerState::HalfOpen);
        }
        Some(Admission(self.epoch))
    }

    /// Takes in the outcome of an admitted call on `errand`; `None` if the caller gave it up.
    pub(super) fn settle(
        &mut self,
        admission: Admission,
        errand: &str,
        healthy: Option<bool>,
        now: Duration,
        jitter: Duration,
    ) {
        if admission.0 != self.epoch {
            return;
        }
        match (self.state, healthy) {
            (BreakerState::HalfOpen, Some(true)) => {
                self.rest = self.settings.first_rest;
                self.become_state(BreakerState::Closed);
            }
            (BreakerState::HalfOpen, Some(false)) => self.open(now, jitter),
            // The probe was given up: the next call may probe at once.
            (BreakerState::HalfOpen, None) => {
                self.rests_until = now;
                self.become_state(BreakerState::Open);
            }
            (BreakerState::Closed, Some(healthy)) => {
                self.note(errand, healthy, now);
                if self.has_failed_enough(now) {
                    self.open(now, jitter);
                }
            }
            (BreakerState::Closed, None) | (BreakerState::Open, _) => {}
        }
    }

    fn note(&mut self, errand: &str, healthy: bool, now: Duration) {
        self.in_a_row = if healthy { 0 } else { self.in_a_row.saturating_add(1) };
        self.recent.push_back((errand.to_owned(), !healthy));
        let kept = self.settings.window.max(self.settings.consecutive as usize);
        while self.recent.len() > kept {
            self.recent.pop_front();
        }
        if healthy {
            self.well.insert(errand.to_owned(), now);
        } else {
            self.well.remove(errand);
        }
        if self.well.len() > MOST_ERRANDS {
            let oldest = self.well.iter().min_by_key(|(_, at)| **at).map(|(errand, _)| errand.clone());
            oldest.and_then(|errand| self.well.remove(&errand));
        }
    }

    fn has_failed_enough(&self, now: Duration) -> bool {
        let row = self.in_a_row >= self.settings.consecutive as usize;
        let window = self.recent.iter().rev().take(self.settings.window);
        let failures = window.filter(|(_, failed)| *failed).count();
        let half = self.recent.len() >= self.settings.window && failures >= self.settings.failures_in_window;
        row && !self.is_one_errand(self.in_a_row, now) || half && !self.is_one_errand(self.settings.window, now)
    }

    /// Whether all that failed among the last `outcomes` was on one errand, while another one is known to be well.
    fn is_one_errand(&self, outcomes: usize, now: Duration) -> bool {
        let recent = self.recent.iter().rev().take(outcomes);
        let mut failed = recent.filter(|(_, failed)| *failed).map(|(errand, _)| errand);
        let Some(first) = failed.next() else { return false };
        let is_well = |(errand, at): (&String, &Duration)| errand != first && now.saturating_sub(*at) <= WELL_FOR;
        failed.all(|errand| errand == first) && self.well.iter().any(is_well)
    }

    fn open(&mut self, now: Duration, jitter: Duration) {
        self.rests_until = now.saturating_add(self.rest).saturating_add(jitter);
        self.rest = self.rest.saturating_mul(2).min(self.settings.longest_rest);
        self.become_state(BreakerState::Open);
    }

    fn become_state(&mut self, state: BreakerState) {
        self.state = state;
        self.epoch += 1;
        self.in_a_row = 0;
        self.recent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn outcome(breaker: &mut Breaker, healthy: bool, now: Duration) {
        on(breaker, "list", healthy, now);
    }

    fn on(breaker: &mut Breaker, errand: &str, healthy: bool, now: Duration) {
        let admission = breaker.admit(now).expect("admitted");
        breaker.settle(admission, errand, Some(healthy), now, Duration::ZERO);
    }

    #[test]
    fn one_errand_that_fails_opens_nothing_while_another_is_well_v01() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        on(&mut breaker, "contacts", true, secs(0));
        for _ in 0..100 {
            on(&mut breaker, "emails", false, secs(0));
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "however often it is tried");
        for _ in 0..30 {
            on(&mut breaker, "emails", false, secs(0));
            on(&mut breaker, "events", true, secs(0));
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "and however many of the last twenty");
        // As soon as a second one fails it is the remote.
        on(&mut breaker, "contacts", false, secs(0));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn what_was_well_ten_minutes_ago_says_nothing_any_more() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        on(&mut breaker, "contacts", true, secs(0));
        for minute in 1..=10 {
            on(&mut breaker, "emails", false, secs(60 * minute));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        on(&mut breaker, "emails", false, secs(601));
        assert_eq!(breaker.state(), BreakerState::Open, "nothing else has been tried since: it may be the remote");
    }

    #[test]
    fn of_too_many_errands_the_one_longest_ago_is_forgotten() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for errand in 0..1_000 {
            on(&mut breaker, &errand.to_string(), true, secs(errand));
        }
        assert_eq!(breaker.well.len(), MOST_ERRANDS);
        assert!(breaker.well.contains_key("999") && !breaker.well.contains_key("743"));
    }

    #[test]
    fn a_remote_that_fails_altogether_opens_it_whatever_was_well_before() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for errand in ["contacts", "events", "emails"] {
            on(&mut breaker, errand, true, secs(0));
        }
        for errand in ["contacts", "contacts", "contacts", "contacts", "events"] {
            assert_eq!(breaker.state(), BreakerState::Closed);
            on(&mut breaker, errand, false, secs(0));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for healthy in [false, false, false, false, true, false, false, false, false] {
            outcome(&mut breaker, healthy, secs(0));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        outcome(&mut breaker, false, secs(1));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.rests_until(), secs(6));
    }

    #[test]
    fn half_of_the_last_twenty_opens_it_but_not_half_of_fewer() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for index in 0..19 {
            outcome(&mut breaker, index % 2 == 1, secs(0));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        outcome(&mut breaker, true, secs(0));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn rests_double_up_to_the_longest_and_start_over_after_a_good_probe() {
        let mut breaker = Breaker::new(BreakerSettings { consecutive: 1, ..BreakerSettings::default() });
        let mut now = secs(0);
        let mut rests = Vec::new();
        for _ in 0..8 {
            outcome(&mut breaker, false, now);
            rests.push((breaker.rests_until() - now).as_secs());
            now = breaker.rests_until();
        }
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 300, 300]);
        outcome(&mut breaker, true, now);
        assert_eq!(breaker.state(), BreakerState::Closed);
        outcome(&mut breaker, false, now);
        assert_eq!(breaker.rests_until() - now, secs(5));
    }

    #[test]
    fn one_probe_only_and_late_outcomes_do_not_count() {
        let mut breaker = Breaker::new(BreakerSettings { consecutive: 1, ..BreakerSettings::default() });
        let late = breaker.admit(secs(0)).unwrap();
        outcome(&mut breaker, false, secs(0));
        assert!(breaker.admit(secs(4)).is_none(), "resting");
        let probe = breaker.admit(secs(5)).expect("the probe");
        assert!(breaker.admit(secs(5)).is_none(), "a second probe");
        breaker.settle(late, "list", Some(true), secs(5), Duration::ZERO);
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "a call from before proves nothing");
        breaker.settle(probe, "list", None, secs(6), Duration::ZERO);
        assert!(breaker.admit(secs(6)).is_some(), "an abandoned probe frees its place");
    }
}
