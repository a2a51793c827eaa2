//! What settings, faults and editors change.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use strum::IntoEnumIterator as _;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::sim::fault::{FaultKind, FaultSpec};
use crate::sim::ivvy::{Contact, DuplicateAdd, Editor, Filtering, Order};
use crate::sim::ledger::Op;
use crate::sim::people::Population;

/// An account of 250 contacts in `order`.
fn crowd(order: Order) -> Bench {
    let bench = Bench::new(Settings { order, ..Settings::default() });
    bench.sim.load(&Population::generate(3, 250, 0));
    bench
}

async fn sweep(bench: &Bench) -> Vec<u64> {
    let mut ids = Vec::new();
    for start in [0, 100, 200, 300] {
        ids.extend(bench.page(start, 100, json!({})).await);
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn orders_page_as_they_say_17_3() {
    let by_id = sweep(&crowd(Order::Id)).await;
    assert_eq!(by_id.len(), 250);
    assert!(by_id.is_sorted());

    let bench = crowd(Order::Arbitrary);
    let arbitrary = sweep(&bench).await;
    assert_eq!(arbitrary.iter().collect::<BTreeSet<_>>().len(), 250);
    assert!(!arbitrary.is_sorted());
    assert_eq!(arbitrary, sweep(&bench).await);

    let shuffled = sweep(&crowd(Order::Shuffled)).await;
    assert_eq!(shuffled.len(), 250);
    assert!(shuffled.iter().collect::<BTreeSet<_>>().len() < 250, "pages of different orders overlap");

    let bench = crowd(Order::ModifiedDesc);
    let first = bench.page(0, 100, json!({})).await;
    let stamps: Vec<_> = first.iter().map(|id| bench.sim.contact(*id).unwrap().modified).collect();
    assert!(stamps.windows(2).all(|pair| pair[0] >= pair[1]));
    let last = sweep(&bench).await[249];
    bench.sim.edit(&Edit::update("contact", last, json!({"phone": "1"}))).unwrap();
    assert_eq!(bench.page(0, 100, json!({})).await[0], last);
    assert_eq!(bench.page(100, 100, json!({})).await[0], first[99], "the edit shifted the pages");
}

#[tokio::test(start_paused = true)]
async fn filters_work_as_documented_or_as_set() {
    let stamps = [1000, 2000, 3000].map(Timestamp::from_secs);
    let fill = |bench: &Bench| {
        for (index, modified) in stamps.into_iter().enumerate() {
            let external_id = if index == 0 { String::new() } else { format!("key{index}") };
            let id = 11 + index as u64;
            bench.sim.add_contact(Contact { id, external_id, modified, ..Contact::default() });
        }
    };
    let window = json!({"fromModifiedDate": "1970-01-01 00:16:40", "toModifiedDate": "1970-01-01 00:50:00 UTC"});
    let bench = Bench::new(Settings::default());
    fill(&bench);
    assert_eq!(bench.page(0, 9, window.clone()).await, [12], "bounds are outside");
    assert_eq!(bench.page(0, 9, json!({"externalId": "key2"})).await, [13]);
    assert_eq!(bench.page(0, 9, json!({"externalId": "KEY2"})).await, [0_u64; 0]);
    assert_eq!(bench.page(0, 9, json!({"externalId": "__ISNULL__"})).await, [11]);
    for wrong in [json!({"modifiedDate": "x"}), json!({"fromModifiedDate": "yesterday"})] {
        let body = json!({"perPage": 9, "start": 0, "filter": wrong});
        assert_eq!(codes(&bench.act("getContactList", body).await), (400, 23016));
    }
    let bench = Bench::new(Settings { inclusive_bounds: true, ..Settings::default() });
    fill(&bench);
    assert_eq!(bench.page(0, 9, window.clone()).await, [11, 12, 13]);
    let bench = Bench::new(Settings { filtering: Filtering::Ignore, ..Settings::default() });
    fill(&bench);
    assert_eq!(bench.page(0, 9, json!({"externalId": "key2"})).await.len(), 3);
    let bench = Bench::new(Settings { filtering: Filtering::Reject, ..Settings::default() });
    let body = json!({"perPage": 9, "start": 0, "filter": window});
    assert_eq!(codes(&bench.act("getContactList", body).await), (400, 23016));
}

#[tokio::test(start_paused = true)]
async fn adding_what_exists_follows_the_knob_17_5() {
    let add = json!({"firstName": "Ana", "lastName": "Guð", "email": "ana@example.is", "externalId": "k"});
    for knob in DuplicateAdd::iter() {
        let bench = Bench::new(Settings { duplicate_add: knob, ..Settings::default() });
        let first = bench.ok("addOrUpdateContact", add.clone()).await["id"].clone();
        let again = bench.act("addOrUpdateContact", add.clone()).await;
        match knob {
            DuplicateAdd::Refuse => assert_eq!((again.0, &again.1["success"]), (200, &json!(false))),
            DuplicateAdd::Allow => assert!(again.0 == 200 && again.1["id"] != first),
            DuplicateAdd::BadRequest => assert_eq!(codes(&again), (400, 0)),
        }
        let expected = if knob == DuplicateAdd::Allow { 2 } else { 1 };
        assert_eq!(bench.sim.ledger().creations("contact", "k"), expected);
        let same = json!({"firstName": "ANA", "lastName": "guð", "email": "Ana@example.is", "updateIfExists": 1});
        assert_eq!(bench.ok("addOrUpdateContact", same).await["id"], first);
        assert_eq!(bench.sim.ledger().count("contact", Op::Update), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn lists_lag_while_reads_do_not() {
    let bench = Bench::new(Settings { visibility: Duration::from_secs(5), ..Settings::default() });
    let add = json!({"firstName": "A", "lastName": "B", "email": "a@b.co", "externalId": "k"});
    let id = bench.ok("addOrUpdateContact", add).await["id"].as_u64().unwrap();
    assert_eq!(bench.ok("getContact", json!({"id": id})).await["firstName"], "A");
    assert_eq!(bench.page(0, 9, json!({"externalId": "k"})).await, [0_u64; 0]);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(bench.page(0, 9, json!({"externalId": "k"})).await, [id]);
    bench.ok("addOrUpdateContact", json!({"id": id, "externalId": "other"})).await;
    assert_eq!(bench.page(0, 9, json!({"externalId": "k"})).await, [id], "the old version is still listed");
    tokio::time::advance(Duration::from_secs(2)).await;
    bench.sim.edit(&Edit::delete("contact", id)).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(bench.page(0, 9, json!({"externalId": "other"})).await, [id], "deleted, yet listed");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(bench.page(0, 9, json!({})).await, [0_u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn noop_and_normaliser_follow_their_knobs() {
    for (noop_bumps, seconds) in [(true, 9), (false, 0)] {
        let bench = Bench::new(Settings { noop_bumps, normalise_emails: true, ..Settings::default() });
        let add = json!({"firstName": "A", "lastName": "B", "email": " A@B.co "});
        let id = bench.ok("addOrUpdateContact", add).await["id"].as_u64().unwrap();
        assert_eq!(bench.sim.contact(id).unwrap().email, "a@b.co");
        tokio::time::advance(Duration::from_secs(9)).await;
        bench.ok("addOrUpdateContact", json!({"id": id, "email": "A@b.co"})).await;
        assert_eq!(bench.sim.contact(id).unwrap().modified, start().plus(Duration::from_secs(seconds)));
        let effects = bench.sim.ledger().effects();
        assert_eq!(effects[0].hash, effects[1].hash, "an effect all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_speaks_ivvy() {
    for kind in FaultKind::iter() {
        let bench = Bench::new(Settings::default());
        bench.sim.faults().arm(FaultSpec::times(kind, "addOrUpdateContact", 1)).unwrap();
        assert_eq!(bench.page(0, 9, json!({})).await, [0_u64; 0], "other actions are spared");
        let add = json!({"firstName": "A", "lastName": "B", "email": "a@b.co"});
        let call = bench.call("/api/1.0/contact?action=addOrUpdateContact", &add);
        let answer = bench.send(&call).await;
        let effect = bench.sim.contacts().len() == 1;
        match kind {
            FaultKind::Throttle => assert!(codes(&answer.unwrap()) == (429, 0) && !effect),
            FaultKind::Race => assert!(codes(&answer.unwrap()) == (429, 24299) && !effect),
            FaultKind::ErrorBefore => assert!(codes(&answer.unwrap()) == (500, 0) && !effect),
            // iVvy has one kind of success: what this fault stands for elsewhere is an error here.
            FaultKind::ErrorAfter | FaultKind::OtherSuccess => {
                assert!(codes(&answer.unwrap()) == (500, 0) && effect, "{kind}");
            }
            FaultKind::NotFound => assert!(codes(&answer.unwrap()) == (404, 0) && !effect),
            FaultKind::Forbid => assert!(codes(&answer.unwrap()) == (403, 0) && !effect),
            FaultKind::Unauthorized => assert!(codes(&answer.unwrap()) == (401, 0) && !effect),
            FaultKind::DropBefore => assert!(matches!(answer, Err(TransportError::Unknown(_))) && !effect),
            FaultKind::DropAfter | FaultKind::Truncate => {
                assert!(matches!(answer, Err(TransportError::Unknown(_))) && effect, "{kind}");
            }
            FaultKind::Slow => {
                assert!(answer.unwrap().0 == 200 && effect);
                assert_eq!(bench.clock.now(), start().plus(Duration::from_secs(2)));
            }
            FaultKind::Html => assert!(answer.unwrap() == (200, Value::Null) && !effect),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_editor_works_at_its_rate_and_repeats_for_a_seed() {
    let run = async || {
        let bench = crowd(Order::Id);
        let cancel = CancellationToken::new();
        let working = tokio::spawn(Editor::new(&bench.sim, 60).run(cancel.clone()));
        tokio::time::sleep(Duration::from_secs(600)).await;
        cancel.cancel();
        working.await.unwrap();
        bench.sim.ledger().effects()
    };
    let effects = run().await;
    assert!((400..800).contains(&effects.len()), "{}", effects.len());
    assert!(effects.iter().all(|effect| effect.by == By::User));
    let kinds: BTreeSet<Op> = effects.iter().map(|effect| effect.op).collect();
    assert_eq!(kinds, [Op::Create, Op::Update, Op::Delete].into());
    assert_eq!(effects, run().await);
}

#[tokio::test(start_paused = true)]
async fn hostile_population_can_be_loaded_and_listed() {
    let bench = Bench::new(Settings::default());
    bench.sim.load(&Population::generate(1, 50, 20).hostile(1));
    let page = bench.ok("getContactList", json!({"perPage": 100, "start": 0})).await;
    let raw = page.to_string();
    assert!(raw.contains("\\u001b") && raw.contains('\u{202e}'), "hostile text passes through unchanged");
}
