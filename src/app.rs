//! Wires all rooms into a running `serve`. `main` (through `cli`) and the stories both start here, so that tests run what ships.
//!
//! No decision lives here: only what starts before what, who holds which lock, and how everything ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::diagnosis::Examiner;
use crate::accounts::restored::{Comparison, MaintenanceMode};
use crate::accounts::{Accounts, Clients};
use crate::background::{self, Background};
use crate::bot::{self, BotError, BotParts, GatewayStatus, Session};
use crate::clock::{Clock, Ids, Rng};
use crate::config::{self, Config, Difference, SharedConfig};
use crate::directory::{Directory, DirectoryError};
use crate::discord::{ConnectError, Discord};
use crate::doctor::{self, Access, SelfTestIs};
use crate::domain::diagnosis::Diagnosis;
use crate::keycloak::{Keycloak, KeycloakError};
use crate::store::{Kind, NamedLease, ServingLock, Store, StoreError};
use crate::telemetry;
use crate::web::{self, AckTimes, Numbers, Part, Probe, WebError};

/// How long an orderly stop may take: a running step gets 20 s, and something is left for the rest.
const STOP_WITHIN: Duration = Duration::from_secs(24);

/// How often the head of the audit chain is logged, so that a cut tail shows against an old log.
const HEAD_EVERY: Duration = Duration::from_hours(1);

/// How often the limiter of outgoing calls forgets routes that nobody uses: it keeps one for each channel and person.
const ROUTES_DROPPED_EVERY: Duration = Duration::from_mins(10);

/// How long one part may take to answer the readiness check.
const PART_WITHIN: Duration = Duration::from_secs(3);

/// Only the holder of this lease is on Discord's gateway; another replica takes over when it ends. Twenty seconds without a bot are
/// the most that people should meet: the span, the other's next look, and its way onto the gateway fit into them with room to spare.
const GATEWAY_LEASE: &str = "gateway";
const GATEWAY_LEASE_SPAN: Duration = Duration::from_secs(12);
const GATEWAY_LEASE_RENEWAL: Duration = Duration::from_secs(4);

/// How often a replica that stands by asks whether the lease has ended: all that time nobody answers people.
const STANDBY_ASKS_EVERY: Duration = Duration::from_secs(1);

/// How often a restored database is asked whether an operator has agreed.
const AGREEMENT_ASKED_EVERY: Duration = Duration::from_secs(1);

/// What the log and the health page say of a restored database.
const HELD: &str = "this database was restored and waits: look at `accolade restore --compare`, then `accolade restore --agree`";

/// How long an admin in chat waits for the judgement of everything outside. Where servers answer it takes a second or two, where they
/// do not every question has its own limit; Discord would take an answer for 15 minutes.
const DOCTOR_WITHIN: Duration = Duration::from_mins(2);

/// Between two tries to open the store at the start.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// Why `serve` did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database or its key.
    #[error("open the store")]
    Store(#[from] StoreError),
    /// The directory's configuration cannot work.
    #[error("prepare the directory's connection")]
    Directory(#[from] DirectoryError),
    /// Keycloak's configuration cannot work.
    #[error("prepare Keycloak's client")]
    Keycloak(#[from] KeycloakError),
    /// Discord refuses, or its endpoint is not on loopback.
    #[error("connect to Discord")]
    Discord(#[from] ConnectError),
    /// The health page's address is taken.
    #[error(transparent)]
    Web(#[from] WebError),
}

impl StartError {
    /// Whether only a change of the configuration, or of a file that it names, cures it: starting again does not.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Key(_) | StoreError::Url(_)),
            Self::Directory(error) => matches!(error, DirectoryError::Settings { .. }),
            Self::Keycloak(error) => matches!(error, KeycloakError::Settings { .. }),
            Self::Discord(error) => matches!(
                error,
                ConnectError::TokenMalformed
                    | ConnectError::EndpointNotLoopback
                    | ConnectError::CaUnreadable(_)
                    | ConnectError::Client(_)
            ),
            Self::Web(_) => false,
        }
    }
}

/// A running service.
pub struct Running {
    stop: CancellationToken,
    tracker: TaskTracker,
    bot: tokio::task::JoinHandle<Result<(), BotError>>,
    store: Store,
    background: Background,
    health: ServiceHealth,
    live: SharedConfig,
    health_address: SocketAddr,
    _lock: ServingLock,
}

/// Starts everything: the store first, the gateway last, so that nothing is heard before it can be kept. Discord's silence delays
/// nothing but the gateway.
pub async fn start(config: Config, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Result<Running, StartError> {
    let config = Arc::new(config);
    let live = SharedConfig::from(Arc::clone(&config));
    let store = open_store(&config, &clock, &rng).await?;
    let lock = store.lock_for_serving()?;
    if store.kind() == Kind::Sqlite {
        // Holding the lock proves that whoever held these leases is gone.
        let mut tx = store.begin().await?;
        let voided = tx.void_leases().await?;
        tx.commit("app.void_leases").await?;
        tracing::info!(leases = voided, "earlier leases are void");
    }
    let directory = Directory::new(&config.directory)?;
    let keycloak = Keycloak::new(&config.keycloak)?;
    let listener = web::listen(config.http.listen).await?;
    let health_address = listener.local_addr().unwrap_or(config.http.listen);
    let discord = Discord::open(&config.discord, Arc::clone(&clock))?;

    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let clients = Clients {
        store: store.clone(),
        discord: Some(discord.clone()),
        directory: Some(directory.clone()),
        keycloak: Some(keycloak.clone()),
        examiner: Some(examiner(&discord, &clock, &rng, &tracker)),
    };
    let accounts = Accounts::new(live.clone(), Arc::clone(&clock), clients);
    let background = Background::new(background::Dependencies {
        store: store.clone(),
        directory: directory.clone(),
        keycloak: keycloak.clone(),
        discord: discord.clone(),
        config: live.clone(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
    });
    let hold = MaintenanceMode::default();
    hold.set(store.read().await?.restored_at().await?.is_some());
    let (watch, acks) = (GatewayStatus::default(), AckTimes::default());
    let probe = Arc::new(HealthProbe {
        store: store.clone(),
        directory: directory.clone(),
        keycloak: keycloak.clone(),
        background: background.clone(),
        hold: hold.clone(),
        watch: watch.clone(),
        acks: acks.clone(),
    });
    tracker.spawn(try_servers(directory.clone(), keycloak.clone()));
    let health = ServiceHealth { probe: Arc::clone(&probe) };
    tracker.spawn(web::serve(listener, probe, stop.clone()));
    if let Err(refused) = meet(&discord).await {
        stop.cancel();
        return Err(refused.into());
    }
    tracker.spawn(warn_of_rights(discord.clone(), Arc::clone(&config)));
    let comparison = Comparison::over(store.clone(), directory.clone(), keycloak.clone());
    let jobs = Jobs { background: background.clone(), tracker: tracker.clone(), stop: stop.clone() };
    tracker.spawn(job_when_agreed(jobs, comparison, hold.clone(), Arc::clone(&clock)));
    tracker.spawn(log_heads(store.clone(), Arc::clone(&clock), stop.clone()));

    tracker.spawn(drop_idle_routes(discord.clone(), Arc::clone(&clock), stop.clone()));

    let ids = Ids::new(Arc::clone(&clock), Arc::clone(&rng));
    let owner = ids.uuid().to_string();
    let parts = BotParts {
        discord,
        accounts,
        config: live.clone(),
        clock: Arc::clone(&clock),
        ids,
        hold,
        watch,
        note_acknowledgement: Arc::new(move |took| acks.observe(took)),
    };
    let bot = tracker.spawn(hold_gateway(store.clone(), owner, clock, parts, stop.clone()));
    Ok(Running { stop, tracker, bot, store, background, health, live, health_address, _lock: lock })
}

impl Running {
    /// Waits until the service can't go on: the gateway task ended, or the database's log could not be flushed to the disk.
    pub async fn ended(&mut self) -> Result<(), BotError> {
        tokio::select! {
            ended = &mut self.bot => match ended {
                Ok(ended) => ended,
                Err(_) => Err(BotError::Ended("its task panicked")),
            },
            () = self.store.flush_failed() => Err(BotError::Ended(
                "the database's log could not be flushed to the disk: check the disk, then start it again",
            )),
        }
    }

    /// Ends everything in order: no new claims, the running step gets its time, leases are given back, the head is logged.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_WITHIN, self.tracker.wait()).await.is_err() {
            tracing::warn!("something did not end in time; its lease runs out by itself");
        }
        log_head(&self.store).await;
        self.store.close().await;
    }

    /// The worker, for stories that push time and let work run at once.
    pub fn background(&self) -> &Background {
        &self.background
    }

    /// Lets another configuration hold, if nothing in it needs a restart; else nothing changes. What is under way goes on by the one
    /// it began with.
    pub async fn reload(&self, new: Config) -> Difference {
        let difference = config::difference(&self.live.now(), &new);
        if difference.needs_restart.is_empty() {
            let clients = &self.health.probe;
            for key in &difference.reloadable {
                match key.as_str() {
                    "directory.bind_password_file" => {
                        clients.directory.learn_password(new.directory.bind_password.clone()).await;
                    }
                    "keycloak.client_secret_file" => {
                        clients.keycloak.learn_secret(new.keycloak.client_secret.clone()).await;
                    }
                    "log.filter" => telemetry::refilter(&new.log.filter),
                    _ => {}
                }
            }
            self.live.replace(Arc::new(new));
        }
        difference
    }

    /// How it does, for a service manager.
    pub fn health(&self) -> ServiceHealth {
        self.health.clone()
    }

    /// Where health and metrics are served.
    pub fn health_address(&self) -> SocketAddr {
        self.health_address
    }
}

/// Opens the store. A database that is busy or still starting is waited for: a supervisor that gives up after a few quick ends must
/// not leave the service down for good.
async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<Store, StoreError> {
    loop {
        match Store::open(&config.store, Arc::clone(clock), Arc::clone(rng)).await {
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "the database does not answer; trying again in 2 s");
                clock.pause(STORE_RETRY).await;
            }
            opened => return opened,
        }
    }
}

/// How an admin in chat has everything outside judged: with the service's own credentials, and through its own door to Discord, whose
/// limiter knows what else is asked there.
fn examiner(
    discord: &Discord,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
    tracker: &TaskTracker,
) -> Examiner {
    let (discord, clock, rng) = (discord.clone(), Arc::clone(clock), Arc::clone(rng));
    let examine = move |config: Config| -> BoxFuture<'static, Option<Diagnosis>> {
        let (discord, clock, rng) = (Some(discord.clone()), Arc::clone(&clock), Arc::clone(&rng));
        let access = Access { administrator: None, server_bind: None, trial: SelfTestIs::Allowed, discord };
        Box::pin(async move { doctor::examine(&config, &access, clock, rng).await.ok() })
    };
    Examiner::new(Arc::new(examine), DOCTOR_WITHIN, tracker.clone())
}

/// Asks Discord who we are, once: a refusal must be told before the worker meets it with every job. Silence is no refusal; the
/// holder of the gateway goes on asking.
async fn meet(discord: &Discord) -> Result<(), ConnectError> {
    match discord.greet().await {
        Err(ConnectError::Ask { what, source }) if source.is_worth_another_try() => {
            tracing::warn!(%source, what, "Discord does not answer yet; the rest starts without it");
            Ok(())
        }
        met => met,
    }
}

/// The worker, before it runs.
struct Jobs {
    background: Background,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Lets the worker run: at once, or on a restored database once an operator has agreed. Until then the log says how it differs from
/// the world outside, and nothing outside is written.
async fn job_when_agreed(jobs: Jobs, comparison: Comparison, hold: MaintenanceMode, clock: Arc<dyn Clock>) {
    if hold.is_on() {
        tracing::error!("{HELD}");
        jobs.tracker.spawn(tell_differences(comparison.clone(), jobs.stop.clone()));
    }
    while hold.is_on() {
        match comparison.is_held().await {
            Ok(is_held) => hold.set(is_held),
            Err(error) => tracing::warn!(%error, "the database does not say whether it is held back"),
        }
        tokio::select! {
            () = jobs.stop.cancelled() => return,
            () = clock.pause(AGREEMENT_ASKED_EVERY) => {}
        }
    }
    jobs.background.run(&jobs.tracker, &jobs.stop);
}

/// Logs how a restored database differs from the world outside: ids only.
async fn tell_differences(comparison: Comparison, stop: CancellationToken) {
    let compared = tokio::select! {
        compared = comparison.differences() => compared,
        () = stop.cancelled() => return,
    };
    match compared {
        Ok(differences) => {
            for difference in &differences {
                tracing::warn!(difference = %difference.kind, account.id = %difference.account, "the restored database differs");
            }
            tracing::warn!(count = differences.len(), "the restored database was compared");
        }
        Err(error) => tracing::error!(%error, "the restored database could not be compared"),
    }
}

/// Is on the gateway for as long as this process may be: always on SQLite, under a lease on `PostgreSQL`.
async fn hold_gateway(
    store: Store,
    owner: String,
    clock: Arc<dyn Clock>,
    parts: BotParts,
    stop: CancellationToken,
) -> Result<(), BotError> {
    while !stop.is_cancelled() {
        let taken = store.take_lease(GATEWAY_LEASE, &owner, GATEWAY_LEASE_SPAN).await;
        let Ok(Some(lease)) = taken else {
            if taken.is_ok() {
                parts.watch.stands_by();
            } else {
                parts.watch.ends();
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = clock.pause(STANDBY_ASKS_EVERY) => continue,
            }
        };
        let session = stop.child_token();
        let ended = tokio::select! {
            ended = bot::run(parts.clone(), session.clone()) => Some(ended),
            () = keep_lease(&store, lease.clone(), clock.as_ref()) => None,
        };
        parts.watch.ends();
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
async fn keep_lease(store: &Store, mut lease: NamedLease, clock: &dyn Clock) {
    loop {
        clock.pause(GATEWAY_LEASE_RENEWAL).await;
        match store.renew_lease(&lease, GATEWAY_LEASE_SPAN).await {
            Ok(renewed) => lease = renewed,
            Err(StoreError::LostLease) => return,
            Err(error) => tracing::warn!(%error, "the gateway's lease could not be renewed; trying again"),
        }
    }
}

async fn drop_idle_routes(discord: Discord, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.pause(ROUTES_DROPPED_EVERY) => discord.drop_idle_routes().await,
        }
    }
}

async fn log_heads(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        log_head(&store).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.pause(HEAD_EVERY) => {}
        }
    }
}

async fn log_head(store: &Store) {
    let head = async { store.read().await?.audit_head().await }.await;
    match head {
        Ok(head) => tracing::info!(audit.head = %head, "the audit log's head"),
        Err(error) => tracing::warn!(%error, "the audit log's head could not be read"),
    }
}

/// How a running service does. A clone is cheap.
#[derive(Clone)]
pub struct ServiceHealth {
    probe: Arc<HealthProbe>,
}

impl ServiceHealth {
    /// The parts that the readiness check misses; none if it is content.
    pub async fn not_ready(&self) -> Vec<&'static str> {
        let parts = self.probe.readiness().await;
        parts.into_iter().filter(|(_, part)| !part.is_well()).map(|(name, _)| name).collect()
    }

    /// Whether the worker made a step within this span.
    pub fn worker_is_alive(&self, within: Duration) -> bool {
        self.probe.background.is_alive(within)
    }
}

/// Everything that the health page asks.
struct HealthProbe {
    store: Store,
    directory: Directory,
    keycloak: Keycloak,
    background: Background,
    hold: MaintenanceMode,
    watch: GatewayStatus,
    acks: AckTimes,
}

impl Probe for HealthProbe {
    fn readiness(&self) -> BoxFuture<'_, Vec<(&'static str, Part)>> {
        Box::pin(async {
            let store = part(async {
                self.store.takes_changes().await.map_err(|error| error.advice())?;
                if self.hold.is_on() { Err(Some(HELD)) } else { Ok(()) }
            });
            let (directory, keycloak) = (see_directory(&self.directory), see_keycloak(&self.keycloak));
            let (store, directory, keycloak) = tokio::join!(store, directory, keycloak);
            let gateway = match self.watch.session().await {
                Session::Open => Part::Answers,
                Session::Opening | Session::None => Part::Silent,
                Session::Elsewhere => Part::StandsBy,
            };
            vec![("store", store), ("directory", directory), ("keycloak", keycloak), ("gateway", gateway)]
        })
    }

    fn register_metrics(&self, registry: &mut Registry) {
        self.background.register_metrics(registry);
    }

    fn numbers(&self) -> BoxFuture<'_, Option<Numbers>> {
        Box::pin(async {
            let health = self.background.health().await.ok()?;
            let counts = self.store.counts();
            let seconds = |age: Duration| i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            let breakers = background::Target::ALL
                .iter()
                .map(|target| (target.code(), i64::from(health.open_breakers.contains(target))))
                .collect();
            Some(Numbers {
                requests: health.requests.into_iter().map(|(state, count)| (state.code(), count)).collect(),
                jobs: health.jobs.into_iter().map(|(state, count)| (state.code(), count)).collect(),
                breakers,
                job_oldest_seconds: seconds(health.oldest_job),
                outbox_oldest_seconds: seconds(health.oldest_message),
                gateway_up: i64::from(self.watch.session().await == Session::Open),
                audit_seq: health.audit_seq,
                panics: i64::try_from(telemetry::panics().max(health.panics)).unwrap_or(i64::MAX),
                store_statements: counts.statements,
                store_commits: counts.commits,
                store_flushes: counts.flushes,
                acks: self.acks.clone(),
            })
        })
    }
}

async fn see_directory(directory: &Directory) -> Part {
    part(async { directory.probe().await.map_err(|error| error.advice()) }).await
}

async fn see_keycloak(keycloak: &Keycloak) -> Part {
    part(async { keycloak.probe().await.map_err(|error| error.advice()) }).await
}

/// What a look at a part shows; a failed one may carry what an operator must change.
async fn part(look: impl Future<Output = Result<(), Option<&'static str>>>) -> Part {
    match tokio::time::timeout(PART_WITHIN, look).await {
        Ok(Ok(())) => Part::Answers,
        Ok(Err(Some(advice))) => Part::Refuses(advice),
        Ok(Err(None)) | Err(_) => Part::Silent,
    }
}

/// Says at the start what only an operator can cure. The process goes on: requests are kept, and job waits.
async fn try_servers(directory: Directory, keycloak: Keycloak) {
    let (directory, keycloak) = tokio::join!(see_directory(&directory), see_keycloak(&keycloak));
    for (name, part) in [("the directory", directory), ("Keycloak", keycloak)] {
        match part {
            Part::Refuses(advice) => tracing::error!(part = name, advice, "a server cannot be used"),
            Part::Silent => tracing::warn!(part = name, "a server does not answer yet"),
            Part::Answers | Part::StandsBy => {}
        }
    }
}

/// Says at the start where the bot may do more than it needs: whoever gets hold of its token could do that, too.
async fn warn_of_rights(discord: Discord, config: Arc<Config>) {
    for guild in &config.guilds {
        match discord.own_rights(guild.id).await {
            Ok(Some(rights)) => {
                let too_much = rights.beyond_need(guild.member_role.is_some());
                if !too_much.is_empty() {
                    tracing::warn!(
                        guild.id = guild.id.get(),
                        rights = too_much.join(", "),
                        "the bot may do more in this guild than it needs: take these rights from its role"
                    );
                }
            }
            Ok(None) => tracing::warn!(guild.id = guild.id.get(), "the bot is not in this guild: invite it"),
            Err(error) => {
                tracing::debug!(guild.id = guild.id.get(), %error, "the bot's rights were not seen");
            }
        }
    }
}
