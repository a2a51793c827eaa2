//! What a caller may write: names, types, lengths and rules of the fields in a request body.
//!
//! Stricter than the real thing: names must be spelt exactly and types are never coerced.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::error::{Reason, Refusal};
use super::id::SfId;
use super::org::Org;
use super::schema::{Access, Field, Kind, Object};
use super::stamp;
use crate::model::Timestamp;

/// Whether a record comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Required fields must be there.
    Create,
    /// Required fields must not be cleared.
    Update,
}

/// The fields of `body` as the org stores them. `Id` and `attributes` must have been taken out.
///
/// # Errors
/// All reasons found, unknown names and wrong JSON types before anything else.
pub fn accept(
    org: &Org,
    object: &Object,
    body: &Map<String, Value>,
    purpose: Purpose,
    now: Timestamp,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut written: BTreeMap<String, (&Field, Value)> = BTreeMap::new();
    for (name, value) in body {
        let (field, value) = match (object.field(name), object.relationship(name)) {
            (Some(field), _) => (field, typed(field, value)?),
            (None, Some((field, to))) => (field, parent(org, name, to, value, now)?),
            (None, None) => {
                let text = format!("No such column '{name}' on sobject of type {}", object.name);
                return Err(Refusal::of_fields("INVALID_FIELD", text, &[]));
            }
        };
        if written.insert(field.name.clone(), (field, value)).is_some() {
            let text = format!("{} is specified more than once", field.name);
            return Err(Refusal::of_fields("INVALID_FIELD", text, &[&field.name]));
        }
    }
    let open = |field: &Field| match purpose {
        Purpose::Create => field.access != Access::Read,
        Purpose::Update => field.access == Access::Write,
    };
    let locked: Vec<&str> = written.values().filter(|(field, _)| !open(field)).map(|(f, _)| f.name.as_str()).collect();
    if !locked.is_empty() {
        let text = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it \
             is read/write for your profile or permission set.",
            locked.join(", ")
        );
        return Err(Refusal::of_fields("INVALID_FIELD_FOR_INSERT_UPDATE", text, &locked));
    }
    let mut reasons: Vec<Reason> = missing(object, &written, purpose).into_iter().collect();
    reasons.extend(written.values().filter_map(|(field, value)| wrong(org, field, value)));
    if !reasons.is_empty() {
        return Err(Refusal { status: StatusCode::BAD_REQUEST, reasons });
    }
    Ok(written.into_iter().map(|(name, (_, value))| (name, value)).collect())
}

fn missing(object: &Object, written: &BTreeMap<String, (&Field, Value)>, purpose: Purpose) -> Option<Reason> {
    let absent = |field: &&Field| match written.get(&field.name) {
        Some((_, value)) => value.is_null(),
        // What has a default is never missing; a new record's owner is its creator.
        None => purpose == Purpose::Create && field.default.is_none() && field.name != "OwnerId",
    };
    let names: Vec<&str> =
        object.fields.iter().filter(|field| field.required).filter(absent).map(|field| field.name.as_str()).collect();
    let text = format!("Required fields are missing: [{}]", names.join(", "));
    (!names.is_empty()).then(|| Reason::new("REQUIRED_FIELD_MISSING", text, &names))
}

/// The value in stored form, if its JSON type fits the field.
fn typed(field: &Field, value: &Value) -> Result<Value, Refusal> {
    let misfit = |wanted: &str| {
        let (kind, shown) = match value {
            Value::Null => ("VALUE_NULL", String::new()),
            Value::Bool(flag) => ("VALUE_BOOLEAN", flag.to_string()),
            Value::Number(number) => ("VALUE_NUMBER", number.to_string()),
            Value::String(text) => ("VALUE_STRING", text.clone()),
            Value::Array(_) => ("START_ARRAY", "[".to_owned()),
            Value::Object(_) => ("START_OBJECT", "{".to_owned()),
        };
        let text = format!("Cannot deserialize instance of {wanted} from {kind} value {shown} for {}", field.name);
        Refusal::json(text)
    };
    match (&field.kind, value) {
        (Kind::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (Kind::Boolean, _) => Err(misfit("boolean")),
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Double | Kind::Currency, Value::Number(_)) => Ok(value.clone()),
        (Kind::Double | Kind::Currency, _) => Err(misfit("double")),
        (Kind::Date, Value::String(text)) if stamp::day(text).is_some() => Ok(value.clone()),
        (Kind::Date, _) => Err(misfit("date")),
        (Kind::DateTime, Value::String(text)) => {
            stamp::from_text(text).map(|at| json!(stamp::to_json(at))).ok_or_else(|| misfit("datetime"))
        }
        (Kind::DateTime, _) => Err(misfit("datetime")),
        (Kind::MultiPicklist { values, .. }, Value::String(text)) => Ok(chosen(values, text)),
        (Kind::Reference { .. } | Kind::Polymorphic(_), Value::String(text)) if !text.trim().is_empty() => {
            Ok(json!(SfId::parse(text).map_or_else(|| text.clone(), |id| id.to_string())))
        }
        // Surrounding white space is not kept, and empty text is no value.
        (_, Value::String(text)) => Ok(match text.trim() {
            "" => Value::Null,
            kept => json!(kept),
        }),
        _ => Err(misfit("string")),
    }
}

/// Choices once each, in their defined order; undefined ones after them.
fn chosen(defined: &[String], text: &str) -> Value {
    let mut choices: Vec<&str> = text.split(';').map(str::trim).filter(|choice| !choice.is_empty()).collect();
    choices.sort_by_key(|choice| (defined.iter().position(|known| known == choice).unwrap_or(usize::MAX), *choice));
    choices.dedup();
    if choices.is_empty() { Value::Null } else { json!(choices.join(";")) }
}

/// `"Account": {"Ivvy_Id__c": "company-7"}`: a reference by the other record's external id.
fn parent(org: &Org, name: &str, to: &'static str, value: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let Value::Object(inner) = value else {
        return Err(if value.is_null() {
            Refusal::new("INVALID_FIELD", format!("{name} must name an external id"))
        } else {
            Refusal::json(format!("Cannot deserialize instance of {to} for {name}"))
        });
    };
    let mut named = inner.iter().filter(|(key, _)| *key != "attributes");
    let (Some((key, Value::String(wanted))), None) = (named.next(), named.next()) else {
        return Err(Refusal::new("INVALID_FIELD", format!("{name} must name exactly one external id")));
    };
    if !org.schema.object(to).and_then(|object| object.field(key)).is_some_and(|field| field.external_id) {
        let text = format!("{key} is not an External ID or indexed field of {to}");
        return Err(Refusal::of_fields("INVALID_FIELD", text, &[name]));
    }
    match org.look_up(to, key, wanted, now).as_slice() {
        [id] => Ok(json!(id.as_str())),
        [] => {
            let text =
                format!("Foreign key external ID: {} not found for field {key} in entity {to}", wanted.to_lowercase());
            Err(Refusal::new("INVALID_FIELD", text))
        }
        _ => Err(Refusal::new(
            "DUPLICATE_EXTERNAL_ID",
            format!("{key}: more than one record found for external id field"),
        )),
    }
}

/// Why a value of the right type still cannot be stored.
fn wrong(org: &Org, field: &Field, value: &Value) -> Option<Reason> {
    let name = field.name.as_str();
    if field.kind == Kind::Currency && value.as_f64().is_some_and(|amount| amount.abs() >= 1e16) {
        let text = format!("{name}: value outside of valid range on numeric field: {value}");
        return Some(Reason::new("NUMBER_OUTSIDE_VALID_RANGE", text, &[name]));
    }
    let text = value.as_str()?;
    if let Some(length) = field.kind.length().filter(|length| text.chars().count() > *length) {
        let shown: String = text.chars().take(255).collect();
        let text = format!("{name}: data value too large: {shown} (max length={length})");
        return Some(Reason::new("STRING_TOO_LONG", text, &[name]));
    }
    match &field.kind {
        Kind::Email if !is_address(text) => {
            Some(Reason::new("INVALID_EMAIL_ADDRESS", format!("{name}: invalid email address: {text}"), &[name]))
        }
        // An inactive value is as unknown to a restricted list as one that never was.
        Kind::Picklist { values, restricted: true } | Kind::MultiPicklist { values, restricted: true } => {
            let bad = text.split(';').find(|one| !values.iter().any(|known| known == one))?;
            let text = format!("{name}: bad value for restricted picklist field: {bad}");
            Some(Reason::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, &[name]))
        }
        Kind::Reference { to, .. } => dangling(org, name, std::slice::from_ref(to), text),
        Kind::Polymorphic(to) => dangling(org, name, to, text),
        _ => None,
    }
}

/// Why `text` is not the id of a living record of one of the objects `to`; owners must work there still.
fn dangling(org: &Org, name: &str, to: &[&'static str], text: &str) -> Option<Reason> {
    let id = SfId::parse(text);
    let target = id.as_ref().and_then(|id| org.object_of(id)).filter(|object| to.contains(&object.name));
    let (Some(id), Some(target)) = (&id, target) else {
        let text = format!("{name}: id value of incorrect type: {text}");
        return Some(Reason::new("MALFORMED_ID", text, &[name]));
    };
    match org.committed(target.name, id).filter(|version| !version.deleted) {
        None => Some(Reason::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[name])),
        Some(user) if name == "OwnerId" && user.fields.get("IsActive") != Some(&Value::Bool(true)) => {
            let text = format!("operation performed with inactive user [{id}] as owner of the record");
            Some(Reason::new("INACTIVE_OWNER_OR_USER", text, &[name]))
        }
        Some(_) => None,
    }
}

/// One `@`, a dotted domain, no blanks: less than RFC 5322 allows, much as Salesforce checks.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && !part
                .chars()
                .any(|letter| letter.is_whitespace() || letter.is_control() || "@,;<>()[]\"\\".contains(letter))
    };
    plain(local) && plain(domain) && domain.contains('.') && domain.split('.').all(|label| !label.starts_with('-'))
}
