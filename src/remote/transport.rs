//! The HTTP seam: one request in, one bounded response out, and a truthful word about whether the
//! request may have left the machine.
//!
//! Production uses reqwest ([`ReqwestTransport`](super::http::ReqwestTransport)); simulations call a
//! simulated server's router in the same thread.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

/// Bounds of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the whole exchange, connect to last byte.
    pub total: Duration,
    /// Largest response body accepted, in bytes after decompression. 0: the body is not read at all, whatever comes
    /// of it, and the answer is status and headers.
    pub max_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: Duration::from_secs(60), max_body: 16 * 1024 * 1024 }
    }
}

/// Why no usable response came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request never left: refused, name not found, TLS not established. Safe to repeat.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The request was kept back: this lane's part of the day's calls is used up. Nothing left; it may be
    /// tried again after `wait`.
    #[error("{why}")]
    Held {
        /// Which lane, which limit, until when.
        why: String,
        /// Time until the lane may go on.
        wait: Duration,
    },
    /// The request may have been received and acted on: time-out, reset, truncated answer.
    #[error("no answer: {0}")]
    Unknown(String),
    /// An answer came but is larger than allowed. The request was acted on.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// One HTTP exchange. Implementations follow no redirects, repeat nothing, use no proxy unless told
/// to, and bound time and size.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends `request` and reads the whole response within `limits`.
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>>;
}
