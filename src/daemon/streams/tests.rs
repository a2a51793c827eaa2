//! What people may do about streams, on a real store; the streams' systems are not there.

mod posting;
mod reading;

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::aside::MOST_BODY;
use super::reconcile::CHUNK;
use super::*;
use crate::config::Secrets;
use crate::daemon::account::Account;
use crate::model::guard::{Guard, Trip};
use crate::model::{FirstSync, Gap, ModuleId, Quarantined, RecordId, Role, Shelved, Side};
use crate::seam::{Entropy, SystemClock};
use crate::wire::{AccessQuery, AuditQuery, CheckRow, PreviewAs, StreamAuth, StreamPart};

const S360: &str = r#"version = 1
[s360]
partner = "TANDEM"
[s360.institutions.ACME]
operator = "TANDEM_OP"
secret = { env = "X" }
contacts = { auth = { kind = "basic", user = "s360", passwords = [{ env = "A" }, { env = "B" }] } }
orders = { auth = { kind = "none", unprotected = true } }
access = { auth = { kind = "none", unprotected = true } }
[s360.institutions.GLOBE]
contacts = { auth = { kind = "api_key", keys = [{ env = "C" }] }, every = "1h", per_run = 100 }
"#;

const ODOO: &str = "[crm]\nkind = \"odoo\"\nurl = \"http://127.0.0.1:9\"\ndatabase = \"d\"\nkey = { env = \"K\" }\n";

const INBOUND: &str = "[inbound]\nlisten = \"127.0.0.1:8467\"\n";

const CONNECTOR: &str = r#"[crm]
kind = "connector"
url = "https://connector.example.com"
provider = "P"
client = "C"
club = "HARBOUR"
[crm.profile]
agreed_by = "Ann Example"
agreed_on = "2026-01-31"
direction = "receive"
entities = ["prospects"]
owner = true
source = false
[crm.profile.can]
list_staff = true
[crm.facade]
auth = { kind = "api_key", keys = [{ env = "F" }] }
"#;

const PUSH: &str = "[crm]\nkind = \"push\"\ncontacts_url = \"https://crm.example.com/c\"\norders_url = \
                    \"https://crm.example.com/o\"\nauth = { kind = \"basic\", user = \"u\", passwords = [{ env = \"P\" }] }\n";

fn config(parts: &[&str]) -> Config {
    let places = "data_dir = \"d\"\nsocket = \"s\"\n";
    let text = parts.concat().replacen("version = 1\n", &format!("version = 1\n{places}"), 1);
    Config::parse(&text, Path::new("/etc/tandem/acme.toml")).unwrap()
}

/// Streams of S-360 over an engine whose own remotes do not answer.
struct World {
    streams: Streams,
    engine: Engine,
    _place: tempfile::TempDir,
}

fn actor() -> Actor {
    Actor { role: Role::Admin, name: "ada".to_owned(), ..Actor::engine() }
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let ivvy = "version = 1\n[ivvy]\nurl = \"http://127.0.0.1:9\"\nkey = \"k\"\nsecret = { env = \"I\" }\n";
        let mut ours = config(&[ivvy, ODOO]);
        ours.data_dir = place.path().to_owned();
        let secret = || SecretString::from("hunter2".to_owned());
        let secrets = Secrets::default().with("ivvy.secret", secret()).with("crm.key", secret());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let account = Account::open(&ours, secrets, &clock, &Entropy::seeded(1)).unwrap();
        let streams = Streams::of(&config(&[S360, ODOO, INBOUND]), clock);
        Self { streams, engine: account.engine, _place: place }
    }

    async fn act(&self, stream: &str, verb: StreamVerb) -> Result<String, Error> {
        match self.streams.act(&self.engine, None, &actor(), &stream.parse().unwrap(), verb).await {
            Ok(Answer::Done { message }) => Ok(message),
            Ok(other) => panic!("{other:?}"),
            Err(failed) => Err(failed.error),
        }
    }

    async fn put(&self, stream: &str, state: StreamState) {
        let stream: StreamId = stream.parse().unwrap();
        self.engine.store().write(move |tx| tx.put_stream(&stream, &state)).await.unwrap();
    }

    fn row(&self, stream: &str) -> StreamRow {
        let rows = self.streams.rows(&self.engine).unwrap();
        rows.into_iter().find(|row| row.id.to_string() == stream).unwrap()
    }

    async fn set_aside(&self, stream: &str, body: &str) -> u64 {
        let record = Quarantined {
            number: 0,
            stream: stream.parse().unwrap(),
            at: self.engine.now(),
            index: 7,
            id: Some("123".to_owned()),
            why: "it has no number".to_owned(),
            body: body.to_owned(),
        };
        self.engine.store().write(move |tx| tx.quarantine(&record)).await.unwrap()
    }

    fn audited(&self) -> Vec<String> {
        let query = AuditQuery { item: None, before: None, limit: 50 };
        let rows = self.engine.store().read(|view| view.audit(&query)).unwrap();
        rows.into_iter()
            .filter_map(|row| match row.what {
                AuditEvent::Operated { what } => Some(format!("{}: {what}", row.actor.name)),
                _ => None,
            })
            .collect()
    }
}

fn first_sync(date: &str, zone: &str) -> StreamVerb {
    StreamVerb::FirstSync { date: date.to_owned(), zone: zone.to_owned() }
}

#[tokio::test]
async fn every_stream_of_the_configuration_has_a_row_without_any_secret_s01_s09_s19() {
    let world = World::new();
    let rows = world.streams.rows(&world.engine).unwrap();
    let named: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(named, ["s360_contacts/ACME", "s360_orders/ACME", "s360_access/ACME", "s360_contacts/GLOBE"]);
    let (acme, orders, globe) = (&rows[0], &rows[1], &rows[3]);
    assert_eq!((acme.auth, acme.secrets, acme.operator), (StreamAuth::Basic, 2, true), "two while they change");
    assert_eq!(acme.place, "/s360/contacts/ACME");
    assert!(orders.is_unprotected() && orders.words().contains(&"UNPROTECTED".to_owned()), "{:?}", orders.words());
    assert_eq!((globe.auth, globe.operator), (StreamAuth::ApiKey, false));
    assert_eq!(globe.rhythm.map(|rhythm| (rhythm.every.as_secs(), rhythm.per_run)), Some((3_600, 100)));
    let of = |crm: &str| {
        known(&config(&[
            "version = 1\n[ivvy]\nurl = \"https://a.example\"\nkey = \"k\"\nsecret = { env = \"I\" }\n",
            crm,
            INBOUND,
        ]))
    };
    let named = |crm: &str| of(crm).iter().map(|known| known.id.to_string()).collect::<Vec<_>>();
    assert_eq!(named(CONNECTOR), ["connector_people/HARBOUR"], "no sources in the profile, so none ever comes");
    let with = CONNECTOR.replace("source = false", "source = true");
    assert_eq!(named(&with), ["connector_people/HARBOUR", "connector_sources/HARBOUR"]);
    assert_eq!(named(PUSH), ["push_contacts", "push_orders"]);
    assert!(named(ODOO).is_empty(), "an account without streams has none");
    assert!(of(CONNECTOR).iter().all(|known| !known.needs_first_sync() && known.rhythm.is_none()));
}

#[tokio::test]
async fn the_first_sync_date_is_asked_after_a_test_in_one_form_only_s28_s29_scenario_13() {
    let world = World::new();
    let stream = "s360_contacts/GLOBE";
    assert!(world.row(stream).health.waits_for_first_sync);
    let refused = world.act(stream, first_sync("2026-01-31", "Europe/Paris")).await.unwrap_err();
    assert!(refused.message.contains("no connection test has passed"), "{refused}");
    let refused = world.act(stream, StreamVerb::Test).await.unwrap_err();
    assert!(refused.message.contains("no post has come yet"), "receive-only: {refused}");
    world.put(stream, StreamState { last_at: Some(world.engine.now()), ..StreamState::default() }).await;
    world.act(stream, StreamVerb::Test).await.unwrap();
    for (date, zone, why) in [
        ("", "UTC", "is empty"),
        ("01/01/2019", "UTC", "ambiguous: some read the day first"),
        ("31.01.2026", "UTC", "ambiguous"),
        ("2026-1-31", "UTC", "is not a date"),
        ("2026-02-30", "UTC", "is not a date"),
        ("2026-01-31", " ", "zone is not said"),
        ("2026-01-31", "Mars/Olympus", "is not a zone"),
        ("2999-01-01", "UTC", "has not begun"),
    ] {
        let refused = world.act(stream, first_sync(date, zone)).await.unwrap_err();
        assert!(refused.message.contains(why) && refused.hint.is_some(), "{date} {zone}: {refused}");
        let code = if date == "2999-01-01" { 1 } else { 2 };
        assert_eq!(refused.kind.exit_code(), code, "a date that makes no sense is wrong usage: {date} {zone}");
    }
    assert!(world.row(stream).state.first_sync.is_none(), "none of these");
    world.act(stream, first_sync("2025-01-31", "Europe/Paris")).await.unwrap();
    let set = world.row(stream).state.first_sync.unwrap();
    assert_eq!(set.from, "2025-01-30T23:00:00.000Z".parse().unwrap(), "the day's first instant there");
    assert_eq!((set.entered.as_str(), set.by.as_str()), ("2025-01-31 Europe/Paris", "ada"));
    assert!(!world.row(stream).health.waits_for_first_sync);
    assert!(world.row("s360_contacts/ACME").health.waits_for_first_sync, "another institution's is its own");
    let audited = world.audited();
    assert_eq!(audited[0], "ada: stream s360_contacts/GLOBE: first sync from 2025-01-31 Europe/Paris");
    assert!(audited[1].contains("connection test passed"), "{audited:?}");
}

#[tokio::test]
async fn checks_at_the_gates_are_answered_bounded_and_without_their_barcodes_s12() {
    let world = World::new();
    let acme: StreamId = "s360_access/ACME".parse().unwrap();
    let now = world.engine.now();
    let write = move |tx: &mut Tx<'_>| {
        // Nothing but what takes the most bytes, in every member.
        let hostile = "\\u0000".repeat(5_000);
        let body = format!(
            r#"{{"barcode": "0123456789", "access_time": "{hostile}", "check_flow": "{hostile}", "result": "{hostile}",
                "failure_reason": "{hostile}", "ticket_id": "{hostile}"}}"#
        );
        (1..=300).try_for_each(|number| tx.put_check(&acme, number, &body, now).map(drop))
    };
    world.engine.store().write(write).await.unwrap();
    let ask = |institution: Option<&str>, before, limit| {
        let institution = institution.map(str::to_owned);
        world.streams.checks(&world.engine, &AccessQuery { institution, since: None, before, limit })
    };
    let Ok(answer @ Answer::AccessChecks(_)) = ask(Some("ACME"), None, u32::MAX) else { panic!("refused") };
    assert!(serde_json::to_vec(&answer).unwrap().len() < crate::wire::MAX_FRAME * 3 / 4, "it fits a frame");
    assert!(!serde_json::to_string(&answer).unwrap().contains("0123456789"), "nobody gets in with what we tell");
    let Answer::AccessChecks(page) = answer else { return };
    assert_eq!((page.checks.len(), page.checks[0].number), (200, 300));
    assert_eq!((page.checks[0].barcode.as_deref(), page.checks[0].told_at), (Some("…6789"), now));
    let Ok(Answer::AccessChecks(rest)) = ask(None, page.more, 500) else { panic!("refused") };
    assert_eq!((rest.checks.len(), rest.more), (100, None), "without an institution: everybody's");
    for (institution, before, why) in [(Some("GLOBE"), None, "no stream s360_access/GLOBE"), (None, Some("x"), "")] {
        let refused = ask(institution, before.map(str::to_owned), 1).unwrap_err();
        assert!(refused.error.message.contains(why), "{}", refused.error);
    }
}

#[tokio::test]
async fn an_institution_with_an_operator_is_tested_by_asking_it_s28() {
    let world = World::new();
    world.put("s360_contacts/ACME", StreamState { last_at: Some(world.engine.now()), ..StreamState::default() }).await;
    let refused = world.act("s360_contacts/ACME", StreamVerb::Test).await.unwrap_err();
    assert!(refused.message.contains("connection test failed"), "a post alone does not do: {refused}");
    assert_eq!(world.row("s360_contacts/ACME").state.tested_at, None);
}

#[tokio::test]
async fn what_was_set_aside_is_listed_cut_read_in_parts_and_dismissed_with_a_trace_s15() {
    let world = World::new();
    let body = format!("{{\"name\":\"{}\"}}", "é".repeat(200_000));
    let first = world.set_aside("s360_contacts/ACME", &body).await;
    let second = world.set_aside("s360_contacts/ACME", "{}").await;
    world.set_aside("s360_contacts/GLOBE", "{}").await;
    assert_eq!(world.row("s360_contacts/ACME").aside, 2);
    let acme: StreamId = "s360_contacts/ACME".parse().unwrap();
    let Ok(Answer::StreamItems(page)) = world.streams.items(&world.engine, &acme, None, 1) else { panic!() };
    assert!(page.more && page.items.len() == 1);
    assert_eq!((page.items[0].number, page.items[0].index, page.items[0].bytes), (first, Some(7), body.len() as u64));
    assert!(page.items[0].body.len() <= MOST_BODY);
    let Ok(Answer::StreamItems(page)) = world.streams.items(&world.engine, &acme, Some(first), 9) else { panic!() };
    assert_eq!(page.items.iter().map(|item| item.number).collect::<Vec<_>>(), [second]);
    let (mut read, mut from) = (String::new(), Some(0));
    while let Some(at) = from {
        let part = StreamPart { id: acme.clone(), number: first };
        let Ok(Answer::Preview(part)) = world.streams.part(&world.engine, &part, PreviewAs::Text, at) else { panic!() };
        read.push_str(&part.text);
        from = part.next;
    }
    assert_eq!(read, body);
    let refused = world.act("s360_contacts/GLOBE", StreamVerb::Dismiss { number: first }).await.unwrap_err();
    assert!(refused.message.contains("no record"), "another institution's: {refused}");
    world.act("s360_contacts/ACME", StreamVerb::Dismiss { number: first }).await.unwrap();
    assert_eq!(world.row("s360_contacts/ACME").aside, 1);
    assert!(world.audited()[0].starts_with(&format!("ada: let go record {first}")), "{:?}", world.audited());
    let refused = world.act("s360_orders/GLOBE", StreamVerb::RunNow).await.unwrap_err();
    assert!(refused.message.contains("no stream s360_orders/GLOBE"), "{refused}");
}

#[tokio::test]
async fn after_an_outage_what_is_known_is_read_again_tenant_by_tenant_s17_scenario_14() {
    let world = World::new();
    let put = |id: String| {
        let row = Shelved {
            module: ModuleId::Contacts,
            side: Side::Ivvy,
            id: RecordId::from(id),
            key: None,
            at: Timestamp::default(),
            gone: false,
            body: "{}".to_owned(),
        };
        let (store, now) = (world.engine.store().clone(), world.engine.now());
        async move { store.write(move |tx| tx.shelve(&row, now)).await.unwrap() }
    };
    for number in 0..130 {
        put(format!("ACME-{number}")).await;
    }
    put("GLOBE-1".to_owned()).await;
    let now = world.engine.now();
    let gap = Gap { from: now.minus(Duration::from_secs(20_000)), to: now };
    let mut lost = StreamState { possible_loss: Some(gap), ..StreamState::default() };
    world.put("s360_contacts/ACME", lost.clone()).await;
    let refused = world.act("s360_contacts/ACME", StreamVerb::Reconcile).await.unwrap_err();
    assert!(refused.message.contains("first-sync date"), "nothing takes part yet: {refused}");
    lost.first_sync =
        Some(FirstSync { from: Timestamp::EPOCH, entered: "1970-01-01 UTC".to_owned(), by: "ada".to_owned(), at: now });
    world.put("s360_contacts/ACME", lost.clone()).await;
    world.put("s360_contacts/GLOBE", lost).await;
    assert_eq!(world.row("s360_contacts/ACME").words()[0], "possible loss");
    let refused = world.act("s360_contacts/GLOBE", StreamVerb::Reconcile).await.unwrap_err();
    assert!(refused.message.contains("no operator") && refused.hint.unwrap().contains("send that time again"));
    let told = world.act("s360_contacts/ACME", StreamVerb::Reconcile).await.unwrap();
    assert_eq!(told, "130 records are read again");
    let nudged = || -> Vec<String> {
        let nudges = world.engine.store().read(|view| view.nudges(None, 500)).unwrap();
        nudges.into_iter().map(|nudge| nudge.id.as_str().to_owned()).collect()
    };
    // Nobody reads here, so the task waits after its first chunk: it never runs ahead of who reads.
    let mut changes = world.engine.store().changes();
    while nudged().len() < CHUNK {
        changes.recv().await.unwrap();
    }
    assert!(nudged().iter().all(|id| id.starts_with("ACME-")), "another institution's is left alone");
    while world.row("s360_contacts/ACME").reconciling != Some((0, 130)) {
        tokio::task::yield_now().await;
    }
    let again = world.act("s360_contacts/ACME", StreamVerb::Reconcile).await.unwrap_err();
    assert!(again.message.contains("already"), "{again}");
    let told = world.act("s360_contacts/ACME", StreamVerb::LossSettled).await.unwrap();
    assert_eq!(told, "the possible loss is settled; 100 records still wait to be read again");
    assert!(!world.row("s360_contacts/ACME").health.possible_loss);
    assert!(world.row("s360_contacts/GLOBE").health.possible_loss, "another institution's is its own");
    assert!(world.act("s360_contacts/ACME", StreamVerb::LossSettled).await.is_err(), "only once");
}

#[test]
fn check_tells_institutions_profile_and_addresses_and_what_is_switched_off_c04_s18() {
    let say = |config: &Config, state: Option<StreamState>| {
        let rows = check(config, |_| state.clone());
        let line = |row: CheckRow| format!("{} {}: {}", if row.ok { "ok" } else { "FAIL" }, row.what, row.found);
        rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let s360 = config(&[S360, ODOO, INBOUND]);
    let text = say(&s360, None);
    assert!(
        text.contains(
            "institution ACME: contacts, orders, access posted to us; read and written as operator TANDEM_OP"
        )
    );
    assert!(text.contains("institution GLOBE: contacts posted to us; receive-only"), "{text}");
    assert!(
        text.contains("ok stream s360_contacts/ACME: comes in at /s360/contacts/ACME; auth basic, two secrets valid")
    );
    assert!(text.contains("auth UNPROTECTED"), "{text}");
    assert!(text.contains("ok stream s360_contacts/GLOBE") && text.contains("first-sync date is to be set"), "{text}");
    let text = say(&s360, Some(StreamState::default()));
    assert!(text.contains("FAIL stream s360_contacts/GLOBE") && text.contains("first-sync date missing"), "{text}");
    let ivvy = "version = 1\n[ivvy]\nurl = \"https://a.example\"\nkey = \"k\"\nsecret = { env = \"I\" }\n";
    let text = say(&config(&[ivvy, CONNECTOR, INBOUND]), None);
    assert!(text.contains("receive with prospects, by Ann Example on 2026-01-31; switched off: lead sources, members, writing to the Connector"), "{text}");
    assert!(text.contains("declared abilities: list staff"), "{text}");
    let text = say(&config(&[ivvy, PUSH]), None);
    assert!(text.contains("stream push_orders: goes to https://crm.example.com/o; auth basic"), "{text}");
    assert_eq!(say(&config(&[ivvy, ODOO]), None), "", "nothing is said where nothing is posted");
}

#[tokio::test]
async fn a_first_sync_of_which_nothing_is_planned_is_not_let_go_s28() {
    let world = World::new();
    let module = ModuleId::Contacts;
    let now = Timestamp::from_secs(1_795_000_000);
    let trip = |cause| Guard {
        module,
        tripped: Some(Trip::new(cause, now, "because")),
        first_released: None,
        window_start: now,
        creates: 0,
        updates: 0,
        conflicts: 0,
        fields: Default::default(),
        mapping: None,
    };
    let put = async |guard: Guard| world.engine.store().write(move |tx| tx.put_guard(&guard)).await.unwrap();
    let refused = || world.streams.expect_read(&world.engine, module).map_err(|failed| failed.error.message);
    put(trip(TripCause::FirstSync)).await;
    assert!(refused().unwrap_err().contains("first-sync date of s360_contacts/ACME is set"));
    let first = FirstSync { from: now, entered: "2026-01-31 UTC".to_owned(), by: "ada".to_owned(), at: now };
    for stream in ["s360_contacts/ACME", "s360_contacts/GLOBE"] {
        world.put(stream, StreamState { first_sync: Some(first.clone()), ..StreamState::default() }).await;
    }
    assert!(refused().unwrap_err().contains("was read to its end"));
    let read = move |tx: &mut Tx<'_>| {
        for side in Side::BOTH {
            let mut cursor = tx.cursor(module, side)?;
            cursor.last_full = Some(now);
            tx.put_cursor(module, side, &cursor)?;
        }
        Ok(())
    };
    world.engine.store().write(read).await.unwrap();
    assert_eq!(refused(), Ok(()), "an account may well have no contacts");
    world.put("s360_contacts/ACME", StreamState::default()).await;
    put(trip(TripCause::Creates)).await;
    assert_eq!(refused(), Ok(()), "any other trip is let go when a person says so");
}
