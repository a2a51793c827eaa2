//! Three-way comparison of one field (`engine.md` 5.4): what each side did since they last agreed,
//! and what that means.

use std::collections::BTreeSet;

use super::canonical::{canonical, same};
use super::transform::{carry, folded};
use crate::model::{
    BaseField, Drift, FieldDef, FieldKind, Flow, MatchKind, Membership, ModuleId, Side, Value, Verdict, Why,
};

/// What the comparison must know about links and match tables.
pub trait References {
    /// The counterpart, on the other side, of record `id` of `module` on `from`.
    fn counterpart(&self, module: ModuleId, from: Side, id: &str) -> Option<String>;

    /// The match, on the other side, of entry `id` of a match table on `from`.
    fn matched(&self, kind: MatchKind, from: Side, id: &str) -> Option<String>;
}

/// No links at all: for modules without references, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReferences;

impl References for NoReferences {
    fn counterpart(&self, _: ModuleId, _: Side, _: &str) -> Option<String> {
        None
    }

    fn matched(&self, _: MatchKind, _: Side, _: &str) -> Option<String> {
        None
    }
}

/// A value carried over to the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Translated {
    /// This value there.
    Value(Value),
    /// It refers to a record that has no counterpart.
    Unlinked,
    /// It names a person or lead source without a match: left out, never guessed (E2).
    Unmatched,
    /// It is an option that the field's value table does not know: never guessed (V-19).
    UnknownOption,
}

/// Carries `value` of `field` from one side to the other: references through their links, mapped values by
/// their field's transform, everything else as it is.
pub fn translate(field: &FieldDef, from: Side, value: &Value, references: &dyn References) -> Translated {
    let look_up = |find: &dyn Fn(&str) -> Option<String>, missing: Translated| match canonical(field.kind, value) {
        Value::Text(id) => find(&id).map_or(missing, |there| Translated::Value(Value::Text(there))),
        _ => Translated::Value(Value::Null),
    };
    match field.kind {
        FieldKind::Reference(module) => look_up(&|id| references.counterpart(module, from, id), Translated::Unlinked),
        FieldKind::Match(kind) => look_up(&|id| references.matched(kind, from, id), Translated::Unmatched),
        _ => carry(field, from, value).map_or(Translated::UnknownOption, Translated::Value),
    }
}

/// Whether iVvy's and the CRM's value mean the same; `None` when a reference or option cannot be translated.
pub fn equal_across(field: &FieldDef, ivvy: &Value, crm: &Value, references: &dyn References) -> Option<bool> {
    if ivvy.is_empty() && crm.is_empty() {
        return Some(true);
    }
    match translate(field, Side::Ivvy, ivvy, references) {
        Translated::Value(there) => {
            // A CRM reference that is not linked is certainly not this one.
            Some(same(field.kind, &folded(field, &there), &folded(field, crm)))
        }
        Translated::Unlinked | Translated::Unmatched | Translated::UnknownOption => None,
    }
}

/// What the comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// What to do.
    pub verdict: Verdict,
    /// Why.
    pub why: Why,
    /// The joined set, for [`Verdict::Merge`].
    pub merged: Option<Value>,
}

impl Compared {
    fn of(verdict: Verdict, why: Why) -> Self {
        Self { verdict, why, merged: None }
    }
}

/// Compares one field. `None` for a side means absent: the payload did not speak of it, which never
/// means a change (I27).
pub fn compare(
    field: &FieldDef,
    base: &BaseField,
    ivvy: Option<&Value>,
    crm: Option<&Value>,
    references: &dyn References,
) -> Compared {
    let (Some(ivvy), Some(crm)) = (ivvy, crm) else {
        return Compared::of(Verdict::Same, Why::Absent);
    };
    if field.kind == FieldKind::ConstantId {
        return compare_constant_id(field, base, ivvy, crm);
    }
    if base.disputed {
        let equal = equal_across(field, ivvy, crm, references) == Some(true);
        return if equal {
            Compared::of(Verdict::Agree, Why::Equal)
        } else {
            Compared::of(Verdict::Conflict, Why::BothChanged)
        };
    }
    let changed = |side: Side, now: &Value| base.on(side).is_none_or(|then| !same(field.kind, then, now));
    let (ivvy_moved, crm_moved) = (changed(Side::Ivvy, ivvy), changed(Side::Crm, crm));
    if !ivvy_moved && !crm_moved {
        return Compared::of(Verdict::Same, Why::Unchanged);
    }
    match equal_across(field, ivvy, crm, references) {
        Some(true) => return Compared::of(Verdict::Agree, Why::Equal),
        Some(false) => {}
        // Both keep what they have: that is agreed, so that a match made later is offered, not carried out.
        None if matches!(field.kind, FieldKind::Match(_)) => return Compared::of(Verdict::Agree, Why::Unmatched),
        // Only a write towards the CRM needs the missing counterpart.
        None if ivvy_moved => return Compared::of(Verdict::Conflict, unknown(field)),
        None => {}
    }
    if let Some(rule) = field.membership {
        return compare_membership(rule, base, ivvy, crm);
    }
    if !ivvy_moved {
        return one_moved(field, Side::Crm, crm, references);
    }
    if !crm_moved {
        return one_moved(field, Side::Ivvy, ivvy, references);
    }
    if base.ivvy.is_none() && base.crm.is_none() {
        return never_agreed(field, ivvy, crm, references);
    }
    if field.kind == FieldKind::Choices {
        return match joined(field, base, ivvy, crm) {
            Some(merged) => Compared { merged: Some(merged), ..Compared::of(Verdict::Merge, Why::SetsJoined) },
            None => Compared::of(Verdict::Conflict, Why::OptionUnknown),
        };
    }
    Compared::of(Verdict::Conflict, Why::BothChanged)
}

/// What becomes of a difference that the CRM made in a field iVvy owns: nobody is asked, unless the policy
/// says so (V-43, V-50). iVvy's own change always goes over; it is what the CRM's copy is there for.
pub fn settle_drift(
    found: Compared,
    base: &BaseField,
    ivvy: Option<&Value>,
    kind: FieldKind,
    policy: Drift,
) -> Compared {
    if found.verdict != Verdict::Conflict || policy == Drift::Hold {
        return found;
    }
    match found.why {
        Why::NotOwner if policy == Drift::Revert => Compared::of(Verdict::ToCrm, Why::Reverted),
        Why::NotOwner => Compared::of(Verdict::Same, Why::Drift),
        Why::BothChanged => Compared::of(Verdict::ToCrm, Why::IvvyChanged),
        Why::NeverAgreed => {
            let known = base.ivvy.as_ref().zip(ivvy).is_some_and(|(then, now)| same(kind, then, now));
            if policy == Drift::Ignore && known {
                Compared::of(Verdict::Same, Why::Drift)
            } else {
                Compared::of(Verdict::ToCrm, Why::IvvyChanged)
            }
        }
        _ => found,
    }
}

/// What becomes of a difference where the CRM only tells us: iVvy's own edit stays in iVvy, and of a field that is
/// not written there either nothing is asked. What both changed is still a question (C-05).
pub fn settle_told(found: Compared, field: &FieldDef) -> Compared {
    let stuck = found.verdict == Verdict::Conflict && (!field.flow.may_write(Side::Ivvy) || found.why == Why::NotOwner);
    match found.verdict {
        Verdict::ToCrm => Compared::of(Verdict::Same, Why::NotOwner),
        _ if stuck => Compared::of(Verdict::Same, Why::NotOwner),
        _ => found,
    }
}

/// Only `side` moved: its value goes over, if the other side may be written.
fn one_moved(field: &FieldDef, side: Side, value: &Value, references: &dyn References) -> Compared {
    if !field.flow.may_write(side.other()) {
        return Compared::of(Verdict::Conflict, Why::NotOwner);
    }
    match translate(field, side, value, references) {
        Translated::Value(_) => {}
        Translated::Unlinked => return Compared::of(Verdict::Conflict, Why::ReferenceUnlinked),
        Translated::Unmatched => return Compared::of(Verdict::Agree, Why::Unmatched),
        Translated::UnknownOption => return Compared::of(Verdict::Conflict, Why::OptionUnknown),
    }
    match side {
        Side::Ivvy => Compared::of(Verdict::ToCrm, Why::IvvyChanged),
        Side::Crm => Compared::of(Verdict::ToIvvy, Why::CrmChanged),
    }
}

/// The sides differ and have never agreed on the field.
fn never_agreed(field: &FieldDef, ivvy: &Value, crm: &Value, references: &dyn References) -> Compared {
    let fill = |from: Side, value: &Value| {
        if !field.flow.may_write(from.other()) {
            // The owner's side is empty on purpose or not: never erase the other unasked.
            return Compared::of(Verdict::Agree, Why::NotOwner);
        }
        match translate(field, from, value, references) {
            Translated::Value(_) if from == Side::Ivvy => Compared::of(Verdict::ToCrm, Why::Fill),
            Translated::Value(_) => Compared::of(Verdict::ToIvvy, Why::Fill),
            Translated::Unlinked => Compared::of(Verdict::Conflict, Why::ReferenceUnlinked),
            Translated::Unmatched => Compared::of(Verdict::Agree, Why::Unmatched),
            Translated::UnknownOption => Compared::of(Verdict::Conflict, Why::OptionUnknown),
        }
    };
    match (ivvy.is_empty(), crm.is_empty()) {
        (false, true) => fill(Side::Ivvy, ivvy),
        (true, false) => fill(Side::Crm, crm),
        _ => Compared::of(Verdict::Conflict, Why::NeverAgreed),
    }
}

/// A constant id may be filled when empty; anything else in its place is for a person (V-13).
fn compare_constant_id(field: &FieldDef, base: &BaseField, ivvy: &Value, crm: &Value) -> Compared {
    if same(field.kind, ivvy, crm) {
        let known = base.ivvy.is_some() && base.crm.is_some();
        return if known {
            Compared::of(Verdict::Same, Why::Unchanged)
        } else {
            Compared::of(Verdict::Agree, Why::Equal)
        };
    }
    // An operator has accepted exactly this difference before.
    let accepted = base.ivvy.as_ref().is_some_and(|then| same(field.kind, then, ivvy))
        && base.crm.as_ref().is_some_and(|then| same(field.kind, then, crm));
    let (holder, verdict) = match field.flow {
        Flow::ToCrm => (crm, Verdict::ToCrm),
        Flow::ToIvvy | Flow::Both => (ivvy, Verdict::ToIvvy),
    };
    // The id there is our own: it named the counterpart when they agreed, and the counterpart has
    // another id now (it was merged into another record).
    let agreed = base.ivvy.as_ref().zip(base.crm.as_ref()).is_some_and(|(ivvy, crm)| same(field.kind, ivvy, crm));
    let ours =
        field.flow != Flow::ToCrm && agreed && base.ivvy.as_ref().is_some_and(|then| same(field.kind, then, ivvy));
    if holder.is_empty() {
        Compared::of(verdict, Why::Fill)
    } else if ours {
        Compared::of(verdict, Why::CrmChanged)
    } else if accepted {
        Compared::of(Verdict::Same, Why::Unchanged)
    } else {
        Compared::of(Verdict::Conflict, Why::ConstantIdTaken)
    }
}

/// Sets of groups that differ are joined, whichever side moved. What the CRM alone took away is put back
/// there unless removals are mirrored (`docs/decisions/0013`).
fn compare_membership(rule: Membership, base: &BaseField, ivvy: &Value, crm: &Value) -> Compared {
    let heard: &[Side] = if rule.mirror_removals { &Side::BOTH } else { &[Side::Ivvy] };
    let joined = join_sets(base, ivvy, crm, heard);
    let as_in = |value: &Value| same(FieldKind::Choices, &joined, value);
    let kept = !as_in(&join_sets(base, ivvy, crm, &Side::BOTH));
    match (as_in(ivvy), as_in(crm)) {
        (true, _) => Compared::of(Verdict::ToCrm, if kept { Why::MembershipKept } else { Why::IvvyChanged }),
        (_, true) => Compared::of(Verdict::ToIvvy, Why::CrmChanged),
        _ => Compared { merged: Some(joined), ..Compared::of(Verdict::Merge, Why::SetsJoined) },
    }
}

/// Why a value cannot be carried over, by what the field holds.
fn unknown(field: &FieldDef) -> Why {
    if field.transform.is_none() { Why::ReferenceUnlinked } else { Why::OptionUnknown }
}

/// Both sides' sets joined, in iVvy's words; `None` when the CRM's cannot be put into them.
fn joined(field: &FieldDef, base: &BaseField, ivvy: &Value, crm: &Value) -> Option<Value> {
    if field.transform.is_none() {
        return Some(join_sets(base, ivvy, crm, &Side::BOTH));
    }
    let then = base.crm.as_ref().map(|then| carry(field, Side::Crm, then));
    let base = match then {
        None => base.clone(),
        Some(then) => BaseField { crm: Some(then?), ..base.clone() },
    };
    Some(join_sets(&base, ivvy, &carry(field, Side::Crm, crm)?, &Side::BOTH))
}

/// (base ∪ added on either side) − removed on a side that is heard. Commutes when both are (I29).
fn join_sets(base: &BaseField, ivvy: &Value, crm: &Value, heard: &[Side]) -> Value {
    let members = |value: Option<&Value>| match value.map(|value| canonical(FieldKind::Choices, value)) {
        Some(Value::Set(members)) => members,
        _ => BTreeSet::new(),
    };
    let (now_ivvy, now_crm) = (members(Some(ivvy)), members(Some(crm)));
    let (then_ivvy, then_crm) = (members(base.ivvy.as_ref()), members(base.crm.as_ref()));
    let removed: BTreeSet<&String> = heard
        .iter()
        .flat_map(|side| match side {
            Side::Ivvy => then_ivvy.difference(&now_ivvy),
            Side::Crm => then_crm.difference(&now_crm),
        })
        .collect();
    Value::Set(now_ivvy.union(&now_crm).filter(|member| !removed.contains(member)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Linked;

    impl References for Linked {
        fn counterpart(&self, _: ModuleId, _: Side, id: &str) -> Option<String> {
            match id {
                "1" => Some("one".to_owned()),
                "one" => Some("1".to_owned()),
                _ => None,
            }
        }

        fn matched(&self, _: MatchKind, from: Side, id: &str) -> Option<String> {
            self.counterpart(ModuleId::Contacts, from, id)
        }
    }

    /// C-05: where the CRM only tells us, nothing is planned towards it and nobody is asked about what could not be
    /// written anyway; what both sides changed is still a question.
    #[test]
    fn where_the_crm_only_tells_us_our_edits_stay_ours_c05() {
        let told = FieldDef::new("phone", "Phone", FieldKind::Text).flow(Flow::ToIvvy);
        let once = FieldDef::to_crm("first_name", "First name", FieldKind::Text).at_creation();
        let settled = |field: &FieldDef, base: Option<(&str, &str)>, ivvy: &str, crm: &str| {
            let base = base.map_or_else(BaseField::default, |(ivvy, crm)| BaseField::agreed(ivvy.into(), crm.into()));
            let found = compare(field, &base, Some(&ivvy.into()), Some(&crm.into()), &NoReferences);
            let settled = settle_told(found, field);
            (settled.verdict, settled.why)
        };
        let ours = (Verdict::Same, Why::NotOwner);
        assert_eq!(settled(&told, Some(("1", "1")), "2", "1"), ours, "our edit");
        assert_eq!(settled(&told, Some(("1", "1")), "1", "2"), (Verdict::ToIvvy, Why::CrmChanged));
        assert_eq!(settled(&told, Some(("1", "1")), "2", "3"), (Verdict::Conflict, Why::BothChanged), "a question");
        assert_eq!(settled(&told, None, "", "2"), (Verdict::ToIvvy, Why::Fill));
        assert_eq!(settled(&told, None, "1", "").0, Verdict::Agree, "nothing is filled there");
        for (ivvy, crm) in [("2", "1"), ("1", "2"), ("2", "3")] {
            assert_eq!(settled(&once, Some(("1", "1")), ivvy, crm), ours, "it can be written nowhere");
        }
    }

    fn text_field() -> FieldDef {
        FieldDef::new("phone", "Phone", FieldKind::Text)
    }

    fn verdict(base: Option<(&str, &str)>, ivvy: &str, crm: &str) -> (Verdict, Why) {
        let base = base.map(|(x, y)| BaseField::agreed(x.into(), y.into())).unwrap_or_default();
        let found = compare(&text_field(), &base, Some(&ivvy.into()), Some(&crm.into()), &NoReferences);
        (found.verdict, found.why)
    }

    #[test]
    fn the_table_of_engine_5_4() {
        let base = Some(("a", "a"));
        assert_eq!(verdict(base, "a", "a"), (Verdict::Same, Why::Unchanged));
        assert_eq!(verdict(base, "b", "a"), (Verdict::ToCrm, Why::IvvyChanged));
        assert_eq!(verdict(base, "a", "b"), (Verdict::ToIvvy, Why::CrmChanged));
        assert_eq!(verdict(base, "b", "b"), (Verdict::Agree, Why::Equal));
        assert_eq!(verdict(base, "b", "c"), (Verdict::Conflict, Why::BothChanged));
        assert_eq!(verdict(None, "a", "a"), (Verdict::Agree, Why::Equal));
        assert_eq!(verdict(None, "a", ""), (Verdict::ToCrm, Why::Fill));
        assert_eq!(verdict(None, "", "b"), (Verdict::ToIvvy, Why::Fill));
        assert_eq!(verdict(None, "a", "b"), (Verdict::Conflict, Why::NeverAgreed));
        assert_eq!(verdict(base, "", "a"), (Verdict::ToCrm, Why::IvvyChanged), "clearing is a change");
        assert_eq!(verdict(Some(("a", "A ")), "a", "A "), (Verdict::Same, Why::Unchanged), "base is per side");
    }

    #[test]
    fn a_missing_key_is_never_a_change_i27() {
        let base = BaseField::agreed("a".into(), "a".into());
        let found = compare(&text_field(), &base, None, Some(&"b".into()), &NoReferences);
        assert_eq!((found.verdict, found.why), (Verdict::Same, Why::Absent));
    }

    #[test]
    fn a_side_without_a_base_counts_as_changed() {
        let half = BaseField { crm: Some("y".into()), ..BaseField::default() };
        let found = compare(&text_field(), &half, Some(&"c".into()), Some(&"y".into()), &NoReferences);
        assert_eq!(found.verdict, Verdict::ToCrm);
        let moved = compare(&text_field(), &half, Some(&"c".into()), Some(&"z".into()), &NoReferences);
        assert_eq!(moved.verdict, Verdict::Conflict, "the other side moved meanwhile");
    }

    #[test]
    fn constant_id_is_filled_but_never_replaced_v13() {
        let field = FieldDef::new("external_id", "External id", FieldKind::ConstantId).flow(Flow::ToIvvy);
        let run = |base: &BaseField, ivvy: &str| {
            let found = compare(&field, base, Some(&ivvy.into()), Some(&"42".into()), &NoReferences);
            (found.verdict, found.why)
        };
        let none = BaseField::default();
        assert_eq!(run(&none, ""), (Verdict::ToIvvy, Why::Fill));
        assert_eq!(run(&none, "42"), (Verdict::Agree, Why::Equal));
        assert_eq!(run(&none, "7"), (Verdict::Conflict, Why::ConstantIdTaken));
        let accepted = BaseField::agreed("7".into(), "42".into());
        assert_eq!(run(&accepted, "7"), (Verdict::Same, Why::Unchanged));
        assert_eq!(run(&accepted, "8"), (Verdict::Conflict, Why::ConstantIdTaken));
    }

    /// The counterpart was merged into record 42; the id there is the one we wrote ourselves.
    #[test]
    fn our_own_constant_id_follows_a_merge_and_a_foreign_one_does_not_v13() {
        let field = FieldDef::new("external_id", "External id", FieldKind::ConstantId).flow(Flow::ToIvvy);
        let run = |base: &BaseField, ivvy: &str| {
            compare(&field, base, Some(&ivvy.into()), Some(&"42".into()), &NoReferences).verdict
        };
        let ours = BaseField::agreed("41".into(), "41".into());
        assert_eq!(run(&ours, "41"), Verdict::ToIvvy);
        assert_eq!(run(&ours, "7"), Verdict::Conflict, "somebody put another one there");
        assert_eq!(run(&BaseField::agreed("7".into(), "41".into()), "7"), Verdict::Conflict, "never ours");
        let key = FieldDef::new("ivvy_key", "Key", FieldKind::ConstantId).flow(Flow::ToCrm);
        let found = compare(&key, &ours, Some(&"42".into()), Some(&"41".into()), &NoReferences);
        assert_eq!(found.verdict, Verdict::Conflict, "iVvy does not merge: a key of another record is a question");
    }

    #[test]
    fn one_way_fields_are_not_read_back() {
        let field = text_field().flow(Flow::ToCrm);
        let base = BaseField::agreed("a".into(), "a".into());
        let found = compare(&field, &base, Some(&"a".into()), Some(&"b".into()), &NoReferences);
        assert_eq!((found.verdict, found.why), (Verdict::Conflict, Why::NotOwner));
    }

    #[test]
    fn references_compare_through_their_links_v74() {
        let field = FieldDef::new("company", "Company", FieldKind::Reference(ModuleId::Companies));
        let none = BaseField::default();
        let run = |ivvy: &str, crm: &str| {
            let found = compare(&field, &none, Some(&ivvy.into()), Some(&crm.into()), &Linked);
            (found.verdict, found.why)
        };
        assert_eq!(run("1", "one"), (Verdict::Agree, Why::Equal));
        assert_eq!(run("1", ""), (Verdict::ToCrm, Why::Fill));
        assert_eq!(run("9", ""), (Verdict::Conflict, Why::ReferenceUnlinked));
        assert_eq!(run("", "nine"), (Verdict::Conflict, Why::ReferenceUnlinked));
        assert_eq!(run("", ""), (Verdict::Agree, Why::Equal));
    }

    fn groups(names: &str) -> Value {
        Value::Set(names.chars().map(|name| name.to_string()).collect())
    }

    fn joined(mirror_removals: bool, base: Option<(&str, &str)>, ivvy: &str, crm: &str) -> (Verdict, Option<Value>) {
        let field = crate::model::module::groups_field(Membership { mirror_removals });
        let base = base.map(|(x, y)| BaseField::agreed(groups(x), groups(y))).unwrap_or_default();
        let found = compare(&field, &base, Some(&groups(ivvy)), Some(&groups(crm)), &NoReferences);
        (found.verdict, found.merged)
    }

    #[test]
    fn groups_are_joined_one_by_one_and_never_a_question_v18() {
        for mirror in [false, true] {
            assert_eq!(joined(mirror, None, "ab", "bc"), (Verdict::Merge, Some(groups("abc"))), "the first time, too");
            assert_eq!(joined(mirror, None, "ab", "abc"), (Verdict::ToIvvy, None));
            assert_eq!(joined(mirror, Some(("ab", "ab")), "ab", "abc"), (Verdict::ToIvvy, None));
            assert_eq!(joined(mirror, Some(("ab", "ab")), "a", "ab"), (Verdict::ToCrm, None), "left in iVvy");
            assert_eq!(joined(mirror, Some(("ab", "ab")), "a", "abc"), (Verdict::Merge, Some(groups("ac"))));
            assert_eq!(joined(mirror, Some(("a", "a")), "a", "a"), (Verdict::Same, None));
        }
    }

    #[test]
    fn leaving_a_group_in_the_crm_leaves_it_in_ivvy_only_when_mirrored_v18() {
        assert_eq!(joined(true, Some(("ab", "ab")), "ab", "a"), (Verdict::ToIvvy, None));
        assert_eq!(joined(false, Some(("ab", "ab")), "ab", "a"), (Verdict::ToCrm, None), "the CRM shows it again");
        assert_eq!(joined(false, Some(("ab", "ab")), "abd", "ac"), (Verdict::Merge, Some(groups("abcd"))));
        assert_eq!(joined(false, Some(("ab", "ab")), "a", "b"), (Verdict::ToCrm, None), "what iVvy removed stays so");
    }

    proptest! {
        #[test]
        fn towards_ivvy_a_set_only_grows_unless_removals_are_mirrored_v18(
            x in any_set(), y in any_set(), z in any_set(),
        ) {
            let Value::Set(now) = &x else { unreachable!() };
            let Value::Set(joined) = join_sets(&BaseField::agreed(z.clone(), z), &x, &y, &[Side::Ivvy]) else {
                unreachable!()
            };
            prop_assert!(joined.is_superset(now));
        }
    }

    fn any_set() -> impl Strategy<Value = Value> {
        prop::collection::btree_set("[a-e]", 0..4).prop_map(Value::Set)
    }

    proptest! {
        #[test]
        fn set_merge_commutes_i29(x in any_set(), y in any_set(), zx in any_set(), zy in any_set()) {
            let forth = join_sets(&BaseField::agreed(zx.clone(), zy.clone()), &x, &y, &Side::BOTH);
            let back = join_sets(&BaseField::agreed(zy, zx), &y, &x, &Side::BOTH);
            prop_assert_eq!(forth, back);
        }

        #[test]
        fn comparison_is_symmetric_under_swapping_sides_i29(
            x in "[ab]{0,1}", y in "[ab]{0,1}", zx in prop::option::of("[ab]{0,1}"), zy in prop::option::of("[ab]{0,1}"),
        ) {
            let field = text_field();
            let base = BaseField { ivvy: zx.clone().map(Value::Text), crm: zy.clone().map(Value::Text), ..BaseField::default() };
            let swapped = BaseField { ivvy: zy.map(Value::Text), crm: zx.map(Value::Text), ..BaseField::default() };
            let forth = compare(&field, &base, Some(&Value::Text(x.clone())), Some(&Value::Text(y.clone())), &NoReferences);
            let back = compare(&field, &swapped, Some(&Value::Text(y)), Some(&Value::Text(x)), &NoReferences);
            let mirrored = match back.verdict {
                Verdict::ToCrm => Verdict::ToIvvy,
                Verdict::ToIvvy => Verdict::ToCrm,
                other => other,
            };
            prop_assert_eq!(forth.verdict, mirrored);
        }
    }
}
