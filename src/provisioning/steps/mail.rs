//! `mail`: Keycloak mails the first action link. It cannot be made convergent: work and budgets are charged and committed before the
//! call, and paid back only where certainly nothing was sent.

use std::time::Duration;

use super::postage::{self, Addressee, Charged, Letter, REFUSALS};
use super::{StepDone, eligible, must_find_ours};
use crate::domain::account::AccountState;
use crate::domain::audit::Event;
use crate::domain::mail::MailState;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, MAILS_PER_WORK, Setback};
use crate::keycloak::{Actions, MailOutcome};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::{Scene, defect};
use crate::store::{StoreError, Tx};

/// When a full budget is asked again.
const BUDGET_PAUSE: Duration = Duration::from_mins(10);

/// When a mail of unknown outcome is tried again, at the earliest.
const UNKNOWN_PAUSE: Duration = Duration::from_mins(1);

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    if scene.account()?.state != AccountState::Creating {
        return Ok(StepDone::not_needed());
    }
    let letter = Letter {
        user: scene.account()?.keycloak_id.clone().ok_or_else(defect)?,
        to: Addressee::of_form(&scene.form()?.address),
        actions: Actions::FirstPassword,
        lifespan: scene.config.keycloak.first_link_lifespan,
        at_most: MAILS_PER_WORK,
    };
    eligible::must_still_hold(scene).await?;
    // Before the charge: mail that is held back must not be counted.
    scene.admit(Target::Mail).await?;
    match postage::charge(scene, &letter).await? {
        Charged::Yes => {}
        // Whoever has a password got one of them.
        Charged::UsedUp if has_password(scene).await? => return Ok(StepDone::not_needed()),
        Charged::UsedUp => return Err(Setback::AskOperator { code: Refusal::MailUnknown }.into()),
        Charged::BudgetFull => {
            return Err(Setback::Retry { code: Refusal::TooMany, after: Some(BUDGET_PAUSE) }.into());
        }
    }
    let outcome = postage::send(scene, &letter).await;
    judge(scene, &letter, outcome).await
}

async fn has_password(scene: &Scene<'_>) -> Result<bool, Halt> {
    let ours = must_find_ours(scene).await?;
    let asking = scene.room.parts.directory.password_changed_at(&ours);
    let changed = scene.call(Target::Directory, "password_changed_at", asking).await??;
    Ok(changed.is_some())
}

async fn judge(scene: &Scene<'_>, letter: &Letter, outcome: MailOutcome) -> Result<StepDone, Halt> {
    match outcome {
        MailOutcome::Accepted => Ok(StepDone::plain(Effect::Made)),
        MailOutcome::Unknown(_) => {
            let mut tx = scene.room.parts.store.begin().await?;
            tx.settle_mail(scene.work.id, MailState::Unknown).await?;
            tx.audit(scene.entry(Event::MailUnknown).because(Refusal::MailUnknown));
            tx.commit("work.mail_unknown").await?;
            if scene.work.mail_attempts + 1 >= MAILS_PER_WORK {
                return Err(Setback::AskOperator { code: Refusal::MailUnknown }.into());
            }
            Err(Setback::Retry { code: Refusal::MailUnknown, after: Some(UNKNOWN_PAUSE) }.into())
        }
        MailOutcome::NeverSent(error) => {
            postage::pay_back(scene, letter, None).await?;
            Err(error.setback().into())
        }
        MailOutcome::Refused(error) => {
            postage::pay_back(scene, letter, Some(MailState::Refused)).await?;
            let code = Refusal::MailRefused;
            if error.says_disabled() && scene.work.attempt < REFUSALS {
                return Err(Setback::Retry { code, after: None }.into());
            }
            Err(Setback::AskOperator { code }.into())
        }
    }
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, effect: Effect) -> Result<(), StoreError> {
    if effect == Effect::Made {
        tx.settle_mail(scene.work.id, MailState::Accepted).await?;
        tx.audit(scene.entry(Event::MailSent));
    }
    Ok(())
}
