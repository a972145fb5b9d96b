//! The environment of the doctor's tests: a healthy set-up on the shared Keycloak, and the real binary that checks it.
//!
//! A test breaks one thing, expects exactly its findings, and repairs it. Each test has its own directory and, if it changes the realm,
//! its own realm.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use discord_sim::{Bot, Guild, Options, Permissions, Sim};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::config::{self, Registration, Sections};
use testbed::slapd::{CONFIG_ADMIN, DATABASE, Edits};
use testbed::{Keycloak, Mail, Managed, ServerOptions, TestServers};
use tokio::sync::Mutex;

use harness::{binary, private_folder, write_private};

/// The longest run waits for several servers that do not answer.
const LIMIT: Duration = Duration::from_mins(2);

/// The group that the rule grants.
pub(crate) const GROUP: &str = "members";

/// The entry with the settings of the overlay `unique`.
pub(crate) const UNIQUE: &str = "olcOverlay={2}unique,olcDatabase={1}mdb,cn=config";

/// Tests may share a realm: the first one creates it.
static SETTING_UP: Mutex<()> = Mutex::const_new(());

/// Servers, a guild and a configuration in which the doctor finds no fault.
pub(crate) struct Practice {
    pub(crate) sim: Sim,
    pub(crate) bot: Bot,
    pub(crate) guild: Guild,
    pub(crate) servers: TestServers,
    pub(crate) keycloak: &'static Keycloak,
    pub(crate) realm: &'static str,
    /// The correct configuration.
    pub(crate) config: Value,
    folder: TempDir,
}

/// The credentials that the doctor is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lent {
    /// Nothing.
    Nothing,
    /// Keycloak's administrator.
    Administrator,
    /// The administrator, and the bind for the directory server's settings.
    Everything,
}

impl Practice {
    /// Starts with a directory with these settings, and a realm of this name.
    pub(crate) async fn opens(
        keycloak: &'static Keycloak,
        mail: &Mail,
        realm: &'static str,
        edits: Edits,
    ) -> Result<Self> {
        let sim = Sim::start(Options { rate_limits: false, ..Options::default() }).await?;
        let bot = sim.bot("Accolade");
        let guild = sim
            .guild("practice")
            .role("member")
            .role("account-holder")
            .role("moderator")
            .role("admin")
            .channel("general")
            .private_channel("account-requests", &["moderator", "admin"])
            .private_channel("log", &["admin"])
            .bot(&bot)
            .person("ada", &["member"])
            .person("grace", &["member", "moderator"])
            .build();
        let servers = directory_with(edits).await?;
        let folder = private_folder();
        let mut practice = Self { sim, bot, guild, servers, keycloak, realm, config: Value::Null, folder };
        practice.config = practice.settings();
        for (name, secret) in [
            ("token", practice.bot.token()),
            ("config.password", practice.servers.slapd.admin_password.clone()),
        ] {
            write_private(&practice.file(name), &secret)?;
        }
        practice.sets_up(mail).await?;
        let migrated = practice.runs(&practice.config, &["migrate"], &[]).await?;
        ensure!(migrated.status.success(), "{migrated:?}");
        Ok(practice)
    }

    /// Replaces the directory by a new one with these settings. Keycloak still uses the old one.
    pub(crate) async fn moves_to(&mut self, edits: Edits) -> Result<()> {
        self.servers = directory_with(edits).await?;
        let directory = self.settings()["directory"].clone();
        self.config["directory"] = directory;
        write_private(&self.file("config.password"), &self.servers.slapd.admin_password)
    }

    fn settings(&self) -> Value {
        let id = |role: &str| self.guild.role(role).id.to_string();
        let channel = |name: &str| self.guild.channel(name).id.to_string();
        let guild = json!({
            "id": self.guild.id.to_string(),
            "moderator_roles": [id("moderator")], "admin_roles": [id("admin")], "member_role": id("account-holder"),
            "request_channel": channel("account-requests"), "log_channel": channel("log"),
            "rule": [{"name": "members", "all_roles": [id("member")], "groups": [GROUP]}],
        });
        let secret_file = self.file("client.secret");
        let registration = Registration { realm: self.realm, secret_file: &secret_file, ids: ["", ""] };
        Sections {
            discord: config::discord(&self.file("token"), self.sim.tls_address(), self.sim.ca_file()),
            guilds: vec![guild],
            directory: config::directory(&self.servers.slapd),
            keycloak: config::to_the_console(config::keycloak(self.keycloak, registration)),
            store: config::sqlite(&self.file("accolade.sqlite"), &self.file("accolade.key")),
        }
        .whole()
    }

    /// A file of the environment.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `setup keycloak --apply`, and lets the realm mail to the catcher.
    async fn sets_up(&mut self, mail: &Mail) -> Result<()> {
        let _alone = SETTING_UP.lock().await;
        let made = self.mends_by_setup().await?;
        for key in ["federation_id", "group_mapper_id"] {
            self.config["keycloak"][key] = made[key].clone();
        }
        self.keycloak.set_smtp(self.realm, mail).await
    }

    /// Runs `setup keycloak --apply`, which fixes most findings in the realm, and returns its output.
    pub(crate) async fn mends_by_setup(&self) -> Result<Value> {
        self.sets_up_with(&["--accept-narrowing"]).await
    }

    /// The same with more flags.
    pub(crate) async fn sets_up_with(&self, more: &[&str]) -> Result<Value> {
        let slapd = &self.servers.slapd;
        let flags = [
            "setup",
            "keycloak",
            "--apply",
            "--json",
            "--admin-password-file",
            path(&self.keycloak.admin_password_file),
            "--federation-bind-dn",
            &slapd.keycloak_dn,
            "--federation-bind-password-file",
            path(&slapd.keycloak_password_file),
            "--federation-url",
            &slapd.ldap_url,
        ];
        let run = self.runs(&self.config, &[&flags[..], more].concat(), &[]).await?;
        ensure!(run.status.success(), "setup: {}", String::from_utf8_lossy(&run.stderr));
        serde_json::from_slice(&run.stdout).context("what setup printed")
    }

    /// Runs the binary with a configuration.
    pub(crate) async fn runs(
        &self,
        config: &Value,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Result<Output> {
        let file = self.file("accolade.toml");
        config::write(&file, config)?;
        let run = tokio::process::Command::new(binary())
            .arg("--config")
            .arg(&file)
            .args(arguments)
            .envs(environment.iter().copied())
            .env_remove("ACCOLADE_CONFIG")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        tokio::time::timeout(LIMIT, run).await.context("it ends")?.context("it runs")
    }

    /// The doctor's report on a configuration as JSON, and the exit code.
    pub(crate) async fn asks(
        &self,
        config: &Value,
        lent: Lent,
        environment: &[(&str, &Path)],
    ) -> Result<(Value, Option<i32>)> {
        let config_password = self.file("config.password");
        let mut flags = vec!["doctor", "--json"];
        if lent != Lent::Nothing {
            flags.extend(["--as-admin", "--admin-password-file", path(&self.keycloak.admin_password_file)]);
        }
        if lent == Lent::Everything {
            flags.extend([
                "--ldap-config-dn",
                CONFIG_ADMIN,
                "--ldap-config-password-file",
                path(&config_password),
            ]);
        }
        let run = self.runs(config, &flags, environment).await?;
        let said = serde_json::from_slice(&run.stdout)
            .with_context(|| format!("the doctor said {:?}", String::from_utf8_lossy(&run.stderr)))?;
        Ok((said, run.status.code()))
    }

    /// Expects exactly these findings.
    pub(crate) async fn hears(&self, config: &Value, lent: Lent, codes: &[&str]) -> Result<()> {
        self.hears_with(config, lent, &[], codes).await
    }

    /// The same, with variables in the environment.
    pub(crate) async fn hears_with(
        &self,
        config: &Value,
        lent: Lent,
        environment: &[(&str, &Path)],
        codes: &[&str],
    ) -> Result<()> {
        let (said, exit) = self.asks(config, lent, environment).await?;
        let wanted: BTreeSet<&str> = codes.iter().copied().collect();
        let heard = wrong(&said);
        ensure!(heard == wanted, "expected {wanted:?}, heard {heard:?}:\n{said:#}");
        ensure!(exit == Some(3), "exit code {exit:?} with {heard:?}");
        for check in
            said["checks"].as_array().into_iter().flatten().filter(|check| check["result"] == "wrong")
        {
            ensure!(check["fix"].as_str().is_some_and(|fix| fix.len() > 20), "no fix: {check}");
        }
        self.shows_no_secret(&said.to_string())
    }

    /// Expects that everything was checked and is in order.
    pub(crate) async fn is_healthy(&self) -> Result<()> {
        let (said, exit) = self.asks(&self.config, Lent::Everything, &[]).await?;
        let not_ok: Vec<&Value> =
            said["checks"].as_array().into_iter().flatten().filter(|check| check["result"] != "ok").collect();
        ensure!(not_ok.is_empty() && said["ok"] == true && exit == Some(0), "{not_ok:#?}");
        let people = self.servers.slapd.people().await?;
        ensure!(people.is_empty(), "the self-test left {} entries", people.len());
        self.shows_no_secret(&said.to_string())
    }

    fn shows_no_secret(&self, said: &str) -> Result<()> {
        let slapd = &self.servers.slapd;
        let secret = std::fs::read_to_string(self.file("client.secret"))?;
        for hidden in [&self.bot.token(), &slapd.bot_password, &slapd.admin_password, &secret] {
            ensure!(!said.contains(hidden.as_str()), "a secret is shown");
        }
        Ok(())
    }

    /// The configuration with one key changed.
    pub(crate) fn with(&self, pointer: &str, value: Value) -> Value {
        let mut config = self.config.clone();
        let (section, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        config.pointer_mut(section).expect("a section")[key] = value;
        config
    }

    /// Sets the permission overwrites of the bot's role in a channel.
    pub(crate) fn lets_bot(&self, channel: &str, allow: Permissions, deny: Permissions) {
        self.guild.excepts(channel, "Accolade", allow, deny);
    }

    /// Reads a document of the realm as an administrator.
    pub(crate) async fn reads(&self, rest: &str) -> Result<Value> {
        self.keycloak.admin_json(Method::GET, &format!("{}/{rest}", self.realm), None).await
    }

    /// Makes a call below the realm as an administrator.
    pub(crate) async fn calls(&self, method: Method, rest: &str, body: &Value) -> Result<Value> {
        self.keycloak.admin_json(method, &format!("{}/{rest}", self.realm), Some(body)).await
    }

    /// The id of the client's service account.
    pub(crate) async fn service_account(&self) -> Result<String> {
        let client = self.client("accolade").await?;
        let account = self.reads(&format!("clients/{client}/service-account-user")).await?;
        account["id"].as_str().map(str::to_owned).context("the service account")
    }

    /// The path of the service account's roles of `realm-management`.
    pub(crate) async fn place_of_rights(&self) -> Result<String> {
        let (account, management) = (self.service_account().await?, self.client("realm-management").await?);
        Ok(format!("users/{account}/role-mappings/clients/{management}"))
    }

    /// A role of `realm-management`, as a list of one.
    pub(crate) async fn right(&self, name: &str) -> Result<Value> {
        let management = self.client("realm-management").await?;
        Ok(json!([self.reads(&format!("clients/{management}/roles/{name}")).await?]))
    }

    /// The id of a client.
    pub(crate) async fn client(&self, client_id: &str) -> Result<String> {
        let found = self.reads(&format!("clients?clientId={client_id}")).await?;
        found[0]["id"].as_str().map(str::to_owned).context("a client")
    }
}

/// A directory that syncs its writes, with a managed group and another one.
async fn directory_with(edits: Edits) -> Result<TestServers> {
    let servers =
        TestServers::start(ServerOptions { slapd_edits: edits, ..ServerOptions::slapd_alone() }).await?;
    servers.slapd.set_config(DATABASE, "olcDbNoSync", &["FALSE"]).await?;
    servers.slapd.add_group(GROUP, Managed::Yes).await?;
    servers.slapd.add_group("staff", Managed::No).await?;
    Ok(servers)
}

/// The codes of the findings.
pub(crate) fn wrong(said: &Value) -> BTreeSet<&str> {
    let checks = said["checks"].as_array().into_iter().flatten();
    checks.filter(|check| check["result"] == "wrong").filter_map(|check| check["code"].as_str()).collect()
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path of text")
}
