//! What the modules share in turning properties into fields and back, and the reasons not to.

use serde_json::Value as Json;

use super::loose;
use crate::model::{Fields, RecordId, Timestamp, Value};
use crate::remote::Class;

/// A write this adapter does not send. Its text names fields, never values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub class: Class,
    pub message: String,
}

impl Refused {
    pub(super) fn unknown(field: &str) -> Self {
        Self { class: Class::Unsupported, message: format!("iVvy has no field {field}") }
    }

    pub(super) fn wrong_type(field: &str) -> Self {
        Self { class: Class::Unsupported, message: format!("the value does not fit the field {field}") }
    }

    pub(super) fn because(message: &str) -> Self {
        Self { class: Class::Rejected, message: message.to_owned() }
    }
}

/// Sets a field that the row spoke of.
pub(super) fn put(fields: &mut Fields, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value);
    }
}

/// One property of a row and the field it becomes: field, property, how it is read.
pub(super) type Column = (&'static str, &'static str, fn(&Json) -> Option<Value>);

/// The fields of a row. Properties that are not there are absent, as are those that make no sense.
pub(super) fn read(row: &Json, columns: &[Column]) -> Fields {
    let mut fields = Fields::new();
    for (field, property, reader) in columns {
        if let Some(json) = row.get(property) {
            put(&mut fields, field, loose::noted(reader(json), json));
        }
    }
    fields
}

/// The id of the row's own record.
pub(super) fn id(row: &Json) -> Option<RecordId> {
    row.get("id").and_then(loose::as_id)
}

/// An instant among the row's properties.
pub(super) fn stamp(row: &Json, property: &str) -> Option<Timestamp> {
    row.get(property).and_then(loose::as_stamp)
}

/// A text among the row's properties, trimmed; empty when there is none.
pub(super) fn text<'a>(row: &'a Json, property: &str) -> std::borrow::Cow<'a, str> {
    match row.get(property) {
        Some(Json::String(text)) => text.trim().into(),
        Some(json) => loose::as_text(json).map(|value| value.to_string().into()).unwrap_or_default(),
        None => "".into(),
    }
}

/// First and last name as one line.
pub(super) fn person(row: &Json) -> String {
    let names = ["firstName", "lastName"].map(|property| text(row, property));
    names.iter().map(AsRef::as_ref).filter(|name: &&str| !name.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The word for a number of a closed list. A number nobody told us of is kept as `status 9`: it is data,
/// not an error (V-46, V-83).
pub(super) fn word(json: &Json, words: &[(i64, &str)]) -> Option<Value> {
    if let Some(number) = loose::as_int(json) {
        let known = words.iter().find(|(code, _)| *code == number);
        return Some(Value::Text(known.map_or_else(|| format!("status {number}"), |(_, word)| (*word).to_owned())));
    }
    match loose::as_text(json)? {
        Value::Text(text) if !text.trim().is_empty() => Some(Value::Text(format!("status {}", text.trim()))),
        _ => Some(Value::Null),
    }
}

/// The stage a status stands for; a status without one stands for itself.
pub(super) fn stage(status: &Value, stages: &[(&str, &str)]) -> Value {
    let known = stages.iter().find(|(word, _)| status.as_text() == Some(word));
    known.map_or_else(|| status.clone(), |(_, stage)| Value::text(*stage))
}

/// A text property. Null clears with `""`: the official client never sends nulls
/// (`contracts/ivvy.md` 17.11).
pub(super) fn text_or_clear(field: &str, value: &Value) -> Result<Json, Refused> {
    match value {
        Value::Null => Ok("".into()),
        Value::Text(text) => Ok(text.as_str().into()),
        Value::Int(number) => Ok(number.to_string().into()),
        Value::Bool(_) | Value::Set(_) => Err(Refused::wrong_type(field)),
    }
}
