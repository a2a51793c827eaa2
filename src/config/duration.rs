//! Durations as people write them: `90s`, `15m`, `1h30m`, `500ms`, `1d`.
//!
//! A unit is compulsory: a bare number is refused, because nobody remembers which unit it meant.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error as _, Visitor};

/// Units from long to short, with their length in milliseconds. Also the order parts must come in.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration. The error is one clause that says what is wrong.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err("an empty duration; write for example \"15m\"".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let count: u64 = number.parse().map_err(|_| not_a_duration(text))?;
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(if unit.is_empty() {
                format!("`{text}` lacks a unit; write for example \"{count}s\" or \"{count}m\"")
            } else {
                not_a_duration(text)
            });
        };
        if *millis >= smallest {
            return Err(not_a_duration(text));
        }
        smallest = *millis;
        total = count.checked_mul(*millis).and_then(|part| total.checked_add(part)).ok_or_else(|| {
            format!("`{text}` is too long") // more than half a billion years
        })?;
        rest = next.trim_start();
    }
    Ok(Duration::from_millis(total))
}

fn not_a_duration(text: &str) -> String {
    format!("`{text}` is not a duration; write for example \"90s\", \"15m\" or \"1h30m\"")
}

/// Writes a duration so that [`parse`] reads the same one back.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

struct Humane;

impl Visitor<'_> for Humane {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in quotes like \"15m\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration = deserializer.deserialize_any(Humane)?;
    if duration.is_zero() { Err(D::Error::custom("a duration of zero")) } else { Ok(duration) }
}

/// For `#[serde(deserialize_with)]` on an optional key; zero is allowed.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    deserializer.deserialize_any(Humane).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn humane_durations_are_read_and_written() {
        for (text, seconds) in [("15m", 900), ("90s", 90), ("1h30m", 5400), ("1d", 86_400), ("2h 5s", 7205)] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_secs(seconds), "{text}");
            assert_eq!(parse(&format(duration)).unwrap(), duration);
        }
        assert_eq!(parse("1s500ms").unwrap(), Duration::from_millis(1500));
        assert_eq!(format(Duration::ZERO), "0s");
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for text in ["", "15", "m", "15 m 3", "1m1h", "1m1m", "-5m", "1.5h", "9999999999999999999d", "213503982335d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
