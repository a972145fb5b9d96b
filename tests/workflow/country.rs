//! The servers that all villages share: started once for the test process, used by many tests at a time, and by one alone that
//! breaks a server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Bed, BedOptions, Managed};
use tokio::runtime::Runtime;

/// Keycloak's realm.
pub(crate) const REALM: &str = "workflow";

/// The real thing.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_accolade");

/// The servers of all villages.
pub(crate) struct Country {
    pub(crate) bed: Bed,
    pub(crate) runtime: Runtime,
    pub(crate) federation_id: String,
    pub(crate) group_mapper_id: String,
    pub(crate) client_secret_file: PathBuf,
    _folder: TempDir,
}

static VISITS: RwLock<()> = RwLock::new(());

/// The servers, for a test that harms none of them. Others use them, too.
pub(crate) fn country() -> (&'static Country, RwLockReadGuard<'static, ()>) {
    let visit = VISITS.read().unwrap_or_else(PoisonError::into_inner);
    (started(), visit)
}

/// The servers, for a test that kills, freezes or breaks one of them: nobody else uses them until the guard is dropped.
pub(crate) fn country_alone() -> (&'static Country, RwLockWriteGuard<'static, ()>) {
    let visit = VISITS.write().unwrap_or_else(PoisonError::into_inner);
    (started(), visit)
}

/// Starts the servers at the first call; they end with the test process.
fn started() -> &'static Country {
    static COUNTRY: OnceLock<Country> = OnceLock::new();
    COUNTRY.get_or_init(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (bed, made, folder) = runtime.block_on(start_servers()).expect("the servers start");
        let text = |key: &str| made[key].as_str().expect("setup names both ids").to_owned();
        Country {
            federation_id: text("federation_id"),
            group_mapper_id: text("group_mapper_id"),
            client_secret_file: folder.path().join("client.secret"),
            bed,
            runtime,
            _folder: folder,
        }
    })
}

async fn start_servers() -> Result<(Bed, Value, TempDir)> {
    let wanted = BedOptions { postgres: testbed::bed::Wanted::Yes, ..BedOptions::servers() };
    let bed = Bed::start(wanted).await?;
    bed.slapd.add_group("members", Managed::Yes).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("setup.toml");
    write_secret(&folder.path().join("discord.token"), "none-yet")?;
    let mut config = servers_part(&bed, &folder.path().join("client.secret"), ["", ""], MAIL_CLIENT);
    config["discord"] = json!({"token_file": folder.path().join("discord.token")});
    config["guild"] = json!([{"id": "1", "request_channel": "1"}]);
    config["store"] = json!({"url": format!("sqlite://{}", folder.path().join("none.sqlite").display()), "key_file": folder.path().join("store.key")});
    write_secret(&file, &toml::to_string(&config)?)?;
    let made = bed.provision(BINARY.as_ref(), &file, REALM).await?;
    Ok((bed, made, folder))
}

/// The client that mailed links lead to.
pub(crate) const MAIL_CLIENT: &str = "account-link";

/// The part of a configuration that names the servers.
pub(crate) fn servers_part(bed: &Bed, client_secret: &Path, ids: [&str; 2], mail_client: &str) -> Value {
    let (slapd, keycloak) = (&bed.slapd, &bed.keycloak);
    json!({
        "directory": {
            "url": slapd.ldaps_url, "ca_file": slapd.ca_file, "bind_dn": slapd.bot_dn, "bind_password_file": slapd.bot_password_file,
            "people_dn": slapd.people_dn, "groups_dn": slapd.groups_dn,
        },
        "keycloak": {
            "url": keycloak.url, "plaintext_on_loopback": true, "realm": REALM, "client_id": "accolade",
            "client_secret_file": client_secret, "federation_id": ids[0], "group_mapper_id": ids[1],
            "mail_client_id": mail_client, "mail_redirect_uri": "http://localhost/welcome", "event_poll": "1s",
        },
        "http": {"listen": "127.0.0.1:0"},
        "log": {"format": "json", "filter": "info"},
    })
}

/// Writes a file that only we can read.
pub(crate) fn write_secret(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).context("write a file")?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).context("set a mode")
}
