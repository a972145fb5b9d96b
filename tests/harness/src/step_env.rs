//! The worker alone, step by step: a guild, a database and user names of its own, with the shared servers. No bot runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use accolade::accounts::{Accounts, Caller, Clients, Purpose, Reviewer};
use accolade::background::{Background, Dependencies, StopAt};
use accolade::clock::{Clock as _, SystemRng};
use accolade::config::{self, Config, SharedConfig};
use accolade::directory::Directory;
use accolade::discord::Discord;
use accolade::domain::audit::{Actor, Entry, Event, Source};
use accolade::domain::eligibility::RuleName;
use accolade::domain::ids::{DiscordUserId, GuildId, InteractionId, Nonce};
use accolade::domain::job::{Job, JobKind, Step};
use accolade::domain::lang::Lang;
use accolade::domain::mail_address::MailAddress;
use accolade::domain::person_name::PersonName;
use accolade::domain::request::{Form, Request, RequestKind};
use accolade::domain::username::Username;
use accolade::keycloak::Keycloak;
use accolade::store::{Approved, CancelAsk, NewDraft, NewJob, SendDraft, Sent, Store};
use discord_sim::{Effect, Guild, Options, Person, Sim};
use tempfile::TempDir;
use testbed::checker::{Rule, Violation};
use testbed::db_inspector::{JsonRow, text_of};
use testbed::proxy::{Direction, Fault, Hit, Place, Plan, Proxy, Speech, Which};

use crate::database::{TestDatabase, migrate};
use crate::db_editor::DbEditor;
use crate::servers::{REALM, shared, visit};
use crate::{Database, DbInspector, PushedClock, guild, private_folder, write_secret};

const LIMIT: Duration = Duration::from_mins(1);

/// The approval in which a moderator decides.
pub const MODERATORS: &str = "moderators";
/// The approval in which a rule decides.
pub const AUTOMATIC: &str = "automatic";

/// How often a job is retried that waits for a server although the server is reachable.
const TRIES: usize = 5;

/// Jobs that wait for a server's answer. A halted job has a much later `next_run`.
const HELD_UP: &str = "SELECT id FROM job WHERE state IN ('open', 'undoing') AND lease_until = 0 AND next_run < 9000000000000 \
    AND error_code IN ('directory_down', 'keycloak_down', 'store_busy')";

/// More retries than any client makes by itself.
const ALWAYS: u32 = 1000;

/// A call to an external system, whose answer can be lost.
#[derive(Clone, Copy, Debug)]
pub enum OutsideCall {
    /// To the directory or Keycloak.
    Server(Which),
    /// To Discord, by its route.
    Discord(&'static str),
}

/// The timestamps that the directory sets at every write.
const WRITTEN: [&str; 2] = ["entryCSN", "modifyTimestamp"];

/// The external state of one environment, including the directory's timestamps: two equal states mean that nothing was written between
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideState {
    /// The people's entries.
    pub entries: Vec<String>,
    /// When the entries were last written.
    pub written: Vec<String>,
    /// The members of each group.
    pub memberships: Vec<String>,
    /// Keycloak's users.
    pub users: Vec<String>,
    /// The number of mails that were sent.
    pub mails: usize,
    /// The member's roles in Discord.
    pub roles: Vec<String>,
}

/// Fault proxies in front of the directory and Keycloak.
pub struct Proxies {
    /// The proxy of the directory.
    pub directory: Proxy,
    /// The proxy of Keycloak.
    pub keycloak: Proxy,
}

impl Proxies {
    /// Starts both proxies.
    pub async fn start() -> Self {
        let servers = &shared().servers;
        let lay = async |url: &str, speech| {
            let (_, server) = url.split_once("//").expect("a server's url has a host");
            Proxy::start(server.parse().expect("a host and its port"), speech, 0).await.expect("a proxy")
        };
        Self {
            directory: lay(&servers.slapd.ldap_url, Speech::Ldap).await,
            keycloak: lay(&servers.keycloak.url, Speech::Http).await,
        }
    }

    /// The faults that occurred on both connections.
    pub fn hits(&self) -> Vec<Hit> {
        [self.directory.hits(), self.keycloak.hits()].concat()
    }

    /// Deletes the recorded hits.
    pub fn forgets(&self) {
        self.directory.forgets();
        self.keycloak.forgets();
    }
}

/// A guild, a database and a worker. Ada asks for an account.
pub struct StepEnv {
    /// A text that every user name contains.
    pub mark: String,
    /// The simulated Discord.
    pub sim: Sim,
    /// The guild in it.
    pub guild: Guild,
    /// The person who asks for an account.
    pub ada: Person,
    config: Arc<Config>,
    /// The worker's clock.
    pub clock: Arc<PushedClock>,
    /// The worker's store.
    pub store: Store,
    directory: Directory,
    keycloak: Keycloak,
    discord: Discord,
    editor: DbEditor,
    db: DbInspector,
    _folder: TempDir,
}

impl StepEnv {
    /// Sets up an environment, runs the test in it, and has the checker examine all five stores.
    pub fn plays(database: Database, approval: &str, acts: impl AsyncFnOnce(&Self)) {
        let (harness, _others) = visit();
        harness.runtime.block_on(async {
            let env = Self::begins(database, approval).await;
            acts(&env).await;
            env.is_in_order().await;
            env.cleans_up().await;
        });
    }

    /// The same with a violation that the test causes on purpose: the checker must find that `rule` is broken.
    pub fn plants(database: Database, approval: &str, rule: Rule, acts: impl AsyncFnOnce(&Self)) {
        let (harness, _others) = visit();
        harness.runtime.block_on(async {
            let env = Self::begins(database, approval).await;
            acts(&env).await;
            let found = env.violations().await;
            assert!(found.iter().any(|violation| violation.rule == rule), "only {found:#?}");
            env.cleans_up().await;
        });
    }

    async fn begins(database: Database, approval: &str) -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let mark = format!(".s{}x", CASES.fetch_add(1, Ordering::Relaxed));
        let sim =
            Sim::start(Options { rate_limits: false, ..Options::default() }).await.expect("the simulator");
        let bot = sim.bot("Accolade");
        let guild = guild::builder(&sim, "Steps", &bot)
            .role("guest")
            .person("ada", &["member"])
            .person("grace", &["member", "moderator", "admin"])
            .build();
        let folder = private_folder();
        let token_file = write_secret(folder.path(), "discord.token", &bot.token());
        let discord = testbed::config::discord(&token_file, sim.tls_address(), sim.ca_file());
        let rules = [
            guild::rule(&guild, "members", "member", approval),
            guild::rule(&guild, "guests", "guest", approval),
        ];
        let TestDatabase { section, url } = TestDatabase::new(shared(), database, folder.path()).await;
        let config = shared().config(discord, vec![guild::section(&guild, &rules)], section);
        let file = folder.path().join("accolade.toml");
        testbed::config::write(&file, &config).expect("the configuration is written");
        let config = Arc::new(config::load(&file).expect("the configuration is right"));
        let clock = Arc::new(PushedClock::default());
        migrate(&config.store, clock.clone()).await;
        let store = Store::open(&config.store, clock.clone(), Arc::new(SystemRng)).await.expect("it opens");
        let discord = Discord::connect(&config.discord, clock.clone()).await.expect("discord answers");
        // The gateway tells it with GUILD_CREATE.
        discord.note_guild_name(GuildId::new(guild.id.0), "Members");
        let directory = Directory::new(&config.directory).expect("the directory's settings");
        let keycloak = Keycloak::new(&config.keycloak).expect("keycloak's settings");
        Self {
            mark,
            sim,
            ada: guild.member("ada"),
            guild,
            config,
            clock,
            store,
            directory,
            keycloak,
            discord,
            editor: DbEditor::open(&url).await,
            db: DbInspector::open(&url).await.expect("the database opens"),
            _folder: folder,
        }
    }

    /// The user name that ada asks for, which is unique to this environment.
    pub fn username(&self) -> String {
        ["ada", &self.mark].concat()
    }

    /// Ada's mail address.
    pub fn address(&self) -> String {
        [&self.username(), "@people.example"].concat()
    }

    /// The name of ada's entry.
    pub fn dn(&self) -> String {
        shared().servers.slapd.person_dn(&self.username())
    }

    /// A worker as a new process creates it.
    pub fn worker(&self) -> Background {
        self.worker_with(Arc::clone(&self.config), self.directory.clone(), self.keycloak.clone())
    }

    /// A worker whose clients have another configuration.
    fn worker_through(&self, config: Config) -> Background {
        let directory = Directory::new(&config.directory).expect("the directory's settings");
        let keycloak = Keycloak::new(&config.keycloak).expect("keycloak's settings");
        self.worker_with(Arc::new(config), directory, keycloak)
    }

    fn worker_with(&self, config: Arc<Config>, directory: Directory, keycloak: Keycloak) -> Background {
        Background::new(Dependencies {
            store: self.store.clone(),
            directory,
            keycloak,
            discord: self.discord.clone(),
            config: config.into(),
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        })
    }

    /// A worker that cannot reach Keycloak.
    pub fn worker_without_keycloak(&self) -> Background {
        let mut config = (*self.config).clone();
        config.keycloak.url = "http://127.0.0.1:1".parse().expect("a url");
        self.worker_through(config)
    }

    /// Runs all jobs in a new process until nothing is due. If a server on a busy machine answers too late, its jobs are retried.
    pub async fn drains(&self) {
        for _ in 0..TRIES {
            self.editor.frees_leases().await;
            self.worker().drain_once().await.expect("the store answers");
            if self.rows(HELD_UP).await.is_empty() {
                return;
            }
        }
    }

    /// As [`Self::drains`], while the directory, Keycloak and Discord are unreachable. They are reachable again afterwards.
    pub async fn drains_without_servers(&self) {
        self.editor.frees_leases().await;
        self.sim.fails("*", Effect::Status { status: 503 }, ALWAYS);
        let mut config = (*self.config).clone();
        config.directory.url = "ldaps://127.0.0.1:1".parse().expect("a url");
        config.keycloak.url = "http://127.0.0.1:1".parse().expect("a url");
        self.worker_through(config).drain_once().await.expect("the store answers");
        self.sim.heals();
    }

    /// As [`Self::drains`], while every answer to one call is lost although the call takes effect. Returns how many answers were lost.
    pub async fn drains_and_loses_answers_to(&self, question: OutsideCall) -> usize {
        self.editor.frees_leases().await;
        let request = match question {
            OutsideCall::Server(request) => request,
            OutsideCall::Discord(route) => {
                let asked = || self.sim.requests().iter().filter(|asked| asked.route == route).count();
                let before = asked();
                self.sim.fails(route, Effect::Cut { after_effect: true }, ALWAYS);
                self.worker().drain_once().await.expect("the store answers");
                self.sim.heals();
                return asked() - before;
            }
        };
        let mut config = (*self.config).clone();
        let is_ldap = matches!(request, Which::Ldap(_));
        let (url, speech) = if is_ldap {
            (&shared().servers.slapd.ldap_url, Speech::Ldap)
        } else {
            (&shared().servers.keycloak.url, Speech::Http)
        };
        let (scheme, server) = url.split_once("//").expect("a server's url has a host");
        let server = server.parse().expect("a host and its port");
        let proxy = Proxy::start(server, speech, 0).await.expect("a proxy");
        let cut = Plan::once(request, Direction::ToClient, Place::Start, Fault::Cut);
        proxy.plans(Plan { times: ALWAYS, ..cut });
        let through = [scheme, "//", &proxy.address.to_string()].concat().parse().expect("a url");
        if is_ldap {
            config.directory.url = through;
            config.directory.plaintext_on_loopback = true;
        } else {
            config.keycloak.url = through;
        }
        self.worker_through(config).drain_once().await.expect("the store answers");
        proxy.hits().len()
    }

    /// A worker that reaches the directory and Keycloak through fault proxies, with rate limits that many people do not reach.
    pub fn worker_behind(&self, lines: &Proxies) -> Background {
        let mut config = (*self.config).clone();
        config.directory.url =
            ["ldap://", &lines.directory.address.to_string()].concat().parse().expect("a url");
        config.directory.plaintext_on_loopback = true;
        config.keycloak.url =
            ["http://", &lines.keycloak.address.to_string()].concat().parse().expect("a url");
        config.rate_limits.mails_per_domain = u32::MAX;
        config.rate_limits.mails_in_all = u32::MAX;
        self.worker_through(config)
    }

    /// The use cases, with the store and the clients of the worker.
    pub fn accounts(&self) -> Accounts {
        let clients = Clients {
            store: self.store.clone(),
            discord: Some(self.discord.clone()),
            directory: Some(self.directory.clone()),
            keycloak: None,
            examiner: None,
        };
        Accounts::new(SharedConfig::from(Arc::clone(&self.config)), self.clock.clone(), clients)
    }

    /// A press or command of Ada's, with her roles as Discord sends them.
    pub async fn caller(&self, interaction: u64) -> Caller {
        let (guild, user) = (GuildId::new(self.guild.id.0), DiscordUserId::new(self.ada.id().0));
        Caller {
            user_id: user,
            guild_id: Some(guild),
            member: self.discord.member(guild, user).await.expect("Discord answers"),
            lang: Lang::En,
            interaction_id: InteractionId::new(interaction),
        }
    }

    /// An operator retries the newest job at the command line, under grace's name.
    pub async fn is_let_go_on(&self) {
        let accounts = self.accounts();
        let grace = Reviewer {
            user_id: DiscordUserId::new(self.guild.member("grace").id().0),
            guild_id: GuildId::new(self.guild.id.0),
            via: Source::Cli,
            cli_login: Some("grace".to_owned()),
            interaction_id: None,
            lang: Lang::En,
        };
        let job = self.job().await.id;
        let admin = accounts.authorize_admin(&grace, Purpose::Retry(job)).await.expect("grace is an admin");
        accounts.retry(&admin, job, Nonce::NONE).await.expect("it goes on");
    }

    /// Releases all leases and makes everything due.
    pub async fn frees_leases(&self) {
        self.editor.frees_leases().await;
    }

    /// Ada sends her request; its availability check has not run yet.
    pub async fn asks(&self) -> Request {
        self.asks_as(&self.ada, &self.username()).await
    }

    /// A person requests a name, with the address that belongs to the name.
    pub async fn asks_as(&self, who: &Person, username: &str) -> Request {
        let address = [username, "@people.example"].concat();
        let sent = self.tries_to_ask(who, username, &address).await;
        let Sent::Sent(request) = sent else { panic!("not sent: {sent:?}") };
        request
    }

    /// A person fills in the form and presses `Send`.
    pub async fn tries_to_ask(&self, who: &Person, username: &str, address: &str) -> Sent {
        let mut tx = self.store.begin().await.expect("begins");
        let person = tx.ensure_person(DiscordUserId::new(who.id().0), "en").await.expect("a person");
        let form = Form {
            username: Username::parse(username, 32).expect("a legal name"),
            address: MailAddress::parse(address).expect("a legal address"),
            given: PersonName::parse("Ada").expect("a legal name"),
            family: PersonName::parse("Lovelace").expect("a legal name"),
            answer: None,
        };
        let expires_at = self.clock.now().after(Duration::from_hours(24 * 14));
        let rule = Some(RuleName::new("members"));
        let draft = NewDraft {
            person_id: person.id,
            guild_id: GuildId::new(self.guild.id.0),
            kind: RequestKind::Account,
            form,
            rule: rule.clone(),
            notice_version: 1,
            lang: "en".to_owned(),
            interaction_id: InteractionId::new(who.id().0),
            expires_at,
        };
        let draft = tx.put_draft(draft).await.expect("a draft");
        let send = SendDraft { id: draft.id, person_id: person.id, nonce: draft.nonce, rule, expires_at };
        let told = tx.send_draft(send).await.expect("an answer");
        if let Sent::Sent(request) = &told {
            tx.audit(
                Entry::new(Event::RequestSubmitted, Source::Chat, Actor::Person(person.id))
                    .about(person.id)
                    .in_guild(request.guild_id)
                    .of_request(request.id)
                    .becoming("waiting"),
            );
            let check = NewJob {
                person_id: person.id,
                account_id: None,
                request_id: Some(request.id),
                kind: JobKind::Check,
            };
            tx.enqueue_job(check).await.expect("a job");
        }
        tx.commit("test.asks").await.expect("commits");
        told
    }

    /// Grace approves ada's request: the job `provision` exists, and none of its steps has run.
    pub async fn approved(&self) -> Job {
        let request = self.asks().await;
        self.approves(&request).await
    }

    /// Grace approves a request.
    pub async fn approves(&self, request: &Request) -> Job {
        let mut tx = self.store.begin().await.expect("begins");
        let grace = DiscordUserId::new(self.guild.member("grace").id().0);
        let grace = Actor::Person(tx.ensure_person(grace, "en").await.expect("a person").id);
        let rule = request.rule.clone();
        let approved = tx.approve_request(request, grace, Source::Chat, rule).await.expect("an answer");
        let Approved::Done { job, .. } = approved else { panic!("not approved") };
        tx.commit("test.approved").await.expect("commits");
        job
    }

    /// Creates the account and sends the mail.
    pub async fn invited(&self) -> Job {
        let job = self.approved().await;
        self.drains().await;
        assert_eq!(self.states().await, "approved done invited");
        job
    }

    /// Enqueues a withdrawal of ada's account, as an expired invitation or the person would cause it.
    pub async fn withdraws(&self, provision: &Job, by: WithdrawnBy) {
        let mut tx = self.store.begin().await.expect("begins");
        let withdraw = NewJob {
            person_id: provision.person_id,
            account_id: provision.account_id,
            request_id: provision.request_id,
            kind: JobKind::Withdraw,
        };
        let job = tx.enqueue_job(withdraw).await.expect("a job");
        if by == WithdrawnBy::Person {
            tx.ask_cancel(job.id).await.expect("an answer");
        }
        tx.commit("test.withdraws").await.expect("commits");
    }

    /// Enqueues a job that the person asked for, on the account that `provision` created.
    pub async fn wants(&self, kind: JobKind, provision: &Job) {
        let mut tx = self.store.begin().await.expect("begins");
        let job = NewJob {
            person_id: provision.person_id,
            account_id: provision.account_id,
            request_id: provision.request_id,
            kind,
        };
        tx.enqueue_job(job).await.expect("a job");
        tx.commit("test.wants").await.expect("commits");
    }

    /// The person cancels a running job.
    pub async fn cancels(&self, job: &Job) {
        let mut tx = self.store.begin().await.expect("begins");
        assert_eq!(tx.ask_cancel(job.id).await.expect("an answer"), CancelAsk::Asked);
        tx.commit("test.cancels").await.expect("commits");
    }

    /// Runs the plan up to `step`, but not `step` itself.
    pub async fn drains_up_to(&self, step: Step) {
        self.drains_until(StopAt::Before(step)).await;
        assert_eq!(self.step().await, step.code(), "the job has stopped before the step");
    }

    /// Runs the jobs until the worker stops at `stop`.
    pub async fn drains_until(&self, stop: StopAt) {
        for _ in 0..TRIES {
            self.editor.frees_leases().await;
            let worker = self.worker();
            worker.stop_at(stop);
            worker.drain_once().await.expect("the store answers");
            if worker.is_stopped() {
                return;
            }
        }
        panic!("the worker never reached {stop:?}");
    }

    /// Runs the plan up to `step`. If `step` is the first one, the job is already there.
    pub async fn stands_at(&self, plan: &[Step], step: Step) {
        if plan.first() != Some(&step) {
            self.drains_up_to(step).await;
        }
        assert_eq!(self.step().await, step.code());
    }

    /// Runs the jobs until the effect of `step` has happened. Everything since the last barrier is lost, as after a crash.
    pub async fn drains_and_loses_the_record_of(&self, step: Step) {
        let records = self.records_of(step).await;
        self.drains_until(StopAt::After(step)).await;
        assert_eq!(self.records_of(step).await, records, "the record of the step is lost");
    }

    /// Undoes what the barrier before the mail recorded, as if the mail had none.
    pub async fn loses_the_barrier_before_the_mail(&self) {
        self.editor.loses_reservations().await;
    }

    /// Sets finished jobs of a kind back to `step`.
    pub async fn puts_back(&self, kind: JobKind, state: &str, step: Step) {
        self.editor.puts_back(kind, state, step).await;
    }

    /// The newest job.
    pub async fn job(&self) -> Job {
        let id = self.text("SELECT id FROM job ORDER BY seq DESC LIMIT 1").await.parse().expect("a job's id");
        let mut view = self.store.read().await.expect("the store answers");
        view.job(id).await.expect("the store answers").expect("the job is there")
    }

    /// The step of the newest job; empty when it is finished.
    pub async fn step(&self) -> String {
        self.text("SELECT step FROM job ORDER BY seq DESC LIMIT 1").await
    }

    /// How often a step was recorded.
    pub async fn records_of(&self, step: Step) -> usize {
        self.rows(&format!("SELECT id FROM job_step WHERE step = '{step}'")).await.len()
    }

    /// The outcome in the newest record of a step.
    pub async fn newest_outcome_of(&self, step: Step) -> String {
        self.text(&format!("SELECT outcome FROM job_step WHERE step = '{step}' ORDER BY id DESC LIMIT 1"))
            .await
    }

    /// The states of the newest request, job and account.
    pub async fn states(&self) -> String {
        let request = self.text("SELECT state FROM request ORDER BY id DESC LIMIT 1").await;
        let job = self.text("SELECT state FROM job ORDER BY seq DESC LIMIT 1").await;
        let account = self.text("SELECT state FROM account ORDER BY id DESC LIMIT 1").await;
        [request, job, account].join(" ").trim().to_owned()
    }

    /// The first column of the first row.
    pub async fn text(&self, sql: &str) -> String {
        self.rows(sql).await.first().and_then(|row| row.values().next()).map(text_of).unwrap_or_default()
    }

    /// The rows of a query.
    pub async fn rows(&self, sql: &str) -> Vec<JsonRow> {
        self.db.rows(sql).await.expect("the database answers")
    }

    /// Ada follows the mailed link and sets a password.
    pub async fn sets_password(&self) {
        let mail =
            shared().servers.mail.wait_for_mail_to(&self.address(), LIMIT).await.expect("a mail arrives");
        let link = mail.links.iter().find(|link| link.contains("action-token")).expect("a link");
        let set = testbed::browser::follow_action_link(link, "Correct-horse-1").await.expect("a form");
        assert_eq!(set, testbed::browser::Outcome::PasswordSet);
    }

    /// Whether ada can bind to the directory with her password.
    pub async fn bind_works(&self) -> bool {
        shared().servers.slapd.bind_works(&self.dn(), "Correct-horse-1").await.expect("the directory answers")
    }

    /// Ada's user in Keycloak.
    pub async fn user(&self) -> Option<testbed::keycloak_admin::User> {
        shared().servers.keycloak.user_named(REALM, &self.username()).await.expect("keycloak answers")
    }

    /// Creates a local user in Keycloak with ada's name.
    pub async fn somebody_makes_a_local_user(&self) {
        let user = testbed::keycloak_admin::LocalUser {
            username: &self.username(),
            email: &["local-", &self.address()].concat(),
            password: None,
        };
        shared().servers.keycloak.create_local_user(REALM, user).await.expect("keycloak makes it");
    }

    /// Whether ada has the role for people with an active account.
    pub fn has_role(&self) -> bool {
        self.ada.roles().contains(&"account-holder".to_owned())
    }

    /// Asserts that nothing of ours is left in the external systems.
    pub async fn has_nothing_left(&self) {
        let outside = self.outside().await;
        let left = [outside.entries, outside.memberships, outside.users].concat();
        assert!(left.is_empty(), "{left:?}");
    }

    /// What admins read in the log channel.
    pub fn admins_read(&self) -> Vec<String> {
        self.guild.history("log").into_iter().map(|(_, text)| text).collect()
    }

    /// The external state at this moment.
    pub async fn outside(&self) -> OutsideState {
        let servers = &shared().servers;
        let mut people = servers.slapd.people().await.expect("the directory answers");
        people.retain(|entry| entry.dn.contains(&self.mark));
        let taking = |entry: &mut testbed::slapd::Entry| WRITTEN.map(|time| entry.attributes.remove(time));
        let written = people.iter_mut().flat_map(taking).flatten().flatten().collect();
        let groups = servers.slapd.groups().await.expect("the directory answers");
        let mut memberships = Vec::new();
        for group in groups {
            let mine = group.values("member").iter().filter(|dn| dn.contains(&self.mark));
            memberships.extend(mine.map(|dn| [&group.dn, " has ", dn].concat()));
        }
        let mut users = Vec::new();
        for mut user in servers.keycloak.users_with(REALM, &self.mark).await.expect("keycloak answers") {
            if user.username.contains(&self.mark) {
                // The time of the last logout: ending the sessions twice changes it and does no harm.
                user.all["notBefore"].take();
                // This is the directory's timestamp, which the entry already contains.
                user.all["attributes"]["modifyTimestamp"].take();
                let groups = servers.keycloak.user_groups(REALM, &user.id).await.expect("keycloak answers");
                users.push(format!("{} {groups:?} {:?}", user.id, user.all));
            }
        }
        OutsideState {
            entries: people.iter().map(|entry| format!("{entry:?}")).collect(),
            written,
            memberships,
            users,
            mails: servers.mail.messages().iter().filter(|mail| mail.is_to(&self.address())).count(),
            roles: if self.ada.is_member() { self.ada.roles() } else { Vec::new() },
        }
    }

    /// Deletes this environment's entries and users, because every list of Keycloak's users queries the directory for each of them.
    async fn cleans_up(&self) {
        let servers = &shared().servers;
        for entry in servers.slapd.people().await.expect("the directory answers") {
            if entry.dn.contains(&self.mark) {
                servers.slapd.delete(&entry.dn).await.expect("the entry goes");
            }
        }
        for user in servers.keycloak.users_with(REALM, &self.mark).await.expect("keycloak answers") {
            if user.username.contains(&self.mark) {
                // The user may be gone already, because Keycloak drops users whose entry is missing.
                servers.keycloak.delete_user(REALM, &user.id).await.ok();
            }
        }
    }

    /// What the checker finds in the five stores.
    async fn violations(&self) -> Vec<Violation> {
        let cards = self.guild.history("account-requests").into_iter().map(|(_, text)| text).collect();
        let found = shared().violations(&self.mark, &self.db, cards).await;
        found.expect("all five stores can be read")
    }

    /// Asserts that the checker finds no violation in the five stores, and that the bot kept Discord's rules.
    pub async fn is_in_order(&self) {
        let found = self.violations().await;
        assert!(found.is_empty(), "the checker found {found:#?}");
        assert!(self.sim.violations().is_empty(), "{:?}", self.sim.violations());
        assert!(self.sim.unknown_routes().is_empty(), "{:?}", self.sim.unknown_routes());
    }
}

/// Why an account is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawnBy {
    /// The person asked for it.
    Person,
    /// The invitation was never used.
    Time,
}
