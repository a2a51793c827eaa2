//! Choosing the counterpart of an entry of a match table: the most similar ones, or those that contain
//! what is typed. Nothing is chosen beforehand: a stray Enter pairs nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Input;
use crate::model::RecordId;
use crate::wire::{MatchEntry, MatchLine};

/// The dialog.
#[derive(Clone, Debug)]
pub struct Pairing {
    /// Whose counterpart is wanted.
    pub entry: MatchEntry,
    /// Its name, raw.
    pub name: String,
    /// What is searched for.
    pub input: Input,
    /// What was found; `None` before the first answer.
    pub options: Option<Vec<MatchLine>>,
    /// Records that went without the entry, once they have been counted.
    pub without: Option<u64>,
    /// Whether nobody answered what was asked last. Enter asks again.
    pub failed: bool,
    /// The option under the cursor.
    pub selected: Option<usize>,
}

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Nothing that matters outside.
    Open,
    /// The text searched for is another one.
    Search(String),
    /// It was given up.
    Closed,
    /// This one.
    Option(RecordId),
}

impl Pairing {
    /// A dialog that has asked nothing yet.
    pub fn new(entry: MatchEntry, name: String) -> Self {
        Self { entry, name, input: Input::new("", false), options: None, without: None, failed: false, selected: None }
    }

    /// One key.
    pub fn key(&mut self, key: KeyEvent) -> Chosen {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Chosen::Closed,
            KeyCode::Char('c') if ctrl => return Chosen::Closed,
            KeyCode::Down | KeyCode::Tab => self.step(1),
            KeyCode::Up | KeyCode::BackTab => self.step(-1),
            KeyCode::Enter if self.failed => return self.search(),
            KeyCode::Enter => {
                let option = self.selected.and_then(|at| self.options.as_ref()?.get(at));
                return option.map_or(Chosen::Open, |option| Chosen::Option(option.row.id.clone()));
            }
            _ => {
                let before = self.input.text();
                self.input.key_into(key);
                return self.searched(&before);
            }
        }
        Chosen::Open
    }

    /// Pasted text is searched for.
    pub fn paste(&mut self, raw: &str) -> Chosen {
        let before = self.input.text();
        self.input.paste(raw);
        self.searched(&before)
    }

    fn searched(&mut self, before: &str) -> Chosen {
        let text = self.input.text();
        if text == before {
            return Chosen::Open;
        }
        self.search()
    }

    fn search(&mut self) -> Chosen {
        self.selected = None;
        self.failed = false;
        Chosen::Search(self.input.text())
    }

    fn step(&mut self, by: isize) {
        let count = self.options.as_ref().map_or(0, Vec::len);
        if count > 0 {
            let next = self.selected.map_or(0, |at| at.saturating_add_signed(by));
            self.selected = Some(next.min(count - 1));
        }
    }
}
