//! The gate before one remote: how fast, how many at a time, and when to leave it alone.
//!
//! [`GatedTransport`] decorates any [`Transport`] with a token bucket, a ceiling on calls in flight, a
//! circuit breaker, and obedience to `Retry-After`. It refuses to repeat a call: an outcome, good or
//! bad, goes back to the caller once. What it turns away itself is always
//! [`TransportError::NotSent`], because nothing has left the machine.
//!
//! Time comes from [`Clock`] alone. The token bucket is `governor`'s, read through `SteadyClock` and
//! slept for with our clock; its own waiting futures, which use the real timer, are not touched.

mod breaker;
mod ledger;
mod retry_after;
mod steady;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::StatusCode;
use tokio::sync::Semaphore;

use self::breaker::{Admission, Breaker};
pub use self::breaker::{BreakerSettings, BreakerState};
use self::ledger::Ledger;
pub(crate) use self::retry_after::{http_date, retry_after};
use self::steady::SteadyClock;
use super::transport::{Limits, Transport, TransportError};
use crate::seam::{Clock, Entropy};

/// What a caller is told while the breaker is open.
const RESTING: &str = "resting after repeated failures";

/// How a remote is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// Time in which the bucket gains one token; zero lifts the rate limit.
    pub per_call: Duration,
    /// Calls that may follow each other at once after a quiet time.
    pub burst: NonZeroU32,
    /// Calls in flight at most.
    pub max_in_flight: NonZeroU32,
    /// When to stop calling, and for how long.
    pub breaker: BreakerSettings,
    /// First pause after "too many requests" without a usable `Retry-After`; doubles each time.
    pub first_pause: Duration,
    /// Longest such pause of our own choosing.
    pub longest_backoff: Duration,
    /// Longest pause a remote can ask of us.
    pub longest_pause: Duration,
    /// A call waits this long for a pause to end; if it must wait longer it is turned away, so that
    /// no worker is held up by one remote.
    pub patience: Duration,
}

impl Default for GateSettings {
    /// The conservative reading for iVvy (`contracts/ivvy.md` 17.1): two calls per second, two in flight,
    /// pauses of 2 s to 60 s.
    fn default() -> Self {
        Self {
            per_call: Duration::from_millis(500),
            burst: NonZeroU32::MIN.saturating_add(1),
            max_in_flight: NonZeroU32::MIN.saturating_add(1),
            breaker: BreakerSettings::default(),
            first_pause: Duration::from_secs(2),
            longest_backoff: Duration::from_secs(60),
            longest_pause: Duration::from_secs(15 * 60),
            patience: Duration::from_secs(30),
        }
    }
}

/// What a gate has seen: the fields of one remote's row on the status screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateStatus {
    /// The remote (`ivvy`, `odoo`).
    pub name: String,
    /// The breaker; displays as `closed`, `open`, `half_open`.
    pub breaker: BreakerState,
    /// Calls sent in the last 60 seconds.
    pub calls_per_min: u32,
    /// Calls that were seen to fail in the last 60 seconds: no answer, or a status that speaks of the
    /// service rather than of one record (401, 403, 408, 429, 460 and above).
    pub errors_per_min: u32,
    /// The last such failure.
    pub last_error: Option<String>,
    /// How long the remote still has to be left alone: pause or rest.
    pub waits_for: Option<Duration>,
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, SteadyClock, NoOpMiddleware<Duration>>;

/// The state shared by everything that calls one remote with one key.
pub struct Gate {
    name: String,
    settings: GateSettings,
    clock: Arc<dyn Clock>,
    steady: SteadyClock,
    entropy: Entropy,
    bucket: Option<Bucket>,
    slots: Semaphore,
    state: Mutex<GateState>,
}

#[derive(Debug)]
struct GateState {
    breaker: Breaker,
    ledger: Ledger,
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

impl Gate {
    /// A gate that has seen nothing yet. `name` is shown in [`GateStatus`] only.
    pub fn new(name: impl Into<String>, settings: GateSettings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        let steady = SteadyClock::new(Arc::clone(&clock));
        let bucket = Quota::with_period(settings.per_call)
            .map(|quota| Bucket::direct_with_clock(quota.allow_burst(settings.burst), steady.clone()));
        let slots = usize::try_from(settings.max_in_flight.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            name: name.into(),
            settings,
            clock,
            steady,
            entropy,
            bucket,
            slots: Semaphore::new(slots),
            state: Mutex::new(GateState {
                breaker: Breaker::new(settings.breaker),
                ledger: Ledger::default(),
                paused_until: Duration::ZERO,
                throttled: 0,
            }),
        })
    }

    /// Exact counts and the breaker's state now.
    pub fn status(&self) -> GateStatus {
        let now = self.steady.elapsed();
        let mut state = self.lock();
        let waits = state.paused_until.max(state.breaker.rests_until()).saturating_sub(now);
        let (calls_per_min, errors_per_min) = state.ledger.last_minute(now);
        GateStatus {
            name: self.name.clone(),
            breaker: state.breaker.state(),
            calls_per_min,
            errors_per_min,
            last_error: state.ledger.last_error().map(str::to_owned),
            waits_for: (!waits.is_zero()).then_some(waits),
        }
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        // A poisoned lock only means a panic elsewhere; the counters inside are valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call may be sent, and enters it into the books.
    async fn admit(&self) -> Result<Pass<'_>, TransportError> {
        loop {
            let now = self.steady.elapsed();
            let pause = {
                let state = self.lock();
                if !state.breaker.would_admit(now) {
                    return Err(TransportError::NotSent(RESTING.into()));
                }
                state.paused_until.saturating_sub(now)
            };
            if pause > self.settings.patience {
                return Err(TransportError::NotSent("the remote asked us to wait".into()));
            }
            let wait = if pause.is_zero() { self.wait_for_token(now) } else { pause };
            if !wait.is_zero() {
                self.clock.sleep(wait).await;
                continue;
            }
            let mut state = self.lock();
            let Some(admission) = state.breaker.admit(now) else {
                return Err(TransportError::NotSent(RESTING.into()));
            };
            state.ledger.called(now);
            return Ok(Pass { gate: self, admission: Some(admission) });
        }
    }

    /// Zero if a token has been taken, otherwise how long to wait for one, in whole milliseconds.
    fn wait_for_token(&self, now: Duration) -> Duration {
        match self.bucket.as_ref().map(Bucket::check) {
            None | Some(Ok(())) => Duration::ZERO,
            Some(Err(not_until)) => {
                let millis = not_until.wait_time_from(now).as_micros().div_ceil(1000);
                Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).max(Duration::from_millis(1))
            }
        }
    }

    fn settle(&self, admission: Admission, result: &Result<http::Response<Bytes>, TransportError>) {
        let now = self.steady.elapsed();
        let healthy = match result {
            Ok(response) => !response.status().is_server_error() || response.status() == StatusCode::NOT_IMPLEMENTED,
            // It answered, only at too great a length.
            Err(TransportError::TooLarge(_)) => true,
            Err(TransportError::NotSent(_) | TransportError::Unknown(_)) => false,
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
        state.breaker.settle(admission, Some(healthy), now, jitter);
        if let Some(failure) = failure {
            state.ledger.failed(now, failure);
        }
        if let Ok(response) = result {
            self.obey(&mut state, response, now);
        }
    }

    /// Holds the gate shut as long as the remote asked, or as long as it seems to need.
    fn obey(&self, state: &mut GateState, response: &http::Response<Bytes>, now: Duration) {
        let throttled = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let asked = match response.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                retry_after(response.headers(), self.clock.now())
            }
            _ => None,
        };
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

/// A call on its way. Dropped without an outcome — the caller gave up — it proves nothing about the
/// remote, but frees the half-open breaker for the next probe.
struct Pass<'a> {
    gate: &'a Gate,
    admission: Option<Admission>,
}

impl Pass<'_> {
    fn settle(mut self, result: &Result<http::Response<Bytes>, TransportError>) {
        if let Some(admission) = self.admission.take() {
            self.gate.settle(admission, result);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            let now = self.gate.steady.elapsed();
            self.gate.lock().breaker.settle(admission, None, now, Duration::ZERO);
        }
    }
}

/// A transport behind a [`Gate`].
#[derive(Clone, Debug)]
pub struct GatedTransport {
    inner: Arc<dyn Transport>,
    gate: Arc<Gate>,
}

impl GatedTransport {
    /// Sends through `inner` whatever `gate` lets pass. Several transports may share a gate.
    pub fn new(inner: Arc<dyn Transport>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let resting = || TransportError::NotSent(RESTING.into());
        // Whoever comes while the breaker is open is told at once, without standing in the queue.
        if !self.gate.lock().breaker.would_admit(self.gate.steady.elapsed()) {
            return Err(resting());
        }
        // Invariant: the semaphore is never closed.
        let _slot = self.gate.slots.acquire().await.map_err(|_| resting())?;
        let pass = self.gate.admit().await?;
        let result = self.inner.send(request, limits).await;
        pass.settle(&result);
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
