//! Quotes and bookings: iVvy rows → records (`contracts/ivvy.md` 12).
//!
//! A booking tells no currency: that is its venue's. The venues are read when a sweep begins, and again
//! when a booking names one that was not there.
//!
//! A key that is bound to venues may not ask for the whole account's bookings. Where the configuration
//! names its venues they are read one after the other, as one listing (V-82). Stamps are `modifiedDate`
//! there too: `lastModifiedDate`, which only that list has, would make the two ways of reading disagree.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::action::Action;
use super::fields::{self, Column, put};
use super::listing::{self, Query};
use super::module::Module;
use super::rules::Rules;
use super::{Answered, Ivvy, loose, the_record};
use crate::model::{Fields, ModuleId, Record, RecordId, Value};
use crate::remote::{Class, Page, PageRequest, Read, RemoteError};

const LIST: Action = Action::read("venue", "getBookingListForAccount");
const LIST_OF_VENUE: Action = Action::read("venue", "getBookingList");
const GET: Action = Action::read("venue", "getBooking").missing("23026");
const VENUES: Action = Action::read("venue", "getVenueList");

pub(super) const STATUSES: &[(i64, &str)] = &[
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
    let walk = Walk::resume(ivvy, request)?;
    let (action, inner) = match walk.turn() {
        Some(_) => (LIST_OF_VENUE, walk.inner.as_deref()),
        None => (LIST, request.position.as_deref()),
    };
    let mut query = Query::new(action).bounded("modifiedDateAfter", "modifiedDateBefore", request);
    if let Some(venue) = walk.turn() {
        query = query.param("venueId", venue);
    }
    let page = ivvy.rows(&query, inner).await.map_err(|error| bound(ivvy, error))?;
    let known = if request.position.is_none() { None } else { Some(known(ivvy)) };
    let venues = venues_of(ivvy, &page.rows, known).await?;
    let records = listing::records(&action, &page.rows, |row| record(row, &venues, &ivvy.rules))?;
    // What a venue has in all says nothing of the others.
    let total = page.total.filter(|_| walk.turn().is_none());
    Ok(Page { records, next: walk.next(page.next)?, total, server_time: page.server_time })
}

/// A key that is bound to a venue is refused the whole account's list, and the refusal does not say why.
fn bound(ivvy: &Ivvy, mut error: RemoteError) -> RemoteError {
    if error.class == Class::Forbidden {
        error.message.push_str(if ivvy.rules.venues.is_empty() {
            "; the key may be bound to a venue: name it under [ivvy] venues"
        } else {
            "; [ivvy] venues may name one that the key may not read"
        });
    }
    error
}

/// The venues still to read, the first of them under way. Opaque to the engine, stored as JSON. Without
/// venues the account's own listing goes on where it says itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Walk {
    venues: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner: Option<String>,
}

impl Walk {
    fn resume(ivvy: &Ivvy, request: &PageRequest) -> Result<Self, RemoteError> {
        if ivvy.rules.venues.is_empty() {
            return Ok(Self::default());
        }
        let Some(text) = &request.position else {
            return Ok(Self { venues: ivvy.rules.venues.iter().copied().collect(), inner: None });
        };
        match serde_json::from_str::<Self>(text) {
            Ok(walk) if !walk.venues.is_empty() => Ok(walk),
            _ => Err(listing::shifted("the stored position is not one of ours").of(&LIST_OF_VENUE)),
        }
    }

    /// The venue whose turn it is.
    fn turn(&self) -> Option<u64> {
        self.venues.first().copied()
    }

    /// The position after this turn, which left its list at `inner`; nothing at the end.
    fn next(mut self, inner: Option<String>) -> Result<Option<String>, RemoteError> {
        if self.venues.is_empty() {
            return Ok(inner);
        }
        if inner.is_none() {
            self.venues.remove(0);
        }
        self.inner = inner;
        if self.venues.is_empty() {
            return Ok(None);
        }
        let written = serde_json::to_string(&self);
        written.map(Some).map_err(|_| listing::malformed("the position cannot be written").of(&LIST_OF_VENUE))
    }
}

async fn get(ivvy: &Ivvy, id: &RecordId) -> Result<Read, RemoteError> {
    let Some(row) = ivvy.row(&GET, id).await? else { return Ok(Read::Missing) };
    let venues = venues_of(ivvy, std::slice::from_ref(&row), Some(known(ivvy))).await?;
    the_record(&GET, id, record(&row, &venues, &ivvy.rules))
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
fn record(row: &Json, venues: &Venues, rules: &Rules) -> Option<Record> {
    let id = fields::id(row)?;
    let mut fields = fields::read(row, COLUMNS);
    if let Some(status) = fields.get("status") {
        let stage = rules.stage(ModuleId::QuotesAndBookings, status, STAGES);
        put(&mut fields, "stage", Some(stage));
    }
    put(&mut fields, "currency", venue(row).and_then(|venue| venues.get(&venue)).cloned());
    // The day the client decides; failing that, the day by which they must have.
    let days = ["decisionDate", "dateEventStart"].map(|property| row.get(property).and_then(loose::as_day));
    let told = days.iter().flatten();
    put(&mut fields, "close_date", told.clone().find(|day| !day.is_empty()).or_else(|| told.clone().next()).cloned());
    if rules.mask_confidential && fields.get("confidential") == Some(&Value::Bool(true)) {
        mask(&id, &mut fields);
    }
    Some(Record { id, fields, modified: fields::stamp(row, "modifiedDate"), ..Record::default() })
}

/// Takes out what says whose booking it is. Its code, dates and amounts stay: they are what a forecast needs.
fn mask(id: &RecordId, fields: &mut Fields) {
    let code = fields.get("code").and_then(Value::as_text).map(str::trim).filter(|code| !code.is_empty());
    let name = format!("Confidential booking {}", code.unwrap_or(id.as_str()));
    put(fields, "name", Some(Value::Text(name)));
    put(fields, "contact", Some(Value::Null));
    put(fields, "company", Some(Value::Null));
}
