//! Edits of linked pairs (acceptance B): what merges by itself, what becomes a question, and that an
//! answer does exactly what the diff pane showed.

use tandem::model::{Choice, ModuleId, Reason, Side, State, Value, Verb, Why};

use super::world::{Pair, World, changes, choose, promised};

/// A pair of people in conflict over the phone, with one more field changed on each side.
async fn entangled(world: &World) -> (Pair, tandem::model::Item) {
    let pair = world.take();
    world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("first_name", "Ida"), ("phone", "+61 2 5550 1111")]);
    world
        .crm
        .edit(ModuleId::Contacts, &pair.crm, &[("email", "moved@example.net"), ("phone", "+61 2 5550 2222")])
        .await;
    world.settle().await;
    let item = world.held(&pair, Reason::Conflict);
    assert_eq!(item.plan.unsolved(), 1, "only the field both changed is a question");
    (pair, item)
}

/// Decides, lets it happen, and compares what changed anywhere with what the plan promised.
pub async fn does_what_was_shown(
    world: &World,
    pair: &Pair,
    item: &tandem::model::Item,
    verb: Verb,
    fill: impl FnOnce(&mut tandem::model::Decision),
) -> Vec<super::world::Change> {
    let before = world.everything().await;
    let decided = world.decide(item, verb, fill).await.unwrap();
    let promise = promised(&decided, pair);
    world.idle().await;
    let found = changes(&before, &world.everything().await);
    assert_eq!(found, promise, "exactly what was shown, and nothing else");
    assert!(world.in_order(pair), "{:?}", world.last(pair));
    world.writes_nothing(world.settle()).await;
    found
}

fn fields_on(found: &[super::world::Change], side: Side) -> Vec<(&str, &str)> {
    found.iter().filter(|change| change.0 == side).map(|change| (change.2.as_str(), change.3.as_str())).collect()
}

pub async fn different_fields_merge_without_a_question_v10(world: &World) {
    let pair = world.take();
    let held = world.items(ModuleId::Contacts, State::Held).len();
    let before = world.everything().await;
    world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("phone", "+61 2 5550 3333")]);
    world.crm.edit(ModuleId::Contacts, &pair.crm, &[("first_name", "Maren")]).await;
    world.settle().await;
    let found = changes(&before, &world.everything().await);
    for side in Side::BOTH {
        assert_eq!(fields_on(&found, side), [("first_name", "Maren"), ("phone", "+61 2 5550 3333")], "{side}");
    }
    assert_eq!(world.items(ModuleId::Contacts, State::Held).len(), held);
    world.writes_nothing(world.settle()).await;
}

pub async fn the_same_edit_on_both_sides_is_no_write_at_all(world: &World) {
    let pair = world.take();
    world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("phone", "+61 2 5550 4444")]);
    world.crm.edit(ModuleId::Contacts, &pair.crm, &[("phone", "+61 (2) 5550-4444")]).await;
    let writes = world.writes();
    world.settle().await;
    assert_eq!(world.writes(), writes, "two spellings of one number");
    assert!(world.in_order(&pair));
    // They have agreed: the next edit flows by itself.
    world.crm.edit(ModuleId::Contacts, &pair.crm, &[("phone", "+61 2 5550 4445")]).await;
    world.settle().await;
    assert_eq!(world.ivvy.read(ModuleId::Contacts, &pair.ivvy)["phone"], "+61 2 5550 4445");
}

pub async fn approving_ivvys_way_does_what_was_shown_i8(world: &World) {
    let (pair, item) = entangled(world).await;
    let found = does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", Choice::Ivvy)).await;
    assert_eq!(fields_on(&found, Side::Crm), [("first_name", "Ida"), ("phone", "+61 2 5550 1111")]);
    assert_eq!(fields_on(&found, Side::Ivvy), [("email", "moved@example.net")]);
}

pub async fn approving_the_crms_way_does_what_was_shown_i8(world: &World) {
    let (pair, item) = entangled(world).await;
    let found = does_what_was_shown(world, &pair, &item, Verb::Approve, choose("phone", Choice::Crm)).await;
    assert_eq!(fields_on(&found, Side::Crm), [("first_name", "Ida")]);
    assert_eq!(fields_on(&found, Side::Ivvy), [("email", "moved@example.net"), ("phone", "+61 2 5550 2222")]);
}

pub async fn editing_to_a_value_of_ones_own_does_what_was_shown_i8(world: &World) {
    let (pair, item) = entangled(world).await;
    let refused = world.decide(&item, Verb::Approve, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, tandem::sync::Refusal::Invalid(_, why) if why.contains("choose")), "{refused:?}");
    let own = Choice::Custom(Value::text("+61 2 5550 9999"));
    let edited = world.decide(&item, Verb::Edit, choose("phone", own)).await.unwrap();
    assert_eq!((edited.state, edited.plan.unsolved()), (State::Held, 0), "an edit decides nothing");
    world.writes_nothing(world.settle()).await;
    let edited = world.item(edited.id);
    let found = does_what_was_shown(world, &pair, &edited, Verb::Approve, |_| {}).await;
    assert_eq!(fields_on(&found, Side::Crm), [("first_name", "Ida"), ("phone", "+61 2 5550 9999")]);
    assert_eq!(fields_on(&found, Side::Ivvy), [("email", "moved@example.net"), ("phone", "+61 2 5550 9999")]);
}

pub async fn skipping_writes_nothing(world: &World) {
    let (pair, item) = entangled(world).await;
    world
        .writes_nothing(async {
            let skipped = world.decide(&item, Verb::Skip, |_| {}).await.unwrap();
            assert_eq!(skipped.state, State::Skipped);
            world.settle().await;
            world.sweep(true).await;
            world.idle().await;
        })
        .await;
    assert_eq!(world.item(item.id).state, State::Skipped);
    assert!(world.in_order(&pair));
}

pub async fn forcing_does_what_was_shown_i8(world: &World) {
    for side in Side::BOTH {
        let (pair, item) = entangled(world).await;
        let without = world.decide(&item, Verb::Force, |decision| decision.side = Some(side)).await.unwrap_err();
        assert!(matches!(&without, tandem::sync::Refusal::Invalid(_, why) if why.contains("reason")), "{without:?}");
        let force = |decision: &mut tandem::model::Decision| {
            decision.side = Some(side);
            decision.reason = Some("asked by phone".to_owned());
        };
        let found = does_what_was_shown(world, &pair, &item, Verb::Force, force).await;
        assert_eq!(fields_on(&found, side), [], "the winner is not touched");
        let lost = fields_on(&found, side.other());
        let names: Vec<&str> = lost.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["email", "first_name", "phone"], "the whole record of the other side");
    }
}

pub async fn companies_merge_and_ask_as_people_do_v70_v71(world: &World) {
    let pair = world.pairs(ModuleId::Companies).into_iter().next().unwrap();
    world.ivvy.edit(ModuleId::Companies, &pair.ivvy, &[("phone", "+61 2 5550 7777")]);
    world.crm.edit(ModuleId::Companies, &pair.crm, &[("city", "Hobart")]).await;
    world.settle().await;
    assert_eq!(world.crm.read(ModuleId::Companies, &pair.crm).await["phone"], "+61 2 5550 7777");
    assert_eq!(world.ivvy.read(ModuleId::Companies, &pair.ivvy)["city"], "Hobart");
    // Renamed on both sides at once: a question about the name alone, never a second company.
    let before = world.pairs(ModuleId::Companies).len();
    let item = world.quarrel(&pair, "name", "Northern Mill", "Mill of the North").await;
    let asked: Vec<_> = item.plan.fields.iter().filter(|row| row.unsolved()).map(|row| (&row.field, row.why)).collect();
    assert_eq!(asked, [(&"name".to_owned(), Why::BothChanged)]);
    does_what_was_shown(world, &pair, &item, Verb::Approve, choose("name", Choice::Crm)).await;
    assert_eq!(world.ivvy.read(ModuleId::Companies, &pair.ivvy)["name"], "Mill of the North");
    assert_eq!(world.pairs(ModuleId::Companies).len(), before);
}

pub async fn emptying_a_field_empties_it_on_the_other_side(world: &World) {
    for from in Side::BOTH {
        let pair = world.take();
        world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("phone", "+61 2 5550 8888")]);
        world.settle().await;
        match from {
            Side::Ivvy => world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("phone", "")]),
            Side::Crm => world.crm.edit(ModuleId::Contacts, &pair.crm, &[("phone", "")]).await,
        }
        world.settle().await;
        assert_eq!(world.ivvy.read(ModuleId::Contacts, &pair.ivvy)["phone"], "", "from {from}");
        assert_eq!(world.crm.read(ModuleId::Contacts, &pair.crm).await["phone"], "", "from {from}");
        assert!(world.in_order(&pair));
    }
}

scenarios! {
    different_fields_merge_without_a_question_v10,
    the_same_edit_on_both_sides_is_no_write_at_all,
    approving_ivvys_way_does_what_was_shown_i8,
    approving_the_crms_way_does_what_was_shown_i8,
    editing_to_a_value_of_ones_own_does_what_was_shown_i8,
    skipping_writes_nothing,
    forcing_does_what_was_shown_i8,
    companies_merge_and_ask_as_people_do_v70_v71,
    emptying_a_field_empties_it_on_the_other_side,
}
