//! Writing an item: the checks first, then header, body, indexes, counters and the audit row, all in
//! the caller's transaction. Reads the old header, never the old body.

use super::error::{Result, StoreError};
use super::header::Header;
use super::tables::Tab;
use super::tx::{Note, Tx};
use super::{codec, items, keys, meta};
use crate::model::{Item, Seq, State};

impl Tx<'_> {
    /// Inserts or replaces an item and appends `note` to the audit log.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] for a transition that [`State::successors`] does not list, a second
    /// open item of the pair (I3), a version that falls, or one that stays while something an operator
    /// decides on changes (kind, pair, state, reasons, plan, `seen`, `decided`, `forced`). Bookkeeping
    /// (attempts, claims, times, priority, assignment, error text) may change within a version.
    pub fn put_item(&mut self, item: &Item, mut note: Note) -> Result<Seq> {
        let id = item.id;
        let old = items::header(self, id)?;
        let new = Header::of(item);
        keys::check_pair(&item.pair)?;
        if let Some((_, parent)) = &item.waits_for {
            keys::check_pair(parent)?;
        }
        match &old {
            Some(old) => check_change(item, old, &new)?,
            None => check_first(item)?,
        }
        if item.state.is_open()
            && let Some(other) = items::open_item(self, item.module, &item.pair)?
            && other != id
        {
            return Err(StoreError::invariant(format!("item {id}: the pair already has the open item {other} (I3)")));
        }

        match &old {
            Some(old) => self.replace_indexes(item, old, &new)?,
            None => {
                self.use_number(meta::LAST_ITEM, id.0)?;
                self.add_indexes(item, &new)?;
            }
        }
        self.insert(Tab::Items, &items::key(id), &new.encode())?;
        self.insert(Tab::Bodies, &items::key(id), &codec::encode(item)?)?;
        self.item_changed(id);
        note.item = Some(id);
        note.module = Some(item.module);
        self.audit(note)
    }

    pub(super) fn add_indexes(&mut self, item: &Item, new: &Header) -> Result<()> {
        for row in new.index_rows(item.id) {
            self.insert(row.tab, &row.key, &row.value)?;
        }
        for key in new.counters() {
            self.count(key, true)?;
        }
        Ok(())
    }

    fn replace_indexes(&mut self, item: &Item, old: &Header, new: &Header) -> Result<()> {
        let (before, after) = (old.index_rows(item.id), new.index_rows(item.id));
        for row in before.iter().filter(|row| !after.contains(row)) {
            self.remove(row.tab, &row.key)?;
        }
        for row in after.iter().filter(|row| !before.contains(row)) {
            self.insert(row.tab, &row.key, &row.value)?;
        }
        let (before, after) = (old.counters(), new.counters());
        for key in before.iter().filter(|key| !after.contains(key)) {
            self.count(*key, false)?;
        }
        for key in after.iter().filter(|key| !before.contains(key)) {
            self.count(*key, true)?;
        }
        Ok(())
    }
}

/// A new item may start wherever planning a new one could take it in the same commit.
fn check_first(item: &Item) -> Result<()> {
    if State::New.successors().contains(&item.state) {
        return Ok(());
    }
    Err(StoreError::invariant(format!("item {}: nothing starts as {}", item.id, item.state)))
}

fn check_change(item: &Item, old: &Header, new: &Header) -> Result<()> {
    let id = item.id;
    if old.module != new.module {
        return Err(StoreError::invariant(format!("item {id}: an item never changes its module")));
    }
    if new.ver < old.ver {
        return Err(StoreError::invariant(format!("item {id}: version {} after {}", new.ver, old.ver)));
    }
    if new.ver == old.ver {
        if new.content != old.content {
            return Err(StoreError::invariant(format!("item {id}: changed without a new version ({})", new.ver)));
        }
        // Same version, same content: bookkeeping, allowed in any state.
        return Ok(());
    }
    if !old.state.successors().contains(&new.state) {
        return Err(StoreError::invariant(format!("item {id}: {} never becomes {}", old.state, new.state)));
    }
    Ok(())
}
