//! Attendees before the simulated account (V-60 to V-67, `contracts/ivvy.md` 11).

use super::account::{Account, start};
use super::*;
use crate::sim::ivvy as sim;

struct Party {
    account: Account,
    event: u64,
    contact: u64,
}

/// An event that ends so many days from now, and a contact.
fn party(ends_in: i64) -> Party {
    let account = Account::new();
    let end = Timestamp::from_millis(start().millis() + ends_in * 86_400_000);
    let event = account.add("event", json!({"title": "Gala", "endDateTime": client::stamp(end)}));
    let contact = account.add("contact", json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co"}));
    Party { account, event, contact }
}

impl Party {
    fn invite(&self, response: &str, registration: Json) {
        let row = json!({"eventId": self.event, "contactId": self.contact, "response": response, "registrationId": registration});
        self.account.add("invitation", row);
    }

    /// A ticket of a registration in that status.
    fn seat(&self, status: u64, attended: bool) {
        let registration = self.account.add("registration", json!({"eventId": self.event, "currentStatus": status}));
        self.account.add(
            "attendee",
            json!({"eventId": self.event, "registrationId": registration, "contactId": self.contact,
            "firstName": "Old", "lastName": "Name", "email": "old@b.co", "hasAttended": attended}),
        );
    }

    async fn status(&self) -> Option<String> {
        let records = self.account.all(ModuleId::Attendees).await;
        assert!(records.len() < 2, "one member for each person");
        records.first().map(|record| record.fields["status"].to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn invitation_and_ticket_are_one_member_v64() {
    let party = party(5);
    party.invite("Y", Json::Null);
    party.seat(2, false);
    let record = party.account.all(ModuleId::Attendees).await.remove(0);
    assert_eq!(record.id.to_string(), format!("{}-{}", party.event, party.contact));
    let expected = fields(&[
        ("event", party.event.to_string().as_str().into()),
        ("contact", party.contact.to_string().as_str().into()),
        ("name", "Zoë Łukasz".into()),
        ("email", "z@b.co".into()),
        ("status", "registered".into()),
        ("invited", Value::Bool(true)),
    ]);
    assert_eq!(record.fields, expected, "the contact as it is now, not as the ticket has it");
    assert_eq!(party.account.found(ModuleId::Attendees, &record.id).await, record);
    assert!(party.account.misses(ModuleId::Attendees, format!("{}-1", party.event)).await);
    assert!(party.account.misses(ModuleId::Attendees, "4711-1").await);
    let error = party.account.ivvy.get(ModuleId::Attendees, &"x-1".into()).await.unwrap_err();
    assert_eq!(error.class, Class::Rejected);
}

#[tokio::test(start_paused = true)]
async fn the_status_is_the_furthest_they_have_come_v63_v65_v66() {
    /// Days to the event's end, answer, registration of the invitation, tickets, status.
    type Case = (i64, Option<&'static str>, bool, &'static [(u64, bool)], Option<&'static str>);
    let cases: &[Case] = &[
        (5, Some("U"), false, &[], Some("invited")),
        (5, Some("Y"), false, &[], Some("accepted")),
        (-5, Some("Y"), false, &[], Some("accepted")),
        (5, Some("N"), false, &[], Some("declined")),
        (5, Some("N"), true, &[], Some("registered")),
        (5, None, false, &[(1, false)], Some("registered")),
        (5, None, false, &[(77, false)], Some("registered")),
        (-5, None, false, &[(2, false)], Some("no_show")),
        (-5, None, false, &[(2, false), (2, true)], Some("attended")),
        (5, Some("Y"), true, &[(3, false)], Some("accepted")),
        (-5, Some("Y"), false, &[(5, false)], Some("accepted")),
        (5, None, false, &[(3, false), (2, false)], Some("registered")),
        (5, None, false, &[(3, false)], None),
    ];
    for (ends_in, response, registration, seats, expected) in cases {
        let party = party(*ends_in);
        if let Some(response) = response {
            party.invite(response, if *registration { json!(30_001) } else { Json::Null });
        }
        for (status, attended) in *seats {
            party.seat(*status, *attended);
        }
        let status = party.status().await;
        assert_eq!(status.as_deref(), *expected, "{ends_in} {response:?} {registration} {seats:?}");
    }
}

#[tokio::test]
async fn sessions_and_strange_answers_are_told_apart_v65_v66() {
    let list = |rows: Json| ok(json!({"meta": {"totalResults": rows.as_array().unwrap().len()}, "results": rows}));
    let event = json!([{"id": "9", "title": "Gala", "endDateTime": "2099-01-01 00:00:00 UTC"}]);
    let invited = json!([{"contactId": "5", "response": "X"}, {"contactId": 6, "response": null}]);
    let seats = json!([
        {"id": 1, "contactId": 7, "hasAttended": 0, "sessionHasAttended": "1", "registrationStatus": "2"},
        {"id": 2, "contactId": "0", "firstName": "Gäst", "lastName": "", "email": " A@b.co"},
        {"id": 3, "contactId": null, "firstName": "gäst ", "email": "a@B.co"},
        {"id": 4, "contactId": "", "firstName": "", "lastName": null}
    ]);
    let (ivvy, script) = ivvy([list(event), list(invited), list(seats)]);
    let page = ivvy.list(ModuleId::Attendees, &PageRequest::default()).await.unwrap();
    let told: Vec<(String, String)> =
        page.records.iter().map(|record| (record.id.to_string(), record.fields["status"].to_string())).collect();
    let told: Vec<(&str, &str)> = told.iter().map(|(id, status)| (id.as_str(), status.as_str())).collect();
    let expected =
        [("9-5", "response X"), ("9-6", "invited"), ("9-7", "session_attended"), ("9-xedee5237da8474b8", "registered")];
    assert_eq!(told, expected, "one person without a contact, spelled twice; a seat without a name is nobody");
    assert_eq!(page.records[3].fields["contact"], Value::Null);
    assert_eq!(script.bodies()[1], json!({"eventId": 9, "perPage": 100, "start": 0}));
    assert_eq!(page.next, None);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_one_page_read_whole_and_old_ones_taper_off_v62() {
    let party = party(-20);
    let open = party.account.add("event", json!({"title": "Open"}));
    for (event, number) in (0..250).map(|number| (if number < 150 { open } else { party.event }, number)) {
        party.account.add("attendee", json!({"eventId": event, "contactId": 1_000 + number, "lastName": number}));
    }
    let (records, pages) = party.account.sweep(ModuleId::Attendees, None).await.unwrap();
    assert_eq!((records.len(), pages), (250, 2));
    let hour = Some(start().minus(Duration::from_secs(3_600)));
    assert_eq!(party.account.sweep(ModuleId::Attendees, hour).await.unwrap().0.len(), 150, "over for 20 days");
    let week = Some(start().minus(Duration::from_secs(7 * 86_400)));
    assert_eq!(party.account.sweep(ModuleId::Attendees, week).await.unwrap().0.len(), 250, "13 days before that");
    party.account.forbids("attendee", ModuleId::Attendees).await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_move_while_an_event_is_read_are_a_shift_v62() {
    let account = Account::with(sim::Settings { order: sim::Order::Shuffled, ..sim::Settings::default() }, None);
    let event = account.add("event", json!({"title": "Open"}));
    for number in 0..150 {
        account.add("attendee", json!({"eventId": event, "contactId": 1_000 + number, "lastName": number}));
    }
    let error = account.ivvy.list(ModuleId::Attendees, &PageRequest::default()).await.unwrap_err();
    assert_eq!(error.class, Class::Shifted);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_event_moves_the_stamp_of_those_who_did_not_come_v66() {
    let party = party(1);
    party.seat(2, false);
    let before = party.account.all(ModuleId::Attendees).await.remove(0);
    tokio::time::advance(Duration::from_secs(2 * 86_400)).await;
    let after = party.account.all(ModuleId::Attendees).await.remove(0);
    assert_eq!(
        (before.fields["status"].to_string(), after.fields["status"].to_string()),
        ("registered".into(), "no_show".into())
    );
    assert!(after.modified > before.modified, "so that a listing alone proves the newer one");
}
