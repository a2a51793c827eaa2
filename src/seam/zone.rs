//! The zone a person reads times in (N-08). What is stored, sent or exported stays UTC.

use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// Characters of a zone's name that are shown.
const NAME: usize = 40;

/// A zone to show times in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// As they are stored.
    #[default]
    Utc,
    /// Always so far from UTC.
    Fixed {
        /// What it is called.
        name: String,
        /// How far to the east.
        east: FixedOffset,
    },
    /// As this process's `TZ` says, with its summers and winters.
    Machine {
        /// What `TZ` calls it.
        name: String,
    },
}

/// The first instant of a day in a zone of the IANA database (S-29): midnight, or where that is skipped when
/// clocks go forward, the first moment there is. Nothing for a name that is in no database.
pub fn start_of_day(day: NaiveDate, zone: &str) -> Option<Timestamp> {
    let zone: Tz = zone.parse().ok()?;
    let midnight = day.and_time(NaiveTime::MIN);
    // Clocks skip an hour, in one case in history a day; the first quarter that exists is the day's start.
    let quarters = (0..200).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let first = quarters.into_iter().find_map(|at| zone.from_local_datetime(&at).earliest())?;
    Some(Timestamp::from(first.to_utc()))
}

impl Zone {
    /// The zone of a session whose `TZ` is this: UTC without one, because the zone of the machine that
    /// somebody logged on to is not theirs.
    pub fn of_session(tz: Option<&str>) -> Self {
        let name: String =
            tz.unwrap_or_default().trim_start_matches(':').chars().filter(char::is_ascii_graphic).collect();
        match name.as_str() {
            "" | "UTC" | "UTC0" | "Etc/UTC" | "Z" => Self::Utc,
            _ => Self::Machine { name: name.chars().take(NAME).collect() },
        }
    }

    /// A zone that is always `seconds` east of UTC.
    pub fn fixed(name: &str, seconds: i32) -> Self {
        FixedOffset::east_opt(seconds).map_or(Self::Utc, |east| Self::Fixed { name: name.to_owned(), east })
    }

    /// The instant as clocks there show it.
    pub fn at(&self, at: Timestamp) -> DateTime<FixedOffset> {
        let at = at.to_datetime();
        match self {
            Self::Utc => at.fixed_offset(),
            Self::Fixed { east, .. } => at.with_timezone(east),
            Self::Machine { .. } => {
                let east = Local.offset_from_utc_datetime(&at.naive_utc()).fix();
                at.with_timezone(&east)
            }
        }
    }

    /// How times at about `at` are to be read: `UTC`, or `UTC+2 (Europe/Paris)`. The distance comes first: a
    /// name this machine does not know has none, and shows.
    pub fn label(&self, at: Timestamp) -> String {
        let (Self::Fixed { name, .. } | Self::Machine { name }) = self else { return "UTC".to_owned() };
        let minutes = self.at(at).offset().local_minus_utc() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
        let rest = if rest == 0 { String::new() } else { format!(":{rest:02}") };
        format!("UTC{sign}{hours}{rest} ({name})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_a_zone_reads_utc_n08() {
        for tz in [None, Some(""), Some("UTC"), Some(":UTC"), Some("Etc/UTC"), Some("\u{1b}")] {
            assert_eq!(Zone::of_session(tz), Zone::Utc, "{tz:?}");
        }
        let named = Zone::of_session(Some(":Australia/Sydney\u{1b}[31m"));
        assert_eq!(named, Zone::Machine { name: "Australia/Sydney[31m".to_owned() }, "nothing but plain characters");
        assert_eq!(Zone::Utc.label(Timestamp::EPOCH), "UTC");
    }

    #[test]
    fn a_day_begins_at_its_zones_midnight_or_the_first_moment_there_is_s29() {
        let start = |day: &str, zone: &str| {
            start_of_day(day.parse().unwrap(), zone).map(|at| at.to_datetime().format("%F %T").to_string())
        };
        assert_eq!(start("2026-01-31", "UTC").as_deref(), Some("2026-01-31 00:00:00"));
        assert_eq!(start("2026-01-31", "Europe/Paris").as_deref(), Some("2026-01-30 23:00:00"));
        assert_eq!(start("2026-07-31", "Europe/Paris").as_deref(), Some("2026-07-30 22:00:00"));
        assert_eq!(start("2026-01-31", "Australia/Sydney").as_deref(), Some("2026-01-30 13:00:00"));
        // Clocks in Santiago went from 24:00 to 01:00.
        assert_eq!(start("2024-09-08", "America/Santiago").as_deref(), Some("2024-09-08 04:00:00"));
        assert_eq!((start("2026-01-31", "Mars/Olympus"), start("2026-01-31", "")), (None, None));
    }

    #[test]
    fn a_zone_is_named_with_its_distance_n08() {
        let noon = Timestamp::from_secs(1_795_000_000);
        let label = |seconds| Zone::fixed("there", seconds).label(noon);
        assert_eq!(label(39_600), "UTC+11 (there)");
        assert_eq!(label(-12_600), "UTC-3:30 (there)");
        assert_eq!(Zone::fixed("there", 39_600).at(noon).format("%d %H:%M").to_string(), "18 22:06");
        assert_eq!(Zone::fixed("there", 90_000), Zone::Utc, "no such place");
    }
}
