//! `import`: Keycloak shows a user with our federation link and our entry's id. An empty answer proves nothing, so it is asked again.

use std::time::Duration;

use super::{Output, StepDone, must_find_ours};
use crate::domain::audit::Event;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback};
use crate::keycloak::Import;
use crate::provisioning::breaker::Target;
use crate::provisioning::call::Halt;
use crate::provisioning::rows;
use crate::provisioning::scene::Scene;
use crate::store::{StoreError, Tx};

/// How often one try asks: a concurrent import of the same user answers empty for some milliseconds.
const ASKS: usize = 5;

/// The pause between two asks of one try.
const PAUSE: Duration = Duration::from_millis(150);

pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    // The entry is there, by our own eyes: only then an empty answer of Keycloak is a "not yet".
    let ours = must_find_ours(scene).await?;
    let account = scene.account()?;
    let parts = &scene.room.parts;
    for ask in 0..ASKS {
        if ask > 0 {
            parts.clock.pause(PAUSE).await;
        }
        let asking = parts.keycloak.find_import(&account.username, &ours.directory_id);
        match scene.call(Target::Keycloak, "find_import", asking).await?? {
            Import::Ours(id) => {
                let is_known = account.keycloak_id.as_ref() == Some(&id);
                let effect = if is_known { Effect::AlreadyThere } else { Effect::Made };
                return Ok(StepDone::new(effect, Output::Import(id)));
            }
            Import::NotYet => {}
            Import::SomebodyElse => return Err(Setback::Undo { code: Refusal::KeycloakUserNotOurs }.into()),
        }
    }
    Err(Setback::Retry { code: Refusal::ImportNotSeen, after: None }.into())
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, output: &Output) -> Result<(), StoreError> {
    let (Output::Import(id), Some(account)) = (output, &scene.account) else { return Ok(()) };
    if let Some(mut account) = tx.account(account.id).await?
        && account.keycloak_id.as_ref() != Some(id)
    {
        account.keycloak_id = Some(id.clone());
        rows::save(tx, &account).await?;
    }
    tx.audit(scene.entry(Event::ImportSeen).becoming(id.as_str()));
    Ok(())
}
