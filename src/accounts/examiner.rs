//! Lets a use-case run the doctor.
//!
//! The doctor opens its own clients, which the use-cases don't have, so `app` passes a function that runs it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::config::Config;
use crate::domain::diagnosis::Diagnosis;

/// Checks all external systems with a configuration. `None` means that the check could not run at all.
pub type Examine = dyn Fn(Config) -> BoxFuture<'static, Option<Diagnosis>> + Send + Sync;

/// Runs one examination at a time. Clones share the lock.
#[derive(Clone)]
pub struct Examiner {
    examine: Arc<Examine>,
    timeout: Duration,
    tracker: TaskTracker,
    lock: Arc<Mutex<()>>,
}

impl Examiner {
    /// `examine` runs to its end on `tracker`, even when the caller no longer waits: a self-test in the directory couldn't clean up after
    /// itself if it were cut off. `timeout` is how long an admin waits.
    pub fn new(examine: Arc<Examine>, timeout: Duration, tracker: TaskTracker) -> Self {
        Self { examine, timeout, tracker, lock: Arc::default() }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The lock; `None` while another examination runs.
    pub(super) fn try_lock(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.lock).try_lock_owned().ok()
    }

    /// Starts an examination, which holds the lock until it ends.
    pub(super) fn begin(&self, config: Config, lock: OwnedMutexGuard<()>) -> JoinHandle<Option<Diagnosis>> {
        let examining = (self.examine)(config);
        let until_its_end = async move {
            let _lock = lock;
            examining.await
        };
        self.tracker.spawn(until_its_end.in_current_span())
    }
}
