//! Events, invitations, registrations, attendees (contract 11); venues and bookings (12).

use serde_json::json;

use super::*;
use crate::sim::ledger::Op;

fn party() -> (Bench, u64, u64) {
    let bench = Bench::new(Settings::default());
    let contact = bench.add("contact", json!({"firstName": "さくら", "lastName": "山田", "email": "s@b.co"}));
    let event = bench.add(
        "event",
        json!({"code": "SOMMER", "title": "Sommerfest", "currentStatus": 3, "eventType": 1,
        "startDateTime": "2024-06-01 18:00:00", "endDateTime": "2024-06-02 01:00:00", "capacity": 80,
        "timezone": "Europe/Berlin"}),
    );
    (bench, contact, event)
}

#[tokio::test(start_paused = true)]
async fn events_are_filtered_by_their_own_dates_and_sorted_by_start_11() {
    let (bench, _, summer) = party();
    let winter = bench.add(
        "event",
        json!({"code": "W", "title": "Ball", "currentStatus": 0,
        "startDateTime": "2024-01-01 18:00:00", "endDateTime": "2024-01-02 01:00:00"}),
    );
    for (more, ids) in [
        (json!({}), vec![summer, winter]),
        (json!({"orderBy": "startDate", "orderDir": "asc"}), vec![winter, summer]),
        (json!({"orderBy": "startDate", "orderDir": "desc"}), vec![summer, winter]),
        (json!({"filter": {"afterDate": "2024-05-01 00:00:00"}}), vec![summer]),
        (json!({"filter": {"beforeDate": "2024-05-01 00:00:00"}}), vec![winter]),
        (json!({"filter": {"status": [1, 3]}}), vec![summer]),
        (json!({"includeVenueDetails": true}), vec![summer, winter]),
    ] {
        let rows = bench.rows("event/getEventList", more.clone()).await;
        let found: Vec<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, ids.iter().map(u64::to_string).collect::<Vec<_>>(), "{more}");
    }
    let row = bench.rows("event/getEventList", json!({})).await.remove(0);
    assert_eq!((&row["numRegistered"], &row["capacity"]), (&json!("0"), &json!("80")));
    assert_eq!(row["startDateTime"], "2024-06-01 18:00:00");
    assert_eq!(row["endDateTime"], "2024-06-02 01:00:00 UTC");
    assert_eq!(row["modifiedDate"], "2024-03-11 00:00:45");
    let single = bench.ok("event/getEvent", json!({"id": summer})).await;
    assert_eq!((&single["timezone"], single.get("modifiedDate")), (&json!("Europe/Berlin"), None));
    for (action, wrong, code) in [
        ("event/getEventList", json!({"start": 0}), 23017),
        ("event/getEventList", json!({"perPage": 9, "filter": {"modifiedDate": "2024-05-01 00:00:00"}}), 23016),
        ("event/getEventList", json!({"perPage": 9, "filter": {"status": 3}}), 23016),
        ("event/getEventList", json!({"perPage": 9, "orderBy": "title"}), 23016),
        ("event/getEvent", json!({"id": 1}), 24097),
        ("event/getEvent", json!({}), 23017),
    ] {
        assert_eq!(bench.refused(action, wrong.clone()).await, (400, code), "{action} {wrong}");
    }
    assert_eq!(bench.refused("event/addOrUpdateEvent", json!({"title": "x"})).await, (404, 0), "read only");
}

#[tokio::test(start_paused = true)]
async fn registrations_and_attendees_are_read_event_by_event_11() {
    let (bench, contact, event) = party();
    let other = bench.add("event", json!({"code": "O", "title": "Other"}));
    let mut ids = Vec::new();
    for status in [1, 2, 3, 4, 5, 6, 7, 77] {
        let registration = json!({"eventId": event, "currentStatus": status, "mainContactId": contact,
            "firstName": "さくら", "lastName": "山田", "phone": "0312345678", "invoiceTotalCost": 95.5,
            "modifiedDate": format!("2024-03-0{} 00:00:00", ids.len() + 1)});
        ids.push(bench.add("registration", registration));
    }
    let seat = bench.add(
        "attendee",
        json!({"eventId": event, "registrationId": ids[2], "contactId": contact,
        "firstName": "さくら", "email": "s@b.co", "cost": 95.5, "hasAttended": false}),
    );
    let guest = bench.add("attendee", json!({"eventId": event, "registrationId": ids[1], "firstName": "Gast"}));
    let rows = bench.rows("event/getRegistrationList", json!({"eventId": event})).await;
    let statuses: Vec<u64> = rows.iter().map(|row| row["currentStatus"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [1, 2, 3, 4, 5, 6, 7, 77], "every code, and one no page names");
    assert_eq!((&rows[0]["eventName"], &rows[0]["isExhibitor"]), (&json!("Sommerfest"), &json!(0)));
    assert_eq!((&rows[0]["invoiceTotalCost"], &rows[0]["completedDate"]), (&json!("95.5"), &json!("")));
    assert!(rows[0].get("email").is_none());
    assert_eq!(bench.rows("event/getEventList", json!({})).await[0]["numRegistered"], "6", "not cancelled or deleted");
    let since = json!({"eventId": event, "filter": {"modifiedDate__GREATERTHAN": "2024-03-07 00:00:00"}});
    assert_eq!(bench.rows("event/getRegistrationList", since).await.len(), 2);
    assert!(bench.rows("event/getRegistrationList", json!({"eventId": other})).await.is_empty());

    let seats = bench.rows("event/getAttendeeList", json!({"eventId": event})).await;
    assert_eq!(seats[0]["registrationStatus"], 3);
    assert_eq!((&seats[0]["contactId"], &seats[0]["hasAttended"]), (&json!(contact.to_string()), &json!(0)));
    assert_eq!((&seats[1]["contactId"], &seats[1]["email"]), (&Value::Null, &json!("")));
    let stamp = seats[0]["modifiedDate"].clone();
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    bench.sim.edit(&Edit::update("contact", contact, json!({"lastName": "田中"}))).unwrap();
    let seats = bench.rows("event/getAttendeeList", json!({"eventId": event})).await;
    assert_eq!(seats[0]["modifiedDate"], stamp, "a contact's edit does not move its attendees");
    let single = bench.ok("event/getAttendee", json!({"id": guest, "eventId": event})).await;
    assert_eq!(single["registrationId"], ids[1]);
    let single = bench.ok("event/getRegistration", json!({"id": ids[3], "eventId": event})).await;
    assert_eq!((&single["id"], &single["currentStatus"]), (&json!(ids[3].to_string()), &json!("4")));
    let detail = bench.ok("getContact", json!({"id": contact})).await;
    assert_eq!(detail["eventRegistrations"].as_array().unwrap().len(), 8);
    assert_eq!(detail["eventRegistrations"][2]["attendeeCount"], 1);

    for (action, wrong, code) in [
        ("getRegistrationList", json!({"perPage": 9, "start": 0}), 23017),
        ("getRegistrationList", json!({"eventId": event, "perPage": 9}), 23017),
        ("getRegistrationList", json!({"eventId": 1, "perPage": 9, "start": 0}), 24206),
        ("getRegistration", json!({"id": "x", "shoeSize": 9}), 23017),
        ("getRegistration", json!({"id": "x", "eventId": event}), 23016),
        ("getRegistration", json!({"id": ids[0], "eventId": 1}), 24207),
        ("getRegistration", json!({"id": ids[0], "eventId": other}), 24209),
        ("getAttendeeList", json!({"eventId": 1, "perPage": 9, "start": 0}), 24210),
        ("getAttendeeList", json!({"eventId": event, "perPage": 9, "start": 0, "filter": {"id": 1}}), 23016),
        ("getAttendee", json!({"id": seat, "eventId": 1}), 24211),
        ("getAttendee", json!({"id": 1, "eventId": event}), 24213),
    ] {
        assert_eq!(bench.refused(&format!("event/{action}"), wrong.clone()).await, (400, code), "{action} {wrong}");
    }
    for undocumented in ["event/getRegistrationListForAccount", "event/getAttendeeListForAccount"] {
        assert_eq!(bench.refused(undocumented, json!({})).await, (404, 0));
    }
    let strict = Bench::new(Settings { strict_pages: true, ..Settings::default() });
    let event = strict.add("event", json!({"code": "S"}));
    for action in ["event/getRegistrationList", "event/getAttendeeList"] {
        let many = json!({"eventId": event, "perPage": 101, "start": 0});
        assert_eq!(strict.refused(action, many).await, (400, 23016));
    }
}

#[tokio::test(start_paused = true)]
async fn contacts_are_invited_once_and_read_with_their_answer_11() {
    let (bench, contact, event) = party();
    let body = json!({"event": event, "contacts": [contact, 4711]});
    let answer = bench.ok("event/inviteContacts", body.clone()).await;
    assert_eq!((&answer["results"][0]["status"], &answer["results"][1]["status"]), (&json!(true), &json!(false)));
    assert!(answer["results"][0]["inviteLinkYes"].is_string() && answer["results"][1].get("inviteLinkYes").is_none());
    bench.ok("event/inviteContacts", body).await;
    assert_eq!(bench.sim.ledger().count("invitation", Op::Create), 1);
    let invited = bench.rows("event/getInvitedContactList", json!({"eventId": event})).await;
    assert_eq!(
        invited,
        [json!({"eventId": event.to_string(), "contactId": contact, "firstName": "さくら",
        "lastName": "山田", "email": "s@b.co", "phone": "", "response": "U", "registrationId": null,
        "modifiedDate": "2024-03-11 00:00:45"})],
        "no id of its own"
    );
    let id = bench.sim.ledger().effects()[0].id.clone();
    bench.sim.edit(&Edit::update("invitation", id, json!({"response": "Y"}))).unwrap();
    let detail = bench.ok("getContact", json!({"id": contact})).await;
    assert_eq!(
        (&detail["eventInvitations"][0]["response"], &detail["eventInvitations"][0]["eventCode"]),
        (&json!("Y"), &json!("SOMMER"))
    );
    let wrong = json!({"perPage": "x", "shoeSize": 9});
    assert_eq!(bench.refused("event/getInvitedContactList", wrong).await, (400, 23017), "presence before validity");
    assert_eq!(bench.refused("event/getInvitedContactList", json!({"eventId": 1})).await, (400, 24097));
    assert_eq!(bench.refused("event/inviteContacts", json!({"event": 1, "contacts": [contact]})).await, (400, 24097));
    assert_eq!(bench.refused("event/inviteContacts", json!({"event": event})).await, (400, 23017));
}

#[tokio::test(start_paused = true)]
async fn bookings_are_read_by_account_by_venue_and_alone_12() {
    let (bench, contact, _) = party();
    let company = bench.add("company", json!({"businessName": "Café & Söhne"}));
    let sale = bench.add("opportunity", json!({"name": "o", "venueId": 1}));
    let mut ids = Vec::new();
    for (place, status) in [1, 2, 3, 4, 5, 6, 8, 9, 77].into_iter().enumerate() {
        ids.push(bench.add(
            "booking",
            json!({"venueId": 1 + place % 2, "leadId": sale, "code": "B0001",
            "currentStatus": status, "contactId": contact, "companyId": company, "totalAmount": 1200.5,
            "dateEventStart": "2024-07-01", "convertedToConfirmed": "2024-02-01 10:00:00",
            "modifiedDate": format!("2024-03-0{} 00:00:00", place + 1)}),
        ));
    }
    let rows = bench.rows("venue/getBookingListForAccount", json!({})).await;
    let statuses: Vec<u64> = rows.iter().map(|row| row["currentStatus"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [1, 2, 3, 4, 5, 6, 8, 9, 77]);
    assert_eq!(rows[0]["company"], json!({"id": company, "businessName": "Café & Söhne"}));
    assert_eq!(rows[0]["contact"]["lastName"], "山田");
    assert_eq!((&rows[0]["totalAmount"], &rows[0]["dateEventStart"]), (&json!("1200.5"), &json!("2024-07-01")));
    assert_eq!(rows[0]["convertedToConfirmed"], "2024-02-01 10:00:00 UTC");
    assert_eq!((&rows[0]["convertedToTentative"], &rows[0]["convertedToCancelled"]), (&json!(""), &Value::Null));
    assert_eq!(
        (&rows[0]["venueTimezone"], &rows[1]["venueTimezone"]),
        (&json!("Australia/Sydney"), &json!("Europe/Warsaw"))
    );
    assert_eq!((&rows[0]["leadId"], rows[0].get("lastModifiedDate")), (&json!(sale), None));

    let here = bench.rows("venue/getBookingList", json!({"venueId": 2})).await;
    assert_eq!((here.len(), &here[0]["lastModifiedDate"]), (4, &json!("2024-03-02 00:00:00")));
    let mine = json!({"venueId": 1, "filter": {"contactId": contact, "companyId": company}});
    assert_eq!(bench.rows("venue/getBookingList", mine).await.len(), 5);
    let window =
        json!({"filter": {"modifiedDateAfter": "2024-03-02 00:00:00", "modifiedDateBefore": "2024-03-05 00:00:00"}});
    assert_eq!(bench.rows("venue/getBookingListForAccount", window).await.len(), 2, "bounds are outside");
    let single = bench.ok("venue/getBooking", json!({"id": ids[0], "venueId": 1})).await;
    assert_eq!((&single["opportunityId"], single.get("leadId")), (&json!(sale), None));
    assert_eq!((&single["totalAmount"], &single["modifiedDate"]), (&json!(1200.5), &json!("2024-03-01 00:00:00 UTC")));

    for (action, wrong, code) in [
        ("getBookingListForAccount", json!({}), 23017),
        ("getBookingListForAccount", json!({"perPage": 9, "filter": {"contactId": contact}}), 23016),
        ("getBookingListForAccount", json!({"perPage": 9, "modifiedDateAfter": "2024-03-02 00:00:00"}), 23016),
        ("getBookingList", json!({"perPage": 9}), 23017),
        ("getBookingList", json!({"perPage": 9, "venueId": 99}), 23016),
        ("getBooking", json!({"id": 1}), 23026),
        ("getBooking", json!({"id": ids[0], "venueId": 2}), 23026),
    ] {
        assert_eq!(bench.refused(&format!("venue/{action}"), wrong.clone()).await, (400, code), "{action} {wrong}");
    }
    let venues = bench.rows("venue/getVenueList", json!({})).await;
    assert_eq!(
        venues[0],
        json!({"id": "1", "businessName": "Harbour House", "timezone": "Australia/Sydney", "currencyCode": "AUD"})
    );
    bench.sim.edit(&Edit::delete("booking", ids[0])).unwrap();
    assert_eq!(bench.refused("venue/getBooking", json!({"id": ids[0]})).await, (400, 23026));
}
