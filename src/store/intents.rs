//! Write-ahead intents and decisions: both are written once, and a second one is refused.

use super::codec;
use super::error::{Result, StoreError};
use super::header::IndexRow;
use super::items;
use super::keys::{self, Key, Span};
use super::source::{self, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::{Decision, Intent, ItemId, ModuleId, Operation, RecordId, Side};

pub(super) fn intent(source: &dyn Source, item: ItemId) -> Result<Option<Intent>> {
    source::get(source, Tab::Intents, &items::key(item), codec::decode)
}

pub(super) fn intents(source: &dyn Source) -> Result<Vec<Intent>> {
    source::collect(source, Tab::Intents, &Span::all(), usize::MAX, |_, value| codec::decode(value))
}

pub(super) fn intent_on(
    source: &dyn Source,
    module: ModuleId,
    side: Side,
    record: &RecordId,
) -> Result<Option<ItemId>> {
    let key = keys::record(module, side, record);
    source::get(source, Tab::IntentRecords, &key, |id| Ok(ItemId(keys::number(id)?)))
}

pub(super) fn decisions(source: &dyn Source, item: ItemId) -> Result<Vec<Decision>> {
    let span = Span::prefix(items::key(item).to_vec());
    source::collect(source, Tab::Decisions, &span, usize::MAX, |_, value| codec::decode(value))
}

/// The record an intent writes; a create is known by its key until the remote has given it an id.
fn target(intent: &Intent) -> RecordId {
    match &intent.operation {
        Operation::Create { key, .. } => RecordId::from(key.as_str()),
        Operation::Update { id, .. } => id.clone(),
    }
}

/// The index row of an intent.
pub(super) fn index_row(intent: &Intent) -> IndexRow {
    IndexRow {
        tab: Tab::IntentRecords,
        key: keys::record(intent.module, intent.side, &target(intent)),
        value: items::key(intent.item).to_vec(),
    }
}

impl Tx<'_> {
    /// Writes an intent. Writing the same one again (same effect and attempt) replaces it: that is
    /// how its outcome becomes unknown.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] for a different intent of the same item, or any other item's intent
    /// on the same record (I4). By the operation's end the item must be inflight or unknown.
    pub fn put_intent(&mut self, intent: &Intent) -> Result<()> {
        let record = target(intent);
        keys::check_record(&record)?;
        if let Some(old) = self::intent(self, intent.item)? {
            let same = (old.module, old.side, old.attempt) == (intent.module, intent.side, intent.attempt)
                && old.operation == intent.operation;
            if !same {
                return Err(StoreError::invariant(format!("item {} already has an intent (I4)", intent.item)));
            }
        }
        if let Some(other) = intent_on(self, intent.module, intent.side, &record)?.filter(|other| *other != intent.item)
        {
            return Err(StoreError::invariant(format!(
                "item {}: item {other} already has a write on the same record (I4)",
                intent.item
            )));
        }
        let row = index_row(intent);
        self.insert(row.tab, &row.key, &row.value)?;
        self.insert(Tab::Intents, &items::key(intent.item), &codec::encode(intent)?)?;
        self.touched.insert(intent.item);
        Ok(())
    }

    /// Takes an item's intent away and returns it. By the operation's end the item must have moved on (I4).
    pub fn remove_intent(&mut self, item: ItemId) -> Result<Option<Intent>> {
        let Some(intent) = self::intent(self, item)? else { return Ok(None) };
        let row = index_row(&intent);
        self.remove(row.tab, &row.key)?;
        self.remove(Tab::Intents, &items::key(item))?;
        self.touched.insert(item);
        Ok(Some(intent))
    }

    /// Writes a decision.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] if there already is one on this version of the item (I5).
    pub fn put_decision(&mut self, decision: &Decision) -> Result<()> {
        let key = Key::new().item(decision.item).u32(decision.ver).done();
        if self.with(Tab::Decisions, &key, &mut |_| Ok(()))? {
            return Err(StoreError::invariant(format!(
                "item {}: version {} has been decided already (I5)",
                decision.item, decision.ver
            )));
        }
        self.insert(Tab::Decisions, &key, &codec::encode(decision)?)
    }
}
