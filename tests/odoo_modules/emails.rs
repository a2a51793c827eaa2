//! Contact e-mails: `mail.message` on the partner.

use serde_json::json;
use tandem::model::{ModuleId, Value};
use tandem::remote::{Class, Read, Remote as _, Sent};

use super::{found, text, without_key};
use crate::Server;

#[tokio::test]
async fn an_email_becomes_history_once_and_is_sent_to_nobody_v30_v31() {
    let Some(server) = Server::from_env("email") else { return };
    let mails = server.count("mail.mail", json!([])).await;
    for (who, odoo) in server.users() {
        let key = |module: ModuleId| format!("{}-{who}", server.key(module, 1));
        let contact = text([("last_name", "Reader"), ("email", "reader@b.example")]);
        let contact = odoo.create(ModuleId::Contacts, &key(ModuleId::Contacts), &contact).await.unwrap().id;
        let body = "<p>Dear <b>Ada</b> &amp; friends,<br>your table is ready.</p>";
        let email = text([
            ("contact", contact.as_str()),
            ("subject", "Your booking"),
            ("from", "\"Venue\" <venue@a.example>"),
            ("to", "reader@b.example, second@b.example"),
            ("sent_at", "2026-11-20T08:30:00Z"),
            ("body", body),
        ]);
        let key = key(ModuleId::ContactEmails);
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(odoo.create(ModuleId::ContactEmails, &key, &email).await.unwrap().id);
        }
        assert_eq!(ids[0], ids[1]);
        let record = found(&odoo, ModuleId::ContactEmails, &ids[0]).await;
        assert_eq!(without_key(&record), email);
        assert!(!record.archived);
        assert_eq!(odoo.find_by_key(ModuleId::ContactEmails, &key).await.unwrap().unwrap(), [record]);
        let number: i64 = contact.as_str().parse().unwrap();
        let of_contact =
            json!([["model", "=", "res.partner"], ["res_id", "=", number], ["subject", "=", "Your booking"]]);
        assert_eq!(server.count("mail.message", of_contact).await, json!(1));

        let missing = odoo.get(ModuleId::ContactEmails, &"999999999".into()).await.unwrap();
        assert_eq!(missing, Read::Missing);
        let mut served = odoo.fields(ModuleId::ContactEmails);
        served.sort();
        assert_eq!(served, email.keys().cloned().collect::<Vec<_>>());
    }
    assert_eq!(server.count("mail.mail", json!([])).await, mails);
}

#[tokio::test]
async fn a_sender_is_never_invented_and_scripts_are_dropped() {
    let Some(server) = Server::from_env("sender") else { return };
    for (who, odoo) in server.users() {
        let key = |module: ModuleId| format!("{}-{who}", server.key(module, 1));
        let contact = text([("last_name", "Reader")]);
        let contact = odoo.create(ModuleId::Contacts, &key(ModuleId::Contacts), &contact).await.unwrap().id;
        let email =
            text([("contact", contact.as_str()), ("body", "<p onclick=\"x()\">Hello</p><script>alert(1)</script>")]);
        let id = odoo.create(ModuleId::ContactEmails, &key(ModuleId::ContactEmails), &email).await.unwrap().id;
        let record = found(&odoo, ModuleId::ContactEmails, &id).await;
        assert_eq!(record.fields["from"], Value::Null);
        assert_eq!(record.fields["body"], Value::text("<p>Hello</p>"));
        let number: i64 = id.as_str().parse().unwrap();
        let question = json!({"ids": [number], "fields": ["author_id"]});
        let row = server.behind_the_back("mail.message", "read", question).await;
        assert_eq!(row[0]["author_id"], json!(false));
    }
}

#[tokio::test]
async fn an_email_of_nobody_is_refused() {
    let Some(server) = Server::from_env("nobody") else { return };
    for (who, odoo) in server.users() {
        let key = format!("{}-{who}", server.key(ModuleId::ContactEmails, 1));
        let email = text([("contact", "999999999"), ("subject", "To nobody")]);
        let error = odoo.create(ModuleId::ContactEmails, &key, &email).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        assert_eq!(odoo.find_by_key(ModuleId::ContactEmails, &key).await.unwrap(), Some(Vec::new()));
    }
}
