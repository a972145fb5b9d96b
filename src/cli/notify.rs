//! Tells a service manager how `serve` does, by systemd's protocol (`sd_notify(3)`): datagrams of `NAME=value` lines.
//!
//! Ready is told when every part answers, not when the process has started; a sign of life only while the worker makes steps.
//! Without `NOTIFY_SOCKET` nothing is told to anybody.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::ServiceHealth;
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::messages::{self, Lang};

/// How often the parts are asked until all of them answer.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How much longer the manager shall wait for the start, told at each look: a server that is away is no reason to be ended.
const PATIENCE: &str = "EXTEND_TIMEOUT_USEC=60000000";

/// The manager's ear.
pub(super) struct Manager {
    socket: UnixDatagram,
    watchdog: Option<Duration>,
    /// Readiness was told: a reload before it says nothing of it.
    is_ready: AtomicBool,
}

impl Manager {
    /// The manager that the environment names, if there is one that listens.
    pub(super) fn of_process() -> Option<Self> {
        let path = config::notify_socket()?;
        match connect(&path) {
            Ok(socket) => {
                Some(Self { socket, watchdog: config::watchdog_span(), is_ready: AtomicBool::new(false) })
            }
            Err(error) => {
                tracing::warn!(%error, "the service manager's socket cannot be used");
                None
            }
        }
    }

    /// Says something. A manager that does not listen is no reason to stop.
    fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send(state.as_bytes()) {
            tracing::warn!(%error, "the service manager was not told");
        }
    }

    /// A reload begins. [`Manager::has_reloaded`] follows in any case.
    pub(super) fn reloads(&self) {
        if !self.is_ready.load(Ordering::Relaxed) {
            return;
        }
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
        let micros = now.map_or(0, |now| Duration::from(now).as_micros());
        self.tell(&["RELOADING=1\nMONOTONIC_USEC=", &micros.to_string()].concat());
    }

    /// The reload is over; `status` says how it went.
    pub(super) fn has_reloaded(&self, status: &str) {
        let ready = if self.is_ready.load(Ordering::Relaxed) { "READY=1\n" } else { "" };
        self.tell(&[ready, "STATUS=", status].concat());
    }

    /// The end begins.
    pub(super) fn stops(&self) {
        self.tell("STOPPING=1");
    }

    /// Tells that all is ready once it is, then gives signs of life. Never returns.
    async fn tend(&self, health: &ServiceHealth) {
        let lang = Lang::default();
        loop {
            let missing = health.not_ready().await;
            if missing.is_empty() {
                break;
            }
            let status = messages::service::waits_for(lang, &missing.join(", "));
            self.tell(&["STATUS=", &status, "\n", PATIENCE].concat());
            SystemClock.pause(ASK_EVERY).await;
        }
        self.is_ready.store(true, Ordering::Relaxed);
        self.tell(&["READY=1\nSTATUS=", &messages::service::serves(lang)].concat());
        let Some(span) = self.watchdog else { return std::future::pending().await };
        loop {
            if health.worker_is_alive(span / 2) {
                self.tell("WATCHDOG=1");
            }
            SystemClock.pause(span / 4).await;
        }
    }
}

/// Tends the manager, if there is one. Never returns.
pub(super) async fn tend(manager: Option<&Manager>, health: ServiceHealth) {
    match manager {
        Some(manager) => manager.tend(&health).await,
        None => std::future::pending().await,
    }
}

fn connect(path: &Path) -> std::io::Result<UnixDatagram> {
    let address = match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
