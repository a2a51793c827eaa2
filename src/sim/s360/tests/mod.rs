//! The simulator against the contract.

mod api;
mod load;
mod push;
mod token;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt as _;

use super::*;
use crate::seam::TokioClock;
use crate::sim::inprocess::InProcess;

/// 2026-11-21T08:00:00Z.
const START: i64 = 1_795_248_000;

pub(super) const CONTACTS: &str = "/acme/tnco/backend-apis/contactInformationPublicService/v2_21";
pub(super) const ORDERS: &str = "/acme/tnseb/backend-apis/ExternalOrderService/v1_33";
pub(super) const FACADE: &str = "/acme/tnseb/backend-apis/ExternalOrderFacade/v1_33";

/// A simulator on a clock that tests can pause.
pub(super) fn sim(change: impl FnOnce(&mut Settings)) -> Arc<S360Sim> {
    let mut settings = Settings::default();
    settings.streams.push(Stream::Access);
    change(&mut settings);
    let clock = TokioClock::starting_at(Timestamp::from_secs(START));
    S360Sim::new(settings, Arc::new(clock), Entropy::seeded(7))
}

/// A token of `claims` under `header`, signed with `secret`.
pub(super) fn jwt(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

/// What a good caller of institution `code` forges now.
pub(super) fn claims(sim: &S360Sim, code: &str) -> Value {
    let iat = sim.clock.now().millis() / 1000;
    json!({"sub": code, "aud": format!("{code}_TANDEM"), "iss": "TANDEM", "iat": iat, "exp": iat + 30})
}

pub(super) fn forged(sim: &S360Sim, code: &str) -> String {
    let secret = Account::invented(code).secret;
    jwt(&json!({"alg": "HS256", "typ": "JWT"}), &claims(sim, code), secret.expose_secret())
}

/// One call with a token; status and body.
pub(super) async fn post(sim: &Arc<S360Sim>, path: &str, token: &str, body: &str) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header("Host", "127.0.0.1")
        .header("Content-Type", "application/json")
        .header("Authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = sim.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// One good call to ACME; the body of its HTTP 200.
pub(super) async fn ask(sim: &Arc<S360Sim>, path: &str, body: Value) -> Value {
    let (status, answer) = post(sim, path, &forged(sim, "ACME"), &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    assert!(answer["requestId"].is_string() && answer["statusCode"].as_str().unwrap().len() <= 8, "{answer}");
    answer
}

/// As [`ask`], for a call that must work.
pub(super) async fn done(sim: &Arc<S360Sim>, path: &str, body: Value) -> Value {
    let answer = ask(sim, path, body).await;
    assert_eq!(answer["statusCode"], "success", "{answer}");
    answer
}

/// As [`ask`], for a call that must be refused without an effect.
pub(super) async fn refused(sim: &Arc<S360Sim>, path: &str, body: Value) -> String {
    let before = sim.ledger().len();
    let answer = ask(sim, path, body.clone()).await;
    assert_ne!(answer["statusCode"], "success", "{body}");
    assert_eq!(sim.ledger().len(), before, "{body} had an effect");
    answer["statusCode"].as_str().unwrap().to_owned()
}

pub(super) fn person(last_name: &str) -> Value {
    json!({"individualContact": {"firstName": "Ines", "lastName": last_name}})
}

/// A receiver that answers what it is told and keeps what it got.
#[derive(Clone, Default)]
pub(super) struct Ear(Arc<Mutex<Heard>>);

#[derive(Default)]
pub(super) struct Heard {
    /// Status of the next answers; then 200.
    pub answers: Vec<u16>,
    /// Path, headers and body of every call.
    pub calls: Vec<(String, http::HeaderMap, Bytes)>,
}

impl Ear {
    /// Answers `status` to the next `times` calls.
    pub fn answer(&self, status: u16, times: usize) {
        self.0.lock().unwrap().answers.extend(std::iter::repeat_n(status, times));
    }

    pub fn calls(&self) -> Vec<(String, http::HeaderMap, Bytes)> {
        self.0.lock().unwrap().calls.clone()
    }

    pub fn bodies(&self) -> Vec<Bytes> {
        self.calls().into_iter().map(|(_, _, body)| body).collect()
    }

    /// The records of every call, by `key`.
    pub fn keys(&self, key: &str) -> Vec<Vec<String>> {
        let read = |body: &Bytes| -> Vec<String> {
            let list: Vec<Value> = serde_json::from_slice(body).unwrap();
            list.iter().map(|one| one[key].as_str().unwrap_or_default().to_owned()).collect()
        };
        self.bodies().iter().map(read).collect()
    }

    /// A pusher of `sim` to here.
    pub fn pusher(&self, sim: &Arc<S360Sim>) -> Pusher {
        let router = Router::new().fallback(hear).with_state(self.clone());
        for code in sim.institutions() {
            let auth = sim.receiver(&code).map(|receiver| receiver.auth).unwrap_or_default();
            assert!(sim.set_receiver(&code, Some(Receiver { url: "http://tandem.test".into(), auth })));
        }
        sim.pusher(Arc::new(InProcess { router }))
    }
}

async fn hear(State(ear): State<Ear>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let status = {
        let mut heard = ear.0.lock().unwrap();
        heard.calls.push((parts.uri.path().to_owned(), parts.headers, body));
        if heard.answers.is_empty() { 200 } else { heard.answers.remove(0) }
    };
    if status == 0 {
        // Longer than anybody waits; the clock is paused.
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
}

pub(super) fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}
