//! The Salesforce adapter against scripted answers: what it sends, and how it reads what comes back
//! (`contracts/crm.md` 3).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail loudly"
)]

mod custom_field;
mod scripted;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use custom_field::custom;
use scripted::{Reply, Scripted, lost, reply};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tandem::model::module::IVVY_KEY;
use tandem::model::{FieldKind, Fields, ModuleId, RecordId, Value};
use tandem::remote::salesforce::{Salesforce, Settings};
use tandem::remote::{Class, PageRequest, Read, Remote, Sent};
use tandem::seam::SystemClock;

const ADA: &str = "003000000000001AAA";
const ACME: &str = "001000000000001AAA";

fn settings() -> Settings {
    let mut settings = Settings::new("https://acme.my.example", "client", SecretString::from("s3cret-app"));
    settings.custom = BTreeMap::from([(
        ModuleId::Contacts,
        vec![
            (custom("custom.diet", FieldKind::Choices), "Diet__c".to_owned()),
            (custom("custom.seats", FieldKind::Int), "Seats__c".to_owned()),
        ],
    )]);
    settings
}

/// An adapter whose log-in is answered before the script begins.
fn logged_in(replies: impl IntoIterator<Item = Reply>) -> (Salesforce, Arc<Scripted>) {
    adapter(std::iter::once(token("t1")).chain(replies))
}

fn adapter(replies: impl IntoIterator<Item = Reply>) -> (Salesforce, Arc<Scripted>) {
    let transport = Arc::new(Scripted::new(replies));
    (Salesforce::new(settings(), transport.clone(), Arc::new(SystemClock)).unwrap(), transport)
}

fn token(token: &str) -> Reply {
    reply(200, &json!({"access_token": token, "instance_url": "https://eu1.example", "token_type": "Bearer"}))
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    reply(status, &json!([{"message": message, "errorCode": code}]))
}

fn ada() -> Json {
    json!({"attributes": {"type": "Contact"}, "Id": ADA, "IsDeleted": false, "MasterRecordId": null,
        "SystemModstamp": "2026-11-21T08:00:01.000+0000", "LastModifiedDate": "2026-11-21T08:00:00.000+0000",
        "LastModifiedBy": {"Name": "Charles"}, "FirstName": "Ada", "LastName": "Lovelace", "Email": null,
        "Phone": "1", "AccountId": ACME, "Ivvy_Id__c": "contact-1", "Diet__c": "vegan;no nuts", "Seats__c": 2.0})
}

fn rows(rows: &[Json]) -> Reply {
    reply(200, &json!({"totalSize": rows.len(), "done": true, "records": rows}))
}

fn fields<const N: usize>(pairs: [(&str, &str); N]) -> Fields {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text))).collect()
}

fn id() -> RecordId {
    RecordId::from(ADA)
}

#[tokio::test]
async fn one_log_in_serves_many_calls_on_the_instance_it_names() {
    let (salesforce, wire) = logged_in([rows(&[ada()]), rows(&[ada()])]);
    for _ in 0..2 {
        assert!(matches!(salesforce.get(ModuleId::Contacts, &id()).await.unwrap(), Read::Found(_)));
    }
    let sent = wire.finish();
    assert_eq!(sent[0].path, "/services/oauth2/token");
    assert_eq!(sent[0].text, "grant_type=client_credentials&client_id=client&client_secret=s3cret-app");
    assert!(sent[2].path.starts_with("/services/data/v60.0/queryAll q=SELECT Id, "), "{}", sent[2].path);
    assert_eq!((sent[2].header("authorization"), sent[2].header("host")), ("Bearer t1", ""));
    assert_eq!(sent[2].header("sforce-query-options"), "batchSize=200");
}

#[tokio::test]
async fn a_record_keeps_version_stamp_author_and_typed_fields() {
    let (salesforce, _wire) = logged_in([rows(&[ada()])]);
    let Read::Found(record) = salesforce.get(ModuleId::Contacts, &id()).await.unwrap() else { panic!("not found") };
    assert_eq!(record.version.as_deref(), Some("2026-11-21T08:00:00.000+0000"));
    assert_eq!(record.modified.unwrap().to_string(), "2026-11-21T08:00:01.000Z");
    assert_eq!(record.author.as_deref(), Some("Charles"));
    assert_eq!(record.fields["company"], Value::text(ACME));
    assert_eq!(record.fields[IVVY_KEY], Value::text("contact-1"));
    assert_eq!(record.fields["email"], Value::Null);
    assert_eq!(record.fields["custom.seats"], Value::Int(2));
    assert_eq!(record.fields["custom.diet"], Value::Set(["vegan".to_owned(), "no nuts".to_owned()].into()));
    let served = salesforce.fields(ModuleId::Contacts);
    assert!(record.fields.keys().all(|name| served.contains(name)) && record.fields.len() == served.len());
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_and_the_call_sent_again() {
    let expired = || refused(401, "INVALID_SESSION_ID", "Session expired or invalid");
    let (salesforce, wire) = logged_in([expired(), token("t2"), reply(204, &Json::Null)]);
    salesforce.update(ModuleId::Contacts, &id(), &fields([("phone", "2")]), None).await.unwrap();
    let sent = wire.finish();
    assert_eq!((sent[1].header("authorization"), sent[3].header("authorization")), ("Bearer t1", "Bearer t2"));

    let (salesforce, wire) = logged_in([expired(), token("t2"), expired()]);
    let error = salesforce.update(ModuleId::Contacts, &id(), &fields([("phone", "2")]), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unauthorized, Sent::No));
    wire.finish();
}

#[tokio::test]
async fn a_failed_log_in_leaves_no_doubt_about_the_write_behind_it() {
    for (answer, class) in [
        (reply(400, &json!({"error": "invalid_client", "error_description": "bad"})), Class::Unauthorized),
        (reply(500, &Json::Null), Class::Server),
        (reply(200, &json!({"access_token": "s3cret-token"})), Class::Malformed),
        (reply(200, &json!({"access_token": "s3cret-token", "instance_url": "http://evil.example"})), Class::Malformed),
        (lost(), Class::Unreachable),
    ] {
        let (salesforce, wire) = adapter([answer]);
        let error =
            salesforce.create(ModuleId::Contacts, "contact-1", &fields([("last_name", "X")])).await.unwrap_err();
        assert_eq!((error.class, error.sent), (class, Sent::No), "{error:?}");
        // The script remembers what was sent, the adapter must not.
        wire.finish();
        assert!(!format!("{error:?} {salesforce:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_create_is_an_upsert_by_key_and_its_body_leaves_the_key_out_i1() {
    let created = reply(201, &json!({"id": ADA, "success": true, "errors": [], "created": true}));
    let (salesforce, wire) = logged_in([created]);
    let new = fields([("last_name", "Lovelace"), ("email", ""), (IVVY_KEY, "contact-1")]);
    let ack = salesforce.create(ModuleId::Contacts, "contact-1", &new).await.unwrap();
    assert_eq!((ack.id, ack.created), (id(), Some(true)));
    let sent = wire.finish();
    assert_eq!(
        (sent[1].method.as_str(), sent[1].path.as_str()),
        ("PATCH", "/services/data/v60.0/sobjects/Contact/Ivvy_Id__c/contact-1")
    );
    assert_eq!(sent[1].json(), json!({"LastName": "Lovelace", "Email": null}));
}

#[tokio::test]
async fn an_upsert_that_found_a_record_says_so_whether_or_not_it_names_it() {
    let named = reply(200, &json!({"id": ADA, "success": true, "errors": [], "created": false}));
    let (salesforce, _wire) = logged_in([named, reply(204, &Json::Null), rows(&[ada()])]);
    for _ in 0..2 {
        let ack = salesforce.create(ModuleId::Contacts, "contact-1", &fields([("last_name", "X")])).await.unwrap();
        assert_eq!((ack.id, ack.created), (id(), Some(false)));
    }
    let (salesforce, _wire) = logged_in([reply(204, &Json::Null), lost()]);
    let error = salesforce.create(ModuleId::Contacts, "contact-1", &fields([("last_name", "X")])).await.unwrap_err();
    assert_eq!(error.sent, Sent::Maybe, "it was written, though we do not know which record");
}

#[tokio::test]
async fn upserts_that_fail_tell_race_from_refusal() {
    for (answer, class, sent) in [
        (refused(400, "DUPLICATE_VALUE", "duplicate value found"), Class::Conflict, Sent::Maybe),
        (refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), Class::Throttled, Sent::No),
        (refused(404, "NOT_FOUND", "Provided external ID field does not exist"), Class::Unsupported, Sent::No),
        (reply(300, &json!(["/services/data/v60.0/sobjects/Contact/1"])), Class::Rejected, Sent::No),
        (refused(503, "SERVER_UNAVAILABLE", "busy"), Class::Server, Sent::No),
        (reply(502, &Json::Null), Class::Server, Sent::Maybe),
        (lost(), Class::Unreachable, Sent::Maybe),
    ] {
        let (salesforce, wire) = logged_in([answer]);
        let error =
            salesforce.create(ModuleId::Contacts, "contact-1", &fields([("last_name", "X")])).await.unwrap_err();
        assert_eq!((error.class, error.sent), (class, sent), "{error:?}");
        wire.finish();
    }
}

#[tokio::test]
async fn an_update_is_refused_when_the_record_moved_i7() {
    let (salesforce, wire) = logged_in([reply(204, &Json::Null), reply(412, &Json::Null)]);
    let patch = fields([("first_name", "Augusta"), (IVVY_KEY, "contact-1"), ("company", "")]);
    let seen = Some("2026-11-21T08:00:00.000+0000");
    salesforce.update(ModuleId::Contacts, &id(), &patch, seen).await.unwrap();
    let error = salesforce.update(ModuleId::Contacts, &id(), &patch, seen).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Conflict, Sent::No));
    let sent = wire.finish();
    assert_eq!(sent[1].header("if-unmodified-since"), "Sat, 21 Nov 2026 08:00:00 GMT");
    assert_eq!(sent[1].path, format!("/services/data/v60.0/sobjects/Contact/{ADA}"));
    assert_eq!(sent[1].json(), json!({"FirstName": "Augusta", "Ivvy_Id__c": "contact-1", "AccountId": null}));
}

#[tokio::test]
async fn updates_that_fail_have_their_class_and_hold_no_values_i33() {
    let missing =
        json!([{"message": "bad value: Lovelace", "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["LastName"]}]);
    for (answer, class) in [
        (reply(400, &missing), Class::Rejected),
        (refused(400, "DUPLICATE_VALUE", "duplicate value found: Lovelace"), Class::Rejected),
        (refused(404, "ENTITY_IS_DELETED", "entity is deleted"), Class::Missing),
        (refused(404, "NOT_FOUND", "The requested resource does not exist"), Class::Missing),
        (refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Class::Throttled),
        (refused(400, "INVALID_FIELD", "No such column 'Diet__c'"), Class::Unsupported),
    ] {
        let (salesforce, _wire) = logged_in([answer]);
        let patch = fields([("last_name", "Lovelace")]);
        let error = salesforce.update(ModuleId::Contacts, &id(), &patch, None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (class, Sent::No), "{error:?}");
        assert!(!format!("{error:?}").contains("Lovelace"), "{error:?}");
        assert!(error.details.iter().all(|detail| detail == "last_name: bad value: …"), "{error:?}");
    }
}

#[tokio::test]
async fn pages_follow_stamp_and_id_and_survive_short_batches_i12() {
    let short = reply(200, &json!({"totalSize": 900, "done": false, "records": [ada()], "nextRecordsUrl": "/x"}));
    let (salesforce, wire) = logged_in([short, rows(&[])]);
    let mut request = PageRequest {
        from: Some("2026-11-21T07:00:00.500Z".parse().unwrap()),
        to: Some("2026-11-21T09:00:00Z".parse().unwrap()),
        position: None,
    };
    let page = salesforce.list(ModuleId::Contacts, &request).await.unwrap();
    assert_eq!(page.server_time.unwrap().to_string(), "2026-11-21T09:00:00.000Z");
    request.position = page.next;
    assert_eq!(salesforce.list(ModuleId::Contacts, &request).await.unwrap().next, None);
    let sent = wire.finish();
    let bounds = "SystemModstamp >= 2026-11-21T07:00:00Z AND SystemModstamp <= 2026-11-21T09:00:00Z";
    let order = "ORDER BY SystemModstamp, Id LIMIT 200";
    assert!(sent[1].path.ends_with(&format!(" FROM Contact WHERE {bounds} {order}")), "{}", sent[1].path);
    let behind =
        format!("(SystemModstamp > 2026-11-21T08:00:01Z OR (SystemModstamp = 2026-11-21T08:00:01Z AND Id > '{ADA}'))");
    assert!(sent[2].path.ends_with(&format!("WHERE {bounds} AND {behind} {order}")), "{}", sent[2].path);
}

#[tokio::test]
async fn deleted_records_are_listed_as_archived_and_read_as_missing_or_merged() {
    let deleted = |master: Json| {
        let mut row = ada();
        row["IsDeleted"] = json!(true);
        row["MasterRecordId"] = master;
        rows(&[row])
    };
    let survivor = "003000000000002AAA";
    let script = [deleted(Json::Null), deleted(Json::Null), deleted(json!(survivor)), rows(&[])];
    let (salesforce, _wire) = logged_in(script);
    assert!(salesforce.list(ModuleId::Contacts, &PageRequest::default()).await.unwrap().records[0].archived);
    let read = async || salesforce.get(ModuleId::Contacts, &id()).await.unwrap();
    assert_eq!(read().await, Read::Missing);
    assert_eq!(read().await, Read::MergedInto(RecordId::from(survivor)));
    assert_eq!(read().await, Read::Missing);
}

#[tokio::test]
async fn a_key_is_looked_up_among_living_records_and_cannot_leave_its_quotes() {
    let (salesforce, wire) = logged_in([rows(&[ada()]), rows(&[])]);
    assert_eq!(salesforce.find_by_key(ModuleId::Contacts, "contact-1").await.unwrap().unwrap().len(), 1);
    assert_eq!(salesforce.find_by_key(ModuleId::Contacts, "x' OR Id != '").await.unwrap(), Some(Vec::new()));
    let sent = wire.finish();
    assert!(sent[1].path.starts_with("/services/data/v60.0/query q="));
    assert!(sent[2].path.ends_with(r"WHERE Ivvy_Id__c = 'x\' OR Id != \'' LIMIT 10"), "{}", sent[2].path);
}

#[tokio::test]
async fn accounts_have_an_address_and_an_e_mail_only_where_configured() {
    let (plain, _wire) = adapter([]);
    assert!(!plain.fields(ModuleId::Companies).contains(&"email".to_owned()));
    let mut settings = settings();
    settings.email_field = Some("Email__c".to_owned());
    settings.country_field = "BillingCountryCode".to_owned();
    let transport = Arc::new(Scripted::new([token("t"), reply(204, &Json::Null)]));
    let salesforce = Salesforce::new(settings, transport.clone(), Arc::new(SystemClock)).unwrap();
    let patch = fields([("email", "a@b.example"), ("country", "AU"), ("street", "1 Quay"), ("postal_code", "0200")]);
    salesforce.update(ModuleId::Companies, &RecordId::from(ACME), &patch, None).await.unwrap();
    let written = json!({"BillingCountryCode": "AU", "BillingPostalCode": "0200", "BillingStreet": "1 Quay",
        "Email__c": "a@b.example"});
    assert_eq!(transport.finish()[1].json(), written);
}

#[tokio::test]
async fn definitions_come_from_describe_v19() {
    let field = |name: &str, kind: &str, custom: bool| {
        json!({"name": name, "label": name, "type": kind, "custom": custom, "updateable": true, "createable": true,
            "picklistValues": [{"value": "a", "label": "A", "active": true}, {"value": "old", "label": "O", "active": false}]})
    };
    let described = json!({"fields": [field("LastName", "string", false), field("LeadSource", "picklist", false),
        field("Geo__c", "location", true), field("Fax", "base64", false)]});
    let (salesforce, wire) = logged_in([reply(200, &described)]);
    let definitions = salesforce.definitions(ModuleId::Contacts).await.unwrap();
    let names: Vec<_> = definitions.iter().map(|found| (found.name.as_str(), found.kind)).collect();
    assert_eq!(names, [("LeadSource", Some(FieldKind::Choice)), ("Geo__c", None)]);
    assert_eq!(definitions[0].options, [("a".to_owned(), "A".to_owned())]);
    assert_eq!(wire.finish()[1].path, "/services/data/v60.0/sobjects/Contact/describe");
}

#[tokio::test]
async fn the_probe_measures_a_call_without_the_log_in() {
    let (salesforce, wire) = logged_in([rows(&[]), rows(&[])]);
    let probe = salesforce.probe().await.unwrap();
    assert_eq!(probe.system, "Salesforce, API 60.0");
    assert!(probe.clock_skew_ms.is_some());
    wire.finish();
}

#[tokio::test]
async fn answers_of_another_shape_are_malformed_not_a_panic() {
    let mut nameless = ada();
    nameless["Id"] = json!(7);
    let mut strange = ada();
    strange["Id"] = json!("003' OR");
    for body in [
        json!({}),
        json!([]),
        json!("text"),
        json!({"records": [{}]}),
        json!({"records": [nameless]}),
        json!({"records": [], "done": false}),
        json!({"records": [strange], "done": false}),
    ] {
        let (salesforce, _wire) = logged_in([reply(200, &body)]);
        let error = salesforce.list(ModuleId::Contacts, &PageRequest::default()).await.unwrap_err();
        assert_eq!(error.class, Class::Malformed, "{body}");
    }
}

#[test]
fn settings_that_could_not_work_are_refused() {
    let refuse = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        let transport = Arc::new(Scripted::new([]));
        Salesforce::new(settings, transport, Arc::new(SystemClock)).unwrap_err()
    };
    assert!(refuse(|settings| settings.base_url = "http://acme.example".to_owned()).to_string().contains("http"));
    refuse(|settings| settings.api_version = "latest".to_owned());
    refuse(|settings| settings.key_field = "Id = 'x'".to_owned());
    refuse(|settings| settings.custom.values_mut().for_each(|fields| fields[0].0.name = Cow::Borrowed("email")));
}

#[test]
fn no_two_fields_share_one_of_salesforces() {
    let refused = |extra: &[(&str, &str)], custom: Option<&str>| {
        let mut settings = settings();
        let extra = extra.iter().map(|(name, field)| ((ModuleId::Contacts, (*name).to_owned()), (*field).to_owned()));
        settings.extra_fields.extend(extra);
        if let Some(field) = custom {
            settings.custom.values_mut().for_each(|fields| fields[1].1 = field.to_owned());
        }
        let transport = Arc::new(Scripted::new([]));
        let error = Salesforce::new(settings, transport, Arc::new(SystemClock)).err()?;
        assert!(error.hint.is_some_and(|hint| hint.contains("[modules.contacts]")), "{}", error.message);
        Some(error.message)
    };
    assert_eq!(refused(&[("email_opt_out", "Out__c"), ("groups", "Groups__c")], None), None);
    for (extra, custom, both) in [
        (&[("email_opt_out", "Same__c"), ("groups", "Same__c")][..], None, "email_opt_out and groups"),
        (&[("email_opt_out", "Email")], None, "email and email_opt_out"),
        (&[("email_opt_out", "EMAIL")], None, "email and email_opt_out"),
        (&[("email_opt_out", "Diet__c")], None, "email_opt_out and custom.diet"),
        (&[("groups", "Ivvy_Id__c")], None, "groups and"),
        (&[], Some("Diet__c"), "custom.diet and custom.seats"),
        (&[], Some("Phone"), "phone and custom.seats"),
        (&[], Some("LastModifiedDate"), "custom.seats cannot be kept in LastModifiedDate"),
    ] {
        let message = refused(extra, custom).unwrap();
        assert!(message.starts_with("contacts: ") && message.contains(both), "{message}");
    }
}
