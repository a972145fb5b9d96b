//! `resend`: Keycloak mails one more link, because the person asked for it. One try, and whatever comes of it is told: the person is
//! there and can ask again, so nothing is repeated behind their back and nothing waits for an operator that they could do themselves.
//!
//! The address is read from Keycloak, which sends to it: the form's is erased as soon as the account is in use.

use std::time::Duration;

use super::postage::{self, Addressee, Charged, Letter, REFUSALS};
use super::{Output, StepDone};
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::mail::MailState;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback};
use crate::keycloak::{Actions, MailOutcome, User};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::{Scene, defect};
use crate::store::{StoreError, Tx};

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let account = scene.account()?;
    let settings = &scene.config.keycloak;
    let (actions, lifespan) = match account.state {
        AccountState::Invited => (Actions::FirstPassword, settings.first_link_lifespan),
        AccountState::Active => (Actions::NewPassword, settings.reset_link_lifespan),
        // It was locked or ended since: the person is told of that.
        AccountState::Creating | AccountState::Disabled | AccountState::Conflict | AccountState::Closed => {
            return Ok(StepDone::not_needed());
        }
    };
    let user = account.keycloak_id.clone().ok_or_else(defect)?;
    let asking = scene.room.parts.keycloak.person(&user);
    let found = scene.call(Target::Keycloak, "person", asking).await??;
    // While the directory is away Keycloak shows no entry's id, and refuses the mail by itself.
    let is_anothers =
        |found: &User| found.directory_id.is_some() && found.directory_id != account.directory_id;
    if found.as_ref().is_some_and(is_anothers) {
        return Err(Setback::Conflict { code: Refusal::KeycloakUserNotOurs }.into());
    }
    let address = found.and_then(|found| found.address);
    let Some(to) = address.as_deref().and_then(Addressee::of_keycloak) else {
        return Ok(came_to(MailState::Refused));
    };
    let letter = Letter { user, to, actions, lifespan, at_most: 1 };
    // Before the charge: mail that is held back must not be counted.
    scene.admit(Target::Mail).await?;
    match postage::charge(scene, &letter).await? {
        Charged::Yes => {}
        // An earlier try of this very work began it, and was never heard of again.
        Charged::UsedUp => return Ok(came_to(MailState::Unknown)),
        Charged::BudgetFull => return Ok(came_to(MailState::HeldBack)),
    }
    match postage::send(scene, &letter).await {
        MailOutcome::Accepted => Ok(came_to(MailState::Accepted)),
        MailOutcome::Unknown(_) => Ok(came_to(MailState::Unknown)),
        MailOutcome::NeverSent(error) => {
            postage::pay_back(scene, &letter, None).await?;
            Err(error.setback().into())
        }
        MailOutcome::Refused(error) => {
            postage::pay_back(scene, &letter, Some(MailState::Refused)).await?;
            if error.says_disabled() && scene.work.attempt < REFUSALS {
                return Err(Setback::Retry { code: Refusal::MailRefused, after: None }.into());
            }
            Ok(came_to(MailState::Refused))
        }
    }
}

const fn came_to(state: MailState) -> StepDone {
    let effect = match state {
        MailState::Begun | MailState::Accepted | MailState::Unknown => Effect::Made,
        MailState::Refused | MailState::HeldBack => Effect::NotNeeded,
    };
    StepDone::new(effect, Output::Resent(state))
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, output: &Output) -> Result<(), StoreError> {
    let (Output::Resent(state), Some(account)) = (output, &scene.account) else { return Ok(()) };
    let entry = |event| scene.entry_of_person(event);
    let news = match state {
        MailState::Begun | MailState::Unknown => {
            tx.settle_mail(scene.work.id, MailState::Unknown).await?;
            tx.audit(entry(Event::MailUnknown).because(Refusal::MailUnknown));
            "mail_unknown"
        }
        MailState::Accepted => {
            tx.settle_mail(scene.work.id, MailState::Accepted).await?;
            tx.audit(entry(Event::MailSent));
            "mail_sent"
        }
        // Audited where it was refused.
        MailState::Refused => "mail_refused",
        MailState::HeldBack => {
            tx.put_mail(account.id, scene.work.id, Duration::ZERO, MailState::HeldBack).await?;
            tx.audit(entry(Event::MailRefused).because(Refusal::TooMany));
            "mail_held_back"
        }
    };
    match scene.work.request_id {
        Some(request) => tx.put_news(scene.person.id, news, request).await,
        None => Ok(()),
    }
}
