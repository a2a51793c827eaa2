//! Remotes that fail in every way the simulators know, while two systems meet (acceptance F).

use tandem::model::{ModuleId, PairKey, Side, State, Verb};
use tandem::sim::fault::{FaultKind, FaultSpec, Faults};
use tandem::store::Reads as _;

use super::first_sync::{
    everybody_exists_once_on_each_side_and_is_linked, nothing_was_created_twice, two_idle_sweeps_write_nothing,
};
use super::hand::CrmHand;
use super::population::{Known, Shape};
use super::world::{Setup, World};

/// Each of these breaks a few calls, by chance, so that they fall on reads, creates and updates alike.
const KINDS: [(FaultKind, u32); 8] = [
    (FaultKind::ErrorAfter, 3),
    (FaultKind::DropAfter, 3),
    (FaultKind::DropBefore, 3),
    (FaultKind::ErrorBefore, 3),
    (FaultKind::Html, 3),
    (FaultKind::Truncate, 3),
    (FaultKind::Race, 3),
    (FaultKind::Throttle, 1),
];

fn arm(faults: &Faults, matching: &str, per_mille: u16) {
    for (kind, times) in KINDS {
        let spec = FaultSpec { per_mille: Some(per_mille), ..FaultSpec::times(kind, matching, times) };
        faults.arm(spec).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_remotes_make_no_doubles_and_lose_nothing_i1() {
    let shape = Shape {
        both: 20,
        only_ivvy: 20,
        only_crm: 20,
        companies_both: 2,
        companies_only_ivvy: 3,
        companies_only_crm: 3,
    };
    let known = Known::of(shape, 5);
    let mut world = World::prepare(Setup::salesforce(shape), known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.crm.load(&known.crm).await;
    let CrmHand::Salesforce(salesforce) = world.crm.clone() else { panic!("the simulator") };
    let ivvy = world.ivvy.0.clone();
    arm(ivvy.faults(), "", 30);
    arm(salesforce.faults(), "sobjects", 30);
    world.start();
    world.first_plan().await;
    for module in ModuleId::PEOPLE {
        // Writes are what a lost answer hurts most.
        arm(ivvy.faults(), "addOrUpdate", 120);
        arm(salesforce.faults(), "Ivvy_Id__c", 120);
        world.engine.guard_release(module, None, super::world::operator("ada")).await.unwrap();
        world.idle().await;
        revive(&world, module).await;
    }
    let fired = |faults: &Faults| KINDS.map(|(kind, _)| (kind, faults.fired(kind)));
    println!("ivvy {:?}\nsalesforce {:?}", fired(ivvy.faults()), fired(salesforce.faults()));
    for faults in [ivvy.faults(), salesforce.faults()] {
        let silent: Vec<_> = fired(faults).into_iter().filter(|(_, times)| *times == 0).collect();
        assert_eq!(silent, [], "every kind of failure happened");
        faults.clear();
    }
    world.settle().await;
    for module in ModuleId::PEOPLE {
        revive(&world, module).await;
        assert_eq!(world.items(module, State::Held), [], "nothing is left for a person");
    }
    everybody_exists_once_on_each_side_and_is_linked(&world).await;
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

/// A write that met three failures in a row waits for a person, who says: again.
async fn revive(world: &World, module: ModuleId) {
    loop {
        let dead = world.items(module, State::Dead);
        if dead.is_empty() {
            return;
        }
        for item in dead {
            world.decide(&item, Verb::Retry, |_| {}).await.unwrap();
        }
        world.idle().await;
    }
}

/// Records that must wait, here for a system that lists nothing, stand in nobody's way: not even several batches
/// of them (64 records each). Reading the one edit wakes the planner once, so it must go round the whole line then:
/// a planner that takes up a batch per wake-up is still busy with the crowd when nothing wakes it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_must_wait_holds_up_no_edit_behind_it() {
    const CROWD: usize = 400;
    let world = World::in_step(Setup::salesforce(Shape::pairs(2))).await;
    let CrmHand::Salesforce(salesforce) = world.crm.clone() else { panic!("the simulator") };
    let listings = FaultSpec::times(FaultKind::ErrorBefore, "ORDER", 1_000_000);
    salesforce.faults().arm(listings).unwrap();
    for n in 0..CROWD {
        let email = format!("new{n}@crowd.example");
        let fields = [("first_name", "New"), ("last_name", "Face"), ("email", email.as_str())];
        world.ivvy.insert(ModuleId::Contacts, &fields);
    }
    world.engine.sync_now(Some(ModuleId::Contacts), false);
    let line = || world.engine.store().read(|view| view.dirty(ModuleId::Contacts, 2 * CROWD)).unwrap();
    let swept = || world.engine.polling(ModuleId::Contacts, Side::Ivvy).progress.is_none();
    world.until("the crowd in line", async || line().len() == CROWD && swept()).await;
    let pair = world.take();
    world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("phone", "+61 2 5550 7070")]);
    world.engine.look_at(ModuleId::Contacts, Side::Ivvy, pair.ivvy.as_str().into()).await.unwrap();
    let there = async || match &world.crm {
        CrmHand::Salesforce(sim) => {
            let rows = sim.records("Contact").unwrap();
            rows.iter().any(|row| row["Id"] == pair.crm.as_str() && row["Phone"] == "+61 2 5550 7070")
        }
        CrmHand::Odoo(_) => false,
    };
    world.until("the edit", there).await;
    assert_eq!(world.crm.all(ModuleId::Contacts).await.len(), 2, "nobody is created before the CRM has been read");
    salesforce.faults().clear();
    world.settle().await;
    world.release().await;
    assert_eq!(world.crm.all(ModuleId::Contacts).await.len(), CROWD + 2);
    world.end().await;
}

/// A parent that is given up without a further call must tell who waits for it: nothing else wakes the planner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_parent_that_is_given_up_hears_of_it_at_once() {
    let mut world = World::in_step(Setup::salesforce(Shape::pairs(2))).await;
    world.patience = std::time::Duration::from_secs(30);
    let faults = world.ivvy.0.faults().clone();
    faults.arm(FaultSpec::times(FaultKind::DropBefore, "addOrUpdateCompany", 3)).unwrap();
    let firm = world.crm.insert(ModuleId::Companies, &[("name", "Given Up Ltd")]).await;
    let fields =
        [("first_name", "Wai"), ("last_name", "Ting"), ("email", "wai@given-up.example"), ("company", firm.as_str())];
    let person = world.crm.insert(ModuleId::Contacts, &fields).await;
    world.settle().await;
    assert_eq!(faults.fired(FaultKind::DropBefore), 3);
    let of = |module, id: &str| world.open(module, &PairKey::Lone(Side::Crm, id.into())).map(|item| item.state);
    assert_eq!(of(ModuleId::Companies, &firm), Some(State::Dead), "three calls without an answer");
    assert_eq!(of(ModuleId::Contacts, &person), Some(State::Blocked));
    revive(&world, ModuleId::Companies).await;
    assert_eq!(of(ModuleId::Contacts, &person), None, "both are there now");
    world.end().await;
}
