//! How a simulated S-360 is set up, and what may change while it runs.
//!
//! Where the contract is silent the reading that is harder on a client is the default.

use std::fmt;
use std::time::Duration;

use chrono::NaiveDate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::contact::Detail;
use crate::seam::Zone;

/// What is pushed, each to its own address (contract 2.1).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stream {
    /// Contacts created or changed.
    Contacts,
    /// Orders closed or abandoned.
    Orders,
    /// Access-control checks.
    Access,
}

/// How the pusher shows who it is (contract 2.2).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PushAuth {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Basic`.
    Basic {
        /// User name; without a colon.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// A header of its own.
    Apikey {
        /// Its name, for example `X-API-Key`.
        #[serde(default = "api_key_header")]
        header: String,
        /// Its value.
        value: SecretString,
    },
}

fn api_key_header() -> String {
    "X-API-Key".to_owned()
}

/// Where an institution pushes to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Base URL without a trailing slash; `/s360/contacts/{INST}` and its like are added.
    pub url: String,
    /// What is shown there.
    #[serde(default)]
    pub auth: PushAuth,
}

/// What a retry carries (contract 2.2: the two sources disagree).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same bytes.
    #[default]
    Frozen,
    /// The same records as they are now.
    Reread,
}

/// The outer form of a payload (contract 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// An array of objects, also of one.
    #[default]
    Array,
    /// One bare object in each payload, whatever its size was set to.
    Bare,
}

/// How a call above the limit is answered (contract 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLimit {
    /// HTTP 509, as today.
    #[default]
    Http509,
    /// HTTP 429, as announced.
    Http429,
}

/// What `iat` and `exp` are counted in (contract 2.5: text and sample disagree).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenUnit {
    /// Seconds, as the sample and public clients have it.
    #[default]
    Seconds,
    /// Milliseconds, as the text has it.
    Millis,
}

/// Behaviours that may change while the simulator runs: `POST /_sim/s360/knobs` takes any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// M: milliseconds between runs. Real ones are 1 to 1440 minutes; here any number above zero.
    pub every_ms: u64,
    /// S: records per run and stream.
    pub per_run: usize,
    /// bs: records per payload.
    pub per_payload: usize,
    /// Attempts in all before records are given up.
    pub max_tries: u32,
    /// How long the receiver may take to answer, in milliseconds.
    pub timeout_ms: u64,
    /// What a retry carries.
    pub retry: Retry,
    /// The outer form of a payload.
    pub form: Form,
    /// The parts of a contact that are pushed; what is not among them is absent, not empty.
    pub details: Vec<Detail>,
    /// Whether orders are wrapped once more, as `{"orderDetailsData": {…}}`.
    pub wrap_orders: bool,
    /// Whether a run goes on after a payload failed. Unknown (contract 2.2).
    pub continue_after_failure: bool,
    /// Calls per minute and institution before they are refused. Logins count.
    pub calls_per_minute: usize,
    /// How a call above that is answered.
    pub over_limit: OverLimit,
    /// `Retry-After` in seconds beside it. Unknown (contract 2.5), hence none.
    pub retry_after: Option<u64>,
    /// How far the simulator's clock is ahead, in milliseconds; negative for behind.
    pub skew_ms: i64,
    /// What `iat` and `exp` are counted in.
    pub token_unit: TokenUnit,
    /// How long a token of the login call lives, in milliseconds.
    pub session_ms: u64,
    /// Whether a refused token is HTTP 401 as well, instead of HTTP 200 with `statusCode` 401.
    pub http_401: bool,
    /// Whether creating an order under a known `externalReference` answers the known order, instead of
    /// creating another.
    pub unique_references: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            every_ms: 15 * 60 * 1000,
            per_run: 500,
            per_payload: 50,
            max_tries: 12,
            timeout_ms: 10_000,
            retry: Retry::default(),
            form: Form::default(),
            details: vec![Detail::General, Detail::Addresses, Detail::Authorizations, Detail::ComMeans],
            wrap_orders: true,
            continue_after_failure: true,
            calls_per_minute: 180,
            over_limit: OverLimit::default(),
            retry_after: None,
            skew_ms: 0,
            token_unit: TokenUnit::default(),
            session_ms: 5 * 60 * 1000,
            http_401: false,
            unique_references: false,
        }
    }
}

impl Knobs {
    /// The time between runs.
    pub fn every(&self) -> Duration {
        Duration::from_millis(self.every_ms.max(1))
    }
}

/// One institution and who may call it.
#[derive(Clone)]
pub struct Account {
    /// Its code, upper case.
    pub code: String,
    /// The virtual operator: `aud` of a token.
    pub operator: String,
    /// The partner: `iss` of a token.
    pub partner: String,
    /// The operator's secret: the key of a token's signature.
    pub secret: SecretString,
    /// Where it pushes to; nothing is pushed without.
    pub receiver: Option<Receiver>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("code", &self.code).finish_non_exhaustive()
    }
}

impl Account {
    /// An institution with invented credentials, each its own.
    pub fn invented(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            operator: format!("{code}_TANDEM"),
            partner: "TANDEM".to_owned(),
            secret: SecretString::from(format!("Sim-S360-{code}-Secret-of-32-bytes-or-more")),
            receiver: None,
        }
    }
}

/// Configuration of an [`S360Sim`](super::S360Sim).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The institutions. Each numbers its contacts from the same start.
    pub institutions: Vec<Account>,
    /// What is pushed.
    pub streams: Vec<Stream>,
    /// Contacts modified and orders created before this day are not pushed (contract 2.6). The day itself is.
    pub first_sync: Option<NaiveDate>,
    /// Where that day begins.
    pub zone: Zone,
    /// Behaviours in force from the start.
    pub knobs: Knobs,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            institutions: vec![Account::invented("ACME"), Account::invented("GLOBE")],
            streams: vec![Stream::Contacts, Stream::Orders],
            first_sync: None,
            zone: Zone::Utc,
            knobs: Knobs::default(),
        }
    }
}
