//! Rows into records, loose typing and all, and look-ups by key (`contracts/ivvy.md` 4, 9).

use std::collections::BTreeSet;

use super::*;

async fn found(module: ModuleId, row: Json) -> Record {
    let (ivvy, _) = ivvy([ok(row)]);
    match ivvy.get(module, &"25146".into()).await.unwrap() {
        Read::Found(record) => *record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_contact_as_the_documentation_shows_it() {
    let record = found(
        ModuleId::Contacts,
        json!({
            "id": "25146", "firstName": "Zoë", "lastName": "Łukasz", "email": "zoe@example.com", "phone": 61412345678_u64,
            "privacyConsentData": {"source": 5, "dateTime": "2024-01-01 00:00:00"},
            "customFields": [
                {"fieldId": "12", "displayName": "Diet", "value": "vegan"},
                {"fieldId": 13, "displayName": "Interests", "value": {"0": "wine", "1": "golf"}},
                {"fieldId": 99, "displayName": "Not ours", "value": "x"}
            ],
            "groups": [{"contactId": 25146, "groupId": 3, "joinDate": "2020-01-01 00:00:00"}],
            "companies": ["77", 78], "companiesData": [{"id": 77, "businessName": "Acme"}],
            "externalId": null, "modifiedDate": "2024-03-11 00:00:45 UTC", "isAnonymised": 0, "status": 3
        }),
    )
    .await;
    let interests = BTreeSet::from(["golf".to_owned(), "wine".to_owned()]);
    let expected = fields(&[
        ("first_name", "Zoë".into()),
        ("last_name", "Łukasz".into()),
        ("email", "zoe@example.com".into()),
        ("phone", "61412345678".into()),
        ("company", "77".into()),
        ("external_id", Value::Null),
        ("custom.12", "vegan".into()),
        ("custom.13", Value::Set(interests)),
    ]);
    assert_eq!(record.fields, expected);
    assert_eq!(record.id, "25146".into());
    assert_eq!(record.modified, Some(Timestamp::from_secs(1_710_115_245)));
    assert!(!record.anonymised && record.version.is_none());
}

#[tokio::test]
async fn absent_keys_stay_absent_i27() {
    let record = found(ModuleId::Contacts, json!({"id": 25146, "email": "", "customFields": []})).await;
    assert_eq!(record.fields, fields(&[("email", "".into())]));
    assert_eq!(record.modified, None);
    let record = found(ModuleId::Companies, json!({"id": 25146})).await;
    assert_eq!(record.fields, Fields::new());
}

#[tokio::test]
async fn no_company_is_null_and_an_unreadable_one_is_absent() {
    for none in [json!([]), json!(null), json!({}), json!([0]), json!("")] {
        let record = found(ModuleId::Contacts, json!({"id": 25146, "companies": none})).await;
        assert_eq!(record.fields, fields(&[("company", Value::Null)]));
    }
    let record = found(ModuleId::Contacts, json!({"id": 25146, "companies": 7, "phone": ["x"]})).await;
    assert_eq!(record.fields, Fields::new());
}

#[tokio::test]
async fn anonymised_contacts_are_marked_v21() {
    for flag in [json!(true), json!(1), json!("1")] {
        assert!(found(ModuleId::Contacts, json!({"id": 25146, "isAnonymised": flag})).await.anonymised);
    }
}

#[tokio::test]
async fn a_company_with_its_address() {
    let record = found(
        ModuleId::Companies,
        json!({
            "id": 25146, "externalId": 9, "businessName": "Acme", "phone": "", "website": "acme.example",
            "address": {"line1": "1 Ann St", "line2": "", "city": "Perth", "postalCode": 6000, "countryName": "x"},
            "customFields": {"0": {"fieldId": 40, "value": "gold"}},
            "isAgent": 0, "leftValue": 5, "rightValue": 8, "depth": 1, "rootId": 2, "modifiedDate": "2014-05-6"
        }),
    )
    .await;
    let expected = fields(&[
        ("name", "Acme".into()),
        ("phone", "".into()),
        ("website", "acme.example".into()),
        ("external_id", "9".into()),
        ("street", "1 Ann St".into()),
        ("city", "Perth".into()),
        ("postal_code", "6000".into()),
        ("custom.40", "gold".into()),
    ]);
    assert_eq!(record.fields, expected);
    assert_eq!(record.modified, Some(Timestamp::from_secs(1_399_334_400)));

    let record = found(ModuleId::Companies, json!({"id": 25146, "address": []})).await;
    let empty = ["street", "city", "postal_code", "country"].map(|name| (name, Value::Null));
    assert_eq!(record.fields, fields(&empty));
}

#[tokio::test]
async fn ids_that_ivvy_never_gave_out_are_not_asked_for() {
    let (ivvy, script) = ivvy([]);
    let error = ivvy.get(ModuleId::Contacts, &"003xx".into()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(script.seen().is_empty());
}

fn rows(keys: &[Json], total: impl Into<Json>) -> Reply {
    let rows: Vec<Json> =
        keys.iter().enumerate().map(|(index, key)| json!({"id": index + 1, "externalId": key})).collect();
    ok(json!({"meta": {"totalResults": total.into()}, "results": rows}))
}

#[tokio::test]
async fn contacts_are_looked_up_by_external_id_i1() {
    let (ivvy, script) = ivvy([rows(&[json!("003A"), json!("003A")], 2), rows(&[], 0), rows(&[json!(77)], 1)]);
    let found = ivvy.find_by_key(ModuleId::Contacts, "003A").await.unwrap().unwrap();
    assert_eq!(found.len(), 2, "externalId is not unique in iVvy: both are told");
    assert_eq!(script.bodies()[0], json!({"perPage": 100, "start": 0, "filter": {"externalId": "003A"}}));
    assert_eq!(ivvy.find_by_key(ModuleId::Contacts, "003B").await.unwrap(), Some(vec![]));
    assert_eq!(ivvy.find_by_key(ModuleId::Contacts, "77").await.unwrap().unwrap().len(), 1);
    assert_eq!(ivvy.find_by_key(ModuleId::Contacts, "").await.unwrap_err().class, Class::Rejected);
}

#[tokio::test]
async fn a_filter_that_was_ignored_proves_no_absence_i1() {
    let others = [json!("x"), json!(null), json!("003A")];
    let (ivvy, _) = ivvy([rows(&others, 500), rows(&others, Json::Null), rows(&others, 3)]);
    assert_eq!(ivvy.find_by_key(ModuleId::Contacts, "003A").await.unwrap(), None);
    assert_eq!(ivvy.find_by_key(ModuleId::Contacts, "003A").await.unwrap(), None);
    // All rows there are were seen, so the filter does not matter.
    assert_eq!(ivvy.find_by_key(ModuleId::Contacts, "003A").await.unwrap().unwrap()[0].id, "3".into());
}

#[tokio::test]
async fn companies_cannot_be_looked_up_by_key() {
    let (ivvy, script) = ivvy([]);
    assert_eq!(ivvy.find_by_key(ModuleId::Companies, "001A").await.unwrap(), None);
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn definitions_come_from_the_modules_own_action_v19() {
    let (ivvy, script) =
        ivvy([ok(json!({"0": {"fieldId": 4, "fieldType": "3", "selectValues": null}})), ok(json!({}))]);
    let contact = ivvy.definitions(ModuleId::Contacts).await.unwrap();
    assert_eq!((contact[0].name.as_str(), contact[0].kind), ("4", Some(FieldKind::Choices)));
    assert_eq!(ivvy.definitions(ModuleId::Companies).await.unwrap(), []);
    let actions: Vec<String> = script.seen().into_iter().map(|seen| seen.action).collect();
    assert_eq!(
        actions,
        ["/api/1.0/contact?action=getCustomFieldDefinition", "/api/1.0/contact?action=getCompanyCustomFieldDefinition",]
    );
}

/// The one record of `module` in a listing whose rows come keyed by integers.
async fn listed(module: ModuleId, before: impl IntoIterator<Item = Json>, row: Json, after: Option<Json>) -> Record {
    let list = |row: Json| ok(json!({"meta": {"totalResults": "1"}, "results": {"0": row}}));
    let rows = before.into_iter().chain([row]).chain(after).map(list);
    let (ivvy, _) = ivvy(rows);
    ivvy.list(module, &PageRequest::default()).await.unwrap().records.remove(0)
}

#[tokio::test]
async fn an_event_in_loose_types() {
    let row = json!({"id": 7, "title": 2024, "code": null, "currentStatus": "3", "startDateTime": "2014-05-6 1:02:03",
        "endDateTime": "0000-00-00 00:00:00", "websiteUrl": ["x"], "modifiedDate": "2024-03-11 00:00:45 UTC"});
    let record = listed(ModuleId::Events, [], row, None).await;
    let expected = fields(&[
        ("name", "2024".into()),
        ("code", Value::Null),
        ("status", "launched".into()),
        ("starts_at", "2014-05-06T01:02:03Z".into()),
        ("ends_at", Value::Null),
    ]);
    assert_eq!((record.fields, record.modified), (expected, Some(Timestamp::from_secs(1_710_115_245))));
}

#[tokio::test]
async fn a_registration_in_loose_types() {
    let event = json!({"id": "9", "title": "Gala", "startDateTime": "2024-07-01 08:00:00 UTC", "endDateTime": ""});
    let row = json!({"id": "7", "eventName": null, "currentStatus": "x", "isExhibitor": "0", "completedDate": "",
        "mainContactId": "0", "firstName": " Zoë ", "lastName": 5, "invoiceTotalCost": "1200.5", "invoiceTotalPaid": null});
    let record = listed(ModuleId::Registrations, [event], row, None).await;
    let expected = fields(&[
        ("name", "Gala – Zoë 5".into()),
        ("event", "9".into()),
        ("contact", Value::Null),
        ("status", "status x".into()),
        ("stage", "status x".into()),
        ("exhibitor", Value::Bool(false)),
        ("amount", "1200.50".into()),
        ("paid", Value::Null),
        ("paid_in_full", Value::Null),
        ("close_date", "2024-07-01".into()),
    ]);
    assert_eq!((record.fields, record.modified), (expected, None));
    let event = json!({"id": 9});
    let bare = listed(ModuleId::Registrations, [event], json!({"id": 7}), None).await;
    assert_eq!(bare.fields, fields(&[("event", "9".into())]), "what is not told is absent");
}

#[tokio::test]
async fn a_booking_in_loose_types() {
    let row = json!({"id": 7, "venueId": "2", "name": "", "contactId": 0, "companyId": [], "currentStatus": 9.0,
        "totalAmount": "AUD 5", "amountOutstanding": 0, "dateEventStart": "2024-07-1", "dateEventEnd": null,
        "decisionDate": "", "isConfidential": "1", "modifiedDate": ""});
    let record = listed(ModuleId::QuotesAndBookings, [], row, Some(json!({"id": 2, "currencyCode": "PLN"}))).await;
    let expected = fields(&[
        ("name", "".into()),
        ("contact", Value::Null),
        ("company", Value::Null),
        ("status", "prospective_hold".into()),
        ("stage", "quote".into()),
        ("outstanding", "0.00".into()),
        ("currency", "PLN".into()),
        ("starts_at", "2024-07-01T00:00:00Z".into()),
        ("ends_at", Value::Null),
        ("close_date", "2024-07-01".into()),
        ("confidential", Value::Bool(true)),
    ]);
    assert_eq!(record.fields, expected);
}

#[tokio::test]
async fn a_lead_in_loose_types() {
    let row = json!({"id": "7", "name": 12, "description": null, "ownerUser": [], "sourceId": "3",
        "contact": {"id": 5, "firstName": "Zoë", "phone": 61_412_345_678_u64}, "company": null,
        "modifiedDate": "2024-03-11 00:00:45 UTC"});
    let record = listed(ModuleId::Leads, [], row, None).await;
    let expected = fields(&[
        ("name", "12".into()),
        ("description", Value::Null),
        ("first_name", "Zoë".into()),
        ("phone", "61412345678".into()),
        ("company_name", Value::Null),
        ("owner", Value::Null),
        ("source", "3".into()),
    ]);
    assert_eq!(record.fields, expected);
}

#[tokio::test]
async fn an_email_in_loose_types() {
    let row = json!({"id": 7, "contactId": "", "subject": null, "from": 5, "sentTime": "2024-03-11", "success": "1"});
    let record = listed(ModuleId::ContactEmails, [], row, None).await;
    let expected = fields(&[
        ("contact", Value::Null),
        ("subject", Value::Null),
        ("from", "5".into()),
        ("sent_at", "2024-03-11T00:00:00Z".into()),
        ("success", Value::Bool(true)),
    ]);
    assert_eq!(record.fields, expected);
}
