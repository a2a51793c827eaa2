//! Registrations, quotes and bookings, orders: `crm.lead` of type `opportunity`.

use serde_json::json;
use tandem::model::module::IVVY_KEY;
use tandem::model::{Fields, ModuleId, Record, RecordId, Value};
use tandem::remote::odoo::{EventsIn, Odoo};
use tandem::remote::{Class, Remote as _, Sent};

use super::{archive, create_twice, found, sweep, text, update_each, with, without_key};
use crate::Server;

const ALL: [ModuleId; 3] = [ModuleId::Registrations, ModuleId::QuotesAndBookings, ModuleId::Orders];

async fn partner(server: &Server, odoo: &Odoo, who: &str, module: ModuleId) -> RecordId {
    let fields = match module {
        ModuleId::Companies => text([("name", "Harbour Events")]),
        _ => text([("last_name", "Booker")]),
    };
    odoo.create(module, &format!("{}-{who}", server.key(module, 7)), &fields).await.unwrap().id
}

/// Odoo counts what was won and lost in one table, so that leads which change their stage at the same moment refuse
/// each other (the engine comes again; these tests take turns).
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn a_registration_round_trips_with_its_event() {
    let Some(server) = Server::from_env("registration") else { return };
    let _turn = TURN.lock().await;
    let campaigns = server.adapter_with(|settings| settings.events = EventsIn::Campaigns);
    for (who, odoo) in server.users().into_iter().chain([("campaigns", campaigns)]) {
        let key = |module: ModuleId| format!("{}-{who}", server.key(module, 1));
        let mut event = text([("name", "Gala")]);
        if who != "campaigns" {
            event.extend(text([("starts_at", "2027-03-01T09:00:00Z"), ("ends_at", "2027-03-02T17:00:00Z")]));
        }
        let event = odoo.create(ModuleId::Events, &key(ModuleId::Events), &event).await.unwrap().id;
        let contact = partner(&server, &odoo, who, ModuleId::Contacts).await;
        let registration = text([
            ("name", "Gala - Booker"),
            ("contact", contact.as_str()),
            ("event", event.as_str()),
            ("stage", "won"),
            ("amount", "1234.50"),
            ("close_date", "2027-01-31"),
        ]);
        let id = create_twice(&odoo, ModuleId::Registrations, &key(ModuleId::Registrations), &registration).await;
        let changed = text([("name", "Gala - B"), ("amount", "0.00"), ("close_date", "2027-02-01"), ("stage", "open")]);
        update_each(&odoo, ModuleId::Registrations, &id, &changed).await;
        let cleared = Fields::from(["contact", "event", "close_date"].map(|name| (name.to_owned(), Value::Null)));
        update_each(&odoo, ModuleId::Registrations, &id, &cleared).await;
        archive(&server, &odoo, ModuleId::Registrations, "crm.lead", &id).await;
    }
}

/// What Odoo has no field for is kept in the tenant's, and nothing is converted (V-41).
#[tokio::test]
async fn what_is_paid_and_the_currency_are_kept_in_fields_of_the_tenants_v41() {
    let Some(server) = Server::from_env("paid") else { return };
    let _turn = TURN.lock().await;
    let odoo = server.adapter_with(|settings| {
        let fields = [("paid", "x_ivvy_paid"), ("currency", "x_ivvy_currency")];
        let fields = fields.map(|(name, field)| ((ModuleId::Registrations, name.to_owned()), field.to_owned()));
        settings.extra_fields.extend(fields);
    });
    let cases = [("1250.50", "1000.25"), ("0.00", "0.00"), ("-40.10", "-40.10")];
    for (number, (amount, paid)) in (1..).zip(cases) {
        let registration = text([("name", "Gala"), ("stage", "open"), ("amount", amount), ("currency", "NZD")]);
        let registration = with(registration, "paid", Value::text(paid));
        let key = server.key(ModuleId::Registrations, number);
        let id = odoo.create(ModuleId::Registrations, &key, &registration).await.unwrap().id;
        let fields = found(&odoo, ModuleId::Registrations, &id).await.fields;
        let there = ["amount", "paid", "currency"].map(|name| fields[name].clone());
        assert_eq!(there, [amount, paid, "NZD"].map(Value::text));
        odoo.update(ModuleId::Registrations, &id, &text([("paid", "7.10")]), None).await.unwrap();
        assert_eq!(found(&odoo, ModuleId::Registrations, &id).await.fields["paid"], Value::text("7.10"));
    }
    // An amount nobody told is none: Odoo shows zero, and nothing is written to make it so.
    let key = server.key(ModuleId::Registrations, 9);
    let bare =
        odoo.create(ModuleId::Registrations, &key, &text([("name", "Gala"), ("stage", "open")])).await.unwrap().id;
    let fields = found(&odoo, ModuleId::Registrations, &bare).await.fields;
    assert_eq!(["amount", "paid"].map(|name| fields[name].clone()), ["0.00"; 2].map(Value::text));
    assert_eq!(fields["currency"], Value::Null);
}

#[tokio::test]
async fn a_booking_has_its_contact_as_customer_or_else_its_company() {
    let Some(server) = Server::from_env("booking") else { return };
    let _turn = TURN.lock().await;
    for (who, odoo) in server.users() {
        let key = |number| format!("{}-{who}", server.key(ModuleId::QuotesAndBookings, number));
        let contact = partner(&server, &odoo, who, ModuleId::Contacts).await;
        let company = partner(&server, &odoo, who, ModuleId::Companies).await;
        let (contact, company) = (Value::text(contact.as_str()), Value::text(company.as_str()));
        let bare = text([("name", "Wedding"), ("stage", "quote"), ("amount", "99.95"), ("close_date", "2027-01-31")]);
        let of_company = with(with(bare.clone(), "company", company.clone()), "contact", Value::Null);
        let id = create_twice(&odoo, ModuleId::QuotesAndBookings, &key(1), &of_company).await;
        let customer = async |patch: &[(&str, &Value)]| {
            let patch: Fields = patch.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect();
            odoo.update(ModuleId::QuotesAndBookings, &id, &patch, None).await.unwrap();
            let fields = found(&odoo, ModuleId::QuotesAndBookings, &id).await.fields;
            (fields["contact"].clone(), fields.get("company").cloned())
        };
        assert_eq!(customer(&[("contact", &contact)]).await, (contact.clone(), None));
        // The company does not displace the person.
        assert_eq!(customer(&[("company", &company)]).await, (contact.clone(), None));
        let none = &Value::Null;
        assert_eq!(customer(&[("contact", none), ("company", &company)]).await, (Value::Null, Some(company.clone())));
        assert_eq!(customer(&[("company", none)]).await, (Value::Null, Some(Value::Null)));
        assert_eq!(customer(&[("company", &company)]).await, (Value::Null, Some(company.clone())));

        let of_both = with(with(bare, "company", company.clone()), "contact", contact.clone());
        let id = odoo.create(ModuleId::QuotesAndBookings, &key(2), &of_both).await.unwrap().id;
        let mut kept = of_both;
        kept.remove("company");
        assert_eq!(without_key(&found(&odoo, ModuleId::QuotesAndBookings, &id).await), kept);
    }
}

/// Money that goes back is negative; what Odoo would round, or a double not hold, is refused (S-25).
#[tokio::test]
async fn an_order_keeps_its_cents_and_refuses_a_thousandth_s05_s25() {
    let Some(server) = Server::from_env("order") else { return };
    let _turn = TURN.lock().await;
    for (who, odoo) in server.users() {
        let contact = partner(&server, &odoo, who, ModuleId::Contacts).await;
        let order = text([
            ("name", "Refund 9007199254740993"),
            ("contact", contact.as_str()),
            ("stage", "won"),
            ("amount", "-120.50"),
            ("close_date", "2027-01-31"),
        ]);
        let key = format!("{}-{who}", server.key(ModuleId::Orders, 1));
        let id = create_twice(&odoo, ModuleId::Orders, &key, &order).await;
        for amount in ["4.005", "9223372036854775.807"] {
            let error = odoo.update(ModuleId::Orders, &id, &text([("amount", amount)]), None).await.unwrap_err();
            assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
            assert!(error.details[0].starts_with("amount: "), "{error:?}");
        }
        update_each(&odoo, ModuleId::Orders, &id, &text([("stage", "lost"), ("amount", "9999999.99")])).await;
    }
}

#[tokio::test]
async fn every_stage_can_follow_every_other_v41_v83() {
    let Some(server) = Server::from_env("stages") else { return };
    let _turn = TURN.lock().await;
    let words = ["open", "quote", "tentative", "won", "lost"];
    for (who, odoo) in server.users() {
        for (number, module) in (1..).zip(ALL) {
            let key = |word: &str| format!("{}-{who}-{word}", server.key(module, number));
            for from in words {
                let new = text([("name", "Stages"), ("stage", from)]);
                let id = odoo.create(module, &key(from), &new).await.unwrap().id;
                for to in words {
                    for word in [to, from] {
                        odoo.update(module, &id, &text([("stage", word)]), None).await.unwrap();
                        let record = found(&odoo, module, &id).await;
                        assert_eq!(record.fields["stage"], Value::text(word), "{module}: {from} to {to}");
                        assert!(!record.archived, "{module}: {from} to {to}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_word_or_stage_nobody_mapped_is_not_guessed() {
    let Some(server) = Server::from_env("wrongstage") else { return };
    let _turn = TURN.lock().await;
    let odoo = server.adapter();
    for module in ALL {
        let key = server.key(module, 1);
        let error = odoo.create(module, &key, &text([("name", "X"), ("stage", "status 42")])).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        assert!(error.details[0].starts_with("stage: "), "{error:?}");
        assert_eq!(odoo.find_by_key(module, &key).await.unwrap(), Some(Vec::new()));

        let id = odoo.create(module, &key, &text([("name", "X"), ("stage", "open")])).await.unwrap().id;
        let renamed = server.adapter_with(|settings| {
            settings.stages.insert("quote".to_owned(), format!("Nowhere {}", server.run));
        });
        let error = renamed.update(module, &id, &text([("stage", "quote")]), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        odoo.update(module, &id, &text([("stage", "quote")]), None).await.unwrap();
        // A stage without a word is shown by its own name.
        assert_eq!(found(&renamed, module, &id).await.fields["stage"], Value::text("Proposition"));
    }
}

#[tokio::test]
async fn only_opportunities_with_a_key_of_the_module_are_listed() {
    let Some(server) = Server::from_env("foreign") else { return };
    let _turn = TURN.lock().await;
    for (who, odoo) in server.users() {
        let new = text([("name", "Ours"), ("stage", "open")]);
        let mut ids = Vec::new();
        for module in ALL {
            let key = format!("{}-{who}", server.key(module, 1));
            ids.push((odoo.create(module, &key, &new).await.unwrap().id, key));
        }
        let theirs = json!({"vals_list": [{"name": "Theirs", "type": "opportunity"}]});
        let theirs = server.behind_the_back("crm.lead", "create", theirs).await[0].to_string();
        let from = found(&odoo, ALL[0], &ids[0].0).await.modified;
        for (module, (id, key)) in ALL.into_iter().zip(&ids) {
            let (listed, _) = sweep(&odoo, module, from).await;
            let mine = listed.iter().find(|record| record.id == *id).unwrap();
            assert_eq!(mine.fields[IVVY_KEY], Value::text(key));
            let others: Vec<&RecordId> = ids.iter().map(|(other, _)| other).filter(|other| *other != id).collect();
            let foreign = |record: &Record| others.contains(&&record.id) || record.id.as_str() == theirs;
            assert!(!listed.iter().any(foreign), "{module}");
        }
    }
}
