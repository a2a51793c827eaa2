//! Leads: owners, sources, conversion.

use super::*;

fn lead() -> Value {
    json!({"FirstName": "Ann", "LastName": "Able", "Company": "Harbour", "Email": "ann@venue.example"})
}

async fn user(desk: &Desk, active: bool) -> String {
    let soql = format!("SELECT Id FROM User WHERE IsActive = {active} ORDER BY Id");
    desk.query(&soql).await.json()["records"][0]["Id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_lead_needs_a_name_and_a_company_and_always_has_an_owner() {
    let desk = Desk::standard().await;
    for name in ["LastName", "Company"] {
        let mut body = lead();
        body.as_object_mut().unwrap().remove(name);
        assert_eq!(desk.refusal("Lead", body).await, (400, "REQUIRED_FIELD_MISSING".into()), "{name}");
    }
    let id = desk.create("Lead", lead()).await;
    let read = desk.read("Lead", &id).await;
    assert_eq!((&read["Name"], &read["IsConverted"]), (&json!("Ann Able"), &json!(false)));
    assert_eq!(read["OwnerId"], read["CreatedById"], "nobody else was named");
    let former = user(&desk, false).await;
    for (owner, code) in [
        (Value::Null, "REQUIRED_FIELD_MISSING"),
        (json!(former), "INACTIVE_OWNER_OR_USER"),
        (json!("005000000000001"), "INVALID_CROSS_REFERENCE_KEY"),
        (json!(id), "MALFORMED_ID"),
    ] {
        let refused = desk.change_refusal("Lead", &id, json!({"OwnerId": owner})).await;
        assert_eq!(refused, (400, code.into()), "{owner}");
    }
    let active = user(&desk, true).await;
    assert_eq!(desk.patch(&format!("/sobjects/Lead/{id}"), json!({"OwnerId": active})).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn sources_are_suggestions_unless_the_list_is_restricted() {
    let desk = Desk::standard().await;
    let described = desk.get("/sobjects/Lead/describe").await.json();
    let sources = described["fields"].as_array().unwrap().iter().find(|field| field["name"] == "LeadSource").unwrap();
    let entry = |value: &str| {
        let values = sources["picklistValues"].as_array().unwrap();
        values.iter().find(|entry| entry["value"] == value).unwrap().clone()
    };
    assert_eq!((&entry("Web")["active"], &entry("Fax")["active"]), (&json!(true), &json!(false)));
    let mut body = lead();
    body["LeadSource"] = json!("Carrier pigeon");
    desk.create("Lead", body.clone()).await;

    let restricted = ("Lead".to_owned(), Field::new("LeadSource", Kind::picklist(&["Web", "Other"])));
    let desk = Desk::open(Settings { custom_fields: vec![restricted], ..Settings::default() }).await;
    for (source, refused) in [("Web", false), ("Fax", true), ("Carrier pigeon", true)] {
        body["LeadSource"] = json!(source);
        let answer = desk.post("/sobjects/Lead", body.clone()).await;
        assert_eq!(answer.status == 400, refused, "{source}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_converted_lead_names_what_it_became_and_takes_no_more_changes() {
    let desk = Desk::standard().await;
    let id = desk.create("Lead", lead()).await;
    let readonly = desk.change_refusal("Lead", &id, json!({"IsConverted": true})).await;
    assert_eq!(readonly, (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()));
    advance(5).await;
    let became = desk.sim.convert_lead(&id, true).unwrap();
    let read = desk.read("Lead", &id).await;
    assert_eq!(read["IsConverted"], true);
    assert_eq!(read["ConvertedContactId"], json!(became.contact));
    assert_eq!(read["ConvertedOpportunityId"], json!(became.opportunity));
    assert_eq!(read["SystemModstamp"], "2026-11-21T08:00:05.000+0000");
    let contact = desk.read("Contact", &became.contact).await;
    assert_eq!((&contact["Name"], &contact["AccountId"]), (&json!("Ann Able"), &json!(became.account)));
    let opportunity = desk.read("Opportunity", &became.opportunity.unwrap()).await;
    assert_eq!(opportunity["ContactId"], contact["Id"]);

    let refused = (400, "CANNOT_UPDATE_CONVERTED_LEAD".to_owned());
    assert_eq!(desk.change_refusal("Lead", &id, json!({"Phone": "1"})).await, refused);
    assert_eq!(desk.refusal("Task", json!({"WhoId": id, "Subject": "A"})).await, refused);
    assert!(desk.sim.convert_lead(&id, false).is_err(), "once");
    assert!(desk.sim.convert_lead(&became.contact, false).is_err(), "no lead");
}
