//! The knobs: everything the contract leaves open, each with the stricter reading as default.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use strum::{Display, EnumIter, EnumString};

/// In which order lists come (contract 17.3: undocumented).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Order {
    /// By id, ascending.
    #[default]
    Id,
    /// Last modified first, ties by descending id: an edit moves a record to the first page.
    ModifiedDesc,
    /// Another random order for every single page.
    Shuffled,
    /// An arbitrary order unrelated to ids and stamps, the same for every page.
    Arbitrary,
}

/// What happens to an add whose first name, last name and email exist (contract 17.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum DuplicateAdd {
    /// HTTP 200 with `success: false`.
    #[default]
    Refuse,
    /// A second record.
    Allow,
    /// HTTP 400.
    BadRequest,
}

/// What happens to `filter` (contract 17.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Filtering {
    /// Documented properties work, others are refused with 23016.
    #[default]
    Honour,
    /// The filter is ignored as a whole.
    Ignore,
    /// Any filter is refused with 23016.
    Reject,
}

/// Configuration of an [`IvvySim`](super::IvvySim).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The API key.
    pub key: String,
    /// Its secret. The default has capitals, so that a client which lower-cases it fails.
    pub secret: SecretString,
    /// Name of the account, for `/_sim/health` and the first line of `tandem sim`.
    pub account: String,
    /// Order of lists.
    pub order: Order,
    /// How long lists and filters do not see a write. Direct reads see it at once.
    pub visibility: Duration,
    /// Adding what exists.
    pub duplicate_add: DuplicateAdd,
    /// Filters on lists.
    pub filtering: Filtering,
    /// Filters on fields nobody documented as filterable: `modifiedDate` of leads, `sentTime` of the email
    /// log and their like (contract 7). Refused by default: a client has to probe before it relies on one.
    pub inferred_filters: Filtering,
    /// Whether `perPage` above 100 is refused with 23016 where the cap is documented, instead of cut.
    pub strict_pages: bool,
    /// Whether joining or leaving a subscription group moves the contact's `modifiedDate`. Unknown
    /// (contract 17.7), so by default it does not.
    pub group_bumps: bool,
    /// Groups that do not take certain contacts, as (group, contact): `status: false` (contract 9). May change
    /// while the simulator runs.
    pub refused_by_group: Arc<Mutex<BTreeSet<(u64, u64)>>>,
    /// How long a batch takes.
    pub batch_time: Duration,
    /// Whether `fromModifiedDate` and `toModifiedDate` include the bound itself. Unknown (contract 7),
    /// so the default leaves the bound out: a client must overlap its windows.
    pub inclusive_bounds: bool,
    /// Whether a write that changes nothing still moves `modifiedDate`.
    pub noop_bumps: bool,
    /// Whether emails are trimmed and lower-cased on write, as some back ends do unasked.
    pub normalise_emails: bool,
    /// Whether parameters the contract does not name are refused with 23016 (contract 17.12).
    pub strict_params: bool,
    /// Actions the key may not call: 403.
    pub denied: BTreeSet<String>,
    /// Seed of [`Order::Shuffled`], [`Order::Arbitrary`] and of loaded stamps.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: "sim-ivvy-key".into(),
            secret: SecretString::from("Sim-iVvy-SECRET-AbCdEf"),
            account: "Simulated account".into(),
            order: Order::default(),
            visibility: Duration::ZERO,
            duplicate_add: DuplicateAdd::default(),
            filtering: Filtering::default(),
            inferred_filters: Filtering::Reject,
            strict_pages: false,
            group_bumps: false,
            refused_by_group: Arc::default(),
            batch_time: Duration::from_secs(2),
            inclusive_bounds: false,
            noop_bumps: true,
            normalise_emails: false,
            strict_params: true,
            denied: BTreeSet::new(),
            seed: 1,
        }
    }
}
