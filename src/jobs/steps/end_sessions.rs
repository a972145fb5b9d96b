//! `end_sessions`: ends the user's sessions, because `enabled: false` alone does not end them in Keycloak.

use super::linked_user;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    linked_user::end_sessions(ctx).await
}
