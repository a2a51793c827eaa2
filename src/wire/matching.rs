//! Match tables as consoles see them: windows of rows, what can be decided about one.
//!
//! Types only, like the rest of the wire. Names and addresses of people are in the rows: they are for the screen,
//! never for a log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{MatchKind, MatchRow, MatchState, RecordId, Side, SourceChange};

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
