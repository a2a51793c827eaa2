//! Where each module lives in Odoo: one small file per module, and nothing else knows a model by name.
//!
//! A place says which model, which of its rows, which fields in which shape, and what must be said at
//! creation so that Odoo does not make something up. How values travel is `values`' business.

mod attendees;
mod companies;
mod contact_emails;
mod contacts;
mod events;
mod leads;
mod orders;
mod quotes_and_bookings;
mod registrations;

use super::Settings;
use super::place::{Mapped, Place};
use super::values::Shape;
use crate::model::{FieldKind, ModuleId};

/// The place of `module`, custom fields included; `None` if these settings leave it without one.
pub(super) fn place(module: ModuleId, settings: &Settings) -> Option<Place> {
    let mut place = match module {
        ModuleId::Companies => companies::place(),
        ModuleId::Contacts => contacts::place(settings),
        ModuleId::Leads => leads::place(),
        ModuleId::Events => events::place(settings.events),
        ModuleId::Attendees => attendees::place(settings)?,
        ModuleId::Registrations => registrations::place(settings.events),
        ModuleId::QuotesAndBookings => quotes_and_bookings::place(),
        ModuleId::ContactEmails => contact_emails::place(),
        ModuleId::Orders => orders::place(),
    };
    for (name, shape) in &place.optional {
        if let Some(odoo) = settings.extra_fields.get(&(module, (*name).to_owned())) {
            place.mapped.push(Mapped::new(name, odoo, *shape));
        }
    }
    place.mapped.retain(|mapped| !settings.left_out.contains(&(module, mapped.name.clone())));
    let custom = settings.custom.get(&module).map(Vec::as_slice).unwrap_or_default();
    place.mapped.extend(custom.iter().map(|(def, odoo)| {
        let shape = match def.kind {
            FieldKind::Int => Shape::Integer,
            FieldKind::Bool => Shape::Boolean,
            _ => Shape::Text,
        };
        Mapped::new(&def.name, odoo, shape)
    }));
    Some(place)
}
