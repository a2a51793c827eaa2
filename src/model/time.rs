//! Instants. Tandem keeps every time as UTC milliseconds; zones exist only where a person reads one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC with millisecond resolution, written in JSON as RFC 3339 (`2026-11-21T08:00:00.000Z`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z, the smallest instant Tandem stores.
    pub const EPOCH: Self = Self(0);
    /// Later than any instant a remote can send; used as an open upper bound.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since the Unix epoch, clamped to `EPOCH..=MAX`.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::EPOCH.0, Self::MAX.0))
    }

    /// From whole seconds since the Unix epoch.
    pub fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch, never negative.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch as an unsigned sort key.
    pub fn sort_key(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// This instant later by `by`, saturating at [`Timestamp::MAX`].
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant earlier by `by`, saturating at [`Timestamp::EPOCH`].
    pub fn minus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time elapsed since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant with the sub-second part cut off, as one-second remotes store it.
    pub fn floor_second(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// As a chrono value, for formatting and calendar maths.
    pub fn to_datetime(self) -> DateTime<Utc> {
        // Invariant: EPOCH..=MAX is inside chrono's range, so the conversion is always single.
        Utc.timestamp_millis_opt(self.0).single().unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self::from_millis(at.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|at| Self::from(at.with_timezone(&Utc)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_through_json_and_saturates() {
        let at = Timestamp::from_millis(1_795_000_000_123);
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
        assert_eq!(Timestamp::from_millis(-5), Timestamp::EPOCH);
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.minus(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(at.floor_second().millis(), 1_795_000_000_000);
    }
}
