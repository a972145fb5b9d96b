//! The configuration that holds at this moment, and what may change in it while `serve` runs.
//!
//! Whoever begins something takes [`SharedConfig::now`] once and keeps it to the end: an interaction, a step, a round. A reload replaces the
//! whole tree between two of them, never inside one.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};
use toml::{Table, Value};

use super::{Config, show};

/// The configuration that holds. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedConfig(Arc<RwLock<Arc<Config>>>);

impl SharedConfig {
    /// What holds now: for one piece of work, from its beginning to its end.
    pub fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets another one hold from now on.
    pub fn replace(&self, config: Arc<Config>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

impl From<Arc<Config>> for SharedConfig {
    fn from(config: Arc<Config>) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }
}

/// The keys, or whole sections, that a running `serve` takes anew. Everything else was built into connections, listeners and pools.
const RELOADABLE: &[&str] = &[
    "guild",
    "request",
    "username",
    "budget",
    "account",
    "log.filter",
    "directory.bind_password_file",
    "directory.privileged_groups",
    "keycloak.client_secret_file",
    "keycloak.first_link_lifespan",
    "keycloak.reset_link_lifespan",
];

/// How two configurations differ, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What a running `serve` can take.
    pub reloadable: Vec<String>,
    /// What needs a restart.
    pub needs_restart: Vec<String>,
}

/// Compares what holds with what was read. A key that nobody listed as reloadable needs a restart.
pub fn difference(old: &Config, new: &Config) -> Difference {
    let (before, after) = (show::tree(old), show::tree(new));
    let mut keys = BTreeSet::new();
    for section in before.keys().chain(after.keys()) {
        note_section(section, before.get(section), after.get(section), &mut keys);
    }
    note_secrets(old, new, &mut keys);
    // Commands are registered in each guild at the start.
    if old.guilds.iter().map(|guild| guild.id).ne(new.guilds.iter().map(|guild| guild.id)) {
        keys.insert("guild.id".to_owned());
    }
    let may = |key: &String| RELOADABLE.contains(&key.as_str());
    let (reloadable, needs_restart) = keys.into_iter().partition(may);
    Difference { reloadable, needs_restart }
}

fn note_section(section: &str, before: Option<&Value>, after: Option<&Value>, keys: &mut BTreeSet<String>) {
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

/// Secrets are hidden in the tree: they are compared here, and named by the key of their file.
fn note_secrets(old: &Config, new: &Config, keys: &mut BTreeSet<String>) {
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
