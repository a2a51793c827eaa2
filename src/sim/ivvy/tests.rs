//! Tests of the simulated account, through its router.

mod batch;
mod choices;
mod contract;
mod events;
mod knobs;
mod sales;
mod trade;

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{IvvySim, Settings};
use crate::model::Timestamp;
use crate::remote::transport::{Limits, Transport as _, TransportError};
use crate::seam::{Clock as _, Entropy, TokioClock};
use crate::sim::control::Edit;
use crate::sim::inprocess::InProcess;
use crate::sim::ledger::By;

/// 2024-03-11 00:00:45 UTC.
fn start() -> Timestamp {
    Timestamp::from_secs(1_710_115_245)
}

/// A signed request that a test can spoil piece by piece.
#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    target: String,
    media: &'static str,
    md5: String,
    stamp: String,
    key: String,
    secret: String,
    body: String,
}

/// An account, its clock and a client that signs by the contract.
struct Bench {
    sim: Arc<IvvySim>,
    clock: TokioClock,
    wire: InProcess,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let clock = TokioClock::starting_at(start());
        let sim = IvvySim::new(settings, Arc::new(clock.clone()), Entropy::seeded(1));
        let wire = InProcess { router: sim.router() };
        Self { sim, clock, wire }
    }

    fn call(&self, target: &str, body: &Value) -> Call {
        let body = body.to_string();
        Call {
            method: "POST",
            target: target.into(),
            media: "application/json",
            md5: HEXLOWER.encode(&Md5::digest(body.as_bytes())),
            stamp: super::answer::plain(self.clock.now()),
            key: self.sim.settings().key.clone(),
            secret: self.sim.settings().secret.expose_secret().into(),
            body,
        }
    }

    async fn send(&self, call: &Call) -> Result<(u16, Value), TransportError> {
        let text = format!("{}{}{}{}1.0ivvydate={}", call.method, call.md5, call.media, call.target, call.stamp);
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(call.secret.as_bytes()).unwrap();
        mac.update(text.to_lowercase().as_bytes());
        let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
        let request = http::Request::builder()
            .method(call.method)
            .uri(format!("http://ivvy.test{}", call.target))
            .header("Content-Type", call.media)
            .header("Content-MD5", &call.md5)
            .header("IVVY-Date", &call.stamp)
            .header("X-Api-Authorization", format!("IWS {}:{signature}", call.key))
            .body(Bytes::from(call.body.clone()))
            .unwrap();
        let response = self.wire.send(request, Limits::default()).await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(response.body()).unwrap_or(Value::Null)))
    }

    /// A well-signed call of `namespace/action`, or of an action in namespace `contact`.
    async fn act(&self, action: &str, body: Value) -> (u16, Value) {
        let (namespace, action) = action.split_once('/').unwrap_or(("contact", action));
        self.send(&self.call(&format!("/api/1.0/{namespace}?action={action}"), &body)).await.unwrap()
    }

    /// As [`Bench::act`], where success is certain.
    async fn ok(&self, action: &str, body: Value) -> Value {
        let (status, answer) = self.act(action, body).await;
        assert_eq!(status, 200, "{action}: {answer}");
        answer
    }

    /// Everything a list shows with `more` parameters, in one page.
    async fn rows(&self, action: &str, more: Value) -> Vec<Value> {
        let mut body = serde_json::json!({"perPage": 100, "start": 0});
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        self.ok(action, body).await["results"].as_array().unwrap().clone()
    }

    /// The codes of a call that is refused.
    async fn refused(&self, action: &str, body: Value) -> (u16, u64) {
        codes(&self.act(action, body).await)
    }

    /// Puts a record in place.
    fn add(&self, object: &str, fields: Value) -> u64 {
        self.sim.add(object, fields).unwrap()
    }

    /// Ids on one page.
    async fn page(&self, start: u64, per_page: u64, filter: Value) -> Vec<u64> {
        let body = serde_json::json!({"perPage": per_page, "start": start, "filter": filter});
        let page = self.ok("getContactList", body).await;
        page["results"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }
}

/// `(errorCode, specificCode)`, codes as text or number.
fn codes(answer: &(u16, Value)) -> (u16, u64) {
    assert_eq!(u64::from(answer.0), answer.1["errorCode"].as_u64().unwrap(), "status equals errorCode");
    (answer.0, super::params::whole(&answer.1["specificCode"]).unwrap_or(0))
}
