//! `disable`: Keycloak `enabled: false`, read back. It and the lock do not wait for each other.

use super::{StepDone, find_entry, lock};
use crate::domain::account::KeycloakId;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Setback, Step};
use crate::keycloak::{Enabled, Import};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    match disable(scene).await {
        Err(Halt::Setback(setback @ Setback::Retry { .. })) => {
            // Keycloak is away: at least nobody binds to the entry meanwhile. The step `lock` says what came of it.
            if let Err(Halt::LostLease) = lock::lock(scene).await {
                return Err(Halt::LostLease);
            }
            Err(setback.into())
        }
        ended => ended,
    }
}

/// Disables, and does nothing else where that fails.
pub(super) async fn disable(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let Some(id) = find_user(scene).await? else { return Ok(StepDone::not_needed()) };
    let disabling = scene.room.parts.keycloak.set_enabled(&id, Enabled::No);
    let effect = scene.call(Target::Keycloak, "set_enabled", disabling).await??;
    Ok(StepDone::plain(effect))
}

/// The recorded user, if Keycloak still has them; where none was recorded though the import may have been tried, the one that comes
/// from our entry. A recorded user who comes from another entry by now is a conflict: nothing is done to a stranger.
pub(super) async fn find_user(scene: &Scene<'_>) -> Result<Option<KeycloakId>, Halt> {
    let account = scene.account()?;
    if let Some(id) = &account.keycloak_id {
        let asking = scene.room.parts.keycloak.person(id);
        let Some(user) = scene.call(Target::Keycloak, "person", asking).await?? else { return Ok(None) };
        // While the directory is away Keycloak shows no entry's id.
        let is_anothers = user.directory_id.is_some() && user.directory_id != account.directory_id;
        if is_anothers {
            return Err(Setback::Conflict { code: Refusal::KeycloakUserNotOurs }.into());
        }
        return Ok(Some(id.clone()));
    }
    if scene.last_record(Step::Groups).is_none() {
        return Ok(None);
    }
    let Some(entry) = find_entry(scene).await? else { return Ok(None) };
    let asking = scene.room.parts.keycloak.find_import(&account.username, &entry.directory_id);
    match scene.call(Target::Keycloak, "find_import", asking).await?? {
        Import::Ours(id) => Ok(Some(id)),
        Import::NotYet | Import::SomebodyElse => Ok(None),
    }
}
