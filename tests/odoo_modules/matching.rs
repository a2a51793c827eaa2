//! Match tables: staff and lead sources.

use std::collections::BTreeSet;

use serde_json::json;
use tandem::model::MatchKind;
use tandem::remote::{Class, Remote as _, Sent};

use crate::Server;

#[tokio::test]
async fn staff_are_internal_users_the_departed_inactive_c08_p06_p07() {
    let Some(server) = Server::from_env("people") else { return };
    for (who, odoo) in server.users() {
        let support = odoo.match_support(MatchKind::Staff);
        assert!(support.list && !support.create);
        let staff = odoo.entries(MatchKind::Staff).await.unwrap();
        let one = |name: &str| staff.iter().find(|entry| entry.name == name).unwrap();
        assert!(one("Administrator").active && one("Sam Sales").active, "{who}");
        let left = one("Lea Left");
        assert_eq!((left.active, left.email.as_deref()), (false, Some("lea@left.example")), "{who}");
        assert!(staff.iter().all(|entry| !entry.name.contains("Public")), "{who}: {staff:?}");
    }
}

#[tokio::test]
async fn a_lead_source_is_created_once_whatever_its_case_c16_c24() {
    let Some(server) = Server::from_env("sources") else { return };
    for (who, odoo) in server.users() {
        assert!(odoo.match_support(MatchKind::LeadSource).create);
        let name = format!("Expo {} {who}", server.run);
        let together = (0..4).map(|_| odoo.create_lead_source(&name));
        let mut ids = BTreeSet::new();
        for outcome in futures::future::join_all(together).await {
            match outcome {
                Ok(id) => {
                    ids.insert(id);
                }
                Err(error) => assert_eq!((error.class, error.sent), (Class::Throttled, Sent::No), "{error:?}"),
            }
        }
        for again in [name.clone(), name.to_uppercase(), format!("  {name} ")] {
            ids.insert(odoo.create_lead_source(&again).await.unwrap());
        }
        assert_eq!(ids.len(), 1, "{who}");
        assert_eq!(server.count("utm.source", json!([["name", "like", name]])).await, json!(1));
        let entries = odoo.entries(MatchKind::LeadSource).await.unwrap();
        assert!(entries.iter().any(|entry| ids.contains(&entry.id) && entry.name == name && entry.active));

        // One that a person made is taken as it is.
        let theirs = format!("Word of mouth {} {who}", server.run);
        let created = server.behind_the_back("utm.source", "create", json!({"vals_list": [{"name": theirs}]})).await;
        let found = odoo.create_lead_source(&theirs.to_lowercase()).await.unwrap();
        assert_eq!(found.as_str(), created[0].to_string());
    }
    let error = server.adapter().create_lead_source("  ").await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
}
