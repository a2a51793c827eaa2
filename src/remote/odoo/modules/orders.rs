//! Orders: `crm.lead` of type `opportunity`. Contact and company share Odoo's one customer (`customer`); the amount
//! is in the currency of Odoo's company, whatever the order's was: nothing is converted
//! (`docs/decisions/0017`).
//!
//! Only a field of the tenant's own holds: the kind, the order's own status, the currency, when it was made, its
//! lines, and what an opportunity asks to be booked (S-07).

use serde_json::json;

use super::super::place::{Mapped, Place};
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place() -> Place {
    Place {
        domain: vec![json!(["type", "=", "opportunity"])],
        mapped: vec![
            Mapped::new("name", "name", Shape::Text),
            Mapped::new("contact", "partner_id", Shape::CustomerContact),
            Mapped::new("company", "partner_id", Shape::CustomerCompany),
            Mapped::new("stage", "stage_id", Shape::Stage),
            Mapped::new("amount", "expected_revenue", Shape::Cents),
            Mapped::new("close_date", "date_deadline", Shape::Text),
        ],
        optional: vec![
            ("kind", Shape::Text),
            ("status", Shape::Text),
            ("currency", Shape::Text),
            ("created_at", Shape::Instant),
            ("lines", Shape::Text),
            ("booking", Shape::Text),
            ("product", Shape::Text),
            ("performance", Shape::Text),
            ("quantity", Shape::Integer),
            ("unit_price", Shape::Cents),
        ],
        at_creation: vec![("type", "opportunity"), ("user_id/.id", "")],
        ..Place::new(ModuleId::Orders, "crm.lead")
    }
}
