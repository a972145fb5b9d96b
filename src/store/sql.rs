//! How a statement meets a connection: one constant text, two databases, errors that poison the transaction.
//!
//! `sql!` lists the statements of a file, so that a test can prepare every one of them on both databases. `exec!`, `one!`,
//! `maybe!` and `all!` run one.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

/// A statement. The texts differ only where the databases leave no other way.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For `PostgreSQL`.
    pub postgres: &'static str,
}

/// Defines statements and lists them in `STATEMENTS`.
macro_rules! sql {
    (@postgres $shared:expr) => { $shared };
    (@postgres $shared:expr, $postgres:expr) => { $postgres };
    ($($(#[$doc:meta])* $name:ident = $text:expr $(, postgres: $postgres:expr)?;)*) => {
        $(
            $(#[$doc])*
            const $name: $crate::store::sql::Sql = $crate::store::sql::Sql {
                sqlite: $text,
                postgres: sql!(@postgres $text $(, $postgres)?),
            };
        )*
        /// Every statement of this file.
        pub(super) const STATEMENTS: &[(&str, $crate::store::sql::Sql)] = &[$((stringify!($name), $name),)*];
    };
}

/// A connection on one of the two databases: each statement alone, or all in one transaction.
pub(super) enum Conn {
    SqliteAutocommit(PoolConnection<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
    PostgresAutocommit(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

/// The bare connection: what a statement runs on.
pub(super) enum Raw<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Conn {
    pub(super) fn raw(&mut self) -> Raw<'_> {
        match self {
            Self::SqliteAutocommit(connection) => Raw::Sqlite(connection),
            Self::SqliteTx(transaction) => Raw::Sqlite(transaction),
            Self::PostgresAutocommit(connection) => Raw::Postgres(connection),
            Self::PostgresTx(transaction) => Raw::Postgres(transaction),
        }
    }
}

/// Runs a statement and gives the bare result of sqlx. Boxed, because the futures of both drivers would otherwise lie in every
/// future above.
macro_rules! bare {
    ($connection:expr, $sql:expr, execute; $($bind:expr),*) => {
        match $connection.conn.raw() {
            $crate::store::sql::Raw::Sqlite(c) =>
                Box::pin(sqlx::query($sql.sqlite)$(.bind($bind))*.execute(c)).await.map(|done| done.rows_affected()),
            $crate::store::sql::Raw::Postgres(c) =>
                Box::pin(sqlx::query($sql.postgres)$(.bind($bind))*.execute(c)).await.map(|done| done.rows_affected()),
        }
    };
    ($connection:expr, $sql:expr, $fetch:ident as $row:ty; $($bind:expr),*) => {
        match $connection.conn.raw() {
            $crate::store::sql::Raw::Sqlite(c) =>
                Box::pin(sqlx::query_as::<_, $row>($sql.sqlite)$(.bind($bind))*.$fetch(c)).await,
            $crate::store::sql::Raw::Postgres(c) =>
                Box::pin(sqlx::query_as::<_, $row>($sql.postgres)$(.bind($bind))*.$fetch(c)).await,
        }
    };
}

/// Runs a statement; how many rows it touched.
macro_rules! exec {
    ($connection:expr, $sql:expr; $($bind:expr),* $(,)?) => {{
        let connection: &mut $crate::store::ReadConnection = $connection;
        let result = bare!(connection, $sql, execute; $($bind),*);
        connection.note(result)
    }};
}

/// Reads exactly one row.
macro_rules! one {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let connection: &mut $crate::store::ReadConnection = $connection;
        let result = bare!(connection, $sql, fetch_one as $row; $($bind),*);
        connection.note(result)
    }};
}

/// Reads one row or none.
macro_rules! maybe {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let connection: &mut $crate::store::ReadConnection = $connection;
        let result = bare!(connection, $sql, fetch_optional as $row; $($bind),*);
        connection.note(result)
    }};
}

/// Reads all rows; the statement has a LIMIT.
macro_rules! all {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let connection: &mut $crate::store::ReadConnection = $connection;
        let result = bare!(connection, $sql, fetch_all as $row; $($bind),*);
        connection.note(result)
    }};
}

/// Runs a write that may meet a unique index, behind a savepoint: `Ok(None)` if something unique is taken.
macro_rules! unless_taken {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let connection: &mut $crate::store::ReadConnection = $connection;
        connection.savepoint().await?;
        let result = bare!(connection, $sql, fetch_optional as $row; $($bind),*);
        connection.after_savepoint(result).await
    }};
}

pub(super) use {all, bare, exec, maybe, one, sql, unless_taken};

sql! {
    /// Starts what may fail without harm to the transaction. SQLite needs none: there a failed statement undoes only itself.
    SAVEPOINT = "SAVEPOINT attempt";
    /// The attempt failed.
    TO_SAVEPOINT = "ROLLBACK TO SAVEPOINT attempt";
    /// The attempt is over.
    RELEASE_SAVEPOINT = "RELEASE SAVEPOINT attempt";
    /// A change that nobody needs. SQLite would not write what is as it was.
    TOUCH = "INSERT INTO lease (name, owner, fence, until) VALUES ('readiness', '', 1, 0) \
        ON CONFLICT (name) DO UPDATE SET fence = lease.fence + 1";
    /// The database's own clock, for everything that replicas compare. SQLite has none but this machine's, which is asked directly.
    NOW = "SELECT 0",
        postgres: "SELECT CAST(floor(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)";
    /// Only one transaction at a time goes on with this key. SQLite has one writer anyway.
    LOCK_KEY = "SELECT length($1)",
        postgres: "SELECT length(CAST(pg_advisory_xact_lock(hashtextextended($1, 0)) AS TEXT))::BIGINT";
}

impl super::ReadConnection {
    /// Turns sqlx's error into ours and remembers that the transaction is spoilt.
    pub(super) fn note<T>(&mut self, result: sqlx::Result<T>) -> Result<T, super::StoreError> {
        result.map_err(|error| {
            self.poisoned = true;
            let error = super::StoreError::from_sqlx(error);
            self.inner.write_health.heed(&error);
            error
        })
    }

    pub(super) async fn savepoint(&mut self) -> Result<(), super::StoreError> {
        if matches!(self.conn, Conn::PostgresTx(_)) {
            exec!(self, SAVEPOINT;)?;
        }
        Ok(())
    }

    pub(super) async fn after_savepoint<T>(
        &mut self,
        result: sqlx::Result<Option<T>>,
    ) -> Result<Option<Option<T>>, super::StoreError> {
        let is_taken = matches!(&result, Err(sqlx::Error::Database(error)) if error.is_unique_violation());
        if matches!(self.conn, Conn::PostgresTx(_)) && (is_taken || result.is_ok()) {
            if is_taken {
                exec!(self, TO_SAVEPOINT;)?;
            }
            exec!(self, RELEASE_SAVEPOINT;)?;
        }
        if is_taken { Ok(None) } else { self.note(result).map(Some) }
    }

    /// The database's clock, in milliseconds, pushed as far as ours is.
    pub(super) async fn database_now(&mut self) -> Result<i64, super::StoreError> {
        if matches!(self.conn, Conn::SqliteAutocommit(_) | Conn::SqliteTx(_)) {
            return Ok(self.inner.clock.now().as_millis());
        }
        let now = one!(self, NOW, (i64,);)?.0;
        Ok(now.saturating_add(self.inner.clock.shift()))
    }

    /// Lets only one transaction at a time go on with this key, until it ends.
    pub(super) async fn lock_key(&mut self, key: &str) -> Result<(), super::StoreError> {
        if matches!(self.conn, Conn::PostgresTx(_)) {
            one!(self, LOCK_KEY, (Option<i64>,); key)?;
        }
        Ok(())
    }
}

impl super::Store {
    /// Whether the database takes changes. While nothing was refused a look is enough; after that only a change proves it.
    pub async fn takes_changes(&self) -> Result<(), super::StoreError> {
        if !self.inner.write_health.is_noted() {
            return self.read().await.map(drop);
        }
        let mut autocommit = self.autocommit().await?;
        exec!(&mut autocommit, TOUCH;)?;
        self.inner.write_health.is_over();
        Ok(())
    }
}
