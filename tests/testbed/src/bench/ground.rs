//! What everything stands on: the servers, the simulated Discord with a guild of tens of thousands, the realm, and the bot's lives.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::person::{Ask, Person};
use super::{CONNECTS_WITHIN, DRAINS_WITHIN};
use crate::bed::{Bed, BedOptions};
use crate::faults::{letters, real_ms};
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::sandbox::chat::Chat;
use crate::sandbox::make_private;
use crate::sandbox::product::{
    Configuration, GROUP, REALM, id_in, ids, new_token, run_accolade, scene_with, start_simulator,
    write_secret,
};
use crate::slapd::Managed;
use crate::store_eyes::StoreEyes;
use crate::waiting::wait_until;

/// Who has this role needs no moderator.
const QUICK: &str = "1180000000000000206";

/// Of the fifty thousand, those whom a moderator approves; the others need none.
const ASKING: usize = 5_000;
const QUICK_ONES: usize = 45_000;

/// How many join with one request.
const BUS: usize = 2_500;

/// Real servers, the simulated Discord and what it takes to start a bot on them.
pub(super) struct Ground {
    pub(super) bed: Bed,
    pub(super) chat: Chat,
    /// The two ids that `setup keycloak` printed.
    keycloak_ids: [String; 2],
    secrets: PathBuf,
    folder: PathBuf,
    accolade: PathBuf,
    simulator: Process,
    crowds: OnceCell<[Vec<String>; 2]>,
    taken: [AtomicUsize; 2],
    health: Port,
    _ports: [Port; 1],
}

/// A database and the configuration that names it.
pub(super) struct Life {
    folder: PathBuf,
    config: PathBuf,
    pub(super) database: PathBuf,
}

/// A running bot.
pub(super) struct Bot {
    process: Process,
    /// From the start of its process to its IDENTIFY.
    pub(super) identified_after: Duration,
}

impl Bot {
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// As a power cut.
    pub(super) fn kill(self) {
        self.process.kill();
    }
}

impl Ground {
    /// Starts everything but the bot, and has the bot's own `setup` make the realm.
    pub(super) async fn start(accolade: &Path, discord_sim: &Path) -> Result<Self> {
        let bed = Bed::start(BedOptions::servers()).await?;
        bed.slapd.add_group(GROUP, Managed::Yes).await?;
        let folder = bed.folder().join("bench");
        let secrets = folder.join("secrets");
        make_private(&folder)?;
        make_private(&secrets)?;
        let token = new_token();
        write_secret(&secrets.join("discord.token"), &token)?;
        let port = Port::free()?;
        let fixture = folder.join("fixture.json");
        std::fs::write(&fixture, guild_of_ten(&token).to_string()).context("write the fixture")?;
        // What a burst asks for in a second is more than Discord gives; its limits would be what is measured.
        let launch = Launch::new("discord-sim", discord_sim, &folder)
            .record_in(bed.folder())
            .arguments(["--port".to_owned(), port.number().to_string(), "--no-rate-limits".to_owned()])
            .arguments(["--fixture".to_owned(), fixture.display().to_string()]);
        let (chat, simulator) = start_simulator(&launch).await?;
        let mut ground = Self {
            bed,
            chat,
            keycloak_ids: [String::new(), String::new()],
            secrets,
            folder,
            accolade: accolade.to_owned(),
            simulator,
            crowds: OnceCell::new(),
            taken: [AtomicUsize::new(0), AtomicUsize::new(0)],
            health: Port::free()?,
            _ports: [port],
        };
        let first = ground.configure("setup")?;
        let made = ground.bed.provision(&ground.accolade, &first.config, REALM).await?;
        ground.keycloak_ids = [id_in(&made, "federation_id")?, id_in(&made, "group_mapper_id")?];
        Ok(ground)
    }

    /// The simulator's process.
    pub(super) fn simulator_pid(&self) -> u32 {
        self.simulator.pid()
    }

    /// Where the bot's client secret for Keycloak is.
    pub(super) fn client_secret(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.secrets.join("client.secret"));
        Ok(text.context("read the client's secret")?.trim().to_owned())
    }

    /// The federation component of the realm.
    pub(super) fn federation_id(&self) -> &str {
        &self.keycloak_ids[0]
    }

    fn configure(&self, name: &str) -> Result<Life> {
        let folder = self.folder.join(name);
        make_private(&folder)?;
        let life =
            Life { config: folder.join("accolade.toml"), database: folder.join("accolade.sqlite"), folder };
        let parts = Configuration {
            bed: &self.bed,
            chat: &self.chat,
            secrets: &self.secrets,
            database: &life.database,
            health: self.health.address().to_string(),
        };
        let [federation, mapper] = &self.keycloak_ids;
        let mut config = parts.value([federation, mapper]);
        let quick =
            json!({"name": "quick", "all_roles": [QUICK], "groups": [GROUP], "approval": "automatic"});
        config["guild"][0]["rule"].as_array_mut().context("no rules")?.insert(0, quick);
        // As it ships: logs and polls by default. Budgets are there to hold people back, and nobody here is one.
        let top = config.as_object_mut().context("no configuration")?;
        top.remove("log");
        top["keycloak"].as_object_mut().context("no Keycloak")?.remove("event_poll");
        config["budget"] = json!({
            "mails_in_all": 1_000_000, "mails_per_domain": 1_000_000, "requests_per_person": 100,
        });
        let text = toml::to_string(&config).context("write the configuration as TOML")?;
        std::fs::write(&life.config, text).context("write the configuration")?;
        Ok(life)
    }

    /// An empty database of its own, and a configuration that names it; what is there stays.
    pub(super) async fn prepare(&self, name: &str) -> Result<Life> {
        let life = self.configure(name)?;
        let mut migrating = tokio::process::Command::new(&self.accolade);
        migrating.arg("--config").arg(&life.config);
        run_accolade(migrating, &["migrate"], CONNECTS_WITHIN).await?;
        Ok(life)
    }

    /// Starts the bot and waits until people can use it.
    pub(super) async fn start_bot(&self, life: &Life) -> Result<Bot> {
        let launch = Launch::new("accolade", &self.accolade, &life.folder)
            .record_in(self.bed.folder())
            .arguments(["--config", &life.config.to_string_lossy(), "serve"]);
        let started_ms = real_ms();
        let mut process = launch.start()?;
        let mut identified_ms = 0;
        wait_until("the bot to be usable", CONNECTS_WITHIN, async || {
            ensure!(process.is_running(), "the bot ended; see {}", launch.log_path().display());
            let told = self.chat.control(Method::GET, "connected", &Value::Null).await?;
            identified_ms = told["identified_ms"].as_i64().unwrap_or(0);
            Ok(identified_ms >= started_ms && told["connected"] == true && told["commands"] == true)
        })
        .await?;
        let identified_after =
            u64::try_from(identified_ms - started_ms).context("an IDENTIFY after the start")?;
        Ok(Bot { process, identified_after: Duration::from_millis(identified_after) })
    }

    /// Lets the fifty thousand join. Before a bot is there to be told of each.
    pub(super) async fn fill_the_guild(&self) -> Result<()> {
        self.crowds().await.map(drop)
    }

    async fn crowds(&self) -> Result<&[Vec<String>; 2]> {
        let join = async |name: &str, role: &str, count: usize| {
            let mut all: Vec<String> = Vec::new();
            while all.len() < count {
                let name = format!("{name}{}x", all.len());
                let body = json!({"guild": ids::GUILD, "count": BUS.min(count - all.len()), "name": name, "roles": [role]});
                let made = self.chat.control(Method::POST, "crowd", &body).await?;
                let came: Vec<String> =
                    serde_json::from_value(made["ids"].clone()).context("read the ids of a crowd")?;
                all.extend(came);
            }
            Ok::<_, anyhow::Error>(all)
        };
        let both = async || {
            Ok([join("quick", QUICK, QUICK_ONES).await?, join("asking", ids::MEMBER, ASKING).await?])
        };
        self.crowds.get_or_try_init(both).await
    }

    /// People of the guild who have done nothing yet. `part` is in their user names.
    pub(super) async fn newcomers(&self, count: usize, ask: Ask, part: &str) -> Result<Vec<Person>> {
        let which = usize::from(ask == Ask::Moderators);
        let crowd = &self.crowds().await?[which];
        let first = self.taken[which].fetch_add(count, Ordering::Relaxed);
        let own = crowd.get(first..first + count).context("more people are needed than the guild has")?;
        let named = own.iter().zip(first as u64..).map(|(id, number)| {
            let username = username_of(number, part);
            Person { id: id.clone(), address: format!("{username}@bench.example"), username }
        });
        Ok(named.collect())
    }

    /// Waits until nothing is left to do and nothing to say.
    pub(super) async fn drains(&self, eyes: &StoreEyes) -> Result<()> {
        wait_until("the queues to empty", DRAINS_WITHIN, async || {
            Ok(open_works(eyes).await? == 0 && outbox(eyes).await? == 0)
        })
        .await
    }

    /// Ends everything.
    pub(super) async fn stop(self) {
        self.simulator.stop();
        self.bed.stop().await;
    }
}

/// Works that are not done.
pub(super) async fn open_works(eyes: &StoreEyes) -> Result<u64> {
    count(eyes, "SELECT COUNT(*) FROM work WHERE state IN ('open', 'undoing')").await
}

async fn outbox(eyes: &StoreEyes) -> Result<u64> {
    count(eyes, "SELECT COUNT(*) FROM outbox").await
}

/// The number that a query gives.
pub(super) async fn count(eyes: &StoreEyes, sql: &str) -> Result<u64> {
    eyes.column(sql).await?.first().context("no number")?.parse().context("read a number")
}

/// User names that look alike are one to the bot: the letters of the number do not.
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
        roles.push(json!({"id": QUICK, "name": "quick"}));
    }
    scene
}
