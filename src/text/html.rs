//! HTML as the text in it, for places that hold no pages.
//!
//! E-mail bodies are hostile: what is too large, too deep or too much of a maze to be laid out is not laid
//! out, only freed of its tags. Control characters stay: they are for whoever shows the text, as in all
//! remote text.

use std::collections::BTreeMap;

use html2text::render::TrivialDecorator;

/// Bytes of input looked at; the rest is left out.
const MOST_INPUT: usize = 1024 * 1024;
/// Tags a page may have, and how many of them may be open at a time, to be laid out: the layout recurses,
/// and badly nested formatting multiplies.
const MOST_TAGS: usize = 20_000;
const DEEPEST: usize = 100;
/// Columns after which lines are broken.
const COLUMNS: usize = 100;
/// Elements that hold nothing.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Elements that end by themselves where the next one begins.
const SELF_ENDING: [&str; 11] = ["p", "li", "td", "th", "tr", "tbody", "thead", "tfoot", "dt", "dd", "option"];

/// The text of `html`, at most `most` characters of it.
pub fn html_to_text(html: &str, most: usize) -> String {
    laid_out(html, most, COLUMNS)
}

/// As [`html_to_text`], in lines of at most `columns`.
pub(super) fn laid_out(html: &str, most: usize, columns: usize) -> String {
    let html = &html[..html.floor_char_boundary(MOST_INPUT)];
    let laid_out = is_harmless(html).then(|| {
        // In raw mode tables, which lay out most e-mails, are just text.
        let layout = html2text::config::with_decorator(TrivialDecorator::new()).raw_mode(true);
        layout.string_from_read(html.as_bytes(), columns).ok()
    });
    let text = laid_out.flatten().unwrap_or_else(|| without_tags(html));
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let text = text.trim();
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Whether the page's tags are few and shallow enough. Counts conservatively: an end tag takes back only a
/// start tag of its own name, so what is badly nested counts as deep.
fn is_harmless(html: &str) -> bool {
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    let (mut tags, mut depth) = (0, 0);
    for (at, _) in html.match_indices('<') {
        let rest = &html[at + 1..];
        let (ends, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
        let name: String = rest
            .bytes()
            .take(16)
            .take_while(u8::is_ascii_alphanumeric)
            .map(|b| char::from(b.to_ascii_lowercase()))
            .collect();
        if name.is_empty() {
            continue;
        }
        tags += 1;
        if VOID.contains(&name.as_str()) || SELF_ENDING.contains(&name.as_str()) {
            // Nothing can be inside, or no more than one of them per element that is counted.
        } else if !ends {
            depth += 1;
            *open.entry(name).or_default() += 1;
        } else if let Some(count) = open.get_mut(&name).filter(|count| **count > 0) {
            *count -= 1;
            depth -= 1;
        }
        if tags > MOST_TAGS || depth > DEEPEST {
            return false;
        }
    }
    true
}

/// What stands outside of angle brackets.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            _ if inside => {}
            outside => text.push(outside),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ordinary_e_mail_reads_as_text() {
        let html = "<html><head><style>p{color:red}</style></head><body><table><tr><td><p>Dear Zo&euml;,</p>\
                    <p>see you <b>soon</b>:<br>the <a href=\"https://venue.example/x\">venue</a></p></td></tr></table>\
                    <script>alert(1)</script></body></html>";
        let text = html_to_text(html, 1000);
        for part in ["Dear Zoë,", "see you soon:", "the venue"] {
            assert!(text.contains(part), "{text}");
        }
        for part in ["color", "alert", "<", "https"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
        assert_eq!(html_to_text("", 10), "");
        assert_eq!(html_to_text("plain words", 100), "plain words");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let text = html_to_text(&format!("<p>{}</p>", "é ".repeat(50_000)), 32_000);
        assert_eq!(text.chars().count(), 32_000);
        assert!(text.ends_with('…'));
        let huge = format!("{}<p>end</p>", "ü".repeat(MOST_INPUT));
        assert!(!html_to_text(&huge, usize::MAX).contains("end"));
    }

    #[test]
    fn mazes_are_freed_of_their_tags_instead_of_being_laid_out() {
        for maze in [
            "<div>".repeat(100_000),
            "<div></span>".repeat(50_000),
            "<table><tr><td>".repeat(30_000),
            "<b><p>".repeat(30_000),
            "<a><b></a>".repeat(30_000),
            "<br>".repeat(100_000),
            "<blockquote>".repeat(5_000),
            "<svg><foreignObject>".repeat(5_000),
        ] {
            let hostile = format!("{maze}words");
            assert!(!is_harmless(&hostile));
            assert_eq!(html_to_text(&hostile, 100), "words");
        }
        // As much as is still laid out: formatting that every paragraph begins anew.
        let formats: String = (0..DEEPEST).map(|serial| format!("<b id={serial}>")).collect();
        let most = format!("{formats}{}", "<p>x".repeat(MOST_TAGS - DEEPEST - 1));
        assert!(is_harmless(&most) && html_to_text(&most, 100).starts_with("x"));
        for odd in ["<", "</", "<>", "<!--", "<p", "&#27;[31m", "<td colspan=4294967295>x", "<li value=99999999999>x"] {
            html_to_text(&odd.repeat(99), 100);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_soup_of_tags_ends_within_its_bound(
            parts in proptest::collection::vec("</?(div|p|table|tr|td|b|a|ul|ol|li|pre|blockquote|h1|sup)( colspan=[0-9]{1,9})?>|[a-z &;]{1,9}", 0..200)
        ) {
            prop_assert!(html_to_text(&parts.concat(), 50).chars().count() <= 50);
        }
    }
}
