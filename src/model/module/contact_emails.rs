//! Contact e-mails: iVvy `account/getEmailLogList` → history of the CRM contact (V-30 to V-34,
//! `contracts/ivvy.md` 10).
//!
//! Append-only: an e-mail is written once, never compared, changed or removed. Failed ones stay in iVvy
//! unless configured otherwise.

use super::{Facts, FieldDef, FieldKind, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts = Facts {
    appends: true,
    titled_by: &["subject"],
    only: &[("success", &["yes"])],
    ..Facts::one_way("Contact Emails", "email", Group::Common, fields, "iVvy cannot receive e-mails from other systems")
};

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::to_crm("contact", "Contact", FieldKind::Reference(ModuleId::Contacts)).required_on(Side::Crm),
        FieldDef::to_crm("subject", "Subject", FieldKind::Text),
        FieldDef::to_crm("from", "From", FieldKind::Text),
        FieldDef::to_crm("to", "To", FieldKind::Text),
        FieldDef::to_crm("sent_at", "Sent", FieldKind::DateTime),
        FieldDef::to_crm("success", "Delivered", FieldKind::Bool),
        FieldDef::to_crm("body", "Body", FieldKind::Html),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
