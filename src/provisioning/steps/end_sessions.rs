//! `end_sessions`: `enabled: false` alone does not end a session in Keycloak.

use super::{StepDone, disable};
use crate::domain::work::Effect;
use crate::keycloak::KeycloakError;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let Some(id) = disable::find_user(scene).await? else { return Ok(StepDone::not_needed()) };
    let ending = scene.room.parts.keycloak.end_sessions(&id);
    match scene.call(Target::Keycloak, "end_sessions", ending).await? {
        Ok(()) => Ok(StepDone::plain(Effect::Made)),
        Err(KeycloakError::Status { status: 404, .. }) => Ok(StepDone::not_needed()),
        Err(error) => Err(error.into()),
    }
}
