//! Companies: iVvy `contact/getCompanyList` ↔ CRM accounts, both ways (V-70 to V-73, `contracts/ivvy.md` 9).
//!
//! The tree numbers `leftValue`, `rightValue`, `depth` and `rootId` never enter: they move when
//! *other* companies change (`engine.md` 5.4). The parent company does, towards the CRM only: iVvy takes no
//! `parentCompanyId` in a write.

use super::{EXTERNAL_ID, Facts, FieldDef, FieldKind, Flow, Group, IVVY_KEY, ModuleId, Side};

pub(super) const FACTS: Facts =
    Facts { identity: &["name"], ..Facts::two_way("Companies", "company", Group::Venues, fields) };

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::new("name", "Business name", FieldKind::Text).required_on(Side::Ivvy),
        FieldDef::new("phone", "Phone", FieldKind::Phone),
        FieldDef::new("email", "E-mail", FieldKind::Email),
        FieldDef::new("website", "Website", FieldKind::Url),
        FieldDef::new("street", "Street", FieldKind::Text),
        FieldDef::new("city", "City", FieldKind::Text),
        FieldDef::new("postal_code", "Postal code", FieldKind::Text),
        FieldDef::new("country", "Country", FieldKind::Choice),
        FieldDef::to_crm("parent", "Parent company", FieldKind::Reference(ModuleId::Companies)),
        FieldDef::new(EXTERNAL_ID, "External id", FieldKind::ConstantId).flow(Flow::ToIvvy),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
