//! One row of a list that has no single read, found by as few calls as can be (`contracts/ivvy.md` 7).
//!
//! Three ways, each tried when the one before did not find it: a filter on `id`, which nobody documented;
//! a search by halves, which is right where the list happens to be ordered by id; and the whole list. Only
//! the last can say that there is no such row.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::listing::{self, Query};
use super::{Ivvy, fields, own_id};
use crate::model::RecordId;
use crate::remote::{Class, RemoteError};

/// Lists up to this long are read whole at once.
const SHORT: u64 = listing::PER_PAGE as u64;
/// More halvings than any list has.
const MOST_HALVINGS: u32 = 40;

/// The row `id` of the list `query`, which carries no filter of its own; nothing if the whole list does not
/// have it.
pub(super) async fn find(ivvy: &Ivvy, query: &Query, id: &RecordId) -> Result<Option<Json>, RemoteError> {
    let number = own_id(&query.action, id)?;
    let filtered = query.clone().filter("id", number).inferred();
    if !ivvy.is_refused(&filtered) {
        let page = ivvy.rows(&filtered, None).await?;
        if let Some(row) = page.rows.into_iter().find(|row| fields::id(row).as_ref() == Some(id)) {
            return Ok(Some(row));
        }
    }
    if let Some(row) = halve(ivvy, query, number).await? {
        return Ok(Some(row));
    }
    let mut position = None;
    for _ in 0..listing::MOST_PAGES {
        let page = ivvy.rows(query, position.as_deref()).await?;
        let found = page.rows.into_iter().find(|row| fields::id(row).as_ref() == Some(id));
        if found.is_some() || page.next.is_none() {
            return Ok(found);
        }
        position = page.next;
    }
    Err(listing::malformed("the listing does not end").of(&query.action))
}

/// The row `wanted`, should the list be ordered by id. Nothing proves nothing.
async fn halve(ivvy: &Ivvy, query: &Query, wanted: i64) -> Result<Option<Json>, RemoteError> {
    let (mut from, mut to) = (0_u64, u64::MAX);
    for _ in 0..MOST_HALVINGS {
        // The first look is at the first row, for the total.
        let middle = if to == u64::MAX { 0 } else { from + (to - from) / 2 };
        let answer = match ivvy.rows_from(&query.clone().per_page(1), middle).await {
            // A row that is too large in itself may stand in the way of another that is not.
            Err(error) if error.class == Class::Malformed => return Ok(None),
            answer => answer?,
        };
        let (rows, total) = listing::collection(answer.json).map_err(|broken| broken.of(&query.action))?;
        let row = rows.into_iter().next();
        let number = row.as_ref().and_then(fields::id).and_then(|id| id.as_str().parse::<i64>().ok());
        let (Some(number), Some(total)) = (number, total) else { return Ok(None) };
        if to == u64::MAX && total <= SHORT {
            return Ok(row.filter(|_| number == wanted));
        }
        to = to.min(total);
        match number.cmp(&wanted) {
            Ordering::Equal => return Ok(row),
            Ordering::Less => from = middle + 1,
            Ordering::Greater => to = middle,
        }
        if from >= to {
            return Ok(None);
        }
    }
    Ok(None)
}
