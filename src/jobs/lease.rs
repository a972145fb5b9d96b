//! The claim on one job: its lease, measured by the monotonic clock of this process, and its renewal.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::outcome::StepError;
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
    deadline: Mutex<Instant>,
    /// A renewal found that somebody asked to cancel the job.
    cancel_asked: AtomicBool,
    /// Everything that the claim rests on is on the disk.
    is_flushed: AtomicBool,
}

impl Claim {
    /// `asked` is when the claim was sent to the store: the lease began no earlier.
    pub(super) fn new(job: Job, asked: Instant) -> Self {
        let cancel_asked = AtomicBool::new(job.cancel_asked);
        Self { job, deadline: Mutex::new(asked + LEASE), cancel_asked, is_flushed: AtomicBool::new(false) }
    }

    fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn renew(&self, worker: &WorkerContext) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut tx = worker.deps.store.begin().await?;
        let renewed = tx.renew_job(&self.job, LEASE).await?;
        tx.commit_relaxed("job.renew").await?;
        *self.deadline.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = asked + LEASE;
        self.cancel_asked.fetch_or(renewed.cancel_asked, Ordering::Relaxed);
        Ok(())
    }

    /// Before an outside call: renews the lease unless it lasts longer than the call may take.
    pub(super) async fn must_outlast(
        &self,
        worker: &WorkerContext,
        limit: Duration,
    ) -> Result<(), StepError> {
        if self.deadline().saturating_duration_since(Instant::now()) > limit + MARGIN {
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
                    if self.deadline() <= Instant::now() {
                        return;
                    }
                }
            }
        }
    }

    /// Before the first outside call: what the claim read (a decision, for example) is on the disk, or is brought there.
    pub(super) async fn must_be_flushed(&self, worker: &WorkerContext) -> Result<(), StepError> {
        if !self.is_flushed.load(Ordering::Relaxed) {
            worker.deps.store.flushed().await?;
            self.is_flushed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether somebody had asked to cancel the job when the lease was renewed last.
    pub(super) fn is_cancel_asked(&self) -> bool {
        self.cancel_asked.load(Ordering::Relaxed)
    }

    /// Whether the lease still holds by the clock of this process.
    pub(super) fn holds(&self) -> bool {
        self.deadline() > Instant::now()
    }
}
