//! `externalUrls`: links that other systems keep on a record (contract 9).

use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::object::Scene;
use super::super::params::Params;
use super::super::row::Row;
use super::super::world::World;

/// Null clears all, an entry without url removes its ref, at most three stay.
pub(super) fn take(params: &Params<'_>, row: &Row, _: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    if !params.names("externalUrls") {
        return Ok(None);
    }
    let Some(items) = params.items("externalUrls")? else { return Ok(Some(Value::Null)) };
    let mut urls = row.items("externalUrls").to_vec();
    for item in items {
        let Some(reference) = item.get("ref").and_then(Value::as_str) else {
            return Err(Refusal::invalid("externalUrls", "ref: is required"));
        };
        urls.retain(|url| url["ref"] != reference);
        if let Some(url) = item.get("url").and_then(Value::as_str) {
            urls.push(json!({"ref": reference, "url": url, "label": item.get("label")}));
        }
    }
    if urls.len() > 3 {
        return Err(Refusal::invalid("externalUrls", "externalUrls: at most three"));
    }
    Ok(Some(Value::Array(urls)))
}

pub(super) fn show(row: &Row, _: &World) -> Value {
    row.items("externalUrls").iter().cloned().collect()
}
