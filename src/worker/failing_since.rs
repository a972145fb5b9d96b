//! Since when something that is tried again and again has failed, for the health page and the metrics of this process.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::ids::Timestamp;

/// No time: it didn't fail last.
const NEVER: i64 = i64::MIN;

/// When the first failure since the last success was.
#[derive(Debug)]
pub(crate) struct FailingSince(AtomicI64);

impl FailingSince {
    pub(crate) const fn new() -> Self {
        Self(AtomicI64::new(NEVER))
    }

    /// Notes a success.
    pub(crate) fn succeeded(&self) {
        self.0.store(NEVER, Ordering::Relaxed);
    }

    /// Notes a failure; the first one counts.
    pub(crate) fn failed(&self, now: Timestamp) {
        // An error means that an earlier failure is noted.
        let _ = self.0.compare_exchange(NEVER, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How long it has failed; zero if it didn't fail last.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            NEVER => Duration::ZERO,
            since => now.since(Timestamp::from_millis(since)),
        }
    }
}
