//! iVvy, the origin system (Developer API 1.0; `contracts/ivvy.md`).
//!
//! [`Ivvy`] implements the port; what differs between modules stands in one file each, behind
//! `module::Module`. It refuses to decide: it reports what iVvy
//! said and how sure we are that a write happened. iVvy has no conditional write, so `expected` is
//! not used: the engine reads before and after ([`ConditionalWrite::VerifiedAfter`]).

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod action;
mod answer;
mod attendees;
mod bookings;
mod client;
mod companies;
mod contacts;
mod custom;
mod emails;
mod events;
mod fields;
mod groups;
mod leads;
mod listing;
mod loose;
mod module;
mod notifications;
mod opt_out;
mod per_event;
mod registrations;
mod rules;
mod search;
mod sign;
mod staff;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::{Map, Value as Json, json};
use url::Url;

use self::action::Action;
use self::client::Client;
use self::fields::Refused;
pub use self::groups::Groups;
pub use self::rules::Rules;
use super::port::{Conversion, Entry, MatchSupport};
use super::transport::{Limits, Transport};
use super::{
    Capabilities, Class, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page,
    PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::module::{EXTERNAL_ID, GROUPS, IVVY_KEY};
use crate::model::{FieldDef, Fields, MatchKind, ModuleId, Record, RecordId};
use crate::seam::Clock;

/// The revision of iVvy's public documentation that this adapter follows. iVvy announces breaking changes
/// there; whoever reviews them raises this with the adapter (N-09; `contracts/ivvy.md`, sources).
pub const API_DOCS: &str = "ivvycode/apidocs @ ec72b6c (2026-03-24)";

/// The name of this system in errors and status.
const SYSTEM: &str = "ivvy";

/// What an adapter method answers, once it has called.
type Answered<'a, T> = BoxFuture<'a, Result<T, RemoteError>>;

/// What iVvy wants to know of a new lead and no CRM tells (`contracts/ivvy.md` 9). All are iVvy's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadDefaults {
    /// The source of leads whose own is unmatched.
    pub source: u64,
    /// The type.
    pub type_id: u64,
    /// The subtype, compulsory where the type has subtypes.
    pub subtype_id: Option<u64>,
    /// The stage a lead begins in.
    pub stage: u64,
}

/// What is needed to speak to one iVvy account.
pub struct Settings {
    /// The region's host: `https`, or `http` on loopback; a path prefix is allowed, a query is not.
    pub base_url: Url,
    /// The API key.
    pub key: String,
    /// The API secret; signs every request and never leaves.
    pub secret: SecretString,
    /// Custom fields to be kept in step, by module, named `custom.<fieldId>` (V-19).
    pub custom_fields: BTreeMap<ModuleId, Vec<FieldDef>>,
    /// Catalogue fields that are neither read nor written, by module (C-07).
    pub left_out: BTreeSet<(ModuleId, String)>,
    /// What new leads get; without it leads are read and changed, and none is created.
    pub lead_defaults: Option<LeadDefaults>,
    /// Rules of single modules.
    pub rules: Rules,
    /// The subscription groups of contacts that are kept in step; none unless configured.
    pub groups: Groups,
    /// Longest time a write may take to show in a look-up; 10 s is a careful choice.
    pub settle: Duration,
    /// Bounds of one exchange.
    pub limits: Limits,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.base_url.host_str())
            .field("settle", &self.settle)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One iVvy account behind the port.
#[derive(Debug)]
pub struct Ivvy {
    client: Client,
    custom_fields: BTreeMap<ModuleId, Vec<FieldDef>>,
    left_out: BTreeSet<(ModuleId, String)>,
    lead_defaults: Option<LeadDefaults>,
    rules: Rules,
    groups: Groups,
    settle: Duration,
    clock: Arc<dyn Clock>,
    /// Guessed filters that were refused once.
    refused_filters: Mutex<BTreeSet<String>>,
    venues: Mutex<bookings::Venues>,
    places: Mutex<registrations::Places>,
}

impl Ivvy {
    /// Checks the settings; calls nothing.
    ///
    /// # Errors
    /// A configuration error if the base URL has user info, a query or a scheme other than `https`
    /// (`http` on loopback), if key or secret cannot be used, or if a rule is about nothing iVvy has.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let Settings { base_url, key, secret, custom_fields, left_out, lead_defaults, rules, groups, settle, limits } =
            settings;
        rules.check()?;
        let client = Client::new(&base_url, key, secret, limits, transport, Arc::clone(&clock))?;
        Ok(Self {
            client,
            custom_fields,
            left_out,
            lead_defaults,
            rules,
            groups,
            settle,
            clock,
            refused_filters: Mutex::default(),
            venues: Mutex::default(),
            places: Mutex::default(),
        })
    }

    fn custom_fields(&self, module: ModuleId) -> &[FieldDef] {
        self.custom_fields.get(&module).map_or(&[], Vec::as_slice)
    }

    /// The record without what is left out.
    fn trimmed(&self, module: ModuleId, mut record: Record) -> Record {
        record.fields.retain(|name, _| !self.left_out.contains(&(module, name.clone())));
        record
    }

    /// The raw row of one record; `None` if iVvy says there is none.
    async fn row(&self, action: &Action, id: &RecordId) -> Result<Option<Json>, RemoteError> {
        let body = json!({ "id": own_id(action, id)? });
        self.lookup(action, &body).await
    }

    /// The answer to a read of one record; `None` if iVvy says there is none.
    async fn lookup(&self, action: &Action, body: &Json) -> Result<Option<Json>, RemoteError> {
        match self.client.call(action, body).await {
            Ok(answer) => Ok(Some(answer.json)),
            Err(error) if error.class == Class::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One record by its id, where iVvy has an action for that.
    async fn read(
        &self,
        action: &Action,
        id: &RecordId,
        record: impl Fn(&Json) -> Option<Record> + Send,
    ) -> Result<Read, RemoteError> {
        match self.row(action, id).await? {
            None => Ok(Read::Missing),
            Some(row) => the_record(action, id, record(&row)),
        }
    }

    /// Adds a record that carries `key` in `externalId`.
    async fn create_with_key(
        &self,
        action: &Action,
        key: &str,
        fields: &Fields,
        properties: impl Fn(&Fields) -> Result<Map<String, Json>, Refused> + Send,
    ) -> Result<WriteAck, RemoteError> {
        // There is nothing to clear on a record that does not exist yet.
        let given: Fields = fields
            .iter()
            .filter(|(name, value)| name.as_str() != EXTERNAL_ID && !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut body = Map::new();
        body.insert(EXTERNAL_ID_PROPERTY.into(), key.into());
        body.extend(properties(&given).map_err(|refused| not_sent(action, refused))?);
        self.write(action, body, None).await
    }

    /// Lays `properties` over the record `id`.
    async fn overlay(
        &self,
        action: &Action,
        id: &RecordId,
        properties: Map<String, Json>,
    ) -> Result<WriteAck, RemoteError> {
        let mut body = Map::new();
        body.insert("id".into(), own_id(action, id)?.into());
        body.extend(properties);
        self.write(action, body, Some(id)).await
    }

    async fn write(
        &self,
        action: &Action,
        body: Map<String, Json>,
        asked: Option<&RecordId>,
    ) -> Result<WriteAck, RemoteError> {
        let answer = self.client.call(action, &Json::Object(body)).await?;
        answer::acknowledgement(action, &answer.json, asked)
    }

    async fn custom_field_definitions(&self, action: &Action) -> Result<Vec<FieldDefinition>, RemoteError> {
        let answer = self.client.call(action, &json!({})).await?;
        custom::definitions(&answer.json).ok_or_else(|| malformed(action, "the answer is not a list of fields"))
    }
}

/// The answer to a read of `id`.
fn the_record(action: &Action, id: &RecordId, record: Option<Record>) -> Result<Read, RemoteError> {
    match record {
        Some(record) if record.id == *id => Ok(Read::Found(Box::new(record))),
        // iVvy knows no merging, so this is an answer to some other question.
        Some(_) => Err(malformed(action, "the answer is about another record")),
        None => Err(malformed(action, "the answer is not a record with an id")),
    }
}

/// `externalId`, as iVvy spells [`EXTERNAL_ID`].
const EXTERNAL_ID_PROPERTY: &str = "externalId";

fn malformed(action: &Action, message: &str) -> RemoteError {
    answer::failure(action, Class::Malformed, Sent::No, message)
}

fn not_sent(action: &Action, refused: Refused) -> RemoteError {
    answer::failure(action, refused.class, Sent::No, refused.message)
}

/// iVvy's ids are numbers; anything else was never given out by iVvy.
fn own_id(action: &Action, id: &RecordId) -> Result<i64, RemoteError> {
    id.as_str().parse().map_err(|_| answer::failure(action, Class::Rejected, Sent::No, "the id is not an iVvy id"))
}

/// An id as iVvy prefers it: a number where it is one.
fn number_or_text(id: &str) -> Json {
    id.parse::<i64>().map_or_else(|_| id.into(), Json::from)
}

impl Remote for Ivvy {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::VerifiedAfter,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: Listing::Offset,
            deletes: DeleteEvidence::SetDifference,
            stamp_key: module::of(module).stamps_key(),
            page_size: listing::PER_PAGE,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: Duration::from_secs(60),
            settle: self.settle,
            max_in_flight: 2,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        if !module::of(module).has_place() {
            return Vec::new();
        }
        // Every field of the catalogue except the one that lives on the CRM.
        let held = |field: &FieldDef| {
            field.name != IVVY_KEY && !self.left_out.contains(&(module, field.name.clone().into_owned()))
        };
        let catalogue = module.def().fields.into_iter().filter(held);
        let on_request = module.fields_on_request().into_iter().filter(|_| self.rules.opt_out);
        let custom = self.custom_fields(module).iter().cloned();
        let groups = (module == ModuleId::Contacts && !self.groups.names.is_empty()).then(|| GROUPS.to_owned());
        catalogue.chain(on_request).chain(custom).map(|field| field.name.into_owned()).chain(groups).collect()
    }

    fn fields_after_creation(&self, module: ModuleId) -> &'static [&'static str] {
        match module {
            ModuleId::Contacts => &[GROUPS],
            _ => &[],
        }
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.client.probe())
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        module::of(module).definitions(self)
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        module::of(module).list(self, request)
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        module::of(module).get(self, id)
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        module::of(module).find_by_key(self, key)
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        module::of(module).create(self, key, fields)
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        _expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        module::of(module).update(self, id, patch)
    }

    fn conversion(&self) -> Conversion {
        Conversion::SamePerson
    }

    fn match_support(&self, kind: MatchKind) -> MatchSupport {
        staff::support(kind)
    }

    fn entries(&self, kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        Box::pin(staff::entries(self, kind))
    }

    fn create_lead_source<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<RecordId, RemoteError>> {
        Box::pin(staff::create_lead_source(self, name))
    }

    fn update_lead_source<'a>(
        &'a self,
        id: &'a RecordId,
        name: Option<&'a str>,
        active: Option<bool>,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(async move {
            match (name, active) {
                (Some(name), None) => staff::rename_lead_source(self, id, name).await,
                _ => Err(staff::no_state()),
            }
        })
    }
}
