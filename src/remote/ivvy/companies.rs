//! Companies: iVvy rows ⇄ records (`contracts/ivvy.md` 9).
//!
//! The tree numbers (`leftValue`, `depth`, …) stay out: they move when other companies change. The parent
//! is read and never written: no write takes `parentCompanyId`.
//! Writes never name `updateIfExists`: it matches by name alone and would fuse two companies.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::action::Action;
use super::fields::{Refused, put, text_or_clear};
use super::listing::Query;
use super::module::Module;
use super::{Answered, Ivvy, custom, loose, not_sent};
use crate::model::module::EXTERNAL_ID;
use crate::model::{FieldDef, Fields, ModuleId, Record, RecordId, Timestamp, Value};
use crate::remote::{FieldDefinition, Page, PageRequest, Read, WriteAck};

const NO_SUCH_COMPANY: &str = "24153";
const LIST: Action = Action::read("contact", "getCompanyList");
const GET: Action = Action::read("contact", "getCompany").missing(NO_SUCH_COMPANY);
const CREATE: Action = Action::write("contact", "addOrUpdateCompany");
const UPDATE: Action = CREATE.missing(NO_SUCH_COMPANY);
const DEFINITIONS: Action = Action::read("contact", "getCompanyCustomFieldDefinition");

/// Catalogue fields with a plain text property behind them.
const TEXTS: [(&str, &str); 5] = [
    ("name", "businessName"),
    ("phone", "phone"),
    ("email", "email"),
    ("website", "website"),
    (EXTERNAL_ID, "externalId"),
];
/// The field behind `parentCompanyId`.
const PARENT: &str = "parent";
/// Catalogue fields inside the `address` object.
const ADDRESS: [(&str, &str); 4] =
    [("street", "line1"), ("city", "city"), ("postal_code", "postalCode"), ("country", "countryCode")];

/// Companies, as iVvy has them. They cannot be looked up by key.
pub(super) struct Companies;

impl Module for Companies {
    fn id(&self) -> ModuleId {
        ModuleId::Companies
    }

    fn stamps_key(&self) -> bool {
        true
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        let query = Query::new(LIST).bounded("fromModifiedDate", "toModifiedDate", request);
        Box::pin(async move { ivvy.page(&query, request, |row| record(row, ivvy.custom_fields(self.id()))).await })
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(ivvy.read(&GET, id, |row| record(row, ivvy.custom_fields(self.id()))))
    }

    fn definitions<'a>(&'a self, ivvy: &'a Ivvy) -> Answered<'a, Vec<FieldDefinition>> {
        Box::pin(ivvy.custom_field_definitions(&DEFINITIONS))
    }

    fn create<'a>(&'a self, ivvy: &'a Ivvy, key: &'a str, fields: &'a Fields) -> Answered<'a, WriteAck> {
        Box::pin(async move {
            ivvy.create_with_key(&CREATE, key, fields, |given| properties(given, ivvy.custom_fields(self.id()))).await
        })
    }

    fn update<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId, patch: &'a Fields) -> Answered<'a, WriteAck> {
        Box::pin(async move {
            let body =
                properties(patch, ivvy.custom_fields(self.id())).map_err(|refused| not_sent(&UPDATE, refused))?;
            ivvy.overlay(&UPDATE, id, body).await
        })
    }
}

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
    #[serde(default, deserialize_with = "loose::reference")]
    parent_company_id: Option<Value>,
    #[serde(default, deserialize_with = "loose::object")]
    address: Option<Map<String, Json>>,
    #[serde(default, deserialize_with = "loose::list")]
    custom_fields: Vec<Json>,
    #[serde(default, deserialize_with = "loose::stamp")]
    modified_date: Option<Timestamp>,
}

/// The record in a row; `None` if the row has no id or is no object.
fn record(row: &Json, custom_fields: &[FieldDef]) -> Option<Record> {
    let row = CompanyRow::deserialize(row).ok()?;
    let mut fields = Fields::new();
    let plain = [row.business_name, row.phone, row.email, row.website, row.external_id];
    for ((name, _), value) in TEXTS.iter().zip(plain) {
        put(&mut fields, name, value);
    }
    put(&mut fields, PARENT, row.parent_company_id);
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
fn properties(fields: &Fields, custom_fields: &[FieldDef]) -> Result<Map<String, Json>, Refused> {
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
