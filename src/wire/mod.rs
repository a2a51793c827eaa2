//! What daemon and consoles say to each other: one JSON object per line over a Unix socket.
//!
//! Types only. This layer knows neither the engine nor the terminal. Every change of meaning raises
//! [`PROTOCOL`]; unknown fields are ignored, unknown requests are refused by name.

pub mod codec;
mod item;
mod mapping;
mod matching;
mod module;
mod preview;
mod remote;
mod sides;
mod status;
mod streams;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::item::{CandidateView, Decide, DecideResult, ItemView};
pub use self::mapping::{MapChange, MapChanged, MapLeftOut, MapLine, MapOrigin, MapSuggestion, MapVerb, MapView};
pub use self::matching::{MatchEntry, MatchLine, MatchPage, MatchQuery, MatchStatus, MatchVerb};
pub use self::module::{Failures, GuardLimit, ModuleSettings, ModuleView};
pub use self::preview::{Preview, PreviewAs, PreviewOf, PreviewQuery, StreamPart};
pub use self::remote::{HeldLane, Quota, Rate, RemoteStatus};
pub use self::sides::SideNames;
pub use self::status::{DaemonStatus, ModuleStatus, NotificationStatus, Status};
pub use self::streams::{AccessChecks, AccessQuery, StreamAuth, StreamItem, StreamItems, StreamRow, StreamVerb};
use crate::error::Error;
pub use crate::model::query::{Anchor, AuditQuery, Filter, PageQuery, Row, Rows};
use crate::model::{
    AuditRow, FieldMap, Fingerprint, Item, ItemId, MatchKind, ModuleDef, ModuleId, RecordId, Role, Seq, Side,
    SourceChange, StreamId, Timestamp,
};

/// Version of this protocol. Client and daemon must have the same one.
pub const PROTOCOL: u32 = 5;

/// Characters of a note that goes with a release.
pub const NOTE: std::ops::RangeInclusive<usize> = 3..=200;

/// Longest line accepted from either end, in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Client → daemon: a request with a number the reply repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the client, unique among its open requests.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

/// Daemon → client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "frame")]
pub enum Frame {
    /// First line after connecting.
    Hello(Hello),
    /// Answer to a [`Call`].
    Reply {
        /// The call's number.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// A call failed.
    Failed {
        /// The call's number.
        id: u64,
        /// Why.
        error: Error,
        /// For a stale decision: the item as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        current: Option<Box<Item>>,
    },
    /// Something changed; the client asks again for what it shows.
    Event(Event),
}

/// Who the daemon is and who it takes the client for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the daemon.
    pub protocol: u32,
    /// Program version of the daemon.
    pub version: String,
    /// Account name.
    pub account: String,
    /// "production", "sandbox", "demo", …
    pub environment: String,
    /// The operator's name as configured for the peer's uid.
    pub operator: String,
    /// What they may do.
    pub role: Role,
    /// The CRM's name ("odoo", "salesforce").
    pub crm: String,
    /// What people call the two sides.
    #[serde(default)]
    pub sides: SideNames,
    /// How strong a guarantee a write to each side has, in words, shown beside force-push.
    pub guarantees: BTreeMap<Side, String>,
    /// The effective module catalogue, custom fields included.
    pub modules: Vec<ModuleDef>,
    /// Modules that one of the two systems has no place for: they cannot be switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impossible: Vec<ModuleId>,
}

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Request {
    /// State of modules, counts, rates.
    Status,
    /// A window of the queue.
    Page(PageQuery),
    /// One item whole.
    Item {
        /// Which. Not `id` on the wire: that is the call's own number.
        #[serde(rename = "item")]
        id: ItemId,
    },
    /// A part of one value that is too long for the item, or a page of HTML.
    Preview(PreviewQuery),
    /// One decision. The daemon fills in actor and time.
    Decide(Decide),
    /// The same decision on several items, each on the version seen. The set is frozen by the client.
    DecideMany {
        /// One per item.
        decisions: Vec<Decide>,
    },
    /// A window of the audit log, newest first.
    Audit(AuditQuery),
    /// Check the audit chain.
    AuditVerify,
    /// One module: its settings in effect, what failed lately, its last sweeps.
    Module {
        /// Which.
        module: ModuleId,
        /// Only sweeps before the one with this number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// How many sweeps at most.
        limit: u32,
    },
    /// Start a sweep now.
    Sync {
        /// Which module; all when absent.
        module: Option<ModuleId>,
        /// Read everything, not only changes.
        full: bool,
    },
    /// Stop claiming and polling.
    Pause {
        /// Which module; all when absent.
        module: Option<ModuleId>,
    },
    /// Go on.
    Resume {
        /// Which module; all when absent.
        module: Option<ModuleId>,
    },
    /// What a module would write: what its guard holds or, while that is open, what goes by itself. As far
    /// as the last sweep has seen; asking reads no remote and writes nothing.
    GuardPlan {
        /// Which module.
        module: ModuleId,
    },
    /// Release what a guard holds. `expect` must be the number held, typed by the operator.
    GuardRelease {
        /// Which module.
        module: ModuleId,
        /// Release only this many, oldest first; all when absent.
        sample: Option<u64>,
        /// How many items the operator saw as held.
        expect: u64,
        /// Hash of the plan they saw; when given, a plan that has changed since is not released.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Fingerprint>,
        /// Who agreed to it, and when, for the audit log. Needed where [`GuardPlan::approval`] asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Throw the held plans away (they come back when the records change).
    GuardDiscard {
        /// Which module.
        module: ModuleId,
        /// How many items the operator saw as held.
        expect: u64,
    },
    /// A window of a match table.
    Matches(MatchQuery),
    /// What one entry of a match table could be paired with, and what depends on it.
    MatchOptions {
        /// Which.
        entry: MatchEntry,
        /// Only names or addresses that contain this; the most similar ones when empty.
        text: String,
    },
    /// A decision about one entry of a match table.
    MatchDecide {
        /// About which.
        entry: MatchEntry,
        /// What to do.
        verb: MatchVerb,
        /// The entry of the other side, for `pair`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<RecordId>,
    },
    /// Send the name and the active state of a lead source to its counterpart, as far as they differ (P-09).
    MatchUpdate {
        /// Which.
        entry: MatchEntry,
        /// What the operator saw would be sent: if that has changed, nothing is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect: Option<SourceChange>,
    },
    /// List both sides again and match anew.
    MatchRefresh {
        /// Which table; both when absent.
        kind: Option<MatchKind>,
        /// Take what is listed even if it is much less than before.
        #[serde(default)]
        accept: bool,
    },
    /// A module's field map, and the fields of both sides that could be mapped.
    MapShow {
        /// Which module.
        module: ModuleId,
    },
    /// Change a module's field map (admin).
    MapChange(MapChange),
    /// Versions of a module's field map, newest first.
    MapHistory {
        /// Which module.
        module: ModuleId,
        /// Only versions before this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u32>,
        /// How many at most.
        limit: u32,
    },
    /// Plan what differs in a mapped field as if it had never been agreed on, held by the guard (admin).
    MapResync {
        /// Which module.
        module: ModuleId,
        /// The field's short name.
        field: String,
        /// Only count what it would look at.
        dry_run: bool,
    },
    /// Every stream, and how it is doing.
    Streams,
    /// A window of what a stream set aside; of its dead posts, where we post.
    StreamItems {
        /// Which stream.
        stream: StreamId,
        /// After this number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// How many at most.
        limit: u32,
    },
    /// A window of the checks at gates that were told.
    AccessChecks(AccessQuery),
    /// Do something about a stream.
    StreamDo {
        /// Which stream.
        stream: StreamId,
        /// What.
        verb: StreamVerb,
    },
    /// Connection, permissions, skew, store health.
    Check,
    /// Compare every index and counter with the items; optionally rebuild.
    Doctor {
        /// Write what is derivable anew.
        rebuild: bool,
    },
    /// Send [`Event`]s from now on.
    Watch,
    /// Ask the daemon to stop cleanly (admin).
    Shutdown,
}

/// Answers, in the order of [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Answer {
    /// To `Status`.
    Status(Status),
    /// To `Page`.
    Rows(Rows),
    /// To `Item`.
    Item(Box<ItemView>),
    /// To `Preview`.
    Preview(Preview),
    /// To `Decide`: the item afterwards.
    Decided(Box<Item>),
    /// To `DecideMany`, in order.
    DecidedMany {
        /// One per decision sent.
        results: Vec<DecideResult>,
    },
    /// To `Audit`.
    Audit {
        /// Newest first.
        rows: Vec<AuditRow>,
    },
    /// To `AuditVerify`.
    AuditVerified {
        /// Rows checked.
        rows: u64,
        /// First row whose hash does not fit, if any.
        broken_at: Option<Seq>,
    },
    /// To `Module`.
    Module(Box<ModuleView>),
    /// To `GuardPlan`.
    Guard(GuardPlan),
    /// To `Matches`.
    Matches(MatchPage),
    /// To `MatchOptions`.
    MatchOptions {
        /// Entries of the other side, the most similar first.
        options: Vec<MatchLine>,
        /// Records that went, or wait to go, without this entry. Counting them looks at every record, so it is
        /// done only when no text was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        without: Option<u64>,
    },
    /// To `MapShow`.
    Map(Box<MapView>),
    /// To `MapChange`.
    MapChanged(MapChanged),
    /// To `MapHistory`.
    MapHistory {
        /// Newest first.
        versions: Vec<FieldMap>,
        /// How many older ones there are.
        #[serde(default)]
        more: u32,
    },
    /// To `Streams`.
    Streams {
        /// In the order of the configuration.
        rows: Vec<StreamRow>,
    },
    /// To `StreamItems`.
    StreamItems(StreamItems),
    /// To `AccessChecks`.
    AccessChecks(AccessChecks),
    /// To `Check`.
    Check {
        /// One row per thing checked.
        rows: Vec<CheckRow>,
    },
    /// To `Doctor`.
    Doctor {
        /// What did not fit; empty when clean.
        findings: Vec<String>,
        /// Whether it was rebuilt.
        rebuilt: bool,
    },
    /// To requests that only succeed.
    Done {
        /// One sentence.
        message: String,
    },
}

/// What a module would do, for the guard's screen and `sync --plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardPlan {
    /// Which module.
    pub module: ModuleId,
    /// Why it is held; `None` if the guard is open.
    pub tripped: Option<String>,
    /// Items held by the guard.
    pub held: u64,
    /// Items that go by themselves as soon as their turn comes; none while the guard is tripped.
    #[serde(default)]
    pub ready: u64,
    /// When the slower side was last read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Creates on iVvy, creates on the CRM.
    pub creates: BTreeMap<Side, u64>,
    /// Updates on each side.
    pub updates: BTreeMap<Side, u64>,
    /// Items that need a person anyway.
    pub conflicts: u64,
    /// Who has to have agreed before this much is written, and what to say about it; absent where nobody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// A few rows.
    pub samples: Vec<Row>,
    /// Hash of the plan, for `sync --approve`.
    pub hash: Fingerprint,
}

/// One line of `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// What was checked.
    pub what: String,
    /// Whether it is fine.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do, when not fine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A live event. Numbers are audit positions; a gap makes the client ask again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The store moved on to `seq`; `items` changed (empty and `overflow` set when too many).
    Changed {
        /// Newest audit position.
        seq: Seq,
        /// Items that changed since the last event, at most 256.
        items: Vec<ItemId>,
        /// More changed than are listed.
        overflow: bool,
    },
    /// An audit row, for `tandem watch`.
    Audit(AuditRow),
    /// The daemon is going away.
    Bye {
        /// Why.
        reason: String,
    },
}
