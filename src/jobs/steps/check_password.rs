//! `check_password`: checks, after the lock, whether a password was ever set. Only an entry that never had one may be removed.

use super::owned_entry::find_ours;
use crate::domain::account::AccountState;
use crate::domain::job::Outcome;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepDone, StepError, StepOutput};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let password = password_state(ctx).await?;
    Ok(StepDone::new(Outcome::Unchanged, StepOutput::PasswordState(password)))
}

/// Reads the password state now. An account that was active counts as used, whatever the directory says.
pub(super) async fn password_state(ctx: &StepContext<'_>) -> Result<PasswordState, StepError> {
    let Some(ours) = find_ours(ctx).await? else { return Ok(PasswordState::Gone) };
    let asking = ctx.worker.deps.directory.password_changed_at(&ours);
    let changed = ctx.call(Target::Directory, "password_changed_at", asking).await??;
    let account = ctx.account()?;
    let was_active = account.activated_at.is_some() || account.state == AccountState::Active;
    Ok(if changed.is_some() || was_active { PasswordState::Used } else { PasswordState::NeverUsed })
}
