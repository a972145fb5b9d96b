//! Rows that several steps write: messages, the end of a request, the first sight of a password.

use super::context::StepContext;
use crate::domain::account::{Account, AccountState};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, PersonId};
use crate::domain::job::JobKind;
use crate::domain::request::{Request, RequestState};
use crate::store::{
    AccountSaved, NewJob, NewOutbox, OutboxKind, RequestFilter, RequestMove, RequestMoved, StoreError, Tx,
};

/// Brings the card of the job's request up to date.
pub(super) async fn put_card(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    match ctx.job.request_id {
        Some(request) => tx.put_card(request).await,
        None => Ok(()),
    }
}

/// What admins are told of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// It waits for somebody.
    NeedsOperator,
    /// The account was to be ended and had a password: it is locked and kept.
    KeptWithPassword,
    /// The person said that somebody else set the password: it is locked.
    LockedByPerson,
}

impl Notice {
    /// The word in the message's parameters.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NeedsOperator => "needs_operator",
            Self::KeptWithPassword => "kept_with_password",
            Self::LockedByPerson => "locked_by_person",
        }
    }
}

/// Tells admins of a job.
pub(super) async fn put_notice(
    ctx: &StepContext<'_>,
    tx: &mut Tx,
    notice: Notice,
    revision: i64,
) -> Result<(), StoreError> {
    let Some(guild) = ctx.served_guild().filter(|guild| guild.log_channel.is_some()) else { return Ok(()) };
    let job = ctx.job.id.to_string();
    tx.put_outbox(NewOutbox {
        kind: OutboxKind::Notice,
        target: guild.id.to_string(),
        dedupe_key: ["notice:", &job, ":", &revision.to_string()].concat(),
        params: serde_json::json!({ "job": job, "text": notice.code() }).to_string(),
    })
    .await
}

/// Moves an approved request to `cancelled`, with its audit row. Nothing happens if it ended before.
pub(super) async fn cancel_request(ctx: &StepContext<'_>, tx: &mut Tx) -> Result<(), StoreError> {
    end_request(ctx, tx, RequestState::Cancelled, Event::RequestCancelled, None).await.map(|_| ())
}

/// Moves an approved request to its end, with its audit row. `false` if it had ended before.
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

/// The same with an audit row that says who wanted it.
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

/// Saves an account that was read in this very transaction.
pub(super) async fn save(tx: &mut Tx, account: &Account) -> Result<Account, StoreError> {
    match tx.save_account(account).await? {
        AccountSaved::Done(account) => Ok(account),
        AccountSaved::Lost => Err(StoreError::Busy),
        AccountSaved::IdTaken => Err(StoreError::Row { table: "account" }),
    }
}

/// Where a first password was seen.
pub(super) struct Seen<'a> {
    pub(super) worker: &'a super::WorkerContext,
    pub(super) account: AccountId,
    pub(super) source: Source,
}

/// A first password was seen: account `active`, the news, and the job `welcome`. `false` if it was seen before, or if the account
/// is none that waits for it.
pub(super) async fn write_activation(tx: &mut Tx, seen: &Seen<'_>) -> Result<bool, StoreError> {
    let Some(mut account) = tx.account(seen.account).await? else { return Ok(false) };
    if !matches!(account.state, AccountState::Creating | AccountState::Invited) {
        return Ok(false);
    }
    let before = account.state;
    account.state = AccountState::Active;
    account.activated_at = Some(seen.worker.deps.clock.now());
    // Read before the account becomes `active`: from then on the request's personal columns are empty.
    let request = request_of(tx, account.person_id).await?;
    let account = save(tx, &account).await?;
    let mut entry = Entry::new(Event::AccountActivated, seen.source, Actor::System)
        .about(account.person_id)
        .change(before.code(), account.state.code());
    if let Some(request) = &request {
        entry = entry.of_request(request.id).in_guild(request.guild_id);
        tx.put_notification(account.person_id, "activated", request.id).await?;
        tx.put_card(request.id).await?;
        let config = seen.worker.deps.config.now();
        let guild = config.guild(request.guild_id);
        if guild.is_some_and(|guild| guild.member_role.is_some()) {
            let welcome = NewJob {
                person_id: account.person_id,
                account_id: Some(account.id),
                request_id: Some(request.id),
                kind: JobKind::Welcome,
            };
            tx.enqueue_job(welcome).await?;
        }
    }
    tx.audit(entry);
    Ok(true)
}

/// The request that an account came from: the person's newest approved one.
pub(super) async fn request_of(tx: &mut Tx, person: PersonId) -> Result<Option<Request>, StoreError> {
    let filter = RequestFilter {
        state: Some(RequestState::Approved),
        person_id: Some(person),
        ..RequestFilter::default()
    };
    Ok(tx.requests(&filter, None, 1).await?.into_iter().next())
}
