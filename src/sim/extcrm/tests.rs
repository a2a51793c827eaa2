//! What the simulated CRM takes and what it refuses, and what it remembers of both.

use secrecy::SecretString;
use strum::IntoEnumIterator as _;

use super::*;
use crate::remote::transport::{Limits, Transport as _, TransportError};
use crate::seam::TokioClock;
use crate::sim::fault::FaultSpec;
use crate::sim::inprocess::InProcess;

struct Bench {
    sim: Arc<ExtcrmSim>,
    transport: InProcess,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let clock = TokioClock::starting_at(Timestamp::EPOCH);
        let sim = ExtcrmSim::new(settings, Arc::new(clock), Entropy::seeded(3));
        let transport = InProcess { router: sim.router() };
        Self { sim, transport }
    }

    async fn send(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Result<(u16, Bytes), TransportError> {
        let mut request = http::Request::post(format!("http://crm.test{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer =
            self.transport.send(request.body(Bytes::from(body.to_owned())).unwrap(), Limits::default()).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    async fn post(&self, path: &str, body: &Value) -> u16 {
        let headers = [("Content-Type", "application/json; charset=utf-8")];
        self.send(path, &body.to_string(), &headers).await.unwrap().0
    }
}

fn contact(id: &str, name: &str) -> Value {
    json!({"contactNumber": id, "individualContact": {"lastName": name}})
}

#[tokio::test]
async fn a_payload_is_taken_whole_or_not_at_all_s13_s14_s15() {
    let bench = Bench::new(Settings::default());
    let two = json!([contact("1", "Lee"), contact("2", "Lim")]);
    let headers = [("Content-Type", "application/json")];
    let (status, body) = bench.send("/contacts", &two.to_string(), &headers).await.unwrap();
    assert_eq!((status, body.len()), (200, 0), "exactly 200, with nothing");
    let state = bench.sim.state(Stream::Contact, "2").unwrap();
    assert_eq!(state["individualContact"]["lastName"], "Lim");

    let spoilt = json!([contact("3", "Fine"), {"name": "no id"}]);
    assert_eq!(bench.post("/contacts", &spoilt).await, 400);
    assert_eq!(bench.sim.state(Stream::Contact, "3"), None);
    assert_eq!(bench.sim.ledger().len(), 2);
    let many = |count: usize| json!((0..count).map(|id| contact(&id.to_string(), "x")).collect::<Vec<_>>());
    assert_eq!((bench.post("/contacts", &many(50)).await, bench.post("/contacts", &many(51)).await), (200, 413));
    bench.sim.set(|settings| settings.full = true);
    assert_eq!(bench.post("/contacts", &json!([contact("9", "x")])).await, 503);
    assert_eq!(bench.sim.ledger().creations("contact", "9"), 1, "only that of the fifty");
    bench.sim.set(|settings| settings.max_body = 10);
    assert_eq!(bench.post("/contacts", &two).await, 413);
}

#[tokio::test]
async fn what_is_no_payload_is_refused_s13() {
    let bench = Bench::new(Settings::default());
    let json = [("Content-Type", "application/json")];
    let long = format!(r#"[{{"contactNumber":"{}"}}]"#, "9".repeat(101));
    for (path, body) in [
        ("/contacts", ""),
        ("/contacts", "{"),
        ("/contacts", "[]"),
        ("/contacts", r#"{"contactNumber":"1"}"#),
        ("/contacts", r#"[{"contactNumber":"1"}] x"#),
        ("/contacts", r#"["1"]"#),
        ("/contacts", r#"[{"contactNumber":1}]"#),
        ("/contacts", r#"[{"contactNumber":""}]"#),
        ("/contacts", r#"[{"contactNumber":" "}]"#),
        ("/contacts", &long),
        ("/contacts", r#"[{"orderId":"1"}]"#),
        ("/orders", r#"[{"contactNumber":"1"}]"#),
        ("/orders", r#"[{"orderId":17}]"#),
        ("/contacts", r#"[{"orderDetailsData":{"contactNumber":"1"}}]"#),
    ] {
        assert_eq!(bench.send(path, body, &json).await.unwrap().0, 400, "{path} {body}");
    }
    let good = r#"[{"contactNumber":"1"}]"#;
    for headers in [&[][..], &[("Content-Type", "text/plain")], &[("Content-Type", "application/xml")]] {
        assert_eq!(bench.send("/contacts", good, headers).await.unwrap().0, 400, "{headers:?}");
    }
    assert_eq!(bench.send("/access", good, &json).await.unwrap().0, 404);
    let get = http::Request::get("http://crm.test/contacts").body(Bytes::new()).unwrap();
    assert_eq!(bench.transport.send(get, Limits::default()).await.unwrap().status(), 405);
    assert!(bench.sim.ledger().is_empty());
}

#[tokio::test]
async fn amounts_are_whole_thousandths_s25() {
    let bench = Bench::new(Settings::default());
    let order = |amount: &str| format!(r#"[{{"orderId":"1","saleAmount":{amount}}}]"#);
    let deep = |price: &str| {
        format!(r#"[{{"orderDetailsData":{{"orderId":"2","operationDatas":[{{"unitPrice":{price},"rate":1.5}}]}}}}]"#)
    };
    let json = [("Content-Type", "application/json")];
    for wrong in ["4.5", "4000.0", "4e3", "\"4000\"", "null", "true", "9223372036854775808", "[1, 2.5]"] {
        for body in [order(wrong), deep(wrong)] {
            assert_eq!(bench.send("/orders", &body, &json).await.unwrap().0, 400, "{body}");
        }
    }
    for right in ["4000", "-4000", "0", "9223372036854775807", "-9223372036854775808"] {
        for body in [order(right), deep(right)] {
            assert_eq!(bench.send("/orders", &body, &json).await.unwrap().0, 200, "{body}");
        }
    }
    assert_eq!(bench.sim.state(Stream::Order, "1").unwrap()["saleAmount"], json!(i64::MIN), "to the last digit");
    assert_eq!(bench.sim.records(Stream::Order).len(), 2);
}

#[tokio::test]
async fn credentials_are_checked_to_the_letter_s19() {
    let basic = Auth::Basic { user: "s360".into(), password: SecretString::from("pass:word") };
    let key = Auth::ApiKey { header: "X-API-Key".into(), key: SecretString::from("k-1") };
    let right = "Basic czM2MDpwYXNzOndvcmQ=";
    let body = json!([contact("1", "x")]).to_string();
    type Row<'a> = (&'a Auth, &'a [(&'a str, &'a str)], u16);
    let table: &[Row<'_>] = &[
        (&Auth::None, &[], 200),
        (&Auth::None, &[("Authorization", right)], 401),
        (&basic, &[("Authorization", right)], 200),
        (&basic, &[("Authorization", "basic czM2MDpwYXNzOndvcmQ=")], 401),
        (&basic, &[("Authorization", "Bearer czM2MDpwYXNzOndvcmQ=")], 401),
        (&basic, &[("Authorization", "Basic czM2MDpwYXNz")], 401),
        (&basic, &[("Authorization", "Basic ")], 401),
        (&basic, &[("Authorization", right), ("Authorization", right)], 401),
        (&basic, &[("X-API-Key", "k-1")], 401),
        (&basic, &[], 401),
        (&key, &[("x-api-key", "k-1")], 200),
        (&key, &[("X-API-Key", "K-1")], 401),
        (&key, &[("X-API-Key", "")], 401),
        (&key, &[("X-API-Key", "k-1x")], 401),
        (&key, &[("X-Api", "k-1")], 401),
        (&key, &[("Authorization", right)], 401),
        (&key, &[], 401),
    ];
    for (auth, headers, expected) in table {
        let bench = Bench::new(Settings { auth: (*auth).clone(), ..Settings::default() });
        let headers = [&[("Content-Type", "application/json")], *headers].concat();
        let (status, _) = bench.send("/contacts", &body, &headers).await.unwrap();
        assert_eq!(status, *expected, "{auth:?} {headers:?}");
        assert_eq!(bench.sim.ledger().is_empty(), *expected != 200);
        assert_eq!(bench.sim.arrivals()[0].status, Some(*expected));
    }
    let printed = format!("{basic:?}{key:?}");
    assert!(!printed.contains("pass:word") && !printed.contains("k-1"), "{printed}");
}

#[tokio::test]
async fn every_try_is_noted_and_the_same_bytes_have_one_effect_s16() {
    let bench = Bench::new(Settings::default());
    bench.sim.faults().arm(FaultSpec::times(FaultKind::Throttle, "POST /contacts", 2)).unwrap();
    bench.sim.faults().arm(FaultSpec::times(FaultKind::DropAfter, "POST /contacts", 1)).unwrap();
    let json = [("Content-Type", "application/json")];
    let first = json!([contact("1", "Lee"), contact("2", "Lim")]).to_string();
    for expected in [Some(503), Some(503), None, Some(200)] {
        let answer = bench.send("/contacts", &first, &json).await.ok().map(|(status, _)| status);
        assert_eq!(answer, expected);
    }
    let newer = json!([contact("1", "Long")]);
    bench.post("/contacts", &newer).await;
    bench.post("/orders", &json!([{"orderId": "1"}])).await;
    let payloads = bench.sim.payloads();
    let told: Vec<_> = payloads.iter().map(|one| (one.stream, one.tries, one.stored, one.applied)).collect();
    assert_eq!(told, [(Stream::Contact, 4, 2, 2), (Stream::Contact, 1, 1, 1), (Stream::Order, 1, 1, 1)]);
    assert_eq!(payloads[0].statuses, [Some(503), Some(503), None, Some(200)]);
    assert_eq!((payloads[0].ids.as_slice(), payloads[0].hash.len()), (&["1".to_owned(), "2".to_owned()][..], 64));
    let ledger = bench.sim.ledger();
    assert_eq!((ledger.creations("contact", "1"), ledger.count("contact", Op::Update)), (1, 1));
    let arrivals = bench.sim.arrivals();
    assert!(arrivals.iter().enumerate().all(|(index, one)| one.seq == index as u64 + 1));
    assert_eq!((arrivals[2].stored, arrivals[2].applied, arrivals[2].bytes), (true, 2, first.len()));
    assert_eq!((arrivals[0].stored, arrivals[3].stored, arrivals[3].applied), (false, true, 0));
    // Back to an earlier content is an effect, though those bytes were seen before.
    bench.send("/contacts", &first, &json).await.unwrap();
    assert_eq!(bench.sim.state(Stream::Contact, "1").unwrap(), contact("1", "Lee"));
    let shown = http::Request::get("http://crm.test/_sim/payloads").body(Bytes::new()).unwrap();
    let shown = bench.transport.send(shown, Limits::default()).await.unwrap();
    let shown: Value = serde_json::from_slice(shown.body()).unwrap();
    assert_eq!((&shown["payloads"][0]["tries"], &shown["payloads"][0]["applied"]), (&json!(5), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn every_fault_speaks_this_crm() {
    for kind in FaultKind::iter() {
        let bench = Bench::new(Settings::default());
        bench.sim.faults().arm(FaultSpec::times(kind, "/contacts", 1)).unwrap();
        let json = [("Content-Type", "application/json")];
        let answer = bench.send("/contacts", r#"[{"contactNumber":"1"}]"#, &json).await;
        let effect = bench.sim.ledger().len() == 1;
        let status = answer.as_ref().ok().map(|(status, _)| *status);
        let expected = match kind {
            FaultKind::Throttle | FaultKind::Race | FaultKind::ErrorBefore => (Some(503), false),
            FaultKind::ErrorAfter => (Some(503), true),
            FaultKind::OtherSuccess => (Some(201), true),
            FaultKind::Slow => (Some(200), true),
            FaultKind::Html => (Some(200), false),
            FaultKind::Forbid => (Some(403), false),
            FaultKind::Unauthorized => (Some(401), false),
            FaultKind::NotFound => (Some(404), false),
            FaultKind::DropBefore => (None, false),
            // There is no body that could break off half way.
            FaultKind::DropAfter | FaultKind::Truncate => (None, true),
        };
        assert_eq!((status, effect), expected, "{kind}");
        assert_eq!(bench.sim.arrivals()[0].stored, effect, "{kind}");
    }
}

#[tokio::test]
async fn somebody_works_in_the_crm() {
    let bench = Bench::new(Settings::default());
    let edit = |edit: &Edit| Simulated::edit(&*bench.sim, edit);
    assert_eq!(edit(&Edit::create("contact", contact("7", "Lee"))).unwrap(), "7");
    edit(&Edit::update("contact", "7", json!({"email": "a@b.example"}))).unwrap();
    assert_eq!(Simulated::records(&*bench.sim, "contact").unwrap()[0]["email"], "a@b.example");
    edit(&Edit::delete("contact", "7")).unwrap();
    assert_eq!(bench.sim.state(Stream::Contact, "7"), None);
    assert!(edit(&Edit::delete("contact", "7")).is_err() && edit(&Edit::create("venue", json!({}))).is_err());
    assert_eq!(bench.sim.ledger().effects().iter().filter(|effect| effect.by == By::User).count(), 3);
}
