//! What one module is in iVvy: one implementation of [`Module`] per file of this folder, found by [`of`].
//!
//! A module says how its records are listed and read. What else it can do (be written, be looked up by a
//! key, have custom fields) it says by overriding the refusals that stand here.

use futures::future::BoxFuture;

use super::action::Action;
use super::{Answered, Ivvy, answer, attendees, bookings, companies, contacts, emails, events, leads, registrations};
use crate::model::{Fields, ModuleId, Record, RecordId};
use crate::remote::{Class, FieldDefinition, Page, PageRequest, Read, Sent, WriteAck};

/// One module of the catalogue, as iVvy has it.
pub(super) trait Module: Sync {
    /// Which one.
    fn id(&self) -> ModuleId;

    /// See [`Remote::list`](crate::remote::Remote::list).
    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page>;

    /// See [`Remote::get`](crate::remote::Remote::get).
    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read>;

    /// Whether iVvy has such records at all.
    fn has_place(&self) -> bool {
        true
    }

    /// Whether the counterpart's id can be kept in `externalId`.
    fn stamps_key(&self) -> bool {
        false
    }

    /// See [`Remote::definitions`](crate::remote::Remote::definitions).
    fn definitions<'a>(&'a self, _ivvy: &'a Ivvy) -> Answered<'a, Vec<FieldDefinition>> {
        ready(Ok(Vec::new()))
    }

    /// See [`Remote::find_by_key`](crate::remote::Remote::find_by_key).
    fn find_by_key<'a>(&'a self, _ivvy: &'a Ivvy, _key: &'a str) -> Answered<'a, Option<Vec<Record>>> {
        ready(Ok(None))
    }

    /// See [`Remote::create`](crate::remote::Remote::create).
    fn create<'a>(&'a self, _ivvy: &'a Ivvy, _key: &'a str, _fields: &'a Fields) -> Answered<'a, WriteAck> {
        one_way(self.id(), &Action::write("", "create"))
    }

    /// See [`Remote::update`](crate::remote::Remote::update).
    fn update<'a>(&'a self, _ivvy: &'a Ivvy, _id: &'a RecordId, _patch: &'a Fields) -> Answered<'a, WriteAck> {
        one_way(self.id(), &Action::write("", "update"))
    }
}

/// The module of that id: the one place that knows all of them.
pub(super) fn of(module: ModuleId) -> &'static dyn Module {
    match module {
        ModuleId::Companies => &companies::Companies,
        ModuleId::Contacts => &contacts::Contacts,
        ModuleId::Leads => &leads::Leads,
        ModuleId::Events => &events::Events,
        ModuleId::Attendees => &attendees::Attendees,
        ModuleId::Registrations => &registrations::Registrations,
        ModuleId::QuotesAndBookings => &bookings::Bookings,
        ModuleId::ContactEmails => &emails::Emails,
        ModuleId::Orders => &NoPlace(ModuleId::Orders),
    }
}

/// A module that iVvy has no records of.
struct NoPlace(ModuleId);

impl Module for NoPlace {
    fn id(&self) -> ModuleId {
        self.0
    }

    fn has_place(&self) -> bool {
        false
    }

    fn list<'a>(&'a self, _ivvy: &'a Ivvy, _request: &'a PageRequest) -> Answered<'a, Page> {
        ready(Err(answer::failure(&Action::read("", "list"), Class::Unsupported, Sent::No, NO_PLACE)))
    }

    fn get<'a>(&'a self, _ivvy: &'a Ivvy, _id: &'a RecordId) -> Answered<'a, Read> {
        ready(Err(answer::failure(&Action::read("", "get"), Class::Unsupported, Sent::No, NO_PLACE)))
    }
}

const NO_PLACE: &str = "iVvy has no records of this kind";

/// An answer that needs no call.
fn ready<'a, T: Send + 'a>(
    answer: Result<T, crate::remote::RemoteError>,
) -> BoxFuture<'a, Result<T, crate::remote::RemoteError>> {
    Box::pin(std::future::ready(answer))
}

/// The refusal of every write to a module that only ever goes to the CRM.
fn one_way<'a>(module: ModuleId, action: &Action) -> Answered<'a, WriteAck> {
    let why = module.one_way().unwrap_or("iVvy takes no writes of this module");
    ready(Err(answer::failure(action, Class::Unsupported, Sent::No, why)))
}
