//! Group commit: operations that arrive while a commit runs go into the next transaction together.
//!
//! A commit costs two syncs however much is in it, so under load this is where throughput comes
//! from. If an operation in the group fails, the transaction is thrown away and the others run again
//! without it: each operation is all or nothing, and none sees another one's failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use redb::Database;
use tokio::sync::{broadcast, watch};

use super::error::{Result, StoreError};
use super::tx::{Changes, Tx};
use crate::model::Seq;

/// Most operations in one transaction: bounds how long the first of them waits.
const MAX_GROUP: usize = 512;

/// After this many failures in one group the rest runs one by one, so that a group of failing
/// operations costs linear work.
const MAX_RERUNS: usize = 3;

/// What writer, readers and handles share.
pub(super) struct Shared {
    /// Dropped, and so closed, before the channels below: `Store::closed` waits for their end.
    pub(super) db: Database,
    /// The first failure that killed the handle.
    pub(super) latched: watch::Sender<Option<StoreError>>,
    pub(super) seq: watch::Sender<Seq>,
    pub(super) changes: broadcast::Sender<Arc<Changes>>,
}

impl Shared {
    pub(super) fn new(db: Database, seq: Seq) -> Self {
        let (seq, _) = watch::channel(seq);
        let (changes, _) = broadcast::channel(1024);
        Self { db, latched: watch::Sender::new(None), seq, changes }
    }

    pub(super) fn latched(&self) -> Option<StoreError> {
        self.latched.borrow().clone()
    }

    /// Remembers the first fatal error and answers with it ever after: what follows it (redb's
    /// "previous I/O error") says nothing about the cause.
    pub(super) fn blame(&self, error: StoreError) -> StoreError {
        if !error.is_fatal() {
            return error;
        }
        let mut cause = error.clone();
        self.latched.send_if_modified(|latched| match latched {
            Some(first) => {
                cause = first.clone();
                false
            }
            None => {
                *latched = Some(error);
                true
            }
        });
        cause
    }

    fn announce(&self, changes: Changes) {
        self.seq.send_if_modified(|seq| std::mem::replace(seq, changes.seq) != changes.seq);
        // Nobody listening is fine: whoever comes later asks for what it shows.
        let _ = self.changes.send(Arc::new(changes));
    }
}

/// One operation with the caller that waits for it.
pub(super) trait Job: Send {
    /// Runs it; may be called again after the transaction was thrown away.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;

    /// Tells the caller. Called exactly once, and with `Ok` only after the commit is durable.
    fn settle(self: Box<Self>, outcome: Result<()>);
}

/// An operation, its last result, and how to answer.
pub(super) struct Operation<T, F, R> {
    pub(super) op: F,
    pub(super) value: Option<T>,
    pub(super) reply: R,
}

impl<T, F, R> Job for Operation<T, F, R>
where
    T: Send,
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send,
    R: FnOnce(Result<T>) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.value = Some((self.op)(tx)?);
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<()>) {
        let value = self.value;
        // Invariant: `Ok` is only said after a `run` that left a value.
        (self.reply)(outcome.and_then(|()| value.ok_or(StoreError::Closed)));
    }
}

/// The writer thread: until every handle is gone.
pub(super) fn serve(shared: &Shared, queue: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        run_group(shared, group);
    }
}

/// Why an attempt came to nothing.
enum Failed {
    /// This operation, by its place in the group.
    One(usize, StoreError),
    /// The transaction as a whole.
    All(StoreError),
}

/// Runs every job and settles it.
pub(super) fn run_group(shared: &Shared, mut waiting: Vec<Box<dyn Job>>) {
    let mut failures = 0;
    while !waiting.is_empty() {
        let later = if failures > MAX_RERUNS { waiting.split_off(1) } else { Vec::new() };
        match attempt(shared, &mut waiting) {
            Ok(changes) => {
                if let Some(changes) = changes {
                    shared.announce(changes);
                }
                waiting.drain(..).for_each(|job| job.settle(Ok(())));
            }
            Err(Failed::One(index, error)) => {
                failures += 1;
                waiting.remove(index).settle(Err(shared.blame(error)));
            }
            Err(Failed::All(error)) => {
                let error = shared.blame(error);
                waiting.drain(..).for_each(|job| job.settle(Err(error.clone())));
            }
        }
        waiting.extend(later);
    }
}

/// One transaction over the whole group.
fn attempt(shared: &Shared, group: &mut [Box<dyn Job>]) -> Result<Option<Changes>, Failed> {
    if let Some(error) = shared.latched() {
        return Err(Failed::All(error));
    }
    let mut txn = shared.db.begin_write().map_err(|error| Failed::All(error.into()))?;
    // Reopening after a crash must not walk the whole file: seconds against milliseconds at 1 M items.
    txn.set_quick_repair(true);
    let mut tx = Tx::new(&txn);
    for (index, job) in group.iter_mut().enumerate() {
        if let Err(error) = run_one(job.as_mut(), &mut tx) {
            drop(tx);
            // A failed abort leaves nothing behind either: the next commit would say so.
            let _ = txn.abort();
            return Err(Failed::One(index, error));
        }
    }
    let Some(changes) = tx.finish().map_err(Failed::All)? else {
        // Nothing was written, so there is nothing to sync.
        txn.abort().map_err(|error| Failed::All(error.into()))?;
        return Ok(None);
    };
    txn.commit().map_err(|error| Failed::All(error.into()))?;
    Ok(Some(changes))
}

/// A panic in one operation must not take the writer, and with it everybody else, down.
fn run_one(job: &mut dyn Job, tx: &mut Tx<'_>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| job.run(tx)))
        .unwrap_or_else(|_| Err(StoreError::invariant("an operation panicked")))
        .and_then(|()| tx.end_operation())
}
