//! Tenants of a remote that refuse us: a wrong key at one institution is its own trouble.
//!
//! What would go there stays as it is and is passed over, so that the writes to the others go first; it is tried again
//! after longer and longer waits, and at once when somebody resumes. Nothing of this is stored: a daemon that starts
//! anew may have been given another key. What this refuses to know: which call was refused, and how a system has tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{ItemId, ModuleId, Side, Timestamp};

/// The first wait after a refusal, doubled with each further one up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Who refuses: a tenant of a side; everything, or one module.
type Refusing = (Side, String, Option<ModuleId>);

/// Who refuses us now, or did when it was last tried.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Refusing, Refusal>);

#[derive(Debug)]
struct Refusal {
    /// Nothing goes there before.
    until: Timestamp,
    times: u32,
    why: String,
    /// What is known to wait for it.
    waiting: BTreeSet<ItemId>,
}

impl Refusals {
    /// A tenant refused its key, or one module.
    pub fn note(&mut self, (side, tenant): (Side, String), module: Option<ModuleId>, why: String, now: Timestamp) {
        let known = self.0.entry((side, tenant, module)).or_insert_with(|| Refusal {
            until: Timestamp::EPOCH,
            times: 0,
            why: String::new(),
            waiting: BTreeSet::new(),
        });
        // Of the calls that were under way at once each is refused; that counts once.
        if known.until <= now {
            let factor = 1_u32.checked_shl(known.times).unwrap_or(u32::MAX);
            known.until = now.plus(FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT));
            known.times = known.times.saturating_add(1);
            // Whoever waited is looked at again: it may go elsewhere by now.
            known.waiting.clear();
        }
        known.why = why;
    }

    /// Whether `item`, which would go to this tenant, must wait; if so it is passed over from now on.
    pub fn keeps(&mut self, side: Side, tenant: &str, module: ModuleId, item: ItemId, now: Timestamp) -> bool {
        let mut keeps = false;
        for module in [None, Some(module)] {
            if let Some(known) = self.0.get_mut(&(side, tenant.to_owned(), module)).filter(|known| known.until > now) {
                known.waiting.insert(item);
                keeps = true;
            }
        }
        keeps
    }

    /// Whether `item` is known to wait.
    pub fn passes_over(&self, item: ItemId, now: Timestamp) -> bool {
        self.0.values().any(|known| known.until > now && known.waiting.contains(&item))
    }

    /// When the next of them is tried again.
    pub fn next_trial(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().map(|known| known.until).filter(|until| *until > now).min()
    }

    /// The tenant took a write of this module.
    pub fn forget(&mut self, side: Side, tenant: &str, module: ModuleId) {
        for module in [None, Some(module)] {
            self.0.remove(&(side, tenant.to_owned(), module));
        }
    }

    /// Somebody says that all may be tried again.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Why work of `module` waits, if some does.
    pub fn why(&self, module: ModuleId, now: Timestamp) -> Option<&str> {
        let concerns = |(_, _, only): &Refusing| only.is_none_or(|only| only == module);
        let known = self.0.iter().find(|(whose, known)| concerns(whose) && known.until > now);
        known.map(|(_, known)| known.why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTACTS: ModuleId = ModuleId::Contacts;
    const ORDERS: ModuleId = ModuleId::Orders;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn globe() -> (Side, String) {
        (Side::Ivvy, "GLOBE".to_owned())
    }

    #[test]
    fn one_that_refuses_is_tried_again_after_longer_waits_and_the_others_go_on_s01() {
        let mut refusals = Refusals::default();
        let keeps = |refusals: &mut Refusals, tenant: &str, item, now| {
            refusals.keeps(Side::Ivvy, tenant, CONTACTS, ItemId(item), at(now))
        };
        assert!(!keeps(&mut refusals, "GLOBE", 1, 0));
        let mut now = 0;
        for wait in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            refusals.note(globe(), None, "no".to_owned(), at(now));
            // Another call that was under way.
            refusals.note(globe(), None, "no".to_owned(), at(now + 1));
            assert_eq!(refusals.next_trial(at(now + 1)), Some(at(now + wait)));
            assert!(!refusals.passes_over(ItemId(7), at(now + 1)), "nobody has looked yet where it goes");
            assert!(keeps(&mut refusals, "GLOBE", 1, now + 1) && !keeps(&mut refusals, "ACME", 2, now + 1));
            assert!(refusals.passes_over(ItemId(1), at(now + 1)) && !refusals.passes_over(ItemId(2), at(now + 1)));
            assert_eq!(refusals.why(ORDERS, at(now + 1)), Some("no"));
            now += wait;
            assert!(!refusals.passes_over(ItemId(1), at(now)) && !keeps(&mut refusals, "GLOBE", 1, now), "its time");
        }
        assert_eq!(
            (refusals.next_trial(at(now)), refusals.why(ORDERS, at(now))),
            (None, None),
            "nobody tries any more"
        );
        refusals.note(globe(), None, "no".to_owned(), at(now));
        refusals.forget(Side::Ivvy, "GLOBE", CONTACTS);
        assert_eq!(refusals.why(CONTACTS, at(now)), None);
    }

    #[test]
    fn what_is_refused_for_one_module_stops_no_other_one_v01() {
        let mut refusals = Refusals::default();
        refusals.note(globe(), Some(ORDERS), "no orders".to_owned(), at(0));
        assert!(!refusals.keeps(Side::Ivvy, "GLOBE", CONTACTS, ItemId(1), at(1)));
        assert!(refusals.keeps(Side::Ivvy, "GLOBE", ORDERS, ItemId(2), at(1)));
        refusals.forget(Side::Ivvy, "GLOBE", CONTACTS);
        assert_eq!((refusals.why(CONTACTS, at(1)), refusals.why(ORDERS, at(1))), (None, Some("no orders")));
        refusals.forget_all();
        assert!(!refusals.passes_over(ItemId(2), at(1)));
    }
}
