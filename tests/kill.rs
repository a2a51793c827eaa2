//! `kill -9` at random moments of a busy life, again and again (`reliability.md` 1.4): the real program
//! as a child, two simulated systems in this process, colleagues and an operator at work throughout.
//!
//! `TANDEM_KILLS` sets the number of kills (25 unless set), `TANDEM_KILL_SEED` the seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "seed and figures are for people")]

mod kill_support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kill_support::hands::Hands;
use kill_support::operator::{Operator, drain};
use kill_support::oracle::{Beginning, Found, check};
use kill_support::{Home, Town};
use tandem::seam::Entropy;
use tandem::sim::fault::{FaultKind, FaultSpec, Faults};
use tandem::wire::{Answer, Request};

/// Kills between two looks at everything.
const BETWEEN_CHECKS: u64 = 50;
/// Longest life after the moment the clock starts.
const LONGEST_LIFE: Duration = Duration::from_millis(800);
const PEOPLE: usize = 150;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kill_9_i1_i2_i5_i6_i13_i17() {
    let kills = number("TANDEM_KILLS", 25);
    let seed = number("TANDEM_KILL_SEED", Entropy::from_system().next());
    eprintln!("TANDEM_KILL_SEED={seed} TANDEM_KILLS={kills}");
    let started = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let town = Town::peopled(seed, PEOPLE).await;
    let dice = Entropy::seeded(seed);
    let births = kills / 8;
    for birth in 0..births {
        kill_while_the_store_is_made(&town, &directory.path().join(format!("birth{birth}")), &dice).await;
    }

    let home = town.configure(directory.path(), |_| {});
    let beginning = Beginning::of(&town);
    let mut hands = Hands::new(Entropy::seeded(dice.next()));
    let mut operator = Operator::new(Entropy::seeded(dice.next()));
    let mut found = Found::default();
    let mut lives = Lives::default();
    for kill in 1..=kills - births {
        arm(town.ivvy.faults(), &dice);
        arm(town.crm.faults(), &dice);
        live_and_die(&home, &town, &mut hands, &mut operator, &dice, &mut lives).await;
        if kill % BETWEEN_CHECKS == 0 || kill == kills - births {
            found = come_to_rest(&home, &town, &beginning, &hands, &mut operator).await;
        }
    }
    eprintln!(
        "{kills} kills ({births} at the store's creation, {} before the socket answered), {} edits ({} creations), \
         {} decisions acknowledged of {} sent, {} refused, {} chosen values in force; {} records created and {} written by the engine; \
         {} pairs, {} in step, {} shown to people; {} s",
        lives.before_answer,
        hands.made,
        hands.created,
        found.decisions,
        operator.sent.len(),
        operator.refused,
        found.choices,
        found.creates,
        found.writes,
        found.pairs,
        found.in_step,
        found.shown,
        started.elapsed().as_secs(),
    );
    assert!(found.pairs > PEOPLE / 2 && hands.made > kills && found.creates > 0, "the test did not do its work");
}

#[derive(Debug, Default)]
struct Lives {
    before_answer: u64,
}

/// One life of the daemon, with everybody at work, ended at a random moment.
async fn live_and_die(
    home: &Home,
    town: &Town,
    hands: &mut Hands,
    operator: &mut Operator,
    dice: &Entropy,
    lives: &mut Lives,
) {
    // Microseconds, so that the first ones are hit too.
    let moment = Duration::from_micros(500 + dice.below(u64::try_from(LONGEST_LIFE.as_micros()).unwrap()));
    let from_answer = dice.chance(2, 3);
    let daemon = home.start();
    let edits = AtomicU64::new(hands.made);
    let life = async {
        if from_answer {
            home.client().await;
        }
        tokio::time::sleep(moment).await;
    };
    tokio::select! {
        biased;
        () = life => {}
        () = hands.work(town, &edits) => {}
        () = operator.work(home, || edits.load(Ordering::Relaxed)) => {}
    }
    daemon.kill();
    lives.before_answer += u64::from(!from_answer);
}

/// Up to two faults, of any kind, on any call.
fn arm(faults: &Faults, dice: &Entropy) {
    use FaultKind::*;
    let kinds = [
        Throttle,
        Race,
        ErrorBefore,
        ErrorAfter,
        ErrorAfter,
        DropBefore,
        DropAfter,
        DropAfter,
        Slow,
        Html,
        Truncate,
        Truncate,
        Forbid,
        Unauthorized,
    ];
    faults.clear();
    for _ in 0..dice.below(3) {
        let kind = kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap()];
        // Half of them wait for a write: reads are far more frequent.
        let of_writes = ["", "Update", "PATCH", "POST /services/data"][usize::try_from(dice.below(4)).unwrap()];
        let times = u32::try_from(1 + dice.below(2)).unwrap();
        faults.arm(FaultSpec { ms: Some(50 + dice.below(400)), ..FaultSpec::times(kind, of_writes, times) }).unwrap();
    }
}

/// Lets everything come to rest, and looks.
async fn come_to_rest(
    home: &Home,
    town: &Town,
    beginning: &Beginning,
    hands: &Hands,
    operator: &mut Operator,
) -> Found {
    town.ivvy.faults().clear();
    town.crm.faults().clear();
    let daemon = home.start();
    drain(home, town, operator, hands.made).await;
    let client = home.client().await;
    match client.call(Request::Doctor { rebuild: false }).await.unwrap() {
        Answer::Doctor { findings, .. } => assert!(findings.is_empty(), "{findings:?}"),
        other => panic!("{other:?}"),
    }
    drop(client);
    let verified = home.run_aside(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    daemon.stop().await;
    let doctor = home.run_aside(&["doctor"]).await;
    assert_eq!((doctor.code, doctor.out.trim()), (Some(0), "everything fits"), "{doctor:?}");
    check(home, town, beginning, hands, operator)
}

/// A daemon that is killed while it makes its store leaves nothing that the next one cannot open.
async fn kill_while_the_store_is_made(town: &Town, directory: &std::path::Path, dice: &Entropy) {
    std::fs::create_dir(directory).unwrap();
    let home = town.configure(directory, |_| {});
    let daemon = home.start();
    tokio::time::sleep(Duration::from_micros(500 + dice.below(120_000))).await;
    daemon.kill();
    let next = home.start();
    home.client().await;
    next.stop().await;
    let doctor = home.run_aside(&["doctor"]).await;
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
}
