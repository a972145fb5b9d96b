//! Whether each connection to `PostgreSQL` has a session of its own with our settings: a pooler between both may take them away.
//!
//! Prepared statements, time limits and the migrations' lock belong to a session. A pooler that gives each transaction another session
//! breaks all three, at a moment that nobody can foresee. So a store is not opened behind one. The check uses plain queries, because
//! prepared ones may fail there already.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::time::timeout;

use super::error::StoreError;
use super::sql::sql;
use crate::domain::cause::Cause;
use crate::net::failure::{self, NameUnknown};

sql! {
    /// The session's process, and a setting that each connection brings with it.
    WHO = "SELECT '' AS pid, '' AS lock_timeout",
        postgres: "SELECT CAST(pg_backend_pid() AS TEXT) AS pid, current_setting('lock_timeout') AS lock_timeout";
}

/// The limit for the whole check.
const LIMIT: Duration = Duration::from_secs(5);
/// How often each of two connections is asked for its session.
const ROUNDS: usize = 3;
/// The setting that [`WHO`] reads, as the server prints it.
pub(super) const LOCK_TIMEOUT: &str = "2s";

/// Refuses a pooler that shares or changes sessions. Other errors are those of a connection without a pool, which tries again by itself
/// and reports only that it waited too long.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let checked = timeout(LIMIT, compare(options)).await;
    let result =
        checked.unwrap_or_else(|_| Err(StoreError::Down(io::Error::from(io::ErrorKind::TimedOut).into())));
    if let Err(StoreError::Down(error) | StoreError::Other(error)) = &result
        && let Some(cause) = super::error::cause_of(error)
    {
        failure::log("database", cause, error);
    }
    result
}

async fn compare(options: &PgConnectOptions) -> Result<(), StoreError> {
    let (mut one, mut other) = (connect(options).await?, connect(options).await?);
    let mut before: Option<(Session, Session)> = None;
    for _ in 0..ROUNDS {
        let sessions = (session(&mut one).await?, session(&mut other).await?);
        if sessions.0.pid == sessions.1.pid || before.as_ref().is_some_and(|before| *before != sessions) {
            return Err(StoreError::Pooled(Cause::PgPooled));
        }
        before = Some(sessions);
    }
    if before
        .is_some_and(|(one, other)| one.lock_timeout != LOCK_TIMEOUT || other.lock_timeout != LOCK_TIMEOUT)
    {
        return Err(StoreError::Pooled(Cause::PgPoolerDrops));
    }
    // The server notices the end of a connection anyway.
    let _ = tokio::join!(one.close(), other.close());
    Ok(())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    match options.connect().await {
        Ok(connection) => Ok(connection),
        Err(sqlx::Error::Io(error))
            if failure::cause_of(&error).is_none()
                && !failure::resolves(options.get_host(), options.get_port()).await =>
        {
            Err(StoreError::Down(io::Error::other(NameUnknown).into()))
        }
        Err(error) => Err(StoreError::from_sqlx(error)),
    }
}

/// What a connection says of the session behind it.
#[derive(PartialEq, Eq)]
struct Session {
    pid: String,
    lock_timeout: String,
}

async fn session(connection: &mut PgConnection) -> Result<Session, StoreError> {
    let row = sqlx::raw_sql(WHO.postgres).fetch_one(connection).await.map_err(StoreError::from_sqlx)?;
    let read = |column: &str| row.try_get::<String, _>(column).map_err(StoreError::from_sqlx);
    Ok(Session { pid: read("pid")?, lock_timeout: read("lock_timeout")? })
}
