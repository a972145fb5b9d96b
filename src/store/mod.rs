//! The only SQL. Persons, requests, accounts, durable work, outbox, budgets and the audit chain, on SQLite or `PostgreSQL`.
//!
//! Start with [`Store::open`], [`Store::begin`] (a writing [`Tx`]) and [`Store::read`] (a reading [`ReadConnection`]; every reading verb
//! of a view works in a transaction too, because [`Tx`] dereferences to [`ReadConnection`]).
//! Rules of the room: one statement text for both databases, never built from strings; no transaction is held across an outside
//! call; an error inside a transaction poisons it, and a poisoned one refuses to commit. Nothing here decides: policy lives in
//! `domain`, use-cases in `accounts`, effects in `jobs`.

mod accounts;
mod approval;
mod audit;
mod budgets;
mod decisions;
mod deny;
mod drafts;
mod dump;
mod error;
mod files;
mod jobs;
mod leases;
mod links;
mod mails;
mod messages;
mod open;
mod outbox;
mod panels;
mod persons;
mod request_rows;
mod requests;
mod restored;
mod seal;
mod sql;
mod write_health;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::clock::{Clock, Ids, Rng};
use crate::config;
use crate::domain::audit::Entry;
use crate::domain::ids::Timestamp;

pub use sql::Sql;

use open::{Access, Db};
use sql::Conn;

pub use accounts::{AccountFilter, AccountInserted, AccountSaved, Tombstone};
pub use approval::Approved;
pub use audit::{AuditFault, AuditFilter, AuditRow, AuditVerdict, Head, Order};
pub use budgets::BudgetKind;
pub use decisions::{Decision, NewDecision};
pub use deny::{Denial, DenyKind, NewDeny};
pub use error::{FileFault, KeyFault, StoreError};
pub use jobs::{CancelAsk, JobStep, MailSpend, NewJob, StepRecord};
pub use leases::{EventCursor, NamedLease};
pub use links::Link;
pub use messages::{Message, MessageKind};
pub use outbox::{NewOutbox, Outbox, OutboxKind};
pub use persons::Person;
pub use requests::{DraftChanged, NewDraft, RequestFilter, RequestMove, RequestMoved, SendDraft, Sent};
pub use restored::Restored;

/// Which database is behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One file, one process.
    Sqlite,
    /// A server, any number of replicas.
    Postgres,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    keys: seal::Keys,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    ids: Ids,
    notifications: Notifications,
    write_health: write_health::WriteHealth,
}

/// What was committed through this store, for those who wait for it.
#[derive(Default)]
struct Notifications {
    job: Notify,
    message: Notify,
}

/// What `migrate` did.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// The schema's version afterwards.
    pub version: i64,
    /// How many migrations were applied now.
    pub applied: usize,
}

/// Held while `serve` runs; a second `serve` on the same SQLite file is refused. Dropping it lets go.
#[derive(Debug)]
pub struct ServingLock {
    // Closing the file lets go of the lock.
    _file: Option<std::fs::File>,
}

impl Store {
    /// Opens a migrated database for reading and writing. Refuses a file or folder that others can read (with the fix named), a
    /// missing key file, and a schema older (says: run `accolade migrate`) or newer than this version.
    pub async fn open(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, StoreError> {
        Self::open_as(config, clock, rng, Access::ReadWrite).await
    }

    /// Opens a migrated database for reading only; [`Store::begin`] is refused.
    pub async fn open_read_only(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, StoreError> {
        Self::open_as(config, clock, rng, Access::ReadOnly).await
    }

    /// Makes the SQLite file and the key file if they are missing (both 0600), applies what is missing of the schema and starts
    /// the audit chain.
    pub async fn migrate(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Migrated, StoreError> {
        Self::migrate_up_to(config, clock, rng, None).await
    }

    /// The same, up to one version of the schema: for tests of migrations on filled databases.
    #[doc(hidden)]
    pub async fn migrate_to(
        config: &config::Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        version: i64,
    ) -> Result<Migrated, StoreError> {
        Self::migrate_up_to(config, clock, rng, Some(version)).await
    }

    /// Takes the lock on `<database>.lock` that only one `serve` may hold. `PostgreSQL` needs none.
    pub fn lock_for_serving(&self) -> Result<ServingLock, StoreError> {
        let file = match &self.inner.db {
            Db::Sqlite { path, .. } => Some(files::lock_for_serving(path)?),
            Db::Postgres { .. } => None,
        };
        Ok(ServingLock { _file: file })
    }

    /// Which database this is.
    pub fn kind(&self) -> Kind {
        match self.inner.db {
            Db::Sqlite { .. } => Kind::Sqlite,
            Db::Postgres { .. } => Kind::Postgres,
        }
    }

    /// Starts a writing transaction. Waits 2 s at the most, then [`StoreError::Busy`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let conn = self.within_timeout(self.inner.db.begin()).await?;
        let connection = ReadConnection { inner: Arc::clone(&self.inner), conn, poisoned: false };
        Ok(Tx { connection, audit: Vec::new(), notifies_jobs: false, notifies_messages: false })
    }

    /// Takes a reading connection. Each statement sees what was committed before it.
    pub async fn read(&self) -> Result<ReadConnection, StoreError> {
        let conn = self.within_timeout(self.inner.db.read()).await?;
        Ok(ReadConnection { inner: Arc::clone(&self.inner), conn, poisoned: false })
    }

    /// A connection for one statement that writes and is a transaction by itself: read all of its rows, or its end is not heard.
    /// Waits as [`Store::begin`] does.
    async fn autocommit(&self) -> Result<ReadConnection, StoreError> {
        let conn = self.within_timeout(self.inner.db.autocommit()).await?;
        Ok(ReadConnection { inner: Arc::clone(&self.inner), conn, poisoned: false })
    }

    async fn within_timeout<T>(
        &self,
        wait: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let waited = tokio::time::timeout(open::ACQUIRE_TIMEOUT, wait).await.unwrap_or(Err(StoreError::Busy));
        waited.inspect_err(|error| self.inner.write_health.heed(error))
    }

    /// Waits for job to be committed through this store; it counts from this call on, not only from the first poll. What other
    /// processes commit is not heard: look at intervals, too.
    pub fn jobs_notified(&self) -> Notified<'_> {
        self.inner.notifications.job.notified()
    }

    /// The same for messages of the outbox.
    pub fn messages_notified(&self) -> Notified<'_> {
        self.inner.notifications.message.notified()
    }

    /// Lets everybody look who waits in [`Store::job_announced`].
    pub fn notify_jobs(&self) {
        self.inner.notifications.job.notify_waiters();
    }

    /// Ids and nonces from the injected clock and randomness.
    pub fn ids(&self) -> &Ids {
        &self.inner.ids
    }

    /// Closes the pools; waits for open transactions.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }
}

/// A connection that reads. Its verbs stand in the files of this room, one per table family.
pub struct ReadConnection {
    inner: Arc<Inner>,
    conn: Conn,
    poisoned: bool,
}

impl ReadConnection {
    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

/// A writing transaction. Dropping it rolls everything back.
pub struct Tx {
    connection: ReadConnection,
    audit: Vec<Entry>,
    notifies_jobs: bool,
    notifies_messages: bool,
}

impl Deref for Tx {
    type Target = ReadConnection;

    fn deref(&self) -> &ReadConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut ReadConnection {
        &mut self.connection
    }
}

impl Tx {
    /// Adds an entry to the audit log. Entries are written at the end of [`Tx::commit`], in this order.
    pub fn audit(&mut self, entry: Entry) {
        self.audit.push(entry);
    }

    /// Writes the audit entries and commits. Refused when a statement of this transaction failed. `label` names the commit for
    /// the crash points `store.commit.before:<label>` and `store.commit.after:<label>`.
    pub async fn commit(mut self, label: &'static str) -> Result<(), StoreError> {
        if self.connection.poisoned {
            return Err(StoreError::Poisoned);
        }
        if !self.audit.is_empty() {
            let entries = std::mem::take(&mut self.audit);
            self.append_audit(entries).await?;
        }
        let inner = Arc::clone(&self.connection.inner);
        crate::crash::commit_point("before", label);
        match self.connection.conn {
            Conn::SqliteTx(transaction) => transaction.commit().await,
            Conn::PostgresTx(transaction) => transaction.commit().await,
            Conn::SqliteAutocommit(_) | Conn::PostgresAutocommit(_) => return Err(StoreError::ReadOnly),
        }
        .map_err(StoreError::from_sqlx)
        .inspect_err(|error| inner.write_health.heed(error))?;
        inner.write_health.is_over();
        crate::crash::commit_point("after", label);
        if self.notifies_jobs {
            inner.notifications.job.notify_waiters();
        }
        if self.notifies_messages {
            inner.notifications.message.notify_waiters();
        }
        Ok(())
    }

    /// Takes everything back, now.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        match self.connection.conn {
            Conn::SqliteTx(transaction) => transaction.rollback().await,
            Conn::PostgresTx(transaction) => transaction.rollback().await,
            Conn::SqliteAutocommit(_) | Conn::PostgresAutocommit(_) => return Err(StoreError::ReadOnly),
        }
        .map_err(StoreError::from_sqlx)
    }
}

/// Every statement of this room by name, for the test that prepares all of them on both databases.
#[doc(hidden)]
pub fn statements() -> impl Iterator<Item = (&'static str, Sql)> {
    [
        accounts::STATEMENTS,
        audit::STATEMENTS,
        budgets::STATEMENTS,
        decisions::STATEMENTS,
        deny::STATEMENTS,
        drafts::STATEMENTS,
        dump::STATEMENTS,
        leases::STATEMENTS,
        links::STATEMENTS,
        mails::STATEMENTS,
        messages::STATEMENTS,
        open::STATEMENTS,
        outbox::STATEMENTS,
        panels::STATEMENTS,
        persons::STATEMENTS,
        requests::STATEMENTS,
        restored::STATEMENTS,
        sql::STATEMENTS,
        jobs::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
