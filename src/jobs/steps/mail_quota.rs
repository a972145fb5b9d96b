//! The accounting of mails: a mail is counted against the job and the rate limits, and noted, before Keycloak is asked to send it. Both
//! are refunded only if the mail certainly was not sent.

use crate::jobs::outcome::StepError;
use crate::jobs::transitions;
use std::time::{Duration, Instant};

use crate::domain::account::KeycloakId;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::JobKind;
use crate::domain::mail::{COMMON_SPAN, MailState, PERSONAL_SPAN};
use crate::domain::mail_address::MailAddress;
use crate::domain::matching::ServerAddress;
use crate::jobs::call::log_success;
use crate::jobs::context::StepContext;
use crate::keycloak::{Actions, KeycloakError, MailOutcome};
use crate::store::{MailSpend, RateLimit, RateLimitKind, StoreError};
use crate::worker::breaker::Target;
use crate::worker::metrics::Answer;

/// How often a plain refusal is tried again before it is final: during an outage of the directory Keycloak treats every uncached user
/// as disabled.
pub(super) const REFUSALS: i64 = 5;

/// A mail to be sent.
pub(super) struct ActionMail {
    /// The Keycloak user.
    pub(super) user: KeycloakId,
    /// The recipient that it is counted against.
    pub(super) to: Recipient,
    /// What its link asks for.
    pub(super) actions: Actions,
    /// How long its link is valid.
    pub(super) lifespan: Duration,
    /// How many mails this job may begin.
    pub(super) at_most: i64,
}

/// A mail address in the form in which the rate limits count it.
#[derive(Clone)]
pub(super) struct Recipient {
    address: String,
    domain: String,
}

impl Recipient {
    /// From a form.
    pub(super) fn of_form(address: &MailAddress) -> Self {
        Self { address: address.folded(), domain: address.domain().to_owned() }
    }

    /// From Keycloak, which may have an address that no form accepts. `None` if it is not an address.
    pub(super) fn of_keycloak(address: &ServerAddress) -> Option<Self> {
        let address = address.as_str().trim().to_ascii_lowercase();
        let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        domain.filter(|domain| !domain.is_empty()).map(|domain| Self { address, domain })
    }
}

/// The result of a reservation.
pub(super) enum Reservation {
    /// Counted and noted: it may be sent.
    Yes,
    /// The job has begun all of its mails.
    UsedUp,
    /// A rate limit is reached.
    RateLimited,
    /// Someone asked to cancel the job that creates the account: nothing was counted.
    Cancelled,
}

/// The rate limits that a mail counts against.
fn rate_limits(ctx: &StepContext<'_>, to: &Recipient) -> [RateLimit; 4] {
    let rate_limits = &ctx.config.rate_limits;
    let limit = |kind, key, limit, window| RateLimit { kind, key, limit, window };
    [
        limit(RateLimitKind::MailAddress, to.address.clone(), rate_limits.mails_per_address, PERSONAL_SPAN),
        limit(
            RateLimitKind::MailPerson,
            ctx.person.id.to_string(),
            rate_limits.mails_per_person,
            PERSONAL_SPAN,
        ),
        limit(RateLimitKind::MailDomain, to.domain.clone(), rate_limits.mails_per_domain, COMMON_SPAN),
        limit(RateLimitKind::MailAll, String::new(), rate_limits.mails_in_all, COMMON_SPAN),
    ]
}

/// The barrier before a mail: records what is pending, counts the mail against the job and every rate limit, and notes it; all of it
/// or nothing.
pub(super) async fn reserve(ctx: &mut StepContext<'_>, mail: &ActionMail) -> Result<Reservation, StepError> {
    let account = ctx.account()?.id;
    let mut tx = ctx.worker.deps.store.begin().await?;
    let (job, saved) = transitions::catch_up(ctx, &mut tx).await?;
    let spent = match tx.spend_mail(&job, mail.at_most).await? {
        MailSpend::Spent(job) => job,
        MailSpend::UsedUp => return Ok(Reservation::UsedUp),
    };
    if ctx.job.kind == JobKind::Provision && spent.cancel_asked && !ctx.job.cancel_asked {
        tx.roll_back().await?;
        ctx.job.cancel_asked = true;
        return Ok(Reservation::Cancelled);
    }
    if !tx.take_rate_limits(&rate_limits(ctx, &mail.to)).await? {
        tx.roll_back().await?;
        return Ok(Reservation::RateLimited);
    }
    tx.put_mail(account, ctx.job.id, mail.lifespan, MailState::Begun).await?;
    tx.commit("job.mail_quota").await?;
    ctx.mark_recorded(ctx.step, ctx.job.state, saved);
    ctx.job.mail_attempts = spent.mail_attempts;
    Ok(Reservation::Yes)
}

/// Asks Keycloak to send the mail, and notes what the answer says about the mail server and Keycloak.
pub(super) async fn send(ctx: &StepContext<'_>, mail: &ActionMail) -> MailOutcome {
    let keycloak = &ctx.worker.deps.keycloak;
    let sending = keycloak.send_actions_mail(&mail.user, mail.actions, mail.lifespan);
    let started = Instant::now();
    let outcome = ctx.call_admitted(sending).await;
    let (answer, name) = labels_of(&outcome);
    ctx.worker.metrics.call(Target::Mail, answer, started.elapsed());
    ctx.worker.metrics.mail(name);
    match &outcome {
        MailOutcome::Accepted => {
            log_success(Target::Mail, "send_actions_mail", started);
            ctx.worker.note_answer(Target::Mail, false).await;
        }
        MailOutcome::Unknown(error) => {
            warn(ctx, error);
            ctx.worker.note_answer(Target::Mail, true).await;
        }
        MailOutcome::Refused(error) => {
            warn(ctx, error);
            ctx.worker.note_answer(Target::Mail, false).await;
        }
        MailOutcome::NeverSent(error) => {
            warn(ctx, error);
            // Keycloak is unavailable, not the mail server: this is no failure of mail.
            ctx.worker.note_answer(Target::Mail, false).await;
            ctx.worker.note_answer(Target::Keycloak, true).await;
        }
    }
    outcome
}

/// The labels of the metric.
const fn labels_of(outcome: &MailOutcome) -> (Answer, &'static str) {
    match outcome {
        MailOutcome::Accepted => (Answer::Ok, "accepted"),
        MailOutcome::Refused(_) => (Answer::Refused, "refused"),
        MailOutcome::Unknown(_) => (Answer::Down, "unknown"),
        MailOutcome::NeverSent(_) => (Answer::Down, "never_sent"),
    }
}

fn warn(ctx: &StepContext<'_>, error: &KeycloakError) {
    tracing::warn!(job.id = %ctx.job.id, error = %error, "Keycloak did not accept a mail");
}

/// Refunds a mail that certainly was not sent. A refused mail stays noted and is audited; a mail that Keycloak was never asked for leaves
/// no record.
pub(super) async fn refund(
    ctx: &mut StepContext<'_>,
    mail: &ActionMail,
    state: Option<MailState>,
) -> Result<(), StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    tx.refund_mail(&ctx.job).await?;
    for RateLimit { kind, key, .. } in rate_limits(ctx, &mail.to) {
        tx.refund_rate_limit(kind, &key).await?;
    }
    match state {
        Some(state) => {
            tx.settle_mail(ctx.job.id, state).await?;
            tx.audit(ctx.entry(Event::MailRefused).because(ErrorCode::MailRefused));
        }
        None => tx.undo_mail(ctx.job.id).await?,
    }
    tx.commit("job.mail_refund").await?;
    ctx.job.mail_attempts -= 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_alike_wherever_it_was_read() {
        let form = MailAddress::parse("Ada@People.example").expect("a legal address");
        let (of_form, of_keycloak) = (
            Recipient::of_form(&form),
            Recipient::of_keycloak(&ServerAddress::new("ada@people.EXAMPLE")).expect("somebody"),
        );
        assert_eq!((of_form.address, of_form.domain), (of_keycloak.address, of_keycloak.domain));
        for nobody in ["", "ada", "ada@"] {
            assert!(Recipient::of_keycloak(&ServerAddress::new(nobody)).is_none(), "{nobody}");
        }
    }
}
