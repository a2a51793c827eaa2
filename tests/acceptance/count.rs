//! Counts what the engine asks of a remote, whatever remote it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use tandem::model::{Fields, MatchKind, ModuleId, Record, RecordId};
use tandem::remote::{
    About, Capabilities, Conversion, Entry, FieldDefinition, MatchSupport, Page, PageRequest, Probe, Read, Remote,
    RemoteError, WriteAck,
};

/// Calls so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub creates: u64,
    pub updates: u64,
    pub reads: u64,
    pub pages: u64,
}

impl Calls {
    pub fn writes(self) -> u64 {
        self.creates + self.updates
    }

    pub fn all(self) -> u64 {
        self.writes() + self.reads + self.pages
    }
}

/// The counters of one side, whatever lane its calls are made in.
#[derive(Debug, Default)]
pub struct Counts {
    creates: AtomicU64,
    updates: AtomicU64,
    reads: AtomicU64,
    pages: AtomicU64,
}

/// A remote that passes everything on and counts it.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn Remote>,
    counts: Arc<Counts>,
}

impl Counted {
    pub fn new(inner: Arc<dyn Remote>, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

impl Counts {
    pub fn calls(&self) -> Calls {
        let now = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Calls {
            creates: now(&self.creates),
            updates: now(&self.updates),
            reads: now(&self.reads),
            pages: now(&self.pages),
        }
    }
}

fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

impl Remote for Counted {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    fn capabilities(&self, module: ModuleId) -> Capabilities {
        self.inner.capabilities(module)
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        self.inner.fields(module)
    }

    fn fields_after_creation(&self, module: ModuleId) -> &'static [&'static str] {
        self.inner.fields_after_creation(module)
    }

    fn tenant_of(&self, module: ModuleId, about: About<'_>) -> Option<String> {
        self.inner.tenant_of(module, about)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        self.inner.probe()
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        self.inner.definitions(module)
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        one(&self.counts.pages);
        self.inner.list(module, request)
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        one(&self.counts.reads);
        self.inner.get(module, id)
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        one(&self.counts.reads);
        self.inner.find_by_key(module, key)
    }

    fn find_alike<'a>(
        &'a self,
        module: ModuleId,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        one(&self.counts.reads);
        self.inner.find_alike(module, fields)
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        one(&self.counts.creates);
        self.inner.create(module, key, fields)
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        one(&self.counts.updates);
        self.inner.update(module, id, patch, expected)
    }

    fn conversion(&self) -> Conversion {
        self.inner.conversion()
    }

    fn match_support(&self, kind: MatchKind) -> MatchSupport {
        self.inner.match_support(kind)
    }

    fn entries(&self, kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        one(&self.counts.pages);
        self.inner.entries(kind)
    }

    fn find_staff<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, RemoteError>> {
        one(&self.counts.reads);
        self.inner.find_staff(email)
    }

    fn create_lead_source<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<RecordId, RemoteError>> {
        one(&self.counts.creates);
        self.inner.create_lead_source(name)
    }

    fn update_lead_source<'a>(
        &'a self,
        id: &'a RecordId,
        name: Option<&'a str>,
        active: Option<bool>,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        one(&self.counts.updates);
        self.inner.update_lead_source(id, name, active)
    }
}
