//! SQLite's connections: one that writes, behind a mutex, and a few that read.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::error::StoreError;
use super::flush::Flusher;
use super::queue::{QUEUE_TIMEOUT, Queue};

/// Readers beside the one writer.
const READERS: u32 = 4;

/// The one connection that writes. Transactions queue for it in the order of their arrival.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    slot: Arc<Mutex<Slot>>,
    queue: Queue,
    flusher: Flusher,
    timeout: Duration,
}

#[derive(Default)]
struct Slot {
    connection: Option<SqliteConnection>,
    /// A transaction or a writing statement is under way, or its end is unknown.
    is_unsettled: bool,
    is_closed: bool,
}

impl Slot {
    /// Ends what an earlier user left open. A commit whose answer was lost may have been made, so it is numbered.
    async fn settle(&mut self, flusher: &Flusher) {
        if !self.is_unsettled {
            return;
        }
        if let Some(connection) = &mut self.connection
            && let Err(error) = connection.execute("ROLLBACK").await
            && !is_without_transaction(&error)
        {
            // Closing the connection rolls back, too.
            self.connection = None;
        }
        flusher.note_commit();
        self.is_unsettled = false;
    }
}

/// SQLite has no transaction to roll back: the statement ended by itself, or SQLite rolled back when the disk was full.
fn is_without_transaction(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "1")
}

impl Writer {
    /// `timeout` bounds each wait for another process and for a database that makes no progress.
    pub(super) fn new(path: &Path, timeout: Duration, flusher: Flusher) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is written to the log; the flusher brings it to the disk. A checkpoint flushes log and database by itself.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(timeout)
            // Erased values are overwritten, too, because the key would still open those that are left in free pages.
            .pragma("secure_delete", "ON")
            .foreign_keys(true);
        Self {
            options,
            slot: Arc::new(Mutex::new(Slot::default())),
            queue: Queue::new(timeout),
            flusher,
            timeout,
        }
    }

    /// Starts a transaction that holds SQLite's write lock.
    pub(super) async fn begin(&self) -> Result<WriterGuard, StoreError> {
        let slot = self.wait_for_slot().await?;
        let begun = tokio::time::timeout(self.timeout, self.begin_on(slot)).await;
        begun.unwrap_or(Err(StoreError::Busy))
    }

    async fn begin_on(&self, slot: OwnedMutexGuard<Slot>) -> Result<WriterGuard, StoreError> {
        let mut guard = self.connect(slot).await?;
        if let Err(error) = guard.execute("BEGIN IMMEDIATE").await {
            guard.held_mut().slot.is_unsettled = false;
            return Err(StoreError::from_sqlx(error));
        }
        self.queue.note_turn();
        Ok(guard)
    }

    /// The connection for one writing statement, which is a transaction by itself.
    pub(super) async fn autocommit(&self) -> Result<WriterGuard, StoreError> {
        let slot = self.wait_for_slot().await?;
        let connected = tokio::time::timeout(self.timeout, self.connect(slot)).await;
        let guard = connected.unwrap_or(Err(StoreError::Busy))?;
        self.queue.note_turn();
        Ok(guard)
    }

    async fn wait_for_slot(&self) -> Result<OwnedMutexGuard<Slot>, StoreError> {
        self.flusher.check()?;
        self.queue.wait_for(Arc::clone(&self.slot).lock_owned()).await
    }

    async fn connect(&self, mut slot: OwnedMutexGuard<Slot>) -> Result<WriterGuard, StoreError> {
        if slot.is_closed {
            return Err(StoreError::Down(sqlx::Error::PoolClosed));
        }
        slot.settle(&self.flusher).await;
        // Once more: a flush may have failed while this transaction waited in the queue.
        self.flusher.check()?;
        let connection = match slot.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(StoreError::from_sqlx)?,
        };
        slot.is_unsettled = true;
        Ok(WriterGuard { held: Some(Held { connection, slot }), flusher: self.flusher.clone() })
    }

    /// Waits for the transaction that is under way, and closes the connection.
    pub(super) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        slot.is_closed = true;
        slot.settle(&self.flusher).await;
        if let Some(connection) = slot.connection.take() {
            drop(connection.close().await);
        }
    }
}

/// The writer's connection, held by one user.
pub(super) struct WriterGuard {
    held: Option<Held>,
    flusher: Flusher,
}

struct Held {
    connection: SqliteConnection,
    slot: OwnedMutexGuard<Slot>,
}

const HELD: &str = "a guard holds its connection until it is dropped";

impl WriterGuard {
    fn held_mut(&mut self) -> &mut Held {
        self.held.as_mut().expect(HELD)
    }

    /// Commits the transaction and lets the next one in. Returns the commit's number, by which the flusher identifies it.
    pub(super) async fn commit(mut self) -> Result<u64, StoreError> {
        self.execute("COMMIT").await.map_err(StoreError::from_sqlx)?;
        Ok(self.finish())
    }

    /// Rolls the transaction back and lets the next one in.
    pub(super) async fn roll_back(mut self) -> Result<(), StoreError> {
        self.execute("ROLLBACK").await.map_err(StoreError::from_sqlx)?;
        self.held_mut().slot.is_unsettled = false;
        Ok(())
    }

    /// Ends the use for one statement that was its own transaction. Returns the commit's number.
    pub(super) fn finish(mut self) -> u64 {
        self.held_mut().slot.is_unsettled = false;
        self.flusher.note_commit()
    }

    /// Ends the use for one statement that changed nothing: there is no commit that anyone has to wait for.
    pub(super) fn finish_unchanged(mut self) {
        self.held_mut().slot.is_unsettled = false;
    }
}

impl Deref for WriterGuard {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.held.as_ref().expect(HELD).connection
    }
}

impl DerefMut for WriterGuard {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.held_mut().connection
    }
}

impl Drop for WriterGuard {
    /// Gives the connection back. What was left open is rolled back first; the next user waits for that.
    fn drop(&mut self) {
        let Some(Held { connection, mut slot }) = self.held.take() else { return };
        slot.connection = Some(connection);
        if !slot.is_unsettled {
            return;
        }
        // Without a runtime the next user settles it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let flusher = self.flusher.clone();
            runtime.spawn(async move { slot.settle(&flusher).await });
        }
    }
}

/// The connections that read. They are not tested when they are taken or returned, because a connection to a file can't be lost.
pub(super) struct Readers {
    options: SqliteConnectOptions,
    permits: Arc<Semaphore>,
    idle: Arc<StdMutex<Vec<SqliteConnection>>>,
    timeout: Duration,
}

impl Readers {
    pub(super) fn new(path: &Path, timeout: Duration) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(timeout)
            .foreign_keys(true);
        Self { options, permits: Arc::new(Semaphore::new(READERS as usize)), idle: Arc::default(), timeout }
    }

    pub(super) async fn acquire(&self) -> Result<ReaderGuard, StoreError> {
        let waiting = tokio::time::timeout(QUEUE_TIMEOUT, Arc::clone(&self.permits).acquire_owned());
        let permit = waiting
            .await
            .map_err(|_| StoreError::Busy)?
            .map_err(|_| StoreError::Down(sqlx::Error::PoolClosed))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(ReaderGuard {
            connection: Some(connection),
            is_broken: false,
            idle: Arc::clone(&self.idle),
            _permit: permit,
        })
    }

    async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        let connecting = tokio::time::timeout(self.timeout, self.options.connect()).await;
        connecting.map_err(|_| StoreError::Busy)?.map_err(StoreError::from_sqlx)
    }

    /// Waits for all readers, and closes their connections.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            drop(connection.close().await);
        }
    }
}

/// A reading connection, held by one user.
pub(super) struct ReaderGuard {
    connection: Option<SqliteConnection>,
    is_broken: bool,
    idle: Arc<StdMutex<Vec<SqliteConnection>>>,
    _permit: OwnedSemaphorePermit,
}

impl ReaderGuard {
    /// Marks the connection as broken: it is closed and not used again.
    pub(super) fn break_off(&mut self) {
        self.is_broken = true;
    }
}

impl Deref for ReaderGuard {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect(HELD)
    }
}

impl DerefMut for ReaderGuard {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect(HELD)
    }
}

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.is_broken
        {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::counters::Counters;

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let path = folder.path().join("store.sqlite");
        std::fs::write(&path, []).expect("a file");
        let flusher = Flusher::of_database(&path, Arc::new(Counters::default()));
        Writer::new(&path, Duration::from_secs(2), flusher)
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_does_not_block_the_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = writer(&folder);
        let mut transaction = writer.begin().await.expect("begun");
        // On a full disk SQLite does this by itself, without telling sqlx.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.expect("ended");
        drop(transaction);
        writer.begin().await.expect("begun again").commit().await.expect("committed");
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_is_rolled_back_before_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = writer(&folder);
        let mut transaction = writer.begin().await.expect("begun");
        sqlx::query("CREATE TABLE t (a)").execute(&mut *transaction).await.expect("created");
        drop(transaction);
        let mut transaction = writer.begin().await.expect("begun again");
        sqlx::query("CREATE TABLE t (a)").execute(&mut *transaction).await.expect("it is not there");
        transaction.commit().await.expect("committed");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_queue_waits_as_long_as_the_writer_makes_progress_and_no_longer() {
        let folder = tempfile::tempdir().expect("a folder");
        let limit = Duration::from_millis(200);
        let writer = Arc::new(Writer { timeout: limit, queue: Queue::new(limit), ..writer(&folder) });
        let held = Arc::clone(&writer.slot).lock_owned().await;
        let refused = writer.begin().await.err();
        assert!(matches!(refused, Some(StoreError::Busy)), "the wait must end without progress: {refused:?}");
        let (queued, moving) = (Arc::clone(&writer), Arc::clone(&writer));
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let progress = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                moving.queue.note_turn();
                std::thread::yield_now();
            }
        });
        let mut waits = std::pin::pin!(async move { queued.wait_for_slot().await.map(drop) });
        assert!(tokio::time::timeout(limit * 5, &mut waits).await.is_err(), "the writer makes progress");
        drop(held);
        waits.await.expect("has its turn");
        is_over.store(true, Ordering::Relaxed);
        progress.join().expect("ends");
    }
}
