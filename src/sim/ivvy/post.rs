//! What the account sends by itself: a queue of letters, and the postman who carries them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::IvvySim;
use crate::model::Timestamp;
use crate::remote::transport::{Limits, Transport};

/// How often the postman looks into the box.
const ROUND: Duration = Duration::from_millis(250);

/// A call the account owes somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// Not before this.
    pub due: Timestamp,
    pub url: String,
    pub body: String,
}

/// Letters that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox(Vec<Letter>);

impl Outbox {
    pub(super) fn put(&mut self, letter: Letter) {
        self.0.push(letter);
    }

    /// Takes out what is due.
    fn due(&mut self, now: Timestamp) -> Vec<Letter> {
        self.0.extract_if(.., |letter| letter.due <= now).collect()
    }
}

/// Delivers what the account sends. Without one, letters wait and nothing is lost.
#[derive(Debug)]
pub struct Postman {
    sim: Arc<IvvySim>,
    transport: Arc<dyn Transport>,
}

impl Postman {
    /// A postman of `sim` who goes by `transport`.
    pub fn new(sim: &Arc<IvvySim>, transport: Arc<dyn Transport>) -> Self {
        Self { sim: Arc::clone(sim), transport }
    }

    /// Delivers until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.sim.clock.sleep(ROUND) => {}
            }
            self.deliver().await;
        }
    }

    /// Delivers what is due now, each once and whatever comes of it. Returns how many were accepted.
    pub async fn deliver(&self) -> usize {
        let letters = self.sim.world().outbox.due(self.sim.clock.now());
        let mut accepted = 0;
        for letter in letters {
            let request = http::Request::post(&letter.url).header("Content-Type", "application/json");
            // An address that is none was given by the caller: it gets nothing.
            let Ok(request) = request.body(Bytes::from(letter.body)) else { continue };
            let answer = self.transport.send(request, Limits::default()).await;
            accepted += usize::from(answer.is_ok_and(|answer| answer.status().is_success()));
        }
        accepted
    }
}
