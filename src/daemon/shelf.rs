//! The shelves of an account's adapters, kept in its store.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::model::{ModuleId, RecordId, Shelved, Side, StreamId, StreamState, Timestamp};
use crate::remote::shelf::Shelf;
use crate::seam::Clock;
use crate::store::{Reads as _, Store, StoreError};

/// One side's shelf in the store.
#[derive(Clone, Debug)]
pub(super) struct StoredShelf {
    store: Store,
    side: Side,
    clock: Arc<dyn Clock>,
}

impl StoredShelf {
    /// The shelf of `side`.
    pub(super) fn new(store: Store, side: Side, clock: Arc<dyn Clock>) -> Self {
        Self { store, side, clock }
    }
}

fn said(error: &StoreError) -> String {
    error.to_string()
}

impl Shelf for StoredShelf {
    fn page(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Shelved>, String> {
        self.store.read(|view| view.shelf(module, self.side, from, after, limit)).map_err(|error| said(&error))
    }

    fn get(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, String> {
        self.store.read(|view| view.shelved(module, self.side, id)).map_err(|error| said(&error))
    }

    fn by_key(&self, module: ModuleId, key: &str) -> Result<Option<Shelved>, String> {
        self.store.read(|view| view.shelved_by_key(module, self.side, key)).map_err(|error| said(&error))
    }

    fn stream(&self, stream: &StreamId) -> Result<StreamState, String> {
        self.store.read(|view| view.stream(stream)).map_err(|error| said(&error))
    }

    fn put(&self, row: Shelved) -> BoxFuture<'_, Result<Timestamp, String>> {
        Box::pin(async move {
            let now = self.clock.now();
            let row = Shelved { side: self.side, ..row };
            let put = move |tx: &mut crate::store::Tx<'_>| match tx.shelve(&row, now)? {
                Some(at) => Ok(at),
                None => Ok(tx.shelved(row.module, row.side, &row.id)?.map_or(now, |known| known.at)),
            };
            self.store.write(put).await.map_err(|error| said(&error))
        })
    }

    fn put_if(&self, row: Shelved, known_at: Option<Timestamp>) -> BoxFuture<'_, Result<Option<Timestamp>, String>> {
        Box::pin(async move {
            let now = self.clock.now();
            let row = Shelved { side: self.side, ..row };
            let put = move |tx: &mut crate::store::Tx<'_>| {
                let known = tx.shelved(row.module, row.side, &row.id)?.map(|known| known.at);
                if known != known_at {
                    return Ok(None);
                }
                Ok(tx.shelve(&row, now)?.or(known))
            };
            self.store.write(put).await.map_err(|error| said(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::SystemClock;
    use crate::store::Options;

    #[tokio::test]
    async fn a_record_is_put_once_and_keeps_its_time_until_it_changes() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        let shelf = StoredShelf::new(store, Side::Ivvy, Arc::new(SystemClock));
        let row = |body: &str| Shelved {
            module: ModuleId::Contacts,
            side: Side::Crm,
            id: "ACME-1".into(),
            key: None,
            at: Timestamp::default(),
            gone: false,
            body: body.to_owned(),
        };
        let first = shelf.put(row("1")).await.unwrap();
        assert_eq!(shelf.put(row("1")).await.unwrap(), first);
        assert!(shelf.put(row("2")).await.unwrap() > first);
        let known = shelf.get(ModuleId::Contacts, &"ACME-1".into()).unwrap().unwrap();
        assert_eq!((known.side, known.body.as_str()), (Side::Ivvy, "2"), "on this shelf's side");
    }

    #[tokio::test]
    async fn what_was_told_meanwhile_is_not_put_over_s22() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        let shelf = StoredShelf::new(store, Side::Ivvy, Arc::new(SystemClock));
        let row = |body: &str| Shelved {
            module: ModuleId::Contacts,
            side: Side::Ivvy,
            id: "ACME-1".into(),
            key: None,
            at: Timestamp::default(),
            gone: false,
            body: body.to_owned(),
        };
        let first = shelf.put_if(row("1"), None).await.unwrap();
        assert!(first.is_some());
        assert_eq!(shelf.put_if(row("2"), None).await.unwrap(), None, "there is one by now");
        let second = shelf.put_if(row("2"), first).await.unwrap();
        assert!(second > first);
        assert_eq!(shelf.put_if(row("3"), first).await.unwrap(), None);
        assert_eq!(shelf.put_if(row("2"), second).await.unwrap(), second, "nothing new");
        assert_eq!(shelf.get(ModuleId::Contacts, &"ACME-1".into()).unwrap().unwrap().body, "2");
    }
}
