//! Campaigns and their members.

use super::*;

fn campaign() -> Value {
    json!({"Name": "Gala", "Status": "In Progress", "StartDate": "2026-12-01", "EndDate": "2026-12-02",
        "IsActive": true, "Description": "Dinner"})
}

async fn member_of(desk: &Desk, status: &str) -> (String, String, String) {
    let campaign = desk.create("Campaign", campaign()).await;
    let contact = desk.contact(json!({"LastName": "A"})).await;
    let body = json!({"CampaignId": campaign, "ContactId": contact, "Status": status});
    (desk.create("CampaignMember", body).await, campaign, contact)
}

#[tokio::test(start_paused = true)]
async fn a_campaign_has_days_and_a_closed_list_of_states() {
    let desk = Desk::standard().await;
    let id = desk.create("Campaign", campaign()).await;
    let read = desk.read("Campaign", &id).await;
    assert_eq!((&read["StartDate"], &read["Status"]), (&json!("2026-12-01"), &json!("In Progress")));
    assert_eq!(desk.count("Campaign", "StartDate >= 2026-12-01 AND EndDate < 2026-12-03").await, 1);
    let wrong = desk.query("SELECT Id FROM Campaign WHERE StartDate = '2026-12-01'").await;
    assert_eq!(wrong.refused(), (400, "INVALID_FIELD".into()));
    for (body, code) in [
        (json!({"Status": "Planned"}), "REQUIRED_FIELD_MISSING"),
        (json!({"Name": "A", "Status": "launched"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({"Name": "A", "StartDate": "2026-12-01T10:00:00Z"}), "JSON_PARSER_ERROR"),
        (json!({"Name": "A", "StartDate": "2026-02-30"}), "JSON_PARSER_ERROR"),
        (json!({"Name": "A".repeat(81)}), "STRING_TOO_LONG"),
        (json!({"Name": "A", "OwnerId": "001000000000001"}), "MALFORMED_ID"),
    ] {
        assert_eq!(desk.refusal("Campaign", body.clone()).await, (400, code.into()), "{body}");
    }
    assert_eq!(desk.read("Campaign", &desk.create("Campaign", json!({"Name": "B"})).await).await["Status"], "Planned");
}

#[tokio::test(start_paused = true)]
async fn every_campaign_has_its_answers_prepared_and_the_api_cannot_change_them() {
    let desk = Desk::standard().await;
    let id = desk.create("Campaign", campaign()).await;
    let soql = format!("SELECT Id, Label FROM CampaignMemberStatus WHERE CampaignId = '{id}' ORDER BY SortOrder");
    let statuses = desk.query(&soql).await.json()["records"].clone();
    let labels: Vec<&str> = statuses.as_array().unwrap().iter().map(|row| row["Label"].as_str().unwrap()).collect();
    let prepared =
        ["Invited", "Accepted", "Declined", "Registered", "Attended", "Session attended", "No-show"].to_vec();
    assert_eq!(labels, prepared);
    let more = desk.refusal("CampaignMemberStatus", json!({"CampaignId": id, "Label": "Maybe"})).await;
    assert_eq!(more, (403, "INSUFFICIENT_ACCESS_OR_READONLY".into()));
    assert_eq!(desk.sim.ledger().len(), 1, "the answers come with the campaign");
    // The administrator can.
    desk.sim.delete("CampaignMemberStatus", statuses[6]["Id"].as_str().unwrap()).unwrap();
    let contact = desk.contact(json!({"LastName": "A"})).await;
    let body = json!({"CampaignId": id, "ContactId": contact, "Status": "No-show"});
    let refused = desk.refusal("CampaignMember", body).await;
    assert_eq!(refused, (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST".into()));
}

#[tokio::test(start_paused = true)]
async fn a_member_is_of_one_campaign_and_one_person_for_good() {
    let desk = Desk::standard().await;
    let (member, campaign, contact) = member_of(&desk, "Invited").await;
    let again = json!({"CampaignId": campaign, "ContactId": contact, "Status": "Attended"});
    assert_eq!(desk.refusal("CampaignMember", again).await, (400, "DUPLICATE_VALUE".into()));
    let lead = desk.create("Lead", json!({"LastName": "B", "Company": "C"})).await;
    for (body, code) in [
        (json!({"ContactId": contact}), "REQUIRED_FIELD_MISSING"),
        (json!({"CampaignId": campaign}), "REQUIRED_FIELD_MISSING"),
        (json!({"CampaignId": campaign, "ContactId": contact, "LeadId": lead}), "FIELD_INTEGRITY_EXCEPTION"),
        (json!({"CampaignId": contact, "LeadId": lead}), "MALFORMED_ID"),
        (json!({"CampaignId": "701000000000001", "LeadId": lead}), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({"CampaignId": campaign, "LeadId": lead, "HasResponded": true}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ] {
        assert_eq!(desk.refusal("CampaignMember", body.clone()).await, (400, code.into()), "{body}");
    }
    desk.create("CampaignMember", json!({"CampaignId": campaign, "LeadId": lead})).await;
    for fixed in ["CampaignId", "ContactId"] {
        let moved = desk.change_refusal("CampaignMember", &member, json!({fixed: null})).await;
        assert_eq!(moved, (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()), "{fixed}");
    }
    let keyed = "/sobjects/CampaignMember/Ivvy_Id__c/attendee-1-2";
    let other = desk.contact(json!({"LastName": "C"})).await;
    let body = json!({"CampaignId": campaign, "ContactId": other, "Status": "Accepted"});
    assert_eq!(desk.patch(keyed, body.clone()).await.status, StatusCode::CREATED);
    assert_eq!(desk.patch(keyed, body).await.refused(), (400, "INVALID_FIELD_FOR_INSERT_UPDATE".into()));
    assert_eq!(desk.patch(keyed, json!({"Status": "Declined"})).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn whether_a_member_responded_follows_from_the_status() {
    let desk = Desk::standard().await;
    let (member, _, _) = member_of(&desk, "Invited").await;
    let path = format!("/sobjects/CampaignMember/{member}");
    for (status, responded) in [("Invited", false), ("Session attended", true), ("No-show", false)] {
        assert_eq!(desk.patch(&path, json!({"Status": status})).await.status, StatusCode::NO_CONTENT);
        assert_eq!(desk.read("CampaignMember", &member).await["HasResponded"], responded, "{status}");
        assert_eq!(desk.count("CampaignMember", &format!("HasResponded = {responded}")).await, 1);
    }
    for status in [json!("attended"), json!("Maybe"), Value::Null] {
        let refused = desk.change_refusal("CampaignMember", &member, json!({"Status": status})).await;
        assert_eq!(refused, (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST".into()), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn members_go_with_their_campaign_and_move_with_a_merged_contact() {
    let desk = Desk::standard().await;
    let (member, campaign, contact) = member_of(&desk, "Attended").await;
    let survivor = desk.contact(json!({"LastName": "B"})).await;
    desk.sim.merge("Contact", &survivor, &contact).unwrap();
    assert_eq!(desk.read("CampaignMember", &member).await["ContactId"], json!(survivor));
    let twin = desk.contact(json!({"LastName": "C"})).await;
    let body = json!({"CampaignId": campaign, "ContactId": twin, "Status": "Invited"});
    desk.create("CampaignMember", body).await;
    desk.sim.merge("Contact", &survivor, &twin).unwrap();
    assert_eq!(desk.count("CampaignMember", &format!("ContactId = '{survivor}'")).await, 1, "one of the two stays");
    desk.call(Method::DELETE, &format!("/sobjects/Campaign/{campaign}"), &[], None).await;
    let gone = desk.get(&format!("/sobjects/CampaignMember/{member}")).await;
    assert_eq!(gone.refused(), (404, "ENTITY_IS_DELETED".into()));
}
