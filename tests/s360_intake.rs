//! What S-360 posts to us, over real HTTP: taken whole or not at all, and once (S-12 to S-17, S-22,
//! S-23; scenarios 7 to 10, 12, 14 and 16).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "s360_intake/absences.rs"]
mod absences;
#[path = "store_support/disk.rs"]
#[allow(dead_code, reason = "the power is cut elsewhere")]
mod disk;
#[path = "s360_intake/doubt.rs"]
mod doubt;
mod intake_support;
#[path = "s360_intake/runs.rs"]
mod runs;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use http::{Request, Response};
use intake_support::{HandClock, HastyClock, Life, PATIENCE, Place, RHYTHM, all_open, people, person};
use serde_json::{Value, json};
use sha2::Digest as _;
use tandem::inbound::s360::{Retried, dismiss, retry};
use tandem::model::query::AuditQuery;
use tandem::model::{Actor, AuditEvent, Gap, ModuleId, Quarantined, Role, StreamId, StreamKind};
use tandem::remote::transport::{Limits, Transport, TransportError};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::s360::{Account, Knobs, PushAuth, Receiver as Target, S360Sim, Settings, Stream as Pushed};
use tandem::store::{Options, Reads as _, Store};

const CONTACTS: StreamKind = StreamKind::S360Contacts;
const ORDERS: StreamKind = StreamKind::S360Orders;
const ACCESS: StreamKind = StreamKind::S360Access;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// An intake for anybody, in memory.
fn life(tenants: &[&str]) -> Life {
    let clock = clock();
    let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
    let streams = all_open(tenants, &clock);
    Life::begin(store, &clock, streams)
}

fn operator() -> Actor {
    Actor { name: "ana".to_owned(), uid: Some(1000), role: Role::Admin }
}

fn body_of(life: &Life, id: &str) -> Value {
    serde_json::from_str(&life.shelved(ModuleId::Contacts, id).unwrap().body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_record_of_fifty_is_set_aside_and_the_others_are_taken_s15_scenario_07() {
    let life = life(&["ACME"]);
    let mut batch: Vec<Value> = (1..=50).map(|number| person(&number.to_string(), "Ada")).collect();
    batch[17]["contactNumber"] = json!("not a number");
    let said = life.send("POST", "/s360/contacts/ACME", &[], Value::Array(batch.clone()).to_string()).await;
    assert_eq!((said.status, said.body.as_str()), (200, ""), "exactly 200, and empty");
    assert_eq!(life.shelf(ModuleId::Contacts).len(), 49);
    let aside = life.quarantined(CONTACTS, "ACME");
    assert_eq!((aside.len(), aside[0].index, aside[0].id.as_deref()), (1, 17, Some("not a number")));
    assert_eq!(aside[0].why, "its contactNumber is not 1 to 20 letters, digits, - and _");
    assert_eq!(serde_json::from_str::<Value>(&aside[0].body).unwrap(), batch[17], "as it came");
    let state = life.state(CONTACTS, "ACME");
    assert_eq!((state.payloads, state.records, state.quarantined, state.bare), (1, 50, 1, 0));
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_set_aside_is_tried_again_or_let_go_by_a_person_s15() {
    let life = life(&["ACME"]);
    let stream = StreamId::new(CONTACTS, "ACME");
    assert_eq!(life.post("/s360/contacts/ACME", r#"[{"individualContact":{}}]"#).await, 200);
    // As an older program might have left them: records that can be read today.
    let older = |body: Value, at| Quarantined {
        number: 0,
        stream: stream.clone(),
        at,
        index: 0,
        id: None,
        why: "not understood then".to_owned(),
        body: body.to_string(),
    };
    let rows = [
        older(person("7", "Ada"), tandem::model::Timestamp::from_secs(1)),
        older(
            json!({"contactNumber": "8", "individualContact": {"firstName": "Old"}, "indicators": [1]}),
            tandem::model::Timestamp::from_secs(1),
        ),
    ];
    let put = rows.clone();
    let numbers = life
        .engine
        .store()
        .write(move |tx| put.iter().map(|row| tx.quarantine(row)).collect::<Result<Vec<_>, _>>())
        .await
        .unwrap();
    assert_eq!(life.post("/s360/contacts/ACME", Value::Array(vec![person("8", "Newer")]).to_string()).await, 200);
    let again = |number| retry(&life.engine, &stream, number, operator());
    assert_eq!(again(1).await.unwrap(), Retried::StillBroken("it has no contactNumber".to_owned()));
    assert_eq!(again(99).await.unwrap(), Retried::Missing);
    assert_eq!(again(numbers[0]).await.unwrap(), Retried::Taken);
    assert_eq!(again(numbers[0]).await.unwrap(), Retried::Missing);
    assert_eq!(again(numbers[1]).await.unwrap(), Retried::Taken);
    assert_eq!(body_of(&life, "ACME-7"), person("7", "Ada"));
    let merged = body_of(&life, "ACME-8");
    assert_eq!(merged["individualContact"]["firstName"], "Newer", "what was told since stays");
    assert_eq!(merged["indicators"], json!([1]), "and what was not is filled in");
    assert!(dismiss(&life.engine, &stream, 1, operator()).await.unwrap());
    assert!(!dismiss(&life.engine, &stream, 1, operator()).await.unwrap());
    assert_eq!(life.quarantined(CONTACTS, "ACME"), []);
    let rows =
        life.engine.store().read(|view| view.audit(&AuditQuery { limit: 100, ..AuditQuery::default() })).unwrap();
    let done: Vec<(String, bool)> = rows
        .into_iter()
        .filter_map(|row| match row.what {
            AuditEvent::Operated { what } => Some((what, row.actor.name == "ana" && row.at.millis() > 0)),
            _ => None,
        })
        .collect();
    assert_eq!(done.len(), 3, "{done:?}");
    assert!(done.iter().all(|(what, who)| *who && what.contains("s360_contacts/ACME") && !what.contains("Ada")));
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_batch_of_the_stream_is_refused_and_nothing_of_it_stored_s12_s13() {
    let life = life(&["ACME"]);
    let contact = person("5", "Ada").to_string();
    let order = r#"{"orderDetailsData":{"orderId":9007199254740993,"orderState":"CLOSED"}}"#;
    let cases = [
        ("contacts", "[]".to_owned(), 200),
        ("contacts", String::new(), 400),
        ("contacts", "not json".to_owned(), 400),
        ("contacts", format!("[{contact}]x"), 400),
        ("contacts", "[1,2,3]".to_owned(), 400),
        ("contacts", format!("[{order}]"), 400),
        ("orders", format!("[{contact}]"), 400),
        ("access", format!("[{contact}]"), 400),
    ];
    for (stream, body, status) in &cases {
        let said = life.send("POST", &format!("/s360/{stream}/ACME"), &[], body.clone()).await;
        assert_eq!(said.status, *status, "{stream} {body}");
        assert_eq!(said.body.is_empty(), *status == 200, "a refusal says why: {said:?}");
        assert!(!said.body.contains("Example"), "and nothing of what was posted: {said:?}");
    }
    for module in [ModuleId::Contacts, ModuleId::Companies, ModuleId::Orders] {
        assert_eq!(life.shelf(module), []);
    }
    let state = life.until(CONTACTS, "ACME", |state| state.refused == 5).await;
    assert_eq!((state.payloads, state.records, state.quarantined), (1, 0, 0));
    assert_eq!(state.last_error.as_deref(), Some("no record of the batch is one of this stream"));
    assert!(state.outage_at.is_some());

    // Both forms of an order, exact to the last digit; a single object, and that it was one.
    assert_eq!(life.post("/s360/orders/ACME", format!("[{order},{{\"orderId\":9007199254740992}}]")).await, 200);
    assert_eq!(life.post("/s360/orders/ACME", "{\"orderId\":9007199254740994}").await, 200);
    let orders: Vec<String> = life.shelf(ModuleId::Orders).into_iter().map(|row| row.id.to_string()).collect();
    assert_eq!(orders, ["ACME-9007199254740993", "ACME-9007199254740992", "ACME-9007199254740994"]);
    let state = life.state(ORDERS, "ACME");
    assert_eq!((state.payloads, state.records, state.bare), (2, 3, 1));
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_institutions_and_streams_are_the_same_404_and_codes_are_exact_s12() {
    let clock = clock();
    let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
    let streams = all_open(&["ACME"], &clock).into_iter().filter(|stream| stream.id.kind != ORDERS).collect();
    let life = Life::begin(store, &clock, streams);
    let batch = people(0..1, "Ada");
    let ask = |path: &'static str| life.send("POST", path, &[], batch.clone());
    let unknown = ask("/s360/contacts/NOBODY").await;
    assert_eq!((unknown.status, unknown.body.as_str()), (404, ""));
    for path in ["/s360/orders/ACME", "/s360/contacts/acme", "/s360/contacts/ACME%20", "/s360/contacts/%FF"] {
        let said = ask(path).await;
        assert_eq!((said.status, &said.body), (unknown.status, &unknown.body), "{path}");
    }
    assert_eq!(life.send("GET", "/s360/contacts/ACME", &[], "").await.status, 405);
    assert_eq!(life.shelf(ModuleId::Contacts), []);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_above_eight_mebibytes_is_413_and_one_below_is_taken_s13() {
    let life = life(&["ACME"]);
    let padded = |bytes: usize| {
        let mut body = people(0..50, "Ada");
        let pad = bytes - body.len();
        body.push_str(&" ".repeat(pad));
        body
    };
    let said = life.send("POST", "/s360/contacts/ACME", &[], padded(8 * 1024 * 1024 + 1)).await;
    assert_eq!((said.status, said.body.as_str()), (413, "the body is larger than 8 MiB"));
    assert_eq!(life.shelf(ModuleId::Contacts), []);
    assert_eq!(life.post("/s360/contacts/ACME", padded(8 * 1024 * 1024)).await, 200);
    assert_eq!(life.shelf(ModuleId::Contacts).len(), 50);
    life.until(CONTACTS, "ACME", |state| state.refused == 1).await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_does_not_end_is_answered_in_time_and_has_left_nothing_s14() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let clock: Arc<dyn Clock> = Arc::new(HastyClock);
    let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
    let life = Life::begin(store, &clock, all_open(&["ACME"], &clock));
    let mut slow = tokio::net::TcpStream::connect(life.receiver.addr()).await.unwrap();
    let half = "POST /s360/contacts/ACME HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[{\"contactNumber\"";
    slow.write_all(half.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let read = tokio::time::timeout(PATIENCE, slow.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after: 60"), "{answer}");
    assert_eq!(life.shelf(ModuleId::Contacts), []);
    life.until(CONTACTS, "ACME", |state| state.unstored == 1).await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_payload_has_one_effect_however_often_it_comes_s16_scenario_09() {
    let life = life(&["ACME"]);
    let first = people(0..50, "Ada");
    for _ in 0..12 {
        assert_eq!(life.post("/s360/contacts/ACME", first.clone()).await, 200);
    }
    let state = life.state(CONTACTS, "ACME");
    assert_eq!((state.payloads, state.records, state.repeated), (1, 50, 11));
    let before = life.shelf(ModuleId::Contacts);
    // The same records in another order, with their members in another order: new bytes, nothing new.
    let mut records: Vec<Value> = (0..50).map(|number| person(&number.to_string(), "Ada")).collect();
    records.reverse();
    let turned =
        |record: &Value| -> Value { Value::Object(record.as_object().unwrap().clone().into_iter().rev().collect()) };
    let other: Vec<Value> = records.iter().map(turned).collect();
    assert_eq!(life.post("/s360/contacts/ACME", Value::Array(other).to_string()).await, 200);
    assert_eq!(life.shelf(ModuleId::Contacts), before);
    // Newer content moves the record, and a part that is absent stays.
    let newer = json!([{"contactNumber": "7", "individualContact": {"firstName": "Eva", "lastName": "Example"}}]);
    assert_eq!(life.post("/s360/contacts/ACME", newer.to_string()).await, 200);
    let moved = life.shelf(ModuleId::Contacts).pop().unwrap();
    assert_eq!(moved.id.as_str(), "ACME-7");
    assert!(moved.at > before.last().unwrap().at);
    assert_eq!(body_of(&life, "ACME-7"), {
        let mut whole = person("7", "Ada");
        whole["individualContact"]["firstName"] = json!("Eva");
        whole
    });
    // The first payload once more, late: nothing goes back, and S-360 is to be asked who is right.
    assert_eq!(life.post("/s360/contacts/ACME", first).await, 200);
    assert_eq!(body_of(&life, "ACME-7")["individualContact"]["firstName"], "Eva");
    assert_eq!(life.state(CONTACTS, "ACME").repeated, 12);
    let asked = life.engine.store().read(|view| view.nudges(None, 9)).unwrap();
    let asked: Vec<&str> = asked.iter().map(|nudge| nudge.id.as_str()).collect();
    assert_eq!(asked, ["ACME-7"], "of the one that was told otherwise since, and of no other");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_senders_of_one_payload_at_once_have_one_effect_s16() {
    let place = Place::new();
    let clock = clock();
    let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    let batch = people(0..50, "Ada");
    let statuses = join_all((0..8).map(|_| life.post("/s360/contacts/ACME", batch.clone()))).await;
    assert_eq!(statuses, [200; 8]);
    let state = life.state(CONTACTS, "ACME");
    assert_eq!((state.payloads, state.records, state.repeated), (1, 50, 7));
    assert_eq!(life.shelf(ModuleId::Contacts).len(), 50);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_number_of_the_other_kind_is_set_aside_s03() {
    let life = life(&["ACME"]);
    assert_eq!(life.post("/s360/contacts/ACME", people(5..6, "Ada")).await, 200);
    let structure = json!([{"contactNumber": "5", "structureContact": {"name": "Hall"}}, {"contactNumber": "6", "structureContact": {"name": "Hall"}}]);
    assert_eq!(life.post("/s360/contacts/ACME", structure.to_string()).await, 200);
    assert_eq!(life.shelf(ModuleId::Companies).len(), 1);
    assert_eq!(life.quarantined(CONTACTS, "ACME").len(), 1);
    assert_eq!(body_of(&life, "ACME-5")["individualContact"]["firstName"], "Ada");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_at_the_gates_are_kept_once_each_and_on_no_shelf_s12() {
    let life = life(&["ACME"]);
    let check = |id: u64| json!({"ticket_check_id": id, "access_time": "2026-02-09 18:25:10", "check_flow": "IN"});
    let batch = json!([check(1), check(2), check(1), {"ticket_check_id": 1.5}]);
    assert_eq!(life.post("/s360/access/ACME", batch.to_string()).await, 200);
    assert_eq!(life.post("/s360/access/ACME", json!([check(2)]).to_string()).await, 200);
    let stream = StreamId::new(ACCESS, "ACME");
    let kept = |number| life.engine.store().read(|view| view.access_check(&stream, number)).unwrap();
    assert!(kept(1).is_some() && kept(2).is_some() && kept(3).is_none());
    assert_eq!(life.quarantined(ACCESS, "ACME").len(), 1);
    for module in ModuleId::ALL {
        assert_eq!(life.shelf(module), []);
    }
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_institutions_with_the_same_numbers_never_meet_s01_scenario_16() {
    let life = life(&["ACME", "GLOBE"]);
    let bad = r#"{"contactNumber":"a b"}"#;
    let batch = |name: &str| format!("[{},{bad}]", person("5", name));
    assert_eq!(life.post("/s360/contacts/ACME", batch("Ada")).await, 200);
    // Byte for byte the same, and not the same payload.
    assert_eq!(life.post("/s360/contacts/GLOBE", batch("Ada")).await, 200);
    assert_eq!(life.post("/s360/contacts/GLOBE", batch("Eva")).await, 200);
    assert_eq!(body_of(&life, "ACME-5")["individualContact"]["firstName"], "Ada");
    assert_eq!(body_of(&life, "GLOBE-5")["individualContact"]["firstName"], "Eva");
    let states = ["ACME", "GLOBE"].map(|tenant| life.state(CONTACTS, tenant));
    assert_eq!(states.each_ref().map(|state| (state.payloads, state.records, state.repeated)), [(1, 2, 0), (2, 4, 0)]);
    let aside = ["ACME", "GLOBE"].map(|tenant| life.quarantined(CONTACTS, tenant));
    assert_eq!(aside.each_ref().map(Vec::len), [1, 2]);
    let other = StreamId::new(CONTACTS, "ACME");
    let number = aside[1][0].number;
    assert_eq!(retry(&life.engine, &other, number, operator()).await.unwrap(), Retried::Missing);
    assert!(!dismiss(&life.engine, &other, number, operator()).await.unwrap());
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_is_503_and_the_same_payload_is_taken_once_by_the_next_life_s14_scenario_08() {
    let clock = clock();
    let batch = people(0..50, "Ada");
    let lives = [disk::Disk::new(7), disk::Disk::limited(2_400_000)];
    for (index, disk) in lives.into_iter().enumerate() {
        let store = Store::open_backend(disk.clone(), Options::default()).unwrap();
        let life = Life::begin(store, &clock, all_open(&["ACME"], &clock));
        let mut said = life.send("POST", "/s360/contacts/ACME", &[], people(100..101, "Eva")).await;
        assert_eq!(said.status, 200, "{said:?}");
        if index == 0 {
            disk.arm(1);
            said = life.send("POST", "/s360/contacts/ACME", &[], batch.clone()).await;
        } else {
            // The disk fills up.
            for turn in 0..200 {
                said =
                    life.send("POST", "/s360/contacts/ACME", &[], people(1000 * turn..1000 * turn + 500, "Bo")).await;
                if said.status != 200 {
                    break;
                }
            }
            said = life.send("POST", "/s360/contacts/ACME", &[], batch.clone()).await;
        }
        assert_eq!((said.status, said.headers["retry-after"].to_str().unwrap()), (503, "60"));
        assert_eq!(said.body, "it could not be stored");
        drop(life);

        let disk = if index == 0 { disk.after_the_cut() } else { disk.moved_to(None) };
        let store = Store::open_backend(disk, Options::default()).unwrap();
        let life = Life::begin(store, &clock, all_open(&["ACME"], &clock));
        assert!(life.shelved(ModuleId::Contacts, "ACME-100").is_some(), "what was answered 200 is there");
        let payloads = life.state(CONTACTS, "ACME").payloads;
        for _ in 0..2 {
            assert_eq!(life.post("/s360/contacts/ACME", batch.clone()).await, 200);
        }
        let state = life.state(CONTACTS, "ACME");
        assert!(state.payloads + state.repeated == payloads + 2 && state.repeated >= 1, "{state:?}");
        assert_eq!(body_of(&life, "ACME-7"), person("7", "Ada"));
        life.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_intake_has_everything_come_again_s15() {
    let life = life(&["ACME"]);
    life.intake.pause(true);
    let said = life.send("POST", "/s360/contacts/ACME", &[], people(0..1, "Ada")).await;
    assert_eq!((said.status, said.headers["retry-after"].to_str().unwrap()), (503, "60"));
    life.until(CONTACTS, "ACME", |state| state.unstored == 1 && state.outage_at.is_some()).await;
    life.intake.pause(false);
    assert_eq!(life.post("/s360/contacts/ACME", people(0..1, "Ada")).await, 200);
    assert_eq!(life.state(CONTACTS, "ACME").repeated, 0);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_that_does_not_say_what_it_is_goes_where_its_number_is_known_s03() {
    let life = life(&["ACME"]);
    let hall = json!([{"contactNumber": "9", "structureContact": {"name": "Hall"}}]);
    assert_eq!(life.post("/s360/contacts/ACME", hall.to_string()).await, 200);
    let parts = json!([{"contactNumber": "9", "indicators": [1]}, {"contactNumber": "10", "indicators": [1]}]);
    assert_eq!(life.post("/s360/contacts/ACME", parts.to_string()).await, 200);
    assert_eq!(life.shelf(ModuleId::Contacts), []);
    let company = life.shelved(ModuleId::Companies, "ACME-9").unwrap();
    assert!(company.body.contains("indicators") && company.body.contains("Hall"));
    let aside = life.quarantined(CONTACTS, "ACME");
    assert_eq!((aside.len(), aside[0].id.as_deref()), (1, Some("10")));
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_are_known_again_for_eight_days_and_checks_kept_for_ninety_s16() {
    let day = Duration::from_secs(24 * 60 * 60);
    let hand = HandClock::new();
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as Arc<dyn Clock>;
    let place = Place::new();
    let check = |number: u64| json!([{"ticket_check_id": number}]).to_string();
    let live = async |name: &str, number: u64| {
        let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
        assert_eq!(life.post("/s360/contacts/ACME", people(0..1, name)).await, 200);
        assert_eq!(life.post("/s360/access/ACME", check(number)).await, 200);
        life.end().await;
    };
    // The engine runs until this much is left. What goes, goes in one transaction, so whatever stays was spared.
    let left = async |expected: [bool; 4]| {
        let engine = intake_support::engine(place.open(), Arc::clone(&clock));
        let stop = tokio_util::sync::CancellationToken::new();
        let running = tokio::spawn({
            let (engine, stop) = (engine.clone(), stop.clone());
            async move { engine.run(stop).await }
        });
        let payload = |name: &str| {
            let (stream, body) = (StreamId::new(CONTACTS, "ACME"), people(0..1, name));
            let digest: [u8; 32] =
                sha2::Sha256::digest([&[CONTACTS.number()], &b"ACME\0"[..], body.as_bytes()].concat()).into();
            engine.store().read(|view| view.is_payload_known(&stream, &digest)).unwrap()
        };
        let stream = StreamId::new(ACCESS, "ACME");
        let check = |number| engine.store().read(|view| view.access_check(&stream, number)).unwrap().is_some();
        let looked = || [payload("Ada"), payload("Eva"), check(1), check(2)];
        let started = std::time::Instant::now();
        while looked() != expected {
            assert!(started.elapsed() < PATIENCE, "never: {:?}", looked());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        let closed = engine.store().closed();
        drop(engine);
        closed.await;
    };
    live("Ada", 1).await;
    hand.pass(day * 7);
    live("Eva", 2).await;
    hand.pass(day * 2);
    left([false, true, true, true]).await;
    hand.pass(day * 82);
    left([false, false, false, true]).await;
}
