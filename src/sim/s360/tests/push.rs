//! The push: grouping, tries, content of a retry, credentials, the first day.

use chrono::NaiveDate;

use super::*;
use crate::seam::Zone;

fn add(sim: &S360Sim, code: &str, count: usize) -> Vec<String> {
    let one = |nth| sim.edit(&Edit::create(&format!("{code}.contact"), person(&format!("Person {nth}")))).unwrap();
    (0..count).map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_500_records_in_10_payloads_of_50_s23() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    let numbers = add(&sim, "ACME", 512);
    let run = pusher.run_once("ACME", Stream::Contacts).await;
    assert_eq!((run.posts.len(), run.accepted()), (10, 500));
    assert!(run.posts.iter().all(|post| post.records == 50));
    assert_eq!(ear.keys("contactNumber").concat(), numbers[..500]);
    assert!(ear.calls().iter().all(|(path, _, _)| path == "/s360/contacts/ACME"));
    let run = pusher.run_once("ACME", Stream::Contacts).await;
    assert_eq!((run.posts.len(), run.accepted()), (1, 12));
    assert_eq!(pusher.run_once("ACME", Stream::Contacts).await, Run::default(), "nothing to say, nothing said");
    assert_eq!(ear.keys("contactNumber").concat(), numbers);
}

#[tokio::test(start_paused = true)]
async fn two_institutions_have_the_same_numbers_and_their_own_queues_s01() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    assert_eq!(add(&sim, "ACME", 2), add(&sim, "GLOBE", 2));
    sim.edit(&Edit::update("ACME.contact", "100001", person("Only in Acme"))).unwrap();
    pusher.run_all().await;
    let calls = ear.calls();
    assert_eq!(
        calls.iter().map(|call| call.0.as_str()).collect::<Vec<_>>(),
        ["/s360/contacts/ACME", "/s360/contacts/GLOBE"]
    );
    let names: Vec<bool> = calls.iter().map(|call| String::from_utf8_lossy(&call.2).contains("Only in Acme")).collect();
    assert_eq!(names, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn twelve_tries_with_the_same_bytes_then_given_up_s16_s17() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    add(&sim, "ACME", 3);
    // Whatever is not exactly 200 is a failure, no answer included.
    let statuses = [201, 204, 301, 400, 401, 404, 500, 503, 0, 202, 429, 206];
    for (nth, status) in statuses.into_iter().enumerate() {
        ear.answer(status, 1);
        let run = pusher.run_once("ACME", Stream::Contacts).await;
        assert_eq!(run.posts, [Post { records: 3, status, attempt: nth as u32 + 1 }]);
    }
    let bodies = ear.bodies();
    assert!(bodies.len() == 12 && bodies.iter().all(|body| *body == bodies[0]));
    let queue = sim.queue("ACME", Stream::Contacts).unwrap();
    assert!(queue.fresh.is_empty() && queue.held.is_empty() && queue.accepted == 0);
    assert_eq!((queue.abandoned.len(), queue.abandoned[0].tries, queue.abandoned[0].last_status), (1, 12, 206));
    assert_eq!(queue.abandoned[0].keys, ["100001", "100002", "100003"]);
    assert_eq!(pusher.run_once("ACME", Stream::Contacts).await, Run::default(), "given up for good");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_has_ten_seconds() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    add(&sim, "ACME", 1);
    ear.answer(0, 1);
    let before = sim.clock.now();
    assert_eq!(pusher.run_once("ACME", Stream::Contacts).await.posts[0].status, 0);
    assert_eq!(sim.clock.now().since(before), Duration::from_secs(10));
    assert_eq!(pusher.run_once("ACME", Stream::Contacts).await.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_frozen_or_read_again_s16() {
    for retry in [Retry::Frozen, Retry::Reread] {
        let (sim, ear) = (sim(|settings| settings.knobs.retry = retry), Ear::default());
        let pusher = ear.pusher(&sim);
        let number = add(&sim, "ACME", 1).remove(0);
        ear.answer(503, 1);
        pusher.run_once("ACME", Stream::Contacts).await;
        sim.edit(&Edit::update("ACME.contact", &number, person("Newer"))).unwrap();
        pusher.run_once("ACME", Stream::Contacts).await;
        let newer: Vec<bool> =
            ear.bodies().iter().map(|body| String::from_utf8_lossy(body).contains("Newer")).collect();
        match retry {
            Retry::Frozen => assert_eq!(newer, [false, false, true], "the old bytes, then the record as it is"),
            Retry::Reread => assert_eq!(newer, [false, true], "once, as it is"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_the_run_or_not() {
    for go_on in [true, false] {
        let (sim, ear) = (sim(|settings| settings.knobs.continue_after_failure = go_on), Ear::default());
        let pusher = ear.pusher(&sim);
        let numbers = add(&sim, "ACME", 120);
        ear.answer(500, 1);
        let run = pusher.run_once("ACME", Stream::Contacts).await;
        assert_eq!((run.accepted(), run.left), if go_on { (70, 0) } else { (0, 2) });
        let run = pusher.run_once("ACME", Stream::Contacts).await;
        assert_eq!(run.posts[0], Post { records: 50, status: 200, attempt: 2 });
        assert_eq!(sim.queue("ACME", Stream::Contacts).unwrap().accepted, 120);
        if !go_on {
            assert_eq!(ear.keys("contactNumber")[1..].concat(), numbers, "in their order");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retries_count_in_the_size_of_a_run() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    add(&sim, "ACME", 700);
    ear.answer(500, 4);
    assert_eq!(pusher.run_once("ACME", Stream::Contacts).await.accepted(), 300);
    let run = pusher.run_once("ACME", Stream::Contacts).await;
    let attempts: Vec<u32> = run.posts.iter().map(|post| post.attempt).collect();
    assert_eq!(attempts, [2, 2, 2, 2, 1, 1, 1, 1], "four again, and the last 200");
    assert_eq!(sim.queue("ACME", Stream::Contacts).unwrap().accepted, 700);
}

#[tokio::test(start_paused = true)]
async fn a_record_waits_once_and_shows_what_was_asked_for_s22() {
    let (sim, ear) = (sim(|settings| settings.knobs.details = vec![Detail::General]), Ear::default());
    let pusher = ear.pusher(&sim);
    let number = add(&sim, "ACME", 1).remove(0);
    sim.edit(&Edit::update("ACME.contact", &number, person("Later"))).unwrap();
    pusher.run_once("ACME", Stream::Contacts).await;
    sim.set_knobs(|knobs| knobs.details = vec![Detail::Addresses]);
    sim.edit(&Edit::update("ACME.contact", &number, person("Latest"))).unwrap();
    pusher.run_once("ACME", Stream::Contacts).await;
    let bodies: Vec<Value> = ear.bodies().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
    assert_eq!(bodies[0].as_array().unwrap().len(), 1);
    assert_eq!(bodies[0][0]["individualContact"]["lastName"], "Later");
    assert!(bodies[0][0].get("addresses").is_none(), "absent, not empty");
    assert_eq!(bodies[1][0], json!({"contactNumber": number, "addresses": []}));
    assert!(!bodies[0].to_string().to_lowercase().contains("modif"), "no document knows such a member");
    let id = bodies[0][0]["contactId"].as_u64().unwrap();
    assert!(id > u64::from(u32::MAX));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_none_basic_or_a_key_s19() {
    let basic = PushAuth::Basic { user: "s360".into(), password: secret("p:w") };
    let key: PushAuth = serde_json::from_value(json!({"kind": "apikey", "value": "k-1"})).unwrap();
    for (auth, wanted) in [
        (PushAuth::None, None),
        (basic, Some(("authorization", "Basic czM2MDpwOnc="))),
        (key, Some(("x-api-key", "k-1"))),
    ] {
        let (sim, ear) = (sim(|_| ()), Ear::default());
        assert!(!format!("{auth:?}").contains("p:w") && !format!("{auth:?}").contains("k-1"));
        sim.set_receiver("ACME", Some(Receiver { url: "http://x.test".into(), auth }));
        let pusher = ear.pusher(&sim);
        add(&sim, "ACME", 1);
        pusher.run_once("ACME", Stream::Contacts).await;
        let headers = &ear.calls()[0].1;
        let sent =
            ["authorization", "x-api-key"].into_iter().find_map(|name| Some((name, headers.get(name)?.to_str().ok()?)));
        assert_eq!(sent, wanted);
        assert_eq!(headers["content-type"], "application/json;charset=UTF-8");
    }
}

#[tokio::test(start_paused = true)]
async fn only_final_orders_are_pushed_and_their_amounts_are_exact_s05_s25() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    let order = |fields: Value| sim.edit(&Edit::create("ACME.order", fields)).unwrap();
    order(json!({"orderState": "RUNNING", "saleAmount": 1}));
    let closed = order(json!({"orderState": "CLOSED", "saleAmount": i64::MAX, "optionAmount": i64::MIN}));
    let other = order(json!({"orderState": "RUNNING", "orderType": "SEASON_SWAP"}));
    sim.edit(&Edit::update("ACME.order", &other, json!({"orderState": "ABANDONNED"}))).unwrap();
    pusher.run_once("ACME", Stream::Orders).await;
    assert_eq!(ear.calls()[0].0, "/s360/orders/ACME");
    let text = String::from_utf8(ear.bodies()[0].to_vec()).unwrap();
    assert!(text.starts_with(r#"[{"orderDetailsData":{"orderId":"#));
    assert!(
        text.contains(r#""saleAmount":9223372036854775807"#) && text.contains(r#""optionAmount":-9223372036854775808"#)
    );
    let body: Vec<Value> = serde_json::from_str(&text).unwrap();
    let ids: Vec<u64> = body.iter().map(|one| one["orderDetailsData"]["orderId"].as_u64().unwrap()).collect();
    assert_eq!(ids.iter().map(u64::to_string).collect::<Vec<_>>(), [closed, other]);
    assert!(ids.iter().all(|id| *id > 1 << 53 && id % 2 == 1), "no float holds them");
    assert_eq!(body[1]["orderDetailsData"]["orderType"], "SEASON_SWAP");
    assert!(sim.edit(&Edit::create("ACME.order", json!({"saleAmount": 1.5}))).is_err());
}

#[tokio::test(start_paused = true)]
async fn payloads_can_be_bare_objects_and_flat_s13() {
    let (sim, ear) = (sim(|settings| settings.knobs.form = Form::Bare), Ear::default());
    let pusher = ear.pusher(&sim);
    sim.set_knobs(|knobs| knobs.wrap_orders = false);
    add(&sim, "ACME", 2);
    sim.edit(&Edit::create("ACME.order", json!({"orderState": "CLOSED"}))).unwrap();
    sim.edit(&Edit::create("ACME.check", json!({"barcode": "0123", "result": "FAIL"}))).unwrap();
    pusher.run_all().await;
    let bodies: Vec<Value> = ear.bodies().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
    assert_eq!(bodies.len(), 4);
    assert!(bodies[0]["contactNumber"].is_string() && bodies[2]["orderId"].is_u64());
    assert_eq!(bodies[3]["access_time"], "2026-11-21 08:00:00");
    assert_eq!(ear.calls()[3].0, "/s360/access/ACME");
}

#[tokio::test(start_paused = true)]
async fn the_first_day_is_included_contacts_by_change_orders_by_creation_s29_scenario_13() {
    let day = NaiveDate::from_ymd_opt(2026, 1, 10);
    let (sim, ear) = (
        sim(|settings| {
            settings.first_sync = day;
            settings.zone = Zone::fixed("there", 2 * 3600);
        }),
        Ear::default(),
    );
    let pusher = ear.pusher(&sim);
    // Midnight there is 22:00 UTC the day before.
    for (at, name) in
        [("2026-01-09T21:59:59.999Z", "before"), ("2026-01-09T22:00:00Z", "on"), ("2026-05-01T00:00:00Z", "after")]
    {
        sim.add_contact("ACME", person(name), at.parse().unwrap()).unwrap();
        let order = json!({"orderState": "CLOSED", "creationDateTime": at, "origin": name});
        sim.add_order("ACME", order).unwrap();
    }
    assert!(sim.ledger().is_empty() && pusher.run_once("ACME", Stream::Contacts).await == Run::default());
    sim.first_sync("ACME").unwrap();
    pusher.run_all().await;
    let bodies: Vec<Value> = ear.bodies().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
    let names: Vec<&str> = bodies[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["individualContact"]["lastName"].as_str().unwrap())
        .collect();
    let origins: Vec<&str> =
        bodies[1].as_array().unwrap().iter().map(|one| one["orderDetailsData"]["origin"].as_str().unwrap()).collect();
    assert_eq!((names, origins), (vec!["on", "after"], vec!["on", "after"]));
    // An old contact edited later is pushed, an old order finalised later is not.
    sim.edit(&Edit::update("ACME.contact", "100001", person("edited"))).unwrap();
    let old = sim.add_order("ACME", json!({"creationDateTime": "2025-12-31T12:00:00Z"})).unwrap();
    sim.edit(&Edit::update("ACME.order", old, json!({"orderState": "CLOSED"}))).unwrap();
    assert_eq!(pusher.run_once("ACME", Stream::Contacts).await.accepted(), 1);
    assert_eq!(pusher.run_once("ACME", Stream::Orders).await, Run::default());
}

#[tokio::test(start_paused = true)]
async fn a_merged_contact_is_gone_and_the_head_is_pushed() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    let numbers = add(&sim, "ACME", 2);
    let order = json!({"orderState": "CLOSED", "purchaserContactNumber": numbers[1]});
    let order = sim.edit(&Edit::create("ACME.order", order)).unwrap();
    pusher.run_all().await;
    sim.edit(&Edit::merge("ACME.contact", &numbers[1], &numbers[0])).unwrap();
    pusher.run_all().await;
    assert_eq!(ear.keys("contactNumber").last().unwrap(), &numbers[..1]);
    assert_eq!(
        refused(
            &sim,
            &format!("{CONTACTS}/getContactData"),
            json!({"contactNumber": numbers[1], "details": ["GENERAL"]})
        )
        .await,
        "notfound"
    );
    let found = sim.records("ACME.order").unwrap();
    assert_eq!(
        (found[0]["orderId"].to_string(), found[0]["purchaserContactNumber"].as_str()),
        (order, Some(&*numbers[0]))
    );
    assert!(sim.edit(&Edit::merge("ACME.contact", &numbers[0], &numbers[0])).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_timer_runs_every_m() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let cancel = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(ear.pusher(&sim).run(cancel.clone()));
    add(&sim, "ACME", 1);
    tokio::time::sleep(Duration::from_millis(15 * 60 * 1000 - 1)).await;
    assert!(ear.calls().is_empty());
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(ear.calls().len(), 1);
    cancel.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_dropped_half_way_loses_nothing() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let pusher = ear.pusher(&sim);
    let numbers = add(&sim, "ACME", 120);
    // The first is accepted, the second is not answered before the run is dropped.
    ear.answer(200, 1);
    ear.answer(0, 1);
    let run = pusher.run_once("ACME", Stream::Contacts);
    assert!(tokio::time::timeout(Duration::from_secs(1), run).await.is_err());
    let queue = sim.queue("ACME", Stream::Contacts).unwrap();
    assert_eq!((queue.accepted, queue.held.iter().map(|(keys, _)| keys.len()).collect::<Vec<_>>()), (50, vec![50, 20]));
    let run = pusher.run_once("ACME", Stream::Contacts).await;
    assert_eq!((run.accepted(), run.posts[0].attempt), (70, 1));
    assert_eq!(ear.keys("contactNumber")[2..].concat(), numbers[50..]);
    assert_eq!(sim.contact("ACME", &numbers[119]).unwrap()["individualContact"]["lastName"], "Person 119");
}
