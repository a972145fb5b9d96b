//! `restore`: the look found an account in use, and nobody wants it gone (it was only unused for too long): unlock and enable again.

use super::{Judged, Output, StepDone, close, disable, find_ours};
use crate::domain::work::Effect;
use crate::keycloak::Enabled;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let is_used = close::last_judgement(scene) == Output::Judged(Judged::Used);
    if !is_used || scene.is_cancelled_by_person() {
        return Ok(StepDone::not_needed());
    }
    let Some(ours) = find_ours(scene).await? else { return Ok(StepDone::not_needed()) };
    let unlocking = scene.room.parts.directory.unlock(&ours);
    let unlocked = scene.call(Target::Directory, "unlock", unlocking).await??;
    let Some(id) = disable::find_user(scene).await? else { return Ok(StepDone::plain(unlocked)) };
    let enabling = scene.room.parts.keycloak.set_enabled(&id, Enabled::Yes);
    let enabled = scene.call(Target::Keycloak, "set_enabled", enabling).await??;
    let is_changed = unlocked == Effect::Made || enabled == Effect::Made;
    Ok(StepDone::plain(if is_changed { Effect::Made } else { Effect::AlreadyThere }))
}
