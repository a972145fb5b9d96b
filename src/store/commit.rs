//! The end of a transaction: the audit rows, the commit, the flush, and the notifications.

use std::sync::Arc;

use super::connection::Tx;
use super::database::Conn;
use super::error::StoreError;
use crate::crash;
use crate::domain::audit::Entry;

/// Whether a commit is on the disk when it returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    Durable,
    Relaxed,
}

impl Tx {
    /// Adds an entry to the audit log. Entries are written at the end of [`Tx::commit`], in this order.
    pub fn audit(&mut self, entry: Entry) {
        self.audit.push(entry);
    }

    /// Writes the audit entries, commits, and waits until the commit is on the disk. Refused when a statement of this transaction
    /// failed. `label` names the commit for the crash points `store.commit.before:<label>` and `store.commit.after:<label>`.
    pub async fn commit(self, label: &'static str) -> Result<(), StoreError> {
        self.commit_as(label, Durability::Durable).await
    }

    /// Like [`Tx::commit`], without waiting for the disk. The next durable commit flushes it too; if there is none, a flush follows some
    /// milliseconds later. Only for commits on which no promise and no outside effect depends: a claim, a renewed lease, a draft that was
    /// not sent, the record of a step that can be repeated. `PostgreSQL` flushes nevertheless.
    pub async fn commit_relaxed(self, label: &'static str) -> Result<(), StoreError> {
        self.commit_as(label, Durability::Relaxed).await
    }

    async fn commit_as(mut self, label: &'static str, durability: Durability) -> Result<(), StoreError> {
        if self.connection.poisoned {
            return Err(StoreError::Poisoned);
        }
        let mut head = None;
        if !self.audit.is_empty() {
            let entries = std::mem::take(&mut self.audit);
            head = Some(self.append_audit(&entries).await?);
        }
        let inner = Arc::clone(&self.connection.inner);
        crash::commit_point("before", label);
        let number = match self.connection.conn {
            Conn::SqliteTx(transaction) => transaction.commit().await.map(Some),
            Conn::PostgresTx(transaction) => {
                transaction.commit().await.map(|()| None).map_err(StoreError::from_sqlx)
            }
            Conn::SqliteReader(_) | Conn::SqliteAutocommit(_) | Conn::PostgresAutocommit(_) => {
                Err(StoreError::ReadOnly)
            }
        };
        let number = number.inspect_err(|error| inner.write_health.note_error(error))?;
        inner.write_health.note_success();
        inner.counters.count_commit();
        if let Some(head) = head {
            inner.audit_head.note(head);
        }
        if let (Some(number), Some(flusher)) = (number, inner.db.flusher()) {
            match durability {
                Durability::Durable => flusher.wait_for(number).await?,
                Durability::Relaxed => flusher.flush_soon(),
            }
        }
        crash::commit_point("after", label);
        // Not before the commit: the loops that are woken act on what was committed.
        let is_job_due = self.leaves_jobs || !self.handed.is_empty();
        for job in self.handed {
            inner.handover.hand_over(job);
        }
        if self.leaves_jobs {
            inner.handover.close_for_follower();
        }
        if is_job_due {
            inner.notifications.job.notify_waiters();
        }
        if self.notifies_messages {
            inner.notifications.message.notify_waiters();
        }
        Ok(())
    }

    /// Rolls everything back, now. What the transaction saw is on the disk when this returns.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.connection.inner);
        self.discard().await?;
        match inner.db.flusher() {
            Some(flusher) => flusher.wait().await,
            None => Ok(()),
        }
    }

    /// Like [`Tx::roll_back`], without waiting for the disk: for a transaction whose data does not leave the process.
    pub async fn discard(self) -> Result<(), StoreError> {
        match self.connection.conn {
            Conn::SqliteTx(transaction) => transaction.roll_back().await,
            Conn::PostgresTx(transaction) => transaction.rollback().await.map_err(StoreError::from_sqlx),
            Conn::SqliteReader(_) | Conn::SqliteAutocommit(_) | Conn::PostgresAutocommit(_) => {
                Err(StoreError::ReadOnly)
            }
        }
    }
}
