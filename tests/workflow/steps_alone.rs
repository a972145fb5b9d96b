//! What single steps find outside: foreign names, addresses and entries, people who leave, passwords that
//! appear, replicas. The tests use real servers, and after each case the checker examines all five stores. None
//! of this depends on the database, so one database is enough, except for replicas.

use std::time::Duration;

use accolade::background::StopAt;
use accolade::domain::error_code::ErrorCode;
use accolade::domain::job::{JobKind, Step};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use testbed::db_inspector::text_of;
use testbed::proxy::{Direction, Fault, Operation, Place, Plan, Which};
use testbed::slapd::PersonByHand;
use testbed::wait_until;

use harness::{Database, MODERATORS, OutsideState, Proxies, StepEnv, WithdrawnBy, shared};

#[test]
fn whoever_left_gets_no_account() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.ada.leaves();
        env.drains().await;
        assert_eq!(env.states().await, "failed undone closed");
        env.has_nothing_left().await;
        let events = env.rows("SELECT event FROM audit ORDER BY seq DESC LIMIT 3").await;
        let events: Vec<&str> = events.iter().filter_map(|row| row["event"].as_str()).collect();
        assert_eq!(events, ["request.failed", "job.undone", "account.closed"]);
    });
}

#[test]
fn while_keycloak_is_away_a_job_waits_at_its_step_and_nothing_is_made() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.worker_without_keycloak().drain_once().await.expect("the store answers");
        assert_eq!(env.states().await, "approved open creating");
        let job = env.job().await;
        assert_eq!(
            (job.step, job.error_code),
            (Some(Step::RecheckAvailability), Some(ErrorCode::KeycloakDown))
        );
        assert!(job.lease_until.is_none_or(|until| until <= job.next_run), "the lease was not released");
        assert!(env.outside().await.entries.is_empty());
        env.drains().await;
        assert_eq!(env.states().await, "approved done invited");
    });
}

#[test]
fn a_kill_between_two_convergent_steps_loses_their_records_and_the_next_claim_finds_their_effects() {
    for step in [Step::CreateEntry, Step::Groups, Step::AwaitImport, Step::AwaitGroupSync] {
        StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
            let job = env.approved().await;
            env.drains_until(StopAt::After(step)).await;
            assert_eq!(env.step().await, Step::Eligible.code(), "nothing since the claim is recorded");
            let steps = format!("SELECT id FROM job_step WHERE job_id = '{}'", job.id);
            assert!(env.rows(&steps).await.is_empty());
            assert_eq!(env.text("SELECT coalesce(directory_id, '-') FROM account").await, "-");
            let made = env.outside().await;
            assert_eq!((made.entries.len(), made.mails), (1, 0), "the entry is there");
            env.drains().await;
            assert_eq!(env.states().await, "approved done invited");
            let events = env.rows("SELECT event FROM audit WHERE event LIKE 'entry.%'").await;
            assert_eq!(events.len(), 1, "{events:?}");
            assert_eq!(env.text("SELECT event FROM audit WHERE event LIKE 'entry.%'").await, "entry.found");
            let after = env.outside().await;
            // Groups that are set by now are among the entry's attributes, so only its id is compared.
            let ids =
                |outside: &OutsideState| outside.entries.iter().map(|entry| id_in(entry)).collect::<Vec<_>>();
            assert_eq!((ids(&after), after.users.len(), after.mails), (ids(&made), 1, 1));
        });
    }
}

/// The directory's id in the text of an entry.
fn id_in(entry: &str) -> String {
    let rest = entry.split_once("\"entryUUID\": [\"").map(|(_, rest)| rest).expect("an entry has an id");
    rest.chars().take_while(|c| *c != '"').collect()
}

#[test]
fn a_cancel_that_comes_between_two_barriers_stops_the_mail() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let job = env.approved().await;
        let lines = Proxies::start().await;
        let groups = Which::Http("GET", "/groups?");
        lines.keycloak.plans(Plan::once(groups, Direction::ToClient, Place::Start, Fault::Stall));
        env.frees_leases().await;
        let worker = env.worker_behind(&lines);
        let meanwhile = async {
            wait_until("the lost call", Duration::from_secs(20), async || Ok(!lines.hits().is_empty()))
                .await?;
            env.cancels(&job).await;
            lines.keycloak.heals().await
        };
        let (drained, healed) = tokio::join!(worker.drain_once(), meanwhile);
        drained.expect("the store answers");
        healed.expect("the question was under way");
        env.drains().await;
        assert_eq!(env.states().await, "cancelled undone closed");
        env.has_nothing_left().await;
        assert_eq!(env.outside().await.mails, 0);
    });
}

#[test]
fn who_loses_the_role_while_the_entry_had_to_wait_gets_none() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.stands_at(JobKind::Provision.plan(), Step::CreateEntry).await;
        env.ada.loses("member");
        env.clock.push(Duration::from_mins(10));
        env.drains().await;
        assert_eq!(env.states().await, "failed undone closed");
        assert_eq!(env.text("SELECT reason_code FROM request").await, "role_lost");
        env.has_nothing_left().await;
    });
}

/// A fault campaign found this: the decision was recorded by a process whose clock was an hour ahead, so it looked new an hour later.
#[test]
fn a_decision_of_an_earlier_claim_is_made_again_however_new_its_record_looks() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.stands_at(JobKind::Provision.plan(), Step::CreateEntry).await;
        env.ada.loses("member");
        env.drains().await;
        assert_eq!(env.states().await, "failed undone closed");
        assert_eq!(env.text("SELECT reason_code FROM request").await, "role_lost");
        env.has_nothing_left().await;
    });
}

#[test]
fn who_still_has_the_role_gets_the_entry_that_had_to_wait_and_the_look_is_recorded_once() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.stands_at(JobKind::Provision.plan(), Step::CreateEntry).await;
        env.clock.push(Duration::from_mins(10));
        env.drains().await;
        assert_eq!(env.states().await, "approved done invited");
        // The time of this record says since when the next step has been tried.
        assert_eq!(env.records_of(Step::Eligible).await, 1);
    });
}

#[test]
fn who_loses_the_role_while_the_entry_was_being_made_gets_no_mail() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.stands_at(JobKind::Provision.plan(), Step::CreateEntry).await;
        // The first check is old and another rule matches by now, so the second check is recorded, too.
        env.ada.loses("member");
        env.ada.gains("guest");
        env.clock.push(Duration::from_mins(10));
        let lines = Proxies::start().await;
        let add = Which::Ldap(Operation::Add);
        lines.directory.plans(Plan::once(add, Direction::ToClient, Place::Start, Fault::Stall));
        env.frees_leases().await;
        let worker = env.worker_behind(&lines);
        let meanwhile = async {
            wait_until("the Add", Duration::from_secs(10), async || Ok(!lines.hits().is_empty())).await?;
            env.ada.loses("guest");
            env.clock.push(Duration::from_mins(1));
            lines.directory.heals().await
        };
        let (drained, healed) = tokio::join!(worker.drain_once(), meanwhile);
        drained.expect("the store answers");
        healed.expect("the Add was under way");
        env.drains().await;
        assert_eq!(env.states().await, "failed undone closed");
        assert_eq!(env.text("SELECT reason_code FROM request").await, "role_lost");
        assert_eq!(env.outside().await.mails, 0);
        env.has_nothing_left().await;
    });
}

#[test]
fn a_wish_to_stop_that_comes_while_the_last_step_runs_ends_the_account() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let job = env.approved().await;
        env.stands_at(JobKind::Provision.plan(), Step::Invite).await;
        let lines = Proxies::start().await;
        let silence = (Which::Ldap(Operation::Search), Direction::ToClient, Place::Start, Fault::Stall);
        lines.directory.plans(Plan::once(silence.0, silence.1, silence.2, silence.3));
        env.frees_leases().await;
        let worker = env.worker_behind(&lines);
        // The worker has read the job and waits for the directory when Ada cancels her request.
        let cancelling = async {
            wait_until("the silence", Duration::from_secs(10), async || Ok(!lines.hits().is_empty())).await?;
            env.cancels(&job).await;
            lines.directory.heals().await
        };
        let (drained, cancelled) = tokio::join!(worker.drain_once(), cancelling);
        drained.expect("the store answers");
        cancelled.expect("the step was under way");
        env.drains().await;
        assert_eq!(env.states().await, "cancelled done closed");
        assert_eq!(env.text("SELECT event FROM audit WHERE event = 'account.invited'").await, "");
        env.has_nothing_left().await;
        env.is_in_order().await;
    });
}

/// Someone else has the name, and the entry stays as it is, including its time stamps.
fn a_foreign_entry_before(step: Step) {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.stands_at(JobKind::Provision.plan(), step).await;
        let slapd = &shared().servers.slapd;
        let foreign = PersonByHand::named(&env.username());
        slapd.add_person_by_hand(&foreign).await.expect("an entry by hand");
        let before =
            slapd.entry(&env.dn()).await.expect("the directory answers").map(|entry| entry.attributes);
        env.drains().await;
        assert_eq!(env.states().await, "failed undone closed");
        let after =
            slapd.entry(&env.dn()).await.expect("the directory answers").map(|entry| entry.attributes);
        assert_eq!(after, before);
        assert_eq!(env.text("SELECT reason_code FROM request").await, "name_unavailable");
    });
}

#[test]
fn a_name_that_was_taken_before_the_look_is_left_to_its_owner() {
    a_foreign_entry_before(Step::RecheckAvailability);
}

#[test]
fn a_name_that_was_taken_between_look_and_add_is_left_to_its_owner() {
    a_foreign_entry_before(Step::CreateEntry);
}

#[test]
fn a_user_of_keycloaks_own_with_the_name_is_left_alone_and_our_entry_goes() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.drains_up_to(Step::CreateEntry).await;
        env.somebody_makes_a_local_user().await;
        let before = env.outside().await.users;
        env.drains().await;
        assert_eq!(env.states().await, "failed undone closed");
        assert_eq!(env.text("SELECT reason_code FROM request").await, "keycloak_user_not_ours");
        let outside = env.outside().await;
        assert_eq!(outside.users, before);
        assert!(outside.entries.is_empty() && outside.memberships.is_empty(), "{outside:?}");
    });
}

#[test]
fn after_a_conflict_was_put_right_the_job_continues_to_the_account_and_its_mail() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.drains_up_to(Step::Groups).await;
        let slapd = &shared().servers.slapd;
        let marked = slapd.entry(&env.dn()).await.expect("the directory answers").expect("an entry");
        let mark = marked.value("description").expect("a mark");
        slapd.set_attribute(&env.dn(), "description", &["somebody else's"]).await.expect("changed by hand");
        env.drains().await;
        assert_eq!(env.states().await, "approved needs_operator conflict");

        env.is_let_go_on().await;
        assert_eq!(env.states().await, "approved open creating");
        env.drains().await;
        assert_eq!(env.states().await, "approved needs_operator conflict", "the conflict was not fixed");

        slapd.set_attribute(&env.dn(), "description", &[mark]).await.expect("put right by hand");
        env.is_let_go_on().await;
        env.drains().await;
        assert_eq!(env.states().await, "approved done invited");
        assert_eq!(env.outside().await.mails, 1);
        let changes =
            "SELECT before || ' ' || after FROM audit WHERE event = 'account.conflict' ORDER BY seq";
        let changes: Vec<String> =
            env.rows(changes).await.iter().flat_map(|row| row.values().map(text_of)).collect();
        let (falls, rises) = ("creating conflict", "conflict creating");
        assert_eq!(changes, [falls, rises, falls, rises]);
    });
}

#[test]
fn an_invited_account_in_conflict_stands_as_invited_again() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        let slapd = &shared().servers.slapd;
        let marked = slapd.entry(&env.dn()).await.expect("the directory answers").expect("an entry");
        let mark = marked.value("description").expect("a mark");
        slapd.set_attribute(&env.dn(), "description", &["somebody else's"]).await.expect("changed by hand");
        env.withdraws(&made, WithdrawnBy::Time).await;
        env.drains().await;
        assert_eq!(env.states().await, "approved needs_operator conflict");
        slapd.set_attribute(&env.dn(), "description", &[mark]).await.expect("put right by hand");
        env.is_let_go_on().await;
        assert_eq!(env.states().await, "approved open invited");
        env.drains().await;
        assert_eq!(env.states().await, "cancelled done closed");
        env.has_nothing_left().await;
    });
}

#[test]
fn an_entry_with_our_discord_id_but_without_our_mark_is_a_conflict_and_stays_untouched() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.drains_up_to(Step::Groups).await;
        let slapd = &shared().servers.slapd;
        slapd.set_attribute(&env.dn(), "description", &["somebody else's"]).await.expect("changed by hand");
        let before = env.outside().await;
        env.drains().await;
        assert_eq!(env.states().await, "approved needs_operator conflict");
        let after = env.outside().await;
        assert_eq!((after.entries, after.memberships), (before.entries, before.memberships));
    });
}

#[test]
fn while_keycloak_is_away_the_entry_is_locked_at_once() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        env.withdraws(&made, WithdrawnBy::Time).await;
        env.worker_without_keycloak().drain_once().await.expect("the store answers");
        assert_eq!(env.step().await, Step::Disable.code());
        let entry =
            shared().servers.slapd.entry(&env.dn()).await.expect("the directory answers").expect("an entry");
        assert!(entry.value("pwdAccountLockedTime").is_some(), "{entry:?}");
        env.drains().await;
        env.has_nothing_left().await;
    });
}

#[test]
fn an_account_that_was_used_after_all_is_restored_although_keycloak_refuses_its_names() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        env.withdraws(&made, WithdrawnBy::Time).await;
        env.sets_password().await;
        let slapd = &shared().servers.slapd;
        let refused = ["Anne (Annie)"];
        slapd.set_attribute(&env.dn(), "givenName", &refused).await.expect("the directory answers");
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
        assert!(env.bind_works().await, "the password still works");
        assert!(env.user().await.is_some_and(|user| user.enabled), "the user is enabled again");
        let entry = slapd.entry(&env.dn()).await.expect("the directory answers").expect("the entry");
        assert_eq!(entry.values("givenName"), refused);
    });
}

#[test]
fn a_password_that_appears_right_before_the_removal_saves_the_entry() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        env.withdraws(&made, WithdrawnBy::Time).await;
        env.drains_up_to(Step::Remove).await;
        let slapd = &shared().servers.slapd;
        slapd.set_attribute(&env.dn(), "userPassword", &["Correct-horse-1"]).await.expect("set by hand");
        env.drains().await;
        assert_eq!(env.states().await, "approved done active");
        assert!(env.bind_works().await);
    });
}

#[test]
fn an_undo_that_finds_a_password_keeps_the_entry_and_everybody_reads_so() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        env.drains_up_to(Step::CreateEntry).await;
        env.somebody_makes_a_local_user().await;
        env.drains_up_to(Step::AwaitImport).await;
        let slapd = &shared().servers.slapd;
        slapd.set_attribute(&env.dn(), "userPassword", &["Correct-horse-1"]).await.expect("set by hand");
        env.drains().await;
        assert_eq!(env.states().await, "failed undone disabled");
        assert!(!env.bind_works().await, "the entry is locked");
        assert_eq!(env.outside().await.entries.len(), 1, "never deleted");
        let cards = env.guild.history("account-requests");
        let says_so = |(_, text): &(_, String)| {
            text.contains("locked and kept") && !text.contains("Everything created so far was removed")
        };
        assert!(cards.iter().all(says_so), "{cards:?}");
        assert!(env.admins_read().iter().any(|text| text.contains("a password had been set")));
        let told = env.ada.sees_everything();
        assert!(
            told.contains("was locked") && !told.contains("Everything created so far was removed"),
            "{told}"
        );
    });
}

#[test]
fn an_entry_that_lost_our_mark_is_not_withdrawn() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        let slapd = &shared().servers.slapd;
        slapd.set_attribute(&env.dn(), "description", &["somebody else's"]).await.expect("changed by hand");
        let before = env.outside().await.entries;
        env.withdraws(&made, WithdrawnBy::Time).await;
        env.drains().await;
        assert_eq!(env.states().await, "approved needs_operator conflict");
        assert_eq!(env.outside().await.entries, before);
    });
}

/// Recreates the entry by hand with everything that can be copied: the name, the address, the Discord id and even our mark.
async fn makes_the_entry_anew(env: &StepEnv) {
    let slapd = &shared().servers.slapd;
    let ours = slapd.entry(&env.dn()).await.expect("the directory answers").expect("the entry");
    let copied = |name: &str| ours.value(name).map(str::to_owned);
    slapd.delete(&env.dn()).await.expect("taken away by hand");
    let anew = PersonByHand {
        mail: copied("mail"),
        discord_id: copied("employeeNumber"),
        mark: copied("description"),
        password: Some("a stranger's secret".to_owned()),
        ..PersonByHand::named(&env.username())
    };
    slapd.add_person_by_hand(&anew).await.expect("made anew by hand");
    // Keycloak imports the new entry when it next reads the directory.
    let stranger = env.user().await.expect("keycloak imports it");
    assert_ne!(stranger.ldap_id.as_deref(), ours.value("entryUUID"));
}

#[test]
fn an_entry_that_was_made_anew_is_a_strangers_and_its_password_activates_nothing() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let made = env.invited().await;
        makes_the_entry_anew(env).await;
        let before = env.outside().await;
        env.worker().look_for_activations().await.expect("the store answers");
        assert_eq!(env.states().await, "approved done invited", "a stranger's password was accepted");
        env.withdraws(&made, WithdrawnBy::Time).await;
        env.drains().await;
        let after = env.outside().await;
        assert_eq!((&after.entries, &after.written), (&before.entries, &before.written));
        assert_eq!(after.users, before.users, "the stranger's user was changed");
        let states = env.states().await;
        assert!(
            ["cancelled done closed", "approved needs_operator conflict"].contains(&states.as_str()),
            "{states}"
        );
        assert!(
            shared().servers.slapd.bind_works(&env.dn(), "a stranger's secret").await.expect("an answer")
        );
        // The checker would report the copy as an orphan of ours.
        shared().servers.slapd.delete(&env.dn()).await.expect("the copy goes");
    });
}

#[test]
fn a_check_that_runs_twice_asks_once_for_another_name() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        let foreign = PersonByHand::named(&env.username());
        shared().servers.slapd.add_person_by_hand(&foreign).await.expect("an entry by hand");
        env.asks().await;
        env.drains().await;
        assert_eq!(env.text("SELECT reason_code FROM request").await, "name_unavailable");
        let messages = || env.ada.sees_everything().matches("is not available").count();
        assert_eq!(messages(), 1);
        env.puts_back(JobKind::Check, "open", Step::CheckAvailability).await;
        env.drains().await;
        assert_eq!(messages(), 1);
    });
}

/// A whole number from the text of the metrics; 0 if it is missing.
fn measured(text: &str, name: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.unwrap_or_default()
}

#[test]
fn steps_calls_and_mails_are_counted_by_how_they_end() {
    StepEnv::plays(Database::Sqlite, MODERATORS, async |env| {
        env.approved().await;
        let worker = env.worker();
        worker.drain_once().await.expect("the store answers");
        let mut registry = Registry::with_prefix("accolade");
        worker.register_metrics(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("encoding into a string works");
        let count = |name: &str| measured(&text, name);
        for step in JobKind::Provision.plan() {
            let steps = ["applied", "unchanged"].map(|outcome| {
                count(&format!("accolade_step_seconds_count{{step=\"{step}\",outcome=\"{outcome}\"}}"))
            });
            assert_eq!(steps.iter().sum::<u64>(), 1, "{step} in {text}");
        }
        for target in ["directory", "keycloak", "discord"] {
            let calls = count(&format!("accolade_call_seconds_count{{target=\"{target}\",outcome=\"ok\"}}"));
            assert!(calls >= 1, "{target} in {text}");
        }
        assert_eq!(count("accolade_call_seconds_count{target=\"mail\",outcome=\"ok\"}"), 1, "{text}");
        assert_eq!(count("accolade_mails_total{outcome=\"accepted\"}"), 1, "{text}");
        let again = env.worker_without_keycloak();
        env.puts_back(JobKind::Provision, "open", Step::RecheckAvailability).await;
        again.drain_once().await.expect("the store answers");
        let mut registry = Registry::with_prefix("accolade");
        again.register_metrics(&mut registry);
        text.clear();
        encode(&mut text, &registry).expect("encoding into a string works");
        // A pause may be over before the worker's last poll; then there was another attempt.
        let tries =
            measured(&text, "accolade_step_seconds_count{step=\"recheck_availability\",outcome=\"retry\"}");
        let down = measured(&text, "accolade_call_seconds_count{target=\"keycloak\",outcome=\"down\"}");
        assert!(tries >= 1 && down == tries, "{text}");
        env.drains().await;
    });
}

fn two_replicas_tidy(database: Database) {
    StepEnv::plays(database, MODERATORS, async |env| {
        env.invited().await;
        env.frees_leases().await;
        env.clock.push(Duration::from_hours(24 * 15));
        let (one, other) = (env.worker(), env.worker());
        let (first, second) = tokio::join!(one.housekeep(), other.housekeep());
        first.expect("the store answers");
        second.expect("the store answers");
        assert_eq!(env.rows("SELECT id FROM job WHERE kind = 'withdraw'").await.len(), 1);
        env.drains().await;
        env.has_nothing_left().await;
    });
}

#[test]
fn two_replicas_that_tidy_at_once_withdraw_an_unused_account_once() {
    two_replicas_tidy(Database::Sqlite);
    two_replicas_tidy(Database::Postgres);
}
