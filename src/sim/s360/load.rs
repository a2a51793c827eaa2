//! Filling an institution with people, structures and orders, the same for the same seed.

use std::time::Duration;

use serde_json::{Value, json};

use super::S360Sim;
use crate::model::Timestamp;
use crate::seam::Entropy;
use crate::sim::people::{Company, Person, Population};

/// How far back loaded records reach.
const PAST: Duration = Duration::from_secs(400 * 24 * 3600);

/// Types and states of loaded orders. The last type is one nobody knows.
const ORDERS: &[(&str, &str, &str)] = &[
    ("SALE", "CLOSED", "saleAmount"),
    ("SALE", "CLOSED", "saleAmount"),
    ("SALE", "ABANDONNED", "saleAmount"),
    ("RESERVATION", "CLOSED", "reservationAmount"),
    ("OPTION", "ABANDONNED", "optionAmount"),
    ("REFUND_CLIENT", "CLOSED", "saleAmount"),
    ("SEASON_SWAP", "CLOSED", "saleAmount"),
    ("SALE", "RUNNING", "saleAmount"),
];

impl S360Sim {
    /// Puts a population in place in every institution, changed last within the past 400 days: companies are
    /// structures, whoever works for one is its relay, every third person bought something. No ledger rows, no
    /// push; see [`S360Sim::first_sync`]. Numbers are the same in all institutions, the people are not in the
    /// same order.
    pub fn load(&self, population: &Population, seed: u64) {
        let now = self.clock.now();
        for (nth, code) in self.institutions().iter().enumerate() {
            let entropy = Entropy::seeded(seed.wrapping_add(nth as u64));
            let at = || now.minus(entropy.duration_up_to(PAST));
            // What the shapes refuse, such as a name of blanks, is left out, as an import would.
            let add = |fields: Value| self.add_contact(code, fields, at()).ok();
            let structures: Vec<Option<String>> = population.companies.iter().map(|one| add(structure(one))).collect();
            let shift = nth * population.people.len() / self.institutions().len().max(1);
            let people = population.people.iter().skip(shift).chain(population.people.iter().take(shift));
            for (serial, person) in people.enumerate() {
                let employer = person.company.and_then(|index| structures.get(index)).and_then(Option::as_deref);
                let Some(number) = add(individual(person, employer)) else { continue };
                if serial.is_multiple_of(3) {
                    let order = order(&entropy, &number, at());
                    // Made of known members only, so that it cannot be refused.
                    let _ = self.add_order(code, order);
                }
            }
        }
    }
}

fn clipped(text: &str, length: usize) -> String {
    text.trim().chars().take(length).collect()
}

fn structure(company: &Company) -> Value {
    json!({
        "structureContact": {"name": clipped(&company.name, 200)},
        "addresses": [{
            "main": true,
            "street1": clipped(&company.street, 100),
            "zipCode": clipped(&company.postal_code, 8),
            "town": clipped(&company.city, 100),
            "countryCode": company.country,
        }],
        "communicationMeans": means(&company.email, &company.phone, "PHONE"),
    })
}

fn individual(person: &Person, employer: Option<&str>) -> Value {
    let mut fields = json!({
        "individualContact": {
            "title": if person.origin.is_multiple_of(5) { "UNDEFINED" } else { "MRS" },
            "firstName": clipped(&person.first_name, 200),
            "lastName": clipped(&person.last_name, 200),
        },
        "communicationMeans": means(&person.email, &person.phone, "MOBILE"),
        "authorizations": [{"authorizationCode": "NEWS", "allowed": person.origin.is_multiple_of(2)}],
    });
    if let Some(employer) = employer {
        fields["structureContactNumber"] = json!(employer);
        fields["role"] = json!("RELAY");
    }
    fields
}

fn means(email: &str, phone: &str, kind: &str) -> Value {
    let both = [("EMAIL", email), (kind, phone)];
    let known = both.into_iter().filter(|(_, value)| !value.trim().is_empty());
    Value::Array(known.map(|(kind, value)| json!({"type": kind, "value": value, "main": true})).collect())
}

fn order(entropy: &Entropy, purchaser: &str, at: Timestamp) -> Value {
    let index = usize::try_from(entropy.below(ORDERS.len() as u64)).unwrap_or(0);
    let (kind, state, amount) = ORDERS.get(index).copied().unwrap_or(("SALE", "CLOSED", "saleAmount"));
    let (quantity, price) = (1 + entropy.below(6), 500 * entropy.below(400));
    json!({
        "orderType": kind,
        "orderState": state,
        "creationDateTime": at,
        "referenceDate": at,
        "purchaserContactNumber": purchaser,
        "operationDatas": [{
            "operationId": (1_u64 << 53) + 1 + 2 * entropy.below(1 << 40),
            "kind": "SINGLE_ENTRY",
            "quantity": quantity,
            "basePrice": price,
            "unitPrice": price,
            "productId": 10_229_000_000_u64 + entropy.below(50),
            "product": "Evening concert",
        }],
        amount: quantity * price,
    })
}
