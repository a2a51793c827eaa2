//! Everything once more against a real Odoo: the meeting on a world of the issue's size, the scenarios
//! in turn on a smaller one.

use std::time::Instant;

use serde_json::json;
use tandem::model::{ModuleId, Side};
use tokio::sync::Mutex;

use super::first_sync::{
    everybody_exists_once_on_each_side_and_is_linked, nothing_was_created_twice, two_idle_sweeps_write_nothing,
};
use super::odoo_server::OdooServer;
use super::population::Shape;
use super::world::{CrmKind, Setup, World};
use super::{constant_ids, custom_fields, merging, staleness, verbs, whole};

/// Each of these tests empties the server.
static SERVER: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_odoo_and_ivvy_meet_and_stay_in_step_v10_v20_i1_i10() {
    let Some(hand) = OdooServer::from_env("the acceptance scenarios") else { return };
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
    let setup = Setup { crm: CrmKind::RealOdoo(hand.clone()), conflicts: 1000, ..Setup::salesforce(shape) };
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

    parents_and_groups(hand).await;
    println!("{:5.1} s  parents and groups", started.elapsed().as_secs_f64());
}

/// A company below another keeps its own address, and tags are groups (V-18, V-72).
async fn parents_and_groups(hand: OdooServer) {
    let setup =
        Setup { crm: CrmKind::RealOdoo(hand.clone()), groups: Some(true), ..Setup::salesforce(Shape::pairs(4)) };
    let world = World::in_step(setup).await;
    let group = world.firm("Group", "");
    let branch = world.ivvy.insert(ModuleId::Companies, &[("name", "Branch"), ("parent", &group), ("city", "Hobart")]);
    world.found_groups();
    let pair = world.take();
    world.join_in_ivvy(&pair.ivvy, &[1, 12]);
    world.settle_whole().await;
    assert_eq!(world.parent_there(&branch).await.as_ref(), Some(&group));
    world.ivvy.edit(ModuleId::Companies, &group, &[("city", "Perth")]);
    world.settle().await;
    for (firm, city) in [(&group, "Perth"), (&branch, "Hobart")] {
        let there = world.firm_pair(firm).crm;
        assert_eq!(world.crm.read(ModuleId::Companies, &there).await["city"], city);
        assert_eq!(world.ivvy.read(ModuleId::Companies, firm)["city"], city);
    }

    let partner: i64 = pair.crm.parse().unwrap();
    let tags = async || {
        let question = json!({"domain": [["partner_ids", "in", [partner]]], "fields": ["name"], "order": "name"});
        let rows = hand.call("res.partner.category", "search_read", question).await;
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tags().await, ["Newsletter"]);
    let vip = json!([[0, 0, {"name": "VIP"}], [0, 0, {"name": "Anything else"}]]);
    hand.call("res.partner", "write", json!({"ids": [partner], "vals": {"category_id": vip}})).await;
    world.settle().await;
    assert_eq!(world.groups_in_ivvy(&pair.ivvy), [1, 2, 12].into());
    hand.call("res.partner", "write", json!({"ids": [partner], "vals": {"category_id": [[5, 0, 0]]}})).await;
    world.settle().await;
    assert_eq!(world.groups_in_ivvy(&pair.ivvy), [12].into(), "removals are mirrored here");
    assert_eq!(tags().await, [""; 0]);
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_module_on_with_a_real_odoo() {
    let Some(hand) = OdooServer::from_env("every module on") else { return };
    let _alone = SERVER.lock().await;
    whole::every_module_on(CrmKind::RealOdoo(hand), whole::tenths("odoo")).await;
}
