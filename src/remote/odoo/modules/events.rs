//! Events: `event.event` of the Events app, or bare campaigns (`utm.campaign`) for tenants without it.
//!
//! Measured: an event created without saying otherwise gets three mail schedulers, the first of which
//! writes to everybody who registers, and Odoo wants both dates. A campaign holds a title and nothing
//! else; its unique `name` is derived from it (`Gala [2]`), so only the title is mapped. Odoo
//! overlooks archived campaigns when it derives one and then refuses it as taken: a create must be told to look at
//! those too, and a new title, for which that does not help, brings a name of its own.

use super::super::place::{Mapped, Place};
use super::super::settings::EventsIn;
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place(events: EventsIn) -> Place {
    match events {
        EventsIn::EventsApp => Place {
            mapped: vec![
                Mapped::new("name", "name", Shape::Text),
                Mapped::new("starts_at", "date_begin", Shape::Instant),
                Mapped::new("ends_at", "date_end", Shape::Instant),
                Mapped::new("website", "event_url", Shape::Text),
            ],
            optional: vec![("code", Shape::Text), ("status", Shape::Text)],
            at_creation: vec![("event_mail_ids", ""), ("user_id/.id", "")],
            ..Place::new(ModuleId::Events, "event.event")
        },
        EventsIn::Campaigns => Place {
            mapped: vec![Mapped::new("name", "title", Shape::Title)],
            optional: vec![
                ("code", Shape::Text),
                ("status", Shape::Text),
                ("starts_at", Shape::Instant),
                ("ends_at", Shape::Instant),
                ("website", Shape::Text),
            ],
            context: vec![("active_test", false)],
            ..Place::new(ModuleId::Events, "utm.campaign")
        },
    }
}
