//! The pure vocabulary of Tandem: what a record, a link, a plan, an item and a decision *are*.
//!
//! This layer refuses to do anything: no I/O, no clocks, no randomness, no knowledge of any remote
//! system's wire format. Every other layer may use it; it uses none of them.

pub mod audit;
pub mod decision;
pub mod fingerprint;
pub mod guard;
pub mod id;
pub mod intent;
pub mod item;
pub mod link;
pub mod mapping;
pub mod matching;
pub mod module;
pub mod plan;
pub mod push;
pub mod query;
pub mod record;
pub mod run;
pub mod state;
pub mod stream;
pub mod time;
pub mod value;

pub use audit::{AuditEvent, AuditRow};
pub use decision::{Actor, Choice, Decision, Role};
pub use fingerprint::Fingerprint;
pub use id::{ItemId, LinkId, RecordId, Seq};
pub use intent::{Intent, Operation};
pub use item::{Item, ItemError, Kind};
pub use link::{Base, BaseField, Link, LinkState, PairKey};
pub use mapping::{CustomField, CustomKind, FieldDefinition, FieldMap, FieldMaps, Finding, MappedField, Transform};
pub use matching::{MatchRow, MatchState, SourceChange, SourceSent};
pub use module::{Drift, FieldDef, FieldKind, Flow, Group, MatchKind, Membership, ModuleDef, ModuleId, Side};
pub use plan::{FieldPlan, Plan, Verdict, Why};
pub use push::{OutboxCounts, Outgoing, Post, PostEnd, PostRecord, PostTry, Revived};
pub use record::{Cursor, Observation, Record};
pub use run::{RunEnd, RunKind, RunRow};
pub use state::{Reason, Reasons, State, Verb};
pub use stream::{
    AccessCheck, Failing, FirstSync, Gap, Health, PushRun, Quarantined, Rhythm, Shelved, StreamId, StreamKind,
    StreamState,
};
pub use time::Timestamp;
pub use value::{Fields, Value};
