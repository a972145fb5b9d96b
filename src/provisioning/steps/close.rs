//! `close`: writes the end of a withdrawal, an undo or a lock into account and request. No outside call.

use super::{Judged, Output};
use crate::domain::account::AccountState;
use crate::domain::audit::{Event, Source};
use crate::domain::refusal::Refusal;
use crate::domain::request::RequestState;
use crate::domain::work::{Step, WorkKind, WorkState};
use crate::provisioning::rows::{self, Notice, Seen};
use crate::provisioning::scene::Scene;
use crate::store::{StoreError, Tx};

/// What may be ended.
const LIVE: [AccountState; 4] =
    [AccountState::Creating, AccountState::Invited, AccountState::Active, AccountState::Disabled];

/// What the last look of this work said: that of `remove`, if it looked again, else that of `judge`.
pub(super) fn last_judgement(scene: &Scene<'_>) -> Output {
    let of_remove = scene.output_of(Step::Remove);
    if of_remove == Output::Nothing { scene.output_of(Step::Judge) } else { of_remove }
}

fn is_used(scene: &Scene<'_>) -> bool {
    last_judgement(scene) == Output::Judged(Judged::Used)
}

pub(super) async fn write(scene: &Scene<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    if scene.work.kind == WorkKind::Lock {
        return close_locked(scene, tx).await;
    }
    let is_used = is_used(scene);
    if scene.work.state == WorkState::Undoing {
        close_undone(scene, tx, is_used).await?;
    } else if !is_used {
        close_withdrawn(scene, tx).await?;
    } else if scene.is_cancelled_by_person() {
        disable_used(scene, tx).await?;
    } else if let Some(account) = &scene.account {
        // Restored: it is in use after all.
        let seen = Seen { room: scene.room, account: account.id, source: Source::Worker };
        rows::write_activation(tx, &seen).await?;
    }
    rows::put_card(scene, tx).await
}

/// The person said that somebody else set the password: everything stands still now, and people are told.
async fn close_locked(scene: &Scene<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let from = [AccountState::Creating, AccountState::Invited, AccountState::Active];
    let is_live = scene.account.as_ref().is_some_and(|account| from.contains(&account.state));
    let entry = scene.entry_of_person(Event::AccountDisabled);
    rows::move_account_as(scene, tx, &from, AccountState::Disabled, entry).await?;
    if !is_live {
        // It was said when it was done.
        return Ok(());
    }
    rows::put_notice(scene, tx, Notice::LockedByPerson, scene.work.revision).await?;
    match scene.work.request_id {
        Some(request) => tx.put_news(scene.person.id, "locked", request).await,
        None => Ok(()),
    }
}

async fn close_undone(scene: &Scene<'_>, tx: &mut Tx, is_used: bool) -> Result<(), StoreError> {
    let code = undo_cause(scene);
    if is_used {
        disable_used(scene, tx).await?;
    } else {
        rows::move_account(scene, tx, &LIVE, AccountState::Closed, Event::AccountClosed).await?;
    }
    tx.audit(scene.entry(Event::WorkUndone).because(code));
    let Some(request) = scene.work.request_id else { return Ok(()) };
    if scene.is_cancelled_by_person() {
        return rows::cancel_request(scene, tx).await;
    }
    let failed = rows::end_request(scene, tx, RequestState::Failed, Event::RequestFailed, Some(code)).await?;
    if failed {
        tx.put_news(scene.person.id, "failed", request).await?;
    }
    Ok(())
}

/// Why the undo began, from the record of the step that asked for it.
fn undo_cause(scene: &Scene<'_>) -> Refusal {
    let cause = scene.steps.iter().rev().find_map(|done| match Output::parse(done.output.as_deref()?) {
        Output::Undo(code) => Some(code),
        Output::Nothing
        | Output::Looked(_)
        | Output::Rule(_)
        | Output::Entry(_)
        | Output::Groups { .. }
        | Output::Import(_)
        | Output::PasswordSeen
        | Output::Resent(_)
        | Output::Judged(_) => None,
    });
    cause.unwrap_or(Refusal::Internal)
}

async fn close_withdrawn(scene: &Scene<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    rows::move_account(scene, tx, &LIVE, AccountState::Closed, Event::AccountWithdrawn).await?;
    let Some(request) = scene.work.request_id else { return Ok(()) };
    if scene.is_cancelled_by_person() {
        return rows::cancel_request(scene, tx).await;
    }
    let event = Event::RequestCancelled;
    if rows::end_request(scene, tx, RequestState::Cancelled, event, None).await? {
        tx.put_news(scene.person.id, "withdrawn", request).await?;
    }
    Ok(())
}

/// A password was there and the end is wanted: locked, never deleted, and admins are told.
async fn disable_used(scene: &Scene<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    let from = [AccountState::Creating, AccountState::Invited, AccountState::Active];
    let is_live = scene.account.as_ref().is_some_and(|account| from.contains(&account.state));
    rows::move_account(scene, tx, &from, AccountState::Disabled, Event::AccountDisabled).await?;
    if !is_live {
        // It was said when it was done.
        return Ok(());
    }
    rows::put_notice(scene, tx, Notice::KeptWithPassword, scene.work.revision).await
}
