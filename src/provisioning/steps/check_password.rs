//! `check_password`: after the lock, was a password ever set? Only an entry that never had one may be removed.

use super::{Output, PasswordState, StepDone, find_ours};
use crate::domain::account::AccountState;
use crate::domain::job::Outcome;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let password = judge(ctx).await?;
    Ok(StepDone::new(Outcome::Unchanged, Output::PasswordState(password)))
}

/// Looks now. An account that we saw active counts as used, whatever the directory says.
pub(super) async fn judge(ctx: &StepContext<'_>) -> Result<PasswordState, StepError> {
    let Some(ours) = find_ours(ctx).await? else { return Ok(PasswordState::Gone) };
    let asking = ctx.worker.deps.directory.password_changed_at(&ours);
    let changed = ctx.call(Target::Directory, "password_changed_at", asking).await??;
    let account = ctx.account()?;
    let was_active = account.activated_at.is_some() || account.state == AccountState::Active;
    Ok(if changed.is_some() || was_active { PasswordState::Used } else { PasswordState::NeverUsed })
}
