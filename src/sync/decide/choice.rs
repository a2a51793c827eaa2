//! What a decision says of single fields: merging its choices into the plan, each checked first.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};

use super::{Step, never_written};
use crate::merge::plan::carries;
use crate::model::{Choice, FieldDef, FieldKind, FieldPlan, Item, ModuleDef, Side, Value, Verdict, Why};
use crate::sync::plan::Counterparts;

impl Step<'_, '_> {
    /// Merges the decision's choices into the plan's rows, checking each.
    pub(super) fn choose(&self, item: &mut Item, references: &Counterparts) -> Result<(), String> {
        let Some(def) = self.core.def(item.module) else {
            return Err("the module is switched off".to_owned());
        };
        if let Some(side) = self.decision.side {
            if let Some(why) = never_written(def, side.other()) {
                return Err(why);
            }
            let named = |row: &FieldPlan| self.decision.choices.contains_key(&row.field);
            for row in item.plan.fields.iter_mut().filter(|row| differs(row) && !named(row)) {
                row.choice = of_whole_record(def, row, side, references)?;
            }
        }
        for (name, choice) in &self.decision.choices {
            let field = def.field(name).ok_or_else(|| format!("there is no field {name}"))?;
            let row = item.plan.fields.iter_mut().find(|row| row.field == *name);
            let row = row.ok_or_else(|| format!("{} is not part of this item", field.title))?;
            let absent = match choice {
                Choice::Ivvy => row.ivvy.is_none(),
                Choice::Crm => row.crm.is_none(),
                Choice::Custom(value) => {
                    check_value(field, value)?;
                    false
                }
                Choice::Each { .. } => return Err("only an undo gives each side its own".to_owned()),
                Choice::Keep => return Err(format!("choose a side or a value for {}", field.title)),
            };
            if absent {
                return Err(format!("that side has no value for {}", field.title));
            }
            row.choice = Some(possible(field, row, choice.clone(), references).ok_or_else(|| not_carried(field))?);
        }
        Ok(())
    }

    /// What still keeps the item from being approved, in a sentence.
    pub(super) fn unanswered(&self, item: &Item, references: &Counterparts) -> Option<String> {
        let def = self.core.def(item.module)?;
        item.plan.fields.iter().find_map(|row| {
            let field = def.field(&row.field);
            // A choice that was drafted under another table is none any more.
            let taken = row.choice.clone().or_else(|| self.decision.side.map(Choice::side));
            let lacking = field.zip(taken).is_some_and(|(field, choice)| !carries(field, row, &choice, references));
            match field {
                Some(field) if lacking && (row.unsolved() || row.choice.is_some()) => Some(not_carried(field)),
                _ if row.unsolved() => Some(format!("choose a result for {} first", self.title(item, &row.field))),
                _ => None,
            }
        })
    }
}

/// What forcing `side`'s record chooses field by field, and how many fields of the other one it overwrites.
/// Options that the value table does not know stay questions; a force-push of nothing else is refused.
pub(super) fn forced(
    def: &ModuleDef,
    item: &Item,
    side: Side,
    references: &Counterparts,
) -> Result<(BTreeMap<String, Choice>, u32), String> {
    let (mut choices, mut overwritten, mut left) = (BTreeMap::new(), 0, None);
    for row in &item.plan.fields {
        if matches!(row.verdict, Verdict::Same | Verdict::Agree) {
            continue;
        }
        let field = def.field(&row.field);
        // What the loser may not be given goes on as it was planned: taking the CRM's record says nothing about a
        // field that iVvy owns, and a choice nobody can carry out would leave it different without a word.
        let kept = |field: &FieldDef| field.kind != FieldKind::ConstantId && !field.flow.may_write(side.other());
        if row.verdict != Verdict::Conflict && field.is_some_and(kept) {
            continue;
        }
        match of_whole_record(def, row, side, references)? {
            Some(choice) => {
                overwritten += u32::from(field.is_some_and(|field| field.flow.may_write(side.other())));
                choices.insert(row.field.clone(), choice);
            }
            None => left = left.or(field),
        }
    }
    match left {
        Some(field) if overwritten == 0 => Err(not_carried(field)),
        _ => Ok((choices, overwritten)),
    }
}

/// What taking `side`'s whole record chooses for one field; nothing where the other side has no word for the
/// option, which stays a question. Refused where nobody would be asked: the other side's value would go over
/// after all.
fn of_whole_record(
    def: &ModuleDef,
    row: &FieldPlan,
    side: Side,
    references: &Counterparts,
) -> Result<Option<Choice>, String> {
    let Some(field) = def.field(&row.field) else { return Ok(Some(Choice::side(side))) };
    // A constant id that only the loser may carry is not part of anybody's record: taking the side that does
    // not carry it yet would leave the pair without it for good (V-12).
    if field.kind == FieldKind::ConstantId && !field.flow.may_write(side.other()) {
        return Ok(Some(Choice::side(side.other())));
    }
    match (possible(field, row, Choice::side(side), references), row.verdict) {
        (Some(choice), _) => Ok(Some(choice)),
        (None, Verdict::Conflict) => Ok(None),
        (None, _) => Err(not_carried(field)),
    }
}

/// What a choice comes to; `None` where it cannot be carried out. Asked about for want of a counterpart, or where
/// neither value has one, both sides keep what they have, whichever is taken: there is no other way to settle it.
fn possible(field: &FieldDef, row: &FieldPlan, choice: Choice, references: &Counterparts) -> Option<Choice> {
    if carries(field, row, &choice, references) {
        return Some(choice);
    }
    let neither = || Side::BOTH.into_iter().all(|side| !carries(field, row, &Choice::side(side), references));
    let keeps = row.why == Why::ReferenceUnlinked || matches!(field.kind, FieldKind::Reference(_)) && neither();
    keeps.then_some(Choice::Keep)
}

/// Why a choice cannot be carried out, and what can be done about it.
fn not_carried(field: &FieldDef) -> String {
    match field.kind {
        FieldKind::Reference(module) => format!(
            "the {} it names has no counterpart on the other side: settle that one first, or take the other value of {}",
            module.singular(),
            field.title
        ),
        FieldKind::Match(_) => {
            format!(
                "{} has no match on the other side: match it in its table first, or take the other side",
                field.title
            )
        }
        _ => format!("the value table of {} does not know that option: add it, or take the other side", field.title),
    }
}

/// Whether the row's sides differ in a way a whole-record choice should settle.
fn differs(row: &FieldPlan) -> bool {
    !matches!(row.verdict, Verdict::Same | Verdict::Agree) && row.ivvy.is_some() && row.crm.is_some()
}

/// Type check of a value typed by an operator (V-19).
fn check_value(field: &FieldDef, value: &Value) -> Result<(), String> {
    use crate::model::FieldKind as K;
    let title = &field.title;
    let wrong = |what: &str| Err(format!("{title} takes {what}"));
    let text = value.as_text().map(str::trim);
    match (field.kind, value) {
        (_, Value::Null) => Ok(()),
        (K::Reference(_) | K::Match(_) | K::ConstantId, _) => Err(format!("{title} cannot be typed; choose a side")),
        (K::Bool, Value::Bool(_)) | (K::Int, Value::Int(_)) | (K::Choices, Value::Set(_)) => Ok(()),
        (K::Bool, _) => wrong("yes or no"),
        (K::Int, _) if text.is_some_and(|text| text.parse::<i64>().is_ok()) => Ok(()),
        (K::Int, _) => wrong("a whole number"),
        (K::Choices, _) => wrong("a list"),
        (kind, Value::Text(_)) => match (kind, text.filter(|text| !text.is_empty())) {
            (K::Email, Some(text)) if !text.contains('@') => wrong("an e-mail address"),
            (K::Date, Some(text)) if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_err() => {
                wrong("a date as yyyy-mm-dd")
            }
            (K::DateTime, Some(text)) if DateTime::parse_from_rfc3339(text).is_err() => {
                wrong("a moment with its zone, as 2026-03-17T09:30:00+10:00")
            }
            (K::Money, Some(text)) if !is_amount(text) => wrong("an amount, as 1234.50"),
            _ => Ok(()),
        },
        (K::Money, _) => wrong("an amount, as 1234.50"),
        (_, _) => wrong("text"),
    }
}

/// Whether the text is a decimal number without an exponent.
fn is_amount(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && part.is_empty()) && number(whole) && number(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: FieldKind, typed: &str) -> Option<String> {
        check_value(&FieldDef::new("field", "Field", kind), &Value::text(typed)).err()
    }

    #[test]
    fn what_is_typed_is_of_the_fields_type_v19() {
        for (kind, good, bad, what) in [
            (FieldKind::Money, &["1234.50", "-7", ".5", ""][..], &["12,50", "1e3", "ten", "-."][..], "amount"),
            (
                FieldKind::DateTime,
                &["2026-03-17T09:30:00+10:00", "2026-03-17T09:30:00Z", ""],
                &["2026-03-17", "2026-03-17T09:30:00", "noon"],
                "zone",
            ),
            (FieldKind::Date, &["2026-03-17", ""], &["17.3.2026", "2026-02-30"], "yyyy-mm-dd"),
            (FieldKind::Int, &["12", " -3 "], &["1.5", "many", ""], "whole number"),
            (FieldKind::Email, &["a@b.example", ""], &["nobody"], "e-mail"),
        ] {
            for typed in good {
                assert_eq!(refused(kind, typed), None, "{kind:?} {typed:?}");
            }
            for typed in bad {
                let why = refused(kind, typed).unwrap_or_else(|| panic!("{kind:?} {typed:?}"));
                assert!(why.contains("Field takes") && why.contains(what), "{why}");
            }
        }
    }
}
