//! `disable`: Keycloak `enabled: false`, read back. It and the lock do not wait for each other.

use super::{StepDone, find_entry, lock};
use crate::domain::account::KeycloakId;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Step};
use crate::keycloak::{Enabled, Import};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match disable(ctx).await {
        Err(StepError::FailureAction(failure_action @ FailureAction::Retry { .. })) => {
            // Keycloak is away: at least nobody binds to the entry meanwhile. The step `lock` says what came of it.
            if let Err(StepError::LostLease) = lock::lock(ctx).await {
                return Err(StepError::LostLease);
            }
            Err(failure_action.into())
        }
        ended => ended,
    }
}

/// Disables, and does nothing else where that fails.
pub(super) async fn disable(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(id) = find_user(ctx).await? else { return Ok(StepDone::skipped()) };
    let disabling = ctx.worker.deps.keycloak.set_enabled(&id, Enabled::No);
    let outcome = ctx.call(Target::Keycloak, "set_enabled", disabling).await??;
    Ok(StepDone::plain(outcome))
}

/// The recorded user, if Keycloak still has them; where none was recorded though the import may have been tried, the one that comes
/// from our entry. A recorded user who comes from another entry by now is a conflict: nothing is done to a stranger.
pub(super) async fn find_user(ctx: &StepContext<'_>) -> Result<Option<KeycloakId>, StepError> {
    let account = ctx.account()?;
    if let Some(id) = &account.keycloak_id {
        let asking = ctx.worker.deps.keycloak.person(id);
        let Some(user) = ctx.call(Target::Keycloak, "person", asking).await?? else { return Ok(None) };
        // While the directory is away Keycloak shows no entry's id.
        let is_anothers = user.directory_id.is_some() && user.directory_id != account.directory_id;
        if is_anothers {
            return Err(FailureAction::Conflict { code: ErrorCode::KeycloakUserNotOurs }.into());
        }
        return Ok(Some(id.clone()));
    }
    if ctx.last_record(Step::Groups).is_none() {
        return Ok(None);
    }
    let Some(entry) = find_entry(ctx).await? else { return Ok(None) };
    let asking = ctx.worker.deps.keycloak.find_import(&account.username, &entry.directory_id);
    match ctx.call(Target::Keycloak, "find_import", asking).await?? {
        Import::Ours(id) => Ok(Some(id)),
        Import::NotYet | Import::SomebodyElse => Ok(None),
    }
}
