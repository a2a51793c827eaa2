//! Slices of time: how a listing that will not hold still is cut into parts that do (`engine.md` 5.7).

use std::time::Duration;

use crate::model::Timestamp;
use crate::remote::PageRequest;

/// The records stamped in `[from, until)`; a missing bound leaves that end open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Slice {
    /// Everything from `from` on.
    pub fn from(from: Option<Timestamp>) -> Self {
        Self { from, until: None }
    }

    /// The request for its first page. The whole of a sweep is asked for as it is. A part is asked for
    /// one step wider on its lower end, because it is not documented everywhere whether a bound includes
    /// itself: neighbours then show some rows twice, which is free, and never miss one.
    pub fn request(&self, step: Duration, part: bool) -> PageRequest {
        let from = if part { self.from.map(|from| from.minus(step)) } else { self.from };
        PageRequest { from, to: self.until, position: None }
    }

    /// The older and the newer part, cut `near` a stamp if that lies inside and in the middle otherwise;
    /// nothing if the slice is one step long already. `now` is the remote's own time as last heard: an
    /// open end is cut in the past only, so that nothing can still be written into a part that has been
    /// read.
    pub fn cut(&self, near: Option<Timestamp>, now: Timestamp, step: Duration) -> Option<[Self; 2]> {
        let step = i64::try_from(step.as_millis()).ok().filter(|step| *step > 0)?;
        let whole = |at: Timestamp| at.millis().div_euclid(step);
        let first = self.from.map_or(0, whole);
        let end = whole(self.until.unwrap_or(now));
        if end - first < 2 {
            return None;
        }
        // Right behind a stamp is as good as right before it, and cuts a flood of equal ones off.
        let near = near.map(whole).into_iter().flat_map(|near| [near, near + 1]);
        let middle = near.into_iter().find(|at| first < *at && *at < end).unwrap_or(first + (end - first) / 2);
        let middle = Some(Timestamp::from_millis(middle * step));
        Some([Self { from: self.from, until: middle }, Self { from: middle, until: self.until }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_secs(second))
    }

    /// Cuts `slice` until nothing can be cut, oldest first.
    fn crumbs(slice: Slice, near: Option<Timestamp>, now: Timestamp) -> Vec<Slice> {
        let mut pending = vec![slice];
        let mut crumbs = Vec::new();
        while let Some(slice) = pending.pop() {
            match slice.cut(near, now, SECOND) {
                Some([older, newer]) => pending.extend([newer, older]),
                None => crumbs.push(slice),
            }
        }
        crumbs
    }

    proptest::proptest! {
        #[test]
        fn parts_leave_no_gap_down_to_one_second_i12(
            from in proptest::option::of(0_i64..50),
            near in proptest::option::of(0_i64..60),
            now in 0_i64..60,
        ) {
            let near = near.map(Timestamp::from_secs);
            let crumbs = crumbs(Slice::from(from.map(Timestamp::from_secs)), near, Timestamp::from_secs(now));
            proptest::prop_assert_eq!(crumbs[0].from, from.map(Timestamp::from_secs));
            proptest::prop_assert_eq!(crumbs[crumbs.len() - 1].until, None);
            for pair in crumbs.windows(2) {
                proptest::prop_assert_eq!(pair[0].until, pair[1].from);
                let length = pair[0].until.unwrap().since(pair[0].from.unwrap_or(Timestamp::EPOCH));
                proptest::prop_assert_eq!(length, SECOND);
                // What is still being written to stays in the last, open one.
                proptest::prop_assert!(pair[0].until < at(now));
            }
        }
    }

    #[test]
    fn a_part_is_asked_for_wider_than_it_is_and_a_whole_as_it_is() {
        let slice = Slice { from: at(10), until: at(11) };
        assert_eq!(slice.request(SECOND, true), PageRequest { from: at(9), to: at(11), position: None });
        assert_eq!(Slice::from(at(10)).request(SECOND, false), PageRequest { from: at(10), to: None, position: None });
    }

    #[test]
    fn a_flood_of_equal_stamps_is_cut_off_from_what_is_around_it() {
        let cut = |slice: Slice| slice.cut(at(30), Timestamp::from_secs(100), SECOND).unwrap().map(|part| part.from);
        assert_eq!(cut(Slice::from(at(10))), [at(10), at(30)]);
        assert_eq!(cut(Slice::from(at(30))), [at(30), at(31)]);
        assert_eq!(cut(Slice::from(at(40))), [at(40), at(70)], "a stamp from elsewhere says nothing");
    }

    #[test]
    fn a_clock_that_tells_nothing_cuts_nothing() {
        assert_eq!(Slice::from(None).cut(None, Timestamp::EPOCH, SECOND), None);
        assert_eq!(Slice::from(at(5)).cut(None, Timestamp::from_secs(60), Duration::ZERO), None);
    }
}
