//! Child processes that never outlive the testbed. Only this module starts, freezes, stops and records them.
//!
//! There are three safeguards, because a test can end in three ways. In an orderly end, dropping [`Process`] kills its own pid. A killed
//! test process takes its children with it (`PR_SET_PDEATHSIG`, set by `setpriv`). If both fail, `state.json` in the servers' folder
//! records which pids with which start times belonged to the testbed, for [`clean_leftovers`]. Processes are never killed by name, because
//! another set of servers on this machine has processes with the same name.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid, User},
};
use serde::{Deserialize, Serialize};

use crate::waiting::block_until;

/// How long a server may take to exit before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How to start a program.
#[derive(Debug)]
#[must_use]
pub struct Launch {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    user: Option<User>,
    stop_signal: Signal,
    folder: PathBuf,
    records: PathBuf,
    log: PathBuf,
}

impl Launch {
    /// Runs `program` in `folder`, which also contains its log (`<name>.log`) and, unless changed, `state.json`.
    pub fn new(name: &'static str, program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            name,
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            user: None,
            stop_signal: Signal::SIGTERM,
            folder: folder.to_owned(),
            records: folder.to_owned(),
            log: folder.join(format!("{name}.log")),
        }
    }

    /// Writes `state.json` to the servers' folder instead.
    pub fn record_in(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.records);
        self
    }

    /// Writes the program's output to this file instead.
    pub fn log_into(mut self, file: &Path) -> Self {
        file.clone_into(&mut self.log);
        self
    }

    /// The arguments of the program.
    pub fn arguments<I: Into<String>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the program.
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs the program as this user. Only root can do that; `None` keeps the current user.
    pub(crate) fn run_as(mut self, user: Option<User>) -> Self {
        self.user = user;
        self
    }

    /// The signal that asks this program to end in an orderly way (TERM by default).
    pub(crate) const fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// The file that receives the program's output.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Starts the program. The pid is the program's own, because `setpriv` only sets the death signal and then executes the program.
    pub fn start(&self) -> Result<Process> {
        let log = File::options().create(true).append(true).open(self.log_path()).context("open a log")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = &self.user {
            command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups");
        }
        command.arg("--").arg(&self.program).args(&self.arguments);
        // The user's own variables for Keycloak or the bot must not affect these processes.
        for (name, _) in std::env::vars_os() {
            if [b"KC_".as_slice(), b"ACCOLADE_"].iter().any(|ours| name.as_encoded_bytes().starts_with(ours))
            {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().context("share a log")?).stderr(log);
        command.process_group(0).current_dir(&self.folder);
        let child = spawn_from_keeper(command).with_context(|| format!("start {}", self.name))?;
        let record = Record::of(self.name, child.id())?;
        remember(&self.records, &record)?;
        Ok(Process { child, record, records: self.records.clone(), stop_signal: self.stop_signal })
    }

    /// Runs the program until it exits and returns its exit status.
    pub(crate) fn run(&self, limit: Duration) -> Result<ExitStatus> {
        let mut process = self.start()?;
        if !block_until(limit, || !process.is_running()) {
            bail!("{} did not end within {limit:?}; see {}", self.name, self.log_path().display());
        }
        process.child.wait().with_context(|| format!("wait for {}", self.name))
    }
}

/// A running child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    record: Record,
    records: PathBuf,
    stop_signal: Signal,
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The exit status; `None` while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("look after {}", self.record.name))
    }

    /// Sends it a signal. Does nothing if it has ended.
    pub fn signal(&self, signal: Signal) {
        // An error means that the process has already ended, which is fine for every caller.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    /// Asks it to end, and kills it if it does not.
    pub(crate) fn stop(self) {
        self.stop_within(STOP_LIMIT);
    }

    /// The same with a limit, for processes that need more time.
    pub(crate) fn stop_within(mut self, limit: Duration) {
        self.signal(Signal::SIGCONT);
        self.signal(self.stop_signal);
        if !block_until(limit, || !self.is_running()) {
            tracing::warn!(name = self.record.name, "did not stop in time and is killed");
        }
    }

    /// Kills the process as a power cut would, without a flush.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Freezes the process: connections stay open and it answers nothing. Returns when every thread has stopped, because the signal
    /// reaches a busy thread late, and it could answer once more.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        block_until(STOPS_WITHIN, || is_stopped(self.child.id()));
    }

    /// Resumes a frozen process.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Err(error) = forget(&self.records, &self.record) {
            tracing::warn!(%error, "could not take a process out of state.json");
        }
    }
}

/// The death signal is bound to the parent *thread*. If a worker of a test's runtime started the servers, they
/// would die when that one test ends. So one thread starts every child and lives as long as the process.
fn spawn_from_keeper(command: Command) -> Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static KEEPER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, result) = mpsc::channel();
    keeper.send((command, answer)).map_err(|_| anyhow!("the thread that starts processes is gone"))?;
    Ok(result.recv().context("the thread that starts processes gave no answer")??)
}

/// The unprivileged user for programs that refuse root, or `None` if this process is not root.
pub(crate) fn unprivileged_user() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name).context("look up an unprivileged user")? {
            return Ok(Some(user));
        }
    }
    bail!("there is neither a user `postgres` nor `nobody` to run PostgreSQL as")
}

/// One line of `state.json`: enough to identify a process, and never to confuse it with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    name: String,
    pid: u32,
    /// Clock ticks after boot (field 22 of `/proc/PID/stat`).
    start_time: u64,
}

impl Record {
    fn of(name: &str, pid: u32) -> Result<Self> {
        // A short program may already have ended. Its zombie stays until it is collected and still has these values.
        let (_, start_time) = life_of(pid).with_context(|| format!("{name} left no trace"))?;
        Ok(Self { name: name.to_owned(), pid, start_time })
    }

    fn is_alive(&self) -> bool {
        life_of(self.pid) == Some((Alive::Yes, self.start_time))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alive {
    Yes,
    /// A zombie that nobody has collected.
    No,
}

/// Whether a process lives, and its start time; `None` when there is no such process.
fn life_of(pid: u32) -> Option<(Alive, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may contain blanks. The state is the first field after it, and field 22 is
    // the 20th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let alive = if matches!(fields.next()?, "Z" | "X") { Alive::No } else { Alive::Yes };
    Some((alive, fields.nth(18)?.parse().ok()?))
}

/// How long a frozen process may take until all its threads have stopped.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// Whether every thread of a process is stopped by a signal.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        // A thread that has ended since has no file.
        state.is_none_or(|state| state == "T")
    })
}

/// Several servers of one set start at the same time and share the file.
fn state_lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_state(folder: &Path) -> Result<Vec<Record>> {
    match fs::read(folder.join("state.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("read state.json"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context("read state.json"),
    }
}

fn write_state(folder: &Path, records: &[Record]) -> Result<()> {
    let unfinished = folder.join("state.json.new");
    fs::write(&unfinished, serde_json::to_vec_pretty(records)?).context("write state.json")?;
    fs::rename(&unfinished, folder.join("state.json")).context("put state.json in place")
}

fn remember(folder: &Path, record: &Record) -> Result<()> {
    let _guard = state_lock();
    let mut records = read_state(folder)?;
    records.push(record.clone());
    write_state(folder, &records)
}

fn forget(folder: &Path, record: &Record) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let _guard = state_lock();
    let mut records = read_state(folder)?;
    records.retain(|other| other != record);
    write_state(folder, &records)
}

/// Kills the processes that a dead set of servers left in `folder`: exactly those pids in its `state.json` whose start time still matches.
/// Returns the names of the killed processes.
pub fn clean_leftovers(folder: &Path) -> Result<Vec<String>> {
    let _guard = state_lock();
    let mut killed = Vec::new();
    for record in read_state(folder)? {
        if record.is_alive() {
            kill(Pid::from_raw(record.pid as i32), Signal::SIGKILL)
                .with_context(|| format!("kill a leftover {}", record.name))?;
            killed.push(record.name);
        }
    }
    if folder.join("state.json").exists() {
        write_state(folder, &[])?;
    }
    Ok(killed)
}
