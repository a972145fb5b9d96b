//! `lock`: the directory's lock on the entry. With the documented ACL nobody sets a password on a locked entry, so what `judge` sees
//! after it is final.

use super::{StepDone, disable, end_sessions, find_ours};
use crate::domain::job::{FailureAction, JobKind};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match lock(ctx).await {
        Err(StepError::FailureAction(failure_action @ FailureAction::Retry { .. }))
            if ctx.job.kind == JobKind::Lock =>
        {
            // The directory is away, and the person waits: at least nobody logs in meanwhile. The next steps say what came of it.
            Box::pin(do_what_keycloak_can(ctx)).await?;
            Err(failure_action.into())
        }
        ended => ended,
    }
}

/// Disables the user and ends the sessions, as far as Keycloak lets us.
async fn do_what_keycloak_can(ctx: &StepContext<'_>) -> Result<(), StepError> {
    for ended in [disable::disable(ctx).await, end_sessions::ensure(ctx).await] {
        if let Err(StepError::LostLease) = ended {
            return Err(StepError::LostLease);
        }
    }
    Ok(())
}

/// Locks, and does nothing else where that fails.
pub(super) async fn lock(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(ours) = find_ours(ctx).await? else { return Ok(StepDone::skipped()) };
    let locking = ctx.worker.deps.directory.lock(&ours);
    let outcome = ctx.call(Target::Directory, "lock", locking).await??;
    Ok(StepDone::plain(outcome))
}
