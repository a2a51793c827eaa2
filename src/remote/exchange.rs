//! What every JSON-over-HTTP remote decides about an exchange the same way: where it may be sent,
//! what a lost answer means, the server's clock, and the remote's words made safe to keep.
//!
//! Refuses to know any system's error format: that is each adapter's own `refusal` module.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

use std::fmt;

use url::{Host, Url};

use super::{Class, RemoteError, Sent, TransportError};
use crate::error::Error;
use crate::model::{Fields, Timestamp, Value};

/// Longest remote message kept, in characters.
const LONGEST_MESSAGE: usize = 300;
/// Longest external key accepted: 64 characters of ours and room for an account's name.
const LONGEST_KEY: usize = 100;
/// Shortest written value that is blanked out of a message. Shorter ones would blank ordinary words.
const SHORTEST_VALUE: usize = 3;

/// The address of a remote's API: https, or plain http to this very machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// Checks `text`. `setting` names it in the error.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, Error> {
        let url = Url::parse(text.trim()).map_err(|error| {
            Error::config(format!("{setting} is not a web address")).because(&error).hint("write it like https://host")
        })?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => {
                return Err(Error::config(format!("{setting} uses http, which would send the key in clear text"))
                    .hint("use https; plain http is only allowed to this machine itself"));
            }
            _ => return Err(Error::config(format!("{setting} must begin with https://"))),
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(Error::config(format!("{setting} must be a plain address without user, query or fragment")));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The address with `path`, which begins with a slash and is encoded already.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a call does there; decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Changes nothing, so it certainly did nothing.
    Reads,
    /// May have changed something when no answer came.
    Writes,
}

impl Effect {
    /// The word about a call that reached the remote but brought no definite answer.
    pub(crate) fn unanswered(self) -> Sent {
        match self {
            Self::Reads => Sent::No,
            Self::Writes => Sent::Maybe,
        }
    }
}

/// A failure of the exchange itself.
pub(crate) fn unreachable(system: &str, action: &str, effect: Effect, error: &TransportError) -> RemoteError {
    let (class, sent, retry_after) = match error {
        TransportError::NotSent(_) => (Class::Unreachable, Sent::No, None),
        TransportError::Held { wait, .. } => (Class::Quota, Sent::No, Some(*wait)),
        TransportError::Unknown(_) => (Class::Unreachable, effect.unanswered(), None),
        TransportError::TooLarge(_) => (Class::Malformed, effect.unanswered(), None),
    };
    RemoteError { retry_after, ..failure(system, action, class, sent, &error.to_string()) }
}

/// An error without code or details.
pub(crate) fn failure(system: &str, action: &str, class: Class, sent: Sent, message: &str) -> RemoteError {
    RemoteError {
        system: system.to_owned(),
        action: action.to_owned(),
        class,
        sent,
        code: None,
        message: cut(message),
        details: Vec::new(),
        retry_after: None,
    }
}

/// Server clock minus ours in milliseconds, for a call that left at `sent` and was answered at
/// `received`. `Date` is cut to the second, so half a second is added to it.
pub(crate) fn clock_skew(server: Timestamp, sent: Timestamp, received: Timestamp) -> i64 {
    let middle = sent.millis() + (received.millis() - sent.millis()) / 2;
    server.millis() + 500 - middle
}

/// Refuses an external key with characters that some system takes amiss: keys stand in paths and in
/// Odoo's dotted external ids (`contracts/crm.md` 9).
pub(crate) fn check_key(system: &str, action: &str, key: &str) -> Result<(), RemoteError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !key.is_empty() && key.len() <= LONGEST_KEY && key.bytes().all(plain) {
        return Ok(());
    }
    let why = "the external key may hold letters, digits, - and _ only";
    Err(failure(system, action, Class::Rejected, Sent::No, why))
}

/// Remote text on one line and not longer than an error should be.
pub(crate) fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_MESSAGE {
        return line;
    }
    let mut short: String = line.chars().take(LONGEST_MESSAGE - 1).collect();
    short.push('…');
    short
}

/// `error` with every value of `written` blanked out of its texts: remotes like to quote what they
/// refuse, and that is personal data (I33).
pub(crate) fn without_values(mut error: RemoteError, written: &Fields) -> RemoteError {
    let mut values: Vec<&str> = Vec::new();
    for value in written.values() {
        match value {
            Value::Text(text) => values.push(text.trim()),
            Value::Set(members) => values.extend(members.iter().map(|member| member.trim())),
            Value::Null | Value::Bool(_) | Value::Int(_) => {}
        }
    }
    values.retain(|value| value.chars().count() >= SHORTEST_VALUE);
    // Longest first, so that a value inside another one does not leave the rest standing.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for text in std::iter::once(&mut error.message).chain(&mut error.details) {
        for value in &values {
            if text.contains(value) {
                *text = text.replace(value, "…");
            }
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_loopback_is_accepted() {
        for good in ["https://crm.example", "http://127.0.0.1:8069/", "http://localhost:1/odoo", "http://[::1]:80"] {
            assert!(BaseUrl::parse("url", good).is_ok(), "{good}");
        }
        for bad in [
            "http://crm.example",
            "ftp://crm.example",
            "crm.example",
            "https://me:pw@crm.example",
            "http://127.0.0.1.example",
        ] {
            assert!(BaseUrl::parse("url", bad).is_err(), "{bad}");
        }
        let base = BaseUrl::parse("url", " https://crm.example/odoo/ ").unwrap();
        assert_eq!(base.join("/json"), "https://crm.example/odoo/json");
    }

    #[test]
    fn a_lost_answer_is_only_doubtful_for_writes_i17() {
        let lost = TransportError::Unknown("reset".to_owned());
        assert_eq!(unreachable("x", "write", Effect::Writes, &lost).sent, Sent::Maybe);
        assert_eq!(unreachable("x", "read", Effect::Reads, &lost).sent, Sent::No);
        let refused = TransportError::NotSent("refused".to_owned());
        assert_eq!(unreachable("x", "write", Effect::Writes, &refused).sent, Sent::No);
    }

    #[test]
    fn written_values_are_blanked_out_of_messages_i33() {
        let written = Fields::from([
            ("a".to_owned(), Value::text("Ada Lovelace")),
            ("b".to_owned(), Value::text("Ada")),
            ("c".to_owned(), Value::text("no")),
        ]);
        let mut error = failure("x", "write", Class::Rejected, Sent::No, "no room for Ada Lovelace");
        error.details.push("name: Ada is short".to_owned());
        let clean = without_values(error, &written);
        assert_eq!((clean.message.as_str(), clean.details[0].as_str()), ("no room for …", "name: … is short"));
        assert!(cut(&"word ".repeat(200)).chars().count() <= LONGEST_MESSAGE);
    }
}
