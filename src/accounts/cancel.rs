//! A member cancels their request, at any stage before the account is in use.
//!
//! Before the approval, the request ends at once. Between approval and mail, the worker is asked to undo. After the mail, a new job
//! withdraws the account, because only the directory can tell whether it was used.

use super::caller::Caller;
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use super::password::phase_of;
use crate::domain::account::{Account, AccountState};
use crate::domain::approval::Notify;
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{Nonce, PersonId, RequestId};
use crate::domain::job::{Job, JobKind};
use crate::domain::notification::Notification;
use crate::domain::phase::AccountPhase;
use crate::domain::request::{Request, RequestState};
use crate::store::{CancelAsk, NewJob, RequestMove, RequestMoved, Tx};

/// What cancelling did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The public code of the request.
    pub code: String,
    /// The account was being created: the worker undoes it.
    pub undo: bool,
    /// The mail was sent already: the account is withdrawn.
    pub withdraw: bool,
}

/// Who cancels, for the audit log.
pub(super) struct CancelledBy {
    pub(super) actor: Actor,
    pub(super) source: Source,
}

/// How many attempts a cancellation has if the worker or a moderator changes the request in the meantime.
pub(super) const ATTEMPTS: usize = 3;

impl Accounts {
    /// Cancels the request that the button names, or the caller's current one.
    pub async fn cancel(
        &self,
        caller: &Caller,
        which: Option<(RequestId, Nonce)>,
    ) -> Result<Cancelled, UseCaseError> {
        self.within_limit(async {
            for _ in 0..ATTEMPTS {
                let mut tx = self.store().begin().await?;
                let Some(person) = tx.person_of(caller.user_id).await? else {
                    return Err(nothing_or_stale(which));
                };
                let request = match which {
                    Some((id, nonce)) => tx
                        .request(id)
                        .await?
                        .filter(|found| found.person_id == person.id && found.nonce == nonce),
                    None => present_request(&mut tx, person.id).await?,
                };
                let request = request.ok_or_else(|| nothing_or_stale(which))?;
                let by = CancelledBy { actor: Actor::Person(person.id), source: Source::Chat };
                if let Some(cancelled) = cancel_request(tx, &request, &by).await? {
                    return Ok(cancelled);
                }
            }
            Err(ErrorCode::ChangedMeanwhile.into())
        })
        .await
    }
}

/// Cancels a request in one transaction, at any stage. Returns `None` if the request changed since it was read.
pub(super) async fn cancel_request(
    mut tx: Tx,
    request: &Request,
    by: &CancelledBy,
) -> Result<Option<Cancelled>, UseCaseError> {
    match request.state {
        RequestState::Draft => drop_draft(tx, request).await,
        RequestState::Waiting | RequestState::Held => end_open_request(tx, request, by).await,
        RequestState::Approved => undo_or_withdraw(tx, request, by).await,
        RequestState::Denied => {
            // A quiet denial must not be visible here either, so it reads like an expired request.
            let decision = tx.decision_on(request.id).await?;
            let told = decision.is_some_and(|decision| decision.notify == Notify::Told);
            Err(ended(if told { RequestState::Denied } else { RequestState::Expired }))
        }
        RequestState::Cancelled | RequestState::Expired | RequestState::Failed => {
            of_ended_request(&mut tx, request).await.map(Some)
        }
    }
}

/// A draft is not yet a request: it expires at once, its personal values are erased, and nothing is audited.
async fn drop_draft(mut tx: Tx, draft: &Request) -> Result<Option<Cancelled>, UseCaseError> {
    if !is_moved(&tx.move_request(draft, RequestState::Expired, RequestMove::default()).await?) {
        return Ok(None);
    }
    tx.erase_request(draft.id).await?;
    tx.commit("cancel").await?;
    Ok(Some(Cancelled { code: draft.code.clone(), undo: false, withdraw: false }))
}

async fn end_open_request(
    mut tx: Tx,
    request: &Request,
    by: &CancelledBy,
) -> Result<Option<Cancelled>, UseCaseError> {
    if !is_moved(&tx.move_request(request, RequestState::Cancelled, RequestMove::default()).await?) {
        return Ok(None);
    }
    tx.end_check(request.id).await?;
    tx.audit(entry(request, by).change(request.state.code(), RequestState::Cancelled.code()));
    tx.put_card(request.id).await?;
    notify_person(&mut tx, request, by).await?;
    tx.commit("cancel").await?;
    Ok(Some(Cancelled { code: request.code.clone(), undo: false, withdraw: false }))
}

/// Notifies the person if someone else cancelled their request. People who cancel it themselves see it in the reply.
async fn notify_person(tx: &mut Tx, request: &Request, by: &CancelledBy) -> Result<(), UseCaseError> {
    if by.actor != Actor::Person(request.person_id) {
        tx.put_notification(request.person_id, Notification::Cancelled, request.id).await?;
    }
    Ok(())
}

async fn undo_or_withdraw(
    mut tx: Tx,
    request: &Request,
    by: &CancelledBy,
) -> Result<Option<Cancelled>, UseCaseError> {
    let Some(account) = tx.account_of(request.person_id).await? else {
        return Err(ended(request.state));
    };
    let jobs = tx.unfinished_jobs_of(request.person_id).await?;
    match account.state {
        AccountState::Creating => {
            let making = jobs.iter().find(|job| job.kind == JobKind::Provision).ok_or(ErrorCode::Internal)?;
            match tx.ask_cancel(making.id).await? {
                CancelAsk::Asked => {
                    tx.audit(
                        entry(request, by).of_job(making.id).change(request.state.code(), "cancel_asked"),
                    );
                    tx.put_card(request.id).await?;
                }
                CancelAsk::AskedBefore => {}
                // It changed a moment ago, so the caller reads it again.
                CancelAsk::Finished | CancelAsk::Overtaken => return Ok(None),
            }
            tx.commit("cancel").await?;
            Ok(Some(Cancelled { code: request.code.clone(), undo: true, withdraw: false }))
        }
        AccountState::Invited => {
            if !is_moved(&tx.move_request(request, RequestState::Cancelled, RequestMove::default()).await?) {
                return Ok(None);
            }
            if !jobs.iter().any(|job| job.kind == JobKind::Withdraw) {
                let withdraw = NewJob {
                    person_id: request.person_id,
                    account_id: Some(account.id),
                    request_id: Some(request.id),
                    kind: JobKind::Withdraw,
                };
                tx.enqueue_job(withdraw).await?;
            }
            tx.audit(entry(request, by).change(request.state.code(), RequestState::Cancelled.code()));
            tx.put_card(request.id).await?;
            notify_person(&mut tx, request, by).await?;
            tx.commit("cancel").await?;
            Ok(Some(Cancelled { code: request.code.clone(), undo: false, withdraw: true }))
        }
        AccountState::Active | AccountState::Disabled | AccountState::Conflict | AccountState::Closed => {
            Err(not_cancelled(&account, &jobs))
        }
    }
}

/// A request that ended while its account has not: the account says what happens. One that is still being removed reads as at the first
/// press.
async fn of_ended_request(tx: &mut Tx, request: &Request) -> Result<Cancelled, UseCaseError> {
    let account = tx.account_of(request.person_id).await?;
    let Some(account) = account else { return Err(ended(request.state)) };
    if tx.request_of_account(&account).await? != Some(request.id) {
        return Err(ended(request.state));
    }
    let jobs = tx.unfinished_jobs_of(request.person_id).await?;
    if phase_of(&account, &jobs) == AccountPhase::Removing {
        let withdraw = account.state == AccountState::Invited;
        return Ok(Cancelled { code: request.code.clone(), undo: !withdraw, withdraw });
    }
    Err(not_cancelled(&account, &jobs))
}

/// Why an account that was set up has no request to cancel.
fn not_cancelled(account: &Account, jobs: &[Job]) -> UseCaseError {
    match phase_of(account, jobs).unavailable() {
        Some(why) => why.into(),
        None => UseCaseError::with(ErrorCode::AlreadyHasAccount, Details::AccountInUse),
    }
}

/// The request that `/account cancel` refers to: the open one, otherwise a draft, otherwise the last one, so that the answer says how it
/// ended. A draft doesn't count if there is an account.
async fn present_request(tx: &mut Tx, person: PersonId) -> Result<Option<Request>, UseCaseError> {
    let open = tx.open_request_of(person).await?;
    if open.is_some() {
        return Ok(open);
    }
    let latest = tx.latest_request_of(person).await?;
    if tx.account_of(person).await?.is_some() {
        return Ok(latest);
    }
    let draft = tx.draft_of(person).await?;
    Ok(draft.or(latest))
}

/// Whether the request was moved; if not, the worker or a moderator changed it first.
const fn is_moved(moved: &RequestMoved) -> bool {
    matches!(moved, RequestMoved::Done(_))
}

fn entry(request: &Request, by: &CancelledBy) -> Entry {
    Entry::new(Event::RequestCancelled, by.source, by.actor.clone())
        .about(request.person_id)
        .in_guild(request.guild_id)
        .of_request(request.id)
}

fn ended(state: RequestState) -> UseCaseError {
    UseCaseError::with(ErrorCode::AlreadyDecided, Details::Ended { state })
}

fn nothing_or_stale(which: Option<(RequestId, Nonce)>) -> UseCaseError {
    match which {
        Some(_) => ErrorCode::StaleButton.into(),
        None => UseCaseError::with(ErrorCode::AlreadyDecided, Details::Nothing),
    }
}
