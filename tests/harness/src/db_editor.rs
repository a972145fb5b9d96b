//! Changes that a test makes in its own database, so the product contains no code for them.

#![expect(
    clippy::disallowed_types,
    reason = "the statements are made from the names of plans and steps; no value of people is in them"
)]

use accolade::domain::job::{JobKind, Step};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;

/// The test's own connection to a database.
pub(crate) enum DbEditor {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

impl DbEditor {
    /// Opens the database with a single connection.
    pub(crate) async fn open(url: &str) -> Self {
        if url.starts_with("sqlite") {
            let pool = SqlitePoolOptions::new().max_connections(1).connect(url).await;
            Self::Sqlite(pool.expect("the database opens"))
        } else {
            let pool = PgPoolOptions::new().max_connections(1).connect(url).await;
            Self::Postgres(pool.expect("the database opens"))
        }
    }

    async fn runs(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let ended = match self {
            Self::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ()),
            Self::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ()),
        };
        ended.expect("the database works");
    }

    /// Releases all leases, as `serve` does when it starts, and makes every job and message due.
    pub(crate) async fn frees_leases(&self) {
        self.runs(
            "UPDATE job SET lease_until = 0, owner = NULL, next_run = 0 WHERE state IN ('open', 'undoing'); \
             UPDATE outbox SET lease_until = 0, owner = NULL, next_run = 0; UPDATE lease SET until = 0;",
        )
        .await;
    }

    /// Removes all that was recorded before a mail.
    pub(crate) async fn loses_reservations(&self) {
        self.runs("DELETE FROM mail; DELETE FROM rate_limit; UPDATE job SET mail_attempts = 0;").await;
    }

    /// Sets the jobs of a kind back to `step`.
    pub(crate) async fn puts_back(&self, kind: JobKind, state: &str, step: Step) {
        self.runs(&format!(
            "UPDATE job SET state = '{state}', step = '{step}', attempt = 0 WHERE kind = '{kind}'"
        ))
        .await;
    }
}
