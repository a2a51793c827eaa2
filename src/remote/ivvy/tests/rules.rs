//! What the configuration says of single modules, before the simulated account (V-21, V-41, V-47, V-82 to
//! V-84).

use super::account::{Account, column};
use super::*;
use crate::model::module::EMAIL_OPT_OUT;

#[tokio::test(start_paused = true)]
async fn paid_in_full_is_known_only_where_both_amounts_are_v47() {
    let account = Account::new();
    let event = account.add("event", json!({"title": "Gala"}));
    for (cost, paid) in [
        (json!("10.00"), json!("10.0")),
        (json!("10.01"), json!(10)),
        (json!(10), json!("10.01")),
        (json!(0), json!(0)),
        (json!("-40.10"), json!("-40.10")),
        (json!("-40.10"), json!("-41")),
        (json!("-40.10"), json!(0)),
        (json!(10), Json::Null),
        (Json::Null, json!(10)),
    ] {
        let row = json!({"eventId": event, "currentStatus": 2, "invoiceTotalCost": cost, "invoiceTotalPaid": paid});
        account.add("registration", row);
    }
    let records = account.all(ModuleId::Registrations).await;
    assert_eq!(column(&records, "paid_in_full"), ["yes", "no", "yes", "yes", "yes", "no", "yes", "", ""]);
    assert_eq!(column(&records, "amount")[3..5], ["0.00", "-40.10"]);
    let record = |row: usize| &records[row].fields;
    assert!(records.iter().all(|record| !record.fields.contains_key("currency")), "none is made up (V-41)");
    assert_eq!((&record(7)["paid"], &record(8)["amount"]), (&Value::Null, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_currency_and_stages_are_as_configured_v41_v47_v83() {
    let words = |pairs: &[(&str, &str)]| pairs.iter().map(|(one, two)| ((*one).into(), (*two).into())).collect();
    let stages = BTreeMap::from([
        (ModuleId::Registrations, words(&[("payment_waiting", "lost"), ("status 77", "open")])),
        (ModuleId::QuotesAndBookings, words(&[("tentative", "won")])),
    ]);
    let account = Account::under(Rules { currency: Some("NZD".into()), stages, ..Rules::default() });
    let event = account.add("event", json!({"title": "Gala"}));
    for status in [2, 4, 77] {
        account.add("registration", json!({"eventId": event, "currentStatus": status}));
    }
    account.add("booking", json!({"venueId": 1, "currentStatus": 2}));
    let records = account.all(ModuleId::Registrations).await;
    assert_eq!(column(&records, "stage"), ["won", "lost", "open"]);
    assert_eq!(column(&records, "currency"), ["NZD"; 3]);
    let alone = account.found(ModuleId::Registrations, &records[1].id).await;
    assert_eq!(alone, records[1], "read alone it is the same");
    assert_eq!(column(&account.all(ModuleId::QuotesAndBookings).await, "stage"), ["won"]);
}

#[tokio::test]
async fn a_rule_about_a_status_there_is_not_is_refused_v83() {
    let stages = |module, word: &str| {
        let stages = BTreeMap::from([(module, BTreeMap::from([(word.to_owned(), "lost".to_owned())]))]);
        let settings = Settings { rules: Rules { stages, ..Rules::default() }, ..settings("http://localhost") };
        Ivvy::new(settings, Arc::new(Script::default()), Arc::new(crate::seam::SystemClock)).map(|_| ())
    };
    let error = stages(ModuleId::Registrations, "confirmed").unwrap_err();
    assert!(error.message.contains("iVvy has no status `confirmed` there"), "{error}");
    assert!(error.hint.unwrap().contains("payment_waiting"));
    assert!(stages(ModuleId::QuotesAndBookings, "confirmed").is_ok());
    assert!(stages(ModuleId::Registrations, "status 42").is_ok());
}

#[tokio::test(start_paused = true)]
async fn bookings_of_bound_venues_are_one_listing_v82() {
    let account = Account::under(Rules { venues: [1, 3].into(), ..Rules::default() });
    account.sim.bind_key([1, 3]);
    for number in 0..303 {
        let at = client::stamp(account::start().minus(Duration::from_secs(3_600 * number)));
        account.add("booking", json!({"venueId": 1 + number % 3, "name": number, "modifiedDate": at}));
    }
    let (records, pages) = account.sweep(ModuleId::QuotesAndBookings, None).await.unwrap();
    assert_eq!((records.len(), pages), (202, 4));
    let mut currencies = column(&records, "currency");
    currencies.dedup();
    assert_eq!(currencies, ["AUD", "JPY"], "one venue after the other");
    let since = account::start().minus(Duration::from_secs(3_600 * 3 + 1));
    let (records, pages) = account.sweep(ModuleId::QuotesAndBookings, Some(since)).await.unwrap();
    assert_eq!((column(&records, "name"), pages), (vec!["0".to_owned(), "3".into(), "2".into()], 2));
    let alone = account.found(ModuleId::QuotesAndBookings, &records[0].id).await;
    assert_eq!(alone, records[0]);
    account.shifts(ModuleId::QuotesAndBookings, |account| account.delete("booking", 120_001)).await;

    let nonsense = PageRequest { position: Some("{}".into()), ..PageRequest::default() };
    let error = account.ivvy.list(ModuleId::QuotesAndBookings, &nonsense).await.unwrap_err();
    assert_eq!(error.class, Class::Shifted);
}

#[tokio::test(start_paused = true)]
async fn a_bound_key_is_told_apart_from_one_without_permission_v82() {
    let refusal = async |rules: Rules| {
        let account = Account::under(rules);
        account.sim.bind_key([1]);
        let error = account.ivvy.list(ModuleId::QuotesAndBookings, &PageRequest::default()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Forbidden, Sent::No));
        error.to_string()
    };
    let whole = refusal(Rules::default()).await;
    assert!(whole.contains("the key may be bound to a venue: name it under [ivvy] venues"), "{whole}");
    let other = refusal(Rules { venues: [2].into(), ..Rules::default() }).await;
    assert!(other.contains("[ivvy] venues may name one that the key may not read"), "{other}");
    let account = Account::new();
    let booking = account.add("booking", json!({"venueId": 2}));
    account.sim.bind_key([1]);
    let error = account.ivvy.get(ModuleId::QuotesAndBookings, &booking.to_string().as_str().into()).await.unwrap_err();
    assert_eq!(error.class, Class::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn a_masked_booking_names_nobody_v84() {
    let account = Account::under(Rules { mask_confidential: true, ..Rules::default() });
    let contact = account.add("contact", json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co"}));
    let company = account.add("company", json!({"businessName": "Café & Söhne"}));
    let row = |confidential: bool, code: &str| {
        json!({"venueId": 1, "name": "Merger", "code": code, "contactId": contact, "companyId": company,
               "isConfidential": confidential, "totalAmount": 10})
    };
    let [secret, coded, open] =
        [row(true, ""), row(true, "B1"), row(false, "B2")].map(|row| account.add("booking", row));
    let records = account.all(ModuleId::QuotesAndBookings).await;
    let masked = format!("Confidential booking {secret}");
    assert_eq!(column(&records, "name"), [masked.as_str(), "Confidential booking B1", "Merger"]);
    assert_eq!(column(&records, "contact"), ["", "", contact.to_string().as_str()]);
    assert_eq!(column(&records, "company"), ["", "", company.to_string().as_str()]);
    assert_eq!(column(&records, "amount"), ["10.00"; 3]);
    for (record, id) in records.iter().zip([secret, coded, open]) {
        assert_eq!(account.found(ModuleId::QuotesAndBookings, id).await, *record, "read alone it is no other");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_not_to_be_written_to_is_told_and_its_absence_is_not_v21() {
    let account = Account::under(Rules { opt_out: true, ..Rules::default() });
    for status in [1, 2, 3, 5] {
        let person = json!({"firstName": "A", "lastName": status, "email": "a@b.co", "status": status});
        account.add("contact", person);
    }
    let records = account.all(ModuleId::Contacts).await;
    let told: Vec<Option<&Value>> = records.iter().map(|record| record.fields.get(EMAIL_OPT_OUT)).collect();
    let yes = Value::Bool(true);
    assert_eq!(told, [None, Some(&yes), None, Some(&yes)], "a bounced address is no wish");
    assert_eq!(account.calls("getContact"), 0, "the list tells");
    assert_eq!(account.found(ModuleId::Contacts, &records[1].id).await, records[1]);
    assert!(account.ivvy.fields(ModuleId::Contacts).iter().any(|name| name == EMAIL_OPT_OUT));

    let silent = Account::new();
    silent.add("contact", json!({"firstName": "A", "lastName": "B", "email": "a@b.co", "status": 2}));
    assert!(!silent.all(ModuleId::Contacts).await[0].fields.contains_key(EMAIL_OPT_OUT), "nobody asked");
    assert!(!silent.ivvy.fields(ModuleId::Contacts).iter().any(|name| name == EMAIL_OPT_OUT));
}

#[tokio::test]
async fn where_the_list_does_not_tell_a_contact_is_read_alone_v21() {
    let person = |id: u64| json!({"id": id, "firstName": "A", "lastName": "B", "email": "a@b.co"});
    let with = |mut person: Json, status: Json| {
        person["status"] = status;
        person
    };
    let listed = json!({"results": [person(1), with(person(2), json!("1")), person(3)], "meta": {"totalResults": 3}});
    let gone = status(400, json!({"errorCode": 400, "specificCode": "24096", "message": "no such contact"}));
    let script = Arc::new(Script {
        replies: Mutex::new([ok(listed), ok(with(person(1), json!("5"))), gone].into()),
        ..Script::default()
    });
    let settings = Settings { rules: Rules { opt_out: true, ..Rules::default() }, ..settings("http://localhost") };
    let ivvy = Ivvy::new(settings, script.clone(), Arc::new(TokioClock::starting_at(now()))).unwrap();
    let page = ivvy.list(ModuleId::Contacts, &PageRequest::default()).await.unwrap();
    let told: Vec<bool> = page.records.iter().map(|record| record.fields.contains_key(EMAIL_OPT_OUT)).collect();
    assert_eq!(told, [true, false, false]);
    let ids: Vec<Json> = script.bodies().into_iter().skip(1).map(|body| body["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(3)], "only those the list is silent about");
}

#[tokio::test]
async fn nothing_about_consent_is_ever_written_v21() {
    let settings = || Settings { rules: Rules { opt_out: true, ..Rules::default() }, ..settings("http://localhost") };
    let script = Arc::new(Script::default());
    let ivvy = Ivvy::new(settings(), script.clone(), Arc::new(TokioClock::starting_at(now()))).unwrap();
    let patch = fields(&[(EMAIL_OPT_OUT, Value::Bool(true))]);
    let error = ivvy.update(ModuleId::Contacts, &"1".into(), &patch, None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
    assert!(script.seen().is_empty(), "the adapter has no way to say it");
}
