//! The account's directory entry: find it, and only if it is ours; lock it.

use crate::directory::{By, Entry, OwnedEntry};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::FailureAction;
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};
use crate::worker::breaker::Target;

/// The account's entry as it is now, if it is ours by mark, Discord id and (if recorded) directory id. `None` if there is none. An
/// entry that matches only in part is a conflict.
pub(super) async fn find_entry(ctx: &StepContext<'_>) -> Result<Option<Entry>, StepError> {
    let account = ctx.account()?;
    let (mark, discord_id) = (ctx.mark()?, ctx.discord_id()?);
    let by = account.directory_id.as_ref().map_or(By::Mark(mark), By::DirectoryId);
    let found = ctx.call(Target::Directory, "find", ctx.worker.deps.directory.find(by)).await??;
    let mut found = found.into_iter();
    let (Some(entry), None) = (found.next(), found.next()) else { return Ok(None) };
    if entry.ours(mark, discord_id).is_none() {
        return Err(FailureAction::Conflict { code: ErrorCode::DirectoryConflict }.into());
    }
    Ok(Some(entry))
}

/// The handle for writing to the account's entry, if there is one.
pub(super) async fn find_ours(ctx: &StepContext<'_>) -> Result<Option<OwnedEntry>, StepError> {
    let (mark, discord_id) = (ctx.mark()?, ctx.discord_id()?);
    Ok(find_entry(ctx).await?.and_then(|entry| entry.ours(mark, discord_id)))
}

/// The account's entry for a step that can't be without it: a missing entry is a conflict, too.
pub(super) async fn must_find_ours(ctx: &StepContext<'_>) -> Result<OwnedEntry, StepError> {
    let ours = find_ours(ctx).await?;
    ours.ok_or_else(|| FailureAction::Conflict { code: ErrorCode::DirectoryConflict }.into())
}

/// Locks the entry, if there is one.
pub(super) async fn lock(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(ours) = find_ours(ctx).await? else { return Ok(StepDone::skipped()) };
    let locking = ctx.worker.deps.directory.lock(&ours);
    let outcome = ctx.call(Target::Directory, "lock", locking).await??;
    Ok(StepDone::plain(outcome))
}
