//! Whether two fields can be mapped to each other, and which might be meant (V-19).
//!
//! What is found is said in sentences; a fault stands in the way, anything else is a warning. Suggestions
//! only ever propose: nothing is mapped because two names are alike.

use std::collections::BTreeSet;

use super::canonical::tidy;
use super::matching::fold;
use crate::model::mapping::{Fit, flow_for, kind_for};
use crate::model::{CustomField, CustomKind, FieldDefinition, Finding, Flow, Side, Transform};

/// Most options named in one sentence.
const MOST_NAMED: usize = 5;

/// Suggestions less alike than this would only be noise.
const LEAST_ALIKE: f64 = 0.7;

/// Most suggestions for one field.
const MOST_SUGGESTED: usize = 3;

/// Checks a mapped field against what the two systems say of it now. `crm` is the CRM's name.
pub fn check(field: &CustomField, module: Flow, definitions: [Option<&FieldDefinition>; 2], crm: &str) -> Vec<Finding> {
    let names = ["iVvy", crm];
    let mut found = Found::default();
    if module != Flow::Both && field.flow != module {
        found.note(format!("the module only goes {}, and so does the field", direction(module, crm)));
    }
    let flow = if module == Flow::Both { field.flow } else { module };
    let places = [field.ivvy.to_string(), field.crm.clone()];
    for side in Side::BOTH {
        let Some(definition) = definitions[side as usize] else {
            found
                .fault(format!("{} has no field {} that could be mapped", names[side as usize], places[side as usize]));
            continue;
        };
        if !definition.writable && flow.may_write(side) {
            let other = direction(if side == Side::Ivvy { Flow::ToCrm } else { Flow::ToIvvy }, crm);
            found.fault(format!("{}'s cannot be written: it can only go {other}", names[side as usize]));
        }
    }
    if let [Some(ivvy), Some(there)] = definitions {
        check_kinds(&mut found, field, flow, [ivvy, there], names);
        check_options(&mut found, field, flow, [ivvy, there], names);
    }
    found.0
}

/// A direction in words.
fn direction(flow: Flow, crm: &str) -> String {
    match flow {
        Flow::Both => "both ways".to_owned(),
        Flow::ToCrm => format!("from iVvy to {crm}"),
        Flow::ToIvvy => format!("from {crm} to iVvy"),
    }
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn fault(&mut self, text: String) {
        self.0.push(Finding { fault: true, text });
    }

    fn note(&mut self, text: String) {
        self.0.push(Finding { fault: false, text });
    }
}

fn check_kinds(
    found: &mut Found,
    field: &CustomField,
    flow: Flow,
    definitions: [&FieldDefinition; 2],
    names: [&str; 2],
) {
    let kinds = definitions.map(|definition| definition.kind.and_then(CustomKind::of));
    let words = |side: usize| kinds[side].map_or("of a type that cannot be kept in step", CustomKind::words);
    let both = format!("{}'s is {}, {}'s {}", names[0], words(0), names[1], words(1));
    if kinds.iter().any(Option::is_none) {
        found.fault(both);
        return;
    }
    for side in Side::BOTH {
        let Some(there) = kinds[side as usize] else { continue };
        let (name, other) = (names[side as usize], names[side.other() as usize]);
        match field.kind.fit(there) {
            Fit::Well => {}
            Fit::Not => {
                found.fault(format!("{both}: the mapping's type, {}, does not fit {name}", field.kind.words()));
            }
            // What cannot be read as the type is only refused where it would be written.
            Fit::Some if there.is_text() && !field.kind.is_text() && flow.may_write(side.other()) => {
                found.note(format!(
                    "{name}'s is {}: what is not {} there is refused by {other} and held",
                    there.words(),
                    field.kind.words()
                ));
            }
            Fit::Some if (!there.is_text() || field.kind.is_text()) && flow.may_write(side) => {
                found.note(format!("{name} takes only {}: other values are refused there and held", there.words()));
            }
            Fit::Some => {}
        }
    }
}

/// Compares closed lists: what one side could send and the other does not know.
fn check_options(
    found: &mut Found,
    field: &CustomField,
    flow: Flow,
    definitions: [&FieldDefinition; 2],
    names: [&str; 2],
) {
    if let Transform::Values(table) = &field.transform {
        for (side, named) in [(0, table.keys().collect::<Vec<_>>()), (1, table.values().collect())] {
            let unknown: Vec<&str> = named
                .into_iter()
                .map(String::as_str)
                .filter(|option| is_closed(definitions[side]) && !knows(definitions[side], option))
                .collect();
            if !unknown.is_empty() {
                found.fault(format!(
                    "the value table names options that {} does not have: {}",
                    names[side],
                    list(&unknown)
                ));
            }
        }
    }
    for side in Side::BOTH {
        let (here, there) = (definitions[side as usize], definitions[side.other() as usize]);
        if !flow.may_write(side.other()) || !is_closed(here) {
            continue;
        }
        let missing: Vec<&str> = here
            .options
            .iter()
            .map(|(value, _)| value.as_str())
            .filter(|value| !value.trim().is_empty())
            .filter(|value| match &field.transform {
                Transform::Values(table) => {
                    let mut known = table.iter().map(|(ivvy, crm)| if side == Side::Ivvy { ivvy } else { crm });
                    !known.any(|known| same_option(known, value))
                }
                _ => is_closed(there) && !knows(there, value),
            })
            .collect();
        if !missing.is_empty() {
            let (name, other) = (names[side as usize], names[side.other() as usize]);
            let what = if matches!(field.transform, Transform::Values(_)) { "the value table" } else { other };
            found.note(format!(
                "{what} does not know {name}'s {}: records with {} are held",
                list(&missing),
                if missing.len() == 1 { "it" } else { "one of them" }
            ));
        }
    }
}

fn is_closed(definition: &FieldDefinition) -> bool {
    !definition.options.is_empty() && definition.kind.and_then(CustomKind::of).is_some_and(CustomKind::is_list)
}

fn knows(definition: &FieldDefinition, option: &str) -> bool {
    definition.options.iter().any(|(value, _)| same_option(value, option))
}

fn same_option(left: &str, right: &str) -> bool {
    tidy(left).to_lowercase() == tidy(right).to_lowercase()
}

/// The first few, and how many more.
fn list(options: &[&str]) -> String {
    let named: Vec<String> = options.iter().take(MOST_NAMED).map(|option| format!("`{option}`")).collect();
    match options.len().saturating_sub(MOST_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// A pair of fields that might be meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggested {
    /// iVvy's name of the field.
    pub ivvy: String,
    /// The CRM's.
    pub crm: String,
    /// How alike their names are, from 0 to 1.
    pub alike: f64,
}

/// Pairs whose names are alike and whose types go together, best first.
pub fn suggest(module: Flow, ivvy: &[&FieldDefinition], crm: &[&FieldDefinition]) -> Vec<Suggested> {
    let mut found = Vec::new();
    for here in ivvy {
        let names = names_of(here);
        let mut alike: Vec<Suggested> = crm
            .iter()
            .filter(|there| kind_for(here, there).is_some() && flow_for(module, here, there).is_some())
            .map(|there| Suggested {
                ivvy: here.name.clone(),
                crm: there.name.clone(),
                alike: likeness(&names, &names_of(there)),
            })
            .filter(|suggested| suggested.alike >= LEAST_ALIKE)
            .collect();
        alike.sort_by(|left, right| right.alike.total_cmp(&left.alike).then_with(|| left.crm.cmp(&right.crm)));
        alike.truncate(MOST_SUGGESTED);
        found.extend(alike);
    }
    found.sort_by(|left, right| right.alike.total_cmp(&left.alike).then_with(|| left.ivvy.cmp(&right.ivvy)));
    found
}

/// What a field is called: its label, and its technical name without what systems put around it.
fn names_of(definition: &FieldDefinition) -> BTreeSet<String> {
    let bare = definition.name.trim_start_matches("x_").trim_end_matches("__c").replace('_', " ");
    let technical = Some(bare).filter(|name| name.chars().any(char::is_alphabetic));
    let names = [Some(definition.title.clone()), technical].into_iter().flatten();
    names.map(|name| fold(&name)).filter(|name| !name.is_empty()).collect()
}

fn likeness(left: &BTreeSet<String>, right: &BTreeSet<String>) -> f64 {
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| strsim::jaro_winkler(left, right)));
    pairs.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldKind;

    fn definition(name: &str, kind: FieldKind, options: &[&str]) -> FieldDefinition {
        FieldDefinition {
            name: name.to_owned(),
            title: name.to_owned(),
            kind: Some(kind),
            writable: true,
            options: options.iter().map(|&option| (option.to_owned(), option.to_owned())).collect(),
        }
    }

    fn field(kind: CustomKind, flow: Flow) -> CustomField {
        CustomField {
            name: "diet".to_owned(),
            title: None,
            kind,
            ivvy: 12,
            crm: "x_diet".to_owned(),
            flow,
            transform: Transform::None,
            default: None,
        }
    }

    fn found(field: &CustomField, ivvy: &FieldDefinition, crm: &FieldDefinition) -> Vec<(bool, String)> {
        let found = check(field, Flow::Both, [Some(ivvy), Some(crm)], "Odoo");
        found.into_iter().map(|finding| (finding.fault, finding.text)).collect()
    }

    #[test]
    fn types_that_do_not_go_together_are_refused_in_words_v19() {
        let (list, number) = (definition("12", FieldKind::Choices, &["a"]), definition("x_n", FieldKind::Int, &[]));
        let faults = found(&field(CustomKind::Int, Flow::Both), &list, &number);
        assert_eq!(
            faults,
            [(
                true,
                "iVvy's is several of a list of options, Odoo's a whole number: the mapping's type, a whole number, \
                 does not fit iVvy"
                    .to_owned()
            )]
        );
        assert_eq!(kind_for(&list, &number), None);
        let unknown = FieldDefinition { kind: None, ..number };
        let faults = found(&field(CustomKind::Choices, Flow::Both), &list, &unknown);
        assert!(faults[0].0 && faults[0].1.ends_with("of a type that cannot be kept in step"), "{faults:?}");
    }

    #[test]
    fn a_side_that_cannot_be_written_allows_only_the_other_direction_v19() {
        let ivvy = FieldDefinition { writable: false, ..definition("12", FieldKind::Text, &[]) };
        let crm = definition("x_diet", FieldKind::Text, &[]);
        let faults = found(&field(CustomKind::Text, Flow::Both), &ivvy, &crm);
        assert_eq!(faults, [(true, "iVvy's cannot be written: it can only go from iVvy to Odoo".to_owned())]);
        assert!(found(&field(CustomKind::Text, Flow::ToCrm), &ivvy, &crm).is_empty());
        assert_eq!(flow_for(Flow::Both, &ivvy, &crm), Some(Flow::ToCrm));
        assert_eq!(flow_for(Flow::ToIvvy, &ivvy, &crm), None);
    }

    #[test]
    fn a_field_that_vanished_or_changed_its_type_is_named_v19() {
        let crm = definition("x_diet", FieldKind::Text, &[]);
        let gone = check(&field(CustomKind::Text, Flow::Both), Flow::Both, [None, Some(&crm)], "Odoo");
        assert_eq!((gone[0].fault, gone[0].text.as_str()), (true, "iVvy has no field 12 that could be mapped"));
        let retyped = definition("12", FieldKind::Date, &[]);
        assert!(found(&field(CustomKind::Text, Flow::Both), &retyped, &crm)[0].0);
    }

    #[test]
    fn options_that_the_other_side_does_not_know_are_named_v19() {
        let ivvy = definition("12", FieldKind::Choice, &["Vegan", "halal", "kosher"]);
        let crm = definition("x_diet", FieldKind::Choice, &["vegan", "Halal"]);
        let notes = found(&field(CustomKind::Choice, Flow::Both), &ivvy, &crm);
        assert_eq!(notes, [(false, "Odoo does not know iVvy's `kosher`: records with it are held".to_owned())]);
        assert!(found(&field(CustomKind::Choice, Flow::ToIvvy), &ivvy, &crm).is_empty(), "it is never sent");
        let pairs = [("Vegan", "vegan"), ("beef", "Halal")].map(|(ivvy, crm)| (ivvy.to_owned(), crm.to_owned()));
        let with_table =
            CustomField { transform: Transform::Values(pairs.into()), ..field(CustomKind::Choice, Flow::Both) };
        let faults = found(&with_table, &ivvy, &crm);
        assert_eq!(faults[0], (true, "the value table names options that iVvy does not have: `beef`".to_owned()));
        assert!(faults[1].1.contains("`halal`, `kosher`"), "{faults:?}");
    }

    #[test]
    fn text_on_one_side_is_allowed_with_a_warning_where_it_could_be_refused_v19() {
        let (date, text) = (definition("12", FieldKind::Date, &[]), definition("x_diet", FieldKind::Text, &[]));
        assert_eq!(kind_for(&date, &text), Some(CustomKind::Date));
        let notes = found(&field(CustomKind::Date, Flow::Both), &date, &text);
        assert!(matches!(notes.as_slice(), [(false, note)] if note.contains("refused by iVvy")), "{notes:?}");
        assert!(found(&field(CustomKind::Date, Flow::ToCrm), &date, &text).is_empty());
    }

    #[test]
    fn alike_names_of_types_that_go_together_are_proposed_best_first_v19() {
        let ivvy = [definition("12", FieldKind::Text, &[]), definition("13", FieldKind::Choices, &["a"])];
        let titled = |definition: &FieldDefinition, title: &str| FieldDefinition {
            title: title.to_owned(),
            ..definition.clone()
        };
        let ivvy = [titled(&ivvy[0], "Dietary needs"), titled(&ivvy[1], "Dietary need")];
        let crm =
            [definition("Dietary_Needs__c", FieldKind::Text, &[]), definition("Shoe_size__c", FieldKind::Text, &[])];
        let found = suggest(Flow::Both, &ivvy.each_ref(), &crm.each_ref());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].ivvy.as_str(), found[0].crm.as_str()), ("12", "Dietary_Needs__c"));
    }
}
