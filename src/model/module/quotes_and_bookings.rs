//! Quotes and bookings: iVvy `venue/getBookingListForAccount` → CRM opportunities (V-80 to V-84,
//! `contracts/ivvy.md` 12).
//!
//! A quote that becomes a booking is the same record in another stage. Confidential bookings carry no
//! names unless configured otherwise.

use super::{Facts, FieldDef, FieldKind, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts = Facts {
    titled_by: &["name"],
    only: &[("confidential", &["no"])],
    ..Facts::one_way(
        "Quotes & Bookings",
        "booking",
        Group::Venues,
        fields,
        "quotes and bookings are made in iVvy: an opportunity holds too little to make one",
    )
};

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::to_crm("name", "Name", FieldKind::Text).required_on(Side::Crm),
        FieldDef::to_crm("code", "Code", FieldKind::Text),
        FieldDef::to_crm("contact", "Contact", FieldKind::Reference(ModuleId::Contacts)),
        FieldDef::to_crm("company", "Company", FieldKind::Reference(ModuleId::Companies)),
        // prospective, tentative, confirmed, cancelled, ordering, not_accepted, prospective_hold; `status 42`.
        FieldDef::to_crm("status", "Status", FieldKind::Choice),
        // open, quote, tentative, won, lost; `status 42` for a status without a stage (V-83).
        FieldDef::to_crm("stage", "Stage", FieldKind::Choice).required_on(Side::Crm),
        FieldDef::to_crm("amount", "Amount", FieldKind::Money),
        FieldDef::to_crm("outstanding", "Outstanding", FieldKind::Money),
        FieldDef::to_crm("currency", "Currency", FieldKind::Choice),
        FieldDef::to_crm("starts_at", "Starts", FieldKind::DateTime),
        FieldDef::to_crm("ends_at", "Ends", FieldKind::DateTime),
        FieldDef::to_crm("close_date", "Close date", FieldKind::Date).required_on(Side::Crm),
        FieldDef::to_crm("confidential", "Confidential", FieldKind::Bool),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
