//! Time limits of calls to Discord.

use std::time::Duration;

/// The limit for one call: longer than Discord needs on a bad day, shorter than people wait for an answer.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// The limit for a new connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How often a connection with calls in flight is pinged, so that a half-open connection is detected.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long a connection without calls is idle before the system checks that it is alive. That also keeps the connection in the tables
/// of the firewalls on its way.
pub(super) const TCP_KEEP_ALIVE: Duration = Duration::from_secs(15);
