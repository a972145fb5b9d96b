//! The counters of the background loops for `/metrics`. They belong to this process and start at zero. No label comes from people.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::breaker::Target;
use super::outage::IsOutage;
use crate::domain::job::Step;
use crate::domain::refusal::RefusalReason;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Spans = Family<Labels<2>, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: from a quick answer of the directory to beyond the time limit of a call.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

/// What a call says about its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Success.
    Ok,
    /// The target refused.
    Refused,
    /// No answer, or the target said that it is unavailable.
    Down,
}

impl Answer {
    /// Classifies an answer of a client.
    pub(crate) fn of<T, E: IsOutage>(answer: &Result<T, E>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(error) if error.is_outage() => Self::Down,
            Err(_) => Self::Refused,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Down => "down",
        }
    }
}

/// The counters of one process.
pub(crate) struct Metrics {
    steps: Spans,
    calls: Spans,
    mails: Family<Labels<1>, Counter>,
    dropped: Family<Labels<1>, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let dropped: Family<Labels<1>, Counter> = Family::default();
        // A number for each reason from the start, so that a graph shows the first one.
        for reason in RefusalReason::ALL {
            drop(dropped.get_or_create(&[("code", reason.code())]));
        }
        Self {
            steps: Family::new_with_constructor(histogram),
            calls: Family::new_with_constructor(histogram),
            mails: Family::default(),
            dropped,
        }
    }

    /// A step ended: what it did, or the kind of its failure.
    pub(crate) fn step(&self, step: Step, outcome: &'static str, took: Duration) {
        let labels = [("step", step.code()), ("outcome", outcome)];
        self.steps.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// An outside call ended.
    pub(crate) fn call(&self, target: Target, answer: Answer, took: Duration) {
        let labels = [("target", target.code()), ("outcome", answer.code())];
        self.calls.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Keycloak was asked to mail.
    pub(crate) fn mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// A message was dropped, because Discord will never accept it.
    pub(crate) fn dropped(&self, refusal: RefusalReason) {
        self.dropped.get_or_create(&[("code", refusal.code())]).inc();
    }

    /// Registers them. The registry adds the prefix, and the suffixes that the format requires.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("step_seconds", "How long steps took, by outcome", self.steps.clone());
        registry.register("call_seconds", "How long outside calls took, by outcome", self.calls.clone());
        let dropped = "Messages that were dropped, because Discord will never accept them, by reason";
        registry.register("messages_dropped", dropped, self.dropped.clone());
        registry.register("mails", "Mails that Keycloak was asked for, by outcome", self.mails.clone());
    }
}
