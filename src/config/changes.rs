//! Which keys differ between two configurations, and which of them a running service can apply.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use toml::{Table, Value};

use super::model::Config;
use super::show;

/// The keys and whole sections that a running `serve` can apply. All other values are built into connections, listeners and pools.
const RELOADABLE: &[&str] = &[
    "guild",
    "request",
    "username",
    "rate_limits",
    "account",
    "log.filter",
    "directory.bind_password_file",
    "directory.privileged_groups",
    "keycloak.client_secret_file",
    // Only set-up and doctor read it.
    "keycloak.community_name",
    "keycloak.first_link_lifespan",
    "keycloak.login_url",
    "keycloak.reset_link_lifespan",
];

/// The keys that differ between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChanges {
    /// Keys that a running `serve` can apply.
    pub reloadable: Vec<String>,
    /// Keys that need a restart.
    pub needs_restart: Vec<String>,
}

impl ConfigChanges {
    /// Compares two configurations. A key that is not listed in `RELOADABLE` needs a restart.
    pub fn between(old: &Config, new: &Config) -> Self {
        let (before, after) = (show::tree(old), show::tree(new));
        let mut keys = BTreeSet::new();
        for section in before.keys().chain(after.keys()) {
            add_section(section, before.get(section), after.get(section), &mut keys);
        }
        add_secrets(old, new, &mut keys);
        // Commands are registered in each guild only when the service starts.
        if old.guilds.iter().map(|guild| guild.id).ne(new.guilds.iter().map(|guild| guild.id)) {
            keys.insert("guild.id".to_owned());
        }
        let is_reloadable = |key: &String| RELOADABLE.contains(&key.as_str());
        let (reloadable, needs_restart) = keys.into_iter().partition(is_reloadable);
        Self { reloadable, needs_restart }
    }
}

fn add_section(section: &str, before: Option<&Value>, after: Option<&Value>, keys: &mut BTreeSet<String>) {
    if before == after {
        return;
    }
    let none = Table::new();
    let table = |value: Option<&Value>| value.and_then(Value::as_table).unwrap_or(&none).clone();
    let (before, after) = (table(before), table(after));
    if before.is_empty() && after.is_empty() {
        keys.insert(section.to_owned());
    }
    for key in before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)) {
        let whole = [section, ".", key].concat();
        keys.insert(if RELOADABLE.contains(&section) { section.to_owned() } else { whole });
    }
}

/// Compares the secrets, which the tree hides, and names each by the key of its file.
fn add_secrets(old: &Config, new: &Config, keys: &mut BTreeSet<String>) {
    let is_same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
    let is_same_if_any = |a: &Option<SecretString>, b: &Option<SecretString>| match (a, b) {
        (Some(a), Some(b)) => is_same(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    for (key, is_same) in [
        ("discord.token_file", is_same(&old.discord.token, &new.discord.token)),
        ("directory.bind_password_file", is_same(&old.directory.bind_password, &new.directory.bind_password)),
        ("keycloak.client_secret_file", is_same(&old.keycloak.client_secret, &new.keycloak.client_secret)),
        ("store.password_file", is_same_if_any(&old.store.password, &new.store.password)),
    ] {
        if !is_same {
            keys.insert(key.to_owned());
        }
    }
}
