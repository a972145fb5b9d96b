//! Admins resume a job that stopped for an operator.

use super::authority::Admin;
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use crate::domain::account::AccountState;
use crate::domain::audit::{Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{JobId, Nonce, RequestId};
use crate::domain::job::{Job, JobState};
use crate::store::{AccountSaved, MessageKind, ReadConnection, StoreError, Tx};

/// The job runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// Its id.
    pub job: JobId,
}

impl Accounts {
    /// Opens a job that needs an operator again. The command line passes [`Nonce::NONE`].
    pub async fn retry(&self, admin: &Admin, job: JobId, nonce: Nonce) -> Result<Retried, UseCaseError> {
        let mut tx = self.store().begin().await?;
        let found = tx.job(job).await?.ok_or(ErrorCode::StaleButton)?;
        let request = match found.request_id {
            Some(id) => tx.request(id).await?,
            None => None,
        };
        let request = request
            .filter(|request| admin.guild().is_none_or(|guild| request.guild_id == guild))
            .ok_or(ErrorCode::StaleButton)?;
        let actor = admin.actor(&mut tx).await?;
        let entry = |event| {
            Entry::new(event, admin.source(), actor.clone())
                .about(request.person_id)
                .in_guild(request.guild_id)
                .of_request(request.id)
                .of_job(job)
        };
        if admin.source() != Source::Cli && !is_our_button(&mut tx, request.id, nonce).await? {
            return Err(ErrorCode::StaleButton.into());
        }
        let not_stopped = UseCaseError::with(ErrorCode::AlreadyDecided, Details::NotStopped);
        let opened = tx.retry_job(job).await?.ok_or(not_stopped)?;
        tx.audit(entry(Event::JobRetried).change(JobState::NeedsOperator.code(), opened.state.code()));
        if let Some((before, after)) = leave_conflict(&mut tx, &opened).await? {
            tx.audit(entry(Event::AccountConflict).change(before.code(), after.code()));
        }
        tx.put_card(request.id).await?;
        tx.commit("retry").await?;
        Ok(Retried { job })
    }
}

/// An admin who retries a job after a conflict confirms that the conflict is resolved, so the account returns to its previous state.
/// Otherwise the steps would treat the conflict as an end. If it still exists, the job detects it again.
async fn leave_conflict(
    tx: &mut Tx,
    job: &Job,
) -> Result<Option<(AccountState, AccountState)>, UseCaseError> {
    let account = match job.account_id {
        Some(id) => tx.account(id).await?,
        None => None,
    };
    let Some(mut account) = account.filter(|account| account.state == AccountState::Conflict) else {
        return Ok(None);
    };
    let before = account.state;
    account.state = account.state_before_conflict(job.kind);
    match tx.save_account(&account).await? {
        AccountSaved::Done(account) => Ok(Some((before, account.state))),
        AccountSaved::Lost => Err(ErrorCode::ChangedMeanwhile.into()),
        AccountSaved::IdTaken => Err(StoreError::Row { table: "account" }.into()),
    }
}

/// Whether the nonce belongs to the card or to the message in the admins' channel; both have the button.
async fn is_our_button(
    view: &mut ReadConnection,
    request: RequestId,
    nonce: Nonce,
) -> Result<bool, UseCaseError> {
    for kind in [MessageKind::Operator, MessageKind::Card] {
        if view.message(request, kind).await?.is_some_and(|message| message.accepts(nonce)) {
            return Ok(true);
        }
    }
    Ok(false)
}
