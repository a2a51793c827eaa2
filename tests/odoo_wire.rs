//! The Odoo adapter against scripted answers: what it sends, and how it reads what a healthy server
//! rarely says. `odoo_adapter.rs` proves the rest on a real server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail loudly"
)]

mod custom_field;
mod scripted;

use std::sync::Arc;

use scripted::{Reply, Scripted, lost, reply};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tandem::error::ErrorKind;
use tandem::model::{FieldKind, Fields, MatchKind, ModuleId, RecordId, Value};
use tandem::remote::odoo::{NameFields, Odoo, Settings};
use tandem::remote::{Class, PageRequest, Read, Remote, Sent};
use tandem::seam::SystemClock;

fn odoo(names: NameFields, replies: impl IntoIterator<Item = Reply>) -> (Odoo, Arc<Scripted>) {
    let transport = Arc::new(Scripted::new(replies));
    let mut settings = Settings::new("https://odoo.example", "crm", SecretString::from("s3cret-key"));
    settings.name_fields = names;
    (Odoo::new(settings, transport.clone(), Arc::new(SystemClock)).unwrap(), transport)
}

fn custom() -> NameFields {
    NameFields::Custom { first: "x_first_name".to_owned(), last: "x_last_name".to_owned() }
}

fn fields<const N: usize>(pairs: [(&str, &str); N]) -> Fields {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text))).collect()
}

fn row(id: i64, stamp: &str) -> Json {
    json!({"id": id, "name": "Ada Lovelace", "x_first_name": "Ada", "x_last_name": "Lovelace", "active": true,
        "write_date": stamp, "write_uid": [2, "Admin"], "email": "ada@b.example", "phone": false, "parent_id": false})
}

#[tokio::test]
async fn a_create_loads_one_row_under_its_external_id() {
    let (odoo, wire) = odoo(custom(), [reply(200, &json!({"ids": [42], "messages": [], "nextrow": 0}))]);
    let new = fields([("first_name", "Ada"), ("last_name", "Lovelace"), ("email", "ada@b.example"), ("company", "7")]);
    let ack = odoo.create(ModuleId::Contacts, "contact-1", &new).await.unwrap();
    assert_eq!((ack.id.as_str(), ack.created), ("42", None));
    let sent = wire.finish();
    assert_eq!(sent[0].path, "/json/2/res.partner/load");
    assert_eq!((sent[0].header("authorization"), sent[0].header("x-odoo-database")), ("bearer s3cret-key", "crm"));
    let body = sent[0].json();
    assert_eq!(
        body["fields"],
        json!(["id", "is_company", "parent_id/.id", "email", "name", "x_first_name", "x_last_name"])
    );
    assert_eq!(
        body["data"],
        json!([["__tandem__.contact-1", "0", "7", "ada@b.example", "Ada Lovelace", "Ada", "Lovelace"]])
    );
}

#[tokio::test]
async fn a_refused_create_names_our_fields_and_no_values_i33() {
    let messages = json!([{"type": "error", "record": 0, "field": "parent_id", "message": "No match for Lovelace"}]);
    let (odoo, _wire) = odoo(custom(), [reply(200, &json!({"ids": false, "messages": messages, "nextrow": 0}))]);
    let new = fields([("last_name", "Lovelace"), ("company", "7")]);
    let error = odoo.create(ModuleId::Contacts, "contact-1", &new).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert_eq!(error.details, ["company: No match for …"]);
    assert!(!error.to_string().contains("Lovelace"));
}

#[tokio::test]
async fn a_lost_answer_to_a_write_is_unknown_and_not_repeated_i17() {
    let (odoo, wire) = odoo(custom(), [lost()]);
    let error = odoo.create(ModuleId::Contacts, "contact-1", &fields([("last_name", "X")])).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unreachable, Sent::Maybe));
    assert_eq!(wire.finish().len(), 1);
}

#[tokio::test]
async fn half_a_name_is_completed_from_the_record() {
    let now = json!([{"id": 9, "name": "Mary Jane van Dyke", "x_first_name": "Mary Jane", "x_last_name": "van Dyke"}]);
    let (odoo, wire) = odoo(custom(), [reply(200, &now), reply(200, &json!(true))]);
    odoo.update(ModuleId::Contacts, &"9".into(), &fields([("first_name", "Maria")]), None).await.unwrap();
    let sent = wire.finish();
    let written = json!({"name": "Maria van Dyke", "x_first_name": "Maria", "x_last_name": "van Dyke"});
    assert_eq!(sent[1].json()["vals"], written);
}

#[tokio::test]
async fn without_its_own_fields_an_ambiguous_name_is_not_guessed_at() {
    let now = json!([{"id": 9, "name": "Mary Jane van Dyke"}]);
    let (odoo, wire) = odoo(NameFields::Split, [reply(200, &now)]);
    let error =
        odoo.update(ModuleId::Contacts, &"9".into(), &fields([("first_name", "Maria")]), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(wire.finish().iter().all(|sent| !sent.path.ends_with("/write")));
}

#[tokio::test]
async fn name_fields_are_detected_once() {
    let both = json!({"x_first_name": {"type": "char"}, "x_last_name": {"type": "char"}});
    let one = reply(200, &json!([row(1, "2026-11-21 08:00:00")]));
    let (odoo, wire) = odoo(NameFields::Detect, [reply(200, &both), one.clone(), one]);
    for _ in 0..2 {
        assert!(matches!(odoo.get(ModuleId::Contacts, &"1".into()).await.unwrap(), Read::Found(_)));
    }
    let paths: Vec<String> = wire.finish().into_iter().map(|sent| sent.path).collect();
    assert_eq!(paths.iter().filter(|path| path.ends_with("fields_get")).count(), 1);
}

#[tokio::test]
async fn a_missing_record_is_missing_on_read_and_on_write() {
    let gone = json!({"name": "odoo.exceptions.MissingError", "message": "Record does not exist or has been deleted."});
    let (odoo, _wire) = odoo(custom(), [reply(200, &json!([])), reply(404, &gone)]);
    let id = RecordId::from("5");
    assert_eq!(odoo.get(ModuleId::Contacts, &id).await.unwrap(), Read::Missing);
    let error = odoo.update(ModuleId::Contacts, &id, &fields([("email", "x@y.example")]), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Missing, Sent::No));
}

#[tokio::test]
async fn a_full_page_of_one_second_goes_on_by_id() {
    let stamp = "2026-11-21 08:00:00";
    let full: Vec<Json> = (1..=200).map(|id| row(id, stamp)).collect();
    let (odoo, wire) = odoo(custom(), [reply(200, &json!(full)), reply(200, &json!([row(201, stamp)]))]);
    let from = Some("2026-11-21T08:00:00Z".parse().unwrap());
    let page = odoo.list(ModuleId::Contacts, &PageRequest { from, ..PageRequest::default() }).await.unwrap();
    assert_eq!(page.records.len(), 200);
    assert_eq!(page.server_time.unwrap().to_string(), "2026-11-21T09:00:00.000Z");
    let request = PageRequest { from, position: page.next, ..PageRequest::default() };
    let page = odoo.list(ModuleId::Contacts, &request).await.unwrap();
    assert!(page.next.is_some(), "the seconds after this one are still to be read");
    let sent = wire.finish();
    assert_eq!(sent[0].json()["order"], "write_date,id");
    assert_eq!(sent[1].json()["order"], "id");
}

/// An opportunity that asks for a booking has no key of ours yet; one that asks for nothing is none of ours (S-07).
#[tokio::test]
async fn an_opportunity_that_asks_for_a_booking_is_listed_without_a_key_s07() {
    let row = |id: i64, booking: Json| {
        json!({"id": id, "name": "Gala", "partner_id": false, "stage_id": [1, "New"], "active": true,
            "expected_revenue": 0.0, "date_deadline": false, "write_date": "2026-11-21 08:00:00",
            "write_uid": [2, "Admin"], "lost_reason_id": false, "probability": 10.0, "is_company": false,
            "x_booking": booking, "x_seats": 2})
    };
    let rows = [row(1, json!(false)), row(2, json!("reservation")), row(3, json!(false)), row(4, json!(""))];
    let keys = json!({"1": "__tandem__.order-ACME-7", "2": "", "3": "__tandem__.registration-9", "4": ""});
    for asking in [true, false] {
        let transport = Arc::new(Scripted::new([reply(200, &json!(rows)), reply(200, &keys)]));
        let mut settings = Settings::new("https://odoo.example", "crm", SecretString::from("s3cret-key"));
        settings.name_fields = custom();
        if asking {
            let fields = [("booking", "x_booking"), ("quantity", "x_seats")];
            let fields = fields.map(|(name, field)| ((ModuleId::Orders, name.to_owned()), field.to_owned()));
            settings.extra_fields.extend(fields);
        }
        let odoo = Odoo::new(settings, transport.clone(), Arc::new(SystemClock)).unwrap();
        let page = odoo.list(ModuleId::Orders, &PageRequest::default()).await.unwrap();
        let ids: Vec<&str> = page.records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, if asking { &["1", "2"][..] } else { &["1"] });
        if asking {
            assert_eq!(page.records[1].fields["quantity"], Value::Int(2));
            assert_eq!(page.records[1].fields["booking"], Value::text("reservation"));
        }
        transport.finish();
    }
}

#[tokio::test]
async fn a_user_who_may_not_read_the_key_table_looks_up_by_reference() {
    let forbidden = || reply(403, &json!({"name": "odoo.exceptions.AccessError", "message": "You are not allowed"}));
    let unknown =
        json!({"name": "builtins.ValueError", "message": "External ID not found in the system: __tandem__.c-1"});
    let script = [
        forbidden(),
        reply(200, &json!(["res.partner", 1])),
        reply(200, &json!([row(1, "2026-11-21 08:00:00")])),
        forbidden(),
        reply(500, &unknown),
        forbidden(),
        reply(200, &json!(["res.partner", false])),
        forbidden(),
        reply(200, &json!(["res.users", 3])),
    ];
    let (odoo, wire) = odoo(custom(), script);
    let find = async |key| odoo.find_by_key(ModuleId::Contacts, key).await;
    assert_eq!(find("c-0").await.unwrap().unwrap()[0].id.as_str(), "1");
    assert_eq!(find("c-1").await.unwrap(), Some(Vec::new()));
    assert_eq!(find("c-2").await.unwrap(), Some(Vec::new()));
    assert_eq!(find("c-3").await.unwrap_err().class, Class::Malformed);
    assert_eq!(find("a.b").await.unwrap_err().class, Class::Rejected);
    wire.finish();
}

#[tokio::test]
async fn answers_of_another_shape_are_malformed_not_a_panic() {
    for body in [json!(null), json!({}), json!([[]]), json!([{"id": "x"}]), json!("text"), json!([{"id": 1}])] {
        let (odoo, _wire) = odoo(custom(), [reply(200, &body)]);
        let request = PageRequest { from: Some("2026-11-21T08:00:00Z".parse().unwrap()), ..PageRequest::default() };
        assert_eq!(odoo.list(ModuleId::Contacts, &request).await.unwrap_err().class, Class::Malformed, "{body}");
    }
}

/// The key that a missing tag of this name is made under, for iVvy's group of this number.
async fn tag_key(group: u64, name: &str) -> String {
    let made = json!({"ids": [31], "messages": [], "nextrow": 0});
    let wire = Arc::new(Scripted::new([reply(200, &json!([])), reply(200, &made), reply(200, &json!(true))]));
    let mut settings = Settings::new("https://odoo.example", "crm", SecretString::from("key"));
    settings.name_fields = custom();
    settings.groups = [(group, name.to_owned())].into();
    let odoo = Odoo::new(settings, wire.clone(), Arc::new(SystemClock)).unwrap();
    let joined = Fields::from([("groups".to_owned(), Value::Set([name.to_owned()].into()))]);
    odoo.update(ModuleId::Contacts, &"9".into(), &joined, None).await.unwrap();
    let sent = wire.finish();
    assert_eq!(sent[1].path, "/json/2/res.partner.category/load");
    assert_eq!(sent[1].json()["fields"], json!(["id", "name"]));
    let row = sent[1].json()["data"][0].clone();
    assert_eq!(row[1], name);
    assert_eq!(sent[2].json()["vals"]["category_id"], json!([[4, 31]]));
    row[0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn making_a_tag_renames_none_that_another_account_or_group_has_v18() {
    let news = tag_key(11, "News").await;
    assert!(news.starts_with("__tandem__.group_"), "{news}");
    // `load` writes the name onto the record that has the key.
    assert_ne!(tag_key(11, "Press").await, news, "another account numbers its groups from one, too");
    assert_ne!(tag_key(11, "news").await, news, "names of tags are exact");
    assert_eq!(tag_key(12, "News").await, news, "two who make one tag at once make one");
}

#[tokio::test]
async fn a_match_table_is_read_whole_or_not_at_all() {
    let source = |id: i64| json!({"id": id, "name": format!("Source {id}")});
    let full = |from: i64| (from..from + 500).map(source).collect::<Vec<_>>();
    let read = async |pages: &[Json]| {
        let (odoo, wire) = odoo(custom(), pages.iter().map(|page| reply(200, page)));
        let answer = odoo.entries(MatchKind::LeadSource).await;
        wire.finish();
        answer
    };
    let whole = read(&[json!(full(1)), json!([source(501)])]).await.unwrap();
    assert_eq!((whole.len(), whole[500].id.as_str()), (501, "501"));

    let mut nameless = full(1);
    nameless[499] = json!({"name": "without an id"});
    for pages in [
        vec![json!(nameless)],
        vec![json!([source(1), {"id": 2}, source(3)])],
        vec![json!([source(1), {"id": 2, "name": false}])],
        vec![json!(full(1)), json!(full(1))],
        vec![json!({"records": []})],
    ] {
        assert_eq!(read(&pages).await.unwrap_err().class, Class::Malformed, "{}", pages.len());
    }
    let endless: Vec<Json> = (0..1_000).map(|page| json!(full(1 + 500 * page))).collect();
    assert!(read(&endless).await.unwrap_err().message.contains("does not end"));
}

#[tokio::test]
async fn a_user_with_a_blank_name_goes_by_the_login() {
    let users = json!([{"id": 2, "name": " ", "login": "admin", "email": false, "active": true}]);
    let (odoo, _wire) = odoo(custom(), [reply(200, &users)]);
    assert_eq!(odoo.entries(MatchKind::Staff).await.unwrap()[0].name, "admin");
}

#[test]
fn the_key_stays_out_of_debug_text_i33() {
    let (odoo, _wire) = odoo(custom(), []);
    assert!(!format!("{odoo:?}").contains("s3cret"));
}

#[test]
fn settings_that_could_not_work_are_refused() {
    let refuse = |change: fn(&mut Settings)| {
        let mut settings = Settings::new("https://odoo.example", "crm", SecretString::from("key"));
        change(&mut settings);
        let error = Odoo::new(settings, Arc::new(Scripted::new([])), Arc::new(SystemClock)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        error.to_string()
    };
    assert!(refuse(|settings| settings.base_url = "http://odoo.example".to_owned()).contains("http"));
    assert!(!refuse(|settings| settings.key = SecretString::from("s3cret\n")).contains("s3cret"));
    refuse(|settings| settings.database = " ".to_owned());
    refuse(|settings| {
        settings.name_fields = NameFields::Custom { first: "x first".to_owned(), last: "x_last".to_owned() };
    });
    refuse(|settings| {
        let diet = custom_field::custom("custom.diet", FieldKind::Choices);
        settings.custom.insert(ModuleId::Contacts, vec![(diet, "x_diet".to_owned())]);
    });
}
