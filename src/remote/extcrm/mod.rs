//! Any CRM that offers two addresses: what S-360 is for us, Tandem is for it (issue 4). This adapter never calls
//! it with a record. It hands records over to the [`Outbox`]; whoever owns the outbox posts them ([`Poster`]).
//!
//! So "created" and "updated" mean: durably handed over, once, under our key. What is still on its way is the
//! stream's state, not the record's
//! ([decision 0019](../../../docs/decisions/0019-handed-over-is-done-and-nothing-overtakes.md)).
//! Nothing is ever read back: what this adapter lists and reads is its own memory of what was handed over, the
//! shelf. It can only change by a write of ours, so modules never find a change there and never write it to the
//! origin.
//!
//! **On the wire** (docs/PUSH.md): arrays of records, each with everything that is known of it. A member that is
//! left out, or null, is no value. Text is as it is; amounts are whole numbers of thousandths.
//!
//! ```json
//! [{"contactNumber": "company-5", "type": "STRUCTURE", "structure": {"name": "Pier", "website": "…"},
//!   "email": "…", "phone": "…", "addresses": [{"main": true, "street1": "…", "town": "…", "zipCode": "…",
//!   "countryCode": "GB"}], "parentNumber": "company-2", "custom": {"NAME": "…"}},
//!  {"contactNumber": "contact-7", "type": "INDIVIDUAL", "individualContact": {"firstName": "…", "lastName": "…"},
//!   "email": "…", "phone": "…", "structureNumber": "company-5", "groups": ["…"], "emailOptOut": true}]
//!
//! [{"orderId": "booking-9", "kind": "booking", "name": "…", "code": "…", "contactNumber": "contact-7",
//!   "structureNumber": "company-5", "state": "confirmed", "stage": "won", "amount": 1234500,
//!   "outstandingAmount": 0, "currency": "AUD", "startDateTime": "2027-03-01T08:00:00Z", "endDateTime": "…",
//!   "closeDate": "2027-03-01", "confidential": false}]
//! ```
//!
//! Refuses an amount that is no whole number of thousandths, modules of a stream without an address, and leads,
//! events, attendees and e-mails altogether: the contract has no form for them.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod form;
mod outbox;
mod post;
mod thousandths;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use self::form::{Form, Wishes, form};
pub use self::outbox::{ClosedOutbox, HandOver, Outbox, Taken};
pub use self::post::{Addresses, Auth, Poster};
use super::exchange::{self, check_key, failure};
use super::shelf::Shelf;
use super::{
    Capabilities, Class, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page,
    PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::module::IVVY_KEY;
use crate::model::{
    FieldDef, Fields, ModuleId, Record, RecordId, Shelved, Side, StreamId, StreamKind, Timestamp, Value,
};
use crate::seam::Clock;

const SYSTEM: &str = "push";
/// Rows of the shelf per page.
const PAGE_SIZE: u16 = 200;

/// What an [`ExtCrm`] is told besides its addresses.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Custom fields per module, and the member below `custom` each is written to.
    pub custom: BTreeMap<ModuleId, Vec<(FieldDef, String)>>,
    /// Catalogue fields that are written to a member of another name, at the outermost level.
    pub renamed: BTreeMap<(ModuleId, String), String>,
}

/// The stream that records of `module` are sent on, if there is one.
pub fn stream_of(module: ModuleId) -> Option<StreamKind> {
    form(module).map(|form| form.stream)
}

/// A CRM that takes arrays.
#[derive(Debug)]
pub struct ExtCrm {
    settings: Settings,
    wishes: BTreeMap<ModuleId, Wishes>,
    poster: Poster,
    shelf: Arc<dyn Shelf>,
    outbox: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
}

impl ExtCrm {
    /// An adapter that remembers on `shelf` and hands over to `outbox`. `poster` is only asked which streams have
    /// an address, and for connection tests.
    ///
    /// # Errors
    /// A field is given a member's name that it cannot have.
    pub fn new(
        settings: Settings,
        poster: Poster,
        shelf: Arc<dyn Shelf>,
        outbox: Arc<dyn Outbox>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mut wishes: BTreeMap<ModuleId, Wishes> = BTreeMap::new();
        for ((module, field), name) in &settings.renamed {
            check_member(*module, field, name)?;
            wishes.entry(*module).or_default().renamed.push((field.clone(), name.clone()));
        }
        for (module, fields) in &settings.custom {
            let custom = fields.iter().map(|(def, name)| (def.name.clone().into_owned(), name.clone()));
            wishes.entry(*module).or_default().custom.extend(custom);
        }
        Ok(Self { settings, wishes, poster, shelf, outbox, clock })
    }

    /// How records of `module` are written, if the stream they belong to has an address.
    fn form(&self, module: ModuleId) -> Option<&'static Form> {
        form(module).filter(|form| self.poster.serves(form.stream))
    }

    fn placed(&self, module: ModuleId, action: &str) -> Result<&'static Form, RemoteError> {
        self.form(module).ok_or_else(|| {
            let why = format!("a pushed CRM has no place for {}", module.title());
            failure(SYSTEM, action, Class::Unsupported, Sent::No, &why)
        })
    }

    fn remembered(&self, module: ModuleId, id: &RecordId, action: &str) -> Result<Option<Shelved>, RemoteError> {
        self.shelf.get(module, id).map_err(|why| failure(SYSTEM, action, Class::Server, Sent::No, &why))
    }

    async fn write(
        &self,
        module: ModuleId,
        id: &RecordId,
        fields: Fields,
        expected: Option<Timestamp>,
        action: &str,
    ) -> Result<WriteAck, RemoteError> {
        let form = self.placed(module, action)?;
        let none = Wishes::default();
        let body = form.write(id.as_str(), &fields, self.wishes.get(&module).unwrap_or(&none)).map_err(|refused| {
            let why = format!("{} {}", refused.field, refused.why.words());
            failure(SYSTEM, action, Class::Rejected, Sent::No, &why)
        })?;
        let remembered = serde_json::to_string(&fields)
            .map_err(|_| failure(SYSTEM, action, Class::Malformed, Sent::No, "the record is no JSON"))?;
        let row = Shelved {
            module,
            side: Side::Crm,
            id: id.clone(),
            key: None,
            at: Timestamp::EPOCH,
            gone: false,
            body: remembered,
        };
        let record = HandOver { stream: form.stream, row, body, expected };
        match self.outbox.hand_over(record).await {
            Ok(Taken::Over { created }) => Ok(WriteAck { id: id.clone(), created: Some(created) }),
            Ok(Taken::Moved) => {
                Err(failure(SYSTEM, action, Class::Conflict, Sent::No, "the record was handed over anew meanwhile"))
            }
            // Whether a commit that failed is on disk is not known here; a look at the shelf tells.
            Err(why) => Err(failure(SYSTEM, action, Class::Server, Sent::Maybe, &why)),
        }
    }

    async fn give(&self, module: ModuleId, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let action = format!("create {}", module.singular());
        check_key(SYSTEM, &action, key)?;
        let id = RecordId::from(key);
        // Under our key already: the same record, whose other fields stay.
        let known = self.remembered(module, &id, &action)?;
        let mut all = match &known {
            Some(row) => record(row, &action)?.fields,
            None => Fields::new(),
        };
        all.extend(fields.clone());
        all.insert(IVVY_KEY.to_owned(), Value::text(key));
        self.write(module, &id, all, known.map(|row| row.at), &action).await
    }

    async fn change(
        &self,
        module: ModuleId,
        id: &RecordId,
        patch: &Fields,
        expected: Option<&str>,
    ) -> Result<WriteAck, RemoteError> {
        let action = format!("update {}", module.singular());
        let Some(row) = self.remembered(module, id, &action)? else {
            return Err(failure(SYSTEM, &action, Class::Missing, Sent::No, "this record was never handed over"));
        };
        if expected.is_some_and(|expected| expected != version(&row)) {
            return Err(failure(SYSTEM, &action, Class::Conflict, Sent::No, "the record moved since it was read"));
        }
        let mut fields = record(&row, &action)?.fields;
        fields.extend(patch.clone());
        self.write(module, id, fields, Some(row.at), &action).await
    }

    fn page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        let action = format!("list {}", module.singular());
        self.placed(module, &action)?;
        let after =
            match &request.position {
                None => None,
                Some(position) => Some(position.parse().map(Timestamp::from_millis).map_err(|_| {
                    failure(SYSTEM, &action, Class::Malformed, Sent::No, "this is no place in the list")
                })?),
            };
        let limit = usize::from(PAGE_SIZE);
        let rows = self.shelf.page(module, request.from, after, limit);
        let rows = rows.map_err(|why| failure(SYSTEM, &action, Class::Server, Sent::No, &why))?;
        let last = rows.last().filter(|_| rows.len() == limit).map(|row| row.at);
        let within = |at: Timestamp| request.to.is_none_or(|to| at <= to);
        Ok(Page {
            next: last.filter(|last| within(*last)).map(|last| last.millis().to_string()),
            records: rows
                .iter()
                .filter(|row| within(row.at))
                .map(|row| record(row, &action))
                .collect::<Result<_, _>>()?,
            total: None,
            server_time: None,
        })
    }

    /// Whether the last post was answered 200, which proves the address and the credentials at once.
    fn takes(&self, stream: StreamKind) -> Result<bool, RemoteError> {
        let state = self.shelf.stream(&StreamId::new(stream, ""));
        let state = state.map_err(|why| failure(SYSTEM, "reach", Class::Server, Sent::No, &why))?;
        Ok(state.last_at.is_some() && state.last_error.is_none())
    }

    async fn ping(&self) -> Result<Probe, RemoteError> {
        let sent = self.clock.now();
        let mut probe = Probe { system: "addresses that take arrays".to_owned(), unread: true, ..Probe::default() };
        let mut doubts = Vec::new();
        for stream in [StreamKind::PushContacts, StreamKind::PushOrders] {
            if self.poster.serves(stream) {
                let asked = self.clock.now();
                let reached = self.poster.reach(stream).await?;
                let received = self.clock.now();
                probe.clock_skew_ms = reached.server_time.map(|server| exchange::clock_skew(server, asked, received));
                if !self.takes(stream)? {
                    doubts.push(format!("{stream} {}", reached.doubt()));
                }
            }
        }
        probe.doubt = Some(doubts.join("; ")).filter(|doubt| !doubt.is_empty());
        probe.round_trip_ms = u64::try_from(self.clock.now().since(sent).as_millis()).unwrap_or(u64::MAX);
        Ok(probe)
    }
}

/// A member's name for a field of its own: plain, and not another's.
fn check_member(module: ModuleId, field: &str, name: &str) -> Result<(), Error> {
    let plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || form(module).is_some_and(|form| form.takes(name)) {
        return Err(Error::config(format!("modules.{module}.crm_fields.{field}: `{name}` cannot be its member"))
            .hint("a name of letters, digits and _ that no other member of the record has (docs/PUSH.md)"));
    }
    Ok(())
}

fn version(row: &Shelved) -> String {
    row.at.millis().to_string()
}

fn record(row: &Shelved, action: &str) -> Result<Record, RemoteError> {
    let fields = serde_json::from_str(&row.body)
        .map_err(|_| failure(SYSTEM, action, Class::Malformed, Sent::No, "what is remembered is no record"))?;
    Ok(Record {
        id: row.id.clone(),
        fields,
        version: Some(version(row)),
        modified: Some(row.at),
        archived: row.gone,
        ..Record::default()
    })
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Remote for ExtCrm {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::Strong,
            idempotent_create: IdempotentCreate::NativeKey,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::Feed,
            stamp_key: true,
            page_size: PAGE_SIZE.into(),
            stamp_resolution: Duration::from_millis(1),
            min_overlap: Duration::from_secs(1),
            settle: Duration::ZERO,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        let Some(form) = self.form(module) else { return Vec::new() };
        let custom = self.settings.custom.get(&module).into_iter().flatten().map(|(def, _)| def.name.to_string());
        form.fields().chain([IVVY_KEY]).map(str::to_owned).chain(custom).collect()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.ping())
    }

    /// Those that are configured: nobody can be asked for others.
    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        let custom = self.settings.custom.get(&module).into_iter().flatten();
        ready(Ok(custom
            .map(|(def, name)| FieldDefinition {
                name: name.clone(),
                title: def.title.clone().into_owned(),
                kind: Some(def.kind),
                writable: true,
                options: Vec::new(),
            })
            .collect()))
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        ready(self.page(module, request))
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        let action = format!("read {}", module.singular());
        ready(self.remembered(module, id, &action).and_then(|row| match row {
            Some(row) => Ok(Read::Found(Box::new(record(&row, &action)?))),
            None => Ok(Read::Missing),
        }))
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        let action = format!("find {}", module.singular());
        let found = self.remembered(module, &RecordId::from(key), &action);
        ready(found.and_then(|row| row.iter().map(|row| record(row, &action)).collect::<Result<_, _>>()).map(Some))
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(self.give(module, key, fields))
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(self.change(module, id, patch, expected))
    }
}

#[cfg(test)]
mod tests;
