//! `recheck_availability`: repeats the check of `check_availability` right before anything is written. Our own entry doesn't count.
//! Keycloak is asked only if this process did not ask it within the last 30 s.

use super::owned_entry::find_entry;
use crate::directory::Taken;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let form = ctx.form()?;
    let mark = ctx.mark()?;
    let deps = &ctx.worker.deps;
    let looking = deps.directory.find_holders(&form.username, &form.address, ctx.discord_id()?);
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
    // This process asked Keycloak a moment ago. The directory's overlay `unique` and the check of the import catch later changes.
    if ctx.worker.recent_checks.take_fresh(ctx.request()?.id, deps.clock.moment()) {
        return Ok(StepDone::plain(Outcome::Unchanged));
    }
    let looking = deps.keycloak.find_holders(&form.username, &form.address);
    let in_keycloak = ctx.call(Target::Keycloak, "look", looking).await??;
    // A user that comes from our entry was imported by an earlier attempt of this job.
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
