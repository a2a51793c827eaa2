//! The terminal itself: what bytes reach it, and that it is left as it was found.
//!
//! Everything above draws into a [`Surface`]. [`Tty`] is the real one: it gathers a frame in memory
//! and sends it in one synchronized write. A layer that saves bytes on the line would be another
//! `Surface`; no view would notice.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use futures::future::BoxFuture;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, TestBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::shadow::Shadow;

/// What the console draws on.
pub trait Surface: Backend {
    /// Sends the frame drawn since the last commit.
    ///
    /// # Errors
    /// The terminal cannot be written.
    fn commit(&mut self) -> Result<(), Self::Error>;

    /// Gives the terminal back to the shell, stops this process, and takes it again afterwards.
    ///
    /// # Errors
    /// The terminal cannot be switched.
    fn suspend(&mut self) -> BoxFuture<'_, Result<(), Self::Error>>;
}

impl Surface for TestBackend {
    fn commit(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn suspend(&mut self) -> BoxFuture<'_, Result<(), Self::Error>> {
        Box::pin(async { Ok(()) })
    }
}

/// Where crossterm's commands wait until the frame is complete. Shared, because ratatui's backend
/// owns its writer and does not hand it out; `flush` does nothing, because crossterm flushes in the
/// middle of a frame.
#[derive(Clone, Debug, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal behind `out`.
#[derive(Debug)]
pub struct Tty<W: Write> {
    inner: CrosstermBackend<Pending>,
    pending: Pending,
    out: W,
    /// Set for a fixed size; otherwise the terminal is asked.
    fixed: Option<Size>,
    cursor: Position,
    cursor_shown: bool,
    shown: Shadow,
}

impl<W: Write> Tty<W> {
    /// On the terminal behind `out`, whose size is asked from the operating system.
    pub fn new(out: W) -> Self {
        let pending = Pending::default();
        let inner = CrosstermBackend::new(pending.clone());
        Self {
            inner,
            pending,
            out,
            fixed: None,
            cursor: Position::ORIGIN,
            cursor_shown: true,
            shown: Shadow::default(),
        }
    }

    /// On a writer that stands for a terminal of this size: recordings and tests.
    pub fn of_size(out: W, size: Size) -> Self {
        Self { fixed: Some(size), ..Self::new(out) }
    }

    /// What was written to.
    pub fn out(&self) -> &W {
        &self.out
    }
}

impl<W: Write> Backend for Tty<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut plain = Vec::new();
        let mut delicate = std::collections::BTreeSet::new();
        for (x, y, cell) in content {
            if self.shown.put(x, y, cell) {
                delicate.insert(y);
            } else {
                plain.push((x, y, cell));
            }
        }
        plain.retain(|(_, y, _)| !delicate.contains(y));
        self.inner.draw(plain.into_iter())?;
        for y in delicate {
            self.inner.set_cursor_position(Position { x: 0, y })?;
            self.inner.clear_region(ClearType::CurrentLine)?;
            for run in self.shown.runs(y) {
                self.inner.draw(run.iter().map(|(x, cell)| (*x, y, *cell)))?;
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        // ratatui hides it after every frame; once is enough.
        if std::mem::take(&mut self.cursor_shown) {
            self.inner.hide_cursor()?;
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !self.cursor_shown {
            self.cursor_shown = true;
            self.inner.show_cursor()?;
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Never asked from the terminal: its answer would arrive among the keys, or not at all.
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.shown = Shadow::default();
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        if clear_type == ClearType::All {
            self.shown = Shadow::default();
        }
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        match self.fixed {
            Some(size) => Ok(size),
            None => self.inner.size(),
        }
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write + Send> Surface for Tty<W> {
    fn commit(&mut self) -> io::Result<()> {
        let frame = self.pending.take();
        if frame.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(frame.len() + 16);
        queue!(bytes, BeginSynchronizedUpdate)?;
        bytes.extend_from_slice(&frame);
        queue!(bytes, EndSynchronizedUpdate)?;
        self.out.write_all(&bytes)?;
        self.out.flush()
    }

    fn suspend(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
            restore();
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
            // The stop may reach the process a moment after `kill` returns, and a process without a
            // shell that could continue it is not stopped at all: hence a wait, but a bounded one.
            let _ = tokio::time::timeout(Duration::from_millis(150), continued.recv()).await;
            take_over()?;
            self.cursor_shown = true;
            Ok(())
        })
    }
}

/// The thread whose panic ends the console. Another one's (a daemon hosted in this process) must
/// not switch the terminal while the console goes on drawing.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);

/// Restores the terminal if `entitled` to, and once only: leaving the alternate screen a second time
/// would put the cursor back over what has been printed since.
fn restore_once(entitled: impl Fn(ThreadId) -> bool) {
    let owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner).take_if(|owner| entitled(*owner));
    if owner.is_some() {
        restore();
    }
}

/// Switches the terminal to the console's mode and back when dropped. Restores first when the
/// thread that started it panics, so that the message can be read.
#[derive(Debug)]
pub struct Session(());

impl Session {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It is not a terminal, or cannot be switched.
    pub fn start() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore_once(|owner| owner == std::thread::current().id());
                before(panic);
            }));
        });
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        // crossterm honours NO_COLOR by resetting attributes with every colour, which would make the
        // selection invisible. We honour it ourselves, with a theme that has no colours.
        crossterm::style::force_color_output(true);
        let session = Self(());
        take_over()?;
        Ok(session)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        restore_once(|_| true);
    }
}

fn take_over() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)
}

/// Every step for itself: one that fails must not keep the others from being tried.
fn restore() {
    let mut out = io::stdout();
    let _ = execute!(out, EndSynchronizedUpdate);
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, LeaveAlternateScreen);
    let _ = execute!(out, cursor::Show);
    let _ = disable_raw_mode();
}
