//! The states, reasons and verbs of queue items, and the one table of what may follow what
//! (`engine.md` 5.3). The store refuses any transition that is not in this table.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};

/// Where an item stands. The number is stored in keys and never changes.
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
pub enum State {
    /// A change was seen and waits for a plan.
    New = 0,
    /// A person must decide; the reasons say why.
    Held = 1,
    /// Waits for its parent record's link.
    Blocked = 2,
    /// Planned or approved; will be pushed.
    Ready = 3,
    /// A push is under way: its intent is on disk.
    Inflight = 4,
    /// A push was sent and its outcome is not known; waits for proof.
    Unknown = 5,
    /// Not applied for a passing cause; waits for its next attempt.
    Retry = 6,
    /// Attempts used up.
    Dead = 7,
    /// Both sides agree.
    Done = 8,
    /// The difference stays: an operator chose to leave it, or it is drift that may stand. Remembers what it
    /// looked like.
    Skipped = 9,
    /// Replaced by another item.
    Superseded = 10,
}

impl State {
    /// The number used in store keys.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The state with this store number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::iter().find(|state| state.number() == number)
    }

    /// Whether the item still stands for unfinished work; at most one per pair (I3).
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Done | Self::Skipped | Self::Superseded)
    }

    /// Whether a write to a remote may be under way: no verb is accepted (I4).
    pub fn has_intent(self) -> bool {
        matches!(self, Self::Inflight | Self::Unknown)
    }

    /// The states that may follow this one. Staying in a state (with a new version) is listed where
    /// it is allowed.
    pub fn successors(self) -> &'static [State] {
        use State::*;
        match self {
            New => &[New, Held, Blocked, Ready, Skipped, Done, Superseded],
            Held => &[Held, New, Ready, Blocked, Skipped, Done, Superseded],
            Blocked => &[Blocked, New, Held, Ready, Skipped, Done, Superseded],
            Ready => &[Ready, New, Held, Blocked, Inflight, Skipped, Done, Superseded, Dead],
            Inflight => &[New, Retry, Held, Ready, Unknown, Blocked, Done, Dead, Superseded],
            Unknown => &[Unknown, New, Ready, Held, Blocked, Done, Superseded],
            Retry => &[Retry, New, Held, Blocked, Ready, Inflight, Dead, Skipped, Done, Superseded],
            Dead => &[New, Ready, Held, Blocked, Skipped, Done, Superseded],
            Skipped => &[Skipped, New, Held, Ready, Blocked, Done, Superseded],
            Done | Superseded => &[],
        }
    }

    /// One letter or sign, so that meaning never hangs on colour alone.
    pub fn glyph(self) -> char {
        match self {
            Self::New => '+',
            Self::Held => '?',
            Self::Blocked => '^',
            Self::Ready => '>',
            Self::Inflight => '~',
            Self::Unknown => '.',
            Self::Retry => 'r',
            Self::Dead => '!',
            Self::Done => '=',
            Self::Skipped => '-',
            Self::Superseded => 'x',
        }
    }
}

/// Why an item is held. The number is stored in keys and never changes.
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
pub enum Reason {
    /// Both sides changed the same field.
    Conflict = 0,
    /// Several records could be the counterpart.
    Ambiguous = 1,
    /// A reference points at something that is not linked and cannot be.
    UnmatchedRef = 2,
    /// The remote, or our own check, refuses the values.
    Validation = 3,
    /// The bulk guard is tripped.
    Guard = 4,
    /// The counterpart was deleted.
    Delete = 5,
    /// The counterpart was merged into another record.
    Merge = 6,
    /// First pairing: both sides hold different values and no agreement exists.
    FirstSync = 7,
    /// The CRM changed what iVvy owns, and by policy that stands until iVvy's own value changes (V-43).
    Drift = 8,
    /// The two sides keep overwriting each other.
    Flap = 9,
    /// A sent write could neither be proved nor disproved.
    Unproven = 10,
    /// A standing rule asks for a person.
    Rule = 11,
    /// A second person must confirm.
    SecondPerson = 12,
    /// An operator took a `ready` item back, or put it off until a time.
    Parked = 13,
    /// The person behind the record was anonymised (V-21).
    Anonymised = 14,
}

impl Reason {
    /// The number used in store keys.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The state of the items with this reason: drift asks nobody anything, so it is skipped, not held.
    pub fn state(self) -> State {
        match self {
            Self::Drift => State::Skipped,
            _ => State::Held,
        }
    }

    /// One sentence for a person.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Conflict => "both sides changed the same field since they last agreed",
            Self::Ambiguous => "several records could be the counterpart",
            Self::UnmatchedRef => "it refers to a record that has no counterpart",
            Self::Validation => "the values were refused",
            Self::Guard => "the bulk guard holds it until someone releases the module",
            Self::Delete => "the counterpart is gone",
            Self::Merge => "the counterpart was merged into another record",
            Self::FirstSync => "first pairing: the sides differ and have never agreed",
            Self::Drift => "the CRM changed what iVvy owns; it stays until iVvy's own value changes",
            Self::Flap => "the two sides keep overwriting each other",
            Self::Unproven => "a write was sent and could be neither proved nor disproved",
            Self::Rule => "a rule asks for a person",
            Self::SecondPerson => "a second person must confirm",
            Self::Parked => "an operator took it back",
            Self::Anonymised => "the person was anonymised; personal data is not written back",
        }
    }
}

/// A set of [`Reason`]s, stored as a bit set, written in JSON as a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reasons(u32);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);

    /// Exactly this reason.
    pub fn one(reason: Reason) -> Self {
        Self(1 << reason.number())
    }

    /// With `reason` added.
    #[must_use]
    pub fn with(self, reason: Reason) -> Self {
        Self(self.0 | 1 << reason.number())
    }

    /// With `reason` taken away.
    #[must_use]
    pub fn without(self, reason: Reason) -> Self {
        Self(self.0 & !(1 << reason.number()))
    }

    /// Whether `reason` is in the set.
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & (1 << reason.number()) != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in number order.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::iter().filter(move |reason| self.contains(*reason))
    }

    /// The stored bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From stored bits; unknown bits are dropped.
    pub fn from_bits(bits: u32) -> Self {
        Reason::iter().filter(|reason| bits & (1 << reason.number()) != 0).collect()
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Self {
        reasons.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Serialize for Reasons {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Reasons {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Reason>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What an operator may ask of an item.
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
pub enum Verb {
    /// Carry out the plan with the choices made.
    Approve,
    /// Leave the difference as it is.
    Skip,
    /// Come back to it later.
    Snooze,
    /// Push one side's record over the other.
    Force,
    /// Set a field's result without deciding yet.
    Edit,
    /// Take a `ready` item back.
    Hold,
    /// Take the last decision back, or propose the reverse of a finished push.
    Undo,
    /// Try again now.
    Retry,
    /// Look again at something skipped.
    Reopen,
    /// Settle an unproven write: it arrived.
    Arrived,
    /// Settle an unproven write: send it again.
    Resend,
    /// Pair with a candidate (first pairing).
    Pair,
    /// Take it for oneself for a while.
    Claim,
}

impl Verb {
    /// The states in which the verb is accepted (`engine.md` 5.3).
    pub fn accepts(self, state: State) -> bool {
        use State::*;
        match self {
            Self::Approve | Self::Arrived | Self::Resend | Self::Pair => state == Held,
            Self::Skip | Self::Snooze => matches!(state, Held | Ready | Retry | Dead | Blocked),
            Self::Force => matches!(state, Held | Ready | Dead),
            Self::Edit => matches!(state, Held | Dead),
            Self::Hold => state == Ready,
            Self::Undo => matches!(state, Ready | Done),
            Self::Retry => matches!(state, Dead | Retry),
            Self::Reopen => state == Skipped,
            Self::Claim => state.is_open() && !state.has_intent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_verb_is_accepted_while_a_write_is_under_way_i4() {
        for verb in Verb::iter() {
            assert!(!verb.accepts(State::Inflight), "{verb}");
            assert!(!verb.accepts(State::Unknown), "{verb}");
            assert!(!verb.accepts(State::Superseded), "{verb}");
        }
    }

    #[test]
    fn unknown_leaves_only_by_proof_or_operator_i17() {
        assert!(!State::Unknown.successors().contains(&State::Inflight));
        assert!(!State::Unknown.successors().contains(&State::Retry));
        assert!(!State::Unknown.successors().contains(&State::Skipped));
    }

    #[test]
    fn closed_states_stay_closed_but_skipped_reopens() {
        assert!(State::Done.successors().is_empty() && State::Superseded.successors().is_empty());
        assert!(State::Skipped.successors().contains(&State::New));
    }

    #[test]
    fn reasons_round_trip_through_bits_and_json() {
        let set: Reasons = [Reason::Conflict, Reason::Guard].into_iter().collect();
        assert_eq!(Reasons::from_bits(set.bits()), set);
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["conflict","guard"]"#);
        assert!(set.without(Reason::Guard).contains(Reason::Conflict));
    }

    #[test]
    fn glyphs_are_distinct() {
        let glyphs: std::collections::BTreeSet<char> = State::iter().map(State::glyph).collect();
        assert_eq!(glyphs.len(), State::iter().count());
    }
}
