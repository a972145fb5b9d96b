//! The durable worker: the only room that changes people, groups, mails and messages outside.
//!
//! It claims work from the store, runs one step after the other, records each with its audit row, and obeys what a step says of a
//! setback. It also sends the outbox, looks for activations and keeps the tables tidy. What may not live here: decisions about
//! people (`domain`), sentences (`words`), SQL (`store`).
//!
//! Start with [`worker`] (one claimed work), then [`steps`] (what each step ensures) and `record` (the transaction behind each).
//! Rules of the room: every write names the fence of its claim; no transaction is held across an outside call; a lost lease stops
//! everything at once; only the mail is counted before it is begun, because every other step looks first and can be repeated.

mod activation;
mod breaker;
mod call;
mod card;
mod claim;
mod health;
mod measures;
mod news;
mod outbox;
mod panel;
mod pulse;
mod record;
mod rows;
mod scene;
mod steps;
mod upkeep;
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
use crate::config::Live;
use crate::directory::Directory;
use crate::discord::Discord;
use crate::keycloak::Keycloak;
use crate::store::{Store, StoreError};

pub use breaker::Target;
pub use health::Health;

use pulse::Loop;

/// How many works run at once in one process.
const RUNNERS: usize = 8;

/// How often the store is asked for work that nobody announced (another replica, the command line, a retry).
const POLL: Duration = Duration::from_secs(1);

/// How often expiry and tidying look.
const UPKEEP_EVERY: Duration = Duration::from_secs(30);

/// How often invited accounts are looked up in the directory.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// What the worker works with.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The directory.
    pub directory: Directory,
    /// Keycloak.
    pub keycloak: Keycloak,
    /// Discord.
    pub discord: Discord,
    /// The checked configuration.
    pub config: Live,
    /// Instants and pauses.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter and names.
    pub rng: Arc<dyn Rng>,
}

/// The worker. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Provisioning {
    room: Arc<Room>,
}

/// What everything in this room shares.
struct Room {
    parts: Parts,
    /// Names this process in leases.
    owner: String,
    breakers: call::Breakers,
    panics: AtomicU64,
    measures: measures::Measures,
    pulse: pulse::Pulse,
}

impl Room {
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.parts.rng.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}

impl Provisioning {
    /// Takes its parts; nothing runs before [`Provisioning::run`].
    pub fn new(parts: Parts) -> Self {
        let mut name = [0; 8];
        parts.rng.fill(&mut name);
        let room = Room {
            owner: hex::encode(name),
            breakers: call::Breakers::new(),
            panics: AtomicU64::new(0),
            measures: measures::Measures::new(),
            pulse: pulse::Pulse::new(),
            parts,
        };
        Self { room: Arc::new(room) }
    }

    /// Starts the worker's tasks on `tracker`. They end after `stop` is cancelled: no new claims, a running step gets 20 s, then its
    /// lease is given back.
    pub fn run(&self, tracker: &TaskTracker, stop: &CancellationToken) {
        let tasks = tracker.clone();
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move { this.run_works(&tasks, &halt).await });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move { this.run_outbox(&halt).await });
        let (this, halt) = (self.clone(), stop.clone());
        let event_poll = self.room.parts.config.now().keycloak.event_poll;
        tracker.spawn(
            async move { this.every(event_poll, &halt, || activation::poll_events(&this.room)).await },
        );
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move {
            this.every(LOOK_EVERY, &halt, || activation::look_at_invited(&this.room)).await;
        });
        let (this, halt) = (self.clone(), stop.clone());
        tracker.spawn(async move { this.every(UPKEEP_EVERY, &halt, || upkeep::keep_tidy(&this.room)).await });
    }

    /// Claims and runs what is due, at most [`RUNNERS`] at once.
    async fn run_works(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(RUNNERS));
        while !stop.is_cancelled() {
            self.room.pulse.beats(Loop::Works);
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            // From before the look, or what is committed during it would wait for the next poll.
            let announced = self.room.parts.store.work_announced();
            match worker::claim(&self.room).await {
                Ok(Some(work)) => {
                    let (room, stop) = (Arc::clone(&self.room), stop.clone());
                    tasks.spawn(async move {
                        worker::run_claimed(&room, work, &stop).await;
                        // What this work was in front of may be due now.
                        room.parts.store.announce_work();
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
            self.room.pulse.beats(Loop::Outbox);
            let announced = self.room.parts.store.message_announced();
            if let Err(error) = outbox::send_due(&self.room).await {
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
                () = self.room.parts.clock.pause(span) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Waits for the next poll, for an announcement or for the stop.
    async fn rest(&self, announced: Notified<'_>, stop: &CancellationToken) {
        tokio::select! {
            () = announced => {}
            () = self.room.parts.clock.pause(POLL) => {}
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
            while let Some(work) = worker::claim(&self.room).await? {
                worker::run_claimed(&self.room, work, &never).await;
                this_round += 1;
            }
            this_round += outbox::send_due(&self.room).await?;
            if this_round == 0 {
                return Ok(handled);
            }
            handled += this_round;
        }
    }

    /// One round of looking for activations: Keycloak's events, then the directory. How many were seen.
    pub async fn look_for_activations(&self) -> Result<usize, StoreError> {
        Ok(activation::poll_events(&self.room).await? + activation::look_at_invited(&self.room).await?)
    }

    /// One round of expiry, withdrawal of unused accounts and erasure. How many rows were changed.
    pub async fn keep_tidy(&self) -> Result<usize, StoreError> {
        upkeep::keep_tidy(&self.room).await
    }

    /// Puts what this process counted of steps, calls and mails into a registry.
    pub fn register_measures(&self, registry: &mut Registry) {
        self.room.measures.register(registry);
    }

    /// Whether both loops, or what they run, made a step within this span. A server that is away does not matter: waiting for it is
    /// a step, too.
    pub fn lives(&self, within: Duration) -> bool {
        self.room.pulse.beat_within(within)
    }

    /// Numbers for `/health` and `/metrics`.
    pub async fn health(&self) -> Result<Health, StoreError> {
        health::measure(&self.room).await
    }
}
