//! Records that went, or wait to go, without an owner or source: how many, and looking at them again once
//! there is a match (C-15). Nothing is sent again unasked.

use std::sync::Arc;

use super::{MatchRefusal, users};
use crate::merge::canonical::canonical;
use crate::model::{
    Actor, AuditEvent, Base, FieldKind, MatchKind, ModuleDef, ModuleId, Observation, RecordId, Side, Value,
};
use crate::store::{Reads, StoreError};
use crate::sync::Engine;
use crate::sync::core::Core;
use crate::sync::decide::account_note;

/// Records looked at per transaction.
const CHUNK: usize = 200;

impl Engine {
    /// How many records of `side` carry the entry while the other side does not have its match.
    pub fn match_without(&self, kind: MatchKind, side: Side, id: &RecordId) -> Result<u64, StoreError> {
        let core = &self.core();
        core.store.read(|view| {
            let mut count = 0;
            for module in users(core, kind).collect::<Vec<_>>() {
                let mut after = None;
                while let Some((records, last)) = chunk(core, view, kind, (module, side), id, after.as_ref())? {
                    count += records.len() as u64;
                    after = Some(last);
                }
            }
            Ok(count)
        })
    }

    /// Has those records planned again with the match that stands now: the field counts as never agreed on,
    /// so an empty counterpart is filled, and another choice there, be it the system's own (C-14), is a
    /// question. Returns how many.
    ///
    /// # Errors
    /// [`MatchRefusal::Refused`] when the entry has no match to send.
    pub async fn match_resend(
        &self,
        kind: MatchKind,
        side: Side,
        id: RecordId,
        actor: Actor,
    ) -> Result<Result<u64, MatchRefusal>, StoreError> {
        let core = &self.core();
        if core.store.read(|view| view.counterpart_of(kind, side, &id))?.is_none() {
            return Ok(Err(MatchRefusal::Refused("it has no match to send; pair it first".to_owned())));
        }
        let mut marked = 0;
        for module in users(core, kind).collect::<Vec<_>>() {
            let mut after = None;
            loop {
                let found = core.store.read(|view| chunk(core, view, kind, (module, side), &id, after.as_ref()))?;
                let Some((records, last)) = found else { break };
                marked += records.len() as u64;
                forget(core, module, side, kind, records).await?;
                after = Some(last);
            }
        }
        let what = AuditEvent::Operated { what: format!("{marked} records to be sent again with {kind} {side}:{id}") };
        let at = core.now();
        core.store.write(move |tx| tx.audit(account_note(what.clone(), at, actor.clone())).map(|_| ())).await?;
        core.signals.plan.notify_one();
        Ok(Ok(marked))
    }
}

/// The records of the next chunk that carry the entry and lack it on the other side, and where to go on.
fn chunk(
    core: &Core,
    reads: &impl Reads,
    kind: MatchKind,
    (module, side): (ModuleId, Side),
    id: &RecordId,
    after: Option<&RecordId>,
) -> Result<Option<(Vec<RecordId>, RecordId)>, StoreError> {
    let ids = reads.observed_ids(module, side, after, CHUNK)?;
    let (Some(last), Some(def)) = (ids.last().cloned(), core.def(module)) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for record in ids {
        let Some(seen) = reads.observation(module, side, &record)?.filter(|seen| !seen.absent) else { continue };
        if carries(def, kind, &seen, id) && !arrived(reads, def, kind, &seen, id)? {
            found.push(record);
        }
    }
    Ok(Some((found, last)))
}

fn fields(def: &ModuleDef, kind: MatchKind) -> impl Iterator<Item = &str> {
    def.fields.iter().filter(move |field| field.kind == FieldKind::Match(kind)).map(|field| field.name.as_ref())
}

fn carries(def: &ModuleDef, kind: MatchKind, seen: &Observation, id: &RecordId) -> bool {
    fields(def, kind).any(|name| {
        let value = seen.record.fields.get(name).map(|value| canonical(FieldKind::Match(kind), value));
        value == Some(Value::Text(id.0.clone()))
    })
}

/// Whether the counterpart holds the entry's match.
fn arrived(
    reads: &impl Reads,
    def: &ModuleDef,
    kind: MatchKind,
    seen: &Observation,
    id: &RecordId,
) -> Result<bool, StoreError> {
    let Some(matched) = reads.counterpart_of(kind, seen.side, id)? else { return Ok(false) };
    let Some(link) = reads.link_of(seen.module, seen.side, &seen.record.id)? else { return Ok(false) };
    let Some(link) = reads.link(link)? else { return Ok(false) };
    let there = reads.observation(seen.module, seen.side.other(), link.on(seen.side.other()))?;
    Ok(there.is_some_and(|there| {
        let holds = |name| there.record.fields.get(name).and_then(Value::as_text) == Some(matched.as_str());
        fields(def, kind).any(holds)
    }))
}

async fn forget(
    core: &Arc<Core>,
    module: ModuleId,
    side: Side,
    kind: MatchKind,
    records: Vec<RecordId>,
) -> Result<(), StoreError> {
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            let Some(def) = shared.def(module) else { return Ok(()) };
            for record in &records {
                if let Some(link) = tx.link_of(module, side, record)? {
                    let mut base: Base = tx.base(link)?;
                    for name in fields(def, kind) {
                        base.fields.remove(name);
                    }
                    tx.put_base(link, &base)?;
                }
                tx.mark_dirty(module, side, record)?;
            }
            Ok(())
        })
        .await
}
