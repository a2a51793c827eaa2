//! Proof of unknown outcomes (`engine.md` 5.5): a write that may have happened is never sent again
//! before a look at the remote has shown that it did not (I17).
//!
//! The look waits until the write can no longer be on its way: a probe right after a crash would
//! still make doubles.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::look::{self, Look};
use super::plan::{self, Cause, put};
use super::push::{describe, label, open_outcome};
use super::settle::{self, Applied};
use crate::merge::canonical::same;
use crate::merge::matching;
use crate::model::{
    Actor, AuditEvent, Fields, Intent, ItemError, ItemId, Operation, Reason, Reasons, Record, RecordId, Side, State,
    Value,
};
use crate::remote::{Class, Lane, PageRequest, Read, RemoteError, Sent};
use crate::store::{Reads as _, StoreError};
#[cfg(test)]
use crate::{model::Item, store::Tx};

/// How long before the claim a remote's stamp of our create may lie: clocks differ.
const STAMP_MARGIN: Duration = Duration::from_secs(15 * 60);

/// What a look at the remote proved.
enum Proof {
    /// The write is there.
    Applied(Box<Record>),
    /// A record that looks just like the one to be created is there. It is taken for it, but nothing it holds
    /// beside was ever agreed.
    Alike(Box<Record>),
    /// It is not: the item may be claimed again, under the same key.
    NotApplied,
    /// The target shows neither the old nor the new values: plan again on what it shows.
    Other(Vec<Look>),
    /// The look itself failed.
    Later(RemoteError),
}

/// Proves the outcome of one unknown item, or puts the proof off.
pub(super) async fn prove(core: &Arc<Core>, id: ItemId) -> Result<(), StoreError> {
    let Some(intent) = core.store.read(|view| view.intent(id))? else {
        return lost_intent(core, id).await;
    };
    let proof = look(core, &intent).await?;
    match proof {
        Proof::Applied(record) => {
            let created = matches!(intent.operation, Operation::Create { .. });
            core.rates.count(intent.module, core.now());
            settle::confirm(core, &intent, Applied { record: *record, created, adopted: false, certain: true }).await
        }
        Proof::Alike(record) => {
            core.rates.count(intent.module, core.now());
            settle::confirm(core, &intent, Applied { record: *record, created: false, adopted: true, certain: true })
                .await
        }
        Proof::NotApplied => again(core, &intent).await,
        Proof::Other(looks) => other(core, &intent, looks).await,
        Proof::Later(error) => later(core, &intent, error).await,
    }
}

async fn look(core: &Arc<Core>, intent: &Intent) -> Result<Proof, StoreError> {
    match &intent.operation {
        Operation::Create { key, fields, .. } => look_for_create(core, intent, key, fields).await,
        Operation::Update { id, patch, pre_image } => Ok(look_at_update(core, intent, id, patch, pre_image).await),
    }
}

/// A proof is live work; a person who decided waits for theirs.
fn lane(intent: &Intent) -> Lane {
    if intent.decided { Lane::Operator } else { Lane::Live }
}

async fn look_for_create(core: &Arc<Core>, intent: &Intent, key: &str, fields: &Fields) -> Result<Proof, StoreError> {
    let remote = core.remotes.on(intent.side, lane(intent));
    match remote.find_made(intent.module, key, fields).await {
        Ok(Some(found)) => {
            return Ok(match found.into_iter().next() {
                Some(record) => Proof::Applied(Box::new(record)),
                None if asked_for(core, intent) => Proof::Later(undecidable(core, intent)),
                None => Proof::NotApplied,
            });
        }
        Ok(None) => {}
        Err(error) => return Ok(Proof::Later(error)),
    }
    match remote.find_alike(intent.module, fields).await {
        Ok(Some(found)) => {
            Ok(found.into_iter().next().map_or(Proof::NotApplied, |record| Proof::Alike(Box::new(record))))
        }
        Ok(None) => look_in_listing(core, intent, key).await,
        Err(error) => Ok(Proof::Later(error)),
    }
}

/// For a remote that cannot look up by key (iVvy companies): what a poll has shown meanwhile, then a
/// listing of everything stamped since the claim.
async fn look_in_listing(core: &Arc<Core>, intent: &Intent, key: &str) -> Result<Proof, StoreError> {
    let (module, side) = (intent.module, intent.side);
    let known = core.store.read(|view| {
        let ids = view.by_external_key(module, side, key, 1)?;
        match ids.first() {
            Some(id) => view.observation(module, side, id),
            None => Ok(None),
        }
    })?;
    if let Some(known) = known.filter(|known| !known.absent) {
        return Ok(Proof::Applied(Box::new(known.record)));
    }
    let mut request = PageRequest { from: Some(intent.claimed_at.minus(STAMP_MARGIN)), ..PageRequest::default() };
    let stamped = core.capabilities(module, side).stamp_key;
    // Records there carry no key of ours: one that looks the same may be it, and only a person can tell.
    let wanted = identity_sent(core, intent)?;
    let mut twin = !stamped && wanted.is_none();
    loop {
        match core.remotes.on(side, lane(intent)).list(module, &request).await {
            Ok(page) => {
                let alike = |record: &Record| matching::identity(module, &record.fields) == wanted;
                twin |= !stamped && page.records.iter().any(alike);
                let ours = page.records.into_iter().find(|record| {
                    let carried = record.fields.get(crate::model::module::EXTERNAL_ID).and_then(Value::as_text);
                    carried == Some(key)
                });
                if let Some(record) = ours {
                    return Ok(Proof::Applied(Box::new(record)));
                }
                match page.next {
                    Some(next) => request.position = Some(next),
                    None if twin => return Ok(Proof::Later(unprovable(core, intent))),
                    None => return Ok(Proof::NotApplied),
                }
            }
            Err(error) => return Ok(Proof::Later(error)),
        }
    }
}

/// The identity of the record that was to be created, if it has one.
fn identity_sent(core: &Core, intent: &Intent) -> Result<Option<String>, StoreError> {
    let Operation::Create { source, .. } = &intent.operation else { return Ok(None) };
    let seen = core.store.read(|view| view.observation(intent.module, intent.side.other(), source))?;
    Ok(seen.and_then(|seen| seen.identity))
}

/// Whether the write is one that a person asked for and approved by itself: it costs money, so that it cannot be seen is
/// no proof that it was not made (S-07). A payment may be under way for longer than anybody waits.
fn asked_for(core: &Core, intent: &Intent) -> bool {
    intent.side == Side::Ivvy && core.def(intent.module).is_some_and(|def| def.request.is_some())
}

fn undecidable(core: &Core, intent: &Intent) -> RemoteError {
    let message = "it does not show there, which proves nothing: look there, then say whether it arrived";
    RemoteError { message: message.to_owned(), ..unprovable(core, intent) }
}

/// Why no call can prove the outcome.
fn unprovable(core: &Core, intent: &Intent) -> RemoteError {
    RemoteError {
        system: core.remotes.declared(intent.side).system().to_owned(),
        action: "prove a create".to_owned(),
        class: Class::Unsupported,
        sent: Sent::No,
        code: None,
        message: "records there carry no key of ours, and one that looks the same is there now".to_owned(),
        details: Vec::new(),
        retry_after: None,
    }
}

async fn look_at_update(core: &Arc<Core>, intent: &Intent, id: &RecordId, patch: &Fields, pre_image: &Fields) -> Proof {
    let asked_at = core.now();
    match core.remotes.on(intent.side, lane(intent)).get(intent.module, id).await {
        Ok(Read::Found(record)) => {
            let view = core.view(intent.module, intent.side, &record);
            if holds(core, intent, &view, patch) {
                Proof::Applied(record)
            } else if holds(core, intent, &view, pre_image) && asked_for(core, intent) {
                Proof::Later(undecidable(core, intent))
            } else if holds(core, intent, &view, pre_image) {
                Proof::NotApplied
            } else {
                let read = Read::Found(record);
                Proof::Other(vec![Look { side: intent.side, id: id.clone(), read, asked_at }])
            }
        }
        Ok(read) => {
            let gone = Look { side: intent.side, id: id.clone(), read, asked_at };
            look::follow(core, intent.module, lane(intent), gone).await.map_or_else(Proof::Later, Proof::Other)
        }
        Err(error) => Proof::Later(error),
    }
}

fn holds(core: &Core, intent: &Intent, view: &Record, fields: &Fields) -> bool {
    let null = Value::Null;
    let Some(def) = core.def(intent.module) else {
        return false;
    };
    fields.iter().all(|(name, value)| {
        def.field(name).is_some_and(|field| same(field.kind, value, view.fields.get(name).unwrap_or(&null)))
    })
}

/// Proved absent: claim again, with the same key. Claims go on counting, so that a write which kills
/// its process each time ends as poison.
async fn again(core: &Arc<Core>, intent: &Intent) -> Result<(), StoreError> {
    let (shared, id) = (Arc::clone(core), intent.item);
    core.store
        .write(move |tx| {
            let Some(mut item) = open_outcome(tx, id)? else {
                return Ok(());
            };
            let now = shared.now();
            tx.remove_intent(id)?;
            item.state = State::Ready;
            item.attempts += 1;
            item.ready_at = now;
            item.ver += 1;
            item.updated_at = now;
            let cause = "proved: the write did not arrive".to_owned();
            put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::Ready, cause })
        })
        .await?;
    core.signals.push.notify_one();
    Ok(())
}

async fn other(core: &Arc<Core>, intent: &Intent, looks: Vec<Look>) -> Result<(), StoreError> {
    let (shared, id, module) = (Arc::clone(core), intent.item, intent.module);
    core.store
        .write(move |tx| {
            let Some(mut item) = open_outcome(tx, id)? else {
                return Ok(());
            };
            let now = shared.now();
            tx.remove_intent(id)?;
            for look in &looks {
                look::note(&shared, tx, module, look)?;
            }
            item.state = State::New;
            item.ver += 1;
            item.updated_at = now;
            let cause = "the record moved on; planned again on what it shows".to_owned();
            put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::New, cause })?;
            plan::by_key(&shared, tx, module, &item.pair, Cause::Reopened).map(drop)
        })
        .await
}

/// The look failed. A passing cause is waited out; one that will not pass needs a person.
async fn later(core: &Arc<Core>, intent: &Intent, error: RemoteError) -> Result<(), StoreError> {
    if error.class == Class::Quota {
        core.hold_for_quota(intent.module, intent.side, lane(intent), &error);
    } else {
        core.note_error(intent.module, intent.side, error.to_string());
    }
    let (shared, id) = (Arc::clone(core), intent.item);
    tracing::warn!(item = %label(intent.module, id), class = %error.class, "proof put off");
    core.store
        .write(move |tx| {
            let Some(mut item) = open_outcome(tx, id)? else {
                return Ok(());
            };
            let now = shared.now();
            item.error = Some(describe(&error, now));
            item.ver += 1;
            item.updated_at = now;
            let lasting = matches!(error.class, Class::Forbidden | Class::Unsupported | Class::Rejected);
            if lasting {
                tx.remove_intent(id)?;
                item.state = State::Held;
                item.reasons = Reasons::one(Reason::Unproven);
            } else {
                item.attempts += 1;
                let wait = shared.entropy.duration_up_to(shared.settings.retry.ceiling(item.attempts));
                let least = Duration::from_millis(500).max(error.retry_after.unwrap_or_default());
                item.ready_at = now.plus(wait.max(least));
            }
            let cause = "its outcome could not be looked up yet".to_owned();
            put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: item.state, cause })
        })
        .await
}

/// An item that waits for proof without an intent: nothing names what was sent, so a person decides.
async fn lost_intent(core: &Arc<Core>, id: ItemId) -> Result<(), StoreError> {
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            let Some(mut item) = open_outcome(tx, id)? else {
                return Ok(());
            };
            let now = shared.now();
            item.state = State::Held;
            item.reasons = Reasons::one(Reason::Unproven);
            item.error = Some(ItemError {
                message: "a write was under way, but what was sent is not on record".to_owned(),
                hint: Some("look at both records, then settle it with `arrived` or `resend`".to_owned()),
                at: now,
            });
            item.ver += 1;
            item.updated_at = now;
            let cause = "its intent is missing".to_owned();
            put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::Held, cause })
        })
        .await
}

/// At start: every write that was under way when the process ended has an unknown outcome. The wait
/// starts now, because the call may have left just before the end.
pub(super) async fn recover(core: &Arc<Core>) -> Result<(), StoreError> {
    for module in core.modules().collect::<Vec<_>>() {
        let mut after = None;
        loop {
            let page = core.store.read(|view| view.in_state(module, State::Inflight, after, 100))?;
            let Some(last) = page.last().copied() else {
                break;
            };
            for id in page {
                let shared = Arc::clone(core);
                core.store
                    .write(move |tx| {
                        let Some(mut item) = tx.item(id)?.filter(|item| item.state == State::Inflight) else {
                            return Ok(());
                        };
                        #[cfg(test)]
                        if shared.ablate.no_intent {
                            return resend_blindly(&shared, tx, item);
                        }
                        let now = shared.now();
                        let side = match tx.intent(id)? {
                            Some(mut intent) => {
                                let side = intent.side;
                                tx.remove_intent(id)?;
                                intent.unknown_since = Some(now);
                                tx.put_intent(&intent)?;
                                side
                            }
                            None => Side::Crm,
                        };
                        item.state = State::Unknown;
                        item.ready_at = now.plus(shared.settle_time(item.module, side));
                        item.ver += 1;
                        item.updated_at = now;
                        let cause = "the daemon stopped while the write was under way".to_owned();
                        put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state: State::Unknown, cause })
                    })
                    .await?;
            }
            after = Some(last);
        }
    }
    Ok(())
}

/// What an engine without a write-ahead intent would do: it does not know that anything was sent.
#[cfg(test)]
pub(super) fn resend_blindly(core: &Core, tx: &mut Tx<'_>, mut item: Item) -> Result<(), StoreError> {
    tx.remove_intent(item.id)?;
    item.state = State::Ready;
    item.ver += 1;
    let what = AuditEvent::Moved { state: State::Ready, cause: "ablation: sent again blindly".to_owned() };
    put(tx, &item, Actor::engine(), core.now(), what)
}
