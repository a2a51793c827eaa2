//! Refusals in Salesforce's shape: a JSON array of `{message, errorCode, fields?}`, or the same three
//! as `{statusCode, message, fields}` inside a collection's result (`contracts/crm.md` 3).

use axum::http::StatusCode;
use serde_json::{Value, json};

/// One reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// Salesforce's code, such as `INVALID_FIELD`.
    pub code: &'static str,
    /// Its sentence. Quotes what the caller sent, as the real thing does.
    pub message: String,
    /// Fields concerned.
    pub fields: Vec<String>,
    /// What a duplicate rule found, in Salesforce's shape.
    pub duplicates: Option<Value>,
}

/// A refused call or a refused item of a collection. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status when the whole call is refused.
    pub status: StatusCode,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Refusal {
    /// One reason, 400.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reasons: vec![Reason::new(code, message, &[])] }
    }

    /// One reason about fields, 400.
    pub fn of_fields(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reasons: vec![Reason::new(code, message, fields)] }
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The record was deleted: 404 on its own resource.
    pub fn deleted() -> Self {
        Self::new("ENTITY_IS_DELETED", "entity is deleted").status(StatusCode::NOT_FOUND)
    }

    /// No such resource: 404.
    pub fn not_found() -> Self {
        Self::new("NOT_FOUND", "The requested resource does not exist").status(StatusCode::NOT_FOUND)
    }

    /// The body was not JSON of the right shape.
    pub fn json(message: impl Into<String>) -> Self {
        Self::new("JSON_PARSER_ERROR", message)
    }

    /// A value that must be unique is taken by `holder`.
    pub fn duplicate_value(field: &str, holder: &str) -> Self {
        let text = format!("duplicate value found: {field} duplicates value on record with id: {holder}");
        Self::of_fields("DUPLICATE_VALUE", text, &[])
    }

    /// The body of a refused call.
    pub fn body(&self) -> Value {
        Value::Array(
            self.reasons
                .iter()
                .map(|reason| {
                    let mut one = json!({ "message": reason.message, "errorCode": reason.code });
                    if !reason.fields.is_empty() || reason.code == "REQUIRED_FIELD_MISSING" {
                        one["fields"] = json!(reason.fields);
                    }
                    if let Some(found) = &reason.duplicates {
                        one["duplicateResult"] = found.clone();
                    }
                    one
                })
                .collect(),
        )
    }

    /// The `errors` of a refused item of a collection.
    pub fn item_errors(&self) -> Value {
        Value::Array(
            self.reasons
                .iter()
                .map(|reason| {
                    let mut one =
                        json!({ "statusCode": reason.code, "message": reason.message, "fields": reason.fields });
                    if let Some(found) = &reason.duplicates {
                        one["duplicateResult"] = found.clone();
                    }
                    one
                })
                .collect(),
        )
    }
}

impl Reason {
    /// A reason about these fields.
    pub fn new(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { code, message: message.into(), fields, duplicates: None }
    }
}
