//! Attendees: the union of an event's invited and registered people → campaign members (V-60 to V-67,
//! `contracts/ivvy.md` 11).
//!
//! One record per (event, contact), whose id is `<event>-<contact>`: two tickets of one person are one
//! member with the better status, and somebody who registered without an invitation is a member too.
//! A person without an iVvy contact is `<event>-<hash of first name, last name and e-mail>`.

use super::{Facts, FieldDef, FieldKind, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts = Facts {
    follows: Some(ModuleId::Events),
    titled_by: &["name"],
    ..Facts::one_way(
        "Attendees",
        "attendee",
        Group::Events,
        fields,
        "invitations and attendance are kept in iVvy and only shown in the CRM",
    )
};

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::to_crm("event", "Event", FieldKind::Reference(ModuleId::Events)).required_on(Side::Crm),
        FieldDef::to_crm("contact", "Contact", FieldKind::Reference(ModuleId::Contacts)).required_on(Side::Crm),
        FieldDef::to_crm("name", "Name", FieldKind::Text),
        FieldDef::to_crm("email", "E-mail", FieldKind::Email),
        // invited, accepted, declined, registered, attended, session_attended, no_show (V-65, V-66);
        // `response X` for an answer we do not know.
        FieldDef::to_crm("status", "Status", FieldKind::Choice).required_on(Side::Crm),
        FieldDef::to_crm("invited", "Invited", FieldKind::Bool),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
