//! The durable worker: the only room that changes people, groups, mails and messages outside.
//!
//! It claims job from the store, runs one step after the other, records each with its audit row, and obeys what a step says of a
//! setback. It also sends the outbox, looks for activations and keeps the tables tidy. What may not live here: decisions about
//! people (`domain`), sentences (`messages`), SQL (`store`).
//!
//! Start with [`worker`] (one claimed job), then [`steps`] (what each step ensures) and `record` (the transaction behind each).
//! Rules of the room: every write names the fence of its claim; no transaction is held across an outside call; a lost lease stops
//! everything at once; only the mail is counted before it is begun, because every other step looks first and can be repeated.

mod activation;
mod breaker;
mod call;
mod card;
mod claim;
mod context;
mod direct;
mod health;
mod heartbeat;
mod housekeeping;
mod metrics;
mod outbox;
mod panel;
mod record;
mod steps;
mod transitions;
mod worker;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Rng};
use crate::config::SharedConfig;
use crate::directory::Directory;
use crate::discord::Discord;
use crate::keycloak::Keycloak;
use crate::store::{Store, StoreError};

pub use breaker::Target;
pub use health::Health;

use heartbeat::Loop;

/// How many jobs run at once in one process.
const RUNNERS: usize = 8;

/// How often the store is asked for job that nobody announced (another replica, the command line, a retry).
const POLL: Duration = Duration::from_secs(1);

/// How often expiry and tidying look.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(30);

/// How often invited accounts are looked up in the directory.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// What the worker works with.
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
    /// The checked configuration.
    pub config: SharedConfig,
    /// Instants and pauses.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and names.
    pub rng: Arc<dyn Rng>,
}

/// The worker. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Provisioning {
    worker: Arc<WorkerContext>,
}

/// What everything in this room shares.
struct WorkerContext {
    deps: Dependencies,
    /// Names this process in leases.
    owner: String,
    breakers: call::Breakers,
    panics: AtomicU64,
    metrics: metrics::Metrics,
    heartbeat: heartbeat::Heartbeat,
}

impl WorkerContext {
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.deps.rng.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}

impl Provisioning {
    /// Takes its parts; nothing runs before [`Provisioning::run`].
    pub fn new(deps: Dependencies) -> Self {
        let mut name = [0; 8];
        deps.rng.fill(&mut name);
        let worker = WorkerContext {
            owner: hex::encode(name),
            breakers: call::Breakers::new(),
            panics: AtomicU64::new(0),
            metrics: metrics::Metrics::new(),
            heartbeat: heartbeat::Heartbeat::new(),
            deps,
        };
        Self { worker: Arc::new(worker) }
    }

    /// Starts the worker's tasks on `tracker`. They end after `stop` is cancelled: no new claims, a running step gets 20 s, then its
    /// lease is given back.
    pub fn run(&self, tracker: &TaskTracker, stop: &CancellationToken) {
        let tasks = tracker.clone();
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move { this.run_jobs(&tasks, &halt).await });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move { this.run_outbox(&halt).await });
        let (this, halt) = (self.clone(), stop.clone());
        let event_poll = self.worker.deps.config.now().keycloak.event_poll;
        tracker.spawn(async move {
            this.every(event_poll, &halt, || activation::poll_events(&this.worker)).await;
        });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move {
            this.every(LOOK_EVERY, &halt, || activation::look_at_invited(&this.worker)).await;
        });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move {
            this.every(HOUSEKEEPING_INTERVAL, &halt, || housekeeping::housekeep(&this.worker)).await;
        });
    }

    /// Claims and runs what is due, at most [`RUNNERS`] at once.
    async fn run_jobs(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(RUNNERS));
        while !stop.is_cancelled() {
            self.worker.heartbeat.beat(Loop::Jobs);
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            // From before the look, or what is committed during it would wait for the next poll.
            let announced = self.worker.deps.store.jobs_notified();
            match worker::claim(&self.worker).await {
                Ok(Some(job)) => {
                    let (worker, stop) = (Arc::clone(&self.worker), stop.clone());
                    tasks.spawn(async move {
                        worker::run_claimed(&worker, job, &stop).await;
                        // What this job was in front of may be due now.
                        worker.deps.store.notify_jobs();
                        drop(place);
                    });
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "work could not be claimed; the next poll tries again");
                }
            }
            self.rest(announced, stop).await;
        }
    }

    /// Sends what is due.
    async fn run_outbox(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            self.worker.heartbeat.beat(Loop::Outbox);
            let announced = self.worker.deps.store.messages_notified();
            if let Err(error) = outbox::send_due(&self.worker).await {
                tracing::warn!(error = %error, "messages could not be sent; the next poll tries again");
            }
            self.rest(announced, stop).await;
        }
    }

    async fn every<F>(&self, span: Duration, stop: &CancellationToken, job: impl Fn() -> F)
    where
        F: Future<Output = Result<usize, StoreError>>,
    {
        while !stop.is_cancelled() {
            if let Err(error) = job().await {
                tracing::warn!(error = %error, "a round of the worker failed; the next one tries again");
            }
            tokio::select! {
                () = self.worker.deps.clock.pause(span) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Waits for the next poll, for an announcement or for the stop.
    async fn rest(&self, announced: Notified<'_>, stop: &CancellationToken) {
        tokio::select! {
            () = announced => {}
            () = self.worker.deps.clock.pause(POLL) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Runs everything that is due now, one after the other, until nothing is: works, then the outbox. How many were handled.
    /// For stories and tests, which push time instead of sleeping.
    pub async fn drain_once(&self) -> Result<usize, StoreError> {
        let never = CancellationToken::new();
        let mut handled = 0;
        loop {
            let mut this_round = 0;
            while let Some(job) = worker::claim(&self.worker).await? {
                worker::run_claimed(&self.worker, job, &never).await;
                this_round += 1;
            }
            this_round += outbox::send_due(&self.worker).await?;
            if this_round == 0 {
                return Ok(handled);
            }
            handled += this_round;
        }
    }

    /// One round of looking for activations: Keycloak's events, then the directory. How many were seen.
    pub async fn look_for_activations(&self) -> Result<usize, StoreError> {
        Ok(activation::poll_events(&self.worker).await? + activation::look_at_invited(&self.worker).await?)
    }

    /// One round of expiry, withdrawal of unused accounts and erasure. How many rows were changed.
    pub async fn housekeep(&self) -> Result<usize, StoreError> {
        housekeeping::housekeep(&self.worker).await
    }

    /// Puts what this process counted of steps, calls and mails into a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.worker.metrics.register(registry);
    }

    /// Whether both loops, or what they run, made a step within this span. A server that is away does not matter: waiting for it is
    /// a step, too.
    pub fn is_alive(&self, within: Duration) -> bool {
        self.worker.heartbeat.beat_within(within)
    }

    /// Numbers for `/health` and `/metrics`.
    pub async fn health(&self) -> Result<Health, StoreError> {
        health::measure(&self.worker).await
    }
}
