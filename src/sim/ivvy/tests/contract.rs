//! The contract as built by default.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::seam::Clock as _;
use crate::sim::ivvy::{Company, Contact};
use crate::sim::ledger::Op;
use crate::sim::people::Population;

#[tokio::test(start_paused = true)]
async fn checks_come_in_the_contracts_order_18() {
    let bench = Bench::new(Settings::default());
    let good = bench.call("/api/1.0/contact?action=addOrUpdateContact", &json!({}));
    // Every call is spoiled in all ways below its line as well, so the first failing check is seen.
    let all_bad = Call {
        method: "GET",
        target: "/api/1.0/contact?action=noSuch".into(),
        md5: "0".repeat(32),
        stamp: "2024-03-11 01:00:00".into(),
        key: "stranger".into(),
        secret: "wrong".into(),
        ..good.clone()
    };
    let path = Call { target: "/api/2.0/contact?action=ping".into(), ..all_bad.clone() };
    let namespace = Call { target: "/api/1.0/contacts?action=ping".into(), ..all_bad.clone() };
    let action = Call { method: "POST", ..all_bad.clone() };
    let elsewhere = Call { target: "/api/1.0/contact?action=ping".into(), ..action.clone() };
    let key = Call { target: good.target.clone(), ..action.clone() };
    let md5 = Call { key: good.key.clone(), ..key.clone() };
    let stale = Call { md5: good.md5.clone(), ..md5.clone() };
    let signature = Call { stamp: good.stamp.clone(), ..stale.clone() };
    let permission = Call { secret: good.secret.clone(), ..signature.clone() };
    assert_eq!(codes(&bench.send(&path).await.unwrap()), (404, 0));
    assert_eq!(codes(&bench.send(&namespace).await.unwrap()), (404, 0));
    assert_eq!(codes(&bench.send(&all_bad).await.unwrap()), (405, 0));
    assert_eq!(codes(&bench.send(&action).await.unwrap()), (404, 0));
    assert_eq!(codes(&bench.send(&elsewhere).await.unwrap()), (404, 0));
    assert_eq!(codes(&bench.send(&key).await.unwrap()), (401, 0));
    assert_eq!(codes(&bench.send(&md5).await.unwrap()), (401, 0));
    assert_eq!(codes(&bench.send(&stale).await.unwrap()), (401, 23005));
    assert_eq!(codes(&bench.send(&signature).await.unwrap()), (401, 0));
    bench.sim.permit("addOrUpdateContact", false);
    assert_eq!(codes(&bench.send(&permission).await.unwrap()), (403, 0));
    bench.sim.permit("addOrUpdateContact", true);
    assert_eq!(codes(&bench.send(&permission).await.unwrap()), (400, 23017));
    bench.sim.revoke_key();
    assert_eq!(codes(&bench.send(&md5).await.unwrap()), (463, 0));
    assert!(bench.sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn freshness_is_300_seconds_both_ways() {
    let bench = Bench::new(Settings::default());
    for (seconds, fresh) in [(-301_i64, false), (-300, true), (300, true), (301, false)] {
        let mut call = bench.call("/api/1.0/test?action=ping", &json!({}));
        let at = Timestamp::from_millis(bench.clock.now().millis() + seconds * 1000);
        call.stamp = super::super::answer::suffixed(at);
        assert_eq!(bench.send(&call).await.unwrap().0 == 200, fresh, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn extra_query_is_fine_only_when_signed() {
    let bench = Bench::new(Settings::default());
    let call = bench.call("/api/1.0/test?trace=1&action=ping", &json!({}));
    assert_eq!(bench.send(&call).await.unwrap().0, 200);
    let media = Call { media: "text/plain", ..call };
    assert_eq!(codes(&bench.send(&media).await.unwrap()), (400, 0));
}

#[tokio::test(start_paused = true)]
async fn a_contact_lives_from_add_to_delete() {
    let bench = Bench::new(Settings::default());
    let company = bench.sim.add_company(Company { business_name: "Ünlü A.Ş.".into(), ..Company::default() });
    let add = json!({
        "firstName": "Zoë", "lastName": "Łukasz", "email": "Zoe@Example.com", "externalId": "003A",
        "companies": [company], "groups": [{"groupId": 2}], "customFields": [{"fieldId": 103, "value": ["1"]}],
    });
    let id = bench.ok("addOrUpdateContact", add).await["id"].as_u64().unwrap();
    tokio::time::advance(Duration::from_millis(2500)).await;
    bench.ok("addOrUpdateContact", json!({"id": id.to_string(), "phone": "+44 20 7946 0000"})).await;
    let got = bench.ok("getContact", json!({"id": id})).await;
    assert_eq!(got["firstName"], "Zoë");
    assert_eq!(got["email"], "Zoe@Example.com", "an update overlays and keeps what it does not name");
    assert_eq!(got["phone"], "+44 20 7946 0000");
    assert_eq!(got["companiesData"][0]["businessName"], "Ünlü A.Ş.");
    assert_eq!(got["modifiedDate"], "2024-03-11 00:00:47 UTC", "whole seconds");
    assert_eq!(got["createdDate"], "2024-03-11 00:00:45 UTC");

    bench.ok("addOrUpdateContact", json!({"id": id, "phone": null, "groups": []})).await;
    let stored = bench.sim.contact(id).unwrap();
    assert_eq!(stored.phone, "+44 20 7946 0000", "null clears nothing (17.11)");
    assert!(stored.groups.is_empty(), "groups replace all groups");
    bench.ok("addOrUpdateContact", json!({"id": id, "phone": "", "externalId": ""})).await;
    assert_eq!(bench.sim.contact(id).unwrap().phone, "");

    bench.sim.edit(&Edit::delete("contact", id)).unwrap();
    assert_eq!(codes(&bench.act("getContact", json!({"id": id})).await), (400, 24096));
    assert_eq!(codes(&bench.act("addOrUpdateContact", json!({"id": id, "phone": ""})).await), (400, 24096));
    assert_eq!(bench.page(0, 100, json!({})).await, [0_u64; 0]);

    let effects = bench.sim.ledger().effects();
    let ops: Vec<(Op, By)> = effects.iter().map(|effect| (effect.op, effect.by)).collect();
    assert_eq!(
        ops,
        [
            (Op::Create, By::Api),
            (Op::Update, By::Api),
            (Op::Update, By::Api),
            (Op::Update, By::Api),
            (Op::Delete, By::User)
        ]
    );
    assert_eq!(effects[1].fields, ["phone"]);
    assert_eq!(effects[0].external_id.as_deref(), Some("003A"));
    assert_eq!(effects[3].external_id, None);
    assert_eq!(bench.sim.ledger().creations("contact", "003A"), 1);
    assert_eq!(bench.sim.ledger().count("contact", Op::Update), 3);
}

#[tokio::test(start_paused = true)]
async fn a_company_lives_too() {
    let bench = Bench::new(Settings::default());
    assert_eq!(codes(&bench.act("addOrUpdateCompany", json!({"email": "a@b.co"})).await), (400, 23017));
    let id = bench.ok("addOrUpdateCompany", json!({"businessName": "O'Brien & Co", "businessNumber": 12345})).await;
    let id = id["id"].as_u64().unwrap();
    let got = bench.ok("getCompany", json!({"id": id})).await;
    assert_eq!(got["address"], json!([]), "nothing set: an empty list");
    assert_eq!(got["businessNumber"], 12345);
    bench.ok("addOrUpdateCompany", json!({"id": id, "address": {"city": "Köln", "countryCode": "DE"}})).await;
    let bad = bench.act("addOrUpdateCompany", json!({"id": id, "address": {"countryCode": "Germany"}})).await;
    assert_eq!(codes(&bad), (400, 23016));
    let list = bench.ok("getCompanyList", json!({"perPage": 100, "start": 0})).await;
    assert_eq!(list["results"][0]["address"]["city"], "Köln");
    assert_eq!(codes(&bench.act("getCompany", json!({"id": 9})).await), (400, 24153));
    let found = bench.ok("addOrUpdateCompany", json!({"businessName": "o'brien & co", "updateIfExists": true})).await;
    assert_eq!(found["id"], id);
}

#[tokio::test(start_paused = true)]
async fn validation_reports_the_first_failure_only() {
    let bench = Bench::new(Settings::default());
    let id = bench.sim.add_contact(Contact { first_name: "A".into(), ..Contact::default() });
    let cases = [
        (json!({"firstName": "A", "email": "bad"}), 23017, "'lastName' is required"),
        (json!({"firstName": "A", "lastName": " ", "email": "a@b.co"}), 23017, "'lastName' is required"),
        (json!({"firstName": "A", "lastName": "B", "email": "bad", "phone": "x!"}), 23016, "'email' does not validate"),
        (json!({"id": id, "phone": "call me"}), 23016, "'phone' does not validate"),
        (json!({"id": id, "firstName": ""}), 23016, "'firstName' does not validate"),
        (json!({"id": id, "lastName": "x".repeat(256)}), 23016, "'lastName' does not validate"),
        (json!({"id": id, "externalId": 12}), 23016, "'externalId' does not validate"),
        (json!({"id": id, "companies": [4711]}), 23016, "'companies' does not validate"),
        (json!({"id": id, "groups": [{"groupId": 99}]}), 23016, "'groups' does not validate"),
        (json!({"id": id, "status": 4}), 23016, "'status' does not validate"),
        (
            json!({"id": id, "customFields": [{"fieldId": 102, "value": "zz"}]}),
            23016,
            "'customFields' does not validate",
        ),
        (
            json!({"id": id, "customFields": [{"fieldId": 106, "value": "x"}]}),
            23016,
            "'customFields' does not validate",
        ),
        (json!({"id": id, "modifiedDate": "2024-01-01 00:00:00"}), 23016, "'modifiedDate' does not validate"),
        (json!({"id": "x1"}), 23016, "'id' does not validate"),
        (json!({"id": 5, "phone": "call me"}), 23016, "'phone' does not validate"),
    ];
    for (body, code, message) in cases {
        let answer = bench.act("addOrUpdateContact", body.clone()).await;
        assert_eq!(codes(&answer), (400, code), "{body}");
        assert_eq!(answer.1["message"], message, "{body}");
        assert_eq!(answer.1.get("additionalMessages").is_some(), code == 23016);
    }
    assert_eq!(codes(&bench.act("getContactList", json!({"perPage": 10})).await), (400, 23017));
    assert_eq!(codes(&bench.act("getContactList", json!({"perPage": 0, "start": 0})).await), (400, 23016));
    assert_eq!(codes(&bench.act("getContact", json!({})).await), (400, 23017));
    assert!(bench.sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn loose_types_and_mixed_stamps_are_present_4() {
    let bench = Bench::new(Settings::default());
    bench.sim.load(&Population::generate(1, 40, 5));
    let company = bench.sim.companies()[0].id;
    let contact = Contact {
        id: 25_204,
        phone: "61299990000".into(),
        companies: vec![company],
        groups: [(1, start())].into(),
        ..Contact::default()
    };
    let odd = bench.sim.add_contact(contact);
    let list = bench.ok("getContactList", json!({"perPage": 500, "start": 0})).await;
    assert_eq!(list["meta"], json!({"totalResults": 41, "start": 0, "perPage": 100, "count": 41}), "clamped to 100");
    let row = list["results"].as_array().unwrap().iter().find(|row| row["id"] == odd).unwrap();
    assert_eq!(row["phone"], 61_299_990_000_u64, "digits as a number");
    assert_eq!(row["isAnonymised"], 0);
    assert_eq!(row["privacyConsentData"]["dateTime"], "");
    assert_eq!(row["externalId"], Value::Null);
    assert_eq!(row["modifiedDate"], "2024-03-11 00:00:45");
    assert_eq!(row["createdDate"], "2024-03-11 00:00:45 UTC");
    assert_eq!(row["customFields"][2]["value"], json!([""]), "an unset multi select");
    let detail = bench.ok("getContact", json!({"id": odd})).await;
    assert_eq!(detail["id"], odd.to_string());
    assert_eq!(detail["isAnonymised"], false);
    // A list that arrives as an object, for every seventh id.
    let keyed = bench.sim.add_contact(Contact { id: 70_003, companies: vec![company], ..Contact::default() });
    assert_eq!(bench.ok("getContact", json!({"id": keyed})).await["companies"], json!({"0": company}));
    // Success is sometimes missing.
    let mut shapes = [0, 0];
    for n in 0..6 {
        let body = json!({"firstName": "S", "lastName": n.to_string(), "email": "s@example.com"});
        shapes[usize::from(bench.ok("addOrUpdateContact", body).await.get("success").is_some())] += 1;
    }
    assert_eq!(shapes, [2, 4]);
    for (action, first) in [
        ("getCustomFieldDefinition", json!("101")),
        ("getCompanyCustomFieldDefinition", json!("201")),
        ("getSubscriptionGroupList", Value::Null),
    ] {
        let array = bench.ok(action, json!({})).await;
        assert_eq!(array[0].get("fieldId").cloned().unwrap_or_default(), first, "a bare array");
    }
}

#[tokio::test(start_paused = true)]
async fn ping_tells_the_time_in_either_form() {
    let bench = Bench::new(Settings::default());
    let mut acks = Vec::new();
    for body in [json!({}), json!([])] {
        let call = bench.call("/api/1.0/test?action=ping", &body);
        acks.push(bench.send(&call).await.unwrap().1["ack"].as_str().unwrap().to_owned());
    }
    assert_eq!(acks, ["2024-03-11 00:00:45", "2024-03-11 00:00:45 UTC"]);
}

#[tokio::test(start_paused = true)]
async fn the_control_api_edits_and_reports() {
    let bench = Bench::new(Settings::default());
    let send = async |method: &str, path: &str, body: Value| {
        let request = http::Request::builder().method(method).uri(format!("http://x{path}"));
        let request = request.header("Content-Type", "application/json").body(Bytes::from(body.to_string())).unwrap();
        let response = bench.wire.send(request, Limits::default()).await.unwrap();
        (response.status().as_u16(), serde_json::from_slice::<Value>(response.body()).unwrap_or_default())
    };
    let hostile = "\u{1b}]52;c;x\u{7}\u{202e}\0";
    let made = send("POST", "/_sim/edit", json!({"object": "contact", "fields": {"firstName": hostile}})).await;
    let id: u64 = made.1["id"].as_str().unwrap().parse().unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let edit = json!({"object": "contact", "id": id, "fields": {"phone": "1"}});
    assert_eq!(send("POST", "/_sim/edit", edit).await.0, 200);
    assert_eq!(bench.sim.contact(id).unwrap().modified, start().plus(Duration::from_secs(3)));
    let unknown = json!({"object": "contact", "id": 1, "fields": {}});
    assert_eq!(send("POST", "/_sim/edit", unknown).await.0, 404);
    let wrong = json!({"object": "contact", "id": id, "fields": {"shoeSize": 9}});
    assert_eq!(send("POST", "/_sim/edit", wrong).await.0, 400);
    let records = send("GET", "/_sim/records/contact", Value::Null).await.1;
    assert_eq!(records["records"][0]["firstName"], hostile);
    assert_eq!(send("GET", "/_sim/records/invoice", Value::Null).await.0, 404);
    let ledger = send("GET", "/_sim/ledger", Value::Null).await.1;
    assert_eq!(ledger["effects"][1]["by"], "user");
    assert_eq!(ledger["counts"]["by_op"], json!({}), "only the API counts");
    assert_eq!(send("POST", "/_sim/fault", json!({"kind": "throttle", "match": "ping", "times": 1})).await.0, 200);
    let ping = bench.call("/api/1.0/test?action=ping", &json!({}));
    assert_eq!(codes(&bench.send(&ping).await.unwrap()), (429, 0));
    assert_eq!(bench.send(&ping).await.unwrap().0, 200);
    assert_eq!(send("POST", "/_sim/fault", json!({"kind": "race", "times": 0})).await.0, 400);
    assert_eq!(send("GET", "/_sim/health", Value::Null).await.1["system"], "ivvy");
}

#[tokio::test(start_paused = true)]
async fn an_anonymised_contact_refuses_writes_with_200() {
    let bench = Bench::new(Settings::default());
    let id = bench.sim.add_contact(Contact { first_name: "Jo".into(), phone: "1".into(), ..Contact::default() });
    bench.sim.edit(&Edit::update("contact", id, json!({"isAnonymised": true}))).unwrap();
    let got = bench.ok("getContact", json!({"id": id})).await;
    assert_eq!((&got["isAnonymised"], &got["phone"]), (&json!(true), &json!("")));
    let answer = bench.ok("addOrUpdateContact", json!({"id": id, "phone": "2"})).await;
    assert_eq!(answer["success"], false);
    assert_eq!(bench.sim.ledger().count("contact", Op::Update), 0);
}

#[tokio::test(start_paused = true)]
async fn staff_and_lead_sources_are_lists_in_their_own_namespaces() {
    let bench = Bench::new(Settings::default());
    let users = bench.call("/api/1.0/account?action=getUserList", &json!({"perPage": 2, "start": 3}));
    let page = bench.send(&users).await.unwrap().1;
    assert_eq!(page["meta"], json!({"totalResults": 7, "start": 3, "perPage": 2, "count": 2}));
    assert_eq!((&page["results"][0]["currentStatus"], &page["results"][0]["lastLoginDate"]), (&json!(2), &json!("")));
    let users = bench.call("/api/1.0/account?action=getUserList", &json!({}));
    assert_eq!(codes(&bench.send(&users).await.unwrap()), (400, 23017));
    let sources = bench.call("/api/1.0/crm?action=getLeadSourceList", &json!({"perPage": 100, "start": 0}));
    let page = bench.send(&sources).await.unwrap().1;
    assert_eq!(page["results"][0]["defaultType"], 1);
    assert_eq!(codes(&bench.act("getUserList", json!({})).await), (404, 0), "another namespace");
}
