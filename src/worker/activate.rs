//! The rows of an activation. A step, Keycloak's events and the directory can each be the first to see a password.

use super::context::WorkerContext;
use crate::domain::account::{Account, AccountState};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::ids::AccountId;
use crate::domain::job::JobKind;
use crate::domain::notification::Notification;
use crate::domain::request::Request;
use crate::store::{AccountSaved, NewJob, StoreError, Tx};

/// Records that a first password was seen: the account becomes `active` and the person is told. If the guild has a member role, the job
/// `welcome` is enqueued. `false` if the account wasn't waiting for a password.
pub(crate) async fn record_activation(
    worker: &WorkerContext,
    tx: &mut Tx,
    account: AccountId,
    source: Source,
) -> Result<bool, StoreError> {
    let Some(mut seen) = tx.account(account).await? else { return Ok(false) };
    // Read before the account becomes `active`: the store erases the request's personal columns then.
    let request = tx.approved_request_of(seen.person_id).await?;
    let (before, account) = loop {
        if !matches!(seen.state, AccountState::Creating | AccountState::Invited) {
            return Ok(false);
        }
        let before = seen.state;
        let active = Account {
            state: AccountState::Active,
            activated_at: Some(worker.deps.clock.now()),
            ..seen.clone()
        };
        match tx.save_account(&active).await? {
            AccountSaved::Done(account) => break (before, account),
            // Another transaction changed it: check its current state.
            AccountSaved::Lost => match tx.account(account).await? {
                Some(account) => seen = account,
                None => return Ok(false),
            },
            AccountSaved::IdTaken => return Err(StoreError::Row { table: "account" }),
        }
    };
    let mut entry = Entry::new(Event::AccountActivated, source, Actor::System)
        .about(account.person_id)
        .change(before.code(), account.state.code());
    if let Some(request) = &request {
        entry = entry.of_request(request.id).in_guild(request.guild_id);
        if let Some(rule) = &request.rule {
            entry = entry.by_rule(rule);
        }
        tx.put_notification(account.person_id, Notification::Activated, request.id).await?;
        tx.put_card(request.id).await?;
        put_welcome(worker, tx, &account, request).await?;
    }
    tx.audit(entry);
    Ok(true)
}

/// Enqueues the job `welcome`, if the guild has a member role.
pub(crate) async fn put_welcome(
    worker: &WorkerContext,
    tx: &mut Tx,
    account: &Account,
    request: &Request,
) -> Result<(), StoreError> {
    let config = worker.deps.config.now();
    let guild = config.guild(request.guild_id);
    if guild.is_none_or(|guild| guild.member_role.is_none()) {
        return Ok(());
    }
    let welcome = NewJob {
        person_id: account.person_id,
        account_id: Some(account.id),
        request_id: Some(request.id),
        kind: JobKind::Welcome,
    };
    tx.enqueue_job(welcome).await.map(|_| ())
}
