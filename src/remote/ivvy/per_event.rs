//! Listings that iVvy only has event by event, walked as one (`contracts/ivvy.md` 11).
//!
//! The events are read once, when a sweep begins; what is left of them and the place within the first is
//! the sweep's position. An event that is made meanwhile is met by the next sweep. One that vanishes while
//! its turn comes makes this one begin again: its rows are neither there nor known to be gone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::events::{self, Event};
use super::listing::shifted;
use super::{Ivvy, listing};
use crate::model::Timestamp;
use crate::remote::{Class, PageRequest, RemoteError};

/// Where a walk goes on. Opaque to the engine, stored as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Walk {
    /// The events still to read; the first is being read.
    events: Vec<Event>,
    /// The place within the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner: Option<String>,
    /// The server's time when it listed the events.
    #[serde(skip)]
    pub listed_at: Option<Timestamp>,
}

impl Walk {
    /// Takes up `request` where it left off, or begins with every event that is not over for good: one that
    /// ended longer than `grace` before the request's lower bound is left out. `action` is blamed for a
    /// position that is not ours.
    pub(super) async fn resume(
        ivvy: &Ivvy,
        action: &Action,
        request: &PageRequest,
        grace: Duration,
    ) -> Result<Self, RemoteError> {
        let Some(text) = &request.position else {
            let (mut events, listed_at) = events::all(ivvy).await?;
            if let Some(from) = request.from {
                events.retain(|event| event.end.is_none_or(|end| end >= from.minus(grace)));
            }
            return Ok(Self { events, inner: None, listed_at });
        };
        match serde_json::from_str::<Self>(text) {
            Ok(walk) if !walk.events.is_empty() => Ok(walk),
            _ => Err(shifted("the stored position is not one of ours").of(action)),
        }
    }

    /// The event whose turn it is, and the place within it; nothing when there are no events.
    pub(super) fn turn(&self) -> Option<(&Event, Option<&str>)> {
        self.events.first().map(|event| (event, self.inner.as_deref()))
    }

    /// The position after this turn, which left its event at `inner`; nothing at the end.
    pub(super) fn next(mut self, action: &Action, inner: Option<String>) -> Result<Option<String>, RemoteError> {
        if inner.is_none() {
            self.events.remove(0);
        }
        self.inner = inner;
        if self.events.is_empty() {
            return Ok(None);
        }
        let written = serde_json::to_string(&self);
        written.map(Some).map_err(|_| listing::malformed("the position cannot be written").of(action))
    }
}

/// The failure of a list within an event: an event that is gone by now has shifted the walk.
pub(super) fn vanished(action: &Action, error: RemoteError) -> RemoteError {
    match error.class {
        Class::Missing => gone(action),
        _ => error,
    }
}

/// The event whose turn it is is not there any more.
pub(super) fn gone(action: &Action) -> RemoteError {
    shifted("an event vanished while its turn came").of(action)
}
