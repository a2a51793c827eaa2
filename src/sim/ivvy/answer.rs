//! Answers: JSON bodies, error objects, and the loose types a PHP back end sends (contract 4 and 6).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use crate::model::Timestamp;
use crate::sim::fault::FaultKind;

/// A refused call; its code is also the HTTP status. 200 is a write that is refused politely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: u16,
    pub specific: Option<u32>,
    pub message: String,
    pub additional: Vec<String>,
}

impl Refusal {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, specific: None, message: message.into(), additional: Vec::new() }
    }

    pub(super) fn specific(mut self, code: u32) -> Self {
        self.specific = Some(code);
        self
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized")
    }

    pub(super) fn stale() -> Self {
        Self::new(401, "Request is stale").specific(23005)
    }

    /// 23017: a parameter is missing.
    pub(super) fn required(name: &str) -> Self {
        Self::new(400, format!("'{name}' is required")).specific(23017)
    }

    /// 23016: a parameter does not validate.
    pub(super) fn invalid(name: &str, why: impl Into<String>) -> Self {
        let mut refusal = Self::new(400, format!("'{name}' does not validate")).specific(23016);
        refusal.additional.push(why.into());
        refusal
    }

    /// A write refused with HTTP 200 and `success: false`.
    pub(super) fn polite(message: impl Into<String>) -> Self {
        Self::new(200, message)
    }

    /// No such record, or no longer; the code is the action's (24096, 24153, …).
    pub(super) fn missing(object: &str, specific: u32) -> Self {
        Self::new(400, format!("The {object} does not exist")).specific(specific)
    }

    pub(super) fn into_response(self, now: Timestamp) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        respond(status, &self.into_body(), now)
    }

    /// The object that says so.
    pub(super) fn into_body(self) -> Value {
        if self.code == 200 {
            return json!({"success": false, "id": 0, "message": self.message});
        }
        let mut body = Map::new();
        body.insert("errorCode".into(), json!(self.code));
        body.insert("message".into(), json!(self.message));
        if let Some(specific) = self.specific {
            // Clients in the field read codes as text: both forms occur.
            let code = if specific > 24_000 { json!(specific.to_string()) } else { json!(specific) };
            body.insert("specificCode".into(), code);
            if specific != 23017 {
                body.insert("additionalMessages".into(), json!(self.additional));
            }
        }
        Value::Object(body)
    }
}

/// A JSON answer dated by the simulator's clock.
pub(super) fn respond(status: StatusCode, body: &Value, now: Timestamp) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    let date = httpdate::fmt_http_date(now.to_datetime().into());
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// How iVvy words the faults of the gate.
pub(super) fn refusal(kind: FaultKind) -> Response {
    let refusal = match kind {
        FaultKind::Throttle => Refusal::new(429, "Too many requests"),
        FaultKind::Race => Refusal::new(429, "Race condition error").specific(24299),
        FaultKind::Forbid => Refusal::new(403, "Forbidden"),
        FaultKind::Unauthorized => Refusal::unauthorized(),
        FaultKind::NotFound => Refusal::new(404, "Not found"),
        _ => Refusal::new(500, "Server error"),
    };
    let mut response = refusal.into_response(Timestamp::EPOCH);
    // The gate has no clock; a wrong date would look like clock skew.
    response.headers_mut().remove(header::DATE);
    response
}

/// `yyyy-mm-dd HH:mm:ss`.
pub(super) fn plain(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `yyyy-mm-dd HH:mm:ss UTC`.
pub(super) fn suffixed(at: Timestamp) -> String {
    format!("{} UTC", plain(at))
}

/// Reads either form.
pub(super) fn parse_stamp(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    // chrono's %Y-%m-%d accepts single digits, the contract does not.
    if text.len() != 19 {
        return None;
    }
    let at = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?;
    Some(Timestamp::from(at.and_utc()))
}

/// Text of digits only as a number, as PHP's JSON encoder does with numeric columns.
pub(super) fn loose_text(text: &str) -> Value {
    let numeric = !text.is_empty() && text.len() < 16 && !text.starts_with('0');
    match text.parse::<u64>() {
        Ok(number) if numeric && text.bytes().all(|b| b.is_ascii_digit()) => json!(number),
        _ => json!(text),
    }
}

/// Empty text as null.
pub(super) fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// A list, for some ids as an object keyed by position; PHP makes no difference.
pub(super) fn loose_list(id: u64, items: Vec<Value>) -> Value {
    if id % 7 == 3 && !items.is_empty() {
        Value::Object(items.into_iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect())
    } else {
        Value::Array(items)
    }
}
