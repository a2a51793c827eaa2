//! `tandem init`: writes a configuration, tests the connection, and only then enables modules.
//!
//! Never overwrites, never takes a secret: it asks for the file that holds one.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::InitArgs;
use super::{Context, Hooks, operate};
use crate::config::{Config, CrmKind};
use crate::error::{Error, Result};
use crate::model::ModuleId;

pub(super) async fn run(context: &mut Context, hooks: &dyn Hooks, args: InitArgs) -> Result<u8> {
    let path = std::path::absolute(context.config_path()?).map_err(|error| {
        Error::config("the current directory is not known").because(&error).hint("pass --config PATH")
    })?;
    if path.exists() {
        return Err(Error::config(format!("{} exists already", path.display()))
            .hint("edit it, move it away, or choose another with --config or --account"));
    }
    let skip_test = args.skip_test;
    let answers = Answers::gather(context, args)?;
    // Checked as a whole, and the secrets fetched, before a byte is written.
    let config = Config::parse(&answers.render(false), &path)?;
    let secrets = config.secrets()?;
    write_new(&path, &answers.render(false))?;
    let mut code = 0;
    if !skip_test {
        let rows = hooks.check(&config, &secrets).await.map_err(|mut error| {
            error.causes.insert(0, error.message.clone());
            error.message = format!("{} is written, but the connection could not be tested", path.display());
            error
        })?;
        code = operate::print_check(&mut context.out, &rows)?;
        if code == 0 {
            replace(&path, &answers.render(true))?;
        }
    }
    let enabled = !skip_test && code == 0;
    if context.out.is_json() {
        context.out.json(&json!({ "config": path, "account": config.account, "enabled": enabled }))?;
    } else {
        context.out.line(format!("written: {}", path.display()))?;
        context.out.line(if enabled {
            "next: tandem run"
        } else {
            "modules are disabled: see that `tandem check` is content, then set enabled = true"
        })?;
    }
    Ok(code)
}

/// Everything the file needs.
struct Answers {
    account: String,
    environment: String,
    ivvy_url: String,
    ivvy_key: String,
    ivvy_secret: String,
    crm: CrmKind,
    crm_url: String,
    /// Odoo's database, or Salesforce's client id.
    crm_name: String,
    crm_secret: String,
    first_sync: Option<String>,
    interval: String,
    modules: Vec<ModuleId>,
}

impl Answers {
    fn gather(context: &mut Context, args: InitArgs) -> Result<Self> {
        let interactive = !args.non_interactive && std::io::stdin().is_terminal() && !context.out.is_json();
        let account = context.account().to_owned();
        let mut ask = Asker { context, interactive };
        let crm = match args.crm {
            Some(kind) => kind,
            None => {
                let kind = ask.value("--crm", "Which CRM (odoo, salesforce)", None, Some("odoo"))?;
                kind.parse().map_err(|_| Error::config(format!("`{kind}` is not a CRM")).hint("odoo or salesforce"))?
            }
        };
        let (name_option, name_question, name_given, secret_question) = match crm {
            CrmKind::Odoo => ("--crm-database", "Odoo database", args.crm_database, "File with the Odoo API key"),
            CrmKind::Salesforce => {
                ("--crm-client-id", "Salesforce consumer key", args.crm_client_id, "File with the client secret")
            }
            CrmKind::Connector | CrmKind::Push => {
                return Err(Error::config(format!("`{crm}` is not asked for here"))
                    .hint("write the file from docs/tandem.example.toml, then run `tandem check`"));
            }
        };
        Ok(Self {
            account,
            environment: ask.value("--environment", "Environment", args.environment, Some("production"))?,
            ivvy_url: ask.value("--ivvy-url", "iVvy address (https://…)", args.ivvy_url, None)?,
            ivvy_key: ask.value("--ivvy-key", "iVvy API key", args.ivvy_key, None)?,
            ivvy_secret: ask.file("--ivvy-secret-file", "File with the iVvy secret", args.ivvy_secret_file)?,
            crm,
            crm_url: ask.value("--crm-url", "CRM address (https://…)", args.crm_url, None)?,
            crm_name: ask.value(name_option, name_question, name_given, None)?,
            crm_secret: ask.file("--crm-secret-file", secret_question, args.crm_secret_file)?,
            first_sync: match ask.value(
                "--first-sync",
                "Only records changed since (date, or empty)",
                args.first_sync,
                Some(""),
            )? {
                empty if empty.is_empty() => None,
                date => Some(date),
            },
            interval: ask.value("--interval", "Time between sweeps", args.interval, Some("15m"))?,
            modules: if args.modules.is_empty() { ModuleId::PEOPLE.to_vec() } else { args.modules },
        })
    }

    fn render(&self, enable: bool) -> String {
        let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = format!(
            "# Tandem, account {}. Every key is explained in docs/tandem.example.toml.\n\
             version = 1\naccount = {}\nenvironment = {}\n\n\
             [ivvy]\nurl = {}\nkey = {}\nsecret = {{ file = {} }}\n\n\
             [crm]\nkind = \"{}\"\nurl = {}\n",
            self.account,
            quote(&self.account),
            quote(&self.environment),
            quote(&self.ivvy_url),
            quote(&self.ivvy_key),
            quote(&self.ivvy_secret),
            self.crm,
            quote(&self.crm_url),
        );
        let (name, secret) = match self.crm {
            CrmKind::Odoo => ("database", "key"),
            CrmKind::Salesforce | CrmKind::Connector | CrmKind::Push => ("client_id", "secret"),
        };
        // Writing to a String does not fail.
        let _ =
            write!(text, "{name} = {}\n{secret} = {{ file = {} }}\n", quote(&self.crm_name), quote(&self.crm_secret));
        let _ = write!(text, "\n[sync]\ninterval = {}\n", quote(&self.interval));
        if let Some(date) = &self.first_sync {
            let _ = writeln!(text, "first_sync = {}", quote(date));
        }
        for module in ModuleId::ALL.into_iter().filter(|module| module.follows().is_none()) {
            let enabled = enable && self.modules.contains(&module);
            let _ = write!(text, "\n[modules.{module}]\nenabled = {enabled}\n");
        }
        text
    }
}

struct Asker<'a> {
    context: &'a mut Context,
    interactive: bool,
}

impl Asker<'_> {
    /// A path, made absolute: what is typed starts here, what is configured starts at the file.
    fn file(&mut self, option: &str, question: &str, given: Option<PathBuf>) -> Result<String> {
        let given = given.map(|path| path.to_string_lossy().into_owned());
        let path = self.value(option, question, given, None)?;
        let path = std::path::absolute(&path)
            .map_err(|error| Error::config(format!("{option}: not a path")).because(&error).hint("name a file"))?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn value(&mut self, option: &str, question: &str, given: Option<String>, default: Option<&str>) -> Result<String> {
        if let Some(given) = given {
            return Ok(given);
        }
        if !self.interactive {
            return default.map(str::to_owned).ok_or_else(|| {
                Error::config(format!("{option} is missing"))
                    .hint("give it, or run `tandem init` on a terminal to be asked")
            });
        }
        let shown = default.filter(|default| !default.is_empty()).map(|default| format!(" [{default}]"));
        self.context.out.raw(&format!("{question}{}: ", shown.unwrap_or_default()))?;
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let line = match read {
            Ok(0) | Err(_) => {
                return Err(Error::config("no answer").hint("pass the options instead: tandem init --help"));
            }
            Ok(_) => line.trim().to_owned(),
        };
        match (line.is_empty(), default) {
            (false, _) => Ok(line),
            (true, Some(default)) => Ok(default.to_owned()),
            (true, None) => Err(Error::config(format!("{option} is needed")).hint("there is no default for it")),
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("{} cannot be written", path.display())).because(error).hint("choose another with --config")
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let cannot = |error: &std::io::Error| cannot_write(path, error);
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| cannot(&error))?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| cannot(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| cannot(&error))
}

/// Replaces our own fresh file in one step.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("toml.new");
    write_new(&beside, text)?;
    std::fs::rename(&beside, path).map_err(|error| cannot_write(path, &error))
}
