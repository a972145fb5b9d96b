//! The steps, one file each; this file only dispatches. Each step has two halves: `ensure` looks, acts only if needed and reads back,
//! outside any transaction; `write` puts the consequences into the rows, inside the transaction that records the step.
//!
//! Running a step twice equals running it once. Only `mail` and `resend` can't be made so: they count before they act. Steps exchange
//! data only through [`StepOutput`](super::outcome::StepOutput) and the account's row. A step never imports this file.

mod await_group_sync;
mod await_import;
mod check_availability;
mod check_password;
mod create_entry;
mod disable;
mod eligible;
mod end_sessions;
mod finalize;
mod grant_role;
mod groups;
mod invite;
mod linked_user;
mod lock;
mod mail;
mod mail_quota;
mod owned_entry;
mod recheck_availability;
mod remove;
mod resend;
mod unlock;

use futures::future::BoxFuture;

use super::context::StepContext;
use super::outcome::{StepDone, StepError, WriteConflict};
use crate::domain::audit::Event;
use crate::domain::job::{Outcome, Step};
use crate::store::{StoreError, Tx};

/// Ensures the result of the present step.
pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    match ctx.step {
        Step::CheckAvailability => apart(|| check_availability::ensure(ctx)).await,
        Step::Eligible => apart(|| eligible::ensure(ctx)).await,
        Step::RecheckAvailability => apart(|| recheck_availability::ensure(ctx)).await,
        Step::CreateEntry => apart(|| create_entry::ensure(ctx)).await,
        Step::Groups => apart(|| groups::ensure(ctx)).await,
        Step::AwaitImport => apart(|| await_import::ensure(ctx)).await,
        Step::AwaitGroupSync => apart(|| await_group_sync::ensure(ctx)).await,
        Step::Mail => apart(|| mail::ensure(ctx)).await,
        Step::Invite => apart(|| invite::ensure(ctx)).await,
        Step::Disable => apart(|| disable::ensure(ctx)).await,
        Step::Lock => apart(|| lock::ensure(ctx)).await,
        Step::EndSessions => apart(|| end_sessions::ensure(ctx)).await,
        Step::CheckPassword => apart(|| check_password::ensure(ctx)).await,
        Step::Remove => apart(|| remove::ensure(ctx)).await,
        Step::Unlock => apart(|| unlock::ensure(ctx)).await,
        Step::Finalize => Ok(StepDone::plain(Outcome::Applied)),
        Step::GrantRole => apart(|| grant_role::ensure(ctx)).await,
        Step::Resend => apart(|| resend::ensure(ctx)).await,
    }
}

/// A step's future on the heap, created in its own stack frame: unoptimized, the frame of [`ensure`] would hold all of them.
fn apart<'a, Made: Future<Output = Result<StepDone, StepError>> + Send + 'a>(
    make: impl FnOnce() -> Made,
) -> BoxFuture<'a, Result<StepDone, StepError>> {
    Box::pin(make())
}

/// Writes the consequences of the step into the transaction that records it. The inner error: the rows contradict the step.
pub(super) async fn write(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    done: &StepDone,
) -> Result<Result<(), WriteConflict>, StoreError> {
    match ctx.step {
        Step::CheckAvailability => return check_availability::write(ctx, tx, &done.output).await,
        Step::CreateEntry => create_entry::write(ctx, tx, done).await?,
        Step::Groups => groups::write(ctx, tx, &done.output),
        Step::AwaitImport => await_import::write(ctx, tx, &done.output).await?,
        Step::Mail => mail::write(ctx, tx, done.outcome).await?,
        Step::Invite => invite::write(ctx, tx, &done.output).await?,
        Step::Remove => remove::write(ctx, tx, done.outcome),
        Step::Finalize => finalize::write(ctx, tx).await?,
        Step::GrantRole => grant_role::write(ctx, tx, done.outcome),
        Step::Resend => resend::write(ctx, tx, &done.output).await?,
        Step::Disable => audit_effect(ctx, tx, done, Event::UserDisabled),
        Step::Lock => audit_effect(ctx, tx, done, Event::EntryLocked),
        Step::EndSessions => audit_effect(ctx, tx, done, Event::SessionsEnded),
        Step::Unlock => audit_effect(ctx, tx, done, Event::AccountEnabled),
        Step::Eligible | Step::RecheckAvailability | Step::AwaitGroupSync | Step::CheckPassword => {}
    }
    Ok(Ok(()))
}

/// Adds the audit row of a step that changed something outside. `Unchanged` counts, too: an earlier run may have made the change and
/// lost its record.
fn audit_effect(ctx: &StepContext<'_>, tx: &mut Tx, done: &StepDone, event: Event) {
    if done.outcome != Outcome::Skipped {
        tx.audit(ctx.entry(event));
    }
}
