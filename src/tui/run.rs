//! The loop: waits for one thing, changes the state, draws when it is worth it.
//!
//! It is generic over terminal, input and clock, so tests run this very loop. Nothing wakes it while
//! nothing happens.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::Event;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, Stream, StreamExt as _};
use ratatui::Terminal;
use ratatui::layout::Size;
use tokio::sync::{mpsc, watch};

use super::app::{App, Effect, Msg, Tag};
use super::backend::{Backend, BackendEvent, CallError};
use super::terminal::Surface;
use super::theme::Theme;
use super::view;
use crate::error::{Error, Result};
use crate::seam::Clock;
use crate::wire::Answer;

/// Least time between two frames that no key asked for.
const FRAME_GATE: Duration = Duration::from_millis(50);

/// Messages handled at most before the screen is drawn again: a flood must not freeze the picture.
const DRAIN_MAX: usize = 64;

/// What the loop needs besides a terminal and input.
pub struct Parts {
    /// The daemon.
    pub backend: Arc<dyn Backend>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Colours.
    pub theme: Theme,
    /// Completes when the process is asked to end.
    pub stop: BoxFuture<'static, ()>,
    /// Told whenever the loop goes to sleep.
    pub idle: watch::Sender<Idle>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// How far the loop has come, told each time it goes to sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// Input events handled.
    pub inputs: u64,
    /// Backend events handled.
    pub events: u64,
    /// Frames drawn.
    pub frames: u64,
    /// Times the loop woke up.
    pub wakeups: u64,
    /// Whether nothing is under way: no call open, nothing to draw.
    pub quiet: bool,
}

type Calls = FuturesUnordered<BoxFuture<'static, Replied>>;

/// An answer to one of our calls.
struct Replied {
    tag: Tag,
    reply: std::result::Result<Answer, CallError>,
    /// A key asked for it: the frame that shows it is as urgent as the key's own.
    by_hand: bool,
}

/// Everything that can wake the loop, except time and the request to end.
struct Sources<S> {
    input: S,
    events: mpsc::Receiver<BackendEvent>,
    events_open: bool,
    calls: Calls,
}

/// What one of them brought.
enum Arrival {
    Input(Option<io::Result<Event>>),
    Reply(Replied),
    Event(Option<BackendEvent>),
}

impl<S: Stream<Item = io::Result<Event>> + Unpin> Sources<S> {
    /// The next arrival; input first, because a person waits for it. Safe to drop while waiting.
    async fn next(&mut self) -> Arrival {
        tokio::select! {
            biased;
            event = self.input.next() => Arrival::Input(event),
            Some(replied) = self.calls.next(), if !self.calls.is_empty() => Arrival::Reply(replied),
            event = self.events.recv(), if self.events_open => Arrival::Event(event),
        }
    }
}

/// Runs the console until the operator leaves, the input ends, or the process is asked to stop.
/// Answers the application as it was at the end.
///
/// # Errors
/// The terminal cannot be read or written.
pub async fn drive<B, S>(terminal: &mut Terminal<B>, input: S, mut app: App, parts: Parts) -> Result<App>
where
    B: Surface,
    S: Stream<Item = io::Result<Event>> + Unpin,
{
    let Parts { backend, clock, theme, mut stop, idle } = parts;
    // The first frame before the first question: the operator sees the console at once.
    paint(terminal, &app, &theme)?;
    let mut sources = Sources { input, events: backend.events(), events_open: true, calls: Calls::new() };
    let mut seen = Idle { frames: 1, ..Idle::default() };
    let mut drawn_at = clock.now();
    let mut inbox = VecDeque::from([Msg::Start]);
    let (mut dirty, mut urgent) = (false, false);
    loop {
        let mut drained = 0;
        loop {
            while let Some(msg) = inbox.pop_front() {
                drained += 1;
                dirty = true;
                let by_hand = matches!(msg, Msg::Key(_) | Msg::Paste(_) | Msg::Resize(_));
                urgent |= by_hand;
                for effect in app.update(clock.now(), msg) {
                    match effect {
                        Effect::Call(tag, request) => {
                            let backend = Arc::clone(&backend);
                            sources.calls.push(
                                async move { Replied { tag, reply: backend.call(request).await, by_hand } }.boxed(),
                            );
                        }
                        Effect::Repaint => terminal.clear().map_err(|error| broken(&error))?,
                        Effect::Suspend => {
                            terminal.backend_mut().suspend().await.map_err(|error| broken(&error))?;
                            inbox.push_back(Msg::Resize(terminal.size().map_err(|error| broken(&error))?));
                        }
                        Effect::Quit => return Ok(app),
                    }
                }
            }
            // What is already here goes into the same frame.
            if drained >= DRAIN_MAX {
                break;
            }
            let Some(arrival) = at_once(sources.next()).await else { break };
            match accept(arrival, &mut inbox, &mut seen, &mut sources.events_open)? {
                Flow::Ends => return Ok(app),
                Flow::Urgent => urgent = true,
                Flow::Goes => {}
            }
        }
        let gate = drawn_at.plus(FRAME_GATE);
        if dirty && (urgent || clock.now() >= gate) {
            paint(terminal, &app, &theme)?;
            drawn_at = clock.now();
            seen.frames += 1;
            (dirty, urgent) = (false, false);
        }
        seen.quiet = !dirty && sources.calls.is_empty();
        idle.send_replace(seen);
        let wake = app.deadline().into_iter().chain(dirty.then_some(gate)).min();
        let timer = async {
            match wake {
                Some(at) => clock.sleep(at.since(clock.now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => return Ok(app),
            arrival = sources.next() => {
                match accept(arrival, &mut inbox, &mut seen, &mut sources.events_open)? {
                    Flow::Ends => return Ok(app),
                    Flow::Urgent => urgent = true,
                    Flow::Goes => {}
                }
            }
            () = timer => inbox.push_back(Msg::Tick),
        }
        seen.wakeups += 1;
    }
}

/// What a future has already. It is polled with this task's own waker and not with one that does
/// nothing: crossterm's stream remembers the first waker it sees, and would never wake us again.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// How the loop goes on after an arrival.
enum Flow {
    /// The next frame may wait for its turn.
    Goes,
    /// A person waits for the next frame.
    Urgent,
    Ends,
}

fn accept(arrival: Arrival, inbox: &mut VecDeque<Msg>, seen: &mut Idle, events_open: &mut bool) -> Result<Flow> {
    match arrival {
        Arrival::Input(None) => return Ok(Flow::Ends),
        Arrival::Input(Some(event)) => {
            seen.inputs += 1;
            match event.map_err(|error| broken(&error))? {
                Event::Key(key) => inbox.push_back(Msg::Key(key)),
                Event::Paste(text) => inbox.push_back(Msg::Paste(text)),
                // Also when the size is the same: a terminal multiplexer says so when it was attached
                // elsewhere, and its screen is empty then.
                Event::Resize(width, height) => inbox.push_back(Msg::Resize(Size { width, height })),
                Event::Mouse(_) | Event::FocusGained | Event::FocusLost => {}
            }
        }
        Arrival::Reply(Replied { tag, reply, by_hand }) => {
            inbox.push_back(Msg::Reply(tag, Box::new(reply)));
            if by_hand {
                return Ok(Flow::Urgent);
            }
        }
        Arrival::Event(Some(event)) => {
            seen.events += 1;
            inbox.push_back(Msg::Backend(event));
        }
        Arrival::Event(None) => {
            *events_open = false;
            inbox.push_back(Msg::Backend(BackendEvent::Disconnected("the client has ended".to_owned())));
        }
    }
    Ok(Flow::Goes)
}

fn paint<B: Surface>(terminal: &mut Terminal<B>, app: &App, theme: &Theme) -> Result<()> {
    terminal.draw(|frame| view::draw(app, theme, frame)).map_err(|error| broken(&error))?;
    terminal.backend_mut().commit().map_err(|error| broken(&error))
}

fn broken(error: &dyn std::error::Error) -> Error {
    Error::unavailable("the terminal is not there any more").because(error)
}
