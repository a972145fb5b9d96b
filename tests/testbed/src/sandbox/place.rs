//! The sandbox's folder, and what an earlier run left there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::clean_leftovers;
use crate::servers::TestServers;

use super::product::{Product, REALM};

/// The sandbox's folder: `sandbox` beside the build outputs.
pub(super) struct Place {
    folder: PathBuf,
}

impl Place {
    /// Finds the folder, ends processes that a killed run left, and removes its data.
    pub(super) fn prepare() -> Result<Self> {
        let place = Self { folder: folder()? };
        fs::create_dir_all(place.servers()).context("make the sandbox's folder")?;
        for name in clean_leftovers(&place.servers())? {
            super::say(&format!("Ended {name}, left by an earlier run."));
        }
        place.forget_state();
        let run = place.run();
        if run.exists() {
            fs::remove_dir_all(&run).context("remove an earlier run's data")?;
        }
        make_private(&run)?;
        Ok(place)
    }

    /// The folder of the servers.
    pub(super) fn servers(&self) -> PathBuf {
        self.folder.join("servers")
    }

    /// The folder of the bot and the simulator, created at each start and readable only by its owner.
    pub(super) fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Writes all addresses, for `./dev as` and other clients.
    pub(super) fn write_state(&self, servers: &TestServers, product: &Product) -> Result<()> {
        let keycloak = &servers.keycloak;
        let slapd = &servers.slapd;
        let chat = &product.chat;
        let state = json!({
            "discord": {"api": chat.api, "tls": chat.tls, "ca": chat.ca, "page": chat.page, "control": chat.control},
            "keycloak": {"url": keycloak.url, "realm": REALM, "account": format!("{}/realms/{REALM}/account", keycloak.public_url)},
            "ldap": {"url": slapd.ldap_url, "ca": slapd.ca_file, "people_dn": slapd.people_dn},
            "mail": {"smtp": servers.mail.smtp_addr, "inbox": servers.mail.inbox_url},
            "bot": {"config": product.config_file, "health": product.health, "log": product.log_file},
            "guild": chat.guild,
        });
        let text = serde_json::to_string_pretty(&state).context("write the state as JSON")?;
        fs::write(self.folder.join("state.json"), text).context("write state.json")
    }

    /// Removes the state file, because nothing runs here any more.
    pub(super) fn forget_state(&self) {
        drop(fs::remove_file(self.folder.join("state.json")));
    }
}

/// Reads the state file of a running sandbox.
pub(super) fn read_state() -> Result<serde_json::Value> {
    let file = folder()?.join("state.json");
    let text = fs::read_to_string(file).context("no sandbox is running: start it with `./dev sandbox`")?;
    serde_json::from_str(&text).context("read state.json")
}

fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find the own program")?;
    let outputs = program.parent().and_then(Path::parent).context("find the build outputs")?;
    Ok(outputs.join("sandbox"))
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).context("make a private folder")
}
