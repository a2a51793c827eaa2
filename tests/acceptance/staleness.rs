//! Nothing is written that nobody saw (acceptance D): records that move between looking and deciding,
//! and two operators at once.

use tandem::model::{Choice, Item, ModuleId, Reason, Side, State, Verb};
use tandem::store::Reads as _;
use tandem::sync::Refusal;

use super::merging::does_what_was_shown;
use super::world::{Pair, World, choose};

const CONTACTS: ModuleId = ModuleId::Contacts;

/// How the person decides in these tests.
#[derive(Clone, Copy, Debug)]
enum How {
    Approve(Side),
    Force(Side),
}

async fn decide(world: &World, item: &Item, how: How) -> Result<Item, Refusal> {
    match how {
        How::Approve(side) => world.decide(item, Verb::Approve, choose("phone", Choice::side(side))).await,
        How::Force(side) => {
            world
                .decide(item, Verb::Force, |decision| {
                    decision.side = Some(side);
                    decision.reason = Some("asked by phone".to_owned());
                })
                .await
        }
    }
}

async fn edit(world: &World, pair: &Pair, side: Side, field: &str, text: &str) {
    match side {
        Side::Ivvy => world.ivvy.edit(CONTACTS, &pair.ivvy, &[(field, text)]),
        Side::Crm => world.crm.edit(CONTACTS, &pair.crm, &[(field, text)]).await,
    }
}

fn moved(item: &Item) -> Vec<&str> {
    item.plan.fields.iter().filter(|row| row.moved).map(|row| row.field.as_str()).collect()
}

/// Neither the conflicting field nor any other may move unseen, on either side, whatever is decided.
pub async fn a_record_that_moved_unseen_is_not_written_and_comes_back_marked_i8(world: &World) {
    let pair = world.take();
    let ways = [How::Approve(Side::Ivvy), How::Approve(Side::Crm), How::Force(Side::Ivvy), How::Force(Side::Crm)];
    let mut number = 0;
    for how in ways {
        for side in Side::BOTH {
            for field in ["phone", "first_name"] {
                number += 1;
                let (here, there) = (format!("+61 2 5552 1{number:03}"), format!("+61 2 5552 2{number:03}"));
                let seen = world.quarrel(&pair, "phone", &here, &there).await;
                let text =
                    if field == "phone" { format!("+61 2 5552 3{number:03}") } else { format!("Moved {number}") };
                edit(world, &pair, side, field, &text).await;
                // The engine has not looked since: the decision is taken, and finds out before it writes.
                world
                    .writes_nothing(async {
                        let taken = decide(world, &seen, how).await.unwrap();
                        assert_eq!(taken.state, State::Ready);
                        world.idle().await;
                    })
                    .await;
                let item = world.held(&pair, Reason::Conflict);
                assert_eq!(moved(&item), [field], "{how:?} after {side} moved {field}");
                assert!(item.ver > seen.ver && item.seen != seen.seen && !item.decided);
                let choice = item.plan.field("phone").unwrap().choice.clone();
                assert_eq!(choice.is_none(), field == "phone", "a choice lives as long as its values: {choice:?}");
                // What is shown now can be decided, and does what it says.
                let again = choose("phone", Choice::Crm);
                does_what_was_shown(world, &pair, &item, Verb::Approve, again).await;
            }
        }
    }
}

/// A draft that answers every question is still a draft (engine.md 5.3: an edit decides nothing).
pub async fn a_draft_is_never_carried_out_by_a_change_elsewhere_i7(world: &World) {
    for (field, drafted) in [("phone", "+61 2 5557 9999"), ("email", "drafted@example.org")] {
        let pair = world.take();
        let mut item = world.quarrel(&pair, "phone", "+61 2 5557 1111", "+61 2 5557 2222").await;
        for (name, text) in [("phone", "+61 2 5557 8888"), (field, drafted)] {
            let draft = choose(name, Choice::Custom(text.into()));
            item = world.decide(&item, Verb::Edit, draft).await.unwrap();
        }
        assert_eq!(item.plan.unsolved(), 0);
        // Somebody edits another field, and later the item is put off for a moment.
        world.crm.edit(CONTACTS, &pair.crm, &[("first_name", "Elsewhere")]).await;
        world
            .writes_nothing(async {
                world.settle().await;
                let item = world.held(&pair, Reason::Conflict);
                assert_eq!((moved(&item), item.plan.unsolved()), (vec!["first_name"], 0), "the drafts live on");
                let until = world.engine.now().plus(std::time::Duration::from_millis(300));
                world.decide(&item, Verb::Snooze, |decision| decision.until = Some(until)).await.unwrap();
                let parked = async || world.item(item.id).reasons.contains(Reason::Parked);
                world.until("the snooze is over", async || !parked().await).await;
                world.settle().await;
            })
            .await;
        let item = world.held(&pair, Reason::Conflict);
        does_what_was_shown(world, &pair, &item, Verb::Approve, |_| {}).await;
        assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)[field], drafted);
    }
}

pub async fn a_decision_on_what_is_no_longer_there_is_refused_with_the_new_row_i35(world: &World) {
    let pair = world.take();
    for (side, here, there) in
        [(Side::Ivvy, "+61 2 5553 1111", "+61 2 5553 2222"), (Side::Crm, "+61 2 5553 3333", "+61 2 5553 4444")]
    {
        let seen = world.quarrel(&pair, "phone", here, there).await;
        edit(world, &pair, side, "first_name", &format!("Later {side}")).await;
        world.settle().await;
        for how in [How::Approve(Side::Ivvy), How::Force(Side::Crm)] {
            let refused = decide(world, &seen, how).await.unwrap_err();
            let Refusal::Stale(current) = refused else { panic!("{refused:?}") };
            assert_eq!(moved(&current), ["first_name"]);
            assert_eq!(*current, world.item(seen.id));
        }
        let current = world.held(&pair, Reason::Conflict);
        does_what_was_shown(world, &pair, &current, Verb::Approve, choose("phone", Choice::Ivvy)).await;
    }
}

pub async fn two_operators_at_once_one_wins_and_the_other_is_told_who_i5(world: &World) {
    let pair = world.take();
    let seen = world.quarrel(&pair, "phone", "+61 2 5554 1111", "+61 2 5554 2222").await;
    let (ada, ben) = tokio::join!(
        world.decide_as("ada", &seen, Verb::Approve, choose("phone", Choice::Ivvy)),
        world.decide_as("ben", &seen, Verb::Approve, choose("phone", Choice::Crm)),
    );
    let (winner, won, lost) = match (ada, ben) {
        (Ok(won), Err(lost)) => ("ada", won, lost),
        (Err(lost), Ok(won)) => ("ben", won, lost),
        other => panic!("exactly one wins: {other:?}"),
    };
    let Refusal::Stale(current) = lost else { panic!("{lost:?}") };
    assert_eq!(current.decided_by.as_deref(), Some(winner));
    assert!(current.ver >= won.ver, "the loser sees the row as it is now");
    world.idle().await;
    let phone = world.crm.read(CONTACTS, &pair.crm).await["phone"].clone();
    assert_eq!(phone, if winner == "ada" { "+61 2 5554 1111" } else { "+61 2 5554 2222" });
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], phone);
    let decisions = world.engine.store().read(|view| view.decisions(seen.id)).unwrap();
    assert_eq!(decisions.len(), 1, "one decision per version (I5)");
}

scenarios! {
    a_draft_is_never_carried_out_by_a_change_elsewhere_i7,
    a_record_that_moved_unseen_is_not_written_and_comes_back_marked_i8,
    a_decision_on_what_is_no_longer_there_is_refused_with_the_new_row_i35,
    two_operators_at_once_one_wins_and_the_other_is_told_who_i5,
}
