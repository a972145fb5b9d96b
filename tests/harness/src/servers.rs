//! The servers that all tests of a binary share: the first test that needs them starts them, and they end with the process.

use std::path::PathBuf;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::checker::{Checker, Violation};
use testbed::config::{self, Registration, Sections};
use testbed::{Managed, Postgres, ServerOptions, TestServers};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::DbInspector;
use crate::files::{private_folder, write_secret};

/// Keycloak's realm.
pub const REALM: &str = "accounts";

/// The groups of the directory that the bot may fill; `unmanaged` is not among them.
const GROUPS: [(&str, Managed); 3] =
    [("members", Managed::Yes), ("wiki", Managed::Yes), ("unmanaged", Managed::No)];

/// The shared servers, with a realm that the bot's own set-up created.
#[derive(Debug)]
pub struct Harness {
    /// slapd, Keycloak and the mail catcher.
    pub servers: TestServers,
    /// The runtime of the tests that use them.
    pub runtime: Runtime,
    /// The file with the secret of the bot's client.
    pub client_secret_file: PathBuf,
    /// The ids of the federation and of its group mapper.
    ids: [String; 2],
    postgres: OnceCell<Postgres>,
    _folder: TempDir,
}

static USERS: RwLock<()> = RwLock::new(());

/// Returns the servers and starts them at the first call.
pub fn shared() -> &'static Harness {
    static HARNESS: OnceLock<Harness> = OnceLock::new();
    HARNESS.get_or_init(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            // The same stack size as in `serve`.
            .thread_stack_size(4 * 1024 * 1024)
            .enable_all()
            .build()
            .expect("a runtime");
        // It runs on its own thread, because a test may call this function from inside a runtime.
        let started = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(start_servers())).join());
        let started = started.expect("starting the servers does not panic");
        let (servers, ids, folder) = started.expect("the servers start");
        Harness {
            servers,
            client_secret_file: folder.path().join("client.secret"),
            ids,
            runtime,
            postgres: OnceCell::new(),
            _folder: folder,
        }
    })
}

/// Locks the servers for a test that breaks none of them. Other tests use them at the same time.
pub fn visit() -> (&'static Harness, RwLockReadGuard<'static, ()>) {
    let guard = USERS.read().unwrap_or_else(PoisonError::into_inner);
    (shared(), guard)
}

/// Locks the servers for a test that kills, freezes or breaks one of them. No other test uses them until the guard is dropped.
pub fn visit_alone() -> (&'static Harness, RwLockWriteGuard<'static, ()>) {
    let guard = USERS.write().unwrap_or_else(PoisonError::into_inner);
    (shared(), guard)
}

/// The path of the built `accolade`. Cargo builds it for every test binary, which is one folder below it.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own file");
    let folder = test.parent().and_then(std::path::Path::parent).expect("the folder of the build");
    folder.join("accolade")
}

async fn start_servers() -> Result<(TestServers, [String; 2], TempDir)> {
    let servers = TestServers::start(ServerOptions::servers()).await?;
    for (group, managed) in GROUPS {
        servers.slapd.add_group(group, managed).await?;
    }
    let folder = private_folder();
    let path = folder.path();
    let secret_file = path.join("client.secret");
    let sections = Sections {
        discord: json!({"token_file": write_secret(path, "discord.token", "none-yet")}),
        guilds: vec![json!({"id": "1", "request_channel": "1"})],
        directory: config::directory(&servers.slapd),
        keycloak: config::keycloak(
            &servers.keycloak,
            Registration { realm: REALM, secret_file: &secret_file, ids: ["", ""] },
        ),
        store: config::sqlite(&path.join("setup.sqlite"), &path.join("setup.key")),
    };
    let file = path.join("setup.toml");
    config::write(&file, &sections.whole())?;
    let made = servers.provision(&binary(), &file, REALM).await?;
    let id =
        |key: &str| made[key].as_str().map(str::to_owned).with_context(|| format!("set-up names no {key}"));
    Ok((servers, [id("federation_id")?, id("group_mapper_id")?], folder))
}

impl Harness {
    /// PostgreSQL, started at the first call.
    pub async fn postgres(&self) -> &Postgres {
        self.postgres.get_or_init(async || Postgres::start_new().await.expect("PostgreSQL starts")).await
    }

    /// The federation of the realm.
    pub fn federation_id(&self) -> &str {
        &self.ids[0]
    }

    /// The group mapper of that federation.
    pub fn group_mapper_id(&self) -> &str {
        &self.ids[1]
    }

    /// A configuration that uses these servers.
    pub fn config(&self, discord: Value, guilds: Vec<Value>, store: Value) -> Value {
        let ids = [self.ids[0].as_str(), self.ids[1].as_str()];
        let registration = Registration { realm: REALM, secret_file: &self.client_secret_file, ids };
        let keycloak = config::keycloak(&self.servers.keycloak, registration);
        let directory = config::directory(&self.servers.slapd);
        Sections { discord, guilds, directory, keycloak, store }.whole()
    }

    /// The violations that the checker finds in the five stores, for people whose user names contain `names_with`.
    pub async fn violations(
        &self,
        names_with: &str,
        store: &DbInspector,
        cards: Vec<String>,
    ) -> Result<Vec<Violation>> {
        let TestServers { slapd, keycloak, mail, .. } = &self.servers;
        Checker { slapd, keycloak, realm: REALM, mail, store, cards, names_with }.check().await
    }
}
