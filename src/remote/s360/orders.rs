//! Orders: what S-360 told of one (contract 2.3) in the catalogue's names. What each kind and state becomes is
//! `docs/decisions/0018`.
//!
//! Amounts are whole thousandths there and decimal text here, to the last digit and without any fraction type in
//! between. A kind or state nobody knows is kept in its own word, and nothing is concluded from it. Refuses to
//! guess a zone: a time without one has a day and no instant.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde_json::Value as Json;

use super::contacts::plain;
use crate::model::{Fields, Timestamp, Value};

/// Whoever bought, as far as the order tells: their number.
pub(super) fn purchaser(body: &Json) -> Option<String> {
    let at = |path: &str| body.pointer(path).and_then(plain);
    at("/purchaserContactNumber")
        .or_else(|| at("/purchasersInfo/0/contactReference"))
        .or_else(|| at("/purchasersInfo/0/contactNumber"))
}

/// The fields that `body` speaks of, but for who bought.
pub(super) fn fields(number: &str, currency: Option<&str>, body: &Json) -> Fields {
    let kind = Kind::of(body);
    let state = body.get("orderState").and_then(plain).map(|word| state(&word));
    let mut fields = Fields::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(text) = value {
            fields.insert(name.to_owned(), Value::Text(text));
        }
    };
    put("name", Some(format!("{} {number}", kind.title())));
    put("kind", kind.word());
    put("stage", state.as_deref().map(|state| kind.stage(state).to_owned()));
    put("close_date", close_day(&kind, body).map(|day| day.to_string()));
    put("status", state);
    put("amount", kind.amount(body));
    put("currency", currency.map(str::to_owned));
    put("created_at", created(body).and_then(|created| created.instant()).map(instant_text));
    put("lines", lines(body));
    fields
}

fn instant_text(at: Timestamp) -> String {
    at.to_datetime().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Sale,
    Refund,
    Option,
    Reservation,
    Exchange,
    Renewal,
    /// Another, in S-360's own word; none if it does not tell.
    Other(Option<String>),
}

impl Kind {
    fn of(body: &Json) -> Self {
        let Some(word) = body.get("orderType").and_then(plain) else { return Self::by_amounts(body) };
        match word.to_ascii_uppercase().as_str() {
            "SALE" => Self::Sale,
            "REFUND" | "REFUND_CLIENT" | "REFUND_ORGANIZATION" => Self::Refund,
            "OPTION" => Self::Option,
            "RESERVATION" => Self::Reservation,
            "EXCHANGE" | "EXCHANGE_CLIENT" | "EXCHANGE_ORGANIZATION" => Self::Exchange,
            "RENEWAL" => Self::Renewal,
            _ => Self::Other(Some(word.to_lowercase())),
        }
    }

    /// Not every set-up sends the type; then the one amount that is not nothing tells.
    fn by_amounts(body: &Json) -> Self {
        let amount = |name: &str| thousandths(body.get(name)).unwrap_or(0);
        match ["saleAmount", "reservationAmount", "optionAmount"].map(|name| amount(name).signum()) {
            [1, 0, 0] => Self::Sale,
            [-1, 0, 0] => Self::Refund,
            [0, 1, 0] => Self::Reservation,
            [0, 0, 1] => Self::Option,
            _ => Self::Other(None),
        }
    }

    fn word(&self) -> Option<String> {
        Some(match self {
            Self::Other(word) => return word.clone(),
            known => known.title().to_lowercase(),
        })
    }

    fn title(&self) -> String {
        let known = match self {
            Self::Sale => "Sale",
            Self::Refund => "Refund",
            Self::Option => "Option",
            Self::Reservation => "Reservation",
            Self::Exchange => "Exchange",
            Self::Renewal => "Renewal",
            Self::Other(None) => "Order",
            Self::Other(Some(word)) => {
                let words = word.replace('_', " ");
                let mut letters = words.chars();
                let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
                return first + letters.as_str();
            }
        };
        known.to_owned()
    }

    /// What a CRM opportunity has come to.
    fn stage(&self, state: &str) -> &'static str {
        match (self, state) {
            (_, "abandoned") => "lost",
            (Self::Option, _) => "tentative",
            (Self::Reservation, _) => "quote",
            // Money that goes back is a sale of less than nothing, so that what was won adds up.
            (Self::Sale | Self::Exchange | Self::Renewal | Self::Refund, "closed") => "won",
            _ => "open",
        }
    }

    /// The member that holds its amount.
    fn amount_name(&self) -> &'static str {
        match self {
            Self::Option => "optionAmount",
            Self::Reservation => "reservationAmount",
            _ => "saleAmount",
        }
    }

    fn amount(&self, body: &Json) -> Option<String> {
        let amount = thousandths(body.get(self.amount_name()))?;
        Some(decimal(if *self == Self::Refund { -amount.abs() } else { amount }))
    }
}

/// Closed and abandoned have a word of ours; S-360 spells the second in its own way.
fn state(word: &str) -> String {
    match word.to_ascii_uppercase().as_str() {
        "ABANDONNED" | "ABANDONED" => "abandoned".to_owned(),
        _ => word.to_lowercase(),
    }
}

/// Whether S-360 has settled the order: it takes no more changes.
pub(super) fn is_final(body: &Json) -> bool {
    let state = body.get("orderState").and_then(plain).map(|word| state(&word));
    state.is_some_and(|state| ["closed", "abandoned"].contains(&state.as_str()))
}

/// What an order costs, in thousandths.
pub(super) fn price(body: &Json) -> Option<i64> {
    let name = Kind::of(body).amount_name();
    i64::try_from(thousandths(body.get(name))?).ok()
}

/// A whole number of thousandths; nothing for a number that is not whole or not of 64 bits.
pub(super) fn thousandths(value: Option<&Json>) -> Option<i128> {
    match value? {
        Json::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
        Json::String(text) => text.trim().parse::<i64>().ok().map(i128::from),
        _ => None,
    }
}

/// Thousandths as decimal text: two places, or three if the last one says something.
pub(super) fn decimal(thousandths: i128) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (units, rest) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    if rest % 10 == 0 { format!("{sign}{units}.{:02}", rest / 10) } else { format!("{sign}{units}.{rest:03}") }
}

/// Decimal text as thousandths: nothing for what has more than three places, or is not of 64 bits.
pub(super) fn parse_decimal(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (units, places) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = places.trim_end_matches('0');
    if units.is_empty() || !all(units) || !all(places) || rest.len() > 3 {
        return None;
    }
    let thousandths: i128 = format!("{units}{rest:0<3}").parse().ok()?;
    i64::try_from(sign * thousandths).ok()
}

/// When an order was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// An instant, and the day as it was written.
    At(Timestamp, NaiveDate),
    /// Clocks of the institution showed this; in which zone is not told.
    Local(NaiveDateTime),
}

impl Created {
    fn instant(self) -> Option<Timestamp> {
        match self {
            Self::At(at, _) => Some(at),
            Self::Local(_) => None,
        }
    }

    fn day(self) -> NaiveDate {
        match self {
            Self::At(_, day) => day,
            Self::Local(at) => at.date(),
        }
    }
}

/// When this order was made, if it tells.
pub(super) fn created(body: &Json) -> Option<Created> {
    time(body.get("creationDateTime"))
}

fn time(value: Option<&Json>) -> Option<Created> {
    let text = match value? {
        // Milliseconds since 1970.
        Json::Number(number) => {
            let at = DateTime::<Utc>::from_timestamp_millis(number.as_i64()?)?;
            return Some(Created::At(Timestamp::from(at), at.date_naive()));
        }
        Json::String(text) => text.trim(),
        _ => return None,
    };
    for form in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%:z"] {
        if let Ok(at) = DateTime::parse_from_str(text, form) {
            return Some(Created::At(Timestamp::from(at.to_utc()), at.date_naive()));
        }
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(Created::At(Timestamp::from(at.to_utc()), at.date_naive()));
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    if let Some(at) = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
        return Some(Created::Local(at));
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(Created::Local(day.and_hms_opt(0, 0, 0)?))
}

/// What is only held is expected by the day it lapses; the rest is settled on its reference date.
fn close_day(kind: &Kind, body: &Json) -> Option<NaiveDate> {
    let day = |name: &str| time(body.get(name)).map(Created::day);
    let held = matches!(kind, Kind::Option | Kind::Reservation);
    let lapses = if held { day("expirationDate") } else { None };
    lapses.or_else(|| day("referenceDate")).or_else(|| day("creationDateTime"))
}

/// What was ordered, a line each. Absent operations are an absent field.
fn lines(body: &Json) -> Option<String> {
    let operations = body.get("operationDatas")?.as_array()?;
    let line = |operation: &Json| {
        let member = |name: &str| operation.get(name).and_then(plain);
        let what = member("product").or_else(|| member("productCode")).or_else(|| member("productId"));
        let mut line = format!("{} × {}", member("quantity").as_deref().unwrap_or("1"), what.as_deref().unwrap_or("?"));
        if let Some(performance) = member("performance") {
            line.push_str(", ");
            line.push_str(&performance);
        }
        if let Some(price) = thousandths(operation.get("unitPrice")) {
            line.push_str(": ");
            line.push_str(&decimal(price));
        }
        line
    };
    Some(operations.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(body: &str) -> Fields {
        fields("9007199254740993", Some("EUR"), &serde_json::from_str(body).unwrap())
    }

    fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
        fields.get(name).and_then(Value::as_text)
    }

    #[test]
    fn every_kind_and_state_has_its_stage_and_unknown_ones_keep_their_word_s06() {
        for (kind, state, word, stage, title) in [
            ("SALE", "CLOSED", "sale", "won", "Sale"),
            ("SALE", "ABANDONNED", "sale", "lost", "Sale"),
            ("SALE", "RUNNING", "sale", "open", "Sale"),
            ("REFUND_CLIENT", "CLOSED", "refund", "won", "Refund"),
            ("REFUND_ORGANIZATION", "ABANDONED", "refund", "lost", "Refund"),
            ("EXCHANGE_CLIENT", "CLOSED", "exchange", "won", "Exchange"),
            ("RENEWAL", "CLOSED", "renewal", "won", "Renewal"),
            ("OPTION", "CLOSED", "option", "tentative", "Option"),
            ("OPTION", "ABANDONNED", "option", "lost", "Option"),
            ("RESERVATION", "IN_RESERVATION", "reservation", "quote", "Reservation"),
            ("RESERVATION_FREEING", "CLOSED", "reservation_freeing", "open", "Reservation freeing"),
        ] {
            let fields = of(&json!({"orderType": kind, "orderState": state}).to_string());
            assert_eq!((text(&fields, "kind"), text(&fields, "stage")), (Some(word), Some(stage)), "{kind} {state}");
            assert_eq!(text(&fields, "name"), Some(format!("{title} 9007199254740993").as_str()));
        }
        assert_eq!(text(&of(r#"{"orderState":"TECH_ERROR"}"#), "status"), Some("tech_error"));
        assert_eq!(text(&of(r#"{"orderState":"ABANDONNED"}"#), "status"), Some("abandoned"));
        let silent = of("{}");
        assert_eq!((silent.get("kind"), silent.get("stage"), silent.get("amount")), (None, None, None), "absent");
        assert_eq!(text(&of(r#"{"optionAmount":5,"saleAmount":0}"#), "kind"), Some("option"), "told by its amount");
    }

    #[test]
    fn amounts_are_exact_to_the_last_thousandth_of_64_bits_s25() {
        for (thousandths, amount) in [
            ("4000", "4.00"),
            ("4005", "4.005"),
            ("10", "0.01"),
            ("-7", "-0.007"),
            ("0", "0.00"),
            ("9007199254740993", "9007199254740.993"),
            ("9223372036854775807", "9223372036854775.807"),
            ("-9223372036854775808", "-9223372036854775.808"),
            ("\"9223372036854775807\"", "9223372036854775.807"),
        ] {
            let sale = of(&format!(r#"{{"orderType":"SALE","saleAmount":{thousandths}}}"#));
            assert_eq!(text(&sale, "amount"), Some(amount));
        }
        for junk in ["4.5", "4000.0", "1e3", "99999999999999999999999", "null", "\"4,00\""] {
            let sale = of(&format!(r#"{{"orderType":"SALE","saleAmount":{junk}}}"#));
            assert_eq!(sale.get("amount"), None, "{junk}: never rounded");
        }
        for (told, amount) in
            [("120500", "-120.50"), ("-120500", "-120.50"), ("-9223372036854775808", "-9223372036854775.808")]
        {
            let refund = of(&format!(r#"{{"orderType":"REFUND_CLIENT","saleAmount":{told}}}"#));
            assert_eq!(text(&refund, "amount"), Some(amount), "what goes back is negative, however it is told");
        }
    }

    #[test]
    fn times_have_a_day_and_an_instant_only_with_a_zone_s25() {
        let created = |value: Json| {
            let fields = of(&json!({"creationDateTime": value}).to_string());
            (text(&fields, "created_at").map(str::to_owned), text(&fields, "close_date").map(str::to_owned))
        };
        let some = |at: &str, day: &str| (Some(at.to_owned()), Some(day.to_owned()));
        assert_eq!(created(json!("2026-01-01T23:30:00.000Z")), some("2026-01-01T23:30:00Z", "2026-01-01"));
        assert_eq!(created(json!("2026-01-02T00:30:00+0100")), some("2026-01-01T23:30:00Z", "2026-01-02"));
        assert_eq!(created(json!(1_767_310_200_000_i64)), some("2026-01-01T23:30:00Z", "2026-01-01"));
        assert_eq!(created(json!("2026-01-01 23:30:00")), (None, Some("2026-01-01".to_owned())));
        assert_eq!(created(json!("yesterday")), (None, None));
        let option = json!({
            "orderType": "OPTION", "creationDateTime": "2026-01-01T00:00:00Z", "expirationDate": "2026-02-01T00:00:00Z",
        });
        assert_eq!(text(&of(&option.to_string()), "close_date"), Some("2026-02-01"));
    }

    #[test]
    fn what_was_ordered_is_a_line_each() {
        let body = json!({"purchasersInfo": [{"contactReference": "7"}], "operationDatas": [
            {"quantity": 2, "product": "Gala", "performance": "Evening", "unitPrice": 60250},
            {"productId": 9007199254740993_i64},
        ]});
        assert_eq!(text(&of(&body.to_string()), "lines"), Some("2 × Gala, Evening: 60.25\n1 × 9007199254740993"));
        assert_eq!(purchaser(&body).as_deref(), Some("7"));
        assert_eq!(purchaser(&json!({"purchaserContactNumber": "8", "purchasersInfo": []})).as_deref(), Some("8"));
    }

    proptest! {
        #[test]
        fn no_amount_loses_a_thousandth_s25(thousandths in any::<i64>()) {
            prop_assert_eq!(parse_decimal(&decimal(thousandths.into())), Some(thousandths), "there and back");
            let sale = of(&json!({"orderType": "SALE", "saleAmount": thousandths}).to_string());
            let amount = text(&sale, "amount").unwrap();
            let digits: String = amount.chars().filter(|c| *c != '.').collect();
            let places = amount.split_once('.').unwrap().1.len();
            let back = digits.parse::<i128>().unwrap() * if places == 2 { 10 } else { 1 };
            prop_assert_eq!(back, i128::from(thousandths));
        }
    }
}
