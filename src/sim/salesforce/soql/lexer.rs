//! Words, quoted texts and symbols of a query.

use super::refuse_at;
use crate::sim::salesforce::error::Refusal;

/// A piece of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, keyword, number or date: everything unquoted.
    Word(String),
    /// Quoted text with its escapes kept.
    Text(String),
    /// `(`, `)`, `,` or a comparison sign.
    Sign(&'static str),
}

/// Two-character signs first.
const SIGNS: [&str; 10] = ["!=", "<>", "<=", ">=", "(", ")", ",", "=", "<", ">"];

/// Cuts `soql` into tokens, each with the byte it starts at.
pub(super) fn tokens(soql: &str) -> Result<Vec<(usize, Token)>, Refusal> {
    let mut found = Vec::new();
    let mut rest = soql;
    loop {
        rest = rest.trim_start();
        let at = soql.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let token = if first == '\'' {
            let length = text_length(&rest[1..])
                .ok_or_else(|| refuse_at("MALFORMED_QUERY", soql, at, "unterminated string literal"))?;
            let text = &rest[1..=length];
            if read(text).is_none() {
                return Err(refuse_at("MALFORMED_QUERY", soql, at, "invalid string escape"));
            }
            rest = &rest[length + 2..];
            Token::Text(text.to_owned())
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            rest = &rest[sign.len()..];
            Token::Sign(sign)
        } else {
            let end = rest.find(|letter: char| !is_word(letter)).unwrap_or(rest.len());
            if end == 0 {
                return Err(refuse_at("MALFORMED_QUERY", soql, at, &format!("unexpected token: '{first}'")));
            }
            let word = &rest[..end];
            rest = &rest[end..];
            Token::Word(word.to_owned())
        };
        found.push((at, token));
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ':' | '+' | '-')
}

/// Bytes up to the closing quote.
fn text_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices()
        .find(|(_, letter)| {
            let closes = *letter == '\'' && !escaped;
            escaped = *letter == '\\' && !escaped;
            closes
        })
        .map(|(at, _)| at)
}

/// A character of a `LIKE` pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glyph {
    /// This character, lower case.
    One(char),
    /// Exactly one character (`_`).
    AnyOne,
    /// Any number of characters (`%`).
    AnyMany,
}

/// The text behind the escapes; `None` for an escape that does not exist.
pub(super) fn read(raw: &str) -> Option<String> {
    Some(letters(raw)?.into_iter().map(|(letter, _)| letter).collect())
}

/// The pattern behind the escapes, folded to lower case.
pub(super) fn pattern(raw: &str) -> Option<Vec<Glyph>> {
    let mut glyphs = Vec::new();
    for (letter, escaped) in letters(raw)? {
        match letter {
            '%' if !escaped => glyphs.push(Glyph::AnyMany),
            '_' if !escaped => glyphs.push(Glyph::AnyOne),
            other => glyphs.extend(other.to_lowercase().map(Glyph::One)),
        }
    }
    Some(glyphs)
}

fn letters(raw: &str) -> Option<Vec<(char, bool)>> {
    let mut read = Vec::new();
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            read.push((letter, false));
            continue;
        }
        let meant = match letters.next()? {
            'n' | 'N' => '\n',
            'r' | 'R' => '\r',
            't' | 'T' => '\t',
            'b' | 'B' => '\u{8}',
            'f' | 'F' => '\u{c}',
            same @ ('\'' | '"' | '\\' | '%' | '_') => same,
            'u' => {
                let code: String = letters.by_ref().take(4).collect();
                let number = (code.len() == 4).then(|| u32::from_str_radix(&code, 16).ok()).flatten()?;
                char::from_u32(number)?
            }
            _ => return None,
        };
        read.push((meant, true));
    }
    Some(read)
}
