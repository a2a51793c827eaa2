//! The audit log: who did what, when, on which values; append-only and hash-chained (I24).

use serde::{Deserialize, Serialize};

use super::{Actor, Fingerprint, ItemId, LinkId, ModuleId, RecordId, Seq, Side, State, Timestamp, Verb};

/// What happened. Values are kept as fingerprints, except the ones an operator overrode, which stay
/// readable in the decision itself so that they can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum AuditEvent {
    /// An item was planned or replanned.
    Planned {
        /// Where it went.
        state: State,
        /// The plan's summary sentence.
        summary: String,
    },
    /// An operator decided.
    Decided {
        /// What.
        verb: Verb,
        /// On which version.
        ver: u32,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Fields whose losing value was overridden, with that value's fingerprint.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overridden: Vec<(String, Side, Fingerprint)>,
    },
    /// A push was claimed: its intent is on disk.
    Claimed {
        /// The side to be written.
        side: Side,
        /// Which attempt.
        attempt: u32,
        /// Names of the fields in the patch.
        fields: Vec<String>,
    },
    /// A push ended.
    Pushed {
        /// The side that was written.
        side: Side,
        /// The record that was written.
        record: RecordId,
        /// Whether it was created.
        created: bool,
        /// Fields written, with the fingerprint of the value before and after.
        fields: Vec<(String, Fingerprint, Fingerprint)>,
    },
    /// A push did not happen, or its outcome is not known.
    PushFailed {
        /// The side that was to be written.
        side: Side,
        /// Where the item went.
        state: State,
        /// What the remote or the network said. Holds no field values.
        error: String,
    },
    /// A link was made.
    Linked {
        /// Why.
        reason: String,
    },
    /// A link was closed.
    Unlinked {
        /// Why.
        reason: String,
    },
    /// An item moved by itself: a snooze ended, a parent arrived, a guard tripped or was released.
    Moved {
        /// Where it went.
        state: State,
        /// Why.
        cause: String,
    },
    /// A guard tripped.
    GuardTripped {
        /// Why.
        cause: String,
    },
    /// A guard was released or its plan discarded.
    GuardReleased {
        /// Which items: all, or a sample size.
        scope: String,
        /// Who agreed to it, and when, in the words of who released it (S-11).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Something was paused, resumed, or started by hand.
    Operated {
        /// What.
        what: String,
    },
    /// A version of the module's field map was made.
    Mapped {
        /// Which.
        version: u32,
        /// What it changed.
        what: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The daemon started on this store.
    Started {
        /// Program version.
        version: String,
        /// Writer epoch.
        epoch: u64,
    },
}

/// One audit row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Position in the log.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Which module, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleId>,
    /// Which item, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// Which link, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// What.
    pub what: AuditEvent,
    /// SHA-256 over the row before and this row without its hash, hex.
    pub hash: String,
}
