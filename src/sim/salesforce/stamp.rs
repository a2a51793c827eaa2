//! Salesforce's ways of writing an instant, and reading them.

use chrono::{DateTime, NaiveDate, Utc};

use crate::model::Timestamp;

/// As it stands in answers: `2026-11-21T08:00:00.000+0000`.
pub fn to_json(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// An instant in a request body or URL: RFC 3339, the offset with or without its colon.
pub fn from_text(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|at| Timestamp::from(at.with_timezone(&Utc)))
}

/// An instant as SOQL writes it: unquoted, `Z` or an offset *with* its colon, upper-case `T`.
pub fn from_literal(text: &str) -> Option<Timestamp> {
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    text.parse().ok()
}

/// A calendar day, `2026-11-21`.
pub fn day(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

/// The start of the minute: the change feeds ignore seconds (`contracts/crm.md` 3).
pub fn floor_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis() - at.millis() % 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_milliseconds_and_an_offset_without_colon() {
        let at: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        assert_eq!(to_json(at), "2026-11-21T08:00:00.000+0000");
        assert_eq!(from_text("2026-11-21T08:00:00.000+0000"), Some(at));
        assert_eq!(from_text("2026-11-21T10:00:00+02:00"), Some(at));
        assert_eq!(from_literal("2026-11-21T10:00:00.000+02:00"), Some(at));
        assert_eq!(from_literal("2026-11-21T08:00:00.000+0000"), None);
        assert_eq!(from_literal("2026-11-21"), None);
        assert_eq!(floor_minute(at.plus(std::time::Duration::from_secs(59))), at);
    }
}
