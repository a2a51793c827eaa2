//! Streams: what another system posts to us by itself, or is posted by us, batch by batch
//! (`contracts/connector_s360.md` 1.7, 2.2).
//!
//! A stream has a *tenant*: the institution (S-360) or club (Connector) it belongs to. Nothing of one tenant
//! is ever looked up, counted or shown as another's. What a record means is not known here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::{ModuleId, RecordId, Side, Timestamp};

mod failing;

pub use failing::{Failing, Failures};

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

impl FromStr for StreamId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, tenant) = text.split_once('/').unwrap_or((text, ""));
        let known = || StreamKind::ALL.map(|kind| kind.to_string()).join(", ");
        let kind = kind.parse().map_err(|_| format!("`{kind}` is not a stream: {}", known()))?;
        if text.ends_with('/') {
            return Err("an institution or club follows the slash: s360_contacts/ACME".to_owned());
        }
        Ok(Self::new(kind, tenant))
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

/// A check at a gate, as S-360 told it (S-12). Everything told is remote text, cut: sanitise before display.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessCheck {
    /// Its number there, within its institution.
    pub number: u64,
    /// Which institution told it.
    pub institution: String,
    /// When we were first told.
    pub told_at: Timestamp,
    /// When it was at the gate, as told: in nobody knows whose zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Which way: `IN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// What came of it: `OK` or `FAIL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why nobody was let in; absent where there was no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The ticket that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The end of the barcode: whoever has all of it gets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
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
    /// Payloads that were one object instead of an array of them (S-13): taken, and not as agreed.
    pub bare: u64,
    /// Records set aside.
    pub quarantined: u64,
    /// Posts refused: by their authentication, form or size.
    pub refused: u64,
    /// Those of them that came since a post was last taken.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused_since: u64,
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
    /// When a possible loss was last settled: what was before is dealt with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Payloads that came, could not be taken, and have not come through since.
    #[serde(skip_serializing_if = "Failures::is_empty")]
    pub failing: Failures,
    /// From which day on records take part (S-28); nothing is taken over before it is set.
    pub first_sync: Option<FirstSync>,
    /// When the connection test last passed (S-28).
    pub tested_at: Option<Timestamp>,
    /// The last refusal or failure since a post was last taken: one sentence of ours.
    pub last_error: Option<String>,
    /// When it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
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
    /// Takes note that posts were refused, and why the last of them was.
    pub fn refuse(&mut self, posts: u64, why: impl Into<String>, now: Timestamp) {
        self.refused += posts;
        self.refused_since += posts;
        self.fail(why, now);
    }

    /// Takes note of a failure.
    pub fn fail(&mut self, why: impl Into<String>, now: Timestamp) {
        self.last_error = Some(why.into());
        self.last_error_at = Some(now);
    }

    /// Takes note that a post went through `now`: what was wrong before is over.
    pub fn went_through(&mut self, now: Timestamp) {
        self.last_at = Some(now.max(self.last_at.unwrap_or(now)));
        self.refused_since = 0;
        (self.last_error, self.last_error_at) = (None, None);
    }

    /// Takes note that a payload with so many records, new or repeated, came `now`: it belongs to a run of the
    /// sender's, and may be the first after a time in which posts were given up. The counts are their owner's.
    pub fn took(&mut self, now: Timestamp, records: u32, rhythm: &Rhythm) {
        if let Some(last) = self.dealt_with()
            && now.since(last) > rhythm.horizon()
            && self.possible_loss.is_none()
            && self.failed_since(last)
        {
            self.possible_loss = Some(Gap { from: last, to: now });
        }
        self.went_through(now);
        self.run = Some(match self.run {
            Some(run) if run.goes_on(now, rhythm) => PushRun {
                last_at: now.max(run.last_at),
                posts: run.posts.saturating_add(1),
                records: run.records.saturating_add(records),
                ..run
            },
            _ => PushRun { started_at: now, last_at: now, posts: 1, records },
        });
    }

    /// Takes note that nothing could be taken from `up`, when we were last there, until `now`. Within the sender's
    /// patience that loses nothing by itself (S-17), but several such times may; a stream on which nothing ever
    /// came cannot have lost anything. Returns whether anything may be lost.
    pub fn was_down(&mut self, up: Option<Timestamp>, now: Timestamp, rhythm: &Rhythm) -> bool {
        let Some(last) = self.dealt_with() else { return false };
        let away = now.since(up.map_or(last, |up| up.max(last)));
        if away > rhythm.absence() {
            self.outage_at = Some(now);
        }
        if away <= rhythm.horizon() {
            return false;
        }
        self.possible_loss.get_or_insert(Gap { from: last, to: now });
        true
    }

    /// Takes note of payloads that their sender has given up by `now`, whatever else goes through. Returns whether
    /// there are any.
    pub fn gave_up(&mut self, now: Timestamp, rhythm: &Rhythm) -> bool {
        let Some(gap) = self.failing.lost(now, rhythm) else { return false };
        self.possible_loss.get_or_insert(gap);
        true
    }

    /// A person has dealt with the possible loss `now`. Returns whether there was one.
    pub fn settle_loss(&mut self, now: Timestamp) -> bool {
        let Some(gap) = self.possible_loss.take() else { return false };
        self.settled_at = Some(now.max(gap.to));
        self.failing.clear();
        true
    }

    /// Whether posts could not be taken lately: one that comes now may be an old one that had to wait.
    pub fn failed_lately(&self, now: Timestamp, rhythm: &Rhythm) -> bool {
        self.outage_at.is_some_and(|at| now.since(at) <= rhythm.horizon()) || !self.failing.is_empty()
    }

    /// Up to when nothing is missing, or somebody has seen to it. None where nothing ever came.
    fn dealt_with(&self) -> Option<Timestamp> {
        self.last_at.map(|last| self.settled_at.map_or(last, |settled| settled.max(last)))
    }

    /// Whether anything kept posts from being taken since `last`.
    fn failed_since(&self, last: Timestamp) -> bool {
        self.outage_at.is_some_and(|at| at >= last)
    }

    /// What this means `now`.
    pub fn health(&self, now: Timestamp, rhythm: &Rhythm) -> Health {
        Health {
            next_expected: self.run.map(|run| run.next_after(now, rhythm)),
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

impl PushRun {
    /// Whether a post that comes `now` is of this run: soon after the last one, and before the next is due.
    fn goes_on(&self, now: Timestamp, rhythm: &Rhythm) -> bool {
        now.since(self.last_at) < rhythm.one_run() && now.since(self.started_at) < rhythm.every
    }

    /// The first beat of the rhythm after `now`, counted from the start of this run.
    fn next_after(&self, now: Timestamp, rhythm: &Rhythm) -> Timestamp {
        let every = rhythm.every.as_millis().max(1);
        let beats = now.since(self.started_at).as_millis() / every + 1;
        let ahead = u64::try_from(beats.saturating_mul(every)).unwrap_or(u64::MAX);
        self.started_at.plus(Duration::from_millis(ahead))
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60;
    const RHYTHM: Rhythm = Rhythm { every: Duration::from_secs(15 * 60), per_run: 500, per_payload: 50, tries: 12 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_795_000_000 + second)
    }

    #[test]
    fn posts_of_one_run_are_grouped_and_a_full_run_means_more_to_come_s23() {
        let mut state = StreamState::default();
        for post in 0..9 {
            state.took(at(post * 2), 50, &RHYTHM);
        }
        assert!(!state.health(at(20), &RHYTHM).backlog_likely, "450 of 500");
        state.took(at(20), 50, &RHYTHM);
        assert_eq!(state.run, Some(PushRun { started_at: at(0), last_at: at(20), posts: 10, records: 500 }));
        let health = state.health(at(30), &RHYTHM);
        assert!(health.backlog_likely && !health.silent);
        assert_eq!(health.next_expected, Some(at(15 * MINUTE)));
        state.took(at(15 * MINUTE + 4), 7, &RHYTHM);
        assert_eq!(state.run.unwrap().records, 7, "the next run is another one");
        assert!(!state.health(at(16 * MINUTE), &RHYTHM).backlog_likely);
    }

    #[test]
    fn what_was_wrong_is_over_once_a_post_goes_through_s18() {
        let mut state = StreamState::default();
        state.refuse(2, "no", at(1));
        state.refuse(1, "never", at(2));
        assert_eq!((state.refused, state.refused_since, state.last_error_at), (3, 3, Some(at(2))));
        assert_eq!(state.last_error.as_deref(), Some("never"));
        state.took(at(3), 1, &RHYTHM);
        assert_eq!((state.refused, state.refused_since, state.last_error_at), (3, 0, None), "counted all the same");
        assert_eq!(state.last_error, None);
    }

    #[test]
    fn posts_that_never_pause_are_not_one_run_for_ever_s23() {
        let mut state = StreamState::default();
        for post in 0..100 {
            state.took(at(post * 4 * MINUTE), 10, &RHYTHM);
        }
        assert!(state.run.unwrap().records <= 40, "{:?}", state.run);
    }

    #[test]
    fn silence_is_said_after_two_cadences_and_only_where_there_was_something_s09() {
        let mut state = StreamState::default();
        assert_eq!(
            state.health(at(99 * MINUTE), &RHYTHM),
            Health { waits_for_first_sync: true, ..Health::default() },
            "nothing ever came"
        );
        state.took(at(0), 1, &RHYTHM);
        assert!(!state.health(at(30 * MINUTE), &RHYTHM).silent);
        let late = state.health(at(30 * MINUTE + 1), &RHYTHM);
        assert!(late.silent);
        assert_eq!(late.next_expected, Some(at(45 * MINUTE)), "the next beat, not one that is over");
        state.took(at(31 * MINUTE), 1, &RHYTHM);
        assert!(!state.health(at(32 * MINUTE), &RHYTHM).silent);
    }

    #[test]
    fn loss_is_possible_only_when_an_outage_outlasts_the_senders_patience_s17() {
        let horizon = 12 * 15 * MINUTE;
        let quiet = {
            let mut state = StreamState::default();
            state.took(at(0), 1, &RHYTHM);
            state.took(at(horizon * 3), 1, &RHYTHM);
            state
        };
        assert_eq!(quiet.possible_loss, None, "a quiet institution loses nothing");
        let after = |outage: i64, next: i64| {
            let mut state = StreamState::default();
            state.took(at(0), 1, &RHYTHM);
            state.outage_at = Some(at(outage));
            state.took(at(next), 1, &RHYTHM);
            state.possible_loss
        };
        assert_eq!(after(60, horizon), None, "the last try came through");
        assert_eq!(after(60, horizon + 1), Some(Gap { from: at(0), to: at(horizon + 1) }));
        assert_eq!(after(-60, horizon + 1), None, "that was before");
    }

    #[test]
    fn having_been_down_counts_from_when_we_were_last_there_s17() {
        let horizon = 12 * 15 * MINUTE;
        let down = |last: Option<i64>, up: Option<i64>, now: i64| {
            let mut state = StreamState { last_at: last.map(at), ..StreamState::default() };
            let lost = state.was_down(up.map(at), at(now), &RHYTHM);
            assert_eq!(lost, state.possible_loss.is_some());
            assert!(state.outage_at.is_some() || !lost);
            state.possible_loss
        };
        assert_eq!(down(Some(0), None, horizon), None);
        assert_eq!(down(Some(0), None, horizon + 1), Some(Gap { from: at(0), to: at(horizon + 1) }));
        assert_eq!(down(Some(0), Some(horizon), horizon * 2), None, "quiet, and away for less than that");
        assert_eq!(down(Some(0), Some(60), horizon + 61), Some(Gap { from: at(0), to: at(horizon + 61) }));
        assert_eq!(down(None, Some(0), horizon * 9), None, "nothing ever came");
    }

    #[test]
    fn several_shorter_outages_in_a_row_add_up_s17() {
        let mut state = StreamState { last_at: Some(at(0)), ..StreamState::default() };
        // Two hours away, twenty minutes there without a post, two hours away.
        assert!(!state.was_down(Some(at(60)), at(121 * MINUTE), &RHYTHM));
        assert!(!state.was_down(Some(at(141 * MINUTE)), at(261 * MINUTE), &RHYTHM));
        state.took(at(262 * MINUTE), 1, &RHYTHM);
        assert_eq!(state.possible_loss, Some(Gap { from: at(0), to: at(262 * MINUTE) }));
        let mut short = StreamState { last_at: Some(at(0)), ..StreamState::default() };
        short.was_down(Some(at(60)), at(15 * MINUTE), &RHYTHM);
        assert_eq!(short.outage_at, None, "less than a run's time: the next run met us");
    }

    #[test]
    fn a_payload_that_never_comes_through_is_noticed_while_others_do_s17() {
        let mut state = StreamState::default();
        for run in 0..12 {
            state.took(at(run * 15 * MINUTE), 50, &RHYTHM);
            state.failing.note(7, at(run * 15 * MINUTE));
            assert!(!state.gave_up(at(run * 15 * MINUTE), &RHYTHM), "its sender still tries");
        }
        assert!(!state.gave_up(at(195 * MINUTE), &RHYTHM) || state.possible_loss.is_some());
        state.gave_up(at(196 * MINUTE), &RHYTHM);
        assert_eq!(state.possible_loss.map(|gap| gap.from), Some(at(0)), "it stopped coming, or failed for too long");
        assert!(state.settle_loss(at(200 * MINUTE)));
        assert!(!state.gave_up(at(900 * MINUTE), &RHYTHM), "dealt with");

        state.failing.note(8, at(900 * MINUTE));
        state.failing.note(8, at(915 * MINUTE));
        state.failing.taken(8);
        assert!(!state.gave_up(at(2_000 * MINUTE), &RHYTHM), "it came through");
        for payload in 0..200 {
            state.failing.note(payload, at(2_000 * MINUTE));
        }
        let bytes = serde_json::to_string(&state.failing).unwrap().len();
        assert!(bytes < 64 * 128, "bounded: {bytes}");
    }

    #[test]
    fn a_loss_that_was_settled_is_not_flagged_again_for_the_same_gap_s17() {
        let mut state = StreamState { last_at: Some(at(0)), ..StreamState::default() };
        assert!(state.was_down(Some(at(60)), at(300 * MINUTE), &RHYTHM));
        assert!(state.settle_loss(at(301 * MINUTE)) && !state.settle_loss(at(301 * MINUTE)));
        state.took(at(310 * MINUTE), 1, &RHYTHM);
        assert_eq!(state.possible_loss, None);
        assert!(state.was_down(Some(at(311 * MINUTE)), at(600 * MINUTE), &RHYTHM), "the next one is another");
    }

    #[test]
    fn the_first_loss_stays_until_somebody_has_dealt_with_it_s17() {
        let first = Gap { from: at(1), to: at(2) };
        let mut state = StreamState { last_at: Some(at(5)), possible_loss: Some(first), ..StreamState::default() };
        state.outage_at = Some(at(6));
        state.took(at(99_999), 1, &RHYTHM);
        state.was_down(None, at(999_999), &RHYTHM);
        assert_eq!(state.possible_loss, Some(first));
    }

    proptest! {
        /// However posts come, even with a clock that jumps: no record is missing from the runs, a run is never
        /// longer than the rhythm, time never goes back, and the next run is always ahead.
        #[test]
        fn runs_hold_every_post_and_time_never_goes_back_s23(
            posts in proptest::collection::vec((-600_i64..3_600, 0_u32..60), 1..60),
            every in 1_u64..7_200,
        ) {
            let rhythm = Rhythm { every: Duration::from_secs(every), ..RHYTHM };
            let mut state = StreamState::default();
            let (mut now, mut whole, mut open) = (100_000_i64, 0_u64, 0_u64);
            for (step, records) in &posts {
                now += step;
                let before = state.clone();
                state.took(at(now), *records, &rhythm);
                let run = state.run.unwrap();
                if run.posts == 1 {
                    whole += open;
                }
                open = u64::from(run.records);
                prop_assert!(state.last_at >= before.last_at);
                prop_assert!(run.last_at >= run.started_at);
                prop_assert!(run.last_at.since(run.started_at) < rhythm.every || run.posts == 1);
                prop_assert!(state.health(at(now), &rhythm).next_expected.unwrap() > at(now));
                prop_assert_eq!(state.possible_loss, None);
            }
            prop_assert_eq!(whole + open, posts.iter().map(|(_, records)| u64::from(*records)).sum::<u64>());
        }
    }
}
