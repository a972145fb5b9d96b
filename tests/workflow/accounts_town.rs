//! A small town for the use-cases: a store on disk, a clock that tests push, a guild with its rules, and some people.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use accolade::accounts::request::{DraftShown, Sent};
use accolade::accounts::{
    Accounts, Admin, Caller, Clients, FormInput, Operator, Purpose, UseCaseError, ViewGrant,
};
use accolade::clock::{Clock, SystemRng};
use accolade::config::{self, Config};
use accolade::domain::account::{Account, AccountState};
use accolade::domain::audit::{Actor, Source};
use accolade::domain::eligibility::{Approval, GroupName, Policy, Rule, RuleName};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::{ChannelId, DiscordUserId, GuildId, InteractionId, RequestId, RoleId, Timestamp};
use accolade::domain::job::Job;
use accolade::domain::member::MemberFacts;
use accolade::domain::request::{Request, RequestState};
use accolade::messages::Lang;
use accolade::store::{
    AccountInserted, AccountSaved, Approved, AuditFilter, AuditRow, Order, RequestMove, RequestMoved, Store,
};
use futures::future::BoxFuture;
use secrecy::SecretString;

pub(crate) const GUILD: GuildId = GuildId::new(9001);
pub(crate) const CARDS: ChannelId = ChannelId::new(9002);
pub(crate) const MEMBER: RoleId = RoleId::new(9003);
pub(crate) const TRUSTED: RoleId = RoleId::new(9004);
pub(crate) const MODERATOR: RoleId = RoleId::new(9005);
pub(crate) const ADMIN: RoleId = RoleId::new(9006);

/// A clock that stands until it is pushed.
pub(crate) struct PushedClock(AtomicI64);

impl PushedClock {
    pub(crate) fn push(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).expect("a short span"), Ordering::SeqCst);
    }
}

impl Clock for PushedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn pause(&self, _span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

pub(crate) struct Town {
    pub(crate) accounts: Accounts,
    pub(crate) store: Store,
    pub(crate) clock: Arc<PushedClock>,
    pub(crate) config: Arc<Config>,
    interactions: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A town whose configuration was changed before it was opened.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        // The store refuses a folder that others can read.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(private).tempdir().expect("a folder");
        let mut config = config_in(folder.path());
        change(&mut config);
        let clock = Arc::new(PushedClock(AtomicI64::new(1_800_000_000_000)));
        Store::migrate(&config.store, clock.clone(), Arc::new(SystemRng)).await.expect("a fresh database");
        let store =
            Store::open(&config.store, clock.clone(), Arc::new(SystemRng)).await.expect("the database");
        let config = Arc::new(config);
        let clients =
            Clients { store: store.clone(), discord: None, directory: None, keycloak: None, examiner: None };
        let accounts = Accounts::new(config.clone(), clock.clone(), clients);
        Self { accounts, store, clock, config, interactions: AtomicU64::new(1), _folder: folder }
    }

    /// An operator at the command line, as an admin.
    pub(crate) fn admin(&self, purpose: Purpose) -> Admin {
        self.accounts.authorize_operator(&operator(), purpose)
    }

    /// An operator at the command line, who looks at requests.
    pub(crate) fn view_grant(&self) -> ViewGrant {
        self.accounts.authorize_operator_reader(&operator())
    }

    /// A press or command of a member with the role that the first rule asks for.
    pub(crate) fn caller(&self, user: u64) -> Caller {
        self.caller_with(user, &[MEMBER])
    }

    pub(crate) fn caller_with(&self, user: u64, roles: &[RoleId]) -> Caller {
        Caller {
            user_id: DiscordUserId::new(user),
            guild_id: Some(GUILD),
            member: Some(member(user, roles)),
            lang: Lang::En,
            interaction_id: InteractionId::new(self.interactions.fetch_add(1, Ordering::SeqCst)),
        }
    }

    pub(crate) async fn drafts(&self, user: u64, username: &str) -> DraftShown {
        self.accounts.save_draft(&self.caller(user), typed(username)).await.expect("a draft")
    }

    pub(crate) async fn sends(&self, user: u64, draft: &Request) -> Result<Sent, UseCaseError> {
        self.accounts.send(&self.caller(user), draft.id, draft.nonce).await
    }

    /// A request that waits for a decision.
    pub(crate) async fn asks(&self, user: u64, username: &str) -> Request {
        let draft = self.drafts(user, username).await.request;
        self.sends(user, &draft).await.expect("a sent request");
        self.request(draft.id).await
    }

    pub(crate) async fn request(&self, id: RequestId) -> Request {
        let mut view = self.store.read().await.expect("a view");
        view.request(id).await.expect("an answer").expect("the request")
    }

    /// Holds a request, as the look at directory and Keycloak does.
    pub(crate) async fn holds(&self, request: &Request, code: ErrorCode) -> Request {
        let mut tx = self.store.begin().await.expect("a transaction");
        let change = RequestMove { reason_code: Some(code), ..RequestMove::default() };
        let moved = tx.move_request(request, RequestState::Held, change).await.expect("a move");
        tx.commit("test").await.expect("a commit");
        let RequestMoved::Done(request) = moved else { panic!("not held: {moved:?}") };
        request
    }

    /// Approves a request as the worker does for a rule.
    pub(crate) async fn approves(&self, request: &Request) -> (Account, Job) {
        let mut tx = self.store.begin().await.expect("a transaction");
        let approved = tx
            .approve_request(request, Actor::System, Source::Worker, request.rule.clone())
            .await
            .expect("an answer");
        let Approved::Done { account, job, .. } = approved else { panic!("not approved: {approved:?}") };
        tx.commit("test").await.expect("a commit");
        (account, job)
    }

    /// Brings an account into a state, as the worker does.
    pub(crate) async fn account_becomes(&self, account: &Account, state: AccountState) -> Account {
        let now = self.clock.now();
        let mut changed = account.clone();
        changed.state = state;
        match state {
            AccountState::Invited => changed.invited_at = Some(now),
            AccountState::Active => changed.activated_at = Some(now),
            AccountState::Closed => changed.closed_at = Some(now),
            AccountState::Creating | AccountState::Disabled | AccountState::Conflict => {}
        }
        let mut tx = self.store.begin().await.expect("a transaction");
        let saved = tx.save_account(&changed).await.expect("an answer");
        tx.commit("test").await.expect("a commit");
        let AccountSaved::Done(account) = saved else { panic!("not saved: {saved:?}") };
        account
    }

    /// An account that was in use and is closed: its name stands in a tombstone.
    pub(crate) async fn leaves_tombstone(&self, user: u64, username: &str) {
        let mut tx = self.store.begin().await.expect("a transaction");
        let person = tx.ensure_person(DiscordUserId::new(user), "en").await.expect("a person");
        let name = accolade::domain::username::Username::parse(username, 20).expect("a legal name");
        let inserted = tx.insert_account(person.id, &name).await.expect("an answer");
        tx.commit("test").await.expect("a commit");
        let AccountInserted::Made(account) = inserted else { panic!("no account") };
        let active = self.account_becomes(&account, AccountState::Active).await;
        self.account_becomes(&active, AccountState::Closed).await;
    }

    /// The events of the audit log, oldest first, without the chain's start.
    pub(crate) async fn events(&self) -> Vec<String> {
        self.audit().await.into_iter().map(|(event, _, _)| event).collect()
    }

    /// Event, actor and reason of every row of the audit log.
    pub(crate) async fn audit(&self) -> Vec<(String, String, Option<String>)> {
        let filter = AuditFilter { order: Order::OldestFirst, ..AuditFilter::default() };
        let mut view = self.store.read().await.expect("a view");
        let mut rows = Vec::new();
        loop {
            let after = rows.last().map(|last: &AuditRow| last.row.seq);
            let page = view.audit_page(&filter, after, 500).await.expect("a page");
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
        rows.into_iter()
            .map(|row| (row.row.event, row.row.actor_id, row.row.reason_code))
            .filter(|(event, _, _)| event != "chain.started")
            .collect()
    }

    pub(crate) async fn has_unsent_messages(&self) -> bool {
        self.store.read().await.expect("a view").oldest_outbox().await.expect("an answer").is_some()
    }

    /// Empties the outbox and gives the dedupe keys of what was in it.
    pub(crate) async fn takes_messages(&self) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some(message) =
            self.store.claim_outbox("test", Duration::from_mins(1)).await.expect("an answer")
        {
            let mut tx = self.store.begin().await.expect("a transaction");
            tx.outbox_sent(&message).await.expect("sent");
            tx.commit("test").await.expect("a commit");
            keys.push(message.dedupe_key);
        }
        keys.sort();
        keys
    }
}

pub(crate) fn operator() -> Operator {
    Operator { login: "grace".to_owned() }
}

pub(crate) fn typed(username: &str) -> FormInput {
    FormInput {
        username: username.to_owned(),
        address: [username, "@example.org"].concat(),
        given: "Ada".to_owned(),
        family: "Lovelace".to_owned(),
        answer: None,
    }
}

pub(crate) fn member(user: u64, roles: &[RoleId]) -> MemberFacts {
    MemberFacts {
        user_id: DiscordUserId::new(user),
        guild_id: GUILD,
        user_name: "ada.l".to_owned(),
        display_name: Some("Ada".to_owned()),
        roles: roles.to_vec(),
        joined_at: Some(Timestamp::from_millis(1_700_000_000_000)),
        pending: false,
        timed_out_until: None,
        bot: false,
    }
}

fn rule(name: &str, role: RoleId, approval: Approval) -> Rule {
    Rule {
        name: RuleName::new(name),
        all_roles: vec![role],
        any_roles: Vec::new(),
        none_roles: Vec::new(),
        min_account_age: Duration::ZERO,
        min_membership: Duration::ZERO,
        groups: GroupName::new("members").into_iter().collect(),
        approval,
        ask_reason: false,
    }
}

fn config_in(folder: &Path) -> Config {
    let url = |text: &str| text.parse().expect("a URL");
    let hour = Duration::from_hours(1);
    Config {
        discord: config::Discord { token: SecretString::from("token"), endpoint: None },
        guilds: vec![config::Guild {
            id: GUILD,
            moderator_roles: vec![MODERATOR],
            admin_roles: vec![ADMIN],
            request_channel: CARDS,
            log_channel: None,
            member_role: None,
            policy: Policy {
                rules: vec![
                    rule("trusted", TRUSTED, Approval::Automatic),
                    rule("members", MEMBER, Approval::Moderators),
                ],
            },
        }],
        directory: config::Directory {
            url: url("ldap://127.0.0.1:1"),
            ca_file: None,
            start_tls: false,
            plaintext_on_loopback: true,
            flavour: config::Flavour::OpenLdap,
            bind_dn: "cn=accolade".to_owned(),
            bind_password: SecretString::from("password"),
            people_dn: "ou=people,dc=example".to_owned(),
            groups_dn: "ou=groups,dc=example".to_owned(),
            discord_id_attribute: "employeeNumber".to_owned(),
            mark_attribute: "description".to_owned(),
            object_classes: Vec::new(),
            privileged_groups: Vec::new(),
        },
        keycloak: config::Keycloak {
            url: url("http://127.0.0.1:1"),
            public_url: url("http://127.0.0.1:1"),
            realm: "test".to_owned(),
            client_id: "accolade".to_owned(),
            client_secret: SecretString::from("secret"),
            ca_file: None,
            plaintext_on_loopback: true,
            federation_id: String::new(),
            group_mapper_id: String::new(),
            mail_client_id: String::new(),
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
        username: config::Username { max: 20, reserved: vec!["wiki".to_owned()] },
        budget: config::Budget {
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
