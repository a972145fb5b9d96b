//! The steps, one file each. Each has two halves: `ensure` looks, acts only if needed and reads back, outside any transaction;
//! `write` puts what follows of it into the rows, inside the transaction that records the step.
//!
//! Running a step twice equals running it once; only `mail` and `resend` cannot be made so, and count before they act. Outputs are the only way
//! in which steps talk: ids stand in the account, the rest in `work_step.output`.

mod close;
mod disable;
mod eligible;
mod end_sessions;
mod entry;
mod free;
mod groups;
mod groups_seen;
mod import;
mod invite;
mod judge;
mod lock;
mod look;
mod mail;
mod postage;
mod remove;
mod resend;
mod restore;
mod role;

use futures::future::BoxFuture;

use super::breaker::Target;
use super::call::Halt;
use super::scene::Scene;
use crate::directory::{By, Entry as DirectoryEntry, Ours};
use crate::domain::account::{DirectoryId, KeycloakId};
use crate::domain::eligibility::{GroupName, RuleName};
use crate::domain::ids::Timestamp;
use crate::domain::mail::MailState;
use crate::domain::refusal::Refusal;
use crate::domain::work::{Effect, Setback, Step};
use crate::store::{StepRecord, StoreError, Tx};

/// A step that came to its end.
#[derive(Clone, Debug)]
pub(super) struct StepDone {
    pub(super) effect: Effect,
    pub(super) output: Output,
    /// A judgement of `eligible` that had to be made again meanwhile, to be recorded before the step itself.
    pub(super) rejudged: Option<StepRecord>,
    /// When it was asked, where that is what counts and not when the answer is recorded.
    asked_at: Option<Timestamp>,
}

impl StepDone {
    const fn new(effect: Effect, output: Output) -> Self {
        Self { effect, output, rejudged: None, asked_at: None }
    }

    const fn plain(effect: Effect) -> Self {
        Self::new(effect, Output::Nothing)
    }

    const fn not_needed() -> Self {
        Self::plain(Effect::NotNeeded)
    }

    /// What is recorded of it.
    pub(super) fn record(&self, step: Step) -> StepRecord {
        let output = self.output.to_json();
        StepRecord { step, effect: self.effect, output, seen_at: self.asked_at }
    }
}

/// What a look found of name, address and Discord id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// All are free.
    Free,
    /// The name is not.
    NameTaken,
    /// The request must be held: the address, or something that only a person can judge.
    Held(Refusal),
    /// Somebody decided while we looked.
    Decided,
}

/// Whether a password was ever set on the entry, read after the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
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
    Looked(Looked),
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
    Judged(Judged),
    /// What became of a mail that the person asked for.
    Resent(MailState),
    /// Why everything is being taken back. The work's own error code changes with each setback of the undo.
    Undo(Refusal),
}

impl Output {
    /// What is kept in `work_step.output`: no personal value, and only what a later step asks for.
    pub(super) fn to_json(&self) -> Option<String> {
        let value = match self {
            Self::Rule(rule) => serde_json::json!({ "rule": rule.as_str() }),
            Self::Judged(judged) => serde_json::json!({ "judged": judged.code() }),
            Self::Undo(code) => serde_json::json!({ "undo": code.code() }),
            Self::Nothing
            | Self::Looked(_)
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
        let judged = value.get("judged").and_then(serde_json::Value::as_str);
        judged.and_then(Judged::parse).map_or(Self::Nothing, Self::Judged)
    }
}

impl Judged {
    const fn code(self) -> &'static str {
        match self {
            Self::NeverUsed => "never_used",
            Self::Used => "used",
            Self::Gone => "gone",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::NeverUsed, Self::Used, Self::Gone].into_iter().find(|judged| judged.code() == text)
    }
}

/// The rows tell another story than the step: record it with this output instead.
pub(super) struct Instead(pub(super) Output);

/// What `write` gives: the rows are in the transaction, or the step must be recorded otherwise.
pub(super) type Written = Result<Result<(), Instead>, StoreError>;

/// Ensures what the present step is for.
pub(super) async fn ensure(scene: &Scene<'_>) -> Result<StepDone, Halt> {
    match scene.step {
        Step::Look => apart(|| look::ensure(scene)).await,
        Step::Eligible => apart(|| eligible::ensure(scene)).await,
        Step::Free => apart(|| free::ensure(scene)).await,
        Step::Entry => apart(|| entry::ensure(scene)).await,
        Step::Groups => apart(|| groups::ensure(scene)).await,
        Step::Import => apart(|| import::ensure(scene)).await,
        Step::GroupsSeen => apart(|| groups_seen::ensure(scene)).await,
        Step::Mail => apart(|| mail::ensure(scene)).await,
        Step::Invite => apart(|| invite::ensure(scene)).await,
        Step::Disable => apart(|| disable::ensure(scene)).await,
        Step::Lock => apart(|| lock::ensure(scene)).await,
        Step::EndSessions => apart(|| end_sessions::ensure(scene)).await,
        Step::Judge => apart(|| judge::ensure(scene)).await,
        Step::Remove => apart(|| remove::ensure(scene)).await,
        Step::Restore => apart(|| restore::ensure(scene)).await,
        Step::Close => Ok(StepDone::plain(Effect::Made)),
        Step::Role => apart(|| role::ensure(scene)).await,
        Step::Resend => apart(|| resend::ensure(scene)).await,
    }
}

/// A step's future on the heap, made in a frame of its own: unoptimized, the frame of [`ensure`] would have room for each of them.
fn apart<'a, Made: Future<Output = Result<StepDone, Halt>> + Send + 'a>(
    make: impl FnOnce() -> Made,
) -> BoxFuture<'a, Result<StepDone, Halt>> {
    Box::pin(make())
}

/// Writes what follows of the step, into the transaction that records it.
pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx, done: &StepDone) -> Written {
    match scene.step {
        Step::Look => return look::write(scene, tx, &done.output).await,
        Step::Entry => entry::write(scene, tx, done).await?,
        Step::Groups => groups::write(scene, tx, &done.output),
        Step::Import => import::write(scene, tx, &done.output).await?,
        Step::Mail => mail::write(scene, tx, done.effect).await?,
        Step::Invite => invite::write(scene, tx, &done.output).await?,
        Step::Remove => remove::write(scene, tx, done.effect),
        Step::Close => close::write(scene, tx).await?,
        Step::Role => role::write(scene, tx, done.effect),
        Step::Resend => resend::write(scene, tx, &done.output).await?,
        Step::Eligible
        | Step::Free
        | Step::GroupsSeen
        | Step::Disable
        | Step::Lock
        | Step::EndSessions
        | Step::Judge
        | Step::Restore => {}
    }
    Ok(Ok(()))
}

/// The account's entry as it is now, if it is ours by mark, Discord id and (where it was recorded) lasting id. `None`: there is
/// none. Anything that only looks like it is a conflict.
async fn find_entry(scene: &Scene<'_>) -> Result<Option<DirectoryEntry>, Halt> {
    let account = scene.account()?;
    let (mark, discord_id) = (scene.mark()?, scene.discord_id()?);
    let by = account.directory_id.as_ref().map_or(By::Mark(mark), By::DirectoryId);
    let found = scene.call(Target::Directory, "find", scene.room.parts.directory.find(by)).await??;
    let mut found = found.into_iter();
    let (Some(entry), None) = (found.next(), found.next()) else { return Ok(None) };
    if entry.ours(mark, discord_id).is_none() {
        return Err(Setback::Conflict { code: Refusal::DirectoryConflict }.into());
    }
    Ok(Some(entry))
}

/// What names the account's entry for writing, if there is one.
async fn find_ours(scene: &Scene<'_>) -> Result<Option<Ours>, Halt> {
    let (mark, discord_id) = (scene.mark()?, scene.discord_id()?);
    Ok(find_entry(scene).await?.and_then(|entry| entry.ours(mark, discord_id)))
}

/// The account's entry for a step that cannot be without it: gone or foreign is a conflict.
async fn must_find_ours(scene: &Scene<'_>) -> Result<Ours, Halt> {
    let ours = find_ours(scene).await?;
    ours.ok_or_else(|| Setback::Conflict { code: Refusal::DirectoryConflict }.into())
}
