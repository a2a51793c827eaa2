//! Where the log goes: standard error for what serves, a file for the console.
//!
//! `TANDEM_LOG` filters it (`debug`, `tandem::sync=trace`). Secrets and field values are kept out of
//! it by their types, not by this module. What a remote said in its errors is in it, so a row is one line
//! without control characters, whoever wrote it and whatever reads it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::args::LogFormat;
use super::output::{escape_revealed, plain};
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
    let writer = move || OneLine { inner: io::stderr(), format };
    let builder = tracing_subscriber::fmt().with_env_filter(filter()?).with_writer(writer).with_ansi(false);
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
        .with_writer(Mutex::new(OneLine { inner: file, format: LogFormat::Text }))
        .with_ansi(false)
        .finish()
        .try_init()
        .map_err(|error| Error::internal("logging was set up twice").because(&error))
}

/// Passes on each row as one harmless line. A row comes in one piece.
struct OneLine<W> {
    inner: W,
    format: LogFormat,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, row: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(row);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = match self.format {
            LogFormat::Text => plain(line),
            LogFormat::Json => escape_revealed(line.to_owned()),
        };
        line.push('\n');
        self.inner.write_all(line.as_bytes())?;
        Ok(row.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whatever_a_remote_says_is_one_harmless_row() {
        for format in [LogFormat::Text, LogFormat::Json] {
            for hostile in crate::sim::people::HOSTILE.iter().chain(crate::sim::ivvy::HOSTILE_BODIES) {
                let kept = Kept::default();
                let inner = kept.clone();
                let writer = move || OneLine { inner: inner.clone(), format };
                let builder = tracing_subscriber::fmt().with_writer(writer).with_ansi(false);
                let said = || tracing::warn!(error = %hostile, detail = ?hostile, "{hostile}");
                match format {
                    LogFormat::Text => tracing::subscriber::with_default(builder.finish(), said),
                    LogFormat::Json => {
                        tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), said);
                    }
                }
                let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let row = String::from_utf8(bytes).unwrap();
                let line = row.strip_suffix('\n').unwrap();
                assert!(line.contains("WARN") && !line.chars().any(crate::text::is_revealed), "{line:?}");
            }
        }
    }
}
