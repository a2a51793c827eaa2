//! A made-up daemon and two ways to run the real loop against it: to the end of a key script on a
//! test screen, and live on an emulated terminal.

#![allow(dead_code)] // each test binary uses its own part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy sees tests only in #[test]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, KeyEvent};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use tandem::model::Timestamp;
use tandem::seam::Clock;
use tandem::tui::keys::parse_sequence;
use tandem::tui::run::{Idle, Parts, drive};
use tandem::tui::{App, Backend, Settings, Theme};
use tokio::sync::watch;

use crate::fixture;

mod console;
mod fake;
mod matches;

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use console::{Console, Screen, Witness};
#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use fake::{Fake, World, conflicts, mail, status};
#[allow(unused_imports, reason = "not every test of the console shows match tables")]
pub use matches::{sources_that_differ, staff};

/// Time that moves only when a test says so; or, if it jumps, as far as someone wants to sleep.
#[derive(Clone, Debug)]
pub struct TestClock {
    time: Arc<watch::Sender<Timestamp>>,
    jumps: bool,
}

impl TestClock {
    pub fn new(jumps: bool) -> Self {
        Self { time: Arc::new(watch::Sender::new(fixture::now())), jumps }
    }

    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|now| *now = now.plus(by));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (clock, until) = (self.clone(), self.now().plus(duration));
        async move {
            if clock.jumps {
                clock.time.send_modify(|now| *now = (*now).max(until));
            }
            // Invariant: the sender lives in `clock`.
            clock.time.subscribe().wait_for(|now| *now >= until).await.unwrap();
        }
        .boxed()
    }
}

/// Key presses as they are written in the catalogue, separated by blanks. `"text"` types letters.
pub fn keys(written: &str) -> Vec<KeyEvent> {
    parse_sequence(written).unwrap().into_iter().map(|chord| chord.event()).collect()
}

/// One key per character.
pub fn typed(text: &str) -> Vec<KeyEvent> {
    text.chars()
        .map(|c| KeyEvent::new(crossterm::event::KeyCode::Char(c), crossterm::event::KeyModifiers::NONE))
        .collect()
}

/// The parts of a loop.
pub fn parts(fake: &Arc<Fake>, theme: &str, clock: TestClock) -> (Parts, watch::Receiver<Idle>) {
    let idle = watch::Sender::new(Idle::default());
    let told = idle.subscribe();
    let parts = Parts {
        backend: Arc::clone(fake) as Arc<dyn Backend>,
        clock: Arc::new(clock),
        theme: Theme::named(theme).unwrap(),
        stop: futures::future::pending().boxed(),
        idle,
    };
    (parts, told)
}

pub fn app(fake: &Arc<Fake>, size: Size) -> App {
    App::new(fake.hello().clone(), Settings::default(), size, fixture::now()).unwrap()
}

/// Input that gives the next event only when the loop has nothing left to do, and then ends.
fn script(events: Vec<Event>, idle: watch::Receiver<Idle>) -> impl Stream<Item = io::Result<Event>> + Unpin {
    let steps = stream::unfold((events.into_iter(), idle, 0_u64), |(mut events, mut idle, given)| async move {
        idle.wait_for(|idle| idle.quiet && idle.inputs == given && idle.wakeups > 0).await.ok()?;
        let event = events.next()?;
        Some((Ok(event), (events, idle, given + 1)))
    });
    Box::pin(steps)
}

/// Runs the real loop over a script of keys on a test screen; answers the screen at the end.
pub async fn play(fake: &Arc<Fake>, size: (u16, u16), presses: Vec<KeyEvent>) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let (parts, told) = parts(fake, "mono", TestClock::new(true));
    // The test screen does not blank the second cell of a wide character that goes away, as real
    // ones do; a repaint at the end makes the picture right.
    let repaint = Event::Resize(size.0, size.1);
    let events = presses.into_iter().map(Event::Key).chain([repaint]).collect();
    let app = app(fake, Size { width: size.0, height: size.1 });
    drive(&mut terminal, script(events, told), app, parts).await.unwrap();
    terminal
}
