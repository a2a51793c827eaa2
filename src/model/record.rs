//! What a remote showed us: records, our last observation of each, and how far a sweep has read.

use serde::{Deserialize, Serialize};

use super::{Fields, Fingerprint, ModuleId, RecordId, Side, Timestamp};

/// One remote record in Tandem's field names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The remote's own id.
    pub id: RecordId,
    /// Mapped fields, typed but not normalised. A missing key is *absent*, never a change (I27).
    pub fields: Fields,
    /// The remote's version token for a conditional write (etag, last-modified text), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The remote's modification stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Who modified it last, where the remote tells. A hint for the display, never a filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The remote has erased the person behind it (iVvy `isAnonymised`, V-21).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymised: bool,
    /// The remote has archived it (Odoo `active = false`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// For a lead: the contact of the same system that it is about (iVvy), or that it became (CRM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<RecordId>,
    /// It is a lead no longer: its system has turned it into a contact or an opportunity (P-05).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub converted: bool,
}

impl Record {
    /// Fingerprint of everything that could matter to a plan; the stamp and version are left out,
    /// because a remote may move them without changing anything (`engine.md` 5.6).
    pub fn fingerprint(&self) -> Fingerprint {
        let record = (&self.id, &self.fields, self.anonymised, self.archived);
        // As it was before leads could be converted, so that an upgrade is not taken for a change.
        if self.converted { Fingerprint::of(&(record, &self.person)) } else { Fingerprint::of(&record) }
    }
}

/// The last thing we saw of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Its module.
    pub module: ModuleId,
    /// The side it lives on.
    pub side: Side,
    /// The record as last seen.
    pub record: Record,
    /// [`Record::fingerprint`] of `record`.
    pub hash: Fingerprint,
    /// When we saw it.
    pub seen_at: Timestamp,
    /// How we came to see it.
    pub source: Source,
    /// Folded identity (`merge::matching::identity`) for first pairing; `None` when incomplete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The counterpart named by the record itself: iVvy `externalId`, or our key on the CRM side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<String>,
    /// Complete sweeps in a row that did not contain the record; two and a 404 prove deletion.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed_sweeps: u8,
    /// A direct read answered "not found", or that the record was merged away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The record this one was merged into, if a direct read said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<RecordId>,
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Where an observation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A list sweep.
    Poll,
    /// A direct read: freshness check, proof, or an operator's look.
    Read,
    /// The read-back after our own write.
    ReadBack,
}

/// How far one (module, side) has been read (`engine.md` 5.7). Moves only in the commit that also
/// stores the rows it covers (I13).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Everything stamped up to here has been observed (minus the overlap). Server time.
    pub watermark: Timestamp,
    /// The sweep that is running, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// When the last complete sweep over *all* records ended; `None` until the baseline stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_full: Option<Timestamp>,
    /// When the last sweep of any kind ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sweep: Option<Timestamp>,
    /// How many sweeps have been completed.
    #[serde(default)]
    pub sweeps: u64,
    /// Rows in the last complete full sweep, for the "side halved" guard.
    #[serde(default)]
    pub last_full_rows: u64,
    /// How long the last sweep took, in milliseconds: part of the next overlap.
    #[serde(default)]
    pub last_duration_ms: u64,
}

/// A sweep in progress, as it stood with its last page. What it was to read stays unread until it is complete:
/// after a restart the sweep begins again, from the same watermark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Number of this sweep.
    pub id: u64,
    /// Whether it reads everything.
    pub full: bool,
    /// When it started, in our time.
    pub started_at: Timestamp,
    /// The server's own time when it started, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<Timestamp>,
    /// Lower bound (inclusive) on the modification stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The adapter's opaque place to go on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Largest stamp seen so far.
    pub max_stamp: Timestamp,
    /// Rows read so far.
    pub rows: u64,
    /// How often an unstable listing forced it to start again.
    pub restarts: u32,
}
