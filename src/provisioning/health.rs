//! Numbers for `/health` and `/metrics`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Room;
use super::breaker::Target;
use crate::domain::request::RequestState;
use crate::domain::work::WorkState;
use crate::store::StoreError;

/// How the worker and its queues stand.
#[derive(Clone, Debug)]
pub struct Health {
    /// Works in each state.
    pub works: Vec<(WorkState, i64)>,
    /// Requests in each state.
    pub requests: Vec<(RequestState, i64)>,
    /// How long the longest due work has been due; zero if nothing is.
    pub oldest_work: Duration,
    /// How old the oldest unsent message is; zero if there is none.
    pub oldest_message: Duration,
    /// Which targets' calls are held back.
    pub open_breakers: Vec<Target>,
    /// How many steps have panicked since the start.
    pub panics: u64,
    /// The last row of the audit chain.
    pub audit_seq: i64,
}

pub(super) async fn measure(room: &Room) -> Result<Health, StoreError> {
    let mut view = room.parts.store.read().await?;
    let now = room.parts.clock.now();
    let due = view.oldest_due_work().await?;
    let unsent = view.oldest_outbox().await?;
    Ok(Health {
        works: view.work_counts().await?,
        requests: view.request_counts().await?,
        oldest_work: due.map_or(Duration::ZERO, |due| now.since(due)),
        oldest_message: unsent.map_or(Duration::ZERO, |unsent| now.since(unsent)),
        open_breakers: Target::ALL.iter().copied().filter(|target| room.breakers.is_open(*target)).collect(),
        panics: room.panics.load(Ordering::Relaxed),
        audit_seq: view.audit_head().await?.seq,
    })
}
