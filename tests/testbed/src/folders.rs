//! Temporary folders that do not accumulate. Each is locked while its process lives. The next process that
//! makes a folder removes what a killed process left.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::process::clean_leftovers;

const PREFIXES: [&str; 2] = ["accolade-servers-", "accolade-postgres-"];
/// A younger folder may belong to a process that has not locked it yet.
const TOO_YOUNG: Duration = Duration::from_mins(1);

/// A folder that is removed when this value is dropped, or else by a later process.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    folder: TempDir,
    _lock: File,
}

impl TemporaryFolder {
    pub(crate) fn for_servers() -> Result<Self> {
        Self::new(PREFIXES[0])
    }

    pub(crate) fn for_postgres() -> Result<Self> {
        Self::new(PREFIXES[1])
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn new(prefix: &str) -> Result<Self> {
        remove_abandoned();
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().context("make a temporary folder")?;
        let lock = File::open(folder.path()).context("open a temporary folder")?;
        lock.lock().context("lock a temporary folder")?;
        Ok(Self { folder, _lock: lock })
    }
}

/// The folder for build outputs: the parent of the folder into which this program was built.
pub(crate) fn outputs() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find the own program")?;
    let mut folder = program.as_path();
    while let Some(parent) = folder.parent() {
        if folder.file_name().is_some_and(|name| name == "debug" || name == "release") {
            return Ok(parent.to_owned());
        }
        folder = parent;
    }
    Ok(std::env::temp_dir())
}

/// A folder that can't be removed belongs to another user, which is no reason to fail.
fn remove_abandoned() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| PREFIXES.iter().any(|known| name.starts_with(known)));
        if ours && is_abandoned(&entry.path()) {
            let _ = clean_leftovers(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_abandoned(folder: &Path) -> bool {
    let Ok(open) = File::open(folder) else { return false };
    let age =
        open.metadata().and_then(|facts| facts.modified()).ok().and_then(|changed| changed.elapsed().ok());
    age.is_some_and(|age| age > TOO_YOUNG) && open.try_lock().is_ok()
}
