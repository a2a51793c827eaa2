//! Attendees: the union of an event's invited and registered people → records (V-60 to V-67,
//! `contracts/ivvy.md` 11).
//!
//! Both lists come without ids that would name a person of an event, so a record is made of everything
//! that is told of one (event, contact). Neither list has a dependable filter: each event is read whole.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use sha1::{Digest as _, Sha1};

use super::action::Action;
use super::events::{self, Event};
use super::fields::{self, put};
use super::listing::Query;
use super::module::Module;
use super::per_event::{Walk, vanished};
use super::{Answered, Ivvy, answer, loose, number_or_text};
use crate::model::{Fields, ModuleId, Record, RecordId, Timestamp, Value};
use crate::remote::{Class, Page, PageRequest, Read, RemoteError, Sent};

const INVITED: Action = Action::read("event", "getInvitedContactList").missing("24097");
const ATTENDING: Action = Action::read("event", "getAttendeeList").missing("24210");

/// Answers and attendance are still entered this long after an event (V-62).
const GRACE: Duration = Duration::from_secs(14 * 24 * 3600);
/// `registrationStatus` of registrations that are none any more: cancelled, deleted.
const OVER: [i64; 2] = [3, 5];

/// Attendees, as iVvy has them.
pub(super) struct Attendees;

impl Module for Attendees {
    fn id(&self) -> ModuleId {
        ModuleId::Attendees
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        Box::pin(list(ivvy, request))
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(get(ivvy, id))
    }
}

/// Everybody of one event.
async fn list(ivvy: &Ivvy, request: &PageRequest) -> Result<Page, RemoteError> {
    let walk = Walk::resume(ivvy, &ATTENDING, request, GRACE).await?;
    let Some((event, _)) = walk.turn() else {
        return Ok(Page { total: Some(0), server_time: walk.listed_at, ..Page::default() });
    };
    let (records, read_at) = union(ivvy, event).await.map_err(|error| vanished(&ATTENDING, error))?;
    let server_time = walk.listed_at.or(read_at);
    Ok(Page { records, next: walk.next(&ATTENDING, None)?, total: None, server_time })
}

async fn get(ivvy: &Ivvy, id: &RecordId) -> Result<Read, RemoteError> {
    let event = id.as_str().split_once('-').map(|(event, _)| RecordId(event.to_owned()));
    let Some(event) = event.filter(|event| event.as_str().parse::<i64>().is_ok()) else {
        return Err(answer::failure(&ATTENDING, Class::Rejected, Sent::No, "the id is not an attendee's"));
    };
    let Some(event) = events::one(ivvy, &event).await? else { return Ok(Read::Missing) };
    match union(ivvy, &event).await {
        Ok((records, _)) => {
            let found = records.into_iter().find(|record| record.id == *id);
            Ok(found.map_or(Read::Missing, |record| Read::Found(Box::new(record))))
        }
        Err(error) if error.class == Class::Missing => Ok(Read::Missing),
        Err(error) => Err(error),
    }
}

/// Everybody invited to or registered for `event`, by id, and the server's time.
async fn union(ivvy: &Ivvy, event: &Event) -> Result<(Vec<Record>, Option<Timestamp>), RemoteError> {
    let id = number_or_text(event.id.as_str());
    let (invited, read_at) = ivvy.all_rows(&Query::new(INVITED).param("eventId", id.clone()).keyed_by(guest)).await?;
    let (seats, _) = ivvy.all_rows(&Query::new(ATTENDING).param("eventId", id)).await?;
    // Whoever one list names with a contact and the other without is one person.
    let known: BTreeMap<[String; 3], RecordId> =
        invited.iter().chain(&seats).filter_map(|row| Some((triple(row)?, contact(row)?))).collect();
    let who =
        |row: &Json| triple(row).filter(|_| contact(row).is_none()).and_then(|triple| known.get(&triple).cloned());
    let mut people = BTreeMap::<RecordId, Person>::new();
    for row in &invited {
        if let Some(who) = who(row).or_else(|| guest(row)) {
            people.entry(who).or_default().invite(row);
        }
    }
    for row in &seats {
        // A seat that nobody has been named for is nobody.
        if let Some(who) = who(row).or_else(|| guest(row)) {
            people.entry(who).or_default().seat(row);
        }
    }
    let now = ivvy.clock.now();
    Ok((people.into_iter().filter_map(|(who, person)| person.record(&who, event, now)).collect(), read_at))
}

/// Who a row is about, within its event: the contact, or a hash of first name, last name and e-mail.
/// Nothing if it names nobody.
fn guest(row: &Json) -> Option<RecordId> {
    if let Some(contact) = contact(row) {
        return Some(contact);
    }
    // Part of ids that a CRM keeps: it must never change.
    let digest = Sha1::digest(triple(row)?.join("\u{1f}").as_bytes());
    Some(RecordId(format!("x{}", data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default()))))
}

fn contact(row: &Json) -> Option<RecordId> {
    row.get("contactId").and_then(loose::as_id)
}

/// First name, last name and e-mail, if any is told.
fn triple(row: &Json) -> Option<[String; 3]> {
    let triple = ["firstName", "lastName", "email"].map(|property| fields::text(row, property).to_lowercase());
    triple.iter().any(|text| !text.is_empty()).then_some(triple)
}

/// Everything told of one person at one event.
#[derive(Debug, Default)]
struct Person {
    contact: Option<RecordId>,
    name: String,
    email: Option<Value>,
    invited: bool,
    /// The answer to the invitation, as iVvy spells it.
    response: String,
    /// The invitation says that they registered.
    registration: bool,
    seats: usize,
    /// Seats whose registration was not cancelled or deleted.
    live_seats: usize,
    attended: bool,
    session_attended: bool,
    modified: Option<Timestamp>,
}

impl Person {
    fn invite(&mut self, row: &Json) {
        self.invited = true;
        self.response = fields::text(row, "response").to_uppercase();
        self.registration |= row.get("registrationId").and_then(loose::as_id).is_some();
        self.described(row);
    }

    fn seat(&mut self, row: &Json) {
        let flag = |property: &str| row.get(property).and_then(loose::as_flag).unwrap_or_default();
        let over = row.get("registrationStatus").and_then(loose::as_int).is_some_and(|status| OVER.contains(&status));
        self.seats += 1;
        self.live_seats += usize::from(!over);
        self.attended |= flag("hasAttended");
        self.session_attended |= flag("sessionHasAttended");
        self.described(row);
    }

    /// The invitation comes first and shows the contact as it is now; a ticket only as it was.
    fn described(&mut self, row: &Json) {
        self.contact = self.contact.take().or_else(|| contact(row));
        if self.name.is_empty() {
            self.name = fields::person(row);
        }
        if self.email.as_ref().is_none_or(Value::is_empty)
            && let Some(email) = row.get("email").and_then(loose::as_text)
        {
            self.email = Some(email);
        }
        self.modified = self.modified.max(fields::stamp(row, "modifiedDate"));
    }

    /// The furthest they have come. Nothing for somebody whose registrations are all cancelled and who was
    /// never invited: no word stands for that, and they are not part of the event any more.
    fn status(&self, over: bool) -> Option<String> {
        let registered = self.live_seats > 0 || self.registration && self.seats == 0;
        let word = match self.response.as_str() {
            _ if self.attended => "attended",
            _ if self.session_attended => "session_attended",
            _ if registered && over => "no_show",
            _ if registered => "registered",
            _ if !self.invited => return None,
            "" | "U" => "invited",
            "Y" => "accepted",
            "N" => "declined",
            // An answer we do not know is data, not an error (V-65).
            other => return Some(format!("response {other}")),
        };
        Some(word.to_owned())
    }

    fn record(self, who: &RecordId, event: &Event, now: Timestamp) -> Option<Record> {
        let ended = event.end.filter(|end| *end < now);
        let status = self.status(ended.is_some())?;
        let mut fields = Fields::new();
        put(&mut fields, "event", Some(event.reference()));
        put(&mut fields, "contact", Some(self.contact.map_or(Value::Null, |contact| Value::Text(contact.0))));
        put(&mut fields, "name", Some(Value::Text(self.name)));
        put(&mut fields, "email", self.email);
        put(&mut fields, "status", Some(Value::Text(status)));
        put(&mut fields, "invited", Some(Value::Bool(self.invited)));
        // The end of the event changes people too: those who did not come.
        let modified = self.modified.max(ended);
        Some(Record { id: RecordId(format!("{}-{who}", event.id)), fields, modified, ..Record::default() })
    }
}
