//! Salesforce as a CRM (`contracts/crm.md` 3). Which object a module is kept in stands in `modules`.
//!
//! What is particular about it:
//!
//! * Updates carry `If-Unmodified-Since`, which Salesforce compares to the second.
//! * Creates are upserts by our key field, so the same create twice is one record. Some fields can be
//!   given only then; a change of one is refused before it is sent.
//! * Listings walk (`SystemModstamp`, `Id`) over `queryAll`: records in the recycle bin come along,
//!   marked [`Record::archived`](crate::model::Record); a direct read calls them missing, or names
//!   the record they were merged into.
//!
//! Refuses to save past a duplicate rule, and to repeat anything but a call an expired session turned
//! away.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod directory;
mod fields;
mod modules;
mod records;
mod refusal;
mod session;
mod settings;
mod shape;
mod soql;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use self::fields::FieldMap;
use self::session::Session;
pub use self::settings::Settings;
pub use self::usage::usage;
use super::exchange::without_values;
use super::transport::Transport;
use super::{
    Capabilities, ConditionalWrite, Conversion, DeleteEvidence, Entry, FieldDefinition, IdempotentCreate, Listing,
    MatchSupport, Page, PageRequest, Probe, Read, Remote, RemoteError, SourceUpdate, WriteAck,
};
use crate::error::Error;
use crate::model::module::GROUPS;
use crate::model::{Fields, MatchKind, ModuleId, Record, RecordId};
use crate::seam::Clock;

const SYSTEM: &str = "salesforce";
/// Records per page; the smallest batch Salesforce allows.
const PAGE_SIZE: usize = 200;

/// A Salesforce org.
#[derive(Debug)]
pub struct Salesforce {
    session: Session,
    clock: Arc<dyn Clock>,
    maps: BTreeMap<ModuleId, FieldMap>,
    key_field: String,
    api_version: String,
    settle: Duration,
    overlap: Duration,
}

impl Salesforce {
    /// An adapter for the org `settings` names. Makes no call; the first call logs in.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when the address is neither https nor
    /// this machine, or a field mapping cannot work.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        settings.check()?;
        let maps = BTreeMap::from(ModuleId::ALL.map(|module| (module, FieldMap::new(module, &settings))));
        for (module, map) in &maps {
            map.check(*module)?;
        }
        Ok(Self {
            session: Session::new(&settings, transport, Arc::clone(&clock))?,
            clock,
            maps,
            key_field: settings.key_field,
            api_version: settings.api_version,
            settle: settings.settle,
            overlap: settings.overlap,
        })
    }
}

impl Remote for Salesforce {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::OneSecond,
            idempotent_create: IdempotentCreate::NativeKey,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::Feed,
            stamp_key: true,
            page_size: PAGE_SIZE as u32,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: self.overlap,
            settle: self.settle,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        self.map(module).names()
    }

    fn fields_after_creation(&self, module: ModuleId) -> &'static [&'static str] {
        match module {
            ModuleId::Contacts => &[GROUPS],
            _ => &[],
        }
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
        Box::pin(self.read(module, id))
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
        Box::pin(async move { self.upsert(module, key, fields).await.map_err(|error| without_values(error, fields)) })
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(
            async move { self.patch(module, id, patch, expected).await.map_err(|error| without_values(error, patch)) },
        )
    }

    fn conversion(&self) -> Conversion {
        Conversion::NewContact
    }

    fn match_support(&self, kind: MatchKind) -> MatchSupport {
        // Lead sources are a picklist: only an administrator adds to it.
        let update = SourceUpdate {
            because: "Salesforce's lead sources are a picklist, which an administrator changes in its setup",
            ..SourceUpdate::default()
        };
        MatchSupport {
            list: true,
            create: false,
            staff_by_email: kind == MatchKind::Staff,
            update,
            ..MatchSupport::default()
        }
    }

    fn find_staff<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, RemoteError>> {
        Box::pin(self.users_with(email))
    }

    fn entries(&self, kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        Box::pin(async move {
            match kind {
                MatchKind::Staff => self.users().await,
                MatchKind::LeadSource => self.lead_sources().await,
            }
        })
    }
}
