//! Records what a step did, and applies what follows a failed step: another try, an undo, or a stop for an operator.
//!
//! Each record is a barrier: a job's rows, its account, the audit entries and the messages are written together or not at all. There is one
//! after a mail and wherever a job waits, fails or ends; the one before a mail is in `mail_quota`. Between two barriers a claim keeps what
//! its convergent steps did in memory (decision 0027).

use std::future::Future;
use std::time::Duration;

use super::context::StepContext;
use super::outcome::{StepDone, StepOutput, WriteConflict};
use super::{steps, transitions};
use crate::crash;
use crate::domain::account::{Account, AccountState};
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{JobId, Timestamp};
use crate::domain::job::{FailureAction, Job, JobKind, JobState, Outcome, Step};
use crate::domain::notification::Notification;
use crate::domain::retry;
use crate::store::{NewJob, StepRecord, StoreError, Tx};

/// How long a step is tried before an operator must look.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// A job that an operator retried gets at least this many attempts, however old it is.
const TRIES_AT_LEAST: i64 = 10;

/// The pause before a transaction is tried again because the database was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// What the worker does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Run the next step, under the same claim.
    NextStep,
    /// Nothing: the job ended, waits, or needs an operator. The word is for the log.
    Over(&'static str),
}

/// Records a step that succeeded, or keeps it in memory until the next barrier.
pub(super) async fn done(ctx: &mut StepContext<'_>, done: StepDone) -> Result<NextAction, StoreError> {
    let next = next_step(ctx);
    steps::apply(ctx, &done);
    if let Some(next) = next.filter(|_| !steps::is_barrier(ctx)) {
        crash::step_point(ctx.plan, ctx.step.code(), "unrecorded");
        ctx.note(&done, next);
        return Ok(NextAction::NextStep);
    }
    let mut done = done;
    loop {
        match until_stored(ctx, || try_done(ctx, &done, next)).await? {
            RecordOutcome::Done(account) => {
                let Some(next) = next else { return Ok(NextAction::Over(end_of(ctx).code())) };
                let state = ctx.job.state;
                ctx.note(&done, next);
                ctx.mark_recorded(next, state, account);
                return Ok(NextAction::NextStep);
            }
            RecordOutcome::Conflict(WriteConflict::Output(output)) => done.output = output,
            RecordOutcome::Conflict(WriteConflict::RequestChanged(request)) => ctx.request = Some(*request),
            RecordOutcome::Cancelled if ctx.job.kind == JobKind::Provision && is_open(ctx) => {
                ctx.job.cancel_asked = true;
                return take_back(ctx, ErrorCode::AlreadyDecided).await;
            }
            RecordOutcome::Cancelled if ctx.is_restored() => {
                // The account was unlocked, but after the cancellation it must be locked, so the plan runs again from its last barrier.
                return until_stored(ctx, || run_again(ctx)).await;
            }
            RecordOutcome::Cancelled => ctx.job.cancel_asked = true,
        }
    }
}

/// The result of a recording transaction.
enum RecordOutcome {
    /// It is committed. The account, if the barrier saved it.
    Done(Option<Account>),
    /// Nothing is written: the rows contradict the step.
    Conflict(WriteConflict),
    /// Nothing is written: someone asked to cancel the job, and no later step would notice.
    Cancelled,
}

fn is_open(ctx: &StepContext<'_>) -> bool {
    ctx.job.state == JobState::Open
}

/// The state of the job after its last step.
fn end_of(ctx: &StepContext<'_>) -> JobState {
    if ctx.job.state == JobState::Undoing { JobState::Undone } else { JobState::Done }
}

async fn try_done(
    ctx: &StepContext<'_>,
    done: &StepDone,
    next: Option<Step>,
) -> Result<RecordOutcome, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let records: Vec<StepRecord> =
        ctx.pending.records.iter().cloned().chain(done.records(ctx.step)).collect();
    if let Some(next) = next {
        tx.advance_job(&ctx.job, &records, next).await?;
    } else {
        let finished = tx.finish_last_step(&ctx.job, &records, end_of(ctx)).await?;
        if finished.cancel_asked && !ctx.job.cancel_asked && is_cancellation_relevant(ctx, done) {
            tx.roll_back().await?;
            return Ok(RecordOutcome::Cancelled);
        }
    }
    let account = transitions::write_pending(ctx, &mut tx).await?;
    if let Err(conflict) = steps::write(ctx, &mut tx, done).await? {
        tx.roll_back().await?;
        return Ok(RecordOutcome::Conflict(conflict));
    }
    tx.commit(crash::step_commit(ctx.plan, ctx.step.code())).await?;
    Ok(RecordOutcome::Done(account))
}

/// Whether a cancellation that came during the last steps still changes the result.
fn is_cancellation_relevant(ctx: &StepContext<'_>, done: &StepDone) -> bool {
    match (ctx.job.kind, ctx.job.state) {
        // An earlier cancellation must not remove an account that has a password by now.
        (JobKind::Provision, JobState::Open) => done.output != StepOutput::PasswordSeen,
        (JobKind::Provision | JobKind::Withdraw, _) => true,
        (JobKind::Check | JobKind::Welcome | JobKind::Resend | JobKind::Lock | JobKind::Enable, _) => false,
    }
}

/// The step after the current one, in the plan that runs.
fn next_step(ctx: &StepContext<'_>) -> Option<Step> {
    let plan = match ctx.job.state {
        JobState::Undoing => ctx.job.kind.undo_plan(),
        JobState::Open | JobState::NeedsOperator | JobState::Done | JobState::Undone => ctx.job.kind.plan(),
    };
    plan.iter().skip_while(|step| **step != ctx.step).nth(1).copied()
}

/// Applies the failure action that a step returned.
pub(super) async fn failure_action(
    ctx: &mut StepContext<'_>,
    failure_action: FailureAction,
) -> Result<NextAction, StoreError> {
    match failure_action {
        FailureAction::Retry { code, after } if may_try_again(ctx) => {
            until_stored(ctx, || later(ctx, code, after)).await
        }
        FailureAction::Retry { code, .. } | FailureAction::AskOperator { code } => {
            until_stored(ctx, || ask_operator(ctx, code)).await
        }
        FailureAction::Undo { code } => take_back(ctx, code).await,
        FailureAction::Conflict { code } => until_stored(ctx, || stop_in_conflict(ctx, code)).await,
    }
}

fn may_try_again(ctx: &StepContext<'_>) -> bool {
    if ctx.attempt() <= TRIES_AT_LEAST {
        return true;
    }
    let last_step = ctx.steps.last().map(|step| step.at);
    let since = last_step.unwrap_or_else(|| made_at(ctx.job.id));
    ctx.worker.deps.clock.now().since(since) < TRIED_FOR
}

/// When the job was created: a `UUIDv7` holds it (RFC 9562 section 5.7).
fn made_at(id: JobId) -> Timestamp {
    let (seconds, nanos) = id.get().get_timestamp().map_or((0, 0), |made| made.to_unix());
    Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000 + i64::from(nanos / 1_000_000))
}

async fn later(
    ctx: &StepContext<'_>,
    code: ErrorCode,
    after: Option<Duration>,
) -> Result<NextAction, StoreError> {
    let attempt = u32::try_from(ctx.attempt()).unwrap_or(u32::MAX);
    let pause = retry::pause(attempt, ctx.worker.random(), after);
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, _) = transitions::catch_up(ctx, &mut tx).await?;
    tx.postpone_job(&job, ctx.worker.deps.clock.now().after(pause), code).await?;
    tx.commit("job.later").await?;
    Ok(NextAction::Over("waiting"))
}

async fn ask_operator(ctx: &StepContext<'_>, code: ErrorCode) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, _) = transitions::catch_up(ctx, &mut tx).await?;
    stop_for_operator(ctx, &mut tx, &job, code).await?;
    tx.commit("job.operator").await?;
    Ok(NextAction::Over("needs_operator"))
}

async fn stop_for_operator(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    job: &Job,
    code: ErrorCode,
) -> Result<(), StoreError> {
    let stopped = tx.stop_for_operator(job, code).await?;
    let entry = ctx.entry(Event::JobNeedsOperator);
    tx.audit(entry.change(job.state.code(), stopped.state.code()).because(code));
    transitions::put_card(ctx, tx).await?;
    transitions::put_notice(ctx, tx, Notification::NeedsOperator, stopped.revision).await
}

/// Handles a permanent refusal. Before the mail, the job undoes what it created; after the mail, a new job withdraws the account.
async fn take_back(ctx: &mut StepContext<'_>, code: ErrorCode) -> Result<NextAction, StoreError> {
    let first = ctx.job.kind.undo_plan().first().copied();
    let (Some(first), JobState::Open) = (first, ctx.job.state) else {
        return until_stored(ctx, || ask_operator(ctx, code)).await;
    };
    if ctx.job.mail_attempts > 0 {
        return until_stored(ctx, || withdraw_instead(ctx)).await;
    }
    let output = StepOutput::Undo(code);
    let account = until_stored(ctx, || begin_undo(ctx, &output, first, code)).await?;
    ctx.note(&StepDone::new(Outcome::Skipped, output), first);
    ctx.mark_recorded(first, JobState::Undoing, account);
    Ok(NextAction::NextStep)
}

async fn begin_undo(
    ctx: &StepContext<'_>,
    why: &StepOutput,
    first: Step,
    code: ErrorCode,
) -> Result<Option<Account>, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, account) = transitions::catch_up(ctx, &mut tx).await?;
    let why = StepRecord { step: ctx.step, outcome: Outcome::Skipped, output: why.to_json(), seen_at: None };
    tx.begin_undo(&job, why, first, code).await?;
    transitions::put_card(ctx, &mut tx).await?;
    tx.commit("job.undo").await?;
    Ok(account)
}

async fn withdraw_instead(ctx: &StepContext<'_>) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, _) = transitions::catch_up(ctx, &mut tx).await?;
    let finished = tx.finish_job(&job, JobState::Done).await?;
    let withdraw = NewJob {
        person_id: ctx.job.person_id,
        account_id: ctx.job.account_id,
        request_id: ctx.job.request_id,
        kind: JobKind::Withdraw,
    };
    tx.enqueue_job(withdraw).await?;
    if finished.cancel_asked {
        transitions::cancel_request(ctx, &mut tx).await?;
    }
    transitions::put_card(ctx, &mut tx).await?;
    tx.commit("job.undo").await?;
    Ok(NextAction::Over("withdrawn"))
}

/// Stops a job whose entry or user belongs to someone else. Nothing is written there, the account is put in conflict, and the job needs an
/// operator.
async fn stop_in_conflict(ctx: &StepContext<'_>, code: ErrorCode) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, _) = transitions::catch_up(ctx, &mut tx).await?;
    let is_live = |state| !matches!(state, AccountState::Conflict | AccountState::Closed);
    let moved = transitions::change_account(ctx, &mut tx, |account| {
        is_live(account.state).then(|| account.state = AccountState::Conflict)
    });
    if let Some((before, account)) = moved.await? {
        tx.audit(ctx.entry(Event::AccountConflict).change(before.code(), account.state.code()).because(code));
    }
    if ctx.step == Step::CreateEntry || ctx.step == Step::RecheckAvailability {
        tx.audit(ctx.entry(Event::EntryConflict).because(code));
    }
    stop_for_operator(ctx, &mut tx, &job, code).await?;
    tx.commit("job.conflict").await?;
    Ok(NextAction::Over("conflict"))
}

/// Writes what is pending and releases the claim: an orderly stop between two steps, or a plan that must run again.
pub(super) async fn release(ctx: &StepContext<'_>) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, _) = transitions::catch_up(ctx, &mut tx).await?;
    tx.release_job(&job).await?;
    tx.commit("job.release").await?;
    Ok(NextAction::Over("released"))
}

/// Releases the claim and leaves the job at its last barrier.
async fn run_again(ctx: &StepContext<'_>) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    tx.release_job(&ctx.job).await?;
    tx.commit("job.release").await?;
    Ok(NextAction::Over("released"))
}

/// Tries a transaction again while the database is busy and the lease holds.
async fn until_stored<T, F>(ctx: &StepContext<'_>, mut store: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match store().await {
            Err(error) if error.is_passing() && ctx.claim.holds(ctx.worker) => {
                tracing::warn!(error = %error, "the steps could not be recorded yet");
                ctx.worker.deps.clock.pause(BUSY_PAUSE).await;
            }
            ended => return ended,
        }
    }
}
