//! A system for tests of whoever stands above the port: it declares what it is told to, holds nothing, answers direct
//! reads as it is told to, and knows no writes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;

use super::{
    Capabilities, Class, ConditionalWrite, Conversion, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing,
    Page, PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::model::{Fields, ModuleId, Record, RecordId, Timestamp};
use crate::seam::Clock;

/// The stub. What it is to do may change while it is used.
#[derive(Debug)]
pub(crate) struct Stub {
    clock: Arc<dyn Clock>,
    /// How it converts leads.
    pub conversion: Conversion,
    /// How long a page of a listing takes.
    pub page_takes: Duration,
    /// How the next direct reads fail.
    pub fails: Mutex<VecDeque<Class>>,
    /// How all after them fail; without this, nothing is there.
    pub goes_on_failing: Mutex<Option<Class>>,
    /// What a connection test finds.
    pub probe: Mutex<Result<Probe, Class>>,
    /// Whose connection was tested.
    pub probed: Mutex<Vec<String>>,
    /// Its tenants, and what those answer that refuse.
    pub tenants: Mutex<BTreeMap<String, Option<Class>>>,
    reads: Mutex<Vec<Timestamp>>,
    pages: Mutex<Vec<(ModuleId, Timestamp)>>,
}

impl Stub {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let probe = Probe { system: "stub".to_owned(), ..Probe::default() };
        Self {
            clock,
            conversion: Conversion::None,
            page_takes: Duration::ZERO,
            fails: Mutex::default(),
            goes_on_failing: Mutex::default(),
            probe: Mutex::new(Ok(probe)),
            probed: Mutex::default(),
            tenants: Mutex::default(),
            reads: Mutex::default(),
            pages: Mutex::default(),
        }
    }

    /// When records were read directly.
    pub fn reads(&self) -> Vec<Timestamp> {
        self.reads.lock().unwrap().clone()
    }

    /// When pages of `module` were asked for.
    pub fn pages(&self, module: ModuleId) -> Vec<Timestamp> {
        let pages = self.pages.lock().unwrap();
        pages.iter().filter(|(of, _)| *of == module).map(|(_, at)| *at).collect()
    }
}

/// A refusal of that kind.
fn error(class: Class) -> RemoteError {
    RemoteError {
        system: "stub".to_owned(),
        action: "call".to_owned(),
        class,
        sent: Sent::No,
        code: None,
        message: "as told".to_owned(),
        details: Vec::new(),
        retry_after: None,
    }
}

impl Remote for Stub {
    fn system(&self) -> &'static str {
        "stub"
    }

    fn capabilities(&self, _: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::Strong,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::Feed,
            stamp_key: true,
            page_size: 100,
            stamp_resolution: Duration::from_millis(1),
            min_overlap: Duration::from_secs(1),
            settle: Duration::ZERO,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        module.def().fields.iter().map(|field| field.name.clone().into_owned()).collect()
    }

    fn conversion(&self) -> Conversion {
        self.conversion
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        let found = self.probe.lock().unwrap().clone();
        Box::pin(async { found.map_err(error) })
    }

    fn tenants(&self) -> Vec<String> {
        self.tenants.lock().unwrap().keys().cloned().collect()
    }

    fn probe_tenant<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Probe, RemoteError>> {
        self.probed.lock().unwrap().push(tenant.to_owned());
        if let Some(class) = self.tenants.lock().unwrap().get(tenant).copied().flatten() {
            return Box::pin(async move { Err(error(class)) });
        }
        self.probe()
    }

    fn definitions(&self, _: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn list<'a>(&'a self, module: ModuleId, _: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        self.pages.lock().unwrap().push((module, self.clock.now()));
        Box::pin(async {
            if !self.page_takes.is_zero() {
                self.clock.sleep(self.page_takes).await;
            }
            Ok(Page::default())
        })
    }

    fn get<'a>(&'a self, _: ModuleId, _: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        self.reads.lock().unwrap().push(self.clock.now());
        let (next, later) = (self.fails.lock().unwrap().pop_front(), *self.goes_on_failing.lock().unwrap());
        let fails = next.or(later);
        Box::pin(async move {
            match fails {
                Some(class) => Err(error(class)),
                None => Ok(Read::Missing),
            }
        })
    }

    fn find_by_key<'a>(&'a self, _: ModuleId, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async { Ok(None) })
    }

    fn create<'a>(&'a self, _: ModuleId, _: &'a str, _: &'a Fields) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async { Err(error(Class::Unsupported)) })
    }

    fn update<'a>(
        &'a self,
        _: ModuleId,
        _: &'a RecordId,
        _: &'a Fields,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async { Err(error(Class::Unsupported)) })
    }
}
