//! What is wrong outside, for an admin in chat: judged as `accolade doctor` judges it, with the service's own credentials, and of
//! the admin's own guild alone.
//!
//! The doctor opens doors of its own, which no use-case knows: `app` hands in how it is asked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::viewer::Viewed;
use super::{Accounts, UseCaseError, Viewer};
use crate::config::Config;
use crate::domain::diagnosis::Diagnosis;
use crate::domain::error_code::ErrorCode;

/// Asks everything outside, under a configuration, and judges what it says. `None`: it could not be asked at all.
pub type Examine = dyn Fn(Config) -> BoxFuture<'static, Option<Diagnosis>> + Send + Sync;

/// Looks at everything outside, once at a time. Clones share their turn.
#[derive(Clone)]
pub struct Examiner {
    examine: Arc<Examine>,
    patience: Duration,
    tracker: TaskTracker,
    turn: Arc<Mutex<()>>,
}

/// What an admin hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosed {
    /// All of it.
    Judged(Diagnosis),
    /// Somebody's look is under way; this one was not begun.
    UnderWay,
    /// It was begun and takes too long to be waited for.
    TakesLong,
}

impl Examiner {
    /// `examine` runs to its end on `tracker`, also when nobody waits any more: cut off in the middle, a trial in the directory could
    /// not clean up after itself. `patience` is how long an admin waits.
    pub fn new(examine: Arc<Examine>, patience: Duration, tracker: TaskTracker) -> Self {
        Self { examine, patience, tracker, turn: Arc::default() }
    }

    fn take_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    fn begin(&self, config: Config, turn: OwnedMutexGuard<()>) -> JoinHandle<Option<Diagnosis>> {
        let examining = (self.examine)(config);
        let until_its_end = async move {
            let _turn = turn;
            examining.await
        };
        self.tracker.spawn(until_its_end.in_current_span())
    }
}

impl Accounts {
    /// Judges everything outside, for an admin; audited when it begins.
    pub async fn diagnose(&self, viewer: &Viewer) -> Result<Diagnosed, UseCaseError> {
        let sight = self.admit_viewer(viewer, Viewed::Doctor).await?;
        let examiner = self.shared.clients.examiner.as_ref().ok_or(ErrorCode::Internal)?;
        let Some(turn) = examiner.take_turn() else { return Ok(Diagnosed::UnderWay) };
        self.note_view(&sight, &[]).await?;
        let mut config = self.config().clone();
        config.guilds.retain(|guild| sight.guild.is_none_or(|seen| guild.id == seen));
        match tokio::time::timeout(examiner.patience, examiner.begin(config, turn)).await {
            Ok(Ok(Some(diagnosis))) => Ok(Diagnosed::Judged(diagnosis)),
            // The panic hook has counted a panic and logged its place.
            Ok(Ok(None) | Err(_)) => Err(ErrorCode::Internal.into()),
            Err(_) => Ok(Diagnosed::TakesLong),
        }
    }
}
