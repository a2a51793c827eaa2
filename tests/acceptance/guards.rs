//! What stops the engine: the bulk guard, two systems at odds, decisions that take two people, and a
//! module that fails while the other goes on.

use std::collections::BTreeMap;

use tandem::model::guard::TripCause;
use tandem::model::{Choice, ModuleId, Reason, Side, State, Verb};
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::store::Reads as _;
use tandem::sync::{Refusal, Release, SecondPerson};

use super::population::Shape;
use super::world::{Pair, Setup, World, choose, operator};

const CONTACTS: ModuleId = ModuleId::Contacts;

fn tripped(world: &World) -> Option<TripCause> {
    let guard = world.engine.store().read(|view| view.guard(CONTACTS)).unwrap();
    guard.unwrap().tripped.map(|trip| trip.cause)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_question_counts_once_however_often_its_records_move_i21() {
    let world = World::in_step(Setup { conflicts: 3, ..Setup::salesforce(Shape::pairs(8)) }).await;
    let pair = world.take();
    world.quarrel(&pair, "phone", "+61 2 5556 0000", "+61 2 5556 1000").await;
    for turn in 1..9 {
        world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", &format!("+61 2 5556 000{turn}"))]);
        world.settle().await;
        world.held(&pair, Reason::Conflict);
    }
    assert_eq!(tripped(&world), None, "one pair, one question");
    for turn in 0..3 {
        let pair = world.take();
        let edit = |digit: u8| format!("+61 2 5556 2{turn}0{digit}");
        world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", &edit(1))]);
        world.crm.edit(CONTACTS, &pair.crm, &[("phone", &edit(2))]).await;
    }
    world.settle().await;
    assert_eq!(tripped(&world), Some(TripCause::Conflicts), "four pairs are more than three");
    let before = world.writes();
    world.ivvy.edit(CONTACTS, &world.take().ivvy, &[("phone", "+61 2 5556 3000")]);
    world.settle().await;
    assert_eq!(world.writes(), before, "a tripped guard lets nothing through");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_value_or_none_in_many_records_is_held_i21() {
    for (value, cause) in [("", TripCause::Emptied), ("+61 2 5556 9999", TripCause::SameValue)] {
        let world = World::in_step(Setup { bulk: Some(3), ..Setup::salesforce(Shape::pairs(8)) }).await;
        let pairs: Vec<Pair> = (0..5).map(|_| world.take()).collect();
        for (number, pair) in pairs.iter().enumerate() {
            world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", &format!("+61 2 5556 400{number}"))]);
        }
        world.settle().await;
        assert_eq!(tripped(&world), None, "five records, five values");
        for pair in &pairs {
            world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", value)]);
        }
        world.settle().await;
        assert_eq!(tripped(&world), Some(cause));
        let mut written = 0;
        for pair in &pairs {
            written += usize::from(world.crm.read(CONTACTS, &pair.crm).await["phone"] == value);
        }
        assert!(written <= 3, "{written} were written");
        world.engine.guard_release(CONTACTS, None, operator("ada")).await.unwrap();
        world.settle().await;
        for pair in &pairs {
            assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], value, "a person said so");
        }
        world.end().await;
    }
}

/// Somebody, or something, on each side keeps putting its own value back.
async fn turn(world: &World, pair: &Pair, side: Side, value: &str) {
    match side {
        Side::Ivvy => world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", value)]),
        Side::Crm => world.crm.edit(CONTACTS, &pair.crm, &[("phone", value)]).await,
    }
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_systems_that_keep_overwriting_each_other_wait_for_a_person() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4))).await;
    let pair = world.take();
    for (side, value) in [(Side::Ivvy, "+61 2 5557 1"), (Side::Crm, "+61 2 5557 2"), (Side::Ivvy, "+61 2 5557 1")] {
        turn(&world, &pair, side, value).await;
        assert!(world.in_order(&pair), "still by itself");
    }
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5557 2")]).await;
    world.writes_nothing(world.settle()).await;
    let item = world.held(&pair, Reason::Flap);
    world.decide(&item, Verb::Approve, choose("phone", Choice::Ivvy)).await.unwrap();
    world.idle().await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], "+61 2 5557 1", "the person's word");
    turn(&world, &pair, Side::Crm, "+61 2 5557 3").await;
    assert!(world.in_order(&pair), "a decision begins the count again");
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5557 3");
    world.end().await;
}

fn both(alone: SecondPerson) -> Setup {
    Setup { second_person: alone, ..Setup::salesforce(Shape::pairs(4)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_great_force_push_waits_for_a_second_person() {
    let world = World::in_step(both(SecondPerson { force: Some(2), ..SecondPerson::default() })).await;
    let force = |decision: &mut tandem::model::Decision| {
        decision.side = Some(Side::Ivvy);
        decision.reason = Some("the CRM import was wrong".to_owned());
    };
    let small = world.take();
    let item = world.quarrel(&small, "phone", "+61 2 5558 1", "+61 2 5558 2").await;
    assert_eq!(world.decide(&item, Verb::Force, force).await.unwrap().state, State::Ready, "one field takes one");
    world.idle().await;

    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5558 3"), ("first_name", "Ida")]);
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5558 4"), ("first_name", "Ada")]).await;
    world.settle().await;
    let item = world.held(&pair, Reason::Conflict);
    let asked = world.decide(&item, Verb::Force, force).await.unwrap();
    assert_eq!(asked.state, State::Held);
    assert!(asked.reasons.contains(Reason::SecondPerson) && asked.pending.is_some());
    world.writes_nothing(world.settle()).await;
    let refused = world.decide(&asked, Verb::Approve, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid(_, why) if why.contains("second person")), "{refused:?}");
    let stale = world.decide_as("ben", &item, Verb::Approve, |_| {}).await.unwrap_err();
    assert!(matches!(stale, Refusal::Stale(_)), "confirmed is what was asked for, or nothing");
    let done = world.decide_as("ben", &asked, Verb::Approve, |_| {}).await.unwrap();
    assert_eq!((done.state, done.forced), (State::Ready, Some(Side::Ivvy)));
    world.idle().await;
    let crm = world.crm.read(CONTACTS, &pair.crm).await;
    assert_eq!((crm["phone"].as_str(), crm["first_name"].as_str()), ("+61 2 5558 3", "Ida"));

    // Asking leaves nothing behind that an ordinary approval could carry out, and nobody confirms unawares.
    let third = world.take();
    world.ivvy.edit(CONTACTS, &third.ivvy, &[("phone", "+61 2 5558 8"), ("first_name", "Oda")]);
    world.crm.edit(CONTACTS, &third.crm, &[("phone", "+61 2 5558 9"), ("first_name", "Ude")]).await;
    world.settle().await;
    let asked = world.decide(&world.held(&third, Reason::Conflict), Verb::Force, force).await.unwrap();
    assert_eq!(asked.plan.unsolved(), 2, "the results stay beside the plan");
    let unseen = world.confirm_unseen("ben", &asked).await.unwrap_err();
    assert!(matches!(&unseen, Refusal::Invalid(_, why) if why.contains("version")), "{unseen:?}");
    let withdrawn = world.decide(&asked, Verb::Edit, |_| {}).await.unwrap();
    assert!(withdrawn.pending.is_none());
    let refused = world.decide(&withdrawn, Verb::Approve, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid(_, why) if why.contains("choose")), "{refused:?}");

    // Records that move take the question back: a second person confirms only what both saw.
    let moving = world.take();
    world.ivvy.edit(CONTACTS, &moving.ivvy, &[("phone", "+61 2 5558 5"), ("first_name", "Eda")]);
    world.crm.edit(CONTACTS, &moving.crm, &[("phone", "+61 2 5558 6"), ("first_name", "Uda")]).await;
    world.settle().await;
    let asked = world.decide(&world.held(&moving, Reason::Conflict), Verb::Force, force).await.unwrap();
    assert!(asked.pending.is_some());
    world.crm.edit(CONTACTS, &moving.crm, &[("phone", "+61 2 5558 7")]).await;
    world.settle().await;
    let item = world.held(&moving, Reason::Conflict);
    assert!(item.pending.is_none() && !item.reasons.contains(Reason::SecondPerson), "{item:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_takes_two_people_where_that_is_asked_for() {
    let world = World::begin(both(SecondPerson { release: true, ..SecondPerson::default() })).await;
    let release = async |who: &str| world.engine.guard_release(CONTACTS, None, operator(who)).await.unwrap();
    world
        .writes_nothing(async {
            assert_eq!(release("ada").await, Release::NeedsSecond);
            assert_eq!(release("ada").await, Release::NeedsSecond, "not by asking twice");
            let many = world.engine.guard_release(CONTACTS, Some(4_000), operator("ada")).await.unwrap();
            assert_eq!(many, Release::NeedsSecond, "nor by calling everything a sample");
            world.settle().await;
        })
        .await;
    let held = world.engine.guard_held(CONTACTS).unwrap();
    assert!(held.tripped.unwrap().contains("ada"), "whoever comes next reads who asked");
    assert!(matches!(release("ben").await, Release::Moved(_)));
    assert_eq!(tripped(&world), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_fails_never_delays_another_v01() {
    let world = World::in_step(Setup::salesforce(Shape { companies_both: 2, ..Shape::pairs(4) })).await;
    // Every way a module can fail: its action is forbidden, breaks, or answers nonsense.
    for kind in [FaultKind::ErrorBefore, FaultKind::Html, FaultKind::DropBefore, FaultKind::Forbid] {
        let faults = world.ivvy.0.faults();
        faults.arm(FaultSpec { times: None, per_mille: Some(1000), ..FaultSpec::times(kind, "Company", 0) }).unwrap();
        world.engine.sync_now(Some(ModuleId::Companies), false);
        world.until("companies fail", async || world.engine.last_error(ModuleId::Companies).is_some()).await;
        let pair = world.take();
        let phone = format!("+61 2 5559 {}", kind as u8 + 1);
        world.crm.edit(CONTACTS, &pair.crm, &[("phone", &phone)]).await;
        world.engine.sync_now(Some(CONTACTS), false);
        let arrived = async || world.ivvy.read(CONTACTS, &pair.ivvy)["phone"] == phone;
        world.until("contacts go on", arrived).await;
        let errors: BTreeMap<_, _> = ModuleId::PEOPLE.map(|module| (module, world.engine.last_error(module))).into();
        assert!(errors[&ModuleId::Companies].is_some() && errors[&CONTACTS].is_none(), "{kind}: {errors:?}");
        faults.clear();
        world.engine.set_paused(Some(ModuleId::Companies), false, operator("ada")).await.unwrap();
        world.settle().await;
        world.until("companies are back", async || world.engine.last_error(ModuleId::Companies).is_none()).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_items_are_forgotten_while_questions_skips_and_the_log_stay_i26() {
    let keep = std::time::Duration::from_secs(8);
    let world = World::in_step(Setup { keep_done: Some(keep), ..Setup::salesforce(Shape::pairs(6)) }).await;
    let (skipped, asked, changed) = (world.take(), world.take(), world.take());
    let item = world.quarrel(&skipped, "phone", "+61 2 5550 1", "+61 2 5550 2").await;
    world.decide(&item, Verb::Skip, |_| {}).await.unwrap();
    world.quarrel(&asked, "phone", "+61 2 5550 3", "+61 2 5550 4").await;
    world.ivvy.edit(CONTACTS, &changed.ivvy, &[("phone", "+61 2 5550 5")]);
    world.settle().await;
    let done = world.last(&changed).unwrap();
    assert_eq!(done.state, State::Done);
    world.until("finished items are forgotten", async || world.items(CONTACTS, State::Done).is_empty()).await;
    let store = world.engine.store();
    assert!(store.read(|view| view.item(done.id)).unwrap().is_none());
    let query = tandem::wire::AuditQuery { item: Some(done.id), before: None, limit: 10 };
    assert!(!store.read(|view| view.audit(&query)).unwrap().is_empty(), "what happened stays on record");
    world.writes_nothing(world.settle()).await;
    assert_eq!(world.last(&skipped).unwrap().state, State::Skipped, "the same data never reopens it");
    world.held(&asked, Reason::Conflict);
    world.end().await;
}
