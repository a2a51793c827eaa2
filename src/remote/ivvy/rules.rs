//! What an account's configuration says of single modules, beyond what iVvy itself tells.

use std::collections::{BTreeMap, BTreeSet};

use super::{bookings, registrations};
use crate::error::Error;
use crate::model::{ModuleId, Value};

/// Rules of single modules; the default has none.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Venues whose bookings are listed one venue at a time (V-82); the account's whole list when empty.
    pub venues: BTreeSet<u64>,
    /// The currency that registrations are invoiced in (V-41). None is told when absent.
    pub currency: Option<String>,
    /// What a status has come to, by module and iVvy's word for it, instead of what is built in (V-47, V-83).
    pub stages: BTreeMap<ModuleId, BTreeMap<String, String>>,
    /// Whether confidential bookings lose their name and the people and company behind them (V-84).
    pub mask_confidential: bool,
    /// Whether contacts tell that they are not to be written to (V-21). Where the list does not say, that
    /// takes a call for every contact on it.
    pub opt_out: bool,
}

impl Rules {
    /// A rule about a status there is not would never hold.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (module, stages) in &self.stages {
            let known: BTreeSet<&str> = match module {
                ModuleId::Registrations => registrations::STATUSES.iter().map(|(_, word)| *word).collect(),
                ModuleId::QuotesAndBookings => bookings::STATUSES.iter().map(|(_, word)| *word).collect(),
                _ => BTreeSet::new(),
            };
            // A number nobody told us of has a word as well: `status 42`.
            let is_one = |word: &str| known.contains(word) || word.starts_with("status ");
            if let Some(word) = stages.keys().find(|word| !is_one(word)) {
                return Err(Error::config(format!("modules.{module}.stages: iVvy has no status `{word}` there"))
                    .hint(format!("known here: {}", known.into_iter().collect::<Vec<_>>().join(", "))));
            }
        }
        Ok(())
    }

    /// What `status` has come to in `module`: as configured, or as `built_in` has it.
    pub(super) fn stage(&self, module: ModuleId, status: &Value, built_in: &[(&str, &str)]) -> Value {
        let own = status.as_text().and_then(|word| self.stages.get(&module)?.get(word));
        own.map_or_else(|| super::fields::stage(status, built_in), Value::text)
    }
}
