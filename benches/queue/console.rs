//! The real console over a real socket, driven as the shipped program drives it: keys in, bytes out.
//! Only the terminal is missing; its place is taken by a sink that notes when how much arrived.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::unfold;
use ratatui::Terminal;
use ratatui::layout::Size;
use tandem::client::Client;
use tandem::model::Timestamp;
use tandem::seam::{Clock, SystemClock};
use tandem::tui::terminal::Tty;
use tandem::tui::{App, Backend, BackendEvent, CallError, Idle, Options, Parts, Settings, drive};
use tandem::wire::{Answer, Hello, Request};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::Outcome;

/// The screen every figure is about.
pub const SCREEN: Size = Size { width: 120, height: 40 };

/// A terminal that only takes notes: when bytes arrived, and how many.
#[derive(Clone, Debug, Default)]
pub struct Sink(Arc<Mutex<Vec<(Instant, usize)>>>);

impl Sink {
    pub fn take(&self) -> Vec<(Instant, usize)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A clock that is 50 ms further each time it is asked, so that the console never waits for its frame
/// gate: what remains is the work.
#[derive(Debug)]
struct NoGate(AtomicI64);

impl Clock for NoGate {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(50, Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

/// The socket client as the console's backend.
struct Attached {
    client: Client,
}

impl Backend for Attached {
    fn hello(&self) -> &Hello {
        self.client.hello()
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Result<Answer, CallError>> {
        async move {
            self.client.call(request).await.map_err(|failed| CallError { error: failed.error, current: failed.current })
        }
        .boxed()
    }

    fn events(&self) -> mpsc::Receiver<BackendEvent> {
        let (tell, told) = mpsc::channel(64);
        let mut events = self.client.events();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if tell.send(BackendEvent::Event(event)).await.is_err() {
                    break;
                }
            }
        });
        told
    }
}

/// What one key press led to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressed {
    /// Until the first bytes arrived.
    pub first: Duration,
    /// Until the last bytes arrived after which nothing was under way any more.
    pub settled: Duration,
    /// Bytes of the first frame.
    pub bytes: usize,
}

/// A running console.
pub struct Console {
    keys: mpsc::UnboundedSender<io::Result<Event>>,
    pressed: u64,
    idle: watch::Receiver<Idle>,
    pub sink: Sink,
    running: JoinHandle<tandem::error::Result<App>>,
    /// From the start to the first frame.
    pub first_frame: Duration,
    /// From the start until the dashboard's data was on the screen.
    pub first_data: Duration,
}

impl Console {
    /// Attaches to the daemon on `socket` and shows its dashboard. With `gated` false the console
    /// draws answers at once instead of at most every 50 ms.
    pub async fn start(socket: &Path, gated: bool) -> Outcome<Self> {
        let start = Instant::now();
        let client = Client::connect(socket).await?;
        let clock: Arc<dyn Clock> = match gated {
            true => Arc::new(SystemClock),
            false => Arc::new(NoGate(AtomicI64::new(SystemClock.now().millis()))),
        };
        let sink = Sink::default();
        let mut terminal = Terminal::new(Tty::of_size(sink.clone(), SCREEN))?;
        let app = App::new(client.hello().clone(), Settings::default(), SCREEN, clock.now())?;
        let (keys, input) = mpsc::unbounded_channel();
        let (idle, watched) = watch::channel(Idle::default());
        let parts = Parts {
            backend: Arc::new(Attached { client }),
            clock,
            theme: Options::default().load_theme()?,
            stop: std::future::pending().boxed(),
            idle,
        };
        let input = Box::pin(unfold(input, |mut input| async move { input.recv().await.map(|event| (event, input)) }));
        let running = tokio::spawn(async move { drive(&mut terminal, input, app, parts).await });
        let zero = Duration::ZERO;
        let mut console = Self { keys, pressed: 0, idle: watched, sink, running, first_frame: zero, first_data: zero };
        console.quiet().await?;
        let frames = console.sink.take();
        console.first_frame = frames.first().map_or(zero, |(at, _)| *at - start);
        console.first_data = frames.last().map_or(zero, |(at, _)| *at - start);
        Ok(console)
    }

    /// Waits until every key was handled and nothing is under way.
    async fn quiet(&mut self) -> Outcome {
        let pressed = self.pressed;
        let settled = self.idle.wait_for(|idle| idle.quiet && idle.inputs == pressed && idle.frames > 0);
        tokio::time::timeout(Duration::from_secs(10), settled)
            .await
            .map_err(|_| "the console never comes to rest")??;
        Ok(())
    }

    /// Presses one key and waits until what it asked for is on the screen.
    pub async fn press(&mut self, code: KeyCode) -> Outcome<Pressed> {
        self.sink.take();
        let start = Instant::now();
        self.pressed += 1;
        self.keys.send(Ok(Event::Key(KeyEvent::new(code, KeyModifiers::NONE))))?;
        self.quiet().await?;
        let frames = self.sink.take();
        let since = |frame: Option<&(Instant, usize)>| frame.map_or(Duration::ZERO, |(at, _)| *at - start);
        Ok(Pressed {
            first: since(frames.first()),
            settled: since(frames.last()),
            bytes: frames.first().map_or(0, |(_, bytes)| *bytes),
        })
    }

    /// Types a text.
    pub async fn type_text(&mut self, text: &str) -> Outcome {
        for c in text.chars() {
            self.press(KeyCode::Char(c)).await?;
        }
        Ok(())
    }

    /// Bytes sent and wake-ups of the loop while nobody does anything for `time`.
    pub async fn idle(&mut self, time: Duration) -> (usize, u64) {
        self.sink.take();
        let before = self.idle.borrow().wakeups;
        tokio::time::sleep(time).await;
        let bytes = self.sink.take().iter().map(|(_, bytes)| bytes).sum();
        (bytes, self.idle.borrow().wakeups - before)
    }

    /// Ends it.
    pub async fn stop(self) -> Outcome {
        drop(self.keys);
        self.running.await??;
        Ok(())
    }
}
