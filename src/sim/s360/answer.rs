//! What every answer looks like: `requestId`, `statusCode` (at most 8 characters) and `statusDetail` inside
//! HTTP 200 (contract 2.5), and the few that are no HTTP 200.
//!
//! The table of real status codes is unknown; all but `success` are this simulator's own.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::settings::OverLimit;
use crate::sim::fault::FaultKind;

/// Why a call had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `statusCode`.
    pub code: &'static str,
    /// `statusDetail`.
    pub detail: String,
}

impl Refusal {
    /// A parameter is missing, unknown or of a wrong kind.
    pub fn parameter(detail: impl Into<String>) -> Self {
        Self { code: "badparam", detail: detail.into() }
    }

    /// A value breaks a rule.
    pub fn value(detail: impl Into<String>) -> Self {
        Self { code: "badvalue", detail: detail.into() }
    }

    /// No such record, or no more.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self { code: "notfound", detail: detail.into() }
    }

    /// The record is in a state that does not allow this.
    pub fn state(detail: impl Into<String>) -> Self {
        Self { code: "badstate", detail: detail.into() }
    }

    /// The caller is not who it must be.
    pub fn token(detail: impl Into<String>) -> Self {
        Self { code: "401", detail: detail.into() }
    }

    /// The exception the real system would name beside it.
    fn exception(&self) -> &'static str {
        match self.code {
            "401" => "AuthenticationException",
            "notfound" => "UnknownObjectException",
            "badstate" => "IllegalStateException",
            _ => "InvalidParameterException",
        }
    }

    /// The answer of a refused call.
    pub fn body(&self, request: &str) -> Value {
        json!({
            "requestId": request,
            "statusCode": self.code,
            "statusDetail": self.detail,
            "expectedException": self.exception(),
        })
    }
}

/// The answer of a call that worked, with `content` beside the envelope.
pub(super) fn success(request: &str, content: Map<String, Value>) -> Value {
    let mut body = Map::new();
    body.insert("requestId".to_owned(), json!(request));
    body.insert("statusCode".to_owned(), json!("success"));
    body.insert("statusDetail".to_owned(), json!(""));
    body.extend(content);
    Value::Object(body)
}

/// A JSON answer.
pub(super) fn respond(status: StatusCode, body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json;charset=UTF-8");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// The answer above the limit of calls.
pub(super) fn over_limit(kind: OverLimit, retry_after: Option<u64>) -> Response {
    let status = match kind {
        OverLimit::Http429 => StatusCode::TOO_MANY_REQUESTS,
        // 509 has no name, but is a number a status can have.
        OverLimit::Http509 => StatusCode::from_u16(509).unwrap_or(StatusCode::TOO_MANY_REQUESTS),
    };
    let mut response = (status, "Bandwidth Limit Exceeded").into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Faults in this system's words.
pub(super) fn refusal(kind: FaultKind) -> Response {
    let domain = |code, detail: &str| {
        let refusal = Refusal { code, detail: detail.to_owned() };
        respond(StatusCode::OK, &refusal.body("fault"))
    };
    match kind {
        FaultKind::Throttle => over_limit(OverLimit::Http509, None),
        FaultKind::Race => domain("locked", "the object is being changed by another user"),
        FaultKind::Forbid => domain("403", "the operator has no right to do this"),
        FaultKind::Unauthorized => domain("401", "the token is refused"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response(),
    }
}
