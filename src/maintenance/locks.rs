//! Lost locks: an account that must be locked is looked at again, and a job locks it once more if its lock is gone.
//!
//! A password form that was open before the lock takes it away in a directory without the documented access rules; a person with rights in
//! the directory or in Keycloak can, too. Nothing is written here but rows: a `disabled` account gets a job `lock`, and a job that ends an
//! account and is waiting or stopped goes back to its step `lock`. So an unlocking that begins meanwhile runs after it, in order.

use std::collections::HashMap;

use crate::directory::Entry as DirectoryEntry;
use crate::domain::account::{Account, AccountState, DirectoryId, Mark};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::ids::RequestId;
use crate::domain::job::{Job, JobKind, JobState, Step};
use crate::domain::notification::Notification;
use crate::store::{NewJob, StoreError, Tx};
use crate::worker::breaker::{Admission, Target};
use crate::worker::context::WorkerContext;
use crate::worker::notices::put_notice;
use crate::worker::outage::IsOutage;

/// How many accounts one search of the directory asks for.
const PAGE: u32 = 100;

/// Looks once at every account that must be locked. Returns how many are being locked again. Replicas may look at the same time, because
/// each change is made only once.
pub(crate) async fn look(worker: &WorkerContext) -> Result<usize, StoreError> {
    Ok(disabled(worker).await? + ending(worker).await?)
}

/// The disabled accounts that nothing locks or unlocks at the moment.
async fn disabled(worker: &WorkerContext) -> Result<usize, StoreError> {
    let (mut locked, mut after) = (0, None);
    loop {
        let page = worker.deps.store.read().await?.disabled_accounts(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(locked) };
        after = Some(last.id);
        for account in lost(worker, page, Look::Everywhere).await? {
            locked += usize::from(lock_disabled(worker, &account).await?);
        }
    }
}

/// The accounts whose end waits or has stopped after its lock.
async fn ending(worker: &WorkerContext) -> Result<usize, StoreError> {
    let mut locked = 0;
    for state in [JobState::NeedsOperator, JobState::Undoing, JobState::Open] {
        let mut after = 0;
        loop {
            let page = worker.deps.store.read().await?.jobs_in(state, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            let mut jobs = HashMap::new();
            let mut accounts = Vec::new();
            for job in page.into_iter().filter(has_locked) {
                let Some(id) = job.account_id else { continue };
                accounts.extend(worker.deps.store.read().await?.account(id).await?);
                jobs.insert(id, job);
            }
            for account in lost(worker, accounts, Look::Directory).await? {
                let Some(job) = jobs.get(&account.id) else { continue };
                locked += usize::from(lock_ending(worker, &account, job).await?);
            }
        }
    }
    Ok(locked)
}

/// Whether the job ends an account, has locked it, and is at a step that comes before any unlocking.
fn has_locked(job: &Job) -> bool {
    let ends = matches!(job.kind, JobKind::Provision | JobKind::Withdraw | JobKind::Lock);
    let is_after_lock =
        matches!(job.step, Some(Step::Disable | Step::EndSessions | Step::CheckPassword | Step::Remove));
    ends && is_after_lock && job.owner.is_none()
}

/// Where to look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// In the directory. Keycloak may still have to disable the user of an account that is being ended, or refuse to.
    Directory,
    /// In the directory and Keycloak.
    Everywhere,
}

/// Those of the accounts whose entry is not locked, or whose Keycloak user is enabled. What does not answer proves nothing.
async fn lost(
    worker: &WorkerContext,
    accounts: Vec<Account>,
    look: Look,
) -> Result<Vec<Account>, StoreError> {
    let ids: Vec<DirectoryId> = accounts.iter().filter_map(|account| account.directory_id.clone()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if let Admission::Blocked(_) = worker.admit(Target::Directory) {
        return Ok(Vec::new());
    }
    let answer = worker.measured(Target::Directory, worker.deps.directory.find_together(&ids)).await;
    worker.note_answer(Target::Directory, answer.as_ref().is_err_and(IsOutage::is_outage)).await;
    let entries = match answer {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(error = %error, "locks could not be looked at; the next round tries again");
            return Ok(Vec::new());
        }
    };
    let mut lost = Vec::new();
    for account in accounts {
        let person = worker.deps.store.read().await?.person(account.person_id).await?;
        let discord_id = person.and_then(|person| person.discord_id);
        let is_ours = |entry: &&DirectoryEntry| {
            let owner = discord_id?;
            Some(
                account.directory_id.as_ref() == Some(&entry.directory_id)
                    && entry.ours(Mark::of(account.id), owner).is_some(),
            )
        };
        // An entry that is gone or not ours is a difference that `link show` lists. Nothing of it is changed.
        let Some(entry) = entries.iter().find(|entry| is_ours(entry) == Some(true)) else { continue };
        if !entry.is_locked || (look == Look::Everywhere && is_enabled(worker, &account).await) {
            lost.push(account);
        }
    }
    Ok(lost)
}

/// Whether Keycloak says that the account's user is enabled.
async fn is_enabled(worker: &WorkerContext, account: &Account) -> bool {
    let Some(id) = &account.keycloak_id else { return false };
    if let Admission::Blocked(_) = worker.admit(Target::Keycloak) {
        return false;
    }
    let answer = worker.measured(Target::Keycloak, worker.deps.keycloak.person(id)).await;
    worker.note_answer(Target::Keycloak, answer.as_ref().is_err_and(IsOutage::is_outage)).await;
    match answer {
        Ok(user) => user.is_some_and(|user| user.enabled && user.directory_id == account.directory_id),
        Err(error) => {
            tracing::warn!(account.id = %account.id, error = %error, "a locked user could not be looked up");
            false
        }
    }
}

/// Enqueues a job that locks the account, if it must still be locked.
async fn lock_disabled(worker: &WorkerContext, seen: &Account) -> Result<bool, StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    tx.lock_person(seen.person_id).await?;
    let Some(account) = tx.account(seen.id).await? else { return Ok(false) };
    let jobs = tx.unfinished_jobs_of(account.person_id).await?;
    let is_handled = jobs.iter().any(|job| matches!(job.kind, JobKind::Lock | JobKind::Enable));
    if account.state != AccountState::Disabled || is_handled {
        return Ok(false);
    }
    let job = NewJob {
        person_id: account.person_id,
        account_id: Some(account.id),
        request_id: tx.request_of_account(&account).await?,
        kind: JobKind::Lock,
    };
    let job = tx.enqueue_job(job).await?;
    tell(worker, tx, &account, &job).await
}

/// Sets the job that ends the account back to its lock, if no worker has it meanwhile.
async fn lock_ending(worker: &WorkerContext, account: &Account, seen: &Job) -> Result<bool, StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    let Some(job) = tx.lock_again(seen).await? else { return Ok(false) };
    tell(worker, tx, account, &job).await
}

/// Audits that the lock was gone, tells the admins, and commits.
async fn tell(worker: &WorkerContext, mut tx: Tx, account: &Account, job: &Job) -> Result<bool, StoreError> {
    let mut entry = Entry::new(Event::LockLost, Source::Worker, Actor::System)
        .about(account.person_id)
        .of_job(job.id)
        .becoming(account.state.code());
    if let Some(request) = request_of(&mut tx, job.request_id).await? {
        entry = entry.of_request(request.id).in_guild(request.guild_id);
        let config = worker.deps.config.now();
        if let Some(guild) = config.guild(request.guild_id) {
            put_notice(&mut tx, guild, job.id, Notification::LockLost, job.revision).await?;
        }
    }
    tx.audit(entry);
    tx.commit("locks.again").await?;
    tracing::warn!(account.id = %account.id, "an account that must be locked was not; it is locked again");
    Ok(true)
}

async fn request_of(
    tx: &mut Tx,
    id: Option<RequestId>,
) -> Result<Option<crate::domain::request::Request>, StoreError> {
    match id {
        Some(id) => tx.request(id).await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{JobId, PersonId, Timestamp};

    fn job(kind: JobKind, step: Step) -> Job {
        Job {
            id: JobId::new(uuid::Uuid::from_u128(1)),
            seq: 1,
            person_id: PersonId::new(uuid::Uuid::from_u128(2)),
            account_id: None,
            request_id: None,
            kind,
            plan_version: 1,
            state: JobState::NeedsOperator,
            step: Some(step),
            revision: 1,
            fence: 1,
            owner: None,
            lease_until: None,
            attempt: 1,
            next_run: Timestamp::default(),
            error_code: None,
            progressed_at: Timestamp::default(),
            reported_at: None,
            mail_attempts: 0,
            cancel_asked: false,
        }
    }

    /// A job that has not locked yet, or unlocks, is left alone: its own steps decide.
    #[test]
    fn only_a_job_that_has_locked_the_account_is_set_back_to_its_lock() {
        for kind in JobKind::ALL {
            for step in Step::ALL {
                let after =
                    matches!(step, Step::Disable | Step::EndSessions | Step::CheckPassword | Step::Remove);
                let ends = matches!(kind, JobKind::Provision | JobKind::Withdraw | JobKind::Lock);
                assert_eq!(has_locked(&job(*kind, *step)), ends && after, "{kind} at {step}");
            }
        }
        let claimed = Job { owner: Some("a worker".to_owned()), ..job(JobKind::Lock, Step::Disable) };
        assert!(!has_locked(&claimed));
    }
}
