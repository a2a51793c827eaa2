//! A simulated S-360 (SecuTix 360) of several institutions (`contracts/connector_s360.md` 2).
//!
//! It has both directions: the push of contacts, orders and checks (`pusher` over `queue`), and the public API
//! (`api`, admitted by `token`). `world` keeps the records of `contact`, `order` and `check` and writes the ledger;
//! `settings` has a knob for whatever the contract leaves open. What is our own choice is said in the heads of
//! `api`, `contact`, `order` and `answer`.
//!
//! Objects of the ledger, of edits and of `/_sim/records` are `{INST}.contact`, `{INST}.order` and
//! `{INST}.check`. A contact's first email, in small letters, stands for its
//! counterpart's key in the ledger, an order's
//! `externalReference` for its own.
//!
//! It has no SOAP, no catalogue, no seats, no logins of contacts, and uses no code of the client it tests.

mod answer;
mod api;
mod check;
mod command;
mod contact;
mod countries;
mod editor;
mod load;
mod order;
mod pusher;
mod queue;
mod settings;
mod shape;
mod steering;
mod token;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

pub use command::{PushOptions, run_s360};
pub use contact::Detail;
pub use editor::Editor;
pub use pusher::{Post, Pusher, Run};
pub use queue::{Abandoned, QueueView};
pub use settings::{Account, Form, Knobs, OverLimit, PushAuth, Receiver, Retry, Settings, Stream, TokenUnit};

use answer::Refusal;
use contact::Kind;
use queue::Queue;
use world::{Author, World};

use crate::model::Timestamp;
use crate::remote::transport::Transport;
use crate::seam::{Clock, Entropy};
use crate::sim::control::{self, Edit, EditError, Simulated};
use crate::sim::fault::{self, Faults};
use crate::sim::ledger::{By, Ledger};

/// Largest request body read.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The simulated S-360. Shared between its router, pushers and tests.
pub struct S360Sim {
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    faults: Faults,
    ledger: Ledger,
    /// Held by the job that runs.
    rounds: BTreeMap<(String, Stream), tokio::sync::Mutex<()>>,
    world: Mutex<World>,
}

impl fmt::Debug for S360Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S360Sim").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl S360Sim {
    /// The institutions of `settings` without a record. `entropy` drives tokens, request ids, editors and faults with
    /// a chance.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        let world = World::new(&settings);
        let codes = settings.institutions.iter().map(|account| &account.code);
        let jobs = codes.flat_map(|code| settings.streams.iter().map(|stream| (code.clone(), *stream)));
        Arc::new(Self {
            faults: Faults::new(entropy.clone()),
            ledger: world.ledger.clone(),
            rounds: jobs.map(|job| (job, tokio::sync::Mutex::default())).collect(),
            world: Mutex::new(world),
            settings,
            clock,
            entropy,
        })
    }

    /// The API behind the fault gate, and the control API beside it. Runs are the caller's to start.
    pub fn router(self: &Arc<Self>) -> Router {
        self.routed(None)
    }

    /// The same, where `POST /_sim/s360/run` lets `pusher` run.
    pub fn router_with(self: &Arc<Self>, pusher: Pusher) -> Router {
        self.routed(Some(pusher))
    }

    fn routed(self: &Arc<Self>, pusher: Option<Pusher>) -> Router {
        let api = Router::new().fallback(call).with_state(Arc::clone(self));
        let gated = fault::gate(api, self.faults.clone(), Arc::clone(&self.clock), answer::refusal);
        control::routes(Arc::clone(self)).merge(steering::routes(self, pusher)).fallback_service(gated)
    }

    /// Pushes what is queued over `transport`.
    pub fn pusher(self: &Arc<Self>, transport: Arc<dyn Transport>) -> Pusher {
        Pusher::new(self, transport)
    }

    /// The settings it was made with. Receivers and knobs may have changed since.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The ledger of effects.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The faults in wait for calls to the API.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The knobs as they are now.
    pub fn knobs(&self) -> Knobs {
        self.world().knobs.clone()
    }

    /// Turns knobs of the running simulator.
    pub fn set_knobs(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.world().knobs);
    }

    /// The codes of the institutions.
    pub fn institutions(&self) -> Vec<String> {
        self.settings.institutions.iter().map(|account| account.code.clone()).collect()
    }

    /// What is pushed.
    pub fn streams(&self) -> &[Stream] {
        &self.settings.streams
    }

    /// Sets where `institution` pushes to. False when there is no such institution.
    pub fn set_receiver(&self, institution: &str, receiver: Option<Receiver>) -> bool {
        match self.world().institutions.get_mut(institution) {
            Some(institution) => {
                institution.account.receiver = receiver;
                true
            }
            None => false,
        }
    }

    /// Queues everything `institution` has from the first day on (contract 2.6).
    ///
    /// # Errors
    /// When there is no such institution.
    pub fn first_sync(&self, institution: &str) -> Result<(), EditError> {
        self.world().first_sync(institution).map_err(|_| EditError::UnknownObject(institution.to_owned()))
    }

    /// The queue of a stream with what was given up; none when it is not pushed.
    pub fn queue(&self, institution: &str, stream: Stream) -> Option<QueueView> {
        self.in_queue(institution, stream, |queue| queue.view())
    }

    /// Puts a contact in place as if it had been there, changed last at `modified`: no ledger row, no push.
    /// `fields` are those of a save; with `structureContact` it is a structure. Returns its number.
    ///
    /// # Errors
    /// When there is no such institution or a field cannot be held.
    pub fn add_contact(&self, institution: &str, fields: Value, modified: Timestamp) -> Result<String, EditError> {
        let fields = members(fields);
        let kind = kind_of(&fields);
        self.world().seed_contact(institution, kind, &fields, modified).map_err(|why| edit_error(why, institution))
    }

    /// Puts an order in place without a ledger row and without a push. `fields` are members of the order as it is
    /// shown; without `creationDateTime` it is made now. Returns its id.
    ///
    /// # Errors
    /// When there is no such institution or a field cannot be held.
    pub fn add_order(&self, institution: &str, fields: Value) -> Result<u64, EditError> {
        let now = self.clock.now();
        self.world().seed_order(institution, &members(fields), now).map_err(|why| edit_error(why, institution))
    }

    /// Acts as another user, see [`Simulated::edit`]. A user may set members the API cannot, such as any
    /// `orderState`; a contact that is merged into another or deleted is gone without a word to the receiver.
    ///
    /// # Errors
    /// When the object, record or a field does not exist.
    pub fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        let unknown = || EditError::UnknownObject(edit.object.clone());
        let (code, object) = edit.object.split_once('.').ok_or_else(unknown)?;
        let now = self.clock.now();
        let mut world = self.world();
        let Some(institution) = world.institutions.get(code) else { return Err(unknown()) };
        let id = edit.id.as_deref();
        let outcome = match (object, id) {
            ("contact", Some(number)) if edit.delete || edit.merge_into.is_some() => {
                let head = edit.merge_into.as_deref();
                world.remove_contact(code, number, head, now).map(|()| head.unwrap_or(number).to_owned())
            }
            ("order" | "check", _) if edit.merge_into.is_some() => return Err(EditError::NoMerging),
            ("order" | "check", _) if edit.delete => return Err(unknown()),
            ("contact", number) => {
                let known = number.and_then(|number| institution.contacts.get(number)).map(|contact| contact.kind);
                let kind = known.unwrap_or_else(|| kind_of(&edit.fields));
                world.save_contact(code, number, kind, &edit.fields, Author { by: By::User, at: now })
            }
            ("order", id) => {
                let parse = |id: &str| id.parse::<u64>().map_err(|_| EditError::UnknownRecord(id.to_owned()));
                let id = id.map(parse).transpose()?;
                world.edit_order(code, id, &edit.fields, now).map(|id| id.to_string())
            }
            ("check", None) => world.add_check(code, &edit.fields, now).map(|id| id.to_string()),
            _ => return Err(unknown()),
        };
        outcome.map_err(|why| edit_error(why, id.unwrap_or_default()))
    }

    /// The contact with all its members, as it is now.
    pub fn contact(&self, institution: &str, number: &str) -> Option<Value> {
        Some(self.world().institutions.get(institution)?.contacts.get(number)?.whole())
    }

    /// The order with all its members, as it is now.
    pub fn order(&self, institution: &str, id: u64) -> Option<Value> {
        Some(self.world().institutions.get(institution)?.orders.get(&id)?.show())
    }

    /// All living records of `object` (`ACME.contact`) with all their members.
    pub fn records(&self, object: &str) -> Option<Vec<Value>> {
        let (code, object) = object.split_once('.')?;
        let world = self.world();
        let institution = world.institutions.get(code)?;
        match object {
            "contact" => Some(institution.contacts.values().map(contact::Contact::whole).collect()),
            "order" => Some(institution.orders.values().map(order::Order::show).collect()),
            "check" => Some(institution.checks.values().cloned().collect()),
            _ => None,
        }
    }

    fn receiver(&self, institution: &str) -> Option<Receiver> {
        self.world().institutions.get(institution)?.account.receiver.clone()
    }

    fn in_queue<T>(&self, institution: &str, stream: Stream, act: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let mut world = self.world();
        world.institutions.get_mut(institution)?.queues.get_mut(&stream).map(act)
    }

    fn payload(&self, institution: &str, stream: Stream, keys: &[String]) -> Vec<Value> {
        self.world().payload(institution, stream, keys)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970 on a clock that is `skew` ahead.
fn skewed(now: Timestamp, skew: i64) -> i64 {
    now.millis().saturating_add(skew)
}

fn members(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn kind_of(fields: &Map<String, Value>) -> Kind {
    if fields.contains_key(Kind::Structure.member()) { Kind::Structure } else { Kind::Individual }
}

fn edit_error(refusal: Refusal, id: &str) -> EditError {
    match refusal.code {
        "notfound" => EditError::UnknownRecord(id.to_owned()),
        _ => EditError::BadField(refusal.detail),
    }
}

impl Simulated for S360Sim {
    fn name(&self) -> &'static str {
        "s360"
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        Self::edit(self, edit)
    }

    fn records(&self, object: &str) -> Option<Vec<Value>> {
        Self::records(self, object)
    }
}

async fn call(State(sim): State<Arc<S360Sim>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => api::answer(&sim, &parts, &body),
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    // The one place where a caller sees how far its clock is off.
    let now = u64::try_from(skewed(sim.clock.now(), sim.knobs().skew_ms)).unwrap_or(0);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now));
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
