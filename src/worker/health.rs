//! Numbers for `/metrics`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::breaker::Target;
use super::context::WorkerContext;
use crate::domain::job::JobState;
use crate::domain::request::RequestState;
use crate::store::{RefusedMessages, StoreError, WaitCount};

/// The state of the background loops and their queues.
#[derive(Clone, Debug)]
pub struct Health {
    /// Jobs in each state.
    pub jobs: Vec<(JobState, i64)>,
    /// Requests in each state.
    pub requests: Vec<(RequestState, i64)>,
    /// How long the longest due job has been due; zero if nothing is. Each attempt begins this time again.
    pub oldest_job: Duration,
    /// What jobs wait for.
    pub waits: Vec<WaitCount>,
    /// How long the longest wait is; zero if nothing waits.
    pub longest_wait: Duration,
    /// How old the oldest unsent message is; zero if there is none.
    pub oldest_message: Duration,
    /// The messages that wait because Discord refuses them.
    pub refused: Vec<RefusedMessages>,
    /// The targets whose calls are held back.
    pub open_breakers: Vec<Target>,
    /// How many steps panicked since the start.
    pub panics: u64,
    /// The last row of the audit chain.
    pub audit_seq: i64,
}

pub(crate) async fn measure(worker: &WorkerContext) -> Result<Health, StoreError> {
    let mut view = worker.deps.store.read().await?;
    let now = worker.deps.clock.now();
    let due = view.oldest_due_job().await?;
    let unsent = view.oldest_outbox().await?;
    let waits = view.wait_counts().await?;
    let longest_wait = waits.iter().map(|wait| now.since(wait.oldest)).max().unwrap_or_default();
    Ok(Health {
        jobs: view.job_counts().await?,
        requests: view.request_counts().await?,
        oldest_job: due.map_or(Duration::ZERO, |due| now.since(due)),
        waits,
        longest_wait,
        oldest_message: unsent.map_or(Duration::ZERO, |unsent| now.since(unsent)),
        refused: view.refused_messages().await?,
        open_breakers: Target::ALL
            .iter()
            .copied()
            .filter(|target| worker.breakers.is_open(*target))
            .collect(),
        panics: worker.panics.load(Ordering::Relaxed),
        audit_seq: view.audit_head().await?.seq,
    })
}
