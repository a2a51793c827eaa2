//! Paging by offset, made honest (`contracts/ivvy.md` 7, `engine.md` 5.7).
//!
//! iVvy's lists have no documented order and no cursor, so rows can move between two pages and be
//! skipped. Each page after the first therefore starts *on* the last row of the page before, the
//! anchor. If another row is found there, or if the total has moved, the listing has shifted and the
//! sweep must start again: this module never papers over a gap.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::client::stamp;
use super::loose;
use crate::model::RecordId;
use crate::remote::{Class, PageRequest};

/// Rows asked for; more has no effect.
pub(super) const PER_PAGE: u32 = 100;
/// More rows than any account has: a listing that claims to go on beyond them is broken.
const MOST_ROWS: u64 = 10_000_000;

/// Where the next page begins. Opaque to the engine, stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// Rows read so far.
    start: u64,
    /// Id of the last of them.
    anchor: RecordId,
    /// The total when the sweep began.
    total: Option<u64>,
}

/// A listing that cannot be gone on with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub class: Class,
    pub message: String,
}

fn shifted(message: impl Into<String>) -> Broken {
    Broken { class: Class::Shifted, message: message.into() }
}

fn malformed(message: impl Into<String>) -> Broken {
    Broken { class: Class::Malformed, message: message.into() }
}

/// One page being read: what was asked, and how to take the answer.
#[derive(Debug)]
pub(super) struct Paging {
    position: Option<Position>,
}

/// The rows of an answer that are new, and where to go on.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub rows: Vec<&'a Json>,
    pub next: Option<String>,
    pub total: Option<u64>,
}

impl Paging {
    /// Takes up `request` where it left off.
    pub(super) fn resume(request: &PageRequest) -> Result<Self, Broken> {
        let position = match &request.position {
            None => None,
            Some(text) => {
                let position: Position =
                    serde_json::from_str(text).map_err(|_| shifted("the stored position is not one of ours"))?;
                // Every position we hand out has read at least its anchor.
                if position.start == 0 {
                    return Err(shifted("the stored position is not one of ours"));
                }
                Some(position)
            }
        };
        Ok(Self { position })
    }

    /// The body to send: `perPage`, `start`, and a filter only if there are bounds. Stamps have a
    /// resolution of one second, so cutting a bound's milliseconds off loses no record.
    pub(super) fn body(&self, request: &PageRequest) -> Json {
        let start = self.position.as_ref().map_or(0, |position| position.start - 1);
        let mut body = json!({ "perPage": PER_PAGE, "start": start });
        let mut filter = Map::new();
        for (name, bound) in [("fromModifiedDate", request.from), ("toModifiedDate", request.to)] {
            if let Some(at) = bound {
                filter.insert(name.into(), stamp(at).into());
            }
        }
        if !filter.is_empty() {
            body["filter"] = filter.into();
        }
        body
    }

    /// Takes the answer apart and decides whether the listing held still.
    pub(super) fn take<'a>(&self, answer: &'a Json) -> Result<Rows<'a>, Broken> {
        let (mut rows, total) = collection(answer)?;
        let seen = self.position.as_ref().map_or(0, |position| position.start);
        if let Some(position) = &self.position {
            if let (Some(then), Some(now)) = (position.total, total)
                && then != now
            {
                return Err(shifted(format!("the total moved from {then} to {now} while paging")));
            }
            if rows.first().map(|row| id_of(row)).transpose()?.as_ref() != Some(&position.anchor) {
                return Err(shifted("the last row of the page before is not where it was"));
            }
            rows.remove(0);
        }
        let total = total.or_else(|| self.position.as_ref().and_then(|position| position.total));
        let read = seen + rows.len() as u64;
        let Some(last) = rows.last() else {
            return match total {
                Some(total) if read < total => Err(malformed(format!("no row came after {read} of {total}"))),
                _ => Ok(Rows { rows, next: None, total }),
            };
        };
        // A total smaller than what has been read is wrong; then only a page without news is the end.
        if total == Some(read) {
            return Ok(Rows { rows, next: None, total });
        }
        if read > MOST_ROWS {
            return Err(malformed("the listing does not end"));
        }
        let position = Position { start: read, anchor: id_of(last)?, total };
        let next = serde_json::to_string(&position).map_err(|_| malformed("the position cannot be written"))?;
        Ok(Rows { rows, next: Some(next), total })
    }
}

/// `results` and `meta.totalResults` of a collection.
pub(super) fn collection(answer: &Json) -> Result<(Vec<&Json>, Option<u64>), Broken> {
    let rows =
        answer.get("results").and_then(loose::as_list).ok_or_else(|| malformed("the answer is not a collection"))?;
    let total = answer.get("meta").and_then(|meta| meta.get("totalResults")).and_then(loose::as_int);
    Ok((rows, total.and_then(|total| u64::try_from(total).ok())))
}

fn id_of(row: &Json) -> Result<RecordId, Broken> {
    row.get("id").and_then(loose::as_id).ok_or_else(|| malformed("a row has no id"))
}
