//! Runs one claimed job, step by step, until it ends, waits, or loses its lease.
//!
//! Start with [`run_claimed`]. A step returns what a failure means; this file and `record` apply it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::context::StepContext;
use super::lease::Claim;
use super::outcome::{StepDone, StepError};
use super::record::{self, NextAction};
use super::steps;
use crate::crash;
use crate::domain::account::AccountState;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, JobKind, JobState, PLAN_VERSION};
use crate::store::{ClaimedJob, StoreError};
#[cfg(feature = "faults")]
use crate::worker::breakpoint::StopAt;
use crate::worker::context::{LEASE, WorkerContext};
use crate::worker::heartbeat::Loop;

/// How long a running step may continue after the process was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Where to look for a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// In the database, which also has the jobs of other processes and jobs whose pause is over.
    Everywhere,
    /// Where this process may have left a job: in memory, and in the database if it put one there.
    Nearby,
}

/// Claims one job that is due.
pub(crate) async fn claim(worker: &WorkerContext, look: Look) -> Result<Option<ClaimedJob>, StoreError> {
    #[cfg(feature = "faults")]
    if worker.breakpoint.is_stopped() {
        return Ok(None);
    }
    let store = &worker.deps.store;
    let claimed = match look {
        Look::Everywhere => store.claim_job(&worker.owner, LEASE).await?,
        Look::Nearby => store.take_job(&worker.owner, LEASE).await?,
    };
    crash::point("job.after_claim");
    Ok(claimed)
}

/// Releases the jobs that were created claimed and that no runner has taken yet, when the worker stops.
pub(crate) async fn release_handed(worker: &WorkerContext) {
    for claimed in worker.deps.store.end_handover() {
        release(worker, &Claim::new(claimed.job, claimed.asked)).await;
    }
}

/// Runs a claimed job until it ends, waits or loses its lease, or the grace period of a stop is over.
pub(crate) async fn run_claimed(worker: &WorkerContext, claimed: ClaimedJob, stop: &CancellationToken) {
    let job = &claimed.job;
    let span = tracing::info_span!(
        "job",
        job.id = %job.id,
        job.kind = %job.kind,
        request.id = job.request_id.map(tracing::field::display),
        attempt = job.attempt
    );
    let claim = Claim::new(job.clone(), claimed.asked);
    async {
        let grace = async {
            stop.cancelled().await;
            worker.deps.clock.pause(STOP_GRACE).await;
        };
        tokio::select! {
            ended = run_steps(worker, &claim, claimed, stop) => match ended {
                Ok(()) => {}
                Err(StoreError::LostLease) => tracing::warn!("the lease was lost; another worker continues the job"),
                Err(error) => {
                    tracing::warn!(error = %error, "the store failed; the job continues when its lease has expired");
                }
            },
            () = claim.keep(worker) => tracing::warn!("the lease expired; nothing more is written"),
            () = grace => {
                tracing::warn!("a step did not end in time; its lease is released");
                release(worker, &claim).await;
            }
        }
    }
    .instrument(span)
    .await;
}

async fn run_steps(
    worker: &WorkerContext,
    claim: &Claim,
    claimed: ClaimedJob,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let Some(mut ctx) = StepContext::new(worker, claim, claimed) else { return Ok(()) };
    if ctx.job.plan_version != PLAN_VERSION {
        // The plan has another version, and only workers of that version can run it.
        release(worker, claim).await;
        return Ok(());
    }
    loop {
        #[cfg(feature = "faults")]
        if worker.breakpoint.hits(StopAt::Before(ctx.step)) {
            record::release(&ctx).await?;
            return Ok(());
        }
        worker.yield_to_interactions().await;
        let next = run_step(&mut ctx).await?;
        match next {
            NextAction::NextStep if stop.is_cancelled() => {
                record::release(&ctx).await?;
                return Ok(());
            }
            NextAction::NextStep => {}
            NextAction::Over(end) => {
                tracing::info!(end, last_step = %ctx.step, "the run of a job ended");
                return Ok(());
            }
        }
    }
}

/// Runs the current step, and records the result or keeps it in memory until the next barrier.
async fn run_step(ctx: &mut StepContext<'_>) -> Result<NextAction, StoreError> {
    let started = Instant::now();
    ctx.worker.heartbeat.beat(Loop::Jobs);
    let step = ctx.step;
    let span = tracing::debug_span!("step", step.kind = %step, plan = ctx.plan, attempt = ctx.attempt());
    let ended = match cancellation(ctx).await? {
        Some(failure_action) => Err(failure_action.into()),
        None => ensure(ctx).instrument(span.clone()).await,
    };
    #[cfg(feature = "faults")]
    if ended.is_ok() && ctx.worker.breakpoint.hits(StopAt::After(step)) {
        return Ok(NextAction::Over("stopped"));
    }
    let took = started.elapsed();
    ctx.worker.metrics.step(step, outcome_of(&ended), took);
    match ended {
        Ok(done) => {
            span.in_scope(|| tracing::debug!(outcome = done.outcome.code(), ?took, "a step finished"));
            record::done(ctx, done).instrument(span).await
        }
        Err(StepError::FailureAction(failure_action)) => {
            let (code, kind) = (failure_action.code(), kind_of(failure_action));
            tracing::warn!(step.kind = %step, error_code = %code, failure_action = kind, "a step failed");
            record::failure_action(ctx, failure_action).instrument(span).await
        }
        Err(StepError::LostLease) => Err(StoreError::LostLease),
    }
}

/// Checks, between steps, whether someone asked to cancel the account that is being created. A claim knows of it from its beginning, from
/// each renewal of its lease, and from each barrier.
async fn cancellation(ctx: &mut StepContext<'_>) -> Result<Option<FailureAction>, StoreError> {
    if ctx.job.kind != JobKind::Provision {
        return Ok(None);
    }
    ctx.job.cancel_asked |= ctx.claim.is_cancel_asked();
    if !ctx.job.cancel_asked || ctx.job.state != JobState::Open {
        return Ok(None);
    }
    if ctx.job.mail_attempts > 0
        && let Some(account) = &ctx.account
    {
        // An earlier cancellation must not remove an account that is now active, and the link may have been used since the claim.
        ctx.account = ctx.worker.deps.store.read().await?.account(account.id).await?;
    }
    let is_active = ctx.account.as_ref().is_some_and(|account| account.state == AccountState::Active);
    Ok((!is_active).then_some(FailureAction::Undo { code: ErrorCode::AlreadyDecided }))
}

/// Runs the step; a panic in it is counted and becomes a retry.
async fn ensure(ctx: &mut StepContext<'_>) -> Result<StepDone, StepError> {
    match AssertUnwindSafe(steps::ensure(ctx)).catch_unwind().await {
        Ok(ended) => ended,
        Err(_panic) => {
            // The payload may contain personal values. The panic hook logs the location.
            ctx.worker.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(job.id = %ctx.job.id, step.kind = %ctx.step, "a step panicked");
            Err(FailureAction::Retry { code: ErrorCode::Internal, after: None }.into())
        }
    }
}

/// Releases a claim whose context is gone. What was pending is lost, and the next claim finds its effects.
async fn release(worker: &WorkerContext, claim: &Claim) {
    let releasing = async {
        let mut tx = worker.deps.store.begin().await?;
        tx.release_job(&claim.job).await?;
        tx.commit("job.release").await
    };
    if let Err(error) = releasing.await {
        tracing::warn!(job.id = %claim.job.id, error = %error, "a lease was not released; it will expire");
    }
}

/// The metric label for the end of a step.
const fn outcome_of(ended: &Result<StepDone, StepError>) -> &'static str {
    match ended {
        Ok(done) => done.outcome.code(),
        Err(StepError::FailureAction(failure_action)) => kind_of(*failure_action),
        Err(StepError::LostLease) => "lost_lease",
    }
}

const fn kind_of(failure_action: FailureAction) -> &'static str {
    match failure_action {
        FailureAction::Retry { .. } => "retry",
        FailureAction::Undo { .. } => "undo",
        FailureAction::AskOperator { .. } => "ask_operator",
        FailureAction::Conflict { .. } => "conflict",
    }
}
