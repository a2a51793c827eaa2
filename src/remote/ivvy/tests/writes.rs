//! What is written, and above all what is not (`contracts/ivvy.md` 9, 17).

use std::collections::BTreeSet;

use super::*;

fn written() -> Reply {
    ok(json!({"success": true, "id": 5}))
}

async fn created(module: ModuleId, given: &[(&str, Value)]) -> Json {
    let (ivvy, script) = ivvy([written()]);
    ivvy.create(module, "003A", &fields(given)).await.unwrap();
    script.bodies().remove(0)
}

async fn updated(module: ModuleId, patch: &[(&str, Value)]) -> Json {
    let (ivvy, script) = ivvy([written()]);
    ivvy.update(module, &"5".into(), &fields(patch), Some("ignored")).await.unwrap();
    script.bodies().remove(0)
}

#[tokio::test]
async fn a_new_contact_carries_the_key_and_nothing_that_matches_by_name_i1_v13() {
    let body = created(
        ModuleId::Contacts,
        &[
            ("first_name", "Zoë".into()),
            ("last_name", "Łukasz".into()),
            ("email", "zoe@example.com".into()),
            ("phone", Value::Null),
            ("company", "77".into()),
            ("external_id", "something else".into()),
            ("custom.12", "vegan".into()),
            ("custom.13", Value::Set(BTreeSet::new())),
        ],
    )
    .await;
    let expected = json!({
        "externalId": "003A", "companies": [77], "firstName": "Zoë", "lastName": "Łukasz", "email": "zoe@example.com",
        "customFields": [{"fieldId": 12, "value": "vegan"}]
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_new_company_carries_the_key_and_one_address_object() {
    let given = [("name", "Acme".into()), ("city", "Perth".into()), ("country", "AU".into())];
    let body = created(ModuleId::Companies, &given).await;
    let expected =
        json!({"externalId": "003A", "businessName": "Acme", "address": {"city": "Perth", "countryCode": "AU"}});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn an_update_names_only_what_changed_and_clears_with_an_empty_text() {
    assert_eq!(updated(ModuleId::Contacts, &[("phone", Value::Null)]).await, json!({"id": 5, "phone": ""}));
    assert_eq!(
        updated(ModuleId::Contacts, &[("external_id", "003A".into())]).await,
        json!({"id": 5, "externalId": "003A"})
    );
    assert_eq!(
        updated(ModuleId::Companies, &[("street", "1 Ann St".into()), ("custom.40", Value::Null)]).await,
        json!({"id": 5, "address": {"line1": "1 Ann St"}, "customFields": [{"fieldId": 40, "value": ""}]})
    );
}

#[tokio::test]
async fn text_is_sent_as_it_is_and_numbers_as_text() {
    let body = updated(ModuleId::Contacts, &[("phone", Value::Int(61)), ("last_name", "  O'Łukasz\n".into())]).await;
    assert_eq!(body, json!({"id": 5, "lastName": "  O'Łukasz\n", "phone": "61"}));
}

/// Sets `company` on a contact linked to `current`; the list written, or the error.
async fn relink(current: Json, company: Value) -> Result<Json, RemoteError> {
    let (ivvy, script) = ivvy([ok(json!({"id": 5, "companies": current})), written()]);
    ivvy.update(ModuleId::Contacts, &"5".into(), &fields(&[("company", company)]), None).await?;
    let seen = script.seen();
    assert_eq!(seen[0].action, "/api/1.0/contact?action=getContact");
    Ok(seen[1].body["companies"].clone())
}

#[tokio::test]
async fn a_company_replaces_the_first_link_and_keeps_the_further_ones() {
    let cases = [
        (json!([]), json!([9])),
        (json!([7]), json!([9])),
        (json!([7, "8"]), json!([9, 8])),
        (json!([7, 9, 8]), json!([9, 8])),
        (json!([9, 8]), json!([9, 8])),
        (json!(null), json!([9])),
    ];
    for (current, expected) in cases {
        assert_eq!(relink(current.clone(), "9".into()).await.unwrap(), expected, "{current}");
    }
}

#[tokio::test]
async fn clearing_the_company_never_drops_links_nobody_saw() {
    assert_eq!(relink(json!([7]), Value::Null).await.unwrap(), json!([]));
    let error = relink(json!([7, 8]), Value::Null).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
}

#[tokio::test]
async fn a_company_of_a_vanished_contact_is_not_written() {
    let (ivvy, script) = ivvy([status(404, json!({"errorCode": 404, "message": "gone"}))]);
    let patch = fields(&[("company", "9".into())]);
    let error = ivvy.update(ModuleId::Contacts, &"5".into(), &patch, None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Missing, Sent::No));
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn what_ivvy_cannot_hold_is_refused_before_anything_is_sent() {
    let (ivvy, script) = ivvy([]);
    let refused = [
        ("status", Value::Int(1)),
        ("groups", Value::Set(BTreeSet::new())),
        ("ivvy_key", "contact-5".into()),
        ("custom.99", "x".into()),
        ("company", "001A".into()),
        ("first_name", Value::Bool(true)),
    ];
    for (name, value) in refused {
        let patch = fields(&[(name, value)]);
        let error = ivvy.update(ModuleId::Contacts, &"5".into(), &patch, None).await.unwrap_err();
        assert!(matches!(error.class, Class::Unsupported | Class::Rejected), "{name}");
        assert_eq!(error.sent, Sent::No);
    }
    assert!(script.seen().is_empty());
}
