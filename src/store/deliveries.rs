//! Messages that others delivered, by the ids their senders gave them, and the records they asked us to
//! look at. Nothing of a message's content is kept.

use super::codec;
use super::error::{Result, StoreError};
use super::header::IndexRow;
use super::keys::{self, Key, Span};
use super::source::{self, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::{ModuleId, RecordId, Side, Timestamp};

/// Numbers of nudges: the next one differs from every one before.
const LAST_NUDGE: &str = "last_nudge";

/// A record that is to be read directly, because somebody said that it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nudge {
    /// Its module.
    pub module: ModuleId,
    /// Whose record it is.
    pub side: Side,
    /// Its id there.
    pub id: RecordId,
    /// Another one whenever it is asked for again, so that an answer from before does not settle it.
    pub number: u64,
}

pub(super) fn is_delivered(source: &dyn Source, message: &str) -> Result<bool> {
    source.with(Tab::Deliveries, &keys::indexed(message), &mut |_| Ok(()))
}

/// The row of the index by time that belongs to a delivery.
pub(super) fn index_row(key: &[u8], value: &[u8]) -> Result<IndexRow> {
    let at: Timestamp = codec::decode(value)?;
    Ok(IndexRow::bare(Tab::DeliveryTimes, Key::new().u64(at.sort_key()).raw(key)))
}

pub(super) fn nudges(
    source: &dyn Source,
    after: Option<(ModuleId, Side, &RecordId)>,
    limit: usize,
) -> Result<Vec<Nudge>> {
    let span = match after {
        None => Span::all(),
        Some((module, side, id)) => Span::all().after(keys::record(module, side, id)),
    };
    source::collect(source, Tab::Nudges, &span, limit, |key, number| {
        let (head, rest) = keys::split(key, 2)?;
        Ok(Nudge {
            module: keys::module_of(head[0])?,
            side: keys::side_of(head[1])?,
            id: keys::rest_record(rest)?,
            number: keys::number(number)?,
        })
    })
}

impl Tx<'_> {
    /// Takes note that a message arrived; again, that it arrived later.
    pub fn put_delivery(&mut self, message: &str, at: Timestamp) -> Result<()> {
        let (key, value) = (keys::indexed(message), codec::encode(&at)?);
        if let Some(old) = source::get(self, Tab::Deliveries, &key, |old| index_row(&key, old))? {
            self.remove(old.tab, &old.key)?;
        }
        let row = index_row(&key, &value)?;
        self.insert(row.tab, &row.key, &row.value)?;
        self.insert(Tab::Deliveries, &key, &value)
    }

    /// Forgets at most `limit` messages that arrived before `until`; returns how many went.
    pub fn forget_deliveries(&mut self, until: Timestamp, limit: usize) -> Result<usize> {
        let span = Span::all().before(Key::new().u64(until.sort_key()).done());
        let old = source::collect(self, Tab::DeliveryTimes, &span, limit, |key, _| Ok(key.to_vec()))?;
        for key in &old {
            let (_, message) = keys::split(key, 8)?;
            self.remove(Tab::Deliveries, message)?;
            self.remove(Tab::DeliveryTimes, key)?;
        }
        Ok(old.len())
    }

    /// Asks for a direct read of a record. Asking twice is asking once, from now on.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] for an id that is too long.
    pub fn put_nudge(&mut self, module: ModuleId, side: Side, id: &RecordId) -> Result<(), StoreError> {
        keys::check_record(id)?;
        let number = self.next_number(LAST_NUDGE)?;
        self.insert(Tab::Nudges, &keys::record(module, side, id), &number.to_be_bytes())
    }

    /// Settles a nudge, unless the record was asked for again meanwhile. Returns whether it is settled.
    pub fn settle_nudge(&mut self, nudge: &Nudge) -> Result<bool> {
        let key = keys::record(nudge.module, nudge.side, &nudge.id);
        let number = source::get(self, Tab::Nudges, &key, keys::number)?;
        if number != Some(nudge.number) {
            return Ok(number.is_none());
        }
        self.remove(Tab::Nudges, &key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Reads as _, Store, doctor};

    fn store() -> Store {
        Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_795_000_000 + second)
    }

    #[test]
    fn a_delivery_is_known_until_it_is_forgotten_n07() {
        let store = store();
        let long = "x".repeat(5_000);
        let ids = ["txn a".to_owned(), "txn b".to_owned(), long.clone()];
        store
            .write_blocking(move |tx| {
                ids.iter().zip([10, 20, 30]).try_for_each(|(id, second)| tx.put_delivery(id, at(second)))?;
                // Once more, later: one row, with the later time.
                tx.put_delivery("txn a", at(25))
            })
            .unwrap();
        let known = |id: &str| store.read(|view| view.is_delivered(id)).unwrap();
        assert!(known("txn a") && known("txn b") && known(&long) && !known("txn c"));
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        doctor::rebuild(&store).unwrap();
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        let forget =
            |until: i64, limit| store.write_blocking(move |tx| tx.forget_deliveries(at(until), limit)).unwrap();
        assert_eq!((forget(20, 9), forget(25, 9), forget(99, 1)), (0, 1, 1));
        assert!(!known("txn a") && !known("txn b") && known(&long), "oldest first, as many as asked for");
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_answer_from_before_does_not_settle_a_nudge_that_came_after_n07() {
        let store = store();
        let (module, side, id) = (ModuleId::Contacts, Side::Ivvy, RecordId::from("7"));
        let ask = || {
            let id = id.clone();
            store.write_blocking(move |tx| tx.put_nudge(module, side, &id)).unwrap();
            store.read(|view| view.nudges(None, 9)).unwrap()
        };
        let settle = |nudge: &Nudge| {
            let nudge = nudge.clone();
            store.write_blocking(move |tx| tx.settle_nudge(&nudge)).unwrap()
        };
        let (first, second) = (ask(), ask());
        assert_eq!((first.len(), second.len()), (1, 1), "asked twice is asked once");
        assert!(!settle(&first[0]), "that was read before it was asked for again");
        assert!(settle(&second[0]));
        assert_eq!(store.read(|view| view.nudges(None, 9)).unwrap(), []);
        let third = ask();
        assert!(third[0].number > second[0].number, "numbers are never used again");
        assert_eq!(store.read(|view| view.nudges(Some((module, side, &id)), 9)).unwrap(), [], "after it, nothing");
    }
}
