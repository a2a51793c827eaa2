//! The account's streams as consoles see them, and what people do about them.
//!
//! Which streams there are says the configuration (`known`); how they are doing says the store. What came in a
//! stream is not understood here, but for checks at gates, which nobody else reads; and no secret gets this far: only
//! how many there are. What was set aside is shown by `aside`; the verbs that are more than a few lines are `first_sync` and `reconcile`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

mod aside;
mod first_sync;
mod known;
mod reconcile;

use super::ServiceError;
use super::push::Sender;
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::inbound::s360::{self as quarantine, Retried};
use crate::model::guard::TripCause;
use crate::model::{Actor, AuditEvent, ModuleId, OutboxCounts, Revived, StreamId, StreamState, Timestamp};
use crate::remote::Lane;
use crate::seam::Clock;
use crate::store::{Note, Reads as _, StoreError, Tx};
use crate::sync::Engine;
use crate::wire::{Answer, StreamRow, StreamVerb};

use aside::gone;
pub(crate) use known::check;
use known::{Known, known};
use reconcile::unread;

/// The streams of an account that runs.
#[derive(Debug)]
pub(super) struct Streams {
    known: Vec<Known>,
    clock: Arc<dyn Clock>,
    /// Reconciliations under way: how many records were asked for, of how many.
    running: Arc<Mutex<BTreeMap<StreamId, (u64, u64)>>>,
    /// Their tasks, which end with this.
    tasks: Mutex<JoinSet<()>>,
}

impl Streams {
    /// Those of `config`.
    pub(super) fn of(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self { known: known(config), clock, running: Arc::default(), tasks: Mutex::default() }
    }

    fn find(&self, id: &StreamId) -> Result<&Known, ServiceError> {
        self.known.iter().find(|known| known.id == *id).ok_or_else(|| {
            Error::new(ErrorKind::Refused, format!("there is no stream {id} in this account"))
                .hint("`tandem streams` lists them")
                .into()
        })
    }

    /// A first sync of which nothing is planned yet is not let go: what comes later would go out unlooked-at.
    ///
    /// # Errors
    /// What has to happen first: a stream's day is set, or a side is read to its end.
    pub fn expect_read(&self, engine: &Engine, module: ModuleId) -> Result<(), ServiceError> {
        let (first, unread, unsaid) = engine.store().read(|view| {
            let trip = view.guard(module)?.and_then(|guard| guard.tripped);
            let mut unread = None;
            for side in module.swept_sides() {
                unread = unread.or(view.cursor(module, *side)?.last_full.is_none().then_some(*side));
            }
            let mut unsaid = None;
            for known in self.known.iter().filter(|known| known.needs_first_sync() && known.modules.contains(&module)) {
                unsaid = unsaid.or(view.stream(&known.id)?.first_sync.is_none().then(|| known.id.clone()));
            }
            Ok((trip.is_some_and(|trip| trip.cause == TripCause::FirstSync), unread, unsaid))
        })?;
        let refuse = |message: String, hint: String| Err(Error::new(ErrorKind::Refused, message).hint(hint).into());
        match (unsaid, unread) {
            _ if !first => Ok(()),
            (Some(stream), _) => refuse(
                format!("there is nothing of {module} to look at before the first-sync date of {stream} is set"),
                format!("tandem streams first-sync {stream} DATE --zone ZONE; then look at the plan and release it"),
            ),
            (None, Some(side)) => refuse(
                format!("there is nothing of {module} to look at before {} was read to its end", side.title()),
                "wait for the first sweep, then look at the plan and release it".to_owned(),
            ),
            (None, None) => Ok(()),
        }
    }

    /// Every stream and how it is doing, as of one moment.
    pub(super) fn rows(&self, engine: &Engine) -> Result<Vec<StreamRow>, StoreError> {
        if self.known.is_empty() {
            return Ok(Vec::new());
        }
        let now = engine.now();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        engine.store().read(|view| {
            let row = |known: &Known| {
                let state = view.stream(&known.id)?;
                let posts = match known.id.kind.is_inbound() {
                    true => OutboxCounts::default(),
                    false => view.outbox_counts(known.id.kind)?,
                };
                Ok(StreamRow {
                    id: known.id.clone(),
                    title: known.title.to_owned(),
                    inbound: known.id.kind.is_inbound(),
                    auth: known.auth,
                    secrets: known.secrets,
                    place: known.place.clone(),
                    operator: known.operator,
                    needs_first_sync: known.needs_first_sync(),
                    modules: known.modules.clone(),
                    rhythm: known.rhythm,
                    health: known.health(&state, now),
                    aside: view.count_quarantined(&known.id)?,
                    pending: posts.pending,
                    unfinished: posts.unfinished,
                    dead: posts.dead,
                    reconciling: running.get(&known.id).copied(),
                    state,
                })
            };
            self.known.iter().map(row).collect()
        })
    }

    /// Does what a person asked for, with a row in the audit log.
    pub(super) async fn act(
        &self,
        engine: &Engine,
        sender: Option<&Sender>,
        actor: &Actor,
        stream: &StreamId,
        verb: StreamVerb,
    ) -> Result<Answer, ServiceError> {
        let known = self.find(stream)?;
        let message = match verb {
            StreamVerb::Retry { number } => match quarantine::retry(engine, &known.id, number, actor.clone()).await? {
                Retried::Taken => format!("record {number} is taken now"),
                Retried::Missing => return Err(gone(&known.id, number)),
                Retried::StillBroken(why) => {
                    return Err(refuse(
                        format!("{}: record {number} still cannot be taken: {why}", known.id),
                        "have it corrected and sent again, then dismiss it here",
                    ));
                }
            },
            StreamVerb::Dismiss { number } => {
                if !quarantine::dismiss(engine, &known.id, number, actor.clone()).await? {
                    return Err(gone(&known.id, number));
                }
                format!("record {number} is dismissed")
            }
            StreamVerb::FirstSync { date, zone } => self.first_sync(engine, actor, known, &date, &zone).await?,
            StreamVerb::Test => self.test(engine, actor, known).await?,
            StreamVerb::Reconcile => self.reconcile(engine, actor, known).await?,
            StreamVerb::LossSettled => {
                let (id, now) = (known.id.clone(), engine.now());
                let left = unread(engine, known, Timestamp::EPOCH)?;
                let settled = self.change(engine, actor, known, "possible loss settled".to_owned(), move |tx| {
                    let mut state = tx.stream(&id)?;
                    let was = state.settle_loss(now);
                    if was {
                        tx.put_stream(&id, &state)?;
                    }
                    Ok(was)
                });
                if !settled.await? {
                    return Err(refuse(format!("{}: no loss is suspected", known.id), "there is nothing to settle"));
                }
                let mut message = "the possible loss is settled".to_owned();
                if left.waiting > 0 {
                    message.push_str(&format!("; {} records still wait to be read again", left.waiting));
                }
                if left.failed > 0 {
                    message.push_str(&format!("; {} could not be read", left.failed));
                }
                message
            }
            StreamVerb::RunNow => {
                if known.modules.is_empty() {
                    return Err(refuse(
                        format!("{}: none of its modules is on", known.id),
                        "switch one on in the configuration",
                    ));
                }
                self.change(engine, actor, known, "run now".to_owned(), |_| Ok(true)).await?;
                if let Some(sender) = sender.filter(|_| !known.id.kind.is_inbound()) {
                    sender.ask();
                }
                known.modules.iter().for_each(|module| engine.sync_now(Some(*module), false));
                "the run starts now".to_owned()
            }
            StreamVerb::Revive { number } | StreamVerb::Drop { number } => {
                let none = || {
                    let hint = "`tandem streams show STREAM --dead` lists them";
                    refuse(format!("{}: there is no dead post {number}", known.id), hint)
                };
                let sender = sender.filter(|_| !known.id.kind.is_inbound()).ok_or_else(none)?;
                if matches!(verb, StreamVerb::Revive { .. }) {
                    match sender.revive(known.id.kind, number, actor.clone()).await?.ok_or_else(none)? {
                        Revived::Whole => format!("post {number} goes again at the next run"),
                        Revived::Parts(records) => {
                            format!("{records} records of post {number} go again; of the others there is newer news")
                        }
                        Revived::Apart(records) => {
                            format!("{records} records of post {number} go again, each as a post of its own")
                        }
                        Revived::Outdated => {
                            format!("post {number} is let go: of all its records there is newer news")
                        }
                    }
                } else if sender.give_up(known.id.kind, number, actor.clone()).await? {
                    format!("post {number} is dropped: its records go again when they change")
                } else {
                    return Err(none());
                }
            }
        };
        Ok(Answer::Done { message })
    }

    /// Changes something in one transaction with its audit row; neither if `change` says that there was nothing.
    async fn change(
        &self,
        engine: &Engine,
        actor: &Actor,
        known: &Known,
        what: String,
        change: impl Fn(&mut Tx<'_>) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<bool, ServiceError> {
        let (at, actor) = (engine.now(), actor.clone());
        let what = format!("stream {}: {what}", known.id);
        let write = move |tx: &mut Tx<'_>| {
            let changed = change(tx)?;
            if changed {
                let what = AuditEvent::Operated { what: what.clone() };
                tx.audit(Note { at, actor: actor.clone(), module: None, item: None, link: None, what })?;
            }
            Ok(changed)
        };
        Ok(engine.store().write(write).await?)
    }

    async fn test(&self, engine: &Engine, actor: &Actor, known: &Known) -> Result<String, ServiceError> {
        let found = if known.operator {
            let remotes = engine.remotes();
            let probe = remotes.on(known.side(), Lane::Operator).probe_tenant(&known.id.tenant).await;
            let probe = probe.map_err(|error| {
                Error::new(ErrorKind::Unavailable, format!("{}: the connection test failed: {error}", known.id))
                    .hint("see `tandem check`")
            })?;
            let answered = format!("{} answered in {} ms", probe.system, probe.round_trip_ms);
            match probe.doubt {
                Some(why) => format!("{answered}; not proved: {why}"),
                None => answered,
            }
        } else {
            let state = engine.store().read(|view| view.stream(&known.id))?;
            if state.last_at.is_none() {
                return Err(refuse(
                    format!("{}: no post has come yet that was let in", known.id),
                    "it is receive-only: have its sender post one, an empty array will do, then test again",
                ));
            }
            "a post came and was let in".to_owned()
        };
        let (id, at) = (known.id.clone(), engine.now());
        self.change(engine, actor, known, format!("connection test passed: {found}"), move |tx| {
            let state = StreamState { tested_at: Some(at), ..tx.stream(&id)? };
            tx.put_stream(&id, &state)?;
            Ok(true)
        })
        .await?;
        Ok(format!("the connection test passed: {found}"))
    }
}

fn refuse(message: String, hint: &str) -> ServiceError {
    Error::new(ErrorKind::Refused, message).hint(hint).into()
}

#[cfg(test)]
mod tests;
