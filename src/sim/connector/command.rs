//! `tandem sim connector`: the hub's API in its own process.

use std::sync::Arc;

use serde_json::json;

use super::{BASE, ConnectorSim, Settings};
use crate::error::{Error, Result};
use crate::seam::{Entropy, SystemClock};
use crate::sim::command::{SimOptions, arm, run_until_signalled};
use crate::sim::people::Sides;

/// Runs the simulated Connector until SIGTERM or SIGINT, with prospects, two of staff and three sources.
/// Prints `{"url", "api", "provider", "client", "club"}` first; there are no credentials (contract 1.6).
///
/// # Errors
/// When a fault makes no sense, edits are asked for, or the address cannot be bound.
pub async fn run_connector(options: SimOptions) -> Result<()> {
    if options.edits_per_minute > 0 {
        return Err(Error::config("nobody edits in the simulated Connector by himself")
            .hint("leave out --edits-per-minute; POST /_sim/edit makes single edits"));
    }
    let sim = ConnectorSim::new(Settings::default(), Arc::new(SystemClock), Entropy::seeded(options.seed));
    arm(sim.faults(), &options.faults)?;
    sim.load(&Sides::of_size(options.seed, options.records).crm);
    sim.add_staff("S-1", "Maya", "Okafor", "maya.okafor@club.example");
    sim.add_staff("S-2", "Jonas", "Lindqvist", "jonas.lindqvist@club.example");
    sim.add_source("Q-1", "Walk-in", true, false);
    sim.add_source("Q-2", "Facebook", true, false);
    sim.add_source("Q-3", "Import", true, true);
    let key = sim.key("");
    let line = json!({"api": BASE, "provider": key.identifier, "client": key.client, "club": key.club});
    run_until_signalled(sim.router(), options.listen, line).await
}
