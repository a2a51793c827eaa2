//! Leads: `crm.lead` of type `lead`, and what a salesperson made an opportunity of: the same row, of another
//! type and with the day of its conversion, which an opportunity that never was a lead does not have. Its
//! partner is the contact it became.
//!
//! Measured: a lead created without saying who owns it is given to the integration user, hence the empty
//! `user_id`. The person's name is one field, `contact_name`, with the same rules as a contact's.

use serde_json::json;

use super::super::place::{Mapped, Place};
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place() -> Place {
    Place {
        domain: vec![json!("|"), json!(["type", "=", "lead"]), json!(["date_conversion", "!=", false])],
        person: Some("contact_name"),
        mapped: vec![
            Mapped::new("name", "name", Shape::Text),
            Mapped::new("email", "email_from", Shape::Text),
            Mapped::new("phone", "phone", Shape::Text),
            Mapped::new("company_name", "partner_name", Shape::Text),
            Mapped::new("description", "description", Shape::Description),
            Mapped::new("owner", "user_id", Shape::Related),
            Mapped::new("source", "source_id", Shape::Related),
        ],
        at_creation: vec![("type", "lead"), ("user_id/.id", "")],
        ..Place::new(ModuleId::Leads, "crm.lead")
    }
}
