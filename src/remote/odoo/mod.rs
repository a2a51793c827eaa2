//! Odoo 19 and later as a CRM: contacts and companies are both `res.partner` (`contracts/crm.md` 6).
//!
//! What is particular about it, all measured on a real 19.0 server:
//!
//! * No conditional write. The adapter writes what it is told; the engine reads before and after.
//! * Creates go through `load` with the external id `__tandem__.<key>`, which Odoo keeps unique, so the
//!   same create twice is one record. Adding such an id to an *existing* record needs write access to
//!   `ir.model.data`, an administrator's table, so the key is never stamped and is no field here.
//! * A look-up by key reads `ir.model.data`, or goes through its `check_object_reference` where the
//!   integration user may not: plain sales users may call that.
//! * Hard deletes leave nothing behind; archiving shows as [`Record::archived`](crate::model::Record).
//!
//! Refuses to speak the older JSON-RPC wire, and to repeat anything by itself.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod fields;
mod listing;
mod name;
mod partners;
mod refusal;
mod settings;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use self::fields::{Countries, FieldMap};
pub use self::settings::{NameFields, Settings};
use self::wire::Wire;
use super::exchange::without_values;
use super::transport::Transport;
use super::{
    Capabilities, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page, PageRequest,
    Probe, Read, Remote, RemoteError, WriteAck,
};
use crate::error::Error;
use crate::model::{Fields, ModuleId, Record, RecordId};
use crate::seam::Clock;

const SYSTEM: &str = "odoo";
/// Records per page.
const PAGE_SIZE: u32 = 200;

/// An Odoo database.
#[derive(Debug)]
pub struct Odoo {
    wire: Wire,
    clock: Arc<dyn Clock>,
    maps: BTreeMap<ModuleId, FieldMap>,
    configured_names: NameFields,
    /// The fields with the halves of a name, once detected.
    detected_names: OnceCell<Option<(String, String)>>,
    countries: RwLock<Arc<Countries>>,
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
        let maps = ModuleId::ALL.map(|module| {
            let custom = settings.custom.get(&module).map(Vec::as_slice).unwrap_or_default();
            (module, FieldMap::new(module, custom))
        });
        Ok(Self {
            wire: Wire::new(&settings, transport, Arc::clone(&clock))?,
            clock,
            maps: BTreeMap::from(maps),
            configured_names: settings.name_fields,
            detected_names: OnceCell::new(),
            countries: RwLock::default(),
            settle: settings.settle,
            overlap: settings.overlap,
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
        self.map(module).names()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.ping())
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(self.describe(module))
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(self.page(module, request))
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async move {
            let found = self.read(module, partners::number("res.partner.read", id)?).await?;
            Ok(found.map_or(Read::Missing, |record| Read::Found(Box::new(record))))
        })
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move { self.by_key(module, key).await.map(Some) })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move { self.load(module, key, fields).await.map_err(|error| without_values(error, fields)) })
    }

    /// `expected` is not used: Odoo has no conditional write.
    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        _expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move { self.write(module, id, patch).await.map_err(|error| without_values(error, patch)) })
    }
}
