//! How to reach one Salesforce org and which of its fields to use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;

use super::modules;
use crate::error::Error;
use crate::model::{FieldDef, FieldKind, ModuleId};
use crate::remote::transport::Limits;

/// Settings of a [`Salesforce`](super::Salesforce) adapter.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The org's My Domain address. Only the log-in goes there; the rest goes where it points to.
    pub base_url: String,
    /// Consumer key of the connected app.
    pub client_id: String,
    /// Consumer secret of the connected app.
    pub client_secret: SecretString,
    /// REST API version, `60.0`.
    pub api_version: String,
    /// The field for our key on every object that is written: text, **External ID and Unique**.
    pub key_field: String,
    /// Account field with the company's e-mail address. Salesforce has none of its own.
    pub email_field: Option<String>,
    /// Account field with the country code: `BillingCountry`, or `BillingCountryCode` in an org with
    /// country picklists.
    pub country_field: String,
    /// Catalogue fields that have no standard field there, by module and name: API name of the custom
    /// field that holds them. Which ones a module knows stands in its file under `modules`.
    pub extra_fields: BTreeMap<(ModuleId, String), String>,
    /// The org's opportunity stage for each of `open`, `quote`, `tentative`, `won` and `lost`.
    pub stages: BTreeMap<String, String>,
    /// The campaign status for each of `draft`, `launched` and `closed`.
    pub event_statuses: BTreeMap<String, String>,
    /// The campaign member status for each answer: labels an administrator prepares for every campaign.
    pub member_statuses: BTreeMap<String, String>,
    /// Names of the subscription groups that are kept in step. They need a multi-select picklist, named in
    /// `extra_fields` for `groups` of contacts.
    pub groups: BTreeSet<String>,
    /// Catalogue fields that are neither read nor written, by module (C-07).
    pub left_out: BTreeSet<(ModuleId, String)>,
    /// Custom fields per module: catalogue field → API name on the module's object.
    pub custom: BTreeMap<ModuleId, Vec<(FieldDef, String)>>,
    /// How long a write may take to become visible to a look-up.
    pub settle: Duration,
    /// Overlap of two sweeps: transactions commit late with an earlier stamp (`contracts/crm.md` 3).
    pub overlap: Duration,
    /// Bounds of one exchange.
    pub limits: Limits,
}

impl Settings {
    /// Defaults for everything but the access: API 60.0, key in `Ivvy_Id__c`, no e-mail address on
    /// accounts, no further custom fields, Salesforce's standard stages and campaign statuses, 10 s to
    /// settle, 300 s of overlap.
    pub fn new(base_url: impl Into<String>, client_id: impl Into<String>, client_secret: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            client_id: client_id.into(),
            client_secret,
            api_version: "60.0".to_owned(),
            key_field: "Ivvy_Id__c".to_owned(),
            email_field: None,
            country_field: "BillingCountry".to_owned(),
            extra_fields: BTreeMap::new(),
            stages: words(&STAGES),
            event_statuses: words(&EVENT_STATUSES),
            member_statuses: words(&MEMBER_STATUSES),
            groups: BTreeSet::new(),
            left_out: BTreeSet::new(),
            custom: BTreeMap::new(),
            settle: Duration::from_secs(10),
            overlap: Duration::from_secs(300),
            limits: Limits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !self.api_version.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor)) {
            return Err(Error::config("the Salesforce API version must look like 60.0"));
        }
        let own = [&self.key_field, &self.country_field].into_iter().chain(&self.email_field);
        own.map(String::as_str).try_for_each(check_field_name)?;
        self.check_extra()?;
        check_words("stages", &self.stages, &STAGES)?;
        check_words("event statuses", &self.event_statuses, &EVENT_STATUSES)?;
        check_words("member statuses", &self.member_statuses, &MEMBER_STATUSES)?;
        for (module, fields) in &self.custom {
            let mut names = BTreeSet::new();
            for (def, field) in fields {
                check_field_name(field)?;
                if module.def().field(&def.name).is_some() || !names.insert(&def.name) {
                    return Err(Error::config(format!("{module}: {} is mapped twice", def.name)));
                }
                if matches!(def.kind, FieldKind::Reference(_) | FieldKind::ConstantId) {
                    return Err(Error::config(format!("{module}: {} has a type that cannot be mapped", def.name))
                        .hint("map text, number, flag, date or picklist fields"));
                }
            }
        }
        Ok(())
    }

    /// Every extra field is one that the module can use. That nothing else is kept in its place is seen where
    /// the whole map is known.
    fn check_extra(&self) -> Result<(), Error> {
        for ((module, name), field) in &self.extra_fields {
            check_field_name(field)?;
            let place = modules::place(*module, self);
            if !place.optional.iter().any(|(known, _)| known == name) {
                let known: Vec<&str> = place.optional.iter().map(|(name, _)| *name).collect();
                return Err(Error::config(format!("{module}: {name} cannot be kept in a field of its own"))
                    .hint(format!("fields that can: {}", known.join(", "))));
            }
        }
        Ok(())
    }
}

/// Our stages and what a new Salesforce org calls them.
const STAGES: [(&str, &str); 5] = [
    ("open", "Prospecting"),
    ("quote", "Proposal/Price Quote"),
    ("tentative", "Negotiation/Review"),
    ("won", "Closed Won"),
    ("lost", "Closed Lost"),
];

/// The states of an event and what a new Salesforce org calls them.
const EVENT_STATUSES: [(&str, &str); 3] = [("draft", "Planned"), ("launched", "In Progress"), ("closed", "Completed")];

/// The answers of people to an event and the labels the administrator is asked to prepare.
const MEMBER_STATUSES: [(&str, &str); 7] = [
    ("invited", "Invited"),
    ("accepted", "Accepted"),
    ("declined", "Declined"),
    ("registered", "Registered"),
    ("attended", "Attended"),
    ("session_attended", "Session attended"),
    ("no_show", "No-show"),
];

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(word, label)| ((*word).to_owned(), (*label).to_owned())).collect()
}

/// Each of our words has a value, and no two the same: otherwise reading could not tell them apart.
fn check_words(what: &str, words: &BTreeMap<String, String>, known: &[(&str, &str)]) -> Result<(), Error> {
    if words.len() != known.len() || !known.iter().all(|(word, _)| words.contains_key(*word)) {
        let known: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        return Err(Error::config(format!("the {what} must be given for {}", known.join(", "))));
    }
    let labels: BTreeSet<&str> = words.values().map(|label| label.trim()).filter(|label| !label.is_empty()).collect();
    if labels.len() != words.len() {
        return Err(Error::config(format!("two of the {what} have the same value in Salesforce, or one has none")));
    }
    Ok(())
}

/// Field names are put into SOQL and paths as they are, so nothing but a name may pass.
fn check_field_name(name: &str) -> Result<(), Error> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if plain && begins {
        Ok(())
    } else {
        Err(Error::config(format!("{name:?} is not the API name of a Salesforce field")))
    }
}
