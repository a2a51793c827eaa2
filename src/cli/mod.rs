//! The command line: every action of the console, for scripts.
//!
//! Knows the client, the wire and the model; what it starts but does not contain comes in through
//! [`Hooks`]. Exit codes are those of [`ErrorKind`](crate::error::ErrorKind); a command that
//! succeeded but has bad news says so with 1, as its help tells.

pub mod args;
mod audit;
mod hooks;
mod init;
mod logging;
mod mapping;
mod matching;
mod module;
mod operate;
pub mod output;
mod queue;
pub mod reference;
mod signals;
mod streams;
mod sync;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::json;

pub use hooks::{Diagnosis, Hooks, KeyRow, RunConsole, RunDaemon, RunDemo, RunSim, ThemeRow};

use self::args::{Cli, Command, ConsoleArgs, Global};
use self::output::Out;
pub use self::output::session_zone;
use crate::client::Client;
use crate::config::{Config, paths};
use crate::error::{Error, Result};
use crate::seam::{Clock, SystemClock};
use crate::wire::{PROTOCOL, Request};

/// Runs the program: reads the command line, does what it says, tells how it went.
pub fn main(hooks: &dyn Hooks) -> ExitCode {
    // Whatever we create is ours alone, unless it is widened on purpose.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && asks_for_json(std::env::args_os().skip(1)) {
                output::report(&misused(&error), true, args::ColorWhen::Never);
            } else {
                let _ = error.print(); // a reader that hung up
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (json, color) = (cli.global.json, cli.global.color);
    match run(cli, hooks) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::report(&error, json, color);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// Whether a command line that could not be read asks for JSON.
fn asks_for_json(mut args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    args.any(|arg| arg == "--json")
}

/// What is wrong with a command line, as any other error.
fn misused(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let mut parts = text.trim().split("\n\n");
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = words(parts.next().unwrap_or_default());
    let wrong = Error::config(message.strip_prefix("error: ").unwrap_or(&message));
    let hint = parts.map(words).collect::<Vec<_>>().join(" ");
    if hint.is_empty() { wrong } else { wrong.hint(hint) }
}

fn run(cli: Cli, hooks: &dyn Hooks) -> Result<u8> {
    let out = Out::stdout(cli.global.json, cli.global.color);
    let mut context = Context { global: cli.global, out, clock: Arc::new(SystemClock) };
    if cli.version {
        return version(&mut context, hooks).map(|()| 0);
    }
    let command = cli.command.unwrap_or(Command::Console(ConsoleArgs::default()));
    // Parts that serve need every core; a client needs one thread.
    let mut builder = match command {
        Command::Console(_) | Command::Demo(_) | Command::Sim(_) | Command::Run(_) => {
            tokio::runtime::Builder::new_multi_thread()
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        Error::unavailable("the runtime cannot start").because(&error).hint("out of threads or files?")
    })?;
    runtime.block_on(dispatch(&mut context, hooks, command))
}

async fn dispatch(context: &mut Context, hooks: &dyn Hooks, command: Command) -> Result<u8> {
    match command {
        Command::Console(args) => {
            let paths = paths::defaults(context.account())?;
            logging::to_file(&paths.state)?;
            let config = context.config();
            let socket = context.socket()?;
            let shutdown = signals::end_of_session()?;
            let color = context.global.color;
            hooks.run_console(RunConsole { config, socket, theme: args.theme, color, shutdown }).await?;
            Ok(0)
        }
        Command::Demo(args) => {
            let shutdown = if args.headless {
                logging::to_stderr(args::LogFormat::Text)?;
                signals::shutdown()?
            } else {
                signals::end_of_session()?
            };
            let Global { data, socket, color, .. } = context.global.clone();
            hooks.run_demo(RunDemo { args, data, socket, color, shutdown }).await?;
            Ok(0)
        }
        Command::Sim(args) => {
            logging::to_stderr(args::LogFormat::Text)?;
            hooks.run_sim(RunSim { args, shutdown: signals::shutdown()? }).await?;
            Ok(0)
        }
        Command::Run(args) => {
            let config = context.config()?;
            let secrets = config.secrets()?;
            logging::to_stderr(args.log_format)?;
            tracing::info!(account = config.account, ?secrets, "starting");
            hooks.run_daemon(RunDaemon { config, secrets, shutdown: signals::shutdown()? }).await?;
            Ok(0)
        }
        Command::Status(args) => match args.module {
            Some(module) => module::status(context, module, &args).await,
            None => operate::status(context).await,
        },
        Command::Sync(args) => sync::run(context, args).await,
        Command::Queue(command) => queue::run(context, command).await,
        Command::Audit(command) => audit::run(context, command).await,
        Command::Watch { module } => sync::watch(context, module).await,
        Command::Pause { modules } => operate::for_modules(context, &modules, |module| Request::Pause { module }).await,
        Command::Resume { modules } => {
            operate::for_modules(context, &modules, |module| Request::Resume { module }).await
        }
        Command::Guard(command) => operate::guard(context, command).await,
        Command::Match(command) => matching::run(context, command).await,
        Command::Map(args) => mapping::run(context, args).await,
        Command::Streams(args) => streams::run(context, args).await,
        Command::Check => operate::check(context, hooks).await,
        Command::Doctor { rebuild } => operate::doctor(context, hooks, rebuild).await,
        Command::Init(args) => init::run(context, hooks, args).await,
        Command::Keys => reference::keys(context, hooks),
        Command::Themes => reference::themes(context, hooks),
        Command::Completions { shell } => reference::completions(context, shell),
        Command::Man { dir } => reference::man(context, dir.as_deref()),
    }
}

fn version(context: &mut Context, hooks: &dyn Hooks) -> Result<()> {
    let (program, schema, follows) = (env!("CARGO_PKG_VERSION"), hooks.schema(), hooks.contracts());
    if context.out.is_json() {
        return context
            .out
            .json(&json!({ "version": program, "protocol": PROTOCOL, "schema": schema, "follows": follows }));
    }
    let schema = schema.map_or_else(|| "none".to_owned(), |schema| schema.to_string());
    context.out.line(format!("tandem {program} (protocol {PROTOCOL}, schema {schema})"))?;
    follows.iter().try_for_each(|(system, revision)| context.out.line(format!("follows {system}: {revision}")))
}

/// What every command has at hand.
pub(crate) struct Context {
    global: Global,
    out: Out,
    clock: Arc<dyn Clock>,
}

impl Context {
    fn account(&self) -> &str {
        self.global.account.as_deref().unwrap_or(paths::DEFAULT_ACCOUNT)
    }

    fn config_path(&self) -> Result<PathBuf> {
        match &self.global.config {
            Some(path) => Ok(path.clone()),
            None => Ok(paths::defaults(self.account())?.config),
        }
    }

    /// The configuration, with the places named on the command line in force.
    fn config(&self) -> Result<Config> {
        let mut config = Config::load(&self.config_path()?)?;
        if let Some(account) = &self.global.account
            && *account != config.account
        {
            return Err(Error::config(format!(
                "{} is the configuration of `{}`, not of `{account}`",
                config.path.display(),
                config.account
            ))
            .hint("name the file of that account with --config, or leave --account out"));
        }
        if let Some(data) = &self.global.data {
            config.data_dir.clone_from(data);
        }
        if let Some(socket) = &self.global.socket {
            config.socket.clone_from(socket);
        }
        Ok(config)
    }

    /// The daemon's socket: named, configured, or the default one. A client needs no configuration,
    /// but one that is there and wrong is not passed over.
    fn socket(&self) -> Result<PathBuf> {
        if let Some(socket) = &self.global.socket {
            return Ok(socket.clone());
        }
        if self.global.config.is_some() || self.config_path()?.exists() {
            return Ok(self.config()?.socket);
        }
        Ok(paths::defaults(self.account())?.socket)
    }

    async fn client(&mut self) -> Result<Client> {
        let client = Client::connect(&self.socket()?).await?;
        self.out.name_sides(client.hello().sides.clone());
        match &self.global.account {
            Some(account) if *account != client.hello().account => {
                Err(Error::config(format!("the daemon serves `{}`, not `{account}`", client.hello().account))
                    .hint("name that account's socket with --socket"))
            }
            _ => Ok(client),
        }
    }
}

fn strange_answer() -> Error {
    Error::internal("the daemon answered something else than was asked")
        .hint("compare `tandem --version` here with the daemon's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_that_makes_no_sense_is_an_error_like_any_other_in_json() {
        let error = Cli::try_parse_from(["tandem", "--json", "streams", "show", "nope/X"]).unwrap_err();
        let error = misused(&error);
        assert_eq!(error.kind.exit_code(), 2);
        assert!(
            error.message.starts_with("invalid value 'nope/X' for '<STREAM>': `nope` is not a stream"),
            "{error:?}"
        );
        assert_eq!(error.hint.as_deref(), Some("For more information, try '--help'."));
        let missing = misused(&Cli::try_parse_from(["tandem", "streams", "test"]).unwrap_err());
        assert!(missing.message.contains("<STREAM>") && !missing.message.contains('\n'), "{missing:?}");
    }
}
