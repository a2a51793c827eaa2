//! One table of error kinds → exit codes, and the error that carries a hint for the user.
//!
//! Layers below have their own typed errors (`remote::RemoteError`, `store::StoreError`, …); this
//! is what they become when a person is told. Messages never hold secrets or field values.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter};

/// What kind of failure it is. Decides the exit code (`docs/CLI.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ErrorKind {
    /// The answer is "no", or something is held.
    Refused,
    /// Wrong usage or configuration.
    Config,
    /// Wrong key, missing permission, or a role that may not do this.
    Permission,
    /// A remote, the daemon or the disk is not available.
    Unavailable,
    /// Somebody was faster: the item moved on.
    Stale,
    /// A defect in Tandem.
    Internal,
}

impl ErrorKind {
    /// The documented exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Config => 2,
            Self::Permission => 3,
            Self::Unavailable => 4,
            Self::Stale => 5,
            Self::Internal => 70,
        }
    }
}

/// A failure as a person is told of it: one sentence, a cause chain, a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What kind.
    pub kind: ErrorKind,
    /// One sentence.
    pub message: String,
    /// What lies behind it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Error {
    /// An error of `kind` with one sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Shorthand for [`ErrorKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Shorthand for [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With an error and its own chain as causes.
    #[must_use]
    pub fn because(mut self, cause: &dyn std::error::Error) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The result of anything a person asked for.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        use strum::IntoEnumIterator as _;
        let codes: Vec<u8> = ErrorKind::iter().map(ErrorKind::exit_code).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 70]);
    }
}
