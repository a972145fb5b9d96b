//! Stories: the bot in this process, a guild for each story, and people who act and read.
//!
//! All stories share one slapd, one Keycloak and one mail catcher. Each story has its own guild, database and bot.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use accolade::app::{self, Running};
use accolade::clock::{Clock as _, SystemRng};
use accolade::config::Config;
use accolade::store::Store;
use discord_sim::{Bot, Guild, Person, Sim};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::browser::{Login, Outcome};
use testbed::config::{MAIL_CLIENT, REDIRECT};
use testbed::{MailFault, wait_until};

use crate::servers::{REALM, binary, shared, visit, visit_alone};
use crate::{DbInspector, PushedClock, guild, log, private_folder, write_secret};

/// The longest time that a story waits for anything.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Values of the configuration that a story may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// `[keycloak] event_poll`
    pub event_poll: &'static str,
    /// `[rate_limits]`
    pub rate_limits: Value,
    /// `[username] reserved`
    pub reserved: Vec<&'static str>,
    /// The groups that the rule grants.
    pub groups: Vec<&'static str>,
    /// Another `[[guild]]`, which the bot was never invited to.
    pub beside: Option<Value>,
    /// Whether Discord limits how many calls the bot makes.
    pub has_rate_limits: bool,
}

impl Default for Options {
    fn default() -> Self {
        let groups = vec!["members"];
        Self {
            event_poll: "1s",
            rate_limits: json!({}),
            reserved: Vec::new(),
            groups,
            beside: None,
            has_rate_limits: true,
        }
    }
}

/// The rules of a story's guild.
#[derive(Clone, Debug)]
pub struct Rules {
    rule: Value,
    /// The other values of the configuration.
    pub options: Options,
}

impl Rules {
    /// Members ask and moderators approve. The form asks for a reason.
    pub fn moderators() -> Self {
        Self {
            rule: json!({"name": "members", "approval": "moderators", "ask_reason": true}),
            options: Options::default(),
        }
    }

    /// Members get an account without a moderator as soon as name and address are free.
    pub fn automatic() -> Self {
        Self { rule: json!({"name": "trusted", "approval": "automatic"}), options: Options::default() }
    }

    /// `[[guild]]` for the story's guild.
    fn of_guild(&self, guild: &Guild) -> Value {
        let mut rule = self.rule.clone();
        rule["groups"] = json!(self.options.groups);
        rule["all_roles"] = json!([guild.role("member").id.to_string()]);
        guild::section(guild, &[rule])
    }

    /// The same rules with other values in the configuration.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }
}

/// What a person types into the form.
#[derive(Clone, Debug)]
pub struct Form(Vec<(&'static str, String)>);

impl Form {
    /// The same form with another value in a field.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self.0.push((field, value.to_owned()));
        self
    }

    /// The same form without a field, for rules that do not ask for it.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self
    }

    /// The fields with their values.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// One story, with its people, its guild and its bot.
pub struct Story {
    name: &'static str,
    /// The simulated Discord.
    pub sim: Sim,
    /// The bot's application in it.
    pub bot: Bot,
    /// The guild.
    pub guild: Guild,
    /// The bot's configuration.
    pub config: Config,
    clock: Arc<PushedClock>,
    app: tokio::sync::Mutex<Option<Running>>,
    db: DbInspector,
    canaries: Mutex<Vec<String>>,
    mails_read: Mutex<Vec<String>>,
    folder: TempDir,
}

impl Story {
    /// Sets up the story, runs it, and ends it with all checks.
    pub fn plays(name: &'static str, rules: Rules, acts: impl AsyncFnOnce(&Self)) {
        log::capture();
        let (harness, _others) = visit();
        harness.runtime.block_on(Self::goes(name, rules, acts));
    }

    /// As [`Story::plays`], while no other story runs: for stories that break a shared server.
    pub fn plays_alone(name: &'static str, rules: Rules, acts: impl AsyncFnOnce(&Self)) {
        log::capture();
        let (harness, _alone) = visit_alone();
        harness.runtime.block_on(async {
            // An earlier story may have failed before it repaired the mail catcher.
            harness.servers.mail.set_fault(MailFault::None).await.expect("the mail catcher answers");
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
        let options = discord_sim::Options {
            patience: LIMIT,
            rate_limits: rules.options.has_rate_limits,
            ..discord_sim::Options::default()
        };
        let sim = Sim::start(options).await.expect("the simulated Discord starts");
        let bot = sim.bot("Accolade");
        let guild = guild::builder(&sim, name, &bot)
            .person("ada", &["member"])
            .person("barbara", &["member"])
            .person("grace", &["member", "moderator"])
            .person("margaret", &["member", "moderator"])
            .person("linus", &["member", "admin"])
            .person("mallory", &[])
            .build();
        let folder = private_folder();
        let token_file = write_secret(folder.path(), "discord.token", &bot.token());
        let discord = testbed::config::discord(&token_file, sim.tls_address(), sim.ca_file());
        let Options { beside, event_poll, reserved, rate_limits, .. } = rules.options.clone();
        let guilds = std::iter::once(rules.of_guild(&guild)).chain(beside).collect();
        let file = folder.path().join("accolade.sqlite");
        let section = testbed::config::sqlite(&file, &folder.path().join("store.key"));
        let mut config = shared().config(discord, guilds, section);
        config["keycloak"]["event_poll"] = json!(event_poll);
        config["username"] = json!({ "reserved": reserved });
        config["rate_limits"] = rate_limits;
        let file = folder.path().join("accolade.toml");
        testbed::config::write(&file, &config).expect("the configuration is written");
        let config = match accolade::config::load(&file) {
            Ok(config) => config,
            Err(error) => panic!("the configuration is wrong: {error}"),
        };
        let clock = Arc::new(PushedClock::default());
        Store::migrate(&config.store, clock.clone(), Arc::new(SystemRng))
            .await
            .expect("the database is made");
        let db = DbInspector::open(config.store.url.as_str()).await.expect("the database can be read");
        let story = Self {
            name,
            canaries: Mutex::new(vec![bot.token()]),
            sim,
            bot,
            guild,
            config,
            clock,
            app: tokio::sync::Mutex::default(),
            db,
            mails_read: Mutex::default(),
            folder,
        };
        story.starts().await;
        story
    }

    /// Starts the bot and waits until it is connected to the gateway.
    pub async fn starts(&self) {
        self.starts_uninvited().await;
        self.sim.waits_until_ready(&self.bot).await;
    }

    /// Starts the bot while it is in no guild, so it can register no commands.
    pub async fn starts_uninvited(&self) {
        let running = app::start(self.config.clone(), self.clock.clone(), Arc::new(SystemRng)).await;
        let running = running.expect("the bot starts");
        *self.app.lock().await = Some(running);
    }

    /// Where the bot's health page is.
    pub async fn health_address(&self) -> std::net::SocketAddr {
        self.app.lock().await.as_ref().expect("the bot runs").health_address()
    }

    /// Shuts the bot down in an orderly way.
    pub async fn stops(&self) {
        if let Some(running) = self.app.lock().await.take() {
            running.stop().await;
        }
    }

    /// Lets the bot take another configuration, as SIGHUP does.
    pub async fn reloads(&self, config: Config) {
        let running = self.app.lock().await;
        let changes = running.as_ref().expect("the bot runs").reload(config).await;
        assert!(changes.needs_restart.is_empty(), "{changes:?}");
    }

    /// Runs one round of expiry and housekeeping at once.
    pub async fn tidies(&self) {
        let worker = self.app.lock().await.as_ref().expect("the bot runs").background().clone();
        // The bot's own round may take the lease before this one.
        while let Err(error) = worker.housekeep().await {
            assert!(matches!(error, accolade::store::StoreError::LostLease), "{error}");
        }
    }

    /// Runs the bot's command line while the bot is running; it must succeed.
    pub async fn commands(&self, arguments: &[&str]) -> String {
        let (code, out) = self.commands_with_code(arguments).await;
        assert_eq!(code, Some(0), "accolade {arguments:?}: {out}");
        out
    }

    /// Runs the bot's command line while the bot is running. Returns its exit code and its output, which includes the reason of a
    /// failure.
    pub async fn commands_with_code(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let run = tokio::process::Command::new(binary())
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

    /// Opens the story's database while the bot is running.
    pub async fn store(&self) -> Store {
        Store::open(&self.config.store, self.clock.clone(), Arc::new(SystemRng))
            .await
            .expect("the database opens")
    }

    /// The custom ids of a verb's buttons, in the order in which the bot first sent them, since the start of the story.
    pub fn buttons_sent(&self, verb: &str) -> Vec<String> {
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

    /// Grace approves, and the worker gets no answer about the member until Discord is healed. The approval itself makes two such
    /// calls.
    pub async fn is_approved_and_not_begun(&self) {
        self.wait_until_idle().await;
        self.sim.fails("GET /guilds/{guild}/members/{user}", discord_sim::Effect::Hold { after: 2 }, 1);
        let pressed = self.person("grace").presses("Approve").await;
        assert!(!pressed.failed, "{pressed}");
        let approved = "SELECT state FROM request WHERE state = 'approved'";
        self.waits_for_rows(approved, &["approved"]).await;
    }

    /// A person of the guild, who acts in `#general`.
    pub fn person(&self, name: &str) -> Person {
        self.guild.member(name)
    }

    /// The user name that a person asks for, unique among all stories.
    pub fn username(&self, person: &str) -> String {
        format!("{person}.{}", self.name)
    }

    /// A person's mail address, unique among all stories.
    pub fn address(&self, person: &str) -> String {
        format!("{person}.{}@people.example", self.name)
    }

    /// A valid form of a person. Its personal values become canaries, which must never appear in the log.
    pub fn form(&self, person: &str) -> Form {
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

    /// Adds a value that must not appear in the log from now on.
    pub fn keeps_secret(&self, value: &str) {
        self.canaries.lock().expect("not poisoned").push(value.to_owned());
    }

    /// A person opens the form, fills it and sends the request.
    pub async fn asks_with(&self, person: &str, form: &Form) -> String {
        let who = self.person(person);
        let opened = who.runs("/account request").await;
        assert!(opened.modal.is_some(), "no form for {person}: {opened}");
        let shown = who.submits(&form.fields()).await;
        assert!(shown.text.contains("[Send]"), "the draft cannot be sent: {shown}");
        who.presses("Send").await.text
    }

    /// A person sends a valid request, and a moderator reads its card after the availability check.
    pub async fn asks(&self, person: &str) {
        let said = self.asks_with(person, &self.form(person)).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        self.person("grace").waits_for("name and address are free").await;
    }

    /// Grace approves the request on the newest card, the account is created, and the person is told.
    pub async fn is_approved(&self, person: &str) {
        let grace = self.person("grace");
        let pressed = grace.presses("Approve").await;
        assert!(!pressed.failed, "{pressed}");
        self.person(person).waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        self.reads_mail(person);
    }

    /// The answer to a person's `/account status`.
    pub async fn status(&self, person: &str) -> String {
        let reply = self.person(person).runs("/account status").await;
        assert!(reply.ephemeral, "the status is shown to everybody: {reply}");
        reply.text
    }

    /// Moves the clocks of the bot and of Discord forward.
    pub fn advances(&self, by: Duration) {
        self.clock.push(by);
        self.sim.advance(by);
    }

    /// Moves only the bot's clock forward, so what Discord sends from now on arrives late by `span`.
    pub fn the_bot_is_ahead_by(&self, span: Duration) {
        self.clock.push(span);
    }

    /// Waits for a log line that names this guild and contains the text.
    pub async fn waits_for_log(&self, text: &str) {
        let guild = self.guild.id.to_string();
        let found = wait_until("the log to say it", LIMIT, async || Ok(log::has_line(&[&guild, text]))).await;
        assert!(found.is_ok(), "no line of the log has {guild} and {text:?}");
    }

    /// Waits for a mail to the person and returns its link.
    pub async fn mailed_link(&self, person: &str) -> String {
        let address = self.address(person);
        let mail = shared().servers.mail.wait_for_mail_to(&address, LIMIT).await.expect("a mail arrives");
        self.reads_mail(person);
        let is_action = |link: &&String| link.contains("action-token");
        let link = mail.links.iter().find(is_action).expect("the mail has a link").clone();
        if let Some((_, token)) = link.split_once("key=") {
            self.keeps_secret(token.split('&').next().unwrap_or(token));
        }
        link
    }

    /// Follows the link and sets a password. Returns the password.
    pub async fn sets_password(&self, person: &str, link: &str) -> String {
        let password = format!("Pw-{person}-{}-1", self.name);
        self.keeps_secret(&password);
        let outcome =
            testbed::browser::follow_action_link(link, &password).await.expect("Keycloak's pages answer");
        assert_eq!(outcome, Outcome::PasswordSet, "the link leads to a form that takes the password");
        password
    }

    /// The person follows the mail's link, sets a password, and is told that the account is active.
    pub async fn activates(&self, person: &str) -> String {
        let link = self.mailed_link(person).await;
        let password = self.sets_password(person, &link).await;
        self.person(person).waits_for("A password was set").await;
        // The address and the reason are erased by then, also from the card.
        self.person("grace").waits_for("Account created").await;
        password
    }

    /// Whether the directory accepts the password.
    pub async fn bind_works(&self, person: &str, password: &str) -> bool {
        let slapd = &shared().servers.slapd;
        let dn = slapd.person_dn(&self.username(person));
        slapd.bind_works(&dn, password).await.expect("the directory answers")
    }

    /// Whether Keycloak's login page refuses the password.
    pub async fn login_is_refused(&self, person: &str, password: &str) -> bool {
        let url = &shared().servers.keycloak.public_url;
        let username = self.username(person);
        let login = testbed::browser::login_by_code(url, REALM, MAIL_CLIENT, REDIRECT, &username, password);
        matches!(login.await.expect("Keycloak's pages answer"), Login::Refused(_))
    }

    /// Logs in with the authorization code flow. Returns the groups in the token, without a leading slash.
    pub async fn groups_in_token(&self, person: &str, password: &str) -> Vec<String> {
        let url = &shared().servers.keycloak.public_url;
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
    pub async fn entry(&self, person: &str) -> Option<testbed::slapd::Entry> {
        let slapd = &shared().servers.slapd;
        slapd.entry(&slapd.person_dn(&self.username(person))).await.expect("the directory answers")
    }

    /// Whether Keycloak has a user with the person's name.
    pub async fn has_keycloak_user(&self, person: &str) -> bool {
        let keycloak = &shared().servers.keycloak;
        keycloak.user_named(REALM, &self.username(person)).await.expect("Keycloak answers").is_some()
    }

    /// The number of mails to the person.
    pub fn mails_to(&self, person: &str) -> usize {
        let address = self.address(person);
        shared().servers.mail.messages().iter().filter(|mail| mail.is_to(&address)).count()
    }

    /// Marks the mails to the person as expected.
    pub fn reads_mail(&self, person: &str) {
        self.mails_read.lock().expect("not poisoned").push(self.address(person));
    }

    /// Asserts that nothing was created for the person: no entry, no Keycloak user, no mail.
    pub async fn nothing_is_made_for(&self, person: &str) {
        assert!(self.entry(person).await.is_none(), "{person} has an entry");
        assert!(!self.has_keycloak_user(person).await, "{person} has a Keycloak user");
        assert_eq!(self.mails_to(person), 0, "{person} got mail");
    }

    /// Asserts that the person has no unread message of their own. Messages in public channels do not count; they are marked as read.
    pub fn is_told_nothing(&self, person: &str) {
        for (_, text) in self.person(person).read_now() {
            assert!(text.starts_with('#') && !text.contains("(only you)"), "{person} was told: {text}");
        }
    }

    /// The events of the audit log, in order.
    pub async fn audit_events(&self) -> Vec<String> {
        self.rows("SELECT event FROM audit ORDER BY seq").await
    }

    /// The first column of a query on the story's database.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        self.db.column(sql).await.expect("the database answers")
    }

    /// Waits until the first column of a query on the story's database equals `wanted`.
    pub async fn waits_for_rows(&self, sql: &str, wanted: &[&str]) {
        let mut seen = Vec::new();
        let found = wait_until("the wanted rows", LIMIT, async || {
            seen = self.rows(sql).await;
            Ok(seen == wanted)
        })
        .await;
        assert!(found.is_ok(), "`{sql}` stays at {seen:?}, wanted {wanted:?}");
    }

    /// Moves the clocks past every pause between two tries, until a query returns a row.
    pub async fn hurries_until(&self, sql: &str) {
        let waited = wait_until("the job to go on", LIMIT, async || {
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

    /// Waits until no job and no message is open.
    pub async fn wait_until_idle(&self) {
        self.waits_for_rows("SELECT kind FROM job WHERE state IN ('open', 'undoing')", &[]).await;
        self.waits_for_rows("SELECT kind FROM outbox", &[]).await;
    }

    /// Asserts that no file of the database contains a personal value or a secret, not even one that was erased.
    fn files_hide(&self, canaries: &[String]) {
        let mut looked_into = 0;
        for file in std::fs::read_dir(self.folder.path()).expect("the folder").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.starts_with("accolade.sqlite") {
                continue;
            }
            let bytes = std::fs::read(file.path()).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            for canary in canaries {
                let is_there = text.contains(canary.as_str());
                assert!(!is_there, "{name} contains a secret or a personal value: {canary}");
            }
            looked_into += 1;
        }
        assert!(looked_into > 0, "the database's file was not found");
    }

    /// Asserts that no message reveals internals: no server, no name in the directory, no filter, no SQL, no source.
    fn nobody_saw_an_inside(&self) {
        let (slapd, keycloak) = (&shared().servers.slapd, &shared().servers.keycloak);
        let folder = self.folder.path().to_string_lossy().into_owned();
        let ours = [&slapd.base, &slapd.ldap_url, &slapd.ldaps_url, &keycloak.url, &slapd.bot_dn, &folder];
        // Code spans are left out, because they contain people's own text.
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
            assert_eq!(leaked, None, "a message reveals the address of a server: {text}");
            let plain: String = text.split('`').step_by(2).collect();
            let leaked = inside.iter().find(|word| plain.contains(**word));
            assert_eq!(leaked, None, "a message reveals internals: {text}");
        }
    }

    async fn ends_clean(&self) {
        self.wait_until_idle().await;
        self.stops().await;
        self.sim.assert_clean();
        let read = self.mails_read.lock().expect("not poisoned").clone();
        let mine = format!(".{}@people.example", self.name);
        for mail in shared().servers.mail.messages() {
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
        let cards = self.guild.history("account-requests").into_iter().map(|(_, card)| card).collect();
        let violations = shared().violations(&format!(".{}", self.name), &self.db, cards).await;
        let violations = violations.expect("all five stores answer");
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

/// Collects every text that a message or a form shows to people.
fn texts_in(body: &Value, found: &mut Vec<String>) {
    const SHOWN: [&str; 8] =
        ["content", "title", "label", "placeholder", "value", "description", "name", "text"];
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

/// Reserves a story's name. No name may be a prefix of another, because names tell which entries and mails belong to which story.
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

/// The directory and Keycloak are stopped. They continue when this value is dropped, so a failed story leaves no frozen server.
pub struct Frozen;

impl Frozen {
    /// Stops both.
    pub fn both() -> Self {
        shared().servers.slapd.freeze();
        shared().servers.keycloak.freeze();
        Self
    }

    /// Keycloak alone.
    pub fn keycloak() -> Self {
        shared().servers.keycloak.freeze();
        Self
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        shared().servers.slapd.thaw();
        shared().servers.keycloak.thaw();
    }
}
