//! `mail`: Keycloak mails the first action link. The step can't be made convergent, so the mail is counted against job and rate limits
//! and committed before the call. It is refunded only if it certainly was not sent.

use super::eligible;
use super::owned_entry::must_find_ours;
use crate::jobs::outcome::{StepDone, StepError, defect};
use std::time::Duration;

use super::mail_quota::{self, ActionMail, REFUSALS, Recipient, Reservation};
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, MAILS_PER_JOB, Outcome};
use crate::domain::mail::MailState;
use crate::jobs::context::StepContext;
use crate::keycloak::{Actions, MailOutcome};
use crate::worker::breaker::Target;

/// When a mail that a rate limit held back is tried again.
const LIMIT_PAUSE: Duration = Duration::from_mins(10);

/// When a mail of unknown outcome is tried again, at the earliest.
const UNKNOWN_PAUSE: Duration = Duration::from_mins(1);

pub(super) async fn ensure(ctx: &mut StepContext<'_>) -> Result<StepDone, StepError> {
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
    // Before the reservation: a mail that the breaker holds back must not be counted.
    ctx.admit(Target::Mail).await?;
    match mail_quota::reserve(ctx, &mail).await? {
        Reservation::Yes => {}
        // A password is set, so one of the mails arrived.
        Reservation::UsedUp if has_password(ctx).await? => return Ok(StepDone::skipped()),
        Reservation::UsedUp => return Err(FailureAction::AskOperator { code: ErrorCode::MailUnknown }.into()),
        Reservation::Cancelled => return Err(FailureAction::Undo { code: ErrorCode::AlreadyDecided }.into()),
        Reservation::RateLimited => {
            return Err(FailureAction::Retry { code: ErrorCode::TooMany, after: Some(LIMIT_PAUSE) }.into());
        }
    }
    let outcome = mail_quota::send(ctx, &mail).await;
    conclude(ctx, &mail, outcome).await
}

async fn has_password(ctx: &StepContext<'_>) -> Result<bool, StepError> {
    let ours = must_find_ours(ctx).await?;
    let asking = ctx.worker.deps.directory.password_changed_at(&ours);
    let changed = ctx.call(Target::Directory, "password_changed_at", asking).await??;
    Ok(changed.is_some())
}

async fn conclude(
    ctx: &mut StepContext<'_>,
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
            if ctx.job.mail_attempts >= MAILS_PER_JOB {
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
            if error.says_disabled() && ctx.attempt() < REFUSALS {
                return Err(FailureAction::Retry { code, after: None }.into());
            }
            Err(FailureAction::AskOperator { code }.into())
        }
    }
}

pub(super) fn apply(ctx: &mut StepContext<'_>, outcome: Outcome) {
    if outcome == Outcome::Applied {
        ctx.pending.is_mail_accepted = true;
        let entry = ctx.entry(Event::MailSent);
        ctx.note_entry(entry);
    }
}

/// Whether Keycloak accepted the first mail of this job a moment ago. Nobody had a link before, so no password can be set yet, and `invite`
/// need not check.
pub(super) fn is_first_mail_accepted(ctx: &StepContext<'_>) -> bool {
    ctx.pending.is_mail_accepted && ctx.job.mail_attempts == 1
}
