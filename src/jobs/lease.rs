//! The claim on one job: its lease, measured by the monotonic clock of this process, and its renewal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::outcome::StepError;
use crate::clock::Moment;
use crate::domain::job::Job;
use crate::store::StoreError;
use crate::worker::context::{LEASE, WorkerContext};

/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How much of the lease must remain beyond the time limit of a call.
const MARGIN: Duration = Duration::from_secs(2);

/// A claimed job. The row may change; id and fence do not.
pub(super) struct Claim {
    pub(super) job: Job,
    /// When the call for the lease, or for its last renewal, was made: the lease began no earlier.
    asked: Mutex<Moment>,
    /// Whether the claim or a renewal found that someone asked to cancel the job.
    cancel_asked: AtomicBool,
    /// Whether everything that the claim has read is on the disk.
    is_flushed: AtomicBool,
}

impl Claim {
    /// `asked` is when the claim was sent to the store: the lease began no earlier.
    pub(super) fn new(job: Job, asked: Moment) -> Self {
        let cancel_asked = AtomicBool::new(job.cancel_asked);
        Self { job, asked: Mutex::new(asked), cancel_asked, is_flushed: AtomicBool::new(false) }
    }

    /// How much of the lease is left by the clock of this process.
    fn remaining(&self, worker: &WorkerContext) -> Duration {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        LEASE.saturating_sub(worker.deps.clock.moment().since(asked))
    }

    async fn renew(&self, worker: &WorkerContext) -> Result<(), StoreError> {
        let asked = worker.deps.clock.moment();
        let mut tx = worker.deps.store.begin().await?;
        let renewed = tx.renew_job(&self.job, LEASE).await?;
        tx.commit_relaxed("job.renew").await?;
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        self.cancel_asked.fetch_or(renewed.cancel_asked, Ordering::Relaxed);
        Ok(())
    }

    /// Before an outside call: renews the lease unless it lasts longer than the call may take.
    pub(super) async fn must_outlast(
        &self,
        worker: &WorkerContext,
        limit: Duration,
    ) -> Result<(), StepError> {
        if self.remaining(worker) > limit + MARGIN {
            return Ok(());
        }
        self.renew(worker).await.map_err(StepError::from)
    }

    /// Keeps renewing the lease. Returns when it is lost, or when it ran out because the store did not answer.
    pub(super) async fn keep(&self, worker: &WorkerContext) {
        loop {
            worker.deps.clock.pause(RENEW_EVERY).await;
            match self.renew(worker).await {
                Ok(()) => {}
                Err(StoreError::LostLease) => return,
                Err(error) => {
                    tracing::warn!(job.id = %self.job.id, error = %error, "a lease could not be renewed");
                    if !self.holds(worker) {
                        return;
                    }
                }
            }
        }
    }

    /// Before the first outside call: makes sure that what the claim read (a decision, for example) is flushed to the disk.
    pub(super) async fn must_be_flushed(&self, worker: &WorkerContext) -> Result<(), StepError> {
        if !self.is_flushed.load(Ordering::Relaxed) {
            worker.deps.store.flushed().await?;
            self.is_flushed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether someone had asked to cancel the job when it was claimed or the lease was last renewed.
    pub(super) fn is_cancel_asked(&self) -> bool {
        self.cancel_asked.load(Ordering::Relaxed)
    }

    /// Whether the lease still holds by the clock of this process.
    pub(super) fn holds(&self, worker: &WorkerContext) -> bool {
        !self.remaining(worker).is_zero()
    }
}
