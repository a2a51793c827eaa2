//! A check at a gate, read for people (`contracts/connector_s360.md` 2.3, S-12).
//!
//! Nothing is concluded from it and nothing is kept in step by it. It gives no barcode away: with all of one
//! somebody gets in.

use serde_json::Value;

use crate::model::{AccessCheck, Timestamp};

/// Characters of one member that are kept.
const LONGEST: usize = 100;
/// Characters of a barcode that are told, of those that have at least twice as many.
const TOLD: usize = 4;
/// What S-360 says where nothing failed.
const NO_FAILURE: &str = "NO_FAIL";

/// What `body`, as it was told, says. What is missing, or is nothing a person could read, stays out.
pub fn read(institution: &str, number: u64, told_at: Timestamp, body: &str) -> AccessCheck {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let member = |name: &str| {
        let text = match body.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    };
    let cut = |name: &str| member(name).map(|text| text.chars().take(LONGEST).collect::<String>());
    AccessCheck {
        number,
        institution: institution.to_owned(),
        told_at,
        at: cut("access_time"),
        flow: cut("check_flow"),
        result: cut("result"),
        failure: cut("failure_reason").filter(|reason| reason != NO_FAILURE),
        ticket: cut("ticket_id"),
        barcode: member("barcode").map(|code| end_of(&code)),
    }
}

/// `…0123`.
fn end_of(barcode: &str) -> String {
    let count = barcode.chars().count();
    let told = if count >= 2 * TOLD { TOLD } else { 0 };
    std::iter::once('…').chain(barcode.chars().skip(count - told)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"ticket_check_id": 17, "movement_id": 3, "ticket_id": 9007199254740993, "barcode": "0123456789",
        "access_time": "2026-02-09 18:25:10", "check_flow": "IN", "result": "FAIL",
        "failure_reason": "NO_MORE_ENTRY_ALLOWED_TODAY"}"#;

    #[test]
    fn a_check_says_when_what_and_why_and_gives_no_barcode_away_s12() {
        let check = read("ACME", 17, Timestamp::from_secs(5), BODY);
        let told = |member: &Option<String>| member.clone().unwrap_or_default();
        assert_eq!((check.number, check.institution.as_str(), check.told_at), (17, "ACME", Timestamp::from_secs(5)));
        assert_eq!(
            [&check.at, &check.flow, &check.result, &check.failure].map(told),
            ["2026-02-09 18:25:10", "IN", "FAIL", "NO_MORE_ENTRY_ALLOWED_TODAY"]
        );
        assert_eq!(told(&check.ticket), "9007199254740993", "to the last digit");
        assert_eq!(told(&check.barcode), "…6789");
        assert_eq!(read("A", 1, Timestamp::default(), r#"{"barcode": "1234567"}"#).barcode.as_deref(), Some("…"));
        let fine = read("A", 1, Timestamp::default(), r#"{"result": "OK", "failure_reason": "NO_FAIL"}"#);
        assert_eq!((fine.result.as_deref(), fine.failure), (Some("OK"), None));
    }

    #[test]
    fn what_is_missing_or_strange_stays_out_and_what_is_long_is_cut_s12() {
        for body in ["", "[]", "{}", r#"{"result": {"a": 1}, "barcode": null, "ticket_id": " "}"#] {
            let check = read("A", 1, Timestamp::default(), body);
            let bare = AccessCheck { number: 1, institution: "A".to_owned(), ..AccessCheck::default() };
            assert_eq!(check, bare, "{body}");
        }
        let long = format!(r#"{{"failure_reason": "{}"}}"#, "é".repeat(5_000));
        assert_eq!(read("A", 1, Timestamp::default(), &long).failure.map(|text| text.chars().count()), Some(LONGEST));
    }
}
