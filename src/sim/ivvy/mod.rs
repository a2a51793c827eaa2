//! A simulated iVvy account behind the Developer API 1.0 (`contracts/ivvy.md`).
//!
//! Checks come in the contract's order with the contract's codes (18); where the contract is silent the
//! stricter reading is built and a [`Settings`] knob offers the other. It has no notifications, no
//! events and no bookings, and it uses no code of the client it tests.

mod actions;
mod answer;
mod company;
mod contact;
mod custom;
mod directory;
mod editor;
mod gate;
mod listing;
mod params;
mod settings;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, request};
use axum::response::Response;
use serde_json::{Map, Value};

pub use company::{Address, Company};
pub use contact::Contact;
pub use editor::Editor;
pub use settings::{DuplicateAdd, Filtering, Order, Settings};

use actions::Context;
use answer::{Refusal, respond};
use gate::Key;
use params::Params;
use world::{Holds, Record, World, Write};

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
        let key = Key { secret: settings.secret.clone(), revoked: false, denied: settings.denied.clone() };
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
        api.merge(control::routes(Arc::clone(self)))
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
                world.seed(record, at())
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
            world.seed(contact, at());
        }
    }

    /// Puts one contact in place without a ledger row: under its own id unless that is 0, stamped with
    /// its own `modified` unless that is the epoch.
    pub fn add_contact(&self, contact: Contact) -> u64 {
        self.seed(contact)
    }

    /// Puts one company in place, as [`IvvySim::add_contact`].
    pub fn add_company(&self, company: Company) -> u64 {
        self.seed(company)
    }

    /// The contact as stored now.
    pub fn contact(&self, id: u64) -> Option<Contact> {
        self.world().contacts.get(id).cloned()
    }

    /// The company as stored now.
    pub fn company(&self, id: u64) -> Option<Company> {
        self.world().companies.get(id).cloned()
    }

    /// All contacts as stored now, by id.
    pub fn contacts(&self) -> Vec<Contact> {
        self.world().contacts.live().cloned().collect()
    }

    /// All companies as stored now, by id.
    pub fn companies(&self) -> Vec<Company> {
        self.world().companies.live().cloned().collect()
    }

    /// Acts as another user, see [`Simulated::edit`]. Objects: `contact`, `company`. Fields have the
    /// API's names; `isAnonymised: true` erases a contact for good.
    ///
    /// # Errors
    /// When the object, record or a field does not exist.
    pub fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        let id = match &edit.id {
            None => None,
            Some(id) => Some(id.parse::<u64>().map_err(|_| EditError::UnknownRecord(id.clone()))?),
        };
        if edit.merge_into.is_some() {
            return Err(EditError::NoMerging);
        }
        let now = self.clock.now();
        let mut world = self.world();
        let params = Params::of_edit(&edit.fields);
        let write = Write { by: By::User, now, fields: params.written(&[]) };
        match edit.object.as_str() {
            "contact" => {
                let base = world.contacts.get(id.unwrap_or(0)).cloned();
                let overlay = |contact: &mut Contact, world: &World| {
                    params.only(&[contact::PARAMS, &["isAnonymised"]].concat())?;
                    contact.overlay(&params, world, now)?;
                    if params.flag("isAnonymised")? == Some(true) {
                        contact.anonymise();
                    }
                    Ok(())
                };
                let fresh = Contact { status: 1, sms_status: 1, ..Contact::default() };
                apply(&mut world, edit, id, base, fresh, overlay, write)
            }
            "company" => {
                let base = world.companies.get(id.unwrap_or(0)).cloned();
                let overlay = |company: &mut Company, world: &World| {
                    params.only(company::PARAMS)?;
                    company.overlay(&params, world)
                };
                apply(&mut world, edit, id, base, Company::default(), overlay, write)
            }
            other => Err(EditError::UnknownObject(other.to_owned())),
        }
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

    fn seed<T: Record>(&self, record: T) -> u64
    where
        World: Holds<T>,
    {
        let at = if record.modified() == Timestamp::EPOCH { self.clock.now() } else { record.modified() };
        self.world().seed(record, at)
    }

    /// Admits and runs one call.
    fn answer(&self, parts: &request::Parts, body: &[u8]) -> Response {
        let now = self.clock.now();
        let admitted = gate::admit(parts, body, &self.keys(), now);
        let outcome = admitted.and_then(|(action, params): (_, Map<String, Value>)| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let context = Context { world: &mut self.world(), settings: &self.settings, now, turn };
            actions::run(action, &params, context)
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

/// Deletes, changes or creates one record as another user.
fn apply<T: Record>(
    world: &mut World,
    edit: &Edit,
    id: Option<u64>,
    base: Option<T>,
    fresh: T,
    overlay: impl Fn(&mut T, &World) -> Result<(), Refusal>,
    write: Write,
) -> Result<String, EditError>
where
    World: Holds<T>,
{
    if let Some(id) = id {
        let unknown = || EditError::UnknownRecord(id.to_string());
        if edit.delete {
            return if world.delete::<T>(id, write) { Ok(id.to_string()) } else { Err(unknown()) };
        }
        if base.is_none() {
            return Err(unknown());
        }
    }
    let mut record = base.unwrap_or(fresh);
    overlay(&mut record, world).map_err(|refusal| EditError::BadField(refusal.message))?;
    Ok(world.commit(record, write).to_string())
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
        let world = self.world();
        match object {
            "contact" => Some(world.contacts.live().map(|contact| contact.detail(&world)).collect()),
            "company" => Some(world.companies.live().map(|company| company.detail(&world)).collect()),
            _ => None,
        }
    }
}

async fn call(State(sim): State<Arc<IvvySim>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => sim.answer(&parts, &body),
        Err(_) => Refusal::new(400, "The body could not be read").into_response(sim.clock.now()),
    }
}
