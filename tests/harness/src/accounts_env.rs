//! The use cases without a server. There are a store on disk, a clock that moves only when a test pushes it,
//! and a guild with its rules.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use accolade::accounts::request::{DraftShown, Sent};
use accolade::accounts::{
    Accounts, Admin, Caller, Clients, FormInput, Operator, Purpose, UseCaseError, ViewGrant,
};
use accolade::clock::{Clock as _, SystemRng};
use accolade::config::Config;
use accolade::domain::account::{Account, AccountState};
use accolade::domain::audit::{Actor, Source};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::ids::{ChannelId, DiscordUserId, GuildId, InteractionId, RequestId, RoleId, Timestamp};
use accolade::domain::job::{Job, JobKind};
use accolade::domain::lang::Lang;
use accolade::domain::member::MemberFacts;
use accolade::domain::request::{Request, RequestState};
use accolade::store::{
    AccountInserted, AccountSaved, Approved, AuditFilter, AuditRow, Order, Outbox, RequestMove, RequestMoved,
    Store,
};
use serde_json::{Value, json};
use testbed::config::Sections;

use super::clock::PushedClock;
use super::files::{load_config, private_folder, write_secret};

/// The guild.
pub const GUILD: GuildId = GuildId::new(9001);
/// The channel of the request cards.
pub const CARDS: ChannelId = ChannelId::new(9002);
/// The role of members.
pub const MEMBER: RoleId = RoleId::new(9003);
/// The role whose holders need no moderator.
pub const TRUSTED: RoleId = RoleId::new(9004);
/// The role of moderators.
pub const MODERATOR: RoleId = RoleId::new(9005);
/// The role of admins.
pub const ADMIN: RoleId = RoleId::new(9006);

/// The use cases with a store of their own, in a guild with its rules.
pub struct AccountsEnv {
    /// The use cases.
    pub accounts: Accounts,
    /// Their store.
    pub store: Store,
    /// Their clock.
    pub clock: Arc<PushedClock>,
    /// Their configuration.
    pub config: Arc<Config>,
    interactions: AtomicU64,
    _folder: tempfile::TempDir,
}

impl AccountsEnv {
    /// An environment with the usual configuration.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An environment whose configuration is changed before the store is opened.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = private_folder();
        let mut config = loaded(folder.path());
        change(&mut config);
        let clock = Arc::new(PushedClock::standing_at(1_800_000_000_000));
        Store::migrate(&config.store, clock.clone(), Arc::new(SystemRng)).await.expect("a fresh database");
        let store =
            Store::open(&config.store, clock.clone(), Arc::new(SystemRng)).await.expect("the database");
        let config = Arc::new(config);
        let clients =
            Clients { store: store.clone(), discord: None, directory: None, keycloak: None, examiner: None };
        let accounts = Accounts::new(config.clone(), clock.clone(), clients);
        Self { accounts, store, clock, config, interactions: AtomicU64::new(1), _folder: folder }
    }

    /// An operator at the command line, with the rights of an admin.
    pub fn admin(&self, purpose: Purpose) -> Admin {
        self.accounts.authorize_operator(&operator(), purpose)
    }

    /// An operator at the command line, who may read requests.
    pub fn view_grant(&self) -> ViewGrant {
        self.accounts.authorize_operator_reader(&operator())
    }

    /// A press or command of a member who has the role that the first rule requires.
    pub fn caller(&self, user: u64) -> Caller {
        self.caller_with(user, &[MEMBER])
    }

    /// A member with these roles.
    pub fn caller_with(&self, user: u64, roles: &[RoleId]) -> Caller {
        Caller {
            user_id: DiscordUserId::new(user),
            guild_id: Some(GUILD),
            member: Some(member(user, roles)),
            lang: Lang::En,
            interaction_id: InteractionId::new(self.interactions.fetch_add(1, Ordering::SeqCst)),
        }
    }

    /// Submits the form and returns the draft that is shown.
    pub async fn drafts(&self, user: u64, username: &str) -> DraftShown {
        self.accounts.save_draft(&self.caller(user), typed(username)).await.expect("a draft")
    }

    /// Presses `Send`.
    pub async fn sends(&self, user: u64, draft: &Request) -> Result<Sent, UseCaseError> {
        self.accounts.send(&self.caller(user), draft.id, draft.nonce).await
    }

    /// Creates a request that waits for a decision.
    pub async fn asks(&self, user: u64, username: &str) -> Request {
        let draft = self.drafts(user, username).await.request;
        self.sends(user, &draft).await.expect("a sent request");
        self.request(draft.id).await
    }

    /// Reads a request as it is stored.
    pub async fn request(&self, id: RequestId) -> Request {
        let mut view = self.store.read().await.expect("a view");
        view.request(id).await.expect("an answer").expect("the request")
    }

    /// Holds a request, as the availability check does.
    pub async fn holds(&self, request: &Request, code: ErrorCode) -> Request {
        let mut tx = self.store.begin().await.expect("a transaction");
        let change = RequestMove { reason_code: Some(code), ..RequestMove::default() };
        let moved = tx.move_request(request, RequestState::Held, change).await.expect("a move");
        tx.commit("test").await.expect("a commit");
        let RequestMoved::Done(request) = moved else { panic!("not held: {moved:?}") };
        request
    }

    /// Approves a request, as the worker does for an automatic rule.
    pub async fn approves(&self, request: &Request) -> (Account, Job) {
        let mut tx = self.store.begin().await.expect("a transaction");
        let approved = tx
            .approve_request(request, Actor::System, Source::Worker, request.rule.clone())
            .await
            .expect("an answer");
        let Approved::Done { account, job, .. } = approved else { panic!("not approved: {approved:?}") };
        tx.commit("test").await.expect("a commit");
        (account, job)
    }

    /// Claims the next job, which is of this kind, and stops it for an operator.
    pub async fn stops_for_an_operator(&self, kind: JobKind, code: ErrorCode) {
        let claimed = self.store.claim_job("test", Duration::from_mins(1)).await.expect("an answer");
        let job = claimed.expect("a job").job;
        assert_eq!(job.kind, kind);
        let mut tx = self.store.begin().await.expect("a transaction");
        tx.stop_for_operator(&job, code).await.expect("stopped");
        tx.commit("test").await.expect("a commit");
    }

    /// Moves an account to a state, as the worker does.
    pub async fn account_becomes(&self, account: &Account, state: AccountState) -> Account {
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

    /// Creates an account that was active and is closed, so that a tombstone reserves its name.
    pub async fn leaves_tombstone(&self, user: u64, username: &str) {
        let mut tx = self.store.begin().await.expect("a transaction");
        let person = tx.ensure_person(DiscordUserId::new(user), "en").await.expect("a person");
        let name = accolade::domain::username::Username::parse(username, 20).expect("a legal name");
        let inserted = tx.insert_account(person.id, &name).await.expect("an answer");
        tx.commit("test").await.expect("a commit");
        let AccountInserted::Made(account) = inserted else { panic!("no account") };
        let active = self.account_becomes(&account, AccountState::Active).await;
        self.account_becomes(&active, AccountState::Closed).await;
    }

    /// The events of the audit log, oldest first, without the first row of the chain.
    pub async fn events(&self) -> Vec<String> {
        self.audit().await.into_iter().map(|(event, _, _)| event).collect()
    }

    /// Event, actor and reason of every row of the audit log.
    pub async fn audit(&self) -> Vec<(String, String, Option<String>)> {
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

    /// Whether the outbox contains messages.
    pub async fn has_unsent_messages(&self) -> bool {
        self.store.read().await.expect("a view").oldest_outbox().await.expect("an answer").is_some()
    }

    /// Claims the message that is due first.
    pub async fn claim_message(&self) -> Option<Outbox> {
        let mut tx = self.store.begin().await.expect("a transaction");
        let claimed =
            tx.claim_outbox_batch("test", Duration::from_mins(1), 1).await.expect("an answer").pop();
        tx.commit("test").await.expect("a commit");
        claimed
    }

    /// Empties the outbox and returns the dedupe keys of its messages, including a card that waits for its next change.
    pub async fn takes_messages(&self) -> Vec<String> {
        self.clock.push(Duration::from_secs(1));
        let mut keys = Vec::new();
        while let Some(message) = self.claim_message().await {
            let mut tx = self.store.begin().await.expect("a transaction");
            tx.outbox_sent(&message).await.expect("sent");
            tx.commit("test").await.expect("a commit");
            keys.push(message.dedupe_key);
        }
        keys.sort();
        keys
    }
}

/// An operator at the command line.
pub fn operator() -> Operator {
    Operator { login: "grace".to_owned() }
}

/// The text that a person types into the form.
pub fn typed(username: &str) -> FormInput {
    FormInput {
        username: username.to_owned(),
        address: [username, "@example.org"].concat(),
        given: "Ada".to_owned(),
        family: "Lovelace".to_owned(),
        answer: None,
    }
}

/// The facts that Discord reports about a member.
pub fn member(user: u64, roles: &[RoleId]) -> MemberFacts {
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

/// The configuration in an operator's folder, whose servers are unreachable.
pub fn config_in(folder: &Path, secrets: &Path) -> Value {
    let rule = |name: &str, role: RoleId, approval: &str| {
        json!({
            "name": name, "all_roles": [role.to_string()], "groups": ["members"], "approval": approval,
        })
    };
    let sections = Sections {
        discord: json!({"token_file": secrets.join("token")}),
        guilds: vec![json!({
            "id": GUILD.to_string(),
            "moderator_roles": [MODERATOR.to_string()],
            "admin_roles": [ADMIN.to_string()],
            "request_channel": CARDS.to_string(),
            "rule": [rule("trusted", TRUSTED, "automatic"), rule("members", MEMBER, "moderators")],
        })],
        directory: testbed::config::directory_away(&secrets.join("bind")),
        keycloak: testbed::config::keycloak_away(&secrets.join("client")),
        store: testbed::config::sqlite(&folder.join("accolade.sqlite"), &folder.join("accolade.key")),
    };
    sections.whole()
}

fn loaded(folder: &Path) -> Config {
    // This folder is next to the folder of `secrets` that a command-line test creates.
    let secrets = folder.join("library");
    std::fs::create_dir(&secrets).expect("a folder for secrets");
    for name in ["token", "bind", "client"] {
        write_secret(&secrets, name, "a secret");
    }
    let mut config = config_in(folder, &secrets);
    config["username"] = json!({"reserved": ["wiki"]});
    load_config(&secrets.join("accolade.toml"), &config)
}
