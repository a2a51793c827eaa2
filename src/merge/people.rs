//! Matching people and lead sources (C-10, C-20, C-21, C-25): staff on the e-mail address, lead sources on
//! the name without regard to case.
//!
//! The rule behind every case: no owner rather than a wrong one (P-12). What is not certain is
//! [`MatchState::Ambiguous`] or [`MatchState::Unmatched`], never guessed; [`suggest`] only ever proposes.
//!
//! * Staff match while both are active and nobody else active has the address. They are matched anew each
//!   time: an account handed on to somebody else, with a new address, is another person.
//! * A matched lead source keeps its pair through a rename, and while inactive; only deletion ends it.
//! * What a person paired, parted or ignored stays so.

use std::collections::BTreeMap;

use super::canonical::canonical;
use super::matching::fold;
use crate::model::matching::{Entry, MatchRow, MatchState, SourceChange};
use crate::model::{FieldKind, MatchKind, RecordId, Side, Timestamp, Value};

/// Most candidates kept per row: enough to choose from, and hostile listings stay small.
const MAX_CANDIDATES: usize = 10;

/// Most suggestions.
const MAX_SUGGESTIONS: usize = 5;

/// Suggestions less alike than this would only be noise.
const LEAST_ALIKE: f64 = 0.7;

/// What an entry is matched on; `None` is unmatchable. Plus-tags of addresses are not folded: they can
/// be different people.
pub fn match_key(kind: MatchKind, name: &str, email: Option<&str>) -> Option<String> {
    match kind {
        MatchKind::Staff => match canonical(FieldKind::Email, &Value::text(email?)) {
            // "none" or "-" in two systems is nobody in particular.
            Value::Text(email) if email.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty()) => {
                Some(email)
            }
            _ => None,
        },
        MatchKind::LeadSource => Some(fold(name)).filter(|name| !name.is_empty()),
    }
}

/// The entries of `side` that are still listed, as rows know them.
pub fn entries_of(rows: &[MatchRow], side: Side) -> Vec<Entry> {
    rows.iter().filter(|row| row.side == side && !row.gone).map(MatchRow::entry).collect()
}

/// The match table of `kind` after both sides were listed; `before` is the table as it stood. Entries that
/// are listed no longer stay as gone rows. Rows come out by side and id; `at` moves only where something
/// changed, so that matching twice changes nothing.
pub fn rematch(kind: MatchKind, ivvy: &[Entry], crm: &[Entry], before: &[MatchRow], now: Timestamp) -> Vec<MatchRow> {
    let mut table = Table::load(kind, [ivvy, crm], before, now);
    table.drop_broken_pairs();
    if kind == MatchKind::LeadSource {
        table.keep_pairs(|ivvy, crm| ivvy.alive() && crm.alive());
    }
    table.match_by_key();
    if kind == MatchKind::LeadSource {
        table.keep_pairs(|ivvy, crm| !ivvy.gone && !crm.gone);
    }
    table.finish(before)
}

/// The entries of `others` most like `row`, best first, with a likeness from 0 to 1. Only entries that
/// could be paired are proposed.
pub fn suggest(row: &MatchRow, others: &[MatchRow]) -> Vec<(RecordId, f64)> {
    let ours = Likeness::of(row);
    let mut found: Vec<(RecordId, f64)> = others
        .iter()
        .filter(|other| other.kind == row.kind && other.side == row.side.other())
        .filter(|other| other.alive() && matches!(other.state, MatchState::Unmatched | MatchState::Ambiguous))
        .map(|other| (other.id.clone(), ours.to(&Likeness::of(other))))
        .filter(|(_, alike)| *alike >= LEAST_ALIKE)
        .collect();
    found.sort_by(|(left, l), (right, r)| r.total_cmp(l).then_with(|| left.cmp(right)));
    found.truncate(MAX_SUGGESTIONS);
    found
}

/// What `there` would have to become to be like `ours`, its counterpart; `None` where they are no pair of lead sources
/// that both systems list, or agree. Names agree whatever their case (C-21, P-09).
pub fn difference(ours: &MatchRow, there: &MatchRow) -> Option<SourceChange> {
    let paired = ours.kind == MatchKind::LeadSource
        && there.kind == ours.kind
        && there.side == ours.side.other()
        && (ours.other.as_ref(), there.other.as_ref()) == (Some(&there.id), Some(&ours.id));
    if !paired || ours.gone || there.gone {
        return None;
    }
    let change = SourceChange {
        name: (fold(&ours.name) != fold(&there.name)).then(|| ours.name.trim().to_owned()),
        active: (ours.active != there.active).then_some(ours.active),
    };
    Some(change).filter(|change| !change.is_empty())
}

/// Whether `row` is as `change` would have it.
pub fn is_like(row: &MatchRow, change: &SourceChange) -> bool {
    change.name.as_ref().is_none_or(|name| fold(name) == fold(&row.name))
        && change.active.is_none_or(|active| active == row.active)
}

/// What two entries are compared by for suggestions.
struct Likeness {
    name: String,
    /// The address before its `@`, with dots and the like as spaces, as names are written.
    mailbox: String,
}

impl Likeness {
    fn of(row: &MatchRow) -> Self {
        let mailbox = match row.kind {
            MatchKind::Staff => row.email.as_deref().and_then(|email| email.split_once('@')).map_or("", |(who, _)| who),
            MatchKind::LeadSource => "",
        };
        Self { name: fold(&row.name), mailbox: fold(&mailbox.replace(['.', '_', '-'], " ")) }
    }

    fn to(&self, other: &Self) -> f64 {
        let pairs = [
            (&self.name, &other.name),
            (&self.mailbox, &other.mailbox),
            (&self.name, &other.mailbox),
            (&self.mailbox, &other.name),
        ];
        let alike = |(left, right): (&String, &String)| match left.is_empty() || right.is_empty() {
            true => 0.0,
            false => strsim::jaro_winkler(left, right),
        };
        pairs.map(alike).into_iter().fold(0.0, f64::max)
    }
}

/// The table being made.
struct Table {
    kind: MatchKind,
    /// Per side, by id.
    rows: [BTreeMap<RecordId, MatchRow>; 2],
    /// Automatic pairs as they stood, by iVvy id.
    pairs: Vec<(RecordId, RecordId)>,
    now: Timestamp,
}

impl Table {
    /// Every known entry, with what people decided; automatic results are taken back, but remembered.
    fn load(kind: MatchKind, listed: [&[Entry]; 2], before: &[MatchRow], now: Timestamp) -> Self {
        let mut table = Self { kind, rows: [BTreeMap::new(), BTreeMap::new()], pairs: Vec::new(), now };
        for row in before.iter().filter(|row| row.kind == kind) {
            if let (MatchState::Matched, Side::Ivvy, Some(other)) = (row.state, row.side, &row.other) {
                table.pairs.push((row.id.clone(), other.clone()));
            }
            let mut row = MatchRow { gone: true, candidates: Vec::new(), ..row.clone() };
            if matches!(row.state, MatchState::Matched | MatchState::Ambiguous) {
                (row.state, row.other) = (MatchState::Unmatched, None);
            }
            table.rows[row.side as usize].insert(row.id.clone(), row);
        }
        for (side, entries) in Side::BOTH.into_iter().zip(listed) {
            for entry in entries {
                let row = table.rows[side as usize]
                    .entry(entry.id.clone())
                    .or_insert_with(|| MatchRow::new(kind, side, entry, now));
                let Entry { id: _, name, email, active } = entry.clone();
                (row.name, row.email, row.active, row.gone) = (name, email, active, false);
            }
        }
        table
    }

    fn row(&self, side: Side, id: &RecordId) -> Option<&MatchRow> {
        self.rows[side as usize].get(id)
    }

    fn row_mut(&mut self, side: Side, id: &RecordId) -> Option<&mut MatchRow> {
        self.rows[side as usize].get_mut(id)
    }

    /// A pair by hand of which only one half is known is none.
    fn drop_broken_pairs(&mut self) {
        for side in Side::BOTH {
            let broken: Vec<RecordId> = self.rows[side as usize]
                .values()
                .filter(|row| row.state == MatchState::Manual)
                .filter(|row| {
                    let partner = row.other.as_ref().and_then(|other| self.row(side.other(), other));
                    partner.is_none_or(|partner| {
                        partner.state != MatchState::Manual || partner.other.as_ref() != Some(&row.id)
                    })
                })
                .map(|row| row.id.clone())
                .collect();
            for id in broken {
                if let Some(row) = self.row_mut(side, &id) {
                    (row.state, row.other) = (MatchState::Unmatched, None);
                }
            }
        }
    }

    /// Pairs again what was paired and nobody has claimed since, where `fits`.
    fn keep_pairs(&mut self, fits: impl Fn(&MatchRow, &MatchRow) -> bool) {
        for (ivvy, crm) in self.pairs.clone() {
            let free = |row: &&MatchRow| row.state == MatchState::Unmatched;
            let halves = (self.row(Side::Ivvy, &ivvy).filter(free), self.row(Side::Crm, &crm).filter(free));
            if let (Some(left), Some(right)) = halves
                && fits(left, right)
                && !parted(left, right)
            {
                self.join(&ivvy, &crm);
            }
        }
    }

    fn join(&mut self, ivvy: &RecordId, crm: &RecordId) {
        for (side, id, other) in [(Side::Ivvy, ivvy, crm), (Side::Crm, crm, ivvy)] {
            if let Some(row) = self.row_mut(side, id) {
                row.state = MatchState::Matched;
                row.other = Some(other.clone());
                row.candidates.clear();
            }
        }
    }

    /// Entries with one key: a single one on each side match, several are ambiguous.
    fn match_by_key(&mut self) {
        for group in self.groups().into_values() {
            let [ivvy, crm] = &group.alive;
            if let ([left], [right]) = (ivvy.as_slice(), crm.as_slice())
                && let (Some(l), Some(r)) = (self.row(Side::Ivvy, left), self.row(Side::Crm, right))
                && l.state == MatchState::Unmatched
                && r.state == MatchState::Unmatched
                && !parted(l, r)
            {
                self.join(left, right);
                continue;
            }
            let doubled = ivvy.len() > 1 || crm.len() > 1;
            for (side, ids) in Side::BOTH.into_iter().zip(&group.alive) {
                let there = side.other() as usize;
                let rest = if group.alive[there].is_empty() { &group.resting[there] } else { &group.alive[there] };
                for id in ids {
                    let Some(row) = self.row_mut(side, id).filter(|row| row.state == MatchState::Unmatched) else {
                        continue;
                    };
                    row.candidates = rest.iter().take(MAX_CANDIDATES).cloned().collect();
                    if doubled {
                        row.state = MatchState::Ambiguous;
                    }
                }
            }
        }
    }

    /// Everything listed that takes part, by key. What is paired already counts too: it makes a second
    /// entry of the same name a double.
    fn groups(&self) -> BTreeMap<String, Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let listed = self.rows.iter().flat_map(BTreeMap::values).filter(|row| !row.gone);
        for row in listed.filter(|row| row.state != MatchState::Ignored) {
            if let Some(key) = match_key(self.kind, &row.name, row.email.as_deref()) {
                let group = groups.entry(key).or_default();
                let ids = if row.active { &mut group.alive } else { &mut group.resting };
                ids[row.side as usize].push(row.id.clone());
            }
        }
        groups
    }

    /// Takes away what no longer holds, and dates what changed.
    fn finish(self, before: &[MatchRow]) -> Vec<MatchRow> {
        let known: BTreeMap<(Side, &RecordId), &MatchRow> =
            before.iter().filter(|row| row.kind == self.kind).map(|row| ((row.side, &row.id), row)).collect();
        let now = self.now;
        let mut rows: Vec<MatchRow> = self.rows.into_iter().flat_map(BTreeMap::into_values).collect();
        for row in &mut rows {
            let old = known.get(&(row.side, &row.id));
            let renamed = old.is_some_and(|old| old.name != row.name);
            let open = row.state == MatchState::Unmatched && row.alive();
            row.wanted &= open;
            // What the other side said of a name says nothing about the next one.
            row.error = row.error.take().filter(|_| open && !renamed);
            let decided = matches!(row.state, MatchState::Manual | MatchState::Ignored) || !row.parted.is_empty();
            row.decided_by = row.decided_by.take().filter(|_| decided);
            // What was sent was sent to that counterpart.
            row.sent = row.sent.take().filter(|_| old.is_some_and(|old| row.other.is_some() && old.other == row.other));
            row.at = old.map_or(now, |old| old.at);
            if old.is_some_and(|old| *old != row) {
                row.at = now;
            }
        }
        rows
    }
}

/// Entries with one key, per side.
#[derive(Default)]
struct Group {
    alive: [Vec<RecordId>; 2],
    /// Listed, but inactive.
    resting: [Vec<RecordId>; 2],
}

fn parted(left: &MatchRow, right: &MatchRow) -> bool {
    left.parted.contains(&right.id) || right.parted.contains(&left.id)
}

/// Rows of `after` that differ from `before`, with the state they had.
pub fn changes<'a>(before: &[MatchRow], after: &'a [MatchRow]) -> Vec<(Option<MatchState>, &'a MatchRow)> {
    let known: BTreeMap<(Side, &RecordId), &MatchRow> = before.iter().map(|row| ((row.side, &row.id), row)).collect();
    after
        .iter()
        .filter_map(|row| match known.get(&(row.side, &row.id)) {
            Some(old) if *old == row => None,
            old => Some((old.map(|old| old.state), row)),
        })
        .collect()
}

/// Entries of `side` that are listed under this folded name, active or not: a new one would be a double.
pub fn named<'a>(rows: &'a [MatchRow], side: Side, folded: &str) -> Vec<&'a MatchRow> {
    rows.iter().filter(|row| row.side == side && !row.gone && fold(&row.name) == folded).collect()
}

#[cfg(test)]
mod tests;
