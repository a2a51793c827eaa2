//! Planning a record that has no counterpart yet: pair it once, by constant id, by our key, or by
//! identity (V-11 to V-13); otherwise create it on the other side.

use std::time::Duration;

use super::item::{Draft, supersede, upsert};
use super::pair::link_records;
use super::{
    Cause, Context, Counterparts, Missing, Parent, Planned, guest, match_is_coming, missing_parent, wake_children,
};
use crate::merge::{matching, plan as merge_plan};
use crate::model::plan::Candidate;
use crate::model::{
    Base, FieldDef, FieldKind, FieldPlan, Fingerprint, ItemError, Kind, ModuleDef, ModuleId, Observation, PairKey,
    Plan, Reason, Reasons, RecordId, Side, State, Value, Verdict, Why,
};
use crate::store::{Reads, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::matching::create::why_waiting;
use crate::sync::observe::survivor;

/// How many records of one identity are looked at; more than a person can choose from is "many".
pub(super) const CANDIDATES: usize = 12;

/// What the store says about a record's counterpart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Counterpart {
    /// This one, and why.
    One(RecordId, &'static str),
    /// One of these, or none: a person chooses. With the sentence that says why.
    Choose(Vec<RecordId>, &'static str),
    /// A write that could bring it is under way.
    UnderWay,
    /// None.
    None,
}

/// Plans a record without a link.
pub(super) fn plan(
    core: &Core,
    tx: &mut Tx<'_>,
    module: ModuleId,
    side: Side,
    id: &RecordId,
    cause: Cause,
) -> Result<Planned, StoreError> {
    let (Some(context), Some(seen)) = (Context::new(core, module, cause), tx.observation(module, side, id)?) else {
        return Ok(Planned::Settled);
    };
    let pair = PairKey::Lone(side, id.clone());
    let open = match tx.open_item(module, &pair)? {
        Some(open) => tx.item(open)?,
        None => None,
    };
    if open.as_ref().is_some_and(|item| item.state.has_intent()) {
        return Ok(Planned::Settled);
    }
    if seen.absent || seen.record.archived || seen.record.anonymised {
        if let Some(item) = open {
            supersede(tx, item, context.now, "the record is gone, archived or anonymised")?;
        }
        super::merged::remember(tx, module, side, id)?;
        super::converted::release_person(core, tx, &seen)?;
        // Who waited for it waits for nothing now.
        wake_children(tx, module, &[pair])?;
        return Ok(Planned::Settled);
    }
    let found = counterpart(core, tx, &seen)?;
    if found != Counterpart::UnderWay
        && open.is_none()
        && cause == Cause::Seen
        && super::converted::leads_unread(core, tx, &seen)?
    {
        if let Some(poll) = core.signals.poll.get(&(ModuleId::Leads, side)) {
            poll.notify_one();
        }
        return Ok(Planned::Deferred);
    }
    if !matches!(found, Counterpart::One(..) | Counterpart::UnderWay)
        && let Some(why) = match kept_out(context.def, &seen) {
            Some(why) => Some(why),
            None => kept_as_one(core, tx, &seen)?,
        }
    {
        if seen.record.converted {
            super::converted::release_person(core, tx, &seen)?;
        }
        if let Some(item) = open {
            supersede(tx, item, context.now, why)?;
        }
        return Ok(Planned::Settled);
    }
    match found {
        Counterpart::One(other, reason) => {
            let (ivvy, crm) = if side == Side::Ivvy { (id, &other) } else { (&other, id) };
            let link = link_records(tx, module, ivvy, crm, reason, context.now)?;
            super::pair::plan(core, tx, module, link, Cause::Seen)
        }
        Counterpart::Choose(candidates, why) => {
            let is_new = open.is_none();
            let drafts = open.map(|item| item.plan.fields).unwrap_or_default();
            ask_which(&context, tx, &seen, pair.clone(), &candidates, why, &drafts)?;
            turned_up(tx, module, &pair, is_new)
        }
        Counterpart::UnderWay => Ok(Planned::Deferred),
        // Entered in both systems at once, the twin is there but not read yet.
        Counterpart::None if open.is_none() && cause == Cause::Seen && !module.appends() && !read_since(tx, &seen)? => {
            if let Some(poll) = core.signals.poll.get(&(module, side.other())) {
                poll.notify_one();
            }
            Ok(Planned::Deferred)
        }
        Counterpart::None => {
            let is_new = open.is_none();
            let drafts = open.map(|item| item.plan.fields).unwrap_or_default();
            create(&context, tx, &seen, pair.clone(), &drafts)?;
            turned_up(tx, module, &pair, is_new)
        }
    }
}

/// Whoever was read before this record that it belongs to knows now what it waits for.
fn turned_up(tx: &mut Tx<'_>, module: ModuleId, pair: &PairKey, is_new: bool) -> Result<Planned, StoreError> {
    if is_new {
        wake_children(tx, module, std::slice::from_ref(pair))?;
    }
    Ok(Planned::Settled)
}

/// Why a record is not carried over at all: it is on the wrong side of a one-way module, its values keep it
/// out for now (V-45, V-47, V-52), or it is history of nobody we keep.
pub(super) fn kept_out(def: &ModuleDef, seen: &Observation) -> Option<&'static str> {
    if seen.record.converted {
        return Some("it was converted before it had a counterpart");
    }
    if !def.flow.may_write(seen.side.other()) {
        return Some("the module never writes to the other side");
    }
    if seen.side == Side::Ivvy && def.admits(&seen.record.fields).is_err() {
        return Some("its values keep it out, as configured");
    }
    if seen.side == Side::Crm && def.request.is_some() && !def.requested(&seen.record.fields) {
        return Some("it does not ask to be made on the other side");
    }
    let nobody = |field: &FieldDef| {
        field.required_on == Some(Side::Crm)
            && matches!(field.kind, FieldKind::Reference(_))
            && seen.record.fields.get(field.name.as_ref()).is_none_or(Value::is_empty)
    };
    (def.id.appends() && def.fields.iter().any(nobody)).then_some("it belongs to nobody who is kept in step")
}

/// Why a person is not made a second record of, where the CRM keeps each as one (P-05).
fn kept_as_one(core: &Core, tx: &Tx<'_>, seen: &Observation) -> Result<Option<&'static str>, StoreError> {
    if super::converted::standing_of(core, tx, seen)? == super::converted::Standing::Prospect {
        return Ok(Some("the person is a prospect there until the lead is converted"));
    }
    let member = super::converted::is_member(core, tx, seen)?;
    Ok(member.then_some("the person is a member there already"))
}

/// Whether the other side has been swept, from start to end, since this record was seen. Only then does
/// "no counterpart" mean that there is none, and not that nobody has looked.
fn read_since(reads: &impl Reads, seen: &Observation) -> Result<bool, StoreError> {
    let cursor = reads.cursor(seen.module, seen.side.other())?;
    let began = cursor.last_sweep.map(|ended| ended.minus(Duration::from_millis(cursor.last_duration_ms)));
    Ok(began.is_some_and(|began| began >= seen.seen_at))
}

/// Looks for the counterpart of an unlinked record.
pub(in crate::sync) fn counterpart(core: &Core, tx: &Tx<'_>, seen: &Observation) -> Result<Counterpart, StoreError> {
    let named = by_constant_id(core, tx, seen)?;
    if named != Counterpart::None {
        return Ok(named);
    }
    let converted = super::converted::counterpart(core, tx, seen)?;
    if converted != Counterpart::None {
        return Ok(converted);
    }
    by_identity(core, tx, seen)
}

/// The constant ids: the one the record carries, then the ones others carry that name it.
fn by_constant_id(core: &Core, tx: &Tx<'_>, seen: &Observation) -> Result<Counterpart, StoreError> {
    let (module, side, other) = (seen.module, seen.side, seen.side.other());
    let carried = seen.external_key.as_deref().and_then(|key| match side {
        Side::Ivvy => Some(RecordId::from(key)),
        Side::Crm => core.ivvy_id_in(module, key),
    });
    if let Some(mut id) = carried {
        if let Some(known) = survivor(tx, module, other, &id)? {
            id = known.record.id;
        }
        return match tx.observation(module, other, &id)?.filter(|known| !known.absent) {
            None => Ok(Counterpart::Choose(Vec::new(), "its constant id names a record that does not exist there")),
            Some(_) if tx.link_of(module, other, &id)?.is_some() => {
                Ok(Counterpart::Choose(Vec::new(), "its constant id names a record that is paired already"))
            }
            Some(_) if busy(tx, module, other, &id)? => Ok(Counterpart::UnderWay),
            Some(_) => Ok(Counterpart::One(id, "its constant id names the record")),
        };
    }
    let ours = match side {
        Side::Ivvy => core.key(module, &seen.record.id),
        Side::Crm => seen.record.id.0.clone(),
    };
    let naming = free(tx, module, other, tx.by_external_key(module, other, &ours, CANDIDATES)?)?;
    match naming.as_slice() {
        [] if taken(tx, module, other, &ours)? => {
            Ok(Counterpart::Choose(Vec::new(), "a record that carries its constant id is paired with another one"))
        }
        [] => Ok(Counterpart::None),
        [only] if busy(tx, module, other, only)? => Ok(Counterpart::UnderWay),
        [only] => Ok(Counterpart::One(only.clone(), "the record's constant id names it")),
        _ => Ok(Counterpart::Choose(naming, "several records carry its constant id")),
    }
}

/// Whether a living record of `side` carries this key in spite of belonging to another pair: one more under the same
/// key would be taken for it ever after.
fn taken(reads: &impl Reads, module: ModuleId, side: Side, key: &str) -> Result<bool, StoreError> {
    for id in reads.by_external_key(module, side, key, CANDIDATES)? {
        let living = reads.observation(module, side, &id)?.is_some_and(|known| !known.absent);
        let link = reads.link_of(module, side, &id)?.map(|link| reads.link(link)).transpose()?.flatten();
        if living && link.is_some_and(|link| link.stands()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Identity: exactly one on each side is a pair; anything else is for a person.
fn by_identity(core: &Core, tx: &Tx<'_>, seen: &Observation) -> Result<Counterpart, StoreError> {
    let (module, side, other) = (seen.module, seen.side, seen.side.other());
    let Some(identity) = seen.identity.as_deref().filter(|_| !seen.record.converted) else {
        return Ok(Counterpart::None);
    };
    let candidates = free(tx, module, other, tx.by_identity(module, other, identity, CANDIDATES)?)?;
    let Some(first) = candidates.first() else {
        return Ok(Counterpart::None);
    };
    for candidate in &candidates {
        if busy(tx, module, other, candidate)? {
            return Ok(Counterpart::UnderWay);
        }
    }
    let twins = free(tx, module, side, tx.by_identity(module, side, identity, CANDIDATES)?)?;
    if candidates.len() > 1 || twins.len() > 1 {
        return Ok(Counterpart::Choose(candidates, "several records have the same name and e-mail"));
    }
    let named = tx.observation(module, other, first)?.and_then(|known| known.external_key);
    let names_us = named.as_deref().is_none_or(|key| match other {
        Side::Ivvy => key == seen.record.id.as_str(),
        Side::Crm => core.key(module, &seen.record.id) == key,
    });
    if names_us {
        Ok(Counterpart::One(first.clone(), "same name and e-mail, the only one on each side"))
    } else {
        Ok(Counterpart::Choose(candidates, "the record with the same name and e-mail already names another"))
    }
}

/// The ids that are neither linked nor gone.
fn free(reads: &impl Reads, module: ModuleId, side: Side, ids: Vec<RecordId>) -> Result<Vec<RecordId>, StoreError> {
    let mut free = Vec::new();
    for id in ids {
        // A lead that was converted once is no counterpart of a new one about the same person.
        let usable = reads.observation(module, side, &id)?.is_some_and(|known| {
            let record = &known.record;
            !known.absent && !record.archived && !record.anonymised && !record.converted
        });
        if usable && reads.link_of(module, side, &id)?.is_none() {
            free.push(id);
        }
    }
    Ok(free)
}

/// Whether a write that starts from this record is under way.
pub(super) fn busy(reads: &impl Reads, module: ModuleId, side: Side, id: &RecordId) -> Result<bool, StoreError> {
    match reads.open_item(module, &PairKey::Lone(side, id.clone()))? {
        Some(item) => Ok(reads.item(item)?.is_some_and(|item| item.state.has_intent())),
        None => Ok(false),
    }
}

fn ask_which(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    seen: &Observation,
    pair: PairKey,
    candidates: &[RecordId],
    why: &str,
    drafts: &[FieldPlan],
) -> Result<(), StoreError> {
    let mut plan = create_plan(context, tx, seen, drafts)?;
    merge_plan::set_aside_own(context.def, &mut plan);
    for id in candidates {
        if let Some(known) = tx.observation(context.module, seen.side.other(), id)? {
            let title = matching::title(context.module, &known.record.fields);
            plan.candidates.push(Candidate { side: seen.side.other(), id: id.clone(), title });
        }
    }
    plan.summary = format!("{why}: pair with one, or approve to create a new record");
    let draft = Draft {
        pair,
        kind: Kind::Link,
        state: State::Held,
        reasons: Reasons::one(Reason::Ambiguous),
        seen: seen_alone(seen, &plan, candidates),
        title: matching::title(context.module, &seen.record.fields),
        plan,
        error: None,
        waits_for: None,
    };
    upsert(context, tx, draft)
}

fn create(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    seen: &Observation,
    pair: PairKey,
    drafts: &[FieldPlan],
) -> Result<(), StoreError> {
    let mut plan = create_plan(context, tx, seen, drafts)?;
    let mut absent = missing_parent(tx, context.def, &plan.fields)?;
    if let Some(Missing { parent, own: true }) = &absent {
        let waits = match parent {
            Parent::Coming(_, key) => super::comes_by_itself(context, tx, key, &pair)?,
            Parent::Unmatched(..) => false,
        };
        if !waits {
            merge_plan::set_aside_own(context.def, &mut plan);
            absent = None;
        }
    }
    let parent = absent.map(|missing| missing.parent);
    let missing = missing_fields(context, seen.side.other(), &plan);
    let coming = match_is_coming(context, tx, &[(seen.side, &seen.record)], |_, _, _| true)?;
    let waiting = coming.map(|(kind, there)| why_waiting(context.core, kind, there, context.now)).transpose()?;
    let (state, reasons, error) = match (&parent, missing.is_empty()) {
        (_, false) => {
            let error = ItemError {
                message: format!("incomplete: {} needed in {}", missing.join(", "), seen.side.other().title()),
                hint: Some("complete the record, or set the fields in the diff pane".to_owned()),
                at: context.now,
            };
            (State::Held, Reasons::one(Reason::Validation), Some(error))
        }
        (Some(Parent::Coming(..)), true) => (State::Blocked, Reasons::NONE, None),
        (Some(Parent::Unmatched(..)), true) => (State::Held, Reasons::one(Reason::UnmatchedRef), None),
        (None, true) if waiting.is_some() => (State::Blocked, Reasons::NONE, waiting),
        // Whatever is asked for waits for a person's word, one by one (S-07).
        (None, true) if context.def.request.is_some() && seen.side == Side::Crm => {
            (State::Held, Reasons::one(Reason::Rule), None)
        }
        (None, true) => (State::Ready, Reasons::NONE, None),
    };
    let waits_for = match parent {
        Some(parent) if missing.is_empty() => Some(parent.awaited()),
        _ => None,
    };
    let draft = Draft {
        pair,
        kind: Kind::Create,
        state,
        reasons,
        seen: seen_alone(seen, &plan, &[]),
        title: matching::title(context.module, &seen.record.fields),
        plan,
        error,
        waits_for,
    };
    upsert(context, tx, draft)
}

fn create_plan(
    context: &Context<'_>,
    tx: &Tx<'_>,
    seen: &Observation,
    drafts: &[FieldPlan],
) -> Result<Plan, StoreError> {
    let source = context.core.view(context.module, seen.side, &seen.record);
    let source = guest::named(tx, context.module, seen.side, source, None)?;
    let (ivvy, crm) = if seen.side == Side::Ivvy { (Some(&source), None) } else { (None, Some(&source)) };
    let counterparts = Counterparts::of(tx, context.def, ivvy, crm)?;
    let target = context.core.remotes.declared(seen.side.other());
    let later = target.fields_after_creation(context.module);
    let mut target_fields = target.fields(context.module);
    target_fields.retain(|field| !later.contains(&field.as_str()));
    Ok(merge_plan::of_create(context.def, seen.side, &source, &target_fields, &counterparts, drafts))
}

/// Titles of fields without which the target refuses to create (V-11).
fn missing_fields(context: &Context<'_>, target: Side, plan: &Plan) -> Vec<String> {
    context
        .def
        .fields
        .iter()
        .filter(|field| field.required_on == Some(target))
        .filter(|field| {
            plan.field(&field.name).is_none_or(|row| {
                // A record it belongs to that has no counterpart yet is waited for, not missing.
                if row.why == Why::ReferenceUnlinked && row.choice.is_none() {
                    return false;
                }
                let given = row.verdict != Verdict::Same || row.choice.is_some();
                !given || row.result().is_none_or(Value::is_empty)
            })
        })
        .map(|field| field.title.clone().into_owned())
        .collect()
}

/// What an operator sees of a record alone: the record, which references resolve, and the candidates.
fn seen_alone(seen: &Observation, plan: &Plan, candidates: &[RecordId]) -> Fingerprint {
    let rows: Vec<_> = plan.fields.iter().map(|row| (&row.field, row.verdict, row.why)).collect();
    let alone = Fingerprint::of(&(seen.hash, &rows, candidates));
    super::seen_of(alone, Fingerprint::default(), &Base::default(), plan.mapping_version)
}
