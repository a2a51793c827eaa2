//! What every part of the engine shares: store, remotes, clock, settings, signals and switches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::matching::Matching;
use super::nudge::Looks;
use super::rates::Rates;
use super::refused::Refusals;
use super::renewal::Next;
use super::settings::Settings;
use crate::model::module::{EXTERNAL_ID, IVVY_KEY, external_key};
use crate::model::{
    Drift, FieldKind, Fingerprint, Flow, ItemId, ModuleDef, ModuleId, Record, RecordId, Side, Timestamp, Value,
};
use crate::remote::{Capabilities, Lane, Remote, RemoteError};
use crate::seam::{Clock, Entropy};
use crate::store::{Reads as _, Store, StoreError};

/// The two remotes of an account: one handle of each per lane, so that whoever calls must say for whom.
#[derive(Clone, Debug)]
pub struct Remotes {
    handles: [[Arc<dyn Remote>; 3]; 2],
}

impl Remotes {
    /// The handles as `connect` makes them, which is asked once for each.
    pub fn new(connect: impl Fn(Side, Lane) -> Arc<dyn Remote>) -> Self {
        let connect = &connect;
        Self { handles: Side::BOTH.map(|side| Lane::ALL.map(|lane| connect(side, lane))) }
    }

    /// The remote on `side`, for calls of `lane`.
    pub fn on(&self, side: Side, lane: Lane) -> &Arc<dyn Remote> {
        &self.handles[side as usize][lane as usize]
    }

    /// The remote on `side`, for what it declares about itself without a call.
    pub fn declared(&self, side: Side) -> &dyn Remote {
        self.on(side, Lane::Live).as_ref()
    }
}

/// Shared state of one account's engine.
#[derive(Debug)]
pub(super) struct Core {
    pub store: Store,
    pub remotes: Remotes,
    pub clock: Arc<dyn Clock>,
    pub entropy: Entropy,
    pub settings: Settings,
    /// Field maps reduced to what both remotes can hold.
    defs: BTreeMap<ModuleId, ModuleDef>,
    pub signals: Arc<Signals>,
    switches: Arc<Mutex<Switches>>,
    pub rates: Arc<Rates>,
    /// Writes that failed, or whose outcome is not known.
    pub failed_writes: Arc<Rates>,
    pub failed_sweeps: Arc<Rates>,
    pub matching: Arc<Matching>,
    /// Direct reads that failed.
    pub looks: Arc<Looks>,
    #[cfg(test)]
    pub ablate: super::simulation::Ablation,
}

/// Who must look up from waiting.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Records were marked dirty, or a deferred one may go on.
    pub plan: Notify,
    /// Items became ready.
    pub push: Notify,
    /// A record is to be looked at.
    pub look: Notify,
    /// A due time was set.
    pub due: Notify,
    /// One per (module, side): sweep now.
    pub poll: BTreeMap<(ModuleId, Side), Notify>,
}

/// Things an operator or a failing remote can switch.
#[derive(Debug, Default)]
struct Switches {
    paused: BTreeSet<ModuleId>,
    /// Remote refused our key: nothing is claimed until it answers again or someone resumes.
    halted: BTreeMap<Side, String>,
    /// Remote refused one module.
    forbidden: BTreeMap<(ModuleId, Side), String>,
    /// Tenants of a remote that refuse us.
    refused: Refusals,
    /// An operator asked for a sweep; the value says for a full one.
    requested: BTreeMap<(ModuleId, Side), bool>,
    /// Lanes that must wait for a remote's quota: until when, and why.
    quota_holds: BTreeMap<(ModuleId, Side, Lane), (Timestamp, String)>,
    polling: BTreeMap<(ModuleId, Side), Polling>,
    /// Per side, so that the other side's health does not hide it.
    last_error: BTreeMap<(ModuleId, Side), String>,
}

/// Where a poller stands, for the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polling {
    /// A sweep is running: rows read, total if the remote claims one.
    pub progress: Option<(u64, Option<u64>)>,
    /// When the next sweep starts by itself.
    pub next_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
}

const PAUSED_META: &str = "paused";

impl Core {
    pub fn new(store: Store, remotes: Remotes, clock: Arc<dyn Clock>, entropy: Entropy, settings: Settings) -> Self {
        let defs = settings.modules.iter().map(|(id, def)| (*id, effective(def, &remotes, &settings))).collect();
        let poll = settings
            .modules
            .keys()
            .flat_map(|module| module.swept_sides().iter().map(|side| ((*module, *side), Notify::new())))
            .collect();
        Self {
            store,
            remotes,
            clock,
            entropy,
            settings,
            defs,
            signals: Arc::new(Signals { poll, ..Signals::default() }),
            switches: Arc::default(),
            rates: Arc::default(),
            failed_writes: Arc::default(),
            failed_sweeps: Arc::default(),
            matching: Arc::default(),
            looks: Arc::default(),
            #[cfg(test)]
            ablate: super::simulation::Ablation::default(),
        }
    }

    /// The same account with other remotes and field maps. Whoever still holds this one and whoever holds the
    /// new one wake the same tasks and see the same switches.
    pub fn renewed(&self, next: Next) -> Self {
        let Next { remotes, modules, maps } = next;
        let settings = Settings { modules, maps, ..self.settings.clone() };
        let defs = settings.modules.iter().map(|(id, def)| (*id, effective(def, &remotes, &settings))).collect();
        Self {
            store: self.store.clone(),
            remotes,
            clock: Arc::clone(&self.clock),
            entropy: self.entropy.clone(),
            settings,
            defs,
            signals: Arc::clone(&self.signals),
            switches: Arc::clone(&self.switches),
            rates: Arc::clone(&self.rates),
            failed_writes: Arc::clone(&self.failed_writes),
            failed_sweeps: Arc::clone(&self.failed_sweeps),
            matching: Arc::clone(&self.matching),
            looks: Arc::clone(&self.looks),
            #[cfg(test)]
            ablate: self.ablate,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Modules that are switched on, parents first.
    pub fn modules(&self) -> impl Iterator<Item = ModuleId> + '_ {
        self.defs.keys().copied()
    }

    /// The effective field map of a module that is on.
    pub fn def(&self, module: ModuleId) -> Option<&ModuleDef> {
        self.defs.get(&module)
    }

    /// What decides which records and fields of `module` are carried over at all.
    pub fn mapping(&self, module: ModuleId) -> Fingerprint {
        // Fields of the store's map plan nothing by themselves: what stands when they are taken up is agreed.
        let stored = self.settings.maps.get(&module).into_iter().flat_map(|map| &map.fields);
        let stored: BTreeSet<String> = stored.map(|mapped| mapped.field.field()).collect();
        let fields = self.def(module).into_iter().flat_map(|def| &def.fields);
        let fields = fields.filter(|field| !stored.contains(field.name.as_ref()));
        let fields: Vec<_> = fields.map(|f| (&f.name, f.kind, f.flow)).collect();
        let only = self.def(module).map(|def| (&def.only, def.drift));
        let only = only.filter(|(only, drift)| !only.is_empty() || *drift != Drift::Ignore);
        match only {
            // As it was before modules had filters, so that an upgrade is not taken for a change.
            None => Fingerprint::of(&(fields, self.settings.first_sync(module), &self.settings.key_scope)),
            Some(only) => Fingerprint::of(&(fields, self.settings.first_sync(module), &self.settings.key_scope, only)),
        }
    }

    pub fn capabilities(&self, module: ModuleId, side: Side) -> Capabilities {
        self.remotes.declared(side).capabilities(module)
    }

    /// How long a sent write may stay invisible.
    pub fn settle_time(&self, module: ModuleId, side: Side) -> Duration {
        #[cfg(test)]
        if self.ablate.no_settle_wait {
            return Duration::ZERO;
        }
        self.capabilities(module, side).settle
    }

    /// Our key in the CRM for an iVvy record.
    pub fn key(&self, module: ModuleId, ivvy: &RecordId) -> String {
        external_key(self.settings.key_scope.as_deref(), module, ivvy.as_str())
    }

    /// The iVvy id inside one of our keys, if it is one.
    pub fn ivvy_id_in(&self, module: ModuleId, key: &str) -> Option<RecordId> {
        let prefix = external_key(self.settings.key_scope.as_deref(), module, "");
        key.strip_prefix(&prefix).filter(|id| !id.is_empty()).map(RecordId::from)
    }

    /// The record with its virtual constant-id fields, as plans compare it.
    pub fn view(&self, module: ModuleId, side: Side, record: &Record) -> Record {
        let mut view = record.clone();
        match side {
            Side::Ivvy => {
                view.fields.insert(IVVY_KEY.to_owned(), Value::Text(self.key(module, &record.id)));
                view.fields.entry(EXTERNAL_ID.to_owned()).or_default();
            }
            Side::Crm => {
                view.fields.insert(EXTERNAL_ID.to_owned(), Value::Text(record.id.0.clone()));
                view.fields.entry(IVVY_KEY.to_owned()).or_default();
            }
        }
        view
    }

    fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- pause and resume -----------------------------------------------------------------------

    /// Loads what was paused before a restart.
    pub fn load_switches(&self) -> Result<(), StoreError> {
        let stored = self.store.read(|view| view.meta(PAUSED_META))?.unwrap_or_default();
        let names = String::from_utf8_lossy(&stored);
        self.switches().paused = names.split_whitespace().filter_map(|name| name.parse().ok()).collect();
        Ok(())
    }

    pub fn is_paused(&self, module: ModuleId) -> bool {
        self.switches().paused.contains(&module)
    }

    /// Pauses or resumes modules; returns the text to store so that a restart remembers.
    pub fn set_paused(&self, modules: &[ModuleId], paused: bool) -> (&'static str, Vec<u8>) {
        let mut switches = self.switches();
        for module in modules {
            if paused {
                switches.paused.insert(*module);
            } else {
                switches.paused.remove(module);
                switches.forbidden.retain(|(forbidden, _), _| forbidden != module);
            }
        }
        if !paused {
            switches.halted.clear();
            switches.refused.forget_all();
        }
        let names: Vec<&'static str> = switches.paused.iter().map(|module| (*module).into()).collect();
        (PAUSED_META, names.join(" ").into_bytes())
    }

    // --- refusals by remotes --------------------------------------------------------------------

    pub fn halt(&self, side: Side, why: String) {
        self.switches().halted.insert(side, why);
    }

    pub fn forbid(&self, module: ModuleId, side: Side, why: String) {
        self.switches().forbidden.insert((module, side), why);
    }

    /// A tenant refused its key, or one module: what goes there waits.
    pub fn refuse(&self, side: Side, tenant: String, module: Option<ModuleId>, why: String) {
        self.switches().refused.note((side, tenant), module, why, self.clock.now());
    }

    /// Whether `item` must wait, because whom it would go to refuses us now. It is passed over until then.
    pub fn waits_for_tenant(&self, side: Side, tenant: &str, module: ModuleId, item: ItemId) -> bool {
        self.switches().refused.keeps(side, tenant, module, item, self.clock.now())
    }

    /// Whether `item` is known to wait for a tenant that refuses us.
    pub fn is_passed_over(&self, item: ItemId) -> bool {
        self.switches().refused.passes_over(item, self.clock.now())
    }

    /// When the next tenant that refuses us is tried again.
    pub fn next_trial(&self) -> Option<Timestamp> {
        self.switches().refused.next_trial(self.clock.now())
    }

    /// The tenant took a write of this module.
    pub fn accepted(&self, side: Side, tenant: &str, module: ModuleId) {
        self.switches().refused.forget(side, tenant, module);
    }

    /// A call on `side` for `module` succeeded.
    pub fn answered(&self, module: ModuleId, side: Side) {
        let mut switches = self.switches();
        switches.halted.remove(&side);
        switches.last_error.remove(&(module, side));
    }

    pub fn note_error(&self, module: ModuleId, side: Side, message: String) {
        self.switches().last_error.insert((module, side), message);
    }

    /// Why nothing of `module` may be claimed now, if so.
    pub fn stopped(&self, module: ModuleId) -> Option<String> {
        let switches = self.switches();
        switches.halted.values().next().cloned().or_else(|| {
            switches.forbidden.iter().find(|((forbidden, _), _)| *forbidden == module).map(|(_, why)| why.clone())
        })
    }

    /// Notes that the gate kept a call back because the day's calls of its lane are used up.
    pub fn hold_for_quota(&self, module: ModuleId, side: Side, lane: Lane, error: &RemoteError) {
        let until = self.now().plus(error.retry_after.unwrap_or_default());
        self.switches().quota_holds.insert((module, side, lane), (until, error.to_string()));
    }

    /// Why work of `module` waits for a quota now, if it does.
    pub fn waits_for_quota(&self, module: ModuleId) -> Option<String> {
        let now = self.now();
        let mut switches = self.switches();
        switches.quota_holds.retain(|_, (until, _)| *until > now);
        // The last is the least urgent lane's, whose wait is the longest.
        let held = switches.quota_holds.iter().rfind(|((held, _, _), _)| *held == module);
        held.map(|(_, (_, why))| why.clone())
    }

    pub fn last_error(&self, module: ModuleId) -> Option<String> {
        let switches = self.switches();
        let last = Side::BOTH.into_iter().find_map(|side| switches.last_error.get(&(module, side)).cloned());
        // That the others of its system go on does not hide that one refuses us.
        last.or_else(|| switches.refused.why(module, self.clock.now()).map(str::to_owned))
    }

    // --- polling --------------------------------------------------------------------------------

    /// A person wants a sweep; asking for an incremental one does not take back a full one.
    pub fn request_sweep(&self, module: ModuleId, side: Side, full: bool) {
        *self.switches().requested.entry((module, side)).or_default() |= full;
    }

    /// What a person asked for since the last look: a sweep, and whether a full one.
    pub fn take_request(&self, module: ModuleId, side: Side) -> Option<bool> {
        self.switches().requested.remove(&(module, side))
    }

    pub fn polling(&self, module: ModuleId, side: Side) -> Polling {
        self.switches().polling.get(&(module, side)).copied().unwrap_or_default()
    }

    pub fn set_polling(&self, module: ModuleId, side: Side, change: impl FnOnce(&mut Polling)) {
        change(self.switches().polling.entry((module, side)).or_default());
    }
}

/// The field map reduced to fields that both remotes hold, and to references of modules that are on.
fn effective(def: &ModuleDef, remotes: &Remotes, settings: &Settings) -> ModuleDef {
    let held = Side::BOTH.map(|side| remotes.declared(side).fields(def.id));
    let holds = |side: Side, name: &str| held[side as usize].iter().any(|field| field == name);
    let mut def = def.clone();
    def.fields.retain(|field| match field.kind {
        FieldKind::ConstantId => {
            let holder = if field.flow == Flow::ToCrm { Side::Crm } else { Side::Ivvy };
            holds(holder, &field.name) && remotes.declared(holder).capabilities(def.id).stamp_key
        }
        FieldKind::Reference(module) => {
            settings.modules.contains_key(&module) && Side::BOTH.into_iter().all(|side| holds(side, &field.name))
        }
        _ => Side::BOTH.into_iter().all(|side| holds(side, &field.name)),
    });
    def
}
