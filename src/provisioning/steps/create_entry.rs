//! `create_entry`: the LDAP Add, without a password, with Discord id and mark in the Add itself. Where it had to wait, the member is looked
//! at once more.

use super::{Output, StepDone, eligible};
use crate::directory::{Added, Look, NewPerson, Taken};
use crate::domain::account::Mark;
use crate::domain::audit::Event;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::provisioning::breaker::Target;
use crate::provisioning::call::StepError;
use crate::provisioning::context::StepContext;
use crate::provisioning::transitions;
use crate::store::{StoreError, Tx};

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    let rejudged = eligible::again_if_old(ctx).await?;
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
        Added::Conflict(look) => return Err(judge_conflict(look, person.mark).into()),
    };
    Ok(StepDone { rejudged, ..StepDone::new(outcome, Output::Entry(entry.directory_id)) })
}

/// Somebody took one of the three between the look and the Add.
fn judge_conflict(look: Look, mine: Mark) -> FailureAction {
    let is_foreign = |taken: Option<Taken>| taken.is_some_and(|taken| taken != Taken::ByAccount(mine));
    if is_foreign(look.discord_id) {
        FailureAction::Conflict { code: ErrorCode::DirectoryConflict }
    } else if is_foreign(look.username) {
        FailureAction::Undo { code: ErrorCode::NameUnavailable }
    } else if is_foreign(look.address) {
        FailureAction::Undo { code: ErrorCode::AddressInUse }
    } else {
        // The mark is ours and the Discord id is not, or the server sees a clash that our bind may not see.
        FailureAction::Conflict { code: ErrorCode::DirectoryConflict }
    }
}

pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, done: &StepDone) -> Result<(), StoreError> {
    let (Output::Entry(id), Some(account)) = (&done.output, &ctx.account) else { return Ok(()) };
    if let Some(mut account) = tx.account(account.id).await?
        && account.directory_id.as_ref() != Some(id)
    {
        account.directory_id = Some(id.clone());
        transitions::save(tx, &account).await?;
    }
    let event = if done.outcome == Outcome::Applied { Event::EntryCreated } else { Event::EntryFound };
    tx.audit(ctx.entry(event).becoming(id.as_str()));
    Ok(())
}
