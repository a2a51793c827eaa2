//! The sections of the configuration file as they are written. Cross-checks live in the parent module.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use url::Url;

use super::streams::{Auth, Facade, Profile, S360, StreamKeys};
use super::{SecretSource, duration};
use crate::model::{CustomField, Drift, ModuleId, Role, Timestamp};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub version: u32,
    pub account: Option<String>,
    pub environment: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub socket_group: Option<String>,
    pub default_role: Option<Role>,
    pub ivvy: Option<Ivvy>,
    pub s360: Option<S360>,
    pub crm: CrmTable,
    pub inbound: Option<Inbound>,
    #[serde(default)]
    pub sync: Sync,
    #[serde(default)]
    pub modules: Modules,
    #[serde(default)]
    pub matching: Matching,
    #[serde(default)]
    pub guard: GuardLimits,
    #[serde(default)]
    pub second_person: SecondPerson,
    #[serde(default)]
    pub operators: BTreeMap<String, Operator>,
}

/// `[ivvy]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ivvy {
    /// Base address of the account's region.
    #[serde(deserialize_with = "base_url")]
    pub url: Url,
    /// API key: names the account, is sent with every call, proves nothing.
    pub key: String,
    /// API secret: signs every call.
    pub secret: SecretSource,
    /// Calls a day (UTC) at most; no limit when absent.
    pub daily_calls: Option<u64>,
    /// What new leads get there; needed when the module is on.
    pub leads: Option<LeadDefaults>,
    /// Venues whose bookings are read one venue at a time, for a key that is bound to them; the whole
    /// account's when empty (V-82). iVvy's ids.
    #[serde(default)]
    pub venues: BTreeSet<u64>,
}

/// `[ivvy.leads]`: what iVvy wants to know of a new lead and no CRM tells (C-24). All are iVvy's ids.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadDefaults {
    /// The source of leads whose own is unmatched.
    pub source: u64,
    /// The type.
    #[serde(rename = "type")]
    pub kind: u64,
    /// The subtype, where the type has subtypes.
    pub subtype: Option<u64>,
    /// The stage a lead begins in.
    pub stage: u64,
    /// Who owns a lead whose own owner is unmatched; nobody when absent (C-14).
    pub owner: Option<u64>,
    /// Instead of `owner`: these users in turn, whoever is not active left out (C-14).
    #[serde(default)]
    pub owners: Vec<u64>,
    /// The same by lead source: `{ "12" = 34 }`; goes before `owner` and `owners`.
    #[serde(default)]
    pub owner_by_source: BTreeMap<String, u64>,
}

/// `[inbound]`: where iVvy's notifications are received, beside polling (N-07).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Where to listen, in plain HTTP; this machine only, unless `exposed`.
    pub listen: SocketAddr,
    /// Whether other machines may reach `listen`.
    #[serde(default)]
    pub exposed: bool,
    /// What iVvy is to post to: an address that leads to `listen`. Without it nothing is subscribed to.
    #[serde(default, deserialize_with = "some_base_url")]
    pub public_url: Option<Url>,
    /// `host` or `host:port` that notifications may come from besides SNS: a simulator's.
    #[serde(default)]
    pub sns_hosts: BTreeSet<String>,
    /// Where the keys are that iVvy signs with, instead of its own buckets: a simulator's.
    #[serde(default, deserialize_with = "some_base_url")]
    pub key_url: Option<Url>,
}

/// `[crm]` before it is known which system it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrmTable {
    pub kind: CrmKind,
    #[serde(default, deserialize_with = "some_base_url")]
    pub url: Option<Url>,
    pub database: Option<String>,
    pub key: Option<SecretSource>,
    pub client_id: Option<String>,
    pub secret: Option<SecretSource>,
    pub api_version: Option<String>,
    pub key_scope: Option<String>,
    pub daily_calls: Option<u64>,
    pub events: Option<OdooEvents>,
    pub attendee_status: Option<String>,
    #[serde(default)]
    pub stages: BTreeMap<String, String>,
    #[serde(default)]
    pub event_statuses: BTreeMap<String, String>,
    #[serde(default)]
    pub member_statuses: BTreeMap<String, String>,
    pub version: Option<String>,
    pub provider: Option<String>,
    pub client: Option<String>,
    pub club: Option<String>,
    pub profile: Option<Profile>,
    pub facade: Option<Facade>,
    pub owner_element: Option<String>,
    pub source_element: Option<String>,
    #[serde(default, deserialize_with = "some_base_url")]
    pub contacts_url: Option<Url>,
    #[serde(default, deserialize_with = "some_base_url")]
    pub orders_url: Option<Url>,
    pub auth: Option<Auth>,
    #[serde(default, deserialize_with = "duration::optional")]
    pub every: Option<Duration>,
    pub per_run: Option<u32>,
    pub per_payload: Option<u32>,
    pub tries: Option<u32>,
}

impl CrmTable {
    /// Takes out what only the Connector and pushed CRMs have.
    pub fn stream_keys(&mut self) -> StreamKeys {
        StreamKeys {
            version: self.version.take(),
            provider: self.provider.take(),
            client: self.client.take(),
            club: self.club.take(),
            profile: self.profile.take(),
            facade: self.facade.take(),
            owner_element: self.owner_element.take(),
            source_element: self.source_element.take(),
            contacts_url: self.contacts_url.take(),
            orders_url: self.orders_url.take(),
            auth: self.auth.take(),
            every: self.every.take(),
            per_run: self.per_run.take(),
            per_payload: self.per_payload.take(),
            tries: self.tries.take(),
        }
    }
}

/// `crm.events`: where an Odoo keeps iVvy's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OdooEvents {
    /// In its Events app: events and registrations.
    App,
    /// As campaigns, which have no members.
    Campaigns,
}

/// Which CRM.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CrmKind {
    /// Odoo 19, JSON API.
    Odoo,
    /// Salesforce, REST API.
    Salesforce,
    /// The InTouch Connector, XML.
    Connector,
    /// Any CRM that takes POSTed arrays.
    Push,
}

/// `[sync]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Time between two sweeps of a module (V-51: quarter-hourly unless set).
    #[serde(deserialize_with = "duration::required")]
    pub interval: Duration,
    /// The first sync takes only records modified since this day, UTC.
    #[serde(deserialize_with = "date")]
    pub first_sync: Option<Timestamp>,
    /// Overrides the settle time the CRM adapter declares.
    #[serde(deserialize_with = "duration::optional")]
    pub settle: Option<Duration>,
    /// Overrides the smallest overlap of two sweeps.
    #[serde(deserialize_with = "duration::optional")]
    pub overlap: Option<Duration>,
    /// How long finished items are kept in the queue.
    #[serde(deserialize_with = "duration::required")]
    pub keep_done: Duration,
    /// Calls per second to each remote at most.
    pub rate: u32,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15 * 60),
            first_sync: None,
            settle: None,
            overlap: None,
            keep_done: Duration::from_secs(30 * 24 * 60 * 60),
            rate: 4,
        }
    }
}

/// `[matching]`: the tables that say which person and which lead source is which.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matching {
    /// Time between two listings of staff and lead sources, counted from midnight UTC.
    #[serde(deserialize_with = "duration::required")]
    pub interval: Duration,
    /// Whether a lead source without a counterpart is created on the other side, where that can be done,
    /// once a lead carries it (C-23).
    pub create_lead_sources: bool,
}

impl Default for Matching {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60 * 60), create_lead_sources: true }
    }
}

/// `[modules]`: a section per module of the catalogue; one that is not there has its defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Modules(pub(super) BTreeMap<ModuleId, Module>);

/// `[modules.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Module {
    /// Whether it is kept in step at all; unsaid, the catalogue's default counts
    /// ([`ModuleId::on_by_default`](crate::model::ModuleId::on_by_default)).
    pub enabled: Option<bool>,
    /// `[[modules.NAME.fields]]`: custom fields (V-19).
    pub fields: Vec<CustomField>,
    /// Which values of which fields a record must have to be carried over at first; replaces the
    /// catalogue's rule field by field, and an empty list lifts it (V-45, V-47, V-52).
    pub only: BTreeMap<String, Vec<String>>,
    /// What becomes of CRM edits of fields that iVvy owns (V-43).
    pub drift: Drift,
    /// Leads: whether they are kept in step with their owner; yes, unless said otherwise (C-07).
    pub owner: Option<bool>,
    /// Leads: whether they are kept in step with their source; yes, unless said otherwise (C-07).
    pub source: Option<bool>,
    /// Fields of the CRM's that hold built-in fields for which it has no standard one.
    pub crm_fields: BTreeMap<String, String>,
    /// Takes only records modified since this day, UTC, instead of `sync.first_sync` (V-03).
    #[serde(deserialize_with = "date")]
    pub first_sync: Option<Timestamp>,
    /// Registrations: the currency that the account invoices them in; iVvy does not tell (V-41).
    pub currency: Option<String>,
    /// Registrations, quotes and bookings: what a status of iVvy's has come to, instead of what is built in,
    /// each by its word (V-47, V-83).
    pub stages: BTreeMap<String, String>,
    /// Quotes and bookings: what becomes of confidential ones; they are skipped unless said otherwise
    /// (V-84).
    pub confidential: Option<Confidential>,
    /// Contacts: iVvy's subscription groups that are kept in step, by iVvy's number of each: what the CRM
    /// calls it (V-18). No other group is read or touched.
    #[serde(deserialize_with = "groups")]
    pub groups: BTreeMap<u64, String>,
    /// Contacts: whether who leaves one of these groups in the CRM leaves it in iVvy too.
    pub mirror_group_removals: bool,
}

/// What becomes of a confidential booking (V-84).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidential {
    /// It stays in iVvy.
    #[default]
    Skip,
    /// It goes over without its name and without the people and company behind it.
    Mask,
    /// It goes over like any other.
    Send,
}

/// Keys of a TOML table are text; these are iVvy's numbers.
fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u64, String>, D::Error> {
    let table = BTreeMap::<String, String>::deserialize(deserializer)?;
    let numbered = table.into_iter().map(|(key, name)| match key.trim().parse::<u64>() {
        Ok(number) if number > 0 => Ok((number, name.trim().to_owned())),
        _ => Err(D::Error::custom(format!("groups: `{key}` is not the number of an iVvy subscription group"))),
    });
    numbered.collect()
}

/// `[guard]`: what one window of a module may plan before a person must look (`engine.md` 5.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardLimits {
    /// Creates.
    pub creates: Limit,
    /// Updates.
    pub updates: Limit,
    /// Conflicts.
    pub conflicts: Limit,
    /// Records in which one field is emptied.
    pub emptied: Limit,
    /// Records in which one field is set to one value.
    pub same_value: Limit,
    /// A side that shrank below this percentage of its last full sweep trips the guard.
    pub shrink_percent: u8,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            creates: Limit { count: 200, per_mille: 50 },
            updates: Limit { count: 500, per_mille: 100 },
            conflicts: Limit { count: 20, per_mille: 50 },
            emptied: Limit { count: 20, per_mille: 5 },
            same_value: Limit { count: 50, per_mille: 10 },
            shrink_percent: 50,
        }
    }
}

/// The larger of a count and a percentage of the module's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Always allowed, however small the module.
    pub count: u64,
    /// Percent of the module's records, to a tenth.
    #[serde(rename = "percent", deserialize_with = "tenths")]
    pub per_mille: u16,
}

/// `[second_person]`: what takes two people (`engine.md` 5.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecondPerson {
    /// A force-push that overwrites this many fields or more.
    pub force: Option<NonZeroU32>,
    /// Closing a pair whose counterpart is gone.
    pub close_pair: bool,
    /// Releasing all that a tripped guard holds.
    pub release: bool,
}

/// `[operators]`, one per person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Unix user id.
    pub uid: Option<u32>,
    /// Or login name, looked up when they attach.
    pub login: Option<String>,
    /// What they may do.
    pub role: Role,
}

/// An address that calls may be sent to. Secrets travel over it, so plain HTTP is for this machine only.
fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = Url::parse(&text).map_err(|error| D::Error::custom(format!("not a web address ({error})")))?;
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: it holds a password.
        return Err(D::Error::custom("an address must not hold a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(D::Error::custom("an address must not hold a query or fragment"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(D::Error::custom(format!("{url} is not encrypted; use https:// (http:// is for loopback only)"))),
        _ => Err(D::Error::custom(format!("{url} is not an https:// address"))),
    }
}

pub(super) fn some_base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    base_url(deserializer).map(Some)
}

/// A percentage with at most one decimal, in per mille.
fn tenths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let percent = f64::deserialize(deserializer)?;
    let per_mille = percent * 10.0;
    // Invariant of the cast: within 0 to 1000, checked before.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a small whole number")]
    if (0.0..=1000.0).contains(&per_mille) && (per_mille - per_mille.round()).abs() < 1e-6 {
        Ok(per_mille.round() as u16)
    } else {
        Err(D::Error::custom(format!("{percent} is not a percentage from 0 to 100 with at most one decimal")))
    }
}

/// A calendar day, quoted or as a TOML date; the instant it starts in UTC.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a date like 2026-01-31")]
    enum Day {
        Text(String),
        Date(toml::value::Datetime),
    }
    let text = match Day::deserialize(deserializer)? {
        Day::Text(text) => text,
        Day::Date(date) => date.to_string(),
    };
    parse_day(&text).map(Some).map_err(D::Error::custom)
}

/// The first instant of a day written `yyyy-mm-dd`, in UTC.
pub fn parse_day(text: &str) -> Result<Timestamp, String> {
    let day: NaiveDate = text.parse().map_err(|_| format!("`{text}` is not a date like 2026-01-31"))?;
    Ok(Timestamp::from(day.and_time(NaiveTime::MIN).and_utc()))
}
