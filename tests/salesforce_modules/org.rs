//! A simulated org with a company, a contact and an event, the adapter in front of it, and a whole record of every
//! module.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tandem::model::{Fields, ModuleId, Record, RecordId, Value};
use tandem::remote::salesforce::{Salesforce, Settings};
use tandem::remote::{Read, Remote, RemoteError};
use tandem::seam::{Clock, Entropy, TokioClock};
use tandem::sim::inprocess::InProcess;
use tandem::sim::salesforce::{self, SalesforceSim};

/// Catalogue fields that only custom fields can hold, with those of the simulated org.
const EXTRA: &[(ModuleId, &str, &str)] = &[
    (ModuleId::Leads, "name", "Ivvy_Name__c"),
    (ModuleId::Events, "code", "Ivvy_Code__c"),
    (ModuleId::Events, "website", "Ivvy_Website__c"),
    (ModuleId::Events, "starts_at", "Ivvy_Starts__c"),
    (ModuleId::Events, "ends_at", "Ivvy_Ends__c"),
    (ModuleId::Attendees, "invited", "Ivvy_Invited__c"),
    (ModuleId::Registrations, "status", "Ivvy_Status__c"),
    (ModuleId::Registrations, "exhibitor", "Ivvy_Exhibitor__c"),
    (ModuleId::Registrations, "paid", "Ivvy_Paid__c"),
    (ModuleId::QuotesAndBookings, "code", "Ivvy_Code__c"),
    (ModuleId::QuotesAndBookings, "status", "Ivvy_Status__c"),
    (ModuleId::QuotesAndBookings, "outstanding", "Ivvy_Outstanding__c"),
    (ModuleId::QuotesAndBookings, "currency", "Ivvy_Currency__c"),
    (ModuleId::QuotesAndBookings, "starts_at", "Ivvy_Starts__c"),
    (ModuleId::QuotesAndBookings, "ends_at", "Ivvy_Ends__c"),
    (ModuleId::QuotesAndBookings, "confidential", "Ivvy_Confidential__c"),
    (ModuleId::Orders, "kind", "Ivvy_Kind__c"),
    (ModuleId::Orders, "status", "Ivvy_Status__c"),
    (ModuleId::Orders, "currency", "Ivvy_Currency__c"),
    (ModuleId::Orders, "created_at", "Ivvy_Created__c"),
    (ModuleId::ContactEmails, "from", "Ivvy_From__c"),
    (ModuleId::ContactEmails, "to", "Ivvy_To__c"),
    (ModuleId::ContactEmails, "sent_at", "Ivvy_Sent__c"),
];

pub struct Org {
    pub sim: Arc<SalesforceSim>,
    pub clock: Arc<dyn Clock>,
    pub crm: Salesforce,
    pub contact: String,
    pub company: String,
    pub event: String,
}

impl Org {
    /// An org with a company, a contact and an event in it, and an adapter with every extra field.
    pub async fn open() -> Self {
        Self::with(|settings| {
            let extra = EXTRA.iter().map(|(module, name, field)| ((*module, (*name).to_owned()), (*field).to_owned()));
            settings.extra_fields = extra.collect();
            settings.email_field = Some("Email__c".to_owned());
        })
        .await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
        let sim = SalesforceSim::new(salesforce::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
        let crm = adapter(&sim, &clock, change).unwrap();
        let company = sim.insert("Account", json!({"Name": "Harbour"})).unwrap();
        let contact = sim.insert("Contact", json!({"LastName": "Lovelace", "AccountId": company})).unwrap();
        let event = sim.insert("Campaign", json!({"Name": "Gala", "Ivvy_Id__c": "event-99"})).unwrap();
        Self { sim, clock, crm, contact, company, event }
    }

    /// Another adapter in front of the same org, or why its settings will not do.
    pub fn adapter(&self, change: impl FnOnce(&mut Settings)) -> Result<Salesforce, String> {
        adapter(&self.sim, &self.clock, change)
    }

    /// A record of `module` with every field there is.
    pub fn whole(&self, module: ModuleId) -> Fields {
        let (contact, company, event) = (self.contact.as_str(), self.company.as_str(), self.event.as_str());
        let texts: &[(&str, &str)] = match module {
            ModuleId::Companies => &[
                ("name", "Harbour Events"),
                ("phone", "+61 2 5550 1234"),
                ("email", "hello@harbour.example"),
                ("website", "https://harbour.example"),
                ("street", "1 Quay"),
                ("city", "Łódź"),
                ("postal_code", "0200"),
                ("country", "AU"),
                ("parent", company),
            ],
            ModuleId::Contacts => &[
                ("first_name", "Ada"),
                ("last_name", "King"),
                ("email", "ada@harbour.example"),
                ("phone", "1"),
                ("company", company),
            ],
            ModuleId::Leads => &[
                ("name", "Spring wedding"),
                ("first_name", "Bea"),
                ("last_name", "Braun"),
                ("email", "bea@harbour.example"),
                ("phone", "2"),
                ("company_name", "Braun & Co"),
                ("description", "120 guests\nby the water"),
                ("source", "Trade Show"),
            ],
            ModuleId::Events => &[
                ("name", "Summer gala"),
                ("code", "SG26"),
                ("status", "launched"),
                ("starts_at", "2026-12-01T09:00:00Z"),
                ("ends_at", "2026-12-02T01:30:00Z"),
                ("website", "https://gala.example"),
            ],
            ModuleId::Attendees => &[("event", event), ("contact", contact), ("status", "session_attended")],
            ModuleId::Registrations => &[
                ("name", "Gala, Ada King"),
                ("contact", contact),
                ("event", event),
                ("status", "completed"),
                ("stage", "won"),
                ("amount", "1234.50"),
                ("paid", "0.10"),
                ("close_date", "2026-11-30"),
            ],
            ModuleId::QuotesAndBookings => &[
                ("name", "Wedding Braun"),
                ("code", "B-17"),
                ("contact", contact),
                ("company", company),
                ("status", "tentative"),
                ("stage", "tentative"),
                ("amount", "9999999999999.99"),
                ("outstanding", "-12.00"),
                ("currency", "AUD"),
                ("starts_at", "2027-02-01T10:00:00Z"),
                ("ends_at", "2027-02-01T23:00:00Z"),
                ("close_date", "2027-02-01"),
            ],
            ModuleId::Orders => &[
                ("name", "Refund 9007199254740993"),
                ("contact", contact),
                ("company", company),
                ("kind", "refund"),
                ("status", "closed"),
                ("stage", "won"),
                ("amount", "-120.50"),
                ("currency", "EUR"),
                ("created_at", "2026-11-20T22:15:00Z"),
                ("close_date", "2026-11-21"),
                ("lines", "2 x Gala, stalls: 60.25 each"),
            ],
            ModuleId::ContactEmails => &[
                ("contact", contact),
                ("subject", "Your booking"),
                ("from", "sales@venue.example"),
                ("to", "ada@harbour.example"),
                ("sent_at", "2026-11-20T22:15:00Z"),
                ("body", "Dear Ada"),
            ],
        };
        let mut fields: Fields = texts.iter().map(|(name, text)| ((*name).to_owned(), Value::text(*text))).collect();
        let flag = match module {
            ModuleId::Attendees => Some("invited"),
            ModuleId::Registrations => Some("exhibitor"),
            ModuleId::QuotesAndBookings => Some("confidential"),
            _ => None,
        };
        fields.extend(flag.map(|name| (name.to_owned(), Value::Bool(true))));
        if module == ModuleId::Leads {
            fields.insert("owner".to_owned(), Value::text(self.user(true)));
        }
        fields
    }

    pub fn user(&self, active: bool) -> String {
        let users = self.sim.records("User").unwrap();
        users.iter().find(|user| user["IsActive"] == active).unwrap()["Id"].as_str().unwrap().to_owned()
    }

    pub async fn create(&self, module: ModuleId, key: &str) -> RecordId {
        self.crm.create(module, key, &self.whole(module)).await.unwrap().id
    }

    pub async fn read(&self, module: ModuleId, id: &RecordId) -> Record {
        match self.crm.get(module, id).await.unwrap() {
            Read::Found(record) => *record,
            other => panic!("{module}: {other:?}"),
        }
    }

    pub async fn refused(&self, module: ModuleId, key: &str, fields: &Fields) -> RemoteError {
        self.crm.create(module, key, fields).await.unwrap_err()
    }

    /// The record as the org holds it.
    pub fn row(&self, object: &str, id: &RecordId) -> Json {
        let rows = self.sim.records(object).unwrap();
        rows.into_iter().find(|row| row["Id"] == id.as_str()).unwrap_or_else(|| panic!("no {object} {id}"))
    }
}

fn adapter(
    sim: &Arc<SalesforceSim>,
    clock: &Arc<dyn Clock>,
    change: impl FnOnce(&mut Settings),
) -> Result<Salesforce, String> {
    let salesforce::Settings { client_id, client_secret, .. } = sim.settings().clone();
    let mut settings = Settings::new("http://127.0.0.1:8080", client_id, client_secret);
    change(&mut settings);
    let transport = Arc::new(InProcess { router: sim.router() });
    Salesforce::new(settings, transport, Arc::clone(clock)).map_err(|error| error.to_string())
}

pub fn one(name: &str, value: impl Into<Value>) -> Fields {
    Fields::from([(name.to_owned(), value.into())])
}

pub fn object(module: ModuleId) -> &'static str {
    match module {
        ModuleId::Companies => "Account",
        ModuleId::Contacts => "Contact",
        ModuleId::Leads => "Lead",
        ModuleId::Events => "Campaign",
        ModuleId::Attendees => "CampaignMember",
        ModuleId::Registrations | ModuleId::QuotesAndBookings | ModuleId::Orders => "Opportunity",
        ModuleId::ContactEmails => "Task",
    }
}

pub fn key(module: ModuleId) -> String {
    format!("{}-12", module.singular())
}

pub async fn advance(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}
