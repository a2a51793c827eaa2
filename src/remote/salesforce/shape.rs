//! How single values look in Salesforce: one [`Shape`] per way of keeping them.
//!
//! Reading never guesses: what does not fit its shape stays absent, which never means a change (I27), and
//! a picklist value we have no word for is passed on as it is. Writing refuses what Salesforce could not
//! hold faithfully.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Number, Value as Json, json};

use crate::model::Value;
use crate::text::html_to_text;

/// Longest text of a long text area, in characters.
const LONG_TEXT: usize = 32_000;
/// Up to here every whole double is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How a value is kept there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text of any kind: also ids and picklist values.
    Text,
    /// A whole number.
    Integer,
    /// A tick box; never null.
    Boolean,
    /// A multi-select picklist: values joined by semicolons.
    Several,
    /// The same, of which only these values are ours; the others stay as they are.
    SomeOf(BTreeSet<String>),
    /// An amount of money: decimal text here, a number there.
    Decimal,
    /// A calendar day.
    Day,
    /// An instant, to the second.
    Instant,
    /// The UTC day of an instant. Written only: an instant cannot be read back from it.
    DayOf,
    /// One of our words, each with its value in a picklist.
    Words(BTreeMap<String, String>),
    /// Text that must not be empty there: this stands for nothing.
    Filled(&'static str),
    /// A user. There is always one, so nothing cannot be written.
    Owner,
    /// A page of HTML here, its text there.
    Page,
}

impl Shape {
    /// The value in `raw`, or `None` if it does not fit.
    pub(super) fn decode(&self, raw: &Json) -> Option<Value> {
        match (self, raw) {
            (Self::DayOf, _) => None,
            (_, Json::Null) => Some(Value::Null),
            (Self::Filled(nothing), Json::String(text)) if text == nothing => Some(Value::Null),
            (Self::Text | Self::Filled(_) | Self::Owner | Self::Page, Json::String(text)) => Some(Value::text(text)),
            (Self::Boolean, Json::Bool(flag)) => Some(Value::Bool(*flag)),
            (Self::Several, Json::String(text)) => {
                Some(Value::Set(text.split(';').filter(|member| !member.is_empty()).map(str::to_owned).collect()))
            }
            (Self::SomeOf(ours), Json::String(text)) => {
                Some(Value::Set(text.split(';').filter(|member| ours.contains(*member)).map(str::to_owned).collect()))
            }
            (Self::Integer, Json::Number(number)) => {
                number.as_i64().or_else(|| whole(number.as_f64()?)).map(Value::Int)
            }
            (Self::Decimal, Json::Number(number)) => Some(Value::text(decimal_text(number))),
            (Self::Day, Json::String(text)) => day(text).map(|day| Value::text(day.to_string())),
            (Self::Instant, Json::String(text)) => {
                Some(Value::text(instant(text)?.to_rfc3339_opts(SecondsFormat::Secs, true)))
            }
            (Self::Words(words), Json::String(text)) => {
                let word = words.iter().find(|(_, label)| *label == text).map(|(word, _)| word);
                Some(Value::text(word.unwrap_or(text)))
            }
            _ => None,
        }
    }

    /// `value` as it is written.
    ///
    /// # Errors
    /// Why Salesforce cannot hold it, without the value itself.
    pub(super) fn encode(&self, value: &Value) -> Result<Json, &'static str> {
        match (self, value) {
            (Self::Boolean, Value::Bool(flag)) => Ok(json!(flag)),
            (Self::Boolean, empty) if empty.is_empty() => Ok(json!(false)),
            (Self::Filled(nothing), empty) if empty.is_empty() => Ok(json!(nothing)),
            (Self::Owner, empty) if empty.is_empty() => Err("a Salesforce record always has an owner"),
            (_, empty) if empty.is_empty() => Ok(Json::Null),
            (Self::Integer, Value::Int(number)) => Ok(json!(number)),
            (Self::Integer, Value::Text(text)) => {
                text.trim().parse::<i64>().map(|number| json!(number)).map_err(|_| "not a whole number")
            }
            (Self::Text | Self::Filled(_) | Self::Owner, Value::Text(text)) => Ok(json!(text)),
            (Self::Text, Value::Int(number)) => Ok(json!(number.to_string())),
            (Self::Page, Value::Text(html)) => Ok(json!(html_to_text(html, LONG_TEXT))),
            (Self::SomeOf(ours), Value::Set(members)) if !members.is_subset(ours) => {
                Err("not one of the names that are kept in step")
            }
            (Self::Several, Value::Set(members)) if members.iter().any(|member| member.contains(';')) => {
                Err("a value with a semicolon cannot be one of several")
            }
            (Self::Several | Self::SomeOf(_), Value::Set(members)) => {
                Ok(json!(members.iter().map(String::as_str).collect::<Vec<_>>().join(";")))
            }
            (Self::Decimal, Value::Text(text)) => decimal(text.trim()).map(Json::Number),
            (Self::Decimal, Value::Int(number)) => decimal(&number.to_string()).map(Json::Number),
            (Self::Day, Value::Text(text)) => {
                day(text.trim()).map(|day| json!(day.to_string())).ok_or("not a day like 2026-11-21")
            }
            (Self::Instant, Value::Text(text)) => {
                let at = instant(text.trim()).ok_or("not an instant like 2026-11-21T08:00:00Z")?;
                Ok(json!(at.to_rfc3339_opts(SecondsFormat::Secs, true)))
            }
            (Self::DayOf, Value::Text(text)) => {
                let at = instant(text.trim()).ok_or("not an instant like 2026-11-21T08:00:00Z")?;
                Ok(json!(at.date_naive().to_string()))
            }
            (Self::Words(words), Value::Text(word)) => {
                words.get(word).map(|label| json!(label)).ok_or("Salesforce has no value for this word")
            }
            _ => Err("Salesforce cannot hold a value of this type"),
        }
    }
}

/// Salesforce tells some whole numbers as `5.0`.
fn whole(number: f64) -> Option<i64> {
    // Up to 2^53 every whole double is exact, so the conversion loses nothing.
    let exact = number.fract() == 0.0 && number.abs() <= EXACT;
    exact.then_some(number as i64)
}

/// Decimal text as a JSON number, if a double holds it to the cent: JSON knows no other numbers, and
/// Salesforce keeps two places.
fn decimal(text: &str) -> Result<Number, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (units, cents) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(units) || !plain(cents) {
        return Err("not a decimal number");
    }
    let kept = cents.trim_end_matches('0');
    // 15 significant digits survive a double unchanged.
    if kept.len() > 2 || units.trim_start_matches('0').len() > 13 {
        return Err("Salesforce holds at most 13 digits before the point and two behind it exactly");
    }
    let number: f64 = text.parse().map_err(|_| "not a decimal number")?;
    // Minus nothing is nothing.
    Number::from_f64(if number == 0.0 { 0.0 } else { number }).ok_or("not a decimal number")
}

/// A JSON number as decimal text with at least two places: the shortest text that is this number, so that
/// nothing a double only seems to hold is made up.
fn decimal_text(number: &Number) -> String {
    let text = number.to_string();
    if text.contains(['e', 'E']) {
        // Beyond what money comes to; as written out as it can be.
        return number.as_f64().map_or(text, |number| format!("{number:.2}"));
    }
    let (units, places) = text.split_once('.').unwrap_or((&text, ""));
    format!("{units}.{places:0<2}")
}

fn day(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

/// `2026-11-21T09:13:55.000+0000`, or RFC 3339.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    Some(at.ok()?.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> Shape {
        Shape::Words([("won", "Closed Won"), ("lost", "Closed Lost")].map(|(a, b)| (a.into(), b.into())).into())
    }

    #[test]
    fn values_keep_their_type_both_ways() {
        let several = Value::Set(["a".to_owned(), "b c".to_owned()].into());
        for (shape, value, raw) in [
            (Shape::Text, Value::text("x"), json!("x")),
            (Shape::Integer, Value::Int(-4), json!(-4)),
            (Shape::Boolean, Value::Bool(false), json!(false)),
            (Shape::Several, several, json!("a;b c")),
            (Shape::Text, Value::Null, Json::Null),
            (Shape::Decimal, Value::text("1234.50"), json!(1234.5)),
            (Shape::Day, Value::text("2026-11-21"), json!("2026-11-21")),
            (Shape::Instant, Value::text("2026-11-21T08:00:00Z"), json!("2026-11-21T08:00:00Z")),
            (words(), Value::text("won"), json!("Closed Won")),
            (Shape::Filled("-"), Value::Null, json!("-")),
            (Shape::Filled("-"), Value::text("Harbour"), json!("Harbour")),
            (Shape::Owner, Value::text("005000000000001AAA"), json!("005000000000001AAA")),
        ] {
            assert_eq!(shape.encode(&value), Ok(raw.clone()), "{shape:?}");
            assert_eq!(shape.decode(&raw), Some(value), "{shape:?}");
        }
        assert_eq!(Shape::Integer.decode(&json!(5.0)), Some(Value::Int(5)));
        assert_eq!(Shape::Integer.decode(&json!(5.5)), None);
        assert_eq!(Shape::Text.encode(&Value::text(" ")), Ok(Json::Null));
    }

    #[test]
    fn what_cannot_be_held_is_refused_and_what_is_unknown_is_passed_on() {
        for (shape, value) in [
            (words(), "status 42"),
            (words(), "Closed Won"),
            (Shape::Owner, ""),
            (Shape::Decimal, "1,5"),
            (Shape::Decimal, "1e3"),
            (Shape::Decimal, "10.005"),
            (Shape::Decimal, "12345678901234.00"),
            (Shape::Day, "2026-02-30"),
            (Shape::Instant, "yesterday"),
        ] {
            assert!(shape.encode(&Value::text(value)).is_err(), "{shape:?} {value}");
        }
        assert_eq!(words().decode(&json!("Prospecting")), Some(Value::text("Prospecting")));
        assert_eq!(Shape::Decimal.decode(&json!("12")), None);
    }

    #[test]
    fn a_day_of_an_instant_is_written_and_never_read() {
        assert_eq!(Shape::DayOf.encode(&Value::text("2026-11-21T23:30:00-02:00")), Ok(json!("2026-11-22")));
        assert_eq!(Shape::DayOf.decode(&json!("2026-11-22")), None);
        assert_eq!(
            Shape::Instant.decode(&json!("2026-11-21T19:13:55.000+1000")),
            Some(Value::text("2026-11-21T09:13:55Z"))
        );
    }

    #[test]
    fn amounts_that_nobody_wrote_here_are_told_as_they_are() {
        for (raw, text) in [
            (json!(5), "5.00"),
            (json!(0.1), "0.10"),
            (json!(-7.25), "-7.25"),
            (json!(10.005), "10.005"),
            (json!(1e16), "10000000000000000.00"),
        ] {
            assert_eq!(Shape::Decimal.decode(&raw), Some(Value::text(text)), "{raw}");
        }
        assert_eq!(Shape::Decimal.encode(&Value::text("-0.00")).unwrap().to_string(), "0.0");
        assert_eq!(Shape::Decimal.encode(&Value::text("1234.5000")), Ok(json!(1234.5)));
    }

    proptest! {
        #[test]
        fn money_survives_to_the_cent(cents in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let sign = if cents < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100);
            let written = Shape::Decimal.encode(&Value::text(&text)).unwrap().to_string();
            let read: Json = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(Shape::Decimal.decode(&read), Some(Value::text(text)));
        }
    }
}
