//! The queue item: the one open unit of work of a pair (I3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

use super::{
    Actor, BaseField, Choice, Fingerprint, ItemId, ModuleId, PairKey, Plan, Reasons, Side, State, Timestamp, Value,
    Verb,
};

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// The record exists on one side and is to be created on the other.
    Create,
    /// A linked pair differs.
    Update,
    /// A counterpart is to be chosen.
    Link,
    /// A counterpart is gone.
    Delete,
    /// A counterpart was merged into a record that has a pair of its own.
    Merge,
    /// A finished push is to be reversed.
    Undo,
}

/// One field this item wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedField {
    /// The side written.
    pub side: Side,
    /// The field.
    pub field: String,
    /// What was there.
    pub before: Value,
    /// What was written.
    pub after: Value,
    /// What the sides had agreed on before.
    #[serde(default)]
    pub base: BaseField,
    /// A person had decided it; otherwise it went over by the engine's own rules.
    #[serde(default)]
    pub decided: bool,
}

/// The last thing that went wrong. Holds no field values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemError {
    /// One sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A decision that takes effect once a second person confirms it by approving the same version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What was decided: a force-push, or an approval that closes a pair.
    pub verb: Verb,
    /// The side that wins, for a force-push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The results it would set, for a force-push. They stay out of the plan until confirmed: otherwise
    /// an ordinary approval could carry them out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, Choice>,
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked, and so cannot confirm.
    pub by: Actor,
}

impl Pending {
    /// Who asked for what, for a person (the reason is an operator's text, to be sanitised).
    pub fn sentence(&self) -> String {
        let what = match (self.verb, self.side) {
            (Verb::Force, Some(side)) => format!("force {}'s record over the other", side.title()),
            _ => "close the pair".to_owned(),
        };
        let why = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{} asks to {what}{why}", self.by.name)
    }
}

/// Who is looking at an item, advisory only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Operator name.
    pub who: String,
    /// Until when, unless renewed.
    pub until: Timestamp,
}

/// One queue item. `ver` grows with every change of what an operator would see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Our id.
    pub id: ItemId,
    /// Which module.
    pub module: ModuleId,
    /// What it is about.
    pub pair: PairKey,
    /// What kind of work.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Why it is held, if it is.
    #[serde(default)]
    pub reasons: Reasons,
    /// Version for compare-and-set.
    pub ver: u32,
    /// Fingerprint of both observations, the base, the mapping and the plan (I8).
    pub seen: Fingerprint,
    /// 0 operator, 1 live, 2 backfill: lower goes first.
    pub priority: u8,
    /// Not claimed before this: retry, snooze and settle times.
    pub ready_at: Timestamp,
    /// When the difference was first seen.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Failed attempts so far.
    #[serde(default)]
    pub attempts: u32,
    /// Claims without a recorded outcome; three make it poison.
    #[serde(default)]
    pub claims: u32,
    /// What a person calls the record (remote text, to be sanitised before display).
    pub title: String,
    /// What it would do.
    pub plan: Plan,
    /// An operator approved it; freshness is checked on both sides.
    #[serde(default)]
    pub decided: bool,
    /// An operator forced this side's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Side>,
    /// Decided by one person, waiting for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Who decided last, for the "who was faster" message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Released from a tripped guard as a sample: may be claimed while the guard still holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard_pass: bool,
    /// What this item has written so far, so that it can be undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushed: Vec<PushedField>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
    /// What it looked like when it was skipped: the same data never reopens it (I26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_seen: Option<Fingerprint>,
    /// Who is on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<Assignment>,
    /// The parent that must be linked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<(ModuleId, PairKey)>,
    /// The item that replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<ItemId>,
}

impl Item {
    /// An item nothing has happened to: `new`, version 0, without a plan.
    pub fn new(id: ItemId, module: ModuleId, pair: PairKey, kind: Kind, now: Timestamp) -> Self {
        Self {
            id,
            module,
            pair,
            kind,
            state: State::New,
            reasons: Reasons::NONE,
            ver: 0,
            seen: Fingerprint::default(),
            priority: 0,
            ready_at: now,
            created_at: now,
            updated_at: now,
            attempts: 0,
            claims: 0,
            title: String::new(),
            plan: Plan::default(),
            decided: false,
            forced: None,
            pending: None,
            decided_by: None,
            guard_pass: false,
            pushed: Vec::new(),
            error: None,
            skipped_seen: None,
            assigned: None,
            waits_for: None,
            successor: None,
        }
    }

    /// The value the queue sorts by within (module, state, priority).
    pub fn sort_key(&self) -> u64 {
        match self.state {
            State::Ready | State::Retry | State::Unknown | State::Inflight => self.ready_at.sort_key(),
            State::Done | State::Skipped | State::Superseded => self.updated_at.sort_key(),
            State::New | State::Held | State::Blocked | State::Dead => self.created_at.sort_key(),
        }
    }
}
