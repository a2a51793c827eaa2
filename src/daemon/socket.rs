//! The socket file: made private, made once, and never stolen from a daemon that is alive.
//!
//! A lock on `SOCKET.lock` says who owns the path; the kernel drops it with the process, however
//! that ends. Only its holder may remove a socket left behind.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::error::{Error, Result};

/// `sun_path` holds 108 bytes, the last of them zero.
const MAX_PATH: usize = 107;

/// A listening socket. Removes its file when dropped; the lock goes with it.
#[derive(Debug)]
pub(super) struct BoundSocket {
    pub listener: UnixListener,
    path: PathBuf,
    inode: u64,
    _lock: File,
}

impl BoundSocket {
    /// Binds `path`; members of `group` may connect besides the owner.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::error::ErrorKind::Unavailable) when a daemon is alive there,
    /// a configuration error when the place is unsafe or impossible.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<Self> {
        if path.as_os_str().as_bytes().len() > MAX_PATH {
            return Err(Error::config(format!("the socket path {} is longer than {MAX_PATH} bytes", path.display()))
                .hint("choose a shorter one with --socket or `socket = …`"));
        }
        let group = group.map(find_group).transpose()?;
        prepare_directory(path, group)?;
        let lock = take_lock(path)?;
        remove_stale(path)?;
        let cannot = |error: &std::io::Error| cannot_listen(path, error);
        let listener = UnixListener::bind(path).map_err(|error| cannot(&error))?;
        // Whatever the umask was; until here the directory keeps others out.
        if let Some(gid) = group {
            std::os::unix::fs::chown(path, None, Some(gid)).map_err(|error| cannot(&error))?;
        }
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| cannot(&error))?;
        let inode = std::fs::symlink_metadata(path).map_err(|error| cannot(&error))?.ino();
        Ok(Self { listener, path: path.to_owned(), inode, _lock: lock })
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        // Only our own file: someone may have replaced it by hand.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn cannot_listen(path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("cannot listen on {}", path.display()))
        .because(error)
        .hint("choose a directory of your own with --socket or `socket = …`")
}

fn find_group(name: &str) -> Result<u32> {
    uzers::get_group_by_name(name).map(|group| group.gid()).ok_or_else(|| {
        Error::config(format!("socket_group: there is no group `{name}`"))
            .hint("create it with groupadd, or correct the name")
    })
}

/// Creates the parent directory if needed, and refuses one in which others could swap the socket.
fn prepare_directory(path: &Path, group: Option<u32>) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let cannot = |error: &std::io::Error| cannot_listen(path, error);
    if !directory.exists() {
        let mode = if group.is_some() { 0o750 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(|error| cannot(&error))?;
        if let Some(gid) = group {
            std::os::unix::fs::chown(directory, None, Some(gid)).map_err(|error| cannot(&error))?;
        }
    }
    let meta = std::fs::metadata(directory).map_err(|error| cannot(&error))?;
    if meta.mode() & 0o002 != 0 {
        return Err(Error::config(format!("the socket's directory {} is writable by everyone", directory.display()))
            .hint("put the socket into a directory of its own (mode 0700, or 0750 with a group)"));
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let cannot = |error: &std::io::Error| cannot_listen(path, error);
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nofollow)
        .open(&lock_path)
        .map_err(|error| cannot(&error))?;
    match lock.try_lock() {
        Ok(()) => {
            // For people who look; nobody relies on it.
            let pid = format!("{}\n", std::process::id());
            lock.set_len(0).and_then(|()| lock.rewind()).map_err(|error| cannot(&error))?;
            lock.write_all(pid.as_bytes()).map_err(|error| cannot(&error))?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = (&lock).take(20).read_to_string(&mut pid);
            Err(already_running(path, pid.trim().parse().ok()))
        }
        Err(TryLockError::Error(error)) => Err(cannot(&error)),
    }
}

fn already_running(path: &Path, pid: Option<u32>) -> Error {
    let who = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    Error::unavailable(format!("a daemon is already running on {}{who}", path.display()))
        .hint("attach to it with `tandem`, or stop it first")
}

/// Removes a socket nobody listens on. Called with the lock held.
fn remove_stale(path: &Path) -> Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(Error::config(format!("{} is not a socket", path.display()))
            .hint("something else lives there; move it away or choose another socket path"));
    }
    // The lock says nobody is there; someone who started without it is still not thrown out.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(already_running(path, None));
    }
    std::fs::remove_file(path).map_err(|error| cannot_listen(path, &error))
}
