//! Villages: a simulated guild, a database and the real binary as a child process each, on servers that all villages share.
//!
//! The binary may die at a crash point at any moment. A village notices, starts it again without the point, and its people press
//! again what was not acknowledged. Start with [`Village::settles`]; `crash` and `outages` hold what happens there.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use discord_sim::{Bot, CannotDo, Guild, Options, Permissions, Person, Reply, Sim};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::checker::Checker;
use testbed::faults::Tmpfs;
use testbed::store_eyes::{StoreEyes, text_of};
use testbed::{Launch, Process, wait_until};
use tokio::process::Command;

use crate::country::{BINARY, Country, MAIL_CLIENT, REALM, servers_part, write_secret};

/// How long people wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// Longer than any lease of the bot: on PostgreSQL a killed process's leases live on.
const LEASES_ARE_OVER: Duration = Duration::from_secs(31);

/// The request that was sent. A form that was acknowledged by nobody is filled in again, and its first draft expires.
pub(crate) const SENT: &str = "SELECT state FROM request WHERE state NOT IN ('draft', 'expired')";

/// Whether a worker is at making the account.
pub(crate) const IS_CLAIMED: &str =
    "SELECT 'claimed' FROM job WHERE kind = 'provision' AND state = 'open' AND lease_until > 0";

/// Which database a village keeps its books in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// What is special about a village.
#[derive(Clone, Debug)]
pub(crate) struct Customs {
    pub(crate) database: Database,
    /// Where the first life of the bot that [`Village::starts_armed`] begins ends.
    pub(crate) crash_at: Option<String>,
    /// Accounts come without a moderator.
    pub(crate) automatic: bool,
    /// Keycloak does not know this client and refuses the mail, until the configuration is put right.
    pub(crate) mail_client_is_unknown: bool,
    /// The SQLite file lies on a small file system of its own, where one can be mounted.
    pub(crate) has_small_disk: bool,
}

impl Customs {
    pub(crate) const fn plain(database: Database) -> Self {
        Self {
            database,
            crash_at: None,
            automatic: false,
            mail_client_is_unknown: false,
            has_small_disk: false,
        }
    }
}

/// A running bot.
#[derive(Default)]
struct Life {
    child: Option<Process>,
}

/// One guild with its bot.
pub(crate) struct Village {
    pub(crate) name: String,
    country: &'static Country,
    customs: Customs,
    // Ends before what it uses.
    life: tokio::sync::Mutex<Life>,
    deaths: AtomicU32,
    /// How far time was pushed, in milliseconds.
    pushed: AtomicU64,
    pub(crate) sim: Sim,
    bot: Bot,
    guild: Guild,
    // Goes before the folder that it is mounted in.
    disk: Option<Tmpfs>,
    folder: TempDir,
    store_url: String,
    store: Value,
    eyes: tokio::sync::Mutex<Option<Arc<StoreEyes>>>,
}

impl Village {
    /// Makes guild, people, configuration and database; the bot does not run yet. `name` is short and unique: it is in user names.
    pub(crate) async fn settles(
        country: &'static Country,
        name: impl Into<String>,
        customs: Customs,
    ) -> Result<Self> {
        let name = name.into();
        let sim = Sim::start(Options::default()).await?;
        let bot = sim.bot("Accolade");
        let guild = sim
            .guild(&name)
            .role("member")
            .role("account-holder")
            .role("moderator")
            .role("admin")
            .role_with("accolade", Permissions::MANAGE_ROLES)
            .channel("general")
            .channel("account-requests")
            .channel("log")
            .bot(&bot)
            .person("ada", &["member"])
            .person("grace", &["member", "moderator"])
            .person("linus", &["member", "admin"])
            .build();
        let folder = tempfile::tempdir()?;
        write_secret(&folder.path().join("discord.token"), &bot.token())?;
        let (store, store_url) = store_of(country, customs.database, folder.path()).await?;
        let mut disk = None;
        if customs.has_small_disk {
            let place = folder.path().join("store");
            std::fs::create_dir(&place)?;
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o700))?;
            disk = Tmpfs::mount(&place);
        }
        let village = Self {
            name,
            country,
            customs,
            life: tokio::sync::Mutex::default(),
            deaths: AtomicU32::new(0),
            pushed: AtomicU64::new(0),
            sim,
            bot,
            guild,
            disk,
            folder,
            store_url,
            store,
            eyes: tokio::sync::Mutex::default(),
        };
        village.writes_config(if village.customs.mail_client_is_unknown { "nobody" } else { MAIL_CLIENT })?;
        village.migrates().await?;
        Ok(village)
    }

    /// Makes the database's tables, again while the database says that it is busy.
    async fn migrates(&self) -> Result<()> {
        wait_until("the migration", LIMIT, async || {
            let migrated = self.command(&["migrate"]).output().await?;
            let said = String::from_utf8_lossy(&migrated.stderr);
            ensure!(migrated.status.success() || said.contains("is busy"), "migrate failed: {said}");
            Ok(migrated.status.success())
        })
        .await
    }

    fn writes_config(&self, mail_client: &str) -> Result<()> {
        let ids = [self.country.federation_id.as_str(), self.country.group_mapper_id.as_str()];
        let (bed, secret) = (&self.country.bed, &self.country.client_secret_file);
        let mut config = servers_part(bed, secret, ids, mail_client);
        let id = |role: &str| self.guild.role(role).id.to_string();
        config["discord"] = json!({
            "token_file": self.folder.path().join("discord.token"),
            "endpoint": {"address": self.sim.tls_address().to_string(), "ca_file": self.sim.ca_file()},
        });
        let approval = if self.customs.automatic { "automatic" } else { "moderators" };
        config["guild"] = json!([{
            "id": self.guild.id.to_string(),
            "moderator_roles": [id("moderator")],
            "admin_roles": [id("admin")],
            "member_role": id("account-holder"),
            "request_channel": self.guild.channel("account-requests").id.to_string(),
            "log_channel": self.guild.channel("log").id.to_string(),
            "rule": [{"name": "members", "all_roles": [id("member")], "groups": ["members"], "approval": approval}],
        }]);
        config["store"] = self.store.clone();
        // The villages of a run are one community to these counters only by their mail domain.
        config["username"] = json!({"reserved": ["reserved"]});
        write_secret(&self.config_file(), &toml::to_string(&config)?)
    }

    /// Changes the configuration on disk; a running bot does not know.
    pub(crate) fn changes_config(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut config: Value = toml::from_str(&std::fs::read_to_string(self.config_file())?)?;
        change(&mut config);
        write_secret(&self.config_file(), &toml::to_string(&config)?)
    }

    /// Puts the village's own rules back, and keys that a test has spoilt beside them.
    pub(crate) fn puts_rules_back(&self) -> Result<()> {
        let now: Value = toml::from_str(&std::fs::read_to_string(self.config_file())?)?;
        self.writes_config(MAIL_CLIENT)?;
        self.changes_config(|config| config["username"] = now["username"].clone())
    }

    /// Where the database is.
    pub(crate) fn store_url(&self) -> &str {
        &self.store_url
    }

    /// The small file system below the database, if there is one.
    pub(crate) fn disk(&self) -> Option<&Tmpfs> {
        self.disk.as_ref()
    }

    fn config_file(&self) -> PathBuf {
        self.folder.path().join("accolade.toml")
    }

    fn offset_file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .arg("--config")
            .arg(self.config_file())
            .args(arguments)
            .env("ACCOLADE_CLOCK_OFFSET_FILE", self.offset_file())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A `serve` on this village's configuration that is expected to end at once.
    pub(crate) fn serve(&self) -> Command {
        self.command(&["serve"])
    }

    fn launch(&self) -> Launch {
        Launch::new("accolade", BINARY, self.folder.path())
            .arguments(["--config", &self.config_file().to_string_lossy(), "serve"])
            .environment("ACCOLADE_CLOCK_OFFSET_FILE", self.offset_file().to_string_lossy())
    }

    fn spawn(&self, crash_at: Option<&str>) -> Result<Process> {
        let launch = self.launch();
        match crash_at {
            Some(point) => launch.environment("ACCOLADE_CRASH_AT", format!("{point}:1")).start(),
            None => launch.start(),
        }
    }

    /// Starts the bot.
    pub(crate) async fn starts(&self) -> Result<()> {
        self.life.lock().await.child = Some(self.spawn(None)?);
        self.waits_until_connected().await
    }

    /// Starts the bot for the life that ends at the crash point. It may die before it is connected.
    pub(crate) async fn starts_armed(&self) -> Result<()> {
        self.life.lock().await.child = Some(self.spawn(self.customs.crash_at.as_deref())?);
        self.waits_until_connected().await
    }

    async fn waits_until_connected(&self) -> Result<()> {
        wait_until("the bot to connect", LIMIT, async || {
            self.lives_if_it_may().await?;
            Ok(self.is_ready())
        })
        .await
    }

    /// Asks the bot to stop, and sees that it has heard.
    pub(crate) async fn is_told_to_stop(&self) -> Result<()> {
        self.signals(Signal::SIGTERM).await?;
        wait_until("the end of its session", LIMIT, async || Ok(!self.is_ready())).await
    }

    /// Whether a bot is on the gateway.
    pub(crate) fn is_ready(&self) -> bool {
        self.sim.is_connected(&self.bot)
    }

    /// Notices a death at the crash point and starts the next life. Any other end is a failure.
    async fn lives_if_it_may(&self) -> Result<()> {
        let mut life = self.life.lock().await;
        let Some(child) = &mut life.child else { return Ok(()) };
        let Some(status) = child.ended()? else { return Ok(()) };
        ensure!(status.signal() == Some(9), "the bot ended with {status}");
        self.mourns()?;
        // The old connection's end must be seen first, or the new one could be taken for it.
        wait_until("the old connection to end", Duration::from_secs(10), async || Ok(!self.is_ready()))
            .await?;
        life.child = Some(self.spawn(None)?);
        Ok(())
    }

    /// Counts a death, and lets time pass until nothing is the dead process's any more.
    fn mourns(&self) -> Result<()> {
        self.deaths.fetch_add(1, Ordering::Relaxed);
        match self.customs.database {
            // The next life holds the file's lock and knows that the earlier leases are void.
            Database::Sqlite => Ok(()),
            Database::Postgres => self.advances(LEASES_ARE_OVER),
        }
    }

    /// Lets the bot live on after a death, and waits until it is there.
    pub(crate) async fn lives(&self) -> Result<()> {
        self.lives_if_it_may().await?;
        if self.is_ready() { Ok(()) } else { self.waits_until_connected().await }
    }

    /// Whether the bot has ended and nobody has started it again. Looks, and starts nothing.
    pub(crate) async fn is_dead(&self) -> Result<bool> {
        let mut life = self.life.lock().await;
        let child = life.child.as_mut().context("the bot was never started")?;
        Ok(child.ended()?.is_some() || self.deaths() > 0)
    }

    /// The mail server that Keycloak uses.
    pub(crate) fn mail_server(&self) -> &'static testbed::Mail {
        &self.country.bed.mail
    }

    /// How often the bot was killed.
    pub(crate) fn deaths(&self) -> u32 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// The process id of the running bot.
    pub(crate) async fn pid(&self) -> Result<Pid> {
        let life = self.life.lock().await;
        let id = life.child.as_ref().map(Process::pid).context("the bot does not run")?;
        Ok(Pid::from_raw(i32::try_from(id)?))
    }

    /// Sends a signal to the bot.
    pub(crate) async fn signals(&self, signal: Signal) -> Result<()> {
        let life = self.life.lock().await;
        life.child.as_ref().context("the bot does not run")?.signal(signal);
        Ok(())
    }

    /// Starts a second bot beside the first.
    pub(crate) fn stands_by(&self) -> Result<Process> {
        self.spawn(None)
    }

    /// Starts a bot with other settings than the file has, logging into `log`.
    pub(crate) fn stands_by_with(&self, settings: &[(&str, &str)], log: &Path) -> Result<Process> {
        let launch = self.launch().log_into(log);
        settings.iter().fold(launch, |launch, (name, value)| launch.environment(name, *value)).start()
    }

    /// The second bot is the village's from now on.
    pub(crate) async fn is_taken_over_by(&self, second: Process) -> Result<()> {
        let before = self.life.lock().await.child.replace(second);
        ensure!(before.is_none(), "the first bot still runs");
        Ok(())
    }

    /// Waits until the bot has ended, without starting it again.
    pub(crate) async fn ends(&self, limit: Duration) -> Result<ExitStatus> {
        let mut life = self.life.lock().await;
        let mut child = life.child.take().context("the bot does not run")?;
        let mut ended = None;
        let end = wait_until("the bot's end", limit, async || {
            ended = child.ended()?;
            Ok(ended.is_some())
        });
        end.await?;
        let status = ended.context("an end")?;
        wait_until("the old connection to end", Duration::from_secs(10), async || Ok(!self.is_ready()))
            .await?;
        Ok(status)
    }

    /// Ends the bot in an orderly way; it must exit with 0. If it meets its crash point on the way, its next life is ended.
    pub(crate) async fn stops(&self) -> Result<()> {
        self.lives().await?;
        self.signals(Signal::SIGTERM).await?;
        let status = self.ends(Duration::from_secs(25)).await?;
        if status.signal() != Some(9) {
            ensure!(status.success(), "after SIGTERM the bot ended with {status}");
            return Ok(());
        }
        self.mourns()?;
        self.starts().await?;
        self.signals(Signal::SIGTERM).await?;
        let status = self.ends(Duration::from_secs(25)).await?;
        ensure!(status.success(), "after its death and SIGTERM the bot ended with {status}");
        Ok(())
    }

    /// Puts the configuration right, from the next life on.
    pub(crate) fn learns_mail_client(&self) -> Result<()> {
        self.writes_config(MAIL_CLIENT)
    }

    /// Pushes time for the bot and for Discord.
    pub(crate) fn advances(&self, by: Duration) -> Result<()> {
        let by_ms = u64::try_from(by.as_millis())?;
        let pushed = self.pushed.fetch_add(by_ms, Ordering::Relaxed) + by_ms;
        // Put in place whole: a bot that reads an empty file would fall back to the machine's time.
        let next = self.folder.path().join("offset.next");
        write_secret(&next, &pushed.to_string())?;
        std::fs::rename(next, self.offset_file()).context("put the offset in place")?;
        self.sim.advance(by);
        Ok(())
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        self.guild.member(name)
    }

    pub(crate) fn username(&self) -> String {
        format!("ada.{}", self.name)
    }

    pub(crate) fn address(&self) -> String {
        format!("ada@{}.example", self.name)
    }

    async fn eyes(&self) -> Result<Arc<StoreEyes>> {
        let mut eyes = self.eyes.lock().await;
        if let Some(open) = &*eyes {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(StoreEyes::open(&self.store_url).await?);
        *eyes = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Another database lies in the place of the one that was looked into.
    pub(crate) async fn looks_anew(&self) {
        *self.eyes.lock().await = None;
    }

    /// Ada's entry in the directory.
    pub(crate) async fn entry(&self) -> Result<Option<testbed::slapd::Entry>> {
        let slapd = &self.country.bed.slapd;
        slapd.entry(&slapd.person_dn(&self.username())).await
    }

    /// The first column of a query, joined by blanks.
    pub(crate) async fn sees_in_store(&self, sql: &str) -> Result<String> {
        let seen = self.eyes().await?.column(sql).await?.join(" ");
        Ok(seen)
    }

    /// Waits until a query answers with `wanted`, while the bot lives on.
    pub(crate) async fn waits_for(&self, sql: &str, wanted: &str) -> Result<()> {
        self.waits_within(LIMIT, sql, wanted).await
    }

    /// The same with its own limit.
    pub(crate) async fn waits_within(&self, limit: Duration, sql: &str, wanted: &str) -> Result<()> {
        let mut seen = String::new();
        let found = wait_until("the store to say it", limit, async || {
            self.lives().await?;
            seen = self.sees_in_store(sql).await?;
            Ok(seen == wanted)
        })
        .await;
        found.with_context(|| format!("`{sql}` stays at {seen:?}, wanted {wanted:?}"))
    }

    /// The same with time pushed by a minute each time that a message waits for its next try.
    pub(crate) async fn lets_time_pass_until(&self, sql: &str, wanted: &str) -> Result<()> {
        let mut passed_for = String::new();
        wait_until("the store to say it", LIMIT, async || {
            self.lives().await?;
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

    /// Does something until it is acknowledged. Only the bot's death excuses silence.
    pub(crate) async fn does(
        &self,
        what: &str,
        act: impl AsyncFn() -> Result<Reply, CannotDo>,
    ) -> Result<Reply> {
        let mut answer = None;
        let mut why_not = String::new();
        let done = wait_until(what, LIMIT, async || {
            self.lives().await?;
            let deaths = self.deaths();
            match act().await {
                Ok(reply) if !reply.failed => answer = Some(reply),
                Ok(reply) => {
                    let dies = wait_until("its death", Duration::from_secs(2), async || {
                        self.lives_if_it_may().await?;
                        Ok(self.deaths() > deaths)
                    });
                    dies.await.with_context(|| format!("{what}: no answer, and it lives: {reply}"))?;
                }
                // What there is to press comes in its time.
                Err(why) => why_not = why.to_string(),
            }
            Ok(answer.is_some())
        })
        .await;
        done.with_context(|| format!("{what}: {why_not}"))?;
        answer.context("an answer")
    }

    /// The same, again while the answer is that much is going on.
    pub(crate) async fn gets_through(
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

    /// Somebody does something until a query answers with `wanted`: once, once more in each life of the bot, and once more each
    /// time the bot says that much is going on or that the card has changed. An answer that comes later than the acknowledgement is seen, too.
    pub(crate) async fn insists(
        &self,
        what: &str,
        who: &Person,
        (sql, wanted): (&str, &str),
        act: impl AsyncFn() -> Result<()>,
    ) -> Result<()> {
        let mut done_at = None;
        let mut seen = String::new();
        let insisted = wait_until(what, LIMIT, async || {
            self.lives().await?;
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
    pub(crate) async fn ada_asks(&self) -> Result<()> {
        let ada = self.person("ada");
        self.ada_wants(&self.username()).await?;
        let sent = self.gets_through("the sending", async || ada.tries_to_press("Send").await).await?;
        ensure!(sent.text.contains("our request"), "it is not sent: {sent}");
        Ok(())
    }

    /// Ada fills in the form, again if much is going on.
    pub(crate) async fn ada_wants(&self, username: &str) -> Result<()> {
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

    /// Grace approves. A press whose commit the death prevented is seen by the card, which still has its buttons.
    pub(crate) async fn grace_approves(&self) -> Result<()> {
        let grace = self.person("grace");
        self.insists("the approval", &grace, (SENT, "approved"), async || {
            let press = async || grace.tries_to_press("Approve").await;
            self.does("the approval", press).await.map(drop)
        })
        .await
    }

    /// Ada follows the mailed link and sets a password.
    pub(crate) async fn ada_sets_password(&self) -> Result<()> {
        let mail = self.country.bed.mail.wait_for_mail_to(&self.address(), LIMIT).await?;
        let link = mail.links.iter().find(|link| link.contains("action-token")).context("a link")?;
        let outcome = testbed::browser::follow_action_link(link, "Correct-horse-7-battery").await?;
        ensure!(outcome == testbed::browser::Outcome::PasswordSet, "the link leads to {outcome:?}");
        Ok(())
    }

    /// Neither directory nor Keycloak let ada in.
    pub(crate) async fn is_locked(&self) -> Result<()> {
        let slapd = &self.country.bed.slapd;
        let dn = slapd.person_dn(&self.username());
        ensure!(!slapd.bind_works(&dn, "Correct-horse-7-battery").await?, "the directory lets her in");
        let user = self.country.bed.keycloak.user_named(REALM, &self.username()).await?;
        ensure!(user.is_some_and(|user| !user.enabled), "Keycloak has her enabled");
        Ok(())
    }

    /// An administrator sets ada's password in the directory, where no event of Keycloak tells of it.
    pub(crate) async fn sets_password_by_hand(&self) -> Result<()> {
        let slapd = &self.country.bed.slapd;
        slapd
            .set_attribute(&slapd.person_dn(&self.username()), "userPassword", &["Correct-horse-7-battery"])
            .await
    }

    /// An administrator enters somebody with ada's Discord id, without our mark.
    pub(crate) async fn enters_ada_by_hand(&self) -> Result<()> {
        let by_hand = testbed::slapd::PersonByHand {
            discord_id: Some(self.person("ada").id().to_string()),
            ..testbed::slapd::PersonByHand::named(&self.username())
        };
        self.country.bed.slapd.add_person_by_hand(&by_hand).await.map(|_| ())
    }

    /// Counts an end that the crash point brought, or takes an orderly one.
    pub(crate) fn died_of(&self, status: ExitStatus) -> Result<()> {
        if let Some(9) = status.signal() {
            return self.mourns();
        }
        ensure!(status.success(), "the bot ended with {status}");
        Ok(())
    }

    /// How many mails went to ada.
    pub(crate) fn mails(&self) -> usize {
        let address = self.address();
        self.country.bed.mail.messages().iter().filter(|mail| mail.is_to(&address)).count()
    }

    /// Waits until nothing is left to do.
    /// After the two that an approval asks for, no question about a member is answered until Discord is healed. Only at rest: a card
    /// that is still to be posted asks for its member, too.
    pub(crate) fn holds_the_members_answer(&self) {
        self.sim.fails("GET /guilds/{guild}/members/{user}", discord_sim::Effect::Hold { after: 2 }, 1);
    }

    pub(crate) async fn comes_to_rest(&self) -> Result<()> {
        self.waits_within(Duration::from_mins(2), OPEN, "").await
    }

    /// Ends the bot when nothing is left to do. A command that it answered later than it acknowledged may leave something after
    /// that moment, and on the way out, too: then the bot is started again and does it.
    async fn ends_at_rest(&self) -> Result<()> {
        let mut left = String::new();
        for _ in 0..3 {
            self.comes_to_rest().await?;
            self.stops().await?;
            left = self.sees_in_store(OPEN).await?;
            if left.is_empty() {
                return Ok(());
            }
            self.starts().await?;
        }
        bail!("each time that the bot ends it leaves something to do: {left}")
    }

    /// Ends the bot and looks at all five stores: nothing lost, nothing doubled, the chain whole; accounts in these states and as
    /// many entries and Keycloak users.
    pub(crate) async fn is_in_order(&self, accounts: &str, entries: usize) -> Result<()> {
        self.ends_at_rest().await?;
        let bed = &self.country.bed;
        let names = format!(".{}", self.name);
        let eyes = self.eyes().await?;
        let cards = self.person("grace").read_now().into_iter().map(|(_, text)| text).collect();
        let checker = Checker {
            slapd: &bed.slapd,
            keycloak: &bed.keycloak,
            realm: REALM,
            mail: &bed.mail,
            store: &eyes,
            cards,
            names_with: &names,
        };
        let violations = checker.check().await?;
        ensure!(violations.is_empty(), "{violations:#?}");
        let states = eyes.column("SELECT state FROM account ORDER BY id").await?.join(" ");
        ensure!(states == accounts, "the accounts are {states:?}, wanted {accounts:?}");
        let people = bed.slapd.people().await?;
        let found = people.iter().filter(|entry| entry.value("uid") == Some(&self.username())).count();
        ensure!(found == entries, "{found} entries");
        let users = bed.keycloak.users_with(REALM, &names).await?;
        let found = users.iter().filter(|user| user.username == self.username()).count();
        ensure!(found <= 1 && (entries == 0 || found == 1), "{found} Keycloak users");
        ensure!(self.mails() <= 2, "{} mails", self.mails());
        let live = eyes
            .rows("SELECT username, keycloak_id, directory_id FROM account WHERE state = 'active'")
            .await?;
        for link in &live {
            ensure!(!text_of(&link["directory_id"]).is_empty(), "an account without its entry");
        }
        let strange = [self.sim.violations(), self.sim.unknown_routes()].concat();
        ensure!(strange.is_empty(), "Discord would not take it: {strange:?}");
        Ok(())
    }

    /// What the bot said last, for a failure's report.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.launch().log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n");
        format!("{}\n--- ada sees:\n{}", tail, self.person("ada").sees_everything())
    }
}

async fn store_of(country: &Country, database: Database, folder: &Path) -> Result<(Value, String)> {
    let key = folder.join("store.key");
    match database {
        Database::Sqlite => {
            let url = format!("sqlite://{}", folder.join("store/accolade.sqlite").display());
            Ok((json!({"url": url, "key_file": key}), url))
        }
        Database::Postgres => {
            let postgres = &country.bed.postgres;
            let url = postgres.new_database().await?;
            let password_file = folder.join("database.password");
            let password = std::fs::read_to_string(&postgres.password_file).context("read a password")?;
            write_secret(&password_file, &password)?;
            let store = json!({"url": postgres.without_password(&url), "password_file": password_file, "key_file": key});
            Ok((store, url))
        }
    }
}

/// What is left to do.
const OPEN: &str =
    "SELECT kind FROM job WHERE state IN ('open', 'undoing') UNION ALL SELECT kind FROM outbox";

/// The answer of a bot whose database took too long: nothing happened, and the person is asked to press again.
const BUSY: &str = "press the button again";

/// The answer to a press on a card that was edited at the same moment. The card that stands there now can be pressed.
const EDITED: &str = "is out of date";

fn times_told_to_press_again(who: &Person) -> usize {
    let seen = who.sees_everything();
    [BUSY, EDITED].iter().map(|told| seen.matches(told).count()).sum()
}

fn says_busy(reply: &Reply) -> bool {
    reply.text.contains(BUSY)
}

/// Whether a press was told that its card was edited meanwhile.
pub(crate) fn says_edited(reply: &Reply) -> bool {
    reply.text.contains(EDITED)
}

/// Fails with everything that helps.
pub(crate) fn bail_with(village: &Village, error: &anyhow::Error) -> Result<()> {
    bail!("{error:#}\n--- the bot's last words:\n{}", village.last_words())
}
