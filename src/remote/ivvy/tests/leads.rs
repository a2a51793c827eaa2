//! Leads before the simulated account (`contracts/ivvy.md` 9, 13; C-13, C-24).

use super::account::{Account, column, start};
use super::*;
use crate::sim::ivvy as sim;

fn defaults() -> Option<LeadDefaults> {
    Some(LeadDefaults { source: 2, type_id: 1, subtype_id: Some(11), stage: 1 })
}

fn office() -> Account {
    Account::with(sim::Settings::default(), defaults())
}

fn person() -> Vec<(&'static str, Value)> {
    vec![
        ("name", "Hochzeit".into()),
        ("first_name", "Zoë".into()),
        ("last_name", "Łukasz".into()),
        ("email", "z@b.co".into()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_lead_with_all_its_fields() {
    let account = office();
    let company = account.add("company", json!({"businessName": "Ünlü A.Ş."}));
    let contact =
        account.add("contact", json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co", "phone": "12"}));
    let id = account.add(
        "lead",
        json!({"name": "Hochzeit", "description": "<p>80</p>", "ownerUserId": 301, "sourceId": 3, "contactId": contact,
        "companyId": company, "modifiedDate": "2024-03-01 00:00:00"}),
    );
    let expected = fields(&[
        ("name", "Hochzeit".into()),
        ("first_name", "Zoë".into()),
        ("last_name", "Łukasz".into()),
        ("email", "z@b.co".into()),
        ("phone", "12".into()),
        ("company_name", "Ünlü A.Ş.".into()),
        ("description", "<p>80</p>".into()),
        ("owner", "301".into()),
        ("source", "3".into()),
    ]);
    let listed = account.all(ModuleId::Leads).await.remove(0);
    assert_eq!((listed.id.to_string(), &listed.fields), (id.to_string(), &expected));
    assert_eq!(listed.modified, Some(Timestamp::from_secs(1_709_251_200)));
    assert_eq!(account.found(ModuleId::Leads, id).await, listed);
    let bare = account.add("lead", json!({"name": "x"}));
    let bare = account.found(ModuleId::Leads, bare).await.fields;
    for field in ["first_name", "email", "company_name", "owner", "source"] {
        assert_eq!(bare[field], Value::Null, "{field}");
    }
    assert!(!account.ivvy.capabilities(ModuleId::Leads).stamp_key);
    assert_eq!(account.ivvy.find_by_key(ModuleId::Leads, "00Q1").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn pages_windows_shifts_and_permission() {
    for filtering in [sim::Filtering::Honour, sim::Filtering::Ignore, sim::Filtering::Reject] {
        let account = Account::with(sim::Settings { inferred_filters: filtering, ..sim::Settings::default() }, None);
        for days in 0..150 {
            let at = client::stamp(start().minus(Duration::from_secs(86_400 * days)));
            account.add("lead", json!({"name": days, "modifiedDate": at}));
        }
        let (records, pages) = account.sweep(ModuleId::Leads, None).await.unwrap();
        assert_eq!((records.len(), pages), (150, 2));
        let from = Some(start().minus(Duration::from_secs(86_400 * 3)));
        let (records, _) = account.sweep(ModuleId::Leads, from).await.unwrap();
        assert_eq!(column(&records, "name"), ["0", "1", "2", "3"], "{filtering}");
        account.found(ModuleId::Leads, 7_123).await;
        assert!(account.misses(ModuleId::Leads, 4_711).await);
        account.shifts(ModuleId::Leads, |account| account.delete("lead", 7_001)).await;
        account.forbids("lead", ModuleId::Leads).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_lead_brings_its_person_and_the_configured_defaults_c13_c24() {
    let account = office();
    let mut given = person();
    given.extend([
        ("phone", "0123".into()),
        ("description", "80 guests".into()),
        ("owner", Value::Null),
        ("source", Value::Null),
    ]);
    let ack = account.ivvy.create(ModuleId::Leads, "00Q1", &fields(&given)).await.unwrap();
    let record = account.found(ModuleId::Leads, &ack.id).await;
    assert_eq!((&record.fields["owner"], &record.fields["source"]), (&Value::Null, &"2".into()), "none is invented");
    assert_eq!((&record.fields["email"], &record.fields["phone"]), (&"z@b.co".into(), &"0123".into()));
    assert_eq!(record.fields["company_name"], Value::Null);

    // The same person again: the contact is not doubled.
    given.extend([("owner", "302".into()), ("source", "5".into()), ("company_name", "Ünlü A.Ş.".into())]);
    let ack = account.ivvy.create(ModuleId::Leads, "00Q2", &fields(&given)).await.unwrap();
    let record = account.found(ModuleId::Leads, &ack.id).await;
    assert_eq!((&record.fields["owner"], &record.fields["source"]), (&"302".into(), &"5".into()));
    assert_eq!(record.fields["company_name"], "Ünlü A.Ş.".into());
    assert_eq!(account.sim.contacts().len(), 1);
}

#[tokio::test]
async fn a_new_lead_sends_what_ivvy_documents_and_nothing_else() {
    let script = Arc::new(Script::default());
    script.replies.lock().unwrap().push_back(ok(json!({"id": 33_884})));
    let settings = Settings { lead_defaults: defaults(), ..settings("http://localhost") };
    let ivvy = Ivvy::new(settings, script.clone(), Arc::new(TokioClock::starting_at(now()))).unwrap();
    ivvy.create(ModuleId::Leads, "00Q1", &fields(&person())).await.unwrap();
    let contact = json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co", "updateIfExists": true});
    let expected =
        json!({"name": "Hochzeit", "sourceId": 2, "typeId": 1, "subtypeId": 11, "stageId": 1, "contact": contact});
    assert_eq!(script.bodies(), [expected]);
    assert_eq!(script.seen()[0].action, "/api/1.0/contact?action=addOrUpdateLead");
}

#[tokio::test(start_paused = true)]
async fn without_defaults_no_lead_is_created_c24() {
    let account = Account::new();
    let error = account.ivvy.create(ModuleId::Leads, "00Q1", &fields(&person())).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(error.message.contains("no defaults are configured"), "{}", error.message);
    let account = office();
    let nobody = fields(&[("name", "Hochzeit".into())]);
    assert_eq!(account.ivvy.create(ModuleId::Leads, "00Q1", &nobody).await.unwrap_err().class, Class::Rejected);
    assert!(account.sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_names_only_what_changed_and_never_the_person() {
    let account = office();
    let contact = account.add("contact", json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co"}));
    let lead = json!({"name": "x", "ownerUserId": 301, "sourceId": 5, "typeId": 2, "stageId": 1, "contactId": contact});
    let id = account.add("lead", lead);
    let lead = RecordId(id.to_string());
    let patch = fields(&[("name", "y".into()), ("owner", Value::Null), ("source", Value::Null)]);
    let ack = account.ivvy.update(ModuleId::Leads, &lead, &patch, None).await.unwrap();
    assert_eq!(ack.id, lead);
    let record = account.found(ModuleId::Leads, id).await;
    assert_eq!((&record.fields["name"], &record.fields["owner"]), (&"y".into(), &Value::Null));
    assert_eq!(record.fields["source"], "2".into(), "iVvy has no lead without a source: the default");
    assert_eq!(account.sim.ledger().effects()[0].fields, ["name", "ownerUserId", "sourceId"]);
    for (field, class) in [("email", Class::Unsupported), ("ivvy_key", Class::Unsupported)] {
        let error =
            account.ivvy.update(ModuleId::Leads, &lead, &fields(&[(field, "q".into())]), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (class, Sent::No), "{field}");
    }
    let error = account.ivvy.update(ModuleId::Leads, &"4711".into(), &patch, None).await.unwrap_err();
    assert_eq!(error.class, Class::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_became_an_opportunity_is_converted_not_gone_p05() {
    let account = office();
    let contact = account.add("contact", json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co"}));
    let lead =
        account.add("lead", json!({"name": "x", "typeId": 2, "stageId": 1, "sourceId": 2, "contactId": contact}));
    let record = account.found(ModuleId::Leads, lead).await;
    assert_eq!((record.person, record.converted), (Some(contact.to_string().as_str().into()), false));
    let convert = super::super::Action::write("venue", "convertLeadToOpportunity");
    let venue = json!({"leadId": lead, "venueId": 1, "stageId": 2});
    account.ivvy.client.call(&convert, &venue).await.unwrap();
    let record = account.found(ModuleId::Leads, lead).await;
    assert_eq!((record.person, record.converted), (Some(contact.to_string().as_str().into()), true));
    assert!(account.all(ModuleId::Leads).await.is_empty());
}
