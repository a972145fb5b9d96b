//! `invite`: the account becomes `invited` and the person is told. If a password is already set (the person was quick, or got two mails),
//! the account becomes `active` at once.

use super::mail;
use super::owned_entry::must_find_ours;
use crate::domain::account::AccountState;
use crate::domain::audit::{Event, Source};
use crate::domain::job::Outcome;
use crate::domain::notification::Notification;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError, StepOutput};
use crate::jobs::transitions;
use crate::store::{StoreError, Tx};
use crate::worker::activate::record_activation;
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    if ctx.account()?.state != AccountState::Creating {
        return Ok(StepDone::skipped());
    }
    if mail::is_first_mail_accepted(ctx) {
        return Ok(StepDone::plain(Outcome::Applied));
    }
    let ours = must_find_ours(ctx).await?;
    let asking = ctx.worker.deps.directory.password_changed_at(&ours);
    let changed = ctx.call(Target::Directory, "password_changed_at", asking).await??;
    let output = if changed.is_some() { StepOutput::PasswordSeen } else { StepOutput::Nothing };
    Ok(StepDone::new(Outcome::Applied, output))
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, output: &StepOutput) -> Result<(), StoreError> {
    let from = [AccountState::Creating];
    let account =
        transitions::move_account(ctx, tx, &from, AccountState::Invited, Event::AccountInvited).await?;
    let Some(account) = account else { return Ok(()) };
    if let Some(request) = ctx.job.request_id {
        tx.put_notification(ctx.person.id, Notification::Invited, request).await?;
    }
    transitions::put_card(ctx, tx).await?;
    if *output == StepOutput::PasswordSeen {
        record_activation(ctx.worker, tx, account.id, Source::Worker).await?;
    }
    Ok(())
}
