//! Opening and migrating: pools, options of both databases, the schema's version.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgPool, SqlitePool};

use super::seal::Keys;
use super::sql::{Conn, all, bare, exec, maybe, sql};
use super::write_health::WriteHealth;
use super::{Inner, KeyFault, Migrated, Notifications, ReadConnection, Store, StoreError, files};
use crate::clock::{Clock, Ids, Rng};
use crate::config;
use crate::domain::audit::{Actor, Entry, Event, Source};

/// How long a statement may wait for the one writer, or for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Readers beside the one writer of SQLite.
const SQLITE_READERS: u32 = 4;

/// Connections to `PostgreSQL`, of each replica.
const POSTGRES_CONNECTIONS: u32 = 10;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

sql! {
    /// The tables of sqlx's migrator say which version the schema has.
    SCHEMA_VERSION = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    /// Is the migrator's table there at all?
    HAS_SCHEMA = "SELECT name FROM sqlite_schema WHERE name = '_sqlx_migrations'",
        postgres: "SELECT CAST(to_regclass('_sqlx_migrations') AS TEXT) AS name WHERE to_regclass('_sqlx_migrations') IS NOT NULL";
    KEY_ID = "SELECT key_id FROM store_meta WHERE one = 1";
    INSERT_KEY_ID = "INSERT INTO store_meta (one, key_id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
    START_HEAD = "INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, $1) ON CONFLICT (one) DO NOTHING";
}

/// The database, connected.
pub(super) enum Db {
    Sqlite { path: PathBuf, writer: Option<SqlitePool>, readers: SqlitePool },
    Postgres { pool: PgPool, read_only: bool },
}

/// Whether a store writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// What the URL says, checked.
#[derive(Clone)]
enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

fn target(config: &config::Store) -> Result<Target, StoreError> {
    match config.url.scheme() {
        "sqlite" => {
            let path = config.url.path();
            if path.len() < 2 || config.url.host_str().is_some_and(|host| !host.is_empty()) {
                return Err(StoreError::Url("a SQLite url is `sqlite:///absolute/path`"));
            }
            Ok(Target::Sqlite(PathBuf::from(path)))
        }
        "postgres" | "postgresql" => {
            postgres_options(config).map(|options| Target::Postgres(Box::new(options)))
        }
        _ => Err(StoreError::Url("it starts with neither `sqlite:` nor `postgres:`")),
    }
}

/// The database's file; `None` if it is not SQLite.
pub(super) fn sqlite_path(config: &config::Store) -> Result<Option<PathBuf>, StoreError> {
    Ok(match target(config)? {
        Target::Sqlite(path) => Some(path),
        Target::Postgres(_) => None,
    })
}

/// Anything but this machine needs a certificate that fits its name.
fn postgres_options(config: &config::Store) -> Result<PgConnectOptions, StoreError> {
    let mut options = PgConnectOptions::from_str(config.url.as_str())
        .map_err(|_| StoreError::Url("the PostgreSQL url cannot be read"))?;
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    }
    let asked =
        config.url.query_pairs().find(|(key, _)| key == "sslmode").map(|(_, value)| value.into_owned());
    // Not the URL's host: `?host=` and the environment of PostgreSQL's own tools name another.
    options = match (is_local(&options), asked.as_deref()) {
        (true, Some(_)) => options,
        (true, None) => options.ssl_mode(PgSslMode::Prefer),
        (false, None | Some("verify-full")) => options.ssl_mode(PgSslMode::VerifyFull),
        (false, Some(_)) => {
            return Err(StoreError::Url("a PostgreSQL server elsewhere needs `sslmode=verify-full`"));
        }
    };
    Ok(options.application_name("accolade").options([
        ("lock_timeout", "2s"),
        ("statement_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ]))
}

/// Whether the server that will be called is on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    // A path is the folder of a socket.
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

// sqlx asks a connection whether it still lives each time that it is taken. One to a file cannot be lost on the way, and the question is a
// change of threads.
fn sqlite_writer(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(ACQUIRE_TIMEOUT)
        // What is erased is overwritten, too: the key file would open what lies about in the file.
        .pragma("secure_delete", "ON")
        .foreign_keys(true);
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // A full disk makes SQLite end a transaction by itself. sqlx then fails to roll it back and takes it for open for ever, and
        // nothing could be begun on the only writer any more: such a connection is replaced.
        .before_acquire(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))))
        .connect_lazy_with(options)
}

fn sqlite_readers(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(ACQUIRE_TIMEOUT)
        .foreign_keys(true);
    SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

fn postgres_pool(options: PgConnectOptions, write_health: WriteHealth) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // What is left of a time in which the database was read-only is replaced.
        .before_acquire(move |_, connection| {
            Box::pin(std::future::ready(Ok(!write_health.has_spoilt(connection.age))))
        })
        .connect_lazy_with(options)
}

impl Db {
    fn connect(target: Target, access: Access, write_health: &WriteHealth) -> Self {
        match target {
            Target::Sqlite(path) => Self::Sqlite {
                writer: (access == Access::ReadWrite).then(|| sqlite_writer(&path)),
                readers: sqlite_readers(&path),
                path,
            },
            Target::Postgres(options) => {
                let options = match access {
                    Access::ReadWrite => *options,
                    Access::ReadOnly => options.options([("default_transaction_read_only", "on")]),
                };
                let pool = postgres_pool(options, write_health.clone());
                Self::Postgres { pool, read_only: access == Access::ReadOnly }
            }
        }
    }

    pub(super) async fn begin(&self) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite { writer: Some(writer), .. } => {
                Ok(Conn::SqliteTx(writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from_sqlx)?))
            }
            Self::Postgres { pool, read_only: false } => {
                Ok(Conn::PostgresTx(pool.begin().await.map_err(StoreError::from_sqlx)?))
            }
            Self::Sqlite { writer: None, .. } | Self::Postgres { read_only: true, .. } => {
                Err(StoreError::ReadOnly)
            }
        }
    }

    /// A connection on which each statement that writes is committed by itself.
    pub(super) async fn autocommit(&self) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite { writer: Some(writer), .. } => {
                Ok(Conn::SqliteAutocommit(writer.acquire().await.map_err(StoreError::from_sqlx)?))
            }
            Self::Postgres { pool, read_only: false } => {
                Ok(Conn::PostgresAutocommit(pool.acquire().await.map_err(StoreError::from_sqlx)?))
            }
            Self::Sqlite { writer: None, .. } | Self::Postgres { read_only: true, .. } => {
                Err(StoreError::ReadOnly)
            }
        }
    }

    pub(super) async fn read(&self) -> Result<Conn, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => {
                Conn::SqliteAutocommit(readers.acquire().await.map_err(StoreError::from_sqlx)?)
            }
            Self::Postgres { pool, .. } => {
                Conn::PostgresAutocommit(pool.acquire().await.map_err(StoreError::from_sqlx)?)
            }
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                if let Some(writer) = writer {
                    writer.close().await;
                }
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }

    /// Whether other processes may use the same database.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite { .. } => false,
            Self::Postgres { .. } => true,
        }
    }

    fn migrator(&self) -> &'static Migrator {
        match self {
            Self::Sqlite { .. } => &SQLITE,
            Self::Postgres { .. } => &POSTGRES,
        }
    }

    fn wanted_version(&self) -> i64 {
        self.migrator().iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    async fn migrate_to(&self, version: i64) -> Result<(), StoreError> {
        let migrator = self.migrator();
        match self {
            Self::Sqlite { writer: Some(writer), .. } => migrator.run_to(version, writer).await,
            Self::Postgres { pool, read_only: false } => {
                // The options of the pool limit statements; building an index on a large table may take longer.
                let mut connection = pool.acquire().await.map_err(StoreError::from_sqlx)?;
                sqlx::query("SET statement_timeout = 0")
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::from_sqlx)?;
                let result = migrator.run_to(version, &mut *connection).await;
                drop(connection.detach());
                result
            }
            Self::Sqlite { writer: None, .. } | Self::Postgres { read_only: true, .. } => {
                return Err(StoreError::ReadOnly);
            }
        }
        .map_err(StoreError::Migration)
    }
}

impl Store {
    pub(super) async fn open_as(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        access: Access,
    ) -> Result<Self, StoreError> {
        let target = target(config)?;
        if let Target::Sqlite(path) = &target {
            files::check_database(path)?;
        }
        let keys = Keys::derive(&files::read_key(&config.key_file)?);
        let write_health = WriteHealth::default();
        let db = Db::connect(target, access, &write_health);
        let wanted = db.wanted_version();
        let store = Self::assemble(db, keys, clock, rng, write_health);
        let mut connection = store.read().await?;
        let found = connection.schema_version().await?;
        match found.cmp(&wanted) {
            std::cmp::Ordering::Less => return Err(StoreError::SchemaOld { found, wanted }),
            std::cmp::Ordering::Greater => return Err(StoreError::SchemaNew { found, wanted }),
            std::cmp::Ordering::Equal => {}
        }
        connection.check_key(&config.key_file).await?;
        drop(connection);
        Ok(store)
    }

    /// A look into a file of which nobody knows yet what it is.
    pub(super) fn over_file(path: &Path, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Self {
        let write_health = WriteHealth::default();
        let db = Db::connect(Target::Sqlite(path.to_owned()), Access::ReadWrite, &write_health);
        Self::assemble(db, Keys::empty(), Arc::clone(clock), Arc::clone(rng), write_health)
    }

    fn assemble(
        db: Db,
        keys: Keys,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        write_health: WriteHealth,
    ) -> Self {
        let ids = Ids::new(Arc::clone(&clock), Arc::clone(&rng));
        let notifications = Notifications::default();
        Self { inner: Arc::new(Inner { db, keys, clock, rng, ids, notifications, write_health }) }
    }

    pub(super) async fn migrate_up_to(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        last: Option<i64>,
    ) -> Result<Migrated, StoreError> {
        let target = target(config)?;
        if let Target::Sqlite(path) = &target {
            files::make_database(path)?;
        }
        let write_health = WriteHealth::default();
        let db = Db::connect(target.clone(), Access::ReadWrite, &write_health);
        let wanted = db.wanted_version();
        let version = last.unwrap_or(wanted);
        // A look with empty keys: whether there must be a key file already is not yet known.
        let probe =
            Self::assemble(db, Keys::empty(), Arc::clone(&clock), Arc::clone(&rng), write_health.clone());
        let found = probe.found_before_migration(&config.key_file, wanted).await?;
        probe.close().await;
        let db = Db::connect(target, Access::ReadWrite, &write_health);
        let keys = Keys::derive(&files::read_key(&config.key_file)?);
        let applied = db.migrator().iter().filter(|m| m.version > found && m.version <= version).count();
        db.migrate_to(version).await?;
        let store = Self::assemble(db, keys, clock, rng, write_health);
        if version == wanted {
            store.start_chain(&config.key_file).await?;
        }
        store.close().await;
        Ok(Migrated { version, applied })
    }

    /// The schema's version before a migration. Makes the key file, unless the database was sealed with one already: it must
    /// not quietly get a new one.
    async fn found_before_migration(&self, key_file: &Path, wanted: i64) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let found = tx.schema_version().await?;
        if found > wanted {
            return Err(StoreError::SchemaNew { found, wanted });
        }
        if found == 0 || maybe!(&mut tx, KEY_ID, (String,);)?.is_none() {
            files::make_key(key_file, self.inner.rng.as_ref())?;
        }
        tx.roll_back().await?;
        Ok(found)
    }

    /// Ties the database to its key file and writes the chain's first row, once.
    async fn start_chain(&self, key_file: &Path) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let key_id = self.inner.keys.id().to_owned();
        exec!(&mut tx, INSERT_KEY_ID; key_id)?;
        tx.check_key(key_file).await?;
        let is_new = exec!(&mut tx, START_HEAD; vec![0_u8; 32])? == 1;
        if is_new {
            tx.audit(Entry::new(Event::ChainStarted, Source::Cli, Actor::System));
        }
        tx.commit("chain.started").await
    }
}

impl ReadConnection {
    async fn schema_version(&mut self) -> Result<i64, StoreError> {
        if maybe!(self, HAS_SCHEMA, (Option<String>,);)?.is_none() {
            return Ok(0);
        }
        Ok(all!(self, SCHEMA_VERSION, (Option<i64>,);)?.first().and_then(|row| row.0).unwrap_or(0))
    }

    async fn check_key(&mut self, key_file: &Path) -> Result<(), StoreError> {
        let stored = maybe!(self, KEY_ID, (String,);)?;
        let is_ours = stored.is_some_and(|row| row.0 == self.inner.keys.id());
        if is_ours {
            return Ok(());
        }
        Err(StoreError::Key(KeyFault::Foreign { path: key_file.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl_mode(url: &str) -> Result<PgSslMode, StoreError> {
        let config = config::Store {
            url: url.parse().expect("a url"),
            password: None,
            key_file: PathBuf::from("unused"),
        };
        postgres_options(&config).map(|options| options.get_ssl_mode())
    }

    #[test]
    fn a_server_elsewhere_must_prove_its_name() {
        for local in [
            "postgres://a@127.0.0.1/b",
            "postgres://a@[::1]/b",
            "postgres://a@localhost/b",
            "postgres://a@localhost/b?host=/run/postgresql",
            "postgres://a@db.example.org/b?host=/run/postgresql",
        ] {
            assert!(matches!(ssl_mode(local), Ok(PgSslMode::Prefer)), "{local}");
        }
        for elsewhere in [
            "postgres://a@db.example.org/b",
            "postgres://a@192.0.2.7/b?sslmode=verify-full",
            "postgres://a@localhost/b?host=db.example.org",
            "postgres:///b?host=db.example.org",
            "postgres://a@localhost/b?hostaddr=192.0.2.7",
            "postgres://a@db.example.org/b?ssl-mode=disable",
            "postgres://a@localhost.example.org/b",
        ] {
            assert!(matches!(ssl_mode(elsewhere), Ok(PgSslMode::VerifyFull)), "{elsewhere}");
        }
        for weaker in ["disable", "prefer", "require", "verify-ca"] {
            for server in ["postgres://a@db.example.org/b?", "postgres://a@localhost/b?host=db.example.org&"]
            {
                let url = [server, "sslmode=", weaker].concat();
                assert!(matches!(ssl_mode(&url), Err(StoreError::Url(_))), "{url} was taken");
            }
        }
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_does_not_block_the_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.sqlite");
        std::fs::write(&path, []).expect("a file");
        let writer = sqlite_writer(&path);
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.expect("begun");
        // What a full disk does behind sqlx's back.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.expect("ended");
        drop(transaction);
        let again = writer.begin_with("BEGIN IMMEDIATE").await;
        again.expect("begun again").commit().await.expect("committed");
    }

    #[test]
    fn the_url_says_which_database_and_nothing_else_is_taken() {
        for url in ["mysql://a@b/c", "sqlite://host/path", "sqlite:///"] {
            let config = config::Store {
                url: url.parse().expect("a url"),
                password: None,
                key_file: PathBuf::from("unused"),
            };
            assert!(matches!(target(&config), Err(StoreError::Url(_))), "{url} was taken");
        }
    }
}
