//! Everything once more against a real Odoo: the meeting on a world of the issue's size, the scenarios
//! in turn on a smaller one.

use std::time::Instant;

use tandem::model::{ModuleId, Side};
use tokio::sync::Mutex;

use super::first_sync::{
    everybody_exists_once_on_each_side_and_is_linked, nothing_was_created_twice, two_idle_sweeps_write_nothing,
};
use super::hand::OdooHand;
use super::population::Shape;
use super::world::{CrmKind, Setup, World};
use super::{constant_ids, custom_fields, merging, staleness, verbs, whole};

/// Each of these tests empties the server.
static SERVER: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_odoo_and_ivvy_meet_and_stay_in_step_v10_v20_i1_i10() {
    let Some(hand) = OdooHand::from_env() else { return };
    let _alone = SERVER.lock().await;
    let started = Instant::now();
    let report = |world: &World, what: &str| {
        let calls = Side::BOTH.map(|side| (side.title(), world.calls(side).all(), world.calls(side)));
        println!("{:5.1} s  {what}: {calls:?}", started.elapsed().as_secs_f64());
    };
    let setup = Setup { crm: CrmKind::RealOdoo(hand.clone()), ..Setup::salesforce(Shape::ISSUE) };
    let world = World::begin(setup).await;
    report(&world, "planned");
    assert_eq!(world.writes(), 0, "the first sync waits for a person");
    world.release().await;
    report(&world, "first sync done");
    everybody_exists_once_on_each_side_and_is_linked(&world).await;
    nothing_was_created_twice(&world);
    assert!(world.pairs(ModuleId::Contacts).len() >= world.known.everybody.len());
    two_idle_sweeps_write_nothing(&world).await;
    report(&world, "two idle sweeps done");

    world.end().await;

    let shape = Shape::pairs(40);
    let setup = Setup { crm: CrmKind::RealOdoo(hand), conflicts: 1000, ..Setup::salesforce(shape) };
    let world = World::in_step(setup).await;
    report(&world, "forty people in step");
    merging::all(&world).await;
    report(&world, "merging");
    constant_ids::all(&world).await;
    report(&world, "constant ids");
    custom_fields::all(&world).await;
    report(&world, "custom fields");
    staleness::all(&world).await;
    report(&world, "staleness");
    verbs::all(&world).await;
    report(&world, "verbs");
    two_idle_sweeps_write_nothing(&world).await;
    nothing_was_created_twice(&world);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_module_on_with_a_real_odoo() {
    let Some(hand) = OdooHand::from_env() else { return };
    let _alone = SERVER.lock().await;
    whole::every_module_on(CrmKind::RealOdoo(hand), whole::tenths("odoo")).await;
}
