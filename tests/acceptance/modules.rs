//! The one-way modules: what iVvy sells and sends becomes campaigns, members, opportunities and history
//! in the CRM, once, and never flows back (V-30 to V-67, V-80 to V-84).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tandem::model::{ModuleId, PairKey, Side, State, Verb};
use tandem::sim::control::Edit;
use tandem::sim::ledger::Op;

use super::first_sync::{nothing_was_created_twice, two_idle_sweeps_write_nothing};
use super::hand::CrmHand;
use super::population::Shape;
use super::world::{Setup, World};

pub const EVENTS: [ModuleId; 3] = [ModuleId::Events, ModuleId::Attendees, ModuleId::Registrations];

impl World {
    /// Puts a record of any kind into iVvy, as if somebody had entered it there.
    pub fn enter(&self, object: &str, fields: Json) -> u64 {
        self.ivvy.0.edit(&Edit::create(object, fields)).unwrap().parse().unwrap()
    }

    pub fn change(&self, object: &str, id: u64, fields: Json) {
        self.ivvy.0.edit(&Edit::update(object, id, fields)).unwrap();
    }

    /// Living Salesforce records of one object.
    pub fn org(&self, object: &str) -> Vec<Json> {
        let CrmHand::Salesforce(sim) = &self.crm else { panic!("these tests look into the simulated org") };
        sim.records(object).unwrap().into_iter().filter(|row| row["IsDeleted"] != true).collect()
    }

    /// The one record of `object` that carries a key.
    pub fn keyed(&self, object: &str, key: &str) -> Option<Json> {
        let rows: Vec<Json> = self.org(object).into_iter().filter(|row| row["Ivvy_Id__c"] == key).collect();
        assert!(rows.len() <= 1, "{key} exists once: {rows:?}");
        rows.into_iter().next()
    }

    /// Lets every guard go until nothing is left to do.
    pub async fn drain(&self) {
        self.settle().await;
        self.release().await;
        self.settle().await;
        self.release().await;
    }
}

pub fn people(world: &World, count: usize) -> Vec<(u64, String)> {
    let pairs = world.pairs(ModuleId::Contacts);
    pairs.into_iter().take(count).map(|pair| (pair.ivvy.parse().unwrap(), pair.crm)).collect()
}

/// An event that is over, with invitations answered in every way, tickets and a guest nobody invited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_20_an_event_and_everybody_in_it_v50_to_v67() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(8)).also(&EVENTS)).await;
    let people = people(&world, 7);
    let over = json!({
        "title": "Harbour Gala", "code": "GALA", "currentStatus": 3,
        "startDateTime": "2026-01-10 09:00:00", "endDateTime": "2026-01-10 17:00:00",
    });
    let gala = world.enter("event", over);
    let draft = world.enter("event", json!({"title": "Not yet", "currentStatus": 0}));
    world.enter("invitation", json!({"eventId": draft, "contactId": people[6].0, "response": "Y"}));
    for (at, response) in [(0, "U"), (1, "Y"), (2, "N"), (3, "Y"), (4, "Y")] {
        world.enter("invitation", json!({"eventId": gala, "contactId": people[at].0, "response": response}));
    }
    for (at, attended) in [(3, true), (4, false), (5, true)] {
        let registration = world.enter(
            "registration",
            json!({"eventId": gala, "mainContactId": people[at].0, "currentStatus": 2, "firstName": "A", "lastName": "B"}),
        );
        let ticket = json!({
            "eventId": gala, "registrationId": registration, "contactId": people[at].0, "hasAttended": attended,
            "firstName": "A", "lastName": "B", "email": "ab@example.org",
        });
        world.enter("attendee", ticket.clone());
        // A second ticket of one person is no second member.
        world.enter("attendee", ticket);
    }
    world.drain().await;

    let campaign = world.keyed("Campaign", &format!("event-{gala}")).expect("the event is a campaign");
    assert_eq!(campaign["Name"], "Harbour Gala");
    assert!(world.keyed("Campaign", &format!("event-{draft}")).is_none(), "a draft stays in iVvy (V-52)");
    let guest = PairKey::Lone(Side::Ivvy, format!("{draft}-{}", people[6].0).as_str().into());
    let guest = world.open(ModuleId::Attendees, &guest).expect("the draft's guest waits for the launch, unasked");
    assert_eq!(guest.state, State::Blocked, "{guest:?}");
    let members: BTreeMap<String, String> = world
        .org("CampaignMember")
        .into_iter()
        .map(|row| {
            assert_eq!(row["CampaignId"], campaign["Id"]);
            (row["ContactId"].as_str().unwrap().to_owned(), row["Status"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = ["Invited", "Accepted", "Declined", "Attended", "No-show", "Attended"];
    let expected: BTreeMap<String, String> =
        expected.iter().zip(&people).map(|(status, (_, crm))| (crm.clone(), (*status).to_owned())).collect();
    assert_eq!(members, expected, "six people, one membership each, the uninvited guest among them (V-67)");
    nothing_was_created_twice(&world);

    // V-63, V-66: somebody who said nothing registers and comes; the draft is launched.
    let late = world.enter(
        "registration",
        json!({"eventId": gala, "mainContactId": people[0].0, "currentStatus": 2, "firstName": "A", "lastName": "B"}),
    );
    let ticket = world.enter(
        "attendee",
        json!({"eventId": gala, "registrationId": late, "contactId": people[0].0, "hasAttended": true,
               "firstName": "A", "lastName": "B", "email": "ab@example.org"}),
    );
    world.change("event", draft, json!({"currentStatus": 3}));
    world.sweep(true).await;
    world.drain().await;
    let of = |world: &World, crm: &str| {
        let row = world.org("CampaignMember").into_iter().find(|row| row["ContactId"] == crm);
        row.map(|row| row["Status"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(&world, &people[0].1).as_deref(), Some("Attended"), "ticket {ticket}");
    assert!(world.keyed("Campaign", &format!("event-{draft}")).is_some(), "launched, it is a campaign");
    assert_eq!(of(&world, &people[6].1).as_deref(), Some("Accepted"), "and its guest is a member");
    two_idle_sweeps_write_nothing(&world).await;

    // V-43, V-50: whatever somebody does in the CRM, iVvy is never written, and nobody is asked.
    let wrote = world.effects(Side::Ivvy).len();
    let CrmHand::Salesforce(sim) = &world.crm else { unreachable!() };
    sim.edit("Campaign", campaign["Id"].as_str().unwrap(), json!({"Name": "Renamed in the CRM"})).unwrap();
    world.settle().await;
    assert_eq!(world.keyed("Campaign", &format!("event-{gala}")).unwrap()["Name"], "Renamed in the CRM");
    world.change("event", gala, json!({"title": "Harbour Gala Night"}));
    world.drain().await;
    assert_eq!(world.keyed("Campaign", &format!("event-{gala}")).unwrap()["Name"], "Harbour Gala Night");
    assert_eq!(world.effects(Side::Ivvy).len(), wrote, "nothing was written to iVvy");
    for module in EVENTS {
        assert_eq!(world.items(module, State::Held), [], "nobody is asked about {module}");
    }
    world.end().await;
}

/// One opportunity through every status of a registration (V-40 to V-47).
/// Guests whom iVvy names without saying which contact they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_without_a_contact_are_who_has_their_name_and_address_v60_v67() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(3)).also(&EVENTS)).await;
    let people = people(&world, 3);
    let who = |at: usize| {
        let row = world.ivvy.read(ModuleId::Contacts, &people[at].0.to_string());
        json!({"firstName": row["first_name"], "lastName": row["last_name"], "email": row["email"]})
    };
    let gala = world.enter("event", json!({"title": "Gala", "currentStatus": 3}));
    let seat = |mut guest: Json| {
        let registration = json!({"eventId": gala, "mainContactId": people[0].0, "currentStatus": 2});
        guest["eventId"] = json!(gala);
        guest["registrationId"] = json!(world.enter("registration", registration));
        guest["hasAttended"] = json!(true);
        world.enter("attendee", guest)
    };
    // One is invited by contact and comes by name; one comes by name only; one is nobody yet, one is two people.
    world.enter("invitation", json!({"eventId": gala, "contactId": people[0].0, "response": "Y"}));
    seat(who(0));
    seat(who(1));
    let stranger = json!({"firstName": "Nora", "lastName": "New", "email": "nora@new.example"});
    seat(stranger.clone());
    let twins = json!({"firstName": "Tom", "lastName": "Twin", "email": "tom@twin.example"});
    for _ in 0..2 {
        world.enter("contact", twins.clone());
    }
    seat(twins);
    world.drain().await;
    let members = || -> BTreeMap<String, String> {
        let rows = world.org("CampaignMember").into_iter();
        rows.map(|row| (row["ContactId"].as_str().unwrap().to_owned(), row["Status"].as_str().unwrap().to_owned()))
            .collect()
    };
    let attended = |crm: &str| members().get(crm).map(String::as_str) == Some("Attended");
    assert!(attended(&people[0].1) && attended(&people[1].1), "{:?}", members());
    assert_eq!(members().len(), 2);
    assert_eq!(world.items(ModuleId::Attendees, State::Held).len(), 2, "who nobody is sure of is asked about");

    // The stranger becomes a contact, and is a member without anybody's help; whoever came stays who they were.
    let nora = world.enter("contact", stranger).to_string();
    world.drain().await;
    let pair = world.pair_of(ModuleId::Contacts, Side::Ivvy, &nora).unwrap();
    assert!(attended(&pair.crm), "{:?}", members());
    assert_eq!(world.items(ModuleId::Attendees, State::Held).len(), 1);
    world.enter("contact", who(1));
    world.drain().await;
    assert!(attended(&people[1].1) && members().len() == 3, "{:?}", members());
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_21_a_registration_is_one_opportunity_through_every_status_v40_to_v47() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4)).also(&EVENTS)).await;
    let (ada, ada_there) = people(&world, 1).remove(0);
    let gala = world.enter(
        "event",
        json!({"title": "Gala", "currentStatus": 3, "startDateTime": "2027-01-10 09:00:00", "endDateTime": "2027-01-10 17:00:00"}),
    );
    let registration = world.enter(
        "registration",
        json!({
            "eventId": gala, "mainContactId": ada, "currentStatus": 1, "firstName": "Ada", "lastName": "Bell",
            "invoiceTotalCost": "1250.50", "invoiceTotalPaid": 0, "completedDate": "2026-11-01 10:00:00",
        }),
    );
    world.drain().await;
    let key = format!("registration-{registration}");
    assert!(world.keyed("Opportunity", &key).is_none(), "in progress: not yet (V-47)");

    let mut stages = Vec::new();
    for status in [4, 2, 4, 2, 3] {
        world.change("registration", registration, json!({"currentStatus": status}));
        world.drain().await;
        let opportunity = world.keyed("Opportunity", &key);
        stages.push(opportunity.map(|row| row["StageName"].as_str().unwrap().to_owned()));
    }
    let stages: Vec<Option<&str>> = stages.iter().map(Option::as_deref).collect();
    assert_eq!(stages, [None, Some("Closed Won"), Some("Prospecting"), Some("Closed Won"), Some("Closed Lost")]);
    let opportunity = world.keyed("Opportunity", &key).unwrap();
    assert_eq!(opportunity["Amount"], 1250.5);
    assert_eq!(opportunity["ContactId"], ada_there.as_str(), "it belongs to the person (V-42)");
    let created = world.effects(Side::Crm).into_iter().filter(|e| e.op == Op::Create && e.object == "Opportunity");
    assert_eq!(created.count(), 1);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

/// A quote that becomes a booking is one opportunity; confidential ones stay out (V-80 to V-84).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_22_a_quote_becomes_a_booking_on_the_same_opportunity_v80_to_v84() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4)).also(&[ModuleId::QuotesAndBookings])).await;
    let (ada, _) = people(&world, 1).remove(0);
    let firm = world.pairs(ModuleId::Companies).remove(0);
    let company: u64 = firm.ivvy.parse().unwrap();
    let venue = world.enter("venue", json!({"businessName": "Pier One", "currencyCode": "AUD"}));
    let booking = |name: &str, confidential: u8| {
        json!({
            "venueId": venue, "name": name, "code": "B-1", "companyId": company, "contactId": ada,
            "isConfidential": confidential, "currentStatus": 1, "totalAmount": 9000, "amountOutstanding": 9000,
            "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01",
        })
    };
    let quote = world.enter("booking", booking("Spring dinner", 0));
    let secret = world.enter("booking", booking("Nobody may know", 1));
    world.drain().await;
    let key = format!("booking-{quote}");
    let opportunity = world.keyed("Opportunity", &key).expect("a quote is an opportunity");
    assert_eq!(
        (&opportunity["StageName"], &opportunity["AccountId"]),
        (&json!("Proposal/Price Quote"), &json!(firm.crm))
    );
    assert!(world.keyed("Opportunity", &format!("booking-{secret}")).is_none(), "confidential");
    for (status, stage) in
        [(2, "Negotiation/Review"), (3, "Closed Won"), (4, "Closed Lost"), (9, "Proposal/Price Quote")]
    {
        world.change("booking", quote, json!({"currentStatus": status}));
        world.drain().await;
        let now = world.keyed("Opportunity", &key).unwrap();
        assert_eq!((&now["Id"], &now["StageName"]), (&opportunity["Id"], &json!(stage)), "status {status}");
    }
    assert_eq!(world.org("Opportunity").len(), 1);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

/// E-mails are history: once, with their person, never back (V-30 to V-34).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emails_become_history_once_and_wait_for_their_person_v30_to_v34() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4)).also(&[ModuleId::ContactEmails])).await;
    let (ada, ada_there) = people(&world, 1).remove(0);
    let email = |contact: Json, subject: &str, success: u8| {
        json!({
            "contactId": contact, "from": "venue@example.org", "to": "ada@example.org", "subject": subject,
            "body": "<p>Dear <b>Ada</b>,<br>your table is booked.</p><script>alert(1)</script>",
            "sentTime": "2026-11-20 10:00:00", "success": success,
        })
    };
    let sent = world.enter("email", email(json!(ada), "Your table", 1));
    world.enter("email", email(json!(ada), "Bounced", 0));
    world.enter("email", email(Json::Null, "To staff", 1));
    let stranger = world.enter("contact", json!({"firstName": "Nora", "lastName": "", "email": "nora@example.org"}));
    let waiting = world.enter("email", email(json!(stranger), "Welcome", 1));
    world.drain().await;

    let tasks = world.org("Task");
    assert_eq!(tasks.len(), 1, "the bounced one, staff's, and the one that waits are not there: {tasks:?}");
    let task = world.keyed("Task", &format!("email-{sent}")).unwrap();
    assert_eq!((&task["Subject"], &task["WhoId"]), (&json!("Your table"), &json!(ada_there)));
    let text = task["Description"].as_str().unwrap();
    assert!(text.contains("your table is booked") && !text.contains('<') && !text.contains("alert"), "{text}");
    let key = PairKey::Lone(Side::Ivvy, waiting.to_string().as_str().into());
    let item = world.open(ModuleId::ContactEmails, &key).expect("it waits for its person, visibly");
    assert_eq!(item.state, State::Blocked, "{item:?}");

    // Once the person can be paired, the e-mail goes by itself.
    world.change("contact", stranger, json!({"lastName": "North"}));
    world.drain().await;
    assert!(world.keyed("Task", &format!("email-{waiting}")).is_some());
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

/// Scenario 19: a direction is refused with its reason, whoever asks and however.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_19_one_way_modules_refuse_the_way_back_v30_v43_v81() {
    let setup = Setup::salesforce(Shape::pairs(2)).also(&[ModuleId::QuotesAndBookings]);
    let world = World::in_step(setup).await;
    let venue = world.enter("venue", json!({"businessName": "Pier One", "currencyCode": "AUD"}));
    let booking = json!({
        "venueId": venue, "name": "Dinner", "currentStatus": 1, "totalAmount": 10,
        "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01",
    });
    let booking = world.enter("booking", booking);
    world.drain().await;
    let there = world.keyed("Opportunity", &format!("booking-{booking}")).unwrap();
    // Gone from the CRM: the question that is asked then is about a linked pair.
    let CrmHand::Salesforce(sim) = &world.crm else { unreachable!() };
    sim.delete("Opportunity", there["Id"].as_str().unwrap()).unwrap();
    world.sweep(true).await;
    world.settle().await;
    let pair = world.pairs(ModuleId::QuotesAndBookings).remove(0);
    let item = world.open(pair.module, &PairKey::Link(pair.link)).expect("a question");
    let refused = world.decide(&item, Verb::Force, |decision| {
        (decision.side, decision.reason) = (Some(Side::Crm), Some("I insist".to_owned()));
    });
    assert!(refused.await.is_err());
    let wrote = world.effects(Side::Ivvy).into_iter().filter(|effect| effect.object == "booking").count();
    assert_eq!(wrote, 0);
    // A CRM's own opportunity is none of our business.
    let own = json!({"Name": "Their own", "StageName": "Prospecting", "CloseDate": "2027-01-01"});
    sim.insert("Opportunity", own).unwrap();
    world.sweep(true).await;
    world.settle().await;
    assert_eq!(world.pairs(ModuleId::QuotesAndBookings).len(), 1);
    world.end().await;
}
