//! A client that comes back: for consoles, which stay open while the daemon is restarted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{CallError, Client};
use crate::error::{Error, Result};
use crate::seam::{Clock, Entropy};
use crate::wire::{Answer, Event, Hello, Request};

/// Makes a fresh connection.
type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Client>> + Send + Sync>;

/// What a console is told about its connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// Attached (again). Whatever was shown before may be stale; role and catalogue may have changed.
    Connected(Box<Hello>),
    /// Not attached; tries again after `retry_in`.
    Disconnected {
        /// Why.
        error: Error,
        /// Time until the next attempt.
        retry_in: Duration,
    },
    /// A live event.
    Event(Event),
}

/// The console's receiving end. Events that are not collected in time melt into one.
#[derive(Debug)]
pub struct Links {
    receiver: mpsc::Receiver<Link>,
}

impl Links {
    /// The next notice; `None` once the [`Reconnecting`] client is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Link> {
        self.receiver.recv().await
    }
}

/// How it comes back.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest wait before the first attempt; doubles with each further one.
    pub first: Duration,
    /// Longest wait between two attempts.
    pub longest: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter, so that many consoles do not return in the same instant.
    pub entropy: Entropy,
}

impl Settings {
    /// A quarter of a second, doubling to ten.
    pub fn new(clock: Arc<dyn Clock>, entropy: Entropy) -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(10), clock, entropy }
    }

    /// Wait before attempt number `attempt` (from 0): half fixed, half random.
    fn wait(&self, attempt: u32) -> Duration {
        let longest = self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.longest);
        longest / 2 + self.entropy.duration_up_to(longest / 2)
    }
}

/// A client that re-attaches by itself. Calls are never repeated: one that is cut off fails, because
/// it is not known whether it was carried out.
#[derive(Clone)]
pub struct Reconnecting {
    current: Arc<Mutex<Option<Client>>>,
    _stop_with_last: Arc<DropGuard>,
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting").field("attached", &self.client().is_some()).finish()
    }
}

impl Reconnecting {
    /// Attaches through `connect` and keeps doing so. Live events are watched.
    ///
    /// # Errors
    /// When the first attempt fails: then there is nothing to come back to.
    pub async fn start<F>(connect: F, settings: Settings) -> Result<(Self, Links)>
    where
        F: Fn() -> BoxFuture<'static, Result<Client>> + Send + Sync + 'static,
    {
        let connect: Connect = Box::new(connect);
        let (first, events) = attach(&connect).await?;
        let current = Arc::new(Mutex::new(Some(first.clone())));
        let (notices, receiver) = mpsc::channel(1024);
        let stop = CancellationToken::new();
        let keeper = Keeper { connect, settings, current: Arc::clone(&current), notices };
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = keeper.keep(first, events) => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok((Self { current, _stop_with_last: Arc::new(stop.drop_guard()) }, Links { receiver }))
    }

    /// Asks the daemon, if attached.
    ///
    /// # Errors
    /// As [`Client::call`]; at once when not attached.
    pub async fn call(&self, request: Request) -> Result<Answer, CallError> {
        match self.client() {
            Some(client) => client.call(request).await,
            None => Err(Error::unavailable("not attached to the daemon at the moment")
                .hint("the console attaches again by itself; nothing was sent")
                .into()),
        }
    }

    /// The connection in force, if there is one.
    pub fn client(&self) -> Option<Client> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn attach(connect: &Connect) -> Result<(Client, super::Events)> {
    let client = connect().await?;
    let events = client.events();
    client.call(Request::Watch).await?;
    Ok((client, events))
}

struct Keeper {
    connect: Connect,
    settings: Settings,
    current: Arc<Mutex<Option<Client>>>,
    notices: mpsc::Sender<Link>,
}

impl Keeper {
    async fn keep(self, mut client: Client, mut events: super::Events) {
        loop {
            if self.notices.send(Link::Connected(Box::new(client.hello().clone()))).await.is_err() {
                return;
            }
            let mut error = Error::unavailable("the connection to the daemon broke");
            while let Some(event) = events.next().await {
                if let Event::Bye { reason } = event {
                    error = Error::unavailable(reason);
                    break;
                }
                if self.notices.send(Link::Event(event)).await.is_err() {
                    return;
                }
            }
            self.put(None);
            drop(client);
            (client, events) = match self.come_back(error).await {
                Some(attached) => attached,
                None => return,
            };
            self.put(Some(client.clone()));
        }
    }

    async fn come_back(&self, mut error: Error) -> Option<(Client, super::Events)> {
        for attempt in 0_u32.. {
            let retry_in = self.settings.wait(attempt);
            self.notices.send(Link::Disconnected { error, retry_in }).await.ok()?;
            self.settings.clock.sleep(retry_in).await;
            match attach(&self.connect).await {
                Ok(attached) => return Some(attached),
                Err(failed) => error = failed,
            }
        }
        None
    }

    fn put(&self, client: Option<Client>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }
}
