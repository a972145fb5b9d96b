//! `lock`: the directory's lock on the entry. With the documented ACL nobody sets a password on a locked entry, so what `judge` sees
//! after it is final.

use super::{StepDone, disable, end_sessions, find_ours};
use crate::domain::work::{Setback, WorkKind};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::scene::Scene;

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    match lock(scene).await {
        Err(Halt::Setback(setback @ Setback::Retry { .. })) if scene.work.kind == WorkKind::Lock => {
            // The directory is away, and the person waits: at least nobody logs in meanwhile. The next steps say what came of it.
            Box::pin(do_what_keycloak_can(scene)).await?;
            Err(setback.into())
        }
        ended => ended,
    }
}

/// Disables the user and ends the sessions, as far as Keycloak lets us.
async fn do_what_keycloak_can(scene: &Scene<'_>) -> Result<(), Halt> {
    for ended in [disable::disable(scene).await, end_sessions::ensure(scene).await] {
        if let Err(Halt::LostLease) = ended {
            return Err(Halt::LostLease);
        }
    }
    Ok(())
}

/// Locks, and does nothing else where that fails.
pub(super) async fn lock(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    let Some(ours) = find_ours(scene).await? else { return Ok(StepDone::not_needed()) };
    let locking = scene.room.parts.directory.lock(&ours);
    let effect = scene.call(Target::Directory, "lock", locking).await??;
    Ok(StepDone::plain(effect))
}
