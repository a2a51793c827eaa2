//! Payloads of a stream that came and could not be taken, by their digest: what becomes of one is seen even where
//! others go through (S-17). Nothing of what they say is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Gap, Rhythm};
use crate::model::Timestamp;

/// Payloads that are remembered per stream; of more, those that came longest ago are forgotten.
const MOST: usize = 64;

/// A payload that could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The first eight bytes of its digest.
    pub payload: u64,
    /// When it first came.
    pub since: Timestamp,
    /// When it last came.
    pub last_at: Timestamp,
    /// How often.
    pub tries: u32,
}

impl Failing {
    /// Whether its sender has given it up by `now`, or is about to.
    fn is_lost(&self, now: Timestamp, rhythm: &Rhythm) -> bool {
        let long = self.tries > 1 && now.since(self.since) > rhythm.horizon();
        let stopped = self.tries >= rhythm.tries && now.since(self.last_at) > rhythm.every * 2;
        long || stopped
    }

    /// Whether nothing will come of it any more: it came once, long ago.
    fn is_over(&self, now: Timestamp, rhythm: &Rhythm) -> bool {
        now.since(self.last_at) > rhythm.horizon().saturating_mul(2)
    }
}

/// Those of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failures(Vec<Failing>);

impl Failures {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A payload could not be taken.
    pub fn note(&mut self, payload: u64, at: Timestamp) {
        self.add(Failing { payload, since: at, last_at: at, tries: 1 });
    }

    /// Adds what somebody else noted.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|failing| self.add(*failing));
    }

    fn add(&mut self, new: Failing) {
        match self.0.iter_mut().find(|known| known.payload == new.payload) {
            Some(known) => {
                known.since = known.since.min(new.since);
                known.last_at = known.last_at.max(new.last_at);
                known.tries = known.tries.saturating_add(new.tries);
            }
            None => self.0.push(new),
        }
        if self.0.len() > MOST {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, failing)| failing.last_at).map(|(index, _)| index);
            oldest.map(|index| self.0.remove(index));
        }
    }

    /// A payload was taken after all.
    pub fn taken(&mut self, payload: u64) {
        self.0.retain(|failing| failing.payload != payload);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes out those that are given up by `now`; returns the time they are missing from.
    pub fn lost(&mut self, now: Timestamp, rhythm: &Rhythm) -> Option<Gap> {
        let from = self.0.iter().filter(|failing| failing.is_lost(now, rhythm)).map(|failing| failing.since).min();
        self.0.retain(|failing| !failing.is_lost(now, rhythm) && !failing.is_over(now, rhythm));
        from.map(|from| Gap { from, to: now })
    }
}

impl Rhythm {
    /// Longest time without us after which a sender has met nobody for certain.
    pub(super) fn absence(&self) -> Duration {
        self.every
    }
}
