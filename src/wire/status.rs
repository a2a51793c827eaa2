//! The dashboard in one answer: the daemon, its modules, and what comes in.
//!
//! Types only, like the rest of the wire. Rows that have screens of their own are beside them: remotes, streams
//! and match tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MatchStatus, RemoteStatus, StreamRow};
use crate::model::{ModuleId, Reason, Seq, State, Timestamp};

/// The dashboard in one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Account name.
    pub account: String,
    /// The daemon.
    pub daemon: DaemonStatus,
    /// One row per module in sync order.
    pub modules: Vec<ModuleStatus>,
    /// One row per remote.
    pub remotes: Vec<RemoteStatus>,
    /// One row per side of each match table that is in use.
    #[serde(default)]
    pub matches: Vec<MatchStatus>,
    /// One row per stream; none where nothing is posted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamRow>,
    /// Notifications since the daemon started, where they are received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationStatus>,
    /// Audit position this reflects.
    pub seq: Seq,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Program version.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Since when.
    pub started_at: Timestamp,
    /// Its clock now.
    pub now: Timestamp,
    /// Consoles attached.
    pub clients: u32,
    /// Last thing that went wrong in the engine as a whole (disk, store).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// One module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleStatus {
    /// Which.
    pub name: ModuleId,
    /// `running`, `syncing`, `waiting` (for a quota), `paused`, `tripped`, `failing`, `stopped`.
    pub state: String,
    /// Direction ("both", "to_crm").
    pub direction: String,
    /// Seconds since the last completed sweep of the slower side; absent before the first.
    pub cursor_lag_s: Option<u64>,
    /// Seconds until the next sweep.
    pub next_run_s: Option<u64>,
    /// Items by state.
    pub counts: BTreeMap<State, u64>,
    /// Held items by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Pairs that differ because the CRM changed what iVvy owns, and may (V-43). Nobody is asked about them.
    #[serde(default)]
    pub drifted: u64,
    /// Writes per minute, last minute.
    pub rate_per_min: u32,
    /// Writes per minute, oldest first, for the sparkline.
    pub rates: Vec<u32>,
    /// Progress of a running sweep: rows read, total if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u64, Option<u64>)>,
    /// Why the guard holds, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// Last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Why some of its work waits although nothing is wrong, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

/// Notifications that came (N-07).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationStatus {
    /// Genuine ones, those of the next two counts among them.
    pub received: u64,
    /// Delivered before.
    pub duplicate: u64,
    /// About nothing that is kept in step.
    pub unknown: u64,
    /// Not proved genuine, or unreadable.
    pub refused: u64,
    /// When the last genuine one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}
