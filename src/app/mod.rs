//! The program put together: which parts stand behind the command line's hooks.
//!
//! The top layer. It wires, and decides nothing.

mod attach;
mod demo;
mod host;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::cli::args::{ColorWhen, SimSystem};
use crate::cli::{Diagnosis, Hooks, KeyRow, RunConsole, RunDaemon, RunDemo, RunSim, ThemeRow};
use crate::config::{Config, Secrets};
use crate::daemon::{account, mapping, report, streams};
use crate::error::{Error, Result};
use crate::model::{ModuleId, Side, StreamId, StreamState};
use crate::remote::http::{HttpSettings, ReqwestTransport};
use crate::seam::{Clock, Entropy, SystemClock};
use crate::sim::command::{PushOptions, SimOptions, run_connector, run_extcrm, run_ivvy, run_s360, run_salesforce};
use crate::store::{self, Reads as _, Store, doctor};
use crate::tui;
use crate::wire::CheckRow;

/// Every part there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts;

impl Hooks for Parts {
    fn run_daemon(&self, run: RunDaemon) -> BoxFuture<'_, Result<()>> {
        Box::pin(host::run_in_foreground(run))
    }

    fn run_demo(&self, run: RunDemo) -> BoxFuture<'_, Result<()>> {
        Box::pin(demo::run(run))
    }

    fn run_sim(&self, run: RunSim) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let push = PushOptions {
                receiver: run.args.receiver,
                auth: run.args.receiver_auth,
                every: run.args.push_every,
                first_sync: run.args.first_sync,
            };
            if run.args.system != SimSystem::S360 && push != PushOptions::default() {
                return Err(Error::config(format!("the simulated {} pushes nothing", run.args.system))
                    .hint("--receiver, --receiver-auth, --push-every and --first-sync are for `tandem sim s360`"));
            }
            let options = SimOptions {
                listen: run.args.listen,
                records: run.args.records as usize,
                seed: run.args.seed,
                edits_per_minute: run.args.edits_per_minute,
                faults: run.args.fault,
            };
            match run.args.system {
                SimSystem::Ivvy => run_ivvy(options, Arc::new(ReqwestTransport::new(&HttpSettings::default())?)).await,
                SimSystem::Salesforce => run_salesforce(options).await,
                SimSystem::S360 => {
                    run_s360(options, push, Arc::new(ReqwestTransport::new(&HttpSettings::default())?)).await
                }
                SimSystem::Connector => run_connector(options).await,
                SimSystem::Extcrm => run_extcrm(options).await,
            }
        })
    }

    fn run_console(&self, run: RunConsole) -> BoxFuture<'_, Result<()>> {
        Box::pin(attach::run(run))
    }

    fn check<'a>(&'a self, config: &'a Config, secrets: &'a Secrets) -> BoxFuture<'a, Result<Vec<CheckRow>>> {
        Box::pin(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let connected = account::connect(config, secrets.clone(), &clock, &Entropy::from_system())?;
            // A fresh configuration has everything off: what is tested then is the main job.
            let on: Vec<ModuleId> = config.catalogue().iter().map(|def| def.id).collect();
            let placed = |module: &ModuleId| {
                Side::BOTH.into_iter().all(|side| !connected.remotes.declared(side).fields(*module).is_empty())
            };
            let usual: Vec<ModuleId> = ModuleId::PEOPLE.into_iter().filter(placed).collect();
            let modules = if on.is_empty() { &usual } else { &on };
            let mut rows = report::check(&connected.remotes, modules, None).await;
            let flows: Vec<_> = modules.iter().map(|module| (*module, module.flow())).collect();
            rows.extend(
                mapping::check(&connected.remotes, &flows, |module| config.modules.of(module).fields.clone()).await,
            );
            let states = stored_streams(config)?;
            rows.extend(streams::check(config, |id| Some(states.as_ref()?.get(id).cloned().unwrap_or_default())));
            Ok(rows)
        })
    }

    fn doctor<'a>(&'a self, config: &'a Config, rebuild: bool) -> BoxFuture<'a, Result<Diagnosis>> {
        Box::pin(async move {
            let options = store::Options { instance: config.account.clone(), ..store::Options::default() };
            let path = account::store_path(config);
            // Opening would make one, and an examination must not leave anything behind.
            if !path.exists() {
                return Err(Error::config(format!("there is no store at {}", path.display()))
                    .hint("check `data_dir` and `account`; `tandem run` makes the store"));
            }
            let store = Store::open(&path, options)?;
            let findings = store.read(doctor::check)?;
            if rebuild {
                doctor::rebuild(&store)?;
            }
            Ok(Diagnosis { findings, rebuilt: rebuild })
        })
    }

    fn keys(&self) -> Result<Vec<KeyRow>> {
        Ok(tui::action::CATALOGUE
            .iter()
            .map(|action| KeyRow {
                scope: action.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                keys: action.keys.join(" | "),
                action: action.name().to_owned(),
                title: action.title.to_owned(),
                cli: action.cli.map(str::to_owned),
            })
            .collect())
    }

    fn themes(&self) -> Result<Vec<ThemeRow>> {
        Ok(tui::theme::BUILT_IN
            .iter()
            .map(|name| ThemeRow { name: (*name).to_owned(), about: tui::theme::about(name).to_owned() })
            .collect())
    }

    fn contracts(&self) -> std::collections::BTreeMap<&'static str, &'static str> {
        [("ivvy", crate::remote::ivvy::API_DOCS)].into()
    }

    fn schema(&self) -> Option<u32> {
        Some(store::meta::SCHEMA)
    }
}

/// How the console is to look.
fn console_options(theme: Option<String>, color: ColorWhen) -> tui::Options {
    let no_color = match color {
        ColorWhen::Never => true,
        ColorWhen::Always => false,
        ColorWhen::Auto => std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
    };
    let file = theme.as_ref().map(std::path::PathBuf::from).filter(|path| path.components().count() > 1);
    tui::Options {
        theme: theme.filter(|_| file.is_none()),
        theme_file: file,
        no_color,
        zone: crate::cli::session_zone(),
        ..tui::Options::default()
    }
}

/// How the streams of `config` stand in its store; none where there is no store yet. Makes none.
fn stored_streams(config: &Config) -> Result<Option<BTreeMap<StreamId, StreamState>>> {
    let path = account::store_path(config);
    if !path.exists() || streams::check(config, |_| None).is_empty() {
        return Ok(None);
    }
    let options = store::Options { instance: config.account.clone(), ..store::Options::default() };
    let streams = Store::open(&path, options)?.read(|view| view.streams())?;
    Ok(Some(streams.into_iter().collect()))
}
