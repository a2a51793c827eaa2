//! The public entry on a real pseudo-terminal: it must be left as it was found, however the console
//! ends. The child is this very test binary, run again for its one ignored test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests

#[path = "../src/tui/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod tui_support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
// The fixture is shared with the library's unit tests and speaks of `crate::…`.
use tandem::tui::{Backend, BackendEvent, CallError, Options};
#[allow(unused_imports)]
use tandem::{error, model, wire};
use tui_support::Fake;

const MODE: &str = "TANDEM_TEST_PTY_CHILD";

/// The console as a process of its own. Does nothing unless the tests below start it.
#[test]
#[ignore = "the child of the other tests"]
fn child_console() {
    let Ok(mode) = std::env::var(MODE) else { return };
    let fake = Fake::with_conflicts(30);
    let backend: Arc<dyn Backend> = if mode == "panic" { Arc::new(Panicking(fake)) } else { fake };
    let options = Options { no_color: std::env::var_os("NO_COLOR").is_some(), ..Options::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(tandem::tui::run(backend, options)).unwrap();
    println!("the console has ended");
}

/// A backend with a defect: it panics when the queue is asked for.
struct Panicking(Arc<Fake>);

impl Backend for Panicking {
    fn hello(&self) -> &wire::Hello {
        self.0.hello()
    }

    fn call(&self, request: wire::Request) -> futures::future::BoxFuture<'_, Result<wire::Answer, CallError>> {
        assert!(!matches!(request, wire::Request::Page(_)), "an injected defect");
        self.0.call(request)
    }

    fn events(&self) -> tokio::sync::mpsc::Receiver<BackendEvent> {
        self.0.events()
    }
}

struct Pty {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn std::io::Write + Send>,
    output: mpsc::Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    emulated: vt100::Parser,
}

impl Pty {
    fn start(mode: &str, env: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["child_console", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("TERM", "xterm-256color");
        command.env(MODE, mode);
        command.env_remove("NO_COLOR");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (rows, columns) = (24.try_into().unwrap(), 80.try_into().unwrap());
        let writer = pair.master.take_writer().unwrap();
        let emulated = vt100::Parser::new(rows, columns, 0);
        Self { child, master: pair.master, writer, output, bytes: Vec::new(), emulated }
    }

    /// Reads until `reached`, or fails with what is on the screen.
    fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        while !reached(self) {
            match self.output.recv_timeout(Duration::from_secs(30)) {
                Ok(bytes) => {
                    self.emulated.process(&bytes);
                    self.bytes.extend(bytes);
                }
                Err(_) => panic!("never: {what}\n{}", self.text()),
            }
        }
    }

    fn text(&self) -> String {
        self.emulated.screen().contents()
    }

    fn shows(&mut self, text: &str) {
        self.until(text, |pty| pty.text().contains(text));
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn restored(&mut self) {
        self.until("the terminal is as it was", |pty| {
            let screen = pty.emulated.screen();
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
    }

    fn count(&self, sequence: &[u8]) -> usize {
        self.bytes.windows(sequence.len()).filter(|window| *window == sequence).count()
    }
}

#[test]
fn keys_move_the_selection_and_leaving_restores_the_terminal() {
    let mut pty = Pty::start("run", &[]);
    pty.shows("Companies");
    assert!(pty.emulated.screen().alternate_screen() && pty.emulated.screen().bracketed_paste());
    pty.press("2");
    pty.shows("Contact 3");
    pty.press("jj");
    pty.until("the marker on the third row", |pty| {
        pty.emulated.screen().cell(6, 0).is_some_and(|cell| cell.contents() == ">")
    });
    assert!(pty.emulated.screen().cell(6, 0).unwrap().inverse());
    pty.press("q");
    pty.shows("the console has ended");
    pty.restored();
    assert!(pty.child.wait().unwrap().success());
}

#[test]
fn being_terminated_or_hung_up_restores_the_terminal() {
    for signal in [Signal::TERM, Signal::HUP] {
        let mut pty = Pty::start("run", &[]);
        pty.shows("Companies");
        pty.signal(signal);
        pty.shows("the console has ended");
        pty.restored();
        assert!(pty.child.wait().unwrap().success());
    }
}

#[test]
fn a_panic_restores_the_terminal_before_it_speaks() {
    let mut pty = Pty::start("panic", &[("RUST_BACKTRACE", "0")]);
    pty.shows("Companies");
    pty.press("2");
    pty.shows("an injected defect");
    pty.restored();
    assert!(!pty.child.wait().unwrap().success());
    pty.shows("test result");
    // A second one would put the cursor back over the message.
    assert_eq!(pty.count(b"\x1b[?1049l"), 1);
}

#[test]
fn suspending_gives_the_terminal_back_and_takes_it_again_with_a_full_repaint() {
    let mut pty = Pty::start("run", &[]);
    pty.press("2");
    pty.shows("Contact 3");
    pty.press("\x1a");
    // Without a shell that does job control nobody stops the process; it comes back by itself.
    pty.until("it left and came back", |pty| pty.count(b"\x1b[?1049l") == 1 && pty.count(b"\x1b[?1049h") == 2);
    pty.shows("Contact 3");
    pty.press("j");
    pty.until("keys work again", |pty| pty.emulated.screen().cell(5, 0).is_some_and(|cell| cell.contents() == ">"));
    pty.press("q");
    pty.restored();
}

#[test]
fn a_resize_fills_the_new_size() {
    let mut pty = Pty::start("run", &[]);
    pty.press("2");
    pty.shows("Contact 18");
    pty.emulated.screen_mut().set_size(40.try_into().unwrap(), 120.try_into().unwrap());
    pty.master.resize(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).unwrap();
    pty.shows("Contact 29");
    pty.press("q");
    pty.restored();
}

#[test]
fn without_colour_the_selection_is_still_seen() {
    let mut pty = Pty::start("run", &[("NO_COLOR", "1")]);
    pty.press("2");
    pty.until("the marker", |pty| pty.emulated.screen().cell(4, 0).is_some_and(|cell| cell.contents() == ">"));
    assert!(pty.emulated.screen().cell(4, 0).unwrap().inverse());
    let (rows, columns) = (24, 80);
    for cell in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
        let cell = pty.emulated.screen().cell(cell.0, cell.1).unwrap();
        assert_eq!((cell.fgcolor(), cell.bgcolor()), (vt100::Color::Default, vt100::Color::Default));
    }
    pty.press("q");
    pty.restored();
}

#[test]
fn a_terminal_that_cannot_place_its_cursor_gets_a_sentence() {
    let mut pty = Pty::start("run", &[("TERM", "dumb")]);
    pty.shows("the console needs a terminal");
    assert_eq!(pty.count(b"\x1b[?1049h"), 0);
}
