//! `tandem sim NAME`: one simulated remote in its own process (`docs/CLI.md`).

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::fault::{FaultSpec, Faults};
use super::ivvy::{Editor, IvvySim, Postman, Settings};
use super::people::Sides;
use super::serve;
use crate::error::{Error, Result};
use crate::remote::transport::Transport;
use crate::seam::{Entropy, SystemClock};

pub use super::connector::run_connector;
pub use super::extcrm::run_extcrm;
pub use super::s360::{PushOptions, run_s360};
pub use super::salesforce::run_salesforce;

/// Options every simulator takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// People to begin with. Simulators started with the same number and seed know partly the same.
    pub records: usize,
    /// Seed of data, faults and edits.
    pub seed: u64,
    /// Edits by another user per minute; 0 for none.
    pub edits_per_minute: u32,
    /// Faults in wait from the start, as [`FaultSpec`] reads them.
    pub faults: Vec<String>,
}

/// Runs the simulated iVvy until SIGTERM or SIGINT. What it sends by itself goes over `transport`.
///
/// # Errors
/// When a fault makes no sense or the address cannot be bound.
pub async fn run_ivvy(options: SimOptions, transport: Arc<dyn Transport>) -> Result<()> {
    let settings = Settings { seed: options.seed, ..Settings::default() };
    let sim = IvvySim::new(settings, Arc::new(SystemClock), Entropy::seeded(options.seed));
    arm(sim.faults(), &options.faults)?;
    sim.load(&Sides::of_size(options.seed, options.records).ivvy);
    sim.furnish(false);
    let cancel = CancellationToken::new();
    let editing = tokio::spawn(Editor::new(&sim, options.edits_per_minute).run(cancel.clone()));
    let posting = tokio::spawn(Postman::new(&sim, transport).run(cancel.clone()));
    let settings = sim.settings();
    let credentials =
        json!({"key": settings.key, "secret": settings.secret.expose_secret(), "account": settings.account});
    let outcome = run_until_signalled(sim.router(), options.listen, credentials).await;
    cancel.cancel();
    // Neither holds anything that could fail; a panic in one would be a defect worth an error.
    editing.await.map_err(|error| Error::internal("the editor of the simulated iVvy failed").because(&error))?;
    posting.await.map_err(|error| Error::internal("the postman of the simulated iVvy failed").because(&error))?;
    outcome
}

/// Puts the faults given on the command line in wait.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config) for an order that makes no sense.
pub fn arm(faults: &Faults, orders: &[String]) -> Result<()> {
    for order in orders {
        let spec: FaultSpec = order.parse().map_err(|error| bad_fault(order, &error))?;
        faults.arm(spec).map_err(|error| bad_fault(order, &error))?;
    }
    Ok(())
}

fn bad_fault(order: &str, error: &super::fault::FaultError) -> Error {
    Error::config(format!("--fault '{order}' makes no sense"))
        .because(error)
        .hint("write KIND[,match=TEXT][,times=N][,per_mille=N][,ms=N], e.g. drop_after,match=addOrUpdate,times=3")
}

/// Serves `router`, prints one JSON line of `{"url", …credentials}` to stdout, and stops cleanly on
/// SIGTERM or SIGINT. Shared by all simulators.
///
/// # Errors
/// When the address cannot be bound, a signal cannot be watched, or stdout is closed.
pub async fn run_until_signalled(router: Router, listen: SocketAddr, credentials: Value) -> Result<()> {
    run_and_tell(router, listen, |_| credentials).await
}

/// As [`run_until_signalled`], where the credentials name addresses below the one that is bound.
///
/// # Errors
/// As there.
pub async fn run_and_tell(router: Router, listen: SocketAddr, credentials: impl FnOnce(&str) -> Value) -> Result<()> {
    let io = |what: &str, error: std::io::Error| Error::unavailable(what).because(&error);
    // Watched before the line is printed: whoever reads it may signal at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| io("cannot watch SIGTERM", error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| io("cannot watch SIGINT", error))?;
    let served = serve(router, listen).await.map_err(|error| io(&format!("cannot listen on {listen}"), error))?;
    let mut line = json!({"url": served.url()});
    if let (Value::Object(line), Value::Object(credentials)) = (&mut line, credentials(&served.url())) {
        line.extend(credentials);
    }
    print_line(&line).map_err(|error| io("cannot print the address", error))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    served.stop().await.map_err(|error| io("the simulator did not stop cleanly", error))
}

/// Prints the first line of a serving command, for scripts that read it.
pub(crate) fn print_line(line: &Value) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
