//! Confirming a write: link, base, observation, audit and the item's next state in one transaction
//! (`engine.md` 5.5 step 4, 5.6).

use std::sync::Arc;

use super::core::Core;
use super::observe::observation;
use super::plan::{self, Cause, link_records, put};
use super::push::open_outcome;
use crate::merge::canonical::same;
use crate::merge::compare::equal_across;
use crate::merge::flap;
use crate::model::item::PushedField;
use crate::model::record::Source;
use crate::model::{
    Actor, AuditEvent, Base, BaseField, Choice, FieldKind, Fields, Fingerprint, Intent, Item, ItemError, LinkId,
    ModuleDef, Operation, PairKey, Reason, Reasons, Record, RecordId, Side, State, Timestamp, Value,
};
use crate::store::{Reads as _, StoreError, Tx};

/// A write that is known to have been applied.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// The record as the remote shows it now.
    pub record: Record,
    /// Whether this very write created it.
    pub created: bool,
    /// The create was answered with a record that stood there before, or was taken for ours by its looks alone.
    pub adopted: bool,
    /// Whether `record` was read back, rather than put together from what was sent.
    pub certain: bool,
}

/// Records that the intent's write was applied.
pub(super) async fn confirm(core: &Arc<Core>, intent: &Intent, applied: Applied) -> Result<(), StoreError> {
    let (shared, intent) = (Arc::clone(core), intent.clone());
    core.store.write(move |tx| confirm_in(&shared, tx, &intent, &applied)).await
}

/// The same inside a transaction.
pub(super) fn confirm_in(core: &Core, tx: &mut Tx<'_>, intent: &Intent, applied: &Applied) -> Result<(), StoreError> {
    let (Some(mut item), Some(def)) = (open_outcome(tx, intent.item)?, core.def(intent.module)) else {
        return Ok(());
    };
    let now = core.now();
    tx.remove_intent(intent.item)?;
    note_shown(core, tx, intent, applied)?;
    let Some(link) = link_of(tx, intent, &item, &applied.record.id, now)? else {
        let Operation::Create { source, .. } = &intent.operation else { return Ok(()) };
        // Paired by somebody while the write was under way, it has an item of its own.
        if tx.link_of(intent.module, intent.side.other(), source)?.is_some() {
            plan::supersede(tx, item, now, "the record was paired while a write was under way")?;
            return tx.mark_dirty(intent.module, intent.side, &applied.record.id);
        }
        return ask_whose(tx, item, now);
    };
    let before = tx.base(link)?;
    let mut moved = agree(core, tx, def, before.clone(), intent, applied, now)?;
    reopen_questions(&mut moved, &item, intent);
    let shown = core.view(intent.module, intent.side, &applied.record);
    for (field, sent) in intent.operation.written() {
        // A person's word begins the count again; what the remotes make of it afterwards is counted.
        if intent.decided && !item.pushed.iter().any(|pushed| pushed.field == *field) {
            flap::forget(&mut moved, field);
        } else {
            let there = shown.fields.get(field).unwrap_or(sent);
            let held = def.field(field).is_none_or(|def| same(def.kind, sent, there));
            flap::note(&mut moved, field, intent.side, now, held);
        }
    }
    tx.put_base(link, &moved)?;

    let pair = PairKey::Link(link);
    if tx.open_item(intent.module, &pair)?.is_some_and(|open| open != item.id) {
        // The pair was made while the write was under way and has its own item: that one goes on.
        plan::supersede(tx, item, now, "the pair was made while the write was under way")?;
        return plan::by_key(core, tx, intent.module, &pair, Cause::Reopened).map(drop);
    }
    remember(&mut item, intent, &before);
    item.pair = pair;
    item.error = None;
    item.state = State::New;
    item.ver += 1;
    item.updated_at = now;
    let what = AuditEvent::Pushed {
        side: intent.side,
        record: applied.record.id.clone(),
        created: applied.created,
        fields: fingerprints(intent),
    };
    put(tx, &item, Actor::engine(), now, what)?;
    plan::by_key(core, tx, intent.module, &item.pair, Cause::Confirmed).map(drop)
}

/// Stores what the remote shows, unless a poll has meanwhile shown something newer, or that the record is
/// gone: it may have gone right after our write, and if it has not, the next listing shows it again.
fn note_shown(core: &Core, tx: &mut Tx<'_>, intent: &Intent, applied: &Applied) -> Result<(), StoreError> {
    let known = tx.observation(intent.module, intent.side, &applied.record.id)?;
    let newer = known.as_ref().is_some_and(|known| {
        known.absent || known.record.modified > applied.record.modified && applied.record.modified.is_some()
    });
    if newer {
        return Ok(());
    }
    let mut record = applied.record.clone();
    if !applied.certain
        && let Some(known) = known
    {
        record.modified = known.record.modified;
        record.version = known.record.version;
    }
    tx.put_observation(&observation(core, intent.module, intent.side, record, Source::ReadBack))
}

/// The link the write belongs to: the item's own, or one made now for a create.
fn link_of(
    tx: &mut Tx<'_>,
    intent: &Intent,
    item: &Item,
    written: &RecordId,
    now: Timestamp,
) -> Result<Option<LinkId>, StoreError> {
    let Operation::Create { source, .. } = &intent.operation else {
        return Ok(match item.pair {
            PairKey::Link(link) => Some(link),
            PairKey::Lone(..) => None,
        });
    };
    let (ivvy, crm) = if intent.side == Side::Crm { (source, written) } else { (written, source) };
    let existing = (tx.link_of(intent.module, Side::Ivvy, ivvy)?, tx.link_of(intent.module, Side::Crm, crm)?);
    match existing {
        (None, None) => link_records(tx, intent.module, ivvy, crm, "created by Tandem under its key", now).map(Some),
        (Some(left), Some(right)) if left == right => Ok(Some(left)),
        _ => Ok(None),
    }
}

/// What is there under our key belongs to another pair: a person must look. Planning it again by itself would end
/// here again, and again.
fn ask_whose(tx: &mut Tx<'_>, mut item: Item, now: Timestamp) -> Result<(), StoreError> {
    item.state = State::Held;
    item.reasons = Reasons::one(Reason::Ambiguous);
    (item.decided, item.forced, item.claims) = (false, None, 0);
    item.error = Some(ItemError {
        message: "a record that carries its key is there already, and is paired with another one".to_owned(),
        hint: Some("correct the key in that record, or skip this one".to_owned()),
        at: now,
    });
    item.ver += 1;
    item.updated_at = now;
    let cause = "the record written is paired with another one".to_owned();
    put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::Held, cause })
}

/// Moves the base of every written field (`docs/decisions/0003`).
///
/// Where both sides now mean the same, they have agreed. Where the other side still differs (a value
/// typed by an operator goes to both sides, one after the other), the written side loses its base and
/// the other keeps what it held: that reads as "the written side changed", so the rest flows by the
/// ordinary rules, and a new edit on the other side is still a conflict. The other side's value is
/// the one the intent was made with, so an edit that came in meanwhile still counts as a change.
fn agree(
    core: &Core,
    tx: &Tx<'_>,
    def: &ModuleDef,
    mut base: Base,
    intent: &Intent,
    applied: &Applied,
    now: Timestamp,
) -> Result<Base, StoreError> {
    let side = intent.side;
    let shown = core.view(intent.module, side, &applied.record);
    let source = source_record(intent);
    let (ivvy, crm) = if side == Side::Ivvy { (&shown, &source) } else { (&source, &shown) };
    let counterparts = plan::Counterparts::of(tx, def, Some(ivvy), Some(crm))?;
    for (name, sent) in intent.operation.written() {
        let Some(field) = def.field(name) else {
            continue;
        };
        let other = intent.source_values.get(name).cloned().unwrap_or_default();
        let now_there = shown.fields.get(name).unwrap_or(sent);
        let entry = base.fields.entry(name.clone()).or_default();
        (entry.disputed, entry.adopts) = (false, false);
        entry.set(side.other(), Some(other.clone()));
        // An owner that policy chose for the new record is its own, and a default stands where the source has
        // nothing: neither goes back, whatever the system made of it.
        let is_new = matches!(intent.operation, Operation::Create { .. });
        let chosen = is_new && (other.is_empty() || matches!(field.kind, FieldKind::Match(_)));
        if !chosen && !same(field.kind, sent, now_there) {
            differs(entry, side, sent, field.membership.is_some(), is_new && applied.adopted);
            continue;
        }
        let (x, y) = if side == Side::Ivvy { (now_there, &other) } else { (&other, now_there) };
        let agreed = chosen || equal_across(field, x, y, &counterparts).unwrap_or(false);
        entry.set(side, agreed.then(|| now_there.clone()));
    }
    if let Operation::Create { fields, .. } = &intent.operation {
        // Nor does what a system gives a new record of itself: an owner, a default source (C-14, C-24). What
        // the source held is what the record was made from: an edit since is a change.
        for field in def.fields.iter().filter(|field| matches!(field.kind, FieldKind::Match(_))) {
            let theirs = intent.source_values.get(field.name.as_ref());
            if let (Some(ours), Some(theirs), false) =
                (shown.fields.get(field.name.as_ref()), theirs, fields.contains_key(field.name.as_ref()))
            {
                let entry = base.fields.entry(field.name.clone().into_owned()).or_default();
                entry.set(side, Some(ours.clone()));
                entry.set(side.other(), Some(theirs.clone()));
            }
        }
    }
    base.agreed_at = now;
    Ok(base)
}

/// The base of a written field whose record shows something else than was sent.
fn differs(entry: &mut BaseField, side: Side, sent: &Value, membership: bool, adopted: bool) {
    if adopted {
        // It stood there before, or may have: nobody has ever agreed on what it holds, so a person sees the
        // difference, and neither value is written over the other unseen.
        entry.set(side, None);
        entry.set(side.other(), None);
    } else {
        // Somebody changed it again right after us, or the remote altered it: that is a change. A group that did not
        // arrive is no group that was left, or it would be left on the other side, too.
        entry.set(side, (!membership).then(|| sent.clone()));
    }
}

/// Where an undo put each side's own value back, the agreement before the decision stands again, and the
/// difference is a question, whatever the comparison would make of it: nothing is written that nobody
/// approved.
fn reopen_questions(base: &mut Base, item: &Item, intent: &Intent) {
    for row in &item.plan.fields {
        if matches!(row.choice, Some(Choice::Each { .. })) && intent.operation.written().contains_key(&row.field) {
            let before =
                BaseField { ivvy: row.base_ivvy.clone(), crm: row.base_crm.clone(), disputed: true, adopts: false };
            base.fields.insert(row.field.clone(), before);
        }
    }
}

/// The other side's written fields as a record, for looking up references.
fn source_record(intent: &Intent) -> Record {
    Record { fields: intent.source_values.clone(), ..Record::default() }
}

/// Keeps what was overwritten, and the agreement before it, for undo. Several pushes of one item append.
fn remember(item: &mut Item, intent: &Intent, base: &Base) {
    if let Operation::Update { patch, pre_image, .. } = &intent.operation {
        for (field, after) in patch {
            let before = pre_image.get(field).cloned().unwrap_or_default();
            let base = base.fields.get(field).cloned().unwrap_or_default();
            let (field, after) = (field.clone(), after.clone());
            item.pushed.push(PushedField { side: intent.side, field, before, after, base, decided: intent.decided });
        }
    }
}

fn fingerprints(intent: &Intent) -> Vec<(String, Fingerprint, Fingerprint)> {
    let none = Fields::new();
    let before = match &intent.operation {
        Operation::Create { .. } => &none,
        Operation::Update { pre_image, .. } => pre_image,
    };
    let null = Value::Null;
    intent
        .operation
        .written()
        .iter()
        .map(|(name, after)| (name.clone(), Fingerprint::of(before.get(name).unwrap_or(&null)), Fingerprint::of(after)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_adopted_record_holds_was_never_agreed_s24() {
        let ours = Value::text("+33 6");
        let mut entry = BaseField { crm: Some(ours.clone()), ..BaseField::default() };
        differs(&mut entry, Side::Ivvy, &ours, false, true);
        assert_eq!((entry.ivvy, entry.crm), (None, None), "no side wins by itself");

        let mut entry = BaseField { crm: Some(ours.clone()), ..BaseField::default() };
        differs(&mut entry, Side::Ivvy, &ours, false, false);
        assert_eq!((entry.ivvy, entry.crm), (Some(ours.clone()), Some(ours.clone())), "one of ours was changed since");
        let mut entry = BaseField::default();
        differs(&mut entry, Side::Ivvy, &ours, true, false);
        assert_eq!(entry.ivvy, None);
    }
}
