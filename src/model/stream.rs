//! Streams: what another system posts to us by itself, or is posted by us, batch by batch
//! (`contracts/connector_s360.md` 1.7, 2.2).
//!
//! A stream has a *tenant*: the institution (S-360) or club (Connector) it belongs to. Nothing of one tenant
//! is ever looked up, counted or shown as another's. What a record means is not known here.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::{ModuleId, RecordId, Side, Timestamp};

/// Which stream. The number is stored in keys, so it never changes.
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
#[repr(u8)]
pub enum StreamKind {
    /// S-360 posts contacts, persons and structures (S-02, S-03).
    S360Contacts = 1,
    /// S-360 posts finalized orders (S-05).
    S360Orders = 2,
    /// S-360 posts checks at its gates (S-12).
    S360Access = 3,
    /// The Connector saves prospects and members with us (P-01 to P-04).
    ConnectorPeople = 4,
    /// The Connector creates and updates lead sources with us (P-09).
    ConnectorSources = 5,
    /// We post contacts to a CRM that takes them.
    PushContacts = 6,
    /// We post orders and opportunities to a CRM that takes them.
    PushOrders = 7,
}

impl StreamKind {
    /// Every stream.
    pub const ALL: [Self; 7] = [
        Self::S360Contacts,
        Self::S360Orders,
        Self::S360Access,
        Self::ConnectorPeople,
        Self::ConnectorSources,
        Self::PushContacts,
        Self::PushOrders,
    ];

    /// The number used in store keys.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The stream with this store number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether others post to us.
    pub fn is_inbound(self) -> bool {
        !matches!(self, Self::PushContacts | Self::PushOrders)
    }

    /// What a person reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::S360Contacts | Self::PushContacts => "Contacts",
            Self::S360Orders | Self::PushOrders => "Orders",
            Self::S360Access => "Access checks",
            Self::ConnectorPeople => "Prospects & members",
            Self::ConnectorSources => "Lead sources",
        }
    }
}

/// One stream of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// Which stream.
    pub kind: StreamKind,
    /// Institution code, club, or empty where there is only one.
    pub tenant: String,
}

impl StreamId {
    /// The stream `kind` of `tenant`.
    pub fn new(kind: StreamKind, tenant: impl Into<String>) -> Self {
        Self { kind, tenant: tenant.into() }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant.is_empty() { write!(f, "{}", self.kind) } else { write!(f, "{}/{}", self.kind, self.tenant) }
    }
}

/// A record of a system that cannot be listed, as it was last told to us, kept on our own disk (the *shelf*).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelved {
    /// Its module.
    pub module: ModuleId,
    /// The side it stands for.
    pub side: Side,
    /// Its id there. Begins with the tenant where there are several.
    pub id: RecordId,
    /// Another name it can be found by: the sender's own id, or our key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When it was last told to us, differently from before. Never the same twice, never backwards.
    pub at: Timestamp,
    /// It is no longer there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// What was told, as JSON in the form its adapter reads.
    pub body: String,
}

/// A record that came in a good batch and could not be taken: kept as it came, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its number; zero before it is on record.
    pub number: u64,
    /// The stream it came on.
    pub stream: StreamId,
    /// When.
    pub at: Timestamp,
    /// Its place in the batch, from 0.
    pub index: u32,
    /// The id it claims, if that could be read. Remote text: sanitise before display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong with it: one sentence of ours, without its values.
    pub why: String,
    /// The record as it came. Remote text, personal data.
    pub body: String,
}

/// How a stream is doing. All counts since the stream is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// Payloads taken.
    pub payloads: u64,
    /// Records in them.
    pub records: u64,
    /// Payloads that had been taken before.
    pub repeated: u64,
    /// Records set aside.
    pub quarantined: u64,
    /// Posts refused: by their authentication, form or size.
    pub refused: u64,
    /// Records that named an owner or lead source nobody knows, and were taken without (C-13).
    pub unresolved: u64,
    /// Posts that could not be stored, and were to come again.
    pub unstored: u64,
    /// When the last payload was taken, new or repeated.
    pub last_at: Option<Timestamp>,
    /// The group of posts that came together last (S-23).
    pub run: Option<PushRun>,
    /// The first outage after which records may have been given up (S-17), until somebody has dealt with it.
    pub possible_loss: Option<Gap>,
    /// When posts could last not be taken: we were not there, or could not store them.
    pub outage_at: Option<Timestamp>,
    /// From which day on records take part (S-28); nothing is taken over before it is set.
    pub first_sync: Option<FirstSync>,
    /// When the connection test last passed (S-28).
    pub tested_at: Option<Timestamp>,
    /// The last refusal or failure: one sentence of ours.
    pub last_error: Option<String>,
}

/// The rhythm in which a stream's sender said it would post (S-09, S-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// Time between two runs.
    pub every: Duration,
    /// Records in a run at most.
    pub per_run: u32,
    /// Records in a post at most.
    pub per_payload: u32,
    /// Runs after which a record is given up.
    pub tries: u32,
}

impl Rhythm {
    /// How long a sender goes on trying: an outage longer than this may have lost records (S-17).
    pub fn horizon(&self) -> Duration {
        self.every.saturating_mul(self.tries)
    }

    /// Posts with less time than this between them are one run's.
    fn one_run(&self) -> Duration {
        self.every / 3
    }
}

/// What a stream's state means at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a warning that is given or not")]
pub struct Health {
    /// When the next run is expected, if the sender has something to say.
    pub next_expected: Option<Timestamp>,
    /// Nothing came for more than two runs, though something used to (S-09): quiet, or broken.
    pub silent: bool,
    /// The last run was full: more is waiting at the sender's (S-23).
    pub backlog_likely: bool,
    /// After an outage records may be lost, and nobody has looked yet (S-17).
    pub possible_loss: bool,
    /// Nobody has said yet from when on records take part (S-28).
    pub waits_for_first_sync: bool,
}

impl StreamState {
    /// Takes note of a payload with so many records, new or repeated, that came `now`.
    pub fn took(&mut self, now: Timestamp, records: u32, rhythm: &Rhythm) {
        if let Some(last) = self.last_at
            && now.since(last) > rhythm.horizon()
            && self.possible_loss.is_none()
            && self.failed_since(last)
        {
            self.possible_loss = Some(Gap { from: last, to: now });
        }
        self.last_at = Some(now.max(self.last_at.unwrap_or(now)));
        self.run = Some(match self.run {
            Some(run) if now.since(run.last_at) < rhythm.one_run() => PushRun {
                last_at: now,
                posts: run.posts.saturating_add(1),
                records: run.records.saturating_add(records),
                ..run
            },
            _ => PushRun { started_at: now, last_at: now, posts: 1, records },
        });
    }

    /// Whether anything kept posts from being taken since `last`: being down counts, as `down_since` says.
    fn failed_since(&self, last: Timestamp) -> bool {
        self.outage_at.is_some_and(|at| at >= last)
    }

    /// What this means `now`.
    pub fn health(&self, now: Timestamp, rhythm: &Rhythm) -> Health {
        let next_expected = self.run.map(|run| run.started_at.plus(rhythm.every));
        Health {
            next_expected,
            silent: self.last_at.is_some_and(|last| now.since(last) > rhythm.every * 2),
            backlog_likely: self.run.is_some_and(|run| run.records >= rhythm.per_run),
            possible_loss: self.possible_loss.is_some(),
            waits_for_first_sync: self.first_sync.is_none(),
        }
    }
}

/// Posts that came within one run of the sender's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PushRun {
    /// When the first came.
    pub started_at: Timestamp,
    /// When the last came.
    pub last_at: Timestamp,
    /// How many.
    pub posts: u32,
    /// Records in them.
    pub records: u32,
}

/// A time in which a stream did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When the last payload before it was taken.
    pub from: Timestamp,
    /// When the next one was.
    pub to: Timestamp,
}

/// From when on a stream's records take part, and who said so (S-28, S-29).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSync {
    /// The first instant of the day, inclusive.
    pub from: Timestamp,
    /// As it was entered: `2026-01-01 Europe/Paris`.
    pub entered: String,
    /// Who set it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}
