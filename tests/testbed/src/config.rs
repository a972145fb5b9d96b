//! Writes all configurations of the bot: sections as JSON, the whole as TOML.
//!
//! A test changes the [`Value`] before it is written, so it can set every key, including to wrong values.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::keycloak::Keycloak;
use crate::slapd::Slapd;

/// The client to which mailed links lead.
pub const MAIL_CLIENT: &str = "account-link";

/// Where people log in, as messages name it. No message may name the address of a server of the tests.
const LOGIN: &str = "https://login.example.org/account/";

/// The redirect address of that client.
pub const REDIRECT: &str = "http://localhost/welcome";

/// `[discord]`, with the simulated Discord in place of the real one.
pub fn discord(token_file: &Path, address: impl Display, ca_file: &Path) -> Value {
    json!({"token_file": token_file, "endpoint": {"address": address.to_string(), "ca_file": ca_file}})
}

/// `[directory]` over TLS.
pub fn directory(slapd: &Slapd) -> Value {
    json!({
        "url": slapd.ldaps_url, "ca_file": slapd.ca_file,
        "bind_dn": slapd.bot_dn, "bind_password_file": slapd.bot_password_file,
        "people_dn": slapd.people_dn, "groups_dn": slapd.groups_dn,
    })
}

/// `[directory]` in plain text, directly or through a proxy.
pub fn plain_directory(slapd: &Slapd, url: &str) -> Value {
    let mut section = directory(slapd);
    section["url"] = json!(url);
    section["plaintext_on_loopback"] = json!(true);
    if let Some(section) = section.as_object_mut() {
        section.remove("ca_file");
    }
    section
}

/// `[directory]` for a server that is down: nothing listens on port 1.
pub fn directory_away(bind_password_file: &Path) -> Value {
    json!({
        "url": "ldap://127.0.0.1:1", "plaintext_on_loopback": true,
        "bind_dn": "cn=bot,dc=example,dc=org", "bind_password_file": bind_password_file,
        "people_dn": "ou=people,dc=example,dc=org", "groups_dn": "ou=groups,dc=example,dc=org",
    })
}

/// How the bot is registered in a realm.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// The realm.
    pub realm: &'a str,
    /// The file with the client's secret.
    pub secret_file: &'a Path,
    /// The ids of the federation and of its group mapper, as `setup keycloak` prints them.
    pub ids: [&'a str; 2],
}

/// `[keycloak]`.
pub fn keycloak(keycloak: &Keycloak, registration: Registration<'_>) -> Value {
    let mut section = registered(registration);
    section["url"] = json!(keycloak.url);
    section["event_poll"] = json!("1s");
    section
}

/// `[keycloak]` for a server that is down: nothing listens on port 1.
pub fn keycloak_away(secret_file: &Path) -> Value {
    let ids = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
    let mut section = registered(Registration { realm: "test", secret_file, ids });
    section["url"] = json!("http://127.0.0.1:1");
    section
}

/// The section with the account console, which exists, as the last page of the mailed link.
pub fn to_the_console(mut section: Value) -> Value {
    if let Some(section) = section.as_object_mut() {
        section.remove("mail_redirect_uri");
    }
    section
}

fn registered(registration: Registration<'_>) -> Value {
    let Registration { realm, secret_file, ids: [federation_id, group_mapper_id] } = registration;
    json!({
        "plaintext_on_loopback": true, "realm": realm,
        "client_id": "accolade", "client_secret_file": secret_file,
        "federation_id": federation_id, "group_mapper_id": group_mapper_id,
        "mail_client_id": MAIL_CLIENT, "mail_redirect_uri": REDIRECT, "login_url": LOGIN,
    })
}

/// `[store]` for SQLite.
pub fn sqlite(file: &Path, key_file: &Path) -> Value {
    json!({"url": format!("sqlite://{}", file.display()), "key_file": key_file})
}

/// The sections of a configuration.
#[derive(Clone, Debug)]
pub struct Sections {
    /// `[discord]`
    pub discord: Value,
    /// `[[guild]]`
    pub guilds: Vec<Value>,
    /// `[directory]`
    pub directory: Value,
    /// `[keycloak]`
    pub keycloak: Value,
    /// `[store]`
    pub store: Value,
}

impl Sections {
    /// The whole configuration, with the health page on a free port.
    pub fn whole(self) -> Value {
        json!({
            "discord": self.discord,
            "guild": self.guilds,
            "directory": self.directory,
            "keycloak": self.keycloak,
            "store": self.store,
            "http": {"listen": "127.0.0.1:0"},
        })
    }
}

/// Writes a configuration as TOML to a file that only its owner can read.
pub fn write(file: &Path, config: &Value) -> Result<()> {
    let text = toml::to_string(config).context("write the configuration as TOML")?;
    write_private(file, &text)
}

/// Writes or replaces a file that only its owner can read.
pub fn write_private(file: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let opened = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file);
    let mut opened = opened.with_context(|| format!("make {}", file.display()))?;
    opened.set_permissions(fs::Permissions::from_mode(0o600)).context("set a file's mode")?;
    opened.write_all(text.as_bytes()).with_context(|| format!("write {}", file.display()))
}
