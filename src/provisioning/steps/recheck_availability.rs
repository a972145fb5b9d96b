//! `recheck_availability`: the look of `check` once more, ours excepted, right before anything is written.

use super::{StepDone, find_entry};
use crate::directory::Taken;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let form = ctx.form()?;
    let mark = ctx.mark()?;
    let deps = &ctx.worker.deps;
    let looking = deps.directory.look(&form.username, &form.address, ctx.discord_id()?);
    let found = ctx.call(Target::Directory, "look", looking).await??;
    let is_foreign = |taken: Option<Taken>| taken.is_some_and(|taken| taken != Taken::ByAccount(mark));
    if is_foreign(found.discord_id) {
        return Err(FailureAction::Conflict { code: ErrorCode::DirectoryConflict }.into());
    }
    if is_foreign(found.username) {
        return Err(FailureAction::Undo { code: ErrorCode::NameUnavailable }.into());
    }
    if is_foreign(found.address) {
        return Err(FailureAction::Undo { code: ErrorCode::AddressInUse }.into());
    }
    let looking = deps.keycloak.look(&form.username, &form.address);
    let in_keycloak = ctx.call(Target::Keycloak, "look", looking).await??;
    // Only an earlier try of this very work can have made a user that is not taken: it comes from our entry.
    let entry = match (in_keycloak.username.is_empty(), in_keycloak.address.is_empty()) {
        (true, true) => None,
        (false, _) | (_, false) => find_entry(ctx).await?,
    };
    let mine = entry.as_ref().map(|entry| &entry.directory_id);
    if in_keycloak.is_username_taken(mine) || in_keycloak.is_address_taken(mine) {
        return Err(FailureAction::Undo { code: ErrorCode::KeycloakUserNotOurs }.into());
    }
    Ok(StepDone::plain(Outcome::Unchanged))
}
