//! Concurrent decisions: one of two simultaneous decisions wins, within one process and between two.

use super::*;

/// A moderator presses again until the database is no longer busy.
async fn insists(press: impl AsyncFn() -> Result<Decided, UseCaseError>) -> Result<Decided, UseCaseError> {
    loop {
        let told = press().await;
        if told != Err(UseCaseError::because(ErrorCode::StoreBusy)) {
            return told;
        }
    }
}

/// One moderator approves and one denies at once, through these use cases. In every third race both do the
/// same. Returns whether it was approved.
async fn race(env: &AccountsEnv, [one, other]: [&Accounts; 2], number: u64) -> bool {
    let user = EVE + 1000 + number;
    let request = env.asks(user, &letters("p", number)).await;
    let denier = if number.is_multiple_of(3) { GRACE } else { LINUS };
    let answer =
        Fresh { reviewer: Some(member(GRACE, &[MODERATOR])), applicant: Some(member(user, &[MEMBER])) };
    let approving =
        insists(async || approve_on(one, &reviewer(GRACE), request.id, Proof::CommandLine, &answer).await);
    let facts = member(denier, &[MODERATOR]);
    let denying = insists(async || {
        let how = ("not now", Notify::Told);
        deny_on(other, &reviewer(denier), request.id, Some(&facts), how).await
    });
    let (yes, no) = if number.is_multiple_of(2) {
        tokio::join!(approving, denying)
    } else {
        let (no, yes) = tokio::join!(denying, approving);
        (yes, no)
    };
    let state = env.request(request.id).await.state;
    let (winner, verdict, loser) = match (yes, no) {
        (Ok(_), Err(loser)) => (GRACE, Verdict::Approve, loser),
        (Err(loser), Ok(_)) => (denier, Verdict::Deny, loser),
        both => panic!("race {number}: {both:?}"),
    };
    let is_approved = verdict == Verdict::Approve;
    assert_eq!(state, if is_approved { RequestState::Approved } else { RequestState::Denied });
    let at = crate::clock::Clock::now(env.clock.as_ref());
    let first = Details::DecidedBy { who: DiscordUserId::new(winner), verdict, at };
    assert_eq!(loser, UseCaseError::with(ErrorCode::AlreadyDecided, first), "race {number}");
    is_approved
}

/// Runs many races, some concurrently, and checks the database. Each race has one decision and one audit row,
/// and each approval has one account with one job.
async fn many_races(env: &AccountsEnv, other: &Accounts, how_many: u64, at_once: usize) {
    let races = (0..how_many).map(|number| {
        let both = if number % 4 < 2 { [&env.accounts, other] } else { [other, &env.accounts] };
        race(env, both, number)
    });
    let ended: Vec<bool> = futures::stream::iter(races).buffer_unordered(at_once).collect().await;
    let approved = ended.iter().filter(|is_approved| **is_approved).count();
    let denied = ended.len() - approved;
    let db = DbInspector::open(env.config.store.url.as_str()).await.expect("the database opens");
    let counts = [
        ("request.approved", "SELECT request_id FROM audit WHERE event = 'request.approved'", approved),
        ("request.denied", "SELECT request_id FROM audit WHERE event = 'request.denied'", denied),
        ("decisions", "SELECT request_id FROM decision", ended.len()),
        ("accounts", "SELECT person_id FROM account", approved),
        ("jobs", "SELECT request_id FROM job WHERE kind = 'provision'", approved),
        ("open looks", "SELECT request_id FROM job WHERE kind = 'check' AND state <> 'done'", 0),
        ("news", "SELECT target FROM outbox WHERE dedupe_key LIKE 'direct:denied:%'", denied),
    ];
    for (what, sql, wanted) in counts {
        let mut rows = db.column(sql).await.expect("the database answers");
        let found = rows.len();
        rows.sort();
        rows.dedup();
        // The notification's target is the person, and each person has one notification.
        assert_eq!((found, rows.len()), (wanted, wanted), "{what}");
    }
    let decided = "SELECT r.id FROM request AS r LEFT JOIN job AS w ON w.request_id = r.id AND w.kind = 'provision' \
        JOIN decision AS d ON d.request_id = r.id \
        WHERE (r.state = 'approved') <> (w.id IS NOT NULL) OR (r.state = 'approved') <> (d.verdict = 'approve')";
    assert_eq!(db.column(decided).await.expect("the database answers"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_races_of_approve_and_deny_have_one_winner_each() {
    let env = AccountsEnv::new().await;
    let other = env.accounts.clone();
    many_races(&env, &other, 1000, 1).await;
}

/// An environment whose database is on a server; `options` are appended to its URL.
async fn env_on(server: &testbed::Postgres, options: &str) -> AccountsEnv {
    let url = server.new_database().await.expect("a database");
    let url = [&url, options].concat().parse().expect("a url");
    AccountsEnv::with(|config| config.store.url = url).await
}

/// The use cases of a second process on the same database.
async fn beside(env: &AccountsEnv) -> Accounts {
    let store = Store::open(&env.config.store, env.clock.clone(), Arc::new(SystemRng)).await;
    let store = store.expect("the database, once more");
    let clients = Clients { store, discord: None, directory: None, keycloak: None, examiner: None };
    Accounts::new(env.config.clone(), env.clock.clone(), clients)
}

/// At this isolation level the server aborts conflicting transactions (40001). Each transaction is retried as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_of_two_processes_on_a_serializable_postgres_have_one_winner_each() {
    let server = testbed::Postgres::start_new().await.expect("PostgreSQL starts");
    let env = env_on(&server, "?options[default_transaction_isolation]=serializable").await;
    let other = beside(&env).await;
    many_races(&env, &other, 100, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_races_of_two_processes_on_postgres_have_one_winner_each_and_no_deadlock() {
    let server = testbed::Postgres::start_new().await.expect("PostgreSQL starts");
    let env = env_on(&server, "").await;
    let other = beside(&env).await;
    many_races(&env, &other, 1000, 4).await;
    // A process's statistics are visible only after its connections have closed.
    env.store.close().await;
    other.store().close().await;
    let db = DbInspector::open(env.config.store.url.as_str()).await.expect("the database opens");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(db.column(deadlocks).await.expect("the database answers"), ["0"]);
}
