//! Events before the simulated account (V-50 to V-52, `contracts/ivvy.md` 11).

use super::account::{Account, column, start};
use super::*;

#[tokio::test(start_paused = true)]
async fn an_event_with_all_its_fields_v52() {
    let account = Account::new();
    let id = account.add(
        "event",
        json!({"code": "SOMMER", "title": "Sommerfest 💍", "currentStatus": 3, "startDateTime": "2024-07-01 08:00:00",
        "endDateTime": "2024-07-02 16:30:00", "websiteUrl": "https://e.example/s", "modifiedDate": "2024-03-01 00:00:00"}),
    );
    let expected = fields(&[
        ("name", "Sommerfest 💍".into()),
        ("code", "SOMMER".into()),
        ("status", "launched".into()),
        ("starts_at", "2024-07-01T08:00:00Z".into()),
        ("ends_at", "2024-07-02T16:30:00Z".into()),
        ("website", "https://e.example/s".into()),
    ]);
    let listed = account.all(ModuleId::Events).await.remove(0);
    assert_eq!((listed.id.to_string(), listed.fields), (id.to_string(), expected.clone()));
    assert_eq!(listed.modified, Some(Timestamp::from_secs(1_709_251_200)));
    let single = account.found(ModuleId::Events, id).await;
    assert_eq!((single.fields, single.modified), (expected, None), "a single read tells no modifiedDate");
    account.delete("event", id);
    assert!(account.misses(ModuleId::Events, id).await);
}

#[tokio::test(start_paused = true)]
async fn every_status_has_its_word_and_a_strange_one_is_kept_v46() {
    let account = Account::new();
    for status in [0, 1, 3, 77] {
        account.add(
            "event",
            json!({"currentStatus": status, "startDateTime": format!("2024-01-0{} 00:00:00", status % 5 + 1)}),
        );
    }
    let mut words = column(&account.all(ModuleId::Events).await, "status");
    words.sort();
    assert_eq!(words, ["closed", "draft", "launched", "status 77"]);
    let empty = account.add("event", json!({"title": "Later"}));
    let record = account.found(ModuleId::Events, empty).await;
    assert_eq!((&record.fields["starts_at"], &record.fields["website"]), (&Value::Null, &Value::text("")));
}

#[tokio::test(start_paused = true)]
async fn pages_are_compared_by_modified_date_here_and_a_shift_is_reported_v52() {
    let account = Account::with(sim_settings(), None);
    for day in 0..150 {
        let at = start().minus(Duration::from_secs(86_400 * day));
        account
            .add("event", json!({"title": day, "startDateTime": client::stamp(at), "modifiedDate": client::stamp(at)}));
    }
    let (records, pages) = account.sweep(ModuleId::Events, None).await.unwrap();
    assert_eq!((records.len(), pages), (150, 2));
    let (records, _) =
        account.sweep(ModuleId::Events, Some(start().minus(Duration::from_secs(86_400 * 3)))).await.unwrap();
    assert_eq!(column(&records, "name"), ["0", "1", "2", "3"]);
    account.shifts(ModuleId::Events, |account| account.delete("event", 2_401)).await;
    account.forbids("event", ModuleId::Events).await;
}

/// Rows move with every edit, unless an order is asked for.
fn sim_settings() -> crate::sim::ivvy::Settings {
    crate::sim::ivvy::Settings { order: crate::sim::ivvy::Order::ModifiedDesc, ..Default::default() }
}
