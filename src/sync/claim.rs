//! Claiming: from `ready` to `inflight`, with the intent on disk before anything is sent (I6).

use std::sync::Arc;

use super::core::Core;
use super::guard;
use super::plan::{self, Cause, Counterpart, Counterparts, put, view_of_link};
use crate::merge::plan as merge_plan;
use crate::model::{
    Actor, AuditEvent, FieldKind, Fields, Intent, Item, ItemError, ItemId, Kind, ModuleDef, ModuleId, Operation,
    PairKey, Reason, Reasons, RecordId, Side, State, Value, Why,
};
use crate::remote::{About, Lane};
use crate::store::{Reads as _, StoreError, Tx};

/// Fields of a lead.
const OWNER: &str = "owner";
const SOURCE: &str = "source";

/// A claimed write: what the pusher needs to carry it out.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub item: Item,
    pub intent: Intent,
    /// The record on the side that is not written, for a decided item's second look.
    pub source: Option<RecordId>,
    /// For whom it is written.
    pub lane: Lane,
}

/// Priority from which on an item belongs to a first sync.
const BACKFILL: u8 = 2;

/// For whom an item is written.
fn lane(item: &Item) -> Lane {
    if item.decided || item.forced.is_some() || item.priority == 0 {
        Lane::Operator
    } else if item.priority < BACKFILL {
        Lane::Live
    } else {
        Lane::Backfill
    }
}

/// The next ready item of `module`, if there is one, and its lane. Items are sorted by priority, so no
/// other of the module is more urgent.
pub(super) fn head(core: &Core, module: ModuleId) -> Result<Option<(Lane, ItemId)>, StoreError> {
    let now = core.now();
    core.store.read(|view| {
        let Some(mut id) = view.ready(module, now, 1)?.first().copied() else {
            return Ok(None);
        };
        if core.is_passed_over(id) {
            let others = view.ready(module, now, usize::MAX)?;
            let Some(other) = others.into_iter().find(|id| !core.is_passed_over(*id)) else { return Ok(None) };
            id = other;
        }
        Ok(view.item(id)?.map(|item| (lane(&item), id)))
    })
}

/// Claims one ready item. An item that turns out to have nothing left to do, or that may not go, is moved.
pub(super) async fn take(core: &Arc<Core>, id: ItemId) -> Result<Step, StoreError> {
    let shared = Arc::clone(core);
    let step = core.store.write(move |tx| claim(&shared, tx, id)).await?;
    if matches!(step, Step::Moved) {
        // Who waited for this write to end must hear that it will not be made.
        core.signals.plan.notify_one();
        core.signals.due.notify_one();
    }
    Ok(step)
}

/// What came of a claim.
pub(super) enum Step {
    /// Its intent is on disk.
    Claimed(Box<Claimed>),
    /// The item is no longer ready.
    Moved,
    /// Another write on the same record is under way.
    Busy,
    /// Whom it would go to refuses us: the others go first.
    PassedOver,
}

/// Whom a write is about.
pub(super) fn about(operation: &Operation) -> About<'_> {
    match operation {
        Operation::Create { fields, .. } => About::New(fields),
        Operation::Update { id, .. } => About::Record(id),
    }
}

fn claim(core: &Core, tx: &mut Tx<'_>, id: ItemId) -> Result<Step, StoreError> {
    let now = core.now();
    let Some(item) = tx.item(id)?.filter(|item| item.state == State::Ready) else {
        return Ok(Step::Moved);
    };
    let Some(def) = core.def(item.module) else {
        return Ok(Step::Busy);
    };
    if guard::forbids(tx, &item)? {
        let what = "the guard is tripped";
        move_to(core, tx, item, State::Held, Reasons::one(Reason::Guard), what)?;
        return Ok(Step::Moved);
    }
    if item.claims >= core.settings.retry.claims {
        let mut item = item;
        item.error = Some(ItemError {
            message: format!("claimed {} times without a recorded outcome", item.claims),
            hint: Some("retry it once the cause is found".to_owned()),
            at: now,
        });
        move_to(core, tx, item, State::Dead, Reasons::NONE, "taken for poison")?;
        return Ok(Step::Moved);
    }
    match item.pair.clone() {
        PairKey::Link(link) => claim_update(core, tx, def, item, link),
        PairKey::Lone(side, record) => claim_create(core, tx, def, item, side, &record),
    }
}

fn claim_update(
    core: &Core,
    tx: &mut Tx<'_>,
    def: &ModuleDef,
    item: Item,
    link: crate::model::LinkId,
) -> Result<Step, StoreError> {
    let Some(view) = view_of_link(core, tx, item.module, link)?.filter(|view| view.gone.is_empty()) else {
        plan::by_key(core, tx, item.module, &item.pair, Cause::Reopened)?;
        return still_ready(tx, &item);
    };
    let base = tx.base(link)?;
    if plan::seen_of(view.ivvy_hash, view.crm_hash, &base, def.mapping_version) != item.seen {
        plan::by_key(core, tx, item.module, &item.pair, Cause::Seen)?;
        return still_ready(tx, &item);
    }
    let counterparts = Counterparts::of(tx, def, Some(&view.ivvy), Some(&view.crm))?;
    if merge_plan::outdated(def, &item.plan, &counterparts) {
        plan::by_key(core, tx, item.module, &item.pair, Cause::Reopened)?;
        return still_ready(tx, &item);
    }
    for side in [Side::Crm, Side::Ivvy] {
        let patch = merge_plan::patch(def, &item.plan, side, &counterparts);
        if patch.is_empty() {
            continue;
        }
        let (target, other) = if side == Side::Crm { (&view.crm, &view.ivvy) } else { (&view.ivvy, &view.crm) };
        if tx.intent_on(item.module, side, &target.id)?.is_some() {
            return Ok(Step::Busy);
        }
        let pick = |fields: &Fields| -> Fields {
            patch.keys().map(|name| (name.clone(), fields.get(name).cloned().unwrap_or(Value::Null))).collect()
        };
        let operation =
            Operation::Update { id: target.id.clone(), pre_image: pick(&target.fields), patch: patch.clone() };
        let source_values = pick(&other.fields);
        return start(core, tx, item, side, operation, source_values, Some(other.id.clone()));
    }
    finish_without_write(core, tx, def, item, link, &counterparts)
}

/// Nothing is left to write: the operator's choice was to leave both sides, or they came to agree.
fn finish_without_write(
    core: &Core,
    tx: &mut Tx<'_>,
    def: &ModuleDef,
    item: Item,
    link: crate::model::LinkId,
    counterparts: &Counterparts,
) -> Result<Step, StoreError> {
    let mut base = tx.base(link)?;
    merge_plan::settle_agreements(&mut base, &item.plan);
    merge_plan::settle_choices(&mut base, def, &item.plan, counterparts);
    base.agreed_at = core.now();
    tx.put_base(link, &base)?;
    // A parent that was set aside, so that nothing waits for it, is what is left to wait for.
    if item.plan.fields.iter().any(|row| row.why == Why::ReferenceUnlinked && row.choice.is_none()) {
        plan::by_key(core, tx, item.module, &item.pair, Cause::Confirmed)?;
        return still_ready(tx, &item);
    }
    move_to(core, tx, item, State::Done, Reasons::NONE, "nothing left to write")?;
    Ok(Step::Moved)
}

fn claim_create(
    core: &Core,
    tx: &mut Tx<'_>,
    def: &ModuleDef,
    item: Item,
    side: Side,
    record: &RecordId,
) -> Result<Step, StoreError> {
    let target = side.other();
    let Some(seen) = tx.observation(item.module, side, record)? else {
        return Ok(Step::Busy);
    };
    // A counterpart may have appeared since the plan: pair with it instead. An operator who chose
    // "create" over candidates knew of them.
    let stands = !seen.absent && !seen.record.archived && !seen.record.anonymised;
    let chosen = item.decided && item.kind == Kind::Link;
    let alone = chosen || super::plan::counterpart(core, tx, &seen)? == Counterpart::None;
    if !stands || !alone {
        plan::by_key(core, tx, item.module, &item.pair, Cause::Reopened)?;
        return still_ready(tx, &item);
    }
    let source = core.view(item.module, side, &seen.record);
    let source = plan::guest::named(tx, item.module, side, source, None)?;
    let (ivvy, crm) = if side == Side::Ivvy { (Some(&source), None) } else { (None, Some(&source)) };
    let counterparts = Counterparts::of(tx, def, ivvy, crm)?;
    let moved = item.plan.fields.iter().any(|row| row.on(side) != source.fields.get(&row.field));
    if moved {
        plan::by_key(core, tx, item.module, &item.pair, Cause::Seen)?;
        return still_ready(tx, &item);
    }
    let mut fields = merge_plan::patch(def, &item.plan, target, &counterparts);
    if item.module == ModuleId::Leads && target == Side::Ivvy && def.field(OWNER).is_some() {
        let given = |name: &str| fields.get(name).and_then(Value::as_text).map(RecordId::from);
        if given(OWNER).is_none()
            && let Some(owner) = super::matching::owner_by_policy(core, tx, record, given(SOURCE).as_ref())?
        {
            fields.insert(OWNER.to_owned(), Value::Text(owner.0));
        }
    }
    let key = match side {
        Side::Ivvy => match plan::standing_of(core, tx, &seen)? {
            plan::Standing::Under(id) => id.0,
            _ => core.key(item.module, record),
        },
        Side::Crm => record.0.clone(),
    };
    // Owner and source, too, where nothing is sent: what the system gives instead is agreed on against them.
    let matched = def.fields.iter().filter(|field| matches!(field.kind, FieldKind::Match(_)));
    let held = fields.keys().cloned().chain(matched.map(|field| field.name.clone().into_owned()));
    let value = |name: &str| source.fields.get(name).cloned().unwrap_or(Value::Null);
    let source_values: Fields = held.map(|name| (name.clone(), value(&name))).collect();
    let operation = Operation::Create { key, fields, source: record.clone() };
    start(core, tx, item, target, operation, source_values, Some(record.clone()))
}

/// Writes the intent and the state in one transaction.
fn start(
    core: &Core,
    tx: &mut Tx<'_>,
    mut item: Item,
    side: Side,
    operation: Operation,
    source_values: Fields,
    source: Option<RecordId>,
) -> Result<Step, StoreError> {
    let now = core.now();
    // For a decision the other side is looked at as well.
    let looked_at = source.as_ref().filter(|_| item.decided || item.forced.is_some()).map(About::Record);
    for (side, about) in [(side, Some(about(&operation))), (side.other(), looked_at)] {
        let tenant = about.and_then(|about| core.remotes.declared(side).tenant_of(item.module, about));
        if tenant.is_some_and(|tenant: String| core.waits_for_tenant(side, &tenant, item.module, item.id)) {
            return Ok(Step::PassedOver);
        }
    }
    let lane = lane(&item);
    let intent = Intent {
        item: item.id,
        module: item.module,
        side,
        source_values,
        attempt: item.attempts + 1,
        claimed_at: now,
        unknown_since: None,
        decided: item.decided || item.forced.is_some(),
        operation,
    };
    tx.put_intent(&intent)?;
    let fields = intent.operation.written().keys().cloned().collect();
    item.state = State::Inflight;
    item.reasons = Reasons::NONE;
    item.claims += 1;
    item.ver += 1;
    item.updated_at = now;
    let what = AuditEvent::Claimed { side, attempt: intent.attempt, fields };
    put(tx, &item, Actor::engine(), now, what)?;
    Ok(Step::Claimed(Box::new(Claimed { item, intent, source, lane })))
}

/// After a replan on the way: the item moved on, or is ready with a new plan and is claimed on the next
/// look. An item that still asks for a counterpart, or whose plan waits for a write that is under way, is
/// left alone, so that the claimer cannot spin on it.
fn still_ready(tx: &Tx<'_>, before: &Item) -> Result<Step, StoreError> {
    let stays = |item: Item| item.state == State::Ready && (item.kind == Kind::Link || item.ver == before.ver);
    Ok(if tx.item(before.id)?.is_some_and(stays) { Step::Busy } else { Step::Moved })
}

/// Moves an item by the engine's own rules.
pub(super) fn move_to(
    core: &Core,
    tx: &mut Tx<'_>,
    mut item: Item,
    state: State,
    reasons: Reasons,
    cause: &str,
) -> Result<(), StoreError> {
    let now = core.now();
    item.state = state;
    item.reasons = reasons;
    item.ver += 1;
    item.updated_at = now;
    put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state, cause: cause.to_owned() })
}
