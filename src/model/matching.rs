//! Match tables: which person and which lead source of one system is which of the other (C-08 to C-25).
//!
//! What is matched is never synced: the tables only translate the ids that leads carry. Every entry of
//! either side has one [`MatchRow`]; a match is two rows that name each other. How rows come to match is
//! in `merge::people`.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::{Actor, MatchKind, RecordId, Side, Timestamp};

/// One person or lead source as a system lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The system's id, as leads carry it.
    pub id: RecordId,
    /// Name (remote text).
    pub name: String,
    /// E-mail address, for staff; `None` or blank is unmatchable.
    pub email: Option<String>,
    /// Whether it can be given to new leads: inactive ones stay known, and match nothing.
    pub active: bool,
}

/// How an entry stands. The number is stored in keys, so it never changes.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum MatchState {
    /// Nothing on the other side is taken for it: leads travel without it (C-12, C-22).
    Unmatched = 1,
    /// Several could be it, so none is used (P-12).
    Ambiguous = 2,
    /// Found by e-mail or name.
    Matched = 3,
    /// Paired by a person; no re-run changes that (C-25).
    Manual = 4,
    /// Set aside by a person: takes part in no matching.
    Ignored = 5,
}

impl MatchState {
    /// What needs a person comes first.
    pub const ALL: [Self; 5] = [Self::Unmatched, Self::Ambiguous, Self::Matched, Self::Manual, Self::Ignored];

    /// The number used in store keys.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether an entry in this state has a counterpart.
    pub fn is_paired(self) -> bool {
        matches!(self, Self::Matched | Self::Manual)
    }
}

/// One entry of one side, and what it is matched with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRow {
    /// Which table.
    pub kind: MatchKind,
    /// Whose entry it is.
    pub side: Side,
    /// Its id there.
    pub id: RecordId,
    /// Its name there (remote text; personal data for staff).
    pub name: String,
    /// Its e-mail address, for staff (personal data).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether its system would give it to a new lead.
    pub active: bool,
    /// Its system lists it no longer. Kept, because old leads carry its id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// How it stands.
    pub state: MatchState,
    /// Its counterpart; exactly for [`MatchState::is_paired`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<RecordId>,
    /// Entries of the other side with the same e-mail or name that are not used, and only the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<RecordId>,
    /// Entries of the other side from which a person parted it: never matched with them unasked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parted: Vec<RecordId>,
    /// A lead carries this unmatched source: to be created on the other side (C-23).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wanted: bool,
    /// Why it could not be created on the other side. Remote text: sanitise before display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who paired, parted or ignored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What of this lead source a person sent to its counterpart, until a listing shows it there (P-09).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SourceSent>,
    /// When anything about the row last changed.
    pub at: Timestamp,
}

impl MatchRow {
    /// A row for an entry that was not known before.
    pub fn new(kind: MatchKind, side: Side, entry: &Entry, at: Timestamp) -> Self {
        Self {
            kind,
            side,
            id: entry.id.clone(),
            name: entry.name.clone(),
            email: entry.email.clone(),
            active: entry.active,
            gone: false,
            state: MatchState::Unmatched,
            other: None,
            candidates: Vec::new(),
            parted: Vec::new(),
            wanted: false,
            error: None,
            decided_by: None,
            sent: None,
            at,
        }
    }

    /// The entry as it was last listed.
    pub fn entry(&self) -> Entry {
        Entry { id: self.id.clone(), name: self.name.clone(), email: self.email.clone(), active: self.active }
    }

    /// Whether a new lead could carry it.
    pub fn alive(&self) -> bool {
        self.active && !self.gone
    }

    /// What lists sort by and search in: the name in lower case without control characters.
    pub fn sort_name(&self) -> String {
        self.name.trim().chars().filter(|c| !c.is_control()).collect::<String>().to_lowercase()
    }

    /// Why it stands as it does, in one sentence without values; empty when there is nothing to explain. `listed`:
    /// whether the other system lists its own, so that not to be there means something.
    pub fn because(&self, listed: bool) -> &'static str {
        let staff = self.kind == MatchKind::Staff;
        match self.state {
            _ if self.gone => "no longer listed by its system",
            _ if !self.active => "inactive: not used for new leads",
            MatchState::Matched | MatchState::Manual => "",
            MatchState::Ignored => "set aside by a person",
            MatchState::Ambiguous if staff => "several people have this e-mail address, so none is used",
            MatchState::Ambiguous => "several lead sources have this name, so none is used",
            MatchState::Unmatched if staff && self.email.as_deref().is_none_or(|email| email.trim().is_empty()) => {
                "no e-mail address: it cannot be matched"
            }
            MatchState::Unmatched if !self.parted.is_empty() => "parted by a person",
            MatchState::Unmatched if !self.candidates.is_empty() => "its likely counterpart is inactive or taken",
            MatchState::Unmatched if self.wanted => "to be created on the other side",
            MatchState::Unmatched if !listed && staff => {
                "not known: the other system lists no staff to us (not declared, or refused)"
            }
            MatchState::Unmatched if !listed => {
                "not known: the other system lists no lead sources to us (not declared, or refused)"
            }
            MatchState::Unmatched if staff => "nobody on the other side has this e-mail address",
            MatchState::Unmatched => "nothing on the other side has this name",
        }
    }
}

/// What a lead source would have to become to be like its counterpart; `None` where they agree. Names agree whatever
/// their case (C-21).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceChange {
    /// This name (remote text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given to new leads, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

impl SourceChange {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.active.is_none()
    }

    /// What would change, without values: "name", "active state", or both.
    pub fn what(&self) -> &'static str {
        match (&self.name, self.active) {
            (Some(_), Some(_)) => "name and active state",
            (Some(_), None) => "name",
            (None, Some(_)) => "active state",
            (None, None) => "nothing",
        }
    }
}

/// A change of a lead source that was sent to the other side: on disk before the call, gone once a listing shows it.
/// It is never sent again unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSent {
    /// What was sent.
    pub change: SourceChange,
    /// When the call was about to leave.
    pub at: Timestamp,
    /// Who sent it.
    pub by: String,
    /// Why it did not arrive. Remote text: sanitise before display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A lead source about to be created: on disk before the call, gone once its outcome is on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIntent {
    /// Where it is created.
    pub side: Side,
    /// Its name without regard to case: at most one creation per name is under way.
    pub folded: String,
    /// The entry of the other side it is created for.
    pub of: RecordId,
    /// The name sent.
    pub name: String,
    /// Who asked for it.
    pub actor: Actor,
    /// When the call was about to leave.
    pub at: Timestamp,
    /// Since when its outcome is known to be unknown. It is looked up, never sent again blindly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_number_and_plain_rows_stay_short() {
        let numbers: std::collections::BTreeSet<u8> = MatchState::ALL.map(MatchState::number).into();
        assert_eq!(numbers.len(), MatchState::ALL.len());
        let entry = Entry { id: "1".into(), name: " Web\u{0} Site ".to_owned(), email: None, active: true };
        let row = MatchRow::new(MatchKind::LeadSource, Side::Crm, &entry, Timestamp::EPOCH);
        assert_eq!(row.sort_name(), "web site");
        let json = serde_json::to_string(&row).unwrap();
        assert!(!json.contains("parted") && !json.contains("error"), "{json}");
        assert_eq!(serde_json::from_str::<MatchRow>(&json).unwrap(), row);
    }
}
