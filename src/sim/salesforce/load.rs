//! The org's first inhabitants: its users, and a population as sales people would have typed it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::SalesforceSim;
use super::id::SfId;
use super::org::{Author, Org};
use super::rules;
use crate::model::Timestamp;
use crate::sim::control::EditError;
use crate::sim::ledger::By;
use crate::sim::people::{Company, Person, Population};

/// How far back the loaded records were made, so that nothing looks fresh.
const AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The people of the venue as Salesforce knows them: first name, last name, e-mail, whether active.
/// Some are iVvy's staff under the same address, some under another spelling, some only here.
const STAFF: &[(&str, &str, &str, bool)] = &[
    ("Siobhan", "O'Brien", "siobhan.obrien@venue.example", true),
    ("Lukasz", "Wisniewski", "lukasz.wisniewski@venue.example", true),
    ("Sakura", "Yamada", "s.yamada@sales.example", true),
    ("Former", "Colleague", "former.colleague@venue.example", false),
];

/// Creates a user: first name, last name, e-mail.
fn hire(org: &mut Org, [first, last, name]: [&str; 3], active: bool, now: Timestamp) -> SfId {
    let author = Author { user: SfId::mint("005", 1), by: By::User };
    let fields = [("FirstName", first), ("LastName", last), ("Username", name), ("Email", name)];
    let mut fields: BTreeMap<String, Value> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    fields.insert("IsActive".to_owned(), json!(active));
    org.insert("User", fields, &author, now.minus(AGE))
}

/// Creates the integration user and the staff; returns the ids of the former and of those who still
/// work.
pub(super) fn users(org: &mut Org, integration: &str, now: Timestamp) -> (SfId, Vec<SfId>) {
    let mut hire = |first: &str, last: &str, name: &str, active: bool| hire(org, [first, last, name], active, now);
    let integration = hire("Tandem", "Integration", integration, true);
    let mut colleagues = Vec::new();
    for (first, last, name, active) in STAFF {
        let id = hire(first, last, name, *active);
        colleagues.extend(active.then_some(id));
    }
    org.commit_silently();
    (integration, colleagues)
}

/// The records a lead became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Its company.
    pub account: String,
    /// The person.
    pub contact: String,
    /// What might be sold, if it was asked for.
    pub opportunity: Option<String>,
}

impl SalesforceSim {
    /// Adds a member of staff, as only administrators can. Returns the id.
    pub fn hire(&self, first: &str, last: &str, email: &str) -> String {
        let mut inside = self.lock();
        let id = hire(&mut inside.org, [first, last, email], true, self.clock.now());
        inside.org.commit_silently();
        id.to_string()
    }

    /// Converts a lead as another user would: account, contact and, if asked for, an opportunity come into
    /// being, and the lead takes no more changes.
    ///
    /// # Errors
    /// When there is no such living lead, or it is converted already.
    pub fn convert_lead(&self, lead: &str, with_opportunity: bool) -> Result<Converted, EditError> {
        self.convert(lead, None, with_opportunity)
    }

    /// The same, into a contact that is there already and keeps its values.
    ///
    /// # Errors
    /// As [`SalesforceSim::convert_lead`]; also when there is no such living contact.
    pub fn convert_lead_into(&self, lead: &str, contact: &str) -> Result<Converted, EditError> {
        self.convert(lead, Some(contact), false)
    }

    fn convert(&self, lead: &str, into: Option<&str>, with_opportunity: bool) -> Result<Converted, EditError> {
        let writer = self.colleague();
        let unknown = || EditError::UnknownRecord(lead.to_owned());
        let id = SfId::parse(lead).ok_or_else(unknown)?;
        let mut inside = self.lock();
        let org = &mut inside.org;
        let fields = org.committed("Lead", &id).filter(|lead| !lead.deleted).ok_or_else(unknown)?.fields.clone();
        if fields.contains_key("IsConverted") {
            return Err(unknown());
        }
        let of = |names: &[(&str, &str)]| -> BTreeMap<String, Value> {
            names.iter().filter_map(|(from, to)| Some(((*to).to_owned(), fields.get(*from)?.clone()))).collect()
        };
        let (by, now) = (&writer.author, writer.now);
        let standing = match into {
            Some(contact) => {
                let no_contact = || EditError::UnknownRecord(contact.to_owned());
                let id = SfId::parse(contact).ok_or_else(no_contact)?;
                let known = org.committed("Contact", &id).filter(|known| !known.deleted).ok_or_else(no_contact)?;
                let account = known.fields.get("AccountId").and_then(Value::as_str).and_then(SfId::parse);
                Some((id, account))
            }
            None => None,
        };
        let account = match standing.as_ref().and_then(|(_, account)| account.clone()) {
            Some(account) => account,
            None => org.insert("Account", of(&[("Company", "Name")]), by, now),
        };
        let person = [("FirstName", "FirstName"), ("LastName", "LastName"), ("Email", "Email"), ("Phone", "Phone")];
        let mut contact = of(&person);
        contact.insert("AccountId".to_owned(), json!(account.as_str()));
        let contact = match standing {
            Some((contact, _)) => contact,
            None => org.insert("Contact", contact, by, now),
        };
        let opportunity = with_opportunity.then(|| {
            let mut fields = of(&[("Company", "Name"), ("OwnerId", "OwnerId")]);
            let close = now.plus(Duration::from_secs(90 * 24 * 60 * 60)).to_datetime().date_naive();
            for (name, value) in [
                ("StageName", json!("Prospecting")),
                ("CloseDate", json!(close.to_string())),
                ("AccountId", json!(account.as_str())),
                ("ContactId", json!(contact.as_str())),
            ] {
                fields.insert(name.to_owned(), value);
            }
            let id = org.insert("Opportunity", fields, by, now);
            rules::after_creation(org, "Opportunity", &id, by, now);
            id
        });
        let mut converted = BTreeMap::from([
            ("IsConverted".to_owned(), json!(true)),
            ("ConvertedDate".to_owned(), json!(now.to_datetime().date_naive().to_string())),
            ("ConvertedAccountId".to_owned(), json!(account.as_str())),
            ("ConvertedContactId".to_owned(), json!(contact.as_str())),
            ("Status".to_owned(), json!("Closed - Converted")),
        ]);
        converted.extend(opportunity.as_ref().map(|id| ("ConvertedOpportunityId".to_owned(), json!(id.as_str()))));
        org.change("Lead", &id, converted, by, now);
        org.commit(&self.ledger, now);
        let opportunity = opportunity.map(|id| id.to_string());
        Ok(Converted { account: account.to_string(), contact: contact.to_string(), opportunity })
    }

    /// Fills the org with `population`, dated over the past year, without a trace in the ledger.
    /// Values too long for Salesforce are cut as its import would have made people cut them. Returns
    /// the ids of the contacts, in the population's order.
    pub fn load(&self, population: &Population) -> Vec<String> {
        self.load_all(population).1
    }

    /// As [`SalesforceSim::load`]; returns the ids of accounts and contacts, each in the population's order.
    pub fn load_all(&self, population: &Population) -> (Vec<String>, Vec<String>) {
        let now = self.clock.now();
        let mut inside = self.lock();
        let org = &mut inside.org;
        let author = |serial: usize| Author {
            user: self.colleagues.get(serial % self.colleagues.len().max(1)).unwrap_or(&self.integration).clone(),
            by: By::User,
        };
        let made = |serial: usize| now.minus(AGE).plus(Duration::from_secs(serial as u64 % 8_000 * 3_600));
        let companies: Vec<SfId> = population
            .companies
            .iter()
            .enumerate()
            .map(|(serial, company)| {
                let fields = clipped(org, "Account", account(company));
                org.insert("Account", fields, &author(serial), made(serial))
            })
            .collect();
        let mut contacts = Vec::with_capacity(population.people.len());
        for (serial, person) in population.people.iter().enumerate() {
            let employer = person.company.and_then(|index| companies.get(index));
            let fields = clipped(org, "Contact", contact(person, employer));
            contacts.push(org.insert("Contact", fields, &author(serial), made(serial)).to_string());
        }
        org.commit_silently();
        (companies.iter().map(SfId::to_string).collect(), contacts)
    }
}

fn account(company: &Company) -> Vec<(&'static str, String)> {
    vec![
        ("Name", company.name.clone()),
        ("Phone", company.phone.clone()),
        ("Website", company.website.clone()),
        ("Email__c", company.email.clone()),
        ("BillingStreet", company.street.clone()),
        ("BillingCity", company.city.clone()),
        ("BillingPostalCode", company.postal_code.clone()),
        ("BillingCountry", company.country.clone()),
    ]
}

fn contact(person: &Person, employer: Option<&SfId>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("FirstName", person.first_name.clone()),
        ("LastName", person.last_name.clone()),
        ("Email", person.email.clone()),
        ("Phone", person.phone.clone()),
    ];
    fields.extend(employer.map(|id| ("AccountId", id.to_string())));
    fields
}

/// What the fields can hold of these texts; empty ones are left out.
fn clipped(org: &Org, object: &str, fields: Vec<(&'static str, String)>) -> BTreeMap<String, Value> {
    let object = org.schema.object(object);
    let clip = |(name, text): (&'static str, String)| {
        let length = object.and_then(|object| object.field(name)).and_then(|field| field.kind.length());
        let kept: String = text.trim().chars().take(length.unwrap_or(usize::MAX)).collect();
        let kept = kept.trim_end();
        (!kept.is_empty()).then(|| (name.to_owned(), json!(kept)))
    };
    fields.into_iter().filter_map(clip).collect()
}
