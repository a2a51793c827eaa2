//! Verbs on one item or many: each on its own, results in the order given, worst exit code.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _};
use serde_json::{Value as Json, json};

use super::Order;
use super::args::{FieldChoice, Target};
use crate::cli::Context;
use crate::cli::output::{self, Paint, plain};
use crate::client::{CallError, Client};
use crate::error::{Error, Result};
use crate::model::{Choice, FieldDef, FieldKind, Item, ItemId, Kind, ModuleId, State, Value, Verb};
use crate::wire::{Answer, Decide, Request};

/// Decisions under way at a time: they share the daemon's disk syncs.
const AT_ONCE: usize = 8;

pub(super) async fn run(context: &mut Context, client: &Client, order: Order) -> Result<u8> {
    let targets = targets(&order)?;
    let mut results = stream::iter(targets)
        .map(|target| {
            let order = &order;
            async move { (target.id, decide(client, order, target).await) }
        })
        .buffered(AT_ONCE);
    let mut exit = 0;
    while let Some((id, result)) = results.next().await {
        match result {
            Ok(item) => success(context, id, &item)?,
            Err(failed) => {
                exit = exit.max(failed.error.kind.exit_code());
                failure(context, id, &failed)?;
            }
        }
    }
    Ok(exit)
}

fn targets(order: &Order) -> Result<Vec<Target>> {
    let mut targets = order.on.ids.clone();
    if let Some(version) = order.on.version {
        match targets.as_mut_slice() {
            [only] if only.version.is_none() => only.version = Some(version),
            _ => {
                return Err(Error::config("--version goes with exactly one item")
                    .hint("give each item its own version: ID@VERSION"));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for target in &targets {
        if !seen.insert(target.id) {
            return Err(Error::config(format!("item {} is named twice", target.id)).hint("name every item once"));
        }
    }
    Ok(targets)
}

async fn decide(client: &Client, order: &Order, target: Target) -> Result<Item, CallError> {
    let mut decide = Decide { item: target.id, ver: target.version, ..order.decide.clone() };
    let may_create = decide.verb == Verb::Approve && !order.create;
    if may_create || !order.fields.is_empty() {
        // The item tells the module, the module the fields' types.
        let Answer::Item(view) = client.call(Request::Item { id: target.id }).await? else {
            return Err(crate::cli::strange_answer().into());
        };
        let asks_which = view.item.kind == Kind::Link && view.item.state == State::Held;
        if may_create && asks_which && target.version.is_none_or(|version| version == view.item.ver) {
            return Err(new_record(&view.item).into());
        }
        decide.choices = choices(client, view.item.module, &order.fields)?;
    }
    match client.call(Request::Decide(decide)).await? {
        Answer::Decided(item) => Ok(*item),
        _ => Err(crate::cli::strange_answer().into()),
    }
}

/// Approving would make a record for good where the question is which of several it is.
fn new_record(item: &Item) -> Error {
    let beside = match item.plan.candidates.len() {
        0 => "where one may be there already".to_owned(),
        1 => "beside one that may be the same".to_owned(),
        several => format!("beside {several} that may be the same"),
    };
    let (id, what) = (item.id, item.module.singular());
    Error::config(format!("approving makes a new {what} {beside}, and no record is ever deleted again")).hint(format!(
        "`tandem queue show {id}` lists them, `tandem queue pair {id} --record RECORD` pairs; `--create` if none is it"
    ))
}

fn choices(client: &Client, module: ModuleId, fields: &[FieldChoice]) -> Result<BTreeMap<String, Choice>> {
    let def = client.hello().modules.iter().find(|def| def.id == module);
    let mut choices = BTreeMap::new();
    for FieldChoice { field, choice } in fields {
        let known = def.and_then(|def| def.field(field)).ok_or_else(|| {
            let names = def.into_iter().flat_map(|def| &def.fields).map(|field| field.name.as_ref());
            let near = names.min_by_key(|name| strsim::damerau_levenshtein(field, name));
            Error::config(format!("{module} has no field `{field}`")).hint(
                near.map_or_else(|| "see `tandem queue show`".to_owned(), |near| format!("did you mean `{near}`?")),
            )
        })?;
        let choice = match choice {
            Ok(side) => Choice::side(*side),
            Err(text) => Choice::Custom(typed(known, text)?),
        };
        if choices.insert(field.clone(), choice).is_some() {
            return Err(Error::config(format!("field `{field}` is given twice")).hint("choose one result per field"));
        }
    }
    Ok(choices)
}

/// A value typed on the command line, as the field's kind demands. Empty is "no value".
fn typed(field: &FieldDef, text: &str) -> Result<Value> {
    let wrong =
        |what: &str| Error::config(format!("`{text}` is not {what}, which `{}` needs", field.name)).hint("see --help");
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match field.kind {
        FieldKind::Bool => match text {
            "yes" | "true" => Ok(Value::Bool(true)),
            "no" | "false" => Ok(Value::Bool(false)),
            _ => Err(wrong("yes or no")),
        },
        FieldKind::Int => text.parse().map(Value::Int).map_err(|_| wrong("a whole number")),
        FieldKind::Date => match crate::config::parse_day(text) {
            Ok(_) => Ok(Value::text(text)),
            Err(_) => Err(wrong("a date like 2026-01-31")),
        },
        FieldKind::Choices => {
            Ok(Value::Set(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()))
        }
        _ => Ok(Value::text(text)),
    }
}

/// An undo of something written answers with the item that proposes the reverse.
fn success(context: &mut Context, asked: ItemId, item: &Item) -> Result<()> {
    let out = &mut context.out;
    if out.is_json() {
        let mut shape = json!({ "id": asked, "ok": true, "state": item.state, "version": item.ver });
        if let Some(shape) = shape.as_object_mut().filter(|_| item.id != asked) {
            shape.insert("proposal".to_owned(), json!(item.id));
        }
        out.json(&shape)
    } else {
        let state = out.paint(Paint::Green, &item.state.to_string());
        let reverse = if item.id == asked { "" } else { " proposes the reverse" };
        let asked = if item.id == asked { String::new() } else { format!("{asked}: ") };
        out.line(format!("{asked}{}{reverse}: {state}, version {}", item.id, item.ver))
    }
}

fn failure(context: &mut Context, id: ItemId, failed: &CallError) -> Result<()> {
    if context.out.is_json() {
        let mut shape = json!({ "id": id, "ok": false, "error": output::error_shape(&failed.error) });
        if let (Some(current), Some(shape)) = (&failed.current, shape.as_object_mut()) {
            shape.insert("current".to_owned(), current_shape(current));
        }
        return context.out.json(&shape);
    }
    let mut error = failed.error.clone();
    let named = format!("item {id}");
    if !error.message.starts_with(&named) {
        error.message = format!("{named}: {}", error.message);
    }
    if let Some(current) = &failed.current {
        let by = current.decided_by.as_deref().map(|who| format!(" by {}", plain(who))).unwrap_or_default();
        error.causes.push(format!("it is now {}{by}, version {}", current.state, current.ver));
    }
    output::report(&error, false, context.global.color);
    Ok(())
}

fn current_shape(item: &Item) -> Json {
    json!({ "state": item.state, "version": item.ver, "decided_by": item.decided_by, "title": item.title })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_typed_by_the_fields_kind() {
        let field = |kind| FieldDef {
            name: "x".into(),
            title: "X".into(),
            kind,
            flow: crate::model::Flow::Both,
            required_on: None,
            at_creation: false,
            enforced: false,
            membership: None,
            transform: Default::default(),
            default: None,
        };
        let typed = |kind, text| typed(&field(kind), text).map_err(|error| error.kind.exit_code());
        assert_eq!(typed(FieldKind::Int, "7"), Ok(Value::Int(7)));
        assert_eq!(typed(FieldKind::Int, "seven"), Err(2));
        assert_eq!(typed(FieldKind::Bool, "yes"), Ok(Value::Bool(true)));
        assert_eq!(typed(FieldKind::Bool, "1"), Err(2));
        assert_eq!(typed(FieldKind::Date, "2026-02-30"), Err(2));
        assert_eq!(typed(FieldKind::Text, ""), Ok(Value::Null));
        let set = Value::Set(["a".to_owned(), "b c".to_owned()].into());
        assert_eq!(typed(FieldKind::Choices, "b c, a"), Ok(set));
    }
}
