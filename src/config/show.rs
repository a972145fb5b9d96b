//! The checked tree as text, with every secret as `***`.

use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::{Config, Flavour, Guild, LogFormat};
use crate::domain::eligibility::{Approval, GroupName, Rule};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// The whole configuration with its defaults, as TOML for reading: secrets are `***`, so it is not meant to be loaded.
pub fn show(config: &Config) -> String {
    toml::to_string(&tree(config)).unwrap_or_default()
}

/// The same as a tree.
pub(super) fn tree(config: &Config) -> Table {
    let mut top = Table::new();
    for (name, section) in [
        ("discord", discord(config)),
        ("directory", directory(config)),
        ("keycloak", keycloak(config)),
        ("store", store(config)),
        ("request", table([("expires_after", span(config.request.expires_after))])),
        ("username", username(config)),
        ("budget", budget(config)),
        ("account", table([("unused_after", span(config.account.unused_after))])),
        ("http", table([("listen", text(&config.http.listen.to_string()))])),
        ("log", log(config)),
    ] {
        top.insert(name.to_owned(), Value::Table(section));
    }
    top.insert("guild".to_owned(), Value::Array(config.guilds.iter().map(guild).map(Value::Table).collect()));
    top
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn span(value: Duration) -> Value {
    Value::String(humantime::format_duration(value).to_string())
}

fn path(value: &Path) -> Value {
    Value::String(value.display().to_string())
}

fn count(value: u32) -> Value {
    Value::Integer(i64::from(value))
}

fn list<T: ToString>(items: &[T]) -> Value {
    Value::Array(items.iter().map(|item| Value::String(item.to_string())).collect())
}

fn groups(items: &[GroupName]) -> Value {
    Value::Array(items.iter().map(|group| text(group.as_str())).collect())
}

/// Adds the keys that are set.
fn with_set<const N: usize>(mut section: Table, entries: [(&str, Option<Value>); N]) -> Table {
    for (key, value) in entries {
        if let Some(value) = value {
            section.insert(key.to_owned(), value);
        }
    }
    section
}

fn discord(config: &Config) -> Table {
    let endpoint = config.discord.endpoint.as_ref().map(|endpoint| {
        Value::Table(table([
            ("address", text(&endpoint.address.to_string())),
            ("ca_file", path(&endpoint.ca_file)),
        ]))
    });
    with_set(table([("token", text(HIDDEN))]), [("endpoint", endpoint)])
}

fn guild(guild: &Guild) -> Table {
    let section = table([
        ("id", text(&guild.id.to_string())),
        ("moderator_roles", list(&guild.moderator_roles)),
        ("admin_roles", list(&guild.admin_roles)),
        ("request_channel", text(&guild.request_channel.to_string())),
        ("rule", Value::Array(guild.policy.rules.iter().map(rule).map(Value::Table).collect())),
    ]);
    with_set(
        section,
        [
            ("log_channel", guild.log_channel.map(|id| text(&id.to_string()))),
            ("member_role", guild.member_role.map(|id| text(&id.to_string()))),
        ],
    )
}

fn rule(rule: &Rule) -> Table {
    let approval = match rule.approval {
        Approval::Automatic => "automatic",
        Approval::Moderators => "moderators",
    };
    table([
        ("name", text(rule.name.as_str())),
        ("all_roles", list(&rule.all_roles)),
        ("any_roles", list(&rule.any_roles)),
        ("none_roles", list(&rule.none_roles)),
        ("min_account_age", span(rule.min_account_age)),
        ("min_membership", span(rule.min_membership)),
        ("groups", groups(&rule.groups)),
        ("approval", text(approval)),
        ("ask_reason", Value::Boolean(rule.ask_reason)),
    ])
}

fn directory(config: &Config) -> Table {
    let directory = &config.directory;
    let flavour = match directory.flavour {
        Flavour::OpenLdap => "openldap",
    };
    let section = table([
        ("url", text(directory.url.as_str())),
        ("start_tls", Value::Boolean(directory.start_tls)),
        ("plaintext_on_loopback", Value::Boolean(directory.plaintext_on_loopback)),
        ("flavour", text(flavour)),
        ("bind_dn", text(&directory.bind_dn)),
        ("bind_password", text(HIDDEN)),
        ("people_dn", text(&directory.people_dn)),
        ("groups_dn", text(&directory.groups_dn)),
        ("discord_id_attribute", text(&directory.discord_id_attribute)),
        ("mark_attribute", text(&directory.mark_attribute)),
        ("object_classes", list(&directory.object_classes)),
        ("privileged_groups", groups(&directory.privileged_groups)),
    ]);
    with_set(section, [("ca_file", directory.ca_file.as_deref().map(path))])
}

fn keycloak(config: &Config) -> Table {
    let keycloak = &config.keycloak;
    let section = table([
        ("url", text(keycloak.url.as_str())),
        ("public_url", text(keycloak.public_url.as_str())),
        ("realm", text(&keycloak.realm)),
        ("client_id", text(&keycloak.client_id)),
        ("client_secret", text(HIDDEN)),
        ("plaintext_on_loopback", Value::Boolean(keycloak.plaintext_on_loopback)),
        ("federation_id", text(&keycloak.federation_id)),
        ("group_mapper_id", text(&keycloak.group_mapper_id)),
        ("mail_client_id", text(&keycloak.mail_client_id)),
        ("mail_redirect_uri", text(keycloak.mail_redirect_uri.as_str())),
        ("first_link_lifespan", span(keycloak.first_link_lifespan)),
        ("reset_link_lifespan", span(keycloak.reset_link_lifespan)),
        ("event_poll", span(keycloak.event_poll)),
    ]);
    with_set(section, [("ca_file", keycloak.ca_file.as_deref().map(path))])
}

fn store(config: &Config) -> Table {
    let section =
        table([("url", text(config.store.url.as_str())), ("key_file", path(&config.store.key_file))]);
    with_set(section, [("password", config.store.password.as_ref().map(|_| text(HIDDEN)))])
}

fn username(config: &Config) -> Table {
    let max = i64::try_from(config.username.max).unwrap_or(i64::MAX);
    table([("max", Value::Integer(max)), ("reserved", list(&config.username.reserved))])
}

fn budget(config: &Config) -> Table {
    let budget = &config.budget;
    table([
        ("mails_per_address", count(budget.mails_per_address)),
        ("mails_per_person", count(budget.mails_per_person)),
        ("mails_per_domain", count(budget.mails_per_domain)),
        ("mails_in_all", count(budget.mails_in_all)),
        ("requests_per_person", count(budget.requests_per_person)),
        ("name_checks_per_person", count(budget.name_checks_per_person)),
    ])
}

fn log(config: &Config) -> Table {
    let format = match config.log.format {
        LogFormat::Json => "json",
        LogFormat::Text => "text",
    };
    table([("format", text(format)), ("filter", text(&config.log.filter))])
}
