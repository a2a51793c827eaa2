//! Windows of the queue: an index walk plus one header per row shown.
//!
//! A position says nothing about module or filter, so a token stays valid when the filter changes and
//! when its row has moved or gone. Several modules are merged from their own indexes as they are
//! read; only a chunk of each is ever held.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use strum::IntoEnumIterator as _;

use super::audit;
use super::error::{Result, StoreError};
use super::header::{ANY_REASON, Header};
use super::items;
use super::keys::{self, Key, OPEN_RANKS, Position, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use crate::model::query::{Anchor, Filter, PageQuery, Rows};
use crate::model::{ModuleId, State, Timestamp};

/// Most rows in one window.
const MAX_ROWS: usize = 1000;

/// Most rows a text filter looks at before it hands back.
pub const TEXT_BUDGET: usize = 2000;

/// Keys read from one index at a time.
const CHUNK: usize = 128;

pub(super) fn page(source: &dyn Source, query: &PageQuery, now: Timestamp) -> Result<Rows> {
    let limit = usize::try_from(query.limit).unwrap_or(MAX_ROWS).min(MAX_ROWS);
    let (direction, from) = match &query.anchor {
        Anchor::Start => (Direction::Up, Bound::Unbounded),
        Anchor::End => (Direction::Down, Bound::Unbounded),
        Anchor::At(token) => (Direction::Up, Bound::Included(Position::from_token(token)?)),
        Anchor::After(token) => (Direction::Up, Bound::Excluded(Position::from_token(token)?)),
        Anchor::Before(token) => (Direction::Down, Bound::Excluded(Position::from_token(token)?)),
    };
    let mut search = Search::new(source, &query.filter);
    let ahead = search.run(direction, from, limit)?;
    // What lies on the other side of the anchor; nothing lies beyond either end.
    let behind = match (direction, from) {
        (_, Bound::Unbounded) => false,
        (Direction::Up, from) => search.any(Direction::Down, flip(from))?,
        (Direction::Down, from) => search.any(Direction::Up, flip(from))?,
    };
    let mut positions = ahead.found;
    let (more_before, more_after) = match direction {
        Direction::Up => (behind, ahead.more),
        Direction::Down => {
            positions.reverse();
            (ahead.more, behind)
        }
    };
    let mut rows = Vec::with_capacity(positions.len());
    for position in positions {
        let header = items::header(source, position.id)?
            .ok_or_else(|| StoreError::corrupt(format!("item {} is in the queue but missing", position.id)))?;
        rows.push(header.row(position.id, now));
    }
    Ok(Rows {
        rows,
        more_before,
        more_after,
        total: total(source, &query.filter)?,
        continue_at: ahead.stopped_at.map(Position::token),
        seq: audit::newest(source)?,
    })
}

/// The other side of an anchor.
fn flip(from: Bound<Position>) -> Bound<Position> {
    match from {
        Bound::Included(position) => Bound::Excluded(position),
        Bound::Excluded(position) => Bound::Included(position),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// How many items match, from counters alone; `None` with a text filter.
fn total(source: &dyn Source, filter: &Filter) -> Result<Option<u64>> {
    if text_of(filter).is_some() {
        return Ok(None);
    }
    let reason = filter.reason.map_or(ANY_REASON, |reason| reason.number());
    let mut sum = 0;
    for module in modules(filter) {
        for state in State::iter().filter(|state| filter.state.map_or(state.is_open(), |only| only == *state)) {
            sum += source.counter([module.number(), state.number(), reason])?;
        }
    }
    Ok(Some(sum))
}

fn modules(filter: &Filter) -> impl Iterator<Item = ModuleId> {
    let only = filter.module;
    ModuleId::ALL.into_iter().filter(move |module| only.is_none_or(|only| only == *module))
}

/// The text to look for, folded; an empty one filters nothing.
fn text_of(filter: &Filter) -> Option<String> {
    filter.text.as_deref().map(str::to_lowercase).filter(|text| !text.is_empty())
}

/// One question over the queue and what it has left to spend.
struct Search<'s> {
    source: &'s dyn Source,
    filter: &'s Filter,
    text: Option<String>,
    budget: usize,
}

/// What a walk found.
struct Found {
    /// In walking order.
    found: Vec<Position>,
    /// Whether there is (or, out of budget, may be) more in the same direction.
    more: bool,
    /// The last row looked at, when the budget ran out first.
    stopped_at: Option<Position>,
}

impl<'s> Search<'s> {
    fn new(source: &'s dyn Source, filter: &'s Filter) -> Self {
        Self { source, filter, text: text_of(filter), budget: TEXT_BUDGET }
    }

    /// Collects at most `limit` matching positions.
    fn run(&mut self, direction: Direction, from: Bound<Position>, limit: usize) -> Result<Found> {
        let mut walk = Walk::new(self.source, self.filter, direction, from);
        let mut found = Vec::new();
        let mut last = None;
        while let Some(position) = walk.next()? {
            if self.text.is_some() {
                if self.budget == 0 {
                    // The window may be full already: then the reader goes on from its last row.
                    let stopped_at = last.filter(|_| found.len() < limit);
                    return Ok(Found { found, more: true, stopped_at });
                }
                self.budget -= 1;
            }
            last = Some(position);
            if self.matches(position)? {
                if found.len() == limit {
                    return Ok(Found { found, more: true, stopped_at: None });
                }
                found.push(position);
            }
        }
        Ok(Found { found, more: false, stopped_at: None })
    }

    /// Whether anything matches in that direction; out of budget, "maybe" counts as yes.
    fn any(&mut self, direction: Direction, from: Bound<Position>) -> Result<bool> {
        Ok(self.run(direction, from, 0)?.more)
    }

    fn matches(&self, position: Position) -> Result<bool> {
        let Some(text) = &self.text else { return Ok(true) };
        let matches = source::get(self.source, Tab::Items, &items::key(position.id), |row| {
            Ok(Header::title_of(row)?.to_lowercase().contains(text))
        })?;
        Ok(matches.unwrap_or(false))
    }
}

/// Positions of one or several modules in one order.
struct Walk<'s> {
    source: &'s dyn Source,
    tab: Tab,
    direction: Direction,
    ranks: (u8, u8),
    lanes: Vec<Lane>,
}

/// One module's share of a walk.
struct Lane {
    prefix: Key,
    /// Where the next chunk starts; `None` when the index is used up.
    next: Option<Bound<Position>>,
    ready: VecDeque<Position>,
}

impl<'s> Walk<'s> {
    fn new(source: &'s dyn Source, filter: &Filter, direction: Direction, from: Bound<Position>) -> Self {
        let ranks = match filter.state {
            Some(state) => (keys::rank(state), keys::rank(state) + 1),
            None => (0, OPEN_RANKS),
        };
        let (tab, reason) = match filter.reason {
            Some(reason) => (Tab::Reasons, Some(reason.number())),
            None => (Tab::Queue, None),
        };
        let lanes = modules(filter).map(|module| {
            let prefix = match reason {
                Some(reason) => Key::new().module(module).byte(reason),
                None => Key::new().module(module),
            };
            Lane { prefix, next: Some(from), ready: VecDeque::new() }
        });
        Self { source, tab, direction, ranks, lanes: lanes.collect() }
    }

    fn next(&mut self) -> Result<Option<Position>> {
        for lane in &mut self.lanes {
            lane.fill(self.source, self.tab, self.direction, self.ranks)?;
        }
        let heads = self.lanes.iter().enumerate().filter_map(|(lane, l)| l.ready.front().map(|head| (*head, lane)));
        let next = match self.direction {
            Direction::Up => heads.min(),
            Direction::Down => heads.max(),
        };
        Ok(next.and_then(|(_, lane)| self.lanes[lane].ready.pop_front()))
    }
}

impl Lane {
    /// Reads the next chunk, if the last one is used up.
    fn fill(&mut self, source: &dyn Source, tab: Tab, direction: Direction, ranks: (u8, u8)) -> Result<()> {
        if !self.ready.is_empty() {
            return Ok(());
        }
        let Some(from) = self.next.take() else { return Ok(()) };
        let key = |rest: &[u8]| self.prefix.clone().raw(rest).done();
        let mut span = Span { lower: Bound::Included(key(&[ranks.0])), upper: Bound::Excluded(key(&[ranks.1])) };
        let bound = from.map(|position| key(&position.bytes()));
        match (direction, bound) {
            (_, Bound::Unbounded) => {}
            (Direction::Up, bound) => span.lower = later(span.lower, bound),
            (Direction::Down, bound) => span.upper = earlier(span.upper, bound),
        }
        let ready = &mut self.ready;
        source.scan(tab, &span, direction, &mut |key, _| {
            ready.push_back(Position::of_key(key)?);
            Ok(if ready.len() < CHUNK { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        if ready.len() == CHUNK {
            self.next = ready.back().map(|last| Bound::Excluded(*last));
        }
        Ok(())
    }
}

/// The narrower of two lower bounds.
fn later(a: Bound<Vec<u8>>, b: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    if bound_key(&a) > bound_key(&b) { a } else { b }
}

/// The narrower of two upper bounds.
fn earlier(a: Bound<Vec<u8>>, b: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    if bound_key(&a) < bound_key(&b) { a } else { b }
}

fn bound_key(bound: &Bound<Vec<u8>>) -> &[u8] {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => key,
        Bound::Unbounded => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_filters_nothing() {
        let filter = Filter { text: Some(String::new()), ..Filter::default() };
        assert_eq!(text_of(&filter), None);
        let filter = Filter { text: Some("ÄB".to_owned()), ..Filter::default() };
        assert_eq!(text_of(&filter).as_deref(), Some("äb"));
    }
}
