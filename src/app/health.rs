//! The health of the service, for the health page, the metrics and the service manager.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;

use super::restore_check::RESTORED;
use crate::accounts::restored::MaintenanceMode;
use crate::background::{self, Background};
use crate::bot::{GatewayStatus, JoinedGuilds, Session};
use crate::config::SharedConfig;
use crate::directory::Directory;
use crate::domain::cause::{Cause, Peer};
use crate::domain::ids::GuildId;
use crate::domain::lang::Lang;
use crate::domain::refusal::RefusalReason;
use crate::keycloak::Keycloak;
use crate::messages::{self, service};
use crate::store::{RefusedMessages, Store, StoreError, WaitCount};
use crate::telemetry;
use crate::web::{AckTimes, Numbers, Part, Probe};

/// The limit for one part of the readiness check.
const PART_TIMEOUT: Duration = Duration::from_secs(3);

/// The health of a running service. A clone is cheap.
#[derive(Clone)]
pub struct ServiceHealth {
    probe: Arc<HealthProbe>,
}

impl ServiceHealth {
    pub(super) fn new(probe: Arc<HealthProbe>) -> Self {
        Self { probe }
    }

    /// The names of the parts that are not ready.
    pub async fn not_ready(&self) -> Vec<&'static str> {
        let parts = self.probe.readiness().await;
        parts.into_iter().filter(|(_, part)| !part.is_well()).map(|(name, _)| name).collect()
    }

    /// Whether the worker sent a heartbeat within this time.
    pub fn worker_is_alive(&self, within: Duration) -> bool {
        self.probe.background.is_alive(within)
    }

    /// The directory client, whose password a reload may change.
    pub(super) fn directory(&self) -> &Directory {
        &self.probe.directory
    }

    /// The Keycloak client, whose secret a reload may change.
    pub(super) fn keycloak(&self) -> &Keycloak {
        &self.probe.keycloak
    }
}

/// Everything that the health page asks.
pub(super) struct HealthProbe {
    pub(super) store: Store,
    pub(super) directory: Directory,
    pub(super) keycloak: Keycloak,
    pub(super) background: Background,
    pub(super) maintenance: MaintenanceMode,
    pub(super) gateway: GatewayStatus,
    pub(super) guilds: JoinedGuilds,
    pub(super) config: SharedConfig,
    pub(super) acks: AckTimes,
}

impl Probe for HealthProbe {
    fn readiness(&self) -> BoxFuture<'_, Vec<(&'static str, Part)>> {
        Box::pin(async {
            let store = check(async {
                self.store.takes_changes().await.map_err(|error| store_advice(&error))?;
                if self.maintenance.is_on() { Err(Some(RESTORED.to_owned())) } else { Ok(()) }
            });
            let (directory, keycloak) = (probe_directory(&self.directory), probe_keycloak(&self.keycloak));
            let (store, directory, keycloak) = tokio::join!(store, directory, keycloak);
            let gateway = match self.gateway.session().await {
                Session::Open => Part::Answers,
                Session::Opening | Session::None => Part::Silent,
                Session::Elsewhere => Part::StandsBy,
            };
            let jobs = jobs_part(&self.store).await;
            let events = events_part(
                self.background.events_unread_for(),
                self.config.now().account.report_delay_after,
            );
            let guilds = guilds_part(&self.guilds.missing(&self.config.now()));
            let messages = messages_part(&self.background).await;
            vec![
                ("store", store),
                ("directory", directory),
                ("keycloak", keycloak),
                ("gateway", gateway),
                ("guilds", guilds),
                ("jobs", jobs),
                ("events", events),
                ("messages", messages),
            ]
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
                jobs_waiting: health
                    .waits
                    .iter()
                    .filter(|wait| wait.reported > 0)
                    .map(|wait| (wait.code.code(), wait.reported))
                    .collect(),
                events_unread_seconds: seconds(self.background.events_unread_for()),
                job_waiting_seconds: seconds(health.longest_wait),
                job_oldest_seconds: seconds(health.oldest_job),
                outbox_oldest_seconds: seconds(health.oldest_message),
                messages_refused: refused_by_reason(&health.refused),
                gateway_up: i64::from(self.gateway.session().await == Session::Open),
                audit_seq: health.audit_seq,
                panics: i64::try_from(telemetry::panics().max(health.panics)).unwrap_or(i64::MAX),
                store_statements: counts.statements,
                store_commits: counts.commits,
                store_flushes: counts.flushes + counts.background_flushes,
                acks: self.acks.clone(),
            })
        })
    }
}

/// A missing guild leaves the others served, so the process is ready.
fn guilds_part(missing: &[GuildId]) -> Part {
    if missing.is_empty() {
        return Part::Answers;
    }
    let ids: Vec<String> = missing.iter().map(ToString::to_string).collect();
    Part::Degraded(["invite the bot to these configured guilds: ", &ids.join(", ")].concat())
}

/// Jobs that were reported because they wait for long. All others run, so the process is ready.
async fn jobs_part(store: &Store) -> Part {
    let counting = async { store.read().await?.wait_counts().await };
    match tokio::time::timeout(PART_TIMEOUT, counting).await {
        Ok(Ok(waits)) => told_waits(&waits),
        // The part `store` says what is wrong.
        Ok(Err(_)) | Err(_) => Part::Degraded("not known, because the store does not answer".to_owned()),
    }
}

/// Without Keycloak's events a password is seen when the directory is asked the next time, so the process is ready.
fn events_part(unread_for: Duration, told_after: Duration) -> Part {
    if unread_for < told_after {
        return Part::Answers;
    }
    let what = "Keycloak's events can't be read, so passwords are noticed late; see the log";
    Part::Degraded(what.to_owned())
}

fn told_waits(waits: &[WaitCount]) -> Part {
    let reported = waits.iter().filter(|wait| wait.reported > 0);
    let counted: Vec<String> =
        reported.map(|wait| [wait.code.code(), " (", &wait.reported.to_string(), ")"].concat()).collect();
    if counted.is_empty() {
        return Part::Answers;
    }
    let advice = "; see `accolade request list` and docs/stuck.md";
    Part::Degraded(["waiting for ", &counted.join(", "), advice].concat())
}

/// Messages that Discord refuses are kept, so the process is ready. If the store doesn't answer, its own part says so.
async fn messages_part(background: &Background) -> Part {
    let asked = tokio::time::timeout(PART_TIMEOUT, background.refused_messages()).await;
    let refused = asked.ok().and_then(Result::ok).unwrap_or_default();
    if refused.is_empty() {
        return Part::Answers;
    }
    let lang = Lang::default();
    let each = refused.iter().map(|row| service::refused_messages(lang, row.refusal, row.channel, row.count));
    Part::Degraded(each.collect::<Vec<_>>().join(" "))
}

/// A number for each reason, also for those that don't occur, so that a graph has no gaps.
fn refused_by_reason(refused: &[RefusedMessages]) -> Vec<(&'static str, i64)> {
    let count = |refusal: RefusalReason| {
        refused.iter().filter(|row| row.refusal == refusal).map(|row| row.count).sum()
    };
    RefusalReason::ALL.iter().map(|refusal| (refusal.code(), count(*refusal))).collect()
}

async fn probe_directory(directory: &Directory) -> Part {
    check(async { directory.probe().await.map_err(|error| advice(Peer::Directory, error.cause())) }).await
}

async fn probe_keycloak(keycloak: &Keycloak) -> Part {
    check(async { keycloak.probe().await.map_err(|error| advice(Peer::Keycloak, error.cause())) }).await
}

fn store_advice(error: &StoreError) -> Option<String> {
    error.advice().map(str::to_owned).or_else(|| advice(Peer::Database, error.cause()))
}

/// What an operator must change, if waiting doesn't cure the cause.
fn advice(peer: Peer, cause: Option<Cause>) -> Option<String> {
    let cause = cause.filter(|cause| !cause.may_pass())?;
    Some(messages::cause::sentence(Lang::default(), peer, cause))
}

/// Runs one check. A failed one may carry advice for the operator.
async fn check(probe: impl Future<Output = Result<(), Option<String>>>) -> Part {
    match tokio::time::timeout(PART_TIMEOUT, probe).await {
        Ok(Ok(())) => Part::Answers,
        Ok(Err(Some(advice))) => Part::Refuses(advice),
        Ok(Err(None)) | Err(_) => Part::Silent,
    }
}

/// Logs at the start which servers are unusable. The process continues: requests are stored, and their jobs wait.
pub(super) async fn check_servers(directory: Directory, keycloak: Keycloak) {
    let (directory, keycloak) = tokio::join!(probe_directory(&directory), probe_keycloak(&keycloak));
    for (name, part) in [("the directory", directory), ("Keycloak", keycloak)] {
        match part {
            Part::Refuses(advice) => tracing::error!(part = name, advice, "a server cannot be used"),
            Part::Silent => tracing::warn!(part = name, "a server does not answer yet"),
            Part::Answers | Part::StandsBy | Part::Degraded(_) => {}
        }
    }
}
