//! Why Discord closed the gateway, read from serenity's log.
//!
//! After close codes 4003, 4010 and 4011 serenity 0.12 reports the reason in its log and nowhere else, and reconnects forever. Only this
//! file knows serenity's log text. Its tests fail if the version of serenity changes; then compare
//! `gateway/bridge/shard_runner.rs` ("Shard handler received err"). `tests/workflow/settings.rs` closes a real connection.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};
use tracing_subscriber::layer::{Context, Layer};

/// Why the gateway was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayClosure {
    /// 4010 and 4011: waiting doesn't help.
    Permanent,
    /// 4003: Discord may accept a new session.
    NotAuthenticated,
}

/// 0 for none, else a [`GatewayClosure`].
static CLOSURE: AtomicU8 = AtomicU8::new(0);

/// A function that runs as soon as the gateway is closed. It must act at once: after a closure serenity's loop spins without yielding
/// its thread, so other tasks of the runtime may no longer run.
pub type ClosureHandler = Arc<dyn Fn() + Send + Sync>;

static HANDLER: Mutex<Option<ClosureHandler>> = Mutex::new(None);

/// Sets the function that runs when the gateway is closed; `None` removes it.
pub fn on_gateway_closure(handler: Option<ClosureHandler>) {
    *HANDLER.lock().unwrap_or_else(PoisonError::into_inner) = handler;
}

/// The closure since the last call, if there was one.
pub fn take_gateway_closure() -> Option<GatewayClosure> {
    match CLOSURE.swap(0, Ordering::Relaxed) {
        1 => Some(GatewayClosure::Permanent),
        2 => Some(GatewayClosure::NotAuthenticated),
        _ => None,
    }
}

/// Whether an event is an error of serenity's gateway.
pub(super) fn is_gateway_error(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").take(2).eq(["serenity", "gateway"]) && metadata.level() == &Level::ERROR
}

/// The closure that a log message of serenity reports.
fn closure_of(message: &str) -> Option<GatewayClosure> {
    if ["InvalidShardData", "OverloadedShard"].iter().any(|name| message.contains(name)) {
        Some(GatewayClosure::Permanent)
    } else if message.contains("NoAuthentication") {
        Some(GatewayClosure::NotAuthenticated)
    } else {
        None
    }
}

/// The layer that reads serenity's gateway errors.
pub(super) struct GatewayErrorLayer;

impl<S: tracing::Subscriber> Layer<S> for GatewayErrorLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut visitor = MessageVisitor(String::new());
        event.record(&mut visitor);
        let code = match closure_of(&visitor.0) {
            Some(GatewayClosure::Permanent) => 1,
            Some(GatewayClosure::NotAuthenticated) => 2,
            None => return,
        };
        CLOSURE.store(code, Ordering::Relaxed);
        let handler = HANDLER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(handler) = handler {
            handler();
        }
    }
}

/// Collects the message of an event.
struct MessageVisitor(String);

impl Visit for MessageVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a `String` can't fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serenity::gateway::GatewayError;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// The version whose log text this file knows.
    const SERENITY: &str = "0.12.5";

    #[test]
    fn the_log_text_is_known_for_the_pinned_version_of_serenity() {
        let lock: toml::Table = toml::from_str(include_str!("../../Cargo.lock")).expect("a lock file");
        let packages = lock["package"].as_array().expect("packages");
        let versions: Vec<&str> = packages
            .iter()
            .filter(|package| package["name"].as_str() == Some("serenity"))
            .filter_map(|package| package["version"].as_str())
            .collect();
        assert_eq!(versions, [SERENITY], "compare the log text of the new version, then change this test");
    }

    #[test]
    fn each_closing_error_of_serenity_is_recognized_as_it_logs_it() {
        for (error, expected) in [
            (GatewayError::InvalidShardData, Some(GatewayClosure::Permanent)),
            (GatewayError::OverloadedShard, Some(GatewayClosure::Permanent)),
            (GatewayError::NoAuthentication, Some(GatewayClosure::NotAuthenticated)),
            (GatewayError::ReconnectFailure, None),
            (GatewayError::ExpectedHello, None),
        ] {
            let error = serenity::Error::Gateway(error);
            let message = format!("Shard handler received err: {error:?}");
            assert_eq!(closure_of(&message), expected, "{message}");
        }
    }

    #[test]
    fn a_closure_runs_the_handler_and_is_taken_once() {
        let calls = Arc::new(AtomicU8::new(0));
        let counted = Arc::clone(&calls);
        on_gateway_closure(Some(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        })));
        let layer = GatewayErrorLayer.with_filter(tracing_subscriber::filter::filter_fn(is_gateway_error));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let error = serenity::Error::Gateway(GatewayError::InvalidShardData);
            tracing::warn!(target: "serenity::gateway::bridge", "no error: {error:?}");
            tracing::error!(target: "serenity::http", "another module: {error:?}");
            tracing::error!(target: "serenity::gateway::bridge::shard_runner", "Shard handler received err: {error:?}");
        });
        on_gateway_closure(None);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(take_gateway_closure(), Some(GatewayClosure::Permanent));
        assert_eq!(take_gateway_closure(), None);
    }
}
