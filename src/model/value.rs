//! Field values as a remote gave them, typed but not normalised.
//!
//! Three states are kept apart (`engine.md` 5.2): a key missing from [`Fields`] is *absent* (the
//! payload did not speak of it), [`Value::Null`] is an explicit null, and `Text("")` is an empty
//! string. Absent never means a change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The fields of one record, by field name from the module catalogue (`first_name`, `custom.12`).
pub type Fields = BTreeMap<String, Value>;

/// One field's value. JSON: null, bool, integer, string, or an array of strings for a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// The remote says: no value.
    #[default]
    Null,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text of any kind: also dates, money (decimal text) and references (the other record's id).
    Text(String),
    /// An unordered set of texts: tags, multi-select values, linked ids.
    Set(BTreeSet<String>),
}

impl Value {
    /// Shorthand for [`Value::Text`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether the value carries nothing: null, blank text, or an empty set.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Set(set) => set.iter().all(|member| member.trim().is_empty()),
            Self::Bool(_) | Self::Int(_) => false,
        }
    }

    /// The text inside, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// By hand, because the derived reading of an untagged enum tries every variant and builds an error
/// for each that fails: values are the hottest thing the store reads.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a flag, a whole number, a text or a list of texts")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
                Ok(Value::Bool(flag))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Int(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                i64::try_from(number).map(Value::Int).map_err(|_| E::custom("the number is too large"))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
                let mut set = BTreeSet::new();
                while let Some(member) = members.next_element()? {
                    set.insert(member);
                }
                Ok(Value::Set(set))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

impl fmt::Display for Value {
    /// The value as one line of plain text. Remote text is **not** sanitised here: that is
    /// `text::Safe`'s job, and it must stand between this and any screen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(flag) => write!(f, "{}", if *flag { "yes" } else { "no" }),
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Set(set) => {
                for (index, member) in set.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    f.write_str(member)?;
                }
                Ok(())
            }
        }
    }
}

/// For `Option<Value>` fields: a key that is there holds a value, even when that value is null. Without
/// it serde reads `null` as `None`, and an agreed null would come back as "never agreed" (I27).
pub(super) fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shapes_round_trip_and_absent_is_not_null() {
        let json = r#"{"a":null,"b":true,"c":7,"d":"x","e":["p","q"]}"#;
        let fields: Fields = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), json);
        assert_eq!(fields.get("a"), Some(&Value::Null));
        assert_eq!(fields.get("absent"), None);
        assert!(Value::text(" \t").is_empty() && !Value::Bool(false).is_empty());
    }
}
