//! Match tables: rows of people and lead sources with their list index and counters, and the intents of
//! lead sources about to be created.
//!
//! A pair is two rows that name each other; an operation that would leave half of one is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::codec;
use super::error::{Result, StoreError};
use super::header::{CounterKey, IndexRow};
use super::keys::{self, Key, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::matching::{MatchRow, MatchState, SourceIntent};
use crate::model::{MatchKind, RecordId, Side};

/// Index place that stands for "whatever the state".
const ANY_STATE: u8 = 0;

/// Index place of rows that wait for their creation on the other side.
const WANTED: u8 = u8::MAX;

/// Bytes of a name kept in the index: what lists sort by and a needle searches.
const NAME_BYTES: usize = 256;

/// First byte of a counter of match rows is this plus the kind; module numbers stay below.
const COUNTERS: u8 = 0xF0;

/// Which rows to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchFilter<'a> {
    /// Only rows in this state.
    pub state: Option<MatchState>,
    /// Only rows whose name or e-mail contains this, in any case.
    pub needle: Option<&'a str>,
}

fn kind_key(kind: MatchKind, side: Side) -> Key {
    Key::new().byte(kind as u8).side(side)
}

fn row_key(kind: MatchKind, side: Side, id: &RecordId) -> Vec<u8> {
    kind_key(kind, side).raw(id.as_str().as_bytes()).done()
}

fn counter_key(kind: MatchKind, side: Side, state: MatchState) -> CounterKey {
    [COUNTERS | kind as u8, side as u8, state.number()]
}

pub(super) fn row(source: &dyn Source, kind: MatchKind, side: Side, id: &RecordId) -> Result<Option<MatchRow>> {
    source::get(source, Tab::MatchRows, &row_key(kind, side, id), codec::decode)
}

pub(super) fn all(source: &dyn Source, kind: MatchKind) -> Result<Vec<MatchRow>> {
    let span = Span::prefix(Key::new().byte(kind as u8).done());
    source::collect(source, Tab::MatchRows, &span, usize::MAX, |_, value| codec::decode(value))
}

pub(super) fn rows(
    source: &dyn Source,
    kind: MatchKind,
    side: Side,
    filter: MatchFilter<'_>,
    after: Option<&RecordId>,
    limit: usize,
) -> Result<Vec<MatchRow>> {
    let place = filter.state.map_or(ANY_STATE, MatchState::number);
    let needle = filter.needle.map(|needle| needle.trim().to_lowercase()).unwrap_or_default();
    in_place(source, kind, side, place, after, limit, |name, email| {
        needle.is_empty() || contains(name, &needle) || contains(email, &needle)
    })
}

pub(super) fn wanted(source: &dyn Source, kind: MatchKind, side: Side) -> Result<Vec<MatchRow>> {
    in_place(source, kind, side, WANTED, None, usize::MAX, |_, _| true)
}

fn contains(text: &[u8], needle: &str) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.contains(needle))
}

/// Rows of one index place by name, from the one after `after`, wherever that stands by now.
fn in_place(
    source: &dyn Source,
    kind: MatchKind,
    side: Side,
    place: u8,
    after: Option<&RecordId>,
    limit: usize,
    take: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Vec<MatchRow>> {
    let prefix = kind_key(kind, side).byte(place).done();
    let mut span = Span::prefix(prefix.clone());
    if let Some(after) = after.map(|after| row(source, kind, side, after)).transpose()?.flatten() {
        span = span.after(index_key(&after, place));
    }
    let mut ids = Vec::new();
    if limit > 0 {
        source.scan(Tab::MatchNames, &span, Direction::Up, &mut |key, email| {
            let (name, id) = split_name(&key[prefix.len()..])?;
            if take(name, email) {
                ids.push(keys::rest_record(id)?);
            }
            Ok(if ids.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
    }
    ids.iter()
        .map(|id| row(source, kind, side, id)?.ok_or_else(|| StoreError::corrupt("a listed match row is missing")))
        .collect()
}

/// Name and id at the end of an index key.
fn split_name(rest: &[u8]) -> Result<(&[u8], &[u8])> {
    let end = rest.iter().position(|byte| *byte == 0);
    let (name, id) = end.map(|end| rest.split_at(end)).ok_or_else(|| StoreError::corrupt("a key is too short"))?;
    Ok((name, &id[1..]))
}

pub(super) fn counts(source: &dyn Source, kind: MatchKind, side: Side) -> Result<BTreeMap<MatchState, u64>> {
    let mut counts = BTreeMap::new();
    for state in MatchState::ALL {
        let count = source.counter(counter_key(kind, side, state))?;
        if count > 0 {
            counts.insert(state, count);
        }
    }
    Ok(counts)
}

/// Both halves must be such that a new lead could carry them.
pub(super) fn counterpart_of(
    source: &dyn Source,
    kind: MatchKind,
    side: Side,
    id: &RecordId,
) -> Result<Option<RecordId>> {
    let Some(row) = row(source, kind, side, id)?.filter(|row| row.state.is_paired() && row.alive()) else {
        return Ok(None);
    };
    let Some(other) = row.other else { return Ok(None) };
    let there = self::row(source, kind, side.other(), &other)?;
    Ok(there.filter(MatchRow::alive).map(|there| there.id))
}

/// The name has no zero byte, so the first one ends it: names sort as text, ids break ties.
fn index_key(row: &MatchRow, place: u8) -> Vec<u8> {
    let name = row.sort_name();
    kind_key(row.kind, row.side)
        .byte(place)
        .raw(codec::cut(&name, NAME_BYTES).as_bytes())
        .byte(0)
        .raw(row.id.as_str().as_bytes())
        .done()
}

/// The index rows a match row must have.
pub(super) fn index_rows(row: &MatchRow) -> Vec<IndexRow> {
    let email = row.email.as_deref().unwrap_or_default().to_lowercase().into_bytes();
    [ANY_STATE, row.state.number()]
        .into_iter()
        .chain(row.wanted.then_some(WANTED))
        .map(|place| IndexRow { tab: Tab::MatchNames, key: index_key(row, place), value: email.clone() })
        .collect()
}

/// The counter a match row is part of.
pub(super) fn counter(row: &MatchRow) -> CounterKey {
    counter_key(row.kind, row.side, row.state)
}

/// What is wrong with a row and its counterpart, if anything.
pub(super) fn half_pair(source: &dyn Source, row: &MatchRow) -> Result<Option<&'static str>> {
    if row.state.is_paired() != row.other.is_some() {
        return Ok(Some("is matched with nothing, or unmatched with something"));
    }
    let Some(other) = &row.other else { return Ok(None) };
    let there = self::row(source, row.kind, row.side.other(), other)?;
    let mutual = there.is_some_and(|there| there.other.as_ref() == Some(&row.id) && there.state == row.state);
    Ok((!mutual).then_some("is matched with something that is not matched with it"))
}

fn intent_key(side: Side, folded: &str) -> Vec<u8> {
    kind_key(MatchKind::LeadSource, side).raw(&keys::indexed(folded)).done()
}

pub(super) fn source_intent(source: &dyn Source, side: Side, folded: &str) -> Result<Option<SourceIntent>> {
    source::get(source, Tab::MatchIntents, &intent_key(side, folded), codec::decode)
}

pub(super) fn source_intents(source: &dyn Source) -> Result<Vec<SourceIntent>> {
    source::collect(source, Tab::MatchIntents, &Span::all(), usize::MAX, |_, value| codec::decode(value))
}

impl Tx<'_> {
    /// Writes match rows, new or changed, with index and counters. Both halves of a pair that is made or
    /// ended must be among them.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] for an id that is too long, or if half a pair would be left.
    pub fn put_match_rows(&mut self, rows: &[MatchRow]) -> Result<()> {
        let mut concerned: BTreeSet<(MatchKind, Side, RecordId)> = BTreeSet::new();
        for row in rows {
            keys::check_record(&row.id)?;
            let key = row_key(row.kind, row.side, &row.id);
            let old: Option<MatchRow> = source::get(self, Tab::MatchRows, &key, codec::decode)?;
            let (before, after) = (old.as_ref().map(index_rows).unwrap_or_default(), index_rows(row));
            for gone in before.iter().filter(|row| !after.contains(row)) {
                self.remove(gone.tab, &gone.key)?;
            }
            for new in after.iter().filter(|row| !before.contains(row)) {
                self.insert(new.tab, &new.key, &new.value)?;
            }
            if old.as_ref().map(counter) != Some(counter(row)) {
                if let Some(old) = &old {
                    self.count(counter(old), false)?;
                }
                self.count(counter(row), true)?;
            }
            self.insert(Tab::MatchRows, &key, &codec::encode(row)?)?;
            concerned.insert((row.kind, row.side, row.id.clone()));
            for other in old.and_then(|old| old.other).into_iter().chain(row.other.clone()) {
                concerned.insert((row.kind, row.side.other(), other));
            }
        }
        for (kind, side, id) in concerned {
            if let Some(row) = row(self, kind, side, &id)?
                && let Some(what) = half_pair(self, &row)?
            {
                return Err(StoreError::invariant(format!("{kind} {id} of {} {what}", side.title())));
            }
        }
        Ok(())
    }

    /// Counts and lists a row anew; the tables behind are empty.
    pub(super) fn add_match_indexes(&mut self, row: &MatchRow) -> Result<()> {
        for index in index_rows(row) {
            self.insert(index.tab, &index.key, &index.value)?;
        }
        self.count(counter(row), true)
    }

    /// Writes the intent of creating a lead source; the same one again replaces it.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] if another creation under this name is under way on that side.
    pub fn put_source_intent(&mut self, intent: &SourceIntent) -> Result<()> {
        let key = intent_key(intent.side, &intent.folded);
        let old: Option<SourceIntent> = source::get(self, Tab::MatchIntents, &key, codec::decode)?;
        if old.is_some_and(|old| (&old.of, old.at) != (&intent.of, intent.at)) {
            return Err(StoreError::invariant("a lead source of this name is being created already"));
        }
        self.insert(Tab::MatchIntents, &key, &codec::encode(intent)?)
    }

    /// Takes an intent away; returns whether there was one.
    pub fn remove_source_intent(&mut self, side: Side, folded: &str) -> Result<bool> {
        self.remove(Tab::MatchIntents, &intent_key(side, folded))
    }
}
