//! One account with every module on: at rest, everything that should be in the CRM is there exactly once,
//! with its parents; nothing that a switch or filter keeps out is; and two more sweeps write nothing.
//!
//! A tenth of the account the issue describes, so that it runs with every change; `TANDEM_ACCOUNT=full`
//! makes it whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tandem::model::{MatchKind, ModuleId, Side, State};

use super::first_sync::{nothing_was_created_twice, two_idle_sweeps_write_nothing};
use super::hand::CrmHand;
use super::population::{Known, Shape};
use super::world::{Setup, World};

/// What is in the account besides people and companies.
#[derive(Default)]
struct Account {
    /// Keys of what must be in the CRM, with the iVvy contact it belongs to, by object.
    expected: BTreeMap<&'static str, BTreeMap<String, Option<u64>>>,
    members: BTreeSet<(u64, u64)>,
}

impl Account {
    fn expect(&mut self, object: &'static str, key: String, contact: Option<u64>) {
        self.expected.entry(object).or_default().insert(key, contact);
    }
}

fn fill(world: &World, tenths: usize) -> Account {
    let sim = &world.ivvy.0;
    let contacts: Vec<u64> = sim.contacts().into_iter().map(|contact| contact.id).collect();
    let companies: Vec<u64> = sim.companies().into_iter().map(|company| company.id).collect();
    let contact = |n: usize| contacts[n * 7 % contacts.len()];
    let mut account = Account::default();
    let sources: Vec<u64> =
        (0..2 * tenths).map(|n| sim.add("leadSource", json!({"name": format!("Source {n}")})).unwrap()).collect();
    let staff: Vec<u64> = (0..3 * tenths)
        .map(|n| {
            let user = json!({
                "firstName": "Staff", "lastName": format!("{n}"), "email": format!("staff{n}@venue.example"),
                "currentStatus": 1, "userType": 1,
            });
            sim.add("user", user).unwrap()
        })
        .collect();
    let stamp = |n: usize| format!("2026-10-{:02} {:02}:00:00", 1 + n % 28, n % 24);
    let events: Vec<u64> = (0..4 * tenths)
        .map(|n| {
            let status = if n % 8 == 7 { 0 } else { 3 };
            let event = json!({
                "title": format!("Event {n}"), "currentStatus": status, "modifiedDate": stamp(n),
                "startDateTime": "2027-02-01 09:00:00", "endDateTime": "2027-02-01 17:00:00",
            });
            let id = sim.add("event", event).unwrap();
            if status != 0 {
                account.expect("Campaign", format!("event-{id}"), None);
            }
            id
        })
        .collect();
    let launched: Vec<u64> = events.iter().enumerate().filter(|(n, _)| n % 8 != 7).map(|(_, id)| *id).collect();
    for n in 0..300 * tenths {
        let (event, contact) = (launched[n % launched.len()], contact(n / launched.len()));
        if account.members.insert((event, contact)) {
            let row = json!({"eventId": event, "contactId": contact, "response": (["U", "Y", "N"][n % 3]), "modifiedDate": stamp(n)});
            sim.add("invitation", row).unwrap();
        }
    }
    for n in 0..300 * tenths {
        let (event, contact) = (launched[n % launched.len()], contact(1 + n / launched.len()));
        let status = [2, 2, 2, 1, 4][n % 5];
        let registration = json!({
            "eventId": event, "mainContactId": contact, "currentStatus": status, "firstName": "F", "lastName": "L",
            "invoiceTotalCost": format!("{}.50", n), "invoiceTotalPaid": 0, "completedDate": stamp(n),
            "modifiedDate": stamp(n),
        });
        let id = sim.add("registration", registration).unwrap();
        if status == 2 {
            account.expect("Opportunity", format!("registration-{id}"), Some(contact));
        }
        let ticket = json!({
            "eventId": event, "registrationId": id, "contactId": contact, "firstName": "F", "lastName": "L",
            "email": "f@example.org", "hasAttended": false, "modifiedDate": stamp(n),
        });
        sim.add("attendee", ticket).unwrap();
        account.members.insert((event, contact));
    }
    let venue = sim.add("venue", json!({"businessName": "Pier One", "currencyCode": "AUD"})).unwrap();
    for n in 0..150 * tenths {
        let confidential = u8::from(n % 10 == 9);
        let booking = json!({
            "venueId": venue, "name": format!("Booking {n}"), "code": format!("B{n}"), "contactId": contact(n),
            "companyId": companies[n % companies.len()], "isConfidential": confidential,
            "currentStatus": ([1, 2, 3, 4, 9][n % 5]), "totalAmount": n, "modifiedDate": stamp(n),
            "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01",
        });
        let id = sim.add("booking", booking).unwrap();
        if confidential == 0 {
            account.expect("Opportunity", format!("booking-{id}"), Some(contact(n)));
        }
    }
    for n in 0..1000 * tenths {
        let success = u8::from(n % 20 != 19);
        let to = if n % 50 == 48 { Json::Null } else { json!(contact(n)) };
        let email = json!({
            "contactId": to, "subject": format!("E-mail {n}"), "from": "v@example.org", "to": "p@example.org",
            "body": format!("<p>Dear guest {n}</p>"), "sentTime": stamp(n), "success": success,
        });
        let id = sim.add("email", email).unwrap();
        if success == 1 && n % 50 != 48 {
            account.expect("Task", format!("email-{id}"), Some(contact(n)));
        }
    }
    for n in 0..50 * tenths {
        let lead = json!({
            "name": format!("Lead {n}"), "contactId": contact(n), "sourceId": sources[n % sources.len()],
            "ownerUserId": staff[n % staff.len()], "modifiedDate": stamp(n),
        });
        let id = sim.add("lead", lead).unwrap();
        account.expect("Lead", format!("lead-{id}"), None);
    }
    account
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_module_on_and_everything_is_there_once_with_its_parents() {
    let full = std::env::var("TANDEM_ACCOUNT").is_ok_and(|scale| scale == "full");
    let tenths = if full { 10 } else { 1 };
    let shape = Shape {
        both: 100 * tenths,
        only_ivvy: 100 * tenths,
        only_crm: 0,
        companies_both: 15 * tenths,
        companies_only_ivvy: 15 * tenths,
        companies_only_crm: 0,
    };
    let setup = Setup { conflicts: 10_000, ..Setup::salesforce(shape) }.also(&ModuleId::ALL[2..]);
    let known = Known::of(setup.shape, setup.seed);
    let mut world = World::prepare(setup, known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.crm.load(&known.crm).await;
    let account = fill(&world, tenths);
    world.start();
    world.first_plan().await;
    world.release().await;
    world.settle().await;
    world.release().await;

    let people: BTreeMap<String, String> =
        world.pairs(ModuleId::Contacts).into_iter().map(|pair| (pair.ivvy, pair.crm)).collect();
    let CrmHand::Salesforce(sim) = &world.crm else { unreachable!() };
    for (object, expected) in &account.expected {
        let rows = sim.records(object).unwrap();
        let keyed: BTreeMap<&str, &Json> =
            rows.iter().filter_map(|row| row["Ivvy_Id__c"].as_str().map(|key| (key, row))).collect();
        assert_eq!(
            keyed.len(),
            rows.iter().filter(|row| row["Ivvy_Id__c"].is_string()).count(),
            "{object}: no key twice"
        );
        let missing: Vec<&String> = expected.keys().filter(|key| !keyed.contains_key(key.as_str())).collect();
        let surplus: Vec<&&str> = keyed.keys().filter(|key| !expected.contains_key(**key)).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{object}: missing {missing:?}, surplus {surplus:?}\n{}",
            world.describe()
        );
        let parent = if *object == "Task" { "WhoId" } else { "ContactId" };
        for (key, contact) in expected {
            if let Some(contact) = contact {
                assert_eq!(keyed[key.as_str()][parent], people[&contact.to_string()].as_str(), "{object} {key}");
            }
        }
    }
    let campaigns: BTreeMap<String, String> =
        world.pairs(ModuleId::Events).into_iter().map(|pair| (pair.ivvy, pair.crm)).collect();
    let members: Vec<(String, String)> = sim
        .records("CampaignMember")
        .unwrap()
        .iter()
        .map(|row| (row["CampaignId"].as_str().unwrap().to_owned(), row["ContactId"].as_str().unwrap().to_owned()))
        .collect();
    let expected: BTreeSet<(String, String)> = account
        .members
        .iter()
        .map(|(event, contact)| (campaigns[&event.to_string()].clone(), people[&contact.to_string()].clone()))
        .collect();
    assert_eq!(members.len(), expected.len());
    assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), expected);
    nothing_was_created_twice(&world);
    let back = ["event", "invitation", "registration", "attendee", "booking", "email"];
    let written = world.effects(Side::Ivvy).into_iter().filter(|effect| back.contains(&effect.object.as_str()));
    assert_eq!(written.count(), 0, "one-way is one way");
    for module in ModuleId::ALL {
        for state in [State::Held, State::Blocked, State::Dead] {
            assert_eq!(world.items(module, state), [], "{module}: nothing waits");
        }
    }
    for kind in MatchKind::ALL {
        assert!(world.engine.match_status(kind).refreshed_at.is_some());
    }
    two_idle_sweeps_write_nothing(&world).await;
    for side in Side::BOTH {
        println!("{side}: {:?}", world.calls(side));
    }
    world.end().await;
}
