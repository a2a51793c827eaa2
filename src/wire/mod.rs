//! What daemon and consoles say to each other: one JSON object per line over a Unix socket.
//!
//! Types only. This layer knows neither the engine nor the terminal. Every change of meaning raises
//! [`PROTOCOL`]; unknown fields are ignored, unknown requests are refused by name.

pub mod codec;
mod mapping;
mod module;
mod preview;
mod remote;
mod sides;
mod streams;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::mapping::{MapChange, MapChanged, MapLeftOut, MapLine, MapOrigin, MapSuggestion, MapVerb, MapView};
pub use self::module::{Failures, GuardLimit, ModuleSettings, ModuleView};
pub use self::preview::{Preview, PreviewAs, PreviewOf, PreviewQuery, StreamPart};
pub use self::remote::{HeldLane, Quota, Rate, RemoteStatus};
pub use self::sides::SideNames;
pub use self::streams::{AccessChecks, AccessQuery, StreamAuth, StreamItem, StreamItems, StreamRow, StreamVerb};
use crate::error::Error;
pub use crate::model::query::{Anchor, AuditQuery, Filter, PageQuery, Row, Rows};
use crate::model::{
    AuditRow, Choice, FieldMap, Fingerprint, Item, ItemId, MatchKind, MatchRow, MatchState, ModuleDef, ModuleId,
    Reason, RecordId, Role, Seq, Side, SourceChange, State, StreamId, Timestamp, Verb,
};

/// Version of this protocol. Client and daemon must have the same one.
pub const PROTOCOL: u32 = 4;

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

/// One entry of a match table. Its id is not called `id` on the wire: that is the call's own number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchEntry {
    /// Which table.
    pub kind: MatchKind,
    /// Whose entry.
    pub side: Side,
    /// Its id there.
    #[serde(rename = "entry")]
    pub id: RecordId,
}

/// What can be decided about an entry of a match table.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MatchVerb {
    /// Pair it by hand with an entry of the other side.
    Pair,
    /// Part it from its counterpart.
    Unpair,
    /// Set it aside: it takes part in no matching.
    Ignore,
    /// Let it take part again.
    Include,
    /// Create its counterpart on the other side (lead sources only).
    Create,
    /// Send the records again that went without it.
    Resend,
}

/// Which rows of a match table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchQuery {
    /// Which table.
    pub kind: MatchKind,
    /// Whose entries.
    pub side: Side,
    /// Only rows in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MatchState>,
    /// Only names and addresses that contain this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// After this row: [`MatchPage::more`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// One row of a match table as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchLine {
    /// The row. Remote text and personal data.
    pub row: MatchRow,
    /// Name of its counterpart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// Why it stands as it does; empty when there is nothing to explain.
    pub because: String,
    /// What `match update` would send to its counterpart; absent where they agree or it cannot be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<SourceChange>,
}

/// A window of a match table, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchPage {
    /// The rows.
    pub rows: Vec<MatchLine>,
    /// Where it goes on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
    /// Rows of the side by state, whatever the filter.
    pub counts: BTreeMap<MatchState, u64>,
    /// Why the table is not in use, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// What went wrong with the last listing, whose rows are those of the one before, or what to know before
    /// the table is used (C-19). A whole sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

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
    /// the store and in what is pushed; [`Request::Preview`] reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cut: BTreeMap<String, u64>,
}

/// The dashboard in one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Account name.
    pub account: String,
    /// The daemon.
    pub daemon: DaemonStatus,
    /// One row per module in sync order.
    pub modules: Vec<ModuleStatus>,
    /// One row per remote.
    pub remotes: Vec<RemoteStatus>,
    /// One row per side of each match table that is in use.
    #[serde(default)]
    pub matches: Vec<MatchStatus>,
    /// One row per stream; none where nothing is posted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamRow>,
    /// Notifications since the daemon started, where they are received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationStatus>,
    /// Audit position this reflects.
    pub seq: Seq,
}

/// Notifications that came (N-07).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationStatus {
    /// Genuine ones, those of the next two counts among them.
    pub received: u64,
    /// Delivered before.
    pub duplicate: u64,
    /// About nothing that is kept in step.
    pub unknown: u64,
    /// Not proved genuine, or unreadable.
    pub refused: u64,
    /// When the last genuine one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}

/// One side of a match table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchStatus {
    /// Which table.
    pub kind: MatchKind,
    /// Whose entries.
    pub side: Side,
    /// Rows by state.
    pub counts: BTreeMap<MatchState, u64>,
    /// Why the table is not in use, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Program version.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Since when.
    pub started_at: Timestamp,
    /// Its clock now.
    pub now: Timestamp,
    /// Consoles attached.
    pub clients: u32,
    /// Last thing that went wrong in the engine as a whole (disk, store).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// One module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleStatus {
    /// Which.
    pub name: ModuleId,
    /// `running`, `syncing`, `waiting` (for a quota), `paused`, `tripped`, `failing`, `stopped`.
    pub state: String,
    /// Direction ("both", "to_crm").
    pub direction: String,
    /// Seconds since the last completed sweep of the slower side; absent before the first.
    pub cursor_lag_s: Option<u64>,
    /// Seconds until the next sweep.
    pub next_run_s: Option<u64>,
    /// Items by state.
    pub counts: BTreeMap<State, u64>,
    /// Held items by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Pairs that differ because the CRM changed what iVvy owns, and may (V-43). Nobody is asked about them.
    #[serde(default)]
    pub drifted: u64,
    /// Writes per minute, last minute.
    pub rate_per_min: u32,
    /// Writes per minute, oldest first, for the sparkline.
    pub rates: Vec<u32>,
    /// Progress of a running sweep: rows read, total if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<(u64, Option<u64>)>,
    /// Why the guard holds, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// Last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Why some of its work waits although nothing is wrong, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
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
