//! Lanes, rate and quota at the gate, on a paused clock.

use futures::FutureExt as _;

use super::*;

const FOUR_A_SECOND: GateSettings = GateSettings {
    per_call: Duration::from_millis(250),
    burst: NonZeroU32::MIN.saturating_add(1),
    max_in_flight: NonZeroU32::MIN.saturating_add(3),
    ..UNLIMITED
};

/// Lets everything that can run do so, without letting time pass.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn seen(inner: &Scripted) -> Vec<String> {
    inner.seen.lock().unwrap().clone()
}

async fn calls(bench: &Bench, lane: Lane, count: usize) -> Vec<Outcome> {
    join_all((0..count).map(|_| bench.call_in(lane))).await
}

#[tokio::test(start_paused = true)]
async fn an_operator_passes_a_line_of_backfill_at_once() {
    let inner = Scripted::with([]);
    let bench = Bench::new(FOUR_A_SECOND, &inner);
    let mut backfill = std::pin::pin!(calls(&bench, Lane::Backfill, 100).fuse());
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = &mut backfill => panic!("a hundred calls take longer"),
            () = bench.clock.sleep(Duration::from_secs(1)) => {}
        }
        let before = bench.clock.now();
        tokio::select! {
            biased;
            _ = &mut backfill => panic!("a hundred calls take longer"),
            answer = bench.call_in(Lane::Operator) => drop(answer.unwrap()),
        }
        assert_eq!(bench.clock.now(), before, "without any wait");
    }
    assert_eq!(seen(&inner).iter().filter(|lane| *lane == "operator").count(), 10);
}

#[tokio::test(start_paused = true)]
async fn lanes_that_all_wait_share_the_rate_twenty_sixty_twenty() {
    let inner = Scripted::with([]);
    let bench = Bench::new(FOUR_A_SECOND, &inner);
    let all = join_all(Lane::ALL.map(|lane| calls(&bench, lane, 200)));
    assert!(tokio::time::timeout(Duration::from_secs(50), all).await.is_err(), "six hundred calls take longer");
    let seen = seen(&inner);
    assert!((200..=202).contains(&seen.len()), "{} calls in 50 s", seen.len());
    let counts = Lane::ALL.map(|lane| seen.iter().filter(|seen| **seen == lane.to_string()).count());
    assert!(counts.iter().zip([40, 120, 40]).all(|(got, share)| got.abs_diff(share) <= 3), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn backfill_alone_has_the_whole_rate() {
    let inner = Scripted::with([]);
    let bench = Bench::new(FOUR_A_SECOND, &inner);
    let before = bench.clock.now();
    calls(&bench, Lane::Backfill, 41).await;
    // One token of the burst stays for operators; the other is the first call's.
    assert_eq!(bench.clock.now().since(before), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_operator_finds_a_place_while_backfill_fills_the_rest() {
    for (places, backfill) in [(2, 1), (3, 1), (4, 2), (8, 6)] {
        let inner = Arc::new(Scripted { hold: Some(Notify::new()), ..Scripted::default() });
        let settings = GateSettings { max_in_flight: NonZeroU32::new(places).unwrap(), ..UNLIMITED };
        let bench = Bench::new(settings, &inner);
        let both = join_all(
            [calls(&bench, Lane::Backfill, 20), calls(&bench, Lane::Operator, 1)].map(|calls| calls.boxed_local()),
        );
        let mut both = std::pin::pin!(both);
        assert!(futures::poll!(&mut both).is_pending());
        settle().await;
        assert!(futures::poll!(&mut both).is_pending());
        let seen = seen(&inner);
        assert_eq!(seen.iter().filter(|lane| *lane == "backfill").count(), backfill, "{places} places");
        assert!(seen.contains(&"operator".to_owned()), "{places} places: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_one_place_the_operator_is_the_next() {
    let inner = Arc::new(Scripted { hold: Some(Notify::new()), ..Scripted::default() });
    let bench = Bench::new(UNLIMITED, &inner);
    let mut backfill = std::pin::pin!(calls(&bench, Lane::Backfill, 5));
    assert!(futures::poll!(&mut backfill).is_pending());
    let mut operator = std::pin::pin!(bench.call_in(Lane::Operator));
    assert!(futures::poll!(&mut operator).is_pending());
    assert_eq!(seen(&inner), ["backfill"]);
    inner.hold.as_ref().unwrap().notify_one();
    for _ in 0..5 {
        assert!(futures::poll!(&mut backfill).is_pending());
        assert!(futures::poll!(&mut operator).is_pending());
    }
    assert_eq!(seen(&inner), ["backfill", "operator"]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_in_the_line_holds_nobody_up() {
    let inner = Arc::new(Scripted { hold: Some(Notify::new()), ..Scripted::default() });
    let bench = Bench::new(UNLIMITED, &inner);
    let mut first = bench.call_in(Lane::Live).boxed();
    assert!(futures::poll!(&mut first).is_pending());
    let mut impatient = bench.call_in(Lane::Operator).boxed();
    assert!(futures::poll!(&mut impatient).is_pending());
    let mut patient = bench.call_in(Lane::Backfill).boxed();
    assert!(futures::poll!(&mut patient).is_pending());
    // The one in flight is given up as well: its place is free again.
    drop((impatient, first));
    assert!(futures::poll!(&mut patient).is_pending());
    assert_eq!(seen(&inner), ["live", "backfill"]);
}

#[tokio::test(start_paused = true)]
async fn complaints_halve_the_rate_and_clean_answers_bring_it_back() {
    let inner = Scripted::with([with_header(429, "retry-after", "0"), with_header(503, "retry-after", "0")]);
    let bench = Bench::new(FOUR_A_SECOND, &inner);
    let rate = || bench.gate.status().rate.unwrap();
    assert_eq!(rate(), RateStatus { now: 240, configured: 240 });
    bench.call_in(Lane::Live).await.unwrap();
    assert_eq!(rate().now, 120);
    bench.call_in(Lane::Live).await.unwrap();
    assert_eq!(rate().now, 60);
    // Twenty clean answers a step, fifteen calls a minute each.
    calls(&bench, Lane::Live, 20).await;
    assert_eq!(rate().now, 75);
    calls(&bench, Lane::Live, 11 * 20).await;
    assert_eq!(rate(), RateStatus { now: 240, configured: 240 });
}

#[tokio::test(start_paused = true)]
async fn a_server_error_without_a_wish_does_not_change_the_rate() {
    let inner = Scripted::with([503, 500, 404, 400].map(|code| Ok(status(code))));
    let bench = Bench::new(FOUR_A_SECOND, &inner);
    calls(&bench, Lane::Live, 4).await;
    assert_eq!(bench.gate.status().rate.unwrap().now, 240);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_used_up_its_part_of_the_day_waits_until_midnight() {
    let inner = Scripted::with([]);
    let bench = Bench::new(GateSettings { daily_calls: Some(100), ..UNLIMITED }, &inner);
    for _ in 0..60 {
        bench.call_in(Lane::Backfill).await.unwrap();
    }
    let wall = bench.clock.now();
    let midnight = Timestamp::from_millis((wall.millis() / 86_400_000 + 1) * 86_400_000);
    let Err(TransportError::Held { why, wait }) = bench.call_in(Lane::Backfill).await else { panic!("not held") };
    assert_eq!(why, "backfill calls wait until 00:00 UTC: 60 % of the 100 calls a day are used");
    assert_eq!(wall.plus(wait), midnight);
    assert_eq!(bench.gate.status().held, [(Lane::Backfill, midnight)]);
    assert!(calls(&bench, Lane::Live, 31).await.iter().filter(|call| call.is_ok()).count() == 30);
    assert!(calls(&bench, Lane::Operator, 11).await.iter().filter(|call| call.is_ok()).count() == 10);
    assert_eq!(inner.reached(), 100);
    let status = bench.gate.status();
    assert_eq!((status.calls_today, status.quota), (100, Some(Usage { used: 100, limit: 100 })));
    assert_eq!((status.errors_per_min, status.last_error), (0, None), "nothing failed");
    bench.clock.sleep(wait).await;
    assert!(bench.call_in(Lane::Backfill).await.is_ok());
    assert_eq!(bench.gate.status().calls_today, 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_token_when_the_day_is_used_up_is_told_and_leaves_the_line() {
    let inner = Scripted::with([]);
    let bench = Bench::new(GateSettings { daily_calls: Some(10), ..FOUR_A_SECOND }, &inner);
    let outcomes = calls(&bench, Lane::Backfill, 20).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(TransportError::Held { .. }))).count(), 14);
    assert!(bench.call_in(Lane::Live).await.is_ok(), "and the others go on");
}

#[tokio::test(start_paused = true)]
async fn what_the_remote_tells_of_its_own_count_stops_lanes_too() {
    let inner = Scripted::with([with_header(200, "used", "60")]);
    let bench = Bench::new(UNLIMITED, &inner);
    bench.gate.read_usage(|headers| {
        let used = headers.get("used")?.to_str().ok()?.parse().ok()?;
        Some(Usage { used, limit: 100 })
    });
    bench.call_in(Lane::Backfill).await.unwrap();
    assert!(matches!(bench.call_in(Lane::Backfill).await, Err(TransportError::Held { .. })));
    assert!(bench.call_in(Lane::Live).await.is_ok());
}

/// Remembers entries, and can be made to fail.
#[derive(Debug, Default)]
struct Paper {
    entries: Mutex<Vec<Booked>>,
    torn: std::sync::atomic::AtomicBool,
}

impl CallBook for Paper {
    fn book(&self, booked: Booked) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.torn.load(std::sync::atomic::Ordering::SeqCst) {
                return Err("the paper is torn".to_owned());
            }
            self.entries.lock().unwrap().push(booked);
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_covered_on_disk_before_it_leaves_at_one_entry_per_hundred() {
    let inner = Scripted::with([]);
    let paper = Arc::new(Paper::default());
    let bench = Bench::new(GateSettings { max_in_flight: NonZeroU32::new(8).unwrap(), ..UNLIMITED }, &inner);
    bench.gate.keep_book(paper.clone(), None);
    calls(&bench, Lane::Live, 250).await;
    let entries = paper.entries.lock().unwrap().clone();
    assert_eq!(entries.iter().map(|entry| entry.calls).collect::<Vec<_>>(), [100, 200, 300]);

    // A crash: the next gate knows only the paper.
    let day = entries[0].day;
    let bench = Bench::new(GateSettings { daily_calls: Some(1_000), ..UNLIMITED }, &inner);
    bench.gate.keep_book(paper.clone(), entries.last().copied());
    assert_eq!(bench.gate.status().calls_today, 300);
    bench.call_in(Lane::Live).await.unwrap();
    assert_eq!(paper.entries.lock().unwrap().last(), Some(&Booked { day, calls: 310 }), "a hundredth of the quota");

    paper.torn.store(true, std::sync::atomic::Ordering::SeqCst);
    calls(&bench, Lane::Live, 9).await;
    let reached = inner.reached();
    let refused = bench.call_in(Lane::Operator).await.unwrap_err();
    assert_eq!(refused, TransportError::NotSent("the call could not be counted: the paper is torn".into()));
    assert_eq!(inner.reached(), reached, "what cannot be counted does not leave");
}
