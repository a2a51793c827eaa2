//! Refusals in the Connector's words (contract 1.5).
//!
//! The wrapper's name is not public: this one is called `error`. The `message` is a stack trace, and as
//! unpleasant as one may be: markup, a control character XML allows, text that runs the other way, and long.

use axum::http::StatusCode;
use axum::response::Response;
use strum::{Display, EnumString};

use super::call::xml_response;
use super::xml::{Element, XmlError};

/// Frames of the trace, so that it is longer than anybody wants to show.
const FRAMES: usize = 40;

/// `reason` of an error body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Reason {
    /// The caller is wrong; repeating does not help.
    Validation,
    /// The Connector's database is.
    Database,
    /// Anything else.
    Unknown,
}

/// A call refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, 400 to 599.
    pub status: StatusCode,
    /// The reason given.
    pub reason: Reason,
    /// What the trace begins with.
    pub message: String,
}

impl Refusal {
    /// 400 VALIDATION.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::Validation, message)
    }

    /// A refusal.
    pub fn new(status: StatusCode, reason: Reason, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Reason::Unknown, "no such record")
    }

    /// The answer, under the number `error_id`.
    pub fn into_response(self, error_id: &str) -> Response {
        let mut message = format!("com.example.connector.Refused: {} <b>&amp;</b> ]]> \u{9b}2J \u{202e}", self.message);
        for frame in 0..FRAMES {
            message.push_str(&format!("\n\tat com.example.connector.Save${frame}.<init>(Save.java:{frame})"));
        }
        let body = Element::parent(
            "error",
            [
                Element::leaf("reason", self.reason.to_string()),
                Element::leaf("errorUUID", error_id),
                Element::leaf("message", message),
            ],
        );
        xml_response(self.status, &body.in_namespace())
    }
}

impl From<XmlError> for Refusal {
    fn from(error: XmlError) -> Self {
        Self::validation(error.to_string())
    }
}
