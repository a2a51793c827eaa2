//! How to reach one Salesforce org and which of its fields to use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;

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
    /// The field for our key on Contact and Account: text, **External ID and Unique**.
    pub key_field: String,
    /// Account field with the company's e-mail address. Salesforce has none of its own.
    pub email_field: Option<String>,
    /// Account field with the country code: `BillingCountry`, or `BillingCountryCode` in an org with
    /// country picklists.
    pub country_field: String,
    /// Custom fields per module: catalogue field → API name on Contact or Account.
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
    /// accounts, 10 s to settle, 300 s of overlap.
    pub fn new(base_url: impl Into<String>, client_id: impl Into<String>, client_secret: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            client_id: client_id.into(),
            client_secret,
            api_version: "60.0".to_owned(),
            key_field: "Ivvy_Id__c".to_owned(),
            email_field: None,
            country_field: "BillingCountry".to_owned(),
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
        for (module, fields) in &self.custom {
            let (mut names, mut targets) = (BTreeSet::new(), BTreeSet::new());
            for (def, field) in fields {
                check_field_name(field)?;
                if module.def().field(&def.name).is_some() || !names.insert(&def.name) || !targets.insert(field) {
                    return Err(Error::config(format!("{module}: {} or {field} is mapped twice", def.name)));
                }
                if matches!(def.kind, FieldKind::Reference(_) | FieldKind::ConstantId) {
                    return Err(Error::config(format!("{module}: {} has a type that cannot be mapped", def.name))
                        .hint("map text, number, flag, date or picklist fields"));
                }
            }
        }
        Ok(())
    }
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
