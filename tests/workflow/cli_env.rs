//! A configuration on disk and the built binary, as an operator has them.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use discord_sim::{Options, Sim};
use serde_json::{Value, json};
use tempfile::TempDir;

use harness::AccountsEnv;
use harness::accounts::{ADMIN, CARDS, GUILD, MEMBER, MODERATOR, TRUSTED, config_in};

pub(crate) const ADA: u64 = 175_928_847_299_117_063;
pub(crate) const GRACE: u64 = 175_928_847_299_117_064;
pub(crate) const LINUS: u64 = 175_928_847_299_117_065;
pub(crate) const MALLORY: u64 = 175_928_847_299_117_066;

/// The bot's token for the simulated Discord.
pub(crate) const TOKEN: &str = "MTE4MDAwMDAwMDAwMDAwMDAwMQ.c4na7y.canary-of-the-token-0123456789abcdef";

/// No command takes longer than this, whatever fails.
const LIMIT: Duration = Duration::from_mins(1);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Standard output of a run that succeeded.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Standard output of a run that succeeded, as JSON.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.done()).expect("one JSON object")
    }

    /// Standard error of a run that exited with `code` and printed no result.
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        self.err
    }
}

/// An operator's folder: the configuration, the secrets, and the place for the database.
pub(crate) struct CliEnv {
    pub(crate) folder: PathBuf,
    pub(crate) file: PathBuf,
    config: Value,
    kept: Option<TempDir>,
}

impl CliEnv {
    /// Creates a new folder; its database is not migrated.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .expect("a folder");
        let mut cli = Self::over(folder.path());
        cli.kept = Some(folder);
        cli
    }

    /// Uses the database of an environment.
    pub(crate) fn of(env: &AccountsEnv) -> Self {
        Self::over(env.config.store.key_file.parent().expect("the environment's folder"))
    }

    fn over(folder: &Path) -> Self {
        std::fs::create_dir(folder.join("secrets")).expect("a folder for secrets");
        let cli = Self {
            file: folder.join("accolade.toml"),
            config: config_in(folder, &folder.join("secrets")),
            folder: folder.to_owned(),
            kept: None,
        };
        cli.keeps("token", TOKEN);
        cli.keeps("bind", "canary-of-the-bind-password");
        cli.keeps("client", "canary-of-the-client-secret");
        cli.write();
        cli
    }

    /// Writes the file of a secret.
    pub(crate) fn keeps(&self, name: &str, secret: &str) {
        let file = self.folder.join("secrets").join(name);
        let file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
        file.expect("a secret's file").write_all(secret.as_bytes()).expect("a secret");
    }

    fn write(&self) {
        testbed::config::write(&self.file, &self.config).expect("the configuration is written");
    }

    /// Sets one key of the configuration.
    pub(crate) fn set(&mut self, section: &str, key: &str, value: Value) {
        self.config[section][key] = value;
        self.write();
    }

    /// Points the bot at a simulated Discord.
    pub(crate) fn talk_to(&mut self, sim: &Sim) {
        let endpoint = json!({"address": sim.tls_address().to_string(), "ca_file": sim.ca_file()});
        self.set("discord", "endpoint", endpoint);
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("accolade.sqlite")
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(harness::binary());
        command.arg("--config").arg(&self.file).args(arguments).env_remove("ACCOLADE_CONFIG");
        command.stdin(Stdio::null());
        command
    }

    /// Runs the binary until it exits.
    pub(crate) fn runs(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments))
    }

    /// Starts the binary and leaves it running.
    pub(crate) fn starts(&self, arguments: &[&str]) -> Serving {
        let said = self.folder.join("said");
        let log = std::fs::File::create(&said).expect("a file for what it says");
        let mut command = self.command(arguments);
        Serving(command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts"), said)
    }

    /// Runs one statement directly on the database, as anyone with access to the file can.
    pub(crate) async fn tampers(&self, sql: &'static str) {
        Self::tampers_with(&self.database(), sql).await;
    }

    /// Runs one statement on a database file anywhere.
    pub(crate) async fn tampers_with(file: &Path, sql: &'static str) {
        use sqlx::{Connection as _, Executor as _};
        let url = ["sqlite://", &file.to_string_lossy()].concat();
        let mut raw = sqlx::SqliteConnection::connect(&url).await.expect("the database opens");
        let done = raw.execute(sql).await.expect("the statement runs");
        assert!(done.rows_affected() > 0, "{sql} changed nothing");
        raw.close().await.expect("the database closes");
    }
}

/// Runs the binary without `--config`.
pub(crate) fn run_bare(arguments: &[&str]) -> Run {
    let mut command = std::process::Command::new(harness::binary());
    command.args(arguments).env_remove("ACCOLADE_CONFIG").stdin(Stdio::null());
    finish(command)
}

fn finish(command: std::process::Command) -> Run {
    let output = assert_cmd::Command::from_std(command).timeout(LIMIT).output().expect("the binary runs");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A running `serve`. Dropping it kills the process.
pub(crate) struct Serving(Child, PathBuf);

impl Serving {
    /// Asks the process to stop and returns its exit code.
    pub(crate) fn stops(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it is asked to stop");
        self.0.wait().expect("it ends").code()
    }

    /// Waits until the process exits by itself. Returns its exit code and what it logged, or `None` if it doesn't exit in time.
    pub(crate) async fn ends(mut self, limit: Duration) -> Option<(Option<i32>, String)> {
        let mut code = None;
        let ended = testbed::wait_until("serve to end", limit, async || {
            code = self.0.try_wait()?.map(|status| status.code());
            Ok(code.is_some())
        });
        ended.await.ok()?;
        Some((code?, std::fs::read_to_string(&self.1).expect("what it said")))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The process has exited already, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A simulated Discord with the environment's guild: Ada asks, Grace is a moderator and a member, and Linus is an admin.
pub(crate) async fn discord() -> Sim {
    let sim = Sim::start(Options::default()).await.expect("the simulated Discord starts");
    let role = |id: u64, name: &str| json!({"id": id.to_string(), "name": name});
    let person =
        |id: u64, name: &str, roles: &[&str]| json!({"id": id.to_string(), "name": name, "roles": roles});
    let scene = json!({
        "bots": [{"name": "Accolade", "token": TOKEN}],
        "guilds": [{
            "id": GUILD.to_string(), "name": "town", "bots": ["Accolade"],
            "roles": [
                role(MEMBER.get(), "member"), role(TRUSTED.get(), "trusted"),
                role(MODERATOR.get(), "moderator"), role(ADMIN.get(), "admin"),
            ],
            "channels": [{"id": CARDS.to_string(), "name": "requests"}],
            "members": [
                person(ADA, "ada", &["member"]), person(GRACE, "grace", &["member", "moderator"]),
                person(LINUS, "linus", &["admin"]), person(MALLORY, "mallory", &[]),
            ],
        }],
    });
    discord_sim::load_fixture(&sim, &scene.to_string()).expect("the guild is built");
    sim
}
