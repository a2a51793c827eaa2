//! Every module beyond companies and contacts on the real server, as administrator and as plain user.

mod emails;
mod events;
mod groups;
mod hierarchy;
mod leads;
mod matching;
mod opportunities;

use tandem::model::module::IVVY_KEY;
use tandem::model::{Fields, ModuleId, Record, RecordId, Value};
use tandem::remote::Remote as _;
use tandem::remote::odoo::Odoo;

use super::{Server, found, sweep, text};

/// The fields of a record without the key that one-way modules carry.
fn without_key(record: &Record) -> Fields {
    let mut fields = record.fields.clone();
    fields.remove(IVVY_KEY);
    fields
}

/// Creates twice, and sees that it is one record with just these fields, under its key, in the listing.
async fn create_twice(odoo: &Odoo, module: ModuleId, key: &str, fields: &Fields) -> RecordId {
    let id = odoo.create(module, key, fields).await.unwrap().id;
    assert_eq!(odoo.create(module, key, fields).await.unwrap().id, id, "{module}: a second record");
    let record = found(odoo, module, &id).await;
    assert_eq!(without_key(&record), *fields, "{module}");
    assert!(!record.archived && record.author.is_some());
    assert_eq!(odoo.find_by_key(module, key).await.unwrap().unwrap(), std::slice::from_ref(&record), "{module}");
    assert_eq!(odoo.find_by_key(module, "no-such-key").await.unwrap(), Some(Vec::new()));
    let (listed, _) = sweep(odoo, module, record.modified).await;
    assert!(listed.contains(&record), "{module}: not in the listing");
    id
}

/// Writes each field of `patch` by itself and reads it back.
async fn update_each(odoo: &Odoo, module: ModuleId, id: &RecordId, patch: &Fields) {
    for (name, value) in patch {
        odoo.update(module, id, &Fields::from([(name.clone(), value.clone())]), None).await.unwrap();
        assert_eq!(found(odoo, module, id).await.fields[name], *value, "{module}: {name}");
    }
}

/// Archives the record in Odoo and sees it in the listing with its flag; `model` as Odoo names it.
async fn archive(server: &Server, odoo: &Odoo, module: ModuleId, model: &str, id: &RecordId) {
    let before = found(odoo, module, id).await.modified;
    server.write_to(model, id, serde_json::json!({"active": false})).await;
    let (listed, _) = sweep(odoo, module, before).await;
    assert!(listed.iter().any(|record| record.id == *id && record.archived), "{module}: archived and not listed");
}

fn with(mut fields: Fields, name: &str, value: Value) -> Fields {
    fields.insert(name.to_owned(), value);
    fields
}
