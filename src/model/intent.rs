//! Write-ahead intents: what is about to be sent, on disk before the call leaves (I6).

use serde::{Deserialize, Serialize};

use super::{Fields, ItemId, ModuleId, RecordId, Side, Timestamp};

/// The remote effect an intent stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Operation {
    /// Create a record under our key.
    Create {
        /// Key derived from the source record, never random.
        key: String,
        /// All fields of the new record.
        fields: Fields,
        /// The source record on the other side.
        source: RecordId,
    },
    /// Patch fields of an existing record.
    Update {
        /// The target.
        id: RecordId,
        /// Fields to write.
        patch: Fields,
        /// What those fields held when the plan was made; the freshness read must still find it.
        pre_image: Fields,
    },
}

impl Operation {
    /// The fields that would be written.
    pub fn written(&self) -> &Fields {
        match self {
            Self::Create { fields, .. } => fields,
            Self::Update { patch, .. } => patch,
        }
    }
}

/// A write that may have happened. Exists from just before the call until its outcome is recorded;
/// exactly when its item is `inflight` or `unknown` (I4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The item it belongs to.
    pub item: ItemId,
    /// The item's module.
    pub module: ModuleId,
    /// The side that is written.
    pub side: Side,
    /// The effect.
    pub operation: Operation,
    /// The other side's values of the written fields when the plan was made: what the base will say
    /// the two sides agreed on, even if the other side moves while the call is under way.
    pub source_values: Fields,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When it was claimed. The call cannot have left earlier.
    pub claimed_at: Timestamp,
    /// When its outcome became unknown; proof waits for this plus the settle time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// The plan's item was approved or forced by a person: both records are read before the call.
    #[serde(default)]
    pub decided: bool,
}
