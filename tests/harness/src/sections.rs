//! Single sections of a configuration, parsed by the product's own reader.

use std::path::Path;

use accolade::config;
use serde_json::{Value, json};
use testbed::Slapd;
use testbed::config::{Sections, directory_away, keycloak_away, plain_directory, sqlite};

use crate::files::{load_config, private_folder, write_secret};

/// A configuration whose servers are all unreachable; a test inserts its own section.
fn away(folder: &Path) -> Sections {
    let secret = write_secret(folder, "secret", "a secret");
    Sections {
        discord: json!({"token_file": secret}),
        guilds: vec![json!({"id": "1", "request_channel": "1"})],
        directory: directory_away(&secret),
        keycloak: keycloak_away(&secret),
        store: sqlite(&folder.join("store.sqlite"), &folder.join("store.key")),
    }
}

fn loaded(change: impl FnOnce(&mut Sections)) -> config::Config {
    let folder = private_folder();
    let mut sections = away(folder.path());
    change(&mut sections);
    load_config(&folder.path().join("accolade.toml"), &sections.whole())
}

/// `[directory]` for a server, in plain text on loopback.
pub fn directory(slapd: &Slapd) -> config::Directory {
    loaded(|sections| sections.directory = plain_directory(slapd, &slapd.ldap_url)).directory
}

/// `[keycloak]` with these keys and defaults for all others. `keys` contains the file of the secret and the ids.
pub fn keycloak(secret_file: &Path, keys: &Value) -> config::Keycloak {
    let mut section = keycloak_away(secret_file);
    for (key, value) in keys.as_object().into_iter().flatten() {
        section[key] = value.clone();
    }
    loaded(|sections| sections.keycloak = section).keycloak
}
