//! Canonical forms: when two spellings of a value mean the same (`engine.md` 5.4, `≡`).
//!
//! Canonical values are only ever compared, never written: what is written is the raw value of the
//! side it came from. `canonical` is idempotent (I28).

use chrono::{DateTime, NaiveDate, SecondsFormat};
use unicode_normalization::UnicodeNormalization as _;
use url::Url;

use crate::model::{FieldKind, Value};

/// Whether two values of one side, or of two sides after translation, mean the same.
pub fn same(kind: FieldKind, left: &Value, right: &Value) -> bool {
    left == right || canonical(kind, left) == canonical(kind, right)
}

/// The canonical form of `value`. Everything empty becomes [`Value::Null`].
pub fn canonical(kind: FieldKind, value: &Value) -> Value {
    if value.is_empty() {
        return Value::Null;
    }
    match kind {
        FieldKind::Text | FieldKind::LongText | FieldKind::Html => text_of(value),
        FieldKind::Email => map_text(value, |text| text.to_lowercase()),
        FieldKind::Choice => map_text(value, |text| text.to_lowercase()),
        FieldKind::Phone => map_text(value, phone),
        FieldKind::Url => map_text(value, web_address),
        FieldKind::Date => map_text(value, date),
        FieldKind::DateTime => map_text(value, instant),
        FieldKind::Money => map_text(value, amount),
        FieldKind::Bool => boolean(value),
        FieldKind::Int => integer(value),
        FieldKind::Choices => set(value),
        FieldKind::Reference(_) | FieldKind::Match(_) | FieldKind::ConstantId => text_of(value),
    }
}

/// The value as trimmed NFC text with plain line ends; sets and flags keep their shape.
fn text_of(value: &Value) -> Value {
    map_text(value, |text| text)
}

fn map_text(value: &Value, f: impl FnOnce(String) -> String) -> Value {
    let raw = match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Set(_) => return value.clone(),
    };
    let text = f(tidy(&raw));
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}

/// NFC, `\n` line ends, no space around. Trimming comes last because composing may expose a space.
pub(super) fn tidy(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// Digits with an optional leading `+`; `00` as an international prefix becomes `+`. Text without a
/// digit is left alone, so that "ask reception" still compares.
fn phone(text: String) -> String {
    let mut digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return text;
    }
    if text.trim_start().starts_with('+') {
        digits.insert(0, '+');
    } else if digits.len() > 2 && digits.starts_with("00") {
        digits.replace_range(..2, "+");
    }
    digits
}

/// Host and path without scheme, `www`-case and closing slash: CRMs add and drop those freely.
fn web_address(text: String) -> String {
    let with_scheme = if text.contains("://") { text.clone() } else { format!("http://{text}") };
    let Ok(url) = Url::parse(&with_scheme) else {
        return text;
    };
    let (Some(host), "http" | "https") = (url.host_str(), url.scheme()) else {
        return text;
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let bare = format!("{host}{port}{}", url.path().trim_end_matches('/'));
    format!("{bare}{query}")
}

/// The calendar day of a date or timestamp; other text is left alone.
fn date(text: String) -> String {
    let day: String = text.chars().take(10).collect();
    match NaiveDate::parse_from_str(&day, "%Y-%m-%d") {
        Ok(day) => day.format("%Y-%m-%d").to_string(),
        Err(_) => text,
    }
}

/// The second of an RFC 3339 instant, in UTC; other text is left alone. Remotes cut fractions off freely.
fn instant(text: String) -> String {
    match DateTime::parse_from_rfc3339(&text) {
        Ok(at) => at.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true),
        Err(_) => text,
    }
}

/// A decimal number without the zeros that say nothing; other text is left alone.
fn amount(text: String) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || digits == "." || !is_number(whole) || !is_number(part) {
        return text;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    match (whole.is_empty(), part.is_empty()) {
        (true, true) => "0".to_owned(),
        (_, true) => format!("{sign}{whole}"),
        (true, false) => format!("{sign}0.{part}"),
        (false, false) => format!("{sign}{whole}.{part}"),
    }
}

fn boolean(value: &Value) -> Value {
    match value {
        Value::Int(0) => Value::Bool(false),
        Value::Int(1) => Value::Bool(true),
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "0" | "false" | "no" => Value::Bool(false),
            "1" | "true" | "yes" => Value::Bool(true),
            _ => text_of(value),
        },
        _ => value.clone(),
    }
}

fn integer(value: &Value) -> Value {
    match value {
        Value::Text(text) => text.trim().parse().map_or_else(|_| text_of(value), Value::Int),
        _ => value.clone(),
    }
}

fn set(value: &Value) -> Value {
    let tidy_members = |members: &mut dyn Iterator<Item = &String>| {
        Value::Set(members.map(|member| tidy(member)).filter(|member| !member.is_empty()).collect())
    };
    match value {
        Value::Set(members) => tidy_members(&mut members.iter()),
        Value::Text(text) => tidy_members(&mut std::iter::once(text)),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::text(text)
    }

    #[test]
    fn spellings_that_mean_the_same() {
        let pairs = [
            (FieldKind::Email, "A.Smith@Example.COM ", "a.smith@example.com"),
            (FieldKind::Phone, "+61 (2) 5550-1234", "+61255501234"),
            (FieldKind::Phone, "0061 2 5550 1234", "+61255501234"),
            (FieldKind::Url, "https://Example.com/", "example.com"),
            (FieldKind::Text, "Zoe\u{308}", "Zoë"),
            (FieldKind::LongText, "a\r\nb", "a\nb"),
            (FieldKind::Date, "1985-03-17 23:00:00 UTC", "1985-03-17"),
            (FieldKind::Choice, "au", "AU"),
            (FieldKind::Money, "0120.50", "120.5"),
            (FieldKind::Money, "-0.00", "0"),
            (FieldKind::Money, "-.50", "-0.5"),
            (FieldKind::DateTime, "2026-03-17T23:00:00.750+10:00", "2026-03-17T13:00:00Z"),
        ];
        for (kind, left, right) in pairs {
            assert!(same(kind, &text(left), &text(right)), "{kind:?} {left} {right}");
        }
        assert!(same(FieldKind::Bool, &Value::Int(1), &Value::Bool(true)));
        assert!(same(FieldKind::Int, &text(" 7 "), &Value::Int(7)));
        assert!(same(FieldKind::Choices, &text("vip"), &Value::Set(["vip".to_owned()].into())));
        assert!(same(FieldKind::Text, &text("  "), &Value::Null));
    }

    #[test]
    fn spellings_that_differ() {
        assert!(!same(FieldKind::Text, &text("smith"), &text("Smith")));
        assert!(!same(FieldKind::Phone, &text("02 5550 1234"), &text("+61 2 5550 1234")));
        assert!(!same(FieldKind::Phone, &text("ask reception"), &text("")));
        assert!(!same(FieldKind::Bool, &Value::Bool(false), &Value::Null));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            "\\PC{0,20}".prop_map(Value::Text),
            "[ 0-9+()/:.a-zA-Z\r\n-]{0,20}".prop_map(Value::Text),
            "-?0{0,2}[0-9]{0,3}[.]?[0-9]{0,2}0{0,2}".prop_map(Value::Text),
            prop::collection::btree_set("\\PC{0,6}", 0..4).prop_map(Value::Set),
        ]
    }

    proptest! {
        #[test]
        fn canonical_is_idempotent_i28(value in any_value()) {
            for kind in [
                FieldKind::Text, FieldKind::LongText, FieldKind::Email, FieldKind::Phone, FieldKind::Url,
                FieldKind::Bool, FieldKind::Int, FieldKind::Date, FieldKind::DateTime, FieldKind::Money,
                FieldKind::Choice, FieldKind::Choices, FieldKind::ConstantId,
            ] {
                let once = canonical(kind, &value);
                prop_assert_eq!(canonical(kind, &once), once, "{:?}", kind);
            }
        }
    }
}
