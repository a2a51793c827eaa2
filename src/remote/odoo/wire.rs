//! The JSON-2 wire of Odoo 19 and later (`contracts/crm.md` 6): one POST per method call.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value as Json, json};

use super::{SYSTEM, Settings, refusal};
use crate::error::Error;
use crate::model::Timestamp;
use crate::remote::exchange::{self, BaseUrl, Effect, failure};
use crate::remote::gate::http_date;
use crate::remote::transport::{Limits, Transport};
use crate::remote::{Class, RemoteError, Sent};
use crate::seam::Clock;

/// A connection to one database. Keeps no state: every call carries the key.
#[derive(Debug)]
pub(super) struct Wire {
    base: BaseUrl,
    database: HeaderValue,
    key: SecretString,
    limits: Limits,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
}

/// What a call brought.
#[derive(Debug)]
pub(super) struct Answer {
    /// The method's result.
    pub(super) body: Json,
    /// The server's clock.
    pub(super) server_time: Option<Timestamp>,
}

impl Wire {
    pub(super) fn new(
        settings: &Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let database = HeaderValue::from_str(&settings.database)
            .map_err(|error| Error::config("the name of the Odoo database cannot be sent").because(&error))?;
        // Checked here so that no later call can fail on it.
        bearer(&settings.key).ok_or_else(|| Error::config("the Odoo API key holds characters that cannot be sent"))?;
        Ok(Self {
            base: BaseUrl::parse("the address of Odoo", &settings.base_url)?,
            database,
            key: settings.key.clone(),
            limits: settings.limits,
            transport,
            clock,
        })
    }

    /// Calls `model.method` with named arguments. Messages come in English whatever the
    /// integration user's language is, because some must be recognised; reads see archived records.
    ///
    /// What writes say besides, all measured: without `tz`, `load` takes times for the user's own zone
    /// (`write` never does); naming an owner would mail them "You have been assigned", a thousand times at a
    /// first sync; and whoever creates a record becomes its follower, to be mailed ever after. A `context`
    /// among the arguments is added to these.
    pub(super) async fn call(
        &self,
        model: &str,
        method: &str,
        mut arguments: Map<String, Json>,
        effect: Effect,
    ) -> Result<Answer, RemoteError> {
        let action = format!("{model}.{method}");
        let mut context = match effect {
            Effect::Reads => json!({"lang": "en_US", "active_test": false}),
            Effect::Writes => json!({
                "lang": "en_US",
                "tz": "UTC",
                "mail_auto_subscribe_no_notify": true,
                "mail_create_nosubscribe": true,
            }),
        };
        if let (Some(Json::Object(more)), Some(context)) = (arguments.remove("context"), context.as_object_mut()) {
            context.extend(more);
        }
        arguments.insert("context".to_owned(), context);
        let body = Bytes::from(Json::Object(arguments).to_string());
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.base.join(&format!("/json/2/{model}/{method}")))
            .header(header::AUTHORIZATION, bearer(&self.key).unwrap_or(HeaderValue::from_static("")))
            .header("x-odoo-database", self.database.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        self.exchange(&action, request, effect).await
    }

    /// The server's own version text. Servers before 19 do not have this address.
    pub(super) async fn version(&self) -> Result<Answer, RemoteError> {
        let request = Request::builder().method(Method::GET).uri(self.base.join("/json/version")).body(Bytes::new());
        self.exchange("version", request, Effect::Reads).await
    }

    async fn exchange(
        &self,
        action: &str,
        request: Result<Request<Bytes>, http::Error>,
        effect: Effect,
    ) -> Result<Answer, RemoteError> {
        let request =
            request.map_err(|error| failure(SYSTEM, action, Class::Unsupported, Sent::No, &error.to_string()))?;
        let response = self
            .transport
            .send(request, self.limits)
            .await
            .map_err(|error| exchange::unreachable(SYSTEM, action, effect, &error))?;
        if response.status() != StatusCode::OK {
            return Err(refusal::classify(action, effect, &response, self.clock.now()));
        }
        let body = serde_json::from_slice(response.body()).map_err(|error| {
            let sent = effect.unanswered();
            failure(
                SYSTEM,
                action,
                Class::Malformed,
                sent,
                &format!("the answer is not JSON (column {})", error.column()),
            )
        })?;
        Ok(Answer { body, server_time: http_date(response.headers()) })
    }
}

fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("bearer {}", key.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer that does not make sense. Only for reads.
pub(super) fn malformed(action: &str, what: &str) -> RemoteError {
    failure(SYSTEM, action, Class::Malformed, Sent::No, what)
}

/// `values` as a JSON object.
pub(super) fn arguments<const N: usize>(values: [(&str, Json); N]) -> Map<String, Json> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
