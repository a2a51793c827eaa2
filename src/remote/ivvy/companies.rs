//! Companies: iVvy rows ⇄ records (`contracts/ivvy.md` 9).
//!
//! The tree numbers (`leftValue`, `depth`, …) stay out: they move when other companies change.
//! Writes never name `updateIfExists`: it matches by name alone and would fuse two companies.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::fields::{Refused, put, text_or_clear};
use super::{custom, loose};
use crate::model::module::EXTERNAL_ID;
use crate::model::{FieldDef, Fields, Record, RecordId, Timestamp, Value};

/// Catalogue fields with a plain text property behind them.
const TEXTS: [(&str, &str); 5] = [
    ("name", "businessName"),
    ("phone", "phone"),
    ("email", "email"),
    ("website", "website"),
    (EXTERNAL_ID, "externalId"),
];
/// Catalogue fields inside the `address` object.
const ADDRESS: [(&str, &str); 4] =
    [("street", "line1"), ("city", "city"), ("postal_code", "postalCode"), ("country", "countryCode")];

/// A row of `getCompanyList`, or the answer of `getCompany`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompanyRow {
    #[serde(deserialize_with = "loose::id")]
    id: RecordId,
    #[serde(default, deserialize_with = "loose::text")]
    business_name: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    phone: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    email: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    website: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    external_id: Option<Value>,
    #[serde(default, deserialize_with = "loose::object")]
    address: Option<Map<String, Json>>,
    #[serde(default, deserialize_with = "loose::list")]
    custom_fields: Vec<Json>,
    #[serde(default, deserialize_with = "loose::stamp")]
    modified_date: Option<Timestamp>,
}

/// The record in a row; `None` if the row has no id or is no object.
pub(super) fn record(row: &Json, custom_fields: &[FieldDef]) -> Option<Record> {
    let row = CompanyRow::deserialize(row).ok()?;
    let mut fields = Fields::new();
    let plain = [row.business_name, row.phone, row.email, row.website, row.external_id];
    for ((name, _), value) in TEXTS.iter().zip(plain) {
        put(&mut fields, name, value);
    }
    if let Some(address) = row.address {
        for (name, part) in ADDRESS {
            // No address at all means that each part is empty; a part left out of one means nothing.
            let value = if address.is_empty() { Some(Value::Null) } else { address.get(part).and_then(loose::as_text) };
            put(&mut fields, name, value);
        }
    }
    custom::read(&row.custom_fields, custom_fields, &mut fields);
    Some(Record { id: row.id, fields, modified: row.modified_date, ..Record::default() })
}

/// The properties for `fields`; `address` holds only the parts named.
pub(super) fn properties(fields: &Fields, custom_fields: &[FieldDef]) -> Result<Map<String, Json>, Refused> {
    let mut body = Map::new();
    let mut address = Map::new();
    let mut customs = Vec::new();
    for (name, value) in fields {
        if let Some((_, property)) = TEXTS.iter().find(|(field, _)| field == name) {
            body.insert((*property).into(), text_or_clear(name, value)?);
        } else if let Some((_, part)) = ADDRESS.iter().find(|(field, _)| field == name) {
            address.insert((*part).into(), text_or_clear(name, value)?);
        } else if let Some((id, kind)) = custom::field_id(name, custom_fields) {
            customs.push(custom::write(id, kind, value));
        } else {
            return Err(Refused::unknown(name));
        }
    }
    if !address.is_empty() {
        body.insert("address".into(), address.into());
    }
    if !customs.is_empty() {
        body.insert("customFields".into(), customs.into());
    }
    Ok(body)
}
