//! The dependencies of the background loops, and the state that the loops of one process share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::breakers::Breakers;
use super::failing_since::FailingSince;
use super::heartbeat::Heartbeat;
use super::metrics::Metrics;
use super::recent_checks::RecentChecks;
use crate::clock::{Clock, Rng};
use crate::config::SharedConfig;
use crate::directory::Directory;
use crate::discord::Discord;
use crate::keycloak::Keycloak;
use crate::store::Store;

/// How long the lease of a job, or of a named role such as housekeeping, lasts without renewal.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// How long a step, or a round of messages, lets interactions go first. Short enough that the work continues even if people never stop
/// pressing buttons.
const YIELD_LIMIT: Duration = Duration::from_millis(250);

/// The dependencies of the background loops.
#[derive(Clone)]
pub struct Dependencies {
    /// The store.
    pub store: Store,
    /// The directory.
    pub directory: Directory,
    /// Keycloak.
    pub keycloak: Keycloak,
    /// Discord.
    pub discord: Discord,
    /// The validated configuration.
    pub config: SharedConfig,
    /// Instants and pauses.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and names.
    pub rng: Arc<dyn Rng>,
}

/// What all background loops of one process share.
pub(crate) struct WorkerContext {
    pub(crate) deps: Dependencies,
    /// The name of this process in leases.
    pub(crate) owner: String,
    pub(crate) breakers: Breakers,
    /// How many steps panicked.
    pub(crate) panics: AtomicU64,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) recent_checks: RecentChecks,
    /// Since when Keycloak's events can't be read.
    pub(crate) events_unread: FailingSince,
    #[cfg(feature = "faults")]
    pub(crate) breakpoint: super::breakpoint::Breakpoint,
}

impl WorkerContext {
    /// A context with closed breakers, zero counters and a random owner name.
    pub(crate) fn new(deps: Dependencies) -> Self {
        let mut name = [0; 8];
        deps.rng.fill(&mut name);
        Self {
            owner: hex::encode(name),
            breakers: Breakers::new(),
            panics: AtomicU64::new(0),
            metrics: Metrics::new(),
            heartbeat: Heartbeat::new(),
            recent_checks: RecentChecks::new(),
            events_unread: FailingSince::new(),
            #[cfg(feature = "faults")]
            breakpoint: super::breakpoint::Breakpoint::default(),
            deps,
        }
    }

    /// Lets the interactions that wait for their first answer go first.
    pub(crate) async fn yield_to_interactions(&self) {
        self.deps.discord.interactions_answered(YIELD_LIMIT).await;
    }

    /// A random number for jitter.
    pub(crate) fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.deps.rng.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}
