//! Registrations: iVvy `event/getRegistrationList` of every event → CRM opportunities (V-40 to V-47,
//! `contracts/ivvy.md` 11).
//!
//! Unless configured otherwise only completed ones make an opportunity; one that was made follows its
//! registration through every later status.

use super::{Facts, FieldDef, FieldKind, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts = Facts {
    titled_by: &["name"],
    only: &[("status", &["completed"])],
    ..Facts::one_way(
        "Registrations",
        "registration",
        Group::Events,
        fields,
        "registrations are made in iVvy and only shown as opportunities in the CRM",
    )
};

fn fields() -> Vec<FieldDef> {
    vec![
        // Event and main contact, as one line.
        FieldDef::to_crm("name", "Name", FieldKind::Text).required_on(Side::Crm),
        FieldDef::to_crm("contact", "Contact", FieldKind::Reference(ModuleId::Contacts)),
        FieldDef::to_crm("event", "Event", FieldKind::Reference(ModuleId::Events)),
        // in_progress, completed, cancelled, payment_waiting, deleted, checkout, incomplete; `status 9`.
        FieldDef::to_crm("status", "Status", FieldKind::Choice),
        // open, quote, tentative, won, lost: what the CRM's stages stand for (V-41); `status 9` again for a
        // status without one.
        FieldDef::to_crm("stage", "Stage", FieldKind::Choice).required_on(Side::Crm),
        FieldDef::to_crm("exhibitor", "Exhibitor", FieldKind::Bool),
        FieldDef::to_crm("amount", "Amount", FieldKind::Money),
        FieldDef::to_crm("paid", "Paid", FieldKind::Money),
        // Paid is the amount or more; nothing while either is unknown (V-47).
        FieldDef::to_crm("paid_in_full", "Paid in full", FieldKind::Bool),
        // What the configuration says: iVvy's registrations tell none (V-41).
        FieldDef::to_crm("currency", "Currency", FieldKind::Choice),
        FieldDef::to_crm("close_date", "Close date", FieldKind::Date).required_on(Side::Crm),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
