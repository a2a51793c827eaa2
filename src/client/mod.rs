//! The other end of the socket: attach, ask, be told.
//!
//! Any number of calls may be under way; replies find their caller by number. Knows the wire and
//! nothing of what is behind it. [`Reconnecting`] is the variant for consoles, which outlive a
//! restart of the daemon.

mod reconnect;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use reconnect::{Link, Links, Reconnecting, Settings};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Item, Seq};
use crate::wire::codec::{self, FrameReader, FrameWriter};
use crate::wire::{Answer, Call, Event, Frame, Hello, PROTOCOL, Request};

/// Events kept for a consumer that is late; after that it gets one "more changed than is listed".
const EVENTS: usize = 256;

/// Calls waiting to be written.
const OUTBOX: usize = 32;

/// Why a call failed; for a stale decision with the item as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct CallError {
    /// Why.
    pub error: Error,
    /// The item as it is now.
    pub current: Option<Box<Item>>,
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self { error, current: None }
    }
}

impl From<CallError> for Error {
    fn from(failed: CallError) -> Self {
        failed.error
    }
}

type Waiting = oneshot::Sender<Result<Answer, CallError>>;

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Set when the connection has ended: nobody will answer any more.
    over: bool,
}

/// An attached client. Clones share the connection; it closes with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    hello: Arc<Hello>,
    calls: Arc<Mutex<Calls>>,
    outbox: mpsc::Sender<String>,
    events: broadcast::Sender<Event>,
    closed: CancellationToken,
    _close_with_last: Arc<DropGuard>,
}

impl Client {
    /// Attaches to the daemon on `socket`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when no daemon answers there, [`ErrorKind::Permission`] when it
    /// does not let this user in, [`ErrorKind::Config`] when it speaks another protocol.
    pub async fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).await.map_err(|error| {
            let shown = socket.display();
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                Error::new(ErrorKind::Permission, format!("this user may not use the socket {shown}"))
                    .because(&error)
                    .hint("ask for membership in the socket's group (`socket_group` in the configuration)")
            } else {
                Error::unavailable(format!("no daemon answers on {shown}"))
                    .because(&error)
                    .hint("start one with `tandem run`, or name another socket with --socket")
            }
        })?;
        Self::over(stream).await
    }

    /// Attaches over any stream: a socket, or a daemon in this process.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn over<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> Result<Self> {
        let (read, write) = tokio::io::split(stream);
        let mut reader = FrameReader::new(read);
        let hello = greeting(&mut reader).await?;
        let calls = Arc::new(Mutex::new(Calls { next: 1, ..Calls::default() }));
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let events = broadcast::Sender::new(EVENTS);
        let closed = CancellationToken::new();
        // Separate tasks, so that a daemon that waits for us to read cannot stop us from writing.
        tokio::spawn(write_calls(FrameWriter::new(write), queue, closed.clone()));
        tokio::spawn(read_frames(reader, Arc::clone(&calls), events.clone(), closed.clone()));
        let guard = Arc::new(closed.clone().drop_guard());
        Ok(Self { hello: Arc::new(hello), calls, outbox, events, closed, _close_with_last: guard })
    }

    /// The daemon's greeting.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Asks, and waits for the answer. Dropping the future does not take the request back.
    ///
    /// # Errors
    /// What the daemon says, or [`ErrorKind::Unavailable`] when the connection ends first – then it
    /// is not known whether the request was carried out.
    pub async fn call(&self, request: Request) -> Result<Answer, CallError> {
        let (tell, told) = oneshot::channel();
        let id = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if calls.over {
                return Err(went_away().into());
            }
            let id = calls.next;
            calls.next += 1;
            calls.waiting.insert(id, tell);
            id
        };
        let line = match codec::encode(&Call { id, request }) {
            Ok(line) => line,
            Err(error) => {
                self.calls.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&id);
                let refused = Error::new(ErrorKind::Refused, "the request is too large to send");
                return Err(refused.because(&error).hint("decide fewer items at a time").into());
            }
        };
        if self.outbox.send(line).await.is_err() {
            return Err(went_away().into());
        }
        told.await.unwrap_or_else(|_| Err(went_away().into()))
    }

    /// Live events from now on. They flow once [`Request::Watch`] has been answered.
    pub fn events(&self) -> Events {
        Events { receiver: self.events.subscribe(), closed: self.closed.clone(), seq: Seq::default() }
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Completes when the connection has ended.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

/// A subscription to live events.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
    closed: CancellationToken,
    seq: Seq,
}

impl Events {
    /// The next event; `None` when the connection has ended. Cancel-safe. Who comes too late gets
    /// one [`Event::Changed`] with `overflow` in place of what was missed.
    pub async fn next(&mut self) -> Option<Event> {
        let received = tokio::select! {
            biased;
            received = self.receiver.recv() => received,
            () = self.closed.cancelled() => return None,
        };
        match received {
            Ok(event) => {
                if let Event::Changed { seq, .. } = &event {
                    self.seq = *seq;
                }
                Some(event)
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                Some(Event::Changed { seq: self.seq, items: Vec::new(), overflow: true })
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

fn went_away() -> Error {
    Error::unavailable("the daemon went away before it answered")
        .hint("whether the request was carried out is not known: look at the item before repeating it")
}

async fn greeting<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> Result<Hello> {
    let Some(line) = reader.line().await else {
        return Err(Error::unavailable("the daemon closed the connection at once").hint("look at its log"));
    };
    let strange = || {
        Error::config("what answers on the socket is not a Tandem daemon of this version")
            .hint("compare `tandem --version` here with the daemon's")
    };
    let line = line.map_err(|error| strange().because(&error))?;
    // The number is looked at before anything else, so that a newer greeting may look different.
    let loose: serde_json::Value = serde_json::from_str(&line).map_err(|_| strange())?;
    match loose.get("protocol").and_then(serde_json::Value::as_u64) {
        Some(theirs) if theirs != u64::from(PROTOCOL) => {
            let version = loose.get("version").and_then(serde_json::Value::as_str).unwrap_or("unknown");
            return Err(Error::config(format!(
                "the daemon (version {version:?}) speaks protocol {theirs}, this program speaks {PROTOCOL}"
            ))
            .hint("use the program and the daemon of the same release"));
        }
        _ => {}
    }
    match serde_json::from_str(&line) {
        Ok(Frame::Hello(hello)) => Ok(hello),
        Ok(Frame::Failed { error, .. }) => Err(error),
        Ok(_) | Err(_) => Err(strange()),
    }
}

async fn write_calls<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    mut queue: mpsc::Receiver<String>,
    closed: CancellationToken,
) {
    loop {
        let line = tokio::select! {
            line = queue.recv() => line,
            () = closed.cancelled() => None,
        };
        let Some(line) = line else { break };
        let written = tokio::select! {
            result = writer.line(line) => result.is_ok(),
            () = closed.cancelled() => false,
        };
        if !written {
            break;
        }
    }
    closed.cancel();
}

async fn read_frames<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    calls: Arc<Mutex<Calls>>,
    events: broadcast::Sender<Event>,
    closed: CancellationToken,
) {
    loop {
        let frame = tokio::select! {
            frame = reader.frame::<Frame>() => frame,
            () = closed.cancelled() => None,
        };
        let (id, result) = match frame {
            Some(Ok(Frame::Reply { id, answer })) => (id, Ok(answer)),
            Some(Ok(Frame::Failed { id, error, current })) => (id, Err(CallError { error, current })),
            Some(Ok(Frame::Event(event))) => {
                let last = matches!(event, Event::Bye { .. });
                let _ = events.send(event); // nobody listens: fine
                if last {
                    break;
                }
                continue;
            }
            Some(Ok(Frame::Hello(_))) => continue,
            Some(Err(error)) if error.is_recoverable() => {
                // A reply we cannot read has an owner who waits, and we cannot tell which.
                tracing::warn!(%error, "the daemon sent something unreadable");
                break;
            }
            Some(Err(_)) | None => break,
        };
        let waiting = calls.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(result); // the caller stopped waiting: fine
        }
    }
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    calls.over = true;
    calls.waiting.clear();
    drop(calls);
    closed.cancel();
}
