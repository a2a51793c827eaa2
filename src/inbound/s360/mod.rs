//! What S-360 posts: contacts, orders and checks at the gates, batch by batch, one address per stream and
//! institution (S-12 to S-19, `contracts/connector_s360.md` 2.2, 3).
//!
//! A batch is taken whole or not at all: what it brings, its digest, what could not be taken of it and how the
//! stream is doing are one transaction, and 200 is said once that is on disk. S-360 answers nothing: whatever is
//! not 200 comes again. What a record means is not known here, only whose it is; and a record that nobody can
//! read never keeps the others of its batch out.

mod decode;
mod quarantine;
mod routes;
mod take;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use quarantine::{Retried, dismiss, retry};

use super::guard::Guard;
use super::receiver::Routes;
use crate::model::{ModuleId, Rhythm, Side, StreamId, StreamState, Timestamp};
use crate::seam::Clock;
use crate::store::{Reads as _, StoreError};
use crate::sync::Engine;

/// Time between two notes that we are there.
const BEAT: Duration = Duration::from_secs(60);
/// A module is told at most once in this time that something came for it.
const BREATH: Duration = Duration::from_secs(1);
/// Posts read and stored at a time; the others wait their turn. Bounds the memory.
const AT_ONCE: usize = 16;
/// When we were last there, in the store's free notes.
const THERE_AT: &str = "s360_intake_there_at";

/// A stream that is posted to us.
#[derive(Debug)]
pub struct Stream {
    /// Which, and whose.
    pub id: StreamId,
    /// How its sender said it would post.
    pub rhythm: Rhythm,
    /// Who may post.
    pub guard: Guard,
}

/// A stream with what has not been written down of it.
#[derive(Debug)]
struct Desk {
    stream: Stream,
    unwritten: Mutex<Unwritten>,
}

/// What happened to posts that left nothing behind: written with the next one that does, or a moment later.
#[derive(Clone, Debug, Default)]
struct Unwritten {
    refused: u64,
    unstored: u64,
    last: Option<(Timestamp, &'static str)>,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.refused == 0 && self.unstored == 0
    }

    /// Puts it into the stream's state.
    fn write(&self, state: &mut StreamState) {
        state.refused += self.refused;
        state.unstored += self.unstored;
        if let Some((at, why)) = self.last {
            state.outage_at = Some(state.outage_at.unwrap_or(at).max(at));
            state.last_error = Some(why.to_owned());
        }
    }
}

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is not written yet; whoever cannot write it gives it back.
    fn unwritten(&self) -> Unwritten {
        std::mem::take(&mut *self.lock())
    }

    fn give_back(&self, mut unwritten: Unwritten) {
        let mut now = self.lock();
        unwritten.refused += now.refused;
        unwritten.unstored += now.unstored;
        unwritten.last = now.last.or(unwritten.last);
        *now = unwritten;
    }
}

/// What the routes and the work behind them share.
#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Arc<dyn Clock>,
    desks: BTreeMap<StreamId, Desk>,
    /// Modules that something came for.
    told: Mutex<BTreeSet<ModuleId>>,
    /// There is something to tell or to write.
    wake: Notify,
    seats: Semaphore,
    /// Batches being stored, whether their senders still wait or not.
    work: TaskTracker,
    paused: AtomicBool,
}

/// Takes what S-360 posts for one engine. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct S360Intake {
    inner: Arc<Inner>,
    stop: CancellationToken,
    keeping: Option<JoinHandle<()>>,
}

impl S360Intake {
    /// Takes posts on `streams` for `engine`. Notes first, before anything can come, whether we were away for
    /// longer than a sender goes on trying; blocks for that one commit. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The store fails.
    pub fn start(engine: Engine, streams: Vec<Stream>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let desk = |stream: Stream| (stream.id.clone(), Desk { stream, unwritten: Mutex::default() });
        let inner = Arc::new(Inner {
            engine,
            clock,
            desks: streams.into_iter().map(desk).collect(),
            told: Mutex::default(),
            wake: Notify::new(),
            seats: Semaphore::new(AT_ONCE),
            work: TaskTracker::new(),
            paused: AtomicBool::new(false),
        });
        inner.look_back()?;
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(keep(Arc::clone(&inner), stop.clone()));
        Ok(Self { inner, stop, keeping: Some(keeping) })
    }

    /// The routes to be listened on.
    pub fn routes(&self) -> Routes {
        routes::routes(Arc::clone(&self.inner))
    }

    /// Has everything come again later (503), or no longer. Nothing is lost as long as the senders go on trying.
    pub fn pause(&self, paused: bool) {
        self.inner.paused.store(paused, Ordering::Relaxed);
    }

    /// Takes no more, waits for what is being stored, and writes down what is not yet.
    pub async fn stop(mut self) {
        self.pause(true);
        self.inner.work.close();
        self.inner.work.wait().await;
        self.stop.cancel();
        if let Some(keeping) = self.keeping.take() {
            // A panic there has been reported by the panic hook already.
            let _ = keeping.await;
        }
    }
}

impl Drop for S360Intake {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Inner {
    /// Something came for these modules.
    fn came_for(&self, modules: BTreeSet<ModuleId>) {
        if !modules.is_empty() {
            self.told.lock().unwrap_or_else(PoisonError::into_inner).extend(modules);
            self.wake.notify_one();
        }
    }

    /// A post on this stream came to nothing.
    fn came_to_nothing(&self, desk: &Desk, stored: bool, why: &'static str) {
        let mut unwritten = desk.lock();
        *(if stored { &mut unwritten.refused } else { &mut unwritten.unstored }) += 1;
        unwritten.last = Some((self.clock.now(), why));
        drop(unwritten);
        self.wake.notify_one();
    }

    fn tell(&self) {
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        for module in told {
            self.engine.told(module, Side::Ivvy);
        }
    }

    /// Writes down what happened to posts that left nothing behind.
    async fn write_down(&self) {
        for desk in self.desks.values() {
            let unwritten = desk.unwritten();
            if unwritten.is_empty() {
                continue;
            }
            let (id, what) = (desk.stream.id.clone(), unwritten.clone());
            let written = self.engine.store().write(move |tx| {
                let mut state = tx.stream(&id)?;
                what.write(&mut state);
                tx.put_stream(&id, &state)
            });
            if written.await.is_err() {
                // The store says so itself, to everybody.
                desk.give_back(unwritten);
            }
        }
    }

    /// Notes that we are there.
    async fn beat(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.engine.store().write(move |tx| tx.put_meta(THERE_AT, &now.millis().to_be_bytes())).await
    }

    /// Notes on which streams records may have been given up while we were not there (S-17).
    fn look_back(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let streams: Vec<(StreamId, Rhythm)> =
            self.desks.values().map(|desk| (desk.stream.id.clone(), desk.stream.rhythm)).collect();
        let lost = self.engine.store().write_blocking(move |tx| {
            let there = tx.meta(THERE_AT)?.and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
            let mut lost = Vec::new();
            for (id, rhythm) in &streams {
                let mut state = tx.stream(id)?;
                if state.was_down(there.map(Timestamp::from_millis), now, rhythm) {
                    tx.put_stream(id, &state)?;
                    lost.push(id.clone());
                }
            }
            Ok(lost)
        });
        for stream in lost? {
            tracing::warn!(%stream, "away for longer than its sender goes on trying: records may be lost");
        }
        Ok(())
    }
}

/// Tells and writes, at most once a breath, and notes now and then that we are there.
async fn keep(inner: Arc<Inner>, stop: CancellationToken) {
    loop {
        // A store that fails has said so itself, and the engine ends with it.
        let _ = inner.beat().await;
        let next_beat = inner.clock.sleep(BEAT);
        tokio::pin!(next_beat);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    inner.write_down().await;
                    let _ = inner.beat().await;
                    return;
                }
                () = &mut next_beat => break,
                () = inner.wake.notified() => {}
            }
            inner.tell();
            inner.write_down().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = inner.clock.sleep(BREATH) => {}
            }
        }
    }
}
