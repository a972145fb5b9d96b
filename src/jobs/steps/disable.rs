//! `disable`: Keycloak `enabled: false`, read back. The entry is locked already.
//!
//! If Keycloak refuses, the sessions are ended nevertheless. A user whose entry is about to be removed disappears with it, so the job
//! goes on; any other job stops for an operator.

use super::{check_password, linked_user};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, JobKind};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepDone, StepError};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match linked_user::disable(ctx).await {
        Err(StepError::FailureAction(
            refused @ FailureAction::AskOperator { code: ErrorCode::KeycloakRefused },
        )) => {
            linked_user::end_sessions(ctx).await?;
            let is_kept = ctx.job.kind == JobKind::Lock
                || check_password::password_state(ctx).await? == PasswordState::Used;
            if is_kept { Err(refused.into()) } else { Ok(StepDone::skipped()) }
        }
        ended => ended,
    }
}
