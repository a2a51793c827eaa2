//! Events: iVvy rows → records, and the plain list of events that other modules walk
//! (`contracts/ivvy.md` 11).
//!
//! No filter on modification is documented, so a sweep reads the whole list and compares `modifiedDate`
//! itself. It asks for the one order that is documented, by start: an edit does not move rows then.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::action::Action;
use super::fields::{self, Column};
use super::listing::{self, Query};
use super::module::Module;
use super::{Answered, Ivvy, loose};
use crate::model::{ModuleId, Record, RecordId, Timestamp, Value};
use crate::remote::{Page, PageRequest, Read, RemoteError};

const NO_SUCH_EVENT: &str = "24097";
const LIST: Action = Action::read("event", "getEventList");
const GET: Action = Action::read("event", "getEvent").missing(NO_SUCH_EVENT);

const STATUSES: &[(i64, &str)] = &[(0, "draft"), (1, "closed"), (3, "launched")];

const COLUMNS: &[Column] = &[
    ("name", "title", loose::as_text),
    ("code", "code", loose::as_text),
    ("status", "currentStatus", |json| fields::word(json, STATUSES)),
    ("starts_at", "startDateTime", loose::as_instant),
    ("ends_at", "endDateTime", loose::as_instant),
    ("website", "websiteUrl", loose::as_text),
];

/// Events, as iVvy has them.
pub(super) struct Events;

impl Module for Events {
    fn id(&self) -> ModuleId {
        ModuleId::Events
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        Box::pin(async move { ivvy.narrowed_page(&newest_first(), request, record).await })
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(ivvy.read(&GET, id, record))
    }
}

/// The record in a row of the list, or in a single read, which tells no `modifiedDate`.
fn record(row: &Json) -> Option<Record> {
    Some(Record {
        id: fields::id(row)?,
        fields: fields::read(row, COLUMNS),
        modified: fields::stamp(row, "modifiedDate"),
        ..Record::default()
    })
}

/// What others need to know of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub id: RecordId,
    /// Absent in what comes out of a stored position, which would carry every title from page to page; see
    /// [`Event::titled`].
    #[serde(default, skip_serializing)]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

impl Event {
    fn of(row: &Json) -> Option<Self> {
        Some(Self {
            id: fields::id(row)?,
            title: Some(fields::text(row, "title").into_owned()),
            start: fields::stamp(row, "startDateTime"),
            end: fields::stamp(row, "endDateTime"),
        })
    }

    /// The event with its title, which is read again if it came out of a stored position; nothing if there is
    /// no such event any more.
    pub(super) async fn titled(&self, ivvy: &Ivvy) -> Result<Option<Self>, RemoteError> {
        match self.title {
            None => one(ivvy, &self.id).await,
            Some(_) => Ok(Some(self.clone())),
        }
    }

    /// The event's id as the value of a reference.
    pub(super) fn reference(&self) -> Value {
        Value::text(self.id.as_str())
    }
}

fn newest_first() -> Query {
    Query::new(LIST).param("orderBy", "startDate").param("orderDir", "desc")
}

/// Every event, the latest to start first, and the server's time.
pub(super) async fn all(ivvy: &Ivvy) -> Result<(Vec<Event>, Option<Timestamp>), RemoteError> {
    let (rows, server_time) = ivvy.all_rows(&newest_first()).await?;
    let no_event = || listing::malformed("a row is not a record with an id").of(&LIST);
    let events: Result<_, _> = rows.iter().map(|row| Event::of(row).ok_or_else(no_event)).collect();
    Ok((events?, server_time))
}

/// One event as it is now; nothing if there is none.
pub(super) async fn one(ivvy: &Ivvy, id: &RecordId) -> Result<Option<Event>, RemoteError> {
    let Some(row) = ivvy.row(&GET, id).await? else { return Ok(None) };
    match Event::of(&row) {
        Some(event) if event.id == *id => Ok(Some(event)),
        _ => Err(listing::malformed("the answer is about another record").of(&GET)),
    }
}
