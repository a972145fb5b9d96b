//! Activation: a first password was seen, in Keycloak's events or in the directory's password-changed time.
//!
//! The clocks of this host and of Keycloak are never compared. The cursor holds Keycloak's own times; each poll steps back 60 s and drops
//! the events that it knows. A lease lets only one replica poll.

use std::time::Duration;

use crate::directory::OwnedEntry;
use crate::domain::account::{Account, Mark};
use crate::domain::audit::Source;
use crate::domain::ids::{AccountId, Timestamp};
use crate::store::{EventCursor, NamedLease, StoreError};
use crate::worker::activate::record_activation;
use crate::worker::breaker::{Admission, Target};
use crate::worker::context::{LEASE, WorkerContext};
use crate::worker::outage::IsOutage;

/// The name of the poll's lease and of its cursor.
const NAME: &str = "activation";

/// The name of the directory check's lease. It is separate, because otherwise each check would take the poll's lease.
const DIRECTORY_NAME: &str = "activation.look";

/// How far a poll steps back: events become visible a moment after their time.
const STEP_BACK: Duration = Duration::from_mins(1);

/// How many accounts are read from the store at once.
const PAGE: u32 = 100;

/// Reads Keycloak's events since the last poll. Returns how many activations were seen.
pub(crate) async fn poll_events(worker: &WorkerContext) -> Result<usize, StoreError> {
    let Some(lease) = take_lease(worker, NAME).await? else {
        // Another replica reads them.
        worker.events_unread.succeeded();
        return Ok(0);
    };
    let cursor = worker.deps.store.read().await?.event_cursor(NAME).await?.unwrap_or_default();
    if let Admission::Blocked(_) = worker.admit(Target::Keycloak) {
        worker.events_unread.failed(worker.deps.clock.now());
        return Ok(0);
    }
    let from = Timestamp::from_millis(cursor.at).before(STEP_BACK);
    let answer = worker.measured(Target::Keycloak, worker.deps.keycloak.events_since(from)).await;
    worker.note_answer(Target::Keycloak, answer.as_ref().is_err_and(IsOutage::is_outage)).await;
    let events = match answer {
        Ok(events) => {
            worker.events_unread.succeeded();
            events
        }
        Err(error) => {
            worker.events_unread.failed(worker.deps.clock.now());
            tracing::warn!(error = %error, "keycloak's events could not be read; the next poll tries again");
            return Ok(0);
        }
    };
    let mut seen = 0;
    for event in events.events.iter().filter(|event| !cursor.known.contains(&event.id)) {
        let account = worker.deps.store.read().await?.account_by_keycloak_id(&event.user).await?;
        if let Some(account) = account {
            seen += usize::from(record(worker, account.id, Source::Keycloak).await?);
        }
    }
    let Some(latest) = events.latest.map(Timestamp::as_millis) else { return Ok(seen) };
    let at = latest.max(cursor.at);
    let keep_from = Timestamp::from_millis(at).before(STEP_BACK);
    let recent = events.events.iter().filter(|event| event.at >= keep_from);
    let moved = EventCursor { at, known: recent.map(|event| event.id.clone()).collect() };
    if moved != cursor {
        let mut tx = worker.deps.store.begin().await?;
        // Fails if another replica has the lease: its cursor must not be set back.
        tx.renew_lease(&lease, LEASE).await?;
        tx.set_event_cursor(NAME, &moved).await?;
        tx.commit("activation.cursor").await?;
    }
    Ok(seen)
}

/// Asks the directory for the password-changed time of every invited account. Returns how many activations were seen.
pub(crate) async fn check_invited(worker: &WorkerContext) -> Result<usize, StoreError> {
    if take_lease(worker, DIRECTORY_NAME).await?.is_none() {
        return Ok(0);
    }
    let mut seen = 0;
    let mut after = None;
    loop {
        let page = worker.deps.store.read().await?.invited_accounts(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(seen) };
        after = Some(last.id);
        for account in &page {
            if has_password(worker, account).await? {
                seen += usize::from(record(worker, account.id, Source::Worker).await?);
            }
        }
    }
}

async fn has_password(worker: &WorkerContext, account: &Account) -> Result<bool, StoreError> {
    let person = worker.deps.store.read().await?.person(account.person_id).await?;
    let discord_id = person.and_then(|person| person.discord_id);
    let (Some(directory_id), Some(discord_id)) = (account.directory_id.clone(), discord_id) else {
        return Ok(false);
    };
    if let Admission::Blocked(_) = worker.admit(Target::Directory) {
        return Ok(false);
    }
    let ours = OwnedEntry { directory_id, mark: Mark::of(account.id), discord_id };
    let asking = worker.deps.directory.password_changed_at(&ours);
    let answer = worker.measured(Target::Directory, asking).await;
    worker.note_answer(Target::Directory, answer.as_ref().is_err_and(IsOutage::is_outage)).await;
    match answer {
        Ok(changed) => Ok(changed.is_some()),
        Err(error) => {
            tracing::warn!(account.id = %account.id, error = %error, "an invited account could not be looked up");
            Ok(false)
        }
    }
}

async fn record(worker: &WorkerContext, account: AccountId, source: Source) -> Result<bool, StoreError> {
    let mut tx = worker.deps.store.begin().await?;
    let is_new = record_activation(worker, &mut tx, account, source).await?;
    if is_new {
        tx.commit("activation.seen").await?;
        tracing::info!(account.id = %account, "an account was activated");
    }
    Ok(is_new)
}

async fn take_lease(worker: &WorkerContext, name: &'static str) -> Result<Option<NamedLease>, StoreError> {
    worker.deps.store.take_lease(name, &worker.owner, LEASE).await
}
