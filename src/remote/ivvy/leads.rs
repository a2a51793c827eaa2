//! Leads: iVvy rows ⇄ records. Listed in one namespace, written in another (`contracts/ivvy.md` 9, 13).
//!
//! The person behind a lead is a contact of its own, told when the lead is made and changed through the
//! contact afterwards. iVvy's compulsory type, stage and source come from [`LeadDefaults`]. A lead has no
//! `externalId` and no single read: it is found by [`search`].
//!
//! A lead that was converted leaves its list and stands in that of the opportunities. No page says that it
//! keeps its id there, but whatever hangs on an opportunity calls it `leadId` (contract 12).

use serde_json::{Map, Value as Json, json};

use super::action::Action;
use super::fields::{self, Column, Refused, put, text_or_clear};
use super::listing::Query;
use super::module::Module;
use super::{Answered, Ivvy, LeadDefaults, answer, loose, not_sent, search, the_record};
use crate::model::{Fields, ModuleId, Record, RecordId, Value};
use crate::remote::{Class, Page, PageRequest, Read, Sent, WriteAck};

const LIST: Action = Action::read("crm", "getLeadList");
const OPPORTUNITIES: Action = Action::read("crm", "getOpportunityList");
const CREATE: Action = Action::write("contact", "addOrUpdateLead");
const UPDATE: Action = CREATE.missing("24216");

const COLUMNS: &[Column] = &[
    ("name", "name", loose::as_text),
    ("description", "description", loose::as_text),
    ("source", "sourceId", loose::as_reference),
];
/// Fields inside other objects of a row: field, object, property.
const INNER: [(&str, &str, &str); 5] = [
    ("first_name", "contact", "firstName"),
    ("last_name", "contact", "lastName"),
    ("email", "contact", "email"),
    ("phone", "contact", "phone"),
    ("company_name", "company", "businessName"),
];

/// Leads, as iVvy has them.
pub(super) struct Leads;

impl Module for Leads {
    fn id(&self) -> ModuleId {
        ModuleId::Leads
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        let query = Query::new(LIST).bounded("modifiedDate__GREATERTHAN", "modifiedDate__LESSTHAN", request).inferred();
        Box::pin(async move {
            let mut page = ivvy.narrowed_page(&query, request, record).await?;
            page.records = page.records.into_iter().map(|record| ivvy.trimmed(ModuleId::Leads, record)).collect();
            Ok(page)
        })
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(async move {
            let trimmed = |record: Record| ivvy.trimmed(ModuleId::Leads, record);
            if let Some(row) = search::find(ivvy, &Query::new(LIST), id).await? {
                return the_record(&LIST, id, record(&row).map(trimmed));
            }
            let row = search::find(ivvy, &Query::new(OPPORTUNITIES), id).await?;
            let converted = |record| Record { converted: true, ..trimmed(record) };
            row.map_or(Ok(Read::Missing), |row| the_record(&OPPORTUNITIES, id, record(&row).map(converted)))
        })
    }

    fn create<'a>(&'a self, ivvy: &'a Ivvy, _key: &'a str, fields: &'a Fields) -> Answered<'a, WriteAck> {
        Box::pin(async move {
            let defaults = ivvy.lead_defaults.as_ref().ok_or_else(|| {
                let why = "iVvy asks a type, a stage and a source of every new lead, and no defaults are configured";
                answer::failure(&CREATE, Class::Rejected, Sent::No, why)
            })?;
            let body = new(fields, defaults).map_err(|refused| not_sent(&CREATE, refused))?;
            ivvy.write(&CREATE, body, None).await
        })
    }

    fn update<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId, patch: &'a Fields) -> Answered<'a, WriteAck> {
        Box::pin(async move {
            let body = changes(patch, ivvy.lead_defaults.as_ref()).map_err(|refused| not_sent(&UPDATE, refused))?;
            ivvy.overlay(&UPDATE, id, body).await
        })
    }
}

/// The record in a row.
fn record(row: &Json) -> Option<Record> {
    let id = fields::id(row)?;
    let mut fields = fields::read(row, COLUMNS);
    for (field, object, property) in INNER {
        let Some(object) = row.get(object).and_then(loose::as_object) else { continue };
        // No such object at all means that there is nobody; a property left out of one means nothing.
        let value = if object.is_empty() { Some(Value::Null) } else { object.get(property).and_then(loose::as_text) };
        put(&mut fields, field, value);
    }
    if let Some(owner) = row.get("ownerUser").and_then(loose::as_object) {
        let id = owner.get("id").map_or(Some(Value::Null), loose::as_reference);
        put(&mut fields, "owner", id);
    }
    let contact = row.get("contact").and_then(loose::as_object);
    let person = contact.and_then(|contact| contact.get("id").and_then(loose::as_reference));
    let person = person.and_then(|id| id.as_text().map(RecordId::from));
    Some(Record { id, fields, person, modified: fields::stamp(row, "modifiedDate"), ..Record::default() })
}

/// The body of a new lead. The contact is updated if it exists: it is the same first name, last name and
/// e-mail, which is who the lead is about. A company of that name is linked, or made.
fn new(fields: &Fields, defaults: &LeadDefaults) -> Result<Map<String, Json>, Refused> {
    let mut body = Map::new();
    body.insert("sourceId".into(), defaults.source.into());
    body.insert("typeId".into(), defaults.type_id.into());
    body.insert("stageId".into(), defaults.stage.into());
    if let Some(subtype) = defaults.subtype_id {
        body.insert("subtypeId".into(), subtype.into());
    }
    let mut people = Map::new();
    // There is nothing to clear on a record that does not exist yet.
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some((_, object, property)) = INNER.iter().find(|(field, ..)| field == name) {
            let person = people.entry(*object).or_insert_with(|| json!({}));
            person[*property] = text_or_clear(name, value)?;
        } else {
            let (property, value) = change(name, value, Some(defaults))?;
            body.insert(property.into(), value);
        }
    }
    if !people.contains_key("contact") {
        return Err(Refused::because("a new lead needs the name and e-mail of a person"));
    }
    // A CRM lead may be nothing but a person; iVvy wants it to have a name of its own.
    if !body.contains_key("name")
        && let Some(contact) = people.get("contact")
    {
        let part = |name: &str| contact.get(name).and_then(Json::as_str).unwrap_or_default().trim();
        body.insert("name".into(), format!("{} {}", part("firstName"), part("lastName")).trim().into());
    }
    for (_, person) in &mut people {
        person["updateIfExists"] = true.into();
    }
    body.extend(people);
    Ok(body)
}

/// The properties for a change.
fn changes(patch: &Fields, defaults: Option<&LeadDefaults>) -> Result<Map<String, Json>, Refused> {
    let mut body = Map::new();
    for (name, value) in patch {
        if INNER.iter().any(|(field, ..)| field == name) {
            let why = "who a lead is about is changed through its contact in iVvy, not through the lead";
            return Err(Refused { class: Class::Unsupported, message: why.to_owned() });
        }
        let (property, value) = change(name, value, defaults)?;
        body.insert(property.into(), value);
    }
    Ok(body)
}

/// One of the lead's own properties.
fn change(name: &str, value: &Value, defaults: Option<&LeadDefaults>) -> Result<(&'static str, Json), Refused> {
    match name {
        "name" => Ok(("name", text_or_clear(name, value)?)),
        "description" => Ok(("description", text_or_clear(name, value)?)),
        "owner" => Ok(("ownerUserId", if value.is_empty() { "".into() } else { entry(name, value)? })),
        "source" if value.is_empty() => match defaults {
            Some(defaults) => Ok(("sourceId", defaults.source.into())),
            None => Err(Refused::because("a lead in iVvy has a source, and no default is configured")),
        },
        "source" => Ok(("sourceId", entry(name, value)?)),
        _ => Err(Refused::unknown(name)),
    }
}

/// The id of a user or source.
fn entry(name: &str, value: &Value) -> Result<Json, Refused> {
    let number = value.as_text().and_then(|id| id.trim().parse::<i64>().ok());
    number.map(Json::from).ok_or_else(|| Refused::wrong_type(name))
}
