//! The steps, one file each; this file only dispatches. Each step has two halves: `ensure` looks, acts only if needed and reads back,
//! outside any transaction; `apply` changes the rows in memory, or `write` changes them in the transaction that records the step.
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
mod reset_password;
mod unlock;

use futures::future::BoxFuture;

use super::context::StepContext;
use super::outcome::{StepDone, StepError, WriteConflict};
use crate::domain::audit::Event;
use crate::domain::job::{JobKind, Outcome, Step};
use crate::store::{StoreError, Tx};

/// Ensures the result of the current step.
pub(super) async fn ensure(ctx: &mut StepContext<'_>) -> Result<StepDone, StepError> {
    match ctx.step {
        Step::CheckAvailability => apart(|| check_availability::ensure(ctx)).await,
        Step::Eligible => apart(|| eligible::ensure(ctx)).await,
        Step::RecheckAvailability => apart(|| recheck_availability::ensure(ctx)).await,
        Step::CreateEntry => apart(|| create_entry::ensure(ctx)).await,
        Step::Groups => apart(|| groups::ensure(ctx)).await,
        Step::AwaitImport => apart(|| await_import::ensure(ctx)).await,
        Step::AwaitGroupSync => apart(|| await_group_sync::ensure(ctx)).await,
        Step::Mail => apart(move || mail::ensure(ctx)).await,
        Step::Invite => apart(|| invite::ensure(ctx)).await,
        Step::Disable => apart(|| disable::ensure(ctx)).await,
        Step::Lock => apart(|| lock::ensure(ctx)).await,
        Step::EndSessions => apart(|| end_sessions::ensure(ctx)).await,
        Step::CheckPassword => apart(|| check_password::ensure(ctx)).await,
        Step::Remove => apart(|| remove::ensure(ctx)).await,
        Step::Unlock => apart(|| unlock::ensure(ctx)).await,
        Step::ResetPassword => apart(|| reset_password::ensure(ctx)).await,
        Step::Finalize => Ok(StepDone::plain(Outcome::Applied)),
        Step::GrantRole => apart(|| grant_role::ensure(ctx)).await,
        Step::Resend => apart(move || resend::ensure(ctx)).await,
    }
}

/// A step's future on the heap, created in its own stack frame: unoptimized, the frame of [`ensure`] would hold all of them.
fn apart<'a, Made: Future<Output = Result<StepDone, StepError>> + Send + 'a>(
    make: impl FnOnce() -> Made,
) -> BoxFuture<'a, Result<StepDone, StepError>> {
    Box::pin(make())
}

/// Whether the step must be recorded before the next one begins.
pub(super) fn is_barrier(ctx: &StepContext<'_>) -> bool {
    let is_recorded_with_next = ctx.step == Step::Mail && mail::is_first_mail_accepted(ctx);
    ctx.step.is_recorded_at_once() && !is_recorded_with_next
}

/// Applies the consequences of the step to the rows in memory. The next barrier writes them.
pub(super) fn apply(ctx: &mut StepContext<'_>, done: &StepDone) {
    match ctx.step {
        Step::CreateEntry => create_entry::apply(ctx, done),
        Step::Groups => groups::apply(ctx, &done.output),
        Step::AwaitImport => await_import::apply(ctx, &done.output),
        Step::Remove => remove::apply(ctx, done),
        Step::GrantRole => grant_role::apply(ctx, done.outcome),
        Step::Mail => mail::apply(ctx, done.outcome),
        Step::Disable => note_effect(ctx, done, Event::UserDisabled),
        Step::Lock => note_effect(ctx, done, Event::EntryLocked),
        Step::EndSessions => note_effect(ctx, done, Event::SessionsEnded),
        Step::ResetPassword => note_effect(ctx, done, Event::PasswordReset),
        // The job `enable` notes it with the account's new state.
        Step::Unlock if ctx.job.kind == JobKind::Enable => {}
        Step::Unlock => note_effect(ctx, done, Event::AccountEnabled),
        Step::CheckAvailability
        | Step::Eligible
        | Step::RecheckAvailability
        | Step::AwaitGroupSync
        | Step::Invite
        | Step::CheckPassword
        | Step::Finalize
        | Step::Resend => {}
    }
}

/// Writes the consequences of the step into the transaction that records it. The inner error: the rows contradict the step.
pub(super) async fn write(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    done: &StepDone,
) -> Result<Result<(), WriteConflict>, StoreError> {
    match ctx.step {
        Step::CheckAvailability => return check_availability::write(ctx, tx, &done.output).await,
        Step::Invite => invite::write(ctx, tx, &done.output).await?,
        Step::Finalize => finalize::write(ctx, tx).await?,
        Step::Resend => resend::write(ctx, tx, &done.output).await?,
        Step::Eligible
        | Step::RecheckAvailability
        | Step::CreateEntry
        | Step::Groups
        | Step::AwaitImport
        | Step::AwaitGroupSync
        | Step::Mail
        | Step::Disable
        | Step::Lock
        | Step::EndSessions
        | Step::CheckPassword
        | Step::Remove
        | Step::Unlock
        | Step::ResetPassword
        | Step::GrantRole => {}
    }
    Ok(Ok(()))
}

/// Notes the audit row of a step that changed something outside. `Unchanged` counts, too: an earlier run may have made the change and
/// lost its record.
fn note_effect(ctx: &mut StepContext<'_>, done: &StepDone, event: Event) {
    if done.outcome != Outcome::Skipped {
        let entry = ctx.entry(event);
        ctx.note_entry(entry);
    }
}
