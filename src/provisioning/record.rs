//! The transaction behind each step: the step's row, the work's next step, the account, the audit entries and the messages are
//! written together or not at all.

use std::future::Future;
use std::time::Duration;

use super::rows::{self, Notice};
use super::scene::{Scene, Standing};
use super::steps::{self, Instead, Output, StepDone};
use crate::crash;
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::ids::{Timestamp, WorkId};
use crate::domain::refusal::Refusal;
use crate::domain::retry;
use crate::domain::work::{Effect, Setback, Step, WorkKind, WorkState};
use crate::store::{AccountSaved, NewWork, StepRecord, StoreError, Tx, WorkStep};

/// How long a step is tried before a person has to look.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// A work that an operator let go on gets at least this many tries, however old it is.
const TRIES_AT_LEAST: i64 = 10;

/// The pause before a transaction that met a busy database is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// What the worker does after a step was recorded.
#[derive(Debug)]
pub(super) enum Onward {
    /// The next step, under the same claim.
    NextStep(Box<Standing>),
    /// Nothing: the work ended, waits, or needs a person.
    Over,
}

/// Records a step that came to its end.
pub(super) async fn done(scene: &Scene<'_>, done: StepDone) -> Result<Onward, StoreError> {
    let mut done = done;
    loop {
        match until_stored(scene, || try_done(scene, &done)).await? {
            Tried::Done(onward) => return Ok(onward),
            // The rows tell of something that the step could not see: the same step, with that as its result.
            Tried::Otherwise(instead) => done.output = instead.0,
            Tried::Unwanted => {
                return until_stored(scene, || take_back(scene, Refusal::AlreadyDecided)).await;
            }
        }
    }
}

/// What became of writing a step down.
enum Tried {
    /// It is written.
    Done(Onward),
    /// Nothing is: it must be recorded with another result.
    Otherwise(Instead),
    /// Nothing is: while the last step ran somebody asked to stop, and no later step would hear of it.
    Unwanted,
}

async fn try_done(scene: &Scene<'_>, done: &StepDone) -> Result<Tried, StoreError> {
    let mut tx = scene.room.parts.store.begin().await?;
    let record = done.record(scene.step);
    let records: Vec<StepRecord> = done.rejudged.iter().cloned().chain([record]).collect();
    let next = if let Some(next) = next_step(scene) {
        Some(tx.advance_work(&scene.work, &records, next).await?)
    } else {
        let is_undoing = scene.work.state == WorkState::Undoing;
        let end = if is_undoing { WorkState::Undone } else { WorkState::Done };
        let finished = tx.finish_last_step(&scene.work, &records, end).await?;
        // Whoever has set a password by now uses the account: it is not ended by a wish of before.
        let is_unwanted =
            finished.cancel_asked && !scene.work.cancel_asked && done.output != Output::PasswordSeen;
        if is_unwanted && finished.kind == WorkKind::Provision && end == WorkState::Done {
            tx.roll_back().await?;
            return Ok(Tried::Unwanted);
        }
        None
    };
    if let Err(instead) = steps::write(scene, &mut tx, done).await? {
        tx.roll_back().await?;
        return Ok(Tried::Otherwise(instead));
    }
    let onward = match next {
        Some(noted) => go_on(scene, &mut tx, noted).await?,
        None => Onward::Over,
    };
    tx.commit(crash::step_commit(scene.plan, scene.step.code())).await?;
    Ok(Tried::Done(onward))
}

/// Reads what the next step needs, in the transaction that records the one before.
async fn go_on(scene: &Scene<'_>, tx: &mut Tx, noted: Vec<WorkStep>) -> Result<Onward, StoreError> {
    let standing = scene.onward(tx, noted).await?;
    Ok(standing.map_or(Onward::Over, |standing| Onward::NextStep(Box::new(standing))))
}

/// The step after the present one, in the plan that runs.
fn next_step(scene: &Scene<'_>) -> Option<Step> {
    let plan = match scene.work.state {
        WorkState::Undoing => scene.work.kind.undo_plan(),
        WorkState::Open | WorkState::NeedsOperator | WorkState::Done | WorkState::Undone => {
            scene.work.kind.plan()
        }
    };
    plan.iter().skip_while(|step| **step != scene.step).nth(1).copied()
}

/// Obeys a setback.
pub(super) async fn setback(scene: &Scene<'_>, setback: Setback) -> Result<Onward, StoreError> {
    until_stored(scene, || async {
        match setback {
            Setback::Retry { code, after } if may_try_again(scene) => later(scene, code, after).await,
            Setback::Retry { code, .. } | Setback::AskOperator { code } => ask_operator(scene, code).await,
            Setback::Undo { code } => take_back(scene, code).await,
            Setback::Conflict { code } => stop_in_conflict(scene, code).await,
        }
    })
    .await
}

fn may_try_again(scene: &Scene<'_>) -> bool {
    if scene.work.attempt <= TRIES_AT_LEAST {
        return true;
    }
    let last_step = scene.steps.last().map(|step| step.at);
    let since = last_step.unwrap_or_else(|| made_at(scene.work.id));
    scene.room.parts.clock.now().since(since) < TRIED_FOR
}

/// When the work was made: a `UUIDv7` carries it (RFC 9562 section 5.7).
fn made_at(id: WorkId) -> Timestamp {
    let (seconds, nanos) = id.get().get_timestamp().map_or((0, 0), |made| made.to_unix());
    Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000 + i64::from(nanos / 1_000_000))
}

async fn later(scene: &Scene<'_>, code: Refusal, after: Option<Duration>) -> Result<Onward, StoreError> {
    let attempt = u32::try_from(scene.work.attempt).unwrap_or(u32::MAX);
    let pause = retry::pause(attempt, scene.room.random(), after);
    let mut tx = scene.room.parts.store.begin().await?;
    tx.postpone_work(&scene.work, scene.room.parts.clock.now().after(pause), code).await?;
    tx.commit("work.later").await?;
    Ok(Onward::Over)
}

async fn ask_operator(scene: &Scene<'_>, code: Refusal) -> Result<Onward, StoreError> {
    let mut tx = scene.room.parts.store.begin().await?;
    stop_for_operator(scene, &mut tx, code).await?;
    tx.commit("work.operator").await?;
    Ok(Onward::Over)
}

async fn stop_for_operator(scene: &Scene<'_>, tx: &mut Tx, code: Refusal) -> Result<(), StoreError> {
    let stopped = tx.stop_for_operator(&scene.work, code).await?;
    let entry = scene.entry(Event::WorkNeedsOperator);
    tx.audit(entry.change(scene.work.state.code(), stopped.state.code()).because(code));
    rows::put_card(scene, tx).await?;
    rows::put_notice(scene, tx, Notice::NeedsOperator, stopped.revision).await
}

/// A permanent refusal: before the mail everything of ours is taken back, after it a new work withdraws the account.
async fn take_back(scene: &Scene<'_>, code: Refusal) -> Result<Onward, StoreError> {
    let first = scene.work.kind.undo_plan().first().copied();
    let (Some(first), WorkState::Open) = (first, scene.work.state) else {
        return ask_operator(scene, code).await;
    };
    let mut tx = scene.room.parts.store.begin().await?;
    if scene.work.mail_attempts == 0 {
        let output = Output::Undo(code).to_json();
        let why = StepRecord { step: scene.step, effect: Effect::NotNeeded, output, seen_at: None };
        let noted = tx.begin_undo(&scene.work, why, first, code).await?;
        rows::put_card(scene, &mut tx).await?;
        let onward = go_on(scene, &mut tx, noted).await?;
        tx.commit("work.undo").await?;
        return Ok(onward);
    }
    let finished = tx.finish_work(&scene.work, WorkState::Done).await?;
    let withdraw = NewWork {
        person_id: scene.work.person_id,
        account_id: scene.work.account_id,
        request_id: scene.work.request_id,
        kind: WorkKind::Withdraw,
    };
    tx.enqueue_work(withdraw).await?;
    if finished.cancel_asked {
        rows::cancel_request(scene, &mut tx).await?;
    }
    rows::put_card(scene, &mut tx).await?;
    tx.commit("work.undo").await?;
    Ok(Onward::Over)
}

/// Somebody else's entry or user: nothing is written there, the account says so, a person has to look.
async fn stop_in_conflict(scene: &Scene<'_>, code: Refusal) -> Result<Onward, StoreError> {
    let mut tx = scene.room.parts.store.begin().await?;
    let account = match &scene.account {
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
        tx.audit(
            scene.entry(Event::AccountConflict).change(before.code(), account.state.code()).because(code),
        );
    }
    if scene.step == Step::Entry || scene.step == Step::Free {
        tx.audit(scene.entry(Event::EntryConflict).because(code));
    }
    stop_for_operator(scene, &mut tx, code).await?;
    tx.commit("work.conflict").await?;
    Ok(Onward::Over)
}

/// Tries a transaction again while the database is busy and the lease holds.
async fn until_stored<T, F>(scene: &Scene<'_>, mut store: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match store().await {
            Err(error) if error.is_passing() && scene.claim.holds() => {
                tracing::warn!(error = %error, "a step could not be recorded yet");
                scene.room.parts.clock.pause(BUSY_PAUSE).await;
            }
            ended => return ended,
        }
    }
}
