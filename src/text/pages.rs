//! Very long texts page by page: the source as it is, the text in a page of HTML, the web addresses in it.
//!
//! A page is found from its place in the source alone: nothing is kept between two of them, and one costs
//! the same at the end of a text as at its start. Nothing is fetched, ever. What comes out is as hostile as
//! what went in; whoever shows it makes it safe.

use std::collections::BTreeSet;

use super::html;

/// Bytes of a page at most.
pub const MOST_PAGE: usize = 128 * 1024;

/// Bytes a page has usually, so that it is laid out in no time.
const USUAL_PAGE: usize = 32 * 1024;
/// Bytes of HTML laid out at a time. A text of so many characters is at most half of [`MOST_PAGE`].
const WINDOW: usize = 16 * 1024;
/// Bytes of source one page looks at before it is given out as it is, empty perhaps.
const MOST_SOURCE: usize = 1024 * 1024;
/// Bytes a tag may have; what does not end by then is a lone bracket.
const MOST_TAG: usize = 64 * 1024;
/// Columns a line of laid-out HTML has at most: also a small screen shows most of it unbroken.
const COLUMNS: usize = 72;
/// Bytes of an address shown.
const MOST_ADDRESS: usize = 2_048;
/// Elements whose inside is not for readers.
const HIDDEN: [&str; 3] = ["script", "style", "title"];
/// Elements that begin a line: good places to end a page.
const BLOCKS: [&str; 16] =
    ["address", "blockquote", "br", "dd", "div", "dt", "h1", "h2", "h3", "hr", "li", "ol", "p", "table", "tr", "ul"];
/// What an address begins with to be one.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// A part of a long text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What is to be read.
    pub text: String,
    /// Byte of the source the next page begins at; `None` at the end.
    pub next: Option<usize>,
}

/// The source itself from byte `from` on.
pub fn source_page(source: &str, from: usize) -> Page {
    let from = source.floor_char_boundary(from);
    let end = source.floor_char_boundary(from + USUAL_PAGE);
    let part = &source[from..end];
    // Preferably whole lines.
    let whole = part.rfind('\n').map(|at| at + 1).filter(|at| end < source.len() && *at > USUAL_PAGE / 2);
    let end = whole.map_or(end, |at| from + at);
    Page { text: source[from..end].to_owned(), next: next(source, end) }
}

/// The text in a page of HTML from byte `from` of its source on.
pub fn html_page(source: &str, from: usize) -> Page {
    let start = source.floor_char_boundary(from);
    let (mut text, mut at) = (String::new(), start);
    while at < source.len() && at - start < MOST_SOURCE && text.len() < USUAL_PAGE {
        let (shown, after) = window(source, at);
        let part = html::laid_out(&source[at..at + shown], WINDOW, COLUMNS);
        if !part.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text += &part;
        }
        at = after;
    }
    Page { text, next: next(source, at) }
}

/// The web and mail addresses in a text, one per line and once per page, in their order.
pub fn address_page(source: &str, from: usize) -> Page {
    let start = source.floor_char_boundary(from);
    let (mut text, mut at) = (String::new(), start);
    let mut seen = BTreeSet::new();
    let bytes = source.as_bytes();
    while at < bytes.len() {
        if at - start >= MOST_SOURCE || text.len() >= USUAL_PAGE {
            return Page { text, next: next(source, source.ceil_char_boundary(at)) };
        }
        let begins = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let scheme = begins.then(|| SCHEMES.iter().find(|scheme| has_prefix(&bytes[at..], scheme))).flatten();
        let Some(scheme) = scheme else {
            at += 1;
            continue;
        };
        // Invariant: a scheme is ASCII, so it begins and ends on a character.
        let address = &source[at..at + address_length(&source[at..])];
        at += address.len().max(scheme.len());
        if address.len() > scheme.len() {
            let mut shown = decoded(&address[..address.floor_char_boundary(MOST_ADDRESS)]);
            if address.len() > MOST_ADDRESS {
                shown.push('…');
            }
            if seen.insert(shown.clone()) {
                text += &shown;
                text.push('\n');
            }
        }
    }
    Page { text, next: None }
}

fn next(source: &str, at: usize) -> Option<usize> {
    (at < source.len()).then_some(at)
}

fn has_prefix(bytes: &[u8], word: &str) -> bool {
    bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// How many bytes from `from` on are to be laid out, and where it goes on: never inside of a tag, of a
/// comment, or of something that is not for readers. Linear, whatever the brackets say.
fn window(source: &str, from: usize) -> (usize, usize) {
    let bytes = source.as_bytes();
    let limit = from + WINDOW;
    if limit >= bytes.len() {
        return (bytes.len() - from, bytes.len());
    }
    let until = |end: usize| (end - from, end);
    let (mut at, mut block, mut bracket) = (from, None, from);
    loop {
        let open = (at..limit).find(|at| bytes[*at] == b'<');
        let Some(open) = open else {
            // In the open at the limit: a line, a word or a character ends here.
            let word = (at.max(from + 1)..limit).rev().find(|at| bytes[*at].is_ascii_whitespace());
            let late = block.filter(|at| *at > from + WINDOW / 2);
            return until(
                late.or(word)
                    .unwrap_or_else(|| source.floor_char_boundary(limit).max(source.ceil_char_boundary(from + 1))),
            );
        };
        let tag = tag_name(&bytes[open + 1..]);
        let end = if bytes[open..].starts_with(b"<!--") {
            find(bytes, open, "-->").map_or(bytes.len(), |at| at + 3)
        } else if HIDDEN.contains(&tag.as_str()) {
            let close = find(bytes, open, &format!("</{tag}"));
            close.and_then(|at| find(bytes, at, ">")).map_or(bytes.len(), |at| at + 1)
        } else if matches!(bytes.get(open + 1), Some(b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'!' | b'?')) {
            // Runs ahead, never back: thousands of brackets that nothing closes are looked at once.
            bracket = bracket.max(open);
            let far = (open + MOST_TAG).min(bytes.len());
            while bracket < far && bytes[bracket] != b'>' {
                bracket += 1;
            }
            if bracket < far { bracket + 1 } else { open + 1 }
        } else {
            open + 1
        };
        if end > limit {
            return match open > from {
                true => until(open),
                false => (0, end),
            };
        }
        if BLOCKS.contains(&tag.as_str()) && open > from {
            block = Some(open);
        }
        at = end;
    }
}

fn tag_name(bytes: &[u8]) -> String {
    let name = bytes.iter().take(12).take_while(|byte| byte.is_ascii_alphanumeric());
    name.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

fn find(bytes: &[u8], from: usize, word: &str) -> Option<usize> {
    (from..bytes.len()).find(|at| has_prefix(&bytes[*at..], word))
}

/// Bytes of the address `text` begins with.
fn address_length(text: &str) -> usize {
    let mut parentheses = 0_u32;
    let ends = |character: char| match character {
        '(' => {
            parentheses += 1;
            false
        }
        ')' => {
            let closes = parentheses > 0;
            parentheses = parentheses.saturating_sub(1);
            !closes
        }
        '"' | '\'' | '<' | '>' | '`' | '\\' => true,
        other => other.is_whitespace() || other.is_control(),
    };
    let address = text.find(ends).map_or(text, |end| &text[..end]);
    address.trim_end_matches(['.', ',', ';', ':', '!', '?', ']', '}']).len()
}

/// An address without the character references of HTML, so that it reads as a browser would follow it.
/// What would not be seen stays as it is written.
fn decoded(address: &str) -> String {
    let mut text = String::with_capacity(address.len());
    let mut rest = address;
    while let Some(at) = rest.find('&') {
        text += &rest[..at];
        rest = &rest[at..];
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        let character = end.and_then(|end| reference(&rest[1..end]));
        match (character, end) {
            (Some(character), Some(end)) => {
                text.push(character);
                rest = &rest[end + 1..];
            }
            _ => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

fn reference(name: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let character = match name {
        "amp" => Some('&'),
        _ => match name.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
            decimal => number(decimal, 10),
        },
    };
    character.filter(|character| !character.is_control() && !character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All pages, one after the other; proves that they end and stay within their bound.
    fn all(source: &str, page: impl Fn(&str, usize) -> Page) -> Vec<String> {
        let (mut pages, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let page = page(source, at);
            assert!(page.text.len() <= MOST_PAGE, "{}", page.text.len());
            assert!(page.next.is_none_or(|next| next > at && source.is_char_boundary(next)));
            pages.push(page.text);
            from = page.next;
        }
        pages
    }

    #[test]
    fn a_long_body_is_read_to_its_end_in_pages_v33() {
        let paragraphs =
            (0..60_000).map(|n| format!("<p class=\"MsoNormal\" style='margin:0'>Paragraph <b>{n}</b> é</p>"));
        let source = format!("<style>p{{color:red}}</style>{}", paragraphs.collect::<String>());
        assert!(source.len() > 3_000_000);
        let text = all(&source, html_page).join("\n");
        let numbers: Vec<usize> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers, (0..60_000).collect::<Vec<_>>(), "nothing is lost or doubled where pages meet");
        for hidden in ['<', '>', '{'] {
            assert!(!text.contains(hidden), "{hidden}");
        }
        assert_eq!(all(&source, source_page).concat(), source);
    }

    #[test]
    fn scripts_and_comments_longer_than_a_page_are_never_text_v33() {
        for (open, close) in [("<script>", "</script>"), ("<STYLE a='b'>", "</STYLE >"), ("<!--", "-->")] {
            let hidden = "var secret = 1 < 2; ".repeat(200_000);
            let source = format!("<p>before</p>{open}{hidden}{close}<p>after</p>");
            let pages = all(&source, html_page);
            let text = pages.concat();
            assert!(text.contains("before") && text.contains("after"), "{open}");
            assert!(!text.contains("secret"), "{open}");
            let unclosed = all(&format!("<p>before</p>{open}{hidden}"), html_page).concat();
            assert!(unclosed.contains("before") && !unclosed.contains("secret"), "{open}");
        }
    }

    #[test]
    fn mazes_of_brackets_end_and_lose_no_words_v33() {
        for maze in ["<", "< ", "</", "<!", "<div>", "<a href='", "<blockquote><p>", "<pre>\t", "<li value=999999999>"]
        {
            let source = format!("start {} end", maze.repeat(1_000_000 / maze.len()));
            let text = all(&source, html_page).concat();
            assert!(text.starts_with("start"), "{maze}");
            all(&source, address_page);
        }
        let prose = "if 1 < 2 and 3 > 2 then ".repeat(50_000);
        let text = all(&prose, html_page).join(" ");
        assert_eq!(text.matches("then").count(), 50_000);
    }

    #[test]
    fn only_web_and_mail_addresses_are_listed_and_read_as_a_browser_would_v33() {
        let source = "<a href=\"https://a.example/?x=1&amp;y=2\">a</a> see http://b.example/(c). \
                      <img src='HTTPS://c.example/p.png'> url(http://d.example/e) mailto:x@y.example, \
                      javascript:alert(1) file:///etc/passwd ftp://no.example xhttp://no.example http:// \
                      <a href=\"https://a.example/?x=1&amp;y=2\">again</a> https://e.example/&#10;&#x2f;&#x202e;z";
        let page = address_page(source, 0);
        let expected = [
            "https://a.example/?x=1&y=2",
            "http://b.example/(c)",
            "HTTPS://c.example/p.png",
            "http://d.example/e",
            "mailto:x@y.example",
            "https://e.example/&#10;/\u{202e}z",
        ];
        assert_eq!(page.text.lines().collect::<Vec<_>>(), expected);
        let many: String =
            (0..40_000).map(|n| format!("<a href='https://a.example/{n}'>é{}</a>", "x".repeat(n % 90))).collect();
        let found = all(&many, address_page).concat();
        assert_eq!(found.lines().count(), 40_000);
        let long = format!("https://a.example/{}", "é".repeat(2_000_000));
        assert_eq!(all(&long, address_page).concat().lines().count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_soup_is_paged_to_its_end_from_anywhere(
            parts in proptest::collection::vec("</?(div|p|script|style|a)( x='[<>é]{0,3})?>?|<!--|-->|[a-zé <>&;]{1,9}|http://[a-z/]{0,5}", 1..60),
            times in 1_usize..400,
            from in 0_usize..10_000,
        ) {
            let source = parts.concat().repeat(times);
            for page in [source_page, html_page, address_page] {
                all(&source, page);
                page(&source, from);
            }
        }
    }
}
