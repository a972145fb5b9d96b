//! `unlock`: the account has a password and nobody wants it removed (it was only unused for too long), so it is unlocked and enabled
//! again.

use super::linked_user;
use super::owned_entry::find_ours;
use crate::domain::job::Outcome;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepDone, StepError, StepOutput};
use crate::keycloak::Enabled;
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let is_used = ctx.last_password_state() == StepOutput::PasswordState(PasswordState::Used);
    if !is_used || ctx.is_cancelled_by_person() {
        return Ok(StepDone::skipped());
    }
    let Some(ours) = find_ours(ctx).await? else { return Ok(StepDone::skipped()) };
    let unlocking = ctx.worker.deps.directory.unlock(&ours);
    let unlocked = ctx.call(Target::Directory, "unlock", unlocking).await??;
    let Some(id) = linked_user::find_user(ctx).await? else { return Ok(StepDone::plain(unlocked)) };
    let enabled = linked_user::set_enabled(ctx, &id, Enabled::Yes).await?;
    let is_changed = unlocked == Outcome::Applied || enabled == Outcome::Applied;
    Ok(StepDone::plain(if is_changed { Outcome::Applied } else { Outcome::Unchanged }))
}
