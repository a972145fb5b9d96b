//! Keycloak does not show what exists. It answers an import with no user, it leaves out groups, a mapper is
//! gone, or a sync is ignored or fails in part. The worker relies only on what it reads back. It waits with a
//! code that names what is missing, and continues by itself or after an operator's retry.

use std::time::Duration;

use accolade::domain::job::Step;
use testbed::proxy::{Answer, Plan, Server, Which};

use harness::{Database, MODERATORS, Proxies, StepEnv};

const USERS: Which = Which::Http("GET", "/users?");
const GROUPS: Which = Which::Http("GET", "/groups?");
const SYNC: Which = Which::Http("POST", "/sync?");
const NOBODY: Answer = Answer::HttpDocument("[]");

/// Longer than any pause between two attempts.
const A_WHILE: Duration = Duration::from_mins(2);

/// The proxy gives this answer to these exchanges, in place of the server.
fn instead(which: Which, (after, times): (u32, u32), answer: Answer) -> Plan {
    Plan { after, times, ..Plan::answer(which, answer, Server::IsSpared) }
}

/// Answers every call, because the pause before the next attempt is random and may be zero.
const ALWAYS: u32 = u32::MAX;

/// Runs a provisioning with these answers. Returns the state, step and error code of the job, and how many answers were given.
async fn provision(env: &StepEnv, plans: Vec<Plan>) -> (String, usize) {
    env.approved().await;
    let lines = Proxies::start().await;
    for plan in plans {
        lines.keycloak.plans(plan);
    }
    env.frees_leases().await;
    env.worker_behind(&lines).drain_once().await.expect("the store answers");
    let states = "SELECT state || ' ' || coalesce(step, '-') || ' ' || coalesce(error_code, '-') FROM job ORDER BY seq DESC LIMIT 1";
    (env.text(states).await, lines.hits().len())
}

/// Keycloak shows everything again, and the account is made once, with one mail.
async fn is_made_in_the_end(env: &StepEnv) {
    env.clock.push(A_WHILE);
    env.drains().await;
    assert_eq!(env.states().await, "approved done invited");
    let outside = env.outside().await;
    assert_eq!((outside.entries.len(), outside.users.len(), outside.mails), (1, 1, 1), "{outside:?}");
    assert!(outside.users[0].contains("members"), "{outside:?}");
}

fn waits_at(step: Step, code: &str) -> String {
    ["open", step.code(), code].join(" ")
}

#[test]
fn an_import_that_keycloak_does_not_show_is_asked_for_again_and_never_mailed() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        // The two searches of the check come first. Then each attempt asks five times.
        let (states, hits) = provision(env, vec![instead(USERS, (2, ALWAYS), NOBODY)]).await;
        assert_eq!(states, waits_at(Step::AwaitImport, "import_not_seen"));
        assert!(hits >= 5 && hits % 5 == 0, "{hits}");
        assert_eq!(env.outside().await.mails, 0);
        is_made_in_the_end(env).await;
    });
}

#[test]
fn groups_that_keycloak_does_not_show_after_a_sync_keep_the_mail_back() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let (states, hits) = provision(env, vec![instead(GROUPS, (0, ALWAYS), NOBODY)]).await;
        assert_eq!(states, waits_at(Step::AwaitGroupSync, "groups_not_seen"));
        assert!(hits >= 2 && hits % 2 == 0, "once before the sync and once after it: {hits}");
        assert_eq!(env.outside().await.mails, 0);
        is_made_in_the_end(env).await;
    });
}

#[test]
fn a_sync_that_failed_in_part_or_was_ignored_proves_nothing() {
    let failed = r#"{"ignored":false,"added":0,"updated":0,"removed":0,"failed":1,"status":"0 imported groups, 1 failed"}"#;
    let ignored = r#"{"ignored":true,"added":0,"updated":0,"removed":0,"failed":0,"status":"Synchronization ignored as it's already in progress"}"#;
    for report in [failed, ignored] {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            let plans = vec![
                instead(GROUPS, (0, ALWAYS), NOBODY),
                instead(SYNC, (0, ALWAYS), Answer::HttpDocument(report)),
            ];
            let (states, hits) = provision(env, plans).await;
            assert_eq!(states, waits_at(Step::AwaitGroupSync, "groups_not_seen"));
            assert!(hits >= 3 && hits % 3 == 0, "the groups, the sync, the groups: {hits}");
            assert_eq!(env.outside().await.mails, 0);
            is_made_in_the_end(env).await;
        });
    }
}

#[test]
fn a_sync_that_failed_in_part_is_enough_if_our_groups_are_shown_afterwards() {
    let failed = r#"{"ignored":false,"added":1,"updated":0,"removed":0,"failed":1,"status":"1 imported groups, 1 failed"}"#;
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let plans =
            vec![instead(GROUPS, (0, 1), NOBODY), instead(SYNC, (0, 1), Answer::HttpDocument(failed))];
        let (states, hits) = provision(env, plans).await;
        assert_eq!((states.as_str(), hits), ("done - -", 2));
        assert_eq!(env.newest_outcome_of(Step::AwaitGroupSync).await, "applied");
        is_made_in_the_end(env).await;
    });
}

#[test]
fn a_mapper_that_is_gone_needs_an_operator_and_no_mail_goes_out() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let plans = vec![instead(GROUPS, (0, 1), NOBODY), instead(SYNC, (0, 1), Answer::HttpStatus(404))];
        let (states, hits) = provision(env, plans).await;
        assert_eq!((states.as_str(), hits), ("needs_operator await_group_sync keycloak_refused", 2));
        assert_eq!(env.outside().await.mails, 0);
        env.is_let_go_on().await;
        is_made_in_the_end(env).await;
    });
}
