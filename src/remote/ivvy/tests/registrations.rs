//! Registrations before the simulated account (V-40 to V-47, `contracts/ivvy.md` 11).

use super::account::{Account, column, start};
use super::*;
use crate::sim::ivvy as sim;

fn ago(days: u64) -> String {
    client::stamp(start().minus(Duration::from_secs(86_400 * days)))
}

#[tokio::test(start_paused = true)]
async fn a_registration_with_all_its_fields_v41() {
    let account = Account::new();
    let contact = account.add("contact", json!({"firstName": "さくら", "lastName": "山田", "email": "s@b.co"}));
    let event = account.add("event", json!({"title": "Gala", "startDateTime": "2024-07-01 08:00:00"}));
    let id = account.add(
        "registration",
        json!({"eventId": event, "currentStatus": 2, "isExhibitor": true, "completedDate": "2024-02-29 23:59:00",
        "mainContactId": contact, "firstName": "さくら", "lastName": "山田", "invoiceTotalCost": 95.5,
        "invoiceTotalPaid": 40, "modifiedDate": "2024-03-01 00:00:00"}),
    );
    let expected = fields(&[
        ("name", "Gala – さくら 山田".into()),
        ("contact", contact.to_string().as_str().into()),
        ("event", event.to_string().as_str().into()),
        ("status", "completed".into()),
        ("stage", "won".into()),
        ("exhibitor", Value::Bool(true)),
        ("amount", "95.50".into()),
        ("paid", "40.00".into()),
        ("paid_in_full", Value::Bool(false)),
        ("close_date", "2024-02-29".into()),
    ]);
    let listed = account.all(ModuleId::Registrations).await.remove(0);
    assert_eq!((listed.id.to_string(), &listed.fields), (id.to_string(), &expected));
    assert_eq!(listed.modified, Some(Timestamp::from_secs(1_709_251_200)));
    assert_eq!(account.found(ModuleId::Registrations, id).await, listed);

    let bare = account.add("registration", json!({"eventId": event, "currentStatus": 1}));
    let bare = account.found(ModuleId::Registrations, bare).await.fields;
    assert_eq!((&bare["name"], &bare["contact"]), (&"Gala".into(), &Value::Null));
    assert_eq!(bare["close_date"], "2024-07-01".into(), "not completed: the day the event starts");
}

#[tokio::test(start_paused = true)]
async fn every_status_has_its_word_and_stage_v46() {
    let account = Account::new();
    let event = account.add("event", json!({"title": "Gala"}));
    for status in [1, 2, 3, 4, 5, 6, 7, 77] {
        account.add("registration", json!({"eventId": event, "currentStatus": status}));
    }
    let records = account.all(ModuleId::Registrations).await;
    let words =
        ["in_progress", "completed", "cancelled", "payment_waiting", "deleted", "checkout", "incomplete", "status 77"];
    assert_eq!(column(&records, "status"), words);
    assert_eq!(column(&records, "stage"), ["open", "won", "lost", "open", "lost", "open", "open", "status 77"]);
    assert_eq!(column(&records, "close_date"), [""; 8], "neither completed nor an event with a start");
}

#[tokio::test(start_paused = true)]
async fn events_are_walked_page_by_page_and_a_shift_is_reported_v44() {
    let account = Account::new();
    let empty = account.add("event", json!({"title": "Nobody came", "startDateTime": ago(1)}));
    let full = account.add("event", json!({"title": "Full", "startDateTime": ago(2)}));
    let small = account.add("event", json!({"title": "Small", "startDateTime": ago(3)}));
    for number in 0..151 {
        let event = if number == 150 { small } else { full };
        account.add("registration", json!({"eventId": event, "currentStatus": 2, "lastName": number}));
    }
    let (records, pages) = account.sweep(ModuleId::Registrations, None).await.unwrap();
    assert_eq!((records.len(), pages), (151, 4));
    assert_eq!(records[150].fields["name"], "Small – 150".into());

    let first = account.ivvy.list(ModuleId::Registrations, &PageRequest::default()).await.unwrap();
    assert_eq!((first.records.len(), first.total), (0, None), "the empty event is a page");
    let mut request = PageRequest { position: first.next, ..PageRequest::default() };
    request.position = account.ivvy.list(ModuleId::Registrations, &request).await.unwrap().next;
    account.delete("registration", 30_001);
    assert_eq!(account.ivvy.list(ModuleId::Registrations, &request).await.unwrap_err().class, Class::Shifted);

    let first = account.ivvy.list(ModuleId::Registrations, &PageRequest::default()).await.unwrap();
    account.delete("event", full);
    let request = PageRequest { position: first.next, ..PageRequest::default() };
    let error = account.ivvy.list(ModuleId::Registrations, &request).await.unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (Class::Shifted, "an event vanished while its turn came"));
    account.delete("event", empty);
    account.forbids("registration", ModuleId::Registrations).await;
}

#[tokio::test]
async fn a_stored_position_holds_no_titles_and_they_are_read_again_where_a_row_tells_none() {
    let all = |rows: Json| {
        let total = rows.as_array().unwrap().len();
        ok(json!({"meta": {"totalResults": total}, "results": rows}))
    };
    let event = |id: u64, title: &str| json!({"id": id, "title": title});
    let names = |page: &Page| column(&page.records, "name");

    let untold = || all(json!([{"id": 7, "lastName": "Ng"}, {"id": 8, "lastName": "Ito", "eventName": "Ball"}]));
    let (ivvy, script) = ivvy([
        all(json!([event(1, "Private gala"), event(2, "Ball")])),
        all(json!([{"id": 6, "lastName": "Roe"}])),
        untold(),
        ok(event(2, "Ball")),
        untold(),
        untold(),
        status(400, json!({"errorCode": 400, "specificCode": "24097", "message": "no such event"})),
    ]);
    let first = ivvy.list(ModuleId::Registrations, &PageRequest::default()).await.unwrap();
    assert_eq!(names(&first), ["Private gala – Roe"], "just listed");
    let position = first.next.unwrap();
    assert!(position.contains("\"2\"") && !position.contains("Ball"), "{position}");
    let second = PageRequest { position: Some(position.clone()), ..PageRequest::default() };
    let page = ivvy.list(ModuleId::Registrations, &second).await.unwrap();
    assert_eq!(names(&page), ["Ball – Ng", "Ball – Ito"]);
    assert!(script.seen()[3].action.contains("getEvent"));

    let written_before = position.replace("\"2\"", "\"2\",\"title\":\"Ball\"");
    let old = PageRequest { position: Some(written_before), ..PageRequest::default() };
    assert_eq!(ivvy.list(ModuleId::Registrations, &old).await.unwrap().records, page.records);

    let gone = ivvy.list(ModuleId::Registrations, &second).await.unwrap_err();
    assert_eq!(gone.class, Class::Shifted);
}

#[tokio::test(start_paused = true)]
async fn an_incremental_sweep_leaves_out_what_is_old_whatever_becomes_of_the_filter_v44() {
    for filtering in [sim::Filtering::Honour, sim::Filtering::Ignore, sim::Filtering::Reject] {
        let account = Account::with(sim::Settings { filtering, ..sim::Settings::default() }, None);
        let over = account.add("event", json!({"title": "Long over", "endDateTime": ago(40)}));
        let open = account.add("event", json!({"title": "Just over", "endDateTime": ago(20)}));
        let endless = account.add("event", json!({"title": "Without an end"}));
        for event in [over, open, endless] {
            for days in [0, 9] {
                account.add("registration", json!({"eventId": event, "lastName": days, "modifiedDate": ago(days)}));
            }
        }
        let from = Some(start().minus(Duration::from_secs(3_600)));
        let (records, pages) = account.sweep(ModuleId::Registrations, from).await.unwrap();
        let mut names = column(&records, "name");
        names.sort();
        assert_eq!(
            (names, pages),
            (vec!["Just over – 0".to_owned(), "Without an end – 0".to_owned()], 2),
            "{filtering}"
        );
        assert_eq!(account.all(ModuleId::Registrations).await.len(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_read_walks_the_events_once_and_remembers() {
    let account = Account::new();
    let events: Vec<u64> =
        (1..=4).map(|days| account.add("event", json!({"title": days, "startDateTime": ago(days)}))).collect();
    let first = account.add("registration", json!({"eventId": events[2], "currentStatus": 2}));
    let second = account.add("registration", json!({"eventId": events[2], "currentStatus": 1}));
    account.found(ModuleId::Registrations, first).await;
    assert_eq!(account.calls("getRegistrationList"), 3, "the latest event first, no further than needed");
    account.found(ModuleId::Registrations, second).await;
    assert_eq!(account.calls("getRegistrationList"), 0, "the walk saw it");
    account.edit("registration", second, json!({"currentStatus": 3}));
    let record = account.found(ModuleId::Registrations, second).await;
    assert_eq!(record.fields["stage"], "lost".into(), "read anew");
    account.edit("registration", second, json!({"eventId": events[0]}));
    let moved = account.found(ModuleId::Registrations, second).await;
    assert_eq!(moved.fields["event"], events[0].to_string().as_str().into());
    account.delete("registration", second);
    assert!(account.misses(ModuleId::Registrations, second).await);
}
