//! `remove`: takes the entry out of the groups and deletes it, only if it is ours, locked, and never had a password.

use super::check_password;
use super::owned_entry::find_ours;
use crate::directory::Removed;
use crate::domain::audit::{Entry, Event};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome, Step};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{PasswordState, StepDone, StepError, StepOutput};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    if ctx.output_of(Step::CheckPassword) != StepOutput::PasswordState(PasswordState::NeverUsed) {
        return Ok(StepDone::skipped());
    }
    let gone = StepOutput::PasswordState(PasswordState::Gone);
    let Some(ours) = find_ours(ctx).await? else { return Ok(StepDone::new(Outcome::Unchanged, gone)) };
    let directory = &ctx.worker.deps.directory;
    let managed = ctx.managed_groups();
    let leaving = directory.ensure_membership(&ours, &[], &managed);
    ctx.call(Target::Directory, "ensure_membership", leaving).await??;
    let removing = directory.remove_if_ours(&ours);
    match ctx.call(Target::Directory, "remove_if_ours", removing).await?? {
        Removed::Removed => Ok(StepDone::new(Outcome::Applied, gone)),
        Removed::Absent => Ok(StepDone::new(Outcome::Unchanged, gone)),
        Removed::NotOurs => Err(FailureAction::Conflict { code: ErrorCode::DirectoryConflict }.into()),
        Removed::HasPassword => match check_password::password_state(ctx).await? {
            PasswordState::Used => {
                Ok(StepDone::new(Outcome::Skipped, StepOutput::PasswordState(PasswordState::Used)))
            }
            PasswordState::Gone => Ok(StepDone::new(Outcome::Unchanged, gone)),
            // The server refuses the delete and shows no password: only an operator can find out why.
            PasswordState::NeverUsed => {
                Err(FailureAction::AskOperator { code: ErrorCode::DirectoryRefused }.into())
            }
        },
    }
}

pub(super) fn apply(ctx: &mut StepContext<'_>, outcome: Outcome) {
    if outcome == Outcome::Applied {
        let id = ctx.account.as_ref().and_then(|account| account.directory_id.as_ref());
        let before = id.map(ToString::to_string);
        ctx.note_entry(Entry { before, ..ctx.entry(Event::EntryRemoved) });
    }
}
