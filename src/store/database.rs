//! The database behind the store: which one the URL names, its options, its connections, its migrations.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{PgPool, Postgres, Transaction};

use super::counters::Counters;
use super::error::StoreError;
use super::flush::Flusher;
use super::queue::{QUEUE_TIMEOUT, Queue};
use super::session::{self, LOCK_TIMEOUT};
use super::sql::Raw;
use super::sqlite::{ReaderGuard, Readers, Writer, WriterGuard};
use super::write_health::WriteHealth;
use crate::{config, net};

/// Waiting tasks give up if no task gets a connection for this long. SQLite's file may also be locked for this long.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections to `PostgreSQL`, of each replica.
const POSTGRES_CONNECTIONS: u32 = 10;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Which database is behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One file, one process.
    Sqlite,
    /// A server, any number of replicas.
    Postgres,
}

/// The database, connected.
#[expect(clippy::large_enum_variant, reason = "there is one, behind the store's `Arc`")]
pub(super) enum Db {
    Sqlite { path: PathBuf, writer: Option<Writer>, readers: Readers, flusher: Flusher },
    Postgres { pool: PgPool, queue: Queue, read_only: bool },
}

/// A connection: each statement alone, or all in one transaction.
pub(super) enum Conn {
    SqliteReader(ReaderGuard),
    SqliteAutocommit(WriterGuard),
    SqliteTx(WriterGuard),
    PostgresAutocommit(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

impl Conn {
    pub(super) fn raw(&mut self) -> Raw<'_> {
        match self {
            Self::SqliteReader(connection) => Raw::Sqlite(connection),
            Self::SqliteAutocommit(connection) | Self::SqliteTx(connection) => Raw::Sqlite(connection),
            Self::PostgresAutocommit(connection) => Raw::Postgres(connection),
            Self::PostgresTx(transaction) => Raw::Postgres(transaction),
        }
    }
}

/// Whether a store writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// The database that the URL names.
#[derive(Clone)]
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

pub(super) fn target(config: &config::Store) -> Result<Target, StoreError> {
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

/// A server on another machine must show a certificate that matches its name.
fn postgres_options(config: &config::Store) -> Result<PgConnectOptions, StoreError> {
    let mut options = PgConnectOptions::from_str(config.url.as_str())
        .map_err(|_| StoreError::Url("the PostgreSQL url cannot be read"))?;
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    }
    let asked =
        config.url.query_pairs().find(|(key, _)| key == "sslmode").map(|(_, value)| value.into_owned());
    // Not the URL's host: `?host=` and the environment of PostgreSQL's own tools can name another one.
    options = match (is_local(&options), asked.as_deref()) {
        (true, Some(_)) => options,
        (true, None) => options.ssl_mode(PgSslMode::Prefer),
        (false, None | Some("verify-full")) => options.ssl_mode(PgSslMode::VerifyFull),
        (false, Some(_)) => {
            return Err(StoreError::Url("a PostgreSQL server elsewhere needs `sslmode=verify-full`"));
        }
    };
    Ok(options.application_name("accolade").options([
        ("lock_timeout", LOCK_TIMEOUT),
        ("statement_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ]))
}

/// Whether the server is on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    // A path is the folder of a socket.
    options.get_socket().is_some() || host.starts_with('/') || net::is_loopback_host(host)
}

fn postgres_pool(options: PgConnectOptions, write_health: WriteHealth) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        // The queue in front of the pool gives up earlier, unless there is progress.
        .acquire_timeout(QUEUE_TIMEOUT)
        // A connection that was opened while the database was read-only is replaced.
        .before_acquire(move |_, connection| {
            Box::pin(std::future::ready(Ok(!write_health.is_stale(connection.age))))
        })
        .connect_lazy_with(options)
}

impl Target {
    /// Checks that the server's sessions are usable. SQLite has none.
    pub(super) async fn check_sessions(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(options) => session::check(options).await,
        }
    }
}

impl Db {
    pub(super) fn connect(
        target: Target,
        access: Access,
        write_health: &WriteHealth,
        counters: &Arc<Counters>,
    ) -> Self {
        match target {
            Target::Sqlite(path) => {
                let flusher = Flusher::of_database(&path, Arc::clone(counters));
                let writer = Writer::new(&path, ACQUIRE_TIMEOUT, flusher.clone());
                Self::Sqlite {
                    writer: (access == Access::ReadWrite).then_some(writer),
                    readers: Readers::new(&path, ACQUIRE_TIMEOUT),
                    flusher,
                    path,
                }
            }
            Target::Postgres(options) => {
                let options = match access {
                    Access::ReadWrite => *options,
                    Access::ReadOnly => options.options([("default_transaction_read_only", "on")]),
                };
                let pool = postgres_pool(options, write_health.clone());
                let queue = Queue::new(ACQUIRE_TIMEOUT);
                Self::Postgres { pool, queue, read_only: access == Access::ReadOnly }
            }
        }
    }

    /// Starts a writing transaction. Waits [`ACQUIRE_TIMEOUT`] for a database that makes no progress, then fails with
    /// [`StoreError::Busy`].
    pub(super) async fn begin(&self) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite { writer: Some(writer), .. } => writer.begin().await.map(Conn::SqliteTx),
            Self::Postgres { pool, queue, read_only: false } => {
                let begun = queue.wait_for(pool.begin()).await?.map_err(StoreError::from_sqlx)?;
                queue.note_turn();
                Ok(Conn::PostgresTx(begun))
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
                writer.autocommit().await.map(Conn::SqliteAutocommit)
            }
            Self::Postgres { pool, queue, read_only: false } => postgres_autocommit(pool, queue).await,
            Self::Sqlite { writer: None, .. } | Self::Postgres { read_only: true, .. } => {
                Err(StoreError::ReadOnly)
            }
        }
    }

    pub(super) async fn read(&self) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => readers.acquire().await.map(Conn::SqliteReader),
            Self::Postgres { pool, queue, .. } => postgres_autocommit(pool, queue).await,
        }
    }

    /// Closes the connections; waits for open transactions.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, flusher, .. } => {
                readers.close().await;
                flusher.close().await;
                // The last connection that closes writes the log into the database.
                if let Some(writer) = writer {
                    writer.close().await;
                }
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Sqlite { .. } => Kind::Sqlite,
            Self::Postgres { .. } => Kind::Postgres,
        }
    }

    /// Flushes SQLite's log; `PostgreSQL` flushes its own at each commit.
    pub(super) fn flusher(&self) -> Option<&Flusher> {
        match self {
            Self::Sqlite { flusher, .. } => Some(flusher),
            Self::Postgres { .. } => None,
        }
    }

    fn migrator(&self) -> &'static Migrator {
        match self {
            Self::Sqlite { .. } => &SQLITE,
            Self::Postgres { .. } => &POSTGRES,
        }
    }

    /// The schema's version that this program needs.
    pub(super) fn wanted_version(&self) -> i64 {
        self.migrator().iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// How many migrations lie between two versions.
    pub(super) fn migrations_between(&self, found: i64, version: i64) -> usize {
        self.migrator().iter().filter(|m| m.version > found && m.version <= version).count()
    }

    pub(super) async fn migrate_to(&self, version: i64) -> Result<(), StoreError> {
        let migrator = self.migrator();
        let mut conn = self.autocommit().await?;
        let result = match conn.raw() {
            Raw::Sqlite(connection) => migrator.run_to(version, connection).await,
            Raw::Postgres(connection) => {
                // The options of the pool limit statements; building an index on a large table may take longer.
                sqlx::query("SET statement_timeout = 0")
                    .execute(&mut *connection)
                    .await
                    .map_err(StoreError::from_sqlx)?;
                migrator.run_to(version, connection).await
            }
        };
        match conn {
            // Not given back to the pool, because its statements have no limit.
            Conn::PostgresAutocommit(connection) => drop(connection.detach()),
            Conn::SqliteAutocommit(writer) => {
                let number = writer.finish();
                if let Some(flusher) = self.flusher() {
                    flusher.wait_for(number).await?;
                }
            }
            Conn::SqliteReader(_) | Conn::SqliteTx(_) | Conn::PostgresTx(_) => {}
        }
        result.map_err(StoreError::Migration)
    }
}

async fn postgres_autocommit(pool: &PgPool, queue: &Queue) -> Result<Conn, StoreError> {
    let acquired = queue.wait_for(pool.acquire()).await?.map_err(StoreError::from_sqlx)?;
    queue.note_turn();
    Ok(Conn::PostgresAutocommit(acquired))
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
                assert!(matches!(ssl_mode(&url), Err(StoreError::Url(_))), "{url} was accepted");
            }
        }
    }

    #[test]
    fn the_url_says_which_database_and_nothing_else_is_taken() {
        for url in ["mysql://a@b/c", "sqlite://host/path", "sqlite:///"] {
            let config = config::Store {
                url: url.parse().expect("a url"),
                password: None,
                key_file: PathBuf::from("unused"),
            };
            assert!(matches!(target(&config), Err(StoreError::Url(_))), "{url} was accepted");
        }
    }
}
