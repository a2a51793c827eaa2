//! The Odoo adapter against a real Odoo 19 (`scripts/odoo start`, then `eval "$(scripts/odoo env)"`).
//!
//! Runs when `ODOO_URL`, `ODOO_DB` and `ODOO_KEY` are set. `TANDEM_ODOO=1` makes their absence a
//! failure, so that a CI job cannot skip it unnoticed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail loudly"
)]

mod custom_field;
mod odoo_modules;
mod odoo_server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use custom_field::custom;
use odoo_server::OdooServer;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use tandem::model::{FieldKind, Fields, ModuleId, Record, RecordId, Timestamp, Value};
use tandem::remote::odoo::{NameFields, Odoo, Settings};
use tandem::remote::{Class, PageRequest, Read, Remote, Sent};
use tandem::seam::{Clock, SystemClock};

/// The server under test, and what tells one run from another.
struct Server {
    odoo: OdooServer,
    /// Different in every run, so that a server may be tested twice.
    run: String,
}

impl Server {
    /// `None`, having said why, when no server is configured.
    fn from_env(test: &str) -> Option<Self> {
        let odoo = OdooServer::from_env(test)?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Some(Self { odoo, run: format!("{test}{nanos:x}") })
    }

    fn settings(&self) -> Settings {
        let mut settings =
            Settings::new(&self.odoo.url, &self.odoo.database, SecretString::from(self.odoo.key.clone()));
        settings.custom = BTreeMap::from([(
            ModuleId::Contacts,
            vec![
                (custom("custom.diet", FieldKind::Text), "x_diet".to_owned()),
                (custom("custom.notes", FieldKind::LongText), "x_notes".to_owned()),
                (custom("custom.seats", FieldKind::Int), "x_seats".to_owned()),
                (custom("custom.vip", FieldKind::Bool), "x_vip".to_owned()),
                (custom("custom.birthday", FieldKind::Date), "x_birthday".to_owned()),
                (custom("custom.meal", FieldKind::Choice), "x_meal".to_owned()),
            ],
        )]);
        settings
    }

    fn adapter_with(&self, change: impl FnOnce(&mut Settings)) -> Odoo {
        let mut settings = self.settings();
        change(&mut settings);
        Odoo::new(settings, Arc::clone(&self.odoo.transport), Arc::new(SystemClock)).unwrap()
    }

    fn adapter(&self) -> Odoo {
        self.adapter_with(|_| {})
    }

    /// Adapters for the administrator and for a plain sales user, each with a tag for names and keys.
    fn users(&self) -> Vec<(&'static str, Odoo)> {
        let sales = std::env::var("ODOO_SALES_KEY").ok();
        let sales = sales.map(|key| ("sales", self.adapter_with(|settings| settings.key = SecretString::from(key))));
        [("admin", self.adapter())].into_iter().chain(sales).collect()
    }

    fn key(&self, module: ModuleId, number: u32) -> String {
        format!("{}-{}-{number}", self.run, module.singular())
    }

    /// Acts on the server past the adapter, as a person in Odoo's own screens would.
    async fn behind_the_back(&self, model: &str, method: &str, arguments: Json) -> Json {
        self.odoo.call(model, method, arguments).await
    }

    async fn write_behind_the_back(&self, id: &RecordId, values: Json) {
        self.write_to("res.partner", id, values).await;
    }

    async fn write_to(&self, model: &str, id: &RecordId, values: Json) {
        let id: i64 = id.as_str().parse().unwrap();
        self.behind_the_back(model, "write", json!({"ids": [id], "vals": values})).await;
    }

    async fn count(&self, model: &str, domain: Json) -> Json {
        let context = json!({"active_test": false});
        self.behind_the_back(model, "search_count", json!({"domain": domain, "context": context})).await
    }
}

fn text<const N: usize>(pairs: [(&str, &str); N]) -> Fields {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text))).collect()
}

async fn found(odoo: &Odoo, module: ModuleId, id: &RecordId) -> Record {
    match odoo.get(module, id).await.unwrap() {
        Read::Found(record) => *record,
        other => panic!("{id}: {other:?}"),
    }
}

/// Every record from `from` on, in as many pages as it takes, and how many pages that were.
async fn sweep(odoo: &Odoo, module: ModuleId, from: Option<Timestamp>) -> (Vec<Record>, usize) {
    let mut request = PageRequest { from, ..PageRequest::default() };
    let (mut records, mut pages) = (Vec::new(), 0);
    loop {
        let page = odoo.list(module, &request).await.unwrap();
        pages += 1;
        records.extend(page.records);
        assert!(pages < 100, "the sweep does not end");
        match page.next {
            Some(next) => request.position = Some(next),
            None => return (records, pages),
        }
    }
}

#[tokio::test]
async fn the_probe_proves_server_key_and_database() {
    let Some(server) = Server::from_env("probe") else { return };
    let probe = server.adapter().probe().await.unwrap();
    assert!(probe.system.starts_with("Odoo 19"), "{}", probe.system);
    assert!(probe.clock_skew_ms.unwrap().abs() < 2_000);

    let wrong_key = server.adapter_with(|settings| settings.key = SecretString::from("0123456789abcdef"));
    assert_eq!(wrong_key.probe().await.unwrap_err().class, Class::Unauthorized);
    let wrong_database = server.adapter_with(|settings| settings.database = "nowhere".to_owned());
    assert_eq!(wrong_database.probe().await.unwrap_err().class, Class::Unsupported);
}

#[tokio::test]
async fn a_contact_with_company_and_custom_fields_round_trips() {
    let Some(server) = Server::from_env("roundtrip") else { return };
    let odoo = server.adapter();
    let company = text([
        ("name", "Harbour Events"),
        ("phone", "+61 2 5550 1234"),
        ("email", "hello@harbour.example"),
        ("website", "https://harbour.example"),
        ("street", "1 Quay"),
        ("city", "Sydney"),
        ("postal_code", "0200"),
        ("country", "AU"),
    ]);
    let company_id = odoo.create(ModuleId::Companies, &server.key(ModuleId::Companies, 1), &company).await.unwrap().id;
    let mut alone = company.clone();
    alone.insert("parent".to_owned(), Value::Null);
    assert_eq!(found(&odoo, ModuleId::Companies, &company_id).await.fields, alone);

    let mut contact = text([
        ("first_name", "Mary Jane"),
        ("last_name", "van Dyke"),
        ("email", "mj@harbour.example"),
        ("phone", "0455 1"),
        ("company", company_id.as_str()),
        ("custom.diet", "no \"nuts\", 1/2 \\ élan"),
        ("custom.notes", "one\ntwo"),
        ("custom.birthday", "1990-02-28"),
        ("custom.meal", "vegan"),
    ]);
    contact.insert("custom.seats".to_owned(), Value::Int(-3));
    contact.insert("custom.vip".to_owned(), Value::Bool(true));
    let key = server.key(ModuleId::Contacts, 1);
    let id = odoo.create(ModuleId::Contacts, &key, &contact).await.unwrap().id;
    let record = found(&odoo, ModuleId::Contacts, &id).await;
    assert_eq!(record.fields, contact);
    assert!(!record.archived && record.author.is_some());
    let served: BTreeSet<_> = odoo.fields(ModuleId::Contacts).into_iter().collect();
    assert_eq!(served, contact.keys().cloned().collect());

    assert_eq!(odoo.find_by_key(ModuleId::Contacts, &key).await.unwrap().unwrap(), [record]);
    let nobody = odoo.find_by_key(ModuleId::Contacts, "no-such-key").await.unwrap();
    assert_eq!(nobody, Some(Vec::new()));
}

#[tokio::test]
async fn clearing_every_field_that_may_be_empty_reads_back_empty() {
    let Some(server) = Server::from_env("clear") else { return };
    let odoo = server.adapter();
    let full = text([
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("email", "a@b.example"),
        ("custom.meal", "fish"),
        ("custom.birthday", "1990-01-01"),
        ("custom.diet", "none"),
    ]);
    let id = odoo.create(ModuleId::Contacts, &server.key(ModuleId::Contacts, 1), &full).await.unwrap().id;
    let cleared: Fields = ["email", "first_name", "custom.meal", "custom.birthday", "custom.diet", "company"]
        .map(|name| (name.to_owned(), Value::text("")))
        .into();
    odoo.update(ModuleId::Contacts, &id, &cleared, None).await.unwrap();
    let record = found(&odoo, ModuleId::Contacts, &id).await;
    for name in cleared.keys() {
        assert!(record.fields[name].is_empty(), "{name}: {:?}", record.fields[name]);
    }
    assert_eq!(record.fields["last_name"], Value::text("Lovelace"));
}

#[tokio::test]
async fn the_same_create_twice_and_at_once_is_one_record_i1() {
    let Some(server) = Server::from_env("once") else { return };
    let odoo = server.adapter();
    let key = server.key(ModuleId::Contacts, 1);
    let name = format!("Only {}", server.run);
    let contact = text([("first_name", "Only"), ("last_name", &server.run)]);
    let attempts = (0..6).map(|_| odoo.create(ModuleId::Contacts, &key, &contact));
    let mut ids = BTreeSet::new();
    for outcome in futures::future::join_all(attempts).await {
        match outcome {
            Ok(ack) => {
                ids.insert(ack.id);
            }
            // The losers of the race were rolled back and may try again.
            Err(error) => assert_eq!((error.class, error.sent), (Class::Throttled, Sent::No), "{error:?}"),
        }
    }
    ids.insert(odoo.create(ModuleId::Contacts, &key, &contact).await.unwrap().id);
    assert_eq!(ids.len(), 1);
    let count = json!({"domain": [["name", "=", name]]});
    assert_eq!(server.behind_the_back("res.partner", "search_count", count).await, json!(1));
}

#[tokio::test]
async fn a_rename_in_odoos_own_screen_keeps_the_boundary() {
    let Some(server) = Server::from_env("rename") else { return };
    let odoo = server.adapter();
    let contact = text([("first_name", "Mary Jane"), ("last_name", "van Dyke")]);
    let id = odoo.create(ModuleId::Contacts, &server.key(ModuleId::Contacts, 1), &contact).await.unwrap().id;
    server.write_behind_the_back(&id, json!({"name": "Maria van Dyke"})).await;
    let halves = |record: &Record| (record.fields["first_name"].clone(), record.fields["last_name"].clone());
    let record = found(&odoo, ModuleId::Contacts, &id).await;
    assert_eq!(halves(&record), (Value::text("Maria"), Value::text("van Dyke")));
    odoo.update(ModuleId::Contacts, &id, &text([("last_name", "von Trapp")]), None).await.unwrap();
    let record = found(&odoo, ModuleId::Contacts, &id).await;
    assert_eq!(halves(&record), (Value::text("Maria"), Value::text("von Trapp")));

    // The same record seen by an adapter that has no fields for the halves.
    let split = server.adapter_with(|settings| settings.name_fields = NameFields::Split);
    let record = found(&split, ModuleId::Contacts, &id).await;
    assert_eq!(halves(&record), (Value::text("Maria von"), Value::text("Trapp")));
}

#[tokio::test]
async fn five_hundred_rows_of_one_stamp_are_all_read_i12() {
    let Some(server) = Server::from_env("bulk") else { return };
    let odoo = server.adapter();
    let rows: Vec<Json> = (0..500).map(|n| json!({"name": format!("Bulk {} {n}", server.run)})).collect();
    let created = server.behind_the_back("res.partner", "create", json!({"vals_list": rows})).await;
    let mine: BTreeSet<RecordId> =
        created.as_array().unwrap().iter().map(|id| RecordId(id.as_i64().unwrap().to_string())).collect();
    let stamp = found(&odoo, ModuleId::Contacts, mine.first().unwrap()).await.modified.unwrap();

    for from in [Some(stamp), None] {
        let (records, pages) = sweep(&odoo, ModuleId::Contacts, from).await;
        let seen: BTreeSet<RecordId> = records.into_iter().map(|record| record.id).collect();
        assert!(mine.is_subset(&seen), "{} of 500 rows seen in {pages} pages", mine.intersection(&seen).count());
    }

    // An upper bound is inclusive and leaves out what came later.
    let last = mine.last().unwrap();
    let request = PageRequest { from: Some(stamp), to: Some(stamp), position: None };
    let page = odoo.list(ModuleId::Contacts, &request).await.unwrap();
    assert!(page.records.iter().all(|record| record.modified == Some(stamp)) && page.records.len() == 200);
    assert!(page.server_time.unwrap() >= stamp && mine.contains(last));
}

#[tokio::test]
async fn archived_records_are_listed_with_their_flag_and_deleted_ones_are_missing() {
    let Some(server) = Server::from_env("gone") else { return };
    let odoo = server.adapter();
    let key = server.key(ModuleId::Contacts, 1);
    let id = odoo.create(ModuleId::Contacts, &key, &text([("last_name", "Gone")])).await.unwrap().id;
    let created = found(&odoo, ModuleId::Contacts, &id).await.modified;
    server.write_behind_the_back(&id, json!({"active": false})).await;
    let (records, _) = sweep(&odoo, ModuleId::Contacts, created).await;
    assert!(records.iter().any(|record| record.id == id && record.archived));
    assert!(found(&odoo, ModuleId::Contacts, &id).await.archived);
    assert!(odoo.find_by_key(ModuleId::Contacts, &key).await.unwrap().unwrap()[0].archived);

    let number: i64 = id.as_str().parse().unwrap();
    server.behind_the_back("res.partner", "unlink", json!({"ids": [number]})).await;
    assert_eq!(odoo.get(ModuleId::Contacts, &id).await.unwrap(), Read::Missing);
    assert_eq!(odoo.find_by_key(ModuleId::Contacts, &key).await.unwrap(), Some(Vec::new()));
    for patch in [text([("email", "x@y.example")]), text([("first_name", "Half")])] {
        let error = odoo.update(ModuleId::Contacts, &id, &patch, None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Missing, Sent::No));
    }
}

#[tokio::test]
async fn refusals_have_their_class_and_hold_no_values_i33() {
    let Some(server) = Server::from_env("refused") else { return };
    let odoo = server.adapter();
    let key = |n| server.key(ModuleId::Contacts, n);
    let named = |more: &[(&str, &str)]| {
        let mut fields = text([("last_name", "Refused")]);
        fields.extend(more.iter().map(|(name, text)| ((*name).to_owned(), Value::text(*text))));
        fields
    };
    for (number, fields) in [
        (1, named(&[("custom.meal", "secretmeal")])),
        (2, named(&[("custom.birthday", "secretday")])),
        (3, named(&[("company", "999999999")])),
        (4, text([("email", "nameless@b.example")])),
    ] {
        let error = odoo.create(ModuleId::Contacts, &key(number), &fields).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        assert_eq!(odoo.find_by_key(ModuleId::Contacts, &key(number)).await.unwrap(), Some(Vec::new()), "{error:?}");
    }
    let id = odoo.create(ModuleId::Contacts, &key(9), &named(&[])).await.unwrap().id;
    for patch in
        [text([("custom.meal", "secretmeal")]), text([("custom.birthday", "secretday")]), text([("last_name", "")])]
    {
        let error = odoo.update(ModuleId::Contacts, &id, &patch, None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let unknown = server.adapter_with(|settings| {
        settings.custom.get_mut(&ModuleId::Contacts).unwrap()[0].1 = "x_no_such_field".to_owned();
    });
    let patch = text([("custom.diet", "x")]);
    for error in [
        unknown.update(ModuleId::Contacts, &id, &patch, None).await.unwrap_err(),
        unknown.create(ModuleId::Contacts, &key(10), &named(&[("custom.diet", "x")])).await.unwrap_err(),
        unknown.get(ModuleId::Contacts, &id).await.unwrap_err(),
    ] {
        assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No), "{error:?}");
    }
}

#[tokio::test]
async fn definitions_show_what_can_be_mapped_v19() {
    let Some(server) = Server::from_env("definitions") else { return };
    let bare = server.adapter_with(|settings| settings.custom.clear());
    let definitions = bare.definitions(ModuleId::Contacts).await.unwrap();
    let kind_of =
        |name: &str| definitions.iter().find(|definition| definition.name == name).and_then(|found| found.kind);
    for (name, kind) in [
        ("x_diet", FieldKind::Text),
        ("x_notes", FieldKind::LongText),
        ("x_seats", FieldKind::Int),
        ("x_vip", FieldKind::Bool),
        ("x_birthday", FieldKind::Date),
        ("x_meal", FieldKind::Choice),
    ] {
        assert_eq!(kind_of(name), Some(kind), "{name}");
    }
    let meal = definitions.iter().find(|definition| definition.name == "x_meal").unwrap();
    assert!(meal.writable && meal.options.contains(&("vegan".to_owned(), "Vegan".to_owned())));
    for taken in ["name", "email", "x_first_name"] {
        assert!(kind_of(taken).is_none(), "{taken} is mapped already");
    }
}

#[tokio::test]
async fn a_plain_sales_user_suffices() {
    let Some(server) = Server::from_env("sales") else { return };
    let Ok(sales) = std::env::var("ODOO_SALES_KEY") else {
        println!("skipped: no ODOO_SALES_KEY");
        return;
    };
    let odoo = server.adapter_with(|settings| settings.key = SecretString::from(sales));
    let key = server.key(ModuleId::Contacts, 1);
    let id =
        odoo.create(ModuleId::Contacts, &key, &text([("first_name", "By"), ("last_name", "Sales")])).await.unwrap().id;
    assert_eq!(odoo.find_by_key(ModuleId::Contacts, &key).await.unwrap().unwrap()[0].id, id);
    odoo.update(ModuleId::Contacts, &id, &text([("email", "s@b.example")]), None).await.unwrap();
    let record = found(&odoo, ModuleId::Contacts, &id).await;
    assert_eq!(record.author.as_deref(), Some("Sam Sales"));
    let (records, _) = sweep(&odoo, ModuleId::Contacts, record.modified).await;
    assert!(records.iter().any(|listed| listed.id == id));
    odoo.definitions(ModuleId::Companies).await.unwrap();

    // Odoo's cache of keys also remembers creates that were rolled back.
    let refused = server.key(ModuleId::Contacts, 2);
    let wrong = text([("last_name", "X"), ("custom.meal", "stones")]);
    assert_eq!(odoo.create(ModuleId::Contacts, &refused, &wrong).await.unwrap_err().class, Class::Rejected);
    assert_eq!(odoo.find_by_key(ModuleId::Contacts, &refused).await.unwrap(), Some(Vec::new()));
    let id = odoo.create(ModuleId::Contacts, &refused, &text([("last_name", "X")])).await.unwrap().id;
    assert_eq!(odoo.find_by_key(ModuleId::Contacts, &refused).await.unwrap().unwrap()[0].id, id);
}

#[tokio::test]
async fn staff_and_postal_addresses_are_not_contacts() {
    let Some(server) = Server::from_env("staff") else { return };
    let odoo = server.adapter();
    let before = SystemClock.now().minus(std::time::Duration::from_secs(5));
    let address = json!({"vals_list": [{"name": "Back door", "type": "delivery"}]});
    let address = server.behind_the_back("res.partner", "create", address).await[0].to_string();
    let (all, _) = sweep(&odoo, ModuleId::Contacts, None).await;
    assert!(all.iter().all(|record| record.id.as_str() != address));
    assert!(all.iter().all(|record| record.fields["last_name"] != Value::text("Administrator")));
    let (recent, _) = sweep(&odoo, ModuleId::Contacts, Some(before)).await;
    assert!(recent.iter().all(|record| record.modified.unwrap() >= before.floor_second()));
}
