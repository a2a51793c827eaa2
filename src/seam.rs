//! The seams through which time and randomness enter, so that a seeded simulator can own them.
//!
//! Nothing in `sync`, `remote`, `store` or `sim` may ask the operating system for the time or for
//! random numbers any other way. The HTTP seam is `remote::transport`, the disk seam is the storage
//! backend passed to `store::Store::open`.

pub mod zone;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

pub use self::zone::Zone;
use crate::model::Timestamp;

/// A source of time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, by this machine's wall clock.
    fn now(&self) -> Timestamp;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own clock and tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that follows tokio's (possibly paused) timer from a chosen start: for simulations and
/// tests, where an hour costs nothing.
#[derive(Clone, Debug)]
pub struct TokioClock {
    start: tokio::time::Instant,
    at_start: Timestamp,
}

impl TokioClock {
    /// A clock that shows `at_start` now. Must be made inside a tokio runtime.
    pub fn starting_at(at_start: Timestamp) -> Self {
        Self { start: tokio::time::Instant::now(), at_start }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.at_start.plus(self.start.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A source of randomness, shared and seedable.
#[derive(Clone, Debug)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded from the operating system.
    pub fn from_system() -> Self {
        Self(Arc::new(Mutex::new(rand::make_rng())))
    }

    /// The same sequence for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A uniform number in `0..bound`; zero when `bound` is zero.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..bound)
    }

    /// True with probability `numerator / denominator`.
    pub fn chance(&self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// A uniform duration in `0..=max`, to the millisecond.
    pub fn duration_up_to(&self, max: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(max.as_millis()).unwrap_or(u64::MAX).saturating_add(1)))
    }

    /// A full random 64-bit number.
    pub fn next(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}
