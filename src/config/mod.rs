//! The configuration of one account: a versioned TOML file, checked as a whole before anything starts.
//!
//! This module reads and refuses; it decides nothing. An unknown key is an error with its line and
//! the nearest known name, never silently ignored. Secrets are fetched by [`Config::secrets`], only
//! when a process needs them: an operator's console must be able to read the rest.

mod check;
pub mod duration;
mod explain;
mod own;
pub mod paths;
mod schema;
mod secret;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

pub use duration::parse as parse_duration;
pub use paths::Paths;
pub use schema::{
    Confidential, CrmKind, GuardLimits, Inbound, Ivvy, LeadDefaults, Limit, Matching, Module, Modules, OdooEvents,
    Operator, SecondPerson, Sync, parse_day,
};
pub use secret::{SecretSource, Secrets, fingerprint};
pub use streams::{
    Abilities, Auth, Bookings, Connector, Direction, Entity, Facade, Inflow, Institution, Profile, Push, S360,
    is_institution_code,
};

use crate::error::{Error, Result};
use crate::model::module::{BOOKING, groups_field};
use crate::model::{
    CustomField, Drift, FieldDef, FieldMaps, Fingerprint, Flow, Membership, ModuleDef, ModuleId, Role, Timestamp,
};

/// Version of the file format.
pub const VERSION: u32 = 1;

/// With fewer calls a day no module can be kept in step: a sweep of one side alone takes a call.
const LEAST_DAILY_CALLS: u64 = 100;

/// Match tables are small, but they are read whole.
const LEAST_MATCH_INTERVAL: Duration = Duration::from_secs(60);

/// An account's configuration. Its `Display` shows where secrets are, never what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Account name: one store, one daemon, one socket each.
    pub account: String,
    /// "production", "sandbox", …: shown on every screen.
    pub environment: String,
    /// Where the store and its lock live.
    pub data_dir: PathBuf,
    /// The socket consoles attach to.
    pub socket: PathBuf,
    /// Group that may attach besides the owner; the socket is the owner's alone when absent.
    pub socket_group: Option<String>,
    /// What someone may do whom `operators` does not name; they are refused when absent.
    pub default_role: Option<Role>,
    /// Where records come from that the CRM is kept in step with.
    pub origin: Origin,
    /// The CRM.
    pub crm: Crm,
    /// Where notifications are received, if they are.
    pub inbound: Option<Inbound>,
    /// Schedule and rates.
    pub sync: Sync,
    /// Modules and their custom fields.
    pub modules: Modules,
    /// Schedule and creation of what is matched.
    pub matching: Matching,
    /// Bulk guard limits.
    pub guard: GuardLimits,
    /// What takes two people.
    pub second_person: SecondPerson,
    /// People by name.
    pub operators: BTreeMap<String, Operator>,
}

/// The system on the other side of the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one per process")]
pub enum Origin {
    /// iVvy.
    Ivvy(Ivvy),
    /// S-360, one or more institutions.
    S360(S360),
}

/// The CRM's side of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crm {
    /// Base address.
    pub url: Url,
    /// Prefix of our external keys, when several accounts share one CRM.
    pub key_scope: Option<String>,
    /// Calls a day (UTC) at most; no limit when absent.
    pub daily_calls: Option<u64>,
    /// What only this system needs.
    pub system: CrmSystem,
}

impl Crm {
    /// Which CRM it is.
    pub fn kind(&self) -> CrmKind {
        match self.system {
            CrmSystem::Odoo { .. } => CrmKind::Odoo,
            CrmSystem::Salesforce { .. } => CrmKind::Salesforce,
            CrmSystem::Connector(_) => CrmKind::Connector,
            CrmSystem::Push(_) => CrmKind::Push,
        }
    }

    /// Where its secrets are, by the keys that say so.
    pub fn secrets(&self) -> Vec<(String, &SecretSource)> {
        match &self.system {
            CrmSystem::Odoo { key, .. } => vec![("crm.key".to_owned(), key)],
            CrmSystem::Salesforce { secret, .. } => vec![("crm.secret".to_owned(), secret)],
            CrmSystem::Connector(connector) => {
                connector.facade.iter().flat_map(|facade| listed("crm.facade.auth", &facade.auth)).collect()
            }
            CrmSystem::Push(push) => listed("crm.auth", &push.auth),
        }
    }
}

/// What one kind of CRM needs beside its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrmSystem {
    /// Odoo 19.
    Odoo {
        /// Database name.
        database: String,
        /// API key.
        key: SecretSource,
        /// Where events are kept; the adapter's own choice when absent.
        events: Option<OdooEvents>,
        /// The field that holds an attendee's status; the adapter's own when absent.
        attendee_status: Option<String>,
        /// What opportunity stages are called there, by Tandem's words; the adapter's own for the others.
        stages: BTreeMap<String, String>,
    },
    /// Salesforce, client-credentials flow.
    Salesforce {
        /// Consumer key of the connected app.
        client_id: String,
        /// Its secret.
        secret: SecretSource,
        /// REST API version ("62.0"); the adapter's own when absent.
        api_version: Option<String>,
        /// What stages, event and member statuses are called there, by Tandem's words; the adapter's own
        /// for the others.
        words: [BTreeMap<String, String>; 3],
    },
    /// The InTouch Connector.
    Connector(Box<Connector>),
    /// Any CRM that takes POSTed arrays.
    Push(Box<Push>),
}

/// The secrets of an authentication, numbered, below the key `at`.
fn listed<'a>(at: &str, auth: &'a Auth) -> Vec<(String, &'a SecretSource)> {
    auth.secrets().iter().enumerate().map(|(index, source)| (format!("{at}[{index}]"), source)).collect()
}

impl Origin {
    /// Where its secrets are, by the keys that say so.
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        match self {
            Self::Ivvy(ivvy) => vec![("ivvy.secret".to_owned(), &ivvy.secret)],
            Self::S360(s360) => s360
                .institutions
                .iter()
                .flat_map(|(code, institution)| {
                    let at = format!("s360.institutions.{code}");
                    let inflows = [
                        ("contacts", &institution.contacts),
                        ("orders", &institution.orders),
                        ("access", &institution.access),
                    ];
                    let own = institution.secret.iter().map(|secret| (format!("{at}.secret"), secret));
                    let of_inflows = inflows
                        .iter()
                        .filter_map(|(name, inflow)| Some((name, inflow.as_ref()?)))
                        .flat_map(|(name, inflow)| listed(&format!("{at}.{name}.auth"), &inflow.auth));
                    own.chain(of_inflows).collect::<Vec<_>>()
                })
                .collect(),
        }
    }
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config), always with a hint.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = if error.kind() == std::io::ErrorKind::NotFound {
                "run `tandem init` to write one, `tandem demo` to look around, or pass --config PATH"
            } else {
                "check the path and its permissions"
            };
            Error::config(format!("the configuration {} cannot be read", path.display())).because(&error).hint(hint)
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a configuration file; `path` is used in messages and as the base of
    /// relative paths.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        // The version is looked at first, so that a newer file is not called a typing error.
        if let Ok(table) = text.parse::<toml::Table>() {
            match table.get("version").and_then(toml::Value::as_integer) {
                Some(version) if version == i64::from(VERSION) => {}
                Some(version) => {
                    return Err(Error::config(format!("{}: configuration version {version}", path.display()))
                        .hint(format!("this Tandem reads version {VERSION}")));
                }
                None => {
                    return Err(Error::config(format!("{}: the key `version` is missing", path.display()))
                        .hint(format!("start the file with: version = {VERSION}")));
                }
            }
        }
        let file: schema::File = toml::from_str(text).map_err(|error| explain::toml_error(&error, text, path))?;
        Self::check(file, path)
    }

    fn check(file: schema::File, path: &Path) -> Result<Self> {
        debug_assert_eq!(file.version, VERSION, "checked before parsing");
        let wrong = |message: String, hint: &str| Error::config(format!("{}: {message}", path.display())).hint(hint);
        let account = file.account.unwrap_or_else(|| paths::DEFAULT_ACCOUNT.to_owned());
        if !paths::is_account_name(&account) {
            return Err(wrong(
                format!("account: `{account}` is not an account name"),
                "up to 32 small letters, digits, - and _",
            ));
        }
        let crm = check::crm(file.crm).map_err(|(message, hint)| wrong(message, hint))?;
        let mut modules = file.modules;
        if let CrmSystem::Connector(connector) = &crm.system {
            modules.agree(&connector.profile);
        }
        for module in ModuleId::ALL {
            check::fields(module, &modules.of(module).fields).map_err(|(message, hint)| wrong(message, hint))?;
            own::check(module, modules.of(module)).map_err(|(message, hint)| wrong(message, hint))?;
            check::groups(module, modules.of(module), crm.kind()).map_err(|(message, hint)| wrong(message, hint))?;
        }
        for (name, operator) in &file.operators {
            if operator.uid.is_some() == operator.login.is_some() {
                return Err(wrong(
                    format!("operators.{name}: needs exactly one of `uid` and `login`"),
                    "how the daemon knows them: uid = 1000, or login = \"ada\"",
                ));
            }
        }
        let origin = check::origin(file.ivvy, file.s360).map_err(|(message, hint)| wrong(message, hint))?;
        let (leads, daily_calls) = match &origin {
            Origin::Ivvy(ivvy) => (ivvy.leads.as_ref(), ivvy.daily_calls),
            Origin::S360(_) => (None, None),
        };
        if matches!(origin, Origin::Ivvy(_)) && modules.enabled(ModuleId::Leads) && leads.is_none() {
            return Err(wrong(
                "modules.leads is enabled, but ivvy.leads does not say what a new lead gets in iVvy".to_owned(),
                "add [ivvy.leads] with source, type and stage: iVvy takes no lead without them",
            ));
        }
        if let Some(leads) = leads {
            if let Some(source) = leads.owner_by_source.keys().find(|source| source.parse::<u64>().is_err()) {
                return Err(wrong(
                    format!("ivvy.leads.owner_by_source: `{source}` is not the id of a lead source"),
                    "iVvy's id of a source, and its id of a user: { \"12\" = 34 }",
                ));
            }
            if leads.owner.is_some() && !leads.owners.is_empty() {
                return Err(wrong(
                    "ivvy.leads has both owner and owners".to_owned(),
                    "owner is one user for all leads without an owner, owners are several in turn: remove one of the two",
                ));
            }
            let again = |(at, user): &(usize, &u64)| leads.owners[..*at].contains(user);
            if let Some((_, user)) = leads.owners.iter().enumerate().find(again) {
                return Err(wrong(
                    format!("ivvy.leads.owners names {user} twice"),
                    "each user has one turn: name everybody once",
                ));
            }
            let named = leads.owner.is_some() || !leads.owners.is_empty() || !leads.owner_by_source.is_empty();
            if named && modules.of(ModuleId::Leads).owner == Some(false) {
                return Err(wrong(
                    "ivvy.leads names an owner, but modules.leads.owner is false".to_owned(),
                    "the owner is never written then: remove one of the two",
                ));
            }
        }
        if file.matching.interval < LEAST_MATCH_INTERVAL {
            return Err(wrong(
                "matching.interval is below a minute".to_owned(),
                "time between two listings of staff and lead sources, \"1h\" by default",
            ));
        }
        for module in ModuleId::ALL.into_iter().filter(|module| *module != ModuleId::Leads) {
            let section = modules.of(module);
            for (key, given) in [("owner", section.owner), ("source", section.source)] {
                if given.is_some() {
                    return Err(wrong(
                        format!("modules.{module}.{key}: {module} have no {key} to be left out"),
                        "the key belongs into [modules.leads]",
                    ));
                }
            }
        }
        streams::check_bookings(&origin, crm.kind(), &modules).map_err(|(message, hint)| wrong(message, hint))?;
        for module in ModuleId::ALL.into_iter().filter(|module| modules.enabled(*module)) {
            check::only(module, modules.of(module)).map_err(|(message, hint)| wrong(message, hint))?;
            check::needs(module, &modules).map_err(|(message, hint)| wrong(message, hint))?;
        }
        let listens = match (&origin, &crm.system) {
            (Origin::S360(s360), _) => s360.institutions.values().any(Institution::is_posted),
            (_, CrmSystem::Connector(connector)) => connector.facade.is_some(),
            _ => false,
        };
        if listens && file.inbound.is_none() {
            return Err(wrong(
                "records are posted to us, but [inbound] does not say where".to_owned(),
                "listen = \"127.0.0.1:8467\", behind a reverse proxy that ends TLS",
            ));
        }
        if let Some(inbound) = &file.inbound
            && !inbound.listen.ip().is_loopback()
            && !inbound.exposed
        {
            return Err(wrong(
                format!("inbound.listen: other machines could reach {}", inbound.listen),
                "listen on 127.0.0.1 behind a reverse proxy that ends TLS, or say exposed = true",
            ));
        }
        if file.sync.rate == 0 {
            return Err(wrong("sync.rate is zero".to_owned(), "calls per second to each remote, at least 1"));
        }
        for (section, daily_calls) in [("ivvy", daily_calls), ("crm", crm.daily_calls)] {
            if daily_calls.is_some_and(|calls| calls < LEAST_DAILY_CALLS) {
                return Err(wrong(
                    format!("{section}.daily_calls is below {LEAST_DAILY_CALLS}"),
                    "calls a day to this remote; leave it out for no limit of ours",
                ));
            }
        }
        if file.guard.shrink_percent > 100 {
            return Err(wrong("guard.shrink_percent is above 100".to_owned(), "a percentage, 50 by default"));
        }
        let base = path.parent().unwrap_or(Path::new("."));
        // Only asked for when needed: a file that names both places works without a home directory.
        let default_paths = match (&file.data_dir, &file.socket) {
            (Some(_), Some(_)) => None,
            _ => Some(paths::defaults(&account)?),
        };
        let place = |given: Option<PathBuf>, default: fn(&Paths) -> &PathBuf| match (given, &default_paths) {
            (Some(given), _) => base.join(given),
            (None, Some(paths)) => default(paths).clone(),
            (None, None) => base.to_owned(),
        };
        Ok(Self {
            path: path.to_owned(),
            account,
            environment: file.environment.unwrap_or_else(|| "production".to_owned()),
            data_dir: place(file.data_dir, |paths| &paths.data),
            socket: place(file.socket, |paths| &paths.socket),
            socket_group: file.socket_group,
            default_role: file.default_role,
            origin,
            crm,
            inbound: file.inbound,
            sync: file.sync,
            modules,
            matching: file.matching,
            guard: file.guard,
            second_person: file.second_person,
            operators: file.operators,
        })
    }

    /// Fetches the secrets.
    ///
    /// # Errors
    /// When a source is missing, empty or not private.
    pub fn secrets(&self) -> Result<Secrets> {
        let base = self.path.parent().unwrap_or(Path::new("."));
        let mut secrets = Secrets::default();
        for (key, source) in self.origin.secrets().into_iter().chain(self.crm.secrets()) {
            let secret = source.resolve(base, &key)?;
            secrets = secrets.with(key, secret);
        }
        Ok(secrets)
    }

    /// iVvy, if that is the origin.
    pub fn ivvy(&self) -> Option<&Ivvy> {
        match &self.origin {
            Origin::Ivvy(ivvy) => Some(ivvy),
            Origin::S360(_) => None,
        }
    }

    /// S-360, if that is the origin.
    pub fn s360(&self) -> Option<&S360> {
        match &self.origin {
            Origin::Ivvy(_) => None,
            Origin::S360(s360) => Some(s360),
        }
    }

    /// The effective catalogue of the configuration alone: enabled modules in sync order, custom fields
    /// included.
    pub fn catalogue(&self) -> Vec<ModuleDef> {
        self.catalogue_with(&FieldMaps::new())
    }

    /// The effective catalogue with what the store's maps add.
    pub fn catalogue_with(&self, maps: &FieldMaps) -> Vec<ModuleDef> {
        let on = ModuleId::ALL.into_iter().filter(|module| self.modules.enabled(*module));
        on.map(|module| {
            let mut def = module.def();
            let Module { fields: custom, only, drift, crm_fields, confidential, groups, mirror_group_removals, .. } =
                self.modules.of(module);
            def.drift = *drift;
            let left_out = self.modules.left_out();
            def.fields.retain(|field| !left_out.contains(&(module, field.name.clone().into_owned())));
            def.only.extend(only.iter().map(|(name, values)| (name.clone(), values.iter().cloned().collect())));
            if confidential.is_some_and(|policy| policy != Confidential::Skip) {
                def.only.remove(own::CONFIDENTIAL);
            }
            let on_request = module.fields_on_request().into_iter();
            def.fields.extend(on_request.filter(|field| crm_fields.contains_key(field.name.as_ref())));
            if module == ModuleId::Orders && crm_fields.contains_key(BOOKING) {
                def.take_bookings();
                // What is written changes, so plans and the guard look again.
                def.mapping_version = mapping_version(def.mapping_version, &BOOKING);
            }
            match &self.crm.system {
                CrmSystem::Push(_) => streams::only_push(&mut def),
                CrmSystem::Connector(connector) => connector.profile.direction.confine(&mut def),
                CrmSystem::Odoo { .. } | CrmSystem::Salesforce { .. } => {}
            }
            let flow = def.flow;
            // A one-way module has no fields that go the other way (E4).
            def.fields.extend(self.custom_fields(module, maps).iter().map(CustomField::def).map(|field| match flow {
                Flow::Both => field,
                _ => FieldDef { flow, ..field },
            }));
            if !custom.is_empty() {
                // Configuration has no counter to raise, so the version of a custom map is a
                // hash of it: any change makes plans and guard look again.
                def.mapping_version = mapping_version(def.mapping_version, custom);
            }
            if let Some(map) = maps.get(&module) {
                def.mapping_version = mapping_version(def.mapping_version, &(map.version, &map.fields));
            }
            if !groups.is_empty() {
                let joined = groups_field(Membership { mirror_removals: *mirror_group_removals });
                // Joined only where either side may add to it.
                def.fields.push(match def.flow {
                    Flow::Both => joined,
                    flow => FieldDef { flow, membership: None, ..joined },
                });
                def.mapping_version = mapping_version(def.mapping_version, &(groups, mirror_group_removals));
            }
            def
        })
        .collect()
    }

    /// The custom fields of `module`: those of the file, then those of the store.
    pub fn custom_fields(&self, module: ModuleId, maps: &FieldMaps) -> Vec<CustomField> {
        let stored = maps.get(&module).into_iter().flat_map(|map| &map.fields).map(|mapped| &mapped.field);
        self.modules.of(module).fields.iter().chain(stored).cloned().collect()
    }

    /// Checks that nothing is mapped both in the file and in the store.
    ///
    /// # Errors
    /// Says what is there twice, and how to resolve it.
    pub fn check_maps(&self, maps: &FieldMaps) -> Result<()> {
        for module in maps.keys().copied() {
            check::fields(module, &self.custom_fields(module, maps)).map_err(|(message, _)| {
                Error::config(format!("{}, with the map in the store: {message}", self.path.display())).hint(
                    "remove the field from the file; once Tandem runs, `tandem map remove` takes it out of the store",
                )
            })?;
        }
        Ok(())
    }
}

impl Modules {
    /// Leaves out what an agreement leaves out (C-07): an owner or source is never read or written then.
    fn agree(&mut self, profile: &Profile) {
        let leads = self.0.entry(ModuleId::Leads).or_default();
        leads.owner = leads.owner.filter(|_| profile.owner).or((!profile.owner).then_some(false));
        leads.source = leads.source.filter(|_| profile.source).or((!profile.source).then_some(false));
    }

    /// The section of `module`.
    pub fn of(&self, module: ModuleId) -> &Module {
        static UNSAID: Module = Module {
            enabled: None,
            fields: Vec::new(),
            only: BTreeMap::new(),
            drift: Drift::Ignore,
            owner: None,
            source: None,
            crm_fields: BTreeMap::new(),
            first_sync: None,
            currency: None,
            stages: BTreeMap::new(),
            confidential: None,
            groups: BTreeMap::new(),
            mirror_group_removals: false,
        };
        self.0.get(&module).unwrap_or(&UNSAID)
    }

    /// Fields that are neither read nor written, by module (C-07).
    pub fn left_out(&self) -> BTreeSet<(ModuleId, String)> {
        let leads = self.of(ModuleId::Leads);
        let switches = [("owner", leads.owner), ("source", leads.source)];
        let off = switches.into_iter().filter(|(_, on)| *on == Some(false));
        off.map(|(field, _)| (ModuleId::Leads, field.to_owned())).collect()
    }

    /// Whether `module` is kept in step.
    pub fn enabled(&self, module: ModuleId) -> bool {
        let switch = module.follows().unwrap_or(module);
        self.of(switch).enabled.unwrap_or_else(|| switch.on_by_default())
    }

    /// The first-sync day of `module`'s own: its section's, or that of the module whose switch it obeys.
    pub fn first_sync(&self, module: ModuleId) -> Option<Timestamp> {
        let switch = module.follows().map(|switch| self.of(switch));
        self.of(module).first_sync.or_else(|| switch.and_then(|switch| switch.first_sync))
    }

    /// What becomes of confidential bookings.
    pub fn confidential(&self) -> Confidential {
        self.of(ModuleId::QuotesAndBookings).confidential.unwrap_or_default()
    }
}

fn mapping_version(before: u32, custom: &(impl serde::Serialize + ?Sized)) -> u32 {
    let hash = Fingerprint::of(&(before, custom)).0;
    u32::try_from(hash & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

type Wrong = (String, &'static str);

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account      {} ({})", self.account, self.environment)?;
        writeln!(f, "config       {}", self.path.display())?;
        writeln!(f, "data         {}", self.data_dir.display())?;
        writeln!(f, "socket       {}", self.socket.display())?;
        match &self.origin {
            Origin::Ivvy(ivvy) => writeln!(f, "ivvy         {} (secret: {})", ivvy.url, ivvy.secret)?,
            Origin::S360(s360) => {
                let codes: Vec<&str> = s360.institutions.keys().map(String::as_str).collect();
                writeln!(f, "s360         {} as {}", codes.join(", "), s360.partner)?;
            }
        }
        let secrets: Vec<String> = self.crm.secrets().iter().map(|(_, source)| source.to_string()).collect();
        let secrets = if secrets.is_empty() { "none".to_owned() } else { secrets.join(", ") };
        writeln!(f, "crm          {} {} (secret: {secrets})", self.crm.kind(), self.crm.url)?;
        write!(f, "interval     {}", duration::format(self.sync.interval))
    }
}

#[cfg(test)]
mod tests;
