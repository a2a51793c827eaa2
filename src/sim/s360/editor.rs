//! Live edits: box-office staff work in S-360 while the engine runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::S360Sim;
use super::contact::Kind;
use crate::sim::control::Edit;
use crate::sim::people::Population;

/// Makes random edits as another user: mostly telephone numbers and names, sometimes new people and sales.
#[derive(Debug)]
pub struct Editor {
    sim: Arc<S360Sim>,
    per_minute: u32,
}

impl Editor {
    /// An editor of `sim` that makes about `per_minute` edits a minute by the simulator's clock.
    pub fn new(sim: &Arc<S360Sim>, per_minute: u32) -> Self {
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

    /// Makes one edit and returns the id of the record, or nothing if there was nothing to edit.
    pub fn edit_once(&self) -> Option<String> {
        let institutions = self.sim.institutions();
        let code = pick(&institutions, self.sim.entropy.next())?;
        let object = format!("{code}.contact");
        let stranger = Population::generate(self.sim.entropy.next(), 1, 0).people.into_iter().next()?;
        let means = json!([
            {"type": "EMAIL", "value": stranger.email, "main": true},
            {"type": "MOBILE", "value": stranger.phone, "main": true},
        ]);
        let someone = self.someone(code);
        let edit = match (self.sim.entropy.below(10), someone) {
            (0..2, _) | (_, None) => {
                let name = json!({"firstName": stranger.first_name, "lastName": stranger.last_name});
                Edit::create(&object, json!({"individualContact": name, "communicationMeans": means}))
            }
            (2..5, Some(number)) => {
                let price = 500 * self.sim.entropy.below(400);
                let sale = json!({"orderState": "CLOSED", "purchaserContactNumber": number, "saleAmount": price});
                Edit::create(&format!("{code}.order"), sale)
            }
            (5, Some(number)) => {
                Edit::update(&object, number, json!({"individualContact": {"lastName": stranger.last_name}}))
            }
            (_, Some(number)) => Edit::update(&object, number, json!({"communicationMeans": means})),
        };
        self.sim.edit(&edit).ok()
    }

    /// Any individual.
    fn someone(&self, code: &str) -> Option<String> {
        let random = self.sim.entropy.next();
        let world = self.sim.world();
        let contacts = &world.institutions.get(code)?.contacts;
        let from = usize::try_from(random % (contacts.len().max(1) as u64)).unwrap_or(0);
        let mut everybody = contacts.values().skip(from).chain(contacts.values().take(from));
        everybody.find(|contact| contact.kind == Kind::Individual).map(|contact| contact.number.clone())
    }
}

/// The one of `list` that a random number points at.
fn pick<T>(list: &[T], random: u64) -> Option<&T> {
    list.get(usize::try_from(random % (list.len().max(1) as u64)).unwrap_or(0))
}
