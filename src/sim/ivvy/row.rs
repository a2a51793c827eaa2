//! One record of any kind, as the account keeps it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::loose_text;
use crate::model::Timestamp;

/// A record: what its object's table names, and nothing for what is not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// iVvy's id; 0 before it is stored.
    pub id: u64,
    /// `createdDate`, whole seconds.
    pub created: Timestamp,
    /// `modifiedDate`, whole seconds.
    pub modified: Timestamp,
    values: BTreeMap<&'static str, Value>,
}

impl Row {
    /// A record of that id and those stamps; 0 and the epoch mean "not yet".
    pub(super) fn new(id: u64, created: Timestamp, modified: Timestamp) -> Self {
        Self { id, created, modified, values: BTreeMap::new() }
    }

    /// A record of that id, not yet stamped.
    pub(super) fn numbered(id: u64) -> Self {
        Self::new(id, Timestamp::EPOCH, Timestamp::EPOCH)
    }

    /// The value kept, null when it is not set.
    pub(super) fn get(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    /// Sets a value. Nothing, empty text, empty lists and `false` are all "not set".
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = value.into();
        let nothing = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if nothing {
            self.values.remove(name);
        } else {
            self.values.insert(name, value);
        }
    }

    /// Sets what is not set.
    pub(super) fn default_to(&mut self, name: &'static str, value: impl Into<Value>) {
        if self.get(name).is_null() {
            self.set(name, value);
        }
    }

    /// The row with `name` set; for building.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// A text; empty when it is not set.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).as_str().unwrap_or_default()
    }

    /// A whole number or an id.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        self.get(name).as_u64()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_default()
    }

    /// The items of a list.
    pub(super) fn items(&self, name: &str) -> &[Value] {
        self.get(name).as_array().map_or(&[], Vec::as_slice)
    }

    /// Whether the list of ids, or the one id, holds `id`.
    pub(super) fn holds(&self, name: &str, id: u64) -> bool {
        self.whole(name) == Some(id) || self.items(name).iter().any(|item| item.as_u64() == Some(id))
    }

    /// Drops every value; id and stamps stay.
    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// Everything a user can change, for the ledger.
    pub(super) fn content(&self) -> Value {
        self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    pub(super) fn same_content(&self, other: &Self) -> bool {
        self.values == other.values
    }

    /// The short form of a person inside other answers: id as text.
    pub(super) fn person(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "firstName": self.text("firstName"),
            "lastName": self.text("lastName"),
            "email": self.text("email"),
            "phone": loose_text(self.text("phone")),
        })
    }
}
