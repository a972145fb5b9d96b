//! The database answers and takes no changes: read-only as a standby is, without room, at odds with other transactions, locked by
//! another process. People are refused calmly and in time, nothing is half-written, work waits, readiness says so, and when it is over
//! everything goes on by itself, without a restart.
//!
//! Each environment has a database of its own, so nobody else meets the trouble.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use testbed::ports::Port;
use testbed::wait_until;

use crate::settings::{starts_with, waits_until_part};
use harness::test_env::LIMIT;
use harness::{Database, EnvOptions, IS_CLAIMED, TestEnv, bail_with, visit};

const ACCOUNTS: &str = "SELECT state FROM account";

/// What must not be there of an approval that was refused.
const OF_THE_APPROVAL: &str = "SELECT 'a decision' AS what FROM decision UNION ALL SELECT 'an account' FROM account \
    UNION ALL SELECT 'an audit row' FROM audit WHERE event = 'request.approved' \
    UNION ALL SELECT 'a job' FROM job WHERE kind = 'provision' UNION ALL SELECT 'a state' FROM request WHERE state <> 'waiting'";

/// What people read while the database is busy, and while it has no room.
const BUSY: &str = "The service is busy and nothing was lost. Please press the button again";
const FULL: &str = "Nothing can be stored right now, and nothing was";

/// The bot's own connections end, so that the next ones are under the new rule.
const READ_ONLY: &str = "DO $$ BEGIN \
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); \
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'accolade'; END $$";
/// Connections that were opened meanwhile stay read-only: the bot must notice.
const WRITABLE: &str = "DO $$ BEGIN \
    EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";

/// What the triggers call fails with a code, as the server's own would.
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
/// Every change of any table calls it. Each table in a transaction of its own: who locks one table and holds no other cannot be part of
/// a deadlock with the bot.
const EVERY_CHANGE_CALLS_IT: &str = "DO $$ DECLARE t record; BEGIN \
    FOR t IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' LOOP \
    EXECUTE format('CREATE OR REPLACE TRIGGER fails BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT \
    EXECUTE FUNCTION fails()', t.name); COMMIT; END LOOP; END $$";
/// The triggers stay: to take them away would lock the tables again.
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

    /// Waits until the bot's log tells that a job has met the trouble: at its record, or where it began to read.
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

/// Meets the trouble twice: with a press, and with a job that is under way.
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
        ensure!(written.is_empty(), "something of the refused approval is there: {written}");
        Ok(())
    };
    let refused = refused.await;
    ends(trouble).await?;
    refused?;
    waits_until_part(watched.health(), "store", "ok").await?;

    // The same press works, and its job meets the trouble.
    env.wait_until_idle().await?;
    env.holds_the_members_answer();
    env.grace_approves().await?;
    env.waits_for(IS_CLAIMED, "claimed").await?;
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

/// Trouble that statements begin, each by itself, and one ends.
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
            // What the log of changes has as room of its own is given back first.
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

/// Nobody knows what the disk holds after a flush that failed: the bot says so and ends, and its next start goes on with what is there.
#[test]
fn a_flush_that_fails_ends_the_bot_with_a_clear_message() {
    let (harness, _visit) = visit();
    let played: Result<()> = harness.runtime.block_on(async {
        let env = TestEnv::new(harness, "db7", EnvOptions::plain(Database::Sqlite)).await?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        // The first flush is of the leases that are released at the start.
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
