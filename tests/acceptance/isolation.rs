//! One module fails, one is refused, one is paused, one is off: the others do not notice, and the status says
//! what each is (V-01).

use serde_json::{Value as Json, json};
use tandem::daemon::Service as _;
use tandem::daemon::service::AccountService;
use tandem::model::{ModuleId, Side};
use tandem::remote::gate::BreakerState;
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::wire::{Answer, ModuleStatus, Request};

use super::first_sync::{nothing_was_created_twice, two_idle_sweeps_write_nothing};
use super::modules::people;
use super::population::Shape;
use super::world::{Setup, World, operator};

/// Answers 500.
const FAILS: ModuleId = ModuleId::ContactEmails;
/// Answers 403.
const REFUSED: ModuleId = ModuleId::QuotesAndBookings;
const PAUSED: ModuleId = ModuleId::Leads;
const OFF: ModuleId = ModuleId::Registrations;

/// What a status says of a module.
async fn status(world: &World, module: ModuleId) -> Option<ModuleStatus> {
    let service = AccountService::new(world.account.clone(), "acceptance", "test");
    match service.answer(&operator("ada"), Request::Status).await.unwrap() {
        Answer::Status(status) => status.modules.into_iter().find(|row| row.name == module),
        other => panic!("{other:?}"),
    }
}

/// One new record of every kind; where each of them is to appear: object and key in the CRM.
fn business(world: &World, round: u64) -> [(ModuleId, &'static str, String); 8] {
    let person = people(world, 1).remove(0).0;
    let named = |what: &str| format!("{what} {round}");
    let email = format!("guest{round}@example.org");
    let company = world.enter("company", json!({"businessName": named("Firm")}));
    let contact = world.enter("contact", json!({"firstName": named("Guest"), "lastName": "Ofhonour", "email": email}));
    let lead = world.enter("lead", json!({"name": named("Lead"), "contactId": person, "sourceId": 2}));
    let event = world.enter("event", json!({"title": named("Event"), "currentStatus": 3}));
    world.enter("invitation", json!({"eventId": event, "contactId": person, "response": "Y"}));
    let registration = json!({
        "eventId": event, "mainContactId": person, "currentStatus": 2, "firstName": "A", "lastName": "B",
        "invoiceTotalCost": 10, "completedDate": "2026-11-01 10:00:00",
    });
    let registration = world.enter("registration", registration);
    let venue = world.enter("venue", json!({"businessName": "Pier", "currencyCode": "AUD"}));
    let booking = world.enter(
        "booking",
        json!({"venueId": venue, "name": named("Dinner"), "contactId": person, "currentStatus": 1,
               "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01"}),
    );
    let email = world.enter(
        "email",
        json!({"contactId": person, "subject": named("Hello"), "body": "<p>x</p>", "from": "v@example.org",
               "to": "p@example.org", "sentTime": "2026-11-20 10:00:00", "success": 1}),
    );
    [
        (ModuleId::Companies, "Account", format!("company-{company}")),
        (ModuleId::Contacts, "Contact", format!("contact-{contact}")),
        (ModuleId::Leads, "Lead", format!("lead-{lead}")),
        (ModuleId::Events, "Campaign", format!("event-{event}")),
        (ModuleId::Attendees, "CampaignMember", format!("attendee-{event}-{person}")),
        (ModuleId::Registrations, "Opportunity", format!("registration-{registration}")),
        (ModuleId::QuotesAndBookings, "Opportunity", format!("booking-{booking}")),
        (ModuleId::ContactEmails, "Task", format!("email-{email}")),
    ]
}

/// Sweeps again and again until everything of these modules is in the CRM.
async fn arrive(world: &World, due: &[(ModuleId, &'static str, String)], which: impl Fn(ModuleId) -> bool) {
    let wanted: Vec<_> = due.iter().filter(|(module, ..)| which(*module)).collect();
    world
        .until("what is due", async || {
            let missing = wanted.iter().any(|(_, object, key)| world.keyed(object, key).is_none());
            for module in world.modules().filter(|_| missing) {
                let swept =
                    module.swept_sides().iter().all(|side| world.engine.polling(module, *side).progress.is_none());
                if swept {
                    world.engine.sync_now(Some(module), false);
                }
                // A lead's person, an event's guests: some windows of a test are first ones.
                if world.engine.guard_held(module).unwrap().tripped.is_some() {
                    world.engine.guard_release(module, None, operator("ada")).await.unwrap();
                }
            }
            !missing
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fails_one_is_refused_one_paused_one_off_and_the_others_go_on_v01() {
    let optional = |module: &ModuleId| !ModuleId::PEOPLE.contains(module) && *module != ModuleId::Orders;
    let all: Vec<ModuleId> = ModuleId::ALL.into_iter().filter(optional).collect();
    let world = World::in_step(Setup::salesforce(Shape::pairs(3)).also(&all)).await;
    let first = business(&world, 1);
    arrive(&world, &first, |_| true).await;

    let world = world
        .reconfigured(|mut setup| {
            setup.modules.retain(|module| *module != OFF);
            setup
        })
        .await;
    world.engine.set_paused(Some(PAUSED), true, operator("ada")).await.unwrap();
    let fault = FaultSpec::times(FaultKind::ErrorBefore, "getEmailLogList", u32::MAX);
    world.ivvy.0.faults().arm(fault).unwrap();
    world.engine.sync_now(Some(FAILS), false);
    // More failures in a row than it takes to stop calling a remote that is down.
    world.until("many failures", async || world.engine.polling(FAILS, Side::Ivvy).failures > 7).await;
    assert_eq!(world.account.gates[&Side::Ivvy].status().breaker, BreakerState::Closed, "iVvy is not down");
    world.ivvy.0.permit("getBookingListForAccount", false);
    let second = business(&world, 2);
    let sick = [FAILS, REFUSED, PAUSED, OFF];
    arrive(&world, &second, |module| !sick.contains(&module)).await;
    world.until("a refusal", async || world.engine.stopped(REFUSED).is_some()).await;
    let third = business(&world, 3);
    arrive(&world, &third, |module| !sick.contains(&module)).await;

    let state = async |module| status(&world, module).await.map(|row| row.state);
    assert_eq!(state(FAILS).await.as_deref(), Some("failing"));
    assert_eq!(state(REFUSED).await.as_deref(), Some("stopped"));
    assert_eq!(state(PAUSED).await.as_deref(), Some("paused"));
    assert_eq!(state(OFF).await, None, "a module that is off has no row");
    for (module, words) in [(FAILS, "getEmailLogList"), (REFUSED, "getBookingListForAccount")] {
        let error = status(&world, module).await.unwrap().last_error.unwrap();
        assert!(error.contains(words), "{module}: {error}");
    }
    for module in [ModuleId::Companies, ModuleId::Contacts, ModuleId::Events, ModuleId::Attendees] {
        let row = status(&world, module).await.unwrap();
        assert!(["running", "syncing"].contains(&row.state.as_str()), "{module} is {}", row.state);
        assert_eq!(row.last_error, None, "{module}");
    }
    let waiting: Vec<_> = second.into_iter().chain(third).collect();
    for (module, object, key) in waiting.iter().filter(|(module, ..)| sick.contains(module)) {
        assert_eq!(world.keyed(object, key), None::<Json>, "{module}");
    }

    // Everything is lifted: what waited goes, once.
    world.ivvy.0.faults().clear();
    world.ivvy.0.permit("getBookingListForAccount", true);
    for module in [REFUSED, PAUSED] {
        world.engine.set_paused(Some(module), false, operator("ada")).await.unwrap();
    }
    let world = world.reconfigured(|setup| setup.also(&[OFF])).await;
    arrive(&world, &waiting, |_| true).await;
    world.idle().await;
    for module in world.modules() {
        let row = status(&world, module).await.unwrap();
        assert!(["running", "syncing"].contains(&row.state.as_str()), "{module} is {}", row.state);
    }
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    let wrote = world.effects(Side::Ivvy).len();
    println!("{wrote} writes to iVvy");
    world.end().await;
}
