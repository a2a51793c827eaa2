//! Themes: semantic names to styles, from `themes/*.toml` or a file of the user's own.
//!
//! Views ask for a [`Tone`], never for a colour. Meaning never hangs on colour alone: the mono
//! theme has none, and every state also has a letter.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use strum::{Display, EnumIter, EnumString, IntoEnumIterator as _};

use crate::error::{Error, Result};
use crate::model::State;

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, EnumString, Display)]
#[allow(missing_docs)] // the names are the documentation
pub enum Tone {
    #[strum(serialize = "text")]
    Text,
    #[strum(serialize = "dim")]
    Dim,
    #[strum(serialize = "title")]
    Title,
    #[strum(serialize = "key")]
    Key,
    #[strum(serialize = "disabled")]
    Disabled,
    #[strum(serialize = "marker")]
    Marker,
    #[strum(serialize = "mark")]
    Mark,
    #[strum(serialize = "badge.production")]
    BadgeProduction,
    #[strum(serialize = "badge.other")]
    BadgeOther,
    #[strum(serialize = "rule.production")]
    RuleProduction,
    #[strum(serialize = "rule.other")]
    RuleOther,
    #[strum(serialize = "tab.active")]
    TabActive,
    #[strum(serialize = "tab.idle")]
    TabIdle,
    #[strum(serialize = "state.open")]
    StateOpen,
    #[strum(serialize = "state.held")]
    StateHeld,
    #[strum(serialize = "state.ready")]
    StateReady,
    #[strum(serialize = "state.unknown")]
    StateUnknown,
    #[strum(serialize = "state.failed")]
    StateFailed,
    #[strum(serialize = "state.done")]
    StateDone,
    #[strum(serialize = "diff.base")]
    DiffBase,
    #[strum(serialize = "diff.ivvy")]
    DiffIvvy,
    #[strum(serialize = "diff.crm")]
    DiffCrm,
    #[strum(serialize = "diff.result")]
    DiffResult,
    #[strum(serialize = "diff.changed")]
    DiffChanged,
    #[strum(serialize = "diff.unsolved")]
    DiffUnsolved,
    #[strum(serialize = "diff.moved")]
    DiffMoved,
    #[strum(serialize = "revealed")]
    Revealed,
    #[strum(serialize = "good")]
    Good,
    #[strum(serialize = "warn")]
    Warn,
    #[strum(serialize = "error")]
    Error,
    #[strum(serialize = "dialog.border")]
    DialogBorder,
    #[strum(serialize = "dialog.danger")]
    DialogDanger,
    #[strum(serialize = "button.focus")]
    ButtonFocus,
    #[strum(serialize = "chart")]
    Chart,
}

impl Tone {
    /// The tone of a queue state.
    pub fn state(state: State) -> Self {
        match state {
            State::New | State::Blocked | State::Inflight => Self::StateOpen,
            State::Held => Self::StateHeld,
            State::Ready => Self::StateReady,
            State::Unknown | State::Retry => Self::StateUnknown,
            State::Dead => Self::StateFailed,
            State::Done | State::Skipped | State::Superseded => Self::StateDone,
        }
    }
}

/// Names of the themes that come with Tandem.
pub const BUILT_IN: [&str; 4] = ["default16", "dark", "light", "mono"];

/// What a built-in theme is for: the first sentence of its own file.
pub fn about(name: &str) -> &'static str {
    let first = built_in(name).and_then(|text| text.lines().next()).unwrap_or_default();
    first.trim_start_matches('#').trim()
}

fn built_in(name: &str) -> Option<&'static str> {
    match name {
        "default16" => Some(include_str!("../../themes/default16.toml")),
        "dark" => Some(include_str!("../../themes/dark.toml")),
        "light" => Some(include_str!("../../themes/light.toml")),
        "mono" => Some(include_str!("../../themes/mono.toml")),
        _ => None,
    }
}

/// A theme file. A file of the user's own may name only what it changes of its `base`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    style: BTreeMap<String, Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reversed: bool,
}

/// A style for every tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    styles: BTreeMap<Tone, Style>,
}

impl Theme {
    /// One of [`BUILT_IN`].
    ///
    /// # Errors
    /// No theme of that name.
    pub fn named(name: &str) -> Result<Self> {
        let text = built_in(name).ok_or_else(|| {
            Error::config(format!("there is no theme called {name:?}")).hint(format!("themes: {}", BUILT_IN.join(", ")))
        })?;
        Self::parse(text)
    }

    /// From the text of a theme file.
    ///
    /// # Errors
    /// Not TOML, an unknown name, or not a colour.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File =
            toml::from_str(text).map_err(|error| Error::config("the theme cannot be read").because(&error))?;
        let mut styles = match &file.base {
            Some(base) => Self::named(base)?.styles,
            None => BTreeMap::new(),
        };
        for (name, entry) in &file.style {
            let tone = Tone::from_str(name)
                .map_err(|_| Error::config(format!("the theme styles {name:?}, which does not exist")))?;
            styles.insert(tone, entry.style(name)?);
        }
        Ok(Self { styles })
    }

    /// The same without any colour, for `NO_COLOR`.
    #[must_use]
    pub fn without_colour(mut self) -> Self {
        for style in self.styles.values_mut() {
            style.fg = None;
            style.bg = None;
        }
        self
    }

    /// The style of a tone.
    pub fn style(&self, tone: Tone) -> Style {
        self.styles.get(&tone).copied().unwrap_or_default()
    }

    /// Tones without a style of their own.
    pub fn missing(&self) -> Vec<Tone> {
        Tone::iter().filter(|tone| !self.styles.contains_key(tone)).collect()
    }
}

impl Entry {
    fn style(&self, name: &str) -> Result<Style> {
        let colour = |text: &Option<String>| -> Result<Option<Color>> {
            let Some(text) = text else { return Ok(None) };
            Color::from_str(text).map(Some).map_err(|_| {
                Error::config(format!("the theme's {name:?} has {text:?}, which is not a colour"))
                    .hint("write a name (\"red\", \"lightblue\"), \"#rrggbb\", or a number up to 255")
            })
        };
        let mut style = Style { fg: colour(&self.fg)?, bg: colour(&self.bg)?, ..Style::default() };
        let flags = [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.italic, Modifier::ITALIC),
            (self.underline, Modifier::UNDERLINED),
            (self.reversed, Modifier::REVERSED),
        ];
        for (_, modifier) in flags.into_iter().filter(|(set, _)| *set) {
            style = style.add_modifier(modifier);
        }
        Ok(style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_styles_every_tone() {
        for name in BUILT_IN {
            assert_eq!(Theme::named(name).unwrap().missing(), [], "{name}");
        }
    }

    #[test]
    fn mono_has_no_colour_and_still_tells_things_apart() {
        let mono = Theme::named("mono").unwrap();
        assert_eq!(mono.clone().without_colour(), mono);
        assert_ne!(mono.style(Tone::Marker), mono.style(Tone::Text));
        assert_ne!(mono.style(Tone::DiffChanged), mono.style(Tone::DiffIvvy));
        assert_ne!(mono.style(Tone::BadgeProduction), mono.style(Tone::BadgeOther));
    }

    #[test]
    fn own_files_change_only_what_they_name_and_are_checked() {
        let own = Theme::parse("base = \"dark\"\n[style]\nmarker = { fg = \"#ff0000\", bold = true }\n").unwrap();
        assert_eq!(own.style(Tone::Marker).fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(own.style(Tone::Key), Theme::named("dark").unwrap().style(Tone::Key));
        assert!(Theme::parse("[style]\nmarkr = { bold = true }\n").is_err());
        assert!(Theme::parse("[style]\nmarker = { fg = \"reddish\" }\n").unwrap_err().hint.is_some());
    }
}
