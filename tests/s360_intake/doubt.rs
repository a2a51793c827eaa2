//! Payloads that had to wait: which of their records are news, and which must be asked for again (S-15 to S-17).

use super::*;

/// An intake in memory on a stream whose institution may be asked or not.
fn life_with(operator: bool) -> Life {
    let clock = clock();
    let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
    let mut streams = all_open(&["ACME"], &clock);
    streams.iter_mut().for_each(|stream| stream.operator = operator);
    Life::begin(store, &clock, streams)
}

fn asked(life: &Life) -> Vec<String> {
    let nudges = life.engine.store().read(|view| view.nudges(None, 100)).unwrap();
    nudges.into_iter().map(|nudge| nudge.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_had_to_wait_makes_its_known_records_doubtful_s16_s17() {
    let life = life_with(true);
    let post = async |name: &str| life.post("/s360/contacts/ACME", people(5..7, name)).await;
    assert_eq!(life.post("/s360/contacts/ACME", people(5..6, "Ada")).await, 200);
    assert_eq!(post("Eva").await, 200);
    assert_eq!(asked(&life), Vec::<String>::new(), "nothing failed: what comes is news");
    life.intake.pause(true);
    assert_eq!(post("Old").await, 503);
    life.intake.pause(false);
    assert_eq!(life.post("/s360/contacts/ACME", people(6..9, "Newer")).await, 200);
    assert_eq!(post("Old").await, 200);
    assert_eq!(asked(&life), ["ACME-5", "ACME-6"], "S-360 is asked of what was known, and of no newcomer");
    assert!(life.state(CONTACTS, "ACME").failing.is_empty(), "it came through");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_again_after_other_news_is_set_aside_where_nobody_can_be_asked_s16_scenario_09() {
    let life = life_with(false);
    let post = async |name: &str| life.post("/s360/contacts/ACME", people(5..6, name)).await;
    for _ in 0..3 {
        assert_eq!(post("Ada").await, 200);
    }
    assert_eq!(life.quarantined(CONTACTS, "ACME"), [], "a plain repetition has no effect");
    assert_eq!(post("Eva").await, 200);
    for _ in 0..3 {
        assert_eq!(post("Ada").await, 200);
    }
    let aside = life.quarantined(CONTACTS, "ACME");
    assert_eq!((aside.len(), aside[0].id.as_deref()), (1, Some("5")), "once, however often it comes");
    assert!(aside[0].why.starts_with("it came again after other news of it"), "{}", aside[0].why);
    assert_eq!(life.state(CONTACTS, "ACME").quarantined, 1);
    assert_eq!(body_of(&life, "ACME-5")["individualContact"]["firstName"], "Eva", "a person decides");
    let stream = StreamId::new(CONTACTS, "ACME");
    assert_eq!(retry(&life.engine, &stream, aside[0].number, operator()).await.unwrap(), Retried::Taken);
    assert_eq!(body_of(&life, "ACME-5")["individualContact"]["firstName"], "Ada");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_again_later_is_newer_than_what_was_set_aside_s15() {
    let hand = HandClock::new();
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as Arc<dyn Clock>;
    let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
    let life = Life::begin(store, &clock, all_open(&["ACME"], &clock));
    let stream = StreamId::new(CONTACTS, "ACME");
    assert_eq!(life.post("/s360/contacts/ACME", people(5..6, "Second")).await, 200);
    hand.pass(Duration::from_secs(60));
    // It cannot be taken now, and could be once the other one is no longer there.
    let third = json!([{"contactNumber": "5", "structureContact": {"name": "Hall"}}]);
    assert_eq!(life.post("/s360/contacts/ACME", third.to_string()).await, 200);
    let number = life.quarantined(CONTACTS, "ACME")[0].number;
    let older = Quarantined {
        number: 0,
        body: person("5", "Third").to_string(),
        ..life.quarantined(CONTACTS, "ACME").remove(0)
    };
    let again = life.engine.store().write(move |tx| tx.quarantine(&older)).await.unwrap();
    hand.pass(Duration::from_secs(60));
    let told = format!("{} ", people(5..6, "Second"));
    assert_eq!(life.post("/s360/contacts/ACME", told).await, 200);
    assert_eq!(retry(&life.engine, &stream, again, operator()).await.unwrap(), Retried::Taken);
    assert_eq!(body_of(&life, "ACME-5")["individualContact"]["firstName"], "Second");
    assert!(matches!(retry(&life.engine, &stream, number, operator()).await.unwrap(), Retried::StillBroken(_)));

    let gone = tandem::model::Shelved { gone: true, ..life.shelved(ModuleId::Contacts, "ACME-5").unwrap() };
    let late = Quarantined {
        number: 0,
        at: clock.now(),
        body: person("5", "Late").to_string(),
        ..life.quarantined(CONTACTS, "ACME").remove(0)
    };
    let now = clock.now();
    let late =
        life.engine.store().write(move |tx| tx.shelve(&gone, now).and_then(|_| tx.quarantine(&late))).await.unwrap();
    let said = retry(&life.engine, &stream, late, operator()).await.unwrap();
    assert_eq!(said, Retried::StillBroken("its record is no longer there".to_owned()));
    life.end().await;
}
