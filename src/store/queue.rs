//! Waits for a database connection that is in use.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::StoreError;

/// The longest wait for a connection. After that, the person has given up.
pub(super) const QUEUE_TIMEOUT: Duration = Duration::from_secs(20);

/// The tasks that wait for a connection. They wait while others get theirs, so a burst is worked off. If no task gets one, the database is
/// not responding, and they soon give up.
pub(super) struct Queue {
    /// How many tasks got a connection.
    turns: AtomicU64,
    /// A wait ends if no task gets a connection for this long.
    timeout: Duration,
    limit: Duration,
}

impl Queue {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { turns: AtomicU64::new(0), timeout, limit: QUEUE_TIMEOUT }
    }

    /// Notes that a task got a connection.
    pub(super) fn note_turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for `turn`: as long as there is progress, but not longer than [`QUEUE_TIMEOUT`]. Fails with [`StoreError::Busy`] otherwise.
    pub(super) async fn wait_for<T>(&self, turn: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut turn = pin!(turn);
        let mut waited = Duration::ZERO;
        loop {
            let turns = self.turns.load(Ordering::Relaxed);
            if let Ok(given) = tokio::time::timeout(self.timeout, &mut turn).await {
                return Ok(given);
            }
            waited += self.timeout;
            if self.turns.load(Ordering::Relaxed) == turns || waited >= self.limit {
                return Err(StoreError::Busy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_wait_ends_without_progress_and_in_any_case_after_the_limit() {
        let (timeout, limit) = (Duration::from_millis(50), Duration::from_millis(250));
        let queue = Queue { timeout, limit, ..Queue::new(timeout) };
        let refused = queue.wait_for(std::future::pending::<()>()).await;
        assert!(matches!(refused, Err(StoreError::Busy)), "the wait must end without progress: {refused:?}");

        let started = Instant::now();
        let moves = async {
            loop {
                queue.note_turn();
                tokio::task::yield_now().await;
            }
        };
        let refused = tokio::select! {
            refused = queue.wait_for(std::future::pending::<()>()) => refused,
            never = moves => never,
        };
        assert!(matches!(refused, Err(StoreError::Busy)), "the wait must end after the limit: {refused:?}");
        assert!(started.elapsed() >= limit, "the wait lasted only {:?}", started.elapsed());
    }
}
