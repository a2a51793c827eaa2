//! Which modules run, which of their records go over and from when, and what they wait for (V-03, V-40 to
//! V-47, V-50, V-61, V-80).

use serde_json::{Value as Json, json};
use tandem::model::{Item, ModuleId, PairKey, Reason, Side, State, Verb};
use tandem::sim::fault::{FaultKind, FaultSpec, Faults};

use super::first_sync::{nothing_was_created_twice, two_idle_sweeps_write_nothing};
use super::hand::CrmHand;
use super::modules::{EVENTS, people};
use super::population::{Known, Shape};
use super::world::{Setup, World};

/// What calls about anything but contacts have in their address.
const IVVY_CALLS: [&str; 9] = [
    "getEvent",
    "getRegistration",
    "getAttendee",
    "getInvited",
    "getBooking",
    "getVenue",
    "getEmailLog",
    "getLead",
    "getUser",
];
const CRM_CALLS: [&str; 4] = ["Campaign", "Opportunity", "Task", "Lead"];

/// Breaks every call whose address contains one of `words`, so that one that is made can be counted.
fn trap(faults: &Faults, words: &[&str]) {
    for word in words {
        faults.arm(FaultSpec::times(FaultKind::Forbid, *word, u32::MAX)).unwrap();
    }
}

fn trapped(world: &World) -> u64 {
    let CrmHand::Salesforce(salesforce) = &world.crm else { panic!("the simulator") };
    world.ivvy.0.faults().fired(FaultKind::Forbid) + salesforce.faults().fired(FaultKind::Forbid)
}

/// An account with something of every kind in it, and traps around everything but contacts.
async fn trapped_account(modules: &[ModuleId]) -> World {
    let known = Known::of(Shape::pairs(3), 7);
    let setup = Setup { modules: modules.to_vec(), ..Setup::salesforce(Shape::pairs(3)) };
    let world = World::prepare(setup, known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.ivvy.0.furnish(false);
    world.crm.load(&known.crm).await;
    let CrmHand::Salesforce(salesforce) = &world.crm else { panic!("the simulator") };
    trap(world.ivvy.0.faults(), &IVVY_CALLS);
    trap(salesforce.faults(), &CRM_CALLS);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_only_contacts_on_no_call_about_anything_else_is_made_v03_v40_v50_v80() {
    let mut world = trapped_account(&[ModuleId::Contacts]).await;
    world.start();
    world.first_plan().await;
    world.release().await;
    world.sweep(true).await;
    world.idle().await;
    assert_eq!(trapped(&world), 0);
    let touched: Vec<String> = Side::BOTH.iter().flat_map(|side| world.effects(*side)).map(|e| e.object).collect();
    assert!(touched.iter().all(|object| object.eq_ignore_ascii_case("contact")), "{touched:?}");
    assert!(!world.pairs(ModuleId::Contacts).is_empty(), "contacts go without the others");
    world.end().await;

    // And the traps are where the calls would be.
    for module in [ModuleId::Events, ModuleId::Registrations, ModuleId::QuotesAndBookings] {
        let mut world = trapped_account(&[ModuleId::Contacts, module]).await;
        world.start();
        world.until("a call that is not wanted", async || trapped(&world) > 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_switched_off_stop_their_attendees_too_v61() {
    let setup = Setup::salesforce(Shape::pairs(3)).also(&[ModuleId::Events, ModuleId::Attendees]);
    let world = World::in_step(setup).await;
    let guest = people(&world, 1).remove(0).0;
    let gala = world.enter("event", json!({"title": "Gala", "currentStatus": 3}));
    world.enter("invitation", json!({"eventId": gala, "contactId": guest, "response": "Y"}));
    world.drain().await;
    assert_eq!((world.org("Campaign").len(), world.org("CampaignMember").len()), (1, 1));

    let off = |setup: Setup| Setup { modules: ModuleId::PEOPLE.to_vec(), ..setup };
    let world = world.reconfigured(off).await;
    assert_eq!(world.modules().collect::<Vec<_>>(), ModuleId::PEOPLE, "both are off");
    let CrmHand::Salesforce(salesforce) = &world.crm else { panic!("the simulator") };
    trap(world.ivvy.0.faults(), &["getEvent", "getAttendee", "getInvited"]);
    trap(salesforce.faults(), &["Campaign"]);
    world.change("event", gala, json!({"title": "Gala night"}));
    world.sweep(true).await;
    world.idle().await;
    assert_eq!(trapped(&world), 0);
    world.end().await;
}

fn registration(event: u64, contact: u64, more: Json) -> Json {
    let mut row = json!({
        "eventId": event, "mainContactId": contact, "currentStatus": 2, "firstName": "Ada", "lastName": "Bell",
        "invoiceTotalCost": 100, "invoiceTotalPaid": 100, "completedDate": "2026-11-01 10:00:00",
    });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn event(world: &World) -> u64 {
    let gala = json!({"title": "Gala", "currentStatus": 3, "startDateTime": "2027-01-10 09:00:00",
        "endDateTime": "2027-01-10 17:00:00"});
    world.enter("event", gala)
}

fn opportunity(world: &World, registration: u64) -> Option<Json> {
    world.keyed("Opportunity", &format!("registration-{registration}"))
}

fn stage(world: &World, registration: u64) -> Option<String> {
    opportunity(world, registration).map(|row| row["StageName"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_switched_on_later_starts_at_its_own_first_sync_date_v03() {
    let contacts_only = Setup { first_sync: Some("2020-01-01".to_owned()), ..Setup::salesforce(Shape::pairs(3)) };
    let world = World::in_step(contacts_only).await;
    let person = people(&world, 1).remove(0).0;
    let gala = event(&world);
    let at = |stamp: &str| registration(gala, person, json!({"modifiedDate": stamp}));
    let old = world.ivvy.0.add("registration", at("2026-03-31 23:59:59")).unwrap();
    let new = world.ivvy.0.add("registration", at("2026-04-01 00:00:00")).unwrap();
    let world = world
        .reconfigured(|setup| {
            let since = json!({"modules": {"registrations": {"first_sync": "2026-04-01"}}});
            setup.also(&EVENTS).saying(since)
        })
        .await;
    world.drain().await;
    assert!(stage(&world, new).is_some(), "inclusive of the day");
    assert_eq!(stage(&world, old), None, "older than the module's own date, younger than the general one");
    // Somebody works on it: from then on it is as new as any other.
    world.change("registration", old, json!({"invoiceTotalPaid": 50}));
    world.drain().await;
    assert!(stage(&world, old).is_some());
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delegates_exhibitors_or_both_and_what_was_sent_is_kept_and_followed_v45() {
    let only = |who: Json| json!({"modules": {"registrations": {"only": {"exhibitor": who}}}});
    let setup = Setup::salesforce(Shape::pairs(3)).also(&EVENTS).saying(only(json!(["yes"])));
    let world = World::in_step(setup).await;
    let (person, gala) = (people(&world, 1).remove(0).0, event(&world));
    let new = |world: &World, exhibitor: bool| {
        world.enter("registration", registration(gala, person, json!({"isExhibitor": exhibitor})))
    };
    let (exhibitor, delegate) = (new(&world, true), new(&world, false));
    world.drain().await;
    assert_eq!((stage(&world, exhibitor).is_some(), stage(&world, delegate)), (true, None), "exhibitors only");

    // Delegates only from now on: the exhibitor that was sent stays and is followed, a new one is not sent.
    let world = world.reconfigured(|setup| setup.saying(only(json!(["no"])))).await;
    let late = new(&world, true);
    world.change("registration", exhibitor, json!({"currentStatus": 3}));
    // What the filter lets in is looked at before it goes.
    world
        .until("the dry run", async || {
            let guard = world.engine.guard_held(ModuleId::Registrations).unwrap();
            guard.tripped.is_some() && guard.creates.get(&Side::Crm) == Some(&1)
        })
        .await;
    world.drain().await;
    assert_eq!(stage(&world, exhibitor).as_deref(), Some("Closed Lost"), "kept and followed");
    assert_eq!((stage(&world, delegate).is_some(), stage(&world, late)), (true, None));

    // And both.
    let world = world.reconfigured(|setup| setup.saying(only(json!([])))).await;
    world.drain().await;
    let all = [exhibitor, delegate, late].map(|id| stage(&world, id).is_some());
    assert_eq!(all, [true; 3]);
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

/// The open item of an iVvy record that stands alone.
fn waiting(world: &World, module: ModuleId, id: u64) -> Item {
    let key = PairKey::Lone(Side::Ivvy, id.to_string().as_str().into());
    world.open(module, &key).expect("it waits, visibly")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opportunities_wait_for_a_contact_in_doubt_while_the_others_go_v42() {
    let mut modules = EVENTS.to_vec();
    modules.push(ModuleId::QuotesAndBookings);
    let world = World::in_step(Setup::salesforce(Shape::pairs(3)).also(&modules)).await;
    let (paired, gala) = (people(&world, 1).remove(0).0, event(&world));
    let venue = world.enter("venue", json!({"businessName": "Pier One", "currencyCode": "AUD"}));
    // One whose name is not known, and one whom the CRM knows twice.
    let nameless = world.enter("contact", json!({"firstName": "Nora", "lastName": "", "email": "nora@example.org"}));
    let CrmHand::Salesforce(salesforce) = &world.crm else { panic!("the simulator") };
    let twin = json!({"FirstName": "Tom", "LastName": "Twin", "Email": "tom@example.org"});
    let twins = [(); 2].map(|()| salesforce.insert("Contact", twin.clone()).unwrap());
    let doubtful = world.enter("contact", json!({"firstName": "Tom", "lastName": "Twin", "email": "tom@example.org"}));
    let with = |contact: u64| {
        let booking = json!({
            "venueId": venue, "name": "Dinner", "code": "B-1", "contactId": contact, "currentStatus": 1,
            "totalAmount": 10, "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01",
        });
        (world.enter("registration", registration(gala, contact, json!({}))), world.enter("booking", booking))
    };
    let [(going, booked), (nora, dinner), (tom, supper)] = [paired, nameless, doubtful].map(with);
    world.drain().await;

    let booking = |id: u64| world.keyed("Opportunity", &format!("booking-{id}"));
    assert!(stage(&world, going).is_some() && booking(booked).is_some(), "the modules go on");
    for (module, id) in [
        (ModuleId::Registrations, nora),
        (ModuleId::Registrations, tom),
        (ModuleId::QuotesAndBookings, dinner),
        (ModuleId::QuotesAndBookings, supper),
    ] {
        let item = waiting(&world, module, id);
        assert_eq!(item.state, State::Blocked, "{module}: {item:?}");
        assert_eq!(item.waits_for.as_ref().map(|(parent, _)| *parent), Some(ModuleId::Contacts));
    }
    assert_eq!(world.org("Opportunity").len(), 2);

    // The name is entered, and somebody says which Tom it is: the children go by themselves.
    world.change("contact", nameless, json!({"lastName": "North"}));
    let question = waiting(&world, ModuleId::Contacts, doubtful);
    assert!(question.reasons.contains(Reason::Ambiguous), "{question:?}");
    let pair = world.decide(&question, Verb::Pair, |decision| decision.record = Some(twins[0].as_str().into()));
    pair.await.unwrap();
    world.drain().await;
    assert!(stage(&world, nora).is_some() && booking(dinner).is_some());
    assert_eq!(opportunity(&world, tom).unwrap()["ContactId"], twins[0].as_str());
    assert_eq!(booking(supper).unwrap()["ContactId"], twins[0].as_str());
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_paid_in_full_goes_and_leaving_completed_means_what_is_configured_v47() {
    for (after, expected) in [("lost", "Closed Lost"), ("won", "Closed Won")] {
        let rules = json!({"modules": {"registrations": {
            "only": {"status": ["completed"], "paid_in_full": ["yes"]},
            "stages": {"payment_waiting": after, "cancelled": after},
        }}});
        let world = World::in_step(Setup::salesforce(Shape::pairs(3)).also(&EVENTS).saying(rules)).await;
        let (person, gala) = (people(&world, 1).remove(0).0, event(&world));
        let new = |more: Json| world.enter("registration", registration(gala, person, more));
        let part = new(json!({"invoiceTotalPaid": "99.99"}));
        let unpaid = new(json!({"currentStatus": 4}));
        let (full, free) = (new(json!({})), new(json!({"invoiceTotalCost": 0, "invoiceTotalPaid": 0})));
        world.drain().await;
        let there = [part, unpaid, full, free].map(|id| stage(&world, id).is_some());
        assert_eq!(there, [false, false, true, true], "paid in full, and what costs nothing is");
        world.change("registration", part, json!({"invoiceTotalPaid": 120}));
        world.drain().await;
        assert_eq!(stage(&world, part).as_deref(), Some("Closed Won"), "paid meanwhile, and more than asked");

        // It leaves status 2: lost, or kept as it was.
        world.change("registration", full, json!({"currentStatus": 4, "invoiceTotalPaid": 0}));
        world.change("registration", free, json!({"currentStatus": 3}));
        world.drain().await;
        let stages = [full, free].map(|id| stage(&world, id).unwrap());
        assert_eq!(stages, [expected; 2]);
        assert_eq!(world.org("Opportunity").len(), 3);
        two_idle_sweeps_write_nothing(&world).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amounts_go_over_as_they_are_with_what_is_paid_and_in_which_currency_v41() {
    let place = json!({"modules": {"registrations": {
        "currency": "NZD", "crm_fields": {"currency": "CurrencyIsoCode", "paid": "Ivvy_Paid__c"},
    }}});
    let world = World::in_step(Setup::salesforce(Shape::pairs(3)).also(&EVENTS).saying(place)).await;
    let (person, gala) = (people(&world, 1).remove(0).0, event(&world));
    let new = |cost: Json, paid: Json| {
        let amounts = json!({"invoiceTotalCost": cost, "invoiceTotalPaid": paid});
        world.enter("registration", registration(gala, person, amounts))
    };
    let cases = [
        (new(json!("1250.50"), json!("1000.25")), json!(1250.5), json!(1000.25)),
        (new(json!(0), json!(0)), json!(0.0), json!(0.0)),
        // A refund is owed.
        (new(json!("-40.10"), json!("-40.10")), json!(-40.1), json!(-40.1)),
        (new(Json::Null, Json::Null), Json::Null, Json::Null),
    ];
    world.drain().await;
    for (id, amount, paid) in &cases {
        let there = opportunity(&world, *id).unwrap_or_else(|| panic!("registration {id} is there"));
        assert_eq!((&there["Amount"], &there["Ivvy_Paid__c"]), (amount, paid), "registration {id}");
        assert_eq!(there["CurrencyIsoCode"], "NZD");
    }
    two_idle_sweeps_write_nothing(&world).await;

    // No currency is configured: none is told, none is made up, and what was told stays.
    let place = json!({"modules": {"registrations": {"crm_fields": {"currency": "CurrencyIsoCode"}}}});
    let world = world.reconfigured(|setup| Setup { more: place, ..setup }).await;
    let silent = world.enter("registration", registration(gala, person, json!({})));
    world.change("registration", cases[1].0, json!({"invoiceTotalCost": 10}));
    world.drain().await;
    let told = [silent, cases[1].0].map(|id| opportunity(&world, id).unwrap()["CurrencyIsoCode"].clone());
    assert_eq!(told, [Json::Null, json!("NZD")]);
    world.end().await;
}
