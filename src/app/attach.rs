//! The console's connection: to a running daemon, or to one hosted in this process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::host::Hosted;
use crate::cli::RunConsole;
use crate::client::{CallError, Client, Link, Links, Reconnecting, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::seam::{Entropy, SystemClock};
use crate::tui::{self, Backend, BackendEvent};
use crate::wire::{Answer, Hello, Request};

/// Events waiting for the console before the client melts them.
const EVENTS: usize = 256;

/// `tandem console`.
pub(super) async fn run(run: RunConsole) -> Result<()> {
    let options = super::console_options(run.theme, run.color);
    let attached = attach(run.socket).await;
    let nobody = matches!(&attached, Err(error) if error.kind == ErrorKind::Unavailable);
    if !nobody {
        return tui::run(attached?, options).await;
    }
    // Nobody serves the account: do it here, on the same code path, for as long as the console is open.
    let no_daemon = attached.err().unwrap_or_else(|| Error::unavailable("no daemon"));
    let config = run.config.map_err(|error| {
        error.hint(format!("{no_daemon}; start one with `tandem run`, or look around with `tandem demo`"))
    })?;
    let secrets = config.secrets()?;
    let hosted = Hosted::start(&config, secrets, &run.shutdown)?;
    let backend = embedded(&hosted).await?;
    let ended = tui::run(backend, options).await;
    hosted.stop().await.and(ended)
}

/// A backend over the account hosted in this process.
pub(super) async fn embedded(hosted: &Hosted) -> Result<Arc<dyn Backend>> {
    let daemon = hosted.daemon.clone();
    connect(move || {
        let daemon = daemon.clone();
        async move { Client::over(daemon.embed()?).await }.boxed()
    })
    .await
}

async fn attach(socket: PathBuf) -> Result<Arc<dyn Backend>> {
    connect(move || {
        let socket = socket.clone();
        async move { Client::connect(&socket).await }.boxed()
    })
    .await
}

async fn connect<F>(dial: F) -> Result<Arc<dyn Backend>>
where
    F: Fn() -> BoxFuture<'static, Result<Client>> + Send + Sync + 'static,
{
    let settings = Settings::new(Arc::new(SystemClock), Entropy::from_system());
    let (client, links) = Reconnecting::start(dial, settings).await?;
    let hello = client
        .client()
        .map(|client| client.hello().clone())
        .ok_or_else(|| Error::unavailable("the daemon went away at once"))?;
    let (events, received) = mpsc::channel(EVENTS);
    let forwarding = CancellationToken::new();
    tokio::spawn(forward(links, events, forwarding.clone()));
    Ok(Arc::new(Attached { client, hello, received: Mutex::new(Some(received)), _forwarding: forwarding.drop_guard() }))
}

/// Translates what the client says of its connection into what the console listens to.
async fn forward(mut links: Links, events: mpsc::Sender<BackendEvent>, stop: CancellationToken) {
    let mut first = true;
    loop {
        let link = tokio::select! {
            () = stop.cancelled() => return,
            link = links.next() => link,
        };
        let event = match link {
            // The first greeting is the one the console was started with.
            Some(Link::Connected(_)) if std::mem::take(&mut first) => continue,
            Some(Link::Connected(hello)) => BackendEvent::Reconnected(hello),
            Some(Link::Disconnected { error, retry_in }) => {
                first = false;
                BackendEvent::Disconnected(format!("{error}; next try in {} s", retry_in.as_secs().max(1)))
            }
            Some(Link::Event(event)) => BackendEvent::Event(event),
            None => return,
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

struct Attached {
    client: Reconnecting,
    hello: Hello,
    received: Mutex<Option<mpsc::Receiver<BackendEvent>>>,
    _forwarding: tokio_util::sync::DropGuard,
}

impl Backend for Attached {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Result<Answer, tui::CallError>> {
        async move {
            let failed = |CallError { error, current }| tui::CallError { error, current };
            self.client.call(request).await.map_err(failed)
        }
        .boxed()
    }

    fn events(&self) -> mpsc::Receiver<BackendEvent> {
        let taken = self.received.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Asked for a second time there is nothing more to hear.
        taken.unwrap_or_else(|| mpsc::channel(1).1)
    }
}
