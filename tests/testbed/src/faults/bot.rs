//! The bot as a process that is killed, stopped and started again.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tokio::sync::Mutex;

use super::Paths;
use crate::process::{Launch, Process};
use crate::waiting::wait_until;

/// One bot, through all its lives.
pub(super) struct Bot {
    program: PathBuf,
    folder: PathBuf,
    /// Where its processes are noted, for a run that is killed.
    records: PathBuf,
    pub(super) config: PathBuf,
    pub(super) offset: PathBuf,
    pub(super) health: String,
    process: Mutex<Option<Process>>,
    ends_of_its_own: AtomicU64,
    /// Whether this life was told to die at a crash point.
    is_armed: AtomicBool,
}

impl Bot {
    /// It does not run yet.
    pub(super) fn new(paths: &Paths, folder: PathBuf, records: PathBuf, health: String) -> Self {
        Self {
            program: paths.accolade.clone(),
            config: folder.join("accolade.toml"),
            offset: folder.join("offset"),
            folder,
            records,
            health,
            process: Mutex::default(),
            ends_of_its_own: AtomicU64::new(0),
            is_armed: AtomicBool::new(false),
        }
    }

    fn launch(&self) -> Launch {
        Launch::new("accolade", &self.program, &self.folder)
            .record_in(&self.records)
            .arguments(["--config", &self.config.to_string_lossy(), "serve"])
            .environment("ACCOLADE__HTTP__LISTEN", self.health.clone())
            .environment("ACCOLADE_CLOCK_OFFSET_FILE", self.offset.to_string_lossy())
    }

    /// What it has logged in all its lives.
    pub(super) fn log(&self) -> String {
        let bytes = std::fs::read(self.launch().log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where that is.
    pub(super) fn log_path(&self) -> PathBuf {
        self.launch().log_path()
    }

    /// Starts it, to die at this crash point if one is named. Nothing happens if it runs.
    pub(super) async fn start(&self, crash_at: Option<&str>) -> Result<()> {
        let mut process = self.process.lock().await;
        if process.is_some() {
            return Ok(());
        }
        let launch = match crash_at {
            Some(point) => self.launch().environment("ACCOLADE_CRASH_AT", point),
            None => self.launch(),
        };
        *process = Some(launch.start()?);
        self.is_armed.store(crash_at.is_some(), Ordering::Relaxed);
        Ok(())
    }

    /// Ends it as a power cut would.
    pub(super) async fn kill(&self) {
        drop(self.process.lock().await.take());
    }

    /// Sends it a signal.
    pub(super) async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
        }
    }

    /// How it has ended, if it has; it can be started again then.
    pub(super) async fn ended(&self) -> Result<Option<ExitStatus>> {
        let mut process = self.process.lock().await;
        let Some(running) = process.as_mut() else { return Ok(None) };
        let ended = running.ended()?;
        if ended.is_some() {
            *process = None;
        }
        Ok(ended)
    }

    /// Asks it to end and waits for that. It must exit with 0, unless it meets its crash point on the way.
    pub(super) async fn terminate(&self, limit: Duration) -> Result<()> {
        self.signal(Signal::SIGTERM).await;
        let mut status = None;
        wait_until("the bot's end after SIGTERM", limit, async || {
            status = self.ended().await?;
            Ok(status.is_some())
        })
        .await?;
        let status = status.context("an end")?;
        let met_its_point = self.is_armed.load(Ordering::Relaxed) && status.signal() == Some(9);
        ensure!(status.success() || met_its_point, "after SIGTERM the bot ended with {status}");
        Ok(())
    }

    /// Starts the next life of a bot that has ended by itself, as a supervisor does. Whether it had.
    pub(super) async fn supervise(&self) -> Result<bool> {
        let Some(status) = self.ended().await? else { return Ok(false) };
        if status.signal() != Some(9) {
            self.ends_of_its_own.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%status, "the bot ended by itself and is started again");
        }
        self.start(None).await?;
        Ok(true)
    }

    /// Its process id while it runs.
    pub(super) async fn pid(&self) -> Option<u32> {
        self.process.lock().await.as_ref().map(Process::pid)
    }

    /// How often it ended without being told to.
    pub(super) fn ends_of_its_own(&self) -> u64 {
        self.ends_of_its_own.load(Ordering::Relaxed)
    }
}
