//! What an institution still has to push: new records, payloads to be tried again, and what was given up
//! (contract 2.2).
//!
//! The queue holds keys. What is sent for them is read when a payload is made, and kept with it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::Serialize;

use crate::model::Timestamp;

/// A payload that was not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The keys of its records.
    pub keys: Vec<String>,
    /// What was sent.
    pub body: Bytes,
    /// Attempts so far.
    pub tries: u32,
}

/// Records that were given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Abandoned {
    /// Contact numbers, order ids or check ids.
    pub keys: Vec<String>,
    /// Attempts made.
    pub tries: u32,
    /// When.
    pub at: Timestamp,
    /// How the last attempt ended: a status, or 0 for no answer.
    pub last_status: u16,
}

/// One stream's queue as tests see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueView {
    /// Records that wait for their first attempt, oldest first.
    pub fresh: Vec<String>,
    /// Payloads that wait for another attempt: their records, and attempts so far.
    pub held: Vec<(Vec<String>, u32)>,
    /// What was given up.
    pub abandoned: Vec<Abandoned>,
    /// Records accepted so far, counted as often as they were accepted.
    pub accepted: u64,
}

/// What becomes of a payload that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// Attempts in all.
    pub most: u32,
    /// Whether it goes before everything else, because the run stops for it.
    pub first: bool,
    /// Now.
    pub at: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By number in the queue, so that a large one is searched quickly.
    fresh: BTreeMap<u64, String>,
    place: BTreeMap<String, u64>,
    next: u64,
    held: VecDeque<Chunk>,
    abandoned: Vec<Abandoned>,
    accepted: u64,
}

impl Queue {
    /// Puts a record at the end, unless it waits already. With `reread` a payload that is tried again counts as
    /// waiting, because it will show the record as it is then.
    pub fn put(&mut self, key: &str, reread: bool) {
        let held = || self.held.iter().any(|chunk| chunk.keys.iter().any(|one| one == key));
        if self.place.contains_key(key) || (reread && held()) {
            return;
        }
        self.fresh.insert(self.next, key.to_owned());
        self.place.insert(key.to_owned(), self.next);
        self.next += 1;
    }

    /// Forgets a record that is gone, unless it is in a payload already.
    pub fn drop_fresh(&mut self, key: &str) {
        if let Some(place) = self.place.remove(key) {
            self.fresh.remove(&place);
        }
    }

    /// Takes out the payloads of one run in the order they are sent: those tried before, then new ones of at
    /// most `per_payload` records, `per_run` records in all. New ones have no body yet.
    pub fn take(&mut self, per_run: usize, per_payload: usize) -> Vec<Chunk> {
        let mut left = per_run;
        let mut run = Vec::new();
        while let Some(chunk) = self.held.front() {
            // A payload is never cut: one too large for what is left waits, one too large for a run goes alone.
            if chunk.keys.len() > left && !run.is_empty() {
                return run;
            }
            left = left.saturating_sub(chunk.keys.len());
            run.extend(self.held.pop_front());
        }
        while left > 0 && !self.fresh.is_empty() {
            let mut keys = Vec::new();
            while keys.len() < per_payload.clamp(1, left) {
                let Some((_, key)) = self.fresh.pop_first() else { break };
                self.place.remove(&key);
                keys.push(key);
            }
            left -= keys.len();
            run.push(Chunk { keys, body: Bytes::new(), tries: 0 });
        }
        run
    }

    /// Puts back what a run did not come to, in front of everything else and as it was.
    pub fn put_back(&mut self, rest: Vec<Chunk>) {
        for chunk in rest.into_iter().rev() {
            self.held.push_front(chunk);
        }
    }

    /// Keeps a payload that failed, or gives it up.
    pub fn failed(&mut self, mut chunk: Chunk, status: u16, how: Failure) {
        chunk.tries += 1;
        if chunk.tries >= how.most {
            let Chunk { keys, tries, .. } = chunk;
            self.abandoned.push(Abandoned { keys, tries, at: how.at, last_status: status });
        } else if how.first {
            self.held.push_front(chunk);
        } else {
            self.held.push_back(chunk);
        }
    }

    /// Counts what was accepted.
    pub fn accepted(&mut self, records: usize) {
        self.accepted += records as u64;
    }

    /// As tests see it.
    pub fn view(&self) -> QueueView {
        QueueView {
            fresh: self.fresh.values().cloned().collect(),
            held: self.held.iter().map(|chunk| (chunk.keys.clone(), chunk.tries)).collect(),
            abandoned: self.abandoned.clone(),
            accepted: self.accepted,
        }
    }
}
