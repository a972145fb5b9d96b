//! A small file system for the SQLite file, so that a full disk affects nothing else. Only root can mount one.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// A mounted file system. Dropping this value unmounts it.
#[derive(Debug)]
pub struct Tmpfs {
    folder: PathBuf,
}

impl Tmpfs {
    /// Mounts a file system over this folder, or logs a warning and returns `None` if that is not possible.
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

    /// Uses up all space until the returned value is dropped.
    pub fn fill(&self) -> Result<Filling> {
        let path = self.folder.join("filling");
        let mut file = File::create(&path).context("make a filling")?;
        let filling = Filling(path);
        let block = vec![0; 64 * 1024];
        // The first write that does not fit completely ends the loop. Smaller blocks then fill the rest.
        while file.write_all(&block).is_ok() {}
        while file.write_all(&block[..512]).is_ok() {}
        Ok(filling)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // A lazy unmount, because a process that is about to end may still have a file open.
        drop(Command::new("umount").arg("-l").arg(&self.folder).output());
    }
}

/// The file that uses up the space.
#[derive(Debug)]
pub struct Filling(PathBuf);

impl Drop for Filling {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}
