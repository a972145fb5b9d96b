//! Servers are killed, frozen and started again while a request is under way. People get truthful replies in time, nothing is lost, and
//! when the server is back everything finishes by itself.
//!
//! Each test has the shared servers to itself, and leaves them running.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use testbed::{MailFault, wait_until};

use harness::test_env::LIMIT;
use harness::{Database, EnvOptions, Harness, IS_CLAIMED, TestEnv, bail_with, visit_alone};

/// How long a job may take to finish after its server is back.
const FINISHED_WITHIN: Duration = Duration::from_mins(2);

/// The longest time that a killed process may still hold a lease, in milliseconds. Another process tries every second or two, so it takes
/// over within 20 s.
const HELD_FOR_AT_MOST: i64 = 16_000;

/// The time that is left of the leases, by the database's own clock.
const LEFT_OF_LEASES: &str = "SELECT max(until) - CAST(floor(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT) AS ms FROM \
    (SELECT until FROM lease UNION ALL SELECT lease_until FROM job) AS held";

const ACCOUNTS: &str = "SELECT state FROM account";
const WAITS_FOR: &str = "SELECT error_code FROM job WHERE kind = 'provision'";

/// Plays a story in its own environment, with the servers to itself.
fn plays(name: &str, database: Database, story: impl AsyncFnOnce(&'static Harness, &TestEnv) -> Result<()>) {
    let (harness, _alone) = visit_alone();
    let played = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, name, EnvOptions::plain(database)).await?;
        env.starts().await?;
        match story(harness, &env).await {
            Ok(()) => Ok(()),
            Err(error) => bail_with(&env, &error),
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

/// Ada asks, and the check of her request is done.
async fn ada_has_asked(env: &TestEnv) -> Result<()> {
    env.ada_asks().await?;
    env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await
}

/// Returns the reply to Ada's `/account status`, which must come in time whatever is down.
async fn status(env: &TestEnv) -> Result<String> {
    let ada = env.person("ada");
    let reply = env.does("the status", async || ada.tries_to_run("/account status").await).await?;
    Ok(reply.text)
}

/// The approval is acknowledged, the status says that the bot keeps trying, and the account is made when the server is back.
async fn outlasts(
    env: &TestEnv,
    code: &str,
    breaks: impl AsyncFnOnce() -> Result<()>,
    heals: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    ada_has_asked(env).await?;
    breaks().await?;
    let waits = async {
        env.grace_approves().await?;
        env.waits_for(WAITS_FOR, code).await?;
        let told = status(env).await?;
        ensure!(told.contains("keeps trying"), "the status hides the outage: {told}");
        ensure!(env.mails() == 0, "a mail while the account cannot be made");
        Ok(())
    };
    let waited = waits.await;
    // Restore the server even after a failure, because other tests use it, too.
    heals().await?;
    waited?;
    env.waits_within(FINISHED_WITHIN, ACCOUNTS, "invited").await?;
    ensure!(status(env).await?.contains("is ready"), "the status does not show the account");
    ends_with_an_account(env).await
}

async fn ends_with_an_account(env: &TestEnv) -> Result<()> {
    env.ada_sets_password().await?;
    env.waits_for(ACCOUNTS, "active").await?;
    env.is_in_order("active", 1).await?;
    ensure!(env.deaths() == 0, "the bot was restarted");
    Ok(())
}

#[test]
fn a_conflict_that_somebody_put_right_ends_with_an_account_after_a_retry() {
    plays("o15", Database::Sqlite, async |harness, env| {
        ada_has_asked(env).await?;
        env.enters_ada_by_hand().await?;
        env.grace_approves().await?;
        env.waits_for(ACCOUNTS, "conflict").await?;
        let linus = env.person("linus");
        let retries =
            async || env.does("the retry", async || linus.tries_to_press("Retry").await).await.map(drop);
        // Nothing was fixed, so the conflict is found again.
        let again = ("SELECT COUNT(*) FROM audit WHERE event = 'job.needs_operator'", "2");
        env.insists("the first retry", &linus, again, retries).await?;
        env.waits_for(ACCOUNTS, "conflict").await?;
        let slapd = &harness.servers.slapd;
        slapd.delete(&slapd.person_dn(&env.username())).await?;
        let invited = (ACCOUNTS, "invited");
        env.insists("the second retry", &linus, invited, retries).await?;
        ends_with_an_account(env).await
    });
}

#[test]
fn a_killed_directory_is_waited_for() {
    plays("o01", Database::Sqlite, async |harness, env| {
        let slapd = &harness.servers.slapd;
        outlasts(
            env,
            "directory_down",
            async || {
                let _: () = slapd.kill();
                Ok(())
            },
            async || slapd.start().await,
        )
        .await
    });
}

#[test]
fn a_frozen_directory_is_waited_for() {
    plays("o02", Database::Sqlite, async |harness, env| {
        let slapd = &harness.servers.slapd;
        outlasts(
            env,
            "directory_down",
            async || {
                let _: () = slapd.freeze();
                Ok(())
            },
            async || {
                let _: () = slapd.thaw();
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn a_killed_keycloak_is_waited_for() {
    plays("o03", Database::Sqlite, async |harness, env| {
        let keycloak = &harness.servers.keycloak;
        outlasts(
            env,
            "keycloak_down",
            async || {
                let _: () = keycloak.kill();
                Ok(())
            },
            async || keycloak.start().await,
        )
        .await
    });
}

#[test]
fn a_frozen_keycloak_is_waited_for() {
    plays("o04", Database::Sqlite, async |harness, env| {
        let keycloak = &harness.servers.keycloak;
        outlasts(
            env,
            "keycloak_down",
            async || {
                let _: () = keycloak.freeze();
                Ok(())
            },
            async || {
                let _: () = keycloak.thaw();
                Ok(())
            },
        )
        .await
    });
}

/// Runs one environment for each fault, one after the other. They share the mail server, so each bot stays stopped after its fault until
/// the last fault is over.
#[test]
fn an_uncertain_mail_is_said_to_be_uncertain_and_sent_once_more() {
    let faults = [
        ("o05", MailFault::RefuseConnections, 1),
        ("o06", MailFault::AcceptThenDrop, 2),
        ("o07", MailFault::Delay(Duration::from_secs(12)), 2),
    ];
    let (harness, _alone) = visit_alone();
    let played: Result<()> = harness.runtime.block_on(async {
        let mut environments = Vec::new();
        for (name, fault, mails) in faults {
            let env = TestEnv::new(harness, name, EnvOptions::plain(Database::Sqlite)).await?;
            env.starts().await?;
            ada_has_asked(&env).await?;
            harness.servers.mail.set_fault(fault).await?;
            let waited = async {
                env.grace_approves().await?;
                env.waits_for(WAITS_FOR, "mail_unknown").await?;
                let told = status(&env).await?;
                ensure!(!told.contains("was sent"), "the status claims a mail: {told}");
                Ok(())
            };
            let waited = waited.await;
            harness.servers.mail.set_fault(MailFault::None).await?;
            if let Err(error) = waited {
                return bail_with(&env, &error);
            }
            env.stops().await?;
            environments.push((env, mails));
        }
        for (env, mails) in &environments {
            let ended = async {
                env.starts().await?;
                env.waits_within(FINISHED_WITHIN, ACCOUNTS, "invited").await?;
                env.wait_until_idle().await?;
                ensure!(env.mails() == *mails, "{} mails, wanted {mails}", env.mails());
                ends_with_an_account(env).await
            };
            if let Err(error) = ended.await {
                return bail_with(env, &error);
            }
        }
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

#[test]
fn a_killed_postgres_is_waited_for_without_a_restart_of_the_bot() {
    plays("o08", Database::Postgres, async |harness, env| {
        let postgres = &harness.postgres().await;
        ada_has_asked(env).await?;
        let pid = env.pid().await?;
        postgres.kill();
        let told = status(env).await;
        postgres.start().await?;
        let told = told?;
        // A reply that takes more than 1.5 s is deferred; it may arrive only when the database is back.
        let ada = env.person("ada");
        let true_words = ["nothing was lost", "went wrong", "is waiting for a decision"];
        let is_told = wait_until("a true reply", LIMIT, async || {
            let sees = ada.sees_everything();
            Ok(true_words.iter().any(|words| told.contains(words) || sees.contains(words)))
        });
        is_told.await.with_context(|| ada.sees_everything())?;
        env.grace_approves().await?;
        env.waits_within(FINISHED_WITHIN, ACCOUNTS, "invited").await?;
        ensure!(env.pid().await? == pid, "another process");
        ends_with_an_account(env).await
    });
}

#[test]
fn a_second_serve_on_the_same_sqlite_file_is_refused() {
    plays("o09", Database::Sqlite, async |_, env| {
        let second = tokio::time::timeout(Duration::from_secs(20), env.serve().output());
        let second = second.await.context("the second one runs")??;
        let said =
            [String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr)].concat();
        ensure!(second.status.code() == Some(1), "it ended with {}: {said}", second.status);
        ada_has_asked(env).await?;
        env.grace_approves().await?;
        env.waits_for(ACCOUNTS, "invited").await?;
        ends_with_an_account(env).await
    });
}

#[test]
fn on_postgres_a_second_serve_takes_over_from_a_killed_one() {
    plays("o10", Database::Postgres, async |_, env| {
        ada_has_asked(env).await?;
        env.wait_until_idle().await?;
        let second = env.stands_by()?;
        env.holds_the_members_answer();
        env.grace_approves().await?;
        env.waits_for(IS_CLAIMED, "claimed").await?;
        env.signals(Signal::SIGKILL).await?;
        env.ends(LIMIT).await?;
        // This test decides how soon the second one can take over. How soon it does depends on the machine, and is measured elsewhere.
        let left: i64 = env.sees_in_store(LEFT_OF_LEASES).await?.parse()?;
        ensure!(left <= HELD_FOR_AT_MOST, "the killed process holds a lease for {left} ms");
        env.sim.heals();
        env.is_taken_over_by(second).await?;
        wait_until("the takeover", LIMIT, async || Ok(env.is_ready())).await?;
        // The second one answers an interaction, and finishes the job that the killed one had begun.
        let told = status(env).await?;
        ensure!(told.contains("approved") || told.contains("is ready"), "{told}");
        env.waits_for(ACCOUNTS, "invited").await?;
        ends_with_an_account(env).await
    });
}

#[test]
fn a_bot_that_is_asked_to_stop_in_the_middle_ends_in_order_and_goes_on_later() {
    plays("o11", Database::Sqlite, async |_, env| {
        ada_has_asked(env).await?;
        env.wait_until_idle().await?;
        env.holds_the_members_answer();
        env.grace_approves().await?;
        env.waits_for(IS_CLAIMED, "claimed").await?;
        env.is_told_to_stop().await?;
        env.sim.heals();
        let status = env.ends(Duration::from_secs(25)).await?;
        ensure!(status.success(), "it ended with {status}");
        let lease = env.sees_in_store("SELECT lease_until FROM job WHERE kind = 'provision'").await?;
        ensure!(lease == "0", "the lease was not released: {lease}");
        env.starts().await?;
        env.waits_for(ACCOUNTS, "invited").await?;
        ends_with_an_account(env).await
    });
}
