//! `finalize`: writes the end of a withdrawal, an undo or a lock into account and request. No outside call.

use super::{Output, PasswordState};
use crate::domain::account::AccountState;
use crate::domain::audit::{Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{JobKind, JobState, Step};
use crate::domain::request::RequestState;
use crate::provisioning::context::StepContext;
use crate::provisioning::transitions::{self, Notice, Seen};
use crate::store::{StoreError, Tx};

/// What may be ended.
const LIVE: [AccountState; 4] =
    [AccountState::Creating, AccountState::Invited, AccountState::Active, AccountState::Disabled];

/// What the last look of this job said: that of `remove`, if it looked again, else that of `judge`.
pub(super) fn last_judgement(ctx: &StepContext<'_>) -> Output {
    let of_remove = ctx.output_of(Step::Remove);
    if of_remove == Output::Nothing { ctx.output_of(Step::CheckPassword) } else { of_remove }
}

fn is_used(ctx: &StepContext<'_>) -> bool {
    last_judgement(ctx) == Output::PasswordState(PasswordState::Used)
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    if ctx.job.kind == JobKind::Lock {
        return close_locked(ctx, tx).await;
    }
    let is_used = is_used(ctx);
    if ctx.job.state == JobState::Undoing {
        close_undone(ctx, tx, is_used).await?;
    } else if !is_used {
        close_withdrawn(ctx, tx).await?;
    } else if ctx.is_cancelled_by_person() {
        disable_used(ctx, tx).await?;
    } else if let Some(account) = &ctx.account {
        // Restored: it is in use after all.
        let seen = Seen { worker: ctx.worker, account: account.id, source: Source::Worker };
        transitions::write_activation(tx, &seen).await?;
    }
    transitions::put_card(ctx, tx).await
}

/// The person said that somebody else set the password: everything stands still now, and people are told.
async fn close_locked(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let from = [AccountState::Creating, AccountState::Invited, AccountState::Active];
    let is_live = ctx.account.as_ref().is_some_and(|account| from.contains(&account.state));
    let entry = ctx.entry_of_person(Event::AccountDisabled);
    transitions::move_account_as(ctx, tx, &from, AccountState::Disabled, entry).await?;
    if !is_live {
        // It was said when it was done.
        return Ok(());
    }
    transitions::put_notice(ctx, tx, Notice::LockedByPerson, ctx.job.revision).await?;
    match ctx.job.request_id {
        Some(request) => tx.put_notification(ctx.person.id, "locked", request).await,
        None => Ok(()),
    }
}

async fn close_undone(ctx: &StepContext<'_>, tx: &mut Tx, is_used: bool) -> Result<(), StoreError> {
    let code = undo_cause(ctx);
    if is_used {
        disable_used(ctx, tx).await?;
    } else {
        transitions::move_account(ctx, tx, &LIVE, AccountState::Closed, Event::AccountClosed).await?;
    }
    tx.audit(ctx.entry(Event::JobUndone).because(code));
    let Some(request) = ctx.job.request_id else { return Ok(()) };
    if ctx.is_cancelled_by_person() {
        return transitions::cancel_request(ctx, tx).await;
    }
    let failed =
        transitions::end_request(ctx, tx, RequestState::Failed, Event::RequestFailed, Some(code)).await?;
    if failed {
        tx.put_notification(ctx.person.id, "failed", request).await?;
    }
    Ok(())
}

/// Why the undo began, from the record of the step that asked for it.
fn undo_cause(ctx: &StepContext<'_>) -> ErrorCode {
    let cause = ctx.steps.iter().rev().find_map(|done| match Output::parse(done.output.as_deref()?) {
        Output::Undo(code) => Some(code),
        Output::Nothing
        | Output::Availability(_)
        | Output::Rule(_)
        | Output::Entry(_)
        | Output::Groups { .. }
        | Output::Import(_)
        | Output::PasswordSeen
        | Output::Resent(_)
        | Output::PasswordState(_) => None,
    });
    cause.unwrap_or(ErrorCode::Internal)
}

async fn close_withdrawn(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    transitions::move_account(ctx, tx, &LIVE, AccountState::Closed, Event::AccountWithdrawn).await?;
    let Some(request) = ctx.job.request_id else { return Ok(()) };
    if ctx.is_cancelled_by_person() {
        return transitions::cancel_request(ctx, tx).await;
    }
    let event = Event::RequestCancelled;
    if transitions::end_request(ctx, tx, RequestState::Cancelled, event, None).await? {
        tx.put_notification(ctx.person.id, "withdrawn", request).await?;
    }
    Ok(())
}

/// A password was there and the end is wanted: locked, never deleted, and admins are told.
async fn disable_used(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let from = [AccountState::Creating, AccountState::Invited, AccountState::Active];
    let is_live = ctx.account.as_ref().is_some_and(|account| from.contains(&account.state));
    transitions::move_account(ctx, tx, &from, AccountState::Disabled, Event::AccountDisabled).await?;
    if !is_live {
        // It was said when it was done.
        return Ok(());
    }
    transitions::put_notice(ctx, tx, Notice::KeptWithPassword, ctx.job.revision).await
}
