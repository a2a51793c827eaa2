//! Which lead sources are wanted on the other side, whether they may be created, and who waits for them.
//!
//! Nothing is created unasked before the first sync of a module that carries sources was released: until
//! then a lost store, whose memory would be missing, looks like a new one (C-19).

use std::sync::Arc;

use super::unclear::settle;
use super::{KIND, create, give_up};
use crate::merge::matching::fold;
use crate::model::matching::{MatchRow, MatchState};
use crate::model::{Actor, ItemError, MatchKind, ModuleId, PairKey, RecordId, Side, State, Timestamp};
use crate::remote::Lane;
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::matching::operate::MatchRefusal;
use crate::sync::matching::{MatchMode, is_cut, mode, users};
use crate::sync::wait::Shutdown;

/// Waiting items handled at a time.
const CHUNK: usize = 200;

/// What a record can be given for its lead source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceNeed {
    /// This entry of the other side.
    Counterpart(RecordId),
    /// Nothing yet: it is being created there. The planner is woken once that has an outcome.
    Coming,
    /// Nothing: the record travels without (C-24).
    Without,
}

/// Whether the row could be created on the other side: nothing there is, or might be, it.
pub(in crate::sync::matching) fn is_open(row: &MatchRow) -> bool {
    let free = row.state == MatchState::Unmatched && row.alive();
    free && !is_cut(&row.name)
        && row.error.is_none()
        && row.parted.is_empty()
        && row.candidates.is_empty()
        && !fold(&row.name).is_empty()
}

/// Whether the other side of `side` takes new lead sources.
pub(super) fn may_create(core: &Core, side: Side) -> Result<(), String> {
    let there = core.remotes.declared(side.other()).match_support(KIND);
    match mode(core, KIND) {
        MatchMode::Off(why) => Err(why),
        MatchMode::Master(master) if master != side => Err(format!("lead sources are made in {} only", master.title())),
        _ if !there.create => Err(format!("{} takes no new lead sources", side.other().title())),
        _ => Ok(()),
    }
}

/// [`SourceNeed`] of the entry `id` of `side`, inside the planner's transaction. After [`SourceNeed::Coming`]
/// wake `core.matching.wake` once it has been committed.
pub(in crate::sync) fn need(core: &Core, tx: &mut Tx<'_>, side: Side, id: &RecordId) -> Result<SourceNeed, StoreError> {
    if let Some(other) = tx.counterpart_of(KIND, side, id)? {
        return Ok(SourceNeed::Counterpart(other));
    }
    let Some(row) = tx.match_row(KIND, side, id)? else {
        core.matching.ask(KIND, core.now());
        return Ok(SourceNeed::Without);
    };
    // First of all: who has switched it off does not wait for what was wanted before (ADR 0012).
    if !core.settings.create_lead_sources || may_create(core, side).is_err() {
        return Ok(SourceNeed::Without);
    }
    if row.wanted && row.state == MatchState::Unmatched {
        return Ok(SourceNeed::Coming);
    }
    if !is_open(&row) {
        return Ok(SourceNeed::Without);
    }
    tx.put_match_rows(&[MatchRow { wanted: true, at: core.now(), ..row }])?;
    Ok(SourceNeed::Coming)
}

/// [`need`] in a transaction of its own.
pub(in crate::sync::matching) async fn ensure_source(
    core: &Arc<Core>,
    side: Side,
    id: RecordId,
) -> Result<SourceNeed, StoreError> {
    let shared = Arc::clone(core);
    let need = core.store.write(move |tx| self::need(&shared, tx, side, &id)).await?;
    core.matching.wake.notify_one();
    Ok(need)
}

/// Settles what is unclear, and creates what is wanted and may be.
pub(in crate::sync::matching) async fn all_wanted(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    if core.matching.of(KIND).create_at > core.now() {
        return Ok(());
    }
    for intent in core.store.read(|view| view.source_intents())? {
        let _turn = core.matching.creating.lock().await;
        // Settled meanwhile, or not yet: either way the next round looks again.
        let _ = settle(core, intent.side, &intent.folded, Lane::Live, &Actor::engine()).await?;
    }
    if !core.settings.create_lead_sources || !released(core)? {
        return Ok(());
    }
    for side in Side::BOTH.into_iter().filter(|side| may_create(core, *side).is_ok()) {
        for row in core.store.read(|view| view.wanted_rows(KIND, side))? {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            let created = create(core, KIND, side, &row.id, Actor::engine(), Lane::Live).await?;
            match created {
                Ok(_) | Err(MatchRefusal::Unknown { .. }) => {}
                Err(MatchRefusal::Refused(why)) => give_up(core, side, &row.id, why, &Actor::engine()).await?,
                // What is in the way of one is in the way of the next.
                Err(MatchRefusal::Later(_) | MatchRefusal::Unclear(_)) => break,
            }
        }
    }
    Ok(())
}

/// What to know before creation begins where nothing can be looked up (C-19): a lost store looks like a new
/// one. `None` once something was created there, or it can be asked.
pub(in crate::sync::matching) fn warning(core: &Core, kind: MatchKind) -> Result<Option<String>, StoreError> {
    let MatchMode::Master(master) = mode(core, kind) else { return Ok(None) };
    if users(core, kind).next().is_none() || !core.settings.create_lead_sources || released(core)? {
        return Ok(None);
    }
    let (there, table) = (master.other().title(), core.store.read(|view| view.match_table(kind))?);
    if table.iter().any(|row| row.side == master.other()) {
        return Ok(None);
    }
    let count = table.iter().filter(|row| row.side == master && is_open(row)).count();
    Ok(Some(format!(
        "{there} does not tell which lead sources it has, and this store knows of none: releasing the first sync of \
         leads creates {count} there. If an earlier store was lost they may be there already: restore it, or pair \
         them by hand first"
    )))
}

/// Whether any source is about to be created, or being created, or a person being looked up.
pub(in crate::sync) fn under_way(core: &Core) -> Result<bool, StoreError> {
    if core.matching.lookups().under_way() {
        return Ok(true);
    }
    if !core.settings.create_lead_sources || users(core, KIND).next().is_none() || !released(core)? {
        return Ok(false);
    }
    for side in Side::BOTH.into_iter().filter(|side| may_create(core, *side).is_ok()) {
        if !core.store.read(|view| view.wanted_rows(KIND, side))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has everything looked at again that waits for a source or an owner.
pub(in crate::sync::matching) fn wake_waiting(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let module = ModuleId::Leads;
    let mut after = None;
    loop {
        let waiting = tx.in_state(module, State::Blocked, after, CHUNK)?;
        let Some(last) = waiting.last().copied() else { return Ok(()) };
        after = Some(last);
        for item in waiting {
            let Some(item) = tx.item(item)? else { continue };
            let (side, record) = match item.pair {
                PairKey::Lone(side, record) => (side, record),
                PairKey::Link(link) => match tx.link(link)? {
                    Some(link) => (Side::Ivvy, link.ivvy),
                    None => continue,
                },
            };
            tx.mark_dirty(module, side, &record)?;
        }
    }
}

/// Why a record waits for its source to be created, or its owner to be looked up, for a person.
pub(in crate::sync) fn why_waiting(
    core: &Core,
    kind: MatchKind,
    there: Side,
    now: Timestamp,
) -> Result<ItemError, StoreError> {
    if kind == MatchKind::Staff {
        let message = format!("waits for its owner to be looked up in {}", there.title());
        return Ok(ItemError { message, hint: None, at: now });
    }
    let hint = match released(core)? {
        true => "see `tandem match list`: an unmatched source says what is in the way",
        false => "nothing is created before the first sync of leads is released",
    };
    Ok(ItemError {
        message: format!("waits for its lead source to be created in {}", there.title()),
        hint: Some(hint.to_owned()),
        at: now,
    })
}

/// Whether a person has let the first sync of a module that carries sources through.
fn released(core: &Core) -> Result<bool, StoreError> {
    core.store.read(|view| {
        for module in users(core, KIND) {
            if view.guard(module)?.is_some_and(|guard| guard.first_released.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    })
}
