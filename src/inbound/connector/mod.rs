//! The facade: the calls the InTouch Connector makes here (P-01 to P-12, `contracts/connector_s360.md` 1.7), as
//! far as they were agreed on and are offered.
//!
//! A save is answered with our id of the person, always, and only once the person is on disk: the same person saved
//! twice is one person under one id. Who is saved lies on the shelf, where the adapter lists it; nothing here
//! writes to a remote, and nobody is ever made a member of staff (P-07). A call that was not agreed on is
//! refused and counted, never half done.

mod answer;
mod lists;
mod people;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use self::answer::{Refusal, refused_sender};
use self::people::Call;
use super::guard::Guard;
use super::receiver::{Routes, Unread, in_time, whole_body};
use crate::model::{Side, StreamId, StreamKind};
use crate::remote::connector::xml::{Element, LARGEST};
use crate::remote::connector::{Elements, HUB};
use crate::seam::Clock;
use crate::store::Reads as _;
use crate::sync::Engine;

/// What all paths begin with.
pub const BASE: &str = "/connector/v1";
/// Longest a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shortest time between two notes of calls that were turned away.
const BREATH: Duration = Duration::from_secs(1);

/// What was agreed with the Connector, as far as its calls here go (C-04 to C-07).
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each was agreed or not")]
pub struct Terms {
    /// Our name there.
    pub provider: String,
    /// The client of all records.
    pub client: String,
    /// Its club.
    pub club: String,
    /// Prospects take part.
    pub prospects: bool,
    /// Members take part.
    pub members: bool,
    /// Names of the elements for owner and source; absent where they were not agreed on.
    pub elements: Elements,
    /// `GET /staff`.
    pub list_staff: bool,
    /// `GET /staff?email=`.
    pub staff_by_email: bool,
    /// `GET /leadsources`.
    pub list_sources: bool,
    /// `POST /leadsources`.
    pub create_source: bool,
    /// `POST /leadsources/{id}`.
    pub update_source: bool,
}

/// Answers the Connector for one club.
#[derive(Debug)]
pub struct Desk {
    engine: Engine,
    guard: Guard,
    terms: Terms,
    clock: Arc<dyn Clock>,
    /// Refusals so far, for the numbers under which they can be asked about.
    refusals: AtomicU64,
    turned_away: Mutex<TurnedAway>,
}

/// Calls of whoever did not prove who they are that are not written down yet.
#[derive(Debug, Default)]
struct TurnedAway {
    calls: BTreeMap<StreamKind, u64>,
    /// Somebody is writing them down.
    noting: bool,
}

impl Desk {
    /// A desk before `engine`.
    pub fn new(engine: Engine, guard: Guard, terms: Terms, clock: Arc<dyn Clock>) -> Self {
        Self { engine, guard, terms, clock, refusals: AtomicU64::new(0), turned_away: Mutex::default() }
    }

    /// The number of a refusal: `errorUUID`.
    fn number(&self) -> String {
        format!("{:x}-{}", self.clock.now().millis(), self.refusals.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The stream of this club's people, or of its lead sources.
    fn stream(&self, kind: StreamKind) -> StreamId {
        // Where no source can come there is no such stream to be seen.
        let sources = self.terms.elements.source.is_some() && (self.terms.create_source || self.terms.update_source);
        let kind = if sources { kind } else { StreamKind::ConnectorPeople };
        StreamId::new(kind, self.terms.club.clone())
    }

    /// Reads a document and checks whose it is: the element called `what`, and the sender's id of it.
    fn document(&self, body: &[u8], what: &'static str) -> Result<(Element, Named), Refusal> {
        let root = Element::read(body).map_err(|error| Refusal::validation(error.to_string()))?;
        let element = root.find(what).ok_or_else(|| Refusal::validation(format!("there is no <{what}>")))?;
        let info = element.child("providerInfo");
        let info = info.ok_or_else(|| Refusal::validation("<providerInfo> is missing"))?;
        let text = |name: &'static str| match info.text_of(name) {
            Some(text) if !text.is_empty() && text.len() <= LONGEST_ID => Ok(text.to_owned()),
            _ => Err(Refusal::validation(format!("<{name}> is missing, empty or too long"))),
        };
        let named = Named {
            provider: text("identifier")?,
            client: text("clientID")?,
            club: text("clubID")?,
            record: text("recordID")?,
        };
        let Terms { provider, client, club, .. } = &self.terms;
        if (&named.client, &named.club) != (client, club) || named.provider != *provider && named.provider != HUB {
            return Err(Refusal::validation("the provider, client or club is none of ours"));
        }
        Ok((element.clone(), named))
    }

    /// Takes note of a refusal. If that cannot be stored either, the sender knows it all the same.
    async fn note(&self, kind: StreamKind, refusal: &Refusal) {
        self.note_refused(kind, 1, refusal.message.clone()).await;
    }

    async fn note_refused(&self, kind: StreamKind, calls: u64, why: String) {
        let (stream, now) = (self.stream(kind), self.clock.now());
        let noted = self.engine.store().write(move |tx| {
            let mut state = tx.stream(&stream)?;
            state.refuse(calls, why.clone(), now);
            tx.put_stream(&stream, &state)
        });
        if noted.await.is_err() {
            tracing::error!("a refusal could not be noted");
        }
    }

    fn turned_away(&self) -> std::sync::MutexGuard<'_, TurnedAway> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a call whose sender did not prove who it is. Whoever guesses decides how often they call; the
    /// disk does not follow: all of a moment are one note.
    fn turn_away(self: &Arc<Self>, kind: StreamKind) {
        let mut waiting = self.turned_away();
        *waiting.calls.entry(kind).or_default() += 1;
        if std::mem::replace(&mut waiting.noting, true) {
            return;
        }
        // Held only while something is written, so that nobody waits for it to end.
        let (desk, clock) = (Arc::downgrade(self), Arc::clone(&self.clock));
        tokio::spawn(async move {
            while let Some(desk) = desk.upgrade() {
                let calls = {
                    let mut waiting = desk.turned_away();
                    waiting.noting = !waiting.calls.is_empty();
                    std::mem::take(&mut waiting.calls)
                };
                if calls.is_empty() {
                    return;
                }
                for (kind, calls) in calls {
                    desk.note_refused(kind, calls, "its sender did not prove who it is".to_owned()).await;
                }
                drop(desk);
                clock.sleep(BREATH).await;
            }
        });
    }

    /// Something was put on the shelf.
    fn told(&self, modules: &[crate::model::ModuleId]) {
        for module in modules {
            self.engine.told(*module, Side::Crm);
        }
    }
}

/// Longest id of a sender's, in bytes.
const LONGEST_ID: usize = 200;

/// Whose record it is, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    provider: String,
    client: String,
    club: String,
    record: String,
}

impl Named {
    /// Another record of the same club's.
    fn with(&self, provider: &str, record: &str) -> Self {
        Self { provider: provider.to_owned(), record: record.to_owned(), ..self.clone() }
    }

    /// The name under which it lies on the shelf.
    fn key(&self) -> String {
        crate::remote::connector::kept_id(&self.provider, &self.client, &self.club, &self.record)
    }
}

/// What a handler gives: a document, or why not.
type Outcome = Result<Element, Refusal>;

/// The paths of the facade.
pub fn routes(desk: Arc<Desk>) -> Routes {
    let mut router = Router::new();
    for path in ["prospects", "members"] {
        for (suffix, call) in [("", Call::Save), ("/create", Call::Create), ("/update", Call::Update)] {
            let handler = move |State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Body| async move {
                let kind = StreamKind::ConnectorPeople;
                answered(&desk, kind, &headers, body, |body| desk.save(call, body)).await
            };
            router = router.route(&format!("{BASE}/{path}{suffix}"), post(handler));
        }
    }
    router
        .route(&format!("{BASE}/staff"), get(staff))
        .route(&format!("{BASE}/leadsources"), get(sources).post(define))
        .route(&format!("{BASE}/leadsources/{{id}}"), post(update))
        .with_state(desk)
}

#[derive(Debug, Deserialize)]
struct ByEmail {
    email: Option<String>,
}

async fn staff(State(desk): State<Arc<Desk>>, Query(by): Query<ByEmail>, headers: HeaderMap, body: Body) -> Response {
    answered(&desk, StreamKind::ConnectorPeople, &headers, body, |_| desk.staff(by.email.as_deref())).await
}

async fn sources(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Body) -> Response {
    answered(&desk, StreamKind::ConnectorSources, &headers, body, |_| desk.sources()).await
}

async fn define(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Body) -> Response {
    answered(&desk, StreamKind::ConnectorSources, &headers, body, |body| desk.define(body)).await
}

async fn update(State(desk): State<Arc<Desk>>, Path(id): Path<String>, headers: HeaderMap, body: Body) -> Response {
    answered(&desk, StreamKind::ConnectorSources, &headers, body, |body| desk.update_source(id, body)).await
}

/// One call from its first byte to the answer: who, how large, what, and in what time.
async fn answered<F: Future<Output = Outcome>>(
    desk: &Arc<Desk>,
    kind: StreamKind,
    headers: &HeaderMap,
    body: Body,
    work: impl FnOnce(bytes::Bytes) -> F,
) -> Response {
    if let Err(refused) = desk.guard.admit(headers) {
        desk.turn_away(kind);
        return refused_sender(refused.into_response(), &desk.number());
    }
    let handled = async {
        match whole_body(body, LARGEST).await {
            Ok(body) => work(body).await,
            Err(Unread::TooLarge) => Err(Refusal::too_large()),
            Err(Unread::Broken) => Err(Refusal::validation("the body does not end")),
        }
    };
    let outcome = in_time(desk.clock.as_ref(), PATIENCE, handled).await;
    match outcome.unwrap_or_else(|| Err(Refusal::later("it took too long"))) {
        Ok(element) => answer::document(StatusCode::OK, &element),
        Err(refusal) => {
            // What was not agreed on counts as refused, whoever is to blame for the call.
            if refusal.status.is_client_error() || refusal.status == StatusCode::NOT_IMPLEMENTED {
                desk.note(kind, &refusal).await;
            }
            refusal.into_response(&desk.number())
        }
    }
}
