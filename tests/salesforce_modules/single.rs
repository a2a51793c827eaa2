//! What is particular to one module, and the match tables.

use serde_json::{Value as Json, json};
use tandem::model::module::IVVY_KEY;
use tandem::model::{MatchKind, ModuleId, Value};
use tandem::remote::{Class, Remote, Sent};
use tandem::sim::ledger::Op;

use super::org::{Org, one};

#[tokio::test(start_paused = true)]
async fn a_member_made_by_hand_becomes_ours_and_one_with_another_key_does_not() {
    let org = Org::open().await;
    let by_hand = json!({"CampaignId": org.event, "ContactId": org.contact, "Status": "Invited"});
    let member = org.sim.insert("CampaignMember", by_hand).unwrap();
    let ack = org.crm.create(ModuleId::Attendees, "attendee-1-2", &org.whole(ModuleId::Attendees)).await.unwrap();
    assert_eq!((ack.id.as_str(), ack.created), (member.as_str(), Some(false)));
    let row = org.row("CampaignMember", &ack.id);
    assert_eq!((&row["Status"], &row["Ivvy_Id__c"]), (&json!("Session attended"), &json!("attendee-1-2")));

    let error = org.refused(ModuleId::Attendees, "attendee-1-3", &org.whole(ModuleId::Attendees)).await;
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert_eq!(error.details, [format!("possible match: {member}")]);
    assert_eq!(org.sim.ledger().count("CampaignMember", Op::Create), 0, "the only creation was by hand");
}

#[tokio::test(start_paused = true)]
async fn a_race_for_the_same_member_is_left_to_be_proved() {
    let org = Org::open().await;
    org.sim.set_knobs(|knobs| knobs.upsert_races = 1);
    let error = org.refused(ModuleId::Attendees, "attendee-1-2", &org.whole(ModuleId::Attendees)).await;
    assert_eq!((error.class, error.sent), (Class::Conflict, Sent::Maybe));
    assert_eq!(org.crm.find_by_key(ModuleId::Attendees, "attendee-1-2").await.unwrap().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_shows_its_days_where_it_has_its_moments() {
    let org = Org::open().await;
    let id = org.create(ModuleId::Events, "event-12").await;
    let row = org.row("Campaign", &id);
    assert_eq!((&row["StartDate"], &row["EndDate"]), (&json!("2026-12-01"), &json!("2026-12-02")));
    let error = org.crm.update(ModuleId::Events, &id, &one("starts_at", "soon"), None).await.unwrap_err();
    assert_eq!(error.class, Class::Rejected);

    let plain = Org::with(|_| {}).await;
    assert_eq!(plain.crm.fields(ModuleId::Events), ["name", "status", IVVY_KEY]);
    let error = plain.refused(ModuleId::Events, "event-12", &one("starts_at", "2026-12-01T09:00:00Z")).await;
    assert_eq!(error.class, Class::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn an_opportunity_has_its_contact_as_primary_role() {
    let org = Org::open().await;
    let id = org.create(ModuleId::Registrations, "registration-12").await;
    let roles = org.sim.records("OpportunityContactRole").unwrap();
    assert_eq!(roles.len(), 1);
    assert_eq!((&roles[0]["OpportunityId"], &roles[0]["IsPrimary"]), (&json!(id.as_str()), &json!(true)));
    assert_eq!(org.row("Opportunity", &id)["Amount"].to_string(), "1234.5");
    let mut nobody = org.whole(ModuleId::Registrations);
    nobody.insert("contact".to_owned(), Value::Null);
    let ack = org.crm.create(ModuleId::Registrations, "registration-13", &nobody).await.unwrap();
    assert_eq!(org.read(ModuleId::Registrations, &ack.id).await.fields["contact"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_e_mail_is_a_completed_task_with_the_text_of_its_page() {
    let org = Org::open().await;
    let mut fields = org.whole(ModuleId::ContactEmails);
    let page = "<html><style>p{}</style><p>Dear Ada,</p><p>your <b>booking</b> &amp; more</p></html>";
    fields.insert("body".to_owned(), Value::text(page));
    let ack = org.crm.create(ModuleId::ContactEmails, "email-7", &fields).await.unwrap();
    let row = org.row("Task", &ack.id);
    assert_eq!((&row["Status"], &row["TaskSubtype"]), (&json!("Completed"), &json!("Email")));
    assert_eq!((&row["WhoId"], &row["ActivityDate"]), (&json!(org.contact), &json!("2026-11-20")));
    let text = row["Description"].as_str().unwrap();
    assert!(text.contains("Dear Ada,") && text.contains("your booking & more") && !text.contains('<'), "{text}");
    fields.insert("body".to_owned(), Value::text("<div>x ".repeat(100_000)));
    let huge = org.crm.create(ModuleId::ContactEmails, "email-8", &fields).await.unwrap();
    assert_eq!(org.row("Task", &huge.id)["Description"].as_str().unwrap().chars().count(), 32_000);

    let plain = Org::with(|_| {}).await;
    assert_eq!(plain.crm.fields(ModuleId::ContactEmails), ["contact", "subject", "sent_at", "body", IVVY_KEY]);
    let held = plain.crm.fields(ModuleId::ContactEmails);
    let fields = plain.whole(ModuleId::ContactEmails).into_iter().filter(|(name, _)| held.contains(name)).collect();
    let ack = plain.crm.create(ModuleId::ContactEmails, "email-7", &fields).await.unwrap();
    assert_eq!(plain.row("Task", &ack.id)["ActivityDate"], "2026-11-20");
    let record = plain.read(ModuleId::ContactEmails, &ack.id).await;
    assert!(!record.fields.contains_key("sent_at"), "a day is no moment: absent, which is no change (I27)");
}

#[tokio::test(start_paused = true)]
async fn a_lead_without_company_or_owner_invents_neither() {
    let org = Org::open().await;
    for (key, company) in [("lead-1", Some(Value::Null)), ("lead-2", Some(Value::text(""))), ("lead-3", None)] {
        let mut fields = org.whole(ModuleId::Leads);
        fields.remove("company_name");
        fields.extend(company.map(|company| ("company_name".to_owned(), company)));
        fields.insert("owner".to_owned(), Value::Null);
        fields.insert("source".to_owned(), Value::Null);
        let ack = org.crm.create(ModuleId::Leads, key, &fields).await.unwrap();
        let row = org.row("Lead", &ack.id);
        assert_eq!((&row["Company"], &row["LeadSource"]), (&json!("[not provided]"), &Json::Null));
        assert_eq!(row["OwnerId"], row["CreatedById"], "Salesforce's own choice, not ours");
        assert_eq!(org.read(ModuleId::Leads, &ack.id).await.fields["company_name"], Value::Null);
    }
    let id = org.create(ModuleId::Leads, "lead-4").await;
    org.crm.update(ModuleId::Leads, &id, &one("company_name", Value::Null), None).await.unwrap();
    assert_eq!(org.row("Lead", &id)["Company"], "[not provided]");
    for owner in [Value::Null, Value::text(org.user(false))] {
        let error = org.crm.update(ModuleId::Leads, &id, &one("owner", owner), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert!(error.details[0].starts_with("owner: "), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_converted_lead_is_still_read_and_refuses_changes() {
    let org = Org::open().await;
    let id = org.create(ModuleId::Leads, "lead-12").await;
    org.sim.convert_lead(id.as_str(), true).unwrap();
    assert!(!org.read(ModuleId::Leads, &id).await.archived);
    let error = org.crm.update(ModuleId::Leads, &id, &one("description", "x"), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Conflict, Sent::No), "another record than the one expected");
    assert_eq!(error.code.as_deref(), Some("CANNOT_UPDATE_CONVERTED_LEAD"));
}

#[tokio::test(start_paused = true)]
async fn staff_and_lead_sources_are_listed_and_never_made_c08_c16() {
    let org = Org::open().await;
    for kind in MatchKind::ALL {
        let support = org.crm.match_support(kind);
        assert!(support.list && !support.create);
    }
    let staff = org.crm.entries(MatchKind::Staff).await.unwrap();
    assert_eq!(staff.len(), org.sim.records("User").unwrap().len());
    let brien = staff.iter().find(|user| user.name == "Siobhan O'Brien").unwrap();
    assert_eq!((brien.email.as_deref(), brien.active), (Some("siobhan.obrien@venue.example"), true));
    assert!(staff.iter().any(|user| !user.active), "those who left stay known");

    let sources = org.crm.entries(MatchKind::LeadSource).await.unwrap();
    let source = |name: &str| sources.iter().find(|source| source.name == name).unwrap();
    assert_eq!((source("Trade Show").id.as_str(), source("Trade Show").active), ("Trade Show", true));
    assert!(!source("Fax").active);
    let error = org.crm.create_lead_source("Carrier pigeon").await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
}
