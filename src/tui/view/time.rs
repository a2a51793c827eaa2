//! Times for people: short, and never changing by themselves while nothing else does.

use std::time::Duration;

use crate::model::Timestamp;
use crate::seam::Zone;

/// `12 s`, `4 min`, `3 h`, `9 d`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Clock time on the day of `now`, date and time otherwise, as clocks in `zone` show it.
pub(super) fn stamp(zone: &Zone, at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (zone.at(at), zone.at(now));
    if at.date_naive() == now.date_naive() {
        at.format("%H:%M:%S").to_string()
    } else {
        at.format("%m-%d %H:%M").to_string()
    }
}

/// A number with thousands set apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_short() {
        assert_eq!(span(Duration::from_secs(119)), "119 s");
        assert_eq!(span(Duration::from_secs(7_199)), "119 min");
        assert_eq!(span(Duration::from_secs(86_400 * 9)), "9 d");
        assert_eq!([count(7), count(1_234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        let noon = Timestamp::from_secs(1_795_000_000);
        let utc = |now| stamp(&Zone::Utc, noon, now);
        assert_eq!(utc(noon), "11:06:40");
        assert_eq!(utc(noon.plus(Duration::from_secs(86_400))), "11-18 11:06");
    }

    #[test]
    fn a_day_begins_where_the_operator_is_n08() {
        let noon = Timestamp::from_secs(1_795_000_000);
        let evening = noon.plus(Duration::from_secs(2 * 3_600));
        let sydney = Zone::fixed("Sydney", 11 * 3_600);
        assert_eq!(stamp(&sydney, noon, noon), "22:06:40");
        assert_eq!(stamp(&sydney, noon, evening), "11-18 22:06", "past midnight there, the same day in UTC");
        assert_eq!(stamp(&Zone::Utc, noon, evening), "11:06:40");
    }
}
