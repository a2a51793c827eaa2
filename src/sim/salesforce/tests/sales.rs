//! Opportunities, the contacts in them, and tasks.

use super::*;

fn opportunity() -> Value {
    json!({"Name": "Wedding", "StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": 1234.5})
}

fn with(mut body: Value, name: &str, value: impl Into<Value>) -> Value {
    body[name] = value.into();
    body
}

#[tokio::test(start_paused = true)]
async fn an_opportunity_needs_a_name_a_stage_and_a_closing_day() {
    let desk = Desk::standard().await;
    for name in ["Name", "StageName", "CloseDate"] {
        let mut body = opportunity();
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(desk.refusal("Opportunity", body).await, (400, "REQUIRED_FIELD_MISSING".into()), "{name}");
    }
    for (name, value, code) in [
        ("StageName", json!("Won"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Amount", json!("1234.50"), "JSON_PARSER_ERROR"),
        ("Amount", json!(1e16), "NUMBER_OUTSIDE_VALID_RANGE"),
        ("AccountId", json!("001000000000001"), "INVALID_CROSS_REFERENCE_KEY"),
        ("CampaignId", json!("701000000000001"), "INVALID_CROSS_REFERENCE_KEY"),
        ("ContactId", json!("003000000000001"), "INVALID_CROSS_REFERENCE_KEY"),
        ("ContactId", json!("001000000000001"), "MALFORMED_ID"),
    ] {
        let refused = desk.refusal("Opportunity", with(opportunity(), name, value.clone())).await;
        assert_eq!(refused, (400, code.into()), "{name} {value}");
    }
    let id = desk.create("Opportunity", opportunity()).await;
    let cleared = desk.change_refusal("Opportunity", &id, json!({"CloseDate": null})).await;
    assert_eq!(cleared, (400, "REQUIRED_FIELD_MISSING".into()));
    assert_eq!(desk.read("Opportunity", &id).await["Amount"], 1234.5);
    assert_eq!(desk.count("Opportunity", "Amount > 1234 AND CloseDate = 2026-12-31").await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_contact_of_an_opportunity_is_its_primary_role() {
    let desk = Desk::standard().await;
    let contact = desk.contact(json!({"LastName": "A"})).await;
    let id = desk.create("Opportunity", with(opportunity(), "ContactId", contact.as_str())).await;
    assert_eq!(desk.sim.ledger().len(), 2, "the role is part of the opportunity's creation");
    assert_eq!(desk.read("Opportunity", &id).await["ContactId"], json!(contact));
    let primary = format!("OpportunityId = '{id}' AND IsPrimary = true AND ContactId =");
    assert_eq!(desk.count("OpportunityContactRole", &format!("{primary} '{contact}'")).await, 1);
    let moved = desk.change_refusal("Opportunity", &id, json!({"ContactId": contact})).await;
    assert_eq!(moved, (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()));

    let other = desk.contact(json!({"LastName": "B"})).await;
    let role = json!({"OpportunityId": id, "ContactId": other, "IsPrimary": true, "Role": "Decision Maker"});
    desk.create("OpportunityContactRole", role.clone()).await;
    assert_eq!(desk.read("Opportunity", &id).await["ContactId"], json!(other));
    assert_eq!(desk.count("OpportunityContactRole", &format!("{primary} '{contact}'")).await, 0);
    assert_eq!(desk.refusal("OpportunityContactRole", role).await, (400, "DUPLICATE_VALUE".into()));
    let soql = format!("SELECT Id FROM OpportunityContactRole WHERE ContactId = '{contact}'");
    let first = desk.query(&soql).await.json()["records"][0]["Id"].as_str().unwrap().to_owned();
    let path = format!("/sobjects/OpportunityContactRole/{first}");
    assert_eq!(desk.patch(&path, json!({"IsPrimary": true})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(desk.count("OpportunityContactRole", &format!("{primary} '{contact}'")).await, 1);
    assert_eq!(desk.count("OpportunityContactRole", &format!("{primary} '{other}'")).await, 0);
    assert_eq!(desk.read("Opportunity", &id).await["ContactId"], json!(contact));
    let nobody = json!({"OpportunityId": id});
    assert_eq!(desk.refusal("OpportunityContactRole", nobody).await, (400, "REQUIRED_FIELD_MISSING".into()));
}

#[tokio::test(start_paused = true)]
async fn a_task_is_about_a_contact_or_a_lead() {
    let desk = Desk::standard().await;
    let contact = desk.contact(json!({"LastName": "A"})).await;
    let lead = desk.create("Lead", json!({"LastName": "B", "Company": "C"})).await;
    let account = desk.create("Account", json!({"Name": "D"})).await;
    for who in [&contact, &lead] {
        let body = json!({"WhoId": who, "WhatId": account, "Subject": "Thanks", "ActivityDate": "2026-11-20",
            "Status": "Completed", "TaskSubtype": "Email", "Description": "Dear A"});
        let id = desk.create("Task", body).await;
        let read = desk.read("Task", &id).await;
        assert_eq!((&read["WhoId"], &read["ActivityDate"]), (&json!(who), &json!("2026-11-20")));
        let kind = desk.change_refusal("Task", &id, json!({"TaskSubtype": "Call"})).await;
        assert_eq!(kind, (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()));
        assert_eq!(desk.count("Task", &format!("WhoId = '{who}'")).await, 1);
    }
    for (name, value, code) in [
        ("WhoId", json!(account), "MALFORMED_ID"),
        ("WhoId", json!("003000000000001"), "INVALID_CROSS_REFERENCE_KEY"),
        ("Description", json!("x".repeat(32_001)), "STRING_TOO_LONG"),
        ("Subject", json!("x".repeat(256)), "STRING_TOO_LONG"),
        ("Status", json!("Sent"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("TaskSubtype", json!("Fax"), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ] {
        let refused = desk.refusal("Task", with(json!({"Subject": "A"}), name, value)).await;
        assert_eq!(refused, (400, code.into()), "{name}");
    }
    let plain = desk.create("Task", json!({"Description": "x".repeat(32_000)})).await;
    assert_eq!(desk.read("Task", &plain).await["Status"], "Not Started");
}

#[tokio::test(start_paused = true)]
async fn what_hangs_on_a_deleted_record_goes_with_it() {
    let desk = Desk::standard().await;
    let account = desk.create("Account", json!({"Name": "D"})).await;
    let contact = desk.contact(json!({"LastName": "A", "AccountId": account})).await;
    let body = with(with(opportunity(), "AccountId", account.as_str()), "ContactId", contact.as_str());
    let opportunity = desk.create("Opportunity", body).await;
    let task = desk.create("Task", json!({"WhoId": contact, "Subject": "A"})).await;
    desk.call(Method::DELETE, &format!("/sobjects/Account/{account}"), &[], None).await;
    for (object, id) in [("Contact", contact), ("Opportunity", opportunity), ("Task", task)] {
        let gone = desk.get(&format!("/sobjects/{object}/{id}")).await;
        assert_eq!(gone.refused(), (404, "ENTITY_IS_DELETED".into()), "{object}");
    }
    assert_eq!(desk.count("OpportunityContactRole", "Id != null").await, 0);
}
