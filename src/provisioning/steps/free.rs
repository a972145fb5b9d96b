//! `free`: the look of `check` once more, ours excepted, right before anything is written.

use super::{StepDone, find_entry};
use crate::directory::Taken;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let form = scene.form()?;
    let mark = scene.mark()?;
    let parts = &scene.room.parts;
    let looking = parts.directory.look(&form.username, &form.address, scene.discord_id()?);
    let found = scene.call(Target::Directory, "look", looking).await??;
    let is_foreign = |taken: Option<Taken>| taken.is_some_and(|taken| taken != Taken::ByAccount(mark));
    if is_foreign(found.discord_id) {
        return Err(Setback::Conflict { code: Refusal::DirectoryConflict }.into());
    }
    if is_foreign(found.username) {
        return Err(Setback::Undo { code: Refusal::NameUnavailable }.into());
    }
    if is_foreign(found.address) {
        return Err(Setback::Undo { code: Refusal::AddressInUse }.into());
    }
    let looking = parts.keycloak.look(&form.username, &form.address);
    let in_keycloak = scene.call(Target::Keycloak, "look", looking).await??;
    // Only an earlier try of this very work can have made a user that is not taken: it comes from our entry.
    let entry = match (in_keycloak.username.is_empty(), in_keycloak.address.is_empty()) {
        (true, true) => None,
        (false, _) | (_, false) => find_entry(scene).await?,
    };
    let mine = entry.as_ref().map(|entry| &entry.directory_id);
    if in_keycloak.is_username_taken(mine) || in_keycloak.is_address_taken(mine) {
        return Err(Setback::Undo { code: Refusal::KeycloakUserNotOurs }.into());
    }
    Ok(StepDone::plain(Effect::AlreadyThere))
}
