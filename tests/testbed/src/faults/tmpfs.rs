//! A small file system for the SQLite file, so that a full disk harms nobody else. Only root can mount one.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// A mounted file system; it goes with this value.
#[derive(Debug)]
pub struct Tmpfs {
    folder: PathBuf,
}

impl Tmpfs {
    /// Mounts one over this folder, or says why not and does without.
    pub fn mount(folder: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=0700", "accolade-faults"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder: folder.to_owned() }),
            Ok(_) | Err(_) => {
                tracing::warn!(
                    "no small file system can be mounted here (that takes root): the disk is never full in this run"
                );
                None
            }
        }
    }

    /// Takes all room until the returned value is dropped.
    pub fn fill(&self) -> Result<Filling> {
        let path = self.folder.join("filling");
        let mut file = File::create(&path).context("make a filling")?;
        let filling = Filling(path);
        let block = vec![0; 64 * 1024];
        // The first write that does not fit wholly ends it; a smaller rest is filled byte block by byte block.
        while file.write_all(&block).is_ok() {}
        while file.write_all(&block[..512]).is_ok() {}
        Ok(filling)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still hold a file.
        drop(Command::new("umount").arg("-l").arg(&self.folder).output());
    }
}

/// What takes the room.
#[derive(Debug)]
pub struct Filling(PathBuf);

impl Drop for Filling {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}
