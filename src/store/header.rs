//! The packed header of an item: all that lists, indexes, counters and checks need, so that none of
//! them ever reads a body. Derived from the item; `doctor` can write it anew.

use super::codec::{self, VERSION, cut};
use super::error::{Result, StoreError};
use super::keys::{self, Key, Position};
use super::tables::Tab;
use crate::model::query::Row;
use crate::model::{Fingerprint, Item, ItemId, Kind, ModuleId, PairKey, Reason, Reasons, State, Timestamp};

/// Bytes of a title kept in the header: what lists show and text filters search.
pub const TITLE_BYTES: usize = 256;

/// Bytes of a summary kept in the header.
pub const SUMMARY_BYTES: usize = 120;

/// Bytes of an operator name kept in the header.
const NAME_BYTES: usize = 64;

/// Counter key part that stands for "whatever the reason".
pub(super) const ANY_REASON: u8 = u8::MAX;

/// The fixed part, in bytes; strings follow.
const FIXED: usize = 65;

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) module: ModuleId,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) priority: u8,
    pub(super) reasons: Reasons,
    pub(super) ver: u32,
    pub(super) unsolved: u32,
    pub(super) ready_at: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// Fingerprint of what an operator sees and decides on: it may only change with the version.
    pub(super) content: Fingerprint,
    pub(super) assigned_until: Timestamp,
    pub(super) pair: PairKey,
    pub(super) waits_for: Option<(ModuleId, PairKey)>,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) assigned: Option<String>,
}

impl Header {
    /// The header of `item`.
    pub(super) fn of(item: &Item) -> Self {
        let content = Fingerprint::of(&(
            (item.kind, &item.pair, item.state, item.reasons, item.seen),
            (&item.plan, item.decided, item.forced),
        ));
        // What went wrong matters more than the plan while the item stands because of it.
        let troubled = matches!(item.state, State::Held | State::Retry | State::Unknown | State::Dead);
        let summary = match &item.error {
            Some(error) if troubled => &error.message,
            _ => &item.plan.summary,
        };
        Self {
            module: item.module,
            kind: item.kind,
            state: item.state,
            priority: item.priority,
            reasons: item.reasons,
            ver: item.ver,
            unsolved: u32::try_from(item.plan.unsolved()).unwrap_or(u32::MAX),
            ready_at: item.ready_at,
            created_at: item.created_at,
            updated_at: item.updated_at,
            content,
            assigned_until: item.assigned.as_ref().map_or(Timestamp::EPOCH, |assigned| assigned.until),
            pair: item.pair.clone(),
            waits_for: item.waits_for.clone(),
            title: cut(&item.title, TITLE_BYTES).to_owned(),
            summary: cut(summary, SUMMARY_BYTES).to_owned(),
            assigned: item.assigned.as_ref().map(|assigned| cut(&assigned.who, NAME_BYTES).to_owned()),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let waits = match &self.waits_for {
            Some((module, pair)) => keys::pair(*module, pair),
            None => Vec::new(),
        };
        let fixed = Key::new()
            .byte(VERSION)
            .module(self.module)
            .byte(kind_number(self.kind))
            .byte(self.state.number())
            .byte(self.priority)
            .u32(self.reasons.bits())
            .u32(self.ver)
            .u32(self.unsolved)
            .u64(self.ready_at.sort_key())
            .u64(self.created_at.sort_key())
            .u64(self.updated_at.sort_key())
            .raw(&self.content.0.to_be_bytes())
            .u64(self.assigned_until.sort_key());
        // The title comes first: a text filter reads nothing else.
        fixed
            .text(self.title.as_bytes())
            .text(self.summary.as_bytes())
            .text(&Key::new().pair(&self.pair).done())
            .text(&waits)
            .text(self.assigned.as_deref().unwrap_or_default().as_bytes())
            .done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        codec::body(bytes)?;
        let mut read = Reader(&bytes[1..]);
        let [module, kind, state, priority] = read.array()?;
        let reasons = Reasons::from_bits(u32::from_be_bytes(read.array()?));
        let ver = u32::from_be_bytes(read.array()?);
        let unsolved = u32::from_be_bytes(read.array()?);
        let (ready_at, created_at, updated_at) = (read.time()?, read.time()?, read.time()?);
        let content = Fingerprint(u128::from_be_bytes(read.array()?));
        let assigned_until = read.time()?;
        let (title, summary) = (read.string()?, read.string()?);
        let (pair, _) = keys::read_pair(read.text()?)?;
        let waits_for = match read.text()?.split_first() {
            Some((module, pair)) => Some((keys::module_of(*module)?, keys::read_pair(pair)?.0)),
            None => None,
        };
        let assigned = Some(read.string()?).filter(|name| !name.is_empty());
        Ok(Self {
            module: keys::module_of(module)?,
            kind: kind_of(kind)?,
            state: State::from_number(state).ok_or_else(|| StoreError::corrupt("no such state"))?,
            priority,
            reasons,
            ver,
            unsolved,
            ready_at,
            created_at,
            updated_at,
            content,
            assigned_until,
            pair,
            waits_for,
            title,
            summary,
            assigned,
        })
    }

    /// Only the title, without decoding the rest.
    pub(super) fn title_of(bytes: &[u8]) -> Result<&str> {
        codec::body(bytes)?;
        let (_, strings) = keys::split(bytes, FIXED)?;
        std::str::from_utf8(Reader(strings).text()?).map_err(|_| StoreError::corrupt("a title is not text"))
    }

    /// The time the item sorts by while it is in `state` ([`Item::sort_key`]).
    fn sort_in(&self, state: State) -> u64 {
        match state {
            State::Ready | State::Retry | State::Unknown | State::Inflight => self.ready_at,
            State::Done | State::Skipped | State::Superseded => self.updated_at,
            State::New | State::Held | State::Blocked | State::Dead => self.created_at,
        }
        .sort_key()
    }

    /// Where the item would stand if it were in `state`.
    pub(super) fn position_in(&self, state: State, id: ItemId) -> Position {
        Position { rank: keys::rank(state), priority: self.priority, sort: self.sort_in(state), id }
    }

    /// Where the item stands.
    pub(super) fn position(&self, id: ItemId) -> Position {
        self.position_in(self.state, id)
    }

    /// When the clock alone should move it on, if ever.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::Retry | State::Unknown => Some(self.ready_at),
            State::Held if self.reasons.contains(Reason::Parked) && self.ready_at > Timestamp::EPOCH => {
                Some(self.ready_at)
            }
            _ => None,
        }
    }

    /// Every index row of the item. `put_item` writes the difference, `doctor` compares the whole.
    pub(super) fn index_rows(&self, id: ItemId) -> Vec<IndexRow> {
        let position = self.position(id).bytes();
        let module = || Key::new().module(self.module);
        let mut rows = vec![
            IndexRow::bare(Tab::Queue, module().raw(&position)),
            IndexRow::bare(Tab::PairItems, module().pair(&self.pair).item(id)),
        ];
        for reason in self.reasons.iter() {
            rows.push(IndexRow::bare(Tab::Reasons, module().byte(reason.number()).raw(&position)));
        }
        if self.state.is_open() {
            let key = keys::pair(self.module, &self.pair);
            rows.push(IndexRow { tab: Tab::OpenPairs, key, value: id.0.to_be_bytes().to_vec() });
            if let Some((module, parent)) = &self.waits_for {
                rows.push(IndexRow::bare(Tab::Waiting, Key::new().module(*module).pair(parent).item(id)));
            }
        }
        if let Some(at) = self.due() {
            rows.push(IndexRow { tab: Tab::Due, key: keys::due(at, id), value: Vec::new() });
        }
        rows
    }

    /// The counters the item is part of.
    pub(super) fn counters(&self) -> Vec<CounterKey> {
        let key = |reason| [self.module.number(), self.state.number(), reason];
        std::iter::once(key(ANY_REASON)).chain(self.reasons.iter().map(|reason| key(reason.number()))).collect()
    }

    /// As a row of the list. An advisory claim that ran out before `now` is left out.
    pub(super) fn row(self, id: ItemId, now: Timestamp) -> Row {
        Row {
            token: self.position(id).token(),
            id,
            module: self.module,
            kind: self.kind,
            state: self.state,
            reasons: self.reasons,
            version: self.ver,
            priority: self.priority,
            since: self.created_at,
            ready_at: self.ready_at,
            unsolved: self.unsolved,
            assigned: self.assigned.filter(|_| self.assigned_until > now),
            title: self.title,
            summary: self.summary,
            waits_for: None,
        }
    }
}

/// module·state·reason.
pub(super) type CounterKey = [u8; 3];

/// One row of a derived table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub(super) tab: Tab,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl IndexRow {
    pub(super) fn bare(tab: Tab, key: Key) -> Self {
        Self { tab, key: key.done(), value: Vec::new() }
    }
}

/// Reads a packed row from front to back.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) =
            self.0.split_at_checked(n).ok_or_else(|| StoreError::corrupt("a packed row is too short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| StoreError::corrupt("a packed row is too short"))
    }

    fn time(&mut self) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(i64::try_from(u64::from_be_bytes(self.array()?)).unwrap_or(i64::MAX)))
    }

    /// A length-prefixed text ([`Key::text`]).
    pub(super) fn text(&mut self) -> Result<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(usize::from(length))
    }

    fn string(&mut self) -> Result<String> {
        let text = std::str::from_utf8(self.text()?).map_err(|_| StoreError::corrupt("a packed text is not text"))?;
        Ok(text.to_owned())
    }
}

fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Create => 0,
        Kind::Update => 1,
        Kind::Link => 2,
        Kind::Delete => 3,
        Kind::Undo => 4,
        Kind::Merge => 5,
    }
}

fn kind_of(number: u8) -> Result<Kind> {
    [Kind::Create, Kind::Update, Kind::Link, Kind::Delete, Kind::Undo, Kind::Merge]
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
        .ok_or_else(|| StoreError::corrupt("no such kind"))
}
