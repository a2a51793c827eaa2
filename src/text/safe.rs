//! [`Safe`]: text that may be shown on a terminal.

use std::fmt;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

use super::emoji;
use super::width::grapheme_width;

/// Combining marks kept on one base character; more would climb over the neighbouring rows.
pub const MAX_MARKS: usize = 4;

/// Characters of input looked at by [`Safe::new`]; the rest is counted, not shown.
pub const DEFAULT_LIMIT: usize = 16_384;

/// Text for a screen: one line, no control, direction or invisible characters, bounded length.
///
/// There is no way to make one except through the sanitiser, so a function that takes `&Safe`
/// cannot be handed remote text by accident. Characters that were made visible are remembered, so
/// that a view can style them as a warning and a remote cannot forge them by spelling them out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Safe {
    text: String,
    reveals: Vec<Range<usize>>,
}

/// One visible unit of a [`Safe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyph<'a> {
    /// Its text.
    pub text: &'a str,
    /// Byte offset in the whole.
    pub start: usize,
    /// Columns it takes.
    pub width: usize,
    /// Whether it stands for a character that would not have been seen.
    pub revealed: bool,
}

impl Safe {
    /// Sanitises `raw`, looking at no more than [`DEFAULT_LIMIT`] characters.
    pub fn new(raw: &str) -> Self {
        Self::limited(raw, DEFAULT_LIMIT)
    }

    /// Sanitises the first `limit` characters of `raw` and says how many more there were.
    pub fn limited(raw: &str, limit: usize) -> Self {
        // Most values are short ASCII; they need one scan and one copy.
        if raw.len() <= limit && raw.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Self { text: raw.to_owned(), reveals: Vec::new() };
        }
        let cut = raw.char_indices().nth(limit).map_or(raw.len(), |(at, _)| at);
        let (shown, rest) = raw.split_at(cut);
        let mut safe = Self { text: String::with_capacity(shown.len() + 16), reveals: Vec::new() };
        let mut has_base = false;
        for cluster in shown.graphemes(true) {
            has_base = safe.push_cluster(cluster, has_base);
        }
        if !rest.is_empty() {
            safe.reveal(&format!("⟨+{} more⟩", rest.chars().count()));
        }
        safe
    }

    /// Our own words. Still sanitised: a name of ours can come from a configuration file.
    pub fn own(text: &'static str) -> Self {
        Self::new(text)
    }

    /// The sanitised text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether anything had to be made visible.
    pub fn has_reveals(&self) -> bool {
        !self.reveals.is_empty()
    }

    /// Columns it takes.
    pub fn width(&self) -> usize {
        self.glyphs().map(|glyph| glyph.width).sum()
    }

    /// Its visible units in order. Their widths add up to [`Safe::width`].
    pub fn glyphs(&self) -> impl Iterator<Item = Glyph<'_>> {
        let mut reveals = self.reveals.iter().peekable();
        self.text.grapheme_indices(true).map(move |(start, text)| {
            while reveals.peek().is_some_and(|range| range.end <= start) {
                reveals.next();
            }
            let revealed = reveals.peek().is_some_and(|range| range.contains(&start));
            Glyph { text, start, width: grapheme_width(text), revealed }
        })
    }

    /// The text cut into runs of ordinary and revealed characters.
    pub fn runs(&self) -> Vec<(&str, bool)> {
        let mut runs = Vec::new();
        let mut at = 0;
        for range in &self.reveals {
            if range.start > at {
                runs.push((&self.text[at..range.start], false));
            }
            runs.push((&self.text[range.clone()], true));
            at = range.end;
        }
        if at < self.text.len() {
            runs.push((&self.text[at..], false));
        }
        runs
    }

    /// Adds one grapheme cluster of raw text; answers whether a following mark would have a base.
    fn push_cluster(&mut self, cluster: &str, mut has_base: bool) -> bool {
        let mut before = None;
        let mut marks = 0_usize;
        let mut dropped = 0_usize;
        let mut chars = cluster.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\r' && chars.peek() == Some(&'\n') {
                continue;
            }
            if let Some(symbol) = control_symbol(c) {
                self.reveal(symbol);
                has_base = false;
            } else if is_hidden(c) && !emoji::belongs(c, before, chars.peek().copied()) {
                self.reveal(&format!("⟨U+{:04X}⟩", c as u32));
                has_base = false;
            } else if is_combining_mark(c) {
                if marks == MAX_MARKS {
                    dropped += 1;
                } else {
                    if !has_base {
                        self.text.push('◌');
                        has_base = true;
                    }
                    self.text.push(c);
                    marks += 1;
                }
            } else {
                self.text.push(c);
                has_base = true;
            }
            before = Some(c);
        }
        if dropped > 0 {
            self.reveal(&format!("⟨+{dropped} marks⟩"));
            has_base = false;
        }
        has_base
    }

    fn reveal(&mut self, symbol: &str) {
        let start = self.text.len();
        self.text.push_str(symbol);
        match self.reveals.last_mut() {
            Some(last) if last.end == start => last.end = self.text.len(),
            _ => self.reveals.push(start..self.text.len()),
        }
    }
}

impl fmt::Display for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for Safe {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Removes what must not come out of an input field: controls (but not line breaks when
/// `keep_lines`) and hidden characters. Answers the text and whether anything was removed.
pub fn strip_controls(raw: &str, keep_lines: bool) -> (String, bool) {
    let mut removed = false;
    let mut text = String::with_capacity(raw.len());
    for cluster in raw.graphemes(true) {
        let mut before = None;
        let mut chars = cluster.chars().peekable();
        while let Some(c) = chars.next() {
            let next = chars.peek().copied();
            match c {
                '\r' if next == Some('\n') => {}
                '\n' | '\r' if keep_lines => text.push('\n'),
                '\n' | '\r' | '\t' => text.push(' '),
                _ if control_symbol(c).is_some() || (is_hidden(c) && !emoji::belongs(c, before, next)) => {
                    removed = true
                }
                _ => text.push(c),
            }
            before = Some(c);
        }
    }
    (text, removed)
}

/// Whether a sanitiser would show a character instead of passing it on. Emoji joiners count too.
pub fn is_revealed(c: char) -> bool {
    control_symbol(c).is_some() || is_hidden(c)
}

/// What stands for a control character or line break.
fn control_symbol(c: char) -> Option<&'static str> {
    const PICTURES: [&str; 32] = [
        "␀", "␁", "␂", "␃", "␄", "␅", "␆", "␇", "␈", "⇥", "⏎", "␋", "␌", "⏎", "␎", "␏", "␐", "␑", "␒", "␓", "␔", "␕",
        "␖", "␗", "␘", "␙", "␚", "␛", "␜", "␝", "␞", "␟",
    ];
    match c {
        '\u{00}'..='\u{1f}' => PICTURES.get(c as usize).copied(),
        '\u{7f}' => Some("␡"),
        '\u{85}' | '\u{2028}' | '\u{2029}' => Some("⏎"),
        _ => None,
    }
}

/// Characters that act on other characters or cannot be seen: C1, direction marks, zero-width and
/// filler characters, selectors, tags, private use and non-characters.
fn is_hidden(c: char) -> bool {
    matches!(c as u32,
        0x80..=0x9F | 0xAD | 0x34F | 0x61C | 0x70F | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
        | 0xFFF0..=0xFFFB | 0xE000..=0xF8FF | 0xFDD0..=0xFDEF | 0x1D173..=0x1D17A | 0xE0000..=0x10FFFF)
        || (c as u32) & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(raw: &str) -> String {
        Safe::new(raw).as_str().to_owned()
    }

    #[test]
    fn controls_are_shown_not_dropped() {
        assert_eq!(shown("a\x1b[31mb\x07"), "a␛[31mb␇");
        assert_eq!(shown("x\u{9b}31m\u{7f}"), "x⟨U+009B⟩31m␡");
        assert_eq!(shown("one\r\ntwo\nthree\u{2028}four\tfive"), "one⏎two⏎three⏎four⇥five");
    }

    #[test]
    fn direction_and_invisible_characters_are_named() {
        assert_eq!(shown("abc\u{202e}fdp.exe"), "abc⟨U+202E⟩fdp.exe");
        assert_eq!(shown("\u{feff}pay\u{200b}pal"), "⟨U+FEFF⟩pay⟨U+200B⟩pal");
        assert_eq!(shown("hi\u{e0041}"), "hi⟨U+E0041⟩");
        assert_ne!(shown("same"), shown("sa\u{ad}me"), "two different values must not look the same");
    }

    #[test]
    fn joiners_stay_inside_emoji_only() {
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(shown(family), family);
        assert_eq!(shown("❤\u{fe0f}"), "❤\u{fe0f}");
        assert_eq!(shown("1\u{fe0f}\u{20e3}"), "1\u{fe0f}\u{20e3}");
        assert_eq!(shown("a\u{200d}b"), "a⟨U+200D⟩b");
        assert_eq!(shown("a\u{fe0f}"), "a⟨U+FE0F⟩");
    }

    #[test]
    fn stacked_marks_are_capped_and_counted() {
        let zalgo = format!("z{}", "\u{301}".repeat(9));
        assert_eq!(shown(&zalgo), format!("z{}⟨+5 marks⟩", "\u{301}".repeat(4)));
        assert_eq!(shown("\u{301}x"), "◌\u{301}x");
    }

    #[test]
    fn length_is_bounded_and_the_rest_counted() {
        assert_eq!(Safe::limited(&"ä".repeat(10), 4).as_str(), "ääää⟨+6 more⟩");
        assert!(Safe::new(&"x".repeat(1_000_000)).as_str().len() < DEFAULT_LIMIT + 64);
    }

    #[test]
    fn a_spelled_out_mark_is_not_taken_for_a_reveal() {
        assert!(!Safe::new("⟨U+202E⟩").has_reveals());
        assert_eq!(Safe::new("a\u{202e}b").runs(), [("a", false), ("⟨U+202E⟩", true), ("b", false)]);
    }

    #[test]
    fn input_text_loses_what_it_must_not_carry() {
        assert_eq!(strip_controls("a\x1bb\nc", false), ("ab c".into(), true));
        assert_eq!(strip_controls("a\r\nb", true), ("a\nb".into(), false));
    }

    fn nasty() -> impl Strategy<Value = String> {
        let any = prop::collection::vec(any::<char>(), 0..40);
        let picked = prop::collection::vec(
            prop::sample::select(vec![
                '\x1b',
                '\u{9b}',
                '\u{9d}',
                '\x07',
                '\r',
                '\n',
                '\t',
                '\0',
                '\u{202e}',
                '\u{2066}',
                '\u{200d}',
                '\u{fe0f}',
                '\u{301}',
                '\u{e0041}',
                '\u{feff}',
                'a',
                '漢',
                '👩',
                '1',
                '\u{20e3}',
                '🏽',
                'ا',
                '\u{1100}',
                '\u{1161}',
                '\u{1f1e9}',
            ]),
            0..40,
        );
        prop_oneof![any, picked].prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn output_never_acts_on_the_terminal(raw in nasty()) {
            let safe = Safe::new(&raw);
            for c in safe.as_str().chars() {
                prop_assert!(control_symbol(c).is_none(), "{:?}", c);
                let joiner = c == emoji::ZWJ || emoji::is_presentation_selector(c);
                prop_assert!(!is_hidden(c) || joiner, "{:?}", c);
            }
            for cluster in safe.as_str().graphemes(true) {
                if cluster.contains(emoji::ZWJ) || cluster.contains('\u{fe0f}') || cluster.contains('\u{fe0e}') {
                    prop_assert!(cluster.chars().any(|c| emoji::is_picture(c) || emoji::is_keycap_base(c)));
                }
            }
        }

        #[test]
        fn glyphs_and_runs_cover_the_text_and_widths_add_up(raw in nasty()) {
            let safe = Safe::new(&raw);
            prop_assert_eq!(safe.glyphs().map(|glyph| glyph.text).collect::<String>(), safe.as_str());
            prop_assert_eq!(safe.runs().into_iter().map(|(text, _)| text).collect::<String>(), safe.as_str());
            prop_assert_eq!(safe.width(), crate::text::width(safe.as_str()));
        }

        #[test]
        fn sanitising_plain_words_changes_nothing(raw in "[a-zA-Zäöü漢字 .,@-]{0,40}") {
            prop_assert_eq!(shown(&raw), raw);
        }
    }
}
