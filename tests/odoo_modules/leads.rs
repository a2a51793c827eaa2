//! Leads: `crm.lead` of type `lead`.

use serde_json::json;
use tandem::model::{MatchKind, ModuleId, Value};
use tandem::remote::odoo::NameFields;
use tandem::remote::{Class, Conversion, Remote as _, Sent};

use super::{archive, create_twice, found, sweep, text, update_each};
use crate::Server;

#[tokio::test]
async fn a_lead_with_owner_and_source_round_trips() {
    let Some(server) = Server::from_env("leads") else { return };
    let mails = server.count("mail.mail", json!([])).await;
    for (who, odoo) in server.users() {
        let owner = odoo.entries(MatchKind::Staff).await.unwrap();
        let owner = owner.iter().find(|entry| entry.name == "Administrator").unwrap().id.clone();
        let source = odoo.create_lead_source(&format!("Fair {}", server.run)).await.unwrap();
        let lead = text([
            ("name", "Winter ball"),
            ("first_name", "Mary Jane"),
            ("last_name", "van Dyke"),
            ("email", "mj@harbour.example"),
            ("phone", "0455 1"),
            ("company_name", "Harbour & Sons"),
            ("description", "for <200> \"guests\"\n\n  with  a band"),
            ("owner", owner.as_str()),
            ("source", source.as_str()),
        ]);
        let key = format!("{}-{who}", server.key(ModuleId::Leads, 1));
        let id = create_twice(&odoo, ModuleId::Leads, &key, &lead).await;
        let mut served = odoo.fields(ModuleId::Leads);
        served.sort();
        assert_eq!(served, lead.keys().cloned().collect::<Vec<_>>());

        let changed = text([
            ("name", "Summer ball"),
            ("first_name", "Maria"),
            ("last_name", "von Trapp"),
            ("email", "m@t.example"),
            ("phone", "0455 2"),
            ("company_name", "Trapp"),
            ("description", "outside"),
        ]);
        update_each(&odoo, ModuleId::Leads, &id, &changed).await;
        for name in ["email", "phone", "company_name", "description", "owner", "source"] {
            odoo.update(ModuleId::Leads, &id, &[(name.to_owned(), Value::Null)].into(), None).await.unwrap();
            assert!(found(&odoo, ModuleId::Leads, &id).await.fields[name].is_empty(), "{name}");
        }
        archive(&server, &odoo, ModuleId::Leads, "crm.lead", &id).await;
    }
    // An owner is told of a new lead by Odoo, but not of every one that a machine brings over.
    assert_eq!(server.count("mail.mail", json!([])).await, mails);
}

#[tokio::test]
async fn an_owner_is_never_invented() {
    let Some(server) = Server::from_env("ownerless") else { return };
    for (who, odoo) in server.users() {
        let key = format!("{}-{who}", server.key(ModuleId::Leads, 1));
        let id = odoo.create(ModuleId::Leads, &key, &text([("name", "Nobody's")])).await.unwrap().id;
        let record = found(&odoo, ModuleId::Leads, &id).await;
        assert_eq!((&record.fields["owner"], &record.fields["source"]), (&Value::Null, &Value::Null));
    }
}

#[tokio::test]
async fn a_lead_that_was_converted_is_listed_as_such_with_its_partner_p05() {
    let Some(server) = Server::from_env("conversion") else { return };
    let odoo = server.adapter();
    assert_eq!(odoo.conversion(), Conversion::InPlace);
    let create = async |number: u32| {
        let lead = text([("name", "Soon a customer"), ("last_name", "Vert")]);
        odoo.create(ModuleId::Leads, &server.key(ModuleId::Leads, number), &lead).await.unwrap().id
    };
    let (converted, plain) = (create(1).await, create(2).await);
    let opportunity = json!({"vals_list": [{"name": "Never a lead", "type": "opportunity"}]});
    let opportunity = server.behind_the_back("crm.lead", "create", opportunity).await;
    let partner = json!({"vals_list": [{"name": "Con Vert"}]});
    let partner = server.behind_the_back("res.partner", "create", partner).await[0].as_i64().unwrap();
    let number: i64 = converted.as_str().parse().unwrap();
    server.behind_the_back("crm.lead", "convert_opportunity", json!({"ids": [number], "partner": false})).await;
    server.write_to("crm.lead", &converted, json!({"partner_id": partner})).await;
    let (listed, _) = sweep(&odoo, ModuleId::Leads, None).await;
    let of = |id: &str| listed.iter().find(|record| record.id.as_str() == id);
    let record = of(converted.as_str()).expect("it stays in the listing");
    assert!(record.converted && !record.archived);
    assert_eq!(record.person.as_ref().map(|id| id.as_str()), Some(partner.to_string().as_str()));
    let record = of(plain.as_str()).unwrap();
    assert_eq!((record.converted, &record.person), (false, &None));
    assert!(of(&opportunity[0].to_string()).is_none(), "an opportunity that never was a lead is none of ours");
    let admin = odoo.find_staff("ADMIN").await.unwrap();
    assert!(admin.is_empty(), "a login that is no address is nobody's e-mail");
}

#[tokio::test]
async fn a_row_whose_type_was_changed_by_hand_leaves_the_listing_but_is_not_gone() {
    let Some(server) = Server::from_env("converted") else { return };
    let odoo = server.adapter();
    let lead = text([("name", "Soon more"), ("description", "x")]);
    let id = odoo.create(ModuleId::Leads, &server.key(ModuleId::Leads, 1), &lead).await.unwrap().id;
    let formatted = "<p>First <b>bold</b> line</p><ul><li>a &amp; b</li></ul>";
    server.write_to("crm.lead", &id, json!({"type": "opportunity", "description": formatted})).await;
    let record = found(&odoo, ModuleId::Leads, &id).await;
    assert_eq!(record.fields["description"], Value::text("First bold line\na & b"));
    let (listed, _) = sweep(&odoo, ModuleId::Leads, record.modified).await;
    assert!(listed.iter().all(|listed| listed.id != id));
}

#[tokio::test]
async fn without_fields_of_their_own_the_halves_are_split() {
    let Some(server) = Server::from_env("leadsplit") else { return };
    let odoo = server.adapter_with(|settings| settings.name_fields = NameFields::Split);
    let lead = text([("name", "Split"), ("first_name", "Ada"), ("last_name", "Lovelace")]);
    let id = odoo.create(ModuleId::Leads, &server.key(ModuleId::Leads, 1), &lead).await.unwrap().id;
    let record = found(&odoo, ModuleId::Leads, &id).await;
    assert_eq!(record.fields["first_name"], Value::text("Ada"));
    assert_eq!(record.fields["last_name"], Value::text("Lovelace"));
}

#[tokio::test]
async fn an_owner_or_source_that_does_not_exist_is_refused() {
    let Some(server) = Server::from_env("noowner") else { return };
    let odoo = server.adapter();
    for (number, field) in [(1, "owner"), (2, "source")] {
        let key = server.key(ModuleId::Leads, number);
        let error = odoo.create(ModuleId::Leads, &key, &text([("name", "X"), (field, "999999999")])).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error:?}");
        assert!(error.details.iter().any(|detail| detail.starts_with(field)), "{error:?}");
        assert_eq!(odoo.find_by_key(ModuleId::Leads, &key).await.unwrap(), Some(Vec::new()));
    }
}
