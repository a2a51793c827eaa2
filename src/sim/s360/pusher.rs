//! The push: a job per institution and stream that runs every M minutes (contract 2.2).
//!
//! Only the exact status 200 is success; the answer's body is not looked at. It follows no redirect and tries
//! nothing again within a run.

use std::collections::VecDeque;
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
use super::queue::{Chunk, Failure, Queue};
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

    /// One run of one job. Without a receiver nothing is sent and nothing counted. Dropped half way, what it did
    /// not finish is back in the queue, the payload under way as if it had never been sent.
    pub async fn run_once(&self, institution: &str, stream: Stream) -> Run {
        let mut run = Run::default();
        let Some(round) = self.sim.rounds.get(&(institution.to_owned(), stream)) else { return run };
        // A job never overtakes itself: the timer and a person may start it at once.
        let _round = round.lock().await;
        let knobs = self.sim.knobs();
        let Some(receiver) = self.sim.receiver(institution) else { return run };
        let per_payload = if knobs.form == Form::Bare { 1 } else { knobs.per_payload };
        let take = |queue: &mut Queue| queue.take(knobs.per_run, per_payload);
        let chunks = self.sim.in_queue(institution, stream, take).unwrap_or_default();
        let mut taken = Taken { sim: &self.sim, institution, stream, chunks: chunks.into() };
        while let Some(chunk) = taken.chunks.front_mut() {
            if chunk.tries == 0 || knobs.retry == Retry::Reread {
                let records = self.sim.payload(institution, stream, &chunk.keys);
                let Some(body) = body_of(records, knobs.form) else {
                    // All of them are gone since.
                    taken.chunks.pop_front();
                    continue;
                };
                chunk.body = body;
            }
            let status = self.post(&receiver, institution, stream, chunk.body.clone(), knobs.timeout_ms).await;
            let Some(chunk) = taken.chunks.pop_front() else { break };
            run.posts.push(Post { records: chunk.keys.len(), status, attempt: chunk.tries + 1 });
            if status == 200 {
                self.sim.in_queue(institution, stream, |queue| queue.accepted(chunk.keys.len()));
                continue;
            }
            let first = !knobs.continue_after_failure;
            if first {
                run.left = taken.put_back();
            }
            let how = Failure { most: knobs.max_tries, first, at: self.sim.clock.now() };
            self.sim.in_queue(institution, stream, |queue| queue.failed(chunk, status, how));
        }
        run
    }

    /// Posts a payload. Returns the status, or 0 when there is no answer.
    async fn post(&self, receiver: &Receiver, institution: &str, stream: Stream, body: Bytes, timeout_ms: u64) -> u16 {
        let url = format!("{}/s360/{stream}/{institution}", receiver.url.trim_end_matches('/'));
        let request = http::Request::post(url).header(CONTENT_TYPE, "application/json;charset=UTF-8");
        // An address or header that cannot be is a payload nobody answers.
        let Ok(mut request) = request.body(body) else { return 0 };
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

/// What a run took out of a queue and has not finished.
struct Taken<'a> {
    sim: &'a S360Sim,
    institution: &'a str,
    stream: Stream,
    chunks: VecDeque<Chunk>,
}

impl Taken<'_> {
    /// Puts all of it back. Returns how many payloads.
    fn put_back(&mut self) -> usize {
        let rest: Vec<Chunk> = self.chunks.drain(..).collect();
        let count = rest.len();
        self.sim.in_queue(self.institution, self.stream, |queue| queue.put_back(rest));
        count
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.put_back();
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
