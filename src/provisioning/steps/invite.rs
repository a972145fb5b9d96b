//! `invite`: the account becomes `invited` and the person is told. The first look for a password is here: who was quick, or was
//! mailed twice, is active at once.

use super::{Output, StepDone, must_find_ours};
use crate::domain::account::AccountState;
use crate::domain::audit::{Event, Source};
use crate::domain::job::Outcome;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;
use crate::provisioning::transitions::{self, Seen};
use crate::store::{StoreError, Tx};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    if ctx.account()?.state != AccountState::Creating {
        return Ok(StepDone::skipped());
    }
    let ours = must_find_ours(ctx).await?;
    let asking = ctx.worker.deps.directory.password_changed_at(&ours);
    let changed = ctx.call(Target::Directory, "password_changed_at", asking).await??;
    let output = if changed.is_some() { Output::PasswordSeen } else { Output::Nothing };
    Ok(StepDone::new(Outcome::Applied, output))
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, output: &Output) -> Result<(), StoreError> {
    let from = [AccountState::Creating];
    let account =
        transitions::move_account(ctx, tx, &from, AccountState::Invited, Event::AccountInvited).await?;
    let Some(account) = account.filter(|account| account.state == AccountState::Invited) else {
        return Ok(());
    };
    if let Some(request) = ctx.job.request_id {
        tx.put_notification(ctx.person.id, "invited", request).await?;
    }
    transitions::put_card(ctx, tx).await?;
    if *output == Output::PasswordSeen {
        let seen = Seen { worker: ctx.worker, account: account.id, source: Source::Worker };
        transitions::write_activation(tx, &seen).await?;
    }
    Ok(())
}
