//! A module's field map on the screen: what is mapped, what could be, and choosing a counterpart.
//!
//! Suggestions are shown and offered first; nothing is chosen beforehand, so a stray Enter maps nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::dialog::Input;
use crate::model::mapping::kind_for;
use crate::model::{CustomKind, FieldDefinition, Flow, ModuleId, Side};
use crate::wire::{MapLine, MapSuggestion, MapView};

/// The view over the body.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Whose map.
    pub module: ModuleId,
    /// Where the module may write.
    pub flow: Flow,
    /// The map, once it has arrived.
    pub view: Option<MapView>,
    cursor: usize,
}

/// One line of the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Row<'a> {
    /// Two fields that are mapped to each other.
    Mapped(&'a MapLine),
    /// A field of iVvy that is not mapped, with the best suggestion.
    Ivvy(&'a FieldDefinition, Option<&'a MapSuggestion>),
    /// A field of the CRM that is not mapped.
    Crm(&'a FieldDefinition),
}

impl Row<'_> {
    /// The field of one side, by its name there.
    fn name_on(&self, side: Side) -> Option<String> {
        match (self, side) {
            (Self::Mapped(line), side) => Some(name_on(line, side)),
            (Self::Ivvy(definition, _), Side::Ivvy) | (Self::Crm(definition), Side::Crm) => {
                Some(definition.name.clone())
            }
            _ => None,
        }
    }
}

/// What somebody who is asked about a field was looking at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether the field was mapped already.
    pub change: bool,
    /// The map's version.
    pub version: u32,
}

impl Mapping {
    /// A view that has asked nothing yet.
    pub fn new(module: ModuleId, flow: Flow) -> Self {
        Self { module, flow, view: None, cursor: 0 }
    }

    /// Takes an answer. The cursor stays on its field, wherever that is listed now.
    pub fn receive(&mut self, view: MapView) {
        if view.module != self.module {
            return;
        }
        let under = self.current().map(|row| Side::BOTH.map(|side| row.name_on(side)));
        self.view = Some(view);
        let rows = self.rows();
        let listed = |(side, name): (Side, Option<String>)| {
            let name = name?;
            rows.iter().position(|row| row.name_on(side).as_ref() == Some(&name))
        };
        let found = under.and_then(|names| Side::BOTH.into_iter().zip(names).find_map(listed));
        self.cursor = found.unwrap_or(self.cursor);
        self.step(0);
    }

    /// Every line: what is mapped, then iVvy's other fields, then the CRM's.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let Some(view) = &self.view else { return Vec::new() };
        let free = |side: Side| {
            let all = view.definitions.get(&side).into_iter().flatten();
            all.filter(move |definition| !view.mapped.iter().any(|line| name_on(line, side) == definition.name))
        };
        let suggested = |definition: &FieldDefinition| {
            view.suggestions.iter().find(|found| found.ivvy.to_string() == definition.name)
        };
        let mapped = view.mapped.iter().map(Row::Mapped);
        let ivvy = free(Side::Ivvy).map(|definition| Row::Ivvy(definition, suggested(definition)));
        mapped.chain(ivvy).chain(free(Side::Crm).map(Row::Crm)).collect()
    }

    /// Index of the line under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The line under the cursor.
    pub fn current(&self) -> Option<Row<'_>> {
        self.rows().get(self.cursor).copied()
    }

    /// Moves the cursor.
    pub fn step(&mut self, rows: isize) {
        let last = self.rows().len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(rows).min(last);
    }

    /// What one side says of a field.
    pub fn definition(&self, side: Side, name: &str) -> Option<&FieldDefinition> {
        self.view.as_ref()?.definitions.get(&side)?.iter().find(|definition| definition.name == name)
    }

    /// What could be the counterpart of a field: suggestions first, then what goes with its type, then the
    /// rest, which would be refused in words.
    pub fn counterparts(&self, side: Side, name: &str) -> Vec<Offer> {
        let (Some(view), Some(ours)) = (&self.view, self.definition(side, name)) else { return Vec::new() };
        let other = side.other();
        let alike = |there: &FieldDefinition| {
            let (ivvy, crm) =
                if side == Side::Ivvy { (name, there.name.as_str()) } else { (there.name.as_str(), name) };
            let found = view.suggestions.iter().find(|found| found.ivvy.to_string() == ivvy && found.crm == crm);
            found.map_or(0, |found| found.alike)
        };
        let free = view.definitions.get(&other).into_iter().flatten();
        let mut offers: Vec<Offer> = free
            .filter(|there| !view.mapped.iter().any(|line| name_on(line, other) == there.name))
            .map(|there| {
                let (ivvy, crm) = if side == Side::Ivvy { (ours, there) } else { (there, ours) };
                Offer { field: there.clone(), alike: alike(there), fits: kind_for(ivvy, crm).is_some() }
            })
            .collect();
        offers.sort_by_key(|offer| (std::cmp::Reverse(offer.alike), !offer.fits));
        offers
    }
}

fn name_on(line: &MapLine, side: Side) -> String {
    match side {
        Side::Ivvy => line.field.ivvy.to_string(),
        Side::Crm => line.field.crm.clone(),
    }
}

/// A possible counterpart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The field.
    pub field: FieldDefinition,
    /// How alike the names are, in per cent; 0 when it is no suggestion.
    pub alike: u8,
    /// Whether the types go together.
    pub fits: bool,
}

impl Offer {
    /// Its type in a word.
    pub fn kind(&self) -> &'static str {
        kind_word(&self.field)
    }
}

/// A field's type in a word.
pub fn kind_word(definition: &FieldDefinition) -> &'static str {
    definition.kind.and_then(CustomKind::of).map_or("cannot be mapped", Into::into)
}

/// The dialog that asks for the counterpart.
#[derive(Clone, Debug)]
pub struct Choosing {
    /// Whose counterpart is wanted.
    pub side: Side,
    /// Its name there.
    pub name: String,
    /// Its label, raw.
    pub title: String,
    /// What is searched for.
    pub input: Input,
    /// The map's version when it was asked.
    pub version: u32,
    offers: Vec<Offer>,
    /// The offer under the cursor, among those found.
    pub selected: Option<usize>,
}

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chose {
    /// Nothing that matters outside.
    Open,
    /// It was given up.
    Closed,
    /// This field of the other side.
    Field(String),
}

impl Choosing {
    /// Of a field among these offers.
    pub fn new(side: Side, definition: &FieldDefinition, offers: Vec<Offer>, version: u32) -> Self {
        let (name, title) = (definition.name.clone(), definition.title.clone());
        Self { side, name, title, input: Input::new("", false), version, offers, selected: None }
    }

    /// Offers whose label or name contains what was typed.
    pub fn found(&self) -> Vec<&Offer> {
        let text = self.input.text().trim().to_lowercase();
        let contains = |offer: &&Offer| {
            [&offer.field.title, &offer.field.name].into_iter().any(|name| name.to_lowercase().contains(&text))
        };
        self.offers.iter().filter(contains).collect()
    }

    /// One key.
    pub fn key(&mut self, key: KeyEvent) -> Chose {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Chose::Closed,
            KeyCode::Char('c') if ctrl => return Chose::Closed,
            KeyCode::Down | KeyCode::Tab => self.step(1),
            KeyCode::Up | KeyCode::BackTab => self.step(-1),
            KeyCode::Enter => {
                let found = self.found();
                let offer = self.selected.and_then(|at| found.get(at));
                return offer.map_or(Chose::Open, |offer| Chose::Field(offer.field.name.clone()));
            }
            _ => {
                self.selected = None;
                self.input.key_into(key);
            }
        }
        Chose::Open
    }

    /// Pasted text is searched for.
    pub fn paste(&mut self, raw: &str) {
        self.selected = None;
        self.input.paste(raw);
    }

    fn step(&mut self, by: isize) {
        let count = self.found().len();
        if count > 0 {
            let next = self.selected.map_or(0, |at| at.saturating_add_signed(by));
            self.selected = Some(next.min(count - 1));
        }
    }
}
