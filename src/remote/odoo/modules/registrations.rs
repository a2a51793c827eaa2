//! Registrations: `crm.lead` of type `opportunity`. Their event is the one `event_crm` links, a module Odoo
//! installs by itself wherever both apps are; with bare campaigns it is the opportunity's campaign.
//!
//! The amount is in the currency of Odoo's company, whatever iVvy's was: nothing is converted
//! (`docs/decisions/0017`).
//!
//! Only a field of the tenant's own holds: iVvy's own status, the exhibitor flag, what has been paid, whether
//! that is all, and the currency.

use serde_json::json;

use super::super::place::{Mapped, Place};
use super::super::settings::EventsIn;
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place(events: EventsIn) -> Place {
    let event = match events {
        EventsIn::EventsApp => "event_id",
        EventsIn::Campaigns => "campaign_id",
    };
    Place {
        domain: vec![json!(["type", "=", "opportunity"])],
        mapped: vec![
            Mapped::new("name", "name", Shape::Text),
            Mapped::new("contact", "partner_id", Shape::Related),
            Mapped::new("event", event, Shape::Related),
            Mapped::new("stage", "stage_id", Shape::Stage),
            Mapped::new("amount", "expected_revenue", Shape::Money),
            Mapped::new("close_date", "date_deadline", Shape::Text),
        ],
        optional: vec![
            ("status", Shape::Text),
            ("exhibitor", Shape::Boolean),
            ("paid", Shape::Money),
            ("paid_in_full", Shape::Boolean),
            ("currency", Shape::Text),
        ],
        at_creation: vec![("type", "opportunity"), ("user_id/.id", "")],
        ..Place::new(ModuleId::Registrations, "crm.lead")
    }
}
