//! Links: the permanent pairing of one iVvy record with one CRM record, and what they last agreed on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LinkId, ModuleId, RecordId, Side, Timestamp, Value};

/// A permanent pairing (V-12). Unique on each side within its module (I2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Our id.
    pub id: LinkId,
    /// Which module.
    pub module: ModuleId,
    /// The iVvy record.
    pub ivvy: RecordId,
    /// The CRM record.
    pub crm: RecordId,
    /// Whether it is in force.
    pub state: LinkState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Why it was made: a sentence for the audit pane.
    pub reason: String,
}

impl Link {
    /// Whether the two records are each other's counterparts, at rest or not.
    pub fn stands(&self) -> bool {
        self.state != LinkState::Tombstone
    }

    /// The record id on `side`.
    pub fn on(&self, side: Side) -> &RecordId {
        match side {
            Side::Ivvy => &self.ivvy,
            Side::Crm => &self.crm,
        }
    }
}

/// Whether a link is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// In force.
    Linked,
    /// In force, and at rest: one of the two was converted in its system, which lets nobody change it any
    /// more. Nothing is carried over (P-05).
    Converted,
    /// One record is gone and an operator (or policy) closed the pair; never re-created.
    Tombstone,
}

/// What one field last agreed on, per side. A side without a value counts as *changed*: that is
/// how a half-carried decision says which way the rest must flow (`docs/decisions/0003`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseField {
    /// iVvy's value at agreement.
    #[serde(default, deserialize_with = "super::value::present", skip_serializing_if = "Option::is_none")]
    pub ivvy: Option<Value>,
    /// The CRM's value at agreement.
    #[serde(default, deserialize_with = "super::value::present", skip_serializing_if = "Option::is_none")]
    pub crm: Option<Value>,
    /// A person undid what was agreed since: a difference is a question until it is settled, whoever
    /// moved (`docs/decisions/0010`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// The field was mapped when the pair was linked already: what the two sides hold when both have been
    /// read is agreed as it stands (`docs/decisions/0014`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopts: bool,
}

impl BaseField {
    /// Both sides agreed on these values.
    pub fn agreed(ivvy: Value, crm: Value) -> Self {
        Self { ivvy: Some(ivvy), crm: Some(crm), ..Self::default() }
    }

    /// The agreed value on `side`.
    pub fn on(&self, side: Side) -> Option<&Value> {
        match side {
            Side::Ivvy => self.ivvy.as_ref(),
            Side::Crm => self.crm.as_ref(),
        }
    }

    /// Replaces the agreed value on `side`.
    pub fn set(&mut self, side: Side, value: Option<Value>) {
        match side {
            Side::Ivvy => self.ivvy = value,
            Side::Crm => self.crm = value,
        }
    }
}

/// The last agreement of a link, field by field. Per side, so that a remote's own spelling of a
/// value (case, spacing) is not mistaken for an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// By field name.
    pub fields: BTreeMap<String, BaseField>,
    /// When the last field agreed.
    pub agreed_at: Timestamp,
    /// The engine's own writes of a field by the side written, newest last, one entry per change of
    /// direction: how two systems that keep overwriting each other are noticed (`engine.md` 5.6).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub turns: BTreeMap<String, Vec<(Side, Timestamp)>>,
}

/// What an item is about: a link, or a record that has no counterpart yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairKey {
    /// An existing link.
    Link(LinkId),
    /// A record on one side only.
    Lone(Side, RecordId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreed_null_survives_json_and_is_not_taken_for_never_agreed_i27() {
        let base = BaseField { ivvy: Some(Value::Null), ..BaseField::default() };
        let json = serde_json::to_string(&base).unwrap();
        assert_eq!(serde_json::from_str::<BaseField>(&json).unwrap(), base);
    }
}
