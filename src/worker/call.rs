//! The parts around an outside call: the breaker before it, metrics and the breaker's note after it.

use std::future::Future;
use std::time::{Duration, Instant};

use super::breaker::{Admission, Change, Target};
use super::context::WorkerContext;
use super::metrics::Answer;
use super::outage::IsOutage;
use crate::domain::error_code::ErrorCode;
use crate::store::StoreError;

impl Target {
    /// The code that a job waits with while the target is unavailable.
    pub(crate) const fn down(self) -> ErrorCode {
        match self {
            Self::Directory => ErrorCode::DirectoryDown,
            Self::Keycloak => ErrorCode::KeycloakDown,
            Self::Mail => ErrorCode::MailUnknown,
            Self::Discord => ErrorCode::DiscordDown,
        }
    }

    /// The longest that one call may take. The clients enforce these limits themselves.
    pub(crate) const fn limit(self) -> Duration {
        match self {
            Self::Directory => Duration::from_secs(5),
            Self::Keycloak | Self::Mail | Self::Discord => Duration::from_secs(8),
        }
    }
}

impl WorkerContext {
    /// Asks the target's breaker whether a call may be made now.
    pub(crate) fn admit(&self, target: Target) -> Admission {
        self.breakers.admit(target, self.deps.clock.now())
    }

    /// Tells the breaker how a call ended. When the breaker closes, the jobs that waited for the target become due.
    pub(crate) async fn note_answer(&self, target: Target, is_outage: bool) {
        match self.breakers.note(target, is_outage, self.deps.clock.now()) {
            Change::None => {}
            Change::Opened => {
                tracing::warn!(call.target = %target, "the circuit breaker opened: calls are held back");
            }
            Change::Closed => {
                tracing::info!(call.target = %target, "the circuit breaker closed: waiting jobs are due");
                if let Err(error) = self.wake_waiting(target).await {
                    tracing::warn!(error = %error, "waiting jobs were not woken; they run at their own time");
                }
            }
        }
    }

    /// Makes a call and measures it.
    pub(crate) async fn measured<T, E: IsOutage>(
        &self,
        target: Target,
        calling: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let answer = calling.await;
        self.metrics.call(target, Answer::of(&answer), started.elapsed());
        answer
    }

    async fn wake_waiting(&self, target: Target) -> Result<(), StoreError> {
        let mut tx = self.deps.store.begin().await?;
        tx.wake_job(&[target.down()]).await?;
        tx.commit("job.wake").await
    }
}
