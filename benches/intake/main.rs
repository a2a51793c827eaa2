//! What S-360 posts: eight senders of fifty records each against the intake, beside a bare axum route that commits
//! as much to a bare redb in the same run.
//!
//! `cargo bench --bench intake` prints a table. It asserts nothing but that everything was taken: a shared machine
//! would make it lie. `TANDEM_BENCH_PAYLOADS` sets how many each sender posts.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has ended")]

#[path = "../../tests/intake_support/mod.rs"]
mod intake_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use futures::future::join_all;
use intake_support::{Life, Place, all_open};
use redb::{Database, TableDefinition};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tandem::inbound::{Receiver, Routes};
use tandem::model::{ModuleId, StreamKind};
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::remote::transport::{Limits, Transport as _};
use tandem::seam::{Clock, SystemClock};

const SENDERS: usize = 8;
const RECORDS: usize = 50;
const PATH: &str = "/s360/contacts/ACME";

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
const PAYLOADS: Table = TableDefinition::new("payloads");
const ROWS: Table = TableDefinition::new("rows");

fn main() {
    let payloads = std::env::var("TANDEM_BENCH_PAYLOADS").map_or(100, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(payloads));
}

async fn run(payloads: usize) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bytes = body(0, 0).len();
    println!("{SENDERS} senders, {payloads} payloads each, {RECORDS} records and {bytes} bytes in a payload\n");
    println!("{:<24} {:>11} {:>11} {:>9} {:>9} {:>9}", "", "payloads/s", "records/s", "p50 ms", "p99 ms", "max ms");

    let place = Place::new();
    let life = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    let tandem = drive(&life.url(), payloads).await;
    let state = life.state(StreamKind::S360Contacts, "ACME");
    assert_eq!((state.payloads, state.repeated), ((SENDERS * payloads) as u64, 0));
    assert_eq!(life.shelf(ModuleId::Contacts).len(), SENDERS * RECORDS);
    life.end().await;
    tandem.print("intake");

    let directory = tempfile::tempdir().unwrap();
    let db = Arc::new(Database::create(directory.path().join("floor.redb")).unwrap());
    let txn = db.begin_write().unwrap();
    (txn.open_table(PAYLOADS).unwrap(), txn.open_table(ROWS).unwrap());
    txn.commit().unwrap();
    let routes: Routes = Routes::new().route(PATH, post(bare)).with_state(db);
    let receiver = Receiver::listen(routes, ([127, 0, 0, 1], 0).into(), clock).unwrap();
    let floor = drive(&format!("http://{}", receiver.addr()), payloads).await;
    receiver.stop().await;
    floor.print("bare axum and redb");
    println!("\nintake / bare: {:.2} of its throughput", tandem.throughput() / floor.throughput());
}

/// The same commit without anything around it.
async fn bare(State(db): State<Arc<Database>>, body: Bytes) -> StatusCode {
    let committed = tokio::task::spawn_blocking(move || {
        let records: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let txn = db.begin_write().unwrap();
        {
            let digest: [u8; 32] = Sha256::digest(&body).into();
            txn.open_table(PAYLOADS).unwrap().insert(&digest[..], &b"1"[..]).unwrap();
            let mut rows = txn.open_table(ROWS).unwrap();
            for record in &records {
                let key = record["contactNumber"].as_str().unwrap();
                rows.insert(key.as_bytes(), record.to_string().as_bytes()).unwrap();
            }
        }
        txn.commit().unwrap();
    });
    if committed.await.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}

/// A payload of one sender: the same people each time, and another content.
fn body(sender: usize, turn: usize) -> String {
    let people = (0..RECORDS).map(|index| {
        json!({
            "contactNumber": (sender * RECORDS + index).to_string(),
            "contactId": 9_007_199_254_740_993_u64,
            "role": "PUBLIC",
            "individualContact": { "firstName": format!("Turn {turn}"), "lastName": "Example", "title": "MRS" },
            "addresses": [{ "main": true, "street1": "Rue du Test 1", "town": "Lausanne", "zipCode": "1000", "countryCode": "CH" }],
            "authorizations": [{ "authorizationCode": "NEWS", "allowed": true }, { "authorizationCode": "SMS", "allowed": false }],
            "communicationMeans": [{ "type": "EMAIL", "value": format!("person{index}@example.org"), "main": true }],
        })
    });
    Value::Array(people.collect()).to_string()
}

struct Figures {
    took: Duration,
    each: Vec<Duration>,
}

impl Figures {
    fn throughput(&self) -> f64 {
        self.each.len() as f64 / self.took.as_secs_f64()
    }

    fn print(&self, name: &str) {
        let mut sorted = self.each.clone();
        sorted.sort();
        let at = |per_mille: usize| sorted[(sorted.len() - 1) * per_mille / 1000].as_secs_f64() * 1e3;
        let rate = self.throughput();
        println!(
            "{name:<24} {rate:>11.1} {:>11.0} {:>9.1} {:>9.1} {:>9.1}",
            rate * RECORDS as f64,
            at(500),
            at(990),
            at(1000)
        );
    }
}

async fn drive(url: &str, payloads: usize) -> Figures {
    let bodies: Vec<Vec<String>> =
        (0..SENDERS).map(|sender| (0..payloads).map(|turn| body(sender, turn)).collect()).collect();
    let started = Instant::now();
    let senders = bodies.into_iter().map(|bodies| {
        let url = format!("{url}{PATH}");
        tokio::spawn(async move {
            let http = ReqwestTransport::new(&HttpSettings::default()).unwrap();
            let limits = Limits { total: Duration::from_secs(30), max_body: 1024 };
            let mut each = Vec::new();
            for body in bodies {
                let sent = Instant::now();
                let answer = http.send(http::Request::post(&url).body(body.into()).unwrap(), limits).await.unwrap();
                assert_eq!(answer.status(), 200);
                each.push(sent.elapsed());
            }
            each
        })
    });
    let each = join_all(senders.collect::<Vec<_>>()).await.into_iter().flat_map(Result::unwrap).collect();
    Figures { took: started.elapsed(), each }
}
