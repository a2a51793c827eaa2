//! Writing a plan into its item: what survives of the item before, and what the guard says.

use super::{Cause, Context, wake_children};
use crate::model::{
    Actor, AuditEvent, Base, Fingerprint, Item, ItemError, Kind, ModuleId, PairKey, Plan, Reason, Reasons, State,
    Timestamp,
};
use crate::store::{Note, Reads, StoreError, Tx};
use crate::sync::guard;

/// What a plan wants its item to be.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub pair: PairKey,
    pub kind: Kind,
    pub state: State,
    pub reasons: Reasons,
    pub seen: Fingerprint,
    pub title: String,
    pub plan: Plan,
    pub error: Option<ItemError>,
    pub waits_for: Option<(ModuleId, PairKey)>,
}

/// Fingerprint of everything a plan was made from (`engine.md` 5.2, I8).
pub(in crate::sync) fn seen_of(ivvy: Fingerprint, crm: Fingerprint, base: &Base, mapping_version: u32) -> Fingerprint {
    Fingerprint::of(&(ivvy, crm, &base.fields, mapping_version))
}

/// The item that stands for a pair: the open one, or a skipped one, which is closed, yet what was chosen and
/// seen there lives on when its records move.
pub(in crate::sync) fn standing(
    reads: &impl Reads,
    module: ModuleId,
    pair: &PairKey,
) -> Result<Option<Item>, StoreError> {
    let last = match reads.last_item(module, pair)? {
        Some(id) => reads.item(id)?,
        None => None,
    };
    Ok(last.filter(|item| item.state.is_open() || item.state == State::Skipped))
}

/// Brings the pair's item in line with a fresh plan.
pub(super) fn upsert(context: &Context<'_>, tx: &mut Tx<'_>, draft: Draft) -> Result<(), StoreError> {
    match standing(tx, context.module, &draft.pair)? {
        None if draft.state == State::Done => Ok(()),
        None => insert(context, tx, draft),
        Some(item) => replan(context, tx, item, draft),
    }
}

pub(super) fn insert(context: &Context<'_>, tx: &mut Tx<'_>, draft: Draft) -> Result<(), StoreError> {
    let id = tx.new_item_id()?;
    let mut item = Item::new(id, context.module, draft.pair.clone(), draft.kind, context.now);
    item.priority = guard::priority(tx, context.module)?;
    apply(context, tx, &mut item, draft)?;
    store(context, tx, &item)
}

fn replan(context: &Context<'_>, tx: &mut Tx<'_>, mut item: Item, mut draft: Draft) -> Result<(), StoreError> {
    let same_data = item.seen == draft.seen && item.kind == draft.kind;
    if context.cause == Cause::Seen && same_data {
        // Same data never reopens a skip (I26), resets a wait, or takes a decision back. Only an item
        // that was waiting for its parent may have something new to do.
        let waiting = item.state == State::Blocked || item.state == State::New;
        let released = item.state == State::Held && item.reasons == Reasons::one(Reason::UnmatchedRef);
        if !waiting && (!released || draft.state == State::Held) {
            return Ok(());
        }
    }
    if item.state == State::Skipped && context.cause == Cause::Seen && item.skipped_seen == Some(draft.seen) {
        return Ok(());
    }
    if context.cause != Cause::Confirmed && draft.state == State::Ready {
        // Somebody approved other values than these: show them again, with what moved marked. And a
        // choice is only a draft until it is approved: it may answer every question, but not go.
        let approved_other_values = context.cause == Cause::Seen && item.decided && !same_data;
        let drafted = draft.plan.fields.iter().any(|row| row.choice.is_some());
        if approved_other_values || drafted {
            draft.state = State::Held;
            draft.reasons = Reasons::one(Reason::Conflict);
        }
    }
    let stands = same_data
        && item.state == draft.state
        && item.reasons == draft.reasons
        && item.waits_for == draft.waits_for
        && item.plan == draft.plan;
    if context.cause != Cause::Confirmed && stands {
        return Ok(());
    }
    if !same_data && context.cause != Cause::Confirmed {
        // A sample was released for what it held then.
        item.guard_pass = false;
    }
    let shown = item.decided || matches!(item.state, State::Held | State::Dead | State::Skipped);
    apply(context, tx, &mut item, draft)?;
    if context.cause == Cause::Seen && !shown {
        // What the engine was about to do by itself nobody has looked at, so nothing moved for anybody.
        for row in &mut item.plan.fields {
            row.moved = false;
        }
    }
    if context.cause != Cause::Confirmed || item.state != State::Ready {
        item.decided = false;
        item.forced = None;
    }
    store(context, tx, &item)
}

/// Copies the draft into the item, with the guard's word on it.
fn apply(context: &Context<'_>, tx: &mut Tx<'_>, item: &mut Item, draft: Draft) -> Result<(), StoreError> {
    let (question, write) = (was_question(item), matches!(item.state, State::Ready | State::Retry));
    let before = std::mem::take(&mut item.plan);
    item.pair = draft.pair;
    item.kind = draft.kind;
    item.state = draft.state;
    item.reasons = draft.reasons;
    item.seen = draft.seen;
    item.title = draft.title;
    item.plan = draft.plan;
    item.error = draft.error;
    item.waits_for = draft.waits_for;
    item.skipped_seen = None;
    item.pending = None;
    item.ready_at = context.now;
    item.attempts = 0;
    if context.cause == Cause::Confirmed {
        item.claims = 0;
    }
    // What follows from our own write (the other side's constant id, the other half of a decision) is
    // one piece of work with it: the guard has let that through already, and a claim asks it again.
    let passes = item.guard_pass || context.cause == Cause::Confirmed;
    if item.state == State::Ready && !passes && guard::holds(context, tx, item, write.then_some(&before))? {
        item.state = State::Held;
        item.reasons = Reasons::one(Reason::Guard);
    } else if item.state == State::Held && !question {
        guard::count_conflict(context, tx)?;
    }
    Ok(())
}

/// Whether the item asked a person something already: a record that moves again is not one more question.
fn was_question(item: &Item) -> bool {
    // A snoozed question comes back as `new` without its reasons, but with its plan.
    let asks = item.plan.unsolved() > 0 || !item.plan.candidates.is_empty();
    asks || (item.state == State::Held && !item.reasons.without(Reason::Guard).is_empty())
}

fn store(context: &Context<'_>, tx: &mut Tx<'_>, item: &Item) -> Result<(), StoreError> {
    let mut item = item.clone();
    item.ver += 1;
    item.updated_at = context.now;
    let what = AuditEvent::Planned { state: item.state, summary: item.plan.summary.clone() };
    put(tx, &item, Actor::engine(), context.now, what)
}

/// Stores an item with an audit row, and wakes its children when it will not bring their parent.
pub(in crate::sync) fn put(
    tx: &mut Tx<'_>,
    item: &Item,
    actor: Actor,
    at: Timestamp,
    what: AuditEvent,
) -> Result<(), StoreError> {
    let link = match item.pair {
        PairKey::Link(link) => Some(link),
        PairKey::Lone(..) => None,
    };
    let note = Note { at, actor, module: Some(item.module), item: Some(item.id), link, what };
    tx.put_item(item, note)?;
    // Children wait for what comes by itself; now this does not.
    let stuck = matches!(item.state, State::Held | State::Dead | State::Skipped | State::Superseded);
    if stuck && matches!(item.pair, PairKey::Lone(..)) {
        wake_children(tx, item.module, std::slice::from_ref(&item.pair))?;
    }
    Ok(())
}

/// Closes an item that no longer stands for anything.
pub(in crate::sync) fn supersede(
    tx: &mut Tx<'_>,
    mut item: Item,
    now: Timestamp,
    cause: &str,
) -> Result<(), StoreError> {
    item.state = State::Superseded;
    item.reasons = Reasons::NONE;
    item.ver += 1;
    item.updated_at = now;
    item.waits_for = None;
    put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::Superseded, cause: cause.to_owned() })
}
