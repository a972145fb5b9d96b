//! The background loops: jobs, the outbox, activations, housekeeping. `app` starts and stops them only through this module.
//!
//! Start with [`Background::run`].

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::jobs::runner::{self, Look};
use crate::maintenance::{activation, delays, housekeeping, locks};
use crate::notify::sender;
use crate::store::{RefusedMessages, StoreError};
use crate::worker::context::WorkerContext;
use crate::worker::heartbeat::Loop;

pub use crate::worker::breaker::Target;
#[cfg(feature = "faults")]
pub use crate::worker::breakpoint::StopAt;
pub use crate::worker::context::Dependencies;
pub use crate::worker::health::Health;

/// How many jobs run at once in one process.
const RUNNERS: usize = 12;

/// How many of these places a job takes if it starts while people use the bot. Fewer jobs at once create hardly fewer accounts, and they
/// leave processor time for answers, because the directory and Keycloak may share the processors.
const PLACES_WHILE_PEOPLE_WAIT: u32 = 2;

/// How long after an interaction people count as using the bot.
const PEOPLE_WAIT: Duration = Duration::from_secs(1);

/// How often the store is polled for jobs and messages that came without a notification: from another replica, the command line or a retry.
const POLL: Duration = Duration::from_secs(1);

/// How long the outbox gathers messages before it sends them, while there are few.
const GATHER: Duration = Duration::from_millis(200);

/// How much longer it gathers for each message of the last round, so that many messages share their transactions and a card that
/// changes again is sent once.
const GATHER_FOR_EACH: Duration = Duration::from_millis(50);

/// How long it gathers at most.
const GATHER_AT_MOST: Duration = Duration::from_secs(1);

/// How often housekeeping runs.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(30);

/// How often jobs that wait for long are looked for.
const DELAYS_INTERVAL: Duration = Duration::from_secs(10);

/// How often the directory is asked about invited accounts.
const DIRECTORY_CHECK_INTERVAL: Duration = Duration::from_mins(10);

/// How often accounts that must be locked are looked at.
const LOCK_CHECK_INTERVAL: Duration = Duration::from_mins(10);

/// Why a loop stopped waiting.
enum Woken {
    ByNotification,
    ByTime,
}

/// The background loops of one process. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Background {
    worker: Arc<WorkerContext>,
}

impl Background {
    /// Nothing runs before [`Background::run`].
    pub fn new(deps: Dependencies) -> Self {
        Self { worker: Arc::new(WorkerContext::new(deps)) }
    }

    /// Starts the loops on `tracker`. They end after `stop` is cancelled: no new claims; a running step gets 20 s, then its lease is
    /// released.
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
            this.every(DIRECTORY_CHECK_INTERVAL, &halt, || activation::check_invited(&this.worker)).await;
        });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move {
            this.every(HOUSEKEEPING_INTERVAL, &halt, || housekeeping::housekeep(&this.worker)).await;
        });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move { this.every(DELAYS_INTERVAL, &halt, || this.report_delays()).await });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move {
            this.every(LOCK_CHECK_INTERVAL, &halt, || locks::look(&this.worker)).await;
        });
    }

    /// Claims and runs due jobs, at most [`RUNNERS`] at once, and fewer while people use the bot.
    async fn run_jobs(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (mut look, mut looked_at) = (Look::Everywhere, Instant::now());
        let places = Arc::new(Semaphore::new(RUNNERS));
        while !stop.is_cancelled() {
            self.worker.heartbeat.beat(Loop::Jobs);
            let people_wait = self.worker.deps.discord.had_interaction_within(PEOPLE_WAIT);
            let needed = if people_wait { PLACES_WHILE_PEOPLE_WAIT } else { 1 };
            let Ok(place) = Arc::clone(&places).acquire_many_owned(needed).await else { break };
            // Registered before the claim; otherwise a job that is committed during the claim would wait for the next poll.
            let notified = self.worker.deps.store.jobs_notified();
            // Poll even if jobs arrive without a pause.
            if looked_at.elapsed() >= POLL {
                look = Look::Everywhere;
            }
            if look == Look::Everywhere {
                looked_at = Instant::now();
            }
            match runner::claim(&self.worker, look).await {
                Ok(Some(job)) => {
                    let (worker, stop) = (Arc::clone(&self.worker), stop.clone());
                    tasks.spawn(async move {
                        runner::run_claimed(&worker, job, &stop).await;
                        drop(place);
                        worker.deps.store.note_end_of_job();
                    });
                    look = Look::Nearby;
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "no job could be claimed; the next poll tries again");
                }
            }
            look = match self.rest(notified, stop).await {
                Woken::ByNotification => Look::Nearby,
                Woken::ByTime => Look::Everywhere,
            };
        }
        runner::release_handed(&self.worker).await;
    }

    /// Releases the jobs that an interaction handed over while the loops were ending. Otherwise they would wait until their leases expire.
    pub async fn release_handed(&self) {
        runner::release_handed(&self.worker).await;
    }

    /// Sends due messages. It waits a moment first, so that one edit shows several changes of a card; longer if the last round sent many.
    async fn run_outbox(&self, stop: &CancellationToken) {
        // The configuration or the version may be another one than before the start.
        if let Err(error) = self.wake_refused().await {
            tracing::warn!(error = %error, "refused messages were not woken; they are sent at their own time");
        }
        let mut gather = GATHER;
        while !stop.is_cancelled() {
            self.worker.heartbeat.beat(Loop::Outbox);
            let notified = self.worker.deps.store.messages_notified();
            self.worker.deps.clock.pause(gather).await;
            self.worker.yield_to_interactions().await;
            match sender::send_due(&self.worker).await {
                Ok(sent) => {
                    let sent = u32::try_from(sent).unwrap_or(u32::MAX);
                    gather = GATHER.saturating_add(GATHER_FOR_EACH.saturating_mul(sent)).min(GATHER_AT_MOST);
                }
                Err(error) => {
                    tracing::warn!(error = %error, "messages could not be sent; the next poll tries again");
                }
            }
            self.rest(notified, stop).await;
        }
    }

    async fn every<F>(&self, span: Duration, stop: &CancellationToken, round: impl Fn() -> F)
    where
        F: Future<Output = Result<usize, StoreError>>,
    {
        while !stop.is_cancelled() {
            if let Err(error) = round().await {
                tracing::warn!(error = %error, "a background round failed; the next one tries again");
            }
            tokio::select! {
                () = self.worker.deps.clock.pause(span) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Waits for the next poll, a notification or the stop.
    async fn rest(&self, notified: Notified<'_>, stop: &CancellationToken) -> Woken {
        tokio::select! {
            () = notified => Woken::ByNotification,
            () = self.worker.deps.clock.pause(POLL) => Woken::ByTime,
            () = stop.cancelled() => Woken::ByTime,
        }
    }

    /// Runs everything that is due now, one after the other, until nothing is: jobs, then the outbox. Returns how many were handled. For
    /// tests, which push the clock instead of sleeping.
    pub async fn drain_once(&self) -> Result<usize, StoreError> {
        let never = CancellationToken::new();
        let mut handled = 0;
        loop {
            let mut handled_now = 0;
            let mut look = Look::Everywhere;
            while let Some(job) = runner::claim(&self.worker, look).await? {
                // Boxed, because unoptimized it needs much stack, and tests call this deep in their own.
                Box::pin(runner::run_claimed(&self.worker, job, &never)).await;
                handled_now += 1;
                look = Look::Nearby;
            }
            handled_now += Box::pin(sender::send_due(&self.worker)).await?;
            if handled_now == 0 {
                return Ok(handled);
            }
            handled += handled_now;
        }
    }

    /// One round of the search for activations: Keycloak's events, then the directory. Returns how many were seen.
    pub async fn look_for_activations(&self) -> Result<usize, StoreError> {
        Ok(activation::poll_events(&self.worker).await? + activation::check_invited(&self.worker).await?)
    }

    /// One look at the accounts that must be locked. Returns how many are being locked again.
    pub async fn look_at_locks(&self) -> Result<usize, StoreError> {
        locks::look(&self.worker).await
    }

    /// One round of expiry, withdrawal of unused accounts and erasure. Returns how many rows were changed.
    pub async fn housekeep(&self) -> Result<usize, StoreError> {
        housekeeping::housekeep(&self.worker).await
    }

    /// One round of the report of jobs that wait for long. Returns how many were reported.
    pub async fn report_delays(&self) -> Result<usize, StoreError> {
        delays::report(&self.worker).await
    }

    /// Sets a breakpoint: this worker stops there and claims no more jobs.
    #[cfg(feature = "faults")]
    pub fn stop_at(&self, at: StopAt) {
        self.worker.breakpoint.set(at);
    }

    /// Whether this worker reached its breakpoint.
    #[cfg(feature = "faults")]
    pub fn is_stopped(&self) -> bool {
        self.worker.breakpoint.is_stopped()
    }

    /// How long Keycloak's events could not be read; zero if they were read last, or if another replica reads them.
    pub fn events_unread_for(&self) -> Duration {
        self.worker.events_unread.age(self.worker.deps.clock.now())
    }

    /// Registers the counters of steps, calls and mails.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.worker.metrics.register(registry);
    }

    /// Whether both loops sent a heartbeat within this span. An unavailable server does not matter: waiting for it sends heartbeats, too.
    pub fn is_alive(&self, within: Duration) -> bool {
        self.worker.heartbeat.beat_within(within)
    }

    /// The messages that wait because Discord refuses them.
    pub async fn refused_messages(&self) -> Result<Vec<RefusedMessages>, StoreError> {
        self.worker.deps.store.read().await?.refused_messages().await
    }

    /// Makes the refused messages due that a change of the configuration may have cured.
    pub async fn wake_refused(&self) -> Result<(), StoreError> {
        let mut tx = self.worker.deps.store.begin().await?;
        tx.wake_refused(None).await?;
        tx.commit("outbox.wake").await
    }

    /// Numbers for `/metrics`.
    pub async fn health(&self) -> Result<Health, StoreError> {
        crate::worker::health::measure(&self.worker).await
    }
}
