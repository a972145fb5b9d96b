//! One environment: a simulated Discord with a guild, the bot's processes and their database, on servers that outlive it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::servers::{Servers, make_private};
use super::time::Time;
use super::tmpfs::Tmpfs;
use super::{Database, Paths};
use crate::bot_process::BotProcess;
use crate::config;
use crate::db_inspector::{DbInspector, JsonRow};
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::proxy::{Proxy, Speech};
use crate::sandbox::chat::Chat;
use crate::sandbox::product::{Configuration, ids, run_accolade, scene_with, start_simulator};
use crate::waiting::wait_until;

/// How long a bot may take to connect on a busy machine.
const CONNECTS_WITHIN: Duration = Duration::from_mins(1);
const COMMAND_LIMIT: Duration = Duration::from_mins(1);

/// Longer than the leases of a job and of the gateway.
const LEASES_ARE_OVER: Duration = Duration::from_secs(16);

/// Longer than any renewal takes.
const ABANDONED_AFTER: Duration = Duration::from_secs(6);

/// The people who decide; the last one is an admin.
pub(super) const MODERATORS: [&str; 4] = ["grace", "donald", "margaret", "linus"];

/// The admin among them.
pub(super) const ADMIN: &str = "linus";

/// A guild, its bot, and what both depend on.
pub(super) struct TestEnv {
    /// A part of every user name of the environment.
    pub(super) tag: String,
    pub(super) chat: Chat,
    pub(super) time: Time,
    /// The bot. On PostgreSQL, a second bot runs beside it.
    pub(super) bots: Vec<BotProcess>,
    pub(super) db: DbInspector,
    pub(super) lines: DiscordProxies,
    pub(super) store_url: String,
    /// The SQLite file is in a small file system of its own, if one could be mounted.
    pub(super) tmpfs: Option<Tmpfs>,
    /// Each moderator has at most one form open at a time.
    pub(super) moderators: [Mutex<()>; MODERATORS.len()],
    people: AtomicU64,
    /// The leases that were held at the last check, and since when exactly these have been held.
    held_last: std::sync::Mutex<Option<(Vec<i64>, Instant)>>,
    simulator: Mutex<Option<Process>>,
    _ports: Vec<Port>,
}

/// The proxies between the bot and its Discord.
pub(super) struct DiscordProxies {
    /// HTTP over TLS.
    pub(super) discord: Proxy,
    /// The websocket.
    pub(super) gateway: Proxy,
}

/// The options of an environment.
pub(super) struct Plan<'a> {
    pub(super) paths: &'a Paths,
    pub(super) number: u64,
    pub(super) seed: u64,
}

impl TestEnv {
    /// Creates and starts everything in an environment, and waits until its bot is connected.
    pub(super) async fn start(servers: &Servers, plan: &Plan<'_>) -> Result<Self> {
        let folder = servers.real.folder().join(format!("environment{}", plan.number));
        make_private(&folder)?;
        let ports = [Port::free()?, Port::free()?, Port::free()?, Port::free()?];
        let [http, tls, health, second_health] = [0, 1, 2, 3].map(|at: usize| ports[at].address());
        let lines = DiscordProxies {
            discord: Proxy::start(tls, Speech::Bytes, plan.seed).await?,
            gateway: Proxy::start(http, Speech::Bytes, plan.seed).await?,
        };
        let (chat, simulator) = start_discord(servers, plan, &folder, (http, tls), &lines).await?;
        let store = folder.join("store");
        make_private(&store)?;
        let tmpfs = match servers.database {
            Database::Sqlite => Tmpfs::mount(&store),
            Database::Postgres => None,
        };
        let bots: Vec<BotProcess> = match servers.database {
            Database::Sqlite => vec![health],
            Database::Postgres => vec![health, second_health],
        }
        .into_iter()
        .enumerate()
        .map(|(at, health)| {
            let own = if at == 0 { folder.clone() } else { folder.join("second") };
            BotProcess::new(&plan.paths.accolade, &own)
                .record_in(servers.real.folder())
                .with_health(health.to_string())
        })
        .collect();
        let config_of = EnvConfig { servers, chat: &chat, lines: &lines, folder: &folder, store: &store };
        let store_url = config_of.configure(plan.paths, &bots).await?;
        let env = Self {
            tag: format!("t{}", letters(plan.number + 20 * (plan.seed % 1000))),
            time: Time::new(chat.clone(), &folder.join("offset")),
            chat,
            db: DbInspector::open(&store_url).await?,
            bots,
            lines,
            store_url,
            tmpfs,
            moderators: std::array::from_fn(|_| Mutex::default()),
            people: AtomicU64::new(0),
            held_last: std::sync::Mutex::default(),
            simulator: Mutex::new(Some(simulator)),
            _ports: ports.into(),
        };
        for bot in &env.bots {
            bot.start(None).await?;
        }
        env.wait_until_connected().await?;
        env.wait_until_registered().await?;
        Ok(env)
    }

    /// Whether a bot is connected to the gateway.
    pub(super) async fn is_connected(&self) -> Result<bool> {
        let told = self.chat.control(Method::GET, "connected", &Value::Null).await?;
        Ok(told["connected"] == true)
    }

    /// Waits until a bot is connected. A bot that has ended meanwhile is started again.
    pub(super) async fn wait_until_connected(&self) -> Result<()> {
        wait_until("the bot to connect", CONNECTS_WITHIN, async || {
            self.supervise().await?;
            self.is_connected().await
        })
        .await
    }

    async fn wait_until_registered(&self) -> Result<()> {
        wait_until("the bot to register its commands", CONNECTS_WITHIN, async || {
            Ok(!self.chat.commands().await?.is_empty())
        })
        .await
    }

    /// Restarts bots that have ended, as a supervisor does.
    pub(super) async fn supervise(&self) -> Result<()> {
        for bot in &self.bots {
            bot.supervise().await?;
            bot.start(None).await?;
        }
        Ok(())
    }

    /// On a database that several bots share, the leases of a dead process end only when they expire.
    pub(super) async fn expire_leases(&self) -> Result<()> {
        match self.db {
            DbInspector::Sqlite(_) => Ok(()),
            DbInspector::Postgres(_) => self.time.advance(LEASES_ARE_OVER).await,
        }
    }

    /// Advances time to the moment when something that waits is due, if nothing is in progress. Returns whether it did.
    pub(super) async fn skip_pauses(&self) -> Result<bool> {
        let sql = "SELECT next_run, lease_until FROM job WHERE state IN ('open', 'undoing') \
            UNION ALL SELECT next_run, lease_until FROM outbox";
        let rows = self.db.rows(sql).await?;
        let now = self.time.now_ms();
        let at = |row: &JsonRow, column: &str| row[column].as_i64().unwrap_or(0);
        let held: Vec<i64> =
            rows.iter().map(|row| at(row, "lease_until")).filter(|until| *until > now).collect();
        if !held.is_empty() && !self.are_abandoned(held) {
            return Ok(false);
        }
        let due = rows.iter().map(|row| at(row, "next_run").max(at(row, "lease_until")));
        let Some(first) = due.min() else { return Ok(false) };
        if first <= now + 200 {
            return Ok(false);
        }
        let by = u64::try_from(first - now + 20).context("a moment to come")?;
        self.time.advance(Duration::from_millis(by)).await?;
        Ok(true)
    }

    /// Whether a job or a message is in progress.
    pub(super) async fn is_at_work(&self) -> Result<bool> {
        let sql = "SELECT id AS what FROM job WHERE state IN ('open', 'undoing') UNION ALL SELECT id AS what FROM outbox";
        Ok(!self.db.column(sql).await?.is_empty())
    }

    /// Whether these leases are no longer renewed. A working bot renews its leases every few seconds.
    fn are_abandoned(&self, held: Vec<i64>) -> bool {
        let mut last = self.held_last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((leases, since)) if *leases == held => since.elapsed() > ABANDONED_AFTER,
            Some(_) | None => {
                *last = Some((held, Instant::now()));
                false
            }
        }
    }

    /// Returns a number that no person in the environment has had.
    pub(super) fn next_person(&self) -> u64 {
        self.people.fetch_add(1, Ordering::Relaxed)
    }

    /// The steps that are in progress at this moment.
    pub(super) async fn steps_at_work(&self) -> Vec<String> {
        let sql = "SELECT step FROM job WHERE state IN ('open', 'undoing') AND lease_until > 0 AND step IS NOT NULL";
        let mut steps = self.db.column(sql).await.unwrap_or_default();
        steps.sort();
        steps.dedup();
        steps
    }

    /// Everything that the simulated Discord has recorded.
    pub(super) async fn discord_log(&self) -> Result<Value> {
        self.chat.control(Method::GET, "log", &Value::Null).await
    }

    /// A value that grows with every action of a bot: what it writes to Discord, and what it records in the audit log.
    pub(super) async fn movements(&self) -> Result<(usize, Vec<String>)> {
        let log = self.discord_log().await?;
        let requests = log["requests"].as_array().into_iter().flatten();
        let is_writing = |route: &str| !route.starts_with("GET ");
        let written = requests.filter(|request| request["route"].as_str().is_some_and(is_writing)).count();
        let noted = "SELECT CAST(seq AS TEXT) AS what FROM audit_head";
        Ok((written, self.db.column(noted).await?))
    }

    /// Calls of a bot that Discord does not have, or not in that form. No fault excuses them.
    pub(super) async fn discord_rules_broken(&self) -> Result<Vec<String>> {
        let noted = self.chat.control(Method::GET, "state", &Value::Null).await?;
        let list = |name: &str| -> Result<Vec<String>> {
            let told = noted[name].as_array().with_context(|| format!("no {name} are told"))?;
            Ok(told.iter().map(|what| format!("{name}: {what}")).collect())
        };
        Ok([list("violations")?, list("unknown_routes")?].concat())
    }

    /// Stops everything in the environment; the bots in an orderly way.
    pub(super) async fn stop(&self, limit: Duration) -> Result<()> {
        for bot in &self.bots {
            if bot.pid().await.is_some() {
                bot.terminate(limit).await?;
            }
        }
        if let Some(simulator) = self.simulator.lock().await.take() {
            simulator.stop();
        }
        Ok(())
    }
}

async fn start_discord(
    servers: &Servers,
    plan: &Plan<'_>,
    folder: &Path,
    (http, tls): (SocketAddr, SocketAddr),
    lines: &DiscordProxies,
) -> Result<(Chat, Process)> {
    let people: Vec<(&str, &[&str])> = MODERATORS
        .iter()
        .map(|name| (*name, if *name == ADMIN { &["member", "admin"][..] } else { &["member", "moderator"] }))
        .collect();
    let fixture = folder.join("fixture.json");
    std::fs::write(&fixture, scene_with(&servers.token, &people).to_string()).context("write the fixture")?;
    let launch = Launch::new("discord-sim", &plan.paths.discord_sim, folder)
        .record_in(servers.real.folder())
        .arguments([
            "--port".to_owned(),
            http.port().to_string(),
            "--tls-port".to_owned(),
            tls.port().to_string(),
        ])
        .arguments(["--fixture".to_owned(), fixture.display().to_string()])
        .arguments(["--gateway".to_owned(), format!("ws://{}", lines.gateway.address)])
        // The campaign makes more requests in a minute than a guild makes in a week.
        .arguments(["--no-rate-limits"]);
    start_simulator(&launch).await
}

/// The values from which an environment's configuration is made.
struct EnvConfig<'a> {
    servers: &'a Servers,
    chat: &'a Chat,
    lines: &'a DiscordProxies,
    folder: &'a Path,
    store: &'a Path,
}

impl EnvConfig<'_> {
    /// Writes the configuration of each bot and makes the database. Returns its URL.
    async fn configure(&self, paths: &Paths, bots: &[BotProcess]) -> Result<String> {
        let database = self.store.join("accolade.sqlite");
        let (store, url) = self.store(&database).await?;
        for bot in bots {
            if let Some(folder) = bot.config.parent() {
                make_private(folder)?;
            }
        }
        // All bots share one clock offset.
        if let Some(second) = bots.get(1) {
            std::os::unix::fs::symlink(self.folder.join("offset"), &second.offset)
                .context("share the offset")?;
        }
        let write = |ids: [&str; 2]| {
            let config = self.config(&database, &store, ids);
            bots.iter().try_for_each(|bot| config::write(&bot.config, &config))
        };
        write(["", ""])?;
        write(self.servers.realm(&paths.accolade, &bots[0].config).await?)?;
        let mut migrating = tokio::process::Command::new(&paths.accolade);
        migrating.arg("--config").arg(&bots[0].config).env("ACCOLADE_CLOCK_OFFSET_FILE", &bots[0].offset);
        run_accolade(migrating, &["migrate"], COMMAND_LIMIT).await?;
        Ok(url)
    }

    fn config(&self, database: &Path, store: &Value, ids: [&str; 2]) -> Value {
        let parts = Configuration {
            servers: &self.servers.real,
            chat: self.chat,
            secrets: &self.servers.secrets,
            database,
            health: "127.0.0.1:0".to_owned(),
        };
        let mut config = parts.value(ids);
        let lines = &self.servers.lines;
        config["discord"]["endpoint"]["address"] = json!(self.lines.discord.address);
        config["directory"]["url"] = json!(format!("ldap://{}", lines.ldap.address));
        config["keycloak"]["url"] = json!(format!("http://{}", lines.keycloak.address));
        config["keycloak"]["event_poll"] = json!("500ms");
        config["store"] = store.clone();
        config["log"]["filter"] = json!("info");
        // The people in an environment share neither a mail domain nor a name. Limits that count all of them would only make them wait.
        config["rate_limits"] = json!({
            "mails_in_all": 100_000, "mails_per_domain": 100_000, "requests_per_person": 100,
            "name_checks_per_person": 100,
        });
        config["username"] = json!({"reserved": ["reserved"]});
        config
    }

    async fn store(&self, database: &Path) -> Result<(Value, String)> {
        let key = self.servers.secrets.join("store.key");
        let Some(line) = &self.servers.lines.postgres else {
            return Ok((config::sqlite(database, &key), format!("sqlite://{}", database.display())));
        };
        let postgres = &self.servers.real.postgres;
        let url = postgres.new_database().await?;
        let password_file = self.servers.secrets.join("database.password");
        if !password_file.exists() {
            let password = std::fs::read_to_string(&postgres.password_file).context("read a password")?;
            config::write_private(&password_file, &password)?;
        }
        let through_line = postgres.without_password(&url).replacen(
            &postgres.address().to_string(),
            &line.address.to_string(),
            1,
        );
        Ok((json!({"url": through_line, "password_file": password_file, "key_file": key}), url))
    }
}

/// Writes a number in letters none of which looks like another, because the bot treats user names that look alike as equal.
pub(crate) fn letters(mut number: u64) -> String {
    const LETTERS: &[u8] = b"bfghjkpqstxz";
    let mut text = String::new();
    loop {
        text.push(char::from(LETTERS[(number % 12) as usize]));
        number /= 12;
        if number == 0 {
            return text;
        }
    }
}

/// The guild that control routes use.
pub(super) const GUILD: &str = ids::GUILD;
