//! What both modules share in turning fields into properties, and the reasons not to.

use serde_json::Value as Json;

use crate::model::{Fields, Value};
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
