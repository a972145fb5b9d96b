//! A member takes their request back, at any stage before the account is in use.
//!
//! Before approval the request ends at once. Between approval and the mail the worker is asked to undo. After the mail a new job
//! withdraws the account, because only a look into the directory can tell whether it was used.

use super::{Accounts, Caller, Details, UseCaseError};
use crate::domain::account::AccountState;
use crate::domain::approval::Notify;
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{Nonce, PersonId, RequestId};
use crate::domain::job::JobKind;
use crate::domain::request::{Request, RequestState};
use crate::store::{CancelAsk, NewJob, RequestMove, RequestMoved, Tx};

/// What taking back did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The public code of the request.
    pub code: String,
    /// The account was being made: what was made is being taken back.
    pub undo: bool,
    /// The mail was out already: the account is being withdrawn.
    pub withdraw: bool,
}

/// Who takes back, for the audit log.
pub(super) struct By {
    pub(super) actor: Actor,
    pub(super) source: Source,
}

impl Accounts {
    /// Takes back the request that the button names, or the caller's present one.
    pub async fn cancel(
        &self,
        caller: &Caller,
        which: Option<(RequestId, Nonce)>,
    ) -> Result<Cancelled, UseCaseError> {
        self.within_limit(async {
            let mut tx = self.store().begin().await?;
            let Some(person) = tx.person_of(caller.user_id).await? else {
                return Err(nothing_or_stale(which));
            };
            let request = match which {
                Some((id, nonce)) => {
                    tx.request(id).await?.filter(|found| found.person_id == person.id && found.nonce == nonce)
                }
                None => present_request(&mut tx, person.id).await?,
            };
            let request = request.ok_or_else(|| nothing_or_stale(which))?;
            let by = By { actor: Actor::Person(person.id), source: Source::Chat };
            take_back(tx, &request, &by).await
        })
        .await
    }
}

/// Takes a request back in one transaction, whatever stage it is in.
pub(super) async fn take_back(mut tx: Tx, request: &Request, by: &By) -> Result<Cancelled, UseCaseError> {
    match request.state {
        RequestState::Draft => drop_draft(tx, request).await,
        RequestState::Waiting | RequestState::Held => end_open_request(tx, request, by).await,
        RequestState::Approved => undo_or_withdraw(tx, request, by).await,
        RequestState::Denied => {
            // A quiet denial must not show here either: it reads like a request that came to nothing.
            let decision = tx.decision_on(request.id).await?;
            let told = decision.is_some_and(|decision| decision.tell == Notify::Told);
            Err(ended(if told { RequestState::Denied } else { RequestState::Expired }))
        }
        RequestState::Cancelled | RequestState::Expired | RequestState::Failed => Err(ended(request.state)),
    }
}

/// A draft is no request yet: it expires at once and its personal values are erased; nothing is audited.
async fn drop_draft(mut tx: Tx, draft: &Request) -> Result<Cancelled, UseCaseError> {
    moved(tx.move_request(draft, RequestState::Expired, RequestMove::default()).await?)?;
    tx.erase_request(draft.id).await?;
    tx.commit("cancel").await?;
    Ok(Cancelled { code: draft.code.clone(), undo: false, withdraw: false })
}

async fn end_open_request(mut tx: Tx, request: &Request, by: &By) -> Result<Cancelled, UseCaseError> {
    moved(tx.move_request(request, RequestState::Cancelled, RequestMove::default()).await?)?;
    tx.end_check(request.id).await?;
    tx.audit(entry(request, by).change(request.state.code(), RequestState::Cancelled.code()));
    tx.put_card(request.id).await?;
    tx.commit("cancel").await?;
    Ok(Cancelled { code: request.code.clone(), undo: false, withdraw: false })
}

async fn undo_or_withdraw(mut tx: Tx, request: &Request, by: &By) -> Result<Cancelled, UseCaseError> {
    let Some(account) = tx.account_of(request.person_id).await? else {
        return Err(ended(request.state));
    };
    match account.state {
        AccountState::Creating => {
            let jobs = tx.unfinished_jobs_of(request.person_id).await?;
            let making = jobs.iter().find(|job| job.kind == JobKind::Provision).ok_or(ErrorCode::Internal)?;
            match tx.ask_cancel(making.id).await? {
                CancelAsk::Asked => {
                    tx.audit(
                        entry(request, by).of_job(making.id).change(request.state.code(), "cancel_asked"),
                    );
                    tx.put_card(request.id).await?;
                }
                CancelAsk::AskedBefore => {}
                // It ended a moment ago: the next press meets what it made.
                CancelAsk::Finished | CancelAsk::Overtaken => return Err(ErrorCode::StoreBusy.into()),
            }
            tx.commit("cancel").await?;
            Ok(Cancelled { code: request.code.clone(), undo: true, withdraw: false })
        }
        AccountState::Invited => {
            moved(tx.move_request(request, RequestState::Cancelled, RequestMove::default()).await?)?;
            let jobs = tx.unfinished_jobs_of(request.person_id).await?;
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
            tx.commit("cancel").await?;
            Ok(Cancelled { code: request.code.clone(), undo: false, withdraw: true })
        }
        AccountState::Active | AccountState::Disabled | AccountState::Conflict | AccountState::Closed => {
            Err(ErrorCode::AlreadyHasAccount.into())
        }
    }
}

/// The request that `/account cancel` means: what is on its way, else a draft, else the last one, which answers how it ended.
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

fn moved(moved: RequestMoved) -> Result<Request, UseCaseError> {
    match moved {
        RequestMoved::Done(request) => Ok(request),
        // A worker or moderator was faster by a moment; the next press meets what it wrote.
        RequestMoved::Lost(_) | RequestMoved::AddressInUse(_) | RequestMoved::NameTaken(_) => {
            Err(ErrorCode::StoreBusy.into())
        }
    }
}

fn entry(request: &Request, by: &By) -> Entry {
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
