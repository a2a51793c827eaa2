//! What is generated from the definitions: `docs/CLI.md`, manual pages, completions, key and theme lists.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};

use super::args::Cli;
use super::output::plain;
use super::{Context, Hooks};
use crate::error::{Error, Result};

const HEAD: &str = "\
# The command line

Generated from the definitions in `src/cli/`; `UPDATE_DOCS=1 cargo test --test cli_reference` writes it anew.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | the answer is \"no\", or something is held, where the command says so |
| 2 | wrong usage or configuration |
| 3 | authentication or permission |
| 4 | a remote, the daemon or the disk is not available |
| 5 | stale: somebody was faster |
| 70 | a defect in Tandem |

A command on several items prints one result per item and exits with the highest code among them. Errors go to standard
error: one sentence, the causes, a hint; with `--json` one object `{\"error\": {\"kind\", \"exit_code\", \"message\", \"causes\", \"hint\"}}`.
`TANDEM_LOG` filters the log (`debug`, `tandem::sync=trace`); `NO_COLOR` is honoured.
";

/// `docs/CLI.md`.
pub fn markdown() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = HEAD.to_owned();
    text.push_str("\n## Options of every command\n\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set() || arg.get_id() == "version") {
        option(&mut text, arg);
    }
    for command in root.get_subcommands() {
        section(&mut text, command, "tandem");
    }
    text
}

fn section(text: &mut String, command: &Command, parent: &str) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    if command.has_subcommands() {
        let _ = write!(text, "\n## `{name} …`\n\n{about}.\n");
        for sub in command.get_subcommands() {
            section(text, sub, &name);
        }
        return;
    }
    let level = if parent == "tandem" { "##" } else { "###" };
    let mut usage = name;
    for arg in own_arguments(command).filter(|arg| arg.is_positional()) {
        let _ = write!(usage, " {}", positional(arg));
    }
    let _ = write!(text, "\n{level} `{usage}`\n\n{about}.\n");
    let mut options = own_arguments(command).peekable();
    if options.peek().is_some() {
        text.push('\n');
    }
    for arg in options {
        option(text, arg);
    }
}

fn own_arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
}

fn positional(arg: &Arg) -> String {
    let many = arg.get_num_args().is_some_and(|count| count.max_values() > 1);
    let name = value_name(arg) + if many { "…" } else { "" };
    if arg.is_required_set() { name } else { format!("[{name}]") }
}

fn option(text: &mut String, arg: &Arg) {
    let mut name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        _ => positional(arg),
    };
    if !arg.is_positional() && arg.get_action().takes_values() {
        let _ = write!(name, " {}", value_name(arg));
    }
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let _ = write!(help, " [{}]", values.join(", "));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(help, " (default: {})", defaults.join(", "));
    }
    if let Some(env) = arg.get_env() {
        let _ = write!(help, " (`{}`)", env.to_string_lossy());
    }
    if arg.is_required_set() && !arg.is_positional() {
        help.push_str(" (required)");
    }
    let _ = writeln!(text, "* `{name}`: {help}");
}

pub(super) fn completions(context: &mut Context, shell: clap_complete::Shell) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tandem", &mut script);
    context.out.raw(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

pub(super) fn man(context: &mut Context, directory: Option<&Path>) -> Result<u8> {
    let cannot = |error: &std::io::Error| {
        Error::config("the manual cannot be written").because(error).hint("name a directory that exists")
    };
    match directory {
        Some(directory) => {
            clap_mangen::generate_to(Cli::command(), directory).map_err(|error| cannot(&error))?;
            context.out.line(directory.display().to_string())?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|error| cannot(&error))?;
            context.out.raw(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(0)
}

pub(super) fn keys(context: &mut Context, hooks: &dyn Hooks) -> Result<u8> {
    let rows = hooks.keys()?;
    let out = &mut context.out;
    if out.is_json() {
        for row in &rows {
            out.json(row)?;
        }
        return Ok(0);
    }
    let cells: Vec<[String; 4]> = rows
        .iter()
        .map(|row| [&row.scope, &row.keys, &row.title, row.cli.as_ref().unwrap_or(&row.action)].map(|cell| plain(cell)))
        .collect();
    out.table(["WHERE", "KEYS", "WHAT", "COMMAND"], &cells)?;
    Ok(0)
}

pub(super) fn themes(context: &mut Context, hooks: &dyn Hooks) -> Result<u8> {
    let rows = hooks.themes()?;
    let out = &mut context.out;
    if out.is_json() {
        for row in &rows {
            out.json(row)?;
        }
        return Ok(0);
    }
    let cells: Vec<[String; 2]> = rows.iter().map(|row| [&row.name, &row.about].map(|cell| plain(cell))).collect();
    out.table(["THEME", "ABOUT"], &cells)?;
    Ok(0)
}
