//! Logs: one line for each event on standard error, as JSON or text.
//!
//! No code logs secrets or personal values. Two safeguards back that rule: libraries that print bodies or typed text are limited to a
//! harmless level whatever the filter says (`subscriber`), and every line is redacted (`redaction`). [`start`] installs the log.

mod gateway_closure;
mod panics;
mod redaction;
mod subscriber;
mod trace_id;

pub use gateway_closure::{ClosureHandler, GatewayClosure, on_gateway_closure, take_gateway_closure};
pub use panics::panics;
pub use redaction::is_control_or_bidi;
pub use subscriber::{set_filter, start, start_into};
pub use trace_id::TraceId;
