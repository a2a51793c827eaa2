//! A lead that its system converted (P-05): from then on it stands for somebody the business deals with.
//!
//! Its pair stays, at rest: nothing is carried over, nothing is made again or deleted. The contact it became
//! and the contact the other lead is about are the same person, whatever their names say, so they are
//! paired instead of created a second time. Where one of the two has another partner, a person decides.

use std::collections::BTreeSet;
use std::time::Duration;

use super::item::{self, Draft, supersede, upsert};
use super::lone::{CANDIDATES, Counterpart, busy};
use super::merged::{close, system_title};
use super::{Context, Counterparts, LinkedView, Planned, standing};
use crate::merge::{matching, plan as merge_plan};
use crate::model::{
    Actor, AuditEvent, Kind, Link, LinkState, ModuleId, Observation, PairKey, Reason, Reasons, RecordId, Side, State,
    Verdict, Why,
};
use crate::remote::Conversion;
use crate::store::{Note, Reads, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::observe::survivor;

/// Plans a pair of which a record was converted; `None` if neither was, and the pair goes its ordinary way.
pub(super) fn plan(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    view: &LinkedView,
    link: &Link,
) -> Result<Option<Planned>, StoreError> {
    let at_rest = link.state == LinkState::Converted;
    if at_rest && !view.gone.is_empty() {
        // Systems clear away what they converted; there is nothing left to ask about.
        return close(context, tx, view.link, "it had been converted, and is gone").map(Some);
    }
    let converted: Vec<Side> = [&view.ivvy, &view.crm]
        .into_iter()
        .zip(Side::BOTH)
        .filter(|(record, _)| record.converted)
        .map(|(_, side)| side)
        .collect();
    let Some(first) = converted.first().filter(|_| view.gone.is_empty()) else {
        if at_rest && view.gone.is_empty() {
            set(context, tx, link, LinkState::Linked, "it is a lead again")?;
        }
        return Ok(None);
    };
    let system = system_title(context.core, *first);
    if !at_rest {
        set(context, tx, link, LinkState::Converted, &format!("converted in {system}: the pair is at rest"))?;
    }
    for (record, side) in [(&view.ivvy, Side::Ivvy), (&view.crm, Side::Crm)] {
        if let Some(person) = &record.person
            && tx.observation(ModuleId::Contacts, side, person)?.is_some()
            && tx.link_of(ModuleId::Contacts, side, person)?.is_none()
        {
            tx.mark_dirty(ModuleId::Contacts, side, person)?;
        }
    }
    refuse_edits(context, tx, view, &converted, &system)?;
    Ok(Some(Planned::Settled))
}

/// Settles what is still open on the pair, and a new edit that cannot reach the converted side, with the
/// explanation; once for every edit.
fn refuse_edits(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    view: &LinkedView,
    converted: &[Side],
    system: &str,
) -> Result<(), StoreError> {
    let pair = PairKey::Link(view.link);
    let base = tx.base(view.link)?;
    let counterparts = Counterparts::of(tx, context.def, Some(&view.ivvy), Some(&view.crm))?;
    let mut plan = merge_plan::of_pair(context.def, &view.ivvy, &view.crm, &base, &counterparts, &[]);
    let refused = converted.iter().any(|side| {
        plan.fields.iter().any(|row| row.unsolved())
            || !merge_plan::patch(context.def, &plan, *side, &counterparts).is_empty()
    });
    for row in &mut plan.fields {
        if !matches!(row.verdict, Verdict::Same | Verdict::Agree) {
            (row.verdict, row.why) = (Verdict::Same, Why::Converted);
        }
    }
    plan.summary = format!("converted in {system}: the lead takes no more changes, what differs stays as it is");
    let draft = Draft {
        pair: pair.clone(),
        kind: Kind::Update,
        state: State::Done,
        reasons: Reasons::NONE,
        seen: super::seen_of(view.ivvy_hash, view.crm_hash, &base, context.def.mapping_version),
        title: matching::title(context.module, &view.ivvy.fields),
        plan,
        error: None,
        waits_for: None,
    };
    match standing(tx, context.module, &pair)? {
        Some(item) if item.state.is_open() => return upsert(context, tx, draft),
        // Behind a newer item it would be counted for ever; and a pair at rest drifts no more.
        Some(drift) if drift.state == State::Skipped && drift.reasons.contains(Reason::Drift) => {
            supersede(tx, drift, context.now, "the lead was converted")?;
        }
        _ => {}
    }
    let last = match tx.last_item(context.module, &pair)? {
        Some(last) => tx.item(last)?,
        None => None,
    };
    // Said already, unless the records moved since.
    let said = last.is_some_and(|last| last.seen == draft.seen);
    if refused && !said { item::insert(context, tx, draft) } else { Ok(()) }
}

fn set(context: &Context<'_>, tx: &mut Tx<'_>, link: &Link, state: LinkState, reason: &str) -> Result<(), StoreError> {
    let note = Note {
        at: context.now,
        actor: Actor::engine(),
        module: Some(context.module),
        item: None,
        link: Some(link.id),
        what: AuditEvent::Linked { reason: format!("{} {}", context.module.singular(), reason) },
    };
    tx.put_link(&Link { state, ..link.clone() }, note).map(drop)
}

/// The contact of the other side that a converted lead says is the same person.
pub(super) fn counterpart(core: &Core, reads: &impl Reads, seen: &Observation) -> Result<Counterpart, StoreError> {
    let (module, side) = (ModuleId::Contacts, seen.side);
    if seen.module != module || core.def(ModuleId::Leads).is_none() {
        return Ok(Counterpart::None);
    }
    // One record there: while the lead of this id is being written, its outcome decides whose contact this is.
    if side == Side::Crm && one_record(core) && lead_busy(core, reads, &seen.record.id)? {
        return Ok(Counterpart::UnderWay);
    }
    let other = side.other();
    let mut people: BTreeSet<RecordId> = BTreeSet::new();
    for lead in reads.by_person(ModuleId::Leads, side, &seen.record.id, CANDIDATES)? {
        if let Some(person) = person_across(reads, side, &lead)? {
            people.insert(person);
        }
    }
    let (mut free, mut taken) = (Vec::new(), false);
    for person in people {
        let known = match survivor(reads, module, other, &person)? {
            Some(survivor) => Some(survivor),
            None => reads.observation(module, other, &person)?,
        };
        let Some(known) = known.filter(|known| !known.absent && !known.record.archived && !known.record.anonymised)
        else {
            continue;
        };
        let id = known.record.id;
        match reads.link_of(module, other, &id)? {
            Some(_) => taken = true,
            None if busy(reads, module, other, &id)? => return Ok(Counterpart::UnderWay),
            None => free.push(id),
        }
    }
    Ok(match free.as_slice() {
        [] if taken && side == Side::Crm => Counterpart::Choose(
            Vec::new(),
            "a lead was converted into it, and the person of that lead is paired with another contact already",
        ),
        [] if taken => Counterpart::Choose(
            Vec::new(),
            "its lead was converted into a contact that is paired with another person already",
        ),
        [] => Counterpart::None,
        [only] if !taken => Counterpart::One(only.clone(), "the lead about the person was converted into the contact"),
        _ => Counterpart::Choose(free, "leads about the person were converted into several contacts"),
    })
}

/// Whether a write of the CRM's lead `id` is under way: one that makes it there, or one of its own.
fn lead_busy(core: &Core, reads: &impl Reads, id: &RecordId) -> Result<bool, StoreError> {
    let leads = ModuleId::Leads;
    if busy(reads, leads, Side::Crm, id)? {
        return Ok(true);
    }
    if let Some(ours) = core.ivvy_id_in(leads, id.as_str())
        && busy(reads, leads, Side::Ivvy, &ours)?
    {
        return Ok(true);
    }
    let Some(link) = reads.link_of(ModuleId::Leads, Side::Crm, id)? else { return Ok(false) };
    match reads.open_item(ModuleId::Leads, &PairKey::Link(link))? {
        Some(item) => Ok(reads.item(item)?.is_some_and(|item| item.state.has_intent())),
        None => Ok(false),
    }
}

/// The person of the lead that is paired with `lead`, if either of the two was converted.
fn person_across(reads: &impl Reads, side: Side, lead: &RecordId) -> Result<Option<RecordId>, StoreError> {
    let module = ModuleId::Leads;
    let link = match reads.link_of(module, side, lead)? {
        Some(link) => reads.link(link)?.filter(Link::stands),
        None => None,
    };
    let Some(link) = link else { return Ok(None) };
    let ours = reads.observation(module, side, lead)?;
    let theirs = reads.observation(module, side.other(), link.on(side.other()))?;
    let converted = [&ours, &theirs].into_iter().flatten().any(|known| known.record.converted);
    Ok(theirs.filter(|_| converted).and_then(|known| known.record.person))
}

/// How a contact of iVvy stands to its leads, where the CRM keeps a person as one record
/// ([`Conversion::SameRecord`]): a prospect until one of them is converted, then the same record as a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Standing {
    /// Nothing of it concerns the leads.
    Free,
    /// A lead about the person is open: there they are a prospect, and nobody is both.
    Prospect,
    /// A lead about the person was converted: they go on under this id.
    Under(RecordId),
}

/// [`Standing`] of a contact that has no counterpart.
pub(in crate::sync) fn standing_of(
    core: &Core,
    reads: &impl Reads,
    seen: &Observation,
) -> Result<Standing, StoreError> {
    if !one_record(core) || seen.module != ModuleId::Contacts || seen.side != Side::Ivvy {
        return Ok(Standing::Free);
    }
    let mut standing = Standing::Free;
    for lead in reads.by_person(ModuleId::Leads, Side::Ivvy, &seen.record.id, CANDIDATES)? {
        let Some(known) = reads.observation(ModuleId::Leads, Side::Ivvy, &lead)? else { continue };
        let record = &known.record;
        if known.absent || record.archived || record.anonymised {
            continue;
        }
        if !record.converted {
            return Ok(Standing::Prospect);
        }
        if let Some(link) = reads.link_of(ModuleId::Leads, Side::Ivvy, &lead)?
            && let Some(link) = reads.link(link)?.filter(Link::stands)
            && reads.link_of(ModuleId::Contacts, Side::Crm, &link.crm)?.is_none()
        {
            standing = Standing::Under(link.crm);
        }
    }
    Ok(standing)
}

/// Whether the person of an iVvy lead without a counterpart is a member of such a CRM already: then the lead
/// would make them a second record.
pub(super) fn is_member(core: &Core, reads: &impl Reads, seen: &Observation) -> Result<bool, StoreError> {
    match &seen.record.person {
        Some(person) if one_record(core) && seen.module == ModuleId::Leads && seen.side == Side::Ivvy => {
            Ok(reads.link_of(ModuleId::Contacts, Side::Ivvy, person)?.is_some())
        }
        _ => Ok(false),
    }
}

/// A lead that no longer stands in the way of its person: they are planned anew.
pub(super) fn release_person(core: &Core, tx: &mut Tx<'_>, seen: &Observation) -> Result<(), StoreError> {
    if let Some(person) = &seen.record.person
        && one_record(core)
        && (seen.module, seen.side) == (ModuleId::Leads, Side::Ivvy)
        && tx.observation(ModuleId::Contacts, Side::Ivvy, person)?.is_some()
        && tx.link_of(ModuleId::Contacts, Side::Ivvy, person)?.is_none()
    {
        tx.mark_dirty(ModuleId::Contacts, Side::Ivvy, person)?;
    }
    Ok(())
}

/// Whether the CRM keeps a person as one record, and both its modules are on.
fn one_record(core: &Core) -> bool {
    core.remotes.declared(Side::Crm).conversion() == Conversion::SameRecord
        && core.def(ModuleId::Leads).is_some()
        && core.def(ModuleId::Contacts).is_some()
}

/// Whether a contact must wait for the leads of its own system to be read: one of them may just have become
/// it. Not where leads are not being read.
pub(super) fn leads_unread(core: &Core, reads: &impl Reads, seen: &Observation) -> Result<bool, StoreError> {
    let (leads, side) = (ModuleId::Leads, seen.side);
    let own = core.remotes.declared(side).conversion();
    let converts = matches!(own, Conversion::NewContact | Conversion::InPlace | Conversion::SameRecord)
        || side == Side::Ivvy && one_record(core);
    if seen.module != ModuleId::Contacts || !converts || core.def(leads).is_none() {
        return Ok(false);
    }
    // One that bears a key was made by us, and is nobody's lead; but where a person is one record, all bear theirs.
    if seen.external_key.is_some() && own != Conversion::SameRecord {
        return Ok(false);
    }
    if core.is_paused(leads) || core.stopped(leads).is_some() || core.polling(leads, side).failures > 0 {
        return Ok(false);
    }
    let cursor = reads.cursor(leads, side)?;
    // Nobody waits until the next day's calls. Where only full sweeps have to wait, leads are read on time.
    let overdue = cursor.last_sweep.is_none_or(|last| core.now().since(last) >= 2 * core.settings.interval);
    if overdue && core.waits_for_quota(leads).is_some() {
        return Ok(false);
    }
    let began = cursor.last_sweep.map(|ended| ended.minus(Duration::from_millis(cursor.last_duration_ms)));
    Ok(began.is_none_or(|began| began < seen.seen_at))
}

#[cfg(test)]
mod tests;
