//! iVvy, the origin system (Developer API 1.0; `contracts/ivvy.md`).
//!
//! [`Ivvy`] implements the port for contacts and companies. It refuses to decide: it reports what iVvy
//! said and how sure we are that a write happened. iVvy has no conditional write, so `expected` is
//! not used: the engine reads before and after ([`ConditionalWrite::VerifiedAfter`]).

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod action;
mod answer;
mod client;
mod companies;
mod contacts;
mod custom;
mod fields;
mod listing;
mod loose;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::{Map, Value as Json, json};
use url::Url;

use self::action::{Action, ModuleActions};
use self::client::Client;
use self::fields::Refused;
use super::transport::{Limits, Transport};
use super::{
    Capabilities, Class, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page,
    PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::module::{EXTERNAL_ID, IVVY_KEY};
use crate::model::{FieldDef, Fields, ModuleId, Record, RecordId, Value};
use crate::seam::Clock;

/// The name of this system in errors and status.
const SYSTEM: &str = "ivvy";

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
    settle: Duration,
}

impl Ivvy {
    /// Checks the settings; calls nothing.
    ///
    /// # Errors
    /// A configuration error if the base URL has user info, a query or a scheme other than `https`
    /// (`http` on loopback), or if key or secret cannot be used.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let Settings { base_url, key, secret, custom_fields, settle, limits } = settings;
        let client = Client::new(&base_url, key, secret, limits, transport, clock)?;
        Ok(Self { client, custom_fields, settle })
    }

    fn custom_fields(&self, module: ModuleId) -> &[FieldDef] {
        self.custom_fields.get(&module).map_or(&[], Vec::as_slice)
    }

    fn record(&self, module: ModuleId, row: &Json) -> Option<Record> {
        match module {
            ModuleId::Contacts => contacts::record(row, self.custom_fields(module)),
            ModuleId::Companies => companies::record(row, self.custom_fields(module)),
            _ => None,
        }
    }

    fn records(&self, module: ModuleId, action: &Action, rows: &[&Json]) -> Result<Vec<Record>, RemoteError> {
        rows.iter()
            .map(|row| self.record(module, row).ok_or_else(|| malformed(action, "a row is not a record with an id")))
            .collect()
    }

    fn properties(&self, module: ModuleId, fields: &Fields) -> Result<Map<String, Json>, Refused> {
        match module {
            ModuleId::Contacts => contacts::properties(fields, self.custom_fields(module)),
            ModuleId::Companies => companies::properties(fields, self.custom_fields(module)),
            _ => Err(Refused::because("iVvy takes no writes of this module")),
        }
    }

    async fn list_page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        let action = actions(module)?.list;
        let broken = |broken: listing::Broken| answer::failure(&action, broken.class, Sent::No, broken.message);
        let paging = listing::Paging::resume(request).map_err(broken)?;
        let answer = self.client.call(&action, &paging.body(request)).await?;
        let page = paging.take(&answer.json).map_err(broken)?;
        Ok(Page {
            records: self.records(module, &action, &page.rows)?,
            next: page.next,
            total: page.total,
            server_time: answer.server_time,
        })
    }

    /// The raw row of one record; `None` if iVvy says there is none.
    async fn row(&self, module: ModuleId, id: &RecordId) -> Result<Option<Json>, RemoteError> {
        let action = actions(module)?.get;
        let body = json!({ "id": own_id(&action, id)? });
        match self.client.call(&action, &body).await {
            Ok(answer) => Ok(Some(answer.json)),
            Err(error) if error.class == Class::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get_record(&self, module: ModuleId, id: &RecordId) -> Result<Read, RemoteError> {
        let action = actions(module)?.get;
        let Some(row) = self.row(module, id).await? else { return Ok(Read::Missing) };
        match self.record(module, &row) {
            Some(record) if record.id == *id => Ok(Read::Found(Box::new(record))),
            // iVvy knows no merging, so this is an answer to some other question.
            Some(_) => Err(malformed(&action, "the answer is about another record")),
            None => Err(malformed(&action, "the answer is not a record with an id")),
        }
    }

    /// Contacts can be filtered by `externalId`; companies cannot. If other rows come and there may be
    /// more of them, the filter was not honoured and nothing has been found out: `None` then sends the
    /// engine to its own mirror, where an empty list would have made it create a duplicate.
    async fn contacts_by_key(&self, key: &str) -> Result<Option<Vec<Record>>, RemoteError> {
        let action = action::CONTACTS.list;
        if key.is_empty() {
            return Err(answer::failure(&action, Class::Rejected, Sent::No, "a look-up needs a key"));
        }
        let body = json!({ "perPage": listing::PER_PAGE, "start": 0, "filter": { EXTERNAL_ID_PROPERTY: key } });
        let answer = self.client.call(&action, &body).await?;
        let (rows, total) = listing::collection(&answer.json)
            .map_err(|broken| answer::failure(&action, broken.class, Sent::No, broken.message))?;
        let whole = total.map_or(rows.is_empty(), |total| total <= rows.len() as u64);
        let records = self.records(ModuleId::Contacts, &action, &rows)?;
        let count = records.len();
        let carries = |record: &Record| record.fields.get(EXTERNAL_ID).and_then(Value::as_text) == Some(key);
        let found: Vec<Record> = records.into_iter().filter(carries).collect();
        Ok((whole || found.len() == count && count > 0).then_some(found))
    }

    async fn create_record(&self, module: ModuleId, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let action = actions(module)?.create;
        // There is nothing to clear on a record that does not exist yet.
        let given: Fields = fields
            .iter()
            .filter(|(name, value)| name.as_str() != EXTERNAL_ID && !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut body = Map::new();
        body.insert(EXTERNAL_ID_PROPERTY.into(), key.into());
        body.extend(self.properties(module, &given).map_err(|refused| not_sent(&action, refused))?);
        let answer = self.client.call(&action, &Json::Object(body)).await?;
        answer::acknowledgement(&action, &answer.json, None)
    }

    async fn update_record(&self, module: ModuleId, id: &RecordId, patch: &Fields) -> Result<WriteAck, RemoteError> {
        let action = actions(module)?.update;
        let mut body = Map::new();
        body.insert("id".into(), own_id(&action, id)?.into());
        body.extend(self.properties(module, patch).map_err(|refused| not_sent(&action, refused))?);
        if let (ModuleId::Contacts, Some(company)) = (module, patch.get(contacts::COMPANY)) {
            let Some(row) = self.row(module, id).await? else {
                return Err(answer::failure(&action, Class::Missing, Sent::No, "the contact no longer exists"));
            };
            let links = contacts::relinked(&contacts::companies(&row), company)
                .and_then(|links| contacts::id_list(&links))
                .map_err(|refused| not_sent(&action, refused))?;
            body.insert("companies".into(), links);
        }
        let answer = self.client.call(&action, &Json::Object(body)).await?;
        answer::acknowledgement(&action, &answer.json, Some(id))
    }

    async fn custom_field_definitions(&self, module: ModuleId) -> Result<Vec<FieldDefinition>, RemoteError> {
        let action = actions(module)?.definitions;
        let answer = self.client.call(&action, &json!({})).await?;
        custom::definitions(&answer.json).ok_or_else(|| malformed(&action, "the answer is not a list of fields"))
    }
}

/// `externalId`, as iVvy spells [`EXTERNAL_ID`].
const EXTERNAL_ID_PROPERTY: &str = "externalId";

fn actions(module: ModuleId) -> Result<ModuleActions, RemoteError> {
    match module {
        ModuleId::Contacts => Ok(action::CONTACTS),
        ModuleId::Companies => Ok(action::COMPANIES),
        _ => Err(answer::failure(&action::PING, Class::Unsupported, Sent::No, "the module is not supported")),
    }
}

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

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::VerifiedAfter,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: Listing::Offset,
            deletes: DeleteEvidence::SetDifference,
            stamp_key: true,
            page_size: listing::PER_PAGE,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: Duration::from_secs(60),
            settle: self.settle,
            max_in_flight: 2,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        if actions(module).is_err() {
            return Vec::new();
        }
        // Every field of the catalogue except the one that lives on the CRM.
        let catalogue = module.def().fields.into_iter().filter(|field| field.name != IVVY_KEY);
        let custom = self.custom_fields(module).iter().cloned();
        catalogue.chain(custom).map(|field| field.name.into_owned()).collect()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.client.probe())
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(self.custom_field_definitions(module))
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(self.list_page(module, request))
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(self.get_record(module, id))
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        match module {
            ModuleId::Contacts => Box::pin(self.contacts_by_key(key)),
            _ => Box::pin(std::future::ready(Ok(None))),
        }
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(self.create_record(module, key, fields))
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        _expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(self.update_record(module, id, patch))
    }
}
