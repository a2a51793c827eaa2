//! Contacts: iVvy `contact/getContactList` ↔ CRM contacts, both ways (V-10 to V-21, `contracts/ivvy.md` 9).

use super::{EMAIL_OPT_OUT, EXTERNAL_ID, Facts, FieldDef, FieldKind, Flow, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts = Facts {
    on_by_default: true,
    identity: &["first_name", "last_name", "email"],
    titled_by: &["first_name", "last_name"],
    ..Facts::two_way("Contacts", "contact", Group::Common, fields)
};

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::new("first_name", "First name", FieldKind::Text).required_on(Side::Ivvy),
        FieldDef::new("last_name", "Last name", FieldKind::Text).required_on(Side::Ivvy),
        FieldDef::new("email", "E-mail", FieldKind::Email).required_on(Side::Ivvy),
        FieldDef::new("phone", "Phone", FieldKind::Phone),
        FieldDef::new("company", "Company", FieldKind::Reference(ModuleId::Companies)),
        FieldDef::new(EXTERNAL_ID, "External id", FieldKind::ConstantId).flow(Flow::ToIvvy),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}

/// Yes, or nothing: iVvy never takes back what a person has said in the CRM, so only the wish not to be
/// written to travels (V-21).
pub(super) fn email_opt_out() -> FieldDef {
    FieldDef::to_crm(EMAIL_OPT_OUT, "E-mail opt-out", FieldKind::Bool).enforced()
}
