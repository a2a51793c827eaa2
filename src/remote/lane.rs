//! Lanes: for whom a call to a remote is made, and what that entitles it to (`engine.md` 5.10).
//!
//! A lane says nothing about what is called. Adapters know no lanes: the engine holds one handle of an
//! adapter per lane, and the gate before the remote tells them apart.

use serde::{Deserialize, Serialize};

/// For whom a call is made, most urgent first.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumIter,
    strum::EnumCount,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Lane {
    /// A person waits: their decision, "sync now", `check`.
    Operator,
    /// What keeps the two sides in step: incremental sweeps, ordinary pushes, proofs.
    Live,
    /// What may take its time: full sweeps, and the writes of a first sync.
    Backfill,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Live, Self::Backfill];

    /// This lane's share of a remote's rate, in fifths: 20 %, 60 %, 20 %.
    pub(crate) fn fifths(self) -> u64 {
        match self {
            Self::Operator | Self::Backfill => 1,
            Self::Live => 3,
        }
    }

    /// Percent of a day's calls at which this lane stops.
    pub(crate) fn daily_percent(self) -> u64 {
        match self {
            Self::Operator => 100,
            Self::Live => 90,
            Self::Backfill => 60,
        }
    }
}

/// A number of places, shared out so that a more urgent lane finds one free.
///
/// With `n` places operators may have all of them, the lower two lanes `n − 1` together, backfill
/// `n − 2`; but no lane's part is ever less than one. So from two places on no operator waits for a
/// lower lane, and from three on no live call waits for backfill; with fewer there is nothing to set
/// aside, and an upper lane waits for one place to become free, never for a whole line.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    all: usize,
    taken: [usize; 3],
}

impl Places {
    /// `all` places, none of them taken; at least one.
    pub(crate) fn new(all: usize) -> Self {
        Self { all: all.max(1), taken: [0; 3] }
    }

    /// Whether `lane` may take another one.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        let [operator, live, backfill] = self.taken;
        let room = |kept: usize, taken: usize| taken < self.all.saturating_sub(kept).max(1);
        operator + live + backfill < self.all
            && match lane {
                Lane::Operator => true,
                Lane::Live => room(1, live + backfill),
                Lane::Backfill => room(1, live + backfill) && room(2, backfill),
            }
    }

    /// Takes one. The caller has asked [`Places::has_room`].
    pub(crate) fn take(&mut self, lane: Lane) {
        self.taken[lane as usize] += 1;
    }

    /// Gives one back.
    pub(crate) fn leave(&mut self, lane: Lane) {
        let taken = &mut self.taken[lane as usize];
        *taken = taken.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shares_make_up_the_whole() {
        assert_eq!(Lane::ALL.map(Lane::fifths).iter().sum::<u64>(), 5);
        assert!(Lane::ALL.is_sorted());
    }

    proptest! {
        #[test]
        fn lower_lanes_never_take_what_is_set_aside(
            all in 1_usize..9,
            moves in proptest::collection::vec((0_usize..3, any::<bool>()), 0..60),
        ) {
            let mut places = Places::new(all);
            for (lane, comes) in moves {
                let lane = Lane::ALL[lane];
                if !comes {
                    places.leave(lane);
                } else if places.has_room(lane) {
                    places.take(lane);
                }
                let [operator, live, backfill] = places.taken;
                prop_assert!(operator + live + backfill <= all);
                if all >= 2 {
                    prop_assert!(live + backfill < all, "an operator finds a place");
                    prop_assert!(places.has_room(Lane::Operator) || operator > 0, "or waits for operators only");
                }
                if all >= 3 {
                    prop_assert!(backfill <= all - 2);
                    prop_assert!(places.has_room(Lane::Live) || operator + live > 0, "not for backfill alone");
                }
            }
            // Nobody is shut out for good: an empty house has room for everyone.
            prop_assert!(Lane::ALL.into_iter().all(|lane| Places::new(all).has_room(lane)));
        }
    }
}
