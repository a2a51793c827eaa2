//! Reads on a hint that fail: kept, tried again with growing pauses, and let go only when nothing can come of it.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::Actor;
use crate::remote::Remote;
use crate::remote::stub::Stub;
use crate::seam::{Clock, Entropy, TokioClock};
use crate::store::{Options, Store};
use crate::sync::{Remotes, Settings};

const CONTACTS: ModuleId = ModuleId::Contacts;

struct Bench {
    engine: Engine,
    remote: Arc<Stub>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl Bench {
    fn start(fails: &[Class]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000)));
        let remote = Arc::new(Stub::new(Arc::clone(&clock)));
        remote.fails.lock().unwrap().extend(fails);
        let one = Arc::clone(&remote);
        let remotes = Remotes::new(move |_, _| Arc::clone(&one) as Arc<dyn Remote>);
        let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
        let settings = Settings { modules: [(CONTACTS, CONTACTS.def())].into(), ..Settings::default() };
        let engine = Engine::new(store, remotes, Arc::clone(&clock), Entropy::seeded(1), settings).unwrap();
        let (running, stop) = (engine.clone(), CancellationToken::new());
        let until = stop.clone();
        tokio::spawn(async move { running.run(until).await });
        Self { engine, remote, clock, stop }
    }

    async fn look(&self) {
        self.engine.look_at(CONTACTS, Side::Ivvy, "ACME-1".into()).await.unwrap();
    }

    fn unread(&self) -> (u64, u64) {
        let unread = self.engine.unread(Timestamp::EPOCH, |_, _, _| true).unwrap();
        (unread.waiting, unread.failed)
    }

    async fn until(&self, wanted: (u64, u64)) {
        for _ in 0..200_000 {
            if self.unread() == wanted {
                return;
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        panic!("never {wanted:?}: {:?}", self.unread());
    }

    fn reads(&self) -> Vec<Timestamp> {
        self.remote.reads()
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_for_now_is_tried_again_with_growing_pauses_s17_n07() {
    let passing = [Class::Throttled, Class::Server, Class::Unreachable, Class::Quota, Class::Unauthorized];
    let bench = Bench::start(&passing);
    bench.look().await;
    bench.until((0, 0)).await;
    let reads = bench.reads();
    assert_eq!(reads.len(), passing.len() + 1, "each failure is followed by one more try, and the last went through");
    let pauses: Vec<Duration> = reads.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(pauses[0] >= Duration::from_secs(1), "not hot: {pauses:?}");
    assert!(pauses[4] >= Duration::from_secs(16) && pauses[4] <= Duration::from_secs(40), "growing: {pauses:?}");
    bench.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_read_that_can_never_be_made_is_let_go_and_counted_s17() {
    let bench = Bench::start(&[Class::Rejected]);
    bench.look().await;
    bench.until((0, 1)).await;
    assert_eq!(bench.reads().len(), 1);
    bench.look().await;
    bench.until((0, 0)).await;
    assert_eq!(bench.reads().len(), 2, "asked for again, and read");
    bench.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn what_a_paused_module_was_told_to_look_at_is_read_when_it_resumes_s17() {
    let bench = Bench::start(&[]);
    let pause = |paused| bench.engine.set_paused(Some(CONTACTS), paused, Actor::engine());
    pause(true).await.unwrap();
    bench.look().await;
    bench.clock.sleep(Duration::from_secs(3_600)).await;
    assert_eq!((bench.unread(), bench.reads()), ((1, 0), Vec::new()));
    pause(false).await.unwrap();
    bench.until((0, 0)).await;
    assert_eq!(bench.reads().len(), 1);
    bench.stop.cancel();
}

/// A read that fails for now is given up after three days, not before, and a new hint begins anew.
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_for_three_days_is_given_up_and_counted_s17() {
    let bench = Bench::start(&[]);
    let fail = |class| *bench.remote.goes_on_failing.lock().unwrap() = class;
    fail(Some(Class::Unreachable));
    let asked_at = bench.clock.now();
    bench.look().await;
    let day = Duration::from_secs(24 * 60 * 60);
    bench.clock.sleep(3 * day).await;
    assert_eq!(bench.unread(), (1, 0), "not before");
    bench.until((0, 1)).await;
    let reads = bench.reads();
    let (tried, last) = (reads.len(), reads.last().unwrap().since(asked_at));
    assert!(last > 3 * day && last < 3 * day + Duration::from_secs(1_000), "the last try came after {last:?}");
    assert!((250..1_000).contains(&tried), "often, and never hot: {tried}");
    bench.clock.sleep(day).await;
    assert_eq!((bench.reads().len(), bench.unread()), (tried, (0, 1)), "nobody asks any more");
    // Asked for again, it has its three days again.
    bench.look().await;
    bench.until((1, 0)).await;
    bench.clock.sleep(2 * day).await;
    assert!(bench.reads().len() > tried + 100);
    fail(None);
    bench.until((0, 0)).await;
    bench.stop.cancel();
}

/// What was let go is counted as of when: a reconciliation speaks of its own reads.
#[tokio::test(start_paused = true)]
async fn what_was_let_go_before_is_not_counted_as_of_later_s17() {
    let bench = Bench::start(&[Class::Rejected]);
    bench.look().await;
    bench.until((0, 1)).await;
    let later = bench.clock.now().plus(Duration::from_millis(1));
    assert_eq!(bench.engine.unread(later, |_, _, _| true).unwrap(), Unread::default());
    assert_eq!(bench.engine.unread(Timestamp::EPOCH, |_, _, id| id.as_str() == "ACME-2").unwrap(), Unread::default());
    bench.stop.cancel();
}
