//! Keys: how they are written, and the trie that turns presses into actions along a scope chain.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use strum::IntoEnumIterator as _;

use super::action::{Action, ActionId, CATALOGUE, Scope};
use crate::error::{Error, Result};

/// Keys that must not be bound: the terminal, tmux or the line discipline swallows them or sends
/// another key's bytes (Ctrl-H is Backspace, Ctrl-J is Enter, Ctrl-S stops the output).
const FORBIDDEN: &[char] = &['j', 'k', 'h', 'l', 'b', 'a', 's', 'q', 'i', 'm'];

/// One key with its modifiers. Shift is part of the character, never kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    ctrl: bool,
}

impl Chord {
    /// The chord of a key event.
    pub fn of(event: &KeyEvent) -> Self {
        Self { code: event.code, ctrl: event.modifiers.contains(KeyModifiers::CONTROL) }
    }

    /// The event that produces this chord, for tests and replays.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("C-")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("S-Tab"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl FromStr for Chord {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (ctrl, name) = match text.strip_prefix("C-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut chars = name.chars();
        let code = match (name, chars.next(), chars.next()) {
            (_, Some(c), None) if !c.is_control() && c != ' ' => KeyCode::Char(c),
            ("Space", ..) => KeyCode::Char(' '),
            ("Enter", ..) => KeyCode::Enter,
            ("Esc", ..) => KeyCode::Esc,
            ("Tab", ..) => KeyCode::Tab,
            ("BackTab", ..) => KeyCode::BackTab,
            ("Backspace", ..) => KeyCode::Backspace,
            ("Delete", ..) => KeyCode::Delete,
            ("Insert", ..) => KeyCode::Insert,
            ("Up", ..) => KeyCode::Up,
            ("Down", ..) => KeyCode::Down,
            ("Left", ..) => KeyCode::Left,
            ("Right", ..) => KeyCode::Right,
            ("Home", ..) => KeyCode::Home,
            ("End", ..) => KeyCode::End,
            ("PageUp", ..) => KeyCode::PageUp,
            ("PageDown", ..) => KeyCode::PageDown,
            _ => {
                return Err(Error::config(format!("there is no key called {text:?}"))
                    .hint("write a character, C-x, or Space Enter Esc Tab BackTab Backspace Delete Up Down Left Right Home End PageUp PageDown"));
            }
        };
        if ctrl && matches!(code, KeyCode::Char(c) if FORBIDDEN.contains(&c)) {
            return Err(Error::config(format!("{text} cannot be bound: terminals keep it for themselves")));
        }
        Ok(Self { code, ctrl })
    }
}

/// A sequence of chords as it is written: `g g`, `C-d`.
pub fn parse_sequence(text: &str) -> Result<Vec<Chord>> {
    let chords: Vec<Chord> = text.split(' ').filter(|part| !part.is_empty()).map(str::parse).collect::<Result<_>>()?;
    if chords.is_empty() {
        return Err(Error::config("a key sequence is empty"));
    }
    Ok(chords)
}

/// What a press means so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This action.
    Action(ActionId),
    /// The start of these sequences: next key and what it does.
    Prefix(Vec<(Chord, ActionId)>),
    /// Nothing.
    Nothing,
}

#[derive(Clone, Debug, Default)]
struct Node {
    action: Option<ActionId>,
    next: Vec<(Chord, Node)>,
}

impl Node {
    fn child(&mut self, chord: Chord) -> &mut Self {
        let at = match self.next.iter().position(|(key, _)| *key == chord) {
            Some(at) => at,
            None => {
                self.next.push((chord, Self::default()));
                self.next.len() - 1
            }
        };
        &mut self.next[at].1
    }

    fn find(&self, pressed: &[Chord]) -> Option<&Self> {
        let Some((first, rest)) = pressed.split_first() else { return Some(self) };
        self.next.iter().find(|(key, _)| key == first).and_then(|(_, node)| node.find(rest))
    }
}

/// Which key does what, per scope.
#[derive(Clone, Debug)]
pub struct Keymap {
    scopes: BTreeMap<Scope, Node>,
    keys: BTreeMap<ActionId, Vec<String>>,
}

impl Keymap {
    /// The catalogue's keys, with `overrides` (action name → sequences) in place of the defaults of
    /// the actions they name.
    ///
    /// # Errors
    /// An unknown action or key, and any two actions of one scope that fight for a key.
    pub fn new(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self> {
        let mut keys: BTreeMap<ActionId, Vec<String>> = CATALOGUE
            .iter()
            .map(|action| (action.id, action.keys.iter().map(|key| (*key).to_owned()).collect()))
            .collect();
        for (name, sequences) in overrides {
            let id = name.parse::<ActionId>().map_err(|_| {
                Error::config(format!("keys: there is no action called {name:?}")).hint("`tandem keys` lists them")
            })?;
            keys.insert(id, sequences.clone());
        }
        let mut map = Self { scopes: Scope::iter().map(|scope| (scope, Node::default())).collect(), keys };
        for action in CATALOGUE {
            let sequences = map.keys.get(&action.id).cloned().unwrap_or_default();
            for sequence in sequences {
                let chords = parse_sequence(&sequence)?;
                for scope in action.scopes {
                    map.bind(*scope, &chords, action.id, &sequence)?;
                }
            }
        }
        Ok(map)
    }

    /// The catalogue's own keys.
    pub fn standard() -> Self {
        // Invariant: the catalogue's keys parse and do not conflict; a test proves it.
        Self::new(&BTreeMap::new()).unwrap_or(Self { scopes: BTreeMap::new(), keys: BTreeMap::new() })
    }

    fn bind(&mut self, scope: Scope, chords: &[Chord], id: ActionId, written: &str) -> Result<()> {
        let conflict = |other: ActionId| {
            Error::config(format!("keys: {written:?} means both {other} and {id} in {scope}"))
                .hint("give one of them another key")
        };
        let mut node = self.scopes.entry(scope).or_default();
        for chord in chords {
            if let Some(other) = node.action {
                return Err(conflict(other));
            }
            node = node.child(*chord);
        }
        match (node.action, node.next.first()) {
            (Some(other), _) => Err(conflict(other)),
            (None, Some((_, longer))) => Err(conflict(first_action(longer).unwrap_or(id))),
            (None, None) => {
                node.action = Some(id);
                Ok(())
            }
        }
    }

    /// What `pressed` means in `chain` (innermost scope first). The first scope that knows the
    /// sequence decides.
    pub fn lookup(&self, chain: &[Scope], pressed: &[Chord]) -> Lookup {
        for scope in chain {
            let Some(node) = self.scopes.get(scope).and_then(|root| root.find(pressed)) else { continue };
            if let Some(id) = node.action {
                return Lookup::Action(id);
            }
            return Lookup::Prefix(self.continuations(chain, pressed));
        }
        Lookup::Nothing
    }

    /// Every key that can follow `pressed` anywhere in `chain`, inner scopes first.
    fn continuations(&self, chain: &[Scope], pressed: &[Chord]) -> Vec<(Chord, ActionId)> {
        let mut found: Vec<(Chord, ActionId)> = Vec::new();
        for node in chain.iter().filter_map(|scope| self.scopes.get(scope).and_then(|root| root.find(pressed))) {
            for (chord, next) in &node.next {
                if let Some(id) = first_action(next)
                    && !found.iter().any(|(known, _)| known == chord)
                {
                    found.push((*chord, id));
                }
            }
        }
        found
    }

    /// The keys of an action as a person reads them, the usual one first.
    pub fn shown(&self, id: ActionId) -> Vec<String> {
        let sequences = self.keys.get(&id).map(Vec::as_slice).unwrap_or_default();
        sequences
            .iter()
            .filter_map(|sequence| parse_sequence(sequence).ok())
            .map(|chords| chords.iter().map(Chord::to_string).collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// The usual key of an action, for footer and messages.
    pub fn key(&self, id: ActionId) -> Option<String> {
        self.shown(id).into_iter().next()
    }
}

fn first_action(node: &Node) -> Option<ActionId> {
    node.action.or_else(|| node.next.iter().find_map(|(_, next)| first_action(next)))
}

/// `docs/KEYS.md`, made from the catalogue. A test compares the committed file with this text.
pub fn reference() -> String {
    let keymap = Keymap::standard();
    let mut text = String::from(
        "# Keys\n\nMade from the action catalogue (`src/tui/action.rs`); a test fails when this file lags behind.\n\
         Keys can be changed in the configuration by the action's name; conflicts are reported at start.\n\
         Tiers: ",
    );
    let tiers = [super::action::Tier::T0, super::action::Tier::T1, super::action::Tier::T2, super::action::Tier::T3];
    text += &tiers.map(|tier| format!("{tier} {}", tier.explain())).join("; ");
    text +=
        ".\nIn production, and for more than 100 records, several records at once always need a typed confirmation.\n";
    for scope in Scope::iter() {
        text += &format!(
            "\n## {scope}\n\n| Key | Action | What it does | Role | Tier | Command |\n|---|---|---|---|---|---|\n"
        );
        for action in CATALOGUE.iter().filter(|action| action.scopes.contains(&scope)) {
            let keys: Vec<String> = keymap.shown(action.id).iter().map(|key| format!("`{key}`")).collect();
            let keys = if keys.is_empty() { "palette".to_owned() } else { keys.join(" ") };
            let cli = action.cli.map(|cli| format!("`{cli}`")).unwrap_or_default();
            let Action { help, role, tier, .. } = action;
            text += &format!("| {keys} | {} | {help} | {role} | {tier} | {cli} |\n", action.name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &str) -> Vec<Chord> {
        parse_sequence(keys).unwrap()
    }

    #[test]
    fn the_catalogue_has_no_conflicts_and_every_key_parses() {
        Keymap::new(&BTreeMap::new()).unwrap();
    }

    /// `UPDATE_DOCS=1 cargo test key_reference` writes the file anew.
    #[test]
    fn the_committed_key_reference_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/KEYS.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), reference(), "docs/KEYS.md lags behind the catalogue");
    }

    #[test]
    fn inner_scopes_win_and_outer_ones_still_answer() {
        let keymap = Keymap::standard();
        let chain = [Scope::Guard, Scope::Diff, Scope::Global];
        assert_eq!(keymap.lookup(&chain, &press("R")), Lookup::Action(ActionId::GuardRelease));
        assert_eq!(keymap.lookup(&chain[1..], &press("R")), Lookup::Action(ActionId::Retry));
        assert_eq!(keymap.lookup(&chain, &press("?")), Lookup::Action(ActionId::Help));
        assert_eq!(keymap.lookup(&chain, &press("~")), Lookup::Nothing);
    }

    #[test]
    fn a_prefix_lists_what_can_follow_in_every_scope() {
        let keymap = Keymap::standard();
        let Lookup::Prefix(next) = keymap.lookup(&[Scope::Queue, Scope::Global], &press("g")) else { panic!() };
        let actions: Vec<ActionId> = next.into_iter().map(|(_, id)| id).collect();
        assert!(actions.contains(&ActionId::Top) && actions.contains(&ActionId::History), "{actions:?}");
    }

    #[test]
    fn overrides_replace_only_what_they_name_and_conflicts_are_named() {
        let own = BTreeMap::from([("freeze".to_owned(), vec!["C-p".to_owned()])]);
        let keymap = Keymap::new(&own).unwrap();
        assert_eq!(keymap.lookup(&[Scope::Global], &press("C-p")), Lookup::Action(ActionId::Freeze));
        assert_eq!(keymap.lookup(&[Scope::Global], &press("p")), Lookup::Nothing);
        let clash = BTreeMap::from([("freeze".to_owned(), vec!["g".to_owned()])]);
        assert!(Keymap::new(&clash).unwrap_err().message.contains("freeze"));
        for bad in ["C-j", "C-s", "Hyper-x", ""] {
            let own = BTreeMap::from([("freeze".to_owned(), vec![bad.to_owned()])]);
            assert!(Keymap::new(&own).is_err(), "{bad:?}");
        }
        assert!(Keymap::new(&BTreeMap::from([("frieze".to_owned(), vec![])])).is_err());
    }
}
