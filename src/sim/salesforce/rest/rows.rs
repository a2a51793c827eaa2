//! One record at a time: `/sobjects/{object}[/{id} | /{field}/{value}]`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use crate::sim::salesforce::call::Reply;
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::id::SfId;
use crate::sim::salesforce::org::{Org, Version};
use crate::sim::salesforce::soql::Column;
use crate::sim::salesforce::view::View;
use crate::sim::salesforce::write::{Key, Upserted, external_id_field};

/// `POST /sobjects/{object}`: 201 with the new id.
pub(super) fn create(context: &mut Context<'_>, object: &str) -> Result<Reply, Refusal> {
    known(context.org, object)?;
    let mut body = context.call.object()?;
    body.remove("attributes");
    let id = context.writer().create(context.org, object, &body)?;
    Ok(Reply::with(StatusCode::CREATED, json!({ "id": id.as_str(), "success": true, "errors": [] })))
}

/// `GET /sobjects/{object}/{id}[?fields=]`: 200, 304, 404.
pub(super) fn read(context: &Context<'_>, object: &str, id: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    let id = own_id(context.org, object, id)?;
    shown(context, object, &id)
}

/// `GET /sobjects/{object}/{field}/{value}`: 200, 300, 404.
pub(super) fn read_by_key(context: &Context<'_>, object: &str, field: &str, value: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    addressable(value)?;
    external_id_field(context.org, object, field)?;
    match context.org.look_up(object, field, value, context.now).as_slice() {
        [] => Err(Refusal::not_found()),
        [id] => shown(context, object, id),
        several => Ok(choices(context, object, several)),
    }
}

/// `PATCH /sobjects/{object}/{id}`: 204, or 412 when changed since `If-Unmodified-Since`.
pub(super) fn update(context: &mut Context<'_>, object: &str, id: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    let id = own_id(context.org, object, id)?;
    let mut body = context.call.object()?;
    body.remove("attributes");
    if let Some(version) = context.org.committed(object, &id).filter(|version| !version.deleted) {
        unmodified(context, version)?;
    }
    context.writer().update(context.org, object, &id, &body)?;
    Ok(Reply::nothing())
}

/// `PATCH /sobjects/{object}/{field}/{value}[?updateOnly=true]`: 201, 200 (or 204), 300.
pub(super) fn upsert(context: &mut Context<'_>, object: &str, field: &str, value: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    addressable(value)?;
    let mut body = context.call.object()?;
    body.remove("attributes");
    let update_only = context.call.parameter("updateOnly").is_some_and(|only| only.eq_ignore_ascii_case("true"));
    let key = Key { field, value, update_only };
    let done =
        |id: SfId, created: bool| json!({ "id": id.as_str(), "success": true, "errors": [], "created": created });
    Ok(match context.writer().upsert(context.org, object, key, &body)? {
        Upserted::Created(id) => Reply::with(StatusCode::CREATED, done(id, true)),
        Upserted::Updated(_) if context.org.knobs.upsert_answers_204 => Reply::nothing(),
        Upserted::Updated(id) => Reply::ok(done(id, false)),
        Upserted::Several(ids) => choices(context, object, &ids),
    })
}

/// `DELETE /sobjects/{object}/{id}`: 204. Knows no conditions.
pub(super) fn delete(context: &mut Context<'_>, object: &str, id: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    let id = own_id(context.org, object, id)?;
    context.writer().delete(context.org, object, &id)?;
    Ok(Reply::nothing())
}

/// `DELETE /sobjects/{object}/{field}/{value}`: 204, 300, 404.
pub(super) fn delete_by_key(
    context: &mut Context<'_>,
    object: &str,
    field: &str,
    value: &str,
) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    addressable(value)?;
    external_id_field(context.org, object, field)?;
    match context.org.look_up(object, field, value, context.now).as_slice() {
        [] => Err(Refusal::not_found()),
        [id] => {
            context.writer().delete(context.org, object, &id.clone())?;
            Ok(Reply::nothing())
        }
        several => Ok(choices(context, object, several)),
    }
}

/// A key that ends like a host name (`acme.inc`) is not found as a resource.
fn addressable(value: &str) -> Result<(), Refusal> {
    let ending = value.rsplit_once('.').map_or("", |(_, ending)| ending);
    let domain = (2..=6).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphabetic());
    if domain { Err(Refusal::not_found()) } else { Ok(()) }
}

/// The object's own spelling, or 404.
pub(super) fn known(org: &Org, object: &str) -> Result<&'static str, Refusal> {
    org.schema.object(object).map(|object| object.name).ok_or_else(Refusal::not_found)
}

/// Columns named in a comma-separated list.
pub(super) fn columns<'a>(
    org: &Org,
    object: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<Column>, Refusal> {
    let object = org.schema.object(object).ok_or_else(Refusal::not_found)?;
    let column = |name: &str| match object.field(name.trim()) {
        Some(field) => Ok(Column { hop: None, field: field.name.clone(), kind: field.kind.clone() }),
        None => {
            let text = format!("No such column '{name}' on sobject of type {}", object.name);
            Err(Refusal::new("INVALID_FIELD", text))
        }
    };
    names.map(column).collect()
}

/// An id of this object in either form.
pub(super) fn own_id(org: &Org, object: &str, text: &str) -> Result<SfId, Refusal> {
    let id = SfId::parse(text).filter(|id| org.object_of(id).is_some_and(|found| found.name == object));
    let message = format!("{object} ID: id value of incorrect type: {text}");
    id.ok_or_else(|| Refusal::of_fields("MALFORMED_ID", message, &["Id"]))
}

fn shown(context: &Context<'_>, object: &'static str, id: &SfId) -> Result<Reply, Refusal> {
    let org = &*context.org;
    let version = org.committed(object, id).ok_or_else(Refusal::not_found)?;
    if version.deleted {
        return Err(Refusal::deleted());
    }
    unmodified(context, version)?;
    if let Some(since) = condition(context, "if-modified-since")?
        && version.modified.millis() / 1000 <= since
    {
        return Ok(Reply { status: StatusCode::NOT_MODIFIED, body: None });
    }
    let view = View { org, object, id, version, now: context.now };
    let body = match context.call.parameter("fields") {
        Some(names) => view.render(&columns(org, object, names.split(','))?, context.api),
        None => view.whole(context.api),
    };
    Ok(Reply::ok(body))
}

/// 412 when the record changed after `If-Unmodified-Since`; a change within that second slips through.
fn unmodified(context: &Context<'_>, version: &Version) -> Result<(), Refusal> {
    match condition(context, "if-unmodified-since")? {
        Some(since) if version.modified.millis() / 1000 > since => {
            let text = "The record was modified after the time given in If-Unmodified-Since";
            Err(Refusal::new("PRECONDITION_FAILED", text).status(StatusCode::PRECONDITION_FAILED))
        }
        _ => Ok(()),
    }
}

/// The second named by a date header; 400 when it is no HTTP date.
fn condition(context: &Context<'_>, header: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = context.call.headers.get(header) else { return Ok(None) };
    let at = value.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
    let seconds = at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).map(|since| since.as_secs());
    match seconds.and_then(|seconds| i64::try_from(seconds).ok()) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Refusal::new("INVALID_HEADER", format!("{header}: not an HTTP date"))),
    }
}

/// 300: the addresses of the records that share a key.
fn choices(context: &Context<'_>, object: &str, ids: &[SfId]) -> Reply {
    let api = context.api;
    let urls: Vec<Value> =
        ids.iter().map(|id| json!(format!("/services/data/v{api}/sobjects/{object}/{id}"))).collect();
    Reply::with(StatusCode::MULTIPLE_CHOICES, Value::Array(urls))
}
