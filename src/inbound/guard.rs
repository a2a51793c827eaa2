//! Who may post here: HTTP Basic, a key in a header, or anybody if that was said in as many words (S-18, S-19).
//!
//! What is presented is compared as a SHA-256 digest with every secret that is valid, to the end of the list and
//! without stopping at the first difference, so that neither time nor length tells anything. No secret is kept
//! beyond its digest, and none is ever logged or shown; a refusal is counted, and warned about once a minute at
//! most. It decides nothing but who: where they post to is none of its business.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::error::{Error, Result};
use crate::model::Timestamp;
use crate::seam::Clock;

/// Time between two warnings in the log, per guard.
const WARNINGS: Duration = Duration::from_secs(60);
/// Longest credential that is looked at. What is longer is none of ours.
const LONGEST: usize = 8 * 1024;

/// How a sender proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme {
    Open,
    Basic,
    Key(HeaderName),
}

/// Stands before one stream, or the facade.
pub struct Guard {
    /// What it stands before, for the log: `s360_contacts/ACME`.
    name: String,
    scheme: Scheme,
    /// Of every credential that is valid.
    digests: Vec<[u8; 32]>,
    clock: Arc<dyn Clock>,
    refused: AtomicU64,
    warned_at: AtomicI64,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scheme, digests, .. } = self;
        f.debug_struct("Guard")
            .field("name", name)
            .field("scheme", scheme)
            .field("secrets", &digests.len())
            .finish_non_exhaustive()
    }
}

/// Whoever posted has not proved who they are: 401. Says nothing about what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    basic: bool,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut answer = StatusCode::UNAUTHORIZED.into_response();
        if self.basic {
            let challenge = HeaderValue::from_static("Basic realm=\"tandem\", charset=\"UTF-8\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

impl Guard {
    /// Lets everybody in.
    pub fn open(name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self::new(name, Scheme::Open, Vec::new(), clock)
    }

    /// HTTP Basic: this user, with any of these passwords.
    pub fn basic(name: impl Into<String>, user: &str, passwords: &[SecretString], clock: Arc<dyn Clock>) -> Self {
        let digests = passwords.iter().filter(|password| !password.expose_secret().is_empty()).map(|password| {
            let mut digest = Sha256::new();
            digest.update(user);
            digest.update(b":");
            digest.update(password.expose_secret());
            digest.finalize().into()
        });
        Self::new(name, Scheme::Basic, digests.collect(), clock)
    }

    /// Any of these keys, in the header of this name.
    ///
    /// # Errors
    /// It is not the name of a header.
    pub fn key(name: impl Into<String>, header: &str, keys: &[SecretString], clock: Arc<dyn Clock>) -> Result<Self> {
        let header = HeaderName::from_bytes(header.as_bytes())
            .map_err(|error| Error::config(format!("`{header}` is not the name of a header")).because(&error))?;
        let keys = keys.iter().filter(|key| !key.expose_secret().is_empty());
        let digests = keys.map(|key| Sha256::digest(key.expose_secret()).into()).collect();
        Ok(Self::new(name, Scheme::Key(header), digests, clock))
    }

    fn new(name: impl Into<String>, scheme: Scheme, digests: Vec<[u8; 32]>, clock: Arc<dyn Clock>) -> Self {
        let (refused, warned_at) = (AtomicU64::new(0), AtomicI64::new(0));
        Self { name: name.into(), scheme, digests, clock, refused, warned_at }
    }

    /// Looks at who posts, before anything else of the post is read.
    ///
    /// # Errors
    /// They have not proved it. Counted here, and perhaps logged.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let admitted = match &self.scheme {
            Scheme::Open => true,
            Scheme::Basic => {
                only(headers, &header::AUTHORIZATION).and_then(basic).is_some_and(|shown| self.knows(&shown))
            }
            Scheme::Key(name) => only(headers, name).is_some_and(|shown| self.knows(shown)),
        };
        if admitted {
            return Ok(());
        }
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if self.may_warn() {
            tracing::warn!(at = %self.name, refused, "posts were refused: their sender did not prove who it is");
        }
        Err(Refused { basic: self.scheme == Scheme::Basic })
    }

    /// How many were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether anybody is let in.
    pub fn is_open(&self) -> bool {
        self.scheme == Scheme::Open
    }

    fn knows(&self, shown: &[u8]) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.digests.iter().fold(Choice::from(0), |found, digest| found | digest.ct_eq(&shown)).into()
    }

    /// Whoever guesses decides how often; the log does not follow.
    fn may_warn(&self) -> bool {
        let (now, last) = (self.clock.now(), self.warned_at.load(Ordering::Relaxed));
        let due = last == 0 || now.since(Timestamp::from_millis(last)) >= WARNINGS;
        due && self.warned_at.compare_exchange(last, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The one value of a header. Two of them are two claims, of which a proxy may have seen the other.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    (values.next().is_none() && !value.is_empty() && value.len() <= LONGEST).then_some(value)
}

/// `user:password` of HTTP Basic.
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, shown) = value.split_at(space);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    BASE64.decode(shown.trim_ascii()).ok().filter(|shown| !shown.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::SystemClock;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let named = |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(named) {
            headers.append(name, value);
        }
        headers
    }

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    fn shown(user: &str, password: &str) -> String {
        format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
    }

    #[test]
    fn two_claims_at_once_prove_nothing_s19() {
        let guard = Guard::key("s360_contacts/ACME", "X-API-Key", &secrets(&["one"]), Arc::new(SystemClock)).unwrap();
        assert!(guard.admit(&headers(&[("x-api-key", "one")])).is_ok());
        assert!(guard.admit(&headers(&[("X-API-KEY", "one"), ("x-api-key", "two")])).is_err());
        assert!(guard.admit(&headers(&[("x-api-key", &"o".repeat(LONGEST + 1))])).is_err());
        assert_eq!(guard.refused(), 2);
    }

    #[test]
    fn a_guard_without_a_secret_lets_nobody_in_s19() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let basic = Guard::basic("x", "s360", &secrets(&[""]), Arc::clone(&clock));
        assert!(basic.admit(&headers(&[("authorization", &shown("s360", ""))])).is_err());
        let key = Guard::key("x", "X-API-Key", &[], clock).unwrap();
        assert!(key.admit(&headers(&[("x-api-key", "")])).is_err());
    }

    #[test]
    fn the_scheme_is_read_without_regard_to_case_and_the_credential_with_it_s19() {
        let guard = Guard::basic("x", "s360", &secrets(&["Secret:1"]), Arc::new(SystemClock));
        let with = |value: String| guard.admit(&headers(&[("authorization", &value)])).is_ok();
        assert!(with(shown("s360", "Secret:1")) && with(shown("s360", "Secret:1").replace("Basic", "bAsIc  ")));
        assert!(!with(shown("s360", "secret:1")) && !with(shown("S360", "Secret:1")));
        for wrong in ["Basic", "Basic ", "Basic =", "Bearer Secret:1", "Basic s360:Secret:1"] {
            assert!(!with(wrong.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_shown_s19() {
        let guard = Guard::basic("x", "s360", &secrets(&["hunter2", "hunter3"]), Arc::new(SystemClock));
        let text = format!("{guard:?}");
        assert_eq!(text, "Guard { name: \"x\", scheme: Basic, secrets: 2, .. }");
    }
}
