//! The database answers but accepts no changes. It is read-only like a standby, full, locked by another
//! process, or it fails transactions because of conflicts. Presses are refused in time and with a clear reply,
//! nothing is half-written, jobs wait, and the readiness page reports it. When the trouble is over, everything
//! continues by itself, without a restart.
//!
//! Each environment has its own database, so the trouble affects no other test.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use testbed::ports::Port;
use testbed::wait_until;

use crate::settings::starts_with;
use harness::health_page::waits_until_part;
use harness::test_env::LIMIT;
use harness::{Database, EnvOptions, IS_CLAIMED, TestEnv, bail_with, visit};

const ACCOUNTS: &str = "SELECT state FROM account";

/// Rows that a refused approval must not leave.
const OF_THE_APPROVAL: &str = "SELECT 'a decision' AS what FROM decision UNION ALL SELECT 'an account' FROM account \
    UNION ALL SELECT 'an audit row' FROM audit WHERE event = 'request.approved' \
    UNION ALL SELECT 'a job' FROM job WHERE kind = 'provision' UNION ALL SELECT 'a state' FROM request WHERE state <> 'waiting'";

/// What people read while the database is busy, and while it is full.
const BUSY: &str = "The service is busy and nothing was lost. Please press the button again";
const FULL: &str = "Nothing can be stored right now, and nothing was";

/// Makes new connections read-only, and ends those of the bot so that it opens new ones.
const READ_ONLY: &str = "DO $$ BEGIN \
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); \
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'accolade'; END $$";
/// Connections that were opened meanwhile stay read-only, and the bot must notice that.
const WRITABLE: &str = "DO $$ BEGIN \
    EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";

/// The function that the triggers call fails with this code, as the server itself would.
macro_rules! fails_with {
    ($code:literal) => {
        concat!(
            "CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN \
             RAISE EXCEPTION 'for a test' USING ERRCODE = '",
            $code,
            "'; END $f$"
        )
    };
}
/// Makes every change of any table call the function. Each table is altered in its own transaction. A session
/// that holds only one table's lock cannot be part of a deadlock with the bot.
const EVERY_CHANGE_CALLS_IT: &str = "DO $$ DECLARE t record; BEGIN \
    FOR t IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' LOOP \
    EXECUTE format('CREATE OR REPLACE TRIGGER fails BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT \
    EXECUTE FUNCTION fails()', t.name); COMMIT; END LOOP; END $$";
/// The triggers stay, because dropping them would lock the tables again.
const CHANGES_SUCCEED: &str =
    "CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NULL; END $f$";

/// An environment, its bot's health page and its bot's log.
struct Watched {
    env: TestEnv,
    port: Port,
    folder: TempDir,
}

impl Watched {
    fn health(&self) -> SocketAddr {
        self.port.address()
    }

    /// Waits until the bot's log says that the trouble interrupted a job, either when it recorded its steps or when it began to read.
    async fn is_met_by_job(&self) -> Result<()> {
        let log = self.folder.path().join("log");
        let told = ["the steps could not be recorded yet", "the store failed; the job continues"];
        let is_met = async || {
            let said = std::fs::read_to_string(&log)?;
            Ok(told.iter().any(|text| said.contains(text)))
        };
        wait_until("a job to meet it", LIMIT, is_met).await
    }
}

/// Causes the trouble twice: during a press, and while a job runs.
async fn outlives<T>(
    watched: &Watched,
    [told, readiness]: [&str; 2],
    begins: impl AsyncFn(&TestEnv) -> Result<T>,
    ends: impl AsyncFn(T) -> Result<()>,
) -> Result<()> {
    let env = &watched.env;
    let (ada, grace) = (env.person("ada"), env.person("grace"));
    env.ada_asks().await?;
    env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
    env.wait_until_idle().await?;
    let trouble = begins(env).await?;
    let refused = async {
        env.does("the refused approval", async || grace.tries_to_press("Approve").await).await?;
        let is_told = wait_until("the refusal", LIMIT, async || Ok(grace.sees_everything().contains(told)));
        is_told.await.with_context(|| grace.sees_everything())?;
        waits_until_part(watched.health(), "store", readiness).await?;
        let status = env.does("the status", async || ada.tries_to_run("/account status").await).await?;
        ensure!(status.text.contains("is waiting for a decision"), "ada reads: {status}");
        let written = env.sees_in_store(OF_THE_APPROVAL).await?;
        ensure!(written.is_empty(), "the refused approval left rows: {written}");
        Ok(())
    };
    let refused = refused.await;
    ends(trouble).await?;
    refused?;
    waits_until_part(watched.health(), "store", "ok").await?;

    // The same press succeeds, and the trouble interrupts its job.
    env.wait_until_idle().await?;
    env.holds_the_members_answer();
    env.grace_approves().await?;
    env.waits_for(IS_CLAIMED, "claimed").await?;
    // A claim alone doesn't mean that the job runs: a worker that was busy takes the job when the lease of its creation expires.
    wait_until("the job's call to Discord", LIMIT, async || Ok(env.sim.held_requests() > 0)).await?;
    let trouble = begins(env).await?;
    env.sim.heals();
    let is_met = watched.is_met_by_job().await;
    ends(trouble).await?;
    is_met?;
    env.waits_within(Duration::from_mins(2), ACCOUNTS, "invited").await?;
    env.ada_sets_password().await?;
    env.waits_for(ACCOUNTS, "active").await?;
    env.is_in_order("active", 1).await?;
    ensure!(env.deaths() == 0, "the bot was restarted");
    Ok(())
}

/// Plays a story on the shared servers.
fn plays(name: &str, options: EnvOptions, story: impl AsyncFnOnce(&Watched) -> Result<()>) {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, name, options).await?;
        let watched = Watched { env, port: Port::free()?, folder: tempfile::tempdir()? };
        let log = watched.folder.path().join("log");
        let listen = watched.health().to_string();
        starts_with(&watched.env, &[("ACCOLADE__HTTP__LISTEN", &listen)], &log).await?;
        match story(&watched).await {
            Ok(()) => Ok(()),
            Err(error) => bail_with(&watched.env, &error.context(last_lines(&log))),
        }
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The statements in `begin` cause the trouble, each run by itself, and `end` ends it.
fn on_postgres(name: &str, told: [&str; 2], begin: &[&'static str], end: &'static str) {
    plays(name, EnvOptions::plain(Database::Postgres), async |watched| {
        let begins = async |env: &TestEnv| {
            let mut hand = PgConnection::connect(env.store_url()).await?;
            for &statement in begin {
                hand.execute(sqlx::raw_sql(statement)).await?;
            }
            Ok(hand)
        };
        let ends = async |mut hand: PgConnection| {
            hand.execute(sqlx::raw_sql(end)).await?;
            Ok(hand.close().await?)
        };
        outlives(watched, told, begins, ends).await
    });
}

#[test]
fn a_read_only_postgres_is_waited_for_and_its_old_connections_are_not_kept() {
    on_postgres("db1", [BUSY, "read-only"], &[READ_ONLY], WRITABLE);
}

#[test]
fn a_postgres_without_room_is_said_and_waited_for() {
    on_postgres(
        "db2",
        [FULL, "disk is full"],
        &[fails_with!("53100"), EVERY_CHANGE_CALLS_IT],
        CHANGES_SUCCEED,
    );
}

#[test]
fn a_postgres_that_cannot_serialise_is_waited_for() {
    let told = [BUSY, "does not answer"];
    on_postgres("db3", told, &[fails_with!("40001"), EVERY_CHANGE_CALLS_IT], CHANGES_SUCCEED);
}

#[test]
fn a_postgres_that_finds_deadlocks_is_waited_for() {
    let told = [BUSY, "does not answer"];
    on_postgres("db4", told, &[fails_with!("40P01"), EVERY_CHANGE_CALLS_IT], CHANGES_SUCCEED);
}

#[test]
fn a_sqlite_file_that_another_process_locks_is_waited_for() {
    plays("db5", EnvOptions::plain(Database::Sqlite), async |watched| {
        let begins = async |env: &TestEnv| {
            let mut hand = SqliteConnection::connect(env.store_url()).await?;
            hand.execute("PRAGMA busy_timeout = 30000").await?;
            hand.execute("BEGIN EXCLUSIVE").await?;
            Ok(hand)
        };
        let ends = async |mut hand: SqliteConnection| {
            hand.execute("ROLLBACK").await?;
            Ok(hand.close().await?)
        };
        outlives(watched, [BUSY, "does not answer"], begins, ends).await
    });
}

#[test]
fn a_full_disk_below_sqlite_is_said_and_waited_for() {
    let options = EnvOptions { has_small_disk: true, ..EnvOptions::plain(Database::Sqlite) };
    plays("db6", options, async |watched| {
        if watched.env.disk().is_none() {
            #[expect(clippy::print_stderr, reason = "whoever runs the tests must know what was not tried")]
            {
                eprintln!(
                    "NOT TRIED: a full disk. No small file system can be mounted here; that takes root."
                );
            }
            return Ok(());
        }
        let begins = async |env: &TestEnv| {
            // First give back the free space inside the write-ahead log, so that no change fits into it.
            let mut hand = SqliteConnection::connect(env.store_url()).await?;
            hand.execute("PRAGMA busy_timeout = 30000").await?;
            hand.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
            hand.close().await?;
            let Some(disk) = env.disk() else { bail!("no disk of its own") };
            disk.fill()
        };
        let ends = async |filling| {
            drop(filling);
            Ok(())
        };
        outlives(watched, [FULL, "disk is full"], begins, ends).await
    });
}

/// After a failed flush, the content of the disk is unknown. The bot logs this and exits, and its next start continues with what is on the
/// disk.
#[test]
fn a_flush_that_fails_ends_the_bot_with_a_clear_message() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, "db7", EnvOptions::plain(Database::Sqlite)).await?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        // The first flush is for the leases that are released at the start.
        starts_with(&env, &[("ACCOLADE_PANIC_AT", "store.flush.before:2")], &log).await?;
        let status = env.ends(Duration::from_secs(25)).await?;
        let said = std::fs::read_to_string(&log)?;
        ensure!(
            !status.success() && said.contains("could not be flushed to the disk: check the disk"),
            "{status}: {said}"
        );
        env.starts().await?;
        env.ada_asks().await?;
        env.waits_for("SELECT state FROM job WHERE kind = 'check'", "done").await?;
        env.stops().await
    });
    if let Err(error) = played {
        panic!("{error:#}");
    }
}
