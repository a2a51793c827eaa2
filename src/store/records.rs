//! What was seen of the remotes: observations with their indexes, the journal of records to look
//! at, cursors and guards.

use super::codec::{self, VERSION};
use super::error::Result;
use super::header::{IndexRow, Reader};
use super::keys::{self, Key, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::guard::Guard;
use crate::model::{Cursor, ModuleId, Observation, RecordId, Side};

pub(super) fn observation(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    record: &RecordId,
) -> Result<Option<Observation>> {
    source::get(source, Tab::Observations, &keys::record(module, side, record), |row| Ok(unpack(row)?.1))
}

pub(super) fn observed_ids(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    after: Option<&RecordId>,
    limit: usize,
) -> Result<Vec<RecordId>> {
    let mut span = Span::prefix(side_prefix(module, side).done());
    if let Some(after) = after {
        span = span.after(keys::record(module, side, after));
    }
    source::collect(source, Tab::Observations, &span, limit, |key, _| keys::rest_record(keys::split(key, 2)?.1))
}

pub(super) fn by_identity(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    identity: &str,
    limit: usize,
) -> Result<Vec<RecordId>> {
    by_text(source, Tab::Identities, module, side, identity, limit)
}

pub(super) fn by_external_key(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    external: &str,
    limit: usize,
) -> Result<Vec<RecordId>> {
    by_text(source, Tab::ExternalKeys, module, side, external, limit)
}

pub(super) fn by_person(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    person: &RecordId,
    limit: usize,
) -> Result<Vec<RecordId>> {
    by_text(source, Tab::People, module, side, person.as_str(), limit)
}

fn by_text(
    source: &dyn Source,
    tab: Tab,
    module: ModuleId,
    side: Side,
    text: &str,
    limit: usize,
) -> Result<Vec<RecordId>> {
    let prefix = side_prefix(module, side).text(&keys::indexed(text)).done();
    let length = prefix.len();
    source::collect(source, tab, &Span::prefix(prefix), limit, |key, _| keys::rest_record(keys::split(key, length)?.1))
}

fn side_prefix(module: ModuleId, side: Side) -> Key {
    Key::new().module(module).side(side)
}

/// The two index parts of an observation, as they stand at the front of its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    identity: Vec<u8>,
    external: Vec<u8>,
}

impl Parts {
    fn of(observation: &Observation) -> Self {
        let part = |text: &Option<String>| text.as_deref().map(keys::indexed).unwrap_or_default();
        Self { identity: part(&observation.identity), external: part(&observation.external_key) }
    }

    /// The index rows; an empty part has none.
    fn index_rows(&self, module: ModuleId, side: Side, record: &[u8]) -> Vec<IndexRow> {
        [(Tab::Identities, &self.identity), (Tab::ExternalKeys, &self.external)]
            .into_iter()
            .filter(|(_, part)| !part.is_empty())
            .map(|(tab, part)| IndexRow::bare(tab, side_prefix(module, side).text(part).raw(record)))
            .collect()
    }
}

fn pack(parts: &Parts, observation: &Observation) -> Result<Vec<u8>> {
    let mut row = Key::new().byte(VERSION).text(&parts.identity).text(&parts.external).done();
    codec::append_json(&mut row, observation)?;
    Ok(row)
}

fn parts(row: &[u8]) -> Result<(Parts, &[u8])> {
    let mut read = Reader(codec::body(row)?);
    let parts = Parts { identity: read.text()?.to_vec(), external: read.text()?.to_vec() };
    Ok((parts, read.0))
}

fn unpack(row: &[u8]) -> Result<(Parts, Observation)> {
    let (parts, json) = parts(row)?;
    Ok((parts, codec::json(json)?))
}

/// The index row of the contact a record is about. That part does not stand at the front of the row, whose
/// form is older than it.
fn person_row(observation: &Observation) -> Option<IndexRow> {
    let person = keys::indexed(observation.record.person.as_ref()?.as_str());
    let key = side_prefix(observation.module, observation.side).text(&person);
    Some(IndexRow::bare(Tab::People, key.raw(observation.record.id.as_str().as_bytes())))
}

/// The index rows an observation row must have, from its key and its content (not from its front).
pub(super) fn observation_index_rows(key: &[u8], row: &[u8]) -> Result<Vec<IndexRow>> {
    let (head, record) = keys::split(key, 2)?;
    let (_, observation) = unpack(row)?;
    let mut rows = Parts::of(&observation).index_rows(keys::module_of(head[0])?, keys::side_of(head[1])?, record);
    rows.extend(person_row(&observation));
    Ok(rows)
}

pub(super) fn dirty(source: &dyn Source, module: ModuleId, limit: usize) -> Result<Vec<(Side, RecordId)>> {
    let span = Span::prefix(Key::new().module(module).done());
    source::collect(source, Tab::Dirty, &span, limit, |key, _| {
        let (_, rest) = keys::split(key, 9)?;
        let (side, record) = keys::split(rest, 1)?;
        Ok((keys::side_of(side[0])?, keys::rest_record(record)?))
    })
}

pub(super) fn is_dirty(source: &dyn Source, module: ModuleId, side: Side, record: &RecordId) -> Result<bool> {
    source.with(Tab::DirtyAt, &keys::record(module, side, record), &mut |_| Ok(()))
}

pub(super) fn cursor(source: &dyn Source, module: ModuleId, side: Side) -> Result<Cursor> {
    let key = side_prefix(module, side).done();
    Ok(source::get(source, Tab::Cursors, &key, codec::decode)?.unwrap_or_default())
}

pub(super) fn guard(source: &dyn Source, module: ModuleId) -> Result<Option<Guard>> {
    source::get(source, Tab::Guards, &[module.number()], codec::decode)
}

impl Tx<'_> {
    /// Replaces what is known of a record and keeps the identity and external-key indexes right.
    pub fn put_observation(&mut self, observation: &Observation) -> Result<()> {
        let (module, side, record) = (observation.module, observation.side, &observation.record.id);
        keys::check_record(record)?;
        let key = keys::record(module, side, record);
        let old = source::get(self, Tab::Observations, &key, |row| Ok(parts(row)?.0))?.unwrap_or_default();
        let new = Parts::of(observation);
        if old != new {
            let bytes = record.as_str().as_bytes();
            for row in old.index_rows(module, side, bytes) {
                self.remove(row.tab, &row.key)?;
            }
            for row in new.index_rows(module, side, bytes) {
                self.insert(row.tab, &row.key, &row.value)?;
            }
        }
        if module == ModuleId::Leads {
            let old = self::observation(self, module, side, record)?.as_ref().and_then(person_row);
            let new = person_row(observation);
            if let Some(row) = old.filter(|old| Some(old) != new.as_ref()) {
                self.remove(row.tab, &row.key)?;
            }
            if let Some(row) = new {
                self.insert(row.tab, &row.key, &row.value)?;
            }
        }
        self.insert(Tab::Observations, &key, &pack(&new, observation)?)
    }

    /// Marks a record to be looked at. One that is marked already keeps its place.
    pub fn mark_dirty(&mut self, module: ModuleId, side: Side, record: &RecordId) -> Result<()> {
        keys::check_record(record)?;
        if is_dirty(self, module, side, record)? {
            return Ok(());
        }
        let span = Span::prefix(Key::new().module(module).done());
        let newest = source::edge(self, Tab::Dirty, &span, Direction::Down, |key, _| {
            keys::number(keys::split(keys::split(key, 1)?.1, 8)?.0)
        })?;
        let number = newest.map_or(0, |newest| newest + 1);
        self.insert(Tab::Dirty, &dirty_key(module, number, side, record), &[])?;
        self.insert(Tab::DirtyAt, &keys::record(module, side, record), &number.to_be_bytes())
    }

    /// Takes the mark off a record.
    pub fn clear_dirty(&mut self, module: ModuleId, side: Side, record: &RecordId) -> Result<()> {
        let key = keys::record(module, side, record);
        if let Some(number) = source::get(self, Tab::DirtyAt, &key, keys::number)? {
            self.remove(Tab::Dirty, &dirty_key(module, number, side, record))?;
            self.remove(Tab::DirtyAt, &key)?;
        }
        Ok(())
    }

    /// Sets how far one side of a module has been read. Belongs in the transaction that stores the rows (I13).
    pub fn put_cursor(&mut self, module: ModuleId, side: Side, cursor: &Cursor) -> Result<()> {
        self.insert(Tab::Cursors, &side_prefix(module, side).done(), &codec::encode(cursor)?)
    }

    /// Sets the guard of a module.
    pub fn put_guard(&mut self, guard: &Guard) -> Result<()> {
        self.insert(Tab::Guards, &[guard.module.number()], &codec::encode(guard)?)
    }
}

fn dirty_key(module: ModuleId, number: u64, side: Side, record: &RecordId) -> Vec<u8> {
    Key::new().module(module).u64(number).side(side).raw(record.as_str().as_bytes()).done()
}

/// The `dirty_at` row that a `dirty` row must have.
pub(super) fn dirty_index_row(key: &[u8]) -> Result<IndexRow> {
    let (module, rest) = keys::split(key, 1)?;
    let (number, record) = keys::split(rest, 8)?;
    Ok(IndexRow { tab: Tab::DirtyAt, key: [module, record].concat(), value: number.to_vec() })
}
