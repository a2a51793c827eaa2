//! The gate as a whole, on a paused clock.

mod lanes;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::Notify;

use super::*;
use crate::model::Timestamp;
use crate::seam::TokioClock;

type Outcome = Result<http::Response<Bytes>, TransportError>;

/// Answers from a script, then with 200; counts what reaches it and holds calls while told to.
#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<VecDeque<Outcome>>,
    reached: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    hold: Option<Notify>,
    /// What each call carried: its lane.
    seen: Mutex<Vec<String>>,
}

impl Scripted {
    fn with(outcomes: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(outcomes.into_iter().collect()), ..Self::default() })
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

impl Transport for Scripted {
    fn send(&self, request: http::Request<Bytes>, _: Limits) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            self.seen.lock().unwrap().push(String::from_utf8_lossy(request.body()).into_owned());
            self.reached.fetch_add(1, Ordering::SeqCst);
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now, Ordering::SeqCst);
            if let Some(hold) = &self.hold {
                hold.notified().await;
            }
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.script.lock().unwrap().pop_front().unwrap_or_else(|| Ok(status(200)))
        })
    }
}

fn status(code: u16) -> http::Response<Bytes> {
    http::Response::builder().status(code).body(Bytes::new()).unwrap()
}

fn with_header(code: u16, name: &str, value: &str) -> Outcome {
    Ok(http::Response::builder().status(code).header(name, value).body(Bytes::new()).unwrap())
}

fn reset() -> TransportError {
    TransportError::Unknown("reset".into())
}

fn down() -> Outcome {
    Err(reset())
}

const UNLIMITED: GateSettings = GateSettings {
    per_call: Duration::ZERO,
    burst: NonZeroU32::MIN,
    max_in_flight: NonZeroU32::MIN,
    daily_calls: None,
    breaker: BreakerSettings {
        consecutive: 5,
        window: 20,
        failures_in_window: 10,
        first_rest: Duration::from_secs(5),
        longest_rest: Duration::from_secs(300),
    },
    first_pause: Duration::from_secs(2),
    longest_backoff: Duration::from_secs(60),
    longest_pause: Duration::from_secs(900),
    patience: Duration::from_secs(30),
};

/// A gate before a scripted remote.
struct Bench {
    clock: TokioClock,
    gate: Arc<Gate>,
    lanes: [GatedTransport; 3],
}

impl Bench {
    fn new(settings: GateSettings, inner: &Arc<Scripted>) -> Self {
        let clock = TokioClock::starting_at(Timestamp::from_secs(1_795_000_000));
        let gate = Gate::new("ivvy", settings, Arc::new(clock.clone()), Entropy::seeded(1));
        let lanes = Lane::ALL.map(|lane| GatedTransport::new(inner.clone(), gate.clone(), lane));
        Self { clock, gate, lanes }
    }

    async fn call_in(&self, lane: Lane) -> Outcome {
        self.lanes[lane as usize].send(http::Request::new(Bytes::from(lane.to_string())), Limits::default()).await
    }

    async fn call(&self) -> Outcome {
        self.call_in(Lane::Operator).await
    }

    /// How long one call takes by the clock, in milliseconds.
    async fn timed(&self) -> u128 {
        let before = self.clock.now();
        self.call().await.unwrap();
        self.clock.now().since(before).as_millis()
    }
}

#[tokio::test(start_paused = true)]
async fn the_bucket_lets_a_burst_pass_and_then_one_per_interval() {
    let inner = Scripted::with([]);
    let settings =
        GateSettings { per_call: Duration::from_millis(500), burst: NonZeroU32::new(2).unwrap(), ..UNLIMITED };
    let bench = Bench::new(settings, &inner);
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(bench.timed().await);
    }
    assert_eq!(waits, [0, 0, 500, 500, 500]);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_in_flight_than_allowed() {
    let inner = Arc::new(Scripted { hold: Some(Notify::new()), ..Scripted::default() });
    let settings = GateSettings { max_in_flight: NonZeroU32::new(2).unwrap(), ..UNLIMITED };
    let bench = Bench::new(settings, &inner);
    let release = async {
        for _ in 0..6 {
            while inner.in_flight.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            inner.hold.as_ref().unwrap().notify_one();
            tokio::task::yield_now().await;
        }
    };
    let (outcomes, ()) = tokio::join!(join_all((0..6).map(|_| bench.call())), release);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(inner.most_in_flight.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_answers_at_once_and_one_probe_decides() {
    let inner = Scripted::with((0..6).map(|_| down()));
    let bench = Bench::new(UNLIMITED, &inner);
    for _ in 0..5 {
        assert_eq!(bench.call().await.unwrap_err(), reset());
    }
    assert_eq!(bench.gate.status().breaker.to_string(), "open");
    assert_eq!(bench.call().await.unwrap_err(), TransportError::NotSent("resting after repeated failures".into()));
    assert_eq!(inner.reached(), 5, "nothing left while resting");

    // The rest is 5 s plus at most a tenth; then a probe fails and the next rest is twice as long.
    bench.clock.sleep(Duration::from_millis(5_500)).await;
    assert_eq!(bench.call().await.unwrap_err(), reset());
    let rest = bench.gate.status().waits_for.unwrap();
    assert!((10_000..=11_000).contains(&rest.as_millis()), "{rest:?}");

    bench.clock.sleep(rest).await;
    assert!(bench.call().await.is_ok());
    assert_eq!(bench.gate.status().breaker, BreakerState::Closed);
    assert_eq!(inner.reached(), 7);
}

#[tokio::test(start_paused = true)]
async fn server_errors_open_the_breaker_and_refusals_do_not() {
    let refusals = Scripted::with([400, 401, 403, 404, 409, 422, 501].map(|code| Ok(status(code))));
    let bench = Bench::new(UNLIMITED, &refusals);
    for _ in 0..7 {
        bench.call().await.unwrap();
    }
    assert_eq!(bench.gate.status().breaker, BreakerState::Closed);

    let errors = Scripted::with((0..5).map(|_| Ok(status(503))));
    let bench = Bench::new(UNLIMITED, &errors);
    for _ in 0..5 {
        bench.call().await.unwrap();
    }
    assert_eq!(bench.gate.status().breaker, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_does_not_block_the_next() {
    let inner = Arc::new(Scripted { hold: Some(Notify::new()), ..Scripted::default() });
    let breaker = BreakerSettings { consecutive: 1, ..UNLIMITED.breaker };
    let bench = Bench::new(GateSettings { breaker, ..UNLIMITED }, &inner);
    inner.script.lock().unwrap().push_back(down());
    inner.hold.as_ref().unwrap().notify_one();
    assert_eq!(bench.call().await.unwrap_err(), reset());
    bench.clock.sleep(Duration::from_secs(6)).await;
    let given_up = tokio::time::timeout(Duration::from_secs(1), bench.call()).await;
    assert!(given_up.is_err(), "the probe hung");
    inner.hold.as_ref().unwrap().notify_one();
    assert!(bench.call().await.is_ok(), "the next call is the probe");
}

#[tokio::test(start_paused = true)]
async fn retry_after_in_seconds_holds_every_call() {
    let inner = Scripted::with([with_header(429, "retry-after", "7")]);
    let bench = Bench::new(UNLIMITED, &inner);
    bench.call().await.unwrap();
    assert_eq!(bench.gate.status().waits_for, Some(Duration::from_secs(7)));
    assert_eq!(bench.timed().await, 7_000);
    assert_eq!(bench.timed().await, 0);
}

#[tokio::test(start_paused = true)]
async fn retry_after_as_a_date_is_read_by_the_servers_clock() {
    let answer = http::Response::builder()
        .status(503)
        .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        .header("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT")
        .body(Bytes::new());
    let inner = Scripted::with([Ok(answer.unwrap())]);
    let bench = Bench::new(UNLIMITED, &inner);
    bench.call().await.unwrap();
    assert_eq!(bench.timed().await, 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_patience_turns_calls_away_and_an_absurd_one_is_cut() {
    let inner = Scripted::with([with_header(429, "retry-after", "86400")]);
    let bench = Bench::new(UNLIMITED, &inner);
    bench.call().await.unwrap();
    assert_eq!(bench.gate.status().waits_for, Some(Duration::from_secs(900)));
    assert_eq!(bench.call().await.unwrap_err(), TransportError::NotSent("the remote asked us to wait".into()));
    bench.clock.sleep(Duration::from_secs(880)).await;
    assert_eq!(bench.timed().await, 20_000);
}

#[tokio::test(start_paused = true)]
async fn throttling_without_a_date_backs_off_longer_each_time() {
    let inner = Scripted::with((0..3).map(|_| Ok(status(429))));
    let bench = Bench::new(UNLIMITED, &inner);
    for (least, most) in [(1_000, 2_000), (2_000, 4_000), (4_000, 8_000)] {
        bench.call().await.unwrap();
        let pause = bench.gate.status().waits_for.unwrap().as_millis();
        assert!((least..=most).contains(&pause), "{pause} not in {least}..={most}");
        bench.clock.sleep(Duration::from_secs(8)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_509_is_too_many_requests_and_no_sign_of_an_outage_s10() {
    let inner = Scripted::with((0..20).map(|_| Ok(status(509))));
    let bench = Bench::new(UNLIMITED, &inner);
    for _ in 0..20 {
        bench.call().await.unwrap();
        assert!(bench.gate.status().waits_for.is_some(), "it is left alone for a while, each time");
        bench.clock.sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(bench.gate.status().breaker, BreakerState::Closed);
    bench.call().await.unwrap();
    assert_eq!(bench.gate.status().waits_for, None);
}

#[tokio::test(start_paused = true)]
async fn the_counts_are_exact_over_a_sliding_minute() {
    let inner = Scripted::with([Ok(status(200)), Ok(status(404)), Ok(status(500)), down()]);
    let bench = Bench::new(UNLIMITED, &inner);
    for _ in 0..4 {
        let _ = bench.call().await;
        bench.clock.sleep(Duration::from_secs(10)).await;
    }
    let status = bench.gate.status();
    assert_eq!((status.calls_per_min, status.errors_per_min), (4, 2));
    assert_eq!(status.last_error.as_deref(), Some("no answer: reset"));
    // Calls were at 0, 10, 20, 30 s; now it is 80 s.
    bench.clock.sleep(Duration::from_secs(40)).await;
    let status = bench.gate.status();
    assert_eq!((status.calls_per_min, status.errors_per_min), (1, 1));
}

#[test]
fn an_errand_is_the_same_for_every_record_of_one_kind_v01() {
    let of = |method: &str, uri: &str| errand(&method.parse().unwrap(), &uri.parse().unwrap());
    assert_eq!(of("POST", "/api/1.0/account?action=getEmailLogList"), "POST/api/account getEmailLogList");
    let contact = of("PATCH", "/services/data/v60.0/sobjects/Contact/Ivvy_Id__c/contact-1");
    assert_eq!(contact, of("PATCH", "/services/data/v61.0/sobjects/Contact/Ivvy_Id__c/contact-23"));
    assert_ne!(contact, of("PATCH", "/services/data/v60.0/sobjects/Task/Ivvy_Id__c/email-1"));
    assert_eq!(of("GET", "/query?q=SELECT+Id+FROM+Task+WHERE+x"), "GET/query Task");
    assert_eq!(of("GET", "/query?q=SELECT%20Id%20FROM%20Contact"), "GET/query Contact");
    assert_eq!(of("POST", "/json/2/res.partner/write"), "POST/json/res.partner/write");
}
