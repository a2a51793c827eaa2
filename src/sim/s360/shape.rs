//! What the members of a JSON object may be. Whatever is not named in a shape is refused.
//!
//! No number with a fraction passes, and none beyond 64 bits with a sign: ids and amounts are such numbers.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::countries::is_country;

/// Titles S-360 knows (contract 2.4). Any other is stored as the last.
const TITLES: &[&str] = &["MISS", "MRS", "MR", "MR_AND_MRS", "LADIES", "GENTLEMEN", "UNDEFINED"];

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Text of at most so many characters.
    Text(usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A title; an unknown one becomes `UNDEFINED`.
    Title,
    /// `yyyy-mm-dd`.
    Day,
    /// A country, ISO 3166-1 alpha-2.
    Country,
    /// True or false.
    Flag,
    /// A whole number of 64 bits.
    Whole,
    /// An array or object that is looked into elsewhere, or kept as it is.
    Any,
}

/// One member of a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether it must be there and cannot be emptied.
    pub required: bool,
}

/// A member that may be absent.
pub(super) const fn may(name: &'static str, holds: Holds) -> Member {
    Member { name, holds, required: false }
}

/// A member that must be there.
pub(super) const fn must(name: &'static str, holds: Holds) -> Member {
    Member { name, holds, required: true }
}

/// Whether every number in `value` is whole and has 64 bits with its sign.
pub(super) fn whole_numbers(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64().is_some(),
        Value::Array(items) => items.iter().all(whole_numbers),
        Value::Object(members) => members.values().all(whole_numbers),
        _ => true,
    }
}

/// Puts `given` over `kept`, member by member: an absent member stays, null empties it.
///
/// # Errors
/// A member that is unknown, of a wrong kind, or required and empty.
pub(super) fn overlay(
    kept: &mut Map<String, Value>,
    given: &Map<String, Value>,
    shape: &[Member],
) -> Result<(), Refusal> {
    for (name, value) in given {
        let known = shape.iter().find(|member| member.name == name);
        let member = known.ok_or_else(|| Refusal::parameter(format!("unknown parameter '{name}'")))?;
        if value.is_null() {
            kept.shift_remove(name);
        } else {
            kept.insert(name.clone(), member.holds.checked(name, value)?);
        }
    }
    match shape.iter().find(|member| member.required && !kept.contains_key(member.name)) {
        Some(member) => Err(Refusal::parameter(format!("'{}' is missing", member.name))),
        None => Ok(()),
    }
}

/// `given` alone, as [`overlay`] over nothing.
pub(super) fn read(given: &Map<String, Value>, shape: &[Member]) -> Result<Map<String, Value>, Refusal> {
    let mut kept = Map::new();
    overlay(&mut kept, given, shape)?;
    Ok(kept)
}

/// The objects in an array member, each read by `shape`.
pub(super) fn read_list(name: &str, value: &Value, shape: &[Member]) -> Result<Vec<Map<String, Value>>, Refusal> {
    let wrong = || Refusal::parameter(format!("'{name}' is not an array of objects"));
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|item| read(item.as_object().ok_or_else(wrong)?, shape)).collect()
}

impl Holds {
    /// `value` as it is stored.
    fn checked(self, name: &str, value: &Value) -> Result<Value, Refusal> {
        let parameter = |what: &str| Refusal::parameter(format!("'{name}' is not {what}"));
        let text = || value.as_str().ok_or_else(|| parameter("text"));
        match self {
            Self::Text(most) => {
                let text = text()?;
                if text.trim().is_empty() || text.chars().count() > most {
                    return Err(Refusal::value(format!("'{name}' is empty or longer than {most} characters")));
                }
            }
            Self::OneOf(names) => {
                if !names.contains(&text()?) {
                    return Err(Refusal::value(format!("'{name}' is none of {}", names.join(", "))));
                }
            }
            Self::Title => {
                if !TITLES.contains(&text()?) {
                    return Ok(Value::from("UNDEFINED"));
                }
            }
            Self::Day => {
                let text = text()?;
                let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
                if day.is_none_or(|day| day.to_string() != text) {
                    return Err(Refusal::value(format!("'{name}' is no day like 1980-12-31")));
                }
            }
            Self::Country => {
                if !is_country(text()?) {
                    return Err(Refusal::value(format!("'{name}' is no country code of ISO 3166-1 alpha-2")));
                }
            }
            Self::Flag => {
                value.as_bool().ok_or_else(|| parameter("true or false"))?;
            }
            Self::Whole => {
                value.as_i64().ok_or_else(|| parameter("a whole number of 64 bits"))?;
            }
            Self::Any => {
                if !whole_numbers(value) {
                    return Err(parameter("free of fractions"));
                }
            }
        }
        Ok(value.clone())
    }
}
