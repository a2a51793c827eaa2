//! A list of actions to search: palette, action menu and help are the same thing with different
//! starting points.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};

use super::form::Input;
use crate::tui::action::{ActionId, CATALOGUE, Scope};

/// What the list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Find and run any action.
    Palette,
    /// What can be done here.
    Menu,
    /// Read about the keys.
    Help,
}

/// The list.
#[derive(Clone, Debug)]
pub struct Picker {
    /// What it is for.
    pub used_as: Use,
    /// What to search for.
    pub input: Input,
    /// The actions found, best first.
    pub found: Vec<ActionId>,
    /// Index of the selected one.
    pub selected: usize,
    chain: Vec<Scope>,
}

/// What a key did to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picked {
    /// It stays open.
    Open,
    /// It was closed.
    Closed,
    /// This is to be done.
    Action(ActionId),
}

impl Picker {
    /// Over the actions of `chain`, innermost scope first; the palette adds all other ones.
    pub fn new(used_as: Use, chain: &[Scope]) -> Self {
        let mut picker =
            Self { used_as, input: Input::new("", false), found: Vec::new(), selected: 0, chain: chain.to_vec() };
        picker.search();
        picker
    }

    /// One key.
    pub fn key(&mut self, key: KeyEvent) -> Picked {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Picked::Closed,
            KeyCode::Char('c') if ctrl => return Picked::Closed,
            KeyCode::Down | KeyCode::Tab => self.step(1),
            KeyCode::Up | KeyCode::BackTab => self.step(-1),
            KeyCode::Char('n') if ctrl => self.step(1),
            KeyCode::Char('p') if ctrl => self.step(-1),
            KeyCode::PageDown => self.step(10),
            KeyCode::PageUp => self.step(-10),
            KeyCode::Enter => {
                return match self.found.get(self.selected) {
                    Some(id) => Picked::Action(*id),
                    None => Picked::Open,
                };
            }
            _ => {
                self.input.key_into(key);
                self.search();
            }
        }
        Picked::Open
    }

    /// Pasted text is searched for.
    pub fn paste(&mut self, raw: &str) {
        self.input.paste(raw);
        self.search();
    }

    fn step(&mut self, by: isize) {
        self.selected = self.selected.saturating_add_signed(by).min(self.found.len().saturating_sub(1));
    }

    fn search(&mut self) {
        self.selected = 0;
        let everything = self.used_as == Use::Palette;
        let mut actions: Vec<_> = CATALOGUE
            .iter()
            .filter(|action| everything || action.scopes.iter().any(|scope| self.chain.contains(scope)))
            .collect();
        // What belongs to this place first; the catalogue's order inside.
        actions.sort_by_key(|action| {
            let depth = action.scopes.iter().filter_map(|scope| self.chain.iter().position(|own| own == scope)).min();
            depth.unwrap_or(self.chain.len())
        });
        let wanted = self.input.text();
        if wanted.trim().is_empty() {
            self.found = actions.into_iter().map(|action| action.id).collect();
            return;
        }
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(&wanted, CaseMatching::Ignore, Normalization::Smart);
        let names: Vec<String> =
            actions.iter().map(|action| format!("{} {} {}", action.name(), action.title, action.help)).collect();
        let mut scored: Vec<(u32, usize)> = names
            .iter()
            .enumerate()
            .filter_map(|(at, name)| {
                let mut buffer = Vec::new();
                let text = nucleo_matcher::Utf32Str::new(name, &mut buffer);
                pattern.score(text, &mut matcher).map(|score| (score, at))
            })
            .collect();
        scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
        self.found = scored.into_iter().filter_map(|(_, at)| actions.get(at)).map(|action| action.id).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(picker: &mut Picker, text: &str) {
        for c in text.chars() {
            picker.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
    }

    #[test]
    fn the_palette_finds_every_action_by_a_few_letters() {
        let mut picker = Picker::new(Use::Palette, &[Scope::Queue, Scope::Global]);
        assert_eq!(picker.found.len(), CATALOGUE.len());
        typed(&mut picker, "forcep");
        assert_eq!(picker.found.first(), Some(&ActionId::Force));
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(picker.key(enter), Picked::Action(ActionId::Force));
    }

    #[test]
    fn the_menu_knows_only_this_place_and_puts_it_first() {
        let picker = Picker::new(Use::Menu, &[Scope::Queue, Scope::Global]);
        assert!(!picker.found.contains(&ActionId::TakeIvvy));
        assert_eq!(picker.found.first(), Some(&ActionId::Mark));
    }

    #[test]
    fn nonsense_finds_nothing_and_enter_does_nothing() {
        let mut picker = Picker::new(Use::Palette, &[Scope::Global]);
        typed(&mut picker, "zzzzqqqq");
        assert!(picker.found.is_empty());
        assert_eq!(picker.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)), Picked::Open);
    }
}
