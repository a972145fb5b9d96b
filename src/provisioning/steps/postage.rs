//! What every mailed link costs and leaves: budgets are charged and the mail is noted before Keycloak is asked, and both are taken back
//! only where certainly nothing was sent.

use std::time::{Duration, Instant};

use crate::domain::account::KeycloakId;
use crate::domain::audit::Event;
use crate::domain::mail::{COMMON_SPAN, MailState, PERSONAL_SPAN};
use crate::domain::mail_address::MailAddress;
use crate::domain::refusal::Refusal;
use crate::keycloak::{Actions, KeycloakError, MailOutcome};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::measures::Answer;
use crate::provisioning::scene::Scene;
use crate::store::{BudgetKind, MailSpend, StoreError};

/// How often a plain refusal is tried again before it is believed: during an outage of the directory Keycloak takes every uncached
/// user for disabled.
pub(super) const REFUSALS: i64 = 5;

/// A mail to be asked for.
pub(super) struct Letter {
    /// To which user.
    pub(super) user: KeycloakId,
    /// Whom it is counted against.
    pub(super) to: Addressee,
    /// What its link asks for.
    pub(super) actions: Actions,
    /// How long its link lives.
    pub(super) lifespan: Duration,
    /// How many mails this work may begin.
    pub(super) at_most: i64,
}

/// An address as the budgets count it.
#[derive(Clone)]
pub(super) struct Addressee {
    address: String,
    domain: String,
}

impl Addressee {
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
pub(super) enum Charged {
    /// Counted and noted: it may be asked for.
    Yes,
    /// The work has begun all of its mails.
    UsedUp,
    /// A budget is full.
    BudgetFull,
}

/// The budgets that a mail counts against: what, whose, how many in which span.
fn budgets(scene: &Scene<'_>, to: &Addressee) -> [(BudgetKind, String, u32, Duration); 4] {
    let budget = &scene.config.budget;
    [
        (BudgetKind::MailAddress, to.address.clone(), budget.mails_per_address, PERSONAL_SPAN),
        (BudgetKind::MailPerson, scene.person.id.to_string(), budget.mails_per_person, PERSONAL_SPAN),
        (BudgetKind::MailDomain, to.domain.clone(), budget.mails_per_domain, COMMON_SPAN),
        (BudgetKind::MailAll, String::new(), budget.mails_in_all, COMMON_SPAN),
    ]
}

/// Counts the mail before it is begun, in the work and in every budget, and notes it; or nothing of that.
pub(super) async fn charge(scene: &Scene<'_>, letter: &Letter) -> Result<Charged, Halt> {
    let account = scene.account()?.id;
    let mut tx = scene.room.parts.store.begin().await?;
    match tx.spend_mail(&scene.work, letter.at_most).await? {
        MailSpend::Spent(_) => {}
        MailSpend::UsedUp => return Ok(Charged::UsedUp),
    }
    for (kind, key, limit, window) in budgets(scene, &letter.to) {
        if !tx.take_budget(kind, &key, limit, window).await? {
            tx.roll_back().await?;
            return Ok(Charged::BudgetFull);
        }
    }
    tx.put_mail(account, scene.work.id, letter.lifespan, MailState::Begun).await?;
    tx.commit("work.mail_budget").await?;
    Ok(Charged::Yes)
}

/// Lets Keycloak send it, and notes what that says of the mail server and of Keycloak.
pub(super) async fn send(scene: &Scene<'_>, letter: &Letter) -> MailOutcome {
    let keycloak = &scene.room.parts.keycloak;
    let sending = keycloak.send_actions_mail(&letter.user, letter.actions, letter.lifespan);
    let started = Instant::now();
    let outcome = scene.call_admitted(Target::Mail, "send_actions_mail", sending).await;
    let (answer, name) = name_of(&outcome);
    scene.room.measures.call(Target::Mail, answer, started.elapsed());
    scene.room.measures.mail(name);
    match &outcome {
        MailOutcome::Accepted => scene.room.note_answer(Target::Mail, false).await,
        MailOutcome::Unknown(error) => {
            warn(scene, error);
            scene.room.note_answer(Target::Mail, true).await;
        }
        MailOutcome::Refused(error) => {
            warn(scene, error);
            scene.room.note_answer(Target::Mail, false).await;
        }
        MailOutcome::NeverSent(error) => {
            warn(scene, error);
            // Keycloak, not the mail server, is away: the breaker of mail learns nothing bad from it.
            scene.room.note_answer(Target::Mail, false).await;
            scene.room.note_answer(Target::Keycloak, true).await;
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

fn warn(scene: &Scene<'_>, error: &KeycloakError) {
    tracing::warn!(work.id = %scene.work.id, error = %error, "a mail was not simply accepted");
}

/// Takes exactly that back: the mail was certainly not sent. A refusal stays noted and is audited; one that was never asked for
/// leaves nothing.
pub(super) async fn pay_back(
    scene: &Scene<'_>,
    letter: &Letter,
    state: Option<MailState>,
) -> Result<(), StoreError> {
    let mut tx = scene.room.parts.store.begin().await?;
    tx.refund_mail(&scene.work).await?;
    for (kind, key, _, _) in budgets(scene, &letter.to) {
        tx.give_back_budget(kind, &key).await?;
    }
    match state {
        Some(state) => {
            tx.settle_mail(scene.work.id, state).await?;
            tx.audit(scene.entry(Event::MailRefused).because(Refusal::MailRefused));
        }
        None => tx.undo_mail(scene.work.id).await?,
    }
    tx.commit("work.mail_refund").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_alike_wherever_it_was_read() {
        let form = MailAddress::parse("Ada@People.example").expect("a legal address");
        let (of_form, of_keycloak) =
            (Addressee::of_form(&form), Addressee::of_keycloak("ada@people.EXAMPLE").expect("somebody"));
        assert_eq!((of_form.address, of_form.domain), (of_keycloak.address, of_keycloak.domain));
        for nobody in ["", "ada", "ada@"] {
            assert!(Addressee::of_keycloak(nobody).is_none(), "{nobody}");
        }
    }
}
