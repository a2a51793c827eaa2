//! One file per module: which object it is in Salesforce, which fields, and what is particular about them.

mod attendees;
mod companies;
mod contact_emails;
mod contacts;
mod events;
mod leads;
mod orders;
mod quotes_and_bookings;
mod registrations;

use serde_json::Value as Json;

use super::Settings;
use super::shape::Shape;
use crate::model::ModuleId;

/// What one module is in Salesforce.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its object.
    pub(super) object: &'static str,
    /// Whether records can be merged, which `MasterRecordId` shows.
    pub(super) mergeable: bool,
    /// Catalogue fields with a place of their own, the key aside. A name may come twice: it is written to
    /// both, and read from the one that can be read.
    pub(super) fields: Vec<Mapped>,
    /// Catalogue fields held only where the settings name a custom field for them.
    pub(super) optional: Vec<(&'static str, Shape)>,
    /// Day fields written along with an optional instant, for people to see: catalogue field, API name.
    pub(super) days: Vec<(&'static str, &'static str)>,
    /// What new records get where the catalogue has nothing to say.
    pub(super) initial: Vec<(&'static str, Json)>,
    /// Fields read with every record that say what became of it.
    pub(super) also_read: &'static [&'static str],
    /// Catalogue fields of which no two records share the values.
    pub(super) unique: &'static [&'static str],
}

impl Place {
    /// An object that holds these fields, and nothing particular about it.
    fn new(object: &'static str, fields: Vec<Mapped>) -> Self {
        Self {
            object,
            mergeable: false,
            fields,
            optional: Vec::new(),
            days: Vec::new(),
            initial: Vec::new(),
            also_read: &[],
            unique: &[],
        }
    }
}

/// A catalogue field and where it is kept.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    /// Catalogue name.
    pub(super) name: String,
    /// API name.
    pub(super) field: String,
    /// How values look there.
    pub(super) shape: Shape,
    /// Given with a new record or never.
    pub(super) once: bool,
}

impl Mapped {
    /// A field that can be written at any time.
    pub(super) fn new(name: &str, field: &str, shape: Shape) -> Self {
        Self { name: name.to_owned(), field: field.to_owned(), shape, once: false }
    }

    /// Text.
    pub(super) fn text(name: &str, field: &str) -> Self {
        Self::new(name, field, Shape::Text)
    }

    fn once(self) -> Self {
        Self { once: true, ..self }
    }
}

/// Where `module` is kept.
pub(super) fn place(module: ModuleId, settings: &Settings) -> Place {
    match module {
        ModuleId::Companies => companies::place(settings),
        ModuleId::Contacts => contacts::place(settings),
        ModuleId::Leads => leads::place(),
        ModuleId::Events => events::place(settings),
        ModuleId::Attendees => attendees::place(settings),
        ModuleId::Registrations => registrations::place(settings),
        ModuleId::QuotesAndBookings => quotes_and_bookings::place(settings),
        ModuleId::ContactEmails => contact_emails::place(),
        ModuleId::Orders => orders::place(settings),
    }
}
