//! `disable`: Keycloak `enabled: false`, read back. If Keycloak is unavailable, the directory's lock does not wait for it.

use super::{linked_user, owned_entry};
use crate::domain::job::FailureAction;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match linked_user::disable(ctx).await {
        Err(StepError::FailureAction(failure_action @ FailureAction::Retry { .. })) => {
            // Keycloak is unavailable: the lock at least prevents a bind meanwhile. The step `lock` reports how that went.
            if let Err(StepError::LostLease) = owned_entry::lock(ctx).await {
                return Err(StepError::LostLease);
            }
            Err(failure_action.into())
        }
        ended => ended,
    }
}
