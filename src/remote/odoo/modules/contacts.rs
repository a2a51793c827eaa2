//! Contacts: partners that are people.
//!
//! Left out are the tenant's own staff (partners behind internal users) and the delivery and invoice
//! addresses Odoo keeps as partners of their own.

use serde_json::json;

use super::super::Settings;
use super::super::place::{Mapped, Place};
use super::super::values::Shape;
use crate::model::ModuleId;
use crate::model::module::GROUPS;

pub(super) fn place(settings: &Settings) -> Place {
    let mut place = Place {
        domain: vec![
            json!(["is_company", "=", false]),
            json!(["type", "=", "contact"]),
            json!(["partner_share", "=", true]),
        ],
        person: Some("name"),
        mapped: vec![
            Mapped::new("email", "email", Shape::Text),
            Mapped::new("phone", "phone", Shape::Text),
            Mapped::new("company", "parent_id", Shape::Related),
        ],
        // Odoo's own list of addresses not to write to is no field of a partner.
        optional: vec![("email_opt_out", Shape::Boolean)],
        at_creation: vec![("is_company", "0")],
        ..Place::new(ModuleId::Contacts, "res.partner")
    };
    if !settings.groups.is_empty() {
        place.mapped.push(Mapped::new(GROUPS, "category_id", Shape::Tags));
    }
    place
}
