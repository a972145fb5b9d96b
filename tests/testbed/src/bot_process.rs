//! The bot as a process that tests kill, stop and restart. No other code in the tests starts `accolade serve`.

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

/// One bot, across all its starts.
#[derive(Debug)]
pub struct BotProcess {
    program: PathBuf,
    folder: PathBuf,
    /// The folder where its processes are recorded, so that they can be ended after the test run is killed.
    records: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// The file that contains the offset of its clock.
    pub offset: PathBuf,
    health: Option<String>,
    process: Mutex<Option<Process>>,
    ends_of_its_own: AtomicU64,
    /// Whether this process was told to exit at a crash point.
    is_armed: AtomicBool,
}

impl BotProcess {
    /// A bot that is not running yet. Its configuration and its log are in `folder`.
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

    /// Records its processes in another folder, so that they can be ended after the test run is killed.
    #[must_use]
    pub fn record_in(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.records);
        self
    }

    /// Serves the bot's health page at this address.
    #[must_use]
    pub fn with_health(mut self, address: String) -> Self {
        self.health = Some(address);
        self
    }

    /// The address of the health page; empty if the configuration sets it.
    pub fn health(&self) -> &str {
        self.health.as_deref().unwrap_or_default()
    }

    /// How the bot's process is started.
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

    /// The log of all runs since its first start.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.launch().log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The path of the log.
    pub fn log_path(&self) -> PathBuf {
        self.launch().log_path()
    }

    /// Starts the bot. If a crash point is named, the process exits there. Does nothing if the bot runs.
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

    /// Kills it as a power cut would.
    pub async fn kill(&self) {
        drop(self.process.lock().await.take());
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
        }
    }

    /// Kills it as a power cut would, and returns when it has ended.
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

    /// Whether it has ended or was never started. This does not collect the process.
    pub async fn has_ended(&self) -> Result<bool> {
        match self.process.lock().await.as_mut() {
            Some(process) => Ok(process.ended()?.is_some()),
            None => Ok(true),
        }
    }

    /// Takes over a process that was started elsewhere.
    pub async fn adopt(&self, process: Process) -> Result<()> {
        let before = self.process.lock().await.replace(process);
        ensure!(before.is_none(), "the first bot still runs");
        Ok(())
    }

    /// The exit status if the process has ended. It can be started again then.
    pub async fn ended(&self) -> Result<Option<ExitStatus>> {
        let mut process = self.process.lock().await;
        let Some(running) = process.as_mut() else { return Ok(None) };
        let ended = running.ended()?;
        if ended.is_some() {
            *process = None;
        }
        Ok(ended)
    }

    /// Asks the process to end and waits for that. It must exit with 0, unless it reaches its crash point first
    /// or has only just been started. The signal ends a process that does not handle it yet.
    pub async fn terminate(&self, limit: Duration) -> Result<()> {
        let handles = self.pid().await.is_some_and(handles_sigterm);
        self.signal(Signal::SIGTERM).await;
        let status = self.collect(limit).await?;
        let met_its_point = self.is_armed.load(Ordering::Relaxed) && status.signal() == Some(9);
        let was_too_early = !handles && status.signal() == Some(15);
        ensure!(
            status.success() || met_its_point || was_too_early,
            "after SIGTERM the bot ended with {status}"
        );
        Ok(())
    }

    /// Restarts a bot that ended by itself, as a supervisor does. Returns whether it had ended.
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

    /// How many times the process ended without being told to.
    pub fn ends_of_its_own(&self) -> u64 {
        self.ends_of_its_own.load(Ordering::Relaxed)
    }
}

/// Whether the process has a handler for SIGTERM: `SigCgt` of `proc_pid_status(5)`, a mask in which the lowest bit is signal 1.
fn handles_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (Signal::SIGTERM as u32 - 1)) != 0
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    #[tokio::test]
    async fn a_process_that_handles_sigterm_is_told_from_one_that_does_not() {
        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process");
        assert!(!handles_sigterm(other.id()));
        other.kill().expect("is killed");
        other.wait().expect("has ended");
        assert!(!handles_sigterm(other.id()), "nobody is there");
        let _handler = signal(SignalKind::terminate()).expect("a handler");
        assert!(handles_sigterm(std::process::id()));
    }
}
