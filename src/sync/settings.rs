//! What the engine is told: modules, schedule, retry and guard limits. Pure data.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{FieldMaps, ModuleDef, ModuleId, RecordId, Timestamp};

/// Everything the engine needs to know besides its remotes and its store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Prefix of our keys in the CRM when several accounts share one.
    pub key_scope: Option<String>,
    /// Modules that are switched on, with their whole field map.
    pub modules: BTreeMap<ModuleId, ModuleDef>,
    /// The store's field maps, which are part of `modules` already.
    pub maps: FieldMaps,
    /// Time between two incremental sweeps of a module (V-14; 15 minutes unless configured).
    pub interval: Duration,
    /// Time between two sweeps over everything, which find deletions and drift.
    pub full_interval: Duration,
    /// Records last modified before this are not carried over by themselves.
    pub first_sync: Option<Timestamp>,
    /// The same for single modules, instead (V-03).
    pub first_sync_of: BTreeMap<ModuleId, Timestamp>,
    /// How long finished items are kept; the audit log is kept for good.
    pub keep_done: Duration,
    /// Writes in flight at most, over all modules.
    pub concurrency: usize,
    /// Retry limits.
    pub retry: Retry,
    /// Guard limits.
    pub guard: GuardLimits,
    /// Time between two listings of staff and lead sources, counted from midnight UTC: an hour means every
    /// full hour.
    pub match_interval: Duration,
    /// Whether an unmatched lead source that a lead carries is created on the other side, where that can
    /// be done (C-23).
    pub create_lead_sources: bool,
    /// Who owns a lead that is created in iVvy without an owner that matches (C-14).
    pub lead_owner: LeadOwner,
    /// What takes two people.
    pub second_person: SecondPerson,
}

/// Who owns a lead that comes to iVvy without an owner: nobody, unless configured. All are iVvy's ids. There is no
/// rule by venue, because no lead in iVvy has one (`contracts/ivvy.md` 12, 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadOwner {
    /// This user, unless its source says otherwise.
    pub default: Option<RecordId>,
    /// Instead of `default`: these users in turn, unless its source says otherwise. Nobody is in it twice.
    pub rota: Vec<RecordId>,
    /// By lead source.
    pub by_source: BTreeMap<RecordId, RecordId>,
    /// The source that leads get whose own is unmatched.
    pub default_source: Option<RecordId>,
}

impl LeadOwner {
    /// Who owns a lead of this source, if that is one person whatever came before.
    pub fn of(&self, source: Option<&RecordId>) -> Option<&RecordId> {
        let source = source.or(self.default_source.as_ref());
        source.and_then(|source| self.by_source.get(source)).or(self.default.as_ref())
    }

    /// Everybody in turn, from the one after `last`; from the beginning if that one is not in it any more.
    pub fn turn(&self, last: Option<&RecordId>) -> impl Iterator<Item = &RecordId> {
        let next = last.and_then(|last| self.rota.iter().position(|user| user == last)).map_or(0, |at| at + 1);
        let (before, after) = self.rota.split_at(next);
        after.iter().chain(before)
    }

    /// Everybody it names.
    pub fn users(&self) -> impl Iterator<Item = &RecordId> {
        self.default.iter().chain(&self.rota).chain(self.by_source.values())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_scope: None,
            modules: ModuleId::PEOPLE.into_iter().map(|id| (id, id.def())).collect(),
            maps: FieldMaps::new(),
            interval: Duration::from_secs(15 * 60),
            full_interval: Duration::from_secs(24 * 60 * 60),
            first_sync: None,
            first_sync_of: BTreeMap::new(),
            keep_done: Duration::from_secs(30 * 24 * 60 * 60),
            concurrency: 8,
            retry: Retry::default(),
            guard: GuardLimits::default(),
            match_interval: Duration::from_secs(60 * 60),
            create_lead_sources: true,
            lead_owner: LeadOwner::default(),
            second_person: SecondPerson::default(),
        }
    }
}

impl Settings {
    /// The day from which records of `module` are carried over by themselves.
    pub fn first_sync(&self, module: ModuleId) -> Option<Timestamp> {
        self.first_sync_of.get(&module).copied().or(self.first_sync)
    }
}

/// What one person may not do alone (`engine.md` 5.12). Nothing, unless configured: a team of one would
/// lock itself out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondPerson {
    /// A force-push that overwrites at least this many fields.
    pub force: Option<u32>,
    /// Closing a pair whose counterpart is gone.
    pub close_pair: bool,
    /// Releasing all that a tripped guard holds.
    pub release: bool,
}

/// Full-jitter back-off: `rand(0, min(cap, base · 2ⁿ))` (`engine.md` 5.10, I20).
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// First ceiling.
    pub base: Duration,
    /// Largest ceiling.
    pub cap: Duration,
    /// Attempts before an item is dead. Waiting for an unreachable remote does not count.
    pub attempts: u32,
    /// Claims without a recorded outcome before an item is taken for poison.
    pub claims: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { base: Duration::from_secs(2), cap: Duration::from_secs(15 * 60), attempts: 8, claims: 3 }
    }
}

impl Retry {
    /// The ceiling before attempt `attempt` (from 1); the wait is uniform below it.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

/// When the guard of a module trips (`engine.md` 5.11). Each limit is the larger of a count and a
/// share, in per mille, of the module's records.
#[derive(Clone, Copy, Debug)]
pub struct GuardLimits {
    /// Creates in one window.
    pub creates: Limit,
    /// Updates in one window.
    pub updates: Limit,
    /// Conflicts in one window.
    pub conflicts: Limit,
    /// Records in which one field is emptied, in one window.
    pub emptied: Limit,
    /// Records in which one field is set to one value, in one window.
    pub same_value: Limit,
    /// A side whose complete listing shrank below this percentage of the one before trips the guard.
    pub shrink_percent: u64,
    /// Length of the window.
    pub window: Duration,
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
            window: Duration::from_secs(60 * 60),
        }
    }
}

/// The larger of a count and a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// At least this many are always allowed.
    pub count: u64,
    /// Share of the records, in per mille.
    pub per_mille: u64,
}

impl Limit {
    /// How many a module of `records` records may plan.
    pub fn allowed(self, records: u64) -> u64 {
        self.count.max(records.saturating_mul(self.per_mille) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_ceilings_grow_and_stay_under_the_cap_i20() {
        let retry = Retry::default();
        assert_eq!(retry.ceiling(1), Duration::from_secs(2));
        assert_eq!(retry.ceiling(4), Duration::from_secs(16));
        assert!((1..200).all(|attempt| retry.ceiling(attempt) <= retry.cap));
    }

    #[test]
    fn the_owner_of_a_lead_goes_by_its_source_first_c14() {
        let owner = LeadOwner {
            default: Some("1".into()),
            rota: Vec::new(),
            by_source: [("web".into(), "2".into()), ("none".into(), "3".into())].into(),
            default_source: Some("none".into()),
        };
        let of = |source: Option<&str>| owner.of(source.map(RecordId::from).as_ref()).map(|user| user.0.clone());
        assert_eq!(of(Some("web")).as_deref(), Some("2"));
        assert_eq!(of(Some("fair")).as_deref(), Some("1"));
        assert_eq!(of(None).as_deref(), Some("3"), "it gets the default source");
        assert_eq!(LeadOwner::default().of(None), None);
    }

    #[test]
    fn owners_take_turns_from_the_one_after_the_last_c14() {
        let owner = LeadOwner { rota: ["1", "2", "3"].map(RecordId::from).into(), ..LeadOwner::default() };
        let turn = |last: Option<&str>| {
            owner.turn(last.map(RecordId::from).as_ref()).map(|user| user.0.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(turn(None), "1 2 3");
        assert_eq!(turn(Some("1")), "2 3 1");
        assert_eq!(turn(Some("3")), "1 2 3");
        assert_eq!(turn(Some("9")), "1 2 3", "that one is not in it any more");
        assert_eq!((LeadOwner::default().turn(None).count(), owner.users().count()), (0, 3));
    }

    #[test]
    fn guard_limits_take_the_larger_of_count_and_share() {
        let limit = Limit { count: 200, per_mille: 50 };
        assert_eq!(limit.allowed(100), 200);
        assert_eq!(limit.allowed(100_000), 5_000);
    }
}
