//! Health and metrics over HTTP, on a listener of its own, loopback by default.
//!
//! No personal data is served here, not even as a label.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The status of one part of the readiness check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It answers.
    Answers,
    /// It doesn't answer in time.
    Silent,
    /// It answers but can't be used until the operator follows this advice.
    Refuses(String),
    /// Another process does this part's work, and this process is on standby.
    StandsBy,
    /// It works in part; the text says what is missing and what to do.
    Degraded(String),
}

impl Part {
    /// Whether the part is ready.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Answers | Self::StandsBy | Self::Degraded(_))
    }
}

/// The times until first answers since the start. Clones share them.
#[derive(Clone, Debug)]
pub struct AckTimes(Histogram);

impl Default for AckTimes {
    fn default() -> Self {
        // Discord waits 3 s, and most of the interesting times are below one second.
        Self(Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0]))
    }
}

impl AckTimes {
    /// Records the time of a first answer.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

/// The current counts and ages. They come from the store, so a restart loses none.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Requests by state.
    pub requests: Vec<(&'static str, i64)>,
    /// Jobs by state.
    pub jobs: Vec<(&'static str, i64)>,
    /// Circuit breakers by target: open (1) or closed (0).
    pub breakers: Vec<(&'static str, i64)>,
    /// Jobs that have waited for long, by what they wait for.
    pub jobs_waiting: Vec<(&'static str, i64)>,
    /// Age of the longest wait of a job, in seconds; 0 if none waits.
    pub job_waiting_seconds: i64,
    /// How long Keycloak's events could not be read, in seconds; 0 if they were read last.
    pub events_unread_seconds: i64,
    /// Age of the oldest job that is due, in seconds; 0 if none is due.
    pub job_oldest_seconds: i64,
    /// Age of the oldest unsent message, in seconds; 0 if none is waiting.
    pub outbox_oldest_seconds: i64,
    /// Unsent messages that Discord refuses, by reason.
    pub messages_refused: Vec<(&'static str, i64)>,
    /// 1 while this process has a session at Discord's gateway.
    pub gateway_up: i64,
    /// Position of the head of the audit log.
    pub audit_seq: i64,
    /// Panics since the start.
    pub panics: i64,
    /// Statements that the store ran since the start.
    pub store_statements: u64,
    /// Transactions that the store committed since the start.
    pub store_commits: u64,
    /// Times that SQLite's log was flushed to the disk since the start.
    pub store_flushes: u64,
    /// First answers since the start.
    pub acks: AckTimes,
}

/// The source of health and metrics; `app` implements it.
pub trait Probe: Send + Sync + 'static {
    /// Checks every part that the service depends on, within a few seconds.
    fn readiness(&self) -> BoxFuture<'_, Vec<(&'static str, Part)>>;

    /// The current numbers; `None` while the store doesn't answer.
    fn numbers(&self) -> BoxFuture<'_, Option<Numbers>>;

    /// Registers what this process has counted since its start.
    fn register_metrics(&self, registry: &mut Registry);
}

type Shared = Arc<dyn Probe>;

/// The listener could not be opened or failed.
#[derive(Debug, thiserror::Error)]
#[error("serve health and metrics on {address}")]
pub struct WebError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Opens the listener; serving starts with [`serve`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, WebError> {
    TcpListener::bind(address).await.map_err(|source| WebError { address, source })
}

/// Serves `/healthz/live`, `/healthz/ready` and `/metrics` until `stop`.
pub async fn serve(listener: TcpListener, probe: Shared, stop: CancellationToken) {
    let routes = Router::new()
        .route("/healthz/live", get(async || "alive\n"))
        .route("/healthz/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probe);
    let served =
        axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::error!(%error, "the health page ended");
    }
}

/// 200 if every part answers, else 503; the body names each part.
async fn ready(State(probe): State<Shared>) -> impl IntoResponse {
    let parts = probe.readiness().await;
    let is_ready = parts.iter().all(|(_, part)| part.is_well());
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body: serde_json::Map<String, serde_json::Value> = parts
        .into_iter()
        .map(|(name, part)| {
            let told = match part {
                Part::Answers => "ok".to_owned(),
                Part::Silent => "does not answer".to_owned(),
                Part::Refuses(advice) => advice,
                Part::StandsBy => "stands by".to_owned(),
                Part::Degraded(text) => ["degraded: ", &text].concat(),
            };
            (name.to_owned(), told.into())
        })
        .collect();
    (status, Json(body))
}

async fn metrics(State(probe): State<Shared>) -> Response {
    let Some(numbers) = probe.numbers().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response();
    };
    let mut text = String::new();
    let mut registry = registry_of(&numbers);
    probe.register_metrics(&mut registry);
    if encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The numbers as metrics, with the names of `docs/reference/metrics.md`.
fn registry_of(numbers: &Numbers) -> Registry {
    let mut registry = Registry::with_prefix("accolade");
    let mut labelled = |name: &str, help: &str, label: &'static str, rows: &[(&'static str, i64)]| {
        let family = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        for (value, count) in rows {
            family.get_or_create(&[(label, value)]).set(*count);
        }
        registry.register(name, help, family);
    };
    labelled("requests", "Requests by state", "state", &numbers.requests);
    labelled("jobs", "Jobs by state", "state", &numbers.jobs);
    let waits_for_nothing = [("none", 0)];
    let waits = if numbers.jobs_waiting.is_empty() { &waits_for_nothing[..] } else { &numbers.jobs_waiting };
    labelled("jobs_waiting", "Jobs that have waited for long, by what they wait for", "code", waits);
    labelled("breaker_open", "1 while the circuit breaker of a target is open", "target", &numbers.breakers);
    labelled(
        "messages_refused",
        "Unsent messages that Discord refuses, by reason",
        "code",
        &numbers.messages_refused,
    );
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("job_waiting_seconds", "Age of the longest wait of a job", numbers.job_waiting_seconds);
    let unread = "How long Keycloak's events could not be read";
    gauge("events_unread_seconds", unread, numbers.events_unread_seconds);
    gauge("job_oldest_seconds", "Age of the oldest job that is due", numbers.job_oldest_seconds);
    gauge("outbox_oldest_seconds", "Age of the oldest unsent message", numbers.outbox_oldest_seconds);
    gauge("gateway_up", "1 while this process has a session at the gateway", numbers.gateway_up);
    gauge("audit_seq", "Position of the audit log's head", numbers.audit_seq);
    let mut counter = |name: &str, help: &str, value: u64| {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    counter("panics", "Panics since the start", u64::try_from(numbers.panics).unwrap_or(0));
    counter("store_statements", "Statements that the store ran since the start", numbers.store_statements);
    counter("store_commits", "Transactions that the store committed since the start", numbers.store_commits);
    counter("store_flushes", "Times that SQLite's log was flushed since the start", numbers.store_flushes);
    registry.register(
        "interaction_ack_seconds",
        "Time from the arrival of an interaction until Discord accepted the first answer",
        numbers.acks.0.clone(),
    );
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_have_the_documented_names() {
        let numbers = Numbers {
            requests: vec![("waiting", 2)],
            jobs: vec![("open", 1)],
            breakers: vec![("mail", 1)],
            messages_refused: vec![("missing_access", 2)],
            job_oldest_seconds: 3,
            job_waiting_seconds: 301,
            audit_seq: 17,
            store_statements: 40,
            store_commits: 6,
            store_flushes: 4,
            ..Numbers::default()
        };
        numbers.acks.observe(Duration::from_millis(7));
        let mut text = String::new();
        encode(&mut text, &registry_of(&numbers)).expect("encoding into a string works");
        for line in [
            "accolade_requests{state=\"waiting\"} 2",
            "accolade_jobs{state=\"open\"} 1",
            "accolade_breaker_open{target=\"mail\"} 1",
            "accolade_messages_refused{code=\"missing_access\"} 2",
            "accolade_job_oldest_seconds 3",
            "accolade_events_unread_seconds 0",
            "accolade_job_waiting_seconds 301",
            "accolade_jobs_waiting{code=\"none\"} 0",
            "accolade_outbox_oldest_seconds 0",
            "accolade_gateway_up 0",
            "accolade_audit_seq 17",
            "accolade_panics_total 0",
            "accolade_store_statements_total 40",
            "accolade_store_commits_total 6",
            "accolade_store_flushes_total 4",
            "accolade_interaction_ack_seconds_count 1",
            "accolade_interaction_ack_seconds_bucket{le=\"0.005\"} 0",
            "accolade_interaction_ack_seconds_bucket{le=\"0.01\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "no line `{line}` in:\n{text}");
        }
    }
}
