//! `create_entry`: the LDAP Add, without a password; Discord id and mark are part of the Add. If the job had to wait before it, the
//! policy is evaluated again first.

use super::eligible;
use crate::directory::{Added, Holders, NewPerson, Taken};
use crate::domain::account::Mark;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError, StepOutput};
use crate::worker::breaker::Target;

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let (decided_at, redecided) = eligible::decide_again_if_old(ctx).await?;
    let form = ctx.form()?;
    let account = ctx.account()?;
    let person = NewPerson {
        username: &account.username,
        given: &form.given,
        family: &form.family,
        address: &form.address,
        discord_id: ctx.discord_id()?,
        mark: ctx.mark()?,
    };
    let adding = ctx.worker.deps.directory.add_person(&person);
    let (outcome, entry) = match ctx.call(Target::Directory, "add_person", adding).await?? {
        Added::Created(entry) => (Outcome::Applied, entry),
        Added::AlreadyOurs(entry) => (Outcome::Unchanged, entry),
        Added::Conflict(holders) => return Err(failure_of(holders, person.mark).into()),
    };
    let output = StepOutput::Entry(entry.directory_id.clone());
    // `groups` comes next, and needs it.
    let _ = ctx.created.set(entry);
    Ok(StepDone { redecided, decided_at, ..StepDone::new(outcome, output) })
}

/// The failure action if one of the three values was taken between the check and the Add.
fn failure_of(holders: Holders, mine: Mark) -> FailureAction {
    let is_foreign = |taken: Option<Taken>| taken.is_some_and(|taken| taken != Taken::ByAccount(mine));
    if is_foreign(holders.discord_id) {
        FailureAction::Conflict { code: ErrorCode::DirectoryConflict }
    } else if is_foreign(holders.username) {
        FailureAction::Undo { code: ErrorCode::NameUnavailable }
    } else if is_foreign(holders.address) {
        FailureAction::Undo { code: ErrorCode::AddressInUse }
    } else {
        // The mark is ours and the Discord id is not, or the server sees a conflict that the bot's bind can't read.
        FailureAction::Conflict { code: ErrorCode::DirectoryConflict }
    }
}

pub(super) fn apply(ctx: &mut StepContext<'_>, done: &StepDone) {
    let StepOutput::Entry(id) = &done.output else { return };
    ctx.note_account(|account| account.directory_id.replace(id.clone()).as_ref() != Some(id));
    let event = if done.outcome == Outcome::Applied { Event::EntryCreated } else { Event::EntryFound };
    ctx.note_entry(ctx.entry(event).becoming(id.as_str()));
}
