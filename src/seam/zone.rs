//! The zone a person reads times in (N-08). What is stored, sent or exported stays UTC.

use chrono::{DateTime, FixedOffset, Local, Offset as _, TimeZone as _};

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
    fn a_zone_is_named_with_its_distance_n08() {
        let noon = Timestamp::from_secs(1_795_000_000);
        let label = |seconds| Zone::fixed("there", seconds).label(noon);
        assert_eq!(label(39_600), "UTC+11 (there)");
        assert_eq!(label(-12_600), "UTC-3:30 (there)");
        assert_eq!(Zone::fixed("there", 39_600).at(noon).format("%d %H:%M").to_string(), "18 22:06");
        assert_eq!(Zone::fixed("there", 90_000), Zone::Utc, "no such place");
    }
}
