//! The daemon's door: a Unix socket, who may come in, and what they may ask.
//!
//! The door knows nothing of the engine beyond the [`Service`] trait and nothing of terminals;
//! [`account`] and [`service`] put the engine behind it. It finds out
//! who a peer is from the kernel, checks every request against one table of roles ([`roles`]), and
//! keeps clients from harming each other (bounded queues, bounded frames, bounded number).

pub mod account;
mod approval;
mod beside;
mod calls;
mod identity;
pub(crate) mod mapping;
mod matching;
mod module;
mod names;
pub mod notifications;
mod outbox;
mod preview;
pub mod push;
pub(crate) mod report;
pub mod roles;
pub mod service;
mod session;
mod shelf;
mod socket;
pub(crate) mod streams;
pub mod supervise;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::DuplexStream;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use identity::Roster;

use crate::error::{Error, Result};
use crate::model::{Actor, Item};
use crate::seam::Clock;
use crate::store::StoreError;
use crate::wire;

/// What stands behind the door: the engine, or a fake in tests.
pub trait Service: Send + Sync {
    /// The greeting for `actor`. The daemon itself fills in operator and role.
    fn hello(&self, actor: &Actor) -> wire::Hello;

    /// Answers a request the actor's role covers. `Watch` and `Shutdown` never arrive here.
    ///
    /// Must be cancel-safe: the future is dropped when the client goes away, and then the effect
    /// must have happened wholly or not at all.
    fn answer<'a>(
        &'a self,
        actor: &'a Actor,
        request: wire::Request,
    ) -> BoxFuture<'a, Result<wire::Answer, ServiceError>>;

    /// A new subscription to live events.
    fn changes(&self) -> broadcast::Receiver<wire::Event>;
}

/// Why a request failed; for a stale decision with the item as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceError {
    /// Why.
    pub error: Error,
    /// The item as it is now.
    pub current: Option<Box<Item>>,
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        Self { error, current: None }
    }
}

/// Bounds of what clients may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Clients at a time.
    pub clients: usize,
    /// Frames waiting for one client before events melt and calls wait.
    pub outbound: usize,
    /// Calls of one client under way at a time; further ones wait unread.
    pub calls: usize,
    /// How long one frame may take to be written before the client is dropped.
    pub patience: Duration,
    /// How long running calls get at shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { clients: 64, outbound: 64, calls: 16, patience: Duration::from_secs(30), grace: Duration::from_secs(5) }
    }
}

/// How to listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where.
    pub socket: PathBuf,
    /// Group that may attach besides the owner.
    pub group: Option<String>,
    /// Who may do what.
    pub roster: Roster,
    /// Bounds.
    pub limits: Limits,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled by us when a client asks for shutdown, by the caller to stop listening.
    pub shutdown: CancellationToken,
}

/// What sessions share.
pub(crate) struct Host {
    service: Arc<dyn Service>,
    roster: Roster,
    limits: Limits,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    seats: Arc<Semaphore>,
}

impl Host {
    fn attached(&self) -> u32 {
        u32::try_from(self.limits.clients - self.seats.available_permits()).unwrap_or(u32::MAX)
    }
}

/// Starts to listen. Must be called inside a tokio runtime.
///
/// # Errors
/// When a daemon is alive on that socket, or the place is unsafe or impossible.
pub fn start(service: Arc<dyn Service>, options: Options) -> Result<DaemonHandle> {
    let Options { socket: path, group, roster, limits, clock, shutdown } = options;
    let socket = socket::BoundSocket::bind(&path, group.as_deref())?;
    let seats = Arc::new(Semaphore::new(limits.clients));
    let host = Arc::new(Host { service, roster, limits, clock, shutdown, seats });
    let sessions = TaskTracker::new();
    sessions.spawn(listen(Arc::clone(&host), socket, sessions.clone()));
    Ok(DaemonHandle { host, sessions, path })
}

async fn listen(host: Arc<Host>, socket: socket::BoundSocket, sessions: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = host.shutdown.cancelled() => break,
            accepted = socket.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => admit(&host, stream, &sessions),
            Err(error) => {
                // Out of file descriptors, most likely: others must leave before anyone can come in.
                tracing::warn!(%error, "cannot accept a client");
                host.clock.sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn admit(host: &Arc<Host>, stream: UnixStream, sessions: &TaskTracker) {
    let host = Arc::clone(host);
    let actor = match stream.peer_cred() {
        Ok(peer) => host.roster.identify(peer.uid()),
        Err(error) => Err(Error::unavailable("the peer cannot be identified").because(&error)),
    };
    match (actor, Arc::clone(&host.seats).try_acquire_owned()) {
        (Ok(actor), Ok(seat)) => {
            tracing::debug!(operator = actor.name, role = %actor.role, "attached");
            sessions.spawn(async move {
                session::serve(host, actor, stream).await;
                drop(seat);
            });
        }
        (Ok(_), Err(_)) => {
            let error = Error::unavailable(format!("{} clients are attached already", host.limits.clients))
                .hint("close a console that is not needed");
            sessions.spawn(async move { session::turn_away(&host, error, stream).await });
        }
        (Err(error), _) => {
            tracing::warn!(%error, "turned away");
            sessions.spawn(async move { session::turn_away(&host, error, stream).await });
        }
    }
}

/// A listening daemon.
#[derive(Clone)]
pub struct DaemonHandle {
    host: Arc<Host>,
    sessions: TaskTracker,
    path: PathBuf,
}

impl fmt::Debug for DaemonHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DaemonHandle").field("socket", &self.path).field("clients", &self.clients()).finish()
    }
}

impl DaemonHandle {
    /// The socket it listens on.
    pub fn socket(&self) -> &Path {
        &self.path
    }

    /// Clients attached now.
    pub fn clients(&self) -> u32 {
        self.host.attached()
    }

    /// A client connection inside this process, on the same code path as a socket's; the actor is
    /// the user who runs the process. Give it to [`Client::over`](crate::client::Client::over).
    ///
    /// # Errors
    /// When that user has no role here, or all seats are taken.
    pub fn embed(&self) -> Result<DuplexStream> {
        let actor = self.host.roster.own()?;
        let seat = Arc::clone(&self.host.seats)
            .try_acquire_owned()
            .map_err(|_| Error::unavailable(format!("{} clients are attached already", self.host.limits.clients)))?;
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let host = Arc::clone(&self.host);
        self.sessions.spawn(async move {
            session::serve(host, actor, theirs).await;
            drop(seat);
        });
        Ok(ours)
    }

    /// Says goodbye to everyone, stops listening, removes the socket, and waits until all is done.
    pub async fn shutdown(&self) {
        self.host.shutdown.cancel();
        self.stopped().await;
    }

    /// Waits until someone else has shut it down and the last session has ended.
    pub async fn stopped(&self) {
        self.host.shutdown.cancelled().await;
        self.sessions.close();
        self.sessions.wait().await;
    }
}
