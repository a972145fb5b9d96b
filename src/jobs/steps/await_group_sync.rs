//! `await_group_sync`: waits until Keycloak shows the groups of the entry. A group that Keycloak does not know needs one sync of the
//! mapper.

use super::owned_entry::find_entry;
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome, Step};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError, defect};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let wanted = ctx.wanted_groups()?;
    if !ctx.is_pending(Step::Groups) {
        must_be_member(ctx, &wanted).await?;
    }
    if is_seen(ctx, &wanted).await? {
        return Ok(StepDone::plain(Outcome::Unchanged));
    }
    ctx.call(Target::Keycloak, "sync_groups", ctx.worker.deps.keycloak.sync_groups()).await??;
    if is_seen(ctx, &wanted).await? {
        return Ok(StepDone::plain(Outcome::Applied));
    }
    Err(FailureAction::Retry { code: ErrorCode::GroupsNotSeen, after: None }.into())
}

/// Checks the memberships in the directory, too, because one that only Keycloak shows could be Keycloak's own.
async fn must_be_member(ctx: &StepContext<'_>, wanted: &[GroupName]) -> Result<(), StepError> {
    let conflict = FailureAction::Conflict { code: ErrorCode::DirectoryConflict };
    let entry = find_entry(ctx).await?.ok_or(conflict)?;
    let asking = ctx.worker.deps.directory.groups_of(&entry);
    let groups = ctx.call(Target::Directory, "groups_of", asking).await??;
    if wanted.iter().all(|group| groups.contains(group)) {
        return Ok(());
    }
    Err(FailureAction::AskOperator { code: ErrorCode::GroupsNotSeen }.into())
}

async fn is_seen(ctx: &StepContext<'_>, wanted: &[GroupName]) -> Result<bool, StepError> {
    let id = ctx.account()?.keycloak_id.as_ref().ok_or_else(defect)?;
    let asking = ctx.worker.deps.keycloak.groups(id);
    let groups = ctx.call(Target::Keycloak, "groups", asking).await??;
    Ok(wanted.iter().all(|group| groups.contains(group)))
}
