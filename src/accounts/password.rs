//! A person asks for another mail with a link to set a password, at most one every few minutes. The mail ends no session, lock or earlier
//! link.
//!
//! The use-case decides at once by the store's data. A job sends the mail and tells the person the result.

use std::time::Duration;

use super::caller::Caller;
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use crate::domain::account::Account;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, Nonce, Timestamp};
use crate::domain::job::{Job, JobKind};
use crate::domain::mail::{Mail, PERSONAL_SPAN};
use crate::domain::phase::{AccountPhase, AccountUnavailable, PhaseJob};
use crate::store::{NewJob, RateLimitKind, ReadConnection, StoreError, Tx};

/// The pause between two mails to one account, so that the first can arrive.
pub(super) const COOL_DOWN: Duration = Duration::from_mins(5);

/// Another mail was requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAsked {
    /// The user name of the account.
    pub username: String,
    /// One was already requested: this press changed nothing.
    pub again: bool,
    /// The mails before it, newest first.
    pub mails: Vec<Mail>,
    /// When the first password was set.
    pub used_at: Option<Timestamp>,
    /// When this was read.
    pub now: Timestamp,
}

impl Accounts {
    /// Asks for another mail, for the account that the button names, or the caller's own.
    pub async fn mail_again(
        &self,
        caller: &Caller,
        which: Option<(AccountId, Nonce)>,
    ) -> Result<MailAsked, UseCaseError> {
        self.within_limit(async {
            let mut tx = self.store().begin().await?;
            let account = own_account_alone(&mut tx, caller, which).await?;
            let jobs = tx.unfinished_jobs_of(account.person_id).await?;
            must_be_usable(&account, &jobs)?;
            let now = self.clock().now();
            let mails = tx.mails_of(account.id).await?;
            let (username, used_at) = (account.username.as_str().to_owned(), account.activated_at);
            if jobs.iter().any(|job| job.kind == JobKind::Resend) {
                return Ok(MailAsked { username, again: true, mails, used_at, now });
            }
            if let Some(at) = self.not_before(&mut tx, &account, &mails).await? {
                return Err(UseCaseError::with(ErrorCode::TooMany, Details::Wait { until: at }));
            }
            enqueue(&mut tx, &account, JobKind::Resend).await?;
            tx.commit("password").await?;
            Ok(MailAsked { username, again: false, mails, used_at, now })
        })
        .await
    }

    /// When the account may have another mail; `None`: now. The limits for the mail domain and for all mails are checked when the mail is
    /// sent.
    async fn not_before(
        &self,
        tx: &mut Tx,
        account: &Account,
        mails: &[Mail],
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = account.person_id.to_string();
        let limit = self.config().rate_limits.mails_per_person;
        let full_until =
            tx.rate_limit_full_until(RateLimitKind::MailPerson, &key, limit, PERSONAL_SPAN).await?;
        let now = self.clock().now();
        Ok(full_until.max(cooled_down_at(mails)).filter(|at| *at > now))
    }
}

/// When the pause after the newest mail is over.
pub(super) fn cooled_down_at(mails: &[Mail]) -> Option<Timestamp> {
    mails.first().map(|mail| mail.at.after(COOL_DOWN))
}

/// The caller's account, locked for a change: no other transaction can change this person until this one ends.
pub(super) async fn own_account_alone(
    tx: &mut Tx,
    caller: &Caller,
    which: Option<(AccountId, Nonce)>,
) -> Result<Account, UseCaseError> {
    let seen = own_account(tx, caller, which).await?;
    tx.lock_person(seen.person_id).await?;
    // Read again: another transaction may have held the lock until now.
    own_account(tx, caller, which).await
}

/// The caller's account; a button must name exactly it.
pub(super) async fn own_account(
    view: &mut ReadConnection,
    caller: &Caller,
    which: Option<(AccountId, Nonce)>,
) -> Result<Account, UseCaseError> {
    let nobody = || match which {
        Some(_) => UseCaseError::because(ErrorCode::StaleButton),
        None => UseCaseError::from(AccountUnavailable::NoAccount),
    };
    let person = view.person_of(caller.user_id).await?.ok_or_else(nobody)?;
    let account = view.account_of(person.id).await?.ok_or_else(nobody)?;
    match which {
        Some((id, nonce)) if account.id != id || account.nonce != nonce => Err(nobody()),
        Some(_) | None => Ok(account),
    }
}

/// The phase of an account whose owner has these unfinished jobs.
pub(super) fn phase_of(account: &Account, jobs: &[Job]) -> AccountPhase {
    AccountPhase::of(account.state, jobs.iter().map(PhaseJob::from))
}

/// Checks that the account is `invited` or `active`, and that no job is about to end that.
pub(super) fn must_be_usable(account: &Account, jobs: &[Job]) -> Result<(), UseCaseError> {
    match phase_of(account, jobs).unavailable() {
        Some(why) => Err(why.into()),
        None => Ok(()),
    }
}

/// Enqueues a job for the account, with the request that led to the account: without it nobody could be told of the job, or retry it.
pub(super) async fn enqueue(tx: &mut Tx, account: &Account, kind: JobKind) -> Result<Job, StoreError> {
    let job = NewJob {
        person_id: account.person_id,
        account_id: Some(account.id),
        request_id: tx.request_of_account(account).await?,
        kind,
    };
    tx.enqueue_job(job).await
}
