//! How Salesforce says no: a status and an array of `{message, errorCode, fields?}`
//! (`contracts/crm.md` 3).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value as Json;

use super::SYSTEM;
use crate::model::Timestamp;
use crate::remote::exchange::{Effect, cut, failure};
use crate::remote::gate::retry_after;
use crate::remote::{Class, RemoteError, Sent};

/// A unique field's value is taken.
pub(super) const DUPLICATE_VALUE: &str = "DUPLICATE_VALUE";
/// A field may not be written, at all or no longer.
pub(super) const GIVEN_ONCE: &str = "INVALID_FIELD_FOR_INSERT_UPDATE";

/// Whether the session behind the token has ended. Nothing was done.
pub(super) fn is_expired_session(response: &Response<Bytes>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED && first_code(&parse(response)) == Some("INVALID_SESSION_ID")
}

/// The error behind an unsuccessful response. `now` stands in for a server that tells no time.
pub(super) fn classify(action: &str, effect: Effect, response: &Response<Bytes>, now: Timestamp) -> RemoteError {
    let status = response.status();
    let body = parse(response);
    let code = first_code(&body);
    let (class, sent) = code.and_then(|code| by_code(code, effect)).unwrap_or_else(|| by_status(status, effect));
    let message = match (body.get(0).and_then(|error| error["message"].as_str()), status.as_u16()) {
        (Some(message), _) => cut(message),
        // The body lists the addresses of the records.
        (None, 300) => "several records carry this key".to_owned(),
        (None, number) => format!("HTTP {number}"),
    };
    RemoteError {
        code: Some(code.map_or_else(|| status.as_u16().to_string(), cut)),
        details: details(&body),
        retry_after: retry_after(response.headers(), now),
        ..failure(SYSTEM, action, class, sent, &message)
    }
}

/// The error behind a refused log-in: `{error, error_description}`.
pub(super) fn of_login(response: &Response<Bytes>, now: Timestamp) -> RemoteError {
    let body = parse(response);
    let status = response.status();
    let class = match (body["error"].as_str(), status.as_u16()) {
        (Some("rate_limit_exceeded" | "server_error" | "temporarily_unavailable"), _) | (_, 429) => Class::Throttled,
        (_, 500..=599) => Class::Server,
        (Some(_), _) | (_, 400 | 401 | 403) => Class::Unauthorized,
        _ => Class::Unsupported,
    };
    let message = body["error_description"].as_str().map_or_else(|| format!("HTTP {}", status.as_u16()), cut);
    RemoteError {
        code: body["error"].as_str().map(cut),
        retry_after: retry_after(response.headers(), now),
        ..failure(SYSTEM, "login", class, Sent::No, &message)
    }
}

fn parse(response: &Response<Bytes>) -> Json {
    serde_json::from_slice(response.body()).unwrap_or_default()
}

fn first_code(body: &Json) -> Option<&str> {
    body.get(0)?.get("errorCode")?.as_str()
}

fn by_code(code: &str, effect: Effect) -> Option<(Class, Sent)> {
    let class = match code {
        // Passing: nothing was done, the same call may succeed in a moment.
        "UNABLE_TO_LOCK_ROW" | "QUERY_TIMEOUT" | "REQUEST_LIMIT_EXCEEDED" => Class::Throttled,
        "SERVER_UNAVAILABLE" => Class::Server,
        // Two upserts of one key at once: whose record it is now has to be looked up (engine.md 5.5).
        DUPLICATE_VALUE => return Some((Class::Conflict, effect.unanswered())),
        // Converted since it was read: another record than the one expected.
        "CANNOT_UPDATE_CONVERTED_LEAD" => Class::Conflict,
        "ENTITY_IS_DELETED" => Class::Missing,
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" => Class::Unauthorized,
        "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED" | "FORBIDDEN" => Class::Forbidden,
        "INVALID_FIELD" | "INVALID_TYPE" | "MALFORMED_QUERY" | "UNSUPPORTED_API_VERSION" | GIVEN_ONCE => {
            Class::Unsupported
        }
        "DUPLICATES_DETECTED"
        | "REQUIRED_FIELD_MISSING"
        | "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        | "FIELD_INTEGRITY_EXCEPTION"
        | "STRING_TOO_LONG"
        | "INVALID_EMAIL_ADDRESS"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "INACTIVE_OWNER_OR_USER"
        | "NUMBER_OUTSIDE_VALID_RANGE"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" => Class::Rejected,
        _ => return None,
    };
    Some((class, Sent::No))
}

fn by_status(status: StatusCode, effect: Effect) -> (Class, Sent) {
    match status.as_u16() {
        401 => (Class::Unauthorized, Sent::No),
        403 => (Class::Forbidden, Sent::No),
        404 | 410 => (Class::Missing, Sent::No),
        405 | 414 | 415 | 431 => (Class::Unsupported, Sent::No),
        409 | 412 => (Class::Conflict, Sent::No),
        429 => (Class::Throttled, Sent::No),
        // 420 is the edge's own "try again"; how far the request came is not known.
        420 | 500..=599 => (Class::Server, effect.unanswered()),
        // 300: the key is on several records; nothing was written.
        300 | 400..=499 => (Class::Rejected, Sent::No),
        _ => (Class::Malformed, effect.unanswered()),
    }
}

/// One line per error and named field, and the records a duplicate rule found.
fn details(body: &Json) -> Vec<String> {
    let mut details = Vec::new();
    for error in body.as_array().into_iter().flatten() {
        let message = cut(error["message"].as_str().unwrap_or_default());
        for field in error["fields"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            details.push(format!("{}: {message}", cut(field)));
        }
        for record in error["duplicateResult"]["matchResults"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|result| result["matchRecords"].as_array().into_iter().flatten())
            .filter_map(|found| found["record"]["Id"].as_str())
        {
            details.push(format!("possible match: {}", cut(record)));
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, code: &str, effect: Effect) -> RemoteError {
        let body =
            if code.is_empty() { String::new() } else { json!([{"message": "m", "errorCode": code}]).to_string() };
        let response = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        classify("a", effect, &response, Timestamp::EPOCH)
    }

    #[test]
    fn codes_and_statuses_have_their_class_and_their_doubt() {
        for (status, code, class, sent) in [
            (400, "UNABLE_TO_LOCK_ROW", Class::Throttled, Sent::No),
            (403, "REQUEST_LIMIT_EXCEEDED", Class::Throttled, Sent::No),
            (400, "DUPLICATE_VALUE", Class::Conflict, Sent::Maybe),
            (400, "DUPLICATES_DETECTED", Class::Rejected, Sent::No),
            (400, "SOME_NEW_CODE", Class::Rejected, Sent::No),
            (400, "INVALID_FIELD", Class::Unsupported, Sent::No),
            (404, "NOT_FOUND", Class::Missing, Sent::No),
            (404, "ENTITY_IS_DELETED", Class::Missing, Sent::No),
            (412, "", Class::Conflict, Sent::No),
            (300, "", Class::Rejected, Sent::No),
            (401, "INVALID_SESSION_ID", Class::Unauthorized, Sent::No),
            (403, "INSUFFICIENT_ACCESS_OR_READONLY", Class::Rejected, Sent::No),
            (503, "SERVER_UNAVAILABLE", Class::Server, Sent::No),
            (503, "", Class::Server, Sent::Maybe),
            (500, "UNKNOWN_EXCEPTION", Class::Server, Sent::Maybe),
            (502, "", Class::Server, Sent::Maybe),
            (420, "", Class::Server, Sent::Maybe),
        ] {
            let error = error(status, code, Effect::Writes);
            assert_eq!((error.class, error.sent), (class, sent), "{status} {code}");
        }
        assert_eq!(error(500, "", Effect::Reads).sent, Sent::No);
    }

    #[test]
    fn a_duplicate_rule_names_the_possible_matches() {
        let body = json!([{"errorCode": "DUPLICATES_DETECTED", "message": "Use one of these records?",
            "duplicateResult": {"matchResults": [{"matchRecords": [{"record": {"Id": "003000000000001AAA"}}]}]}},
            {"errorCode": "REQUIRED_FIELD_MISSING", "message": "missing", "fields": ["LastName"]}]);
        assert_eq!(details(&body), ["possible match: 003000000000001AAA", "LastName: missing"]);
    }
}
