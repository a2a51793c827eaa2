//! Where the log goes: standard error for what serves, a file for the console.
//!
//! `TANDEM_LOG` filters it (`debug`, `tandem::sync=trace`). Secrets and field values are kept out of
//! it by their types, not by this module.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::args::LogFormat;
use crate::error::{Error, Result};

/// A console's log is started anew when it has grown beyond this.
const MAX_FILE: u64 = 4 * 1024 * 1024;

fn filter() -> Result<EnvFilter> {
    match std::env::var("TANDEM_LOG") {
        Err(_) => Ok(EnvFilter::new("info")),
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            Error::config("TANDEM_LOG is not a filter")
                .because(&error)
                .hint("for example: debug, or tandem::sync=trace")
        }),
    }
}

pub(super) fn to_stderr(format: LogFormat) -> Result<()> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter()?).with_writer(std::io::stderr).with_ansi(false);
    let set = match format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    set.map_err(|error| Error::internal("logging was set up twice").because(&error))
}

/// Logs to `console.log` in `directory`: the terminal belongs to the console.
pub(super) fn to_file(directory: &Path) -> Result<()> {
    let path = directory.join("console.log");
    let cannot = |error: &std::io::Error| {
        Error::config(format!("the log {} cannot be written", path.display()))
            .because(error)
            .hint("set XDG_STATE_HOME to a directory of your own")
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| cannot(&error))?;
    let grown = std::fs::metadata(&path).is_ok_and(|meta| meta.len() > MAX_FILE);
    let file = OpenOptions::new()
        .create(true)
        .append(!grown)
        .write(true)
        .truncate(grown)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot(&error))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter()?)
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .finish()
        .try_init()
        .map_err(|error| Error::internal("logging was set up twice").because(&error))
}
