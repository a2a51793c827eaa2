//! Opening and creating the file.
//!
//! A redb file that is killed while it is first written never opens again (`reliability.md` 1.1), so
//! a new store is written beside its place and moved there whole.

mod damage;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableHandle as _};
use rustix::fs::{CWD, RenameFlags};
use strum::IntoEnumIterator as _;

use super::Options;
use super::error::{Result, StoreError};
use super::meta::{self, INSTANCE_KEY, SCHEMA, SCHEMA_KEY};
use super::source::View;
use super::tables::Tab;
use super::tx::Tx;

/// Creations in one process take turns, so that a leftover file with our process id is never in use.
static CREATING: Mutex<()> = Mutex::new(());

fn builder(options: &Options) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    builder
}

/// Opens the store at `path`, making it first if there is none.
pub(super) fn open(path: &Path, options: &Options) -> Result<Database> {
    if !fs::exists(path)? {
        create(path, options)?;
    }
    // Look before touching: opening for writing changes bytes even if nothing is written. A file that
    // needs recovery cannot be looked at this way; it is checked below, after it.
    if let Ok(db) = damage::caught(|| builder(options).open_read_only(path))? {
        check(&db, path, options)?;
    }
    let db = damage::caught(|| builder(options).open(path))?.map_err(|error| open_error(error, path))?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    check(&db, path, options)?;
    add_tables(&db)?;
    Ok(db)
}

/// Opens or makes a store in any backend.
pub(super) fn open_backend(backend: impl redb::StorageBackend, options: &Options) -> Result<Database> {
    let place = Path::new("(backend)");
    let db = builder(options).create_with_backend(backend).map_err(|error| open_error(error, place))?;
    let fresh = db.begin_read()?.list_tables()?.next().is_none();
    if fresh {
        write_schema(&db, options)?;
    } else {
        check(&db, place, options)?;
        add_tables(&db)?;
    }
    Ok(db)
}

fn open_error(error: DatabaseError, path: &Path) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: path.to_owned() },
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::NotAStore { path: path.to_owned() }
        }
        DatabaseError::UpgradeRequired(_) => StoreError::NotAStore { path: path.to_owned() },
        DatabaseError::Storage(error) => error.into(),
        other => StoreError::corrupt(other.to_string()),
    }
}

/// Refuses a file that is not ours, is newer than us, or belongs to another account.
fn check(db: &impl ReadableDatabase, path: &Path, options: &Options) -> Result<()> {
    let view = View::new(db.begin_read()?);
    let found = match meta::schema(&view) {
        Ok(Some(found)) => found,
        // A redb file of another program has no such table, or one of another shape.
        Ok(None) | Err(StoreError::Corrupt(_)) => return Err(StoreError::NotAStore { path: path.to_owned() }),
        Err(error) => return Err(error),
    };
    if found > SCHEMA {
        return Err(StoreError::Newer { found, supported: SCHEMA });
    }
    let instance = meta::instance(&view)?;
    if !options.instance.is_empty() && options.instance != instance {
        return Err(StoreError::OtherInstance { found: instance, expected: options.instance.clone() });
    }
    Ok(())
}

/// Makes the tables that a store of an older program lacks: they hold nothing such a program would miss,
/// so the format stays the same.
fn add_tables(db: &Database) -> Result<()> {
    let known: BTreeSet<String> = db.begin_read()?.list_tables()?.map(|table| table.name().to_owned()).collect();
    if Tab::iter().all(|tab| known.contains(tab.name())) {
        return Ok(());
    }
    let mut txn = db.begin_write()?;
    txn.set_quick_repair(true);
    for tab in Tab::iter() {
        txn.open_table(tab.definition())?;
    }
    Ok(txn.commit()?)
}

/// Makes every table, so that a reader never meets a missing one.
fn write_schema(db: &Database, options: &Options) -> Result<()> {
    let mut txn = db.begin_write()?;
    txn.set_quick_repair(true);
    for tab in Tab::iter() {
        txn.open_table(tab.definition())?;
    }
    let mut tx = Tx::new(&txn);
    tx.insert(Tab::Meta, SCHEMA_KEY, &SCHEMA.to_be_bytes())?;
    tx.insert(Tab::Meta, INSTANCE_KEY, options.instance.as_bytes())?;
    tx.finish()?;
    Ok(txn.commit()?)
}

fn create(path: &Path, options: &Options) -> Result<()> {
    let _turn = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !fs::exists(folder)? {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let temporary = temporary_name(path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let made = write_whole(&temporary, options).and_then(|()| move_into_place(&temporary, path));
    if made.is_err() {
        // Best effort: the name is tried again, and cleared, by the next attempt.
        let _ = fs::remove_file(&temporary);
    }
    made?;
    Ok(File::open(folder)?.sync_all()?)
}

/// Distinct per process, so that two daemons started at once never write the same file.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    PathBuf::from(name)
}

fn write_whole(temporary: &Path, options: &Options) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(temporary)?;
    let db = builder(options).create_file(file).map_err(|error| open_error(error, temporary))?;
    write_schema(&db, options)?;
    drop(db);
    Ok(File::open(temporary)?.sync_all()?)
}

/// Moves the new file into place unless somebody was faster; then theirs is the store.
fn move_into_place(temporary: &Path, path: &Path) -> Result<()> {
    match rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => Ok(fs::remove_file(temporary)?),
        // File systems without that flag: the store's lock still keeps two daemons apart.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(fs::rename(temporary, path)?),
        Err(error) => Err(io::Error::from(error).into()),
    }
}
