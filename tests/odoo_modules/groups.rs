//! Subscription groups as tags of a partner (V-18).

use serde_json::{Value as Json, json};
use tandem::model::{Fields, ModuleId, RecordId, Value};
use tandem::remote::{Class, Remote as _, Sent};

use super::{found, sweep, text};
use crate::Server;

fn groups(names: &[&str]) -> Fields {
    Fields::from([("groups".to_owned(), Value::Set(names.iter().map(|name| (*name).to_owned()).collect()))])
}

/// Names of all tags a partner has, whoever gave them.
async fn tags(server: &Server, id: &RecordId) -> Vec<String> {
    let domain = json!([["partner_ids", "in", [id.as_str().parse::<i64>().unwrap()]]]);
    let question = json!({"domain": domain, "fields": ["name"], "context": {"active_test": false}});
    let rows = server.behind_the_back("res.partner.category", "search_read", question).await;
    let mut names: Vec<String> =
        rows.as_array().unwrap().iter().filter_map(|row| Some(row["name"].as_str()?.to_owned())).collect();
    names.sort();
    names
}

#[tokio::test]
async fn tags_are_joined_and_left_one_by_one_and_foreign_ones_stay_v18() {
    let Some(server) = Server::from_env("groups") else { return };
    let [news, vip] = ["News", "VIP"].map(|name| format!("{name} {}", server.run));
    let sales = std::env::var("ODOO_SALES_KEY").ok();
    let keys = [("admin", None), ("sales", sales)];
    for (who, key) in keys.into_iter().filter(|(who, key)| *who == "admin" || key.is_some()) {
        let odoo = server.adapter_with(|settings| {
            settings.groups = [(11, news.clone()), (12, vip.clone())].into();
            if let Some(key) = key {
                settings.key = key.into();
            }
        });
        assert!(odoo.fields(ModuleId::Contacts).contains(&"groups".to_owned()));
        let contact = text([("first_name", "Ada"), ("last_name", who)]);
        let key = format!("{}-{who}", server.key(ModuleId::Contacts, 1));
        let id = odoo.create(ModuleId::Contacts, &key, &contact).await.unwrap().id;
        assert_eq!(found(&odoo, ModuleId::Contacts, &id).await.fields["groups"], groups(&[])["groups"]);
        let foreign = format!("Foreign {who} {}", server.run);
        server.write_to("res.partner", &id, json!({"category_id": [[0, 0, {"name": foreign}]]})).await;

        // The tags do not exist yet: they are made once, whoever asks first.
        odoo.update(ModuleId::Contacts, &id, &groups(&[&news, &vip]), None).await.unwrap();
        let record = found(&odoo, ModuleId::Contacts, &id).await;
        assert_eq!(record.fields["groups"], groups(&[&news, &vip])["groups"]);
        assert_eq!(tags(&server, &id).await, [foreign.clone(), news.clone(), vip.clone()]);
        let named = json!([["name", "in", [&news, &vip]]]);
        assert_eq!(server.count("res.partner.category", named).await, Json::from(2));
        let (listed, _) = sweep(&odoo, ModuleId::Contacts, record.modified).await;
        assert!(listed.contains(&record), "the listing shows the same");

        odoo.update(ModuleId::Contacts, &id, &groups(&[&vip]), None).await.unwrap();
        assert_eq!(tags(&server, &id).await, [foreign.clone(), vip.clone()]);
        odoo.update(ModuleId::Contacts, &id, &groups(&[]), None).await.unwrap();
        assert_eq!(tags(&server, &id).await, [foreign]);

        let error = odoo.update(ModuleId::Contacts, &id, &groups(&["Nobody's"]), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    }
}

#[tokio::test]
async fn another_account_with_the_same_number_renames_no_tag_v18() {
    let Some(server) = Server::from_env("grouptwo") else { return };
    for (number, name) in [(1, "Harbour"), (2, "Hill"), (3, "harbour")] {
        // One account each, whose group 11 is its own.
        let name = format!("{name} {}", server.run);
        let odoo = server.adapter_with(|settings| settings.groups = [(11, name.clone())].into());
        let contact = text([("first_name", "Eve"), ("last_name", &name)]);
        let id = odoo.create(ModuleId::Contacts, &server.key(ModuleId::Contacts, number), &contact).await.unwrap().id;
        odoo.update(ModuleId::Contacts, &id, &groups(&[&name]), None).await.unwrap();
        assert_eq!(tags(&server, &id).await, [name]);
    }
    let ours = ["Harbour", "Hill", "harbour"].map(|name| format!("{name} {}", server.run));
    assert_eq!(server.count("res.partner.category", json!([["name", "in", ours]])).await, Json::from(3));
}

#[tokio::test]
async fn joining_a_group_moves_the_partners_stamp_so_that_it_is_listed() {
    let Some(server) = Server::from_env("groupstamp") else { return };
    let news = format!("News {}", server.run);
    let odoo = server.adapter_with(|settings| settings.groups = [(11, news.clone())].into());
    let contact = text([("first_name", "Ben"), ("last_name", "Stamp")]);
    let id = odoo.create(ModuleId::Contacts, &server.key(ModuleId::Contacts, 1), &contact).await.unwrap().id;
    let before = found(&odoo, ModuleId::Contacts, &id).await.modified.unwrap();
    // Stamps are whole seconds.
    let mut after = before;
    while after <= before {
        odoo.update(ModuleId::Contacts, &id, &groups(&[]), None).await.unwrap();
        odoo.update(ModuleId::Contacts, &id, &groups(&[&news]), None).await.unwrap();
        after = found(&odoo, ModuleId::Contacts, &id).await.modified.unwrap();
    }
    let (listed, _) = sweep(&odoo, ModuleId::Contacts, Some(after)).await;
    assert!(listed.iter().any(|record| record.id == id && record.fields["groups"] == groups(&[&news])["groups"]));
}
