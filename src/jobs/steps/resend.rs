//! `resend`: Keycloak mails one more link, because the person asked for it. There is one attempt, and its result is told. The person
//! is present and can ask again, so nothing is repeated without them and nothing waits for an operator.
//!
//! The address is read from Keycloak, which sends to it: the form's address is erased when the account becomes active.

use crate::jobs::outcome::{StepDone, StepError, StepOutput, defect};
use std::time::Duration;

use super::mail_quota::{self, ActionMail, REFUSALS, Recipient, Reservation};
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::domain::mail::MailState;
use crate::domain::notification::Notification;
use crate::jobs::context::StepContext;
use crate::keycloak::{Actions, MailOutcome, User};
use crate::store::{StoreError, Tx};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &mut StepContext<'_>) -> Result<StepDone, StepError> {
    let account = ctx.account()?;
    let settings = &ctx.config.keycloak;
    let (actions, lifespan) = match account.state {
        AccountState::Invited => (Actions::FirstPassword, settings.first_link_lifespan),
        AccountState::Active => (Actions::NewPassword, settings.reset_link_lifespan),
        // It was locked or ended meanwhile: the person is told of that.
        AccountState::Creating | AccountState::Disabled | AccountState::Conflict | AccountState::Closed => {
            return Ok(StepDone::skipped());
        }
    };
    let user = account.keycloak_id.clone().ok_or_else(defect)?;
    let asking = ctx.worker.deps.keycloak.person(&user);
    let found = ctx.call(Target::Keycloak, "person", asking).await??;
    // While the directory is unavailable Keycloak shows no directory id, and refuses the mail itself.
    let is_anothers =
        |found: &User| found.directory_id.is_some() && found.directory_id != account.directory_id;
    if found.as_ref().is_some_and(is_anothers) {
        return Err(FailureAction::Conflict { code: ErrorCode::KeycloakUserNotOurs }.into());
    }
    let address = found.and_then(|found| found.address);
    let Some(to) = address.as_ref().and_then(Recipient::of_keycloak) else {
        return Ok(ended_as(MailState::Refused));
    };
    let mail = ActionMail { user, to, actions, lifespan, at_most: 1 };
    // Before the reservation: a mail that the breaker holds back must not be counted.
    ctx.admit(Target::Mail).await?;
    match mail_quota::reserve(ctx, &mail).await? {
        Reservation::Yes => {}
        // An earlier attempt of this job reserved it and crashed.
        Reservation::UsedUp => return Ok(ended_as(MailState::Unknown)),
        // Nobody can cancel a mail that the person asked for.
        Reservation::Cancelled => return Ok(StepDone::skipped()),
        Reservation::RateLimited => return Ok(ended_as(MailState::HeldBack)),
    }
    match mail_quota::send(ctx, &mail).await {
        MailOutcome::Accepted => Ok(ended_as(MailState::Accepted)),
        MailOutcome::Unknown(_) => Ok(ended_as(MailState::Unknown)),
        MailOutcome::NeverSent(error) => {
            mail_quota::refund(ctx, &mail, None).await?;
            Err(error.failure_action().into())
        }
        MailOutcome::Refused(error) => {
            mail_quota::refund(ctx, &mail, Some(MailState::Refused)).await?;
            if error.says_disabled() && ctx.attempt() < REFUSALS {
                return Err(FailureAction::Retry { code: ErrorCode::MailRefused, after: None }.into());
            }
            Ok(ended_as(MailState::Refused))
        }
    }
}

const fn ended_as(state: MailState) -> StepDone {
    let outcome = match state {
        MailState::Begun | MailState::Accepted | MailState::Unknown => Outcome::Applied,
        MailState::Refused | MailState::HeldBack => Outcome::Skipped,
    };
    StepDone::new(outcome, StepOutput::Resent(state))
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, output: &StepOutput) -> Result<(), StoreError> {
    let (StepOutput::Resent(state), Some(account)) = (output, &ctx.account) else { return Ok(()) };
    let entry = |event| ctx.entry_of_person(event);
    let notification = match state {
        MailState::Begun | MailState::Unknown => {
            tx.settle_mail(ctx.job.id, MailState::Unknown).await?;
            tx.audit(entry(Event::MailUnknown).because(ErrorCode::MailUnknown));
            Notification::MailUnknown
        }
        MailState::Accepted => {
            tx.settle_mail(ctx.job.id, MailState::Accepted).await?;
            tx.audit(entry(Event::MailSent));
            Notification::MailSent
        }
        // `refund` wrote the audit row.
        MailState::Refused => Notification::MailRefused,
        MailState::HeldBack => {
            tx.put_mail(account.id, ctx.job.id, Duration::ZERO, MailState::HeldBack).await?;
            tx.audit(entry(Event::MailRefused).because(ErrorCode::TooMany));
            Notification::MailHeldBack
        }
    };
    match ctx.job.request_id {
        Some(request) => tx.put_notification(ctx.person.id, notification, request).await,
        None => Ok(()),
    }
}
