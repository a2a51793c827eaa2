//! The durable store: one redb file per account that holds links, observations, the queue, intents,
//! decisions and the audit log.
//!
//! * **One writer.** Every change is an operation handed to [`Store::write`]; it decides first and
//!   writes after. Operations that arrive while a commit runs share the next one (group commit), and
//!   none is answered before it is durable.
//! * **Invariants live here** (`engine.md` 8): one open item per pair (I3), an intent exactly while
//!   an item is inflight or unknown (I4), one decision per version (I5), links one-to-one (I2), only
//!   listed state transitions, exact counters (I22), an unbroken audit chain (I24). An operation that
//!   would break one is refused whole.
//! * **Reads are snapshots** and cost no more with more items: lists are answered from indexes and
//!   packed headers, totals from counters.
//!
//! It refuses to know what a plan means, to look at a clock, or to talk to anybody. It hands out no
//! transaction that could be held over an await point.

mod audit;
mod codec;
mod deliveries;
pub mod doctor;
mod error;
mod file;
mod forget;
mod header;
mod inbox;
mod intents;
mod items;
mod keys;
mod links;
mod mapping;
mod matching;
pub mod meta;
mod outbox;
mod page;
mod put_item;
mod reads;
mod rebuild;
mod records;
mod runs;
mod shelf;
mod source;
mod tables;
mod tx;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use redb::ReadableDatabase as _;
use tokio::sync::{broadcast, oneshot, watch};

use self::error::Result;
use self::writer::{Job, Operation, Shared};
use crate::model::Seq;

pub use self::deliveries::Nudge;
pub use self::error::StoreError;
pub use self::header::{SUMMARY_BYTES, TITLE_BYTES};
pub use self::inbox::Checks;
pub use self::matching::MatchFilter;
pub use self::meta::SCHEMA;
pub use self::outbox::Handed;
pub use self::page::TEXT_BUDGET;
pub use self::reads::Reads;
pub use self::source::View;
pub use self::tx::{Changes, Note, Tx};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for cached pages, in bytes. The process can need several times as much: pages are
    /// allocated and freed by different threads, and the allocator keeps what it cannot join.
    pub cache_bytes: usize,
    /// Account the store belongs to; bound into the start of the audit chain when it is made, and
    /// checked when it is opened. Empty: whichever account it is.
    pub instance: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 32 * 1024 * 1024, instance: String::new() }
    }
}

/// A handle on an open store. Clones share it; the file is closed with the last one.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    writer: Writer,
}

/// Who runs the operations.
enum Writer {
    /// The caller, in its own task: for simulations, which own every interleaving.
    Inline,
    /// A thread of its own, with group commit.
    Thread { queue: Option<mpsc::Sender<Box<dyn Job>>>, thread: Option<JoinHandle<()>> },
}

impl Store {
    /// Opens the store at `path`, making it (and its folder) first if there is none. Only this user
    /// can read the file. Starts the writer thread.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open, [`StoreError::Newer`],
    /// [`StoreError::NotAStore`] and [`StoreError::OtherInstance`] for a file that is not for us, and
    /// whatever the disk says.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let shared = Arc::new(share(file::open(path, &options)?)?);
        let (queue, jobs) = mpsc::channel();
        let served = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer::serve(&served, &jobs))?;
        let writer = Writer::Thread { queue: Some(queue), thread: Some(thread) };
        Ok(Self(Arc::new(Inner { shared, writer })))
    }

    /// Opens a store in any backend, without a thread: [`Store::write`] runs the operation and its
    /// commit in the caller's task, with a yield before and after, so that a simulated crash can fall
    /// there.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_backend(backend: impl redb::StorageBackend, options: Options) -> Result<Self> {
        let shared = Arc::new(share(file::open_backend(backend, &options)?)?);
        Ok(Self(Arc::new(Inner { shared, writer: Writer::Inline })))
    }

    /// Runs `op` in a write transaction and waits until it is durable.
    ///
    /// `op` decides first and writes after, and may run more than once: when another operation of its
    /// group fails, the transaction is thrown away and `op` runs again on the same starting point.
    /// Domain refusals travel inside `T`. Dropping the future does not take the operation back once
    /// it has been polled. An operation that writes nothing costs no sync.
    ///
    /// # Errors
    /// What `op` returned, [`StoreError::Invariant`] if it would have broken an invariant (nothing is
    /// written), or what the disk said (then it is not known whether the group is durable, and the
    /// handle is dead: see [`Store::latched_error`]).
    pub async fn write<T, F>(&self, op: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // A caller that has gone away no longer wants the answer.
        let reply = move |result| drop(reply.send(result));
        let job = Box::new(Operation { op, value: None, reply });
        match &self.0.writer {
            Writer::Thread { .. } => self.enqueue(job)?,
            Writer::Inline => {
                tokio::task::yield_now().await;
                writer::run_group(&self.0.shared, vec![job]);
                tokio::task::yield_now().await;
            }
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::write`] for callers without a runtime: command line tools and tests. Blocks the thread.
    ///
    /// # Errors
    /// As for [`Store::write`].
    pub fn write_blocking<T, F>(&self, op: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = mpsc::sync_channel(1);
        let reply = move |result| drop(reply.send(result));
        let job = Box::new(Operation { op, value: None, reply });
        match &self.0.writer {
            Writer::Thread { .. } => self.enqueue(job)?,
            Writer::Inline => writer::run_group(&self.0.shared, vec![job]),
        }
        answer.recv().unwrap_or(Err(StoreError::Closed))
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<()> {
        match &self.0.writer {
            Writer::Thread { queue: Some(queue), .. } => queue.send(job).map_err(|_| StoreError::Closed),
            Writer::Thread { queue: None, .. } | Writer::Inline => Err(StoreError::Closed),
        }
    }

    /// Runs `op` on a consistent snapshot. Keep it short: it runs on the caller's thread, and pages
    /// it can see are not reused meanwhile.
    ///
    /// # Errors
    /// What `op` returned, or what the disk said.
    pub fn read<T>(&self, op: impl FnOnce(&View) -> Result<T>) -> Result<T> {
        let shared = &self.0.shared;
        let view = || Ok(View::new(shared.db.begin_read()?));
        view().and_then(|view| op(&view)).map_err(|error| shared.blame(error))
    }

    /// Newest audit position, updated after every durable commit.
    pub fn seq_watch(&self) -> watch::Receiver<Seq> {
        self.0.shared.seq.subscribe()
    }

    /// What each durable commit changed, from now on. A receiver that falls behind by 1,024 commits
    /// is told so by the channel and must look again at everything it shows.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.0.shared.changes.subscribe()
    }

    /// The disk error that killed this handle, if one has. Nothing works any more until the store is
    /// opened anew; what was acknowledged is safe.
    pub fn latched_error(&self) -> Option<String> {
        self.0.shared.latched().map(|error| error.to_string())
    }

    /// Completes with that error once there is one. Holds no handle on the store meanwhile.
    pub fn died(&self) -> impl Future<Output = StoreError> + Send + 'static {
        let mut latched = self.0.shared.latched.subscribe();
        async move {
            match latched.wait_for(Option::is_some).await {
                // Invariant: `wait_for` hands out only what the predicate took.
                Ok(error) => error.clone().unwrap_or(StoreError::Closed),
                Err(_) => StoreError::Closed,
            }
        }
    }

    /// Completes once the last handle is gone and the file has been closed in order, so that the next
    /// start has nothing to recover. Holds no handle meanwhile. An operation whose caller went away is
    /// still in the writer's hands, and what it captured with it: a process that does not wait for this
    /// ends with the file open.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut latched = self.0.shared.latched.subscribe();
        // Ends when the sender is dropped, which `Shared` does after its database.
        async move { while latched.changed().await.is_ok() {} }
    }
}

fn share(db: redb::Database) -> Result<Shared> {
    let seq = View::new(db.begin_read()?).seq()?;
    Ok(Shared::new(db, seq))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("seq", &*self.0.shared.seq.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// Waits for the writer, so that the file is free once the last handle is gone.
    fn drop(&mut self) {
        let Writer::Thread { queue, thread } = &mut self.writer else { return };
        queue.take();
        if let Some(thread) = thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}
