//! Catalogue fields ↔ fields of Contact and Account, and how values look on each side.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::{Map, Value as Json, json};

use super::{SYSTEM, Settings};
use crate::model::module::{FieldKind, IVVY_KEY};
use crate::model::{Fields, ModuleId, Record, RecordId, Timestamp, Value};
use crate::remote::exchange::failure;
use crate::remote::{Class, FieldDefinition, RemoteError, Sent};

/// Read with every record, whatever is mapped.
const ALWAYS_READ: [&str; 6] =
    ["Id", "IsDeleted", "MasterRecordId", "SystemModstamp", "LastModifiedDate", "LastModifiedBy.Name"];

/// How a value is kept there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Integer,
    Boolean,
    /// A multi-select picklist: values joined by semicolons.
    Several,
}

#[derive(Clone, Debug)]
struct Mapped {
    name: String,
    field: String,
    shape: Shape,
}

/// The field map of one module.
#[derive(Clone, Debug)]
pub(super) struct FieldMap {
    /// `Contact` or `Account`.
    pub(super) object: &'static str,
    mapped: Vec<Mapped>,
}

impl FieldMap {
    pub(super) fn new(module: ModuleId, settings: &Settings) -> Self {
        let text =
            |name: &str, field: &str| Mapped { name: name.to_owned(), field: field.to_owned(), shape: Shape::Text };
        let (object, mut mapped) = match module {
            ModuleId::Contacts => (
                "Contact",
                vec![
                    text("first_name", "FirstName"),
                    text("last_name", "LastName"),
                    text("email", "Email"),
                    text("phone", "Phone"),
                    text("company", "AccountId"),
                ],
            ),
            ModuleId::Companies => (
                "Account",
                vec![
                    text("name", "Name"),
                    text("phone", "Phone"),
                    text("website", "Website"),
                    text("street", "BillingStreet"),
                    text("city", "BillingCity"),
                    text("postal_code", "BillingPostalCode"),
                    text("country", &settings.country_field),
                ],
            ),
            _ => return Self { object: "", mapped: Vec::new() },
        };
        if let (ModuleId::Companies, Some(field)) = (module, &settings.email_field) {
            mapped.push(text("email", field));
        }
        mapped.push(text(IVVY_KEY, &settings.key_field));
        mapped.extend(settings.custom.get(&module).into_iter().flatten().map(|(def, field)| Mapped {
            name: def.name.to_string(),
            field: field.clone(),
            shape: match def.kind {
                FieldKind::Int => Shape::Integer,
                FieldKind::Bool => Shape::Boolean,
                FieldKind::Choices => Shape::Several,
                _ => Shape::Text,
            },
        }));
        Self { object, mapped }
    }

    /// The catalogue names, for the port.
    pub(super) fn names(&self) -> Vec<String> {
        self.mapped.iter().map(|mapped| mapped.name.clone()).collect()
    }

    /// The field list of a `SELECT`.
    pub(super) fn selection(&self) -> String {
        let mapped = self.mapped.iter().map(|mapped| mapped.field.as_str());
        ALWAYS_READ.into_iter().chain(mapped).collect::<Vec<_>>().join(", ")
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
            if let Some(value) = row.get(&mapped.field).and_then(|raw| decode_value(mapped.shape, raw)) {
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
        })
    }

    /// The body that writes `fields`. `by_key`: for an upsert, whose body must not hold the key.
    pub(super) fn encode(&self, action: &str, fields: &Fields, by_key: bool) -> Result<Json, RemoteError> {
        let mut body = Map::new();
        for (name, value) in fields {
            if by_key && name == IVVY_KEY {
                continue;
            }
            let mapped = self.mapped.iter().find(|mapped| mapped.name == *name).ok_or_else(|| {
                failure(
                    SYSTEM,
                    action,
                    Class::Unsupported,
                    Sent::No,
                    &format!("no Salesforce field is mapped to {name}"),
                )
            })?;
            let value = encode_value(mapped.shape, value).map_err(|why| RemoteError {
                details: vec![format!("{name}: {why}")],
                ..failure(SYSTEM, action, Class::Rejected, Sent::No, &format!("{name}: {why}"))
            })?;
            body.insert(mapped.field.clone(), value);
        }
        Ok(Json::Object(body))
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
        let taken: BTreeSet<&str> = self.mapped.iter().map(|mapped| mapped.field.as_str()).chain(ALWAYS_READ).collect();
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

fn decode_value(shape: Shape, raw: &Json) -> Option<Value> {
    match (shape, raw) {
        (_, Json::Null) => Some(Value::Null),
        (Shape::Text, Json::String(text)) => Some(Value::text(text)),
        (Shape::Boolean, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (Shape::Several, Json::String(text)) => {
            Some(Value::Set(text.split(';').filter(|member| !member.is_empty()).map(str::to_owned).collect()))
        }
        (Shape::Integer, number) => number.as_i64().or_else(|| whole(number.as_f64()?)).map(Value::Int),
        _ => None,
    }
}

/// Salesforce tells some whole numbers as `5.0`.
fn whole(number: f64) -> Option<i64> {
    // Up to 2^53 every whole double is exact, so the conversion loses nothing.
    let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    exact.then_some(number as i64)
}

fn encode_value(shape: Shape, value: &Value) -> Result<Json, &'static str> {
    match (shape, value) {
        (Shape::Boolean, Value::Bool(flag)) => Ok(json!(flag)),
        (Shape::Boolean, empty) if empty.is_empty() => Ok(json!(false)),
        (_, empty) if empty.is_empty() => Ok(Json::Null),
        (Shape::Integer, Value::Int(number)) => Ok(json!(number)),
        (Shape::Integer, Value::Text(text)) => {
            text.trim().parse::<i64>().map(|number| json!(number)).map_err(|_| "not a whole number")
        }
        (Shape::Text, Value::Text(text)) => Ok(json!(text)),
        (Shape::Text, Value::Int(number)) => Ok(json!(number.to_string())),
        (Shape::Several, Value::Set(members)) if members.iter().any(|member| member.contains(';')) => {
            Err("a value with a semicolon cannot be one of several")
        }
        (Shape::Several, Value::Set(members)) => {
            Ok(json!(members.iter().map(String::as_str).collect::<Vec<_>>().join(";")))
        }
        _ => Err("Salesforce cannot hold a value of this type"),
    }
}

fn definition(name: &str, field: &Json) -> FieldDefinition {
    let kind = match field["type"].as_str().unwrap_or_default() {
        "string" => Some(FieldKind::Text),
        "textarea" => Some(FieldKind::LongText),
        "email" => Some(FieldKind::Email),
        "phone" => Some(FieldKind::Phone),
        "url" => Some(FieldKind::Url),
        "boolean" => Some(FieldKind::Bool),
        "int" => Some(FieldKind::Int),
        "date" => Some(FieldKind::Date),
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

/// `2026-11-21T09:13:55.000+0000`, or RFC 3339.
pub(super) fn parse_stamp(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").or_else(|_| DateTime::parse_from_rfc3339(text));
    Some(Timestamp::from(at.ok()?.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_come_in_salesforces_own_form() {
        let at = parse_stamp("2026-11-21T09:13:55.000+0000").unwrap();
        assert_eq!(at.to_string(), "2026-11-21T09:13:55.000Z");
        assert_eq!(parse_stamp("2026-11-21T19:13:55.000+10:00"), Some(at));
        assert_eq!(parse_stamp("2026-11-21T09:13:55Z"), Some(at));
        assert_eq!(parse_stamp("yesterday"), None);
    }

    #[test]
    fn values_keep_their_type_both_ways() {
        let several = Value::Set(["a".to_owned(), "b c".to_owned()].into());
        for (shape, value, raw) in [
            (Shape::Text, Value::text("x"), json!("x")),
            (Shape::Integer, Value::Int(-4), json!(-4)),
            (Shape::Boolean, Value::Bool(false), json!(false)),
            (Shape::Several, several, json!("a;b c")),
            (Shape::Text, Value::Null, Json::Null),
        ] {
            assert_eq!(encode_value(shape, &value), Ok(raw.clone()));
            assert_eq!(decode_value(shape, &raw), Some(value));
        }
        assert_eq!(decode_value(Shape::Integer, &json!(5.0)), Some(Value::Int(5)));
        assert_eq!(decode_value(Shape::Integer, &json!(5.5)), None);
        assert_eq!(encode_value(Shape::Text, &Value::text(" ")), Ok(Json::Null));
    }
}
