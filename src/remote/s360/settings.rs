//! How to reach the institutions of one S-360 account.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::remote::exchange::BaseUrl;
use crate::remote::transport::{Limits, Transport};

/// Settings of an [`S360`](super::S360) adapter.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The partner's name that S-360 knows us by: `iss` of every token.
    pub partner: String,
    /// How the references of orders made here are made.
    pub reference: OurReference,
    /// The institutions, by code.
    pub institutions: BTreeMap<String, Institution>,
    /// Longest time a write may take to show in a search.
    pub settle: Duration,
    /// Bounds of one exchange.
    pub limits: Limits,
}

/// One institution.
#[derive(Clone, Debug)]
pub struct Institution {
    /// Base address of its services; [`default_url`] when absent (S-20).
    pub url: Option<String>,
    /// Who we call as. Without it nothing is asked of S-360 or written there.
    pub operator: Option<Operator>,
    /// The currency of its orders; S-360 does not tell.
    pub currency: Option<String>,
    /// How bookings are made there, if they are (S-07).
    pub bookings: Option<Bookings>,
    /// Whether contacts are posted to us. If not, those that orders need take part with the orders.
    pub contacts_posted: bool,
    /// Its own way out, behind its own gate: no two institutions share one (S-10).
    pub transport: Arc<dyn Transport>,
}

/// What the reference of an order made here is made of, so that nobody else's is taken for one of ours:
/// `tandem/ACCOUNT/CRM/OPPORTUNITY`. None of the first three holds a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurReference {
    /// The account's name.
    pub account: String,
    /// A short name of the CRM behind it: another one may number its opportunities alike.
    pub crm: String,
}

impl OurReference {
    /// The reference of the order that opportunity `key` asked for.
    pub(super) fn of(&self, key: &str) -> String {
        format!("tandem/{}/{}/{key}", self.account, self.crm)
    }

    /// The opportunity that asked for an order with the reference `told`, if it is one of this account and CRM.
    pub(super) fn asker<'a>(&self, told: &'a str) -> Option<&'a str> {
        let rest = told.strip_prefix("tandem/")?.strip_prefix(self.account.as_str())?.strip_prefix('/')?;
        rest.strip_prefix(self.crm.as_str())?.strip_prefix('/').filter(|key| !key.is_empty())
    }
}

/// Where bookings are made (contract 2.5). Both are S-360's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookings {
    /// The point of sale.
    pub point_of_sales: u64,
    /// What sales are paid with; without it nothing is sold.
    pub payment_method: Option<u64>,
}

/// A virtual operator (contract 2.5).
#[derive(Clone)]
pub struct Operator {
    /// Its name: `aud` of every token.
    pub name: String,
    /// What tokens are signed with.
    pub secret: SecretString,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where an institution's services are when nothing else is said (S-20).
pub fn default_url(code: &str) -> String {
    format!("https://{}.ws.secutix.com", code.to_ascii_lowercase())
}

impl Institution {
    /// The checked address of `code`'s services.
    pub(super) fn base(&self, code: &str) -> Result<BaseUrl, Error> {
        let url = self.url.clone().unwrap_or_else(|| default_url(code));
        BaseUrl::parse(&format!("s360.institutions.{code}.url"), &url)
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        for (code, institution) in &self.institutions {
            if let Some(operator) = &institution.operator
                && (operator.name.trim().is_empty() || operator.secret.expose_secret().is_empty())
            {
                return Err(Error::config(format!("institution {code}: the operator or its secret is empty"))
                    .hint("both, or neither if nothing is ever written to S-360"));
            }
        }
        Ok(())
    }
}
