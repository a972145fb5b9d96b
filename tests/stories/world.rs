//! The world of the stories: one slapd, Keycloak and mail catcher for all of them; a guild, a database and a bot for each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use accolade::app::{self, Running};
use accolade::clock::{Clock, SystemClock, SystemRng};
use accolade::config::Config;
use accolade::domain::ids::Timestamp;
use accolade::store::Store;
use discord_sim::{Bot, Guild, Options, Permissions, Person, Sim};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::browser::{Login, Outcome};
use testbed::checker::Checker;
use testbed::store_eyes::StoreEyes;
use testbed::{Bed, BedOptions, MailFault, Managed, wait_until};
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

pub(crate) const REALM: &str = "stories";
pub(crate) const MAIL_CLIENT: &str = "account-link";
pub(crate) const REDIRECT: &str = "http://localhost/welcome";
/// How long a story waits for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The servers that all stories share.
pub(crate) struct World {
    pub(crate) bed: Bed,
    pub(crate) runtime: Runtime,
    pub(crate) federation_id: String,
    pub(crate) group_mapper_id: String,
    pub(crate) client_secret_file: PathBuf,
    /// Taken for writing by a story that breaks a server which all share.
    quiet: RwLock<()>,
    _folder: TempDir,
}

/// Starts the servers at the first call. They end with the test process.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
        log::capture();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            // As `serve` has it.
            .thread_stack_size(4 * 1024 * 1024)
            .enable_all()
            .build()
            .expect("a runtime");
        let started = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(start_servers())).join());
        let (bed, made, folder) = started.expect("starting the servers does not panic");
        let text = |key: &str| made[key].as_str().expect("setup names both ids").to_owned();
        World {
            federation_id: text("federation_id"),
            group_mapper_id: text("group_mapper_id"),
            client_secret_file: folder.path().join("client.secret"),
            bed,
            runtime,
            quiet: RwLock::default(),
            _folder: folder,
        }
    })
}

async fn start_servers() -> (Bed, Value, TempDir) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stories-bed");
    let options = BedOptions { folder: Some(folder), ..BedOptions::servers() };
    let bed = Bed::start(options).await.expect("the servers start");
    for (group, managed) in [("members", Managed::Yes), ("wiki", Managed::Yes), ("unmanaged", Managed::No)] {
        bed.slapd.add_group(group, managed).await.expect("a group can be added");
    }
    let folder = private_folder();
    let file = folder.path().join("setup.toml");
    let config = Draft {
        bed: &bed,
        folder: folder.path().to_owned(),
        ids: ["", ""],
        client_secret: folder.path().join("client.secret"),
    };
    std::fs::write(folder.path().join("discord.token"), "none-yet").expect("a file can be written");
    std::fs::write(
        &file,
        config.text(&json!({}), &json!([{"id": "1", "request_channel": "1"}]), &Knobs::default()),
    )
    .expect("a file can be written");
    let made = bed
        .provision(env!("CARGO_BIN_EXE_accolade").as_ref(), &file, REALM)
        .await
        .expect("setup makes the realm");
    (bed, made, folder)
}

/// The store refuses a folder that others can read.
fn private_folder() -> TempDir {
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().permissions(private).tempdir().expect("a folder")
}

/// What a configuration is made of.
struct Draft<'a> {
    bed: &'a Bed,
    folder: PathBuf,
    ids: [&'a str; 2],
    client_secret: PathBuf,
}

/// Values that a story may set.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// `[keycloak] event_poll`
    pub(crate) event_poll: &'static str,
    /// `[budget]`
    pub(crate) budget: Value,
    /// `[username] reserved`
    pub(crate) reserved: Vec<&'static str>,
    /// The groups that the rule grants.
    pub(crate) groups: Vec<&'static str>,
    /// Another `[[guild]]`, which the bot was never invited to.
    pub(crate) beside: Option<Value>,
}

impl Default for Knobs {
    fn default() -> Self {
        let groups = vec!["members"];
        Self { event_poll: "1s", budget: json!({}), reserved: Vec::new(), groups, beside: None }
    }
}

impl Draft<'_> {
    fn text(&self, endpoint: &Value, guilds: &Value, knobs: &Knobs) -> String {
        let (slapd, keycloak) = (&self.bed.slapd, &self.bed.keycloak);
        let mut discord = json!({"token_file": self.folder.join("discord.token")});
        if endpoint.get("address").is_some() {
            discord["endpoint"] = endpoint.clone();
        }
        let config = json!({
            "discord": discord,
            "guild": guilds,
            "directory": {
                "url": slapd.ldaps_url, "ca_file": slapd.ca_file, "bind_dn": slapd.bot_dn, "bind_password_file": slapd.bot_password_file,
                "people_dn": slapd.people_dn, "groups_dn": slapd.groups_dn,
            },
            "keycloak": {
                "url": keycloak.url, "plaintext_on_loopback": true, "realm": REALM, "client_id": "accolade",
                "client_secret_file": self.client_secret, "federation_id": self.ids[0], "group_mapper_id": self.ids[1],
                "mail_client_id": MAIL_CLIENT, "mail_redirect_uri": REDIRECT, "event_poll": knobs.event_poll,
            },
            "store": {"url": format!("sqlite://{}", self.folder.join("accolade.sqlite").display()), "key_file": self.folder.join("store.key")},
            "http": {"listen": "127.0.0.1:0"},
            "username": {"reserved": knobs.reserved},
            "budget": knobs.budget,
        });
        toml::to_string(&config).expect("the configuration is TOML")
    }
}

/// The guild's rules of a story.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rule: Value,
    pub(crate) knobs: Knobs,
}

impl Rules {
    /// Members ask, moderators approve; the form asks for a reason.
    pub(crate) fn moderators() -> Self {
        Self {
            rule: json!({"name": "members", "approval": "moderators", "ask_reason": true}),
            knobs: Knobs::default(),
        }
    }

    /// Members get an account as soon as everything is free.
    pub(crate) fn automatic() -> Self {
        Self { rule: json!({"name": "trusted", "approval": "automatic"}), knobs: Knobs::default() }
    }

    /// `[[guild]]` for the story's guild.
    fn of_guild(&self, guild: &Guild) -> Value {
        let mut rule = self.rule.clone();
        rule["groups"] = json!(self.knobs.groups);
        rule["all_roles"] = json!([guild.role("member").id.to_string()]);
        json!({
            "id": guild.id.to_string(),
            "moderator_roles": [guild.role("moderator").id.to_string()],
            "admin_roles": [guild.role("admin").id.to_string()],
            "request_channel": guild.channel("account-requests").id.to_string(),
            "log_channel": guild.channel("log").id.to_string(),
            "member_role": guild.role("account-holder").id.to_string(),
            "rule": [rule],
        })
    }

    /// Other values for the configuration.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Knobs)) -> Self {
        change(&mut self.knobs);
        self
    }
}

/// Real time plus an offset that the story pushes, the simulator's along with it.
#[derive(Clone, Default)]
pub(crate) struct PushedClock(Arc<AtomicI64>);

impl Clock for PushedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.0.load(Ordering::Relaxed))
    }

    fn pause(&self, span: Duration) -> BoxFuture<'static, ()> {
        SystemClock.pause(span)
    }
}

/// What a person types into the form.
#[derive(Clone, Debug)]
pub(crate) struct Form(Vec<(&'static str, String)>);

impl Form {
    /// The same form with another value in a field.
    pub(crate) fn with(mut self, field: &'static str, value: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self.0.push((field, value.to_owned()));
        self
    }

    /// The same form without a field, for rules that do not ask for it.
    pub(crate) fn without(mut self, field: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self
    }

    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// One story: its people, its guild, its bot.
pub(crate) struct Story {
    name: &'static str,
    pub(crate) sim: Sim,
    pub(crate) bot: Bot,
    pub(crate) guild: Guild,
    pub(crate) config: Config,
    clock: PushedClock,
    app: tokio::sync::Mutex<Option<Running>>,
    eyes: StoreEyes,
    canaries: Mutex<Vec<String>>,
    mails_read: Mutex<Vec<String>>,
    folder: TempDir,
}

impl Story {
    /// Sets the story up, plays it, and ends it clean.
    pub(crate) fn plays(name: &'static str, rules: Rules, acts: impl AsyncFnOnce(&Self)) {
        let world = world();
        world.runtime.block_on(async {
            let _others = world.quiet.read().await;
            Self::goes(name, rules, acts).await;
        });
    }

    /// As [`Story::plays`], while no other story plays: for stories that break a server which all share.
    pub(crate) fn plays_alone(name: &'static str, rules: Rules, acts: impl AsyncFnOnce(&Self)) {
        let world = world();
        world.runtime.block_on(async {
            let _nobody = world.quiet.write().await;
            // What an earlier story broke and did not mend.
            world.bed.mail.set_fault(MailFault::None).await.expect("the mail catcher answers");
            Self::goes(name, rules, acts).await;
        });
    }

    async fn goes(name: &'static str, rules: Rules, acts: impl AsyncFnOnce(&Self)) {
        take_name(name);
        let story = Self::begins(name, rules).await;
        acts(&story).await;
        story.ends_clean().await;
    }

    async fn begins(name: &'static str, rules: Rules) -> Self {
        let world = world();
        let options = Options { patience: LIMIT, ..Options::default() };
        let sim = Sim::start(options).await.expect("the simulated Discord starts");
        let bot = sim.bot("Accolade");
        let guild = build_guild(&sim, name, &bot);
        let folder = private_folder();
        std::fs::write(folder.path().join("discord.token"), bot.token()).expect("a file can be written");
        let draft = Draft {
            bed: &world.bed,
            folder: folder.path().to_owned(),
            ids: [&world.federation_id, &world.group_mapper_id],
            client_secret: world.client_secret_file.clone(),
        };
        let endpoint = json!({"address": sim.tls_address().to_string(), "ca_file": sim.ca_file()});
        let file = folder.path().join("accolade.toml");
        let guilds: Vec<Value> =
            std::iter::once(rules.of_guild(&guild)).chain(rules.knobs.beside.clone()).collect();
        let guilds = json!(guilds);
        std::fs::write(&file, draft.text(&endpoint, &guilds, &rules.knobs)).expect("a file can be written");
        for secret in ["discord.token", "accolade.toml"] {
            use std::os::unix::fs::PermissionsExt as _;
            let only_us = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(folder.path().join(secret), only_us).expect("a mode can be set");
        }
        let config = match accolade::config::load(&file) {
            Ok(config) => config,
            Err(refused) => panic!("the configuration is wrong: {refused}"),
        };
        let clock = PushedClock::default();
        Store::migrate(&config.store, Arc::new(clock.clone()), Arc::new(SystemRng))
            .await
            .expect("the database is made");
        let eyes = StoreEyes::open(config.store.url.as_str()).await.expect("the database can be read");
        let story = Self {
            name,
            canaries: Mutex::new(vec![bot.token()]),
            sim,
            bot,
            guild,
            config,
            clock,
            app: tokio::sync::Mutex::default(),
            eyes,
            mails_read: Mutex::default(),
            folder,
        };
        story.starts().await;
        story
    }

    /// Starts the bot, and waits until it is on the gateway.
    pub(crate) async fn starts(&self) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let running =
            app::start(self.config.clone(), clock, Arc::new(SystemRng)).await.expect("the bot starts");
        *self.app.lock().await = Some(running);
        self.sim.waits_until_ready(&self.bot).await;
    }

    /// Stops the bot in an orderly way.
    pub(crate) async fn stops(&self) {
        if let Some(running) = self.app.lock().await.take() {
            running.stop().await;
        }
    }

    /// One round of expiry and tidying, at once.
    pub(crate) async fn tidies(&self) {
        let worker = self.app.lock().await.as_ref().expect("the bot runs").background().clone();
        // The bot's own round may take the lease from under this one.
        while let Err(error) = worker.housekeep().await {
            assert!(matches!(error, accolade::store::StoreError::LostLease), "{error}");
        }
    }

    /// Runs the bot's command line beside the running bot; it must succeed.
    pub(crate) async fn commands(&self, arguments: &[&str]) -> String {
        let (code, out) = self.commands_with_code(arguments).await;
        assert_eq!(code, Some(0), "accolade {arguments:?}: {out}");
        out
    }

    /// Runs the bot's command line beside the running bot: its exit code, and what it said (a failure with the reason).
    pub(crate) async fn commands_with_code(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_accolade"))
            .arg("--config")
            .arg(self.folder.path().join("accolade.toml"))
            .args(arguments)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, run).await.expect("it ends").expect("it runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let said = if out.is_empty() { err } else { out };
        (output.status.code(), said.into_owned())
    }

    /// The story's database, opened beside the running bot.
    pub(crate) async fn store(&self) -> Store {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Store::open(&self.config.store, clock, Arc::new(SystemRng)).await.expect("the database opens")
    }

    /// The custom ids of a verb's buttons in the order in which the bot first sent them, however long ago.
    pub(crate) fn buttons_sent(&self, verb: &str) -> Vec<String> {
        fn walk(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    if let Some(id) = fields.get("custom_id").and_then(Value::as_str) {
                        found.push(id.to_owned());
                    }
                    fields.values().for_each(|inner| walk(inner, found));
                }
                Value::Array(values) => values.iter().for_each(|inner| walk(inner, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let mut all = Vec::new();
        for request in self.sim.requests() {
            walk(&request.body, &mut all);
        }
        let mut seen = Vec::new();
        for id in all.into_iter().filter(|id| id.split(':').nth(1) == Some(verb)) {
            if !seen.contains(&id) {
                seen.push(id);
            }
        }
        seen
    }

    /// Grace approves, and the worker has no answer about the member until Discord is healed: the approval itself asks for two.
    pub(crate) async fn is_approved_and_not_begun(&self) {
        self.comes_to_rest().await;
        self.sim.fails("GET /guilds/{guild}/members/{user}", discord_sim::Effect::Hold { after: 2 }, 1);
        let pressed = self.person("grace").presses("Approve").await;
        assert!(!pressed.failed, "{pressed}");
        let approved = "SELECT state FROM request WHERE state = 'approved'";
        self.waits_for_rows(approved, &["approved"]).await;
    }

    /// A person of the guild, in `#general`.
    pub(crate) fn person(&self, name: &str) -> Person {
        self.guild.member(name)
    }

    /// The user name that a person asks for: unique among all stories.
    pub(crate) fn username(&self, person: &str) -> String {
        format!("{person}.{}", self.name)
    }

    /// A person's mail address: unique among all stories.
    pub(crate) fn address(&self, person: &str) -> String {
        format!("{person}.{}@people.example", self.name)
    }

    /// A legal form of a person. Its personal values become canaries: they must never reach the log.
    pub(crate) fn form(&self, person: &str) -> Form {
        let (address, given, family) = (
            self.address(person),
            format!("Given-{person}-{}", self.name),
            format!("Family-{person}-{}", self.name),
        );
        let answer = format!("Because {person} of {} asks", self.name);
        for value in [&address, &given, &family, &answer] {
            self.keeps_secret(value);
        }
        Form(vec![
            ("username", self.username(person)),
            ("address", address),
            ("given", given),
            ("family", family),
            ("answer", answer),
        ])
    }

    /// From now on this must never be found in the log.
    pub(crate) fn keeps_secret(&self, value: &str) {
        self.canaries.lock().expect("not poisoned").push(value.to_owned());
    }

    /// A person opens the form, fills it and sends the request.
    pub(crate) async fn asks_with(&self, person: &str, form: &Form) -> String {
        let who = self.person(person);
        let opened = who.runs("/account request").await;
        assert!(opened.modal.is_some(), "no form for {person}: {opened}");
        let shown = who.submits(&form.fields()).await;
        assert!(shown.text.contains("[Send]"), "the draft cannot be sent: {shown}");
        who.presses("Send").await.text
    }

    /// A person hands in a legal request, and a moderator has read its card, checked.
    pub(crate) async fn asks(&self, person: &str) {
        let said = self.asks_with(person, &self.form(person)).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        self.person("grace").waits_for("name and address are free").await;
    }

    /// Grace approves the request on the newest card, everything is made, and the person is told.
    pub(crate) async fn is_approved(&self, person: &str) {
        let grace = self.person("grace");
        let pressed = grace.presses("Approve").await;
        assert!(!pressed.failed, "{pressed}");
        self.person(person).waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        self.reads_mail(person);
    }

    /// What `/account status` says to a person.
    pub(crate) async fn status(&self, person: &str) -> String {
        let reply = self.person(person).runs("/account status").await;
        assert!(reply.ephemeral, "the status is shown to everybody: {reply}");
        reply.text
    }

    /// Pushes time for the bot and for Discord.
    pub(crate) fn advances(&self, by: Duration) {
        self.clock.0.fetch_add(i64::try_from(by.as_millis()).expect("a short span"), Ordering::Relaxed);
        self.sim.advance(by);
    }

    /// Pushes time for the bot alone: what Discord sends from now on comes this late.
    pub(crate) fn the_bot_is_ahead_by(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_millis()).expect("a short span"), Ordering::Relaxed);
    }

    /// Waits for a line of this guild's in the log that says something.
    pub(crate) async fn waits_for_log(&self, text: &str) {
        let guild = self.guild.id.to_string();
        let found = wait_until("the log says it", LIMIT, async || Ok(log::has_line(&[&guild, text]))).await;
        assert!(found.is_ok(), "no line of the log has {guild} and {text:?}");
    }

    /// Waits for a mail to the person and takes the link out of it.
    pub(crate) async fn mailed_link(&self, person: &str) -> String {
        let address = self.address(person);
        let mail = world().bed.mail.wait_for_mail_to(&address, LIMIT).await.expect("a mail arrives");
        self.reads_mail(person);
        let is_action = |link: &&String| link.contains("action-token");
        let link = mail.links.iter().find(is_action).expect("the mail has a link").clone();
        if let Some((_, token)) = link.split_once("key=") {
            self.keeps_secret(token.split('&').next().unwrap_or(token));
        }
        link
    }

    /// Follows the link and sets a password.
    pub(crate) async fn sets_password(&self, person: &str, link: &str) -> String {
        let password = format!("Pw-{person}-{}-1", self.name);
        self.keeps_secret(&password);
        let outcome =
            testbed::browser::follow_action_link(link, &password).await.expect("Keycloak's pages answer");
        assert_eq!(outcome, Outcome::PasswordSet, "the link leads to a form that takes the password");
        password
    }

    /// The mail's link is followed, the password set, and the person told that the account is in use.
    pub(crate) async fn activates(&self, person: &str) -> String {
        let link = self.mailed_link(person).await;
        let password = self.sets_password(person, &link).await;
        self.person(person).waits_for("A password was set").await;
        // The address and the reason are erased by now, from the card too.
        self.person("grace").waits_for("Account created").await;
        password
    }

    /// Whether the directory takes the password.
    pub(crate) async fn bind_works(&self, person: &str, password: &str) -> bool {
        let slapd = &world().bed.slapd;
        let dn = slapd.person_dn(&self.username(person));
        slapd.bind_works(&dn, password).await.expect("the directory answers")
    }

    /// Whether Keycloak's login page refuses the password.
    pub(crate) async fn login_is_refused(&self, person: &str, password: &str) -> bool {
        let url = &world().bed.keycloak.public_url;
        let username = self.username(person);
        let login = testbed::browser::login_by_code(url, REALM, MAIL_CLIENT, REDIRECT, &username, password);
        matches!(login.await.expect("Keycloak's pages answer"), Login::Refused(_))
    }

    /// Logs in by authorization code; the groups of the token, without a leading slash.
    pub(crate) async fn groups_in_token(&self, person: &str, password: &str) -> Vec<String> {
        let url = &world().bed.keycloak.public_url;
        let username = self.username(person);
        let login = testbed::browser::login_by_code(url, REALM, MAIL_CLIENT, REDIRECT, &username, password)
            .await
            .expect("Keycloak's pages answer");
        match login {
            Login::Tokens(tokens) => {
                tokens.groups().iter().map(|group| group.trim_start_matches('/').to_owned()).collect()
            }
            Login::Refused(why) => panic!("the login was refused: {why}"),
        }
    }

    /// The entry of a person, if the directory has it.
    pub(crate) async fn entry(&self, person: &str) -> Option<testbed::slapd::Entry> {
        let slapd = &world().bed.slapd;
        slapd.entry(&slapd.person_dn(&self.username(person))).await.expect("the directory answers")
    }

    /// Whether Keycloak has a user of the person's name.
    pub(crate) async fn has_keycloak_user(&self, person: &str) -> bool {
        let keycloak = &world().bed.keycloak;
        keycloak.user_named(REALM, &self.username(person)).await.expect("Keycloak answers").is_some()
    }

    /// How many mails went to the person.
    pub(crate) fn mails_to(&self, person: &str) -> usize {
        let address = self.address(person);
        world().bed.mail.messages().iter().filter(|mail| mail.is_to(&address)).count()
    }

    /// Says that the mails to a person are as expected, read or not.
    pub(crate) fn reads_mail(&self, person: &str) {
        self.mails_read.lock().expect("not poisoned").push(self.address(person));
    }

    /// Nothing was made for the person: no entry, no Keycloak user, no mail.
    pub(crate) async fn nothing_is_made_for(&self, person: &str) {
        assert!(self.entry(person).await.is_none(), "{person} has an entry");
        assert!(!self.has_keycloak_user(person).await, "{person} has a Keycloak user");
        assert_eq!(self.mails_to(person), 0, "{person} got mail");
    }

    /// The person has no unread message of their own: what stands in channels for all does not count, and is read now.
    pub(crate) fn is_told_nothing(&self, person: &str) {
        for (_, text) in self.person(person).read_now() {
            assert!(text.starts_with('#') && !text.contains("(only you)"), "{person} was told: {text}");
        }
    }

    /// The events of the audit log, in order.
    pub(crate) async fn audit_events(&self) -> Vec<String> {
        self.rows("SELECT event FROM audit ORDER BY seq").await
    }

    /// The first column of a query on the story's database.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.eyes.column(sql).await.expect("the database answers")
    }

    /// Waits until a query on the story's database answers with `wanted` as its first column.
    pub(crate) async fn waits_for_rows(&self, sql: &str, wanted: &[&str]) {
        let mut seen = Vec::new();
        let found = wait_until("the rows are as wanted", LIMIT, async || {
            seen = self.rows(sql).await;
            Ok(seen == wanted)
        })
        .await;
        assert!(found.is_ok(), "`{sql}` stays at {seen:?}, wanted {wanted:?}");
    }

    /// Pushes time over every pause between two tries, until a query answers with something.
    pub(crate) async fn hurries_until(&self, sql: &str) {
        let waited = wait_until("the job goes on", LIMIT, async || {
            let now = self.clock.now().as_millis() + 1000;
            let resting = format!(
                "SELECT id FROM job WHERE state IN ('open', 'undoing') AND lease_until = 0 AND next_run > {now}"
            );
            if !self.rows(&resting).await.is_empty() {
                self.advances(Duration::from_mins(2));
            }
            Ok(!self.rows(sql).await.is_empty())
        })
        .await;
        let jobs = self.rows("SELECT kind || ' ' || state || ' ' || coalesce(step, '') || ' ' || coalesce(error_code, '') FROM job").await;
        assert!(waited.is_ok(), "`{sql}` stays empty: {jobs:?}");
    }

    /// Waits until no job and no message is on its way.
    pub(crate) async fn comes_to_rest(&self) {
        self.waits_for_rows("SELECT kind FROM job WHERE state IN ('open', 'undoing')", &[]).await;
        self.waits_for_rows("SELECT kind FROM outbox", &[]).await;
    }

    /// Personal values and secrets are in no file of the database, not even where they were erased.
    fn files_hide(&self, canaries: &[String]) {
        let mut looked_into = 0;
        for file in std::fs::read_dir(self.folder.path()).expect("the folder").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.starts_with("accolade.sqlite") {
                continue;
            }
            let bytes = std::fs::read(file.path()).expect("a file");
            for canary in canaries {
                let is_there = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
                assert!(!is_there, "{name} holds a secret or a personal value: {canary}");
            }
            looked_into += 1;
        }
        assert!(looked_into > 0, "the database's file was not found");
    }

    /// Nothing that people were sent shows what is behind the bot: no server, no name in the directory, no filter, no SQL, no source.
    fn nobody_saw_an_inside(&self) {
        let (slapd, keycloak) = (&world().bed.slapd, &world().bed.keycloak);
        let folder = self.folder.path().to_string_lossy().into_owned();
        let ours = [&slapd.base, &slapd.ldap_url, &slapd.ldaps_url, &keycloak.url, &slapd.bot_dn, &folder];
        // Outside of code spans, where people's own words stand.
        let inside = [
            "dc=",
            "ou=",
            "cn=",
            "uid=",
            "ldap://",
            "ldaps://",
            "127.0.0.1",
            "localhost",
            "objectClass",
            "entryUUID",
            "SELECT ",
            "INSERT ",
            "UPDATE ",
            "DELETE ",
            "sqlite",
            "sqlx",
            "serenity",
            "reqwest",
            "panicked",
            ".rs:",
            "Err(",
            "(&(",
            "(|(",
        ];
        let mut texts = Vec::new();
        for request in self.sim.requests() {
            texts_in(&request.body, &mut texts);
        }
        for text in &texts {
            let leaked = ours.iter().find(|value| text.contains(value.as_str()));
            assert_eq!(leaked, None, "people read where a server is: {text}");
            let plain: String = text.split('`').step_by(2).collect();
            let leaked = inside.iter().find(|word| plain.contains(**word));
            assert_eq!(leaked, None, "people read what is behind the bot: {text}");
        }
    }

    async fn ends_clean(&self) {
        self.comes_to_rest().await;
        self.stops().await;
        self.sim.assert_clean();
        let read = self.mails_read.lock().expect("not poisoned").clone();
        let mine = format!(".{}@people.example", self.name);
        for mail in world().bed.mail.messages() {
            for to in mail.to.iter().filter(|to| to.ends_with(&mine)) {
                assert!(read.contains(to), "a mail to {to} was not read");
            }
        }
        let canaries = self.canaries.lock().expect("not poisoned").clone();
        for canary in &canaries {
            assert!(!log::contains(canary), "the log contains a secret or a personal value: {canary}");
        }
        self.files_hide(&canaries);
        self.nobody_saw_an_inside();
        let bed = &world().bed;
        let checker = Checker {
            slapd: &bed.slapd,
            keycloak: &bed.keycloak,
            realm: REALM,
            mail: &bed.mail,
            store: &self.eyes,
            cards: self.guild.history("account-requests").into_iter().map(|(_, card)| card).collect(),
            names_with: &format!(".{}", self.name),
        };
        let violations = checker.check().await.expect("all five stores answer");
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        #[expect(clippy::print_stderr, reason = "the test harness shows it below the failed test")]
        if std::thread::panicking() {
            eprintln!("the end of the log:\n{}", log::tail(60));
        }
    }
}

/// Every text that a message or a form shows to people.
fn texts_in(body: &Value, found: &mut Vec<String>) {
    const SHOWN: [&str; 6] = ["content", "title", "label", "placeholder", "value", "description"];
    match body {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner.as_str() {
                    Some(text) if SHOWN.contains(&name.as_str()) => found.push(text.to_owned()),
                    Some(_) | None => texts_in(inner, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|inner| texts_in(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// No story's name may begin with another's: names tell whose entries and mails are whose.
fn take_name(name: &'static str) {
    static TAKEN: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    assert!(name.len() <= 9, "{name} is too long: user names have 20 characters");
    let mut taken = TAKEN.lock().expect("not poisoned");
    let clash = taken.iter().find(|other| other.starts_with(name) || name.starts_with(**other)).copied();
    if clash.is_none() {
        taken.push(name);
    }
    drop(taken);
    assert_eq!(clash, None, "{name} is taken");
}

fn build_guild(sim: &Sim, name: &str, bot: &Bot) -> Guild {
    sim.guild(name)
        .role("member")
        .role("account-holder")
        .role("moderator")
        .role("admin")
        .role_with("accolade", Permissions::MANAGE_ROLES)
        .channel("general")
        .channel("account-requests")
        .channel("log")
        .bot(bot)
        .person("ada", &["member"])
        .person("barbara", &["member"])
        .person("grace", &["member", "moderator"])
        .person("margaret", &["member", "moderator"])
        .person("linus", &["member", "admin"])
        .person("mallory", &[])
        .build()
}

/// The log of all stories, kept in memory so that each can look for its canaries.
mod log {
    use std::io;
    use std::sync::Mutex;

    use accolade::config::{Log, LogFormat};

    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

    struct Lines;

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LINES.lock().map_err(|_| io::Error::other("poisoned"))?.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn capture() {
        let tells = std::panic::take_hook();
        let log = Log { format: LogFormat::Text, filter: "info,accolade=debug".to_owned() };
        accolade::telemetry::start_into(&log, || Lines).expect("nobody else took the log");
        // The product's own hook keeps to itself what a panic says; a failed story has to tell.
        let counts = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tells(panic);
            counts(panic);
        }));
    }

    /// The last lines, for a story that failed.
    pub(super) fn tail(lines: usize) -> String {
        let bytes = LINES.lock().expect("not poisoned");
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Whether one line has all of these.
    pub(super) fn has_line(parts: &[&str]) -> bool {
        let bytes = LINES.lock().expect("not poisoned");
        String::from_utf8_lossy(&bytes).lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }

    pub(super) fn contains(text: &str) -> bool {
        let lines = LINES.lock().expect("not poisoned");
        lines.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// Directory and Keycloak stand still; whatever happens in the story, the servers that all share go on afterwards.
pub(crate) struct Frozen;

impl Frozen {
    pub(crate) fn both() -> Self {
        world().bed.slapd.freeze();
        world().bed.keycloak.freeze();
        Self
    }

    /// Keycloak alone.
    pub(crate) fn keycloak() -> Self {
        world().bed.keycloak.freeze();
        Self
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        world().bed.slapd.thaw();
        world().bed.keycloak.thaw();
    }
}
