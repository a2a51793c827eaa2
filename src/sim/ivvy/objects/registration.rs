//! Registrations for events and the people who attend (contract 11). No action writes them.

use serde_json::{Value, json};

use super::super::actions::Action;
use super::super::answer::{loose_text, suffixed};
use super::super::listing::Scope;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property};
use super::super::params::Form;
use super::super::row::Row;
use super::super::world::World;
use super::lead::named;

/// 1 in progress, 2 completed, 3 cancelled, 4 payment, 5 deleted, 6 checkout, 7 incomplete.
const STATUSES: &[u64] = &[1, 2, CANCELLED, 4, DELETED, 6, 7];
pub(super) const CANCELLED: u64 = 3;
pub(super) const DELETED: u64 = 5;

pub(in super::super) static REGISTRATION: Object = Object {
    name: "registration",
    first_id: 30_001,
    fields: &[&[
        Field::of("id", Kind::Id).single(Look::Text),
        Field::of("eventId", Kind::Link("event")).look(Look::Text),
        Field::shown("eventName", |row, world| named(row, world, "event", "eventId", "title")),
        Field::of("currentStatus", Kind::Code(STATUSES)).single(Look::Text),
        Field::of("isExhibitor", Kind::Flag).look(Look::Bit).single(Look::Plain),
        Field::of("completedDate", Kind::Stamp),
        Field::of("mainContactId", Kind::Link("contact")),
        Field::text("firstName"),
        Field::text("lastName"),
        Field::text("phone").look(Look::Digits),
        Field::shown("privacyConsentData", consent),
        Field::of("invoiceTotalCost", Kind::Amount).look(Look::Text).single(Look::Plain),
        Field::of("invoiceTotalPaid", Kind::Amount),
        Field::of("createdDate", Kind::Created).look(Look::Utc),
        Field::of("modifiedDate", Kind::Modified).single(Look::Utc),
    ]],
    filters: &[Property::Field("modifiedDate")],
    codes: Codes { missing: 24209, ..PLAIN.codes },
    ..PLAIN
};

pub(in super::super) static ATTENDEE: Object = Object {
    name: "attendee",
    first_id: 80_001,
    fields: &[&[
        Field::of("id", Kind::Id),
        Field::of("eventId", Kind::Link("event")).look(Look::Absent),
        Field::of("registrationId", Kind::Link("registration")).only_single(),
        Field::shown("registrationStatus", |row, world| {
            let registration = world.linked("registration", row, "registrationId");
            registration.map_or(Value::Null, |registration| registration.get("currentStatus").clone())
        }),
        Field::of("contactId", Kind::Whole).look(Look::Text),
        Field::text("ticketTitle"),
        Field::text("firstName"),
        Field::text("lastName"),
        Field::of("email", Kind::Text(Form::MaybeEmail)),
        Field::shown("privacyConsentData", consent),
        Field::of("hasAttended", Kind::Flag).look(Look::Bit),
        Field::shown("sessionHasAttended", |row, _| json!(row.flag("hasAttended"))),
        Field::of("isPublic", Kind::Flag),
        Field::shown("barcode", |row, _| loose_text(&(4_000_000_000 + row.id).to_string())),
        Field::shown("barcodeUrl", |row, _| json!(format!("https://ivvy.example/barcode/{}.png", row.id))),
        Field::shown("ticketUrl", |row, _| json!(format!("https://ivvy.example/ticket/{}", row.id))),
        Field::of("attendedDatetime", Kind::Stamp),
        Field::shown("sessionAttendedTimestamp", |row, _| json!(row.text("attendedDatetime"))),
        Field::of("cost", Kind::Amount).look(Look::Text),
        Field::of("customFields", Kind::Items),
        Field::shown("sessions", |row, _| {
            json!([{
                "sessionId": "2447",
                "sessionName": "Opening",
                "isOptional": 0,
                "hasAttended": row.flag("hasAttended"),
                "attendedDatetime": row.text("attendedDatetime"),
                "isSessionReserved": true,
            }])
        }),
        Field::of("createdDate", Kind::Created).look(Look::Utc),
        Field::of("modifiedDate", Kind::Modified),
    ]],
    codes: Codes { missing: 24213, ..PLAIN.codes },
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("event", "getRegistrationList", &REGISTRATION)
        .requiring(&["perPage", "start"])
        .within(Scope::needed("eventId", "event", 24206))
        .capped(),
    Action::read("event", "getRegistration", &REGISTRATION).within(Scope::needed("eventId", "event", 24207)),
    Action::list("event", "getAttendeeList", &ATTENDEE)
        .requiring(&["perPage", "start"])
        .within(Scope::needed("eventId", "event", 24210))
        .capped(),
    Action::read("event", "getAttendee", &ATTENDEE).within(Scope::needed("eventId", "event", 24211)),
];

/// Consent came with the registration, on the event's website.
fn consent(row: &Row, _: &World) -> Value {
    json!({"source": 4, "dateTime": suffixed(row.created)})
}
