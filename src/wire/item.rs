//! One item looked at closely, and what is decided about it.
//!
//! Types only, like the rest of the wire. Values too long for a frame are cut in the item and named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::plan::Candidate;
use crate::model::query::Awaited;
use crate::model::{AuditRow, Choice, Fingerprint, Item, ItemId, RecordId, Side, Timestamp, Verb};

/// A decision as a client sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decide {
    /// Which item.
    pub item: ItemId,
    /// The version seen; `None` means "whatever it is now" (command line without `--version`).
    pub ver: Option<u32>,
    /// Fingerprint seen; checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Fingerprint>,
    /// What to do.
    pub verb: Verb,
    /// Field results.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, Choice>,
    /// Winning side for `force` and whole-record takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// `snooze` until.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Counterpart for `pair` and `arrived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// Why. Compulsory for `force`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One result of `DecideMany`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecideResult {
    /// Which item.
    pub item: ItemId,
    /// Why it was left out, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// One item with what the diff pane needs beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemView {
    /// The item.
    pub item: Item,
    /// Stamp of the iVvy record as last seen.
    pub ivvy_modified: Option<Timestamp>,
    /// Stamp of the CRM record as last seen.
    pub crm_modified: Option<Timestamp>,
    /// Last author per side, where the remote tells.
    pub authors: BTreeMap<Side, String>,
    /// Verbs the operator may use now; the value is why not, when not.
    pub verbs: BTreeMap<Verb, Option<String>>,
    /// Its history, newest first.
    pub history: Vec<AuditRow>,
    /// Fields with values that are cut in `item`, and the bytes of the longest one. They are whole in
    /// the store and in what is pushed; [`Request::Preview`](super::Request::Preview) reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cut: BTreeMap<String, u64>,
    /// What tells the candidates of the plan apart, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateView>,
    /// What the item waits for, where it waits for another record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Awaited>,
}

/// What is known of a candidate beyond its title, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CandidateView {
    /// Values that tell people and companies apart: e-mail, phone, company (remote text).
    pub facts: Vec<String>,
    /// The record it is paired with meanwhile; then it cannot be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Candidate>,
}
