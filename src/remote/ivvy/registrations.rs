//! Registrations: the rows of every event → records (`contracts/ivvy.md` 11).
//!
//! A registration is listed and read within its event only, and its id does not say which that is. So a
//! single read first asks where this adapter last saw it, and failing that walks the events, the latest
//! first. The walk reads whole lists and remembers what it saw, so that the next read finds its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::action::Action;
use super::events::{self, Event};
use super::fields::{self, Column, put};
use super::listing::{self, Query};
use super::module::Module;
use super::per_event::{Walk, gone, vanished};
use super::rules::Rules;
use super::{Answered, Ivvy, loose, number_or_text, own_id, the_record};
use crate::model::{Fields, ModuleId, Record, RecordId, Value};
use crate::remote::{Class, Page, PageRequest, Read, RemoteError};

const LIST: Action = Action::read("event", "getRegistrationList").missing("24206");
const GET: Action = Action::read("event", "getRegistration").missing("24209");
/// The code of a single read whose event is gone.
const EVENT_GONE: &str = "24207";

/// An event this long over when a sweep's window begins has no news of its registrations.
const GRACE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Registrations whose event is remembered. When there are more, all are forgotten: it is only a hint.
const MOST_PLACES: usize = 100_000;

pub(super) const STATUSES: &[(i64, &str)] = &[
    (1, "in_progress"),
    (2, "completed"),
    (3, "cancelled"),
    (4, "payment_waiting"),
    (5, "deleted"),
    (6, "checkout"),
    (7, "incomplete"),
];

const STAGES: &[(&str, &str)] = &[
    ("completed", "won"),
    ("in_progress", "open"),
    ("payment_waiting", "open"),
    ("checkout", "open"),
    ("incomplete", "open"),
    ("cancelled", "lost"),
    ("deleted", "lost"),
];

const COLUMNS: &[Column] = &[
    ("contact", "mainContactId", loose::as_reference),
    ("status", "currentStatus", |json| fields::word(json, STATUSES)),
    ("exhibitor", "isExhibitor", loose::as_truth),
    ("amount", "invoiceTotalCost", loose::as_money),
    ("paid", "invoiceTotalPaid", loose::as_money),
];

/// In which event each registration was last seen.
pub(super) type Places = BTreeMap<RecordId, RecordId>;

/// Registrations, as iVvy has them.
pub(super) struct Registrations;

impl Module for Registrations {
    fn id(&self) -> ModuleId {
        ModuleId::Registrations
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        Box::pin(list(ivvy, request))
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(get(ivvy, id))
    }
}

/// One page of one event.
async fn list(ivvy: &Ivvy, request: &PageRequest) -> Result<Page, RemoteError> {
    let walk = Walk::resume(ivvy, &LIST, request, GRACE).await?;
    let Some((event, inner)) = walk.turn() else {
        return Ok(Page { total: Some(0), server_time: walk.listed_at, ..Page::default() });
    };
    let query = of_event(event)
        .bounded("modifiedDate__GREATERTHAN", "modifiedDate__LESSTHAN", request)
        // The property is documented, the form of a comparison is not.
        .inferred();
    let page = ivvy.rows(&query, inner).await.map_err(|error| vanished(&LIST, error))?;
    // A row tells the title of its event; where one does not, the name must not depend on the page it is on.
    let event = match page.rows.iter().all(|row| !told_title(row).is_empty()) {
        true => event.clone(),
        false => event.titled(ivvy).await?.ok_or_else(|| gone(&LIST))?,
    };
    let mut records = listing::records(&LIST, &page.rows, |row| record(row, &event, &ivvy.rules))?;
    remember(ivvy, &event, &records);
    records.retain(|record| listing::within(request, record.modified));
    let server_time = walk.listed_at.or(page.server_time);
    Ok(Page { records, next: walk.next(&LIST, page.next)?, total: None, server_time })
}

async fn get(ivvy: &Ivvy, id: &RecordId) -> Result<Read, RemoteError> {
    let number = own_id(&GET, id)?;
    let place = ivvy.places.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
    if let Some(place) = place
        && let Some(event) = events::one(ivvy, &place).await?
    {
        let body = json!({ "id": number, "eventId": number_or_text(event.id.as_str()) });
        match ivvy.lookup(&GET, &body).await {
            Ok(Some(row)) => return the_record(&GET, id, record(&row, &event, &ivvy.rules)),
            Ok(None) => {}
            Err(error) if error.code.as_deref() == Some(EVENT_GONE) => {}
            Err(error) => return Err(error),
        }
    }
    for event in events::all(ivvy).await?.0 {
        let rows = match ivvy.all_rows(&of_event(&event)).await {
            Ok((rows, _)) => rows,
            // Gone since the events were listed, and its registrations with it.
            Err(error) if error.class == Class::Missing => continue,
            Err(error) => return Err(error),
        };
        let records = listing::records(&LIST, &rows, |row| record(row, &event, &ivvy.rules))?;
        remember(ivvy, &event, &records);
        if let Some(record) = records.into_iter().find(|record| record.id == *id) {
            return Ok(Read::Found(Box::new(record)));
        }
    }
    Ok(Read::Missing)
}

fn of_event(event: &Event) -> Query {
    Query::new(LIST).param("eventId", number_or_text(event.id.as_str()))
}

fn remember(ivvy: &Ivvy, event: &Event, records: &[Record]) {
    let mut places = ivvy.places.lock().unwrap_or_else(PoisonError::into_inner);
    if places.len() + records.len() > MOST_PLACES {
        places.clear();
    }
    places.extend(records.iter().map(|record| (record.id.clone(), event.id.clone())));
}

/// The record in a row of that event.
fn record(row: &Json, event: &Event, rules: &Rules) -> Option<Record> {
    let id = fields::id(row)?;
    let mut fields = fields::read(row, COLUMNS);
    if let Some(status) = fields.get("status") {
        let stage = rules.stage(ModuleId::Registrations, status, STAGES);
        put(&mut fields, "stage", Some(stage));
    }
    let paid_in_full = paid_in_full(&fields);
    put(&mut fields, "paid_in_full", paid_in_full);
    // The list tells none, and the country of an event is not the currency of its invoices.
    put(&mut fields, "currency", rules.currency.as_deref().map(Value::text));
    put(&mut fields, "event", Some(event.reference()));
    put(&mut fields, "name", name(row, event));
    if let Some(completed) = row.get("completedDate") {
        let starts = || event.start.map_or(Value::Null, |start| Value::Text(loose::day(start)));
        let day = loose::noted(loose::as_day(completed), completed);
        put(&mut fields, "close_date", day.map(|day| if day.is_empty() { starts() } else { day }));
    }
    Some(Record { id, fields, modified: fields::stamp(row, "modifiedDate"), ..Record::default() })
}

/// What the row says its event is called; empty if it does not.
fn told_title(row: &Json) -> Cow<'_, str> {
    fields::text(row, "eventName")
}

/// Event and person as one line, of whichever is told.
fn name(row: &Json, event: &Event) -> Option<Value> {
    let told = told_title(row);
    let title = if told.is_empty() { event.title.as_deref().unwrap_or_default().trim() } else { told.as_ref() };
    let person = fields::person(row);
    let pieces: Vec<&str> = [title, person.as_str()].into_iter().filter(|piece| !piece.is_empty()).collect();
    (!pieces.is_empty()).then(|| Value::Text(pieces.join(" – ")))
}

/// Whether what was paid is what it costs, or more (V-47). What costs nothing is paid; what is owed back,
/// because an invoice was credited, is not owed by them. Empty while either amount is.
fn paid_in_full(fields: &Fields) -> Option<Value> {
    let (cost, paid) = (fields.get("amount")?, fields.get("paid")?);
    let amount = |value: &Value| loose::ten_thousandths(value.as_text()?);
    Some(amount(paid).zip(amount(cost)).map_or(Value::Null, |(paid, cost)| Value::Bool(paid >= cost)))
}
