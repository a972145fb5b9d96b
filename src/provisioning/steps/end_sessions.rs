//! `end_sessions`: `enabled: false` alone does not end a session in Keycloak.

use super::{StepDone, disable};
use crate::domain::job::Outcome;
use crate::keycloak::KeycloakError;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(id) = disable::find_user(ctx).await? else { return Ok(StepDone::skipped()) };
    let ending = ctx.worker.deps.keycloak.end_sessions(&id);
    match ctx.call(Target::Keycloak, "end_sessions", ending).await? {
        Ok(()) => Ok(StepDone::plain(Outcome::Applied)),
        Err(KeycloakError::Status { status: 404, .. }) => Ok(StepDone::skipped()),
        Err(error) => Err(error.into()),
    }
}
