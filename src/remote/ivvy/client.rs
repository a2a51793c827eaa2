//! One signed call: body bytes built once, signed, sent; the clocks kept in step.
//!
//! The client refuses to repeat anything except a request that was turned away as stale (23005),
//! which proves that it was not looked at; that one is signed anew and sent once more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use url::Url;

use super::action::{Action, PING};
use super::{answer, loose, sign};
use crate::error::Error;
use crate::model::Timestamp;
use crate::remote::gate::http_date;
use crate::remote::http::is_loopback;
use crate::remote::transport::{Limits, Transport};
use crate::remote::{Class, Probe, RemoteError, Sent};
use crate::seam::Clock;

const JSON_TYPE: &str = "application/json";

/// Speaks to one iVvy account.
pub(super) struct Client {
    /// `https://host[:port]`.
    origin: String,
    /// Path prefix before `/api`, without a slash at its end.
    prefix: String,
    key: String,
    secret: SecretString,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// Server clock minus ours, in milliseconds, as last measured.
    skew_ms: AtomicI64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origin", &self.origin).field("skew_ms", &self.skew_ms).finish_non_exhaustive()
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub json: Json,
    /// The `Date` header.
    pub server_time: Option<Timestamp>,
}

/// A response and when, by our clock, its request left and it arrived.
struct Exchange {
    response: http::Response<Bytes>,
    sent_at: Timestamp,
    received_at: Timestamp,
}

impl Exchange {
    fn server_time(&self) -> Option<Timestamp> {
        http_date(self.response.headers())
    }

    /// How far `server` is ahead of our clock at the middle of the round trip.
    fn skew(&self, server: Timestamp) -> i64 {
        let middle = self.sent_at.millis() + (self.received_at.millis() - self.sent_at.millis()) / 2;
        server.millis() - middle
    }
}

impl Client {
    pub(super) fn new(
        base_url: &Url,
        key: String,
        secret: SecretString,
        limits: Limits,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let (origin, prefix) = split(base_url)?;
        // It is put between a space and a colon, and sent as a header.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            return Err(Error::config("the iVvy API key is empty or holds characters no key has"));
        }
        if secrecy::ExposeSecret::expose_secret(&secret).is_empty() {
            return Err(Error::config("the iVvy API secret is empty"));
        }
        Ok(Self { origin, prefix, key, secret, transport, clock, limits, skew_ms: AtomicI64::new(0) })
    }

    /// Calls `action`. The error says whether a write may have been applied.
    pub(super) async fn call(&self, action: &Action, body: &Json) -> Result<Answer, RemoteError> {
        let exchange = self.exchange(action, body).await?;
        let server_time = exchange.server_time();
        self.judge(action, body, &exchange).map(|json| Answer { json, server_time })
    }

    /// Pings, and measures the skew by `ack` or, failing that, by the `Date` header.
    pub(super) async fn probe(&self) -> Result<Probe, RemoteError> {
        let body = json!({});
        let exchange = self.exchange(&PING, &body).await?;
        let json = self.judge(&PING, &body, &exchange)?;
        let Some(ack) = json.get("ack") else {
            return Err(answer::failure(&PING, Class::Malformed, Sent::No, "the ping was not acknowledged"));
        };
        let skew = loose::as_stamp(ack).or_else(|| exchange.server_time()).map(|server| exchange.skew(server));
        if let Some(skew) = skew {
            self.skew_ms.store(skew, Ordering::Relaxed);
        }
        let round_trip = exchange.received_at.since(exchange.sent_at);
        Ok(Probe {
            system: "iVvy API 1.0".into(),
            clock_skew_ms: skew,
            round_trip_ms: u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX),
            ..Probe::default()
        })
    }

    fn judge(&self, action: &Action, body: &Json, exchange: &Exchange) -> Result<Json, RemoteError> {
        answer::judge(action, body, &exchange.response, exchange.received_at)
    }

    /// Sends once, and once more with a new signature if the first was refused as stale and the
    /// skew could be measured.
    async fn exchange(&self, action: &Action, body: &Json) -> Result<Exchange, RemoteError> {
        let first = self.attempt(action, body).await?;
        let stale = matches!(self.judge(action, body, &first),
            Err(error) if error.code.as_deref() == Some(answer::STALE));
        if !stale || !self.measure(action, &first).await {
            return Ok(first);
        }
        self.attempt(action, body).await
    }

    /// Learns the skew after a stale refusal: from the refusal's own `Date`, or with a ping, whose
    /// acknowledgement or at least whose refusal may tell. Whether it could be learned.
    async fn measure(&self, refused: &Action, refusal: &Exchange) -> bool {
        let mut measured = refusal.server_time().map(|server| refusal.skew(server));
        if measured.is_none() && refused.name != PING.name {
            let body = json!({});
            let Ok(ping) = self.attempt(&PING, &body).await else { return false };
            let ack = self.judge(&PING, &body, &ping).ok().and_then(|json| loose::as_stamp(json.get("ack")?));
            measured = ack.or_else(|| ping.server_time()).map(|server| ping.skew(server));
        }
        let Some(skew) = measured else { return false };
        tracing::info!(skew_ms = skew, "iVvy refused a request as stale; clock offset measured anew");
        self.skew_ms.store(skew, Ordering::Relaxed);
        true
    }

    async fn attempt(&self, action: &Action, body: &Json) -> Result<Exchange, RemoteError> {
        let sent_at = self.clock.now();
        let request = self
            .signed(action, body, sent_at)
            .map_err(|why| answer::failure(action, Class::Unsupported, Sent::No, why))?;
        let response = self
            .transport
            .send(request, self.limits)
            .await
            .map_err(|error| answer::transport_failure(action, &error))?;
        Ok(Exchange { response, sent_at, received_at: self.clock.now() })
    }

    /// The request, signed over exactly the bytes it carries.
    fn signed(&self, action: &Action, body: &Json, now: Timestamp) -> Result<http::Request<Bytes>, String> {
        // `Value` prints compactly, without the surrounding whitespace iVvy's pages disagree about.
        let body = Bytes::from(body.to_string());
        let md5 = sign::content_md5(&body);
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let server_now = Timestamp::from_millis(now.millis().saturating_add(skew));
        let date = stamp(server_now);
        let target = format!("{}/api/{}/{}?action={}", self.prefix, sign::API_VERSION, action.namespace, action.name);
        let line = sign::string_to_sign(&sign::Signable {
            content_md5: &md5,
            content_type: JSON_TYPE,
            date: "",
            target: &target,
            ivvy_headers: &[("IVVY-Date", &date)],
        });
        let signature = sign::signature(&self.secret, &line);
        let mut authorization = HeaderValue::try_from(format!("IWS {}:{signature}", self.key))
            .map_err(|_| "the API key does not fit a header".to_owned())?;
        authorization.set_sensitive(true);
        http::Request::post(format!("{}{target}", self.origin))
            .header(CONTENT_TYPE, JSON_TYPE)
            .header(ACCEPT, JSON_TYPE)
            .header("Content-MD5", md5)
            .header("IVVY-Date", date)
            .header("X-Api-Authorization", authorization)
            .body(body)
            .map_err(|_| "the request cannot be built".to_owned())
    }
}

/// iVvy's way to write an instant: UTC, to the second (`contracts/ivvy.md` 4).
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Origin and path prefix of an acceptable base URL.
fn split(base_url: &Url) -> Result<(String, String), Error> {
    let refuse = |why: &str| {
        Err(Error::config(format!("the iVvy base URL {why}"))
            .hint("use your region's host, for example https://api.ap-southeast-2.ivvy.com"))
    };
    if !base_url.username().is_empty() || base_url.password().is_some() {
        return refuse("must not hold a user name or password");
    }
    if base_url.query().is_some() || base_url.fragment().is_some() {
        return refuse("must not have a query or fragment");
    }
    let Some(host) = base_url.host() else { return refuse("names no host") };
    match base_url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        "http" => return refuse("must be https, except on this machine"),
        _ => return refuse("must be https"),
    }
    Ok((base_url.origin().ascii_serialization(), base_url.path().trim_end_matches('/').to_owned()))
}
