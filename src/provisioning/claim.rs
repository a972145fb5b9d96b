//! The claim on one job: its lease, by our own monotonic clock, and its renewal.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::WorkerContext;
use super::call::StepError;
use crate::domain::job::Job;
use crate::store::StoreError;

/// How long a claim holds without renewal.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// What must be left of the lease beyond the limit of a call.
const MARGIN: Duration = Duration::from_secs(2);

/// A claimed job. The row may change; id and fence do not.
pub(super) struct Claim {
    pub(super) job: Job,
    deadline: Mutex<Instant>,
}

impl Claim {
    /// `asked` is when the claim was asked for: the lease runs from then at the latest.
    pub(super) fn new(job: Job, asked: Instant) -> Self {
        Self { job, deadline: Mutex::new(asked + LEASE) }
    }

    fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn renew(&self, worker: &WorkerContext) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut tx = worker.deps.store.begin().await?;
        tx.renew_job(&self.job, LEASE).await?;
        tx.commit("job.renew").await?;
        *self.deadline.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = asked + LEASE;
        Ok(())
    }

    /// Before an outside call: enough of the lease is left for its whole limit, or it is renewed first.
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

    /// Renews the lease again and again. Returns when it is lost, or when it ran out because the store did not answer.
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

    /// Whether the lease still holds by our own clock.
    pub(super) fn holds(&self) -> bool {
        self.deadline() > Instant::now()
    }
}
