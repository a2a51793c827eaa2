//! Questions about items. All but [`item`] are answered from headers, indexes and counters.

use std::collections::BTreeMap;
use std::ops::Bound;

use strum::IntoEnumIterator as _;

use super::codec;
use super::error::Result;
use super::header::{ANY_REASON, Header};
use super::keys::{self, Key, Position, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use crate::model::{Item, ItemId, ModuleId, PairKey, Reason, State, Timestamp};

/// The key of an item in `items` and `bodies`.
pub(super) fn key(id: ItemId) -> [u8; 8] {
    id.0.to_be_bytes()
}

pub(super) fn item(source: &dyn Source, id: ItemId) -> Result<Option<Item>> {
    source::get(source, Tab::Bodies, &key(id), codec::decode)
}

pub(super) fn header(source: &dyn Source, id: ItemId) -> Result<Option<Header>> {
    source::get(source, Tab::Items, &key(id), Header::decode)
}

pub(super) fn open_item(source: &dyn Source, module: ModuleId, pair: &PairKey) -> Result<Option<ItemId>> {
    source::get(source, Tab::OpenPairs, &keys::pair(module, pair), |id| Ok(ItemId(keys::number(id)?)))
}

pub(super) fn last_item(source: &dyn Source, module: ModuleId, pair: &PairKey) -> Result<Option<ItemId>> {
    let span = Span::prefix(keys::pair(module, pair));
    source::edge(source, Tab::PairItems, &span, Direction::Down, |key, _| Ok(ItemId(keys::tail_number(key)?)))
}

pub(super) fn waiting_on(
    source: &dyn Source,
    module: ModuleId,
    pair: &PairKey,
    after: Option<ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>> {
    let mut span = Span::prefix(keys::pair(module, pair));
    if let Some(after) = after {
        span = span.after(Key::new().module(module).pair(pair).item(after).done());
    }
    ids(source, Tab::Waiting, &span, limit)
}

fn ids(source: &dyn Source, tab: Tab, span: &Span, limit: usize) -> Result<Vec<ItemId>> {
    source::collect(source, tab, span, limit, |key, _| Ok(ItemId(keys::tail_number(key)?)))
}

/// module·rank: everything of a module in one state.
fn state_prefix(module: ModuleId, state: State) -> Vec<u8> {
    Key::new().module(module).byte(keys::rank(state)).done()
}

/// Items of a state that sort by a time up to `until`, by priority, then time, then id.
pub(super) fn up_to(
    source: &dyn Source,
    module: ModuleId,
    state: State,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<ItemId>> {
    let mut found = Vec::new();
    // One range per priority that is in use: times of different priorities are not comparable.
    let mut next = lowest_priority(source, module, state, 0)?;
    while let Some(priority) = next {
        let span = Span::prefix(prefix(module, state, priority)).before(after_time(module, state, priority, until));
        found.extend(ids(source, Tab::Queue, &span, limit - found.len())?);
        if found.len() >= limit {
            break;
        }
        next = following_priority(source, module, state, priority)?;
    }
    Ok(found)
}

pub(super) fn next_ready(source: &dyn Source, module: ModuleId, now: Timestamp) -> Result<Option<Timestamp>> {
    let state = State::Ready;
    let mut earliest: Option<u64> = None;
    let mut next = lowest_priority(source, module, state, 0)?;
    while let Some(priority) = next {
        let later = Span::prefix(prefix(module, state, priority)).from(after_time(module, state, priority, now));
        let first = source::edge(source, Tab::Queue, &later, Direction::Up, |key, _| Ok(Position::of_key(key)?.sort))?;
        earliest = earliest.into_iter().chain(first).min();
        next = following_priority(source, module, state, priority)?;
    }
    Ok(earliest.map(from_sort))
}

fn prefix(module: ModuleId, state: State, priority: u8) -> Vec<u8> {
    Key::new().raw(&state_prefix(module, state)).byte(priority).done()
}

/// The first key of a priority that is later than `time`.
fn after_time(module: ModuleId, state: State, priority: u8, time: Timestamp) -> Vec<u8> {
    Key::new().raw(&prefix(module, state, priority)).u64(time.sort_key().saturating_add(1)).done()
}

/// The lowest priority in use among items of a state, from `from` on.
fn lowest_priority(source: &dyn Source, module: ModuleId, state: State, from: u8) -> Result<Option<u8>> {
    let span = Span::prefix(state_prefix(module, state)).from(prefix(module, state, from));
    source::edge(source, Tab::Queue, &span, Direction::Up, |key, _| Ok(Position::of_key(key)?.priority))
}

fn following_priority(source: &dyn Source, module: ModuleId, state: State, priority: u8) -> Result<Option<u8>> {
    match priority.checked_add(1) {
        Some(from) => lowest_priority(source, module, state, from),
        None => Ok(None),
    }
}

fn from_sort(sort: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(sort).unwrap_or(i64::MAX))
}

pub(super) fn due(source: &dyn Source, now: Timestamp, limit: usize) -> Result<Vec<ItemId>> {
    let end = Key::new().u64(now.sort_key().saturating_add(1)).done();
    ids(source, Tab::Due, &Span::all().before(end), limit)
}

pub(super) fn next_due(source: &dyn Source) -> Result<Option<Timestamp>> {
    source::edge(source, Tab::Due, &Span::all(), Direction::Up, |key, _| {
        Ok(from_sort(keys::number(keys::split(key, 8)?.0)?))
    })
}

pub(super) fn held_by(
    source: &dyn Source,
    module: ModuleId,
    reason: Reason,
    after: Option<ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>> {
    let prefix = Key::new().module(module).byte(reason.number());
    walk(source, Tab::Reasons, prefix, State::Held, after, limit)
}

pub(super) fn in_state(
    source: &dyn Source,
    module: ModuleId,
    state: State,
    after: Option<ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>> {
    walk(source, Tab::Queue, Key::new().module(module), state, after, limit)
}

/// Items of one state below `prefix`, from where `after` stands or stood.
fn walk(
    source: &dyn Source,
    tab: Tab,
    prefix: Key,
    state: State,
    after: Option<ItemId>,
    limit: usize,
) -> Result<Vec<ItemId>> {
    let mut span = Span::prefix(prefix.clone().byte(keys::rank(state)).done());
    if let Some(id) = after
        && let Some(header) = header(source, id)?
    {
        let sorts_by_creation = matches!(state, State::New | State::Held | State::Blocked | State::Dead);
        if header.state == state || sorts_by_creation {
            span.lower = Bound::Excluded(prefix.raw(&header.position_in(state, id).bytes()).done());
        }
    }
    ids(source, tab, &span, limit)
}

pub(super) fn counts(source: &dyn Source, module: ModuleId) -> Result<BTreeMap<State, u64>> {
    let mut counts = BTreeMap::new();
    for state in State::iter() {
        let count = source.counter([module.number(), state.number(), ANY_REASON])?;
        if count > 0 {
            counts.insert(state, count);
        }
    }
    Ok(counts)
}

pub(super) fn drifted(source: &dyn Source, module: ModuleId) -> Result<u64> {
    source.counter([module.number(), State::Skipped.number(), Reason::Drift.number()])
}

pub(super) fn reason_counts(source: &dyn Source, module: ModuleId) -> Result<BTreeMap<Reason, u64>> {
    let mut counts = BTreeMap::new();
    for reason in Reason::iter() {
        let count = source.counter([module.number(), State::Held.number(), reason.number()])?;
        if count > 0 {
            counts.insert(reason, count);
        }
    }
    Ok(counts)
}
