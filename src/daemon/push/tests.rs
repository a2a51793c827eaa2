//! The sender against a receiver that takes notes: what it answers is scripted, what it was sent is judged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex as Lock;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value as Json;

use super::*;
use crate::model::{OutboxCounts, Role, Shelved, Side};
use crate::remote::extcrm::{Addresses, Auth};
use crate::remote::transport::{Limits, Transport, TransportError};
use crate::seam::{SystemClock, TokioClock};
use crate::store::{Options, doctor};

const STREAM: StreamKind = StreamKind::PushContacts;

/// How the receiver treats one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treat {
    /// Takes it, and answers this.
    Answer(u16),
    /// Takes it, and the answer is lost.
    Lose,
    /// Cannot be reached.
    Away,
}

#[derive(Debug)]
struct Receiver {
    script: Lock<VecDeque<Treat>>,
    otherwise: Lock<Treat>,
    arrived: Lock<Vec<(Timestamp, Bytes)>>,
    /// The newest version of each record it has taken.
    held: Lock<BTreeMap<String, u64>>,
    told: Notify,
    clock: Arc<dyn Clock>,
}

impl Receiver {
    fn bodies(&self) -> Vec<Bytes> {
        self.arrived.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    fn takes(&self, body: &Bytes) {
        let records: Vec<Json> = serde_json::from_slice(body).unwrap();
        let mut held = self.held.lock().unwrap();
        for record in records {
            let (id, version) = (record["contactNumber"].as_str().unwrap(), record["v"].as_u64().unwrap());
            let before = held.insert(id.to_owned(), version).unwrap_or(0);
            assert!(version >= before, "{id} went back from {before} to {version}");
        }
    }
}

impl Transport for Receiver {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, std::result::Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            assert_eq!(limits.total, Duration::from_secs(10));
            let treat = self.script.lock().unwrap().pop_front().unwrap_or(*self.otherwise.lock().unwrap());
            self.arrived.lock().unwrap().push((self.clock.now(), request.body().clone()));
            self.told.notify_one();
            // A place where whoever waits can be dropped, before and after it was taken.
            tokio::task::yield_now().await;
            if treat == Treat::Away {
                return Err(TransportError::NotSent("refused".to_owned()));
            }
            self.takes(request.body());
            tokio::task::yield_now().await;
            match treat {
                Treat::Answer(status) => Ok(http::Response::builder().status(status).body(Bytes::new()).unwrap()),
                _ => Err(TransportError::Unknown("reset".to_owned())),
            }
        })
    }
}

struct Bench {
    store: Store,
    receiver: Arc<Receiver>,
    clock: Arc<dyn Clock>,
    never: CancellationToken,
    _place: tempfile::TempDir,
}

impl Bench {
    fn with(clock: Arc<dyn Clock>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let receiver = Receiver {
            script: Lock::default(),
            otherwise: Lock::new(Treat::Answer(200)),
            arrived: Lock::default(),
            held: Lock::default(),
            told: Notify::new(),
            clock: Arc::clone(&clock),
        };
        Self {
            store: Store::open(&place.path().join("acme.redb"), Options::default()).unwrap(),
            receiver: Arc::new(receiver),
            clock,
            never: CancellationToken::new(),
            _place: place,
        }
    }

    fn new() -> Self {
        Self::with(Arc::new(SystemClock))
    }

    fn sender(&self, per_run: u32, per_payload: u32, tries: u32) -> Sender {
        let url = |name: &str| Some(format!("https://crm.test/{name}"));
        let addresses = Addresses { contacts: url("contacts"), orders: url("orders"), auth: Auth::None };
        let poster = Poster::new(&addresses, Arc::clone(&self.receiver) as Arc<dyn Transport>).unwrap();
        let rhythm = Rhythm { every: Duration::from_secs(900), per_run, per_payload, tries };
        Sender::new(self.store.clone(), Arc::clone(&self.clock), poster, rhythm)
    }

    async fn run(&self, sender: &Sender) -> Sent {
        sender.run_now(&self.never).await.unwrap()[0]
    }

    fn script(&self, treats: &[Treat]) {
        self.receiver.script.lock().unwrap().extend(treats);
    }

    fn otherwise(&self, treat: Treat) {
        *self.receiver.otherwise.lock().unwrap() = treat;
    }

    async fn hand_over(&self, id: &str, version: u64) {
        let row = Shelved {
            module: ModuleId::Contacts,
            side: Side::Crm,
            id: id.into(),
            key: None,
            at: Timestamp::EPOCH,
            gone: false,
            body: version.to_string(),
        };
        let (body, now) = (format!(r#"{{"contactNumber":"{id}","v":{version}}}"#), self.clock.now());
        self.store.write(move |tx| tx.hand_over(STREAM, &row, &body, None, now)).await.unwrap();
    }

    async fn many(&self, count: u64) {
        for n in 0..count {
            self.hand_over(&format!("contact-{n:03}"), 1).await;
        }
    }

    fn counts(&self) -> (u64, u64, u64) {
        let OutboxCounts { pending, unfinished, dead } = self.store.read(|view| view.outbox_counts(STREAM)).unwrap();
        (pending, unfinished, dead)
    }

    fn sizes(&self) -> Vec<usize> {
        let size = |body: &Bytes| serde_json::from_slice::<Vec<Json>>(body).unwrap().len();
        self.receiver.bodies().iter().map(size).collect()
    }
}

fn ada() -> Actor {
    Actor { name: "ada".to_owned(), uid: None, role: Role::Admin }
}

#[tokio::test]
async fn a_run_takes_so_many_in_payloads_of_so_many_and_the_next_takes_the_rest_s13() {
    let bench = Bench::new();
    bench.many(62).await;
    let sender = bench.sender(50, 5, 12);
    assert_eq!(bench.run(&sender).await, Sent { taken: 10, failed: 0, records: 50 });
    assert_eq!((bench.sizes(), bench.counts()), (vec![5; 10], (12, 0, 0)));
    assert_eq!(bench.run(&sender).await, Sent { taken: 3, failed: 0, records: 12 });
    assert_eq!(bench.sizes()[10..], [5, 5, 2]);
    assert_eq!(bench.run(&sender).await, Sent::default());
    assert_eq!(bench.receiver.held.lock().unwrap().len(), 62);
    let state = bench.store.read(|view| view.stream(&StreamId::new(STREAM, ""))).unwrap();
    assert_eq!((state.payloads, state.records, state.repeated, state.unstored), (13, 62, 0, 0));
    assert_eq!(state.run.map(|run| (run.posts, run.records)), Some((3, 12)), "the last run that sent anything");
    // A number of records that is no multiple, and payloads that must not exceed it.
    let bench = Bench::new();
    bench.many(9).await;
    assert_eq!(bench.run(&bench.sender(7, 5, 12)).await, Sent { taken: 2, failed: 0, records: 7 });
    assert_eq!(bench.sizes(), [5, 2]);
}

#[tokio::test]
async fn what_is_not_answered_with_200_comes_again_unchanged_and_the_others_go_on_s14() {
    let bench = Bench::new();
    bench.many(3).await;
    bench.script(&[Treat::Answer(503), Treat::Answer(200), Treat::Answer(200)]);
    let sender = bench.sender(500, 1, 12);
    assert_eq!(bench.run(&sender).await, Sent { taken: 2, failed: 1, records: 3 });
    for treat in [Treat::Lose, Treat::Answer(201), Treat::Answer(204), Treat::Away] {
        bench.script(&[treat]);
        assert_eq!(bench.run(&sender).await, Sent { taken: 0, failed: 1, records: 1 }, "{treat:?}");
    }
    assert_eq!(bench.run(&sender).await, Sent { taken: 1, failed: 0, records: 1 });
    let bodies = bench.receiver.bodies();
    let again: Vec<_> = bodies.iter().skip(3).collect();
    assert_eq!(again, vec![&bodies[0]; 5], "byte by byte");
    assert_eq!(bench.counts(), (0, 0, 0));
    let state = bench.store.read(|view| view.stream(&StreamId::new(STREAM, ""))).unwrap();
    assert_eq!((state.payloads, state.repeated, state.unstored, state.last_error), (3, 5, 5, None));
}

#[tokio::test]
async fn after_its_tries_a_payload_is_given_up_shown_and_sent_after_all_when_somebody_says_so_s17() {
    let bench = Bench::new();
    bench.hand_over("contact-1", 1).await;
    bench.otherwise(Treat::Answer(500));
    let sender = bench.sender(500, 50, 12);
    for _ in 0..12 {
        bench.run(&sender).await;
    }
    assert_eq!((bench.counts(), bench.receiver.bodies().len()), ((0, 0, 1), 12));
    bench.otherwise(Treat::Answer(200));
    assert_eq!(bench.run(&sender).await, Sent::default(), "nobody sends it by himself");
    let dead = bench.store.read(|view| view.posts(STREAM, true, None, 9)).unwrap().remove(0);
    assert_eq!((dead.tries, dead.last_error.as_deref()), (12, Some("answered 500 instead of 200")));
    assert_eq!(sender.revive(STREAM, dead.number, ada()).await.unwrap(), Some(Revived::Whole));
    assert_eq!(sender.revive(STREAM, dead.number, ada()).await.unwrap(), None);
    assert_eq!(bench.run(&sender).await.taken, 1);
    let bodies = bench.receiver.bodies();
    assert_eq!((bodies.len(), bodies.last()), (13, bodies.first()));
    let audited = bench
        .store
        .read(|view| view.audit(&crate::model::query::AuditQuery { limit: 9, ..Default::default() }))
        .unwrap();
    let what = AuditEvent::Operated { what: format!("revive payload {} of push_contacts", dead.number) };
    assert!(audited.iter().any(|row| row.what == what && row.actor.name == "ada"), "{audited:?}");
    assert!(!sender.give_up(STREAM, dead.number, ada()).await.unwrap(), "it is gone");
}

#[tokio::test]
async fn asking_for_runs_uses_up_no_tries_s17() {
    let bench = Bench::new();
    bench.hand_over("contact-1", 1).await;
    bench.otherwise(Treat::Answer(500));
    let sender = bench.sender(500, 1, 3);
    assert_eq!(bench.run(&sender).await, Sent { taken: 0, failed: 1, records: 1 });
    bench.hand_over("contact-2", 1).await;
    let asked = async || sender.run_once(&bench.never, true).await.unwrap()[0];
    assert_eq!(asked().await, Sent { taken: 0, failed: 1, records: 1 }, "what is new goes");
    for _ in 0..9 {
        assert_eq!(asked().await, Sent::default());
    }
    assert_eq!(bench.counts(), (0, 2, 0));
    for _ in 0..2 {
        bench.run(&sender).await;
    }
    assert_eq!(bench.counts(), (0, 0, 2));
    let dead = bench.store.read(|view| view.posts(STREAM, true, None, 9)).unwrap().remove(0);
    sender.revive(STREAM, dead.number, ada()).await.unwrap();
    assert_eq!(asked().await.failed, 1, "somebody wants it now");
}

#[tokio::test]
async fn whoever_is_not_there_is_asked_three_times_a_run_and_the_rest_keeps_its_tries() {
    let bench = Bench::new();
    bench.many(6).await;
    bench.otherwise(Treat::Away);
    let sender = bench.sender(500, 1, 4);
    for _ in 0..3 {
        assert_eq!(bench.run(&sender).await, Sent { taken: 0, failed: 3, records: 3 });
    }
    assert_eq!(bench.counts(), (3, 3, 0), "no more is frozen than was sent");
    bench.run(&sender).await;
    assert_eq!(bench.counts(), (3, 0, 3));
    bench.otherwise(Treat::Answer(200));
    assert_eq!(bench.run(&sender).await, Sent { taken: 3, failed: 0, records: 3 });
    // Two that nobody wants do not stop what comes after them.
    let bench = Bench::new();
    bench.many(9).await;
    bench.script(&[Treat::Answer(400), Treat::Answer(400)]);
    assert_eq!(bench.run(&bench.sender(500, 1, 12)).await, Sent { taken: 7, failed: 2, records: 9 });
}

#[tokio::test]
async fn a_change_while_its_payload_is_on_its_way_follows_it_and_never_overtakes() {
    let bench = Bench::new();
    for id in ["contact-1", "contact-2"] {
        bench.hand_over(id, 1).await;
    }
    bench.script(&[Treat::Answer(503)]);
    let sender = bench.sender(500, 1, 12);
    bench.run(&sender).await;
    bench.hand_over("contact-1", 2).await;
    bench.hand_over("contact-1", 3).await;
    bench.hand_over("contact-3", 1).await;
    bench.script(&[Treat::Lose]);
    assert_eq!(bench.run(&sender).await, Sent { taken: 1, failed: 1, records: 2 });
    assert_eq!(bench.counts(), (1, 1, 0), "the newer state waits");
    assert_eq!(bench.run(&sender).await, Sent { taken: 2, failed: 0, records: 2 });
    let text = bench.receiver.bodies().iter().map(|body| String::from_utf8(body.to_vec()).unwrap()).collect::<Vec<_>>();
    let [first, newest] = [1, 3].map(|version| format!(r#"[{{"contactNumber":"contact-1","v":{version}}}]"#));
    assert_eq!((&text[0], &text[2], &text[4], &text[5]), (&first, &first, &first, &newest));
}

#[tokio::test]
async fn a_lowered_number_strands_nothing_that_is_frozen() {
    let bench = Bench::new();
    bench.many(8).await;
    bench.script(&[Treat::Answer(503), Treat::Answer(503)]);
    bench.run(&bench.sender(8, 4, 12)).await;
    let smaller = bench.sender(2, 1, 12);
    for _ in 0..2 {
        assert_eq!(bench.run(&smaller).await, Sent { taken: 1, failed: 0, records: 4 });
    }
    assert_eq!(bench.counts(), (0, 0, 0));
}

#[tokio::test]
async fn a_shutdown_lets_the_payload_under_way_finish_and_sends_no_other() {
    let bench = Bench::new();
    bench.many(3).await;
    let sender = bench.sender(500, 1, 12);
    let shutdown = CancellationToken::new();
    let run = sender.run_now(&shutdown);
    let stop = async {
        bench.receiver.told.notified().await;
        shutdown.cancel();
    };
    let (done, ()) = tokio::join!(run, stop);
    assert_eq!(done.unwrap()[0], Sent { taken: 1, failed: 0, records: 1 });
    assert_eq!(bench.counts(), (2, 0, 0));
}

/// As a `kill -9` between any two steps: whoever runs is gone, what is on disk is all there is.
#[tokio::test]
async fn a_sender_that_dies_anywhere_sends_the_same_bytes_again_and_loses_nothing() {
    for steps in 0..40 {
        let bench = Bench::new();
        bench.many(4).await;
        let sender = bench.sender(500, 2, 12);
        let never = CancellationToken::new();
        let run = sender.run_now(&never);
        let mut left = steps;
        let patience = std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if left == 0 {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            std::task::Poll::Pending
        });
        tokio::select! {
            biased;
            done = run => drop(done.unwrap()),
            () = patience => {}
        }
        // What it left behind.
        drop(sender);
        let sender = bench.sender(500, 2, 12);
        bench.hand_over("contact-000", 2).await;
        while bench.counts() != (0, 0, 0) {
            assert_eq!(bench.run(&sender).await.failed, 0);
        }
        let bodies = bench.receiver.bodies();
        let mut different = bodies.clone();
        different.sort();
        different.dedup();
        let sent: usize = different.iter().map(|body| serde_json::from_slice::<Vec<Json>>(body).unwrap().len()).sum();
        assert!((4..=5).contains(&sent), "after {steps} steps: each record in one payload, and its change: {bodies:?}");
        let held = bench.receiver.held.lock().unwrap().clone();
        assert_eq!((held.len(), held["contact-000"]), (4, 2), "after {steps} steps");
        assert_eq!(bench.store.read(doctor::check).unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn runs_keep_their_rhythm_over_a_restart_and_come_at_once_when_asked_s09() {
    let bench = Bench::with(Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000))));
    let receiver = Arc::clone(&bench.receiver);
    bench.otherwise(Treat::Answer(503));
    bench.hand_over("contact-1", 1).await;
    let began = bench.clock.now();
    let (sender, shutdown) = (Arc::new(bench.sender(500, 50, 99)), CancellationToken::new());
    let arrived = |n: usize| receiver.arrived.lock().unwrap()[n].0;
    let quarter = |n: u32| Duration::from_secs(900) * n;
    let sending = Sending::start(Arc::clone(&sender), shutdown.clone());
    for n in 0..3 {
        receiver.told.notified().await;
        assert_eq!(arrived(n as usize).since(began), quarter(n));
    }
    shutdown.cancel();
    sending.ended().await;
    let (again, shutdown) = (Arc::new(bench.sender(500, 50, 99)), CancellationToken::new());
    let sending = Sending::start(Arc::clone(&again), shutdown.clone());
    receiver.told.notified().await;
    assert_eq!(arrived(3).since(began), quarter(3), "not at once, though it has just begun");
    bench.hand_over("contact-2", 1).await;
    let asked_at = bench.clock.now();
    again.ask();
    receiver.told.notified().await;
    assert_eq!(arrived(4), asked_at, "what is new; what was just tried waits for its time");
    receiver.told.notified().await;
    assert_eq!(arrived(5).since(asked_at), quarter(1), "and the rhythm goes on from there");
    shutdown.cancel();
    sending.ended().await;
}
