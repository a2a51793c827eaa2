//! What a gate is told, and what it tells. Pure data.

use std::num::NonZeroU32;
use std::time::Duration;

use super::breaker::{BreakerSettings, BreakerState};
use super::quota::Usage;
use crate::model::Timestamp;
use crate::remote::lane::Lane;

/// How a remote is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// Time in which the bucket gains one token, when the remote does not complain; zero lifts the rate
    /// limit, and with it the shares of the lanes: the more urgent always goes first then.
    pub per_call: Duration,
    /// Calls that may follow each other at once after a quiet time.
    pub burst: NonZeroU32,
    /// Calls in flight at most.
    pub max_in_flight: NonZeroU32,
    /// Calls a day (UTC) at most: backfill stops at 60 % of them, live work at 90 %.
    pub daily_calls: Option<u64>,
    /// When to stop calling, and for how long.
    pub breaker: BreakerSettings,
    /// First pause after "too many requests" without a usable `Retry-After`; doubles each time.
    pub first_pause: Duration,
    /// Longest such pause of our own choosing.
    pub longest_backoff: Duration,
    /// Longest pause a remote can ask of us.
    pub longest_pause: Duration,
    /// A call waits this long for a pause to end; if it must wait longer it is turned away, so that
    /// no worker is held up by one remote.
    pub patience: Duration,
}

impl Default for GateSettings {
    /// The conservative reading for iVvy (`contracts/ivvy.md` 17.1): two calls per second, two in flight,
    /// pauses of 2 s to 60 s.
    fn default() -> Self {
        Self {
            per_call: Duration::from_millis(500),
            burst: NonZeroU32::MIN.saturating_add(1),
            max_in_flight: NonZeroU32::MIN.saturating_add(1),
            daily_calls: None,
            breaker: BreakerSettings::default(),
            first_pause: Duration::from_secs(2),
            longest_backoff: Duration::from_secs(60),
            longest_pause: Duration::from_secs(15 * 60),
            patience: Duration::from_secs(30),
        }
    }
}

/// What a gate has seen: the fields of one remote's row on the status screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateStatus {
    /// The remote (`ivvy`, `odoo`).
    pub name: String,
    /// The breaker; displays as `closed`, `open`, `half_open`.
    pub breaker: BreakerState,
    /// Calls sent in the last 60 seconds.
    pub calls_per_min: u32,
    /// Calls that were seen to fail in the last 60 seconds: no answer, or a status that speaks of the
    /// service rather than of one record (401, 403, 408, 429, 460 and above).
    pub errors_per_min: u32,
    /// The last such failure.
    pub last_error: Option<String>,
    /// How long the remote still has to be left alone: pause or rest.
    pub waits_for: Option<Duration>,
    /// The rate, unless there is no limit.
    pub rate: Option<RateStatus>,
    /// Calls of this UTC day; never less than were made.
    pub calls_today: u64,
    /// The limit of calls a day that is nearer, ours or the remote's own.
    pub quota: Option<Usage>,
    /// Lanes that must not call now, and until when.
    pub held: Vec<(Lane, Timestamp)>,
}

/// How fast, in calls per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStatus {
    /// What the gate allows now.
    pub now: u32,
    /// What is configured.
    pub configured: u32,
}
