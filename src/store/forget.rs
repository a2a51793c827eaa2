//! Forgetting what ended long ago: an item goes with its decisions and index rows, the audit log keeps
//! what happened.

use super::error::{Result, StoreError};
use super::keys::Span;
use super::tables::Tab;
use super::tx::Tx;
use super::{items, source};
use crate::model::{ItemId, State};

impl Tx<'_> {
    /// Removes a finished item. Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] for an item that is open, or skipped: a skip is remembered as long as
    /// its records stand still (I26).
    pub fn forget_item(&mut self, id: ItemId) -> Result<bool> {
        let Some(header) = items::header(self, id)? else {
            return Ok(false);
        };
        if !matches!(header.state, State::Done | State::Superseded) {
            return Err(StoreError::invariant(format!("item {id} is {} and cannot be forgotten", header.state)));
        }
        for row in header.index_rows(id) {
            self.remove(row.tab, &row.key)?;
        }
        for key in header.counters() {
            self.count(key, false)?;
        }
        self.remove(Tab::Items, &items::key(id))?;
        self.remove(Tab::Bodies, &items::key(id))?;
        let decisions = Span::prefix(items::key(id).to_vec());
        for key in source::collect(self, Tab::Decisions, &decisions, usize::MAX, |key, _| Ok(key.to_vec()))? {
            self.remove(Tab::Decisions, &key)?;
        }
        self.item_changed(id);
        Ok(true)
    }
}
