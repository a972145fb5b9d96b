//! Every outside call passes here: breaker, lease, crash points, span, and what the answer says of the target.

use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::Instrument as _;

use super::WorkerContext;
use super::breaker::{Admission, Breaker, Change, Target};
use super::context::StepContext;
use super::heartbeat::Loop;
use super::metrics::Answer;
use crate::crash;
use crate::directory::DirectoryError;
use crate::discord::DiscordError;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::Timestamp;
use crate::domain::job::FailureAction;
use crate::domain::retry::ErrorClass;
use crate::keycloak::KeycloakError;
use crate::store::StoreError;

/// Why a step did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepError {
    /// What must happen next.
    FailureAction(FailureAction),
    /// Somebody else has the job: write nothing more.
    LostLease,
}

impl From<FailureAction> for StepError {
    fn from(failure_action: FailureAction) -> Self {
        Self::FailureAction(failure_action)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::LostLease) {
            return Self::LostLease;
        }
        tracing::warn!(error = %error, "the store refused a step's question");
        Self::FailureAction(FailureAction::Retry { code: error.error_code(), after: None })
    }
}

impl From<DirectoryError> for StepError {
    fn from(error: DirectoryError) -> Self {
        Self::FailureAction(error.failure_action())
    }
}

impl From<KeycloakError> for StepError {
    fn from(error: KeycloakError) -> Self {
        Self::FailureAction(error.failure_action())
    }
}

impl From<DiscordError> for StepError {
    fn from(error: DiscordError) -> Self {
        let code = ErrorCode::Internal;
        Self::FailureAction(match error {
            DiscordError::RateLimited { after } => FailureAction::Retry { code, after: Some(after) },
            // A revoked token is cured by the operator for the whole process; the job itself is fine.
            DiscordError::Down { .. } | DiscordError::Unauthorized => {
                FailureAction::Retry { code, after: None }
            }
            DiscordError::Forbidden(_) | DiscordError::Gone(_) | DiscordError::Other { .. } => {
                FailureAction::AskOperator { code }
            }
        })
    }
}

/// An answer of a door, as its breaker sees it.
pub(super) trait IsOutage: std::fmt::Display {
    /// The target did not answer, or says that it cannot at present.
    fn is_outage(&self) -> bool;
}

impl IsOutage for DirectoryError {
    fn is_outage(&self) -> bool {
        self.class() == ErrorClass::Retry
    }
}

impl IsOutage for KeycloakError {
    fn is_outage(&self) -> bool {
        self.class() == ErrorClass::Retry
    }
}

impl IsOutage for DiscordError {
    fn is_outage(&self) -> bool {
        matches!(self, Self::Down { .. })
    }
}

impl Target {
    /// The code that a job waits with while the target is away.
    pub(super) const fn down(self) -> ErrorCode {
        match self {
            Self::Directory => ErrorCode::DirectoryDown,
            Self::Keycloak => ErrorCode::KeycloakDown,
            Self::Mail => ErrorCode::MailUnknown,
            Self::Discord => ErrorCode::Internal,
        }
    }

    /// How long one call may take, from the doors' own limits.
    const fn limit(self) -> Duration {
        match self {
            Self::Directory => Duration::from_secs(5),
            Self::Keycloak | Self::Mail | Self::Discord => Duration::from_secs(8),
        }
    }
}

/// The breakers of this process, one per target.
pub(super) struct Breakers(Mutex<[Breaker; 4]>);

impl Breakers {
    pub(super) fn new() -> Self {
        Self(Mutex::new([
            Breaker::new(Target::Directory),
            Breaker::new(Target::Keycloak),
            Breaker::new(Target::Mail),
            Breaker::new(Target::Discord),
        ]))
    }

    fn with<T>(&self, target: Target, ask: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let [directory, keycloak, mail, discord] = &mut *all;
        ask(match target {
            Target::Directory => directory,
            Target::Keycloak => keycloak,
            Target::Mail => mail,
            Target::Discord => discord,
        })
    }

    fn admit(&self, target: Target, now: Timestamp) -> Admission {
        self.with(target, |breaker| breaker.admit(now))
    }

    pub(super) fn is_open(&self, target: Target) -> bool {
        self.with(target, |breaker| breaker.is_open())
    }
}

impl WorkerContext {
    /// Asks the target's breaker whether a call may be made now.
    pub(super) fn admit(&self, target: Target) -> Admission {
        self.breakers.admit(target, self.deps.clock.now())
    }

    /// Tells the breaker what became of a call. When it closes, what waits for the target is due at once.
    pub(super) async fn note_answer(&self, target: Target, is_outage: bool) {
        let now = self.deps.clock.now();
        let change = self
            .breakers
            .with(target, |breaker| if is_outage { breaker.failed(now) } else { breaker.answered() });
        match change {
            Change::None => {}
            Change::Opened => {
                tracing::warn!(call.target = %target, "calls are held back until the target answers again");
            }
            Change::Closed => {
                tracing::info!(call.target = %target, "the target answers again; what waited for it is due");
                if let Err(error) = self.wake_waiting(target).await {
                    tracing::warn!(error = %error, "waiting job was not woken; it comes by its own time");
                }
            }
        }
    }

    /// Makes a call and counts it.
    pub(super) async fn measured<T, E: IsOutage>(
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

impl StepContext<'_> {
    /// Makes one outside call for the present step. The outer error means that it was not made.
    ///
    /// The call's future is boxed at once: serenity's are 20 KB, and every step would carry that.
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
            let answer = self.call_admitted(target, verb, self.worker.measured(target, calling)).await;
            let is_outage = answer.as_ref().is_err_and(IsOutage::is_outage);
            if let Err(error) = &answer {
                tracing::warn!(job.id = %self.job.id, call.target = %target, call.verb = verb, error = %error, "a call failed");
            }
            self.worker.note_answer(target, is_outage).await;
            Ok(answer)
        }
    }

    /// Asks breaker and lease whether a call may be made now.
    pub(super) async fn admit(&self, target: Target) -> Result<(), StepError> {
        self.worker.heartbeat.beat(Loop::Jobs);
        if let Admission::Blocked(after) = self.worker.admit(target) {
            return Err(FailureAction::Retry { code: target.down(), after: Some(after) }.into());
        }
        self.claim.must_outlast(self.worker, target.limit()).await
    }

    /// Makes an admitted call. What the answer says of the target is for the caller to note.
    pub(super) async fn call_admitted<T>(
        &self,
        target: Target,
        verb: &'static str,
        calling: impl Future<Output = T>,
    ) -> T {
        let step = self.step.code();
        crash::step_point(self.plan, step, "before_call");
        let started = Instant::now();
        let span = tracing::info_span!("call", call.target = %target, call.verb = verb, duration_ms = tracing::field::Empty);
        let answer = calling.instrument(span.clone()).await;
        span.record("duration_ms", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        crash::step_point(self.plan, step, "after_call");
        answer
    }
}
