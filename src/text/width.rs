//! Columns on a terminal: measured, cut and padded by grapheme cluster, the unit ratatui draws.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns one grapheme cluster takes.
pub(super) fn grapheme_width(cluster: &str) -> usize {
    cluster.width()
}

/// Columns `text` takes when drawn cluster by cluster.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(grapheme_width).sum()
}

/// `text` cut to at most `columns`, with `…` in the last one when something was cut.
pub fn truncate(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut cut = String::new();
    let mut used = 0;
    for cluster in text.graphemes(true) {
        let next = grapheme_width(cluster);
        if used + next > room {
            break;
        }
        used += next;
        cut.push_str(cluster);
    }
    cut.push('…');
    cut
}

/// `text` with blanks up to `columns`. Longer text is left as it is.
pub fn pad(text: &str, columns: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
    padded
}

/// Where [`fit`] puts the text in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Blanks after it.
    Left,
    /// Blanks before it.
    Right,
}

/// `text` in exactly `columns`: cut or padded.
pub fn fit(text: &str, columns: usize, side: Fit) -> String {
    let cut = truncate(text, columns);
    let blanks = " ".repeat(columns.saturating_sub(width(&cut)));
    match side {
        Fit::Left => cut + &blanks,
        Fit::Right => blanks + &cut,
    }
}

/// The words of a text, with the punctuation that belongs to them: no line begins with `;` or ends with `(`.
fn units(text: &str) -> Vec<&str> {
    let closing = |word: &str| word.chars().all(|c| ".,;:!?)]}%…»".contains(c));
    let opening = |word: &str| word.ends_with(['(', '[', '{', '«', '`']);
    let mut units: Vec<&str> = Vec::new();
    let mut start = 0;
    for (at, word) in text.split_word_bound_indices() {
        let blank = |word: &str| word.trim().is_empty();
        match units.last_mut() {
            Some(last) if !blank(last) && !blank(word) && (closing(word) || opening(last)) => {
                *last = &text[start..at + word.len()];
            }
            _ => {
                start = at;
                units.push(word);
            }
        }
    }
    units
}

/// `text` broken into lines of at most `columns`, at blanks where possible. Never empty. A cluster
/// wider than a line gets a line of its own.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in units(text) {
        let wide = width(word);
        if used + wide > columns && used > 0 {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0;
            if word.trim().is_empty() {
                continue;
            }
        }
        if wide <= columns {
            line.push_str(word);
            used += wide;
            continue;
        }
        for cluster in word.graphemes(true) {
            let next = grapheme_width(cluster);
            if used + next > columns && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(cluster);
            used += next;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wide_text_is_cut_between_clusters() {
        assert_eq!(truncate("漢字漢字", 5), "漢字…");
        assert_eq!(truncate("漢字漢字", 4), "漢…");
        assert_eq!(truncate("abc", 0), "");
        assert_eq!(fit("漢", 4, Fit::Right), "  漢");
    }

    #[test]
    fn lines_break_at_blanks_first() {
        assert_eq!(wrap("both sides changed", 10), ["both sides", "changed"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn punctuation_stays_with_its_word() {
        assert_eq!(wrap("one two; three", 7), ["one", "two;", "three"]);
        assert_eq!(wrap("is off (venues)", 8), ["is off", "(venues)"]);
    }

    proptest! {
        #[test]
        fn width_law(raw in any::<String>(), columns in 0_usize..40) {
            let safe = crate::text::Safe::new(&raw);
            prop_assert!(width(&truncate(safe.as_str(), columns)) <= columns);
            prop_assert_eq!(width(&fit(safe.as_str(), columns, Fit::Left)), columns);
            prop_assert!(width(&pad(safe.as_str(), columns)) >= columns);
        }

        #[test]
        fn wrapped_lines_fit(raw in "[a-z漢👩 ]{0,60}", columns in 2_usize..20) {
            for line in wrap(&raw, columns) {
                prop_assert!(width(&line) <= columns);
            }
        }
    }
}
