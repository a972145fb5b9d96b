//! How a statement runs: one constant text for two databases, errors that poison the transaction.
//!
//! `sql!` lists the statements of a file, so that a test can prepare every one of them on both databases. `exec!`, `one!`,
//! `maybe!` and `all!` run one.

use sqlx::{PgConnection, SqliteConnection};

/// A statement. The texts differ only where the databases leave no other way.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For `PostgreSQL`; empty if it is run on SQLite alone.
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

/// The server's clock within a statement of `PostgreSQL`, read once for each execution. `$base` is the parameter to which
/// [`clock_base`](super::connection::ReadConnection::clock_base) is bound; on SQLite that parameter is the time itself.
macro_rules! postgres_now {
    ($base:literal) => {
        concat!(
            "(SELECT CAST(",
            $base,
            " AS BIGINT) + CAST(floor(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT))"
        )
    };
}

/// The bare connection: what a statement runs on.
pub(super) enum Raw<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// Counts and runs a statement, and returns the bare result of sqlx. The future is boxed, because every future above would otherwise carry
/// those of both drivers.
macro_rules! bare {
    ($connection:expr, $sql:expr, execute; $($bind:expr),*) => {{
        $connection.count_statement();
        match $connection.conn.raw() {
            $crate::store::sql::Raw::Sqlite(c) =>
                Box::pin(sqlx::query($sql.sqlite)$(.bind($bind))*.execute(c)).await.map(|done| done.rows_affected()),
            $crate::store::sql::Raw::Postgres(c) =>
                Box::pin(sqlx::query($sql.postgres)$(.bind($bind))*.execute(c)).await.map(|done| done.rows_affected()),
        }
    }};
    ($connection:expr, $sql:expr, $fetch:ident as $row:ty; $($bind:expr),*) => {{
        $connection.count_statement();
        match $connection.conn.raw() {
            $crate::store::sql::Raw::Sqlite(c) =>
                Box::pin(sqlx::query_as::<_, $row>($sql.sqlite)$(.bind($bind))*.$fetch(c)).await,
            $crate::store::sql::Raw::Postgres(c) =>
                Box::pin(sqlx::query_as::<_, $row>($sql.postgres)$(.bind($bind))*.$fetch(c)).await,
        }
    }};
}

/// Runs a statement, and returns the number of rows that it changed.
macro_rules! exec {
    ($connection:expr, $sql:expr; $($bind:expr),* $(,)?) => {{
        let result = bare!($connection, $sql, execute; $($bind),*);
        $connection.seen(result).await
    }};
}

/// Reads exactly one row.
macro_rules! one {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let result = bare!($connection, $sql, fetch_one as $row; $($bind),*);
        $connection.seen(result).await
    }};
}

/// Reads one row or none.
macro_rules! maybe {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let result = bare!($connection, $sql, fetch_optional as $row; $($bind),*);
        $connection.seen(result).await
    }};
}

/// Reads all rows; the statement must bound their number.
macro_rules! all {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        let result = bare!($connection, $sql, fetch_all as $row; $($bind),*);
        $connection.seen(result).await
    }};
}

/// Runs a write that may meet a unique index, behind a savepoint: `Ok(None)` if something unique is taken.
macro_rules! unless_taken {
    ($connection:expr, $sql:expr, $row:ty; $($bind:expr),* $(,)?) => {{
        $connection.savepoint().await?;
        let result = bare!($connection, $sql, fetch_optional as $row; $($bind),*);
        $connection.after_savepoint(result).await
    }};
}

pub(super) use {all, bare, exec, maybe, one, postgres_now, sql, unless_taken};
