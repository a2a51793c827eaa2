//! One HTTP call as the Connector reads it, the note that is kept of it, and answers as it writes them.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use url::form_urlencoded;

use super::error::{Reason, Refusal};
use super::shape::Resource;
use super::xml::Element;
use crate::model::Timestamp;

/// Largest body read, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// A call that came through, and what was answered. Calls that a fault stopped before never came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Position among the calls, from 1.
    pub seq: u64,
    /// The simulator's clock when it came.
    pub at: Timestamp,
    /// `GET` or `POST`, or whatever was tried.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// What it was about, when the path says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// The elements of the body that hold text, as path (`user/userInfo/firstname`) and text. Empty when it
    /// could not be read.
    pub elements: Vec<(String, String)>,
    /// The status answered.
    pub status: u16,
    /// The reason, when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Recorded {
    /// Whether the body had an element of this name, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The text of the element of this name, wherever it stood.
    pub fn text(&self, name: &str) -> Option<&str> {
        let of = |path: &str| path.rsplit('/').next() == Some(name);
        self.elements.iter().find(|(path, _)| of(path)).map(|(_, text)| text.as_str())
    }

    /// Whether it was a save that was accepted.
    pub fn saved(&self) -> bool {
        self.method == "POST" && self.status == 200
    }
}

/// A call, decoded.
#[derive(Debug)]
pub(super) struct Call {
    pub method: Method,
    pub target: String,
    pub resource: Option<Resource>,
    pub query: Vec<(String, String)>,
    pub kind: String,
    pub body: Result<Bytes, Refusal>,
}

impl Call {
    /// Reads `request`, whose path lies below `base`.
    pub async fn read(request: Request, base: &str) -> Self {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let name = parts.uri.path().strip_prefix(base).unwrap_or_default();
        let resource = [Resource::User, Resource::Staff, Resource::LeadSource];
        let resource = resource.into_iter().find(|resource| resource.path() == name);
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase().replace(' ', "");
        let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Reason::Validation, "the body is too large");
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| too_large());
        Self { method: parts.method, target, resource, query, kind, body }
    }

    /// The query, whose names must be among `names` and come once.
    pub fn parameters(&self, names: &[&str]) -> Result<BTreeMap<&str, &str>, Refusal> {
        let mut found = BTreeMap::new();
        for (name, value) in &self.query {
            if !names.contains(&name.as_str()) || found.insert(name.as_str(), value.as_str()).is_some() {
                return Err(Refusal::validation("the query has a parameter it does not know, or one twice"));
            }
        }
        Ok(found)
    }

    /// The body of a save as a tree.
    pub fn document(&self) -> Result<Element, Refusal> {
        let body = self.body.clone()?;
        let known = ["application/xml", "text/xml", "application/xml;charset=utf-8", "text/xml;charset=utf-8"];
        if !known.contains(&self.kind.as_str()) {
            let (status, text) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not said to be XML in UTF-8");
            return Err(Refusal::new(status, Reason::Validation, text));
        }
        Ok(Element::read(&body, &[])?)
    }
}

/// An answer with an XML body.
pub(super) fn xml_response(status: StatusCode, body: &Element) -> Response {
    // Everything the simulator answers came in as XML or is a literal, so it can be written.
    let mut response = Response::new(Body::from(body.document().unwrap_or_default()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
