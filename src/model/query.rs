//! Questions to the queue and the audit log, and the rows that answer them.

use serde::{Deserialize, Serialize};

use super::{ItemId, Kind, ModuleId, Reason, Reasons, Seq, State, Timestamp};

/// Which items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Only this module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleId>,
    /// Only this state; all open states when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Only items with this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Only titles that contain this, case ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Where a window starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// At the first row.
    #[default]
    Start,
    /// So that the window ends with the last row.
    End,
    /// With the row of this token, or the next one if it is gone.
    At(String),
    /// After the row of this token.
    After(String),
    /// So that the window ends just before the row of this token.
    Before(String),
}

/// A window of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// Which items.
    #[serde(default)]
    pub filter: Filter,
    /// Where to start.
    #[serde(default)]
    pub anchor: Anchor,
    /// How many rows at most (the daemon caps at 1,000).
    pub limit: u32,
}

/// One row of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Opaque position, for [`Anchor`].
    pub token: String,
    /// Item id.
    pub id: ItemId,
    /// Module.
    pub module: ModuleId,
    /// Kind of work.
    pub kind: Kind,
    /// State.
    pub state: State,
    /// Why held.
    pub reasons: Reasons,
    /// Version, for compare-and-set.
    pub version: u32,
    /// Title (remote text).
    pub title: String,
    /// 0 operator, 1 live, 2 backfill.
    pub priority: u8,
    /// When the difference was first seen.
    pub since: Timestamp,
    /// Not before.
    pub ready_at: Timestamp,
    /// What it would do, or what went wrong.
    pub summary: String,
    /// Fields that still need a choice.
    pub unsolved: u32,
    /// Who is on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<String>,
    /// What it waits for. The store leaves it out; the daemon fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Awaited>,
}

/// The record that must be in both systems before an item can go on, and the item that is about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// Module of the record.
    pub module: ModuleId,
    /// The item about it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// State of that item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What the record is called (remote text).
    pub title: String,
}

impl Awaited {
    /// In words, with the number to look it up by.
    pub fn sentence(&self) -> String {
        let (what, title) = (self.module.singular(), &self.title);
        match (self.item, self.state) {
            (Some(item), Some(state)) => format!("waits for #{item} {title} ({what}, {state})"),
            _ => format!("waits for the {what} {title}, which has not been planned yet"),
        }
    }
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Rows in queue order.
    pub rows: Vec<Row>,
    /// Whether there are rows before the first one.
    pub more_before: bool,
    /// Whether there are rows after the last one.
    pub more_after: bool,
    /// How many rows match, when the counters can tell (no text filter).
    pub total: Option<u64>,
    /// Set when a text filter ran out of budget: ask again with `After` this token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_at: Option<String>,
    /// Audit position this page reflects.
    pub seq: Seq,
}

/// Which audit rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    /// Only rows of this item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// Only rows before this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// How many at most.
    pub limit: u32,
}
