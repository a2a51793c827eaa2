//! Where results and errors are written.
//!
//! Nothing a remote system said reaches a terminal raw: text goes through [`plain`], JSON is escaped
//! beyond what JSON demands. A reader that hangs up (`| head`) is success, not an error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::args::ColorWhen;
use crate::error::{Error, Result};
use crate::model::Timestamp;
use crate::seam::Zone;
use crate::text::{self, plain_line};
use crate::wire::SideNames;

/// Columns of a table that is not written to a terminal.
const PIPED: usize = 160;

/// Columns of an instant: a column no wider than that is not cut.
const SHORT: usize = 25;

/// Columns no cell is cut below, however narrow the terminal.
const LEAST: usize = 8;

/// Standard output, and how to write to it.
pub struct Out {
    writer: Box<dyn Write + Send>,
    json: bool,
    color: bool,
    columns: usize,
    zone: Zone,
    closed: bool,
    names: SideNames,
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").field("json", &self.json).field("color", &self.color).finish_non_exhaustive()
    }
}

impl Out {
    /// Standard output.
    pub fn stdout(json: bool, when: ColorWhen) -> Self {
        let color = !json && wants_color(when, io::stdout().is_terminal());
        // What reads a pipe has no width; a line there should still be one a person can read.
        let columns = match io::stdout().is_terminal() {
            true => crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns.max(40))),
            false => PIPED,
        };
        Self {
            writer: Box::new(io::stdout()),
            json,
            color,
            columns,
            zone: session_zone(),
            closed: false,
            names: SideNames::default(),
        }
    }

    /// An instant as the operator's clock shows it. For people: JSON is UTC.
    pub fn when(&self, at: Timestamp) -> String {
        when(&self.zone, at)
    }

    /// What people call the two sides of the account, once a daemon has said it.
    pub fn names(&self) -> &SideNames {
        &self.names
    }

    /// Takes the names a daemon said.
    pub fn name_sides(&mut self, names: SideNames) {
        self.names = names;
    }

    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the reader has hung up: nothing more needs to be computed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes text as it is, and flushes. For text of our own only.
    ///
    /// # Errors
    /// When the output cannot be written for another reason than a reader that hung up.
    pub fn raw(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Error::unavailable("the output cannot be written")
                .because(&error)
                .hint("is the disk full, or the output closed?")),
        }
    }

    /// Writes one line. Whatever in it came from elsewhere must have passed [`plain`].
    ///
    /// # Errors
    /// As [`Out::raw`].
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        let mut line = text.as_ref().trim_end().to_owned();
        line.push('\n');
        self.raw(&line)
    }

    /// Writes one JSON object on one line.
    ///
    /// # Errors
    /// As [`Out::raw`].
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.raw(&(json_line(value) + "\n"))
    }

    /// Writes rows in columns, sanitised, and cut where the terminal (or 160 columns of a file) ends.
    /// Scripts that need whole values ask for JSON.
    ///
    /// # Errors
    /// As [`Out::raw`].
    pub fn table<const N: usize>(&mut self, head: [&str; N], rows: &[[String; N]]) -> Result<()> {
        let mut rows = with_head(head, rows);
        let caps = caps(&rows, self.columns);
        for row in &mut rows {
            for (cell, cap) in row.iter_mut().zip(&caps) {
                *cell = plain_line(cell, Some(*cap));
            }
        }
        for (index, line) in text::columns(&rows, usize::MAX).iter().enumerate() {
            self.line(if index == 0 { self.paint(Paint::Bold, line) } else { line.clone() })?;
        }
        Ok(())
    }

    /// Whether rows would fit uncut.
    pub fn fits<const N: usize>(&self, head: [&str; N], rows: &[[String; N]]) -> bool {
        let rows = with_head(head, rows);
        caps(&rows, self.columns) == natural(&rows)
    }

    /// `text` in this style, if colours are on.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if self.color { paint.apply(text) } else { text.to_owned() }
    }
}

fn with_head<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<Vec<String>> {
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows.iter().map(|row| row.to_vec())).collect()
}

/// The widest cell of each column.
fn natural(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| text::width(&plain(cell))).max();
    (0..count).map(|at| width(at).unwrap_or(0)).collect()
}

/// The width of each column for the rows to fit: those with texts give way, the widest first; what
/// is short anyway (ids, states, instants) is never cut.
fn caps(rows: &[Vec<String>], room: usize) -> Vec<usize> {
    let natural = natural(rows);
    let gaps = 2 * natural.len().saturating_sub(1);
    let capped = |cap: usize| -> Vec<usize> {
        natural.iter().map(|width| if *width <= SHORT { *width } else { (*width).min(cap) }).collect()
    };
    let fits = |cap: &usize| capped(*cap).iter().sum::<usize>() + gaps <= room;
    match fits(&usize::MAX) {
        true => natural.clone(),
        false => capped((LEAST..room.max(LEAST)).rev().find(fits).unwrap_or(LEAST)),
    }
}

/// The few styles the command line uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Headings.
    Bold,
    /// Errors and what is broken.
    Red,
    /// What is fine.
    Green,
    /// What waits for a person.
    Yellow,
}

impl Paint {
    fn apply(self, text: &str) -> String {
        let code = match self {
            Self::Bold => 1,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn wants_color(when: ColorWhen, terminal: bool) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Prints an error to standard error: a sentence, its causes, a hint; or one JSON object.
pub fn report(error: &Error, json: bool, when: ColorWhen) {
    let mut stderr = io::stderr();
    let text = if json {
        json_line(&json!({ "error": error_shape(error) })) + "\n"
    } else {
        let color = wants_color(when, stderr.is_terminal());
        error_text(error, color)
    };
    // Nobody is left to be told when standard error is gone.
    let _ = stderr.write_all(text.as_bytes());
}

fn error_text(error: &Error, color: bool) -> String {
    let tag = if color { Paint::Red.apply("error:") } else { "error:".to_owned() };
    let mut text = format!("{tag} {}\n", plain(&error.message));
    for cause in &error.causes {
        let _ = writeln!(text, "  caused by: {}", plain(cause));
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "  hint: {}", plain(hint));
    }
    text
}

/// An error as scripts see it.
pub fn error_shape(error: &Error) -> Value {
    json!({
        "kind": error.kind,
        "exit_code": error.kind.exit_code(),
        "message": error.message,
        "causes": error.causes,
        "hint": error.hint,
    })
}

/// Text from elsewhere as one harmless line: the console's own sanitiser, at full length.
pub fn plain(text: &str) -> String {
    plain_line(text, None)
}

/// JSON on one line, with every character [`plain`] would reveal written as `\uXXXX`.
pub fn json_line<T: Serialize + ?Sized>(value: &T) -> String {
    // Invariant: what is printed serialises without error (string keys, no custom failures).
    escape_revealed(serde_json::to_string(value).unwrap_or_default())
}

/// JSON on one line with every character [`plain`] would reveal written as `\uXXXX`.
pub fn escape_revealed(line: String) -> String {
    if !line.chars().any(text::is_revealed) {
        return line;
    }
    let mut safe = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if text::is_revealed(c) {
            // Such characters occur inside strings only, where an escape means the same.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The zone of whoever runs this, by the `TZ` of the session (N-08).
pub fn session_zone() -> Zone {
    Zone::of_session(std::env::var("TZ").ok().as_deref())
}

/// An instant as people in `zone` read it, with its distance from UTC.
fn when(zone: &Zone, at: Timestamp) -> String {
    match zone {
        Zone::Utc => at.to_datetime().format("%Y-%m-%d %H:%M:%SZ").to_string(),
        _ => zone.at(at).format("%Y-%m-%d %H:%M:%S%:z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_says_how_far_from_utc_it_is_read_n08() {
        let at = Timestamp::from_secs(1_795_000_000);
        assert_eq!(when(&Zone::Utc, at), "2026-11-18 11:06:40Z");
        assert_eq!(when(&Zone::fixed("Sydney", 39_600), at), "2026-11-18 22:06:40+11:00");
        assert!(when(&Zone::fixed("Sydney", 39_600), at).len() <= SHORT, "and is never cut");
    }

    #[test]
    fn hostile_text_is_made_visible() {
        assert_eq!(plain("Zoë Ångström"), "Zoë Ångström");
        assert_eq!(plain("a\u{1b}[31mb\nc\u{9b}d\u{202e}e"), "a␛[31mb⏎c⟨U+009B⟩d⟨U+202E⟩e");
        let line = json_line("a\u{9b}\u{202e}\u{e0041}\u{1b}é");
        assert_eq!(line, r#""a\u009b\u202e\udb40\udc41\u001bé""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), "a\u{9b}\u{202e}\u{e0041}\u{1b}é");
    }

    #[test]
    fn the_widest_columns_give_way_until_the_row_fits() {
        let rows = vec![vec!["7".to_owned(), "x".repeat(90), "y".repeat(50)]];
        assert_eq!(caps(&rows, 200), [1, 90, 50]);
        assert_eq!(caps(&rows, 100), [1, 47, 47]);
        assert_eq!(caps(&rows, 5), [1, 8, 8], "a short column stays whole");
    }

    #[test]
    fn an_error_is_a_sentence_its_causes_and_a_hint() {
        let mut error = Error::unavailable("no daemon answers").hint("start one");
        error.causes.push("refused".to_owned());
        assert_eq!(error_text(&error, false), "error: no daemon answers\n  caused by: refused\n  hint: start one\n");
        assert_eq!(error_shape(&error)["exit_code"], 4);
    }
}
