//! `groups_seen`: Keycloak shows the groups of the entry. A group that Keycloak does not know needs one sync of the mapper.

use super::{StepDone, find_entry};
use crate::domain::eligibility::GroupName;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::{Scene, defect};

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let wanted = scene.wanted_groups()?;
    must_be_member(scene, &wanted).await?;
    if is_seen(scene, &wanted).await? {
        return Ok(StepDone::plain(Effect::AlreadyThere));
    }
    scene.call(Target::Keycloak, "sync_groups", scene.room.parts.keycloak.sync_groups()).await??;
    if is_seen(scene, &wanted).await? {
        return Ok(StepDone::plain(Effect::Made));
    }
    Err(Setback::Retry { code: Refusal::GroupsNotSeen, after: None }.into())
}

/// The directory itself names the entry as a member: what Keycloak alone says could be a membership of its own.
async fn must_be_member(scene: &Scene<'_>, wanted: &[GroupName]) -> Result<(), Halt> {
    let conflict = Setback::Conflict { code: Refusal::DirectoryConflict };
    let entry = find_entry(scene).await?.ok_or(conflict)?;
    let asking = scene.room.parts.directory.groups_of(&entry);
    let groups = scene.call(Target::Directory, "groups_of", asking).await??;
    if wanted.iter().all(|group| groups.contains(group)) {
        return Ok(());
    }
    Err(Setback::AskOperator { code: Refusal::GroupsNotSeen }.into())
}

async fn is_seen(scene: &Scene<'_>, wanted: &[GroupName]) -> Result<bool, Halt> {
    let id = scene.account()?.keycloak_id.as_ref().ok_or_else(defect)?;
    let asking = scene.room.parts.keycloak.groups(id);
    let groups = scene.call(Target::Keycloak, "groups", asking).await??;
    Ok(wanted.iter().all(|group| groups.contains(group)))
}
