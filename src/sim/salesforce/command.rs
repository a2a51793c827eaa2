//! `tandem sim salesforce`.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Editor, SalesforceSim, Settings};
use crate::error::{Error, Result};
use crate::seam::{Entropy, SystemClock};
use crate::sim::command::{SimOptions, arm, run_until_signalled};
use crate::sim::people::Sides;

/// Runs the simulated Salesforce until SIGTERM or SIGINT. Prints `{"url", "client_id",
/// "client_secret", "user"}` first.
///
/// # Errors
/// When a fault makes no sense or the address cannot be bound.
pub async fn run_salesforce(options: SimOptions) -> Result<()> {
    let sim = SalesforceSim::new(Settings::default(), Arc::new(SystemClock), Entropy::seeded(options.seed));
    arm(sim.faults(), &options.faults)?;
    sim.load(&Sides::of_size(options.seed, options.records).crm);
    let cancel = CancellationToken::new();
    let editing = tokio::spawn(Editor::new(&sim, options.edits_per_minute).run(cancel.clone()));
    let Settings { client_id, client_secret, user, .. } = sim.settings();
    let credentials = json!({"client_id": client_id, "client_secret": client_secret.expose_secret(), "user": user});
    let outcome = run_until_signalled(sim.router(), options.listen, credentials).await;
    cancel.cancel();
    // The editor holds nothing that could fail; a panic in it would be a defect worth an error.
    editing.await.map_err(|error| Error::internal("the editor of the simulated Salesforce failed").because(&error))?;
    outcome
}
