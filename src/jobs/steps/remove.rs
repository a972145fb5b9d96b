//! `remove`: takes the entry out of the groups and deletes it, only if it is ours, locked, and never had a password. No user that was
//! made from it may stay in Keycloak.

use super::check_password;
use super::groups::note_removed;
use super::linked_user::must_be_gone;
use super::owned_entry::find_ours;
use crate::directory::Removed;
use crate::domain::audit::{Entry, Event};
use crate::domain::eligibility::GroupName;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome, Step};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepDone, StepError, StepOutput};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let password = ctx.output_of(Step::CheckPassword);
    if password == StepOutput::PasswordState(PasswordState::Gone) {
        must_be_gone(ctx).await?;
    }
    if password != StepOutput::PasswordState(PasswordState::NeverUsed) {
        return Ok(StepDone::skipped());
    }
    let done = remove(ctx).await?;
    if matches!(done.output, StepOutput::Removed { password: PasswordState::Gone, .. }) {
        must_be_gone(ctx).await?;
    }
    Ok(done)
}

async fn remove(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let Some(ours) = find_ours(ctx).await? else {
        return Ok(done(Outcome::Unchanged, PasswordState::Gone, Vec::new()));
    };
    let directory = &ctx.worker.deps.directory;
    let managed = ctx.managed_groups();
    let leaving = directory.ensure_membership(&ours, &[], &managed);
    let groups = ctx.call(Target::Directory, "ensure_membership", leaving).await??.removed;
    let removing = directory.remove_if_ours(&ours);
    match ctx.call(Target::Directory, "remove_if_ours", removing).await?? {
        Removed::Removed => Ok(done(Outcome::Applied, PasswordState::Gone, groups)),
        Removed::Absent => Ok(done(Outcome::Unchanged, PasswordState::Gone, groups)),
        Removed::NotOurs => Err(FailureAction::Conflict { code: ErrorCode::DirectoryConflict }.into()),
        Removed::HasPassword => match check_password::password_state(ctx).await? {
            PasswordState::Used => Ok(done(Outcome::Skipped, PasswordState::Used, groups)),
            PasswordState::Gone => Ok(done(Outcome::Unchanged, PasswordState::Gone, groups)),
            // The server refuses the delete and shows no password: only an operator can find out why.
            PasswordState::NeverUsed => {
                Err(FailureAction::AskOperator { code: ErrorCode::DirectoryRefused }.into())
            }
        },
    }
}

const fn done(outcome: Outcome, password: PasswordState, groups: Vec<GroupName>) -> StepDone {
    StepDone::new(outcome, StepOutput::Removed { password, groups })
}

/// Notes what was removed. An entry that is gone although the account names it was removed by an attempt that lost its record, or by
/// someone else.
pub(super) fn apply(ctx: &mut StepContext<'_>, done: &StepDone) {
    let id = ctx.account.as_ref().and_then(|account| account.directory_id.as_ref());
    let before = id.map(ToString::to_string);
    let is_gone = if let StepOutput::Removed { password, groups } = &done.output {
        note_removed(ctx, groups);
        *password == PasswordState::Gone
    } else {
        ctx.output_of(Step::CheckPassword) == StepOutput::PasswordState(PasswordState::Gone)
    };
    let event = match done.outcome {
        Outcome::Applied => Event::EntryRemoved,
        Outcome::Unchanged | Outcome::Skipped if is_gone && before.is_some() => Event::EntryAbsent,
        Outcome::Unchanged | Outcome::Skipped => return,
    };
    ctx.note_entry(Entry { before, ..ctx.entry(event) });
}
