//! `tandem init`: writes a configuration, tests the connection, and only then enables modules.
//!
//! Never overwrites, never takes a secret: it asks for the file that holds one. An answer that cannot be right is asked
//! for again at once, so that none of the others is lost.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{InitArgs, OriginKind};
use super::{Context, Hooks, operate};
use crate::config::{Config, CrmKind, SecretSource};
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
    /// Sections of origin and CRM, and of what is received, as they are written.
    sections: Vec<String>,
    first_sync: Option<String>,
    interval: String,
    modules: Vec<ModuleId>,
}

impl Answers {
    fn gather(context: &mut Context, mut args: InitArgs) -> Result<Self> {
        let interactive = !args.non_interactive && std::io::stdin().is_terminal() && !context.out.is_json();
        let account = context.account().to_owned();
        let mut ask = Asker { context, interactive };
        let origin = match args.origin {
            Some(kind) => kind,
            None => {
                let question = "Where do records come from (ivvy, s360)";
                let known = |kind: &str| kind.parse::<OriginKind>().map(drop).map_err(|_| "ivvy or s360".to_owned());
                let kind = ask.checked("--origin", question, None, Some("ivvy"), &known)?;
                kind.parse().map_err(|_| Error::config(format!("`{kind}` is no origin")).hint("ivvy or s360"))?
            }
        };
        let crm = match args.crm {
            Some(kind) => kind,
            None => {
                let kinds = "odoo, salesforce, connector, push";
                let known = |kind: &str| kind.parse::<CrmKind>().map(drop).map_err(|_| format!("one of {kinds}"));
                let kind = ask.checked("--crm", &format!("Which CRM ({kinds})"), None, Some("odoo"), &known)?;
                kind.parse().map_err(|_| Error::config(format!("`{kind}` is not a CRM")).hint(kinds))?
            }
        };
        let environment = ask.value("--environment", "Environment", args.environment.take(), Some("production"))?;
        let mut sections = vec![match origin {
            OriginKind::Ivvy => ivvy(&mut ask, &mut args)?,
            OriginKind::S360 => s360(&mut ask, &mut args)?,
        }];
        let (section, called) = match crm {
            CrmKind::Odoo | CrmKind::Salesforce => (called_crm(&mut ask, &mut args, crm)?, false),
            CrmKind::Connector => connector(&mut ask, &mut args)?,
            CrmKind::Push => (push(&mut ask, &mut args)?, false),
        };
        sections.push(section);
        if origin == OriginKind::S360 || called {
            let listen = args.listen.map(|listen| listen.to_string());
            let listen =
                ask.checked("--listen", "Where posts are received", listen, Some("127.0.0.1:8467"), &socket)?;
            sections.push(format!("[inbound]\nlisten = {}\n", quote(&listen)));
        }
        let first_sync = match origin {
            // Contacts and orders have a date of their own there, set after a test.
            OriginKind::S360 => args.first_sync,
            OriginKind::Ivvy => {
                let question = "Only records changed since (date, or empty)";
                let date = ask.checked("--first-sync", question, args.first_sync, Some(""), &or_empty(day))?;
                Some(date).filter(|date| !date.is_empty())
            }
        };
        let usual = match (origin, crm) {
            (_, CrmKind::Connector) => vec![ModuleId::Contacts],
            (OriginKind::Ivvy, _) => ModuleId::PEOPLE.to_vec(),
            (OriginKind::S360, _) => vec![ModuleId::Companies, ModuleId::Contacts, ModuleId::Orders],
        };
        Ok(Self {
            account,
            environment,
            sections,
            first_sync,
            interval: ask.checked("--interval", "Time between sweeps", args.interval, Some("15m"), &interval)?,
            modules: if args.modules.is_empty() { usual } else { args.modules },
        })
    }

    fn render(&self, enable: bool) -> String {
        let mut text = format!(
            "# Tandem, account {}. Every key is explained in docs/tandem.example.toml.\n\
             version = 1\naccount = {}\nenvironment = {}\n\n{}",
            self.account,
            quote(&self.account),
            quote(&self.environment),
            self.sections.join("\n"),
        );
        // Writing to a String does not fail.
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

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn ivvy(ask: &mut Asker<'_>, args: &mut InitArgs) -> Result<String> {
    let url = ask.checked("--ivvy-url", "iVvy address (https://…)", args.ivvy_url.take(), None, &address)?;
    let key = ask.value("--ivvy-key", "iVvy API key", args.ivvy_key.take(), None)?;
    let secret = ask.file("--ivvy-secret-file", "File with the iVvy secret", args.ivvy_secret_file.take())?;
    let (url, key, secret) = (quote(&url), quote(&key), quote(&secret));
    Ok(format!("[ivvy]\nurl = {url}\nkey = {key}\nsecret = {{ file = {secret} }}\n"))
}

fn s360(ask: &mut Asker<'_>, args: &mut InitArgs) -> Result<String> {
    let partner = ask.value("--s360-partner", "Our partner name at S-360", args.s360_partner.take(), None)?;
    let code = ask.checked("--s360-institution", "Institution code", args.s360_institution.take(), None, &code_of)?;
    let question = "Its address (empty for https://CODE.ws.secutix.com)";
    let url = ask.checked("--s360-url", question, args.s360_url.take(), Some(""), &or_empty(address))?;
    let question = "Operator we write as (empty to only receive)";
    let operator = ask.value("--s360-operator", question, args.s360_operator.take(), Some(""))?;
    let mut text = format!("[s360]\npartner = {}\n\n[s360.institutions.{}]\n", quote(&partner), quote(&code));
    if !url.is_empty() {
        let _ = writeln!(text, "url = {}", quote(&url));
    }
    if !operator.is_empty() {
        let question = "File with the operator's secret";
        let secret = ask.file("--s360-secret-file", question, args.s360_secret_file.take())?;
        let _ = write!(text, "operator = {}\nsecret = {{ file = {} }}\n", quote(&operator), quote(&secret));
    }
    let user = ask.value("--s360-user", "User name S-360 posts with", args.s360_user.take(), Some("s360"))?;
    let question = "File with that user's password";
    let password = ask.file("--s360-password-file", question, args.s360_password_file.take())?;
    let (user, password) = (quote(&user), quote(&password));
    for inflow in ["contacts", "orders"] {
        let auth = format!("{{ kind = \"basic\", user = {user}, passwords = [{{ file = {password} }}] }}");
        let _ = writeln!(text, "{inflow} = {{ auth = {auth} }}");
    }
    Ok(text)
}

fn called_crm(ask: &mut Asker<'_>, args: &mut InitArgs, crm: CrmKind) -> Result<String> {
    let url = ask.checked("--crm-url", "CRM address (https://…)", args.crm_url.take(), None, &address)?;
    let (name, secret, value, question) = match crm {
        CrmKind::Salesforce => {
            let given = args.crm_client_id.take();
            let id = ask.value("--crm-client-id", "Salesforce consumer key", given, None)?;
            ("client_id", "secret", id, "File with the client secret")
        }
        _ => {
            let database = ask.value("--crm-database", "Odoo database", args.crm_database.take(), None)?;
            ("database", "key", database, "File with the Odoo API key")
        }
    };
    let file = ask.file("--crm-secret-file", question, args.crm_secret_file.take())?;
    let (url, value, file) = (quote(&url), quote(&value), quote(&file));
    Ok(format!("[crm]\nkind = \"{crm}\"\nurl = {url}\n{name} = {value}\n{secret} = {{ file = {file} }}\n"))
}

/// The section, and whether the Connector calls us. What is agreed beyond the direction begins with the least:
/// nothing is assumed that nobody has said (C-04).
fn connector(ask: &mut Asker<'_>, args: &mut InitArgs) -> Result<(String, bool)> {
    let url = ask.checked("--crm-url", "Connector address (https://…)", args.crm_url.take(), None, &address)?;
    let mut text = format!("[crm]\nkind = \"connector\"\nurl = {}\n", quote(&url));
    let ids = [
        ("--connector-provider", "provider", "Our provider id there", args.connector_provider.take()),
        ("--connector-client", "client", "Client id", args.connector_client.take()),
        ("--connector-club", "club", "Club id", args.connector_club.take()),
    ];
    for (option, key, question, given) in ids {
        let _ = writeln!(text, "{key} = {}", quote(&ask.value(option, question, given, None)?));
    }
    let (by, on) = (args.connector_agreed_by.take(), args.connector_agreed_on.take());
    let by = ask.value("--connector-agreed-by", "Who agreed to the profile", by, None)?;
    let on = ask.checked("--connector-agreed-on", "When (2026-01-31)", on, None, &day)?;
    let question = "Which way records go (receive, send, both)";
    let known = |way: &str| match ["receive", "send", "both"].contains(&way) {
        true => Ok(()),
        false => Err("receive, send or both".to_owned()),
    };
    let way = ask.checked("--connector-direction", question, args.connector_direction.take(), None, &known)?;
    let _ = write!(
        text,
        "\n[crm.profile]\nagreed_by = {}\nagreed_on = {}\ndirection = {}\n\
         entities = [\"members\"]\nowner = false\nsource = false\n",
        quote(&by),
        quote(&on),
        quote(&way),
    );
    let called = way != "send";
    if called {
        let question = "File with the key it calls us with";
        let key = ask.file("--connector-key-file", question, args.connector_key_file.take())?;
        let _ =
            write!(text, "\n[crm.facade]\nauth = {{ kind = \"api_key\", keys = [{{ file = {} }}] }}\n", quote(&key));
    }
    Ok((text, called))
}

fn push(ask: &mut Asker<'_>, args: &mut InitArgs) -> Result<String> {
    let mut text = "[crm]\nkind = \"push\"\n".to_owned();
    let urls = [
        ("--push-contacts-url", "contacts_url", "Address for contacts (or empty)", args.push_contacts_url.take()),
        ("--push-orders-url", "orders_url", "Address for orders (or empty)", args.push_orders_url.take()),
    ];
    for (option, key, question, given) in urls {
        let url = ask.checked(option, question, given, Some(""), &or_empty(address))?;
        if !url.is_empty() {
            let _ = writeln!(text, "{key} = {}", quote(&url));
        }
    }
    let key = args.push_key_file.take();
    let question = "User name we post with (empty: a key instead)";
    let user = match (&key, args.push_user.take()) {
        (Some(_), Some(_)) => {
            return Err(Error::config("--push-user and --push-key-file are two ways of proving who we are")
                .hint("name one of them"));
        }
        (Some(_), None) => String::new(),
        (None, user) => ask.value("--push-user", question, user, Some(""))?,
    };
    if user.is_empty() {
        let key = ask.file("--push-key-file", "File with the key we post with, in X-API-Key", key)?;
        let _ = writeln!(text, "auth = {{ kind = \"api_key\", keys = [{{ file = {} }}] }}", quote(&key));
        return Ok(text);
    }
    let question = "File with that user's password";
    let password = ask.file("--push-password-file", question, args.push_password_file.take())?;
    let (user, password) = (quote(&user), quote(&password));
    let _ = writeln!(text, "auth = {{ kind = \"basic\", user = {user}, passwords = [{{ file = {password} }}] }}");
    Ok(text)
}

/// Says what is wrong with an answer.
type Right<'a> = &'a dyn Fn(&str) -> std::result::Result<(), String>;

fn or_empty(
    right: impl Fn(&str) -> std::result::Result<(), String>,
) -> impl Fn(&str) -> std::result::Result<(), String> {
    move |text| if text.is_empty() { Ok(()) } else { right(text) }
}

fn address(text: &str) -> std::result::Result<(), String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => Ok(()),
        _ => Err("an address like https://host.example".to_owned()),
    }
}

fn day(text: &str) -> std::result::Result<(), String> {
    let known = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d");
    known.map(drop).map_err(|_| "a date as year, month, day: 2026-01-31".to_owned())
}

fn interval(text: &str) -> std::result::Result<(), String> {
    crate::config::parse_duration(text).map(drop)
}

fn socket(text: &str) -> std::result::Result<(), String> {
    let known = text.parse::<std::net::SocketAddr>();
    known.map(drop).map_err(|_| "an address and port of this machine: 127.0.0.1:8467".to_owned())
}

fn code_of(text: &str) -> std::result::Result<(), String> {
    match crate::config::is_institution_code(text) {
        true => Ok(()),
        false => Err("up to 20 capital letters, digits and _".to_owned()),
    }
}

/// A file that a secret can be read from: the value itself is let go of at once.
fn secret_file(option: &str, path: &str) -> std::result::Result<(), String> {
    let source = SecretSource::File(PathBuf::from(path));
    let told = source.resolve(Path::new("."), option);
    told.map(drop).map_err(|error| match (error.causes.first(), error.hint) {
        (Some(cause), _) => format!("{}: {cause}", error.message),
        (None, Some(hint)) => format!("{}; {hint}", error.message),
        (None, None) => error.message,
    })
}

struct Asker<'a> {
    context: &'a mut Context,
    interactive: bool,
}

impl Asker<'_> {
    /// A path, made absolute: what is typed starts here, what is configured starts at the file.
    fn file(&mut self, option: &str, question: &str, given: Option<PathBuf>) -> Result<String> {
        let given = given.map(|path| path.to_string_lossy().into_owned());
        let path = self.checked(option, question, given, None, &|path| secret_file(option, path))?;
        let path = std::path::absolute(&path)
            .map_err(|error| Error::config(format!("{option}: not a path")).because(&error).hint("name a file"))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Any text.
    fn value(&mut self, option: &str, question: &str, given: Option<String>, default: Option<&str>) -> Result<String> {
        self.checked(option, question, given, default, &|_| Ok(()))
    }

    /// A text that `right` accepts; what it says of a typed one is shown, and the question asked again.
    fn checked(
        &mut self,
        option: &str,
        question: &str,
        given: Option<String>,
        default: Option<&str>,
        right: Right<'_>,
    ) -> Result<String> {
        let asked = given.is_none() && self.interactive;
        let mut given = given;
        loop {
            let answer = match given.take() {
                Some(given) => given,
                None => self.answer(option, question, default)?,
            };
            match right(&answer) {
                Ok(()) => return Ok(answer),
                Err(why) if asked => self.context.out.raw(&format!("  not possible: {why}\n"))?,
                Err(why) => {
                    // The remedy, where it is told, is the hint; the option is named once.
                    let why = why.strip_prefix(option).map_or(why.as_str(), |rest| rest.trim_start_matches(": "));
                    let (why, remedy) = why.split_once("; run: ").map_or((why, None), |(why, run)| (why, Some(run)));
                    let remedy = remedy.map_or_else(|| "correct the option".to_owned(), |run| format!("run: {run}"));
                    return Err(
                        Error::config(format!("{option}: {why}")).hint(format!("nothing was written; {remedy}"))
                    );
                }
            }
        }
    }

    fn answer(&mut self, option: &str, question: &str, default: Option<&str>) -> Result<String> {
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
