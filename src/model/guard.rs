//! The bulk guard: nothing that touches an unusual number of records leaves before a person has
//! looked (`engine.md` 5.11).

use serde::{Deserialize, Serialize};

use super::{Actor, ModuleId, Timestamp};

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
}

impl Trip {
    /// A trip nobody has asked to release yet.
    pub fn new(cause: TripCause, at: Timestamp, message: impl Into<String>) -> Self {
        Self { cause, at, message: message.into(), asked: None }
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
    /// A side shrank to less than half.
    SideShrank,
    /// The field map changed since the last run.
    MappingChanged,
}
