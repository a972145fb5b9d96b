//! One function for each section: its keys, their defaults, and the rules about several keys.
//!
//! All getters run before a section is built, so that one run finds every error.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::files::{optional_ca, optional_secret, required_ca, required_secret, resolve, validate_mode};
use super::impossible;
use super::model::{
    Account, Config, Directory, Discord, Endpoint, Guild, Http, Keycloak, Log, RateLimits, Request, Store,
    Username,
};
use super::reader::Section;
use super::stage::{Stage, no_secret};
use super::values;
use crate::domain::eligibility::{Approval, GroupName, Policy, Rule};
use crate::domain::matching::{class_key, is_same_attribute};
use crate::net;

/// The whole tree.
pub(super) fn config(top: &Section<'_>, folder: &Path) -> Option<Config> {
    let discord = discord(top, folder);
    let directory = directory(top, folder, Stage::Complete);
    let privileged =
        directory.as_ref().map(|directory| directory.privileged_groups.clone()).unwrap_or_default();
    let guilds = guilds(top, &privileged);
    let keycloak = keycloak(top, folder, Stage::Complete);
    let store = store(top, folder);
    let request = request(top);
    let username = username(top);
    let rate_limits = rate_limits(top);
    let account = account(top, keycloak.as_ref().map(|keycloak| keycloak.first_link_lifespan));
    let http = http(top);
    let log = log(top);
    Some(Config {
        discord: discord?,
        guilds: guilds?,
        directory: directory?,
        keycloak: keycloak?,
        store: store?,
        request: request?,
        username: username?,
        rate_limits: rate_limits?,
        account: account?,
        http: http?,
        log: log?,
    })
}

pub(super) fn discord(top: &Section<'_>, folder: &Path) -> Option<Discord> {
    let section = top.table("discord")?;
    let token = required_secret(&section, "token_file", folder);
    let endpoint = if section.has("endpoint") { endpoint(&section, folder).map(Some) } else { Some(None) };
    section.finish();
    Some(Discord { token: token?, endpoint: endpoint? })
}

fn endpoint(discord: &Section<'_>, folder: &Path) -> Option<Endpoint> {
    let section = discord.table("endpoint")?;
    let address = section.required("address", values::loopback_socket);
    let ca_file = required_ca(&section, "ca_file", folder);
    section.finish();
    discord.warn("endpoint", "the bot talks to a simulated Discord", "take it out to use Discord itself");
    Some(Endpoint { address: address?, ca_file: ca_file? })
}

pub(super) fn guilds(top: &Section<'_>, privileged: &[GroupName]) -> Option<Vec<Guild>> {
    let sections = top.tables("guild")?;
    if sections.is_empty() {
        top.error("guild", "there is no guild", "add a `[[guild]]` with its id and its channels");
        return None;
    }
    let guilds: Vec<Option<Guild>> = sections.iter().map(|section| guild(section, privileged)).collect();
    let mut seen = HashSet::new();
    for (section, guild) in sections.iter().zip(&guilds) {
        if guild.as_ref().is_some_and(|guild| !seen.insert(guild.id)) {
            section.error("id", "this guild is there twice", "put both into one `[[guild]]`");
        }
    }
    let guilds: Vec<Guild> = guilds.into_iter().collect::<Option<_>>()?;
    if seen.len() == guilds.len() {
        impossible::check_guilds(&sections, &guilds);
    }
    Some(guilds)
}

fn guild(section: &Section<'_>, privileged: &[GroupName]) -> Option<Guild> {
    let id = section.id("id", values::snowflake);
    let moderator_roles = section.list("moderator_roles", &[], values::snowflake);
    let admin_roles = section.list("admin_roles", &[], values::snowflake);
    let request_channel = section.id("request_channel", values::snowflake);
    let log_channel = section.optional_id("log_channel", values::snowflake);
    let member_role = section.optional_id("member_role", values::snowflake);
    let policy = policy(section, privileged);
    section.finish();
    let guild = Guild {
        id: id?,
        moderator_roles: moderator_roles?,
        admin_roles: admin_roles?,
        request_channel: request_channel?,
        log_channel: log_channel?,
        member_role: member_role?,
        policy: policy?,
    };
    if guild.deciding_roles().is_empty() {
        let fix = "name the roles that may decide";
        section.warn(
            "moderator_roles",
            "nobody can approve: there are neither moderator nor admin roles",
            fix,
        );
    }
    if guild.member_role.is_some_and(|role| guild.deciding_roles().contains(&role)) {
        let fix = "name a role of its own: whoever gets an account gets this role";
        section.error("member_role", "this role decides requests", fix);
        return None;
    }
    if guild.admin_roles.is_empty() {
        section.warn("admin_roles", "nobody can look into links in chat", "name the roles of your admins");
    }
    Some(guild)
}

fn policy(guild: &Section<'_>, privileged: &[GroupName]) -> Option<Policy> {
    let sections = guild.tables("rule")?;
    if sections.is_empty() {
        guild.warn("rule", "nobody is eligible: there is no rule", "add a `[[guild.rule]]`");
    }
    let rules: Vec<Option<Rule>> = sections.iter().map(|section| rule(section, privileged)).collect();
    let mut seen = HashSet::new();
    for (section, rule) in sections.iter().zip(&rules) {
        if rule.as_ref().is_some_and(|rule| !seen.insert(rule.name.clone())) {
            section.error("name", "another rule of this guild has this name", "give each rule its own name");
        }
    }
    let rules: Option<Vec<Rule>> = rules.into_iter().collect();
    Some(Policy { rules: rules? })
}

fn rule(section: &Section<'_>, privileged: &[GroupName]) -> Option<Rule> {
    let name = section.required("name", values::rule_name);
    let all_roles = section.list("all_roles", &[], values::snowflake);
    let any_roles = section.list("any_roles", &[], values::snowflake);
    let none_roles = section.list("none_roles", &[], values::snowflake);
    let min_account_age = section.or("min_account_age", "0s", values::span);
    let min_membership = section.or("min_membership", "0s", values::span);
    let groups = section.list("groups", &[], values::group);
    let approval = section.or("approval", "moderators", values::approval);
    let ask_reason = section.flag("ask_reason");
    section.finish();
    let rule = Rule {
        name: name?,
        all_roles: all_roles?,
        any_roles: any_roles?,
        none_roles: none_roles?,
        min_account_age: min_account_age?,
        min_membership: min_membership?,
        groups: groups?,
        approval: approval?,
        ask_reason: ask_reason?,
    };
    validate_rule(section, &rule, privileged);
    Some(rule)
}

fn validate_rule(section: &Section<'_>, rule: &Rule, privileged: &[GroupName]) {
    let open_to_all = rule.all_roles.is_empty() && rule.any_roles.is_empty();
    match rule.approval {
        Approval::Automatic => {
            let is_privileged = |group: &&GroupName| privileged.contains(group);
            for group in rule.groups.iter().filter(is_privileged) {
                let problem = format!(
                    "a rule that approves automatically grants the privileged group `{}`",
                    group.as_str()
                );
                section.error(
                    "approval",
                    problem,
                    "write `approval = \"moderators\"`, or take the group out",
                );
            }
            if open_to_all {
                let fix = "name roles in `any_roles` or `all_roles`, or let moderators approve";
                section.warn("approval", "every member gets an account without anybody looking", fix);
            }
        }
        Approval::Moderators => {
            if open_to_all {
                let fix = "name roles in `any_roles` or `all_roles` if that is too wide";
                section.warn("any_roles", "the rule asks for no role: every member may ask", fix);
            }
        }
    }
    let forbidden = |role| rule.none_roles.contains(role);
    let any_is_left = rule.any_roles.is_empty() || !rule.any_roles.iter().all(forbidden);
    if rule.all_roles.iter().any(forbidden) || !any_is_left {
        section.error(
            "none_roles",
            "forbids a role that the rule asks for: it can never fit",
            "take it out of one",
        );
    }
}

/// `[directory]`. Before set-up the password may be missing.
pub(super) fn directory(top: &Section<'_>, folder: &Path, stage: Stage) -> Option<Directory> {
    let section = top.table("directory")?;
    let url = section.required("url", values::ldap_url);
    let ca_file = optional_ca(&section, "ca_file", folder);
    let start_tls = section.flag("start_tls");
    let plaintext_on_loopback = section.flag("plaintext_on_loopback");
    let flavour = section.or("flavour", "openldap", values::flavour);
    let bind_dn = section.required("bind_dn", values::dn);
    let bind_password = match stage {
        Stage::Complete => required_secret(&section, "bind_password_file", folder),
        Stage::BeforeSetup => {
            section.skip("bind_password_file");
            Some(no_secret())
        }
    };
    let people_dn = section.required("people_dn", values::dn);
    let groups_dn = section.required("groups_dn", values::dn);
    let discord_id_attribute = section.or("discord_id_attribute", "employeeNumber", values::own_attribute);
    let mark_attribute = section.or("mark_attribute", "description", values::own_attribute);
    let classes = ["top", "person", "organizationalPerson", "inetOrgPerson"];
    let object_classes = section.list("object_classes", &classes, values::attribute);
    let privileged_groups = section.list("privileged_groups", &[], values::group);
    section.finish();
    let directory = Directory {
        url: url?,
        ca_file: ca_file?,
        start_tls: start_tls?,
        plaintext_on_loopback: plaintext_on_loopback?,
        flavour: flavour?,
        bind_dn: bind_dn?,
        bind_password: bind_password?,
        people_dn: people_dn?,
        groups_dn: groups_dn?,
        discord_id_attribute: discord_id_attribute?,
        mark_attribute: mark_attribute?,
        object_classes: object_classes?,
        privileged_groups: privileged_groups?,
    };
    validate_directory(&section, &directory);
    Some(directory)
}

fn validate_directory(section: &Section<'_>, directory: &Directory) {
    let is_tls = directory.url.scheme() == "ldaps";
    if is_tls && directory.start_tls {
        section.error(
            "start_tls",
            "`ldaps://` is encrypted from the start",
            "leave `start_tls` out, or write `ldap://`",
        );
    }
    if !is_tls && !directory.start_tls {
        let fix = "write `ldaps://…`, or `start_tls = true`";
        if !net::is_loopback(&directory.url) {
            section.error("url", "passwords would cross the network in clear text", fix);
        } else if !directory.plaintext_on_loopback {
            let fix = "write `ldaps://…`, `start_tls = true`, or `plaintext_on_loopback = true`";
            section.error("url", "the connection is not encrypted", fix);
        }
    }
    if is_same_attribute(&directory.discord_id_attribute, &directory.mark_attribute) {
        section.error(
            "mark_attribute",
            "is also the attribute of the Discord id",
            "choose two different ones",
        );
    }
    impossible::check_directory(section, directory);
    let is_person = |class: &String| class_key(class) == class_key("inetOrgPerson");
    if !directory.object_classes.iter().any(is_person) {
        section.error("object_classes", "lacks `inetOrgPerson`, which holds mail and given name", "add it");
    }
}

/// `directory.bind_password_file`, for printed texts that name it.
pub(super) fn bind_password_file(top: &Section<'_>, folder: &Path) -> Option<PathBuf> {
    let section = top.table("directory")?;
    section.required("bind_password_file", values::line).map(|path| resolve(folder, &path))
}

/// `keycloak.client_secret_file`, for set-up, which writes it.
pub(super) fn client_secret_file(top: &Section<'_>, folder: &Path) -> Option<PathBuf> {
    let section = top.table("keycloak")?;
    section.required("client_secret_file", values::line).map(|path| resolve(folder, &path))
}

/// `[keycloak]`. Before set-up the secret and the ids may be missing.
pub(super) fn keycloak(top: &Section<'_>, folder: &Path, stage: Stage) -> Option<Keycloak> {
    let section = top.table("keycloak")?;
    let url = section.required("url", values::web_url);
    let public_url = section.optional("public_url", values::web_url);
    let realm = section.required("realm", values::realm);
    let login_url = section.optional("login_url", values::web_url);
    let client_id = section.or("client_id", "accolade", values::line);
    let ca_file = optional_ca(&section, "ca_file", folder);
    let plaintext_on_loopback = section.flag("plaintext_on_loopback");
    let made = made_by_setup(&section, folder, stage);
    let mail_client_id = section.required("mail_client_id", values::line);
    let mail_redirect_uri = section.optional("mail_redirect_uri", values::redirect_uri);
    let community_name = section.optional("community_name", values::community_name);
    let first_link_lifespan = section.or("first_link_lifespan", "12h", values::link_lifespan);
    let reset_link_lifespan = section.or("reset_link_lifespan", "1h", values::link_lifespan);
    let event_poll = section.or("event_poll", "5s", values::poll_span);
    section.finish();
    validate_urls(
        &section,
        plaintext_on_loopback,
        [
            ("url", url.as_ref()),
            ("public_url", public_url.as_ref().and_then(Option::as_ref)),
            ("login_url", login_url.as_ref().and_then(Option::as_ref)),
            ("mail_redirect_uri", mail_redirect_uri.as_ref().and_then(Option::as_ref)),
        ],
    );
    let (client_secret, federation_id, group_mapper_id) = made?;
    let (url, realm) = (url?, realm?);
    let public_url = public_url?.unwrap_or_else(|| url.clone());
    let keycloak = Keycloak {
        login_url: login_url?.unwrap_or_else(|| account_console(&public_url, &realm)),
        mail_redirect_uri: mail_redirect_uri?.unwrap_or_else(|| account_console(&public_url, &realm)),
        public_url,
        url,
        realm,
        client_id: client_id?,
        client_secret,
        ca_file: ca_file?,
        plaintext_on_loopback: plaintext_on_loopback?,
        federation_id,
        group_mapper_id,
        mail_client_id: mail_client_id?,
        community_name: community_name?,
        first_link_lifespan: first_link_lifespan?,
        reset_link_lifespan: reset_link_lifespan?,
        event_poll: event_poll?,
    };
    impossible::check_keycloak(&section, &keycloak);
    Some(keycloak)
}

/// Keycloak's own page for people with an account.
fn account_console(public_url: &Url, realm: &str) -> Url {
    let mut url = public_url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["realms", realm, "account", ""]);
    }
    url
}

/// The secret, the federation's id and the group mapper's id.
fn made_by_setup(
    section: &Section<'_>,
    folder: &Path,
    stage: Stage,
) -> Option<(secrecy::SecretString, String, String)> {
    if stage == Stage::BeforeSetup {
        for key in ["client_secret_file", "group_mapper_id"] {
            section.skip(key);
        }
        // Set-up corrects the federation that the configuration names, once it names one.
        let federation_id = section.or("federation_id", "", |text| Ok(text.trim().to_owned()));
        return Some((no_secret(), federation_id?, String::new()));
    }
    let secret = required_secret(section, "client_secret_file", folder);
    let federation_id = section.or("federation_id", "", values::component_id);
    let group_mapper_id = section.or("group_mapper_id", "", values::component_id);
    Some((secret?, federation_id?, group_mapper_id?))
}

/// Validates each URL that could be parsed, even if other keys of the section are invalid.
fn validate_urls(
    section: &Section<'_>,
    plaintext_on_loopback: Option<bool>,
    urls: [(&str, Option<&Url>); 4],
) {
    for (key, url) in urls {
        let Some(url) = url.filter(|url| url.scheme() != "https") else { continue };
        if !net::is_loopback(url) {
            section.error(
                key,
                "secrets and links would cross the network in clear text",
                "write `https://…`",
            );
        } else if plaintext_on_loopback == Some(false) {
            let fix = "write `https://…`, or `plaintext_on_loopback = true`";
            section.error(key, "the connection is not encrypted", fix);
        }
    }
}

fn store(top: &Section<'_>, folder: &Path) -> Option<Store> {
    let section = top.table("store")?;
    let url = section.required("url", values::store_url);
    let password = optional_secret(&section, "password_file", folder);
    let key_file = section.required("key_file", values::line).map(|path| resolve(folder, &path));
    if let Some(path) = &key_file {
        validate_mode(&section, "key_file", path);
    }
    section.finish();
    let store = Store { url: url?, password: password?, key_file: key_file? };
    if store.url.scheme() == "sqlite" {
        if store.password.is_some() {
            section.error("password_file", "SQLite has no password", "take it out");
        }
        if Path::new(store.url.path()) == store.key_file {
            section.error("key_file", "is the database itself", "name another file, in another folder");
        }
    }
    Some(store)
}

fn request(top: &Section<'_>) -> Option<Request> {
    let section = top.table("request")?;
    let expires_after = section.or("expires_after", "14d", values::positive_span);
    section.finish();
    Some(Request { expires_after: expires_after? })
}

fn username(top: &Section<'_>) -> Option<Username> {
    let section = top.table("username")?;
    let max = section.count("max", 20, 3..=64);
    let reserved = section.list("reserved", &[], values::line);
    section.finish();
    let reserved = reserved?.iter().map(|name| name.to_lowercase()).collect();
    Some(Username { max: usize::try_from(max?).unwrap_or(usize::MAX), reserved })
}

fn rate_limits(top: &Section<'_>) -> Option<RateLimits> {
    let section = top.table("rate_limits")?;
    let any = 1..=1_000_000;
    let mails_per_address = section.count("mails_per_address", 3, any.clone());
    let mails_per_person = section.count("mails_per_person", 3, any.clone());
    let mails_per_domain = section.count("mails_per_domain", 20, any.clone());
    let mails_in_all = section.count("mails_in_all", 100, any.clone());
    let requests_per_person = section.count("requests_per_person", 5, any.clone());
    let name_checks_per_person = section.count("name_checks_per_person", 5, any);
    section.finish();
    Some(RateLimits {
        mails_per_address: mails_per_address?,
        mails_per_person: mails_per_person?,
        mails_per_domain: mails_per_domain?,
        mails_in_all: mails_in_all?,
        requests_per_person: requests_per_person?,
        name_checks_per_person: name_checks_per_person?,
    })
}

fn account(top: &Section<'_>, first_link: Option<Duration>) -> Option<Account> {
    let section = top.table("account")?;
    let unused_after = section.or("unused_after", "14d", values::positive_span);
    let report_delay_after = section.or("report_delay_after", "5m", values::report_delay);
    section.finish();
    let account = Account { unused_after: unused_after?, report_delay_after: report_delay_after? };
    if let Some(first_link) = first_link {
        impossible::check_spans(&section, &account, first_link);
    }
    if account.unused_after < Duration::from_hours(24) {
        let fix = "write a longer span, like `14d`";
        section.warn("unused_after", "people have less than a day to set their password", fix);
    }
    Some(account)
}

fn http(top: &Section<'_>) -> Option<Http> {
    let section = top.table("http")?;
    let listen = section.or("listen", "127.0.0.1:9464", values::socket)?;
    section.finish();
    if !listen.ip().is_loopback() {
        let fix = "listen on 127.0.0.1, or let nobody else reach the port";
        section.warn("listen", "health and metrics can be read from other machines", fix);
    }
    Some(Http { listen })
}

fn log(top: &Section<'_>) -> Option<Log> {
    let section = top.table("log")?;
    let format = section.or("format", "json", values::log_format);
    let filter = section.or("filter", "info", values::log_filter);
    section.finish();
    Some(Log { format: format?, filter: filter? })
}
