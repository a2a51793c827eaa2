//! Compares everything that is derived with what it was derived from, and writes it anew on request.
//!
//! Memory stays small whatever the size: each expected index row is looked up, and the number of
//! expected rows is compared with the number there are; so a row too many shows without a list.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::error::{Result, StoreError};
use super::header::{CounterKey, Header, IndexRow};
use super::keys::{self, Span};
use super::source::{self, Direction, Source, View};
use super::tables::Tab;
use super::{audit, codec, deliveries, inbox, intents, items, links, matching, meta, records, shelf};
use crate::model::matching::{MatchRow, SourceIntent};
use crate::model::{Decision, Intent, Item, ItemId, Link, LinkId};

pub use super::rebuild::{Rebuilt, rebuild};

/// Most findings reported one by one.
const MAX_FINDINGS: usize = 100;

/// Checks the whole store (I2, I3, I4, I5, I22, I24). Returns one sentence per finding, none when
/// clean. Holds no field values.
///
/// # Errors
/// Only if the disk fails: damage is a finding.
pub fn check(view: &View) -> Result<Vec<String>> {
    let mut check = Check { view, findings: Vec::new(), left_out: 0, expected: BTreeMap::new() };
    let mut counters = check.items()?;
    check.matching(&mut counters)?;
    check.counters(&counters)?;
    check.intents()?;
    check.decisions()?;
    check.links()?;
    check.observations()?;
    check.dirty()?;
    check.deliveries()?;
    check.streams()?;
    check.audit()?;
    check.lengths()?;
    if check.left_out > 0 {
        check.findings.push(format!("and {} more", check.left_out));
    }
    Ok(check.findings)
}

struct Check<'v> {
    view: &'v View,
    findings: Vec<String>,
    left_out: u64,
    /// Rows each derived table must have.
    expected: BTreeMap<Tab, u64>,
}

impl Check<'_> {
    fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    /// Walks a table; a row that cannot be read is a finding, not the end.
    fn each(&mut self, tab: Tab, mut visit: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<()>) -> Result<()> {
        let view = self.view;
        view.scan(tab, &Span::all(), Direction::Up, &mut |key, value| {
            match visit(self, key, value) {
                Ok(()) => {}
                Err(StoreError::Corrupt(what)) => self.find(format!("{}: {what}", tab.name())),
                Err(error) => return Err(error),
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Expects an index row.
    fn expect(&mut self, row: &IndexRow, of: &str) -> Result<()> {
        *self.expected.entry(row.tab).or_default() += 1;
        let found = source::get(self.view, row.tab, &row.key, |value| Ok(value == row.value))?;
        let table = row.tab.name();
        match found {
            Some(true) => {}
            Some(false) => self.find(format!("{of}: its row in {table} names something else")),
            None => self.find(format!("{of}: its row in {table} is missing")),
        }
        Ok(())
    }

    fn items(&mut self) -> Result<BTreeMap<CounterKey, u64>> {
        let mut counters: BTreeMap<CounterKey, u64> = BTreeMap::new();
        let last = source::get(self.view, Tab::Meta, meta::LAST_ITEM.as_bytes(), keys::number)?.unwrap_or(0);
        self.each(Tab::Bodies, |check, key, body| {
            let id = ItemId(keys::number(key)?);
            let item: Item = codec::decode(body)?;
            let header = Header::of(&item);
            let of = format!("item {id}");
            if item.id != id || id.0 > last {
                check.find(format!("{of}: its number is not one that was handed out"));
            }
            let packed = IndexRow { tab: Tab::Items, key: key.to_vec(), value: header.encode() };
            check.expect(&packed, &of)?;
            for row in header.index_rows(id) {
                check.expect(&row, &of)?;
            }
            for key in header.counters() {
                *counters.entry(key).or_default() += 1;
            }
            let intent = intents::intent(check.view, id)?.is_some();
            if intent != item.state.has_intent() {
                let has = if intent { "has an intent" } else { "has no intent" };
                check.find(format!("{of}: it is {} but {has} (I4)", item.state));
            }
            Ok(())
        })?;
        Ok(counters)
    }

    fn matching(&mut self, counters: &mut BTreeMap<CounterKey, u64>) -> Result<()> {
        self.each(Tab::MatchRows, |check, _, value| {
            let row: MatchRow = codec::decode(value)?;
            let of = format!("{} {} of {}", row.kind, row.id, row.side.title());
            for index in matching::index_rows(&row) {
                check.expect(&index, &of)?;
            }
            *counters.entry(matching::counter(&row)).or_default() += 1;
            if let Some(what) = matching::half_pair(check.view, &row)? {
                check.find(format!("{of} {what}"));
            }
            Ok(())
        })?;
        self.each(Tab::MatchIntents, |_, _, value| codec::decode::<SourceIntent>(value).map(drop))
    }

    fn counters(&mut self, recount: &BTreeMap<CounterKey, u64>) -> Result<()> {
        let mut stored = BTreeMap::new();
        self.each(Tab::Counters, |_, key, value| {
            let key: CounterKey = key.try_into().map_err(|_| StoreError::corrupt("a counter has a strange key"))?;
            stored.insert(key, keys::number(value)?);
            Ok(())
        })?;
        for key in recount.keys().chain(stored.keys().filter(|key| !recount.contains_key(*key))) {
            let (is, should) = (stored.get(key).copied().unwrap_or(0), recount.get(key).copied().unwrap_or(0));
            if is != should {
                self.find(format!("counter {key:?} is {is}, but there are {should} (I22)"));
            }
        }
        Ok(())
    }

    fn intents(&mut self) -> Result<()> {
        self.each(Tab::Intents, |check, key, value| {
            let id = ItemId(keys::number(key)?);
            let intent: Intent = codec::decode(value)?;
            if intent.item != id || items::header(check.view, id)?.is_none() {
                check.find(format!("intent of item {id}: there is no such item (I4)"));
            }
            check.expect(&intents::index_row(&intent), &format!("intent of item {id}"))
        })
    }

    fn decisions(&mut self) -> Result<()> {
        self.each(Tab::Decisions, |check, _, value| {
            let decision: Decision = codec::decode(value)?;
            let known = items::header(check.view, decision.item)?.is_some_and(|header| header.ver >= decision.ver);
            if !known {
                check.find(format!("decision on item {}: it never had version {}", decision.item, decision.ver));
            }
            Ok(())
        })
    }

    fn links(&mut self) -> Result<()> {
        self.each(Tab::Links, |check, key, value| {
            let link: Link = codec::decode(value)?;
            let of = format!("link {}", keys::number(key)?);
            for row in links::index_rows(&link) {
                check.expect(&row, &of)?;
            }
            Ok(())
        })?;
        self.each(Tab::Aliases, |check, _, value| {
            let id = LinkId(keys::number(value)?);
            if links::link(check.view, id)?.is_none() {
                check.find(format!("an alias leads to link {id}, which does not exist (I2)"));
            }
            Ok(())
        })?;
        self.each(Tab::Bases, |check, key, _| {
            let id = LinkId(keys::number(key)?);
            if links::link(check.view, id)?.is_none() {
                check.find(format!("an agreement belongs to link {id}, which does not exist"));
            }
            links::base(check.view, id).map(drop)
        })
    }

    fn observations(&mut self) -> Result<()> {
        self.each(Tab::Observations, |check, key, row| {
            for row in records::observation_index_rows(key, row)? {
                check.expect(&row, "an observation")?;
            }
            Ok(())
        })
    }

    fn dirty(&mut self) -> Result<()> {
        self.each(Tab::Dirty, |check, key, _| check.expect(&records::dirty_index_row(key)?, "a mark"))
    }

    fn streams(&mut self) -> Result<()> {
        self.each(Tab::Shelf, |check, _, row| {
            let shelved = codec::decode(row)?;
            shelf::index_rows(&shelved).iter().try_for_each(|row| check.expect(row, "a record on the shelf"))
        })?;
        self.each(Tab::Payloads, |check, key, at| check.expect(&inbox::index_row(key, at)?, "a payload"))?;
        self.each(Tab::Checks, |check, key, row| check.expect(&inbox::check_index_row(key, row)?, "a check"))
    }

    fn deliveries(&mut self) -> Result<()> {
        self.each(Tab::Deliveries, |check, key, at| check.expect(&deliveries::index_row(key, at)?, "a delivery"))
    }

    fn audit(&mut self) -> Result<()> {
        self.each(Tab::Audit, |check, _, row| {
            if let Some(key) = audit::index_key(row)? {
                check.expect(&IndexRow { tab: Tab::ItemAudit, key, value: Vec::new() }, "an audit row")?;
            }
            Ok(())
        })?;
        if let (_, Some(seq)) = audit::verify(self.view)? {
            self.find(format!("the audit chain is broken at {seq} (I24)"));
        }
        Ok(())
    }

    fn lengths(&mut self) -> Result<()> {
        for tab in Tab::DERIVED.into_iter().filter(|tab| *tab != Tab::Counters) {
            let (is, should) = (self.view.rows(tab)?, self.expected.get(&tab).copied().unwrap_or(0));
            if is != should {
                self.find(format!("{} has {is} rows instead of {should} (I22)", tab.name()));
            }
        }
        Ok(())
    }
}
