//! Catalogue fields ↔ fields of Salesforce's objects: rows read, bodies written, names in refusals.
//!
//! Which fields there are stands in [`modules`], how their values look in [`Shape`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::modules::{self, Mapped, Place};
use super::shape::{Shape, instant};
use super::{SYSTEM, Settings, soql};
use crate::error::Error;
use crate::model::module::{BOOKING, FieldKind, Flow, IVVY_KEY};
use crate::model::{Fields, ModuleId, Record, RecordId, Timestamp};
use crate::remote::exchange::failure;
use crate::remote::{Class, FieldDefinition, RemoteError, Sent};

/// Read with every record, whatever is mapped.
const ALWAYS_READ: [&str; 5] = ["Id", "IsDeleted", "SystemModstamp", "LastModifiedDate", "LastModifiedBy.Name"];

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An upsert by key that is expected to create: the key stands in the path.
    Create,
    /// The same upsert on a record that turned out to be there: without what is given only once.
    Again,
    /// A change of a record by its id.
    Change,
}

/// The field map of one module.
#[derive(Clone, Debug)]
pub(super) struct FieldMap {
    /// The object.
    pub(super) object: &'static str,
    /// Whether only records that carry our key are ours to see: the module writes to Salesforce only.
    pub(super) keyed_only: bool,
    key_field: String,
    place: Place,
    mapped: Vec<Mapped>,
}

impl FieldMap {
    pub(super) fn new(module: ModuleId, settings: &Settings) -> Self {
        let place = modules::place(module, settings);
        let mut mapped = place.fields.clone();
        for (name, shape) in &place.optional {
            if let Some(field) = settings.extra_fields.get(&(module, (*name).to_owned())) {
                mapped.push(Mapped::new(name, field, shape.clone()));
                let days = place.days.iter().filter(|(of, _)| of == name);
                mapped.extend(days.map(|(of, day)| Mapped::new(of, day, Shape::DayOf)));
            }
        }
        mapped.retain(|mapped| !settings.left_out.contains(&(module, mapped.name.clone())));
        mapped.push(Mapped::text(IVVY_KEY, &settings.key_field));
        mapped.extend(settings.custom.get(&module).into_iter().flatten().map(|(def, field)| {
            let shape = match def.kind {
                FieldKind::Int => Shape::Integer,
                FieldKind::Bool => Shape::Boolean,
                FieldKind::Choices => Shape::Several,
                FieldKind::Money => Shape::Decimal,
                FieldKind::Date => Shape::Day,
                FieldKind::DateTime => Shape::Instant,
                FieldKind::Html => Shape::Page,
                _ => Shape::Text,
            };
            Mapped::new(&def.name, field, shape)
        }));
        Self {
            object: place.object,
            keyed_only: module.flow() == Flow::ToCrm,
            key_field: settings.key_field.clone(),
            place,
            mapped,
        }
    }

    /// Whether every catalogue field, however it came to its place, has a Salesforce field to itself. Their
    /// names are the same in any case.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) that names both when two share one, or when one
    /// is in a field that is read with every record anyway.
    pub(super) fn check(&self, module: ModuleId) -> Result<(), Error> {
        let merged = self.place.mergeable.then_some(&"MasterRecordId");
        let reserved = ALWAYS_READ.iter().chain(merged).chain(self.place.also_read);
        let mut taken: BTreeMap<String, Option<&str>> =
            reserved.map(|field| (field.to_ascii_lowercase(), None)).collect();
        for Mapped { name, field, .. } in &self.mapped {
            let why = match taken.insert(field.to_ascii_lowercase(), Some(name)) {
                None => continue,
                Some(None) => format!("{module}: {name} cannot be kept in {field}, which is Salesforce's own"),
                Some(Some(other)) => format!("{module}: {other} and {name} are both mapped to {field}"),
            };
            return Err(Error::config(why).hint(format!(
                "give each a field of its own: see crm_fields and fields under [modules.{module}], and the field map"
            )));
        }
        Ok(())
    }

    /// The catalogue names, for the port.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.mapped.len());
        for mapped in &self.mapped {
            if !names.contains(&mapped.name) {
                names.push(mapped.name.clone());
            }
        }
        names
    }

    /// Whether a record has fields that are given once, so that an upsert onto it may be refused for them.
    pub(super) fn has_once(&self) -> bool {
        !self.place.initial.is_empty() || self.mapped.iter().any(|mapped| mapped.once)
    }

    /// The condition for rows that are ours, where the object holds others, too: they carry our key, or ask for a
    /// booking (S-07).
    pub(super) fn ours(&self) -> Option<String> {
        let keyed = self.keyed_only.then(|| format!("{} != null", self.key_field))?;
        match self.mapped.iter().find(|mapped| mapped.name == BOOKING) {
            None => Some(keyed),
            Some(asking) => Some(format!("({keyed} OR {} != null)", asking.field)),
        }
    }

    /// The condition for the record that has the same values where no two may, and the catalogue fields
    /// concerned. `None` where the module has no such rule.
    pub(super) fn twin_of(&self, fields: &Fields) -> Option<String> {
        let value = |name: &&str| {
            let mapped = self.mapped.iter().find(|mapped| mapped.name == *name)?;
            let text = fields.get(*name)?.as_text()?;
            Some(format!("{} = {}", mapped.field, soql::string(text)))
        };
        let conditions = self.place.unique.iter().map(value).collect::<Option<Vec<_>>>()?;
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    /// The field list of a `SELECT`.
    pub(super) fn selection(&self) -> String {
        let merged = self.place.mergeable.then_some("MasterRecordId");
        let mapped = self.mapped.iter().map(|mapped| mapped.field.as_str());
        let also = self.place.also_read.iter().copied();
        ALWAYS_READ.into_iter().chain(merged).chain(also).chain(mapped).collect::<Vec<_>>().join(", ")
    }

    /// One row of a query. A value of another type than expected stays absent: absent never means a
    /// change (I27).
    pub(super) fn decode(&self, action: &str, row: &Json) -> Result<Record, RemoteError> {
        let malformed = |what: &str| failure(SYSTEM, action, Class::Malformed, Sent::No, what);
        let text = |field: &str| row.get(field).and_then(Json::as_str);
        let id = text("Id").ok_or_else(|| malformed("a row without an Id"))?;
        let stamp = text("SystemModstamp").and_then(parse_stamp);
        let mut fields = Fields::new();
        for mapped in &self.mapped {
            if let Some(value) = row.get(&mapped.field).and_then(|raw| mapped.shape.decode(raw)) {
                fields.insert(mapped.name.clone(), value);
            }
        }
        Ok(Record {
            id: RecordId::from(id),
            fields,
            version: text("LastModifiedDate").map(str::to_owned),
            modified: Some(stamp.ok_or_else(|| malformed("a row without a SystemModstamp"))?),
            author: row["LastModifiedBy"]["Name"].as_str().map(str::to_owned),
            anonymised: false,
            archived: row["IsDeleted"] == true,
            person: text("ConvertedContactId").map(RecordId::from),
            converted: row["IsConverted"] == true,
        })
    }

    /// The body that writes `fields`.
    ///
    /// # Errors
    /// [`Class::Unsupported`] for a field without a place, [`Class::Rejected`] for a value that cannot be
    /// held and for a change of what is given only once.
    pub(super) fn encode(&self, action: &str, fields: &Fields, purpose: Purpose) -> Result<Json, RemoteError> {
        let mut body = Map::new();
        for (name, value) in fields {
            if purpose != Purpose::Change && name == IVVY_KEY {
                continue;
            }
            let refused = |why: &str| RemoteError {
                details: vec![format!("{name}: {why}")],
                ..failure(SYSTEM, action, Class::Rejected, Sent::No, &format!("{name}: {why}"))
            };
            let mut known = false;
            for mapped in self.mapped.iter().filter(|mapped| mapped.name == *name) {
                known = true;
                match purpose {
                    Purpose::Again if mapped.once => continue,
                    Purpose::Change if mapped.once => {
                        let object = self.object;
                        return Err(refused(&format!("Salesforce sets this only when it creates the {object}")));
                    }
                    // Nobody is named, so nobody is invented: Salesforce takes the one who writes.
                    Purpose::Create | Purpose::Again if mapped.shape == Shape::Owner && value.is_empty() => continue,
                    _ => {}
                }
                body.insert(mapped.field.clone(), mapped.shape.encode(value).map_err(refused)?);
            }
            if !known {
                let why = format!("no Salesforce field is mapped to {name}");
                return Err(failure(SYSTEM, action, Class::Unsupported, Sent::No, &why));
            }
        }
        if purpose == Purpose::Create {
            for (field, value) in &self.place.initial {
                body.entry(*field).or_insert_with(|| value.clone());
            }
        }
        Ok(Json::Object(body))
    }

    /// The fields among those of `patch` that hold values of others beside ours.
    pub(super) fn shared(&self, patch: &Fields) -> Vec<&str> {
        let shared = |mapped: &&Mapped| matches!(mapped.shape, Shape::SomeOf(_)) && patch.contains_key(&mapped.name);
        self.mapped.iter().filter(shared).map(|mapped| mapped.field.as_str()).collect()
    }

    /// `body` with the values that are none of ours as they stand in `row`.
    pub(super) fn with_others(&self, mut body: Json, row: &Json) -> Json {
        for mapped in &self.mapped {
            let (Shape::SomeOf(ours), Some(written)) = (&mapped.shape, body.get(&mapped.field)) else { continue };
            let values = |json: &Json| -> BTreeSet<String> {
                json.as_str().into_iter().flat_map(|text| text.split(';')).map(str::to_owned).collect()
            };
            let mut all = values(written);
            all.extend(values(&row[&mapped.field]).into_iter().filter(|value| !ours.contains(value)));
            all.remove("");
            let all: Vec<String> = all.into_iter().collect();
            body[&mapped.field] = if all.is_empty() { Json::Null } else { json!(all.join(";")) };
        }
        body
    }

    /// The body that gives a record our key.
    pub(super) fn with_key(&self, mut body: Json, key: &str) -> Json {
        body[&self.key_field] = json!(key);
        body
    }

    /// `error` with our field names where Salesforce used its own.
    pub(super) fn translate(&self, mut error: RemoteError) -> RemoteError {
        for detail in &mut error.details {
            if let Some((field, text)) = detail.split_once(": ")
                && let Some(mapped) = self.mapped.iter().find(|mapped| mapped.field == field)
            {
                *detail = format!("{}: {text}", mapped.name);
            }
        }
        error
    }

    /// What a `describe` says about the fields that could be mapped.
    pub(super) fn definitions(&self, description: &Json) -> Option<Vec<FieldDefinition>> {
        // Mapped custom fields are told too: whoever checks a map must see what has become of them.
        let built_in = self.mapped.iter().filter(|mapped| !mapped.name.starts_with(CUSTOM));
        let mapped = built_in.map(|mapped| mapped.field.as_str());
        let taken: BTreeSet<&str> = mapped.chain(ALWAYS_READ).chain(["MasterRecordId"]).collect();
        let fields = description.get("fields")?.as_array()?.iter();
        Some(
            fields
                .filter_map(|field| Some((field["name"].as_str()?, field)))
                .filter(|(name, _)| !taken.contains(name))
                .map(|(name, field)| (definition(name, field), field["custom"] == true))
                // What cannot be synced is only worth showing where somebody made the field on purpose.
                .filter(|(definition, custom)| *custom || definition.kind.is_some())
                .map(|(definition, _)| definition)
                .collect(),
        )
    }
}

/// What the catalogue name of a custom field begins with.
const CUSTOM: &str = "custom.";

fn definition(name: &str, field: &Json) -> FieldDefinition {
    let kind = match field["type"].as_str().unwrap_or_default() {
        "string" => Some(FieldKind::Text),
        "textarea" => Some(FieldKind::LongText),
        "email" => Some(FieldKind::Email),
        "phone" => Some(FieldKind::Phone),
        "url" => Some(FieldKind::Url),
        "boolean" => Some(FieldKind::Bool),
        "int" => Some(FieldKind::Int),
        "double" if field["scale"] == 0 => Some(FieldKind::Int),
        "date" => Some(FieldKind::Date),
        "datetime" => Some(FieldKind::DateTime),
        "currency" => Some(FieldKind::Money),
        "picklist" => Some(FieldKind::Choice),
        "multipicklist" => Some(FieldKind::Choices),
        _ => None,
    };
    let values = field["picklistValues"].as_array().into_iter().flatten();
    FieldDefinition {
        name: name.to_owned(),
        title: field["label"].as_str().unwrap_or(name).to_owned(),
        kind,
        writable: field["updateable"] == true && field["createable"] == true,
        options: values
            .filter(|value| value["active"] != false)
            .filter_map(|value| {
                let text = value["value"].as_str()?;
                Some((text.to_owned(), value["label"].as_str().unwrap_or(text).to_owned()))
            })
            .collect(),
    }
}

/// An instant as Salesforce writes it.
pub(super) fn parse_stamp(text: &str) -> Option<Timestamp> {
    instant(text).map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_others_stay_beside_our_groups_v18() {
        let mut settings = Settings::new("https://x.example", "id", secrecy::SecretString::from("s"));
        settings.groups = ["News", "VIP"].map(str::to_owned).into();
        settings.extra_fields.insert((ModuleId::Contacts, "groups".to_owned()), "Tags__c".to_owned());
        let map = FieldMap::new(ModuleId::Contacts, &settings);
        let patch = Fields::from([("groups".to_owned(), crate::model::Value::Set(["VIP".to_owned()].into()))]);
        assert_eq!(map.shared(&patch), ["Tags__c"]);
        let body = map.encode("a", &patch, Purpose::Change).unwrap();
        assert_eq!(map.with_others(body.clone(), &json!({"Tags__c": "News;Speaker"}))["Tags__c"], "Speaker;VIP");
        assert_eq!(map.with_others(body, &json!({"Tags__c": null}))["Tags__c"], "VIP");
        let none = Fields::from([("groups".to_owned(), crate::model::Value::Null)]);
        let cleared = map.encode("a", &none, Purpose::Change).unwrap();
        assert_eq!(map.with_others(cleared.clone(), &json!({"Tags__c": "News;Press"}))["Tags__c"], "Press");
        assert_eq!(map.with_others(cleared, &json!({"Tags__c": "News"}))["Tags__c"], Json::Null);
        let foreign = Fields::from([("groups".to_owned(), crate::model::Value::Set(["Press".to_owned()].into()))]);
        assert_eq!(map.encode("a", &foreign, Purpose::Change).unwrap_err().class, Class::Rejected);
    }

    #[test]
    fn stamps_come_in_salesforces_own_form() {
        let at = parse_stamp("2026-11-21T09:13:55.000+0000").unwrap();
        assert_eq!(at.to_string(), "2026-11-21T09:13:55.000Z");
        assert_eq!(parse_stamp("2026-11-21T19:13:55.000+10:00"), Some(at));
        assert_eq!(parse_stamp("2026-11-21T09:13:55Z"), Some(at));
        assert_eq!(parse_stamp("yesterday"), None);
    }
}
