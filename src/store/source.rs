//! Where reads come from: a snapshot or a running transaction, seen through one narrow window, so
//! that every query is written once.

use std::cell::OnceCell;
use std::fmt;
use std::ops::{Bound, ControlFlow};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata as _};
use strum::EnumCount as _;

use super::error::Result;
use super::header::CounterKey;
use super::keys::Span;
use super::tables::Tab;

/// Which way to walk a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Smallest key first.
    Up,
    /// Greatest key first.
    Down,
}

/// What to do with a row: go on or stop.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>;

/// Read access to the tables. Implemented by snapshots and transactions only.
pub trait Source {
    /// Hands the value of `key` to `take`; false when there is none.
    #[doc(hidden)]
    fn with(&self, tab: Tab, key: &[u8], take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;

    /// Walks a range of keys until `visit` breaks.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn scan(&self, tab: Tab, span: &Span, direction: Direction, visit: Visit<'_>) -> Result<()>;

    /// How many rows a table has.
    #[doc(hidden)]
    fn rows(&self, tab: Tab) -> Result<u64>;

    /// A counter. A transaction keeps changed ones aside until it commits.
    #[doc(hidden)]
    fn counter(&self, key: CounterKey) -> Result<u64>;
}

/// The value of `key`, decoded by `read`.
pub(super) fn get<T>(
    source: &dyn Source,
    tab: Tab,
    key: &[u8],
    mut read: impl FnMut(&[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let mut value = None;
    source.with(tab, key, &mut |bytes| {
        value = Some(read(bytes)?);
        Ok(())
    })?;
    Ok(value)
}

/// At most `limit` rows of a range in key order, decoded by `read`.
pub(super) fn collect<T>(
    source: &dyn Source,
    tab: Tab,
    span: &Span,
    limit: usize,
    mut read: impl FnMut(&[u8], &[u8]) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    source.scan(tab, span, Direction::Up, &mut |key, value| {
        found.push(read(key, value)?);
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

/// The first or last row of a range.
pub(super) fn edge<T>(
    source: &dyn Source,
    tab: Tab,
    span: &Span,
    direction: Direction,
    mut read: impl FnMut(&[u8], &[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let mut found = None;
    source.scan(tab, span, direction, &mut |key, value| {
        found = Some(read(key, value)?);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Walks `span` of any readable table.
pub(super) fn scan_table(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    span: &Span,
    direction: Direction,
    visit: Visit<'_>,
) -> Result<()> {
    if span.is_empty() {
        return Ok(());
    }
    let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
        (span.lower.as_ref().map(Vec::as_slice), span.upper.as_ref().map(Vec::as_slice));
    let mut range = table.range::<&[u8]>(bounds)?;
    loop {
        let next = match direction {
            Direction::Up => range.next(),
            Direction::Down => range.next_back(),
        };
        let Some(row) = next else { return Ok(()) };
        let (key, value) = row?;
        if visit(key.value(), value.value())?.is_break() {
            return Ok(());
        }
    }
}

/// A counter as it stands in its table.
pub(super) fn stored_counter(source: &dyn Source, key: CounterKey) -> Result<u64> {
    Ok(get(source, Tab::Counters, &key, super::keys::number)?.unwrap_or(0))
}

/// A consistent snapshot of the store. Keep it short: pages it can see are not reused meanwhile.
pub struct View {
    txn: ReadTransaction,
    tables: [OnceCell<ReadOnlyTable<&'static [u8], &'static [u8]>>; Tab::COUNT],
}

impl View {
    pub(super) fn new(txn: ReadTransaction) -> Self {
        Self { txn, tables: [const { OnceCell::new() }; Tab::COUNT] }
    }

    fn table(&self, tab: Tab) -> Result<&ReadOnlyTable<&'static [u8], &'static [u8]>> {
        let cell = &self.tables[tab as usize];
        if let Some(table) = cell.get() {
            return Ok(table);
        }
        let table = self.txn.open_table(tab.definition())?;
        Ok(cell.get_or_init(|| table))
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

impl Source for View {
    fn with(&self, tab: Tab, key: &[u8], take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.table(tab)?.get(key)? {
            Some(value) => take(value.value()).map(|()| true),
            None => Ok(false),
        }
    }

    #[allow(private_interfaces)]
    fn scan(&self, tab: Tab, span: &Span, direction: Direction, visit: Visit<'_>) -> Result<()> {
        scan_table(self.table(tab)?, span, direction, visit)
    }

    fn rows(&self, tab: Tab) -> Result<u64> {
        Ok(self.table(tab)?.len()?)
    }

    fn counter(&self, key: CounterKey) -> Result<u64> {
        stored_counter(self, key)
    }
}
