//! Quotes and bookings before the simulated account (V-80 to V-84, `contracts/ivvy.md` 12).

use super::account::{Account, column, start};
use super::*;

#[tokio::test(start_paused = true)]
async fn a_booking_with_all_its_fields_v82() {
    let account = Account::new();
    let company = account.add("company", json!({"businessName": "Café & Söhne"}));
    let contact = account.add("contact", json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co"}));
    let id = account.add(
        "booking",
        json!({"venueId": 2, "code": "B0001", "name": "Kolacja", "contactId": contact, "companyId": company,
        "currentStatus": 3, "totalAmount": 1200.5, "amountOutstanding": 200, "dateEventStart": "2024-07-01",
        "dateEventEnd": "2024-07-02", "decisionDate": "2024-05-01", "isConfidential": true,
        "modifiedDate": "2024-03-01 00:00:00"}),
    );
    let expected = fields(&[
        ("name", "Kolacja".into()),
        ("code", "B0001".into()),
        ("contact", contact.to_string().as_str().into()),
        ("company", company.to_string().as_str().into()),
        ("status", "confirmed".into()),
        ("stage", "won".into()),
        ("amount", "1200.50".into()),
        ("outstanding", "200.00".into()),
        ("currency", "PLN".into()),
        ("starts_at", "2024-07-01T00:00:00Z".into()),
        ("ends_at", "2024-07-02T00:00:00Z".into()),
        ("close_date", "2024-05-01".into()),
        ("confidential", Value::Bool(true)),
    ]);
    let listed = account.all(ModuleId::QuotesAndBookings).await.remove(0);
    assert_eq!((listed.id.to_string(), &listed.fields), (id.to_string(), &expected));
    assert_eq!(listed.modified, Some(Timestamp::from_secs(1_709_251_200)));
    assert_eq!(account.found(ModuleId::QuotesAndBookings, id).await, listed);

    let bare = account.add("booking", json!({"venueId": 1, "dateEventStart": "2024-08-01"}));
    let bare = account.found(ModuleId::QuotesAndBookings, bare).await.fields;
    assert_eq!((&bare["company"], &bare["contact"]), (&Value::Null, &Value::Null));
    assert_eq!(bare["close_date"], "2024-08-01".into(), "nothing to decide by: the day it starts");
    assert_eq!(bare["confidential"], Value::Bool(false));
    account.delete("booking", id);
    assert!(account.misses(ModuleId::QuotesAndBookings, id).await);
}

#[tokio::test(start_paused = true)]
async fn every_status_has_its_word_and_stage_v83() {
    let account = Account::new();
    for status in [1, 2, 3, 4, 5, 6, 8, 9, 77] {
        account.add("booking", json!({"venueId": 1, "currentStatus": status}));
    }
    let records = account.all(ModuleId::QuotesAndBookings).await;
    let words = [
        "prospective",
        "tentative",
        "confirmed",
        "cancelled",
        "ordering",
        "not_accepted",
        "not_accepted",
        "prospective_hold",
        "status 77",
    ];
    assert_eq!(column(&records, "status"), words);
    let stages = ["quote", "tentative", "won", "lost", "open", "lost", "lost", "quote", "status 77"];
    assert_eq!(column(&records, "stage"), stages);
}

#[tokio::test(start_paused = true)]
async fn pages_windows_shifts_and_permission_v84() {
    let account = Account::new();
    for days in 0..150 {
        let at = client::stamp(start().minus(Duration::from_secs(86_400 * days)));
        account.add("booking", json!({"venueId": 1 + days % 3, "name": days, "modifiedDate": at}));
    }
    let (records, pages) = account.sweep(ModuleId::QuotesAndBookings, None).await.unwrap();
    assert_eq!((records.len(), pages), (150, 2));
    assert_eq!(account.calls("getVenueList"), 1, "the venues are read once for a sweep");
    let mut currencies = column(&records, "currency");
    currencies.sort();
    currencies.dedup();
    assert_eq!(currencies, ["AUD", "JPY", "PLN"]);
    let from = Some(start().minus(Duration::from_secs(86_400 * 3 + 1)));
    let (records, _) = account.sweep(ModuleId::QuotesAndBookings, from).await.unwrap();
    assert_eq!(column(&records, "name"), ["0", "1", "2", "3"]);
    account.shifts(ModuleId::QuotesAndBookings, |account| account.delete("booking", 120_001)).await;
    account.forbids("booking", ModuleId::QuotesAndBookings).await;
}

#[tokio::test(start_paused = true)]
async fn a_venue_that_came_later_is_looked_up() {
    let account = Account::new();
    account.add("booking", json!({"venueId": 1}));
    account.all(ModuleId::QuotesAndBookings).await;
    let venue = account.add("venue", json!({"businessName": "Nová", "currencyCode": "CZK"}));
    let id = account.add("booking", json!({"venueId": venue}));
    assert_eq!(account.found(ModuleId::QuotesAndBookings, id).await.fields["currency"], "CZK".into());
    assert_eq!(account.calls("getVenueList"), 2);
    let nowhere = account.add("booking", json!({"name": "x"}));
    assert_eq!(account.found(ModuleId::QuotesAndBookings, nowhere).await.fields.get("currency"), None);
}
