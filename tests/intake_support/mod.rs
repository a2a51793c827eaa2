//! An intake of S-360's posts over real HTTP, on an engine that does not run: what is taken is only on disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "every test binary uses another part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use secrecy::SecretString;
use tandem::inbound::s360::{S360Intake, Stream};
use tandem::inbound::{Guard, Receiver};
use tandem::model::{
    ModuleId, Quarantined, RecordId, Rhythm, Shelved, Side, StreamId, StreamKind, StreamState, Timestamp,
};
use tandem::remote::Remote;
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::remote::odoo::{self, Odoo};
use tandem::remote::transport::{Limits, Transport as _};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::store::{Options, Reads as _, Store};
use tandem::sync::{Engine, Remotes, Settings};

/// S-360's own rhythm.
pub const RHYTHM: Rhythm = Rhythm { every: Duration::from_secs(15 * 60), per_run: 500, per_payload: 50, tries: 12 };
/// How long a condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that is moved by hand; sleeping takes its real time.
#[derive(Debug)]
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_795_000_000_000)))
    }

    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

/// A clock on which everything takes a hundredth of its time.
#[derive(Debug)]
pub struct HastyClock;

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration / 100)
    }
}

/// An engine on `store` whose two systems are nowhere.
pub fn engine(store: Store, clock: Arc<dyn Clock>) -> Engine {
    let settings = odoo::Settings::new("http://127.0.0.1:9", "nowhere", SecretString::from("none"));
    let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
    let nowhere: Arc<dyn Remote> = Arc::new(Odoo::new(settings, transport, Arc::clone(&clock)).unwrap());
    let remotes = Remotes::new(|_, _| Arc::clone(&nowhere));
    let modules = [ModuleId::Contacts, ModuleId::Companies, ModuleId::Orders];
    let settings = Settings { modules: modules.map(|id| (id, id.def())).into(), ..Settings::default() };
    Engine::new(store, remotes, clock, Entropy::seeded(1), settings).unwrap()
}

/// A stream that anybody may post to.
pub fn open(kind: StreamKind, tenant: &str, clock: &Arc<dyn Clock>) -> Stream {
    let id = StreamId::new(kind, tenant);
    Stream { guard: Guard::open(id.to_string(), Arc::clone(clock)), id, rhythm: RHYTHM, operator: true }
}

/// All three streams of these institutions, for anybody.
pub fn all_open(tenants: &[&str], clock: &Arc<dyn Clock>) -> Vec<Stream> {
    let kinds = [StreamKind::S360Contacts, StreamKind::S360Orders, StreamKind::S360Access];
    tenants.iter().flat_map(|tenant| kinds.map(|kind| open(kind, tenant, clock))).collect()
}

/// One life of an intake.
pub struct Life {
    pub engine: Engine,
    pub intake: S360Intake,
    pub receiver: Receiver,
    pub http: Arc<ReqwestTransport>,
}

/// How a post was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Life {
    pub fn begin(store: Store, clock: &Arc<dyn Clock>, streams: Vec<Stream>) -> Self {
        let engine = engine(store, Arc::clone(clock));
        let intake = S360Intake::start(engine.clone(), streams, Arc::clone(clock)).unwrap();
        let here = ([127, 0, 0, 1], 0).into();
        let receiver = Receiver::listen(intake.routes(), here, Arc::clone(clock)).unwrap();
        Self { engine, intake, receiver, http: Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap()) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.receiver.addr())
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Said {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let limits = Limits { total: PATIENCE, max_body: 1024 * 1024 };
        let answer = self.http.send(request.body(body.into()).unwrap(), limits).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Said { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> u16 {
        self.send("POST", path, &[], body).await.status
    }

    pub fn state(&self, kind: StreamKind, tenant: &str) -> StreamState {
        self.engine.store().read(|view| view.stream(&StreamId::new(kind, tenant))).unwrap()
    }

    pub fn shelved(&self, module: ModuleId, id: &str) -> Option<Shelved> {
        self.engine.store().read(|view| view.shelved(module, Side::Ivvy, &RecordId::from(id))).unwrap()
    }

    pub fn shelf(&self, module: ModuleId) -> Vec<Shelved> {
        self.engine.store().read(|view| view.shelf(module, Side::Ivvy, None, None, 100_000)).unwrap()
    }

    pub fn quarantined(&self, kind: StreamKind, tenant: &str) -> Vec<Quarantined> {
        self.engine.store().read(|view| view.quarantined(&StreamId::new(kind, tenant), None, 1000)).unwrap()
    }

    /// Waits until the stream's state is as wanted.
    pub async fn until(&self, kind: StreamKind, tenant: &str, wanted: impl Fn(&StreamState) -> bool) -> StreamState {
        let started = Instant::now();
        loop {
            let state = self.state(kind, tenant);
            if wanted(&state) {
                return state;
            }
            assert!(started.elapsed() < PATIENCE, "never: {state:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A clean end; the store is closed when this returns.
    pub async fn end(self) {
        let Self { engine, intake, receiver, .. } = self;
        intake.pause(true);
        receiver.stop().await;
        intake.stop().await;
        let closed = engine.store().closed();
        drop(engine);
        closed.await;
    }
}

/// A store file that outlives the lives.
pub struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("acme.redb"), _directory: directory }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn open(&self) -> Store {
        Store::open(&self.path, Options::default()).unwrap()
    }
}

/// A person as S-360 posts it.
pub fn person(number: &str, first_name: &str) -> serde_json::Value {
    serde_json::json!({
        "contactNumber": number,
        "role": "PUBLIC",
        "individualContact": { "firstName": first_name, "lastName": "Example" },
        "addresses": [{ "town": "Lausanne", "countryCode": "CH" }],
    })
}

/// An array of these people.
pub fn people(range: std::ops::Range<usize>, first_name: &str) -> String {
    serde_json::Value::Array(range.map(|number| person(&number.to_string(), first_name)).collect()).to_string()
}
