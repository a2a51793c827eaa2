//! Pushing: carrying out a claimed write (`engine.md` 5.5).
//!
//! Freshness read, one call, read-back, one transaction. A call is never repeated here: an outcome
//! that is not known goes to [`super::prove`].

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::claim::{self, Claimed, Step};
use super::core::Core;
use super::look::{self, Look};
use super::plan::{self, Cause, guest, put};
use super::settle::{self, Applied};
use super::wait::Shutdown;
use crate::merge::canonical::same;
use crate::model::{
    Actor, AuditEvent, Fields, Intent, Item, ItemError, ItemId, ModuleDef, ModuleId, Operation, PairKey, Reason,
    Reasons, Record, RecordId, Side, State, Timestamp, Value,
};
use crate::remote::lane::Places;
use crate::remote::{About, Class, Lane, Read, RemoteError, Sent};
use crate::store::{Reads as _, StoreError, Tx};

/// How many of a refusing tenant are passed over before the calls under way are looked after.
const AT_A_TIME: u32 = 64;

/// Claims and pushes until shutdown; then lets what is under way finish.
pub(super) async fn run(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    let mut under_way = FuturesUnordered::new();
    let mut places = Places::new(core.settings.concurrency);
    loop {
        // Asked before the claims: a wait that ends while they are looked for must not be slept through.
        let trial = core.next_trial();
        while !shutdown.is_cancelled() {
            let Some(claimed) = next(core, &places).await? else {
                break;
            };
            places.take(claimed.lane);
            under_way.push(push(core, claimed));
        }
        if shutdown.is_cancelled() && under_way.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            Some(pushed) = under_way.next() => places.leave(pushed?),
            () = core.signals.push.notified() => {}
            () = reached(core, trial) => {}
            () = shutdown.cancelled(), if !shutdown.is_cancelled() => {}
        }
    }
}

/// Ends at that time; without one, never.
async fn reached(core: &Core, at: Option<Timestamp>) {
    match at {
        Some(at) => core.clock.sleep(at.since(core.now())).await,
        None => std::future::pending().await,
    }
}

/// The next claim of any module for which there is a place: the most urgent lane first, in it parents
/// first; paused and stopped modules are passed over.
async fn next(core: &Arc<Core>, places: &Places) -> Result<Option<Claimed>, StoreError> {
    let mut passed_over = 0;
    'again: loop {
        let mut heads = Vec::new();
        for module in core.modules() {
            if core.is_paused(module) || core.stopped(module).is_some() {
                continue;
            }
            heads.extend(claim::head(core, module)?.filter(|(lane, _)| places.has_room(*lane)));
        }
        heads.sort_by_key(|(lane, _)| *lane);
        for (_, id) in heads {
            match claim::take(core, id).await? {
                Step::Claimed(claimed) => return Ok(Some(*claimed)),
                Step::Moved => continue 'again,
                Step::PassedOver if passed_over < AT_A_TIME => {
                    passed_over += 1;
                    continue 'again;
                }
                // The calls under way get their turn first.
                Step::PassedOver => {
                    core.signals.push.notify_one();
                    return Ok(None);
                }
                Step::Busy => {}
            }
        }
        return Ok(None);
    }
}

/// Carries out one claimed write and records its outcome; hands back the lane whose place is free again.
async fn push(core: &Arc<Core>, claimed: Claimed) -> Result<Lane, StoreError> {
    let outcome = attempt(core, &claimed).await?;
    record(core, &claimed, outcome).await?;
    core.matching.committed();
    core.signals.plan.notify_one();
    core.signals.push.notify_one();
    core.signals.due.notify_one();
    Ok(claimed.lane)
}

/// What came of an attempt.
enum Outcome {
    /// Applied; the record as the remote shows it now, if it could be read back.
    Applied(Applied),
    /// Something moved since the plan: nothing was sent. What was read instead.
    Moved(Vec<Look>),
    /// The call failed.
    Failed(RemoteError),
    /// The look at the side that is not written failed.
    Unread(RemoteError),
}

async fn attempt(core: &Arc<Core>, claimed: &Claimed) -> Result<Outcome, StoreError> {
    match &claimed.intent.operation {
        Operation::Create { key, fields, .. } => create(core, claimed, key, fields).await,
        Operation::Update { id, patch, pre_image } => update(core, claimed, id, patch, pre_image).await,
    }
}

async fn create(core: &Arc<Core>, claimed: &Claimed, key: &str, fields: &Fields) -> Result<Outcome, StoreError> {
    let intent = &claimed.intent;
    let remote = core.remotes.on(intent.side, claimed.lane);
    if let Some(moved) = source_moved(core, claimed).await {
        return Ok(moved);
    }
    // Under our key already: an earlier create whose answer was lost, or another engine's.
    match remote.find_made(intent.module, key, fields).await {
        Ok(Some(found)) => {
            if let Some(record) = found.into_iter().next() {
                return Ok(Outcome::Applied(Applied { created: false, ..applied(record) }));
            }
        }
        Ok(None) => {}
        Err(error) => return Ok(Outcome::Failed(not_sent(error))),
    }
    match remote.create(intent.module, key, fields).await {
        Ok(ack) => {
            let created = ack.created.unwrap_or(true);
            let shown = read_back(core, claimed, &ack.id, Fields::new(), fields).await;
            let adopted = ack.created == Some(false);
            Ok(Outcome::Applied(Applied { created, adopted, ..shown }))
        }
        Err(error) => Ok(Outcome::Failed(error)),
    }
}

async fn update(
    core: &Arc<Core>,
    claimed: &Claimed,
    id: &RecordId,
    patch: &Fields,
    pre_image: &Fields,
) -> Result<Outcome, StoreError> {
    let intent = &claimed.intent;
    let remote = core.remotes.on(intent.side, claimed.lane);
    if let Some(moved) = source_moved(core, claimed).await {
        return Ok(moved);
    }
    let asked_at = core.now();
    let (expected, current) = match remote.get(intent.module, id).await {
        Ok(Read::Found(record)) => {
            if !fresh(core, &claimed.item, intent, &record, pre_image) {
                let read = Read::Found(record);
                return Ok(Outcome::Moved(vec![Look { side: intent.side, id: id.clone(), read, asked_at }]));
            }
            (record.version, record.fields)
        }
        Ok(read) => {
            return Ok(moved_to(core, claimed, Look { side: intent.side, id: id.clone(), read, asked_at }).await);
        }
        Err(error) => return Ok(Outcome::Failed(not_sent(error))),
    };
    match remote.update(intent.module, id, patch, expected.as_deref()).await {
        Ok(ack) => Ok(Outcome::Applied(read_back(core, claimed, &ack.id, current, patch).await)),
        // Another version than expected, or gone in this very moment: into another record, perhaps.
        Err(error) if matches!(error.class, Class::Conflict | Class::Missing) && error.sent == Sent::No => {
            moved_now(core, claimed, id).await
        }
        Err(error) => Ok(Outcome::Failed(error)),
    }
}

/// The remote refused a conditional write: read what it holds now.
async fn moved_now(core: &Arc<Core>, claimed: &Claimed, id: &RecordId) -> Result<Outcome, StoreError> {
    let intent = &claimed.intent;
    let asked_at = core.now();
    Ok(match core.remotes.on(intent.side, claimed.lane).get(intent.module, id).await {
        Ok(read) => moved_to(core, claimed, Look { side: intent.side, id: id.clone(), read, asked_at }).await,
        Err(error) => Outcome::Failed(not_sent(error)),
    })
}

/// Follows a merge to its end, so that what is noted is the whole of it.
async fn moved_to(core: &Arc<Core>, claimed: &Claimed, look: Look) -> Outcome {
    match look::follow(core, claimed.intent.module, claimed.lane, look).await {
        Ok(looks) => Outcome::Moved(looks),
        Err(error) => Outcome::Failed(not_sent(error)),
    }
}

/// A failed read sent nothing that could have had an effect.
fn not_sent(mut error: RemoteError) -> RemoteError {
    error.sent = Sent::No;
    error
}

/// For a decision by a person: reads the side that is not written, and reports it if it no longer
/// shows what the person saw (I8).
async fn source_moved(core: &Arc<Core>, claimed: &Claimed) -> Option<Outcome> {
    let (item, intent) = (&claimed.item, &claimed.intent);
    let source = claimed.source.as_ref().filter(|_| intent.decided)?;
    let side = intent.side.other();
    let asked_at = core.now();
    match core.remotes.on(side, claimed.lane).get(intent.module, source).await {
        Ok(Read::Found(record)) if shows_plan(core, item, side, &record) => None,
        Ok(read) => Some(match moved_to(core, claimed, Look { side, id: source.clone(), read, asked_at }).await {
            Outcome::Failed(error) => Outcome::Unread(error),
            outcome => outcome,
        }),
        Err(error) => Some(Outcome::Unread(not_sent(error))),
    }
}

/// Whether the target still is what the plan was made on: the patched fields always, and every field
/// when a person decided.
fn fresh(core: &Core, item: &Item, intent: &Intent, record: &Record, pre_image: &Fields) -> bool {
    #[cfg(test)]
    if core.ablate.no_freshness {
        return true;
    }
    let Some(def) = core.def(intent.module) else {
        return false;
    };
    let view = core.view(intent.module, intent.side, record);
    let unmoved = pre_image.iter().all(|(name, then)| equal(def, name, then, view.fields.get(name)));
    unmoved
        && !record.anonymised
        && !record.converted
        && (!intent.decided || shows_plan(core, item, intent.side, record))
}

/// Whether `record` shows the values of the plan's rows.
fn shows_plan(core: &Core, item: &Item, side: Side, record: &Record) -> bool {
    let Some(def) = core.def(item.module) else {
        return false;
    };
    let link = match item.pair {
        PairKey::Link(link) => Some(link),
        PairKey::Lone(..) => None,
    };
    let view = core.view(item.module, side, record);
    // A store that cannot be read says so where the outcome is recorded; nothing is sent meanwhile.
    let Ok(view) = core.store.read(|reads| guest::named(reads, item.module, side, view, link)) else {
        return false;
    };
    item.plan.fields.iter().all(|row| match row.on(side) {
        Some(then) => equal(def, &row.field, then, view.fields.get(&row.field)),
        None => true,
    })
}

fn equal(def: &ModuleDef, name: &str, then: &Value, now: Option<&Value>) -> bool {
    let null = Value::Null;
    def.field(name).is_some_and(|field| same(field.kind, then, now.unwrap_or(&null)))
}

/// Reads what was just written. If that fails, the write is still known to have been applied; the
/// record is put together from what was read before and what was sent, and the next sweep corrects it.
async fn read_back(core: &Arc<Core>, claimed: &Claimed, id: &RecordId, before: Fields, sent: &Fields) -> Applied {
    let remote = core.remotes.on(claimed.intent.side, claimed.lane);
    if let Ok(Read::Found(record)) = remote.get(claimed.intent.module, id).await {
        return applied(*record);
    }
    let mut fields = before;
    fields.extend(sent.clone());
    let record = Record { id: id.clone(), fields, ..Record::default() };
    Applied { certain: false, ..applied(record) }
}

fn applied(record: Record) -> Applied {
    Applied { record, created: false, adopted: false, certain: true }
}

/// Records the outcome in one transaction.
async fn record(core: &Arc<Core>, claimed: &Claimed, outcome: Outcome) -> Result<(), StoreError> {
    let (item, intent) = (&claimed.item, &claimed.intent);
    match outcome {
        Outcome::Applied(applied) => {
            core.answered(intent.module, intent.side);
            let about = claim::about(&intent.operation);
            if let Some(tenant) = core.remotes.declared(intent.side).tenant_of(intent.module, about) {
                core.accepted(intent.side, &tenant, intent.module);
            }
            core.rates.count(intent.module, core.now());
            settle::confirm(core, intent, applied).await
        }
        Outcome::Moved(looks) => moved(core, item.id, intent, looks).await,
        Outcome::Failed(error) => failed(core, claimed, intent.side, error).await,
        Outcome::Unread(error) => failed(core, claimed, intent.side.other(), error).await,
    }
}

/// Nothing was sent: take note of what was read and plan again.
async fn moved(core: &Arc<Core>, id: ItemId, intent: &Intent, looks: Vec<Look>) -> Result<(), StoreError> {
    let (shared, module) = (Arc::clone(core), intent.module);
    core.store
        .write(move |tx| {
            let now = shared.now();
            tx.remove_intent(id)?;
            for look in &looks {
                look::note(&shared, tx, module, look)?;
            }
            let Some(mut item) = tx.item(id)?.filter(|item| item.state == State::Inflight) else {
                return Ok(());
            };
            item.state = State::New;
            item.claims = 0;
            item.ver += 1;
            item.updated_at = now;
            let cause = "a record moved since the plan; nothing was sent".to_owned();
            put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::New, cause })?;
            plan::by_key(&shared, tx, module, &item.pair, Cause::Seen).map(drop)
        })
        .await
}

/// A call on `side` failed: certainly without effect, or perhaps with one.
async fn failed(core: &Arc<Core>, claimed: &Claimed, side: Side, error: RemoteError) -> Result<(), StoreError> {
    let (id, intent) = (claimed.item.id, &claimed.intent);
    match error.class {
        Class::Quota => core.hold_for_quota(intent.module, side, claimed.lane, &error),
        _ => {
            core.note_error(intent.module, side, error.to_string());
            core.failed_writes.count(intent.module, core.now());
        }
    }
    let about = match &claimed.source {
        Some(source) if side != intent.side => About::Record(source),
        _ => claim::about(&intent.operation),
    };
    // Where only one institution refuses its key, the others go on.
    let tenant = core.remotes.declared(side).tenant_of(intent.module, about);
    match (error.class, tenant) {
        (Class::Unauthorized, Some(tenant)) => core.refuse(side, tenant, None, error.to_string()),
        (Class::Forbidden, Some(tenant)) => core.refuse(side, tenant, Some(intent.module), error.to_string()),
        (Class::Unauthorized, None) => core.halt(side, error.to_string()),
        (Class::Forbidden, None) => core.forbid(intent.module, side, error.to_string()),
        _ => {}
    }
    let (shared, module) = (Arc::clone(core), intent.module);
    core.store
        .write(move |tx| {
            let Some(mut item) = tx.item(id)?.filter(|item| item.state == State::Inflight) else {
                return Ok(());
            };
            let now = shared.now();
            #[cfg(test)]
            if shared.ablate.no_intent && error.sent == Sent::Maybe {
                return super::prove::resend_blindly(&shared, tx, item);
            }
            if error.sent == Sent::Maybe {
                let settle = shared.settle_time(module, side);
                if let Some(mut intent) = tx.intent(id)? {
                    tx.remove_intent(id)?;
                    intent.unknown_since = Some(now);
                    tx.put_intent(&intent)?;
                }
                item.state = State::Unknown;
                item.ready_at = now.plus(settle);
            } else {
                tx.remove_intent(id)?;
                item.claims = 0;
                after_refusal(&shared, &mut item, &error, now);
            }
            item.error = Some(describe(&error, now));
            item.ver += 1;
            item.updated_at = now;
            let what = AuditEvent::PushFailed { side, state: item.state, error: audit_text(&error) };
            put(tx, &item, Actor::engine(), now, what)
        })
        .await
}

/// Where a definite failure puts the item.
fn after_refusal(core: &Core, item: &mut Item, error: &RemoteError, now: Timestamp) {
    match error.class {
        Class::Rejected | Class::Unsupported | Class::Conflict | Class::Missing => {
            item.state = State::Held;
            item.reasons = Reasons::one(Reason::Validation);
            item.decided = false;
            item.forced = None;
        }
        // The account, the module or the tenant stops; the item waits where it was.
        Class::Unauthorized | Class::Forbidden => item.state = State::Ready,
        // No attempt was made.
        Class::Quota => {
            item.state = State::Retry;
            item.ready_at = now.plus(error.retry_after.unwrap_or_default());
        }
        Class::Unreachable | Class::Throttled | Class::Server | Class::Malformed | Class::Shifted => {
            item.attempts += 1;
            let counted = !matches!(error.class, Class::Unreachable | Class::Throttled);
            if counted && item.attempts >= core.settings.retry.attempts {
                item.state = State::Dead;
            } else {
                let wait = core.entropy.duration_up_to(core.settings.retry.ceiling(item.attempts));
                item.state = State::Retry;
                item.ready_at = now.plus(wait.max(error.retry_after.unwrap_or_default()));
            }
        }
    }
}

/// The error as the diff pane shows it. Remote text: sanitised at display.
pub(super) fn describe(error: &RemoteError, now: Timestamp) -> ItemError {
    let mut message = error.to_string();
    if !error.details.is_empty() {
        message = format!("{message} ({})", error.details.join("; "));
    }
    let hint = match error.class {
        Class::Rejected => "change the value in the diff pane, or skip the item",
        Class::Unauthorized => "check the key and secret, then resume",
        Class::Forbidden => "give the key permission for this action, then resume",
        Class::Quota => "it goes on by itself then; raise `daily_calls` if that is too late",
        Class::Unsupported => "run `tandem check`: the address, the version or a field's name may be wrong",
        Class::Unreachable | Class::Throttled | Class::Server => "it is tried again by itself",
        _ => "see the log for details",
    };
    ItemError { message, hint: Some(hint.to_owned()), at: now }
}

/// For the audit: class and code only, because a remote's message can quote a value.
fn audit_text(error: &RemoteError) -> String {
    match &error.code {
        Some(code) => format!("{} {}: {} ({code})", error.system, error.action, error.class),
        None => format!("{} {}: {}", error.system, error.action, error.class),
    }
}

/// Shared with [`super::prove`]: the item of an intent, if its outcome is still open.
pub(super) fn open_outcome(tx: &Tx<'_>, id: ItemId) -> Result<Option<Item>, StoreError> {
    Ok(tx.item(id)?.filter(|item| item.state.has_intent()))
}

/// What the console calls a module's record; used in log lines, never values.
pub(super) fn label(module: ModuleId, id: ItemId) -> String {
    format!("{} item {id}", module.singular())
}
