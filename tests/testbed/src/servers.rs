//! One of each server, in one folder.

use std::{
    fs::{self, File},
    ops::Deref,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    folders::TemporaryFolder,
    keycloak::{Keycloak, KeycloakOptions},
    mail::{Mail, MailOptions},
    postgres::{Durability, Postgres},
    process::clean_leftovers,
    slapd::{Edits, Slapd},
};

const PROVISION_LIMIT: Duration = Duration::from_mins(2);

/// Whether to start a server that has no options of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Start it.
    Yes,
    /// Do not start it.
    #[default]
    No,
}

/// The servers that a test needs.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The folder for all data, which is kept; a temporary folder for `None`.
    pub folder: Option<PathBuf>,
    /// The directory.
    pub slapd: Wanted,
    /// Changes to its settings and to its first entries.
    pub slapd_edits: Edits,
    /// Keycloak; not started for `None`.
    pub keycloak: Option<KeycloakOptions>,
    /// The mail catcher; not started for `None`.
    pub mail: Option<MailOptions>,
    /// PostgreSQL.
    pub postgres: Wanted,
    /// Whether PostgreSQL flushes what it commits.
    pub postgres_durability: Durability,
}

impl ServerOptions {
    /// The directory, Keycloak and the mail catcher, which an account needs.
    pub fn servers() -> Self {
        Self {
            keycloak: Some(KeycloakOptions::default()),
            mail: Some(MailOptions::default()),
            ..Self::slapd_alone()
        }
    }

    /// Only the directory, which starts within a moment.
    pub fn slapd_alone() -> Self {
        Self { slapd: Wanted::Yes, ..Self::default() }
    }
}

/// A server that is accessed as if it were always present. Accessing one that was not requested is a mistake in the test.
#[derive(Debug)]
pub struct Part<T>(Option<T>);

impl<T> Part<T> {
    /// The server, if this set was started with it.
    pub const fn started(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("the test uses a part that its ServerOptions did not ask for")
    }
}

/// Running servers. Dropping this stops them.
#[derive(Debug)]
pub struct TestServers {
    /// The directory.
    pub slapd: Part<Slapd>,
    /// Keycloak.
    pub keycloak: Part<Keycloak>,
    /// The mail catcher.
    pub mail: Part<Mail>,
    /// PostgreSQL.
    pub postgres: Part<Postgres>,
    folder: Folder,
}

#[derive(Debug)]
enum Folder {
    Temporary(TemporaryFolder),
    /// Locked, so that a second set of servers in this folder does not treat a living first one as a leftover.
    Kept {
        path: PathBuf,
        _lock: File,
    },
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept { path, .. } => path,
        }
    }
}

impl TestServers {
    /// Starts the wanted servers, the slow ones in parallel, and returns when all are ready. First ends what a dead set of servers left
    /// running in a kept folder, and removes its data.
    pub async fn start(options: ServerOptions) -> Result<Self> {
        let folder = make_folder(options.folder.clone())?;
        let path = folder.path();
        let slapd = match options.slapd {
            Wanted::Yes => Some(Slapd::start_in(path, options.slapd_edits).await?),
            Wanted::No => None,
        };
        let directory_ca = slapd.as_ref().map(|slapd| slapd.ca_file.as_path());
        let keycloak = async {
            match options.keycloak.clone() {
                Some(options) => Keycloak::start_in(path, options, directory_ca).await.map(Some),
                None => Ok(None),
            }
        };
        let mail = async {
            match options.mail {
                Some(options) => Mail::start_with(options).await.map(Some),
                None => Ok(None),
            }
        };
        let postgres = async {
            match options.postgres {
                Wanted::Yes => Postgres::start_beside(path, options.postgres_durability).await.map(Some),
                Wanted::No => Ok(None),
            }
        };
        let (keycloak, mail, postgres) = tokio::try_join!(keycloak, mail, postgres)?;
        Ok(Self {
            slapd: Part(slapd),
            keycloak: Part(keycloak),
            mail: Part(mail),
            postgres: Part(postgres),
            folder,
        })
    }

    /// The folder with logs, data and `state.json`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Has the product's own `setup keycloak --apply` make the realm that its configuration names, then sends the realm's mails to the
    /// catcher. Returns the JSON that the command printed.
    pub async fn provision(&self, accolade: &Path, config: &Path, realm: &str) -> Result<serde_json::Value> {
        let output = self.run_setup(accolade, config).await?;
        if !output.status.success() {
            bail!(
                "`accolade setup keycloak --apply` ended with {}: {}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        self.keycloak.set_smtp(realm, &self.mail).await?;
        serde_json::from_slice(&output.stdout).context("read what `accolade setup keycloak --json` printed")
    }

    async fn run_setup(&self, accolade: &Path, config: &Path) -> Result<Output> {
        let run = tokio::process::Command::new(accolade)
            .arg("--config")
            .arg(config)
            .args(["setup", "keycloak", "--apply", "--json"])
            .args(["--admin-user", &self.keycloak.admin_user])
            .arg("--admin-password-file")
            .arg(&self.keycloak.admin_password_file)
            .args(["--federation-bind-dn", &self.slapd.keycloak_dn])
            .arg("--federation-bind-password-file")
            .arg(&self.slapd.keycloak_password_file)
            // Keycloak connects directly to the directory, even if the bot connects through a proxy that injects faults.
            .args(["--federation-url", &self.slapd.ldap_url])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        tokio::time::timeout(PROVISION_LIMIT, run)
            .await
            .context("`accolade setup keycloak --apply` took too long")?
            .context("run accolade")
    }

    /// Stops everything in an orderly way. A kept folder stays.
    pub async fn stop(self) {
        // Waiting for processes blocks, and other tasks may run on this thread.
        let ended = tokio::task::spawn_blocking(move || {
            if let Some(keycloak) = self.keycloak.started() {
                keycloak.stop();
            }
            if let Some(postgres) = self.postgres.started() {
                postgres.stop();
            }
            if let Some(slapd) = self.slapd.started() {
                slapd.stop();
            }
            drop(self);
        });
        if let Err(error) = ended.await {
            tracing::warn!(%error, "stopping the servers failed");
        }
    }
}

/// Printed when a test fails, because the folder with the logs is removed with the servers.
const LINES_OF_EACH_LOG: usize = 40;

impl Drop for TestServers {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for log in ["slapd/slapd.log", "keycloak/keycloak.log"] {
            let text = fs::read_to_string(self.folder.path().join(log)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines.get(lines.len().saturating_sub(LINES_OF_EACH_LOG)..).unwrap_or_default();
            #[expect(clippy::print_stderr, reason = "the test harness shows it below the failed test")]
            if !end.is_empty() {
                eprintln!("the end of {log}:\n{}", end.join("\n"));
            }
        }
    }
}

fn make_folder(wished: Option<PathBuf>) -> Result<Folder> {
    let Some(folder) = wished else {
        return TemporaryFolder::for_servers().map(Folder::Temporary);
    };
    fs::create_dir_all(&folder).context("make the servers' folder")?;
    let lock = File::open(&folder).context("open the servers' folder")?;
    if lock.try_lock().is_err() {
        bail!("another set of servers uses {}", folder.display());
    }
    for name in clean_leftovers(&folder)? {
        tracing::info!(name, "ended a leftover of an earlier run");
    }
    for part in ["slapd", "keycloak"] {
        let old = folder.join(part);
        if old.exists() {
            fs::remove_dir_all(&old).context("remove the data of an earlier run")?;
        }
    }
    let path = folder.canonicalize().context("find the servers' folder")?;
    Ok(Folder::Kept { path, _lock: lock })
}
