//! The InTouch Connector, simulated in both directions.
//!
//! Written from `contracts/connector_s360.md` 1 alone. As a server it is the hub's API of 2011-11, which
//! providers call ([`ConnectorSim`]); as a client it is the hub that calls a provider's facade ([`Hub`]).
//! Where the contract leaves something open, [`Settings`] has a knob and the default is the reading that is
//! harder on the other side. It has its own XML, apart from any adapter's. The REST API "v1" is not here.

mod api;
mod call;
mod command;
mod error;
mod hub;
mod settings;
mod shape;
mod world;
mod xml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get};
use serde_json::{Value, json};

pub use api::BASE;
pub use call::{MAX_BODY, Recorded};
pub use command::run_connector;
pub use error::Reason;
pub use hub::{
    Auth, Capabilities, Facade, Found, Hub, HubError, Lead, RemoteSource, RemoteStaff, Sent, Status, UserType,
};
pub use settings::{Missing, Offered, Settings};
pub use shape::{Key, Resource};
pub use world::Record;
pub use xml::XmlError;

use call::xml_response;
use error::Refusal;
use shape::Save;
use world::{Fresh, World};

use super::control::{self, Edit, EditError, Simulated};
use super::fault::{FaultKind, Faults, gate};
use super::ledger::{By, Ledger, NewEffect, Op};
use super::people::Population;
use crate::remote::transport::Transport;
use crate::seam::{Clock, Entropy};

/// Who modified what somebody changed in InTouch itself.
const IN_TOUCH: &str = "INTOUCH";

/// The simulated hub. Shared between its router, its [`Hub`] and tests.
pub struct ConnectorSim {
    settings: Mutex<Settings>,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    faults: Faults,
    ledger: Ledger,
    world: Mutex<World>,
}

impl fmt::Debug for ConnectorSim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorSim").field("effects", &self.ledger.len()).finish_non_exhaustive()
    }
}

impl ConnectorSim {
    /// A hub that knows the provider of `settings` and no records. `entropy` makes its ids and decides
    /// chancy faults.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        Arc::new(Self {
            settings: Mutex::new(settings),
            clock,
            faults: Faults::new(entropy.clone()),
            entropy,
            ledger: Ledger::new(),
            world: Mutex::default(),
        })
    }

    /// The API below [`BASE`] behind the fault gate, and the control API beside it, which has one route
    /// more than others: `GET /_sim/calls`.
    pub fn router(self: &Arc<Self>) -> Router {
        let api = Router::new().fallback(any(api::answer)).with_state(Arc::clone(self));
        let gated = gate(api, self.faults.clone(), Arc::clone(&self.clock), refusal);
        let calls = Router::new().route("/_sim/calls", get(calls)).with_state(Arc::clone(self));
        control::routes(Arc::clone(self)).merge(calls).fallback_service(gated)
    }

    /// The hub as a caller of `facade`, over `transport`. Each has its own links.
    pub fn hub(self: &Arc<Self>, transport: Arc<dyn Transport>, facade: Facade) -> Hub {
        Hub::new(Arc::clone(self), transport, facade)
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes settings while it runs.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every accepted save.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The faults in wait.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every call that came through, accepted or not, oldest first; of very many the last hundred thousand.
    pub fn calls(&self) -> Vec<Recorded> {
        self.world().calls.iter().cloned().collect()
    }

    /// All records of a resource, by key.
    pub fn records(&self, resource: Resource) -> Vec<Record> {
        self.world().records.values().filter(|record| record.resource == resource).cloned().collect()
    }

    /// The record a provider knows as `record_id`, whichever club it is in.
    pub fn record(&self, resource: Resource, record_id: &str) -> Option<Record> {
        let world = self.world();
        let found = world.records.values().find(|one| one.resource == resource && one.key.record == record_id);
        found.cloned()
    }

    /// The key of `record_id` in the first club of the first client.
    pub fn key(&self, record_id: &str) -> Key {
        let settings = self.settings();
        let (client, clubs) = settings.clients.into_iter().next().unwrap_or_default();
        let club = clubs.into_iter().next().unwrap_or_default();
        Key { identifier: settings.provider, client, club, record: record_id.to_owned() }
    }

    /// Puts a staff member in place, without an effect, in the first club.
    pub fn add_staff(&self, record_id: &str, first: &str, last: &str, email: &str) {
        let values = [("firstname", first), ("lastname", last), ("email", email)];
        let rest = [("userStatus", "ACTIVE"), ("userType", "STAFF")];
        self.put(Resource::Staff, record_id, &[values.as_slice(), &rest].concat(), false);
    }

    /// Puts a lead source in place, without an effect, in the first club. A `system` source cannot be edited.
    pub fn add_source(&self, record_id: &str, name: &str, active: bool, system: bool) {
        let active = if active { "true" } else { "false" };
        self.put(Resource::LeadSource, record_id, &[("name", name), ("active", active)], system);
    }

    /// Puts people in place as prospects `P-1`, `P-2`, … of the first club, without effects.
    pub fn load(&self, population: &Population) {
        for (index, person) in population.people.iter().enumerate() {
            let values = [
                ("firstname", person.first_name.as_str()),
                ("lastname", &person.last_name),
                ("email", &person.email),
                ("mobile", &person.phone),
                ("userStatus", "ACTIVE"),
                ("userType", "PROSPECT"),
            ];
            self.put(Resource::User, &format!("P-{}", index + 1), &values, false);
        }
    }

    fn put(&self, resource: Resource, record_id: &str, values: &[(&str, &str)], system: bool) {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let save = Save { key: self.key(record_id), values };
        let slot = (resource, save.key.clone());
        let fresh = Fresh { uuid: self.uuid(), in_touch_id: self.uuid() };
        let (settings, now) = (self.settings(), self.clock.now());
        let mut world = self.world();
        world.save(resource, save, IN_TOUCH, now, &settings, fresh);
        if let Some(record) = world.records.get_mut(&slot) {
            record.system = system;
        }
    }

    /// A new id that looks like those of the samples.
    fn uuid(&self) -> String {
        let (high, low) = (self.entropy.next(), self.entropy.next());
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
        format!("{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}", 0x8000 | (low >> 50), low & 0xffff_ffff_ffff)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, resource: Resource, id: &str) -> Result<Record, EditError> {
        self.record(resource, id).ok_or_else(|| EditError::UnknownRecord(id.to_owned()))
    }
}

impl Simulated for ConnectorSim {
    fn name(&self) -> &'static str {
        "connector"
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Somebody works in InTouch. `object` is `user`, `staff` or `leadSource`, `id` the provider's
    /// `recordID`; a new record needs `fields.recordID`. No rule of the API holds here but the field names.
    fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        if edit.merge_into.is_some() {
            return Err(EditError::NoMerging);
        }
        let resource: Resource = edit.object.parse().map_err(|_| EditError::UnknownObject(edit.object.clone()))?;
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let mut named = edit.id.clone();
        for (name, value) in &edit.fields {
            let text = value.as_str().ok_or_else(|| EditError::BadField(name.clone()))?;
            if name == "recordID" && edit.id.is_none() {
                named = Some(text.to_owned());
            } else {
                values.insert(name.clone(), text.to_owned());
            }
        }
        let id = named.ok_or_else(|| EditError::BadField("recordID".into()))?;
        let before = if edit.id.is_some() { Some(self.find(resource, &id)?) } else { None };
        let (settings, now) = (self.settings(), self.clock.now());
        let key = before.as_ref().map_or_else(|| self.key(&id), |before| before.key.clone());
        let mut world = self.world();
        let (op, record) = if edit.delete {
            (Op::Delete, world.records.remove(&(resource, key)).ok_or(EditError::UnknownRecord(id.clone()))?)
        } else {
            let mut whole = before.map(|before| before.values).unwrap_or_default();
            whole.extend(values);
            let fresh = Fresh { uuid: self.uuid(), in_touch_id: self.uuid() };
            let save = Save { key, values: whole };
            let (record, new) = world.save(resource, save, IN_TOUCH, now, &settings, fresh);
            (if new { Op::Create } else { Op::Update }, record)
        };
        let content = if op == Op::Delete { Value::Null } else { record.content() };
        self.ledger.record(NewEffect {
            at: now,
            by: By::User,
            op,
            object: &resource.to_string(),
            id: record.uuid,
            external_id: Some(record.key.record),
            content: &content,
            fields: edit.fields.keys().cloned().collect(),
        });
        Ok(id)
    }

    fn records(&self, object: &str) -> Option<Vec<Value>> {
        let resource: Resource = object.parse().ok()?;
        Some(Self::records(self, resource).iter().map(|record| json!(record)).collect())
    }
}

async fn calls(State(sim): State<Arc<ConnectorSim>>) -> Json<Value> {
    Json(json!({"calls": sim.calls()}))
}

/// Faults in the Connector's words.
fn refusal(kind: FaultKind) -> Response {
    let unknown = |status, text: &str| Refusal::new(status, Reason::Unknown, text);
    let refusal = match kind {
        FaultKind::OtherSuccess => return xml_response(StatusCode::OK, &api::other_payload()),
        FaultKind::Race => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::Database, "deadlock found"),
        FaultKind::Throttle => unknown(StatusCode::SERVICE_UNAVAILABLE, "busy"),
        FaultKind::Forbid => unknown(StatusCode::FORBIDDEN, "forbidden"),
        FaultKind::Unauthorized => unknown(StatusCode::UNAUTHORIZED, "unauthorized"),
        FaultKind::NotFound => Refusal::not_found(),
        _ => unknown(StatusCode::INTERNAL_SERVER_ERROR, "unexpected"),
    };
    refusal.into_response("00000000-0000-4000-8000-00000000dead")
}

#[cfg(test)]
mod tests;
