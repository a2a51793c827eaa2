//! How Odoo says no (`contracts/crm.md` 6, measured on 19.0): HTTP errors with the Python class of
//! the exception, and the messages of a failed `load`, which answers 200.
//!
//! Odoo runs each call in one transaction and rolls it back on an exception, so an answer that names
//! one we know means "not applied". Anything else, above all from a proxy in front, leaves doubt.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value as Json;

use super::SYSTEM;
use crate::model::Timestamp;
use crate::remote::exchange::{Effect, cut, failure};
use crate::remote::gate::retry_after;
use crate::remote::{Class, RemoteError, Sent};

/// Text of the error for an external id nobody has. Not translated by Odoo.
const NO_SUCH_EXTERNAL_ID: &str = "External ID not found";
/// What PostgreSQL says when two transactions met. The loser was rolled back and may try again.
const LOST_RACE: [&str; 4] =
    ["could not serialize access", "deadlock detected", "could not obtain lock", "current transaction is aborted"];

/// The error behind a response that is not 200. `now` stands in for a server that tells no time.
pub(super) fn classify(action: &str, effect: Effect, response: &Response<Bytes>, now: Timestamp) -> RemoteError {
    let status = response.status();
    let body: Json = serde_json::from_slice(response.body()).unwrap_or_default();
    let name = body.get("name").and_then(Json::as_str);
    let message = body.get("message").and_then(Json::as_str);
    let (class, sent) = match name {
        Some(name) => by_exception(status, name, message.unwrap_or_default(), effect),
        None => by_status(status, effect),
    };
    let message = match (message, status) {
        (Some(message), _) if !message.trim().is_empty() => cut(message),
        (_, StatusCode::NOT_FOUND) => "not found: no such database, or Odoo before version 19".to_owned(),
        _ => format!("HTTP {status}"),
    };
    let code = name.map_or_else(|| status.as_u16().to_string(), cut);
    RemoteError {
        code: Some(code),
        retry_after: retry_after(response.headers(), now),
        ..failure(SYSTEM, action, class, sent, &message)
    }
}

fn by_exception(status: StatusCode, name: &str, message: &str, effect: Effect) -> (Class, Sent) {
    let class = match name.rsplit('.').next().unwrap_or(name) {
        "MissingError" => Class::Missing,
        "AccessError" => Class::Forbidden,
        "AccessDenied" | "Unauthorized" => Class::Unauthorized,
        "ValidationError"
        | "UserError"
        | "RedirectWarning"
        | "IntegrityError"
        | "CheckViolation"
        | "NotNullViolation"
        | "UniqueViolation"
        | "ForeignKeyViolation" => Class::Rejected,
        // Odoo has repeated the transaction five times by itself before it answers this.
        "SerializationFailure" | "DeadlockDetected" | "LockNotAvailable" | "LockError" | "ConcurrencyError" => {
            Class::Throttled
        }
        // A 500, and yet permanent: the call names a field Odoo does not have.
        "KeyError" | "AttributeError" | "TypeError" => Class::Unsupported,
        "ValueError" if message.starts_with("Invalid field") => Class::Unsupported,
        "ValueError" => Class::Rejected,
        _ => return by_status(status, effect),
    };
    (class, Sent::No)
}

fn by_status(status: StatusCode, effect: Effect) -> (Class, Sent) {
    match status.as_u16() {
        401 => (Class::Unauthorized, Sent::No),
        403 => (Class::Forbidden, Sent::No),
        404 | 405 | 415 => (Class::Unsupported, Sent::No),
        429 => (Class::Throttled, Sent::No),
        400..=499 => (Class::Rejected, Sent::No),
        500..=599 => (Class::Server, effect.unanswered()),
        _ => (Class::Malformed, effect.unanswered()),
    }
}

/// Whether the error says that no record carries the external id asked for.
pub(super) fn is_unknown_external_id(error: &RemoteError) -> bool {
    error.class == Class::Rejected && error.message.starts_with(NO_SUCH_EXTERNAL_ID)
}

/// The error behind a `load` that wrote nothing. `name_of` translates Odoo's field names into ours.
pub(super) fn of_load(action: &str, messages: &Json, name_of: impl Fn(&str) -> String) -> RemoteError {
    let texts: Vec<(Option<&str>, &str)> = messages
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry.get("field").and_then(Json::as_str), entry.get("message")?.as_str()?)))
        .collect();
    let raced = texts.iter().any(|(_, text)| LOST_RACE.iter().any(|race| text.contains(race)));
    let class = if raced { Class::Throttled } else { Class::Rejected };
    let first = texts.first().map_or("nothing was written, and Odoo does not say why", |(_, text)| text);
    let details = texts.iter().filter_map(|(field, text)| Some(format!("{}: {}", name_of((*field)?), cut(text))));
    RemoteError { details: details.collect(), ..failure(SYSTEM, action, class, Sent::No, first) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Json) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
    }

    #[test]
    fn exceptions_decide_the_class_and_never_leave_doubt() {
        for (status, name, message, class) in [
            (404, "odoo.exceptions.MissingError", "Record does not exist", Class::Missing),
            (403, "odoo.exceptions.AccessError", "You are not allowed", Class::Forbidden),
            (401, "werkzeug.exceptions.Unauthorized", "Invalid apikey", Class::Unauthorized),
            (422, "odoo.exceptions.ValidationError", "Contacts require a name", Class::Rejected),
            (500, "builtins.ValueError", "Invalid field 'x' on 'res.partner'", Class::Unsupported),
            (500, "builtins.KeyError", "x", Class::Unsupported),
            (500, "builtins.ValueError", "Wrong value for res.partner.x_meal: 'x'", Class::Rejected),
            (500, "psycopg2.errors.SerializationFailure", "could not serialize access", Class::Throttled),
        ] {
            let error = classify(
                "a",
                Effect::Writes,
                &answer(status, &json!({"name": name, "message": message})),
                Timestamp::EPOCH,
            );
            assert_eq!((error.class, error.sent), (class, Sent::No), "{name}");
        }
    }

    #[test]
    fn an_unexplained_server_error_leaves_doubt_about_a_write_only() {
        for status in [500, 502, 503, 504] {
            let bare = answer(status, &Json::Null);
            assert_eq!(classify("a", Effect::Writes, &bare, Timestamp::EPOCH).sent, Sent::Maybe);
            assert_eq!(classify("a", Effect::Reads, &bare, Timestamp::EPOCH).sent, Sent::No);
        }
        let error = classify("a", Effect::Writes, &answer(404, &Json::Null), Timestamp::EPOCH);
        assert_eq!((error.class, error.code.as_deref()), (Class::Unsupported, Some("404")));
    }

    #[test]
    fn a_lost_race_in_load_may_be_repeated() {
        let messages = json!([{"message": "could not serialize access due to concurrent update", "record": 0}]);
        let error = of_load("a", &messages, str::to_owned);
        assert_eq!((error.class, error.sent), (Class::Throttled, Sent::No));
        let messages = json!([{"message": "Value not found", "field": "x_meal"}]);
        let error = of_load("a", &messages, |_| "custom.meal".to_owned());
        assert_eq!((error.class, error.details), (Class::Rejected, vec!["custom.meal: Value not found".to_owned()]));
    }
}
