//! Answers of the facade: documents and refusals, in the words of contract 1.5.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::remote::connector::xml::{CONTENT_TYPE, Element, is_legal};
use crate::store::StoreError;

/// Seconds after which a sender may try again.
const AGAIN: HeaderValue = HeaderValue::from_static("30");

/// Why a call is refused: one sentence of ours, without a value of the call's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    reason: &'static str,
    pub(super) message: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    /// 400: the same call will never do.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION", message)
    }

    /// 404.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "VALIDATION", message)
    }

    /// 413.
    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "VALIDATION", "the document is too large")
    }

    /// 501: not agreed on, or not offered.
    pub(super) fn not_offered(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "UNKNOWN", message)
    }

    /// 503: the same call may do in a while.
    pub(super) fn later(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE", message)
    }

    /// The answer, under `number`.
    pub(super) fn into_response(self, number: &str) -> Response {
        let mut response = document(self.status, &error(self.reason, number, &self.message));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, AGAIN);
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "what the Connector sent could not be stored");
        Self::later("it could not be stored")
    }
}

/// The guard's refusal with a body as every other has it.
pub(super) fn refused_sender(mut response: Response, number: &str) -> Response {
    let body = error("VALIDATION", number, "the sender has not proved who it is");
    *response.body_mut() = Body::from(body.document().unwrap_or_default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

fn error(reason: &str, number: &str, message: &str) -> Element {
    Element::parent(
        "error",
        [Element::leaf("reason", reason), Element::leaf("errorUUID", number), Element::leaf("message", clean(message))],
    )
}

/// `<response><id>…</id></response>`.
pub(super) fn our_id(id: &str) -> Element {
    Element::parent("response", [Element::leaf("id", clean(id))])
}

/// Text that XML can carry: what it cannot is a mark instead.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|char| if is_legal(char) { char } else { '\u{FFFD}' }).collect()
}

/// A document as an answer.
pub(super) fn document(status: StatusCode, element: &Element) -> Response {
    // Every text in it has gone through `clean`, or came in as XML.
    let mut response = Response::new(Body::from(element.document().unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}
