//! The console: what operators see and press.
//!
//! It knows the model, sanitised text, the wire protocol and a [`Backend`]; no store, no remote.
//! State ([`app`]) changes only in one pure function; views are pure functions of it; the loop
//! ([`run`](mod@run)) is the only place that waits.

pub mod action;
pub mod app;
pub mod backend;
mod dialog;
#[cfg(test)]
pub(crate) mod fixture;
pub mod keys;
mod log;
mod mapping;
mod matching;
mod module;
mod queue;
pub mod run;
mod shadow;
mod stream;
pub mod terminal;
pub mod theme;
mod toast;
mod triage;
mod view;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stdout};
use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::EventStream;
use futures::FutureExt as _;
use ratatui::Terminal;
use tokio::sync::watch;

pub use app::{App, Settings};
pub use backend::{Backend, BackendEvent, CallError};
pub use run::{Idle, Parts, drive};
pub use theme::Theme;

use crate::error::{Error, Result};
use crate::seam::{Clock as _, SystemClock, Zone};

/// How the console looks and which keys it takes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of a theme that comes with Tandem; `default16` when absent.
    pub theme: Option<String>,
    /// A theme file of the user's own; goes before the name.
    pub theme_file: Option<PathBuf>,
    /// No colours (`NO_COLOR`).
    pub no_color: bool,
    /// Draw with ASCII only.
    pub ascii: bool,
    /// The zone times are shown in.
    pub zone: Zone,
    /// Keys that differ from the catalogue, by action name.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Something to say first; the messages keep it.
    pub welcome: Option<String>,
}

impl Options {
    /// The theme these options ask for.
    ///
    /// # Errors
    /// No such theme, or its file cannot be read.
    pub fn load_theme(&self) -> Result<Theme> {
        let theme = match (&self.theme_file, &self.theme) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Error::config(format!("the theme {} cannot be read", path.display())).because(&error)
                })?;
                Theme::parse(&text)?
            }
            (None, Some(name)) => Theme::named(name)?,
            (None, None) if self.no_color => Theme::named("mono")?,
            (None, None) => Theme::named("default16")?,
        };
        Ok(if self.no_color { theme.without_colour() } else { theme })
    }
}

/// Takes the terminal over and runs the console on it until the operator leaves. To be awaited on
/// the thread that blocks on the runtime, not spawned: a panic on this thread restores the terminal.
///
/// # Errors
/// Standard output is not a terminal that can show it; the options are wrong; the terminal went away.
pub async fn run(backend: Arc<dyn Backend>, options: Options) -> Result<()> {
    if !stdout().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Err(Error::config("the console needs a terminal that can place its cursor")
            .hint("every action has a command: see `tandem --help`"));
    }
    let theme = options.load_theme()?;
    let settings = Settings { ascii: options.ascii, zone: options.zone, keys: options.keys };
    let unusable = |error: std::io::Error| Error::unavailable("the terminal cannot be used").because(&error);
    let mut terminal = Terminal::new(terminal::Tty::new(stdout())).map_err(unusable)?;
    let size = terminal.size().map_err(unusable)?;
    let now = SystemClock.now();
    let mut app = App::new(backend.hello().clone(), settings, size, now)?;
    if let Some(text) = &options.welcome {
        app.welcome(text);
    }
    let stop = asked_to_stop().map_err(unusable)?;
    let session = terminal::Session::start().map_err(unusable)?;
    let parts = Parts { backend, clock: Arc::new(SystemClock), theme, stop, idle: watch::Sender::new(Idle::default()) };
    let ended = drive(&mut terminal, EventStream::new(), app, parts).await;
    drop(session);
    ended.map(drop)
}

/// Completes when the process is told to end; the terminal is then given back in the usual way.
fn asked_to_stop() -> std::io::Result<futures::future::BoxFuture<'static, ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
    .boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_even_a_colourful_theme_has_none() {
        let plain = Options { no_color: true, ..Options::default() };
        assert_eq!(plain.load_theme().unwrap(), Theme::named("mono").unwrap());
        let own = Options { no_color: true, theme: Some("dark".into()), ..Options::default() };
        assert_eq!(own.load_theme().unwrap(), Theme::named("dark").unwrap().without_colour());
    }

    #[test]
    fn a_theme_file_goes_before_a_name_and_is_named_when_it_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.toml");
        std::fs::write(&path, "base = \"mono\"\n[style]\nmarker = { underline = true }\n").unwrap();
        let options = Options { theme_file: Some(path), theme: Some("light".into()), ..Options::default() };
        assert_ne!(options.load_theme().unwrap(), Theme::named("light").unwrap());
        let missing = Options { theme_file: Some(dir.path().join("none.toml")), ..Options::default() };
        assert!(missing.load_theme().unwrap_err().message.contains("none.toml"));
    }
}
