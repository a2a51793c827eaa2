//! Secrets: where they come from, and the refusal of every unsafe place.
//!
//! A secret is never written into the configuration and never taken from the command line. Sources
//! in order of preference: a credential of the service manager, a private file, the environment
//! (development only). Nothing here ever prints a value: messages name the source, displays show a
//! fingerprint of six hex digits.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// No key of any remote comes near this many bytes; a longer file is the wrong file.
const MAX_SECRET: u64 = 64 * 1024;

/// Where a secret is to be found: `{ file = "path" }`, `{ env = "NAME" }` or `{ credential = "name" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A private file (mode 0600 or 0400, ours, no symbolic link). Relative to the configuration.
    File(PathBuf),
    /// An environment variable. For development: other processes of the user can read it.
    Env(String),
    /// A file in `$CREDENTIALS_DIRECTORY`, as systemd's `LoadCredential=` provides.
    Credential(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: Option<PathBuf>,
    env: Option<String>,
    credential: Option<String>,
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ file = … }, { env = … } or { credential = … }")
    }

    // A secret pasted in place must not come back in an error message, so the text is not repeated.
    fn visit_str<E: serde::de::Error>(self, _pasted: &str) -> Result<SecretSource, E> {
        Err(E::custom("a secret is not written here; say where it is: { file = … }, { env = … } or { credential = … }"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        match (table.file, table.env, table.credential) {
            (Some(path), None, None) => Ok(SecretSource::File(path)),
            (None, Some(name), None) => Ok(SecretSource::Env(name)),
            (None, None, Some(name)) => Ok(SecretSource::Credential(name)),
            _ => Err(serde::de::Error::custom("exactly one of `file`, `env`, `credential` is needed")),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

impl SecretSource {
    /// Fetches the secret. `base` is the directory relative paths start from, `what` names the key
    /// in messages (`ivvy.secret`).
    ///
    /// # Errors
    /// Configuration errors when the source is missing, empty or readable by others.
    pub fn resolve(&self, base: &Path, what: &str) -> Result<SecretString> {
        let text = match self {
            Self::File(path) => read_private(&base.join(path), what)?,
            Self::Env(name) => std::env::var(name).map_err(|_| {
                Error::config(format!("{what}: the environment variable {name} is not set"))
                    .hint("set it, or use { file = … } with a private file")
            })?,
            Self::Credential(name) => read_credential(name, what)?,
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(Error::config(format!("{what}: the {self} is empty")).hint("put the secret into it"));
        }
        Ok(SecretString::from(secret))
    }
}

fn read_private(path: &Path, what: &str) -> Result<String> {
    let shown = path.display();
    let cannot = |error: &std::io::Error| {
        Error::config(format!("{what}: the secret file {shown} cannot be read"))
            .because(error)
            .hint(format!("create it with: install -m 600 /dev/stdin {shown}"))
    };
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_symlink());
    if is_link {
        return Err(Error::config(format!("{what}: the secret file {shown} is a symbolic link"))
            .hint("name the file itself, so that nobody can swap what the link points at"));
    }
    // The checks below are made on the opened file, not on the path, so it cannot be swapped between.
    let mut file = OpenOptions::new().read(true).custom_flags(nofollow).open(path).map_err(|error| cannot(&error))?;
    let meta = file.metadata().map_err(|error| cannot(&error))?;
    if !meta.is_file() {
        return Err(Error::config(format!("{what}: {shown} is not a regular file")).hint("name a file"));
    }
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::config(format!("{what}: the secret file {shown} is open to others (mode {mode:04o})"))
            .hint(format!("run: chmod 600 {shown}")));
    }
    if meta.uid() != uzers::get_effective_uid() {
        return Err(Error::config(format!("{what}: the secret file {shown} belongs to another user"))
            .hint(format!("run Tandem as its owner, or: chown {} {shown}", uzers::get_effective_uid())));
    }
    read_bounded(&mut file, what, path)
}

fn read_credential(name: &str, what: &str) -> Result<String> {
    if name.is_empty() || name.contains('/') || name == ".." || name == "." {
        return Err(Error::config(format!("{what}: `{name}` is not a credential name")).hint("a name without slashes"));
    }
    let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Err(Error::config(format!("{what}: $CREDENTIALS_DIRECTORY is not set"))
            .hint("credentials exist only under a service manager: LoadCredential= in the systemd unit"));
    };
    // The service manager guards this directory itself, by mode or by access list, so the mode of
    // the file says nothing.
    let path = Path::new(&directory).join(name);
    let mut file = std::fs::File::open(&path).map_err(|error| {
        Error::config(format!("{what}: there is no credential {name}"))
            .because(&error)
            .hint(format!("add LoadCredential={name}:PATH to the systemd unit"))
    })?;
    read_bounded(&mut file, what, &path)
}

fn read_bounded(file: &mut std::fs::File, what: &str, path: &Path) -> Result<String> {
    let mut text = String::new();
    let wrong = || Error::config(format!("{what}: {} does not hold a secret in plain text", path.display()));
    let read = file.take(MAX_SECRET + 1).read_to_string(&mut text).map_err(|_| wrong().hint("one line of UTF-8"))?;
    if read as u64 > MAX_SECRET { Err(wrong().hint("one line of UTF-8")) } else { Ok(text) }
}

/// Six hex digits by which two people can tell that they mean the same secret.
pub fn fingerprint(secret: &SecretString) -> String {
    HEXLOWER.encode(&Sha256::digest(secret.expose_secret().as_bytes())[..3])
}

/// The secrets of one account, fetched, by the key of the configuration that says where each is. Shows
/// fingerprints only.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

impl Secrets {
    /// Adds the secret that `key` (`ivvy.secret`) speaks of.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, secret: SecretString) -> Self {
        self.0.insert(key.into(), secret);
        self
    }

    /// The secret that `key` speaks of.
    ///
    /// # Errors
    /// There is none: whoever put the secrets together did not look at the whole configuration.
    pub fn get(&self, key: &str) -> Result<SecretString> {
        self.0.get(key).cloned().ok_or_else(|| Error::internal(format!("{key}: the secret was not fetched")))
    }

    /// Every secret of the list that `key` speaks of, in its order (`key[0]`, `key[1]`).
    pub fn list(&self, key: &str) -> Vec<SecretString> {
        (0..).map_while(|index| self.0.get(&format!("{key}[{index}]")).cloned()).collect()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(key, secret)| format!("{key} {}", fingerprint(secret)));
        write!(f, "Secrets({})", shown.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(directory: &Path, mode: u32, text: &str) -> SecretSource {
        let path = directory.join(format!("secret-{mode:o}"));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        SecretSource::File(path)
    }

    #[test]
    fn only_private_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400] {
            let secret = file(directory.path(), mode, "s3cret\n").resolve(Path::new("/"), "ivvy.secret").unwrap();
            assert_eq!(secret.expose_secret(), "s3cret");
        }
        for mode in [0o640, 0o604, 0o660, 0o666, 0o601] {
            let error = file(directory.path(), mode, "s3cret").resolve(Path::new("/"), "ivvy.secret").unwrap_err();
            assert!(error.message.contains("open to others"), "{error}");
            assert!(error.hint.unwrap().contains("chmod 600"));
        }
        let empty = directory.path().join("empty");
        std::fs::rename(directory.path().join("secret-600"), &empty).unwrap();
        std::fs::write(&empty, "\n").unwrap();
        assert!(SecretSource::File(empty).resolve(Path::new("/"), "x").unwrap_err().message.contains("is empty"));
    }

    #[test]
    fn links_and_directories_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let target = file(directory.path(), 0o600, "s3cret");
        let SecretSource::File(target) = target else { unreachable!("made as a file") };
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let error = SecretSource::File(link).resolve(Path::new("/"), "crm.secret").unwrap_err();
        assert!(error.message.contains("symbolic link"), "{error}");
        let error = SecretSource::File(directory.path().to_owned()).resolve(Path::new("/"), "x").unwrap_err();
        assert!(error.message.contains("not a regular file"), "{error}");
    }

    #[test]
    fn debug_output_holds_a_fingerprint_and_no_value() {
        let secrets = Secrets::default().with("ivvy.secret", "hunter2".into()).with("crm.key", "correct horse".into());
        assert_eq!(format!("{secrets:?}"), "Secrets(crm.key 4104d3, ivvy.secret f52fbd)");
    }
}
