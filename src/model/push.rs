//! What we post to a CRM that takes arrays: records that wait, and payloads that are on their way
//! (`contracts/connector_s360.md` 2.2, with the parts exchanged).
//!
//! Whether a payload may be sent now is not known here; what is in it neither.

use serde::{Deserialize, Serialize};

use super::{ModuleId, RecordId, StreamKind, Timestamp};

/// A record handed over and not yet part of a payload: its newest state only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its place in line: that of the first change that is not in a payload. Never used again.
    pub seq: u64,
    /// Its module.
    pub module: ModuleId,
    /// Its id: our key.
    pub id: RecordId,
    /// When this state was handed over; the time of its row on the shelf.
    pub at: Timestamp,
    /// The record as it will be sent: one JSON object.
    pub body: String,
}

/// A payload that was frozen and not yet answered with 200. Its bytes are kept apart and never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The stream it belongs to.
    pub stream: StreamKind,
    /// Its number. Payloads of a stream are sent in this order. Never used again.
    pub number: u64,
    /// The records in it, in order.
    pub records: Vec<PostRecord>,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was frozen.
    pub created_at: Timestamp,
    /// How often it was sent without being answered with 200, since it was frozen or revived.
    pub tries: u32,
    /// When it was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try_at: Option<Timestamp>,
    /// What came of that: one sentence of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// It was given up, and waits for a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// It was given up before, and revived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revived: bool,
}

/// A record in a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostRecord {
    /// Its module.
    pub module: ModuleId,
    /// Its id: our key.
    pub id: RecordId,
    /// When the state in it was handed over.
    pub at: Timestamp,
    /// How many bytes of the payload it is.
    pub bytes: u32,
}

/// What came of sending a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostEnd {
    /// It was answered with exactly 200.
    Taken,
    /// Anything else, as one sentence of ours.
    Failed(String),
}

/// One try, as it is put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostTry {
    /// When the run it belongs to began.
    pub run: Timestamp,
    /// When the answer came, or nobody waited for it any more.
    pub at: Timestamp,
    /// After how many tries it is given up.
    pub tries: u32,
    /// What came of it.
    pub end: PostEnd,
}

/// What became of a dead payload that a person wanted to be sent after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revived {
    /// It is sent again as it was.
    Whole,
    /// Some of its records have a newer state, which must not be overtaken: so many others wait for a payload
    /// again.
    Parts(u32),
    /// It had been revived before, in vain: each of so many records goes as a payload of its own, so that one which
    /// nobody takes no longer holds up the others.
    Apart(u32),
    /// All of its records have a newer state: nothing of it is sent.
    Outdated,
}

/// How much of a stream is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxCounts {
    /// Records that wait for a payload.
    pub pending: u64,
    /// Payloads that are sent again until they are answered with 200.
    pub unfinished: u64,
    /// Payloads that were given up.
    pub dead: u64,
}
