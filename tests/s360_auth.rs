//! Who may post S-360's records to us, over real HTTP (S-18, S-19, scenario 11).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod intake_support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use intake_support::{Life, RHYTHM, people};
use secrecy::SecretString;
use tandem::inbound::Guard;
use tandem::inbound::s360::Stream;
use tandem::model::{ModuleId, StreamId, StreamKind};
use tandem::seam::{Clock, SystemClock};
use tandem::store::{Options, Store};

const CONTACTS: StreamKind = StreamKind::S360Contacts;

/// What is logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is presented, in which headers, and how a guard for Basic and one for a key answer it.
type Presented = (&'static str, Vec<(&'static str, String)>, [u16; 2]);

const OLD: &str = "OldSecretOfTheSender";
const NEW: &str = "NewSecretOfTheSender";
const RETIRED: &str = "RetiredSecretOfTheSender";
const WRONG: &str = "WrongSecretOfAStranger";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_post_and_who_may_not_over_real_http_s18_s19_scenario_11() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || written.clone())
        .finish();
    // The only test of this program that reads the log; the others' lines are in it too.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secrets: Vec<SecretString> = [OLD, NEW].map(SecretString::from).into();
    let name = |tenant: &str| StreamId::new(CONTACTS, tenant);
    let guards = [
        Guard::open("s360_contacts/OPEN", Arc::clone(&clock)),
        Guard::basic("s360_contacts/BASIC", "s360", &secrets, Arc::clone(&clock)),
        Guard::key("s360_contacts/KEY", "X-API-Key", &secrets, Arc::clone(&clock)).unwrap(),
    ];
    let shown = format!("{guards:?}");
    let streams = ["OPEN", "BASIC", "KEY"]
        .into_iter()
        .zip(guards)
        .map(|(tenant, guard)| Stream { id: name(tenant), rhythm: RHYTHM, guard, operator: true })
        .collect();
    let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
    let life = Life::begin(store, &clock, streams);

    let basic =
        |user: &str, password: &str| format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
    let bearer = |secret: &str| format!("Bearer {secret}");
    let some = |name: &'static str, value: String| vec![(name, value)];
    // OPEN takes all of it.
    let table: Vec<Presented> = vec![
        ("ok, basic, rotated new", some("Authorization", basic("s360", NEW)), [200, 401]),
        ("ok, basic, rotated old", some("Authorization", basic("s360", OLD)), [200, 401]),
        ("ok, key, rotated new", some("X-API-Key", NEW.to_owned()), [401, 200]),
        ("ok, key, rotated old", some("x-api-KEY", OLD.to_owned()), [401, 200]),
        ("scheme in other letters", some("authorization", basic("s360", NEW).replace("Basic", "BASIC")), [200, 401]),
        ("missing", Vec::new(), [401, 401]),
        ("wrong password", some("Authorization", basic("s360", WRONG)), [401, 401]),
        ("wrong user", some("Authorization", basic("s361", NEW)), [401, 401]),
        ("wrong key", some("X-API-Key", WRONG.to_owned()), [401, 401]),
        ("retired password", some("Authorization", basic("s360", RETIRED)), [401, 401]),
        ("retired key", some("X-API-Key", RETIRED.to_owned()), [401, 401]),
        ("wrong scheme", some("Authorization", bearer(NEW)), [401, 401]),
        ("key as another header", some("X-Api-Token", NEW.to_owned()), [401, 401]),
        ("password unencoded", some("Authorization", format!("Basic s360:{NEW}")), [401, 401]),
        ("empty password", some("Authorization", basic("s360", "")), [401, 401]),
        ("empty basic", some("Authorization", "Basic".to_owned()), [401, 401]),
        ("empty key", some("X-API-Key", String::new()), [401, 401]),
        ("part of the key", some("X-API-Key", NEW[..5].to_owned()), [401, 401]),
        ("key with more", some("X-API-Key", format!("{NEW}x")), [401, 401]),
    ];
    let mut refused = [0_u64; 2];
    for (index, (what, headers, expected)) in table.iter().enumerate() {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let batch = people(index..index + 1, "Ada");
        let open = life.send("POST", "/s360/contacts/OPEN", &headers, batch.clone()).await;
        assert_eq!(open.status, 200, "{what}");
        for (turn, tenant) in ["BASIC", "KEY"].into_iter().enumerate() {
            let said = life.send("POST", &format!("/s360/contacts/{tenant}"), &headers, batch.clone()).await;
            assert_eq!(said.status, expected[turn], "{what} at {tenant}");
            refused[turn] += u64::from(said.status == 401);
            let challenged = said.headers.contains_key("www-authenticate");
            assert_eq!(challenged, said.status == 401 && tenant == "BASIC", "{what} at {tenant}");
        }
    }
    // Refused is not taken, and the same payload with the right key is.
    let late = table.len() - 1;
    assert_eq!(life.shelved(ModuleId::Contacts, &format!("KEY-{late}")), None);
    let headers = [("X-API-Key", NEW)];
    let again = life.send("POST", "/s360/contacts/KEY", &headers, people(late..late + 1, "Ada")).await;
    assert_eq!(again.status, 200);
    assert!(life.shelved(ModuleId::Contacts, &format!("KEY-{late}")).is_some());
    for (tenant, refused) in ["BASIC", "KEY"].into_iter().zip(refused) {
        let state = life.until(CONTACTS, tenant, |state| state.refused == refused).await;
        // What was wrong is over once a post was taken; nothing was since at BASIC.
        let wrong = (tenant == "BASIC").then_some("its sender did not prove who it is");
        assert_eq!(state.last_error.as_deref(), wrong, "{tenant}");
        assert_eq!((state.outage_at, state.failing.is_empty()), (None, true), "strangers make no outage");
    }
    assert_eq!(life.state(CONTACTS, "OPEN").refused, 0);
    life.end().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for tenant in ["BASIC", "KEY"] {
        let warned =
            log.lines().filter(|line| line.contains(&format!("s360_contacts/{tenant}")) && line.contains("WARN"));
        assert_eq!(warned.count(), 1, "once a minute at most\n{log}");
    }
    for secret in [OLD, NEW, RETIRED, WRONG] {
        let encoded = BASE64.encode(format!("s360:{secret}").as_bytes());
        for text in [&log, &shown] {
            assert!(!text.contains(secret) && !text.contains(&encoded), "a credential is shown");
        }
    }
}
