//! Writes per minute and module, for the dashboard's sparkline. In memory only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::model::{ModuleId, Timestamp};

/// How many minutes are kept.
const MINUTES: usize = 30;

/// A ring of minutes per module.
#[derive(Debug, Default)]
pub struct Rates(Mutex<BTreeMap<ModuleId, VecDeque<(i64, u32)>>>);

impl Rates {
    /// Counts one write.
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

    /// Writes in each of the last minutes, oldest first; the current minute is the last.
    pub fn minutes(&self, module: ModuleId, now: Timestamp) -> Vec<u32> {
        let this = now.millis() / 60_000;
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.get(&module);
        (0..MINUTES as i64)
            .rev()
            .map(|ago| {
                ring.and_then(|ring| ring.iter().find(|(minute, _)| *minute == this - ago))
                    .map_or(0, |(_, count)| *count)
            })
            .collect()
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
        let minutes = rates.minutes(ModuleId::Contacts, Timestamp::from_secs(185));
        assert_eq!(minutes[MINUTES - 3..], [2, 0, 1]);
        assert_eq!(rates.minutes(ModuleId::Companies, Timestamp::from_secs(185)), vec![0; MINUTES]);
    }
}
