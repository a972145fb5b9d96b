//! Keycloak from its published distribution, on loopback, with a copy of a prepared database.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cache::{self, Prepared, Stages},
    java::Java,
    keycloak_admin::KeptToken,
    ports::Port,
    process::{Launch, Process},
    waiting::wait_until,
};

/// The version that is tested.
pub const VERSION: &str = "26.7.3";
/// The administrator of the realm `master`.
pub const ADMIN: &str = "admin";
/// A start takes seven seconds on an idle machine, and six times that on a busy one.
const START_LIMIT: Duration = Duration::from_mins(3);

/// The address that Keycloak reports as its own, in mails and as issuer (`KC_HOSTNAME`).
#[derive(Clone, Debug, Default)]
pub enum PublicUrl {
    /// The address where it listens: `http://127.0.0.1:PORT`.
    #[default]
    AsListening,
    /// `http://localhost:PORT`, which is easier to read.
    Localhost,
    /// Any other address.
    Fixed(String),
    /// None: it accepts any host that a caller names.
    Unset,
}

/// The options of a test's Keycloak.
#[derive(Clone, Debug, Default)]
pub struct KeycloakOptions {
    /// The address that it reports.
    pub public_url: PublicUrl,
    /// The preferred port; any other if that is taken.
    pub wished_port: Option<u16>,
}

/// A running Keycloak.
#[derive(Debug)]
pub struct Keycloak {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    /// The address that it reports.
    pub public_url: String,
    /// The administrator's name in the realm `master`.
    pub admin_user: String,
    /// The administrator's password in a file, without a line end.
    pub admin_password_file: PathBuf,
    /// Keycloak's version.
    pub version: &'static str,
    pub(crate) admin_password: String,
    pub(crate) http: reqwest::Client,
    pub(crate) token: KeptToken,
    launch: Launch,
    process: Mutex<Option<Process>>,
    management: Port,
    _http_port: Port,
}

impl Keycloak {
    /// Starts a Keycloak in `folder`. The first start on a machine builds the cache and takes minutes.
    ///
    /// It trusts `directory_ca`, so that it can also reach the directory over TLS.
    pub async fn start_in(
        servers: &Path,
        options: KeycloakOptions,
        directory_ca: Option<&Path>,
    ) -> Result<Self> {
        let (prepared, _) = cache::prepare().await?;
        let folder = servers.join("keycloak");
        let home = folder.join("home");
        prepared.make_home(&home)?;
        for entry in fs::read_dir(prepared.template()).context("read the template database")? {
            let entry = entry?;
            fs::copy(entry.path(), home.join("data/h2").join(entry.file_name()))
                .context("copy the template")?;
        }
        let admin_password = prepared.admin_password()?;
        let admin_password_file = folder.join("admin.password");
        write_secret(&admin_password_file, &admin_password)?;

        let (port, management) = (Port::free_preferring(options.wished_port)?, Port::free()?);
        let url = format!("http://{}", port.address());
        let public_url = match options.public_url {
            PublicUrl::AsListening => Some(url.clone()),
            PublicUrl::Localhost => Some(format!("http://localhost:{}", port.number())),
            PublicUrl::Fixed(url) => Some(url),
            PublicUrl::Unset => None,
        };
        let address =
            Address { http: port.number(), management: management.number(), public_url: public_url.clone() };
        let public_url = public_url.unwrap_or_else(|| url.clone());
        let aot = prepared.aot_cache().map(|file| format!("-XX:AOTCache={}", file.display()));
        let mut launch = launch(&prepared, &folder, &home, aot, &address).record_in(servers);
        if let Some(file) = directory_ca {
            launch = launch.environment("KC_TRUSTSTORE_PATHS", file.display().to_string());
        }
        let keycloak = Self {
            url,
            public_url,
            admin_user: ADMIN.to_owned(),
            admin_password_file,
            version: VERSION,
            admin_password,
            http: plain_client()?,
            token: KeptToken::default(),
            launch,
            process: Mutex::new(None),
            management,
            _http_port: port,
        };
        keycloak.start().await?;
        Ok(keycloak)
    }

    /// Restarts it with the same data on the same port. Does nothing if it runs.
    pub async fn start(&self) -> Result<()> {
        if self.lock().is_some() {
            return Ok(());
        }
        let mut process = self.launch.start()?;
        wait_until_ready(&mut process, self.management.number(), &self.launch.log_path()).await?;
        *self.lock() = Some(process);
        Ok(())
    }

    /// Stops it in an orderly way.
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

    /// Freezes it: connections stay open, and it answers nothing.
    pub fn freeze(&self) {
        if let Some(process) = &*self.lock() {
            process.freeze();
        }
    }

    /// Resumes it after a freeze.
    pub fn thaw(&self) {
        if let Some(process) = &*self.lock() {
            process.thaw();
        }
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

/// Makes the cache (unpack, build, template) without starting a lasting server. Returns how long each stage took.
pub async fn prepare() -> Result<Stages> {
    Ok(cache::prepare().await?.1)
}

/// Where one server listens.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) http: u16,
    pub(crate) management: u16,
    pub(crate) public_url: Option<String>,
}

/// How Keycloak is started everywhere in the testbed.
pub(crate) fn launch(
    prepared: &Prepared,
    folder: &Path,
    home: &Path,
    aot: Option<String>,
    address: &Address,
) -> Launch {
    let launch = Launch::new("keycloak", prepared.java.program(), folder)
        .arguments(aot)
        .arguments(Java::keycloak_arguments(&prepared.tree(), home))
        .arguments(["start", "--optimized"])
        .environment("KC_DB", "dev-file")
        // H2 keeps commits in memory for half a second. A kill would lose them, which the database of a production Keycloak does not do.
        .environment("KC_DB_URL_PROPERTIES", ";WRITE_DELAY=0")
        .environment("KC_HEALTH_ENABLED", "true")
        .environment("KC_CACHE", "local")
        .environment("KC_HTTP_ENABLED", "true")
        .environment("KC_HTTP_HOST", "127.0.0.1")
        .environment("KC_HTTP_PORT", address.http.to_string())
        .environment("KC_HTTP_MANAGEMENT_HOST", "127.0.0.1")
        .environment("KC_HTTP_MANAGEMENT_PORT", address.management.to_string());
    match &address.public_url {
        Some(url) => launch.environment("KC_HOSTNAME", url),
        None => launch.environment("KC_HOSTNAME_STRICT", "false"),
    }
}

/// The port opens seconds before the server is usable. Only the health page on the management port reports that.
pub(crate) async fn wait_until_ready(process: &mut Process, management: u16, log: &Path) -> Result<()> {
    let client = plain_client()?;
    let health = format!("http://127.0.0.1:{management}/health/ready");
    let process = Mutex::new(process);
    wait_until("Keycloak to be ready", START_LIMIT, || async {
        if !process.lock().unwrap_or_else(PoisonError::into_inner).is_running() {
            bail!("Keycloak ended; see {}", log.display());
        }
        Ok(client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()))
    })
    .await
}

/// Keeps no connections: servers outlive the runtime of the test that made them, and a pooled connection does not.
pub(crate) fn plain_client() -> Result<reqwest::Client> {
    client_builder().build().context("make an HTTP client")
}

pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // Other code in this process may have installed a provider already; any provider will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn write_secret(file: &Path, secret: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(file, secret).context("write a secret")?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).context("protect a secret")
}
