//! Orders: what S-360 sells, refunds, holds and reserves → CRM opportunities (S-05, S-06,
//! `contracts/connector_s360.md` 2.2, 2.3).
//!
//! An order comes once it is finalized, closed or abandoned, and may come again. It is made in S-360 and only
//! shown in the CRM, unless bookings are set up: then an opportunity that says what is to be booked becomes an
//! order, each after a person has approved it (S-07, S-27, `docs/decisions/0022`). Refuses to make an order of an
//! opportunity that does not ask for one.

use super::{BOOKING, Facts, FieldDef, FieldKind, Flow, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts = Facts {
    titled_by: &["name"],
    ..Facts::one_way(
        "Orders",
        "order",
        Group::Ticketing,
        fields,
        "orders are made in the ticketing system, unless bookings are set up",
    )
};

fn fields() -> Vec<FieldDef> {
    vec![
        // What it is and its number: "Sale 9007199254740993".
        FieldDef::to_crm("name", "Name", FieldKind::Text).required_on(Side::Crm),
        FieldDef::to_crm("contact", "Contact", FieldKind::Reference(ModuleId::Contacts)),
        FieldDef::to_crm("company", "Company", FieldKind::Reference(ModuleId::Companies)),
        // sale, refund, option, reservation, exchange, renewal; what S-360 calls it, in small letters, for any
        // other (S-06).
        FieldDef::to_crm("kind", "Kind", FieldKind::Choice),
        // closed, abandoned; as above for any other state.
        FieldDef::to_crm("status", "Status", FieldKind::Choice),
        // open, quote, tentative, won, lost.
        FieldDef::to_crm("stage", "Stage", FieldKind::Choice).required_on(Side::Crm),
        // What a refund gives back is negative.
        FieldDef::to_crm("amount", "Amount", FieldKind::Money),
        FieldDef::to_crm("currency", "Currency", FieldKind::Choice),
        FieldDef::to_crm("created_at", "Created", FieldKind::DateTime),
        FieldDef::to_crm("close_date", "Close date", FieldKind::Date).required_on(Side::Crm),
        // What was ordered, a line each.
        FieldDef::to_crm("lines", "Lines", FieldKind::LongText),
        FieldDef::to_crm(IVVY_KEY, "Key", FieldKind::ConstantId),
    ]
}

/// What an opportunity says of the order it asks for. S-360 tells the same of an order that was asked for.
pub(super) fn bookings() -> Vec<FieldDef> {
    let asked = |name, title, kind| FieldDef::new(name, title, kind).flow(Flow::ToIvvy);
    vec![
        // open, reservation, option, sale.
        asked(BOOKING, "Booking", FieldKind::Choice),
        // S-360's number of the product: 64 bits, so text.
        asked("product", "Product", FieldKind::Text).required_on(Side::Ivvy),
        // S-360's number of the performance, for products that have some.
        asked("performance", "Performance", FieldKind::Text),
        asked("quantity", "Quantity", FieldKind::Int).required_on(Side::Ivvy),
        asked("unit_price", "Unit price", FieldKind::Money).required_on(Side::Ivvy),
    ]
}
