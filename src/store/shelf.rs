//! The shelf: records of systems that tell us things and cannot be asked for a list. A sweep of such a side
//! reads here what it would read there.
//!
//! What a row says is its adapter's business; here it is text.

use super::codec;
use super::error::Result;
use super::header::IndexRow;
use super::keys::{self, Key, Span};
use super::source::{self, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::{ModuleId, RecordId, Shelved, Side, Timestamp};

/// When something was last put on the shelf: the next time is later, whatever the clock says.
const LAST_TIME: &str = "last_shelf_time";

fn of_side(module: ModuleId, side: Side) -> Key {
    Key::new().module(module).side(side)
}

/// Rows of the indexes by time and by key that belong to a record.
pub(super) fn index_rows(shelved: &Shelved) -> Vec<IndexRow> {
    let head = || of_side(shelved.module, shelved.side);
    let id = shelved.id.as_str().as_bytes();
    let mut rows = vec![IndexRow::bare(Tab::ShelfTimes, head().u64(shelved.at.sort_key()).raw(id))];
    if let Some(key) = &shelved.key {
        rows.push(IndexRow { tab: Tab::ShelfKeys, key: head().raw(&keys::indexed(key)).done(), value: id.to_vec() });
    }
    rows
}

pub(super) fn shelved(source: &dyn Source, module: ModuleId, side: Side, id: &RecordId) -> Result<Option<Shelved>> {
    source::get(source, Tab::Shelf, &keys::record(module, side, id), codec::decode)
}

pub(super) fn by_key(source: &dyn Source, module: ModuleId, side: Side, key: &str) -> Result<Option<Shelved>> {
    let key = of_side(module, side).raw(&keys::indexed(key)).done();
    match source::get(source, Tab::ShelfKeys, &key, keys::rest_record)? {
        Some(id) => shelved(source, module, side, &id),
        None => Ok(None),
    }
}

pub(super) fn page(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    from: Option<Timestamp>,
    after: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Shelved>> {
    let at = |time: Timestamp| of_side(module, side).u64(time.sort_key()).done();
    let mut span = Span::prefix(of_side(module, side).done());
    // Two records never share a time.
    let after = after.map(|after| Timestamp::from_millis(after.millis() + 1));
    if let Some(first) = from.max(after) {
        span = span.from(at(first));
    }
    let ids = source::collect(source, Tab::ShelfTimes, &span, limit, |key, _| {
        let (_, id) = keys::split(key, 10)?;
        keys::rest_record(id)
    })?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(shelved(source, module, side, &id)?);
    }
    Ok(found)
}

impl Tx<'_> {
    /// Puts what was told of a record on the shelf, at `now` or a moment later: no two rows share a time.
    /// Returns that time; `None` if it says nothing new, and nothing was written. The other name it had stays
    /// unless a new one is given.
    ///
    /// # Errors
    /// [`StoreError::Invariant`](super::StoreError::Invariant) for an id that is too long, or another name that
    /// is another record's.
    pub fn shelve(&mut self, shelved: &Shelved, now: Timestamp) -> Result<Option<Timestamp>> {
        keys::check_record(&shelved.id)?;
        let Shelved { module, side, id, .. } = shelved;
        let key = keys::record(*module, *side, id);
        let known: Option<Shelved> = source::get(self, Tab::Shelf, &key, codec::decode)?;
        let name = shelved.key.clone().or_else(|| known.as_ref().and_then(|known| known.key.clone()));
        if let Some(name) = &name
            && let Some(other) = by_key(self, *module, *side, name)?
            && other.id != *id
        {
            return Err(super::StoreError::invariant("two records on the shelf claim one name"));
        }
        if let Some(known) = &known {
            if (&known.body, known.gone, &known.key) == (&shelved.body, shelved.gone, &name) {
                return Ok(None);
            }
            for row in index_rows(known) {
                self.remove(row.tab, &row.key)?;
            }
        }
        let last = source::get(self, Tab::Meta, LAST_TIME.as_bytes(), keys::number)?.unwrap_or(0);
        let last = Timestamp::from_millis(i64::try_from(last).unwrap_or(i64::MAX - 1));
        let at = now.max(Timestamp::from_millis(last.millis() + 1));
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        self.insert(Tab::Meta, LAST_TIME.as_bytes(), &millis.to_be_bytes())?;
        let row = Shelved { key: name, at, ..shelved.clone() };
        for index in index_rows(&row) {
            self.insert(index.tab, &index.key, &index.value)?;
        }
        self.insert(Tab::Shelf, &key, &codec::encode(&row)?)?;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Reads as _, Store, doctor};

    const MODULE: ModuleId = ModuleId::Contacts;

    fn store() -> Store {
        Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap()
    }

    fn row(id: &str, key: Option<&str>, body: &str) -> Shelved {
        let (key, body) = (key.map(str::to_owned), body.to_owned());
        Shelved { module: MODULE, side: Side::Ivvy, id: id.into(), key, at: Timestamp::default(), gone: false, body }
    }

    fn put(store: &Store, row: &Shelved, second: i64) -> Option<i64> {
        let row = row.clone();
        let at = store.write_blocking(move |tx| tx.shelve(&row, Timestamp::from_secs(second))).unwrap();
        at.map(Timestamp::millis)
    }

    #[test]
    fn what_is_told_again_moves_only_when_it_is_new_and_no_two_share_a_time() {
        let store = store();
        assert_eq!(put(&store, &row("ACME-1", Some("a"), "{}"), 10), Some(10_000));
        assert_eq!(put(&store, &row("ACME-2", None, "{}"), 10), Some(10_001), "the same second, a moment later");
        assert_eq!(put(&store, &row("GLOBE-1", None, "{}"), 5), Some(10_002), "a clock that went back does not count");
        assert_eq!(put(&store, &row("ACME-1", None, "{}"), 20), None, "nothing new");
        assert_eq!(put(&store, &row("ACME-1", None, "{\"a\":1}"), 20), Some(20_000));
        let ids = |from, after, limit| -> Vec<String> {
            let page = store.read(|view| view.shelf(MODULE, Side::Ivvy, from, after, limit)).unwrap();
            page.into_iter().map(|row| row.id.to_string()).collect()
        };
        let at = |millis| Some(Timestamp::from_millis(millis));
        assert_eq!(ids(None, None, 9), ["ACME-2", "GLOBE-1", "ACME-1"], "once each, in the order it was told");
        assert_eq!(ids(at(10_002), None, 9), ["GLOBE-1", "ACME-1"]);
        assert_eq!(ids(None, at(10_001), 1), ["GLOBE-1"]);
        assert_eq!(ids(None, at(20_000), 9), Vec::<String>::new());
        let named = store.read(|view| view.shelved_by_key(MODULE, Side::Ivvy, "a")).unwrap().unwrap();
        assert_eq!((named.id.as_str(), named.body.as_str()), ("ACME-1", "{\"a\":1}"), "its name stays");
        assert_eq!(store.read(|view| view.shelved_by_key(MODULE, Side::Crm, "a")).unwrap(), None);
        assert!(store.write_blocking(|tx| tx.shelve(&row("ACME-9", Some("a"), "{}"), Timestamp::default())).is_err());
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        doctor::rebuild(&store).unwrap();
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        assert_eq!(ids(None, None, 9).len(), 3);
    }
}
