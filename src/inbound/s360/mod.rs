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
use crate::model::stream::Failures;
use crate::model::{ModuleId, Rhythm, Side, StreamId, StreamState, Timestamp};
use crate::seam::Clock;
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::Engine;

/// Longest time between two notes that we are there.
const BEAT: Duration = Duration::from_secs(60);
/// Shortest.
const SHORTEST_BEAT: Duration = Duration::from_secs(1);
/// Notes within the time a sender goes on trying: between two of them nobody seems to be away for that long.
const BEATS: u32 = 4;
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
    /// Whether its institution can be asked which of two posts is right.
    pub operator: bool,
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
    outage_at: Option<Timestamp>,
    /// The last reason, and when it was one.
    last_error: Option<(&'static str, Timestamp)>,
    failing: Failures,
}

/// Why a post came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nothing {
    /// Whoever sent it did not prove who it is. What its owner sends is not kept out by that.
    Stranger,
    /// It was wrong.
    Refused,
    /// It could not be stored.
    Unstored,
}

/// A payload as its failures are remembered.
fn short(digest: &[u8; 32]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.refused == 0 && self.unstored == 0 && self.failing.is_empty()
    }

    /// Puts it into the stream's state.
    fn write(&self, state: &mut StreamState) {
        if let Some((why, at)) = self.last_error {
            state.refuse(self.refused, why, at);
        }
        state.unstored += self.unstored;
        state.outage_at = state.outage_at.max(self.outage_at);
        state.failing.merge(&self.failing);
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
        unwritten.outage_at = now.outage_at.max(unwritten.outage_at);
        unwritten.last_error = now.last_error.or(unwritten.last_error);
        unwritten.failing.merge(&now.failing);
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
    seats: Arc<Semaphore>,
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
            seats: Arc::new(Semaphore::new(AT_ONCE)),
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
    fn came_to_nothing(&self, desk: &Desk, what: Nothing, why: &'static str) {
        let mut unwritten = desk.lock();
        *(if what == Nothing::Unstored { &mut unwritten.unstored } else { &mut unwritten.refused }) += 1;
        let now = self.clock.now();
        if what != Nothing::Stranger {
            unwritten.outage_at = Some(now);
        }
        unwritten.last_error = Some((why, now));
        drop(unwritten);
        self.wake.notify_one();
    }

    /// This payload could not be taken.
    fn failed(&self, id: &StreamId, body: &[u8]) {
        let Some(desk) = self.desks.get(id) else { return };
        desk.lock().failing.note(short(&decode::digest(id, body)), self.clock.now());
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

    fn rhythms(&self) -> Vec<(StreamId, Rhythm)> {
        self.desks.values().map(|desk| (desk.stream.id.clone(), desk.stream.rhythm)).collect()
    }

    /// Notes that we are there; and, if we were not for a while, as when the machine sleeps, what that means.
    async fn beat(&self) -> Result<(), StoreError> {
        let (now, streams) = (self.clock.now(), self.rhythms());
        warn_of(&self.engine.store().write(move |tx| there(tx, &streams, now)).await?);
        Ok(())
    }

    /// Notes on which streams records may have been given up while we were not there (S-17).
    fn look_back(&self) -> Result<(), StoreError> {
        let (now, streams) = (self.clock.now(), self.rhythms());
        warn_of(&self.engine.store().write_blocking(move |tx| there(tx, &streams, now))?);
        Ok(())
    }
}

/// Time between two notes that we are there, such that the least patient sender does not seem to have been left alone.
fn beat_every(streams: &[(StreamId, Rhythm)]) -> Duration {
    let patience = streams.iter().map(|(_, rhythm)| rhythm.horizon() / BEATS).min().unwrap_or(BEAT);
    patience.clamp(SHORTEST_BEAT, BEAT)
}

fn warn_of(lost: &[StreamId]) {
    for stream in lost {
        tracing::warn!(%stream, "its sender met nobody for longer than it goes on trying: records may be lost");
    }
}

/// Notes that we are there `now`, and what was given up since we last were. Returns the streams that newly may have
/// lost something.
fn there(tx: &mut Tx<'_>, streams: &[(StreamId, Rhythm)], now: Timestamp) -> Result<Vec<StreamId>, StoreError> {
    let last = tx.meta(THERE_AT)?.and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
    let mut lost = Vec::new();
    for (id, rhythm) in streams {
        let before = tx.stream(id)?;
        let mut state = before.clone();
        state.was_down(last.map(Timestamp::from_millis), now, rhythm);
        state.gave_up(now, rhythm);
        if state != before {
            tx.put_stream(id, &state)?;
        }
        if state.possible_loss.is_some() && before.possible_loss.is_none() {
            lost.push(id.clone());
        }
    }
    tx.put_meta(THERE_AT, &now.millis().to_be_bytes())?;
    Ok(lost)
}

/// Tells and writes, at most once a breath, and notes now and then that we are there.
async fn keep(inner: Arc<Inner>, stop: CancellationToken) {
    loop {
        // A store that fails has said so itself, and the engine ends with it.
        let _ = inner.beat().await;
        let next_beat = inner.clock.sleep(beat_every(&inner.rhythms()));
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

    fn engine(clock: &Arc<dyn Clock>, store: Store) -> Engine {
        let nowhere = odoo::Settings::new("http://127.0.0.1:9", "nowhere", SecretString::from("none"));
        let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
        let nowhere: Arc<dyn Remote> = Arc::new(Odoo::new(nowhere, transport, Arc::clone(clock)).unwrap());
        let remotes = Remotes::new(|_, _| Arc::clone(&nowhere));
        Engine::new(store, remotes, Arc::clone(clock), Entropy::seeded(1), Settings::default()).unwrap()
    }

    #[test]
    fn somebody_who_is_there_never_seems_away_to_the_least_patient_sender_s17() {
        let stream = |seconds: u64, tries: u32| {
            let rhythm = Rhythm { every: Duration::from_secs(seconds), per_run: 500, per_payload: 50, tries };
            (StreamId::new(StreamKind::S360Contacts, "ACME"), rhythm)
        };
        let every = |streams: &[(StreamId, Rhythm)]| beat_every(streams);
        assert_eq!((every(&[]), every(&[stream(900, 12)])), (BEAT, BEAT));
        for (seconds, tries) in [(5, 12), (60, 1), (10, 1)] {
            let mut state = StreamState { last_at: Some(Timestamp::EPOCH), ..StreamState::default() };
            let streams = [stream(900, 12), stream(seconds, tries)];
            let (beat, rhythm) = (every(&streams), streams[1].1);
            let mut now = Timestamp::EPOCH;
            // As often as it may be while nothing comes, each note a little late.
            for _ in 0..100 {
                let before = now;
                now = now.plus(beat * 3 / 2);
                assert!(!state.was_down(Some(before), now, &rhythm), "{seconds} s, {tries} tries");
            }
        }
    }

    /// Senders give up waiting for a store that hangs; what they sent still counts against what is taken in.
    #[tokio::test]
    async fn a_slow_store_cannot_pile_up_bodies_s14() {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000)));
        let id = StreamId::new(StreamKind::S360Contacts, "ACME");
        let rhythm = Rhythm { every: Duration::from_secs(900), per_run: 500, per_payload: 50, tries: 12 };
        let guard = Guard::open("x", Arc::clone(&clock));
        let streams = vec![Stream { id: id.clone(), rhythm, guard, operator: true }];
        // One with a thread of its own, which can hang without us.
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        let intake = S360Intake::start(engine(&clock, store), streams, Arc::clone(&clock)).unwrap();
        let inner = Arc::clone(&intake.inner);
        // The store hangs until this is dropped.
        let (go_on, hanging) = std::sync::mpsc::channel::<()>();
        let hanging = Mutex::new(hanging);
        let store = inner.engine.store().clone();
        let hangs = tokio::spawn(async move {
            store
                .write(move |_| {
                    let _ = hanging.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    Ok(())
                })
                .await
        });
        tokio::task::yield_now().await;
        let send = |number: usize| {
            let body = format!("[{{\"contactNumber\":\"{number}\",\"individualContact\":{{}}}}]");
            let post = routes::admitted(&inner, &id, axum::body::Body::from(body));
            tokio::time::timeout(Duration::from_millis(200), post)
        };
        let senders = futures::future::join_all((0..AT_ONCE * 2).map(send)).await;
        assert!(senders.iter().all(Result::is_err), "nobody is answered in time");
        assert_eq!(inner.seats.available_permits(), 0, "their bodies are still held");
        drop(go_on);
        hangs.await.unwrap().unwrap();
        intake.stop().await;
        assert_eq!(inner.seats.available_permits(), AT_ONCE);
        let payloads = inner.engine.store().read(|view| view.stream(&id)).unwrap().payloads;
        assert_eq!(payloads, AT_ONCE as u64, "what was begun is finished, and no more was begun");
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_is_told_at_once_and_then_at_most_once_a_breath_s23() {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000)));
        let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
        let engine = engine(&clock, store);

        let list = Arc::new(Mutex::new(Vec::new()));
        let (heard, at) = (Arc::clone(&list), Arc::clone(&clock));
        let began = clock.now();
        let teller: Teller = Box::new(move |module| heard.lock().unwrap().push((module, at.now().since(began))));
        let id = StreamId::new(StreamKind::S360Contacts, "ACME");
        let rhythm = Rhythm { every: Duration::from_secs(900), per_run: 500, per_payload: 50, tries: 12 };
        let guard = Guard::open("x", Arc::clone(&clock));
        let streams = vec![Stream { id: id.clone(), rhythm, guard, operator: true }];
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
