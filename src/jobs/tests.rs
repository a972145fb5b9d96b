//! The worker on a real store, a real directory and the simulated Discord. Keycloak is down here; stories test whole plans with Keycloak.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use discord_sim::{Options, Permissions, Sim};
use futures::future::BoxFuture;
use secrecy::SecretString;
use testbed::{ServerOptions, TestServers};
use tokio_util::sync::CancellationToken;

use super::lease::Claim;
use super::runner::{self, Look};
use crate::clock::{Clock, Moment, SystemClock, SystemRng};
use crate::config::{self, Config};
use crate::directory::Directory;
use crate::discord::Discord;
use crate::domain::account::AccountState;
use crate::domain::audit::{Actor, Source};
use crate::domain::eligibility::{Approval, GroupName, Policy, Rule, RuleName};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{ChannelId, DiscordUserId, GuildId, InteractionId, RoleId, Timestamp};
use crate::domain::job::{Job, JobState, Step};
use crate::domain::mail_address::MailAddress;
use crate::domain::person_name::PersonName;
use crate::domain::request::{Form, Request, RequestKind, RequestState};
use crate::domain::username::Username;
use crate::keycloak::Keycloak;
use crate::store::{Approved, AuditFilter, NewDraft, Order, SendDraft, Sent, Store};
use crate::worker::context::{Dependencies, LEASE, WorkerContext};

struct Town {
    worker: WorkerContext,
    store: Store,
    guild: GuildId,
    ada: DiscordUserId,
    _sim: Sim,
    _bed: TestServers,
    _folder: tempfile::TempDir,
}

impl Town {
    async fn new() -> Self {
        Self::by(Arc::new(SystemClock)).await
    }

    async fn by(clock: Arc<dyn Clock>) -> Self {
        let bed = TestServers::start(ServerOptions::slapd_alone()).await.expect("slapd starts");
        let sim =
            Sim::start(Options { rate_limits: false, ..Options::default() }).await.expect("the simulator");
        let bot = sim.bot("Accolade");
        let guild = sim
            .guild("Village")
            .role("member")
            .role_with("moderator", Permissions::KICK_MEMBERS)
            .private_channel("account-requests", &["moderator"])
            .person("ada", &["member"])
            .bot(&bot)
            .build();
        let guild_id = GuildId::new(guild.id.0);
        let ada = DiscordUserId::new(guild.member("ada").id().0);
        let member = RoleId::new(guild.role("member").id.0);
        let cards = ChannelId::new(guild.channel("account-requests").id.0);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(private).tempdir().expect("a folder");
        let endpoint = config::Endpoint { address: sim.tls_address(), ca_file: sim.ca_file().to_owned() };
        let discord = config::Discord { token: SecretString::from(bot.token()), endpoint: Some(endpoint) };
        let guild = village(guild_id, cards, member);
        let config = Arc::new(config_of(folder.path(), discord, guild, &bed));
        let rng = Arc::new(SystemRng);
        Store::migrate(&config.store, clock.clone(), rng.clone()).await.expect("a fresh database");
        let store = Store::open(&config.store, clock.clone(), rng.clone()).await.expect("the database");
        let deps = Dependencies {
            store: store.clone(),
            directory: Directory::new(&config.directory).expect("the directory's settings"),
            keycloak: Keycloak::new(&config.keycloak).expect("keycloak's settings"),
            discord: Discord::connect(&config.discord, clock.clone()).await.expect("discord"),
            config: config.into(),
            clock,
            rng,
        };
        let worker = WorkerContext::new(deps);
        Self { worker, store, guild: guild_id, ada, _sim: sim, _bed: bed, _folder: folder }
    }

    /// A request of `user` that a moderator approved.
    async fn approved(&self, user: DiscordUserId) -> (Request, Job) {
        let mut tx = self.store.begin().await.expect("a transaction");
        let person = tx.ensure_person(user, "en").await.expect("a person");
        let form = Form {
            username: Username::parse("ada", 20).expect("a name"),
            address: MailAddress::parse("ada@example.org").expect("an address"),
            given: PersonName::parse("Ada").expect("a name"),
            family: PersonName::parse("Lovelace").expect("a name"),
            answer: None,
        };
        let later = Timestamp::from_millis(4_000_000_000_000);
        let draft = NewDraft {
            person_id: person.id,
            guild_id: self.guild,
            kind: RequestKind::Account,
            form,
            rule: Some(RuleName::new("members")),
            notice_version: 1,
            lang: "en".to_owned(),
            interaction_id: InteractionId::new(1),
            expires_at: later,
        };
        let draft = tx.put_draft(draft).await.expect("a draft");
        let send = SendDraft {
            id: draft.id,
            person_id: person.id,
            nonce: draft.nonce,
            rule: Some(RuleName::new("members")),
            expires_at: later,
        };
        let Sent::Sent(request) = tx.send_draft(send).await.expect("an answer") else { panic!("not sent") };
        let grace = tx.ensure_person(DiscordUserId::new(77), "en").await.expect("a person");
        let rule = request.rule.clone();
        let decider = Actor::Person(grace.id);
        let approved = tx.approve_request(&request, decider, Source::Chat, rule).await.expect("an answer");
        let Approved::Done { request, job, .. } = approved else { panic!("not approved") };
        tx.commit("test").await.expect("a commit");
        (request, job)
    }

    /// Runs every job that is due.
    async fn drains(&self) {
        while let Some(job) = runner::claim(&self.worker, Look::Everywhere).await.expect("the store answers")
        {
            runner::run_claimed(&self.worker, job, &CancellationToken::new()).await;
        }
    }

    async fn job(&self, job: &Job) -> Job {
        self.store.read().await.expect("a view").job(job.id).await.expect("an answer").expect("the job")
    }

    async fn events(&self) -> Vec<String> {
        let filter = AuditFilter { order: Order::OldestFirst, ..AuditFilter::default() };
        let rows =
            self.store.read().await.expect("a view").audit_page(&filter, None, 100).await.expect("rows");
        rows.into_iter().map(|row| row.row.event).collect()
    }
}

fn village(id: GuildId, request_channel: ChannelId, member: RoleId) -> config::Guild {
    let rule = Rule {
        name: RuleName::new("members"),
        all_roles: vec![member],
        any_roles: Vec::new(),
        none_roles: Vec::new(),
        min_account_age: Duration::ZERO,
        min_membership: Duration::ZERO,
        groups: GroupName::new("members").into_iter().collect(),
        approval: Approval::Moderators,
        ask_reason: false,
    };
    config::Guild {
        id,
        moderator_roles: Vec::new(),
        admin_roles: Vec::new(),
        request_channel,
        log_channel: None,
        member_role: None,
        policy: Policy { rules: vec![rule] },
    }
}

fn config_of(
    folder: &std::path::Path,
    discord: config::Discord,
    guild: config::Guild,
    bed: &TestServers,
) -> Config {
    let url = |text: &str| text.parse().expect("a URL");
    let hour = Duration::from_hours(1);
    let slapd = &bed.slapd;
    Config {
        discord,
        guilds: vec![guild],
        directory: config::Directory {
            url: url(&slapd.ldap_url),
            ca_file: None,
            start_tls: false,
            plaintext_on_loopback: true,
            flavour: config::Flavour::OpenLdap,
            bind_dn: slapd.bot_dn.clone(),
            bind_password: SecretString::from(slapd.bot_password.clone()),
            people_dn: slapd.people_dn.clone(),
            groups_dn: slapd.groups_dn.clone(),
            discord_id_attribute: "employeeNumber".to_owned(),
            mark_attribute: "description".to_owned(),
            object_classes: ["top", "person", "organizationalPerson", "inetOrgPerson"]
                .map(str::to_owned)
                .to_vec(),
            privileged_groups: Vec::new(),
        },
        keycloak: config::Keycloak {
            // Nothing listens on port 1, so Keycloak is down.
            url: url("http://127.0.0.1:1"),
            public_url: url("http://127.0.0.1:1"),
            realm: "test".to_owned(),
            client_id: "accolade".to_owned(),
            client_secret: SecretString::from("secret"),
            ca_file: None,
            plaintext_on_loopback: true,
            federation_id: "federation".to_owned(),
            group_mapper_id: "mapper".to_owned(),
            mail_client_id: "members".to_owned(),
            mail_redirect_uri: url("http://127.0.0.1:1"),
            first_link_lifespan: hour * 12,
            reset_link_lifespan: hour,
            event_poll: Duration::from_secs(5),
        },
        store: config::Store {
            url: url(&format!("sqlite://{}/accolade.sqlite", folder.display())),
            password: None,
            key_file: folder.join("accolade.key"),
        },
        request: config::Request { expires_after: hour * 24 * 14 },
        username: config::Username { max: 20, reserved: Vec::new() },
        rate_limits: config::RateLimits {
            mails_per_address: 3,
            mails_per_person: 3,
            mails_per_domain: 20,
            mails_in_all: 100,
            requests_per_person: 5,
            name_checks_per_person: 5,
        },
        account: config::Account { unused_after: hour * 24 * 14 },
        http: config::Http { listen: "127.0.0.1:0".parse().expect("an address") },
        log: config::Log { format: config::LogFormat::Text, filter: "info".to_owned() },
    }
}

#[tokio::test]
async fn whoever_left_before_the_account_was_made_gets_none_and_nothing_stays_behind() {
    let town = Town::new().await;
    let (request, job) = town.approved(DiscordUserId::new(175_928_847_299_117_063)).await;
    town.drains().await;
    let job = town.job(&job).await;
    assert_eq!(job.state, JobState::Undone);
    let mut view = town.store.read().await.expect("a view");
    let request = view.request(request.id).await.expect("an answer").expect("the request");
    assert_eq!((request.state, request.reason_code), (RequestState::Failed, Some(ErrorCode::MemberGone)));
    let account = job.account_id.expect("an account");
    let account = view.account(account).await.expect("an answer").expect("the account");
    assert_eq!(account.state, AccountState::Closed);
    let ends = ["account.closed", "job.undone", "request.failed"];
    let events = town.events().await;
    assert!(events.ends_with(&ends.map(str::to_owned)), "{events:?}");
}

#[tokio::test]
async fn while_keycloak_is_away_the_job_waits_at_its_step_and_nothing_is_written() {
    let town = Town::new().await;
    let (_, job) = town.approved(town.ada).await;
    town.drains().await;
    let job = town.job(&job).await;
    assert_eq!((job.state, job.step), (JobState::Open, Some(Step::RecheckAvailability)));
    assert_eq!(job.error_code, Some(ErrorCode::KeycloakDown));
    assert!(job.lease_until.is_none_or(|until| until <= job.next_run), "the lease was released");
}

#[tokio::test]
async fn a_wish_to_stop_is_heard_between_steps_and_ends_as_cancelled() {
    let town = Town::new().await;
    let (request, job) = town.approved(town.ada).await;
    let mut tx = town.store.begin().await.expect("a transaction");
    tx.ask_cancel(job.id).await.expect("an answer");
    tx.commit("test").await.expect("a commit");
    town.drains().await;
    assert_eq!(town.job(&job).await.state, JobState::Undone);
    let request = town.store.read().await.expect("a view").request(request.id).await.expect("an answer");
    assert_eq!(request.map(|request| request.state), Some(RequestState::Cancelled));
}

/// A clock whose pauses end at once. It counts them.
#[derive(Default)]
struct Brisk(AtomicU32);

impl Clock for Brisk {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn pause(&self, _span: Duration) -> BoxFuture<'static, ()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(tokio::task::yield_now())
    }
}

impl Brisk {
    /// Whether `keeping` still runs after several more pauses.
    async fn outlives_pauses(&self, keeping: impl Future<Output = ()>) -> bool {
        let enough = self.0.load(Ordering::Relaxed) + 4;
        let pauses = async {
            while self.0.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = keeping => false,
            () = pauses => true,
        }
    }
}

impl Town {
    /// A job that was just claimed. Its lease in the store has a second left.
    async fn claimed(&self) -> Claim {
        let second = Duration::from_secs(1);
        let claimed = self.store.claim_job("somebody", second).await.expect("an answer");
        Claim::new(claimed.expect("a job").job, SystemClock.moment())
    }

    async fn is_renewed(&self, claim: &Claim) -> bool {
        let until = |job: &Job| job.lease_until.expect("a lease").as_millis();
        until(&self.job(&claim.job).await) > until(&claim.job)
    }
}

fn before(span: Duration) -> Moment {
    SystemClock.moment().before(span)
}

#[tokio::test]
async fn a_claim_holds_for_its_lease_and_no_longer() {
    let town = Town::new().await;
    town.approved(town.ada).await;
    let second = Duration::from_secs(1);
    let fresh = town.claimed().await;
    assert!(fresh.holds(&town.worker));
    let job = town.job(&fresh.job).await;
    assert!(Claim::new(job.clone(), before(LEASE.saturating_sub(second))).holds(&town.worker));
    assert!(!Claim::new(job.clone(), before(LEASE)).holds(&town.worker));
    assert!(!Claim::new(job, before(LEASE + second)).holds(&town.worker));
}

#[tokio::test]
async fn before_a_call_that_a_lease_may_not_outlast_it_is_renewed() {
    let town = Town::new().await;
    town.approved(town.ada).await;
    let (second, limit) = (Duration::from_secs(1), Duration::from_secs(5));
    let claim = town.claimed().await;
    claim.must_outlast(&town.worker, limit).await.expect("a lease that is long enough");
    assert!(!town.is_renewed(&claim).await, "the lease was renewed without need");

    // The lease lasts a second longer than the call may take. That is too little, because the answer must also be recorded.
    let claim = Claim::new(town.job(&claim.job).await, before(LEASE.saturating_sub(limit + second)));
    claim.must_outlast(&town.worker, limit).await.expect("a renewed lease");
    assert!(town.is_renewed(&claim).await);

    let stale = Claim::new(town.job(&claim.job).await, before(LEASE));
    assert!(!stale.holds(&town.worker));
    stale.must_outlast(&town.worker, limit).await.expect("a renewed lease");
    assert!(stale.holds(&town.worker), "the lease counts from its renewal");
}

#[tokio::test]
async fn a_lease_is_kept_until_somebody_else_has_it() {
    let clock = Arc::new(Brisk::default());
    let town = Town::by(clock.clone()).await;
    town.approved(town.ada).await;
    let claim = town.claimed().await;
    assert!(clock.outlives_pauses(claim.keep(&town.worker)).await);
    assert!(town.is_renewed(&claim).await);

    let mut tx = town.store.begin().await.expect("a transaction");
    tx.release_job(&claim.job).await.expect("an answer");
    tx.commit("test").await.expect("a commit");
    town.claimed().await;
    claim.keep(&town.worker).await;
    assert!(claim.holds(&town.worker), "by this process's clock alone the lease is still valid");
}

#[tokio::test]
async fn a_lease_that_a_silent_store_does_not_renew_is_kept_until_it_runs_out() {
    let clock = Arc::new(Brisk::default());
    let town = Town::by(clock.clone()).await;
    town.approved(town.ada).await;
    let claim = town.claimed().await;
    let ran_out = Claim::new(town.job(&claim.job).await, before(LEASE));
    town.store.close().await;
    assert!(clock.outlives_pauses(claim.keep(&town.worker)).await);
    assert!(!clock.outlives_pauses(ran_out.keep(&town.worker)).await);
}
