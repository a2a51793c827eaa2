//! Judging an answer: four shapes of success, and errors that hide in status, body or both
//! (`contracts/ivvy.md` 6).

use std::time::Duration;

use http::StatusCode;
use serde_json::Value as Json;

use super::action::{Action, Effect};
use super::loose;
use crate::model::{RecordId, Value};
use crate::remote::gate::retry_after;
use crate::remote::{Class, RemoteError, Sent, TransportError, WriteAck};

/// "Request is stale": our clock and theirs are more than five minutes apart.
pub(super) const STALE: &str = "23005";
/// "Race condition error": another write to the same object was running. Refused, not applied.
const RACE: &str = "24299";
/// Longest remote message passed on, in characters.
const LONGEST_MESSAGE: usize = 300;
/// Most per-field messages passed on.
const MOST_DETAILS: usize = 50;

/// The error of `action`, in one sentence of ours.
pub(super) fn failure(action: &Action, class: Class, sent: Sent, message: impl Into<String>) -> RemoteError {
    RemoteError {
        system: super::SYSTEM.into(),
        action: action.name.into(),
        class,
        sent: match action.effect {
            Effect::Read => Sent::No,
            Effect::Write => sent,
        },
        code: None,
        message: message.into(),
        details: Vec::new(),
        retry_after: None,
    }
}

/// No usable response came back.
pub(super) fn transport_failure(action: &Action, error: &TransportError) -> RemoteError {
    let (class, sent, retry_after) = match error {
        TransportError::NotSent(_) => (Class::Unreachable, Sent::No, None),
        TransportError::Held { wait, .. } => (Class::Quota, Sent::No, Some(*wait)),
        TransportError::Unknown(_) => (Class::Unreachable, Sent::Maybe, None),
        TransportError::TooLarge(_) => (Class::Malformed, Sent::Maybe, None),
    };
    RemoteError { retry_after, ..failure(action, class, sent, error.to_string()) }
}

/// The JSON of a successful answer, or the error it carries. `request` is what was sent: its
/// values are taken out of remote messages again.
pub(super) fn judge<B: AsRef<[u8]>>(
    action: &Action,
    request: &Json,
    response: &http::Response<B>,
    now: crate::model::Timestamp,
) -> Result<Json, RemoteError> {
    let status = response.status();
    let bytes = response.body().as_ref();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let with_wait = |mut error: RemoteError, wait: Option<Duration>| {
        error.retry_after = wait;
        error
    };
    let wait = || retry_after(response.headers(), now);
    let Ok(json) = serde_json::from_slice::<Json>(bytes) else {
        return Err(with_wait(unreadable(action, status), wait()));
    };
    let error_code = json.get("errorCode").filter(|code| !code.is_null());
    if error_code.is_none() && status.is_success() {
        // A refusal in the clothes of a success.
        if json.get("success").and_then(loose::as_flag) == Some(false) {
            return Err(described(failure(action, Class::Rejected, Sent::No, ""), &json, request));
        }
        return Ok(json);
    }
    let number = error_code.and_then(loose::as_int).and_then(|code| u16::try_from(code).ok());
    let specific = text(&json, "specificCode");
    let (class, mut sent) = match number {
        Some(number) => meaning(number),
        // An error that does not say which. Nothing is proved by it.
        None if status.is_success() => (Class::Server, Sent::Maybe),
        None => meaning(status.as_u16()),
    };
    // Body and status disagree: believe the one that proves less.
    if !status.is_success() && meaning(status.as_u16()).1 == Sent::Maybe {
        sent = Sent::Maybe;
    }
    let (class, sent) = match specific.as_deref() {
        Some(RACE) => (Class::Throttled, Sent::No),
        Some(STALE) => (Class::Unauthorized, Sent::No),
        Some(code) if !code.is_empty() && code == action.missing_code => (Class::Missing, Sent::No),
        // "Not found" is only believed of one record, and only in iVvy's own error object; otherwise
        // it speaks of the action or the URL.
        _ if class == Class::Missing && (action.missing_code.is_empty() || number.is_none()) => {
            (Class::Unsupported, sent)
        }
        _ => (class, sent),
    };
    let mut error = failure(action, class, sent, "");
    error.code = specific.filter(|code| code != "0").or_else(|| text(&json, "errorCode"));
    if error.code.is_none() {
        error.code = Some(status.as_u16().to_string());
    }
    Err(with_wait(described(error, &json, request), wait()))
}

/// A body that is not JSON. A web page that says 404 speaks of the URL, never of a record.
fn unreadable(action: &Action, status: StatusCode) -> RemoteError {
    if status.is_success() {
        return failure(action, Class::Malformed, Sent::Maybe, "the answer is not JSON");
    }
    let (class, sent) = match meaning(status.as_u16()) {
        (Class::Missing, sent) => (Class::Unsupported, sent),
        other => other,
    };
    let mut error = failure(action, class, sent, format!("HTTP {} without a readable body", status.as_u16()));
    error.code = Some(status.as_u16().to_string());
    error
}

/// What an error code means and proves; the same numbers serve as HTTP status.
fn meaning(code: u16) -> (Class, Sent) {
    match code {
        401 | 462 | 463 => (Class::Unauthorized, Sent::No),
        403 => (Class::Forbidden, Sent::No),
        404 => (Class::Missing, Sent::No),
        405 | 406 | 501 => (Class::Unsupported, Sent::No),
        409 | 412 => (Class::Conflict, Sent::No),
        429 => (Class::Throttled, Sent::No),
        // A redirect: the base URL is wrong, or something stands between us and iVvy.
        300..=399 => (Class::Unsupported, Sent::Maybe),
        408 => (Class::Server, Sent::Maybe),
        400..=459 => (Class::Rejected, Sent::No),
        // 460 unknown, 461 failed, 5xx, and numbers we have never heard of.
        _ => (Class::Server, Sent::Maybe),
    }
}

fn text(json: &Json, name: &str) -> Option<String> {
    match loose::as_text(json.get(name)?)? {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Adds the remote's words, cut and without the values that were sent.
fn described(mut error: RemoteError, json: &Json, request: &Json) -> RemoteError {
    let mut sent_values = Vec::new();
    collect_texts(request, &mut sent_values);
    // Longest first, so that a value inside another does not leave the rest standing.
    sent_values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    error.message =
        text(json, "message").map_or_else(|| "no reason given".into(), |message| scrub(&message, &sent_values));
    let additional = json.get("additionalMessages").and_then(loose::as_list).unwrap_or_default();
    error.details = additional
        .into_iter()
        .filter_map(|item| item.as_str())
        .take(MOST_DETAILS)
        .map(|detail| scrub(detail, &sent_values))
        .collect();
    error
}

fn collect_texts<'a>(json: &'a Json, found: &mut Vec<&'a str>) {
    match json {
        // Shorter ones would riddle every message with holes and tell nothing about anybody.
        Json::String(text) if text.chars().count() >= 3 => found.push(text),
        Json::Array(items) => items.iter().for_each(|item| collect_texts(item, found)),
        Json::Object(map) => map.values().for_each(|value| collect_texts(value, found)),
        _ => {}
    }
}

/// `text` without the given values, without anything that looks like an e-mail address, cut.
fn scrub(text: &str, values: &[&str]) -> String {
    let mut text = text.to_owned();
    for value in values {
        text = text.replace(value, "…");
    }
    let words = text.split(' ').map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST_MESSAGE).collect()
}

/// Reads a write's answer. `success` may be missing; the id may not, except where we named it.
pub(super) fn acknowledgement(
    action: &Action,
    answer: &Json,
    asked: Option<&RecordId>,
) -> Result<WriteAck, RemoteError> {
    let told = answer.get("id").and_then(loose::as_id);
    let id = match (told, asked) {
        (Some(told), Some(asked)) if told != *asked => {
            return Err(failure(action, Class::Malformed, Sent::Maybe, "the answer names another record"));
        }
        (Some(told), _) => told,
        (None, Some(asked)) if answer.get("success").and_then(loose::as_flag) == Some(true) => asked.clone(),
        (None, _) => return Err(failure(action, Class::Malformed, Sent::Maybe, "the answer names no record")),
    };
    Ok(WriteAck { id, created: None })
}
