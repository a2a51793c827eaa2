//! Values: one version byte, then JSON.
//!
//! A later program reads an older version byte and upgrades the row as it goes; an unknown one is damage.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Result, StoreError};

/// Version byte of every value written today.
pub(super) const VERSION: u8 = 1;

/// Version byte and JSON.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    append_json(&mut bytes, value)?;
    Ok(bytes)
}

/// JSON at the end of `bytes`.
pub(super) fn append_json<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    serde_json::to_writer(bytes, value).map_err(|error| StoreError::invariant(format!("not storable: {error}")))
}

/// The reverse of [`encode`].
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    json(body(bytes)?)
}

/// What follows the version byte.
pub(super) fn body(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => Err(StoreError::corrupt(format!("a row has the unknown version {version}"))),
        None => Err(StoreError::corrupt("a row is empty")),
    }
}

/// Parses JSON. The message leaves the text out: rows hold personal data.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        StoreError::corrupt(format!(
            "a row of type {} does not parse at column {}",
            std::any::type_name::<T>(),
            error.column()
        ))
    })
}

/// `text` cut to at most `max` bytes at a character boundary.
pub(super) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_an_unknown_version_or_none_is_damage_not_a_guess() {
        let bytes = encode(&vec!["x"]).unwrap();
        assert_eq!(decode::<Vec<String>>(&bytes).unwrap(), ["x"]);
        for bad in [&b""[..], b"\x02[]", b"\x01{"] {
            assert!(matches!(decode::<Vec<String>>(bad), Err(StoreError::Corrupt(_))));
        }
    }

    #[test]
    fn damage_reports_do_not_quote_the_row() {
        let error = decode::<u8>(b"\x01\"jane@example.com\"").unwrap_err();
        assert!(!error.to_string().contains("jane"));
    }

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
