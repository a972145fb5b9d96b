//! The schema: every statement on both databases, states equal to the domain's codes, migrations one by one, files and locks.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use accolade::clock::SystemRng;
use accolade::domain::account::AccountState;
use accolade::domain::approval::{Notify, Verdict};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::job::{JobKind, JobState, Outcome};
use accolade::domain::mail::MailState;
use accolade::domain::request::{RequestKind, RequestState};
use accolade::store::{DenyKind, MessageKind, OutboxKind, Store, StoreError, statements};
use sqlx::{Connection, Either, Executor, PgConnection, SqlSafeStr, SqliteConnection, Statement};

use harness::store::{Raw, postgres, postgres_config, sqlite_config};
use harness::{PushedClock, StoreEnv, private_folder};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_prepares_on_both_databases_with_the_same_parameters_and_columns() {
    let (sqlite, postgres) = (StoreEnv::on_sqlite().await, StoreEnv::on_postgres().await);
    let mut lite = SqliteConnection::connect(sqlite.config.url.as_str()).await.expect("connects");
    let mut pg = PgConnection::connect(postgres.config.url.as_str()).await.expect("connects");
    let mut count = 0;
    for (name, sql) in statements() {
        if sql.sqlite.contains("SAVEPOINT") {
            continue;
        }
        let a = lite.prepare(sql.sqlite.into_sql_str()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        count += 1;
        if sql.postgres.is_empty() {
            // The statement runs on SQLite only.
            continue;
        }
        let b = pg.prepare(sql.postgres.into_sql_str()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let parameters = |found: Option<Either<usize, usize>>| found.map(Either::into_inner);
        let ours = if sql.sqlite.contains(';') {
            // Two statements share their parameters by number, and SQLite counts those of each statement separately.
            Some(highest_parameter(sql.sqlite))
        } else {
            parameters(a.parameters().map(|p| p.map_left(<[_]>::len)))
        };
        let theirs = parameters(b.parameters().map(|p| p.map_left(<[_]>::len)));
        assert_eq!(ours, theirs, "parameters of {name}");
        assert_eq!(a.columns().len(), b.columns().len(), "columns of {name}");
    }
    assert!(count > 100, "only {count} statements were found");
}

/// The highest number of a parameter such as `$3`.
fn highest_parameter(text: &str) -> usize {
    let numbers = text.split('$').skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// SQLite searches for rows that refer to a new row only while a foreign key is violated, which never happens.
const FOREIGN_KEY: &str = "SQLite plans it for a foreign key, and does not run it";

/// The statements that may read a whole table or index on SQLite, as the planner names it, with the reason.
const SCANNING: &[(&str, &str)] = &[
    ("APPEND h", "it has one row"),
    ("UNUSED account", "housekeeping walks through the invited accounts, which an index holds"),
    ("EXPIRE_DRAFTS request", "housekeeping walks through the drafts, which an index holds"),
    ("EXPIRE_OPEN request", "housekeeping walks through the open requests, which an index holds"),
    ("ERASE_OLD p", "housekeeping"),
    ("REFUSED_ROWS outbox", "it counts the refused messages, which an index holds"),
    ("WAKE_ALL outbox", "it walks through the refused messages, which an index holds"),
    ("VOID_JOB job", "once at the start"),
    ("VOID_OUTBOX outbox", "once at the start"),
    ("VOID_NAMED lease", "once at the start"),
    ("HAS_SCHEMA sqlite_schema", "once at the start"),
    ("USE_UP_MAILS job", "once after a restoration"),
    ("DELETE_NOTIFICATIONS outbox", "once after a restoration"),
    ("COUNT_CARD_ATTEMPT outbox", "once after a restoration"),
    ("COUNTS request", "the metrics"),
    ("COUNTS job", "the metrics"),
    ("OF_PERSON job", "an operator asks for everything about one person"),
    ("ENSURE account", FOREIGN_KEY),
    ("ENSURE job", FOREIGN_KEY),
    ("ENSURE tombstone", FOREIGN_KEY),
    ("INSERT job", FOREIGN_KEY),
];

/// What the plan of one statement scans: tables and indexes, but no subquery that the statement names itself, and no JSON.
async fn scanned(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = sqlx::AssertSqlSafe(["EXPLAIN QUERY PLAN ", statement].concat());
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(explain).fetch_all(connection).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    let subqueries: Vec<&str> = plan
        .iter()
        .filter_map(|(.., line)| line.strip_prefix("CO-ROUTINE ").or(line.strip_prefix("MATERIALIZE ")))
        .collect();
    let tables = plan.iter().filter_map(|(.., line)| {
        let table = line.strip_prefix("SCAN ")?.split(' ').next()?;
        let is_table = !line.contains("CONSTANT ROW") && !line.contains("VIRTUAL TABLE");
        (is_table && !subqueries.contains(&table)).then(|| table.to_owned())
    });
    tables.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_reads_a_whole_table_unless_it_must() {
    let env = StoreEnv::on_sqlite().await;
    let mut connection = SqliteConnection::connect(env.config.url.as_str()).await.expect("connects");
    let mut found = std::collections::BTreeSet::new();
    for (name, sql) in statements() {
        // The export reads whole tables, and its statements have the names of the tables.
        let is_export = sql.sqlite.starts_with("SELECT * FROM ");
        if sql.sqlite.contains("SAVEPOINT") || is_export {
            continue;
        }
        for statement in sql.sqlite.split(';') {
            for table in scanned(&mut connection, statement).await {
                found.insert([name, " ", &table].concat());
            }
        }
    }
    let allowed: std::collections::BTreeSet<_> =
        SCANNING.iter().map(|(scan, _)| (*scan).to_owned()).collect();
    assert_eq!(found, allowed, "left: statements that scan; right: statements that may");
    let lists_persons = scanned(&mut connection, "SELECT lang FROM person").await;
    assert_eq!(lists_persons, ["person"], "a scan is found");
}

#[test]
fn the_checks_of_the_tables_name_exactly_the_codes_of_the_domain() {
    let codes = |all: &[&str]| format!("('{}')", all.join("', '"));
    macro_rules! all {
        ($of:ty) => {
            codes(&<$of>::ALL.iter().map(|one| one.code()).collect::<Vec<_>>())
        };
    }
    let effects = [Outcome::Applied, Outcome::Unchanged, Outcome::Skipped].map(Outcome::code);
    for folder in ["sqlite", "postgres"] {
        let mut text = String::new();
        for file in std::fs::read_dir(["migrations/", folder].concat()).expect("the folder") {
            text += &std::fs::read_to_string(file.expect("a file").path()).expect("reads");
        }
        for (column, wanted) in [
            ("state", all!(RequestState)),
            ("state", all!(AccountState)),
            ("state", all!(JobState)),
            ("kind", all!(RequestKind)),
            ("kind", all!(JobKind)),
            ("kind", all!(OutboxKind)),
            ("kind", all!(MessageKind)),
            ("kind", all!(DenyKind)),
            ("state", all!(MailState)),
            ("verdict", all!(Verdict)),
            ("notify", all!(Notify)),
            ("outcome", codes(&effects)),
        ] {
            // PostgreSQL changes a check in place, and SQLite replaces the table.
            let check = format!("CHECK ({column} IN {wanted})");
            assert!(text.contains(&check), "{folder} lacks: {check}");
        }
    }
}

#[test]
fn every_column_says_what_it_is_for() {
    for folder in ["sqlite", "postgres"] {
        for file in std::fs::read_dir(["migrations/", folder].concat()).expect("the folder") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("reads");
            for line in
                text.lines().filter(|line| line.starts_with("    ") && !line.contains("PRIMARY KEY ("))
            {
                assert!(line.contains(" -- "), "no comment: {line}");
            }
        }
    }
}

/// The rows that each version of the schema may hold when the next migration runs.
const FILLED: [&[&str]; 5] = [
    &[
        "INSERT INTO person (id, discord_id, lang, created_at) VALUES ('p', '1', 'en', 5)",
        "INSERT INTO request (id, code, guild_id, person_id, kind, state, revision, username, skeleton, notice_version, lang, \
         interaction_id, nonce, created_at, sent_at) VALUES ('r', 'K7M2QX', '2', 'p', 'account', 'approved', 3, 'ada', 'ada', 1, \
         'en', '7', 'n', 5, 6)",
        "INSERT INTO account (id, person_id, state, username, skeleton, nonce, created_at, revision) \
         VALUES ('a', 'p', 'creating', 'ada', 'ada', 'n', 5, 1)",
        "INSERT INTO tombstone (username, skeleton, person_id, at) VALUES ('grace', 'grace', 'p', 4)",
    ],
    &[
        "INSERT INTO job (id, person_id, account_id, request_id, kind, plan_version, state, step, revision, fence, lease_until, \
         attempt, next_run, progressed_at, mail_attempts, cancel_asked) \
         VALUES ('w', 'p', 'a', 'r', 'provision', 1, 'open', 'mail', 1, 2, 0, 0, 5, 5, 0, FALSE)",
        "INSERT INTO job_step (job_id, step, outcome, output, at) VALUES ('w', 'groups', 'applied', '{}', 5)",
        "INSERT INTO mail (id, account_id, job_id, begun_at, link_until, state) VALUES ('m', 'a', 'w', 5, 9, 'begun')",
    ],
    &[
        "INSERT INTO outbox (id, kind, target, dedupe_key, params, revision, created_at, fence, lease_until, attempt, next_run) \
         VALUES ('o', 'card', 'r', 'card:r', '{}', 3, 5, 1, 0, 2, 5)",
        "INSERT INTO message (request_id, kind, guild_id, channel_id, nonce) VALUES ('r', 'card', '2', '3', 'n')",
    ],
    &["INSERT INTO rate_limit (kind, key, at) VALUES ('mail_all', 'k', 5)"],
    &[],
];

/// One row of every table above, joined by their references.
const ALL_OF_IT: &str = "SELECT p.discord_id || r.code || a.username || t.username || w.step || s.step || m.state || o.kind || \
    c.channel_id || b.kind FROM person AS p JOIN request AS r ON r.person_id = p.id JOIN account AS a ON a.person_id = p.id \
    JOIN tombstone AS t ON t.person_id = p.id JOIN job AS w ON w.request_id = r.id JOIN job_step AS s ON s.job_id = w.id \
    JOIN mail AS m ON m.job_id = w.id JOIN outbox AS o ON o.target = r.id JOIN message AS c ON c.request_id = r.id \
    JOIN rate_limit AS b ON b.kind = 'mail_all'";

/// Migrates version by version. Each migration runs on rows that the version before it may hold.
async fn migrates_filled(config: &accolade::config::Store) {
    let clock = Arc::new(PushedClock::default());
    let migrate = async |version| {
        Store::migrate_to(config, clock.clone(), Arc::new(SystemRng), version).await.expect("migrates")
    };
    assert_eq!(migrate(1).await.applied, 1);
    let open = Store::open(config, clock.clone(), Arc::new(SystemRng)).await;
    let old = open.err().expect("an older schema is refused");
    assert!(matches!(old, StoreError::SchemaOld { found: 1, .. }), "{old:?}");
    assert!(old.to_string().contains("accolade migrate"));
    let mut raw = Raw::connect(config).await;
    for (version, rows) in (2..).zip(FILLED) {
        for row in rows {
            raw.runs(row).await;
        }
        if version <= 4 {
            assert_eq!(migrate(version).await.applied, 1);
        }
    }
    let last = Store::migrate(config, clock.clone(), Arc::new(SystemRng)).await.expect("migrates");
    assert_eq!((last.version, last.applied), (5, 1));
    let again = Store::migrate(config, clock.clone(), Arc::new(SystemRng)).await.expect("migrates");
    assert_eq!((again.version, again.applied), (5, 0));
    assert_eq!(raw.text(ALL_OF_IT).await, "1K7M2QXadagracemailgroupsbeguncard3mail_all");
    let foreign = "INSERT INTO job_step (job_id, step, outcome, at) VALUES ('nobody', 'mail', 'applied', 5)";
    assert!(raw.is_refused(foreign).await, "a step without a job was accepted");
    let store = Store::open(config, clock.clone(), Arc::new(SystemRng)).await.expect("opens");
    let claimed = store.claim_job("a", Duration::from_secs(15)).await;
    let refused = claimed.expect_err("the filled job's ids are no UUIDs");
    assert!(matches!(refused, StoreError::Row { table: "job" }), "{refused:?}");
    store.close().await;
    raw.runs(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'x', TRUE, '00', 0)",
    )
    .await;
    let newer = Store::open(config, clock.clone(), Arc::new(SystemRng)).await;
    assert!(matches!(newer.err(), Some(StoreError::SchemaNew { found: 99, .. })));
    let newer = Store::migrate(config, clock, Arc::new(SystemRng)).await;
    assert!(matches!(newer.err(), Some(StoreError::SchemaNew { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_apply_one_by_one_on_a_filled_database() {
    let folder = private_folder();
    migrates_filled(&sqlite_config(&folder)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_apply_one_by_one_on_a_filled_postgres() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let (server, folder) = (postgres().await, private_folder());
    migrates_filled(&postgres_config(&server, &folder).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_others_can_read_are_refused_with_the_fix_named() {
    let env = StoreEnv::on_sqlite().await;
    let file = env.file();
    // Write to the database first, so that the files that SQLite keeps beside it exist.
    env.person(1).await;
    let beside = |ending: &str| std::path::PathBuf::from([&*file.to_string_lossy(), ending].concat());
    let (wal, shm) = (beside("-wal"), beside("-shm"));
    for made in [&file, &wal, &shm] {
        let mode = std::fs::metadata(made).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "others can read {}", made.display());
    }
    for (path, mode, good, fix) in [
        (file.as_path(), 0o644, 0o600, "chmod 600"),
        (file.as_path(), 0o620, 0o600, "chmod 600"),
        (wal.as_path(), 0o604, 0o600, "chmod 600"),
        (shm.as_path(), 0o640, 0o600, "chmod 600"),
        (env.folder.path(), 0o710, 0o700, "chmod 700"),
        (env.folder.path(), 0o755, 0o700, "chmod 700"),
        (env.config.key_file.as_path(), 0o640, 0o600, "chmod 600"),
    ] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("loosens");
        let refused = env.open_again().await.err().expect("is refused");
        assert!(refused.to_string().contains(fix), "{refused}");
        assert_eq!(refused.error_code(), ErrorCode::Internal);
        std::fs::set_permissions(path, Permissions::from_mode(good)).expect("tightens");
        env.open_again().await.expect("opens again").close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_foreign_key_file_is_refused_and_never_replaced() {
    let env = StoreEnv::on_sqlite().await;
    let key = &env.config.key_file;
    let kept = std::fs::read(key).expect("reads");
    std::fs::remove_file(key).expect("removes");
    assert!(matches!(env.open_again().await.err(), Some(StoreError::Key(_))));
    let again = Store::migrate(&env.config, env.clock.clone(), Arc::new(SystemRng)).await;
    assert!(matches!(again.err(), Some(StoreError::Key(_))));
    assert!(!key.exists(), "migrate made a new key for a sealed database");
    let mut foreign = kept.clone();
    foreign[0] = if kept[0] == b'A' { b'B' } else { b'A' };
    std::fs::write(key, foreign).expect("writes");
    std::fs::set_permissions(key, Permissions::from_mode(0o600)).expect("tightens");
    let refused = env.open_again().await.err().expect("is refused");
    assert!(refused.to_string().contains("not the one"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serve_on_one_file_is_refused() {
    let env = StoreEnv::on_sqlite().await;
    let held = env.store.lock_for_serving().expect("locks");
    let other = env.open_again().await.expect("other verbs may open it");
    assert!(matches!(other.lock_for_serving(), Err(StoreError::AlreadyServing)));
    drop(held);
    other.lock_for_serving().expect("is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_busy_within_two_seconds() {
    let env = StoreEnv::on_sqlite().await;
    let mut raw = SqliteConnection::connect(env.config.url.as_str()).await.expect("connects");
    raw.execute("BEGIN IMMEDIATE").await.expect("locks");
    // The store and the time limit run on one runtime, so a pause of the machine delays both.
    let begun = tokio::time::timeout(Duration::from_millis(2_900), env.store.begin()).await;
    let busy = begun.expect("an answer within its limit").err().expect("is busy");
    assert!(matches!(busy, StoreError::Busy), "{busy:?}");
    assert_eq!(busy.error_code(), ErrorCode::StoreBusy);
    raw.execute("ROLLBACK").await.expect("the rollback succeeds");
    env.store.begin().await.expect("goes on by itself").roll_back().await.expect("rolls back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_opened_for_reading_reads_and_refuses_to_write() {
    for env in [StoreEnv::on_sqlite().await, StoreEnv::on_postgres().await] {
        env.waiting(1, "ada.lovelace").await;
        env.store.close().await;
        let reading =
            Store::open_read_only(&env.config, env.clock.clone(), Arc::new(SystemRng)).await.expect("opens");
        let dump = reading.dump().await.expect("reads");
        assert!(dump.contains("ada.lovelace") && !dump.contains("Lovelace") && !dump.contains("example.org"));
        assert!(matches!(reading.begin().await.err(), Some(StoreError::ReadOnly)));
    }
}
