//! The status of the session at Discord's gateway, for the health page and for [`run`](super::gateway::run).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poise::serenity_prelude as serenity;
use serenity::{ConnectionStage, ShardManager};

use crate::clock::Clock;
use crate::telemetry;

/// How often the library's record is read after READY, at most, until it has the runner.
const RECORD_CHECKS: u32 = 50;
/// The pause between two such reads.
const RECORD_PAUSE: Duration = Duration::from_millis(100);

/// The session of this process at Discord's gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Open: between READY or RESUMED and the end of the connection.
    Open,
    /// There is a connection but no session yet.
    Opening,
    /// There is no connection.
    None,
    /// Another process holds the gateway; this one is on standby.
    Elsewhere,
}

/// The status of the session. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct GatewayStatus(Arc<Mutex<Connection>>);

#[derive(Clone, Debug, Default)]
enum Connection {
    #[default]
    Disconnected,
    Standby,
    Shards(Arc<ShardManager>),
}

impl GatewayStatus {
    /// The current session. This asks the library's own record, because its events arrive in no particular order.
    pub async fn session(&self) -> Session {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match connection {
            Connection::Disconnected => Session::None,
            Connection::Standby => Session::Elsewhere,
            Connection::Shards(shards) => session_of(&shards).await,
        }
    }

    /// READY or RESUMED was handled. The library may handle it before its own record has the runner that received it. The record says
    /// "disconnected" then until the next heartbeat, and the session would look unhealthy.
    pub(super) async fn note_open(&self, clock: &dyn Clock) {
        for _ in 0..RECORD_CHECKS {
            let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Connection::Shards(shards) = connection else { return };
            let mut runners = shards.runners.lock().await;
            for runner in runners.values_mut() {
                if runner.stage == ConnectionStage::Disconnected {
                    runner.stage = ConnectionStage::Connected;
                }
            }
            if !runners.is_empty() {
                return;
            }
            drop(runners);
            clock.pause(RECORD_PAUSE).await;
        }
    }

    /// Another process holds the gateway.
    pub fn set_standby(&self) {
        self.set(Connection::Standby);
    }

    /// There is no connection until the next [`run`](super::gateway::run).
    pub fn set_disconnected(&self) {
        telemetry::on_gateway_closure(None);
        self.set(Connection::Disconnected);
    }

    /// Ends the runners of a connection that is permanently closed.
    pub(super) fn drop_runners(&self) {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Connection::Shards(shards) = connection {
            drop_runners(&shards);
        }
    }

    pub(super) fn set_connected(&self, shards: Arc<ShardManager>) {
        let watched = Arc::downgrade(&shards);
        telemetry::on_gateway_closure(Some(Arc::new(move || {
            if let Some(shards) = watched.upgrade() {
                drop_runners(&shards);
            }
        })));
        self.set(Connection::Shards(shards));
    }

    fn set(&self, connection: Connection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// Ends all runners. The library's own shutdown of a runner would wait on a closed connection forever without yielding its thread. A
/// message that can't be sent ends the runner too.
fn drop_runners(shards: &ShardManager) {
    // If the lock is held for a moment by a reader, the next heartbeat of the runner ends it.
    let Ok(mut runners) = shards.runners.try_lock() else { return };
    for (_, runner) in runners.drain() {
        runner.runner_tx.set_activity(None);
    }
}

async fn session_of(shards: &ShardManager) -> Session {
    let runners = shards.runners.lock().await;
    if runners.is_empty() {
        return Session::None;
    }
    if runners.values().all(|runner| runner.stage == ConnectionStage::Connected) {
        return Session::Open;
    }
    Session::Opening
}
