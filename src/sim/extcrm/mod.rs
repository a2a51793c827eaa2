//! A CRM that takes contacts and orders by two URLs, as S-360 posts them (contract 2.2).
//!
//! `POST /contacts` and `POST /orders` take arrays of JSON objects. The answer is exactly 200 with an empty
//! body once the whole payload is stored, and another status when nothing is. Every arrival is noted with the
//! hash of its bytes, also those that a fault answered, so that tests can tell a repeated payload from a new
//! one. A record whose content is what is stored already is no effect. It calls nobody and cannot be read by
//! its API; tests look at [`ExtcrmSim::state`] and the notes.

mod accept;
mod command;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub use accept::{Auth, Stream};
pub use command::run_extcrm;

use accept::{Refused, Row};

use super::control::{self, Edit, EditError, Simulated};
use super::fault::{FaultKind, Faults, Severed, gate};
use super::ledger::{By, Ledger, NewEffect, Op};
use crate::model::Timestamp;
use crate::seam::{Clock, Entropy};

/// How the CRM is set up. May change while it runs, see [`ExtcrmSim::set`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may post.
    pub auth: Auth,
    /// Most records in one payload.
    pub max_payload: usize,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Whether it can store nothing at the moment: 503 to every payload.
    pub full: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { auth: Auth::None, max_payload: 50, max_body: 8 * 1024 * 1024, full: false }
    }
}

/// One POST as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// Position among the arrivals, from 1.
    pub seq: u64,
    /// The simulator's clock when it arrived.
    pub at: Timestamp,
    /// Which URL.
    pub stream: Stream,
    /// SHA-256 of the bytes, hex.
    pub hash: String,
    /// How many bytes.
    pub bytes: usize,
    /// The ids in it, in order; empty when it could not be read.
    pub ids: Vec<String>,
    /// Whether the whole payload was stored, now or with an earlier arrival's state.
    pub stored: bool,
    /// Records whose stored content it changed.
    pub applied: usize,
    /// The status answered. None when the connection was cut, or the caller left before the answer. An answer
    /// that broke off half way counts as answered.
    pub status: Option<u16>,
}

/// All arrivals of the same bytes on the same URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// Which URL.
    pub stream: Stream,
    /// SHA-256 of the bytes, hex.
    pub hash: String,
    /// The ids in it, in order.
    pub ids: Vec<String>,
    /// How often it arrived.
    pub tries: usize,
    /// How often it was stored; above 1 after an answer that was lost.
    pub stored: usize,
    /// Records it changed, over all tries.
    pub applied: usize,
    /// What was answered, in order.
    pub statuses: Vec<Option<u16>>,
}

#[derive(Debug, Default)]
struct World {
    arrivals: Vec<Arrival>,
    records: BTreeMap<(Stream, String), Map<String, Value>>,
}

/// The simulated CRM. Shared between its router and tests.
pub struct ExtcrmSim {
    settings: Mutex<Settings>,
    clock: Arc<dyn Clock>,
    faults: Faults,
    ledger: Ledger,
    world: Mutex<World>,
}

impl fmt::Debug for ExtcrmSim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtcrmSim").field("effects", &self.ledger.len()).finish_non_exhaustive()
    }
}

/// Which arrival a request is, for the handler behind the gate.
#[derive(Clone, Copy, Debug)]
struct Numbered(usize);

impl ExtcrmSim {
    /// An empty CRM. `entropy` decides chancy faults.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        Arc::new(Self {
            settings: Mutex::new(settings),
            clock,
            faults: Faults::new(entropy),
            ledger: Ledger::new(),
            world: Mutex::default(),
        })
    }

    /// Both URLs behind the fault gate, and the control API beside them with one route more than others:
    /// `GET /_sim/payloads`.
    pub fn router(self: &Arc<Self>) -> Router {
        let api = Router::new().fallback(any(answer)).with_state(Arc::clone(self));
        let gated = gate(api, self.faults.clone(), Arc::clone(&self.clock), refusal);
        // In front of the gate: what a fault turns away has arrived all the same.
        let noted = gated.layer(middleware::from_fn_with_state(Arc::clone(self), note));
        let payloads = Router::new().route("/_sim/payloads", get(payloads)).with_state(Arc::clone(self));
        control::routes(Arc::clone(self)).merge(payloads).fallback_service(noted)
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes settings while it runs.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every record created or changed.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The faults in wait.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every POST to one of the two URLs, oldest first, but for those larger than `max_body`, whose bytes were
    /// never read.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.world().arrivals.clone()
    }

    /// The arrivals put together by URL and bytes, in the order of their first try.
    pub fn payloads(&self) -> Vec<Payload> {
        let mut found: Vec<Payload> = Vec::new();
        for arrival in &self.world().arrivals {
            let same = |payload: &Payload| payload.stream == arrival.stream && payload.hash == arrival.hash;
            let at = found.iter().position(same).unwrap_or(found.len());
            if at == found.len() {
                let (stream, hash) = (arrival.stream, arrival.hash.clone());
                let (ids, statuses) = (arrival.ids.clone(), Vec::new());
                found.push(Payload { stream, hash, ids, tries: 0, stored: 0, applied: 0, statuses });
            }
            let payload = &mut found[at];
            payload.tries += 1;
            payload.stored += usize::from(arrival.stored);
            payload.applied += arrival.applied;
            payload.statuses.push(arrival.status);
        }
        found
    }

    /// What is stored of a record.
    pub fn state(&self, stream: Stream, id: &str) -> Option<Value> {
        self.world().records.get(&(stream, id.to_owned())).cloned().map(Value::Object)
    }

    /// All records of a stream by id.
    pub fn records(&self, stream: Stream) -> BTreeMap<String, Value> {
        let world = self.world();
        let of = world.records.iter().filter(|((kind, _), _)| *kind == stream);
        of.map(|((_, id), content)| (id.clone(), Value::Object(content.clone()))).collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, stream: Stream, headers: &HeaderMap, body: &[u8], arrival: usize) -> Result<(), Refused> {
        let settings = self.settings();
        if !settings.auth.admits(headers) {
            return Err((StatusCode::UNAUTHORIZED, "not authenticated"));
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err((StatusCode::BAD_REQUEST, "the body is not said to be JSON"));
        }
        let rows = accept::rows(stream, body, settings.max_payload)?;
        if settings.full {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "nothing can be stored at the moment"));
        }
        let mut applied = 0;
        let mut world = self.world();
        for Row { id, content } in rows {
            applied += usize::from(self.store(&mut world, stream, id, content, By::Api));
        }
        if let Some(arrival) = world.arrivals.get_mut(arrival) {
            arrival.stored = true;
            arrival.applied = applied;
        }
        Ok(())
    }

    /// Whether that changed anything.
    fn store(&self, world: &mut World, stream: Stream, id: String, content: Map<String, Value>, by: By) -> bool {
        let before = world.records.insert((stream, id.clone()), content.clone());
        if before.as_ref() == Some(&content) {
            return false;
        }
        self.ledger.record(NewEffect {
            at: self.clock.now(),
            by,
            op: if before.is_none() { Op::Create } else { Op::Update },
            object: &stream.to_string(),
            external_id: Some(id.clone()),
            id,
            fields: content.keys().cloned().collect(),
            content: &Value::Object(content),
        });
        true
    }
}

/// Notes an arrival before anything can happen to it, and what became of it.
async fn note(State(sim): State<Arc<ExtcrmSim>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let stream = [Stream::Contact, Stream::Order].into_iter().find(|stream| stream.path() == path);
    let Some(stream) = stream.filter(|_| request.method() == Method::POST) else { return next.run(request).await };
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, sim.settings().max_body).await else {
        return refused((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
    };
    let index = {
        let rows = accept::rows(stream, &body, usize::MAX).unwrap_or_default();
        let mut world = sim.world();
        let index = world.arrivals.len();
        world.arrivals.push(Arrival {
            seq: index as u64 + 1,
            at: sim.clock.now(),
            stream,
            hash: HEXLOWER.encode(&Sha256::digest(&body)),
            bytes: body.len(),
            ids: rows.into_iter().map(|row| row.id).collect(),
            stored: false,
            applied: 0,
            status: None,
        });
        index
    };
    parts.extensions.insert(Numbered(index));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if response.extensions().get::<Severed>().is_none()
        && let Some(arrival) = sim.world().arrivals.get_mut(index)
    {
        arrival.status = Some(response.status().as_u16());
    }
    response
}

async fn answer(State(sim): State<Arc<ExtcrmSim>>, request: Request) -> Response {
    let Some(Numbered(index)) = request.extensions().get().copied() else {
        // Not one of the two URLs, or not a POST: the note-taker let it by without a number.
        let known = [Stream::Contact, Stream::Order].iter().any(|stream| stream.path() == request.uri().path());
        let status = if known { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND };
        return refused((status, "there is nothing here but POST /contacts and POST /orders"));
    };
    let stream = if request.uri().path() == Stream::Order.path() { Stream::Order } else { Stream::Contact };
    let (parts, body) = request.into_parts();
    // The note-taker has read it within its limit.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_else(|_| Bytes::new());
    match sim.take(stream, &parts.headers, &body, index) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refused(refusal),
    }
}

async fn payloads(State(sim): State<Arc<ExtcrmSim>>) -> Json<Value> {
    Json(json!({"payloads": sim.payloads(), "arrivals": sim.arrivals()}))
}

fn refused((status, why): Refused) -> Response {
    (status, Json(json!({"error": why}))).into_response()
}

/// Faults in this CRM's words.
fn refusal(kind: FaultKind) -> Response {
    match kind {
        // Not the 200 that was agreed, though everything is stored.
        FaultKind::OtherSuccess => StatusCode::CREATED.into_response(),
        FaultKind::Forbid => refused((StatusCode::FORBIDDEN, "forbidden")),
        FaultKind::Unauthorized => refused((StatusCode::UNAUTHORIZED, "not authenticated")),
        FaultKind::NotFound => refused((StatusCode::NOT_FOUND, "not found")),
        _ => refused((StatusCode::SERVICE_UNAVAILABLE, "not now")),
    }
}

impl Simulated for ExtcrmSim {
    fn name(&self) -> &'static str {
        "extcrm"
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Somebody works in the CRM. `object` is `contact` or `order`; a new record names itself by the id
    /// field of its stream.
    fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        if edit.merge_into.is_some() {
            return Err(EditError::NoMerging);
        }
        let stream: Stream = edit.object.parse().map_err(|_| EditError::UnknownObject(edit.object.clone()))?;
        let mut world = self.world();
        let (id, mut content) = match &edit.id {
            None => {
                let id = edit.fields.get(stream.id_field()).and_then(Value::as_str);
                (id.ok_or_else(|| EditError::BadField(stream.id_field().into()))?.to_owned(), Map::new())
            }
            Some(id) => {
                let found = world.records.get(&(stream, id.clone())).cloned();
                (id.clone(), found.ok_or_else(|| EditError::UnknownRecord(id.clone()))?)
            }
        };
        if edit.delete {
            world.records.remove(&(stream, id.clone()));
            self.ledger.record(NewEffect {
                at: self.clock.now(),
                by: By::User,
                op: Op::Delete,
                object: &stream.to_string(),
                external_id: Some(id.clone()),
                id: id.clone(),
                content: &Value::Null,
                fields: Vec::new(),
            });
            return Ok(id);
        }
        content.extend(edit.fields.clone());
        self.store(&mut world, stream, id.clone(), content, By::User);
        Ok(id)
    }

    fn records(&self, object: &str) -> Option<Vec<Value>> {
        let stream: Stream = object.parse().ok()?;
        Some(Self::records(self, stream).into_values().collect())
    }
}

#[cfg(test)]
mod tests;
