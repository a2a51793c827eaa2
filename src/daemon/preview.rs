//! Values too long for one frame: cut where an item is shown, read part by part where they are looked at.
//!
//! Only answers are cut. The store, the fingerprints and what is pushed know the whole value, and a
//! decision is about the version that was seen, not about the text that had room.

use std::collections::BTreeMap;

use super::ServiceError;
use crate::error::{Error, ErrorKind};
use crate::model::{Choice, FieldKind, FieldPlan, Fingerprint, Item, ModuleDef, Side, Value};
use crate::text;
use crate::wire::{Answer, Preview, PreviewAs, PreviewOf, PreviewQuery};

/// Bytes of a text in an answer: the usual bound, and smaller ones for an item of many long texts.
const MOST_TEXT: [usize; 4] = [32 * 1024, 8 * 1024, 2 * 1024, 512];
/// Bytes of a page of HTML: a cell of the diff shows no more of it.
const MOST_HTML: usize = 2 * 1024;
/// Bytes an item may have as JSON. Less than a frame: its history and its envelope come on top.
const MOST_ITEM: usize = crate::wire::MAX_FRAME / 2;

/// An answer, or a refusal, in which every item fits a frame. `modules` is asked only where there is one.
pub(super) fn bounded(
    answer: Result<Answer, ServiceError>,
    modules: impl FnOnce() -> Vec<ModuleDef>,
) -> Result<Answer, ServiceError> {
    match answer {
        Ok(Answer::Item(mut view)) => {
            view.cut = shorten(&mut view.item, &modules());
            Ok(Answer::Item(view))
        }
        Ok(Answer::Decided(mut item)) => {
            shorten(&mut item, &modules());
            Ok(Answer::Decided(item))
        }
        Err(mut failed) => {
            if let Some(item) = &mut failed.current {
                shorten(item, &modules());
            }
            Err(failed)
        }
        other => other,
    }
}

/// Cuts what is too long; answers which fields it cut, with the bytes of their longest value.
fn shorten(item: &mut Item, modules: &[ModuleDef]) -> BTreeMap<String, u64> {
    let def = modules.iter().find(|def| def.id == item.module);
    let is_html = |field: &str| def.and_then(|def| def.field(field)).is_some_and(|def| def.kind == FieldKind::Html);
    let mut cut = BTreeMap::new();
    for most in MOST_TEXT {
        let mut short = item.clone();
        cut.clear();
        each_value(&mut short, |field, value| {
            let most = if is_html(field) { most.min(MOST_HTML) } else { most };
            if let Some(bytes) = shorten_value(value, most) {
                let longest: &mut u64 = cut.entry(field.to_owned()).or_default();
                *longest = (*longest).max(bytes);
            }
        });
        // Invariant: an item serialises without error; if it did not, no frame could be made of it either.
        let fits = serde_json::to_vec(&short).is_ok_and(|json| json.len() <= MOST_ITEM);
        if fits || most == MOST_TEXT[MOST_TEXT.len() - 1] {
            *item = short;
            break;
        }
    }
    cut
}

/// Every value in an item, with the name of its field.
fn each_value(item: &mut Item, mut visit: impl FnMut(&str, &mut Value)) {
    for row in &mut item.plan.fields {
        let FieldPlan { field, base_ivvy, base_crm, ivvy, crm, merged, choice, .. } = row;
        for value in [base_ivvy, base_crm, ivvy, crm, merged].into_iter().flatten() {
            visit(field, value);
        }
        match choice {
            Some(Choice::Custom(value)) => visit(field, value),
            Some(Choice::Each { ivvy, crm }) => {
                visit(field, ivvy);
                visit(field, crm);
            }
            Some(Choice::Ivvy | Choice::Crm | Choice::Keep) | None => {}
        }
    }
    for pushed in &mut item.pushed {
        let (before, after, base) = (&mut pushed.before, &mut pushed.after, &mut pushed.base);
        for value in [Some(before), Some(after), base.ivvy.as_mut(), base.crm.as_mut()].into_iter().flatten() {
            visit(&pushed.field, value);
        }
    }
}

/// Cuts a value down to about `most` bytes; answers how many it had, if it had more. The mark names a
/// fingerprint: two texts that differ only behind the cut must not look the same.
fn shorten_value(value: &mut Value, most: usize) -> Option<u64> {
    let bytes = match value {
        Value::Text(text) => text.len(),
        Value::Set(members) => members.iter().map(String::len).sum(),
        Value::Null | Value::Bool(_) | Value::Int(_) => 0,
    };
    if bytes <= most {
        return None;
    }
    let print = Fingerprint::of(value).to_string();
    let mark = format!("… ({bytes} bytes, {}; open the preview)", &print[..8]);
    match value {
        Value::Text(text) => {
            text.truncate(text.floor_char_boundary(most));
            text.push_str(&mark);
        }
        Value::Set(members) => {
            let mut room = most;
            members.retain(|member| {
                let fits = member.len() <= room;
                room = room.saturating_sub(member.len());
                fits
            });
            members.insert(mark);
        }
        Value::Null | Value::Bool(_) | Value::Int(_) => {}
    }
    Some(bytes as u64)
}

/// The part of a value that was asked for.
///
/// # Errors
/// The item's plan has no such field, or the field no such value.
pub(super) fn part(item: &Item, modules: &[ModuleDef], query: &PreviewQuery) -> Result<Preview, ServiceError> {
    let no = |what: String, hint: &str| Error::new(ErrorKind::Refused, format!("item {}: {what}", item.id)).hint(hint);
    let Some(row) = item.plan.field(&query.field) else {
        return Err(no(format!("no field `{}`", query.field), "`tandem queue show` lists its fields").into());
    };
    let found = match query.of {
        Some(of) => value(row, of).map(|value| (of, value)),
        None => [PreviewOf::Ivvy, PreviewOf::Crm, PreviewOf::Base, PreviewOf::Result]
            .into_iter()
            .filter_map(|of| value(row, of).map(|value| (of, value)))
            .find(|(_, value)| !value.is_empty()),
    };
    let Some((of, value)) = found else {
        let which = query.of.map_or("any".to_owned(), |of| of.to_string());
        return Err(no(format!("`{}` has no value ({which})", query.field), "look at another of its values").into());
    };
    let def = modules.iter().find(|def| def.id == item.module).and_then(|def| def.field(&query.field));
    let is_html = def.is_some_and(|def| def.kind == FieldKind::Html);
    let shown;
    let source = match value {
        Value::Text(text) => text.as_str(),
        other => {
            shown = other.to_string();
            &shown
        }
    };
    let from = usize::try_from(query.from).unwrap_or(usize::MAX).min(source.len());
    let mut page = match query.mode {
        PreviewAs::Text if is_html => text::html_page(source, from),
        PreviewAs::Text | PreviewAs::Html => text::source_page(source, from),
        PreviewAs::Links => text::address_page(source, from),
    };
    if is_html && query.mode == PreviewAs::Text && !page.text.is_empty() {
        // Pages of laid-out text end with a line; parts of a source go on in the middle of one.
        page.text.push('\n');
    }
    let next = page.next.map(|at| at as u64);
    Ok(Preview { of, ver: item.ver, text: page.text, total_bytes: source.len() as u64, next })
}

fn value(row: &FieldPlan, of: PreviewOf) -> Option<&Value> {
    match of {
        PreviewOf::Ivvy => row.ivvy.as_ref(),
        PreviewOf::Crm => row.crm.as_ref(),
        PreviewOf::Base => row.base_ivvy.as_ref().or(row.base_crm.as_ref()),
        // Where each side gets its own, the CRM's is the one pages of HTML go to.
        PreviewOf::Result => row.result_on(Side::Crm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ItemId, Kind, ModuleId, PairKey, Plan, RecordId, Timestamp, Verdict, Why};

    fn item(module: ModuleId, fields: &[(&str, &str)]) -> Item {
        let row = |(field, text): &(&str, &str)| FieldPlan {
            field: (*field).to_owned(),
            base_ivvy: None,
            base_crm: None,
            ivvy: Some(Value::text(*text)),
            crm: None,
            verdict: Verdict::ToCrm,
            why: Why::Create,
            merged: None,
            choice: None,
            moved: false,
        };
        let plan = Plan { fields: fields.iter().map(row).collect(), ..Plan::default() };
        let pair = PairKey::Lone(Side::Ivvy, RecordId::from("7"));
        Item { plan, ..Item::new(ItemId(1), module, pair, Kind::Create, Timestamp::from_secs(1)) }
    }

    fn defs() -> Vec<ModuleDef> {
        vec![ModuleId::ContactEmails.def(), ModuleId::Contacts.def()]
    }

    #[test]
    fn what_fits_is_left_alone_and_what_does_not_is_cut_and_marked_v33() {
        let body = format!("<p>{}", "é".repeat(3_000_000));
        let whole = item(ModuleId::ContactEmails, &[("subject", "Hello"), ("body", &body)]);
        let mut short = whole.clone();
        let cut = shorten(&mut short, &defs());
        assert_eq!(cut, BTreeMap::from([("body".to_owned(), body.len() as u64)]));
        assert_eq!(short.plan.field("subject"), whole.plan.field("subject"));
        assert_eq!((short.seen, short.ver), (whole.seen, whole.ver));
        let text = short.plan.field("body").unwrap().ivvy.as_ref().unwrap().as_text().unwrap();
        assert!(text.contains("é… (6000003 bytes, ") && text.ends_with("; open the preview)"), "{}", text.len());
        assert!(text.len() < MOST_HTML + 100);

        let mut other = item(ModuleId::ContactEmails, &[("subject", "Hello"), ("body", &body.replacen("é<", "e", 1))]);
        let changed = format!("{}è", &body[..body.len() - 2]);
        other.plan.fields[1].ivvy = Some(Value::Text(changed));
        shorten(&mut other, &defs());
        assert_ne!(other.plan.field("body"), short.plan.field("body"), "a change behind the cut is seen");
    }

    #[test]
    fn an_item_of_many_long_texts_still_fits_a_frame_v33() {
        // Characters that take six bytes in JSON.
        let long = "\u{1}".repeat(200_000);
        let names: Vec<String> = (0..60).map(|n| format!("custom.{n}")).collect();
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
        let mut many = item(ModuleId::Contacts, &fields);
        for row in &mut many.plan.fields {
            row.crm.clone_from(&row.ivvy);
            row.choice = Some(Choice::Each { ivvy: Value::text(long.clone()), crm: Value::text(long.clone()) });
        }
        assert_eq!(shorten(&mut many, &defs()).len(), 60);
        assert!(serde_json::to_vec(&many).unwrap().len() < crate::wire::MAX_FRAME);
    }

    #[test]
    fn a_preview_names_what_is_not_there() {
        let item = item(ModuleId::ContactEmails, &[("body", "<p>Hi <a href='https://a.example'>you</a>")]);
        let ask = |field: &str, of, mode| {
            let query = PreviewQuery { item: item.id, field: field.into(), of, mode, from: 0, stream: None };
            part(&item, &defs(), &query).map_err(|failed| failed.error.to_string())
        };
        assert_eq!(ask("body", None, PreviewAs::Text).unwrap().text, "Hi you\n");
        assert!(ask("body", None, PreviewAs::Html).unwrap().text.starts_with("<p>Hi"));
        assert_eq!(ask("body", Some(PreviewOf::Result), PreviewAs::Links).unwrap().text, "https://a.example\n");
        assert!(ask("body", Some(PreviewOf::Base), PreviewAs::Text).unwrap_err().contains("no value"));
        assert!(ask("nobody", None, PreviewAs::Text).unwrap_err().contains("no field"));
    }
}
