//! The checked configuration as types, one struct for each section of the file.
//!
//! Nothing here reads or validates: [`sections`](super::sections) builds these values.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use super::encode;
use crate::domain::dn::Dn;
use crate::domain::eligibility::{GroupName, Policy};
use crate::domain::error_code::codes;
use crate::domain::ids::{ChannelId, GuildId, RoleId};

/// Everything that `serve` needs, validated.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// `[discord]`
    pub discord: Discord,
    /// `[[guild]]`, at least one.
    #[serde(rename = "guild")]
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
    /// `[rate_limits]`
    pub rate_limits: RateLimits,
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

    /// Every group that a rule of some guild grants. Accolade never touches any other group.
    pub fn managed_groups(&self) -> Vec<GroupName> {
        let rules = self.guilds.iter().flat_map(|guild| &guild.policy.rules);
        let mut groups: Vec<GroupName> = rules.flat_map(|rule| rule.groups.clone()).collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

/// `[discord]`
#[derive(Clone, Debug, Serialize)]
pub struct Discord {
    /// The bot's token, from `token_file`.
    #[serde(serialize_with = "encode::secret")]
    pub token: SecretString,
    /// A server other than Discord's own, on loopback only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
}

/// `[discord] endpoint = { address, ca_file }`: resolves `discord.com` to a loopback address with a private CA.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// The address, on loopback.
    pub address: SocketAddr,
    /// The CA that signed its certificate (PEM).
    #[serde(serialize_with = "encode::path")]
    pub ca_file: PathBuf,
}

/// `[[guild]]`
#[derive(Clone, Debug, Serialize)]
pub struct Guild {
    /// The guild.
    #[serde(serialize_with = "encode::text")]
    pub id: GuildId,
    /// Roles that may decide requests.
    #[serde(serialize_with = "encode::texts")]
    pub moderator_roles: Vec<RoleId>,
    /// Roles that may view links and the audit log; they may decide requests too.
    #[serde(serialize_with = "encode::texts")]
    pub admin_roles: Vec<RoleId>,
    /// The channel in which cards are posted.
    #[serde(serialize_with = "encode::text")]
    pub request_channel: ChannelId,
    /// The channel in which admins are told of problems.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "encode::optional_text")]
    pub log_channel: Option<ChannelId>,
    /// The role for people with an active account.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "encode::optional_text")]
    pub member_role: Option<RoleId>,
    /// `[[guild.rule]]`, in order.
    #[serde(rename = "rule", serialize_with = "encode::policy")]
    pub policy: Policy,
}

impl Guild {
    /// The roles that may decide requests: moderator roles and admin roles.
    pub fn deciding_roles(&self) -> Vec<RoleId> {
        self.moderator_roles.iter().chain(&self.admin_roles).copied().collect()
    }
}

codes! {
    /// Which directory server this is.
    pub enum Flavour {
        /// `OpenLDAP` slapd.
        OpenLdap = "openldap",
    }
}

/// `[directory]`
#[derive(Clone, Debug, Serialize)]
pub struct Directory {
    /// `ldaps://…`, or `ldap://…` with StartTLS, or without TLS on loopback if that is allowed.
    #[serde(serialize_with = "encode::text")]
    pub url: Url,
    /// A private CA (PEM).
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "encode::optional_path")]
    pub ca_file: Option<PathBuf>,
    /// StartTLS on an `ldap://` URL.
    pub start_tls: bool,
    /// `ldap://` without TLS is accepted on loopback.
    pub plaintext_on_loopback: bool,
    /// The kind of server.
    #[serde(serialize_with = "encode::text")]
    pub flavour: Flavour,
    /// The DN that the bot binds as.
    #[serde(serialize_with = "encode::dn")]
    pub bind_dn: Dn,
    /// Its password, from `bind_password_file`.
    #[serde(serialize_with = "encode::secret")]
    pub bind_password: SecretString,
    /// The base DN of people.
    #[serde(serialize_with = "encode::dn")]
    pub people_dn: Dn,
    /// The base DN of groups.
    #[serde(serialize_with = "encode::dn")]
    pub groups_dn: Dn,
    /// Default `employeeNumber`.
    pub discord_id_attribute: String,
    /// Default `description`.
    pub mark_attribute: String,
    /// Default `top person organizationalPerson inetOrgPerson`.
    pub object_classes: Vec<String>,
    /// Groups that no automatic rule may grant.
    #[serde(serialize_with = "encode::groups")]
    pub privileged_groups: Vec<GroupName>,
}

/// `[keycloak]`
#[derive(Clone, Debug, Serialize)]
pub struct Keycloak {
    /// The URL that the bot calls.
    #[serde(serialize_with = "encode::text")]
    pub url: Url,
    /// The URL that people use; tokens and mail calls carry its host. Default: `url`.
    #[serde(serialize_with = "encode::text")]
    pub public_url: Url,
    /// The realm.
    pub realm: String,
    /// Where people with an account log in, as messages name it. Default: the realm's account console.
    #[serde(serialize_with = "encode::text")]
    pub login_url: Url,
    /// The service client.
    pub client_id: String,
    /// Its secret, from `client_secret_file`.
    #[serde(serialize_with = "encode::secret")]
    pub client_secret: SecretString,
    /// A private CA (PEM).
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "encode::optional_path")]
    pub ca_file: Option<PathBuf>,
    /// `http://` is accepted on loopback.
    pub plaintext_on_loopback: bool,
    /// The component id of the LDAP federation.
    pub federation_id: String,
    /// The component id of the group mapper.
    pub group_mapper_id: String,
    /// The client in the mailed link.
    pub mail_client_id: String,
    /// The redirect URI of the mailed link. Default: Keycloak's account console.
    #[serde(serialize_with = "encode::text")]
    pub mail_redirect_uri: Url,
    /// The community's name in the mail with the link. Default: the realm's display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community_name: Option<String>,
    /// The lifespan of a first link. Default 12 h.
    #[serde(serialize_with = "encode::duration")]
    pub first_link_lifespan: Duration,
    /// The lifespan of a reset link. Default 1 h.
    #[serde(serialize_with = "encode::duration")]
    pub reset_link_lifespan: Duration,
    /// The interval between two reads of events. Default 5 s.
    #[serde(serialize_with = "encode::duration")]
    pub event_poll: Duration,
}

/// `[store]`
#[derive(Clone, Debug, Serialize)]
pub struct Store {
    /// `sqlite:///path` or `postgres://user@host/db`.
    #[serde(serialize_with = "encode::text")]
    pub url: Url,
    /// `PostgreSQL`'s password, from `password_file`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "encode::optional_secret")]
    pub password: Option<SecretString>,
    /// The key file for personal columns (32 bytes, base64), outside the database.
    #[serde(serialize_with = "encode::path")]
    pub key_file: PathBuf,
}

/// `[request]`
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// How long a request may wait for a decision. Default 14 d.
    #[serde(serialize_with = "encode::duration")]
    pub expires_after: Duration,
}

/// `[username]`
#[derive(Clone, Debug, Serialize)]
pub struct Username {
    /// The maximum length of a user name. Default 20.
    pub max: usize,
    /// Reserved names, in addition to the built-in ones.
    pub reserved: Vec<String>,
}

/// `[rate_limits]`: rate limits, counted in the store before the action.
#[derive(Clone, Debug, Serialize)]
pub struct RateLimits {
    /// Mails to one address in 24 h. Default 3.
    pub mails_per_address: u32,
    /// Mails for one person in 24 h. Default 3.
    pub mails_per_person: u32,
    /// Mails to one domain in 1 h. Default 20.
    pub mails_per_domain: u32,
    /// All mails in 1 h. Default 100.
    pub mails_in_all: u32,
    /// Requests of one person in 24 h. Default 5.
    pub requests_per_person: u32,
    /// Forms of one person whose user name was taken, in 1 h. Default 5.
    pub name_checks_per_person: u32,
}

/// `[account]`
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// How long an account may stay unused before it is removed. Default 14 d.
    #[serde(serialize_with = "encode::duration")]
    pub unused_after: Duration,
    /// How long a job may wait before moderators and admins are told. Default 5 min.
    #[serde(serialize_with = "encode::duration")]
    pub report_delay_after: Duration,
}

/// `[http]`
#[derive(Clone, Debug, Serialize)]
pub struct Http {
    /// The address for health and metrics. Default 127.0.0.1:9464.
    pub listen: SocketAddr,
}

codes! {
    /// `[log] format`
    pub enum LogFormat {
        /// One JSON object for each line.
        Json = "json",
        /// Plain text for people.
        Text = "text",
    }
}

/// `[log]`
#[derive(Clone, Debug, Serialize)]
pub struct Log {
    /// JSON or text.
    #[serde(serialize_with = "encode::text")]
    pub format: LogFormat,
    /// A filter such as `info,accolade=debug`; serenity stays at `warn`.
    pub filter: String,
}
