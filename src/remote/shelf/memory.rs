//! The records of a shelf in memory, for the tests of adapters. Also compiled into integration tests, hence nothing
//! here uses more than the library's public face.
//!
//! Only keeps and pages: what a shelf answers besides, and what it must never be asked, each test says itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::model::{ModuleId, RecordId, Shelved, Timestamp};

/// What was put there, by module and id.
#[derive(Debug, Default)]
pub struct Rows(Mutex<BTreeMap<(ModuleId, RecordId), Shelved>>);

impl Rows {
    /// Records told from `from` on, after the one told at `after`, in that order.
    pub fn page(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Vec<Shelved> {
        let rows = self.0.lock().unwrap();
        let mut found: Vec<Shelved> = rows
            .values()
            .filter(|row| row.module == module && from.is_none_or(|from| row.at >= from))
            .filter(|row| after.is_none_or(|after| row.at > after))
            .cloned()
            .collect();
        found.sort_by_key(|row| row.at);
        found.truncate(limit);
        found
    }

    /// One record.
    pub fn get(&self, module: ModuleId, id: &RecordId) -> Option<Shelved> {
        self.0.lock().unwrap().get(&(module, id.clone())).cloned()
    }

    /// The record with this other name.
    pub fn by_key(&self, module: ModuleId, key: &str) -> Option<Shelved> {
        let rows = self.0.lock().unwrap();
        rows.values().find(|row| row.module == module && row.key.as_deref() == Some(key)).cloned()
    }

    /// Puts a record there, in the place of the one it was.
    pub fn put(&self, row: Shelved) {
        self.0.lock().unwrap().insert((row.module, row.id.clone()), row);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
