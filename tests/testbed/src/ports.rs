//! Ports on loopback that stay reserved while a server is down, so that a killed server can return on its port.
//!
//! They are below the range from which the kernel takes ports for outgoing connections. A lock on a file for each port separates sets of
//! servers, even in different processes. The lock ends with its process, so nothing needs to be cleaned up.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use nix::unistd::Uid;
use rand::Rng as _;

const OURS: std::ops::Range<u16> = 20_000..32_000;

/// A port that no other set of servers uses while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves any free port.
    pub fn free() -> Result<Self> {
        let mut rng = rand::rng();
        for _ in 0..500 {
            if let Some(port) = Self::take(rng.random_range(OURS))? {
                return Ok(port);
            }
        }
        bail!("found no free port between {} and {}", OURS.start, OURS.end)
    }

    /// Reserves the preferred port if it is free (the sandbox keeps its addresses that way), otherwise any.
    pub fn free_preferring(wished: Option<u16>) -> Result<Self> {
        if let Some(number) = wished
            && let Some(port) = Self::take(number)?
        {
            return Ok(port);
        }
        Self::free()
    }

    /// The port's number.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// The address on loopback.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }

    fn take(number: u16) -> Result<Option<Self>> {
        let folder = lock_folder()?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(number.to_string()))
            .context("open the lock of a port")?;
        if lock.try_lock().is_err() || TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_err() {
            return Ok(None);
        }
        Ok(Some(Self { number, _lock: lock }))
    }
}

fn lock_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("accolade-ports-{}", Uid::effective()));
    fs::create_dir_all(&folder).context("make the folder of port locks")?;
    Ok(folder)
}
