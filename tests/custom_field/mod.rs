//! A custom field as the catalogue has it, for the tests of adapters.

use tandem::model::{FieldDef, FieldKind, Flow};

/// Both ways, and nothing particular about it.
pub fn custom(name: &'static str, kind: FieldKind) -> FieldDef {
    FieldDef {
        name: name.into(),
        title: name.into(),
        kind,
        flow: Flow::Both,
        required_on: None,
        at_creation: false,
        enforced: false,
        membership: None,
        transform: Default::default(),
        default: None,
    }
}
