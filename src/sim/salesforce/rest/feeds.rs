//! `/sobjects/{object}/updated` and `/deleted`: ids that changed in a window of whole minutes.

use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use super::rows::known;
use crate::model::Timestamp;
use crate::sim::salesforce::call::Reply;
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::stamp;

/// How far back a window may start.
const REACH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the feed remembers deletions.
const DELETES_KEPT: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// `?start=&end=`: ids of living records created or changed in the window.
pub(super) fn updated(context: &Context<'_>, object: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    let (start, end) = window(context)?;
    let changed = context.org.all_visible(object, context.now).filter(|(_, version)| !version.deleted);
    let ids: Vec<Value> = changed
        .filter(|(_, version)| (start..end).contains(&version.modified))
        .map(|(id, _)| json!(id.as_str()))
        .collect();
    Ok(Reply::ok(json!({ "ids": ids, "latestDateCovered": stamp::to_json(covered(context, start, end)) })))
}

/// `?start=&end=`: records deleted in the window, as far back as the log goes.
pub(super) fn deleted(context: &Context<'_>, object: &str) -> Result<Reply, Refusal> {
    let object = known(context.org, object)?;
    let (start, end) = window(context)?;
    let kept = context.now.minus(DELETES_KEPT);
    let earliest = context.org.knobs.deletes_known_from.map_or(kept, |known| known.max(kept));
    let records: Vec<Value> = context
        .org
        .all_visible(object, context.now)
        .filter(|(_, version)| version.deleted && version.modified >= earliest)
        .filter(|(_, version)| (start..end).contains(&version.modified))
        .map(|(id, version)| json!({ "deletedDate": stamp::to_json(version.modified), "id": id.as_str() }))
        .collect();
    Ok(Reply::ok(json!({
        "deletedRecords": records,
        "earliestDateAvailable": stamp::to_json(earliest),
        "latestDateCovered": stamp::to_json(covered(context, start, end)),
    })))
}

/// The end of what can be vouched for: writes not yet visible and long transactions may lie behind it.
fn covered(context: &Context<'_>, start: Timestamp, end: Timestamp) -> Timestamp {
    let knobs = &context.org.knobs;
    let lag = knobs.visibility_delay.max(knobs.commit_late);
    end.min(context.now.minus(lag).floor_second()).max(start)
}

fn window(context: &Context<'_>) -> Result<(Timestamp, Timestamp), Refusal> {
    let bad = |text: &str| Refusal::new("INVALID_REPLICATION_DATE", text);
    let at = |name: &str| {
        let text = context
            .call
            .parameter(name)
            .ok_or_else(|| Refusal::new("MISSING_ARGUMENT", format!("{name} not specified")))?;
        stamp::from_text(text)
            .map(stamp::floor_minute)
            .ok_or_else(|| Refusal::new("INVALID_FIELD", format!("{name}: not a valid date and time")))
    };
    let (start, end) = (at("start")?, at("end")?);
    if end <= start {
        return Err(bad("startDate before endDate: the window must span at least one minute"));
    }
    if start < context.now.minus(REACH) {
        return Err(bad("startDate cannot be more than 30 days ago"));
    }
    if start > context.now {
        return Err(bad("startDate lies in the future"));
    }
    Ok((start, end))
}
