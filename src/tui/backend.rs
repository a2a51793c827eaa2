//! What the console needs from whoever talks to the daemon. The socket client implements it; tests
//! bring their own.

use std::fmt;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::error::Error;
use crate::model::Item;
use crate::wire::{Answer, Event, Hello, Request};

/// A connection to a daemon, as the console sees it.
pub trait Backend: Send + Sync {
    /// Who the daemon is and who it takes us for, as of the first connection.
    fn hello(&self) -> &Hello;

    /// One question, one answer. Calls may overlap.
    ///
    /// # Errors
    /// What the daemon refused, or [`crate::error::ErrorKind::Unavailable`] while there is no connection.
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Answer, CallError>>;

    /// Live events and changes of the connection. Called once. The console sends
    /// [`Request::Watch`] itself, and again after [`BackendEvent::Reconnected`].
    fn events(&self) -> mpsc::Receiver<BackendEvent>;
}

/// What arrives unasked.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendEvent {
    /// The daemon announces something.
    Event(Event),
    /// The connection is gone; the backend goes on trying by itself.
    Disconnected(String),
    /// It is back. Role and catalogue may have changed.
    Reconnected(Box<Hello>),
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub struct CallError {
    /// What to tell the operator.
    pub error: Error,
    /// For a stale decision: the item as it is now.
    pub current: Option<Box<Item>>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CallError {}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self { error, current: None }
    }
}
