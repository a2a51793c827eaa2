//! Hosting an account in this process: engine, service, socket, notifications and sender, from start to clean end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::RunDaemon;
use crate::config::{Config, Secrets};
use crate::daemon::account::Account;
use crate::daemon::notifications::Notifications;
use crate::daemon::push::{Sender, Sending};
use crate::daemon::service::AccountService;
use crate::daemon::{self, DaemonHandle, Limits, Options, Roster, supervise};
use crate::error::{Error, Result};
use crate::seam::{Clock, Entropy, SystemClock};
use crate::store::StoreError;

/// How long writes that are under way get to finish before they are left to the next start's proof.
const GRACE: Duration = Duration::from_secs(20);

/// How long the store gets to be closed once nobody needs it any more.
const CLOSING: Duration = Duration::from_secs(10);

/// An account being served by this process.
pub(super) struct Hosted {
    pub service: Arc<AccountService>,
    pub daemon: DaemonHandle,
    engine: JoinHandle<Result<(), StoreError>>,
    announcing: JoinHandle<()>,
    notifications: Option<Notifications>,
    sending: Option<Sending>,
    shutdown: CancellationToken,
}

impl Hosted {
    /// Opens the account, starts its engine and listens. The store's lock and the socket's are taken
    /// before anything is sent anywhere.
    pub fn start(config: &Config, secrets: Secrets, shutdown: &CancellationToken) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let account = Account::open(config, secrets, &clock, &Entropy::from_system())?;
        let shutdown = shutdown.clone();
        let inbound = config.inbound.as_ref();
        let ivvy = account.ivvy.clone();
        let mut notifications = inbound.map(|inbound| Notifications::listen(inbound, &account, &clock)).transpose()?;
        let sender = Sender::of(&account)?;
        let mut service = AccountService::new(account, &config.account, &config.environment);
        if let Some(notifications) = &notifications {
            service = service.counting(notifications.counts());
        }
        let sender = sender.map(Arc::new);
        if let Some(sender) = &sender {
            service = service.sending(Arc::clone(sender));
        }
        let service = Arc::new(service);
        let daemon = daemon::start(
            Arc::clone(&service) as Arc<dyn daemon::Service>,
            Options {
                socket: config.socket.clone(),
                group: config.socket_group.clone(),
                roster: Roster::new(config),
                limits: Limits::default(),
                clock: Arc::clone(&clock),
                shutdown: shutdown.clone(),
            },
        )?;
        let address = inbound.and_then(|inbound| inbound.public_url.clone());
        if let (Some(notifications), Some(address), Some(ivvy)) = (&mut notifications, address, ivvy) {
            notifications.subscribe(address, ivvy, clock, shutdown.clone());
        }
        let sending = sender.map(|sender| Sending::start(sender, shutdown.clone()));
        let engine = {
            let (engine, shutdown) = (service.engine().clone(), shutdown.clone());
            tokio::spawn(async move {
                // An engine that fails, or panics, must not leave a daemon behind that looks alive.
                let _stop = shutdown.clone().drop_guard();
                engine.run(shutdown).await
            })
        };
        let announcing = {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.announce().await })
        };
        Ok(Self { service, daemon, engine, announcing, notifications, sending, shutdown })
    }

    /// Waits for the end: a signal, an operator, or a failing store.
    pub async fn ended(self) -> Result<()> {
        self.daemon.stopped().await;
        self.finish().await
    }

    /// Ends it cleanly: no new claims, writes under way finish, sockets close, the store is closed.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        self.daemon.shutdown().await;
        self.finish().await
    }

    async fn finish(self) -> Result<()> {
        let Self { service, daemon, engine, announcing, notifications, sending, .. } = self;
        // First, so that nothing new is accepted; what was is on disk.
        if let Some(notifications) = notifications {
            notifications.stop().await;
        }
        // One payload at most is under way; what came of it is put on record.
        if let Some(sending) = sending {
            sending.ended().await;
        }
        let closed = service.engine().store().closed();
        announcing.abort();
        drop((service, daemon));
        let ended = finish_work(engine).await;
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::warn!("the store is still in use; the next start checks it first");
        }
        ended
    }
}

/// Waits for the engine, within reason.
async fn finish_work(engine: JoinHandle<Result<(), StoreError>>) -> Result<()> {
    let abort = engine.abort_handle();
    match tokio::time::timeout(GRACE, engine).await {
        Ok(Ok(ended)) => ended.map_err(Error::from),
        Ok(Err(_)) => Err(Error::internal("the engine was broken off by a defect")
            .hint("start it again: what was under way is on disk; please report what the log says")),
        Err(_) => {
            // What it was doing is on disk as an intent; the next start proves the outcome.
            abort.abort();
            tracing::warn!("writes under way were left to the next start");
            Ok(())
        }
    }
}

/// `tandem run`.
pub(super) async fn run_in_foreground(run: RunDaemon) -> Result<()> {
    let hosted = Hosted::start(&run.config, run.secrets, &run.shutdown)?;
    tracing::info!(socket = %hosted.daemon.socket().display(), "serving");
    supervise::ready();
    tokio::spawn(supervise::watchdog(Arc::new(SystemClock), run.shutdown.clone()));
    run.shutdown.cancelled().await;
    supervise::stopping();
    let ended = hosted.ended().await;
    tracing::info!("stopped");
    ended
}
