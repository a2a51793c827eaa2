//! Many records in one call.

use super::*;

fn contact(key: u32, last: &str) -> Value {
    json!({"attributes": {"type": "Contact"}, "Ivvy_Id__c": format!("contact-{key}"), "LastName": last})
}

const UPSERT: &str = "/composite/sobjects/Contact/Ivvy_Id__c";

#[tokio::test(start_paused = true)]
async fn upserts_answer_200_with_results_in_order() {
    let desk = Desk::standard().await;
    desk.contact(json!({"LastName": "Old", "Ivvy_Id__c": "contact-2"})).await;
    let long = "x".repeat(81);
    let records = json!([contact(1, "New"), contact(2, "Changed"), contact(3, &long), {"attributes": {"type": "Contact"}, "LastName": "Keyless"}]);
    let answer = desk.patch(UPSERT, json!({"allOrNone": false, "records": records})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let results = answer.json();
    let created: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["created"]).collect();
    assert_eq!(created, [&json!(true), &json!(false), &Value::Null, &Value::Null]);
    assert_eq!(results[2]["success"], false);
    assert_eq!(results[2]["errors"][0]["statusCode"], "STRING_TOO_LONG");
    assert_eq!(results[2]["errors"][0]["fields"], json!(["LastName"]));
    assert_eq!(results[3]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    assert_eq!(desk.names("ORDER BY Name").await, ["Changed", "New"]);
}

#[tokio::test(start_paused = true)]
async fn all_or_none_takes_everything_back_also_the_keys_and_the_ledger() {
    let desk = Desk::standard().await;
    desk.contact(json!({"LastName": "Old", "Ivvy_Id__c": "contact-2"})).await;
    let records = json!([contact(1, "New"), contact(2, "Changed"), contact(3, "")]);
    let results = desk.patch(UPSERT, json!({"allOrNone": true, "records": records})).await.json();
    let codes: Vec<&Value> =
        results.as_array().unwrap().iter().map(|result| &result["errors"][0]["statusCode"]).collect();
    assert_eq!(
        codes,
        ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    );
    assert_eq!(desk.names("").await, ["Old"]);
    assert_eq!(desk.sim.ledger().len(), 1);
    assert_eq!(desk.get("/sobjects/Contact/Ivvy_Id__c/contact-1").await.status, StatusCode::NOT_FOUND);
    desk.contact(json!({"LastName": "Free", "Ivvy_Id__c": "contact-1"})).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_twice_in_one_call_fails_both_times() {
    let desk = Desk::standard().await;
    let records = json!([contact(1, "A"), contact(2, "B"), {"attributes": {"type": "Contact"}, "Ivvy_Id__c": "CONTACT-1", "LastName": "C"}]);
    let results = desk.patch(UPSERT, json!({"records": records})).await.json();
    assert_eq!(results[0]["errors"][0]["statusCode"], "DUPLICATE_VALUE");
    assert_eq!(results[1]["success"], true);
    assert_eq!(results[2]["errors"][0]["statusCode"], "DUPLICATE_VALUE");
}

#[tokio::test(start_paused = true)]
async fn lists_are_created_updated_read_and_deleted() {
    let desk = Desk::standard().await;
    let records = json!([contact(1, "A"), {"attributes": {"type": "Account"}, "Name": "Harbour"}]);
    let created = desk.post("/composite/sobjects", json!({"records": records})).await.json();
    let (contact, account) = (created[0]["id"].as_str().unwrap(), created[1]["id"].as_str().unwrap());
    assert_eq!(created[0].get("created"), None);

    let update = |id: &str, last: &str| json!({"attributes": {"type": "Contact"}, "id": id, "LastName": last});
    let missing = "0035g000000zzzz";
    let records = json!([update(contact, "B"), update(missing, "C"), update("junk", "D"), update(contact, "E"),
        {"attributes": {"type": "Contact"}, "LastName": "F"}]);
    let updated = desk.patch("/composite/sobjects", json!({"records": records})).await.json();
    let codes: Vec<&Value> =
        updated.as_array().unwrap().iter().map(|result| &result["errors"][0]["statusCode"]).collect();
    let expected = [
        Value::Null,
        json!("INVALID_CROSS_REFERENCE_KEY"),
        json!("MALFORMED_ID"),
        json!("DUPLICATE_VALUE"),
        json!("MISSING_ARGUMENT"),
    ];
    assert_eq!(codes, expected.iter().collect::<Vec<_>>());

    let read =
        desk.get(&format!("/composite/sobjects/Contact?ids={contact},{missing}&fields=Id,LastName")).await.json();
    assert_eq!((&read[0]["LastName"], &read[1]), (&json!("B"), &Value::Null));
    let posted = desk.post("/composite/sobjects/Contact", json!({"ids": [contact], "fields": ["Email"]})).await.json();
    assert_eq!(posted[0]["Email"], Value::Null);

    let path = format!("/composite/sobjects?ids={contact},{missing},{account}&allOrNone=false");
    let deleted = desk.call(Method::DELETE, &path, &[], None).await.json();
    let done: Vec<&Value> = deleted.as_array().unwrap().iter().map(|result| &result["success"]).collect();
    assert_eq!(done, [&json!(true), &json!(false), &json!(true)]);
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_call_are_kept() {
    let desk = Desk::standard().await;
    let many: Vec<Value> = (0..201).map(|key| contact(key, "A")).collect();
    let refused = desk.patch(UPSERT, json!({"records": many})).await;
    assert_eq!(refused.refused(), (400, "EXCEEDED_ID_LIMIT".into()));
    let account = json!({"attributes": {"type": "Account"}, "Name": "A"});
    let mixed: Vec<Value> = (0..11).map(|key| if key % 2 == 0 { contact(key, "A") } else { account.clone() }).collect();
    assert_eq!(desk.post("/composite/sobjects", json!({"records": mixed})).await.status, StatusCode::BAD_REQUEST);
    for body in [json!({}), json!({"records": [1]}), json!({"records": [{}]}), json!({"records": [], "extra": 1})] {
        assert_eq!(desk.patch(UPSERT, body.clone()).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert!(desk.sim.ledger().is_empty());
}
