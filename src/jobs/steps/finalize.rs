//! `finalize`: writes the end of a withdrawal, an undo, a lock or its way back into account and request. No outside call.

use crate::domain::account::AccountState;
use crate::domain::audit::{Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{JobKind, JobState};
use crate::domain::notification::Notification;
use crate::domain::request::RequestState;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepOutput};
use crate::jobs::transitions;
use crate::store::{NewJob, StoreError, Tx};
use crate::worker::activate::{put_welcome, record_activation};

/// The states that can end.
const LIVE: [AccountState; 4] =
    [AccountState::Creating, AccountState::Invited, AccountState::Active, AccountState::Disabled];

fn is_used(ctx: &StepContext<'_>) -> bool {
    ctx.last_password_state() == StepOutput::PasswordState(PasswordState::Used)
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    match ctx.job.kind {
        JobKind::Lock => return close_locked(ctx, tx).await,
        JobKind::Enable => return enabled(ctx, tx).await,
        JobKind::Check | JobKind::Provision | JobKind::Withdraw | JobKind::Welcome | JobKind::Resend => {}
    }
    let is_used = is_used(ctx);
    if ctx.job.state == JobState::Undoing {
        close_undone(ctx, tx, is_used).await?;
    } else if !is_used {
        close_withdrawn(ctx, tx).await?;
    } else if ctx.is_cancelled_by_person() {
        disable_used(ctx, tx).await?;
    } else if let Some(account) = &ctx.account {
        // Restored: it is active after all.
        record_activation(ctx.worker, tx, account.id, Source::Worker).await?;
    }
    transitions::put_card(ctx, tx).await
}

/// The person said that someone else set the password: the account becomes `disabled`, and the person and the admins are told.
async fn close_locked(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let from = [AccountState::Creating, AccountState::Invited, AccountState::Active];
    let is_live = ctx.account.as_ref().is_some_and(|account| from.contains(&account.state));
    let entry = ctx.entry_of_person(Event::AccountDisabled);
    transitions::move_account_as(ctx, tx, &from, AccountState::Disabled, entry).await?;
    if !is_live {
        // They were told when the account was first disabled.
        return Ok(());
    }
    transitions::put_notice(ctx, tx, Notification::LockedByPerson, ctx.job.revision).await?;
    match ctx.job.request_id {
        Some(request) => tx.put_notification(ctx.person.id, Notification::Locked, request).await,
        None => Ok(()),
    }
}

/// The account is in use again: the person is told, a mail with a link for a new password follows, and the admins are told.
async fn enabled(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let entry = ctx.entry(Event::AccountEnabled);
    let from = [AccountState::Disabled];
    let moved = transitions::move_account_as(ctx, tx, &from, AccountState::Active, entry).await?;
    let Some(account) = moved else { return Ok(()) };
    if ctx.account.as_ref().is_some_and(|before| before.activated_at.is_none()) {
        // Its password was first seen when it was to be removed, so it was never recorded as active.
        tx.audit(ctx.entry(Event::AccountActivated).becoming(AccountState::Active.code()));
        if let Some(request) = &ctx.request {
            put_welcome(ctx.worker, tx, &account, request).await?;
        }
    }
    let jobs = tx.unfinished_jobs_of(ctx.person.id).await?;
    if !jobs.iter().any(|job| job.kind == JobKind::Resend) {
        let resend = NewJob {
            person_id: ctx.person.id,
            account_id: Some(account.id),
            request_id: ctx.job.request_id,
            kind: JobKind::Resend,
        };
        tx.enqueue_job(resend).await?;
    }
    transitions::put_notice(ctx, tx, Notification::EnabledAgain, ctx.job.revision).await?;
    match ctx.job.request_id {
        Some(request) => tx.put_notification(ctx.person.id, Notification::Enabled, request).await,
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
        tx.put_notification(ctx.person.id, Notification::Failed, request).await?;
    }
    Ok(())
}

/// Why the undo began, from the record of the step that asked for it.
fn undo_cause(ctx: &StepContext<'_>) -> ErrorCode {
    let cause = ctx.steps.iter().rev().find_map(|done| match StepOutput::parse(done.output.as_deref()?) {
        StepOutput::Undo(code) => Some(code),
        StepOutput::Nothing
        | StepOutput::Availability(_)
        | StepOutput::Rule(_)
        | StepOutput::Entry(_)
        | StepOutput::Groups { .. }
        | StepOutput::Import(_)
        | StepOutput::PasswordSeen
        | StepOutput::Resent(_)
        | StepOutput::Removed { .. }
        | StepOutput::PasswordState(_) => None,
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
        tx.put_notification(ctx.person.id, Notification::Withdrawn, request).await?;
    }
    Ok(())
}

/// The account has a password and is to be ended: it stays locked, is never deleted, and the admins are told.
async fn disable_used(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let from = [AccountState::Creating, AccountState::Invited, AccountState::Active];
    let is_live = ctx.account.as_ref().is_some_and(|account| from.contains(&account.state));
    transitions::move_account(ctx, tx, &from, AccountState::Disabled, Event::AccountDisabled).await?;
    if !is_live {
        // They were told when the account was first disabled.
        return Ok(());
    }
    transitions::put_notice(ctx, tx, Notification::KeptWithPassword, ctx.job.revision).await
}
