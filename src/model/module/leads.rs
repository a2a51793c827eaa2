//! Leads: iVvy `crm/getLeadList` ↔ CRM leads, both ways (`contracts/ivvy.md` 9, 13).
//!
//! The person behind a lead is an iVvy contact of its own: who it is can be said when the lead is made in
//! iVvy, and is changed there through the contact, never through the lead. iVvy's compulsory type, stage
//! and source have configured defaults; owner and source go through the match tables and are left out
//! when unmatched.

use super::{Facts, FieldDef, FieldKind, Group, IVVY_KEY, MatchKind, Side};

pub(super) const FACTS: Facts = Facts {
    identity: &["first_name", "last_name", "email"],
    titled_by: &["name"],
    ..Facts::two_way("Leads", "lead", Group::Common, fields)
};

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::new("name", "Name", FieldKind::Text).required_on(Side::Ivvy),
        FieldDef::to_crm("first_name", "First name", FieldKind::Text).at_creation().required_on(Side::Ivvy),
        FieldDef::to_crm("last_name", "Last name", FieldKind::Text).at_creation().required_on(Side::Ivvy),
        FieldDef::to_crm("email", "E-mail", FieldKind::Email).at_creation().required_on(Side::Ivvy),
        FieldDef::to_crm("phone", "Phone", FieldKind::Phone).at_creation(),
        FieldDef::to_crm("company_name", "Company", FieldKind::Text).at_creation(),
        FieldDef::new("description", "Description", FieldKind::LongText),
        FieldDef::new("owner", "Owner", FieldKind::Match(MatchKind::Staff)),
        FieldDef::new("source", "Lead source", FieldKind::Match(MatchKind::LeadSource)),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
