//! Who decided what. A decision names the exact version it was made on and never changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};

use super::{Fingerprint, ItemId, RecordId, Side, Timestamp, Value, Verb};

/// What a person may do. Ordered: each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Approve, skip, edit, retry.
    Triage,
    /// Also force-push.
    Force,
    /// Also release guards, pause, and change settings.
    Admin,
}

/// Who acts: an operator behind a socket, or the engine itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Operator name from the configuration, or `engine`.
    pub name: String,
    /// Unix user id of the peer, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The role in force when the action was taken.
    pub role: Role,
}

impl Actor {
    /// Whether the two are one person, under whatever name.
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name || (self.uid.is_some() && self.uid == other.uid)
    }

    /// The engine acting on its own rules.
    pub fn engine() -> Self {
        Self { name: "engine".to_owned(), uid: None, role: Role::Admin }
    }
}

/// The result an operator chose for one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// iVvy's value on both sides.
    Ivvy,
    /// The CRM's value on both sides.
    Crm,
    /// This value on both sides.
    Custom(Value),
    /// Each side its own: what an undo proposes where the sides differed before the decision. The
    /// question is open again afterwards.
    Each {
        /// iVvy's.
        ivvy: Value,
        /// The CRM's.
        crm: Value,
    },
    /// Both keep what they have: what taking a side comes to where its value refers to a record that the other
    /// system does not have.
    Keep,
}

impl Choice {
    /// The choice of `side`'s value.
    pub fn side(side: Side) -> Self {
        match side {
            Side::Ivvy => Self::Ivvy,
            Side::Crm => Self::Crm,
        }
    }
}

/// One decision on one version of one item (I5). Stored for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The item.
    pub item: ItemId,
    /// The version the operator saw; the decision is refused if the item has moved on.
    pub ver: u32,
    /// Fingerprint of what the operator saw.
    pub seen: Fingerprint,
    /// What to do.
    pub verb: Verb,
    /// Field results chosen, by field name; merged over earlier drafts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, Choice>,
    /// `force`, or a whole-record take: the side that wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// `snooze`: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// `pair` and `arrived`: the counterpart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// Why, in the operator's words. Compulsory for `force`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}
