//! Plain text in Odoo's html fields: one paragraph, a `<br>` per line, and back.
//!
//! What was written reads back the same to the letter (measured: Odoo's sanitiser keeps spaces, tabs and
//! line breaks inside text as they are). Formatting somebody added in Odoo is read as lines of text, and
//! lost once a text from iVvy replaces it.

/// Tags that end a line where they close.
const BLOCKS: [&str; 13] = ["p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table"];

/// Bytes a character reference may have: no further than that is its end looked for.
const LONGEST_ENTITY: usize = 12;

/// `text` as html.
pub(super) fn from_text(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    html.push_str("<p>");
    for (number, line) in text.replace("\r\n", "\n").split('\n').enumerate() {
        if number > 0 {
            html.push_str("<br>");
        }
        for c in line.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                other => html.push(other),
            }
        }
    }
    html.push_str("</p>");
    html
}

/// The text of `html`, line by line.
pub(super) fn to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    // Whether a block has ended since the last text: the line break is due before the next one only.
    let mut block_ended = false;
    // Whether a tag may still end: looked for once, or a page of nothing but `<` would be read over and over.
    let mut tags_end = true;
    while let Some(at) = rest.find(['<', '&']) {
        push(&mut text, &rest[..at], &mut block_ended);
        rest = &rest[at..];
        if let Some((c, after)) = entity(rest) {
            push(&mut text, c.encode_utf8(&mut [0; 4]), &mut block_ended);
            rest = after;
        } else if let Some(end) = rest.strip_prefix('<').filter(|_| tags_end).and_then(|tag| tag.find('>')) {
            let tag = rest[1..=end].trim_end_matches(['/', ' ']);
            let name = tag.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            match name.strip_prefix('/') {
                Some(block) if BLOCKS.contains(&block) => block_ended = true,
                // A paragraph with nothing but a break is an empty line, not two.
                None if name == "br" => push(&mut text, "\n", &mut block_ended),
                _ => {}
            }
            rest = &rest[end + 2..];
        } else {
            tags_end &= !rest.starts_with('<');
            push(&mut text, &rest[..1], &mut block_ended);
            rest = &rest[1..];
        }
    }
    push(&mut text, rest, &mut block_ended);
    if text.trim().is_empty() { String::new() } else { text }
}

fn push(text: &mut String, piece: &str, block_ended: &mut bool) {
    if piece.is_empty() {
        return;
    }
    if std::mem::take(block_ended) {
        text.push('\n');
    }
    text.push_str(piece);
}

/// The character reference `rest` begins with, and what follows it.
fn entity(rest: &str) -> Option<(char, &str)> {
    let rest = rest.strip_prefix('&')?;
    let end = rest.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';')?;
    let (name, after) = (&rest[..end], &rest[end + 1..]);
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        number => {
            let digits = number.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_format_in_odoo_reads_as_lines() {
        for (html, text) in [
            ("<p>1</p><p>2</p><ul><li>3</li><li><b>4</b> &amp; 5</li></ul>", "1\n2\n3\n4 & 5"),
            ("<p>a<br>b<br/>c</p>", "a\nb\nc"),
            ("<p style=\"x\">a &lt;b&gt; &#39;c&#x27; d&nbsp;e</p>", "a <b> 'c' d\u{a0}e"),
            ("<p><br></p>", ""),
            ("", ""),
            ("no tags, 1 < 2 & 3 &unknown; <unclosed", "no tags, 1 < 2 & 3 &unknown; <unclosed"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn a_page_of_brackets_is_read_once() {
        for piece in ["<", "&", "<&"] {
            let maze = piece.repeat(500_000);
            assert_eq!(to_text(&maze), maze);
        }
    }

    proptest! {
        #[test]
        fn text_survives_the_way_there_and_back(text in "[a-z<>&;\"' \té\u{a0}\n]{0,40}") {
            let expected = if text.trim().is_empty() { String::new() } else { text.clone() };
            prop_assert_eq!(to_text(&from_text(&text)), expected);
        }

        #[test]
        fn no_html_makes_it_fail(html in "[a-z<>&;#/ ]{0,40}|\\PC{0,40}") {
            to_text(&html);
        }
    }
}
