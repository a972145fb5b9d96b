//! `mail`: Keycloak mails the first action link. It cannot be made convergent: work and budgets are charged and committed before the
//! call, and paid back only where certainly nothing was sent.

use std::time::Duration;

use super::mail_quota::{self, ActionMail, REFUSALS, Recipient, Reservation};
use super::{StepDone, eligible, must_find_ours};
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, MAILS_PER_JOB, Outcome};
use crate::domain::mail::MailState;
use crate::keycloak::{Actions, MailOutcome};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::{StepContext, defect};
use crate::store::{StoreError, Tx};

/// When a full budget is asked again.
const BUDGET_PAUSE: Duration = Duration::from_mins(10);

/// When a mail of unknown outcome is tried again, at the earliest.
const UNKNOWN_PAUSE: Duration = Duration::from_mins(1);

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    if ctx.account()?.state != AccountState::Creating {
        return Ok(StepDone::skipped());
    }
    let mail = ActionMail {
        user: ctx.account()?.keycloak_id.clone().ok_or_else(defect)?,
        to: Recipient::of_form(&ctx.form()?.address),
        actions: Actions::FirstPassword,
        lifespan: ctx.config.keycloak.first_link_lifespan,
        at_most: MAILS_PER_JOB,
    };
    eligible::must_still_hold(ctx).await?;
    // Before the charge: mail that is held back must not be counted.
    ctx.admit(Target::Mail).await?;
    match mail_quota::reserve(ctx, &mail).await? {
        Reservation::Yes => {}
        // Whoever has a password got one of them.
        Reservation::UsedUp if has_password(ctx).await? => return Ok(StepDone::skipped()),
        Reservation::UsedUp => return Err(FailureAction::AskOperator { code: ErrorCode::MailUnknown }.into()),
        Reservation::BudgetFull => {
            return Err(FailureAction::Retry { code: ErrorCode::TooMany, after: Some(BUDGET_PAUSE) }.into());
        }
    }
    let outcome = mail_quota::send(ctx, &mail).await;
    judge(ctx, &mail, outcome).await
}

async fn has_password(ctx: &StepContext<'_>) -> Result<bool, StepError> {
    let ours = must_find_ours(ctx).await?;
    let asking = ctx.worker.deps.directory.password_changed_at(&ours);
    let changed = ctx.call(Target::Directory, "password_changed_at", asking).await??;
    Ok(changed.is_some())
}

async fn judge(
    ctx: &StepContext<'_>,
    mail: &ActionMail,
    outcome: MailOutcome,
) -> Result<StepDone, StepError> {
    match outcome {
        MailOutcome::Accepted => Ok(StepDone::plain(Outcome::Applied)),
        MailOutcome::Unknown(_) => {
            let mut tx = ctx.worker.deps.store.begin().await?;
            tx.settle_mail(ctx.job.id, MailState::Unknown).await?;
            tx.audit(ctx.entry(Event::MailUnknown).because(ErrorCode::MailUnknown));
            tx.commit("job.mail_unknown").await?;
            if ctx.job.mail_attempts + 1 >= MAILS_PER_JOB {
                return Err(FailureAction::AskOperator { code: ErrorCode::MailUnknown }.into());
            }
            Err(FailureAction::Retry { code: ErrorCode::MailUnknown, after: Some(UNKNOWN_PAUSE) }.into())
        }
        MailOutcome::NeverSent(error) => {
            mail_quota::refund(ctx, mail, None).await?;
            Err(error.failure_action().into())
        }
        MailOutcome::Refused(error) => {
            mail_quota::refund(ctx, mail, Some(MailState::Refused)).await?;
            let code = ErrorCode::MailRefused;
            if error.says_disabled() && ctx.job.attempt < REFUSALS {
                return Err(FailureAction::Retry { code, after: None }.into());
            }
            Err(FailureAction::AskOperator { code }.into())
        }
    }
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, outcome: Outcome) -> Result<(), StoreError> {
    if outcome == Outcome::Applied {
        tx.settle_mail(ctx.job.id, MailState::Accepted).await?;
        tx.audit(ctx.entry(Event::MailSent));
    }
    Ok(())
}
