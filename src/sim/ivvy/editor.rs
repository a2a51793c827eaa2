//! Live edits: somebody works in iVvy while the engine runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::row::Row;
use super::{Contact, IvvySim};
use crate::seam::Entropy;
use crate::sim::control::Edit;
use crate::sim::people::Population;

/// Makes random edits as another user: mostly phone numbers, sometimes names, addresses, companies and
/// new people, rarely a deletion.
#[derive(Debug)]
pub struct Editor {
    sim: Arc<IvvySim>,
    per_minute: u32,
    entropy: Entropy,
}

impl Editor {
    /// An editor of `sim` that makes about `per_minute` edits a minute by the simulator's clock.
    pub fn new(sim: &Arc<IvvySim>, per_minute: u32) -> Self {
        Self { sim: Arc::clone(sim), per_minute, entropy: sim.entropy.clone() }
    }

    /// Edits until `cancel`; at once over when the rate is zero.
    pub async fn run(self, cancel: CancellationToken) {
        if self.per_minute == 0 {
            return;
        }
        let mean = Duration::from_millis(60_000 / u64::from(self.per_minute).min(60_000));
        loop {
            let pause = mean / 2 + self.entropy.duration_up_to(mean);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.sim.clock.sleep(pause) => {}
            }
            self.edit_once();
        }
    }

    /// Makes one edit and returns the id of the record, or nothing if there was nothing to edit.
    pub fn edit_once(&self) -> Option<String> {
        let edit = self.think()?;
        self.sim.edit(&edit).ok()
    }

    fn think(&self) -> Option<Edit> {
        match self.entropy.below(100) {
            0..15 => Some(self.newcomer()),
            15..25 => {
                let company = self.anyone("company")?;
                let city = ["Perth", "Kraków", "神戸市", "São Paulo", "Nürnberg"][self.below(5)];
                Some(Edit::update("company", company.id, json!({"address": {"city": city}})))
            }
            dice => {
                let contact = Contact::from(&self.anyone("contact").filter(|contact| !contact.flag("isAnonymised"))?);
                if dice == 99 {
                    return Some(Edit::delete("contact", contact.id));
                }
                Some(Edit::update("contact", contact.id, self.change(&contact, dice)))
            }
        }
    }

    fn change(&self, contact: &Contact, dice: u64) -> Value {
        let stranger = self.stranger();
        match dice {
            25..75 => json!({"phone": stranger.phone}),
            75..85 => json!({"lastName": stranger.last_name}),
            85..95 => {
                let local = contact.email.split('@').next().unwrap_or("info").to_owned();
                json!({"email": format!("{local}@new{}.example.net", self.entropy.below(1000))})
            }
            _ => json!({"firstName": contact.first_name.trim(), "phone": ""}),
        }
    }

    fn newcomer(&self) -> Edit {
        let stranger = self.stranger();
        let (local, domain) = stranger.email.split_once('@').unwrap_or(("new", "example.com"));
        let email = format!("{local}.{}@{domain}", self.entropy.below(1_000_000));
        let fields = json!({
            "firstName": stranger.first_name,
            "lastName": stranger.last_name,
            "email": email,
            "phone": stranger.phone,
        });
        Edit::create("contact", fields)
    }

    fn stranger(&self) -> crate::sim::people::Person {
        // A population of one always has that one.
        Population::generate(self.entropy.next(), 1, 0).people.swap_remove(0)
    }

    /// Any record of a kind; nothing when the dice hit a deleted one.
    fn anyone(&self, object: &str) -> Option<Row> {
        let world = self.sim.world();
        let table = world.table(object);
        let index = self.below(usize::try_from(table.ever()).unwrap_or(0));
        table.live().nth(index).cloned()
    }

    fn below(&self, len: usize) -> usize {
        usize::try_from(self.entropy.below(len as u64)).unwrap_or(0)
    }
}
