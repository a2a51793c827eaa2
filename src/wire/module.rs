//! One module looked at closely: the settings in effect, what went wrong lately, its last sweeps.
//!
//! Types only, like the rest of the wire.

use serde::{Deserialize, Serialize};

use super::ModuleStatus;
use crate::model::{ModuleDef, RunRow, Timestamp};

/// Everything the screen of a module shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleView {
    /// Its row of the dashboard.
    pub status: ModuleStatus,
    /// Its field map and filters in effect: fields that only one system holds are not among them.
    pub def: ModuleDef,
    /// Schedule and limits.
    pub settings: ModuleSettings,
    /// What went wrong lately.
    pub failures: Failures,
    /// The last sweeps, newest first.
    pub runs: Vec<RunRow>,
    /// Whether there are older ones.
    #[serde(default)]
    pub more: bool,
}

/// Schedule and limits of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleSettings {
    /// Seconds between two sweeps of what changed.
    pub interval_s: u64,
    /// Seconds between two sweeps of everything.
    pub full_interval_s: u64,
    /// Records last modified before this are not carried over by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sync: Option<Timestamp>,
    /// What one window may bring before the guard trips.
    pub guard: Vec<GuardLimit>,
    /// Seconds of that window.
    pub guard_window_s: u64,
    /// A side that lists less than this percentage of what it did trips the guard too.
    pub shrink_percent: u64,
}

/// One limit of the guard: the larger of a number and a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardLimit {
    /// Of what: `creates`, `updates`, `conflicts`, `emptied`, `same_value`.
    pub what: String,
    /// So many are always allowed.
    pub count: u64,
    /// And this share of the records, in per mille.
    pub per_mille: u64,
    /// What that comes to with the records there are.
    pub allowed: u64,
}

/// What failed lately, and beside it what did not. Since the daemon started, at most an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Writes that failed, or whose outcome is not known, in the last minute.
    pub writes_minute: u32,
    /// The same, in the last hour.
    pub writes_hour: u32,
    /// Writes that succeeded in the last hour.
    pub written_hour: u32,
    /// Sweeps that failed in the last minute.
    pub sweeps_minute: u32,
    /// The same, in the last hour.
    pub sweeps_hour: u32,
}
