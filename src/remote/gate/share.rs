//! The rate and its three reservations: a token bucket that knows lanes. Pure arithmetic, fed with the
//! time.
//!
//! # The rule
//!
//! Tokens flow into one pool at the present rate `r`, up to `burst`. A call takes one. Besides, every
//! lane earns *credit* at its reserved share of `r` (20, 60, 20 %), up to two tokens: one to use, one so
//! that nothing is lost while it waits for the pool. A call costs its lane one credit, as far as it has it.
//! Credit is a claim, not a token:
//!
//! 1. *Reserve.* A call of a lower lane must leave the operators' credit in the pool, up to one token.
//! 2. *Order.* Of the lanes that wait, it is the turn of the most urgent that has a whole credit; where none
//!    has, of the most urgent. The others wait for it, even while rule 1 still keeps it back.
//!
//! What follows, and is tested against `governor` as the independent witness:
//!
//! * In any stretch of time `t` at most `burst + r·t` calls pass, whatever the lanes do.
//! * An operator's call passes no later than through a bucket of the operators' own, of rate `0.2 r` and
//!   one token (`burst` two or more; with one there is nothing to keep back, and it may be one token later).
//! * A lane that goes on waiting gets its share, however greedy the others are.
//! * A share its lane does not use is everybody's: credit stops growing and what was borrowed is not owed,
//!   so a lane alone has the whole rate, and all of the burst but the one token kept for operators.

use std::time::Duration;

use crate::remote::lane::Lane;

/// Most credit a lane can have, in tokens.
const MOST_CREDIT: u128 = 2;

/// Levels are kept in fifths of a nanosecond of inflow, so that shares of it are whole numbers.
const FIFTHS: u128 = 5;

/// A token bucket with lanes.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    /// Time in which the pool gains one token.
    interval: u128,
    burst: u128,
    at: Duration,
    pool: u128,
    credit: [u128; 3],
}

impl Shares {
    /// A full pool. `interval` and `burst` are taken as at least one nanosecond and one token.
    pub(super) fn new(interval: Duration, burst: u32, now: Duration) -> Self {
        let interval = interval.as_nanos().max(1);
        let (token, burst) = (interval * FIFTHS, u128::from(burst.max(1)));
        Self { interval, burst, at: now, pool: token * burst, credit: [token * MOST_CREDIT; 3] }
    }

    fn token(&self) -> u128 {
        self.interval * FIFTHS
    }

    /// Lets in what flowed since the last look. A time before that is the same moment.
    pub(super) fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_nanos();
        self.at = self.at.max(now);
        let token = self.token();
        self.pool = (self.pool + passed * FIFTHS).min(token * self.burst);
        for lane in Lane::ALL {
            let credit = &mut self.credit[lane as usize];
            *credit = (*credit + passed * u128::from(lane.fifths())).min(token * MOST_CREDIT);
        }
    }

    /// From now on one token per `interval`. Changes no count: nobody gains or loses a token by it.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        let interval = interval.as_nanos().max(1);
        for level in std::iter::once(&mut self.pool).chain(&mut self.credit) {
            *level = *level * interval / self.interval;
        }
        self.interval = interval;
    }

    /// Most that a lower lane must leave in the pool. With a burst of one that is nothing, or no lower lane
    /// could ever go.
    fn most_kept(&self) -> u128 {
        self.token() * (self.burst - 1).min(1)
    }

    fn kept_from(&self, lane: Lane) -> u128 {
        match lane {
            Lane::Operator => 0,
            Lane::Live | Lane::Backfill => self.credit[Lane::Operator as usize].min(self.most_kept()),
        }
    }

    /// How long until `lane` could go if nobody else did; zero if it can go now.
    pub(super) fn wait(&self, lane: Lane) -> Duration {
        let needed = self.token() + self.kept_from(lane);
        if self.pool >= needed {
            return Duration::ZERO;
        }
        // What is kept grows with the operators' credit while the pool fills, until it has all it can have.
        let short = needed - self.pool;
        let nanos = match lane {
            Lane::Operator => short.div_ceil(FIFTHS),
            Lane::Live | Lane::Backfill => {
                let growing = short.div_ceil(FIFTHS - u128::from(Lane::Operator.fifths()));
                let full = (self.token() + self.most_kept() - self.pool).div_ceil(FIFTHS);
                growing.min(full)
            }
        };
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How long until `lane` has a whole credit; zero if it has.
    pub(super) fn earns_in(&self, lane: Lane) -> Duration {
        let short = self.token().saturating_sub(self.credit[lane as usize]);
        let nanos = short.div_ceil(u128::from(lane.fifths()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Where `lane` stands in the order of rule 2: the smallest of those that wait has its turn.
    pub(super) fn rank(&self, lane: Lane) -> (bool, Lane) {
        (self.credit[lane as usize] < self.token(), lane)
    }

    /// Takes a token for `lane`. The caller has seen to rules 1 and 2.
    pub(super) fn take(&mut self, lane: Lane) {
        let token = self.token();
        self.pool = self.pool.saturating_sub(token);
        let credit = &mut self.credit[lane as usize];
        *credit = credit.saturating_sub(token);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(250);

    /// When each call of each lane passed, in order.
    type Passed = [Vec<Duration>; 3];

    /// Serves calls that arrive at these times, each lane's in order, as the gate does.
    fn serve(shares: &mut Shares, mut arrivals: [Vec<Duration>; 3], until: Duration) -> Passed {
        let mut passed = Passed::default();
        let mut now = Duration::ZERO;
        arrivals.iter_mut().for_each(|lane| lane.sort_by_key(|at| std::cmp::Reverse(*at)));
        while now <= until {
            shares.refill(now);
            let waits = |lane: &Lane| arrivals[*lane as usize].last().is_some_and(|at| *at <= now);
            let turn = Lane::ALL.into_iter().filter(waits).min_by_key(|lane| shares.rank(*lane));
            if let Some(lane) = turn.filter(|lane| shares.wait(*lane).is_zero()) {
                shares.take(lane);
                arrivals[lane as usize].pop();
                passed[lane as usize].push(now);
                continue;
            }
            let ready = turn.map(|lane| now + shares.wait(lane));
            let earned = Lane::ALL.into_iter().filter(waits).map(|lane| now + shares.earns_in(lane));
            let coming = arrivals.iter().filter_map(|lane| lane.last().copied());
            let Some(next) = coming.chain(earned).chain(ready).filter(|at| *at > now).min() else { break };
            assert!(next > now, "time goes on");
            now = next;
        }
        passed
    }

    /// When `governor` would let these calls pass, one after the other.
    fn witness(interval: Duration, burst: u32, arrivals: &[Duration]) -> Vec<Duration> {
        let quota = Quota::with_period(interval).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let clock = FakeRelativeClock::default();
        let bucket = RateLimiter::direct_with_clock(quota, clock.clone());
        let mut now = Duration::ZERO;
        let mut passed = Vec::new();
        for at in arrivals {
            clock.advance(at.saturating_sub(now));
            now = now.max(*at);
            while let Err(not_until) = bucket.check() {
                let wait = not_until.wait_time_from(governor::clock::Clock::now(&clock));
                clock.advance(wait);
                now += wait;
            }
            passed.push(now);
        }
        passed
    }

    fn arrivals(most: usize) -> impl Strategy<Value = Vec<Duration>> {
        proptest::collection::vec((0_u64..60_000).prop_map(Duration::from_millis), 0..most).prop_map(|mut times| {
            times.sort();
            times
        })
    }

    /// As many calls as can be served in a minute, waiting from the start.
    fn greedy() -> Vec<Duration> {
        vec![Duration::ZERO; 1_000]
    }

    const LONG: Duration = Duration::from_secs(600);
    const MINUTE: Duration = Duration::from_secs(60);

    proptest! {
        /// Never more than `burst + r·t`: what passes would pass one bucket of `governor`'s without waiting.
        #[test]
        fn all_lanes_together_keep_to_the_rate(
            operator in arrivals(40), live in arrivals(200), backfill in arrivals(400), burst in 1_u32..6,
        ) {
            let passed = serve(&mut Shares::new(INTERVAL, burst, Duration::ZERO), [operator, live, backfill], LONG);
            let mut all = passed.concat();
            all.sort();
            prop_assert_eq!(&witness(INTERVAL, burst, &all), &all);
        }

        /// Nobody is forgotten, and each lane keeps its own order.
        #[test]
        fn every_call_passes_in_the_end(
            operator in arrivals(40), live in arrivals(200), backfill in arrivals(300), burst in 1_u32..6,
        ) {
            let counts = [operator.len(), live.len(), backfill.len()];
            let passed = serve(&mut Shares::new(INTERVAL, burst, Duration::ZERO), [operator, live, backfill], LONG);
            prop_assert_eq!(passed.map(|lane| lane.len()), counts);
        }

        /// The reservation: whatever the other lanes do, an operator's call passes no later than through a
        /// bucket of the operators' own with a fifth of the rate.
        #[test]
        fn operators_never_wait_longer_than_for_their_own_reservation(
            operator in arrivals(60), live in arrivals(400), more in any::<bool>(), burst in 2_u32..6,
        ) {
            let alone = witness(INTERVAL * 5, 1, &operator);
            let backfill = if more { greedy() } else { Vec::new() };
            let mut shares = Shares::new(INTERVAL, burst, Duration::ZERO);
            let passed = serve(&mut shares, [operator, live, backfill], LONG * 2);
            for (ours, alone) in passed[0].iter().zip(&alone) {
                prop_assert!(ours <= alone, "{ours:?} is later than {alone:?}");
            }
            prop_assert_eq!(passed[0].len(), alone.len());
        }

        /// With nothing to keep back an operator's call is at most one token later than that.
        #[test]
        fn without_a_burst_operators_wait_one_token_more(operator in arrivals(60)) {
            let alone = witness(INTERVAL * 5, 1, &operator);
            let mut shares = Shares::new(INTERVAL, 1, Duration::ZERO);
            let passed = serve(&mut shares, [operator, greedy(), greedy()], LONG * 2);
            for (ours, alone) in passed[0].iter().zip(&alone) {
                prop_assert!(*ours <= *alone + INTERVAL, "{ours:?} is later than {alone:?}");
            }
        }

        /// A lane that goes on waiting gets its share, less what fits into its credit.
        #[test]
        fn a_lane_that_goes_on_waiting_gets_its_share(
            waiting in 0_usize..3, others in [arrivals(400), arrivals(400), arrivals(400)], burst in 1_u32..6,
            all_greedy in any::<bool>(),
        ) {
            let mut demand = if all_greedy { [greedy(), greedy(), greedy()] } else { others };
            demand[waiting] = greedy();
            let passed = serve(&mut Shares::new(INTERVAL, burst, Duration::ZERO), demand, MINUTE);
            let tokens = (MINUTE.as_millis() / INTERVAL.as_millis()) as u64;
            let share = tokens * Lane::ALL[waiting].fifths() / 5;
            let got = passed[waiting].len() as u64;
            prop_assert!(got + 2 >= share, "{got} of {share}");
        }

        /// What the others leave is borrowed, and not owed afterwards: one lane alone is as fast as a bucket
        /// without lanes.
        #[test]
        fn a_lane_alone_has_the_whole_rate(lane in 0_usize..3, calls in arrivals(500), burst in 2_u32..6) {
            let left = if lane == 0 { burst } else { burst - 1 };
            let plain = witness(INTERVAL, left, &calls);
            let mut demand = Passed::default();
            demand[lane] = calls;
            let passed = serve(&mut Shares::new(INTERVAL, burst, Duration::ZERO), demand, LONG);
            prop_assert_eq!(&passed[lane], &plain);
        }

        /// A change of rate takes effect at once and makes no tokens.
        #[test]
        fn a_change_of_rate_makes_no_tokens(taken in 0_u32..4, rate in 1_u32..64) {
            let mut shares = Shares::new(INTERVAL, 4, Duration::ZERO);
            (0..taken).for_each(|_| shares.take(Lane::Operator));
            let interval = INTERVAL * rate / 8;
            shares.set_interval(interval);
            let mut left = 0;
            while shares.wait(Lane::Operator).is_zero() {
                shares.take(Lane::Operator);
                left += 1;
            }
            // A level that does not divide evenly is rounded down.
            prop_assert!(left == 4 - taken || left + 1 == 4 - taken, "{left} after {taken}");
            let wait = shares.wait(Lane::Operator);
            prop_assert!(wait <= interval);
        }
    }

    #[test]
    fn all_lanes_greedy_share_twenty_sixty_twenty() {
        let mut shares = Shares::new(INTERVAL, 2, Duration::ZERO);
        let passed = serve(&mut shares, [greedy(), greedy(), greedy()], INTERVAL * 1_000).map(|lane| lane.len());
        assert!(passed.iter().zip([200, 600, 200]).all(|(got, share)| got.abs_diff(share) <= 3), "{passed:?}");
    }
}
