//! Quotes and bookings: iVvy rows → records (`contracts/ivvy.md` 12).
//!
//! A booking tells no currency: that is its venue's. The venues are read when a sweep begins, and again
//! when a booking names one that was not there.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde_json::Value as Json;

use super::action::Action;
use super::fields::{self, Column, put};
use super::listing::{self, Query};
use super::module::Module;
use super::{Answered, Ivvy, loose, the_record};
use crate::model::{ModuleId, Record, RecordId, Value};
use crate::remote::{Page, PageRequest, Read, RemoteError};

const LIST: Action = Action::read("venue", "getBookingListForAccount");
const GET: Action = Action::read("venue", "getBooking").missing("23026");
const VENUES: Action = Action::read("venue", "getVenueList");

const STATUSES: &[(i64, &str)] = &[
    (1, "prospective"),
    (2, "tentative"),
    (3, "confirmed"),
    (4, "cancelled"),
    (5, "ordering"),
    // The official library and the documentation disagree about the number.
    (6, "not_accepted"),
    (8, "not_accepted"),
    (9, "prospective_hold"),
];

const STAGES: &[(&str, &str)] = &[
    ("prospective", "quote"),
    ("prospective_hold", "quote"),
    ("tentative", "tentative"),
    ("confirmed", "won"),
    ("ordering", "open"),
    ("cancelled", "lost"),
    ("not_accepted", "lost"),
];

const COLUMNS: &[Column] = &[
    ("name", "name", loose::as_text),
    ("code", "code", loose::as_text),
    ("contact", "contactId", loose::as_reference),
    ("company", "companyId", loose::as_reference),
    ("status", "currentStatus", |json| fields::word(json, STATUSES)),
    ("amount", "totalAmount", loose::as_money),
    ("outstanding", "amountOutstanding", loose::as_money),
    ("starts_at", "dateEventStart", loose::as_instant),
    ("ends_at", "dateEventEnd", loose::as_instant),
    ("confidential", "isConfidential", loose::as_truth),
];

/// The currency of each venue.
pub(super) type Venues = BTreeMap<RecordId, Value>;

/// Quotes and bookings, as iVvy has them.
pub(super) struct Bookings;

impl Module for Bookings {
    fn id(&self) -> ModuleId {
        ModuleId::QuotesAndBookings
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        Box::pin(list(ivvy, request))
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(get(ivvy, id))
    }
}

async fn list(ivvy: &Ivvy, request: &PageRequest) -> Result<Page, RemoteError> {
    let query = Query::new(LIST).bounded("modifiedDateAfter", "modifiedDateBefore", request);
    let page = ivvy.rows(&query, request.position.as_deref()).await?;
    let known = if request.position.is_none() { None } else { Some(known(ivvy)) };
    let venues = venues_of(ivvy, &page.rows, known).await?;
    let records = listing::records(&LIST, &page.rows, |row| record(row, &venues))?;
    Ok(Page { records, next: page.next, total: page.total, server_time: page.server_time })
}

async fn get(ivvy: &Ivvy, id: &RecordId) -> Result<Read, RemoteError> {
    let Some(row) = ivvy.row(&GET, id).await? else { return Ok(Read::Missing) };
    let venues = venues_of(ivvy, std::slice::from_ref(&row), Some(known(ivvy))).await?;
    the_record(&GET, id, record(&row, &venues))
}

fn known(ivvy: &Ivvy) -> Venues {
    ivvy.venues.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The venues, read anew unless `known` has every one that `rows` name.
async fn venues_of(ivvy: &Ivvy, rows: &[Json], known: Option<Venues>) -> Result<Venues, RemoteError> {
    let mut named = rows.iter().filter_map(venue);
    if let Some(known) = known
        && named.all(|venue| known.contains_key(&venue))
    {
        return Ok(known);
    }
    let (rows, _) = ivvy.all_rows(&Query::new(VENUES)).await?;
    let currency = |row: &Json| Some((fields::id(row)?, row.get("currencyCode").and_then(loose::as_text)?));
    let venues: Venues = rows.iter().filter_map(currency).collect();
    ivvy.venues.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&venues);
    Ok(venues)
}

fn venue(row: &Json) -> Option<RecordId> {
    row.get("venueId").and_then(loose::as_id)
}

/// The record in a row of the list or in a single read.
fn record(row: &Json, venues: &Venues) -> Option<Record> {
    let id = fields::id(row)?;
    let mut fields = fields::read(row, COLUMNS);
    if let Some(status) = fields.get("status") {
        let stage = fields::stage(status, STAGES);
        put(&mut fields, "stage", Some(stage));
    }
    put(&mut fields, "currency", venue(row).and_then(|venue| venues.get(&venue)).cloned());
    // The day the client decides; failing that, the day by which they must have.
    let days = ["decisionDate", "dateEventStart"].map(|property| row.get(property).and_then(loose::as_day));
    let told = days.iter().flatten();
    put(&mut fields, "close_date", told.clone().find(|day| !day.is_empty()).or_else(|| told.clone().next()).cloned());
    Some(Record { id, fields, modified: fields::stamp(row, "modifiedDate"), ..Record::default() })
}
