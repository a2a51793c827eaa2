//! The Salesforce adapter against the simulated org, module by module: what is written comes back, twice
//! is once, and what Salesforce would not take is refused (`contracts/crm.md` 3).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail loudly")]

#[path = "salesforce_modules/org.rs"]
mod org;
#[path = "salesforce_modules/single.rs"]
mod single;

use std::collections::BTreeMap;

use serde_json::json;
use tandem::model::module::IVVY_KEY;
use tandem::model::{Fields, ModuleId, Record, RecordId, Value};
use tandem::remote::salesforce::Settings;
use tandem::remote::{Class, PageRequest, Read, Remote, Sent};

use org::{Org, advance, key, object, one};

#[tokio::test(start_paused = true)]
async fn every_field_of_every_module_comes_back_as_it_was_written() {
    let org = Org::open().await;
    for module in ModuleId::ALL {
        let id = org.create(module, &key(module)).await;
        let record = org.read(module, &id).await;
        let mut written = org.whole(module);
        written.insert(IVVY_KEY.to_owned(), Value::text(key(module)));
        assert_eq!(record.fields, written, "{module}");
        let held = org.crm.fields(module);
        assert!(written.keys().all(|name| held.contains(name)) && held.len() == written.len(), "{module}: {held:?}");
        let catalogue = module.def();
        assert!(held.iter().all(|name| catalogue.field(name).is_some()), "{module}");
        assert!(record.version.is_some() && record.modified.is_some() && !record.archived);
    }
}

#[tokio::test(start_paused = true)]
async fn creating_twice_is_one_record_in_every_module_i1() {
    let org = Org::open().await;
    for module in ModuleId::ALL {
        let (key, fields) = (key(module), org.whole(module));
        let first = org.crm.create(module, &key, &fields).await.unwrap();
        let second = org.crm.create(module, &key, &fields).await.unwrap();
        assert_eq!((first.created, second.created), (Some(true), Some(false)), "{module}");
        assert_eq!(first.id, second.id, "{module}");
        assert_eq!(org.sim.ledger().creations(object(module), &key), 1, "{module}");
        let found = org.crm.find_by_key(module, &key).await.unwrap().unwrap();
        assert_eq!(found.iter().map(|record| &record.id).collect::<Vec<_>>(), [&first.id], "{module}");
        assert_eq!(org.read(module, &first.id).await.fields, found[0].fields, "{module}");
    }
    // Once more over the older answer, which does not name the record.
    org.sim.set_knobs(|knobs| knobs.upsert_answers_204 = true);
    for module in [ModuleId::Attendees, ModuleId::Registrations, ModuleId::ContactEmails] {
        let again = org.crm.create(module, &key(module), &org.whole(module)).await.unwrap();
        assert_eq!(again.created, Some(false), "{module}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_module_takes_a_change_and_refuses_one_over_a_moved_record_i7() {
    let org = Org::open().await;
    for (module, name, value, theirs) in [
        (ModuleId::Companies, "city", "Bogotá", json!({"Phone": "9"})),
        (ModuleId::Contacts, "phone", "3", json!({"FirstName": "Augusta"})),
        (ModuleId::Leads, "description", "90 guests", json!({"Phone": "9"})),
        (ModuleId::Events, "status", "closed", json!({"Name": "Theirs"})),
        (ModuleId::Attendees, "status", "no_show", json!({"Status": "Invited"})),
        (ModuleId::Registrations, "amount", "1300.00", json!({"Name": "Theirs"})),
        (ModuleId::QuotesAndBookings, "stage", "lost", json!({"Name": "Theirs"})),
        (ModuleId::Orders, "stage", "lost", json!({"Name": "Theirs"})),
        (ModuleId::ContactEmails, "subject", "Re: Your booking", json!({"Status": "Deferred"})),
    ] {
        let id = org.create(module, &key(module)).await;
        let seen = org.read(module, &id).await;
        advance(2).await;
        let ack = org.crm.update(module, &id, &one(name, value), seen.version.as_deref()).await.unwrap();
        assert_eq!((&ack.id, ack.created), (&id, Some(false)));
        let now = org.read(module, &id).await;
        assert_eq!(now.fields[name], Value::text(value), "{module}");
        assert!(now.modified > seen.modified, "{module}");
        let others = |record: &Record| record.fields.clone().into_iter().filter(|(of, _)| of != name).collect();
        let (before, after): (Fields, Fields) = (others(&seen), others(&now));
        assert_eq!(before, after, "{module}: nothing else moved");

        advance(2).await;
        org.sim.edit(object(module), id.as_str(), theirs).unwrap();
        let error = org.crm.update(module, &id, &one(name, value), now.version.as_deref()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Conflict, Sent::No), "{module}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_once_is_refused_later_before_anything_is_sent() {
    let org = Org::open().await;
    for (module, name) in [
        (ModuleId::Attendees, "event"),
        (ModuleId::Attendees, "contact"),
        (ModuleId::Registrations, "contact"),
        (ModuleId::QuotesAndBookings, "contact"),
        (ModuleId::Orders, "contact"),
    ] {
        let id = org.create(module, &key(module)).await;
        let calls = org.sim.calls_made();
        let error = org.crm.update(module, &id, &one(name, org.contact.as_str()), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{module}");
        assert!(error.details[0].starts_with(&format!("{name}: ")) && error.message.contains("creates"), "{error:?}");
        assert_eq!(org.sim.calls_made(), calls, "{module}");
    }
}

#[tokio::test(start_paused = true)]
async fn words_without_a_value_are_refused_not_guessed() {
    let org = Org::open().await;
    for (module, name, word) in [
        (ModuleId::Events, "status", "status 9"),
        (ModuleId::Attendees, "status", "response 5"),
        (ModuleId::Registrations, "stage", "status 9"),
        (ModuleId::QuotesAndBookings, "stage", "Closed Won"),
        (ModuleId::QuotesAndBookings, "amount", "a lot"),
        (ModuleId::QuotesAndBookings, "close_date", "tomorrow"),
        (ModuleId::Orders, "stage", "confirmed"),
        // The org keeps cents: a thousandth, or more than a double holds, is refused and never rounded (S-25).
        (ModuleId::Orders, "amount", "4.005"),
        (ModuleId::Orders, "amount", "9223372036854775.807"),
    ] {
        let mut fields = org.whole(module);
        fields.insert(name.to_owned(), Value::text(word));
        let calls = org.sim.calls_made();
        let error = org.refused(module, &key(module), &fields).await;
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{module} {word}");
        assert!(error.details[0].starts_with(&format!("{name}: ")), "{error:?}");
        assert_eq!(org.sim.calls_made(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn values_the_org_does_not_know_are_refused_by_it_and_read_as_they_are() {
    let org = Org::with(|settings| {
        settings.stages.insert("won".to_owned(), "Signed".to_owned());
        settings.member_statuses.insert("attended".to_owned(), "Was there".to_owned());
    })
    .await;
    let fields = |module| {
        let held = org.crm.fields(module);
        org.whole(module).into_iter().filter(|(name, _)| held.contains(name)).collect::<Fields>()
    };
    let won = org.refused(ModuleId::Registrations, "registration-1", &fields(ModuleId::Registrations)).await;
    assert_eq!((won.class, won.sent), (Class::Rejected, Sent::No));
    assert_eq!(won.code.as_deref(), Some("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"));
    assert!(won.details[0].starts_with("stage: "), "{won:?}");
    let mut attendee = fields(ModuleId::Attendees);
    attendee.insert("status".to_owned(), Value::text("attended"));
    assert_eq!(org.refused(ModuleId::Attendees, "attendee-1", &attendee).await.class, Class::Rejected);

    let strange = json!({"Name": "A", "StageName": "Closed Won", "CloseDate": "2026-12-01", "Ivvy_Id__c": "booking-1"});
    let id = RecordId::from(org.sim.insert("Opportunity", strange).unwrap());
    let record = org.read(ModuleId::QuotesAndBookings, &id).await;
    assert_eq!(record.fields["stage"], Value::text("Closed Won"));
    assert_eq!(record.fields["amount"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn references_to_nothing_are_refused() {
    let org = Org::open().await;
    for (module, name, id) in [
        (ModuleId::Attendees, "event", "701000000000001AAA"),
        (ModuleId::Registrations, "event", "701000000000001AAA"),
        (ModuleId::QuotesAndBookings, "company", "001000000000001AAA"),
        (ModuleId::Orders, "company", "001000000000001AAA"),
        (ModuleId::ContactEmails, "contact", "003000000000001AAA"),
        (ModuleId::ContactEmails, "contact", "001000000000001AAA"),
    ] {
        let mut fields = org.whole(module);
        fields.insert(name.to_owned(), Value::text(id));
        let error = org.refused(module, &key(module), &fields).await;
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{module} {name}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_way_modules_show_only_what_carries_our_key() {
    let org = Org::open().await;
    let by_hand = json!({"Name": "By hand", "StageName": "Prospecting", "CloseDate": "2026-12-01"});
    org.sim.insert("Opportunity", by_hand).unwrap();
    org.sim.insert("Campaign", json!({"Name": "By hand"})).unwrap();
    org.sim.insert("Lead", json!({"LastName": "By hand", "Company": "C"})).unwrap();
    let listed = async |module| org.crm.list(module, &PageRequest::default()).await.unwrap().records.len();
    assert_eq!(listed(ModuleId::Registrations).await, 0);
    assert_eq!(listed(ModuleId::Events).await, 1, "the event of the world carries a key");
    assert_eq!(listed(ModuleId::Leads).await, 1, "leads go both ways");
    org.create(ModuleId::Registrations, "registration-12").await;
    assert_eq!(listed(ModuleId::Registrations).await, 1);
}

#[tokio::test(start_paused = true)]
async fn listings_page_from_a_stamp_and_bring_deleted_records_along_i12() {
    let org = Org::open().await;
    for serial in 0..450 {
        let fields = json!({"Name": format!("Event {serial}"), "Ivvy_Id__c": format!("event-{serial:03}")});
        if serial % 100 == 0 {
            advance(1).await;
        }
        org.sim.insert("Campaign", fields).unwrap();
    }
    let mut request = PageRequest { from: Some("2026-11-21T08:00:01Z".parse().unwrap()), ..PageRequest::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = org.crm.list(ModuleId::Events, &request).await.unwrap();
        pages += 1;
        seen.extend(page.records.into_iter().map(|record| (record.modified.unwrap(), record.id)));
        request.position = page.next;
        if request.position.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (450, 3));
    assert!(seen.is_sorted());

    advance(60).await;
    let modules =
        [ModuleId::Attendees, ModuleId::QuotesAndBookings, ModuleId::Orders, ModuleId::Leads, ModuleId::Events];
    for module in modules {
        let id = org.create(module, &format!("{}-new", module.singular())).await;
        advance(1).await;
        let since = PageRequest { from: Some(org.clock.now()), ..PageRequest::default() };
        assert!(org.crm.list(module, &since).await.unwrap().records.is_empty(), "{module}");
        org.sim.delete(object(module), id.as_str()).unwrap();
        let page = org.crm.list(module, &since).await.unwrap();
        let [gone] = page.records.as_slice() else { panic!("{module}: {page:?}") };
        assert!(gone.archived && gone.id == id, "{module}");
        assert_eq!(org.crm.get(module, &id).await.unwrap(), Read::Missing, "{module}");
        let change = one("name", "X");
        let error = org.crm.update(module, &id, &change, None).await.unwrap_err();
        assert!(matches!(error.class, Class::Missing | Class::Unsupported), "{module}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_could_not_be_read_back_are_refused() {
    let org = Org::open().await;
    let refuse = |change: fn(&mut Settings)| org.adapter(change).unwrap_err();
    let extra = |module, name: &str, field: &str| BTreeMap::from([((module, name.to_owned()), field.to_owned())]);
    assert!(refuse(|settings| drop(settings.stages.remove("won"))).contains("stages"));
    assert!(refuse(|settings| drop(settings.stages.insert("won".into(), "Closed Lost".into()))).contains("same"));
    assert!(refuse(|settings| drop(settings.member_statuses.insert("late".into(), "Late".into()))).contains("member"));
    assert!(refuse(|settings| drop(settings.event_statuses.insert("draft".into(), " ".into()))).contains("event"));
    let with = |extra: BTreeMap<(ModuleId, String), String>| org.adapter(|settings| settings.extra_fields = extra);
    assert!(with(extra(ModuleId::Events, "code", "Ivvy_Code__c")).is_ok());
    let mut clash = extra(ModuleId::Events, "code", "StartDate");
    assert!(with(clash.clone()).is_ok(), "odd, but nothing else is there");
    clash.extend(extra(ModuleId::Events, "starts_at", "Starts__c"));
    assert!(with(clash).is_err());
    for (module, name, field) in [
        (ModuleId::Events, "name", "Title__c"),
        (ModuleId::Events, "rooms", "Rooms__c"),
        (ModuleId::Events, "code", "Name"),
        (ModuleId::Events, "code", "Ivvy_Id__c"),
        (ModuleId::Events, "code", "Code__c FROM User"),
    ] {
        assert!(with(extra(module, name, field)).is_err(), "{name} {field}");
    }
}
