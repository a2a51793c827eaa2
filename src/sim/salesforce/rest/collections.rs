//! Up to 200 records in one call: `/composite/sobjects`. The call answers 200 even when every item
//! fails; the results stand in the order of the items.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Context;
use super::rows::{columns, known, own_id};
use crate::sim::salesforce::call::Reply;
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::id::SfId;
use crate::sim::salesforce::view::View;
use crate::sim::salesforce::write::{Key, Upserted, external_id_field};

/// Most records in a writing call.
const MAX_ITEMS: usize = 200;
/// Most ids in a `POST` read.
const MAX_READ: usize = 2000;
/// Most runs of records of one type.
const MAX_RUNS: usize = 10;

/// A successful item: its id, and for upserts whether it was created.
type Done = (SfId, Option<bool>);

/// `POST /composite/sobjects`.
pub(super) fn create(context: &mut Context<'_>) -> Result<Reply, Refusal> {
    let (all_or_none, records) = records(context)?;
    runs(&records)?;
    let writer = context.writer();
    Ok(each(context, all_or_none, records, |context, (object, body)| {
        writer.create(context.org, &object, &body).map(|id| (id, None))
    }))
}

/// `PATCH /composite/sobjects`: each record names its `id`.
pub(super) fn update(context: &mut Context<'_>) -> Result<Reply, Refusal> {
    let (all_or_none, records) = records(context)?;
    runs(&records)?;
    let writer = context.writer();
    let mut met = BTreeSet::new();
    Ok(each(context, all_or_none, records, |context, (object, mut body)| {
        let named = body.remove("id").or_else(|| body.remove("Id"));
        let text = named.as_ref().and_then(Value::as_str);
        let text =
            text.ok_or_else(|| Refusal::of_fields("MISSING_ARGUMENT", "Id not specified in an update call", &[]))?;
        let id = own_id(context.org, known_type(context, &object)?, text)?;
        if !met.insert(id.clone()) {
            return Err(Refusal::of_fields("DUPLICATE_VALUE", format!("duplicate id in list: {id}"), &[]));
        }
        writer.update(context.org, &object, &id, &body).map_err(missing)?;
        Ok((id, None))
    }))
}

/// `PATCH /composite/sobjects/{object}/{field}`: each record carries its key.
pub(super) fn upsert(context: &mut Context<'_>, object: &str, field: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    external_id_field(context.org, object, field)?;
    let (all_or_none, records) = records(context)?;
    let key = |body: &Map<String, Value>| body.get(field).and_then(Value::as_str).map(str::to_lowercase);
    let mut met = BTreeSet::new();
    let twice: BTreeSet<String> =
        records.iter().filter_map(|(_, body)| key(body)).filter(|key| !met.insert(key.clone())).collect();
    let writer = context.writer();
    Ok(each(context, all_or_none, records, |context, (kind, mut body)| {
        if kind != object {
            return Err(Refusal::new("INVALID_TYPE", format!("record of type {kind} in a call for {object}")));
        }
        if key(&body).is_some_and(|key| twice.contains(&key)) {
            let text = format!("Duplicate external id specified: {}", body[field].as_str().unwrap_or_default());
            return Err(Refusal::of_fields("DUPLICATE_VALUE", text, &[field]));
        }
        let Some(Value::String(value)) = body.remove(field) else {
            return Err(Refusal::of_fields("MISSING_ARGUMENT", format!("{field} not specified"), &[]));
        };
        let key = Key { field, value: &value, update_only: false };
        match writer.upsert(context.org, object, key, &body)? {
            Upserted::Created(id) => Ok((id, Some(true))),
            Upserted::Updated(id) => Ok((id, Some(false))),
            Upserted::Several(ids) => {
                let ids: Vec<&str> = ids.iter().map(SfId::as_str).collect();
                let text = format!("{field}: more than one record found for external id field: [{}]", ids.join(", "));
                Err(Refusal::of_fields("DUPLICATE_EXTERNAL_ID", text, &[field]))
            }
        }
    }))
}

/// `DELETE /composite/sobjects?ids=…&allOrNone=…`.
pub(super) fn delete(context: &mut Context<'_>) -> Result<Reply, Refusal> {
    let ids = context.call.parameter("ids").ok_or_else(|| Refusal::new("MISSING_ARGUMENT", "ids not specified"))?;
    let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
    too_many(ids.len(), MAX_ITEMS)?;
    let all_or_none = context.call.parameter("allOrNone").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let writer = context.writer();
    Ok(each(context, all_or_none, ids, |context, text| {
        let malformed = || Refusal::of_fields("MALFORMED_ID", format!("malformed id {text}"), &[]);
        let id = SfId::parse(&text).ok_or_else(malformed)?;
        let object = context.org.object_of(&id).map(|object| object.name).ok_or_else(malformed)?;
        writer.delete(context.org, object, &id).map_err(missing)?;
        Ok((id, None))
    }))
}

/// `GET ?ids=…&fields=…` and `POST {ids, fields}`: the records in order, null for those that are not there.
pub(super) fn read(context: &Context<'_>, object: &str, posted: bool) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    let (ids, fields): (Vec<String>, Vec<String>) = if posted {
        let body = context.call.object()?;
        let list = |name: &str| -> Result<Vec<String>, Refusal> {
            let texts = body.get(name).and_then(Value::as_array).map(|items| items.iter().map(Value::as_str));
            let texts = texts.and_then(|texts| texts.map(|text| text.map(str::to_owned)).collect());
            texts.ok_or_else(|| Refusal::json(format!("{name} must be a list of texts")))
        };
        (list("ids")?, list("fields")?)
    } else {
        let list = |name: &str| {
            let value = context.call.parameter(name);
            let missing = || Refusal::new("MISSING_ARGUMENT", format!("{name} not specified"));
            value.map(|value| value.split(',').map(str::to_owned).collect()).ok_or_else(missing)
        };
        (list("ids")?, list("fields")?)
    };
    too_many(ids.len(), if posted { MAX_READ } else { MAX_ITEMS })?;
    let columns = columns(context.org, object, fields.iter().map(String::as_str))?;
    let mut shown = Vec::with_capacity(ids.len());
    for text in &ids {
        let id = own_id(context.org, object, text)?;
        let version = context.org.committed(object, &id).filter(|version| !version.deleted);
        shown.push(version.map_or(Value::Null, |version| {
            let view = View { org: context.org, object, id: &id, version, now: context.now };
            view.render(&columns, context.api)
        }));
    }
    Ok(Reply::ok(Value::Array(shown)))
}

/// Does `one` to every item and gathers the results; with `all_or_none` the first failure undoes all.
fn each<T>(
    context: &mut Context<'_>,
    all_or_none: bool,
    items: Vec<T>,
    mut one: impl FnMut(&mut Context<'_>, T) -> Result<Done, Refusal>,
) -> Reply {
    let mark = context.org.mark();
    let mut results: Vec<Result<Done, Refusal>> = items.into_iter().map(|item| one(context, item)).collect();
    if all_or_none && results.iter().any(Result::is_err) {
        context.org.roll_back(mark);
        for result in &mut results {
            if result.is_ok() {
                let text = "Record rolled back because not all records were valid and the request was using AllOrNone \
                            header";
                *result = Err(Refusal::of_fields("ALL_OR_NONE_OPERATION_ROLLED_BACK", text, &[]));
            }
        }
    }
    let shown = results.iter().map(|result| match result {
        Ok((id, created)) => {
            let mut done = json!({ "id": id.as_str(), "success": true, "errors": [] });
            if let Some(created) = created {
                done["created"] = json!(created);
            }
            done
        }
        Err(refusal) => json!({ "success": false, "errors": refusal.item_errors() }),
    });
    Reply::ok(shown.collect())
}

type Records = Vec<(String, Map<String, Value>)>;

/// `allOrNone` and the records, each with its `attributes.type`.
fn records(context: &Context<'_>) -> Result<(bool, Records), Refusal> {
    let mut body = context.call.object()?;
    let all_or_none = match body.remove("allOrNone") {
        None => false,
        Some(Value::Bool(flag)) => flag,
        Some(_) => return Err(Refusal::json("allOrNone must be a boolean")),
    };
    let Some(Value::Array(items)) = body.remove("records") else {
        return Err(Refusal::json("records must be a list"));
    };
    if let Some(name) = body.keys().next() {
        return Err(Refusal::json(format!("Unrecognized field \"{name}\"")));
    }
    too_many(items.len(), MAX_ITEMS)?;
    let mut records = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(mut record) = item else { return Err(Refusal::json("a record must be an object")) };
        let kind = record.remove("attributes").and_then(|about| about.get("type")?.as_str().map(str::to_owned));
        let kind = kind.ok_or_else(|| Refusal::new("INVALID_FIELD", "The attributes.type of a record is missing"))?;
        records.push((kind, record));
    }
    Ok((all_or_none, records))
}

fn too_many(count: usize, most: usize) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    let text = format!("record limit reached. cannot submit more than {most} records into this call");
    Err(Refusal::new("EXCEEDED_ID_LIMIT", text))
}

fn runs(records: &Records) -> Result<(), Refusal> {
    let changes = records.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    if changes < MAX_RUNS {
        return Ok(());
    }
    Err(Refusal::new("LIMIT_EXCEEDED", format!("records of different types form more than {MAX_RUNS} chunks")))
}

fn known_type(context: &Context<'_>, object: &str) -> Result<&'static str, Refusal> {
    known(context.org, object)
        .map_err(|_| Refusal::new("INVALID_TYPE", format!("sObject type '{object}' is not supported.")))
}

/// Inside a collection a record that does not exist is a bad reference, not a missing resource.
fn missing(refusal: Refusal) -> Refusal {
    if refusal.reasons.iter().any(|reason| reason.code == "NOT_FOUND") {
        return Refusal::of_fields("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[]);
    }
    refusal
}
