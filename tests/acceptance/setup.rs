//! How a world begins: which modules are on and what the configuration file says besides; and the putting
//! together of the account from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tandem::config::{Config, Secrets};
use tandem::daemon::account::{self, Account, Blueprint, connect};
use tandem::model::{ModuleId, Side};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::salesforce::{self, Field, Kind};
use tandem::sim::{Served, ivvy, serve};
use tandem::store::{self, Store, StoreError};
use tandem::sync::{Engine, Limit, Remotes, SecondPerson};
use tempfile::TempDir;

use super::count::{Counted, Counts};
use super::hand::{CUSTOM, CrmHand};
use super::odoo_server::OdooServer;
use super::population::Shape;
use super::world::PATIENCE;

/// Which CRM stands on the other side.
#[derive(Clone, Debug)]
pub enum CrmKind {
    SalesforceSim,
    RealOdoo(OdooServer),
}

/// How a world begins.
#[derive(Clone, Debug)]
pub struct Setup {
    pub crm: CrmKind,
    pub shape: Shape,
    pub seed: u64,
    pub order: ivvy::Order,
    /// `[sync] first_sync`.
    pub first_sync: Option<String>,
    /// `[guard] conflicts`: how many a window may bring.
    pub conflicts: u64,
    /// `[second_person]`.
    pub second_person: SecondPerson,
    /// Limits of one field in many records, instead of the defaults.
    pub bulk: Option<u64>,
    /// `[sync] keep_done`, instead of the default.
    pub keep_done: Option<Duration>,
    /// Modules that are on, parents first.
    pub modules: Vec<ModuleId>,
    /// What the configuration file says besides, laid over the rest.
    pub more: Json,
    /// Whether subscription groups are kept in step, and if so, whether removals are mirrored.
    pub groups: Option<bool>,
    /// `[modules.….only]`: a field and the one value that admits a record.
    pub only: Option<(ModuleId, &'static str, &'static str)>,
    /// Custom fields of the tests that the configuration leaves out.
    pub unmapped: Vec<&'static str>,
}

impl Setup {
    pub fn salesforce(shape: Shape) -> Self {
        Self {
            crm: CrmKind::SalesforceSim,
            shape,
            seed: 7,
            order: ivvy::Order::Id,
            first_sync: None,
            conflicts: 20,
            second_person: SecondPerson::default(),
            bulk: None,
            keep_done: None,
            modules: ModuleId::PEOPLE.to_vec(),
            more: json!({}),
            groups: None,
            only: None,
            unmapped: Vec::new(),
        }
    }

    /// With more in the configuration file.
    pub fn saying(mut self, more: Json) -> Self {
        lay_over(&mut self.more, more);
        self
    }

    /// With this key in the configuration file: `/modules/leads/owner`.
    pub fn key(self, path: &str, value: Json) -> Self {
        self.saying(path.rsplit('/').filter(|key| !key.is_empty()).fold(value, |value, key| json!({key: value})))
    }

    /// With these modules on beside companies and contacts.
    pub fn also(mut self, modules: &[ModuleId]) -> Self {
        self.modules.extend_from_slice(modules);
        self.modules.sort_unstable();
        self
    }
}

/// Store, adapters and engine of an account, and counters of what is asked of either side.
pub type Assembled = (Account, tandem::sync::Settings, BTreeMap<Side, Arc<Counts>>);

pub fn assemble(config: &Config, secrets: Secrets, setup: &Setup) -> Assembled {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy = Entropy::seeded(setup.seed + 2);
    let blueprint = Arc::new(Blueprint::new(config, secrets.clone(), &clock).unwrap());
    let connected = connect(config, secrets, &clock, &entropy).unwrap();
    let counts: BTreeMap<Side, Arc<Counts>> = Side::BOTH.map(|side| (side, Arc::default())).into();
    let remotes = Remotes::new(|side, lane| {
        Arc::new(Counted::new(Arc::clone(connected.remotes.on(side, lane)), Arc::clone(&counts[&side])))
    });
    let store = open_store(config);
    let mut settings = account::engine_settings(config);
    settings.second_person = setup.second_person;
    settings.keep_done = setup.keep_done.unwrap_or(settings.keep_done);
    if let Some(count) = setup.bulk {
        let limit = Limit { count, per_mille: 0 };
        (settings.guard.emptied, settings.guard.same_value) = (limit, limit);
    }
    settings.retry.base = Duration::from_millis(100);
    settings.retry.cap = Duration::from_secs(1);
    let engine = Engine::new(store, remotes, clock, entropy, settings.clone()).unwrap();
    (Account { engine, gates: connected.gates, ivvy: connected.ivvy, blueprint }, settings, counts)
}

/// Opens the store as soon as an engine that has just ended has let go of it.
pub fn open_store(config: &Config) -> Store {
    let started = Instant::now();
    loop {
        match Store::open(&account::store_path(config), store::Options::default()) {
            Err(StoreError::Locked { .. }) if started.elapsed() < PATIENCE => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

/// Lays `more` over `config`, table by table.
pub fn lay_over(config: &mut Json, more: Json) {
    match (config, more) {
        (Json::Object(config), Json::Object(more)) => {
            for (name, value) in more {
                lay_over(config.entry(name).or_insert(Json::Null), value);
            }
        }
        (config, more) => *config = more,
    }
}

pub async fn loopback(router: axum::Router) -> Served {
    serve(router, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// In memory where the machine offers it: what survives a power cut is proved elsewhere.
pub fn quick_place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let inside = tempfile::Builder::new().prefix("tandem-acceptance-").tempdir_in(memory);
    inside.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub fn salesforce_settings() -> salesforce::Settings {
    let options = ["1", "2"].map(str::to_owned).to_vec();
    let custom = [
        ("Interests__c", Kind::MultiPicklist { values: options, restricted: true }),
        ("Birthday__c", Kind::Text(10)),
        ("Loyalty__c", Kind::Double),
    ];
    let mut custom_fields = custom.map(|(name, kind)| ("Contact".to_owned(), Field::new(name, kind))).to_vec();
    // An org with several currencies, and a field for what the standard opportunity does not hold.
    let money = [("CurrencyIsoCode", Kind::Text(3)), ("Ivvy_Paid__c", Kind::Currency)];
    custom_fields.extend(money.map(|(name, kind)| ("Opportunity".to_owned(), Field::new(name, kind))));
    salesforce::Settings { custom_fields, ..salesforce::Settings::default() }
}

/// An ordinary configuration file, with sweeps only when a test asks for one.
pub fn config(place: &Path, setup: &Setup, ivvy: &str, url: &str, crm: &CrmHand) -> Config {
    let odoo = matches!(crm, CrmHand::Odoo(_));
    let fields: Vec<Json> = CUSTOM
        .iter()
        .filter(|(name, ..)| !setup.unmapped.contains(name))
        .filter_map(|(name, kind, salesforce, in_odoo)| {
            let number: u64 = name.trim_start_matches("custom.").parse().unwrap();
            let there = if odoo { (*in_odoo)? } else { salesforce };
            Some(json!({"name": format!("f{number}"), "kind": kind, "ivvy": number, "crm": there}))
        })
        .collect();
    let secret = json!({"env": "GIVEN_DIRECTLY"});
    let system = match crm {
        CrmHand::Salesforce(sim) => {
            json!({"kind": "salesforce", "url": url, "client_id": sim.settings().client_id, "secret": secret})
        }
        CrmHand::Odoo(hand) => json!({"kind": "odoo", "url": url, "database": hand.database, "key": secret}),
    };
    let mut sync = json!({"interval": "1h", "rate": 100_000, "settle": "300ms", "overlap": "5s"});
    if let Some(day) = &setup.first_sync {
        sync["first_sync"] = json!(day);
    }
    let mut modules = json!({"contacts": {"fields": fields}});
    for module in setup.modules.iter().filter(|module| module.follows().is_none()) {
        modules[module.to_string()]["enabled"] = json!(true);
    }
    if let Some((module, field, value)) = setup.only {
        modules[module.to_string()]["only"] = json!({field: [value]});
    }
    if let Some(mirror) = setup.groups {
        super::groups::configure(&mut modules["contacts"], mirror, odoo);
    }
    let mut text = json!({
        "version": tandem::config::VERSION,
        "account": "acceptance",
        "data_dir": place,
        "socket": place.join("tandem.sock"),
        "ivvy": {
            "url": ivvy, "key": ivvy::Settings::default().key, "secret": secret,
            "leads": {"source": 2, "type": 1, "subtype": 11, "stage": 1},
        },
        "crm": system,
        "sync": sync,
        "guard": {"conflicts": {"count": setup.conflicts, "percent": 5}},
        "modules": modules,
    });
    lay_over(&mut text, setup.more.clone());
    Config::parse(&toml::to_string(&text).unwrap(), &place.join("tandem.toml")).unwrap()
}
