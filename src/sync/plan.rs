//! The planner: turns "this record changed" into links, plans and items (`engine.md` 5.2 to 5.4).
//!
//! Runs entirely inside store transactions: it reads observations, bases and links, decides with
//! `merge`, and writes items. It never calls a remote.

mod converted;
pub(super) mod guest;
mod item;
mod lone;
mod merged;
mod pair;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::matching;
use super::wait::{self, Outcome};
use crate::merge::References;
use crate::merge::canonical::canonical;
use crate::merge::plan;
use crate::model::{
    FieldDef, FieldKind, FieldPlan, LinkId, MatchKind, ModuleDef, ModuleId, PairKey, Reason, Reasons, Record, RecordId,
    Side, State, Timestamp, Value, Why,
};
use crate::store::{Reads, StoreError, Tx};

pub(super) use converted::{Standing, standing_of};
pub(super) use item::{put, seen_of, standing, supersede};
pub(super) use lone::{Counterpart, counterpart};
pub(super) use merged::release;
pub(super) use pair::{link_records, view_of_link};

/// Records planned per transaction.
const BATCH: usize = 64;

/// Why a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A record was seen to change. A decision made on other values does not survive.
    Seen,
    /// Our own push was confirmed: what remains of the decision goes on by itself.
    Confirmed,
    /// An operator asked to look again.
    Reopened,
}

/// Plans whatever stands for this record now: its link, or the record alone.
pub(super) fn record(
    core: &Core,
    tx: &mut Tx<'_>,
    module: ModuleId,
    side: Side,
    id: &RecordId,
    cause: Cause,
) -> Result<Planned, StoreError> {
    match tx.link_of(module, side, id)? {
        Some(link) if restored(tx, module, side, id, link)? => {
            tx.remove_alias(module, side, id)?;
            lone::plan(core, tx, module, side, id, cause)
        }
        Some(link) => {
            close_lone(core, tx, module, side, id)?;
            pair::plan(core, tx, module, link, cause)
        }
        None => lone::plan(core, tx, module, side, id, cause),
    }
}

/// Closes what is still open on a paired record alone. Pairing does that itself, unless a write was under
/// way then.
fn close_lone(core: &Core, tx: &mut Tx<'_>, module: ModuleId, side: Side, id: &RecordId) -> Result<(), StoreError> {
    if let Some(open) = tx.open_item(module, &PairKey::Lone(side, id.clone()))?
        && let Some(item) = tx.item(open)?
        && !item.state.has_intent()
    {
        supersede(tx, item, core.now(), "the record was paired while a write was under way")?;
    }
    Ok(())
}

/// Whether a record that was merged into `link`'s is back: it stands for itself again.
fn restored(reads: &impl Reads, module: ModuleId, side: Side, id: &RecordId, link: LinkId) -> Result<bool, StoreError> {
    let own = reads.link(link)?.is_some_and(|link| link.on(side) == id);
    let living = |known: crate::model::Observation| !known.absent && known.merged_into.is_none();
    Ok(!own && reads.observation(module, side, id)?.is_some_and(living))
}

/// Plans a pair by its key, outside the planner's own round. What must wait is left to that round: an item
/// must never be left behind without anybody who comes back to it.
pub(super) fn by_key(
    core: &Core,
    tx: &mut Tx<'_>,
    module: ModuleId,
    key: &PairKey,
    cause: Cause,
) -> Result<Planned, StoreError> {
    let (planned, side, id) = match key {
        PairKey::Link(link) => {
            let planned = pair::plan(core, tx, module, *link, cause)?;
            let Some(link) = tx.link(*link)? else { return Ok(planned) };
            (planned, Side::Ivvy, link.ivvy)
        }
        PairKey::Lone(side, id) => (record(core, tx, module, *side, id, cause)?, *side, id.clone()),
    };
    if planned == Planned::Deferred {
        tx.mark_dirty(module, side, &id)?;
        core.signals.plan.notify_one();
    }
    Ok(planned)
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// Its item, if it needs one, is up to date.
    Settled,
    /// It must be looked at again: a write that concerns it is under way, or the other side has not been read
    /// since it was seen.
    Deferred,
}

/// Plans dirty records, parents first, until shutdown.
pub(super) async fn run(core: &Arc<Core>, shutdown: &wait::Shutdown) -> Result<(), StoreError> {
    loop {
        let mut progressed = false;
        for module in core.modules().collect::<Vec<_>>() {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            progressed |= batch(core, module).await?;
        }
        if progressed {
            core.signals.push.notify_one();
            core.signals.due.notify_one();
        } else if wait::for_signal(&core.signals.plan, shutdown).await == Outcome::Shutdown {
            return Ok(());
        }
    }
}

/// Plans up to a batch of dirty records of one module. Waits for the baselines: before both sides
/// have been read whole once, "has no counterpart" cannot be known. Returns whether anything moved.
async fn batch(core: &Arc<Core>, module: ModuleId) -> Result<bool, StoreError> {
    if !core.store.read(|view| baselines_stand(core, view, module))? {
        return Ok(false);
    }
    if core.store.read(|view| view.dirty(module, 1))?.is_empty() {
        return Ok(false);
    }
    let mut left = None;
    loop {
        let (settled, looked_at) = head_of_line(core, module).await?;
        if settled > 0 {
            return Ok(true);
        }
        // Those that must wait have gone to the end of the line: once round it, and no further.
        let all = match left {
            None => core.store.read(|view| view.dirty(module, usize::MAX))?.len(),
            Some(left) => left,
        };
        let rest = all.saturating_sub(looked_at);
        if looked_at == 0 || rest == 0 {
            return Ok(false);
        }
        left = Some(rest);
    }
}

/// Plans the first of the line. Returns how many are settled, and how many were looked at; the others are at
/// the end of the line now.
async fn head_of_line(core: &Arc<Core>, module: ModuleId) -> Result<(usize, usize), StoreError> {
    let shared = Arc::clone(core);
    let done = core
        .store
        .write(move |tx| {
            let head = tx.dirty(module, BATCH)?;
            let mut settled = 0;
            for (side, id) in &head {
                tx.clear_dirty(module, *side, id)?;
                match record(&shared, tx, module, *side, id, Cause::Seen)? {
                    Planned::Settled => settled += 1,
                    Planned::Deferred => tx.mark_dirty(module, *side, id)?,
                }
            }
            Ok((settled, head.len()))
        })
        .await?;
    core.matching.committed();
    Ok(done)
}

/// Whether this module and every module it refers to have been read whole on both sides.
fn baselines_stand(core: &Core, view: &impl Reads, module: ModuleId) -> Result<bool, StoreError> {
    let mut needed = vec![module];
    if let Some(def) = core.def(module) {
        needed.extend(def.fields.iter().filter_map(|field| match field.kind {
            FieldKind::Reference(parent) => Some(parent),
            _ => None,
        }));
    }
    for field in core.def(module).into_iter().flat_map(|def| &def.fields) {
        if let FieldKind::Match(kind) = field.kind
            && !matching::has_been_listed(core, view, kind)?
        {
            return Ok(false);
        }
    }
    for module in needed {
        for side in module.swept_sides() {
            if view.cursor(module, *side)?.last_full.is_none() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The counterparts of everything a pair of records refers to, looked up before the pure merge.
#[derive(Debug, Default)]
pub(super) struct Counterparts {
    links: BTreeMap<(ModuleId, Side, String), String>,
    matches: BTreeMap<(MatchKind, Side, String), String>,
}

impl Counterparts {
    /// Looks up every reference of the given records.
    pub fn of(
        reads: &impl Reads,
        def: &ModuleDef,
        ivvy: Option<&Record>,
        crm: Option<&Record>,
    ) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for field in &def.fields {
            if !matches!(field.kind, FieldKind::Reference(_) | FieldKind::Match(_)) {
                continue;
            }
            for (side, record) in [(Side::Ivvy, ivvy), (Side::Crm, crm)] {
                let value = record.and_then(|record| record.fields.get(field.name.as_ref()));
                let Some(Value::Text(id)) = value.map(|value| canonical(field.kind, value)) else {
                    continue;
                };
                let here = RecordId::from(id.as_str());
                match field.kind {
                    FieldKind::Reference(parent) => {
                        let there = linked(reads, parent, side, &here)?;
                        found.links.extend(there.map(|there| ((parent, side, id), there.0)));
                    }
                    FieldKind::Match(kind) => {
                        let there = reads.counterpart_of(kind, side, &here)?;
                        found.matches.extend(there.map(|there| ((kind, side, id), there.0)));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

impl References for Counterparts {
    fn counterpart(&self, module: ModuleId, from: Side, id: &str) -> Option<String> {
        self.links.get(&(module, from, id.to_owned())).cloned()
    }

    fn matched(&self, kind: MatchKind, from: Side, id: &str) -> Option<String> {
        self.matches.get(&(kind, from, id.to_owned())).cloned()
    }
}

/// The counterpart of a linked record.
fn linked(reads: &impl Reads, module: ModuleId, side: Side, id: &RecordId) -> Result<Option<RecordId>, StoreError> {
    let Some(link) = reads.link_of(module, side, id)? else {
        return Ok(None);
    };
    Ok(reads.link(link)?.filter(crate::model::Link::stands).map(|link| link.on(side.other()).clone()))
}

/// How far up a line of parents is looked; beyond that a record is created without waiting for its own.
const GENERATIONS: usize = 64;

/// A record that is referred to and has no counterpart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub parent: Parent,
    /// Whether it belongs to the same module and the record can do without it.
    pub own: bool,
}

/// What stands between a record and the parents it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// It will be linked: wait for it.
    Coming(ModuleId, PairKey),
    /// As far as is known it will not be linked by itself: a person must decide, unless it turns up.
    Unmatched(ModuleId, PairKey),
}

impl Parent {
    /// Whose link is waited for.
    fn awaited(self) -> (ModuleId, PairKey) {
        match self {
            Self::Coming(module, key) | Self::Unmatched(module, key) => (module, key),
        }
    }
}

/// Judges the first unlinked reference of the rows. What can be set aside is looked at last: it stands in the
/// way of nothing else.
fn missing_parent(tx: &mut Tx<'_>, def: &ModuleDef, rows: &[FieldPlan]) -> Result<Option<Missing>, StoreError> {
    let unlinked = |row: &&FieldPlan| row.why == Why::ReferenceUnlinked && row.choice.is_none();
    let (own, others): (Vec<&FieldPlan>, Vec<&FieldPlan>) =
        rows.iter().filter(unlinked).partition(|row| def.field(&row.field).is_some_and(|field| plan::own(def, field)));
    for (row, own) in others.into_iter().map(|row| (row, false)).chain(own.into_iter().map(|row| (row, true))) {
        let Some(FieldKind::Reference(parent)) = def.field(&row.field).map(|field| field.kind) else {
            continue;
        };
        for side in Side::BOTH {
            let value = row.on(side).map(|value| canonical(FieldKind::Text, value));
            let Some(Value::Text(id)) = value else {
                continue;
            };
            let id = RecordId::from(id);
            if linked(tx, parent, side, &id)?.is_some() {
                continue;
            }
            return Ok(Some(Missing { parent: judge_parent(tx, parent, side, id)?, own }));
        }
    }
    Ok(None)
}

/// Whether the parent of a record that has yet to be created is about to be created itself, so that the
/// record can go after it: nobody must be asked first, no filter keeps it out, and it does not in turn wait
/// for this record (A above B above A).
fn comes_by_itself(context: &Context<'_>, tx: &Tx<'_>, parent: &PairKey, own: &PairKey) -> Result<bool, StoreError> {
    let mut next = parent.clone();
    for _ in 0..GENERATIONS {
        if next == *own {
            return Ok(false);
        }
        let item = match tx.open_item(context.module, &next)? {
            Some(id) => tx.item(id)?,
            None => None,
        };
        let Some(item) = item else {
            let PairKey::Lone(side, id) = &next else { return Ok(false) };
            let seen = tx.observation(context.module, *side, id)?;
            return Ok(seen.is_some_and(|seen| lone::kept_out(context.def, &seen).is_none()));
        };
        next = match (item.state, item.waits_for) {
            (State::Blocked, Some((module, key))) if module == context.module => key,
            (State::Held, _) => return Ok(item.reasons == Reasons::one(Reason::Guard)),
            (State::Dead, _) => return Ok(false),
            _ => return Ok(true),
        };
    }
    Ok(false)
}

fn judge_parent(tx: &mut Tx<'_>, parent: ModuleId, side: Side, id: RecordId) -> Result<Parent, StoreError> {
    if tx.link_of(parent, side, &id)?.is_some() {
        // Its pair was closed: it has a place in both systems and no counterpart any more.
        return Ok(Parent::Unmatched(parent, PairKey::Lone(side, id)));
    }
    let living =
        |known: &crate::model::Observation| !known.absent && !known.record.archived && !known.record.anonymised;
    let living = tx.observation(parent, side, &id)?.filter(living);
    let (known, key) = (living.is_some(), PairKey::Lone(side, id.clone()));
    let refused = match tx.last_item(parent, &key)? {
        Some(item) => tx.item(item)?.is_some_and(|item| item.state == State::Skipped),
        None => {
            // Left alone so far, because it has not changed since the first-sync date: now it is needed. One
            // that a filter keeps out (a draft) stays out, and what belongs to it waits for it.
            if known {
                tx.mark_dirty(parent, side, &id)?;
            }
            false
        }
    };
    Ok(if known && !refused { Parent::Coming(parent, key) } else { Parent::Unmatched(parent, key) })
}

/// What one of the records waits for, and where: its lead source being created (C-23), or its owner being
/// looked up (C-11). It waits for the outcome of that, and for nothing else. Only fields that `moved` count.
pub(super) fn match_is_coming(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    records: &[(Side, &Record)],
    moved: impl Fn(&FieldDef, Side, &Record) -> bool,
) -> Result<Option<(MatchKind, Side)>, StoreError> {
    let mut coming = None;
    for field in &context.def.fields {
        let FieldKind::Match(kind) = field.kind else { continue };
        for (side, record) in records.iter().filter(|(side, _)| field.flow.may_write(side.other())) {
            let value = record.fields.get(field.name.as_ref()).map(|value| canonical(field.kind, value));
            let Some(Value::Text(id)) = value.filter(|_| moved(field, *side, record)) else { continue };
            let id = RecordId::from(id);
            let waits = match kind {
                MatchKind::LeadSource => {
                    matching::create::need(context.core, tx, *side, &id)? == matching::SourceNeed::Coming
                }
                MatchKind::Staff => matching::lookup::need(context.core, tx, *side, &id)?,
            };
            if waits {
                coming = Some((kind, side.other()));
            }
        }
    }
    if coming.is_some() {
        context.core.matching.wants();
    }
    Ok(coming)
}

/// Marks every record that waits for this one.
pub(super) fn wake_children(tx: &mut Tx<'_>, module: ModuleId, keys: &[PairKey]) -> Result<(), StoreError> {
    for key in keys {
        let mut after = None;
        loop {
            let waiting = tx.waiting_on(module, key, after, BATCH)?;
            let Some(last) = waiting.last().copied() else { break };
            after = Some(last);
            for id in waiting {
                let Some(item) = tx.item(id)? else {
                    continue;
                };
                let (side, record) = match &item.pair {
                    PairKey::Lone(side, record) => (*side, record.clone()),
                    PairKey::Link(link) => match tx.link(*link)? {
                        Some(link) => (Side::Ivvy, link.ivvy),
                        None => continue,
                    },
                };
                tx.mark_dirty(item.module, side, &record)?;
            }
        }
    }
    Ok(())
}

/// Everything a planning step needs to name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub core: &'a Core,
    pub def: &'a ModuleDef,
    pub module: ModuleId,
    pub now: Timestamp,
    pub cause: Cause,
}

impl<'a> Context<'a> {
    /// `None` when the module is switched off.
    fn new(core: &'a Core, module: ModuleId, cause: Cause) -> Option<Self> {
        core.def(module).map(|def| Self { core, def, module, now: core.now(), cause })
    }
}

/// A pair as the planner sees it.
pub(super) struct LinkedView {
    pub ivvy: Record,
    pub crm: Record,
    pub ivvy_hash: crate::model::Fingerprint,
    pub crm_hash: crate::model::Fingerprint,
    /// Which of the two are known to be gone.
    pub gone: Vec<Side>,
    pub link: LinkId,
}
