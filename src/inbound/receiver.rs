//! Listening: HTTP on one port for everybody who posts to us, with a bound on everything a stranger could use up.
//!
//! It speaks plain HTTP, to a reverse proxy on the same machine that ends TLS. What there is to post to is said
//! by routers, each with its own limits; it knows none of them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::serve::Listener;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::seam::Clock;

/// Longest a connection lives, however busy or idle.
const LIFETIME: Duration = Duration::from_secs(60);
/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long a delivery under way may take to finish when we stop.
const GRACE: Duration = Duration::from_secs(2);
/// How much of a body that is too large is read and thrown away, in bodies of the largest size: a sender that is
/// cut off while it still writes may never read why.
const THROWN_AWAY: usize = 4;

/// What there is to post to: several are put together with [`Router::merge`].
pub type Routes = Router;

/// A listening receiver. Dropping it stops it without waiting.
pub struct Receiver {
    addr: SocketAddr,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Receiver {
    /// Listens on `listen` for whatever `routes` has. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn listen(routes: Routes, listen: SocketAddr, clock: Arc<dyn Clock>) -> Result<Self> {
        let cannot = |error: io::Error| {
            Error::unavailable(format!("cannot listen on {listen} for what is posted to us"))
                .because(&error)
                .hint("correct `listen` in [inbound]; another program may hold the port")
        };
        let socket = std::net::TcpListener::bind(listen).map_err(cannot)?;
        socket.set_nonblocking(true).map_err(cannot)?;
        let addr = socket.local_addr().map_err(cannot)?;
        let listener = Bounded {
            listener: TcpListener::from_std(socket).map_err(cannot)?,
            seats: Arc::new(Semaphore::new(CONNECTIONS)),
            clock: Arc::clone(&clock),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move { axum::serve(listener, routes).with_graceful_shutdown(stopped).await });
        Ok(Self { addr, clock, stop, task })
    }

    /// Where it listens; the port is the real one when port 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting and lets deliveries under way finish, within reason.
    pub async fn stop(mut self) {
        self.stop.cancel();
        tokio::select! {
            _ = &mut self.task => {}
            () = self.clock.sleep(GRACE) => self.task.abort(),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than its limit: 413.
    TooLarge,
    /// The connection broke, or its framing is wrong: 400, if anybody still listens.
    Broken,
}

/// The whole body, of at most `largest` bytes.
///
/// # Errors
/// It is larger, or does not end.
pub async fn whole_body(body: Body, largest: usize) -> Result<Bytes, Unread> {
    let mut stream = body.into_data_stream();
    let (mut read, mut thrown_away) = (BytesMut::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if thrown_away == 0 && read.len() + chunk.len() <= largest {
            read.extend_from_slice(&chunk);
            continue;
        }
        read = BytesMut::new();
        thrown_away += chunk.len();
        if thrown_away > largest.saturating_mul(THROWN_AWAY) {
            return Err(Unread::TooLarge);
        }
    }
    if thrown_away > 0 { Err(Unread::TooLarge) } else { Ok(read.freeze()) }
}

/// What `work` gives, or nothing when it takes longer than `patience`. What it has begun then goes on only where
/// it was handed to others.
pub async fn in_time<T>(clock: &dyn Clock, patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep(patience) => None,
    }
}

/// A listener that accepts no more connections than it has seats.
struct Bounded {
    listener: TcpListener,
    seats: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

impl Listener for Bounded {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let seat = Arc::clone(&self.seats).acquire_owned().await;
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        // Invariant: the semaphore is never closed, so there always is a seat.
        (Guest { stream, end: Some(self.clock.sleep(LIFETIME)), _seat: seat.ok() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when its time is up, whether anything was said or not.
struct Guest {
    stream: TcpStream,
    /// Nothing once it is up. A delivery that is cut off by it gets no answer, and comes again.
    end: Option<BoxFuture<'static, ()>>,
    _seat: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let over = self.end.as_mut().is_none_or(|end| end.as_mut().poll(cx).is_ready());
        if over {
            self.end = None;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
