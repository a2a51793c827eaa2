//! The newest rows of a log that only grows, read from its end (`contracts/ivvy.md` 7, 10).
//!
//! For a log that cannot be filtered. Nobody documented its order, so it is checked: ids ascend, and no row
//! near the end is older than the very first. A log that fails is read whole from then on. Going back stops
//! at the first page without anything new, and every page but the first ends on the row the one before it
//! began with.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::listing::{self, PER_PAGE, Query, SMALLER_PAGES, shifted};
use super::{Ivvy, fields};
use crate::model::{Record, RecordId, Timestamp};
use crate::remote::{Class, Page, PageRequest, RemoteError};

/// Where to go on backwards. Opaque to the engine, stored as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// Rows from here on have been read.
    tail: u64,
    /// Id of the first of them.
    anchor: RecordId,
    /// When the first row of all was stamped.
    first: Option<Timestamp>,
}

/// The next page of `request`; nothing if it has to be read from the front. A walk only begins where
/// `unfilterable` and the request asks for news.
pub(super) async fn page(
    ivvy: &Ivvy,
    query: &Query,
    unfilterable: bool,
    request: &PageRequest,
    record: impl Fn(&Json) -> Option<Record> + Send,
) -> Result<Option<Page>, RemoteError> {
    let begun = request.position.is_some();
    let position = match &request.position {
        // Any other position is one of a walk from the front.
        Some(text) => serde_json::from_str::<Position>(text).ok(),
        None if unfilterable && request.from.is_some() && request.to.is_none() => end(ivvy, query).await?,
        None => None,
    };
    let Some(position) = position.filter(|position| position.tail > 0) else { return Ok(None) };
    let (start, answer) = before(ivvy, query, position.tail).await?;
    let server_time = answer.server_time;
    let (mut rows, _) = listing::collection(answer.json).map_err(|broken| broken.of(&query.action))?;
    if !ordered(&rows, position.first) {
        ivvy.refused_filters().insert(disorder(query));
        // Begun again, it is read from the front.
        return if begun { Err(shifted("the log is not in its order").of(&query.action)) } else { Ok(None) };
    }
    if begun {
        let length = usize::try_from(position.tail - start).unwrap_or(usize::MAX);
        if rows.get(length).and_then(fields::id).as_ref() != Some(&position.anchor) {
            return Err(shifted("the first row of the page behind is not where it was").of(&query.action));
        }
        rows.truncate(length);
    }
    let mut records = listing::records(&query.action, &rows, record)?;
    let anchor = records.first().map(|record| record.id.clone());
    records.retain(|record| listing::within(request, record.modified));
    let next = match anchor {
        Some(anchor) if start > 0 && !records.is_empty() => {
            let next = Position { tail: start, anchor, first: position.first };
            let written = serde_json::to_string(&next);
            Some(written.map_err(|_| listing::malformed("the position cannot be written").of(&query.action))?)
        }
        _ => None,
    };
    Ok(Some(Page { records, next, total: None, server_time }))
}

/// The position at the end of the log; nothing if iVvy does not tell, or if the log was found out of order.
async fn end(ivvy: &Ivvy, query: &Query) -> Result<Option<Position>, RemoteError> {
    if ivvy.refused_filters().contains(&disorder(query)) {
        return Ok(None);
    }
    let answer = match ivvy.rows_from(&query.clone().per_page(1), 0).await {
        // One row that is too large in itself.
        Err(error) if error.class == Class::Malformed => return Ok(None),
        answer => answer?,
    };
    let (rows, total) = listing::collection(answer.json).map_err(|broken| broken.of(&query.action))?;
    let position = |(row, tail): (&Json, u64)| {
        Some(Position { tail, anchor: fields::id(row)?, first: fields::stamp(row, "sentTime") })
    };
    Ok(rows.first().zip(total).and_then(position))
}

/// The answer that ends at row `end`, itself included, and where it begins; smaller where it is too large.
async fn before(ivvy: &Ivvy, query: &Query, end: u64) -> Result<(u64, super::client::Answer), RemoteError> {
    let ask = async |rows: u32| {
        let start = end.saturating_sub(u64::from(rows) - 1);
        ivvy.rows_from(&query.clone().per_page(rows), start).await.map(|answer| (start, answer))
    };
    let mut answer = ask(PER_PAGE).await;
    for fewer in SMALLER_PAGES {
        if !matches!(&answer, Err(error) if error.class == Class::Malformed) {
            break;
        }
        answer = ask(fewer).await;
    }
    answer
}

/// Whether ids ascend and nothing is older than the `first` row of all.
fn ordered(rows: &[Json], first: Option<Timestamp>) -> bool {
    let id = |row: &Json| fields::id(row).and_then(|id| id.as_str().parse::<i64>().ok());
    rows.is_sorted_by(|a, b| id(a).zip(id(b)).is_some_and(|(a, b)| a < b))
        && rows.iter().all(|row| fields::stamp(row, "sentTime").is_some_and(|at| first.is_none_or(|first| at >= first)))
}

/// Its name among what does not work.
fn disorder(query: &Query) -> String {
    format!("{} in order", query.action.name)
}
