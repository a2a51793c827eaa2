//! Record ids: 15 case-sensitive characters, or the same with a three-character suffix that encodes
//! the case so that the 18 characters survive systems which fold it.
//!
//! The first three characters name the object (`001` Account, `003` Contact, `005` User). Both forms
//! are accepted everywhere an id is; answers always carry the long one.

use std::fmt;

/// Digits in ASCII order, so that later ids sort after earlier ones.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The suffix alphabet: one character holds the case of five.
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Organisation part shared by all ids of the simulated org.
const POD: &str = "5g000";

/// A well-formed record id in its 18-character form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SfId(String);

impl SfId {
    /// The id number `serial` of objects with this three-character `prefix`.
    pub fn mint(prefix: &str, serial: u64) -> Self {
        let mut digits = [b'0'; 7];
        let mut rest = serial;
        for place in digits.iter_mut().rev() {
            *place = DIGITS[usize::try_from(rest % 62).unwrap_or(0)];
            rest /= 62;
        }
        let short = format!("{prefix}{POD}{}", String::from_utf8_lossy(&digits));
        let suffix = suffix_of(short.as_bytes());
        Self(short + &suffix)
    }

    /// Sorts before every id.
    pub fn lowest() -> Self {
        Self(String::new())
    }

    /// Reads either form; `None` when the text is no id at all. The long form may arrive with its
    /// case folded: the suffix restores it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        match bytes.len() {
            15 => Some(Self(format!("{text}{}", suffix_of(bytes)))),
            18 => restore_case(bytes).map(Self),
            _ => None,
        }
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object's three-character key prefix.
    pub fn prefix(&self) -> &str {
        self.0.get(..3).unwrap_or_default()
    }
}

impl fmt::Display for SfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The three characters that encode which of the fifteen are upper case.
fn suffix_of(short: &[u8]) -> String {
    short
        .chunks(5)
        .map(|chunk| {
            let bits = chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
            let index = bits.fold(0_usize, |bits, (place, _)| bits | 1 << place);
            char::from(SUFFIX[index & 31])
        })
        .collect()
}

fn restore_case(long: &[u8]) -> Option<String> {
    let (short, suffix) = long.split_at(15);
    let mut restored = String::with_capacity(18);
    for (chunk, mark) in short.chunks(5).zip(suffix) {
        let bits = SUFFIX.iter().position(|known| *known == mark.to_ascii_uppercase())?;
        for (place, byte) in chunk.iter().enumerate() {
            let upper = bits & (1 << place) != 0;
            if upper && !byte.is_ascii_alphabetic() {
                return None;
            }
            restored.push(char::from(if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }));
        }
    }
    let suffix = suffix_of(restored.as_bytes());
    Some(restored + &suffix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_suffix_is_the_published_checksum() {
        // Pairs that appear in Salesforce's own documentation.
        for (short, long) in [("001D000000IqhSL", "001D000000IqhSLIAZ"), ("003D000000QYVZj", "003D000000QYVZjIAP")] {
            assert_eq!(SfId::parse(short).unwrap().as_str(), long);
            assert_eq!(SfId::parse(long).unwrap().as_str(), long);
            assert_eq!(SfId::parse(&long.to_lowercase()).unwrap().as_str(), long);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in
            ["", "003", "003D000000QYVZ", "003D000000QYVZj!", "003D000000QYVZjIA", "003-00000000000", "0ä3D000000QYV"]
        {
            assert_eq!(SfId::parse(text), None, "{text}");
        }
        assert_eq!(SfId::parse("003000000000000555"), None, "a digit cannot be upper case");
    }

    proptest! {
        #[test]
        fn minted_ids_keep_order_and_survive_case_folding(a in 0_u64..3_000_000_000, b in 0_u64..3_000_000_000) {
            let (first, second) = (SfId::mint("003", a), SfId::mint("003", b));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(first.prefix(), "003");
            prop_assert_eq!(SfId::parse(&first.as_str().to_uppercase()), Some(first.clone()));
            prop_assert_eq!(SfId::parse(&first.as_str()[..15]), Some(first));
        }
    }
}
