//! The gate before one remote: how fast, how many at a time, for whom first, and when to leave it alone.
//!
//! [`GatedTransport`] decorates any [`Transport`] with a rate that gives way when the remote complains
//! (`pace`), shares of it for three lanes (`share`), a ceiling on calls in flight, a limit of calls a day
//! (`quota`), a circuit breaker, and obedience to `Retry-After`. It refuses to repeat a call: an outcome,
//! good or bad, goes back to the caller once. What it turns away itself is always
//! [`TransportError::NotSent`] or [`TransportError::Held`], because nothing has left the machine.
//!
//! Time comes from [`Clock`] alone, read through `SteadyClock` where it must not run backwards.

mod breaker;
mod ledger;
mod line;
mod pace;
mod quota;
mod retry_after;
mod settings;
mod share;
mod steady;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use tokio::sync::Notify;

use self::breaker::{Admission, Breaker};
pub use self::breaker::{BreakerSettings, BreakerState};
use self::ledger::Ledger;
use self::line::Line;
use self::pace::Pace;
use self::quota::Quota;
pub use self::quota::{Booked, CallBook, Usage, UsageReader};
pub(crate) use self::retry_after::{http_date, retry_after};
pub use self::settings::{GateSettings, GateStatus, RateStatus};
use self::share::Shares;
use self::steady::SteadyClock;
use super::lane::{Lane, Places};
use super::transport::{Limits, Transport, TransportError};
use crate::seam::{Clock, Entropy};

/// What a caller is told while the breaker is open.
const RESTING: &str = "resting after repeated failures";

/// The state shared by everything that calls one remote with one key.
pub struct Gate {
    name: String,
    settings: GateSettings,
    clock: Arc<dyn Clock>,
    steady: SteadyClock,
    entropy: Entropy,
    state: Mutex<GateState>,
    /// One per lane: who waits there should look again.
    changed: [Notify; 3],
    usage: OnceLock<UsageReader>,
    book: OnceLock<Arc<dyn CallBook>>,
    /// One entry at a time, so that none can overtake a later one.
    booking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct GateState {
    breaker: Breaker,
    ledger: Ledger,
    line: Line,
    places: Places,
    pace: Pace,
    /// `None`: no limit of the rate.
    shares: Option<Shares>,
    quota: Quota,
    /// No call before this.
    paused_until: Duration,
    /// "Too many requests" in a row.
    throttled: u32,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("name", &self.name).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What one look at the gate comes to.
enum Step<'a> {
    Go(Pass<'a>),
    /// Look again after this, or when something changes.
    Wait(Option<Duration>),
    /// The call count must be on disk first.
    Book,
}

impl Gate {
    /// A gate that has seen nothing yet. `name` is shown in [`GateStatus`] only.
    pub fn new(name: impl Into<String>, settings: GateSettings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        let steady = SteadyClock::new(Arc::clone(&clock));
        let shares = (!settings.per_call.is_zero())
            .then(|| Shares::new(settings.per_call, settings.burst.get(), steady.elapsed()));
        Arc::new(Self {
            name: name.into(),
            settings,
            clock,
            steady,
            entropy,
            state: Mutex::new(GateState {
                breaker: Breaker::new(settings.breaker),
                ledger: Ledger::default(),
                line: Line::default(),
                places: Places::new(usize::try_from(settings.max_in_flight.get()).unwrap_or(usize::MAX)),
                pace: Pace::full(),
                shares,
                quota: Quota::new(settings.daily_calls),
                paused_until: Duration::ZERO,
                throttled: 0,
            }),
            changed: std::array::from_fn(|_| Notify::new()),
            usage: OnceLock::new(),
            book: OnceLock::new(),
            booking: tokio::sync::Mutex::new(()),
        })
    }

    /// Reads the remote's own call count off its answers from now on. Only the first reader is taken.
    pub fn read_usage(&self, reader: UsageReader) {
        // A second reader would be of the same remote.
        let _ = self.usage.set(reader);
    }

    /// Goes on counting from `last`, what the book held at the start, and from now on lets no call leave that
    /// the book does not cover. Only the first book is taken.
    pub fn keep_book(&self, book: Arc<dyn CallBook>, last: Option<Booked>) {
        if self.book.set(book).is_ok() {
            self.lock().quota.resume(last);
        }
    }

    /// Exact counts and the breaker's state now.
    pub fn status(&self) -> GateStatus {
        let (now, wall) = (self.steady.elapsed(), self.clock.now());
        let mut state = self.lock();
        let waits = state.paused_until.max(state.breaker.rests_until()).saturating_sub(now);
        let (calls_per_min, errors_per_min) = state.ledger.last_minute(now);
        let held = Lane::ALL.into_iter().filter_map(|lane| Some((lane, state.quota.hold(lane, wall, now)?.until)));
        let held = held.collect();
        let per_min = |interval: Duration| {
            let calls = Duration::from_secs(60).as_nanos() / interval.as_nanos().max(1);
            u32::try_from(calls).unwrap_or(u32::MAX)
        };
        let per_call = self.settings.per_call;
        GateStatus {
            name: self.name.clone(),
            breaker: state.breaker.state(),
            calls_per_min,
            errors_per_min,
            last_error: state.ledger.last_error().map(str::to_owned),
            waits_for: (!waits.is_zero()).then_some(waits),
            rate: (!per_call.is_zero())
                .then(|| RateStatus { now: per_min(state.pace.interval(per_call)), configured: per_min(per_call) }),
            calls_today: state.quota.today(wall),
            quota: state.quota.nearer(wall, now),
            held,
        }
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        // A poisoned lock only means a panic elsewhere; the counters inside are valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call of `lane` may be sent, and enters it into the books.
    async fn admit(&self, lane: Lane) -> Result<Pass<'_>, TransportError> {
        let number = self.lock().line.join(lane);
        let ticket = Ticket { gate: self, lane, number };
        loop {
            let mut changed = std::pin::pin!(self.changed[lane as usize].notified());
            // Before the look, so that nothing that happens after it is missed.
            changed.as_mut().enable();
            match self.step(&ticket)? {
                Step::Go(pass) => return Ok(pass),
                Step::Book => self.book().await?,
                Step::Wait(None) => changed.await,
                Step::Wait(Some(wait)) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = self.clock.sleep(wait) => {}
                },
            }
        }
    }

    /// One look at everything that can be in the way.
    fn step(&self, ticket: &Ticket<'_>) -> Result<Step<'_>, TransportError> {
        let (now, wall, lane) = (self.steady.elapsed(), self.clock.now(), ticket.lane);
        let mut locked = self.lock();
        let state = &mut *locked;
        // Whoever comes while the breaker is open or the lane is held is told at once, not in its turn.
        if !state.breaker.would_admit(now) {
            return Err(TransportError::NotSent(RESTING.into()));
        }
        if let Some(hold) = state.quota.hold(lane, wall, now) {
            return Err(TransportError::Held { why: hold.why, wait: hold.until.since(wall) });
        }
        let pause = state.paused_until.saturating_sub(now);
        if pause > self.settings.patience {
            return Err(TransportError::NotSent("the remote asked us to wait".into()));
        }
        if !state.line.is_first(lane, ticket.number) || !state.places.has_room(lane) {
            return Ok(Step::Wait(None));
        }
        if !pause.is_zero() {
            return Ok(Step::Wait(Some(pause)));
        }
        if let Some(shares) = &mut state.shares {
            shares.refill(now);
        }
        let turn = state.turn();
        if turn != Some(lane) {
            // Whose turn it is may be asleep still, on a reckoning of before. Ours comes with our next credit,
            // or when somebody leaves the line.
            if let Some(turn) = turn.filter(|turn| state.wait(*turn).is_zero()) {
                self.changed[turn as usize].notify_waiters();
            }
            let earned = state.shares.as_ref().map(|shares| shares.earns_in(lane));
            return Ok(Step::Wait(earned.filter(|wait| !wait.is_zero()).map(whole_millis)));
        }
        let wait = state.wait(lane);
        if !wait.is_zero() {
            return Ok(Step::Wait(Some(whole_millis(wait))));
        }
        if state.quota.to_book().is_some() {
            return Ok(Step::Book);
        }
        let Some(admission) = state.breaker.admit(now) else {
            return Err(TransportError::NotSent(RESTING.into()));
        };
        if let Some(shares) = &mut state.shares {
            shares.take(lane);
        }
        state.places.take(lane);
        state.quota.count();
        state.ledger.called(now);
        Ok(Step::Go(Pass { gate: self, lane, epoch: state.pace.epoch(), admission: Some(admission) }))
    }

    /// Somebody came in, left, or gave up.
    fn look_again(&self) {
        self.changed.iter().for_each(Notify::notify_waiters);
    }

    /// Covers the next calls on disk.
    async fn book(&self) -> Result<(), TransportError> {
        let _turn = self.booking.lock().await;
        let entry = self.lock().quota.to_book();
        if let (Some(entry), Some(book)) = (entry, self.book.get()) {
            let booked = book.book(entry).await;
            booked.map_err(|error| TransportError::NotSent(format!("the call could not be counted: {error}")))?;
            self.lock().quota.booked(entry);
        }
        Ok(())
    }

    fn settle(
        &self,
        admission: Admission,
        errand: &str,
        epoch: u32,
        result: &Result<http::Response<Bytes>, TransportError>,
    ) {
        let now = self.steady.elapsed();
        let healthy = match result {
            Ok(response) => {
                let status = response.status();
                !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED || is_throttle(status)
            }
            // It answered, only at too great a length.
            Err(TransportError::TooLarge(_)) => true,
            Err(TransportError::NotSent(_) | TransportError::Unknown(_) | TransportError::Held { .. }) => false,
        };
        let failure = match result {
            Ok(response) => {
                let status = response.status().as_u16();
                (matches!(status, 401 | 403 | 408 | 429) || status >= 460).then(|| format!("HTTP {status}"))
            }
            Err(error) => Some(error.to_string()),
        };
        let mut state = self.lock();
        let jitter = self.entropy.duration_up_to(state.breaker.rest() / 10);
        state.breaker.settle(admission, errand, Some(healthy), now, jitter);
        if let Some(failure) = failure {
            state.ledger.failed(now, failure);
        }
        if let Ok(response) = result {
            self.obey(&mut state, response, now);
            self.adapt(&mut state, response, epoch, now);
        }
    }

    /// Takes what the answer says about rate and quota.
    fn adapt(&self, state: &mut GateState, response: &http::Response<Bytes>, epoch: u32, now: Duration) {
        let asked = retry_after(response.headers(), self.clock.now()).is_some();
        match response.status() {
            status if is_throttle(status) => state.pace.throttled(epoch),
            StatusCode::SERVICE_UNAVAILABLE if asked => state.pace.throttled(epoch),
            status if status.is_success() => state.pace.clean(),
            _ => {}
        }
        if let Some(shares) = &mut state.shares {
            shares.refill(now);
            shares.set_interval(state.pace.interval(self.settings.per_call));
        }
        if let Some(usage) = self.usage.get().and_then(|read| read(response.headers())) {
            state.quota.tell(usage, now);
        }
    }

    /// Holds the gate shut as long as the remote asked, or as long as it seems to need.
    fn obey(&self, state: &mut GateState, response: &http::Response<Bytes>, now: Duration) {
        let throttled = is_throttle(response.status());
        let asks = throttled || response.status() == StatusCode::SERVICE_UNAVAILABLE;
        let asked = asks.then(|| retry_after(response.headers(), self.clock.now())).flatten();
        let pause = match asked {
            Some(asked) => asked.min(self.settings.longest_pause),
            None if throttled => {
                let doubled = self.settings.first_pause.saturating_mul(1 << state.throttled.min(16));
                let whole = doubled.min(self.settings.longest_backoff);
                whole / 2 + self.entropy.duration_up_to(whole / 2)
            }
            None => Duration::ZERO,
        };
        if throttled {
            state.throttled = state.throttled.saturating_add(1);
        } else if response.status().is_success() {
            state.throttled = 0;
        }
        state.paused_until = state.paused_until.max(now.saturating_add(pause));
    }
}

impl GateState {
    /// The lane whose turn it is, of those in which somebody waits and that have a place.
    fn turn(&self) -> Option<Lane> {
        let ready = Lane::ALL.into_iter().filter(|lane| self.line.waits(*lane) && self.places.has_room(*lane));
        ready.min_by_key(|lane| self.shares.as_ref().map_or((false, *lane), |shares| shares.rank(*lane)))
    }

    /// How long until the rate lets `lane` go, if it is its turn.
    fn wait(&self, lane: Lane) -> Duration {
        self.shares.as_ref().map_or(Duration::ZERO, |shares| shares.wait(lane))
    }
}

/// "Too many requests", or S-360's 509 for the same (`contracts/connector_s360.md` 2.5): a sign of life.
pub(crate) fn is_throttle(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.as_u16() == 509
}

/// In whole milliseconds, as clocks sleep; never none.
fn whole_millis(wait: Duration) -> Duration {
    let millis = wait.as_micros().div_ceil(1000).max(1);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// A place in the line, given up when dropped.
struct Ticket<'a> {
    gate: &'a Gate,
    lane: Lane,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.gate.lock().line.leave(self.lane, self.number);
        self.gate.look_again();
    }
}

/// A call on its way. Dropped without an outcome — the caller gave up — it proves nothing about the
/// remote, but frees its place, and the half-open breaker for the next probe.
struct Pass<'a> {
    gate: &'a Gate,
    lane: Lane,
    epoch: u32,
    admission: Option<Admission>,
}

impl Pass<'_> {
    fn settle(mut self, errand: &str, result: &Result<http::Response<Bytes>, TransportError>) {
        if let Some(admission) = self.admission.take() {
            self.gate.settle(admission, errand, self.epoch, result);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let now = self.gate.steady.elapsed();
        let mut state = self.gate.lock();
        state.places.leave(self.lane);
        if let Some(admission) = self.admission.take() {
            state.breaker.settle(admission, "", None, now, Duration::ZERO);
        }
        drop(state);
        self.gate.look_again();
    }
}

/// What a call is about, as far as its address tells: the words of its path without anything that could name
/// a record, iVvy's action, the object of a query. The same for every record of one kind.
fn errand(method: &http::Method, uri: &http::Uri) -> String {
    let mut errand = method.to_string();
    let names_no_record = |part: &&str| !part.is_empty() && !part.bytes().any(|byte| byte.is_ascii_digit());
    for part in uri.path().split('/').filter(names_no_record) {
        errand.push('/');
        errand.push_str(part);
    }
    let query = uri.query().unwrap_or_default();
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '_').collect::<String>();
    let action = query.split_once("action=").map(|(_, action)| word(action));
    // After FROM comes a space in one of its spellings: `+`, `%20`.
    let object = query.split_once("FROM").map(|(_, from)| word(from.trim_start_matches(|c: char| !c.is_alphabetic())));
    for word in action.into_iter().chain(object) {
        errand.push(' ');
        errand.push_str(&word);
    }
    errand
}

/// A transport behind a [`Gate`], in one of its lanes.
#[derive(Clone, Debug)]
pub struct GatedTransport {
    inner: Arc<dyn Transport>,
    gate: Arc<Gate>,
    lane: Lane,
}

impl GatedTransport {
    /// Sends through `inner` whatever `gate` lets pass in `lane`. Several transports share a gate: at least
    /// one per lane.
    pub fn new(inner: Arc<dyn Transport>, gate: Arc<Gate>, lane: Lane) -> Self {
        Self { inner, gate, lane }
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let pass = self.gate.admit(self.lane).await?;
        let errand = errand(request.method(), request.uri());
        let result = self.inner.send(request, limits).await;
        pass.settle(&errand, &result);
        result
    }
}

impl Transport for GatedTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(request, limits))
    }
}
