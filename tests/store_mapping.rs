//! Versions of field maps in the store: appended, kept, never rewritten (V-19).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod store_support;

use store_support::{at, note, options};
use tandem::model::{Actor, AuditEvent, CustomField, CustomKind, FieldMap, Flow, MappedField, ModuleId, Transform};
use tandem::store::{Reads as _, Store, StoreError, doctor};

const CONTACTS: ModuleId = ModuleId::Contacts;

fn map(version: u32, ivvy: u64) -> FieldMap {
    let field = CustomField {
        name: format!("f{ivvy}"),
        title: None,
        kind: CustomKind::Choice,
        ivvy,
        crm: format!("F{ivvy}__c"),
        flow: Flow::ToCrm,
        transform: Transform::Values([("g".to_owned(), "Guest".to_owned())].into()),
        default: Some("g".into()),
    };
    FieldMap {
        version,
        fields: vec![MappedField { field, since: version }],
        what: format!("version {version}"),
        reason: None,
        by: Actor::engine(),
        at: at(u64::from(version)),
    }
}

fn append(store: &Store, module: ModuleId, map: FieldMap) -> Result<(), StoreError> {
    store.write_blocking(move |tx| tx.append_field_map(module, &map, note()).map(drop))
}

#[test]
fn versions_survive_reopening_and_are_never_rewritten_or_left_out_v19() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    let store = Store::open(&path, options()).unwrap();
    assert_eq!(store.read(|view| view.newest_field_map(CONTACTS)).unwrap(), None);
    for version in 1..=300 {
        append(&store, CONTACTS, map(version, u64::from(version))).unwrap();
    }
    append(&store, ModuleId::Companies, map(1, 7)).unwrap();
    for wrong in [0, 1, 300, 302, u32::MAX] {
        let refused = append(&store, CONTACTS, map(wrong, 9));
        assert!(matches!(refused, Err(StoreError::Invariant(_))), "{wrong}: {refused:?}");
    }
    drop(store);

    let store = Store::open(&path, options()).unwrap();
    assert_eq!(store.read(|view| view.newest_field_map(CONTACTS)).unwrap(), Some(map(300, 300)));
    assert_eq!(store.read(|view| view.field_map(CONTACTS, 12)).unwrap(), Some(map(12, 12)));
    let all = |before, limit| store.read(|view| view.field_maps(CONTACTS, before, limit)).unwrap();
    assert!(all(None, 999).iter().map(|map| map.version).eq((1..=300).rev()), "newest first, none missing");
    assert!(all(Some(257), 3).iter().map(|map| map.version).eq([256, 255, 254]), "page by page");
    assert!(all(Some(1), 3).is_empty() && all(Some(0), 3).is_empty());
    assert_eq!(store.read(|view| view.field_maps(ModuleId::Companies, None, 9)).unwrap().len(), 1);
    assert!(store.read(doctor::check).unwrap().is_empty());
    let query = tandem::model::query::AuditQuery { item: None, before: None, limit: 1 };
    let row = store.read(|view| view.audit(&query)).unwrap().remove(0);
    assert_eq!((row.module, &row.what), (Some(ModuleId::Companies), &AuditEvent::Operated { what: "test".to_owned() }));
}
