//! One record at a time.

use super::*;
use crate::sim::ledger::Op;

#[tokio::test(start_paused = true)]
async fn a_record_is_created_read_changed_and_deleted() {
    let desk = Desk::standard().await;
    let body = json!({"FirstName": " Zoë ", "LastName": "O'Brien", "Email": "zoe@venue.example", "Phone": "", "Tags__c": "Press;VIP;Press"});
    let id = desk.contact(body).await;
    assert!(id.len() == 18 && id.starts_with("003"), "{id}");

    let read = desk.get(&format!("/sobjects/Contact/{}", &id[..15])).await.json();
    assert_eq!(read["Id"], json!(id));
    assert_eq!(read["attributes"]["url"], json!(format!("{V60}/sobjects/Contact/{id}")));
    assert_eq!(read["FirstName"], "Zoë", "surrounding blanks are not kept");
    assert_eq!(read["Name"], "Zoë O'Brien");
    assert_eq!(read["Phone"], Value::Null, "empty text is no value");
    assert_eq!(read["Tags__c"], "VIP;Press", "in the picklist's own order, once each");
    assert_eq!(read["HasOptedOutOfEmail"], false);
    assert_eq!(read["LastModifiedDate"], "2026-11-21T08:00:00.000+0000", "whole seconds");

    advance(5).await;
    let changed = desk.patch(&format!("/sobjects/Contact/{id}"), json!({"Phone": "+64 9 123", "Email": null})).await;
    assert_eq!((changed.status, changed.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let read = desk.get(&format!("/sobjects/Contact/{id}?fields=Phone,Email,SystemModstamp")).await.json();
    assert_eq!((&read["Phone"], &read["Email"]), (&json!("+64 9 123"), &Value::Null));
    assert_eq!(read["SystemModstamp"], "2026-11-21T08:00:05.000+0000");
    assert_eq!(read.get("LastName"), None);

    let gone = desk.call(Method::DELETE, &format!("/sobjects/Contact/{id}"), &[], None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::DELETE] {
        let again = desk.call(method, &format!("/sobjects/Contact/{id}"), &[], None).await;
        assert_eq!(again.refused(), (404, "ENTITY_IS_DELETED".into()));
    }
    let ops: Vec<Op> = desk.sim.ledger().effects().iter().map(|effect| effect.op).collect();
    assert_eq!(ops, [Op::Create, Op::Update, Op::Delete]);
    assert!(desk.sim.records("Contact").unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_have_salesforce_codes_and_leave_no_effect() {
    let desk = Desk::standard().await;
    let long = |length: usize| "x".repeat(length);
    let cases = [
        (json!({"FirstName": "A"}), "REQUIRED_FIELD_MISSING"),
        (json!({"LastName": "  "}), "REQUIRED_FIELD_MISSING"),
        (json!({"LastName": long(81)}), "STRING_TOO_LONG"),
        (json!({"LastName": "A", "FirstName": long(41)}), "STRING_TOO_LONG"),
        (json!({"LastName": "A", "Phone": long(41)}), "STRING_TOO_LONG"),
        (json!({"LastName": "A", "Email": format!("{}@a.example", long(80))}), "STRING_TOO_LONG"),
        (json!({"LastName": "A", "Email": "no address"}), "INVALID_EMAIL_ADDRESS"),
        (json!({"LastName": "A", "Nope": 1}), "INVALID_FIELD"),
        (json!({"LastName": "A", "lastname": "B"}), "INVALID_FIELD"),
        (json!({"LastName": 5}), "JSON_PARSER_ERROR"),
        (json!({"LastName": "A", "HasOptedOutOfEmail": "yes"}), "JSON_PARSER_ERROR"),
        (json!({"LastName": "A", "Name": "B"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"LastName": "A", "SystemModstamp": "2026-11-21T08:00:00Z"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"LastName": "A", "Id": "003000000000001"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"LastName": "A", "AccountId": "0015g00000000zz"}), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({"LastName": "A", "AccountId": "0035g0000000001"}), "MALFORMED_ID"),
        (json!({"LastName": "A", "Diet__c": "Paleo"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({"LastName": "A", "Tags__c": "VIP;Paleo"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!(["LastName"]), "JSON_PARSER_ERROR"),
    ];
    for (body, code) in cases {
        let answer = desk.post("/sobjects/Contact", body.clone()).await;
        assert_eq!(answer.refused(), (400, code.into()), "{body}");
    }
    let missing = desk.post("/sobjects/Contact", json!({})).await.json();
    assert_eq!(missing[0]["fields"], json!(["LastName"]));
    assert_eq!(desk.post("/sobjects/Account", json!({})).await.json()[0]["fields"], json!(["Name"]));
    assert_eq!(desk.post("/sobjects/Account", json!({"Name": long(256)})).await.refused().1, "STRING_TOO_LONG");
    let both = desk.post("/sobjects/Contact", json!({"LastName": long(81), "Email": "x"})).await.json();
    assert_eq!(both.as_array().unwrap().len(), 2, "every reason is told");
    assert!(desk.sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn wrong_addresses_and_methods_are_told_apart() {
    let desk = Desk::standard().await;
    assert_eq!(desk.get("/sobjects/Contact/nonsense").await.refused(), (400, "MALFORMED_ID".into()));
    assert_eq!(desk.get("/sobjects/Contact/0015g0000000001").await.refused(), (400, "MALFORMED_ID".into()));
    assert_eq!(desk.get("/sobjects/Contact/0035g0000000001").await.refused(), (404, "NOT_FOUND".into()));
    assert_eq!(desk.get("/sobjects/Nothing/0035g0000000001").await.refused(), (404, "NOT_FOUND".into()));
    assert_eq!(desk.get("/sobjects/Contact/Email/a@b.example").await.refused(), (404, "NOT_FOUND".into()));
    assert_eq!(desk.get("/services/data/v45.0/limits").await.refused(), (404, "NOT_FOUND".into()));
    assert_eq!(desk.get("/services/data/v68.0/limits").await.status, StatusCode::OK);
    let put = desk.call(Method::PUT, "/sobjects/Contact", &[], Some(json!({}))).await;
    assert_eq!(put.refused(), (405, "METHOD_NOT_ALLOWED".into()));
    let text = desk.call(Method::POST, "/sobjects/Contact", &[("content-type", "text/plain")], None).await;
    assert_eq!(text.refused(), (415, "UNSUPPORTED_MEDIA_TYPE".into()));
    let long = desk.get(&format!("/query?q={}", "x".repeat(17_000))).await;
    assert_eq!(long.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test(start_paused = true)]
async fn upsert_creates_once_and_then_updates_whatever_the_case() {
    let desk = Desk::standard().await;
    let path = "/sobjects/Contact/Ivvy_Id__c/contact-1";
    let created = desk.patch(path, json!({"LastName": "A"})).await;
    assert_eq!((created.status, &created.json()["created"]), (StatusCode::CREATED, &json!(true)));
    let updated = desk.patch("/sobjects/Contact/Ivvy_Id__c/CONTACT-1", json!({"FirstName": "B"})).await;
    assert_eq!((updated.status, &updated.json()["created"]), (StatusCode::OK, &json!(false)));
    assert_eq!(created.json()["id"], updated.json()["id"]);
    desk.sim.set_knobs(|knobs| knobs.upsert_answers_204 = true);
    let older = desk.patch(path, json!({"FirstName": "C"})).await;
    assert_eq!((older.status, older.text.as_str()), (StatusCode::NO_CONTENT, ""));

    let none = desk.patch("/sobjects/Contact/Ivvy_Id__c/contact-2?updateOnly=true", json!({"LastName": "A"})).await;
    assert_eq!(none.refused(), (404, "NOT_FOUND".into()));
    for body in [json!({"Id": "003000000000001", "LastName": "A"}), json!({"Ivvy_Id__c": "contact-1"})] {
        assert_eq!(desk.patch(path, body).await.refused(), (400, "INVALID_FIELD".into()));
    }
    for value in ["acme.inc", "a%2Fb", "a/b"] {
        let lost = desk.patch(&format!("/sobjects/Contact/Ivvy_Id__c/{value}"), json!({"LastName": "A"})).await;
        assert_eq!(lost.status.as_u16(), if value.contains('%') { 201 } else { 404 }, "{value}");
    }
    let taken = desk.post("/sobjects/Contact", json!({"LastName": "D", "Ivvy_Id__c": "Contact-1"})).await;
    assert_eq!(taken.refused(), (400, "DUPLICATE_VALUE".into()));
    assert!(taken.text.contains(created.json()["id"].as_str().unwrap()), "{}", taken.text);
    assert_eq!(desk.sim.ledger().creations("Contact", "contact-1"), 1);
    assert_eq!(desk.get(path).await.json()["FirstName"], "C");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_record_frees_its_key() {
    let desk = Desk::standard().await;
    let path = "/sobjects/Contact/Ivvy_Id__c/contact-1";
    desk.patch(path, json!({"LastName": "A"})).await;
    assert_eq!(desk.call(Method::DELETE, path, &[], None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(desk.get(path).await.refused(), (404, "NOT_FOUND".into()));
    assert_eq!(desk.patch(path, json!({"LastName": "A"})).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_unique_meets_several() {
    let desk = Desk::open(Settings { unique_key: false, ..Settings::default() }).await;
    for _ in 0..2 {
        desk.contact(json!({"LastName": "A", "Ivvy_Id__c": "contact-1"})).await;
    }
    let several = desk.patch("/sobjects/Contact/Ivvy_Id__c/contact-1", json!({"FirstName": "B"})).await;
    assert_eq!(several.status, StatusCode::MULTIPLE_CHOICES);
    assert_eq!(several.json().as_array().unwrap().len(), 2);
    assert!(several.json()[0].as_str().unwrap().starts_with("/services/data/v60.0/sobjects/Contact/003"));
    assert_eq!(desk.sim.ledger().len(), 2, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn a_stale_write_is_refused_unless_it_fell_into_the_same_second() {
    let desk = Desk::standard().await;
    let id = desk.contact(json!({"LastName": "A"})).await;
    let path = format!("/sobjects/Contact/{id}");
    let read_at = ("if-unmodified-since", "Sat, 21 Nov 2026 08:00:00 GMT");
    let write = async |body| desk.call(Method::PATCH, &path, &[read_at], Some(body)).await;

    // A colleague saves within the second that we read: the weakness is real and must show.
    desk.sim.edit("Contact", &id, json!({"FirstName": "Theirs"})).unwrap();
    assert_eq!(write(json!({"FirstName": "Ours"})).await.status, StatusCode::NO_CONTENT);

    advance(1).await;
    desk.sim.edit("Contact", &id, json!({"FirstName": "Theirs again"})).unwrap();
    let stale = write(json!({"FirstName": "Ours again"})).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert!(stale.json().is_array());
    assert_eq!(desk.get(&path).await.json()["FirstName"], "Theirs again");

    let nonsense = desk.call(Method::PATCH, &path, &[("if-unmodified-since", "yesterday")], Some(json!({}))).await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    let fresh = desk.call(Method::GET, &path, &[("if-modified-since", "Sat, 21 Nov 2026 08:00:01 GMT")], None).await;
    assert_eq!(fresh.status, StatusCode::NOT_MODIFIED);
    let deleted = desk.call(Method::DELETE, &path, &[read_at], None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "deletions know no condition");
}

#[tokio::test(start_paused = true)]
async fn a_lagging_index_and_a_race_make_upserts_report_duplicates() {
    let desk = Desk::standard().await;
    desk.sim.set_knobs(|knobs| knobs.visibility_delay = Duration::from_secs(30));
    let path = "/sobjects/Contact/Ivvy_Id__c/contact-1";
    assert_eq!(desk.patch(path, json!({"LastName": "A"})).await.status, StatusCode::CREATED);
    assert_eq!(desk.patch(path, json!({"LastName": "B"})).await.refused(), (400, "DUPLICATE_VALUE".into()));
    assert_eq!(desk.get(path).await.status, StatusCode::NOT_FOUND);
    assert!(desk.names("").await.is_empty());
    advance(30).await;
    assert_eq!(desk.patch(path, json!({"LastName": "B"})).await.status, StatusCode::OK);
    assert_eq!(desk.names("").await, ["A"], "the older state until the new one is visible");
    advance(30).await;
    assert_eq!(desk.names("").await, ["B"]);

    desk.sim.set_knobs(|knobs| *knobs = Knobs { upsert_races: 1, ..Knobs::default() });
    let raced = desk.patch("/sobjects/Contact/Ivvy_Id__c/contact-2", json!({"LastName": "C"})).await;
    assert_eq!(raced.refused(), (400, "DUPLICATE_VALUE".into()));
    let again = desk.patch("/sobjects/Contact/Ivvy_Id__c/contact-2", json!({"LastName": "C"})).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(desk.sim.ledger().creations("Contact", "contact-2"), 0, "somebody else created it");
}

#[tokio::test(start_paused = true)]
async fn duplicate_rules_refuse_or_warn() {
    let desk = Desk::standard().await;
    let first = desk.contact(json!({"LastName": "A", "Email": "shared@venue.example"})).await;
    desk.sim.set_knobs(|knobs| knobs.duplicate_rule = Some(DuplicateRule::Alert));
    let twin = json!({"LastName": "B", "Email": "Shared@venue.example"});
    let path = "/sobjects/Contact/Ivvy_Id__c/contact-2";
    let refused = desk.patch(path, twin.clone()).await;
    assert_eq!(refused.refused(), (400, "DUPLICATES_DETECTED".into()));
    let matched = &refused.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"];
    assert_eq!(matched["Id"], json!(first));
    let allow = [("sforce-duplicate-rule-header", "allowSave=true")];
    desk.sim.set_knobs(|knobs| knobs.duplicate_rule = Some(DuplicateRule::Block));
    assert_eq!(desk.call(Method::PATCH, path, &allow, Some(twin.clone())).await.status, StatusCode::BAD_REQUEST);
    desk.sim.set_knobs(|knobs| knobs.duplicate_rule = Some(DuplicateRule::Alert));
    assert_eq!(desk.call(Method::PATCH, path, &allow, Some(twin)).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn accounts_are_reached_by_key_and_take_their_contacts_with_them() {
    let desk = Desk::standard().await;
    let account = desk.patch("/sobjects/Account/Ivvy_Id__c/company-7", json!({"Name": "Harbour Events"})).await.json();
    let employed = json!({"LastName": "A", "Account": {"Ivvy_Id__c": "company-7"}});
    let contact = desk.contact(employed).await;
    let read = desk.get(&format!("/sobjects/Contact/{contact}")).await.json();
    assert_eq!(read["AccountId"], account["id"]);
    let unknown = json!({"LastName": "A", "Account": {"Ivvy_Id__c": "company-8"}});
    assert_eq!(desk.post("/sobjects/Contact", unknown).await.refused(), (400, "INVALID_FIELD".into()));
    let short = json!({"AccountId": account["id"].as_str().unwrap()[..15]});
    assert_eq!(desk.patch(&format!("/sobjects/Contact/{contact}"), short).await.status, StatusCode::NO_CONTENT);
    assert_eq!(desk.get(&format!("/sobjects/Contact/{contact}")).await.json()["AccountId"], account["id"]);
    desk.call(Method::DELETE, "/sobjects/Account/Ivvy_Id__c/company-7", &[], None).await;
    let gone = desk.get(&format!("/sobjects/Contact/{contact}")).await;
    assert_eq!(gone.refused(), (404, "ENTITY_IS_DELETED".into()));
    assert_eq!(desk.sim.ledger().count("Contact", Op::Delete), 1);
}

#[tokio::test(start_paused = true)]
async fn accounts_stand_below_each_other_and_never_in_a_circle() {
    let desk = Desk::standard().await;
    let account = |name: &str, parent: Value| desk.sim.insert("Account", json!({"Name": name, "ParentId": parent}));
    let group = account("Group", Value::Null).unwrap();
    let region = account("Region", json!(group)).unwrap();
    let office = account("Office", json!(region)).unwrap();
    let below = async |child: &str, parent: &str| {
        desk.patch(&format!("/sobjects/Account/{child}"), json!({"ParentId": parent})).await
    };
    for (child, parent) in [(&group, &office), (&group, &group)] {
        assert_eq!(below(child, parent).await.refused(), (400, "CIRCULAR_DEPENDENCY".into()));
    }
    let parent = |id: &str| {
        let rows = desk.sim.records("Account").unwrap();
        rows.into_iter().find(|row| row["Id"] == id).map(|row| row["ParentId"].clone())
    };
    // What stood below the loser of a merge stands below the survivor, but not the survivor itself.
    let twin = account("Region again", json!(region)).unwrap();
    desk.sim.merge("Account", &twin, &region).unwrap();
    assert_eq!((parent(&office), parent(&twin)), (Some(json!(twin)), Some(Value::Null)));
    desk.sim.delete("Account", &twin).unwrap();
    assert_eq!(parent(&office), Some(Value::Null), "left to itself, not deleted along");
}
