//! What becomes of a mapped value on its way to the other side, and what a value comes to before two of
//! them are compared.
//!
//! The laws, proved below (V-19):
//! * what was carried over means the same as what it came from, in both directions;
//! * carrying it back gives a value that still means the same; a value table gives the very option.
//!
//! A table is one to one, so it can be read backwards. Capitals cannot be taken back: values that differ
//! only in that mean the same, hence nothing flows for ever and nothing is written over for nothing.

use std::collections::BTreeSet;

use super::canonical::tidy;
use crate::model::{FieldDef, FieldKind, Side, Transform, Value};

/// `value` of `from` as the other side writes it; `None` for an option that the table does not know.
pub fn carry(field: &FieldDef, from: Side, value: &Value) -> Option<Value> {
    if value.is_empty() {
        return Some(value.clone());
    }
    match &field.transform {
        Transform::None => Some(value.clone()),
        Transform::Trim => Some(text(value, |text| text.trim().to_owned())),
        Transform::Upper => Some(text(value, str::to_uppercase)),
        Transform::Lower => Some(text(value, str::to_lowercase)),
        Transform::Values(_) => options(field, from, value),
    }
}

/// What `value` comes to before it is compared with another of the same side or of the other one.
pub fn folded(field: &FieldDef, value: &Value) -> Value {
    match field.transform {
        // Both ways: a capital sharp s has two small spellings, and only one of them comes back.
        Transform::Upper | Transform::Lower => text(value, |text| text.to_uppercase().to_lowercase()),
        _ => value.clone(),
    }
}

fn text(value: &Value, f: impl FnOnce(&str) -> String) -> Value {
    match value {
        Value::Text(text) => Value::Text(f(text)),
        other => other.clone(),
    }
}

/// Every option by the table, without regard to case, as options are compared.
fn options(field: &FieldDef, from: Side, value: &Value) -> Option<Value> {
    let Transform::Values(table) = &field.transform else { return None };
    let look_up = |option: &str| {
        let wanted = tidy(option).to_lowercase();
        table.iter().find_map(|(ivvy, crm)| {
            let (here, there) = if from == Side::Ivvy { (ivvy, crm) } else { (crm, ivvy) };
            (tidy(here).to_lowercase() == wanted).then(|| there.clone())
        })
    };
    match value {
        Value::Set(members) => {
            let given = members.iter().filter(|member| !member.trim().is_empty());
            given.map(|member| look_up(member)).collect::<Option<BTreeSet<_>>>().map(Value::Set)
        }
        Value::Null => Some(Value::Null),
        other => {
            let there = look_up(&other.to_string())?;
            Some(match field.kind {
                FieldKind::Choices => Value::Set([there].into()),
                _ => Value::Text(there),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::compare::{NoReferences, equal_across};
    use super::*;

    fn field(kind: FieldKind, transform: Transform) -> FieldDef {
        FieldDef { transform, ..FieldDef::new("custom.1", "Diet", kind) }
    }

    fn table(pairs: &[(&str, &str)]) -> Transform {
        Transform::Values(pairs.iter().map(|(ivvy, crm)| ((*ivvy).to_owned(), (*crm).to_owned())).collect())
    }

    fn crm_meaning_of(field: &FieldDef, from: Side, value: &Value) -> [Value; 2] {
        let there = carry(field, from, value).unwrap();
        if from == Side::Ivvy { [value.clone(), there] } else { [there, value.clone()] }
    }

    #[test]
    fn an_option_the_table_does_not_know_is_never_guessed_v19() {
        let field = field(FieldKind::Choices, table(&[("1", "Vegan"), ("2", "Halal")]));
        let set = |members: &[&str]| Value::Set(members.iter().map(|&member| member.to_owned()).collect());
        assert_eq!(carry(&field, Side::Ivvy, &set(&["1", "2"])), Some(set(&["Vegan", "Halal"])));
        assert_eq!(carry(&field, Side::Ivvy, &set(&["1", "3"])), None, "not even what is known of it");
        assert_eq!(carry(&field, Side::Crm, &"halal ".into()), Some(set(&["2"])));
        assert_eq!(carry(&field, Side::Crm, &"Kosher".into()), None);
        assert_eq!(carry(&field, Side::Crm, &Value::Null), Some(Value::Null), "emptying needs no option");
    }

    proptest! {
        #[test]
        fn what_was_carried_over_means_the_same_and_so_does_what_comes_back_v19(value in "\\PC{0,12}", upper: bool) {
            for transform in [Transform::None, Transform::Trim, if upper { Transform::Upper } else { Transform::Lower }] {
                let field = field(FieldKind::Text, transform);
                let value = Value::text(value.clone());
                for from in Side::BOTH {
                    let [ivvy, crm] = crm_meaning_of(&field, from, &value);
                    prop_assert_eq!(equal_across(&field, &ivvy, &crm, &NoReferences), Some(true), "{:?}", field.transform);
                    let there = if from == Side::Ivvy { &crm } else { &ivvy };
                    let back = carry(&field, from.other(), there).unwrap();
                    let [ivvy, crm] = if from == Side::Ivvy { [&back, there] } else { [there, &back] };
                    prop_assert_eq!(equal_across(&field, ivvy, crm, &NoReferences), Some(true));
                }
            }
        }

        #[test]
        fn a_table_read_backwards_gives_the_option_it_came_from_v19(
            members in prop::collection::btree_set(prop::sample::select(vec!["1", "2", "3"]), 0..4),
        ) {
            let field = field(FieldKind::Choices, table(&[("1", "Vegan"), ("2", "Halal"), ("3", "None of these")]));
            let value = Value::Set(members.into_iter().map(str::to_owned).collect());
            let there = carry(&field, Side::Ivvy, &value).unwrap();
            prop_assert_eq!(equal_across(&field, &value, &there, &NoReferences), Some(true));
            let back = carry(&field, Side::Crm, &there).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}
