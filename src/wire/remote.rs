//! The remotes of the dashboard: whether they answer, and how fast they may be called.
//!
//! Types only, like the rest of the wire.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// One remote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemoteStatus {
    /// `ivvy`, `odoo`, …
    pub name: String,
    /// `closed` (working), `open` (resting), `half_open` (probing).
    pub breaker: String,
    /// Calls in the last minute.
    pub calls_per_min: u32,
    /// Failed calls in the last minute.
    pub errors_per_min: u32,
    /// Last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// How fast calls may go; absent without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Calls of this UTC day; never less than were made.
    #[serde(default)]
    pub calls_today: u64,
    /// The limit of calls a day that is nearer: the configured one, or the remote's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Lanes that must not call now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldLane>,
}

/// How fast calls to a remote may go, per minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Now: less than configured after the remote complained.
    pub now_per_min: u32,
    /// As configured.
    pub configured_per_min: u32,
}

/// Calls a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Used, by whomever.
    pub used: u64,
    /// Allowed.
    pub limit: u64,
}

/// A lane that waits for its quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLane {
    /// `operator`, `live`, `backfill`.
    pub lane: String,
    /// When it may go on.
    pub until: Timestamp,
}
