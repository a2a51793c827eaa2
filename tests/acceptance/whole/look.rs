//! What is in the CRM under keys of ours, past Tandem and its adapters.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tandem::model::ModuleId;

use crate::hand::{CrmHand, plain};
use crate::odoo_server::OdooServer;

/// A record that carries one of our keys, and what it hangs on: ids of the CRM, empty where there is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keyed {
    pub contact: String,
    pub company: String,
    pub event: String,
    pub owner: String,
    pub source: String,
}

/// The CRM's names of an object and of the fields a [`Keyed`] is read from.
struct Names {
    object: &'static str,
    contact: &'static str,
    company: &'static str,
    event: &'static str,
    owner: &'static str,
    source: &'static str,
}

impl Names {
    const fn of(object: &'static str, contact: &'static str, event: &'static str) -> Self {
        Self { object, contact, company: "", event, owner: "", source: "" }
    }

    fn read(&self, row: &Json) -> Keyed {
        let text = |field: &str| if field.is_empty() { String::new() } else { plain(&row[field]) };
        Keyed {
            contact: text(self.contact),
            company: text(self.company),
            event: text(self.event),
            owner: text(self.owner),
            source: text(self.source),
        }
    }
}

fn in_salesforce(module: ModuleId) -> Names {
    match module {
        ModuleId::Leads => Names { owner: "OwnerId", source: "LeadSource", ..Names::of("Lead", "", "") },
        ModuleId::Events => Names::of("Campaign", "", ""),
        ModuleId::Attendees => Names::of("CampaignMember", "ContactId", "CampaignId"),
        ModuleId::Registrations => Names::of("Opportunity", "ContactId", ""),
        ModuleId::QuotesAndBookings | ModuleId::Orders => {
            Names { company: "AccountId", ..Names::of("Opportunity", "ContactId", "") }
        }
        ModuleId::ContactEmails => Names::of("Task", "WhoId", ""),
        ModuleId::Companies => Names::of("Account", "", ""),
        ModuleId::Contacts => Names::of("Contact", "", ""),
    }
}

fn in_odoo(module: ModuleId) -> Names {
    match module {
        ModuleId::Leads => Names { owner: "user_id", source: "source_id", ..Names::of("crm.lead", "", "") },
        ModuleId::Events => Names::of("event.event", "", ""),
        ModuleId::Attendees => Names::of("event.registration", "partner_id", "event_id"),
        ModuleId::Registrations => Names::of("crm.lead", "partner_id", "event_id"),
        ModuleId::QuotesAndBookings | ModuleId::Orders => Names::of("crm.lead", "partner_id", ""),
        ModuleId::ContactEmails => Names::of("mail.message", "res_id", ""),
        ModuleId::Companies | ModuleId::Contacts => Names::of("res.partner", "", ""),
    }
}

/// Every record of a module that carries a key, by that key. No key is there twice.
pub async fn keyed(crm: &CrmHand, module: ModuleId) -> BTreeMap<String, Keyed> {
    let prefix = format!("{}-", module.singular());
    let rows: Vec<(String, Keyed)> = match crm {
        CrmHand::Salesforce(sim) => {
            let names = in_salesforce(module);
            let rows = sim.records(names.object).unwrap();
            let ours = rows.iter().filter_map(|row| Some((row["Ivvy_Id__c"].as_str()?.to_owned(), names.read(row))));
            ours.collect()
        }
        CrmHand::Odoo(odoo) => in_odoo_by_key(odoo, &in_odoo(module), &prefix).await,
    };
    let mut found = BTreeMap::new();
    for (key, row) in rows.into_iter().filter(|(key, _)| key.starts_with(&prefix)) {
        assert!(found.insert(key.clone(), row).is_none(), "{module}: {key} is there twice");
    }
    found
}

async fn in_odoo_by_key(odoo: &OdooServer, names: &Names, prefix: &str) -> Vec<(String, Keyed)> {
    let keys =
        json!([["module", "=", "__tandem__"], ["model", "=", names.object], ["name", "=like", format!("{prefix}%")]]);
    let keys = odoo.call("ir.model.data", "search_read", json!({"domain": keys, "fields": ["name", "res_id"]})).await;
    let keys = keys.as_array().unwrap().iter();
    let keys: BTreeMap<i64, String> = keys.map(|row| (row["res_id"].as_i64().unwrap(), plain(&row["name"]))).collect();
    let fields = [names.contact, names.event, names.owner, names.source];
    let fields: Vec<&str> = fields.into_iter().filter(|field| !field.is_empty()).collect();
    // A key without its record would be a record that is not there: only living ones are read.
    let domain = json!([["id", "in", keys.keys().collect::<Vec<_>>()]]);
    let question = json!({"domain": domain, "fields": fields, "context": {"active_test": false}});
    let rows = odoo.call(names.object, "search_read", question).await;
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (keys[&row["id"].as_i64().unwrap()].clone(), names.read(row))).collect()
}

/// Gives the CRM a member of staff of this address, once. Returns its id.
pub async fn hire(crm: &CrmHand, email: &str) -> String {
    match crm {
        CrmHand::Salesforce(sim) => sim.hire("Hired", email, email),
        CrmHand::Odoo(odoo) => {
            let there = json!({"domain": [["login", "=", email]], "fields": []});
            let there = odoo.call("res.users", "search_read", there).await;
            if let Some(user) = there.get(0) {
                return plain(&user["id"]);
            }
            let user = json!({"login": email, "email": email, "name": format!("Hired {email}")});
            plain(&odoo.call("res.users", "create", json!({"vals_list": [user]})).await)
        }
    }
}

/// Lead sources of the CRM: name and id.
pub async fn sources(crm: &CrmHand) -> Vec<(String, String)> {
    match crm {
        // A picklist's value is its own id.
        CrmHand::Salesforce(_) => ["Web", "Phone Inquiry"].map(|name| (name.to_owned(), name.to_owned())).to_vec(),
        CrmHand::Odoo(odoo) => {
            let all = json!({"domain": [], "fields": ["name"]});
            let all = odoo.call("utm.source", "search_read", all).await;
            all.as_array().unwrap().iter().map(|row| (plain(&row["name"]), plain(&row["id"]))).collect()
        }
    }
}
