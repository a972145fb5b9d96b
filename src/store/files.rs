//! The files of the store, the key file among them: their permissions, their creation, and the lock of `serve`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretBox;

use super::error::{FileFault, KeyFault, StoreError};
use crate::clock::Rng;
use crate::domain::ids::Timestamp;

/// Refuses a file or folder that other users can access, and names the fix.
pub(super) fn check_private(path: &Path, wanted: u32) -> Result<(), StoreError> {
    inspect_private(path, wanted).map_err(StoreError::Unsafe)
}

fn inspect_private(path: &Path, wanted: u32) -> Result<(), FileFault> {
    let path = path.to_owned();
    let meta = match fs::metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(FileFault::Missing { path }),
        Err(error) => return Err(FileFault::Hidden { path, kind: error.kind() }),
    };
    let me = nix::unistd::geteuid().as_raw();
    if meta.uid() != me {
        return Err(FileFault::Foreign { path, owner: meta.uid(), me });
    }
    if meta.mode() & 0o077 != 0 {
        return Err(FileFault::Open { path, mode: meta.mode() & 0o777, wanted });
    }
    Ok(())
}

/// Checks the SQLite file, what SQLite keeps beside it, and their folder.
pub(super) fn check_database(path: &Path) -> Result<(), StoreError> {
    check_private(folder_of(path), 0o700)?;
    check_private(path, 0o600)?;
    for suffix in ["-wal", "-shm"] {
        let beside = with_suffix(path, suffix);
        if beside.exists() {
            check_private(&beside, 0o600)?;
        }
    }
    Ok(())
}

/// Creates the database's folder (0700) if it is missing, and refuses one that other users can access.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| cannot_make(folder, &e))?;
    check_private(folder, 0o700)
}

/// Creates an empty file (0600); refuses one that exists.
pub(super) fn make_new(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(StoreError::Unsafe(FileFault::Taken { path: path.to_owned() }))
        }
        Err(error) => Err(cannot_make(path, &error)),
    }
}

/// Flushes a file and its directory entry to the disk.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    let syncing = File::open(path).and_then(|file| file.sync_all());
    syncing.and_then(|()| File::open(folder_of(path))?.sync_all()).map_err(|error| cannot_make(path, &error))
}

/// Removes a file that we created, with what SQLite keeps beside it.
pub(super) fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        // A file that does not exist needs no removal, and one that stays does no harm.
        let _ = fs::remove_file(with_suffix(path, suffix));
    }
}

/// Copies a backup beside the database (0600), where it can be checked and then moved into place.
pub(super) fn copy_beside(backup: &Path, database: &Path) -> Result<PathBuf, StoreError> {
    let copy = with_suffix(database, ".restoring");
    remove(&copy);
    let mut from = File::open(backup).map_err(|error| {
        StoreError::Unsafe(FileFault::Hidden { path: backup.to_owned(), kind: error.kind() })
    })?;
    make_new(&copy)?;
    let copying = OpenOptions::new().write(true).open(&copy).and_then(|mut to| {
        std::io::copy(&mut from, &mut to)?;
        to.sync_all()
    });
    if let Err(error) = copying {
        remove(&copy);
        return Err(cannot_make(&copy, &error));
    }
    Ok(copy)
}

/// Moves the checked copy into the database's place. The old database is kept under another name, which is returned.
pub(super) fn replace(copy: &Path, database: &Path, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error: std::io::Error| cannot_make(database, &error);
    let mut kept = None;
    if database.exists() {
        let aside = with_suffix(database, &[".before-", &now.as_millis().to_string()].concat());
        // A second name first, so the database exists at every moment.
        fs::hard_link(database, &aside).map_err(failed)?;
        for suffix in ["-wal", "-shm"] {
            let beside = with_suffix(database, suffix);
            if beside.exists() {
                fs::rename(&beside, with_suffix(&aside, suffix)).map_err(failed)?;
            }
        }
        kept = Some(aside);
    }
    fs::rename(copy, database).map_err(failed)?;
    sync(database)?;
    Ok(kept)
}

/// Creates an empty database file (0600) and its folder (0700) if they are missing.
pub(super) fn make_database(path: &Path) -> Result<(), StoreError> {
    make_folder(path)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_database(path),
        Err(error) => Err(cannot_make(path, &error)),
    }
}

/// Reads the key file: 32 bytes in base64.
pub(super) fn read_key(path: &Path) -> Result<SecretBox<[u8; 32]>, StoreError> {
    if !path.exists() {
        return Err(StoreError::Key(KeyFault::Missing { path: path.to_owned() }));
    }
    inspect_private(path, 0o600).map_err(|fault| StoreError::Key(KeyFault::Unsafe(fault)))?;
    let text = fs::read_to_string(path).map_err(|error| {
        StoreError::Key(KeyFault::Unreadable { path: path.to_owned(), kind: error.kind() })
    })?;
    let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
    <[u8; 32]>::try_from(bytes)
        .map(|key| SecretBox::new(Box::new(key)))
        .map_err(|_| StoreError::Key(KeyFault::Illegible { path: path.to_owned() }))
}

/// Creates a key file (0600) unless it exists.
pub(super) fn make_key(path: &Path, rng: &dyn Rng) -> Result<(), StoreError> {
    let folder = folder_of(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| cannot_make(folder, &e))?;
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(cannot_make(path, &error)),
    };
    let mut key = [0; 32];
    rng.fill(&mut key);
    let text = STANDARD.encode(key) + "\n";
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| StoreError::Key(KeyFault::NotWritten { path: path.to_owned(), kind: error.kind() }))
}

/// Takes the lock that only one `serve` may hold. It is not on the database file itself: closing a second descriptor of that
/// file would drop SQLite's own locks.
pub(super) fn lock_for_serving(database: &Path) -> Result<File, StoreError> {
    let path = with_suffix(database, ".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot_make(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::AlreadyServing),
        Err(TryLockError::Error(error)) => Err(cannot_make(&path, &error)),
    }
}

/// The write-ahead log of a database file.
pub(super) fn log_of(database: &Path) -> PathBuf {
    with_suffix(database, "-wal")
}

/// Opens SQLite's log to flush it, and flushes its directory entry. It exists: SQLite created it before the commit to be flushed.
pub(super) fn open_log(log: &Path) -> std::io::Result<File> {
    let file = File::open(log)?;
    File::open(folder_of(log))?.sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn cannot_make(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unsafe(FileFault::NotMade { path: path.to_owned(), kind: error.kind() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The owner of a file can change its mode at any time.
    #[test]
    fn a_file_of_somebody_else_is_refused_although_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mine = folder.path().join("store.sqlite");
        fs::write(&mine, "").expect("a file");
        let me = nix::unistd::geteuid();
        let foreign = if me.is_root() {
            let nobody = nix::unistd::Uid::from_raw(65_534);
            nix::unistd::chown(&mine, Some(nobody), None).expect("root may give it away");
            mine
        } else {
            PathBuf::from("/")
        };
        let refused = inspect_private(&foreign, 0o600).expect_err("it belongs to somebody else");
        assert!(
            matches!(&refused, FileFault::Foreign { me: asked, .. } if *asked == me.as_raw()),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("chown"), "{refused}");
    }
}
