//! The configuration: one typed tree, unknown keys refused, every fault reported at once.
//!
//! The only room that reads the environment. Everything else gets the checked tree below.
//! Start with [`load()`]: file and environment become one tree ([`document`]), [`reader`] takes the keys out of it,
//! [`values`] parses each, [`sections`] judges what binds keys together, [`files`] reads the secrets.
//! Texts of faults live here and not in `messages`: they name keys and are read beside the file.

mod diagnostic;
mod document;
mod environment;
mod files;
mod load;
mod reader;
mod sections;
mod shared_config;
mod show;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::domain::eligibility::{GroupName, Policy};
use crate::domain::ids::{ChannelId, GuildId, RoleId};

pub use diagnostic::{ConfigError, Diagnostic, Place};
pub use environment::{
    clock_offset_file, crash_at, file_from_environment, notify_socket, panic_at, watchdog_span,
};
pub use files::read_secret_file;
pub use load::{
    EXAMPLE, ForDirectory, ForDiscord, ForSetup, Loaded, check, load, load_for_directory, load_for_discord,
    load_for_setup, load_text,
};
pub use shared_config::{Difference, SharedConfig, difference};
pub use show::show;
pub(crate) use values::is_link_local;

/// Everything that `serve` needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[discord]`
    pub discord: Discord,
    /// `[[guild]]`, at least one.
    pub guilds: Vec<Guild>,
    /// `[directory]`
    pub directory: Directory,
    /// `[keycloak]`
    pub keycloak: Keycloak,
    /// `[store]`
    pub store: Store,
    /// `[request]`
    pub request: Request,
    /// `[username]`
    pub username: Username,
    /// `[budget]`
    pub budget: Budget,
    /// `[account]`
    pub account: Account,
    /// `[http]`
    pub http: Http,
    /// `[log]`
    pub log: Log,
}

impl Config {
    /// The guild of this id, if it is configured.
    pub fn guild(&self, id: GuildId) -> Option<&Guild> {
        self.guilds.iter().find(|guild| guild.id == id)
    }

    /// Every group that any rule of any guild may give: no other is ever touched.
    pub fn managed_groups(&self) -> Vec<GroupName> {
        let rules = self.guilds.iter().flat_map(|guild| &guild.policy.rules);
        let mut groups: Vec<GroupName> = rules.flat_map(|rule| rule.groups.clone()).collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

/// `[discord]`
#[derive(Clone, Debug)]
pub struct Discord {
    /// The bot's token, from `token_file`.
    pub token: SecretString,
    /// Another place than Discord's own, on loopback only.
    pub endpoint: Option<Endpoint>,
}

/// `[discord] endpoint = { address, ca_file }`: resolves `discord.com` to a loopback address with a private CA.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where, on loopback.
    pub address: SocketAddr,
    /// The CA that signed its certificate (PEM).
    pub ca_file: PathBuf,
}

/// `[[guild]]`
#[derive(Clone, Debug)]
pub struct Guild {
    /// The guild.
    pub id: GuildId,
    /// Who may decide requests.
    pub moderator_roles: Vec<RoleId>,
    /// Who may look into links and the audit log; admins may decide too.
    pub admin_roles: Vec<RoleId>,
    /// Where cards are posted.
    pub request_channel: ChannelId,
    /// Where admins are told of trouble.
    pub log_channel: Option<ChannelId>,
    /// The role for people with an active account.
    pub member_role: Option<RoleId>,
    /// `[[guild.rule]]`, in order.
    pub policy: Policy,
}

impl Guild {
    /// The roles that may decide: moderators' and admins'.
    pub fn deciding_roles(&self) -> Vec<RoleId> {
        self.moderator_roles.iter().chain(&self.admin_roles).copied().collect()
    }
}

/// Which server's ways the directory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `OpenLDAP` slapd.
    OpenLdap,
}

/// `[directory]`
#[derive(Clone, Debug)]
pub struct Directory {
    /// `ldaps://…`, or `ldap://…` with StartTLS, or plain on loopback when allowed.
    pub url: Url,
    /// A private CA (PEM).
    pub ca_file: Option<PathBuf>,
    /// StartTLS on an `ldap://` URL.
    pub start_tls: bool,
    /// Plain `ldap://` is accepted on loopback.
    pub plaintext_on_loopback: bool,
    /// The server's ways.
    pub flavour: Flavour,
    /// The bot's own bind.
    pub bind_dn: String,
    /// Its password, from `bind_password_file`.
    pub bind_password: SecretString,
    /// Where people are.
    pub people_dn: String,
    /// Where groups are.
    pub groups_dn: String,
    /// Default `employeeNumber`.
    pub discord_id_attribute: String,
    /// Default `description`.
    pub mark_attribute: String,
    /// Default `top person organizationalPerson inetOrgPerson`.
    pub object_classes: Vec<String>,
    /// Groups that no automatic rule may grant.
    pub privileged_groups: Vec<GroupName>,
}

/// `[keycloak]`
#[derive(Clone, Debug)]
pub struct Keycloak {
    /// Where the bot calls it.
    pub url: Url,
    /// Where people reach it; tokens and mail calls carry its host. Default: `url`.
    pub public_url: Url,
    /// The realm.
    pub realm: String,
    /// The service client.
    pub client_id: String,
    /// Its secret, from `client_secret_file`.
    pub client_secret: SecretString,
    /// A private CA (PEM).
    pub ca_file: Option<PathBuf>,
    /// `http://` is accepted on loopback.
    pub plaintext_on_loopback: bool,
    /// The component id of the LDAP federation.
    pub federation_id: String,
    /// The component id of the group mapper.
    pub group_mapper_id: String,
    /// The client that the mailed link names.
    pub mail_client_id: String,
    /// Where the link's page leads back to.
    pub mail_redirect_uri: Url,
    /// How long a first link lives. Default 12 h.
    pub first_link_lifespan: Duration,
    /// How long a reset link lives. Default 1 h.
    pub reset_link_lifespan: Duration,
    /// How often events are read. Default 5 s.
    pub event_poll: Duration,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// `sqlite:///path` or `postgres://user@host/db`.
    pub url: Url,
    /// `PostgreSQL`'s password, from `password_file`.
    pub password: Option<SecretString>,
    /// The key file for personal columns (32 bytes, base64), outside the database.
    pub key_file: PathBuf,
}

/// `[request]`
#[derive(Clone, Debug)]
pub struct Request {
    /// How long a request may wait. Default 14 d.
    pub expires_after: Duration,
}

/// `[username]`
#[derive(Clone, Debug)]
pub struct Username {
    /// The longest user name. Default 20.
    pub max: usize,
    /// Names that nobody gets, beside the built-in ones.
    pub reserved: Vec<String>,
}

/// `[budget]`: how much of something is allowed in a span, counted in the store before it happens.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Mails to one address in 24 h. Default 3.
    pub mails_per_address: u32,
    /// Mails for one person in 24 h. Default 3.
    pub mails_per_person: u32,
    /// Mails to one domain in 1 h. Default 20.
    pub mails_per_domain: u32,
    /// Mails in 1 h, all together. Default 100.
    pub mails_in_all: u32,
    /// Requests of one person in 24 h. Default 5.
    pub requests_per_person: u32,
    /// Forms with a clash of names, per person in 1 h. Default 5.
    pub name_checks_per_person: u32,
}

/// `[account]`
#[derive(Clone, Debug)]
pub struct Account {
    /// After how long an account that was never used is withdrawn. Default 14 d.
    pub unused_after: Duration,
}

/// `[http]`
#[derive(Clone, Debug)]
pub struct Http {
    /// Health and metrics. Default 127.0.0.1:9464.
    pub listen: SocketAddr,
}

/// `[log] format`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON or text.
    pub format: LogFormat,
    /// A filter such as `info,accolade=debug`; serenity stays at `warn`.
    pub filter: String,
}

#[cfg(test)]
mod tests;
