//! The shelf: where an adapter finds what its system has told us, when that system cannot be asked for a list
//! (`contracts/connector_s360.md` 1.3, 2.2). What others post to us is put there by whoever receives it.

#[cfg(test)]
#[allow(dead_code, reason = "each adapter's test uses its own part")]
pub(crate) mod memory;

use futures::future::BoxFuture;

use std::fmt;

use crate::model::{ModuleId, RecordId, Shelved, StreamId, StreamState, Timestamp};

/// What one side's adapter has on its shelf. Errors are one sentence about the disk.
pub trait Shelf: Send + Sync + fmt::Debug {
    /// Records told from `from` on, in the order of [`Shelved::at`], after the one told at `after`.
    ///
    /// # Errors
    /// The disk fails.
    fn page(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Shelved>, String>;

    /// One record.
    ///
    /// # Errors
    /// The disk fails.
    fn get(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, String>;

    /// The record with this other name.
    ///
    /// # Errors
    /// The disk fails.
    fn by_key(&self, module: ModuleId, key: &str) -> Result<Option<Shelved>, String>;

    /// How a stream that fills this shelf is doing: from when on its records take part.
    ///
    /// # Errors
    /// The disk fails.
    fn stream(&self, stream: &StreamId) -> Result<StreamState, String>;

    /// Puts a record there; its side and time are set here. The answer is when it was last told something new:
    /// a moment ago, or earlier if this was nothing new.
    fn put(&self, row: Shelved) -> BoxFuture<'_, Result<Timestamp, String>>;

    /// The same, if the record there is still the one told at `known_at` (`None`: none yet). `None` in the answer:
    /// it has moved since, and nothing was put. Shelves that others write to must compare and put at once;
    /// this way of doing it does not.
    ///
    /// # Errors
    /// The disk fails.
    fn put_if(&self, row: Shelved, known_at: Option<Timestamp>) -> BoxFuture<'_, Result<Option<Timestamp>, String>> {
        Box::pin(async move {
            let now = self.get(row.module, &row.id)?.map(|known| known.at);
            if now == known_at { self.put(row).await.map(Some) } else { Ok(None) }
        })
    }
}

/// A shelf with nothing on it, for connection tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyShelf;

impl Shelf for EmptyShelf {
    fn page(&self, _: ModuleId, _: Option<Timestamp>, _: Option<Timestamp>, _: usize) -> Result<Vec<Shelved>, String> {
        Ok(Vec::new())
    }

    fn get(&self, _: ModuleId, _: &RecordId) -> Result<Option<Shelved>, String> {
        Ok(None)
    }

    fn by_key(&self, _: ModuleId, _: &str) -> Result<Option<Shelved>, String> {
        Ok(None)
    }

    fn stream(&self, _: &StreamId) -> Result<StreamState, String> {
        Ok(StreamState::default())
    }

    fn put(&self, row: Shelved) -> BoxFuture<'_, Result<Timestamp, String>> {
        Box::pin(std::future::ready(Ok(row.at)))
    }
}
