//! Building an item's plan from two records and what they last agreed on, and reading from a plan
//! what must be written where.

use super::canonical::same;
use super::compare::{References, Translated, compare, settle_drift, settle_told, translate};
use super::transform::carry;
use crate::model::{
    Base, BaseField, Choice, Drift, FieldDef, FieldKind, FieldPlan, Fields, Flow, ModuleDef, Plan, Record, Side,
    Transform, Value, Verdict, Why,
};

/// The plan of a linked pair. `drafts` are the rows of the plan before: a choice made there survives
/// if the row still holds exactly the values it was made on; otherwise the row is marked as moved.
pub fn of_pair(
    def: &ModuleDef,
    ivvy: &Record,
    crm: &Record,
    base: &Base,
    references: &dyn References,
    drafts: &[FieldPlan],
) -> Plan {
    let none = BaseField::default();
    let frozen = ivvy.anonymised;
    let fields = def.fields.iter().map(|field| {
        let agreed = base.fields.get(field.name.as_ref()).unwrap_or(&none);
        let (x, y) = (ivvy.fields.get(field.name.as_ref()), crm.fields.get(field.name.as_ref()));
        let mut found = compare(field, agreed, x, y, references);
        // In a two-way module a first difference is asked about: nobody has said yet that the CRM's is a copy.
        let drifted = match found.why {
            Why::NotOwner => true,
            Why::BothChanged => !field.at_creation && !agreed.disputed,
            _ => false,
        };
        // Nor is it asked about in one that only takes requests: what became of one is the other side's word.
        let copied = def.flow == Flow::ToCrm || def.request.is_some() && field.flow == Flow::ToCrm;
        if field.enforced {
            found = settle_drift(found, agreed, x, field.kind, Drift::Revert);
        } else if copied && !agreed.disputed || field.flow == Flow::ToCrm && drifted {
            found = settle_drift(found, agreed, x, field.kind, def.drift);
        }
        if def.flow == Flow::ToIvvy && field.kind != FieldKind::ConstantId {
            found = settle_told(found, field);
        }
        let mut row = FieldPlan {
            field: field.name.clone().into_owned(),
            base_ivvy: agreed.ivvy.clone(),
            base_crm: agreed.crm.clone(),
            ivvy: x.cloned(),
            crm: y.cloned(),
            verdict: if frozen { Verdict::Same } else { found.verdict },
            why: if frozen { Why::Anonymised } else { found.why },
            merged: found.merged,
            choice: None,
            moved: false,
        };
        if let Some(draft) = drafts.iter().find(|draft| draft.field == row.field) {
            carry_draft(&mut row, draft);
        }
        row
    });
    let mut plan = Plan {
        fields: fields.collect(),
        ivvy: Some(ivvy.id.clone()),
        crm: Some(crm.id.clone()),
        candidates: Vec::new(),
        summary: String::new(),
        mapping_version: def.mapping_version,
    };
    plan.summary = summary(def, &plan);
    plan
}

fn carry_draft(row: &mut FieldPlan, draft: &FieldPlan) {
    let unmoved = draft.ivvy == row.ivvy
        && draft.crm == row.crm
        && draft.base_ivvy == row.base_ivvy
        && draft.base_crm == row.base_crm;
    if unmoved {
        row.choice.clone_from(&draft.choice);
        row.moved = draft.moved;
    } else {
        row.moved = draft.ivvy != row.ivvy || draft.crm != row.crm;
    }
}

/// Whether a choice can be written where it must be: what cannot be carried over would be left out of the write, and
/// agreed on all the same.
pub fn carries(field: &FieldDef, row: &FieldPlan, choice: &Choice, references: &dyn References) -> bool {
    let (side, value) = match choice {
        Choice::Ivvy => (Side::Ivvy, row.ivvy.as_ref()),
        Choice::Crm => (Side::Crm, row.crm.as_ref()),
        // Somebody who types an option types iVvy's.
        Choice::Custom(value) => (Side::Ivvy, Some(value)),
        Choice::Each { .. } | Choice::Keep => return true,
    };
    let Some(value) = value.filter(|_| field.flow.may_write(side.other())) else { return true };
    matches!(translate(field, side, value, references), Translated::Value(_))
}

/// Whether the plan holds a choice that could be carried when it was made, and no longer can.
pub fn outdated(def: &ModuleDef, plan: &Plan, references: &dyn References) -> bool {
    plan.fields.iter().any(|row| {
        let field = def.field(&row.field).zip(row.choice.as_ref());
        field.is_some_and(|(field, choice)| !carries(field, row, choice, references))
    })
}

/// The plan of a record that is to be created on the other side: every field that may be written there and
/// has a value or a default.
pub fn of_create(
    def: &ModuleDef,
    source_side: Side,
    source: &Record,
    target_fields: &[String],
    references: &dyn References,
    drafts: &[FieldPlan],
) -> Plan {
    let target = source_side.other();
    let fields = def.fields.iter().filter(|field| field.kind != FieldKind::ConstantId).map(|field| {
        let value = source.fields.get(field.name.as_ref()).cloned();
        let held = target_fields.iter().any(|name| *name == field.name) && given(field, target);
        let (verdict, why) = match &value {
            Some(value) if held && !value.is_empty() => match translate(field, source_side, value, references) {
                Translated::Value(_) => (toward(target), Why::Create),
                Translated::Unlinked => (Verdict::Conflict, Why::ReferenceUnlinked),
                Translated::Unmatched => (Verdict::Same, Why::Unmatched),
                Translated::UnknownOption => (Verdict::Conflict, Why::OptionUnknown),
            },
            _ if held && field.default.is_some() => (toward(target), Why::Default),
            _ => (Verdict::Same, Why::Absent),
        };
        let (ivvy, crm) = if source_side == Side::Ivvy { (value, None) } else { (None, value) };
        let mut row = FieldPlan {
            field: field.name.clone().into_owned(),
            base_ivvy: None,
            base_crm: None,
            ivvy,
            crm,
            verdict,
            why,
            merged: None,
            choice: None,
            moved: false,
        };
        if let Some(draft) = drafts.iter().find(|draft| draft.field == row.field) {
            carry_draft(&mut row, draft);
        }
        row
    });
    let mut plan = Plan { fields: fields.collect(), mapping_version: def.mapping_version, ..Plan::default() };
    match source_side {
        Side::Ivvy => plan.ivvy = Some(source.id.clone()),
        Side::Crm => plan.crm = Some(source.id.clone()),
    }
    plan.summary = creation(def, &plan, target);
    plan
}

/// Sets aside what refers to records of the module itself that have no counterpart yet (the parent of a
/// company), where the record can do without: it holds up nothing else of the record. Returns whether there
/// was anything.
pub fn set_aside_own(def: &ModuleDef, plan: &mut Plan) -> bool {
    let mut any = false;
    for row in &mut plan.fields {
        if row.why == Why::ReferenceUnlinked
            && row.choice.is_none()
            && def.field(&row.field).is_some_and(|field| own(def, field))
        {
            row.verdict = Verdict::Same;
            any = true;
        }
    }
    if any {
        plan.summary = match (&plan.ivvy, &plan.crm) {
            (Some(_), Some(_)) => summary(def, plan),
            (None, _) => creation(def, plan, Side::Ivvy),
            (_, None) => creation(def, plan, Side::Crm),
        };
    }
    any
}

/// Whether the field names a record of the same module, and no record must have it.
pub fn own(def: &ModuleDef, field: &FieldDef) -> bool {
    field.kind == FieldKind::Reference(def.id) && field.required_on.is_none()
}

/// What is said of a record that is to be created on `target`.
fn creation(def: &ModuleDef, plan: &Plan, target: Side) -> String {
    match later(def, plan) {
        later if later.is_empty() => format!("create in {}", target.title()),
        later => format!("create in {}; waits: {later}", target.title()),
    }
}

/// Titles of the fields that were set aside until the record they name has a counterpart.
fn later(def: &ModuleDef, plan: &Plan) -> String {
    titles(def, plan, &|row| row.verdict == Verdict::Same && row.why == Why::ReferenceUnlinked)
}

/// Titles of the fields whose row is `wanted`.
fn titles(def: &ModuleDef, plan: &Plan, wanted: &dyn Fn(&FieldPlan) -> bool) -> String {
    let rows = plan.fields.iter().filter(|row| wanted(row));
    let titles = rows.map(|row| def.field(&row.field).map_or(row.field.as_str(), |field| field.title.as_ref()));
    titles.collect::<Vec<_>>().join(", ")
}

/// Whether a new record on `side` gets the field.
fn given(field: &FieldDef, side: Side) -> bool {
    field.flow.may_write(side) || field.at_creation
}

fn toward(side: Side) -> Verdict {
    match side {
        Side::Ivvy => Verdict::ToIvvy,
        Side::Crm => Verdict::ToCrm,
    }
}

/// One sentence without values: which fields go where.
fn summary(def: &ModuleDef, plan: &Plan) -> String {
    let titles = |wanted: &dyn Fn(&FieldPlan) -> bool| titles(def, plan, wanted);
    let conflicts = titles(&|row| row.unsolved());
    let to_crm = titles(&|row| row.verdict == Verdict::ToCrm);
    let to_ivvy = titles(&|row| row.verdict == Verdict::ToIvvy);
    let joined = titles(&|row| row.verdict == Verdict::Merge);
    let drifted = titles(&|row| row.why == Why::Drift);
    let parts = [
        ("differ: ", conflicts),
        ("to CRM: ", to_crm),
        ("to iVvy: ", to_ivvy),
        ("join: ", joined),
        ("changed in the CRM, as it may: ", drifted),
        ("waits: ", later(def, plan)),
    ];
    let text: Vec<String> =
        parts.into_iter().filter(|(_, list)| !list.is_empty()).map(|(what, list)| format!("{what}{list}")).collect();
    if text.is_empty() { "in step".to_owned() } else { text.join("; ") }
}

/// What must be written on `side` to carry the plan out: raw values, references translated. Fields
/// that already mean the same are left out, so that nothing is written twice.
pub fn patch(def: &ModuleDef, plan: &Plan, side: Side, references: &dyn References) -> Fields {
    // A CRM that only tells us is never written to, whatever a field says (C-05).
    if def.flow == Flow::ToIvvy && side == Side::Crm {
        return Fields::new();
    }
    plan.fields
        .iter()
        .filter_map(|row| {
            let field = def.field(&row.field)?;
            let creates = match side {
                Side::Ivvy => plan.ivvy.is_none(),
                Side::Crm => plan.crm.is_none(),
            };
            let value = written(field, row, side, creates, references)?;
            Some((row.field.clone(), value))
        })
        .collect()
}

/// The value to write for one row on `side`, if any.
fn written(field: &FieldDef, row: &FieldPlan, side: Side, creates: bool, references: &dyn References) -> Option<Value> {
    let writable = if creates { given(field, side) } else { field.flow.may_write(side) };
    if !writable {
        return None;
    }
    let value = match (&row.choice, row.verdict) {
        // Somebody who types an option types iVvy's.
        (Some(Choice::Custom(value)), _) => in_words_of(field, side, value)?,
        (Some(Choice::Each { .. }), _) => row.result_on(side)?.clone(),
        (Some(Choice::Keep), _) => return None,
        (Some(choice), _) if *choice == Choice::side(side) => return None,
        (Some(_), _) => carried(field, row, side, references)?,
        (None, verdict) if verdict == toward(side) => carried(field, row, side, references)?,
        (None, Verdict::Merge) => in_words_of(field, side, row.merged.as_ref()?)?,
        (None, _) => return None,
    };
    match row.on(side) {
        Some(now) if same(field.kind, now, &value) => None,
        _ => Some(value),
    }
}

/// A value that stands in iVvy's words, in those of `side`.
fn in_words_of(field: &FieldDef, side: Side, value: &Value) -> Option<Value> {
    match (&field.transform, side) {
        (Transform::Values(_), Side::Crm) => carry(field, Side::Ivvy, value),
        _ => Some(value.clone()),
    }
}

/// The other side's value of the row, carried over to `side`.
fn carried(field: &FieldDef, row: &FieldPlan, side: Side, references: &dyn References) -> Option<Value> {
    if row.why == Why::Default {
        return in_words_of(field, side, field.default.as_ref()?);
    }
    match translate(field, side.other(), row.on(side.other())?, references) {
        Translated::Value(value) => Some(value),
        Translated::Unlinked | Translated::Unmatched | Translated::UnknownOption => None,
    }
}

/// Moves the base for every row on which both sides already agree. Returns whether anything moved.
pub fn settle_agreements(base: &mut Base, plan: &Plan) -> bool {
    let mut moved = false;
    for row in &plan.fields {
        if let (Verdict::Agree, Some(ivvy), Some(crm)) = (row.verdict, &row.ivvy, &row.crm) {
            let agreed = BaseField::agreed(ivvy.clone(), crm.clone());
            if base.fields.get(&row.field) != Some(&agreed) {
                base.fields.insert(row.field.clone(), agreed);
                moved = true;
            }
        }
    }
    moved
}

/// Records the operator's choice to leave both sides as they are in the base, so that the accepted
/// difference of a field that needs no write is not raised again (a constant id, V-13).
pub fn settle_choices(base: &mut Base, def: &ModuleDef, plan: &Plan, references: &dyn References) -> bool {
    let mut moved = false;
    for row in &plan.fields {
        let (Some(choice), Some(ivvy), Some(crm), Some(field)) =
            (&row.choice, &row.ivvy, &row.crm, def.field(&row.field))
        else {
            continue;
        };
        // What an undo gives back is a question afterwards, and what cannot go over is no agreement.
        if matches!(choice, Choice::Each { .. }) || !carries(field, row, choice, references) {
            continue;
        }
        if Side::BOTH.into_iter().all(|side| written(field, row, side, false, references).is_none()) {
            base.fields.insert(row.field.clone(), BaseField::agreed(ivvy.clone(), crm.clone()));
            moved = true;
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::super::compare::NoReferences;
    use super::*;
    use crate::model::ModuleId;
    use crate::model::module::EMAIL_OPT_OUT;

    fn record(id: &str, fields: &[(&str, &str)]) -> Record {
        Record {
            id: id.into(),
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect(),
            ..Record::default()
        }
    }

    fn base(fields: &[(&str, &str)]) -> Base {
        Base {
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), BaseField::agreed((*value).into(), (*value).into())))
                .collect(),
            ..Base::default()
        }
    }

    #[test]
    fn different_fields_on_both_sides_merge_without_a_conflict_v10() {
        let def = ModuleId::Contacts.def();
        let before = base(&[("first_name", "Ann"), ("phone", "1")]);
        let ivvy = record("1", &[("first_name", "Anna"), ("phone", "1")]);
        let crm = record("c", &[("first_name", "Ann"), ("phone", "2")]);
        let plan = of_pair(&def, &ivvy, &crm, &before, &NoReferences, &[]);
        assert_eq!(plan.unsolved(), 0);
        assert_eq!(patch(&def, &plan, Side::Crm, &NoReferences), [("first_name".to_owned(), "Anna".into())].into());
        assert_eq!(patch(&def, &plan, Side::Ivvy, &NoReferences), [("phone".to_owned(), "2".into())].into());
        assert_eq!(plan.summary, "to CRM: First name; to iVvy: Phone");
    }

    fn drifting(drift: Drift, was: &str, ivvy: &str, crm: &str) -> (Verdict, Why) {
        let def = ModuleDef { drift, ..ModuleId::Registrations.def() };
        let (ivvy, crm) = (record("1", &[("amount", ivvy)]), record("c", &[("amount", crm)]));
        let before = if was.is_empty() { Base::default() } else { base(&[("amount", was)]) };
        let plan = of_pair(&def, &ivvy, &crm, &before, &NoReferences, &[]);
        assert!(patch(&def, &plan, Side::Ivvy, &NoReferences).is_empty(), "never to iVvy, whatever the policy");
        let row = plan.field("amount").unwrap();
        (row.verdict, row.why)
    }

    #[test]
    fn a_crm_edit_of_a_one_way_module_is_drift_by_policy_and_never_flows_back_v43() {
        assert_eq!(drifting(Drift::Ignore, "10", "10", "12"), (Verdict::Same, Why::Drift));
        assert_eq!(drifting(Drift::Revert, "10", "10", "12"), (Verdict::ToCrm, Why::Reverted));
        assert_eq!(drifting(Drift::Hold, "10", "10", "12"), (Verdict::Conflict, Why::NotOwner));
        assert_eq!(drifting(Drift::Ignore, "10", "11", "12"), (Verdict::ToCrm, Why::IvvyChanged), "iVvy moved on");
        assert_eq!(drifting(Drift::Hold, "10", "11", "12"), (Verdict::Conflict, Why::BothChanged));
        assert_eq!(drifting(Drift::Ignore, "", "10", "12"), (Verdict::ToCrm, Why::IvvyChanged), "our key is on it");
        assert_eq!(drifting(Drift::Ignore, "10", "10.00", "10.0"), (Verdict::Same, Why::Unchanged), "one amount");
    }

    #[test]
    fn a_wish_not_to_be_written_to_is_never_undone_v21() {
        let mut def = ModuleId::Contacts.def();
        def.fields.extend(ModuleId::Contacts.fields_on_request());
        let yes = Some(Value::Bool(true));
        let no = Some(Value::Bool(false));
        let told = |value: &Option<Value>| Record {
            id: "1".into(),
            fields: value.iter().map(|value| (EMAIL_OPT_OUT.to_owned(), value.clone())).collect(),
            ..Record::default()
        };
        let agreed = |value: &Option<Value>| {
            let agreed = value.iter().map(|v| (EMAIL_OPT_OUT.to_owned(), BaseField::agreed(v.clone(), v.clone())));
            Base { fields: agreed.collect(), ..Base::default() }
        };
        // What was agreed on, iVvy's and the CRM's word now, and what is written to the CRM.
        for (base, ivvy, crm, expected) in [
            (&None, &yes, &no, &yes),
            (&None, &yes, &None, &None),
            (&yes, &yes, &no, &yes),
            (&yes, &yes, &yes, &None),
            (&yes, &None, &yes, &None),
            (&yes, &None, &no, &None),
            (&None, &None, &yes, &None),
        ] {
            let plan = of_pair(&def, &told(ivvy), &told(crm), &agreed(base), &NoReferences, &[]);
            let case = format!("{base:?} {ivvy:?} {crm:?}");
            assert_eq!(plan.unsolved(), 0, "nobody is asked: {case}");
            assert_eq!(patch(&def, &plan, Side::Crm, &NoReferences).get(EMAIL_OPT_OUT), expected.as_ref(), "{case}");
            assert!(patch(&def, &plan, Side::Ivvy, &NoReferences).is_empty(), "{case}");
        }
    }

    #[test]
    fn a_field_ivvy_owns_in_a_two_way_module_drifts_by_policy_but_its_first_difference_is_a_question_v72() {
        let verdict = |drift, was: Option<&str>, ivvy: &str, crm: &str| {
            let mut def = ModuleDef { drift, ..ModuleId::Companies.def() };
            def.fields.push(FieldDef::to_crm("custom.9", "Rating", FieldKind::Text));
            let before = was.map(|was| base(&[("custom.9", was)])).unwrap_or_default();
            let (ivvy, crm) = (record("1", &[("custom.9", ivvy)]), record("c", &[("custom.9", crm)]));
            of_pair(&def, &ivvy, &crm, &before, &NoReferences, &[]).field("custom.9").map(|row| (row.verdict, row.why))
        };
        assert_eq!(verdict(Drift::Ignore, Some("a"), "a", "b"), Some((Verdict::Same, Why::Drift)));
        assert_eq!(verdict(Drift::Ignore, Some("a"), "c", "b"), Some((Verdict::ToCrm, Why::IvvyChanged)));
        assert_eq!(verdict(Drift::Hold, Some("a"), "a", "b"), Some((Verdict::Conflict, Why::NotOwner)));
        assert_eq!(verdict(Drift::Ignore, None, "a", "b"), Some((Verdict::Conflict, Why::NeverAgreed)));
    }

    #[test]
    fn an_unpaired_parent_is_set_aside_and_an_unpaired_company_of_a_contact_is_not_v74() {
        for (module, field, aside) in [(ModuleId::Companies, "parent", true), (ModuleId::Contacts, "company", false)] {
            let def = module.def();
            let targets: Vec<String> = def.fields.iter().map(|field| field.name.to_string()).collect();
            let source = record("1", &[("email", "a@b.example"), (field, "9")]);
            let mut plan = of_create(&def, Side::Ivvy, &source, &targets, &NoReferences, &[]);
            assert_eq!((plan.unsolved(), plan.summary.as_str()), (1, "create in CRM"));
            assert_eq!(set_aside_own(&def, &mut plan), aside);
            assert_eq!(plan.unsolved(), usize::from(!aside));
            assert!(!patch(&def, &plan, Side::Crm, &NoReferences).contains_key(field));
            assert_eq!(plan.summary.contains("waits: Parent company"), aside, "{}", plan.summary);
        }
    }

    #[test]
    fn the_person_behind_a_lead_is_given_once_and_never_changed_through_it() {
        let def = ModuleId::Leads.def();
        let crm = record("c", &[("name", "Wedding"), ("email", "a@b.example"), ("last_name", "Lee")]);
        let targets: Vec<String> = def.fields.iter().map(|field| field.name.to_string()).collect();
        let plan = of_create(&def, Side::Crm, &crm, &targets, &NoReferences, &[]);
        let given = patch(&def, &plan, Side::Ivvy, &NoReferences);
        assert_eq!(given.get("email"), Some(&"a@b.example".into()));
        let changed = record("c", &[("email", "new@b.example")]);
        let ivvy = record("1", &[("email", "a@b.example")]);
        let plan = of_pair(&def, &ivvy, &changed, &base(&[("email", "a@b.example")]), &NoReferences, &[]);
        assert!(Side::BOTH.into_iter().all(|side| patch(&def, &plan, side, &NoReferences).is_empty()));
    }

    #[test]
    fn an_owner_without_a_match_is_left_out_and_holds_nothing_up_c13() {
        let def = ModuleId::Leads.def();
        let ivvy = record("1", &[("name", "Wedding"), ("owner", "7"), ("source", "3")]);
        let targets: Vec<String> = def.fields.iter().map(|field| field.name.to_string()).collect();
        let plan = of_create(&def, Side::Ivvy, &ivvy, &targets, &NoReferences, &[]);
        assert_eq!(plan.unsolved(), 0);
        assert_eq!(plan.field("owner").unwrap().why, Why::Unmatched);
        assert_eq!(patch(&def, &plan, Side::Crm, &NoReferences), [("name".to_owned(), "Wedding".into())].into());
        let crm = record("c", &[("name", "Wedding"), ("owner", ""), ("source", "")]);
        let pair = of_pair(&def, &ivvy, &crm, &Base::default(), &NoReferences, &[]);
        assert_eq!((pair.unsolved(), pair.field("owner").unwrap().why), (0, Why::Unmatched));
        let mut agreed = Base::default();
        assert!(settle_agreements(&mut agreed, &pair), "a match made later is offered, not carried out (C-15)");
    }

    #[test]
    fn a_choice_survives_only_while_its_values_stand_still_v18() {
        let def = ModuleId::Contacts.def();
        let before = base(&[("phone", "1")]);
        let (ivvy, crm) = (record("1", &[("phone", "2")]), record("c", &[("phone", "3")]));
        let mut plan = of_pair(&def, &ivvy, &crm, &before, &NoReferences, &[]);
        assert_eq!(plan.unsolved(), 1);
        let row = plan.fields.iter_mut().find(|row| row.field == "phone").unwrap();
        row.choice = Some(Choice::Crm);
        assert_eq!(patch(&def, &plan, Side::Ivvy, &NoReferences), [("phone".to_owned(), "3".into())].into());
        assert!(patch(&def, &plan, Side::Crm, &NoReferences).is_empty());

        let again = of_pair(&def, &ivvy, &crm, &before, &NoReferences, &plan.fields);
        assert_eq!(again.field("phone").unwrap().choice, Some(Choice::Crm));
        let moved = of_pair(&def, &ivvy, &record("c", &[("phone", "4")]), &before, &NoReferences, &plan.fields);
        let row = moved.field("phone").unwrap();
        assert!(row.moved && row.choice.is_none());
    }

    #[test]
    fn an_anonymised_person_is_never_refilled_v21() {
        let def = ModuleId::Contacts.def();
        let mut ivvy = record("1", &[("first_name", ""), ("phone", "")]);
        ivvy.anonymised = true;
        let crm = record("c", &[("first_name", "Ann"), ("phone", "2")]);
        let plan = of_pair(&def, &ivvy, &crm, &base(&[("phone", "2")]), &NoReferences, &[]);
        assert!(Side::BOTH.into_iter().all(|side| patch(&def, &plan, side, &NoReferences).is_empty()));
    }

    #[test]
    fn a_choice_whose_reference_lost_its_counterpart_is_a_question_again_v74() {
        struct Linked;
        impl References for Linked {
            fn counterpart(&self, _: ModuleId, from: Side, id: &str) -> Option<String> {
                let (here, there) = [("5", "c5"), ("1", "c1")].into_iter().find(|(x, y)| *x == id || *y == id)?;
                Some(if from == Side::Ivvy { there } else { here }.to_owned())
            }
            fn matched(&self, _: crate::model::MatchKind, _: Side, _: &str) -> Option<String> {
                None
            }
        }
        let def = ModuleId::Contacts.def();
        let (ivvy, crm) = (record("1", &[("company", "5")]), record("c", &[("company", "c1")]));
        let then = Base {
            fields: [("company".to_owned(), BaseField::agreed("5".into(), "c5".into()))].into(),
            ..Base::default()
        };
        let mut plan = of_pair(&def, &ivvy, &crm, &then, &Linked, &[]);
        let row = plan.fields.iter_mut().find(|row| row.field == "company").unwrap();
        assert_eq!(row.verdict, Verdict::ToIvvy);
        row.choice = Some(Choice::Ivvy);
        assert!(!outdated(&def, &plan, &Linked), "it goes back to the CRM");
        assert_eq!(patch(&def, &plan, Side::Crm, &Linked)["company"], "c5".into());

        // The pair of that company is closed before the write.
        assert!(outdated(&def, &plan, &NoReferences));
        let mut agreed = then.clone();
        assert!(!settle_choices(&mut agreed, &def, &plan, &NoReferences), "what cannot go over is no agreement");
        // However often it is planned again, what they chose stands in the way of the opposite.
        let mut again = plan;
        for _ in 0..2 {
            again = of_pair(&def, &ivvy, &crm, &then, &NoReferences, &again.fields);
            assert!(outdated(&def, &again, &NoReferences));
            assert!(Side::BOTH.into_iter().all(|side| patch(&def, &again, side, &NoReferences).is_empty()));
        }

        // Both keep what they have if somebody says so.
        again.fields.iter_mut().find(|row| row.field == "company").unwrap().choice = Some(Choice::Keep);
        assert!(!outdated(&def, &again, &NoReferences));
        assert!(settle_choices(&mut agreed, &def, &again, &NoReferences));
        assert_eq!(agreed.fields["company"], BaseField::agreed("5".into(), "c1".into()));
    }

    #[test]
    fn an_accepted_foreign_external_id_is_not_raised_again_v13() {
        let def = ModuleId::Contacts.def();
        let (ivvy, crm) = (record("1", &[("external_id", "7")]), record("c", &[("external_id", "c")]));
        let mut plan = of_pair(&def, &ivvy, &crm, &Base::default(), &NoReferences, &[]);
        assert_eq!(plan.unsolved(), 1);
        plan.fields.iter_mut().find(|row| row.field == "external_id").unwrap().choice = Some(Choice::Ivvy);
        let mut agreed = Base::default();
        assert!(settle_choices(&mut agreed, &def, &plan, &NoReferences));
        let again = of_pair(&def, &ivvy, &crm, &agreed, &NoReferences, &[]);
        assert_eq!(again.unsolved(), 0);
    }
}
