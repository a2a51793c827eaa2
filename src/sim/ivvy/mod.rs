//! A simulated iVvy account behind the Developer API 1.0 (`contracts/ivvy.md`).
//!
//! Checks come in the contract's order with the contract's codes (18); where the contract is silent the
//! stricter reading is built and a [`Settings`] knob offers the other. It has no invoices,
//! and it uses no code of the client it tests.
//!
//! `gate` admits a call, `actions` finds what it does, `listing` (with `filter`) and `write` do it for any kind of record,
//! and `objects` describes the kinds. `world` keeps the records and writes the ledger.

mod actions;
mod answer;
mod batch;
mod editor;
mod filter;
mod gate;
mod listing;
pub mod notices;
mod object;
mod objects;
mod params;
mod post;
mod row;
mod settings;
mod trade;
mod world;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, request};
use axum::response::Response;
use serde_json::Value;

pub use editor::Editor;
pub use objects::{Address, Company, Contact};
pub use post::Postman;
pub use settings::{DuplicateAdd, Filtering, Order, Settings};
pub use trade::HOSTILE_BODIES;

use actions::{Action, Context};
use answer::{Refusal, respond};
use gate::{Admitted, Key};
use object::{Face, Object, Scene};
use objects::{COMPANY, CONTACT};
use params::Params;
use row::Row;
use world::{World, Write};

use crate::model::Timestamp;
use crate::seam::{Clock, Entropy};
use crate::sim::control::{self, Edit, EditError, Simulated};
use crate::sim::fault::{self, Faults};
use crate::sim::ledger::{By, Ledger};
use crate::sim::people::Population;

/// Largest request body read.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// How far back the stamps of loaded records reach.
const PAST: Duration = Duration::from_secs(400 * 24 * 3600);

/// The simulated account. Shared between its router, editors and tests.
pub struct IvvySim {
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    faults: Faults,
    ledger: Ledger,
    keys: Mutex<BTreeMap<String, Key>>,
    world: Mutex<World>,
    turn: AtomicU64,
}

impl fmt::Debug for IvvySim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IvvySim").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl IvvySim {
    /// An empty account. `entropy` drives faults with a chance and editors.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        let world = World::new(&settings);
        let key = Key {
            secret: settings.secret.clone(),
            revoked: false,
            denied: settings.denied.clone(),
            venues: BTreeSet::new(),
        };
        Arc::new(Self {
            faults: Faults::new(entropy.clone()),
            ledger: world.ledger.clone(),
            keys: Mutex::new(BTreeMap::from([(settings.key.clone(), key)])),
            world: Mutex::new(world),
            turn: AtomicU64::new(0),
            settings,
            clock,
            entropy,
        })
    }

    /// The API behind the fault gate, and the control API beside it.
    pub fn router(self: &Arc<Self>) -> Router {
        let api = Router::new().fallback(call).with_state(Arc::clone(self));
        let api = fault::gate(api, self.faults.clone(), Arc::clone(&self.clock), answer::refusal);
        api.merge(control::routes(Arc::clone(self))).merge(notices::routes(Arc::clone(self)))
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The ledger of effects.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The faults in wait.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Puts a population in place, stamped over the last 400 days, without ledger rows.
    pub fn load(&self, population: &Population) {
        let entropy = Entropy::seeded(self.settings.seed);
        let now = self.clock.now();
        let at = || now.minus(entropy.duration_up_to(PAST));
        let mut world = self.world();
        let companies: Vec<u64> = population
            .companies
            .iter()
            .map(|company| {
                let address = Address {
                    lines: [company.street.clone(), String::new(), String::new(), String::new()],
                    city: company.city.clone(),
                    state_code: String::new(),
                    country_code: company.country.clone(),
                    postal_code: company.postal_code.clone(),
                };
                let record = Company {
                    business_name: company.name.clone(),
                    phone: company.phone.clone(),
                    email: company.email.clone(),
                    website: company.website.clone(),
                    address,
                    ..Company::default()
                };
                world.seed(&COMPANY, record.into(), at())
            })
            .collect();
        for person in &population.people {
            let contact = Contact {
                first_name: person.first_name.clone(),
                last_name: person.last_name.clone(),
                email: person.email.clone(),
                phone: person.phone.clone(),
                companies: person.company.and_then(|index| companies.get(index)).copied().into_iter().collect(),
                status: 1,
                sms_status: 1,
                ..Contact::default()
            };
            world.seed(&CONTACT, contact.into(), at());
        }
    }

    /// Puts one contact in place without a ledger row: under its own id unless that is 0, stamped with
    /// its own `modified` unless that is the epoch.
    pub fn add_contact(&self, contact: Contact) -> u64 {
        self.world().seed(&CONTACT, contact.into(), self.clock.now())
    }

    /// Puts one company in place, as [`IvvySim::add_contact`].
    pub fn add_company(&self, company: Company) -> u64 {
        self.world().seed(&COMPANY, company.into(), self.clock.now())
    }

    /// The contact as stored now.
    pub fn contact(&self, id: u64) -> Option<Contact> {
        self.world().get("contact", id).map(Contact::from)
    }

    /// The company as stored now.
    pub fn company(&self, id: u64) -> Option<Company> {
        self.world().get("company", id).map(Company::from)
    }

    /// All contacts as stored now, by id.
    pub fn contacts(&self) -> Vec<Contact> {
        self.world().table("contact").live().map(Contact::from).collect()
    }

    /// All companies as stored now, by id.
    pub fn companies(&self) -> Vec<Company> {
        self.world().table("company").live().map(Company::from).collect()
    }

    /// Puts a record of any kind in place without a ledger row, as if it had always been there. `fields` (a
    /// JSON object) have the API's names; among them may be `id`, `createdDate` and `modifiedDate`.
    ///
    /// # Errors
    /// When there is no such object or field, or a value cannot be held.
    pub fn add(&self, object: &str, fields: Value) -> Result<u64, EditError> {
        let kind = objects::find(object).ok_or_else(|| EditError::UnknownObject(object.to_owned()))?;
        let now = self.clock.now();
        let edit = Edit::create(object, fields);
        let params = Params::of_edit(&edit.fields);
        let mut world = self.world();
        let row = || {
            let at = |name| params.stamp(name).map(|at| at.unwrap_or(Timestamp::EPOCH));
            let start = Row::new(params.whole("id")?.unwrap_or(0), at("createdDate")?, at("modifiedDate")?);
            let own = params.without(&["id", "createdDate", "modifiedDate"]);
            edited(kind, &Params::of_edit(&own), start, None, &Scene { world: &world, now, by_user: true })
        };
        let row = row().map_err(bad_field)?;
        Ok(world.seed(kind, row, now))
    }

    /// Acts as another user, see [`Simulated::edit`]. Any object can be edited, and any of its fields, also
    /// those the API does not write; fields have the API's names. `isAnonymised: true` erases a contact for
    /// good, `bodyBytes` gives an email a body of that size.
    ///
    /// # Errors
    /// When the object, record or a field does not exist.
    pub fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        if edit.merge_into.is_some() {
            return Err(EditError::NoMerging);
        }
        let kind = objects::find(&edit.object).ok_or_else(|| EditError::UnknownObject(edit.object.clone()))?;
        let now = self.clock.now();
        let params = Params::of_edit(&edit.fields);
        let write = Write { by: By::User, now, fields: params.written(&[]), silent: false };
        let mut world = self.world();
        let before = match &edit.id {
            None => None,
            Some(id) => {
                let found = id.parse().ok().and_then(|id| world.get(kind.name, id)).cloned();
                Some(found.ok_or_else(|| EditError::UnknownRecord(id.clone()))?)
            }
        };
        if let (true, Some(before)) = (edit.delete, &before) {
            world.delete(kind, before.id, write);
            return Ok(before.id.to_string());
        }
        let start = before.clone().unwrap_or_default();
        let scene = Scene { world: &world, now, by_user: true };
        let row = edited(kind, &params, start, before.as_ref(), &scene).map_err(bad_field)?;
        Ok(world.commit(kind, row, write).to_string())
    }

    /// Revokes the key: every call answers 463 from now on.
    pub fn revoke_key(&self) {
        for key in self.keys().values_mut() {
            key.revoked = true;
        }
    }

    /// Takes the permission for `action` from the key (403), or gives it back.
    pub fn permit(&self, action: &str, allowed: bool) {
        for key in self.keys().values_mut() {
            if allowed {
                key.denied.remove(action);
            } else {
                key.denied.insert(action.to_owned());
            }
        }
    }

    /// As [`IvvySim::permit`], for every action about `object`.
    pub fn permit_object(&self, object: &str, allowed: bool) {
        for action in Action::all().filter(|action| action.object == Some(object)) {
            self.permit(action.name, allowed);
        }
    }

    /// Binds the key to these venues: bookings of others, and the account's as a whole, answer 403. None
    /// unbinds it.
    pub fn bind_key(&self, venues: impl IntoIterator<Item = u64>) {
        let venues: BTreeSet<u64> = venues.into_iter().collect();
        for key in self.keys().values_mut() {
            key.venues.clone_from(&venues);
        }
    }

    /// Admits and runs one call.
    fn answer(&self, parts: &request::Parts, body: &[u8]) -> Response {
        let now = self.clock.now();
        let keys = self.keys();
        let outcome = gate::admit(parts, body, &keys, now).and_then(|Admitted { action, params, key }| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let (world, settings, denied) = (&mut *self.world(), &self.settings, &key.denied);
            key.admits(action, &params)?;
            let body = action.run(&params, Context { world, settings, denied, now, turn })?;
            key.shows(action, &body)?;
            Ok(body)
        });
        match outcome {
            Ok(body) => respond(StatusCode::OK, &body, now),
            Err(refusal) => refusal.into_response(now),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `start` as another user's edit leaves it.
fn edited(
    kind: &Object,
    params: &Params<'_>,
    start: Row,
    before: Option<&Row>,
    scene: &Scene<'_>,
) -> Result<Row, Refusal> {
    params.only(&kind.editable())?;
    let mut row = start;
    kind.overlay(&mut row, params, scene)?;
    (kind.rules)(&mut row, before, scene)?;
    Ok(row)
}

fn bad_field(refusal: Refusal) -> EditError {
    EditError::BadField(refusal.message)
}

impl Simulated for IvvySim {
    fn name(&self) -> &'static str {
        "ivvy"
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
        let kind = objects::find(object)?;
        let world = self.world();
        Some(world.table(object).live().map(|row| kind.show(row, &world, Face::Single)).collect())
    }
}

async fn call(State(sim): State<Arc<IvvySim>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => sim.answer(&parts, &body),
        Err(_) => Refusal::new(400, "The body could not be read").into_response(sim.clock.now()),
    }
}
