//! What can go wrong with the store, and what a person is told of it.
//!
//! Refusals of the *domain* (a stale version, a verb that does not fit) are not here: they travel
//! inside an operation's own result. Nothing here ever holds a field value or a remote text.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// A failure of the store. Cheap to clone: one failed commit is reported to every operation in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process (or another handle in this one) has the file open.
    #[error("the store {} is in use by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer program; nothing was touched.
    #[error("the store has format {found}, but this Tandem knows formats up to {supported}")]
    Newer {
        /// Format of the file.
        found: u32,
        /// Newest format this program knows.
        supported: u32,
    },
    /// The file is something else.
    #[error("{} is not a Tandem store", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The store belongs to another account (I30).
    #[error("the store belongs to account \"{found}\", not \"{expected}\"")]
    OtherInstance {
        /// Account the file was made for.
        found: String,
        /// Account that was asked for.
        expected: String,
    },
    /// The disk or the quota is full. Everything acknowledged before is safe; the handle is dead.
    #[error("the disk that holds the store is full")]
    Full,
    /// The disk failed. The handle is dead: close the store and open it again.
    #[error("the store could not be read or written: {0}")]
    Io(Arc<io::Error>),
    /// The file holds something it cannot hold.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The caller asked for something that would break an invariant of the store; nothing was written.
    #[error("refused by the store: {0}")]
    Invariant(String),
    /// A page token that is not one of ours.
    #[error("not a page token")]
    BadToken,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the handle is of no use afterwards.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Full | Self::Io(_))
    }

    /// A refusal with its reason.
    pub(super) fn invariant(reason: impl Into<String>) -> Self {
        Self::Invariant(reason.into())
    }

    /// A damage report.
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Io(error) => error.into(),
            redb::StorageError::Corrupted(what) => Self::Corrupt(what),
            redb::StorageError::DatabaseClosed => Self::Closed,
            redb::StorageError::ValueTooLarge(bytes) => Self::Invariant(format!("a value of {bytes} bytes")),
            // PreviousIo and the like: the backend is dead, and the first error said why.
            other => Self::Io(Arc::new(io::Error::other(other.to_string()))),
        }
    }
}

impl From<redb::TableError> for StoreError {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(error) => error.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for StoreError {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for StoreError {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::Locked { .. } => {
                (ErrorKind::Unavailable, "the daemon owns the store: attach to it with `tandem`, or stop it first")
            }
            StoreError::Newer { .. } => {
                (ErrorKind::Config, "install the newer Tandem again, or restore the copy made before the upgrade")
            }
            StoreError::NotAStore { .. } => (ErrorKind::Config, "check the path of the store in the configuration"),
            StoreError::OtherInstance { .. } => {
                (ErrorKind::Config, "every account has its own store: check account and path in the configuration")
            }
            StoreError::Full => {
                (ErrorKind::Unavailable, "free some space and start again; nothing that was acknowledged is lost")
            }
            StoreError::Io(_) => {
                (ErrorKind::Unavailable, "check the disk and start again; nothing that was acknowledged is lost")
            }
            StoreError::Corrupt(_) => (
                ErrorKind::Internal,
                "keep a copy of the file, then restore a good one; `tandem doctor` says more if it still opens",
            ),
            StoreError::Invariant(_) => (ErrorKind::Internal, "this is a defect in Tandem; nothing was written"),
            StoreError::BadToken => (ErrorKind::Config, "ask for the page from its start"),
            StoreError::Closed => (ErrorKind::Unavailable, "Tandem is shutting down"),
        };
        Error::new(kind, error.to_string()).hint(hint)
    }
}

/// Result of anything the store does.
pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;
