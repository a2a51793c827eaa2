//! The adapter on a shelf and an outbox in memory.

use std::sync::Mutex;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::*;
use crate::model::{CustomField, CustomKind, StreamId, StreamState};
use crate::remote::shelf::memory::Rows;
use crate::remote::transport::{Limits, Transport, TransportError};
use crate::seam::SystemClock;

/// Remembers and lines up.
#[derive(Debug, Default)]
struct Memory {
    rows: Rows,
    line: Mutex<Vec<(StreamKind, String)>>,
    stream: Mutex<StreamState>,
}

impl Shelf for Memory {
    fn page(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Shelved>, String> {
        Ok(self.rows.page(module, from, after, limit))
    }

    fn get(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, String> {
        Ok(self.rows.get(module, id))
    }

    fn by_key(&self, _: ModuleId, _: &str) -> Result<Option<Shelved>, String> {
        panic!("our key is the id")
    }

    fn stream(&self, _: &StreamId) -> Result<StreamState, String> {
        Ok(self.stream.lock().unwrap().clone())
    }

    fn put(&self, _: Shelved) -> BoxFuture<'_, Result<Timestamp, String>> {
        panic!("only the outbox puts, with the record in line")
    }
}

impl Outbox for Memory {
    fn hand_over(&self, record: HandOver) -> BoxFuture<'_, Result<Taken, String>> {
        let known = self.rows.get(record.row.module, &record.row.id).map(|row| row.at);
        if record.expected.is_some() && record.expected != known {
            return ready(Ok(Taken::Moved));
        }
        let count = i64::try_from(self.rows.count()).unwrap();
        let at = Timestamp::from_millis(count + known.map_or(1, |at| at.millis() + 1000));
        self.rows.put(Shelved { at, ..record.row });
        self.line.lock().unwrap().push((record.stream, record.body));
        ready(Ok(Taken::Over { created: known.is_none() }))
    }
}

/// Nobody is called but for a head.
#[derive(Debug)]
struct Nobody;

impl Transport for Nobody {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        assert_eq!(request.method(), http::Method::HEAD, "the adapter sends no record");
        ready(Ok(http::Response::builder().status(405).body(Bytes::new()).unwrap()))
    }
}

fn adapter(settings: Settings, orders: bool) -> (Arc<Memory>, Result<ExtCrm, Error>) {
    let memory = Arc::new(Memory::default());
    let addresses = Addresses {
        contacts: Some("https://crm.test/contacts".to_owned()),
        orders: orders.then(|| "https://crm.test/orders".to_owned()),
        auth: Auth::None,
    };
    let poster = Poster::new(&addresses, Arc::new(Nobody)).unwrap();
    let (shelf, outbox) = (Arc::clone(&memory), Arc::clone(&memory));
    (memory, ExtCrm::new(settings, poster, shelf, outbox, Arc::new(SystemClock)))
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect()
}

fn line(memory: &Memory) -> Vec<Json> {
    memory.line.lock().unwrap().iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
}

const CONTACTS: ModuleId = ModuleId::Contacts;

#[tokio::test]
async fn what_is_handed_over_is_remembered_and_in_line_and_nothing_else_is_ever_read() {
    let (memory, adapter) = adapter(Settings::default(), true);
    let adapter = adapter.unwrap();
    let none = PageRequest::default();
    assert_eq!(adapter.list(CONTACTS, &none).await.unwrap(), Page::default());
    assert_eq!(adapter.get(CONTACTS, &"contact-1".into()).await.unwrap(), Read::Missing);
    let zoe = fields(&[("first_name", "Zoë"), ("email", "z@x.example")]);
    let ack = adapter.create(CONTACTS, "contact-1", &zoe).await.unwrap();
    assert_eq!(ack, WriteAck { id: "contact-1".into(), created: Some(true) });
    let Read::Found(read) = adapter.get(CONTACTS, &"contact-1".into()).await.unwrap() else { panic!("forgotten") };
    assert_eq!(read.fields[IVVY_KEY], Value::text("contact-1"));
    assert_eq!(adapter.find_by_key(CONTACTS, "contact-1").await.unwrap(), Some(vec![(*read).clone()]));
    assert_eq!(adapter.find_by_key(CONTACTS, "contact-2").await.unwrap(), Some(Vec::new()));

    let patch = Fields::from([("email".to_owned(), Value::Null), ("phone".to_owned(), Value::text("1"))]);
    adapter.update(CONTACTS, &read.id, &patch, read.version.as_deref()).await.unwrap();
    let stale = adapter.update(CONTACTS, &read.id, &patch, read.version.as_deref()).await.unwrap_err();
    assert_eq!((stale.class, stale.sent), (Class::Conflict, Sent::No));
    let missing = adapter.update(CONTACTS, &"contact-2".into(), &patch, None).await.unwrap_err();
    assert_eq!(missing.class, Class::Missing);
    // The same create again, as after a crash: one record, whose other fields stay.
    let again = adapter.create(CONTACTS, "contact-1", &fields(&[("first_name", "Zoe")])).await.unwrap();
    assert_eq!(again.created, Some(false));
    let whole = json!({
        "contactNumber": "contact-1", "type": "INDIVIDUAL", "individualContact": {"firstName": "Zoe"},
        "email": null, "phone": "1",
    });
    assert_eq!(line(&memory).last(), Some(&whole), "each record is sent whole");
    let listed = adapter.list(CONTACTS, &none).await.unwrap();
    assert_eq!((listed.records.len(), listed.next), (1, None));
}

#[tokio::test]
async fn the_memory_is_paged_in_the_order_of_its_changes() {
    let (_, adapter) = adapter(Settings::default(), true);
    let adapter = adapter.unwrap();
    for n in 0..450 {
        adapter.create(CONTACTS, &format!("contact-{n}"), &Fields::new()).await.unwrap();
    }
    let (mut request, mut found) = (PageRequest::default(), Vec::new());
    loop {
        let page = adapter.list(CONTACTS, &request).await.unwrap();
        found.extend(page.records);
        let Some(next) = page.next else { break };
        request.position = Some(next);
    }
    assert_eq!(found.len(), 450);
    assert!(found.is_sorted_by_key(|record| record.modified));
    let bounds = PageRequest { from: found[10].modified, to: found[12].modified, position: None };
    assert_eq!(adapter.list(CONTACTS, &bounds).await.unwrap().records, found[10..=12]);
    let wrong = PageRequest { position: Some("x".to_owned()), ..PageRequest::default() };
    assert_eq!(adapter.list(CONTACTS, &wrong).await.unwrap_err().class, Class::Malformed);
}

#[tokio::test]
async fn money_that_does_not_fit_is_refused_and_nothing_is_handed_over() {
    let (memory, adapter) = adapter(Settings::default(), true);
    let adapter = adapter.unwrap();
    let module = ModuleId::Registrations;
    for (amount, words) in [("1.2345", "more than three decimals"), ("9223372036854775.808", "too large")] {
        let error = adapter.create(module, "registration-1", &fields(&[("amount", amount)])).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert!(error.message.contains(words) && !error.message.contains(amount), "{error}");
    }
    assert_eq!(line(&memory), Vec::<Json>::new());
    adapter.create(module, "registration-1", &fields(&[("amount", "9223372036854775.807")])).await.unwrap();
    assert_eq!(line(&memory)[0]["amount"].as_i64(), Some(i64::MAX));
    assert!(memory.line.lock().unwrap()[0].1.contains(r#""amount":9223372036854775807"#));
}

#[tokio::test]
async fn modules_without_form_or_address_have_no_place() {
    let (memory, both) = adapter(Settings::default(), true);
    let (both, (_, one)) = (both.unwrap(), adapter(Settings::default(), false));
    let one = one.unwrap();
    let placed = |crm: &ExtCrm| -> Vec<ModuleId> {
        ModuleId::ALL.into_iter().filter(|module| !crm.fields(*module).is_empty()).collect()
    };
    let people = ModuleId::PEOPLE.to_vec();
    let orders = [ModuleId::Registrations, ModuleId::QuotesAndBookings, ModuleId::Orders];
    assert_eq!((placed(&one), placed(&both)), (people.clone(), [people, orders.to_vec()].concat()));
    let error = one.create(ModuleId::Orders, "order-1", &Fields::new()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
    assert_eq!(both.create(CONTACTS, "con/tact", &Fields::new()).await.unwrap_err().class, Class::Rejected);
    let probe = both.probe().await.unwrap();
    assert_eq!(probe.clock_skew_ms, None, "405 to a head is an answer");
    let doubt = probe.doubt.unwrap();
    assert!(doubt.starts_with("push_contacts answered 405 to a HEAD") && doubt.contains("; push_orders "), "{doubt}");
    assert!(one.probe().await.unwrap().doubt.is_some_and(|doubt| !doubt.contains("push_orders")));
    // A post that was answered 200 proves what no HEAD does, until one is not.
    memory.stream.lock().unwrap().went_through(Timestamp::from_secs(1));
    assert_eq!(both.probe().await.unwrap().doubt, None);
    memory.stream.lock().unwrap().fail("answered 401 instead of 200", Timestamp::from_secs(2));
    assert!(both.probe().await.unwrap().doubt.is_some());
}

#[tokio::test]
async fn fields_get_members_of_their_own_and_never_another_ones() {
    let renamed = |name: &str| Settings {
        renamed: [((CONTACTS, "email_opt_out".to_owned()), name.to_owned())].into(),
        ..Settings::default()
    };
    for taken in ["contactNumber", "individualContact", "custom", "a b", ""] {
        assert!(adapter(renamed(taken), true).1.is_err(), "{taken}");
    }
    let diet = CustomField {
        name: "diet".to_owned(),
        title: None,
        kind: CustomKind::Text,
        ivvy: 7,
        crm: "diet".to_owned(),
        flow: crate::model::Flow::ToCrm,
        transform: crate::model::Transform::default(),
        default: None,
    };
    let custom = [(CONTACTS, vec![(diet.def(), "diet".to_owned())])].into();
    let (memory, adapter) = adapter(Settings { custom, ..renamed("noMail") }, true);
    let adapter = adapter.unwrap();
    assert!(adapter.fields(CONTACTS).contains(&diet.def().name.into_owned()));
    assert_eq!(adapter.definitions(CONTACTS).await.unwrap()[0].name, "diet");
    let mut given = fields(&[(diet.def().name.as_ref(), "vegan")]);
    given.insert("email_opt_out".to_owned(), Value::Bool(true));
    adapter.create(CONTACTS, "contact-1", &given).await.unwrap();
    let sent = &line(&memory)[0];
    assert_eq!((&sent["noMail"], &sent["custom"]), (&json!(true), &json!({"diet": "vegan"})));
}
