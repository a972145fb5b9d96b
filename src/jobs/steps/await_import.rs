//! `await_import`: waits until Keycloak shows a user with our federation link and our entry's id. An empty answer proves nothing, so the
//! step asks again.

use super::owned_entry::must_find_ours;
use crate::jobs::outcome::{StepDone, StepError, StepOutput};
use std::time::Duration;

use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::jobs::context::StepContext;
use crate::keycloak::Import;
use crate::worker::breaker::Target;

/// How often one attempt asks: during a concurrent import of the same user Keycloak answers empty for some milliseconds.
const ASKS: usize = 5;

/// The pause between two questions of one attempt.
const PAUSE: Duration = Duration::from_millis(150);

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    // An empty answer of Keycloak means "not yet" only if the entry exists.
    let ours = must_find_ours(ctx).await?;
    let account = ctx.account()?;
    let deps = &ctx.worker.deps;
    for ask in 0..ASKS {
        if ask > 0 {
            deps.clock.pause(PAUSE).await;
        }
        let asking = deps.keycloak.find_import(&account.username, &ours.directory_id);
        match ctx.call(Target::Keycloak, "find_import", asking).await?? {
            Import::Ours(id) => {
                let is_known = account.keycloak_id.as_ref() == Some(&id);
                let outcome = if is_known { Outcome::Unchanged } else { Outcome::Applied };
                return Ok(StepDone::new(outcome, StepOutput::Import(id)));
            }
            Import::NotYet => {}
            // Nothing is undone: the account is as it should be once an operator has removed that federation from the way.
            Import::Elsewhere(_) => {
                return Err(FailureAction::AskOperator { code: ErrorCode::KeycloakUserNotOurs }.into());
            }
            Import::NotOurs => {
                return Err(FailureAction::Undo { code: ErrorCode::KeycloakUserNotOurs }.into());
            }
        }
    }
    Err(FailureAction::Retry { code: ErrorCode::ImportNotSeen, after: None }.into())
}

pub(super) fn apply(ctx: &mut StepContext<'_>, output: &StepOutput) {
    let StepOutput::Import(id) = output else { return };
    ctx.note_account(|account| account.keycloak_id.replace(id.clone()).as_ref() != Some(id));
    ctx.note_entry(ctx.entry(Event::ImportSeen).becoming(id.as_str()));
}
