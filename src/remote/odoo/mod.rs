//! Odoo 19 and later as a CRM (`contracts/crm.md` 6). Where each module lives there is in `modules`.
//!
//! What is particular about it, all measured on a real 19.0 server:
//!
//! * No conditional write. The adapter writes what it is told; the engine reads before and after.
//! * Creates go through `load` with the external id `__tandem__.<key>`, which Odoo keeps unique, so the
//!   same create twice is one record. Adding such an id to an *existing* record needs write access to
//!   `ir.model.data`, an administrator's table, so the key is never stamped and is no field here.
//! * A look-up by key reads `ir.model.data`, or goes through its `check_object_reference` where the
//!   integration user may not: plain sales users may call that.
//! * Modules that only go to the CRM share their models with what the tenant's own people enter: of those,
//!   only rows that carry one of our external ids are listed.
//! * Hard deletes leave nothing behind; archiving shows as [`Record::archived`](crate::model::Record).
//!
//! Refuses to speak the older JSON-RPC wire, and to repeat anything by itself.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod cell;
mod customer;
mod groups;
mod html;
mod keys;
mod listing;
mod matching;
mod modules;
mod name;
mod place;
mod probe;
mod records;
mod refusal;
mod settings;
mod stage;
mod tables;
mod values;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use self::place::Place;
pub use self::settings::{EventsIn, NameFields, Settings};
use self::tables::Cached;
use self::values::Countries;
use self::wire::Wire;
use super::exchange::{failure, without_values};
use super::port::{Entry, MatchSupport, SourceUpdate};
use super::transport::Transport;
use super::{
    Capabilities, Class, ConditionalWrite, Conversion, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing,
    Page, PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::module::GROUPS;
use crate::model::{Fields, MatchKind, ModuleId, Record, RecordId};
use crate::seam::Clock;

const SYSTEM: &str = "odoo";
/// Records per page.
const PAGE_SIZE: u32 = 200;

/// An Odoo database.
#[derive(Debug)]
pub struct Odoo {
    wire: Wire,
    clock: Arc<dyn Clock>,
    /// Modules without a place are not in here.
    places: BTreeMap<ModuleId, Place>,
    configured_names: NameFields,
    /// Per place with a person's name: the fields with its halves, once detected.
    detected_names: BTreeMap<ModuleId, OnceCell<Option<(String, String)>>>,
    countries: Cached<Countries>,
    stages: Cached<stage::Stages>,
    stage_names: Arc<BTreeMap<String, String>>,
    groups: BTreeMap<u64, String>,
    settle: Duration,
    overlap: Duration,
}

impl Odoo {
    /// An adapter for the database `settings` names. Makes no call.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when the address is neither https nor
    /// this machine, or a field mapping cannot work.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        settings.check()?;
        let places: BTreeMap<_, _> =
            ModuleId::ALL.into_iter().filter_map(|module| Some((module, modules::place(module, &settings)?))).collect();
        let named = places.values().filter(|place| place.person.is_some());
        Ok(Self {
            wire: Wire::new(&settings, transport, Arc::clone(&clock))?,
            clock,
            detected_names: named.map(|place| (place.module, OnceCell::new())).collect(),
            places,
            configured_names: settings.name_fields,
            countries: Cached::default(),
            stages: Cached::default(),
            stage_names: Arc::new(settings.stages),
            groups: settings.groups,
            settle: settings.settle,
            overlap: settings.overlap,
        })
    }

    /// The place of `module`, if it has one.
    fn place(&self, module: ModuleId) -> Result<&Place, RemoteError> {
        self.places.get(&module).ok_or_else(|| {
            let why = "attendees need Odoo's Events app; campaigns have no members";
            failure(SYSTEM, &module.to_string(), Class::Unsupported, Sent::No, why)
        })
    }
}

impl Remote for Odoo {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::VerifiedAfter,
            idempotent_create: IdempotentCreate::NativeKey,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::ArchivedFlag,
            stamp_key: false,
            page_size: PAGE_SIZE,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: self.overlap,
            settle: self.settle,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        self.places.get(&module).map(Place::names).unwrap_or_default()
    }

    fn fields_after_creation(&self, module: ModuleId) -> &'static [&'static str] {
        match module {
            ModuleId::Companies => &["parent"],
            ModuleId::Contacts => &[GROUPS],
            _ => &[],
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.ping())
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(async move { self.describe(self.place(module)?).await })
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(async move { self.page(self.place(module)?, request).await })
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async move {
            let place = self.place(module)?;
            let found = self.read(place, records::number(&place.action("read"), id)?).await?;
            Ok(found.map_or(Read::Missing, |record| Read::Found(Box::new(record))))
        })
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move { self.by_key(self.place(module)?, key).await.map(Some) })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            let place = self.place(module)?;
            self.load(place, key, fields).await.map_err(|error| without_values(error, fields))
        })
    }

    /// `expected` is not used: Odoo has no conditional write.
    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        _expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            let place = self.place(module)?;
            self.write(place, id, patch).await.map_err(|error| without_values(error, patch))
        })
    }

    fn conversion(&self) -> Conversion {
        Conversion::InPlace
    }

    fn match_support(&self, kind: MatchKind) -> MatchSupport {
        let sources = kind == MatchKind::LeadSource;
        let update = match kind {
            MatchKind::LeadSource => SourceUpdate { name: true, active: false, because: matching::NO_STATE },
            MatchKind::Staff => SourceUpdate::default(),
        };
        MatchSupport { list: true, create: sources, staff_by_email: !sources, update, ..MatchSupport::default() }
    }

    fn entries(&self, kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        Box::pin(self.match_entries(kind))
    }

    fn find_staff<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, RemoteError>> {
        Box::pin(self.staff_with(email))
    }

    fn create_lead_source<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<RecordId, RemoteError>> {
        Box::pin(async move {
            let written = Fields::from([("name".to_owned(), name.into())]);
            self.lead_source(name).await.map_err(|error| without_values(error, &written))
        })
    }

    fn update_lead_source<'a>(
        &'a self,
        id: &'a RecordId,
        name: Option<&'a str>,
        active: Option<bool>,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(async move {
            let written = Fields::from([("name".to_owned(), name.unwrap_or_default().into())]);
            self.change_lead_source(id, name, active).await.map_err(|error| without_values(error, &written))
        })
    }
}
