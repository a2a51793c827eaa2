//! `/query` and `/queryAll`: a page, and the cursor to the next.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::Context;
use crate::model::Timestamp;
use crate::sim::salesforce::call::Reply;
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::id::SfId;
use crate::sim::salesforce::org::{Org, Version};
use crate::sim::salesforce::soql::{Column, Narrow, Plan, parse};
use crate::sim::salesforce::view::View;

/// Cursors a user may have open; an eleventh closes the oldest.
const MAX_CURSORS: usize = 10;

/// Query cursors: the ids that belonged to an answer when it was asked. Their contents are read when
/// the page is fetched.
#[derive(Clone, Debug, Default)]
pub struct Cursors {
    open: VecDeque<Cursor>,
    serial: u64,
}

#[derive(Clone, Debug)]
struct Cursor {
    id: SfId,
    object: &'static str,
    columns: Vec<Column>,
    ids: Vec<SfId>,
    with_deleted: bool,
    batch: usize,
}

/// `?q=`: the first page.
pub(super) fn start(context: &mut Context<'_>, with_deleted: bool) -> Result<Reply, Refusal> {
    let soql =
        context.call.parameter("q").ok_or_else(|| Refusal::new("MALFORMED_QUERY", "unexpected token: '<EOF>'"))?;
    let plan = Plan::new(&parse(soql)?, soql, &context.org.schema)?;
    let ids = answer(context, &plan, with_deleted);
    if plan.columns.is_empty() {
        return Ok(Reply::ok(json!({ "totalSize": ids.len(), "done": true, "records": [] })));
    }
    let asked = context.call.option("sforce-query-options", "batchSize").and_then(|size| size.parse::<usize>().ok());
    let batch = asked.map_or(context.page_size, |size| size.clamp(200, 2000).min(context.page_size)).max(1);
    context.cursors.serial += 1;
    let id = SfId::mint("01g", context.cursors.serial);
    let cursor = Cursor { id, object: plan.object, columns: plan.columns, ids, with_deleted, batch };
    let page = page(context, &cursor, 0);
    if cursor.ids.len() > cursor.batch {
        context.cursors.open.push_back(cursor);
        if context.cursors.open.len() > MAX_CURSORS {
            context.cursors.open.pop_front();
        }
    }
    Ok(Reply::ok(page))
}

/// `/query/{locator}`: the page that starts at the locator's offset.
pub(super) fn go_on(context: &Context<'_>, locator: &str) -> Result<Reply, Refusal> {
    let closed = || Refusal::new("INVALID_QUERY_LOCATOR", "invalid query locator");
    let (id, offset) = locator.rsplit_once('-').ok_or_else(closed)?;
    let offset: usize = offset.parse().map_err(|_| closed())?;
    let cursor = context.cursors.open.iter().find(|cursor| cursor.id.as_str() == id).ok_or_else(closed)?;
    if offset == 0 || offset >= cursor.ids.len() {
        return Err(closed());
    }
    Ok(Reply::ok(page(context, cursor, offset)))
}

fn answer(context: &Context<'_>, plan: &Plan, with_deleted: bool) -> Vec<SfId> {
    let (org, now, object) = (&*context.org, context.now, plan.object);
    let skip = usize::try_from(plan.offset).unwrap_or(usize::MAX);
    let take = plan.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let (candidates, ordered) = candidates(org, plan, with_deleted, now);
    // Where candidates come as the answer wants them, what lies behind the limit need not be looked at.
    let enough = if ordered && plan.in_stamp_order() { skip.saturating_add(take) } else { usize::MAX };
    let mut rows: Vec<(SfId, View<'_>)> = candidates
        .map(|(id, version)| View { org, object, id, version, now })
        .filter(|view| (with_deleted || !view.version.deleted) && plan.admits(view))
        .map(|view| (view.id.clone(), view))
        .take(enough)
        .collect();
    plan.sort(&mut rows);
    rows.into_iter().skip(skip).take(take).map(|(id, _)| id).collect()
}

type Candidates<'a> = Box<dyn Iterator<Item = (&'a SfId, &'a Version)> + 'a>;

/// The records the answer is among, once each, and whether they come by stamp and id.
fn candidates<'a>(org: &'a Org, plan: &Plan, with_deleted: bool, now: Timestamp) -> (Candidates<'a>, bool) {
    let object = plan.object;
    let visible = move |id: &SfId| org.visible_entry(object, id, now);
    match plan.narrow() {
        Narrow::Ids(ids) => {
            let ids: BTreeSet<SfId> = ids.into_iter().collect();
            (Box::new(ids.into_iter().filter_map(move |id| visible(&id))), false)
        }
        // The key index knows only the living.
        Narrow::Values(field, values) if org.indexes_are_current() && !with_deleted && org.is_key(object, &field) => {
            let ids: BTreeSet<&SfId> = values.iter().flat_map(|value| org.holders(object, &field, value)).collect();
            (Box::new(ids.into_iter().filter_map(visible)), false)
        }
        Narrow::StampedFrom(from) if org.indexes_are_current() => {
            (Box::new(org.stamped_from(object, from).filter_map(visible)), true)
        }
        _ if org.indexes_are_current() && plan.in_stamp_order() => {
            (Box::new(org.stamped_from(object, Timestamp::EPOCH).filter_map(visible)), true)
        }
        _ => (Box::new(org.all_visible(object, now)), false),
    }
}

fn page(context: &Context<'_>, cursor: &Cursor, offset: usize) -> Value {
    let (org, now, object, api) = (&*context.org, context.now, cursor.object, context.api);
    let end = (offset + cursor.batch).min(cursor.ids.len());
    let records: Vec<Value> = cursor.ids[offset..end]
        .iter()
        .filter_map(|id| org.visible_entry(object, id, now))
        // Deleted while the cursor was open: the page is shorter than the batch.
        .filter(|(_, version)| cursor.with_deleted || !version.deleted)
        .map(|(id, version)| View { org, object, id, version, now }.render(&cursor.columns, api))
        .collect();
    let mut page = json!({ "totalSize": cursor.ids.len(), "done": end == cursor.ids.len() });
    if end < cursor.ids.len() {
        page["nextRecordsUrl"] = json!(format!("/services/data/v{api}/query/{}-{end}", cursor.id));
    }
    page["records"] = Value::Array(records);
    page
}
