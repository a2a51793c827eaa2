//! The program as a person on call meets it: the real binary in a real terminal multiplexer.
//!
//! tmux is a terminal emulator of its own, with its own idea of character widths, and it can tell
//! whether a program left the screen as it found it. Where it is missing these tests say so and pass,
//! unless `TANDEM_TMUX=1` asks for them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // helpers of tests are tests

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem");

/// How long a condition may take on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for a condition; fails with what was there last.
fn wait<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => panic!("waited in vain for {what}; there is:\n{seen}"),
            // Asking costs a process; between two looks the machine belongs to what is looked at.
            Err(_) => std::thread::park_timeout(Duration::from_millis(40)),
        }
    }
}

/// Whether there is a tmux; without one, whether that is a failure.
fn has_tmux() -> bool {
    let found = Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("TANDEM_TMUX").is_none(), "TANDEM_TMUX is set, but there is no tmux");
        eprintln!("skipped: there is no tmux on this machine");
    }
    found
}

/// A terminal with a shell in it, on a tmux server of its own.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn open(name: &str, columns: u16, rows: u16) -> Self {
        let terminal = Self { socket: format!("tandem-{}-{name}", std::process::id()) };
        let size = [columns.to_string(), rows.to_string()];
        let shell = "exec env -u NO_COLOR -u TANDEM_SOCKET PS1='ready> ' sh -i";
        terminal.tmux(&["new-session", "-d", "-x", &size[0], "-y", &size[1], shell]);
        // A program that could write to the clipboard would leave a paste buffer here.
        terminal.tmux(&["set", "-g", "set-clipboard", "on"]);
        terminal.wait("the shell", |screen| screen.contains("ready>"));
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.keys(&["Enter"]);
    }

    fn wait(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        wait(what, || {
            let screen = self.screen();
            if holds(&screen) { Ok(screen) } else { Err(screen) }
        })
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Whether a program has the alternate screen, and whether the cursor is shown.
    fn flags(&self) -> String {
        self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim().to_owned()
    }

    /// The shell is back: its own screen, its cursor, its line editing and echo.
    fn expect_restored(&self, after: &str) {
        wait(&format!("the shell's screen after {after}"), || match self.flags().as_str() {
            "0 1" => Ok(()),
            other => Err(other.to_owned()),
        });
        self.line("stty -a | grep -qw -- '-echo\\|-icanon' || echo all''sane");
        self.wait(&format!("a sane terminal after {after}"), |screen| screen.contains("allsane"));
    }

    fn console(&self, demo: &Demo) {
        self.line(&format!("{TANDEM} --socket {} console", demo.socket.display()));
        self.wait("the dashboard", |screen| screen.contains("connected") && screen.contains("waits for you"));
    }

    /// The process this shell started last.
    fn child(&self) -> Pid {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]).trim().to_owned();
        let output = Command::new("ps").args(["--ppid", &shell, "-o", "pid="]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Pid::from_raw(text.split_whitespace().last().unwrap().parse().unwrap()).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).stderr(Stdio::null()).status();
    }
}

/// A demonstration without a console.
struct Demo {
    child: Child,
    socket: PathBuf,
    remotes: Value,
    _directory: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(TANDEM)
            .args(["demo", "--headless", "--data"])
            .arg(directory.path().join("d"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let line: Value = serde_json::from_str(&first).unwrap();
        let socket = Path::new(line["socket"].as_str().unwrap()).to_owned();
        Self { child, socket, remotes: line["remotes"].clone(), _directory: directory }
    }

    /// Runs a command against it and answers its JSON lines.
    fn ask(&self, arguments: &[&str]) -> Vec<Value> {
        let output = Command::new(TANDEM).arg("--socket").arg(&self.socket).arg("--json").args(arguments).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn show(&self, id: &str) -> Value {
        self.ask(&["queue", "show", id]).remove(0)
    }

    /// Waits until the first sync is over and nothing is under way any more, then answers a held
    /// contact whose phone differs.
    fn settled_conflict(&self) -> String {
        wait("a conflict at rest", || {
            let status = self.ask(&["status"]).remove(0);
            let contacts = status["modules"].as_array().unwrap().iter().find(|module| module["name"] == "contacts");
            let contacts = contacts.unwrap().clone();
            let busy = ["ready", "inflight", "new"].iter().any(|state| !contacts["counts"][state].is_null());
            if contacts["state"] != "running" || busy || contacts["counts"]["held"].is_null() {
                return Err(contacts.to_string());
            }
            let rows = self.ask(&["queue", "list", "--module", "contacts", "--reason", "first_sync"]);
            let row = rows.iter().find(|row| row["unsolved"] == 1 && row["summary"] == "differ: Phone");
            row.map(|row| row["id"].to_string()).ok_or_else(|| contacts.to_string())
        })
    }

    /// Someone in one of the systems changes a record.
    fn edit(&self, remote: &str, object: &str, id: &str, fields: &Value) {
        let address = self.remotes[remote].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
        let body = json!({ "object": object, "id": id, "fields": fields }).to_string();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /_sim/edit HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

#[test]
fn the_demo_shows_live_work_and_leaves_the_terminal_as_it_was() {
    if !has_tmux() {
        return;
    }
    let terminal = Terminal::open("demo", 120, 40);
    terminal.line(&format!("{TANDEM} demo --records 400"));
    // Conflicts, ambiguous matches and refused writes wait; and writes go on meanwhile.
    terminal.wait("work", |screen| {
        // All of it at once: the screen can be looked at while half of a frame is painted.
        let words = ["waits for you", "ambiguous", "validation", "first sync", " DEMO ", "(admin)", "lag "];
        words.iter().all(|word| screen.contains(word))
    });
    terminal.keys(&["4"]);
    terminal.wait("writes in the log", |screen| screen.contains("wrote ") && screen.contains("writing "));
    terminal.keys(&["2"]);
    terminal.wait("the queue", |screen| screen.contains("? held") && screen.contains("ambiguous: several"));
    terminal.keys(&["q"]);
    terminal.expect_restored("quit");
}

#[test]
fn every_tab_is_usable_at_every_size() {
    if !has_tmux() {
        return;
    }
    let demo = Demo::start(&["--records", "400", "--edits-per-minute", "0"]);
    let id = demo.settled_conflict();
    let terminal = Terminal::open("sizes", 120, 40);
    terminal.console(&demo);
    terminal.keys(&["g", "i"]);
    terminal.wait("the question for a number", |screen| screen.contains("Esc cancel"));
    terminal.line(&id);
    terminal.wait("the diff", |screen| screen.contains(&format!("#{id} contact")));
    for (columns, rows) in [(120, 40), (80, 24), (60, 20), (40, 10)] {
        terminal.resize(columns, rows);
        for (key, content) in [
            ("1", "Contacts"),
            ("2", "Record"),
            ("3", "contact ? held"),
            ("5", "m Staff"),
            ("4", "newest first"),
            ("?", "search:"),
        ] {
            terminal.keys(&[key]);
            terminal.wait(&format!("{content} at {columns}×{rows}"), |screen| {
                let below: Vec<&str> = screen.lines().rev().take(2).collect();
                let framed = below.len() == 2
                    && below[1].contains("connected")
                    && (below[0].contains("help") || below[0].contains("Esc close"));
                // The last two lines say where one is and what to press.
                screen.contains(content) && screen.lines().count() == usize::from(rows) && framed
            });
        }
        terminal.keys(&["Escape"]);
        terminal.wait("the help to close", |screen| !screen.contains("search:"));
    }
    terminal.resize(39, 9);
    terminal.wait("the size it needs", |screen| screen.starts_with("tandem needs 40×10; now 39×9"));
    terminal.resize(80, 24);
    terminal.wait("the log again", |screen| screen.contains("newest first"));
}

#[test]
fn a_conflict_is_solved_by_keys_and_taken_back_after_it_was_written() {
    if !has_tmux() {
        return;
    }
    let demo = Demo::start(&["--records", "120", "--edits-per-minute", "0"]);
    let id = demo.settled_conflict();
    let phone = |item: &Value| item["fields"].as_array().unwrap().iter().find(|row| row["name"] == "phone").cloned();
    let before = phone(&demo.show(&id)).unwrap();
    assert_ne!(before["ivvy"], before["crm"]);

    let terminal = Terminal::open("solve", 120, 40);
    terminal.console(&demo);
    terminal.keys(&["g", "i"]);
    terminal.wait("the question for a number", |screen| screen.contains("Esc cancel"));
    terminal.line(&id);
    let shown = before["crm"].as_str().unwrap().to_owned();
    terminal.wait("the diff", |screen| screen.contains(&format!("#{id} contact")) && screen.contains("? choose"));
    terminal.keys(&["c"]);
    terminal.wait("the choice", |screen| screen.matches(shown.as_str()).count() == 2 && screen.contains("← Phone"));
    terminal.keys(&["a"]);
    let after = wait("the item's end", || {
        let item = demo.show(&id);
        if item["state"] == "done" { Ok(item) } else { Err(item.to_string()) }
    });
    let after = phone(&after).unwrap();
    assert_eq!((&after["ivvy"], &after["crm"]), (&before["crm"], &before["crm"]), "both have the CRM's number now");

    // Its version moved on with the write; it is still one's own decision.
    terminal.keys(&["u"]);
    terminal.wait("the reverse", |screen| screen.contains("proposes the reverse"));
    let proposals = demo.ask(&["queue", "list", "--reason", "parked"]);
    assert_eq!(proposals[0]["summary"], format!("undo of item {id}"));
    let proposal = phone(&demo.show(&proposals[0]["id"].to_string())).unwrap();
    let own = json!({ "ivvy": before["ivvy"], "crm": before["crm"] });
    assert_eq!(proposal["result"], own, "each side its own again");
}

/// ESC, CSI, OSC 52 (clipboard), OSC 8 (link), OSC 0 (title), C1 CSI, CR, bidi overrides, NUL, marks.
/// Short enough for a family name in both systems.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]52;c;SGk=\u{7}\u{1b}]8;;h:x\u{1b}\\L\u{1b}]0;pwn\u{7}\u{9b}31m\r\nY\u{202e}txt\u{2066}\u{0}\
    प्रि\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}👩\u{200d}👧";

#[test]
fn a_hostile_record_changes_nothing_but_its_own_cell() {
    if !has_tmux() {
        return;
    }
    let demo = Demo::start(&["--records", "200", "--edits-per-minute", "0"]);
    let id = demo.settled_conflict();
    let item = demo.show(&id);
    let (ivvy, crm) = (item["records"]["ivvy"].clone(), item["records"]["crm"].clone());
    let rename = |name: &str| {
        demo.edit("ivvy", "contact", ivvy.as_str().unwrap(), &json!({ "lastName": name }));
        demo.edit("salesforce", "Contact", crm.as_str().unwrap(), &json!({ "LastName": name }));
        wait("the new name", || {
            let item = demo.show(&id);
            let seen = item["fields"].as_array().unwrap().iter().find(|row| row["name"] == "last_name").cloned();
            let title = item["title"].as_str().unwrap_or_default().to_owned();
            let settled = item["state"] == "held" && (title.contains(name) || name == HOSTILE);
            match seen {
                Some(row) if settled && row["ivvy"] == name && row["crm"] == name => Ok(()),
                _ => Err(item.to_string()),
            }
        });
    };
    let terminal = Terminal::open("hostile", 120, 40);
    rename("Quiet");
    terminal.console(&demo);
    let title = terminal.tmux(&["display-message", "-p", "#{pane_title}"]);

    // The queue: every row but its own, and all that is around them.
    terminal.keys(&["2"]);
    let own = format!("#{id} ");
    let row_of = |screen: &str| screen.lines().find(|line| line.contains(&own)).map(str::to_owned);
    let others = |screen: &str| -> Vec<String> {
        // Time goes on in the status line.
        let status = screen.lines().count() - 2;
        let lines = screen.lines().enumerate().filter(|(at, line)| *at != status && !line.contains(&own));
        lines.map(|(_, line)| line.to_owned()).collect()
    };
    // The rest of the account moves until its first sync is through.
    let at_rest = |screen: &str| {
        let counts = screen.lines().find(|line| line.contains("all modules")).unwrap_or("ready");
        !["new", "ready", "inflight", "unknown", "retry"].iter().any(|state| counts.contains(state))
    };
    let shows = |screen: &str, text: &str| at_rest(screen) && row_of(screen).is_some_and(|row| row.contains(text));
    let quiet = terminal.wait("the quiet name", |screen| shows(screen, "Quiet"));
    rename(HOSTILE);
    let hostile = terminal.wait("the hostile name", |screen| shows(screen, "␛"));
    assert_eq!(others(&quiet), others(&hostile));
    let (quiet, hostile) = (row_of(&quiet).unwrap(), row_of(&hostile).unwrap());
    let end = |row: &str| row.split_whitespace().last().unwrap().to_owned();
    assert_eq!(end(&quiet), end(&hostile), "the columns after it hold what they held");

    // The diff with all fields, at two sizes: the rows of the other fields stay as they are.
    terminal.keys(&["g", "i"]);
    terminal.wait("the question for a number", |screen| screen.contains("Esc cancel"));
    terminal.line(&id);
    terminal.wait("the diff", |screen| screen.contains("? choose"));
    terminal.keys(&["f"]);
    let fields = |screen: &str| -> Vec<String> {
        let line = |name: &str| screen.lines().find(|line| line.contains(name)).map(str::to_owned);
        ["First name", "E-mail", "? Phone"].iter().filter_map(|name| line(name)).collect()
    };
    // The head of the pane names the record too: all fields are there when their rows are.
    let hostile = terminal
        .wait("all fields", |screen| fields(screen).len() == 3 && screen.contains("Last name") && screen.contains('␛'));
    assert!(hostile.contains("⟨U+202E⟩") && hostile.contains('␀'), "made visible:\n{hostile}");
    rename("Quiet");
    let quiet = terminal.wait("the quiet fields", |screen| {
        fields(screen).len() == 3 && screen.contains("Quiet") && !screen.contains('␛')
    });
    assert_eq!(fields(&quiet), fields(&hostile));
    assert_eq!(fields(&quiet).len(), 3, "{quiet}");

    // Nothing is left behind anywhere: a repainted screen is the same screen.
    terminal.keys(&["2"]);
    let left = terminal.wait("the queue", |screen| screen.contains("Record"));
    terminal.keys(&["r"]);
    let repainted = terminal.wait("the queue, repainted", |screen| screen.contains("Record"));
    assert_eq!(others(&left), others(&repainted));
    assert_eq!(terminal.tmux(&["list-buffers"]), "", "nothing reached the clipboard");
    assert_eq!(terminal.tmux(&["display-message", "-p", "#{pane_title}"]), title, "nor the title");
}

#[test]
fn the_terminal_is_restored_however_the_console_ends() {
    if !has_tmux() {
        return;
    }
    let demo = Demo::start(&["--records", "120", "--edits-per-minute", "0"]);
    demo.settled_conflict();
    let terminal = Terminal::open("ends", 80, 24);
    for signal in [None, Some(Signal::TERM), Some(Signal::HUP)] {
        terminal.console(&demo);
        assert_eq!(terminal.flags(), "1 0");
        match signal {
            None => terminal.keys(&["q"]),
            Some(signal) => kill_process(terminal.child(), signal).unwrap(),
        }
        terminal.expect_restored(&format!("{signal:?}"));
        terminal.line("clear");
    }
    terminal.console(&demo);
    terminal.keys(&["2"]);
    terminal.wait("the queue", |screen| screen.contains("Record"));
    terminal.keys(&["C-z"]);
    terminal.expect_restored("Ctrl-Z");
    terminal.line("fg");
    terminal.wait("the queue after fg", |screen| screen.contains("Record") && screen.contains("connected"));
    assert_eq!(terminal.flags(), "1 0");
    terminal.keys(&["j"]);
    terminal.wait("keys after fg", |screen| screen.lines().any(|line| line.starts_with('>')));
    terminal.keys(&["q"]);
    terminal.expect_restored("quit after fg");
}
