//! Runs one claimed job, step by step, until it ends, waits, or loses its lease.
//!
//! Start with [`run_claimed`]. A step returns what a failure means; this file and `record` apply it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::context::{JobSnapshot, StepContext};
use super::lease::Claim;
use super::outcome::{StepDone, StepError};
use super::record::{self, NextAction};
use super::steps;
use crate::crash;
use crate::domain::account::AccountState;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Job, JobKind, JobState, PLAN_VERSION};
use crate::store::StoreError;
use crate::worker::context::{LEASE, WorkerContext};
use crate::worker::heartbeat::Loop;

/// How long a running step may continue after the process was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A claimed job, and when the claim was sent to the store.
pub(crate) struct Claimed {
    job: Job,
    asked: Instant,
}

/// Claims one job that is due.
pub(crate) async fn claim(worker: &WorkerContext) -> Result<Option<Claimed>, StoreError> {
    let asked = Instant::now();
    let job = worker.deps.store.claim_job(&worker.owner, LEASE).await?;
    crash::point("job.after_claim");
    Ok(job.map(|job| Claimed { job, asked }))
}

/// Runs a claimed job until it ends, waits or loses its lease, or the grace period of a stop is over.
pub(crate) async fn run_claimed(worker: &WorkerContext, claimed: Claimed, stop: &CancellationToken) {
    let Claimed { job, asked } = claimed;
    let span = tracing::info_span!(
        "job",
        job.id = %job.id,
        job.kind = %job.kind,
        request.id = job.request_id.map(tracing::field::display),
        attempt = job.attempt
    );
    let claim = Claim::new(job, asked);
    async {
        let grace = async {
            stop.cancelled().await;
            worker.deps.clock.pause(STOP_GRACE).await;
        };
        tokio::select! {
            ended = run_steps(worker, &claim, stop) => match ended {
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
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let mut snapshot = JobSnapshot::of_claimed(worker, claim).await?;
    loop {
        let Some(ctx) = StepContext::new(worker, claim, snapshot) else { return Ok(()) };
        if ctx.job.plan_version != PLAN_VERSION {
            // The plan of a newer version: only its own workers can run it.
            release(worker, claim).await;
            return Ok(());
        }
        snapshot = match run_step(&ctx).await? {
            NextAction::NextStep(_) if stop.is_cancelled() => {
                release(worker, claim).await;
                return Ok(());
            }
            NextAction::NextStep(snapshot) => *snapshot,
            NextAction::Over => return Ok(()),
        }
    }
}

/// Runs the present step and records the result.
async fn run_step(ctx: &StepContext<'_>) -> Result<NextAction, StoreError> {
    let started = Instant::now();
    ctx.worker.heartbeat.beat(Loop::Jobs);
    let span = tracing::info_span!(
        "step",
        step.kind = %ctx.step,
        plan = ctx.plan,
        attempt = ctx.job.attempt,
        duration_ms = tracing::field::Empty
    );
    let ended = match cancellation(ctx) {
        Some(failure_action) => Err(failure_action.into()),
        None => ensure(ctx).instrument(span.clone()).await,
    };
    let took = started.elapsed();
    ctx.worker.metrics.step(ctx.step, outcome_of(&ended), took);
    span.record("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    match ended {
        Ok(done) => {
            span.in_scope(|| tracing::info!(outcome = done.outcome.code(), "a step is done"));
            record::done(ctx, done).instrument(span).await
        }
        Err(StepError::FailureAction(failure_action)) => {
            let (code, kind) = (failure_action.code(), kind_of(failure_action));
            span.in_scope(|| tracing::warn!(error_code = %code, failure_action = kind, "a step failed"));
            record::failure_action(ctx, failure_action).instrument(span).await
        }
        Err(StepError::LostLease) => Err(StoreError::LostLease),
    }
}

/// Checked between steps: the person or a moderator asked to cancel.
fn cancellation(ctx: &StepContext<'_>) -> Option<FailureAction> {
    let is_making = ctx.job.kind == JobKind::Provision && ctx.job.state == JobState::Open;
    // An earlier cancellation must not remove an account that is now active.
    let is_active = ctx.account.as_ref().is_some_and(|account| account.state == AccountState::Active);
    (is_making && ctx.job.cancel_asked && !is_active)
        .then_some(FailureAction::Undo { code: ErrorCode::AlreadyDecided })
}

/// Runs the step; a panic in it is counted and becomes a retry.
async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match AssertUnwindSafe(steps::ensure(ctx)).catch_unwind().await {
        Ok(ended) => ended,
        Err(_panic) => {
            // The payload may hold personal values. The panic hook logs the place.
            ctx.worker.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(job.id = %ctx.job.id, step.kind = %ctx.step, "a step panicked");
            Err(FailureAction::Retry { code: ErrorCode::Internal, after: None }.into())
        }
    }
}

async fn release(worker: &WorkerContext, claim: &Claim) {
    let giving = async {
        let mut tx = worker.deps.store.begin().await?;
        tx.release_job(&claim.job).await?;
        tx.commit("job.release").await
    };
    if let Err(error) = giving.await {
        tracing::warn!(job.id = %claim.job.id, error = %error, "a lease was not released; it expires by itself");
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
