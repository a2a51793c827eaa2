//! `kill -9` of the real program while eight senders post to it (S-14 to S-16, scenario 10): what was answered 200
//! is there, exactly once, and nothing else is needed of a sender than to repeat what was not.
//!
//! `TANDEM_INTAKE_SECONDS` sets how long it goes on (8 unless set), `TANDEM_KILL_SEED` the seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "seed and figures are for people")]

mod kill_support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use futures::future::join_all;
use kill_support::{Home, PATIENCE, private};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tandem::model::{ModuleId, Side, StreamId, StreamKind};
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::remote::transport::{Limits, Transport as _};
use tandem::seam::Entropy;
use tandem::store::{Options, Reads as _, Store};

/// Posting at a time; half of them for each institution, with the same contact numbers.
const SENDERS: usize = 8;
const RECORDS: usize = 50;
/// Contacts each sender has.
const PEOPLE: u64 = 200;
/// A life lasts at most this long after the first answer.
const LONGEST_LIFE: Duration = Duration::from_millis(1500);
const KEY: &str = "KeyOfTheSenderThatNobodySees";
const PASSWORD: &str = "PasswordThatNobodySees";
const TENANTS: [&str; 2] = ["ACME", "GLOBE"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// A configuration with two institutions that post contacts, and a CRM that is nowhere.
fn configure(directory: &std::path::Path, listen: SocketAddr) -> Home {
    let home = Home::new(directory);
    for (name, secret) in [("key", KEY), ("password", PASSWORD), ("odoo", "none")] {
        private(&directory.join(name), secret);
    }
    let place = |name: &str| json!({ "file": directory.join(name) });
    let config = json!({
        "version": tandem::config::VERSION,
        "account": "town",
        "environment": "test",
        "data_dir": home.data,
        "socket": home.socket,
        "inbound": { "listen": listen.to_string() },
        "s360": {
            "partner": "TANDEM",
            "institutions": {
                "ACME": { "contacts": { "auth": { "kind": "api_key", "keys": [place("key")] } } },
                "GLOBE": { "contacts": { "auth": { "kind": "basic", "user": "s360", "passwords": [place("password")] } } },
            },
        },
        "crm": { "kind": "odoo", "url": "http://127.0.0.1:9", "database": "nowhere", "key": place("odoo") },
        "modules": { "companies": { "enabled": true } },
    });
    private(&home.config, &toml::to_string(&config).unwrap());
    home
}

/// One sender: posts what it has, and again until it is answered 200.
struct Sender {
    tenant: &'static str,
    /// Its contacts begin with this number; two senders of one institution never share one.
    first: u64,
    url: String,
    http: ReqwestTransport,
    dice: Entropy,
    /// What each of its contacts was last said to be.
    last: BTreeMap<u64, u64>,
    /// Digests of what was answered 200.
    answered: BTreeSet<[u8; 32]>,
    /// Posts that were not answered 200.
    failed: u64,
}

impl Sender {
    fn payload(&self, turn: u64) -> (Vec<u64>, String) {
        let mut numbers = BTreeSet::new();
        while numbers.len() < RECORDS {
            numbers.insert(self.first + self.dice.below(PEOPLE));
        }
        let people = numbers.iter().map(|number| {
            json!({
                "contactNumber": number.to_string(),
                "individualContact": { "firstName": format!("Turn {turn}"), "lastName": format!("{}", self.tenant) },
            })
        });
        let body = Value::Array(people.collect()).to_string();
        (numbers.into_iter().collect(), body)
    }

    /// The status; 0 for no answer.
    async fn post(&self, body: &str) -> u16 {
        let request = http::Request::post(&self.url);
        let request = match self.tenant {
            "ACME" => request.header("X-API-Key", KEY),
            _ => request
                .header("Authorization", format!("Basic {}", BASE64.encode(format!("s360:{PASSWORD}").as_bytes()))),
        };
        let limits = Limits { total: Duration::from_secs(15), max_body: 1024 };
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        self.http.send(request, limits).await.map_or(0, |answer| answer.status().as_u16())
    }

    /// Posts one payload until it is taken.
    async fn deliver(&mut self, body: &str, answers: &AtomicU64) {
        let started = Instant::now();
        loop {
            match self.post(body).await {
                200 => break,
                // Nobody there, cut off, or stopping.
                0 | 503 => {
                    self.failed += 1;
                    assert!(started.elapsed() < PATIENCE, "never taken");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                other => panic!("answered {other}"),
            }
        }
        answers.fetch_add(1, Ordering::SeqCst);
    }

    async fn work(mut self, answers: Arc<AtomicU64>, enough: Arc<AtomicBool>) -> Self {
        let mut turn = 0;
        while !enough.load(Ordering::SeqCst) {
            turn += 1;
            let (numbers, body) = self.payload(turn);
            self.deliver(&body, &answers).await;
            self.last.extend(numbers.into_iter().map(|number| (number, turn)));
            self.answered.insert(digest(self.tenant, &body));
            if self.dice.chance(1, 8) {
                // As if the answer had been lost on the way.
                self.deliver(&body, &answers).await;
            }
        }
        self
    }
}

fn digest(tenant: &str, body: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([StreamKind::S360Contacts.number()]);
    digest.update(tenant);
    digest.update([0]);
    digest.update(body);
    digest.finalize().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_payload_answered_200_is_applied_exactly_once_under_kill_9_s14_s16_scenario_10() {
    let seconds = number("TANDEM_INTAKE_SECONDS", 8);
    let seed = number("TANDEM_KILL_SEED", Entropy::from_system().next());
    eprintln!("TANDEM_KILL_SEED={seed} TANDEM_INTAKE_SECONDS={seconds}");
    let directory = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = configure(directory.path(), listen);
    let dice = Entropy::seeded(seed);
    let (answers, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let senders = (0..SENDERS).map(|index| {
        let tenant = TENANTS[index % TENANTS.len()];
        let sender = Sender {
            tenant,
            first: 1000 * (1 + index as u64 / 2),
            url: format!("http://{listen}/s360/contacts/{tenant}"),
            http: ReqwestTransport::new(&HttpSettings::default()).unwrap(),
            dice: Entropy::seeded(dice.next()),
            last: BTreeMap::new(),
            answered: BTreeSet::new(),
            failed: 0,
        };
        tokio::spawn(sender.work(Arc::clone(&answers), Arc::clone(&enough)))
    });
    let senders: Vec<_> = senders.collect();

    let (started, mut kills) = (Instant::now(), 0_u64);
    while kills < 3 || started.elapsed() < Duration::from_secs(seconds) {
        let daemon = home.start();
        let before = answers.load(Ordering::SeqCst);
        let born = Instant::now();
        while answers.load(Ordering::SeqCst) == before {
            assert!(born.elapsed() < PATIENCE, "nothing is answered\n{}", home.tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(dice.duration_up_to(LONGEST_LIFE)).await;
        daemon.kill();
        kills += 1;
    }
    // Whatever is under way is to be answered still.
    let daemon = home.start();
    enough.store(true, Ordering::SeqCst);
    let senders: Vec<Sender> = join_all(senders).await.into_iter().map(Result::unwrap).collect();
    daemon.stop().await;

    let doctor = home.run_aside(&["doctor"]).await;
    assert_eq!((doctor.code, doctor.out.trim()), (Some(0), "everything fits"), "{doctor:?}");
    let store = Store::open(&home.store(), Options { instance: "town".to_owned(), ..Options::default() }).unwrap();
    let (mut payloads, mut repeated) = (0, 0);
    for tenant in TENANTS {
        let of: Vec<&Sender> = senders.iter().filter(|sender| sender.tenant == tenant).collect();
        let stream = StreamId::new(StreamKind::S360Contacts, tenant);
        let state = store.read(|view| view.stream(&stream)).unwrap();
        let answered: BTreeSet<[u8; 32]> = of.iter().flat_map(|sender| sender.answered.iter().copied()).collect();
        for digest in &answered {
            assert!(store.read(|view| view.is_payload_known(&stream, digest)).unwrap(), "a payload is lost");
        }
        let count = answered.len() as u64;
        assert_eq!((state.payloads, state.records), (count, count * RECORDS as u64), "each exactly once: {state:?}");
        assert_eq!((state.refused, state.quarantined), (0, 0));
        let expected: BTreeMap<String, u64> = of
            .iter()
            .flat_map(|sender| sender.last.iter().map(|(number, turn)| (format!("{tenant}-{number}"), *turn)))
            .collect();
        let shelf = store.read(|view| view.shelf(ModuleId::Contacts, Side::Ivvy, None, None, usize::MAX)).unwrap();
        let found: BTreeMap<String, u64> = shelf
            .iter()
            .filter(|row| row.id.as_str().starts_with(tenant))
            .map(|row| {
                let body: Value = serde_json::from_str(&row.body).unwrap();
                assert_eq!(body["individualContact"]["lastName"], tenant);
                let turn = body["individualContact"]["firstName"].as_str().unwrap().strip_prefix("Turn ").unwrap();
                (row.id.to_string(), turn.parse().unwrap())
            })
            .collect();
        assert_eq!(found, expected, "every record with its last content");
        payloads += state.payloads;
        repeated += state.repeated;
    }
    let failed: u64 = senders.iter().map(|sender| sender.failed).sum();
    eprintln!("{kills} kills, {payloads} payloads taken, {repeated} came again, {failed} posts were not answered 200");
    assert!(payloads > 3 * SENDERS as u64 && repeated > 0 && failed > 0, "the test did not do its work");
    let log = std::fs::read_to_string(&home.log).unwrap_or_default();
    for secret in [KEY, PASSWORD, &BASE64.encode(format!("s360:{PASSWORD}").as_bytes())] {
        assert!(!log.contains(secret), "a credential is in the log");
    }
}
