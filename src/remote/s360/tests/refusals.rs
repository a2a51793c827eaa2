//! Tokens, clocks, limits, and institutions we only receive from.

use super::*;

const CONTACTS: ModuleId = ModuleId::Contacts;

#[tokio::test(start_paused = true)]
async fn a_test_calls_every_institution_that_has_an_operator_s28() {
    let bench = Bench::with(&["GLOBE"]);
    let probe = bench.s360.probe().await.unwrap();
    assert_eq!(probe.system, "S-360: ACME (receive-only), GLOBE");
    assert!(probe.clock_skew_ms.unwrap().abs() <= 1000);
    bench.sim.faults().arm(FaultSpec::times(FaultKind::Unauthorized, "", 1)).unwrap();
    let error = bench.s360.probe().await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unauthorized, Sent::No));
    assert!(error.action.starts_with("GLOBE "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_test_of_one_institution_asks_no_other_s01_s28() {
    let bench = Bench::open();
    bench.sim.faults().arm(FaultSpec::times(FaultKind::Unauthorized, "/globe/", 2)).unwrap();
    assert_eq!(bench.s360.probe_tenant("ACME").await.unwrap().system, "S-360: ACME");
    let error = bench.s360.probe_tenant("GLOBE").await.unwrap_err();
    assert_eq!(error.class, Class::Unauthorized);
    assert!(bench.s360.probe().await.is_err(), "all of them are");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_its_own_error_with_the_distance_s21() {
    let bench = Bench::open();
    for (skew, words) in [(5_000, "behind"), (-90_000, "ahead of")] {
        bench.sim.set_knobs(|knobs| knobs.skew_ms = skew);
        for http_401 in [false, true] {
            bench.sim.set_knobs(|knobs| knobs.http_401 = http_401);
            let error = bench.s360.probe().await.unwrap_err();
            assert_eq!((error.class, error.sent), (Class::Unreachable, Sent::No), "it is no wrong key");
            assert_eq!(error.code.as_deref(), Some(client::CLOCK_SKEW));
            assert!(error.message.contains(words) && error.message.contains("NTP"), "{error}");
        }
    }
    bench.sim.set_knobs(|knobs| knobs.skew_ms = 700);
    assert!(bench.s360.probe().await.unwrap().clock_skew_ms.unwrap() >= 0, "within a second it is taken");
}

#[tokio::test(start_paused = true)]
async fn too_many_calls_are_told_with_their_pause_whichever_status_s10() {
    let bench = Bench::with(&["ACME"]);
    bench.sim.set_knobs(|knobs| knobs.calls_per_minute = 0);
    for (kind, retry_after) in [(sim::OverLimit::Http509, None), (sim::OverLimit::Http429, Some(17))] {
        bench.sim.set_knobs(|knobs| (knobs.over_limit, knobs.retry_after) = (kind, retry_after));
        let error = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Throttled, Sent::No));
        let wait = error.retry_after.unwrap();
        assert!(wait >= Duration::from_secs(retry_after.unwrap_or(1)), "never at once: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn http_200_is_no_success_by_itself_s24() {
    let bench = Bench::open();
    let id = RecordId::from(format!("ACME-{}", bench.person("ACME", "Ada", "ada@x.example")));
    let change = fields(&[("phone", "1")]);
    for (kind, class, sent) in [
        (FaultKind::Html, Class::Malformed, Sent::Maybe),
        (FaultKind::Race, Class::Throttled, Sent::No),
        (FaultKind::Forbid, Class::Forbidden, Sent::No),
        (FaultKind::Unauthorized, Class::Unauthorized, Sent::No),
        (FaultKind::Throttle, Class::Throttled, Sent::No),
        (FaultKind::ErrorBefore, Class::Server, Sent::Maybe),
        (FaultKind::DropBefore, Class::Unreachable, Sent::Maybe),
    ] {
        bench.sim.faults().arm(FaultSpec::times(kind, "saveIndividual", 1)).unwrap();
        let error = bench.s360.update(CONTACTS, &id, &change, None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (class, sent), "{kind}: {error}");
    }
    let long = fields(&[("first_name", &"x".repeat(300))]);
    let error = bench.s360.update(CONTACTS, &id, &long, None).await.unwrap_err();
    assert_eq!((error.class, error.sent, error.code.as_deref()), (Class::Rejected, Sent::No, Some("badvalue")));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ever_sent_to_an_institution_we_only_receive_from_s04() {
    let bench = Bench::with(&[]);
    let body = json!({"contactNumber": "7", "individualContact": {"firstName": "Ada", "lastName": "King"}});
    bench.shelf.tell(CONTACTS, "ACME-7", bench.clock.now(), &body);
    assert_eq!(bench.found(CONTACTS, "ACME-7").await.fields["first_name"], Value::text("Ada"));
    let error = bench.s360.update(CONTACTS, &"ACME-7".into(), &fields(&[("first_name", "X")]), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(error.message.contains("ACME is receive-only"), "{error}");
    let error = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(bench.s360.probe().await.is_ok());
    assert!(bench.sim.ledger().is_empty());
}

/// Two hundred edits through a real gate, at an institution that takes sixty calls a minute.
#[tokio::test(start_paused = true)]
async fn two_hundred_edits_drain_within_the_limit_and_in_order_scenario_15_s10() {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(NOW.parse().unwrap()));
    let sim = sim::S360Sim::new(sim::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
    sim.set_knobs(|knobs| knobs.calls_per_minute = 60);
    let gate = |code: &str| {
        let settings =
            GateSettings { per_call: Duration::from_secs(1), burst: NonZeroU32::MIN, ..GateSettings::default() };
        Gate::new(code, settings, Arc::clone(&clock), Entropy::seeded(1))
    };
    let gates = BTreeMap::from(["ACME", "GLOBE"].map(|code| (code, gate(code))));
    let transports = gates.iter().map(|(code, gate)| {
        let inner = Arc::new(InProcess { router: sim.router() });
        let gated: Arc<dyn Transport> = Arc::new(GatedTransport::new(inner, Arc::clone(gate), Lane::Live));
        (*code, gated)
    });
    let transports = transports.collect();
    let bench = Bench::over(Arc::clone(&sim), clock, &["ACME", "GLOBE"], &transports);
    let id = RecordId::from(format!("ACME-{}", bench.person("ACME", "Ada", "ada@x.example")));
    let began = bench.clock.now();
    for edit in 0..200 {
        bench.s360.update(CONTACTS, &id, &fields(&[("phone", &edit.to_string())]), None).await.unwrap();
    }
    let written: Vec<String> = bench.sim.ledger().effects().iter().map(|effect| effect.op.to_string()).collect();
    assert_eq!(written.len(), 200, "every edit, once");
    let status = gates["ACME"].status();
    assert_eq!((status.errors_per_min, status.last_error), (0, None), "S-360 never had to say no");
    assert!(bench.clock.now().since(began) >= Duration::from_secs(399), "two calls an edit, a second each");
    assert_eq!(gates["GLOBE"].status().calls_today, 0, "the other institution's bucket is untouched");
    assert_eq!(bench.found(CONTACTS, id.as_str()).await.fields["phone"], Value::text("199"));
}

#[tokio::test(start_paused = true)]
async fn an_error_quotes_nothing_of_the_body_that_was_sent_p15() {
    let bench = Bench::meddled(|method, body| {
        (method == "saveIndividualContactData").then(|| {
            let detail =
                format!("{} born {}", body["individualContact"]["lastName"], body["individualContact"]["dateOfBirth"]);
            json!({"statusCode": "Ada King", "statusDetail": detail})
        })
    });
    let id = RecordId::from(format!("ACME-{}", bench.person("ACME", "Ada", "ada@x.example")));
    let error = bench.s360.update(CONTACTS, &id, &fields(&[("first_name", "Augusta")]), None).await.unwrap_err();
    let words = format!("{error:?}");
    assert!(error.message.contains("born"), "{error}");
    assert!(!words.contains("King") && !words.contains("1980"), "read and sent back, not part of the change: {words}");
}
