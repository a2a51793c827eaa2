//! Live edits: sales people work in Salesforce while the engine runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::SalesforceSim;
use super::id::SfId;
use crate::sim::control::Edit;
use crate::sim::people::{Person, Population};

/// How often the dice are thrown again when they hit a deleted record.
const THROWS: usize = 8;

/// Makes random edits as one of the org's other users: mostly contact details, sometimes names, tags,
/// accounts and new people, rarely a deletion.
#[derive(Debug)]
pub struct Editor {
    sim: Arc<SalesforceSim>,
    per_minute: u32,
}

impl Editor {
    /// An editor of `sim` that makes about `per_minute` edits a minute by the simulator's clock.
    pub fn new(sim: &Arc<SalesforceSim>, per_minute: u32) -> Self {
        Self { sim: Arc::clone(sim), per_minute }
    }

    /// Edits until `cancel`; at once over when the rate is zero.
    pub async fn run(self, cancel: CancellationToken) {
        if self.per_minute == 0 {
            return;
        }
        let mean = Duration::from_millis(60_000 / u64::from(self.per_minute).min(60_000));
        loop {
            let pause = mean / 2 + self.sim.entropy.duration_up_to(mean);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.sim.clock.sleep(pause) => {}
            }
            self.edit_once();
        }
    }

    /// Makes one edit and returns the id of the record, or nothing if there was nothing to edit or the
    /// org's rules refused it, as they refuse people.
    pub fn edit_once(&self) -> Option<String> {
        let edit = self.think()?;
        self.sim.edit_as_user(&edit).ok()
    }

    fn think(&self) -> Option<Edit> {
        match self.sim.entropy.below(100) {
            0..15 => Some(self.newcomer()),
            15..25 => {
                let city = self.one_of(&["Wellington", "Reykjavík", "Łódź", "横浜市", "Bogotá"]);
                Some(Edit::update("Account", self.anyone("Account")?, json!({"BillingCity": city})))
            }
            dice => {
                let id = self.anyone("Contact")?;
                Some(if dice == 99 {
                    Edit::delete("Contact", id)
                } else {
                    Edit::update("Contact", id, self.change(dice))
                })
            }
        }
    }

    fn change(&self, dice: u64) -> Value {
        let stranger = self.stranger();
        match dice {
            25..65 => json!({"Phone": stranger.phone}),
            65..75 => json!({"LastName": clipped(&stranger.last_name, 80)}),
            75..85 => json!({"Email": stranger.email}),
            85..92 => json!({"Tags__c": self.one_of(&["VIP", "VIP;Speaker", "Press;Newsletter", ""])}),
            92..96 => json!({"Diet__c": self.one_of(&["Vegan", "Halal", "Gluten free"])}),
            _ => json!({"FirstName": clipped(&stranger.first_name, 40), "Phone": null}),
        }
    }

    fn newcomer(&self) -> Edit {
        let Person { first_name, last_name, email, phone, .. } = self.stranger();
        let mut fields = json!({
            "FirstName": clipped(&first_name, 40),
            "LastName": clipped(&last_name, 80),
            "Email": email,
            "Phone": phone,
        });
        if let Some(account) = self.anyone("Account") {
            fields["AccountId"] = json!(account.as_str());
        }
        Edit::create("Contact", fields)
    }

    fn stranger(&self) -> Person {
        // A population of one always has that one.
        Population::generate(self.sim.entropy.next(), 1, 0).people.swap_remove(0)
    }

    /// Any living record.
    fn anyone(&self, object: &str) -> Option<SfId> {
        let inside = self.sim.lock();
        (0..THROWS).find_map(|_| inside.org.living(object, self.sim.entropy.below(inside.org.ever(object))))
    }

    fn one_of<'a>(&self, choices: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.sim.entropy.below(choices.len() as u64)).unwrap_or(0);
        choices.get(index).copied().unwrap_or_default()
    }
}

/// What a field of `length` characters can hold of `text`.
fn clipped(text: &str, length: usize) -> String {
    text.trim().chars().take(length).collect()
}
