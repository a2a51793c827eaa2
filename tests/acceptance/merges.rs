//! Records merged or deleted in Salesforce (`engine.md` 5.8): pairs follow the survivor, or a person
//! decides; nothing is merged, deleted or made again on the other side unasked.

use tandem::model::{Choice, Item, Kind, LinkState, ModuleId, PairKey, Reason, Side, State, Verb};
use tandem::store::Reads as _;
use tandem::sync::Refusal;

use super::hand::CrmHand;
use super::population::Shape;
use super::world::{Pair, Setup, World, choose, operator};

const CONTACTS: ModuleId = ModuleId::Contacts;

async fn world() -> World {
    World::in_step(Setup { conflicts: 1000, ..Setup::salesforce(Shape::pairs(8)) }).await
}

/// Two sweeps over everything write nothing, and the store is whole.
async fn rests(world: World) {
    world
        .writes_nothing(async {
            for _ in 0..2 {
                world.sweep(true).await;
                world.idle().await;
            }
        })
        .await;
    world.end().await;
}

/// The pair as it is linked now.
fn now(world: &World, pair: &Pair) -> Pair {
    world.pairs(pair.module).into_iter().find(|now| now.link == pair.link).unwrap()
}

fn link_state(world: &World, pair: &Pair) -> LinkState {
    world.engine.store().read(|view| view.link(pair.link)).unwrap().unwrap().state
}

/// A contact in Salesforce alone, with this phone.
async fn stranger(world: &World, phone: &str) -> String {
    let fields = [("first_name", "Sur"), ("last_name", "Vivor"), ("email", "sur@example.net"), ("phone", phone)];
    world.crm.insert(CONTACTS, &fields).await
}

/// Both pairs' contacts in Salesforce become one; returns the question about it.
async fn merged(world: &World, loser: &Pair, survivor: &Pair) -> Item {
    world.crm.merge(loser.module, &loser.crm, &survivor.crm);
    world.settle().await;
    let item = world.held(loser, Reason::Merge);
    assert_eq!(item.kind, Kind::Merge);
    let what = format!("contact {} was merged into {} in Salesforce", loser.crm, survivor.crm);
    assert!(item.plan.summary.starts_with(&what), "{}", item.plan.summary);
    let shown: Vec<_> = item.plan.candidates.iter().map(|shown| (shown.side, shown.id.0.clone())).collect();
    assert_eq!(shown, [(Side::Crm, survivor.crm.clone()), (Side::Ivvy, survivor.ivvy.clone())]);
    item
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pair_moves_to_a_survivor_that_had_none_i2() {
    let world = world().await;
    let pair = world.take();
    let people = world.ivvy.all(CONTACTS).len();
    let survivor = stranger(&world, "+61 2 5555 0101").await;
    world.crm.merge(CONTACTS, &pair.crm, &survivor);
    world.settle().await;

    assert_eq!(now(&world, &pair).crm, survivor, "the same pair, with the survivor");
    let row = world.ivvy.read(CONTACTS, &pair.ivvy);
    assert_eq!((row["phone"].as_str(), row["first_name"].as_str()), ("+61 2 5555 0101", "Sur"));
    assert_eq!(row["external_id"], survivor, "iVvy names the survivor (V-13)");
    assert!(world.crm.read(CONTACTS, &survivor).await["ivvy_key"].ends_with(&pair.ivvy));
    assert_eq!(world.ivvy.all(CONTACTS).len(), people, "nobody was made again");
    assert!(world.in_order(&pair), "{:?}", world.last(&pair));
    let old = super::world::id(&pair.crm);
    let leads = world.engine.store().read(|view| view.link_of(CONTACTS, Side::Crm, &old)).unwrap();
    assert_eq!(leads, Some(pair.link), "the old id leads to the pair");

    // Merge, then edit: both ways, as with any pair.
    world.crm.edit(CONTACTS, &survivor, &[("phone", "+61 2 5555 0102")]).await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("last_name", "Later")]);
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 0102");
    assert_eq!(world.crm.read(CONTACTS, &survivor).await["last_name"], "Later");
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ivvy_changed_meanwhile_is_a_question_after_the_move_i7() {
    let world = world().await;
    let pair = world.take();
    let survivor = stranger(&world, "+61 2 5555 0201").await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 0202")]);
    world.crm.merge(CONTACTS, &pair.crm, &survivor);
    world.settle().await;
    let item = world.held(&pair, Reason::Conflict);
    assert_eq!(item.plan.crm.as_ref().map(|id| id.as_str()), Some(survivor.as_str()));
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5555 0202", "nothing is overwritten unseen");
    world.decide(&item, Verb::Approve, choose("phone", tandem::model::Choice::Ivvy)).await.unwrap();
    world.settle().await;
    assert_eq!(world.crm.read(CONTACTS, &survivor).await["phone"], "+61 2 5555 0202");
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaired_contact_merged_into_a_paired_one_is_not_made_in_ivvy() {
    let world = world().await;
    let pair = world.take();
    let people = world.ivvy.all(CONTACTS).len();
    let loser = stranger(&world, "+61 2 5555 0301").await;
    world.crm.merge(CONTACTS, &loser, &pair.crm);
    world.writes_nothing(world.settle()).await;
    assert_eq!(now(&world, &pair).crm, pair.crm);
    assert_eq!(world.ivvy.all(CONTACTS).len(), people);
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pairs_that_become_one_are_a_question_and_approve_unlinks_the_merged_one() {
    let world = world().await;
    let (loser, survivor) = (world.take(), world.take());
    let item = merged(&world, &loser, &survivor).await;

    // What happens to the survivor waits for the answer too.
    let phone = world.ivvy.read(CONTACTS, &survivor.ivvy)["phone"].clone();
    world.crm.edit(CONTACTS, &survivor.crm, &[("phone", "+61 2 5555 0401")]).await;
    world.writes_nothing(world.settle()).await;
    world.held(&survivor, Reason::Merge);
    assert_eq!(world.ivvy.read(CONTACTS, &survivor.ivvy)["phone"], phone);

    let refused = world.decide(&item, Verb::Force, |decision| {
        decision.side = Some(Side::Ivvy);
        decision.reason = Some("no".to_owned());
    });
    assert!(matches!(refused.await, Err(Refusal::Invalid(..))), "nothing can be pushed into a merged record");
    let mine = world.ivvy.read(CONTACTS, &loser.ivvy);
    let done = world.decide(&item, Verb::Approve, |_| {}).await.unwrap();
    assert_eq!((done.state, link_state(&world, &loser)), (State::Done, LinkState::Tombstone));
    let again = world.decide(&item, Verb::Approve, |_| {}).await;
    assert!(matches!(again, Err(Refusal::Stale(_) | Refusal::Invalid(..))), "once (I5)");
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &survivor.ivvy)["phone"], "+61 2 5555 0401", "the survivor goes on");
    assert_eq!(world.ivvy.read(CONTACTS, &loser.ivvy), mine, "the other stays as it is");

    // Unlinked for good: neither kept in step nor made again.
    world.ivvy.edit(CONTACTS, &loser.ivvy, &[("phone", "+61 2 5555 0402")]);
    world.writes_nothing(world.settle()).await;
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skipped_merge_stays_skipped_and_lets_the_survivor_go_on_i26() {
    let world = world().await;
    let (loser, survivor) = (world.take(), world.take());
    let item = merged(&world, &loser, &survivor).await;
    world.crm.edit(CONTACTS, &survivor.crm, &[("phone", "+61 2 5555 0501")]).await;
    world.settle().await;
    world.decide(&item, Verb::Skip, |_| {}).await.unwrap();
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &survivor.ivvy)["phone"], "+61 2 5555 0501");
    assert_eq!(world.item(item.id).state, State::Skipped);
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_two_are_merged_in_ivvy_as_well_the_question_answers_itself() {
    let world = world().await;
    let (loser, survivor) = (world.take(), world.take());
    let item = merged(&world, &loser, &survivor).await;
    world.ivvy.0.edit(&tandem::sim::control::Edit::delete("contact", &loser.ivvy)).unwrap();
    // Absence is proved by two complete sweeps.
    for _ in 0..2 {
        world.sweep(true).await;
        world.idle().await;
    }
    assert_eq!((world.item(item.id).state, link_state(&world, &loser)), (State::Superseded, LinkState::Tombstone));
    assert!(world.open(CONTACTS, &PairKey::Link(loser.link)).is_none());
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_account_takes_its_people_along() {
    let world = world().await;
    let firms = world.pairs(ModuleId::Companies);
    let people = world.pairs(CONTACTS);
    let mut employed = None;
    for pair in people {
        let employer = world.crm.read(CONTACTS, &pair.crm).await["company"].clone();
        if let Some(firm) = firms.iter().find(|firm| firm.crm == employer) {
            employed = Some((pair, firm.clone()));
            break;
        }
    }
    let (person, firm) = employed.expect("somebody works somewhere");
    let survivor = world.crm.insert(ModuleId::Companies, &[("name", "Survivors Ltd")]).await;
    world.crm.merge(ModuleId::Companies, &firm.crm, &survivor);
    world.settle().await;
    assert_eq!(now(&world, &firm).crm, survivor);
    assert_eq!(world.ivvy.read(ModuleId::Companies, &firm.ivvy)["name"], "Survivors Ltd");
    assert_eq!(world.ivvy.read(CONTACTS, &person.ivvy)["company"], firm.ivvy, "the same employer (V-74)");
    assert_eq!(world.ivvy.all(ModuleId::Companies).len(), firms.len(), "no company was made again");
    rests(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_is_seen_with_the_next_sweep_and_approve_closes_the_pair_for_good() {
    let world = world().await;
    let pair = world.take();
    world.crm.delete(CONTACTS, &pair.crm);
    world.writes_nothing(world.settle()).await;
    let item = world.held(&pair, Reason::Delete);
    world.decide(&item, Verb::Approve, |_| {}).await.unwrap();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 0601")]);
    world.writes_nothing(world.settle()).await;
    assert_eq!(link_state(&world, &pair), LinkState::Tombstone);
    rests(world).await;
}

/// Who belongs to a company whose pair was closed waits for nobody: a person is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_whose_pair_was_closed_is_asked_about_and_not_waited_for() {
    let world = world().await;
    let firm = world.pairs(ModuleId::Companies).into_iter().next().unwrap();
    world.crm.delete(ModuleId::Companies, &firm.crm);
    world.settle().await;
    let item = world.held(&firm, Reason::Delete);
    world.decide(&item, Verb::Approve, |_| {}).await.unwrap();
    let fields = [
        ("first_name", "Nadia"),
        ("last_name", "Newcomer"),
        ("email", "nadia@newcomer.example"),
        ("company", firm.ivvy.as_str()),
    ];
    let nadia = world.ivvy.insert(CONTACTS, &fields);
    world.settle().await;
    let key = PairKey::Lone(Side::Ivvy, nadia.as_str().into());
    let item = world.open(CONTACTS, &key).expect("an item");
    assert_eq!(item.state, State::Held, "{item:?}");
    assert!(item.reasons.contains(Reason::UnmatchedRef), "{item:?}");
    world.end().await;
}

/// What a person takes goes over, or they are told why it cannot: it is never left out without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_without_counterpart_is_not_taken_for_the_crm_v74() {
    let world = world().await;
    let firms = world.pairs(ModuleId::Companies);
    let pair = world.take();
    let (theirs, ours) = (&firms[0], &firms[1]);
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("company", &ours.ivvy)]);
    world.settle().await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["company"], ours.crm);

    // The company goes from the CRM, its people to another one; about their phones both sides differ.
    world.crm.edit(CONTACTS, &pair.crm, &[("company", &theirs.crm), ("phone", "+61 2 5555 0001")]).await;
    world.crm.delete(ModuleId::Companies, &ours.crm);
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 0002")]);
    world.settle().await;
    let item = world.held(ours, Reason::Delete);
    world.decide(&item, Verb::Approve, |_| {}).await.unwrap();
    world.idle().await;

    let item = world.held(&pair, Reason::Conflict);
    let before = (world.ivvy.read(CONTACTS, &pair.ivvy), world.crm.read(CONTACTS, &pair.crm).await);
    let forced = world
        .decide(&item, Verb::Force, |decision| {
            decision.side = Some(Side::Ivvy);
            decision.reason = Some("iVvy is right".to_owned());
        })
        .await;
    let Err(Refusal::Invalid(_, why)) = &forced else { panic!("{forced:?}") };
    assert!(why.contains("the company it names has no counterpart"), "{why}");
    world.settle().await;
    assert_eq!((world.ivvy.read(CONTACTS, &pair.ivvy), world.crm.read(CONTACTS, &pair.crm).await), before);

    // Taking only the phone lets the company go the way it was shown.
    let item = world.held(&pair, Reason::Conflict);
    world.decide(&item, Verb::Approve, choose("phone", Choice::Ivvy)).await.unwrap();
    world.settle().await;
    let (here, there) = (world.ivvy.read(CONTACTS, &pair.ivvy), world.crm.read(CONTACTS, &pair.crm).await);
    assert_eq!((&here["company"], &there["company"]), (&theirs.ivvy, &theirs.crm));
    assert_eq!((here["phone"].as_str(), there["phone"].as_str()), ("+61 2 5555 0002", "+61 2 5555 0002"));

    // The same between the approval and the write is a question again, and stays one.
    let new = world.ivvy.insert(ModuleId::Companies, &[("name", "The Fourth")]);
    world.settle().await;
    let (last, fourth) = (&firms[2], world.pair_of(ModuleId::Companies, Side::Ivvy, &new).unwrap());
    world.engine.set_paused(Some(CONTACTS), true, operator("ada")).await.unwrap();
    let both = [("phone", "+61 2 5555 0004"), ("company", last.ivvy.as_str())];
    world.ivvy.edit(CONTACTS, &pair.ivvy, &both);
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5555 0005"), ("company", &fourth.crm)]).await;
    world.engine.set_paused(Some(CONTACTS), false, operator("ada")).await.unwrap();
    world.settle().await;
    let item = world.held(&pair, Reason::Conflict);
    world.engine.set_paused(Some(CONTACTS), true, operator("ada")).await.unwrap();
    let whole = world.decide(&item, Verb::Approve, |decision| decision.side = Some(Side::Ivvy)).await.unwrap();
    assert_eq!(whole.state, State::Ready);
    world.crm.delete(ModuleId::Companies, &last.crm);
    world.engine.sync_now(Some(ModuleId::Companies), true);
    world.until("its company is gone", async || !world.in_order(last)).await;
    let item = world.held(last, Reason::Delete);
    world.decide(&item, Verb::Approve, |_| {}).await.unwrap();
    world.engine.set_paused(Some(CONTACTS), false, operator("ada")).await.unwrap();
    world
        .until("it is asked about again", async || {
            world.open(CONTACTS, &PairKey::Link(pair.link)).is_some_and(|item| item.state == State::Held)
        })
        .await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("first_name", "Nina")]);
    world.settle().await;
    world.held(&pair, Reason::Conflict);
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["company"], last.ivvy, "the opposite is not written");
    let item = world.held(&pair, Reason::Conflict);
    world
        .decide(&item, Verb::Approve, |decision| {
            decision.side = Some(Side::Crm);
        })
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["company"], fourth.ivvy);
    let theirs = &fourth;

    // Asked about for want of a counterpart, both stay as they are once somebody has said so.
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("company", &ours.ivvy)]);
    world.settle().await;
    let item = world.held(&pair, Reason::UnmatchedRef);
    world.decide(&item, Verb::Approve, choose("company", Choice::Ivvy)).await.unwrap();
    world.settle().await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5555 0003")]);
    world.settle().await;
    let (here, there) = (world.ivvy.read(CONTACTS, &pair.ivvy), world.crm.read(CONTACTS, &pair.crm).await);
    assert_eq!((&here["company"], &there["company"]), (&ours.ivvy, &theirs.crm));
    assert_eq!(there["phone"], "+61 2 5555 0003", "and hold nothing else up");
    assert!(world.in_order(&pair));
    rests(world).await;
}

/// A key of ours that somebody copied into another pair's record: nothing is written there, and nobody tries for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_pairs_record_carries_is_a_question_v13() {
    let world = world().await;
    let pair = world.take();
    let fields = [("first_name", "Nora"), ("last_name", "Newkey"), ("email", "nora@newkey.example")];
    let nora = world.ivvy.insert(CONTACTS, &fields);
    let CrmHand::Salesforce(salesforce) = &world.crm else { panic!("the simulator") };
    let key = serde_json::json!({"Ivvy_Id__c": format!("contact-{nora}")});
    salesforce.edit("Contact", &pair.crm, key).unwrap();
    let before = world.crm.read(CONTACTS, &pair.crm).await;
    world.writes_nothing(world.settle()).await;
    let lone = PairKey::Lone(Side::Ivvy, nora.as_str().into());
    let item = world.open(CONTACTS, &lone).expect("a question");
    assert_eq!((item.state, item.reasons.contains(Reason::Ambiguous)), (State::Held, true), "{item:?}");
    assert!(item.plan.summary.contains("is paired with another one"), "{}", item.plan.summary);
    world.held(&pair, Reason::Conflict);

    // Whoever insists is told so once.
    world.decide(&item, Verb::Approve, |_| {}).await.unwrap();
    world.idle().await;
    let item = world.open(CONTACTS, &lone).expect("still a question");
    assert_eq!(item.state, State::Held);
    assert!(item.error.is_some_and(|error| error.message.contains("paired with another one")));
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await, before, "nobody is written over");
    world.end().await;
}
