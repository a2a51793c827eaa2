//! Putting one account together from its configuration: transports behind their gates, adapters,
//! store, engine. Nothing here decides anything; it only connects.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

mod connector;
pub(super) use connector::elements;
pub(super) mod push;
mod s360;

use super::outbox::StoredOutbox;
use super::shelf::StoredShelf;
use super::{calls, mapping};
use crate::config::{
    self, Confidential, Config, CrmKind, CrmSystem, Limit as ConfigLimit, OdooEvents, Origin, Secrets,
};
use crate::error::{Error, Result};
use crate::model::module::EMAIL_OPT_OUT;
use crate::model::{CustomField, FieldMaps, ModuleDef, ModuleId, RecordId, Side};
use crate::remote::extcrm::{ClosedOutbox, Outbox};
use crate::remote::gate::{Gate, GateSettings, GatedTransport};
use crate::remote::http::{HttpSettings, ReqwestTransport};
use crate::remote::shelf::{EmptyShelf, Shelf};
use crate::remote::transport::Limits;
use crate::remote::{Lane, Remote, Transport, ivvy, odoo, salesforce};
use crate::seam::{Clock, Entropy};
use crate::store::{self, Store};
use crate::sync::{self, Engine, GuardLimits, LeadOwner, Limit, Remotes, SecondPerson};

/// One account, ready to run.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its engine.
    pub engine: Engine,
    /// The gates before its remotes, iVvy's first.
    pub gates: BTreeMap<Side, Arc<Gate>>,
    /// iVvy itself, if it is the origin, for what only iVvy has: subscriptions.
    pub ivvy: Option<Arc<ivvy::Ivvy>>,
    /// How it was put together.
    pub blueprint: Arc<Blueprint>,
}

/// How an account is put together, kept so that its adapters can be made again when a field map changes.
#[derive(Debug)]
pub struct Blueprint {
    config: Config,
    secrets: Secrets,
    http: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Where the shelves are, once the store is open.
    store: OnceLock<Store>,
    /// The gates before S-360's institutions, once anything is connected.
    institutions: OnceLock<s360::Gates>,
    changing: tokio::sync::Mutex<()>,
}

impl Blueprint {
    /// The blueprint of an account. Calls nobody.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(config: &Config, secrets: Secrets, clock: &Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            config: config.clone(),
            secrets,
            http: Arc::new(ReqwestTransport::new(&HttpSettings::default())?),
            clock: Arc::clone(clock),
            store: OnceLock::new(),
            institutions: OnceLock::new(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// The adapters behind these gates, with what the store's maps add: of each one instance per lane, which
    /// share the gate and nothing else, so that none waits for what another has under way.
    ///
    /// # Errors
    /// An address or option is wrong, or a field cannot be mapped.
    pub(super) fn remotes(&self, maps: &FieldMaps, gates: &BTreeMap<Side, Arc<Gate>>) -> Result<Remotes> {
        let mut handles: BTreeMap<(Side, Lane), Arc<dyn Remote>> = BTreeMap::new();
        for lane in Lane::ALL {
            let origin = origin(self, maps, &gates[&Side::Ivvy], lane)?;
            let crm = crm(self, maps, self.behind(&gates[&Side::Crm], lane))?;
            handles.extend([((Side::Ivvy, lane), origin), ((Side::Crm, lane), crm)]);
        }
        // Invariant: the loop above made one for every side and lane.
        Ok(Remotes::new(|side, lane| Arc::clone(&handles[&(side, lane)])))
    }

    /// The configuration.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The secrets.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The clock.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What the adapter of `side` finds of what its system told us; nothing before the store is open.
    pub(super) fn shelf(&self, side: Side) -> Arc<dyn Shelf> {
        match self.store.get() {
            Some(store) => Arc::new(StoredShelf::new(store.clone(), side, Arc::clone(&self.clock))),
            None => Arc::new(EmptyShelf),
        }
    }

    /// The gates before S-360's institutions, by code: none unless S-360 is the origin.
    pub fn institutions(&self) -> &BTreeMap<String, Arc<Gate>> {
        self.institutions.get_or_init(|| self.gates_of_institutions(&Entropy::from_system()))
    }

    fn gates_of_institutions(&self, entropy: &Entropy) -> s360::Gates {
        match &self.config.origin {
            Origin::S360(section) => s360::gates(section, &self.clock, entropy),
            Origin::Ivvy(_) => s360::Gates::new(),
        }
    }

    /// Where the adapter of a pushed CRM hands records over; closed before the store is open.
    fn outbox(&self) -> Arc<dyn Outbox> {
        match self.store.get() {
            Some(store) => Arc::new(StoredOutbox::new(store.clone(), Arc::clone(&self.clock))),
            None => Arc::new(ClosedOutbox),
        }
    }

    /// The transport that goes past the gates: what is posted keeps a rhythm of its own.
    pub(super) fn ungated(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.http)
    }

    fn behind(&self, gate: &Arc<Gate>, lane: Lane) -> Arc<dyn Transport> {
        Arc::new(GatedTransport::new(Arc::clone(&self.http), Arc::clone(gate), lane))
    }

    /// The modules that are on, with what the store's maps add.
    pub(super) fn modules(&self, maps: &FieldMaps) -> BTreeMap<ModuleId, ModuleDef> {
        self.config.catalogue_with(maps).into_iter().map(|def| (def.id, def)).collect()
    }

    /// The custom fields of the configuration.
    pub(super) fn configured(&self, module: ModuleId) -> &[CustomField] {
        &self.config.modules.of(module).fields
    }

    /// All custom fields.
    pub(super) fn custom_fields(&self, module: ModuleId, maps: &FieldMaps) -> Vec<CustomField> {
        self.config.custom_fields(module, maps)
    }

    /// Whoever changes a map holds this meanwhile.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }
}

/// File name of an account's store in its data directory.
pub fn store_path(config: &Config) -> std::path::PathBuf {
    config.data_dir.join(format!("{}.redb", config.account))
}

impl Account {
    /// Opens the store and connects the adapters. Calls no remote.
    ///
    /// # Errors
    /// The store is locked, newer, damaged or full; an address or option is wrong.
    pub fn open(config: &Config, secrets: Secrets, clock: &Arc<dyn Clock>, entropy: &Entropy) -> Result<Self> {
        let blueprint = Blueprint::new(config, secrets, clock)?;
        let mut connected = connected(&blueprint, entropy)?;
        check_places(config, &connected.remotes)?;
        let options = store::Options { instance: config.account.clone(), ..store::Options::default() };
        let store = Store::open(&store_path(config), options)?;
        for (side, gate) in &connected.gates {
            let book = calls::StoredCalls::new(store.clone(), *side);
            let last = book.last()?;
            gate.keep_book(Arc::new(book), last);
        }
        let maps = mapping::stored_maps(&store)?;
        config.check_maps(&maps)?;
        // Invariant: a blueprint's store is set here and nowhere else, once.
        let _ = blueprint.store.set(store.clone());
        connected.remotes = blueprint.remotes(&maps, &connected.gates)?;
        let mut settings = engine_settings(config);
        if !maps.is_empty() {
            (settings.modules, settings.maps) = (blueprint.modules(&maps), maps);
        }
        let engine = Engine::new(store, connected.remotes, Arc::clone(clock), entropy.clone(), settings)?;
        Ok(Self { engine, gates: connected.gates, ivvy: connected.ivvy, blueprint: Arc::new(blueprint) })
    }
}

/// The remotes of an account, without store or engine: for `check` and `init`.
#[derive(Debug)]
pub struct Connected {
    /// The adapters.
    pub remotes: Remotes,
    /// The gates before them.
    pub gates: BTreeMap<Side, Arc<Gate>>,
    /// iVvy itself, if it is the origin, for what only iVvy has, in the live lane.
    pub ivvy: Option<Arc<ivvy::Ivvy>>,
}

/// Connects the adapters as the configuration puts them. Calls nobody.
///
/// # Errors
/// An address or option is wrong.
pub fn connect(config: &Config, secrets: Secrets, clock: &Arc<dyn Clock>, entropy: &Entropy) -> Result<Connected> {
    connected(&Blueprint::new(config, secrets, clock)?, entropy)
}

fn connected(blueprint: &Blueprint, entropy: &Entropy) -> Result<Connected> {
    let Blueprint { config, clock, .. } = blueprint;
    let gate = |name: String, in_flight: u32, daily_calls: Option<u64>| {
        let settings = GateSettings { daily_calls, ..gate_settings(config.sync.rate, in_flight) };
        Gate::new(name, settings, Arc::clone(clock), entropy.clone())
    };
    let (name, daily_calls) = match &config.origin {
        Origin::Ivvy(ivvy) => ("ivvy", ivvy.daily_calls),
        Origin::S360(_) => ("s360", None),
    };
    let origin_gate = gate(name.to_owned(), 2, daily_calls);
    let crm_gate = gate(config.crm.kind().to_string(), 4, config.crm.daily_calls);
    if config.crm.kind() == CrmKind::Salesforce {
        crm_gate.read_usage(salesforce::usage);
    }
    // Invariant: nobody asked for a new blueprint's gates before.
    let _ = blueprint.institutions.set(blueprint.gates_of_institutions(entropy));
    let gates: BTreeMap<Side, Arc<Gate>> = [(Side::Ivvy, origin_gate), (Side::Crm, crm_gate)].into();
    let maps = FieldMaps::new();
    let ivvy = match &config.origin {
        Origin::Ivvy(section) => {
            Some(ivvy(blueprint, section, &maps, blueprint.behind(&gates[&Side::Ivvy], Lane::Live))?)
        }
        Origin::S360(_) => None,
    };
    Ok(Connected { remotes: blueprint.remotes(&maps, &gates)?, ivvy, gates })
}

/// A module that a system has no place for cannot be switched on, and says so at once.
fn check_places(config: &Config, remotes: &Remotes) -> Result<()> {
    for def in config.catalogue() {
        for side in Side::BOTH {
            let remote = remotes.declared(side);
            if remote.fields(def.id).is_empty() {
                let switch = def.id.follows().unwrap_or(def.id);
                return Err(Error::config(format!("{} has no place for {}", remote.system(), def.id.title()))
                    .hint(format!("switch it off: [modules.{switch}] enabled = false in {}", config.path.display())));
            }
        }
    }
    Ok(())
}

fn origin(blueprint: &Blueprint, maps: &FieldMaps, gate: &Arc<Gate>, lane: Lane) -> Result<Arc<dyn Remote>> {
    match &blueprint.config.origin {
        Origin::Ivvy(section) => Ok(ivvy(blueprint, section, maps, blueprint.behind(gate, lane))?),
        // Each institution is behind a gate of its own.
        Origin::S360(section) => s360::origin(blueprint, section, lane),
    }
}

fn ivvy(
    blueprint: &Blueprint,
    section: &config::Ivvy,
    maps: &FieldMaps,
    transport: Arc<dyn Transport>,
) -> Result<Arc<ivvy::Ivvy>> {
    let Blueprint { config, secrets, clock, .. } = blueprint;
    let settings = ivvy::Settings {
        base_url: section.url.clone(),
        key: section.key.clone(),
        secret: secrets.get("ivvy.secret")?,
        custom_fields: custom(config, maps, CustomField::def),
        left_out: config.modules.left_out(),
        lead_defaults: section.leads.as_ref().map(|defaults| ivvy::LeadDefaults {
            source: defaults.source,
            type_id: defaults.kind,
            subtype_id: defaults.subtype,
            stage: defaults.stage,
        }),
        rules: ivvy::Rules {
            venues: section.venues.clone(),
            currency: config.modules.of(ModuleId::Registrations).currency.clone(),
            stages: ModuleId::ALL.into_iter().map(|id| (id, config.modules.of(id).stages.clone())).collect(),
            mask_confidential: config.modules.confidential() == Confidential::Mask,
            opt_out: config.modules.of(ModuleId::Contacts).crm_fields.contains_key(EMAIL_OPT_OUT),
        },
        groups: ivvy::Groups {
            names: config.modules.of(ModuleId::Contacts).groups.clone(),
            removals: config.modules.of(ModuleId::Contacts).mirror_group_removals,
        },
        settle: config.sync.settle.unwrap_or(Duration::from_secs(10)),
        limits: Limits::default(),
    };
    let ivvy = ivvy::Ivvy::new(settings, transport, Arc::clone(clock));
    Ok(Arc::new(ivvy.map_err(|error| in_section("ivvy", config, error))?))
}

fn crm(blueprint: &Blueprint, maps: &FieldMaps, transport: Arc<dyn Transport>) -> Result<Arc<dyn Remote>> {
    let Blueprint { config, secrets, clock, .. } = blueprint;
    let wrong = |error| in_section("crm", config, error);
    let mapped = custom(config, maps, |field| (field.def(), field.crm.clone()));
    let url = config.crm.url.to_string();
    Ok(match &config.crm.system {
        CrmSystem::Odoo { database, events, attendee_status, stages, .. } => {
            let mut settings = odoo::Settings::new(url, database, secrets.get("crm.key")?);
            settings.events = match events {
                Some(OdooEvents::App) => odoo::EventsIn::EventsApp,
                Some(OdooEvents::Campaigns) => odoo::EventsIn::Campaigns,
                None => settings.events,
            };
            settings.attendee_status = attendee_status.clone().unwrap_or(settings.attendee_status);
            settings.stages.extend(stages.clone());
            settings.extra_fields = crm_fields(config);
            settings.custom = mapped;
            settings.groups = config.modules.of(ModuleId::Contacts).groups.clone();
            settings.left_out = config.modules.left_out();
            settings.settle = config.sync.settle.unwrap_or(settings.settle);
            settings.overlap = config.sync.overlap.unwrap_or(settings.overlap);
            Arc::new(odoo::Odoo::new(settings, transport, Arc::clone(clock)).map_err(wrong)?)
        }
        CrmSystem::Salesforce { client_id, api_version, words, .. } => {
            let mut settings = salesforce::Settings::new(url, client_id, secrets.get("crm.secret")?);
            let [stages, event_statuses, member_statuses] = words.clone();
            settings.stages.extend(stages);
            settings.event_statuses.extend(event_statuses);
            settings.member_statuses.extend(member_statuses);
            settings.extra_fields = crm_fields(config);
            settings.custom = mapped;
            settings.groups = config.modules.of(ModuleId::Contacts).groups.values().cloned().collect();
            settings.left_out = config.modules.left_out();
            settings.settle = config.sync.settle.unwrap_or(settings.settle);
            settings.overlap = config.sync.overlap.unwrap_or(settings.overlap);
            if let Some(version) = api_version {
                settings.api_version.clone_from(version);
            }
            Arc::new(salesforce::Salesforce::new(settings, transport, Arc::clone(clock)).map_err(wrong)?)
        }
        CrmSystem::Connector(section) => connector::crm(blueprint, section, transport)?,
        CrmSystem::Push(section) => push::crm(blueprint, section, maps, transport).map_err(wrong)?,
    })
}

/// Where the CRM keeps built-in fields for which it has none of its own.
fn crm_fields(config: &Config) -> BTreeMap<(ModuleId, String), String> {
    let of = |module: ModuleId| {
        let fields = config.modules.of(module).crm_fields.iter();
        fields.map(move |(name, field)| ((module, name.clone()), field.clone()))
    };
    ModuleId::ALL.into_iter().flat_map(of).collect()
}

/// What an adapter refuses is in the configuration; the adapter does not know where.
fn in_section(section: &str, config: &Config, error: Error) -> Error {
    if error.hint.is_some() {
        return error;
    }
    error.hint(format!("correct [{section}] in {}", config.path.display()))
}

/// `rate` calls a second with a short burst; zero lifts the limit.
fn gate_settings(rate: u32, in_flight: u32) -> GateSettings {
    GateSettings {
        per_call: Duration::from_secs(1).checked_div(rate).unwrap_or(Duration::ZERO),
        max_in_flight: NonZeroU32::new(in_flight).unwrap_or(NonZeroU32::MIN),
        ..GateSettings::default()
    }
}

fn custom<T>(config: &Config, maps: &FieldMaps, f: impl Fn(&CustomField) -> T) -> BTreeMap<ModuleId, Vec<T>> {
    ModuleId::ALL.into_iter().map(|id| (id, config.custom_fields(id, maps).iter().map(&f).collect())).collect()
}

fn lead_owner(leads: &crate::config::LeadDefaults) -> LeadOwner {
    let id = |number: u64| RecordId::from(number.to_string());
    LeadOwner {
        default: leads.owner.map(id),
        rota: leads.owners.iter().copied().map(id).collect(),
        by_source: leads.owner_by_source.iter().map(|(source, user)| (source.as_str().into(), id(*user))).collect(),
        default_source: Some(id(leads.source)),
    }
}

/// The engine's settings as the configuration puts them.
pub fn engine_settings(config: &Config) -> sync::Settings {
    let limit = |limit: ConfigLimit| Limit { count: limit.count, per_mille: u64::from(limit.per_mille) };
    sync::Settings {
        key_scope: config.crm.key_scope.clone(),
        modules: config.catalogue().into_iter().map(|def| (def.id, def)).collect(),
        interval: config.sync.interval,
        first_sync: config.sync.first_sync,
        first_sync_of: ModuleId::ALL
            .into_iter()
            .filter_map(|module| Some((module, config.modules.first_sync(module)?)))
            .collect(),
        keep_done: config.sync.keep_done,
        match_interval: config.matching.interval,
        create_lead_sources: config.matching.create_lead_sources,
        lead_owner: config.ivvy().and_then(|ivvy| ivvy.leads.as_ref()).map(lead_owner).unwrap_or_default(),
        guard: GuardLimits {
            creates: limit(config.guard.creates),
            updates: limit(config.guard.updates),
            conflicts: limit(config.guard.conflicts),
            emptied: limit(config.guard.emptied),
            same_value: limit(config.guard.same_value),
            shrink_percent: u64::from(config.guard.shrink_percent),
            ..GuardLimits::default()
        },
        second_person: SecondPerson {
            force: config.second_person.force.map(NonZeroU32::get),
            close_pair: config.second_person.close_pair,
            release: config.second_person.release,
        },
        ..sync::Settings::default()
    }
}
