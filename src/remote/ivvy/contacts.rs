//! Contacts: iVvy rows ⇄ records (`contracts/ivvy.md` 9).
//!
//! Writes name only what changed. They never name `groups` (it would replace all memberships: those are
//! joined and left one by one, after everything else, see `groups`), `status` (Bounced and Registering must not be echoed) or `updateIfExists` (it matches by name and
//! would fuse two people).

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::action::Action;
use super::fields::{Refused, put, text_or_clear};
use super::listing::Query;
use super::module::Module;
use super::{Answered, Ivvy, answer, custom, groups, listing, loose, not_sent, opt_out};
use crate::model::module::{EXTERNAL_ID, GROUPS};
use crate::model::{FieldDef, Fields, ModuleId, Record, RecordId, Timestamp, Value};
use crate::remote::{Class, FieldDefinition, Page, PageRequest, Read, RemoteError, Sent, WriteAck};

const NO_SUCH_CONTACT: &str = "24096";
const LIST: Action = Action::read("contact", "getContactList");
pub(super) const GET: Action = Action::read("contact", "getContact").missing(NO_SUCH_CONTACT);
const CREATE: Action = Action::write("contact", "addOrUpdateContact");
const UPDATE: Action = CREATE.missing(NO_SUCH_CONTACT);
const DEFINITIONS: Action = Action::read("contact", "getCustomFieldDefinition");

/// Catalogue fields with a plain text property behind them.
const TEXTS: [(&str, &str); 5] = [
    ("first_name", "firstName"),
    ("last_name", "lastName"),
    ("email", "email"),
    ("phone", "phone"),
    (EXTERNAL_ID, "externalId"),
];
/// The field behind `companies`.
const COMPANY: &str = "company";

/// Contacts, as iVvy has them.
pub(super) struct Contacts;

impl Module for Contacts {
    fn id(&self) -> ModuleId {
        ModuleId::Contacts
    }

    fn stamps_key(&self) -> bool {
        true
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        let query = Query::new(LIST).bounded("fromModifiedDate", "toModifiedDate", request);
        Box::pin(async move {
            let read = |row: &Json| record(row, ivvy);
            if ivvy.rules.opt_out {
                return opt_out::page(ivvy, &query, request, read).await;
            }
            ivvy.page(&query, request, read).await
        })
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(ivvy.read(&GET, id, |row| {
            let record = record(row, ivvy)?;
            Some(if ivvy.rules.opt_out { opt_out::told(record, row) } else { record })
        }))
    }

    fn definitions<'a>(&'a self, ivvy: &'a Ivvy) -> Answered<'a, Vec<FieldDefinition>> {
        Box::pin(ivvy.custom_field_definitions(&DEFINITIONS))
    }

    fn find_by_key<'a>(&'a self, ivvy: &'a Ivvy, key: &'a str) -> Answered<'a, Option<Vec<Record>>> {
        Box::pin(by_key(ivvy, key))
    }

    fn create<'a>(&'a self, ivvy: &'a Ivvy, key: &'a str, fields: &'a Fields) -> Answered<'a, WriteAck> {
        Box::pin(async move {
            ivvy.create_with_key(&CREATE, key, fields, |given| properties(given, ivvy.custom_fields(self.id()))).await
        })
    }

    fn update<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId, patch: &'a Fields) -> Answered<'a, WriteAck> {
        Box::pin(update(ivvy, id, patch))
    }
}

/// Lays `patch` over the contact; its groups last, so that a refused one takes nothing else down with it.
async fn update(ivvy: &Ivvy, id: &RecordId, patch: &Fields) -> Result<WriteAck, RemoteError> {
    let groups = patch.get(GROUPS).filter(|_| !ivvy.groups.names.is_empty());
    let mut rest = patch.clone();
    if groups.is_some() {
        rest.remove(GROUPS);
    }
    let mut body =
        properties(&rest, ivvy.custom_fields(ModuleId::Contacts)).map_err(|refused| not_sent(&UPDATE, refused))?;
    let concerned = match (groups, patch.get(COMPANY)) {
        (None, None) => None,
        _ => Some(the_contact(ivvy, id).await?),
    };
    if let (Some(row), Some(company)) = (&concerned, patch.get(COMPANY)) {
        let links = relinked(&companies(row), company).and_then(|links| id_list(&links));
        body.insert("companies".into(), links.map_err(|refused| not_sent(&UPDATE, refused))?);
    }
    let (Some(row), Some(wanted)) = (&concerned, groups) else {
        return ivvy.overlay(&UPDATE, id, body).await;
    };
    let overlaid = !body.is_empty();
    if overlaid {
        ivvy.overlay(&UPDATE, id, body).await?;
    }
    let now = ivvy.groups.read(row).unwrap_or_default();
    groups::bring(ivvy, id, &now, wanted, overlaid).await?;
    Ok(WriteAck { id: id.clone(), created: None })
}

/// Contacts can be filtered by `externalId`. If other rows come and there may be more of them, the filter
/// was not honoured and nothing has been found out: `None` then sends the engine to its own mirror, where
/// an empty list would have made it create a duplicate.
async fn by_key(ivvy: &Ivvy, key: &str) -> Result<Option<Vec<Record>>, RemoteError> {
    if key.is_empty() {
        return Err(answer::failure(&LIST, Class::Rejected, Sent::No, "a look-up needs a key"));
    }
    let body = json!({ "perPage": listing::PER_PAGE, "start": 0, "filter": { "externalId": key } });
    let answer = ivvy.client.call(&LIST, &body).await?;
    let (rows, total) = listing::collection(answer.json).map_err(|broken| broken.of(&LIST))?;
    let whole = total.map_or(rows.is_empty(), |total| total <= rows.len() as u64);
    let records = listing::records(&LIST, &rows, |row| {
        let record = record(row, ivvy)?;
        Some(if ivvy.rules.opt_out { opt_out::told(record, row) } else { record })
    })?;
    let count = records.len();
    let carries = |record: &Record| record.fields.get(EXTERNAL_ID).and_then(Value::as_text) == Some(key);
    let found: Vec<Record> = records.into_iter().filter(carries).collect();
    Ok((whole || found.len() == count && count > 0).then_some(found))
}

/// The contact as it stands, for what is written whole or in differences.
async fn the_contact(ivvy: &Ivvy, id: &RecordId) -> Result<Json, RemoteError> {
    let row = ivvy.row(&GET, id).await?;
    row.ok_or_else(|| answer::failure(&UPDATE, Class::Missing, Sent::No, "the contact no longer exists"))
}

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
fn record(row: &Json, ivvy: &Ivvy) -> Option<Record> {
    let groups = ivvy.groups.read(row);
    let row = ContactRow::deserialize(row).ok()?;
    let company =
        row.companies.map(|companies| companies.into_iter().next().map_or(Value::Null, |id| Value::Text(id.0)));
    let mut fields = Fields::new();
    let plain = [row.first_name, row.last_name, row.email, row.phone, row.external_id];
    for ((name, _), value) in TEXTS.iter().zip(plain) {
        put(&mut fields, name, value);
    }
    put(&mut fields, COMPANY, company);
    put(&mut fields, GROUPS, groups);
    custom::read(&row.custom_fields, ivvy.custom_fields(ModuleId::Contacts), &mut fields);
    Some(Record { id: row.id, fields, modified: row.modified_date, anonymised: row.is_anonymised, ..Record::default() })
}

/// All companies a contact row is linked to, in iVvy's order.
fn companies(row: &Json) -> Vec<RecordId> {
    row.get("companies")
        .and_then(loose::as_list)
        .map(|items| items.into_iter().filter_map(loose::as_id).collect())
        .unwrap_or_default()
}

/// The properties for `fields`. `company` becomes a list of one; [`relinked`] widens it.
fn properties(fields: &Fields, custom_fields: &[FieldDef]) -> Result<Map<String, Json>, Refused> {
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
fn relinked(current: &[RecordId], company: &Value) -> Result<Vec<RecordId>, Refused> {
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
fn id_list(ids: &[RecordId]) -> Result<Json, Refused> {
    let numbers: Option<Vec<i64>> = ids.iter().map(|id| id.as_str().parse().ok()).collect();
    numbers.map(|numbers| json!(numbers)).ok_or_else(|| Refused::because("a company id is not an iVvy id"))
}
