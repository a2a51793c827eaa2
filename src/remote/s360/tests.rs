//! The adapter against the simulated S-360, over a shelf in memory.

mod bookings;
mod listing;
mod records;
mod refusals;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::*;
use crate::model::{FirstSync, Shelved, Side, StreamId, StreamKind, StreamState, Timestamp, Value};
use crate::remote::Lane;
use crate::remote::gate::{Gate, GateSettings, GatedTransport};
use crate::remote::transport::{Limits, Transport};
use crate::seam::{Entropy, TokioClock};
use crate::sim::fault::{FaultKind, FaultSpec};
use crate::sim::inprocess::InProcess;
use crate::sim::ledger::Op;
use crate::sim::s360 as sim;

/// A shelf that keeps everything in memory.
#[derive(Debug, Default)]
struct MemoryShelf {
    rows: Mutex<BTreeMap<(ModuleId, RecordId), Shelved>>,
    streams: Mutex<BTreeMap<StreamId, StreamState>>,
    last: Mutex<i64>,
    /// The disk fails from now on.
    broken: std::sync::atomic::AtomicBool,
}

impl MemoryShelf {
    /// What was posted at `at`, or a moment later.
    fn tell(&self, module: ModuleId, id: &str, at: Timestamp, body: &Json) -> Timestamp {
        let mut last = self.last.lock().unwrap();
        *last = at.millis().max(*last + 1);
        let at = Timestamp::from_millis(*last);
        let row =
            Shelved { module, side: Side::Ivvy, id: id.into(), key: None, at, gone: false, body: body.to_string() };
        self.rows.lock().unwrap().insert((module, id.into()), row);
        at
    }

    fn begin(&self, kind: StreamKind, tenant: &str, from: &str, at: Timestamp) {
        let first = FirstSync {
            from: from.parse().unwrap(),
            entered: format!("{} UTC", &from[..10]),
            by: "ada".to_owned(),
            at,
        };
        let state = StreamState { first_sync: Some(first), ..StreamState::default() };
        self.streams.lock().unwrap().insert(StreamId::new(kind, tenant), state);
    }

    fn body(&self, module: ModuleId, id: &str) -> Option<Json> {
        let rows = self.rows.lock().unwrap();
        rows.get(&(module, id.into())).map(|row| serde_json::from_str(&row.body).unwrap())
    }
}

impl Shelf for MemoryShelf {
    fn page(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Shelved>, String> {
        let rows = self.rows.lock().unwrap();
        let mut rows: Vec<Shelved> = rows
            .values()
            .filter(|row| row.module == module && from.is_none_or(|from| row.at >= from))
            .filter(|row| after.is_none_or(|after| row.at > after))
            .cloned()
            .collect();
        rows.sort_by_key(|row| row.at);
        rows.truncate(limit);
        Ok(rows)
    }

    fn get(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, String> {
        if self.broken.load(std::sync::atomic::Ordering::Relaxed) {
            return Err("the disk is gone".to_owned());
        }
        Ok(self.rows.lock().unwrap().get(&(module, id.clone())).cloned())
    }

    fn by_key(&self, _: ModuleId, _: &str) -> Result<Option<Shelved>, String> {
        Ok(None)
    }

    fn stream(&self, stream: &StreamId) -> Result<StreamState, String> {
        Ok(self.streams.lock().unwrap().get(stream).cloned().unwrap_or_default())
    }

    fn put(&self, row: Shelved) -> BoxFuture<'_, Result<Timestamp, String>> {
        let mut rows = self.rows.lock().unwrap();
        let key = (row.module, row.id.clone());
        let same = rows.get(&key).filter(|known| (&known.body, known.gone) == (&row.body, row.gone));
        let at = match same {
            Some(known) => known.at,
            None => {
                let mut last = self.last.lock().unwrap();
                *last += 1;
                Timestamp::from_millis(*last)
            }
        };
        rows.insert(key, Shelved { at, ..row });
        Box::pin(std::future::ready(Ok(at)))
    }
}

/// What stands between us and the simulator: gets the method and the body of every call, and may answer it itself.
type Meddling = Box<dyn FnMut(&str, &Json) -> Option<Json> + Send>;

/// A network somebody meddles with.
struct Meddler {
    inner: Arc<dyn Transport>,
    act: Mutex<Meddling>,
}

impl std::fmt::Debug for Meddler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Meddler")
    }
}

impl Transport for Meddler {
    fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, crate::remote::transport::TransportError>> {
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
            let body = serde_json::from_slice(request.body()).unwrap();
            let response = self.inner.send(request, limits).await?;
            let answer = (self.act.lock().unwrap())(&method, &body);
            Ok(match answer {
                Some(answer) => http::Response::new(bytes::Bytes::from(answer.to_string())),
                None => response,
            })
        })
    }
}

/// When everything begins.
const NOW: &str = "2026-11-21T08:00:00Z";

/// The institutions ACME and GLOBE, which both number from 100001, and an adapter for them.
struct Bench {
    sim: Arc<sim::S360Sim>,
    shelf: Arc<MemoryShelf>,
    clock: Arc<dyn Clock>,
    s360: S360,
}

impl Bench {
    /// Both may be called, and everything takes part.
    fn open() -> Self {
        Self::with(&["ACME", "GLOBE"])
    }

    /// Only `called` have an operator.
    fn with(called: &[&str]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(NOW.parse().unwrap()));
        let sim = sim::S360Sim::new(sim::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
        let transport: Arc<dyn Transport> = Arc::new(InProcess { router: sim.router() });
        let transports = BTreeMap::from(["ACME", "GLOBE"].map(|code| (code, Arc::clone(&transport))));
        Self::over(sim, clock, called, &transports)
    }

    /// `act` stands between us and ACME.
    fn meddled(act: impl FnMut(&str, &Json) -> Option<Json> + Send + 'static) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(NOW.parse().unwrap()));
        let sim = sim::S360Sim::new(sim::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
        let plain: Arc<dyn Transport> = Arc::new(InProcess { router: sim.router() });
        let meddler: Arc<dyn Transport> =
            Arc::new(Meddler { inner: Arc::clone(&plain), act: Mutex::new(Box::new(act)) });
        Self::over(sim, clock, &["ACME", "GLOBE"], &BTreeMap::from([("ACME", meddler), ("GLOBE", plain)]))
    }

    fn over(
        sim: Arc<sim::S360Sim>,
        clock: Arc<dyn Clock>,
        called: &[&str],
        transports: &BTreeMap<&str, Arc<dyn Transport>>,
    ) -> Self {
        let shelf = Arc::new(MemoryShelf::default());
        let mut institutions = BTreeMap::new();
        for account in &sim.settings().institutions {
            let code = account.code.as_str();
            let operator = Operator { name: account.operator.clone(), secret: account.secret.clone() };
            let institution = Institution {
                url: Some(format!("http://127.0.0.1:1/{}", code.to_lowercase())),
                operator: called.contains(&code).then_some(operator),
                currency: Some("EUR".to_owned()),
                bookings: (code == "ACME").then_some(Bookings { point_of_sales: 12, payment_method: Some(3) }),
                contacts_posted: true,
                transport: Arc::clone(&transports[code]),
            };
            institutions.insert(code.to_owned(), institution);
            for kind in [StreamKind::S360Contacts, StreamKind::S360Orders] {
                shelf.begin(kind, code, "2020-01-01T00:00:00Z", Timestamp::EPOCH);
            }
        }
        let settings = Settings {
            partner: "TANDEM".to_owned(),
            reference: OurReference { account: "house".to_owned(), crm: "1a2b3".to_owned() },
            institutions,
            settle: Duration::from_secs(10),
            limits: Limits::default(),
        };
        let s360 = S360::new(&settings, Arc::clone(&shelf) as Arc<dyn Shelf>, Arc::clone(&clock)).unwrap();
        Self { sim, shelf, clock, s360 }
    }

    /// A person in S-360 that nobody has told us of; their number.
    fn person(&self, code: &str, first: &str, email: &str) -> String {
        let fields = json!({
            "individualContact": {"title": "MRS", "firstName": first, "lastName": "King", "dateOfBirth": "1980-12-31"},
            "communicationMeans": [{"type": "EMAIL", "value": email, "main": true}],
        });
        self.sim.add_contact(code, fields, self.clock.now()).unwrap()
    }

    fn structure(&self, code: &str, name: &str) -> String {
        let fields = json!({"structureContact": {"name": name}});
        self.sim.add_contact(code, fields, self.clock.now()).unwrap()
    }

    async fn found(&self, module: ModuleId, id: &str) -> Record {
        match self.s360.get(module, &id.into()).await.unwrap() {
            Read::Found(record) => *record,
            other => panic!("{other:?}"),
        }
    }

    /// Everything a listing shows, page by page.
    async fn sweep(&self, module: ModuleId, from: Option<Timestamp>) -> Vec<Record> {
        let mut request = PageRequest { from, ..PageRequest::default() };
        let mut records = Vec::new();
        loop {
            let page = self.s360.list(module, &request).await.unwrap();
            records.extend(page.records);
            request.position = page.next;
            if request.position.is_none() {
                return records;
            }
        }
    }

    async fn ids(&self, module: ModuleId) -> Vec<String> {
        self.sweep(module, None).await.into_iter().map(|record| record.id.to_string()).collect()
    }
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), Value::text(*text))).collect()
}

fn ada() -> Fields {
    fields(&[("first_name", "Ada"), ("last_name", "King"), ("email", "ada@x.example"), ("phone", "+33 6")])
}
