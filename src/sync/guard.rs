//! The bulk guard (`engine.md` 5.11): counts what is planned per window, trips before the first call,
//! and holds until a person has looked. A module's first sync always starts tripped.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::observe;
use super::plan::Context;
use super::settings::Limit;
use crate::model::guard::{Guard, Trip, TripCause};
use crate::model::{
    Actor, AuditEvent, Fingerprint, Item, ItemId, Kind, ModuleId, Plan, Reason, Reasons, Side, State, Timestamp,
    Verdict,
};
use crate::store::{Note, Reads, StoreError, Tx};

/// Items moved per transaction when a guard is released or its plan discarded.
const CHUNK: usize = 200;

/// How many items one person may let through a tripped guard as samples, where its release takes two.
const SAMPLE: u64 = 10;

/// Priority of new items: work of a first sync gives way to live changes.
pub(super) fn priority(tx: &Tx<'_>, module: ModuleId) -> Result<u8, StoreError> {
    Ok(if tx.guard(module)?.is_some_and(|guard| guard.first_released.is_some()) { 1 } else { 2 })
}

/// The guard of a module, made tripped on first sight.
fn load(tx: &Tx<'_>, module: ModuleId, now: Timestamp) -> Result<Guard, StoreError> {
    Ok(tx.guard(module)?.unwrap_or_else(|| Guard {
        module,
        tripped: Some(Trip::new(TripCause::FirstSync, now, "first sync: look at the plan, then release it")),
        first_released: None,
        window_start: now,
        creates: 0,
        updates: 0,
        conflicts: 0,
        fields: BTreeMap::new(),
        mapping: None,
    }))
}

/// Counts one planned write and says whether it must be held. `counted` is the plan before, of an item that
/// waited to be written already: then only what has moved since counts.
pub(super) fn holds(
    context: &Context<'_>,
    tx: &mut Tx<'_>,
    item: &Item,
    counted: Option<&Plan>,
) -> Result<bool, StoreError> {
    let mut guard = load(tx, context.module, context.now)?;
    let limits = &context.core.settings.guard;
    roll(&mut guard, context.now, limits.window);
    if guard.tripped.is_none() {
        let records = records(tx, context.module)?;
        if let Some((cause, message)) = count_write(context, &mut guard, item, counted, records) {
            trip(tx, &mut guard, context.now, cause, message)?;
        }
    }
    tx.put_guard(&guard)?;
    Ok(guard.tripped.is_some())
}

/// How many records the module has, on its larger side, as of the last complete sweeps.
fn records(tx: &Tx<'_>, module: ModuleId) -> Result<u64, StoreError> {
    let mut most = 0;
    for side in Side::BOTH {
        most = most.max(tx.cursor(module, side)?.last_full_rows);
    }
    Ok(most)
}

/// Counts what `item` would write; says which limit that exceeds, if any.
fn count_write(
    context: &Context<'_>,
    guard: &mut Guard,
    item: &Item,
    counted: Option<&Plan>,
    records: u64,
) -> Option<(TripCause, String)> {
    let limits = &context.core.settings.guard;
    let too_many = |cause, limit: Limit, what: &str| {
        Some((cause, format!("more than {} {what} planned within the window", limit.allowed(records))))
    };
    let once = u64::from(counted.is_none());
    if item.kind == Kind::Create {
        guard.creates += once;
        let over = guard.creates > limits.creates.allowed(records);
        return if over { too_many(TripCause::Creates, limits.creates, "creates") } else { None };
    }
    guard.updates += once;
    if guard.updates > limits.updates.allowed(records) {
        return too_many(TripCause::Updates, limits.updates, "updates");
    }
    for row in item.plan.fields.iter().filter(|row| matches!(row.verdict, Verdict::ToIvvy | Verdict::ToCrm)) {
        let Some(value) = row.result() else { continue };
        let before = counted.and_then(|plan| plan.field(&row.field));
        if before.is_some_and(|before| before.verdict == row.verdict && before.result() == Some(value)) {
            continue;
        }
        let writes = guard.fields.entry(row.field.clone()).or_default();
        writes.note(value);
        let field = context.def.field(&row.field).map_or(row.field.as_str(), |def| def.title.as_ref());
        if writes.emptied > limits.emptied.allowed(records) {
            return too_many(TripCause::Emptied, limits.emptied, &format!("records with {field} emptied"));
        }
        if writes.most_frequent() > limits.same_value.allowed(records) {
            return too_many(
                TripCause::SameValue,
                limits.same_value,
                &format!("records with {field} set to one value"),
            );
        }
    }
    None
}

/// Counts one item that needs a person.
pub(super) fn count_conflict(context: &Context<'_>, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut guard = load(tx, context.module, context.now)?;
    let limits = &context.core.settings.guard;
    roll(&mut guard, context.now, limits.window);
    if guard.tripped.is_none() {
        guard.conflicts += 1;
        let allowed = limits.conflicts.allowed(records(tx, context.module)?);
        if guard.conflicts > allowed {
            let message = format!("more than {allowed} conflicts planned within the window");
            trip(tx, &mut guard, context.now, TripCause::Conflicts, message)?;
        }
    }
    tx.put_guard(&guard)
}

fn roll(guard: &mut Guard, now: Timestamp, window: std::time::Duration) {
    if now.since(guard.window_start) >= window {
        guard.begin_window(now);
    }
}

fn trip(
    tx: &mut Tx<'_>,
    guard: &mut Guard,
    now: Timestamp,
    cause: TripCause,
    message: String,
) -> Result<(), StoreError> {
    guard.tripped = Some(Trip::new(cause, now, message.clone()));
    tx.audit(note(guard.module, Actor::engine(), now, AuditEvent::GuardTripped { cause: message })).map(|_| ())
}

/// A field map or filter that is not the one of the last run makes the first plans a dry run: what a
/// mistake in it would do is seen before it is done. Records that are not paired are looked at again, for
/// what kept them out may do so no more; pairs are left alone until one of their records moves.
pub(super) async fn watch_mapping(core: &Arc<Core>, module: ModuleId) -> Result<(), StoreError> {
    let (now, mapping) = (core.now(), core.mapping(module));
    // Before the new mapping is noted: a crash in between begins again.
    if core
        .store
        .read(|view| view.guard(module))?
        .and_then(|guard| guard.mapping)
        .is_some_and(|before| before != mapping)
    {
        observe::look_again(core, module).await?;
    }
    core.store
        .write(move |tx| {
            let mut guard = load(tx, module, now)?;
            let changed = guard.mapping.is_some_and(|before| before != mapping);
            if guard.mapping == Some(mapping) {
                return Ok(());
            }
            guard.mapping = Some(mapping);
            if changed && guard.tripped.is_none() {
                let message = "the field map or a filter changed since the last run: look at what it plans";
                trip(tx, &mut guard, now, TripCause::MappingChanged, message.to_owned())?;
            }
            tx.put_guard(&guard)
        })
        .await
}

/// Holds what a resync plans until a person has looked.
pub(super) async fn hold_resync(core: &Arc<Core>, module: ModuleId, title: String) -> Result<(), StoreError> {
    let now = core.now();
    core.store
        .write(move |tx| {
            let mut guard = load(tx, module, now)?;
            if guard.tripped.is_none() {
                let message = format!("a resync of {title} was asked for: look at what it plans");
                trip(tx, &mut guard, now, TripCause::MappingChanged, message)?;
            }
            tx.put_guard(&guard)
        })
        .await
}

/// A side that suddenly shows half of what it showed is more often broken than emptied: nothing is
/// concluded from it before a person has looked.
pub(super) fn watch_size(
    core: &Core,
    tx: &mut Tx<'_>,
    module: ModuleId,
    side: Side,
    before: u64,
    rows: u64,
) -> Result<(), StoreError> {
    let now = core.now();
    let floor = before.saturating_mul(core.settings.guard.shrink_percent) / 100;
    let mut guard = load(tx, module, now)?;
    if rows >= floor || guard.tripped.is_some() {
        return Ok(());
    }
    let message = format!("{} showed {rows} records, after {before} in the complete sweep before", side.title());
    trip(tx, &mut guard, now, TripCause::SideShrank, message)?;
    tx.put_guard(&guard)
}

fn note(module: ModuleId, actor: Actor, at: Timestamp, what: AuditEvent) -> Note {
    Note { at, actor, module: Some(module), item: None, link: None, what }
}

/// Whether the guard forbids claiming this item now.
pub(super) fn forbids(tx: &Tx<'_>, item: &Item) -> Result<bool, StoreError> {
    let tripped = tx.guard(item.module)?.is_some_and(|guard| guard.tripped.is_some());
    Ok(tripped && !item.guard_pass && !item.decided)
}

/// What a tripped guard holds, for a person to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Why it is tripped; `None` when open.
    pub tripped: Option<String>,
    /// Items held by the guard.
    pub held: u64,
    /// Creates by the side they would be made on.
    pub creates: BTreeMap<Side, u64>,
    /// Updates by the side they would write.
    pub updates: BTreeMap<Side, u64>,
    /// Items held for other reasons.
    pub conflicts: u64,
    /// The first few.
    pub samples: Vec<ItemId>,
    /// Fingerprint of ids and versions, so that "release" means what was looked at.
    pub hash: Fingerprint,
}

/// What of a module goes by itself as soon as its turn comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Items.
    pub items: u64,
    /// Creates by the side they would be made on.
    pub creates: BTreeMap<Side, u64>,
    /// Updates by the side they would write.
    pub updates: BTreeMap<Side, u64>,
}

/// Looks through everything that is planned and waits for its turn, or for another try. Writes nothing.
pub(super) fn ready(view: &impl Reads, module: ModuleId) -> Result<Ready, StoreError> {
    let mut found = Ready::default();
    for state in [State::Ready, State::Retry] {
        let mut after = None;
        loop {
            let page = view.in_state(module, state, after, CHUNK)?;
            let Some(last) = page.last().copied() else {
                break;
            };
            for id in page {
                let Some(item) = view.item(id)? else {
                    continue;
                };
                found.items += 1;
                for side in written_sides(&item) {
                    let by_side = if item.kind == Kind::Create { &mut found.creates } else { &mut found.updates };
                    *by_side.entry(side).or_default() += 1;
                }
            }
            after = Some(last);
        }
    }
    Ok(found)
}

/// Looks through everything the guard of `module` holds.
pub(super) fn held(view: &impl Reads, module: ModuleId) -> Result<Held, StoreError> {
    let mut found = Held {
        tripped: view.guard(module)?.and_then(|guard| guard.tripped).map(|trip| trip.sentence()),
        ..Held::default()
    };
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = view.held_by(module, Reason::Guard, after, CHUNK)?;
        let Some(last) = page.last().copied() else {
            break;
        };
        for id in page {
            let Some(item) = view.item(id)? else {
                continue;
            };
            found.held += 1;
            seen.push((id, item.ver));
            if found.samples.len() < 10 {
                found.samples.push(id);
            }
            for side in written_sides(&item) {
                let by_side = if item.kind == Kind::Create { &mut found.creates } else { &mut found.updates };
                *by_side.entry(side).or_default() += 1;
            }
        }
        after = Some(last);
    }
    let all = view.counts(module)?.get(&State::Held).copied().unwrap_or(0);
    found.conflicts = all.saturating_sub(found.held);
    found.hash = Fingerprint::of(&seen);
    Ok(found)
}

fn written_sides(item: &Item) -> Vec<Side> {
    let goes = |side: Side| {
        item.plan.fields.iter().any(|row| match row.verdict {
            Verdict::ToIvvy => side == Side::Ivvy,
            Verdict::ToCrm => side == Side::Crm,
            // A joined set goes where it is not what is there.
            Verdict::Merge => row.merged.as_ref() != row.on(side),
            _ => false,
        })
    };
    Side::BOTH.into_iter().filter(|side| goes(*side)).collect()
}

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// So many items may go.
    Moved(u64),
    /// Noted: it takes effect when a second person releases it too.
    NeedsSecond,
}

/// Opens the guard, or lets a sample through.
pub(super) async fn release(
    core: &Arc<Core>,
    module: ModuleId,
    sample: Option<u64>,
    agreed: Option<String>,
    actor: Actor,
) -> Result<Release, StoreError> {
    let now = core.now();
    let two = core.settings.second_person.release;
    let alone = core
        .store
        .write(move |tx| {
            let mut guard = load(tx, module, now)?;
            if let Some(trip) = &mut guard.tripped
                && two
                && sample.is_none_or(|sample| trip.sampled.saturating_add(sample) > SAMPLE)
                && trip.asked.as_ref().is_none_or(|asked| asked.is(&actor))
            {
                trip.asked = Some(actor.clone());
                tx.put_guard(&guard)?;
                let scope = "all, once a second person agrees".to_owned();
                let event = AuditEvent::GuardReleased { scope, note: agreed.clone() };
                tx.audit(note(module, actor.clone(), now, event))?;
                return Ok(true);
            }
            if let (Some(trip), Some(sample)) = (&mut guard.tripped, sample) {
                trip.sampled = trip.sampled.saturating_add(sample);
            }
            let scope = sample.map_or_else(|| "all".to_owned(), |n| format!("a sample of {n}"));
            if sample.is_none() {
                guard.tripped = None;
                guard.first_released.get_or_insert_with(|| (now, actor.name.clone()));
                guard.begin_window(now);
            }
            tx.put_guard(&guard)?;
            let event = AuditEvent::GuardReleased { scope, note: agreed.clone() };
            tx.audit(note(module, actor.clone(), now, event))?;
            Ok(false)
        })
        .await?;
    if alone {
        return Ok(Release::NeedsSecond);
    }
    let released = move_held(core, module, sample, move |item| {
        item.guard_pass = sample.is_some();
        let_go(item)
    })
    .await?;
    core.signals.push.notify_one();
    // Lead sources are created from now on.
    core.matching.wake.notify_one();
    Ok(Release::Moved(released))
}

/// Takes the guard's hold off an item; what else holds it stays.
fn let_go(item: &mut Item) -> (State, &'static str) {
    item.reasons = item.reasons.without(Reason::Guard);
    let state = if item.reasons.is_empty() { State::Ready } else { State::Held };
    (state, "released by the guard")
}

/// Finishes a release that a crash interrupted: the guard is open, yet items are still held by it.
pub(super) async fn finish_release(core: &Arc<Core>, module: ModuleId) -> Result<(), StoreError> {
    let open = core.store.read(|view| Ok(view.guard(module)?.is_some_and(|guard| guard.tripped.is_none())))?;
    if open {
        move_held(core, module, None, let_go).await?;
    }
    Ok(())
}

/// Leaves every held difference as it is; each comes back when its records change.
pub(super) async fn discard(core: &Arc<Core>, module: ModuleId, actor: Actor) -> Result<u64, StoreError> {
    let now = core.now();
    core.store
        .write(move |tx| {
            let event = AuditEvent::GuardReleased { scope: "none: the plan was discarded".to_owned(), note: None };
            tx.audit(note(module, actor.clone(), now, event)).map(|_| ())
        })
        .await?;
    move_held(core, module, None, |item| {
        item.skipped_seen = Some(item.seen);
        item.reasons = Reasons::NONE;
        (State::Skipped, "the guard's plan was discarded")
    })
    .await
}

/// Moves items held by the guard, oldest first, in chunks.
async fn move_held(
    core: &Arc<Core>,
    module: ModuleId,
    limit: Option<u64>,
    change: impl Fn(&mut Item) -> (State, &'static str) + Send + Sync + Clone + 'static,
) -> Result<u64, StoreError> {
    let mut moved = 0;
    loop {
        let left = limit.map_or(u64::MAX, |limit| limit - moved);
        let take = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        if take == 0 {
            return Ok(moved);
        }
        let now = core.now();
        let change = change.clone();
        let count = core
            .store
            .write(move |tx| {
                let ids = tx.held_by(module, Reason::Guard, None, take)?;
                for id in &ids {
                    let Some(mut item) = tx.item(*id)? else {
                        continue;
                    };
                    let (state, cause) = change(&mut item);
                    item.state = state;
                    item.ver += 1;
                    item.updated_at = now;
                    item.ready_at = now;
                    let what = AuditEvent::Moved { state, cause: cause.to_owned() };
                    super::plan::put(tx, &item, Actor::engine(), now, what)?;
                }
                Ok(ids.len() as u64)
            })
            .await?;
        if count == 0 {
            return Ok(moved);
        }
        moved += count;
    }
}
