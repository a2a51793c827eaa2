//! The adapter before the simulated account, in the same task: for what takes many answers that fit.

use super::*;
use crate::sim::control::Edit;
use crate::sim::inprocess::InProcess;
use crate::sim::ivvy::{self as sim, IvvySim};

/// 2024-03-11 00:00:45 UTC.
pub(super) fn start() -> Timestamp {
    Timestamp::from_secs(1_710_115_245)
}

/// A transport that remembers which actions were called.
#[derive(Debug)]
struct Counted {
    wire: InProcess,
    calls: Mutex<Vec<String>>,
}

impl Transport for Counted {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let action = request.uri().query().unwrap().trim_start_matches("action=").to_owned();
        self.calls.lock().unwrap().push(action);
        self.wire.send(request, limits)
    }
}

/// A simulated account and the adapter before it.
pub(super) struct Account {
    pub sim: Arc<IvvySim>,
    pub ivvy: Ivvy,
    wire: Arc<Counted>,
}

impl Account {
    pub(super) fn new() -> Self {
        Self::with(sim::Settings::default(), None)
    }

    pub(super) fn with(settings: sim::Settings, lead_defaults: Option<LeadDefaults>) -> Self {
        Self::reached(settings, Settings { lead_defaults, ..settings_of_tests() })
    }

    /// Under rules of single modules.
    pub(super) fn under(rules: Rules) -> Self {
        Self::reached(sim::Settings::default(), Settings { rules, ..settings_of_tests() })
    }

    fn reached(settings: sim::Settings, ours: Settings) -> Self {
        let clock = TokioClock::starting_at(start());
        let (key, secret) = (settings.key.clone(), settings.secret.clone());
        let sim = IvvySim::new(settings, Arc::new(clock.clone()), crate::seam::Entropy::seeded(1));
        let wire = Arc::new(Counted { wire: InProcess { router: sim.router() }, calls: Mutex::default() });
        let ours = Settings { key, secret, ..ours };
        let ivvy = Ivvy::new(ours, wire.clone(), Arc::new(clock)).unwrap();
        Self { sim, ivvy, wire }
    }

    pub(super) fn add(&self, object: &str, fields: Json) -> u64 {
        self.sim.add(object, fields).unwrap()
    }

    pub(super) fn delete(&self, object: &str, id: u64) {
        self.sim.edit(&Edit::delete(object, id)).unwrap();
    }

    pub(super) fn edit(&self, object: &str, id: u64, fields: Json) {
        self.sim.edit(&Edit::update(object, id, fields)).unwrap();
    }

    /// Every record, in pages, and how many pages that were.
    pub(super) async fn sweep(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
    ) -> Result<(Vec<Record>, usize), RemoteError> {
        let mut request = PageRequest { from, ..PageRequest::default() };
        let (mut records, mut pages) = (Vec::new(), 0);
        loop {
            let page = self.ivvy.list(module, &request).await?;
            records.extend(page.records);
            pages += 1;
            request.position = page.next;
            if request.position.is_none() {
                return Ok((records, pages));
            }
        }
    }

    /// Every record.
    pub(super) async fn all(&self, module: ModuleId) -> Vec<Record> {
        self.sweep(module, None).await.unwrap().0
    }

    /// One record by a single read.
    pub(super) async fn found(&self, module: ModuleId, id: impl ToString) -> Record {
        match self.ivvy.get(module, &RecordId(id.to_string())).await.unwrap() {
            Read::Found(record) => *record,
            other => panic!("{other:?}"),
        }
    }

    /// Whether a single read says that there is no such record.
    pub(super) async fn misses(&self, module: ModuleId, id: impl ToString) -> bool {
        self.ivvy.get(module, &RecordId(id.to_string())).await.unwrap() == Read::Missing
    }

    /// How often `action` was called since the last time anybody asked about calls.
    pub(super) fn calls(&self, action: &str) -> usize {
        std::mem::take(&mut *self.wire.calls.lock().unwrap()).iter().filter(|call| *call == action).count()
    }

    /// Takes the permission for `object`, and proves that listing `module` says so.
    pub(super) async fn forbids(&self, object: &str, module: ModuleId) {
        self.sim.permit_object(object, false);
        let error = self.ivvy.list(module, &PageRequest::default()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Forbidden, Sent::No));
    }

    /// Reads the first page, lets `meanwhile` happen, and proves that the second reports a shift.
    pub(super) async fn shifts(&self, module: ModuleId, meanwhile: impl FnOnce(&Self)) {
        let first = self.ivvy.list(module, &PageRequest::default()).await.unwrap();
        assert_eq!(first.records.len(), 100);
        meanwhile(self);
        let second = PageRequest { position: first.next, ..PageRequest::default() };
        assert_eq!(self.ivvy.list(module, &second).await.unwrap_err().class, Class::Shifted);
    }
}

fn settings_of_tests() -> Settings {
    settings("http://localhost")
}

/// The values of one field, in the records' order.
pub(super) fn column(records: &[Record], field: &str) -> Vec<String> {
    records.iter().map(|record| record.fields.get(field).map(ToString::to_string).unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_way_modules_refuse_writes_with_their_reason_v30_v81() {
    let account = Account::new();
    for module in with_a_place(&account) {
        let Some(why) = module.one_way() else { continue };
        let given = fields(&[("name", "x".into())]);
        for error in [
            account.ivvy.create(module, "k", &given).await.unwrap_err(),
            account.ivvy.update(module, &"1".into(), &given, None).await.unwrap_err(),
        ] {
            assert_eq!((error.class, error.sent, error.message.as_str()), (Class::Unsupported, Sent::No, why));
        }
        assert!(!account.ivvy.capabilities(module).stamp_key, "{module}");
        assert!(account.ivvy.definitions(module).await.unwrap().is_empty());
    }
    assert_eq!(account.sim.ledger().len(), 0);
}

/// Every module but the one that is S-360's.
fn with_a_place(account: &Account) -> Vec<ModuleId> {
    let placed: Vec<ModuleId> =
        ModuleId::ALL.into_iter().filter(|module| !account.ivvy.fields(*module).is_empty()).collect();
    assert_eq!(ModuleId::ALL.into_iter().filter(|id| !placed.contains(id)).collect::<Vec<_>>(), [ModuleId::Orders]);
    placed
}

#[tokio::test(start_paused = true)]
async fn what_ivvy_has_no_place_for_is_neither_listed_nor_read_nor_written() {
    let account = Account::new();
    let errors = [
        account.ivvy.list(ModuleId::Orders, &PageRequest::default()).await.map(drop).unwrap_err(),
        account.ivvy.get(ModuleId::Orders, &"1".into()).await.map(drop).unwrap_err(),
        account.ivvy.create(ModuleId::Orders, "k", &Fields::new()).await.map(drop).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| (error.class, error.sent) == (Class::Unsupported, Sent::No)), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn a_furnished_account_is_read_whole_and_lists_agree_with_single_reads() {
    let account = Account::new();
    for number in 0..40 {
        let name = format!("Zoë {number}");
        account.add("contact", json!({"firstName": name, "lastName": "Łukasz", "email": format!("z{number}@b.co")}));
    }
    account.sim.furnish(true);
    for module in with_a_place(&account) {
        let records = account.all(module).await;
        assert!(records.len() >= 4 || module == ModuleId::Companies, "{module}");
        for record in records.iter().take(12) {
            let single = account.found(module, &record.id).await;
            assert_eq!(single.fields, record.fields, "{module} {}", record.id);
        }
        assert!(account.misses(module, if module == ModuleId::Attendees { "1-1" } else { "4711" }).await);
    }
}
