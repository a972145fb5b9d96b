//! PostgreSQL on loopback, with a separate database for each test.
//!
//! It refuses to run as root, so root runs it as an unprivileged user, in a folder that this user owns. The folder is directly below the
//! temporary folder, because the servers' own folder may be closed to that user.

#![expect(
    clippy::disallowed_types,
    reason = "a role's password is changed by DDL, which takes no parameters"
)]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::{sys::signal::Signal, unistd::User};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    folders::TemporaryFolder,
    ports::Port,
    process::{Launch, Process, unprivileged_user},
    slapd::write_new_secret,
    waiting::wait_until,
};

const START_LIMIT: Duration = Duration::from_mins(1);
const TOOL_LIMIT: Duration = Duration::from_mins(1);
const SUPERUSER: &str = "accolade";

/// Whether a commit survives a power cut of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It does not, which saves the flushes. Tests have no power cut.
    #[default]
    ForTests,
    /// It does, as in PostgreSQL's defaults. For measurements.
    AsShipped,
}

impl Durability {
    const fn setting(self) -> &'static str {
        match self {
            Self::ForTests => "fsync=off",
            Self::AsShipped => "fsync=on",
        }
    }
}

/// A running PostgreSQL. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    /// The file that contains only the password of every URL.
    pub password_file: PathBuf,
    tools: Tools,
    password: String,
    port: Port,
    databases: AtomicU32,
    launch: Launch,
    process: Mutex<Option<Process>>,
    // Dropped last, because the server writes there until it has ended.
    _folder: TemporaryFolder,
}

impl Postgres {
    /// Starts an empty server.
    pub async fn start_new() -> Result<Self> {
        let folder = TemporaryFolder::for_postgres()?;
        let records = folder.path().to_owned();
        Self::start_recorded(folder, &records, Durability::ForTests).await
    }

    pub(crate) async fn start_beside(servers: &Path, durability: Durability) -> Result<Self> {
        Self::start_recorded(TemporaryFolder::for_postgres()?, servers, durability).await
    }

    async fn start_recorded(folder: TemporaryFolder, records: &Path, durability: Durability) -> Result<Self> {
        let tools = Tools {
            binaries: newest_binaries()?,
            user: unprivileged_user()?,
            folder: folder.path().to_owned(),
        };
        let password_file = folder.path().join("password");
        let password = write_new_secret(&password_file)?;
        tools.hand_over(folder.path())?;
        tools.hand_over(&password_file)?;

        let data = folder.path().join("data");
        let arguments = [
            "--pgdata".to_owned(),
            data.display().to_string(),
            format!("--username={SUPERUSER}"),
            format!("--pwfile={}", password_file.display()),
            "--auth=scram-sha-256".to_owned(),
            "--encoding=UTF8".to_owned(),
            "--locale=C".to_owned(),
            "--no-sync".to_owned(),
        ];
        tools.run("initdb", arguments, None).await?;

        let port = Port::free()?;
        let launch = tools
            .launch("postgres")
            .record_in(records)
            .stop_signal(Signal::SIGINT)
            .arguments([
                "-D".to_owned(),
                data.display().to_string(),
                "-p".to_owned(),
                port.number().to_string(),
            ])
            .arguments([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                durability.setting(),
                // Many bots run at once, each with a pool, and the connections of killed bots close a moment later.
                "-c",
                "max_connections=400",
            ]);
        let postgres = Self {
            password_file,
            tools,
            password,
            port,
            databases: AtomicU32::new(0),
            launch,
            process: Mutex::new(None),
            _folder: folder,
        };
        postgres.start().await?;
        postgres.make_logins_cheap().await?;
        Ok(postgres)
    }

    /// Stores the password again with one hash iteration instead of 4096. A debug build spends more time on authenticating a connection
    /// than on everything else that the connection does, and nobody guesses this password.
    async fn make_logins_cheap(&self) -> Result<()> {
        let url = format!("postgres://{SUPERUSER}:{}@{}/postgres", self.password, self.port.address());
        let mut connection = PgConnection::connect(&url).await.context("log in to PostgreSQL")?;
        let verifier = scram_verifier(self.password.as_bytes());
        // The verifier consists of base64 and a few separators.
        sqlx::query(AssertSqlSafe(format!("ALTER ROLE {SUPERUSER} PASSWORD '{verifier}'")))
            .execute(&mut connection)
            .await
            .context("change the password's verifier")?;
        connection.close().await.context("log out of PostgreSQL")
    }

    /// Restarts it with the same data on the same port. Does nothing if it runs.
    pub async fn start(&self) -> Result<()> {
        {
            let mut process = self.lock();
            if process.is_some() {
                return Ok(());
            }
            *process = Some(self.launch.start()?);
        }
        wait_until("PostgreSQL to answer", START_LIMIT, || async {
            if !self.lock().as_mut().is_some_and(Process::is_running) {
                // After a kill the old child processes need a moment to exit. Until then a new server refuses to start.
                *self.lock() = Some(self.launch.start()?);
            }
            let port = self.port.number().to_string();
            let status =
                self.tools.status("pg_isready", ["-q", "-h", "127.0.0.1", "-p", &port], None).await?;
            Ok(status.success())
        })
        .await
    }

    /// Makes an empty database and returns its URL, `postgres://…`.
    pub async fn new_database(&self) -> Result<String> {
        self.make_database(&[]).await
    }

    /// Copies a database without connections, given by its URL, and returns the URL of the copy.
    pub async fn copy_of(&self, url: &str) -> Result<String> {
        let original = url.rsplit('/').next().context("the url names no database")?;
        self.make_database(&["-T", original]).await
    }

    async fn make_database(&self, options: &[&str]) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        let port = self.port.number().to_string();
        let arguments = ["-h", "127.0.0.1", "-p", &port, "-U", SUPERUSER, "-w"];
        let arguments = arguments.iter().chain(options).copied().chain([name.as_str()]);
        self.tools
            .run("createdb", arguments.map(str::to_owned).collect::<Vec<_>>(), Some(&self.password))
            .await?;
        Ok(format!("postgres://{SUPERUSER}:{}@{}/{name}", self.password, self.port.address()))
    }

    /// The same URL for a configuration that stores the password in [`Postgres::password_file`].
    pub fn without_password(&self, url: &str) -> String {
        url.replacen(&format!(":{}@", self.password), "@", 1)
    }

    /// Stops it in an orderly way; open connections are closed.
    pub fn stop(&self) {
        if let Some(process) = self.take() {
            process.stop();
        }
    }

    /// Kills it as a power cut would.
    pub fn kill(&self) {
        if let Some(process) = self.take() {
            process.kill();
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::pid)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Process> {
        self.lock().take()
    }
}

/// What PostgreSQL stores for a password (`SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, RFC 5803), with one iteration (RFC
/// 5802 section 3).
fn scram_verifier(password: &[u8]) -> String {
    let salt: [u8; 16] = rand::random();
    let salted = hmac(password, &[salt.as_slice(), &1_u32.to_be_bytes()].concat());
    let stored_key = Sha256::digest(hmac(&salted, b"Client Key"));
    let server_key = hmac(&salted, b"Server Key");
    let [salt, stored_key, server_key] =
        [salt.as_slice(), stored_key.as_slice(), server_key.as_slice()].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$1:{salt}${stored_key}:{server_key}")
}

/// HMAC-SHA-256 (RFC 2104) with a key of at most one block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// PostgreSQL's programs, run as the correct user.
#[derive(Debug)]
struct Tools {
    binaries: PathBuf,
    user: Option<User>,
    folder: PathBuf,
}

impl Tools {
    fn launch(&self, name: &'static str) -> Launch {
        Launch::new(name, self.binaries.join(name), &self.folder).run_as(self.user.clone())
    }

    async fn status<I: Into<String>>(
        &self,
        name: &'static str,
        arguments: impl IntoIterator<Item = I>,
        password: Option<&str>,
    ) -> Result<std::process::ExitStatus> {
        let mut launch = self.launch(name).arguments(arguments);
        if let Some(password) = password {
            launch = launch.environment("PGPASSWORD", password);
        }
        tokio::task::spawn_blocking(move || launch.run(TOOL_LIMIT)).await?
    }

    async fn run<I: Into<String>>(
        &self,
        name: &'static str,
        arguments: impl IntoIterator<Item = I>,
        password: Option<&str>,
    ) -> Result<()> {
        let status = self.status(name, arguments, password).await?;
        if !status.success() {
            let log = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
            bail!("{name} failed ({status}): {log}");
        }
        Ok(())
    }

    /// Changes the owner of a file to the user that runs PostgreSQL.
    fn hand_over(&self, path: &Path) -> Result<()> {
        if let Some(user) = &self.user {
            nix::unistd::chown(path, Some(user.uid), Some(user.gid))
                .context("give a file to PostgreSQL's user")?;
        }
        Ok(())
    }
}

/// Debian installs each major version in its own folder and none of them on the path.
fn newest_binaries() -> Result<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").context("look for PostgreSQL in /usr/lib/postgresql")?;
    let newest = versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/postgres").exists().then(|| (version, path.join("bin")))
        })
        .max();
    newest.map(|(_, binaries)| binaries).context("found no PostgreSQL server below /usr/lib/postgresql")
}
