//! Starts and stops the service in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gateway_lease::hold_gateway;
use super::health::{HealthProbe, ServiceHealth, check_servers};
use super::restore_check::{Jobs, run_jobs_when_approved};
use crate::accounts::Examiner;
use crate::accounts::restored::{Comparison, MaintenanceMode};
use crate::accounts::{Accounts, Clients};
use crate::background::{self, Background};
use crate::bot::{self, BotError, GatewayStatus, JoinedGuilds};
use crate::clock::{Clock, Ids, Rng};
use crate::config::{Config, ConfigChanges, SharedConfig};
use crate::directory::{Directory, DirectoryError};
use crate::discord::{ConnectError, Discord};
use crate::doctor::{self, Access, SelfTestMode};
use crate::domain::cause::Cause;
use crate::domain::diagnosis::Diagnosis;
use crate::keycloak::{Keycloak, KeycloakError};
use crate::store::{Kind, ServingLock, Store, StoreError};
use crate::telemetry;
use crate::web::{self, AckTimes, WebError};

/// The limit for an orderly stop. A running step gets 20 s of it.
const STOP_TIMEOUT: Duration = Duration::from_secs(24);

/// How often the head of the audit chain is logged. An old log then shows if the end of the chain was cut off.
const AUDIT_HEAD_INTERVAL: Duration = Duration::from_hours(1);

/// How often the limiter of outgoing calls drops unused routes. It keeps one for each channel and person.
const ROUTE_CLEANUP_INTERVAL: Duration = Duration::from_mins(10);

/// How often Keycloak's user profile is read for the form.
const PROFILE_INTERVAL: Duration = Duration::from_mins(10);

/// How soon it is read again if Keycloak doesn't answer.
const PROFILE_RETRY: Duration = Duration::from_mins(1);

/// The limit for a check of all external systems that an admin asks for in chat. It takes a second or two if the servers answer; otherwise
/// each call has its own limit. Discord accepts an answer for 15 minutes.
const DOCTOR_TIMEOUT: Duration = Duration::from_mins(2);

/// The pause between two attempts to open the store at the start.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// Why `serve` did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database or its key.
    #[error("open the store")]
    Store(#[from] StoreError),
    /// The directory's configuration is unusable.
    #[error("prepare the directory's connection")]
    Directory(#[from] DirectoryError),
    /// Keycloak's configuration is unusable.
    #[error("prepare Keycloak's client")]
    Keycloak(#[from] KeycloakError),
    /// Discord refuses, or its endpoint is not on loopback.
    #[error("connect to Discord")]
    Discord(#[from] ConnectError),
    /// The address of the health page is already in use.
    #[error(transparent)]
    Web(#[from] WebError),
}

impl StartError {
    /// Whether only a change of the configuration, or of a file that it names, fixes it. Starting again doesn't.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Key(_) | StoreError::Url(_)),
            Self::Directory(error) => matches!(error, DirectoryError::Settings { .. }),
            Self::Keycloak(error) => matches!(error, KeycloakError::Settings { .. }),
            Self::Discord(error) => matches!(
                error,
                ConnectError::TokenMalformed
                    | ConnectError::EndpointNotLoopback
                    | ConnectError::CaFile(_)
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
    config: SharedConfig,
    health_address: SocketAddr,
    _lock: ServingLock,
}

/// Starts everything: the store first and the gateway last, so no event arrives before it can be stored. If Discord doesn't answer,
/// only the gateway waits.
pub async fn start(config: Config, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Result<Running, StartError> {
    let config = Arc::new(config);
    let shared_config = SharedConfig::from(Arc::clone(&config));
    let store = open_store(&config, &clock, &rng).await?;
    let lock = store.lock_for_serving()?;
    if store.kind() == Kind::Sqlite {
        // This process holds the lock, so no other process can hold a lease: leases left over from an earlier run are released.
        let mut tx = store.begin().await?;
        let voided = tx.void_leases().await?;
        tx.commit("app.void_leases").await?;
        tracing::info!(leases = voided, "leases of an earlier run were released");
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
    let accounts = Accounts::new(shared_config.clone(), Arc::clone(&clock), clients);
    let background = Background::new(background::Dependencies {
        store: store.clone(),
        directory: directory.clone(),
        keycloak: keycloak.clone(),
        discord: discord.clone(),
        config: shared_config.clone(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
    });
    let maintenance = MaintenanceMode::default();
    maintenance.set(store.read().await?.restored_at().await?.is_some());
    let (gateway, guilds, acks) = (GatewayStatus::default(), JoinedGuilds::default(), AckTimes::default());
    let probe = Arc::new(HealthProbe {
        store: store.clone(),
        directory: directory.clone(),
        keycloak: keycloak.clone(),
        background: background.clone(),
        maintenance: maintenance.clone(),
        gateway: gateway.clone(),
        guilds: guilds.clone(),
        config: shared_config.clone(),
        acks: acks.clone(),
    });
    tracker.spawn(check_servers(directory.clone(), keycloak.clone()));
    let health = ServiceHealth::new(Arc::clone(&probe));
    tracker.spawn(web::serve(listener, probe, stop.clone()));
    if let Err(error) = identify(&discord).await {
        stop.cancel();
        return Err(error.into());
    }
    tracker.spawn(warn_of_permissions(discord.clone(), Arc::clone(&config)));
    let comparison = Comparison::over(store.clone(), directory.clone(), keycloak.clone());
    let jobs = Jobs { background: background.clone(), tracker: tracker.clone(), stop: stop.clone() };
    tracker.spawn(run_jobs_when_approved(jobs, comparison, maintenance.clone(), Arc::clone(&clock)));
    tracker.spawn(log_audit_heads(store.clone(), Arc::clone(&clock), stop.clone()));
    tracker.spawn(drop_idle_routes(discord.clone(), Arc::clone(&clock), stop.clone()));
    tracker.spawn(follow_profile_rules(keycloak.clone(), Arc::clone(&clock), stop.clone()));

    let ids = Ids::new(Arc::clone(&clock), Arc::clone(&rng));
    let owner = ids.uuid().to_string();
    let dependencies = bot::Dependencies {
        discord,
        accounts,
        config: shared_config.clone(),
        clock: Arc::clone(&clock),
        ids,
        maintenance,
        gateway,
        guilds,
        observe_acknowledgement: Arc::new(move |took| acks.observe(took)),
    };
    let bot = tracker.spawn(hold_gateway(store.clone(), owner, clock, dependencies, stop.clone()));
    Ok(Running {
        stop,
        tracker,
        bot,
        store,
        background,
        health,
        config: shared_config,
        health_address,
        _lock: lock,
    })
}

impl Running {
    /// Waits until the service can't go on: the bot ended, or the database's log could not be flushed to the disk.
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

    /// Stops everything in order: no new claims, time for the running step, leases released, the audit head logged.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!("a task did not end in time; its lease expires by itself");
        }
        self.background.release_handed().await;
        log_audit_head(&self.store).await;
        self.store.close().await;
    }

    /// The worker, for stories that push time and run jobs at once.
    pub fn background(&self) -> &Background {
        &self.background
    }

    /// Applies a new configuration if no change in it needs a restart; otherwise keeps the current one. Work that has already
    /// started keeps the previous configuration.
    pub async fn reload(&self, new: Config) -> ConfigChanges {
        let changes = ConfigChanges::between(&self.config.now(), &new);
        if changes.needs_restart.is_empty() {
            for key in &changes.reloadable {
                match key.as_str() {
                    "directory.bind_password_file" => {
                        self.health.directory().replace_password(new.directory.bind_password.clone()).await;
                    }
                    "keycloak.client_secret_file" => {
                        self.health.keycloak().replace_secret(new.keycloak.client_secret.clone()).await;
                    }
                    "log.filter" => telemetry::set_filter(&new.log.filter),
                    _ => {}
                }
            }
            self.config.replace(Arc::new(new));
            if let Err(error) = self.background.wake_refused().await {
                tracing::warn!(%error, "refused messages were not woken; they are sent at their own time");
            }
        }
        changes
    }

    /// The health of the service, for a service manager.
    pub fn health(&self) -> ServiceHealth {
        self.health.clone()
    }

    /// The address of the health page and the metrics.
    pub fn health_address(&self) -> SocketAddr {
        self.health_address
    }
}

/// Opens the store. If the database is busy or still starting, this waits: a supervisor that gives up after a few quick exits must
/// not leave the service down for good.
async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<Store, StoreError> {
    loop {
        match Store::open(&config.store, Arc::clone(clock), Arc::clone(rng)).await {
            // What only a change of the configuration cures ends the start, with the fix.
            Err(error) if error.is_passing() && error.cause().is_none_or(Cause::may_pass) => {
                let cause = error.cause().map_or("unknown", Cause::code);
                tracing::warn!(%error, cause, "the database does not answer; trying again in 2 s");
                clock.pause(STORE_RETRY).await;
            }
            opened => return opened,
        }
    }
}

/// Checks all external systems for an admin in chat. It uses the service's own credentials and its own Discord client, whose
/// limiter counts all other calls too.
fn examiner(
    discord: &Discord,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
    tracker: &TaskTracker,
) -> Examiner {
    let (discord, clock, rng) = (discord.clone(), Arc::clone(clock), Arc::clone(rng));
    let examine = move |config: Config| -> BoxFuture<'static, Option<Diagnosis>> {
        let (discord, clock, rng) = (Some(discord.clone()), Arc::clone(&clock), Arc::clone(&rng));
        let access =
            Access { administrator: None, server_bind: None, self_test: SelfTestMode::Allowed, discord };
        Box::pin(async move { doctor::examine(&config, &access, clock, rng).await.ok() })
    };
    Examiner::new(Arc::new(examine), DOCTOR_TIMEOUT, tracker.clone())
}

/// Asks Discord for the bot's identity once, so that a rejected token ends the start before the worker meets it with every job. If
/// Discord doesn't answer, the start continues; the bot keeps asking.
async fn identify(discord: &Discord) -> Result<(), ConnectError> {
    match discord.identify().await {
        Err(ConnectError::Ask { what, source, .. }) if source.is_worth_another_try() => {
            tracing::warn!(%source, what, "Discord does not answer yet; everything else starts without it");
            Ok(())
        }
        result => result,
    }
}

async fn drop_idle_routes(discord: Discord, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.pause(ROUTE_CLEANUP_INTERVAL) => discord.drop_idle_routes().await,
        }
    }
}

/// Keeps what the form knows of Keycloak's user profile up to date. The form works without it.
async fn follow_profile_rules(keycloak: Keycloak, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match keycloak.read_profile_rules().await {
            Ok(()) => PROFILE_INTERVAL,
            Err(error) => {
                tracing::debug!(%error, "the user profile could not be read; the form uses what it knows");
                PROFILE_RETRY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.pause(pause) => {}
        }
    }
}

async fn log_audit_heads(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        log_audit_head(&store).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.pause(AUDIT_HEAD_INTERVAL) => {}
        }
    }
}

async fn log_audit_head(store: &Store) {
    let head = async { store.read().await?.audit_head().await }.await;
    match head {
        Ok(head) => tracing::info!(audit.head = %head, "audit log head"),
        Err(error) => tracing::warn!(%error, "the head of the audit log could not be read"),
    }
}

/// Warns at the start if the bot has permissions that it doesn't need. A stolen token would have them too.
async fn warn_of_permissions(discord: Discord, config: Arc<Config>) {
    for guild in &config.guilds {
        match discord.own_permissions(guild.id).await {
            Ok(Some(permissions)) => {
                let unneeded = permissions.beyond_need(guild.member_role.is_some());
                if !unneeded.is_empty() {
                    tracing::warn!(
                        guild.id = guild.id.get(),
                        rights = unneeded.join(", "),
                        "the bot has permissions in this guild that it does not need: remove them from its role"
                    );
                }
            }
            Ok(None) => tracing::warn!(guild.id = guild.id.get(), "the bot is not in this guild: invite it"),
            Err(error) => {
                tracing::debug!(guild.id = guild.id.get(), %error, "the bot's permissions could not be read");
            }
        }
    }
}
