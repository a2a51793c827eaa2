//! Venues and their bookings, quotes among them (contract 12). This simulator offers no write of either.

use serde_json::{Value, json};

use super::super::actions::Action;
use super::super::answer::plain;
use super::super::listing::Scope;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property};
use super::super::row::Row;
use super::super::world::World;
use super::lead::named;
use super::{links, long_ago};

pub(in super::super) static VENUE: Object = Object {
    name: "venue",
    first_id: 11,
    fields: &[&[
        Field::of("id", Kind::Id).look(Look::Text),
        Field::text("businessName"),
        Field::text("timezone"),
        Field::text("currencyCode"),
    ]],
    ..PLAIN
};

/// 1 prospective (a quote), 2 tentative, 3 confirmed, 4 cancelled, 5 ordering, 6 and 8 not accepted (the
/// sources disagree), 9 prospective hold.
const STATUSES: &[u64] = &[1, 2, 3, 4, 5, 6, 8, 9];

pub(in super::super) static BOOKING: Object = Object {
    name: "booking",
    first_id: 120_001,
    fields: &[&[
        Field::of("id", Kind::Id).single(Look::Text),
        Field::of("venueId", Kind::Link("venue")),
        Field::of("leadId", Kind::Link("opportunity")).single(Look::Absent),
        Field::shown("opportunityId", |row, _| row.get("leadId").clone()).only_single(),
        Field::text("code"),
        Field::text("name"),
        Field::text("eventType"),
        Field::of("eventTypeId", Kind::Whole).look(Look::Text),
        Field::of("eventSubTypeId", Kind::Whole),
        Field::of("companyId", Kind::Link("company")),
        Field::shown("company", |row, world| {
            let shown = |company: &Row| json!({"id": company.id, "businessName": company.text("businessName")});
            world.linked("company", row, "companyId").map_or(Value::Null, shown)
        }),
        Field::of("contactId", Kind::Link("contact")).look(Look::Text),
        Field::shown("contact", |row, world| {
            world.linked("contact", row, "contactId").map_or(Value::Null, Row::person)
        }),
        Field::of("isConfidential", Kind::Flag).look(Look::Bit),
        Field::of("currentStatus", Kind::Code(STATUSES)).single(Look::Text),
        Field::of("totalAmount", Kind::Amount).look(Look::Text).single(Look::Plain),
        Field::of("totalTaxAmount", Kind::Amount),
        Field::of("amountOutstanding", Kind::Amount),
        Field::shown("accountTimezone", |_, _| json!("Australia/Brisbane")),
        Field::shown("venueTimezone", |row, world| named(row, world, "venue", "venueId", "timezone")),
        Field::of("createdDate", Kind::Created).look(Look::Utc),
        Field::of("modifiedDate", Kind::Modified).single(Look::Utc),
        Field::shown("lastModifiedDate", |row, _| json!(plain(row.modified))),
        Field::of("bookingType", Kind::Code(&[1, 3, 4])),
        Field::of("dateEventStart", Kind::Date),
        Field::of("dateEventEnd", Kind::Date),
        Field::of("convertedToTentative", Kind::Stamp),
        Field::of("convertedToConfirmed", Kind::Stamp).look(Look::Utc),
        Field::of("convertedToCancelled", Kind::Stamp).look(Look::OrNull),
        Field::of("isAccommIncluded", Kind::Flag),
        Field::of("dateAccomStart", Kind::Date).look(Look::OrNull),
        Field::of("dateAccomEnd", Kind::Date).look(Look::OrNull),
        Field::of("focRoomsDenominator", Kind::Whole),
        Field::of("maxNumFocRoomsPerDay", Kind::Whole),
        Field::of("hasPackages", Kind::Flag).look(Look::Bit).single(Look::Plain),
        Field::of("decisionDate", Kind::Date),
        Field::of("canBeMoved", Kind::Flag),
        Field::of("bookedById", Kind::Link("user")),
        Field::of("beoNumbers", Kind::Items),
        Field::of("isBeoFinalised", Kind::Flag).look(Look::Bit),
        Field::of("beoFinalisedDate", Kind::Stamp),
        Field::text("otaFolioRef").look(Look::OrNull),
        Field::shown("salesPersonUser", person).only_single(),
        Field::shown("bookedByUser", person).only_single(),
        Field::shown("leadBccEmail", |_, _| Value::Null).only_single(),
        Field::of("totalAttendees", Kind::Whole).look(Look::Text).only_single(),
        Field::shown("dailyRevenue", |_, _| json!([])).only_single(),
        Field::shown("packages", |_, _| json!([])).only_single(),
        Field::shown("sessions", |_, _| json!([])).only_single(),
        Field::of("externalUrls", Kind::Own(links::take, links::show)).only_single(),
    ]],
    filters: &[
        Property::From("modifiedDateAfter", "modifiedDate"),
        Property::To("modifiedDateBefore", "modifiedDate"),
        Property::Field("code"),
    ],
    codes: Codes { missing: 23026, ..PLAIN.codes },
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("venue", "getVenueList", &VENUE),
    Action::list("venue", "getBookingListForAccount", &BOOKING).requiring(&["perPage"]).omitting(&["lastModifiedDate"]),
    Action::list("venue", "getBookingList", &BOOKING)
        .requiring(&["perPage"])
        .within(Scope::needed("venueId", "venue", 23016))
        .filtered_by(&[Property::Linked("companyId", "companyId"), Property::Linked("contactId", "contactId")]),
    Action::read("venue", "getBooking", &BOOKING).within(Scope::optional("venueId", "venue", 23016)),
];

/// Whoever booked also sells.
fn person(row: &Row, world: &World) -> Value {
    world.linked("user", row, "bookedById").map_or(Value::Null, Row::person)
}

pub(super) fn furnish(world: &mut World) {
    for (id, name, timezone, currency) in [
        (1, "Harbour House", "Australia/Sydney", "AUD"),
        (2, "Pałac Młyński", "Europe/Warsaw", "PLN"),
        (3, "神戸ガーデン", "Asia/Tokyo", "JPY"),
    ] {
        let venue =
            Row::numbered(id).with("businessName", name).with("timezone", timezone).with("currencyCode", currency);
        world.seed(&VENUE, venue, long_ago());
    }
}
