//! Where things are when nobody says otherwise: the XDG base directories.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

use crate::error::{Error, Result};

/// Account used when none is named.
pub const DEFAULT_ACCOUNT: &str = "default";

/// Default places of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `$XDG_CONFIG_HOME/tandem/ACCOUNT.toml`.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME/tandem/ACCOUNT`.
    pub data: PathBuf,
    /// `$XDG_RUNTIME_DIR/tandem/ACCOUNT.sock`; inside the data directory where there is no runtime
    /// directory.
    pub socket: PathBuf,
    /// `$XDG_STATE_HOME/tandem`: logs of consoles.
    pub state: PathBuf,
}

/// The default places of `account`.
///
/// # Errors
/// When the home directory is not known.
pub fn defaults(account: &str) -> Result<Paths> {
    let base = Xdg::new().map_err(|error| {
        Error::config("the home directory is not known")
            .because(&error)
            .hint("set HOME, or pass --config, --data and --socket")
    })?;
    let data = base.data_dir().join("tandem").join(account);
    let socket = match base.runtime_dir() {
        Some(runtime) => runtime.join("tandem").join(format!("{account}.sock")),
        None => data.join("tandem.sock"),
    };
    let state = base.state_dir().unwrap_or_else(|| base.data_dir()).join("tandem");
    Ok(Paths { config: base.config_dir().join("tandem").join(format!("{account}.toml")), data, socket, state })
}

/// Whether `name` may be an account: it becomes part of file names and external keys.
pub fn is_account_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_safe_in_paths_and_keys() {
        for good in ["default", "acme", "acme-2", "7up"] {
            assert!(is_account_name(good), "{good}");
        }
        for bad in ["", "Acme", "../x", "a/b", "-x", ".", "a b", &"x".repeat(33)] {
            assert!(!is_account_name(bad), "{bad}");
        }
    }
}
