//! The world of the demonstration: an iVvy account and a Salesforce org that have been in step for
//! years, with a few things waiting for a person, and colleagues at work in both.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::control::Edit;
use super::ivvy::{self, IvvySim};
use super::people::{Company, Person, Population};
use super::salesforce::{self, SalesforceSim};
use crate::seam::{Clock, Entropy};

/// What a record of the demonstration is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Known to both, in step.
    Settled,
    /// The CRM has another phone number, and the two never agreed.
    OtherPhone,
    /// Twice in the CRM, so that nobody can tell which is meant.
    Twice,
    /// Only in iVvy.
    OnlyIvvy,
    /// Only in the CRM.
    OnlyCrm,
    /// Only in the CRM, and incomplete.
    Incomplete,
}

impl Part {
    fn of(index: usize) -> Self {
        match index {
            _ if index % 67 == 31 => Self::OtherPhone,
            _ if index % 211 == 23 => Self::Twice,
            _ if index % 97 == 5 => Self::OnlyIvvy,
            _ if index % 103 == 11 => Self::OnlyCrm,
            _ if index % 251 == 17 => Self::Incomplete,
            _ => Self::Settled,
        }
    }

    fn in_ivvy(self) -> bool {
        !matches!(self, Self::OnlyCrm | Self::Incomplete)
    }

    fn in_crm(self) -> bool {
        self != Self::OnlyIvvy
    }

    /// Whether both systems name each other's ids already.
    fn paired(self) -> bool {
        matches!(self, Self::Settled | Self::OtherPhone)
    }
}

/// The two simulated systems, filled.
#[derive(Clone, Debug)]
pub struct World {
    /// iVvy.
    pub ivvy: Arc<IvvySim>,
    /// The CRM.
    pub salesforce: Arc<SalesforceSim>,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
}

impl World {
    /// `contacts` people and proportionally many companies, the same for the same seed. `hostile` puts
    /// text that attacks terminals into every tenth.
    pub fn new(contacts: usize, seed: u64, hostile: bool, clock: Arc<dyn Clock>) -> Self {
        let entropy = Entropy::seeded(seed);
        let ivvy = IvvySim::new(
            ivvy::Settings { seed, order: ivvy::Order::Id, ..ivvy::Settings::default() },
            Arc::clone(&clock),
            Entropy::seeded(seed.wrapping_add(1)),
        );
        let salesforce = SalesforceSim::new(
            salesforce::Settings::default(),
            Arc::clone(&clock),
            Entropy::seeded(seed.wrapping_add(2)),
        );
        let world = Self { ivvy, salesforce, clock, entropy };
        let population = Population::generate(seed, contacts, contacts * 3 / 20);
        world.fill(&if hostile { population.hostile(seed) } else { population });
        world.ivvy.furnish(hostile);
        world
    }

    fn fill(&self, population: &Population) {
        let mut crm = Population { people: Vec::new(), companies: population.companies.clone() };
        let mut places = Vec::with_capacity(population.people.len());
        for (index, person) in population.people.iter().enumerate() {
            let part = Part::of(index);
            places.push(part.in_crm().then_some(crm.people.len()));
            if part.in_crm() {
                crm.people.push(twin(person, part, &self.entropy));
            }
            if part == Part::Twice {
                crm.people.push(person.clone());
            }
        }
        let (accounts, contacts) = self.salesforce.load_all(&crm);
        let firms: Vec<u64> = population
            .companies
            .iter()
            .zip(&accounts)
            .map(|(company, account)| self.add_company(company, account))
            .collect();
        for (index, person) in population.people.iter().enumerate() {
            let part = Part::of(index);
            if part.in_ivvy() {
                let counterpart = places[index].filter(|_| part.paired()).and_then(|place| contacts.get(place));
                self.add_contact(person, &firms, counterpart);
            }
        }
    }

    fn add_company(&self, company: &Company, account: &str) -> u64 {
        let id = self.ivvy.add_company(ivvy::Company {
            external_id: account.to_owned(),
            business_name: company.name.clone(),
            phone: company.phone.clone(),
            email: company.email.clone(),
            website: company.website.clone(),
            address: ivvy::Address {
                lines: [company.street.clone(), String::new(), String::new(), String::new()],
                city: company.city.clone(),
                country_code: company.country.clone(),
                postal_code: company.postal_code.clone(),
                ..ivvy::Address::default()
            },
            ..ivvy::Company::default()
        });
        self.stamp("Account", account, &format!("company-{id}"));
        id
    }

    fn add_contact(&self, person: &Person, firms: &[u64], counterpart: Option<&String>) {
        let id = self.ivvy.add_contact(ivvy::Contact {
            external_id: counterpart.cloned().unwrap_or_default(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            email: person.email.clone(),
            phone: person.phone.clone(),
            companies: person.company.and_then(|index| firms.get(index)).copied().into_iter().collect(),
            status: 1,
            sms_status: 1,
            ..ivvy::Contact::default()
        });
        if let Some(contact) = counterpart {
            self.stamp("Contact", contact, &format!("contact-{id}"));
        }
    }

    fn stamp(&self, object: &str, id: &str, key: &str) {
        // The record was made a moment ago by the same hand; a failure would show as an unpaired record.
        let _ = self.salesforce.edit(object, id, json!({"Ivvy_Id__c": key}));
    }

    /// Colleagues at work on both sides until `cancel`: ordinary edits, and now and then the same field
    /// of the same person in both, or a value the other system will not take. With no edits per minute
    /// nobody is at work.
    pub async fn live(&self, edits_per_minute: u32, cancel: CancellationToken) {
        if edits_per_minute == 0 {
            return;
        }
        let ivvy = ivvy::Editor::new(&self.ivvy, edits_per_minute).run(cancel.clone());
        let crm = salesforce::Editor::new(&self.salesforce, edits_per_minute).run(cancel.clone());
        tokio::join!(ivvy, crm, self.quarrel(cancel));
    }

    /// Two people change the same phone number within seconds, every so often; and someone types a
    /// family name that Salesforce refuses.
    async fn quarrel(&self, cancel: CancellationToken) {
        for round in 0_u64.. {
            let pause = Duration::from_secs(if round < 3 { 1 } else { 20 });
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.clock.sleep(pause) => {}
            }
            let paired: Vec<ivvy::Contact> = self
                .ivvy
                .contacts()
                .into_iter()
                .filter(|contact| !contact.external_id.is_empty() && !contact.anonymised)
                .collect();
            let Some(contact) = paired.get(self.entropy.below(paired.len() as u64) as usize) else {
                continue;
            };
            let digits = self.entropy.below(9_000) + 1_000;
            if round % 4 == 0 {
                let name = "de la ".repeat(20) + &contact.last_name;
                let _ = self.ivvy.edit(&Edit::update("contact", contact.id, json!({"lastName": name})));
                continue;
            }
            let ours = json!({"phone": format!("+61 2 5550 {digits}")});
            let theirs = json!({"Phone": format!("+44 20 7946 {digits}")});
            // Either may have been deleted by a colleague meanwhile.
            let _ = self.ivvy.edit(&Edit::update("contact", contact.id, ours));
            let _ = self.salesforce.edit("Contact", &contact.external_id, theirs);
        }
    }
}

fn twin(person: &Person, part: Part, entropy: &Entropy) -> Person {
    let mut twin = person.clone();
    match part {
        Part::OtherPhone => twin.phone = format!("+49 30 2312 {}", 1000 + entropy.below(9000)),
        Part::Incomplete => twin.email = String::new(),
        _ => {}
    }
    twin
}
