//! Admins let work go on that stopped for a person.

use super::decide::actor_of;
use super::{Accounts, Denied, Presser};
use crate::domain::account::AccountState;
use crate::domain::approval::judge_admin;
use crate::domain::audit::{Entry, Event, Source};
use crate::domain::ids::{Nonce, RequestId, WorkId};
use crate::domain::refusal::Refusal;
use crate::domain::work::{Work, WorkState};
use crate::store::{AccountSaved, MessageKind, Tx, View};

/// The work runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// Which.
    pub work: WorkId,
}

impl Accounts {
    /// Opens work that needed an operator. The command line passes [`Nonce::NONE`].
    pub async fn retry(&self, presser: &Presser, work: WorkId, nonce: Nonce) -> Result<Retried, Denied> {
        let guild = self.config().guild(presser.guild_id).ok_or(Refusal::StaleButton)?;
        let member = self.fetch(guild.id, presser.user_id).await?;
        let judged = member
            .filter(|member| member.user_id == presser.user_id)
            .ok_or(Refusal::NotModerator)
            .and_then(|member| judge_admin(&member, &guild.admin_roles, self.clock().now()));

        let mut tx = self.store().begin().await?;
        let found = tx.work(work).await?.ok_or(Refusal::StaleButton)?;
        let request = match found.request_id {
            Some(id) => tx.request(id).await?.filter(|request| request.guild_id == guild.id),
            None => None,
        };
        let request = request.ok_or(Refusal::StaleButton)?;
        let actor = actor_of(&mut tx, presser).await?;
        let entry = |event| {
            Entry::new(event, presser.via, actor.clone())
                .about(request.person_id)
                .in_guild(guild.id)
                .of_request(request.id)
                .of_work(work)
        };
        if let Err(refusal) = judged {
            tx.audit(entry(Event::PressRefused).because(refusal));
            tx.commit("press_refused").await?;
            return Err(refusal.into());
        }
        if presser.via != Source::Cli && !is_our_button(&mut tx, request.id, nonce).await? {
            return Err(Refusal::StaleButton.into());
        }
        let opened = tx.retry_work(work).await?.ok_or(Refusal::AlreadyDecided)?;
        tx.audit(entry(Event::WorkRetried).change(WorkState::NeedsOperator.code(), opened.state.code()));
        if let Some((before, after)) = leave_conflict(&mut tx, &opened).await? {
            tx.audit(entry(Event::AccountConflict).change(before.code(), after.code()));
        }
        tx.put_card(request.id).await?;
        tx.commit("retry").await?;
        Ok(Retried { work })
    }
}

/// Whoever lets a work go on that met a conflict says that it is over: the account stands again where it stood before, or the steps
/// would take it for an end. If it is not over, the work meets it once more.
async fn leave_conflict(tx: &mut Tx, work: &Work) -> Result<Option<(AccountState, AccountState)>, Denied> {
    let account = match work.account_id {
        Some(id) => tx.account(id).await?,
        None => None,
    };
    let Some(mut account) = account.filter(|account| account.state == AccountState::Conflict) else {
        return Ok(None);
    };
    let before = account.state;
    account.state = account.state_before_conflict(work.kind);
    match tx.save_account(&account).await? {
        AccountSaved::Done(account) => Ok(Some((before, account.state))),
        AccountSaved::Lost | AccountSaved::IdTaken => Err(Refusal::StoreBusy.into()),
    }
}

/// The button stands on the card, and on the note in the admins' channel.
async fn is_our_button(view: &mut View, request: RequestId, nonce: Nonce) -> Result<bool, Denied> {
    for kind in [MessageKind::Operator, MessageKind::Card] {
        if view.message(request, kind).await?.is_some_and(|message| message.accepts(nonce)) {
            return Ok(true);
        }
    }
    Ok(false)
}
