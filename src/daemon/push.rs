//! The sender's part of S-360, played for a CRM that takes arrays: a run every so often, so many records in it, so
//! many in a payload, and a payload that is not answered with exactly 200 is sent again, the same bytes, until it
//! is or has been tried often enough (`contracts/connector_s360.md` 2.2, with the parts exchanged).
//!
//! At least once: after a crash between answer and commit the same bytes go out once more. What is in a payload is
//! the adapter's business, what may be in it the store's ([`crate::store`], outbox). Decides nothing about records,
//! reads no answer's body, logs no value and no credential. Why it does as it does:
//! [decision 0019](../../docs/decisions/0019-handed-over-is-done-and-nothing-overtakes.md).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Blueprint, push};
use crate::config::{self, CrmSystem};
use crate::error::Result;
use crate::model::{
    Actor, AuditEvent, ModuleId, Post, PostEnd, PostTry, Revived, Rhythm, StreamId, StreamKind, Timestamp,
};
use crate::remote::extcrm::{Poster, stream_of};
use crate::seam::Clock;
use crate::store::{Note, Reads as _, Store, StoreError};
use crate::sync::Engine;

/// The streams, in the order of a run: an order names its contact.
pub const STREAMS: [StreamKind; 2] = [StreamKind::PushContacts, StreamKind::PushOrders];

/// Payloads in a row that were not taken, after which a stream's run ends: whoever is not there is not asked
/// with everything there is, and what was not sent keeps its tries.
const MISSES_IN_A_ROW: u32 = 3;

/// Unfinished payloads looked at a time.
const PAGE: usize = 64;

/// What a run did with one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Payloads taken.
    pub taken: u32,
    /// Payloads that were not.
    pub failed: u32,
    /// Records in both.
    pub records: u32,
}

/// Sends what is in the outbox.
pub struct Sender {
    /// Who knows what is paused.
    engine: Option<Engine>,
    store: Store,
    clock: Arc<dyn Clock>,
    poster: Poster,
    rhythm: Rhythm,
    /// One run at a time.
    turn: Mutex<()>,
    asked: Notify,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("rhythm", &self.rhythm).finish_non_exhaustive()
    }
}

impl Sender {
    /// The sender of an account, if its CRM is one that takes arrays.
    ///
    /// # Errors
    /// An address or credential is wrong.
    pub fn of(account: &Account) -> Result<Option<Self>> {
        let blueprint: &Blueprint = &account.blueprint;
        let CrmSystem::Push(section) = &blueprint.config().crm.system else { return Ok(None) };
        let poster = push::poster(blueprint, section, blueprint.ungated())?;
        let clock = Arc::clone(blueprint.clock());
        let sender = Self::new(account.engine.store().clone(), clock, poster, rhythm(section));
        Ok(Some(Self { engine: Some(account.engine.clone()), ..sender }))
    }

    fn new(store: Store, clock: Arc<dyn Clock>, poster: Poster, rhythm: Rhythm) -> Self {
        Self { engine: None, store, clock, poster, rhythm, turn: Mutex::default(), asked: Notify::new() }
    }

    /// Whether a module whose records go on `stream` is paused: then nothing of the stream is sent.
    fn rests(&self, stream: StreamKind) -> bool {
        self.engine.as_ref().is_some_and(|engine| {
            let own = |module: &ModuleId| stream_of(*module) == Some(stream);
            engine.modules().iter().map(|def| def.id).filter(own).any(|module| engine.is_paused(module))
        })
    }

    /// The rhythm it keeps.
    pub fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    /// Has a run made now, by whoever runs the sender.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Makes runs until `shutdown`; what is under way then is finished and put on record. The rhythm goes on over a
    /// restart: a process that comes and goes must not use up the tries.
    pub async fn run(&self, shutdown: &CancellationToken) {
        let mut next = self.first_run();
        loop {
            let asked = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.asked.notified() => true,
                () = self.clock.sleep(next.since(self.clock.now())) => false,
            };
            next = self.clock.now().plus(self.rhythm.every);
            if let Err(error) = self.run_once(shutdown, asked).await {
                tracing::error!(%error, "a run of the sender was broken off");
            }
        }
    }

    /// When the rhythm has the first run: a full pause after the last one that sent anything, or at once.
    fn first_run(&self) -> Timestamp {
        let now = self.clock.now();
        let states = STREAMS.map(|stream| self.store.read(|view| view.stream(&StreamId::new(stream, ""))));
        // A store that cannot be read says so in the run.
        let last = states.into_iter().flatten().filter_map(|state| state.run).map(|run| run.started_at).max();
        // A clock that was set back must not silence the sender.
        last.map_or(now, |last| last.min(now).plus(self.rhythm.every))
    }

    /// Makes one run: first what is unfinished, oldest first, then what waits, within the run's number of records.
    /// Ends early at `shutdown`, between two payloads. Returns what was done, stream by stream.
    ///
    /// # Errors
    /// The disk fails. What was answered and could not be put on record is sent again.
    pub async fn run_now(&self, shutdown: &CancellationToken) -> std::result::Result<[Sent; 2], StoreError> {
        self.run_once(shutdown, false).await
    }

    /// As [`Self::run_now`]. A run that somebody `asked` for leaves what was tried less than a pause ago, so that
    /// asking often uses up no tries.
    async fn run_once(&self, shutdown: &CancellationToken, asked: bool) -> std::result::Result<[Sent; 2], StoreError> {
        let _turn = self.turn.lock().await;
        let began = self.clock.now();
        let mut done = [Sent::default(); 2];
        for (stream, sent) in STREAMS.into_iter().zip(&mut done) {
            if self.poster.serves(stream) && !self.rests(stream) {
                self.run_stream(stream, (began, asked), shutdown, sent).await?;
            }
        }
        Ok(done)
    }

    async fn run_stream(
        &self,
        stream: StreamKind,
        (began, asked): (Timestamp, bool),
        shutdown: &CancellationToken,
        sent: &mut Sent,
    ) -> std::result::Result<(), StoreError> {
        let mut missed = 0;
        let mut after = None;
        let mut fresh = false;
        let mut waiting: VecDeque<Post> = VecDeque::new();
        while missed < MISSES_IN_A_ROW && !shutdown.is_cancelled() {
            if !fresh && waiting.is_empty() {
                waiting.extend(self.store.read(|view| view.posts(stream, false, after, PAGE))?);
                fresh = waiting.is_empty();
            }
            let room = self.rhythm.per_run.saturating_sub(sent.records);
            let post = if fresh {
                let (limit, now) = (room.min(self.rhythm.per_payload) as usize, self.clock.now());
                self.store.write(move |tx| tx.freeze(stream, limit, now)).await?
            } else {
                waiting.pop_front()
            };
            let Some(post) = post else { break };
            // What was revived has no tries, and goes at once.
            let tried = post.last_try_at.filter(|_| post.tries > 0);
            if asked && tried.is_some_and(|last| last <= began && began.since(last) < self.rhythm.every) {
                after = Some(post.number);
                continue;
            }
            let records = u32::try_from(post.records.len()).unwrap_or(u32::MAX);
            // The first payload always goes: whoever lowers the number must not strand what is frozen.
            if records > room && sent.records > 0 {
                break;
            }
            after = Some(post.number);
            sent.records = sent.records.saturating_add(records);
            if self.send(&post, began).await? {
                sent.taken += 1;
                missed = 0;
            } else {
                sent.failed += 1;
                missed += 1;
            }
        }
        Ok(())
    }

    /// Sends a payload and puts the outcome on record. Whether it was taken.
    async fn send(&self, post: &Post, run: Timestamp) -> std::result::Result<bool, StoreError> {
        let (stream, number) = (post.stream, post.number);
        let Some(body) = self.store.read(|view| view.post_body(stream, number))? else {
            return Ok(false);
        };
        let end = match self.poster.post(stream, Bytes::from(body)).await {
            Ok(()) => PostEnd::Taken,
            Err(why) => PostEnd::Failed(why),
        };
        let (taken, tries) = (end == PostEnd::Taken, self.rhythm.tries);
        let tried = PostTry { run, at: self.clock.now(), tries, end };
        let settled = self.store.write(move |tx| tx.settle_post(stream, number, &tried)).await?;
        if let Some(post) = settled {
            let error = post.last_error.as_deref().unwrap_or_default();
            if post.dead {
                tracing::error!(%stream, number, tries = post.tries, error, "a payload was given up");
            } else {
                tracing::warn!(%stream, number, tries = post.tries, error, "a payload was not taken");
            }
        }
        Ok(taken)
    }

    /// Has a dead payload sent after all, as `actor` wants, from the next run on. `None` if there is no such dead
    /// payload.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn revive(
        &self,
        stream: StreamKind,
        number: u64,
        actor: Actor,
    ) -> std::result::Result<Option<Revived>, StoreError> {
        let at = self.clock.now();
        self.store
            .write(move |tx| {
                let revived = tx.revive_post(stream, number)?;
                if revived.is_some() {
                    tx.audit(note(format!("revive payload {number} of {stream}"), at, actor.clone()))?;
                }
                Ok(revived)
            })
            .await
    }

    /// Forgets a dead payload, as `actor` wants: what is in it is never told unless it changes again. Whether there
    /// was such a dead payload.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn give_up(
        &self,
        stream: StreamKind,
        number: u64,
        actor: Actor,
    ) -> std::result::Result<bool, StoreError> {
        let at = self.clock.now();
        self.store
            .write(move |tx| {
                let Some(post) = tx.drop_post(stream, number)? else { return Ok(false) };
                let what = format!("drop payload {number} of {stream} with {} records", post.records.len());
                tx.audit(note(what, at, actor.clone()))?;
                Ok(true)
            })
            .await
    }
}

fn note(what: String, at: Timestamp, actor: Actor) -> Note {
    Note { at, actor, module: None, item: None, link: None, what: AuditEvent::Operated { what } }
}

fn rhythm(section: &config::Push) -> Rhythm {
    let config::Push { every, per_run, per_payload, tries, .. } = *section;
    Rhythm { every, per_run, per_payload, tries }
}

/// A sender that runs.
#[derive(Debug)]
pub struct Sending(JoinHandle<()>);

impl Sending {
    /// Starts it. Must be called inside a tokio runtime, by whoever holds the account's store and socket.
    pub fn start(sender: Arc<Sender>, shutdown: CancellationToken) -> Self {
        Self(tokio::spawn(async move { sender.run(&shutdown).await }))
    }

    /// Waits until what is under way after a shutdown is on record.
    pub async fn ended(self) {
        if self.0.await.is_err() {
            tracing::error!("the sender was broken off by a defect; what was under way is sent again");
        }
    }
}

#[cfg(test)]
mod tests;
