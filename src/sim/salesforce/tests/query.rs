//! Queries over the wire.

use super::*;

async fn crowd() -> Desk {
    let desk = Desk::standard().await;
    let account = desk.post("/sobjects/Account", json!({"Name": "Harbour", "Ivvy_Id__c": "company-1"})).await.json();
    let rows = [
        json!({"FirstName": "Ann", "LastName": "Able", "Email": "ann@venue.example", "Tags__c": "VIP;Press", "AccountId": account["id"]}),
        json!({"FirstName": "Bob", "LastName": "O'Neil", "Phone": "100%_x", "HasOptedOutOfEmail": true}),
        json!({"FirstName": "Cid", "LastName": "Ölund", "Email": "cid@venue.example", "Tags__c": "VIP"}),
    ];
    for row in rows {
        desk.contact(row).await;
        advance(60).await;
    }
    desk
}

#[tokio::test(start_paused = true)]
async fn conditions_follow_soql() {
    let desk = crowd().await;
    let all = ["Ann Able", "Bob O'Neil", "Cid Ölund"];
    for (condition, expected) in [
        ("Name = 'ANN ABLE'", vec![0]),
        ("LastName = 'O\\'Neil'", vec![1]),
        ("LastName LIKE 'ö%'", vec![2]),
        ("Phone LIKE '%\\%\\_x'", vec![1]),
        ("FirstName LIKE '_o_'", vec![1]),
        ("Email = null", vec![1]),
        ("Email = ''", vec![1]),
        ("Email != 'ann@venue.example'", vec![1, 2]),
        ("Email NOT IN ('ann@venue.example')", vec![1, 2]),
        ("FirstName IN ('ann', 'cid')", vec![0, 2]),
        ("(NOT FirstName LIKE 'A%') AND Email != null", vec![2]),
        ("FirstName = 'Ann' OR (FirstName = 'Bob' AND HasOptedOutOfEmail = true)", vec![0, 1]),
        ("HasOptedOutOfEmail = false", vec![0, 2]),
        ("Tags__c INCLUDES ('Press;VIP', 'Sponsor')", vec![0]),
        ("Tags__c EXCLUDES ('Press')", vec![1, 2]),
        ("SystemModstamp >= 2026-11-21T08:01:00Z", vec![1, 2]),
        ("SystemModstamp > 2026-11-21T09:01:00.000+01:00 AND LastModifiedDate <= 2026-11-21T08:02:00Z", vec![2]),
        ("Account.Name = 'harbour'", vec![0]),
        ("Account.Ivvy_Id__c = null", vec![1, 2]),
        ("LastModifiedBy.Username = 'tandem.integration@events.example'", vec![0, 1, 2]),
    ] {
        let expected: Vec<&str> = expected.into_iter().map(|index: usize| all[index]).collect();
        assert_eq!(desk.names(&format!("WHERE {condition} ORDER BY CreatedDate")).await, expected, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn order_limit_offset_and_count() {
    let desk = crowd().await;
    assert_eq!(desk.names("ORDER BY Email").await[0], "Bob O'Neil", "nulls first unless told");
    assert_eq!(desk.names("ORDER BY Email DESC NULLS LAST").await, ["Cid Ölund", "Ann Able", "Bob O'Neil"]);
    assert_eq!(desk.names("").await[0], "Cid Ölund", "no order promised: newest first, to catch those who rely on one");
    assert_eq!(desk.names("ORDER BY Name LIMIT 1 OFFSET 1").await, ["Bob O'Neil"]);
    let count = desk.query("SELECT COUNT() FROM Contact WHERE Email != null").await.json();
    assert_eq!(count, json!({"totalSize": 2, "done": true, "records": []}));
    let parent = desk.query("SELECT Id, Account.Name, Account.Phone FROM Contact ORDER BY Name").await.json();
    assert_eq!(parent["records"][0]["Account"]["Name"], "Harbour");
    assert_eq!(parent["records"][0]["Account"]["attributes"]["type"], "Account");
    assert_eq!(parent["records"][1]["Account"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn wrong_queries_are_refused_by_kind() {
    let desk = crowd().await;
    for (soql, code) in [
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT Nope.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Account.Nope = null", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-11-21T08:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > 2026-11-21", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE IsDeleted = 'false'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact ORDER BY Tags__c", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE SystemModstamp LIKE '2%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE Tags__c LIKE 'V%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE Name INCLUDES ('x')", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ] {
        assert_eq!(desk.query(soql).await.refused(), (400, code.into()), "{soql}");
    }
    assert_eq!(desk.get("/query").await.refused(), (400, "MALFORMED_QUERY".into()));
}

#[tokio::test(start_paused = true)]
async fn pages_follow_the_answer_as_it_was_asked() {
    let desk = Desk::open(Settings { page_size: 2, ..Settings::default() }).await;
    let mut ids = Vec::new();
    for serial in 0..5 {
        ids.push(desk.contact(json!({"LastName": format!("N{serial}")})).await);
    }
    let first = desk.query("SELECT Id FROM Contact ORDER BY SystemModstamp, Id").await.json();
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(5), &json!(false)));
    let next = first["nextRecordsUrl"].as_str().unwrap().to_owned();
    assert!(next.starts_with("/services/data/v60.0/query/01g") && next.ends_with("-2"), "{next}");
    desk.contact(json!({"LastName": "Later"})).await;
    desk.call(Method::DELETE, &format!("/sobjects/Contact/{}", ids[3]), &[], None).await;
    let second = desk.get(&next).await.json();
    assert_eq!(second["records"].as_array().unwrap().len(), 1, "one was deleted meanwhile");
    let last = desk.get(second["nextRecordsUrl"].as_str().unwrap()).await.json();
    assert_eq!((&last["done"], last.get("nextRecordsUrl")), (&json!(true), None));
    assert_eq!(last["records"][0]["Id"], json!(ids[4]));
    assert_eq!(desk.get("/query/01gnonsense-2").await.refused(), (400, "INVALID_QUERY_LOCATOR".into()));

    for _ in 0..10 {
        desk.query("SELECT Id FROM Contact").await;
    }
    assert_eq!(desk.get(&next).await.refused().1, "INVALID_QUERY_LOCATOR", "the eleventh cursor closes the first");
}

#[tokio::test(start_paused = true)]
async fn batch_size_is_a_wish_between_200_and_2000() {
    let desk = Desk::standard().await;
    for _ in 0..2 {
        let people: Vec<Value> =
            (0..150).map(|_| json!({"attributes": {"type": "Contact"}, "LastName": "A"})).collect();
        desk.post("/composite/sobjects", json!({"records": people})).await;
    }
    let path = format!("/query?{}", encoded("q", "SELECT Id FROM Contact"));
    for (wish, expected) in [("batchSize=250", 250), ("batchSize=10", 200), ("batchSize=9000", 300)] {
        let page = desk.call(Method::GET, &path, &[("sforce-query-options", wish)], None).await.json();
        assert_eq!(page["records"].as_array().unwrap().len(), expected, "{wish}");
    }
}

#[tokio::test(start_paused = true)]
async fn query_all_shows_the_deleted_and_who_survived_a_merge() {
    let desk = crowd().await;
    let rows = desk.query("SELECT Id FROM Contact ORDER BY CreatedDate").await.json();
    let id = |index: usize| rows["records"][index]["Id"].as_str().unwrap().to_owned();
    desk.sim.merge("Contact", &id(0), &id(1)).unwrap();
    assert_eq!(desk.names("").await.len(), 2);
    let soql = "SELECT Id, MasterRecordId FROM Contact WHERE IsDeleted = true";
    let all = desk.get(&format!("/queryAll?{}", encoded("q", soql))).await.json();
    assert_eq!(all["records"][0]["Id"], json!(id(1)));
    assert_eq!(all["records"][0]["MasterRecordId"], json!(id(0)));
}

#[tokio::test(start_paused = true)]
async fn indexes_change_no_answer() {
    let desk = crowd().await;
    let rows = desk.query("SELECT Id FROM Contact ORDER BY CreatedDate").await.json();
    let id = |index: usize| rows["records"][index]["Id"].as_str().unwrap().to_owned();
    for index in 0..3 {
        desk.patch(&format!("/sobjects/Contact/{}", id(index)), json!({"Ivvy_Id__c": format!("contact-{index}")}))
            .await;
    }
    desk.sim.delete("Contact", &id(1)).unwrap();
    advance(60).await;
    let mut asked = Vec::new();
    for condition in [
        format!("WHERE Id IN ('{}', '{}', '{0}') AND Email != null", id(0), id(1)),
        format!("WHERE Id = '{}' OR FirstName = 'Cid'", id(0)),
        "WHERE Ivvy_Id__c IN ('CONTACT-1', 'contact-2')".into(),
        "WHERE Ivvy_Id__c IN ('contact-0', null)".into(),
        "WHERE SystemModstamp >= 2026-11-21T08:03:00Z ORDER BY SystemModstamp, Id LIMIT 1".into(),
        "WHERE SystemModstamp > 2026-11-21T08:01:00Z AND FirstName = 'Ann' ORDER BY SystemModstamp DESC, Id LIMIT 1"
            .into(),
        format!(
            "WHERE SystemModstamp > 2026-11-21T08:03:00Z OR (SystemModstamp = 2026-11-21T08:03:00Z AND Id > '{}') ORDER BY SystemModstamp, Id LIMIT 2",
            id(0)
        ),
        "WHERE SystemModstamp > 2026-11-21T08:03:00Z OR FirstName = 'Ann'".into(),
        "WHERE (NOT SystemModstamp >= 2026-11-21T08:03:00Z)".into(),
        "ORDER BY SystemModstamp, Id LIMIT 1 OFFSET 1".into(),
    ] {
        for resource in ["query", "queryAll"] {
            let soql = format!("SELECT Id, FirstName FROM Contact {condition}");
            let path = format!("/{resource}?{}", encoded("q", &soql));
            let indexed = desk.get(&path).await;
            assert_eq!(indexed.status, StatusCode::OK, "{}", indexed.text);
            asked.push((path, indexed.json()));
        }
    }
    // A lagging reader walks through everything; long after the last write it must see the same.
    desk.sim.set_knobs(|knobs| knobs.visibility_delay = Duration::from_secs(1));
    for (path, indexed) in &asked {
        assert_eq!(&desk.get(path).await.json(), indexed, "{path}");
    }
    assert!(asked.iter().filter(|(_, answer)| answer["totalSize"] != 0).count() > 12, "{asked:?}");
}
