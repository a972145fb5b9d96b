//! The environment of every part of the bench: the servers, the simulated Discord with a guild of fifty
//! thousand, the realm, and the bot's process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::requester::{Approval, Requester};
use super::{BenchOptions, CONNECT_TIMEOUT, DRAIN_TIMEOUT, Database};
use crate::db_inspector::DbInspector;
use crate::faults::{letters, real_ms};
use crate::ports::Port;
use crate::postgres::Durability;
use crate::process::{Launch, Process};
use crate::sandbox::chat::Chat;
use crate::sandbox::make_private;
use crate::sandbox::product::{
    Configuration, GROUP, REALM, id_in, ids, new_token, run_accolade, scene_with, start_simulator,
    write_secret,
};
use crate::servers::{ServerOptions, TestServers, Wanted};
use crate::slapd::Managed;
use crate::waiting::wait_until;

/// The role of the rule that approves automatically.
const AUTOMATIC_ROLE: &str = "1180000000000000206";

/// How many members of the guild have that role, and how many need a moderator.
const AUTOMATIC_MEMBERS: usize = 45_000;
const MODERATED_MEMBERS: usize = 5_000;

/// How many members are added with one control request.
const JOIN_BATCH: usize = 2_500;

/// Real servers, the simulated Discord, and the values that a bot needs to start on them.
pub(super) struct BenchEnv {
    pub(super) servers: TestServers,
    pub(super) chat: Chat,
    pub(super) secrets: PathBuf,
    /// The two ids that `setup keycloak` printed.
    keycloak_ids: [String; 2],
    folder: PathBuf,
    accolade: PathBuf,
    echo_bot: PathBuf,
    simulator: Process,
    /// Members with automatic approval, and members who need a moderator.
    members: OnceCell<[Vec<String>; 2]>,
    taken: [AtomicUsize; 2],
    health: Port,
    _ports: [Port; 1],
}

/// A database and the configuration that names it.
pub(super) struct Deployment {
    folder: PathBuf,
    config: PathBuf,
    /// Includes the password if the database has one. The bench's own connections use it.
    pub(super) database_url: String,
    /// Where the bot serves its metrics.
    pub(super) health: SocketAddr,
}

impl Deployment {
    /// Opens a read-only connection of the bench itself.
    pub(super) async fn inspector(&self) -> Result<DbInspector> {
        DbInspector::open(&self.database_url).await
    }
}

/// A running bot.
pub(super) struct BotProcess {
    process: Process,
    /// The time from the start of its process to its IDENTIFY.
    pub(super) identified_after: Duration,
}

impl BotProcess {
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Kills it as a power cut would.
    pub(super) fn kill(self) {
        self.process.kill();
    }

    /// Stops it in an orderly way.
    pub(super) fn stop(self) {
        self.process.stop();
    }
}

impl BenchEnv {
    /// Starts everything except the bot, and runs the bot's own `setup` to make the realm.
    pub(super) async fn start(options: &BenchOptions, database: Database) -> Result<Self> {
        let postgres = match database {
            Database::Sqlite => Wanted::No,
            Database::Postgres => Wanted::Yes,
        };
        // SQLite flushes its files, so PostgreSQL must flush too.
        let durability = Durability::AsShipped;
        let servers = TestServers::start(ServerOptions {
            postgres,
            postgres_durability: durability,
            ..ServerOptions::servers()
        })
        .await?;
        servers.slapd.add_group(GROUP, Managed::Yes).await?;
        let folder = servers.folder().join("bench");
        let secrets = folder.join("secrets");
        make_private(&folder)?;
        make_private(&secrets)?;
        let token = new_token();
        write_secret(&secrets.join("discord.token"), &token)?;
        if let Some(postgres) = servers.postgres.started() {
            let password = std::fs::read_to_string(&postgres.password_file).context("read a password")?;
            write_secret(&secrets.join("database.password"), &password)?;
        }
        let port = Port::free()?;
        let fixture = folder.join("fixture.json");
        std::fs::write(&fixture, guild_of_ten(&token).to_string()).context("write the fixture")?;
        // A burst exceeds Discord's rate limits. With those limits the bench would measure the limits.
        let launch = Launch::new("discord-sim", &options.discord_sim, &folder)
            .record_in(servers.folder())
            .arguments(["--port".to_owned(), port.number().to_string(), "--no-rate-limits".to_owned()])
            .arguments(["--fixture".to_owned(), fixture.display().to_string()]);
        let (chat, simulator) = start_simulator(&launch).await?;
        let mut env = Self {
            servers,
            chat,
            secrets,
            keycloak_ids: [String::new(), String::new()],
            folder,
            accolade: options.accolade.clone(),
            echo_bot: options.echo_bot.clone(),
            simulator,
            members: OnceCell::new(),
            taken: [AtomicUsize::new(0), AtomicUsize::new(0)],
            health: Port::free()?,
            _ports: [port],
        };
        let first = env.configure("setup").await?;
        let made = env.servers.provision(&env.accolade, &first.config, REALM).await?;
        env.keycloak_ids = [id_in(&made, "federation_id")?, id_in(&made, "group_mapper_id")?];
        Ok(env)
    }

    /// The process id of the simulator.
    pub(super) fn simulator_pid(&self) -> u32 {
        self.simulator.pid()
    }

    /// The secret of the bot's client at Keycloak.
    pub(super) fn client_secret(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.secrets.join("client.secret"));
        Ok(text.context("read the client's secret")?.trim().to_owned())
    }

    /// The federation component of the realm.
    pub(super) fn federation_id(&self) -> &str {
        &self.keycloak_ids[0]
    }

    async fn configure(&self, name: &str) -> Result<Deployment> {
        let folder = self.folder.join(name);
        make_private(&folder)?;
        let database = folder.join("accolade.sqlite");
        let parts = Configuration {
            servers: &self.servers,
            chat: &self.chat,
            secrets: &self.secrets,
            database: &database,
            health: self.health.address().to_string(),
        };
        let [federation, mapper] = &self.keycloak_ids;
        let mut config = parts.value([federation, mapper]);
        let database_url = match self.servers.postgres.started() {
            None => format!("sqlite://{}", database.display()),
            Some(postgres) => {
                let url = postgres.new_database().await?;
                config["store"]["url"] = json!(postgres.without_password(&url));
                config["store"]["password_file"] = json!(self.secrets.join("database.password"));
                url
            }
        };
        let automatic = json!({"name": "quick", "all_roles": [AUTOMATIC_ROLE], "groups": [GROUP], "approval": "automatic"});
        config["guild"][0]["rule"].as_array_mut().context("no rules")?.insert(0, automatic);
        // Logging and polling keep their defaults. Only the rate limits are wider, because one machine acts for a whole community.
        let top = config.as_object_mut().context("no configuration")?;
        top.remove("log");
        top["keycloak"].as_object_mut().context("no Keycloak")?.remove("event_poll");
        config["rate_limits"] = json!({
            "mails_in_all": 1_000_000, "mails_per_domain": 1_000_000, "requests_per_person": 100,
        });
        let file = folder.join("accolade.toml");
        crate::config::write(&file, &config)?;
        Ok(Deployment { folder, config: file, database_url, health: self.health.address() })
    }

    /// Makes an empty database and a configuration that names it. The data of the servers stays.
    pub(super) async fn deploy(&self, name: &str) -> Result<Deployment> {
        let deployment = self.configure(name).await?;
        let mut migrate = tokio::process::Command::new(&self.accolade);
        migrate.arg("--config").arg(&deployment.config);
        run_accolade(migrate, &["migrate"], CONNECT_TIMEOUT).await?;
        Ok(deployment)
    }

    /// Starts the bot and waits until it accepts requests.
    pub(super) async fn start_bot(&self, deployment: &Deployment) -> Result<BotProcess> {
        let launch = Launch::new("accolade", &self.accolade, &deployment.folder)
            .record_in(self.servers.folder())
            .arguments(["--config", &deployment.config.to_string_lossy(), "serve"]);
        self.start_and_wait(&launch).await
    }

    /// Starts the floor's program in place of the bot.
    pub(super) async fn start_floor(&self) -> Result<BotProcess> {
        let token_file = self.secrets.join("discord.token");
        let launch = Launch::new("echo-bot", &self.echo_bot, &self.folder)
            .record_in(self.servers.folder())
            .arguments(["--token-file", &token_file.to_string_lossy(), "--guild", ids::GUILD])
            .arguments(["--address", &self.chat.tls, "--ca", &self.chat.ca]);
        self.start_and_wait(&launch).await
    }

    async fn start_and_wait(&self, launch: &Launch) -> Result<BotProcess> {
        let started_ms = real_ms();
        let mut process = launch.start()?;
        let mut identified_ms = 0;
        wait_until("the bot to be usable", CONNECT_TIMEOUT, async || {
            ensure!(process.is_running(), "the bot ended; see {}", launch.log_path().display());
            let told = self.chat.control(Method::GET, "connected", &Value::Null).await?;
            identified_ms = told["identified_ms"].as_i64().unwrap_or(0);
            Ok(identified_ms >= started_ms && told["connected"] == true && told["commands"] == true)
        })
        .await?;
        let identified_after =
            u64::try_from(identified_ms - started_ms).context("an IDENTIFY after the start")?;
        Ok(BotProcess { process, identified_after: Duration::from_millis(identified_after) })
    }

    /// Adds the fifty thousand members before a bot runs, which would otherwise receive an event for each.
    pub(super) async fn fill_the_guild(&self) -> Result<()> {
        self.members().await.map(drop)
    }

    async fn members(&self) -> Result<&[Vec<String>; 2]> {
        let join = async |name: &str, role: &str, count: usize| {
            let mut all: Vec<String> = Vec::new();
            while all.len() < count {
                let name = format!("{name}{}x", all.len());
                let count = JOIN_BATCH.min(count - all.len());
                let body = json!({"guild": ids::GUILD, "count": count, "name": name, "roles": [role]});
                let made = self.chat.control(Method::POST, "crowd", &body).await?;
                let joined: Vec<String> =
                    serde_json::from_value(made["ids"].clone()).context("read the ids of new members")?;
                all.extend(joined);
            }
            Ok::<_, anyhow::Error>(all)
        };
        let both = async || {
            Ok([
                join("quick", AUTOMATIC_ROLE, AUTOMATIC_MEMBERS).await?,
                join("asking", ids::MEMBER, MODERATED_MEMBERS).await?,
            ])
        };
        self.members.get_or_try_init(both).await
    }

    /// Returns members who have not acted yet. Their user names end with `part`.
    pub(super) async fn take_members(
        &self,
        count: usize,
        approval: Approval,
        part: &str,
    ) -> Result<Vec<Requester>> {
        let which = usize::from(approval == Approval::Moderators);
        let members = &self.members().await?[which];
        let first = self.taken[which].fetch_add(count, Ordering::Relaxed);
        let taken = members.get(first..first + count).context("the guild has no more members")?;
        let named = taken.iter().zip(first as u64..).map(|(id, number)| {
            let username = username_of(number, part);
            Requester { id: id.clone(), address: format!("{username}@bench.example"), username }
        });
        Ok(named.collect())
    }

    /// Waits until no job and no message is pending.
    pub(super) async fn wait_until_idle(&self, inspector: &DbInspector) -> Result<()> {
        wait_until("the queues to empty", DRAIN_TIMEOUT, async || {
            Ok(open_jobs(inspector).await? == 0 && outbox(inspector).await? == 0)
        })
        .await
    }

    /// Stops everything.
    pub(super) async fn stop(self) {
        self.simulator.stop();
        self.servers.stop().await;
    }
}

/// Counts the jobs that are not done.
pub(super) async fn open_jobs(inspector: &DbInspector) -> Result<u64> {
    count(inspector, "SELECT COUNT(*) FROM job WHERE state IN ('open', 'undoing')").await
}

async fn outbox(inspector: &DbInspector) -> Result<u64> {
    count(inspector, "SELECT COUNT(*) FROM outbox").await
}

/// Returns the number that a query selects.
pub(super) async fn count(inspector: &DbInspector, sql: &str) -> Result<u64> {
    inspector.column(sql).await?.first().context("no number")?.parse().context("read a number")
}

/// Returns a user name whose letters no other number has. The bot treats user names that look alike as equal.
pub(super) fn username_of(number: u64, part: &str) -> String {
    format!("{}.{part}", letters(number + 12))
}

fn guild_of_ten(token: &str) -> Value {
    let names = ["ada", "edsger", "barbara", "alan", "kurt", "emmy", "haskell", "alonzo"];
    let mut people: Vec<(&str, &[&str])> = names.iter().map(|name| (*name, &["member"][..])).collect();
    people.push(("grace", &["member", "moderator"]));
    people.push(("linus", &["member", "admin"]));
    let mut scene = scene_with(token, &people);
    if let Some(roles) = scene["guilds"][0]["roles"].as_array_mut() {
        roles.push(json!({"id": AUTOMATIC_ROLE, "name": "quick"}));
    }
    scene
}
