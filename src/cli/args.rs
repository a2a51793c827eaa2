//! What the command line accepts: options and commands. Values are checked here, meaning elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::mapping::MapArgs;
use super::matching::MatchCommand;
use super::queue::args::QueueCommand;
use super::streams::StreamsArgs;
use crate::config::{duration, paths};
use crate::model::{ItemId, ModuleId, Seq, Side};

/// Keeps iVvy and a CRM in step; people settle what a machine must not decide.
#[derive(Debug, Parser)]
#[command(name = "tandem", disable_version_flag = true, max_term_width = 100)]
pub struct Cli {
    /// Options of every command
    #[command(flatten)]
    pub global: Global,
    /// Print program, protocol and store schema version
    #[arg(short = 'V', long)]
    pub version: bool,
    /// What to do; opens the console when absent
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Configuration file [default: $XDG_CONFIG_HOME/tandem/ACCOUNT.toml]
    #[arg(long, global = true, value_name = "PATH", env = "TANDEM_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Data directory, instead of the configured one
    #[arg(long, global = true, value_name = "DIR", env = "TANDEM_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// Daemon socket, instead of the configured one
    #[arg(long, global = true, value_name = "PATH", env = "TANDEM_SOCKET", hide_env_values = true)]
    pub socket: Option<PathBuf>,
    /// Account, where several are configured
    #[arg(long, global = true, value_name = "NAME", env = "TANDEM_ACCOUNT", hide_env_values = true, value_parser = account)]
    pub account: Option<String>,
    /// Print JSON: one object, or one object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour the output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "TANDEM_COLOR",
        hide_env_values = true,
        default_value = "auto"
    )]
    pub color: ColorWhen,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to show of the account.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Show this module's settings in effect, what failed lately and its last sweeps
    #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
    pub module: Option<ModuleId>,
    /// How many sweeps
    #[arg(long, value_name = "N", default_value_t = 20, requires = "module", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub runs: u32,
    /// Only sweeps before the one with this number
    #[arg(long, value_name = "NUMBER", requires = "module")]
    pub before: Option<u64>,
}

/// Commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one per process")]
pub enum Command {
    /// Open the console: attach to the daemon, or host one in this process when none runs
    Console(ConsoleArgs),
    /// Try Tandem on simulated remotes: nothing to configure, nothing leaves this machine
    Demo(DemoArgs),
    /// Run one simulated remote as an HTTP server until signalled
    Sim(SimArgs),
    /// Run the daemon in the foreground
    Run(RunArgs),
    /// Show modules, counts, rates and errors, or one module closely (exit 1 when one is tripped, failing or stopped)
    Status(StatusArgs),
    /// Start a sweep now
    Sync(SyncArgs),
    /// Look at the queue and decide
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Who decided what, when, on which values
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print live events as lines until the daemon stops, or goes on with another field map
    Watch {
        /// Only this module
        #[arg(long, value_name = "MODULE", value_parser = one_of::<ModuleId>())]
        module: Option<ModuleId>,
    },
    /// Stop claiming and polling
    Pause {
        /// Which modules; all when absent
        #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
        modules: Vec<ModuleId>,
    },
    /// Go on after a pause
    Resume {
        /// Which modules; all when absent
        #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
        modules: Vec<ModuleId>,
    },
    /// The bulk guard: what it holds, and letting it go
    #[command(subcommand)]
    Guard(GuardCommand),
    /// The match tables: which person and which lead source of one system is which of the other
    #[command(subcommand)]
    Match(MatchCommand),
    /// Mapped custom fields: which field of iVvy is which of the CRM
    Map(MapArgs),
    /// What other systems post to us, or are posted by us: health, what was set aside, first-sync dates
    Streams(StreamsArgs),
    /// Check connections, permissions, clock skew and store health (exit 1 when a row fails)
    Check,
    /// Compare indexes, counters, links and the audit chain with the items (exit 1 when something does not fit)
    Doctor {
        /// Write anew what can be derived
        #[arg(long)]
        rebuild: bool,
    },
    /// Write a configuration; tests the connection before it enables anything
    Init(InitArgs),
    /// List the console's keys
    Keys,
    /// List the console's themes
    Themes,
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// Write a page per command into this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// `console`.
#[derive(Clone, Debug, Default, Args)]
pub struct ConsoleArgs {
    /// Theme, by name or path
    #[arg(long, env = "TANDEM_THEME", hide_env_values = true)]
    pub theme: Option<String>,
}

/// `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Records on each side
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub records: u32,
    /// Same seed, same data
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many records the colleagues change per minute on each side; 0 for a quiet world
    #[arg(long, value_name = "K", default_value_t = 30)]
    pub edits_per_minute: u32,
    /// Give every tenth record text that attacks terminals
    #[arg(long)]
    pub hostile: bool,
    /// Run S-360, the Connector and a pushed CRM as well, an account each
    #[arg(long)]
    pub all: bool,
    /// Whose console to open; any but ivvy implies --all
    #[arg(long, value_name = "ACCOUNT", value_enum, default_value_t = DemoAccount::Ivvy)]
    pub show: DemoAccount,
    /// No console: print addresses, config and socket as one JSON line and run until signalled
    #[arg(long)]
    pub headless: bool,
    /// Listen on P, P+1, … instead of free ports
    #[arg(long, value_name = "P")]
    pub port_base: Option<u16>,
}

/// An account of the demonstration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum DemoAccount {
    /// iVvy and Salesforce.
    #[default]
    Ivvy,
    /// S-360 and Salesforce.
    S360,
    /// iVvy and the InTouch Connector.
    Connector,
    /// iVvy and a CRM that takes arrays.
    Push,
}

/// `sim`.
#[derive(Clone, Debug, Args)]
pub struct SimArgs {
    /// Which remote
    pub system: SimSystem,
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Records to start with
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub records: u32,
    /// Same seed, same data
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many records its other users change per minute
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub edits_per_minute: u32,
    /// A fault to play, as the body of POST /_sim/fault; may be repeated
    #[arg(long, value_name = "SPEC")]
    pub fault: Vec<String>,
    /// s360: where to push to; the streams are below it, as /s360/contacts/ACME
    #[arg(long, value_name = "URL")]
    pub receiver: Option<String>,
    /// s360: a file with what is shown there, as {"kind":"basic","user":…,"password":…} or {"kind":"apikey","header":…,"value":…}
    #[arg(long, value_name = "FILE", env = "TANDEM_SIM_RECEIVER_AUTH", hide_env_values = true)]
    pub receiver_auth: Option<PathBuf>,
    /// s360: time between pushes, instead of 15 minutes
    #[arg(long, value_name = "DURATION", value_parser = pause)]
    pub push_every: Option<Duration>,
    /// s360: push what is there already, but no contact changed and no order made before this day
    #[arg(long, value_name = "DAY")]
    pub first_sync: Option<chrono::NaiveDate>,
}

/// Simulated remotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum SimSystem {
    /// iVvy.
    Ivvy,
    /// Salesforce.
    Salesforce,
    /// S-360 (SecuTix 360).
    S360,
    /// The InTouch Connector.
    Connector,
    /// A CRM that takes contacts and orders as S-360 posts them; it starts empty.
    Extcrm,
}

/// `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// How to write the log to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Shapes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// `sync`.
#[derive(Clone, Debug, Args)]
pub struct SyncArgs {
    /// Which modules; all when absent
    #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
    pub modules: Vec<ModuleId>,
    /// Read everything, not only changes
    #[arg(long)]
    pub full: bool,
    /// Wait until the sweep has ended (exit 1 when it did not end well)
    #[arg(long, conflicts_with = "plan")]
    pub wait: bool,
    /// Only show what would be written
    #[arg(long, conflicts_with_all = ["full", "approve"])]
    pub plan: bool,
    /// Release the plan with this hash (exit 5 when it is another one by now)
    #[arg(long, value_name = "HASH")]
    pub approve: Option<String>,
    /// Who agreed to the plan, and when, for the audit log; needed for what goes to S-360
    #[arg(long, value_name = "TEXT", requires = "approve")]
    pub note: Option<String>,
}

/// `audit`.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// List rows, newest first
    List {
        /// Only this item
        #[arg(long, value_name = "ID")]
        item: Option<ItemId>,
        /// Only rows before this position
        #[arg(long, value_name = "SEQ")]
        before: Option<Seq>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Show one row
    Show {
        /// Its position
        #[arg(value_name = "SEQ")]
        seq: Seq,
    },
    /// Check the hash chain (exit 1 when it is broken)
    Verify,
}

/// `guard`.
#[derive(Clone, Debug, Subcommand)]
pub enum GuardCommand {
    /// Show every module's guard (exit 1 when one holds something)
    List,
    /// Let go what a guard holds
    Release {
        /// Which module
        #[arg(value_parser = one_of::<ModuleId>())]
        module: ModuleId,
        /// How many items you saw as held; refused when it is another number by now
        #[arg(long, value_name = "N")]
        expect: u64,
        /// Only this many, oldest first
        #[arg(long, value_name = "N")]
        sample: Option<u64>,
        /// Who agreed to it, and when, for the audit log; needed for what goes to S-360
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Throw the held plans away; they come back when the records change
    Discard {
        /// Which module
        #[arg(value_parser = one_of::<ModuleId>())]
        module: ModuleId,
        /// How many items you saw as held; refused when it is another number by now
        #[arg(long, value_name = "N")]
        expect: u64,
    },
}

/// `init`. Everything not given is asked for on a terminal.
#[derive(Clone, Debug, Default, Args)]
pub struct InitArgs {
    /// Ask nothing: what is not given takes its default or is an error
    #[arg(long)]
    pub non_interactive: bool,
    /// Shown on every screen
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Where records come from
    #[arg(long, value_name = "SYSTEM", value_parser = one_of::<OriginKind>())]
    pub origin: Option<OriginKind>,
    /// Address of the iVvy region
    #[arg(long, value_name = "URL")]
    pub ivvy_url: Option<String>,
    /// iVvy API key (the secret is read from a file)
    #[arg(long, value_name = "KEY")]
    pub ivvy_key: Option<String>,
    /// File with the iVvy API secret, mode 0600
    #[arg(long, value_name = "PATH")]
    pub ivvy_secret_file: Option<PathBuf>,
    /// S-360: the partner's name that S-360 knows us by
    #[arg(long, value_name = "NAME")]
    pub s360_partner: Option<String>,
    /// S-360: code of the institution (others are added to the file)
    #[arg(long, value_name = "CODE")]
    pub s360_institution: Option<String>,
    /// S-360: address of the institution's services, where it is not `https://CODE.ws.secutix.com`
    #[arg(long, value_name = "URL")]
    pub s360_url: Option<String>,
    /// S-360: the operator we write as; without one nothing is written to S-360
    #[arg(long, value_name = "NAME")]
    pub s360_operator: Option<String>,
    /// S-360: file with the operator's secret, mode 0600
    #[arg(long, value_name = "PATH")]
    pub s360_secret_file: Option<PathBuf>,
    /// S-360: user name it posts to us with (HTTP Basic)
    #[arg(long, value_name = "NAME")]
    pub s360_user: Option<String>,
    /// S-360: file with that user's password, mode 0600
    #[arg(long, value_name = "PATH")]
    pub s360_password_file: Option<PathBuf>,
    /// Where posts are received, in plain HTTP behind a reverse proxy
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Which CRM
    #[arg(long, value_name = "KIND", value_parser = one_of::<crate::config::CrmKind>())]
    pub crm: Option<crate::config::CrmKind>,
    /// Address of the CRM
    #[arg(long, value_name = "URL")]
    pub crm_url: Option<String>,
    /// Odoo: the database
    #[arg(long, value_name = "NAME")]
    pub crm_database: Option<String>,
    /// Salesforce: the connected app's consumer key
    #[arg(long, value_name = "ID")]
    pub crm_client_id: Option<String>,
    /// Connector: our name there, as InTouch gave it
    #[arg(long, value_name = "ID")]
    pub connector_provider: Option<String>,
    /// Connector: the client all records belong to
    #[arg(long, value_name = "ID")]
    pub connector_client: Option<String>,
    /// Connector: the club of that client
    #[arg(long, value_name = "ID")]
    pub connector_club: Option<String>,
    /// Connector: which way records go, as agreed (receive, send, both)
    #[arg(long, value_name = "WAY", value_parser = ["receive", "send", "both"])]
    pub connector_direction: Option<String>,
    /// Connector: who agreed to the profile
    #[arg(long, value_name = "NAME")]
    pub connector_agreed_by: Option<String>,
    /// Connector: when
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub connector_agreed_on: Option<String>,
    /// Connector: file with the key it calls us with, mode 0600; not for "send"
    #[arg(long, value_name = "PATH")]
    pub connector_key_file: Option<PathBuf>,
    /// Pushed CRM: the address that takes arrays of contacts
    #[arg(long, value_name = "URL")]
    pub push_contacts_url: Option<String>,
    /// Pushed CRM: the address that takes arrays of orders
    #[arg(long, value_name = "URL")]
    pub push_orders_url: Option<String>,
    /// Pushed CRM: user name we post with (HTTP Basic)
    #[arg(long, value_name = "NAME")]
    pub push_user: Option<String>,
    /// Pushed CRM: file with that user's password, mode 0600
    #[arg(long, value_name = "PATH")]
    pub push_password_file: Option<PathBuf>,
    /// Push: file with the key we post with in X-API-Key, mode 0600; instead of a user and a password
    #[arg(long, value_name = "PATH")]
    pub push_key_file: Option<PathBuf>,
    /// File with the Odoo API key or Salesforce client secret, mode 0600
    #[arg(long, value_name = "PATH")]
    pub crm_secret_file: Option<PathBuf>,
    /// Take only records modified since this day
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub first_sync: Option<String>,
    /// Time between sweeps
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub interval: Option<String>,
    /// Modules to enable; all when absent
    #[arg(long, value_name = "MODULE,…", value_delimiter = ',', value_parser = one_of::<ModuleId>())]
    pub modules: Vec<ModuleId>,
    /// Do not test the connection; modules stay disabled
    #[arg(long)]
    pub skip_test: bool,
}

/// Where records come from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter, strum::EnumString, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum OriginKind {
    /// iVvy.
    Ivvy,
    /// S-360.
    S360,
}

/// One of the names of an enumeration: wrong ones are answered with the right ones.
pub(super) fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: strum::IntoEnumIterator + Into<&'static str> + FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync,
{
    let names: Vec<&'static str> = T::iter().map(Into::into).collect();
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// The side called `name`: as Tandem calls it in every account, or as its system is called.
pub(super) fn side_of(name: &str) -> Option<Side> {
    match name {
        "ivvy" | "s360" => Some(Side::Ivvy),
        "crm" | "odoo" | "salesforce" | "connector" | "push" => Some(Side::Crm),
        _ => None,
    }
}

/// A side, by any of its names.
pub(super) fn side() -> impl TypedValueParser<Value = Side> {
    let names = [
        PossibleValue::new("ivvy").alias("s360"),
        PossibleValue::new("crm").aliases(["odoo", "salesforce", "connector", "push"]),
    ];
    PossibleValuesParser::new(names).try_map(|name| side_of(&name).ok_or_else(|| format!("`{name}` is not a side")))
}

fn account(text: &str) -> Result<String, String> {
    if paths::is_account_name(text) {
        Ok(text.to_owned())
    } else {
        Err("up to 32 small letters, digits, - and _".to_owned())
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "an address like 127.0.0.1:8080".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("a simulated remote listens on loopback only".to_owned()) }
}

fn pause(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}

fn day(text: &str) -> Result<String, String> {
    crate::config::parse_day(text).map(|_| text.to_owned())
}

fn interval(text: &str) -> Result<String, String> {
    duration::parse(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_called_by_its_systems_name_too() {
        let take = |name: &str| {
            Cli::try_parse_from(["tandem", "match", "list", "--side", name]).map(|cli| match cli.command {
                Some(Command::Match(MatchCommand::List(args))) => args.side,
                other => panic!("{other:?}"),
            })
        };
        for (name, side) in [("ivvy", Side::Ivvy), ("s360", Side::Ivvy), ("crm", Side::Crm), ("push", Side::Crm)] {
            assert_eq!(take(name).unwrap(), side);
        }
        let wrong = take("dynamics").unwrap_err().to_string();
        assert!(wrong.contains("[possible values: ivvy, crm]"), "{wrong}");
    }
}
