//! Reading iVvy's loosely typed JSON (`contracts/ivvy.md` 4).
//!
//! The back end is PHP: an id is a number here and a string there, a flag is `1` or `true`, a list
//! arrives as an object keyed by integers, an empty map as `[]`. Everything of that kind is
//! accepted. A value of a shape that makes no sense for its place reads as *absent*, because absent
//! never counts as a change; it is not guessed at, but logged (its shape, not its content).

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value as Json};

use crate::model::{RecordId, Timestamp, Value};

/// Text; numbers as their digits; null and empty containers as [`Value::Null`].
pub(super) fn as_text(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::String(text) => Some(Value::text(text.as_str())),
        Json::Number(number) => Some(Value::Text(digits(number))),
        Json::Array(items) if items.is_empty() => Some(Value::Null),
        Json::Object(map) if map.is_empty() => Some(Value::Null),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A record's id: a number or non-blank text, spelled the same way for both. Zero means "none".
pub(super) fn as_id(json: &Json) -> Option<RecordId> {
    let text = match json {
        Json::String(text) => text.trim().to_owned(),
        Json::Number(number) => digits(number),
        _ => return None,
    };
    (!text.is_empty() && text != "0").then_some(RecordId(text))
}

/// A whole number, also as text.
pub(super) fn as_int(json: &Json) -> Option<i64> {
    match json {
        Json::Number(number) => digits(number).parse().ok(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A flag: `true`, `1`, `"1"`, `"true"` and their opposites.
pub(super) fn as_flag(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(flag) => Some(*flag),
        Json::Number(_) => as_int(json).map(|number| number != 0),
        Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// An instant: `yyyy-mm-dd HH:mm:ss` or `yyyy-mm-dd`, one-digit parts allowed, with or without ` UTC`;
/// always UTC.
pub(super) fn as_stamp(json: &Json) -> Option<Timestamp> {
    let text = json.as_str()?.trim();
    let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN)))
        .ok()
        .map(|at| Timestamp::from(at.and_utc()))
}

/// A list, also as an object keyed by integers; null and `""` are empty.
pub(super) fn as_list(json: &Json) -> Option<Vec<&Json>> {
    match json {
        Json::Null => Some(Vec::new()),
        Json::String(text) if text.is_empty() => Some(Vec::new()),
        Json::Array(items) => Some(items.iter().collect()),
        Json::Object(map) if map.keys().all(|key| key.parse::<u64>().is_ok()) => Some(map.values().collect()),
        _ => None,
    }
}

/// A map, also as a list, whose keys are then its positions; null and `""` are empty.
pub(super) fn as_pairs(json: &Json) -> Option<Vec<(String, &Json)>> {
    match json {
        Json::Object(map) => Some(map.iter().map(|(key, value)| (key.clone(), value)).collect()),
        _ => Some(as_list(json)?.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()),
    }
}

/// An object; `[]`, `""` and null are empty ones.
pub(super) fn as_object(json: &Json) -> Option<Map<String, Json>> {
    match json {
        Json::Object(map) => Some(map.clone()),
        _ => as_list(json)?.is_empty().then(Map::new),
    }
}

/// A list, as [`as_list`], taken apart.
pub(super) fn into_list(json: Json) -> Option<Vec<Json>> {
    as_list(&json)?;
    Some(match json {
        Json::Array(items) => items,
        Json::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    })
}

/// The id of another record. Zero, blank and empty containers are an explicit "none".
pub(super) fn as_reference(json: &Json) -> Option<Value> {
    match as_id(json) {
        Some(id) => Some(Value::Text(id.0)),
        None => is_nothing(json).then_some(Value::Null),
    }
}

/// A flag as a value; null and `""` are an explicit "none".
pub(super) fn as_truth(json: &Json) -> Option<Value> {
    as_flag(json).map(Value::Bool).or_else(|| is_nothing(json).then_some(Value::Null))
}

/// An instant as RFC 3339 in UTC; null, `""` and PHP's zero date are an explicit "none".
pub(super) fn as_instant(json: &Json) -> Option<Value> {
    match as_stamp(json) {
        Some(at) => Some(Value::Text(instant(at))),
        None => no_date(json).then_some(Value::Null),
    }
}

/// The calendar day of an instant or date.
pub(super) fn as_day(json: &Json) -> Option<Value> {
    match as_stamp(json) {
        Some(at) => Some(Value::Text(day(at))),
        None => no_date(json).then_some(Value::Null),
    }
}

/// RFC 3339 in UTC, to the second: iVvy knows no smaller part.
pub(super) fn instant(at: Timestamp) -> String {
    at.to_datetime().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `yyyy-mm-dd`, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d").to_string()
}

/// Money as decimal text with at least two decimals. Floats are rounded to four: what lies behind is noise
/// of PHP's binary arithmetic. Text with anything but digits and one point is not guessed at.
pub(super) fn as_money(json: &Json) -> Option<Value> {
    let text = match json {
        Json::Number(number) if number.is_f64() => format!("{:.4}", number.as_f64()?),
        Json::Number(number) => number.to_string(),
        Json::String(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => return is_nothing(json).then_some(Value::Null),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !digits(unsigned) || !digits(decimals) {
        return None;
    }
    Some(Value::Text(format!("{whole}.{:0<2}", decimals.trim_end_matches('0'))))
}

/// An amount of [`as_money`] in ten-thousandths, for comparing; finer digits are cut off.
pub(super) fn ten_thousandths(amount: &str) -> Option<i128> {
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    let digits: String = decimals.chars().chain("0000".chars()).take(4).collect();
    format!("{whole}{digits}").parse().ok()
}

/// What a PHP back end sends where there is nothing.
fn is_nothing(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::String(text) => text.trim().is_empty() || text.trim() == "0",
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::Bool(_) => false,
    }
}

/// What stands for "no date": nothing, or PHP's zero date.
fn no_date(json: &Json) -> bool {
    is_nothing(json) || json.as_str().is_some_and(|text| text.trim().starts_with("0000-00-00"))
}

/// The number as people write it: whole floats without their `.0`.
fn digits(number: &Number) -> String {
    /// Whole numbers up to here are exact in a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// `value`; a line in the log if there was something and it could not be read.
pub(super) fn noted<T>(value: Option<T>, json: &Json) -> Option<T> {
    if value.is_none() {
        let shape = match json {
            Json::Null => return None,
            Json::String(text) if text.is_empty() => return None,
            Json::Bool(_) => "flag",
            Json::Number(_) => "number",
            Json::String(_) => "text",
            Json::Array(_) => "list",
            Json::Object(_) => "object",
        };
        tracing::warn!(shape, "iVvy sent a value of an unexpected shape; it is read as absent");
    }
    value
}

/// For `#[serde(deserialize_with)]`: a field of text. Absent needs `#[serde(default)]` beside it.
pub(super) fn text<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    let json = Json::deserialize(source)?;
    Ok(noted(as_text(&json), &json))
}

/// For `#[serde(deserialize_with)]`: the id of the record itself, without which a row is nothing.
pub(super) fn id<'de, D: Deserializer<'de>>(source: D) -> Result<RecordId, D::Error> {
    as_id(&Json::deserialize(source)?).ok_or_else(|| serde::de::Error::custom("no usable id"))
}

/// For `#[serde(deserialize_with)]`: a list of ids; zeros and blanks are dropped.
pub(super) fn ids<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<RecordId>>, D::Error> {
    let json = Json::deserialize(source)?;
    Ok(noted(as_list(&json), &json).map(|items| items.into_iter().filter_map(as_id).collect()))
}

/// For `#[serde(deserialize_with)]`: the id of another record, or an explicit "none".
pub(super) fn reference<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    let json = Json::deserialize(source)?;
    Ok(noted(as_reference(&json), &json))
}

/// For `#[serde(deserialize_with)]`: a flag; anything else is `false`.
pub(super) fn flag<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
    Ok(as_flag(&Json::deserialize(source)?).unwrap_or_default())
}

/// For `#[serde(deserialize_with)]`: an instant, or none.
pub(super) fn stamp<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Timestamp>, D::Error> {
    let json = Json::deserialize(source)?;
    Ok(noted(as_stamp(&json), &json))
}

/// For `#[serde(deserialize_with)]`: a list of anything.
pub(super) fn list<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<Json>, D::Error> {
    let json = Json::deserialize(source)?;
    Ok(noted(as_list(&json), &json).map(|items| items.into_iter().cloned().collect()).unwrap_or_default())
}

/// For `#[serde(deserialize_with)]`: an object.
pub(super) fn object<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Map<String, Json>>, D::Error> {
    let json = Json::deserialize(source)?;
    Ok(noted(as_object(&json), &json))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_spelled_one_way() {
        for json in [json!(25146), json!("25146"), json!(" 25146 "), json!(25146.0)] {
            assert_eq!(as_id(&json), Some("25146".into()), "{json}");
        }
        for json in [json!(0), json!("0"), json!(""), json!(null), json!([]), json!(true)] {
            assert_eq!(as_id(&json), None, "{json}");
        }
    }

    #[test]
    fn text_keeps_null_and_empty_apart_and_reads_numbers() {
        assert_eq!(as_text(&json!("")), Some(Value::text("")));
        assert_eq!(as_text(&json!(null)), Some(Value::Null));
        assert_eq!(as_text(&json!([])), Some(Value::Null));
        assert_eq!(as_text(&json!(61_412_345_678_u64)), Some(Value::text("61412345678")));
        assert_eq!(as_text(&json!(2000.0)), Some(Value::text("2000")));
        assert_eq!(as_text(&json!({"a": 1})), None);
        assert_eq!(as_text(&json!(true)), None);
    }

    #[test]
    fn flags_and_numbers() {
        for json in [json!(true), json!(1), json!("1"), json!("true")] {
            assert_eq!(as_flag(&json), Some(true), "{json}");
        }
        for json in [json!(false), json!(0), json!("0")] {
            assert_eq!(as_flag(&json), Some(false), "{json}");
        }
        assert_eq!(as_flag(&json!("")), None);
        assert_eq!((as_int(&json!("42")), as_int(&json!(-3)), as_int(&json!("4x"))), (Some(42), Some(-3), None));
    }

    #[test]
    fn dates_with_and_without_suffix_one_digit_days_and_empty() {
        let at = |secs| Some(Timestamp::from_secs(secs));
        assert_eq!(as_stamp(&json!("2024-03-11 00:00:45 UTC")), at(1_710_115_245));
        assert_eq!(as_stamp(&json!("2024-03-11 00:00:45")), at(1_710_115_245));
        assert_eq!(as_stamp(&json!("2014-05-6")), at(1_399_334_400));
        assert_eq!(as_stamp(&json!("2014-05-6 1:02:03")), at(1_399_338_123));
        for none in [json!(""), json!(null), json!("0000-00-00 00:00:00"), json!("2024-02-30"), json!(7), json!("UTC")]
        {
            assert_eq!(as_stamp(&none), None, "{none}");
        }
    }

    #[test]
    fn what_is_not_there_is_null_and_what_makes_no_sense_is_absent() {
        for nothing in [json!(null), json!(""), json!(0), json!("0"), json!([]), json!({})] {
            assert_eq!(as_reference(&nothing), Some(Value::Null), "{nothing}");
            assert_eq!(as_instant(&nothing), Some(Value::Null), "{nothing}");
        }
        assert_eq!(as_reference(&json!("77")), Some("77".into()));
        assert_eq!(as_reference(&json!({"id": 7})), None);
        assert_eq!(as_day(&json!("0000-00-00 00:00:00")), Some(Value::Null));
        assert_eq!(as_day(&json!("2024-03-1 23:59:59 UTC")), Some("2024-03-01".into()));
        assert_eq!(as_instant(&json!("2024-03-11")), Some("2024-03-11T00:00:00Z".into()));
        assert_eq!(as_instant(&json!("soon")), None);
        assert_eq!((as_truth(&json!("0")), as_truth(&json!(null))), (Some(Value::Bool(false)), Some(Value::Null)));
    }

    #[test]
    fn money_is_decimal_text_whatever_it_came_as() {
        for (json, text) in [
            (json!(1234), "1234.00"),
            (json!(1234.5), "1234.50"),
            (json!("1234.5"), "1234.50"),
            (json!("-7"), "-7.00"),
            (json!(286.499_999_999_999_9), "286.50"),
            (json!("0.125"), "0.125"),
            (json!(0), "0.00"),
        ] {
            assert_eq!(as_money(&json), Some(text.into()), "{json}");
        }
        assert_eq!(as_money(&json!("")), Some(Value::Null));
        for json in [json!("1,234.50"), json!("AUD 5"), json!(".5"), json!("1.2.3"), json!(true)] {
            assert_eq!(as_money(&json), None, "{json}");
        }
    }

    #[test]
    fn lists_and_maps_stand_in_for_each_other() {
        let list = json!({"0": "a", "3": "b"});
        assert_eq!(as_list(&list).unwrap(), [&json!("a"), &json!("b")]);
        assert_eq!(as_list(&json!([])).unwrap().len(), 0);
        assert!(as_list(&json!({"name": 1})).is_none());
        let pairs = json!(["x", "y"]);
        assert_eq!(as_pairs(&pairs).unwrap(), [("0".to_owned(), &json!("x")), ("1".to_owned(), &json!("y"))]);
        assert_eq!(as_object(&json!([])), Some(Map::new()));
        assert_eq!(as_object(&json!([1])), None);
    }
}
