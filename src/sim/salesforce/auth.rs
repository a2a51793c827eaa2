//! OAuth: the token endpoint, and which tokens are good.
//!
//! The client-credentials flow only, with the credentials in a Basic header or in the body: both are
//! what published clients send (`contracts/crm.md` 3).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{StatusCode, header};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::Settings;
use super::call::{Call, Reply};
use super::error::Refusal;
use super::id::SfId;
use super::rest::identity_url;
use crate::model::Timestamp;
use crate::seam::Entropy;

/// The organisation's id.
pub const ORGANISATION: &str = "00D5g0000000001EAA";

/// What a token is made from.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// The credentials that are right.
    pub settings: &'a Settings,
    /// Whom the token stands for.
    pub user: &'a SfId,
    /// How long it lives.
    pub life: Duration,
    /// What makes it unguessable.
    pub entropy: &'a Entropy,
    /// When it is asked for.
    pub now: Timestamp,
}

/// Access tokens and when they die.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    tokens: BTreeMap<String, Timestamp>,
}

impl Sessions {
    /// Ends every session at once.
    pub fn expire(&mut self) {
        self.tokens.clear();
    }

    /// Whether the call carries a living token.
    ///
    /// # Errors
    /// 401 `INVALID_SESSION_ID`.
    pub fn check(&self, call: &Call, now: Timestamp) -> Result<(), Refusal> {
        let bearer = call.header(header::AUTHORIZATION.as_str()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            // `OAuth` is the older spelling that Salesforce still takes.
            ["bearer", "oauth"].contains(&scheme.to_ascii_lowercase().as_str()).then(|| token.trim())
        });
        match bearer.and_then(|token| self.tokens.get(token)) {
            Some(until) if now < *until => Ok(()),
            _ => Err(invalid_session()),
        }
    }

    /// Answers a token request.
    pub fn grant(&mut self, call: &Call, issuer: &Issuer<'_>) -> Reply {
        match self.granted(call, issuer) {
            Ok(body) => Reply::ok(body),
            Err((error, description)) => {
                // Salesforce answers 400 to every refused grant, the wrong secret included.
                Reply::with(StatusCode::BAD_REQUEST, json!({ "error": error, "error_description": description }))
            }
        }
    }

    fn granted(&mut self, call: &Call, issuer: &Issuer<'_>) -> Result<Value, (&'static str, &'static str)> {
        let Issuer { settings, user, life, entropy, now } = *issuer;
        let kind = call.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return Err(("invalid_request", "must use content type application/x-www-form-urlencoded"));
        }
        let form: BTreeMap<String, String> = form_urlencoded::parse(&call.body).into_owned().collect();
        if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
            return Err(("unsupported_grant_type", "grant type not supported"));
        }
        let (id, secret) = basic(call)
            .or_else(|| Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone())))
            .ok_or(("invalid_client", "client identifier or secret missing"))?;
        if id != settings.client_id {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        if !bool::from(secret.as_bytes().ct_eq(settings.client_secret.expose_secret().as_bytes())) {
            return Err(("invalid_client", "invalid client credentials"));
        }
        self.tokens.retain(|_, until| now < *until);
        let random: Vec<u8> = (0..6).flat_map(|_| entropy.next().to_be_bytes()).collect();
        let token = format!("{}!{}", &ORGANISATION[..15], BASE64URL_NOPAD.encode(&random));
        self.tokens.insert(token.clone(), now.plus(life));
        let base = call.base_url();
        Ok(json!({
            "access_token": token,
            "signature": BASE64.encode(&random[..32]),
            "scope": "api",
            "instance_url": base,
            "id": identity_url(&base, user),
            "token_type": "Bearer",
            "issued_at": now.millis().to_string(),
        }))
    }
}

/// 401 as both clients recognise it.
pub fn invalid_session() -> Refusal {
    Refusal::new("INVALID_SESSION_ID", "Session expired or invalid").status(StatusCode::UNAUTHORIZED)
}

fn basic(call: &Call) -> Option<(String, String)> {
    let (scheme, encoded) = call.header(header::AUTHORIZATION.as_str())?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
