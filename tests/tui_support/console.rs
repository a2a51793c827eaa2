//! The console running live on an emulated terminal, and what was written there.

use std::io;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::event::Event;
use futures::stream;
use ratatui::Terminal;
use ratatui::layout::Size;
use tandem::error::Result;
use tandem::model::{ItemId, Seq};
use tandem::tui::run::{Idle, drive};
use tandem::tui::terminal::Tty;
use tandem::tui::{App, BackendEvent};
use tandem::wire::{Event as Live, Request};
use tokio::sync::{mpsc, watch};

use super::{Fake, TestClock, app, keys, parts, typed};

/// Everything that was written to the emulated terminal, and what it shows.
#[derive(Clone)]
pub struct Screen {
    pub bytes: Arc<Mutex<Vec<u8>>>,
    pub emulated: Arc<Mutex<vt100::Parser<Witness>>>,
}

/// Notes what no frame may do: change the title, reach the clipboard, ring.
#[derive(Default)]
pub struct Witness {
    pub seen: Vec<String>,
}

impl vt100::Callbacks for Witness {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.seen.push("bell".into());
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.seen.push(format!("title {title:?}"));
    }

    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, name: &[u8]) {
        self.seen.push(format!("icon {name:?}"));
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.seen.push(format!("clipboard {data:?}"));
    }
}

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        self.emulated.lock().unwrap().process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The console running on an emulated terminal.
pub struct Console {
    pub fake: Arc<Fake>,
    pub screen: Screen,
    input: mpsc::UnboundedSender<io::Result<Event>>,
    clock: TestClock,
    idle: watch::Receiver<Idle>,
    inputs: u64,
    events: u64,
    task: tokio::task::JoinHandle<Result<App>>,
}

impl Console {
    pub async fn start(fake: Arc<Fake>, size: (u16, u16)) -> Self {
        let (columns, rows) = (NonZeroU16::new(size.0).unwrap(), NonZeroU16::new(size.1).unwrap());
        let emulated = vt100::Parser::new_with_callbacks(rows, columns, 0, Witness::default());
        let screen = Screen { bytes: Arc::default(), emulated: Arc::new(Mutex::new(emulated)) };
        let clock = TestClock::new(false);
        let (parts, idle) = parts(&fake, "default16", clock.clone());
        let size = Size { width: size.0, height: size.1 };
        let app = app(&fake, size);
        let (input, mut received) = mpsc::unbounded_channel();
        let mut terminal = Terminal::new(Tty::of_size(screen.clone(), size)).unwrap();
        let task = tokio::spawn(async move {
            let input = stream::poll_fn(move |context| received.poll_recv(context));
            drive(&mut terminal, input, app, parts).await
        });
        let mut console = Self { fake, screen, input, clock, idle, inputs: 0, events: 0, task };
        console.settle().await;
        console
    }

    /// Waits until everything given so far has been handled and nothing is under way. Time moves
    /// only if the loop waits for the next frame's turn.
    pub async fn settle(&mut self) -> Idle {
        for _ in 0..1_000 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let idle = self.idle();
            if idle.quiet && idle.inputs == self.inputs && idle.events == self.events && idle.wakeups > 0 {
                return idle;
            }
            self.clock.advance(Duration::from_millis(10));
        }
        panic!("the console does not come to rest: {:?}\n{}", self.idle(), self.text());
    }

    /// Lets time pass.
    pub async fn pass(&mut self, time: Duration) -> Idle {
        self.clock.advance(time);
        self.settle().await
    }

    pub async fn give(&mut self, event: Event) -> &mut Self {
        self.inputs += 1;
        self.input.send(Ok(event)).unwrap();
        self.settle().await;
        self
    }

    /// Presses keys, waiting for quiet after each.
    pub async fn press(&mut self, written: &str) -> &mut Self {
        for key in keys(written) {
            self.give(Event::Key(key)).await;
        }
        self
    }

    pub async fn type_text(&mut self, text: &str) -> &mut Self {
        for key in typed(text) {
            self.give(Event::Key(key)).await;
        }
        self
    }

    pub async fn event(&mut self, event: BackendEvent) -> &mut Self {
        self.events += 1;
        self.fake.sender.send(event).await.unwrap();
        self.settle().await;
        self
    }

    /// Sends an event and lets the loop run, without waiting for it to come to rest.
    pub async fn post(&mut self, event: BackendEvent, then: Duration) {
        self.events += 1;
        self.fake.sender.send(event).await.unwrap();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.clock.advance(then);
    }

    /// The daemon says that items changed, and the console has had time to look again.
    pub async fn changed(&mut self, items: &[u64]) -> &mut Self {
        let items = items.iter().copied().map(ItemId).collect();
        self.event(BackendEvent::Event(Live::Changed { seq: Seq(2), items, overflow: false })).await;
        self.pass(Duration::from_secs(2)).await;
        self
    }

    pub fn text(&self) -> String {
        self.screen.emulated.lock().unwrap().screen().contents()
    }

    pub fn shows(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    /// The line the marker is on.
    pub fn marked_line(&self) -> Option<(usize, String)> {
        let text = self.text();
        let found = text.lines().enumerate().skip(2).find(|(_, line)| line.starts_with('>'));
        found.map(|(at, line)| (at, line.to_owned()))
    }

    pub fn idle(&self) -> Idle {
        *self.idle.borrow()
    }

    /// Decisions sent so far.
    pub fn decisions(&self) -> Vec<tandem::wire::Decide> {
        let asked = self.fake.asked();
        asked
            .into_iter()
            .flat_map(|request| match request {
                Request::Decide(decide) => vec![decide],
                Request::DecideMany { decisions } => decisions,
                _ => vec![],
            })
            .collect()
    }

    pub async fn ended(self) -> Result<App> {
        drop(self.input);
        self.task.await.unwrap()
    }
}
