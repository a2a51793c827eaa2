//! Parameters of a call: presence first (23017), then validity (23016), first failure only (contract 6).

use serde_json::{Map, Value};

use super::answer::{Refusal, parse_stamp};
use crate::model::Timestamp;

/// Longest text held anywhere unless a rule says less; the real limits are unknown (contract 17.5).
const LONGEST: usize = 255;

/// What a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Anything.
    Free,
    /// Anything but nothing.
    Filled,
    /// An email address, not empty.
    Email,
    /// An email address or nothing.
    MaybeEmail,
    /// Digits, spaces and the usual signs, or nothing.
    Phone,
    /// A JSON string; numbers are refused.
    Key,
    /// Anything of any length.
    Html,
}

/// The parameters of one call. `null` counts as absent, as PHP's `isset` sees it: it clears nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params<'a> {
    map: &'a Map<String, Value>,
    /// Another user's edit: types are checked, forms and lengths are not.
    unchecked: bool,
}

impl<'a> Params<'a> {
    pub(super) fn of_call(map: &'a Map<String, Value>) -> Self {
        Self { map, unchecked: false }
    }

    pub(super) fn of_edit(map: &'a Map<String, Value>) -> Self {
        Self { map, unchecked: true }
    }

    /// Whether forms, lengths and links are checked: not where another user edits.
    pub(super) fn checked(&self) -> bool {
        !self.unchecked
    }

    /// The value, unless absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Whether the parameter is there, null included.
    pub(super) fn names(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Names of all parameters but those in `without`.
    pub(super) fn written(&self, without: &[&str]) -> Vec<String> {
        self.map.keys().filter(|name| !without.contains(&name.as_str())).cloned().collect()
    }

    /// The parameters but those in `without`.
    pub(super) fn without(&self, without: &[&str]) -> Map<String, Value> {
        let rest = self.map.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// 23017 for the first of `names` that is absent or empty.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), Refusal> {
        let lacks = |name: &str| self.get(name).is_none_or(|value| value.as_str().is_some_and(|v| v.trim().is_empty()));
        match names.iter().find(|name| lacks(name)) {
            Some(name) => Err(Refusal::required(name)),
            None => Ok(()),
        }
    }

    /// 23016 for the first parameter that is not in `names`.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        match self.map.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(Refusal::invalid(name, "Unknown parameter")),
            None => Ok(()),
        }
    }

    /// A whole number, also as text of digits. Empty text is absent.
    pub(super) fn whole(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(value) => match whole(value) {
                Some(number) => Ok(Some(number)),
                None => Err(Refusal::invalid(name, "Value must be a whole number")),
            },
        }
    }

    /// A whole number among `allowed`.
    pub(super) fn one_of(&self, name: &str, allowed: &[u64]) -> Result<Option<u64>, Refusal> {
        match self.whole(name)? {
            Some(number) if !allowed.contains(&number) && !self.unchecked => {
                Err(Refusal::invalid(name, format!("{name}: is not an allowed value")))
            }
            other => Ok(other),
        }
    }

    /// true, false, 0, 1, also as text.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(value) => match whole(value) {
                Some(0) => Ok(Some(false)),
                Some(1) => Ok(Some(true)),
                _ => Err(Refusal::invalid(name, "Value must be a boolean")),
            },
        }
    }

    /// One of `allowed`.
    pub(super) fn word(&self, name: &str, allowed: &[&str]) -> Result<Option<String>, Refusal> {
        match self.text(name, Form::Free)? {
            Some(word) if !allowed.contains(&word.as_str()) && !self.unchecked => {
                Err(Refusal::invalid(name, format!("{name}: is not an allowed value")))
            }
            other => Ok(other),
        }
    }

    /// An amount of money, also as text.
    pub(super) fn amount(&self, name: &str) -> Result<Option<f64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => {
                let amount =
                    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|amount| amount.is_finite());
                amount.map(Some).ok_or_else(|| Refusal::invalid(name, "Value must be a number"))
            }
        }
    }

    /// A time, with or without ` UTC`.
    pub(super) fn stamp(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text(name, Form::Free)? else { return Ok(None) };
        parse_stamp(&text).map(Some).ok_or_else(|| Refusal::invalid(name, format!("{name}: is not a date and time")))
    }

    /// A day.
    pub(super) fn date(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.text(name, Form::Free)? {
            Some(day) if parse_stamp(&format!("{day} 00:00:00")).is_none() => {
                Err(Refusal::invalid(name, format!("{name}: is not a date")))
            }
            other => Ok(other),
        }
    }

    /// A list of whole numbers.
    pub(super) fn ids(&self, name: &str) -> Result<Option<Vec<u64>>, Refusal> {
        let Some(items) = self.items(name)? else { return Ok(None) };
        let ids: Option<Vec<u64>> = items.iter().map(whole).collect();
        ids.map(Some).ok_or_else(|| Refusal::invalid(name, "Value must be a list of whole numbers"))
    }

    /// A list.
    pub(super) fn items(&self, name: &str) -> Result<Option<&'a Vec<Value>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(Refusal::invalid(name, "Value must be a list")),
        }
    }

    /// The parameters inside an object.
    pub(super) fn object(&self, name: &str) -> Result<Option<Params<'a>>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Params { map, unchecked: self.unchecked })),
            Some(Value::Array(items)) if items.is_empty() => Ok(None),
            Some(_) => Err(Refusal::invalid(name, "Value must be an object")),
        }
    }

    /// A text of `form`; numbers become text.
    pub(super) fn text(&self, name: &str, form: Form) -> Result<Option<String>, Refusal> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if form != Form::Key => number.to_string(),
            Some(_) => return Err(Refusal::invalid(name, "Value must be a string")),
        };
        if self.unchecked {
            return Ok(Some(text));
        }
        match complaint(&text, form) {
            Some(why) => Err(Refusal::invalid(name, format!("{name}: {why}"))),
            None => Ok(Some(text)),
        }
    }
}

/// A whole number, also as text of digits.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn complaint(text: &str, form: Form) -> Option<&'static str> {
    if form != Form::Html && text.chars().count() > LONGEST {
        return Some("is too long");
    }
    match form {
        Form::Filled if text.trim().is_empty() => Some("must not be empty"),
        Form::Email if text.trim().is_empty() => Some("must not be empty"),
        Form::Email | Form::MaybeEmail if !text.is_empty() && !is_email(text.trim()) => {
            Some("is not a valid email address")
        }
        Form::Phone if !is_phone(text) => Some("is not a valid phone number"),
        _ => None,
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let sane = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    let local_signs = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let domain_signs = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    sane(local)
        && sane(domain)
        && domain.contains('.')
        && local.chars().all(local_signs)
        && domain.chars().all(domain_signs)
}

fn is_phone(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || "+-(). /x#".contains(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_accept_and_refuse() {
        for good in ["a@b.co", "o'brien+x@mail.example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@b", "a@@b.co", "a b@c.de", "ü@b.co", ".a@b.co", "a@b..co"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_phone("+61 (0)2 9999-0000 x12") && is_phone(""));
        assert!(!is_phone("call me") && !is_phone("٠١٢"));
        assert_eq!(complaint(&"é".repeat(255), Form::Free), None);
        assert_eq!(complaint(&"é".repeat(256), Form::Free), Some("is too long"));
    }

    #[test]
    fn null_is_absent_and_numbers_come_as_text() {
        let Value::Object(map) = json!({"id": "12", "phone": null, "externalId": 5, "n": 7, "x": 1.5}) else { return };
        let params = Params::of_call(&map);
        assert_eq!(params.whole("id").unwrap(), Some(12));
        assert_eq!(params.text("phone", Form::Phone).unwrap(), None);
        assert_eq!(params.text("n", Form::Free).unwrap().as_deref(), Some("7"));
        assert_eq!(params.text("externalId", Form::Key).unwrap_err().specific, Some(23016));
        assert_eq!(params.whole("x").unwrap_err().additional, ["Value must be a whole number"]);
        assert_eq!(params.require(&["id", "phone"]).unwrap_err().message, "'phone' is required");
    }
}
