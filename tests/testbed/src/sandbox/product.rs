//! Starts the simulated Discord and the bot as the programs that a user would start.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::config::{self, Registration, Sections};
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::servers::TestServers;
use crate::slapd::Managed;
use crate::waiting::wait_until;

use super::chat::Chat;
use super::place::{Place, make_private};

/// The sandbox's realm.
pub(crate) const REALM: &str = "sandbox";
/// The group that the sandbox's rule grants.
pub(crate) const GROUP: &str = "members";
pub(crate) use crate::config::MAIL_CLIENT;
/// The redirect address of the page.
pub(crate) const REDIRECT: &str = "http://localhost:8700/welcome";

const READY_LIMIT: Duration = Duration::from_mins(1);
const COMMAND_LIMIT: Duration = Duration::from_mins(2);

/// The ids in the sandbox's guild. They are made up, and are the same in every run.
pub(crate) mod ids {
    pub(crate) const GUILD: &str = "1180000000000000100";
    pub(crate) const MEMBER: &str = "1180000000000000201";
    pub(crate) const MODERATOR: &str = "1180000000000000202";
    pub(crate) const ADMIN: &str = "1180000000000000203";
    pub(crate) const ACCOUNT_HOLDER: &str = "1180000000000000205";
    pub(crate) const GENERAL: &str = "1180000000000000301";
    pub(crate) const REQUESTS: &str = "1180000000000000302";
    pub(crate) const LOG: &str = "1180000000000000303";
}

/// The running programs.
pub(super) struct Product {
    /// People at the simulated Discord.
    pub(super) chat: Chat,
    /// The bot's configuration.
    pub(super) config_file: PathBuf,
    /// The bot's log.
    pub(super) log_file: PathBuf,
    /// The bot's database.
    pub(super) database: PathBuf,
    /// The bot's health page.
    pub(super) health: String,
    accolade: PathBuf,
    secrets: PathBuf,
    keycloak_secrets: Vec<PathBuf>,
    bot: Option<Process>,
    simulator: Option<Process>,
}

impl Product {
    /// Makes secrets and configuration, has the bot prepare the realm and its database, and starts both programs.
    pub(super) async fn start(
        servers: &TestServers,
        place: &Place,
        accolade: &Path,
        simulator: &Path,
    ) -> Result<Self> {
        let run = place.run();
        let secrets = run.join("secrets");
        make_private(&secrets)?;
        let token = new_token();
        write_secret(&secrets.join("discord.token"), &token)?;
        servers.slapd.add_group(GROUP, Managed::Yes).await?;

        let fixture = run.join("fixture.json");
        fs::write(&fixture, fixture_of(&token).to_string()).context("write the fixture")?;
        let port = Port::free_preferring(Some(8700))?.address().port().to_string();
        let arguments = ["--port".to_owned(), port, "--fixture".to_owned(), fixture.display().to_string()];
        let launch =
            Launch::new("discord-sim", simulator, &run).record_in(&place.servers()).arguments(arguments);
        let (chat, simulator) = start_simulator(&launch).await?;

        let health = Port::free()?.address();
        let config_file = run.join("accolade.toml");
        let database = run.join("accolade.sqlite");
        let config = Configuration {
            servers,
            chat: &chat,
            secrets: &secrets,
            database: &database,
            health: health.to_string(),
        };
        config.write(&config_file, ["", ""])?;
        let made = servers.provision(accolade, &config_file, REALM).await?;
        config.write(&config_file, [&id_in(&made, "federation_id")?, &id_in(&made, "group_mapper_id")?])?;

        let mut product = Self {
            chat,
            log_file: run.join("accolade.log"),
            config_file,
            database,
            health: format!("http://{health}/healthz/ready"),
            accolade: accolade.to_owned(),
            secrets,
            keycloak_secrets: vec![
                servers.keycloak.admin_password_file.clone(),
                servers.slapd.keycloak_password_file.clone(),
                servers.slapd.bot_password_file.clone(),
            ],
            bot: None,
            simulator: Some(simulator),
        };
        product.accolade(&["config", "check"]).await?;
        product.accolade(&["migrate"]).await?;
        let bot = Launch::new("accolade", accolade, &run)
            .record_in(&place.servers())
            .arguments(["--config", &product.config_file.to_string_lossy(), "serve"])
            .start()?;
        product.bot = Some(bot);
        product.wait_until_ready().await?;
        Ok(product)
    }

    /// Waits until the bot has registered its commands, and returns their names.
    pub(super) async fn wait_until_ready(&self) -> Result<Vec<String>> {
        wait_until("the bot to register its commands", READY_LIMIT, async || {
            Ok(self
                .chat
                .commands()
                .await?
                .iter()
                .any(|name| name.trim_start_matches('/') == "account request"))
        })
        .await
        .with_context(|| format!("the bot's log is {}", self.log_file.display()))?;
        self.chat.commands().await
    }

    /// Runs the bot's command line with the sandbox's configuration. Fails unless it exits with 0.
    pub(super) async fn accolade(&self, arguments: &[&str]) -> Result<String> {
        let mut command = tokio::process::Command::new(&self.accolade);
        command.arg("--config").arg(&self.config_file);
        run_accolade(command, arguments, COMMAND_LIMIT).await
    }

    /// All secrets that exist here, as text.
    pub(super) fn secrets(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let own =
            fs::read_dir(&self.secrets).context("list the secrets")?.flatten().map(|entry| entry.path());
        for file in own.chain(self.keycloak_secrets.iter().cloned()) {
            found.push(fs::read_to_string(file).context("read a secret")?.trim().to_owned());
        }
        Ok(found)
    }

    /// Stops the bot in an orderly way.
    pub(super) fn stop_bot(&mut self) {
        if let Some(bot) = self.bot.take() {
            bot.stop();
        }
    }

    /// Stops the simulator.
    pub(super) fn stop_chat(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            simulator.stop();
        }
    }
}

/// Starts a simulated Discord whose fixture has the guild of [`ids`].
pub(crate) async fn start_simulator(launch: &Launch) -> Result<(Chat, Process)> {
    let log = launch.log_path();
    let mut process = launch.start()?;
    let mut ready = None;
    wait_until("the simulated Discord to be ready", READY_LIMIT, async || {
        if !process.is_running() {
            bail!("the simulated Discord ended: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        ready = ready_line(&log);
        Ok(ready.is_some())
    })
    .await?;
    let chat = Chat::new(&ready.context("the simulated Discord printed no line")?, ids::GUILD)?;
    Ok((chat, process))
}

fn ready_line(log: &Path) -> Option<Value> {
    let text = fs::read_to_string(log).ok()?;
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["ready"] == true)
}

/// A token in Discord's format: the application's id, a time and a secret part.
pub(crate) fn new_token() -> String {
    format!(
        "MTE4MDAwMDAwMDAwMDAwMDAwMQ.{}.{}",
        hex::encode(rand::random::<[u8; 3]>()),
        hex::encode(rand::random::<[u8; 19]>())
    )
}

/// Writes a new file that only its owner can read.
pub(crate) fn write_secret(file: &Path, secret: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .context("make a secret's file")?;
    file.write_all(secret.as_bytes()).context("write a secret")
}

/// One of the two ids that `setup keycloak` prints.
pub(crate) fn id_in(made: &Value, key: &str) -> Result<String> {
    made[key].as_str().map(str::to_owned).with_context(|| format!("setup keycloak names no {key}"))
}

/// The values from which the bot's configuration is made.
pub(crate) struct Configuration<'a> {
    /// The servers.
    pub(crate) servers: &'a TestServers,
    /// Discord.
    pub(crate) chat: &'a Chat,
    /// The folder that contains the files of the secrets.
    pub(crate) secrets: &'a Path,
    /// The SQLite file.
    pub(crate) database: &'a Path,
    /// The address where health and metrics are served.
    pub(crate) health: String,
}

impl Configuration<'_> {
    fn write(&self, file: &Path, keycloak_ids: [&str; 2]) -> Result<()> {
        config::write(file, &self.value(keycloak_ids))
    }

    /// The whole configuration. The ids are those of the federation and of its group mapper.
    pub(crate) fn value(&self, keycloak_ids: [&str; 2]) -> Value {
        let slapd = &self.servers.slapd;
        let secret_file = self.secrets.join("client.secret");
        let registration = Registration { realm: REALM, secret_file: &secret_file, ids: keycloak_ids };
        let sections = Sections {
            discord: config::discord(
                &self.secrets.join("discord.token"),
                &self.chat.tls,
                self.chat.ca.as_ref(),
            ),
            guilds: vec![json!({
                "id": ids::GUILD,
                "moderator_roles": [ids::MODERATOR],
                "admin_roles": [ids::ADMIN],
                "request_channel": ids::REQUESTS,
                "log_channel": ids::LOG,
                "member_role": ids::ACCOUNT_HOLDER,
                "rule": [{
                    "name": "members", "all_roles": [ids::MEMBER], "groups": [GROUP], "approval": "moderators", "ask_reason": true,
                }],
            })],
            directory: config::plain_directory(slapd, &slapd.ldap_url),
            keycloak: config::keycloak(&self.servers.keycloak, registration),
            store: config::sqlite(self.database, &self.secrets.join("store.key")),
        };
        let mut config = sections.whole();
        config["keycloak"]["public_url"] = json!(self.servers.keycloak.public_url);
        config["keycloak"]["mail_redirect_uri"] = json!(REDIRECT);
        config["http"]["listen"] = json!(self.health);
        config["log"] = json!({"format": "json", "filter": "info,accolade=debug"});
        config
    }
}

fn fixture_of(token: &str) -> Value {
    let people = [
        ("ada", &["member"][..]),
        ("grace", &["member", "moderator"]),
        ("linus", &["member", "admin"]),
        ("edsger", &["member"]),
        ("barbara", &["member"]),
        ("mallory", &[]),
    ];
    scene_with(token, &people)
}

/// The guild, the bot and these people with their roles, in the simulator's format.
pub(crate) fn scene_with(token: &str, people: &[(&str, &[&str])]) -> Value {
    let members: Vec<Value> =
        people.iter().map(|(name, roles)| json!({"name": name, "roles": roles})).collect();
    json!({
        "bots": [{"name": "Accolade", "token": token}],
        "guilds": [{
            "id": ids::GUILD, "name": "Sandbox", "bots": ["Accolade"],
            "roles": [
                {"id": ids::ACCOUNT_HOLDER, "name": "account-holder"},
                {"id": ids::MEMBER, "name": "member"},
                {"id": ids::MODERATOR, "name": "moderator"},
                {"id": ids::ADMIN, "name": "admin"},
            ],
            "channels": [
                {"id": ids::GENERAL, "name": "general"},
                {"id": ids::REQUESTS, "name": "account-requests", "only_for": ["moderator", "admin"]},
                {"id": ids::LOG, "name": "log", "only_for": ["admin"]},
            ],
            "members": members,
        }],
    })
}

/// Runs a command of the bot's command line with a time limit, and returns its output. Fails unless it exits with 0.
pub(crate) async fn run_accolade(
    mut command: tokio::process::Command,
    arguments: &[&str],
    limit: Duration,
) -> Result<String> {
    let run = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output =
        tokio::time::timeout(limit, run).await.context("accolade took too long")?.context("run accolade")?;
    ensure!(
        output.status.success(),
        "`accolade {}` ended with {}: {}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
