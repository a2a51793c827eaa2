//! `tandem sim s360`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Editor, PushAuth, Receiver, S360Sim, Settings, Stream};
use crate::error::{Error, Result};
use crate::remote::transport::Transport;
use crate::seam::{Entropy, SystemClock};
use crate::sim::command::{SimOptions, arm, run_and_tell};
use crate::sim::people::Population;

/// How the simulated S-360 pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Base URL of the receiver; without one nothing is pushed until `/_sim/s360/receiver` names one.
    pub receiver: Option<String>,
    /// A file with what is shown there, as JSON: `{"kind": "basic", "user", "password"}` or
    /// `{"kind": "apikey", "header", "value"}`.
    pub auth: Option<PathBuf>,
    /// Time between runs, instead of 15 minutes.
    pub every: Option<Duration>,
    /// Contacts changed and orders made before this day are not pushed. With a day, everything from then on is
    /// queued at the start.
    pub first_sync: Option<NaiveDate>,
}

/// Runs the simulated S-360 until SIGTERM or SIGINT; it pushes over `transport`. Prints `{"url",
/// "institutions": [{"code", "url", "operator", "partner", "secret"}]}` first; each institution has a url of its own.
///
/// # Errors
/// When a fault makes no sense, the file of `push.auth` cannot be read, or the address cannot be bound.
pub async fn run_s360(options: SimOptions, push: PushOptions, transport: Arc<dyn Transport>) -> Result<()> {
    if push.receiver.is_none() && push != PushOptions::default() {
        return Err(Error::config("there is nowhere to push to")
            .hint("--receiver-auth, --push-every and --first-sync go with --receiver URL"));
    }
    let auth = match &push.auth {
        Some(path) => read_auth(path)?,
        None => PushAuth::None,
    };
    let mut settings = Settings { first_sync: push.first_sync, ..Settings::default() };
    settings.streams.push(Stream::Access);
    if let Some(every) = push.every {
        settings.knobs.every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    }
    for account in &mut settings.institutions {
        account.receiver = push.receiver.clone().map(|url| Receiver { url, auth: auth.clone() });
    }
    let sim = S360Sim::new(settings, Arc::new(SystemClock), Entropy::seeded(options.seed));
    arm(sim.faults(), &options.faults)?;
    sim.load(&Population::generate(options.seed, options.records, options.records / 8 + 1), options.seed);
    if push.first_sync.is_some() {
        for code in sim.institutions() {
            sim.first_sync(&code).map_err(|error| Error::internal("the first sync was refused").because(&error))?;
        }
    }
    let cancel = CancellationToken::new();
    let pusher = sim.pusher(transport);
    let editing = tokio::spawn(Editor::new(&sim, options.edits_per_minute).run(cancel.clone()));
    let pushing = tokio::spawn(pusher.clone().run(cancel.clone()));
    let outcome = run_and_tell(sim.router_with(pusher), options.listen, |url| credentials(&sim, url)).await;
    cancel.cancel();
    // Neither holds anything that could fail; a panic in one would be a defect worth an error.
    editing.await.map_err(|error| Error::internal("the editor of the simulated S-360 failed").because(&error))?;
    pushing.await.map_err(|error| Error::internal("the pusher of the simulated S-360 failed").because(&error))?;
    outcome
}

/// What a caller of the API needs, where the simulator is at `url`.
fn credentials(sim: &S360Sim, url: &str) -> Value {
    let accounts = sim.settings().institutions.iter().map(|account| {
        json!({
            "code": account.code,
            "url": format!("{url}/{}", account.code.to_ascii_lowercase()),
            "operator": account.operator,
            "partner": account.partner,
            "secret": account.secret.expose_secret(),
        })
    });
    json!({"institutions": accounts.collect::<Vec<Value>>()})
}

fn read_auth(path: &PathBuf) -> Result<PushAuth> {
    let hint = r#"write {"kind":"basic","user":"…","password":"…"} or {"kind":"apikey","header":"…","value":"…"}"#;
    let bad = |what: &str| Error::config(format!("{} {what}", path.display())).hint(hint);
    let text = std::fs::read_to_string(path).map_err(|error| bad("cannot be read").because(&error))?;
    // The parser's own words would repeat what stands there.
    serde_json::from_str(&text).map_err(|_| bad("says nothing about how to authenticate"))
}
