//! Paging by offset, made honest (`contracts/ivvy.md` 7, `engine.md` 5.7).
//!
//! iVvy's lists have no documented order and no cursor, so rows can move between two pages and be
//! skipped. Each page after the first therefore starts *on* the last row of the page before, the
//! anchor. If another row is found there, or if the total has moved, the listing has shifted and the
//! sweep must start again: this module never papers over a gap.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::action::Action;
use super::client::{Answer, stamp};
use super::{Ivvy, answer, fields, loose};
use crate::model::{Record, RecordId, Timestamp};
use crate::remote::{Class, Page, PageRequest, RemoteError, Sent};

/// Rows asked for; more has no effect.
pub(super) const PER_PAGE: u32 = 100;
/// Rows asked for where [`PER_PAGE`] are too large. A page holds its anchor and at least one more.
pub(super) const SMALLER_PAGES: [u32; 3] = [20, 5, 2];
/// More rows than any account has: a listing that claims to go on beyond them is broken.
const MOST_ROWS: u64 = 10_000_000;
/// Most pages read for one answer to the engine.
pub(super) const MOST_PAGES: u32 = 2_000;

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

impl Broken {
    /// The same as the failure of `action`.
    pub(super) fn of(self, action: &Action) -> RemoteError {
        answer::failure(action, self.class, Sent::No, self.message)
    }
}

pub(super) fn shifted(message: impl Into<String>) -> Broken {
    Broken { class: Class::Shifted, message: message.into() }
}

pub(super) fn malformed(message: impl Into<String>) -> Broken {
    Broken { class: Class::Malformed, message: message.into() }
}

/// A list call: which action, of which parent, narrowed by what.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub action: Action,
    /// Parameters beside page and filter: the parent a list is about, its order.
    params: Map<String, Json>,
    filter: Map<String, Json>,
    /// Nobody documented the filter: if it is refused, the list is read without it.
    inferred: bool,
    /// Rows asked for on one page.
    per_page: u32,
    /// Rows may be so large that a full page is more than an answer may hold.
    bulky: bool,
    /// What tells one row from another.
    key: fn(&Json) -> Option<RecordId>,
}

impl Query {
    /// All rows of `action`, known by their `id`.
    pub(super) fn new(action: Action) -> Self {
        Self {
            action,
            params: Map::new(),
            filter: Map::new(),
            inferred: false,
            per_page: PER_PAGE,
            bulky: false,
            key: fields::id,
        }
    }

    /// With a parameter.
    pub(super) fn param(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// With a condition.
    pub(super) fn filter(mut self, property: &str, value: impl Into<Json>) -> Self {
        self.filter.insert(property.into(), value.into());
        self
    }

    /// With the request's bounds under these names. Stamps have a resolution of one second, so cutting a
    /// bound's milliseconds off loses no record.
    pub(super) fn bounded(mut self, from: &str, to: &str, request: &PageRequest) -> Self {
        for (name, bound) in [(from, request.from), (to, request.to)] {
            if let Some(at) = bound {
                self = self.filter(name, stamp(at));
            }
        }
        self
    }

    /// The filter is a guess (`contracts/ivvy.md` 7): it may be refused or ignored, so what comes is
    /// compared here as well, and it is only a way to be shown less.
    pub(super) fn inferred(mut self) -> Self {
        self.inferred = true;
        self
    }

    /// In pages of so many rows.
    pub(super) fn per_page(mut self, rows: u32) -> Self {
        self.per_page = rows;
        self
    }

    /// Where a page is too large for one answer, it is asked for again with fewer rows.
    pub(super) fn bulky(mut self) -> Self {
        self.bulky = true;
        self
    }

    /// Rows are known by `key`.
    pub(super) fn keyed_by(mut self, key: fn(&Json) -> Option<RecordId>) -> Self {
        self.key = key;
        self
    }

    /// The body of the page that begins at `start`.
    fn body(&self, start: u64, filtered: bool) -> Json {
        let mut body = self.params.clone();
        body.insert("perPage".into(), self.per_page.into());
        body.insert("start".into(), start.into());
        if filtered {
            body.insert("filter".into(), self.filter.clone().into());
        }
        body.into()
    }

    /// Its name among filters that were refused.
    fn guess(&self) -> String {
        let properties: Vec<&str> = self.filter.keys().map(String::as_str).collect();
        format!("{} {}", self.action.name, properties.join(" "))
    }

    fn key_of(&self, row: &Json) -> Result<RecordId, Broken> {
        (self.key)(row).ok_or_else(|| malformed("a row has no id"))
    }
}

/// Whether a record stamped so belongs to what was asked for. One without a stamp always does.
pub(super) fn within(request: &PageRequest, modified: Option<Timestamp>) -> bool {
    modified.is_none_or(|at| {
        request.from.is_none_or(|from| at >= from.floor_second()) && request.to.is_none_or(|to| at <= to)
    })
}

/// The rows of an answer that are new, and where to go on.
#[derive(Debug)]
pub(super) struct Rows {
    pub rows: Vec<Json>,
    pub next: Option<String>,
    pub total: Option<u64>,
    pub server_time: Option<Timestamp>,
}

impl Position {
    /// Takes up a listing where it left off.
    fn resume(position: Option<&str>) -> Result<Option<Self>, Broken> {
        let Some(text) = position else { return Ok(None) };
        let position: Self =
            serde_json::from_str(text).map_err(|_| shifted("the stored position is not one of ours"))?;
        // Every position we hand out has read at least its anchor.
        if position.start == 0 {
            return Err(shifted("the stored position is not one of ours"));
        }
        Ok(Some(position))
    }
}

/// Takes the answer apart and decides whether the listing held still since `position`.
fn take(query: &Query, position: Option<&Position>, answer: Answer) -> Result<Rows, Broken> {
    let server_time = answer.server_time;
    let (mut rows, total) = collection(answer.json)?;
    let seen = position.map_or(0, |position| position.start);
    if let Some(position) = position {
        if let (Some(then), Some(now)) = (position.total, total)
            && then != now
        {
            return Err(shifted(format!("the total moved from {then} to {now} while paging")));
        }
        if rows.first().map(|row| query.key_of(row)).transpose()?.as_ref() != Some(&position.anchor) {
            return Err(shifted("the last row of the page before is not where it was"));
        }
        rows.remove(0);
    }
    let total = total.or_else(|| position.and_then(|position| position.total));
    let read = seen + rows.len() as u64;
    let Some(last) = rows.last() else {
        return match total {
            Some(total) if read < total => Err(malformed(format!("no row came after {read} of {total}"))),
            _ => Ok(Rows { rows, next: None, total, server_time }),
        };
    };
    // A total smaller than what has been read is wrong; then only a page without news is the end.
    if total == Some(read) {
        return Ok(Rows { rows, next: None, total, server_time });
    }
    if read > MOST_ROWS {
        return Err(malformed("the listing does not end"));
    }
    let position = Position { start: read, anchor: query.key_of(last)?, total };
    let next = serde_json::to_string(&position).map_err(|_| malformed("the position cannot be written"))?;
    Ok(Rows { rows, next: Some(next), total, server_time })
}

impl Ivvy {
    /// One page of rows.
    pub(super) async fn rows(&self, query: &Query, position: Option<&str>) -> Result<Rows, RemoteError> {
        let position = Position::resume(position).map_err(|broken| broken.of(&query.action))?;
        let start = position.as_ref().map_or(0, |position| position.start - 1);
        let mut answer = self.rows_from(query, start).await;
        for fewer in SMALLER_PAGES.into_iter().filter(|_| query.bulky) {
            // Too large is one of the ways for an answer to make no sense.
            if !matches!(&answer, Err(error) if error.class == Class::Malformed) {
                break;
            }
            answer = self.rows_from(&query.clone().per_page(fewer), start).await;
        }
        let answer = answer?;
        take(query, position.as_ref(), answer).map_err(|broken| broken.of(&query.action))
    }

    /// The answer that begins at `start`. A guessed filter that is refused is not sent again.
    pub(super) async fn rows_from(&self, query: &Query, start: u64) -> Result<Answer, RemoteError> {
        let filtered = !query.filter.is_empty() && !self.is_refused(query);
        let call = async |filtered| self.client.call(&query.action, &query.body(start, filtered)).await;
        match call(filtered).await {
            Err(error) if filtered && query.inferred && error.class == Class::Rejected => {
                let answer = call(false).await?;
                tracing::info!(action = query.action.name, "iVvy refuses this filter; the whole list is read instead");
                self.refused_filters().insert(query.guess());
                Ok(answer)
            }
            answer => answer,
        }
    }

    /// Whether the filter of `query` is known to be refused.
    pub(super) fn is_refused(&self, query: &Query) -> bool {
        query.inferred && self.refused_filters().contains(&query.guess())
    }

    pub(super) fn refused_filters(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.refused_filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One page of records, as iVvy narrowed it.
    pub(super) async fn page(
        &self,
        query: &Query,
        request: &PageRequest,
        record: impl Fn(&Json) -> Option<Record> + Send,
    ) -> Result<Page, RemoteError> {
        let page = self.rows(query, request.position.as_deref()).await?;
        Ok(Page {
            records: records(&query.action, &page.rows, record)?,
            next: page.next,
            total: page.total,
            server_time: page.server_time,
        })
    }

    /// As [`Ivvy::page`], where iVvy is not known to have narrowed it: what is stamped outside the request's
    /// bounds is left out here, and the total, which may count it, is not told.
    pub(super) async fn narrowed_page(
        &self,
        query: &Query,
        request: &PageRequest,
        record: impl Fn(&Json) -> Option<Record> + Send,
    ) -> Result<Page, RemoteError> {
        let mut page = self.page(query, request, record).await?;
        if request.from.is_some() || request.to.is_some() {
            page.records.retain(|record| within(request, record.modified));
            page.total = None;
        }
        Ok(page)
    }

    /// Every row, in as many pages as it takes, and the server's time when the first was read.
    pub(super) async fn all_rows(&self, query: &Query) -> Result<(Vec<Json>, Option<Timestamp>), RemoteError> {
        let (mut rows, mut position, mut read_at) = (Vec::new(), None, None);
        for _ in 0..MOST_PAGES {
            let page = self.rows(query, position.as_deref()).await?;
            rows.extend(page.rows);
            read_at = read_at.or(page.server_time);
            if page.next.is_none() {
                return Ok((rows, read_at));
            }
            position = page.next;
        }
        Err(malformed("the listing does not end").of(&query.action))
    }
}

/// The records in `rows`.
pub(super) fn records(
    action: &Action,
    rows: &[Json],
    record: impl Fn(&Json) -> Option<Record>,
) -> Result<Vec<Record>, RemoteError> {
    let no_record = || malformed("a row is not a record with an id").of(action);
    rows.iter().map(|row| record(row).ok_or_else(no_record)).collect()
}

/// `results` and `meta.totalResults` of a collection.
pub(super) fn collection(mut answer: Json) -> Result<(Vec<Json>, Option<u64>), Broken> {
    let total = answer.get("meta").and_then(|meta| meta.get("totalResults")).and_then(loose::as_int);
    let rows = answer.get_mut("results").map(Json::take).and_then(loose::into_list);
    let rows = rows.ok_or_else(|| malformed("the answer is not a collection"))?;
    Ok((rows, total.and_then(|total| u64::try_from(total).ok())))
}
