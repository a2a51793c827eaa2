//! Listening: HTTP on one port, one path, with a bound on everything a stranger could use up.
//!
//! It speaks plain HTTP, to a reverse proxy on the same machine that ends TLS.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::Listener;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::intake::{Intake, Verdict};
use crate::error::{Error, Result};
use crate::seam::Clock;

/// The one path there is.
pub const PATH: &str = "/ivvy/notifications";

/// Largest body read. SNS sends 256 kB at most.
const LARGEST: usize = 1024 * 1024;
/// SNS gives up after fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(14);
/// Longest a connection lives, however busy or idle.
const LIFETIME: Duration = Duration::from_secs(60);
/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long a delivery under way may take to finish when we stop.
const GRACE: Duration = Duration::from_secs(2);

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

#[derive(Clone)]
struct Desk {
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
}

impl Receiver {
    /// Listens on `listen` for `intake`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn listen(intake: Arc<Intake>, listen: SocketAddr, clock: Arc<dyn Clock>) -> Result<Self> {
        let cannot = |error: io::Error| {
            Error::unavailable(format!("cannot listen on {listen} for notifications"))
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
        let desk = Desk { intake, clock: Arc::clone(&clock) };
        let router = Router::new().route(PATH, post(deliver)).with_state(desk);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
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

/// One delivery, from its first byte to the verdict.
async fn deliver(State(desk): State<Desk>, body: Body) -> StatusCode {
    let handled = async {
        match to_bytes(body, LARGEST).await {
            Ok(body) => {
                let verdict = desk.intake.receive(&body).await;
                // Invariant: every verdict's status is one of HTTP's.
                StatusCode::from_u16(verdict.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    };
    tokio::select! {
        status = handled => status,
        () = desk.clock.sleep(PATIENCE) => {
            StatusCode::from_u16(Verdict::Later.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
        }
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
