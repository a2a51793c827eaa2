//! The call counts of the gates, kept in the store over a restart (`engine.md` 5.10).
//!
//! One row per remote among the store's free-form values. A store without it, from before there were
//! counts, reads as "no calls yet", so the format of the file stays what it was.

use futures::future::BoxFuture;

use crate::error::{Error, Result};
use crate::model::Side;
use crate::remote::gate::{Booked, CallBook};
use crate::store::{Reads as _, Store};

/// One remote's count in the store.
#[derive(Clone, Debug)]
pub(super) struct StoredCalls {
    store: Store,
    key: String,
}

impl StoredCalls {
    /// The count of the remote on `side`.
    pub(super) fn new(store: Store, side: Side) -> Self {
        Self { store, key: format!("calls.{side}") }
    }

    /// What was booked last.
    ///
    /// # Errors
    /// The store cannot be read, or the row holds something else: guessing could overrun a quota.
    pub(super) fn last(&self) -> Result<Option<Booked>> {
        let Some(row) = self.store.read(|view| view.meta(&self.key))? else {
            return Ok(None);
        };
        let (day, calls) = serde_json::from_slice(&row).map_err(|error| {
            Error::internal(format!("the count of calls in the store ({}) cannot be read", self.key)).because(&error)
        })?;
        Ok(Some(Booked { day, calls }))
    }
}

impl CallBook for StoredCalls {
    fn book(&self, booked: Booked) -> BoxFuture<'_, std::result::Result<(), String>> {
        Box::pin(async move {
            let row = serde_json::json!([booked.day, booked.calls]).to_string();
            let key = self.key.clone();
            let written = self.store.write(move |tx| tx.put_meta(&key, row.as_bytes())).await;
            written.map_err(|error| error.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn a_count_outlives_the_process_and_an_old_store_has_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("acme.redb");
        let open = || Store::open(&path, Options::default()).unwrap();
        let store = open();
        let (ivvy, crm) = (StoredCalls::new(store.clone(), Side::Ivvy), StoredCalls::new(store.clone(), Side::Crm));
        assert_eq!(ivvy.last().unwrap(), None);
        for calls in [100, 200] {
            ivvy.book(Booked { day: 20_778, calls }).await.unwrap();
        }
        crm.book(Booked { day: 20_777, calls: 7 }).await.unwrap();
        let closed = store.closed();
        drop((ivvy, crm, store));
        closed.await;
        let store = open();
        let last = |side| StoredCalls::new(store.clone(), side).last().unwrap();
        assert_eq!(last(Side::Ivvy), Some(Booked { day: 20_778, calls: 200 }));
        assert_eq!(last(Side::Crm), Some(Booked { day: 20_777, calls: 7 }));
    }

    #[tokio::test]
    async fn a_row_that_is_no_count_is_refused_not_guessed() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        store.write(|tx| tx.put_meta("calls.ivvy", b"many")).await.unwrap();
        assert!(StoredCalls::new(store, Side::Ivvy).last().is_err());
    }
}
