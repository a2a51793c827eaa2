//! Reads on a hint that fail: kept, tried again with growing pauses, and let go only when nothing can come of it.

use std::collections::VecDeque;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::{Actor, Fields, Record};
use crate::remote::{
    Capabilities, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page, PageRequest,
    Probe, Read, Remote, Sent, WriteAck,
};
use crate::seam::{Clock, Entropy, TokioClock};
use crate::store::{Options, Store};
use crate::sync::{Remotes, Settings};

const CONTACTS: ModuleId = ModuleId::Contacts;

/// A system whose direct reads fail as they are told to; then nothing is there.
#[derive(Debug)]
struct Failing {
    clock: Arc<dyn Clock>,
    fails: Mutex<VecDeque<Class>>,
    reads: Mutex<Vec<Timestamp>>,
}

fn error(class: Class) -> RemoteError {
    RemoteError {
        system: "failing".to_owned(),
        action: "get".to_owned(),
        class,
        sent: Sent::No,
        code: None,
        message: "as told".to_owned(),
        details: Vec::new(),
        retry_after: None,
    }
}

impl Remote for Failing {
    fn system(&self) -> &'static str {
        "failing"
    }

    fn capabilities(&self, _: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::Strong,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::Feed,
            stamp_key: true,
            page_size: 100,
            stamp_resolution: Duration::from_millis(1),
            min_overlap: Duration::from_secs(1),
            settle: Duration::ZERO,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        module.def().fields.iter().map(|field| field.name.clone().into_owned()).collect()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(async { Err(error(Class::Unsupported)) })
    }

    fn definitions(&self, _: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn list<'a>(&'a self, _: ModuleId, _: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(async { Ok(Page::default()) })
    }

    fn get<'a>(&'a self, _: ModuleId, _: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        self.reads.lock().unwrap().push(self.clock.now());
        let fails = self.fails.lock().unwrap().pop_front();
        Box::pin(async move {
            match fails {
                Some(class) => Err(error(class)),
                None => Ok(Read::Missing),
            }
        })
    }

    fn find_by_key<'a>(&'a self, _: ModuleId, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async { Ok(None) })
    }

    fn create<'a>(&'a self, _: ModuleId, _: &'a str, _: &'a Fields) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async { Err(error(Class::Unsupported)) })
    }

    fn update<'a>(
        &'a self,
        _: ModuleId,
        _: &'a RecordId,
        _: &'a Fields,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async { Err(error(Class::Unsupported)) })
    }
}

struct Bench {
    engine: Engine,
    remote: Arc<Failing>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl Bench {
    fn start(fails: &[Class]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000)));
        let fails = Mutex::new(fails.iter().copied().collect());
        let remote = Arc::new(Failing { clock: Arc::clone(&clock), fails, reads: Mutex::default() });
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
        self.remote.reads.lock().unwrap().clone()
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
