//! S-360 as the origin, put together from its section: every institution with an address, a key and a gate of
//! its own (S-01, S-10).

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Blueprint;
use crate::config;
use crate::error::Result;
use crate::model::{Fingerprint, Side};
use crate::remote::gate::{Gate, GateSettings, GatedTransport};
use crate::remote::transport::Limits;
use crate::remote::{Lane, Remote, Transport, s360};
use crate::seam::{Clock, Entropy};

/// The gates before the institutions, by code. Only those that are called have one.
pub(super) type Gates = BTreeMap<String, Arc<Gate>>;

/// One gate per institution with an operator.
pub(super) fn gates(section: &config::S360, clock: &Arc<dyn Clock>, entropy: &Entropy) -> Gates {
    let called = section.institutions.iter().filter(|(_, institution)| institution.operator.is_some());
    let gate = |(code, institution): (&String, &config::Institution)| {
        let settings = settings(institution.calls_per_minute);
        (code.clone(), Gate::new(format!("s360 {code}"), settings, Arc::clone(clock), entropy.clone()))
    };
    called.map(gate).collect()
}

/// So many calls in any minute: no burst, which would come on top of a full minute, and rounded up.
fn settings(calls_per_minute: NonZeroU32) -> GateSettings {
    let per_call = 60_000_u64.div_ceil(u64::from(calls_per_minute.get()));
    GateSettings { per_call: Duration::from_millis(per_call), burst: NonZeroU32::MIN, ..GateSettings::default() }
}

/// The adapter, as calls of `lane` see it.
///
/// # Errors
/// An address is wrong, or a secret is missing.
pub(super) fn origin(blueprint: &Blueprint, section: &config::S360, lane: Lane) -> Result<Arc<dyn Remote>> {
    let gates = blueprint.institutions();
    let mut institutions = BTreeMap::new();
    for (code, institution) in &section.institutions {
        let operator = match &institution.operator {
            Some(name) => Some(s360::Operator {
                name: name.clone(),
                secret: blueprint.secrets().get(&format!("s360.institutions.{code}.secret"))?,
            }),
            None => None,
        };
        let http = Arc::clone(&blueprint.http);
        let transport: Arc<dyn Transport> = match (gates.get(code), &operator) {
            (Some(gate), Some(operator)) => {
                let clock = Arc::clone(blueprint.clock());
                let fresh = s360::FreshToken::new(http, code, &section.partner, operator.clone(), clock);
                Arc::new(GatedTransport::new(Arc::new(fresh), Arc::clone(gate), lane))
            }
            // Never called.
            _ => http,
        };
        let institution = s360::Institution {
            url: institution.url.as_ref().map(ToString::to_string),
            operator,
            currency: institution.currency.clone(),
            bookings: institution.bookings.map(|config::Bookings { point_of_sales, payment_method }| s360::Bookings {
                point_of_sales,
                payment_method,
            }),
            contacts_posted: institution.contacts.is_some(),
            transport,
        };
        institutions.insert(code.clone(), institution);
    }
    let settle = blueprint.config().sync.settle.unwrap_or(Duration::from_secs(10));
    let settings = s360::Settings {
        partner: section.partner.clone(),
        reference: s360::OurReference {
            account: blueprint.config().account.clone(),
            crm: short_name(&blueprint.config().crm),
        },
        institutions,
        settle,
        limits: Limits::default(),
    };
    let adapter = s360::S360::new(&settings, blueprint.shelf(Side::Ivvy), Arc::clone(blueprint.clock()));
    Ok(Arc::new(adapter.map_err(|error| super::in_section("s360", blueprint.config(), error))?))
}

/// A few letters that are others for another CRM.
fn short_name(crm: &config::Crm) -> String {
    let place = match &crm.system {
        config::CrmSystem::Odoo { database, .. } => database.as_str(),
        _ => "",
    };
    Fingerprint::of(&(crm.url.host_str(), place)).to_string().chars().take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_never_holds_more_calls_than_allowed_s10() {
        for calls in [1, 7, 60, 180, 200, 100_000] {
            let settings = settings(NonZeroU32::new(calls).unwrap());
            let in_a_minute = 60_000_u128.div_ceil(settings.per_call.as_millis());
            assert!(in_a_minute <= u128::from(calls) && settings.burst.get() == 1, "{calls}");
        }
    }
}
