//! A write transaction: lazily opened tables, counters kept aside until the end, and what must hold
//! when an operation is over.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redb::{ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};
use strum::EnumCount as _;

use super::error::{Result, StoreError};
use super::header::CounterKey;
use super::keys::{self, Span};
use super::reads::Reads;
use super::source::{self, Direction, Source, Visit};
use super::tables::Tab;
use crate::model::{Actor, AuditEvent};
use crate::model::{ItemId, LinkId, ModuleId, Seq, Timestamp};

/// What is written to the audit log; the store adds position and hash.
#[derive(Clone, Debug)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Which module, if any. `put_item` and `put_link` fill it in.
    pub module: Option<ModuleId>,
    /// Which item, if any. `put_item` fills it in.
    pub item: Option<ItemId>,
    /// Which link, if any. `put_link` fills it in.
    pub link: Option<LinkId>,
    /// What.
    pub what: AuditEvent,
}

/// What a commit changed, announced once it is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Newest audit position.
    pub seq: Seq,
    /// Items that were written, each once, in id order.
    pub items: Vec<ItemId>,
}

/// A running write transaction. Several operations may share one (group commit); each sees what the
/// ones before it wrote.
pub struct Tx<'t> {
    txn: &'t WriteTransaction,
    tables: [OnceCell<Table<'t, &'static [u8], &'static [u8]>>; Tab::COUNT],
    counters: BTreeMap<CounterKey, u64>,
    /// Newest audit row, once it is known.
    pub(super) audit_tail: Option<(Seq, [u8; 32])>,
    /// Items whose state or intent the running operation wrote; I4 is checked for them at its end.
    pub(super) touched: BTreeSet<ItemId>,
    changed: BTreeSet<ItemId>,
    wrote: bool,
}

impl<'t> Tx<'t> {
    pub(super) fn new(txn: &'t WriteTransaction) -> Self {
        Self {
            txn,
            tables: [const { OnceCell::new() }; Tab::COUNT],
            counters: BTreeMap::new(),
            audit_tail: None,
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
            wrote: false,
        }
    }

    fn open(&self, tab: Tab) -> Result<&Table<'t, &'static [u8], &'static [u8]>> {
        let cell = &self.tables[tab as usize];
        if let Some(table) = cell.get() {
            return Ok(table);
        }
        let table = self.txn.open_table(tab.definition())?;
        Ok(cell.get_or_init(|| table))
    }

    fn open_mut(&mut self, tab: Tab) -> Result<&mut Table<'t, &'static [u8], &'static [u8]>> {
        self.wrote = true;
        self.open(tab)?;
        // Invariant: `open` has just filled the cell.
        self.tables[tab as usize].get_mut().ok_or_else(|| StoreError::invariant("a table did not open"))
    }

    pub(super) fn insert(&mut self, tab: Tab, key: &[u8], value: &[u8]) -> Result<()> {
        self.open_mut(tab)?.insert(key, value)?;
        Ok(())
    }

    /// Whether there was such a row.
    pub(super) fn remove(&mut self, tab: Tab, key: &[u8]) -> Result<bool> {
        Ok(self.open_mut(tab)?.remove(key)?.is_some())
    }

    /// Empties a table.
    pub(super) fn clear(&mut self, tab: Tab) -> Result<()> {
        self.wrote = true;
        self.tables[tab as usize].take();
        self.txn.delete_table(tab.definition())?;
        self.open(tab)?;
        Ok(())
    }

    pub(super) fn count(&mut self, key: CounterKey, up: bool) -> Result<()> {
        let now = self.counter(key)?;
        let next = if up { now.checked_add(1) } else { now.checked_sub(1) };
        let next = next.ok_or_else(|| StoreError::corrupt("a counter is smaller than what it counts"))?;
        self.counters.insert(key, next);
        self.wrote = true;
        Ok(())
    }

    pub(super) fn forget_counters(&mut self) {
        self.counters.clear();
    }

    pub(super) fn item_changed(&mut self, id: ItemId) {
        self.touched.insert(id);
        self.changed.insert(id);
    }

    /// Ends one operation: a write may be under way exactly for inflight and unknown items (I4).
    pub(super) fn end_operation(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.touched) {
            let state = super::items::header(self, id)?.map(|header| header.state);
            let intent = self.intent(id)?.is_some();
            if intent != state.is_some_and(|state| state.has_intent()) {
                let state = state.map_or("missing", Into::into);
                return Err(StoreError::invariant(if intent {
                    format!("item {id} is {state} but still has an intent (I4)")
                } else {
                    format!("item {id} is {state} without an intent (I4)")
                }));
            }
        }
        Ok(())
    }

    /// Ends the transaction: writes what was kept aside. `None` when nothing was written at all.
    pub(super) fn finish(mut self) -> Result<Option<Changes>> {
        for (key, count) in std::mem::take(&mut self.counters) {
            if count == 0 {
                self.remove(Tab::Counters, &key)?;
            } else {
                self.insert(Tab::Counters, &key, &count.to_be_bytes())?;
            }
        }
        if !self.wrote {
            return Ok(None);
        }
        Ok(Some(Changes { seq: self.seq()?, items: std::mem::take(&mut self.changed).into_iter().collect() }))
    }

    /// Hands out the number after the greatest one ever used under `name`.
    pub(super) fn next_number(&mut self, name: &str) -> Result<u64> {
        let next = source::get(self, Tab::Meta, name.as_bytes(), keys::number)?.unwrap_or(0) + 1;
        self.insert(Tab::Meta, name.as_bytes(), &next.to_be_bytes())?;
        Ok(next)
    }

    /// Takes note that `number` is in use under `name`.
    pub(super) fn use_number(&mut self, name: &str, number: u64) -> Result<()> {
        let greatest = source::get(self, Tab::Meta, name.as_bytes(), keys::number)?.unwrap_or(0);
        if number > greatest {
            self.insert(Tab::Meta, name.as_bytes(), &number.to_be_bytes())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("touched", &self.touched).finish_non_exhaustive()
    }
}

impl Source for Tx<'_> {
    fn with(&self, tab: Tab, key: &[u8], take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.open(tab)?.get(key)? {
            Some(value) => take(value.value()).map(|()| true),
            None => Ok(false),
        }
    }

    #[allow(private_interfaces)]
    fn scan(&self, tab: Tab, span: &Span, direction: Direction, visit: Visit<'_>) -> Result<()> {
        source::scan_table(self.open(tab)?, span, direction, visit)
    }

    fn rows(&self, tab: Tab) -> Result<u64> {
        Ok(self.open(tab)?.len()?)
    }

    fn counter(&self, key: CounterKey) -> Result<u64> {
        match self.counters.get(&key) {
            Some(count) => Ok(*count),
            None => source::stored_counter(self, key),
        }
    }
}
