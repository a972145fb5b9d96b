//! `resend`: Keycloak mails one more link, because the person asked for it. One try, and whatever comes of it is told: the person is
//! there and can ask again, so nothing is repeated behind their back and nothing waits for an operator that they could do themselves.
//!
//! The address is read from Keycloak, which sends to it: the form's is erased as soon as the account is in use.

use std::time::Duration;

use super::mail_quota::{self, ActionMail, REFUSALS, Recipient, Reservation};
use super::{Output, StepDone};
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::domain::mail::MailState;
use crate::keycloak::{Actions, MailOutcome, User};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::{StepContext, defect};
use crate::store::{StoreError, Tx};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let account = ctx.account()?;
    let settings = &ctx.config.keycloak;
    let (actions, lifespan) = match account.state {
        AccountState::Invited => (Actions::FirstPassword, settings.first_link_lifespan),
        AccountState::Active => (Actions::NewPassword, settings.reset_link_lifespan),
        // It was locked or ended since: the person is told of that.
        AccountState::Creating | AccountState::Disabled | AccountState::Conflict | AccountState::Closed => {
            return Ok(StepDone::skipped());
        }
    };
    let user = account.keycloak_id.clone().ok_or_else(defect)?;
    let asking = ctx.worker.deps.keycloak.person(&user);
    let found = ctx.call(Target::Keycloak, "person", asking).await??;
    // While the directory is away Keycloak shows no entry's id, and refuses the mail by itself.
    let is_anothers =
        |found: &User| found.directory_id.is_some() && found.directory_id != account.directory_id;
    if found.as_ref().is_some_and(is_anothers) {
        return Err(FailureAction::Conflict { code: ErrorCode::KeycloakUserNotOurs }.into());
    }
    let address = found.and_then(|found| found.address);
    let Some(to) = address.as_deref().and_then(Recipient::of_keycloak) else {
        return Ok(came_to(MailState::Refused));
    };
    let mail = ActionMail { user, to, actions, lifespan, at_most: 1 };
    // Before the charge: mail that is held back must not be counted.
    ctx.admit(Target::Mail).await?;
    match mail_quota::reserve(ctx, &mail).await? {
        Reservation::Yes => {}
        // An earlier try of this very work began it, and was never heard of again.
        Reservation::UsedUp => return Ok(came_to(MailState::Unknown)),
        Reservation::BudgetFull => return Ok(came_to(MailState::HeldBack)),
    }
    match mail_quota::send(ctx, &mail).await {
        MailOutcome::Accepted => Ok(came_to(MailState::Accepted)),
        MailOutcome::Unknown(_) => Ok(came_to(MailState::Unknown)),
        MailOutcome::NeverSent(error) => {
            mail_quota::refund(ctx, &mail, None).await?;
            Err(error.failure_action().into())
        }
        MailOutcome::Refused(error) => {
            mail_quota::refund(ctx, &mail, Some(MailState::Refused)).await?;
            if error.says_disabled() && ctx.job.attempt < REFUSALS {
                return Err(FailureAction::Retry { code: ErrorCode::MailRefused, after: None }.into());
            }
            Ok(came_to(MailState::Refused))
        }
    }
}

const fn came_to(state: MailState) -> StepDone {
    let outcome = match state {
        MailState::Begun | MailState::Accepted | MailState::Unknown => Outcome::Applied,
        MailState::Refused | MailState::HeldBack => Outcome::Skipped,
    };
    StepDone::new(outcome, Output::Resent(state))
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, output: &Output) -> Result<(), StoreError> {
    let (Output::Resent(state), Some(account)) = (output, &ctx.account) else { return Ok(()) };
    let entry = |event| ctx.entry_of_person(event);
    let news = match state {
        MailState::Begun | MailState::Unknown => {
            tx.settle_mail(ctx.job.id, MailState::Unknown).await?;
            tx.audit(entry(Event::MailUnknown).because(ErrorCode::MailUnknown));
            "mail_unknown"
        }
        MailState::Accepted => {
            tx.settle_mail(ctx.job.id, MailState::Accepted).await?;
            tx.audit(entry(Event::MailSent));
            "mail_sent"
        }
        // Audited where it was refused.
        MailState::Refused => "mail_refused",
        MailState::HeldBack => {
            tx.put_mail(account.id, ctx.job.id, Duration::ZERO, MailState::HeldBack).await?;
            tx.audit(entry(Event::MailRefused).because(ErrorCode::TooMany));
            "mail_held_back"
        }
    };
    match ctx.job.request_id {
        Some(request) => tx.put_notification(ctx.person.id, news, request).await,
        None => Ok(()),
    }
}
