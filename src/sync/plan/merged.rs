//! A record was merged into another in its own system (`engine.md` 5.8).
//!
//! If only the merged one was paired, the pair moves on to the survivor and is planned again on the old
//! agreement, so that whatever the survivor holds differently counts as a change of that side. If both
//! were paired, a person decides: nothing is merged or deleted on the other side unasked.

use super::item::{Draft, standing, supersede, upsert};
use super::pair::propose_delete;
use super::{Cause, Context, LinkedView, Planned, wake_children};
use crate::merge::matching;
use crate::merge::plan as merge_plan;
use crate::model::plan::Candidate;
use crate::model::{
    Actor, AuditEvent, Fingerprint, Kind, Link, LinkId, LinkState, ModuleId, PairKey, Reason, Reasons, RecordId, Side,
    State, Timestamp, Verdict, Why,
};
use crate::store::{Note, Reads, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::observe::survivor;

/// How many questions about one survivor are looked at.
const QUESTIONS: usize = 50;

/// Plans a pair whose record on `side` is gone: merged away, or deleted.
pub(super) fn plan(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    view: &LinkedView,
    side: Side,
) -> Result<Planned, StoreError> {
    let module = context.module;
    let Some(link) = tx.link(view.link)? else {
        return Ok(Planned::Settled);
    };
    let Some(survivor) = survivor(tx, module, side, link.on(side))? else {
        return propose_delete(context, tx, view, side);
    };
    let survivor = survivor.record.id;
    if let Some(other) = tx.link_of(module, side, &survivor)?.filter(|other| *other != view.link) {
        return ask(context, tx, view, &link, side, &survivor, other);
    }
    let lone = PairKey::Lone(side, survivor.clone());
    if let Some(open) = tx.open_item(module, &lone)?
        && let Some(item) = tx.item(open)?
    {
        // The survivor is being created on the other side right now: wait for what comes of it.
        if item.state.has_intent() {
            // Whoever asked for this plan may not ask again.
            tx.mark_dirty(module, side.other(), link.on(side.other()))?;
            return Ok(Planned::Deferred);
        }
        supersede(tx, item, context.now, "the record took over the pair of one that was merged into it")?;
    }
    move_link(context, tx, link, side, &survivor)?;
    super::pair::plan(context.core, tx, module, view.link, Cause::Seen)
}

/// The pair goes on with the survivor; the old id leads to it from now on.
fn move_link(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    mut link: Link,
    side: Side,
    survivor: &RecordId,
) -> Result<(), StoreError> {
    let merged = link.on(side).clone();
    match side {
        Side::Ivvy => link.ivvy = survivor.clone(),
        Side::Crm => link.crm = survivor.clone(),
    }
    let note = Note {
        at: context.now,
        actor: Actor::engine(),
        module: Some(context.module),
        item: None,
        link: Some(link.id),
        what: AuditEvent::Linked { reason: what_happened(context, side, &merged, survivor) },
    };
    tx.put_link(&link, note)?;
    tx.put_alias(context.module, side, &merged, link.id)?;
    wake_children(tx, context.module, &[PairKey::Lone(side, survivor.clone()), PairKey::Link(link.id)])
}

/// Both were paired: holds the pair of the merged record, and whatever is about to happen to the other.
fn ask(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    view: &LinkedView,
    link: &Link,
    side: Side,
    survivor: &RecordId,
    other: LinkId,
) -> Result<Planned, StoreError> {
    let module = context.module;
    let base = tx.base(view.link)?;
    let mut plan = view.untouched(context.def, &base);
    let partner = tx.link(other)?.map(|other| other.on(side.other()).clone());
    for (side, id) in [(side, Some(survivor.clone())), (side.other(), partner.clone())] {
        let Some(id) = id else { continue };
        if let Some(known) = tx.observation(module, side, &id)? {
            let title = matching::title(module, &known.record.fields);
            plan.candidates.push(Candidate { side, id, title });
        }
    }
    let there = side.other().title();
    plan.summary = format!(
        "{}, and both are paired: approve closes this pair, its {there} record stays as it is; or merge the two in {there}",
        what_happened(context, side, link.on(side), survivor),
    );
    let both = Fingerprint::of(&(view.ivvy_hash, view.crm_hash, survivor, other, &partner));
    let left = if side == Side::Ivvy { &view.crm } else { &view.ivvy };
    let draft = Draft {
        pair: PairKey::Link(view.link),
        kind: Kind::Merge,
        state: State::Held,
        reasons: Reasons::one(Reason::Merge),
        seen: super::seen_of(both, Fingerprint::default(), &base, context.def.mapping_version),
        title: matching::title(module, &left.fields),
        plan,
        error: None,
        // The survivor's pair finds its questions by this.
        waits_for: Some((module, PairKey::Link(other))),
    };
    let asked = in_question(tx, module, other)?;
    upsert(context, tx, draft)?;
    if !asked && in_question(tx, module, other)? {
        super::pair::plan(context.core, tx, module, other, Cause::Reopened)?;
    }
    Ok(Planned::Settled)
}

/// One sentence without values.
fn what_happened(context: &Context<'_>, side: Side, merged: &RecordId, survivor: &RecordId) -> String {
    let system = system_title(context.core, side);
    format!("{} {merged} was merged into {survivor} in {system}", context.module.singular())
}

/// The system's name as a person writes it.
pub(super) fn system_title(core: &Core, side: Side) -> String {
    let name = core.remotes.declared(side).system();
    match side {
        Side::Ivvy => side.title().to_owned(),
        Side::Crm => name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect(),
    }
}

/// Whether a person has yet to say what becomes of a pair whose record was merged into one of this pair.
pub(super) fn in_question(reads: &impl Reads, module: ModuleId, link: LinkId) -> Result<bool, StoreError> {
    for id in reads.waiting_on(module, &PairKey::Link(link), None, QUESTIONS)? {
        if reads.item(id)?.is_some_and(|item| item.kind == Kind::Merge && item.state == State::Held) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An unpaired record was merged away: its id leads to the survivor's pair, if that has one.
pub(super) fn remember(tx: &mut Tx<'_>, module: ModuleId, side: Side, id: &RecordId) -> Result<(), StoreError> {
    let Some(survivor) = survivor(tx, module, side, id)? else {
        return Ok(());
    };
    match tx.link_of(module, side, &survivor.record.id)? {
        Some(link) => tx.put_alias(module, side, id, link),
        None => Ok(()),
    }
}

impl LinkedView {
    /// The plan that shows both records and writes nothing.
    pub(super) fn untouched(&self, def: &crate::model::ModuleDef, base: &crate::model::Base) -> crate::model::Plan {
        let none = super::Counterparts::default();
        let mut plan = merge_plan::of_pair(def, &self.ivvy, &self.crm, base, &none, &[]);
        for row in &mut plan.fields {
            row.verdict = Verdict::Same;
            row.why = Why::Absent;
        }
        plan
    }
}

/// Closes a pair about which nothing is left to decide, because both records are gone.
pub(super) fn close(context: &Context<'_>, tx: &mut Tx<'_>, link: LinkId, why: &str) -> Result<Planned, StoreError> {
    if let Some(mut closed) = tx.link(link)? {
        closed.state = LinkState::Tombstone;
        let note = Note {
            at: context.now,
            actor: Actor::engine(),
            module: Some(context.module),
            item: None,
            link: Some(link),
            what: AuditEvent::Unlinked { reason: why.to_owned() },
        };
        tx.put_link(&closed, note)?;
    }
    let pair = PairKey::Link(link);
    forget_drift(tx, context.module, &pair, context.now)?;
    if let Some(open) = tx.open_item(context.module, &pair)?
        && let Some(item) = tx.item(open)?
    {
        let survivor = item.waits_for.clone().filter(|_| item.kind == Kind::Merge);
        supersede(tx, item, context.now, why)?;
        release(context.core, tx, survivor)?;
    }
    wake_children(tx, context.module, &[pair])?;
    Ok(Planned::Settled)
}

/// A pair that is closed drifts no more.
fn forget_drift(tx: &mut Tx<'_>, module: ModuleId, pair: &PairKey, now: Timestamp) -> Result<(), StoreError> {
    let drift =
        standing(tx, module, pair)?.filter(|item| item.state == State::Skipped && item.reasons.contains(Reason::Drift));
    drift.map_or(Ok(()), |item| supersede(tx, item, now, "the pair is closed"))
}

/// The question about a merge is settled: the survivor's pair goes on by itself.
pub(in crate::sync) fn release(
    core: &Core,
    tx: &mut Tx<'_>,
    survivor: Option<(ModuleId, PairKey)>,
) -> Result<(), StoreError> {
    if let Some((module, PairKey::Link(link))) = survivor {
        super::pair::plan(core, tx, module, link, Cause::Reopened)?;
    }
    Ok(())
}
