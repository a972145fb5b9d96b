//! `invite`: the account becomes `invited` and the person is told. The first look for a password is here: who was quick, or was
//! mailed twice, is active at once.

use super::{Output, StepDone, must_find_ours};
use crate::domain::account::AccountState;
use crate::domain::audit::{Event, Source};
use crate::domain::work::Effect;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::rows::{self, Seen};
use crate::provisioning::scene::Scene;
use crate::store::{StoreError, Tx};

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    if scene.account()?.state != AccountState::Creating {
        return Ok(StepDone::not_needed());
    }
    let ours = must_find_ours(scene).await?;
    let asking = scene.room.parts.directory.password_changed_at(&ours);
    let changed = scene.call(Target::Directory, "password_changed_at", asking).await??;
    let output = if changed.is_some() { Output::PasswordSeen } else { Output::Nothing };
    Ok(StepDone::new(Effect::Made, output))
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, output: &Output) -> Result<(), StoreError> {
    let from = [AccountState::Creating];
    let account = rows::move_account(scene, tx, &from, AccountState::Invited, Event::AccountInvited).await?;
    let Some(account) = account.filter(|account| account.state == AccountState::Invited) else {
        return Ok(());
    };
    if let Some(request) = scene.work.request_id {
        tx.put_news(scene.person.id, "invited", request).await?;
    }
    rows::put_card(scene, tx).await?;
    if *output == Output::PasswordSeen {
        let seen = Seen { room: scene.room, account: account.id, source: Source::Worker };
        rows::write_activation(tx, &seen).await?;
    }
    Ok(())
}
