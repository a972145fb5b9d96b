//! Row changes that several steps make: messages, the end of a request, an account's state.

use super::context::StepContext;
use crate::domain::account::{Account, AccountState};
use crate::domain::audit::{Entry, Event};
use crate::domain::error_code::ErrorCode;
use crate::domain::job::Job;
use crate::domain::mail::MailState;
use crate::domain::notification::Notification;
use crate::domain::request::RequestState;
use crate::store::{AccountSaved, RequestMove, RequestMoved, StoreError, Tx};
use crate::worker::notices;

/// Updates the card of the job's request.
pub(super) async fn put_card(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    match ctx.job.request_id {
        Some(request) => tx.put_card(request).await,
        None => Ok(()),
    }
}

/// Tells the guild's admins about a job, if the guild has a log channel.
pub(super) async fn put_notice(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    notification: Notification,
    revision: i64,
) -> Result<(), StoreError> {
    match ctx.served_guild() {
        Some(guild) => notices::put_notice(tx, guild, ctx.job.id, notification, revision).await,
        None => Ok(()),
    }
}

/// Moves an approved request to `cancelled`, with its audit row. Does nothing if it ended before.
pub(super) async fn cancel_request(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    end_request(ctx, tx, RequestState::Cancelled, Event::RequestCancelled, None).await.map(|_| ())
}

/// Moves an approved request to a final state, with its audit row. `false` if it ended before.
pub(super) async fn end_request(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    to: RequestState,
    event: Event,
    code: Option<ErrorCode>,
) -> Result<bool, StoreError> {
    let mut seen = ctx.request.clone();
    while let Some(request) = seen.filter(|request| request.state == RequestState::Approved) {
        let change = RequestMove { reason_code: code, ..RequestMove::default() };
        match tx.move_request(&request, to, change).await? {
            RequestMoved::Done(_) => {
                let entry = ctx.entry(event).change(request.state.code(), to.code());
                tx.audit(match code {
                    Some(code) => entry.because(code),
                    None => entry,
                });
                return Ok(true);
            }
            // Another transaction changed it: check its current state.
            RequestMoved::Lost(now) | RequestMoved::AddressInUse(now) | RequestMoved::NameTaken(now) => {
                seen = Some(now);
            }
        }
    }
    Ok(false)
}

/// Writes what is pending and moves the job to the current step. Returns the job in that state, for later writes in the same transaction,
/// and the account if it was saved.
pub(super) async fn catch_up(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
) -> Result<(Job, Option<Account>), StoreError> {
    let mut job = ctx.job.clone();
    if !ctx.pending.records.is_empty() {
        tx.advance_job(&ctx.job, &ctx.pending.records, ctx.step).await?;
        job.step = Some(ctx.step);
        job.attempt = 1;
        job.reported_at = None;
    }
    let account = write_pending(ctx, tx).await?;
    Ok((job, account))
}

/// Writes what the convergent steps left in memory: the account's ids and the audit entries. Returns the account if it was saved.
pub(super) async fn write_pending(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<Option<Account>, StoreError> {
    for entry in &ctx.pending.audit {
        tx.audit(entry.clone());
    }
    if ctx.pending.is_mail_accepted {
        tx.settle_mail(ctx.job.id, MailState::Accepted).await?;
    }
    if !ctx.pending.is_account_changed {
        return Ok(None);
    }
    let ids = ctx.account.as_ref().map(|ours| (ours.directory_id.clone(), ours.keycloak_id.clone()));
    let saved = change_account(ctx, tx, |account| {
        let (directory_id, keycloak_id) = ids.clone()?;
        account.directory_id = directory_id.or_else(|| account.directory_id.take());
        account.keycloak_id = keycloak_id.or_else(|| account.keycloak_id.take());
        Some(())
    });
    Ok(saved.await?.map(|(_, account)| account))
}

/// Applies `change` to the account in memory and saves it, unless `change` returns `None`. If another transaction changed the account
/// meanwhile, `change` is applied to the stored account. Returns the state before, and the account afterwards.
pub(super) async fn change_account(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    change: impl Fn(&mut Account) -> Option<()>,
) -> Result<Option<(AccountState, Account)>, StoreError> {
    let mut seen = ctx.account.clone();
    while let Some(mut account) = seen {
        let before = account.state;
        if change(&mut account).is_none() {
            return Ok(None);
        }
        match tx.save_account(&account).await? {
            AccountSaved::Done(account) => return Ok(Some((before, account))),
            AccountSaved::Lost => seen = tx.account(account.id).await?,
            AccountSaved::IdTaken => return Err(StoreError::Row { table: "account" }),
        }
    }
    Ok(None)
}

/// Changes the account's state if it is one of `from`, with its audit row. Returns the account if it changed.
pub(super) async fn move_account(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    from: &[AccountState],
    to: AccountState,
    event: Event,
) -> Result<Option<Account>, StoreError> {
    move_account_as(ctx, tx, from, to, ctx.entry(event)).await
}

/// Like [`move_account`], with an audit row of the caller.
pub(super) async fn move_account_as(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    from: &[AccountState],
    to: AccountState,
    entry: Entry,
) -> Result<Option<Account>, StoreError> {
    let now = ctx.worker.deps.clock.now();
    let moved = change_account(ctx, tx, |account| {
        if !from.contains(&account.state) {
            return None;
        }
        account.state = to;
        match to {
            AccountState::Invited => account.invited_at = Some(now),
            AccountState::Closed => account.closed_at = Some(now),
            AccountState::Active => account.activated_at = account.activated_at.or(Some(now)),
            AccountState::Creating | AccountState::Disabled | AccountState::Conflict => {}
        }
        Some(())
    });
    let Some((before, account)) = moved.await? else { return Ok(None) };
    tx.audit(entry.change(before.code(), to.code()));
    Ok(Some(account))
}
