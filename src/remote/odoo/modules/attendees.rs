//! Attendees: `event.registration` of the Events app. Campaigns have no members, so without the app the
//! module has no place.
//!
//! Odoo knows four states, iVvy seven words: a char field of the tenant's holds the word itself, and the
//! state follows it (`values::Shape::Status`). Somebody who registered in iVvy sets off none of the tenant's
//! rules that make leads of people who register.

use super::super::place::{Mapped, Place};
use super::super::settings::{EventsIn, Settings};
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place(settings: &Settings) -> Option<Place> {
    match settings.events {
        EventsIn::Campaigns => None,
        EventsIn::EventsApp => Some(Place {
            mapped: vec![
                Mapped::new("event", "event_id", Shape::Related),
                Mapped::new("contact", "partner_id", Shape::Related),
                Mapped::new("name", "name", Shape::Text),
                Mapped::new("email", "email", Shape::Text),
                Mapped::new("status", &settings.attendee_status, Shape::Status),
            ],
            optional: vec![("invited", Shape::Boolean)],
            context: vec![("event_lead_rule_skip", true)],
            ..Place::new(ModuleId::Attendees, "event.registration")
        }),
    }
}
