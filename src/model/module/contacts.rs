//! Contacts: iVvy `contact/getContactList` ↔ CRM contacts, both ways (V-10 to V-21, `contracts/ivvy.md` 9).

use super::{EXTERNAL_ID, FieldDef, FieldKind, Flow, IVVY_KEY, ModuleDef, ModuleId, Side};

pub(super) fn definition() -> ModuleDef {
    ModuleDef {
        id: ModuleId::Contacts,
        group: "Common".into(),
        flow: Flow::Both,
        identity: vec!["first_name".into(), "last_name".into(), "email".into()],
        fields: vec![
            FieldDef::new("first_name", "First name", FieldKind::Text).required_on(Side::Ivvy),
            FieldDef::new("last_name", "Last name", FieldKind::Text).required_on(Side::Ivvy),
            FieldDef::new("email", "E-mail", FieldKind::Email).required_on(Side::Ivvy),
            FieldDef::new("phone", "Phone", FieldKind::Phone),
            FieldDef::new("company", "Company", FieldKind::Reference(ModuleId::Companies)),
            FieldDef::new(EXTERNAL_ID, "External id", FieldKind::ConstantId).flow(Flow::ToIvvy),
            FieldDef::new(IVVY_KEY, "iVvy key", FieldKind::ConstantId).flow(Flow::ToCrm),
        ],
        mapping_version: 1,
    }
}
