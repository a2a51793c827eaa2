//! Events and who was invited (contract 11).

use serde_json::{Value, json};

use super::super::actions::{Action, Context};
use super::super::answer::{Refusal, parse_stamp, suffixed};
use super::super::listing::Scope;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property};
use super::super::params::Params;
use super::super::row::Row;
use super::super::world::{World, Write};
use super::registration::{CANCELLED, DELETED};
use crate::sim::ledger::By;

pub(in super::super) static EVENT: Object = Object {
    name: "event",
    first_id: 2_401,
    fields: &[&[
        Field::of("id", Kind::Id).look(Look::Text).single(Look::Plain),
        Field::text("code"),
        Field::of("eventType", Kind::Code(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])),
        Field::text("title"),
        Field::text("domainName"),
        Field::of("startDateTime", Kind::Stamp),
        Field::of("endDateTime", Kind::Stamp).look(Look::Utc),
        Field::shown("numRegistered", |row, world| json!(registered(row, world).to_string())),
        Field::of("currentStatus", Kind::Code(&[0, 1, 3])).single(Look::Text),
        Field::text("contactEmail"),
        Field::text("contactName").only_single(),
        Field::text("websiteUrl"),
        Field::text("websiteTemplateBannerImageUrl").look(Look::OrNull),
        Field::of("eventTags", Kind::Items),
        Field::html("description").only_single(),
        Field::of("capacity", Kind::Whole).look(Look::Text),
        Field::text("timezone").only_single(),
        Field::of("modifiedDate", Kind::Modified).single(Look::Absent),
    ]],
    filters: &[
        Property::From("afterDate", "startDateTime"),
        Property::To("beforeDate", "endDateTime"),
        Property::Among("status", "currentStatus"),
    ],
    codes: Codes { missing: 24097, ..PLAIN.codes },
    ..PLAIN
};

/// An invitation has no id of its own to the outside; event and contact tell which it is.
pub(in super::super) static INVITATION: Object = Object {
    name: "invitation",
    first_id: 71_001,
    fields: &[&[
        Field::of("eventId", Kind::Link("event")).look(Look::Text),
        Field::of("contactId", Kind::Link("contact")),
        Field::shown("firstName", |row, world| of_contact(row, world, "firstName")),
        Field::shown("lastName", |row, world| of_contact(row, world, "lastName")),
        Field::shown("email", |row, world| of_contact(row, world, "email")),
        Field::shown("phone", |row, world| of_contact(row, world, "phone")),
        Field::of("response", Kind::Word(&["U", "Y", "N"])),
        Field::of("registrationId", Kind::Whole),
        Field::of("modifiedDate", Kind::Modified),
    ]],
    // Accepts a filter, and no page says which.
    filters: &[Property::Inferred("modifiedDate"), Property::Inferred("contactId")],
    ..PLAIN
};

/// What getEventList can be asked to include. Nothing of it is kept here.
const INCLUDES: &[&str] =
    &["includeVenueDetails", "includeTicketDetails", "includeInformationDetails", "includeHomepageContent"];

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("event", "getEventList", &EVENT)
        .requiring(&["perPage"])
        .taking(INCLUDES)
        .sorted_by(&[("startDate", "startDateTime")]),
    Action::read("event", "getEvent", &EVENT),
    Action::list("event", "getInvitedContactList", &INVITATION).within(Scope::needed("eventId", "event", 24097)),
    Action::call("event", "inviteContacts", invite).about(&INVITATION),
];

/// Invites contacts, each for itself; one invited already stays as it is.
fn invite(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    params.require(&["event", "contacts"])?;
    if context.settings.strict_params {
        params.only(&["event", "contacts"])?;
    }
    let event = params.whole("event")?.ok_or_else(|| Refusal::required("event"))?;
    let contacts = params.ids("contacts")?.ok_or_else(|| Refusal::required("contacts"))?;
    let Some(code) = context.world.get("event", event).map(|event| event.text("code").to_owned()) else {
        return Err(EVENT.missing());
    };
    let mut results = Vec::with_capacity(contacts.len());
    for contact in contacts {
        if context.world.get("contact", contact).is_none() {
            results.push(json!({"contact": contact, "status": false}));
            continue;
        }
        let invited = |row: &&Row| row.holds("eventId", event) && row.holds("contactId", contact);
        if context.world.table("invitation").live().find(invited).is_none() {
            let row = Row::default().with("eventId", event).with("contactId", contact).with("response", "U");
            let fields = vec!["contactId".into(), "eventId".into()];
            context.world.commit(&INVITATION, row, Write { by: By::Api, now: context.now, fields, silent: false });
        }
        let mut result = json!({"contact": contact, "status": true});
        result["inviteLinkYes"] = link(&code, contact, "yes");
        result["inviteLinkNo"] = link(&code, contact, "no");
        results.push(result);
    }
    Ok(json!({ "results": results }))
}

fn link(code: &str, contact: u64, answer: &str) -> Value {
    json!(format!("https://{code}.ivvy.example/invite/{contact}/{answer}"))
}

/// A text of the invited contact, as it is now.
fn of_contact(row: &Row, world: &World, name: &str) -> Value {
    json!(world.linked("contact", row, "contactId").map(|contact| contact.text(name)).unwrap_or_default())
}

/// Registrations that count.
fn registered(event: &Row, world: &World) -> usize {
    let counts = |row: &&Row| {
        row.holds("eventId", event.id) && !row.whole("currentStatus").is_some_and(|s| [CANCELLED, DELETED].contains(&s))
    };
    world.table("registration").live().filter(counts).count()
}

/// When an event begins, as a contact's lists tell it.
fn begin(event: &Row) -> Value {
    json!(parse_stamp(event.text("startDateTime")).map(suffixed))
}

/// `eventInvitations` of a contact.
pub(super) fn invitations_of(contact: &Row, world: &World) -> Value {
    let own = world.table("invitation").live().filter(|row| row.holds("contactId", contact.id));
    let shown = own.filter_map(|row| {
        let event = world.linked("event", row, "eventId")?;
        Some(json!({
            "eventId": event.id,
            "eventCode": event.text("code"),
            "eventStartDateTime": begin(event),
            "inviteLinkYes": link(event.text("code"), contact.id, "yes"),
            "inviteLinkNo": link(event.text("code"), contact.id, "no"),
            "response": row.text("response"),
        }))
    });
    shown.collect()
}

/// `eventRegistrations` of a contact.
pub(super) fn registrations_of(contact: &Row, world: &World) -> Value {
    let own = world.table("registration").live().filter(|row| row.holds("mainContactId", contact.id));
    let shown = own.filter_map(|row| {
        let event = world.linked("event", row, "eventId")?;
        let attendees = world.table("attendee").live().filter(|attendee| attendee.holds("registrationId", row.id));
        Some(json!({
            "eventId": event.id,
            "eventCode": event.text("code"),
            "eventStartDateTime": begin(event),
            "registrationId": row.id.to_string(),
            "currentStatus": row.get("currentStatus"),
            "confirmedDate": row.text("completedDate"),
            "isPaymentWaiting": u8::from(row.whole("currentStatus") == Some(4)),
            "attendeeCount": attendees.count(),
            "guestDetails": [],
            "invoices": [],
        }))
    });
    shown.collect()
}
