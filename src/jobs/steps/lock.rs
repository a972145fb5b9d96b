//! `lock`: the directory's lock on the entry. With the documented ACL no password can be set on a locked entry, so what
//! `check_password` reads after it is final.
//!
//! It is the first step of every way out of an account, because nothing in Keycloak can refuse it.

use super::{linked_user, owned_entry};
use crate::domain::job::FailureAction;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match owned_entry::lock(ctx).await {
        Err(StepError::FailureAction(failure_action @ FailureAction::Retry { .. })) => {
            // The directory is unavailable: at least nobody logs in meanwhile. The next steps report how that went.
            Box::pin(do_what_keycloak_can(ctx)).await?;
            Err(failure_action.into())
        }
        ended => ended,
    }
}

/// Disables the user and ends the sessions, as far as Keycloak allows.
async fn do_what_keycloak_can(ctx: &StepContext<'_>) -> Result<(), StepError> {
    for ended in [linked_user::disable(ctx).await, linked_user::end_sessions(ctx).await] {
        if let Err(StepError::LostLease) = ended {
            return Err(StepError::LostLease);
        }
    }
    Ok(())
}
