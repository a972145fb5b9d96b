//! The bot as a process that is killed, stopped and started again: the only place where tests start `accolade serve`.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tokio::sync::Mutex;

use crate::process::{Launch, Process};
use crate::waiting::wait_until;

/// One bot, through all its starts.
#[derive(Debug)]
pub struct BotProcess {
    program: PathBuf,
    folder: PathBuf,
    /// Where its processes are noted, for a run that is killed.
    records: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// The file with the offset of its clock.
    pub offset: PathBuf,
    health: Option<String>,
    process: Mutex<Option<Process>>,
    ends_of_its_own: AtomicU64,
    /// Whether this process was told to die at a crash point.
    is_armed: AtomicBool,
}

impl BotProcess {
    /// A bot that does not run yet, with its configuration and its log in `folder`.
    pub fn new(program: &Path, folder: &Path) -> Self {
        Self {
            program: program.to_owned(),
            config: folder.join("accolade.toml"),
            offset: folder.join("offset"),
            folder: folder.to_owned(),
            records: folder.to_owned(),
            health: None,
            process: Mutex::default(),
            ends_of_its_own: AtomicU64::new(0),
            is_armed: AtomicBool::new(false),
        }
    }

    /// Notes its processes in another folder, for a run that is killed.
    #[must_use]
    pub fn record_in(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.records);
        self
    }

    /// Serves its health page at this address.
    #[must_use]
    pub fn with_health(mut self, address: String) -> Self {
        self.health = Some(address);
        self
    }

    /// Where that is; empty if the configuration says it.
    pub fn health(&self) -> &str {
        self.health.as_deref().unwrap_or_default()
    }

    /// How its process is started.
    pub fn launch(&self) -> Launch {
        let launch = Launch::new("accolade", &self.program, &self.folder)
            .record_in(&self.records)
            .arguments(["--config", &self.config.to_string_lossy(), "serve"])
            .environment("ACCOLADE_CLOCK_OFFSET_FILE", self.offset.to_string_lossy());
        match &self.health {
            Some(address) => launch.environment("ACCOLADE__HTTP__LISTEN", address.clone()),
            None => launch,
        }
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.launch().log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where that is.
    pub fn log_path(&self) -> PathBuf {
        self.launch().log_path()
    }

    /// Starts it, to die at this crash point if one is named. Nothing happens if it runs.
    pub async fn start(&self, crash_at: Option<&str>) -> Result<()> {
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
    pub async fn kill(&self) {
        drop(self.process.lock().await.take());
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
        }
    }

    /// Ends it as a power cut would, and returns when it has ended.
    pub async fn kill_and_collect(&self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGKILL).await;
        self.collect(limit).await
    }

    /// Waits until it has ended.
    pub async fn collect(&self, limit: Duration) -> Result<ExitStatus> {
        let mut status = None;
        wait_until("the bot's end", limit, async || {
            status = self.ended().await?;
            Ok(status.is_some())
        })
        .await?;
        status.context("an end")
    }

    /// Whether it has ended or was never started. It is not collected.
    pub async fn has_ended(&self) -> Result<bool> {
        match self.process.lock().await.as_mut() {
            Some(process) => Ok(process.ended()?.is_some()),
            None => Ok(true),
        }
    }

    /// Takes over a process that was started by hand.
    pub async fn adopt(&self, process: Process) -> Result<()> {
        let before = self.process.lock().await.replace(process);
        ensure!(before.is_none(), "the first bot still runs");
        Ok(())
    }

    /// How it has ended, if it has; it can be started again then.
    pub async fn ended(&self) -> Result<Option<ExitStatus>> {
        let mut process = self.process.lock().await;
        let Some(running) = process.as_mut() else { return Ok(None) };
        let ended = running.ended()?;
        if ended.is_some() {
            *process = None;
        }
        Ok(ended)
    }

    /// Asks it to end and waits for that. It must exit with 0, unless it meets its crash point on the way.
    pub async fn terminate(&self, limit: Duration) -> Result<()> {
        self.signal(Signal::SIGTERM).await;
        let status = self.collect(limit).await?;
        let met_its_point = self.is_armed.load(Ordering::Relaxed) && status.signal() == Some(9);
        ensure!(status.success() || met_its_point, "after SIGTERM the bot ended with {status}");
        Ok(())
    }

    /// Starts a bot again that has ended by itself, as a supervisor does. Whether it had.
    pub async fn supervise(&self) -> Result<bool> {
        let Some(status) = self.ended().await? else { return Ok(false) };
        if status.signal() != Some(9) {
            self.ends_of_its_own.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%status, "the bot ended by itself and is started again");
        }
        self.start(None).await?;
        Ok(true)
    }

    /// Its process id while it runs.
    pub async fn pid(&self) -> Option<u32> {
        self.process.lock().await.as_ref().map(Process::pid)
    }

    /// How often it ended without being told to.
    pub fn ends_of_its_own(&self) -> u64 {
        self.ends_of_its_own.load(Ordering::Relaxed)
    }
}
