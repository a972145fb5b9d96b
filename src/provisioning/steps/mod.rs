//! The steps, one file each. Each has two halves: `ensure` looks, acts only if needed and reads back, outside any transaction;
//! `write` puts what follows of it into the rows, inside the transaction that records the step.
//!
//! Running a step twice equals running it once; only `mail` and `resend` cannot be made so, and count before they act. Outputs are the only way
//! in which steps talk: ids stand in the account, the rest in `job_step.output`.

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
mod lock;
mod mail;
mod mail_quota;
mod recheck_availability;
mod remove;
mod resend;
mod unlock;

use futures::future::BoxFuture;

use super::breaker::Target;
use super::call::StepError;
use super::context::StepContext;
use crate::directory::{By, Entry as DirectoryEntry, OwnedEntry};
use crate::domain::account::{DirectoryId, KeycloakId};
use crate::domain::eligibility::{GroupName, RuleName};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::Timestamp;
use crate::domain::job::{FailureAction, Outcome, Step};
use crate::domain::mail::MailState;
use crate::store::{StepRecord, StoreError, Tx};

/// A step that came to its end.
#[derive(Clone, Debug)]
pub(super) struct StepDone {
    pub(super) outcome: Outcome,
    pub(super) output: Output,
    /// A judgement of `eligible` that had to be made again meanwhile, to be recorded before the step itself.
    pub(super) rejudged: Option<StepRecord>,
    /// When it was asked, where that is what counts and not when the answer is recorded.
    asked_at: Option<Timestamp>,
}

impl StepDone {
    const fn new(outcome: Outcome, output: Output) -> Self {
        Self { outcome, output, rejudged: None, asked_at: None }
    }

    const fn plain(outcome: Outcome) -> Self {
        Self::new(outcome, Output::Nothing)
    }

    const fn skipped() -> Self {
        Self::plain(Outcome::Skipped)
    }

    /// What is recorded of it.
    pub(super) fn record(&self, step: Step) -> StepRecord {
        let output = self.output.to_json();
        StepRecord { step, outcome: self.outcome, output, seen_at: self.asked_at }
    }
}

/// What a look found of name, address and Discord id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// All are free.
    Free,
    /// The name is not.
    NameTaken,
    /// The request must be held: the address, or something that only a person can judge.
    Held(ErrorCode),
    /// Somebody decided while we looked.
    Decided,
}

/// Whether a password was ever set on the entry, read after the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordState {
    /// Never: it may be removed.
    NeverUsed,
    /// There was a password: it is never removed.
    Used,
    /// There is no entry.
    Gone,
}

/// What a step leaves for its `write` and for later steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Nothing,
    Availability(Availability),
    /// The rule that fits now.
    Rule(RuleName),
    Entry(DirectoryId),
    Groups {
        added: Vec<GroupName>,
        removed: Vec<GroupName>,
    },
    Import(KeycloakId),
    /// `invite` looked: a password is there already.
    PasswordSeen,
    PasswordState(PasswordState),
    /// What became of a mail that the person asked for.
    Resent(MailState),
    /// Why everything is being taken back. The job's own error code changes with each setback of the undo.
    Undo(ErrorCode),
}

impl Output {
    /// What is kept in `job_step.output`: no personal value, and only what a later step asks for.
    pub(super) fn to_json(&self) -> Option<String> {
        let value = match self {
            Self::Rule(rule) => serde_json::json!({ "rule": rule.as_str() }),
            Self::PasswordState(password) => serde_json::json!({ "judged": password.code() }),
            Self::Undo(code) => serde_json::json!({ "undo": code.code() }),
            Self::Nothing
            | Self::Availability(_)
            | Self::Entry(_)
            | Self::Groups { .. }
            | Self::Import(_)
            | Self::PasswordSeen
            | Self::Resent(_) => return None,
        };
        Some(value.to_string())
    }

    /// Reads what [`Output::to_json`] wrote; anything else is nothing.
    pub(super) fn parse(text: &str) -> Self {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return Self::Nothing };
        if let Some(rule) = value.get("rule").and_then(serde_json::Value::as_str) {
            return Self::Rule(RuleName::new(rule));
        }
        let undo = value.get("undo").and_then(serde_json::Value::as_str);
        if let Some(code) = undo.and_then(|code| code.parse().ok()) {
            return Self::Undo(code);
        }
        let password = value.get("judged").and_then(serde_json::Value::as_str);
        password.and_then(PasswordState::parse).map_or(Self::Nothing, Self::PasswordState)
    }
}

impl PasswordState {
    const fn code(self) -> &'static str {
        match self {
            Self::NeverUsed => "never_used",
            Self::Used => "used",
            Self::Gone => "gone",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::NeverUsed, Self::Used, Self::Gone].into_iter().find(|password| password.code() == text)
    }
}

/// The rows tell another story than the step: record it with this output instead.
pub(super) struct WriteConflict(pub(super) Output);

/// What `write` gives: the rows are in the transaction, or the step must be recorded otherwise.
pub(super) type Written = Result<Result<(), WriteConflict>, StoreError>;

/// Ensures what the present step is for.
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

/// A step's future on the heap, made in a frame of its own: unoptimized, the frame of [`ensure`] would have room for each of them.
fn apart<'a, Made: Future<Output = Result<StepDone, StepError>> + Send + 'a>(
    make: impl FnOnce() -> Made,
) -> BoxFuture<'a, Result<StepDone, StepError>> {
    Box::pin(make())
}

/// Writes what follows of the step, into the transaction that records it.
pub(super) async fn write(ctx: &StepContext<'_>, tx: &mut Tx, done: &StepDone) -> Written {
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
        Step::Eligible
        | Step::RecheckAvailability
        | Step::AwaitGroupSync
        | Step::Disable
        | Step::Lock
        | Step::EndSessions
        | Step::CheckPassword
        | Step::Unlock => {}
    }
    Ok(Ok(()))
}

/// The account's entry as it is now, if it is ours by mark, Discord id and (where it was recorded) lasting id. `None`: there is
/// none. Anything that only looks like it is a conflict.
async fn find_entry(ctx: &StepContext<'_>) -> Result<Option<DirectoryEntry>, StepError> {
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

/// What names the account's entry for writing, if there is one.
async fn find_ours(ctx: &StepContext<'_>) -> Result<Option<OwnedEntry>, StepError> {
    let (mark, discord_id) = (ctx.mark()?, ctx.discord_id()?);
    Ok(find_entry(ctx).await?.and_then(|entry| entry.ours(mark, discord_id)))
}

/// The account's entry for a step that cannot be without it: gone or foreign is a conflict.
async fn must_find_ours(ctx: &StepContext<'_>) -> Result<OwnedEntry, StepError> {
    let ours = find_ours(ctx).await?;
    ours.ok_or_else(|| FailureAction::Conflict { code: ErrorCode::DirectoryConflict }.into())
}
