//! Events and attendees: the Events app, or bare campaigns.

use serde_json::json;
use tandem::model::{ModuleId, RecordId, Value};
use tandem::remote::odoo::{EventsIn, Odoo};
use tandem::remote::{Class, Read, Remote as _, Sent};

use super::{archive, create_twice, found, text, update_each};
use crate::Server;

async fn event(server: &Server, odoo: &Odoo, who: &str) -> RecordId {
    let gala = text([
        ("name", "Gala"),
        ("starts_at", "2027-03-01T09:00:00Z"),
        ("ends_at", "2027-03-02T17:00:00Z"),
        ("website", "https://gala.example/2027"),
    ]);
    create_twice(odoo, ModuleId::Events, &format!("{}-{who}", server.key(ModuleId::Events, 1)), &gala).await
}

#[tokio::test]
async fn an_event_round_trips_and_writes_to_nobody() {
    let Some(server) = Server::from_env("event") else { return };
    for (who, odoo) in server.users() {
        let id = event(&server, &odoo, who).await;
        let number: i64 = id.as_str().parse().unwrap();
        assert_eq!(server.count("event.mail", json!([["event_id", "=", number]])).await, json!(0));
        let changed = text([
            ("name", "Gala 2"),
            ("starts_at", "2027-03-01T08:30:00Z"),
            ("ends_at", "2027-03-03T17:00:00Z"),
            ("website", "https://gala.example/2"),
        ]);
        update_each(&odoo, ModuleId::Events, &id, &changed).await;
        archive(&server, &odoo, ModuleId::Events, "event.event", &id).await;
    }
}

#[tokio::test]
async fn an_event_without_an_end_is_refused() {
    let Some(server) = Server::from_env("endless") else { return };
    let odoo = server.adapter();
    let key = server.key(ModuleId::Events, 1);
    let endless = text([("name", "Gala"), ("starts_at", "2027-03-01T09:00:00Z")]);
    let error = odoo.create(ModuleId::Events, &key, &endless).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
    assert!(error.details.iter().any(|detail| detail.starts_with("ends_at")), "{error:?}");
    assert_eq!(odoo.find_by_key(ModuleId::Events, &key).await.unwrap(), Some(Vec::new()));
}

#[tokio::test]
async fn campaigns_hold_titles_and_no_people() {
    let Some(server) = Server::from_env("campaign") else { return };
    let odoo = server.adapter_with(|settings| settings.events = EventsIn::Campaigns);
    assert_eq!(odoo.fields(ModuleId::Events), ["name"]);
    let gala = text([("name", "Gala")]);
    let first = create_twice(&odoo, ModuleId::Events, &server.key(ModuleId::Events, 1), &gala).await;
    // Odoo gives every campaign an identifier of its own; the title may be the same.
    let second = create_twice(&odoo, ModuleId::Events, &server.key(ModuleId::Events, 2), &gala).await;
    assert_ne!(first, second);
    update_each(&odoo, ModuleId::Events, &first, &text([("name", "Gala 2")])).await;
    archive(&server, &odoo, ModuleId::Events, "utm.campaign", &first).await;

    assert!(odoo.fields(ModuleId::Attendees).is_empty());
    let error = odoo.get(ModuleId::Attendees, &"1".into()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
}

#[tokio::test]
async fn an_attendee_keeps_every_status_word_v65_v66() {
    let Some(server) = Server::from_env("attendee") else { return };
    for (who, odoo) in server.users() {
        let event = event(&server, &odoo, who).await;
        let contact = text([("last_name", "Guest"), ("email", "guest@b.example"), ("phone", "0455 9")]);
        let key = format!("{}-{who}", server.key(ModuleId::Contacts, 1));
        let contact = odoo.create(ModuleId::Contacts, &key, &contact).await.unwrap().id;
        let attendee = text([
            ("event", event.as_str()),
            ("contact", contact.as_str()),
            ("name", "Ada Guest"),
            ("email", "ada@b.example"),
            ("status", "invited"),
        ]);
        let key = format!("{}-{who}", server.key(ModuleId::Attendees, 1));
        let id = create_twice(&odoo, ModuleId::Attendees, &key, &attendee).await;
        for (word, state) in [
            ("accepted", "draft"),
            ("registered", "open"),
            ("attended", "done"),
            ("session_attended", "done"),
            ("no_show", "cancel"),
            ("declined", "cancel"),
            ("response X", "draft"),
        ] {
            update_each(&odoo, ModuleId::Attendees, &id, &text([("status", word)])).await;
            let number: i64 = id.as_str().parse().unwrap();
            let row =
                server.behind_the_back("event.registration", "read", json!({"ids": [number], "fields": ["state"]}));
            assert_eq!(row.await[0]["state"], state, "{word}");
        }
        // Somebody moves the state in Odoo.
        server.write_to("event.registration", &id, json!({"state": "done"})).await;
        assert_eq!(found(&odoo, ModuleId::Attendees, &id).await.fields["status"], Value::text("attended"));
        update_each(&odoo, ModuleId::Attendees, &id, &text([("name", "Ada G"), ("email", "a@g.example")])).await;
        archive(&server, &odoo, ModuleId::Attendees, "event.registration", &id).await;

        let number: i64 = id.as_str().parse().unwrap();
        server.behind_the_back("event.registration", "unlink", json!({"ids": [number]})).await;
        assert_eq!(odoo.get(ModuleId::Attendees, &id).await.unwrap(), Read::Missing);
    }
}

#[tokio::test]
async fn a_tenant_without_the_status_field_is_told_so() {
    let Some(server) = Server::from_env("nostatus") else { return };
    let odoo = server.adapter_with(|settings| settings.attendee_status = "x_no_such_field".to_owned());
    let event = event(&server, &odoo, "admin").await;
    let attendee = text([("event", event.as_str()), ("status", "invited")]);
    let error = odoo.create(ModuleId::Attendees, &server.key(ModuleId::Attendees, 1), &attendee).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No), "{error:?}");
    assert!(error.message.contains("x_no_such_field"), "{error:?}");
}
