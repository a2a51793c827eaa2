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
use std::fmt;
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

/// Tells the engine that something came for a module.
type Teller = Box<dyn Fn(ModuleId) + Send + Sync>;

/// What the routes and the work behind them share.
struct Inner {
    engine: Engine,
    teller: Teller,
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

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("streams", &self.desks.keys()).finish_non_exhaustive()
    }
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
        let told = engine.clone();
        Self::start_with(engine, Box::new(move |module| told.told(module, Side::Ivvy)), streams, clock)
    }

    fn start_with(
        engine: Engine,
        teller: Teller,
        streams: Vec<Stream>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let desk = |stream: Stream| (stream.id.clone(), Desk { stream, unwritten: Mutex::default() });
        let inner = Arc::new(Inner {
            engine,
            teller,
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
            (self.teller)(module);
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

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::model::StreamKind;
    use crate::remote::Remote;
    use crate::remote::http::{HttpSettings, ReqwestTransport};
    use crate::remote::odoo::{self, Odoo};
    use crate::seam::{Entropy, TokioClock};
    use crate::store::{Options, Store};
    use crate::sync::{Remotes, Settings};

    #[tokio::test(start_paused = true)]
    async fn a_module_is_told_at_once_and_then_at_most_once_a_breath_s23() {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000)));
        let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
        let nowhere = odoo::Settings::new("http://127.0.0.1:9", "nowhere", SecretString::from("none"));
        let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
        let nowhere: Arc<dyn Remote> = Arc::new(Odoo::new(nowhere, transport, Arc::clone(&clock)).unwrap());
        let remotes = Remotes::new(|_, _| Arc::clone(&nowhere));
        let engine = Engine::new(store, remotes, Arc::clone(&clock), Entropy::seeded(1), Settings::default()).unwrap();

        let list = Arc::new(Mutex::new(Vec::new()));
        let (heard, at) = (Arc::clone(&list), Arc::clone(&clock));
        let began = clock.now();
        let teller: Teller = Box::new(move |module| heard.lock().unwrap().push((module, at.now().since(began))));
        let id = StreamId::new(StreamKind::S360Contacts, "ACME");
        let rhythm = Rhythm { every: Duration::from_secs(900), per_run: 500, per_payload: 50, tries: 12 };
        let guard = Guard::open("x", Arc::clone(&clock));
        let streams = vec![Stream { id: id.clone(), rhythm, guard }];
        let intake = S360Intake::start_with(engine, teller, streams, Arc::clone(&clock)).unwrap();
        // Ten payloads in two seconds, of persons and, once, of a structure.
        for turn in 0..10 {
            let kind = if turn == 3 { "structureContact" } else { "individualContact" };
            let body = format!("[{{\"contactNumber\":\"{turn}\",\"{kind}\":{{}}}}]");
            let batch = decode::batch(&id, body.as_bytes()).unwrap();
            take::take(&intake.inner, &id, batch).await.unwrap();
            clock.sleep(Duration::from_millis(200)).await;
        }
        clock.sleep(BREATH * 3).await;
        let so_far = || list.lock().unwrap().clone();
        let told = so_far();
        let of = |module| -> Vec<Duration> { told.iter().filter(|(of, _)| *of == module).map(|(_, at)| *at).collect() };
        let contacts = of(ModuleId::Contacts);
        assert_eq!(contacts.first(), Some(&Duration::ZERO), "at once");
        assert!((2..=4).contains(&contacts.len()), "{told:?}");
        assert!(contacts.windows(2).all(|pair| pair[1] - pair[0] >= BREATH), "{told:?}");
        assert!(contacts.last().unwrap() >= &Duration::from_millis(1800), "and of the last one too: {told:?}");
        assert_eq!(of(ModuleId::Companies).len(), 1);
        // The same again: nothing new, nobody is told.
        let batch = decode::batch(&id, b"[{\"contactNumber\":\"1\"}]").unwrap();
        take::take(&intake.inner, &id, batch).await.unwrap();
        clock.sleep(BREATH * 3).await;
        assert_eq!(so_far().len(), told.len());
        intake.stop().await;
    }
}
