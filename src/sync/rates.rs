//! Events per minute and module, for the dashboard's sparkline and error rates. In memory only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::model::{ModuleId, Timestamp};

/// How many minutes are kept.
const MINUTES: usize = 60;

/// A ring of minutes per module.
#[derive(Debug, Default)]
pub struct Rates(Mutex<BTreeMap<ModuleId, VecDeque<(i64, u32)>>>);

impl Rates {
    /// Counts one.
    pub fn count(&self, module: ModuleId, now: Timestamp) {
        let minute = now.millis() / 60_000;
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.entry(module).or_default();
        match ring.back_mut() {
            Some((last, count)) if *last == minute => *count += 1,
            _ => ring.push_back((minute, 1)),
        }
        while ring.len() > MINUTES {
            ring.pop_front();
        }
    }

    /// How many in each of the last `minutes`, oldest first; the current minute is the last.
    pub fn minutes(&self, module: ModuleId, now: Timestamp, minutes: usize) -> Vec<u32> {
        let this = now.millis() / 60_000;
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.get(&module);
        (0..minutes.min(MINUTES) as i64)
            .rev()
            .map(|ago| {
                ring.and_then(|ring| ring.iter().find(|(minute, _)| *minute == this - ago))
                    .map_or(0, |(_, count)| *count)
            })
            .collect()
    }

    /// How many in the last minute, and in the last hour. A minute that has just begun says nothing yet, so
    /// it is the larger of this one and the one before.
    pub fn lately(&self, module: ModuleId, now: Timestamp) -> (u32, u32) {
        let minutes = self.minutes(module, now, MINUTES);
        let minute = minutes.iter().rev().take(2).copied().max().unwrap_or(0);
        (minute, minutes.iter().fold(0, |sum, count| sum.saturating_add(*count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_oldest_first_and_gaps_are_zero() {
        let rates = Rates::default();
        rates.count(ModuleId::Contacts, Timestamp::from_secs(60));
        rates.count(ModuleId::Contacts, Timestamp::from_secs(61));
        rates.count(ModuleId::Contacts, Timestamp::from_secs(180));
        let minutes = rates.minutes(ModuleId::Contacts, Timestamp::from_secs(185), 30);
        assert_eq!((minutes.len(), &minutes[27..]), (30, &[2, 0, 1][..]));
        assert_eq!(rates.minutes(ModuleId::Companies, Timestamp::from_secs(185), 30), vec![0; 30]);
    }

    #[test]
    fn the_last_hour_forgets_what_is_older() {
        let rates = Rates::default();
        let at = |minute: i64| Timestamp::from_secs(minute * 60);
        rates.count(ModuleId::Contacts, at(1));
        (0..3).for_each(|_| rates.count(ModuleId::Contacts, at(60)));
        assert_eq!(rates.lately(ModuleId::Contacts, at(60)), (3, 4));
        assert_eq!(rates.lately(ModuleId::Contacts, at(61)), (3, 3), "the minute before counts, an hour ago does not");
        assert_eq!(rates.lately(ModuleId::Contacts, at(62)), (0, 3));
    }
}
