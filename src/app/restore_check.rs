//! Holds back a restored database until an operator has approved it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::restored::{Comparison, MaintenanceMode};
use crate::background::Background;
use crate::clock::Clock;

/// The message about a restored database in the log and on the health page.
pub(super) const RESTORED: &str = "this database was restored and waits: look at `accolade restore --compare`, then `accolade restore --agree`";

/// How often the service checks whether an operator has approved a restored database.
const APPROVAL_INTERVAL: Duration = Duration::from_secs(1);

/// What is needed to start the worker.
pub(super) struct Jobs {
    pub(super) background: Background,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// Starts the worker: at once, or on a restored database after an operator has approved it. Until then the log lists the differences
/// to the external systems, and no external system is changed.
pub(super) async fn run_jobs_when_approved(
    jobs: Jobs,
    comparison: Comparison,
    maintenance: MaintenanceMode,
    clock: Arc<dyn Clock>,
) {
    if maintenance.is_on() {
        tracing::error!("{RESTORED}");
        jobs.tracker.spawn(log_differences(comparison.clone(), jobs.stop.clone()));
    }
    while maintenance.is_on() {
        match comparison.is_held().await {
            Ok(is_held) => maintenance.set(is_held),
            Err(error) => tracing::warn!(%error, "the database could not be asked whether it is approved"),
        }
        tokio::select! {
            () = jobs.stop.cancelled() => return,
            () = clock.pause(APPROVAL_INTERVAL) => {}
        }
    }
    jobs.background.run(&jobs.tracker, &jobs.stop);
}

/// Logs how a restored database differs from the external systems: ids only.
async fn log_differences(comparison: Comparison, stop: CancellationToken) {
    let compared = tokio::select! {
        compared = comparison.differences() => compared,
        () = stop.cancelled() => return,
    };
    match compared {
        Ok(differences) => {
            for difference in &differences {
                tracing::warn!(difference = %difference.kind, account.id = %difference.account, "the restored database differs");
            }
            tracing::warn!(count = differences.len(), "the restored database was compared");
        }
        Err(error) => tracing::error!(%error, "the restored database could not be compared"),
    }
}
