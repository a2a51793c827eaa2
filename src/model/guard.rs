//! The bulk guard: nothing that touches an unusual number of records leaves before a person has
//! looked (`engine.md` 5.11).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Actor, Fingerprint, ModuleId, Timestamp, Value};

/// The guard of one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Which module.
    pub module: ModuleId,
    /// Set while tripped: nothing of the module is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Trip>,
    /// When the first sync was released, and by whom; `None` until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_released: Option<(Timestamp, String)>,
    /// Start of the counting window.
    pub window_start: Timestamp,
    /// Creates planned in the window.
    pub creates: u64,
    /// Updates planned in the window.
    pub updates: u64,
    /// Conflicts planned in the window.
    pub conflicts: u64,
    /// What the window's updates would write, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldWrites>,
    /// The field map and filters of the last run; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Fingerprint>,
}

impl Guard {
    /// Begins a new counting window.
    pub fn begin_window(&mut self, now: Timestamp) {
        self.window_start = now;
        (self.creates, self.updates, self.conflicts) = (0, 0, 0);
        self.fields.clear();
    }
}

/// Values remembered per field. A value is counted too low by at most one in so many of the window's
/// writes, so a bulk edit hidden among others is noticed a little later, never missed.
const VALUES: usize = 24;

/// What one field was to be set to within a window: the marks of a bulk edit. Holds no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldWrites {
    /// How often to nothing.
    pub emptied: u64,
    /// How often to the same value, for the most frequent ones (Misra and Gries' summary).
    pub values: Vec<(Fingerprint, u64)>,
}

impl FieldWrites {
    /// Counts one write of `value`.
    pub fn note(&mut self, value: &Value) {
        if value.is_empty() {
            self.emptied += 1;
            return;
        }
        let value = Fingerprint::of(value);
        if let Some((_, count)) = self.values.iter_mut().find(|(known, _)| *known == value) {
            *count += 1;
        } else if self.values.len() < VALUES {
            self.values.push((value, 1));
        } else {
            self.values.iter_mut().for_each(|(_, count)| *count -= 1);
            self.values.retain(|(_, count)| *count > 0);
        }
    }

    /// How often it was to be set to its most frequent value, at least.
    pub fn most_frequent(&self) -> u64 {
        self.values.iter().map(|(_, count)| *count).max().unwrap_or(0)
    }
}

/// Why and when a guard tripped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// What was too much.
    pub cause: TripCause,
    /// When.
    pub at: Timestamp,
    /// One sentence with the numbers.
    pub message: String,
    /// Who asked for its release, where that takes two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Actor>,
    /// Items let through as samples since it tripped.
    #[serde(default)]
    pub sampled: u64,
}

impl Trip {
    /// A trip nobody has asked to release yet.
    pub fn new(cause: TripCause, at: Timestamp, message: impl Into<String>) -> Self {
        Self { cause, at, message: message.into(), asked: None, sampled: 0 }
    }

    /// Why nothing is written, for a person.
    pub fn sentence(&self) -> String {
        match &self.asked {
            Some(asked) => format!("{}; {} released it, and a second person must too", self.message, asked.name),
            None => self.message.clone(),
        }
    }
}

/// What can trip a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TripCause {
    /// The first sync of a module always starts tripped.
    FirstSync,
    /// More creates than allowed in one window.
    Creates,
    /// More updates than allowed.
    Updates,
    /// More conflicts than allowed.
    Conflicts,
    /// One field would be emptied in more records than allowed.
    Emptied,
    /// One field would be set to one value in more records than allowed.
    SameValue,
    /// A side shrank to less than half.
    SideShrank,
    /// The field map changed since the last run.
    MappingChanged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_edit_is_seen_among_any_number_of_other_values_i21() {
        let mut writes = FieldWrites::default();
        for number in 0..1_000 {
            writes.note(&Value::text(format!("their own {number}")));
            if number % 5 == 0 {
                writes.note(&Value::text("all of you"));
            }
        }
        let lowest = 200 - 1_200 / (VALUES as u64 + 1);
        assert!((lowest..=200).contains(&writes.most_frequent()), "{}", writes.most_frequent());
        assert!(writes.values.len() <= VALUES);
    }

    #[test]
    fn different_values_are_no_bulk_edit_and_emptying_is_counted_apart() {
        let mut writes = FieldWrites::default();
        (0..1_000).for_each(|number| writes.note(&Value::Int(number)));
        writes.note(&Value::Null);
        writes.note(&Value::text(""));
        assert_eq!((writes.most_frequent() <= 1, writes.emptied), (true, 2));
    }
}
