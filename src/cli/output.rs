//! Where results and errors are written.
//!
//! Nothing a remote system said reaches a terminal raw: text goes through [`plain`], JSON is escaped
//! beyond what JSON demands. A reader that hangs up (`| head`) is success, not an error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::args::ColorWhen;
use crate::error::{Error, Result};
use crate::model::Timestamp;

/// Standard output, and how to write to it.
pub struct Out {
    writer: Box<dyn Write + Send>,
    json: bool,
    color: bool,
    closed: bool,
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
        Self { writer: Box::new(io::stdout()), json, color, closed: false }
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

    /// Writes rows in columns. Cells must be [`plain`].
    ///
    /// # Errors
    /// As [`Out::raw`].
    pub fn table<const N: usize>(&mut self, head: [&str; N], rows: &[[String; N]]) -> Result<()> {
        let mut widths = head.map(|cell| cell.width());
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let head = head.map(str::to_owned);
        for (index, row) in std::iter::once(&head).chain(rows).enumerate() {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width - cell.width() + 2));
            }
            let line = line.trim_end();
            self.line(if index == 0 { self.paint(Paint::Bold, line) } else { line.to_owned() })?;
        }
        Ok(())
    }

    /// `text` in this style, if colours are on.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if self.color { paint.apply(text) } else { text.to_owned() }
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

/// Text from elsewhere, made harmless for a terminal: control characters, direction overrides and
/// invisible characters become visible escapes.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            c if is_unsafe(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON on one line, with every character [`plain`] would escape written as `\uXXXX`.
pub fn json_line<T: Serialize + ?Sized>(value: &T) -> String {
    // Invariant: what is printed serialises without error (string keys, no custom failures).
    let line = serde_json::to_string(value).unwrap_or_default();
    if !line.chars().any(is_unsafe) {
        return line;
    }
    let mut safe = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_unsafe(c) {
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

/// An instant as people read it.
pub fn when(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_made_visible() {
        assert_eq!(plain("Zoë Ångström"), "Zoë Ångström");
        assert_eq!(plain("a\u{1b}[31mb\nc\u{9b}d\u{202e}e"), "a\\u{1b}[31mb\\nc\\u{9b}d\\u{202e}e");
        let line = json_line("a\u{9b}\u{202e}\u{e0041}\u{1b}é");
        assert_eq!(line, r#""a\u009b\u202e\udb40\udc41\u001bé""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), "a\u{9b}\u{202e}\u{e0041}\u{1b}é");
    }

    #[test]
    fn an_error_is_a_sentence_its_causes_and_a_hint() {
        let mut error = Error::unavailable("no daemon answers").hint("start one");
        error.causes.push("refused".to_owned());
        assert_eq!(error_text(&error, false), "error: no daemon answers\n  caused by: refused\n  hint: start one\n");
        assert_eq!(error_shape(&error)["exit_code"], 4);
    }
}
