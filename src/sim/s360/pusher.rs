//! The push: a job per institution and stream that runs every M minutes (contract 2.2).
//!
//! Only the exact status 200 is success; the answer's body is not looked at. It follows no redirect and tries
//! nothing again within a run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::S360Sim;
use super::queue::{Chunk, Failure};
use super::settings::{Form, PushAuth, Receiver, Retry, Stream};
use crate::remote::transport::{Limits, Transport};

/// Largest answer read; none is looked at.
const MAX_ANSWER: usize = 64 * 1024;

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The payloads sent, in order.
    pub posts: Vec<Post>,
    /// Payloads the run did not come to, because one failed before.
    pub left: usize,
}

impl Run {
    /// Records accepted.
    pub fn accepted(&self) -> usize {
        self.posts.iter().filter(|post| post.status == 200).map(|post| post.records).sum()
    }
}

/// One payload sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Post {
    /// Records in it.
    pub records: usize,
    /// How it was answered; 0 for not at all.
    pub status: u16,
    /// Which attempt it was, from 1.
    pub attempt: u32,
}

/// Pushes what is queued over a transport.
#[derive(Clone, Debug)]
pub struct Pusher {
    sim: Arc<S360Sim>,
    transport: Arc<dyn Transport>,
}

impl Pusher {
    pub(super) fn new(sim: &Arc<S360Sim>, transport: Arc<dyn Transport>) -> Self {
        Self { sim: Arc::clone(sim), transport }
    }

    /// Runs every job every M until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        loop {
            let every = self.sim.knobs().every();
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.sim.clock.sleep(every) => {}
            }
            tokio::select! {
                () = self.run_all() => {}
                // The simulator ends, and its queue with it: what is under way need not be put back.
                () = cancel.cancelled() => return,
            }
        }
    }

    /// One run of every job.
    pub async fn run_all(&self) {
        for institution in self.sim.institutions() {
            for stream in self.sim.streams() {
                self.run_once(&institution, *stream).await;
            }
        }
    }

    /// One run of one job. Without a receiver nothing is sent and nothing counted.
    pub async fn run_once(&self, institution: &str, stream: Stream) -> Run {
        let mut run = Run::default();
        let Some(round) = self.sim.rounds.get(&(institution.to_owned(), stream)) else { return run };
        // A job never overtakes itself: the timer and a person may start it at once.
        let _round = round.lock().await;
        let knobs = self.sim.knobs();
        let Some(receiver) = self.sim.receiver(institution) else { return run };
        let per_payload = if knobs.form == Form::Bare { 1 } else { knobs.per_payload };
        let mut chunks = self
            .sim
            .in_queue(institution, stream, |queue| queue.take(knobs.per_run, per_payload))
            .unwrap_or_default()
            .into_iter();
        while let Some(mut chunk) = chunks.next() {
            if chunk.tries == 0 || knobs.retry == Retry::Reread {
                let records = self.sim.payload(institution, stream, &chunk.keys);
                // All of them are gone since.
                let Some(body) = body_of(records, knobs.form) else { continue };
                chunk.body = body;
            }
            let status = self.post(&receiver, institution, stream, &chunk, knobs.timeout_ms).await;
            run.posts.push(Post { records: chunk.keys.len(), status, attempt: chunk.tries + 1 });
            let at = self.sim.clock.now();
            let stop = status != 200 && !knobs.continue_after_failure;
            let rest: Vec<Chunk> = if stop { chunks.by_ref().collect() } else { Vec::new() };
            run.left = rest.len();
            self.sim.in_queue(institution, stream, |queue| match status {
                200 => queue.accepted(chunk.keys.len()),
                _ => {
                    queue.put_back(rest);
                    queue.failed(chunk, status, Failure { most: knobs.max_tries, first: stop, at });
                }
            });
        }
        run
    }

    /// Posts a payload. Returns the status, or 0 when there is no answer.
    async fn post(
        &self,
        receiver: &Receiver,
        institution: &str,
        stream: Stream,
        chunk: &Chunk,
        timeout_ms: u64,
    ) -> u16 {
        let url = format!("{}/s360/{stream}/{institution}", receiver.url.trim_end_matches('/'));
        let request = http::Request::post(url).header(CONTENT_TYPE, "application/json;charset=UTF-8");
        // An address or header that cannot be is a payload nobody answers.
        let Ok(mut request) = request.body(chunk.body.clone()) else { return 0 };
        match credential(&receiver.auth) {
            Ok(Some((name, value))) => {
                request.headers_mut().insert(name, value);
            }
            Ok(None) => {}
            Err(()) => return 0,
        }
        let limits = Limits { total: Duration::from_millis(timeout_ms), max_body: MAX_ANSWER };
        self.transport.send(request, limits).await.map_or(0, |answer| answer.status().as_u16())
    }
}

/// The body of a payload; none without records.
fn body_of(mut records: Vec<Value>, form: Form) -> Option<Bytes> {
    let body = match form {
        _ if records.is_empty() => return None,
        Form::Bare if records.len() == 1 => records.swap_remove(0),
        // A payload made before the form was changed keeps all its records.
        Form::Bare | Form::Array => Value::Array(records),
    };
    Some(Bytes::from(body.to_string()))
}

/// The header a receiver wants, if any.
fn credential(auth: &PushAuth) -> Result<Option<(HeaderName, HeaderValue)>, ()> {
    let (name, value) = match auth {
        PushAuth::None => return Ok(None),
        PushAuth::Basic { user, password } => {
            let pair = format!("{user}:{}", password.expose_secret());
            (AUTHORIZATION, format!("Basic {}", BASE64.encode(pair.as_bytes())))
        }
        PushAuth::Apikey { header, value } => {
            (HeaderName::from_bytes(header.as_bytes()).map_err(drop)?, value.expose_secret().to_owned())
        }
    };
    let mut value = HeaderValue::from_str(&value).map_err(drop)?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}
