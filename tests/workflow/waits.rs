//! What waits is told: the status names it at once. After a few minutes the card, the log channel, the health
//! page and the metrics say it too, once for each wait, until the job moves on.

use std::time::Duration;

use accolade::accounts::requests::RequestFilter;
use accolade::background::{Background, Health};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::job::{JobKind, Step};
use accolade::domain::lang::Lang;
use accolade::domain::status::StatusFacts;
use accolade::messages::status;
use testbed::proxy::{Answer, Plan, Server, Which};

use harness::{Database, MODERATORS, Proxies, StepEnv, WithdrawnBy};

/// Longer than `account.report_delay_after`, and than any pause between two attempts.
const LONG: Duration = Duration::from_mins(6);

/// Keycloak answers each search for a user with nobody, after the two searches of the check.
fn no_import() -> Plan {
    let users = Which::Http("GET", "/users?");
    Plan { after: 2, times: u32::MAX, ..Plan::answer(users, Answer::HttpDocument("[]"), Server::IsSpared) }
}

/// What ada reads with `/account status`.
async fn status_of_ada(env: &StepEnv) -> String {
    let caller = env.caller(1).await;
    let shown = env.accounts().status(&caller).await.expect("a status");
    let facts = StatusFacts {
        stage: &shown.stage,
        code: None,
        next: &shown.next,
        login_url: "https://sso.example.org/",
    };
    status::sentence(Lang::En, &facts)
}

async fn drains(worker: &Background) {
    worker.drain_once().await.expect("the store answers");
}

/// Looks for jobs that wait for long, and sends the messages about them. Returns how many were reported.
async fn reports(env: &StepEnv, worker: &Background) -> usize {
    let reported = worker.report_delays().await.expect("the store answers");
    env.frees_leases().await;
    drains(worker).await;
    reported
}

async fn health(worker: &Background) -> Health {
    worker.health().await.expect("the store answers")
}

/// What the health page counts: codes and how many reported jobs wait for them.
fn reported(health: &Health) -> Vec<(ErrorCode, i64)> {
    let reported = health.waits.iter().filter(|wait| wait.reported > 0);
    reported.map(|wait| (wait.code, wait.reported)).collect()
}

fn card(env: &StepEnv) -> String {
    let cards = env.guild.history("account-requests");
    assert_eq!(cards.len(), 1, "{cards:?}");
    cards.into_iter().map(|(_, text)| text).collect()
}

fn delay_notices(env: &StepEnv) -> Vec<String> {
    env.admins_read().into_iter().filter(|text| text.contains("still waiting")).collect()
}

#[test]
fn an_import_that_never_comes_is_named_at_once_and_reported_once_until_it_comes() {
    for database in [Database::Sqlite, Database::Postgres] {
        StepEnv::plays(database, MODERATORS, async |env| {
            env.approved().await;
            let lines = Proxies::start().await;
            lines.keycloak.plans(no_import());
            env.frees_leases().await;
            let worker = env.worker_behind(&lines);
            drains(&worker).await;

            // At once: the person reads what is waited for. Nobody else is told yet.
            let waits = "Still waiting: Keycloak has not imported the entry yet.";
            let told = status_of_ada(env).await;
            assert!(told.contains(waits) && !told.contains("server"), "{told}");
            assert_eq!(reports(env, &worker).await, 0, "a short wait is usual");
            assert!(reported(&health(&worker).await).is_empty());

            // After a while: each attempt sets `next_run`, and the wait goes on.
            env.clock.push(LONG);
            drains(&worker).await;
            let waited = health(&worker).await.longest_wait;
            assert!(waited >= LONG, "{waited:?}");
            assert_eq!(reports(env, &worker).await, 1);
            assert!(card(env).contains(waits), "{}", card(env));
            let notices = delay_notices(env);
            let code = env.text("SELECT code FROM request").await;
            assert_eq!(notices.len(), 1, "{notices:?}");
            assert!(
                notices[0].contains(&code) && notices[0].contains("Keycloak has not imported the entry yet.")
            );
            assert!(!notices[0].contains(&env.username()), "{}", notices[0]);
            assert_eq!(reported(&health(&worker).await), [(ErrorCode::ImportNotSeen, 1)]);
            let audited = "SELECT reason_code FROM audit WHERE event = 'job.delayed'";
            assert_eq!(env.text(audited).await, "import_not_seen");
            let grant = env.accounts().authorize_operator_reader(&harness::accounts::operator());
            let list = env.accounts().requests(&grant, &RequestFilter::default(), None, 10).await;
            let list = list.expect("a list");
            assert_eq!(list[0].wait.map(|wait| wait.code), Some(ErrorCode::ImportNotSeen), "{list:?}");

            // After a restart: the wait grows, and is not told again.
            let restarted = env.worker_behind(&lines);
            env.clock.push(Duration::from_hours(1));
            drains(&restarted).await;
            assert_eq!(reports(env, &restarted).await, 0);
            assert_eq!(delay_notices(env).len(), 1);
            assert!(health(&restarted).await.longest_wait >= waited + Duration::from_hours(1));
            assert_eq!(reported(&health(&restarted).await), [(ErrorCode::ImportNotSeen, 1)]);

            // The import comes.
            env.clock.push(LONG);
            env.drains().await;
            assert_eq!(env.states().await, "approved done invited");
            assert!(!card(env).contains("waiting"), "{}", card(env));
            let health = health(&restarted).await;
            assert_eq!((health.waits.len(), health.longest_wait), (0, Duration::ZERO));
            assert_eq!(env.text("SELECT count(*) FROM job WHERE reported_at IS NOT NULL").await, "0");
            assert_eq!(delay_notices(env).len(), 1);
        });
    }
}

#[test]
fn requests_that_wait_for_the_same_server_share_a_notice_and_a_later_wait_is_told_again() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let request = env.asks().await;
        let grace = env.guild.member("grace");
        env.asks_as(&grace, &["grace", &env.mark].concat()).await;
        let lines = Proxies::start().await;
        lines.directory.refuses().await.expect("the directory is away");
        let worker = env.worker_behind(&lines);
        drains(&worker).await;
        let told = status_of_ada(env).await;
        assert!(told.contains("waiting for a decision"), "{told}");
        assert!(told.contains("Still waiting: the directory is not responding."), "{told}");
        env.clock.push(LONG);
        assert_eq!(reports(env, &worker).await, 2);
        let notices = delay_notices(env);
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].contains("Requests") && notices[0].contains(&request.code), "{notices:?}");
        assert_eq!(reported(&health(&worker).await), [(ErrorCode::DirectoryDown, 2)]);

        // The checks end, and the cards lose the line.
        lines.directory.heals().await.expect("it is back");
        env.clock.push(LONG);
        env.drains().await;
        assert_eq!(reported(&health(&worker).await), []);
        let cards = env.guild.history("account-requests");
        assert!(cards.iter().all(|(_, text)| !text.contains("Still waiting")), "{cards:?}");

        // Another job of the same request waits: that is another wait.
        env.approves(&request).await;
        lines.directory.refuses().await.expect("the directory is away");
        let worker = env.worker_behind(&lines);
        drains(&worker).await;
        env.clock.push(LONG);
        assert_eq!(reports(env, &worker).await, 1);
        let notices = delay_notices(env);
        assert_eq!(notices.len(), 2, "{notices:?}");
        lines.directory.heals().await.expect("it is back");
        env.clock.push(LONG);
        env.drains().await;
        assert_eq!(env.text("SELECT state FROM account").await, "invited");
        assert_eq!(reported(&health(&worker).await), []);
    });
}

#[test]
fn an_undo_that_waits_names_the_server_and_never_the_reason_of_the_undo() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let job = env.approved().await;
        env.drains_up_to(Step::AwaitGroupSync).await;
        env.cancels(&job).await;
        env.drains_until(accolade::background::StopAt::Before(Step::Lock)).await;
        let reason = "SELECT state || ' ' || error_code FROM job ORDER BY seq DESC LIMIT 1";
        assert_eq!(env.text(reason).await, "undoing already_decided");
        env.clock.push(LONG);
        let worker = env.worker();
        assert_eq!(worker.report_delays().await.expect("the store answers"), 0);
        assert!(!status_of_ada(env).await.contains("waiting"));

        let without = env.worker_without_keycloak();
        env.frees_leases().await;
        drains(&without).await;
        assert_eq!(env.text(reason).await, "undoing keycloak_down");
        let told = status_of_ada(env).await;
        assert!(told.contains("is being removed") && told.contains("Keycloak is not responding."), "{told}");
        env.clock.push(LONG);
        assert_eq!(reports(env, &without).await, 1);
        let waits = "Still waiting to end the account: Keycloak is not responding.";
        assert!(card(env).contains(waits), "{}", card(env));
        assert_eq!(delay_notices(env).len(), 1);

        env.clock.push(LONG);
        env.drains().await;
        assert_eq!(env.states().await, "cancelled undone closed");
        assert!(!card(env).contains("Still waiting"), "{}", card(env));
    });
}

#[test]
fn a_job_behind_one_that_waits_waits_for_the_same() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let provision = env.invited().await;
        env.sets_password().await;
        env.frees_leases().await;
        assert_eq!(env.worker().look_for_activations().await.expect("the store answers"), 1);
        env.drains().await;
        env.withdraws(&provision, WithdrawnBy::Time).await;
        let without = env.worker_without_keycloak();
        env.frees_leases().await;
        drains(&without).await;
        env.wants(JobKind::Lock, &provision).await;
        drains(&without).await;
        let told = status_of_ada(env).await;
        assert!(told.contains("is being locked") && told.contains("Keycloak is not responding."), "{told}");
        env.clock.push(LONG);
        assert_eq!(reports(env, &without).await, 1, "the first job alone");
        env.clock.push(LONG);
        env.drains().await;
        assert_eq!(reported(&health(&without).await), []);
        assert!(!env.bind_works().await, "the account is locked");
    });
}

#[test]
fn events_of_keycloak_that_cannot_be_read_are_counted_from_the_first_failure_until_they_are_read() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let lines = Proxies::start().await;
        let worker = env.worker_behind(&lines);
        let looks = async || worker.look_for_activations().await.expect("the store answers");
        looks().await;
        assert_eq!(worker.events_unread_for(), Duration::ZERO);
        // Keycloak answers, but refuses: the readiness of Keycloak itself does not show it.
        let events = Which::Http("GET", "/events?");
        let refused = Plan::answer(events, Answer::HttpStatus(403), Server::IsSpared);
        lines.keycloak.plans(Plan { times: u32::MAX, ..refused });
        looks().await;
        env.clock.push(LONG);
        looks().await;
        assert!(worker.events_unread_for() >= LONG, "{:?}", worker.events_unread_for());
        lines.keycloak.heals().await.expect("it answers");
        looks().await;
        assert_eq!(worker.events_unread_for(), Duration::ZERO);
    });
}
