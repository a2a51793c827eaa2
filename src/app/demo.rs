//! `tandem demo`: the main job on embedded defaults. Two simulated systems as HTTP servers on
//! loopback, colleagues at work in both, a fresh data directory, and the console on top. With `--all` the other
//! systems run beside them, an account each.

mod others;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::others::Others;
use super::attach::embedded;
use super::host::Hosted;
use crate::cli::RunDemo;
use crate::cli::args::DemoAccount;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::{Actor, Group, ModuleId, Role};
use crate::seam::{Clock, SystemClock};
use crate::sim::demo::World;
use crate::sim::{Served, serve};
use crate::store::Reads as _;
use crate::sync::Engine;
use crate::tui;

/// Runs the demonstration until it is left.
pub(super) async fn run(run: RunDemo) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place::prepare(run.data.as_deref())?;
    let world = World::new(run.args.records as usize, run.args.seed, run.args.hostile, Arc::clone(&clock));
    let ivvy = listen(world.ivvy.router(), run.args.port_base, 0).await?;
    let crm = listen(world.salesforce.router(), run.args.port_base, 1).await?;
    let config = write_config(&place.directory, run.socket.as_deref(), &world, &ivvy.url(), &crm.url())?;
    let secrets = config.secrets()?;
    let hosted = Hosted::start(&config, secrets, &run.shutdown)?;
    let others = match run.args.all || run.args.show != DemoAccount::Ivvy {
        true => {
            let edits = run.args.edits_per_minute;
            Some(Others::start(&place.directory, run.args.seed, edits, &run.shutdown).await)
        }
        false => None,
    };
    let others = match others.transpose() {
        Ok(others) => others,
        Err(error) => return hosted.stop().await.and(Err(error)),
    };

    let quiet = CancellationToken::new();
    let releasing = tokio::spawn(release_first_sync(hosted.service.engine().clone(), Arc::clone(&clock)));
    let colleagues = {
        let (world, quiet) = (world.clone(), quiet.clone());
        let edits = run.args.edits_per_minute;
        tokio::spawn(async move { world.live(edits, quiet).await })
    };
    let ended = if run.args.headless {
        announce(&config, &ivvy, &crm, others.as_ref())?;
        run.shutdown.cancelled().await;
        Ok(())
    } else {
        let shown = others.as_ref().and_then(|others| others.hosted(run.args.show)).unwrap_or(&hosted);
        let backend = embedded(shown).await?;
        // Whoever wants to try a command beside the console must know where.
        let welcome = format!("from another terminal: tandem --socket {} status", shown.daemon.socket().display());
        let options = tui::Options { welcome: Some(welcome), ..super::console_options(None, run.color) };
        tui::run(backend, options).await
    };
    quiet.cancel();
    releasing.abort();
    let stopped = hosted.stop().await;
    let stopped = match others {
        Some(others) => stopped.and(others.stop().await),
        None => stopped,
    };
    // The editors only sleep and edit; being broken off is their ordinary end.
    let _ = colleagues.await;
    let served = |error: std::io::Error| Error::unavailable("a simulated remote ended badly").because(&error);
    let closed = ivvy.stop().await.and(crm.stop().await).map_err(served);
    ended.and(stopped).and(closed)
}

/// Looks at the plan of the first sync as an operator would, and releases it once both sides of a
/// module have been read and its records planned.
async fn release_first_sync(engine: Engine, clock: Arc<dyn Clock>) {
    let operator = Actor { name: "demo".to_owned(), uid: None, role: Role::Admin };
    for module in engine.modules().into_iter().map(|def| def.id) {
        loop {
            let planned = engine.store().read(|view| {
                let mut read = true;
                for side in module.swept_sides() {
                    read &= view.cursor(module, *side)?.last_full.is_some();
                }
                Ok(read && view.dirty(module, 1)?.is_empty())
            });
            match planned {
                Ok(true) => break,
                Ok(false) => clock.sleep(Duration::from_millis(50)).await,
                // The engine fails on the same store and says why.
                Err(_) => return,
            }
        }
        if engine.guard_release(module, None, operator.clone()).await.is_err() {
            return;
        }
    }
}

/// One JSON line for scripts.
fn announce(config: &Config, ivvy: &Served, crm: &Served, others: Option<&Others>) -> Result<()> {
    let mut line = json!({
        "socket": config.socket,
        "config": config.path,
        "data": config.data_dir,
        "remotes": { "ivvy": ivvy.url(), "salesforce": crm.url() },
    });
    if let Some(others) = others {
        line["accounts"] = others.places();
    }
    crate::sim::command::print_line(&line)
        .map_err(|error| Error::unavailable("cannot print the addresses").because(&error))
}

async fn listen(router: axum::Router, base: Option<u16>, offset: u16) -> Result<Served> {
    let port = base.map_or(0, |base| base.saturating_add(offset));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    serve(router, address).await.map_err(|error| {
        Error::unavailable(format!("cannot listen on {address}")).because(&error).hint("try another --port-base")
    })
}

/// Where the demonstration keeps its data; removed at the end unless the user named the place.
struct Place {
    directory: PathBuf,
    ours: bool,
}

impl Place {
    fn prepare(given: Option<&Path>) -> Result<Self> {
        let directory = match given {
            Some(directory) => directory.to_owned(),
            None => std::env::temp_dir().join(format!("tandem-demo-{}", std::process::id())),
        };
        let cannot = |error: std::io::Error| {
            Error::config(format!("the demo's directory {} cannot be made", directory.display()))
                .because(&error)
                .hint("name another with --data")
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(cannot)?;
        let directory = directory.canonicalize().map_err(cannot)?;
        Ok(Self { directory, ours: given.is_none() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.ours {
            // Best effort: a temporary directory that stays behind harms nobody.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Writes an ordinary configuration, so that the demo runs on the same path as the real thing and
/// every other command can be tried on it.
fn write_config(directory: &Path, socket: Option<&Path>, world: &World, ivvy: &str, crm: &str) -> Result<Config> {
    let path = directory.join("tandem.toml");
    let ivvy_secret = directory.join("ivvy.secret");
    let crm_secret = directory.join("salesforce.secret");
    write(&ivvy_secret, world.ivvy.settings().secret.expose_secret())?;
    write(&crm_secret, world.salesforce.settings().client_secret.expose_secret())?;
    let socket = socket.map_or_else(|| directory.join("tandem.sock"), Path::to_owned);
    let own_switch =
        ModuleId::ALL.into_iter().filter(|module| module.follows().is_none() && module.group() != Group::Ticketing);
    let modules: BTreeMap<String, _> =
        own_switch.map(|module| (module.to_string(), json!({ "enabled": true }))).collect();
    let text = toml::to_string(&json!({
        "version": crate::config::VERSION,
        "account": "demo",
        "environment": "demo",
        "data_dir": directory,
        "socket": socket,
        "ivvy": {
            "url": ivvy,
            "key": world.ivvy.settings().key,
            "secret": { "file": ivvy_secret },
            "leads": { "source": 2, "type": 1, "subtype": 11, "stage": 1 },
        },
        "crm": {
            "kind": "salesforce",
            "url": crm,
            "client_id": world.salesforce.settings().client_id,
            "secret": { "file": crm_secret },
        },
        "modules": modules,
        "sync": { "interval": "5s", "rate": 2000, "settle": "2s", "overlap": "10s" },
    }))
    .map_err(|error| Error::internal("the demo's configuration cannot be written").because(&error))?;
    write(&path, &text)?;
    Config::load(&path)
}

fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Error::unavailable(format!("{} cannot be written", path.display())).because(&error))
}
