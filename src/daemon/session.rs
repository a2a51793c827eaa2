//! One attached client: reads calls, checks roles, answers, passes events on.
//!
//! A client can slow down only itself. Its outbound queue is bounded; while it is full no further
//! calls are read from it, and events melt into one "more changed than is listed". Who does not
//! read for [`Limits::patience`] is dropped.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Host, Limits, ServiceError, roles};
use crate::error::{Error, ErrorKind};
use crate::model::{Actor, Seq};
use crate::seam::Clock;
use crate::wire::codec::{self, FrameError, FrameReader, FrameWriter};
use crate::wire::{Answer, Call, Event, Frame, Request};

/// Why clients are let go when the daemon ends.
const STOPPING: &str = "the daemon is shutting down";

/// Serves one client until either end goes away.
pub(super) async fn serve<S>(host: Arc<Host>, actor: Actor, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (outbound, queue) = mpsc::channel(host.limits.outbound);
    let gone = CancellationToken::new();
    let writer = drain(FrameWriter::new(write), queue, Arc::clone(&host.clock), host.limits, gone.clone());
    let session = Session { host, actor, outbound, gone, events: None, missed: None };
    // One task for both: a slow writer must not keep the reader's calls from finishing.
    tokio::join!(session.run(FrameReader::new(read)), writer);
}

/// Tells someone who may not attach why, in place of the greeting.
pub(super) async fn turn_away<S: AsyncWrite + Unpin>(host: &Host, error: Error, stream: S) {
    let mut writer = FrameWriter::new(stream);
    let frame = Frame::Failed { id: 0, error, current: None };
    tokio::select! {
        _ = writer.frame(&frame) => {}
        () = host.clock.sleep(host.limits.patience) => {}
    }
}

async fn drain<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    mut queue: mpsc::Receiver<String>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    gone: CancellationToken,
) {
    while let Some(line) = queue.recv().await {
        let written = tokio::select! {
            result = writer.line(line) => result.is_ok(),
            () = clock.sleep(limits.patience) => {
                tracing::info!("a client did not read for {:?} and is dropped", limits.patience);
                false
            }
        };
        if !written {
            break;
        }
    }
    gone.cancel();
}

struct Session {
    host: Arc<Host>,
    actor: Actor,
    outbound: mpsc::Sender<String>,
    gone: CancellationToken,
    /// Live events, once the client has asked for them.
    events: Option<broadcast::Receiver<Event>>,
    /// Newest position of events that did not fit into the queue.
    missed: Option<Seq>,
}

/// What woke the session.
enum Wake {
    Stop,
    Gone,
    Answered(Frame),
    Line(Option<Result<String, FrameError>>),
    Event(Result<Event, broadcast::error::RecvError>),
    Room,
}

impl Session {
    async fn run<R: AsyncRead + Unpin>(mut self, mut reader: FrameReader<R>) {
        let host = Arc::clone(&self.host);
        let actor = self.actor.clone();
        let mut hello = host.service.hello(&actor);
        // Not the service's to say: who this is was found out here.
        (hello.operator, hello.role) = (actor.name.clone(), actor.role);
        if !self.push(Frame::Hello(hello)).await {
            return;
        }
        let mut calls: FuturesUnordered<BoxFuture<'_, Frame>> = FuturesUnordered::new();
        loop {
            let wake = tokio::select! {
                biased;
                () = host.shutdown.cancelled() => Wake::Stop,
                () = self.gone.cancelled() => Wake::Gone,
                Some(frame) = calls.next() => Wake::Answered(frame),
                permit = self.outbound.reserve(), if self.missed.is_some() => {
                    if permit.is_ok() { Wake::Room } else { Wake::Gone }
                }
                line = reader.line(), if calls.len() < host.limits.calls => Wake::Line(line),
                event = next_event(&mut self.events) => Wake::Event(event),
            };
            let go_on = match wake {
                Wake::Stop => {
                    self.say_goodbye(&mut calls, STOPPING).await;
                    false
                }
                Wake::Event(Ok(Event::Bye { reason })) => {
                    self.say_goodbye(&mut calls, &reason).await;
                    false
                }
                Wake::Gone => false,
                Wake::Line(None) => {
                    // Nothing more will be asked; what was asked is still carried out and answered.
                    tokio::select! {
                        () = self.finish(&mut calls) => {}
                        () = host.shutdown.cancelled() => self.say_goodbye(&mut calls, STOPPING).await,
                    }
                    false
                }
                Wake::Answered(frame) => self.push(frame).await,
                Wake::Line(Some(Ok(line))) => match codec::decode_call(&line) {
                    Ok(call) => match self.accept(call).await {
                        Accepted::Later(id, request) => {
                            calls.push(answer(&host, &actor, id, request));
                            true
                        }
                        Accepted::Done(go_on) => go_on,
                    },
                    Err(error) => self.push(not_understood(&error)).await,
                },
                Wake::Line(Some(Err(error))) => {
                    // What follows an unreadable line cannot be trusted to start at a frame.
                    self.push(not_understood(&error)).await;
                    false
                }
                Wake::Event(Ok(event)) => {
                    self.announce(event);
                    true
                }
                Wake::Event(Err(broadcast::error::RecvError::Lagged(_))) => {
                    self.missed = Some(self.missed.unwrap_or_default());
                    true
                }
                Wake::Event(Err(broadcast::error::RecvError::Closed)) => {
                    self.events = None;
                    true
                }
                Wake::Room => {
                    let seq = self.missed.take().unwrap_or_default();
                    self.announce(Event::Changed { seq, items: Vec::new(), overflow: true });
                    true
                }
            };
            if !go_on {
                break;
            }
        }
        // Dropping `outbound` lets the writer finish what is queued, and then the join.
    }

    /// Checks a call and answers at once what this layer answers itself.
    async fn accept(&mut self, Call { id, request }: Call) -> Accepted {
        if let Err(error) = roles::allow(&self.actor, &request) {
            return Accepted::Done(self.push(Frame::Failed { id, error, current: None }).await);
        }
        let message = match request {
            Request::Watch => {
                self.events = Some(self.host.service.changes());
                "watching"
            }
            Request::Shutdown => "shutting down",
            other => return Accepted::Later(id, other),
        };
        let stop = matches!(request, Request::Shutdown);
        let answer = Answer::Done { message: message.to_owned() };
        let sent = self.push(Frame::Reply { id, answer }).await;
        if stop {
            tracing::info!(operator = self.actor.name, "shutdown asked for");
            self.host.shutdown.cancel();
        }
        Accepted::Done(sent)
    }

    /// Queues a frame, waiting for room; false when the client is gone.
    async fn push(&self, frame: Frame) -> bool {
        let line = match (codec::encode(&frame), frame) {
            (Ok(line), _) => line,
            (Err(_), Frame::Reply { id, .. } | Frame::Failed { id, .. }) => {
                let error = Error::new(ErrorKind::Refused, "the answer is too large to send")
                    .hint("ask for fewer rows at a time");
                match codec::encode(&Frame::Failed { id, error, current: None }) {
                    Ok(line) => line,
                    Err(_) => return false,
                }
            }
            (Err(_), _) => return false,
        };
        tokio::select! {
            sent = self.outbound.send(line) => sent.is_ok(),
            () = self.gone.cancelled() => false,
        }
    }

    /// Queues an event if there is room, remembers that one was missed if not.
    fn announce(&mut self, event: Event) {
        let seq = match &event {
            Event::Changed { seq, .. } => *seq,
            Event::Audit(row) => row.seq,
            Event::Bye { .. } => return, // said last, when what is queued has been passed on
        };
        if self.missed.is_none()
            && let Ok(line) = codec::encode(&Frame::Event(event))
            && self.outbound.try_send(line).is_ok()
        {
            return;
        }
        self.missed = Some(self.missed.unwrap_or_default().max(seq));
    }

    async fn finish(&self, calls: &mut FuturesUnordered<BoxFuture<'_, Frame>>) {
        while let Some(frame) = calls.next().await {
            if !self.push(frame).await {
                return;
            }
        }
    }

    /// Lets running calls finish for a moment, passes on what has happened, then announces the end.
    async fn say_goodbye(&mut self, calls: &mut FuturesUnordered<BoxFuture<'_, Frame>>, reason: &str) {
        let clock = Arc::clone(&self.host.clock);
        let grace = clock.sleep(self.host.limits.grace);
        let last_words = async {
            self.finish(calls).await;
            loop {
                match self.events.as_mut().map(broadcast::Receiver::try_recv) {
                    Some(Ok(event)) => self.announce(event),
                    Some(Err(broadcast::error::TryRecvError::Lagged(_))) => {
                        self.missed = Some(self.missed.unwrap_or_default());
                    }
                    Some(Err(_)) | None => break,
                }
            }
            if let Some(seq) = self.missed.take() {
                self.push(Frame::Event(Event::Changed { seq, items: Vec::new(), overflow: true })).await;
            }
            self.push(Frame::Event(Event::Bye { reason: reason.to_owned() })).await;
        };
        tokio::select! {
            () = last_words => {}
            () = grace => {}
        }
    }
}

enum Accepted {
    /// Answered here; whether to go on.
    Done(bool),
    /// For the service.
    Later(u64, Request),
}

fn answer<'a>(host: &'a Host, actor: &'a Actor, id: u64, request: Request) -> BoxFuture<'a, Frame> {
    Box::pin(async move {
        match host.service.answer(actor, request).await {
            Ok(mut answer) => {
                if let Answer::Status(status) = &mut answer {
                    status.daemon.clients = host.attached();
                }
                Frame::Reply { id, answer }
            }
            Err(ServiceError { error, current }) => Frame::Failed { id, error, current },
        }
    })
}

fn not_understood(error: &FrameError) -> Frame {
    let answer = Error::new(ErrorKind::Refused, format!("the daemon received {error}"))
        .hint("client and daemon may be of different versions; compare `tandem --version`");
    Frame::Failed { id: error.call_id().unwrap_or(0), error: answer, current: None }
}

async fn next_event(events: &mut Option<broadcast::Receiver<Event>>) -> Result<Event, broadcast::error::RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
