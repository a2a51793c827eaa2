//! What changed inside a value, word by word.

use std::ops::Range;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};
use unicode_segmentation::UnicodeSegmentation as _;

/// Words compared at most; longer values are marked as changed in one piece.
const MAX_WORDS: usize = 4_000;

/// Longest time a comparison may take before `similar` settles for a coarser answer. A diff is
/// redrawn with every key, so it must never be felt.
const DEADLINE: Duration = Duration::from_millis(20);

/// Byte ranges that differ, in each of the two texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// In the first text.
    pub left: Vec<Range<usize>>,
    /// In the second text.
    pub right: Vec<Range<usize>>,
}

impl Changed {
    /// Whether byte `at` of the first text lies in a changed range.
    pub fn in_left(&self, at: usize) -> bool {
        self.left.iter().any(|range| range.contains(&at))
    }

    /// Whether byte `at` of the second text lies in a changed range.
    pub fn in_right(&self, at: usize) -> bool {
        self.right.iter().any(|range| range.contains(&at))
    }
}

/// Compares two sanitised texts word by word.
pub fn word_diff(left: &str, right: &str) -> Changed {
    if left == right {
        return Changed::default();
    }
    if words(left) > MAX_WORDS || words(right) > MAX_WORDS {
        return Changed { left: whole(left), right: whole(right) };
    }
    let diff = TextDiff::configure().timeout(DEADLINE).diff_unicode_words(left, right);
    let (mut at_left, mut at_right) = (0, 0);
    let mut changed = Changed::default();
    for change in diff.iter_all_changes() {
        let length = change.value().len();
        match change.tag() {
            ChangeTag::Equal => {
                at_left += length;
                at_right += length;
            }
            ChangeTag::Delete => {
                extend(&mut changed.left, at_left..at_left + length);
                at_left += length;
            }
            ChangeTag::Insert => {
                extend(&mut changed.right, at_right..at_right + length);
                at_right += length;
            }
        }
    }
    changed
}

fn words(text: &str) -> usize {
    text.split_word_bounds().take(MAX_WORDS + 1).count()
}

fn whole(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    extend(&mut ranges, 0..text.len());
    ranges
}

fn extend(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // one changed range is the expectation
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_changed_words_are_marked() {
        let changed = word_diff("Anna Lee Smith", "Anna Leigh Smith");
        assert_eq!(changed, Changed { left: vec![5..8], right: vec![5..10] });
        assert_eq!(word_diff("same", "same"), Changed::default());
        assert_eq!(word_diff("", "new"), Changed { left: vec![], right: vec![0..3] });
    }

    #[test]
    fn huge_values_are_marked_whole() {
        let left = "a ".repeat(5_000);
        assert_eq!(word_diff(&left, "b").left, [0..left.len()]);
    }

    proptest! {
        #[test]
        fn what_is_not_marked_is_the_same_on_both_sides(left in "[ab ]{0,30}", right in "[ab ]{0,30}") {
            let changed = word_diff(&left, &right);
            let keep = |text: &str, ranges: &[Range<usize>]| -> String {
                text.char_indices().filter(|(at, _)| !ranges.iter().any(|r| r.contains(at))).map(|(_, c)| c).collect()
            };
            prop_assert_eq!(keep(&left, &changed.left), keep(&right, &changed.right));
        }
    }
}
