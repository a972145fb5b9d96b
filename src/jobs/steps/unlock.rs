//! `unlock`: the entry is unlocked and the Keycloak user enabled. In a withdrawal only if the account has a password and nobody wants it
//! removed, because it was only unused for too long; in the job `enable` always.

use super::linked_user;
use super::owned_entry::find_ours;
use crate::domain::job::{JobKind, Outcome};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepDone, StepError, StepOutput};
use crate::keycloak::Enabled;
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let is_wanted = ctx.job.kind == JobKind::Enable || is_kept(ctx);
    if !is_wanted {
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

/// Whether a withdrawal found the account in use, and the person did not ask for its end.
fn is_kept(ctx: &StepContext<'_>) -> bool {
    let is_used = ctx.last_password_state() == StepOutput::PasswordState(PasswordState::Used);
    is_used && !ctx.is_cancelled_by_person()
}
