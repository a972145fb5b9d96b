//! The transaction behind each step: the step's row, the job's next step, the account, the audit entries and the messages are
//! written together or not at all.

use std::future::Future;
use std::time::Duration;

use super::context::{JobSnapshot, StepContext};
use super::outcome::{StepDone, StepOutput, WriteConflict};
use super::{steps, transitions};
use crate::crash;
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{JobId, Timestamp};
use crate::domain::job::{FailureAction, JobKind, JobState, Outcome, Step};
use crate::domain::notification::Notification;
use crate::domain::retry;
use crate::store::{AccountSaved, JobStep, NewJob, StepRecord, StoreError, Tx};

/// How long a step is tried before a person has to look.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// A job that an operator let go on gets at least this many tries, however old it is.
const TRIES_AT_LEAST: i64 = 10;

/// The pause before a transaction that met a busy database is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// What the worker does after a step was recorded.
#[derive(Debug)]
pub(super) enum NextAction {
    /// The next step, under the same claim.
    NextStep(Box<JobSnapshot>),
    /// Nothing: the job ended, waits, or needs a person.
    Over,
}

/// Records a step that came to its end.
pub(super) async fn done(ctx: &StepContext<'_>, done: StepDone) -> Result<NextAction, StoreError> {
    let mut done = done;
    loop {
        match until_stored(ctx, || try_done(ctx, &done)).await? {
            RecordOutcome::Done(onward) => return Ok(onward),
            // The rows tell of something that the step could not see: the same step, with that as its result.
            RecordOutcome::Otherwise(instead) => done.output = instead.0,
            RecordOutcome::Unwanted => {
                return until_stored(ctx, || take_back(ctx, ErrorCode::AlreadyDecided)).await;
            }
        }
    }
}

/// What became of writing a step down.
enum RecordOutcome {
    /// It is written.
    Done(NextAction),
    /// Nothing is: it must be recorded with another result.
    Otherwise(WriteConflict),
    /// Nothing is: while the last step ran somebody asked to stop, and no later step would hear of it.
    Unwanted,
}

async fn try_done(ctx: &StepContext<'_>, done: &StepDone) -> Result<RecordOutcome, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let record = done.record(ctx.step);
    let records: Vec<StepRecord> = done.redecided.iter().cloned().chain([record]).collect();
    let next = if let Some(next) = next_step(ctx) {
        Some(tx.advance_job(&ctx.job, &records, next).await?)
    } else {
        let is_undoing = ctx.job.state == JobState::Undoing;
        let end = if is_undoing { JobState::Undone } else { JobState::Done };
        let finished = tx.finish_last_step(&ctx.job, &records, end).await?;
        // A person who has set a password uses the account: an earlier cancellation must not end it.
        let is_unwanted =
            finished.cancel_asked && !ctx.job.cancel_asked && done.output != StepOutput::PasswordSeen;
        if is_unwanted && finished.kind == JobKind::Provision && end == JobState::Done {
            tx.roll_back().await?;
            return Ok(RecordOutcome::Unwanted);
        }
        None
    };
    if let Err(instead) = steps::write(ctx, &mut tx, done).await? {
        tx.roll_back().await?;
        return Ok(RecordOutcome::Otherwise(instead));
    }
    let onward = match next {
        Some(noted) => go_on(ctx, &mut tx, noted).await?,
        None => NextAction::Over,
    };
    tx.commit(crash::step_commit(ctx.plan, ctx.step.code())).await?;
    Ok(RecordOutcome::Done(onward))
}

/// Reads what the next step needs, in the transaction that records the one before.
async fn go_on(ctx: &StepContext<'_>, tx: &mut Tx, noted: Vec<JobStep>) -> Result<NextAction, StoreError> {
    let standing = ctx.onward(tx, noted).await?;
    Ok(standing.map_or(NextAction::Over, |standing| NextAction::NextStep(Box::new(standing))))
}

/// The step after the present one, in the plan that runs.
fn next_step(ctx: &StepContext<'_>) -> Option<Step> {
    let plan = match ctx.job.state {
        JobState::Undoing => ctx.job.kind.undo_plan(),
        JobState::Open | JobState::NeedsOperator | JobState::Done | JobState::Undone => ctx.job.kind.plan(),
    };
    plan.iter().skip_while(|step| **step != ctx.step).nth(1).copied()
}

/// Obeys a setback.
pub(super) async fn failure_action(
    ctx: &StepContext<'_>,
    failure_action: FailureAction,
) -> Result<NextAction, StoreError> {
    until_stored(ctx, || async {
        match failure_action {
            FailureAction::Retry { code, after } if may_try_again(ctx) => later(ctx, code, after).await,
            FailureAction::Retry { code, .. } | FailureAction::AskOperator { code } => {
                ask_operator(ctx, code).await
            }
            FailureAction::Undo { code } => take_back(ctx, code).await,
            FailureAction::Conflict { code } => stop_in_conflict(ctx, code).await,
        }
    })
    .await
}

fn may_try_again(ctx: &StepContext<'_>) -> bool {
    if ctx.job.attempt <= TRIES_AT_LEAST {
        return true;
    }
    let last_step = ctx.steps.last().map(|step| step.at);
    let since = last_step.unwrap_or_else(|| made_at(ctx.job.id));
    ctx.worker.deps.clock.now().since(since) < TRIED_FOR
}

/// When the job was made: a `UUIDv7` carries it (RFC 9562 section 5.7).
fn made_at(id: JobId) -> Timestamp {
    let (seconds, nanos) = id.get().get_timestamp().map_or((0, 0), |made| made.to_unix());
    Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000 + i64::from(nanos / 1_000_000))
}

async fn later(
    ctx: &StepContext<'_>,
    code: ErrorCode,
    after: Option<Duration>,
) -> Result<NextAction, StoreError> {
    let attempt = u32::try_from(ctx.job.attempt).unwrap_or(u32::MAX);
    let pause = retry::pause(attempt, ctx.worker.random(), after);
    let mut tx = ctx.worker.deps.store.begin().await?;
    tx.postpone_job(&ctx.job, ctx.worker.deps.clock.now().after(pause), code).await?;
    tx.commit("job.later").await?;
    Ok(NextAction::Over)
}

async fn ask_operator(ctx: &StepContext<'_>, code: ErrorCode) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    stop_for_operator(ctx, &mut tx, code).await?;
    tx.commit("job.operator").await?;
    Ok(NextAction::Over)
}

async fn stop_for_operator(ctx: &StepContext<'_>, tx: &mut Tx, code: ErrorCode) -> Result<(), StoreError> {
    let stopped = tx.stop_for_operator(&ctx.job, code).await?;
    let entry = ctx.entry(Event::JobNeedsOperator);
    tx.audit(entry.change(ctx.job.state.code(), stopped.state.code()).because(code));
    transitions::put_card(ctx, tx).await?;
    transitions::put_notice(ctx, tx, Notification::NeedsOperator, stopped.revision).await
}

/// Handles a permanent refusal. Before the mail the job undoes what it made; after the mail a new job withdraws the account.
async fn take_back(ctx: &StepContext<'_>, code: ErrorCode) -> Result<NextAction, StoreError> {
    let first = ctx.job.kind.undo_plan().first().copied();
    let (Some(first), JobState::Open) = (first, ctx.job.state) else {
        return ask_operator(ctx, code).await;
    };
    let mut tx = ctx.worker.deps.store.begin().await?;
    if ctx.job.mail_attempts == 0 {
        let output = StepOutput::Undo(code).to_json();
        let why = StepRecord { step: ctx.step, outcome: Outcome::Skipped, output, seen_at: None };
        let noted = tx.begin_undo(&ctx.job, why, first, code).await?;
        transitions::put_card(ctx, &mut tx).await?;
        let onward = go_on(ctx, &mut tx, noted).await?;
        tx.commit("job.undo").await?;
        return Ok(onward);
    }
    let finished = tx.finish_job(&ctx.job, JobState::Done).await?;
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
    Ok(NextAction::Over)
}

/// Somebody else's entry or user: nothing is written there, the account says so, a person has to look.
async fn stop_in_conflict(ctx: &StepContext<'_>, code: ErrorCode) -> Result<NextAction, StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    let account = match &ctx.account {
        Some(account) => tx.account(account.id).await?,
        None => None,
    };
    if let Some(mut account) = account
        && !matches!(account.state, AccountState::Conflict | AccountState::Closed)
    {
        let before = account.state;
        account.state = AccountState::Conflict;
        match tx.save_account(&account).await? {
            AccountSaved::Done(_) => {}
            AccountSaved::Lost | AccountSaved::IdTaken => return Err(StoreError::Busy),
        }
        tx.audit(ctx.entry(Event::AccountConflict).change(before.code(), account.state.code()).because(code));
    }
    if ctx.step == Step::CreateEntry || ctx.step == Step::RecheckAvailability {
        tx.audit(ctx.entry(Event::EntryConflict).because(code));
    }
    stop_for_operator(ctx, &mut tx, code).await?;
    tx.commit("job.conflict").await?;
    Ok(NextAction::Over)
}

/// Tries a transaction again while the database is busy and the lease holds.
async fn until_stored<T, F>(ctx: &StepContext<'_>, mut store: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match store().await {
            Err(error) if error.is_passing() && ctx.claim.holds() => {
                tracing::warn!(error = %error, "a step could not be recorded yet");
                ctx.worker.deps.clock.pause(BUSY_PAUSE).await;
            }
            ended => return ended,
        }
    }
}
