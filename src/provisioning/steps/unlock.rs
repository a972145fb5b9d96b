//! `unlock`: the look found an account in use, and nobody wants it gone (it was only unused for too long): unlock and enable again.

use super::{Output, PasswordState, StepDone, disable, finalize, find_ours};
use crate::domain::job::Outcome;
use crate::keycloak::Enabled;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let is_used = finalize::last_judgement(ctx) == Output::PasswordState(PasswordState::Used);
    if !is_used || ctx.is_cancelled_by_person() {
        return Ok(StepDone::skipped());
    }
    let Some(ours) = find_ours(ctx).await? else { return Ok(StepDone::skipped()) };
    let unlocking = ctx.worker.deps.directory.unlock(&ours);
    let unlocked = ctx.call(Target::Directory, "unlock", unlocking).await??;
    let Some(id) = disable::find_user(ctx).await? else { return Ok(StepDone::plain(unlocked)) };
    let enabling = ctx.worker.deps.keycloak.set_enabled(&id, Enabled::Yes);
    let enabled = ctx.call(Target::Keycloak, "set_enabled", enabling).await??;
    let is_changed = unlocked == Outcome::Applied || enabled == Outcome::Applied;
    Ok(StepDone::plain(if is_changed { Outcome::Applied } else { Outcome::Unchanged }))
}
