//! Calls a day: how many were made, how many there may be, and which lane must stop (`engine.md` 5.10).
//!
//! Two limits stand beside each other. The configured one is counted here, per UTC day. The other is what the
//! remote itself tells with its answers ([`Usage`]): it counts other programs too, and its day may be any.
//!
//! # Why the count cannot overrun
//!
//! It is kept in memory and covered on disk *beforehand*: before call `n + 1` may leave, the disk says `n + 100`
//! (or less, see [`Quota::block`]). After a crash the count goes on from what the disk says, so it is never too
//! low, and too high by less than one block.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::model::Timestamp;
use crate::remote::lane::Lane;

/// Milliseconds of a UTC day.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// Calls covered by one entry on disk, at most.
const BLOCK: u64 = 100;
/// How long what the remote told is believed. A lane that it stopped asks again then: on a rolling day
/// only an answer can tell that there is room again.
const BELIEVED: Duration = Duration::from_secs(60 * 60);

/// What a remote says about its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Calls used, by whomever.
    pub used: u64,
    /// Calls allowed.
    pub limit: u64,
}

/// Reads a remote's own count off the headers of an answer.
pub type UsageReader = fn(&http::HeaderMap) -> Option<Usage>;

/// A day and a number of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// Calls of that day, never less than were made.
    pub calls: u64,
}

/// Where counts outlive the process.
pub trait CallBook: Send + Sync + fmt::Debug {
    /// Stores `booked` durably.
    ///
    /// # Errors
    /// One sentence saying why it could not.
    fn book(&self, booked: Booked) -> BoxFuture<'_, Result<(), String>>;
}

/// A lane that must wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) until: Timestamp,
    pub(super) why: String,
}

#[derive(Clone, Debug)]
pub(super) struct Quota {
    daily: Option<u64>,
    day: i64,
    calls: u64,
    /// How many of today's calls are covered on disk; `None` while no book is kept.
    covered: Option<u64>,
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    usage: Usage,
    /// Until when it is believed, by the steady clock.
    until: Duration,
}

impl Quota {
    pub(super) fn new(daily: Option<u64>) -> Self {
        Self { daily, day: 0, calls: 0, covered: None, told: None }
    }

    /// Goes on from what is on disk, and covers every further call there first.
    pub(super) fn resume(&mut self, last: Option<Booked>) {
        self.covered = Some(0);
        if let Some(Booked { day, calls }) = last.filter(|last| last.day >= self.day) {
            let before = if day == self.day { self.calls } else { 0 };
            (self.day, self.calls, self.covered) = (day, before.saturating_add(calls), Some(calls));
        }
    }

    /// Begins a new day. A clock set back by a day or less does not begin the old one again: that could
    /// only count less. One that was further ahead was wrong: today takes over its count, which cannot
    /// count less either, and nobody waits for a midnight years away.
    fn turn(&mut self, wall: Timestamp) {
        let day = wall.millis() / DAY;
        if day > self.day {
            self.day = day;
            self.calls = 0;
            self.covered = self.covered.map(|_| 0);
        } else if self.day - day > 1 {
            self.day = day;
            self.covered = self.covered.map(|_| 0);
        }
    }

    /// Whether `lane` must stop.
    pub(super) fn hold(&mut self, lane: Lane, wall: Timestamp, now: Duration) -> Option<Hold> {
        self.turn(wall);
        let percent = lane.daily_percent();
        let spent = |used: u64, limit: u64| used >= limit.saturating_mul(percent) / 100;
        let at = |until: Timestamp, what: &str| {
            let clock = until.to_datetime().format("%H:%M");
            Hold { until, why: format!("{lane} calls wait until {clock} UTC: {percent} % of {what} are used") }
        };
        if let Some(daily) = self.daily.filter(|daily| spent(self.calls, *daily)) {
            let midnight = Timestamp::from_millis((self.day + 1) * DAY);
            return Some(at(midnight, &format!("the {daily} calls a day")));
        }
        let told = self.told.filter(|told| now < told.until && spent(told.usage.used, told.usage.limit))?;
        let until = wall.plus(told.until.saturating_sub(now));
        Some(at(until, &format!("the {} calls the remote allows", told.usage.limit)))
    }

    /// What must be on disk before the next call may leave, if it is not.
    pub(super) fn to_book(&self) -> Option<Booked> {
        let covered = self.covered?;
        (self.calls >= covered).then(|| Booked { day: self.day, calls: self.calls.saturating_add(self.block()) })
    }

    /// `booked` is on disk.
    pub(super) fn booked(&mut self, booked: Booked) {
        if booked.day == self.day {
            self.covered = self.covered.map(|covered| covered.max(booked.calls));
        }
    }

    /// A hundred calls, or a hundredth of a small quota: what a crash may cost.
    fn block(&self) -> u64 {
        self.daily.map_or(BLOCK, |daily| (daily / 100).clamp(1, BLOCK))
    }

    /// A call leaves.
    pub(super) fn count(&mut self) {
        self.calls = self.calls.saturating_add(1);
        // Until its answer comes, the remote's own count is at least one behind.
        if let Some(told) = &mut self.told {
            told.usage.used = told.usage.used.saturating_add(1);
        }
    }

    /// The remote told its count.
    pub(super) fn tell(&mut self, usage: Usage, now: Duration) {
        if usage.limit > 0 {
            self.told = Some(Told { usage, until: now.saturating_add(BELIEVED) });
        }
    }

    /// Calls of this day.
    pub(super) fn today(&mut self, wall: Timestamp) -> u64 {
        self.turn(wall);
        self.calls
    }

    /// The limit that is nearer: used and allowed.
    pub(super) fn nearer(&mut self, wall: Timestamp, now: Duration) -> Option<Usage> {
        self.turn(wall);
        let own = self.daily.map(|limit| Usage { used: self.calls, limit });
        let told = self.told.filter(|told| now < told.until).map(|told| told.usage);
        let part = |usage: &Usage| u128::from(usage.used) * 1_000_000 / u128::from(usage.limit.max(1));
        own.into_iter().chain(told).max_by_key(part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_millis(day * DAY + 3_600_000)
    }

    fn after(calls: u64, daily: u64) -> Quota {
        let mut quota = Quota::new(Some(daily));
        quota.turn(day(20_000));
        (0..calls).for_each(|_| quota.count());
        quota
    }

    fn held(quota: &mut Quota, wall: Timestamp) -> Vec<Lane> {
        Lane::ALL.into_iter().filter(|lane| quota.hold(*lane, wall, Duration::ZERO).is_some()).collect()
    }

    #[test]
    fn lanes_stop_at_sixty_ninety_and_a_hundred_percent_until_midnight() {
        for (calls, stopped) in [
            (0, &[][..]),
            (599, &[]),
            (600, &[Lane::Backfill]),
            (899, &[Lane::Backfill]),
            (900, &[Lane::Live, Lane::Backfill]),
            (999, &[Lane::Live, Lane::Backfill]),
            (1_000, &Lane::ALL),
        ] {
            assert_eq!(held(&mut after(calls, 1_000), day(20_000)), stopped, "{calls} calls");
        }
        let mut spent = after(1_000, 1_000);
        let hold = spent.hold(Lane::Backfill, day(20_000), Duration::ZERO).unwrap();
        assert_eq!(hold.until, Timestamp::from_millis(20_001 * DAY));
        assert_eq!(hold.why, "backfill calls wait until 00:00 UTC: 60 % of the 1000 calls a day are used");
        assert_eq!(held(&mut spent, day(20_001)), []);
    }

    #[test]
    fn a_clock_set_back_does_not_begin_the_day_before_again() {
        let mut quota = after(1_000, 1_000);
        assert_eq!(held(&mut quota, day(19_999)), Lane::ALL);
    }

    #[test]
    fn a_clock_that_was_years_ahead_stops_nobody_for_years_and_forgets_no_call_i34() {
        let mut quota = Quota::new(Some(1_000));
        quota.resume(Some(Booked { day: 20_365, calls: 700 }));
        assert_eq!(held(&mut quota, day(20_000)), [Lane::Backfill], "its calls count for today");
        assert_eq!(held(&mut quota, day(20_001)), [], "and tomorrow is another day");
        assert!(quota.to_book().is_some_and(|booked| booked.day == 20_001));
    }

    #[test]
    fn what_is_on_disk_counts_for_its_own_day_only() {
        let resumed = |day, calls| {
            let mut quota = after(3, 1_000);
            quota.resume(Some(Booked { day, calls }));
            (quota.today(super::tests::day(20_000)), quota.to_book().map(|entry| entry.calls))
        };
        assert_eq!(resumed(20_000, 500), (503, Some(513)), "calls of before the book was opened are covered next");
        assert_eq!(resumed(19_999, 900), (3, Some(13)), "yesterday covers nothing");
        assert_eq!(resumed(20_001, 700), (700, Some(710)), "a clock that was ahead");
    }

    #[test]
    fn the_remotes_own_count_stops_lanes_for_an_hour_at_a_time() {
        let mut quota = Quota::new(None);
        quota.tell(Usage { used: 13_499, limit: 15_000 }, Duration::ZERO);
        assert_eq!(held(&mut quota, day(1)), [Lane::Backfill]);
        quota.count();
        assert_eq!(held(&mut quota, day(1)), [Lane::Live, Lane::Backfill], "our own calls count at once");
        let hold = quota.hold(Lane::Live, day(1), Duration::from_secs(600)).unwrap();
        assert_eq!(hold.until, day(1).plus(Duration::from_secs(3_000)));
        assert_eq!(quota.hold(Lane::Live, day(1), BELIEVED), None, "then it asks again");
        quota.tell(Usage { used: 100, limit: 15_000 }, BELIEVED);
        assert_eq!(quota.nearer(day(1), BELIEVED), Some(Usage { used: 100, limit: 15_000 }));
        quota.tell(Usage { used: 5, limit: 0 }, BELIEVED);
        assert_eq!(held(&mut quota, day(1)), [], "a limit of nothing is no limit");
    }

    proptest! {
        /// Whatever the order of calls, days and crashes: the count after a crash is never lower than what was
        /// sent that day, hence no more calls are ever sent in a day than configured.
        #[test]
        fn a_crash_never_lets_a_day_overrun(
            daily in 1_u64..400,
            steps in proptest::collection::vec((0_u8..40, 1_u64..60), 1..80),
        ) {
            let mut disk: Option<Booked> = None;
            let mut today = 20_000;
            let mut sent = 0_u64;
            let start = |disk: Option<Booked>| {
                let mut quota = Quota::new(Some(daily));
                quota.resume(disk);
                quota
            };
            let mut quota = start(None);
            for (what, calls) in steps {
                match what {
                    0..4 => quota = start(disk),
                    4 => (today, sent) = (today + 1, 0),
                    _ => for _ in 0..calls {
                        if quota.hold(Lane::Operator, day(today), Duration::ZERO).is_some() {
                            break;
                        }
                        if let Some(entry) = quota.to_book() {
                            disk = Some(entry);
                            quota.booked(entry);
                        }
                        quota.count();
                        sent += 1;
                        prop_assert!(disk.is_some_and(|entry| entry.day == today && entry.calls >= sent));
                    }
                }
                prop_assert!(sent <= daily, "{sent} of {daily}");
                prop_assert!(quota.today(day(today)) < sent + (daily / 100).clamp(1, BLOCK) * 80);
            }
        }
    }
}
