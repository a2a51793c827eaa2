//! Contacts: iVvy rows ⇄ records (`contracts/ivvy.md` 9).
//!
//! Writes name only what changed. They never name `groups` (it would replace all memberships),
//! `status` (Bounced and Registering must not be echoed) or `updateIfExists` (it matches by name and
//! would fuse two people).

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::fields::{Refused, put, text_or_clear};
use super::{custom, loose};
use crate::model::module::EXTERNAL_ID;
use crate::model::{FieldDef, Fields, Record, RecordId, Timestamp, Value};

/// Catalogue fields with a plain text property behind them.
const TEXTS: [(&str, &str); 5] = [
    ("first_name", "firstName"),
    ("last_name", "lastName"),
    ("email", "email"),
    ("phone", "phone"),
    (EXTERNAL_ID, "externalId"),
];
/// The field behind `companies`.
pub(super) const COMPANY: &str = "company";

/// A row of `getContactList`, or the answer of `getContact`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContactRow {
    #[serde(deserialize_with = "loose::id")]
    id: RecordId,
    #[serde(default, deserialize_with = "loose::text")]
    first_name: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    last_name: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    email: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    phone: Option<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    external_id: Option<Value>,
    #[serde(default, deserialize_with = "loose::ids")]
    companies: Option<Vec<RecordId>>,
    #[serde(default, deserialize_with = "loose::list")]
    custom_fields: Vec<Json>,
    #[serde(default, deserialize_with = "loose::stamp")]
    modified_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "loose::flag")]
    is_anonymised: bool,
}

/// The record in a row; `None` if the row has no id or is no object.
pub(super) fn record(row: &Json, custom_fields: &[FieldDef]) -> Option<Record> {
    let row = ContactRow::deserialize(row).ok()?;
    let company =
        row.companies.map(|companies| companies.into_iter().next().map_or(Value::Null, |id| Value::Text(id.0)));
    let mut fields = Fields::new();
    let plain = [row.first_name, row.last_name, row.email, row.phone, row.external_id];
    for ((name, _), value) in TEXTS.iter().zip(plain) {
        put(&mut fields, name, value);
    }
    put(&mut fields, COMPANY, company);
    custom::read(&row.custom_fields, custom_fields, &mut fields);
    Some(Record { id: row.id, fields, modified: row.modified_date, anonymised: row.is_anonymised, ..Record::default() })
}

/// All companies a contact row is linked to, in iVvy's order.
pub(super) fn companies(row: &Json) -> Vec<RecordId> {
    row.get("companies")
        .and_then(loose::as_list)
        .map(|items| items.into_iter().filter_map(loose::as_id).collect())
        .unwrap_or_default()
}

/// The properties for `fields`. `company` becomes a list of one; [`relinked`] widens it.
pub(super) fn properties(fields: &Fields, custom_fields: &[FieldDef]) -> Result<Map<String, Json>, Refused> {
    let mut body = Map::new();
    let mut customs = Vec::new();
    for (name, value) in fields {
        if let Some((_, property)) = TEXTS.iter().find(|(field, _)| field == name) {
            body.insert((*property).into(), text_or_clear(name, value)?);
        } else if name == COMPANY {
            body.insert("companies".into(), id_list(&relinked(&[], value)?)?);
        } else if let Some((id, kind)) = custom::field_id(name, custom_fields) {
            customs.push(custom::write(id, kind, value));
        } else {
            return Err(Refused::unknown(name));
        }
    }
    if !customs.is_empty() {
        body.insert("customFields".into(), customs.into());
    }
    Ok(body)
}

/// The whole `companies` list after `company` was set: iVvy replaces the list, while the field only
/// stands for its first entry. The new id takes the place of the old first one; the links behind it,
/// which no CRM field shows, are kept.
///
/// Clearing is refused when there are further links: dropping them all would destroy links nobody
/// looked at, and dropping one would make another one *the* company.
pub(super) fn relinked(current: &[RecordId], company: &Value) -> Result<Vec<RecordId>, Refused> {
    let wanted = match company {
        value if value.is_empty() => None,
        Value::Text(id) => Some(RecordId(id.trim().to_owned())),
        _ => return Err(Refused::wrong_type(COMPANY)),
    };
    let rest = current.get(1..).unwrap_or_default();
    match wanted {
        Some(wanted) => {
            let kept = rest.iter().filter(|&id| *id != wanted).cloned();
            Ok(std::iter::once(wanted.clone()).chain(kept).collect())
        }
        None if rest.is_empty() => Ok(Vec::new()),
        None => Err(Refused::because("the contact is linked to further companies in iVvy; unlink it there")),
    }
}

/// `companies` as iVvy takes it.
pub(super) fn id_list(ids: &[RecordId]) -> Result<Json, Refused> {
    let numbers: Option<Vec<i64>> = ids.iter().map(|id| id.as_str().parse().ok()).collect();
    numbers.map(|numbers| json!(numbers)).ok_or_else(|| Refused::because("a company id is not an iVvy id"))
}
