//! Row changes that several steps make: messages, the end of a request, an account's state.

use super::context::StepContext;
use crate::domain::account::{Account, AccountState};
use crate::domain::audit::{Entry, Event};
use crate::domain::error_code::ErrorCode;
use crate::domain::notification::Notification;
use crate::domain::request::RequestState;
use crate::store::{AccountSaved, NewOutbox, OutboxKind, RequestMove, RequestMoved, StoreError, Tx};

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
    let Some(guild) = ctx.served_guild().filter(|guild| guild.log_channel.is_some()) else { return Ok(()) };
    let job = ctx.job.id.to_string();
    tx.put_outbox(NewOutbox {
        kind: OutboxKind::Notice,
        target: guild.id.to_string(),
        dedupe_key: ["notice:", &job, ":", &revision.to_string()].concat(),
        params: serde_json::json!({ "job": job, "text": notification.code() }).to_string(),
    })
    .await
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
    let request = match ctx.job.request_id {
        Some(id) => tx.request(id).await?,
        None => None,
    };
    let Some(request) = request.filter(|request| request.state == RequestState::Approved) else {
        return Ok(false);
    };
    let change = RequestMove { reason_code: code, ..RequestMove::default() };
    match tx.move_request(&request, to, change).await? {
        RequestMoved::Done(_) => {}
        RequestMoved::Lost(_) | RequestMoved::AddressInUse(_) | RequestMoved::NameTaken(_) => {
            return Err(StoreError::Busy);
        }
    }
    let entry = ctx.entry(event).change(request.state.code(), to.code());
    tx.audit(match code {
        Some(code) => entry.because(code),
        None => entry,
    });
    Ok(true)
}

/// Changes the account's state, if it is one of `from`, with its audit row. The account as it is afterwards.
pub(super) async fn move_account(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    from: &[AccountState],
    to: AccountState,
    event: Event,
) -> Result<Option<Account>, StoreError> {
    move_account_as(ctx, tx, from, to, ctx.entry(event)).await
}

/// The same with an audit row that names the actor.
pub(super) async fn move_account_as(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    from: &[AccountState],
    to: AccountState,
    entry: Entry,
) -> Result<Option<Account>, StoreError> {
    let Some(account) = ctx.account.as_ref() else { return Ok(None) };
    let Some(mut account) = tx.account(account.id).await? else { return Ok(None) };
    if !from.contains(&account.state) {
        return Ok(Some(account));
    }
    let before = account.state;
    let now = ctx.worker.deps.clock.now();
    account.state = to;
    match to {
        AccountState::Invited => account.invited_at = Some(now),
        AccountState::Closed => account.closed_at = Some(now),
        AccountState::Creating | AccountState::Active | AccountState::Disabled | AccountState::Conflict => {}
    }
    let account = save(tx, &account).await?;
    tx.audit(entry.change(before.code(), to.code()));
    Ok(Some(account))
}

/// Saves an account that was read in the same transaction.
pub(super) async fn save(tx: &mut Tx, account: &Account) -> Result<Account, StoreError> {
    match tx.save_account(account).await? {
        AccountSaved::Done(account) => Ok(account),
        AccountSaved::Lost => Err(StoreError::Busy),
        AccountSaved::IdTaken => Err(StoreError::Row { table: "account" }),
    }
}
