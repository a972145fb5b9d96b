//! What one whole request costs, from the command to the mail and the messages about it. The cost is the number
//! of statements, commits and flushes of the store, and of calls to Keycloak, the directory and Discord. The
//! test counts and doesn't measure time, so a change that makes a request more expensive fails here.

use accolade::accounts::{Caller, FormInput, Proof, Reviewer};
use accolade::background::Background;
use accolade::domain::approval::Verdict;
use accolade::domain::audit::Source;
use accolade::domain::ids::{DiscordUserId, RequestId};
use accolade::domain::lang::Lang;
use testbed::proxy::{Exchange, Kind, Operation};

use harness::{AUTOMATIC, Database, MODERATORS, Proxies, StepEnv};

/// The cost of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    statements: u64,
    commits: u64,
    flushes: u64,
    keycloak: usize,
    directory: usize,
    discord: usize,
}

/// The maximum cost on SQLite of a request that a rule approves. The calls to Keycloak are two searches by the
/// check, the search for the import, the groups, and the mail.
const LIMIT: Cost = Cost { statements: 40, commits: 7, flushes: 5, keycloak: 5, directory: 8, discord: 3 };

/// The additional cost of a moderator's decision.
const DECISION: Cost = Cost { statements: 10, commits: 3, flushes: 3, keycloak: 0, directory: 0, discord: 6 };

/// The additional cost on PostgreSQL. The store locks keys and sets savepoints, which SQLite doesn't need.
/// PostgreSQL flushes by itself.
const ON_POSTGRES: Cost =
    Cost { statements: 12, commits: 0, flushes: 0, keycloak: 0, directory: 0, discord: 0 };

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            statements: self.statements + more.statements,
            commits: self.commits + more.commits,
            flushes: self.flushes + more.flushes,
            keycloak: self.keycloak + more.keycloak,
            directory: self.directory + more.directory,
            discord: self.discord + more.discord,
        }
    }
}

impl Cost {
    fn is_within(self, limit: Self) -> bool {
        self.statements <= limit.statements
            && self.commits <= limit.commits
            && self.flushes <= limit.flushes
            && self.keycloak <= limit.keycloak
            && self.directory <= limit.directory
            && self.discord <= limit.discord
    }

    /// The cost up to now.
    fn up_to_now(env: &StepEnv, lines: &Proxies) -> Self {
        let counted = |calls: Vec<Exchange>| calls.iter().filter(|call| is_counted(call)).count();
        let counts = env.store.counts();
        Self {
            statements: counts.statements,
            commits: counts.commits,
            flushes: counts.flushes,
            keycloak: counted(lines.keycloak.exchanges()),
            directory: counted(lines.directory.exchanges()),
            discord: env.sim.requests().len(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            statements: self.statements - before.statements,
            commits: self.commits - before.commits,
            flushes: self.flushes - before.flushes,
            keycloak: self.keycloak - before.keycloak,
            directory: self.directory - before.directory,
            discord: self.discord - before.discord,
        }
    }
}

/// Whether a request causes this call. Binds and tokens serve many requests, so they don't count.
fn is_counted(call: &Exchange) -> bool {
    match &call.kind {
        Kind::Ldap(operation) => !matches!(operation, Operation::Bind | Operation::Silent),
        Kind::Http(_, path) => !path.contains("/token"),
        Kind::Connection => false,
    }
}

/// Runs everything that is due until nothing is left.
async fn drain(env: &StepEnv, worker: &Background) {
    worker.drain_once().await.expect("the store answers");
    assert!(env.rows("SELECT id FROM job WHERE state NOT IN ('done')").await.is_empty(), "nothing waits");
}

/// Ada opens the form, fills it in and presses `Send`.
async fn send(env: &StepEnv, caller: &Caller) -> RequestId {
    let accounts = env.accounts();
    accounts.open_form(caller).await.expect("the form opens");
    let typed = FormInput {
        username: env.username(),
        address: env.address(),
        given: "Ada".to_owned(),
        family: "Lovelace".to_owned(),
        answer: None,
    };
    let draft = accounts.save_draft(caller, typed).await.expect("a draft").request;
    accounts.send(caller, draft.id, draft.nonce).await.expect("it is sent");
    draft.id
}

/// Grace approves with the button on the card.
async fn approve(env: &StepEnv, request: RequestId) {
    let accounts = env.accounts();
    let grace = Reviewer {
        user_id: DiscordUserId::new(env.guild.member("grace").id().0),
        guild_id: env.caller(0).await.guild_id.expect("a guild"),
        via: Source::Cli,
        cli_login: Some("grace".to_owned()),
        interaction_id: None,
        lang: Lang::En,
    };
    let moderator = accounts.authorize_moderator(&grace, request, Proof::CommandLine, Verdict::Approve).await;
    accounts.approve(moderator.expect("grace is a moderator")).await.expect("approved");
}

/// The cost of one request, until everybody has been told.
async fn cost_of(env: &StepEnv, approval: &str) -> Cost {
    let lines = Proxies::start().await;
    let worker = env.worker_behind(&lines);
    let caller = env.caller(1).await;
    // Nothing is due in the first drain, so its statements are those of a poll.
    let before_poll = Cost::up_to_now(env, &lines);
    drain(env, &worker).await;
    let before = Cost::up_to_now(env, &lines);
    let poll = before.since(before_poll);
    let request = send(env, &caller).await;
    drain(env, &worker).await;
    let mut polls = 1;
    if approval == MODERATORS {
        approve(env, request).await;
        drain(env, &worker).await;
        polls = 2;
    }
    assert_eq!(env.states().await, "approved done invited");
    let cost = Cost::up_to_now(env, &lines).since(before);
    Cost {
        statements: cost.statements - polls * poll.statements,
        commits: cost.commits - polls * poll.commits,
        ..cost
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "shown only where the test fails: what was counted")]
fn a_request_costs_no_more_statements_commits_flushes_and_calls_than_it_may() {
    for (database, on) in [(Database::Sqlite, Cost::default()), (Database::Postgres, ON_POSTGRES)] {
        for (approval, decision) in [(AUTOMATIC, Cost::default()), (MODERATORS, DECISION)] {
            StepEnv::plays(database, approval, async |env| {
                let cost = cost_of(env, approval).await;
                let limit = LIMIT + decision + on;
                eprintln!("{database:?} {approval}: {cost:?}");
                assert!(
                    cost.is_within(limit),
                    "{database:?}, {approval}: {cost:?}, and the limit is {limit:?}"
                );
            });
        }
    }
}
