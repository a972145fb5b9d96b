//! Makes the outside calls of all steps: checks breaker and lease, marks the crash points, logs one event and notes the answer.

use std::future::Future;
use std::time::Instant;

use super::context::StepContext;
use super::outcome::StepError;
use crate::crash;
use crate::domain::job::FailureAction;
use crate::worker::breaker::{Admission, Target};
use crate::worker::heartbeat::Loop;
use crate::worker::outage::IsOutage;

impl StepContext<'_> {
    /// Makes one outside call for the current step. The outer error means that the call was not made.
    ///
    /// The call's future is boxed at once: serenity's futures take 20 KB, and every step would carry that.
    pub(super) fn call<'s, T, E>(
        &'s self,
        target: Target,
        verb: &'static str,
        calling: impl Future<Output = Result<T, E>> + Send + 's,
    ) -> impl Future<Output = Result<Result<T, E>, StepError>> + Send + 's
    where
        T: Send + 's,
        E: IsOutage + Send + 's,
    {
        let calling = Box::pin(calling);
        async move {
            self.admit(target).await?;
            let started = Instant::now();
            let answer = self.call_admitted(self.worker.measured(target, calling)).await;
            let is_outage = answer.as_ref().is_err_and(IsOutage::is_outage);
            match &answer {
                Ok(_) => log_success(target, verb, started),
                Err(error) => {
                    let duration_ms = millis_since(started);
                    tracing::warn!(call.target = %target, call.verb = verb, duration_ms, error = %error, "a call failed");
                }
            }
            self.worker.note_answer(target, is_outage).await;
            Ok(answer)
        }
    }

    /// Checks with the breaker and the lease whether a call may be made now.
    pub(super) async fn admit(&self, target: Target) -> Result<(), StepError> {
        self.worker.heartbeat.beat(Loop::Jobs);
        if let Admission::Blocked(after) = self.worker.admit(target) {
            return Err(FailureAction::Retry { code: target.down(), after: Some(after) }.into());
        }
        self.claim.must_be_flushed(self.worker).await?;
        self.claim.must_outlast(self.worker, target.limit()).await
    }

    /// Makes an admitted call. The caller logs the answer and notes what it says about the target.
    pub(super) async fn call_admitted<T>(&self, calling: impl Future<Output = T>) -> T {
        let step = self.step.code();
        crash::step_point(self.plan, step, "before_call");
        let answer = calling.await;
        crash::step_point(self.plan, step, "after_call");
        answer
    }
}

/// Logs a call that its target carried out.
pub(super) fn log_success(target: Target, verb: &'static str, started: Instant) {
    let duration_ms = millis_since(started);
    tracing::info!(call.target = %target, call.verb = verb, duration_ms, "a call succeeded");
}

fn millis_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
