//! `tandem sim extcrm`: the CRM in its own process.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;

use super::{Auth, ExtcrmSim, Settings, Stream};
use crate::error::{Error, Result};
use crate::seam::{Entropy, SystemClock};
use crate::sim::command::{SimOptions, arm, run_until_signalled};

/// Header and value of the key a simulated process asks for.
const KEY: (&str, &str) = ("X-API-Key", "sim-extcrm-key");

/// Runs the simulated CRM until SIGTERM or SIGINT. Prints `{"url", "contacts", "orders", "key_header", "key",
/// "max_payload"}` first. It starts empty whatever `records` says: its records are what it is sent.
///
/// # Errors
/// When a fault makes no sense, edits are asked for, or the address cannot be bound.
pub async fn run_extcrm(options: SimOptions) -> Result<()> {
    if options.edits_per_minute > 0 {
        return Err(Error::config("nobody edits in the simulated CRM by himself")
            .hint("leave out --edits-per-minute; POST /_sim/edit makes single edits"));
    }
    let (header, key) = KEY;
    let auth = Auth::ApiKey { header: header.to_owned(), key: SecretString::from(key) };
    let settings = Settings { auth, ..Settings::default() };
    let sim = ExtcrmSim::new(settings, Arc::new(SystemClock), Entropy::seeded(options.seed));
    arm(sim.faults(), &options.faults)?;
    let line = json!({
        "contacts": Stream::Contact.path(),
        "orders": Stream::Order.path(),
        "key_header": header,
        "key": key,
        "max_payload": sim.settings().max_payload,
    });
    run_until_signalled(sim.router(), options.listen, line).await
}
