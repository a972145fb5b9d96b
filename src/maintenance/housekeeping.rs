//! Ends or erases what is past its time: drafts, forms kept for a correction, waiting requests, unused accounts, personal values, counters.

use std::time::Duration;

use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::job::JobKind;
use crate::domain::notification::Notification;
use crate::domain::request::RequestState;
use crate::store::{NamedLease, NewJob, StoreError};
use crate::worker::context::{LEASE, WorkerContext};

/// The most rows that one transaction changes.
const BATCH: u32 = 100;

/// How long personal values are kept after their request has ended.
const ERASED_AFTER: Duration = Duration::from_hours(30 * 24);

/// How long the other personal texts of the audit log are kept: "Not me" notes, and reasons of deny-list entries.
const TEXTS_ERASED_AFTER: Duration = Duration::from_hours(90 * 24);

/// How long counters and mails are kept: the longest window of a rate limit is a day.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(48);

/// The name of the lease: two replicas at once would both enqueue the withdrawal of the same account.
const NAME: &str = "housekeeping";

/// Runs one round and returns how many rows were changed. The next round continues after a full batch. While another replica holds the
/// lease nothing is changed.
pub(crate) async fn housekeep(worker: &WorkerContext) -> Result<usize, StoreError> {
    worker.deps.discord.drop_idle_routes().await;
    let Some(lease) = worker.deps.store.take_lease(NAME, &worker.owner, LEASE).await? else { return Ok(0) };
    let changed = run_round(worker, &lease).await;
    worker.deps.store.give_back_lease(lease).await?;
    changed
}

async fn run_round(worker: &WorkerContext, lease: &NamedLease) -> Result<usize, StoreError> {
    let mut changed = expire(worker).await?;
    changed += withdraw_unused(worker, lease).await?;
    Ok(changed + purge(worker).await?)
}

async fn expire(worker: &WorkerContext) -> Result<usize, StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    let drafts = tx.expire_drafts(BATCH).await?;
    let typed = tx.erase_typed_forms(worker.deps.clock.now()).await?;
    let requests = tx.expire_requests(BATCH).await?;
    for request in &requests {
        tx.end_check(request.id).await?;
        tx.audit(
            Entry::new(Event::RequestExpired, Source::Worker, Actor::System)
                .about(request.person_id)
                .in_guild(request.guild_id)
                .of_request(request.id)
                .becoming(RequestState::Expired.code()),
        );
        tx.put_card(request.id).await?;
        tx.put_notification(request.person_id, Notification::Expired, request.id).await?;
    }
    tx.commit("housekeeping.expire").await?;
    Ok(usize::try_from(drafts + typed).unwrap_or(usize::MAX).saturating_add(requests.len()))
}

/// Enqueues the withdrawal of accounts that were invited long ago. The job itself checks whether they were used.
async fn withdraw_unused(worker: &WorkerContext, lease: &NamedLease) -> Result<usize, StoreError> {
    let invited_before = worker.deps.clock.now().before(worker.deps.config.now().account.unused_after);
    let mut tx = worker.deps.store.begin().await?;
    // Fails if the lease was lost meanwhile: another replica may have enqueued the same withdrawals.
    tx.renew_lease(lease, LEASE).await?;
    let unused = tx.unused_accounts(invited_before, BATCH).await?;
    for account in &unused {
        let request = tx.approved_request_of(account.person_id).await?;
        let job = NewJob {
            person_id: account.person_id,
            account_id: Some(account.id),
            request_id: request.map(|request| request.id),
            kind: JobKind::Withdraw,
        };
        tx.enqueue_job(job).await?;
    }
    tx.commit("housekeeping.withdraw").await?;
    Ok(unused.len())
}

async fn purge(worker: &WorkerContext) -> Result<usize, StoreError> {
    let now = worker.deps.clock.now();
    let mut tx = worker.deps.store.begin().await?;
    let erased = tx.erase_ended_requests(now.before(ERASED_AFTER), BATCH).await?;
    // The log has the reason of a denial too, which must not be kept longer than the request's own values.
    let reasons =
        tx.erase_old_audit_texts(Some(Event::RequestDenied), now.before(ERASED_AFTER), BATCH).await?;
    let texts = tx.erase_old_audit_texts(None, now.before(TEXTS_ERASED_AFTER), BATCH).await?;
    let rate_limits = tx.forget_rate_limits(now.before(FORGOTTEN_AFTER)).await?;
    let mails = tx.forget_mails(now.before(FORGOTTEN_AFTER)).await?;
    tx.commit("housekeeping.purge").await?;
    Ok(usize::try_from(erased + reasons + texts + rate_limits + mails).unwrap_or(usize::MAX))
}
