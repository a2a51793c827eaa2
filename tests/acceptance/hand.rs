//! The hands of people who work in the two systems, past Tandem and its adapters: they edit records
//! and read what is really there. Fields have Tandem's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use tandem::model::ModuleId;
use tandem::sim::control::Edit;
use tandem::sim::ivvy::IvvySim;
use tandem::sim::people::Population;
use tandem::sim::salesforce::SalesforceSim;

use super::odoo_server::OdooServer;

/// One record as plain text by field; empty and missing are the same here.
pub type Plain = BTreeMap<String, String>;

/// Custom fields of the tests: Tandem's name, its type in the configuration, Salesforce's and Odoo's field.
pub const CUSTOM: [(&str, &str, &str, Option<&str>); 4] = [
    ("custom.101", "text", "Diet__c", Some("x_diet")),
    ("custom.103", "choices", "Interests__c", None),
    ("custom.104", "date", "Birthday__c", Some("x_birthday")),
    ("custom.105", "int", "Loyalty__c", None),
];

/// A value as text; empty and missing are the same.
pub fn plain(json: &Json) -> String {
    match json {
        Json::Null | Json::Bool(false) => String::new(),
        Json::String(text) => text.clone(),
        // Salesforce keeps numbers as doubles.
        Json::Number(number) => number.as_f64().map(|number| number.to_string()).unwrap_or_default(),
        Json::Array(set) if set.iter().all(Json::is_string) => {
            set.iter().filter_map(Json::as_str).filter(|member| !member.is_empty()).collect::<Vec<_>>().join(";")
        }
        // Odoo shows a related record as [id, label].
        Json::Array(pair) => pair.first().map(plain).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn record(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Plain {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

// --- iVvy ---------------------------------------------------------------------------------------

/// A person in iVvy's own screens.
#[derive(Clone, Debug)]
pub struct IvvyHand(pub Arc<IvvySim>);

impl IvvyHand {
    pub fn edit(&self, module: ModuleId, id: &str, fields: &[(&str, &str)]) {
        self.0.edit(&Edit::update(module.singular(), id, self.named(module, id, fields))).unwrap();
    }

    pub fn insert(&self, module: ModuleId, fields: &[(&str, &str)]) -> String {
        self.0.edit(&Edit::create(module.singular(), self.named(module, "", fields))).unwrap()
    }

    /// Erases the person for good.
    pub fn anonymise(&self, id: &str) {
        self.0.edit(&Edit::update("contact", id, json!({"isAnonymised": true}))).unwrap();
    }

    fn named(&self, module: ModuleId, id: &str, fields: &[(&str, &str)]) -> Json {
        let mut named = Map::new();
        let mut customs = Vec::new();
        let mut address = Map::new();
        for (name, text) in fields {
            if let Some(number) = name.strip_prefix("custom.") {
                let set: Vec<&str> = text.split(';').filter(|member| !member.is_empty()).collect();
                let value = if *name == "custom.103" { json!(set) } else { json!(text) };
                customs.push(json!({"fieldId": number, "value": value}));
                continue;
            }
            let property = match (module, *name) {
                (ModuleId::Contacts, "first_name") => "firstName",
                (ModuleId::Contacts, "last_name") => "lastName",
                (ModuleId::Companies, "name") => "businessName",
                (_, "external_id") => "externalId",
                (_, "company") => {
                    let ids: Vec<u64> = text.parse().into_iter().collect();
                    named.insert("companies".into(), json!(ids));
                    continue;
                }
                (ModuleId::Companies, "parent") => "parentCompanyId",
                (_, "city") => {
                    address.insert("city".into(), json!(text));
                    continue;
                }
                (_, same @ ("email" | "phone" | "website")) => same,
                (_, other) => panic!("no iVvy property for {other} of {id}"),
            };
            named.insert(property.into(), json!(text));
        }
        if !customs.is_empty() {
            named.insert("customFields".into(), customs.into());
        }
        if !address.is_empty() {
            named.insert("address".into(), address.into());
        }
        Json::Object(named)
    }

    pub fn read(&self, module: ModuleId, id: &str) -> Plain {
        self.all(module).remove(id).unwrap_or_else(|| panic!("iVvy has no {} {id}", module.singular()))
    }

    /// Everything there is, by id.
    pub fn all(&self, module: ModuleId) -> BTreeMap<String, Plain> {
        match module {
            ModuleId::Contacts => self
                .0
                .contacts()
                .into_iter()
                .map(|contact| {
                    let company = contact.companies.first().map(u64::to_string).unwrap_or_default();
                    let mut row = record([
                        ("first_name", contact.first_name),
                        ("last_name", contact.last_name),
                        ("email", contact.email),
                        ("phone", contact.phone),
                        ("company", company),
                        ("external_id", contact.external_id),
                    ]);
                    for (name, kind, ..) in CUSTOM {
                        let number: u64 = name.trim_start_matches("custom.").parse().unwrap();
                        let mut text = contact.custom.get(&number).map(plain).unwrap_or_default();
                        if kind == "date" {
                            text.truncate(10);
                        }
                        row.insert(name.to_owned(), text);
                    }
                    (contact.id.to_string(), row)
                })
                .collect(),
            _ => self
                .0
                .companies()
                .into_iter()
                .map(|company| {
                    let row = record([
                        ("name", company.business_name),
                        ("phone", company.phone),
                        ("website", company.website),
                        ("city", company.address.city),
                        ("parent", company.parent.as_ref().map(u64::to_string).unwrap_or_default()),
                        ("external_id", company.external_id),
                    ]);
                    (company.id.to_string(), row)
                })
                .collect(),
        }
    }
}

// --- the CRM ------------------------------------------------------------------------------------

/// A person in the CRM's own screens.
#[derive(Clone, Debug)]
pub enum CrmHand {
    Salesforce(Arc<SalesforceSim>),
    Odoo(OdooServer),
}

impl CrmHand {
    /// Puts a population in place. Returns the ids of the companies and of the people, each in order.
    pub async fn load(&self, population: &Population) -> (Vec<String>, Vec<String>) {
        match self {
            Self::Salesforce(sim) => sim.load_all(population),
            Self::Odoo(odoo) => odoo.load(population).await,
        }
    }

    pub async fn edit(&self, module: ModuleId, id: &str, fields: &[(&str, &str)]) {
        match self {
            Self::Salesforce(sim) => sim.edit(object(module), id, salesforce_named(module, fields)).unwrap(),
            Self::Odoo(odoo) => {
                let before = odoo.rows(json!([["id", "=", number(id)]])).await.remove(0);
                let values = odoo_named(module, fields, Some(&before));
                odoo.call("res.partner", "write", json!({"ids": [number(id)], "vals": values})).await;
            }
        }
    }

    pub async fn insert(&self, module: ModuleId, fields: &[(&str, &str)]) -> String {
        match self {
            Self::Salesforce(sim) => sim.insert(object(module), salesforce_named(module, fields)).unwrap(),
            Self::Odoo(odoo) => {
                let mut values = odoo_named(module, fields, None);
                values["is_company"] = json!(module == ModuleId::Companies);
                plain(&odoo.call("res.partner", "create", json!({"vals_list": [values]})).await)
            }
        }
    }

    /// Deletes a record; only where deleting says more than absence.
    pub fn delete(&self, module: ModuleId, id: &str) {
        self.salesforce().delete(object(module), id).unwrap();
    }

    /// Merges a record into another, as only Salesforce's people can.
    pub fn merge(&self, module: ModuleId, loser: &str, survivor: &str) {
        self.salesforce().merge(object(module), survivor, loser).unwrap();
    }

    fn salesforce(&self) -> &SalesforceSim {
        match self {
            Self::Salesforce(sim) => sim,
            Self::Odoo(_) => panic!("this is about Salesforce"),
        }
    }

    pub async fn read(&self, module: ModuleId, id: &str) -> Plain {
        let mut found = match self {
            Self::Salesforce(_) => self.all(module).await,
            Self::Odoo(odoo) => odoo.plain(module, json!([["id", "=", number(id)]])).await,
        };
        found.remove(id).unwrap_or_else(|| panic!("the CRM has no {} {id}", module.singular()))
    }

    /// Everything there is, by id.
    pub async fn all(&self, module: ModuleId) -> BTreeMap<String, Plain> {
        match self {
            Self::Salesforce(sim) => {
                let rows = sim.records(object(module)).unwrap();
                let named = |row: &Json| {
                    let fields = salesforce_fields(module);
                    fields.into_iter().map(|(ours, theirs)| (ours.to_owned(), plain(&row[theirs]))).collect()
                };
                rows.iter().map(|row| (plain(&row["Id"]), named(row))).collect()
            }
            Self::Odoo(odoo) => odoo.plain(module, json!([["is_company", "=", module == ModuleId::Companies]])).await,
        }
    }

    /// Something that changes with every write to any record, by the system's own account.
    pub async fn stamps(&self) -> BTreeMap<String, String> {
        match self {
            Self::Salesforce(sim) => [("effects".to_owned(), sim.ledger().len().to_string())].into(),
            Self::Odoo(odoo) => {
                let mut stamps = BTreeMap::new();
                for model in MODELS {
                    let everything = json!({"domain": [], "fields": ["write_date"], "context": {"active_test": false}});
                    let rows = odoo.call(model, "search_read", everything).await;
                    let rows = rows.as_array().unwrap().iter();
                    stamps
                        .extend(rows.map(|row| (format!("{model} {}", plain(&row["id"])), plain(&row["write_date"]))));
                }
                stamps
            }
        }
    }
}

/// What Tandem writes to in an Odoo, children before their parents.
const MODELS: [&str; 5] = ["mail.message", "event.registration", "crm.lead", "event.event", "res.partner"];

fn object(module: ModuleId) -> &'static str {
    match module {
        ModuleId::Contacts => "Contact",
        _ => "Account",
    }
}

fn salesforce_fields(module: ModuleId) -> Vec<(&'static str, &'static str)> {
    let mut fields = match module {
        ModuleId::Contacts => vec![
            ("first_name", "FirstName"),
            ("last_name", "LastName"),
            ("email", "Email"),
            ("phone", "Phone"),
            ("company", "AccountId"),
            ("ivvy_key", "Ivvy_Id__c"),
        ],
        _ => vec![
            ("name", "Name"),
            ("phone", "Phone"),
            ("website", "Website"),
            ("city", "BillingCity"),
            ("parent", "ParentId"),
            ("ivvy_key", "Ivvy_Id__c"),
        ],
    };
    if module == ModuleId::Contacts {
        fields.extend(CUSTOM.map(|(name, _, field, _)| (name, field)));
    }
    fields
}

fn salesforce_named(module: ModuleId, fields: &[(&str, &str)]) -> Json {
    let known = salesforce_fields(module);
    let named = fields.iter().map(|(name, text)| {
        let (_, field) = known.iter().find(|(ours, _)| ours == name).unwrap_or_else(|| panic!("no field for {name}"));
        let value = match *name {
            _ if text.is_empty() => Json::Null,
            "custom.105" => json!(text.parse::<f64>().unwrap()),
            _ => json!(text),
        };
        ((*field).to_owned(), value)
    });
    Json::Object(named.collect())
}

fn odoo_fields(module: ModuleId) -> Vec<(&'static str, &'static str)> {
    match module {
        ModuleId::Contacts => {
            let mut fields = vec![
                ("first_name", "x_first_name"),
                ("last_name", "x_last_name"),
                ("email", "email"),
                ("phone", "phone"),
                ("company", "parent_id"),
            ];
            fields.extend(CUSTOM.iter().filter_map(|(name, _, _, field)| Some((*name, (*field)?))));
            fields
        }
        _ => vec![
            ("name", "name"),
            ("phone", "phone"),
            ("website", "website"),
            ("city", "city"),
            ("parent", "parent_id"),
        ],
    }
}

fn number(id: &str) -> i64 {
    id.parse().unwrap()
}

fn odoo_named(module: ModuleId, fields: &[(&str, &str)], before: Option<&Json>) -> Json {
    let known = odoo_fields(module);
    let mut values = Map::new();
    for (name, text) in fields {
        let (_, field) = known.iter().find(|(ours, _)| ours == name).unwrap_or_else(|| panic!("no field for {name}"));
        let value = match *name {
            _ if text.is_empty() => json!(false),
            "company" | "parent" => json!(number(text)),
            _ => json!(text),
        };
        values.insert((*field).to_owned(), value);
    }
    if values.contains_key("x_first_name") || values.contains_key("x_last_name") {
        let half = |field: &str| {
            values.get(field).map(plain).or_else(|| before.map(|row| plain(&row[field]))).unwrap_or_default()
        };
        let name = format!("{} {}", half("x_first_name"), half("x_last_name"));
        values.insert("name".to_owned(), json!(name.trim()));
    }
    Json::Object(values)
}

impl OdooServer {
    /// Partners, archived ones left out as Odoo's own screens do.
    async fn rows(&self, domain: Json) -> Vec<Json> {
        let mut fields = vec!["name", "write_date"];
        for module in ModuleId::PEOPLE {
            fields.extend(odoo_fields(module).into_iter().map(|(_, field)| field));
        }
        fields.sort_unstable();
        fields.dedup();
        let rows = self.call("res.partner", "search_read", json!({"domain": domain, "fields": fields})).await;
        rows.as_array().unwrap().clone()
    }

    async fn plain(&self, module: ModuleId, domain: Json) -> BTreeMap<String, Plain> {
        let named = |row: &Json| {
            let fields = odoo_fields(module);
            fields.into_iter().map(|(ours, theirs)| (ours.to_owned(), plain(&row[theirs]))).collect()
        };
        self.rows(domain).await.iter().map(|row| (plain(&row["id"]), named(row))).collect()
    }

    /// Back to the people Odoo itself needs, so that a server may be tested twice. Only ever on this
    /// machine: everything else is somebody's data.
    pub async fn empty(&self) {
        assert!(self.url.starts_with("http://127.0.0.1:"), "the acceptance tests empty the database they run on");
        let context = json!({"active_test": false});
        for model in &MODELS[..4] {
            // The history of what stays is not touched.
            let sent = json!([["message_type", "=", "email_outgoing"]]);
            let domain = if *model == "mail.message" { sent } else { json!([]) };
            let ids = self.call(model, "search", json!({"domain": domain, "context": context})).await;
            self.call(model, "unlink", json!({"ids": ids})).await;
        }
        let of_users = json!({"domain": [], "fields": ["partner_id"], "context": context});
        let mut needed = Vec::new();
        for model in ["res.users", "res.company"] {
            let rows = self.call(model, "search_read", of_users.clone()).await;
            needed.extend(rows.as_array().unwrap().iter().map(|row| number(&plain(&row["partner_id"]))));
        }
        let others = json!({"domain": [["id", "not in", needed]], "context": context});
        let ids = self.call("res.partner", "search", others).await;
        // People before the companies they belong to.
        for company in [false, true] {
            let domain = json!([["id", "in", ids], ["is_company", "=", company]]);
            let some = self.call("res.partner", "search", json!({"domain": domain, "context": context})).await;
            self.call("res.partner", "unlink", json!({"ids": some})).await;
        }
    }

    async fn load(&self, population: &Population) -> (Vec<String>, Vec<String>) {
        let countries = json!({"domain": [], "fields": ["code"]});
        let countries = self.call("res.country", "search_read", countries).await;
        let country = |code: &str| {
            let rows = countries.as_array().into_iter().flatten();
            rows.filter(|row| row["code"] == code).map(|row| row["id"].clone()).next()
        };
        let firms: Vec<Json> = population
            .companies
            .iter()
            .map(|company| {
                json!({
                    "is_company": true,
                    "name": company.name,
                    "phone": company.phone,
                    "email": company.email,
                    "website": company.website,
                    "street": company.street,
                    "city": company.city,
                    "zip": company.postal_code,
                    "country_id": country(&company.country),
                })
            })
            .collect();
        let firms = self.create(firms).await;
        let people: Vec<Json> = population
            .people
            .iter()
            .map(|person| {
                json!({
                    "is_company": false,
                    "name": format!("{} {}", person.first_name, person.last_name),
                    "x_first_name": person.first_name,
                    "x_last_name": person.last_name,
                    "email": person.email,
                    "phone": person.phone,
                    "parent_id": person.company.map(|index| number(&firms[index])),
                })
            })
            .collect();
        (firms, self.create(people).await)
    }

    async fn create(&self, values: Vec<Json>) -> Vec<String> {
        let mut ids = Vec::new();
        for chunk in values.chunks(200) {
            let made = self.call("res.partner", "create", json!({"vals_list": chunk})).await;
            ids.extend(made.as_array().unwrap().iter().map(plain));
        }
        ids
    }
}
