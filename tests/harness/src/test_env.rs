//! The bot as a process: each test has its own simulated guild, database and `accolade` process, with the shared servers.
//!
//! The binary may be killed at a crash point at any moment. The environment detects this and starts it again without the crash point,
//! and people repeat what was not acknowledged. Start with [`TestEnv::new`].

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use accolade::clock::SystemClock;
use anyhow::{Context as _, Result, bail, ensure};
use discord_sim::{Bot, CannotDo, Guild, Person, Reply, Sim};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::config::{self, MAIL_CLIENT};
use testbed::db_inspector::text_of;
use testbed::faults::Tmpfs;
use testbed::{BotProcess, Launch, Process, wait_until};
use tokio::process::Command;

use crate::database::{TestDatabase, migrate};
use crate::servers::{Harness, REALM, binary};
use crate::{Database, DbInspector, guild, private_folder, write_secret};

/// The longest time that people wait for anything.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Longer than the leases of a job and of the gateway. On PostgreSQL a killed process holds its leases until they expire.
const LEASES_ARE_OVER: Duration = Duration::from_secs(31);

/// The request that was sent. If nobody acknowledged a form, it is filled in again, and the first draft expires.
pub const SENT: &str = "SELECT state FROM request WHERE state NOT IN ('draft', 'expired')";

/// Whether a worker has claimed the job that creates the account.
pub const IS_CLAIMED: &str =
    "SELECT 'claimed' FROM job WHERE kind = 'provision' AND state = 'open' AND lease_until > 0";

/// The options of an environment.
#[derive(Clone, Debug)]
pub struct EnvOptions {
    /// The bot's database.
    pub database: Database,
    /// The crash point at which the bot is killed that [`TestEnv::starts_armed`] starts.
    pub crash_at: Option<String>,
    /// Whether accounts are approved without a moderator.
    pub automatic: bool,
    /// Whether Keycloak refuses the mail because its client is unknown, until the configuration is corrected.
    pub mail_client_is_unknown: bool,
    /// Whether the SQLite file is on a small file system of its own, if one can be mounted.
    pub has_small_disk: bool,
}

impl EnvOptions {
    /// The default options.
    pub const fn plain(database: Database) -> Self {
        Self {
            database,
            crash_at: None,
            automatic: false,
            mail_client_is_unknown: false,
            has_small_disk: false,
        }
    }
}

/// A guild, a database and the bot as a process.
pub struct TestEnv {
    /// A text that every user name contains.
    pub name: String,
    harness: &'static Harness,
    options: EnvOptions,
    // Dropped before the values that the process uses.
    process: BotProcess,
    deaths: AtomicU32,
    /// How far the clocks were moved forward, in milliseconds.
    pushed: AtomicU64,
    /// The simulated Discord.
    pub sim: Sim,
    bot: Bot,
    guild: Guild,
    // Dropped before the folder in which it is mounted.
    disk: Option<Tmpfs>,
    folder: TempDir,
    store_url: String,
    store: Value,
    db: tokio::sync::Mutex<Option<Arc<DbInspector>>>,
}

impl TestEnv {
    /// Creates the guild, people, configuration and database without starting the bot. `name` is short and unique, because user names
    /// contain it.
    pub async fn new(
        harness: &'static Harness,
        name: impl Into<String>,
        options: EnvOptions,
    ) -> Result<Self> {
        let name = name.into();
        let sim = Sim::start(discord_sim::Options::default()).await?;
        let bot = sim.bot("Accolade");
        let guild = guild::builder(&sim, &name, &bot)
            .person("ada", &["member"])
            .person("grace", &["member", "moderator"])
            .person("linus", &["member", "admin"])
            .build();
        let folder = private_folder();
        write_secret(folder.path(), "discord.token", &bot.token());
        let TestDatabase { section, url } = TestDatabase::new(harness, options.database, folder.path()).await;
        let mut disk = None;
        if options.has_small_disk {
            let place = folder.path().join("store");
            std::fs::create_dir(&place)?;
            std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
            disk = Tmpfs::mount(&place);
        }
        let env = Self {
            name,
            harness,
            options,
            process: BotProcess::new(&binary(), folder.path()),
            deaths: AtomicU32::new(0),
            pushed: AtomicU64::new(0),
            sim,
            bot,
            guild,
            disk,
            folder,
            store_url: url,
            store: section,
            db: tokio::sync::Mutex::default(),
        };
        env.writes_config(if env.options.mail_client_is_unknown { "nobody" } else { MAIL_CLIENT })?;
        let config = accolade::config::load(&env.process.config)
            .map_err(|error| anyhow::anyhow!("the configuration is wrong: {error}"))?;
        migrate(&config.store, Arc::new(SystemClock)).await;
        Ok(env)
    }

    fn writes_config(&self, mail_client: &str) -> Result<()> {
        let token_file = self.folder.path().join("discord.token");
        let discord = config::discord(&token_file, self.sim.tls_address(), self.sim.ca_file());
        let approval = if self.options.automatic { "automatic" } else { "moderators" };
        let rules = [guild::rule(&self.guild, "members", "member", approval)];
        let guilds = vec![guild::section(&self.guild, &rules)];
        let mut config = self.harness.config(discord, guilds, self.store.clone());
        config["keycloak"]["mail_client_id"] = json!(mail_client);
        config["log"] = json!({"format": "json", "filter": "info"});
        config["username"] = json!({"reserved": ["reserved"]});
        config::write(&self.process.config, &config)
    }

    /// Changes the configuration on disk. A running bot does not reload it.
    pub fn changes_config(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut config: Value = toml::from_str(&std::fs::read_to_string(&self.process.config)?)?;
        change(&mut config);
        config::write(&self.process.config, &config)
    }

    /// Restores the first rules in the configuration. The section `[username]` keeps the changes of a test.
    pub fn puts_rules_back(&self) -> Result<()> {
        let now: Value = toml::from_str(&std::fs::read_to_string(&self.process.config)?)?;
        self.writes_config(MAIL_CLIENT)?;
        self.changes_config(|config| config["username"] = now["username"].clone())
    }

    /// The URL of the database.
    pub fn store_url(&self) -> &str {
        &self.store_url
    }

    /// The small file system that contains the database, if there is one.
    pub fn disk(&self) -> Option<&Tmpfs> {
        self.disk.as_ref()
    }

    /// A command-line call with this environment's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(&self.process.config)
            .args(arguments)
            .env("ACCOLADE_CLOCK_OFFSET_FILE", &self.process.offset)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A `serve` with this environment's configuration that is expected to exit at once.
    pub fn serve(&self) -> Command {
        self.command(&["serve"])
    }

    fn launch(&self) -> Launch {
        self.process.launch()
    }

    /// Starts the bot.
    pub async fn starts(&self) -> Result<()> {
        self.process.start(None).await?;
        self.waits_until_connected().await
    }

    /// Starts the bot so that it is killed at the crash point. This may happen before it is connected.
    pub async fn starts_armed(&self) -> Result<()> {
        let point = self.options.crash_at.as_ref().map(|point| format!("{point}:1"));
        self.process.start(point.as_deref()).await?;
        self.waits_until_connected().await
    }

    async fn waits_until_connected(&self) -> Result<()> {
        wait_until("the bot to connect", LIMIT, async || {
            self.restarts_if_allowed().await?;
            Ok(self.is_ready())
        })
        .await
    }

    /// Sends SIGTERM to the bot and waits until its session has ended.
    pub async fn is_told_to_stop(&self) -> Result<()> {
        self.signals(Signal::SIGTERM).await?;
        wait_until("the end of its session", LIMIT, async || Ok(!self.is_ready())).await
    }

    /// Whether a bot is connected to the gateway.
    pub fn is_ready(&self) -> bool {
        self.sim.is_connected(&self.bot)
    }

    /// Starts the bot again if it was killed at the crash point. Any other exit is a failure.
    async fn restarts_if_allowed(&self) -> Result<()> {
        let Some(status) = self.process.ended().await? else { return Ok(()) };
        ensure!(status.signal() == Some(9), "the bot ended with {status}");
        self.counts_death()?;
        self.sees_the_old_connection_end().await?;
        self.process.start(None).await
    }

    /// Waits for the end of the old connection, because otherwise it could be mistaken for a new one.
    async fn sees_the_old_connection_end(&self) -> Result<()> {
        wait_until("the old connection to end", Duration::from_secs(10), async || Ok(!self.is_ready())).await
    }

    /// Counts a death, and on PostgreSQL moves the clocks forward until the killed process's leases have expired.
    fn counts_death(&self) -> Result<()> {
        self.deaths.fetch_add(1, Ordering::Relaxed);
        match self.options.database {
            // The next process holds the lock of the file, so it releases the earlier leases.
            Database::Sqlite => Ok(()),
            Database::Postgres => self.advances(LEASES_ARE_OVER),
        }
    }

    /// Starts the bot again if it was killed at its crash point, and waits until it is connected.
    pub async fn restarts_if_dead(&self) -> Result<()> {
        self.restarts_if_allowed().await?;
        if self.is_ready() { Ok(()) } else { self.waits_until_connected().await }
    }

    /// Whether the bot has exited. Does not start it again.
    pub async fn is_dead(&self) -> Result<bool> {
        Ok(self.process.has_ended().await? || self.deaths() > 0)
    }

    /// The mail server that Keycloak uses.
    pub fn mail_server(&self) -> &'static testbed::Mail {
        &self.harness.servers.mail
    }

    /// How often the bot was killed.
    pub fn deaths(&self) -> u32 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// The process id of the running bot.
    pub async fn pid(&self) -> Result<Pid> {
        let id = self.process.pid().await.context("the bot does not run")?;
        Ok(Pid::from_raw(i32::try_from(id)?))
    }

    /// Sends a signal to the bot.
    pub async fn signals(&self, signal: Signal) -> Result<()> {
        self.process.pid().await.context("the bot does not run")?;
        self.process.signal(signal).await;
        Ok(())
    }

    /// Starts a second bot beside the first.
    pub fn stands_by(&self) -> Result<Process> {
        self.launch().start()
    }

    /// Starts another bot with settings that override those of the file, and writes its log to `log`.
    pub fn stands_by_with(&self, settings: &[(&str, &str)], log: &Path) -> Result<Process> {
        let launch = self.launch().log_into(log);
        settings.iter().fold(launch, |launch, (name, value)| launch.environment(name, *value)).start()
    }

    /// Makes the second process the environment's bot.
    pub async fn is_taken_over_by(&self, second: Process) -> Result<()> {
        self.process.adopt(second).await
    }

    /// Kills the bot as a power cut would, and waits until it has ended. Does not start it again.
    pub async fn kill_and_collect(&self) -> Result<()> {
        self.process.pid().await.context("the bot does not run")?;
        self.process.kill_and_collect(LIMIT).await?;
        self.sees_the_old_connection_end().await
    }

    /// Waits until the bot has exited. Does not start it again.
    pub async fn ends(&self, limit: Duration) -> Result<ExitStatus> {
        let status = self.process.collect(limit).await?;
        self.sees_the_old_connection_end().await?;
        Ok(status)
    }

    /// Shuts the bot down in an orderly way; it must exit with 0. If it is killed at its crash point meanwhile, it is started and shut
    /// down once more.
    pub async fn stops(&self) -> Result<()> {
        self.restarts_if_dead().await?;
        self.signals(Signal::SIGTERM).await?;
        let status = self.ends(Duration::from_secs(25)).await?;
        if status.signal() != Some(9) {
            ensure!(status.success(), "after SIGTERM the bot ended with {status}");
            return Ok(());
        }
        self.counts_death()?;
        self.starts().await?;
        self.signals(Signal::SIGTERM).await?;
        let status = self.ends(Duration::from_secs(25)).await?;
        ensure!(status.success(), "after its death and SIGTERM the bot ended with {status}");
        Ok(())
    }

    /// Corrects the configuration. The bot reads it at its next start.
    pub fn learns_mail_client(&self) -> Result<()> {
        self.writes_config(MAIL_CLIENT)
    }

    /// Moves the clocks of the bot and of Discord forward.
    pub fn advances(&self, by: Duration) -> Result<()> {
        let by_ms = u64::try_from(by.as_millis())?;
        let pushed = self.pushed.fetch_add(by_ms, Ordering::Relaxed) + by_ms;
        // The file is replaced atomically, because a bot that reads an empty file would fall back to the machine's time.
        let next = self.folder.path().join("offset.next");
        config::write_private(&next, &pushed.to_string())?;
        std::fs::rename(next, &self.process.offset).context("put the offset in place")?;
        self.sim.advance(by);
        Ok(())
    }

    /// A person of the guild.
    pub fn person(&self, name: &str) -> Person {
        self.guild.member(name)
    }

    /// The user name that ada asks for.
    pub fn username(&self) -> String {
        format!("ada.{}", self.name)
    }

    /// Ada's mail address.
    pub fn address(&self) -> String {
        format!("ada@{}.example", self.name)
    }

    async fn db(&self) -> Result<Arc<DbInspector>> {
        let mut db = self.db.lock().await;
        if let Some(open) = &*db {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(DbInspector::open(&self.store_url).await?);
        *db = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Closes the inspector of the database, because another database has replaced it.
    pub async fn looks_again(&self) {
        *self.db.lock().await = None;
    }

    /// Ada's entry in the directory.
    pub async fn entry(&self) -> Result<Option<testbed::slapd::Entry>> {
        let slapd = &self.harness.servers.slapd;
        slapd.entry(&slapd.person_dn(&self.username())).await
    }

    /// The first column of a query, joined by blanks.
    pub async fn sees_in_store(&self, sql: &str) -> Result<String> {
        let seen = self.db().await?.column(sql).await?.join(" ");
        Ok(seen)
    }

    /// Waits until a query answers with `wanted`, and restarts the bot when it is killed.
    pub async fn waits_for(&self, sql: &str, wanted: &str) -> Result<()> {
        self.waits_within(LIMIT, sql, wanted).await
    }

    /// As [`Self::waits_for`], with a given limit.
    pub async fn waits_within(&self, limit: Duration, sql: &str, wanted: &str) -> Result<()> {
        let mut seen = String::new();
        let found = wait_until("the store to say it", limit, async || {
            self.restarts_if_dead().await?;
            seen = self.sees_in_store(sql).await?;
            Ok(seen == wanted)
        })
        .await;
        found.with_context(|| format!("`{sql}` stays at {seen:?}, wanted {wanted:?}"))
    }

    /// As [`Self::waits_for`], and moves the clocks forward by a minute each time a message waits for its next try.
    pub async fn lets_time_pass_until(&self, sql: &str, wanted: &str) -> Result<()> {
        let mut passed_for = String::new();
        wait_until("the store to say it", LIMIT, async || {
            self.restarts_if_dead().await?;
            let waiting = "SELECT attempt FROM outbox WHERE lease_until = 0 AND error_code IS NOT NULL";
            let waiting = self.sees_in_store(waiting).await?;
            if !waiting.is_empty() && waiting != passed_for {
                self.advances(Duration::from_mins(1))?;
                passed_for = waiting;
            }
            Ok(self.sees_in_store(sql).await? == wanted)
        })
        .await
    }

    /// Repeats an act until it is acknowledged. A missing answer is a failure unless the bot was killed.
    pub async fn does(&self, what: &str, act: impl AsyncFn() -> Result<Reply, CannotDo>) -> Result<Reply> {
        let mut answer = None;
        let mut why_not = String::new();
        let done = wait_until(what, LIMIT, async || {
            self.restarts_if_dead().await?;
            let deaths = self.deaths();
            match act().await {
                Ok(reply) if !reply.failed => answer = Some(reply),
                Ok(reply) => {
                    let dies = wait_until("the bot to end", Duration::from_secs(2), async || {
                        self.restarts_if_allowed().await?;
                        Ok(self.deaths() > deaths)
                    });
                    dies.await.with_context(|| format!("{what}: no answer, and it lives: {reply}"))?;
                }
                // The button or form may not exist yet.
                Err(why) => why_not = why.to_string(),
            }
            Ok(answer.is_some())
        })
        .await;
        done.with_context(|| format!("{what}: {why_not}"))?;
        answer.context("an answer")
    }

    /// As [`Self::does`], and repeats the act while the bot answers that it is busy.
    pub async fn gets_through(
        &self,
        what: &str,
        act: impl AsyncFn() -> Result<Reply, CannotDo>,
    ) -> Result<Reply> {
        let mut answer = Reply::default();
        wait_until(what, LIMIT, async || {
            answer = self.does(what, &act).await?;
            Ok(!says_busy(&answer))
        })
        .await?;
        Ok(answer)
    }

    /// Repeats an act until a query answers with `wanted`. The act runs once for each start of the bot, and
    /// again each time the bot answers that it is busy or that the card has changed. This includes answers that
    /// arrive after the acknowledgement.
    pub async fn insists(
        &self,
        what: &str,
        who: &Person,
        (sql, wanted): (&str, &str),
        act: impl AsyncFn() -> Result<()>,
    ) -> Result<()> {
        let mut done_at = None;
        let mut seen = String::new();
        let insisted = wait_until(what, LIMIT, async || {
            self.restarts_if_dead().await?;
            seen = self.sees_in_store(sql).await?;
            if seen == wanted {
                return Ok(true);
            }
            let moment = (self.deaths(), times_told_to_press_again(who));
            if done_at != Some(moment) {
                act().await?;
                done_at = Some(moment);
            }
            Ok(false)
        });
        insisted.await.with_context(|| format!("`{sql}` stays at {seen:?}, wanted {wanted:?}"))
    }

    /// Ada opens the form, fills it in and sends it.
    pub async fn ada_asks(&self) -> Result<()> {
        let ada = self.person("ada");
        self.ada_wants(&self.username()).await?;
        let sent = self.gets_through("the sending", async || ada.tries_to_press("Send").await).await?;
        ensure!(sent.text.contains("our request"), "it is not sent: {sent}");
        Ok(())
    }

    /// Ada fills in the form, and repeats it while the bot is busy.
    pub async fn ada_wants(&self, username: &str) -> Result<()> {
        let ada = self.person("ada");
        let address = self.address();
        let fields =
            [("username", username), ("address", address.as_str()), ("given", "Ada"), ("family", "Lovelace")];
        wait_until("the draft", LIMIT, async || {
            let form = self.does("the form", async || ada.tries_to_run("/account request").await).await?;
            ensure!(form.modal.is_some(), "no form opens: {form}");
            let shown = self.does("the submit", async || ada.tries_to_submit(&fields).await).await?;
            let is_shown = shown.text.contains(&address);
            ensure!(is_shown || says_busy(&shown), "the draft is not shown: {shown}");
            Ok(is_shown)
        })
        .await
    }

    /// Grace approves. If the bot was killed before the commit, the card still has its buttons and she presses again.
    pub async fn grace_approves(&self) -> Result<()> {
        let grace = self.person("grace");
        self.insists("the approval", &grace, (SENT, "approved"), async || {
            let press = async || grace.tries_to_press("Approve").await;
            self.does("the approval", press).await.map(drop)
        })
        .await
    }

    /// Ada follows the mailed link and sets a password.
    pub async fn ada_sets_password(&self) -> Result<()> {
        let mail = self.harness.servers.mail.wait_for_mail_to(&self.address(), LIMIT).await?;
        let link = mail.links.iter().find(|link| link.contains("action-token")).context("a link")?;
        let outcome = testbed::browser::follow_action_link(link, "Correct-horse-7-battery").await?;
        ensure!(outcome == testbed::browser::Outcome::PasswordSet, "the link leads to {outcome:?}");
        Ok(())
    }

    /// Asserts that neither the directory nor Keycloak accepts ada's login.
    pub async fn is_locked(&self) -> Result<()> {
        let slapd = &self.harness.servers.slapd;
        let dn = slapd.person_dn(&self.username());
        ensure!(!slapd.bind_works(&dn, "Correct-horse-7-battery").await?, "her password works");
        let user = self.harness.servers.keycloak.user_named(REALM, &self.username()).await?;
        ensure!(user.is_some_and(|user| !user.enabled), "Keycloak has her enabled");
        Ok(())
    }

    /// Asserts that Keycloak has ada enabled and her entry is not locked, and that her old password opens neither.
    pub async fn is_unlocked_without_the_old_password(&self) -> Result<()> {
        let slapd = &self.harness.servers.slapd;
        let dn = slapd.person_dn(&self.username());
        ensure!(!slapd.bind_works(&dn, "Correct-horse-7-battery").await?, "the old password works");
        let entry = slapd.entry(&dn).await?.context("the entry")?;
        ensure!(entry.value("pwdAccountLockedTime").is_none(), "the entry is locked");
        let user = self.harness.servers.keycloak.user_named(REALM, &self.username()).await?;
        ensure!(user.is_some_and(|user| user.enabled), "Keycloak has her disabled");
        Ok(())
    }

    /// An administrator removes the lock of ada's entry.
    pub async fn loses_its_lock(&self) -> Result<()> {
        let slapd = &self.harness.servers.slapd;
        slapd.set_attribute(&slapd.person_dn(&self.username()), "pwdAccountLockedTime", &[]).await
    }

    /// An administrator sets ada's password in the directory, which creates no event in Keycloak.
    pub async fn sets_password_by_hand(&self) -> Result<()> {
        let slapd = &self.harness.servers.slapd;
        slapd
            .set_attribute(&slapd.person_dn(&self.username()), "userPassword", &["Correct-horse-7-battery"])
            .await
    }

    /// An administrator creates an entry with ada's Discord id, without our mark.
    pub async fn enters_ada_by_hand(&self) -> Result<()> {
        let by_hand = testbed::slapd::PersonByHand {
            discord_id: Some(self.person("ada").id().to_string()),
            ..testbed::slapd::PersonByHand::named(&self.username())
        };
        self.harness.servers.slapd.add_person_by_hand(&by_hand).await.map(|_| ())
    }

    /// Counts an exit at the crash point, and accepts an orderly one.
    pub fn died_of(&self, status: ExitStatus) -> Result<()> {
        if let Some(9) = status.signal() {
            return self.counts_death();
        }
        ensure!(status.success(), "the bot ended with {status}");
        Ok(())
    }

    /// The number of mails to ada.
    pub fn mails(&self) -> usize {
        let address = self.address();
        self.harness.servers.mail.messages().iter().filter(|mail| mail.is_to(&address)).count()
    }

    /// Holds every answer about a member until Discord is healed, except the two that an approval needs. Call it only when the bot is
    /// idle, because a card that is still to be posted also asks for its member.
    pub fn holds_the_members_answer(&self) {
        self.sim.fails("GET /guilds/{guild}/members/{user}", discord_sim::Effect::Hold { after: 2 }, 1);
    }

    /// Waits until no job and no message is open.
    pub async fn wait_until_idle(&self) -> Result<()> {
        self.waits_within(Duration::from_mins(2), OPEN, "").await
    }

    /// Stops the bot when nothing is left to do. A command that finishes after its acknowledgement may leave a job after that moment,
    /// even during the shutdown. In this case the bot is started again and completes it.
    async fn stop_when_idle(&self) -> Result<()> {
        let mut left = String::new();
        for _ in 0..3 {
            self.wait_until_idle().await?;
            self.stops().await?;
            left = self.sees_in_store(OPEN).await?;
            if left.is_empty() {
                return Ok(());
            }
            self.starts().await?;
        }
        bail!("each time that the bot ends it leaves something to do: {left}")
    }

    /// Stops the bot and checks all five stores. Nothing is lost or duplicated, the audit chain is complete,
    /// and the accounts have these states. There are as many entries and Keycloak users as given.
    pub async fn is_in_order(&self, accounts: &str, entries: usize) -> Result<()> {
        self.stop_when_idle().await?;
        let servers = &self.harness.servers;
        let names = format!(".{}", self.name);
        let db = self.db().await?;
        let cards = self.person("grace").read_now().into_iter().map(|(_, text)| text).collect();
        let violations = self.harness.violations(&names, &db, cards).await?;
        ensure!(violations.is_empty(), "{violations:#?}");
        let states = db.column("SELECT state FROM account ORDER BY id").await?.join(" ");
        ensure!(states == accounts, "the accounts are {states:?}, wanted {accounts:?}");
        let people = servers.slapd.people().await?;
        let found = people.iter().filter(|entry| entry.value("uid") == Some(&self.username())).count();
        ensure!(found == entries, "{found} entries");
        let users = servers.keycloak.users_with(REALM, &names).await?;
        let found = users.iter().filter(|user| user.username == self.username()).count();
        ensure!(found <= 1 && (entries == 0 || found == 1), "{found} Keycloak users");
        ensure!(self.mails() <= 2, "{} mails", self.mails());
        let live =
            db.rows("SELECT username, keycloak_id, directory_id FROM account WHERE state = 'active'").await?;
        for link in &live {
            ensure!(!text_of(&link["directory_id"]).is_empty(), "an account without its entry");
        }
        let strange = [self.sim.violations(), self.sim.unknown_routes()].concat();
        ensure!(strange.is_empty(), "Discord would refuse it: {strange:?}");
        Ok(())
    }

    /// The last lines of the bot's log and the messages that ada sees, for the report of a failure.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.process.log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n");
        format!("{}\n--- ada sees:\n{}", tail, self.person("ada").sees_everything())
    }
}

/// The open jobs and messages.
const OPEN: &str =
    "SELECT kind FROM job WHERE state IN ('open', 'undoing') UNION ALL SELECT kind FROM outbox";

/// The answer when the database took too long: nothing happened, and the person is asked to press again.
const BUSY: &str = "press the button again";

/// The answer to a press on a card that was edited at the same moment. The person can press the button of the current card.
const EDITED: &str = "is out of date";

fn times_told_to_press_again(who: &Person) -> usize {
    let seen = who.sees_everything();
    [BUSY, EDITED].iter().map(|told| seen.matches(told).count()).sum()
}

fn says_busy(reply: &Reply) -> bool {
    reply.text.contains(BUSY)
}

/// Whether the answer to a press says that the card was edited meanwhile.
pub fn says_edited(reply: &Reply) -> bool {
    reply.text.contains(EDITED)
}

/// Fails with all details that help to find the cause.
pub fn bail_with(env: &TestEnv, error: &anyhow::Error) -> Result<()> {
    bail!("{error:#}\n--- the end of the bot's log:\n{}", env.last_words())
}
