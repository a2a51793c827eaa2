//! Keys and pasted text: dialogs first, then the key trie of the scope chain.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, Effect};
use crate::text::Safe;
use crate::tui::action::ActionId;
use crate::tui::dialog::picker::Picked;
use crate::tui::dialog::{Dialog, Outcome};
use crate::tui::keys::{Chord, Lookup};
use crate::tui::toast::Severity;

impl App {
    pub(super) fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        // Leaving for the shell must work everywhere, also while typing.
        if key.code == KeyCode::Char('z') && key.modifiers.contains(KeyModifiers::CONTROL) {
            effects.push(Effect::Suspend);
            return;
        }
        // Esc takes it away itself, and then does nothing else.
        if key.code != KeyCode::Esc {
            self.toasts.went_on(self.now);
        }
        match self.dialogs.last_mut() {
            Some(Dialog::Form(form)) => match form.key(key) {
                Outcome::Open => {}
                Outcome::Cancelled => drop(self.dialogs.pop()),
                Outcome::Submitted => {
                    if let Some(Dialog::Form(form)) = self.dialogs.pop() {
                        self.submit(*form, effects);
                    }
                }
            },
            Some(Dialog::Picker(picker)) => match picker.key(key) {
                Picked::Open => {}
                Picked::Closed => drop(self.dialogs.pop()),
                Picked::Action(id) => {
                    self.dialogs.pop();
                    self.try_perform(id, effects);
                }
            },
            Some(Dialog::Pairing(pairing)) => {
                let chosen = pairing.key(key);
                self.chosen(chosen, effects);
            }
            Some(Dialog::Choosing(choosing)) => {
                let chose = choosing.key(key);
                self.chose(chose);
            }
            Some(Dialog::Guard(_) | Dialog::Report(_) | Dialog::Preview(_) | Dialog::Mapping(_)) | None => {
                self.command_key(key, effects);
            }
        }
    }

    fn command_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.code == KeyCode::Esc && !self.pressed.is_empty() {
            self.pressed.clear();
            return;
        }
        self.pressed.push(Chord::of(&key));
        match self.keymap.lookup(&self.chain(), &self.pressed) {
            Lookup::Action(id) => {
                self.pressed.clear();
                self.try_perform(id, effects);
            }
            Lookup::Prefix(_) => {}
            Lookup::Nothing => {
                let keys: Vec<String> = self.pressed.drain(..).map(|chord| chord.to_string()).collect();
                let help = self.key_hint(ActionId::Help);
                self.toast(Severity::Info, &format!("{} does nothing here; {help} lists the keys", keys.join(" ")));
            }
        }
    }

    /// Pasted text goes into inputs only: a paste must never run keys.
    pub(super) fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) {
        match self.dialogs.last_mut() {
            Some(Dialog::Form(form)) => form.paste(text),
            Some(Dialog::Picker(picker)) => picker.paste(text),
            Some(Dialog::Pairing(pairing)) => {
                let chosen = pairing.paste(text);
                self.chosen(chosen, effects);
            }
            Some(Dialog::Choosing(choosing)) => choosing.paste(text),
            _ => self.toast(Severity::Info, "pasted text was ignored: there is nothing to type into here"),
        }
    }

    /// Does an action, or says why not.
    pub(super) fn try_perform(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        match self.refusal(id) {
            None => self.perform(id, effects),
            Some(why) => {
                let text = format!("{}: {why}", crate::tui::action::Action::of(id).title);
                let text = self.hello.sides.say(&text).into_owned();
                self.toast(Severity::Warn, &text);
            }
        }
    }

    /// What a prefix that was pressed can be followed by, for the pop-up.
    pub(in crate::tui) fn continuations(&self) -> Vec<(String, Safe)> {
        if self.pressed.is_empty() {
            return Vec::new();
        }
        match self.keymap.lookup(&self.chain(), &self.pressed) {
            Lookup::Prefix(next) => next
                .into_iter()
                .map(|(chord, id)| {
                    (chord.to_string(), Safe::new(&self.hello.sides.say(crate::tui::action::Action::of(id).title)))
                })
                .collect(),
            Lookup::Action(_) | Lookup::Nothing => Vec::new(),
        }
    }
}
