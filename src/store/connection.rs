//! The store's handle, reading connections and writing transactions. The operations are in the files of the tables.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::audit_head::KnownHead;
use super::counters::{Counters, Counts};
use super::database::{Conn, Db, Kind};
use super::error::StoreError;
use super::handover::{ClaimedJob, Handover};
use super::seal::Keys;
use super::sql::{bare, exec, one, postgres_now, sql};
use super::write_health::WriteHealth;
use crate::clock::{Clock, Ids, Rng};
use crate::domain::audit::Entry;
use crate::domain::ids::Timestamp;

sql! {
    /// Starts an attempt that may fail without harm to the transaction. SQLite needs no savepoint, because a failed statement undoes only
    /// itself there. The end of the transaction releases the savepoint, and a later one of the same name replaces it.
    SAVEPOINT = "SAVEPOINT attempt";
    /// The attempt failed.
    TO_SAVEPOINT = "ROLLBACK TO SAVEPOINT attempt";
    /// A write that only proves that the database accepts writes. SQLite would not write an unchanged row, so the fence grows.
    TOUCH = "INSERT INTO lease (name, owner, fence, until) VALUES ('readiness', '', 1, 0) \
        ON CONFLICT (name) DO UPDATE SET fence = lease.fence + 1";
    /// The database's own clock, for everything that replicas compare. On SQLite it is this machine's clock, which is read directly.
    NOW = "SELECT $1",
        postgres: concat!("SELECT ", postgres_now!("$1"));
    /// Locks these keys, a JSON array, in order, each for one transaction at a time. SQLite has only one writer anyway.
    LOCK_KEYS = "SELECT json_array_length($1)",
        postgres: "SELECT count(CAST(pg_advisory_xact_lock(hashtextextended(k.value, 0)) AS TEXT)) \
        FROM (SELECT e.value FROM json_array_elements_text(CAST($1 AS JSON)) WITH ORDINALITY AS e (value, place) \
        ORDER BY e.place) AS k";
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) keys: Keys,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) ids: Ids,
    pub(super) notifications: Notifications,
    pub(super) write_health: WriteHealth,
    pub(super) counters: Arc<Counters>,
    pub(super) audit_head: KnownHead,
    pub(super) handover: Handover,
}

/// Wakes the tasks that wait for commits through this store.
#[derive(Default)]
pub(super) struct Notifications {
    pub(super) job: Notify,
    pub(super) message: Notify,
}

impl Store {
    pub(super) fn assemble(
        db: Db,
        keys: Keys,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        write_health: WriteHealth,
        counters: Arc<Counters>,
    ) -> Self {
        let ids = Ids::new(Arc::clone(&clock), Arc::clone(&rng));
        let notifications = Notifications::default();
        let (audit_head, handover) = (KnownHead::default(), Handover::default());
        Self {
            inner: Arc::new(Inner {
                db,
                keys,
                clock,
                rng,
                ids,
                notifications,
                write_health,
                counters,
                audit_head,
                handover,
            }),
        }
    }

    /// Which database this is.
    pub fn kind(&self) -> Kind {
        self.inner.db.kind()
    }

    /// Starts a writing transaction. Fails with [`StoreError::Busy`] if the database makes no progress for 2 s.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let begun = self.inner.db.begin().await;
        let connection = self.connection(begun)?;
        Ok(Tx {
            connection,
            audit: Vec::new(),
            handed: Vec::new(),
            leaves_jobs: false,
            notifies_messages: false,
        })
    }

    /// Takes a reading connection. Each statement sees what was committed before it.
    pub async fn read(&self) -> Result<ReadConnection, StoreError> {
        let taken = self.inner.db.read().await;
        self.connection(taken)
    }

    /// Like [`Store::read`], for answers that promise nothing, such as a form that opens: what it returns may not be on the disk yet. Call
    /// [`Store::flushed`] before any other answer.
    pub async fn read_relaxed(&self) -> Result<ReadConnection, StoreError> {
        Ok(ReadConnection { waits_for_disk: false, ..self.read().await? })
    }

    /// A connection for one statement that writes and is a transaction by itself. Drain its result set, or an error at its commit goes
    /// unnoticed; then call [`ReadConnection::end_autocommit`].
    pub(super) async fn autocommit(&self) -> Result<ReadConnection, StoreError> {
        let taken = self.inner.db.autocommit().await;
        self.connection(taken)
    }

    fn connection(&self, taken: Result<Conn, StoreError>) -> Result<ReadConnection, StoreError> {
        let conn = taken.inspect_err(|error| self.inner.write_health.note_error(error))?;
        Ok(ReadConnection { inner: Arc::clone(&self.inner), conn, poisoned: false, waits_for_disk: true })
    }

    /// Waits until everything committed so far is on the disk; returns at once if it is. Call it before anything leaves the process that
    /// depends on a commit of [`Tx::commit_relaxed`], on [`Store::read_relaxed`] or on a claim. What a [`ReadConnection`] of
    /// [`Store::read`] returns is on the disk already.
    pub async fn flushed(&self) -> Result<(), StoreError> {
        match self.inner.db.flusher() {
            Some(flusher) => flusher.wait().await,
            None => Ok(()),
        }
    }

    /// Waits until a flush fails, which normally never happens. From then on the store refuses every write: the process has to end.
    pub async fn flush_failed(&self) {
        match self.inner.db.flusher() {
            Some(flusher) => flusher.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the database accepts writes. As long as no write was refused, a read is enough; after that, only a write proves it.
    pub async fn takes_changes(&self) -> Result<(), StoreError> {
        if let Some(flusher) = self.inner.db.flusher() {
            flusher.check()?;
        }
        if !self.inner.write_health.is_noted() {
            return self.read().await.map(drop);
        }
        let mut autocommit = self.autocommit().await?;
        exec!(&mut autocommit, TOUCH;)?;
        autocommit.end_autocommit(true);
        self.inner.write_health.note_success();
        Ok(())
    }

    /// What was counted since the store was opened, by all of its clones.
    pub fn counts(&self) -> Counts {
        self.inner.counters.counts()
    }

    /// Waits for a job to be committed through this store; it counts from this call on, not only from the first poll. Commits of other
    /// processes are not noticed, so poll the store as well.
    pub fn jobs_notified(&self) -> Notified<'_> {
        self.inner.notifications.job.notified()
    }

    /// Like [`Store::jobs_notified`], for messages of the outbox.
    pub fn messages_notified(&self) -> Notified<'_> {
        self.inner.notifications.message.notified()
    }

    /// Notes that a job ended, and wakes the waiters of [`Store::jobs_notified`] if another job may have waited for it.
    pub fn note_end_of_job(&self) {
        if self.inner.handover.end_of_job() {
            self.inner.notifications.job.notify_waiters();
        }
    }

    /// Ids and nonces from the injected clock and randomness.
    pub fn ids(&self) -> &Ids {
        &self.inner.ids
    }

    /// Closes the connections; waits for open transactions.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }

    /// Calls the hook in each flush of SQLite's log.
    #[cfg(feature = "faults")]
    #[doc(hidden)]
    pub fn on_flush(&self, hook: super::flush::FlushHook) {
        if let Some(flusher) = self.inner.db.flusher() {
            flusher.hook(hook);
        }
    }

    /// Plants `ack-before-flush`: commits return before they are on the disk. A test must find it.
    #[cfg(feature = "faults")]
    #[doc(hidden)]
    pub fn plant_ack_before_flush(&self) {
        if let Some(flusher) = self.inner.db.flusher() {
            flusher.acknowledge_early();
        }
    }
}

/// A connection that reads. Its operations are in the files of this module, one file per table family.
pub struct ReadConnection {
    pub(super) inner: Arc<Inner>,
    pub(super) conn: Conn,
    pub(super) poisoned: bool,
    /// Whether what it reads outside of a transaction must be on the disk when it returns.
    waits_for_disk: bool,
}

impl ReadConnection {
    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(super) fn count_statement(&self) {
        self.inner.counters.count_statement();
    }

    /// Waits, outside of a transaction, until what the statement saw is on the disk, because answers and outside calls depend on it. Then
    /// notes its error.
    pub(super) async fn seen<T>(&mut self, result: sqlx::Result<T>) -> Result<T, StoreError> {
        if let (true, Conn::SqliteReader(_), Some(flusher)) =
            (self.waits_for_disk, &self.conn, self.inner.db.flusher())
        {
            flusher.wait().await?;
        }
        self.note(result)
    }

    /// Turns sqlx's error into ours and remembers that the transaction is poisoned.
    pub(super) fn note<T>(&mut self, result: sqlx::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.poisoned = true;
            let error = StoreError::from_sqlx(error);
            if let (Conn::SqliteReader(reader), StoreError::Down(_)) = (&mut self.conn, &error) {
                reader.break_off();
            }
            self.inner.write_health.note_error(&error);
            error
        })
    }

    pub(super) async fn savepoint(&mut self) -> Result<(), StoreError> {
        if matches!(self.conn, Conn::PostgresTx(_)) {
            exec!(self, SAVEPOINT;)?;
        }
        Ok(())
    }

    pub(super) async fn after_savepoint<T>(
        &mut self,
        result: sqlx::Result<Option<T>>,
    ) -> Result<Option<Option<T>>, StoreError> {
        let is_taken = matches!(&result, Err(sqlx::Error::Database(error)) if error.is_unique_violation());
        if matches!(self.conn, Conn::PostgresTx(_)) && is_taken {
            exec!(self, TO_SAVEPOINT;)?;
        }
        if is_taken { Ok(None) } else { self.note(result).map(Some) }
    }

    /// The database's clock, in milliseconds, with the same shift as ours.
    pub(super) async fn database_now(&mut self) -> Result<i64, StoreError> {
        let clock_base = self.clock_base();
        match self.inner.db.kind() {
            Kind::Sqlite => Ok(clock_base),
            Kind::Postgres => Ok(one!(self, NOW, (i64,); clock_base)?.0),
        }
    }

    /// The value that is bound by statements which read the database's clock themselves (see [`postgres_now`]): on SQLite the time of our
    /// clock, on `PostgreSQL` the shift of our clock.
    pub(super) fn clock_base(&self) -> i64 {
        match self.inner.db.kind() {
            Kind::Sqlite => self.inner.clock.now().as_millis(),
            Kind::Postgres => self.inner.clock.shift(),
        }
    }

    /// Locks this key for one transaction at a time, until it ends.
    pub(super) async fn lock_key(&mut self, key: &str) -> Result<(), StoreError> {
        self.lock_keys(&[key.to_owned()]).await
    }

    /// Locks several keys, in their order.
    pub(super) async fn lock_keys(&mut self, keys: &[String]) -> Result<(), StoreError> {
        if matches!(self.conn, Conn::PostgresTx(_)) {
            let keys = serde_json::Value::from(keys).to_string();
            one!(self, LOCK_KEYS, (i64,); keys)?;
        }
        Ok(())
    }

    /// Ends the use of a connection of [`Store::autocommit`] whose statement was committed. If it changed no row, nothing was written.
    pub(super) fn end_autocommit(self, is_changed: bool) {
        if is_changed {
            self.inner.counters.count_commit();
        }
        match self.conn {
            Conn::SqliteAutocommit(writer) if is_changed => {
                writer.finish();
                if let Some(flusher) = self.inner.db.flusher() {
                    flusher.flush_soon();
                }
            }
            Conn::SqliteAutocommit(writer) => writer.finish_unchanged(),
            Conn::SqliteReader(_) | Conn::SqliteTx(_) | Conn::PostgresAutocommit(_) | Conn::PostgresTx(_) => {
            }
        }
    }
}

/// A writing transaction. Dropping it rolls everything back.
pub struct Tx {
    pub(super) connection: ReadConnection,
    pub(super) audit: Vec<Entry>,
    /// Jobs that were created already claimed, for the worker of this process after the commit.
    pub(super) handed: Vec<ClaimedJob>,
    /// A job became due and waits in the database.
    pub(super) leaves_jobs: bool,
    pub(super) notifies_messages: bool,
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
