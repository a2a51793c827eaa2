//! Custom fields mapped in the configuration, each with its type (acceptance C: V-19).

use tandem::model::{Choice, ModuleId, Reason, Value, Verb};
use tandem::sync::Refusal;

use super::hand::CUSTOM;
use super::world::{World, choose};

const CONTACTS: ModuleId = ModuleId::Contacts;

/// Custom fields both systems of this world have.
fn mapped(world: &World) -> impl Iterator<Item = &'static str> {
    let odoo = world.is_odoo();
    CUSTOM.into_iter().filter(move |(.., in_odoo)| !odoo || in_odoo.is_some()).map(|(name, ..)| name)
}

/// Two values of each field, as either system shows them.
fn samples(name: &str) -> [&'static str; 2] {
    match name {
        "custom.101" => ["Vegan", "Halal"],
        "custom.103" => ["1", "1;2"],
        "custom.104" => ["1985-03-17", "1990-12-31"],
        _ => ["12", "40"],
    }
}

pub async fn every_mapped_type_travels_both_ways_v19(world: &World) {
    let pair = world.take();
    for name in mapped(world) {
        let [first, second] = samples(name);
        world.ivvy.edit(CONTACTS, &pair.ivvy, &[(name, first)]);
        world.settle().await;
        assert_eq!(world.crm.read(CONTACTS, &pair.crm).await[name], first, "{name} to the CRM");
        world.crm.edit(CONTACTS, &pair.crm, &[(name, second)]).await;
        world.settle().await;
        assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)[name], second, "{name} to iVvy");
        world.ivvy.edit(CONTACTS, &pair.ivvy, &[(name, "")]);
        world.settle().await;
        assert_eq!(world.crm.read(CONTACTS, &pair.crm).await[name], "", "{name} emptied");
        assert!(world.in_order(&pair), "{name}");
    }
    world.writes_nothing(world.settle()).await;
}

pub async fn a_value_of_another_type_is_refused_v19(world: &World) {
    let pair = world.take();
    let item = world.quarrel(&pair, "phone", "+61 2 5550 1010", "+61 2 5550 2020").await;
    let wrong =
        [("custom.104", Value::text("soon")), ("custom.105", Value::text("many")), ("custom.103", Value::text("1"))];
    for (name, value) in wrong.into_iter().filter(|(name, _)| mapped(world).any(|known| known == *name)) {
        let refused = world.decide(&item, Verb::Edit, choose(name, Choice::Custom(value))).await;
        assert!(matches!(&refused, Err(Refusal::Invalid(_, why)) if why.contains("takes")), "{name}: {refused:?}");
    }
    let unknown = world.decide(&item, Verb::Edit, choose("custom.999", Choice::Custom(Value::text("x")))).await;
    assert!(matches!(&unknown, Err(Refusal::Invalid(..))));
    assert_eq!(world.item(item.id), item, "a refusal leaves nothing behind");
    world.decide(&item, Verb::Approve, choose("phone", Choice::Crm)).await.unwrap();
    world.idle().await;
}

pub async fn sets_are_joined_element_by_element_i29(world: &World) {
    if world.is_odoo() {
        return;
    }
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("custom.103", "1")]);
    world.crm.edit(CONTACTS, &pair.crm, &[("custom.103", "1")]).await;
    world.settle().await;
    // One side adds, the other removes, in the same window.
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("custom.103", "1;2")]);
    world.crm.edit(CONTACTS, &pair.crm, &[("custom.103", "")]).await;
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["custom.103"], "2");
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["custom.103"], "2");
    assert!(world.in_order(&pair));
}

pub async fn a_value_the_crm_refuses_is_held_with_its_reason_and_can_be_changed_v19(world: &World) {
    if world.is_odoo() {
        return;
    }
    let pair = world.take();
    let before = world.crm.read(CONTACTS, &pair.crm).await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("custom.101", "Only what grows by the road")]);
    world.settle().await;
    let item = world.held(&pair, Reason::Validation);
    let error = item.error.clone().expect("the CRM's own words");
    assert!(error.message.contains("custom.101") && error.hint.is_some(), "{error:?}");
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await, before);
    world.writes_nothing(world.settle()).await;
    let own = Choice::Custom(Value::text("Vegan"));
    let item = world.held(&pair, Reason::Validation);
    super::merging::does_what_was_shown(world, &pair, &item, Verb::Approve, choose("custom.101", own)).await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["custom.101"], "Vegan");
}

scenarios! {
    every_mapped_type_travels_both_ways_v19,
    a_value_of_another_type_is_refused_v19,
    sets_are_joined_element_by_element_i29,
    a_value_the_crm_refuses_is_held_with_its_reason_and_can_be_changed_v19,
}
