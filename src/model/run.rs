//! What became of each sweep: the history a module's screen shows.
//!
//! Pauses, releases and decisions are in the audit log and are not told again here.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

use super::{ModuleId, Side, Timestamp};

/// Runs kept per module; the oldest go first.
pub const RUNS_KEPT: u64 = 500;

/// One sweep of one side of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Counts the runs of the module, from 1; zero before the run is on record.
    pub number: u64,
    /// Of which module.
    pub module: ModuleId,
    /// The side that was read.
    pub side: Side,
    /// What was read.
    pub kind: RunKind,
    /// An operator asked for it; otherwise it was due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; absent while it is under way and after an interruption, which nobody saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Rows read.
    pub rows: u64,
    /// How many rows the remote said there were, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Rows that were new or different from what was known.
    pub changed: u64,
    /// How it ended.
    pub end: RunEnd,
    /// What went wrong. May hold remote text: sanitise before display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often in a row it failed like this before anything was read.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde asks
fn is_once(times: &u32) -> bool {
    *times == 1
}

impl RunRow {
    /// A run that begins.
    pub fn begin(module: ModuleId, side: Side, kind: RunKind, asked: bool, started_at: Timestamp) -> Self {
        Self {
            number: 0,
            module,
            side,
            kind,
            asked,
            started_at,
            ended_at: None,
            rows: 0,
            total: None,
            changed: 0,
            end: RunEnd::Running,
            error: None,
            times: 1,
        }
    }

    /// The same, ended.
    #[must_use]
    pub fn ended(mut self, end: RunEnd, at: Timestamp) -> Self {
        (self.end, self.ended_at) = (end, Some(at));
        self
    }

    /// Whether this failure, before anything was read, is `last` once more: a remote that is away for a
    /// night must not push everything else out of the history.
    pub fn repeats(&self, last: &Self) -> bool {
        let failed = |run: &Self| run.end == RunEnd::Failed && run.rows == 0;
        failed(self)
            && failed(last)
            && (self.module, self.side, self.kind, &self.error) == (last.module, last.side, last.kind, &last.error)
    }
}

/// What a sweep reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunKind {
    /// What changed since the last one.
    Changes,
    /// Everything.
    Full,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunEnd {
    /// It has not.
    Running,
    /// Everything was read.
    Done,
    /// It was given up; the next one begins where it did.
    Failed,
    /// The daemon ended under it.
    Interrupted,
}
