//! One claimed job: step after step until it ends, waits, or is no longer ours.
//!
//! Start with [`run_claimed`]. A step decides what a setback means; this file and `record` obey.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::WorkerContext;
use super::call::StepError;
use super::claim::{Claim, LEASE};
use super::context::{JobSnapshot, StepContext};
use super::heartbeat::Loop;
use super::record::{self, NextAction};
use super::steps::{self, StepDone};
use crate::crash;
use crate::domain::account::AccountState;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Job, JobKind, JobState, PLAN_VERSION};
use crate::store::StoreError;

/// How long a running step may go on after a stop was asked for.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A claimed job and when the claim was asked for.
pub(super) struct Claimed {
    job: Job,
    asked: Instant,
}

/// Claims one job that is due.
pub(super) async fn claim(worker: &WorkerContext) -> Result<Option<Claimed>, StoreError> {
    let asked = Instant::now();
    let job = worker.deps.store.claim_job(&worker.owner, LEASE).await?;
    crash::point("job.after_claim");
    Ok(job.map(|job| Claimed { job, asked }))
}

/// Runs a claimed job until it ends, waits, is lost, or the stop's grace is over.
pub(super) async fn run_claimed(worker: &WorkerContext, claimed: Claimed, stop: &CancellationToken) {
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
                Err(StoreError::LostLease) => tracing::warn!("the lease was lost; another worker goes on"),
                Err(error) => {
                    tracing::warn!(error = %error, "the store failed; the job goes on when its lease is over");
                }
            },
            () = claim.keep(worker) => tracing::warn!("the lease ran out; nothing more is written"),
            () = grace => {
                tracing::warn!("a step did not end in time; its lease is given back");
                give_back(worker, &claim).await;
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
    let mut standing = JobSnapshot::of_claimed(worker, claim).await?;
    loop {
        let Some(ctx) = StepContext::set(worker, claim, standing) else { return Ok(()) };
        if ctx.job.plan_version != PLAN_VERSION {
            // A newer version's plan: its own workers know what to do.
            give_back(worker, claim).await;
            return Ok(());
        }
        standing = match run_step(&ctx).await? {
            NextAction::NextStep(_) if stop.is_cancelled() => {
                give_back(worker, claim).await;
                return Ok(());
            }
            NextAction::NextStep(standing) => *standing,
            NextAction::Over => return Ok(()),
        }
    }
}

/// Runs the present step and records what became of it.
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
    let ended = match wish_to_stop(ctx) {
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
            span.in_scope(
                || tracing::warn!(error_code = %code, failure_action = kind, "a step met a setback"),
            );
            record::failure_action(ctx, failure_action).instrument(span).await
        }
        Err(StepError::LostLease) => Err(StoreError::LostLease),
    }
}

/// Looked at between steps: somebody asked to stop what is being made.
fn wish_to_stop(ctx: &StepContext<'_>) -> Option<FailureAction> {
    let is_making = ctx.job.kind == JobKind::Provision && ctx.job.state == JobState::Open;
    // An account in use is not ended by a wish of before; `disable` is an admin's command.
    let is_active = ctx.account.as_ref().is_some_and(|account| account.state == AccountState::Active);
    (is_making && ctx.job.cancel_asked && !is_active)
        .then_some(FailureAction::Undo { code: ErrorCode::AlreadyDecided })
}

/// Runs the step; a panic in it is counted and becomes a retry.
async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match AssertUnwindSafe(steps::ensure(ctx)).catch_unwind().await {
        Ok(ended) => ended,
        Err(_panic) => {
            // The payload may hold personal values: the panic hook of the composition root has the place.
            ctx.worker.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(job.id = %ctx.job.id, step.kind = %ctx.step, "a step panicked");
            Err(FailureAction::Retry { code: ErrorCode::Internal, after: None }.into())
        }
    }
}

async fn give_back(worker: &WorkerContext, claim: &Claim) {
    let giving = async {
        let mut tx = worker.deps.store.begin().await?;
        tx.release_job(&claim.job).await?;
        tx.commit("job.release").await
    };
    if let Err(error) = giving.await {
        tracing::warn!(job.id = %claim.job.id, error = %error, "a lease was not given back; it runs out by itself");
    }
}

/// The label of how a step ended.
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
