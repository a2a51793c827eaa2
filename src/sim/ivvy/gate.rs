//! The door: every check before an action runs, in the order of contract 18.
//!
//! The signature is computed here from the contract's text, over the headers and target as received.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use sha1::Sha1;

use super::actions::{Action, NAMESPACES};
use super::answer::{Refusal, parse_stamp};
use super::params::whole;
use crate::model::Timestamp;

/// How far a request's date may be from now, both ways (contract 3).
const FRESH: Duration = Duration::from_secs(300);

/// An API key as the account knows it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub secret: SecretString,
    pub revoked: bool,
    pub denied: BTreeSet<String>,
    /// The venues it is bound to; all when empty.
    pub venues: BTreeSet<u64>,
}

impl Key {
    /// Refuses bookings of venues that the key is not bound to, and the whole account's, as a missing
    /// permission: the documentation does not say how (V-82).
    pub fn admits(&self, action: &Action, asked: &Map<String, Value>) -> Result<(), Refusal> {
        let lists = action.object == Some("booking") && action.name != "getBooking";
        if lists { self.admits_venue(asked.get("venueId")) } else { Ok(()) }
    }

    /// Refuses a single booking of another venue.
    pub fn shows(&self, action: &Action, answer: &Value) -> Result<(), Refusal> {
        if action.name == "getBooking" { self.admits_venue(answer.get("venueId")) } else { Ok(()) }
    }

    fn admits_venue(&self, venue: Option<&Value>) -> Result<(), Refusal> {
        let bound = self.venues.is_empty() || venue.and_then(whole).is_some_and(|venue| self.venues.contains(&venue));
        if bound { Ok(()) } else { Err(Refusal::new(403, "Forbidden")) }
    }
}

/// A request that was let in.
#[derive(Debug)]
pub(super) struct Admitted<'k> {
    pub action: &'static Action,
    pub params: Map<String, Value>,
    pub key: &'k Key,
}

/// Admits a request or says why not.
pub(super) fn admit<'k>(
    parts: &Parts,
    body: &[u8],
    keys: &'k BTreeMap<String, Key>,
    now: Timestamp,
) -> Result<Admitted<'k>, Refusal> {
    let action = addressed(parts)?;
    let (name, signature) = authorization(&parts.headers).ok_or_else(Refusal::unauthorized)?;
    let key = keys.get(name).ok_or_else(Refusal::unauthorized)?;
    if key.revoked {
        return Err(Refusal::new(463, "API key revoked"));
    }
    let md5 = HEXLOWER.encode(&Md5::digest(body));
    if text(&parts.headers, "content-md5") != Some(md5.as_str()) {
        return Err(Refusal::unauthorized());
    }
    let at = dated(&parts.headers).ok_or_else(Refusal::stale)?;
    if at.since(now) > FRESH || now.since(at) > FRESH {
        return Err(Refusal::stale());
    }
    if signature != sign(key.secret.expose_secret(), &string_to_sign(parts, &md5)) {
        return Err(Refusal::unauthorized());
    }
    if key.denied.contains(action.name) {
        return Err(Refusal::new(403, "Forbidden"));
    }
    Ok(Admitted { action, params: parameters(parts, body)?, key })
}

/// Path, version, method and action.
fn addressed(parts: &Parts) -> Result<&'static Action, Refusal> {
    let namespace = parts.uri.path().strip_prefix("/api/1.0/").ok_or_else(|| Refusal::new(404, "Not found"))?;
    if !NAMESPACES.contains(&namespace) {
        return Err(Refusal::new(404, "Not found"));
    }
    if parts.method != Method::POST {
        return Err(Refusal::new(405, "Method not allowed"));
    }
    let query = parts.uri.query().unwrap_or_default();
    let name = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "action");
    let action = name.and_then(|(_, action)| Action::find(namespace, &action));
    action.ok_or_else(|| Refusal::new(404, "Unknown action"))
}

fn authorization(headers: &HeaderMap) -> Option<(&str, &str)> {
    let (key, signature) = text(headers, "x-api-authorization")?.strip_prefix("IWS ")?.split_once(':')?;
    (!key.is_empty() && !signature.is_empty()).then_some((key, signature))
}

/// The request's own date: `IVVY-Date`, or `Date` where that is missing.
fn dated(headers: &HeaderMap) -> Option<Timestamp> {
    if let Some(stamp) = text(headers, "ivvy-date") {
        return parse_stamp(stamp);
    }
    let date = text(headers, "date")?;
    let bare = date.strip_suffix(" UTC").or_else(|| date.strip_suffix(" GMT"))?;
    let at = chrono::NaiveDateTime::parse_from_str(bare, "%a, %d %b %Y %H:%M:%S").ok()?;
    Some(Timestamp::from(at.and_utc()))
}

fn string_to_sign(parts: &Parts, md5: &str) -> String {
    let headers = &parts.headers;
    let date = if headers.contains_key("ivvy-date") { "" } else { text(headers, "date").unwrap_or_default() };
    let own: BTreeMap<String, &str> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("ivvy"))
        .filter_map(|(name, value)| Some((name.as_str().replace(['-', '_'], ""), value.to_str().ok()?)))
        .collect();
    let own: Vec<String> = own.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut whole = String::from(parts.method.as_str());
    whole.push_str(md5);
    whole.push_str(text(headers, "content-type").unwrap_or_default());
    whole.push_str(date);
    whole.push_str(parts.uri.path_and_query().map_or("/", |target| target.as_str()));
    whole.push_str("1.0");
    whole.push_str(&own.join("&"));
    whole.to_ascii_lowercase()
}

fn sign(secret: &str, message: &str) -> String {
    // HMAC takes a key of any length; an error cannot occur, and an empty signature never matches.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(message.as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// The body as parameters. Nothing and `[]` are no parameters, as PHP sees them.
fn parameters(parts: &Parts, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let media = text(&parts.headers, "content-type").unwrap_or_default();
    if media.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refusal::new(400, "The content type must be application/json"));
    }
    if !parts.headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::new(400, "Content-Length is required"));
    }
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Array(items)) if items.is_empty() => Ok(Map::new()),
        _ => Err(Refusal::new(400, "The body is not a JSON object")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's vectors (3, `ivvy_vectors.json`): secret, body, content type, headers, target, signature.
    type Vector<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

    const PING: &str = "/api/1.0/test?action=ping";
    const JSON: &str = "application/json";
    const BODY: &str = r#"{"example":"body"}"#;
    const AT: (&str, &str) = ("IVVY-Date", "2012-04-03 22:23:24");
    const LATER: (&str, &str) = ("IVVY-Date", "2024-03-11 00:00:45");

    #[test]
    fn signs_the_contracts_vectors() {
        assert_eq!(sign("my secret key", "string to sign"), "a993876ea1218921a1c8551923473da7b310dfae");
        let secret = "my secret key";
        let vectors: &[Vector<'_>] = &[
            (secret, BODY, JSON, &[AT], PING, "74af7ec6fec55dc88543e05096c69cebaf391eb9"),
            ("foo", BODY, JSON, &[AT], PING, "8c7a8f2bcd32aa06d9c4097653bee4106b64fe81"),
            (
                secret,
                BODY,
                "application/json; charset=utf-8",
                &[("IVVY-Date", "2012-04-03 22:23:24 UTC")],
                PING,
                "98ee5ba1a6e3049823d89d37c2ef837257748354",
            ),
            (
                secret,
                BODY,
                JSON,
                &[("Date", "Tue, 03 Apr 2012 22:23:24 UTC")],
                PING,
                "763f8631932e4387a5c97e7176c8f1201b68115d",
            ),
            (secret, "", JSON, &[AT], PING, "607ace9689529474f070dcf4d2500804c6aa78d2"),
            (
                secret,
                r#"{"perPage":100,"start":0,"filter":{"fromModifiedDate":"2024-03-01 00:00:00"}}"#,
                JSON,
                &[LATER],
                "/api/1.0/contact?action=getContactList",
                "23f36d3fab7f58b2995c5e8b2f3267b045af0e74",
            ),
            (
                secret,
                r#"{"firstName":"Zoë","lastName":"Łukasz"}"#,
                JSON,
                &[LATER],
                "/api/1.0/contact?action=addOrUpdateContact",
                "753e161500a782642df9dc70cf683bb01ea02488",
            ),
            (
                secret,
                "{}",
                JSON,
                &[LATER, ("IVVY-Trace_Id", "AbC")],
                "/api/1.0/crm?action=getLeadSourceList",
                "4de735a8f042ddf66548b9648c5df5215d1f4feb",
            ),
        ];
        for (secret, body, media, headers, target, signature) in vectors {
            let mut request = http::Request::post(*target).header("Content-Type", *media);
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let md5 = HEXLOWER.encode(&Md5::digest(body.as_bytes()));
            assert_eq!(sign(secret, &string_to_sign(&parts, &md5)), *signature, "{target} {body}");
        }
    }
}
