//! What every mailed link costs and leaves: budgets are charged and the mail is noted before Keycloak is asked, and both are taken back
//! only where certainly nothing was sent.

use std::time::{Duration, Instant};

use crate::domain::account::KeycloakId;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::mail::{COMMON_SPAN, MailState, PERSONAL_SPAN};
use crate::domain::mail_address::MailAddress;
use crate::keycloak::{Actions, KeycloakError, MailOutcome};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;
use crate::provisioning::metrics::Answer;
use crate::store::{BudgetKind, MailSpend, StoreError};

/// How often a plain refusal is tried again before it is believed: during an outage of the directory Keycloak takes every uncached
/// user for disabled.
pub(super) const REFUSALS: i64 = 5;

/// A mail to be asked for.
pub(super) struct ActionMail {
    /// To which user.
    pub(super) user: KeycloakId,
    /// Whom it is counted against.
    pub(super) to: Recipient,
    /// What its link asks for.
    pub(super) actions: Actions,
    /// How long its link lives.
    pub(super) lifespan: Duration,
    /// How many mails this job may begin.
    pub(super) at_most: i64,
}

/// An address as the budgets count it.
#[derive(Clone)]
pub(super) struct Recipient {
    address: String,
    domain: String,
}

impl Recipient {
    /// Of a form.
    pub(super) fn of_form(address: &MailAddress) -> Self {
        Self { address: address.folded(), domain: address.domain().to_owned() }
    }

    /// As Keycloak has it, which may be one that no form of ours would take; `None` if it names nobody.
    pub(super) fn of_keycloak(address: &str) -> Option<Self> {
        let address = address.trim().to_ascii_lowercase();
        let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        domain.filter(|domain| !domain.is_empty()).map(|domain| Self { address, domain })
    }
}

/// What the counters say.
pub(super) enum Reservation {
    /// Counted and noted: it may be asked for.
    Yes,
    /// The job has begun all of its mails.
    UsedUp,
    /// A budget is full.
    BudgetFull,
}

/// The budgets that a mail counts against: what, whose, how many in which span.
fn budgets(ctx: &StepContext<'_>, to: &Recipient) -> [(BudgetKind, String, u32, Duration); 4] {
    let budget = &ctx.config.budget;
    [
        (BudgetKind::MailAddress, to.address.clone(), budget.mails_per_address, PERSONAL_SPAN),
        (BudgetKind::MailPerson, ctx.person.id.to_string(), budget.mails_per_person, PERSONAL_SPAN),
        (BudgetKind::MailDomain, to.domain.clone(), budget.mails_per_domain, COMMON_SPAN),
        (BudgetKind::MailAll, String::new(), budget.mails_in_all, COMMON_SPAN),
    ]
}

/// Counts the mail before it is begun, in the job and in every budget, and notes it; or nothing of that.
pub(super) async fn reserve(ctx: &StepContext<'_>, mail: &ActionMail) -> Result<Reservation, StepError> {
    let account = ctx.account()?.id;
    let mut tx = ctx.worker.deps.store.begin().await?;
    match tx.spend_mail(&ctx.job, mail.at_most).await? {
        MailSpend::Spent(_) => {}
        MailSpend::UsedUp => return Ok(Reservation::UsedUp),
    }
    for (kind, key, limit, window) in budgets(ctx, &mail.to) {
        if !tx.take_budget(kind, &key, limit, window).await? {
            tx.roll_back().await?;
            return Ok(Reservation::BudgetFull);
        }
    }
    tx.put_mail(account, ctx.job.id, mail.lifespan, MailState::Begun).await?;
    tx.commit("job.mail_budget").await?;
    Ok(Reservation::Yes)
}

/// Lets Keycloak send it, and notes what that says of the mail server and of Keycloak.
pub(super) async fn send(ctx: &StepContext<'_>, mail: &ActionMail) -> MailOutcome {
    let keycloak = &ctx.worker.deps.keycloak;
    let sending = keycloak.send_actions_mail(&mail.user, mail.actions, mail.lifespan);
    let started = Instant::now();
    let outcome = ctx.call_admitted(Target::Mail, "send_actions_mail", sending).await;
    let (answer, name) = name_of(&outcome);
    ctx.worker.metrics.call(Target::Mail, answer, started.elapsed());
    ctx.worker.metrics.mail(name);
    match &outcome {
        MailOutcome::Accepted => ctx.worker.note_answer(Target::Mail, false).await,
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
            // Keycloak, not the mail server, is away: the breaker of mail learns nothing bad from it.
            ctx.worker.note_answer(Target::Mail, false).await;
            ctx.worker.note_answer(Target::Keycloak, true).await;
        }
    }
    outcome
}

/// How the mail is counted.
const fn name_of(outcome: &MailOutcome) -> (Answer, &'static str) {
    match outcome {
        MailOutcome::Accepted => (Answer::Ok, "accepted"),
        MailOutcome::Refused(_) => (Answer::Refused, "refused"),
        MailOutcome::Unknown(_) => (Answer::Down, "unknown"),
        MailOutcome::NeverSent(_) => (Answer::Down, "never_sent"),
    }
}

fn warn(ctx: &StepContext<'_>, error: &KeycloakError) {
    tracing::warn!(job.id = %ctx.job.id, error = %error, "a mail was not simply accepted");
}

/// Takes exactly that back: the mail was certainly not sent. A refusal stays noted and is audited; one that was never asked for
/// leaves nothing.
pub(super) async fn refund(
    ctx: &StepContext<'_>,
    mail: &ActionMail,
    state: Option<MailState>,
) -> Result<(), StoreError> {
    let mut tx = ctx.worker.deps.store.begin().await?;
    tx.refund_mail(&ctx.job).await?;
    for (kind, key, _, _) in budgets(ctx, &mail.to) {
        tx.give_back_budget(kind, &key).await?;
    }
    match state {
        Some(state) => {
            tx.settle_mail(ctx.job.id, state).await?;
            tx.audit(ctx.entry(Event::MailRefused).because(ErrorCode::MailRefused));
        }
        None => tx.undo_mail(ctx.job.id).await?,
    }
    tx.commit("job.mail_refund").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_alike_wherever_it_was_read() {
        let form = MailAddress::parse("Ada@People.example").expect("a legal address");
        let (of_form, of_keycloak) =
            (Recipient::of_form(&form), Recipient::of_keycloak("ada@people.EXAMPLE").expect("somebody"));
        assert_eq!((of_form.address, of_form.domain), (of_keycloak.address, of_keycloak.domain));
        for nobody in ["", "ada", "ada@"] {
            assert!(Recipient::of_keycloak(nobody).is_none(), "{nobody}");
        }
    }
}
