//! What every background loop shares: the dependencies, circuit breakers, metrics, heartbeats, and the code around outside calls.
//!
//! Start with [`context`] and [`call`]. Nothing here knows a job, a message or a plan; `jobs`, `notify` and `maintenance` import this
//! module and never each other.

pub(crate) mod activate;
pub(crate) mod breaker;
pub(crate) mod breakers;
#[cfg(feature = "faults")]
pub(crate) mod breakpoint;
pub(crate) mod call;
pub(crate) mod context;
pub(crate) mod failing_since;
pub(crate) mod health;
pub(crate) mod heartbeat;
pub(crate) mod metrics;
pub(crate) mod notices;
pub(crate) mod outage;
pub(crate) mod recent_checks;
