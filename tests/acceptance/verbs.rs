//! Taking back, putting off and coming back (acceptance E).

use std::time::Duration;

use tandem::model::{Choice, ModuleId, Reason, Reasons, Side, State, Value, Verb};
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::sync::Refusal;

use super::merging::does_what_was_shown;
use super::world::{World, changes, choose, operator, promised};

const CONTACTS: ModuleId = ModuleId::Contacts;

async fn pause(world: &World, paused: bool) {
    world.engine.set_paused(Some(CONTACTS), paused, operator("ada")).await.unwrap();
}

pub async fn undo_before_the_push_brings_back_the_question_with_its_choices_i25(world: &World) {
    let pair = world.take();
    let item = world.quarrel(&pair, "phone", "+61 2 5555 1111", "+61 2 5555 2222").await;
    world
        .writes_nothing(async {
            pause(world, true).await;
            let ready = world.decide(&item, Verb::Approve, choose("phone", Choice::Ivvy)).await.unwrap();
            assert_eq!(ready.state, State::Ready);
            let back = world.decide(&ready, Verb::Undo, |_| {}).await.unwrap();
            assert_eq!((back.state, back.decided), (State::Held, false));
            assert_eq!(back.plan, ready.plan, "the choices stay");
            pause(world, false).await;
            world.settle().await;
        })
        .await;
    let back = world.held(&pair, Reason::Parked);
    does_what_was_shown(world, &pair, &back, Verb::Approve, |_| {}).await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], "+61 2 5555 1111");
}

pub async fn undo_after_the_push_proposes_the_old_values_i25(world: &World) {
    let pair = world.take();
    for side in Side::BOTH {
        let before = world.ivvy.read(CONTACTS, &pair.ivvy)["phone"].clone();
        match side {
            Side::Ivvy => world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 3333")]),
            Side::Crm => world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5555 4444")]).await,
        }
        world.settle().await;
        let done = world.last(&pair).unwrap();
        assert_eq!((done.state, done.pushed.len()), (State::Done, 1));
        let undo = world.decide(&done, Verb::Undo, |_| {}).await.unwrap();
        assert_eq!((undo.state, undo.kind), (State::Held, tandem::model::Kind::Undo));
        world.writes_nothing(world.settle()).await;
        let undo = world.item(undo.id);
        assert_eq!(undo.plan.field("phone").unwrap().choice, Some(Choice::Custom(Value::text(before.clone()))));
        does_what_was_shown(world, &pair, &undo, Verb::Approve, |_| {}).await;
        assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], before);
        assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], before);
    }
}

pub async fn undo_of_a_settled_question_gives_each_side_its_own_and_asks_again_i25(world: &World) {
    let answers = [Choice::Ivvy, Choice::Crm, Choice::Custom(Value::text("+61 2 5555 9003"))];
    for (number, answer) in answers.into_iter().enumerate() {
        let pair = world.take();
        let (ivvy, crm) = (format!("+61 2 5555 91{number}1"), format!("+61 2 5555 91{number}2"));
        let item = world.quarrel(&pair, "phone", &ivvy, &crm).await;
        does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", answer)).await;
        let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
        let each = Choice::Each { ivvy: Value::text(ivvy.clone()), crm: Value::text(crm.clone()) };
        assert_eq!(undo.plan.field("phone").unwrap().choice, Some(each));

        let before = world.everything().await;
        let approved = world.decide(&undo, Verb::Approve, |_| {}).await.unwrap();
        let promise = promised(&approved, &pair);
        world.idle().await;
        assert_eq!(changes(&before, &world.everything().await), promise, "exactly what was shown");
        assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], ivvy);
        assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], crm);
        let again = world.held(&pair, Reason::Conflict);
        assert!(again.plan.field("phone").unwrap().unsolved(), "the question is open again");
        world.writes_nothing(world.settle()).await;
        does_what_was_shown(world, &pair, &again, Verb::Approve, choose("phone", Choice::Crm)).await;

        // The next undo takes back that decision, and none of those before it on the same item.
        let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
        let each = Choice::Each { ivvy: Value::text(ivvy), crm: Value::text(crm) };
        assert_eq!(undo.plan.field("phone").unwrap().choice, Some(each));
        world.decide(&undo, Verb::Skip, |_| {}).await.unwrap();
    }
}

pub async fn a_proposed_undo_outlives_a_change_of_another_field_i25(world: &World) {
    let pair = world.take();
    let item = world.quarrel(&pair, "phone", "+61 2 5555 9301", "+61 2 5555 9302").await;
    does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", Choice::Ivvy)).await;
    let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
    let proposed = undo.plan.field("phone").unwrap().choice.clone();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("first_name", "Vera")]);
    world.writes_nothing(world.settle()).await;
    let still = world.item(undo.id);
    assert_eq!((still.state, still.kind), (State::Held, tandem::model::Kind::Undo), "{still:?}");
    assert_eq!(still.plan.field("phone").unwrap().choice, proposed);
    let before = world.everything().await;
    let approved = world.decide(&still, Verb::Approve, |_| {}).await.unwrap();
    let promise = promised(&approved, &pair);
    world.idle().await;
    assert_eq!(changes(&before, &world.everything().await), promise, "exactly what was shown");
    let again = world.held(&pair, Reason::Conflict);
    assert!(again.plan.field("phone").unwrap().unsolved(), "the question is open again");
    world.decide(&again, Verb::Skip, |_| {}).await.unwrap();
}

pub async fn undo_of_a_force_push_writes_nothing_that_was_not_shown_i25(world: &World) {
    // Only iVvy moved the phone; forcing the CRM's record puts the old number back there.
    let pair = world.take();
    let number = world.crm.read(CONTACTS, &pair.crm).await["phone"].clone();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 9201"), ("first_name", "Ida")]);
    world.crm.edit(CONTACTS, &pair.crm, &[("first_name", "Ada")]).await;
    world.settle().await;
    let item = world.held(&pair, Reason::Conflict);
    let force = |decision: &mut tandem::model::Decision| {
        decision.side = Some(Side::Crm);
        decision.reason = Some("the CRM is right".to_owned());
    };
    does_what_was_shown(world, &pair, &item, Verb::Force, force).await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], number);

    let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
    let before = world.everything().await;
    let approved = world.decide(&undo, Verb::Approve, |_| {}).await.unwrap();
    let promise = promised(&approved, &pair);
    world.idle().await;
    assert_eq!(changes(&before, &world.everything().await), promise, "exactly what was shown");
    world.writes_nothing(world.settle()).await;
    let again = world.held(&pair, Reason::Conflict);
    assert_eq!(again.plan.unsolved(), 2, "what only iVvy had moved is a question now, and not written by itself");
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 9201");
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], number);
    world.decide(&again, Verb::Skip, |_| {}).await.unwrap();
}

pub async fn undo_of_something_changed_since_is_a_question_i25(world: &World) {
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 5551"), ("first_name", "Unda")]);
    world.settle().await;
    let done = world.last(&pair).unwrap();
    let first = done.pushed.iter().find(|pushed| pushed.field == "first_name").unwrap().before.clone();
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5555 5552")]).await;
    world.settle().await;
    let undo = world.decide(&done, Verb::Undo, |_| {}).await.unwrap();
    let row = undo.plan.field("phone").unwrap();
    assert!(row.moved && row.unsolved(), "{row:?}");
    assert_eq!(undo.plan.field("first_name").unwrap().choice, Some(Choice::Custom(first.clone())));
    let refused = world.decide(&undo, Verb::Approve, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid(_, why) if why.contains("choose")), "{refused:?}");
    does_what_was_shown(world, &pair, &undo, Verb::Approve, choose("phone", Choice::Crm)).await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 5552", "the later edit stays");
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["first_name"], first.to_string());
}

pub async fn an_undo_is_stale_once_the_records_move_i8(world: &World) {
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 5561")]);
    world.settle().await;
    let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5555 5562")]).await;
    world
        .writes_nothing(async {
            world.decide(&undo, Verb::Approve, |_| {}).await.unwrap();
            world.idle().await;
        })
        .await;
    let item = world.held(&pair, Reason::Conflict);
    assert!(item.plan.field("phone").unwrap().moved);
    does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", Choice::Crm)).await;
}

pub async fn a_held_decision_waits_until_it_is_approved_again(world: &World) {
    let pair = world.take();
    let item = world.quarrel(&pair, "phone", "+61 2 5555 6661", "+61 2 5555 6662").await;
    world
        .writes_nothing(async {
            pause(world, true).await;
            let ready = world.decide(&item, Verb::Approve, choose("phone", Choice::Crm)).await.unwrap();
            let held = world.decide(&ready, Verb::Hold, |_| {}).await.unwrap();
            assert_eq!((held.state, held.reasons), (State::Held, Reasons::one(Reason::Parked)));
            pause(world, false).await;
            world.settle().await;
        })
        .await;
    let held = world.held(&pair, Reason::Parked);
    does_what_was_shown(world, &pair, &held, Verb::Approve, |_| {}).await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 6662");
}

pub async fn a_snoozed_item_comes_back_by_itself_i18(world: &World) {
    let pair = world.take();
    let item = world.quarrel(&pair, "phone", "+61 2 5555 7771", "+61 2 5555 7772").await;
    let past = world.decide(&item, Verb::Snooze, |decision| decision.until = Some(decision.at)).await;
    assert!(matches!(past, Err(Refusal::Invalid(..))));
    world
        .writes_nothing(async {
            let until = world.engine.now().plus(Duration::from_millis(1500));
            let snoozed = world.decide(&item, Verb::Snooze, |decision| decision.until = Some(until)).await.unwrap();
            assert!(snoozed.reasons.contains(Reason::Parked) && snoozed.ready_at == until);
            world.settle().await;
            world.until("the snooze is over", async || !world.item(item.id).reasons.contains(Reason::Parked)).await;
            assert!(world.engine.now() >= until, "not before its time");
        })
        .await;
    let item = world.held(&pair, Reason::Conflict);
    does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", Choice::Ivvy)).await;
}

pub async fn a_dead_item_is_retried_when_asked_i20(world: &World) {
    let pair = world.take();
    let faults = world.ivvy.0.faults();
    faults.arm(FaultSpec::times(FaultKind::ErrorBefore, "addOrUpdateContact", 3)).unwrap();
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5555 8881")]).await;
    world.settle().await;
    let dead = world.last(&pair).unwrap();
    assert_eq!(dead.state, State::Dead, "{dead:?}");
    assert_eq!(faults.armed(), []);
    assert_ne!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 8881");
    world.writes_nothing(world.settle()).await;
    world.decide(&dead, Verb::Retry, |_| {}).await.unwrap();
    world.idle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 8881");
    assert!(world.in_order(&pair));
}

pub async fn a_skip_holds_for_the_same_data_and_ends_with_new_data_i26(world: &World) {
    let pair = world.take();
    let (here, there) = ("+61 2 5555 9991", "+61 2 5555 9992");
    let item = world.quarrel(&pair, "phone", here, there).await;
    world.decide(&item, Verb::Skip, |_| {}).await.unwrap();
    // The same values written again move the stamps and nothing else.
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", here)]);
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", there)]).await;
    let writes = world.writes();
    world.settle().await;
    world.sweep(true).await;
    world.idle().await;
    assert_eq!(world.item(item.id).state, State::Skipped);

    let reopened = world.decide(&world.item(item.id), Verb::Reopen, |_| {}).await.unwrap();
    assert_eq!(reopened.state, State::Held);
    assert!(reopened.reasons.contains(Reason::Conflict));
    world.decide(&reopened, Verb::Skip, |_| {}).await.unwrap();

    // A field nobody asked about is data too.
    world.crm.edit(CONTACTS, &pair.crm, &[("first_name", "Skipper")]).await;
    world.settle().await;
    let item = world.held(&pair, Reason::Conflict);
    assert_eq!(item.id, reopened.id, "the same question, not a second one (I3)");
    assert!(item.plan.field("first_name").unwrap().moved);
    assert_eq!(world.writes(), writes, "what was skipped is not carried out on the way");
    does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", Choice::Crm)).await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["first_name"], "Skipper");
}

scenarios! {
    undo_before_the_push_brings_back_the_question_with_its_choices_i25,
    undo_after_the_push_proposes_the_old_values_i25,
    undo_of_a_settled_question_gives_each_side_its_own_and_asks_again_i25,
    a_proposed_undo_outlives_a_change_of_another_field_i25,
    undo_of_a_force_push_writes_nothing_that_was_not_shown_i25,
    undo_of_something_changed_since_is_a_question_i25,
    an_undo_is_stale_once_the_records_move_i8,
    a_held_decision_waits_until_it_is_approved_again,
    a_snoozed_item_comes_back_by_itself_i18,
    a_dead_item_is_retried_when_asked_i20,
    a_skip_holds_for_the_same_data_and_ends_with_new_data_i26,
}
