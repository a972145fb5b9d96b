//! "That was not me": someone else set the password. After one confirmation, a job locks the account.

use super::caller::Caller;
use super::context::Accounts;
use super::error::UseCaseError;
use super::password::{enqueue, must_be_usable, own_account, own_account_alone};
use crate::domain::account::{Account, AccountState};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{AccountId, Nonce};
use crate::domain::job::{Job, JobKind};
use crate::domain::request::Answer;
use crate::store::ReadConnection;

/// The account is being locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockAsked {
    /// The user name of the account.
    pub username: String,
    /// The lock was already requested: this press changed nothing.
    pub again: bool,
}

impl Accounts {
    /// Checks whether the confirmation form may open. It changes nothing.
    pub async fn may_lock(&self, caller: &Caller, id: AccountId, nonce: Nonce) -> Result<(), UseCaseError> {
        self.within_limit(async {
            let mut view = self.store().read().await?;
            let account = own_account(&mut view, caller, Some((id, nonce))).await?;
            must_be_in_use(&mut view, &account).await.map(drop)
        })
        .await
    }

    /// Locks the account after the confirmation. The person's note is sealed beside the audit row, for admins.
    pub async fn lock(
        &self,
        caller: &Caller,
        id: AccountId,
        nonce: Nonce,
        note: &str,
    ) -> Result<LockAsked, UseCaseError> {
        self.within_limit(async {
            let mut tx = self.store().begin().await?;
            let account = own_account_alone(&mut tx, caller, Some((id, nonce))).await?;
            let jobs = must_be_in_use(&mut tx, &account).await?;
            let username = account.username.as_str().to_owned();
            if jobs.iter().any(|job| job.kind == JobKind::Lock) {
                return Ok(LockAsked { username, again: true });
            }
            let job = enqueue(&mut tx, &account, JobKind::Lock).await?;
            let mut entry =
                Entry::new(Event::AccountDisabled, Source::Chat, Actor::Person(account.person_id))
                    .about(account.person_id)
                    .of_job(job.id)
                    .change(account.state.code(), "lock_asked");
            if let Some(id) = job.request_id
                && let Some(request) = tx.request(id).await?
            {
                entry = entry.of_request(id).in_guild(request.guild_id);
            }
            entry.personal = Answer::parse(note).map(|note| note.as_str().to_owned());
            tx.audit(entry);
            tx.commit("not_me").await?;
            Ok(LockAsked { username, again: false })
        })
        .await
    }
}

/// The unfinished jobs of an account in use. An account in any other state can't be locked by its owner.
async fn must_be_in_use(view: &mut ReadConnection, account: &Account) -> Result<Vec<Job>, UseCaseError> {
    let jobs = view.unfinished_jobs_of(account.person_id).await?;
    if account.state == AccountState::Active {
        // Even during a withdrawal, which may find the account in use and keep it.
        return Ok(jobs);
    }
    must_be_usable(account, &jobs)?;
    Err(ErrorCode::StaleButton.into())
}
