//! What the CRM changed though iVvy owns it: shown where it stands (V-43), put back where it is about
//! privacy (V-21).

use serde_json::json;
use tandem::daemon::Service as _;
use tandem::daemon::service::AccountService;
use tandem::model::{Item, ModuleId, PairKey, Reason, Side, State, Verb};
use tandem::store::Reads as _;
use tandem::wire::{Answer, Request};

use super::first_sync::two_idle_sweeps_write_nothing;
use super::hand::CrmHand;
use super::population::Shape;
use super::world::{Pair, Setup, World, operator};

/// Every drift that is shown of a module.
fn drifts(world: &World, module: ModuleId) -> Vec<Item> {
    let items = world.items(module, State::Skipped);
    let items: Vec<Item> = items.into_iter().filter(|item| item.reasons.contains(Reason::Drift)).collect();
    let counted = world.engine.store().read(|view| view.drifted(module)).unwrap();
    assert_eq!(counted, items.len() as u64, "the count of the status");
    items
}

fn sim(world: &World) -> &tandem::sim::salesforce::SalesforceSim {
    let CrmHand::Salesforce(sim) = &world.crm else { panic!("the simulator") };
    sim
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_edit_that_stays_is_shown_once_asks_nobody_and_goes_with_its_cause_v43() {
    let setup = Setup::salesforce(Shape::pairs(3)).also(&[ModuleId::Events, ModuleId::Attendees]);
    let world = World::in_step(setup).await;
    let module = ModuleId::Events;
    let ids: Vec<u64> =
        (0..3).map(|n| world.enter("event", json!({"title": format!("Event {n}"), "currentStatus": 3}))).collect();
    world.drain().await;
    assert_eq!(drifts(&world, module), []);
    let service = AccountService::new(world.account.clone(), "acceptance", "test");
    let status = async || match service.answer(&operator("ada"), Request::Status).await.unwrap() {
        Answer::Status(status) => status.modules.into_iter().find(|row| row.name == module).unwrap(),
        other => panic!("{other:?}"),
    };
    let campaign = |n: usize| world.keyed("Campaign", &format!("event-{}", ids[n])).unwrap();
    let rename = |n: usize, name: &str| {
        sim(&world).edit("Campaign", campaign(n)["Id"].as_str().unwrap(), json!({"Name": name})).unwrap();
    };
    let wrote = world.writes();

    for n in 0..3 {
        rename(n, &format!("Theirs {n}"));
    }
    world.settle().await;
    let shown = drifts(&world, module);
    assert_eq!((shown.len(), status().await.drifted), (3, 3));
    assert!(shown[0].plan.summary.contains("changed in the CRM"), "{}", shown[0].plan.summary);
    assert_eq!(world.items(module, State::Held), [], "nobody is asked");
    assert!(world.engine.guard_held(module).unwrap().tripped.is_none(), "and no guard counts it");
    assert_eq!(world.writes(), wrote, "it stays");

    // Idle sweeps write nothing, in the store as little as anywhere else.
    let seq = || world.engine.store().read(|view| view.seq()).unwrap();
    let before = (seq(), shown.clone());
    two_idle_sweeps_write_nothing(&world).await;
    assert_eq!((seq(), drifts(&world, module)), before);

    // Changed again it is the same item; asked to look again, nothing is left behind.
    rename(0, "Theirs, again");
    world.settle().await;
    let again = drifts(&world, module);
    assert_eq!(
        again.iter().map(|item| item.id).collect::<Vec<_>>(),
        before.1.iter().map(|item| item.id).collect::<Vec<_>>()
    );
    world.decide(&again[1], Verb::Reopen, |_| {}).await.unwrap();
    world.idle().await;
    assert_eq!(drifts(&world, module).len(), 3);

    // Put back in the CRM, it is gone; overwritten because iVvy moved on, too.
    rename(0, "Event 0");
    world.change("event", ids[1], json!({"title": "Event 1, moved"}));
    world.settle().await;
    assert_eq!(campaign(1)["Name"], "Event 1, moved");
    let left = drifts(&world, module);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].title, "Event 2");

    // A write to another field leaves the drift, and shows it again when it is through.
    world.change("event", ids[2], json!({"currentStatus": 1}));
    world.settle().await;
    assert_eq!((&campaign(2)["Name"], &campaign(2)["Status"]), (&json!("Theirs 2"), &json!("Completed")));
    assert_eq!(drifts(&world, module).len(), 1);

    // The pair is closed: so is its drift.
    sim(&world).delete("Campaign", campaign(2)["Id"].as_str().unwrap()).unwrap();
    world.sweep(true).await;
    world.sweep(true).await;
    world.idle().await;
    assert_eq!(drifts(&world, module), []);
    world.end().await;
}

/// Whether the CRM says that this person is not to be written to.
fn opted_out(world: &World, crm: &str) -> bool {
    let rows = world.org("Contact");
    rows.iter().find(|row| row["Id"] == crm).unwrap()["HasOptedOutOfEmail"] == true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_subscribed_again_by_us_on_either_side_v21() {
    let place = json!({"modules": {"contacts": {"crm_fields": {"email_opt_out": "HasOptedOutOfEmail"}}}});
    let world = World::in_step(Setup::salesforce(Shape::pairs(4)).saying(place)).await;
    let (left, stayed, theirs): (Pair, Pair, Pair) = (world.take(), world.take(), world.take());
    let status =
        |pair: &Pair, status: u8| world.change("contact", pair.ivvy.parse().unwrap(), json!({"status": status}));
    let in_ivvy = |pair: &Pair| world.ivvy.0.contact(pair.ivvy.parse().unwrap()).unwrap().status;
    let phone =
        async |pair: &Pair, phone: &str| world.crm.edit(ModuleId::Contacts, &pair.crm, &[("phone", phone)]).await;
    status(&left, 2);
    sim(&world).edit("Contact", &theirs.crm, json!({"HasOptedOutOfEmail": true})).unwrap();
    let joined = world.enter(
        "contact",
        json!({"firstName": "New", "lastName": "Leaver", "email": "new@leaver.example", "status": 5}),
    );
    world.drain().await;
    let joined = world.pair_of(ModuleId::Contacts, Side::Ivvy, &joined.to_string()).unwrap();
    let told = [&left, &stayed, &theirs, &joined].map(|pair| opted_out(&world, &pair.crm));
    assert_eq!(told, [true, false, true, true], "the wish is carried over, its absence is not");

    // Somebody clears it in the CRM: it is put back, unasked. An edit of theirs goes to iVvy without it.
    sim(&world).edit("Contact", &left.crm, json!({"HasOptedOutOfEmail": false})).unwrap();
    for (n, pair) in [&left, &stayed, &theirs].into_iter().enumerate() {
        phone(pair, &format!("+61 2 5550 000{n}")).await;
    }
    world.settle().await;
    assert!(opted_out(&world, &left.crm) && opted_out(&world, &theirs.crm));
    assert_eq!([&left, &stayed, &theirs].map(in_ivvy), [2, 1, 1], "iVvy says what it said");
    let ours = world.effects(Side::Ivvy).into_iter().filter(|effect| effect.object == "contact");
    let carried: Vec<String> = ours.flat_map(|effect| effect.fields).collect();
    assert!(carried.iter().any(|field| field == "phone"), "{carried:?}");
    let privacy = ["status", "smsStatus", "groups", "privacyConsent"];
    assert!(!carried.iter().any(|field| privacy.contains(&field.as_str())), "{carried:?}");

    // They subscribe again in iVvy: what the CRM was told stays there, for its people to judge.
    status(&left, 1);
    world.settle().await;
    assert!(opted_out(&world, &left.crm));
    for pair in [&left, &stayed, &theirs, &joined] {
        let open = world.open(ModuleId::Contacts, &PairKey::Link(pair.link));
        assert_eq!(open, None, "nobody is asked");
    }
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}
