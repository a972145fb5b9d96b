//! Holds the gateway for as long as this process may: always on SQLite, under a lease on `PostgreSQL`.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::bot::{self, BotError, Dependencies};
use crate::clock::Clock;
use crate::store::{NamedLease, Store, StoreError};

/// Only the holder of this lease is connected to Discord's gateway. Another replica takes over when the lease expires. People may be
/// without a bot for 20 s at most, so the lease, the next attempt of the other replica and its connection take less than that.
const LEASE: &str = "gateway";
const LEASE_TIME: Duration = Duration::from_secs(12);
const RENEWAL_INTERVAL: Duration = Duration::from_secs(4);

/// How often a standby replica tries to take the lease. Until it succeeds, no replica answers people.
const STANDBY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the bot whenever this process holds the lease, until `stop` is cancelled or the bot ends.
pub(super) async fn hold_gateway(
    store: Store,
    owner: String,
    clock: Arc<dyn Clock>,
    dependencies: Dependencies,
    stop: CancellationToken,
) -> Result<(), BotError> {
    while !stop.is_cancelled() {
        let taken = store.take_lease(LEASE, &owner, LEASE_TIME).await;
        let Ok(Some(lease)) = taken else {
            if taken.is_ok() {
                dependencies.gateway.set_standby();
            } else {
                dependencies.gateway.set_disconnected();
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = clock.pause(STANDBY_INTERVAL) => continue,
            }
        };
        let session = stop.child_token();
        let ended = tokio::select! {
            ended = bot::run(dependencies.clone(), session.clone()) => Some(ended),
            () = renew_until_lost(&store, lease.clone(), clock.as_ref()) => None,
        };
        dependencies.gateway.set_disconnected();
        session.cancel();
        drop(store.give_back_lease(lease).await);
        match ended {
            Some(Ok(())) if stop.is_cancelled() => break,
            Some(ended) => return ended,
            None => tracing::warn!("another replica has taken the gateway"),
        }
    }
    Ok(())
}

/// Renews the lease until it is lost.
async fn renew_until_lost(store: &Store, mut lease: NamedLease, clock: &dyn Clock) {
    loop {
        clock.pause(RENEWAL_INTERVAL).await;
        match store.renew_lease(&lease, LEASE_TIME).await {
            Ok(renewed) => lease = renewed,
            Err(StoreError::LostLease) => return,
            Err(error) => tracing::warn!(%error, "the gateway lease could not be renewed; trying again"),
        }
    }
}
