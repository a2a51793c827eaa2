//! A simulator called in the same task: no sockets, no threads, hence the same run for the same seed.

use std::fmt;

use axum::Router;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use tower::ServiceExt as _;

use super::fault::Severed;
use crate::remote::transport::{Limits, Transport, TransportError};

/// A transport whose other end is a simulator's router. A cut connection, a broken-off body and a
/// time-out (by tokio's timer) are [`TransportError::Unknown`], as they are over a network.
#[derive(Clone)]
pub struct InProcess {
    /// The simulator's router.
    pub router: Router,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl Transport for InProcess {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let router = self.router.clone();
        Box::pin(async move {
            let exchange = exchange(router, on_the_wire(request), limits.max_body);
            match tokio::time::timeout(limits.total, exchange).await {
                Ok(outcome) => outcome,
                Err(_) => Err(TransportError::Unknown("time-out".into())),
            }
        })
    }
}

/// Adds what any HTTP client adds by itself.
fn on_the_wire(request: http::Request<Bytes>) -> http::Request<Body> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    if let Some(Ok(host)) = authority.map(|host| HeaderValue::from_str(&host)) {
        parts.headers.entry(HOST).or_insert(host);
    }
    parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(body.len()));
    http::Request::from_parts(parts, Body::from(body))
}

async fn exchange(
    router: Router,
    request: http::Request<Body>,
    max_body: usize,
) -> Result<http::Response<Bytes>, TransportError> {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<Severed>().is_some() {
        return Err(TransportError::Unknown("connection closed before an answer".into()));
    }
    let (parts, body) = response.into_parts();
    if max_body == 0 {
        return Ok(http::Response::from_parts(parts, Bytes::new()));
    }
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| TransportError::Unknown("the answer broke off".into()))?;
        if whole.len() + chunk.len() > max_body {
            return Err(TransportError::TooLarge(max_body));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(http::Response::from_parts(parts, whole.freeze()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use axum::routing::post;
    use strum::IntoEnumIterator as _;

    use super::*;
    use crate::model::Timestamp;
    use crate::seam::{Entropy, TokioClock};
    use crate::sim::fault::{FaultKind, FaultSpec, Faults, gate};
    use crate::sim::ledger::{By, Ledger, NewEffect, Op};

    /// A router with one write, behind the gate.
    fn counter() -> (Router, Faults, Ledger) {
        let (ledger, faults) = (Ledger::new(), Faults::new(Entropy::seeded(1)));
        let book = ledger.clone();
        let write = move || async move {
            let content = serde_json::Value::Null;
            let id = "1".to_owned();
            let at = Timestamp::EPOCH;
            let fields = Vec::new();
            let (by, op, object) = (By::Api, Op::Update, "row");
            book.record(NewEffect { at, by, op, object, id, external_id: None, content: &content, fields });
            "done".repeat(8)
        };
        let clock = Arc::new(TokioClock::starting_at(Timestamp::EPOCH));
        let refusal = |kind: FaultKind| (StatusCode::INTERNAL_SERVER_ERROR, kind.to_string()).into_response();
        (gate(Router::new().route("/write", post(write)), faults.clone(), clock, refusal), faults, ledger)
    }

    fn call() -> http::Request<Bytes> {
        http::Request::post("http://sim.test/write").body(Bytes::new()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn every_fault_has_its_effect_or_not() {
        for kind in FaultKind::iter() {
            let (router, faults, ledger) = counter();
            faults.arm(FaultSpec::times(kind, "POST /write", 1)).unwrap();
            let transport = InProcess { router };
            let outcome = transport.send(call(), Limits::default()).await;
            let effects = ledger.len();
            match kind {
                FaultKind::DropBefore => assert!(matches!(outcome, Err(TransportError::Unknown(_))) && effects == 0),
                FaultKind::DropAfter | FaultKind::Truncate => {
                    assert!(matches!(outcome, Err(TransportError::Unknown(_))) && effects == 1, "{kind}");
                }
                FaultKind::Slow => assert!(outcome.unwrap().status() == 200 && effects == 1),
                FaultKind::Html => assert!(outcome.unwrap().body().starts_with(b"<!DOCTYPE") && effects == 0),
                // This router words both as 500.
                FaultKind::ErrorAfter | FaultKind::OtherSuccess => {
                    assert!(outcome.unwrap().status() == 500 && effects == 1, "{kind}");
                }
                FaultKind::Throttle
                | FaultKind::Race
                | FaultKind::ErrorBefore
                | FaultKind::Forbid
                | FaultKind::Unauthorized
                | FaultKind::NotFound => {
                    assert!(outcome.unwrap().body() == kind.to_string().as_bytes() && effects == 0, "{kind}");
                }
            }
            assert_eq!(faults.fired(kind), 1);
            assert_eq!(transport.send(call(), Limits::default()).await.unwrap().body().len(), 32, "used up");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_hold_and_a_timeout_is_unknown_after_the_effect() {
        let (router, faults, ledger) = counter();
        let transport = InProcess { router };
        let small = Limits { max_body: 31, ..Limits::default() };
        assert_eq!(transport.send(call(), small).await.unwrap_err(), TransportError::TooLarge(31));
        faults.arm("slow,ms=5000".parse().unwrap()).unwrap();
        let short = Limits { total: Duration::from_secs(1), ..Limits::default() };
        assert!(matches!(transport.send(call(), short).await, Err(TransportError::Unknown(_))));
        assert_eq!(ledger.len(), 2);
    }

    #[tokio::test]
    async fn over_tcp_a_dropped_call_ends_without_a_byte_and_the_server_lives_on() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (router, faults, ledger) = counter();
        let served = crate::sim::serve(router, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let post = b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let mut answers = Vec::new();
        for kind in ["drop_before", "drop_after", "truncate", ""] {
            if let Ok(spec) = kind.parse() {
                faults.arm(spec).unwrap();
            }
            let mut stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
            stream.write_all(post).await.unwrap();
            let mut answer = Vec::new();
            // A reset instead of an orderly end is as good: the bytes before it count.
            let _ = stream.read_to_end(&mut answer).await;
            answers.push(String::from_utf8(answer).unwrap());
        }
        assert_eq!((answers[0].as_str(), answers[1].as_str()), ("", ""));
        assert!(answers[2].contains("content-length: 32") && !answers[2].ends_with(&"done".repeat(8)), "{answers:?}");
        assert!(answers[3].ends_with(&"done".repeat(8)));
        assert_eq!(ledger.len(), 3);
        served.stop().await.unwrap();
    }
}
