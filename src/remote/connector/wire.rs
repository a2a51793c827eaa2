//! Calls of the Connector's API (contract 1.3, 1.5): one exchange each, and what its answer means.
//!
//! A success that does not hold what was asked for is no success: it is "not found" of a read, and an unclear
//! outcome of a save.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use url::form_urlencoded::Serializer;

use super::person::{Elements, HUB, Kept, kept_id};
use super::xml::{CONTENT_TYPE, Element, LARGEST};
use super::{SYSTEM, Settings};
use crate::error::Error;
use crate::model::{RecordId, Timestamp};
use crate::remote::exchange::{self, BaseUrl, Effect, cut, failure};
use crate::remote::gate::{http_date, retry_after};
use crate::remote::port::Entry;
use crate::remote::transport::{Limits, Transport};
use crate::remote::{Class, RemoteError, Sent};
use crate::seam::Clock;

/// A connection. Keeps no state; there is nothing secret about it but the ids.
#[derive(Debug)]
pub(super) struct Wire {
    base: BaseUrl,
    path: String,
    provider: String,
    client: String,
    club: String,
    limits: Limits,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
}

impl Wire {
    pub(super) fn new(
        settings: &Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if settings.version.is_empty() || !settings.version.bytes().all(plain) || settings.version.starts_with('.') {
            return Err(Error::config("crm.version cannot stand in an address").hint("version = \"2011-11\""));
        }
        Ok(Self {
            base: BaseUrl::parse("the address of the Connector", &settings.base_url)?,
            path: format!("/connector/api/{}", settings.version),
            provider: settings.provider.clone(),
            client: settings.client.clone(),
            club: settings.club.clone(),
            // One byte more than a document may have, so that the reader says what is wrong.
            limits: Limits { max_body: settings.limits.max_body.min(LARGEST + 1), ..settings.limits },
            transport,
            clock,
        })
    }

    /// One person; `None` when there is none.
    pub(super) async fn user(&self, id: &RecordId) -> Result<Option<Kept>, RemoteError> {
        let answer = self.fetch("read a person", "user", &[("recordID", id.as_str())]).await?;
        let Some(root) = answer.map(|(root, _)| root) else { return Ok(None) };
        let Some(user) = root.find("user") else { return Ok(None) };
        // Somebody else's record is not the one asked for.
        let named = user.child("providerInfo").and_then(|info| info.text_of("recordID"));
        if named.is_some_and(|named| named != id.as_str().trim()) {
            return Ok(None);
        }
        let Some(person) = user.child("userInfo").map(Kept::of_info) else { return Ok(None) };
        // Somebody is there. Taken for nobody, they would be made again or given up.
        if !person.has_type() {
            let why = "the person is neither a prospect nor a member";
            return Err(failure(SYSTEM, "read a person", Class::Malformed, Sent::No, why));
        }
        Ok(Some(person))
    }

    /// Asks `resource` for something, to see who answers. "Not found" is said of an absent record as of a wrong
    /// address (contract 1.5), so it is told which of the two it may have been.
    pub(super) async fn ping(&self, resource: &str, more: &[(&str, &str)]) -> Result<Pinged, RemoteError> {
        let action = "test the connection";
        let answer = self.ask(action, resource, more).await?;
        let root = Element::read(answer.body());
        let known = match answer.status() {
            StatusCode::OK => {
                let root =
                    root.map_err(|error| failure(SYSTEM, action, Class::Malformed, Sent::No, &error.to_string()))?;
                if root.name.eq_ignore_ascii_case("html") {
                    let why = format!("{} is a web page", self.address(resource));
                    return Err(failure(SYSTEM, action, Class::Unsupported, Sent::No, &why));
                }
                true
            }
            // In its own words it is the Connector that knows no such record. A server's page says nothing.
            StatusCode::NOT_FOUND => {
                root.is_ok_and(|root| root.find("reason").is_some() || root.find("errorUUID").is_some())
            }
            _ => return Err(self.classify(action, resource, Effect::Reads, &answer)),
        };
        Ok(Pinged { known, server_time: http_date(answer.headers()) })
    }

    /// Where `resource` is, without whose records are asked for: those ids are all the secret there is.
    pub(super) fn address(&self, resource: &str) -> String {
        self.base.join(&format!("{}/{resource}", self.path))
    }

    /// Every entry of a list.
    pub(super) async fn list(
        &self,
        resource: &str,
        entry: &impl Fn(&Element) -> Option<Entry>,
    ) -> Result<Vec<Entry>, RemoteError> {
        let action = format!("list {resource}");
        let wrong = |why| failure(SYSTEM, &action, Class::Unsupported, Sent::No, why);
        let Some((root, _)) = self.fetch(&action, resource, &[]).await? else {
            return Err(wrong("there is no such call"));
        };
        let rows = rows(&root);
        // An empty list is a list; a page about something else is none.
        if rows.is_empty() && !root.name.to_ascii_lowercase().contains(resource) {
            return Err(wrong("it answers with something else than a list"));
        }
        let malformed = || failure(SYSTEM, &action, Class::Malformed, Sent::No, "a row is not an entry with an id");
        rows.into_iter().map(|row| entry(row).ok_or_else(malformed)).collect()
    }

    /// The staff with this address.
    pub(super) async fn staff_by_email(
        &self,
        email: &str,
        entry: &impl Fn(&Element) -> Option<Entry>,
    ) -> Result<Vec<Entry>, RemoteError> {
        let answer = self.fetch("find staff", "staff", &[("email", email)]).await?;
        let found = answer.map(|(root, _)| rows(&root).into_iter().filter_map(entry).collect());
        Ok(found.unwrap_or_default())
    }

    /// Saves a person; the Connector's own id of them.
    pub(super) async fn save_user(
        &self,
        action: &str,
        id: &RecordId,
        person: &Kept,
        elements: &Elements,
    ) -> Result<String, RemoteError> {
        let body = Element::parent("user", [self.provider_info(id), person.info(elements)]);
        self.save(action, "user", &body).await
    }

    /// Saves a lead source; the Connector's own id of it (P-13, P-15).
    pub(super) async fn save_source(
        &self,
        action: &str,
        id: &RecordId,
        name: &str,
        active: bool,
    ) -> Result<String, RemoteError> {
        let active = if active { "true" } else { "false" };
        let info = Element::parent("leadInfo", [Element::leaf("name", name), Element::leaf("active", active)]);
        self.save(action, "leadsource", &Element::parent("leadSource", [self.provider_info(id), info])).await
    }

    /// The name under which the Connector itself may come to speak of the person it answered `uuid` for.
    pub(super) fn hubs_name(&self, uuid: &str) -> String {
        kept_id(HUB, &self.client, &self.club, uuid)
    }

    fn provider_info(&self, id: &RecordId) -> Element {
        let ids = [
            ("identifier", self.provider.as_str()),
            ("clientID", &self.client),
            ("clubID", &self.club),
            ("recordID", id.as_str()),
        ];
        Element::parent("providerInfo", ids.map(|(name, text)| Element::leaf(name, text)))
    }

    async fn save(&self, action: &str, resource: &str, body: &Element) -> Result<String, RemoteError> {
        let document =
            body.document().map_err(|error| failure(SYSTEM, action, Class::Rejected, Sent::No, &error.to_string()))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.address(resource))
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .body(Bytes::from(document));
        let answer = self.exchange(action, request, Effect::Writes).await?;
        if answer.status() != StatusCode::OK && answer.status() != StatusCode::CREATED {
            return Err(self.classify(action, resource, Effect::Writes, &answer));
        }
        let root = Element::read(answer.body()).ok();
        let uuid = root.as_ref().and_then(|root| root.find("uuid")).map(|uuid| uuid.text.trim().to_owned());
        uuid.filter(|uuid| !uuid.is_empty() && uuid.len() <= 200).ok_or_else(|| {
            let why = "the save was answered without the id it must be answered with";
            failure(SYSTEM, action, Class::Malformed, Sent::Maybe, why)
        })
    }

    /// One document and the server's clock; `None` for "not found".
    async fn fetch(
        &self,
        action: &str,
        resource: &str,
        more: &[(&str, &str)],
    ) -> Result<Option<(Element, Option<Timestamp>)>, RemoteError> {
        let answer = self.ask(action, resource, more).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(self.classify(action, resource, Effect::Reads, &answer)),
        }
        let root = Element::read(answer.body())
            .map_err(|error| failure(SYSTEM, action, Class::Malformed, Sent::No, &error.to_string()))?;
        Ok(Some((root, http_date(answer.headers()))))
    }

    /// The answer to a question for `resource`, whatever it is.
    async fn ask(&self, action: &str, resource: &str, more: &[(&str, &str)]) -> Result<Response<Bytes>, RemoteError> {
        let ours = [("provider", self.provider.as_str()), ("client_id", &self.client), ("club_id", &self.club)];
        let query: String = Serializer::new(String::new()).extend_pairs(ours).extend_pairs(more).finish();
        let address = format!("{}?{query}", self.address(resource));
        let request = Request::builder().method(Method::GET).uri(address).header(header::ACCEPT, "application/xml");
        self.exchange(action, request.body(Bytes::new()), Effect::Reads).await
    }

    async fn exchange(
        &self,
        action: &str,
        request: Result<Request<Bytes>, http::Error>,
        effect: Effect,
    ) -> Result<Response<Bytes>, RemoteError> {
        let request = request
            .map_err(|_| failure(SYSTEM, action, Class::Rejected, Sent::No, "an id cannot be part of an address"))?;
        let answer = self.transport.send(request, self.limits).await;
        answer.map_err(|error| exchange::unreachable(SYSTEM, action, effect, &error))
    }

    /// The error behind an answer that is no success: `reason`, `errorUUID` and `message`, wherever they stand.
    fn classify(&self, action: &str, resource: &str, effect: Effect, answer: &Response<Bytes>) -> RemoteError {
        let root = Element::read(answer.body()).unwrap_or_default();
        let text = |name: &str| root.find(name).map(|element| element.text.trim()).filter(|text| !text.is_empty());
        let reason = text("reason");
        let (class, sent) = judge(answer.status(), reason, effect);
        // The message is a stack trace; only its first line says anything.
        let message = text("message").and_then(|message| message.lines().next());
        let message = match message {
            Some(message) => cut(message),
            None => format!("{} answered {}", self.address(resource), answer.status().as_u16()),
        };
        RemoteError {
            code: Some(reason.map_or_else(|| answer.status().as_u16().to_string(), cut)),
            details: text("errorUUID").map(|id| format!("errorUUID: {}", cut(id))).into_iter().collect(),
            retry_after: retry_after(answer.headers(), self.clock.now()),
            ..failure(SYSTEM, action, class, sent, &message)
        }
    }
}

/// Who answered a test of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pinged {
    /// The Connector did. Otherwise it may have been any server that has nothing there.
    pub known: bool,
    pub server_time: Option<Timestamp>,
}

/// What a refusal means (contract 1.5): VALIDATION is for good, everything else may pass.
fn judge(status: StatusCode, reason: Option<&str>, effect: Effect) -> (Class, Sent) {
    let validation = reason.is_some_and(|reason| reason.eq_ignore_ascii_case("VALIDATION"));
    match status.as_u16() {
        401 => (Class::Unauthorized, Sent::No),
        403 => (Class::Forbidden, Sent::No),
        // A save makes what is not there: only an address that takes none can be missing.
        404 if effect == Effect::Writes => (Class::Unsupported, Sent::No),
        404 => (Class::Missing, Sent::No),
        405 | 415 => (Class::Unsupported, Sent::No),
        413 => (Class::Rejected, Sent::No),
        429 => (Class::Throttled, Sent::No),
        400..=499 if validation => (Class::Rejected, Sent::No),
        400..=599 => (Class::Server, effect.unanswered()),
        _ => (Class::Malformed, effect.unanswered()),
    }
}

/// The elements of a list: those that say whose they are.
fn rows(root: &Element) -> Vec<&Element> {
    if root.child("providerInfo").is_some() {
        return vec![root];
    }
    root.children.iter().flat_map(rows).collect()
}
