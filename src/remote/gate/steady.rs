//! Time that never runs backwards, measured with a clock that may.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;
use crate::seam::Clock;

/// Time since this clock was made, counting only forward steps of the wall clock beneath it. A wall
/// clock set back an hour therefore costs nothing, where a limiter that remembered the old time would
/// wait an hour.
#[derive(Clone)]
pub(super) struct SteadyClock {
    wall: Arc<dyn Clock>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    last: Timestamp,
    elapsed: Duration,
}

impl fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SteadyClock").field(&self.elapsed()).finish()
    }
}

impl SteadyClock {
    pub(super) fn new(wall: Arc<dyn Clock>) -> Self {
        let seen = Seen { last: wall.now(), elapsed: Duration::ZERO };
        Self { wall, seen: Arc::new(Mutex::new(seen)) }
    }

    /// Time since this clock was made.
    pub(super) fn elapsed(&self) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.wall.now();
        seen.elapsed = seen.elapsed.saturating_add(now.since(seen.last));
        seen.last = now;
        seen.elapsed
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;

    #[derive(Debug)]
    struct HandSet(Mutex<Timestamp>);

    impl Clock for HandSet {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn a_wall_clock_set_back_does_not_take_time_away() {
        let hands = Arc::new(HandSet(Mutex::new(Timestamp::from_secs(10_000))));
        let steady = SteadyClock::new(hands.clone());
        let set = |secs| {
            *hands.0.lock().unwrap() = Timestamp::from_secs(secs);
            steady.elapsed().as_secs()
        };
        assert_eq!(set(10_003), 3);
        assert_eq!(set(5_000), 3);
        assert_eq!(set(5_002), 5);
    }
}
