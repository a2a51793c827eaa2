//! SOQL as text: literals that cannot break out, and the keyset walk over (`SystemModstamp`, `Id`).

use std::fmt;
use std::str::FromStr;

use chrono::SecondsFormat;

use crate::model::Timestamp;

/// `text` as a SOQL string literal, quotes included. The quoting characters and everything that
/// would end or bend the literal are escaped; other control characters, which SOQL does not know
/// how to write, become spaces.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("\\'"),
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            control if control.is_control() => literal.push(' '),
            plain => literal.push(plain),
        }
    }
    literal.push('\'');
    literal
}

/// An instant as a SOQL datetime literal, which stands without quotes.
pub(super) fn datetime(at: Timestamp) -> String {
    let precision = if at == at.floor_second() { SecondsFormat::Secs } else { SecondsFormat::Millis };
    at.to_datetime().to_rfc3339_opts(precision, true)
}

/// An id of this form can be in a path or a query: 15 letters and digits, or 18 with the check part.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The last row of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) stamp: Timestamp,
    pub(super) id: String,
}

impl Position {
    /// The condition for everything behind this row.
    pub(super) fn condition(&self) -> String {
        let (stamp, id) = (datetime(self.stamp), string(&self.id));
        format!("(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > {id}))")
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.stamp, self.id)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stamp, id) = text.split_once(',').ok_or(())?;
        let stamp = stamp.parse().map_err(|_| ())?;
        if is_id(id) { Ok(Self { stamp, id: id.to_owned() }) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a literal back as SOQL does; `None` if it ends early or not at all.
    fn read(literal: &str) -> Option<String> {
        let mut characters = literal.strip_prefix('\'')?.chars();
        let mut text = String::new();
        loop {
            match characters.next()? {
                '\'' => return characters.next().is_none().then_some(text),
                '\\' => text.push(match characters.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    quoted @ ('\'' | '"' | '\\') => quoted,
                    _ => return None,
                }),
                control if control.is_control() => return None,
                plain => text.push(plain),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_stays_inside_its_literal(text in "(?s).{0,40}") {
            let expected: String = text
                .chars()
                .map(|c| if c.is_control() && !matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
                .collect();
            prop_assert_eq!(read(&string(&text)), Some(expected));
        }

        #[test]
        fn quotes_and_backslashes_stay_inside_their_literal(text in r#"['"\\nrt\n]{0,12}"#) {
            prop_assert_eq!(read(&string(&text)), Some(text));
        }
    }

    #[test]
    fn positions_survive_the_store_and_strange_ones_do_not_reach_a_query() {
        let position = Position { stamp: Timestamp::from_secs(1_790_000_000), id: "003000000000001AAA".to_owned() };
        assert_eq!(position.to_string().parse(), Ok(position.clone()));
        assert_eq!(datetime(position.stamp), "2026-09-21T14:13:20Z");
        for junk in ["", "x", "2026-11-21T00:00:00Z,", "2026-11-21T00:00:00Z,003' OR Id != '", "x,003000000000001AAA"] {
            assert_eq!(junk.parse::<Position>(), Err(()), "{junk}");
        }
    }
}
