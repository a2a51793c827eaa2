//! Serving a simulator over TCP, with connections that a fault can cut.
//!
//! It refuses to know what is served: routing, faults and state belong to the router it is given.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a shutdown waits for calls in flight before it drops them.
const GRACE: Duration = Duration::from_secs(2);

/// A running server. Dropping it stops the server without waiting.
#[derive(Debug)]
pub struct Served {
    /// Where it listens; the port is the real one when port 0 was asked for.
    pub addr: SocketAddr,
    cancel: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Served {
    /// The base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops accepting, lets calls in flight finish for two seconds, and waits for the end.
    pub async fn stop(mut self) -> io::Result<()> {
        self.cancel.cancel();
        match tokio::time::timeout(GRACE, &mut self.task).await {
            Ok(ended) => ended.map_err(io::Error::other)?,
            Err(_) => {
                self.task.abort();
                Ok(())
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Serves `router` on `listen` until the returned handle is stopped or dropped.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(router: Router, listen: SocketAddr) -> io::Result<Served> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let cancel = CancellationToken::new();
    let stopped = cancel.clone().cancelled_owned();
    let service = router.into_make_service_with_connect_info::<Line>();
    let task =
        tokio::spawn(async move { axum::serve(Severable(listener), service).with_graceful_shutdown(stopped).await });
    Ok(Served { addr, cancel, task })
}

/// The handle by which a request's handler can cut the connection the request came over. Found in
/// the request's extensions as `ConnectInfo<Line>`.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<AtomicBool>);

impl Line {
    /// From now on no byte leaves over this connection; the next write closes it.
    pub fn sever(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Severable>> for Line {
    fn connect_info(stream: IncomingStream<'_, Severable>) -> Self {
        stream.io().line.clone()
    }
}

/// A listener whose connections can be severed.
#[derive(Debug)]
struct Severable(TcpListener);

impl Listener for Severable {
    type Io = SeverableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (SeverableStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        (SeverableStream { stream, line: Line::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[derive(Debug)]
struct SeverableStream {
    stream: TcpStream,
    line: Line,
}

impl AsyncRead for SeverableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SeverableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.line.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
