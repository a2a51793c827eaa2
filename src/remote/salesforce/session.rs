//! Talking to one org: log-in, token, one repetition after an expired session (`contracts/crm.md` 3).
//!
//! A token has no known end; an expired one shows as 401 `INVALID_SESSION_ID`. That answer comes before
//! anything is done, so sending the same request once more is not repeating a write.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{SYSTEM, Settings, refusal};
use crate::error::Error;
use crate::model::Timestamp;
use crate::remote::exchange::{self, BaseUrl, Effect, failure};
use crate::remote::gate::http_date;
use crate::remote::transport::{Limits, Transport};
use crate::remote::{Class, RemoteError, Sent};
use crate::seam::Clock;

const LOGIN: &str = "login";

/// The connection to one org.
#[derive(Debug)]
pub(super) struct Session {
    login: BaseUrl,
    client_id: String,
    client_secret: SecretString,
    data_path: String,
    limits: Limits,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Held while logging in, so that calls that meet an expired session log in once.
    token: Mutex<Option<Arc<Token>>>,
}

#[derive(Debug)]
struct Token {
    authorization: HeaderValue,
    instance: BaseUrl,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    instance_url: String,
}

/// One call: what a [`Request`] needs but the token and the instance, which may change in between.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) action: &'a str,
    pub(super) effect: Effect,
    pub(super) method: Method,
    /// Path below `/services/data/vNN`, with query, encoded.
    pub(super) path: String,
    pub(super) body: Option<String>,
    /// `If-Unmodified-Since`, already in HTTP form.
    pub(super) unmodified_since: Option<String>,
}

impl<'a> Call<'a> {
    pub(super) fn get(action: &'a str, path: String) -> Self {
        Self { action, effect: Effect::Reads, method: Method::GET, path, body: None, unmodified_since: None }
    }

    pub(super) fn patch(action: &'a str, path: String, body: &Json) -> Self {
        let (effect, method, body) = (Effect::Writes, Method::PATCH, Some(body.to_string()));
        Self { action, effect, method, path, body, unmodified_since: None }
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `Null` when there is none (204).
    pub(super) body: Json,
    pub(super) server_time: Option<Timestamp>,
}

impl Session {
    pub(super) fn new(
        settings: &Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Ok(Self {
            login: BaseUrl::parse("the address of Salesforce", &settings.base_url)?,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            data_path: format!("/services/data/v{}", settings.api_version),
            limits: settings.limits,
            transport,
            clock,
            token: Mutex::new(None),
        })
    }

    /// Makes `call`, logging in first where needed, and once more if the session has expired.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, RemoteError> {
        let token = self.token(None).await?;
        let mut response = self.send(call, &token).await?;
        if refusal::is_expired_session(&response) {
            let token = self.token(Some(&token)).await?;
            response = self.send(call, &token).await?;
        }
        if !matches!(response.status().as_u16(), 200 | 201 | 204) {
            return Err(refusal::classify(call.action, call.effect, &response, self.clock.now()));
        }
        let body = if response.body().is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(response.body()).map_err(|error| {
                let message = format!("the answer is not JSON (column {})", error.column());
                failure(SYSTEM, call.action, Class::Malformed, call.effect.unanswered(), &message)
            })?
        };
        Ok(Answer { status: response.status(), body, server_time: http_date(response.headers()) })
    }

    async fn send(&self, call: &Call<'_>, token: &Token) -> Result<Response<Bytes>, RemoteError> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(token.instance.join(&format!("{}{}", self.data_path, call.path)))
            .header(header::AUTHORIZATION, token.authorization.clone())
            .header(header::ACCEPT, "application/json");
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(since) = &call.unmodified_since {
            request = request.header(header::IF_UNMODIFIED_SINCE, since);
        }
        if call.path.starts_with("/query") {
            request = request.header("sforce-query-options", format!("batchSize={}", super::PAGE_SIZE));
        }
        let request = request
            .body(call.body.clone().map(Bytes::from).unwrap_or_default())
            .map_err(|error| failure(SYSTEM, call.action, Class::Unsupported, Sent::No, &error.to_string()))?;
        let answer = self.transport.send(request, self.limits).await;
        answer.map_err(|error| exchange::unreachable(SYSTEM, call.action, call.effect, &error))
    }

    /// A token other than `expired`.
    async fn token(&self, expired: Option<&Arc<Token>>) -> Result<Arc<Token>, RemoteError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = &*kept
            && !expired.is_some_and(|expired| Arc::ptr_eq(expired, token))
        {
            return Ok(Arc::clone(token));
        }
        *kept = None;
        let token = Arc::new(self.log_in().await?);
        *kept = Some(Arc::clone(&token));
        Ok(token)
    }

    /// OAuth client credentials. Whatever goes wrong here, the call it was for has not been sent.
    async fn log_in(&self) -> Result<Token, RemoteError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_secret())
            .finish();
        let request = Request::post(self.login.join("/services/oauth2/token"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Bytes::from(form))
            .map_err(|error| failure(SYSTEM, LOGIN, Class::Unsupported, Sent::No, &error.to_string()))?;
        let answer = self.transport.send(request, self.limits).await;
        let response = answer.map_err(|error| exchange::unreachable(SYSTEM, LOGIN, Effect::Reads, &error))?;
        if response.status() != StatusCode::OK {
            return Err(refusal::of_login(&response, self.clock.now()));
        }
        let malformed = |what: &str| failure(SYSTEM, LOGIN, Class::Malformed, Sent::No, what);
        // serde_json's own message could quote the token.
        let granted: Granted =
            serde_json::from_slice(response.body()).map_err(|_| malformed("the answer holds no token and instance"))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", granted.access_token.expose_secret()))
            .map_err(|_| malformed("the token cannot be sent in a header"))?;
        authorization.set_sensitive(true);
        let instance = BaseUrl::parse("the instance", &granted.instance_url)
            .map_err(|error| malformed(&format!("the token is for an instance that must not be used: {error}")))?;
        Ok(Token { authorization, instance })
    }
}
