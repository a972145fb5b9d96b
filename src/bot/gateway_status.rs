//! Whether there is a session at Discord's gateway, for the health page and for the holder of the gateway.

use std::sync::{Arc, Mutex, PoisonError};

use poise::serenity_prelude as serenity;
use serenity::{ConnectionStage, ShardManager};

use crate::telemetry;

/// How this process stands to Discord's gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Between READY or RESUMED and the connection's end.
    Open,
    /// There is a connection, and no session yet.
    Opening,
    /// There is no connection.
    None,
    /// Another process holds the gateway; this one stands by.
    Elsewhere,
}

/// The look at the session. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct GatewayStatus(Arc<Mutex<Seen>>);

#[derive(Clone, Debug, Default)]
enum Seen {
    #[default]
    Nothing,
    Elsewhere,
    Here(Arc<ShardManager>),
}

impl GatewayStatus {
    /// How it stands at this moment. The library's own record is asked, because its events come in no order.
    pub async fn session(&self) -> Session {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Seen::Nothing => Session::None,
            Seen::Elsewhere => Session::Elsewhere,
            Seen::Here(shards) => stage_of(&shards).await,
        }
    }

    /// Another process holds the gateway.
    pub fn stands_by(&self) {
        self.set(Seen::Elsewhere);
    }

    /// There is nothing to look at until the next [`run`](super::run).
    pub fn ends(&self) {
        telemetry::at_gateway_closure(None);
        self.set(Seen::Nothing);
    }

    /// Ends the runners whose connection is closed for good.
    pub(super) fn drops_runners(&self) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Seen::Here(shards) = seen {
            drop_runners(&shards);
        }
    }

    pub(super) fn looks_at(&self, shards: Arc<ShardManager>) {
        let watched = Arc::downgrade(&shards);
        telemetry::at_gateway_closure(Some(Arc::new(move || {
            if let Some(shards) = watched.upgrade() {
                drop_runners(&shards);
            }
        })));
        self.set(Seen::Here(shards));
    }

    fn set(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

/// The library's own way to end a runner would wait on a closed connection for ever, without ever yielding its thread; a message that
/// cannot be sent ends it, too.
fn drop_runners(shards: &ShardManager) {
    // Somebody who looks holds the lock for a moment only; then the runner's next heartbeat ends it.
    let Ok(mut runners) = shards.runners.try_lock() else { return };
    for (_, runner) in runners.drain() {
        runner.runner_tx.set_activity(None);
    }
}

async fn stage_of(shards: &ShardManager) -> Session {
    let runners = shards.runners.lock().await;
    if runners.is_empty() {
        return Session::None;
    }
    if runners.values().all(|runner| runner.stage == ConnectionStage::Connected) {
        return Session::Open;
    }
    Session::Opening
}
