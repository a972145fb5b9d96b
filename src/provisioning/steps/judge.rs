//! `judge`: after the lock, was a password ever set? Only an entry that never had one may be removed.

use super::{Judged, Output, StepDone, find_ours};
use crate::domain::account::AccountState;
use crate::domain::work::Effect;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let judged = judge(scene).await?;
    Ok(StepDone::new(Effect::AlreadyThere, Output::Judged(judged)))
}

/// Looks now. An account that we saw active counts as used, whatever the directory says.
pub(super) async fn judge(scene: &Scene<'_>) -> Result<Judged, Halt> {
    let Some(ours) = find_ours(scene).await? else { return Ok(Judged::Gone) };
    let asking = scene.room.parts.directory.password_changed_at(&ours);
    let changed = scene.call(Target::Directory, "password_changed_at", asking).await??;
    let account = scene.account()?;
    let was_active = account.activated_at.is_some() || account.state == AccountState::Active;
    Ok(if changed.is_some() || was_active { Judged::Used } else { Judged::NeverUsed })
}
