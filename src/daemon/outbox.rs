//! The outbox of an account's pushed CRM, kept in its store beside the shelf.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::model::{Shelved, Side};
use crate::remote::extcrm::{HandOver, Outbox, Taken};
use crate::seam::Clock;
use crate::store::{Handed, Store};

/// The store's outbox.
#[derive(Clone, Debug)]
pub(super) struct StoredOutbox {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl StoredOutbox {
    /// The outbox of `store`.
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

impl Outbox for StoredOutbox {
    fn hand_over(&self, record: HandOver) -> BoxFuture<'_, Result<Taken, String>> {
        Box::pin(async move {
            let now = self.clock.now();
            let HandOver { stream, row, body, expected } = record;
            let row = Shelved { side: Side::Crm, ..row };
            let written = self.store.write(move |tx| tx.hand_over(stream, &row, &body, expected, now)).await;
            match written.map_err(|error| error.to_string())? {
                Handed::Over { created, .. } => Ok(Taken::Over { created }),
                Handed::Moved => Ok(Taken::Moved),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModuleId, StreamKind, Timestamp};
    use crate::seam::SystemClock;
    use crate::store::{Options, Reads as _};

    /// The shelf and the line are one: what was handed over waits once, and a change made on what is not there any
    /// more is none.
    #[tokio::test]
    async fn what_is_handed_over_is_on_the_shelf_and_in_line_or_neither_i8_s13() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        let outbox = StoredOutbox::new(store.clone(), Arc::new(SystemClock));
        let hand_over = async |body: &str, expected: Option<Timestamp>| {
            let row = Shelved {
                module: ModuleId::Contacts,
                // Whatever the adapter says: the CRM's side is meant.
                side: Side::Ivvy,
                id: "contact-1".into(),
                key: None,
                at: Timestamp::EPOCH,
                gone: false,
                body: body.to_owned(),
            };
            let record = HandOver { stream: StreamKind::PushContacts, row, body: body.to_owned(), expected };
            outbox.hand_over(record).await.unwrap()
        };
        let waiting = || store.read(|view| view.outbox_counts(StreamKind::PushContacts)).unwrap().pending;
        let there = |side| store.read(|view| view.shelved(ModuleId::Contacts, side, &"contact-1".into())).unwrap();
        assert_eq!(hand_over("{}", Some(Timestamp::from_secs(1))).await, Taken::Moved, "it was there, and is gone");
        assert_eq!((waiting(), there(Side::Crm)), (0, None));
        assert_eq!(hand_over("{}", None).await, Taken::Over { created: true });
        let first = there(Side::Crm).unwrap();
        assert_eq!(hand_over("{\"a\":1}", Some(first.at)).await, Taken::Over { created: false });
        let second = there(Side::Crm).unwrap();
        assert!(second.at > first.at && second.body.contains('a'));
        assert_eq!(hand_over("{\"a\":2}", Some(first.at)).await, Taken::Moved, "changed since it was read");
        assert_eq!((waiting(), there(Side::Crm)), (1, Some(second)), "once, as it was last handed over");
        assert_eq!(there(Side::Ivvy), None);
    }
}
