//! Two systems that keep overwriting each other (`engine.md` 5.6): after three changes of direction
//! within a day, the next write of a field waits for a person. So does one after three that the remote did
//! not keep: it alters whatever it is given, and would be written to for ever.
//!
//! Counts the engine's own writes only. It does not look at values: what a remote makes of them is
//! the comparison's business.

use std::time::Duration;

use crate::model::{Base, Plan, Side, Timestamp, Verdict};

/// How long a change of direction counts.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// The change of direction that is one too many.
const LIMIT: usize = 3;

/// Remembers that the engine wrote `field` on `side` by its own rules, and whether the value `held`: was still
/// there when it was read back.
pub fn note(base: &mut Base, field: &str, side: Side, now: Timestamp, held: bool) {
    let turns = base.turns.entry(field.to_owned()).or_default();
    turns.retain(|(_, at)| now.since(*at) < WINDOW);
    if !held || turns.last().is_none_or(|(last, _)| *last != side) {
        turns.push((side, now));
    }
    let superfluous = turns.len().saturating_sub(LIMIT);
    turns.drain(..superfluous);
}

/// A person has decided about `field`: counting begins again.
pub fn forget(base: &mut Base, field: &str) {
    base.turns.remove(field);
}

/// The fields that the plan would write by its own rules once too often in turn.
pub fn flapping<'a>(base: &'a Base, plan: &'a Plan, now: Timestamp) -> impl Iterator<Item = &'a str> {
    let rows = plan.fields.iter().filter(|row| row.choice.is_none());
    rows.filter_map(move |row| {
        let side = match row.verdict {
            Verdict::ToIvvy => Side::Ivvy,
            Verdict::ToCrm => Side::Crm,
            _ => return None,
        };
        let turns = base.turns.get(&row.field)?;
        let recent = turns.iter().filter(|(_, at)| now.since(*at) < WINDOW).count();
        let turns_again = turns.last().is_some_and(|(last, _)| *last != side);
        // Only writes that were not kept are noted one after the other on one side.
        let in_vain = turns.iter().all(|(one, _)| *one == side);
        // The first entry is where it began; every further one is a change of direction.
        ((turns_again || in_vain) && recent >= LIMIT).then_some(row.field.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FieldPlan, Why};

    fn plan(verdict: Verdict) -> Plan {
        let row = FieldPlan {
            field: "phone".to_owned(),
            base_ivvy: None,
            base_crm: None,
            ivvy: None,
            crm: None,
            verdict,
            why: Why::IvvyChanged,
            merged: None,
            choice: None,
            moved: false,
        };
        Plan { fields: vec![row], ..Plan::default() }
    }

    fn base(writes: &[(Side, i64)]) -> Base {
        let mut base = Base::default();
        for (side, hour) in writes {
            note(&mut base, "phone", *side, hours(*hour), true);
        }
        base
    }

    fn hours(hours: i64) -> Timestamp {
        Timestamp::from_secs(hours * 60 * 60)
    }

    fn flaps(base: &Base, verdict: Verdict, now: i64) -> bool {
        flapping(base, &plan(verdict), hours(now)).count() > 0
    }

    #[test]
    fn the_third_change_of_direction_within_a_day_waits_for_a_person() {
        let twice = base(&[(Side::Crm, 1), (Side::Ivvy, 2)]);
        assert!(!flaps(&twice, Verdict::ToCrm, 3));
        let thrice = base(&[(Side::Crm, 1), (Side::Ivvy, 2), (Side::Crm, 3)]);
        assert!(flaps(&thrice, Verdict::ToIvvy, 4));
        assert!(!flaps(&thrice, Verdict::ToCrm, 4), "the same way again is no change of direction");
        assert!(!flaps(&thrice, Verdict::Conflict, 4), "a question waits anyway");
    }

    #[test]
    fn one_way_traffic_never_flaps_and_old_turns_do_not_count() {
        let busy = base(&[(Side::Crm, 1), (Side::Crm, 2), (Side::Crm, 3), (Side::Crm, 4), (Side::Crm, 5)]);
        assert!(!flaps(&busy, Verdict::ToIvvy, 6));
        let old = base(&[(Side::Crm, 1), (Side::Ivvy, 2), (Side::Crm, 3)]);
        assert!(!flaps(&old, Verdict::ToIvvy, 26));
    }

    #[test]
    fn a_value_that_is_never_kept_is_not_written_for_ever_i11() {
        let mut base = Base::default();
        for hour in 1..4 {
            assert!(!flaps(&base, Verdict::ToCrm, hour));
            note(&mut base, "phone", Side::Crm, hours(hour), false);
        }
        assert!(flaps(&base, Verdict::ToCrm, 4));
        assert!(flaps(&base, Verdict::ToIvvy, 4));
        assert!(!flaps(&base, Verdict::ToCrm, 28), "the day after it may be tried again");
    }

    #[test]
    fn a_decision_begins_the_count_again() {
        let mut base = base(&[(Side::Crm, 1), (Side::Ivvy, 2), (Side::Crm, 3)]);
        forget(&mut base, "phone");
        assert!(!flaps(&base, Verdict::ToIvvy, 4));
        assert_eq!(base, Base::default());
    }
}
