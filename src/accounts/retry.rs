//! Admins let work go on that stopped for a person.

use super::decide::actor_of;
use super::{Accounts, Reviewer, UseCaseError};
use crate::domain::account::AccountState;
use crate::domain::approval::judge_admin;
use crate::domain::audit::{Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{JobId, Nonce, RequestId};
use crate::domain::job::{Job, JobState};
use crate::store::{AccountSaved, MessageKind, ReadConnection, Tx};

/// The job runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// Which.
    pub job: JobId,
}

impl Accounts {
    /// Opens work that needed an operator. The command line passes [`Nonce::NONE`].
    pub async fn retry(
        &self,
        reviewer: &Reviewer,
        job: JobId,
        nonce: Nonce,
    ) -> Result<Retried, UseCaseError> {
        let guild = self.config().guild(reviewer.guild_id).ok_or(ErrorCode::StaleButton)?;
        let member = self.fetch(guild.id, reviewer.user_id).await?;
        let judged = member
            .filter(|member| member.user_id == reviewer.user_id)
            .ok_or(ErrorCode::NotModerator)
            .and_then(|member| judge_admin(&member, &guild.admin_roles, self.clock().now()));

        let mut tx = self.store().begin().await?;
        let found = tx.job(job).await?.ok_or(ErrorCode::StaleButton)?;
        let request = match found.request_id {
            Some(id) => tx.request(id).await?.filter(|request| request.guild_id == guild.id),
            None => None,
        };
        let request = request.ok_or(ErrorCode::StaleButton)?;
        let actor = actor_of(&mut tx, reviewer).await?;
        let entry = |event| {
            Entry::new(event, reviewer.via, actor.clone())
                .about(request.person_id)
                .in_guild(guild.id)
                .of_request(request.id)
                .of_job(job)
        };
        if let Err(error_code) = judged {
            tx.audit(entry(Event::PressRefused).because(error_code));
            tx.commit("press_refused").await?;
            return Err(error_code.into());
        }
        if reviewer.via != Source::Cli && !is_our_button(&mut tx, request.id, nonce).await? {
            return Err(ErrorCode::StaleButton.into());
        }
        let opened = tx.retry_job(job).await?.ok_or(ErrorCode::AlreadyDecided)?;
        tx.audit(entry(Event::JobRetried).change(JobState::NeedsOperator.code(), opened.state.code()));
        if let Some((before, after)) = leave_conflict(&mut tx, &opened).await? {
            tx.audit(entry(Event::AccountConflict).change(before.code(), after.code()));
        }
        tx.put_card(request.id).await?;
        tx.commit("retry").await?;
        Ok(Retried { job })
    }
}

/// Whoever lets a job go on that met a conflict says that it is over: the account stands again where it stood before, or the steps
/// would take it for an end. If it is not over, the job meets it once more.
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
        AccountSaved::Lost | AccountSaved::IdTaken => Err(ErrorCode::StoreBusy.into()),
    }
}

/// The button stands on the card, and on the note in the admins' channel.
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
