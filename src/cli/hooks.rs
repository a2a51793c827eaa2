//! The parts the command line starts but does not contain: engine, console, simulated remotes, store.
//!
//! `main` wires them in. What a build leaves out answers with a clear error instead.

use std::path::PathBuf;

use futures::future::BoxFuture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::{ColorWhen, DemoArgs, SimArgs};
use crate::config::{Config, Secrets};
use crate::error::{Error, Result};
use crate::wire::CheckRow;

/// What `run` needs.
#[derive(Debug)]
pub struct RunDaemon {
    /// The account.
    pub config: Config,
    /// Its secrets.
    pub secrets: Secrets,
    /// Cancelled by the first SIGTERM or SIGINT.
    pub shutdown: CancellationToken,
}

/// What `demo` needs.
#[derive(Debug)]
pub struct RunDemo {
    /// Size, seed, ports.
    pub args: DemoArgs,
    /// `--data`: keep the demo's data here; a fresh temporary directory when absent.
    pub data: Option<PathBuf>,
    /// `--socket`, if given.
    pub socket: Option<PathBuf>,
    /// Colours of the console.
    pub color: ColorWhen,
    /// Cancelled by the first SIGTERM (and SIGINT when headless).
    pub shutdown: CancellationToken,
}

/// What `sim` needs.
#[derive(Debug)]
pub struct RunSim {
    /// Which remote, where, with what.
    pub args: SimArgs,
    /// Cancelled by the first SIGTERM or SIGINT.
    pub shutdown: CancellationToken,
}

/// What the console needs.
#[derive(Debug)]
pub struct RunConsole {
    /// The configuration, if there is one: enough to host a daemon when none runs. The error says
    /// why not.
    pub config: Result<Config>,
    /// The daemon to attach to.
    pub socket: PathBuf,
    /// Theme, by name or path.
    pub theme: Option<String>,
    /// Colours.
    pub color: ColorWhen,
    /// Cancelled by SIGTERM and SIGHUP.
    pub shutdown: CancellationToken,
}

/// What `doctor` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What did not fit; empty when clean.
    pub findings: Vec<String>,
    /// Whether it was rebuilt.
    pub rebuilt: bool,
}

/// One line of `keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Where it works.
    pub scope: String,
    /// The keys.
    pub keys: String,
    /// The action's name.
    pub action: String,
    /// What it does.
    pub title: String,
    /// Its twin on the command line, if it has one.
    pub cli: Option<String>,
}

/// One line of `themes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThemeRow {
    /// Name for `--theme`.
    pub name: String,
    /// One phrase.
    pub about: String,
}

/// The parts. Every method has an honest default for builds without the part.
pub trait Hooks: Send + Sync {
    /// Runs the daemon until `shutdown`.
    fn run_daemon(&self, _run: RunDaemon) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(left_out("the sync engine")) })
    }

    /// Runs the demo until it is left.
    fn run_demo(&self, _run: RunDemo) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(left_out("the demo")) })
    }

    /// Runs a simulated remote until `shutdown`.
    fn run_sim(&self, _run: RunSim) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(left_out("the simulated remotes")) })
    }

    /// Runs the console until it is left.
    fn run_console(&self, _run: RunConsole) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(left_out("the console")) })
    }

    /// Tests the remotes without a daemon: for `init`, and for `check` when none runs.
    fn check<'a>(&'a self, _config: &'a Config, _secrets: &'a Secrets) -> BoxFuture<'a, Result<Vec<CheckRow>>> {
        Box::pin(async { Err(left_out("the connection test")) })
    }

    /// Opens the store without a daemon and examines it.
    fn doctor<'a>(&'a self, _config: &'a Config, _rebuild: bool) -> BoxFuture<'a, Result<Diagnosis>> {
        Box::pin(async { Err(left_out("the store")) })
    }

    /// The console's keys, from the catalogue of actions.
    fn keys(&self) -> Result<Vec<KeyRow>> {
        Err(left_out("the console"))
    }

    /// The console's themes.
    fn themes(&self) -> Result<Vec<ThemeRow>> {
        Err(left_out("the console"))
    }

    /// Which revision of which system's documentation this program follows (N-09).
    fn contracts(&self) -> std::collections::BTreeMap<&'static str, &'static str> {
        std::collections::BTreeMap::new()
    }

    /// Version of the store's layout, if there is a store.
    fn schema(&self) -> Option<u32> {
        None
    }
}

fn left_out(what: &str) -> Error {
    Error::unavailable(format!("this build of Tandem was made without {what}")).hint("use a complete build")
}
