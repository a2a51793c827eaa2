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
