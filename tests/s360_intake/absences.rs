//! How long we were away, and when that may have lost records (S-17).

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_longer_than_the_senders_patience_may_have_lost_records_s17_scenario_14() {
    let hand = HandClock::new();
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as Arc<dyn Clock>;
    let place = Place::new();
    let began = clock.now();
    let live = async |post: bool| {
        let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
        if post {
            let name = format!("N{}", clock.now().millis());
            assert_eq!(life.post("/s360/contacts/ACME", people(0..1, &name)).await, 200);
        }
        let state = life.state(CONTACTS, "ACME");
        assert_eq!(life.state(ORDERS, "ACME").possible_loss, None, "nothing ever came there");
        life.end().await;
        state
    };
    live(true).await;
    hand.pass(RHYTHM.horizon() - Duration::from_secs(60));
    assert_eq!(live(true).await.possible_loss, None, "the last try came through");
    let last = clock.now();
    hand.pass(Duration::from_secs(4 * 60 * 60));
    let state = live(false).await;
    assert_eq!(state.possible_loss, Some(Gap { from: last, to: clock.now() }));
    assert!(state.health(clock.now(), &RHYTHM).possible_loss);
    assert!(last > began && state.outage_at == Some(clock.now()));
    // It stays until somebody has dealt with it.
    hand.pass(Duration::from_secs(60));
    assert!(live(true).await.possible_loss.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_institution_loses_nothing_by_a_short_restart_s17() {
    let hand = HandClock::new();
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as Arc<dyn Clock>;
    let place = Place::new();
    let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    assert_eq!(life.post("/s360/contacts/ACME", people(0..1, "Ada")).await, 200);
    life.end().await;
    // Seven quiet hours, with the daemon there again and again, never away for as long as a run.
    for _ in 0..30 {
        hand.pass(Duration::from_secs(14 * 60));
        Life::begin(place.open(), &clock, all_open(&["ACME"], &clock)).end().await;
    }
    hand.pass(Duration::from_secs(60));
    let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    assert_eq!(life.state(CONTACTS, "ACME").possible_loss, None);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_slept_is_as_if_we_had_been_away_s17() {
    let hand = HandClock::new();
    let clock: Arc<dyn Clock> = Arc::clone(&hand) as Arc<dyn Clock>;
    let place = Place::new();
    let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    assert_eq!(life.post("/s360/contacts/ACME", people(0..1, "Ada")).await, 200);
    let last = clock.now();
    // Asleep in the middle of a life; the next note that we are there shows it.
    hand.pass(Duration::from_secs(4 * 60 * 60));
    life.end().await;
    let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    assert_eq!(life.state(CONTACTS, "ACME").possible_loss, Some(Gap { from: last, to: clock.now() }));
    life.end().await;
}
