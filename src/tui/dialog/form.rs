//! The one form: confirmations, typed confirmations, reasons, values, filters.
//!
//! A form without fields starts on Cancel, so that a stray Enter does nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_textarea::{CursorMove, TextArea};

use crate::model::{
    Choice, CustomField, FieldKind, ItemId, ModuleId, RecordId, Side, SourceChange, StreamId, Value, Verb,
};
use crate::text::{Safe, strip_controls};
use crate::tui::action::Tier;
use crate::tui::app::Target;
use crate::tui::mapping::Seen;
use crate::wire::{MapChange, MatchEntry, MatchVerb, NOTE, StreamVerb};

/// Longest text an input takes, in bytes.
const INPUT_MAX: usize = 64 * 1024;

/// A text being typed.
#[derive(Clone, Debug)]
pub struct Input {
    area: TextArea<'static>,
    /// Whether Enter makes a new line.
    pub multiline: bool,
    /// Whether something invisible was taken out of the text it started with.
    pub cleaned: bool,
}

impl Input {
    /// Starting with `raw`, cursor at the end. What must not be typed is left out of it.
    pub fn new(raw: &str, multiline: bool) -> Self {
        let (text, cleaned) = strip_controls(raw, multiline);
        let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
        area.set_cursor_line_style(ratatui::style::Style::default());
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self { area, multiline, cleaned }
    }

    /// What was typed.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// The editor, for drawing.
    pub fn area(&self) -> &TextArea<'static> {
        &self.area
    }

    /// Adds pasted text: controls are left out, and line breaks where there is one line.
    pub fn paste(&mut self, raw: &str) {
        let (text, _) = strip_controls(raw, self.multiline);
        if self.text().len() + text.len() <= INPUT_MAX {
            self.area.insert_str(text);
        }
    }

    /// One key.
    pub(in crate::tui) fn key_into(&mut self, key: KeyEvent) {
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Enter if !self.multiline => {}
            KeyCode::Char(c) if plain && strip_controls(c.encode_utf8(&mut [0; 4]), true).1 => {}
            KeyCode::Char(_) if plain && self.text().len() >= INPUT_MAX => {}
            _ => {
                self.area.input(key);
            }
        }
    }
}

/// Something to fill in.
#[derive(Clone, Debug)]
pub enum Field {
    /// Which side wins.
    Side(Option<Side>),
    /// Exactly this text must be typed.
    Typed {
        /// What to type.
        expect: String,
        /// What was typed.
        input: Input,
    },
    /// Free text.
    Text {
        /// What it is.
        label: &'static str,
        /// What was typed.
        input: Input,
        /// Whether it may stay empty.
        required: bool,
    },
    /// One of these.
    Options {
        /// What it is.
        label: &'static str,
        /// The choices.
        options: Vec<&'static str>,
        /// Which.
        selected: usize,
    },
}

impl Field {
    fn input(&mut self) -> Option<&mut Input> {
        match self {
            Self::Typed { input, .. } | Self::Text { input, .. } => Some(input),
            Self::Side(_) | Self::Options { .. } => None,
        }
    }

    /// What is missing, in words.
    fn complaint(&self) -> Option<String> {
        match self {
            Self::Side(None) => Some("choose a side with ← →".to_owned()),
            Self::Typed { expect, input } if input.text().trim() != expect => Some(format!("type {expect} to confirm")),
            Self::Text { label, input, required: true } if input.text().trim().is_empty() => {
                Some(format!("{label} is needed"))
            }
            _ => None,
        }
    }
}

/// What a form is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Purpose {
    /// Carry out a verb.
    Verb {
        /// What.
        verb: Verb,
        /// On which items, on which versions.
        targets: Vec<Target>,
    },
    /// Pair with a candidate.
    Pair {
        /// The item.
        target: Target,
        /// The counterpart.
        record: RecordId,
    },
    /// Choose a value for a field.
    EditField {
        /// Its kind, for the check.
        kind: FieldKind,
    },
    /// Set the text filter.
    FilterText,
    /// Open an item.
    Goto,
    /// Set the text filter of the match tables.
    MatchFilter,
    /// Decide about an entry of a match table.
    Match {
        /// About which.
        entry: MatchEntry,
        /// What.
        verb: MatchVerb,
    },
    /// Send what a lead source is to its counterpart.
    MatchUpdate {
        /// Which.
        entry: MatchEntry,
        /// What, as the operator saw it.
        change: SourceChange,
    },
    /// Release the guard.
    GuardRelease {
        /// Which module.
        module: ModuleId,
        /// Held items as seen.
        expect: u64,
        /// Only some, asked in the form.
        sample: bool,
    },
    /// Discard what the guard holds.
    GuardDiscard {
        /// Which module.
        module: ModuleId,
        /// Held items as seen.
        expect: u64,
    },
    /// Pause or resume.
    Pause {
        /// Which module.
        module: ModuleId,
        /// Whether it is paused now.
        paused: bool,
    },
    /// Read everything.
    SyncFull {
        /// Which module.
        module: ModuleId,
    },
    /// How a field goes over; the next question is whether.
    MapField {
        /// The field as it is so far.
        field: Box<CustomField>,
        /// What it was asked of.
        seen: Seen,
    },
    /// Change a field map.
    Map(Box<MapChange>),
    /// Plan what differs in a mapped field.
    MapResync {
        /// Which module.
        module: ModuleId,
        /// Its short name.
        field: String,
    },
    /// Do something about a stream.
    Stream {
        /// Which stream.
        stream: StreamId,
        /// What.
        verb: StreamVerb,
    },
    /// Say from which day on a stream's records take part.
    FirstSync {
        /// Which stream.
        stream: StreamId,
    },
    /// Leave, although choices would be lost.
    Quit,
}

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// The question.
    pub title: Safe,
    /// What to know before answering.
    pub lines: Vec<Safe>,
    /// What to fill in.
    pub fields: Vec<Field>,
    /// The word on the button that does it.
    pub submit: &'static str,
    /// How much harm it can do.
    pub tier: Tier,
    /// What it is for.
    pub purpose: Purpose,
    /// Index of the focused field; then Cancel, then the other button.
    pub focus: usize,
    /// What is missing, after an attempt to submit.
    pub complaint: Option<Safe>,
}

/// What a key did to a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stays open.
    Open,
    /// It was given up.
    Cancelled,
    /// It is complete.
    Submitted,
}

impl Form {
    /// A form with its first field focused, or Cancel when there is none.
    pub fn new(title: &str, submit: &'static str, tier: Tier, purpose: Purpose) -> Self {
        Self {
            title: Safe::new(title),
            lines: Vec::new(),
            fields: Vec::new(),
            submit,
            tier,
            purpose,
            focus: 0,
            complaint: None,
        }
    }

    /// With something to know.
    #[must_use]
    pub fn line(mut self, raw: &str) -> Self {
        self.lines.push(Safe::limited(raw, 600));
        self
    }

    /// With something to fill in.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Whether Cancel has the focus.
    pub fn on_cancel(&self) -> bool {
        self.focus == self.fields.len()
    }

    /// Whether the button that does it has the focus.
    pub fn on_submit(&self) -> bool {
        self.focus == self.fields.len() + 1
    }

    /// Pasted text goes to the focused input, and nowhere else.
    pub fn paste(&mut self, raw: &str) {
        if let Some(input) = self.fields.get_mut(self.focus).and_then(Field::input) {
            input.paste(raw);
        }
    }

    /// One key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        self.complaint = None;
        let places = self.fields.len() + 2;
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Outcome::Cancelled,
            KeyCode::Char('c') if ctrl => return Outcome::Cancelled,
            KeyCode::Tab => self.focus = (self.focus + 1) % places,
            KeyCode::BackTab => self.focus = (self.focus + places - 1) % places,
            KeyCode::Char('d') if ctrl => return self.submit(),
            _ if self.focus >= self.fields.len() => return self.button_key(key),
            _ => return self.field_key(key),
        }
        Outcome::Open
    }

    fn button_key(&mut self, key: KeyEvent) -> Outcome {
        let (cancel, submit) = (self.fields.len(), self.fields.len() + 1);
        match key.code {
            KeyCode::Left | KeyCode::Right | KeyCode::Char('h' | 'l') => {
                self.focus = if self.on_cancel() { submit } else { cancel };
            }
            KeyCode::Up | KeyCode::Down if cancel > 0 => self.focus = cancel - 1,
            KeyCode::Enter if self.on_cancel() => return Outcome::Cancelled,
            KeyCode::Enter => return self.submit(),
            // Another key than the one that opened the form: pressing that twice does nothing.
            KeyCode::Char('y') if self.fields.is_empty() => return self.submit(),
            KeyCode::Char('n' | 'q') => return Outcome::Cancelled,
            _ => {}
        }
        Outcome::Open
    }

    fn field_key(&mut self, key: KeyEvent) -> Outcome {
        let last = self.focus + 1 == self.fields.len();
        let Some(field) = self.fields.get_mut(self.focus) else { return Outcome::Open };
        let multiline = field.input().is_some_and(|input| input.multiline);
        match (key.code, &mut *field) {
            (KeyCode::Enter, _) if !multiline => {
                if let Some(complaint) = field.complaint() {
                    self.complaint = Some(Safe::new(&complaint));
                } else if last {
                    return self.submit();
                } else {
                    self.focus += 1;
                }
            }
            (KeyCode::Down, _) if !multiline => self.focus += 1,
            (KeyCode::Up, _) if !multiline => self.focus = self.focus.saturating_sub(1),
            (KeyCode::Left | KeyCode::Char('i'), Field::Side(side)) => *side = Some(Side::Ivvy),
            (KeyCode::Right | KeyCode::Char('c'), Field::Side(side)) => *side = Some(Side::Crm),
            (KeyCode::Left | KeyCode::Char('h'), Field::Options { selected, .. }) => {
                *selected = selected.saturating_sub(1);
            }
            (KeyCode::Right | KeyCode::Char('l'), Field::Options { options, selected, .. }) => {
                *selected = (*selected + 1).min(options.len().saturating_sub(1));
            }
            (_, field) => {
                if let Some(input) = field.input() {
                    input.key_into(key);
                }
            }
        }
        Outcome::Open
    }

    fn submit(&mut self) -> Outcome {
        let missing = self.fields.iter().enumerate().find_map(|(at, field)| field.complaint().map(|why| (at, why)));
        let complaint = missing.or_else(|| self.check_value().err());
        match complaint {
            Some((at, why)) => {
                self.focus = at;
                self.complaint = Some(Safe::new(&why));
                Outcome::Open
            }
            None => Outcome::Submitted,
        }
    }

    /// The field that will not do, and why.
    fn check_value(&self) -> Result<(), (usize, String)> {
        let first = |why: String| (0, why);
        match &self.purpose {
            Purpose::EditField { kind } => parse_value(*kind, &self.first_text()).map(drop).map_err(first),
            Purpose::Goto => {
                self.first_text().trim().parse::<ItemId>().map(drop).map_err(|_| first("type a number".to_owned()))
            }
            Purpose::GuardRelease { sample, expect, .. } => {
                let count = self.first_text().trim().parse::<u64>();
                if *sample && !count.is_ok_and(|count| count > 0 && count <= *expect) {
                    return Err(first(format!("type a number from 1 to {expect}")));
                }
                match self.last_text().trim().chars().count() {
                    0 => Ok(()),
                    count if NOTE.contains(&count) => Ok(()),
                    count => {
                        let why = format!("{} to {} characters, not {count}", NOTE.start(), NOTE.end());
                        Err((self.fields.len().saturating_sub(1), why))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// The text of the first free text field.
    pub fn first_text(&self) -> String {
        let text = self.fields.iter().find_map(|field| match field {
            Field::Text { input, .. } => Some(input.text()),
            _ => None,
        });
        text.unwrap_or_default()
    }

    /// The text of the last free text field.
    pub fn last_text(&self) -> String {
        let text = self.fields.iter().rev().find_map(|field| match field {
            Field::Text { input, .. } => Some(input.text()),
            _ => None,
        });
        text.unwrap_or_default()
    }

    /// The side chosen.
    pub fn side(&self) -> Option<Side> {
        self.fields.iter().find_map(|field| match field {
            Field::Side(side) => *side,
            _ => None,
        })
    }

    /// The option chosen.
    pub fn option(&self) -> Option<usize> {
        self.fields.iter().find_map(|field| match field {
            Field::Options { selected, .. } => Some(*selected),
            _ => None,
        })
    }

    /// The value typed, as a choice.
    pub fn value(&self, kind: FieldKind) -> Option<Choice> {
        parse_value(kind, &self.first_text()).ok().map(Choice::Custom)
    }
}

/// Whether `text` is a decimal number without exponent.
fn is_amount(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') && text.parse::<f64>().is_ok()
}

/// A value of `kind` from typed text.
///
/// # Errors
/// What would be right, in words.
pub fn parse_value(kind: FieldKind, typed: &str) -> Result<Value, String> {
    let text = typed.trim();
    match kind {
        FieldKind::Bool => match text.to_lowercase().as_str() {
            "yes" | "true" | "1" => Ok(Value::Bool(true)),
            "no" | "false" | "0" => Ok(Value::Bool(false)),
            _ => Err("type yes or no".to_owned()),
        },
        FieldKind::Int if text.is_empty() => Ok(Value::Null),
        FieldKind::Int => text.parse().map(Value::Int).map_err(|_| "type a whole number".to_owned()),
        FieldKind::Date if text.is_empty() => Ok(Value::Null),
        FieldKind::Date => match chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(date) => Ok(Value::Text(date.to_string())),
            Err(_) => Err("type a date as yyyy-mm-dd".to_owned()),
        },
        FieldKind::Email if !text.is_empty() && !text.contains('@') => Err("an e-mail address has an @".to_owned()),
        FieldKind::Choices => {
            Ok(Value::Set(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()))
        }
        FieldKind::ConstantId => Err("a constant id cannot be typed; pair the records instead".to_owned()),
        FieldKind::LongText | FieldKind::Html => Ok(Value::text(typed)),
        FieldKind::DateTime if text.is_empty() => Ok(Value::Null),
        FieldKind::DateTime => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(_) => Ok(Value::text(text)),
            Err(_) => Err("type an instant like 2026-01-31T09:30:00Z".to_owned()),
        },
        FieldKind::Money if !text.is_empty() && !is_amount(text) => Err("type an amount like 1234.50".to_owned()),
        FieldKind::Match(_) => Err("owner and source come from the match tables; pair them there".to_owned()),
        FieldKind::Money
        | FieldKind::Text
        | FieldKind::Email
        | FieldKind::Phone
        | FieldKind::Url
        | FieldKind::Choice
        | FieldKind::Reference(_) => Ok(Value::text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(form: &mut Form, code: KeyCode) -> Outcome {
        form.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn typed(expect: &str) -> Form {
        Form::new("?", "do it", Tier::T3, Purpose::Quit)
            .field(Field::Typed { expect: expect.into(), input: Input::new("", false) })
            .field(Field::Text { label: "a reason", input: Input::new("", false), required: true })
    }

    #[test]
    fn a_plain_confirmation_starts_on_cancel() {
        let mut form = Form::new("?", "do it", Tier::T2, Purpose::Quit);
        assert!(form.on_cancel());
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Cancelled);
        assert_eq!(press(&mut form, KeyCode::Right), Outcome::Open);
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Submitted);
    }

    #[test]
    fn a_typed_confirmation_cannot_be_passed_by_enter() {
        let mut form = typed("42");
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Open);
        assert!(form.complaint.is_some());
        for key in ['4', '2'] {
            press(&mut form, KeyCode::Char(key));
        }
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Open, "the reason is missing");
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Open);
        assert_eq!(form.complaint.as_ref().unwrap().as_str(), "a reason is needed");
        form.paste("agreed with\n\x1bAnna");
        assert_eq!(form.first_text(), "agreed with Anna");
        assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Submitted);
    }

    #[test]
    fn values_are_checked_by_the_kind_of_field() {
        assert_eq!(parse_value(FieldKind::Int, " 7 "), Ok(Value::Int(7)));
        assert!(parse_value(FieldKind::Int, "7a").is_err());
        assert!(parse_value(FieldKind::Date, "2026-02-30").is_err());
        assert_eq!(parse_value(FieldKind::Bool, "Yes"), Ok(Value::Bool(true)));
        assert_eq!(parse_value(FieldKind::Choices, "b, a,,").unwrap().to_string(), "a, b");
        assert!(parse_value(FieldKind::ConstantId, "1").is_err());
    }

    #[test]
    fn hidden_characters_do_not_enter_by_editing() {
        let input = Input::new("pay\u{202e}pal", false);
        assert_eq!(input.text(), "paypal");
        assert!(input.cleaned);
    }
}
