//! The account's Keycloak user: find it, disable it, end its sessions.

use std::time::Duration;

use super::owned_entry::{find_entry, find_ours};
use crate::domain::account::KeycloakId;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::domain::person_name::stand_in;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};
use crate::keycloak::{Enabled, Import, StandIn};
use crate::worker::breaker::Target;

/// The recorded user, if Keycloak still has it. If none is recorded: the user that was imported from our entry, because an attempt that
/// crashed may have imported it. A recorded user that comes from another entry is a conflict: the worker never changes another person's
/// user.
pub(super) async fn find_user(ctx: &StepContext<'_>) -> Result<Option<KeycloakId>, StepError> {
    let account = ctx.account()?;
    if let Some(id) = &account.keycloak_id {
        let asking = ctx.worker.deps.keycloak.person(id);
        let Some(user) = ctx.call(Target::Keycloak, "person", asking).await?? else { return Ok(None) };
        // While the directory is unavailable Keycloak shows no directory id.
        let is_anothers = user.directory_id.is_some() && user.directory_id != account.directory_id;
        if is_anothers {
            return Err(FailureAction::Conflict { code: ErrorCode::KeycloakUserNotOurs }.into());
        }
        return Ok(Some(id.clone()));
    }
    let Some(entry) = find_entry(ctx).await? else { return Ok(None) };
    let asking = ctx.worker.deps.keycloak.find_import(&account.username, &entry.directory_id);
    match ctx.call(Target::Keycloak, "find_import", asking).await?? {
        Import::Ours(id) => Ok(Some(id)),
        Import::NotYet | Import::Elsewhere(_) | Import::NotOurs => Ok(None),
    }
}

/// How often Keycloak is asked whether a user is gone: it drops one when it is asked.
const ASKS: usize = 3;

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(150);

/// After the entry is gone: Keycloak drops the user that our own federation made from it. One that another federation made may stay, and
/// then the account is not ended yet.
pub(super) async fn must_be_gone(ctx: &StepContext<'_>) -> Result<(), StepError> {
    let account = ctx.account()?;
    if account.keycloak_id.is_some() || account.directory_id.is_none() {
        return Ok(());
    }
    let keycloak = &ctx.worker.deps.keycloak;
    for ask in 0..ASKS {
        if ask > 0 {
            ctx.worker.deps.clock.pause(PAUSE).await;
        }
        let asking = keycloak.left_user(&account.username);
        let Some(user) = ctx.call(Target::Keycloak, "left_user", asking).await?? else { return Ok(()) };
        if user.directory_id == account.directory_id {
            // Nobody may stay logged in as it, and afterwards Keycloak reads it again: a cached user is not dropped.
            let ending = keycloak.end_sessions(&user.id);
            if let Err(error) = ctx.call(Target::Keycloak, "end_sessions", ending).await? {
                tracing::warn!(error = %error, "the sessions of a user that stayed could not be ended");
            }
        }
    }
    Err(FailureAction::AskOperator { code: ErrorCode::KeycloakUserLeft }.into())
}

/// Disables the user, if there is one.
pub(super) async fn disable(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(id) = find_user(ctx).await? else { return Ok(StepDone::skipped()) };
    set_enabled(ctx, &id, Enabled::No).await.map(StepDone::plain)
}

/// Enables or disables the user, also if the realm's profile does not accept the user as it is.
pub(super) async fn set_enabled(
    ctx: &StepContext<'_>,
    id: &KeycloakId,
    enabled: Enabled,
) -> Result<Outcome, StepError> {
    let setting = ctx.worker.deps.keycloak.set_enabled(id, enabled);
    match ctx.call(Target::Keycloak, "set_enabled", setting).await? {
        Ok(outcome) => Ok(outcome),
        Err(refused) if !refused.rejected_fields().is_empty() => {
            set_rejected(ctx, id, enabled, refused.rejected_fields()).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes a user whom the realm's profile does not accept, with names that it accepts. Keycloak may write these names into the
/// directory, so the true ones are put back. A crash between the two leaves a name without the rejected characters.
async fn set_rejected(
    ctx: &StepContext<'_>,
    id: &KeycloakId,
    enabled: Enabled,
    fields: &[String],
) -> Result<Outcome, StepError> {
    let (directory, keycloak) = (&ctx.worker.deps.directory, &ctx.worker.deps.keycloak);
    let ours = find_ours(ctx).await?;
    let names = match &ours {
        Some(ours) => Some(ctx.call(Target::Directory, "names", directory.names(ours)).await??),
        None => None,
    };
    let (given, family) = names.as_ref().map_or(("", ""), |names| (names.given(), names.family()));
    let stand_in = StandIn { given: stand_in(given), family: stand_in(family) };
    let setting = keycloak.set_enabled_as(id, enabled, &stand_in, fields);
    let outcome = ctx.call(Target::Keycloak, "set_enabled_as", setting).await?;
    if let (Some(ours), Some(names)) = (&ours, &names) {
        let restoring = directory.restore_names(ours, names);
        ctx.call(Target::Directory, "restore_names", restoring).await??;
    }
    Ok(outcome?)
}

/// Ends the user's sessions, if there is a user.
pub(super) async fn end_sessions(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(id) = find_user(ctx).await? else { return Ok(StepDone::skipped()) };
    let ending = ctx.worker.deps.keycloak.end_sessions(&id);
    match ctx.call(Target::Keycloak, "end_sessions", ending).await? {
        Ok(()) => Ok(StepDone::plain(Outcome::Applied)),
        Err(error) if error.says_absent() => Ok(StepDone::skipped()),
        Err(error) => Err(error.into()),
    }
}
