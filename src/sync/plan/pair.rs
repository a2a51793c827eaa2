//! Planning a linked pair, and making links.

use super::item::{Draft, standing, upsert};
use super::{
    Cause, Context, Counterparts, LinkedView, Missing, Parent, Planned, converted, guest, match_is_coming, merged,
    missing_parent, wake_children,
};
use crate::merge::canonical::same;
use crate::merge::{flap, matching, plan as merge_plan};
use crate::model::{
    Actor, AuditEvent, Base, Choice, FieldDef, FieldPlan, Item, Kind, Link, LinkId, LinkState, ModuleDef, ModuleId,
    PairKey, Plan, Reason, Reasons, Record, RecordId, Side, State, Timestamp, Value, Verdict, Why,
};
use crate::store::{Note, Reads, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::mapping;
use crate::sync::matching::create::why_waiting;

/// Plans a linked pair.
pub(super) fn plan(
    core: &Core,
    tx: &mut Tx<'_>,
    module: ModuleId,
    link: LinkId,
    cause: Cause,
) -> Result<Planned, StoreError> {
    let Some(context) = Context::new(core, module, cause) else {
        return Ok(Planned::Settled);
    };
    let pair = PairKey::Link(link);
    if module.appends() {
        return close_history(&context, tx, &pair);
    }
    let standing = standing(tx, module, &pair)?;
    // A write is under way: its confirmation plans again with whatever was observed meanwhile.
    if cause != Cause::Confirmed && standing.as_ref().is_some_and(|item| item.state.has_intent()) {
        return Ok(Planned::Settled);
    }
    let Some(view) = view_of_link(core, tx, module, link)? else {
        return Ok(Planned::Settled);
    };
    if let Some(link) = tx.link(link)?
        && let Some(planned) = converted::plan(&context, tx, &view, &link)?
    {
        return Ok(planned);
    }
    match view.gone.as_slice() {
        [] => {}
        [side] => return merged::plan(&context, tx, &view, *side),
        _ => return merged::close(&context, tx, link, "both records are gone"),
    }
    let mut base = tx.base(link)?;
    if mapping::adopt(context.def, &mut base, &view) {
        tx.put_base(link, &base)?;
    }
    // Only what would travel now is waited for: what both sides have agreed on stays as it is.
    let both = [(Side::Ivvy, &view.ivvy), (Side::Crm, &view.crm)];
    let coming = match_is_coming(&context, tx, &both, |field, side, record| moved(field, &base, side, record))?;
    let waiting = coming.map(|(kind, there)| why_waiting(core, kind, there, context.now)).transpose()?;
    let counterparts = Counterparts::of(tx, context.def, Some(&view.ivvy), Some(&view.crm))?;
    let drafts = standing.as_ref().map(|item| item.plan.fields.clone()).unwrap_or_default();
    let mut plan = merge_plan::of_pair(context.def, &view.ivvy, &view.crm, &base, &counterparts, &drafts);
    // "Both keep what they have" is not agreed on while one of them is still being made.
    if waiting.is_none() && merge_plan::settle_agreements(&mut base, &plan) {
        base.agreed_at = context.now;
        tx.put_base(link, &base)?;
        plan = merge_plan::of_pair(context.def, &view.ivvy, &view.crm, &base, &counterparts, &drafts);
    }
    // What a person left as it is on both sides is agreed on with what they approved beside it: it would be a question
    // again at the next edit (V-13).
    let decided = standing.as_ref().is_some_and(|item| item.decided && item.state.is_open());
    let carried_out = decided && (cause == Cause::Confirmed || nothing_to_write(context.def, &plan, &counterparts));
    if carried_out && merge_plan::settle_choices(&mut base, context.def, &plan, &counterparts) {
        base.agreed_at = context.now;
        tx.put_base(link, &base)?;
        plan = merge_plan::of_pair(context.def, &view.ivvy, &view.crm, &base, &counterparts, &drafts);
    }
    let missing = missing_parent(tx, context.def, &plan.fields)?;
    if let Some(undo) = standing.as_ref().filter(|item| item.kind == Kind::Undo && item.state.is_open()) {
        carry_undo(&mut plan, undo, context.def);
    }
    let undoing = plan.fields.iter().any(|row| matches!(row.choice, Some(Choice::Each { .. })));
    let writes = !nothing_to_write(context.def, &plan, &counterparts);
    let parent = match missing {
        Some(Missing { parent, own: true }) => {
            // First whatever else there is to write or to ask; this alone waits, and is asked about last.
            let asks = |row: &FieldPlan| row.unsolved() && row.why != Why::ReferenceUnlinked;
            let others = writes || plan.fields.iter().any(asks);
            if others || matches!(parent, Parent::Coming(..)) {
                merge_plan::set_aside_own(context.def, &mut plan);
            }
            (!others).then_some(parent)
        }
        missing => missing.map(|missing| missing.parent),
    };
    let (mut state, mut reasons) = judge(&plan, &view, parent.as_ref(), writes);
    if state == State::Ready
        && !approved(standing.as_ref().filter(|_| cause == Cause::Confirmed), &plan)
        && asks_first(context.def, &plan, &counterparts)
    {
        (state, reasons) = (State::Held, Reasons::one(Reason::Rule));
    }
    // A choice that could be carried when it was made and no longer can is no answer any more, and one that nobody
    // has approved ends nothing.
    let unanswered = merge_plan::outdated(context.def, &plan, &counterparts)
        || state == State::Done && !decided && plan.fields.iter().any(chosen);
    if unanswered && matches!(state, State::Ready | State::Done) {
        (state, reasons) = (State::Held, Reasons::one(Reason::Conflict));
    }
    // Our own writes are no exception: two remotes that each alter what they are given would go on for ever.
    if state == State::Ready && flap::flapping(&base, &plan, context.now).next().is_some() {
        (state, reasons) = (State::Held, Reasons::one(Reason::Flap));
    }
    // The whole plan waits with the field, so that it is one decision and one write.
    let waiting = waiting.filter(|_| matches!(state, State::Ready | State::Done));
    if waiting.is_some() {
        state = State::Blocked;
    }
    let waits = matches!(state, State::Ready | State::Held) && !undoing;
    if waits && merged::in_question(tx, module, link)? {
        state = State::Held;
        reasons = reasons.with(Reason::Merge);
        plan.summary = format!("{}; another pair's record was merged into this one", plan.summary);
    }
    let draft = Draft {
        pair,
        kind: if undoing { Kind::Undo } else { Kind::Update },
        state,
        reasons,
        seen: super::seen_of(view.ivvy_hash, view.crm_hash, &base, context.def.mapping_version),
        title: title(module, &view),
        plan,
        error: waiting,
        waits_for: parent.map(Parent::awaited),
    };
    let drifted = draft.state == State::Done && draft.plan.fields.iter().any(|row| row.why == Why::Drift);
    if drifted {
        return note_drift(&context, tx, draft, standing.as_ref());
    }
    upsert(&context, tx, draft)?;
    Ok(Planned::Settled)
}

fn nothing_to_write(def: &ModuleDef, plan: &Plan, counterparts: &Counterparts) -> bool {
    Side::BOTH.into_iter().all(|side| merge_plan::patch(def, plan, side, counterparts).is_empty())
}

/// Whether somebody chose for this field, an undo's own proposal aside.
fn chosen(row: &FieldPlan) -> bool {
    row.choice.as_ref().is_some_and(|choice| !matches!(choice, Choice::Each { .. }))
}

/// What a pair is called: by iVvy's name for it, or by the CRM's if that is the only one.
fn title(module: ModuleId, view: &LinkedView) -> String {
    let known = [&view.ivvy, &view.crm].map(|record| matching::title(module, &record.fields));
    known.into_iter().find(|title| !title.is_empty()).unwrap_or_default()
}

/// Whether the plan writes where nothing is written without a person's word (S-07).
fn asks_first(def: &ModuleDef, plan: &Plan, counterparts: &Counterparts) -> bool {
    def.request.is_some() && !merge_plan::patch(def, plan, Side::Ivvy, counterparts).is_empty()
}

/// Whether a person has approved these very values: what is left to do after one half of a decision has been written
/// is no new question, as long as nothing of what will be written to moved.
fn approved(standing: Option<&Item>, plan: &Plan) -> bool {
    standing.is_some_and(|item| {
        item.decided
            && plan.fields.iter().all(|row| {
                let goes = row.verdict == Verdict::ToIvvy || row.choice.is_some();
                let shown = item.plan.field(&row.field);
                shown.is_some_and(|shown| {
                    shown.ivvy == row.ivvy && (!goes || shown.crm == row.crm && shown.choice == row.choice)
                })
            })
    })
}

/// What the CRM changed and may keep stays visible: as an item that is closed, so that nobody is asked and no
/// guard counts it, and that is taken up again when either record moves (V-43). One per pair.
fn note_drift(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    draft: Draft,
    standing: Option<&Item>,
) -> Result<Planned, StoreError> {
    // Work that stood for the pair is done; a push that was confirmed just now among it.
    if standing.is_some_and(|item| item.state.is_open()) {
        upsert(context, tx, draft.clone())?;
    }
    upsert(context, tx, Draft { state: State::Skipped, reasons: Reasons::one(Reason::Drift), ..draft })?;
    Ok(Planned::Settled)
}

/// Whether the record's value is another one than was agreed on.
fn moved(field: &FieldDef, base: &Base, side: Side, record: &Record) -> bool {
    let then = base.fields.get(field.name.as_ref()).and_then(|agreed| agreed.on(side));
    let now = record.fields.get(field.name.as_ref());
    now.is_some_and(|now| then.is_none_or(|then| !same(field.kind, then, now)))
}

/// History is written once: whatever becomes of either record, nothing is left to do (V-31).
fn close_history(context: &Context<'_>, tx: &mut Tx<'_>, pair: &PairKey) -> Result<Planned, StoreError> {
    if let Some(open) = tx.open_item(context.module, pair)?
        && let Some(mut item) = tx.item(open)?
        && !item.state.has_intent()
    {
        item.state = State::Done;
        item.reasons = Reasons::NONE;
        item.ver += 1;
        item.updated_at = context.now;
        let what = AuditEvent::Moved { state: State::Done, cause: "written to the CRM's history".to_owned() };
        super::put(tx, &item, Actor::engine(), context.now, what)?;
    }
    Ok(Planned::Settled)
}

/// Keeps what an undo proposes for every field that nobody else has moved. An ordinary replan would drop
/// it: after one of its two writes because the values moved, and before because the agreement shown is
/// the one before the decision.
fn carry_undo(plan: &mut Plan, undo: &Item, def: &ModuleDef) {
    for row in &mut plan.fields {
        let (Some(draft), Some(field)) = (undo.plan.field(&row.field), def.field(&row.field)) else {
            continue;
        };
        if !matches!(draft.choice, Some(Choice::Each { .. })) {
            continue;
        }
        let is = |now: Option<&Value>, then: Option<&Value>| {
            now.zip(then).is_some_and(|(now, then)| same(field.kind, now, then))
        };
        let done = |side: Side| is(row.on(side), draft.result_on(side));
        let waits = |side: Side| is(row.on(side), draft.on(side));
        let all_done = Side::BOTH.into_iter().all(done);
        if !all_done && Side::BOTH.into_iter().all(|side| done(side) || waits(side)) {
            row.choice.clone_from(&draft.choice);
            row.base_ivvy.clone_from(&draft.base_ivvy);
            row.base_crm.clone_from(&draft.base_crm);
            (row.verdict, row.why, row.moved) = (Verdict::Conflict, Why::BothChanged, false);
        }
    }
}

/// Where a plan puts its item.
fn judge(plan: &Plan, view: &LinkedView, parent: Option<&Parent>, writes: bool) -> (State, Reasons) {
    if view.ivvy.anonymised {
        // Nothing is ever written back; a person is told once that the pair has stopped (V-21).
        return (State::Held, Reasons::one(Reason::Anonymised));
    }
    match parent {
        Some(Parent::Coming(..)) => return (State::Blocked, Reasons::NONE),
        Some(Parent::Unmatched(..)) => return (State::Held, Reasons::one(Reason::UnmatchedRef)),
        None => {}
    }
    let unsolved: Vec<Why> = plan
        .fields
        .iter()
        .filter(|row| row.verdict == Verdict::Conflict && row.choice.is_none())
        .map(|row| row.why)
        .collect();
    if unsolved.is_empty() {
        return (if writes { State::Ready } else { State::Done }, Reasons::NONE);
    }
    let reasons = unsolved.into_iter().map(|why| match why {
        Why::NeverAgreed => Reason::FirstSync,
        _ => Reason::Conflict,
    });
    (State::Held, reasons.collect())
}

/// Both records of a link with their virtual fields; `None` while one has never been seen.
pub(in crate::sync) fn view_of_link(
    core: &Core,
    reads: &impl Reads,
    module: ModuleId,
    link: LinkId,
) -> Result<Option<LinkedView>, StoreError> {
    let Some(link) = reads.link(link)?.filter(Link::stands) else {
        return Ok(None);
    };
    let ivvy = reads.observation(module, Side::Ivvy, &link.ivvy)?;
    let crm = reads.observation(module, Side::Crm, &link.crm)?;
    let (Some(ivvy), Some(crm)) = (ivvy, crm) else {
        return Ok(None);
    };
    let gone = [&ivvy, &crm].into_iter().filter(|known| known.absent).map(|known| known.side).collect();
    Ok(Some(LinkedView {
        ivvy: guest::named(reads, module, Side::Ivvy, core.view(module, Side::Ivvy, &ivvy.record), Some(link.id))?,
        crm: core.view(module, Side::Crm, &crm.record),
        ivvy_hash: ivvy.hash,
        crm_hash: crm.hash,
        gone,
        link: link.id,
    }))
}

/// A counterpart is gone: nothing is deleted or re-created unasked; a person closes the pair.
pub(super) fn propose_delete(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    view: &LinkedView,
    gone: Side,
) -> Result<Planned, StoreError> {
    let base = tx.base(view.link)?;
    let mut plan = view.untouched(context.def, &base);
    plan.summary = format!("gone from {}: approve closes the pair, both records stay as they are", gone.title());
    let draft = Draft {
        pair: PairKey::Link(view.link),
        kind: Kind::Delete,
        state: State::Held,
        reasons: Reasons::one(Reason::Delete),
        seen: super::seen_of(view.ivvy_hash, view.crm_hash, &base, context.def.mapping_version),
        title: matching::title(context.module, if gone == Side::Ivvy { &view.crm.fields } else { &view.ivvy.fields }),
        plan,
        error: None,
        waits_for: None,
    };
    upsert(context, tx, draft)?;
    // A question about a merge into this pair has another answer now.
    wake_children(tx, context.module, &[PairKey::Link(view.link)])?;
    Ok(Planned::Settled)
}

/// Makes a link, closes what was open on either record alone, and wakes whoever waited for it.
pub(in crate::sync) fn link_records(
    tx: &mut Tx<'_>,
    module: ModuleId,
    ivvy: &RecordId,
    crm: &RecordId,
    reason: &str,
    now: Timestamp,
) -> Result<LinkId, StoreError> {
    let id = tx.new_link_id()?;
    let link = Link {
        id,
        module,
        ivvy: ivvy.clone(),
        crm: crm.clone(),
        state: LinkState::Linked,
        created_at: now,
        reason: reason.to_owned(),
    };
    let keys = [PairKey::Lone(Side::Ivvy, ivvy.clone()), PairKey::Lone(Side::Crm, crm.clone())];
    let note = Note {
        at: now,
        actor: Actor::engine(),
        module: Some(module),
        item: None,
        link: Some(id),
        what: AuditEvent::Linked { reason: reason.to_owned() },
    };
    tx.put_link(&link, note)?;
    for key in &keys {
        if let Some(open) = tx.open_item(module, key)?
            && let Some(item) = tx.item(open)?
            && !item.state.has_intent()
        {
            super::item::supersede(tx, item, now, "the record was paired")?;
        }
    }
    wake_children(tx, module, &keys)?;
    Ok(id)
}
