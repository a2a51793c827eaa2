//! The outbox as the adapter sees it: one place that takes a record over, durably, or does not.

use std::fmt;

use futures::future::BoxFuture;

use crate::model::{Shelved, StreamKind, Timestamp};

/// A record to be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The stream it is sent on.
    pub stream: StreamKind,
    /// As it is to be remembered. Side and time are set where it is put.
    pub row: Shelved,
    /// As it is to be sent: one JSON object.
    pub body: String,
    /// The time of the row this was made from; for a new record, none.
    pub expected: Option<Timestamp>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is on disk, remembered and in line.
    Over {
        /// Nothing was known of it before.
        created: bool,
    },
    /// What is remembered is no longer what the caller knew: nothing was written.
    Moved,
}

/// Where records are handed over. Errors are one sentence about the disk.
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Remembers a record and puts it in line, both or neither. Answered once that is durable. A record that says
    /// nothing new is taken too, and not sent again.
    fn hand_over(&self, record: HandOver) -> BoxFuture<'_, Result<Taken, String>>;
}

/// An outbox that takes nothing, for connection tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClosedOutbox;

impl Outbox for ClosedOutbox {
    fn hand_over(&self, _: HandOver) -> BoxFuture<'_, Result<Taken, String>> {
        Box::pin(std::future::ready(Err("nothing is handed over before the store is open".to_owned())))
    }
}
