//! Companies: partners that are companies.
//!
//! Odoo lets a partner below another share that one's address, in both directions, unless its `type` says
//! that the address is its own; and it gives a parent without an address that of the first partner created
//! below it. So a parent is written to a record that stands, together with the type.

use serde_json::json;

use super::super::place::{Mapped, Place};
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place() -> Place {
    Place {
        domain: vec![json!(["is_company", "=", true])],
        mapped: vec![
            Mapped::new("email", "email", Shape::Text),
            Mapped::new("phone", "phone", Shape::Text),
            Mapped::new("name", "name", Shape::Text),
            Mapped::new("website", "website", Shape::Text),
            Mapped::new("street", "street", Shape::Text),
            Mapped::new("city", "city", Shape::Text),
            Mapped::new("postal_code", "zip", Shape::Text),
            Mapped::new("country", "country_id", Shape::Country),
            Mapped::new("parent", "parent_id", Shape::Parent),
        ],
        at_creation: vec![("is_company", "1")],
        ..Place::new(ModuleId::Companies, "res.partner")
    }
}
