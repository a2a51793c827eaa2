//! Companies: iVvy `contact/getCompanyList` ↔ CRM accounts, both ways (V-70 to V-73, `contracts/ivvy.md` 9).
//!
//! The tree numbers `leftValue`, `rightValue`, `depth` and `rootId` never enter: they move when
//! *other* companies change (`engine.md` 5.4).

use super::{EXTERNAL_ID, FieldDef, FieldKind, Flow, IVVY_KEY, ModuleDef, ModuleId, Side};

pub(super) fn definition() -> ModuleDef {
    ModuleDef {
        id: ModuleId::Companies,
        group: "Venues".into(),
        flow: Flow::Both,
        identity: vec!["name".into()],
        fields: vec![
            FieldDef::new("name", "Business name", FieldKind::Text).required_on(Side::Ivvy),
            FieldDef::new("phone", "Phone", FieldKind::Phone),
            FieldDef::new("email", "E-mail", FieldKind::Email),
            FieldDef::new("website", "Website", FieldKind::Url),
            FieldDef::new("street", "Street", FieldKind::Text),
            FieldDef::new("city", "City", FieldKind::Text),
            FieldDef::new("postal_code", "Postal code", FieldKind::Text),
            FieldDef::new("country", "Country", FieldKind::Choice),
            FieldDef::new(EXTERNAL_ID, "External id", FieldKind::ConstantId).flow(Flow::ToIvvy),
            FieldDef::new(IVVY_KEY, "iVvy key", FieldKind::ConstantId).flow(Flow::ToCrm),
        ],
        mapping_version: 1,
    }
}
