//! S-360 (SecuTix 360) as the origin (`contracts/connector_s360.md` 2).
//!
//! S-360 posts what changed and cannot be asked for a list: listings read the shelf, where whoever receives
//! puts it. Single records are asked for where an institution has an operator; contacts are written there by the same
//! way. Without an operator an institution is receive-only.
//!
//! Ids are `INSTITUTION-number`, and every institution has an address, a key and a transport of its own: nothing
//! of one ever meets another's (S-01). Orders are written only where bookings were set up (`bookings`). It refuses to
//! take absence for deletion, and to repeat any call.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

pub mod access;
mod bookings;
mod client;
mod contacts;
mod fresh;
mod listing;
mod orders;
pub mod payload;
mod records;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;

use self::client::{Client, SEARCH_CONTACT};
pub use self::fresh::FreshToken;
pub use self::settings::{Bookings, Institution, Operator, OurReference, Settings, default_url};
use super::exchange::{failure, without_values};
use super::shelf::Shelf;
use super::{
    About, Capabilities, Class, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page,
    PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::{Fields, ModuleId, Record, RecordId};
use crate::seam::Clock;

/// The name of this system in errors and status.
const SYSTEM: &str = "s360";
/// Nobody has this address; asking for it proves that the token is taken.
const NOBODY: &str = "nobody@tandem.invalid";

/// The institutions of one S-360 account behind the port.
#[derive(Debug)]
pub struct S360 {
    places: BTreeMap<String, Place>,
    shelf: Arc<dyn Shelf>,
    clock: Arc<dyn Clock>,
    settle: Duration,
    /// [`Settings::reference`].
    reference: OurReference,
    /// What listings could not ask for yet, by module.
    asking: Mutex<BTreeMap<ModuleId, listing::Asking>>,
}

/// One institution.
#[derive(Debug)]
struct Place {
    code: String,
    /// How it is called, if it may be.
    client: Option<Client>,
    currency: Option<String>,
    contacts_posted: bool,
    bookings: Option<Bookings>,
}

impl S360 {
    /// An adapter for the institutions of `settings`, over what was told of them. Calls nobody.
    ///
    /// # Errors
    /// A configuration error when an address is neither https nor this machine, or an operator has no secret.
    pub fn new(settings: &Settings, shelf: Arc<dyn Shelf>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        settings.check()?;
        let mut places = BTreeMap::new();
        for (code, institution) in &settings.institutions {
            let place = Place {
                code: code.clone(),
                client: Client::of(settings, code, institution, &clock)?,
                currency: institution.currency.clone(),
                contacts_posted: institution.contacts_posted,
                bookings: institution.bookings,
            };
            places.insert(code.clone(), place);
        }
        let reference = settings.reference.clone();
        Ok(Self { places, shelf, clock, settle: settings.settle, reference, asking: Mutex::default() })
    }

    /// The institution a record belongs to, and its number there.
    fn place<'a>(&self, id: &'a RecordId) -> Option<(&Place, &'a str)> {
        let (code, number) = listing::split(id)?;
        Some((self.places.get(code)?, number))
    }

    /// Calls every institution that has an operator, or only that one.
    async fn test(&self, only: Option<&str>) -> Result<Probe, RemoteError> {
        let mut probe = Probe { system: "S-360".to_owned(), ..Probe::default() };
        let mut words = Vec::new();
        let asked = || self.places.iter().filter(|(code, _)| only.is_none_or(|only| *code == only));
        for (code, place) in asked() {
            let Some(client) = &place.client else {
                words.push(format!("{code} (receive-only)"));
                continue;
            };
            let search = json!({"criteria": {"email": NOBODY}, "minIndex": 0, "nbMaxResults": 1});
            let answer = client.call(SEARCH_CONTACT, &search).await?;
            let further = |skew: &i64| probe.clock_skew_ms.is_none_or(|worst: i64| skew.abs() > worst.abs());
            if let Some(skew) = answer.skew_ms.filter(further) {
                probe.clock_skew_ms = Some(skew);
            }
            let millis = u64::try_from(answer.round_trip.as_millis()).unwrap_or(u64::MAX);
            probe.round_trip_ms = probe.round_trip_ms.max(millis);
            words.push(code.clone());
        }
        let operated = asked().any(|(_, place)| place.client.is_some());
        (probe.unasked, probe.unread) = (!operated, !operated);
        probe.system = format!("S-360: {}", words.join(", "));
        Ok(probe)
    }
}

/// The catalogue fields of `module` that S-360 holds.
fn held(module: ModuleId) -> &'static [&'static str] {
    match module {
        ModuleId::Contacts => contacts::PERSON,
        ModuleId::Companies => contacts::STRUCTURE,
        ModuleId::Orders => &[
            "name",
            "contact",
            "company",
            "kind",
            "status",
            "stage",
            "amount",
            "currency",
            "created_at",
            "close_date",
            "lines",
        ],
        _ => &[],
    }
}

/// An error that is about no single institution.
fn fail(action: &str, class: Class, why: &str) -> RemoteError {
    failure(SYSTEM, action, class, Sent::No, why)
}

impl Remote for S360 {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::VerifiedAfter,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::Feed,
            // No field holds a key of ours: whether a create was made is proved by looking for the very person.
            stamp_key: true,
            page_size: u32::try_from(listing::PAGE).unwrap_or(u32::MAX),
            stamp_resolution: Duration::from_millis(1),
            min_overlap: Duration::from_secs(1),
            settle: self.settle,
            max_in_flight: 2,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        let asked: &[&str] = if module == ModuleId::Orders { &bookings::FIELDS } else { &[] };
        held(module).iter().chain(asked).map(|name| (*name).to_owned()).collect()
    }

    fn tenant_of(&self, module: ModuleId, about: About<'_>) -> Option<String> {
        if self.places.len() < 2 {
            return None;
        }
        let place = match about {
            About::Record(id) => self.place(id).map(|(place, _)| place),
            About::New(fields) if module == ModuleId::Orders => self.buyer(fields).ok().map(|(place, _)| place),
            About::New(fields) => self.place_for(records::save_method(module).ok()?, fields).ok(),
        };
        place.map(|place| place.code.clone())
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.test(None))
    }

    fn tenants(&self) -> Vec<String> {
        if self.places.len() < 2 { Vec::new() } else { self.places.keys().cloned().collect() }
    }

    fn probe_tenant<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Probe, RemoteError>> {
        Box::pin(self.test(Some(tenant)))
    }

    fn definitions(&self, _module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(self.page(module, request))
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(self.read(module, id))
    }

    fn find_by_key<'a>(
        &'a self,
        _module: ModuleId,
        _key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn find_made<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move {
            match module {
                ModuleId::Orders => self.booked(key, fields).await.map(Some),
                _ => Ok(None),
            }
        })
    }

    fn find_alike<'a>(
        &'a self,
        module: ModuleId,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move { self.made(module, fields).await.map_err(|error| without_values(error, fields)) })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            let made = match module {
                ModuleId::Orders => self.book(key, fields).await,
                _ => self.make(module, fields).await,
            };
            made.map_err(|error| without_values(error, fields))
        })
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            let changed = match module {
                ModuleId::Orders => self.rebook(id, patch, expected).await,
                _ => self.change(module, id, patch).await,
            };
            changed.map_err(|error| without_values(error, patch))
        })
    }
}
