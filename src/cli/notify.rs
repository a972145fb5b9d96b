//! Tells a service manager the state of `serve` by systemd's protocol (`sd_notify(3)`).
//!
//! Readiness is reported when every part answers, and not when the process has started. Keep-alives are sent only while the worker
//! sends heartbeats. Without `NOTIFY_SOCKET` nothing is sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::app::ServiceHealth;
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::domain::lang::Lang;
use crate::messages::tr;

/// How often the parts are checked until all of them answer.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The time by which each check extends the start timeout, in microseconds: an unreachable server is no reason to end the process.
const START_EXTENSION: u32 = 60_000_000;

/// The number of notifications that may wait for a service manager that doesn't read.
const QUEUE: usize = 16;

/// The service manager.
pub(super) struct Manager {
    queue: SyncSender<String>,
    watchdog: Option<Duration>,
    /// Readiness was reported. Before that, a reload isn't reported.
    is_ready: AtomicBool,
}

impl Manager {
    /// The manager that the environment names, if there is one. A separate thread sends the notifications, because sending blocks while the
    /// manager doesn't read.
    pub(super) fn of_process() -> Option<Self> {
        if !config::has_service_manager() {
            return None;
        }
        let (queue, waiting) = sync_channel::<String>(QUEUE);
        let sender = std::thread::Builder::new().name("sd-notify".to_owned()).spawn(move || {
            for states in waiting {
                if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&states)]) {
                    tracing::warn!(%error, "the service manager could not be notified");
                }
            }
        });
        if let Err(error) = sender {
            tracing::warn!(%error, "the service manager is not notified");
            return None;
        }
        Some(Self { queue, watchdog: sd_notify::watchdog_enabled(), is_ready: AtomicBool::new(false) })
    }

    /// Queues a notification. If the queue is full, the manager doesn't read, and the notification is dropped.
    fn notify(&self, states: &[NotifyState<'_>]) {
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        if let Err(error) = self.queue.try_send(lines.join("\n")) {
            tracing::warn!(%error, "a notification of the service manager was dropped");
        }
    }

    /// Reports that a reload starts. [`Manager::reload_ended`] must follow.
    pub(super) fn reload_started(&self) {
        if !self.is_ready.load(Ordering::Relaxed) {
            return;
        }
        let now = NotifyState::monotonic_usec_now().unwrap_or(NotifyState::MonotonicUsec(0));
        self.notify(&[NotifyState::Reloading, now]);
    }

    /// Reports that the reload is over, with a status for people.
    pub(super) fn reload_ended(&self, status: &str) {
        let status = NotifyState::Status(status);
        if self.is_ready.load(Ordering::Relaxed) {
            self.notify(&[NotifyState::Ready, status]);
        } else {
            self.notify(&[status]);
        }
    }

    /// Reports that the process stops.
    pub(super) fn stopping(&self) {
        self.notify(&[NotifyState::Stopping]);
    }

    /// Reports readiness once all parts are ready, then sends keep-alives. Never returns.
    async fn run(&self, health: &ServiceHealth) {
        let lang = Lang::default();
        loop {
            let missing = health.not_ready().await;
            if missing.is_empty() {
                break;
            }
            let status = tr!(lang, "service-waits-for", parts = missing.join(", "));
            self.notify(&[NotifyState::Status(&status), NotifyState::ExtendTimeoutUsec(START_EXTENSION)]);
            SystemClock.pause(CHECK_INTERVAL).await;
        }
        self.is_ready.store(true, Ordering::Relaxed);
        self.notify(&[NotifyState::Ready, NotifyState::Status(&tr!(lang, "service-serves"))]);
        let Some(interval) = self.watchdog.filter(|interval| !interval.is_zero()) else {
            return std::future::pending().await;
        };
        loop {
            if health.worker_is_alive(interval / 2) {
                self.notify(&[NotifyState::Watchdog]);
            }
            SystemClock.pause(interval / 4).await;
        }
    }
}

/// Notifies the manager, if there is one. Never returns.
pub(super) async fn run(manager: Option<&Manager>, health: ServiceHealth) {
    match manager {
        Some(manager) => manager.run(&health).await,
        None => std::future::pending().await,
    }
}
